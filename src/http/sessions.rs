//! The sessions of people who have logged in to the pages with a key.
//!
//! A session is in memory alone, so it ends with the process. The browser has its value in a
//! cookie, and the memory has only the hash of that value, with the key by which the pages call
//! routes for the person.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

use crate::domain::ids::MerchantId;
use crate::domain::merchant::key::hash_of;
use crate::entropy;

/// A session ends when it was not used for this long.
pub(crate) const IDLE_MAX: Duration = Duration::from_mins(30);
/// A session ends this long after its login, used or not.
pub(crate) const AGE_MAX: Duration = Duration::from_hours(12);
/// The most sessions of all keys, and of one key. One more ends the oldest.
const SESSIONS_MAX: usize = 1_000;
const SESSIONS_PER_KEY_MAX: usize = 8;
/// The most sent forms that a session remembers.
const SENT_FORMS_MAX: usize = 32;

/// A key as the person typed it. Its `Debug` form hides it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct SecretKey(Arc<str>);

/// The SHA-256 hash of a session's value, by which the memory knows the session.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct SessionId([u8; 32]);

/// The state of a session that has not ended.
#[derive(Clone, Debug)]
pub(crate) struct SessionState {
    /// The key of the person.
    pub(crate) key: SecretKey,
    /// The merchant that an operator has chosen.
    pub(crate) merchant: Option<MerchantId>,
}

/// The outcome of a form, which the next page shows once. It may have a new key, so it has no
/// `Debug`.
#[derive(Clone)]
pub(crate) struct Outcome {
    /// The id of the form.
    pub(crate) form: String,
    /// The message of the route.
    pub(crate) message: String,
    /// The same request as a command line. `None` for a form with files.
    pub(crate) curl: Option<String>,
    /// New keys and secrets: a name and the text of each.
    pub(crate) secrets: Vec<(&'static str, String)>,
}

/// The sessions of all workers.
#[derive(Default)]
pub struct Sessions {
    open: Mutex<HashMap<SessionId, Session>>,
}

struct Session {
    state: SessionState,
    began: Instant,
    used: Instant,
    outcome: Option<Outcome>,
    /// The ids of the newest forms that act once.
    sent_forms: VecDeque<String>,
}

impl SecretKey {
    /// Returns the key of this text.
    pub(crate) fn new(text: &str) -> Self {
        Self(text.into())
    }

    /// Returns the text of the key.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the hash by which the key is known.
    pub(crate) fn hash(&self) -> [u8; 32] {
        hash_of(&self.0)
    }
}

impl SessionId {
    /// Returns the id of the session with this value.
    pub(crate) fn of(value: &str) -> Self {
        Self(Sha256::digest(value).into())
    }
}

impl Sessions {
    /// Begins a session with this key and returns its value, which is new and random. Ends the
    /// oldest session of the key, or of all, if there are too many.
    pub(crate) fn begin(&self, key: SecretKey, now: Instant) -> String {
        let value = entropy::session_value();
        let mut open = self.open();
        open.retain(|_, session| !session.has_ended(now));
        let of_key = open.values().filter(|session| session.state.key == key).count();
        if of_key >= SESSIONS_PER_KEY_MAX {
            remove_oldest(&mut open, |session| session.state.key == key);
        }
        if open.len() >= SESSIONS_MAX {
            remove_oldest(&mut open, |_| true);
        }
        let state = SessionState { key, merchant: None };
        let session = Session {
            state,
            began: now,
            used: now,
            outcome: None,
            sent_forms: VecDeque::new(),
        };
        open.insert(SessionId::of(&value), session);
        value
    }

    /// Returns the state of a session and notes its use. `None` if it has ended.
    pub(crate) fn find_and_note_use(&self, id: SessionId, now: Instant) -> Option<SessionState> {
        let state = self.find(id, now)?;
        if let Some(session) = self.open().get_mut(&id) {
            session.used = now;
        }
        Some(state)
    }

