//! The preparation of a database at a start: its tables are created, migrated or checked, by one
//! process at a time.

use std::thread;
use std::time::{Duration, Instant};

use crate::domain::ids::Entropy;
use crate::domain::mode::Mode;
use crate::domain::time::Timestamp;
use crate::store::engine::error::OpenError;
use crate::store::engine::postgres::address::Address;
use crate::store::engine::postgres::build::{self, Build, LOCK, Schema};
use crate::store::engine::postgres::client::Client;
use crate::store::engine::postgres::migrations;
use crate::store::engine::postgres::pooler;
use crate::store::engine::postgres::reconnecting_session::open;
use crate::store::engine::postgres::unusable::Unusable;
use crate::store::engine::value::stored_mode;

/// The longest time that the preparation waits for the lock of a table, once no other process
/// prepares the database: longer than the reads of a service take.
const LOCK_TIMEOUT: Duration = Duration::from_secs(30);

/// The pause between two attempts to take the lock of the preparation, and that between two
/// lines in the log which say that another process holds it.
const LOCK_PAUSE: Duration = Duration::from_millis(100);
const TELL_PAUSE: Duration = Duration::from_mins(1);

/// Removes the newest commits of processes that ended long ago. One that runs commits at least every few
/// hours, and looks for a lost commit for less than a minute.
const REMOVE_OLD_COMMITS: &str = "DELETE FROM process_commit WHERE committed_at < now() - INTERVAL '30 days'";

/// The oldest version of the server that is known to work: 15.
const SERVER_VERSION_MIN: i32 = 150_000;

/// The schema, mode and currency for which a start prepares a database.
#[derive(Clone, Copy, Debug)]
pub struct Preparation<'a> {
    /// The schema, and the steps that lead to it.
    pub build: &'a Build<'a>,
    /// Sandbox or live.
    pub mode: Mode,
    /// The currency of every amount.
    pub currency: &'a str,
    /// The time of the creation.
    pub now: Timestamp,
    /// The secret of an empty database.
    pub secret: &'a [u8; 32],
}

impl Preparation<'_> {
    /// Creates the tables in an empty database, migrates one of an earlier version, or checks the
    /// one that is there. Returns the secret that all processes on it share. While another process
    /// does the same, or copies the database, this waits.
    ///
    /// # Errors
    ///
    /// Fails if the database cannot be reached, or only through a pooler that keeps no sessions,
    /// its server may lose what it acknowledges, it has tables of another program or of a newer
    /// build, is for another mode or currency, or cannot be migrated. It is left as it was.
    pub fn run(&self, address: &Address) -> Result<[u8; 32], OpenError> {
        // A migration takes as long as its steps do, and so does that of another process.
        let session = open(address, Duration::ZERO).map_err(Unusable::Server);
        let prepared = session.and_then(|session| {
            pooler::check_session(&session, &open(address, Duration::ZERO)?)?;
            check_server(session.client())?;
            warn_without_standby(session.client(), address)?;
            session.client().never_limit_answers();
            self.prepare(session.client(), address)
        });
        prepared.map_err(|problem| problem.into_error(address))
    }

    fn prepare(&self, client: &Client, address: &Address) -> Result<[u8; 32], Unusable> {
        client.batch_execute("BEGIN ISOLATION LEVEL READ COMMITTED")?;
        lock(client, address)?;
        if !build::exists(client)? {
            self.create(client)?;
            client.batch_execute("COMMIT")?;
            return Ok(*self.secret);
        }
        let schema = self.build.compare(client)?;
        self.check_purpose(client)?;
        let started = Instant::now();
        if let Schema::Earlier(from) = schema {
            log::warn!(
                "the database {address} has schema version {from}; migrating it to version {}: requests of other \
                 processes wait meanwhile, and nothing keeps the database as it was but your backup (docs/scaling.md, \
                 Upgrade)",
                self.build.version
            );
            migrations::migrate(client, self.build, from)?;
        }
        let secret = shared_secret(client)?;
        client.batch_execute(REMOVE_OLD_COMMITS)?;
        client.batch_execute("COMMIT")?;
        if let Schema::Earlier(from) = schema {
            log::warn!(
                "migrated {address} from schema version {from} to {} in {} ms; processes of the older build end",
                self.build.version,
                started.elapsed().as_millis()
            );
        }
        Ok(secret)
    }

    fn create(&self, client: &Client) -> Result<(), Unusable> {
        let tables = build::count_tables(client)?;
        if tables > 0 {
            return Err(Unusable::Other(format!(
                "it has {tables} tables of another program; create an empty database for escrowd"
            )));
        }
        self.build.create(client, self.secret)?;
        client.execute(
            "INSERT INTO instance (only_row, mode, currency, created_at) VALUES (1, $1, $2, $3)",
            &[&stored_mode(self.mode), &self.currency, &self.now.millis()],
        )?;
        client.execute(
            "INSERT INTO file_mark (only_row, generation, previous_generation, commits, newest_transfer, is_open,
                 schema_cookie, ledger_time)
             VALUES (1, 0, 0, 0, 0, 0, 0, 0)",
            &[],
        )?;
        Ok(())
    }

    fn check_purpose(&self, client: &Client) -> Result<(), Unusable> {
        let row = client.query_one("SELECT mode, currency FROM instance", &[])?;
        let (mode, currency): (String, String) = (row.try_get(0)?, row.try_get(1)?);
        if mode == stored_mode(self.mode) && currency == self.currency {
            return Ok(());
        }
        Err(Unusable::Other(format!(
            "it was made for {} in {currency} and cannot serve {} in {}",
            mode.to_lowercase(),
            stored_mode(self.mode).to_lowercase(),
            self.currency
        )))
    }
}

