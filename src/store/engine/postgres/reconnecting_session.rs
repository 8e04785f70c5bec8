//! Opens sessions of PostgreSQL, and opens one again after it was lost.

use std::sync::Arc;
use std::time::Duration;

use tokio_postgres::NoTls;
use tokio_postgres::config::{Host, SslMode};

use crate::store::engine::error::{Error, describe_postgres};
use crate::store::engine::postgres::address::Address;
use crate::store::engine::postgres::build::USE_LOCK;
use crate::store::engine::postgres::client::{self, Client};
use crate::store::engine::postgres::pooler;
use crate::store::engine::postgres::session::Session;
use crate::store::engine::postgres::tls;
use crate::store::engine::postgres::unusable::Unusable;
use crate::store::engine::reader::{Query, Reader};
use crate::store::engine::sql::Connection;
use crate::store::tx::Snapshot;

/// The longest time that a statement waits for a lock. A statement with a limit of its own waits
/// less than that, so that its error names the lock.
const LOCK_TIMEOUT: Duration = Duration::from_secs(5);
/// The time after which the server ends a transaction in which nothing happens, so that a
/// process that hangs does not keep its locks.
pub(super) const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// The longest wait for an answer after the time that the server has for the statement.
const ANSWER_DELAY_MAX: Duration = Duration::from_secs(2);
/// The longest wait for an answer to a statement without a time limit of its own. Such a statement
/// waits for a lock at most; a commit that waits for a standby runs in [`Client::without_limit`].
const ANSWER_TIME_MAX: Duration = Duration::from_secs(30);
/// The longest wait for a server that has taken a connection, and answers nothing.
const GREETING_TIME_MAX: Duration = Duration::from_secs(5);

/// A session that is opened when it is needed, and again after it was lost. It shows that the database
/// is in use.
pub(crate) struct ReconnectingSession {
    address: Arc<Address>,
    /// The most time that a statement may take.
    statement_time_max: Duration,
    /// Plans of prepared statements are made once, without their values, and use an index if there
    /// is one.
    keeps_plans: bool,
    session: Option<Session>,
}

impl ReconnectingSession {
    pub(crate) const fn new(address: Arc<Address>, statement_time_max: Duration) -> Self {
        Self {
            address,
            statement_time_max,
            keeps_plans: false,
            session: None,
        }
    }

    /// Makes the plans of prepared statements once, for work whose statements find few rows by a
    /// key, whatever their values. A table that is small when its plan is made is read by its index
    /// too, since it may have grown when the plan is used.
    pub(crate) const fn keeping_plans(mut self) -> Self {
        self.keeps_plans = true;
        self
    }

    /// Runs the beginning of some work, and runs it again on a new session if the old one turns out
    /// to be lost. The session is opened if there is none.
    ///
    /// # Errors
    ///
    /// [`Error::Unreachable`] if no host can be reached, or none takes writes although the URL
    /// asks for one that does, or the error of the work.
    pub(crate) fn begin<T>(&mut self, work: impl Fn(&mut Session) -> Result<T, Error>) -> Result<T, Error> {
        if let Some(session) = self.session.as_mut().filter(|session| !session.is_lost()) {
            match work(session) {
                Err(Error::Unreachable(_)) => {}
                outcome => return outcome,
            }
        }
        self.session = None;
        let session = open(&self.address, self.statement_time_max)?;
        session.batch(&format!("SELECT pg_advisory_lock_shared({USE_LOCK})"))?;
        if self.keeps_plans {
            session.batch("SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off")?;
        }
        work(self.session.insert(session))
    }

    /// Takes the session on which work was begun.
    ///
    /// # Errors
    ///
    /// [`Error::Stopped`] if there is none.
    pub(crate) fn take(&mut self) -> Result<Session, Error> {
        self.session.take().ok_or(Error::Stopped)
    }

    /// Gives back a session for the next use.
    pub(crate) fn put(&mut self, session: Session) {
        self.session = Some(session);
    }
}

