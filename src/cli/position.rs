//! `escrowd position FILE`: shows where the money is, and how much the bank should hold.

use std::process::ExitCode;

use crate::cli::output::{BAD, BOLD, GOOD, say};
use crate::cli::settings::PlaceParser;
use crate::domain::money::Amount;
use crate::domain::treasury::position::{Figures, MerchantPosition, Position, Tally};
use crate::domain::treasury::signed_amount::SignedAmount;
use crate::store::{self, Place};
use crate::views::PositionView;

#[derive(Debug, clap::Args)]
pub(super) struct PositionArguments {
    /// The database file, or the URL of a PostgreSQL database
    #[arg(value_parser = PlaceParser)]
    file: Place,
    /// Print the JSON of `GET /operator/position`
    #[arg(long)]
    json: bool,
}

/// Reads the file and prints its position. The exit code is 0 if the sums agree, and 1 if not.
/// A file that cannot be read is an error.
pub(super) fn run(arguments: &PositionArguments) -> anyhow::Result<ExitCode> {
    let (position, currency) = store::position(&arguments.file)?;
    if arguments.json {
        let view = PositionView::new(&position, &currency)?;
        say!("{}", serde_json::to_string_pretty(&view)?);
    } else {
        print(&arguments.file.to_string(), &position, &currency);
    }
    Ok(if position.agrees() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn print(file: &str, position: &Position, currency: &str) {
    say!(
        "{BOLD}{file}{BOLD:#}: position in {currency} as of {}, after transfer {}\n",
        position.as_of,
        position.newest_transfer
    );
    match position.require_total() {
        Ok(total) => print_figures(total),
        Err(beyond) => say!("  {beyond}: see each merchant"),
    }
    if position.merchants.len() > 1 {
        for merchant in &position.merchants {
            say!("\n{BOLD}{}{BOLD:#}", name_of(merchant));
            print_figures(&merchant.figures);
        }
    }
    say!("");
    for merchant in &position.merchants {
        say!("  chain head of {}: {}", name_of(merchant), merchant.chain_head);
    }
    if position.agrees() {
        say!("{GOOD}The sums agree:{GOOD:#} compare \"the bank should hold\" with the bank's balance.");
        return;
    }
    for merchant in position.merchants.iter().filter(|merchant| !merchant.figures.agrees()) {
        say!("{BAD}The sums of {} do not agree.{BAD:#}", name_of(merchant));
    }
    say!("Keep the file, run `escrowd check {file}` and restore a backup.");
}

fn name_of(merchant: &MerchantPosition) -> String {
    let number = merchant.merchant.0;
    match &merchant.name {
        Some(name) => format!("merchant {number} ({name})"),
        None => format!("merchant {number}"),
    }
}

fn print_figures(figures: &Figures) {
    for (name, amount) in [
        ("customers' wallets", Some(figures.wallets)),
        ("holds", Some(figures.holds)),
        ("merchants", Some(figures.merchants)),
        ("platform fees", Some(figures.platform_fees)),
        ("in transit", Some(figures.in_transit)),
        ("suspense", Some(figures.suspense)),
        ("together", figures.sum()),
        ("the bank should hold", Some(figures.bank_should_hold)),
    ] {
        say!("  {name:<26} {:>24}", shown(amount));
    }
    for (name, Tally { count, amount }) in [
        ("open pay-outs", figures.open_payouts),
        ("receipts in suspense", figures.receipts_in_suspense),
        ("receipts to approve", figures.receipts_to_approve),
        ("expected deposits", figures.expected_deposits),
    ] {
        say!("  {name:<26} {:>24}  ({count})", shown(amount));
    }
}

fn shown(amount: Option<Amount>) -> String {
    let most = || format!("more than {}", SignedAmount::MAX);
    amount.map_or_else(most, |amount| SignedAmount::credit(amount).to_string())
}
