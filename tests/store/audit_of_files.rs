//! The audit of a file: what it leaves alone, what it refuses, and damage that only a file can
//! have.

use std::fs;
use std::sync::LazyLock;

use escrowd::store::{OpenError, audit, check_structure};

use crate::audit::assert_finds;
use crate::helpers::{Random, TestFile, history};

/// A closed file with a history, shared by all tests here.
static SOUND: LazyLock<TestFile> = LazyLock::new(|| {
    let file = TestFile::new();
    let store = file.open();
    history(&store, &file.clock);
    store.close();
    file
});

#[test]
fn an_audit_changes_nothing() {
    let file = TestFile::copy_of(&SOUND);
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
fn damage_below_the_ledger_is_found_when_asked_for() {
    assert_eq!(check_structure(&SOUND.path).unwrap(), Vec::<String>::new());
    let file = TestFile::copy_of(&SOUND);
    let connection = file.sqlite();
    connection.pragma_update(None, "foreign_keys", 0).unwrap();
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

    let file = TestFile::copy_of(&SOUND);
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
fn a_transfer_replaced_past_the_triggers_is_found() {
    // SQLite runs no delete trigger for a row that REPLACE removes.
    let file = TestFile::copy_of(&SOUND);
    let transfer: i64 = SOUND
        .sqlite()
        .query_row(
            "SELECT id FROM transfer WHERE kind = 'RELEASE' ORDER BY id LIMIT 1",
            [],
            |row| row.get(0),
        )
        .unwrap();
    let sql = "INSERT OR REPLACE INTO transfer SELECT id, merchant_id, kind, debit_account_id, credit_account_id,
                   amount + 1, escrow_id, created_at, hash FROM transfer WHERE id = ?1";
    assert_eq!(file.sqlite().execute(sql, [transfer]), Ok(1));
    assert_finds(&file.audit(), &[7, 2, 6], &format!("transfer {transfer} "));
}

#[test]
fn a_flipped_byte_anywhere_in_the_file_causes_no_panic() {
    let mut random = Random(0x2545_f491_4f6c_dd1d);
    let sound = fs::read(&SOUND.path).unwrap();
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

#[test]
fn a_missing_or_changed_file_is_found() {
    let name = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855.png";
    let file = TestFile::copy_of(&SOUND);
    let connection = file.sqlite();
    connection.pragma_update(None, "foreign_keys", 0).unwrap();
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

/// A check that cannot read a file cannot send its reader to itself.
#[test]
fn a_file_that_was_cut_off_is_damaged_and_not_a_case_for_another_check() {
    let bytes = fs::read(&SOUND.path).unwrap();
    for kept in [bytes.len() / 2, bytes.len() / 8, 4096, 2048] {
        let file = TestFile::copy_of(&SOUND);
        fs::write(&file.path, &bytes[..kept]).unwrap();
        for outcome in [
            audit(&file.path.clone().into(), &mut |_, _| {}).map(drop),
            check_structure(&file.path).map(drop),
        ] {
            let message = outcome.err().map_or_else(String::new, |error| error.to_string());
            assert!(!message.contains("`escrowd check`"), "{kept}: {message}");
            assert!(
                message.is_empty() || message.contains("is damaged"),
                "{kept}: {message}"
            );
        }
    }
}