    /// Returns the state of a session. `None` if it has ended.
    pub(crate) fn find(&self, id: SessionId, now: Instant) -> Option<SessionState> {
        let mut open = self.open();
        let session = open.get(&id)?;
        if session.has_ended(now) {
            open.remove(&id);
            return None;
        }
        Some(session.state.clone())
    }

    /// Ends a session.
    pub(crate) fn end(&self, id: SessionId) {
        self.open().remove(&id);
    }

    /// Notes the merchant that an operator has chosen, or that none is chosen.
    pub(crate) fn choose(&self, id: SessionId, merchant: Option<MerchantId>) {
        if let Some(session) = self.open().get_mut(&id) {
            session.state.merchant = merchant;
        }
    }

    /// Keeps the outcome of a form for the next page, in place of an older one.
    pub(crate) fn keep_outcome(&self, id: SessionId, outcome: Outcome) {
        if let Some(session) = self.open().get_mut(&id) {
            session.outcome = Some(outcome);
        }
    }

    /// Notes that a form is sent. Returns false if it was sent before.
    pub(crate) fn note_sent(&self, id: SessionId, form: &str) -> bool {
        let mut open = self.open();
        let Some(session) = open.get_mut(&id) else {
            return false;
        };
        if session.sent_forms.iter().any(|sent| sent == form) {
            return false;
        }
        if session.sent_forms.len() >= SENT_FORMS_MAX {
            session.sent_forms.pop_front();
        }
        session.sent_forms.push_back(form.to_owned());
        true
    }

    /// Forgets that a form was sent.
    pub(crate) fn forget_sent(&self, id: SessionId, form: &str) {
        if let Some(session) = self.open().get_mut(&id) {
            session.sent_forms.retain(|sent| sent != form);
        }
    }

    /// Takes the outcome of the form with this id: it is shown once.
    pub(crate) fn take_outcome(&self, id: SessionId, form: &str) -> Option<Outcome> {
        let mut open = self.open();
        open.get_mut(&id)?.outcome.take_if(|outcome| outcome.form == form)
    }

