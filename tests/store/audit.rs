//! The audit finds no fault in a database that only commands have written, and finds every
//! damage to it.

use std::collections::BTreeSet;
use std::sync::LazyLock;
use std::sync::mpsc::{self, TryRecvError};
use std::thread;
use std::time::{Duration, Instant};

use escrowd::commands::vaults;
use escrowd::domain::ids::{CustomerId, EscrowId, EventId, MerchantId};
use escrowd::store::{Audit, Error, audit};

use crate::database::{Engine, Outside};
use crate::helpers::{History, Random, TRANSFER_COLUMNS, TestDatabase, Trade, history, policy, wait_for, write};

/// A database with a history and without a store, shared by all tests here. An audit opens several
/// sessions of PostgreSQL and a copy waits for each, so tests audit copies of it.
static SOUND: LazyLock<(TestDatabase, History)> = LazyLock::new(|| {
    let database = TestDatabase::new();
    let store = database.open();
    let history = history(&store, &database.clock);
    store.close();
    (database, history)
});

/// Copies the database and opens a connection without what refuses wrong rows.
fn damaged() -> (TestDatabase, Outside) {
    let database = TestDatabase::copy_of(&SOUND.0);
    let outside = database.outside();
    outside.allow_damage();
    (database, outside)
}

/// Damages a database with a statement, which must change one row, and audits it.
#[track_caller]
fn audit_after(sql: &str, numbers: &[i64]) -> Audit {
    let (database, outside) = damaged();
    assert_eq!(outside.execute(sql, numbers), Ok(1), "{sql}");
    database.audit()
}

/// Asserts that the audit found exactly these invariants broken, and that a finding on the
/// first of them contains this text. The checksum of a row shows nearly every change too, so
/// invariant 9 counts only if it is expected: the others must not depend on it.
#[track_caller]
pub(crate) fn assert_finds(audit: &Audit, invariants: &[u8], place: &str) {
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
    SOUND.0.outside().number(sql, &[])
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
    let audit = TestDatabase::copy_of(&SOUND.0).audit();
    assert_eq!(audit.findings, []);
    assert_eq!(audit.findings_total, 0);
    assert_eq!((audit.merchants, audit.escrows), (2, 6));
    assert_eq!(audit.accounts, 2 * 5 + (3 + 2) * 2);
    assert_eq!(audit.transfers, newest_transfer().unsigned_abs());
}

#[test]
fn a_fresh_file_is_sound() {
    let file = TestDatabase::new();
    file.open().close();
    file.assert_sound();
}

#[test]
fn progress_runs_from_zero_to_all_transfers() {
    let mut heard = Vec::new();
    let database = TestDatabase::copy_of(&SOUND.0);
    audit(&database.settings.place, &mut |done, total| {
        heard.push((done, total));
    })
    .unwrap();
    let transfers = newest_transfer().unsigned_abs();
    assert_eq!(heard.last(), Some(&(transfers, transfers)));
}

#[test]
fn an_audit_runs_beside_an_open_store() {
    let file = TestDatabase::new();
    let store = file.open();
    let trade = Trade::of_key(&store, 1);
    let (stop, stopped) = mpsc::channel::<()>();
    let writer = thread::spawn(move || {
        let mut deals = 0;
        loop {
            deals += 1;
            let escrow = trade.offer_milestones("ada", &[400, 600]);
            trade.fund("ben", escrow.id);
            trade.confirm_milestones("ben", &escrow, &[0, 1]);
            if stopped.try_recv() != Err(TryRecvError::Empty) {
                return deals;
            }
        }
    });
    for _ in 0..3 {
        file.assert_sound();
    }
    drop(stop);
    let deals = writer.join().unwrap();
    assert_eq!(file.audit().escrows, deals);
}

#[test]
fn a_changed_balance_is_found() {
    let account = account("ada", "CUSTOMER_MAIN");
    let audit = audit_after("UPDATE account SET balance = balance + 1 WHERE id = ?1", &[account]);
    assert_finds(&audit, &[1, 2, 8], "merchant 1 add up to 1");
    assert_finds(&audit, &[2, 1, 8], &format!("account {account} "));
    assert_finds(&audit, &[8, 1, 2], &format!("account {account} (CUSTOMER_MAIN)"));
}

