//! The sessions of uploads and downloads: few, so that large files of many requests do not hold
//! memory and connections without end, and more than one, so that a slow transfer does not keep
//! the others waiting.
//!
//! The pool of r2d2 would not do: a close does not end the waits for its connections, and it has
//! threads of its own to open them, which these sessions do when they are used.

use std::ops::{Deref, DerefMut};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::store::engine::error::Error;

/// Sessions that are lent one by one.
pub(crate) struct FileSessions<S> {
    state: Mutex<State<S>>,
    /// Signals that a session may be free.
    changed: Condvar,
    /// The longest wait for a session.
    wait_max: Duration,
}

struct State<S> {
    free: Vec<S>,
    is_closed: bool,
}

/// A session in use. Dropping it gives it back, also after a panic.
pub(crate) struct Lent<'a, S> {
    sessions: &'a FileSessions<S>,
    /// `None` once it was given back.
    session: Option<S>,
}

impl<S> FileSessions<S> {
    pub(crate) const fn new(sessions: Vec<S>, wait_max: Duration) -> Self {
        Self {
            state: Mutex::new(State {
                free: sessions,
                is_closed: false,
            }),
            changed: Condvar::new(),
            wait_max,
        }
    }

    /// Takes a session that is free, and waits for one if none is.
    ///
    /// # Errors
    ///
    /// [`Error::NoReader`] if none becomes free in time, [`Error::Stopped`] after
    /// [`FileSessions::close`].
    pub(crate) fn take(&self) -> Result<Lent<'_, S>, Error> {
        let is_busy = |state: &mut State<S>| state.free.is_empty() && !state.is_closed;
        let (mut state, _) = self
            .changed
            .wait_timeout_while(self.state(), self.wait_max, is_busy)
            .unwrap_or_else(PoisonError::into_inner);
        if state.is_closed {
            return Err(Error::Stopped);
        }
        let session = state.free.pop();
        if session.is_none() {
            let seconds = self.wait_max.as_secs();
            return Err(Error::NoReader(format!(
                "all sessions for files are in use for {seconds} s"
            )));
        }
        Ok(Lent {
            sessions: self,
            session,
        })
    }

    /// Ends the waits and returns the sessions that are free. Sessions in use are dropped when
    /// their use ends.
    pub(crate) fn close(&self) -> Vec<S> {
        let mut state = self.state();
        state.is_closed = true;
        self.changed.notify_all();
        std::mem::take(&mut state.free)
    }

    fn state(&self) -> MutexGuard<'_, State<S>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S> Deref for Lent<'_, S> {
    type Target = S;

    fn deref(&self) -> &S {
        self.session.as_ref().expect("the session is given back by the drop")
    }
}

impl<S> DerefMut for Lent<'_, S> {
    fn deref_mut(&mut self) -> &mut S {
        self.session.as_mut().expect("the session is given back by the drop")
    }
}

impl<S> Drop for Lent<'_, S> {
    fn drop(&mut self) {
        let mut state = self.sessions.state();
        if !state.is_closed {
            state.free.extend(self.session.take());
            self.sessions.changed.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{self, AssertUnwindSafe};
    use std::sync::mpsc;
    use std::thread;

    use super::*;

    const FOREVER: Duration = Duration::from_hours(1);

    #[test]
    fn several_sessions_are_used_at_the_same_time() {
        let sessions = FileSessions::new(vec!['a', 'b'], Duration::ZERO);
        let (first, second) = (sessions.take().unwrap(), sessions.take().unwrap());
        assert_ne!(*first, *second);
    }

    #[test]
    fn a_wait_for_a_session_has_an_end() {
        let sessions = FileSessions::new(vec!['a'], Duration::from_millis(20));
        let lent = sessions.take().unwrap();
        assert!(matches!(sessions.take(), Err(Error::NoReader(_))));
        drop(lent);
        assert_eq!(*sessions.take().unwrap(), 'a');
    }

    #[test]
    fn a_session_that_is_given_back_ends_a_wait() {
        let sessions = FileSessions::new(vec!['a'], FOREVER);
        let lent = sessions.take().unwrap();
        let (begins, begun) = mpsc::channel();
        thread::scope(|scope| {
            let waits = scope.spawn(|| {
                begins.send(()).unwrap();
                *sessions.take().unwrap()
            });
            begun.recv().unwrap();
            drop(lent);
            assert_eq!(waits.join().unwrap(), 'a');
        });
    }

    #[test]
    fn a_panic_gives_its_session_back() {
        let sessions = FileSessions::new(vec!['a'], Duration::ZERO);
        let use_and_panic = AssertUnwindSafe(|| {
            let _lent = sessions.take().unwrap();
            panic!("a bug");
        });
        panic::catch_unwind(use_and_panic).unwrap_err();
        assert_eq!(*sessions.take().unwrap(), 'a');
    }

    #[test]
    fn a_close_returns_the_free_sessions_and_refuses_later_uses() {
        let sessions = FileSessions::new(vec!['a', 'b'], FOREVER);
        let lent = sessions.take().unwrap();
        assert_eq!(sessions.close(), ['a']);
        assert!(matches!(sessions.take(), Err(Error::Stopped)));
        drop(lent);
        assert!(sessions.close().is_empty());
    }
}
