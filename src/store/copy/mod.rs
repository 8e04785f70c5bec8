//! Copying a whole database from one engine to the other.
//!
//! The source is locked as by a service and read in one snapshot. The target appears whole or
//! not at all: a file under an unfinished name, or one transaction of PostgreSQL. Before that,
//! every row of it is read again and compared with what the source has, and so is the position
//! of all merchants with the heads of their chains. At the end it is audited.
//!
//! The copy recreates what differs between the engines: columns that are computed, checksums of
//! rows, the mark of a file, and the secret that processes on PostgreSQL share.

mod error;
mod source;
mod tables;
mod target;

pub use error::CopyError;
pub use tables::CopyStep;

use crate::domain::ids::Entropy;
use crate::store::copy::source::Source;
use crate::store::copy::tables::{Content, Table};
use crate::store::copy::target::Target;
use crate::store::file_facts::position_in;
use crate::store::place::Place;

/// A finished copy.
#[derive(Clone, Copy, Debug)]
pub struct Copied {
    /// Transfers in it, as the audit counted them.
    pub transfers: u64,
    /// Rows of all tables.
    pub rows: u64,
    /// Files that rows name.
    pub files: u64,
    /// Merchants, whose chain heads agree with those of the source.
    pub merchants: u64,
}

/// Copies a database to the other engine: a file to an empty PostgreSQL database, or a
/// PostgreSQL database to a file that does not exist. The source is only read, and no service
/// can use it meanwhile. The copy is audited.
///
/// # Errors
///
/// Fails if both places are of one engine, if a service uses the source, if the target is not
/// empty, if a part cannot be read or written, and if the copy differs from its source or is not
/// sound. Nothing is left at the target, unless the error says so.
pub fn copy(
    from: &Place,
    to: &Place,
    entropy: &mut dyn Entropy,
    on_step: &mut dyn FnMut(CopyStep<'_>),
) -> Result<Copied, CopyError> {
    refuse_one_engine(from, to)?;
    let source = Source::open(from)?;
    let mut target = Target::begin(to, entropy)?;
    let filled = fill(&source, &mut target, on_step);
    let (rows, files) = filled.map_err(|problem| problem.into_error(from, to))?;
    let audit = target.finish(from, on_step)?;
    Ok(Copied {
        transfers: audit.transfers,
        rows,
        files,
        merchants: audit.merchants,
    })
}

fn refuse_one_engine(from: &Place, to: &Place) -> Result<(), CopyError> {
    match (from, to) {
        (Place::File(_), Place::File(_)) => Err(CopyError::BothFiles),
        (Place::Postgres(_), Place::Postgres(_)) => Err(CopyError::BothPostgres),
        _ => Ok(()),
    }
}

/// Copies all files and rows and compares them. Returns the numbers of rows and files.
fn fill(
    source: &Source,
    target: &mut Target,
    on_step: &mut dyn FnMut(CopyStep<'_>),
) -> Result<(u64, u64), error::Problem> {
    let tables = tables::all().map_err(error::in_part("the schema"))?;
    // In PostgreSQL each row of `file` refers to its content.
    let mut files = 0;
    let copied = source.each_file(&mut |name, bytes| {
        files += 1;
        on_step(CopyStep::Files { done: files });
        target.keep_file(name, bytes)
    });
    copied.map_err(error::in_part("the files"))?;
    let mut contents: Vec<(Table, Content)> = Vec::with_capacity(tables.len());
    for table in tables {
        let part = format!("the table {}", table.name);
        let content = target.fill(source.connection(), &table, on_step);
        contents.push((table, content.map_err(error::in_part(&part))?));
    }
    let counters = source.counters().map_err(error::in_part("the mark"))?;
    target.complete(counters).map_err(error::in_part("the schema"))?;
    compare(source, target, &contents, on_step)?;
    let rows = contents.iter().map(|(_, content)| content.rows).sum();
    Ok((rows, files))
}

/// Reads the target again and compares it with what was read from the source.
fn compare(
    source: &Source,
    target: &Target,
    contents: &[(Table, Content)],
    on_step: &mut dyn FnMut(CopyStep<'_>),
) -> Result<(), error::Problem> {
    let mut differences = target.problems().map_err(error::in_part("the references"))?;
    for (table, expected) in contents {
        let part = format!("the table {}", table.name);
        let found = table
            .read(target.connection(), on_step)
            .map_err(error::in_part(&part))?;
        if found.rows != expected.rows {
            let (found, expected) = (found.rows, expected.rows);
            differences.push(format!("{part} has {found} rows instead of {expected}"));
        } else if found != *expected {
            differences.push(format!("{part} has other values"));
        }
    }
    let in_position = error::in_part("the position of the merchants");
    let position = |connection| position_in(connection).map_err(&in_position);
    if position(source.connection())? != position(target.connection())? {
        differences.push("the position of the merchants, or the head of a chain, is another".to_owned());
    }
    if differences.is_empty() {
        return Ok(());
    }
    Err(error::Problem::Differs(differences))
}
