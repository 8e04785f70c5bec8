//! The numbers of SQLite's file format, for what is read of a file without SQLite.

/// The first bytes of a database file.
pub(crate) const BEGINNING: &[u8] = b"SQLite format 3\0";
/// The size of the header, with which the first page begins.
pub(crate) const HEADER_BYTES: usize = 100;
/// The page that begins with the header.
pub(crate) const HEADER_PAGE: u32 = 1;
/// The position of the number of pages in the header.
pub(crate) const PAGES_AT: usize = 28;
pub(crate) const SCHEMA_COOKIE_AT: usize = 40;
/// The position of `user_version`, which is the schema version.
pub(crate) const SCHEMA_VERSION_AT: usize = 60;
pub(crate) const APPLICATION_ID_AT: usize = 68;
/// The size of the header of a write-ahead log.
pub(crate) const LOG_HEADER_BYTES: u32 = 32;
/// The size of what stands before each page in a write-ahead log.
pub(crate) const FRAME_HEAD_BYTES: u32 = 24;

/// Returns the number at this position. All numbers of the format are big-endian.
pub(crate) fn word_at(bytes: &[u8], position: usize) -> u32 {
    let bytes = bytes[position..].first_chunk().expect("the position is inside");
    u32::from_be_bytes(*bytes)
}
