//! The database of a test: a file, or with `ESCROWD_TEST_DATABASE=postgres` a database of a
//! PostgreSQL server. Tests look into it, and change it, past the service.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::thread;

use escrowd::store::Place;
use postgres::{Client, NoTls, SimpleQueryMessage};
use rusqlite::types::Value as SqlValue;
use rusqlite::{Connection, OpenFlags, params_from_iter};

use crate::cluster;

/// The engine of a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Engine {
    Sqlite,
    Postgres,
}

impl Engine {
    /// Returns the engine that `ESCROWD_TEST_DATABASE` asks for.
    pub(crate) fn wanted() -> Self {
        if cluster::is_wanted() {
            Self::Postgres
        } else {
            Self::Sqlite
        }
    }
}

/// Returns the place of a new database. A file is in this folder.
pub(crate) fn new_place(engine: Engine, folder: &Path) -> Place {
    match engine {
        Engine::Sqlite => folder.join("test.db").into(),
        Engine::Postgres => without_runtime(cluster::new_database).parse().unwrap(),
    }
}

/// Returns the first column of a query's rows, as text.
pub(crate) fn column(place: &Place, sql: &str) -> Vec<String> {
    Outside::to_read(place).column(sql, &[])
}

/// Returns the values of a query's rows, as text; `None` is NULL.
pub(crate) fn rows(place: &Place, sql: &str) -> Vec<Vec<Option<String>>> {
    Outside::to_read(place).rows(sql, &[])
}

/// Returns every row of every table that commands write, as text, from one connection. The last uses
/// of keys are left out: they are saved beside the requests, at any time after them.
pub(crate) fn dump(place: &Place) -> String {
    let outside = Outside::to_read(place);
    outside.begin_snapshot();
    let mut dump = String::new();
    for table in outside.tables() {
        if ["instance", "file_mark", "process_commit", "file_content"].contains(&table.as_str()) {
            continue;
        }
        let columns = match table.as_str() {
            "merchant_key" => "key_hash, merchant_id, scope, label, ending, created_at, expires_at, revoked_at",
            "operator" => "id, guard, name, role, key_hash, created_at, revoked_at",
            _ => "*",
        };
        let mut content = outside.rows(&format!("SELECT {columns} FROM {table}"), &[]);
        content.sort_unstable();
        for row in content {
            writeln!(dump, "{table} {row:?}").unwrap();
        }
    }
    dump
}

/// Removes a database of the server. A file goes with its folder.
pub(crate) fn remove(place: &Place) {
    if let Place::Postgres(_) = place {
        without_runtime(|| cluster::remove_database(&place.to_string()));
    }
}

/// Talks to the server on a thread of its own: the library waits with a runtime, of which the
/// thread of a test may have another.
fn without_runtime<T: Send>(talk: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| scope.spawn(talk).join().unwrap())
}

/// Gives a new database the content of another, which no service uses.
pub(crate) fn copy(from: &Place, to: &Place) {
    match (from.path(), to.path()) {
        (Some(from), Some(to)) => drop(std::fs::copy(from, to).unwrap()),
        _ => cluster::copy_database(&from.to_string(), &to.to_string()),
    }
}

/// A plain connection to the database of a test, past the service. Statements are written so
/// that both engines read them, with numbers for `?1`, `?2` and so on.
pub(crate) enum Outside {
    Sqlite(Connection),
    Postgres(RefCell<Client>),
}

impl Outside {
    /// Connects to a database.
    pub(crate) fn of(place: &Place) -> Self {
        match place {
            Place::File(path) => Self::of_file(Connection::open(path).unwrap()),
            Place::Postgres(_) => Self::of_server(place),
        }
    }

    /// Connects to a database, of which a file is not changed.
    pub(crate) fn to_read(place: &Place) -> Self {
        match place {
            Place::File(path) => {
                Self::of_file(Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap())
            }
            Place::Postgres(_) => Self::of_server(place),
        }
    }

    fn of_file(connection: Connection) -> Self {
        escrowd::store::add_functions(&connection).unwrap();
        Self::Sqlite(connection)
    }

    /// The URL of a test's database has no password to hide.
    fn of_server(place: &Place) -> Self {
        Self::Postgres(RefCell::new(Client::connect(&place.to_string(), NoTls).unwrap()))
    }

