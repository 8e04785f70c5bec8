//! The database of a test: a file, or with `ESCROWD_TEST_DATABASE=postgres` a database of a
//! PostgreSQL server. Looks into it from outside of the service.

use std::fmt::Write as _;
use std::path::Path;

use escrowd::store::Place;
use postgres::{Client, NoTls, SimpleQueryMessage};
use rusqlite::types::Value as SqlValue;
use rusqlite::{Connection, OpenFlags};

use crate::cluster;

/// Returns the place of a new database. A file is in this folder.
pub(crate) fn new_place(folder: &Path) -> Place {
    if cluster::is_wanted() {
        cluster::new_database().parse().unwrap()
    } else {
        folder.join("test.db").into()
    }
}

/// Returns the first column of a query's rows, as text.
pub(crate) fn column(place: &Place, sql: &str) -> Vec<String> {
    rows(place, sql)
        .into_iter()
        .map(|row| row.into_iter().next().flatten().unwrap())
        .collect()
}

/// Returns the values of a query's rows, as text; `None` is NULL.
pub(crate) fn rows(place: &Place, sql: &str) -> Vec<Vec<Option<String>>> {
    match place {
        Place::File(path) => rows_of_file(path, sql),
        Place::Postgres(_) => rows_of_server(&mut client(place), sql),
    }
}

fn rows_of_file(path: &Path, sql: &str) -> Vec<Vec<Option<String>>> {
    let connection = open(path);
    escrowd::store::add_functions(&connection).unwrap();
    rows_on(&connection, sql)
}

fn open(path: &Path) -> Connection {
    Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap()
}

fn rows_on(connection: &Connection, sql: &str) -> Vec<Vec<Option<String>>> {
    let mut statement = connection.prepare(sql).unwrap();
    let columns = statement.column_count();
    let mut rows = statement.query([]).unwrap();
    let mut found = Vec::new();
    while let Some(row) = rows.next().unwrap() {
        let value = |column| match row.get(column).unwrap() {
            SqlValue::Null => None,
            SqlValue::Text(text) => Some(text),
            SqlValue::Integer(number) => Some(number.to_string()),
            other => Some(format!("{other:?}")),
        };
        found.push((0..columns).map(value).collect());
    }
    found
}

fn rows_of_server(client: &mut Client, sql: &str) -> Vec<Vec<Option<String>>> {
    let messages = client.simple_query(sql).unwrap();
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

/// Connects to the database of a test, whose URL has no password to hide.
fn client(place: &Place) -> Client {
    Client::connect(&place.to_string(), NoTls).unwrap()
}

/// Returns every row of every table that commands write, as text, from one connection.
pub(crate) fn dump(place: &Place) -> String {
    match place {
        Place::File(path) => {
            let connection = open(path);
            let snapshot = connection.unchecked_transaction().unwrap();
            dump_by(&mut |sql| rows_on(&snapshot, sql), TABLES_OF_FILE)
        }
        Place::Postgres(_) => {
            let mut client = client(place);
            dump_by(&mut |sql| rows_of_server(&mut client, sql), TABLES_OF_SERVER)
        }
    }
}

const TABLES_OF_FILE: &str =
    "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT IN ('instance', 'file_mark') ORDER BY name";
const TABLES_OF_SERVER: &str = "SELECT relname FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
      AND relname NOT IN ('instance', 'file_mark', 'process_commit', 'file_content') ORDER BY relname";

fn dump_by(rows: &mut dyn FnMut(&str) -> Vec<Vec<Option<String>>>, tables: &str) -> String {
    let mut dump = String::new();
    for table in rows(tables).into_iter().flatten().flatten() {
        let mut content = rows(&format!("SELECT * FROM {table}"));
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
        cluster::remove_database(&place.to_string());
    }
}

/// Gives a new database the content of another, which no service uses.
pub(crate) fn copy(from: &Place, to: &Place) {
    match (from.path(), to.path()) {
        (Some(from), Some(to)) => drop(std::fs::copy(from, to).unwrap()),
        _ => cluster::copy_database(&from.to_string(), &to.to_string()),
    }
}
