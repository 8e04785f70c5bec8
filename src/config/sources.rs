//! The sources of the configuration, merged in this order: the embedded `config.toml` with
//! the defaults, the operator's file, the environment, the flags.
//!
//! Each source is checked when it is merged, so an error names the line or the variable
//! to change.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::{fmt, io};

use serde::Deserialize;
use toml::de::{DeTable, DeValue};
use toml::map::Entry;
use toml::{Table, Value};

use super::defaults::{DEFAULTS, KEYS_WITHOUT_DEFAULT};
use super::error::ConfigError;
use super::flags::Flags;
use super::{Config, checks, misplaced, redaction};

const ENV_PREFIX: &str = "ESCROWD_";

/// The most bytes of a configuration file, many times those of the commented defaults.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// The settings of the embedded `config.toml`, which is read once in a process.
impl Default for Config {
    fn default() -> Self {
        static SETTINGS: LazyLock<Config> =
            LazyLock::new(|| toml::from_str(DEFAULTS).expect("the embedded config.toml is valid"));
        SETTINGS.clone()
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
        Loaded::load(flags, environment).map(|loaded| loaded.config)
    }
}

/// The source of a setting: the last one that set it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The embedded defaults.
    Default,
    /// The configuration file at this path.
    File(PathBuf),
    /// The environment variable of this name.
    Variable(String),
    /// The option of the command line, such as `--listen`.
    Flag(&'static str),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) => path.display().fmt(f),
            Self::Variable(name) => f.write_str(name),
            Self::Flag(flag) => f.write_str(flag),
        }
    }
}

/// A checked configuration with the values that it was read from and their sources.
#[derive(Clone, Debug)]
pub struct Loaded {
    pub config: Config,
    /// The configuration file that was read; `None` if there was none.
    pub(super) file: Option<PathBuf>,
    /// The values that the settings were parsed from.
    pub(super) values: Table,
    /// The source of each dotted key that has another than the default.
    pub(super) sources: HashMap<String, Source>,
}

impl Loaded {
    /// Merges the sources and checks the result, as [`Config::load`] does, and keeps the values.
    pub fn load(
        flags: &Flags,
        environment: impl IntoIterator<Item = (String, Result<String, String>)>,
    ) -> Result<Self, ConfigError> {
        let Self {
            mut config,
            file,
            mut values,
            mut sources,
        } = read_file(flags.config.as_deref())?;
        for (name, text) in environment {
            if is_setting(&name, text.as_ref().unwrap_or_else(|lossy| lossy)) {
                let key;
                (config, key) = merge_variable(&mut values, &name, text)?;
                sources.insert(key, Source::Variable(name));
            }
        }
        flags.apply_to(&mut config);
        for (flag, key, value) in flags.values() {
            put(&mut values, key, Some(value));
            sources.insert(key.to_owned(), Source::Flag(flag));
        }
        checks::check_flags(&config, flags)?;
        checks::check(&config)?;
        Ok(Self {
            config,
            file,
            values,
            sources,
        })
    }
}

/// Reads the file and merges it over the defaults.
fn read_file(named: Option<&Path>) -> Result<Loaded, ConfigError> {
    let path = named.unwrap_or(Path::new("config.toml"));
    let (file, text) = match text_of(path) {
        Ok(text) => (Some(path.to_owned()), text),
        Err(_) if named.is_none() && is_missing(path) => (None, String::new()),
        Err(mut cause) => {
            if cause.kind() == io::ErrorKind::NotFound && !is_missing(path) {
                cause = io::Error::other("it is a symbolic link to a file that does not exist");
            }
            return Err(ConfigError::File {
                path: path.to_owned(),
                cause,
            });
        }
    };
    let invalid = |error| ConfigError::Line {
        path: path.to_owned(),
        problem: misplaced::explain(&redaction::describe(&text, error), &KEYS),
    };
    let (config, values) = parse_file(&text).map_err(invalid)?;
    let in_file: Table = text.parse().map_err(invalid)?;
    let sources = leaves(&in_file).map(|(key, _)| (key, Source::File(path.to_owned())));
    Ok(Loaded {
        config,
        file,
        values,
        sources: sources.collect(),
    })
}

/// Returns true if nothing has this name, not even a link that leads nowhere.
fn is_missing(path: &Path) -> bool {
    fs::symlink_metadata(path).is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
}

/// Reads a configuration file.
///
/// # Errors
///
/// Also fails if it is longer than [`FILE_BYTES_MAX`].
fn text_of(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    let read = File::open(path)?.take(FILE_BYTES_MAX + 1).read_to_string(&mut text)?;
    if read as u64 > FILE_BYTES_MAX {
        let problem = format!("it has more than {FILE_BYTES_MAX} bytes");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, problem));
    }
    Ok(text)
}

