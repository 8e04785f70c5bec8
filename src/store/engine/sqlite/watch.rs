//! Notices that the database file, its write-ahead log or the index of that log was removed or
//! replaced, or one of the first two overwritten or cut off, while the service runs. Its handles
//! would still work, and everything that it wrote from then on would be gone with them, or mixed with
//! what another program wrote.

use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use crate::store::engine::error::Error;
use crate::store::engine::sqlite::checkpoints::SyncHandle;
use crate::store::engine::sqlite::file::{self, PAGE_BYTES};
use crate::store::engine::sqlite::format::{FRAME_HEAD_BYTES, LOG_HEADER_BYTES, PAGES_AT, word_at};
use crate::store::engine::sqlite::mark::Mark;

/// The pause between two looks.
const PAUSE: Duration = Duration::from_secs(1);
/// Attempts to read the beginning of the file in one piece, beside a checkpoint.
const ATTEMPTS_MAX: u32 = 5;
const ATTEMPT_PAUSE: Duration = Duration::from_millis(1);
/// The time in which the log follows an index that was removed, if it does.
const REMOVAL_PAUSE: Duration = Duration::from_millis(20);

/// The files of an open database, as they were when the store opened them.
pub(crate) struct FileWatch {
    database: Watched,
    log: Watched,
    /// SQLite's index of the log, in which its locks are too: another program that makes a new one
    /// does not meet those of the store.
    index: Watched,
    next_look: Instant,
    file: SyncHandle,
    /// The state of the file at the last look.
    seen: Seen,
    /// The generation of the newest commit at the start, which may be in the log alone.
    generation: i64,
}

/// The state of the file, from its beginning and its length.
#[derive(Clone, Copy)]
struct Seen {
    /// The mark, if there is one.
    mark: Option<Mark>,
    bytes: u64,
    /// The length that the file should have, by its header.
    bytes_by_header: u64,
}

/// One file that the store has open.
struct Watched {
    path: PathBuf,
    device: u64,
    inode: u64,
}

/// The part of the database that is gone.
pub(crate) enum Gone {
    /// The file itself; nothing can be saved.
    Database(Error),
    /// The log. The store has it open and can still copy it into the file.
    Log(Error),
    /// The index of the log. File and log are in place and have every commit. To copy the log now
    /// could meet what another program writes.
    Index(Error),
}

impl FileWatch {
    /// Watches a database that a connection has open, so that its log exists.
    pub(crate) fn start(path: &Path, file: SyncHandle, newest: Mark) -> io::Result<Self> {
        let (log, index) = (file::log_of(path), file::index_of(path));
        Ok(Self {
            database: Watched::of(path.to_owned(), &file.file().metadata()?),
            log: Watched::of(log.clone(), &fs::metadata(log)?),
            index: Watched::of(index.clone(), &fs::metadata(index)?),
            next_look: Instant::now() + PAUSE,
            seen: Seen::of(file.file())?,
            file,
            generation: newest.generation,
        })
    }

    /// Compares the file with its state at the last look. Checkpoints alone write it, and each
    /// leaves a later state. The caller says if one may be at work.
    ///
    /// # Errors
    ///
    /// [`Error::FileGone`] if another program has overwritten the file or cut it off.
    pub(crate) fn compare_file(&mut self, is_copying: bool) -> Result<(), Error> {
        for _ in 0..ATTEMPTS_MAX {
            // A file that cannot be read now says nothing.
            let Ok(mut found) = Seen::of(self.file.file()) else {
                return Ok(());
            };
            if found.follows(&self.seen, self.generation, is_copying) {
                if is_copying {
                    // Its length is between two states.
                    (found.bytes, found.bytes_by_header) = (self.seen.bytes, self.seen.bytes_by_header);
                }
                self.seen = found;
                return Ok(());
            }
            // It may have been read while a checkpoint wrote it.
            thread::sleep(ATTEMPT_PAUSE);
        }
        Err(self.database.gone("was overwritten or cut off"))
    }

    /// Returns the length of the log's file. One that is missing or replaced is found at the next
    /// look.
    pub(crate) fn log_bytes(&self) -> u64 {
        fs::metadata(&self.log.path).map_or(u64::MAX, |log| log.len())
    }

    /// Returns the error of a log that has lost its end.
    pub(crate) fn log_was_cut_off(&self) -> Error {
        self.log.gone("was cut off")
    }

    /// Looks at the files, if the last look is long enough ago. At the index it looks each time: a
    /// single write beside that of another program breaks the file.
    pub(crate) fn look_if_due(&mut self) -> Result<(), Gone> {
        let now = Instant::now();
        let index = self.look_at_index();
        if now < self.next_look && index.is_ok() {
            return Ok(());
        }
        self.next_look = now + PAUSE;
        if index.is_err() {
            // A program that removes all files beside the database removes the log next.
            thread::sleep(REMOVAL_PAUSE);
        }
        self.database.look().map_err(Gone::Database)?;
        self.log.look().map_err(Gone::Log)?;
        index.map_err(Gone::Index)
    }

