//! A database of an earlier version becomes one of this version, and a process of the older build
//! neither writes nor serves after that.
//!
//! No released version of PostgreSQL databases precedes this build's. So a test makes an earlier
//! one from this build's, or migrates to a later one, with steps of its own.

use std::process::Stdio;
use std::thread;

use escrowd::domain::mode::Mode;
use escrowd::domain::time::Timestamp;
use escrowd::store::{Build, Preparation};
use postgres::{Client, NoTls};
use serde_json::{Value, json};

use crate::cluster;
use crate::service::{Answer, Service, check, refusal, refusal_to_serve};
use crate::waiting::until;

/// Turns a database of this build into one of an earlier version, with an index and a view of an
/// operator.
const EARLIER: &str = "
    ALTER TABLE escrow RENAME COLUMN purpose TO title;
    ALTER TABLE merchant DROP COLUMN country;
    DROP INDEX merchant_left_behind;
    DROP TRIGGER transfer_is_never_changed ON transfer;
    CREATE INDEX of_operator ON escrow (title);
    CREATE VIEW of_operator_too AS SELECT title FROM escrow;
    UPDATE schema_identity SET version = version - 1, hash = 'x'";

/// The step from there to this build's version, which cannot run twice.
const STEP: &str = r#"
    ALTER TABLE escrow RENAME COLUMN title TO purpose;
    ALTER TABLE merchant ADD COLUMN country TEXT COLLATE "C" CHECK (country ~ '^[A-Z][A-Z]$');
    CREATE INDEX merchant_left_behind ON merchant (left_at) WHERE left_at IS NOT NULL;
    CREATE TRIGGER transfer_is_never_changed BEFORE UPDATE ON transfer
        FOR EACH ROW EXECUTE FUNCTION refuse_change('a transfer is never changed');"#;

/// The change of a later version.
const LATER: &str = "ALTER TABLE merchant ADD COLUMN motto TEXT;";

/// The condition of a session that waits for a lock.
const WAITS: &str = "wait_event_type = 'Lock'";

/// Prepares a database as a start of a build does. An error is what it would say.
fn prepare(url: &str, build: &Build<'_>) -> Result<[u8; 32], String> {
    let preparation = Preparation {
        build,
        mode: Mode::Sandbox,
        currency: "NGN",
        now: Timestamp::EPOCH,
        secret: &[7; 32],
    };
    let prepared = preparation.run(&url.parse().unwrap());
    prepared.map_err(|error| error.to_string())
}

