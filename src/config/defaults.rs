//! The embedded `config.toml` with the defaults, and the settings that have none.

/// Documents every setting and holds its default.
pub const DEFAULTS: &str = include_str!("../../config.toml");

/// The dotted keys of the settings that have no default. Each of them is a string.
pub(super) const KEYS_WITHOUT_DEFAULT: [&str; 4] = [
    "public_url",
    "webhooks.callback_url",
    "backups.folder",
    "metrics.listen",
];