    /// Returns the values of a query's rows, as text; `None` is NULL.
    pub(crate) fn rows(&self, sql: &str, numbers: &[i64]) -> Vec<Vec<Option<String>>> {
        match self {
            Self::Sqlite(connection) => {
                let mut found = Vec::new();
                each_row(connection, sql, numbers, |row| found.push(row));
                found
            }
            Self::Postgres(client) => {
                let messages = client.borrow_mut().simple_query(&with_numbers(sql, numbers)).unwrap();
                let rows = messages.into_iter().filter_map(|message| match message {
                    SimpleQueryMessage::Row(row) => Some(
                        (0..row.len())
                            .map(|column| row.get(column).map(str::to_owned))
                            .collect(),
                    ),
                    _ => None,
                });
                rows.collect()
            }
        }
    }

    /// Returns the first column of a query's rows, as text.
    pub(crate) fn column(&self, sql: &str, numbers: &[i64]) -> Vec<String> {
        let rows = self.rows(sql, numbers).into_iter();
        rows.map(|row| row.into_iter().next().flatten().unwrap()).collect()
    }

    /// Returns the first column of a query's rows, which are numbers.
    pub(crate) fn numbers(&self, sql: &str, numbers: &[i64]) -> Vec<i64> {
        let column = self.column(sql, numbers).into_iter();
        column.map(|number| number.parse().unwrap()).collect()
    }

    /// Returns the numbers in a query's only row.
    pub(crate) fn row(&self, sql: &str, numbers: &[i64]) -> Vec<i64> {
        let mut rows = self.rows(sql, numbers);
        assert_eq!(rows.len(), 1, "{sql}");
        let row = rows.remove(0).into_iter();
        row.map(|number| number.unwrap().parse().unwrap()).collect()
    }

    /// Returns the only number in a query's only row.
    pub(crate) fn number(&self, sql: &str, numbers: &[i64]) -> i64 {
        let row = self.row(sql, numbers);
        assert_eq!(row.len(), 1, "{sql}");
        row[0]
    }

    /// Runs a statement and returns the number of rows that it has changed, or the message
    /// with which it was refused.
    pub(crate) fn execute(&self, sql: &str, numbers: &[i64]) -> Result<u64, String> {
        match self {
            Self::Sqlite(connection) => connection
                .execute(sql, params_from_iter(numbers))
                .map(|changed| changed as u64)
                .map_err(|error| error.to_string()),
            Self::Postgres(client) => match client.borrow_mut().simple_query(&with_numbers(sql, numbers)) {
                Ok(messages) => Ok(messages
                    .into_iter()
                    .find_map(|message| match message {
                        SimpleQueryMessage::CommandComplete(changed) => Some(changed),
                        _ => None,
                    })
                    .unwrap()),
                Err(error) => Err(error
                    .as_db_error()
                    .map_or_else(|| error.to_string(), |error| error.message().to_owned())),
            },
        }
    }

    /// Runs statements without looking at their outcome, which must be good.
    pub(crate) fn batch(&self, sql: &str) {
        match self {
            Self::Sqlite(connection) => connection.execute_batch(sql).unwrap(),
            Self::Postgres(client) => client.borrow_mut().batch_execute(sql).unwrap(),
        }
    }

    /// Switches off the references between rows on this connection.
    pub(crate) fn ignore_references(&self) {
        match self {
            Self::Sqlite(_) => self.batch("PRAGMA foreign_keys = OFF"),
            Self::Postgres(_) => self.batch("SET session_replication_role = replica"),
        }
    }

    /// Switches off what refuses wrong rows: references, checks and triggers.
    pub(crate) fn allow_damage(&self) {
        self.ignore_references();
        match self {
            Self::Sqlite(_) => self.batch(
                "PRAGMA ignore_check_constraints = ON; PRAGMA synchronous = OFF;
                 DROP TRIGGER transfer_is_never_changed; DROP TRIGGER transfer_is_never_deleted;
                 DROP TRIGGER operator_act_is_never_changed; DROP TRIGGER operator_act_is_never_deleted;",
            ),
            Self::Postgres(_) => self.batch(
                "DO $$ DECLARE refused record; BEGIN
                     FOR refused IN SELECT conrelid::regclass AS name, conname FROM pg_constraint
                                    WHERE connamespace = 'public'::regnamespace AND contype = 'c' LOOP
                         EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', refused.name, refused.conname);
                     END LOOP;
                 END $$",
            ),
        }
    }

    /// Keeps every store from writing until [`Outside::unlock`].
    pub(crate) fn lock(&self) {
        match self {
            Self::Sqlite(_) => self.batch("BEGIN IMMEDIATE"),
            Self::Postgres(_) => self.batch("BEGIN; SELECT commits FROM file_mark FOR UPDATE"),
        }
    }

