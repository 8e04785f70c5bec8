//! The seven invariants of the ledger (design section 4), recomputed from the
//! transfers and compared with what is stored, and an eighth: that the payment
//! histories are whole and add up to the balances. Reads only, from one snapshot,
//! each table once; may run beside a server.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::mem;
use std::path::Path;
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::thread;

use rusqlite::{Connection, Row, Rows};

use super::columns::text_at;
use super::connection;
use super::error::{Error, OpenError};
use crate::domain::ids::{EscrowId, MerchantId};
use crate::domain::ledger::{ChainHash, PostedTransfer, TransferKind};

/// How many findings are described; those beyond are counted.
const FINDINGS_MAX: usize = 100;
/// Transfers handed from the thread that reads them to the one that adds them up,
/// at once, and reported as progress.
const BATCH: usize = 4096;
/// Batches that may wait in between.
const BATCHES_WAITING: usize = 4;

/// What an audit saw.
#[derive(Debug, Default)]
pub struct Audit {
    /// Merchants in the file.
    pub merchants: u64,
    /// Accounts in the file.
    pub accounts: u64,
    /// Escrows in the file.
    pub escrows: u64,
    /// Transfers in the file.
    pub transfers: u64,
    /// What is wrong, as far as it was kept.
    pub findings: Vec<Finding>,
    /// How much is wrong.
    pub findings_total: u64,
}

/// One broken invariant, and where.
#[derive(Debug, PartialEq, Eq)]
pub struct Finding {
    /// Its number in design section 4; 8 is a broken payment history.
    pub invariant: u8,
    /// Where it is broken, and how.
    pub problem: String,
}

/// Audits a file. `progress` hears how many transfers of how many are done.
///
/// Fails when the file cannot be opened or read; a broken invariant is a
/// finding, not a failure.
pub fn audit(path: &Path, progress: &mut dyn FnMut(u64, u64)) -> Result<Audit, OpenError> {
    let connection = connection::open_to_audit(path)?;
    let beside = connection::open_to_audit(path)?;
    run(&connection, beside, progress).map_err(|cause| OpenError::Damaged {
        path: path.to_owned(),
        cause,
    })
}

fn run(connection: &Connection, beside: Connection, progress: &mut dyn FnMut(u64, u64)) -> Result<Audit, Error> {
    let snapshot = connection.unchecked_transaction()?;
    let newest: Option<i64> = snapshot.query_row("SELECT max(id) FROM payment_transaction", [], |row| row.get(0))?;
    thread::scope(|scope| {
        // Histories are half of all rows and need nothing of the rest. Entries are
        // only ever added, so those up to the newest of this snapshot are the same
        // in any later one.
        let histories = scope.spawn(move || Histories::up_to(newest, &beside));
        // Reading transfers and adding them up are as much work each.
        let (batches, read) = mpsc::sync_channel(BATCHES_WAITING);
        let ledger = scope.spawn(move || Ledger::of(read));
        let transfers = read_transfers(&snapshot, &batches, progress);
        drop(batches);
        let ledger = ledger.join().map_err(|_| Error::Panicked)?;
        let mut auditor = Auditor::of(ledger);
        auditor.audit.transfers = transfers?;
        auditor.check_chains(&snapshot)?;
        auditor.read_escrows(&snapshot)?;
        let histories = histories.join().unwrap_or(Err(Error::Panicked))?;
        auditor.take_histories(histories);
        auditor.read_details(&snapshot)?;
        auditor.check_accounts(&snapshot)?;
        Ok(auditor.audit)
    })
}

/// A transfer as it stands in the file.
struct StoredTransfer {
    posted: PostedTransfer<'static>,
    hash: ChainHash,
}

