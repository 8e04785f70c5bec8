//! Translates statements from SQLite's SQL, in which they are written, to PostgreSQL's.
//!
//! | SQLite | PostgreSQL |
//! |---|---|
//! | `?3`, `?` | `$3`, the number after the greatest before |
//! | `a IS b`, `a IS NOT b` | `a IS NOT DISTINCT FROM b`, `a IS DISTINCT FROM b` |
//! | `max(a, b)`, `min(a, b)` | `greatest(a, b)`, `least(a, b)` |
//! | `INDEXED BY i`, `NOT INDEXED`, `CROSS` | nothing: PostgreSQL chooses the way |
//! | `INTEGER`, `BLOB` | `BIGINT`, `BYTEA` |
//! | `/*sqlite*/ ... /*end*/` | nothing |
//! | `/*postgres ... */`, a comment to SQLite | what the comment holds |

/// A part of a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token<'s> {
    /// A keyword or a name.
    Word(&'s str),
    /// Spaces and ordinary comments.
    Space(&'s str),
    /// A parameter with its number, if it has one.
    Parameter(Option<&'s str>),
    /// Anything else: a number, a text, a quoted name, or a sign.
    Other(&'s str),
}

impl<'s> Token<'s> {
    /// Returns the token as it stands in the statement, a parameter without its question mark.
    pub(super) const fn text(self) -> &'s str {
        match self {
            Token::Word(text) | Token::Space(text) | Token::Other(text) | Token::Parameter(Some(text)) => text,
            Token::Parameter(None) => "",
        }
    }
}

/// Translates a statement.
pub(crate) fn translate(sql: &str) -> String {
    let chosen = choose(sql);
    let tokens = tokens_of(&chosen);
    let mut translated = String::with_capacity(chosen.len());
    Translation {
        tokens: &tokens,
        parameters: 0,
        text: &mut translated,
    }
    .run();
    translated
}

/// Rewrites a statement `UPDATE ... WHERE ...` or `INSERT ... VALUES (...)` so that it changes or
/// inserts a row for each element of its parameters, which become arrays of these types.
pub(super) fn for_many(sql: &str, types: &[&str]) -> String {
    let chosen = choose(sql);
    let tokens = tokens_of(&chosen);
    let last_where = tokens.iter().rposition(|token| *token == Token::Word("WHERE"));
    let values = tokens.iter().rposition(|token| *token == Token::Word("VALUES"));
    let opening = values.and_then(|values| {
        let found = tokens[values..].iter().position(|token| *token == Token::Other("("));
        found.map(|place| values + place)
    });
    let closing = values.and_then(|_| tokens.iter().rposition(|token| *token == Token::Other(")")));
    let (arrays, names) = arrays_and_names(types);
    let given = format!("FROM unnest({arrays}) AS given ({names}) ");
    let mut rewritten = String::with_capacity(2 * chosen.len());
    for (place, token) in tokens.iter().enumerate() {
        if Some(place) == last_where {
            rewritten.push_str(&given);
        }
        match token {
            Token::Parameter(Some(number)) => rewritten.extend(["given.value", number]),
            _ if Some(place) == values => rewritten.push_str("SELECT"),
            _ if Some(place) == opening => {}
            _ if Some(place) == closing => rewritten.extend([" ", given.trim_end()]),
            other => rewritten.push_str(other.text()),
        }
    }
    rewritten
}

/// Rewrites a query so that it runs for each element of its parameters, which become arrays of
/// these types. The last column is the place of the element, from 1. `OFFSET 0` keeps PostgreSQL from
/// making one join of all, which would read whole tables: the query is planned as if it ran alone.
pub(super) fn for_each(sql: &str, types: &[&str]) -> String {
    let chosen = choose(sql);
    let (arrays, names) = arrays_and_names(types);
    let mut rewritten = format!(
        "SELECT answer.*, given.place FROM unnest({arrays}) WITH ORDINALITY AS given ({names}, place) JOIN LATERAL ("
    );
    for token in tokens_of(&chosen) {
        match token {
            Token::Parameter(Some(number)) => rewritten.extend(["given.value", number]),
            other => rewritten.push_str(other.text()),
        }
    }
    rewritten.push_str(" OFFSET 0) AS answer ON TRUE");
    rewritten
}

/// Returns the parameters as arrays of these types, and the names of their elements.
fn arrays_and_names(types: &[&str]) -> (String, String) {
    let numbered = || types.iter().zip(1..);
    let arrays: Vec<String> = numbered()
        .map(|(kind, number)| format!("?{number}::{kind}[]"))
        .collect();
    let names: Vec<String> = numbered().map(|(_, number)| format!("value{number}")).collect();
    (arrays.join(", "), names.join(", "))
}

/// Returns for each parameter of a translated statement whether it occurs. A list's statement omits
/// the parameters of filters that are not set, and PostgreSQL could not infer their types.
pub(crate) fn parameters_in(translated: &str) -> Vec<bool> {
    let mut occurs = Vec::new();
    for after in translated.split('$').skip(1) {
        let digits = after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len());
        if let Some(place) = after[..digits]
            .parse::<usize>()
            .ok()
            .and_then(|number| number.checked_sub(1))
        {
            if occurs.len() <= place {
                occurs.resize(place + 1, false);
            }
            occurs[place] = true;
        }
    }
    occurs
}

/// Leaves out the parts for SQLite alone, and takes those for PostgreSQL alone out of their
/// comments.
fn choose(sql: &str) -> String {
    let mut chosen = String::with_capacity(sql.len());
    let mut rest = sql;
    while let Some(start) = rest.find("/*") {
        let (before, from) = rest.split_at(start);
        chosen.push_str(before);
        let end = if from.starts_with("/*sqlite*/") {
            from.find("/*end*/").map(|at| at + "/*end*/".len())
        } else {
            let end = from.find("*/").map(|at| at + "*/".len());
            if let (Some(held), Some(end)) = (from.strip_prefix("/*postgres"), end) {
                chosen.push_str(&held[..end - "/*postgres".len() - "*/".len()]);
            }
            end
        };
        rest = &from[end.expect("a comment in a statement ends")..];
    }
    chosen.push_str(rest);
    chosen
}

/// Returns the parts of a statement, in their order.
pub(super) fn tokens_of(sql: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut rest = sql;
    while let Some(first) = rest.chars().next() {
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let length_while = |is_part: &dyn Fn(char) -> bool| rest.find(|c| !is_part(c)).unwrap_or(rest.len());
        let length = match first {
            '\'' | '"' => rest[1..].find(first).map_or(rest.len(), |at| at + 2),
            '-' if rest.starts_with("--") => rest.find('\n').unwrap_or(rest.len()),
            '?' => 1 + rest[1..].find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len() - 1),
            c if c.is_whitespace() => length_while(&char::is_whitespace),
            c if is_word(c) => length_while(&is_word),
            c => c.len_utf8(),
        };
        let (text, after) = rest.split_at(length);
        tokens.push(match first {
            '?' => Token::Parameter(Some(&text[1..]).filter(|number| !number.is_empty())),
            c if c.is_whitespace() => Token::Space(text),
            '-' if length > 1 => Token::Space(" "),
            c if c.is_ascii_alphabetic() || c == '_' => Token::Word(text),
            _ => Token::Other(text),
        });
        rest = after;
    }
    tokens
}

