//! The audit finds no fault in a file that only commands have written, and finds every
//! damage to it.

use std::collections::BTreeSet;
use std::fs;
use std::sync::LazyLock;
use std::thread;
use std::time::{Duration, Instant};

use escrowd::domain::ids::{EscrowId, EventId, MerchantId};
use escrowd::store::{Audit, Error, OpenError, audit, check_structure};
use rusqlite::types::Value;
use rusqlite::{Connection, params};

use crate::helpers::{History, Random, TRANSFER_COLUMNS, TestFile, Trade, history, wait_for};

/// A closed file with a history, shared by all tests here.
static SOUND: LazyLock<(TestFile, History)> = LazyLock::new(|| {
    let file = TestFile::new();
    let store = file.open();
    let history = history(&store, &file.clock);
    store.close();
    (file, history)
});

/// Copies the file and opens a connection without foreign keys, CHECKs and triggers.
fn damaged() -> (TestFile, Connection) {
    let file = TestFile::copy_of(&SOUND.0);
    let connection = file.sqlite();
    connection
        .execute_batch(
            "PRAGMA foreign_keys = OFF; PRAGMA ignore_check_constraints = ON; PRAGMA synchronous = OFF;
             DROP TRIGGER transfer_is_never_changed; DROP TRIGGER transfer_is_never_deleted;",
        )
        .unwrap();
    (file, connection)
}

/// Damages a file with a statement, which must change one row, and audits it.
#[track_caller]
fn audit_after(sql: &str, parameters: impl rusqlite::Params) -> Audit {
    let (file, connection) = damaged();
    assert_eq!(connection.execute(sql, parameters).unwrap(), 1, "{sql}");
    file.audit()
}

/// Asserts that the audit found exactly these invariants broken, and that a finding on the
/// first of them contains this text. The checksum of a row shows nearly every change too, so
/// invariant 9 counts only if it is expected: the others must not depend on it.
#[track_caller]
fn assert_finds(audit: &Audit, invariants: &[u8], place: &str) {
    let mut broken: BTreeSet<u8> = audit.findings.iter().map(|finding| finding.invariant).collect();
    if !invariants.contains(&9) {
        broken.remove(&9);
    }
    assert_eq!(broken, invariants.iter().copied().collect(), "{:#?}", audit.findings);
    assert_eq!(audit.findings_total, audit.findings.len() as u64);
    let is_named =
        |finding: &escrowd::store::Finding| finding.invariant == invariants[0] && finding.problem.contains(place);
    assert!(audit.findings.iter().any(is_named), "{place:?}: {:#?}", audit.findings);
}

fn number(sql: &str) -> i64 {
    SOUND.0.sqlite().query_row(sql, [], |row| row.get(0)).unwrap()
}

/// Returns the number of an account of the first merchant's customer.
fn account(customer: &str, purpose: &str) -> i64 {
    number(&format!(
        "SELECT id FROM account WHERE merchant_id = 1 AND customer_id = '{customer}' AND purpose = '{purpose}'"
    ))
}

fn newest_transfer() -> i64 {
    number("SELECT max(id) FROM transfer")
}

/// Returns a transfer of the first merchant that is not its newest.
fn some_transfer() -> i64 {
    number("SELECT id FROM transfer WHERE merchant_id = 1 AND kind = 'RELEASE' ORDER BY id LIMIT 1")
}

#[test]
fn a_file_made_by_the_commands_is_sound() {
    let audit = SOUND.0.audit();
    assert_eq!(audit.findings, []);
    assert_eq!(audit.findings_total, 0);
    assert_eq!((audit.merchants, audit.escrows), (2, 6));
    assert_eq!(audit.accounts, 2 * 5 + (3 + 2) * 2);
    assert_eq!(audit.transfers, newest_transfer().unsigned_abs());
}

#[test]
fn a_fresh_file_is_sound() {
    let file = TestFile::new();
    file.open().close();
    file.assert_sound();
}

#[test]
fn progress_runs_from_zero_to_all_transfers() {
    let mut heard = Vec::new();
    audit(&SOUND.0.path.clone().into(), &mut |done, total| {
        heard.push((done, total));
    })
    .unwrap();
    let transfers = newest_transfer().unsigned_abs();
    assert_eq!(heard.last(), Some(&(transfers, transfers)));
}

