//! Reading of a CSV file with a header row: its delimiter, its columns, and its rows with the
//! lines on which they stand.

use ::csv::{ByteRecord, ReaderBuilder};

use crate::csv::errors::{FileErrors, quoted};

/// The most rows of a file. A month of a busy account has fewer, and no person reads a longer result.
pub const ROWS_MAX: usize = 50_000;

/// The most characters of a field. The longest narration of a bank has less than 400.
pub const FIELD_CHARS_MAX: usize = 500;

/// The most columns of a file.
const COLUMNS_MAX: usize = 200;

/// The most bytes between two line breaks: as many as the most fields of the most characters have.
const LINE_BYTES_MAX: usize = COLUMNS_MAX * FIELD_CHARS_MAX * 4;

/// The most names of columns that an error lists.
const LISTED_MAX: usize = 20;

const DELIMITERS: [u8; 3] = [b',', b';', b'\t'];

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// One row of a file.
#[derive(Debug)]
pub(super) struct Row {
    /// The line of the file on which the row begins, from 1.
    pub(super) line: u64,
    fields: Vec<String>,
}

impl Row {
    /// Returns a field, without white space around it.
    pub(super) fn text(&self, column: &Column) -> &str {
        &self.fields[column.index]
    }
}

/// A column of a file.
#[derive(Debug)]
pub(super) struct Column {
    /// The name as the file has it.
    pub(super) name: String,
    index: usize,
}

/// A file that was read to its end, or to its row [`ROWS_MAX`].
#[derive(Debug, Default)]
pub(super) struct Table {
    header: Vec<String>,
    pub(super) header_line: u64,
    pub(super) rows: Vec<Row>,
    pub(super) errors: FileErrors,
}

impl Table {
    /// Reads a file. The delimiter is the one with which the header has most of the wanted
    /// columns.
    pub(super) fn read(bytes: &[u8], wanted: &[&str]) -> Self {
        let mut table = Self::default();
        if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
            table
                .errors
                .add(1, None, "UTF-8 text; save the file as CSV UTF-8", "UTF-16");
            return table;
        }
        let bytes = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
        // The reader would keep the place of each field of a row.
        if let Some(line) = long_line(bytes) {
            let expected = format!("a line of at most {LINE_BYTES_MAX} bytes");
            table.errors.add(line, None, expected, "a longer one");
            return table;
        }
        let found = |&delimiter: &u8| {
            let Some(row) = Rows::new(bytes, delimiter).next() else {
                return (0, 0);
            };
            if row.fields.len() > COLUMNS_MAX {
                return (0, row.fields.len());
            }
            let header = row.lossy();
            let is_there = |name: &&&str| header.iter().any(|field| is_name(field, name));
            (wanted.iter().filter(is_there).count(), header.len())
        };
        // `max_by_key` returns the last of equal maxima.
        let delimiter = DELIMITERS.iter().rev().max_by_key(|delimiter| found(delimiter));
        table.read_rows(Rows::new(bytes, *delimiter.unwrap_or(&b',')));
        table
    }

    fn read_rows(&mut self, mut rows: Rows<'_>) {
        let header = rows
            .next()
            .and_then(|row| Some((row.line, row.read(&[], &mut self.errors)?)));
        let Some((line, header)) = header else {
            if self.errors.count == 0 {
                self.errors
                    .add(1, None, "a row with the names of the columns", "an empty file");
            }
            return;
        };
        (self.header_line, self.header) = (line, header);
        for row in rows {
            if row.is_blank() {
                continue;
            }
            if self.rows.len() == ROWS_MAX {
                let expected = format!("the end of the file, after at most {ROWS_MAX} rows");
                self.errors.add(row.line, None, expected, "another row; split the file");
                return;
            }
            let line = row.line;
            // A row with an error is kept out, but counts.
            let fields = row.read(&self.header, &mut self.errors).unwrap_or_default();
            self.rows.push(Row { line, fields });
        }
        self.rows.retain(|row| !row.fields.is_empty());
    }

    /// Returns the column of this name, without regard to case. Adds an error if there is
    /// none, or more than one.
    pub(super) fn column(&mut self, name: &str) -> Option<Column> {
        let mut found = self.header.iter().enumerate().filter(|(_, field)| is_name(field, name));
        let column = found.next();
        if let (Some((index, field)), None) = (column, found.next()) {
            let name = field.clone();
            return Some(Column { name, index });
        }
        let names = self.header.iter().take(LISTED_MAX).map(|name| quoted(name));
        let names = names.collect::<Vec<_>>().join(", ");
        let got = if column.is_some() {
            "several columns of this name"
        } else {
            "no such column"
        };
        if self.header_line > 0 {
            let expected = format!("the name of one column; the file has {names}");
            self.errors.add(self.header_line, Some(name), expected, got);
        }
        None
    }

    /// Adds an error for each column without one of these names.
    pub(super) fn refuse_columns_beside(&mut self, names: &[&str]) {
        for field in &self.header {
            if !names.iter().any(|name| is_name(field, name)) {
                let expected = format!("one of the columns {}", names.join(", "));
                self.errors
                    .add(self.header_line, Some(field), expected, "another column");
            }
        }
    }
}

/// Returns the first line that is too long.
fn long_line(bytes: &[u8]) -> Option<u64> {
    let (mut line, mut start) = (1, 0);
    for (at, byte) in bytes.iter().enumerate().chain([(bytes.len(), &b'\n')]) {
        if matches!(byte, b'\r' | b'\n') {
            if at - start > LINE_BYTES_MAX {
                return Some(line);
            }
            let ends_pair = *byte == b'\n' && at > 0 && bytes[at - 1] == b'\r';
            line += u64::from(!ends_pair);
            start = at + 1;
        }
    }
    None
}

