//! A disk that is soon full.

use std::fs;
use std::path::Path;
use std::process::Command;

/// A small file system mounted at a folder. Dropping it unmounts the file system.
pub(crate) struct SmallDisk<'a>(&'a Path);

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
    /// Mounts a file system of this size, if this user may.
    pub(crate) fn mount(folder: &'a Path, size: &str) -> Option<Self> {
        let options = format!("size={size},mode=0777");
        let mount = ["mount", "-t", "tmpfs", "-o", &options, "tmpfs"];
        as_root(&mount, folder).then_some(Self(folder))
    }

    /// Fills the disk from another process.
    pub(crate) fn fill(&self) {
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

    pub(crate) fn make_room(&self) {
        fs::remove_file(self.0.join("ballast")).unwrap();
    }

    /// Makes the disk read-only.
    pub(crate) fn make_read_only(&self) {
        assert!(as_root(&["mount", "-o", "remount,ro"], self.0));
    }
}

impl Drop for SmallDisk<'_> {
    fn drop(&mut self) {
        as_root(&["umount", "--lazy"], self.0);
    }
}
