//! `escrowd copy`: a database moves from a file to PostgreSQL and back.

use std::fs;
use std::path::{Path, PathBuf};

use postgres::{Client, NoTls};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::cluster;
use crate::service::{PDF, Service, check, run, said};

/// Rows of tables that a sandbox seldom fills, or never.
const OTHER_ROWS: &str = "
    INSERT INTO category (id, guard, merchant_id, owner_id, name, position, created_at)
    VALUES (1024, 1, 1, 'ada', 'Zo\u{eb}''s \\ \"roofs\"', 1, 1);
    INSERT INTO card (id, guard, merchant_id, customer_id, number, created_at)
    VALUES (1024, 1, 1, 'ada', '4242424242424242', 1);
    INSERT INTO whitelist_address (id, guard, merchant_id, customer_id, wallet_address, created_at)
    VALUES (1024, 1, 1, 'ada', '0xAbCdEf0123456789aBcDeF0123456789abcdef01', 1);
    INSERT INTO slow_withdrawal (merchant_id, transaction_id, due_at)
    SELECT 1, id, 1 FROM payment_transaction WHERE transaction_type = 'withdrawal' LIMIT 1;
    INSERT INTO notice_secret (merchant_id, provider, secret) VALUES (1, 'bank', 's3cret');
    INSERT INTO operator (id, guard, name, role, key_hash, created_at, checksum)
    VALUES (1024, 1, 'Efe', 'auditor', zeroblob(32), 1,
            row_checksum('id', 1024, 'guard', 1, 'name', 'Efe', 'role', 'auditor', 'key_hash', zeroblob(32),
                         'created_at', 1));
    INSERT INTO operator_merchant (operator_id, merchant_id) VALUES (1024, 1);
    INSERT INTO asked_ruling (escrow_id, asked_by, status, seller_amount, buyer_amount, checksum)
    SELECT id, 1024, 'SPLIT', 100, 200,
           row_checksum('escrow_id', id, 'asked_by', 1024, 'status', 'SPLIT', 'seller_amount', 100, 'buyer_amount', 200)
    FROM escrow WHERE state = 'OPENED' LIMIT 1;";

/// A folder with a database file in which a service has worked.
struct Used {
    folder: TempDir,
    file: String,
    /// A deal in dispute, with its evidence.
    disputed: Value,
}

/// Returns a path in a folder.
fn path_in(folder: &TempDir, name: &str) -> String {
    folder.path().join(name).to_str().unwrap().to_owned()
}

/// Makes a file with deals, a dispute with evidence, a vault and a deposit that waits.
fn used() -> Used {
    let folder = tempfile::tempdir().unwrap();
    let file = path_in(&folder, "escrowd.db");
    let service = Service::start(&file);
    let deal = service.funded();
    let (escrow, milestone) = (text(&deal, "/id"), text(&deal, "/milestones/0/id"));
    let path = format!("/v1/escrow/milestone/confirm/{escrow}/{milestone}");
    let released = service.send_with_key("POST", &path, "ben", "release", &json!({}));
    released.unwrap().ok();
    let disputed = service.funded();
    service.dispute(&text(&disputed, "/paymentToken")).ok();
    let stakes = json!({ "purpose": "A race", "participants": [
        { "customerId": "ada", "amount": 600 }, { "customerId": "ben", "amount": 400 },
    ] });
    service.post("/v1/escrow/vault/create", "", &stakes);
    let deposit = json!({ "amount": 2_500, "reference": "d-1", "transactionType": "deposit" });
    service.post("/v1/payment/create-intent", "ada", &deposit);
    drop(service);
    Used { folder, file, disputed }
}

fn text(body: &Value, pointer: &str) -> String {
    body.pointer(pointer).unwrap().as_str().unwrap().to_owned()
}

/// Returns what a finished copy has said.
#[track_caller]
fn copy(from: &str, to: &str) -> String {
    let output = run(&["copy", from, to]);
    let said = said(&output);
    assert!(output.status.success(), "{said}");
    said
}