    fn open(&self) -> MutexGuard<'_, HashMap<SessionId, Session>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn remove_oldest(open: &mut HashMap<SessionId, Session>, among: impl Fn(&Session) -> bool) {
    let candidates = open.iter().filter(|(_, session)| among(session));
    let oldest = candidates.min_by_key(|(_, session)| session.began).map(|(id, _)| *id);
    if let Some(oldest) = oldest {
        open.remove(&oldest);
    }
}

impl Session {
    fn has_ended(&self, now: Instant) -> bool {
        let since = |then| now.saturating_duration_since(then);
        since(self.used) >= IDLE_MAX || since(self.began) >= AGE_MAX
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(hidden)")
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionId(hidden)")
    }
}

/// Shows the number of sessions and nothing else of them.
impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions")
            .field("count", &self.open().len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn key(number: usize) -> SecretKey {
        SecretKey::new(&format!("op_live_{number}"))
    }

    fn is_open(sessions: &Sessions, value: &str, now: Instant) -> bool {
        sessions.find_and_note_use(SessionId::of(value), now).is_some()
    }

    #[test]
    fn a_session_ends_half_an_hour_after_its_last_use() {
        let (sessions, start) = (Sessions::default(), Instant::now());
        let value = sessions.begin(key(1), start);
        let nearly = IDLE_MAX.checked_sub(SECOND).unwrap();
        let (first, second) = (start + nearly, start + 2 * nearly);
        assert!(is_open(&sessions, &value, first));
        assert!(is_open(&sessions, &value, second));
        assert!(sessions.find(SessionId::of(&value), second + nearly).is_some());
        assert!(!is_open(&sessions, &value, second + IDLE_MAX), "a look at it is no use");
        assert!(!is_open(&sessions, &value, start), "an ended session stays ended");
    }

    #[test]
    fn a_session_in_use_ends_after_twelve_hours() {
        let (sessions, start) = (Sessions::default(), Instant::now());
        let value = sessions.begin(key(1), start);
        let mut now = start;
        while now + IDLE_MAX / 2 < start + AGE_MAX {
            now += IDLE_MAX / 2;
            assert!(is_open(&sessions, &value, now));
        }
        assert!(!is_open(&sessions, &value, start + AGE_MAX));
    }

    #[test]
    fn each_login_has_a_value_of_its_own_and_only_a_logout_ends_it() {
        let (sessions, now) = (Sessions::default(), Instant::now());
        let (one, two) = (sessions.begin(key(1), now), sessions.begin(key(1), now));
        assert!(one != two && one.len() == 64, "{one} {two}");
        sessions.end(SessionId::of(&one));
        assert!(!is_open(&sessions, &one, now) && is_open(&sessions, &two, now));
        assert!(!is_open(&sessions, "", now));
    }

    #[test]
    fn one_more_session_ends_the_oldest_of_its_key() {
        let (sessions, start) = (Sessions::default(), Instant::now());
        let of_other = sessions.begin(key(2), start);
        let values: Vec<String> = (1..=9).map(|n| sessions.begin(key(1), start + n * SECOND)).collect();
        let now = start + 10 * SECOND;
        let open: Vec<bool> = values.iter().map(|value| is_open(&sessions, value, now)).collect();
        assert_eq!(open, [&[false][..], &[true; SESSIONS_PER_KEY_MAX]].concat());
        assert!(is_open(&sessions, &of_other, now));
    }

    #[test]
    fn the_sessions_of_all_keys_are_bounded() {
        let (sessions, start) = (Sessions::default(), Instant::now());
        let first = sessions.begin(key(0), start);
        for number in 1..=SESSIONS_MAX {
            sessions.begin(key(number), start + SECOND);
        }
        assert_eq!(sessions.open().len(), SESSIONS_MAX);
        assert!(!is_open(&sessions, &first, start + SECOND));
        // Sessions that have ended make room first.
        sessions.begin(key(1), start + SECOND + IDLE_MAX);
        assert_eq!(sessions.open().len(), 1);
    }

    #[test]
    fn an_outcome_is_shown_once_and_for_its_own_form() {
        let (sessions, now) = (Sessions::default(), Instant::now());
        let id = SessionId::of(&sessions.begin(key(1), now));
        let outcome = Outcome {
            form: "form_1".to_owned(),
            message: "Done".to_owned(),
            curl: Some(String::new()),
            secrets: Vec::new(),
        };
        sessions.keep_outcome(id, outcome);
        assert!(sessions.take_outcome(id, "form_2").is_none());
        assert!(sessions.take_outcome(id, "form_1").is_some());
        assert!(sessions.take_outcome(id, "form_1").is_none());
    }

    #[test]
    fn a_form_is_sent_once() {
        let (sessions, now) = (Sessions::default(), Instant::now());
        let id = SessionId::of(&sessions.begin(key(1), now));
        assert!(sessions.note_sent(id, "form_1") && sessions.note_sent(id, "form_2"));
        assert!(!sessions.note_sent(id, "form_1"));
        sessions.forget_sent(id, "form_1");
        assert!(
            sessions.note_sent(id, "form_1"),
            "a form that was refused may be sent again"
        );
        sessions.end(id);
        assert!(!sessions.note_sent(id, "form_3"));
    }

    #[test]
    fn no_debug_form_shows_a_key_or_a_session() {
        let (sessions, now) = (Sessions::default(), Instant::now());
        let value = sessions.begin(key(7), now);
        let state = sessions.find_and_note_use(SessionId::of(&value), now).unwrap();
        let shown = format!("{sessions:?} {state:?} {:?}", SessionId::of(&value));
        assert!(!shown.contains("op_live") && !shown.contains(&value), "{shown}");
    }
}