/// Returns the parts of a statement without spaces and comments, in their order.
pub(super) fn tokens_without_spaces(sql: &str) -> Vec<Token<'_>> {
    let mut tokens = tokens_of(sql);
    tokens.retain(|token| !matches!(token, Token::Space(_)));
    tokens
}

struct Translation<'t> {
    tokens: &'t [Token<'t>],
    /// The greatest number of a parameter so far.
    parameters: usize,
    text: &'t mut String,
}

impl<'t> Translation<'t> {
    fn run(mut self) {
        let mut at = 0;
        while let Some(token) = self.tokens.get(at) {
            at = self.take(token, at);
        }
    }

    /// Writes a token, or what stands for it and the next ones. Returns the place after them.
    fn take(&mut self, token: &Token<'t>, at: usize) -> usize {
        match *token {
            Token::Parameter(Some(number)) => {
                self.parameters = self.parameters.max(number.parse().unwrap_or_default());
                self.write(&["$", number]);
            }
            Token::Parameter(None) => {
                self.parameters += 1;
                let number = self.parameters.to_string();
                self.write(&["$", &number]);
            }
            Token::Word("INTEGER") => self.write(&["BIGINT"]),
            Token::Word("BLOB") => self.write(&["BYTEA"]),
            Token::Word("CROSS") => {}
            Token::Word("INDEXED") => {
                // BY and the name of the index.
                return self.after_words(at, 2);
            }
            Token::Word("NOT") if self.word_after(at) == Some("INDEXED") => return self.after_words(at, 1),
            Token::Word("IS") => return self.take_is(at),
            Token::Word(name @ ("max" | "min")) if self.has_several_arguments(at + 1) => {
                self.write(&[if name == "max" { "greatest" } else { "least" }]);
            }
            Token::Word(text) | Token::Space(text) | Token::Other(text) => self.write(&[text]),
        }
        at + 1
    }

    /// Writes the comparison that `IS` at this place stands for.
    fn take_is(&mut self, at: usize) -> usize {
        let is_known = |word: Option<&str>| matches!(word, Some("NULL" | "TRUE" | "FALSE" | "DISTINCT"));
        let next = self.word_after(at);
        if next == Some("NOT") {
            let after = self.after_words(at, 1);
            if !is_known(self.word_after(after - 1)) {
                self.write(&["IS DISTINCT FROM"]);
                return after;
            }
        } else if !is_known(next) {
            self.write(&["IS NOT DISTINCT FROM"]);
            return at + 1;
        }
        self.write(&["IS"]);
        at + 1
    }

