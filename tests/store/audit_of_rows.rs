//! The audit of the rows beside the ledger: what the database is for, what waits for a second
//! operator, and what answers requests. Amounts that nothing can add up are findings too.

use std::sync::LazyLock;

use escrowd::domain::escrow::dispute::{AskedRuling, Ruling};
use escrowd::domain::idempotency::{IdempotencyKey, IdempotencyRecord, Principal, RequestFingerprint, StoredReply};
use escrowd::domain::ids::EscrowId;
use escrowd::domain::time::Timestamp;
use escrowd::store::Audit;

use crate::audit::assert_finds;
use crate::database::Engine;
use crate::helpers::{START, TestDatabase, Trade, history, kobo, wait_for, write};
use crate::treasury::{Desk, make_operator};

/// A closed database with a row of each of these kinds, and the escrow for which a ruling waits.
static SOUND: LazyLock<(TestDatabase, EscrowId)> = LazyLock::new(|| {
    let database = TestDatabase::new();
    let store = database.open();
    let escrow = history(&store, &database.clock).standard_open;
    let trade = Trade::of_key(&store, 1);
    let operator = make_operator(&store, "Ada Obi");
    Desk::of(&trade, Some(operator)).trade_everything();
    for seller in [100_000, 120_000] {
        let ruling = Ruling::Split {
            seller: kobo(seller),
            buyer: kobo(1_000),
            additional_fee_refundable: Some(false),
        };
        write(&store, move |tx| {
            tx.save_asked_ruling(escrow, &AskedRuling { by: operator, ruling })
        });
    }
    trade.withdraw("ada", "slow", "0000000003");
    trade.verify("ada", "slow");
    let record = IdempotencyRecord {
        fingerprint: RequestFingerprint {
            route: "POST /".to_owned(),
            principal: Principal::Merchant,
            body_hash: [7; 32],
        },
        reply: StoredReply {
            status: 200,
            body: "{\"a\": 1}".to_owned(),
        },
        created_at: Timestamp::from_millis(START).unwrap(),
    };
    let merchant = trade.merchant;
    write(&store, move |tx| {
        tx.save_idempotency_record(merchant, &IdempotencyKey::parse("order 1").unwrap(), &record)
    });
    drop(trade);
    store.close();
    let attempt = "INSERT INTO delivery_attempt (event_id, number, attempted_at, url, status, duration_millis)
                   SELECT min(id), 1, 0, 'http://127.0.0.1:9/', 200, 1 FROM event";
    assert_eq!(database.outside().execute(attempt, &[]), Ok(1));
    (database, escrow)
});

/// Damages a database with a statement, which must change one row, and audits it.
#[track_caller]
fn audit_after(sql: &str) -> Audit {
    let database = TestDatabase::copy_of(&SOUND.0);
    let outside = database.outside();
    outside.allow_damage();
    assert_eq!(outside.execute(sql, &[]), Ok(1), "{sql}");
    drop(outside);
    database.audit()
}

#[test]
fn a_database_with_every_row_beside_the_ledger_is_sound() {
    let database = TestDatabase::copy_of(&SOUND.0);
    database.assert_sound();
    let outside = database.outside();
    for table in [
        "asked_ruling",
        "idempotency_record",
        "slow_withdrawal",
        "delivery_attempt",
    ] {
        assert_eq!(
            outside.number(&format!("SELECT count(*) FROM {table}"), &[]),
            1,
            "{table}"
        );
    }
    let sql = "SELECT seller_amount FROM asked_ruling WHERE escrow_id = ?1";
    assert_eq!(outside.number(sql, &[SOUND.1.number()]), 120_000, "the second request");
}

#[test]
fn a_database_that_does_not_say_what_it_is_for_is_found() {
    for (is_under_the_checksum_alone, change) in [
        (false, "DELETE FROM instance"),
        (false, "UPDATE instance SET currency = 'XXX1'"),
        (false, "UPDATE instance SET currency = 'JPY'"),
        (false, "UPDATE instance SET mode = 'DEMO'"),
        (true, "UPDATE instance SET currency = 'USD'"),
        (true, "UPDATE instance SET created_at = created_at + 1"),
    ] {
        let audit = audit_after(change);
        if is_under_the_checksum_alone && Engine::wanted() == Engine::Postgres {
            assert_eq!(audit.findings, [], "{change}");
        } else {
            assert_finds(&audit, &[9], "instance");
        }
    }
}

