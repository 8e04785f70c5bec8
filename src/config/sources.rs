//! The sources of the configuration, merged in this order: the embedded `config.toml` with
//! the defaults, the operator's file, the environment, the flags.
//!
//! Each source is checked when it is merged, so an error names the line or the variable
//! to change.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde::Deserialize;
use toml::de::{DeTable, DeValue};
use toml::map::Entry;
use toml::{Table, Value};

use super::error::ConfigError;
use super::flags::Flags;
use super::{Config, Merchant, checks, redaction};

/// Documents every setting and holds its default.
const DEFAULTS: &str = include_str!("../../config.toml");

/// The dotted keys of the settings that have no default. Each of them is a string.
pub(super) const KEYS_WITHOUT_DEFAULT: [&str; 2] = ["public_url", "webhooks.callback_url"];

const ENV_PREFIX: &str = "ESCROWD_";

/// The settings of the embedded `config.toml`.
impl Default for Config {
    fn default() -> Self {
        toml::from_str(DEFAULTS).expect("the embedded config.toml is valid")
    }
}

impl Config {
    /// Merges the sources and checks the result.
    ///
    /// Each environment variable is a name and its text, or a lossy form of the text
    /// if the text is not UTF-8.
    pub fn load(
        flags: &Flags,
        environment: impl IntoIterator<Item = (String, Result<String, String>)>,
    ) -> Result<Self, ConfigError> {
        let (mut config, mut merged) = read_file(flags.config.as_deref())?;
        for (name, text) in environment {
            if is_setting(&name) {
                config = merge_variable(&mut merged, &name, text)?;
            }
        }
        if let Some(listen) = flags.listen {
            config.listen = listen;
        }
        if let Some(database) = &flags.database {
            config.database.clone_from(database);
        }
        config.strict |= flags.strict;
        config.ephemeral |= flags.ephemeral;
        config.accepted = flags.accepted;
        checks::check_flags(&config, flags)?;
        checks::check(&config)?;
        Ok(config)
    }
}

/// Reads the file and merges it over the defaults. Returns the settings, and the merged
/// table that they were read from.
fn read_file(named: Option<&Path>) -> Result<(Config, Table), ConfigError> {
    let path = named.unwrap_or(Path::new("config.toml"));
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if named.is_none() && error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(cause) => {
            return Err(ConfigError::File {
                path: path.to_owned(),
                cause,
            });
        }
    };
    let (config, merged) = parse_file(&text).map_err(|error| ConfigError::Line {
        path: path.to_owned(),
        problem: redaction::describe(&text, error),
    })?;
    refuse_exposed(path, &config)?;
    Ok((config, merged))
}

/// Refuses a file that holds a secret and that every user may read.
fn refuse_exposed(path: &Path, config: &Config) -> Result<(), ConfigError> {
    const READABLE_BY_OTHERS: u32 = 0o004;
    let has_secret = |merchant: &Merchant| merchant.signing_secret.is_some() || merchant.paystack_secret.is_some();
    if !config.merchant.iter().any(has_secret) {
        return Ok(());
    }
    let mode = fs::metadata(path).map_or(0, |file| file.permissions().mode()) & 0o777;
    if mode & READABLE_BY_OTHERS == 0 {
        return Ok(());
    }
    Err(ConfigError::Exposed {
        path: path.to_owned(),
        mode,
    })
}

/// Merges a file's text over the defaults. The tables keep the positions of their values
/// in the text, so an error names its line. The defaults are valid, so no error points
/// into them.
fn parse_file(text: &str) -> Result<(Config, Table), toml::de::Error> {
    let mut merged = DeTable::parse(text)?;
    add_defaults(merged.get_mut(), DeTable::parse(DEFAULTS)?.into_inner());
    let config = Config::deserialize(toml::Deserializer::from(merged.clone()))?;
    Ok((config, Table::deserialize(toml::Deserializer::from(merged))?))
}

