//! The first page: what this is, what it holds, and where to begin.

use actix_web::HttpResponse;
use actix_web::web::Data;
use maud::{Markup, html};

use crate::domain::escrow::merchant_escrows::MerchantEscrowFilter;
use crate::domain::ledger::TransferKind;
use crate::domain::merchant::publishable_key::PublishableKey;
use crate::domain::mode::Mode;
use crate::domain::page::PageRequest;
use crate::domain::treasury::account_statement::{AccountStatement, Period};
use crate::entropy;
use crate::http::AppState;
use crate::web::layout::{Page, Refused};
use crate::web::parts::Part;
use crate::web::reader::Reader;
use crate::web::scale::scaled;
use crate::web::text;

/// The most transfers from which the picture is drawn.
const TRANSFERS_MAX: usize = 5_000;
/// The size of the picture, in its own units.
const WIDTH: i64 = 720;
const HEIGHT: i64 = 180;

/// `GET /`
pub(super) async fn show(state: Data<AppState>, reader: Result<Reader, Refused>) -> Result<HttpResponse, Refused> {
    let reader = match reader {
        Ok(reader) => reader,
        Err(refused) if refused.leads_to_login() && state.policy.load().mode == Mode::Live => return Ok(welcome()),
        Err(refused) => return Err(refused),
    };
    let (money, currency) = (money(&reader).await?, reader.currency());
    let publishable_key = publishable_key(&reader).await?;
    let deals = money.as_ref().map_or(0, |money| money.deals);
    Ok(Page::new("Home").section("/").show(&html! {
        h1 { "Money held until the work is done" }
        @if reader.is_in_sandbox() {
            (introduction(&reader, deals))
        } @else if reader.is_operator() && money.is_none() {
            div.notice { p { "Choose a merchant at the top to see its deals, its customers and its money. The desk shows all merchants together." } }
        }
        @if let Some(money) = money.filter(|money| money.deals > 0) { (figures(&money, &currency)) }
        @if let Some(key) = &publishable_key { (ways_on(key)) } @else { (work(&reader)) }
    }))
}

/// Reads the publishable key of a sandbox's merchant. `None` in live mode.
async fn publishable_key(reader: &Reader) -> Result<Option<PublishableKey>, Refused> {
    if !reader.is_in_sandbox() {
        return Ok(None);
    }
    let found = reader.read(|snapshot, merchant| {
        let key = snapshot.publishable_key(merchant)?;
        Ok(key.unwrap_or_else(PublishableKey::of_default_merchant))
    });
    let key = found.await?;
    Ok(Some(key.unwrap_or_else(PublishableKey::of_default_merchant)))
}

/// The money of a merchant's deals.
struct Money {
    deals: u64,
    /// The money in the holds of open deals, in minor units.
    held: i64,
    /// The course of the money, unless it has more than [`TRANSFERS_MAX`] transfers.
    points: Option<Vec<Point>>,
}

/// Reads the money of the deals, if the reader has a merchant whose ledger the reader may see.
async fn money(reader: &Reader) -> Result<Option<Money>, Refused> {
    if reader.merchant().is_none() || !reader.sees(Part::Ledger) {
        return Ok(None);
    }
    let found = reader.read(|snapshot, merchant| {
        let deals = snapshot.deals(merchant, &MerchantEscrowFilter::default(), PageRequest::FIRST)?;
        let journal = snapshot.journal(merchant, Period::default(), TRANSFERS_MAX)?;
        Ok(Money {
            deals: deals.count,
            held: snapshot.position_of(merchant)?.figures.holds.minor(),
            points: journal.as_ref().ok().map(points),
        })
    });
    found.await
}

