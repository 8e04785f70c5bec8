//! Truncated or damaged files. The start fails with the path and the remedy, or the server
//! answers without a panic where SQLite cannot detect the damage.

use std::fs;

use crate::client::{Start, assert_refused, top_up, try_to_serve};
use crate::helpers::WorkFolder;

/// Returns the bytes of a file that a server has created and closed.
fn used_file() -> Vec<u8> {
    let work_folder = WorkFolder::new();
    let mut server = work_folder.serve(&["--database", "test.db"]);
    for _ in 0..20 {
        assert_eq!(top_up(&server.url("")).0, 200);
    }
    server.signal("-TERM");
    assert_eq!(server.wait().code(), Some(0));
    fs::read(work_folder.path().join("test.db")).unwrap()
}

fn start_on(bytes: &[u8], work_folder: &WorkFolder) -> Start {
    let path = work_folder.path().join("test.db");
    for suffix in ["", "-wal", "-shm"] {
        drop(fs::remove_file(work_folder.path().join(format!("test.db{suffix}"))));
    }
    fs::write(&path, bytes).unwrap();
    let arguments = ["--listen", "127.0.0.1:0", "--database", path.to_str().unwrap()];
    try_to_serve(work_folder.command(&arguments), work_folder.path())
}

#[test]
fn a_truncated_file_is_refused_or_answered_without_a_panic() {
    let work_folder = WorkFolder::new();
    let path = work_folder.path().join("test.db");
    let whole = used_file();
    for (length, remedy) in [
        (1, "--database"),
        (99, "--database"),
        (2_000, "escrowd check"),
        (2_048, "escrowd check"),
        (whole.len() / 2, "escrowd check"),
        (whole.len() - 2_048, "escrowd check"),
    ] {
        let start = start_on(&whole[..length], &work_folder);
        assert_refused(&start, &path, remedy);
        assert_eq!(fs::read(&path).unwrap(), whole[..length], "the start changed the file");
    }
}

#[test]
fn a_damaged_first_page_is_refused_or_answered_without_a_panic() {
    let work_folder = WorkFolder::new();
    let path = work_folder.path().join("test.db");
    let whole = used_file();
    for (from, to) in [
        (0, 16),
        (16, 18),
        (18, 20),
        (60, 72),
        (100, 108),
        (108, 2_048),
        (0, 2_048),
    ] {
        for garbage in [0x00, 0xff] {
            let mut bytes = whole.clone();
            bytes[from..to].fill(garbage);
            match start_on(&bytes, &work_folder) {
                Start::Served { answered, log } => {
                    assert!(!log.contains("panicked"), "{from}..{to} {garbage}: {log}");
                    println!("{from}..{to} of {garbage:#x} was served: {answered}");
                }
                refused @ Start::Refused { .. } => assert_refused(&refused, &path, ""),
            }
        }
    }
}
