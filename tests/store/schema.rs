//! The schema's constraints, which hold for every program that writes to a file.

use escrowd::domain::fees::WhoPays;
use rusqlite::types::FromSql;
use rusqlite::{Connection, params};

use crate::helpers::{History, TRANSFER_COLUMNS, TestFile, history};

/// Opens a plain SQLite connection with foreign keys to a file with a history.
fn used_file() -> (TestFile, History, Connection) {
    let file = TestFile::new();
    let store = file.open();
    let history = history(&store, &file.clock);
    store.close();
    let connection = file.sqlite();
    connection.pragma_update(None, "foreign_keys", 1).unwrap();
    (file, history, connection)
}

fn pragma<T: FromSql>(connection: &Connection, name: &str) -> T {
    connection.pragma_query_value(None, name, |row| row.get(0)).unwrap()
}

/// Asserts that a statement fails with this reason.
#[track_caller]
fn refuses(connection: &Connection, sql: &str, parameters: impl rusqlite::Params, reason: &str) {
    match connection.execute(sql, parameters) {
        Ok(changed) => panic!("{sql} changed {changed} rows"),
        Err(error) => assert!(error.to_string().contains(reason), "{sql}: {error}"),
    }
}

#[test]
fn every_table_is_strict() {
    let (_file, _, connection) = used_file();
    let mut tables = connection
        .prepare("SELECT name, strict FROM pragma_table_list WHERE schema = 'main' AND name NOT LIKE 'sqlite%'")
        .unwrap();
    let tables: Vec<(String, bool)> = tables
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    assert!(tables.len() >= 11, "{tables:?}");
    for (table, is_strict) in tables {
        assert!(is_strict, "{table}");
    }
}

#[test]
fn the_file_is_marked_as_ours() {
    let (_file, _, connection) = used_file();
    assert_eq!(pragma::<i64>(&connection, "application_id"), 0x4553_4352);
    assert_eq!(pragma::<i64>(&connection, "user_version"), 2);
    assert_eq!(pragma::<String>(&connection, "journal_mode"), "wal");
    assert_eq!(pragma::<i64>(&connection, "page_size"), 2048);
}

#[test]
fn the_schema_in_the_file_is_schema_sql() {
    let (_file, _, connection) = used_file();
    let plain = Connection::open_in_memory().unwrap();
    plain.execute_batch(include_str!("../../schema.sql")).unwrap();
    let statements = |connection: &Connection| -> Vec<Option<String>> {
        let mut statement = connection
            .prepare("SELECT sql FROM sqlite_schema ORDER BY type, name")
            .unwrap();
        let rows = statement.query_map([], |row| row.get(0)).unwrap();
        rows.map(Result::unwrap).collect()
    };
    assert_eq!(statements(&connection), statements(&plain));
}

#[test]
fn every_relation_and_every_page_of_a_used_file_is_whole() {
    let (_file, _, connection) = used_file();
    assert_eq!(pragma::<String>(&connection, "integrity_check"), "ok");
    let broken = connection
        .prepare("PRAGMA foreign_key_check")
        .unwrap()
        .exists([])
        .unwrap();
    assert!(!broken);
}

#[test]
fn a_transfer_is_never_changed_and_never_deleted() {
    let (file, _, connection) = used_file();
    for column in TRANSFER_COLUMNS {
        let sql = format!("UPDATE transfer SET {column} = {column} WHERE id = 3");
        refuses(&connection, &sql, [], "a transfer is never changed");
    }
    refuses(
        &connection,
        "DELETE FROM transfer WHERE id = 3",
        [],
        "a transfer is never deleted",
    );
    refuses(&connection, "DELETE FROM transfer", [], "a transfer is never deleted");
    file.assert_sound();
}

#[test]
fn a_transfer_moves_something_from_one_account_to_another() {
    let (_file, _, connection) = used_file();
    let insert =
        "INSERT INTO transfer (id, merchant_id, kind, debit_account_id, credit_account_id, amount, created_at, hash)
                  VALUES (1000, 1, ?1, ?2, ?3, ?4, 0, ?5)";
    let hash = [7_u8; 32];
    let check = "CHECK constraint failed";
    refuses(&connection, insert, params!["TOP_UP", 1, 2, 0, hash], check);
    refuses(&connection, insert, params!["TOP_UP", 1, 2, -1, hash], check);
    refuses(&connection, insert, params!["TOP_UP", 2, 2, 1, hash], check);
    refuses(&connection, insert, params!["GIFT", 1, 2, 1, hash], check);
    refuses(&connection, insert, params!["TOP_UP", 1, 2, 1, [7_u8; 31]], check);
    refuses(
        &connection,
        insert,
        params!["TOP_UP", 1, 2, 1.5, hash],
        "cannot store REAL",
    );
    refuses(&connection, insert, params!["TOP_UP", 1, 9_999, 1, hash], "FOREIGN KEY");
    assert_eq!(connection.execute(insert, params!["TOP_UP", 1, 2, 1, hash]), Ok(1));
}

