//! The audit of a database: the invariants of architecture section 4, recomputed from the
//! transfers and the payment histories and compared with what is stored. It only reads, and may
//! run beside a service. The transfers, the histories and the rows are read side by side, each from
//! a snapshot of its own; the transfers are read again only if a hold is wrong.

/// The condition in SQL that the database is of live mode.
macro_rules! is_live {
    () => {
        "EXISTS (SELECT 1 FROM instance WHERE mode = 'LIVE')"
    };
}

mod escrows;
mod histories;
mod holds;
mod rows;
mod structure;
mod transfers;
mod treasury;
pub(super) mod verification;

use std::collections::HashMap;
use std::fmt;
use std::path::Path;
use std::sync::mpsc;
use std::thread::{self, Scope, ScopedJoinHandle};

use rustc_hash::{FxHashMap, FxHashSet};

use crate::domain::chain_hash::ChainHash;
use crate::domain::ids::MerchantId;
use crate::store::engine::error::{Error, OpenError};
use crate::store::engine::sql::{Connection, params};
use crate::store::opened::{Opened, unreadable};
use crate::store::place::Place;
use crate::store::tables::columns::row;
use escrows::StoredEscrow;
use histories::{Corrections, Histories, History};
use holds::{Hold, read_holds};
use rows::Rows;
pub use structure::check_structure;
use transfers::{BATCHES_WAITING, Ledger, problem_of_mark, read_transfers};
use verification::{ChainRow, chain_columns};

/// The most findings that the audit describes. It only counts further findings.
const FINDINGS_MAX: usize = 100;

/// The result of an audit.
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
    /// The first findings, at most 100.
    pub findings: Vec<Finding>,
    /// The number of all findings.
    pub findings_total: u64,
}

/// A broken invariant.
#[derive(Debug, PartialEq, Eq)]
pub struct Finding {
    /// The invariant's number in architecture section 4.
    pub invariant: u8,
    /// The place where it is broken, and the values found.
    pub problem: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "invariant {}: {}", self.invariant, self.problem)
    }
}

/// Audits a database. Calls `progress` with the number of transfers read so far and the number
/// of all. A broken invariant is a finding, not an error.
///
/// # Errors
///
/// Fails when the database cannot be opened or read.
pub fn audit(place: &Place, progress: &mut dyn FnMut(u64, u64)) -> Result<Audit, OpenError> {
    let open = || {
        let place = Opened::check(place)?;
        let opened = [Opened::open(&place)?, Opened::open(&place)?, Opened::open(&place)?];
        Ok((place, opened))
    };
    let (place, [opened, beside, of_rows]) = open().map_err(OpenError::found_by_check)?;
    let audited = opened.in_snapshot(|snapshot| run(place.path(), snapshot, [beside, of_rows], progress));
    audited.map_err(|cause| unreadable(&place, cause))
}

fn run(
    path: Option<&Path>,
    snapshot: Connection<'_>,
    [of_histories, of_rows]: [Opened; 2],
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Audit, Error> {
    let mut newest = snapshot.prepare("SELECT max(id) FROM payment_transaction")?;
    let newest: Option<i64> = newest.one(params![], |row| row.get(0))?;
    thread::scope(|scope| {
        // The histories hold half of all rows and can be read separately. Entries are only
        // ever added, so another snapshot has the same entries up to this one's newest. Some
        // time passes between a reset and the removal of entries, and those of merchants that
        // are left behind on this snapshot do not count.
        let histories = start(scope, move || {
            of_histories.in_snapshot(|snapshot| Histories::up_to(newest, snapshot))
        })?;
        // No row of another table is compared with those that this reads.
        let rows = start(scope, move || {
            of_rows.in_snapshot(|snapshot| Rows::read(snapshot, path))
        })?;
        // Reading the transfers takes about as long as adding them up.
        let (batches, read) = mpsc::sync_channel(BATCHES_WAITING);
        let not_checked = verification::merchants_not_checked(snapshot)?;
        let ledger = {
            let not_checked = not_checked.clone();
            start(scope, move || Ledger::of(read, &not_checked))?
        };
        let transfers = read_transfers(snapshot, &batches, progress);
        drop(batches);
        let ledger = ledger.join().map_err(|_| Error::Panicked)?;
        let mut auditor = Auditor::of(ledger, not_checked);
        let checked = transfers.and_then(|transfers| {
            auditor.audit.transfers = transfers;
            auditor.check(snapshot, histories)
        });
        let rows = rows.join().unwrap_or(Err(Error::Panicked));
        let rows = rows.map(|rows| auditor.take_rows(rows));
        match checked.and(rows) {
            // What was found says more than the error, which may be its consequence.
            Err(error) if auditor.audit.findings_total > 0 => auditor.end_early(&error),
            Err(error) => return Err(error),
            Ok(()) => {}
        }
        Ok(auditor.audit)
    })
}

/// Starts a thread of the audit.
fn start<'scope, T: Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    work: impl FnOnce() -> T + Send + 'scope,
) -> Result<ScopedJoinHandle<'scope, T>, Error> {
    let started = thread::Builder::new().spawn_scoped(scope, work);
    started.map_err(|error| Error::NoThread(error.to_string()))
}

