//! A consistent snapshot of the database to read from, and a command's transaction to write
//! with. Each file in `tables` adds the methods for its tables.

use std::mem;
use std::ops::{Deref, RangeInclusive};

use crate::domain::effects::Booking;
use crate::domain::ids::{Entropy, EscrowId, IdSource, MerchantId, SeededIds};
use crate::domain::sandbox::clock_offset::ClockOffset;
use crate::domain::time::Timestamp;
use crate::store::engine::error::Error;
use crate::store::engine::sql::{Connection, Value};
use crate::store::group_memory::{CommandMemory, GroupMemory};
use crate::store::write_summary::WriteSummary;

/// The database as it is at one moment.
#[derive(Debug)]
pub struct Snapshot<'a> {
    pub(crate) connection: Connection<'a>,
}

/// One command's snapshot, which the command can change. The changes become durable in one
/// commit with the other commands of the group, or not at all.
pub struct Tx<'a> {
    snapshot: Snapshot<'a>,
    ledger_time: Timestamp,
    entropy: &'a mut dyn Entropy,
    pub(crate) group: &'a mut GroupMemory,
    pub(crate) state: TxState,
}

/// The facts that a command gathers as it runs. A part of it that fails leaves none behind.
#[derive(Clone, Default)]
pub(crate) struct TxState {
    /// The merchant that the command acts for.
    pub(crate) acts_for: Option<MerchantId>,
    /// The clock offset of that merchant.
    pub(crate) clock: ClockOffset,
    seed: Option<SeededIds>,
    /// The rows that this command has loaded and changed, beside those of the group.
    pub(crate) memory: CommandMemory,
    /// The merchants for whose webhook endpoints the command has added deliveries.
    pub(crate) new_deliveries: Vec<MerchantId>,
    /// The merchants whose clocks the command has moved. Only other processes are notified of them: in this
    /// one the route asks for a flush, and an attempt before that would not belong to it.
    pub(crate) moved_clocks: Vec<MerchantId>,
    /// The command has changed a key, or a setting that decides what a key opens.
    pub(crate) has_key_change: bool,
    pub(crate) write_summary: WriteSummary,
    /// The event that the command has inserted last, if it has data of its own.
    pub(crate) last_event: Option<InsertedEvent>,
}

/// An inserted event, with whose data the next one may be equal.
#[derive(Clone, Debug)]
pub(crate) struct InsertedEvent {
    pub(crate) escrow: Option<EscrowId>,
    pub(crate) data: String,
}

impl<'a> Snapshot<'a> {
    pub(crate) const fn of(connection: Connection<'a>) -> Self {
        Self { connection }
    }

    /// Returns true if the database is a server, where each statement takes a round trip. Other commands,
    /// those of other processes too, wait for those of a command.
    pub const fn is_on_server(&self) -> bool {
        self.connection.is_server()
    }

    /// Returns the number that a query such as `SELECT count(*)` has as its only value.
    pub(crate) fn count(&self, sql: &str, values: &[Value<'_>]) -> Result<u64, Error> {
        let count: i64 = self.connection.prepare(sql)?.one(values, |row| row.get(0))?;
        Ok(count.unsigned_abs())
    }
}

impl<'a> Tx<'a> {
    /// Returns a command on a connection whose transaction the caller begins and ends. The
    /// benchmarks use it too, to compare other ways to commit with the writer's.
    pub fn on(
        connection: &'a rusqlite::Connection,
        ledger_time: Timestamp,
        entropy: &'a mut dyn Entropy,
        group: &'a mut GroupMemory,
    ) -> Self {
        Self::of(Connection::of(connection), ledger_time, entropy, group)
    }