impl StoredTransfer {
    fn read(row: &Row<'_>) -> Result<Self, Error> {
        let kind = text_at(row, 2)?;
        let known = TransferKind::WORDS.iter().find(|(word, _)| *word == kind);
        let posted = PostedTransfer {
            id: row.get(0)?,
            merchant: MerchantId(row.get(1)?),
            // One of no kind has been changed, and its hash will show it.
            kind: known.map_or("", |(word, _)| word),
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
fn read_transfers(
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
struct Ledger {
    /// By merchant, the hash of its newest transfer.
    heads: ByNumber<ChainHash>,
    balances: ByNumber<i128>,
    /// By the escrow's number.
    holds: ByNumber<Hold>,
    /// Transfers that do not follow from the one before, and whose they are.
    broken_at: Vec<(i64, MerchantId)>,
}

impl Ledger {
    fn of(batches: Receiver<Vec<StoredTransfer>>) -> Self {
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
                "FUND" | "STAKE" => hold.paid_in += amount,
                "RELEASE" => hold.released += amount,
                "REFUND" => hold.refunded += amount,
                _ => hold.fees += amount,
            }
        }
    }
}

/// Compares what was read, and says what does not fit.
struct Auditor {
    audit: Audit,
    ledger: Ledger,
    histories: ByNumber<History>,
    /// By merchant and customer, what the open escrows they funded must hold.
    owed: HashMap<(i64, String), i128>,
}

/// What went in and out of one escrow's hold.
#[derive(Clone, Copy, Default)]
struct Hold {
    paid_in: i128,
    released: i128,
    refunded: i128,
    fees: i128,
}

impl Hold {
    const fn kept(self) -> i128 {
        self.paid_in - self.released - self.refunded - self.fees
    }
}

/// An account's payment history, as far as it was read.
#[derive(Clone, Copy, Default)]
struct History {
    newest: Option<i64>,
    count: i64,
    sum: i128,
}

/// Every account's payment history.
#[derive(Default)]
struct Histories {
    of_account: ByNumber<History>,
    /// Entries that do not follow the one before, and whose they are.
    broken_at: Vec<(i64, i64)>,
}

impl Histories {
    fn up_to(newest: Option<i64>, connection: &Connection) -> Result<Self, Error> {
        let mut statement = connection.prepare(
            "SELECT id, account_id, previous_id, credit_type, amount FROM payment_transaction
             WHERE id <= ?1 ORDER BY id",
        )?;
        let mut rows = statement.query([newest])?;
        let mut histories = Self::default();
        while let Some(row) = rows.next()? {
            let (entry, account): (i64, i64) = (row.get(0)?, row.get(1)?);
            let amount = i128::from(row.get::<_, i64>(4)?);
            let is_debit = text_at(row, 3)? == "debit";
            let history = histories.of_account.entry(account).or_default();
            if history.newest != row.get(2)? {
                histories.broken_at.push((entry, account));
            }
            history.newest = Some(entry);
            history.count += 1;
            history.sum += if is_debit { -amount } else { amount };
        }
        Ok(histories)
    }
}

/// An escrow's row, as far as it says where its money must be.
struct StoredEscrow {
    id: EscrowId,
    kind: Kind,
    state: State,
    /// How it ended, once it is closed.
    end: Option<End>,
    amount: i128,
    fee: i128,
    buyer_fee: i128,
    additional_fee: i128,
    is_additional_fee_refundable: bool,
    /// What its released milestones add up to.
    released: i128,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Standard,
    Milestones,
    Vault,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    AwaitingPayment,
    Opened,
    Closed,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// To the payees.
    Released,
    /// To who paid.
    Refunded,
    /// To the seller and the buyer.
    Split { seller: i128, buyer: i128 },
}

impl StoredEscrow {
    fn read(row: &Row<'_>, released: &mut Released<'_>) -> Result<Self, Error> {
        let id = EscrowId::new(row.get(0)?, row.get(1)?);
        let money = |column| row.get::<_, i64>(column).map(i128::from);
        let state = match text_at(row, 3)? {
            "OPENED" => State::Opened,
            "CLOSED" => State::Closed,
            _ => State::AwaitingPayment,
        };
        let end = match row.get_ref(11)?.as_str_or_null().map_err(rusqlite::Error::from)? {
            Some("REFUNDED") => End::Refunded,
            Some("SPLIT") => End::Split {
                seller: money(12)?,
                buyer: money(13)?,
            },
            _ => End::Released,
        };
        Ok(Self {
            id,
            kind: match text_at(row, 8)? {
                "MILESTONE" => Kind::Milestones,
                "VAULT" => Kind::Vault,
                _ => Kind::Standard,
            },
            state,
            end: Some(end).filter(|_| state == State::Closed),
            amount: money(5)?,
            buyer_fee: money(6)?,
            fee: money(7)?,
            additional_fee: money(9)?,
            is_additional_fee_refundable: row.get(10)?,
            released: released.by(id.number())?,
        })
    }

    /// What its transfers must add up to. A milestone escrow's fee is on its buyer,
    /// so a milestone releases its amount whole; the schema sees to that.
    fn must_hold(&self) -> Hold {
        let payable = self.amount + self.buyer_fee - self.fee;
        let opened = Hold {
            paid_in: self.amount + self.buyer_fee + self.additional_fee,
            released: self.released,
            ..Hold::default()
        };
        let Some(end) = self.end else {
            return if self.state == State::AwaitingPayment {
                Hold::default()
            } else {
                opened
            };
        };
        let (released, refunded) = match end {
            End::Released => (payable, 0),
            End::Refunded => (self.released, payable - self.released),
            End::Split { seller, buyer } => (self.released + seller, buyer),
        };
        let goes_back = if end != End::Released && self.is_additional_fee_refundable {
            self.additional_fee
        } else {
            0
        };
        Hold {
            released,
            refunded: refunded + goes_back,
            fees: self.fee + self.additional_fee - goes_back,
            ..opened
        }
    }
}

/// What the released milestones of each escrow add up to, in the order of ids.
struct Released<'a> {
    rows: Rows<'a>,
    next: Option<(i64, i64)>,
}

impl<'a> Released<'a> {
    fn new(rows: Rows<'a>) -> Result<Self, Error> {
        let mut released = Self { rows, next: None };
        released.advance()?;
        Ok(released)
    }

