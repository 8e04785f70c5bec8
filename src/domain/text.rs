//! Checks of the texts that callers write: a required line, and optional prose.

use crate::domain::refusal::Invalid;

/// Returns `text` if it is one line that is not blank.
///
/// # Errors
///
/// Names `field` if the text is blank, has more than `chars_max` characters, or
/// contains a line break or another control character.
pub fn line(field: &str, text: String, chars_max: usize) -> Result<String, Invalid> {
    if text.trim().is_empty() {
        return Err(Invalid::missing(field));
    }
    bounded(
        field,
        text,
        chars_max,
        char::is_control,
        "without line breaks or control characters",
    )
}

/// Returns `text`, which may have several lines. A blank text counts as absent.
///
/// # Errors
///
/// Names `field` if the text has more than `chars_max` characters, or contains a
/// control character other than a line break or a tab.
pub fn prose(field: &str, text: Option<String>, chars_max: usize) -> Result<Option<String>, Invalid> {
    let is_forbidden = |c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t');
    text.filter(|text| !text.trim().is_empty())
        .map(|text| bounded(field, text, chars_max, is_forbidden, "without control characters"))
        .transpose()
}

fn bounded(
    field: &str,
    text: String,
    chars_max: usize,
    is_forbidden: impl Fn(char) -> bool,
    rule: &str,
) -> Result<String, Invalid> {
    let chars = text.chars().count();
    if chars > chars_max {
        let expected = format!("a text of at most {chars_max} characters");
        return Err(Invalid::wrong(field, expected, &format!("{chars} characters")));
    }
    if text.contains(is_forbidden) {
        let expected = format!("a text {rule}");
        return Err(Invalid::wrong(field, expected, &format!("{text:?}")));
    }
    Ok(text)
}
