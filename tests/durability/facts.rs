//! Reads the rows that each deal and top-up has in the file, and computes the rows it
//! should have.

use std::collections::HashMap;
use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use crate::load::{Deal, TopUp};

/// All facts, by the mark of their deal or the key of their top-up.
pub(crate) type Facts = HashMap<String, Vec<String>>;

/// Each query returns a key and a fact. The key of an escrow is its purpose, of a payment
/// its reference, of a top-up its customer and amount. Together the queries read every row
/// that the load writes to any table.
const QUERIES: [&str; 12] = [
    "SELECT purpose, 'escrow ' || state || ' seller ' || seller_id || ' buyer ' || coalesce(buyer_id, '-')
            || ' paid ' || coalesce(payment_amount, '-') || ' at ' || (paid_at IS NOT NULL)
     FROM escrow",
    "SELECT payment_reference, 'paid for ' || purpose FROM escrow WHERE payment_reference IS NOT NULL",
    "SELECT purpose, 'milestone ' || position || ' ' || iif(is_released, 'RELEASED', 'PENDING')
     FROM milestone LEFT JOIN escrow ON escrow.id = escrow_id",
    "SELECT escrow.purpose, 'transfer ' || kind || ' ' || debit.purpose || ':' || coalesce(debit.customer_id, '') || ' '
            || credit.purpose || ':' || coalesce(credit.customer_id, '') || ' ' || transfer.amount
     FROM transfer LEFT JOIN escrow ON escrow.id = escrow_id
     JOIN account AS debit ON debit.id = debit_account_id JOIN account AS credit ON credit.id = credit_account_id
     WHERE escrow_id IS NOT NULL",
    "SELECT purpose, 'event ' || name
     FROM event JOIN event_name ON event_name.id = name_id LEFT JOIN escrow ON escrow.id = escrow_id WHERE transaction_id IS NULL",
    // The income of a payee or the merchant.
    "SELECT escrow.purpose, 'history ' || transaction_type || ' ' || credit_type || ' ' || coalesce(customer_id, '') || ' '
            || entry.amount
     FROM payment_transaction AS entry LEFT JOIN escrow ON escrow.id = escrow_id JOIN account ON account.id = account_id
     WHERE escrow_id IS NOT NULL",
    // The payment of a buyer.
    "SELECT reference, 'history ' || transaction_type || ' ' || credit_type || ' ' || customer_id || ' '
            || entry.amount
            || ' paid for ' || coalesce((SELECT purpose FROM escrow WHERE payment_id = entry.id), '-')
     FROM payment_transaction AS entry JOIN account ON account.id = account_id
     WHERE escrow_id IS NULL AND transaction_type <> 'deposit'",
    "SELECT requested_payment.reference, 'reference of ' || coalesce(entry.amount, '-')
     FROM requested_payment LEFT JOIN payment_transaction AS entry
       ON entry.id = transaction_id",
    // A refused customer must leave no row.
    "SELECT id, 'customer' FROM customer WHERE id LIKE 'stranger-%'",
    // Events of payments: of an escrow's release, of a top-up, or of a buyer's payment.
    "SELECT CASE WHEN entry.escrow_id IS NOT NULL THEN escrow.purpose
                 WHEN transaction_type = 'deposit' THEN customer_id || ' ' || entry.amount
                 ELSE reference END,
            'event ' || name || coalesce(' for ' || customer_id, '')
     FROM event JOIN event_name ON event_name.id = name_id LEFT JOIN payment_transaction AS entry
       ON entry.id = event.transaction_id
     LEFT JOIN account ON account.id = entry.account_id LEFT JOIN escrow ON escrow.id = entry.escrow_id
     WHERE event.transaction_id IS NOT NULL",
    // Top-ups. The opening balance is not a command of the load.
    "SELECT customer_id || ' ' || entry.amount, 'history deposit'
     FROM payment_transaction AS entry JOIN account ON account.id = account_id
     WHERE transaction_type = 'deposit' AND amount < 100000000",
    "SELECT credit.customer_id || ' ' || amount, 'transfer ' || kind || ' ' || debit.purpose || ' ' || credit.purpose
     FROM transfer JOIN account AS debit ON debit.id = debit_account_id JOIN account AS credit ON credit.id = credit_account_id
     WHERE escrow_id IS NULL AND kind <> 'OPENING_BALANCE'",
];

