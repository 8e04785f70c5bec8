//! A disk with no room left: writes are refused, reads go on, and with room
//! again so do writes.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;

use crate::client::{assert_topped_up, top_up};
use crate::helpers::{WorkFolder, get, stderr, stdout};

/// Far more than there is room for.
const ACKNOWLEDGED_MAX: u64 = 2_000;

/// A small file system of its own at a folder; gone when dropped.
struct SmallDisk<'a>(&'a Path);

impl<'a> SmallDisk<'a> {
    fn mount(folder: &'a Path) -> Option<Self> {
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=2m", "tmpfs"])
            .arg(folder)
            .output();
        mounted
            .is_ok_and(|mounted| mounted.status.success())
            .then_some(Self(folder))
    }

    /// Something else takes all the room there is.
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
        drop(Command::new("umount").arg("--lazy").arg(self.0).output());
    }
}

/// Tops up from several clients at once until each was refused several times in
/// a row; how often it was acknowledged.
fn top_up_until_refused(url: &str) -> u64 {
    let client = || {
        let (mut acknowledged, mut refused_in_a_row) = (0, 0);
        while refused_in_a_row < 5 {
            let (status, body) = top_up(url);
            assert!(acknowledged < ACKNOWLEDGED_MAX, "the disk is full and takes everything");
            if status == 200 {
                (acknowledged, refused_in_a_row) = (acknowledged + 1, 0);
                continue;
            }
            assert_eq!(status, 503, "{body}");
            let is_told = body.contains("\"storage_full\"") || body.contains("\"storage_failing\"");
            assert!(is_told, "{body}");
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
fn a_full_disk_refuses_writes_and_nothing_else_and_recovers_by_itself() {
    let work_folder = WorkFolder::new();
    let Some(disk) = SmallDisk::mount(work_folder.path()) else {
        println!("skipped: this user may not mount a small disk");
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
        // What it writes is small, and may still find room or not.
        let (health, body) = get(&server.url("/healthz"), &[]);
        assert!(health == 200 || health == 503, "{body}");
        let check = work_folder.run(&["check", "test.db"]);
        assert!(check.status.success(), "{}{}", stdout(&check), stderr(&check));

        disk.make_room();
        let (status, body) = top_up(&url);
        assert_eq!(status, 200, "{body}");
        acknowledged += 1;
        assert_topped_up(&url, acknowledged);
    }

    // Stopped with no room to move the log into the file, it keeps the log.
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
