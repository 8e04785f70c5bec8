//! The groups of a session: what is read for their commands, and the savepoints of the commands.

use futures_util::future;

use crate::store::engine::error::Error;
use crate::store::engine::postgres::client::Sent;
use crate::store::engine::postgres::dialect;
use crate::store::engine::postgres::gathered_changes::Gathering;
use crate::store::engine::postgres::group_reads::GroupReads;
use crate::store::engine::postgres::outcomes::CommandState;
use crate::store::engine::postgres::session::{GroupQuery, Savepoint, Session, types_of};
use crate::store::engine::postgres::value::{OwnedValue, owned};
use crate::store::engine::postgres::waiting_tables::SendOrder;

impl Session {
    /// Begins a group of commands, whose changes wait for its end where they can.
    /// [`Session::send_gathered`] comes before its commit.
    pub(super) fn begin_group(&mut self) {
        self.gathering = Gathering::of_group();
        self.group_reads = GroupReads::default();
    }

    /// Runs these queries for the commands of a group, in one round trip, before the commands run.
    pub(crate) fn read_for_group(&self, queries: Vec<GroupQuery<'_>>) -> Result<(), Error> {
        let mut prepared = Vec::with_capacity(queries.len());
        for query in &queries {
            let one = self.prepare(query.sql)?.prepared;
            let each = dialect::for_each(query.sql, &types_of(&one));
            let each = self.prepare(&each)?.prepared;
            if !query.is_of_parties {
                self.send_those_before(each.order)?;
            }
            prepared.push((one, each));
        }
        // Nothing waits between here and the answers: rows that are not taken would keep the
        // connection from reading what comes after them.
        let (mut asked, mut sent) = (Vec::new(), Vec::new());
        for (query, (one, each)) in queries.into_iter().zip(prepared) {
            let column = |place: usize| -> Vec<OwnedValue> {
                let values = query.asked.iter().map(|(_, values)| values[place].into());
                values.collect()
            };
            let columns: Vec<_> = (0..one.statement.params().len()).map(column).collect();
            sent.push(self.client.send_query(each.statement, columns)?);
            let values = query.asked.iter().map(|(deal, values)| (*deal, owned(values)));
            asked.push((one.sql, query.is_of_parties, values.collect()));
        }
        // Changes that were sent now belong to commands that are kept.
        self.gathering.keep();
        let answers = self.wait(future::try_join_all(sent))?;
        for ((sql, is_of_parties, asked), rows) in asked.into_iter().zip(answers) {
            self.group_reads.add(&sql, is_of_parties, asked, rows)?;
        }
        Ok(())
    }

    /// Begins a command. Its savepoint is set before its first statement.
    pub(super) fn begin_command(&self) {
        self.savepoint.set(Savepoint::Due);
    }

    /// Keeps the command under way. The outcome is that of the next call that waits.
    pub(super) fn keep_command(&self) -> Result<(), Error> {
        self.end_command("RELEASE command", CommandState::Kept)?;
        self.savepoint.set(Savepoint::None);
        self.gathering.keep();
        Ok(())
    }

    /// Keeps the command under way if none of its statements was refused. After an error of a
    /// statement the command is still under way.
    pub(super) fn keep_answered_command(&self) -> Result<(), Error> {
        self.await_outcomes()?;
        self.end_command("RELEASE command", CommandState::Kept)?;
        // This fails if the command has overlooked a refusal.
        self.await_outcomes().inspect_err(|_| drop(self.failure.take()))?;
        self.savepoint.set(Savepoint::None);
        self.gathering.keep();
        Ok(())
    }

    /// Undoes the command under way, whatever its statements were answered. The outcome is that of
    /// the next call that waits.
    pub(super) fn undo_command(&self) -> Result<(), Error> {
        self.gathering.undo();
        self.end_command("ROLLBACK TO command; RELEASE command", CommandState::Undone)?;
        self.savepoint.set(Savepoint::None);
        Ok(())
    }

    /// Sends this end of the command under way, if the command has a savepoint.
    fn end_command(&self, sql: &'static str, state: CommandState) -> Result<(), Error> {
        if self.savepoint.get() == Savepoint::Set {
            self.outstanding.end_command(self.send_batch(sql)?, state);
        }
        Ok(())
    }

    /// Sets the savepoint of the command under way, if there is one without. Comes before each
    /// statement of a command.
    pub(super) fn set_savepoint(&self) -> Result<(), Error> {
        if self.savepoint.get() == Savepoint::Due {
            self.outstanding.begin_command(self.send_batch("SAVEPOINT command")?);
            self.savepoint.set(Savepoint::Set);
        }
        Ok(())
    }

    fn send_batch(&self, sql: &'static str) -> Result<Sent, Error> {
        let sent = self.client.send_batch(sql);
        sent.map_err(|error| Error::from(self.client.cause_of(error)))
    }

    /// Begins a part of a command that can be undone alone.
    pub(crate) fn begin_part(&self) -> Result<(), Error> {
        self.set_savepoint()?;
        self.send_those_before(SendOrder::FOLLOWS_ALL)?;
        self.batch("SAVEPOINT part")
    }

    /// Ends the part of a command under way, after the outcomes of its statements are known.
    pub(crate) fn end_part(&self) -> Result<(), Error> {
        self.batch("RELEASE part")
    }

    /// Undoes the part of a command under way, and ends it.
    pub(crate) fn undo_part(&self) -> Result<(), Error> {
        self.gathering.undo_part();
        self.batch("ROLLBACK TO part; RELEASE part")
    }
}
