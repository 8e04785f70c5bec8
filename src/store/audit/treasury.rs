//! Compares the accounts for money in transit, in suspense, of the platform and of the outside
//! world with the deals, pay-outs and receipts that explain them, and follows the record of
//! operators' acts.

use rustc_hash::{FxHashMap, FxHashSet};

use crate::domain::chain_hash::ChainHash;
use crate::domain::treasury::act::PostedAct;
use crate::store::engine::error::Error;
use crate::store::engine::sql::{Connection, params};
use crate::store::tables::columns::row;

row! {
    struct HeldRow<'a>, held_columns! {
        merchant_id: i64,
        purpose: &'a str,
        balance: i64,
        is_live: bool = is_live!(),
    }
}

row! {
    struct PayoutRow<'a>, payout_columns! {
        merchant_id: i64 = "payout.merchant_id",
        status: &'a str,
        amount: i64,
        fee: i64,
        was_paid: bool = "was_paid = 1",
        is_of_fees: bool = "coalesce(purpose = 'PLATFORM_FEES', 1 = 0)",
    }
}

row! {
    struct ReceiptRow<'a>, receipt_columns! {
        merchant_id: i64,
        status: &'a str,
        amount: i64,
    }
}

row! {
    struct UnrequestedRow, unrequested_columns! {
        merchant_id: i64 = "account.merchant_id",
        id: i64 = "entry.id",
    }
}

row! {
    struct FeeRow, fee_columns! {
        merchant_id: i64,
        fee: i64,
    }
}

row! {
    struct ActRow<'a>, act_columns! {
        merchant_id: Option<i64>,
        number: i64,
        operator_id: Option<i64>,
        kind: &'a str,
        subject: &'a str,
        reason: Option<&'a str>,
        address: Option<&'a str>,
        first_transfer: Option<i64>,
        last_transfer: Option<i64>,
        created_at: i64,
        hash: [u8; 32],
    }
}

row! {
    struct MismatchRow<'a>, mismatch_columns! {
        merchant_id: i64,
        object: &'a str,
        id: i64,
        status: &'a str,
        other: &'a str,
        found: &'a str,
    }
}