/// In PostgreSQL a start compares the mode with the configuration.
#[test]
fn another_mode_is_found() {
    if Engine::wanted() == Engine::Sqlite {
        // A live database has a receipt for all money that came in.
        assert_finds(&audit_after("UPDATE instance SET mode = 'LIVE'"), &[9, 11], "instance");
    }
}

/// A second operator would otherwise agree to other amounts, or the first one would be both.
#[test]
fn each_change_of_a_ruling_that_waits_is_found() {
    for (is_under_the_checksum_alone, change) in [
        (true, "seller_amount = seller_amount + 1"),
        (true, "buyer_amount = buyer_amount - 1"),
        (true, "additional_fee_refundable = 1"),
        (true, "asked_by = asked_by + 1024"),
        (false, "status = 'COMPLETED'"),
        (false, "seller_amount = NULL"),
    ] {
        let audit = audit_after(&format!("UPDATE asked_ruling SET {change}"));
        if is_under_the_checksum_alone && Engine::wanted() == Engine::Postgres {
            assert_eq!(audit.findings, [], "{change}");
        } else {
            assert_finds(&audit, &[9], "ruling");
        }
    }
}

#[test]
fn a_row_that_answers_requests_or_settles_withdrawals_is_read() {
    let body = SOUND.0.outside().literal_of_bytes("00112233");
    for (change, place) in [
        (
            format!("idempotency_record SET body = {body}"),
            "idempotency record order 1",
        ),
        (
            "idempotency_record SET customer_id = 'operator x'".to_owned(),
            "idempotency record order 1",
        ),
        (
            "idempotency_record SET status = 70000".to_owned(),
            "idempotency record order 1",
        ),
        (
            "slow_withdrawal SET due_at = -9223372036854775807".to_owned(),
            "slow withdrawal",
        ),
        (
            "delivery_attempt SET attempted_at = -9223372036854775807".to_owned(),
            "delivery attempt of event",
        ),
        (
            "delivery_attempt SET status = 70000".to_owned(),
            "delivery attempt of event",
        ),
    ] {
        assert_finds(&audit_after(&format!("UPDATE {change}")), &[9], place);
    }
}

#[test]
fn a_mark_that_the_next_transfer_cannot_follow_is_found() {
    for change in ["newest_transfer - 1", "9223372036854775807"] {
        let audit = audit_after(&format!("UPDATE file_mark SET newest_transfer = {change}"));
        assert_finds(&audit, &[7], "the mark of the database says");
    }
    // Retention removes transfers in a sandbox.
    let ahead = "UPDATE file_mark SET newest_transfer = newest_transfer + 1";
    assert_eq!(audit_after(ahead).findings, []);
    let database = TestDatabase::copy_of(&SOUND.0);
    let outside = database.outside();
    outside.batch("UPDATE instance SET mode = 'LIVE'");
    assert_eq!(outside.execute(ahead, &[]), Ok(1));
    drop(outside);
    assert_finds(&database.audit(), &[7, 11], "the mark of the database says");
}

#[test]
fn a_transfer_behind_the_greatest_number_is_refused_without_a_panic() {
    let database = TestDatabase::copy_of(&SOUND.0);
    let sql = "UPDATE file_mark SET newest_transfer = 9223372036854775807";
    assert_eq!(database.outside().execute(sql, &[]), Ok(1));
    let store = database.open();
    let customer = Trade::of_key(&store, 1).actor("ada");
    let refused = wait_for(store.write(move |tx| {
        escrowd::commands::payments::top_up(tx, &crate::helpers::policy(), &customer, Ok(kobo(100_000)))
    }));
    let problem = format!("{:?}", refused.unwrap_err());
    assert!(problem.contains("a transfer that another can follow"), "{problem}");
}

