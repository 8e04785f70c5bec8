//! Earnings and fees: what the platform and the merchant earned, by kind and over time, from
//! the transfers of their two accounts.

use std::collections::BTreeMap;

use actix_web::HttpResponse;
use actix_web::web::Query;
use maud::{Markup, html};
use serde::Deserialize;

use crate::domain::ledger::{Account, TransferKind};
use crate::domain::time::Date;
use crate::domain::treasury::account_statement::{AccountStatement, Period, StatementRow};
use crate::domain::treasury::signed_amount::SignedAmount;
use crate::web::layout::{Page, Refused};
use crate::web::reader::Reader;
use crate::web::scale::scaled;
use crate::web::text;

const SECTION: &str = "/console/earnings";
/// The most transfers that the page reads.
const TRANSFERS_MAX: usize = 20_000;
/// The most days that are shown one by one. More are shown by month.
const DAYS_MAX: usize = 31;
/// The length of the longest bar, in its own units.
const WIDTH: i64 = 1_000;

/// The kinds of transfer that earn money, or take back what was earned by mistake, in words. All
/// others move it.
const EARNED: [(TransferKind, &str); 6] = [
    (TransferKind::PlatformFee, "Fees of deals"),
    (TransferKind::WithdrawalFee, "Fees of withdrawals"),
    (TransferKind::Correction, "Fees of reopened pay-outs"),
    (TransferKind::Commission, "Commission"),
    (TransferKind::AdditionalFee, "Additional fees"),
    (TransferKind::Release, "Own sales"),
];
/// The kinds that move it, if they have other words than their names.
const MOVED: [(TransferKind, &str); 2] = [
    (TransferKind::Payout, "Paid out"),
    (TransferKind::PayoutReturn, "Pay-outs that came back"),
];

/// The days of the page, as the form sends them.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Days {
    #[serde(default)]
    from: String,
    #[serde(default)]
    to: String,
}

/// Money of the platform and of the merchant, in minor units. No number of transfers makes a sum
/// overflow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Shares {
    platform: i128,
    merchant: i128,
}

/// All transfers of one kind.
struct Line {
    name: String,
    count: usize,
    shares: Shares,
}

impl Days {
    fn parse(&self) -> Result<Period, Refused> {
        let refused = |name: &str, expected: &str| {
            let page = Page::new("No such days").section(SECTION);
            Refused::new(400, page, format!("The field {name} must be {expected}."))
        };
        let day = |name: &str, text: &str| {
            let text = text.trim();
            let day = Date::parse(text);
            (text.is_empty() || day.is_some())
                .then_some(day)
                .ok_or_else(|| refused(name, "a day such as 2026-11-27"))
        };
        let period = Period::between(day("from", &self.from)?, day("to", &self.to)?);
        period.map_err(|first| refused("to", &format!("{first}, the first day, or later")))
    }
}

impl Shares {
    /// Takes the two balances, or their changes, from a statement.
    fn of(amounts: &[SignedAmount]) -> Self {
        let minor = |index: usize| amounts.get(index).map_or(0, |amount| amount.minor().into());
        Self {
            platform: minor(0),
            merchant: minor(1),
        }
    }

    const fn plus(self, other: Self) -> Self {
        Self {
            platform: self.platform + other.platform,
            merchant: self.merchant + other.merchant,
        }
    }

    fn sum(all: impl IntoIterator<Item = Self>) -> Self {
        all.into_iter().fold(Self::default(), Self::plus)
    }

    const fn together(self) -> i128 {
        self.platform + self.merchant
    }

    /// Shows the three amounts as cells.
    fn cells(self, currency: &str) -> Markup {
        html! {
            @for amount in [self.platform, self.merchant, self.together()] {
                td.end { (text::minor(amount, currency)) }
            }
        }
    }
}

