//! A PostgreSQL of this run's own, when its programs are installed: a cluster in
//! the run's folder, reached by a socket there, gone afterwards.

mod fill;
mod pgbench;
pub(crate) mod pgledger;

use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use tokio_postgres::{Client, Config, NoTls};

pub(crate) use fill::fill;
pub(crate) use pgbench::{Confirms, Pgbench};

use crate::stop;
use crate::workbench::Workbench;

/// Connections of every program that uses it.
pub(crate) const CONNECTIONS: usize = 16;

/// How long it may take to start, and to stop.
const PATIENCE: Duration = Duration::from_mins(1);

/// What differs from PostgreSQL's defaults: memory for all the data, and no
/// checkpoint in the middle of a turn.
const SETTINGS: [&str; 6] = [
    "listen_addresses=",
    "fsync=on",
    "synchronous_commit=on",
    "shared_buffers=512MB",
    "max_wal_size=16GB",
    "checkpoint_timeout=30min",
];

/// A running cluster; stopped when dropped.
pub(crate) struct Cluster {
    programs: PathBuf,
    sockets: PathBuf,
    server: Child,
}

/// Whose processes a cluster's are: root may not run it.
enum Owner {
    Caller,
    Other { user: u32, group: u32 },
}

impl Cluster {
    /// Starts one, or says why there is none.
    pub(crate) fn start(workbench: &Workbench) -> anyhow::Result<Result<Self, String>> {
        let Some(programs) = programs() else {
            return Ok(Err("initdb, postgres and pgbench are not installed".to_owned()));
        };
        let Some(owner) = Owner::find()? else {
            let reason = "it does not run as root, and there is no user named postgres to run it as";
            return Ok(Err(reason.to_owned()));
        };
        let folder = workbench.file("postgres");
        std::fs::create_dir(&folder)?;
        if let Owner::Other { user, group } = owner {
            chown(&folder, Some(user), Some(group))?;
        }
        let data = folder.join("data");
        let made = owner
            .command(workbench, &programs.join("initdb"))
            .args([
                "--username=bench",
                "--auth=trust",
                "--encoding=UTF8",
                "--no-locale",
                "--no-sync",
                "-D",
            ])
            .arg(&data)
            .current_dir(&folder)
            .output()?;
        if !made.status.success() {
            bail!("initdb failed: {}", String::from_utf8_lossy(&made.stderr));
        }
        let log = workbench.file("postgres.log");
        let server = owner
            .command(workbench, &programs.join("postgres"))
            .arg("-D")
            .arg(&data)
            .arg("-k")
            .arg(&folder)
            .args(SETTINGS.iter().flat_map(|setting| ["-c", setting]))
            .current_dir(&folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(&log)?)
            .spawn()?;
        let mut cluster = Self {
            programs,
            sockets: folder,
            server,
        };
        cluster
            .wait_until_ready()
            .with_context(|| std::fs::read_to_string(&log).unwrap_or_default())?;
        Ok(Ok(cluster))
    }

    fn wait_until_ready(&mut self) -> anyhow::Result<()> {
        let since = Instant::now();
        while let Err(error) = self.database("postgres") {
            stop::check()?;
            if since.elapsed() > PATIENCE || self.server.try_wait()?.is_some() {
                return Err(error.context("PostgreSQL does not start"));
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(())
    }

    /// The folder of its socket.
    pub(crate) fn sockets(&self) -> &Path {
        &self.sockets
    }

    /// Its version, for people.
    pub(crate) fn version(&self) -> anyhow::Result<String> {
        self.database("postgres")?.text("SHOW server_version")
    }

    /// Connects to a database.
    pub(crate) fn database(&self, name: &str) -> anyhow::Result<Database> {
        Database::connect(&self.sockets, name)
    }

    /// Makes a database, empty or as a copy of another.
    pub(crate) fn create(&self, name: &str, template: &str) -> anyhow::Result<()> {
        self.database("postgres")?
            .run(&format!("CREATE DATABASE {name} TEMPLATE {template}"))
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // The fast shutdown: connections are cut and the processes end in order.
        drop(
            Command::new("kill")
                .arg("-INT")
                .arg(self.server.id().to_string())
                .status(),
        );
        let since = Instant::now();
        while matches!(self.server.try_wait(), Ok(None)) && since.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(20));
        }
        drop(self.server.kill());
        drop(self.server.wait());
    }
}

