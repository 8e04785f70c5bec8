//! The notices that the processes on one database send each other, and the election of the leader,
//! which does the work in the background.
//!
//! A commit notifies the others: which merchants have new deliveries or another time, and if keys have changed.
//! So does a migration, after which the writers of older processes end. A lost notice costs no
//! more than a delay: a new leader forgets its schedule and looks for all deliveries, and whenever
//! notices may have been lost, what is remembered of keys is dropped, streams of events read again and
//! the writer looks at the schema.
//!
//! A process that finds the ledger broken notifies the others again and again, so that none goes on
//! to write.
//!
//! The leader is the process whose session holds an advisory lock. When the session ends,
//! for any reason, the next process takes it. The server ends that of a process that hangs. A leader
//! that refuses writes or stops gives the lock back.

use std::cell::Cell;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::background::{BackgroundTask, BackgroundThread, Panics, Stop};
use crate::domain::ids::MerchantId;
use crate::store::engine::delivery_wakeups::DeliveryWakeups;
use crate::store::engine::error::Error;
use crate::store::engine::health::Health;
use crate::store::engine::ledger_clock::LedgerClock;
use crate::store::engine::postgres::reconnecting_session::ReconnectingSession;
use crate::store::engine::postgres::session::Session;
use crate::store::engine::writer::Writer;

/// The session-wide lock that the leader holds.
const LEADER_LOCK: i64 = 0x4553_4352_0000_0002;
/// The pause between two looks at the lock, and before a lost session is opened again.
const PAUSE: Duration = Duration::from_millis(500);
/// The time after which the server ends the session of a process that hangs, and with it its
/// leadership. One that does not hang looks at the lock far more often.
const SILENCE_MAX: Duration = Duration::from_secs(10);
/// The longest wait for notices, after which the thread looks if it should end.
const NOTICE_WAIT: Duration = Duration::from_millis(100);
/// The most merchants in one notice, whose text PostgreSQL limits to 8000 bytes.
const MERCHANTS_MAX: usize = 300;

/// The word of a notice that the database was migrated.
const MIGRATED: &str = "migrated";
/// The word of a notice that its process has found the ledger broken.
const DAMAGED: &str = "damaged";

/// The content of a commit's notice to the other processes.
#[derive(Debug, Default)]
pub(crate) struct PeerNotice {
    /// The merchants with new deliveries.
    pub(crate) merchants: Vec<MerchantId>,
    /// The merchants whose clocks were moved. The leader's timers for them are late.
    pub(crate) moved_clocks: Vec<MerchantId>,
    /// A key, or a setting that decides what a key opens, has changed.
    pub(crate) has_key_change: bool,
}

impl PeerNotice {
    pub(crate) fn clear(&mut self) {
        self.merchants.clear();
        self.moved_clocks.clear();
        self.has_key_change = false;
    }

    /// Returns the statements that notify the others at the commit. Also an empty notice is
    /// sent: streams of events wait for any commit.
    pub(crate) fn statements(&self, process: i64) -> String {
        let keys = if self.has_key_change { " keys" } else { "" };
        let empty: &[MerchantId] = &[];
        let merchants: Vec<MerchantId> = self.merchants.iter().chain(&self.moved_clocks).copied().collect();
        let chunks = merchants.chunks(MERCHANTS_MAX);
        let chunks = chunks.chain(merchants.is_empty().then_some(empty));
        let statement = |merchants: &[MerchantId]| {
            let merchants: Vec<String> = merchants.iter().map(|merchant| format!(" {}", merchant.0)).collect();
            format!("SELECT pg_notify('escrowd', '{process}{keys}{}'); ", merchants.concat())
        };
        chunks.map(statement).collect()
    }
}

/// Returns the statement that notifies all processes of a migration. Its process number is 0, so
/// every process hears it.
pub(super) fn notice_of_migration() -> String {
    format!("SELECT pg_notify('escrowd', '0 {MIGRATED}')")
}

