//! The comparison of a bank's statement with what was recorded.

use actix_web::HttpResponse;
use actix_web::web::Form;
use maud::{Markup, html};
use serde::Deserialize;

use crate::web::api::SignedMajor;
use crate::web::console::desk::parts::{SECTION, pages};
use crate::web::layout::{Page, Refused};
use crate::web::reader::Reader;
use crate::web::text;

const PATH: &str = "/console/desk/reconciliation";

/// The form: a statement, the bank's balance, or both.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Typed {
    statement: String,
    closing: String,
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
    page(&reader, &Typed::default(), &html! {})
}

/// `POST /console/desk/reconciliation`: compares, and changes nothing.
pub(super) async fn compare(reader: Reader, Form(typed): Form<Typed>) -> Result<HttpResponse, Refused> {
    let closing = typed.closing.trim();
    let mut path = "/operator/position/reconcile".to_owned();
    if !closing.is_empty() {
        path.push_str("?closing=");
        path.push_str(&text::segment(closing));
    }
    let found: Comparison = reader
        .api
        .send_csv(path, typed.statement.trim_start().to_owned())
        .await?;
    Ok(page(&reader, &typed, &result(&found)))
}

fn page(reader: &Reader, typed: &Typed, result: &Markup) -> HttpResponse {
    Page::new("Reconciliation").section(SECTION).show(&html! {
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
            div.field {
                label for="closing" { "The bank's closing balance" }
                input #closing name="closing" inputmode="decimal" value=(typed.closing);
            }
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
