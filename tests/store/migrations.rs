//! Files of earlier versions become files of this version.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use escrowd::domain::mode::Mode;
use escrowd::store::{OpenError, check_structure};
use rusqlite::Connection;
use sha2::{Digest, Sha256};

use crate::helpers::{TestFile, Trade};
use crate::released::{FILES, Released, SCHEMAS, statements, statements_of};

/// The hashes of the schemas of released versions. A changed schema.sql is a new version: it
/// needs a migration, a copy of the released schema in `schemas`, and its hash here.
const SCHEMA_HASHES: [&str; 2] = [
    "912b6f59f943890a97dc33ea447eaebe2991aa4da00c1d8e60f998eb6594f0cb",
    "cc654d4ee49670a42c287234d689911d414e501ec0414bcd3b7b6d87c8d15ed2",
];

/// Writes a released file for a store of its mode.
fn released(file: &Released) -> TestFile {
    let mut test = TestFile::new();
    if file.mode == "live" {
        test.settings.mode = Mode::Live;
    }
    file.write(&test.path);
    test
}

/// Returns a hash of every row of the tables that both versions have, in the columns that
/// both have. The mark changes with every commit.
fn state(connection: &Connection, schema: &str) -> String {
    let both = Connection::open_in_memory().unwrap();
    both.execute_batch(schema).unwrap();
    let names = |connection: &Connection, sql: &str| -> Vec<String> {
        let mut statement = connection.prepare(sql).unwrap();
        let names = statement.query_map([], |row| row.get(0)).unwrap();
        names.map(Result::unwrap).collect()
    };
    let mut hash = Sha256::new();
    for table in names(
        &both,
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name <> 'file_mark' ORDER BY name",
    ) {
        let columns = names(
            &both,
            &format!("SELECT name FROM pragma_table_info('{table}') ORDER BY cid"),
        );
        let row = columns
            .iter()
            .map(|column| format!("quote({column})"))
            .collect::<Vec<_>>();
        let sql = format!("SELECT {} AS row FROM {table} ORDER BY row", row.join(" || ',' || "));
        hash.update(&table);
        for row in names(connection, &sql) {
            hash.update(row);
        }
    }
    hex::encode(hash.finalize())
}

fn version(connection: &Connection) -> u32 {
    connection
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .unwrap()
}

#[test]
fn a_changed_schema_is_a_new_version() {
    let hashes = SCHEMAS.map(|schema| hex::encode(Sha256::digest(statements_of(schema).join(";"))));
    assert_eq!(
        hashes, SCHEMA_HASHES,
        "schema.sql of a released version never changes; see \"A field\" in CONTRIBUTING.md"
    );
}

#[test]
fn a_file_of_each_version_is_migrated_with_all_its_rows() {
    for released_file in &FILES {
        let (number, mode) = (released_file.version, released_file.mode);
        let file = released(released_file);
        let schema = SCHEMAS[number as usize - 1];
        let before = state(&file.sqlite(), schema);
        file.open().close();

        let migrated = file.sqlite();
        assert_eq!(version(&migrated) as usize, SCHEMAS.len(), "{mode}");
        assert_eq!(
            statements(&migrated),
            statements_of(SCHEMAS[SCHEMAS.len() - 1]),
            "{mode}"
        );
        assert_eq!(
            state(&migrated, schema),
            before,
            "{mode}: the rows are those from before"
        );
        drop(migrated);
        file.assert_sound();
        assert_eq!(check_structure(&file.path).unwrap(), [""; 0], "{mode}");

        let kept = file.beside(&format!(".version-{number}"));
        assert_eq!(fs::metadata(&kept).unwrap().permissions().mode() & 0o777, 0o600);
        let kept = Connection::open(kept).unwrap();
        assert_eq!(version(&kept), number);
        assert_eq!(
            statements(&kept),
            statements_of(schema),
            "{mode}: the copy is as the file was"
        );
        assert_eq!(state(&kept, schema), before, "{mode}");
    }
}

#[test]
fn every_merchant_of_a_migrated_file_has_a_publishable_key_of_its_mode() {
    for released_file in FILES.iter().filter(|file| file.version == 1) {
        let file = released(released_file);
        file.open().close();
        let prefix = if released_file.mode == "live" {
            "pk_live_"
        } else {
            "pk_test_"
        };
        let migrated = file.sqlite();
        let mut statement = migrated
            .prepare("SELECT publishable_key FROM merchant WHERE left_at IS NULL")
            .unwrap();
        let keys: Vec<String> = statement
            .query_map([], |row| row.get(0))
            .unwrap()
            .map(Result::unwrap)
            .collect();
        assert!(!keys.is_empty());
        let is_right = |key: &String| key == "pk_test_default" || key.len() == prefix.len() + 32;
        assert!(
            keys.iter().all(|key| key.starts_with(prefix) && is_right(key)),
            "{keys:?}"
        );
    }
}