#[test]
fn an_audit_runs_beside_an_open_store() {
    let file = TestFile::new();
    let store = file.open();
    let trade = Trade::of_key(&store, 1);
    let writer = std::thread::spawn(move || {
        for _ in 0..20 {
            let escrow = trade.offer_milestones("ada", &[400_000, 600_000]);
            trade.fund("ben", escrow.id);
            trade.confirm_milestones("ben", &escrow, &[0, 1]);
        }
    });
    let mut audits = 0;
    while !writer.is_finished() {
        file.assert_sound();
        audits += 1;
    }
    writer.join().unwrap();
    assert!(audits > 2, "{audits}");
    assert_eq!(file.audit().escrows, 20);
}

#[test]
fn an_audit_changes_nothing() {
    let file = TestFile::copy_of(&SOUND.0);
    let before = fs::read(&file.path).unwrap();
    file.assert_sound();
    assert_eq!(fs::read(&file.path).unwrap(), before);
}

#[test]
fn a_file_that_cannot_be_audited_is_named() {
    let missing = TestFile::new();
    let foreign = TestFile::new();
    fs::write(&foreign.path, "milk, bread").unwrap();
    let other = TestFile::new();
    other
        .sqlite()
        .execute_batch("CREATE TABLE photo (id INTEGER PRIMARY KEY);")
        .unwrap();
    for file in [missing, foreign, other] {
        let existed = file.path.exists();
        let error = audit(&file.path.clone().into(), &mut |_, _| {}).unwrap_err();
        assert!(error.to_string().contains(file.path.to_str().unwrap()), "{error}");
        assert_eq!(file.path.exists(), existed);
    }
}

#[test]
fn a_changed_balance_is_found() {
    let account = account("ada", "CUSTOMER_MAIN");
    let audit = audit_after("UPDATE account SET balance = balance + 1 WHERE id = ?1", [account]);
    assert_finds(&audit, &[1, 2, 8], "merchant 1 add up to 1");
    assert_finds(&audit, &[2, 1, 8], &format!("account {account} "));
    assert_finds(&audit, &[8, 1, 2], &format!("account {account} (CUSTOMER_MAIN)"));
}

#[test]
fn two_balances_changed_by_the_same_are_found() {
    let (file, connection) = damaged();
    let (ada, ben) = (account("ada", "CUSTOMER_MAIN"), account("ben", "CUSTOMER_MAIN"));
    let sql = "UPDATE account SET balance = balance + CASE id WHEN ?1 THEN 5 ELSE -5 END WHERE id IN (?1, ?2)";
    assert_eq!(connection.execute(sql, [ada, ben]), Ok(2));
    assert_finds(&file.audit(), &[2, 8], &format!("account {ada} "));
    assert_finds(&file.audit(), &[2, 8], &format!("account {ben} "));
}

#[test]
fn a_balance_moved_between_merchants_is_found() {
    let (file, connection) = damaged();
    let sql = "UPDATE account SET balance = balance + CASE merchant_id WHEN 1 THEN -5 ELSE 5 END
               WHERE purpose = 'MERCHANT_MAIN'";
    assert_eq!(connection.execute(sql, []), Ok(2));
    let audit = file.audit();
    assert_finds(&audit, &[1, 2, 8], "merchant 1 add up to -5");
    assert_finds(&audit, &[1, 2, 8], "merchant 2 add up to 5");
}

#[test]
fn a_balance_below_zero_is_found() {
    let (file, connection) = damaged();
    let (ada, ben) = (account("ada", "CUSTOMER_MAIN"), account("ben", "CUSTOMER_MAIN"));
    let sql = "UPDATE account SET balance = -1 WHERE id = ?1";
    assert_eq!(connection.execute(sql, [ada]), Ok(1));
    let sql = "UPDATE account SET balance =
                   (SELECT -sum(balance) FROM account WHERE merchant_id = 1 AND id <> ?1) WHERE id = ?1";
    assert_eq!(connection.execute(sql, [ben]), Ok(1));
    assert_finds(&file.audit(), &[3, 2, 8], &format!("account {ada} (CUSTOMER_MAIN)"));
}