/// Pay-outs and receipts that do not match the withdrawal, deposit or pay-out that belongs to them,
/// in status, amount, fee, owner or merchant, and pairs of which one is missing. A customer's
/// withdrawal in a sandbox may have no pay-out, since a strict sandbox pays without one.
const MISMATCHES: &str = concat!(
    "WITH mismatch (merchant_id, object, id, status, other, found) AS (
     SELECT payout.merchant_id, 'pay-out', payout.id, payout.status, 'withdrawal', payment_detail.status
         FROM payout JOIN payment_detail ON payment_detail.transaction_id = payout.transaction_id
         WHERE payment_detail.status <> CASE payout.status
             WHEN 'rejected' THEN 'failed' WHEN 'paid' THEN 'success' WHEN 'returned' THEN 'reversed' ELSE 'pending' END
     UNION ALL
     SELECT receipt.merchant_id, 'receipt', receipt.id, receipt.status, 'deposit', coalesce(payment_detail.status, 'without details')
         FROM receipt LEFT JOIN payment_detail ON payment_detail.transaction_id = deposit_id
         WHERE deposit_id IS NOT NULL AND (payment_detail.status IS NULL OR payment_detail.status <>
             CASE receipt.status WHEN 'credited' THEN 'success' WHEN 'reversed' THEN 'reversed' ELSE 'none' END)
     UNION ALL
     SELECT account.merchant_id, 'deposit', entry.id, payment_detail.status, 'receipt', 'missing'
         FROM payment_detail JOIN payment_transaction AS entry ON entry.id = payment_detail.transaction_id
             JOIN account ON account.id = entry.account_id
         WHERE method = 'BANK_TRANSFER' AND payment_detail.status IN ('success', 'reversed')
             AND NOT EXISTS (SELECT 1 FROM receipt WHERE deposit_id = entry.id)
     UNION ALL
     SELECT account.merchant_id, 'withdrawal', entry.id, payment_detail.status, 'pay-out', 'missing'
         FROM payment_detail JOIN payment_transaction AS entry ON entry.id = payment_detail.transaction_id
             JOIN account ON account.id = entry.account_id
         WHERE method = 'BANK' AND (account.customer_id IS NULL OR ",
    is_live!(),
    ")
             AND NOT EXISTS (SELECT 1 FROM payout WHERE payout.transaction_id = entry.id)
     UNION ALL
     SELECT payout.merchant_id, 'pay-out', payout.id, payout.status, 'withdrawal', 'missing or of another amount, fee or owner'
         FROM payout LEFT JOIN payment_transaction AS entry ON entry.id = payout.transaction_id
             LEFT JOIN payment_detail ON payment_detail.transaction_id = entry.id
         WHERE payout.transaction_id IS NOT NULL AND (entry.amount IS NOT payout.amount
             OR entry.account_id IS NOT payout.account_id OR payment_detail.fee IS NOT payout.fee)
     UNION ALL
     SELECT payout.merchant_id, 'pay-out', payout.id, payout.status, 'account', 'of another merchant'
         FROM payout LEFT JOIN account ON account.id = payout.account_id
         WHERE account.merchant_id IS NOT payout.merchant_id
     UNION ALL
     SELECT payout.merchant_id, 'pay-out', payout.id, payout.status, 'receipt', 'missing or of another amount or merchant'
         FROM payout LEFT JOIN receipt ON receipt.id = payout.receipt_id
         WHERE payout.receipt_id IS NOT NULL
             AND (receipt.amount IS NOT payout.amount OR receipt.merchant_id IS NOT payout.merchant_id)
     UNION ALL
     SELECT receipt.merchant_id, 'receipt', receipt.id, receipt.status, 'deposit', 'missing or of another amount or owner'
         FROM receipt LEFT JOIN payment_transaction AS entry ON entry.id = receipt.deposit_id
             LEFT JOIN account ON account.id = entry.account_id
         WHERE receipt.deposit_id IS NOT NULL AND (entry.amount IS NOT receipt.amount
             OR account.merchant_id IS NOT receipt.merchant_id OR account.customer_id IS NOT receipt.customer_id)
     UNION ALL
     SELECT merchant_id, 'receipt', id, status, 'pay-out', 'missing' FROM receipt
         WHERE status = 'sent_back' AND NOT EXISTS (SELECT 1 FROM payout
             WHERE receipt_id = receipt.id AND payout.status <> 'rejected' AND payout.status <> 'returned'))
     SELECT ",
    mismatch_columns!(),
    " FROM mismatch"
);

row! {
    struct HeadRow, head_columns! {
        merchant_id: i64,
        number: i64,
        hash: [u8; 32],
    }
}

/// Returns the broken invariants, each with its number, of all merchants but those that are
/// not checked. `of_deals` has the fees that the platform got for deals, by merchant.
pub(super) fn problems(
    connection: Connection<'_>,
    not_checked: &FxHashSet<i64>,
    of_deals: &FxHashMap<i64, i128>,
) -> Result<Vec<(u8, String)>, Error> {
    let balances = unexplained_balances(connection, of_deals)?
        .into_iter()
        .chain(mismatches(connection)?);
    let balances = balances.map(|found| (11, found));
    let unrequested = unrequested_payments(connection)?.into_iter().map(|found| (8, found));
    let acts = broken_acts(connection)?.into_iter().map(|found| (12, found));
    let checked = balances
        .chain(unrequested)
        .chain(acts)
        .filter(|(_, (merchant, _))| !not_checked.contains(merchant));
    Ok(checked.map(|(invariant, (_, problem))| (invariant, problem)).collect())
}

/// The balances of a merchant's accounts as its rows explain them.
#[derive(Clone, Copy, Default)]
struct Explained {
    in_transit: i128,
    suspense: i128,
    platform_fees: i128,
    /// Only of a live merchant: in a sandbox, money also comes without a receipt and leaves
    /// without a pay-out.
    outside_world: i128,
}

impl Explained {
    fn add_payout(&mut self, payout: &PayoutRow<'_>) {
        let (amount, fee) = (i128::from(payout.amount), i128::from(payout.fee));
        match payout.status {
            "requested" | "approved" => self.in_transit += amount + fee,
            "paid" => self.outside_world += amount,
            _ => {}
        }
        // The platform has the fee of what was paid, also if the bank then returned it.
        if payout.was_paid {
            self.platform_fees += fee;
        }
        if payout.is_of_fees && matches!(payout.status, "requested" | "approved" | "paid") {
            self.platform_fees -= amount + fee;
        }
    }

