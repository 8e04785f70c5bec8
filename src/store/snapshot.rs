//! A consistent view of the file to read from, and one command's view to write
//! through. Their methods, in domain terms, are in the file of each family.

use std::mem;
use std::ops::Deref;

use rusqlite::Connection;

use super::caused::Caused;
use super::error::Error;
use crate::domain::ids::{Entropy, IdSource, MerchantId, Seed};
use crate::domain::merchant_clock::ClockOffset;
use crate::domain::settlement::Event;
use crate::domain::time::Timestamp;

/// The file as it is at one moment.
#[derive(Debug)]
pub struct Snapshot<'a> {
    pub(super) connection: &'a Connection,
}

/// The file as one command sees and changes it. What it changes becomes durable
/// together with the commands beside it, or not at all.
pub struct Tx<'a> {
    snapshot: Snapshot<'a>,
    file_time: Timestamp,
    /// Of the merchant that is attended.
    pub(super) clock: ClockOffset,
    entropy: &'a mut dyn Entropy,
    seed: Option<Seed>,
    told: Vec<Told>,
    /// Whose events have come to be delivered.
    pub(super) new_deliveries: Vec<MerchantId>,
    pub(super) caused: Caused,
}

/// What a command has told and nobody has written down yet.
#[derive(Debug)]
pub struct Told {
    /// Whose subscribers are to hear it.
    pub merchant: MerchantId,
    /// What happened.
    pub event: Event,
}

impl<'a> Snapshot<'a> {
    pub(super) const fn of(connection: &'a Connection) -> Self {
        Self { connection }
    }
}

impl<'a> Tx<'a> {
    /// A command on a connection that the caller manages, inside a transaction of
    /// the caller's: for comparing other ways of committing with the writer's.
    pub fn on(connection: &'a Connection, file_time: Timestamp, entropy: &'a mut dyn Entropy) -> Self {
        Self {
            snapshot: Snapshot::of(connection),
            file_time,
            clock: ClockOffset::NONE,
            entropy,
            seed: None,
            told: Vec::new(),
            new_deliveries: Vec::new(),
            caused: Caused::default(),
        }
    }

    /// What this command has left behind so far, beside the rows it changed.
    pub fn take_caused(&mut self) -> Caused {
        mem::take(&mut self.caused)
    }

    /// When this command happens, by the clock of the merchant that is attended. Never
    /// before an earlier command of that merchant.
    pub fn now(&self) -> Timestamp {
        self.clock.shown_at(self.file_time)
    }

    /// When this command happens, by the clock that all merchants share. Never before
    /// an earlier command.
    pub const fn file_time(&self) -> Timestamp {
        self.file_time
    }

    /// Runs a part of this command. When it fails, what it changed and told is undone, and
    /// the command may go on. The outer error ends the command: the store could not, or it
    /// lost the whole group of commands meanwhile.
    pub fn attempt<T, E: From<Error>>(
        &mut self,
        part: impl FnOnce(&mut Self) -> Result<T, E>,
    ) -> Result<Result<T, E>, E> {
        let clock = self.clock;
        let (told, new_deliveries) = (self.told.len(), self.new_deliveries.len());
        let (caused, seed) = (self.caused.clone(), self.seed.clone());
        self.execute("SAVEPOINT attempt")?;
        let outcome = part(self);
        if self.connection.is_autocommit() {
            return Err(outcome.err().unwrap_or_else(|| Error::Abandoned.into()));
        }
        if outcome.is_err() {
            self.clock = clock;
            self.told.truncate(told);
            self.new_deliveries.truncate(new_deliveries);
            self.caused = caused;
            self.seed = seed;
            self.execute("ROLLBACK TO attempt")?;
        }
        self.execute("RELEASE attempt")?;
        Ok(outcome)
    }

    fn execute(&self, sql: &str) -> Result<(), Error> {
        self.connection.prepare_cached(sql)?.execute([])?;
        Ok(())
    }

    /// How far the clock of the merchant that is attended is ahead of that; not at all
    /// when none is.
    pub const fn clock(&self) -> ClockOffset {
        self.clock
    }

    /// From here on this command draws the names of escrows, their milestones and
    /// customers from a seed.
    pub fn draw_from(&mut self, seed: Seed) {
        self.seed = Some(seed);
    }

    pub(super) fn tell(&mut self, merchant: MerchantId, events: &[Event]) {
        let told = events.iter().cloned().map(|event| Told { merchant, event });
        self.told.extend(told);
    }

    /// What this command has told so far, in order, to be written down now. A command
    /// that leaves something told behind is refused as a whole.
    pub fn take_told(&mut self) -> Vec<Told> {
        mem::take(&mut self.told)
    }

    pub(super) const fn has_told(&self) -> bool {
        !self.told.is_empty()
    }
}

impl<'a> Deref for Tx<'a> {
    type Target = Snapshot<'a>;

    fn deref(&self) -> &Self::Target {
        &self.snapshot
    }
}

impl IdSource for Tx<'_> {
    /// Numbers follow the file's time, not a merchant's: those of all merchants are in
    /// one order, and one whose clock is far ahead must not push the others' along.
    fn number(&mut self) -> i64 {
        self.entropy.number(self.file_time)
    }

    fn random(&mut self) -> u128 {
        self.entropy.random()
    }

    fn seed(&mut self) -> Option<&mut Seed> {
        self.seed.as_mut()
    }
}