    fn advance(&mut self) -> Result<(), Error> {
        self.next = match self.rows.next()? {
            Some(row) => Some((row.get(0)?, row.get(1)?)),
            None => None,
        };
        Ok(())
    }

    /// The sum of the escrow with this number, which comes after all that were
    /// asked for before.
    fn by(&mut self, escrow: i64) -> Result<i128, Error> {
        let mut sum = 0;
        while let Some((of, amount)) = self.next.filter(|(of, _)| *of <= escrow) {
            if of == escrow {
                sum += i128::from(amount);
            }
            self.advance()?;
        }
        Ok(sum)
    }
}

/// A map whose keys were given out by us, a few lookups for each transfer.
type ByNumber<V> = HashMap<i64, V, BuildHasherDefault<NumberHasher>>;

/// Spreads numbers, which nobody outside can choose, at the cost of a
/// multiplication for each.
#[derive(Default)]
struct NumberHasher(u64);

impl Hasher for NumberHasher {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, word: u64) {
        self.0 = (self.0 ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    /// A product is best spread in its upper bits, and a map looks at the lower.
    fn finish(&self) -> u64 {
        self.0.rotate_left(26)
    }
}

impl Auditor {
    fn of(ledger: Ledger) -> Self {
        let mut auditor = Self {
            audit: Audit::default(),
            ledger: Ledger::default(),
            histories: ByNumber::default(),
            owed: HashMap::new(),
        };
        for (transfer, MerchantId(merchant)) in &ledger.broken_at {
            let problem = format!(
                "transfer {transfer} of merchant {merchant} does not follow from the one before it: it, or that one, \
                 was changed, or one between them was removed"
            );
            auditor.find(7, problem);
        }
        auditor.ledger = ledger;
        auditor
    }

    fn find(&mut self, invariant: u8, problem: String) {
        self.audit.findings_total += 1;
        if self.audit.findings.len() < FINDINGS_MAX {
            self.audit.findings.push(Finding { invariant, problem });
        }
    }

