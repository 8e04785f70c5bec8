//! The writer's looks at the files beside its commits, and the file made smaller while it is idle.

use crate::store::engine::error::Error;
use crate::store::engine::sqlite::group_commit::FileGroupCommit;
use crate::store::engine::sqlite::watch::{self, Gone};

impl FileGroupCommit {
    /// Makes the file smaller if it is due. Waits for the first commit of this start, which begins a
    /// generation: a vacuum must not continue that of an earlier start.
    ///
    /// # Errors
    ///
    /// Fails when the file can no longer be trusted.
    pub(super) fn vacuum_while_idle(&mut self) -> Result<(), Error> {
        if !self.has_generation || !self.checkpoints.is_checkpointed() || self.health.last().is_err() {
            return Ok(());
        }
        let outcome = self
            .vacuum
            .while_idle(&self.connection, &mut self.checkpoints, &self.readers);
        match outcome {
            Err(error @ (Error::DiskFailed(_) | Error::OutcomeUnknown(_))) => Err(error),
            // Nothing was changed, and the next attempt is some minutes away.
            outcome => {
                drop(outcome.inspect_err(|error| self.health.heed(error)));
                Ok(())
            }
        }
    }

    /// Checks that the files are still in place and hold what was written. If only the log is
    /// gone, the writer first copies all of it into the file.
    pub(super) fn look_at_files(&mut self) -> Result<(), Error> {
        match self.watch.look_if_due() {
            Ok(()) => {
                self.watch.compare_file(self.checkpoints.is_copying())?;
                self.check_log()
            }
            Err(Gone::Database(error) | Gone::Index(error)) => Err(error),
            Err(Gone::Log(error)) => {
                self.readers.keep_nothing();
                match self.checkpoints.close(&self.connection, &self.readers) {
                    Ok(()) => log::warn!("the file holds every commit; its log was copied before the service stops"),
                    Err(problem) => log::error!("the last commits are lost with their log: {problem}"),
                }
                Err(error)
            }
        }
    }

    /// Checks that no commit is missing at the end of the log. It may have begun anew, or another
    /// program may have emptied it, since its length became known.
    pub(super) fn check_log(&mut self) -> Result<(), Error> {
        if self.is_log_whole() {
            return Ok(());
        }
        // Only other programs shorten it meanwhile, so the pages are looked for last.
        let bytes = self.watch.log_bytes();
        let pages = self.checkpoints.look_at_log(&self.connection)?;
        if watch::is_log_whole(bytes, pages) {
            Ok(())
        } else {
            Err(self.watch.log_was_cut_off())
        }
    }

    /// Returns true if the log has the length that is known.
    pub(super) fn is_log_whole(&self) -> bool {
        watch::is_log_whole(self.watch.log_bytes(), self.checkpoints.known_log_pages())
    }

    /// Checks that the log takes the commit of the group: one that was cut off would become longer
    /// again, with a hole in it, and one whose index is gone may have what another program writes.
    pub(super) fn check_log_of_group(&self) -> Result<(), Error> {
        self.watch.look_at_index()?;
        if self.is_log_whole() {
            Ok(())
        } else {
            Err(self.watch.log_was_cut_off())
        }
    }
}