/// Adds the defaults of the keys that a table lacks.
fn add_defaults<'text>(table: &mut DeTable<'text>, defaults: DeTable<'text>) {
    for (key, default) in defaults {
        match table.entry(key) {
            Entry::Vacant(entry) => {
                entry.insert(default);
            }
            Entry::Occupied(mut entry) => {
                if let (DeValue::Table(section), DeValue::Table(defaults)) =
                    (entry.get_mut().get_mut(), default.into_inner())
                {
                    add_defaults(section, defaults);
                }
            }
        }
    }
}

/// Merges an environment variable over the settings, and returns the settings after it.
fn merge_variable(merged: &mut Table, name: &str, text: Result<String, String>) -> Result<Config, ConfigError> {
    let invalid = |problem: String| ConfigError::Variable {
        name: name.to_owned(),
        problem,
    };
    let text = text.map_err(|_| invalid("its value is not UTF-8 text".to_owned()))?;
    let (key, default) = keys()
        .into_iter()
        .find(|(key, _)| name == variable_of(key))
        .ok_or_else(|| invalid("there is no such setting; config.toml lists them all".to_owned()))?;
    // A text that does not have the type of the default is refused with the values that are
    // right.
    let value = parse_as(&default, &text).unwrap_or(Value::String(text));
    insert(merged, &key, value);
    let config = merged.clone().try_into();
    config.map_err(|error: toml::de::Error| {
        let section_and_name = key.rsplit('.').next().unwrap_or(&key);
        invalid(redaction::message(section_and_name, error.message()))
    })
}

/// Returns true if a variable is a setting of the service.
fn is_setting(name: &str) -> bool {
    name.strip_prefix(ENV_PREFIX)
        .is_some_and(|name| !is_for_clients(name) && !is_kubernetes_service_link(name))
}

/// Returns true if a variable, named without its prefix, is an option of the subcommands
/// that call a sandbox.
fn is_for_clients(name: &str) -> bool {
    ["URL", "KEY"].contains(&name)
}

/// Returns true if a variable, named without its prefix, is one that Kubernetes sets in
/// every pod for a service called `escrowd`.
fn is_kubernetes_service_link(name: &str) -> bool {
    ["PORT", "SERVICE_HOST", "SERVICE_PORT"]
        .iter()
        .filter_map(|link| name.strip_prefix(link))
        .any(|rest| rest.is_empty() || rest.starts_with('_'))
}

fn variable_of(key: &str) -> String {
    format!("{ENV_PREFIX}{}", key.replace('.', "_").to_uppercase())
}

/// Parses the text of a variable as a value of the default's type.
fn parse_as(default: &Value, text: &str) -> Option<Value> {
    match default {
        Value::Integer(_) => text.parse().ok().map(Value::Integer),
        Value::Boolean(_) => text.parse().ok().map(Value::Boolean),
        Value::Array(_) => parse_list(text),
        _ => Some(Value::String(text.to_owned())),
    }
}

/// Parses a list, with brackets or without.
fn parse_list(text: &str) -> Option<Value> {
    let items = text.trim();
    let items = items
        .strip_prefix('[')
        .and_then(|items| items.strip_suffix(']'))
        .unwrap_or(items);
    let mut table: Table = format!("list = [{items}]").parse().ok()?;
    table.remove("list").filter(|_| table.is_empty())
}

/// Returns the dotted key and the default of every setting. A setting without a default has
/// an empty string.
fn keys() -> Vec<(String, Value)> {
    let defaults: Table = DEFAULTS.parse().expect("the embedded config.toml is valid");
    let mut keys = Vec::new();
    for (key, value) in defaults {
        match value {
            Value::Table(section) => keys.extend(
                section
                    .into_iter()
                    .map(|(name, value)| (format!("{key}.{name}"), value)),
            ),
            value => keys.push((key, value)),
        }
    }
    keys.extend(KEYS_WITHOUT_DEFAULT.map(|key| (key.to_owned(), Value::String(String::new()))));
    keys
}

/// Sets the value of a dotted key. The merged settings contain every section.
fn insert(settings: &mut Table, key: &str, value: Value) {
    let Some((section, name)) = key.split_once('.') else {
        settings.insert(key.to_owned(), value);
        return;
    };
    if let Some(Value::Table(section)) = settings.get_mut(section) {
        section.insert(name.to_owned(), value);
    }
}
