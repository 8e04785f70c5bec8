//! A PostgreSQL cluster for this run, if the programs of PostgreSQL are installed. The
//! cluster is in the run's folder, listens on a socket there and is removed afterwards.

mod fill;
mod pgbench;
pub(crate) mod pgledger;

use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use tokio_postgres::{Client, Config, NoTls};

pub(crate) use fill::fill;
pub(crate) use pgbench::{Confirms, Pgbench};

use crate::stop;
use crate::workbench::Workbench;

/// The connections of each program that uses the cluster.
pub(crate) const CONNECTIONS: usize = 16;

/// The longest time that the cluster may take to start, and to stop.
const TIMEOUT: Duration = Duration::from_mins(1);

/// The settings that differ from PostgreSQL's defaults or must not depend on them. All data
/// fits in memory, and no checkpoint runs during a turn.
const SETTINGS: [&str; 6] = [
    "listen_addresses=",
    "fsync=on",
    "synchronous_commit=on",
    "shared_buffers=512MB",
    "max_wal_size=16GB",
    "checkpoint_timeout=30min",
];

/// A running cluster. Dropping it stops the cluster.
pub(crate) struct Cluster {
    programs: PathBuf,
    sockets: PathBuf,
    server: Child,
}

/// The user that runs the cluster, since PostgreSQL refuses to run as root.
enum Owner {
    Caller,
    Other { user: u32, group: u32 },
}

impl Cluster {
    /// Starts a cluster, or returns the reason why PostgreSQL cannot take part.
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
            if since.elapsed() > TIMEOUT || self.server.try_wait()?.is_some() {
                return Err(error.context("PostgreSQL does not start"));
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(())
    }

    /// Returns the folder of the socket.
    pub(crate) fn sockets(&self) -> &Path {
        &self.sockets
    }

    /// Returns the URL of a database.
    pub(crate) fn url(&self, database: &str) -> String {
        let folder = self.sockets.to_string_lossy().replace('/', "%2F");
        format!("postgres://bench@{folder}/{database}")
    }

    /// Returns the version of the server.
    pub(crate) fn version(&self) -> anyhow::Result<String> {
        self.database("postgres")?.text("SHOW server_version")
    }

    /// Connects to a database.
    pub(crate) fn database(&self, name: &str) -> anyhow::Result<Database> {
        Database::connect(&self.sockets, name)
    }

    /// Creates a database as a copy of another; `template1` is empty.
    pub(crate) fn create(&self, name: &str, template: &str) -> anyhow::Result<()> {
        self.database("postgres")?
            .run(&format!("CREATE DATABASE {name} TEMPLATE {template}"))
    }

    /// Makes a build of escrowd copy a file into a new database, and returns the database's URL.
    pub(crate) fn copy_of(&self, file: &Path, name: &str, program: &Path) -> anyhow::Result<String> {
        self.create(name, "template1")?;
        let url = self.url(name);
        eprintln!("copying {} into PostgreSQL", file.display());
        let copied = Command::new(program).arg("copy").arg(file).arg(&url).output()?;
        let told = String::from_utf8_lossy(&copied.stderr);
        ensure!(copied.status.success(), "{} was not copied: {told}", file.display());
        Ok(url)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // SIGINT is PostgreSQL's fast shutdown, which closes connections and stops cleanly.
        drop(
            Command::new("kill")
                .arg("-INT")
                .arg(self.server.id().to_string())
                .status(),
        );
        let since = Instant::now();
        while matches!(self.server.try_wait(), Ok(None)) && since.elapsed() < TIMEOUT {
            std::thread::sleep(Duration::from_millis(20));
        }
        drop(self.server.kill());
        drop(self.server.wait());
    }
}

impl Owner {
    /// Returns the user of this program or, if that is root, the user `postgres`, which
    /// Debian and other distributions create.
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

    /// Returns the command of a program that runs as the owner.
    fn command(&self, workbench: &Workbench, program: &Path) -> Command {
        let Self::Other { user, group } = self else {
            return workbench.command(program);
        };
        let mut command = workbench.command("setpriv");
        command
            .arg(format!("--reuid={user}"))
            .arg(format!("--regid={group}"))
            // The program gets SIGINT if this program is killed.
            .args(["--clear-groups", "--pdeathsig=INT", "--"])
            .arg(program);
        command
    }
}

/// Returns the folder that has all the needed programs. It searches PATH first, then
/// Debian's folders from the newest version to the oldest.
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

/// Returns the connection settings of a database.
pub(crate) fn config(sockets: &Path, database: &str) -> Config {
    let mut config = Config::new();
    config.host_path(sockets).user("bench").dbname(database);
    config
}

/// A connection to a database, for setup and checks.
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

    /// Returns the text that a query selects.
    pub(crate) fn text(&self, sql: &str) -> anyhow::Result<String> {
        Ok(self.runtime.block_on(self.client.query_one(sql, &[]))?.try_get(0)?)
    }

    /// Returns the number that a query selects.
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