    /// Returns a command on a connection whose transaction the caller begins and ends. The
    /// caller clears the group's memory with each transaction, tells it with [`Tx::keep`] of each
    /// command that it keeps, and calls [`Tx::save_merchants`] before it commits.
    pub(crate) fn of(
        connection: Connection<'a>,
        ledger_time: Timestamp,
        entropy: &'a mut dyn Entropy,
        group: &'a mut GroupMemory,
    ) -> Self {
        Self {
            snapshot: Snapshot::of(connection),
            ledger_time,
            entropy,
            group,
            state: TxState::default(),
        }
    }

    /// Leaves what this command has loaded and changed to the next commands of the group.
    pub fn keep(&mut self) {
        self.group.keep(&mut self.state.memory);
        if self.state.has_key_change {
            self.group.key_owners.clear();
        }
    }

    /// Returns and clears the transfers and events that this command has added so far.
    pub fn take_write_summary(&mut self) -> WriteSummary {
        mem::take(&mut self.state.write_summary)
    }

    /// Returns the numbers of the transfers that the command has posted since the last act that it
    /// recorded, for the act that covers them.
    pub fn transfers_of_act(&mut self) -> Option<RangeInclusive<i64>> {
        self.state.write_summary.transfers_of_act()
    }

    /// Returns the time of this command on the clock of the merchant that it acts for. It is
    /// never before the time of an earlier command of that merchant.
    pub fn now(&self) -> Timestamp {
        self.state.clock.shown_at(self.ledger_time)
    }

    /// Begins a booking at the time of this command, with ids from this command.
    pub fn booking(&mut self) -> Booking<'_> {
        let now = self.now();
        Booking::new(self, now)
    }

    /// Returns the ledger time of this command. It is never before the time of an earlier
    /// command.
    pub const fn ledger_time(&self) -> Timestamp {
        self.ledger_time
    }

    /// Runs a part of this command in a savepoint. If the part fails, the store undoes its
    /// changes and events, and the command may go on with the inner error.
    ///
    /// # Errors
    ///
    /// The outer error must end the command: the savepoint failed, or the database rolled back
    /// the transaction of the whole group meanwhile.
    pub fn attempt<T, E: From<Error>>(
        &mut self,
        part: impl FnOnce(&mut Self) -> Result<T, E>,
    ) -> Result<Result<T, E>, E> {
        let before = self.state.clone();
        self.connection.begin_part()?;
        let outcome = part(self).and_then(|value| {
            self.connection.await_outcomes()?;
            Ok(value)
        });
        if !self.connection.is_in_transaction() {
            return Err(outcome.err().unwrap_or_else(|| Error::Abandoned.into()));
        }
        if outcome.is_err() {
            self.state = before;
            self.connection.undo_part()?;
        } else {
            self.connection.end_part()?;
        }
        Ok(outcome)
    }

    /// Returns the merchant that the command acts for, or `None` before it acts for any.
    pub const fn acts_for(&self) -> Option<MerchantId> {
        self.state.acts_for
    }

    /// Returns the clock offset of the merchant that the command acts for, or
    /// [`ClockOffset::NONE`] before it acts for any.
    pub const fn clock(&self) -> ClockOffset {
        self.state.clock
    }

    /// Makes this command take the ids of further escrows, milestones and customers from a
    /// seed.
    pub fn use_seeded_ids(&mut self, seed: SeededIds) {
        self.state.seed = Some(seed);
    }
}

impl<'a> Deref for Tx<'a> {
    type Target = Snapshot<'a>;

    fn deref(&self) -> &Self::Target {
        &self.snapshot
    }
}

impl IdSource for Tx<'_> {
    /// Returns a number that follows ledger time and not a merchant's clock. The numbers of
    /// all merchants are in one order, and a merchant whose clock is far ahead must not
    /// advance the numbers of the others.
    fn number(&mut self) -> i64 {
        self.entropy.number(self.ledger_time)
    }

    fn random(&mut self) -> u128 {
        self.entropy.random()
    }

    fn seeded_ids(&mut self) -> Option<&mut SeededIds> {
        self.state.seed.as_mut()
    }
}