/// What no second row tells, so that a checksum alone shows the change. In PostgreSQL, where rows have
/// none, the audit does not find it.
#[test]
fn some_changes_of_who_gets_money_show_by_the_checksum_alone() {
    const OPEN: &str = "(SELECT max(id) FROM escrow WHERE state = 'OPENED' AND merchant_id = 1)";
    const CLOSED: &str = "(SELECT min(id) FROM escrow WHERE state = 'CLOSED' AND merchant_id = 1)";
    const WITHDRAWN: &str = "(SELECT max(transaction_id) FROM payment_detail WHERE details LIKE '%0123456789%')";
    const PENDING: &str = "(SELECT max(id) FROM milestone WHERE is_released = 0)";
    let seller = "escrow SET seller_id = CASE WHEN buyer_id = 'ben' THEN 'cleo' ELSE 'ben' END WHERE id =";
    for change in [
        format!("{seller} {OPEN}"),
        format!("{seller} {CLOSED}"),
        format!("escrow SET who_pays = 'seller' WHERE id = {OPEN}"),
        "escrow SET settlement_type = 'STANDARD' WHERE id = (SELECT id FROM escrow WHERE settlement_type = 'MILESTONE' AND state = 'AWAITING_PAYMENT' AND merchant_id = 1)".to_owned(),
        format!("escrow SET payment_amount = payment_amount + 1 WHERE id = {OPEN}"),
        format!("escrow SET paid_at = paid_at + 1 WHERE id = {OPEN}"),
        format!("milestone SET beneficiary_id = 'cleo' WHERE id = {PENDING}"),
        format!(
            "payment_detail SET details = replace(details, '0123456789', '0123456780') WHERE transaction_id = {WITHDRAWN}"
        ),
        "payout SET destination = replace(destination, '0123456789', '0123456780') WHERE status = 'approved'"
            .to_owned(),
        "payout SET value_date = '2026-06-21' WHERE status = 'paid'".to_owned(),
        "receipt SET value_date = '2026-06-21' WHERE status = 'credited'".to_owned(),
        "operator SET role = 'auditor'".to_owned(),
    ] {
        let (table, _) = change.split_once(' ').unwrap();
        let audit = audit_after(&format!("UPDATE {change}"));
        if Engine::wanted() == Engine::Postgres {
            assert_eq!(audit.findings, [], "{change}");
        } else {
            assert!(!audit.findings.is_empty(), "{change} is not found");
            assert_finds(&audit, &[9], table);
        }
    }
}

#[test]
fn amounts_moved_between_two_pending_milestones_show_by_the_checksum_alone() {
    let database = TestDatabase::copy_of(&SOUND.0);
    let outside = database.outside();
    outside.allow_damage();
    let open = "SELECT max(escrow_id) FROM milestone WHERE is_released = 0
                AND escrow_id IN (SELECT id FROM escrow WHERE state = 'OPENED' AND merchant_id = 1)";
    let sql = format!(
        "UPDATE milestone SET amount = amount + CASE position WHEN 1 THEN 5 ELSE -5 END
         WHERE escrow_id = ({open}) AND position IN (1, 2)"
    );
    assert_eq!(outside.execute(&sql, &[]), Ok(2));
    drop(outside);
    let audit = database.audit();
    if Engine::wanted() == Engine::Postgres {
        assert_eq!(audit.findings, []);
    } else {
        assert_finds(&audit, &[9], "milestone");
    }
}

/// The row is named, and the rest is checked.
#[test]
fn an_amount_that_no_sum_has_room_for_does_not_end_the_check() {
    const MOST: i64 = i64::MAX;
    for (change, invariants, place) in [
        (
            format!("UPDATE payout SET amount = {MOST} WHERE status = 'approved'"),
            &[11][..],
            "account IN_TRANSIT holds",
        ),
        (
            format!("UPDATE receipt SET amount = {MOST} WHERE status = 'suspense'"),
            &[11],
            "account SUSPENSE holds",
        ),
        (
            format!("UPDATE payout SET amount = {MOST} WHERE status = 'approved'"),
            &[9, 11],
            "cannot be read",
        ),
    ] {
        assert_finds(&audit_after(&change), invariants, place);
    }
    let database = TestDatabase::copy_of(&SOUND.0);
    let outside = database.outside();
    outside.allow_damage();
    let all = format!("UPDATE payout SET amount = {MOST} WHERE status IN ('requested', 'approved')");
    assert!(outside.execute(&all, &[]).unwrap() > 1);
    drop(outside);
    assert_finds(&database.audit(), &[11], "account IN_TRANSIT holds");
    let fee = format!("UPDATE escrow SET fee = {MOST} WHERE id = {}", SOUND.1.number());
    let audit = audit_after(&fee);
    assert!(
        audit.findings.iter().any(|finding| finding.problem.contains("escrow")),
        "{:#?}",
        audit.findings
    );
}

/// A part of the check that cannot go on leaves what was found.
#[test]
fn a_check_that_ends_early_says_what_it_found() {
    let sql = "UPDATE escrow SET closed_as = 'SPLIT' WHERE id = (SELECT min(id) FROM escrow WHERE state = 'CLOSED')";
    let audit = audit_after(sql);
    assert_finds(&audit, &[9], "ended early");
    assert_finds(&audit, &[9], "escrow");
    assert!(
        audit.findings[0]
            .problem
            .contains("\"NULL\" is not the share of a split"),
        "{:#?}",
        audit.findings
    );
}
