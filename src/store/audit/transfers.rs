//! Reads the transfers on one thread and adds them up on another.

use std::mem;
use std::sync::mpsc::{Receiver, SyncSender};

use rustc_hash::{FxHashMap, FxHashSet};

use crate::domain::chain_hash::ChainHash;
use crate::domain::ids::MerchantId;
use crate::domain::ledger::{PostedTransfer, TransferKind};
use crate::store::audit::holds::{Fingerprint, HoldTransfer};
use crate::store::engine::error::Error;
use crate::store::engine::sql::{Connection, Row, params};
use crate::store::tables::columns::{read_all, row};

/// Transfers in a batch, which the reading thread hands to the adding thread. Progress is
/// reported once for each batch.
const BATCH: usize = 4096;
/// The most batches that wait between the two threads.
pub(super) const BATCHES_WAITING: usize = 4;

row! {
    struct TransferRow<'a>, transfer_columns! {
        id: i64,
        merchant_id: MerchantId,
        kind: &'a str,
        debit_account_id: i64,
        credit_account_id: i64,
        amount: i64,
        escrow_id: Option<i64>,
        created_at: i64,
        hash: [u8; 32],
    }
}

row! {
    struct MarkRow, mark_columns! {
        marked: i64 = "newest_transfer",
        newest: i64 = "(SELECT coalesce(max(id), 0) FROM transfer)",
        is_live: bool = is_live!(),
    }
}

/// Compares the number of the newest transfer with the one that the mark has, which the next
/// transfer follows. Retention removes transfers in a sandbox alone.
pub(super) fn problem_of_mark(connection: Connection<'_>) -> Result<Option<String>, Error> {
    let mut statement = connection.prepare(concat!("SELECT ", mark_columns!(), " FROM file_mark"))?;
    let MarkRow {
        marked,
        newest,
        is_live,
    } = statement.one(params![], MarkRow::read)?;
    let is_right = marked == newest || (marked > newest && !is_live && marked < i64::MAX);
    Ok((!is_right)
        .then(|| format!("the newest transfer is number {newest}, and the mark of the database says {marked}")))
}

/// A stored transfer.
pub(super) struct StoredTransfer {
    pub(super) posted: PostedTransfer<'static>,
    pub(super) hash: ChainHash,
}

impl StoredTransfer {
    fn read(row: Row<'_>) -> Result<Self, Error> {
        let row = TransferRow::read(row)?;
        let posted = PostedTransfer {
            id: row.id,
            merchant: row.merchant_id,
            // An unknown kind was changed in the file, and the hash will show it.
            kind: row.kind.parse::<TransferKind>().map_or("", |kind| kind.into_str()),
            debit_account: row.debit_account_id,
            credit_account: row.credit_account_id,
            amount: row.amount,
            escrow: row.escrow_id,
            created_at: row.created_at,
        };
        Ok(Self {
            posted,
            hash: ChainHash::from_bytes(row.hash),
        })
    }
}

/// Sends every transfer in batches, oldest first, and returns their number.
pub(super) fn read_transfers(
    connection: Connection<'_>,
    batches: &SyncSender<Vec<StoredTransfer>>,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<u64, Error> {
    // The newest number is the number of transfers, but for those that retention has removed.
    let newest: Option<i64> = connection
        .prepare("SELECT max(id) FROM transfer")?
        .one(params![], |row| row.get(0))?;
    let expected = newest.map_or(0, i64::unsigned_abs);
    let mut statement = connection.prepare(concat!("SELECT ", transfer_columns!(), " FROM transfer ORDER BY id"))?;
    let mut rows = statement.query(params![])?;
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

/// Returns at most `limit` transfers whose numbers are greater than `after`, oldest first.
pub(super) fn transfers_after(
    connection: Connection<'_>,
    after: i64,
    limit: i64,
) -> Result<Vec<StoredTransfer>, Error> {
    let mut statement = connection.prepare(concat!(
        "SELECT ",
        transfer_columns!(),
        " FROM transfer WHERE id > ?1 ORDER BY id LIMIT ?2"
    ))?;
    read_all(statement.query(params![after, limit])?, StoredTransfer::read)
}

/// The chains and the balances that follow from the transfers.
#[derive(Default)]
pub(super) struct Sums {
    /// The hash of each merchant's newest transfer, by merchant.
    pub(super) heads: FxHashMap<i64, ChainHash>,
    /// By the number of the account.
    pub(super) balances: FxHashMap<i64, i128>,
    /// Transfers whose hash does not follow from the one before, each with its merchant.
    pub(super) broken_at: Vec<(i64, MerchantId)>,
}

impl Sums {
    /// Adds a transfer, which must be newer than all before.
    pub(super) fn add(&mut self, StoredTransfer { posted, hash }: &StoredTransfer) {
        let head = self.heads.entry(posted.merchant.0).or_insert(ChainHash::START);
        if head.followed_by(posted) != *hash {
            self.broken_at.push((posted.id, posted.merchant));
        }
        *head = *hash;
        let amount = i128::from(posted.amount);
        *self.balances.entry(posted.debit_account).or_default() -= amount;
        *self.balances.entry(posted.credit_account).or_default() += amount;
    }
}

/// The sums of the transfers.
#[derive(Default)]
pub(super) struct Ledger {
    pub(super) sums: Sums,
    /// The fingerprint of the holds of merchants that are checked.
    pub(super) holds: Fingerprint,
    /// The platform's part of the fees of deals, by merchant.
    pub(super) platform_fees: FxHashMap<i64, i128>,
}

impl Ledger {
    pub(super) fn of(batches: Receiver<Vec<StoredTransfer>>, not_checked: &FxHashSet<i64>) -> Self {
        let mut ledger = Self::default();
        for transfer in batches.into_iter().flatten() {
            ledger.sums.add(&transfer);
            let posted = &transfer.posted;
            if posted.kind == TransferKind::PlatformFee.into_str() {
                *ledger.platform_fees.entry(posted.merchant.0).or_default() += i128::from(posted.amount);
            }
            if let Some(escrow) = posted.escrow.filter(|_| !not_checked.contains(&posted.merchant.0)) {
                ledger.holds.add(
                    escrow,
                    &HoldTransfer {
                        kind: posted.kind,
                        credit_account_id: posted.credit_account,
                        amount: posted.amount,
                    },
                );
            }
        }
        ledger
    }
}