row! {
    struct HolderRow, holder_columns! {
        merchant_id: i64,
        customer_id: String,
        id: i64,
    }
}

row! {
    struct StakeRow, stake_columns! {
        merchant_id: i64 = "escrow.merchant_id",
        customer_id: String = "vault_stake.customer_id",
        amount: i64 = "vault_stake.amount",
    }
}

row! {
    struct AuditedAccount<'a>, audited_columns! {
        id: i64,
        merchant_id: i64,
        customer_id: Option<String>,
        purpose: &'a str,
        balance: i64,
        newest_transaction_id: Option<i64>,
        transaction_count: i64,
    }
}

/// The number of every customer's escrow account, by merchant and customer.
type Holders = HashMap<(i64, String), i64>;

/// Returns what the transfers of an escrow must add up to, and the account that its buyer must
/// have paid into.
fn must_hold(escrow: &StoredEscrow, holders: &Holders) -> Hold {
    let account = escrow
        .has_buyer()
        .then(|| holders.get(&(escrow.merchant.0, escrow.buyer.clone())).copied())
        .flatten();
    Hold {
        account,
        ..escrow.must_hold()
    }
}

/// Compares the stored rows with the recomputed sums and collects the findings.
struct Auditor {
    audit: Audit,
    /// Merchants whose rows retention may be removing. Only invariants 9 and 10 are checked
    /// for them.
    not_checked: FxHashSet<i64>,
    ledger: Ledger,
    histories: FxHashMap<i64, History>,
    /// The money that each customer's open escrows must hold, by merchant and customer.
    owed: HashMap<(i64, String), i128>,
}