#[test]
fn an_escrow_balance_that_differs_from_the_holds_is_found() {
    // Moves money from one hold to another, with a transfer whose hash is wrong.
    let (file, connection) = damaged();
    let (ben, cleo) = (account("ben", "CUSTOMER_ESCROW"), account("cleo", "CUSTOMER_ESCROW"));
    let sql = "UPDATE account SET balance = balance + CASE id WHEN ?1 THEN -7 ELSE 7 END WHERE id IN (?1, ?2)";
    assert_eq!(connection.execute(sql, [ben, cleo]), Ok(2));
    assert_finds(&file.audit(), &[4, 2], "escrow account of customer ben");
    assert_finds(&file.audit(), &[4, 2], "escrow account of customer cleo");
}

#[test]
fn an_open_escrow_given_to_another_buyer_is_found() {
    let escrow = SOUND.1.open;
    let audit = audit_after("UPDATE escrow SET buyer_id = 'cleo' WHERE id = ?1", [escrow.number()]);
    assert_finds(&audit, &[4, 6], "customer cleo");
    assert_finds(&audit, &[4, 6], "customer ben");
}

/// Closes an escrow without moving its money.
const CLOSE: &str = "UPDATE escrow SET state = 'CLOSED' WHERE id = ?1";

#[test]
fn an_escrow_closed_too_early_is_found() {
    for escrow in [SOUND.1.open, SOUND.1.standard_open] {
        let audit = audit_after(CLOSE, [escrow.number()]);
        assert_finds(&audit, &[5, 4, 6], &format!("escrow {escrow} "));
    }
}

#[test]
fn an_escrow_closed_before_it_was_paid_is_found() {
    let escrow = SOUND.1.offered;
    let audit = audit_after(CLOSE, [escrow.number()]);
    assert_finds(&audit, &[6], &format!("escrow {escrow} "));
}

#[test]
fn a_closed_escrow_opened_again_is_found() {
    for escrow in [SOUND.1.closed, SOUND.1.standard_closed] {
        let sql = "UPDATE escrow SET state = 'OPENED' WHERE id = ?1";
        let audit = audit_after(sql, [escrow.number()]);
        let place = format!("escrow {escrow} ");
        assert_finds(&audit, &[6, 4], &place);
    }
}

fn pending_again(escrow: EscrowId) -> Audit {
    let sql = "UPDATE milestone SET is_released = 0 WHERE escrow_id = ?1 AND position = 0";
    audit_after(sql, [escrow.number()])
}

#[test]
fn a_released_milestone_that_is_pending_again_is_found() {
    let escrow = SOUND.1.open;
    assert_finds(&pending_again(escrow), &[6, 4], &format!("escrow {escrow} "));
    let escrow = SOUND.1.closed;
    assert_finds(&pending_again(escrow), &[6], &format!("escrow {escrow} "));
}

#[test]
fn a_milestone_released_without_a_transfer_is_found() {
    let escrow = SOUND.1.open;
    let sql = "UPDATE milestone SET is_released = 1 WHERE escrow_id = ?1 AND position = 1";
    let audit = audit_after(sql, [escrow.number()]);
    assert_finds(&audit, &[6, 4], &format!("escrow {escrow} "));
}

/// No money has moved yet, but the terms no longer match the payment.
#[test]
fn a_pending_milestone_that_was_changed_lost_or_added_is_found() {
    let pending = "SELECT max(id) FROM milestone WHERE is_released = 0";
    for sql in [
        format!("UPDATE milestone SET amount = amount + 1 WHERE id = ({pending})"),
        format!("DELETE FROM milestone WHERE id = ({pending})"),
        format!(
            "INSERT INTO milestone (id, guard, title, amount, is_released, updated_at, checksum)
             SELECT id + 100, 1, title, amount, 0, updated_at, 0 FROM milestone WHERE id = ({pending})"
        ),
    ] {
        assert_finds(&audit_after(&sql, []), &[6], "its milestones add up to");
    }
}

#[test]
fn a_closed_escrow_given_to_another_buyer_or_merchant_is_found() {
    let closed = "SELECT min(id) FROM escrow WHERE state = 'CLOSED' AND merchant_id = 1";
    let other = "SELECT id FROM customer WHERE merchant_id = 1 AND id NOT IN (buyer_id, seller_id)";
    let sql = format!("UPDATE escrow SET buyer_id = ({other}) WHERE id = ({closed})");
    assert_finds(&audit_after(&sql, []), &[6], "was paid by another");
    let sql = format!("UPDATE escrow SET merchant_id = 2 WHERE id = ({closed})");
    assert_finds(&audit_after(&sql, []), &[6], "was paid by another");
}

