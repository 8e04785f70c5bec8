//! Texts that a client sends in place of a value that it does not have.

/// The texts that programming languages write for a variable without a value, in lower case.
const NO_VALUES: [&str; 6] = ["undefined", "null", "nil", "none", "nan", "[object object]"];

/// The beginnings of placeholders that a template, a shell or a reader should have replaced.
const PLACEHOLDERS: [&str; 4] = ["{{", "${", "<", "%7b%7b"];

/// Returns true if a client whose variable has no value would send this text.
///
/// Such a text is never taken as a key or an id: all clients with the same mistake would
/// share it.
pub fn is_unset_variable(text: &str) -> bool {
    let text = text.trim();
    let begins_with = |beginning: &&str| {
        let bytes = text.as_bytes().get(..beginning.len());
        bytes.is_some_and(|bytes| bytes.eq_ignore_ascii_case(beginning.as_bytes()))
    };
    NO_VALUES.iter().any(|word| text.eq_ignore_ascii_case(word)) || PLACEHOLDERS.iter().any(begins_with)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_without_a_value_is_recognised_and_an_id_is_not() {
        for text in [
            "undefined",
            "null",
            " NULL ",
            "None",
            "nil",
            "NaN",
            "[object Object]",
            "{{customerId}}",
            "${CUSTOMER_ID}",
            "<customer id>",
            "%7B%7Bid%7D%7D",
        ] {
            assert!(is_unset_variable(text), "{text}");
        }
        for text in [
            "ada",
            "nullify",
            "none-of-these",
            "nana",
            "undefined-1",
            "sk_test_null",
            "0",
        ] {
            assert!(!is_unset_variable(text), "{text}");
        }
    }
}
