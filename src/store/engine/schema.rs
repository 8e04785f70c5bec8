//! The schema, from which both engines make their tables.

pub(crate) const SCHEMA: &str = include_str!("../../../schema.sql");

/// Bytes of a schema's hash that a message shows.
pub(crate) const HASH_BYTES_SHOWN: usize = 6;

/// Returns the words of statements without their comments, one space apart. The schema has no text
/// with `--`.
pub(crate) fn words_of(sql: &str) -> String {
    let lines = sql
        .lines()
        .map(|line| line.split_once("--").map_or(line, |(code, _)| code));
    let words: Vec<&str> = lines.flat_map(str::split_ascii_whitespace).collect();
    words.join(" ")
}