#[test]
fn damage_below_the_ledger_is_found_when_asked_for() {
    assert_eq!(check_structure(&SOUND.0.path).unwrap(), Vec::<String>::new());
    let (file, connection) = damaged();
    let sql = "DELETE FROM payment_transaction WHERE id = (SELECT max(payment_id) FROM escrow)";
    assert_eq!(connection.execute(sql, []).unwrap(), 1);
    drop(connection);
    let problems = check_structure(&file.path).unwrap();
    assert!(
        problems
            .iter()
            .any(|problem| problem.contains("names one of payment_transaction")),
        "{problems:?}"
    );

    let file = TestFile::copy_of(&SOUND.0);
    let connection = file.sqlite();
    let root: i64 = connection
        .query_row("SELECT rootpage FROM sqlite_schema WHERE name = 'event'", [], |row| {
            row.get(0)
        })
        .unwrap();
    let page: i64 = connection.query_row("PRAGMA page_size", [], |row| row.get(0)).unwrap();
    drop(connection);
    let mut bytes = fs::read(&file.path).unwrap();
    let at = usize::try_from((root - 1) * page).unwrap();
    bytes[at..][..usize::try_from(page).unwrap()].fill(0);
    fs::write(&file.path, bytes).unwrap();
    assert!(check_structure(&file.path).map_or(true, |problems| !problems.is_empty()));
}

#[test]
fn terms_changed_after_payment_are_found() {
    for (escrow, change, follows) in [
        (SOUND.1.open, "amount = amount + 1", &[6, 4][..]),
        (SOUND.1.open, "buyer_fee = buyer_fee - 1", &[6, 4]),
        (SOUND.1.closed, "amount = amount + 1", &[6]),
        (SOUND.1.closed, "fee = fee + 1", &[6]),
        (SOUND.1.standard_open, "buyer_fee = buyer_fee + 1", &[6, 4]),
        (SOUND.1.standard_closed, "amount = amount - 1", &[6]),
    ] {
        let sql = format!("UPDATE escrow SET {change} WHERE id = ?1");
        let audit = audit_after(&sql, [escrow.number()]);
        assert_finds(&audit, follows, &format!("escrow {escrow} "));
    }
}

#[test]
fn a_lost_escrow_is_found() {
    let escrow = SOUND.1.closed;
    let audit = audit_after("DELETE FROM escrow WHERE id = ?1", [escrow.number()]);
    assert_finds(
        &audit,
        &[6],
        &format!("escrow {:016x}..., which does not exist", escrow.number()),
    );
}

#[test]
fn a_lost_account_is_found() {
    let account = account("ada", "CUSTOMER_MAIN");
    let audit = audit_after("DELETE FROM account WHERE id = ?1", [account]);
    assert_finds(&audit, &[2, 1, 8], &format!("account {account}, which does not exist"));
}

#[test]
fn a_lost_merchant_is_found() {
    let audit = audit_after("DELETE FROM merchant WHERE id = 2", []);
    assert_finds(&audit, &[7], "merchant 2");
}

#[test]
fn a_changed_transfer_is_found() {
    let transfer = some_transfer();
    let place = format!("transfer {transfer} of merchant 1");
    let change = |change: &str| audit_after(&format!("UPDATE transfer SET {change} WHERE id = ?1"), [transfer]);
    assert_finds(&change("amount = amount + 1"), &[7, 2, 6], &place);
    assert_finds(&change("amount = -amount"), &[7, 2, 6], &place);
    assert_finds(&change("created_at = created_at + 1"), &[7], &place);
    assert_finds(&change("kind = 'COMMISSION'"), &[7, 6], &place);
    assert_finds(&change("hash = zeroblob(32)"), &[7], &place);
    assert_finds(&change("escrow_id = NULL"), &[7, 6], &place);
    assert_finds(
        &change("debit_account_id = credit_account_id, credit_account_id = debit_account_id"),
        &[7, 2],
        &place,
    );
    assert_finds(
        &change("merchant_id = 2"),
        &[7],
        &format!("transfer {transfer} of merchant 2"),
    );
}