/// `GET /console/earnings`
pub(super) async fn show(reader: Reader, Query(days): Query<Days>) -> Result<HttpResponse, Refused> {
    let period = days.parse()?;
    let accounts = [Account::PlatformFees, Account::MerchantMain];
    let read = reader
        .read(move |snapshot, merchant| snapshot.statement_of_accounts(merchant, &accounts, period, TRANSFERS_MAX));
    let statement = read.await?;
    let currency = reader.currency();
    Ok(Page::new("Earnings and fees").section(SECTION).show(&html! {
        h1 { "Earnings and fees" }
        p.lead { "What the platform and the merchant earned with deals, from the transfers of their accounts in the ledger." }
        (choice(&days))
        @match &statement {
            Some(Ok(statement)) if !statement.rows.is_empty() => (earnings(statement, &currency)),
            None | Some(Ok(_)) => p.empty { "Nothing is earned in these days. Deals pay their fees when they close." },
            Some(Err(_)) => p.notice.warn { "There are more than " (TRANSFERS_MAX) " transfers. Choose fewer days." },
        }
    }))
}

/// The form that chooses the days.
fn choice(days: &Days) -> Markup {
    html! {
        form.card method="get" action=(SECTION) {
            div.fields {
                div.field {
                    label for="from" { "First day" }
                    input #from type="date" name="from" value=(days.from);
                }
                div.field {
                    label for="to" { "Last day" }
                    input #to type="date" name="to" value=(days.to);
                }
            }
            p.small.muted { "In UTC, by the clock of your deals. An empty day leaves that side open." }
            button { "Show these days" }
        }
    }
}

fn earnings(statement: &AccountStatement, currency: &str) -> Markup {
    let rows = &statement.rows;
    let is_earned = |row: &&StatementRow| words(&EARNED, row.line.transfer.kind).is_some();
    let sum = |is_counted: &dyn Fn(&&StatementRow) -> bool| {
        let counted = rows.iter().filter(is_counted);
        Shares::sum(counted.map(|row| Shares::of(&row.changes)))
    };
    let (earned, moved) = (sum(&is_earned), sum(&|row| !is_earned(row)));
    let (opening, closing) = (Shares::of(&statement.opening), Shares::of(&statement.closing));
    let adds_up = opening.plus(earned).plus(moved) == closing
        && (statement.period.from.is_some() || opening == Shares::default());
    html! {
        div.grid {
            (figure("The platform earned", earned.platform, currency))
            (figure("The merchant earned", earned.merchant, currency))
            (figure("Paid out and moved", moved.together(), currency))
        }
        section.card {
            h2 { "By kind" }
            div.table-scroll tabindex="0" {
                table {
                    (head("Kind"))
                    tbody {
                        @if statement.period.from.is_some() { tr { th scope="row" { "Balance before" } td {} (opening.cells(currency)) } }
                        @for Line { name, count, shares } in lines(rows) {
                            tr { th scope="row" { (name) } td.end.number { (count) } (shares.cells(currency)) }
                        }
                    }
                    tfoot { tr { th scope="row" { "Balance" } td {} (closing.cells(currency)) } }
                }
            }
            @if adds_up {
                p.small.muted {
                    "It adds up: these transfers give the balances of the two accounts in the ledger"
                    @if statement.period.to.is_none() { ", as in the " a href="/console/desk" { "position" } }
                    "."
                }
            } @else {
                p.notice.bad role="alert" { "This does not add up: the transfers do not give the balances. Run " code { "escrowd check" } " on the database." }
            }
            p { a href="/console/desk/payouts" { "Pay-outs" } " take money out. " a href="/console/ledger" { "The ledger" } " has every transfer." }
        }
        (over_time(rows.iter().filter(is_earned), earned, currency))
    }
}

