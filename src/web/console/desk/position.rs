//! The position: whose the money at the bank is, and what waits for a person.

use actix_web::HttpResponse;
use maud::{Markup, html};
use serde::Deserialize;

use crate::domain::ids::{EscrowId, MerchantId};
use crate::http::ApiError;
use crate::store::Snapshot;
use crate::web::api::Major;
use crate::web::console::desk::parts::{SECTION, pages};
use crate::web::console::timeline::time;
use crate::web::layout::{Page, Refused};
use crate::web::reader::Reader;
use crate::web::text;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Position {
    as_of: String,
    currency: String,
    accounts: Accounts,
    sum: Option<Major>,
    bank_should_hold: Major,
    agrees: bool,
    waiting: Waiting,
    merchants: Vec<Merchant>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Merchant {
    merchant_id: i64,
    name: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Accounts {
    wallets: Major,
    holds: Major,
    merchants: Major,
    platform_fees: Major,
    in_transit: Major,
    suspense: Major,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Waiting {
    open_payouts: Tally,
    receipts_in_suspense: Tally,
    receipts_to_approve: Tally,
    expected_deposits: Tally,
}

#[derive(Debug, Deserialize)]
struct Tally {
    count: u64,
    amount: Option<Major>,
}

/// `GET /console/desk`
pub(super) async fn show(reader: Reader) -> Result<HttpResponse, Refused> {
    let position: Position = reader.api.get("/operator/position").await?;
    let (accounts, currency) = (&position.accounts, position.currency.as_str());
    let lines = [
        ("Customers' wallets", accounts.wallets),
        ("Held in deals, with fees", accounts.holds),
        ("The merchant's own", accounts.merchants),
        ("Fees of the platform", accounts.platform_fees),
        ("On its way out", accounts.in_transit),
        ("In suspense, owner unknown", accounts.suspense),
    ];
    let waiting = &position.waiting;
    let rulings = rulings(&reader, &position.merchants).await?;
    Ok(Page::new("Desk").section(SECTION).show(&html! {
        h1 { "Desk" }
        p.lead { "What the bank should hold, and what waits for you." }
        (pages(&reader, SECTION))
        div.grid {
            (tally("Expected deposits", &waiting.expected_deposits, "/console/desk/deposits#expected", currency))
            (tally("Receipts to approve", &waiting.receipts_to_approve, "/console/desk/deposits#recorded", currency))
            (tally("In suspense", &waiting.receipts_in_suspense, "/console/desk/deposits#suspense", currency))
            (tally("Open pay-outs", &waiting.open_payouts, "/console/desk/payouts", currency))
        }
        (rulings)
        section.card {
            h2 { "Position" }
            div.table-scroll tabindex="0" {
                table {
                    caption { "At " (time(&position.as_of)) }
                    thead { tr { th scope="col" { "Whose money" } th.end scope="col" { "Amount" } } }
                    tbody {
                        @for (name, amount) in lines {
                            tr { td { (name) } td.end { (text::amount(amount.0, currency)) } }
                        }
                    }
                    tfoot {
                        tr { th scope="row" { "Sum" } td.end { @if let Some(sum) = position.sum { (text::amount(sum.0, currency)) } } }
                        tr { th scope="row" { "The bank should hold" } td.end { (text::amount(position.bank_should_hold.0, currency)) } }
                    }
                }
            }
            @if position.agrees {
                p { span.badge.good { "agrees" } " The accounts add up to what came in less what went out." }
            } @else {
                p.notice.bad { "The accounts do not add up to what came in less what went out. Stop, and run " code { "escrowd check" } "." }
            }
        }
    }))
}

/// Lists the deals of these merchants for which one operator has asked for a ruling that takes two.
async fn rulings(reader: &Reader, merchants: &[Merchant]) -> Result<Markup, Refused> {
    let reading = reader.merchant().unwrap_or(MerchantId::NONE);
    let rulings = |snapshot: &Snapshot<'_>| snapshot.escrows_with_asked_ruling();
    let asked = reader.state.store.read_long(reading, rulings);
    let asked: Vec<(MerchantId, EscrowId, String)> = asked.await.map_err(ApiError::from)?;
    let of_merchant = |merchant: &Merchant| {
        let id = MerchantId(merchant.merchant_id);
        asked.iter().filter(move |(of, ..)| *of == id)
    };
    if merchants.iter().flat_map(of_merchant).next().is_none() {
        return Ok(html! {});
    }
    let is_one = merchants.len() == 1;
    Ok(html! {
        section.card {
            h2 { "Rulings to confirm" }
            p { "One operator has asked for each of these. It takes effect when another one asks for the same." }
            ul {
                @for merchant in merchants {
                    @for (_, id, purpose) in of_merchant(merchant) {
                        li {
                            a href={ "/console/deals/" (id) } { (purpose) }
                            @if let (false, Some(name)) = (is_one, &merchant.name) { " of " (name) }
                        }
                    }
                }
            }
        }
    })
}

fn tally(label: &str, tally: &Tally, path: &str, currency: &str) -> Markup {
    html! {
        section.card.figure {
            p.label { a href=(path) { (label) } }
            p.value { (tally.count) }
            @if let Some(amount) = tally.amount { p.small.muted { (text::amount(amount.0, currency)) } }
        }
    }
}
