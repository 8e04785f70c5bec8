//! Copies the deals of the SQLite file into PostgreSQL: the same escrows, milestones,
//! customers, balances and ids.

use std::fmt::Write;
use std::path::Path;

use anyhow::{Context, anyhow, bail};
use escrowd::clock::SystemClock;
use escrowd::domain::escrow::deal::Deal;
use escrowd::domain::ids::{EscrowId, EscrowKey, MerchantId};
use escrowd::entropy::SystemEntropy;
use escrowd::store::{Store, Synchronous};
use indicatif::{ProgressBar, ProgressStyle};
use tokio::runtime::Runtime;

use super::Database;
use crate::data;
use crate::deals::{Confirmation, Deals};

/// The number of escrows in one copy.
const BATCH: usize = 10_000;

/// Creates the tables and functions, and copies the deals of the SQLite file.
pub(crate) fn fill(database: &Database, file: &Path, deals: &Deals) -> anyhow::Result<()> {
    database.run(include_str!("schema.sql"))?;
    let entropy = Box::new(SystemEntropy::new());
    let settings = data::settings(file, Synchronous::Normal);
    let (store, _ended) = Store::open(&settings, Box::new(SystemClock), entropy)?;
    let style = ProgressStyle::with_template("filling PostgreSQL {bar:40} {pos}/{len} escrows {eta}")?;
    let bar = ProgressBar::new(deals.deals().len() as u64).with_style(style);
    for batch in deals.deals().chunks(BATCH) {
        let (mut escrows, mut milestones) = (String::new(), String::new());
        for deal in batch {
            write_rows(&database.runtime, &store, &deal.escrow, &mut escrows, &mut milestones)?;
        }
        let columns = "escrow (id, merchant_id, payment_token, seller_id, buyer_id, amount, purpose, fee, commission, \
                       payment_reference, created_at)";
        database.copy(columns, escrows)?;
        database.copy("milestone (escrow_id, position, id, title, amount)", milestones)?;
        bar.inc(batch.len() as u64);
    }
    store.close();
    bar.set_message("histories");
    copy_confirmations(database, deals)?;
    database.run(include_str!("fill.sql"))?;
    database.run(include_str!("confirm.sql"))?;
    database.run("VACUUM ANALYZE")?;
    bar.finish_and_clear();
    Ok(())
}

fn write_rows(
    runtime: &Runtime,
    store: &Store,
    id: &str,
    escrows: &mut String,
    milestones: &mut String,
) -> anyhow::Result<()> {
    let key = EscrowKey::Id(EscrowId::named(id));
    let read = store.read(move |snapshot| snapshot.deal(MerchantId(1), &key));
    let deal = runtime.block_on(read).map_err(|error| anyhow!("{error:?}"))?;
    let Some(Deal::Escrow(escrow)) = deal else {
        bail!("escrow {id} is not in the SQLite file");
    };
    let funding = escrow.funding().context("the escrow is not funded")?;
    let seller = escrow.seller.customer().context("the seller is not a customer")?;
    let buyer = &funding.buyer;
    writeln!(
        escrows,
        "\\\\x{id}\t1\t{}\t{seller}\t{buyer}\t{}\t{}\t{}\t{}\t{}\t{}",
        escrow.payment_token.as_str(),
        escrow.terms.amount.minor(),
        escrow.terms.purpose,
        escrow.fee.total().minor(),
        escrow.fee.commission().minor(),
        funding.payment.reference.as_str(),
        escrow.created_at.millis(),
    )?;
    for (position, milestone) in escrow.milestones().iter().enumerate() {
        let terms = &milestone.terms;
        let amount = terms.amount.minor();
        writeln!(
            milestones,
            "\\\\x{id}\t{position}\t\\\\x{}\t{}\t{amount}",
            milestone.id, terms.title
        )?;
    }
    Ok(())
}

fn copy_confirmations(database: &Database, deals: &Deals) -> anyhow::Result<()> {
    for start in (0..deals.len()).step_by(BATCH * 10) {
        let mut rows = String::new();
        for place in start..deals.len().min(start + BATCH * 10) {
            let Confirmation {
                buyer,
                escrow,
                milestone,
                ..
            } = deals.confirmation(place).context("a place below the length")?;
            writeln!(rows, "{place}\t{buyer}\t\\\\x{escrow}\t\\\\x{milestone}")?;
        }
        database.copy("confirmation", rows)?;
    }
    Ok(())
}
