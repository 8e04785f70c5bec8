//! The comparison of a bank's statement with what was recorded.

use actix_web::HttpResponse;
use actix_web::http::{Method, StatusCode};
use maud::{Markup, html};
use serde::Deserialize;

use crate::http::ApiError;
use crate::store::Snapshot;
use crate::web::api::{Request, SignedMajor};
use crate::web::console::desk::parts::{SECTION, file_refusal, pages, pasted, typed_file};
use crate::web::form::CsvForm;
use crate::web::layout::{Page, Refused, of_merchant};
use crate::web::reader::Reader;
use crate::web::text;

const PATH: &str = "/console/desk/reconciliation";
const NOT_COMPARED: &str =
    "Nothing was compared. If the bank names its columns in another way, type their names below.";

/// The form: a statement, the bank's balances, or both, and the names of the statement's columns.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Typed {
    /// The merchant whose page has shown the form, or empty if none was chosen.
    merchant: String,
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
    at_provider: Vec<Movement>,
    duplicates: Vec<Duplicate>,
    outside_matches: Vec<Pair>,
    matched: Vec<Pair>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Balance {
    closing: Option<SignedMajor>,
    statement_gap: Option<SignedMajor>,
    bank_should_hold: SignedMajor,
    difference: Option<SignedMajor>,
    explained: SignedMajor,
    unexplained: Option<SignedMajor>,
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
#[serde(rename_all = "camelCase")]
struct Pair {
    line: Line,
    movement: Movement,
    days_apart: i64,
}

/// `GET /console/desk/reconciliation`
pub(super) async fn show(reader: Reader) -> Result<HttpResponse, Refused> {
    page(&reader, &Typed::default(), StatusCode::OK, &html! {}).await
}

/// `POST /console/desk/reconciliation`: compares, and changes nothing.
pub(super) async fn compare(
    mut reader: Reader,
    CsvForm { form: typed, .. }: CsvForm<Typed>,
) -> Result<HttpResponse, Refused> {
    if typed.merchant.is_empty() && reader.is_operator() {
        reader.choose(None);
    }
    reader.choose_of_form(Some(&typed.merchant))?;
    let statement = pasted(&typed.statement);
    if statement.is_empty() && typed.closing.trim().is_empty() {
        let nothing = html! {
            div.notice.bad role="alert" {
                p { strong { "Paste the bank's statement, or type the bank's closing balance." } }
                p { (NOT_COMPARED) }
            }
        };
        return page(&reader, &typed, StatusCode::BAD_REQUEST, &nothing).await;
    }
    let request = Request::new(Method::POST, typed.path());
    let answer = reader.api.send_csv(request, statement).await?;
    if !answer.status.is_success() {
        let refusal = file_refusal(&answer.envelope, &reader.currency(), NOT_COMPARED);
        return page(&reader, &typed, answer.status, &refusal).await;
    }
    let found = Comparison::deserialize(answer.envelope.data).map_err(|_| ApiError::Internal)?;
    page(&reader, &typed, StatusCode::OK, &result(&found)).await
}

/// Returns true if the page shows one merchant, and others have the same account at the bank.
async fn is_of_shared_account(reader: &Reader) -> Result<bool, Refused> {
    if reader.pinned_merchant().is_none() {
        return Ok(false);
    }
    let policy = reader.state.policy.load_full();
    let is_shared = move |snapshot: &Snapshot<'_>, chosen| policy.shares_deposit_account(snapshot, chosen);
    Ok(reader.read(is_shared).await?.unwrap_or(false))
}

async fn page(reader: &Reader, typed: &Typed, status: StatusCode, result: &Markup) -> Result<HttpResponse, Refused> {
    let is_shared = is_of_shared_account(reader).await?;
    let names_columns = typed.columns().iter().any(|(_, _, typed)| !typed.is_empty());
    let page = Page::new("Reconciliation").section(SECTION).show_with(status, &html! {
        h1 { "Reconciliation" }
        p.lead { "Compare the bank's statement with what was recorded here. Nothing is changed." }
        (pages(reader, PATH))
        @if is_shared {
            div.notice.warn {
                p { "One merchant is chosen, and other merchants share this bank account: their lines stand here under \u{201c}Only at the bank\u{201d}, and are not this merchant's money. Choose all merchants to compare the account." }
            }
        }
        (result)
        form.card method="post" action=(PATH) {
            input type="hidden" name="merchant" value=(reader.pinned_merchant().map(|merchant| merchant.0.to_string()).unwrap_or_default());
            div.field {
                label for="statement" { "The bank's statement as CSV" }
                textarea #statement name="statement" rows="8" aria-describedby="statement-hint" placeholder="date,amount,reference" { (typed_file(&typed.statement)) }
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
    });
    Ok(of_merchant(page, reader.pinned_merchant()))
}

/// The lists of differences, each with its remedy.
const ONLY_AT_BANK: &str = "Above zero: if a deposit was not recorded, record it. If the bank has sent a pay-out back, \
                            record its return. If it is a payment provider's settlement, check it and do not record \
                            it, since its payments are recorded already. Below zero: the bank's charges, a payment \
                            that was not recorded, or, with the reference of a receipt, a credit that the bank has \
                            taken back: then reverse the receipt.";
const ONLY_HERE: &str = "A pay-out: the bank has not paid it yet, or its payment was recorded too early or by mistake. \
                         Wait, and if the payment never comes, reopen the pay-out. A receipt: it was recorded twice or \
                         by mistake. Reverse it.";
const TWICE: &str = "The file has these lines twice, or the payer paid twice. Look at the bank; if it was paid twice, \
                     record the second.";
const NEARLY: &str = "The reference is the same; amount or day differ: first the bank's line, then what was recorded. If \
                      only the days differ, it was recorded late, and there is nothing to do. If the amount was \
                      mistyped, reverse the receipt and record it as it came. If an earlier statement has what was \
                      recorded, the line is another payment: record it.";
const OUTSIDE: &str = "The line and what was recorded are the same, but for a day that the statement does not cover. \
                       Usually the bank has booked it on another day. If an earlier statement has the line too, the \
                       bank has booked it twice: ask the bank.";
const AT_PROVIDER: &str = "A payment provider received this money. The bank shows its settlements: sums of payments less \
                           fees.";

fn result(found: &Comparison) -> Markup {
    let currency = found.currency.as_str();
    let left = found.balance.unexplained.map(|left| left.0).filter(|left| *left != 0);
    let row = |amount: SignedMajor, date: &str, reference: &str, remark: Markup| {
        html! { tr { td { (date) (remark) } td { code { (reference) } } td.end { (text::minor(amount.0, currency)) } } }
    };
    let line = |line: &Line| row(line.amount, &line.value_date, &line.reference, html! {});
    let movement = |found: &Movement| row(found.amount, &found.value_date, &found.bank_reference, html! {});
    let pair = |pair: &Pair| {
        let Line {
            value_date,
            amount,
            reference,
        } = &pair.line;
        row(
            *amount,
            value_date,
            reference,
            html! {
                @if pair.days_apart != 0 { div.small.muted { "recorded for " (pair.movement.value_date) } }
            },
        )
    };
    let outside = |found: &Pair| {
        html! {
            (pair(found))
            @if left == Some(found.line.amount.0) {
                tr { td colspan="3" { strong { "This amount is what is left unexplained: it was probably booked twice." } } }
            }
        }
    };
    let both = |pair: &Pair| [line(&pair.line), movement(&pair.movement)];
    html! {
        @if found.agrees {
            div.notice.good role="status" { p { strong { "The bank and the ledger agree." } } }
        } @else {
            div.notice.warn role="status" {
                p { strong { "The bank and the ledger differ." } }
                @if !found.outside_matches.is_empty() && found.balance.difference.is_none() {
                    p { "Type the bank's balance: it shows if a line was recorded for another day, or booked twice." }
                }
            }
        }
        (balance(&found.balance, currency))
        (part("Only at the bank", ONLY_AT_BANK, found.missing_here.iter().map(line).collect()))
        (part("Only here", ONLY_HERE, found.missing_there.iter().map(movement).collect()))
        (part("Twice in the statement", TWICE, found.duplicates.iter().map(|twice| line(&twice.line)).collect()))
        (part("Nearly the same", NEARLY, found.near_misses.iter().flat_map(both).collect()))
        (part("Recorded for another day", OUTSIDE, found.outside_matches.iter().map(outside).collect()))
        (part("At the payment provider", AT_PROVIDER, found.at_provider.iter().map(movement).collect()))
        (part("The same on both sides", "Nothing to do.", found.matched.iter().map(pair).collect()))
    }
}

fn balance(balance: &Balance, currency: &str) -> Markup {
    let is_left = |amount: Option<SignedMajor>| amount.filter(|amount| amount.0 != 0);
    html! {
        section.card {
            h2 { "Balance" }
            dl.facts {
                dt { "The bank should hold" } dd { (text::minor(balance.bank_should_hold.0, currency)) }
                @if let Some(closing) = balance.closing { dt { "The bank says" } dd { (text::minor(closing.0, currency)) } }
                @if let Some(difference) = balance.difference { dt { "Difference" } dd { strong { (text::minor(difference.0, currency)) } } }
                @if let Some(unexplained) = balance.unexplained {
                    dt { "Explained by the lists" } dd { (text::minor(balance.explained.0, currency)) }
                    dt { "Left unexplained" } dd { strong { (text::minor(unexplained.0, currency)) } }
                }
                @if let Some(gap) = is_left(balance.statement_gap) {
                    dt { "The statement itself has a gap" } dd { strong { (text::minor(gap.0, currency)) } }
                }
            }
            @if is_left(balance.unexplained).is_some() {
                p.small { "It arose before the statement, or a balance was mistyped." }
            }
            @if is_left(balance.statement_gap).is_some() {
                p.small { "The closing balance is not the opening balance and the lines. Lines are missing in the file or stand in it twice, or a balance was mistyped." }
            }
        }
    }
}

fn part(title: &str, hint: &str, rows: Vec<Markup>) -> Markup {
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
}