fn figures(money: &Money, currency: &str) -> Markup {
    let released = |points: &[Point]| points.last().map_or(0, |point| point.released);
    html! {
        div.grid {
            (figure("Held now", &text::minor(money.held, currency)))
            @if let Some(points) = &money.points { (figure("Released so far", &text::minor(released(points), currency))) }
            (figure("Deals", &html! { a href="/console/deals" { (money.deals) } }))
        }
        @match &money.points {
            Some(points) if !points.is_empty() => section.card {
                h2 { "Held and released over time" }
                (chart(points, currency))
            },
            Some(_) => {}
            None => p.small.muted {
                "There are more than " (TRANSFERS_MAX) " transfers, so the money that was released, and the picture of both over time, "
                "are left out. " code { "GET /operator/journal" } " gives the transfers by day."
            }
        }
    }
}

fn introduction(reader: &Reader, deals: u64) -> Markup {
    html! {
        p.lead {
            "A seller offers a deal in stages, the buyer pays once, and each confirmed stage is paid out. "
            "This service holds the money between them and keeps a ledger that adds up."
        }
        div.notice {
            p { "This is a sandbox: the money is play money, and the clock can be moved." }
        }
        @if reader.registers_unknown() {
            form.card method="post" action="/console/example" {
                (reader.visitor_field())
                // A form that is sent twice acts once.
                input type="hidden" name="once" value=(entropy::request_id());
                h2 { @if deals == 0 { "Begin here" } @else { "One more" } }
                p { "Amaka builds a website for Tunde in three stages. Make the deal, then pay and confirm it as Tunde." }
                div.actions {
                    button.primary { "Make an example deal" }
                    a.button href="/console/offer" { "Offer a deal of your own" }
                    a.button href="/demo" { "See a deal told step by step" }
                }
            }
        } @else {
            section.card {
                h2 { @if deals == 0 { "Begin here" } @else { "One more" } }
                p {
                    "This sandbox is strict: as with real money, a customer is registered before it takes part in a deal. "
                    "Register a seller and a buyer, give the buyer money, and offer a deal as the seller."
                }
                div.actions {
                    a.button.primary href="/console/customers" { "Register customers" }
                    a.button href="/console/offer" { "Offer a deal" }
                }
            }
        }
    }
}

fn ways_on(publishable_key: &PublishableKey) -> Markup {
    html! {
        div.grid {
            section.card {
                h2 { "For developers" }
                p { "Every request of these pages can be copied as a curl command. The documents are in the binary." }
                p {
                    "A web page of yours takes payments with the publishable key " code { (publishable_key) } ": "
                    a href="/docs/checkout" { "checkout in your own page" } "."
                }
                div.actions {
                    a.button href="/docs" { "Documents" }
                    a.button href="/docs/errors" { "Refusals" }
                }
            }
            section.card {
                h2 { "For demonstrations" }
                p { "Walk through a deal step by step, or move the clock yourself, and open the ledger to see that it adds up." }
                div.actions {
                    a.button.primary href="/demo" { "Stories" }
                    a.button href="/console/clock" { "Clock" }
                    a.button href="/console/ledger" { "Ledger" }
                }
            }
        }
    }
}

/// Leads a person in live mode to the parts that the key opens.
fn work(reader: &Reader) -> Markup {
    html! {
        div.grid {
            @if reader.sees(Part::Desk) {
                section.card {
                    h2 { a href="/console/desk" { "Desk" } }
                    p { "What the bank should hold, what came and what goes out, and who did what." }
                }
            }
            @if reader.sees(Part::Deals) {
                section.card {
                    h2 { a href="/console/deals" { "Deals" } }
                    p { "Every deal with its stages, and what its state allows now." }
                }
            }
            @if reader.sees(Part::Customers) {
                section.card {
                    h2 { a href="/console/customers" { "Customers" } }
                    p { "Wallets and payment histories." }
                }
            }
        }
    }
}

/// The home of live mode for those who have not logged in.
fn welcome() -> HttpResponse {
    Page::new("Home").section("/").narrow().show(&html! {
        h1 { "Money held until the work is done" }
        p.lead {
            "This service holds real money for buyers and sellers until the work is done. "
            "Operators and merchants log in with their key. Programs use the API."
        }
        div.actions {
            a.button.primary href="/login" { "Log in" }
            a.button href="/docs" { "Documents" }
        }
    })
}