#[test]
fn a_lost_transfer_is_found() {
    let (lost, next) = (
        some_transfer(),
        number(&format!(
            "SELECT min(id) FROM transfer WHERE merchant_id = 1 AND id > {}",
            some_transfer()
        )),
    );
    let audit = audit_after("DELETE FROM transfer WHERE id = ?1", [lost]);
    assert_finds(&audit, &[7, 2, 6], &format!("transfer {next} of merchant 1"));
}

#[test]
fn a_lost_newest_transfer_is_found() {
    let merchant = number("SELECT merchant_id FROM transfer ORDER BY id DESC LIMIT 1");
    let audit = audit_after("DELETE FROM transfer WHERE id = ?1", [newest_transfer()]);
    assert_finds(&audit, &[7, 2], &format!("newest transfers of merchant {merchant}"));
}

#[test]
fn an_inserted_transfer_is_found() {
    let merchant = number("SELECT merchant_id FROM transfer ORDER BY id DESC LIMIT 1");
    let added = newest_transfer() + 1;
    let audit = audit_after(
        "INSERT INTO transfer SELECT ?1, merchant_id, kind, debit_account_id, credit_account_id, amount, escrow_id,
             created_at, hash FROM transfer WHERE id = ?1 - 1",
        [added],
    );
    assert_finds(&audit, &[7, 2], &format!("transfer {added} of merchant {merchant}"));
}

#[test]
fn a_transfer_replaced_past_the_triggers_is_found() {
    // SQLite runs no delete trigger for a row that REPLACE removes.
    let file = TestFile::copy_of(&SOUND.0);
    let transfer = some_transfer();
    let sql = "INSERT OR REPLACE INTO transfer SELECT id, merchant_id, kind, debit_account_id, credit_account_id,
                   amount + 1, escrow_id, created_at, hash FROM transfer WHERE id = ?1";
    assert_eq!(file.sqlite().execute(sql, [transfer]), Ok(1));
    assert_finds(&file.audit(), &[7, 2, 6], &format!("transfer {transfer} "));
}

#[test]
fn a_changed_chain_head_is_found() {
    let audit = audit_after("UPDATE merchant SET chain_head = zeroblob(32) WHERE id = 2", []);
    assert_finds(&audit, &[7], "merchant 2");
}

#[test]
fn all_findings_are_counted_and_the_first_are_described() {
    let (file, connection) = damaged();
    let sql = "WITH RECURSIVE more (id) AS (SELECT 1000 UNION ALL SELECT id + 1 FROM more WHERE id < 1149)
               INSERT INTO transfer SELECT id, 1, 'TOP_UP', 1, 2, 1, NULL, 0, zeroblob(32) FROM more";
    assert_eq!(connection.execute(sql, []), Ok(150));
    let audit = file.audit();
    assert_eq!(audit.findings.len(), 100);
    assert!(audit.findings_total > 150, "{}", audit.findings_total);
}

#[test]
fn a_changed_history_is_found() {
    let entry = number(
        "SELECT previous_id FROM payment_transaction WHERE account_id =
             (SELECT id FROM account WHERE merchant_id = 1 AND customer_id = 'ada' AND purpose = 'CUSTOMER_MAIN')
         ORDER BY id DESC LIMIT 1",
    );
    let ada = account("ada", "CUSTOMER_MAIN");
    let history = format!("account {ada}");
    let change = |change: &str| {
        audit_after(
            &format!("UPDATE payment_transaction SET {change} WHERE id = ?1"),
            [entry],
        )
    };
    assert_finds(&change("amount = amount + 1"), &[8], &history);
    assert_finds(&change("credit_type = 'debit'"), &[8], &history);
    assert_finds(&change("account_id = 1"), &[8], &history);
    assert_finds(&change("account_id = 9999"), &[8], "account 9999, which does not exist");
    assert_finds(
        &change("previous_id = id - 1024"),
        &[8],
        &format!("transaction {entry:016x}"),
    );
    let removed = audit_after("DELETE FROM payment_transaction WHERE id = ?1", [entry]);
    assert_finds(&removed, &[8], &history);
    let newest = "UPDATE account SET newest_transaction_id = NULL WHERE id = ?1";
    assert_finds(
        &audit_after(newest, [ada]),
        &[8],
        &format!("newest transactions of account {ada}"),
    );
}

