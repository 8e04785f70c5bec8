//! A text that is no JSON, in words that say where it goes wrong and why.

use crate::domain::invalid::Invalid;

/// Returns the error of a JSON text with a syntax error. `expected` follows "must be".
pub fn malformed_json(field: &str, expected: &str, error: &serde_json::Error) -> Invalid {
    Invalid::described(field, expected, problem(error))
}

/// Returns what stands at the position of a syntax error, to follow "got", and the position. The
/// parser's own words name some errors by what they lack, as in "expected value".
fn problem(error: &serde_json::Error) -> String {
    let place = format!(" at line {} column {}", error.line(), error.column());
    if error.is_eof() {
        return format!("JSON that ends too early,{place}");
    }
    let text = error.to_string();
    let reason = text.strip_suffix(&place).unwrap_or(&text);
    let found = match reason {
        "expected value" => "no JSON value",
        "expected ident" => "a misspelled true, false or null",
        "expected `:`" => "no `:` after the name of a field",
        "expected `,` or `}`" => "no `,` or `}` after the value of a field",
        "expected `,` or `]`" => "no `,` or `]` after an entry of a list",
        "key must be a string" => "a field without a name in double quotation marks",
        control if control.starts_with("control character") => {
            "an unescaped control character in a text, such as a line break,"
        }
        other => other,
    };
    format!("{found}{place}")
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn each_error_says_what_is_there_and_where() {
        for (text, got) in [
            ("{", "JSON that ends too early, at line 1 column 1"),
            ("{\"a\":}", "no JSON value at line 1 column 6"),
            ("{\"a\":NaN}", "no JSON value at line 1 column 6"),
            ("{\"a\":tru}", "a misspelled true, false or null at line 1 column 9"),
            ("{\"a\" 1}", "no `:` after the name of a field at line 1 column 6"),
            (
                "{\"a\":1\n\"b\":2}",
                "no `,` or `}` after the value of a field at line 2 column 1",
            ),
            (
                "{\"a\":[1 2]}",
                "no `,` or `]` after an entry of a list at line 1 column 9",
            ),
            (
                "{'a':1}",
                "a field without a name in double quotation marks at line 1 column 2",
            ),
            ("{\"a\":1,}", "trailing comma at line 1 column 8"),
            ("{} {}", "trailing characters at line 1 column 4"),
            ("{\"a\":\"\\x\"}", "invalid escape at line 1 column 8"),
            ("{\"a\":01}", "invalid number at line 1 column 7"),
        ] {
            let error = serde_json::from_str::<Value>(text).unwrap_err();
            assert_eq!(problem(&error), got, "{text}");
        }
    }

    #[test]
    fn the_position_is_never_cut_off() {
        let error = serde_json::from_str::<Value>("{\"a\":\"x\n\"}").unwrap_err();
        let invalid = malformed_json("the body", "valid JSON", &error);
        assert_eq!(
            invalid.to_string(),
            "the body must be valid JSON; got an unescaped control character in a text, such as a line break, at line 2 \
             column 0"
        );
    }
}
