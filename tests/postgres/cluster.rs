//! A PostgreSQL server of the test process, in a folder of its own, with databases for single
//! tests. It ends with the process.

use std::fs;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::waiting::until_ok;
use postgres::error::SqlState;
use postgres::{Client, NoTls};

/// The folders in which distributions keep the programs of PostgreSQL, by version.
const PROGRAMS: &str = "/usr/lib/postgresql";

/// Functions of SQLite with which tests look into a database, and damage it.
const FUNCTIONS_OF_SQLITE: &str = "
    CREATE FUNCTION zeroblob(INT) RETURNS BYTEA LANGUAGE SQL AS $$ SELECT decode(repeat('00', $1), 'hex') $$;
    CREATE FUNCTION hex(BYTEA) RETURNS TEXT LANGUAGE SQL AS $$ SELECT upper(encode($1, 'hex')) $$;
    CREATE FUNCTION printf(TEXT, BIGINT, BIGINT) RETURNS TEXT LANGUAGE SQL AS
        $$ SELECT lpad(to_hex($2), 16, '0') || lpad(to_hex($3), 8, '0') $$;
    CREATE FUNCTION printf(TEXT, BIGINT) RETURNS TEXT LANGUAGE SQL AS $$ SELECT lpad(to_hex($2), 8, '0') $$;";

/// Returns true if `ESCROWD_TEST_DATABASE` asks for tests on PostgreSQL.
pub(crate) fn is_wanted() -> bool {
    static WANTED: OnceLock<bool> = OnceLock::new();
    *WANTED.get_or_init(|| match std::env::var("ESCROWD_TEST_DATABASE") {
        Ok(name) => {
            assert_eq!(name, "postgres", "ESCROWD_TEST_DATABASE can be postgres");
            true
        }
        Err(_) => false,
    })
}

/// Returns true if PostgreSQL is installed. CI must have it.
pub(crate) fn is_installed() -> bool {
    let is_installed = chosen_programs().is_some() || Path::new(PROGRAMS).is_dir();
    assert!(
        is_installed || std::env::var_os("CI").is_none(),
        "CI must run this test, but PostgreSQL is not in {PROGRAMS}"
    );
    is_installed
}

/// A running server. Dropping it kills it; so does the end of the test process.
pub(crate) struct Cluster {
    folder: PathBuf,
    /// The shell that runs the server while its input is open.
    shell: Child,
}

impl Cluster {
    /// Makes and starts a server in a folder, with further settings.
    pub(crate) fn start(folder: &Path, settings: &[&str]) -> Self {
        Self::make(folder);
        Self::run(folder, settings)
    }

    fn make(folder: &Path) {
        let programs = programs();
        own(folder);
        let data = folder.join("data");
        let made = as_owner(&programs.join("initdb"))
            .args(["--username=escrowd", "--auth=trust", "--encoding=UTF8", "--no-locale"])
            .args(["--no-sync", "--data-checksums", "-D"])
            .arg(&data)
            .current_dir(folder)
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    }

    /// Starts the server whose data is in this folder.
    pub(crate) fn run(folder: &Path, settings: &[&str]) -> Self {
        Self::run_and_then(folder, settings, "true")
    }

    /// Starts the server, and runs a command of the shell when it has ended.
    fn run_and_then(folder: &Path, settings: &[&str], after: &str) -> Self {
        let server = programs().join("postgres");
        let mut arguments = vec![
            server.display().to_string(),
            "-D".to_owned(),
            folder.join("data").display().to_string(),
            "-k".to_owned(),
            folder.display().to_string(),
        ];
        let fixed = [
            "listen_addresses=",
            "fsync=on",
            "synchronous_commit=on",
            "max_connections=400",
            // In the folder: a server that is killed does not remove it.
            "dynamic_shared_memory_type=mmap",
        ];
        for setting in fixed.iter().chain(settings) {
            arguments.extend(["-c".to_owned(), (*setting).to_owned()]);
        }
        let quoted: Vec<String> = arguments.iter().map(|argument| format!("'{argument}'")).collect();
        // The shell ends the server when its input does: at the end of the test process, however
        // that comes about.
        let script = format!(
            "{} & server=$!; read _; kill -KILL $server; wait $server; {after}",
            quoted.join(" ")
        );
        let shell = as_owner(Path::new("/bin/sh"))
            .args(["-c", &script])
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(fs::File::create(folder.join("log")).unwrap())
            .spawn()
            .unwrap();
        let cluster = Self {
            folder: folder.to_owned(),
            shell,
        };
        until_ok("PostgreSQL starts", || {
            let log = fs::read_to_string(folder.join("log")).unwrap_or_default();
            Client::connect(&cluster.url("postgres"), NoTls).map_err(|error| format!("{error}\n{log}"))
        });
        cluster
    }

    /// Sends a signal to the server and all its processes.
    pub(crate) fn signal(&self, name: &str) {
        let script = format!("server=$(head -n 1 data/postmaster.pid) && kill -s {name} $server $(pgrep -P $server)");
        let sent = Command::new("/bin/sh")
            .args(["-c", &script])
            .current_dir(&self.folder)
            .status();
        assert!(sent.unwrap().success());
    }

    /// Returns the URL of a database.
    pub(crate) fn url(&self, database: &str) -> String {
        let folder = self.folder.display().to_string().replace('/', "%2F");
        format!("postgres://escrowd@{folder}/{database}")
    }