/// Returns each value of a table with its dotted key, such as `fees.platform_bps`.
pub(super) fn leaves(table: &Table) -> impl Iterator<Item = (String, Value)> {
    let mut found = Vec::new();
    for (key, value) in table {
        add_leaves(&mut found, key.clone(), value);
    }
    found.into_iter()
}

fn add_leaves(found: &mut Vec<(String, Value)>, key: String, value: &Value) {
    match value {
        Value::Table(section) => {
            for (name, value) in section {
                add_leaves(found, format!("{key}.{name}"), value);
            }
        }
        value => found.push((key, value.clone())),
    }
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

/// Merges an environment variable over the settings. Returns the settings after it, and its
/// key.
fn merge_variable(
    merged: &mut Table,
    name: &str,
    text: Result<String, String>,
) -> Result<(Config, String), ConfigError> {
    let invalid = |problem: String| ConfigError::Variable {
        name: name.to_owned(),
        problem,
    };
    let text = text.map_err(|_| invalid("its value is not UTF-8 text".to_owned()))?;
    let (key, default) = KEYS
        .iter()
        .find(|(key, _)| name == variable_of(key))
        .ok_or_else(|| invalid(no_such_setting(name)))?;
    // A text that does not have the type of the default is refused with the values that are
    // right.
    let value = parse_as(default, &text).unwrap_or(Value::String(text));
    put(merged, key, Some(value));
    match toml::from_str(&merged.to_string()) {
        Ok(config) => Ok((config, key.clone())),
        Err(error) => {
            let name_in_section = key.rsplit('.').next().unwrap_or(key);
            Err(invalid(redaction::message(name_in_section, error.message())))
        }
    }
}

/// Says that a variable is no setting, and if one of its section may stand in the file.
fn no_such_setting(name: &str) -> String {
    let section = name.strip_prefix(ENV_PREFIX).and_then(|name| name.split_once('_'));
    match section {
        // It has no default, and half of it would be none.
        Some(("BANK", _)) => "the section [bank] is set in the configuration file only".to_owned(),
        _ => "there is no such setting; config.toml lists them all".to_owned(),
    }
}

/// Returns true if a variable with this text is a setting of the service.
fn is_setting(name: &str, text: &str) -> bool {
    name.strip_prefix(ENV_PREFIX)
        .is_some_and(|name| !is_for_clients(name) && !is_kubernetes_service_link(name, text))
}

/// Returns true if a variable, named without its prefix, is an option of the subcommands
/// that call a sandbox.
fn is_for_clients(name: &str) -> bool {
    ["URL", "KEY"].contains(&name)
}

/// Returns true if a variable, named without its prefix, is one that Kubernetes sets in
/// every pod for a service called `escrowd`, or `escrowd` and more words. No setting has such a
/// name.
fn is_kubernetes_service_link(name: &str, text: &str) -> bool {
    let name = format!("_{name}");
    let names_service = ["_SERVICE_HOST", "_SERVICE_PORT"]
        .iter()
        .any(|link| name.contains(link));
    // As in ESCROWD_PORT_80_TCP_ADDR, or as in ESCROWD_PORT with the text tcp://10.0.0.1:80.
    let names_port = name.match_indices("_PORT").any(|(at, link)| {
        let rest = &name[at + link.len()..];
        match rest.strip_prefix('_') {
            Some(port) => port.starts_with(|first: char| first.is_ascii_digit()),
            None => rest.is_empty() && text.contains("://"),
        }
    });
    names_service || names_port
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

/// The dotted key and the default of every setting. A setting without a default has an empty string.
static KEYS: LazyLock<Vec<(String, Value)>> = LazyLock::new(|| {
    let defaults: Table = DEFAULTS.parse().expect("the embedded config.toml is valid");
    let without_default = KEYS_WITHOUT_DEFAULT.map(|key| (key.to_owned(), Value::String(String::new())));
    leaves(&defaults).chain(without_default).collect()
});

/// Sets or removes the value of a dotted key.
pub(super) fn put(values: &mut Table, key: &str, value: Option<Value>) {
    let (table, name) = match key.split_once('.') {
        Some((section, name)) => {
            let section = values.entry(section).or_insert_with(|| Value::Table(Table::new()));
            let Value::Table(section) = section else {
                return;
            };
            (section, name)
        }
        None => (values, key),
    };
    match value {
        Some(value) => drop(table.insert(name.to_owned(), value)),
        None => drop(table.remove(name)),
    }
}
