//! Describes errors of the configuration file without the values that may be secret. A value is
//! shown only if its key is known to hold none, since a misspelled key may hold one.

use toml::Table;

use super::defaults::DEFAULTS;

/// The keys whose values may contain a secret: URLs with a token or a password in them.
const SECRET_KEYS: [&str; 2] = ["callback_url", "public_url"];
/// The keys without a default that hold no secret. The other settings are in the defaults.
const PLAIN_KEYS: [&str; 6] = [
    "account_name",
    "account_number",
    "bank",
    "bank_code",
    "bank_name",
    "folder",
];

/// Describes an error with its line and column. Shows the line itself only if it holds no
/// secret.
pub(super) fn describe(text: &str, mut error: toml::de::Error) -> String {
    let Some(span) = error.span() else {
        return message("", error.message());
    };
    let start = text.floor_char_boundary(span.start);
    let line_start = text[..start].rfind('\n').map_or(0, |newline| newline + 1);
    let line = text[line_start..].lines().next().unwrap_or_default();
    let key = key_before(text, line_start).unwrap_or_default();
    if holds_no_secret(key, line) && is_shown(line) {
        error.set_input(Some(text));
        return error.to_string().trim_end().to_owned();
    }
    let number = text[..line_start].matches('\n').count() + 1;
    let column = text[line_start..start].chars().count() + 1;
    let problem = message(key, error.message());
    format!(
        "TOML error at line {number}, column {column}\n{problem}\n(the line is not shown, since it may hold a secret)"
    )
}

/// Returns the message of an error in the value of this key, without that value if it may
/// be secret.
pub(super) fn message(key: &str, message: &str) -> String {
    let message = message.trim_end();
    if holds_no_secret(key, message) {
        return message.to_owned();
    }
    // As in: invalid type: string "sk_live_...", expected a sequence
    let mentions_value = ["invalid type: ", "invalid value: ", "invalid length "]
        .into_iter()
        .find(|start| message.starts_with(start));
    match (mentions_value, message.rsplit_once(", expected ")) {
        (Some(start), Some((_, expected))) => {
            format!("{}, expected {expected}", start.trim_end_matches([' ', ':']))
        }
        (Some(start), None) => start.trim_end_matches([' ', ':']).to_owned(),
        (None, _) => without_quoted(message),
    }
}

/// Replaces what stands in double quotes.
fn without_quoted(message: &str) -> String {
    let parts = message.split('"').enumerate();
    let kept = parts.map(|(position, part)| if position % 2 == 0 { part } else { "..." });
    kept.collect::<Vec<_>>().join("\"")
}

/// Returns the key whose value contains this line: the last one at the beginning of a line.
fn key_before(text: &str, line_start: usize) -> Option<&str> {
    let line_end = text[line_start..]
        .find('\n')
        .map_or(text.len(), |length| line_start + length);
    text[..line_end].lines().rev().find_map(key_of)
}

fn key_of(line: &str) -> Option<&str> {
    let (key, _) = line.split_once('=')?;
    let key = key.trim().trim_matches(['"', '\'']);
    let key = key.rsplit('.').next().unwrap_or(key);
    let is_key = !key.is_empty()
        && key
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
    is_key.then_some(key)
}

/// Returns true if a line holds the one key at its beginning, so that nothing else on it
/// can be secret.
fn is_shown(line: &str) -> bool {
    line.matches('=').count() <= 1 && !line.contains(['#', '{'])
}

/// Returns true if the value of this key, which stands in this text, is not secret. `database` is
/// secret if it may be a URL, also a mistyped one, which may contain a password.
fn holds_no_secret(key: &str, text: &str) -> bool {
    if SECRET_KEYS.contains(&key) || (key == "database" && (text.contains("://") || text.contains('@'))) {
        return false;
    }
    let defaults: Table = DEFAULTS.parse().expect("the embedded config.toml is valid");
    let is_setting = defaults
        .iter()
        .any(|(name, value)| name == key || value.as_table().is_some_and(|section| section.contains_key(key)));
    is_setting || PLAIN_KEYS.contains(&key)
}

/// Returns true if the valid value of this dotted key may be shown. Unlike a wrong one, a valid
/// `public_url` has no password and no query.
pub(super) fn may_show_valid(key: &str) -> bool {
    let name = key.rsplit('.').next().unwrap_or(key);
    name == "public_url" || holds_no_secret(name, "")
}