/// Reads all facts from one snapshot.
pub(crate) fn read(path: &Path) -> Facts {
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let snapshot = connection.unchecked_transaction().unwrap();
    let mut facts = Facts::new();
    for query in QUERIES {
        let mut statement = snapshot.prepare(query).unwrap();
        let mut rows = statement.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            let key: Option<String> = row.get(0).unwrap();
            let key = key.unwrap_or_else(|| "an escrow that does not exist".to_owned());
            facts.entry(key).or_default().push(row.get(1).unwrap());
        }
    }
    facts
}

/// Returns the facts that a deal's first steps leave in the file: those under its purpose
/// and those under its reference.
pub(crate) fn of_deal(deal: &Deal, steps: usize) -> [Vec<String>; 2] {
    let Deal {
        purpose,
        seller,
        buyer,
        beneficiary,
        ..
    } = deal;
    let (mut escrow, mut payment) = (Vec::new(), Vec::new());
    if steps >= 1 {
        let (state, paid) = match steps {
            1 => ("AWAITING_PAYMENT", "buyer - paid - at 0".to_owned()),
            2 | 3 => ("OPENED", format!("buyer {buyer} paid 10300 at 1")),
            _ => ("CLOSED", format!("buyer {buyer} paid 10300 at 1")),
        };
        escrow.push(format!("escrow {state} seller {seller} {paid}"));
        for (position, released_at) in [(0, 3), (1, 4)] {
            let status = if steps >= released_at { "RELEASED" } else { "PENDING" };
            escrow.push(format!("milestone {position} {status}"));
        }
        escrow.extend(["event escrow.created", "event escrow.pending"].map(str::to_owned));
    }
    let hold = format!("CUSTOMER_ESCROW:{buyer}");
    if steps >= 2 {
        escrow.push(format!("transfer FUND CUSTOMER_MAIN:{buyer} {hold} 10300"));
        escrow.push("event escrow.ongoing".to_owned());
        payment.push(format!("paid for {purpose}"));
        payment.push(format!("history escrow debit {buyer} 10300 paid for {purpose}"));
        payment.push(format!("event payment.escrow.success for {buyer}"));
        payment.push("reference of 10300".to_owned());
    }
    for (released_at, payee, minor) in [(3, seller, 6000), (4, beneficiary, 4000)] {
        if steps >= released_at {
            escrow.push(format!("transfer RELEASE {hold} CUSTOMER_MAIN:{payee} {minor}"));
            escrow.push(format!("history escrow credit {payee} {minor}"));
            escrow.push(format!("event payment.escrow.success for {payee}"));
        }
    }
    if steps >= 4 {
        escrow.push(format!("transfer COMMISSION {hold} MERCHANT_MAIN: 100"));
        escrow.push(format!("transfer PLATFORM_FEE {hold} PLATFORM_FEES: 200"));
        escrow.push("event escrow.completed".to_owned());
        escrow.push("history commission credit  100".to_owned());
        escrow.push("event payment.commission.success".to_owned());
    }
    escrow.sort();
    payment.sort();
    [escrow, payment]
}

/// Returns the facts that a top-up leaves in the file.
pub(crate) fn of_top_up(top_up: &TopUp, happened: bool) -> Vec<String> {
    if !happened {
        return Vec::new();
    }
    vec![
        format!("event payment.deposit.success for {}", top_up.customer),
        "history deposit".to_owned(),
        "transfer TOP_UP OUTSIDE_WORLD CUSTOMER_MAIN".to_owned(),
    ]
}

/// Removes and returns the facts of a deal.
pub(crate) fn take_deal(facts: &mut Facts, deal: &Deal) -> [Vec<String>; 2] {
    [take(facts, &deal.purpose), take(facts, &deal.reference)]
}

/// Removes and returns the facts of a top-up.
pub(crate) fn take_top_up(facts: &mut Facts, top_up: &TopUp) -> Vec<String> {
    take(facts, &format!("{} {}", top_up.customer, top_up.minor))
}

fn take(facts: &mut Facts, key: &str) -> Vec<String> {
    let mut found = facts.remove(key).unwrap_or_default();
    found.sort();
    found
}