#[test]
fn two_balances_changed_by_the_same_are_found() {
    let (database, outside) = damaged();
    let (ada, ben) = (account("ada", "CUSTOMER_MAIN"), account("ben", "CUSTOMER_MAIN"));
    let sql = "UPDATE account SET balance = balance + CASE id WHEN ?1 THEN 5 ELSE -5 END WHERE id IN (?1, ?2)";
    assert_eq!(outside.execute(sql, &[ada, ben]), Ok(2));
    assert_finds(&database.audit(), &[2, 8], &format!("account {ada} "));
    assert_finds(&database.audit(), &[2, 8], &format!("account {ben} "));
}

#[test]
fn a_balance_moved_between_merchants_is_found() {
    let (database, outside) = damaged();
    let sql = "UPDATE account SET balance = balance + CASE merchant_id WHEN 1 THEN -5 ELSE 5 END
               WHERE purpose = 'MERCHANT_MAIN'";
    assert_eq!(outside.execute(sql, &[]), Ok(2));
    let audit = database.audit();
    assert_finds(&audit, &[1, 2, 8], "merchant 1 add up to -5");
    assert_finds(&audit, &[1, 2, 8], "merchant 2 add up to 5");
}

#[test]
fn a_balance_below_zero_is_found() {
    let (database, outside) = damaged();
    let (ada, ben) = (account("ada", "CUSTOMER_MAIN"), account("ben", "CUSTOMER_MAIN"));
    let sql = "UPDATE account SET balance = -1 WHERE id = ?1";
    assert_eq!(outside.execute(sql, &[ada]), Ok(1));
    let sql = "UPDATE account SET balance =
                   (SELECT -sum(balance) FROM account WHERE merchant_id = 1 AND id <> ?1) WHERE id = ?1";
    assert_eq!(outside.execute(sql, &[ben]), Ok(1));
    assert_finds(&database.audit(), &[3, 2, 8], &format!("account {ada} (CUSTOMER_MAIN)"));
}

#[test]
fn an_escrow_balance_that_differs_from_the_holds_is_found() {
    // Moves money from one hold to another, with a transfer whose hash is wrong.
    let (database, outside) = damaged();
    let (ben, cleo) = (account("ben", "CUSTOMER_ESCROW"), account("cleo", "CUSTOMER_ESCROW"));
    let sql = "UPDATE account SET balance = balance + CASE id WHEN ?1 THEN -7 ELSE 7 END WHERE id IN (?1, ?2)";
    assert_eq!(outside.execute(sql, &[ben, cleo]), Ok(2));
    assert_finds(&database.audit(), &[4, 2], "escrow account of customer ben");
    assert_finds(&database.audit(), &[4, 2], "escrow account of customer cleo");
}

#[test]
fn an_open_escrow_given_to_another_buyer_is_found() {
    let escrow = SOUND.1.open;
    let audit = audit_after("UPDATE escrow SET buyer_id = 'cleo' WHERE id = ?1", &[escrow.number()]);
    assert_finds(&audit, &[4, 6], "customer cleo");
    assert_finds(&audit, &[4, 6], "customer ben");
}

/// Closes an escrow without moving its money.
const CLOSE: &str = "UPDATE escrow SET state = 'CLOSED' WHERE id = ?1";

#[test]
fn an_escrow_closed_too_early_is_found() {
    for escrow in [SOUND.1.open, SOUND.1.standard_open] {
        let audit = audit_after(CLOSE, &[escrow.number()]);
        assert_finds(&audit, &[5, 4, 6], &format!("escrow {escrow} "));
    }
}

#[test]
fn an_escrow_closed_before_it_was_paid_is_found() {
    let escrow = SOUND.1.offered;
    let audit = audit_after(CLOSE, &[escrow.number()]);
    assert_finds(&audit, &[6], &format!("escrow {escrow} "));
}

#[test]
fn a_closed_escrow_opened_again_is_found() {
    for escrow in [SOUND.1.closed, SOUND.1.standard_closed] {
        let sql = "UPDATE escrow SET state = 'OPENED' WHERE id = ?1";
        let audit = audit_after(sql, &[escrow.number()]);
        let place = format!("escrow {escrow} ");
        assert_finds(&audit, &[6, 4], &place);
    }
}