    fn check_chains(&mut self, connection: &Connection) -> Result<(), Error> {
        let mut statement = connection.prepare("SELECT id, chain_head FROM merchant ORDER BY id")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let (merchant, head) = (row.get(0)?, ChainHash::from_bytes(row.get(1)?));
            self.audit.merchants += 1;
            if self.ledger.heads.remove(&merchant).unwrap_or(ChainHash::START) != head {
                let problem =
                    format!("the newest transfers of merchant {merchant} are missing, or its chain head was changed");
                self.find(7, problem);
            }
        }
        let orphans: Vec<i64> = self.ledger.heads.drain().map(|(merchant, _)| merchant).collect();
        for merchant in orphans {
            self.find(7, format!("transfers name merchant {merchant}, which does not exist"));
        }
        Ok(())
    }

    fn read_escrows(&mut self, connection: &Connection) -> Result<(), Error> {
        // Both in the order of ids, so that one pass over each is enough.
        let mut milestones =
            connection.prepare("SELECT escrow_id, amount FROM milestone WHERE is_released = 1 ORDER BY id")?;
        let mut released = Released::new(milestones.query([])?)?;
        let mut statement = connection.prepare(
            "SELECT id, guard, merchant_id, state, buyer_id, amount, buyer_fee, fee, settlement_type,
                    additional_fee, additional_fee_refundable, closed_as, split_seller_amount, split_buyer_amount
             FROM escrow ORDER BY id",
        )?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            self.audit.escrows += 1;
            let escrow = StoredEscrow::read(row, &mut released)?;
            self.check_escrow(&escrow);
            if escrow.state == State::Opened && escrow.kind != Kind::Vault {
                let buyer = (row.get(2)?, row.get(4)?);
                *self.owed.entry(buyer).or_default() += escrow.must_hold().kept();
            }
        }
        self.read_stakes(connection)?;
        let orphans: Vec<i64> = self.ledger.holds.drain().map(|(escrow, _)| escrow).collect();
        for escrow in orphans {
            self.find(
                6,
                format!("transfers name escrow {escrow:016x}..., which does not exist"),
            );
        }
        Ok(())
    }

    fn check_escrow(&mut self, escrow: &StoredEscrow) {
        let hold = self.ledger.holds.remove(&escrow.id.number()).unwrap_or_default();
        let must = escrow.must_hold();
        let id = escrow.id;
        if escrow.state == State::Closed && hold.kept() != 0 {
            let kept = hold.kept();
            self.find(5, format!("escrow {id} is closed and its transfers still hold {kept}"));
        }
        for (what, must, is) in [
            ("have been paid", must.paid_in, hold.paid_in),
            ("have released", must.released, hold.released),
            ("have refunded", must.refunded, hold.refunded),
            ("have paid in fees", must.fees, hold.fees),
        ] {
            if must != is {
                self.find(6, format!("escrow {id} must {what} {must}, and its transfers say {is}"));
            }
        }
        if escrow.kind == Kind::Milestones && escrow.end == Some(End::Released) && escrow.released != escrow.amount {
            let (released, amount) = (escrow.released, escrow.amount);
            let problem = format!("escrow {id} is closed and its milestones released {released} of {amount}");
            self.find(6, problem);
        }
    }

