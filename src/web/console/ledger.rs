//! The ledger: where the money is, the newest transfers, and whether it all adds up.

use actix_web::HttpResponse;
use maud::{Markup, html};
use tokio::sync::Mutex;

use crate::domain::text::counted;
use crate::domain::treasury::account_statement::{AccountStatement, Period};
use crate::http::on_thread;
use crate::store::{Audit, OpenError, audit};
use crate::web::layout::{Page, Refused};
use crate::web::reader::Reader;
use crate::web::text;

/// The most transfers that the page reads, and the ones that it shows.
const TRANSFERS_MAX: usize = 20_000;
const TRANSFERS_SHOWN: usize = 50;

/// Held by the request whose page checks the file, since a check reads all of it.
static CHECKING: Mutex<()> = Mutex::const_new(());

/// The invariants of architecture section 4, by their numbers.
const INVARIANTS: [&str; 12] = [
    "The balances of a merchant add up to zero",
    "Each balance equals the sum of its transfers",
    "No balance of a customer, merchant or platform is below zero",
    "Escrow accounts hold exactly what open deals and stakes still hold",
    "A closed deal holds nothing",
    "For every deal: released, refunded, fees and still held add up to what was paid",
    "Each merchant's chain of transfers is unbroken",
    "Each payment history is whole and adds up to its balance",
    "Every row can be read and has its checksum",
    "Every file that a row names is there",
    "Money in transit, in suspense, of the platform and at the bank belongs to deals, pay-outs and receipts",
    "The record of what operators did has no gap",
];

/// `GET /console/ledger`
pub(super) async fn show(reader: Reader) -> Result<HttpResponse, Refused> {
    let read = reader.read(|snapshot, merchant| snapshot.journal(merchant, Period::default(), TRANSFERS_MAX));
    let journal = read.await?;
    let checked = if reader.is_in_sandbox() {
        Some(check(&reader).await?)
    } else {
        None
    };
    let currency = reader.currency();
    Ok(Page::new("Ledger").section("/console/ledger").show(&html! {
        h1 { "Ledger" }
        div.columns {
            section.card {
                h2 { "Transfers" }
                @match &journal {
                    None => (nothing_moved()),
                    Some(Ok(journal)) if journal.rows.is_empty() => (nothing_moved()),
                    Some(Err(_)) => p.muted { "There are more than " (TRANSFERS_MAX) " transfers. " code { "GET /operator/journal" } " gives them by day." },
                    Some(Ok(journal)) => (transfers(journal, &currency)),
                }
            }
            section.card {
                h2 { "Invariants" }
                @match &checked {
                    Some(Ok(checked)) => (invariants(checked)),
                    Some(Err(error)) => p.notice.bad { "The file cannot be checked: " (error) },
                    None => p { "The service checks all transfers beside its work, and refuses writes if they do not add up. " code { "escrowd check" } " checks everything." },
                }
            }
        }
    }))
}

/// Checks the whole file: in a sandbox, whose file is small and whose merchants are all of one
/// developer.
async fn check(reader: &Reader) -> Result<Result<Audit, OpenError>, Refused> {
    let place = reader.state.store.place().clone();
    let _one_at_a_time = CHECKING.lock().await;
    Ok(on_thread(move || audit(&place, &mut |_, _| {})).await?)
}

fn nothing_moved() -> Markup {
    html! { p.muted { "Nothing has moved yet." } }
}

fn transfers(journal: &AccountStatement, currency: &str) -> Markup {
    let count = u64::try_from(journal.rows.len()).unwrap_or(u64::MAX);
    html! {
        // Beside the table, since the sentence does not scroll with it.
        p.small.muted #transfers {
            @if journal.rows.len() > TRANSFERS_SHOWN { "The newest " (TRANSFERS_SHOWN) " of " }
            (counted(count, "transfer")) ". Each takes from one account what it gives to another."
        }
        div.table-scroll tabindex="0" {
            table aria-describedby="transfers" {
                thead { tr {
                    th scope="col" { "When" }
                    th.end scope="col" { "Amount" }
                    th scope="col" { "Debit" }
                    th scope="col" { "Credit" }
                } }
                tbody {
                    @for row in journal.rows.iter().rev().take(TRANSFERS_SHOWN) {
                        @let transfer = &row.line.transfer;
                        tr {
                            td { (text::instant(row.line.at)) div.small.muted { (text::kind(transfer.kind)) ", number " (row.line.number) } }
                            td.end {
                                (text::amount(transfer.amount, currency))
                                @if let Some(escrow) = transfer.escrow { div.small { a href={ "/console/deals/" (escrow) } { "deal" } } }
                            }
                            td { (text::account(&transfer.debit)) }
                            td { (text::account(&transfer.credit)) }
                        }
                    }
                }
            }
        }
    }
}

/// Shows the invariants with a tick or a cross each, and what is wrong.
fn invariants(audit: &Audit) -> Markup {
    html! {
        p.small.muted {
            "Just computed from the first transfer on: " (counted(audit.transfers, "transfer")) ", "
            (counted(audit.accounts, "account")) " and " (counted(audit.escrows, "deal")) " of all merchants of this file."
        }
        ol.steps {
            @for (index, invariant) in INVARIANTS.iter().enumerate() {
                @let findings: Vec<_> = audit.findings.iter().filter(|finding| usize::from(finding.invariant) == index + 1).collect();
                li.done[findings.is_empty()] {
                    (invariant)
                    span.visually-hidden { @if findings.is_empty() { ": holds" } @else { ": broken" } }
                    @for finding in findings { p.notice.bad { (finding.problem) } }
                }
            }
        }
    }
}