impl Reader for ReconnectingSession {
    fn read(&mut self, _time_max: Duration, query: &mut Query<'_>) -> Result<(), Error> {
        self.begin(|session| session.begin_between_migrations(OF_SNAPSHOT))?;
        let session = self.session.as_ref().ok_or(Error::Stopped)?;
        read_and_end(session, |connection| query(&Snapshot::of(connection)))
    }
}

/// The isolation level of a transaction that reads from one snapshot.
const OF_SNAPSHOT: &str = "REPEATABLE READ, READ ONLY";

/// Reads from one snapshot.
pub(crate) fn in_snapshot<T>(
    session: &Session,
    read: impl FnOnce(Connection<'_>) -> Result<T, Error>,
) -> Result<T, Error> {
    session.begin_between_migrations(OF_SNAPSHOT)?;
    read_and_end(session, read)
}

/// Reads in the transaction under way, and ends it.
fn read_and_end<T>(session: &Session, read: impl FnOnce(Connection<'_>) -> Result<T, Error>) -> Result<T, Error> {
    let transaction = Transaction(session);
    read(Connection::Postgres(transaction.0))
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

/// Opens a session, in which no wait is without end.
pub(super) fn open(address: &Address, statement_time_max: Duration) -> Result<Session, Error> {
    let config = address.config();
    let is_local = config.get_hosts().iter().all(|host| matches!(host, Host::Unix(_)));
    let runtime = client::new_runtime().map_err(|error| Error::Unreachable(format!("{address}: {error}")))?;
    let hosts = u32::try_from(config.get_hosts().len()).unwrap_or(u32::MAX);
    let of_each = config.get_connect_timeout().copied().unwrap_or_default();
    let time_max = of_each.saturating_mul(hosts).saturating_add(GREETING_TIME_MAX);
    let client = if is_local || config.get_ssl_mode() == SslMode::Disable {
        Client::connect(runtime, config, NoTls, time_max)
    } else {
        let tls = tls::connector(address.tls_files());
        let tls = tls.map_err(|error| Error::Unreachable(format!("{address}: {error}")))?;
        Client::connect(runtime, config, tls, time_max)
    };
    let lock_time_max = match statement_time_max {
        Duration::ZERO => LOCK_TIMEOUT,
        limit => LOCK_TIMEOUT.min(limit * 9 / 10),
    };
    let client = client.map_err(|error| Error::Unreachable(describe(address, &error)))?;
    let client =
        client.ok_or_else(|| Error::Unreachable(format!("{address}: no answer for {} s", time_max.as_secs())))?;
    client.limit_answers(match statement_time_max {
        Duration::ZERO => ANSWER_TIME_MAX,
        limit => limit.saturating_add(ANSWER_DELAY_MAX),
    });
    let session = Session::of(client);
    session.batch(&format!(
        "SET statement_timeout = {}; SET lock_timeout = {}; SET idle_in_transaction_session_timeout = {};
         SET idle_session_timeout = 0;
         SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 3; SET tcp_keepalives_count = 3;
         SET client_min_messages = warning; SET jit = off",
        statement_time_max.as_millis(),
        lock_time_max.as_millis(),
        IDLE_TIMEOUT.as_millis(),
    ))?;
    Ok(session)
}

/// Opens a session of a command, to read a whole database: its statements, and the pauses between
/// them, may take any time, and whole tables are read in parts.
///
/// # Errors
///
/// Fails if the database cannot be reached, or only through a pooler that keeps no sessions.
pub(crate) fn open_to_read_all(address: &Address) -> Result<Session, Unusable> {
    let mut session = open(address, Duration::ZERO)?;
    pooler::check_session(&session, &open(address, Duration::ZERO)?)?;
    session.client().never_limit_answers();
    session.batch("SET idle_in_transaction_session_timeout = 0")?;
    session.read_tables_in_parts();
    Ok(session)
}

/// Describes why a connection failed, with the innermost cause and what can be done about it.
fn describe(address: &Address, error: &tokio_postgres::Error) -> String {
    if error.as_db_error().is_some() {
        return format!("{address}: {}", describe_postgres(error));
    }
    let mut innermost: &(dyn std::error::Error + 'static) = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    match tls::remedy(innermost) {
        Some(remedy) => format!("{address}: {innermost}; {remedy}"),
        None => format!("{address}: {innermost}"),
    }
}