/// The last release closes an escrow, so it cannot be open after it.
#[test]
fn an_open_escrow_whose_milestones_are_all_released_is_found() {
    let escrow = SOUND.1.closed;
    let audit = audit_after("UPDATE escrow SET state = 'OPENED' WHERE id = ?1", &[escrow.number()]);
    let problem = format!("escrow {escrow} is open and its milestones released all of 1000000");
    assert_finds(&audit, &[6, 4], &problem);
}

fn pending_again(escrow: EscrowId) -> Audit {
    let sql = "UPDATE milestone SET is_released = 0 WHERE escrow_id = ?1 AND position = 0";
    audit_after(sql, &[escrow.number()])
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
    let audit = audit_after(sql, &[escrow.number()]);
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
        assert_finds(&audit_after(&sql, &[]), &[6], "its milestones add up to");
    }
}

#[test]
fn a_closed_escrow_given_to_another_buyer_or_merchant_is_found() {
    let closed = "SELECT min(id) FROM escrow WHERE state = 'CLOSED' AND merchant_id = 1";
    let other = "SELECT id FROM customer WHERE merchant_id = 1 AND id NOT IN (buyer_id, seller_id)";
    let sql = format!("UPDATE escrow SET buyer_id = ({other}) WHERE id = ({closed})");
    assert_finds(&audit_after(&sql, &[]), &[6], "was paid by another");
    let sql = format!("UPDATE escrow SET merchant_id = 2 WHERE id = ({closed})");
    assert_finds(&audit_after(&sql, &[]), &[6], "was paid by another");
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
        // The fee is the same, and another one has a larger part of it.
        (SOUND.1.closed, "commission = commission + 1", &[6]),
        (SOUND.1.standard_closed, "commission = fee", &[6]),
    ] {
        let sql = format!("UPDATE escrow SET {change} WHERE id = ?1");
        let audit = audit_after(&sql, &[escrow.number()]);
        assert_finds(&audit, follows, &format!("escrow {escrow} "));
    }
}

/// Also of a vault that is settled, which owes nobody anything.
#[test]
fn a_stake_that_was_lost_or_changed_is_found() {
    let database = TestDatabase::new();
    let store = database.open();
    let trade = Trade::of_key(&store, 1);
    let (won, open) = (trade.open_vault(&["ada", "ben"]), trade.open_vault(&["ben", "cleo"]));
    let (merchant, token, winner) = (
        trade.merchant,
        won.payment_token.clone(),
        CustomerId::parse("ada").unwrap(),
    );
    write(&store, move |tx| {
        tx.act_for(merchant)?;
        vaults::declare_winner(tx, &policy(), merchant, token, Ok(winner))
    });
    drop(trade);
    store.close();
    TestDatabase::copy_of(&database).assert_sound();
    for (vault, follows) in [(won.id, &[6][..]), (open.id, &[6, 4])] {
        for change in [
            "DELETE FROM vault_stake WHERE escrow_id = ?1 AND customer_id = 'ben'",
            "UPDATE vault_stake SET amount = amount + 1 WHERE escrow_id = ?1 AND customer_id = 'ben'",
        ] {
            let copy = TestDatabase::copy_of(&database);
            let outside = copy.outside();
            outside.allow_damage();
            assert_eq!(outside.execute(change, &[vault.number()]), Ok(1), "{change}");
            assert_finds(&copy.audit(), follows, &format!("vault {vault} is over"));
        }
    }
}

#[test]
fn a_lost_escrow_is_found() {
    let escrow = SOUND.1.closed;
    let audit = audit_after("DELETE FROM escrow WHERE id = ?1", &[escrow.number()]);
    assert_finds(
        &audit,
        &[6],
        &format!("escrow {:016x}..., which does not exist", escrow.number()),
    );
}

#[test]
fn a_lost_account_is_found() {
    let account = account("ada", "CUSTOMER_MAIN");
    let audit = audit_after("DELETE FROM account WHERE id = ?1", &[account]);
    assert_finds(&audit, &[2, 1, 8], &format!("account {account}, which does not exist"));
}

#[test]
fn a_lost_merchant_is_found() {
    let audit = audit_after("DELETE FROM merchant WHERE id = 2", &[]);
    assert_finds(&audit, &[7], "merchant 2");
}

