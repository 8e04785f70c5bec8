//! Notices that the database file or its write-ahead log was removed or replaced while
//! the service runs. Its handles would still work, and everything that it wrote from then
//! on would be gone with them.

use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::store::engine::error::Error;
use crate::store::engine::sqlite::file;

/// The pause between two looks.
const PAUSE: Duration = Duration::from_secs(1);

/// The files of an open database, as they were when the store opened them.
pub(crate) struct FileWatch {
    database: Watched,
    log: Watched,
    next_look: Instant,
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
}

impl FileWatch {
    /// Watches a database that a connection has open, so that its log exists.
    pub(crate) fn start(path: &Path, file: &File) -> io::Result<Self> {
        let log = file::log_of(path);
        Ok(Self {
            database: Watched::of(path.to_owned(), &file.metadata()?),
            log: Watched::of(log.clone(), &fs::metadata(log)?),
            next_look: Instant::now() + PAUSE,
        })
    }

    /// Looks at the files, if the last look is long enough ago.
    pub(crate) fn look_if_due(&mut self) -> Result<(), Gone> {
        let now = Instant::now();
        if now < self.next_look {
            return Ok(());
        }
        self.next_look = now + PAUSE;
        self.database.look().map_err(Gone::Database)?;
        self.log.look().map_err(Gone::Log)
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

    /// Checks that the path still leads to the open file. Another mount can still reach a removed
    /// file, which then has no name.
    fn look(&self) -> Result<(), Error> {
        let problem = match fs::metadata(&self.path) {
            Ok(found) if (found.dev(), found.ino()) != (self.device, self.inode) => "was replaced",
            Ok(found) if found.nlink() == 0 => "was removed",
            Err(error) if [io::ErrorKind::NotFound, io::ErrorKind::NotADirectory].contains(&error.kind()) => {
                "was removed or renamed"
            }
            // It is in place, or cannot be looked at now, which says nothing about it.
            Ok(_) | Err(_) => return Ok(()),
        };
        Err(Error::FileGone(format!(
            "{} {problem} while the service ran; put the file back in place, or restore a backup, and start again",
            self.path.display()
        )))
    }
}