    /// What participants have staked in open vaults is owed to them.
    fn read_stakes(&mut self, connection: &Connection) -> Result<(), Error> {
        let mut statement = connection.prepare(
            "SELECT escrow.merchant_id, vault_stake.customer_id, vault_stake.amount
             FROM vault_stake JOIN escrow ON escrow.id = escrow_id WHERE state = 'OPENED'",
        )?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let amount: i64 = row.get(2)?;
            *self.owed.entry((row.get(0)?, row.get(1)?)).or_default() += i128::from(amount);
        }
        Ok(())
    }

    fn take_histories(&mut self, histories: Histories) {
        for (entry, account) in histories.broken_at {
            let problem = format!(
                "transaction {entry:016x}... does not follow the one before it in the history of account {account}: \
                 it was changed, or one between them was removed"
            );
            self.find(8, problem);
        }
        self.histories = histories.of_account;
    }

    /// Corrects the sums of the histories by what is known beside the entries: what
    /// is pending, failed or was reversed has moved nothing, a debit has cost its fee
    /// on top, and a card that paid for an escrow has not touched the wallet.
    fn read_details(&mut self, connection: &Connection) -> Result<(), Error> {
        let mut statement = connection.prepare(
            "SELECT transaction_id, account_id, credit_type = 'debit', amount, fee,
                    status = 'success' AND NOT (method = 'CARD' AND transaction_type = 'escrow')
             FROM payment_detail LEFT JOIN payment_transaction ON payment_transaction.id = transaction_id",
        )?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let Some(account) = row.get::<_, Option<i64>>(1)? else {
                let entry: i64 = row.get(0)?;
                self.find(
                    8,
                    format!("something is said of transaction {entry:016x}..., which does not exist"),
                );
                continue;
            };
            let (is_debit, has_moved): (bool, bool) = (row.get(2)?, row.get(5)?);
            let (amount, fee) = (i128::from(row.get::<_, i64>(3)?), i128::from(row.get::<_, i64>(4)?));
            let entered = if is_debit { -amount } else { amount };
            let moved = if has_moved { entered - fee } else { 0 };
            self.histories.entry(account).or_default().sum += moved - entered;
        }
        Ok(())
    }

    fn check_accounts(&mut self, connection: &Connection) -> Result<(), Error> {
        let mut sums: ByNumber<i128> = ByNumber::default();
        let mut statement = connection.prepare(
            "SELECT id, merchant_id, customer_id, purpose, balance, newest_transaction_id, transaction_count
                 FROM account",
        )?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            self.audit.accounts += 1;
            let balance: i64 = row.get(4)?;
            *sums.entry(row.get(1)?).or_default() += i128::from(balance);
            self.check_account(row, i128::from(balance))?;
        }
        let orphans: Vec<i64> = self.ledger.balances.drain().map(|(account, _)| account).collect();
        for account in orphans {
            self.find(2, format!("transfers name account {account}, which does not exist"));
        }
        let orphans: Vec<i64> = self.histories.drain().map(|(account, _)| account).collect();
        for account in orphans {
            self.find(8, format!("transactions name account {account}, which does not exist"));
        }
        let unbalanced = sums.into_iter().filter(|(_, sum)| *sum != 0);
        for (merchant, sum) in unbalanced {
            self.find(
                1,
                format!("the balances of merchant {merchant} add up to {sum} and not to zero"),
            );
        }
        Ok(())
    }

    fn check_account(&mut self, row: &Row<'_>, balance: i128) -> Result<(), Error> {
        let account: i64 = row.get(0)?;
        let moved = self.ledger.balances.remove(&account).unwrap_or_default();
        if moved != balance {
            self.find(
                2,
                format!("account {account} has a balance of {balance}, and its transfers add up to {moved}"),
            );
        }
        let purpose = text_at(row, 3)?;
        if purpose != "OUTSIDE_WORLD" && balance < 0 {
            self.find(
                3,
                format!("account {account} ({purpose}) has a balance of {balance}, below zero"),
            );
        }
        let history = self.histories.remove(&account).unwrap_or_default();
        if history.newest != row.get(5)? {
            self.find(
                8,
                format!("the newest transactions of account {account} are missing from its history"),
            );
        }
        let counted: i64 = row.get(6)?;
        if history.count != counted {
            let count = history.count;
            self.find(
                8,
                format!("account {account} counts {counted} transactions, and its history has {count}"),
            );
        }
        if matches!(purpose, "CUSTOMER_MAIN" | "MERCHANT_MAIN") && history.sum != balance {
            let sum = history.sum;
            self.find(
                8,
                format!("account {account} ({purpose}) has a balance of {balance}, and its history adds up to {sum}"),
            );
        }
        if purpose == "CUSTOMER_ESCROW" {
            let customer: String = row.get(2)?;
            let owner = (row.get(1)?, customer);
            let owed = self.owed.remove(&owner).unwrap_or_default();
            if owed != balance {
                let customer = owner.1;
                let problem = format!(
                    "the escrow account of customer {customer} holds {balance}, and the open escrows they funded \
                     must hold {owed}"
                );
                self.find(4, problem);
            }
        }
        Ok(())
    }
}