fn is_name(field: &str, name: &str) -> bool {
    field.trim().to_lowercase() == name.trim().to_lowercase()
}

/// A row as its bytes.
struct RawRow<'a> {
    line: u64,
    /// The row as it stands in the file.
    raw: &'a [u8],
    delimiter: u8,
    fields: ByteRecord,
}

impl RawRow<'_> {
    fn lossy(&self) -> Vec<String> {
        let fields = self
            .fields
            .iter()
            .map(|field| String::from_utf8_lossy(field).into_owned());
        fields.collect()
    }

    fn is_blank(&self) -> bool {
        self.fields.iter().all(|field| field.trim_ascii().is_empty())
    }

    /// Returns the fields, or adds the row's errors. The row has a field for each name of
    /// the header. Blank fields after them count as none.
    fn read(&self, header: &[String], errors: &mut FileErrors) -> Option<Vec<String>> {
        let errors_before = errors.count;
        if let Some(mistake) = quote_mistake(self.raw, self.delimiter) {
            errors.add(self.line, None, "a row whose quoted fields are closed", mistake);
            return None;
        }
        if self.fields.len() > COLUMNS_MAX {
            let expected = format!("a row of at most {COLUMNS_MAX} fields");
            errors.add(self.line, None, expected, format!("{} fields", self.fields.len()));
            return None;
        }
        let mut fields = Vec::new();
        for (index, field) in self.fields.iter().enumerate() {
            let column = header.get(index).map(String::as_str);
            match std::str::from_utf8(field).map(str::trim) {
                Err(_) => {
                    let got = quoted(&String::from_utf8_lossy(field));
                    errors.add(self.line, column, "UTF-8 text; save the file as CSV UTF-8", got);
                }
                Ok(field) if field.chars().count() > FIELD_CHARS_MAX => {
                    let expected = format!("a text of at most {FIELD_CHARS_MAX} characters");
                    errors.add(
                        self.line,
                        column,
                        expected,
                        format!("{} characters", field.chars().count()),
                    );
                }
                Ok(field) => fields.push(field.to_owned()),
            }
        }
        if errors.count > errors_before {
            return None;
        }
        if !header.is_empty() {
            while fields.len() > header.len() && fields.last().is_some_and(String::is_empty) {
                fields.pop();
            }
            if fields.len() != header.len() {
                let expected = format!("a row of {} fields, as the header", header.len());
                errors.add(self.line, None, expected, format!("{} fields", fields.len()));
                return None;
            }
        }
        Some(fields)
    }
}

/// The rows of a file with one delimiter, without empty lines.
struct Rows<'a> {
    bytes: &'a [u8],
    delimiter: u8,
    reader: ::csv::Reader<&'a [u8]>,
    /// The place up to which line breaks are counted, and the line there.
    counted: usize,
    line: u64,
}

impl<'a> Rows<'a> {
    fn new(bytes: &'a [u8], delimiter: u8) -> Self {
        let mut options = ReaderBuilder::new();
        options.has_headers(false).flexible(true).delimiter(delimiter);
        Self {
            bytes,
            delimiter,
            reader: options.from_reader(bytes),
            counted: 0,
            line: 1,
        }
    }

    fn place(&self) -> usize {
        usize::try_from(self.reader.position().byte()).map_or(self.bytes.len(), |at| at.min(self.bytes.len()))
    }

    /// Counts the line breaks before this place: a line feed, a carriage return, or both.
    fn count_to(&mut self, place: usize) {
        for at in self.counted..place {
            let is_break = match self.bytes[at] {
                b'\r' => true,
                b'\n' => at == 0 || self.bytes[at - 1] != b'\r',
                _ => false,
            };
            self.line += u64::from(is_break);
        }
        self.counted = self.counted.max(place);
    }
}

impl<'a> Iterator for Rows<'a> {
    type Item = RawRow<'a>;

    fn next(&mut self) -> Option<RawRow<'a>> {
        let before = self.place();
        let mut fields = ByteRecord::new();
        let is_row = self.reader.read_byte_record(&mut fields);
        if !is_row.expect("bytes in memory are read without error") {
            return None;
        }
        let after = self.place();
        let is_break = |byte: &u8| matches!(byte, b'\r' | b'\n');
        // The reader skips the empty lines before a row.
        let start = (before..after).find(|&at| !is_break(&self.bytes[at])).unwrap_or(after);
        self.count_to(start);
        Some(RawRow {
            line: self.line,
            raw: &self.bytes[start..after],
            delimiter: self.delimiter,
            fields,
        })
    }
}

/// Describes a quote that would make the reader join fields or lines that are not one: it is
/// never closed, or other text follows where it closes.
fn quote_mistake(raw: &[u8], delimiter: u8) -> Option<&'static str> {
    enum State {
        Start,
        Plain,
        Quoted,
        AfterQuote,
    }
    let mut state = State::Start;
    for &byte in raw {
        let is_end = byte == delimiter || matches!(byte, b'\r' | b'\n');
        state = match state {
            State::Quoted if byte == b'"' => State::AfterQuote,
            State::Quoted => State::Quoted,
            State::Start | State::AfterQuote if byte == b'"' => State::Quoted,
            State::AfterQuote if !is_end => return Some("a quoted field with text after its closing quote"),
            State::Start | State::Plain | State::AfterQuote if is_end => State::Start,
            State::Start | State::Plain | State::AfterQuote => State::Plain,
        };
    }
    matches!(state, State::Quoted).then_some("a quote that is never closed")
}