/// Audits a file with intents of every outcome and an escrow paid by card, after a
/// statement that must change one row.
#[track_caller]
fn audit_of_payments_after(sql: &str) -> Audit {
    let file = TestFile::new();
    let store = file.open();
    let trade = Trade::of_key(&store, 1);
    for (index, account) in ["0123456789", "0000000001", "0000000002"].into_iter().enumerate() {
        trade.withdraw("ada", &format!("w-{index}"), account);
        trade.verify("ada", &format!("w-{index}"));
    }
    trade.withdraw("ada", "w-pending", "0123456789");
    let escrow = trade.offer_milestones("ada", &[400_000, 600_000]);
    trade.fund_by_card("ben", escrow.id);
    store.close();
    file.assert_sound();
    let connection = file.sqlite();
    connection.execute_batch("PRAGMA foreign_keys = OFF;").unwrap();
    assert_eq!(connection.execute(sql, []).unwrap(), 1, "{sql}");
    file.audit()
}

#[test]
fn a_payment_with_a_changed_outcome_is_found() {
    for (change, invariants) in [
        (
            "status = 'failed' WHERE status = 'success' AND method = 'BANK'",
            &[8, 11][..],
        ),
        ("status = 'success' WHERE status = 'failed'", &[8, 11]),
        ("status = 'success' WHERE status = 'reversed'", &[8, 11]),
        ("fee = fee + 1 WHERE status = 'success' AND method = 'BANK'", &[8, 11]),
        ("method = 'BANK' WHERE method = 'CARD'", &[8]),
    ] {
        let audit = audit_of_payments_after(&format!("UPDATE payment_detail SET {change}"));
        assert_finds(&audit, invariants, "(CUSTOMER_MAIN) has a balance of");
    }
    // Its money left the wallet with the request, so only the pay-out tells.
    let change = "UPDATE payment_detail SET status = 'success', settled_at = 1 WHERE status = 'pending'";
    assert_finds(&audit_of_payments_after(change), &[11], "and its withdrawal is success");
    let audit = audit_of_payments_after("DELETE FROM payment_detail WHERE method = 'CARD'");
    assert_finds(&audit, &[8], "(CUSTOMER_MAIN) has a balance of");
    let audit = audit_of_payments_after(
        "INSERT INTO payment_detail (transaction_id, status, fee, settled_at, method, details, checksum)
         VALUES (999, 'success', 0, 0, 'BANK', '{}', 0)",
    );
    assert_finds(&audit, &[8], "transaction 00000000000003e7..., which does not exist");
}

#[test]
fn a_miscounted_history_is_found() {
    let ada = account("ada", "CUSTOMER_MAIN");
    let sql = "UPDATE account SET transaction_count = transaction_count + 1 WHERE id = ?1";
    assert_finds(&audit_after(sql, [ada]), &[8], &format!("account {ada} counts"));
}

/// Returns the value with one random bit flipped.
fn flipped(value: Value, random: &mut Random) -> Value {
    let mut flip = |mut bytes: Vec<u8>| {
        let bit = random.below(bytes.len() * 8);
        bytes[bit / 8] ^= 1 << (bit % 8);
        bytes
    };
    match value {
        Value::Integer(number) => {
            let bytes = flip(number.to_be_bytes().to_vec());
            Value::Integer(i64::from_be_bytes(bytes.try_into().unwrap()))
        }
        // A `String` cannot hold text that is not UTF-8.
        Value::Text(text) => loop {
            if let Ok(text) = String::from_utf8(flip(text.clone().into_bytes())) {
                return Value::Text(text);
            }
        },
        Value::Blob(bytes) => Value::Blob(flip(bytes)),
        other => panic!("{other:?} has no bits"),
    }
}