/// The parts of this process that notices of other processes reach.
pub(crate) struct PeerNoticeTargets {
    pub(crate) wakeups: Arc<DeliveryWakeups>,
    /// Raised by a change of keys in another process, and whenever one may have been missed.
    pub(crate) key_version: Arc<AtomicU64>,
    pub(crate) is_leader: watch::Sender<bool>,
    /// The writer, which a notice of a migration makes look at the version of the schema.
    pub(crate) writer: Writer,
    pub(crate) health: Arc<Health>,
    pub(crate) clock: Arc<LedgerClock>,
    /// True once this process has resigned: it stops, and may not become the leader again.
    pub(crate) has_resigned: Arc<AtomicBool>,
}

impl PeerNoticeTargets {
    /// Returns true if this process can do the work in the background, which writes.
    fn may_lead(&self) -> bool {
        !self.has_resigned.load(Ordering::Acquire) && self.health.check_running().is_ok() && self.clock.check().is_ok()
    }
}

/// Gives up the leadership of this process when it is dropped, also by a panic: the session ends, and
/// another process becomes the leader.
struct Ending<'a> {
    is_leader: &'a watch::Sender<bool>,
    key_version: &'a AtomicU64,
}

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.is_leader.send_replace(false);
        self.key_version.fetch_add(1, Ordering::Release);
    }
}

/// Starts the thread that listens to the other processes, on a session of its own. Its end gives
/// the leadership up.
pub(crate) fn start(
    session: ReconnectingSession,
    process: i64,
    targets: PeerNoticeTargets,
    panics: Arc<Panics>,
) -> io::Result<BackgroundThread> {
    let mut listener = Listener {
        session,
        process,
        targets,
        has_heard_of_damage: Cell::new(false),
    };
    BackgroundThread::start(BackgroundTask::Peers, panics, move |stop| listener.run(stop))
}

struct Listener {
    session: ReconnectingSession,
    process: i64,
    targets: PeerNoticeTargets,
    /// Another process has notified this one that the ledger is broken.
    has_heard_of_damage: Cell<bool>,
}

impl Listener {
    fn run(&mut self, stop: &Stop) {
        let mut was_reachable = true;
        loop {
            let lost = self.listen(stop);
            // Nothing is heard of keys until the next LISTEN.
            self.targets.key_version.fetch_add(1, Ordering::Release);
            match lost {
                Ok(()) => return,
                Err(error) if was_reachable => log::warn!("other processes are not heard: {error}"),
                Err(_) => {}
            }
            was_reachable = false;
            if stop.comes_within(PAUSE) {
                return;
            }
        }
    }

    /// Listens until the thread is told to stop.
    ///
    /// # Errors
    ///
    /// Fails when the session is lost.
    fn listen(&mut self, stop: &Stop) -> Result<(), Error> {
        let sql = format!("SET idle_session_timeout = {}; LISTEN escrowd", SILENCE_MAX.as_millis());
        self.session.begin(|session| session.batch(&sql))?;
        // Another session would neither listen nor hold the lock.
        let session = self.session.take()?;
        // Dropped before the session, with which the lock goes to another process.
        let _ending = Ending {
            is_leader: &self.targets.is_leader,
            key_version: &self.targets.key_version,
        };
        // Notices of commits before this LISTEN may have been missed. A new leader looks for deliveries anyway.
        self.targets.key_version.fetch_add(1, Ordering::Release);
        self.targets.wakeups.notify(&mut Vec::new());
        self.targets.writer.ask_unanswered();
        let mut look_at = Instant::now();
        while !stop.comes_within(Duration::ZERO) {
            if look_at <= Instant::now() {
                self.look_at_lock(&session)?;
                self.notify_damage(&session)?;
                look_at = Instant::now() + PAUSE;
            }
            for notice in session.client().notices(NOTICE_WAIT)? {
                self.hear(&notice);
            }
        }
        Ok(())
    }

