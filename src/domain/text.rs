//! Checks of the texts that callers write: a required line, and optional prose. Numbers of things in
//! words.

use crate::domain::characters::{is_blank, is_forbidden_in_line, is_forbidden_in_prose, is_invisible, quoted};
use crate::domain::invalid::Invalid;

/// A description of the right texts of one line, for messages.
const ONE_LINE: &str = "a text without line breaks, control characters or bidirectional formatting characters";
/// A description of the right texts of several lines, for messages.
const SEVERAL_LINES: &str = "a text without control characters or bidirectional formatting characters";

/// Writes a number of things, whose name takes an s for all numbers but one.
pub fn counted(number: u64, name: &str) -> String {
    let ending = if number == 1 { "" } else { "s" };
    format!("{number} {name}{ending}")
}

/// Returns `text` if it is one line that is not blank.
///
/// # Errors
///
/// Names `field` if the text is blank, has more than `chars_max` characters, or
/// contains a line break or another control character, including a bidirectional formatting
/// character.
pub fn line(field: &str, text: String, chars_max: usize) -> Result<String, Invalid> {
    if is_blank(&text) {
        return Err(Invalid::missing(field));
    }
    bounded(field, &text, chars_max)?;
    check_line(field, &text)?;
    Ok(text)
}

/// Returns `text` if it is one line of 1 to `chars_max` characters that is not blank.
///
/// # Errors
///
/// Names `field` as [`line()`] does, but names the length also if the text is blank.
pub fn line_up_to(field: &str, text: String, chars_max: usize) -> Result<String, Invalid> {
    if is_blank(&text) || text.chars().count() > chars_max {
        let expected = format!("a text of 1 to {chars_max} characters");
        return Err(Invalid::wrong(field, expected, &quoted(&text)));
    }
    check_line(field, &text)?;
    Ok(text)
}

/// Checks that a text has no character that a line cannot have.
///
/// # Errors
///
/// Names `field`.
pub fn check_line(field: &str, text: &str) -> Result<(), Invalid> {
    check_characters(field, text, is_forbidden_in_line, ONE_LINE)
}

/// Returns the name of a person, which others must be able to tell from every other name.
///
/// # Errors
///
/// Names `field` if [`line()`] refuses the text, and if it begins or ends with white space or has
/// a character without a shape.
pub fn name(field: &str, text: String, chars_max: usize) -> Result<String, Invalid> {
    let text = line(field, text, chars_max)?;
    let hides = text.trim() != text || text.contains(is_invisible);
    if hides {
        let expected = "a name without white space around it and without invisible characters";
        return Err(Invalid::wrong(field, expected, &quoted(&text)));
    }
    Ok(text)
}

/// Returns a name as it is compared with others: in lower case, and without white space and
/// invisible characters where they do not show.
pub fn name_key(name: &str) -> String {
    let visible: String = name.chars().filter(|&c| !is_invisible(c)).collect();
    let words: Vec<&str> = visible.split_whitespace().collect();
    words.join(" ").to_lowercase()
}

/// Returns `text`, which may have several lines. A blank text counts as absent.
///
/// # Errors
///
/// Names `field` if the text has more than `chars_max` characters, or contains a
/// control character other than a line break or a tab, including a bidirectional formatting
/// character.
pub fn prose(field: &str, text: Option<String>, chars_max: usize) -> Result<Option<String>, Invalid> {
    let Some(text) = text.filter(|text| !is_blank(text)) else {
        return Ok(None);
    };
    bounded(field, &text, chars_max)?;
    check_characters(field, &text, is_forbidden_in_prose, SEVERAL_LINES)?;
    Ok(Some(text))
}

fn bounded(field: &str, text: &str, chars_max: usize) -> Result<(), Invalid> {
    let chars = text.chars().count();
    if chars > chars_max {
        let expected = format!("a text of at most {chars_max} characters");
        return Err(Invalid::wrong(field, expected, &format!("{chars} characters")));
    }
    Ok(())
}