    pub(crate) fn unlock(&self) {
        self.batch("ROLLBACK");
    }

    /// Returns the literal of bytes that are written in hexadecimal digits.
    pub(crate) fn literal_of_bytes(&self, digits: &str) -> String {
        match self {
            Self::Sqlite(_) => format!("x'{digits}'"),
            Self::Postgres(_) => format!("decode('{digits}', 'hex')"),
        }
    }

    /// Returns the names of the tables.
    pub(crate) fn tables(&self) -> Vec<String> {
        let sql = match self {
            Self::Sqlite(_) => {
                "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%' ORDER BY name"
            }
            Self::Postgres(_) => {
                "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
                 ORDER BY relname"
            }
        };
        self.column(sql, &[])
    }

    /// Returns the names of a table's columns, each with its type in `schema.sql`.
    pub(crate) fn columns(&self, table: &str) -> Vec<(String, String)> {
        let sql = match self {
            Self::Sqlite(_) => format!("SELECT name, type FROM pragma_table_info('{table}')"),
            Self::Postgres(_) => format!(
                "SELECT column_name, CASE data_type WHEN 'bigint' THEN 'INTEGER' WHEN 'bytea' THEN 'BLOB'
                     ELSE upper(data_type) END
                 FROM information_schema.columns WHERE table_name = '{table}' ORDER BY ordinal_position"
            ),
        };
        let rows = self.rows(&sql, &[]).into_iter();
        rows.map(|row| (row[0].clone().unwrap(), row[1].clone().unwrap()))
            .collect()
    }

    /// Begins to read from one snapshot, that of this moment.
    pub(crate) fn begin_snapshot(&self) {
        match self {
            Self::Sqlite(_) => self.batch("BEGIN; SELECT id FROM merchant LIMIT 1"),
            Self::Postgres(_) => {
                self.batch("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY; SELECT id FROM merchant LIMIT 1");
            }
        }
    }

    /// Ends the reading from one snapshot.
    pub(crate) fn end_snapshot(&self) {
        self.batch("COMMIT");
    }

    /// Returns a number that changes when a store commits.
    pub(crate) fn commits(&self) -> i64 {
        match self {
            Self::Sqlite(_) => self.number("PRAGMA data_version", &[]),
            Self::Postgres(_) => self.number("SELECT commits FROM file_mark", &[]),
        }
    }

    /// Returns the hash of the rows of each table, but for the marks that count commits.
    pub(crate) fn hash_of_rows(&self) -> String {
        let tables = self.tables().into_iter();
        let tables = tables.filter(|table| !["file_mark", "process_commit"].contains(&table.as_str()));
        match self {
            Self::Sqlite(connection) => tables.fold(String::new(), |mut hashes, table| {
                let mut hasher = DefaultHasher::new();
                each_row(connection, &format!("SELECT * FROM {table}"), &[], |row| {
                    row.hash(&mut hasher);
                });
                writeln!(hashes, "{table} {:x}", hasher.finish()).unwrap();
                hashes
            }),
            Self::Postgres(_) => {
                let hash = |table: String| {
                    format!(
                        "SELECT '{table}', count(*), sum(hashtextextended(whole_row::text, 0)) FROM {table} AS whole_row"
                    )
                };
                let all: Vec<String> = tables.map(hash).collect();
                self.rows(&all.join(" UNION ALL "), &[])
                    .iter()
                    .fold(String::new(), |mut hashes, row| {
                        writeln!(hashes, "{row:?}").unwrap();
                        hashes
                    })
            }
        }
    }
}

/// Reads the rows of a query from a file.
fn each_row(connection: &Connection, sql: &str, numbers: &[i64], mut take: impl FnMut(Vec<Option<String>>)) {
    let mut statement = connection.prepare_cached(sql).unwrap();
    let columns = statement.column_count();
    let mut rows = statement.query(params_from_iter(numbers)).unwrap();
    while let Some(row) = rows.next().unwrap() {
        let value = |column| match row.get(column).unwrap() {
            SqlValue::Null => None,
            SqlValue::Text(text) => Some(text),
            SqlValue::Integer(number) => Some(number.to_string()),
            other => Some(format!("{other:?}")),
        };
        take((0..columns).map(value).collect());
    }
}

/// Returns a statement with numbers in place of its parameters, of which there are less than ten.
fn with_numbers(sql: &str, numbers: &[i64]) -> String {
    let mut filled = sql.to_owned();
    for (place, number) in numbers.iter().enumerate() {
        filled = filled.replace(&format!("?{}", place + 1), &number.to_string());
    }
    filled
}
