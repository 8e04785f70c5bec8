//! The picture of a run's money: who has how much, from the wallets and the ledger, and
//! whether it adds up to what the people brought with them.

use maud::{Markup, html};

use crate::domain::ledger::{Account, Transfer};
use crate::domain::time::Timestamp;
use crate::domain::treasury::account_statement::{AccountStatement, StatementRow};
use crate::web::demo::run::{PersonWallet, Run};
use crate::web::scale::scaled;
use crate::web::text;

/// The length of the longest bar, in its own units.
const WIDTH: i64 = 1_000;

/// The money of a run at one moment, in minor units.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Picture {
    holders: Vec<Holder>,
    /// The money that came into the run from outside.
    brought: i64,
    /// True if the ledger and the balances of the service say the same.
    agrees: bool,
}

/// A person, or a place such as the hold, that has money.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Holder {
    name: String,
    /// The class of the bar.
    class: &'static str,
    has: i64,
}

impl Picture {
    /// The money before this moment, or the money now.
    pub(super) fn of(run: &Run, before: Option<Timestamp>) -> Self {
        let is_earlier = |row: &&StatementRow| before.is_none_or(|moment| row.line.at < moment);
        let mut picture = Self {
            holders: Vec::new(),
            brought: 0,
            agrees: true,
        };
        for PersonWallet {
            person,
            balance,
            statement,
        } in &run.wallets
        {
            let later = statement.rows.iter().filter(|row| !is_earlier(row)).map(change);
            picture.add(person.name, "wallet", balance.minor() - later.sum::<i64>());
            picture.brought += from_outside(statement, is_earlier);
            picture.agrees &= statement.opening.iter().all(|opening| opening.is_zero());
        }
        let rows = || {
            run.deal
                .iter()
                .flat_map(|(_, statement)| &statement.rows)
                .filter(is_earlier)
        };
        let to = |account: &Account| -> i64 {
            let transfers = rows().map(|row| &row.line.transfer);
            let received = transfers.filter(|transfer| transfer.credit == *account);
            received.map(|transfer| transfer.amount.minor()).sum()
        };
        let held = rows().map(change).sum();
        picture.add("Held in escrow", "held", held);
        picture.add("Platform fee", "fee", to(&Account::PlatformFees));
        if run.gives_marketplace_a_share() {
            picture.add("Marketplace's share", "fee", to(&Account::MerchantMain));
        }
        if let Some((escrow, statement)) = &run.deal {
            picture.brought += from_outside(statement, is_earlier);
            picture.agrees &= before.is_some() || held == escrow.held().minor();
        }
        picture
    }

    fn add(&mut self, name: &str, class: &'static str, has: i64) {
        let name = name.to_owned();
        self.holders.push(Holder { name, class, has });
    }

    fn total(&self) -> i64 {
        self.holders.iter().map(|holder| holder.has).sum()
    }

    /// Returns the money that the holder of this name has.
    fn has(&self, name: &str) -> i64 {
        let mut holders = self.holders.iter();
        holders
            .find(|holder| holder.name == name)
            .map_or(0, |holder| holder.has)
    }

    /// Says whether the parts add up to the money that was brought.
    fn check(&self, currency: &str) -> Markup {
        let missing = self.brought - self.total();
        html! {
            @if missing != 0 {
                p.notice.bad role="alert" {
                    "This does not add up: the people brought " (text::minor(self.brought, currency)) " with them, and "
                    (text::minor(missing.abs(), currency)) @if missing > 0 { " of it is missing here" } @else { " more is here" }
                    ". Money of this story was moved outside of it, for instance in the console."
                }
            } @else if !self.agrees {
                p.notice.bad role="alert" {
                    "The balances do not agree with the ledger. Run " code { "escrowd check" } " on the database."
                }
            } @else {
                p.small.muted.sum-check {
                    "It adds up: the people brought " (text::minor(self.brought, currency)) " with them. Computed from their wallets "
                    "and from the ledger of the deal."
                }
            }
        }
    }
}

/// Returns the change of the statement's balance by a transfer.
fn change(row: &StatementRow) -> i64 {
    row.changes.iter().map(|change| change.minor()).sum()
}

/// Returns what came from the outside world into the account of a statement, less what left
/// into it.
fn from_outside(statement: &AccountStatement, is_counted: impl Fn(&&StatementRow) -> bool) -> i64 {
    let is_outside = |Transfer { debit, credit, .. }: &Transfer| {
        [debit, credit]
            .into_iter()
            .any(|account| *account == Account::OutsideWorld)
    };
    let rows = statement.rows.iter().filter(is_counted);
    rows.filter(|row| is_outside(&row.line.transfer)).map(change).sum()
}

/// Shows who has what, with a bar each, and what the step before has changed: the title of that step
/// and the money before it.
pub(super) fn now(picture: &Picture, earlier: Option<(&str, &Picture)>, currency: &str) -> Markup {
    let total = picture.total();
    html! {
        table.purses {
            @if let Some((title, _)) = earlier { caption { "Before this step. A smaller number is the change by “" (title) "”." } }
            thead { tr {
                th scope="col" { "Who" }
                th.end scope="col" { "Has" }
            } }
            tbody {
                @for Holder { name, class, has } in &picture.holders {
                    @let change = earlier.map_or(0, |(_, earlier)| has - earlier.has(name));
                    tr {
                        th scope="row" { (name) (bar(class, *has, total)) }
                        td.end {
                            (text::minor(*has, currency))
                            @if change != 0 { div.small.change { (text::change(change, currency)) } }
                        }
                    }
                }
            }
            tfoot { tr {
                th scope="row" { "Together" }
                td.end { (text::minor(total, currency)) }
            } }
        }
        (picture.check(currency))
    }
}

/// Shows who had what at the beginning and has what at the end.
pub(super) fn before_and_after(first: &Picture, last: &Picture, currency: &str) -> Markup {
    let row = |name: &str, before: i64, after: i64| {
        html! {
            th scope="row" { (name) }
            td.end { (text::minor(before, currency)) }
            td.end {
                (text::minor(after, currency))
                @if before != after { div.small.change { (text::change(after - before, currency)) } }
            }
        }
    };
    html! {
        div.table-scroll tabindex="0" {
            table.purses.compared {
                caption { "A smaller number is the change by the deal." }
                thead { tr {
                    th scope="col" { "Who" }
                    th.end scope="col" { "Before" }
                    th.end scope="col" { "After" }
                } }
                tbody {
                    @for Holder { name, has, .. } in &last.holders { tr { (row(name, first.has(name), *has)) } }
                }
                tfoot { tr { (row("Together", first.total(), last.total())) } }
            }
        }
        (last.check(currency))
    }
}

/// Draws the bar of a holder. The amount beside it says the same.
fn bar(class: &str, has: i64, total: i64) -> Markup {
    html! {
        svg.purse aria-hidden="true" viewBox=(format!("0 0 {WIDTH} 10")) preserveAspectRatio="none" {
            rect width=(WIDTH) height="10" {}
            rect class=(class) width=(scaled(has.max(0), total, WIDTH)) height="10" {}
        }
    }
}