    /// Makes an empty database and returns its URL.
    pub(crate) fn new_database(&self) -> String {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let name = format!("test_{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let mut client = Client::connect(&self.url("postgres"), NoTls).unwrap();
        client.batch_execute(&format!("CREATE DATABASE {name}")).unwrap();
        self.url(&name)
    }
}

/// Copies the data of a running server to another folder, as a standby that follows it.
pub(crate) fn base_backup(from: &Path, to: &Path) {
    own(to);
    let made = as_owner(&programs().join("pg_basebackup"))
        .args([
            "--write-recovery-conf",
            "--checkpoint=fast",
            "--no-sync",
            "--username=escrowd",
        ])
        .arg("--host")
        .arg(from)
        .arg("--pgdata")
        .arg(to.join("data"))
        .current_dir(to)
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

impl Drop for Cluster {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        drop(self.shell.wait());
    }
}

/// Removes a database, and ends what is still connected to it.
pub(crate) fn remove_database(url: &str) {
    let (server, name) = url.rsplit_once('/').unwrap();
    let mut client = Client::connect(&format!("{server}/postgres"), NoTls).unwrap();
    client
        .batch_execute(&format!("DROP DATABASE {name} WITH (FORCE)"))
        .unwrap();
}

/// Gives a database the content of another, to which nothing is connected.
pub(crate) fn copy_database(from: &str, to: &str) {
    remove_database(to);
    let (server, from) = from.rsplit_once('/').unwrap();
    let (_, to) = to.rsplit_once('/').unwrap();
    let mut client = Client::connect(&format!("{server}/postgres"), NoTls).unwrap();
    let sql = format!("CREATE DATABASE {to} TEMPLATE {from}");
    // The server ends a session some time after its connection is closed.
    until_ok("nothing is connected to it", || {
        let copied = client.batch_execute(&sql);
        copied.inspect_err(|error| assert_eq!(error.code(), Some(&SqlState::OBJECT_IN_USE), "{error:?}"))
    });
}

/// Returns a new folder, in memory where there is such a folder: no test that uses it cuts the
/// power.
pub(crate) fn folder_in_memory() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    let parent = if memory.is_dir() {
        memory.to_owned()
    } else {
        std::env::temp_dir()
    };
    let mut folder = tempfile::Builder::new();
    folder.prefix("escrowd-test-").tempdir_in(parent).unwrap()
}

/// Returns the URL of a new database on the server that all tests of this process share.
pub(crate) fn new_database() -> String {
    static SHARED: OnceLock<Cluster> = OnceLock::new();
    let shared = SHARED.get_or_init(|| {
        let folder = folder_in_memory().keep();
        Cluster::make(&folder);
        let remove = format!("rm -rf '{}'", folder.display());
        let cluster = Cluster::run_and_then(&folder, &["max_wal_size=256MB"], &remove);
        let mut template = Client::connect(&cluster.url("template1"), NoTls).unwrap();
        template.batch_execute(FUNCTIONS_OF_SQLITE).unwrap();
        cluster
    });
    shared.new_database()
}

/// Returns the folder that `POSTGRES_PROGRAMS` names, for tests on another version.
fn chosen_programs() -> Option<PathBuf> {
    let folder = PathBuf::from(std::env::var_os("POSTGRES_PROGRAMS")?);
    for program in ["initdb", "postgres", "pg_ctl", "pg_basebackup"] {
        assert!(
            folder.join(program).exists(),
            "POSTGRES_PROGRAMS names a folder without {program}: {}",
            folder.display()
        );
    }
    Some(folder)
}

/// Returns the folder of PostgreSQL's programs: the chosen one, or that of the newest version.
pub(crate) fn programs() -> PathBuf {
    if let Some(folder) = chosen_programs() {
        return folder;
    }
    let versions = fs::read_dir(PROGRAMS).unwrap_or_else(|_| panic!("PostgreSQL is not in {PROGRAMS}"));
    let mut versions: Vec<PathBuf> = versions.map(|version| version.unwrap().path().join("bin")).collect();
    versions.retain(|programs| programs.join("initdb").exists());
    versions.sort();
    versions
        .pop()
        .unwrap_or_else(|| panic!("PostgreSQL is not in {PROGRAMS}"))
}

/// Returns a command of the user that runs the server, since PostgreSQL refuses to run as root.
pub(crate) fn as_owner(program: &Path) -> Command {
    if !rustix::process::getuid().is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command
        .args(["--reuid=postgres", "--regid=postgres", "--clear-groups", "--"])
        .arg(program);
    command
}

/// Returns an address of this machine that no other test process uses, so that servers may
/// listen on the same port.
pub(crate) fn own_address(number: u8) -> String {
    let [.., high, low] = std::process::id().to_be_bytes();
    format!("127.{}.{low}.{number}", 64 + high % 64)
}

/// Gives a folder or a file to the user that runs the server.
pub(crate) fn own(path: &Path) {
    if rustix::process::getuid().is_root() {
        let users = fs::read_to_string("/etc/passwd").unwrap();
        let postgres = users.lines().find_map(|line| line.strip_prefix("postgres:")).unwrap();
        let mut fields = postgres.split(':').skip(1).map(|field| field.parse().ok());
        let (user, group) = (fields.next().unwrap(), fields.next().unwrap());
        chown(path, user, group).unwrap();
    }
}