/// Takes the lock under which one process prepares a database, until the transaction ends.
fn lock(client: &Client, address: &Address) -> Result<(), Unusable> {
    let sql = "SELECT pg_try_advisory_xact_lock($1)";
    let mut tell_at = Instant::now();
    // To wait inside the server would keep the start from saying again that it waits.
    while !client.query_one(sql, &[&LOCK])?.try_get::<_, bool>(0)? {
        if Instant::now() >= tell_at {
            log::info!(
                "another process creates, migrates or copies the database {address}; waiting until it has ended"
            );
            tell_at = Instant::now() + TELL_PAUSE;
        }
        thread::sleep(LOCK_PAUSE);
    }
    let sql = format!("SET LOCAL lock_timeout = {}", LOCK_TIMEOUT.as_millis());
    Ok(client.batch_execute(&sql)?)
}

fn shared_secret(client: &Client) -> Result<[u8; 32], Unusable> {
    let row = client.query_one("SELECT secret FROM shared_secret", &[])?;
    let secret: Vec<u8> = row.try_get(0)?;
    let unusual = |_| Unusable::Other("its shared secret has not 32 bytes".to_owned());
    secret.try_into().map_err(unusual)
}

/// Returns a new secret for all processes on a database.
pub(crate) fn random_secret(entropy: &mut dyn Entropy) -> [u8; 32] {
    let mut secret = [0; 32];
    for half in secret.chunks_exact_mut(16) {
        half.copy_from_slice(&entropy.random().to_ne_bytes());
    }
    secret
}

/// Logs a warning if the server waits for a standby at each commit and none is connected: the
/// first commit, and with it the start, then waits too.
fn warn_without_standby(client: &Client, address: &Address) -> Result<(), Unusable> {
    let sql = "SELECT current_setting('synchronous_standby_names') <> ''
                   AND NOT EXISTS (SELECT FROM pg_stat_replication)";
    if client.query_one(sql, &[])?.try_get(0)? {
        log::warn!(
            "the server of {address} waits for a synchronous standby at each commit, and no standby is connected: \
             writes wait until one is (synchronous_standby_names)"
        );
    }
    Ok(())
}

/// Checks that the server keeps what it acknowledges and is new enough, and that the database
/// keeps every text.
///
/// # Errors
///
/// Fails if a setting of the server allows it to lose a commit, or the database has another
/// encoding than UTF-8.
pub(super) fn check_server(client: &Client) -> Result<(), Unusable> {
    let setting = |name: &str| -> Result<String, Unusable> {
        Ok(client.query_one("SELECT current_setting($1)", &[&name])?.try_get(0)?)
    };
    let version = setting("server_version_num")?;
    if version.parse::<i32>().is_ok_and(|version| version < SERVER_VERSION_MIN) {
        return Err(Unusable::Other(format!(
            "the server has version {version}, and {SERVER_VERSION_MIN} is the oldest that is known to work"
        )));
    }
    let encoding = setting("server_encoding")?;
    if encoding != "UTF8" {
        return Err(Unusable::Other(format!(
            "its encoding is {encoding}, which has not every character of names and texts; create it with \
             `createdb -E UTF8 -T template0`"
        )));
    }
    for (name, durable) in [
        ("synchronous_commit", &["on", "remote_apply"][..]),
        ("fsync", &["on"]),
        ("full_page_writes", &["on"]),
    ] {
        let found = setting(name)?;
        if !durable.contains(&found.as_str()) {
            return Err(Unusable::Other(format!(
                "{name} is {found}, so the server may lose what it has acknowledged; set it to {}",
                durable[0]
            )));
        }
    }
    Ok(())
}