#[test]
fn every_flipped_bit_in_a_transfer_is_found() {
    let seed = 0x9e37_79b9_7f4a_7c15;
    let mut random = Random(seed);
    let (file, connection) = damaged();
    let transfers = usize::try_from(newest_transfer()).unwrap();
    let mut flips = 0;
    while flips < 200 {
        let (transfer, column) = (
            random.below(transfers) + 1,
            TRANSFER_COLUMNS[random.below(TRANSFER_COLUMNS.len())],
        );
        let id = i64::try_from(transfer).unwrap();
        let select = format!("SELECT {column} FROM transfer WHERE id = ?1");
        let value: Value = connection.query_row(&select, [id], |row| row.get(0)).unwrap();
        if value == Value::Null {
            continue;
        }
        let changed = flipped(value.clone(), &mut random);
        let update = format!("UPDATE transfer SET {column} = ?2 WHERE id = ?1");
        if connection.execute(&update, params![id, changed]).is_err() {
            assert_eq!(column, "id", "SQLite refused a value that is not another row's id");
            continue;
        }
        let audit = file.audit();
        let is_noticed = audit.findings.iter().any(|finding| finding.invariant == 7);
        assert!(
            is_noticed,
            "seed {seed:#x}, flip {flips}: {column} of {id} is {changed:?} instead of {value:?}"
        );
        let now = if column == "id" { changed } else { Value::Integer(id) };
        assert_eq!(connection.execute(&update, params![now, value]), Ok(1));
        flips += 1;
    }
    file.assert_sound();
}

#[test]
fn a_flipped_byte_anywhere_in_the_file_causes_no_panic() {
    let mut random = Random(0x2545_f491_4f6c_dd1d);
    let sound = fs::read(&SOUND.0.path).unwrap();
    let file = TestFile::new();
    for flip in 0..150 {
        let mut bytes = sound.clone();
        let at = random.below(bytes.len());
        bytes[at] ^= 1 << random.below(8);
        fs::write(&file.path, &bytes).unwrap();
        match audit(&file.path.clone().into(), &mut |_, _| {}) {
            Ok(_) | Err(OpenError::NotOurs { .. } | OpenError::TooNew { .. }) => {}
            Err(error) => {
                let error = error.to_string();
                assert!(
                    error.contains(file.path.to_str().unwrap()),
                    "flip {flip} at {at}: {error}"
                );
            }
        }
        for suffix in ["-wal", "-shm"] {
            drop(fs::remove_file(file.beside(suffix)));
        }
    }
}

/// A value that no other invariant depends on.
#[test]
fn a_value_changed_by_another_program_is_found() {
    for change in [
        "escrow SET purpose = purpose || '.' WHERE id = (SELECT max(id) FROM escrow)",
        "escrow SET max_delivery = 29 WHERE id = (SELECT max(id) FROM escrow)",
        "escrow SET settlement_type = 'MILESTONU' WHERE id = (SELECT min(id) FROM escrow WHERE settlement_type = 'MILESTONE')",
        "milestone SET title = 'Else' WHERE id = (SELECT max(id) FROM milestone)",
        "milestone SET updated_at = updated_at + 1 WHERE id = (SELECT min(id) FROM milestone)",
        "account SET updated_at = updated_at + 1 WHERE id = 1",
        "payment_transaction SET reference = 'x' WHERE id = (SELECT max(id) FROM payment_transaction)",
        "payment_transaction SET created_at = 1 WHERE id = (SELECT max(id) FROM payment_transaction)",
        "event SET data = CAST(substr(data, 1, length(data) - 1) || x'00' AS BLOB) WHERE id = (SELECT max(id) FROM event)",
        "event SET name_id = iif(name_id = 1, 2, 1) WHERE id = (SELECT max(id) FROM event)",
        "event_name SET name = 'escrow.other' WHERE id = (SELECT name_id FROM event ORDER BY id DESC LIMIT 1)",
        "merchant SET event_count = event_count + 1 WHERE id = 1",
        "merchant SET created_at = -9223372036854775808 WHERE id = 1",
        "customer SET created_at = -9223372036854775808 WHERE id = 'ada' AND merchant_id = 1",
    ] {
        let (table, _) = change.split_once(' ').unwrap();
        let audit = audit_after(&format!("UPDATE {change}"), []);
        assert!(!audit.findings.is_empty(), "{change} is not found");
        assert_finds(&audit, &[9], table);
    }
}