impl Owner {
    /// Whoever runs this program, or, for root, the user that Debian and others
    /// have for it.
    fn find() -> anyhow::Result<Option<Self>> {
        if std::fs::metadata("/proc/self")?.uid() != 0 {
            return Ok(Some(Self::Caller));
        }
        let users = std::fs::read_to_string("/etc/passwd")?;
        let other = users.lines().find_map(|line| {
            let mut fields = line.strip_prefix("postgres:")?.split(':').skip(1);
            let (user, group) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
            Some(Self::Other { user, group })
        });
        Ok(other)
    }

    /// A program that runs as the owner.
    fn command(&self, workbench: &Workbench, program: &Path) -> Command {
        let Self::Other { user, group } = self else {
            return workbench.command(program);
        };
        let mut command = workbench.command("setpriv");
        command
            .arg(format!("--reuid={user}"))
            .arg(format!("--regid={group}"))
            // It stops even when this program is killed.
            .args(["--clear-groups", "--pdeathsig=INT", "--"])
            .arg(program);
        command
    }
}

/// The folder that has all the programs needed: one of PATH, or where Debian
/// keeps them, the newest version first.
fn programs() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut versions: Vec<(u32, PathBuf)> = versions
        .filter_map(|version| Some((version.file_name().to_str()?.parse().ok()?, version.path().join("bin"))))
        .collect();
    versions.sort_by_key(|(version, _)| std::cmp::Reverse(*version));
    let of_versions = versions.into_iter().map(|(_, folder)| folder);
    std::env::split_paths(&path).chain(of_versions).find(|folder| {
        ["initdb", "postgres", "pgbench"]
            .iter()
            .all(|program| folder.join(program).is_file())
    })
}

/// How to reach a database.
pub(crate) fn config(sockets: &Path, database: &str) -> Config {
    let mut config = Config::new();
    config.host_path(sockets).user("bench").dbname(database);
    config
}

/// One connection to a database, for setting up and looking up.
pub(crate) struct Database {
    runtime: tokio::runtime::Runtime,
    client: Client,
}

impl Database {
    fn connect(sockets: &Path, name: &str) -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (client, connection) = runtime.block_on(config(sockets, name).connect(NoTls))?;
        runtime.spawn(async {
            drop(connection.await);
        });
        Ok(Self { runtime, client })
    }

    /// Runs statements.
    pub(crate) fn run(&self, sql: &str) -> anyhow::Result<()> {
        stop::check()?;
        Ok(self.runtime.block_on(self.client.batch_execute(sql))?)
    }

    /// One text.
    pub(crate) fn text(&self, sql: &str) -> anyhow::Result<String> {
        Ok(self.runtime.block_on(self.client.query_one(sql, &[]))?.try_get(0)?)
    }

    /// One number.
    pub(crate) fn number(&self, sql: &str) -> anyhow::Result<i64> {
        Ok(self.runtime.block_on(self.client.query_one(sql, &[]))?.try_get(0)?)
    }

    /// Copies rows in the text format of COPY into a table.
    pub(crate) fn copy(&self, table: &str, rows: String) -> anyhow::Result<()> {
        use futures_util::SinkExt;
        stop::check()?;
        self.runtime.block_on(async {
            let sink = self.client.copy_in(&format!("COPY {table} FROM STDIN")).await?;
            let mut sink = std::pin::pin!(sink);
            sink.send(std::io::Cursor::new(rows.into_bytes())).await?;
            sink.finish().await?;
            Ok(())
        })
    }
}
