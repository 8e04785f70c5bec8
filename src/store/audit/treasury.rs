//! Compares the accounts for money in transit and in suspense with the pay-outs and receipts
//! that explain them, and follows the record of operators' acts.

use rustc_hash::{FxHashMap, FxHashSet};

use crate::domain::chain_hash::ChainHash;
use crate::domain::treasury::act::PostedAct;
use crate::store::engine::error::Error;
use crate::store::engine::sql::{Connection, params};
use crate::store::tables::columns::row;

/// The sum of an expression over the open pay-outs of an account's merchant. Each sum is taken in two
/// parts, millions and the rest, which no damaged amounts make overflow.
macro_rules! open_payouts {
    ($of:literal) => {
        concat!(
            "coalesce((SELECT sum(",
            $of,
            ") FROM payout
             WHERE payout.merchant_id = account.merchant_id AND status IN ('requested', 'approved')), 0)"
        )
    };
}

/// The sum of an expression over the receipts in suspense of an account's merchant.
macro_rules! receipts_in_suspense {
    ($of:literal) => {
        concat!(
            "coalesce((SELECT sum(",
            $of,
            ") FROM receipt WHERE receipt.merchant_id = account.merchant_id AND status = 'suspense'), 0)"
        )
    };
}

row! {
    struct HeldRow<'a>, held_columns! {
        merchant_id: i64,
        purpose: &'a str,
        balance: i64,
        payout_millions: i64 = open_payouts!("amount / 1000000 + fee / 1000000"),
        payout_rest: i64 = open_payouts!("amount % 1000000 + fee % 1000000"),
        receipt_millions: i64 = receipts_in_suspense!("amount / 1000000"),
        receipt_rest: i64 = receipts_in_suspense!("amount % 1000000"),
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

/// Pay-outs and receipts beside the withdrawal, the deposit or the pay-out that must have gone
/// the same way with the same money, where it has not.
const MISMATCHES: &str = concat!(
    "WITH mismatch (merchant_id, object, id, status, other, found) AS (
     SELECT payout.merchant_id, 'pay-out', payout.id, payout.status, 'withdrawal', payment_detail.status
         FROM payout JOIN payment_detail ON payment_detail.transaction_id = payout.transaction_id
         WHERE payment_detail.status <> CASE payout.status
             WHEN 'rejected' THEN 'failed' WHEN 'paid' THEN 'success' WHEN 'returned' THEN 'reversed' ELSE 'pending' END
     UNION ALL
     SELECT receipt.merchant_id, 'receipt', receipt.id, receipt.status, 'deposit', payment_detail.status
         FROM receipt JOIN payment_detail ON payment_detail.transaction_id = deposit_id
         WHERE payment_detail.status <> CASE receipt.status WHEN 'reversed' THEN 'reversed' ELSE 'success' END
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
/// not checked.
pub(super) fn problems(connection: Connection<'_>, not_checked: &FxHashSet<i64>) -> Result<Vec<(u8, String)>, Error> {
    let balances = unexplained_balances(connection)?
        .into_iter()
        .chain(mismatches(connection)?);
    let balances = balances.map(|found| (11, found));
    let acts = broken_acts(connection)?.into_iter().map(|found| (12, found));
    let checked = balances
        .chain(acts)
        .filter(|(_, (merchant, _))| !not_checked.contains(merchant));
    Ok(checked.map(|(invariant, (_, problem))| (invariant, problem)).collect())
}

/// Returns the accounts whose balance the pay-outs or receipts of their merchant do not
/// explain, each with the merchant.
fn unexplained_balances(connection: Connection<'_>) -> Result<Vec<(i64, String)>, Error> {
    let mut problems = Vec::new();
    let mut statement = connection.prepare(concat!(
        "SELECT ",
        held_columns!(),
        " FROM account WHERE purpose IN ('IN_TRANSIT', 'SUSPENSE')"
    ))?;
    let mut rows = statement.query(params![])?;
    while let Some(row) = rows.next()? {
        let row = HeldRow::read(row)?;
        let (what, expected) = if row.purpose == "IN_TRANSIT" {
            ("open pay-outs", together(row.payout_millions, row.payout_rest))
        } else {
            ("receipts in suspense", together(row.receipt_millions, row.receipt_rest))
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

fn together(millions: i64, rest: i64) -> i128 {
    i128::from(millions) * 1_000_000 + i128::from(rest)
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
