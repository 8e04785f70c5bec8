//! Compiles the shim, loads it under a server and reads its log.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use tempfile::TempDir;

use crate::server::{DATABASE, Disk};

const LOG: &str = "events.log";

/// Returns the environment variables that load the shim under a server.
pub(crate) fn environment(disk: &Disk) -> Vec<(String, String)> {
    let text = |path: PathBuf| path.to_str().unwrap().to_owned();
    [
        ("LD_PRELOAD", text(library())),
        ("DURABILITY_DATABASE", DATABASE.to_owned()),
        ("DURABILITY_LOG", text(disk.path(LOG))),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .to_vec()
}

/// Returns everything the shim recorded on this disk, in order. Panics if the shim recorded
/// no write or fsync of the write-ahead log, or a call that it does not model.
pub(crate) fn events(disk: &Disk) -> Vec<String> {
    let events = events_so_far(disk);
    for needed in ["write wal", "sync-end wal", "write database"] {
        assert!(
            events.iter().any(|event| event.starts_with(needed)),
            "the shim saw no {needed:?}, so the test is void"
        );
    }
    let unmodelled: Vec<&String> = events.iter().filter(|event| event.starts_with("unmodelled")).collect();
    assert!(unmodelled.is_empty(), "{unmodelled:?}");
    events
}

/// Returns the same while the server still runs, without the checks.
pub(crate) fn events_so_far(disk: &Disk) -> Vec<String> {
    let text = std::fs::read_to_string(disk.path(LOG)).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// Deletes the events recorded so far.
pub(crate) fn delete_events(disk: &Disk) {
    std::fs::write(disk.path(LOG), "").unwrap();
}

/// Returns the path of the shim, compiled once for all tests of the run.
fn library() -> PathBuf {
    static FOLDER: OnceLock<TempDir> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/durability/shim.c");
        let output = Command::new("cc")
            .args([
                "-std=gnu11",
                "-O1",
                "-Wall",
                "-Werror",
                "-shared",
                "-fPIC",
                "-pthread",
                "-o",
            ])
            .arg(folder.path().join("shim.so"))
            .args([source, "-ldl"])
            .output()
            .expect("a C compiler named cc");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        folder
    });
    folder.path().join("shim.so")
}