/// Returns what a refused copy has said.
#[track_caller]
fn refusal(from: &str, to: &str) -> String {
    let output = run(&["copy", from, to]);
    let said = said(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    said
}

/// Returns the position, but for its time.
#[track_caller]
fn position(place: &str) -> Value {
    let output = run(&["position", place, "--json"]);
    assert!(output.status.success(), "{}", said(&output));
    let mut position: Value = serde_json::from_slice(&output.stdout).unwrap();
    position.as_object_mut().unwrap().remove("asOf").unwrap();
    position
}

/// Returns the number of tables and views, functions of tables, and collations in a database.
fn objects(url: &str) -> [i64; 3] {
    let sql = "SELECT (SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace),
                      (SELECT count(*) FROM pg_proc WHERE pronamespace = 'public'::regnamespace
                       AND prorettype = 'trigger'::regtype),
                      (SELECT count(*) FROM pg_collation WHERE collnamespace = 'public'::regnamespace)";
    let row = Client::connect(url, NoTls).unwrap().query_one(sql, &[]).unwrap();
    [row.get(0), row.get(1), row.get(2)]
}

/// Returns what is in a folder.
fn names_in(folder: &Path) -> Vec<PathBuf> {
    let mut names: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    names.sort();
    names
}

/// Fails unless the service shows what was there before, and goes on with greater ids.
#[track_caller]
fn goes_on(service: &Service, before: &Value) {
    let token = text(before, "/paymentToken");
    let shown = service.get(&format!("/v1/escrow/verify/{token}"), "ben");
    assert_eq!(shown["id"], before["id"], "{shown}");
    let url = text(&shown, "/dispute/0/proofUrl");
    let mut reply = ureq::get(&url).call().unwrap();
    assert_eq!(reply.body_mut().read_to_vec().unwrap(), PDF);
    let new = service.funded();
    assert!(text(&new, "/id") > text(before, "/id"), "{new}");
    // The record of a request came along, and the next one gets a number.
    let offer = json!({
        "amount": 100, "purpose": "Roof", "whoPays": "buyer",
        "milestones": [{ "title": "Frame", "amount": 60 }, { "title": "Tiles", "amount": 40 }],
    });
    let key = text(&new, "/id");
    let path = "/v1/escrow/milestone/create";
    let twice = [(); 2].map(|()| service.send_with_key("POST", path, "ada", &key, &offer).unwrap().ok());
    assert_eq!(twice[0], twice[1]);
}

#[test]
fn a_database_moves_to_postgres_and_back() {
    let Used { folder, file, disputed } = used();
    let url = cluster::new_database();
    let before = position(&file);
    let told = copy(&file, &url);
    assert!(told.contains("files 1") && told.contains("The copy is sound"), "{told}");
    assert_eq!(position(&url), before);
    let service = Service::start(&url);
    goes_on(&service, &disputed);
    let newest = service.funded();
    drop(service);
    check(&url);

    let before = position(&url);
    let back = path_in(&folder, "back.db");
    copy(&url, &back);
    assert_eq!(position(&back), before);
    let deep = run(&["check", &back, "--deep"]);
    assert!(deep.status.success(), "{}", said(&deep));
    let service = Service::start(&back);
    goes_on(&service, &disputed);
    assert!(text(&service.funded(), "/id") > text(&newest, "/id"));
    drop(service);
    check(&back);
}

/// Returns the number of rows of each table in a file.
fn counts(connection: &rusqlite::Connection) -> Vec<(String, i64)> {
    let sql = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%' ORDER BY name";
    let mut tables = connection.prepare(sql).unwrap();
    let tables = tables.query_map([], |row| row.get(0)).unwrap();
    let count = |table: String| {
        let rows = connection.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0));
        (table, rows.unwrap())
    };
    tables.map(|table| count(table.unwrap())).collect()
}

#[test]
fn the_rows_of_every_table_come_along() {
    let Used { folder, file, .. } = used();
    let environment = [("ESCROWD_WEBHOOKS_CALLBACK_URL", "http://127.0.0.1:1/hook")];
    let service = Service::start_with(&file, &environment);
    let at = format!("http://{}", service.address);
    for event in [
        "escrow.split",
        "payment.deposit.success",
        "payment.withdrawal.success",
        "payment.wallet_transfer.success",
    ] {
        let output = run(&["trigger", event, "--url", &at]);
        assert!(output.status.success(), "{}", said(&output));
    }
    let receipt = json!({ "amount": 70, "bankReference": "in-1", "valueDate": "2026-06-22" });
    service.post("/operator/receipts", "", &receipt);
    drop(service);
    let connection = rusqlite::Connection::open(&file).unwrap();
    escrowd::store::add_functions(&connection).unwrap();
    connection.execute_batch(OTHER_ROWS).unwrap();
    let before = counts(&connection);
    drop(connection);
    let empty: Vec<_> = before.iter().filter(|(_, rows)| *rows == 0).collect();
    assert_eq!(empty, [] as [&(String, i64); 0]);

    let url = cluster::new_database();
    copy(&file, &url);
    let mut client = Client::connect(&url, NoTls).unwrap();
    for (table, rows) in &before {
        let found = client.query_one(&format!("SELECT count(*) FROM {table}"), &[]);
        assert_eq!(found.unwrap().get::<_, i64>(0), *rows, "{table}");
    }
    let back = path_in(&folder, "back.db");
    copy(&url, &back);
    assert_eq!(counts(&rusqlite::Connection::open(back).unwrap()), before);
}

