//! Hashes JSON by its meaning, for the comparison of requests under an idempotency key
//! (contract section 1.1).
//!
//! Two texts have one hash if they differ only in whitespace, in the order of the fields of
//! objects, in the spelling of numbers (`10`, `10.00`, `1e1`) or in the escapes of texts. A
//! name that an object has twice counts twice.

use serde_json::value::RawValue;

use crate::domain::decimal::Decimal;
use crate::http::fields::JsonObject;
use crate::http::parts_hash::PartsHash;

/// The depth of nesting below which a value is compared as it is written. No request needs
/// as much.
const DEPTH_MAX: u8 = 32;

/// Returns the SHA-256 of the meaning of a JSON text. A text that is not JSON has the hash of
/// its characters.
pub(super) fn hash(text: &str) -> [u8; 32] {
    match serde_json::from_str(text) {
        Ok(value) => hash_value(value, DEPTH_MAX),
        Err(_) => of_parts(b"text", [text.as_bytes()]),
    }
}

fn hash_value(value: &RawValue, depth_left: u8) -> [u8; 32] {
    let text = value.get();
    let as_written = || of_parts(b"json", [text.as_bytes()]);
    if depth_left == 0 {
        return as_written();
    }
    match text.as_bytes().first() {
        Some(b'{') => {
            serde_json::from_str(text).map_or_else(|_| as_written(), |object| hash_object(object, depth_left))
        }
        Some(b'[') => serde_json::from_str(text).map_or_else(
            |_| as_written(),
            |entries: Vec<&RawValue>| {
                let entries: Vec<_> = entries
                    .into_iter()
                    .map(|entry| hash_value(entry, depth_left - 1))
                    .collect();
                of_parts(b"list", entries.iter().map(|hash| &hash[..]))
            },
        ),
        Some(b'"') => match serde_json::from_str::<String>(text) {
            Ok(string) => of_parts(b"string", [string.as_bytes()]),
            Err(_) => as_written(),
        },
        _ => match Decimal::parse(text) {
            Some(Decimal {
                is_negative,
                digits,
                point,
            }) => of_parts(
                b"number",
                [&[u8::from(is_negative)], digits.as_bytes(), &point.to_be_bytes()[..]],
            ),
            None => as_written(),
        },
    }
}

fn hash_object(JsonObject(mut fields): JsonObject<'_>, depth_left: u8) -> [u8; 32] {
    // The sort is stable, so that a name that occurs twice keeps the order of its values.
    fields.sort_by(|(one, _), (other, _)| one.cmp(other));
    let fields: Vec<_> = fields
        .into_iter()
        .map(|(name, value)| of_parts(b"field", [name.as_bytes(), &hash_value(value, depth_left - 1)]))
        .collect();
    of_parts(b"object", fields.iter().map(|hash| &hash[..]))
}

/// Returns the hash of a kind of value and its parts.
fn of_parts<'a>(kind: &[u8], parts: impl IntoIterator<Item = &'a [u8]>) -> [u8; 32] {
    let mut hash = PartsHash::default();
    hash.add(kind);
    parts.into_iter().for_each(|part| hash.add(part));
    hash.finish()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn one_meaning_has_one_hash() {
        for same in [
            &[
                r#"{"a":10,"b":["x",{"c":1,"d":null}]}"#,
                "{ \"b\" : [ \"x\", { \"d\": null, \"c\": 1 } ],\n\"a\": 10 }",
                r#"{"\u0061":10.00,"b":["\u0078",{"c":1e0,"d":null}]}"#,
            ][..],
            &["0", "-0.0", " 0e9 "],
            &[r#""é/""#, r#""\u00e9\/""#],
            &["{}", " { } "],
        ] {
            assert!(same.iter().all(|text| hash(text) == hash(same[0])), "{same:?}");
        }
    }

    #[test]
    fn different_meanings_have_different_hashes() {
        let texts = [
            "",
            "{",
            "{}",
            "[]",
            "null",
            "true",
            "0",
            "10",
            "\"10\"",
            "\"\"",
            "[10]",
            "[1,0]",
            "[[1],0]",
            r#"{"a":1}"#,
            r#"{"a":"1"}"#,
            r#"{"a":null}"#,
            r#"{"A":1}"#,
            r#"{"a":1,"a":2}"#,
            r#"{"a":2,"a":1}"#,
            r#"{"a":[{"b":1}]}"#,
            r#"{"a":[{"b":1.01}]}"#,
            "90071992547409.91",
            "90071992547409.92",
            "9007199254740993",
            "9007199254740992",
        ];
        let different: std::collections::HashSet<_> = texts.iter().map(|text| hash(text)).collect();
        assert_eq!(different.len(), texts.len());
    }

    #[test]
    fn any_depth_is_hashed() {
        let deep = |bottom: &str| format!("{}{bottom}{}", "[".repeat(50_000), "]".repeat(50_000));
        assert_eq!(hash(&deep("1")), hash(&deep("1")));
        assert_ne!(hash(&deep("1")), hash(&deep("2")));
    }

    proptest! {
        #[test]
        fn no_text_makes_the_hash_panic(text in "\\PC{0,200}") {
            let _hash = hash(&text);
        }
    }
}
