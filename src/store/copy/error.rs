//! The reasons why there is no copy.

use crate::domain::text::counted;
use crate::store::audit::Finding;
use crate::store::backup::{BackupError, SHOWN_MAX};
use crate::store::engine::error::{Error, OpenError};
use crate::store::place::Place;

/// The reason why there is no copy. The source is as it was.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// Source and target are files.
    #[error(
        "escrowd copies a database to the other engine: one of the two must be the URL of a PostgreSQL database; \
         `escrowd backup` copies a file to a file"
    )]
    BothFiles,
    /// Source and target are on PostgreSQL servers.
    #[error(
        "escrowd copies a database to the other engine: one of the two must be a file; pg_dump and pg_restore copy a \
         PostgreSQL database to another"
    )]
    BothPostgres,
    /// The source or the target cannot be used.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The name of the new file is taken, or the file cannot be written.
    #[error(transparent)]
    File(#[from] BackupError),
    /// A part cannot be read or written.
    #[error("{part} of {from} cannot be copied to {to}: {cause}; nothing was left there")]
    Failed {
        /// The part.
        part: String,
        /// The source.
        from: Place,
        /// The target.
        to: Place,
        /// The error of the source or the target.
        cause: Error,
    },
    /// The copy does not have what the source has.
    #[error("the copy at {to} would differ from {from}: {}; nothing was left there", differences.join("; "))]
    Differs {
        /// The source.
        from: Place,
        /// The target.
        to: Place,
        /// Each names a part and what it has.
        differences: Vec<String>,
    },
    /// The copy is no sound ledger, since the source is none.
    #[error(
        "the ledger of {from} is broken ({}): {}; nothing was left at {to}; run `escrowd check` on {from}, and \
         restore an earlier backup",
        counted(*total, "finding"),
        findings.join("; ")
    )]
    Damaged {
        /// The source.
        from: Place,
        /// The target.
        to: Place,
        /// The first findings.
        findings: Vec<String>,
        /// The number of all findings.
        total: u64,
    },
    /// The copy was committed, and its commit or its audit failed.
    #[error("{problem}; tables may be left in {to} ({cause}): drop that database, and copy again")]
    Left {
        /// The target.
        to: Place,
        /// The reason why the copy is not to be used.
        problem: Box<Self>,
        /// The reason why it could not be removed.
        cause: Error,
    },
}

impl CopyError {
    /// Describes the findings of an audit.
    pub(super) fn damaged(from: &Place, to: &Place, findings: &[Finding], total: u64) -> Self {
        let first = findings.iter().take(SHOWN_MAX).map(ToString::to_string);
        Self::Damaged {
            from: from.clone(),
            to: to.clone(),
            findings: first.collect(),
            total,
        }
    }
}

/// The reason why a target was not filled.
#[derive(Debug)]
pub(super) enum Problem {
    /// A part and its error.
    InPart(String, Error),
    Differs(Vec<String>),
}

impl Problem {
    pub(super) fn into_error(self, from: &Place, to: &Place) -> CopyError {
        let (from, to) = (from.clone(), to.clone());
        match self {
            Self::InPart(part, cause) => CopyError::Failed { part, from, to, cause },
            Self::Differs(differences) => CopyError::Differs { from, to, differences },
        }
    }
}

/// Names the part of a database in which an error was met.
pub(super) fn in_part(part: &str) -> impl Fn(Error) -> Problem {
    move |cause| Problem::InPart(part.to_owned(), cause)
}
