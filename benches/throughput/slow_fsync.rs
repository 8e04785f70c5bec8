//! Simulates a disk with a slower fsync. It compiles `slow_fsync.c` and preloads it into
//! every program that takes part.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};

/// The compiled library, and the milliseconds that it adds to an fsync.
pub(crate) struct SlowFsync {
    library: PathBuf,
    milliseconds: u64,
}

impl SlowFsync {
    /// Compiles the library into this folder. Returns `None` if `milliseconds` is 0.
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

    /// Makes this program load the library when it starts.
    pub(crate) fn load_under(&self, command: &mut Command) {
        command
            .env("LD_PRELOAD", &self.library)
            .env("SLOW_FSYNC_MS", self.milliseconds.to_string());
    }
}