    /// Takes the leader's lock if it is free and this process can do the work. A leader that cannot gives
    /// it back, and one that can finds out if it still has its session.
    fn look_at_lock(&self, session: &Session) -> Result<(), Error> {
        let targets = &self.targets;
        let (was_leader, may_lead) = (*targets.is_leader.borrow(), targets.may_lead());
        let sql = match (was_leader, may_lead) {
            (true, true) | (false, false) => "SELECT 1".to_owned(),
            (false, true) => format!("SELECT pg_try_advisory_lock({LEADER_LOCK})::int"),
            (true, false) => {
                // Before the lock is free, so that no two processes do the work.
                targets.is_leader.send_replace(false);
                log::info!(
                    "this process stops or refuses writes, and leaves the work in the background to another one"
                );
                format!("SELECT pg_advisory_unlock({LEADER_LOCK})::int")
            }
        };
        if session.numbers(&sql)?.first() == Some(&1) && may_lead && !was_leader {
            log::info!("this process now does the work in the background");
            targets.is_leader.send_replace(true);
        }
        Ok(())
    }

    /// Notifies the other processes of damage that this process has found itself. A process that
    /// learned of it by a notice sends none, so the notices end with the process that found it.
    fn notify_damage(&self, session: &Session) -> Result<(), Error> {
        if self.has_heard_of_damage.get() || self.targets.health.damage().is_none() {
            return Ok(());
        }
        session.batch(&format!("SELECT pg_notify('escrowd', '{} {DAMAGED}')", self.process))
    }

    /// Refuses writes, unless this process does so already.
    fn hear_of_damage(&self) {
        let health = &self.targets.health;
        if health.damage().is_none() {
            log::error!(
                "another process on this database has found the ledger broken; writes are refused here too: stop all \
                 processes, run `escrowd check`, and keep the database"
            );
            self.has_heard_of_damage.set(true);
            health.refuse_writes(Error::LedgerBroken(
                "another process on this database has found damage, which its log names".to_owned(),
            ));
        }
    }

    fn hear(&self, notice: &str) {
        let mut words = notice.split(' ');
        if words.next().and_then(|process| process.parse().ok()) == Some(self.process) {
            return;
        }
        let mut merchants = Vec::new();
        for word in words {
            match word {
                "keys" => drop(self.targets.key_version.fetch_add(1, Ordering::Release)),
                MIGRATED => self.targets.writer.ask_unanswered(),
                DAMAGED => self.hear_of_damage(),
                merchant => merchants.extend(merchant.parse().map(MerchantId)),
            }
        }
        self.targets.wakeups.notify(&mut merchants);
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;

    #[test]
    fn a_panic_gives_up_the_leadership_and_what_is_remembered_of_keys() {
        let (is_leader, key_version) = (watch::Sender::new(true), AtomicU64::new(1));
        let listen = || {
            let _ending = Ending {
                is_leader: &is_leader,
                key_version: &key_version,
            };
            panic!("planned by the test");
        };
        catch_unwind(AssertUnwindSafe(listen)).unwrap_err();
        assert_eq!((*is_leader.borrow(), key_version.into_inner()), (false, 2));
    }

    #[test]
    fn a_notice_names_merchants_and_keys_and_stays_short() {
        let mut notice = PeerNotice::default();
        assert_eq!(notice.statements(7), "SELECT pg_notify('escrowd', '7'); ");
        notice.has_key_change = true;
        (notice.merchants, notice.moved_clocks) = (vec![MerchantId(3)], vec![MerchantId(12)]);
        assert_eq!(notice.statements(-7), "SELECT pg_notify('escrowd', '-7 keys 3 12'); ");
        notice.merchants = (0..700).map(|merchant| MerchantId(i64::MAX - merchant)).collect();
        let statements = notice.statements(i64::MIN);
        assert_eq!(statements.matches("pg_notify").count(), 3);
        assert!(statements.split(';').all(|one| one.len() < 8_000));
    }
}
