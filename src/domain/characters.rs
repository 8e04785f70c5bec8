//! The characters that a text may show, and those that hide what it says.

use std::fmt::Write as _;

/// Returns true if a text shows nothing: it has only white space and default ignorable characters,
/// such as a zero width space or a Hangul filler. Characters that no text may have are not among
/// them, so that they are refused and not dropped.
pub fn is_blank(text: &str) -> bool {
    text.chars()
        .all(|c| !is_forbidden_in_prose(c) && (c.is_whitespace() || is_invisible(c)))
}

/// Returns true if a text of one line cannot have this character.
pub fn is_forbidden_in_line(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') || is_bidi_control(c)
}

/// Returns true if a text of several lines cannot have this character.
pub fn is_forbidden_in_prose(c: char) -> bool {
    (c.is_control() && !matches!(c, '\n' | '\r' | '\t')) || is_bidi_control(c)
}

/// Returns true for a bidirectional formatting character. With one, a text can show something
/// else than its characters say.
const fn is_bidi_control(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Returns true for a character without a shape of its own: Unicode's default ignorable code
/// points, and the blank pattern of Braille. A zero width joiner is one of them, and a text
/// may have it beside other characters, as emoji and several scripts do.
pub const fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}'
            | '\u{34f}'
            | '\u{61c}'
            | '\u{115f}'..='\u{1160}'
            | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{2800}'
            | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{fff0}'..='\u{fff8}'
            | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}

/// Returns a text with its quotation marks, as JSON writes it.
pub fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("every text can be written as JSON")
}

/// Returns a text with the numbers of the characters that do not show, as JSON writes them:
/// `\u202e`. A space stays.
pub fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => escaped.push_str("\\n"),
            '\r' => escaped.push_str("\\r"),
            '\t' => escaped.push_str("\\t"),
            ' ' => escaped.push(c),
            c if c.is_control() || c.is_whitespace() || is_invisible(c) => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    write!(escaped, "\\u{unit:04x}").expect("a String takes all that is written");
                }
            }
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_show_is_written_by_its_number() {
        for (text, shown) in [
            ("Ìwé \"a\\b\" 🏗", "Ìwé \"a\\b\" 🏗"),
            ("a\tb\r\nc\0", "a\\tb\\r\\nc\\u0000"),
            (
                "\u{202e}\u{200b}\u{a0}\u{2028}\u{85}",
                "\\u202e\\u200b\\u00a0\\u2028\\u0085",
            ),
            ("\u{e0061}", "\\udb40\\udc61"),
        ] {
            assert_eq!(escaped(text), shown);
        }
        let json = escaped(&quoted("\u{1b}\u{7f}\n\u{202e}"));
        assert_eq!(json, r#""\u001b\u007f\n\u202e""#);
        assert_eq!(
            serde_json::from_str::<String>(&json).unwrap(),
            "\u{1b}\u{7f}\n\u{202e}",
            "it is JSON"
        );
    }

    #[test]
    fn a_text_of_forbidden_characters_is_not_blank() {
        for c in ["\0", "\u{7f}", "\u{85}", "\u{b}", "\u{202e}", " \u{2066}\u{200b}"] {
            assert!(!is_blank(c), "{c:?}");
        }
        for c in ["", " ", "\r\n\t", "\u{2028}", "\u{200b}", "\u{200f}"] {
            assert!(is_blank(c), "{c:?}");
        }
    }
}
