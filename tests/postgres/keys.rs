//! Keys that one process changes and another one takes.

use std::process::Command;
use std::thread;

use postgres::{Client, NoTls};
use serde_json::{Value, json};

use crate::cluster::{self, Cluster};
use crate::service::{Service, escrowd, said};
use crate::waiting::{until, until_some};

/// The session of the server for a process that is not the leader, which listens to the others. It
/// stands still until it is dropped.
struct StoppedListener(String);

impl StoppedListener {
    fn of(client: &mut Client) -> Self {
        let sql = "SELECT pid FROM pg_stat_activity WHERE query LIKE 'SELECT pg_try_advisory_lock%' AND state = 'idle'";
        let stopped = until_some("a single process listens beside the leader", || {
            match client.query(sql, &[]).unwrap().as_slice() {
                [row] => Some(Self(row.get::<_, i32>(0).to_string())),
                _ => None,
            }
        });
        stopped.signal("STOP");
        stopped
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.0]).status();
        assert!(sent.unwrap().success());
    }
}

impl Drop for StoppedListener {
    fn drop(&mut self) {
        self.signal("CONT");
    }
}

fn wait_for_leader(client: &mut Client) {
    let sql = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND mode = 'ExclusiveLock' AND granted";
    until("a process is the leader", || {
        !client.query(sql, &[]).unwrap().is_empty()
    });
}

/// A process that hears nothing of the others learns of a change with its next command, in the
/// transaction of that command.
#[test]
fn a_revoked_key_changes_nothing_in_a_process_that_hears_nothing() {
    if !cluster::is_installed() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let cluster = Cluster::start(folder.path(), &[]);
    let url = cluster.url("postgres");
    let created = escrowd()
        .args(["operator", "--database", &url, "create", "Ada Obi", "--role", "admin"])
        .env("ESCROWD_MODE", "live")
        .output()
        .unwrap();
    let created = said(&created);
    let admin = created.split_whitespace().find(|word| word.starts_with("op_live_"));
    let admin = admin.unwrap_or_else(|| panic!("no key: {created}"));

    let mut client = Client::connect(&url, NoTls).unwrap();
    // The time after which a process notices that its listening session hangs.
    let environment = [("ESCROWD_MODE", "live"), ("ESCROWD_STORAGE_READ_SECONDS_MAX", "60")];
    let first = Service::start_with(&url, &environment);
    wait_for_leader(&mut client);
    let second = Service::start_with(&url, &environment);
    let by_admin = |path: &str, body: Value| first.send_as(admin, "POST", path, &body);
    let made = by_admin("/operator/merchants", json!({ "name": "acme" })).ok();
    let (id, key) = (
        made["key"]["id"].as_str().unwrap(),
        made["key"]["key"].as_str().unwrap(),
    );

    let mut phone = 8_000_000_000_u64;
    let mut register = |service: &Service| {
        phone += 1;
        let body = json!({
            "firstname": "Ben", "lastname": "Obi", "email": format!("{phone}@shop.example"), "phone": format!("0{phone}"),
        });
        service.send_as(key, "POST", "/v1/customer/create", &body)
    };
    for _ in 0..20 {
        register(&second).ok();
    }
    let stopped = StoppedListener::of(&mut client);
    // What other processes change is no reason to take the key for revoked.
    register(&first).ok();
    register(&second).ok();
    let revoke = format!("/operator/keys/{id}/revoke");
    by_admin(&revoke, json!({ "reason": "it was on a laptop that is gone" })).ok();
    let refused = register(&second);
    assert_eq!(refused.status, 403, "{}", refused.body);
    drop(stopped);
}

/// The request is authenticated before the revocation, and its writes begin after it.
#[test]
fn an_operator_revoked_meanwhile_discards_no_deliveries() {
    if !cluster::is_installed() {
        return;
    }
    let url = cluster::new_database();
    let created = escrowd()
        .args(["operator", "--database", &url, "create", "Ada Obi", "--role", "admin"])
        .env("ESCROWD_MODE", "live")
        .output()
        .unwrap();
    let created = said(&created);
    let admin = created.split_whitespace().find(|word| word.starts_with("op_live_"));
    let admin = admin.unwrap_or_else(|| panic!("no key: {created}"));
    let service = Service::start_with(&url, &[("ESCROWD_MODE", "live")]);
    let set = |endpoint: Value| service.send_as(admin, "PUT", "/operator/callback", &json!({ "url": endpoint }));
    service
        .send_as(admin, "POST", "/operator/merchants", &json!({ "name": "acme" }))
        .ok();
    set(Value::Null).ok();

    let (mut client, mut watcher) = (
        Client::connect(&url, NoTls).unwrap(),
        Client::connect(&url, NoTls).unwrap(),
    );
    // A delivery that is left of the endpoint. Its event is of no importance.
    client
        .batch_execute(
            "BEGIN; SELECT 1 FROM file_mark FOR UPDATE;
             SET LOCAL session_replication_role = replica;
             INSERT INTO delivery (id, event_id, merchant_id, due_at) SELECT 1, 1, id, 9000000000000 FROM merchant",
        )
        .unwrap();
    let refused = thread::scope(|scope| {
        let refused = scope.spawn(|| set(json!("https://shop.example/events")));
        let sql = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()";
        until("a write waits", || !watcher.query(sql, &[]).unwrap().is_empty());
        client
            .batch_execute("UPDATE operator SET revoked_at = 1; COMMIT")
            .unwrap();
        refused.join().unwrap()
    });
    assert_eq!(refused.status, 403, "{}", refused.body);
    let left = watcher.query_one("SELECT count(*) FROM delivery", &[]).unwrap();
    assert_eq!(left.get::<_, i64>(0), 1);
}