fn check_characters(
    field: &str,
    text: &str,
    is_forbidden: impl Fn(char) -> bool,
    expected: &str,
) -> Result<(), Invalid> {
    if text.contains(is_forbidden) {
        return Err(Invalid::wrong(field, expected, &quoted(text)));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_thing_is_not_told_in_the_plural() {
        let told = [0, 1, 2].map(|number| counted(number, "deal"));
        assert_eq!(told, ["0 deals", "1 deal", "2 deals"]);
    }

    /// Texts that show nothing.
    const BLANK: [&str; 14] = [
        "",
        " ",
        "\t\n",
        "\u{a0}",
        "\u{200b}",
        "\u{feff}",
        "\u{3164}",
        "\u{ad}",
        "\u{200d}",
        "\u{2060}\u{2063}",
        "\u{115f}\u{1160}\u{ffa0}",
        "\u{2800}",
        "\u{fe0f}",
        " \u{200b} \u{e0061}",
    ];

    #[test]
    fn a_text_that_shows_nothing_is_missing() {
        for text in BLANK {
            assert_eq!(
                line("purpose", text.to_owned(), 255),
                Err(Invalid::missing("purpose")),
                "{text:?}"
            );
            assert_eq!(prose("description", Some(text.to_owned()), 255), Ok(None), "{text:?}");
        }
    }

    #[test]
    fn a_line_has_no_breaks_and_no_turns_of_direction() {
        for c in [
            '\n', '\r', '\t', '\0', '\u{7f}', '\u{85}', '\u{2028}', '\u{2029}', '\u{202a}', '\u{202e}', '\u{2066}',
            '\u{2069}',
        ] {
            let text = format!("A{c}bicycle");
            let refused = line("purpose", text, 255).unwrap_err().to_string();
            let expected = format!("purpose must be {ONE_LINE}; got ");
            assert!(refused.starts_with(&expected) && !refused.contains(c), "{refused}");
        }
        for c in ['\u{202d}', '\u{2067}', '\0'] {
            for text in [format!("A{c}bicycle"), format!(" {c}\u{200b}")] {
                let refused = prose("description", Some(text), 255).unwrap_err().to_string();
                let expected = format!("description must be {SEVERAL_LINES}; got ");
                assert!(refused.starts_with(&expected) && !refused.contains(c), "{refused}");
            }
        }
        let two_lines = "One\u{2028}two\r\n\tthree".to_owned();
        assert_eq!(prose("description", Some(two_lines.clone()), 255), Ok(Some(two_lines)));
    }

    #[test]
    fn a_name_has_nothing_that_does_not_show() {
        for text in [
            "cleo ",
            " cleo",
            "\u{a0}cleo",
            "Cl\u{200b}eo",
            "Cleo\u{200e}",
            "C\u{ad}leo",
        ] {
            let refused = name("name", text.to_owned(), 100).unwrap_err().to_string();
            let expected = "name must be a name without white space around it and without invisible characters; got ";
            assert!(refused.starts_with(expected) && refused.is_ascii(), "{refused}");
        }
        for text in ["Cleo", "Cleo Obi", "Ọlá Ṣọlá", "王 芳"] {
            assert_eq!(name("name", text.to_owned(), 100), Ok(text.to_owned()));
        }
        assert_eq!(name("name", " ".to_owned(), 100), Err(Invalid::missing("name")));
    }

    #[test]
    fn names_that_look_alike_have_one_key() {
        for text in ["Cleo Obi", "CLEO OBI", " cleo  obi ", "Cl\u{200b}eo\u{a0}Obi"] {
            assert_eq!(name_key(text), "cleo obi", "{text:?}");
        }
        assert_eq!(name_key("ÉMILE"), name_key("émile"));
    }

    #[test]
    fn joiners_and_marks_of_scripts_are_kept() {
        for text in [
            "👩\u{200d}🔧",
            "می\u{200c}خواهم",
            "ﷺ",
            "क\u{94d}\u{200d}ष",
            "❤\u{fe0f}",
            "א\u{200f}!",
            "🏴\u{e0067}\u{e007f}",
        ] {
            assert_eq!(line("purpose", text.to_owned(), 255), Ok(text.to_owned()));
        }
    }
}