    fn add_receipt(&mut self, receipt: &ReceiptRow<'_>) {
        let amount = i128::from(receipt.amount);
        match receipt.status {
            "suspense" => {
                self.suspense += amount;
                self.outside_world -= amount;
            }
            "credited" | "sent_back" => self.outside_world -= amount,
            _ => {}
        }
    }
}

/// Returns what the rows of each merchant explain.
fn explained(connection: Connection<'_>, of_deals: &FxHashMap<i64, i128>) -> Result<FxHashMap<i64, Explained>, Error> {
    let mut explained: FxHashMap<i64, Explained> = FxHashMap::default();
    for (merchant, fees) in of_deals {
        explained.entry(*merchant).or_default().platform_fees += fees;
    }
    let mut statement = connection.prepare(concat!(
        "SELECT ",
        payout_columns!(),
        " FROM payout LEFT JOIN account ON account.id = account_id"
    ))?;
    let mut rows = statement.query(params![])?;
    while let Some(row) = rows.next()? {
        let row = PayoutRow::read(row)?;
        explained.entry(row.merchant_id).or_default().add_payout(&row);
    }
    let mut statement = connection.prepare(concat!("SELECT ", receipt_columns!(), " FROM receipt"))?;
    let mut rows = statement.query(params![])?;
    while let Some(row) = rows.next()? {
        let row = ReceiptRow::read(row)?;
        explained.entry(row.merchant_id).or_default().add_receipt(&row);
    }
    // The withdrawals of a strict sandbox and those to a blockchain pay their fee at once.
    let mut statement = connection.prepare(concat!(
        "SELECT ",
        fee_columns!(),
        " FROM payment_detail JOIN payment_transaction AS entry ON entry.id = payment_detail.transaction_id
             JOIN account ON account.id = entry.account_id
         WHERE payment_detail.status = 'success' AND fee > 0
             AND NOT EXISTS (SELECT 1 FROM payout WHERE payout.transaction_id = entry.id)"
    ))?;
    let mut rows = statement.query(params![])?;
    while let Some(row) = rows.next()? {
        let row = FeeRow::read(row)?;
        explained.entry(row.merchant_id).or_default().platform_fees += i128::from(row.fee);
    }
    Ok(explained)
}

/// Returns the accounts whose balance the deals, pay-outs and receipts of their merchant do not
/// explain, each with the merchant.
fn unexplained_balances(
    connection: Connection<'_>,
    of_deals: &FxHashMap<i64, i128>,
) -> Result<Vec<(i64, String)>, Error> {
    let explained = explained(connection, of_deals)?;
    let mut problems = Vec::new();
    let mut statement = connection.prepare(concat!(
        "SELECT ",
        held_columns!(),
        " FROM account WHERE purpose IN ('IN_TRANSIT', 'SUSPENSE', 'PLATFORM_FEES', 'OUTSIDE_WORLD')"
    ))?;
    let mut rows = statement.query(params![])?;
    while let Some(row) = rows.next()? {
        let row = HeldRow::read(row)?;
        let rows_say = explained.get(&row.merchant_id).copied().unwrap_or_default();
        let (what, expected) = match row.purpose {
            "IN_TRANSIT" => ("open pay-outs", rows_say.in_transit),
            "SUSPENSE" => ("receipts in suspense", rows_say.suspense),
            "PLATFORM_FEES" => ("fees of deals and pay-outs", rows_say.platform_fees),
            _ if row.is_live => ("receipts and paid pay-outs", rows_say.outside_world),
            _ => continue,
        };
        if i128::from(row.balance) != expected {
            let problem = format!(
                "merchant {}: account {} holds {}, and its {what} add up to {expected}",
                row.merchant_id, row.purpose, row.balance
            );
            problems.push((row.merchant_id, problem));
        }
    }
    Ok(problems)
}

/// Returns the pay-outs and receipts that went another way than their withdrawal, deposit or
/// pay-out, each with the merchant.
fn mismatches(connection: Connection<'_>) -> Result<Vec<(i64, String)>, Error> {
    let mut problems = Vec::new();
    let mut statement = connection.prepare(MISMATCHES)?;
    let mut rows = statement.query(params![])?;
    while let Some(row) = rows.next()? {
        let row = MismatchRow::read(row)?;
        let problem = format!(
            "merchant {}: {} {:016x}... is {}, and its {} is {}",
            row.merchant_id, row.object, row.id, row.status, row.other, row.found
        );
        problems.push((row.merchant_id, problem));
    }
    Ok(problems)
}

