//! A file or a folder that the server may not write: the start fails at once, with a
//! message. Permissions do not bind root, so root runs the program as the user 65534.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use rusqlite::Connection;

use crate::client::{assert_refused, skip, top_up, try_to_serve};
use crate::helpers::WorkFolder;
use crate::small_disk::SmallDisk;

const PROGRAM: &str = env!("CARGO_BIN_EXE_escrowd");

fn allow(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// Returns a command that runs the program as a user whom permissions bind, if the system
/// can run one.
fn unprivileged() -> Option<Command> {
    let is_bound = !Command::new("id")
        .arg("-u")
        .output()
        .is_ok_and(|id| id.stdout == b"0\n");
    if is_bound {
        return Some(Command::new(PROGRAM));
    }
    let as_unprivileged = || {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups", PROGRAM]);
        command
    };
    let works = as_unprivileged()
        .arg("--version")
        .output()
        .is_ok_and(|it| it.status.success());
    works.then(as_unprivileged)
}

/// Creates a folder with a file that a server has used and closed.
fn used_folder() -> WorkFolder {
    let work_folder = WorkFolder::new();
    let mut server = work_folder.serve(&["--database", "test.db"]);
    assert_eq!(top_up(&server.url("")).0, 200);
    server.signal("-TERM");
    assert_eq!(server.wait().code(), Some(0));
    fs::remove_file(work_folder.path().join("test.db.lock")).unwrap();
    // A server may end before its last reader has closed, and leaves an empty log of its own
    // user then. The last connection that closes removes it.
    let database = Connection::open(work_folder.path().join("test.db")).unwrap();
    database
        .query_row("SELECT count(*) FROM merchant", [], |_| Ok(()))
        .unwrap();
    drop(database);
    assert!(!work_folder.path().join("test.db-wal").exists());
    work_folder
}

#[track_caller]
fn assert_refuses(work_folder: &WorkFolder, remedy: &str) {
    let Some(mut command) = unprivileged() else {
        skip("permissions do not bind this user, and it cannot change to one whom they bind");
        return;
    };
    let path = work_folder.path().join("test.db");
    command
        .current_dir(work_folder.path())
        .args(["--listen", "127.0.0.1:0", "--database"])
        .arg(&path);
    let log = WorkFolder::new();
    let before = fs::read(&path).ok();
    let start = try_to_serve(command, log.path());
    assert_refused(&start, &path, remedy);
    assert_eq!(fs::read(&path).ok(), before, "the start changed the file");
}

#[test]
fn a_read_only_file_is_refused() {
    let work_folder = used_folder();
    allow(work_folder.path(), 0o777);
    allow(&work_folder.path().join("test.db"), 0o444);
    assert_refuses(&work_folder, "writable");
}

#[test]
fn an_unreadable_file_is_refused() {
    let work_folder = used_folder();
    allow(work_folder.path(), 0o777);
    allow(&work_folder.path().join("test.db"), 0o000);
    assert_refuses(&work_folder, "writable");
}

#[test]
fn a_read_only_folder_is_refused() {
    let work_folder = used_folder();
    allow(&work_folder.path().join("test.db"), 0o666);
    allow(work_folder.path(), 0o555);
    assert_refuses(&work_folder, "writable");
}

#[test]
fn a_read_only_folder_without_a_file_is_refused() {
    let work_folder = WorkFolder::new();
    allow(work_folder.path(), 0o555);
    assert_refuses(&work_folder, "writable");
}

#[test]
fn a_backup_into_a_read_only_folder_is_refused() {
    let work_folder = used_folder();
    allow(work_folder.path(), 0o777);
    allow(&work_folder.path().join("test.db"), 0o666);
    let target = WorkFolder::new();
    allow(target.path(), 0o555);
    let Some(mut command) = unprivileged() else {
        skip("permissions do not bind this user, and it cannot change to one whom they bind");
        return;
    };
    let from = work_folder.path().join("test.db");
    let backup = command
        .arg("backup")
        .arg(from)
        .arg(target.path().join("copy.db"))
        .output()
        .unwrap();
    let said = String::from_utf8(backup.stderr).unwrap();
    assert_eq!(backup.status.code(), Some(1), "{said}");
    assert!(said.contains("let this user write in its folder"), "{said}");
    assert_eq!(fs::read_dir(target.path()).unwrap().count(), 0);
}

/// A backup may lie on a disk that is only read.
#[test]
fn a_backup_is_restored_from_a_read_only_folder() {
    let work_folder = used_folder();
    allow(&work_folder.path().join("test.db"), 0o444);
    allow(work_folder.path(), 0o555);
    let target = WorkFolder::new();
    allow(target.path(), 0o777);
    let Some(mut command) = unprivileged() else {
        skip("permissions do not bind this user, and it cannot change to one whom they bind");
        return;
    };
    let from = work_folder.path().join("test.db");
    let restored = command
        .arg("restore")
        .arg(from)
        .arg(target.path().join("test.db"))
        .output()
        .unwrap();
    assert!(restored.status.success(), "{restored:?}");
}

/// An archived copy may lie on a read-only disk.
#[test]
fn a_file_on_a_read_only_disk_is_checked_and_copied() {
    let work_folder = used_folder();
    let mounted = WorkFolder::new();
    let Some(disk) = SmallDisk::mount(mounted.path(), "16m") else {
        skip("this user may not mount a disk");
        return;
    };
    let archived = mounted.path().join("50% of #1.db");
    fs::copy(work_folder.path().join("test.db"), &archived).unwrap();
    disk.make_read_only();
    let archived = archived.to_str().unwrap();
    for arguments in [
        &["check", archived][..],
        &["position", archived],
        &["backup", archived, "copy.db"],
        &["restore", archived, "restored.db"],
        &["check", "copy.db"],
    ] {
        let output = work_folder.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {output:?}");
    }
}
