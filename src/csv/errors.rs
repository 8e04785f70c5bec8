//! The errors of a file, each with its line.

use std::fmt;

use crate::domain::invalid::{shortened, shortened_quotation};

/// The most errors of one file that a reply lists. A file with more has another format, and
/// further errors would repeat the first.
pub const ERRORS_MAX: usize = 20;

/// One error of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileError {
    /// The line of the file, from 1.
    pub line: u64,
    /// The column's name, shortened. `None` for an error of the whole line.
    pub column: Option<String>,
    /// A description of the right values, to follow "must be".
    pub expected: String,
    /// The file's value, shortened and quoted, or a description of it.
    pub got: String,
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}", self.line)?;
        if let Some(column) = &self.column {
            write!(f, ", column \"{}\"", column.replace('"', "\\\""))?;
        }
        write!(f, " must be {}; got {}", self.expected, self.got)
    }
}

/// The errors of a file: the first [`ERRORS_MAX`] by line, and the number of all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileErrors {
    pub first: Vec<FileError>,
    pub count: usize,
}

impl FileErrors {
    /// Returns the value if there are no errors.
    pub(super) fn or<T>(self, value: T) -> Result<T, Self> {
        if self.count == 0 { Ok(value) } else { Err(self) }
    }

    /// Returns the number of errors in words, to stand before the first of them.
    pub(crate) fn count_in_words(&self) -> String {
        match self.count {
            1 => "an error".to_owned(),
            count => format!("{count} errors, the first is"),
        }
    }

    pub(super) fn add(&mut self, line: u64, column: Option<&str>, expected: impl Into<String>, got: impl Into<String>) {
        self.count += 1;
        self.first.push(FileError {
            line,
            column: column.map(shortened),
            expected: expected.into(),
            got: got.into(),
        });
        // A file is read in steps: its form first, then its values.
        self.first.sort_by_key(|error| error.line);
        self.first.truncate(ERRORS_MAX);
    }
}

/// Lists the errors, separated by line breaks.
impl fmt::Display for FileErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.first.iter().enumerate() {
            let start = if index == 0 { "" } else { "\n" };
            write!(f, "{start}{error}")?;
        }
        let more = self.count - self.first.len();
        if more > 0 {
            write!(f, "\nand {more} more")
        } else {
            Ok(())
        }
    }
}

impl std::error::Error for FileErrors {}

/// Returns a text of the file as a message repeats it.
pub(super) fn quoted(text: &str) -> String {
    shortened_quotation(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_counted_and_the_first_are_told() {
        let mut errors = FileErrors::default();
        assert_eq!(errors.clone().or(1), Ok(1));
        for line in (1..=25).rev() {
            errors.add(line, (line > 1).then_some("Amount"), "a number", quoted("x"));
        }
        assert_eq!((errors.first.len(), errors.count), (20, 25));
        let text = errors.to_string();
        assert!(
            text.starts_with("line 1 must be a number; got \"x\"\nline 2, column \"Amount\" must be a number;"),
            "{text}"
        );
        assert!(text.ends_with("\nand 5 more"), "{text}");
        assert_eq!(errors.clone().or(1), Err(errors));
    }

    #[test]
    fn a_long_text_keeps_its_quotation_marks_and_its_escapes_are_made_once() {
        let long = "a".repeat(81);
        assert_eq!(quoted(&long), format!("\"{}…\"", &long[..80]));
        assert_eq!(quoted(&long[..80]), format!("\"{}\"", &long[..80]));
        assert_eq!(quoted("\u{202e}\"\n"), r#""\u202e\"\n""#);
        assert_eq!(quoted("sk_live_0123"), "a secret key");
        let mut errors = FileErrors::default();
        errors.add(2, Some(&format!("\u{202e}\"{long}")), "a number", quoted("x"));
        let column = format!(r#""\u202e\"{}…""#, &long[..78]);
        assert_eq!(
            errors.to_string(),
            format!("line 2, column {column} must be a number; got \"x\"")
        );
    }
}
