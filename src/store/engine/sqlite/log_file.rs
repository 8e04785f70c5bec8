//! The write-ahead log as a file, read without SQLite: opening a log with SQLite would
//! already apply it to the database beside it, whichever database it was written for.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use crate::store::engine::sqlite::file::{APPLICATION_ID, PAGE_BYTES};
use crate::store::engine::sqlite::format::{
    self, APPLICATION_ID_AT, HEADER_PAGE, LOG_HEADER_BYTES, SCHEMA_VERSION_AT, word_at,
};
use crate::store::engine::sqlite::mark::{MARK_PAGE, Mark};

const FRAME_HEAD_BYTES: usize = format::FRAME_HEAD_BYTES as usize;
/// The first bytes of a log. The last bit says in which byte order its checksums are.
const MAGIC: u32 = 0x377f_0682;
const PAGE_BYTES_MAX: usize = 65_536;

/// The commits in a log that SQLite would apply.
#[derive(Debug, Default)]
pub(crate) struct LogFile {
    /// Commits, also those of other programs, which leave no mark.
    pub(crate) commits: u64,
    /// The mark after each commit that changed it, in order.
    pub(crate) marks: Vec<Mark>,
    /// The schema version in the newest header page of the database.
    pub(crate) schema_version: Option<u32>,
    /// The log was written for the database of another program.
    pub(crate) is_foreign: bool,
}

impl LogFile {
    /// Reads the log up to its first invalid frame. A log that is missing, empty or
    /// begun and not committed has no commits.
    ///
    /// # Errors
    ///
    /// Fails if the operating system cannot read the file.
    pub(crate) fn read(path: &Path) -> io::Result<Self> {
        match File::open(path) {
            Ok(file) => Self::parse(BufReader::new(file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error),
        }
    }

    fn parse(mut bytes: impl Read) -> io::Result<Self> {
        let mut log = Self::default();
        let mut header = [0; LOG_HEADER_BYTES as usize];
        if !fill(&mut bytes, &mut header)? {
            return Ok(log);
        }
        let magic = word_at(&header, 0);
        let page_bytes = usize::try_from(word_at(&header, 8)).unwrap_or(usize::MAX);
        let mut checksum = Checksum {
            is_big_endian: magic & 1 == 1,
            sums: (0, 0),
        };
        checksum.add(&header[..24]);
        let is_log =
            magic & !1 == MAGIC && page_bytes.is_power_of_two() && (512..=PAGE_BYTES_MAX).contains(&page_bytes);
        if !is_log || !checksum.is_at(&header, 24) {
            return Ok(log);
        }
        log.is_foreign = page_bytes != PAGE_BYTES as usize;
        let mut frame = vec![0; FRAME_HEAD_BYTES + page_bytes];
        let (mut mark, mut schema_version) = (None, None);
        while fill(&mut bytes, &mut frame)? {
            let (head, page) = frame.split_at(FRAME_HEAD_BYTES);
            checksum.add(&head[..8]);
            checksum.add(page);
            if head[8..16] != header[16..24] || !checksum.is_at(head, 16) {
                break;
            }
            match word_at(head, 0) {
                MARK_PAGE => mark = Mark::in_page(page),
                HEADER_PAGE => {
                    schema_version = Some(word_at(page, SCHEMA_VERSION_AT));
                    log.is_foreign |= word_at(page, APPLICATION_ID_AT) != APPLICATION_ID;
                }
                _ => {}
            }
            let ends_commit = word_at(head, 4) != 0;
            if ends_commit {
                log.commits += 1;
                log.marks.extend(mark.take());
                log.schema_version = schema_version.take().or(log.schema_version);
            }
        }
        Ok(log)
    }

    /// Returns true if this log continues a file with this mark, or a checkpoint has
    /// copied part of it into that file. A log without any mark has no commit of a service.
    /// It is what an operator changed with SQLite while no service ran.
    pub(crate) fn belongs_to(&self, file: &Mark) -> bool {
        let follows = |first| file.is_before(first) || self.marks.contains(file);
        !self.is_foreign && self.marks.first().is_none_or(follows)
    }
}

/// Fills the buffer. Returns `Ok(false)` at the end of the file.
fn fill(bytes: &mut impl Read, buffer: &mut [u8]) -> io::Result<bool> {
    match bytes.read_exact(buffer) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

/// The running checksum over a log.
struct Checksum {
    is_big_endian: bool,
    sums: (u32, u32),
}

impl Checksum {
    /// Adds bytes, whose number is a multiple of 8.
    fn add(&mut self, bytes: &[u8]) {
        let (mut first, mut second) = self.sums;
        let (words, _) = bytes.as_chunks::<4>();
        let number = |word: [u8; 4]| {
            if self.is_big_endian {
                u32::from_be_bytes(word)
            } else {
                u32::from_le_bytes(word)
            }
        };
        for pair in words.chunks_exact(2) {
            first = first.wrapping_add(number(pair[0])).wrapping_add(second);
            second = second.wrapping_add(number(pair[1])).wrapping_add(first);
        }
        self.sums = (first, second);
    }

    fn is_at(&self, bytes: &[u8], position: usize) -> bool {
        self.sums == (word_at(bytes, position), word_at(bytes, position + 4))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_no_log_have_no_commits() {
        let mut header = vec![0_u8; 4_096];
        header[..4].copy_from_slice(&MAGIC.to_be_bytes());
        for bytes in [&[][..], &[0; 31], &[0xff; 4_096], &header] {
            let log = LogFile::parse(bytes).unwrap();
            assert_eq!((log.commits, log.marks.len()), (0, 0));
        }
    }
}
