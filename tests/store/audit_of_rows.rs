//! The audit of the rows beside the ledger: what the database is for, what waits for a second
//! operator, and what answers requests.

use std::sync::LazyLock;

use escrowd::domain::escrow::dispute::{AskedRuling, Ruling};
use escrowd::domain::idempotency::{IdempotencyKey, IdempotencyRecord, Principal, RequestFingerprint, StoredReply};
use escrowd::domain::ids::EscrowId;
use escrowd::domain::time::Timestamp;
use escrowd::store::Audit;

use crate::audit::assert_finds;
use crate::database::Engine;
use crate::helpers::{START, TestDatabase, Trade, history, kobo, write};
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
        assert_finds(&audit_after("UPDATE instance SET mode = 'LIVE'"), &[9], "instance");
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