    /// Checks that the index of the log is in place.
    ///
    /// # Errors
    ///
    /// [`Error::FileGone`] if it is not.
    pub(crate) fn look_at_index(&self) -> Result<(), Error> {
        self.index.problem().map_or(Ok(()), |problem| {
            Err(Error::FileGone(format!(
                "{} {problem} while the service ran; the database and its -wal hold every commit: keep both, and start \
                 again",
                self.index.path.display()
            )))
        })
    }
}

impl Watched {
    fn of(path: PathBuf, metadata: &Metadata) -> Self {
        Self {
            path,
            device: metadata.dev(),
            inode: metadata.ino(),
        }
    }

    /// Checks that the path still leads to the open file.
    fn look(&self) -> Result<(), Error> {
        self.problem().map_or(Ok(()), |problem| Err(self.gone(problem)))
    }

    /// Returns what happened to the file, if the path no longer leads to it. Another mount can still
    /// reach a removed file, which then has no name.
    fn problem(&self) -> Option<&'static str> {
        match fs::metadata(&self.path) {
            Ok(found) if (found.dev(), found.ino()) != (self.device, self.inode) => Some("was replaced"),
            Ok(found) if found.nlink() == 0 => Some("was removed"),
            Err(error) if [io::ErrorKind::NotFound, io::ErrorKind::NotADirectory].contains(&error.kind()) => {
                Some("was removed or renamed")
            }
            // It is in place, or cannot be looked at now, which says nothing about it.
            Ok(_) | Err(_) => None,
        }
    }

    fn gone(&self, problem: &str) -> Error {
        Error::FileGone(format!(
            "{} {problem} while the service ran; put the file back in place, or restore a backup, and start again",
            self.path.display()
        ))
    }
}

/// Returns true if a log's file of this length can hold this many pages.
pub(crate) fn is_log_whole(bytes: u64, pages: i64) -> bool {
    match u64::try_from(pages) {
        Ok(pages @ 1..) => bytes >= u64::from(LOG_HEADER_BYTES) + pages * u64::from(FRAME_HEAD_BYTES + PAGE_BYTES),
        _ => true,
    }
}

impl Seen {
    fn of(file: &File) -> io::Result<Self> {
        const PAGE: usize = PAGE_BYTES as usize;
        let mut beginning = [0; 2 * PAGE];
        let mut filled = 0;
        while filled < beginning.len() {
            match file.read_at(&mut beginning[filled..], filled as u64)? {
                0 => break,
                read => filled += read,
            }
        }
        let pages = word_at(&beginning, PAGES_AT);
        Ok(Self {
            mark: Mark::in_page(&beginning[PAGE..]),
            bytes: file.metadata()?.len(),
            bytes_by_header: u64::from(pages) * u64::from(PAGE_BYTES),
        })
    }

    /// Returns true if checkpoints may have made this state from the earlier one. They never count
    /// the mark down, begin one generation after another, and shorten the file only to the length
    /// in its header.
    fn follows(&self, earlier: &Self, at_start: i64, is_copying: bool) -> bool {
        let is_later = match (self.mark, earlier.mark) {
            (Some(mark), Some(before)) => {
                let of_mark = [mark.generation, mark.previous_generation];
                let is_own = of_mark.contains(&before.generation) || of_mark.contains(&at_start);
                is_own && mark.commits >= before.commits
            }
            (None, Some(_)) => false,
            (_, None) => true,
        };
        let is_whole = is_copying || self.bytes >= earlier.bytes || self.bytes >= self.bytes_by_header;
        is_later && is_whole
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_follows_only_earlier_ones() {
        let mark = |generation, commits| Mark {
            generation,
            previous_generation: generation - 1,
            commits,
            newest_transfer: 0,
            is_open: false,
            schema_cookie: 0,
        };
        let seen = |mark, pages: u64, pages_by_header: u64| Seen {
            mark,
            bytes: pages * 2_048,
            bytes_by_header: pages_by_header * 2_048,
        };
        let before = seen(Some(mark(5, 70)), 100, 100);
        let follows = |later: Seen, is_copying| later.follows(&before, 7, is_copying);
        assert!(follows(before, false));
        assert!(follows(seen(Some(mark(5, 71)), 120, 120), false));
        assert!(follows(seen(Some(mark(6, 71)), 100, 100), false), "the first commit");
        assert!(
            follows(seen(Some(mark(8, 71)), 100, 100), false),
            "after that of the log"
        );
        assert!(follows(seen(Some(mark(5, 71)), 40, 40), false), "free pages given back");
        assert!(follows(seen(Some(mark(5, 71)), 100, 120), false), "a disk was full");
        assert!(
            follows(seen(Some(mark(5, 71)), 40, 100), true),
            "a checkpoint is at work"
        );
        assert!(!follows(seen(Some(mark(5, 71)), 40, 100), false), "cut off");
        assert!(!follows(seen(Some(mark(5, 69)), 100, 100), true), "an earlier state");
        assert!(!follows(seen(Some(mark(9, 71)), 100, 100), true), "another file");
        assert!(!follows(seen(None, 0, 0), true), "emptied");
    }

    #[test]
    fn a_log_has_room_for_its_pages() {
        assert!(is_log_whole(0, 0) && is_log_whole(0, -1));
        assert!(is_log_whole(32 + 2 * 2_072, 2));
        assert!(!is_log_whole(31 + 2 * 2_072, 2) && !is_log_whole(0, 1));
    }
}
