//! Fields with wrong values, and the texts that tell a caller what would be right.

use std::fmt;

use crate::domain::characters::{escaped, quoted};
use crate::domain::secrets::without_secrets;

/// A field with a wrong value: its path, the received value, and a description of the right
/// values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid {
    /// The field's path as the caller wrote it, such as `milestones[1].amount`.
    pub field: String,
    /// The reason.
    pub problem: Problem,
}

/// A parsed value, or the [`Invalid`] field that prevents it. A command checks the
/// caller before it looks at these errors, and reports the first one in the contract's
/// order of fields.
pub type Parsed<T> = Result<T, Invalid>;

/// The reason why a field is invalid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// The field is required, but absent, null or blank.
    Missing,
    /// The field has a wrong value.
    Wrong {
        /// A description of the right values, to follow "must be".
        expected: String,
        /// The received value, shortened, or a description of it.
        got: String,
    },
}

/// The most characters of a caller's text that a message repeats.
const ECHO_CHARS_MAX: usize = 80;

impl Invalid {
    /// Returns the error of a required field that is missing.
    pub fn missing(field: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            problem: Problem::Missing,
        }
    }

    /// Returns the error of a field with a wrong value. `expected` follows "must be".
    pub fn wrong(field: impl Into<String>, expected: impl Into<String>, got: &str) -> Self {
        Self {
            field: field.into(),
            problem: Problem::Wrong {
                expected: expected.into(),
                got: shortened(got),
            },
        }
    }

    /// Returns the error of a field with a wrong value that is described and not repeated. The
    /// description is kept whole, and has nothing of the caller's text.
    pub fn described(field: impl Into<String>, expected: impl Into<String>, got: String) -> Self {
        Self {
            field: field.into(),
            problem: Problem::Wrong {
                expected: expected.into(),
                got,
            },
        }
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let field = &self.field;
        match &self.problem {
            Problem::Missing => write!(f, "{field} is required"),
            Problem::Wrong { expected, got } => write!(f, "{field} must be {expected}; got {got}"),
        }
    }
}

/// Returns a caller's text as a message may repeat it: cut to a length, without secret keys, and
/// with escapes for what does not show.
pub fn shortened(text: &str) -> String {
    let (echo, end) = cut(text);
    escaped(&without_secrets(echo)) + end
}

/// Returns a caller's text as [`shortened`] does, in quotation marks, of which neither is cut off.
pub fn shortened_quotation(text: &str) -> String {
    let (echo, end) = cut(text);
    escaped(&without_secrets(&quoted(&format!("{echo}{end}"))))
}

/// Cuts a text to the length that a message repeats, and returns what stands for the rest.
fn cut(text: &str) -> (&str, &'static str) {
    match text.char_indices().nth(ECHO_CHARS_MAX) {
        Some((end, _)) => (&text[..end], "…"),
        None => (text, ""),
    }
}