/// The term of the column `batch` with the number 1 in the checksum of a row.
const TERM_OF_BATCH_1: i32 = -1_536_493_959;

/// The bank may have the file of an export before the migration.
#[test]
fn a_pay_out_that_was_exported_before_is_in_a_batch() {
    for (exported_after_approval, batch) in [(-1, None), (0, Some(1)), (5, Some(1))] {
        let file = released(&FILES[0]);
        let before = file.sqlite();
        before
            .execute("UPDATE payout SET status = 'approved' WHERE status = 'requested'", [])
            .unwrap();
        let sql = "INSERT INTO operator_act (merchant_id, number, kind, subject, created_at, hash)
                   SELECT merchant_id, 99, 'payouts_exported', '1 pay-outs', updated_at + ?1, zeroblob(32)
                   FROM payout WHERE status = 'approved'";
        assert_eq!(before.execute(sql, [exported_after_approval]).unwrap(), 1);
        let checksum = |connection: &Connection| -> i32 {
            let sql = "SELECT checksum FROM payout WHERE status = 'approved'";
            connection.query_row(sql, [], |row| row.get(0)).unwrap()
        };
        let checksum_before = checksum(&before);
        drop(before);
        file.open().close();
        let migrated = file.sqlite();
        let sql = "SELECT batch FROM payout WHERE status = 'approved'";
        let found: Option<i64> = migrated.query_row(sql, [], |row| row.get(0)).unwrap();
        assert_eq!(found, batch, "{exported_after_approval}");
        let term = batch.map_or(0, |_| TERM_OF_BATCH_1);
        assert_eq!(checksum(&migrated), checksum_before.wrapping_add(term));
    }
}

#[test]
fn a_migrated_file_is_written_closed_and_opened_as_any_other() {
    let file = released(&FILES[1]);
    let store = file.open();
    Trade::of_key(&store, 9).top_up("ada", 100_000);
    store.close();
    drop(store);
    let mark = |column: &str| -> i64 {
        let sql = format!("SELECT {column} FROM file_mark");
        file.sqlite().query_row(&sql, [], |row| row.get(0)).unwrap()
    };
    assert_eq!(mark("is_open"), 0);
    let cookie: i64 = file
        .sqlite()
        .pragma_query_value(None, "schema_version", |row| row.get(0))
        .unwrap();
    assert_eq!(mark("schema_cookie"), cookie, "the file is no copy that SQLite made");
    assert!(!file.beside("-wal").exists());
    file.open().close();
    file.assert_sound();
    assert!(!file.beside(".version-1-2").exists(), "it was migrated once");
}

#[test]
fn an_older_file_is_read_by_the_service_only() {
    let file = released(&FILES[0]);
    let bytes = fs::read(&file.path).unwrap();
    for refusal in [
        escrowd::store::audit(&file.path.clone().into(), &mut |_, _| {}).unwrap_err(),
        check_structure(&file.path).unwrap_err(),
        escrowd::store::position(&file.path.clone().into()).unwrap_err(),
    ] {
        let message = refusal.to_string();
        for words in ["schema version 1", "version 2", "`escrowd serve`", "migrates it once"] {
            assert!(message.contains(words), "{message}");
        }
    }
    assert_eq!(fs::read(&file.path).unwrap(), bytes);
    file.open().close();
    let kept = file.beside(".version-1");
    let refusal = escrowd::store::audit(&kept.clone().into(), &mut |_, _| {})
        .unwrap_err()
        .to_string();
    assert!(refusal.contains("by the escrowd that made it only"), "{refusal}");
}

#[test]
fn a_file_of_another_mode_or_currency_is_not_migrated() {
    for change in [
        (|file: &mut TestFile| file.settings.mode = Mode::Live) as fn(&mut TestFile),
        |file| file.settings.currency = "GHS".to_owned(),
    ] {
        let mut file = released(&FILES[1]);
        let bytes = fs::read(&file.path).unwrap();
        change(&mut file);
        assert!(matches!(file.try_open(), Err(OpenError::OtherInstance { .. })));
        assert_eq!(fs::read(&file.path).unwrap(), bytes);
        assert!(!file.beside(".version-1").exists());
    }
}