/// Shows what was earned by day, or by month if there are many days.
fn over_time<'r>(rows: impl Iterator<Item = &'r StatementRow>, earned: Shares, currency: &str) -> Markup {
    let mut days: BTreeMap<String, (usize, Shares)> = BTreeMap::new();
    for row in rows {
        let (count, shares) = days.entry(row.line.at.date().to_string()).or_default();
        *count += 1;
        *shares = shares.plus(Shares::of(&row.changes));
    }
    let is_by_day = days.len() <= DAYS_MAX;
    if !is_by_day {
        let mut months: BTreeMap<String, (usize, Shares)> = BTreeMap::new();
        for (day, (count, shares)) in days {
            // A day is written as 2026-11-27.
            let month = day.rsplit_once('-').map_or(day.as_str(), |(month, _)| month);
            let (months_count, months_shares) = months.entry(month.to_owned()).or_default();
            *months_count += count;
            *months_shares = months_shares.plus(shares);
        }
        days = months;
    }
    let most = days
        .values()
        .map(|(_, shares)| shares.together())
        .max()
        .unwrap_or_default();
    html! {
        @if !days.is_empty() {
            section.card {
                h2 { "Earned over time" }
                div.table-scroll tabindex="0" {
                    table {
                        (head(if is_by_day { "Day" } else { "Month" }))
                        tbody {
                            @for (day, (count, shares)) in &days {
                                tr {
                                    th scope="row" { (day) (bar(*shares, most)) }
                                    td.end.number { (count) }
                                    (shares.cells(currency))
                                }
                            }
                        }
                        tfoot { tr { th scope="row" { "Earned" } td {} (earned.cells(currency)) } }
                    }
                }
                ul.legend {
                    li { svg.share viewBox="0 0 10 10" aria-hidden="true" { rect.fee width="10" height="10" {} } "platform" }
                    li { svg.share viewBox="0 0 10 10" aria-hidden="true" { rect.wallet width="10" height="10" {} } "merchant" }
                }
            }
        }
    }
}

fn figure(label: &str, minor: i128, currency: &str) -> Markup {
    html! {
        section.card.figure {
            p.label { (label) }
            p.value { (text::minor(minor, currency)) }
        }
    }
}

fn head(what: &str) -> Markup {
    html! {
        thead { tr {
            th scope="col" { (what) }
            th.end scope="col" { "Transfers" }
            th.end scope="col" { "Platform" }
            th.end scope="col" { "Merchant" }
            th.end scope="col" { "Together" }
        } }
    }
}

/// Draws the two parts of an amount. The amounts beside it say the same.
fn bar(shares: Shares, most: i128) -> Markup {
    let platform = scaled(shares.platform.max(0), most, WIDTH);
    let merchant = scaled(shares.merchant.max(0), most, WIDTH);
    html! {
        svg.purse aria-hidden="true" viewBox=(format!("0 0 {WIDTH} 10")) preserveAspectRatio="none" {
            rect width=(WIDTH) height="10" {}
            rect.fee width=(platform) height="10" {}
            rect.wallet x=(platform) width=(merchant) height="10" {}
        }
    }
}

/// Adds up the transfers of each kind: first what earns, then what moves.
fn lines(rows: &[StatementRow]) -> Vec<Line> {
    let of_kind = |kind: TransferKind, name: String| {
        let rows = rows.iter().filter(|row| row.line.transfer.kind == kind);
        let changes: Vec<_> = rows.map(|row| Shares::of(&row.changes)).collect();
        Line {
            name,
            count: changes.len(),
            shares: Shares::sum(changes),
        }
    };
    let mut lines: Vec<Line> = EARNED
        .iter()
        .map(|(kind, name)| of_kind(*kind, (*name).to_owned()))
        .filter(|line| line.count > 0)
        .collect();
    let mut moved: Vec<TransferKind> = Vec::new();
    for row in rows {
        let kind = row.line.transfer.kind;
        if words(&EARNED, kind).is_none() && !moved.contains(&kind) {
            moved.push(kind);
        }
    }
    lines.extend(moved.into_iter().map(|kind| {
        let plain = || kind.into_str().replace('_', " ").to_lowercase();
        of_kind(kind, words(&MOVED, kind).map_or_else(plain, str::to_owned))
    }));
    lines
}

fn words(list: &[(TransferKind, &'static str)], kind: TransferKind) -> Option<&'static str> {
    list.iter().find(|(of, _)| *of == kind).map(|(_, words)| *words)
}
