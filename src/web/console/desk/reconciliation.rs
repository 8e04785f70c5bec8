//! The comparison of a bank's statement with what was recorded.

use actix_web::HttpResponse;
use actix_web::http::{Method, StatusCode};
use maud::{Markup, html};
use serde::Deserialize;

use crate::http::ApiError;
use crate::web::api::{Request, SignedMajor};
use crate::web::console::desk::parts::{SECTION, file_refusal, pages};
use crate::web::form::CsvForm;
use crate::web::layout::{Page, Refused};
use crate::web::reader::Reader;
use crate::web::text;

const PATH: &str = "/console/desk/reconciliation";
const NOT_COMPARED: &str =
    "Nothing was compared. If the bank names its columns in another way, type their names below.";

/// The form: a statement, the bank's balances, or both, and the names of the statement's columns.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Typed {
    statement: String,
    opening: String,
    closing: String,
    from: String,
    to: String,
    date: String,
    amount: String,
    credit: String,
    debit: String,
    reference: String,
}

impl Typed {
    /// The names of the columns, as the query has them, with their labels.
    fn columns(&self) -> [(&'static str, &'static str, &str); 5] {
        [
            ("date", "Day", &self.date),
            ("reference", "Reference", &self.reference),
            ("amount", "Amount, below zero for money out", &self.amount),
            ("credit", "Or: money in", &self.credit),
            ("debit", "and: money out", &self.debit),
        ]
    }

