//! A consistent view of the file to read from, and one command's view to write
//! through. Their methods, in domain terms, are in the file of each family.

use std::mem;
use std::ops::Deref;

use rusqlite::Connection;

use crate::domain::ids::{Entropy, IdSource, MerchantId, SeededIds};
use crate::domain::sandbox::clock_offset::ClockOffset;
use crate::domain::time::Timestamp;
use crate::store::engine::error::Error;
use crate::store::merchant_row::MerchantRow;
use crate::store::write_summary::WriteSummary;

/// The file as it is at one moment.
#[derive(Debug)]
pub struct Snapshot<'a> {
    pub(crate) connection: &'a Connection,
}

/// The file as one command sees and changes it. What it changes becomes durable
/// together with the commands beside it, or not at all.
pub struct Tx<'a> {
    snapshot: Snapshot<'a>,
    ledger_time: Timestamp,
    /// The merchant that the command acts for.
    pub(crate) acts_for: Option<MerchantId>,
    /// That merchant's clock offset.
    pub(crate) clock: ClockOffset,
    entropy: &'a mut dyn Entropy,
    seed: Option<SeededIds>,
    /// The merchant that the command acts for or has posted to last, loaded once.
    pub(crate) merchant: Option<MerchantRow>,
    /// Whose events have come to be delivered.
    pub(crate) new_deliveries: Vec<MerchantId>,
    pub(crate) caused: WriteSummary,
}

impl<'a> Snapshot<'a> {
    pub(crate) const fn of(connection: &'a Connection) -> Self {
        Self { connection }
    }
}

impl<'a> Tx<'a> {
    /// A command on a connection that the caller manages, inside a transaction of
    /// the caller's: for comparing other ways of committing with the writer's.
    pub fn on(connection: &'a Connection, ledger_time: Timestamp, entropy: &'a mut dyn Entropy) -> Self {
        Self {
            snapshot: Snapshot::of(connection),
            ledger_time,
            acts_for: None,
            clock: ClockOffset::NONE,
            entropy,
            seed: None,
            merchant: None,
            new_deliveries: Vec::new(),
            caused: WriteSummary::default(),
        }
    }

    /// What this command has left behind so far, beside the rows it changed.
    pub fn take_write_summary(&mut self) -> WriteSummary {
        mem::take(&mut self.caused)
    }

    /// When this command happens, by the clock of the merchant that is attended. Never
    /// before an earlier command of that merchant.
    pub fn now(&self) -> Timestamp {
        self.clock.shown_at(self.ledger_time)
    }

    /// When this command happens, by the clock that all merchants share. Never before
    /// an earlier command.
    pub const fn ledger_time(&self) -> Timestamp {
        self.ledger_time
    }

    /// Runs a part of this command. When it fails, what it changed and told is undone, and
    /// the command may go on. The outer error ends the command: the store could not, or it
    /// lost the whole group of commands meanwhile.
    pub fn attempt<T, E: From<Error>>(
        &mut self,
        part: impl FnOnce(&mut Self) -> Result<T, E>,
    ) -> Result<Result<T, E>, E> {
        let (acts_for, clock) = (self.acts_for, self.clock);
        let (merchant, new_deliveries) = (self.merchant.clone(), self.new_deliveries.len());
        let (caused, seed) = (self.caused.clone(), self.seed.clone());
        self.execute("SAVEPOINT attempt")?;
        let outcome = part(self);
        if self.connection.is_autocommit() {
            return Err(outcome.err().unwrap_or_else(|| Error::Abandoned.into()));
        }
        if outcome.is_err() {
            self.acts_for = acts_for;
            self.clock = clock;
            self.merchant = merchant;
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

    /// Returns the merchant that the command acts for; `None` before it acts for any.
    pub const fn acts_for(&self) -> Option<MerchantId> {
        self.acts_for
    }

    /// How far the clock of the merchant that is attended is ahead of that; not at all
    /// when none is.
    pub const fn clock(&self) -> ClockOffset {
        self.clock
    }

    /// From here on this command draws the names of escrows, their milestones and
    /// customers from a seed.
    pub fn draw_from(&mut self, seed: SeededIds) {
        self.seed = Some(seed);
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
        self.entropy.number(self.ledger_time)
    }

    fn random(&mut self) -> u128 {
        self.entropy.random()
    }

    fn seeded_ids(&mut self) -> Option<&mut SeededIds> {
        self.seed.as_mut()
    }
}