#[test]
fn a_changed_transfer_is_found() {
    let transfer = some_transfer();
    let place = format!("transfer {transfer} of merchant 1");
    let change = |change: &str| audit_after(&format!("UPDATE transfer SET {change} WHERE id = ?1"), &[transfer]);
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
    let audit = audit_after("DELETE FROM transfer WHERE id = ?1", &[lost]);
    assert_finds(&audit, &[7, 2, 6], &format!("transfer {next} of merchant 1"));
}

#[test]
fn a_lost_newest_transfer_is_found() {
    let merchant = number("SELECT merchant_id FROM transfer ORDER BY id DESC LIMIT 1");
    let audit = audit_after("DELETE FROM transfer WHERE id = ?1", &[newest_transfer()]);
    assert_finds(&audit, &[7, 2], &format!("newest transfers of merchant {merchant}"));
}

#[test]
fn an_inserted_transfer_is_found() {
    let merchant = number("SELECT merchant_id FROM transfer ORDER BY id DESC LIMIT 1");
    let added = newest_transfer() + 1;
    let audit = audit_after(
        "INSERT INTO transfer SELECT ?1, merchant_id, kind, debit_account_id, credit_account_id, amount, escrow_id,
             created_at, hash FROM transfer WHERE id = ?1 - 1",
        &[added],
    );
    assert_finds(&audit, &[7, 2], &format!("transfer {added} of merchant {merchant}"));
}

#[test]
fn a_changed_chain_head_is_found() {
    let audit = audit_after("UPDATE merchant SET chain_head = zeroblob(32) WHERE id = 2", &[]);
    assert_finds(&audit, &[7], "merchant 2");
}

#[test]
fn all_findings_are_counted_and_the_first_are_described() {
    let (database, outside) = damaged();
    let sql = "WITH RECURSIVE more (id) AS (SELECT 1000 UNION ALL SELECT id + 1 FROM more WHERE id < 1149)
               INSERT INTO transfer SELECT id, 1, 'TOP_UP', 1, 2, 1, NULL, 0, zeroblob(32) FROM more";
    assert_eq!(outside.execute(sql, &[]), Ok(150));
    let audit = database.audit();
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
            &[entry],
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
    let removed = audit_after("DELETE FROM payment_transaction WHERE id = ?1", &[entry]);
    assert_finds(&removed, &[8], &history);
    let newest = "UPDATE account SET newest_transaction_id = NULL WHERE id = ?1";
    assert_finds(
        &audit_after(newest, &[ada]),
        &[8],
        &format!("newest transactions of account {ada}"),
    );
}

/// Audits a file with intents of every outcome and an escrow paid by card, after a
/// statement that must change one row.
#[track_caller]
fn audit_of_payments_after(sql: &str) -> Audit {
    let file = TestDatabase::new();
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
    let outside = file.outside();
    outside.allow_damage();
    assert_eq!(outside.execute(sql, &[]), Ok(1), "{sql}");
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
    assert_finds(&audit_after(sql, &[ada]), &[8], &format!("account {ada} counts"));
}

/// Returns bytes with one random bit flipped.
fn flipped(mut bytes: Vec<u8>, random: &mut Random) -> Vec<u8> {
    let bit = random.below(bytes.len() * 8);
    bytes[bit / 8] ^= 1 << (bit % 8);
    bytes
}

/// Returns the literals of a value of a transfer, and of the same with one random bit flipped.
/// `None` is NULL.
fn flipped_value(outside: &Outside, column: &str, id: i64, random: &mut Random) -> Option<[String; 2]> {
    let read = |sql: &str| outside.rows(sql, &[id]).remove(0).remove(0);
    match column {
        "hash" => {
            let digits = read("SELECT hex(hash) FROM transfer WHERE id = ?1")?;
            let changed = hex::encode(flipped(hex::decode(&digits).unwrap(), random));
            Some([digits, changed].map(|digits| outside.literal_of_bytes(&digits)))
        }
        "kind" => {
            let kind = read("SELECT kind FROM transfer WHERE id = ?1")?;
            // A text is UTF-8.
            let changed = loop {
                if let Ok(changed) = String::from_utf8(flipped(kind.clone().into_bytes(), random)) {
                    break changed;
                }
            };
            Some([kind, changed].map(|text| format!("'{}'", text.replace('\'', "''"))))
        }
        _ => {
            let number: i64 = read(&format!("SELECT {column} FROM transfer WHERE id = ?1"))?
                .parse()
                .unwrap();
            let changed = flipped(number.to_be_bytes().to_vec(), random);
            let changed = i64::from_be_bytes(changed.try_into().unwrap());
            Some([number, changed].map(|number| format!("CAST({number} AS BIGINT)")))
        }
    }
}

