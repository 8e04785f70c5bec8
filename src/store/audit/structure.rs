//! The structure of a file, as SQLite checks it, and the content of the files beside it.

use std::path::Path;

use crate::domain::file::FileName;
use crate::store::engine::error::OpenError;
use crate::store::engine::file_content::ContentError;
use crate::store::engine::sqlite::{blobs, connection, file, inspection};

/// Lets SQLite check the structure of a file: that every page is readable, every index
/// matches its table, and every foreign key leads to a row. Compares the content of every file
/// with its name. Returns the problems, mostly in SQLite's words. Reads the whole file, some
/// parts of it many times.
///
/// # Errors
///
/// Fails when the file cannot be opened or read.
pub fn check_structure(path: &Path) -> Result<Vec<String>, OpenError> {
    problems_of(path).map_err(OpenError::found_by_check)
}

fn problems_of(path: &Path) -> Result<Vec<String>, OpenError> {
    let path = &*file::resolve_link(path)?;
    connection::check_to_audit(path)?;
    let connection = connection::open_to_audit(path)?;
    let damaged = |cause: rusqlite::Error| OpenError::Damaged {
        path: path.to_owned(),
        cause: cause.into(),
    };
    let mut problems = Vec::new();
    let take = |row: &rusqlite::Row<'_>| row.get::<_, String>(0);
    let mut integrity = connection.prepare("PRAGMA integrity_check").map_err(damaged)?;
    for problem in integrity.query_map([], take).map_err(damaged)? {
        problems.push(problem.map_err(damaged)?);
    }
    problems.retain(|problem| problem != "ok");
    problems.extend(inspection::broken_references(&connection, None).map_err(damaged)?);
    let names = connection.prepare("SELECT name FROM file").and_then(|mut names| {
        let names = names.query_map([], take)?;
        names.collect::<Result<Vec<_>, _>>()
    });
    // A file that is missing, or whose name is damaged, is a finding of the audit.
    for file in names.map_err(damaged)?.iter().filter_map(|name| FileName::parse(name)) {
        match blobs::content(path, file) {
            Ok(_) | Err(ContentError::Missing(_)) => {}
            Err(problem) => problems.push(problem.to_string()),
        }
    }
    Ok(problems)
}
