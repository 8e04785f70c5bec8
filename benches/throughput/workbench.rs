//! The folder of a run, and the start of the programs that work in it.

use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};
use tempfile::TempDir;

use crate::arguments::CommonOptions;
use crate::machine;
use crate::process::Process;
use crate::slow_fsync::SlowFsync;

/// The folder of one run. Dropping it removes the folder and its files.
pub(crate) struct Workbench {
    folder: TempDir,
    slow_fsync: Option<SlowFsync>,
}

impl Workbench {
    /// Creates the folder.
    ///
    /// # Errors
    ///
    /// Fails if its file system has fewer than `bytes_needed` free bytes.
    pub(crate) fn new(options: &CommonOptions, bytes_needed: u64) -> anyhow::Result<Self> {
        let parent = options.folder.clone().unwrap_or_else(std::env::temp_dir);
        let folder = tempfile::Builder::new()
            .prefix("escrowd-bench-")
            .tempdir_in(&parent)
            .with_context(|| format!("no folder can be made in {}", parent.display()))?;
        if let Some(free) = free_bytes(folder.path())
            && free < bytes_needed
        {
            let mebibytes = |bytes: u64| bytes / (1 << 20);
            bail!(
                "{} has {} MiB free and this run may need {}; name a larger disk with --folder, or take fewer escrows",
                parent.display(),
                mebibytes(free),
                mebibytes(bytes_needed)
            );
        }
        if machine::file_system(folder.path()).as_deref() == Some("tmpfs") {
            eprintln!(
                "note: {} is memory, where an fsync costs nothing; name a folder on a disk with --folder",
                parent.display()
            );
        }
        // PostgreSQL may have to run as another user, who needs access to a folder in this
        // one.
        std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755))?;
        let slow_fsync = SlowFsync::compile(folder.path(), options.slow_fsync_ms)?;
        Ok(Self { folder, slow_fsync })
    }

    /// Returns the path of the folder.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Returns the path of a file in the folder.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Copies a database file, replaces an existing file of that name and returns the path
    /// of the copy. The copy is synced to disk, so that no turn waits for its writes.
    pub(crate) fn copy(&self, from: &Path, name: &str) -> anyhow::Result<PathBuf> {
        for suffix in ["-wal", "-shm"] {
            drop(std::fs::remove_file(self.file(&format!("{name}{suffix}"))));
        }
        let file = self.file(name);
        let copied = std::fs::copy(from, &file).and_then(|_| File::open(&file)?.sync_all());
        copied.with_context(|| format!("{} cannot be copied", from.display()))?;
        Ok(file)
    }

    /// Returns the command of a program, with the slower fsync if the run asks for one.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        if let Some(slow_fsync) = &self.slow_fsync {
            slow_fsync.load_under(&mut command);
        }
        command
    }

    /// Returns the command of the service on this database and address.
    pub(crate) fn escrowd_command(&self, database: impl AsRef<OsStr>, listen: &str) -> Command {
        let mut command = self.command(escrowd());
        command.args(["--listen", listen, "--database"]).arg(database);
        command.env("ESCROWD_LOG", "warn").current_dir(self.folder());
        command
    }

    /// Starts the service on this database and a free port.
    pub(crate) fn escrowd(&self, database: impl AsRef<OsStr>) -> anyhow::Result<Process> {
        Process::start(self.escrowd_command(database, "127.0.0.1:0"))
    }

    /// Returns the command of a peer, which is this program with other arguments.
    pub(crate) fn peer_command(&self, arguments: &[&str]) -> anyhow::Result<Command> {
        let mut command = self.command(std::env::current_exe()?);
        command.arg("peer").args(arguments);
        Ok(command)
    }

    /// Starts a peer that is a server.
    pub(crate) fn peer(&self, arguments: &[&str]) -> anyhow::Result<Process> {
        Process::start(self.peer_command(arguments)?)
    }
}

/// Audits a database after a run with `escrowd check`.
pub(crate) fn audit(database: impl AsRef<OsStr>) -> anyhow::Result<()> {
    audit_by(escrowd().as_ref(), database.as_ref())
}

/// Audits a database after a run with `escrowd check` of this build.
pub(crate) fn audit_by(program: &Path, database: &OsStr) -> anyhow::Result<()> {
    let audit = Command::new(program).arg("check").arg(database).output()?;
    if !audit.status.success() {
        bail!(
            "{} is not sound after the run: {}",
            database.display(),
            String::from_utf8_lossy(&audit.stdout)
        );
    }
    Ok(())
}

/// Returns the path of the measured binary.
pub(crate) const fn escrowd() -> &'static str {
    env!("CARGO_BIN_EXE_escrowd")
}

/// Returns the free bytes of the folder's file system, or `None` if `df` fails.
fn free_bytes(folder: &Path) -> Option<u64> {
    let df = Command::new("df")
        .args(["--output=avail", "-B1"])
        .arg(folder)
        .output()
        .ok()?;
    String::from_utf8(df.stdout).ok()?.lines().nth(1)?.trim().parse().ok()
}
