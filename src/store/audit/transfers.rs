//! What the transfers say: read by one thread, added up by another.

use std::mem;
use std::sync::mpsc::{Receiver, SyncSender};

use rusqlite::{Connection, Row};
use rustc_hash::FxHashMap;

use crate::domain::ids::MerchantId;
use crate::domain::ledger::{ChainHash, PostedTransfer, TransferKind};
use crate::store::engine::error::Error;
use crate::store::tables::columns::text_at;

/// Transfers handed from the thread that reads them to the one that adds them up,
/// at once, and reported as progress.
const BATCH: usize = 4096;
/// Batches that may wait in between.
pub(super) const BATCHES_WAITING: usize = 4;

/// A transfer as it stands in the file.
pub(super) struct StoredTransfer {
    posted: PostedTransfer<'static>,
    hash: ChainHash,
}

impl StoredTransfer {
    fn read(row: &Row<'_>) -> Result<Self, Error> {
        let kind = text_at(row, 2)?;
        let known = kind.parse::<TransferKind>();
        let posted = PostedTransfer {
            id: row.get(0)?,
            merchant: MerchantId(row.get(1)?),
            // One of no kind has been changed, and its hash will show it.
            kind: known.map_or("", TransferKind::into),
            debit_account: row.get(3)?,
            credit_account: row.get(4)?,
            amount: row.get(5)?,
            escrow: row.get(6)?,
            created_at: row.get(7)?,
        };
        Ok(Self {
            posted,
            hash: ChainHash::from_bytes(row.get(8)?),
        })
    }
}

/// Reads every transfer, oldest first, and answers how many there are.
pub(super) fn read_transfers(
    connection: &Connection,
    batches: &SyncSender<Vec<StoredTransfer>>,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<u64, Error> {
    // Transfers are numbered from 1, so the newest says how many there are
    // without a look at each.
    let newest: Option<i64> = connection.query_row("SELECT max(id) FROM transfer", [], |row| row.get(0))?;
    let expected = newest.map_or(0, i64::unsigned_abs);
    let mut statement = connection.prepare(
        "SELECT id, merchant_id, kind, debit_account_id, credit_account_id, amount, escrow_id, created_at, hash
         FROM transfer ORDER BY id",
    )?;
    let mut rows = statement.query([])?;
    let (mut transfers, mut batch) = (0, Vec::with_capacity(BATCH));
    while let Some(row) = rows.next()? {
        batch.push(StoredTransfer::read(row)?);
        transfers += 1;
        if batch.len() == BATCH {
            progress(transfers, expected);
            let full = mem::replace(&mut batch, Vec::with_capacity(BATCH));
            batches.send(full).map_err(|_| Error::Panicked)?;
        }
    }
    batches.send(batch).map_err(|_| Error::Panicked)?;
    progress(transfers, transfers);
    Ok(transfers)
}

/// What the transfers add up to.
#[derive(Default)]
pub(super) struct Ledger {
    /// By merchant, the hash of its newest transfer.
    pub(super) heads: FxHashMap<i64, ChainHash>,
    pub(super) balances: FxHashMap<i64, i128>,
    /// By the escrow's number.
    pub(super) holds: FxHashMap<i64, Hold>,
    /// Transfers that do not follow from the one before, and whose they are.
    pub(super) broken_at: Vec<(i64, MerchantId)>,
}

impl Ledger {
    pub(super) fn of(batches: Receiver<Vec<StoredTransfer>>) -> Self {
        let mut ledger = Self::default();
        for transfer in batches.into_iter().flatten() {
            ledger.add(&transfer);
        }
        ledger
    }

    fn add(&mut self, StoredTransfer { posted, hash }: &StoredTransfer) {
        let head = self.heads.entry(posted.merchant.0).or_insert(ChainHash::START);
        if head.followed_by(posted) != *hash {
            self.broken_at.push((posted.id, posted.merchant));
        }
        *head = *hash;
        let amount = i128::from(posted.amount);
        *self.balances.entry(posted.debit_account).or_default() -= amount;
        *self.balances.entry(posted.credit_account).or_default() += amount;
        if let Some(escrow) = posted.escrow {
            let hold = self.holds.entry(escrow).or_default();
            match posted.kind {
                "FUND" | "STAKE" => {
                    hold.paid_in += amount;
                    let account = posted.credit_account;
                    let is_first = hold.account.is_none_or(|known| known == account);
                    hold.account = Some(if is_first { account } else { 0 });
                }
                "RELEASE" => hold.released += amount,
                "REFUND" => hold.refunded += amount,
                _ => hold.fees += amount,
            }
        }
    }
}

/// What went in and out of one escrow's hold.
#[derive(Clone, Copy, Default)]
pub(super) struct Hold {
    pub(super) paid_in: i128,
    pub(super) released: i128,
    pub(super) refunded: i128,
    pub(super) fees: i128,
    /// The account it was paid into, 0 when there were several.
    pub(super) account: Option<i64>,
}

impl Hold {
    pub(super) const fn kept(self) -> i128 {
        self.paid_in - self.released - self.refunded - self.fees
    }
}