#[test]
fn every_flipped_bit_in_a_transfer_is_found() {
    let seed = 0x9e37_79b9_7f4a_7c15;
    let mut random = Random(seed);
    let (database, outside) = damaged();
    let transfers = usize::try_from(newest_transfer()).unwrap();
    let mut flips = 0;
    while flips < 200 {
        let (transfer, column) = (
            random.below(transfers) + 1,
            TRANSFER_COLUMNS[random.below(TRANSFER_COLUMNS.len())],
        );
        let id = i64::try_from(transfer).unwrap();
        let Some([value, changed]) = flipped_value(&outside, column, id, &mut random) else {
            continue;
        };
        let update =
            |to: &str, id: &str| outside.execute(&format!("UPDATE transfer SET {column} = {to} WHERE id = {id}"), &[]);
        if update(&changed, &id.to_string()).is_err() {
            assert_eq!(
                column, "id",
                "the database refused a value that is not another row's id"
            );
            continue;
        }
        let audit = database.audit();
        let is_noticed = audit.findings.iter().any(|finding| finding.invariant == 7);
        assert!(
            is_noticed,
            "seed {seed:#x}, flip {flips}: {column} of {id} is {changed} instead of {value}"
        );
        let now = if column == "id" { changed } else { id.to_string() };
        assert_eq!(update(&value, &now), Ok(1));
        flips += 1;
    }
    database.assert_sound();
}

/// Returns the expression of an event's data with a zero for its last byte.
fn data_with_another_end() -> &'static str {
    match Engine::wanted() {
        Engine::Sqlite => "CAST(substr(data, 1, length(data) - 1) || x'00' AS BLOB)",
        Engine::Postgres => "set_byte(data, length(data) - 1, 0)",
    }
}

/// Values that no other invariant depends on. In PostgreSQL, where rows have no checksums, some
/// are still found, since no program of ours would read them.
#[test]
fn a_value_changed_by_another_program_is_found() {
    let data = format!(
        "event SET data = {} WHERE id = (SELECT max(id) FROM event)",
        data_with_another_end()
    );
    for (is_under_the_checksum_alone, change) in [
        (
            true,
            "escrow SET purpose = purpose || '.' WHERE id = (SELECT max(id) FROM escrow)",
        ),
        (
            true,
            "escrow SET max_delivery = 29 WHERE id = (SELECT max(id) FROM escrow)",
        ),
        (
            false,
            "escrow SET settlement_type = 'MILESTONU' WHERE id = (SELECT min(id) FROM escrow WHERE settlement_type = 'MILESTONE')",
        ),
        (
            true,
            "milestone SET title = 'Else' WHERE id = (SELECT max(id) FROM milestone)",
        ),
        (
            true,
            "milestone SET updated_at = updated_at + 1 WHERE id = (SELECT min(id) FROM milestone)",
        ),
        (true, "account SET updated_at = updated_at + 1 WHERE id = 1"),
        (
            true,
            "payment_transaction SET reference = 'x' WHERE id = (SELECT max(id) FROM payment_transaction)",
        ),
        (
            true,
            "payment_transaction SET created_at = 1 WHERE id = (SELECT max(id) FROM payment_transaction)",
        ),
        (false, &data),
        (
            true,
            "event SET name_id = CASE name_id WHEN 1 THEN 2 ELSE 1 END WHERE id = (SELECT max(id) FROM event)",
        ),
        (
            true,
            "event_name SET name = 'escrow.other' WHERE id = (SELECT name_id FROM event ORDER BY id DESC LIMIT 1)",
        ),
        (false, "merchant SET event_count = event_count + 1 WHERE id = 1"),
        (false, "merchant SET created_at = -9223372036854775808 WHERE id = 1"),
        (
            false,
            "customer SET created_at = -9223372036854775808 WHERE id = 'ada' AND merchant_id = 1",
        ),
    ] {
        let (table, _) = change.split_once(' ').unwrap();
        let audit = audit_after(&format!("UPDATE {change}"), &[]);
        if is_under_the_checksum_alone && Engine::wanted() == Engine::Postgres {
            assert_eq!(audit.findings, [], "{change}");
        } else {
            assert!(!audit.findings.is_empty(), "{change} is not found");
            assert_finds(&audit, &[9], table);
        }
    }
}