#[test]
fn only_the_outside_world_goes_below_zero() {
    let (_file, _, connection) = used_file();
    let set = "UPDATE account SET balance = ?2 WHERE purpose = ?1 AND merchant_id = 1";
    let max: i64 = 9_007_199_254_740_991;
    for purpose in ["CUSTOMER_MAIN", "CUSTOMER_ESCROW", "MERCHANT_MAIN", "PLATFORM_FEES"] {
        refuses(&connection, set, params![purpose, -1], "CHECK");
        refuses(&connection, set, params![purpose, max + 1], "CHECK");
        assert!(connection.execute(set, params![purpose, max]).unwrap() > 0);
    }
    refuses(&connection, set, params!["OUTSIDE_WORLD", 1], "CHECK");
    refuses(&connection, set, params!["OUTSIDE_WORLD", -max - 1], "CHECK");
    assert_eq!(connection.execute(set, params!["OUTSIDE_WORLD", -max]), Ok(1));
    refuses(&connection, set, params!["OUTSIDE_WORLD", i64::MIN], "CHECK");
}

#[test]
fn an_owner_has_one_account_for_each_purpose() {
    let (_file, _, connection) = used_file();
    let insert = "INSERT INTO account (id, merchant_id, customer_id, purpose, updated_at, checksum) VALUES (1000, 1, ?1, ?2, 0, 0)";
    refuses(&connection, insert, params!["ada", "CUSTOMER_MAIN"], "UNIQUE");
    refuses(&connection, insert, params![None::<&str>, "OUTSIDE_WORLD"], "UNIQUE");
    refuses(&connection, insert, params![None::<&str>, "CUSTOMER_MAIN"], "CHECK");
    refuses(&connection, insert, params!["ada", "MERCHANT_MAIN"], "CHECK");
    refuses(&connection, insert, params!["ada", "POCKET"], "CHECK");
    refuses(&connection, insert, params!["nobody", "CUSTOMER_MAIN"], "FOREIGN KEY");
}

#[test]
fn an_escrow_is_in_one_of_the_known_states() {
    let (_file, history, connection) = used_file();
    let set = "UPDATE escrow SET state = ?2 WHERE id = ?1";
    for state in ["OPEN", "opened", "ONGOING", "AWAITING_PAYMENT"] {
        refuses(&connection, set, params![history.open.number(), state], "CHECK");
    }
}

#[test]
fn an_open_escrow_has_a_buyer_and_a_payment() {
    let (_file, history, connection) = used_file();
    for column in ["buyer_id", "payment_id", "payment_amount", "paid_at"] {
        let sql = format!("UPDATE escrow SET {column} = NULL WHERE id = ?1");
        refuses(&connection, &sql, [history.open.number()], "CHECK");
    }
    let open = "UPDATE escrow SET state = 'OPENED' WHERE id = ?1";
    refuses(&connection, open, [history.offered.number()], "CHECK");
    let take_back = "UPDATE escrow SET state = 'AWAITING_PAYMENT' WHERE id = ?1";
    refuses(&connection, take_back, [history.open.number()], "CHECK");
}

#[test]
fn an_escrow_has_valid_terms() {
    let (_file, history, connection) = used_file();
    for change in [
        "who_pays = 'seller'",
        "who_pays = 'both'",
        "buyer_id = seller_id",
        "amount = 0",
        "fee = -1",
        "commission = fee + 1",
        "buyer_fee = fee + 1",
        "buyer_fee = fee - 1",
        "fee = amount + 1",
        "amount = 9007199254740992",
        "max_delivery = 366",
        "total_quantity = 0",
        "settlement_type = 'GIFT'",
        "delivery_timeline = 'weeks'",
    ] {
        let sql = format!("UPDATE escrow SET {change} WHERE id = ?1");
        refuses(&connection, &sql, [history.open.number()], "CHECK");
    }
    let standard = "UPDATE escrow SET who_pays = ?2, buyer_fee = 0 WHERE id = ?1";
    let seller = params![history.standard_open.number(), WhoPays::Seller.into_str()];
    assert_eq!(
        connection.execute(standard, seller),
        Ok(1),
        "a standard escrow's seller may pay"
    );
}

#[test]
fn a_milestone_has_a_valid_state_and_a_number_after_its_escrow() {
    let (_file, history, connection) = used_file();
    let escrow = history.open.number();
    for (position, change) in [
        (0, "is_released = 2"),
        (1, "is_released = -1"),
        (1, "amount = 0"),
        (1, "id = escrow_id"),
        (1, "id = escrow_id + 1001"),
    ] {
        let sql = format!("UPDATE milestone SET {change} WHERE escrow_id = ?1 AND position = ?2");
        refuses(&connection, &sql, params![escrow, position], "CHECK");
    }
    let twice = "UPDATE milestone SET id = id - 1 WHERE escrow_id = ?1 AND position = 1";
    refuses(&connection, twice, [escrow], "UNIQUE");
    let elsewhere = "UPDATE milestone SET id = id + 1024 * 1000 WHERE escrow_id = ?1 AND position = 1";
    refuses(&connection, elsewhere, [escrow], "FOREIGN KEY");
}