/// Commits that a killed service left in the log are in the file that is migrated, and in the
/// copy that is kept.
#[test]
fn a_file_whose_last_commits_are_in_its_log_is_migrated_with_them() {
    let file = released(&FILES[1]);
    let connection = file.sqlite();
    connection.pragma_update(None, "wal_autocheckpoint", 0).unwrap();
    let sql = "BEGIN; UPDATE file_mark SET commits = commits + 1, is_open = 1; UPDATE category SET name = 'From the log'; COMMIT";
    connection.execute_batch(sql).unwrap();
    let killed = TestFile::new();
    for suffix in ["", "-wal"] {
        fs::copy(file.beside(suffix), killed.beside(suffix)).unwrap();
    }
    drop(connection);
    killed.open().close();
    for path in [killed.path.clone(), killed.beside(".version-1")] {
        let name = Connection::open(&path).unwrap();
        let name: String = name
            .query_row("SELECT name FROM category", [], |row| row.get(0))
            .unwrap();
        assert_eq!(name, "From the log", "{}", path.display());
    }
}

/// A reader prevents that the migration reaches the file, and moves it there when it closes
/// last. The file is then whole without its log.
#[test]
fn a_reader_of_the_old_rows_delays_a_migration_and_loses_nothing() {
    let file = released(&FILES[1]);
    let reader = file.sqlite();
    reader.execute_batch("BEGIN").unwrap();
    let categories: i64 = reader
        .query_row("SELECT count(*) FROM category", [], |row| row.get(0))
        .unwrap();
    assert!(categories > 0);
    let message = file.refusal();
    for words in ["another program is reading the file", "the migration itself is done"] {
        assert!(message.contains(words), "{message}");
    }
    assert!(fs::metadata(file.beside("-wal")).unwrap().len() > 0);
    drop(reader);
    file.open().close();
    file.assert_sound();
    assert_eq!(version(&file.sqlite()) as usize, SCHEMAS.len());
}

#[test]
fn a_damaged_copy_of_an_earlier_start_is_named() {
    let file = released(&FILES[1]);
    // The schema that such a migration would lead to is another one, so it is refused after
    // the copy was made.
    file.sqlite()
        .execute_batch("ALTER TABLE card ADD COLUMN colour TEXT")
        .unwrap();
    file.refusal();
    let kept = file.beside(".version-1");
    let mut bytes = fs::read(&kept).unwrap();
    let half = bytes.len() / 2;
    bytes.truncate(half);
    fs::write(&kept, bytes).unwrap();
    let message = file.refusal();
    for words in ["test.db.version-1", "damaged", "move it away", "nothing was changed"] {
        assert!(message.contains(words), "{message}");
    }
}

#[test]
fn a_file_that_does_not_become_this_schema_is_left_as_it_was() {
    let file = released(&FILES[1]);
    let sql = "ALTER TABLE card ADD COLUMN colour TEXT";
    file.sqlite().execute_batch(sql).unwrap();
    let before = state(&file.sqlite(), SCHEMAS[0]);
    let message = file.refusal();
    for words in ["schema version 1", "another build of escrowd", "nothing was changed"] {
        assert!(message.contains(words), "{message}");
    }
    assert_eq!(version(&file.sqlite()), 1);
    assert_eq!(state(&file.sqlite(), SCHEMAS[0]), before);
    // The copy is of this state, so that a service which is started again and again keeps one.
    assert_eq!(file.refusal(), message);
    assert!(file.beside(".version-1").exists() && !file.beside(".version-1-2").exists());
}

#[test]
fn a_row_without_the_one_that_it_names_prevents_a_migration() {
    let file = released(&FILES[1]);
    let connection = file.sqlite();
    connection.pragma_update(None, "foreign_keys", 0).unwrap();
    connection
        .execute_batch("UPDATE card SET customer_id = 'nobody'")
        .unwrap();
    drop(connection);
    let message = file.refusal();
    assert!(
        message.contains("a row of card names one of customer that does not exist"),
        "{message}"
    );
    assert_eq!(version(&file.sqlite()), 1);
}

/// A copy of another state, such as of an earlier upgrade that was taken back, stays.
#[test]
fn a_copy_of_another_state_is_kept_beside_the_new_one() {
    let file = released(&FILES[1]);
    let earlier = file.beside(".version-1");
    FILES[0].write(&earlier);
    let bytes = fs::read(&earlier).unwrap();
    file.open().close();
    assert_eq!(fs::read(&earlier).unwrap(), bytes);
    assert!(file.beside(".version-1-2").exists());
}