/// Files have them in replies of webhook endpoints from before the service replaced them.
#[test]
fn a_character_that_postgres_cannot_store_is_replaced() {
    let used = used();
    let connection = rusqlite::Connection::open(&used.file).unwrap();
    let attempt = "INSERT INTO delivery_attempt
                   SELECT min(id), 1, 0, 'http://127.0.0.1:9/', 500, NULL, 1, 'a' || char(0) || 'b' FROM event";
    connection.execute(attempt, []).unwrap();
    drop(connection);
    let url = cluster::new_database();
    copy(&used.file, &url);
    let mut client = Client::connect(&url, NoTls).unwrap();
    let answer = client.query_one("SELECT answer FROM delivery_attempt", &[]).unwrap();
    assert_eq!(answer.get::<_, &str>(0), "a\u{fffd}b");
}

#[test]
fn a_copy_goes_to_an_empty_place_only() {
    let Used { folder, file, .. } = used();
    let url = cluster::new_database();
    let mut client = Client::connect(&url, NoTls).unwrap();
    client.batch_execute("CREATE TABLE theirs (id BIGINT)").unwrap();
    let told = refusal(&file, &url);
    assert!(told.contains("it has 1 tables; create an empty database"), "{told}");
    assert_eq!(objects(&url), [1, 0, 0]);

    client.batch_execute("DROP TABLE theirs").unwrap();
    copy(&file, &url);
    let names = names_in(folder.path());
    let told = refusal(&url, &file);
    assert!(told.contains("escrowd.db exists already"), "{told}");
    assert_eq!(names_in(folder.path()), names);
}

#[test]
fn a_database_in_use_is_not_copied() {
    let Used { folder, file, .. } = used();
    let url = cluster::new_database();
    let service = Service::start(&file);
    let told = refusal(&file, &url);
    assert!(told.contains("is in use by the escrowd process"), "{told}");
    assert_eq!(objects(&url), [0, 0, 0]);
    drop(service);

    copy(&file, &url);
    let mut leader = Service::start(&url);
    let names = names_in(folder.path());
    let told = refusal(&url, &path_in(&folder, "back.db"));
    assert!(told.contains("a service uses it"), "{told}");
    // A moment after its start it is the leader, whose end shows sooner than another one leads.
    std::thread::sleep(std::time::Duration::from_secs(2));
    let service = Service::start(&url);
    leader.kill();
    let told = refusal(&url, &path_in(&folder, "back.db"));
    assert!(told.contains("a service uses it"), "{told}");
    assert_eq!(names_in(folder.path()), names);
    service.funded();
}

/// The server has ended the session by which a process that hangs listens to the others, and the
/// transaction of its writer. It goes on with new ones when it hangs no more.
#[test]
fn a_database_whose_service_hangs_is_not_copied() {
    let Used { folder, file, .. } = used();
    let url = cluster::new_database();
    copy(&file, &url);
    let service = Service::start(&url);
    service.funded();
    service.get("/v1/wallet", "ada");
    std::thread::sleep(std::time::Duration::from_secs(2));
    service.signal("STOP");
    let mut client = Client::connect(&url, NoTls).unwrap();
    let ended = client.query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE datname = current_database() AND pid <> pg_backend_pid() AND (query LIKE '%COMMIT%' OR pid IN (
             SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND mode = 'ExclusiveLock'))",
        &[],
    );
    assert!(!ended.unwrap().is_empty());
    let told = refusal(&url, &path_in(&folder, "back.db"));
    service.signal("CONT");
    assert!(told.contains("a service uses it"), "{told}");
}

#[test]
fn a_copy_within_one_engine_is_refused() {
    let told = refusal("one.db", "other.db");
    assert!(told.contains("`escrowd backup`"), "{told}");
    let told = refusal("postgres://db/one", "postgres://db/other");
    assert!(told.contains("pg_dump"), "{told}");
}

/// A ledger that is broken is found when its copy is committed.
#[test]
fn a_broken_ledger_leaves_nothing_behind() {
    let Used { folder, file, .. } = used();
    let connection = rusqlite::Connection::open(&file).unwrap();
    connection
        .execute(
            "UPDATE account SET balance = balance + 1 WHERE purpose = 'CUSTOMER_MAIN'",
            [],
        )
        .unwrap();
    drop(connection);
    let url = cluster::new_database();
    let told = refusal(&file, &url);
    assert!(told.contains("invariant 2"), "{told}");
    assert_eq!(objects(&url), [0, 0, 0]);

    let url = cluster::new_database();
    Service::start(&url).funded();
    let mut client = Client::connect(&url, NoTls).unwrap();
    client
        .batch_execute("UPDATE merchant SET event_count = event_count + 1")
        .unwrap();
    let names = names_in(folder.path());
    let told = refusal(&url, &path_in(&folder, "back.db"));
    assert!(told.contains("events"), "{told}");
    assert_eq!(names_in(folder.path()), names);
}
