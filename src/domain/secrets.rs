//! Texts that may be secret keys, which no reply and no log line repeats.
//!
//! A client that confuses two settings sends a secret key in the place of another value. The
//! message of the refusal is shown on pages and kept in logs.

/// The beginnings of secret keys, and of signing secrets.
const BEGINNINGS: [&str; 3] = ["sk_", "op_", "whsec_"];
/// The words of a message in the place of a secret key.
const STAND_IN: &str = "a secret key";
const STAND_IN_AMONG_WORDS: &str = "[a secret key]";

/// Returns a text with words in the place of all that looks like a secret key.
pub fn without_secrets(text: &str) -> String {
    // Messages repeat a text of JSON with its quotation marks.
    let bare = text.trim_matches('"');
    if start_of_secret(bare) == Some(0) && !bare.contains(ends_secret) {
        return STAND_IN.to_owned();
    }
    let mut shown = String::new();
    let mut rest = text;
    while let Some(start) = start_of_secret(rest) {
        let (before, secret) = rest.split_at(start);
        let end = secret.find(ends_secret).unwrap_or(secret.len());
        rest = &secret[end..];
        shown.push_str(before);
        shown.push_str(STAND_IN_AMONG_WORDS);
    }
    shown + rest
}

/// Returns the place of the first text that looks like a secret key. A word that only contains the
/// beginning of one, such as `desk_1`, is none.
fn start_of_secret(text: &str) -> Option<usize> {
    let lower = text.to_ascii_lowercase();
    let begins_at = |place: &usize| {
        let is_inside = lower[..*place].ends_with(|before: char| before.is_alphanumeric() || "_-".contains(before));
        !is_inside
            && BEGINNINGS
                .iter()
                .any(|beginning| lower[*place..].starts_with(beginning))
    };
    lower.char_indices().map(|(place, _)| place).find(begins_at)
}

/// Returns true for a character with which a secret key has ended.
fn ends_secret(character: char) -> bool {
    !character.is_ascii_graphic() || "\"'<>,;&".contains(character)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_key_is_not_repeated() {
        for (text, shown) in [
            ("sk_live_0123", "a secret key"),
            ("OP_LIVE_0123", "a secret key"),
            ("\"sk_test_a\"", "a secret key"),
            ("[\"sk_test_a\"]", "[\"[a secret key]\"]"),
            ("Bearer <op_live_1>, sk_2!", "Bearer <[a secret key]>, [a secret key]"),
            ("é/sk_live_1?key=whsec_a&b=c", "é/[a secret key]&b=c"),
        ] {
            assert_eq!(without_secrets(text), shown);
        }
        for text in [
            "",
            "pk_live_1",
            "desk_1",
            "shop_7",
            "my-op_1",
            "task_sk_1",
            "sk-live",
            "é",
        ] {
            assert_eq!(without_secrets(text), text);
        }
    }
}
