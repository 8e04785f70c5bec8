//! A full disk. The service refuses writes and answers reads, and accepts writes again once
//! there is room.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;

use crate::client::{assert_topped_up, skip, top_up};
use crate::helpers::{WorkFolder, get, stderr, stdout};

/// Far more top-ups than the disk has room for.
const ACKNOWLEDGED_MAX: u64 = 2_000;

/// A small file system mounted at a folder. Dropping it unmounts the file system.
struct SmallDisk<'a>(&'a Path);

/// Runs a command that needs root, by sudo if this user is not root.
fn as_root(command: &[&str], folder: &Path) -> bool {
    let succeeds = |before: &[&str]| {
        let words = [before, command].concat();
        let output = Command::new(words[0]).args(&words[1..]).arg(folder).output();
        output.is_ok_and(|output| output.status.success())
    };
    succeeds(&[]) || succeeds(&["sudo", "-n"])
}

impl<'a> SmallDisk<'a> {
    fn mount(folder: &'a Path) -> Option<Self> {
        let mount = ["mount", "-t", "tmpfs", "-o", "size=2m,mode=0777", "tmpfs"];
        as_root(&mount, folder).then_some(Self(folder))
    }

    /// Fills the disk from another process.
    fn fill(&self) {
        let mut ballast = Vec::new();
        for size in [65_536, 4_096] {
            loop {
                let fits = ballast.len();
                ballast.resize(fits + size, 1);
                if fs::write(self.0.join("ballast"), &ballast).is_err() {
                    ballast.truncate(fits);
                    fs::write(self.0.join("ballast"), &ballast).unwrap();
                    break;
                }
            }
        }
    }

    fn make_room(&self) {
        fs::remove_file(self.0.join("ballast")).unwrap();
    }
}

impl Drop for SmallDisk<'_> {
    fn drop(&mut self) {
        as_root(&["umount", "--lazy"], self.0);
    }
}

/// Tops up from several clients at once until the server has refused each several times in
/// a row. Returns the number of acknowledged top-ups.
fn top_up_until_refused(url: &str) -> u64 {
    let client = || {
        let (mut acknowledged, mut refused_in_a_row) = (0, 0);
        while refused_in_a_row < 5 {
            let (status, body) = top_up(url);
            assert!(
                acknowledged < ACKNOWLEDGED_MAX,
                "the server accepts every write although the disk is full"
            );
            if status == 200 {
                (acknowledged, refused_in_a_row) = (acknowledged + 1, 0);
                continue;
            }
            assert_eq!(status, 503, "{body}");
            let names_the_cause = body.contains("\"storage_full\"") || body.contains("\"storage_failing\"");
            assert!(names_the_cause, "{body}");
            refused_in_a_row += 1;
        }
        acknowledged
    };
    thread::scope(|scope| {
        let clients: Vec<_> = (0..4).map(|_| scope.spawn(client)).collect();
        clients.into_iter().map(|client| client.join().unwrap()).sum()
    })
}

#[test]
fn on_a_full_disk_the_service_refuses_only_writes_and_recovers_by_itself() {
    let work_folder = WorkFolder::new();
    let Some(disk) = SmallDisk::mount(work_folder.path()) else {
        skip("this user may not mount a small disk, also not by sudo");
        return;
    };
    let mut server = work_folder.serve(&["--database", "test.db"]);
    let url = server.url("");
    assert_eq!(top_up(&url).0, 200);
    let mut acknowledged = 1;
    for _ in 0..3 {
        disk.fill();
        acknowledged += top_up_until_refused(&url);
        assert_topped_up(&url, acknowledged);
        let (health, body) = get(&server.url("/healthz"), &[]);
        assert_eq!(health, 503, "while writes are refused: {body}");
        let check = work_folder.run(&["check", "test.db"]);
        assert!(check.status.success(), "{}{}", stdout(&check), stderr(&check));

        disk.make_room();
        let (health, body) = get(&server.url("/healthz"), &[]);
        assert_eq!(health, 200, "it recovers without another write: {body}");
        let (status, body) = top_up(&url);
        assert_eq!(status, 200, "{body}");
        acknowledged += 1;
        assert_topped_up(&url, acknowledged);
    }

    // A server that stops without room for its last checkpoint keeps the write-ahead log.
    disk.fill();
    acknowledged += top_up_until_refused(&url);
    server.signal("-TERM");
    server.wait();
    disk.make_room();
    let server = work_folder.serve(&["--database", "test.db"]);
    assert_topped_up(&server.url(""), acknowledged);
    drop(server);
    let check = work_folder.run(&["check", "test.db"]);
    assert!(check.status.success(), "{}{}", stdout(&check), stderr(&check));
}