#[test]
fn a_missing_or_changed_file_is_found() {
    let name = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855.png";
    let (file, connection) = damaged();
    assert_eq!(connection.execute("INSERT INTO file (name) VALUES (?1)", [name]), Ok(1));
    assert_finds(&file.audit(), &[10], name);
    let folder = file.beside("-files").join(&name[..2]);
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join(name), "").unwrap();
    file.assert_sound();
    assert!(check_structure(&file.path).unwrap().is_empty());
    fs::write(folder.join(name), "other").unwrap();
    let problems = check_structure(&file.path).unwrap();
    assert!(problems.iter().any(|problem| problem.contains(name)), "{problems:?}");
}

#[test]
fn a_start_refuses_a_file_whose_newest_transfers_and_accounts_do_not_fit() {
    for (change, problem) in [
        (
            "UPDATE merchant SET chain_head = zeroblob(32) WHERE id = 1",
            "newest transfers of merchant 1",
        ),
        (
            "UPDATE account SET balance = balance + 1 WHERE purpose = 'OUTSIDE_WORLD' AND merchant_id = 1",
            "account",
        ),
    ] {
        let file = TestFile::copy_of(&SOUND.0);
        assert_eq!(file.sqlite().execute(change, []), Ok(1), "{change}");
        let refusal = file.refusal();
        assert!(refusal.contains(problem) && refusal.contains("damaged"), "{refusal}");
    }
}

#[test]
fn a_damaged_event_is_neither_shown_nor_delivered() {
    let connection = SOUND.0.sqlite();
    let newest = "SELECT id, guard, merchant_id FROM event ORDER BY id DESC LIMIT 1";
    let (event, merchant) = connection
        .query_row(newest, [], |row| {
            Ok((EventId::new(row.get(0)?, row.get(1)?), MerchantId(row.get(2)?)))
        })
        .unwrap();
    let name = "(SELECT name_id FROM event WHERE id = ?1)";
    for change in [
        "UPDATE event SET data = CAST(substr(data, 1, length(data) - 1) || x'00' AS BLOB) WHERE id = ?1",
        "UPDATE event SET data = x'' WHERE id = ?1",
        "UPDATE event SET created_at = created_at + 1 WHERE id = ?1",
        "UPDATE event SET name_id = 1 + name_id % 2 WHERE id = ?1",
        &format!("UPDATE event_name SET name = 'escrow.other' WHERE id = {name}"),
        &format!("DELETE FROM event_name WHERE id = {name}"),
    ] {
        let file = TestFile::copy_of(&SOUND.0);
        let connection = file.sqlite();
        connection.pragma_update(None, "foreign_keys", 0).unwrap();
        assert_eq!(connection.execute(change, [event.number()]), Ok(1), "{change}");
        drop(connection);
        let store = file.open();
        let shown = wait_for(store.read(move |snapshot| snapshot.event(merchant, event)));
        assert!(matches!(shown, Err(Error::Corrupt(_))), "{change}: {shown:?}");
        let delivered = wait_for(store.read(move |snapshot| snapshot.payload_of(event)));
        assert!(matches!(delivered, Err(Error::Corrupt(_))), "{change}: {delivered:?}");
    }
}

/// The checksum of the account is right, as after a bug of the service, so only the check
/// beside the work can find it.
#[test]
fn writes_are_refused_once_the_check_beside_the_work_finds_damage() {
    let file = TestFile::copy_of(&SOUND.0);
    let connection = file.sqlite();
    escrowd::store::add_functions(&connection).unwrap();
    let change = "UPDATE account SET balance = balance + 5, checksum = changed_checksum(checksum, 'balance', balance, balance + 5)
                  WHERE purpose = 'CUSTOMER_MAIN' AND customer_id = 'ada' AND merchant_id = 1";
    assert_eq!(connection.execute(change, []), Ok(1));
    drop(connection);
    let store = file.open();
    let started = Instant::now();
    loop {
        match wait_for(store.write(|tx| tx.insert_merchant(None, None))) {
            Err(Error::LedgerBroken(problem)) => {
                assert!(problem.contains("its transfers add up to"), "{problem}");
                break;
            }
            Ok(_) => assert!(started.elapsed() < Duration::from_secs(20), "writes go on"),
            Err(other) => panic!("{other}"),
        }
        thread::sleep(Duration::from_millis(10));
    }
    let health = wait_for(store.check_health());
    assert!(matches!(health, Err(Error::LedgerBroken(_))), "{health:?}");
    assert!(wait_for(store.read(|snapshot| snapshot.merchant_name(MerchantId(1)))).is_ok());
}
