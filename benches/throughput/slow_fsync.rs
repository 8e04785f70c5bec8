//! A disk whose fsync takes longer: `slow_fsync.c`, compiled here and loaded under
//! every program that takes part.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};

/// The compiled library, and by how much it slows an fsync.
pub(crate) struct SlowFsync {
    library: PathBuf,
    milliseconds: u64,
}

impl SlowFsync {
    /// Compiles the library into this folder; `None` when nothing is to be slowed.
    pub(crate) fn compile(folder: &Path, milliseconds: u64) -> anyhow::Result<Option<Self>> {
        if milliseconds == 0 {
            return Ok(None);
        }
        let source = folder.join("slow_fsync.c");
        let library = folder.join("slow_fsync.so");
        std::fs::write(&source, include_str!("slow_fsync.c"))?;
        let compiled = Command::new("cc")
            .args(["-O2", "-shared", "-fPIC", "-o"])
            .args([&library, &source])
            .arg("-ldl")
            .output()
            .context("--slow-fsync-ms needs a C compiler named cc")?;
        if !compiled.status.success() {
            bail!(
                "slow_fsync.c does not compile: {}",
                String::from_utf8_lossy(&compiled.stderr)
            );
        }
        Ok(Some(Self { library, milliseconds }))
    }

    /// Has the library loaded under this program.
    pub(crate) fn load_under(&self, command: &mut Command) {
        command
            .env("LD_PRELOAD", &self.library)
            .env("SLOW_FSYNC_MS", self.milliseconds.to_string());
    }
}
