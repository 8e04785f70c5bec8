//! Shortens the conditions that list the values of a column.
//!
//! PostgreSQL keeps a CHECK as a tree, written out as text, and reads it anew for each statement
//! that changes the table. A comparison takes 400 bytes of that text, one value in an array takes
//! 40.

use crate::store::engine::postgres::dialect::{Token, tokens_of};

/// Replaces `a IN ('x', 'y')` and `(a = 'x' OR a = 'y')` by `a = ANY ('{x,y}')`, which means the
/// same.
pub(super) fn shorten(sql: &str) -> String {
    let tokens = tokens_of(sql);
    let mut shortened = String::with_capacity(sql.len());
    let mut at = 0;
    while at < tokens.len() {
        let list = list_at(&tokens, at);
        if let Some((column, values, after)) = list {
            shortened.extend([column, " = ANY ('{", &values.join(","), "}')"]);
            at = after;
        } else {
            shortened.push_str(tokens[at].text());
            at += 1;
        }
    }
    shortened
}

/// Returns the column and the values of the list that begins here, and the place after it.
fn list_at<'s>(tokens: &[Token<'s>], at: usize) -> Option<(&'s str, Vec<&'s str>, usize)> {
    let Token::Word(column) = tokens[at] else {
        return None;
    };
    if column == "NOT" {
        return None;
    }
    let values = in_list(tokens, at).or_else(|| alternatives(tokens, at, column));
    let (values, after) = values.filter(|(values, _)| values.len() > 1)?;
    Some((column, values, after))
}

/// Returns the values of `a IN ('x', 'y')`, and the place after it.
fn in_list<'s>(tokens: &[Token<'s>], at: usize) -> Option<(Vec<&'s str>, usize)> {
    let mut next = expect(tokens, at + 1, &["IN", "("])?;
    let mut values = Vec::new();
    loop {
        let (value, after) = value_at(tokens, next)?;
        values.push(value);
        match expect(tokens, after, &[","]) {
            Some(after_comma) => next = after_comma,
            None => return Some((values, expect(tokens, after, &[")"])?)),
        }
    }
}

/// Returns the values of `a = 'x' OR a = 'y'`, and the place after it. It must fill a parenthesis,
/// so that no operator outside binds one of its parts more closely.
fn alternatives<'s>(tokens: &[Token<'s>], at: usize, column: &str) -> Option<(Vec<&'s str>, usize)> {
    tokens[..at].last().filter(|token| token.text() == "(")?;
    let mut next = at;
    let mut values = Vec::new();
    loop {
        let (value, after) = value_at(tokens, expect(tokens, next, &[column, "="])?)?;
        values.push(value);
        match expect(tokens, after, &["OR"]) {
            Some(after_or) => next = after_or,
            None => return expect(tokens, after, &[")"]).map(|_| (values, after)),
        }
    }
}

/// Returns the place after these tokens, which may have spaces before them.
fn expect(tokens: &[Token<'_>], at: usize, texts: &[&str]) -> Option<usize> {
    texts.iter().try_fold(at, |at, text| {
        let at = after_space(tokens, at);
        tokens.get(at).filter(|token| token.text() == *text).map(|_| at + 1)
    })
}

/// Returns a word in quotes, or a whole number, as an array holds it, and the place after it.
fn value_at<'s>(tokens: &[Token<'s>], at: usize) -> Option<(&'s str, usize)> {
    let at = after_space(tokens, at);
    let text = tokens.get(at)?.text();
    let word = text.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\''));
    let value = word.unwrap_or(text);
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let is_number = value.bytes().all(|byte| byte.is_ascii_digit());
    (!value.is_empty() && value.chars().all(is_plain) && (word.is_some() || is_number)).then_some((value, at + 1))
}

fn after_space(tokens: &[Token<'_>], at: usize) -> usize {
    match tokens.get(at) {
        Some(Token::Space(_)) => at + 1,
        _ => at,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_become_arrays() {
        for (list, array) in [
            ("CHECK (a IN ('x', 'Y_2'))", "CHECK (a = ANY ('{x,Y_2}'))"),
            ("CHECK (a IN (0, 1) )", "CHECK (a = ANY ('{0,1}') )"),
            ("CHECK (a = 'x' OR a = 'y' OR a = 'z')", "CHECK (a = ANY ('{x,y,z}'))"),
            (
                "((b IS NULL) = (a = 0 OR a = 1))",
                "((b IS NULL) = (a = ANY ('{0,1}')))",
            ),
        ] {
            assert_eq!(shorten(list), array);
        }
    }

    #[test]
    fn other_conditions_stay() {
        for other in [
            "CHECK (a = 'x' OR b = 'y')",
            "CHECK (a = 'x' OR a = 'y' AND b)",
            "CHECK (b AND a = 'x' OR a = 'y')",
            "CHECK (a = 'x' OR a = b)",
            "CHECK (a = 'x')",
            "CHECK (a IN ('x'))",
            "CHECK (a NOT IN ('x', 'y'))",
            "CHECK (a IN ('x y', 'z'))",
            "CHECK (a IN ('x', b))",
            "CHECK (a IN (SELECT b FROM c))",
            "INSERT INTO a VALUES ('x', 'y')",
        ] {
            assert_eq!(shorten(other), other);
        }
    }
}