    /// Returns the path of the route that compares, with what was typed beside the statement.
    fn path(&self) -> String {
        let rest = [
            ("opening", self.opening.as_str()),
            ("closing", &self.closing),
            ("from", &self.from),
            ("to", &self.to),
        ];
        let columns = self.columns().into_iter().map(|(name, _, typed)| (name, typed));
        let typed = columns.chain(rest).map(|(name, typed)| (name, typed.trim()));
        let query = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(typed.filter(|(_, typed)| !typed.is_empty()))
            .finish();
        format!("/operator/position/reconcile?{query}")
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Comparison {
    currency: String,
    agrees: bool,
    balance: Balance,
    near_misses: Vec<Pair>,
    missing_here: Vec<Line>,
    missing_there: Vec<Movement>,
    duplicates: Vec<Duplicate>,
    matched: Vec<Pair>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Balance {
    closing: Option<SignedMajor>,
    bank_should_hold: SignedMajor,
    difference: Option<SignedMajor>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    value_date: String,
    amount: SignedMajor,
    reference: String,
}

#[derive(Debug, Deserialize)]
struct Duplicate {
    line: Line,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Movement {
    value_date: String,
    amount: SignedMajor,
    bank_reference: String,
}

#[derive(Debug, Deserialize)]
struct Pair {
    line: Line,
    movement: Movement,
}

/// `GET /console/desk/reconciliation`
pub(super) async fn show(reader: Reader) -> HttpResponse {
    page(&reader, &Typed::default(), StatusCode::OK, &html! {})
}

/// `POST /console/desk/reconciliation`: compares, and changes nothing.
pub(super) async fn compare(
    reader: Reader,
    CsvForm { form: typed, .. }: CsvForm<Typed>,
) -> Result<HttpResponse, Refused> {
    let statement = typed.statement.trim_start().to_owned();
    let request = Request::new(Method::POST, typed.path());
    let answer = reader.api.send_csv(request, statement).await?;
    if !answer.status.is_success() {
        return Ok(page(
            &reader,
            &typed,
            answer.status,
            &file_refusal(&answer.envelope, NOT_COMPARED),
        ));
    }
    let found = Comparison::deserialize(answer.envelope.data).map_err(|_| ApiError::Internal)?;
    Ok(page(&reader, &typed, StatusCode::OK, &result(&found)))
}

fn page(reader: &Reader, typed: &Typed, status: StatusCode, result: &Markup) -> HttpResponse {
    let names_columns = typed.columns().iter().any(|(_, _, typed)| !typed.is_empty());
    Page::new("Reconciliation").section(SECTION).show_with(status, &html! {
        h1 { "Reconciliation" }
        p.lead { "Compare the bank's statement with what was recorded here. Nothing is changed." }
        (pages(reader, PATH))
        (result)
        form.card method="post" action=(PATH) {
            div.field {
                label for="statement" { "The bank's statement as CSV" }
                textarea #statement name="statement" rows="8" aria-describedby="statement-hint" placeholder="date,amount,reference" { (typed.statement) }
                p.hint #statement-hint { "A head and a line for each movement: the columns " code { "date" } ", " code { "amount" } " (money out below zero) and " code { "reference" } "." }
            }
            details open[names_columns || !status.is_success()] {
                summary { "The bank names its columns in another way" }
                div.fields {
                    @for (name, label, typed) in typed.columns() {
                        div.field {
                            label for={ "column-" (name) } { (label) }
                            input id={ "column-" (name) } name=(name) value=(typed) autocomplete="off";
                        }
                    }
                }
            }
            div.fields {
                @for (name, label, typed) in [("opening", "The bank's opening balance", &typed.opening), ("closing", "The bank's closing balance", &typed.closing)] {
                    div.field {
                        label for=(name) { (label) }
                        input id=(name) name=(name) inputmode="decimal" value=(typed);
                    }
                }
                @for (name, label, typed) in [("from", "First day", &typed.from), ("to", "Last day", &typed.to)] {
                    div.field {
                        label for=(name) { (label) }
                        input id=(name) type="date" name=(name) value=(typed);
                    }
                }
            }
            p.small.muted { "Only the statement or the closing balance is needed. The days are those of its first and last line, unless you type others." }
            button.primary { "Compare" }
        }
    })
}

fn result(found: &Comparison) -> Markup {
    let currency = found.currency.as_str();
    let row = |amount: SignedMajor, date: &str, reference: &str| {
        html! { tr { td { (date) } td { code { (reference) } } td.end { (text::minor(amount.0, currency)) } } }
    };
    let part = |title: &str, hint: &str, rows: Vec<Markup>| {
        html! {
            @if !rows.is_empty() {
                section.card {
                    h2 { (title) }
                    p.small.muted { (hint) }
                    div.table-scroll tabindex="0" {
                        table {
                            thead { tr { th scope="col" { "Day" } th scope="col" { "Reference" } th.end scope="col" { "Amount" } } }
                            tbody { @for row in rows { (row) } }
                        }
                    }
                }
            }
        }
    };
    let line = |line: &Line| row(line.amount, &line.value_date, &line.reference);
    let movement = |found: &Movement| row(found.amount, &found.value_date, &found.bank_reference);
    html! {
        @if found.agrees {
            div.notice.good role="status" { p { strong { "The bank and the ledger agree." } } }
        } @else {
            div.notice.warn role="status" { p { strong { "The bank and the ledger differ." } } }
        }
        section.card {
            h2 { "Balance" }
            dl.facts {
                dt { "The bank should hold" } dd { (text::minor(found.balance.bank_should_hold.0, currency)) }
                @if let Some(closing) = found.balance.closing { dt { "The bank says" } dd { (text::minor(closing.0, currency)) } }
                @if let Some(difference) = found.balance.difference { dt { "Difference" } dd { strong { (text::minor(difference.0, currency)) } } }
            }
        }
        (part("Only at the bank", "Record these movements, or ask the bank.", found.missing_here.iter().map(line).collect()))
        (part("Only here", "Recorded here, and not in the statement.", found.missing_there.iter().map(movement).collect()))
        (part("Twice in the statement", "The bank lists these movements twice.", found.duplicates.iter().map(|twice| line(&twice.line)).collect()))
        (part("Nearly the same", "The reference is the same; amount or day differ: first the bank's line, then what was recorded.",
            found.near_misses.iter().flat_map(|pair| [line(&pair.line), movement(&pair.movement)]).collect()))
        (part("The same on both sides", "Nothing to do.", found.matched.iter().map(|pair| line(&pair.line)).collect()))
    }
}
