//! A session that is opened when it is needed, and again after it was lost.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use postgres::NoTls;
use postgres::config::{Host, SslMode};
use rustls::ClientConfig;
use rustls_platform_verifier::ConfigVerifierExt;
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::store::engine::error::Error;
use crate::store::engine::long_reads::Reader;
use crate::store::engine::postgres::address::Address;
use crate::store::engine::postgres::session::Session;
use crate::store::engine::sql::Connection;
use crate::store::tx::Snapshot;

/// The longest time that a statement waits for a lock.
const LOCK_TIMEOUT: Duration = Duration::from_secs(5);
/// The time after which the server ends a transaction in which nothing happens, so that a
/// process that hangs does not keep its locks.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// A session, or the means to open one.
pub(crate) struct Link {
    address: Arc<Address>,
    /// The most time that a statement may take.
    statement_time_max: Duration,
    session: Option<Session>,
}

impl Link {
    pub(crate) const fn new(address: Arc<Address>, statement_time_max: Duration) -> Self {
        Self {
            address,
            statement_time_max,
            session: None,
        }
    }

    /// Returns the session, which is opened if there is none or it was lost.
    ///
    /// # Errors
    ///
    /// [`Error::Unreachable`] if no host can be reached, or none takes writes although the URL
    /// asks for one that does.
    pub(crate) fn session(&mut self) -> Result<&mut Session, Error> {
        let kept = self.session.take().filter(|session| !session.is_lost());
        let session = kept.map_or_else(|| open(&self.address, self.statement_time_max), Ok)?;
        Ok(self.session.insert(session))
    }

    /// Begins a transaction, on a new session if the old one turns out to be lost.
    ///
    /// # Errors
    ///
    /// Those of [`Link::session`] and of `sql`.
    pub(crate) fn begin(&mut self, sql: &str) -> Result<&Session, Error> {
        let begun = self.session()?.batch(sql);
        match begun {
            Ok(()) => {}
            Err(Error::Unreachable(_)) => {
                self.session = None;
                self.session()?.batch(sql)?;
            }
            Err(error) => return Err(error),
        }
        self.session.as_ref().ok_or(Error::Stopped)
    }

    /// Takes the session, which is opened if there is none or it was lost.
    ///
    /// # Errors
    ///
    /// Those of [`Link::session`].
    pub(crate) fn take(&mut self) -> Result<Session, Error> {
        self.session()?;
        self.session.take().ok_or(Error::Stopped)
    }

    /// Gives back a session for the next use.
    pub(crate) fn put(&mut self, session: Session) {
        self.session = Some(session);
    }
}

impl Reader for Link {
    fn read<T>(
        &mut self,
        _time_max: Duration,
        query: impl FnOnce(&Snapshot<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let session = self.begin("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY")?;
        let transaction = Transaction(session);
        query(&Snapshot::of(Connection::Postgres(transaction.0)))
    }
}

/// A transaction that only reads. Dropping it ends it, also after a panic.
struct Transaction<'a>(&'a Session);

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        if let Err(error) = self.0.batch("ROLLBACK")
            && !self.0.is_lost()
        {
            log::error!("a read transaction could not be ended: {error}");
        }
    }
}

/// Opens a session.
fn open(address: &Address, statement_time_max: Duration) -> Result<Session, Error> {
    let config = address.config();
    let is_local = config.get_hosts().iter().all(|host| matches!(host, Host::Unix(_)));
    let client = if is_local || config.get_ssl_mode() == SslMode::Disable {
        config.connect(NoTls)
    } else {
        let tls = tls().map_err(|error| Error::Unreachable(format!("{address}: TLS cannot be used: {error}")))?;
        config.connect(tls)
    };
    let session = Session::of(client.map_err(|error| Error::Unreachable(describe(address, &error)))?);
    session.batch(&format!(
        "SET statement_timeout = {}; SET lock_timeout = {}; SET idle_in_transaction_session_timeout = {};
         SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 3; SET tcp_keepalives_count = 3;
         SET client_min_messages = warning; SET jit = off",
        statement_time_max.as_millis(),
        LOCK_TIMEOUT.as_millis(),
        IDLE_TIMEOUT.as_millis(),
    ))?;
    Ok(session)
}

/// Opens a session to read a whole database: its statements, and the pauses between them, may take
/// any time, and whole tables are read in parts.
pub(crate) fn open_to_read_all(address: &Address) -> Result<Session, Error> {
    let mut session = open(address, Duration::ZERO)?;
    session.batch("SET idle_in_transaction_session_timeout = 0")?;
    session.read_tables_in_parts();
    Ok(session)
}

/// Returns the means for TLS, with the certificates that the system trusts. They are read once.
fn tls() -> Result<MakeRustlsConnect, rustls::Error> {
    static CONFIGURATION: OnceLock<ClientConfig> = OnceLock::new();
    if let Some(read) = CONFIGURATION.get() {
        return Ok(MakeRustlsConnect::new(read.clone()));
    }
    // The call fails if a provider is already installed, which is fine.
    drop(rustls::crypto::ring::default_provider().install_default());
    let read = ClientConfig::with_platform_verifier()?;
    Ok(MakeRustlsConnect::new(CONFIGURATION.get_or_init(|| read).clone()))
}

/// Describes why a connection failed, with the innermost cause.
fn describe(address: &Address, error: &postgres::Error) -> String {
    let mut innermost: &dyn std::error::Error = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    format!("{address}: {innermost}")
}