fn figure(label: &str, value: &Markup) -> Markup {
    html! {
        section.card.figure {
            p.label { (label) }
            p.value { (value) }
        }
    }
}

/// The money at one moment, in minor units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Point {
    at: i64,
    held: i128,
    released: i128,
}

/// Returns the money held and released after each transfer of a hold.
fn points(journal: &AccountStatement) -> Vec<Point> {
    let mut points: Vec<Point> = Vec::new();
    let mut point = Point::default();
    for row in &journal.rows {
        let amount = i128::from(row.line.transfer.amount.minor());
        match row.line.transfer.kind {
            TransferKind::Fund | TransferKind::Stake => point.held += amount,
            TransferKind::Release => {
                point.held -= amount;
                point.released += amount;
            }
            TransferKind::Refund
            | TransferKind::Commission
            | TransferKind::AdditionalFee
            | TransferKind::PlatformFee => point.held -= amount,
            _ => continue,
        }
        point.at = row.line.at.millis();
        points.push(point);
    }
    points
}

/// Draws two lines of steps. The list of transfers says the same in words.
fn chart(points: &[Point], currency: &str) -> Markup {
    let (first, last) = (
        points.first().map_or(0, |point| point.at),
        points.last().map_or(0, |point| point.at),
    );
    let top = points
        .iter()
        .map(|point| point.held.max(point.released))
        .max()
        .unwrap_or_default();
    let x = |at: i64| scaled(at - first, last - first, WIDTH);
    let y = |amount: i128| HEIGHT - scaled(amount, top, HEIGHT - 10);
    let line = |value: fn(&Point) -> i128| {
        let mut path = format!("M0 {HEIGHT}");
        for point in points {
            path.extend([format!(" H{}", x(point.at)), format!(" V{}", y(value(point)))]);
        }
        path + &format!(" H{WIDTH} V{HEIGHT}")
    };
    html! {
        svg.chart role="img" aria-label="Money held and released over time" viewBox=(format!("0 0 {WIDTH} {}", HEIGHT + 4)) {
            path.held d=(line(|point| point.held)) {}
            path.released d=(line(|point| point.released)) {}
            line x1="0" x2=(WIDTH) y1=(HEIGHT) y2=(HEIGHT) {}
        }
        ul.legend {
            li { svg viewBox="0 0 10 10" aria-hidden="true" { rect.held width="10" height="10" {} } "held" }
            li { svg viewBox="0 0 10 10" aria-hidden="true" { rect.released y="3" width="10" height="4" {} } "released" }
            li.muted { "top: " (text::minor(top, currency)) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::chain_hash::ChainHash;
    use crate::domain::ledger::{Account, Transfer};
    use crate::domain::money::Amount;
    use crate::domain::time::Timestamp;
    use crate::domain::treasury::account_statement::{PostedLine, StatementRow};

    #[test]
    fn the_money_of_many_large_deals_is_added_up() {
        let row = |kind| StatementRow {
            line: PostedLine {
                number: 1,
                at: Timestamp::from_millis(0).unwrap(),
                transfer: Transfer {
                    kind,
                    debit: Account::OutsideWorld,
                    credit: Account::MerchantMain,
                    amount: Amount::MAX,
                    escrow: None,
                },
                hash: ChainHash::START,
            },
            changes: Vec::new(),
            balances: Vec::new(),
        };
        let kinds = [TransferKind::Fund, TransferKind::Release].repeat(1_100);
        let journal = AccountStatement {
            period: Period::default(),
            opening: Vec::new(),
            rows: kinds.into_iter().map(row).collect(),
            closing: Vec::new(),
            chain_head: ChainHash::START,
        };
        let points = points(&journal);
        let last = points.last().unwrap();
        assert_eq!((last.held, last.released), (0, 1_100 * i128::from(Amount::MAX.minor())));
        assert!(chart(&points, "NGN").0.contains("top: "));
    }
}
