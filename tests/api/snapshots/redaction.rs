//! Replaces values that differ between runs with placeholders. Within a snapshot equal
//! values get equal placeholders, so that relations stay visible.

use std::collections::HashMap;

/// Ids that the tests invent. The redaction keeps them.
const MADE_UP: [&str; 3] = ["0123456789abcdef01234567", "PY_ZZZZZZZZ0000", "PY_ABCDEFGH0000"];

/// The placeholders assigned so far.
#[derive(Debug, Default)]
pub(crate) struct Redaction {
    numbers: HashMap<String, usize>,
    counts: HashMap<&'static str, usize>,
}

impl Redaction {
    /// Returns the text with placeholders for ids, tokens, references, file names and
    /// durations.
    pub(crate) fn of(&mut self, text: &str) -> String {
        let text = without_measurements(text);
        let mut redacted = String::with_capacity(text.len());
        let mut rest = text.as_str();
        while !rest.is_empty() {
            let is_of_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
            let end = rest.find(|c| !is_of_word(c)).unwrap_or(rest.len());
            let (word, after) = rest.split_at(end);
            let before = redacted.chars().next_back();
            match kind_of(word, before, after.chars().next()) {
                Some(kind) => redacted.push_str(&self.placeholder(kind, word)),
                None => redacted.push_str(word),
            }
            let next = after.find(is_of_word).unwrap_or(after.len());
            redacted.push_str(&after[..next]);
            rest = &after[next..];
        }
        redacted
    }

    fn placeholder(&mut self, kind: &'static str, word: &str) -> String {
        let number = self.numbers.entry(word.to_owned()).or_insert_with(|| {
            let count = self.counts.entry(kind).or_default();
            *count += 1;
            *count
        });
        format!("[{kind} {number}]")
    }
}

/// Returns the kind of a generated word, by its shape, or `None` for any other word.
fn kind_of(word: &str, before: Option<char>, after: Option<char>) -> Option<&'static str> {
    let is_hex = |text: &str| text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let has = |is_such: fn(&u8) -> bool| word.as_bytes().iter().any(is_such);
    let is_of_country = word.starts_with("00000000");
    if is_of_country || MADE_UP.contains(&word) {
        return None;
    }
    match word.len() {
        24 if is_hex(word) => Some("id"),
        15 if word.starts_with("PY_") && word.bytes().skip(11).all(|byte| byte.is_ascii_digit()) => Some("token"),
        36 if word.starts_with("req_") && is_hex(&word[4..]) => Some("request"),
        19 if has(u8::is_ascii_uppercase) && !has(|byte| !matches!(byte, b'0'..=b'9' | b'A'..=b'Z')) => {
            Some("reference")
        }
        8 if before == Some('-') && matches!(after, Some('"' | '\\')) && is_hex(word) => Some("suffix"),
        10 if word.starts_with("99") && !has(|byte| !byte.is_ascii_digit()) => Some("account"),
        32.. if is_hex(word) => Some("name"),
        74 if word.starts_with("sign_live_") && is_hex(&word[10..]) => Some("secret"),
        40 if (word.starts_with("pk_live_") || word.starts_with("pk_test_")) && is_hex(&word[8..]) => {
            Some("publishable key")
        }
        72 if (word.starts_with("sk_live_") || word.starts_with("op_live_")) && is_hex(&word[8..]) => Some("key"),
        _ => None,
    }
}

/// Returns the text with placeholders for durations and for times of the system's clock.
fn without_measurements(text: &str) -> String {
    let mut text = text.to_owned();
    for (before, placeholder) in [
        ("\"durationMicros\":", "[micros]"),
        ("\"durationMs\":", "[millis]"),
        (", reset=", "[seconds]"),
    ] {
        let mut parts = text.split(before);
        let mut replaced = parts.next().unwrap().to_owned();
        for part in parts {
            replaced.push_str(before);
            replaced.push_str(placeholder);
            replaced.push_str(part.trim_start_matches(|c: char| c.is_ascii_digit()));
        }
        text = replaced;
    }
    // The secret of Standard Webhooks follows from one that is random.
    if let Some((start, secret)) = text.split_once("\"standardWebhooksSecret\":\"whsec_")
        && start.contains("sign_live_")
        && let Some((_, rest)) = secret.split_once('"')
    {
        text = format!("{start}\"standardWebhooksSecret\":\"[standard secret]\"{rest}");
    }
    for (before, placeholder) in [
        ("\"receivedAt\":\"", "[now]"),
        ("\"ending\":\"", "[ending]"),
        ("\"session\":\"", "[session]"),
    ] {
        let mut from = 0;
        while let Some(found) = text[from..].find(before) {
            let start = from + found + before.len();
            let end = start + text[start..].find('"').unwrap();
            text.replace_range(start..end, placeholder);
            from = start;
        }
    }
    text
}

#[test]
fn the_same_value_has_the_same_placeholder() {
    let mut redaction = Redaction::default();
    let text = r#"{"id":"665f1b2c9a1e4d0012ab3c10","of":"665f1b2c9a1e4d0012ab3c11","durationMs":17}"#;
    let redacted = r#"{"id":"[id 1]","of":"[id 2]","durationMs":[millis]}"#;
    assert_eq!(redaction.of(text), redacted);
    assert_eq!(
        redaction.of("/665f1b2c9a1e4d0012ab3c11/PY_aB3dE6gH0417"),
        "/[id 2]/[token 1]"
    );
    for plain in [
        "2031-03-04T05:06:07.008Z",
        "0123456789abcdef01234567",
        "9223372036854775807",
        "ada-12345678",
    ] {
        assert_eq!(redaction.of(plain), plain);
    }
}