    fn write(&mut self, parts: &[&str]) {
        self.text.extend(parts.iter().copied());
    }

    /// Returns the next token that is no space, if it is a word.
    fn word_after(&self, at: usize) -> Option<&'t str> {
        let next = self.tokens[at + 1..]
            .iter()
            .find(|token| !matches!(token, Token::Space(_)))?;
        match next {
            Token::Word(word) => Some(word),
            _ => None,
        }
    }

    /// Returns the place after this many words behind a place.
    fn after_words(&self, at: usize, count: usize) -> usize {
        let words = self.tokens[at + 1..].iter().enumerate();
        let mut words = words.filter(|(_, token)| matches!(token, Token::Word(_)));
        words
            .nth(count - 1)
            .map_or(self.tokens.len(), |(place, _)| at + place + 2)
    }

    /// Returns true if the parenthesis at this place holds a comma outside of inner ones.
    fn has_several_arguments(&self, open: usize) -> bool {
        let mut depth = 0;
        for token in &self.tokens[open..] {
            match token {
                Token::Other("(") => depth += 1,
                Token::Other(")") if depth == 1 => return false,
                Token::Other(")") => depth -= 1,
                Token::Other(",") if depth == 1 => return true,
                _ if depth == 0 => return false,
                _ => {}
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_that_do_not_occur_are_told() {
        assert_eq!(parameters_in("a = $1 AND b = $3 OR c = $1"), [true, false, true]);
        assert!(parameters_in("a = 1").is_empty());
    }

    #[test]
    fn a_statement_for_many_rows_takes_arrays() {
        assert_eq!(
            for_many(
                "UPDATE t SET a = a + ?2/*sqlite*/, b = f(?2)/*end*/ WHERE id = ?1",
                &["int8", "text"]
            ),
            "UPDATE t SET a = a + given.value2 \
             FROM unnest(?1::int8[], ?2::text[]) AS given (value1, value2) WHERE id = given.value1"
        );
        assert_eq!(
            for_many(
                "INSERT INTO t (a, b/*sqlite*/, c/*end*/) VALUES (?1, max(?2, 0)/*sqlite*/, f(?2)/*end*/)",
                &["int8", "int8"]
            ),
            "INSERT INTO t (a, b) SELECT given.value1, max(given.value2, 0) \
             FROM unnest(?1::int8[], ?2::int8[]) AS given (value1, value2)"
        );
    }

    #[test]
    fn a_query_for_each_value_returns_its_place() {
        assert_eq!(
            for_each("SELECT a FROM t WHERE b = ?1 AND c = ?2 ORDER BY a", &["int8", "text"]),
            "SELECT answer.*, given.place FROM unnest(?1::int8[], ?2::text[]) \
             WITH ORDINALITY AS given (value1, value2, place) \
             JOIN LATERAL (SELECT a FROM t WHERE b = given.value1 AND c = given.value2 ORDER BY a OFFSET 0) AS answer ON TRUE"
        );
    }

    #[test]
    fn differences_are_translated() {
        for (sqlite, postgres) in [
            (
                "SELECT a FROM t WHERE b = ?1 AND c < ?12",
                "SELECT a FROM t WHERE b = $1 AND c < $12",
            ),
            ("a = ? AND b = ? LIMIT ?", "a = $1 AND b = $2 LIMIT $3"),
            ("a = ?2 AND b = ?1 LIMIT ?", "a = $2 AND b = $1 LIMIT $3"),
            ("a IS ?1", "a IS NOT DISTINCT FROM $1"),
            ("a IS NOT b", "a IS DISTINCT FROM b"),
            ("a IS NULL OR b IS NOT NULL", "a IS NULL OR b IS NOT NULL"),
            ("closed_as IS NOT 'SPLIT'", "closed_as IS DISTINCT FROM 'SPLIT'"),
            ("(a IS NULL) = (b IS NULL)", "(a IS NULL) = (b IS NULL)"),
            ("max(a, 1) + min(b, max(c))", "greatest(a, 1) + least(b, max(c))"),
            ("SELECT max(coalesce(a, 0)) FROM t", "SELECT max(coalesce(a, 0)) FROM t"),
            ("FROM t INDEXED BY i WHERE a", "FROM t  WHERE a"),
            ("FROM t NOT INDEXED WHERE a", "FROM t  WHERE a"),
            ("CAST(?1 AS INTEGER)", "CAST($1 AS BIGINT)"),
            ("a CROSS JOIN b ON c", "a  JOIN b ON c"),
            ("SET a = 1/*sqlite*/, b = f(?2)/*end*/ WHERE c", "SET a = 1 WHERE c"),
            ("SELECT /*sqlite*/x/*end*//*postgres true*/ AS y", "SELECT  true AS y"),
            ("'IS ?1' || \"max(a, b)\"", "'IS ?1' || \"max(a, b)\""),
            ("a -- IS b\nFROM c", "a  \nFROM c"),
        ] {
            assert_eq!(translate(sqlite), postgres);
        }
    }
}
