//! Lays out JSON for a reviewer without changing a byte of its keys and values.

/// The widest line, in columns, on which an object or a list is written whole.
const WIDTH: usize = 110;

/// A JSON value with its scalars as written.
#[derive(Debug)]
enum Json<'a> {
    /// A string, a number, a boolean or null.
    Atom(&'a str),
    List(Vec<Self>),
    /// Names with their quotes, in the order sent.
    Object(Vec<(&'a str, Self)>),
}

/// Lays out a JSON text over several lines. Keys keep their order and numbers their digits.
/// Returns `None` if the text is not JSON, or contains spaces between its tokens.
pub(crate) fn laid_out(text: &str) -> Option<String> {
    let mut rest = text;
    let json = Json::read(&mut rest)?;
    if !rest.is_empty() || json.compact() != text {
        return None;
    }
    let mut lines = String::new();
    json.write(&mut lines, 0);
    Some(lines)
}

impl<'a> Json<'a> {
    fn read(rest: &mut &'a str) -> Option<Self> {
        match rest.bytes().next()? {
            b'[' => {
                let mut items = Vec::new();
                Self::read_items(rest, ']', |rest| {
                    items.push(Self::read(rest)?);
                    Some(())
                })?;
                Some(Self::List(items))
            }
            b'{' => {
                let mut fields = Vec::new();
                Self::read_items(rest, '}', |rest| {
                    let name = read_text(rest)?;
                    take(rest, ':')?;
                    fields.push((name, Self::read(rest)?));
                    Some(())
                })?;
                Some(Self::Object(fields))
            }
            b'"' => read_text(rest).map(Self::Atom),
            _ => {
                let end = rest.find([',', ']', '}', ' ', '\n']).unwrap_or(rest.len());
                let (atom, after) = rest.split_at(end);
                *rest = after;
                Some(Self::Atom(atom)).filter(|_| !atom.is_empty())
            }
        }
    }

    /// Reads the items between two brackets.
    fn read_items(rest: &mut &'a str, close: char, mut read: impl FnMut(&mut &'a str) -> Option<()>) -> Option<()> {
        *rest = &rest[1..];
        if take(rest, close).is_some() {
            return Some(());
        }
        loop {
            read(rest)?;
            if take(rest, close).is_some() {
                return Some(());
            }
            take(rest, ',')?;
        }
    }

    /// Returns the JSON without any spaces between its tokens.
    fn compact(&self) -> String {
        match self {
            Self::Atom(atom) => (*atom).to_owned(),
            Self::List(items) => {
                let items: Vec<String> = items.iter().map(Self::compact).collect();
                format!("[{}]", items.join(","))
            }
            Self::Object(fields) => {
                let field = |(name, value): &(&str, Self)| format!("{name}:{}", value.compact());
                let fields: Vec<String> = fields.iter().map(field).collect();
                format!("{{{}}}", fields.join(","))
            }
        }
    }

    fn write(&self, lines: &mut String, depth: usize) {
        let compact = self.compact();
        if depth > 0 && 2 * depth + compact.chars().count() <= WIDTH {
            lines.push_str(&compact);
            return;
        }
        match self {
            Self::Atom(atom) => lines.push_str(atom),
            Self::List(items) if items.is_empty() => lines.push_str("[]"),
            Self::Object(fields) if fields.is_empty() => lines.push_str("{}"),
            Self::List(items) => {
                lines.push('[');
                for (index, item) in items.iter().enumerate() {
                    start_line(lines, index, depth + 1);
                    item.write(lines, depth + 1);
                }
                end_lines(lines, depth, ']');
            }
            Self::Object(fields) => {
                lines.push('{');
                for (index, (name, value)) in fields.iter().enumerate() {
                    start_line(lines, index, depth + 1);
                    lines.push_str(name);
                    lines.push_str(": ");
                    value.write(lines, depth + 1);
                }
                end_lines(lines, depth, '}');
            }
        }
    }
}

fn start_line(lines: &mut String, index: usize, depth: usize) {
    lines.push_str(if index > 0 { ",\n" } else { "\n" });
    lines.push_str(&"  ".repeat(depth));
}

fn end_lines(lines: &mut String, depth: usize, close: char) {
    lines.push('\n');
    lines.push_str(&"  ".repeat(depth));
    lines.push(close);
}

fn take(rest: &mut &str, wanted: char) -> Option<()> {
    *rest = rest.strip_prefix(wanted)?;
    Some(())
}

/// Reads a string with its quotes.
fn read_text<'a>(rest: &mut &'a str) -> Option<&'a str> {
    let mut is_escaped = false;
    let end = rest.bytes().enumerate().skip(1).find(|&(_, byte)| {
        let is_end = byte == b'"' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        is_end
    });
    let (text, after) = rest.split_at(end?.0 + 1);
    *rest = after;
    Some(text).filter(|text| text.starts_with('"'))
}

#[test]
fn the_layout_keeps_order_digits_and_escapes() {
    let text = r#"{"b":1.50,"a":[1e3,"x\\\"y, z"],"c":{}}"#;
    let expected = "{\n  \"b\": 1.50,\n  \"a\": [1e3,\"x\\\\\\\"y, z\"],\n  \"c\": {}\n}";
    assert_eq!(laid_out(text).as_deref(), Some(expected));
    for other in ["", "{", "{\"a\": 1}", "{}\n", "[1,]", "{\"a\":1}x"] {
        assert_eq!(laid_out(other), None, "{other}");
    }
}
