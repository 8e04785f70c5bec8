//! The ledger: where the money is, the newest transfers, and whether it all adds up.

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::rt::time;
use maud::{Markup, html};
use tokio::sync::{Mutex, MutexGuard};

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

/// Held by the check of a file, since a check reads all of it.
static CHECKING: Mutex<()> = Mutex::const_new(());
/// The longest time that a page waits for the check of another page.
const CHECK_WAIT: Duration = Duration::from_secs(5);

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
    let in_sandbox = reader.is_in_sandbox();
    let checked = if in_sandbox { check(&reader).await? } else { None };
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
                    None if in_sandbox => p.notice { "Another page has the file checked, which takes a while. Load this page again later." },
                    None => p { "The service checks all transfers beside its work, and refuses writes if they do not add up. " code { "escrowd check" } " checks everything." },
                }
            }
        }
    }))
}

/// Checks the whole file: in a sandbox, whose file is small and whose merchants are all of one
/// developer. Returns `None` while another check goes on.
async fn check(reader: &Reader) -> Result<Option<Result<Audit, OpenError>>, Refused> {
    let place = reader.state.store.place().clone();
    let Some(turn) = turn_within(CHECK_WAIT).await else {
        return Ok(None);
    };
    let checked = on_thread(move || {
        // Until the end of the check, also if the reader goes away before it.
        let _turn = turn;
        audit(&place, &mut |_, _| {})
    });
    Ok(Some(checked.await?))
}

/// Returns the turn to check a file, or `None` if there is none within this time.
async fn turn_within(wait: Duration) -> Option<MutexGuard<'static, ()>> {
    time::timeout(wait, CHECKING.lock()).await.ok()
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

#[cfg(test)]
mod tests {
    use actix_web::rt::System;

    use super::*;

    #[test]
    fn a_page_waits_for_the_check_of_another_page_only_for_a_while() {
        System::new().block_on(async {
            let turn = turn_within(Duration::ZERO).await;
            assert!(turn.is_some());
            assert!(turn_within(Duration::from_millis(1)).await.is_none());
            drop(turn);
            assert!(turn_within(Duration::ZERO).await.is_some());
        });
    }
}
