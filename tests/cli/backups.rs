//! Backups and their restoration, by hand and by the service, and snapshots of a sandbox.

use std::fs::{self, File};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Output};
use std::thread;
use std::time::Duration;

use escrowd::domain::time::Timestamp;

use crate::helpers::{RunningServer, WorkFolder, get, stderr, stdout};
use crate::waiting::until;

/// A picture that an offer shows, and a form with it.
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n a boat";
const PICTURE: &str = "e5/e58eea9169749e8599b6cbb060f7022cf2a66228d6c440a543fa93f39c49da63.png";

/// Lets ada offer a boat with a picture.
fn offer_boat(server: &RunningServer) {
    let mut form = Vec::new();
    for (name, value) in [("amount", "1000"), ("purpose", "Boat"), ("whoPays", "buyer")] {
        let part = format!("--form\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
        form.extend_from_slice(part.as_bytes());
    }
    let head = "--form\r\ncontent-disposition: form-data; name=\"imageUrl\"; filename=\"boat.png\"\r\n\r\n";
    form.extend_from_slice(head.as_bytes());
    form.extend_from_slice(PNG);
    form.extend_from_slice(b"\r\n--form--\r\n");
    let offered = ureq::post(server.url("/v1/escrow/create"))
        .header("customer-id", "ada")
        .header("content-type", "multipart/form-data; boundary=form")
        .send(&form[..]);
    assert_eq!(offered.unwrap().status().as_u16(), 201);
}

fn top_up(server: &RunningServer, amount: u64) {
    let reply = ureq::post(server.url("/v1/payment/topup"))
        .header("customer-id", "ada")
        .header("content-type", "application/json")
        .send(format!("{{\"amount\":{amount}}}"));
    assert_eq!(reply.unwrap().status().as_u16(), 200);
}

#[track_caller]
fn assert_wallet(server: &RunningServer, balance: u64) {
    let (status, body) = get(&server.url("/v1/wallet"), &[("customer-id", "ada")]);
    let shown = format!("\"mainBalance\":{balance},");
    assert!(status == 200 && body.contains(&shown), "{shown} {body}");
}

#[track_caller]
fn succeeds(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    stdout(output)
}

#[track_caller]
fn refuses(output: &Output, words: &[&str]) {
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    for word in words {
        assert!(stderr(output).contains(word), "{word:?}: {}", stderr(output));
    }
}

/// The names in a folder, in order.
fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// A folder with the file of a sandbox in which ada has offered a boat and topped up once.
fn used_folder() -> WorkFolder {
    let folder = WorkFolder::new();
    let mut server = folder.serve(&[]);
    offer_boat(&server);
    top_up(&server, 1_000);
    server.signal("-TERM");
    assert_eq!(server.wait().code(), Some(0));
    folder
}

#[test]
fn a_backup_of_a_running_service_is_a_database_of_its_own() {
    let folder = WorkFolder::new();
    let server = folder.serve(&[]);
    offer_boat(&server);
    top_up(&server, 1_000);
    let said = succeeds(&folder.run(&["backup", "escrowd.db", "copy.db"]));
    assert!(
        said.contains("The backup is sound") && said.contains("files 1"),
        "{said}"
    );
    top_up(&server, 2_000);

    let copy = folder.path().join("copy.db");
    let picture = folder.path().join("copy.db-files").join(PICTURE);
    assert_eq!(fs::read(&picture).unwrap(), PNG);
    assert_eq!([mode(&copy), mode(&picture)], [0o600, 0o600]);
    assert_eq!(mode(&folder.path().join("copy.db-files")), 0o700);
    assert_eq!(names(&folder.path().join("copy.db-files")), ["e5"], "no mark is left");
    let left = names(folder.path());
    assert!(
        left.iter()
            .all(|name| !name.contains("partial") && !name.starts_with("copy.db-wal")),
        "{left:?}"
    );

    succeeds(&folder.run(&["check", "copy.db", "--deep"]));
    succeeds(&folder.run(&["position", "copy.db"]));
    let restored = folder.serve(&["--database", "copy.db"]);
    assert_wallet(&restored, 1_001_000);
    top_up(&restored, 5_000);
    drop(restored);
    assert_wallet(&server, 1_003_000);
    drop(server);
    succeeds(&folder.run(&["check", "copy.db"]));
    succeeds(&folder.run(&["check", "escrowd.db"]));
}

#[test]
fn a_backup_takes_no_name_that_is_in_use() {
    let folder = used_folder();
    folder.write("taken.db", "something else");
    refuses(
        &folder.run(&["backup", "escrowd.db", "taken.db"]),
        &["taken.db exists already", "choose another name"],
    );
    fs::create_dir(folder.path().join("other.db-files")).unwrap();
    folder.write("other.db-files/theirs", "something else");
    refuses(
        &folder.run(&["backup", "escrowd.db", "other.db"]),
        &["other.db-files exists already"],
    );
    refuses(
        &folder.run(&["backup", "escrowd.db", "no/such.db"]),
        &["its folder does not exist"],
    );
    refuses(
        &folder.run(&["backup", "none.db", "copy.db"]),
        &["none.db cannot be opened"],
    );

    // A lock says that another process writes the same backup.
    let being_made = File::create(folder.path().join("copy.db.partial")).unwrap();
    being_made.lock().unwrap();
    refuses(
        &folder.run(&["backup", "escrowd.db", "copy.db"]),
        &["another backup to copy.db is being made"],
    );
    being_made.set_permissions(fs::Permissions::from_mode(0o644)).unwrap();
    drop(being_made);
    succeeds(&folder.run(&["backup", "escrowd.db", "copy.db"]));
    assert_eq!(mode(&folder.path().join("copy.db")), 0o600);
    assert_eq!(fs::read(folder.path().join("taken.db")).unwrap(), b"something else");
}

#[test]
fn a_damaged_database_is_told_and_leaves_no_backup() {
    let folder = used_folder();
    let before = names(folder.path());
    let file = rusqlite::Connection::open(folder.path().join("escrowd.db")).unwrap();
    let more_money = "UPDATE account SET balance = balance + 1 WHERE purpose = 'CUSTOMER_MAIN'";
    file.execute(more_money, []).unwrap();
    drop(file);
    refuses(
        &folder.run(&["backup", "escrowd.db", "copy.db"]),
        &["escrowd.db is damaged", "invariant 2", "restore an earlier backup"],
    );
    assert_eq!(names(folder.path()), before);

    let folder = used_folder();
    fs::write(folder.path().join("escrowd.db-files").join(PICTURE), "another picture").unwrap();
    refuses(
        &folder.run(&["backup", "escrowd.db", "copy.db"]),
        &["the content of file e58eea", "run `escrowd check --deep` on it"],
    );
    let deep = folder.run(&["check", "escrowd.db", "--deep"]);
    assert!(stdout(&deep).contains("the content of file e58eea"), "{deep:?}");
    let picture = folder.path().join("escrowd.db-files").join(PICTURE);
    fs::remove_file(&picture).unwrap();
    refuses(
        &folder.run(&["backup", "escrowd.db", "copy.db"]),
        &["file e58eea", "is missing"],
    );
    assert!(Command::new("mkfifo").arg(&picture).status().unwrap().success());
    for command in [["backup", "escrowd.db", "copy.db"], ["check", "escrowd.db", "--deep"]] {
        let output = folder.run(&command);
        let said = format!("{}{}", stdout(&output), stderr(&output));
        let is_told = said.contains("file e58eea") && said.contains("is not a regular file");
        assert!(!output.status.success() && is_told, "{command:?}: {output:?}");
    }
    assert_eq!(names(folder.path()), before);
}

/// These commands are for files, and the URL of a PostgreSQL database may have a password.
#[test]
fn the_url_of_a_postgresql_database_is_refused_and_its_password_not_repeated() {
    let folder = used_folder();
    let url = "postgres://ada:secret-word@127.0.0.1:1/escrow";
    for arguments in [
        &["backup", url, "copy.db"][..],
        &["backup", "escrowd.db", url],
        &["restore", url, "escrowd.db"],
        &["restore", "copy.db", url],
        &["snapshot", "save", url],
        &["snapshot", "load", url],
        &["serve", "--ephemeral", "--snapshot", url],
    ] {
        let refused = folder.run(arguments);
        assert_eq!(refused.status.code(), Some(2), "{arguments:?}: {refused:?}");
        assert!(stderr(&refused).contains("it must be a file"), "{}", stderr(&refused));
        assert!(!stderr(&refused).contains("secret-word"), "{}", stderr(&refused));
    }
    assert!(!folder.path().join("copy.db").exists());
}

/// To open a pipe for reading could wait for ever.
#[test]
fn a_pipe_is_no_database() {
    let folder = WorkFolder::new();
    let pipe = folder.path().join("pipe");
    let made = Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    for arguments in [
        &["check", "pipe"][..],
        &["check", "pipe", "--deep"],
        &["position", "pipe"],
        &["backup", "pipe", "copy.db"],
        &["restore", "pipe", "copy.db"],
        &["copy", "pipe", "postgres://127.0.0.1:1/escrow"],
        &["serve", "--listen", "127.0.0.1:0", "--database", "pipe"],
        &["serve", "--ephemeral", "--listen", "127.0.0.1:0", "--snapshot", "pipe"],
    ] {
        let refused = folder.run(arguments);
        refuses(&refused, &["it is not a regular file"]);
        assert_eq!(stderr(&refused).matches("regular").count(), 1, "{}", stderr(&refused));
    }
    assert!(!folder.path().join("copy.db").exists());
}

/// Kills a backup at instants that get later, and looks for its name after each.
#[test]
fn a_killed_backup_leaves_nothing_under_its_name() {
    let folder = used_folder();
    let mut millis = 0;
    while millis < 400 {
        let mut backup = folder.command(&["backup", "escrowd.db", "copy.db"]).spawn().unwrap();
        thread::sleep(Duration::from_millis(millis));
        backup.kill().unwrap();
        if backup.wait().unwrap().success() {
            if millis > 0 {
                break;
            }
            // The first kill came too late.
            fs::remove_file(folder.path().join("copy.db")).unwrap();
            fs::remove_dir_all(folder.path().join("copy.db-files")).unwrap();
            continue;
        }
        millis += 20;
        let has_copy = folder.path().join("copy.db").exists();
        if has_copy {
            // It was renamed, so it is whole.
            succeeds(&folder.run(&["check", "copy.db"]));
            break;
        }
    }
    if !folder.path().join("copy.db").exists() {
        succeeds(&folder.run(&["backup", "escrowd.db", "copy.db"]));
    }
    succeeds(&folder.run(&["check", "copy.db", "--deep"]));
    let left = names(folder.path());
    assert!(left.iter().all(|name| !name.contains("partial")), "{left:?}");
}

#[test]
fn a_link_leads_to_the_database_with_its_files() {
    let folder = used_folder();
    symlink("escrowd.db", folder.path().join("link.db")).unwrap();
    let said = succeeds(&folder.run(&["backup", "link.db", "copy.db"]));
    assert!(said.contains("files 1"), "{said}");
    symlink("copy.db", folder.path().join("copy-link.db")).unwrap();
    succeeds(&folder.run(&["restore", "copy-link.db", "restored.db"]));
    assert!(folder.path().join("restored.db-files").join(PICTURE).exists());
}

/// A kill between the two renames leaves the files under the final name, with the mark.
#[test]
fn the_files_of_a_killed_backup_do_not_stand_in_the_way() {
    let folder = used_folder();
    let left = folder.path().join("copy.db-files");
    fs::create_dir(&left).unwrap();
    fs::write(left.join("unfinished"), "").unwrap();
    fs::write(left.join("leftover"), "").unwrap();
    succeeds(&folder.run(&["backup", "escrowd.db", "copy.db"]));
    assert_eq!(names(&left), ["e5"]);
}

/// A kill while the files of a killed backup are removed leaves an empty folder at the end.
#[test]
fn an_empty_folder_of_files_does_not_stand_in_the_way() {
    let folder = used_folder();
    fs::create_dir(folder.path().join("copy.db-files")).unwrap();
    succeeds(&folder.run(&["backup", "escrowd.db", "copy.db"]));
    assert_eq!(names(&folder.path().join("copy.db-files")), ["e5"]);
}

#[test]
fn a_restored_backup_takes_the_place_of_a_database_and_removes_nothing() {
    let folder = used_folder();
    succeeds(&folder.run(&["backup", "escrowd.db", "copy.db"]));
    let server = folder.serve(&[]);
    top_up(&server, 7_000);
    refuses(
        &folder.run(&["restore", "copy.db", "escrowd.db"]),
        &["escrowd.db exists already", "--replace"],
    );
    refuses(
        &folder.run(&["restore", "copy.db", "escrowd.db", "--replace"]),
        &[
            "in use by the escrowd process with process id",
            "wait for its end or stop it",
        ],
    );
    assert_wallet(&server, 1_008_000);
    // A killed server leaves a log, which must not be applied to the restored file.
    drop(server);
    let said = succeeds(&folder.run(&["restore", "copy.db", "escrowd.db", "--replace"]));
    assert!(
        said.contains("is now") && said.contains("escrowd.db.replaced-1"),
        "{said}"
    );
    assert!(said.contains("The restored ledger is sound"), "{said}");

    let server = folder.serve(&[]);
    assert_wallet(&server, 1_001_000);
    drop(server);
    assert!(folder.path().join("escrowd.db-files").join(PICTURE).exists());
    let aside = folder.serve(&["--database", "escrowd.db.replaced-1"]);
    assert_wallet(&aside, 1_008_000);
    drop(aside);
    succeeds(&folder.run(&["check", "escrowd.db.replaced-1"]));

    // A slip: the backup as its own place, in any spelling.
    for same in ["copy.db", "./copy.db"] {
        refuses(
            &folder.run(&["restore", "copy.db", same, "--replace"]),
            &["is the backup itself"],
        );
    }
    assert!(
        !names(folder.path())
            .iter()
            .any(|name| name.starts_with("copy.db.replaced"))
    );

    // A second time, and to a place where there is nothing.
    let said = succeeds(&folder.run(&["restore", "copy.db", "escrowd.db", "--replace"]));
    assert!(said.contains("escrowd.db.replaced-2"), "{said}");
    succeeds(&folder.run(&["restore", "copy.db", "elsewhere.db"]));
    succeeds(&folder.run(&["check", "elsewhere.db"]));
}

/// A kill in the middle of moving the old database aside.
#[test]
fn an_interrupted_restore_is_finished_by_the_next() {
    let folder = used_folder();
    succeeds(&folder.run(&["backup", "escrowd.db", "copy.db"]));
    let path = |name: &str| folder.path().join(name);
    fs::rename(path("escrowd.db"), path("escrowd.db.replaced-1")).unwrap();
    fs::copy(path("copy.db"), path("escrowd.db.partial")).unwrap();
    succeeds(&folder.run(&["restore", "copy.db", "escrowd.db", "--replace"]));
    assert!(
        path("escrowd.db.replaced-1-files").join(PICTURE).exists(),
        "the old database is whole"
    );
    let left = names(folder.path());
    assert!(
        left.iter()
            .all(|name| !name.contains("partial") && !name.contains("replaced-2")),
        "{left:?}"
    );
    for database in ["escrowd.db", "escrowd.db.replaced-1"] {
        succeeds(&folder.run(&["check", database, "--deep"]));
    }
}

/// A kill after the last rename leaves the mark in the files of a whole database.
#[test]
fn files_in_use_are_never_taken_for_those_of_a_killed_restore() {
    let folder = used_folder();
    succeeds(&folder.run(&["backup", "escrowd.db", "copy.db"]));
    let mark = folder.path().join("escrowd.db-files").join("unfinished");
    fs::write(&mark, "").unwrap();
    drop(folder.serve(&[]));
    assert!(!mark.exists());

    let other = folder.path().join("other.db-files");
    fs::create_dir(&other).unwrap();
    fs::write(other.join("unfinished"), "").unwrap();
    fs::write(other.join("upload"), "").unwrap();
    succeeds(&folder.run(&["restore", "copy.db", "other.db"]));
    assert!(folder.path().join("other.db.replaced-1-files").join("upload").exists());
    assert_eq!(names(&other), ["e5"]);
}

#[test]
fn a_damaged_backup_is_not_restored() {
    let folder = used_folder();
    succeeds(&folder.run(&["backup", "escrowd.db", "copy.db"]));
    let file = rusqlite::Connection::open(folder.path().join("copy.db")).unwrap();
    file.execute_batch("UPDATE account SET balance = balance + 1 WHERE purpose = 'CUSTOMER_MAIN'")
        .unwrap();
    drop(file);
    let before = fs::read(folder.path().join("escrowd.db")).unwrap();
    let restored = folder.run(&["restore", "copy.db", "escrowd.db", "--replace"]);
    refuses(&restored, &["copy.db is damaged", "invariant 2"]);
    assert_eq!(fs::read(folder.path().join("escrowd.db")).unwrap(), before);
    assert!(!folder.path().join("escrowd.db.replaced-1").exists());
    // The database has had its lock file before. A refusal makes none where there was nothing.
    assert!(folder.path().join("escrowd.db.lock").exists());
    refuses(
        &folder.run(&["restore", "copy.db", "other.db"]),
        &["copy.db is damaged"],
    );
    refuses(&folder.run(&["restore", "missing.db", "other.db"]), &["missing.db"]);
    let names = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name());
    let left: Vec<_> = names
        .filter(|name| name.to_string_lossy().starts_with("other.db"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn the_service_makes_backups_and_keeps_the_newest() {
    let folder = used_folder();
    folder.write(
        "config.toml",
        "[backups]\nfolder = \"kept\"\nevery_minutes = 60\nkeep = 2\n",
    );
    let kept = folder.path().join("kept");
    fs::create_dir(&kept).unwrap();
    for name in [
        "escrowd-20200101T000000Z.db",
        "escrowd-20200102T000000Z.db",
        "escrowd-20200103T000000Z.db-files",
        "other-20200101T000000Z.db",
        "escrowd-20200101.db",
        "escrowd-20201301T000000Z.db",
        // One of a clock that was wrong. It holds back no other.
        "escrowd-21000101T000000Z.db",
        "notes.txt",
        "escrowd-20200104T000000Z.db.partial",
        "escrowd-20200104T000000Z.db.partial-wal",
        "escrowd-20200105T000000Z.db.partial-wal",
    ] {
        fs::write(kept.join(name), "").unwrap();
    }
    // A lock says that another service is making this one.
    let being_made = File::create(kept.join("escrowd-20200105T000000Z.db.partial")).unwrap();
    being_made.lock().unwrap();
    let own = |name: &String| name.starts_with("escrowd-202") && name.ends_with("Z.db") && !name.contains("-202013");
    let backups = || names(&kept).into_iter().filter(own).collect::<Vec<_>>();
    let mut server = folder.serve(&[]);
    until("a backup is made at the start, since the newest is old", || {
        backups().len() == 2 && !backups().contains(&"escrowd-20200101T000000Z.db".to_owned())
    });
    let made = backups().pop().unwrap();
    for stays in [
        "other-20200101T000000Z.db",
        "escrowd-20200101.db",
        "escrowd-20201301T000000Z.db",
        "escrowd-21000101T000000Z.db",
        "notes.txt",
        "escrowd-20200105T000000Z.db.partial",
        "escrowd-20200105T000000Z.db.partial-wal",
    ] {
        assert!(kept.join(stays).exists(), "{stays}");
    }
    for removed in [".partial", ".partial-wal"] {
        let removed = kept.join(format!("escrowd-20200104T000000Z.db{removed}"));
        assert!(!removed.exists(), "{}", removed.display());
    }
    server.signal("-TERM");
    assert_eq!(server.wait().code(), Some(0));
    let path = format!("kept/{made}");
    succeeds(&folder.run(&["check", &path, "--deep"]));
    assert!(kept.join(format!("{made}-files")).join(PICTURE).exists());

    // The next start waits until the time is over.
    let mut server = folder.serve(&[]);
    assert_wallet(&server, 1_001_000);
    thread::sleep(Duration::from_millis(300));
    server.signal("-TERM");
    assert_eq!(server.wait().code(), Some(0));
    assert_eq!(backups().last(), Some(&made));
}

#[test]
fn a_failed_backup_is_told_and_the_service_goes_on() {
    let folder = used_folder();
    folder.write("config.toml", "[backups]\nfolder = \"no/such/folder\"\n");
    let log = folder.path().join("log.txt");
    let mut server = folder.serve_with_log(&[], &log);
    until("the failure is told", || {
        fs::read_to_string(&log).unwrap().contains("no backup was made")
    });
    let said = fs::read_to_string(&log).unwrap();
    for words in ["no/such/folder", "change backups.folder", "the next attempt is at"] {
        assert!(said.contains(words), "{words}: {said}");
    }
    // Each line begins with its time, such as [2026-11-27T05:45:00Z.
    let line = said.lines().find(|line| line.contains("no backup was made")).unwrap();
    let told_at = Timestamp::parse(&format!("{}.000Z", &line[1..20])).unwrap();
    let next = Timestamp::parse(line.rsplit(' ').next().unwrap()).unwrap();
    let seconds = (next.millis() - told_at.millis()) / 1_000;
    assert!((50..=65).contains(&seconds), "tried again after {seconds} s");
    top_up(&server, 1_000);
    assert_wallet(&server, 1_002_000);
    server.signal("-TERM");
    assert_eq!(server.wait().code(), Some(0));
}

#[test]
fn a_sandbox_is_saved_loaded_and_begun_from_a_snapshot() {
    let folder = WorkFolder::new();
    let server = folder.serve(&["--database", "work.db"]);
    top_up(&server, 1_000);
    let said = succeeds(&folder.run(&["snapshot", "save", "fixture.db", "--database", "work.db"]));
    assert!(said.starts_with("saved work.db as fixture.db: transfers 2,"), "{said}");
    top_up(&server, 2_000);
    refuses(
        &folder.run(&["snapshot", "load", "fixture.db", "--database", "work.db", "--replace"]),
        &["work.db is in use"],
    );
    drop(server);
    refuses(
        &folder.run(&["snapshot", "load", "fixture.db", "--database", "work.db"]),
        &["--replace"],
    );
    succeeds(&folder.run(&["snapshot", "load", "fixture.db", "--database", "work.db", "--replace"]));
    assert_wallet(&folder.serve(&["--database", "work.db"]), 1_001_000);

    // Several throwaway sandboxes begin with one snapshot, from a folder that stays as it is.
    let before = fs::read(folder.path().join("fixture.db")).unwrap();
    let first = folder.serve(&["--ephemeral", "--snapshot", "fixture.db"]);
    let second = folder.serve(&["--ephemeral", "--snapshot", "fixture.db"]);
    top_up(&first, 5_000);
    assert_wallet(&first, 1_006_000);
    assert_wallet(&second, 1_001_000);
    assert_eq!(fs::read(folder.path().join("fixture.db")).unwrap(), before);
    refuses(
        &folder.run(&["--snapshot", "fixture.db"]),
        &["--snapshot is for --ephemeral"],
    );
    refuses(&folder.run(&["--ephemeral", "--snapshot", "none.db"]), &["none.db"]);
}

#[test]
fn a_snapshot_is_of_a_sandbox() {
    let folder = WorkFolder::new();
    drop(folder.serve(&["--database", "sandbox.db"]));
    folder.write("live.toml", "mode = \"live\"\n");
    drop(folder.serve(&["--config", "live.toml", "--database", "live.db"]));

    let rule = "a snapshot is of a sandbox";
    refuses(
        &folder.run(&["snapshot", "save", "copy.db", "--database", "live.db"]),
        &["live.db", rule],
    );
    refuses(
        &folder.run(&["snapshot", "load", "live.db", "--database", "new.db"]),
        &["live.db", rule],
    );
    refuses(
        &folder.run(&["snapshot", "load", "sandbox.db", "--database", "live.db", "--replace"]),
        &["live.db was made for live mode", rule],
    );
    refuses(
        &folder.run(&["restore", "sandbox.db", "live.db", "--replace"]),
        &["live.db was made for live mode", "the backup is of the other mode"],
    );
    for arguments in [["save", "copy.db"], ["load", "sandbox.db"]] {
        let arguments = [
            &["snapshot"],
            &arguments[..],
            &["--config", "live.toml", "--database", "live.db"],
        ]
        .concat();
        refuses(
            &folder.run(&arguments),
            &["mode is \"live\"", rule, "`escrowd restore`"],
        );
    }
    refuses(
        &folder.run(&["--ephemeral", "--snapshot", "live.db"]),
        &["live.db", "live mode"],
    );
    assert!(!folder.path().join("copy.db").exists() && !folder.path().join("new.db").exists());
}

/// A start would refuse it.
#[test]
fn a_database_of_another_currency_is_not_put_in_place() {
    let folder = WorkFolder::new();
    folder.write("naira.toml", "currency = \"NGN\"\n");
    folder.write("shilling.toml", "currency = \"KES\"\n");
    drop(folder.serve(&["--config", "naira.toml", "--database", "naira.db"]));
    drop(folder.serve(&["--config", "shilling.toml", "--database", "shilling.db"]));
    refuses(
        &folder.run(&["restore", "naira.db", "shilling.db", "--replace"]),
        &["shilling.db is in KES, and the backup is in NGN; choose another path"],
    );
    let load = |to: &str| {
        let load = ["snapshot", "load", "naira.db", "--replace", "--config", "shilling.toml"];
        folder.run(&[&load[..], &["--database", to]].concat())
    };
    for to in ["shilling.db", "new.db"] {
        refuses(
            &load(to),
            &["naira.db is in NGN, and currency is \"KES\"; set currency = \"NGN\""],
        );
    }
    let ephemeral = ["--ephemeral", "--snapshot", "naira.db", "--config", "shilling.toml"];
    refuses(&folder.run(&ephemeral), &["naira.db is in NGN"]);
    assert!(
        !names(folder.path())
            .iter()
            .any(|name| name.contains("replaced") || name.starts_with("new.db"))
    );
}
