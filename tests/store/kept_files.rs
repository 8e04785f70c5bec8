//! Blobs, across refusals, restarts and crashes.

use std::collections::HashSet;
use std::fs;
use std::io::Read;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::thread;

use escrowd::commands::standard_escrows;
use escrowd::domain::escrow::Escrow;
use escrowd::domain::fees::WhoPays;
use escrowd::domain::file::{FileKind, FileName};
use escrowd::store::{OpenedFile, Step, Store, backup};

use crate::helpers::{TestDatabase, TestFile, Trade, policy, terms, wait_for, write};

const PICTURE: &[u8] = b"\x89PNG a drawing";

fn keep(store: &Store, bytes: &[u8]) -> FileName {
    let files = [(FileKind::Png, bytes.to_vec())];
    store.keep_files(&files).unwrap()[0]
}

/// Offers an escrow with this picture.
fn offer(store: &Store, image: FileName) -> Escrow {
    let seller = Trade::of_key(store, 1).actor("ada");
    write(store, move |tx| {
        let terms = terms(123_456, WhoPays::Buyer);
        standard_escrows::create(tx, &policy(), &seller, Ok(terms), &[image])
    })
}

/// Returns two flags: the file exists, and its mark exists.
fn found(file: &TestFile, name: FileName) -> (bool, bool) {
    let root = PathBuf::from(format!("{}-files", file.path.display()));
    let name = name.to_string();
    let (kept, mark) = (root.join(&name[..2]).join(&name), root.join("incoming").join(&name));
    (kept.exists(), mark.exists())
}

fn content_of(store: &Store, name: FileName) -> Option<Vec<u8>> {
    let (mut file, bytes) = match store.open_file(name).unwrap() {
        OpenedFile::Whole { content, bytes } => (content, bytes),
        OpenedFile::Missing => return None,
        OpenedFile::Damaged(problem) => panic!("{problem}"),
    };
    let mut content = Vec::new();
    file.read_to_end(&mut content).unwrap();
    assert_eq!(content.len() as u64, bytes);
    Some(content)
}

#[test]
fn a_referenced_file_is_kept_across_restarts() {
    let database = TestDatabase::new();
    let store = database.open();
    let name = keep(&store, PICTURE);
    assert_eq!(keep(&store, PICTURE), name);
    assert_eq!(offer(&store, name).images, [name]);
    store.unmark_files(&[name, name]).unwrap();
    assert_eq!(content_of(&store, name).as_deref(), Some(PICTURE));
    assert_eq!(content_of(&store, FileName::of(FileKind::Png, b"another")), None);
    store.close();
    drop(store);
    let store = database.open();
    assert_eq!(content_of(&store, name).as_deref(), Some(PICTURE));
    store.close();
    database.assert_sound();
}

/// On PostgreSQL, where one upload waits here for a lock that another session holds.
#[test]
fn an_upload_that_waits_keeps_no_other_upload_or_download_waiting() {
    let database = TestDatabase::new();
    if database.settings.place.path().is_some() {
        return;
    }
    let store = database.open();
    let name = FileName::of(FileKind::Png, PICTURE);
    let outside = database.outside();
    let insert = format!("BEGIN; INSERT INTO file_content (name, content) VALUES ('{name}', '')");
    outside.batch(&insert);
    thread::scope(|scope| {
        let waits = scope.spawn(|| keep(&store, PICTURE));
        let others_wait = || outside.number("SELECT count(*) FROM pg_locks WHERE NOT granted", &[]);
        while others_wait() == 0 {
            thread::yield_now();
        }
        let other = keep(&store, b"\x89PNG another");
        assert_eq!(content_of(&store, other).as_deref(), Some(&b"\x89PNG another"[..]));
        assert!(!waits.is_finished());
        outside.batch("ROLLBACK");
        assert_eq!(waits.join().unwrap(), name);
    });
    assert_eq!(content_of(&store, name).as_deref(), Some(PICTURE));
}