#[test]
fn a_customer_has_valid_permissions_and_a_reason_for_a_block() {
    let (_file, _, connection) = used_file();
    for change in [
        "can_buy = 2",
        "can_sell = -1",
        "can_withdraw = 2",
        "blocked_at = 1",
        "blocked_reason = 'x'",
    ] {
        let sql = format!("UPDATE customer SET {change} WHERE id = 'ada'");
        refuses(&connection, &sql, [], "CHECK");
    }
}

#[test]
fn email_address_and_phone_are_unique_for_a_merchant() {
    let (_file, _, connection) = used_file();
    connection.execute("DELETE FROM customer_profile", []).unwrap();
    let insert = "INSERT INTO customer_profile (merchant_id, customer_id, email, phone, bvn, country)
                  VALUES (1, ?1, ?2, ?3, ?4, ?5)";
    let (email, phone) = ("a@b.example", "08012345678");
    let bvn = None::<&str>;
    refuses(
        &connection,
        insert,
        params!["ada", "A@b.example", phone, bvn, "NG"],
        "CHECK",
    );
    refuses(
        &connection,
        insert,
        params!["ada", email, "8012345678", bvn, "NG"],
        "CHECK",
    );
    refuses(&connection, insert, params!["ada", email, phone, "123", "NG"], "CHECK");
    refuses(&connection, insert, params!["ada", email, phone, bvn, "us"], "CHECK");
    refuses(
        &connection,
        insert,
        params!["ada", email, "+0801234567", bvn, "US"],
        "CHECK",
    );
    refuses(
        &connection,
        insert,
        params!["nobody", email, phone, bvn, "NG"],
        "FOREIGN KEY",
    );
    assert_eq!(
        connection.execute(insert, params!["ada", email, phone, bvn, "NG"]),
        Ok(1)
    );
    let other = "08099999999";
    refuses(&connection, insert, params!["ben", email, other, bvn, "NG"], "UNIQUE");
    refuses(
        &connection,
        insert,
        params!["ben", "c@d.example", phone, bvn, "GH"],
        "UNIQUE",
    );
    let nothing = params!["ben", None::<&str>, None::<&str>, bvn, "NG"];
    assert_eq!(connection.execute(insert, nothing), Ok(1));
}

#[test]
fn a_file_has_one_instance_row() {
    let (_file, _, connection) = used_file();
    let insert =
        "INSERT INTO instance (only_row, mode, currency, created_at, checksum) VALUES (?1, 'SANDBOX', 'USD', 0, 0)";
    refuses(&connection, insert, [1], "UNIQUE");
    refuses(&connection, insert, [2], "CHECK");
    refuses(&connection, "UPDATE instance SET mode = 'DEMO'", [], "CHECK");
}

#[test]
fn a_payment_detail_has_known_words_and_a_payment() {
    let (_file, _, connection) = used_file();
    let entry: i64 = connection
        .query_row("SELECT max(id) FROM payment_transaction", [], |row| row.get(0))
        .unwrap();
    let insert = "INSERT INTO payment_detail (transaction_id, status, fee, settled_at, method, details, checksum)
                  VALUES (?1, ?2, ?3, ?4, ?5, '{}', 0)";
    let check = "CHECK constraint failed";
    refuses(&connection, insert, params![entry, "done", 0, 1, "BANK"], check);
    refuses(&connection, insert, params![entry, "success", 0, 1, "CASH"], check);
    refuses(&connection, insert, params![entry, "success", -1, 1, "BANK"], check);
    refuses(
        &connection,
        insert,
        params![entry, "success", 0, None::<i64>, "BANK"],
        check,
    );
    refuses(&connection, insert, params![entry, "pending", 0, 1, "BANK"], check);
    refuses(
        &connection,
        insert,
        params![999, "success", 0, 1, "BANK"],
        "FOREIGN KEY constraint failed",
    );
}

#[test]
fn an_address_is_whitelisted_once_in_any_letter_case() {
    let (_file, _, connection) = used_file();
    let insert = "INSERT INTO whitelist_address (id, guard, merchant_id, customer_id, wallet_address, created_at)
                  VALUES (?1, 0, 1, 'ada', ?2, 0)";
    assert_eq!(connection.execute(insert, params![1, "0xAB"]), Ok(1));
    refuses(&connection, insert, params![2, "0xab"], "UNIQUE constraint failed");
}