/// Returns the payments of customers that a client asked for and that have no request by which
/// a repetition would be known, each with its merchant.
///
/// Each payment of a deal and each intent has such a request. The receiver's side of a wallet
/// transfer, money that came without a deposit, and payments without details, such as a release,
/// have none.
fn unrequested_payments(connection: Connection<'_>) -> Result<Vec<(i64, String)>, Error> {
    let mut problems = Vec::new();
    let mut statement = connection.prepare(concat!(
        "SELECT ",
        unrequested_columns!(),
        " FROM payment_transaction AS entry JOIN account ON account.id = entry.account_id
             LEFT JOIN payment_detail ON payment_detail.transaction_id = entry.id
         WHERE account.customer_id IS NOT NULL
             AND ((credit_type = 'debit' AND transaction_type = 'escrow' AND entry.escrow_id IS NULL)
                 OR (method IS NOT NULL AND (credit_type = 'debit' OR transaction_type <> 'wallet_transfer')
                     AND (method <> 'BANK_TRANSFER' OR payment_detail.status IN ('pending', 'failed') OR EXISTS
                         (SELECT 1 FROM receipt WHERE deposit_id = entry.id AND expected_id = entry.id))))
             AND NOT EXISTS (SELECT 1 FROM requested_payment WHERE requested_payment.transaction_id = entry.id)"
    ))?;
    let mut rows = statement.query(params![])?;
    while let Some(row) = rows.next()? {
        let UnrequestedRow { merchant_id, id } = UnrequestedRow::read(row)?;
        let problem = format!(
            "merchant {merchant_id}: transaction {id:016x}... has no request, so the same request would pay again"
        );
        problems.push((merchant_id, problem));
    }
    Ok(problems)
}

/// Returns the places where the record of acts is broken, each with its merchant or 0.
fn broken_acts(connection: Connection<'_>) -> Result<Vec<(i64, String)>, Error> {
    let mut problems = Vec::new();
    let mut newest: FxHashMap<i64, (i64, ChainHash)> = FxHashMap::default();
    let mut statement = connection.prepare(concat!(
        "SELECT ",
        act_columns!(),
        " FROM operator_act ORDER BY coalesce(merchant_id, 0), number"
    ))?;
    let mut rows = statement.query(params![])?;
    while let Some(row) = rows.next()? {
        let row = ActRow::read(row)?;
        let merchant = row.merchant_id.unwrap_or_default();
        let (number, before) = newest.get(&merchant).copied().unwrap_or((0, ChainHash::START));
        let hash = before.followed_by(&PostedAct {
            merchant,
            number: number + 1,
            operator: row.operator_id,
            kind: row.kind,
            subject: row.subject,
            reason: row.reason,
            address: row.address,
            first_transfer: row.first_transfer,
            last_transfer: row.last_transfer,
            created_at: row.created_at,
        });
        let stored = ChainHash::from_bytes(row.hash);
        if row.number != number + 1 || hash != stored {
            let place = place(merchant);
            problems.push((
                merchant,
                format!("act {} {place} does not follow from the one before", row.number),
            ));
        }
        newest.insert(merchant, (row.number, stored));
    }
    let mut statement = connection.prepare(concat!("SELECT ", head_columns!(), " FROM operator_act_head"))?;
    let mut rows = statement.query(params![])?;
    while let Some(row) = rows.next()? {
        let row = HeadRow::read(row)?;
        if newest.remove(&row.merchant_id) != Some((row.number, ChainHash::from_bytes(row.hash))) {
            let place = place(row.merchant_id);
            problems.push((
                row.merchant_id,
                format!("the newest act {place} is not number {}", row.number),
            ));
        }
    }
    for merchant in newest.into_keys() {
        let place = place(merchant);
        problems.push((merchant, format!("the number of acts {place} is not stored")));
    }
    Ok(problems)
}

fn place(merchant: i64) -> String {
    match merchant {
        0 => "of the deployment".to_owned(),
        merchant => format!("of merchant {merchant}"),
    }
}