/// Returns this build with a step from the version before.
fn with_step<'a>(steps: &'a [&'a str; 1]) -> Build<'a> {
    Build {
        steps,
        ..Build::current()
    }
}

/// Returns a later build with a step from this one's version.
fn later<'a>(steps: &'a [&'a str; 1]) -> Build<'a> {
    let Build {
        version, statements, ..
    } = Build::current();
    Build {
        version: version + 1,
        statements: statements + LATER,
        steps,
    }
}

fn connect(url: &str) -> Client {
    Client::connect(url, NoTls).unwrap()
}

fn version(client: &mut Client) -> i64 {
    let row = client.query_one("SELECT version FROM schema_identity", &[]);
    row.unwrap().get(0)
}

/// Waits until at least this many sessions of the database meet a condition on `pg_stat_activity`.
fn wait_for_sessions(client: &mut Client, count: i64, condition: &str) {
    let sql = format!(
        "SELECT count(*) FROM pg_stat_activity
         WHERE datname = current_database() AND pid <> pg_backend_pid() AND {condition}"
    );
    until(&format!("{count} sessions have {condition}"), || {
        client.query_one(&sql, &[]).unwrap().get::<_, i64>(0) >= count
    });
}

/// Checks that a start, and every command that only reads, refuses the database for this reason.
#[track_caller]
fn assert_all_refuse(url: &str, reason: &str) {
    let reads: [&[&str]; 3] = [&["check", url], &["position", url], &["copy", url, "never.db"]];
    for said in reads.map(refusal).into_iter().chain([refusal_to_serve(url)]) {
        assert!(said.contains(reason), "{said}");
    }
}

#[test]
fn two_starts_at_once_migrate_an_earlier_version_once_with_all_its_rows() {
    if !cluster::is_installed() {
        return;
    }
    let url = cluster::new_database();
    let service = Service::start(&url);
    let deal = service.funded();
    drop(service);
    let mut client = connect(&url);
    client.batch_execute(EARLIER).unwrap();
    let secret: Vec<u8> = client
        .query_one("SELECT secret FROM shared_secret", &[])
        .unwrap()
        .get(0);

    // Both start while a group of commands is under way, so neither ends before the other begins.
    let mut group = connect(&url);
    let mut group = group.transaction().unwrap();
    group.batch_execute("SELECT FROM file_mark FOR UPDATE").unwrap();
    let prepared = thread::scope(|scope| {
        let starts = [(); 2].map(|()| scope.spawn(|| prepare(&url, &with_step(&[STEP])).unwrap()));
        wait_for_sessions(&mut client, 1, WAITS);
        wait_for_sessions(&mut client, 1, "query LIKE '%pg_try_advisory_xact_lock%'");
        group.rollback().unwrap();
        starts.map(|start| start.join().unwrap())
    });
    assert_eq!(prepared.map(Vec::from), [secret.clone(), secret]);

    check(&url);
    let service = Service::start(&url);
    let token = deal["paymentToken"].as_str().unwrap();
    let shown = service.get(&format!("/v1/escrow/verify/{token}"), "ben");
    assert_eq!((&shown["id"], &shown["purpose"]), (&deal["id"], &json!("Roof")));
    service.funded();
    drop(service);
    check(&url);
    let operators = client.query_one("SELECT count(*) FROM pg_class WHERE relname LIKE 'of_operator%'", &[]);
    assert_eq!(operators.unwrap().get::<_, i64>(0), 2);
}

#[test]
fn steps_that_lead_elsewhere_are_refused_and_change_nothing() {
    if !cluster::is_installed() {
        return;
    }
    let url = cluster::new_database();
    prepare(&url, &Build::current()).unwrap();
    let mut client = connect(&url);
    client.batch_execute(EARLIER).unwrap();
    let mut objects = || -> Vec<(String, i64)> {
        let sql = "SELECT nspname || '.' || relname, relnatts::bigint
                   FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
                   WHERE relnamespace::regnamespace::text !~ '^pg_' ORDER BY 1";
        let rows = client.query(sql, &[]).unwrap();
        rows.iter().map(|row| (row.get(0), row.get(1))).collect()
    };
    let before = objects();
    for (also, difference) in [
        ("DROP TABLE card", "it lacks the table card"),
        (
            "DROP INDEX merchant_left_behind",
            "it lacks the index merchant_left_behind of merchant",
        ),
        (
            "ALTER TABLE merchant ALTER COLUMN country TYPE VARCHAR(2) COLLATE \"C\"",
            "the column country of merchant is `character varying(2) COLLATE C` and not `text COLLATE C`",
        ),
        (
            "ALTER TABLE merchant DROP CONSTRAINT merchant_country_check",
            "it lacks the constraint CHECK ((country ~ '^[A-Z][A-Z]$'::text)) of merchant",
        ),
        (
            "ALTER TABLE merchant ADD COLUMN motto TEXT",
            "it has the column motto of merchant, which is not part of it",
        ),
        (
            "CREATE UNIQUE INDEX one_purpose ON escrow (purpose)",
            "it has the unique index one_purpose of escrow, which is not part of it",
        ),
        (
            "ALTER TABLE transfer DISABLE TRIGGER transfer_is_never_changed",
            "the trigger transfer_is_never_changed of transfer is",
        ),
        (
            "CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
            "the function refuse_change() is",
        ),
        (
            "ALTER TABLE transfer SET UNLOGGED",
            "the table transfer is `r u` and not `r p`",
        ),
        (
            "INSERT INTO nowhere VALUES (1)",
            "PostgreSQL: relation \"nowhere\" does not exist",
        ),
    ] {
        let step = format!("{STEP} {also}");
        let said = prepare(&url, &with_step(&[&step])).unwrap_err();
        assert!(said.contains(difference), "{said}");
        assert!(said.contains("it was left untouched"), "{said}");
        assert_eq!(objects(), before, "{also}");
    }
    assert_eq!(version(&mut client), i64::from(Build::current().version) - 1);
    prepare(&url, &with_step(&[STEP])).unwrap();
    check(&url);
}

#[test]
fn a_migration_that_is_cut_off_leaves_the_old_database_and_its_service() {
    if !cluster::is_installed() {
        return;
    }
    let url = cluster::new_database();
    let service = Service::start(&url);
    service.funded();
    let mut client = connect(&url);
    let step = format!("{LATER} SELECT pg_sleep(600)");
    let steps = [step.as_str()];
    let said = thread::scope(|scope| {
        let start = scope.spawn(|| prepare(&url, &later(&steps)).unwrap_err());
        wait_for_sessions(&mut client, 1, "wait_event = 'PgSleep'");
        // Neither a write nor a read goes past the migration.
        let read = scope.spawn(|| service.send("GET", "/v1/wallet", "ben", &Value::Null).unwrap());
        assert_refused(&write(&service), "busy");
        assert_refused(&read.join().unwrap(), "busy");
        let sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
        client.execute(sql, &[]).unwrap();
        start.join().unwrap()
    });
    assert!(said.contains("the database cannot be reached"), "{said}");
    service.funded();
    service.get("/v1/wallet", "ben");
    assert_eq!(version(&mut client), i64::from(Build::current().version));
    check(&url);
}

/// Creates an offer.
fn write(service: &Service) -> Answer {
    let offer = json!({
        "amount": 300, "purpose": "Roof", "whoPays": "buyer",
        "milestones": [{ "title": "Frame", "amount": 100 }, { "title": "Tiles", "amount": 200 }],
    });
    service
        .send("POST", "/v1/escrow/milestone/create", "ada", &offer)
        .unwrap()
}

#[track_caller]
fn assert_refused(answer: &Answer, code: &str) {
    assert_eq!(answer.status, 503, "{}", answer.body);
    assert_eq!(answer.body["code"], code, "{}", answer.body);
}

/// Fails unless a process of the older build ends in order and says why.
#[track_caller]
fn assert_ends(service: Service) {
    let (status, told) = service.ended();
    assert_eq!(status.code(), Some(1), "{told}");
    let newer = Build::current().version + 1;
    let message = format!("another process has migrated the database to schema version {newer}");
    assert!(told.contains(&message), "{told}");
    assert!(told.contains("replace this build"), "{told}");
}

#[test]
fn a_process_of_the_older_build_ends_when_another_migrates() {
    if !cluster::is_installed() {
        return;
    }
    let url = cluster::new_database();
    let services = [(); 2].map(|()| Service::start_and_tell(&url, &[], Stdio::piped()));
    services[0].funded();
    let mut client = connect(&url);
    client.batch_execute("SELECT pg_advisory_lock(1)").unwrap();
    let step = format!("{LATER} SELECT pg_advisory_xact_lock(1)");
    let steps = [step.as_str()];
    thread::scope(|scope| {
        let start = scope.spawn(|| prepare(&url, &later(&steps)).unwrap());
        wait_for_sessions(&mut client, 1, "wait_event = 'advisory'");
        // This request has one read, which begins before the commit of the migration and goes on
        // after it.
        let read = scope.spawn(|| services[0].send("GET", "/readyz", "", &Value::Null));
        wait_for_sessions(&mut client, 1, &format!("{WAITS} AND query LIKE '%READ ONLY%'"));
        client.batch_execute("SELECT pg_advisory_unlock(1)").unwrap();
        start.join().unwrap();
        // Without an answer, the process has ended before it read.
        if let Ok(read) = read.join().unwrap() {
            assert_eq!(read.status, 503, "{}", read.body);
        }
    });
    // Also the one without requests.
    services.into_iter().for_each(assert_ends);

    assert_all_refuse(&url, "a newer build has made or migrated it");
}

/// The notice of the migration is lost here, so nothing but the requests themselves meets the other
/// version.
#[test]
fn a_process_that_missed_the_notice_neither_writes_nor_serves() {
    if !cluster::is_installed() {
        return;
    }
    let url = cluster::new_database();
    let [service, writing] = [(); 2].map(|()| Service::start_and_tell(&url, &[], Stdio::piped()));
    let [first, second] = [(); 2].map(|()| service.funded()["paymentToken"].as_str().unwrap().to_owned());
    service.dispute(&first).ok();
    let shown = service.get(&format!("/v1/escrow/verify/{first}"), "ben");
    let (_, file) = shown["dispute"][0]["proofUrl"]
        .as_str()
        .unwrap()
        .rsplit_once("/files/")
        .unwrap();
    let mut client = connect(&url);
    let rows = |client: &mut Client| -> [i64; 3] {
        let sql = "SELECT (SELECT count(*) FROM escrow), (SELECT commits FROM file_mark),
                          (SELECT count(*) FROM file_content WHERE kept_at >= now() - interval '1 hour')";
        let row = client.query_one(sql, &[]).unwrap();
        [row.get(0), row.get(1), row.get(2)]
    };
    let mut migration = connect(&url);
    let mut migration = migration.transaction().unwrap();
    migration
        .batch_execute("LOCK TABLE file_mark IN EXCLUSIVE MODE")
        .unwrap();
    let before = rows(&mut client);
    // This group begins before the commit of the migration and goes on after it.
    let written = thread::scope(|scope| {
        let written = scope.spawn(|| write(&writing));
        wait_for_sessions(&mut client, 1, &format!("{WAITS} AND query LIKE '%FOR UPDATE%'"));
        migration
            .batch_execute("UPDATE schema_identity SET version = version + 1")
            .unwrap();
        migration.commit().unwrap();
        written.join().unwrap()
    });
    assert_refused(&written, "database_migrated");
    assert_ends(writing);

    let file = format!("/files/{file}");
    for (path, customer) in [("/v1/wallet", "ben"), ("/v1/escrow/feeds", ""), (&file, "")] {
        let read = service.send("GET", path, customer, &Value::Null).unwrap();
        assert_refused(&read, "database_migrated");
    }
    let ready = service.send("GET", "/readyz", "", &Value::Null).unwrap();
    assert_eq!(ready.status, 503, "{}", ready.body);
    assert_refused(&service.dispute(&second), "database_migrated");
    assert_refused(&write(&service), "database_migrated");
    assert_eq!(rows(&mut client), before);
    assert_ends(service);
}

#[test]
fn an_earlier_version_and_another_build_are_told_apart() {
    if !cluster::is_installed() {
        return;
    }
    let url = cluster::new_database();
    prepare(&url, &Build::current()).unwrap();
    let mut client = connect(&url);
    client.batch_execute("UPDATE schema_identity SET hash = 'x'").unwrap();
    assert_all_refuse(&url, "another build made it; use the build that made it");
    client.batch_execute("UPDATE schema_identity SET version = 1").unwrap();
    let said = refusal_to_serve(&url);
    assert!(
        said.contains("this build of escrowd migrates databases from version 2 on"),
        "{said}"
    );
}