/// On PostgreSQL, which has the content of files in the database. Beside a file the folder has it.
#[test]
fn unused_files_are_found_some_at_a_time_and_checked_again_before_they_are_removed() {
    let database = TestDatabase::new();
    let store = database.open();
    let unused = |max| wait_for(store.read(move |snapshot| snapshot.unused_files(max))).unwrap();
    let used = keep(&store, PICTURE);
    offer(&store, used);
    let names: Vec<FileName> = (0..5_u8).map(|number| keep(&store, &[number])).collect();
    if database.settings.place.path().is_some() {
        assert_eq!(unused(10), []);
        return;
    }
    assert_eq!(unused(10), [], "a command may be about to refer to them");
    let outside = database.outside();
    outside.batch("UPDATE file_content SET kept_at = now() - interval '25 hours'");
    let found = unused(10);
    assert_eq!(found.iter().collect::<HashSet<_>>(), names.iter().collect());
    assert_eq!(unused(2).len(), 2);
    // Meanwhile one is uploaded again, and an escrow comes to refer to another.
    keep(&store, &[0]);
    offer(&store, names[1]);
    write(&store, move |tx| tx.remove_unused_files(&found));
    let is_there = |name: &FileName| content_of(&store, *name).is_some();
    assert_eq!(
        names.iter().map(is_there).collect::<Vec<_>>(),
        [true, true, false, false, false]
    );
    assert!(is_there(&used));
    assert_eq!(unused(10), []);
}

#[test]
fn an_unreferenced_file_is_removed_with_its_last_mark() {
    let file = TestFile::new();
    let store = file.open();
    let name = keep(&store, PICTURE);
    assert_eq!(keep(&store, PICTURE), name);
    assert_eq!(found(&file, name), (true, true));
    store.unmark_files(&[name]).unwrap();
    assert_eq!(found(&file, name), (true, true), "the other request still holds a mark");
    store.unmark_files(&[name]).unwrap();
    assert_eq!(found(&file, name), (false, false));
    assert_eq!(content_of(&store, name), None);
}

/// Another program takes the name when the copy is whole, and may be about to put a database there.
#[test]
fn a_backup_whose_name_is_taken_meanwhile_leaves_no_files_there() {
    let file = TestFile::new();
    let store = file.open();
    let name = keep(&store, PICTURE);
    offer(&store, name);
    store.close();
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("backup.db");
    let mut take = |step| {
        if matches!(step, Step::Audit { .. }) {
            fs::write(&to, "of another program").unwrap();
        }
        ControlFlow::Continue(())
    };
    let refusal = backup(&file.path, &to, &mut take).unwrap_err().to_string();
    assert!(refusal.contains("exists already"), "{refusal}");
    let left: Vec<_> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(left, ["backup.db"]);
    assert_eq!(fs::read(&to).unwrap(), b"of another program");
}

#[test]
fn a_referenced_file_stays() {
    let file = TestFile::new();
    let store = file.open();
    let name = keep(&store, PICTURE);
    assert_eq!(offer(&store, name).images, [name]);
    store.unmark_files(&[name]).unwrap();
    assert_eq!(found(&file, name), (true, false));
    keep(&store, PICTURE);
    store.unmark_files(&[name]).unwrap();
    assert_eq!(content_of(&store, name).as_deref(), Some(PICTURE));
}

#[test]
fn files_left_by_a_crash_are_removed_at_the_next_start() {
    let file = TestFile::new();
    let store = file.open();
    let (named, unnamed) = (keep(&store, PICTURE), keep(&store, b"\x89PNG another"));
    offer(&store, named);
    let incoming = PathBuf::from(format!("{}-files/incoming", file.path.display()));
    fs::write(incoming.join(".tmpAbC"), "half a fi").unwrap();
    store.close();
    drop(store);

    let store = file.open();
    assert_eq!(found(&file, named), (true, false));
    assert_eq!(found(&file, unnamed), (false, false));
    assert_eq!(fs::read_dir(incoming).unwrap().count(), 0);
    assert_eq!(content_of(&store, named).as_deref(), Some(PICTURE));
}

#[test]
fn without_files_there_is_no_folder() {
    let file = TestFile::new();
    file.open().close();
    assert!(!fs::exists(format!("{}-files", file.path.display())).unwrap());
}
