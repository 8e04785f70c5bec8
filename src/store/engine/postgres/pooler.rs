//! Finds out if a connection keeps its session of the server.
//!
//! A pooler that lends out a server's session for one transaction at a time, such as `PgBouncer`
//! with `pool_mode = transaction`, would let two processes hold the leader's lock on the same
//! session, and drop `LISTEN`, settings and prepared statements.

use crate::store::engine::postgres::session::Session;
use crate::store::engine::postgres::unusable::Unusable;

/// The number of rounds. Other clients of the pooler can hide a shared session from a single round.
const ROUNDS: usize = 5;

/// Checks that a connection keeps its session while another one is in use too. The number of the
/// server's process tells sessions apart.
///
/// A pooler that lends sessions for single transactions is found in one of two ways. If it lends
/// the session that was used last, `other` gets the session of `session`. If it lends the session
/// that was free for the longest time, `session` gets another one with each transaction or, if the
/// pooler has only one, `other` gets that one.
///
/// # Errors
///
/// [`Unusable::Other`] if it does not.
pub(super) fn check_session(session: &Session, other: &Session) -> Result<(), Unusable> {
    let own = server_process(session)?;
    for _ in 0..ROUNDS {
        let is_kept = server_process(session)? == own;
        // The timeout ends the wait below if the pooler has no more than this one session.
        other.batch("BEGIN; SET LOCAL idle_in_transaction_session_timeout = 1000")?;
        let is_own = is_kept && server_process(other)? != own && server_process(session)? == own;
        if !is_own {
            return Err(Unusable::Other(
                "a pooler between escrowd and the server lends out sessions for single transactions, and escrowd \
                 needs sessions of its own: set pool_mode = session in PgBouncer, or connect without the pooler"
                    .to_owned(),
            ));
        }
        other.batch("ROLLBACK")?;
    }
    Ok(())
}

/// Returns the number of the server's process behind a session.
fn server_process(session: &Session) -> Result<Option<i64>, Unusable> {
    let row = session.numbers("SELECT pg_backend_pid()")?;
    Ok(row.first().copied())
}
