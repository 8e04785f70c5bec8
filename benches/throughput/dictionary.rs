//! Trains a dictionary for packed texts (`src/store/engine/packing.rs`) from database files.
//!
//! The files should hold all kinds of events and replies in the proportions of real use, and
//! no benchmark's: what all training texts share is in the dictionary.

use anyhow::ensure;
use rusqlite::Connection;

use crate::arguments::DictionaryOptions;

/// The bytes of a dictionary. Half as many leave a tenth more of a text, twice as many save
/// two of a hundred.
const DICTIONARY_BYTES: usize = 16 * 1024;
/// The place of the dictionary's number in its header.
const NUMBER: std::ops::Range<usize> = 4..8;

/// Trains the dictionary and writes it.
pub(crate) fn run(options: &DictionaryOptions) -> anyhow::Result<()> {
    let mut texts = Vec::new();
    for file in &options.files {
        let connection = Connection::open(file)?;
        escrowd::store::add_functions(&connection)?;
        let sql = "SELECT unpack(data) FROM event WHERE data IS NOT NULL
                   UNION ALL SELECT unpack(body) FROM idempotency_record";
        let mut statement = connection.prepare(sql)?;
        for text in statement.query_map([], |row| row.get::<_, String>(0))? {
            texts.push(text?.into_bytes());
        }
    }
    ensure!(!texts.is_empty(), "the files have no events");
    let mut dictionary = zstd::dict::from_samples(&texts, DICTIONARY_BYTES)?;
    dictionary[NUMBER].copy_from_slice(&options.number.to_le_bytes());
    std::fs::write(&options.into, &dictionary)?;
    println!(
        "{}: {} bytes from {} texts",
        options.into.display(),
        dictionary.len(),
        texts.len()
    );
    Ok(())
}