impl Auditor {
    fn of(ledger: Ledger, not_checked: FxHashSet<i64>) -> Self {
        let mut auditor = Self {
            audit: Audit::default(),
            not_checked,
            ledger: Ledger::default(),
            histories: FxHashMap::default(),
            owed: HashMap::new(),
        };
        for (transfer, MerchantId(merchant)) in &ledger.sums.broken_at {
            if !auditor.not_checked.contains(merchant) {
                auditor.find(7, verification::broken_chain(*transfer, *merchant));
            }
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

    /// Notes that the audit could not go on, before all other findings.
    fn end_early(&mut self, error: &Error) {
        let problem = format!("a part of the check ended early, so that there may be more to find: {error}");
        self.audit.findings_total += 1;
        self.audit.findings.insert(0, Finding { invariant: 9, problem });
        self.audit.findings.truncate(FINDINGS_MAX);
    }

    /// Compares all rows but those of [`Rows`].
    fn check(
        &mut self,
        snapshot: Connection<'_>,
        histories: ScopedJoinHandle<'_, Result<Histories, Error>>,
    ) -> Result<(), Error> {
        if let Some(problem) = problem_of_mark(snapshot)? {
            self.find(7, problem);
        }
        self.check_chains(snapshot)?;
        self.read_escrows(snapshot)?;
        let histories = histories.join().unwrap_or(Err(Error::Panicked))?;
        self.take_histories(histories, snapshot)?;
        self.read_details(snapshot)?;
        self.check_accounts(snapshot)?;
        for (invariant, problem) in treasury::problems(snapshot, &self.not_checked, &self.ledger.platform_fees)? {
            self.find(invariant, problem);
        }
        Ok(())
    }

    fn check_chains(&mut self, connection: Connection<'_>) -> Result<(), Error> {
        let mut statement = connection.prepare(concat!("SELECT ", chain_columns!(), " FROM merchant ORDER BY id"))?;
        let mut rows = statement.query(params![])?;
        while let Some(row) = rows.next()? {
            let row = ChainRow::read(row)?;
            let (merchant, head) = (row.id, ChainHash::from_bytes(row.chain_head));
            self.audit.merchants += 1;
            let newest = self.ledger.sums.heads.remove(&merchant).unwrap_or(ChainHash::START);
            if newest != head && !self.not_checked.contains(&merchant) {
                self.find(7, verification::lost_transfers(merchant));
            }
        }
        let orphans: Vec<i64> = self.ledger.sums.heads.drain().map(|(merchant, _)| merchant).collect();
        for merchant in orphans {
            self.find(7, format!("transfers name merchant {merchant}, which does not exist"));
        }
        Ok(())
    }

    fn read_escrows(&mut self, connection: Connection<'_>) -> Result<(), Error> {
        let holders = Self::holders(connection)?;
        let mut all_are_right = true;
        StoredEscrow::each(connection, |escrow| {
            self.audit.escrows += 1;
            if self.not_checked.contains(&escrow.merchant.0) {
                return;
            }
            for problem in escrow.problems() {
                self.find(6, problem);
            }
            let must = must_hold(&escrow, &holders);
            all_are_right &= !escrow.is_closed() || must.kept() == 0;
            self.ledger.holds.subtract(escrow.id.number(), &must);
            if escrow.has_buyer() {
                let buyer = (escrow.merchant.0, escrow.buyer);
                *self.owed.entry(buyer).or_default() += must.kept();
            }
        })?;
        self.read_stakes(connection)?;
        if all_are_right && self.ledger.holds.is_zero() {
            return Ok(());
        }
        self.describe_holds(connection, &holders)
    }

    /// Reads transfers and escrows again and finds the holds that are wrong.
    fn describe_holds(&mut self, connection: Connection<'_>, holders: &Holders) -> Result<(), Error> {
        let mut holds = read_holds(connection, &self.not_checked)?;
        StoredEscrow::each(connection, |escrow| {
            let hold = holds.remove(&escrow.id.number()).unwrap_or_default();
            if !self.not_checked.contains(&escrow.merchant.0) {
                self.check_hold(&escrow, &hold, &must_hold(&escrow, holders));
            }
        })?;
        for escrow in holds.into_keys() {
            self.find(
                6,
                format!("transfers name escrow {escrow:016x}..., which does not exist"),
            );
        }
        Ok(())
    }

    fn check_hold(&mut self, escrow: &StoredEscrow, hold: &Hold, must: &Hold) {
        let id = escrow.id;
        if escrow.is_closed() && hold.kept() != 0 {
            let kept = hold.kept();
            self.find(5, format!("escrow {id} is closed and its transfers still hold {kept}"));
        }
        for (what, must, is) in [
            ("have been paid", must.paid_in, hold.paid_in),
            ("have released", must.released, hold.released),
            ("have refunded", must.refunded, hold.refunded),
            ("have paid in commission", must.commission, hold.commission),
            ("have paid to the platform", must.platform_fee, hold.platform_fee),
            ("have paid in additional fees", must.additional_fee, hold.additional_fee),
        ] {
            if must != is {
                self.find(6, format!("escrow {id} must {what} {must}, and its transfers say {is}"));
            }
        }
        if escrow.has_buyer() && hold.account.is_some() && hold.account != must.account {
            let (merchant, buyer) = (escrow.merchant.0, &escrow.buyer);
            let problem = format!(
                "escrow {id} names customer {buyer} of merchant {merchant} as its buyer, and was paid by another"
            );
            self.find(6, problem);
        }
    }

    /// Returns the number of every customer's escrow account, by merchant and customer.
    fn holders(connection: Connection<'_>) -> Result<Holders, Error> {
        let mut statement = connection.prepare(concat!(
            "SELECT ",
            holder_columns!(),
            " FROM account WHERE purpose = 'CUSTOMER_ESCROW'"
        ))?;
        let mut rows = statement.query(params![])?;
        let mut holders = HashMap::new();
        while let Some(row) = rows.next()? {
            let row = HolderRow::read(row)?;
            holders.insert((row.merchant_id, row.customer_id), row.id);
        }
        Ok(holders)
    }

    /// Adds the stakes in open vaults to what is owed to their participants.
    fn read_stakes(&mut self, connection: Connection<'_>) -> Result<(), Error> {
        let mut statement = connection.prepare(concat!(
            "SELECT ",
            stake_columns!(),
            " FROM vault_stake JOIN escrow ON escrow.id = escrow_id WHERE state = 'OPENED'"
        ))?;
        let mut rows = statement.query(params![])?;
        while let Some(row) = rows.next()? {
            let row = StakeRow::read(row)?;
            *self.owed.entry((row.merchant_id, row.customer_id)).or_default() += i128::from(row.amount);
        }
        Ok(())
    }

    fn take_rows(&mut self, rows: Rows) {
        for problem in rows.unreadable.into_iter().chain(rows.miscounted) {
            self.find(9, problem);
        }
        for problem in rows.missing_files {
            self.find(10, problem);
        }
    }

    fn take_histories(&mut self, histories: Histories, connection: Connection<'_>) -> Result<(), Error> {
        let mut owner = connection.prepare("SELECT merchant_id FROM account WHERE id = ?1")?;
        for (entry, account) in histories.broken_at {
            let merchant: Option<i64> = owner.first(params![account], |row| row.get(0))?;
            if merchant.is_some_and(|merchant| self.not_checked.contains(&merchant)) {
                continue;
            }
            let problem = format!(
                "transaction {entry:016x}... does not follow the one before it in the history of account {account}: \
                 it was changed, or one between them was removed"
            );
            self.find(8, problem);
        }
        self.histories = histories.of_account;
        Ok(())
    }

    /// Corrects the sums of the histories by the details of payments.
    fn read_details(&mut self, connection: Connection<'_>) -> Result<(), Error> {
        let corrections = Corrections::read(connection)?;
        for entry in corrections.without_payment {
            let problem = format!("a payment detail names transaction {entry:016x}..., which does not exist");
            self.find(8, problem);
        }
        for (account, correction) in corrections.of_account {
            self.histories.entry(account).or_default().sum += correction;
        }
        Ok(())
    }

    fn check_accounts(&mut self, connection: Connection<'_>) -> Result<(), Error> {
        let mut sums: FxHashMap<i64, i128> = FxHashMap::default();
        let mut statement = connection.prepare(concat!("SELECT ", audited_columns!(), " FROM account"))?;
        let mut rows = statement.query(params![])?;
        while let Some(row) = rows.next()? {
            self.audit.accounts += 1;
            let row = AuditedAccount::read(row)?;
            if self.not_checked.contains(&row.merchant_id) {
                self.ledger.sums.balances.remove(&row.id);
                self.histories.remove(&row.id);
                continue;
            }
            *sums.entry(row.merchant_id).or_default() += i128::from(row.balance);
            self.check_account(row);
        }
        let orphans: Vec<i64> = self.ledger.sums.balances.drain().map(|(account, _)| account).collect();
        for account in orphans {
            self.find(2, format!("transfers name account {account}, which does not exist"));
        }
        let orphans: Vec<i64> = self.histories.drain().map(|(account, _)| account).collect();
        for account in orphans {
            self.find(8, format!("transactions name account {account}, which does not exist"));
        }
        let unbalanced = sums.into_iter().filter(|(_, sum)| *sum != 0);
        for (merchant, sum) in unbalanced {
            self.find(1, verification::not_zero(merchant, sum));
        }
        Ok(())
    }

    fn check_account(&mut self, row: AuditedAccount<'_>) {
        let (account, purpose, balance) = (row.id, row.purpose, i128::from(row.balance));
        let moved = self.ledger.sums.balances.remove(&account).unwrap_or_default();
        if moved != balance {
            self.find(2, verification::not_its_transfers(account, balance, moved));
        }
        if purpose != "OUTSIDE_WORLD" && balance < 0 {
            self.find(3, verification::below_zero(account, purpose, balance));
        }
        let history = self.histories.remove(&account).unwrap_or_default();
        if history.newest != row.newest_transaction_id {
            self.find(
                8,
                format!("the newest transactions of account {account} are missing from its history"),
            );
        }
        let counted = row.transaction_count;
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
            let owner = (row.merchant_id, row.customer_id.unwrap_or_default());
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
    }
}