#[test]
fn a_start_refuses_a_database_whose_newest_transfers_and_accounts_do_not_fit() {
    for (is_under_the_checksum_alone, change, problem) in [
        (
            false,
            "UPDATE merchant SET chain_head = zeroblob(32) WHERE id = 1",
            "newest transfers of merchant 1",
        ),
        (
            // In PostgreSQL the check beside the work finds it.
            true,
            "UPDATE account SET balance = balance + 1 WHERE purpose = 'OUTSIDE_WORLD' AND merchant_id = 1",
            "account",
        ),
    ] {
        let database = TestDatabase::copy_of(&SOUND.0);
        assert_eq!(database.outside().execute(change, &[]), Ok(1), "{change}");
        if !is_under_the_checksum_alone || Engine::wanted() == Engine::Sqlite {
            let refusal = database.refusal();
            assert!(refusal.contains(problem), "{refusal}");
            assert!(
                refusal.contains("damaged") || refusal.contains("is broken"),
                "{refusal}"
            );
        }
    }
}

#[test]
fn a_damaged_event_is_neither_shown_nor_delivered() {
    let newest = "SELECT id, guard, merchant_id FROM event ORDER BY id DESC LIMIT 1";
    let newest = SOUND.0.outside().row(newest, &[]);
    let (event, merchant) = (
        EventId::new(newest[0], newest[1].try_into().unwrap()),
        MerchantId(newest[2]),
    );
    let name = "(SELECT name_id FROM event WHERE id = ?1)";
    for (is_under_the_checksum_alone, change) in [
        (
            false,
            format!("UPDATE event SET data = {} WHERE id = ?1", data_with_another_end()),
        ),
        (false, "UPDATE event SET data = zeroblob(0) WHERE id = ?1".to_owned()),
        (
            true,
            "UPDATE event SET created_at = created_at + 1 WHERE id = ?1".to_owned(),
        ),
        (
            true,
            "UPDATE event SET name_id = 1 + name_id % 2 WHERE id = ?1".to_owned(),
        ),
        (
            true,
            format!("UPDATE event_name SET name = 'escrow.other' WHERE id = {name}"),
        ),
        (false, format!("DELETE FROM event_name WHERE id = {name}")),
    ] {
        if is_under_the_checksum_alone && Engine::wanted() == Engine::Postgres {
            continue;
        }
        let database = TestDatabase::copy_of(&SOUND.0);
        let outside = database.outside();
        outside.ignore_references();
        assert_eq!(outside.execute(&change, &[event.number()]), Ok(1), "{change}");
        drop(outside);
        let store = database.open();
        let shown = wait_for(store.read(move |snapshot| snapshot.event(merchant, event)));
        assert!(matches!(shown, Err(Error::Corrupt(_))), "{change}: {shown:?}");
        let delivered = wait_for(store.read(move |snapshot| snapshot.payload_of(event)));
        assert!(matches!(delivered, Err(Error::Corrupt(_))), "{change}: {delivered:?}");
    }
}

/// The checksum of the account, if it has one, is right, as after a bug of the service, so only
/// the check beside the work can find it.
#[test]
fn writes_are_refused_once_the_check_beside_the_work_finds_damage() {
    let database = TestDatabase::copy_of(&SOUND.0);
    let checksum = match Engine::wanted() {
        Engine::Sqlite => ", checksum = changed_checksum(checksum, 'balance', balance, balance + 5)",
        Engine::Postgres => "",
    };
    let change = format!(
        "UPDATE account SET balance = balance + 5 {checksum}
         WHERE purpose = 'CUSTOMER_MAIN' AND customer_id = 'ada' AND merchant_id = 1"
    );
    assert_eq!(database.outside().execute(&change, &[]), Ok(1));
    let store = database.open();
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
