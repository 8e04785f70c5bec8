//! Writing of reports: batches of pay-outs, statements, journals.

use ::csv::{Terminator, Writer, WriterBuilder};

use crate::domain::money::Amount;
use crate::domain::time::{Date, Timestamp};
use crate::domain::treasury::signed_amount::SignedAmount;

/// A field of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cell<'a> {
    /// A text of any party. It never becomes a formula (see [`Report`]).
    Text(&'a str),
    Amount(Amount),
    Signed(SignedAmount),
    Number(i64),
    Date(Date),
    Time(Timestamp),
    Empty,
}

/// A CSV file that is written row by row.
///
/// Fields stand between commas, are quoted where needed, and lines end with a carriage return
/// and a line feed, as RFC 4180 has it. Amounts are major units with two decimals.
///
/// A spreadsheet takes a text as a formula if it begins with `=`, `+`, `-`, `@` or a control
/// character, so such a text gets an apostrophe before it. A spreadsheet that takes semicolons or
/// tabs for commas finds more fields and ignores the quotes around the whole text, so each part
/// behind a semicolon, a tab or a line break is treated in the same way. A part that begins with
/// apostrophes and such a character gets one more, so that [`unprefixed`] always gives the text back.
pub struct Report {
    writer: Writer<Vec<u8>>,
}

impl Report {
    /// Begins a report with the names of its columns.
    pub fn new(header: &[&str]) -> Self {
        let mut options = WriterBuilder::new();
        let mut writer = options.terminator(Terminator::CRLF).from_writer(Vec::new());
        writer
            .write_record(header)
            .expect("the first row of bytes in memory is written without error");
        Self { writer }
    }

    /// Writes a row with one cell for each column.
    ///
    /// # Panics
    ///
    /// Panics if there are more or fewer cells than columns.
    pub fn row(&mut self, cells: &[Cell<'_>]) {
        let fields = cells.iter().map(field);
        self.writer
            .write_record(fields)
            .expect("a row has a cell for each column");
    }

    /// Returns the file.
    pub fn finish(self) -> String {
        let bytes = self.writer.into_inner();
        let bytes = bytes.expect("bytes in memory are written without error");
        String::from_utf8(bytes).expect("a report is made of texts")
    }
}

fn field(cell: &Cell<'_>) -> String {
    match *cell {
        Cell::Text(text) => prefixed(text),
        Cell::Amount(amount) => SignedAmount::credit(amount).to_string(),
        Cell::Signed(amount) => amount.to_string(),
        Cell::Number(number) => number.to_string(),
        Cell::Date(date) => date.to_string(),
        Cell::Time(time) => time.to_string(),
        Cell::Empty => String::new(),
    }
}

/// Returns a text with an apostrophe before each part that would be a formula.
fn prefixed(text: &str) -> String {
    let prefix = |at, part| if is_formula(at, part) { "'" } else { "" };
    parts(text).flat_map(|(at, part)| [prefix(at, part), part]).collect()
}

/// Returns a text without the apostrophes that a [`Report`] puts before its parts.
pub fn unprefixed(text: &str) -> String {
    let own = |(at, part)| match str::strip_prefix(part, '\'') {
        Some(rest) if is_formula(at, part) => rest,
        _ => part,
    };
    parts(text).map(own).collect()
}

/// Returns the parts of a text that may be fields of their own, each with its number and with what
/// ends it.
fn parts(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.split_inclusive([';', '\t', '\r', '\n']).enumerate()
}

/// Returns true for a part that a spreadsheet takes as a formula, or would without the quotes and
/// apostrophes before it. Some take the full-width forms too.
fn is_formula(at: usize, part: &str) -> bool {
    let beginning = part.trim_start_matches(['\'', '"']);
    beginning.starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠'])
        || (at == 0 && beginning.starts_with(['\t', '\r', '\n']))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_report_has_plain_numbers_and_quoted_texts() {
        let mut report = Report::new(&["reference", "amount", "change", "count", "day", "time", "note"]);
        report.row(&[
            Cell::Text("DEP-1"),
            Cell::Amount(Amount::from_minor(123_450).unwrap()),
            Cell::Signed(SignedAmount::from_minor(-2_000).unwrap()),
            Cell::Number(-3),
            Cell::Date(Date::parse("2026-11-27").unwrap()),
            Cell::Time(Timestamp::from_millis(1_782_123_300_007).unwrap()),
            Cell::Text("a, \"b\"\nc"),
        ]);
        report.row(&[Cell::Empty; 7]);
        assert_eq!(
            report.finish(),
            "reference,amount,change,count,day,time,note\r\n\
             DEP-1,1234.50,-20.00,-3,2026-11-27,2026-06-22T10:15:00.007Z,\"a, \"\"b\"\"\nc\"\r\n\
             ,,,,,,\r\n"
        );
    }

    #[test]
    fn no_text_becomes_a_formula() {
        for (text, written) in [
            ("=1+1", "'=1+1"),
            ("+234 800", "'+234 800"),
            ("-20", "'-20"),
            ("@sum", "'@sum"),
            ("\tx", "'\tx"),
            ("\rx", "\"'\rx\""),
            ("\nx", "\"'\nx\""),
            ("＝1", "'＝1"),
            ("'=1", "''=1"),
            ("'90s", "'90s"),
            ("a=1", "a=1"),
            ("GTB;=1+1", "GTB;'=1+1"),
            ("GTB;'=1", "GTB;''=1"),
            ("GTB;\"=1\"", "\"GTB;'\"\"=1\"\"\""),
            ("a\t-1;b;+1", "a\t'-1;b;'+1"),
            ("a\r\n@b", "\"a\r\n'@b\""),
            ("a; b;c-d;", "a; b;c-d;"),
            ("", "\"\""),
        ] {
            let mut report = Report::new(&["note"]);
            report.row(&[Cell::Text(text)]);
            assert_eq!(report.finish(), format!("note\r\n{written}\r\n"), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn a_text_is_read_back(text in "['\"=+@a;\t\n-]{0,9}", other in ".{0,10}") {
            for text in [text, other] {
                let written = field(&Cell::Text(&text));
                for part in written.split([';', '\t', '\r', '\n']) {
                    let beginning = part.trim_start_matches('"');
                    prop_assert!(!beginning.starts_with(['=', '+', '-', '@']), "{}", written);
                }
                prop_assert_eq!(unprefixed(&written), text.as_str());
            }
        }
    }
}
