//! Files as released versions of the program wrote them: a live one and a sandbox, each with
//! deals of every kind, payments, operators' acts, receipts, pay-outs, events and idempotency
//! records. The programs of the versions made them; no later one can.

use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

/// A file that a version wrote, and the mode that it was made for.
#[allow(dead_code, reason = "each suite that includes this file reads other fields")]
pub(crate) struct Released {
    pub(crate) version: u32,
    pub(crate) mode: &'static str,
    packed: &'static [u8],
}

/// Every such file.
pub(crate) const FILES: [Released; 2] = [
    Released {
        version: 1,
        mode: "live",
        packed: include_bytes!("fixtures/1-live.db.zst"),
    },
    Released {
        version: 1,
        mode: "sandbox",
        packed: include_bytes!("fixtures/1-sandbox.db.zst"),
    },
];

/// The schemas of the released versions, the first version first.
pub(crate) const SCHEMAS: [&str; 2] = [include_str!("schemas/1.sql"), include_str!("../../schema.sql")];

/// The file to which rows of both databases refer, as the customer sent it.
const PICTURE: (&str, &[u8]) = (
    "e5/e58eea9169749e8599b6cbb060f7022cf2a66228d6c440a543fa93f39c49da63.png",
    b"\x89PNG\r\n\x1a\n a boat",
);

impl Released {
    /// Writes the file, and the folder of its files beside it.
    pub(crate) fn write(&self, path: &Path) {
        fs::write(path, zstd::decode_all(self.packed).unwrap()).unwrap();
        self.write_files(path);
    }

    /// Writes only the folder of the files that belong to a database.
    #[allow(
        clippy::unused_self,
        reason = "each file has its own folder, and these two the same picture"
    )]
    pub(crate) fn write_files(&self, path: &Path) {
        let mut files = path.as_os_str().to_owned();
        files.push("-files");
        let picture = PathBuf::from(files).join(PICTURE.0);
        fs::create_dir_all(picture.parent().unwrap()).unwrap();
        fs::write(picture, PICTURE.1).unwrap();
    }
}

/// Returns the statements that made the objects of a database, without comments and spaces.
pub(crate) fn statements(connection: &Connection) -> Vec<String> {
    let sql = "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY type, name";
    let mut statement = connection.prepare(sql).unwrap();
    let rows = statement.query_map([], |row| row.get::<_, String>(0)).unwrap();
    rows.map(|sql| plain(&sql.unwrap())).collect()
}

/// Returns the statements of a schema in the same way.
pub(crate) fn statements_of(schema: &str) -> Vec<String> {
    let connection = Connection::open_in_memory().unwrap();
    connection.execute_batch(schema).unwrap();
    statements(&connection)
}

fn plain(sql: &str) -> String {
    let lines = sql.lines().map(|line| line.split("--").next().unwrap());
    let words: Vec<&str> = lines.flat_map(str::split_whitespace).collect();
    words.join(" ").replace('"', "")
}
