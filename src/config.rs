//! Configuration: what was written, in three places, becomes one checked
//! [`Config`] or an error that says which key to change.

#[cfg(test)]
mod tests;
mod values;

use std::collections::HashSet;
use std::fs;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use crate::domain::customers::country::Country;
use crate::domain::events::webhook_endpoint::SigningSecret;
use crate::domain::fees::Rates;
use crate::domain::ids::MILESTONES_MAX;
use crate::domain::merchant::KeyScope;
use crate::domain::mode::Mode;
use crate::store::Synchronous;
use values::{
    currency, decode_hash, key_hashes, live_callback, money, positive_money, retry_seconds, sandbox_callback,
    signing_secret, web_address, withdrawal_fees, within,
};

const ENV_PREFIX: &str = "ESCROWD_";

/// Settings that nothing stands for when they are left out; each is a text.
const WITHOUT_DEFAULT: [&str; 2] = ["public_url", "webhooks.callback_url"];

/// Every setting, checked. `config.toml` documents each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Play money or real money.
    pub mode: Mode,
    /// Whether to do exactly what the reference API does, where the default is
    /// kinder (the last column of design section 5).
    pub strict: bool,
    /// Address and port.
    pub listen: SocketAddr,
    /// Where clients reach the service, for addresses in replies.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "web_address")]
    pub public_url: Option<String>,
    /// The database file.
    pub database: PathBuf,
    /// Whether to keep nothing: the file is then one that goes with the service.
    pub ephemeral: bool,
    /// Of every amount.
    #[serde(deserialize_with = "currency")]
    pub currency: String,
    /// Seconds a buyer has to confirm once the delivery window is over.
    #[serde(deserialize_with = "within::<_, _, 0, 31_536_000>")]
    pub claim_grace_seconds: i64,
    /// Where merchants are that do not say otherwise.
    pub country: Country,
    /// What the log shows.
    pub log: LogLevel,
    /// Rates for every merchant.
    pub fees: Fees,
    /// Settings of sandbox mode.
    pub sandbox: Sandbox,
    /// Bounds on requests.
    pub limits: Limits,
    /// How merchants are told of events.
    pub webhooks: Webhooks,
    /// How requests may be tried again.
    pub idempotency: Idempotency,
    /// Settings of the store.
    pub storage: Storage,
    /// Merchants of live mode.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub merchant: Vec<Merchant>,
}

/// Rates for every merchant that has none of its own, in basis points.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Fees {
    /// The platform's part.
    pub platform_bps: u16,
    /// The merchant's part.
    pub commission_bps: u16,
    /// What withdrawals cost, in minor units.
    #[serde(deserialize_with = "withdrawal_fees")]
    pub withdrawal_minor: String,
}

/// Settings of sandbox mode.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Sandbox {
    /// Play money of a new customer, in minor units.
    #[serde(deserialize_with = "money")]
    pub opening_balance_minor: i64,
    /// Whether other machines may reach it.
    pub expose: bool,
    /// Whether merchants are business accounts, which may sell in their own name.
    pub is_business: bool,
    /// Whether customers may save test cards and pay by them.
    pub cards: bool,
    /// Requests that are kept to be looked at; 0 keeps none.
    #[serde(deserialize_with = "within::<_, _, 0, 1_000_000>")]
    pub requests_kept: usize,
    /// Bytes of all of them.
    #[serde(deserialize_with = "within::<_, _, 65_536, 17_179_869_184>")]
    pub requests_bytes_max: usize,
}

/// Bounds on requests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Smallest escrow amount, in minor units.
    #[serde(deserialize_with = "positive_money")]
    pub amount_min_minor: i64,
    /// Milestones in one escrow.
    #[serde(deserialize_with = "within::<_, _, 2, MILESTONES_MAX>")]
    pub milestones_max: usize,
    /// Characters of a purpose or title.
    #[serde(deserialize_with = "within::<_, _, 1, 10_000>")]
    pub purpose_chars_max: usize,
    /// Characters of a description.
    #[serde(deserialize_with = "within::<_, _, 1, 100_000>")]
    pub description_chars_max: usize,
    /// Participants in one vault.
    #[serde(deserialize_with = "within::<_, _, 2, 1_000>")]
    pub participants_max: usize,
    /// Categories of one account.
    #[serde(deserialize_with = "within::<_, _, 1, 10_000>")]
    pub categories_max: u32,
    /// Escrows in one payment.
    #[serde(deserialize_with = "within::<_, _, 1, 1_000>")]
    pub escrows_per_payment_max: usize,
    /// Bytes of a body.
    #[serde(deserialize_with = "within::<_, _, 1_024, 16_777_216>")]
    pub body_bytes_max: usize,
    /// Bytes of a file.
    #[serde(deserialize_with = "within::<_, _, 1_024, 67_108_864>")]
    pub file_bytes_max: usize,
    /// Files in one request.
    #[serde(deserialize_with = "within::<_, _, 1, 100>")]
    pub files_per_request_max: usize,
    /// Bytes of all files that are being received at once.
    #[serde(deserialize_with = "within::<_, _, 1_024, 17_179_869_184>")]
    pub uploads_bytes_max: usize,
    /// Seconds a body may take to arrive.
    #[serde(deserialize_with = "within::<_, _, 1, 600>")]
    pub body_seconds_max: u64,
    /// Connections at once.
    #[serde(deserialize_with = "within::<_, _, 1, 1_000_000>")]
    pub connections_max: usize,
    /// Requests of a key in a minute; 0 for as many as it likes.
    #[serde(deserialize_with = "within::<_, _, 0, 1_000_000>")]
    pub requests_per_minute: u32,
    /// Seconds requests in flight get when the service stops.
    #[serde(deserialize_with = "within::<_, _, 1, 600>")]
    pub stop_seconds_max: u64,
}

/// How merchants are told of events.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Webhooks {
    /// Where the events of a sandbox merchant go that has set nothing of its own.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "sandbox_callback")]
    pub callback_url: Option<String>,
    /// Seconds from each failed attempt to the next; after the last, an event is given up.
    #[serde(deserialize_with = "retry_seconds")]
    pub retry_seconds: Vec<u32>,
    /// Seconds an attempt may take in all.
    #[serde(deserialize_with = "within::<_, _, 1, 60>")]
    pub timeout_seconds: u64,
    /// Days after which an event is forgotten; 0 for never.
    #[serde(deserialize_with = "within::<_, _, 0, 36_500>")]
    pub events_kept_days: u32,
}

/// How requests may be tried again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Idempotency {
    /// Hours that a reply is kept for retries.
    #[serde(deserialize_with = "within::<_, _, 1, 8_760>")]
    pub kept_hours: i64,
}

/// Settings of the store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Storage {
    /// How much a commit waits for.
    pub synchronous: Synchronous,
    /// Connections for reading.
    #[serde(deserialize_with = "within::<_, _, 1, 256>")]
    pub readers: u32,
    /// Writes that may wait.
    #[serde(deserialize_with = "within::<_, _, 1, 1_000_000>")]
    pub queue_commands_max: usize,
    /// Writes that share one commit.
    #[serde(deserialize_with = "within::<_, _, 1, 10_000>")]
    pub group_commands_max: usize,
    /// Pages in the log at which copying it into the file begins.
    #[serde(deserialize_with = "within::<_, _, 100, 1_000_000>")]
    pub checkpoint_pages: u32,
}

/// A merchant of live mode.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Merchant {
    /// Its name, which stays while keys change.
    pub name: String,
    /// SHA-256 hashes of its super-admin keys, in hex.
    #[serde(deserialize_with = "key_hashes")]
    pub key_sha256: Vec<String>,
    /// SHA-256 hashes of its keys that open only what every business account may
    /// use, in hex.
    #[serde(default, deserialize_with = "key_hashes", skip_serializing_if = "Vec::is_empty")]
    pub business_key_sha256: Vec<String>,
    /// Whether it is a business account, which may sell in its own name.
    #[serde(default = "yes")]
    pub is_business: bool,
    /// Where it is, when not where the others are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub country: Option<Country>,
    /// The addresses its keys may be used from; every address when none is listed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allowed_ips: Vec<IpAddr>,
    /// Its part of the fee, when it has its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commission_bps: Option<u16>,
    /// Where its events go.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "live_callback")]
    pub callback_url: Option<String>,
    /// What its events are signed with.
    #[serde(default, skip_serializing, deserialize_with = "signing_secret")]
    pub signing_secret: Option<SigningSecret>,
}

/// What the log shows, with everything more serious.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// What went wrong on our side.
    Error,
    /// What an operator should know.
    Warn,
    /// A line for each request.
    Info,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            mode: Mode::Sandbox,
            strict: false,
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            public_url: None,
            database: PathBuf::from("escrowd.db"),
            ephemeral: false,
            currency: "NGN".to_owned(),
            claim_grace_seconds: 86_400,
            country: Country::Nigeria,
            log: LogLevel::Info,
            fees: Fees::default(),
            sandbox: Sandbox::default(),
            limits: Limits::default(),
            webhooks: Webhooks::default(),
            idempotency: Idempotency::default(),
            storage: Storage::default(),
            merchant: Vec::new(),
        }
    }
}

impl Default for Fees {
    fn default() -> Self {
        Self {
            platform_bps: 200,
            commission_bps: 0,
            withdrawal_minor: "500000:1000, 5000000:2500, 5000".to_owned(),
        }
    }
}

impl Default for Sandbox {
    fn default() -> Self {
        Self {
            opening_balance_minor: 100_000_000,
            expose: false,
            is_business: true,
            cards: true,
            requests_kept: 10_000,
            requests_bytes_max: 67_108_864,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            amount_min_minor: 100,
            milestones_max: 100,
            purpose_chars_max: 255,
            description_chars_max: 2000,
            participants_max: 100,
            categories_max: 1_000,
            escrows_per_payment_max: 50,
            body_bytes_max: 65_536,
            file_bytes_max: 5_242_880,
            files_per_request_max: 5,
            uploads_bytes_max: 268_435_456,
            body_seconds_max: 10,
            connections_max: 512,
            requests_per_minute: 0,
            stop_seconds_max: 10,
        }
    }
}

impl Default for Webhooks {
    fn default() -> Self {
        Self {
            callback_url: None,
            retry_seconds: vec![60, 300, 1500],
            timeout_seconds: 10,
            events_kept_days: 30,
        }
    }
}

impl Default for Idempotency {
    fn default() -> Self {
        Self { kept_hours: 24 }
    }
}

impl Default for Storage {
    fn default() -> Self {
        Self {
            synchronous: Synchronous::Full,
            readers: 8,
            queue_commands_max: 4096,
            group_commands_max: 128,
            checkpoint_pages: 8000,
        }
    }
}

/// What the command line says; it wins over everything.
#[derive(Clone, Debug, Default)]
pub struct Flags {
    /// The configuration file; `config.toml` if there is one, when left out.
    pub config: Option<PathBuf>,
    /// Address and port.
    pub listen: Option<SocketAddr>,
    /// The database file.
    pub database: Option<PathBuf>,
    /// Whether to be strict, whatever the configuration says.
    pub strict: bool,
    /// Whether to keep nothing, whatever the configuration says.
    pub ephemeral: bool,
}

/// Which setting is wrong, where it was made, and why.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{path} cannot be read: {cause}")]
    File {
        /// The configuration file.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// A line of the file is wrong.
    #[error("{path} is not right:\n{problem}")]
    Line {
        /// The configuration file.
        path: PathBuf,
        /// The line and what is wrong with it.
        problem: String,
    },
    /// An environment variable is wrong.
    #[error("the environment variable {name} is not right: {problem}")]
    Variable {
        /// The variable.
        name: String,
        /// What is wrong with it.
        problem: String,
    },
    /// Settings that are right by themselves do not go together.
    #[error("{0}")]
    Together(String),
}

impl Config {
    /// Puts file, environment and flags together and checks the result.
    ///
    /// Of the environment, each variable comes with its name and its text, or
    /// with what it looks like when it is no text.
    pub fn load(
        flags: &Flags,
        environment: impl IntoIterator<Item = (String, Result<String, String>)>,
    ) -> Result<Self, ConfigError> {
        let mut table = read_file(flags.config.as_deref())?;
        let mut keys = leaves(&default_table(), "");
        keys.extend(WITHOUT_DEFAULT.map(|key| (key.to_owned(), Value::String(String::new()))));
        for (name, text) in environment {
            if name.starts_with(ENV_PREFIX) && !is_of_clients(&name) && !is_of_kubernetes(&name) {
                let text = text.map_err(|lossy| ConfigError::Variable {
                    name: name.clone(),
                    problem: format!("{lossy:?} is not UTF-8 text"),
                })?;
                let (key, value) = read_variable(&keys, &name, &text)?;
                insert(&mut table, &key, value);
            }
        }
        let mut config: Self = table
            .try_into()
            .map_err(|error: toml::de::Error| ConfigError::Together(error.message().to_owned()))?;
        config.listen = flags.listen.unwrap_or(config.listen);
        config.database = flags.database.clone().unwrap_or(config.database);
        config.strict |= flags.strict;
        config.ephemeral |= flags.ephemeral;
        if config.ephemeral && flags.database.is_some() {
            return Err(ConfigError::Together(
                "--database names a file to keep, and an ephemeral service keeps nothing; leave out one of them"
                    .to_owned(),
            ));
        }
        config.check_together()?;
        Ok(config)
    }

    /// Smallest amount of an escrow, in minor units: what is configured, and with
    /// `strict` at least 1,000 (contract section 1.5).
    pub fn amount_min_minor(&self) -> i64 {
        let reference = if self.strict { 100_000 } else { 0 };
        self.limits.amount_min_minor.max(reference)
    }

    /// Requests of a key in a minute, if that is limited: what is configured, and
    /// with `strict` 10 when nothing is (contract section 1.10).
    pub fn requests_per_minute(&self) -> Option<u32> {
        match self.limits.requests_per_minute {
            0 => self.strict.then_some(10),
            configured => Some(configured),
        }
    }

    /// Checks what no single setting can be blamed for (design section 7).
    fn check_together(&self) -> Result<(), ConfigError> {
        let wrong = |problem: String| Err(ConfigError::Together(problem));
        self.rates(None)?;
        for merchant in &self.merchant {
            self.rates(Some(merchant))?;
        }
        let mut names = HashSet::new();
        let mut hashes = HashSet::new();
        for merchant in &self.merchant {
            if merchant.name.is_empty() {
                return wrong("merchant.name must not be empty".to_owned());
            }
            if !names.insert(&merchant.name) {
                return wrong(format!("merchant.name {:?} is there twice", merchant.name));
            }
            if merchant.callback_url.is_some() && merchant.signing_secret.is_none() {
                return wrong(format!(
                    "merchant {:?} has a callback_url and no signing_secret, so that nothing would prove whom its events \
                     come from; set its secret key there, or a secret of its own",
                    merchant.name
                ));
            }
            let keys = merchant.keys();
            if let Some((hash, _)) = keys.into_iter().find(|(hash, _)| !hashes.insert(*hash)) {
                return wrong(format!(
                    "the keys of merchants list {} twice; a key belongs to one merchant, with one scope",
                    hex::encode(hash)
                ));
            }
        }
        match self.mode {
            Mode::Live if hashes.is_empty() => {
                wrong("mode is \"live\" and no [[merchant]] has a key_sha256; `escrowd keygen` makes one".to_owned())
            }
            Mode::Live if self.webhooks.callback_url.is_some() => wrong(
                "webhooks.callback_url is for mode \"sandbox\"; in live mode each [[merchant]] has its own callback_url"
                    .to_owned(),
            ),
            Mode::Live if self.ephemeral => wrong(
                "ephemeral is for mode \"sandbox\": real money must not be gone when the service stops".to_owned(),
            ),
            Mode::Sandbox if !self.merchant.is_empty() => wrong(
                "[[merchant]] is for mode \"live\"; in sandbox mode every key is a merchant of its own".to_owned(),
            ),
            Mode::Sandbox if !self.listen.ip().is_loopback() && !self.sandbox.expose => wrong(format!(
                "listen is {}, which other machines may reach, and a sandbox lets everybody in: \
                 listen on 127.0.0.1, or set sandbox.expose = true",
                self.listen
            )),
            Mode::Live | Mode::Sandbox => Ok(()),
        }
    }

    /// The rates of a merchant, or of those that have none of their own.
    pub fn rates(&self, merchant: Option<&Merchant>) -> Result<Rates, ConfigError> {
        let platform = self.fees.platform_bps;
        let commission = merchant.and_then(|merchant| merchant.commission_bps);
        let commission = commission.unwrap_or(self.fees.commission_bps);
        Rates::new(platform, commission).ok_or_else(|| {
            ConfigError::Together(format!(
                "fees.platform_bps and commission_bps must be at most {} together; got {platform} and {commission}",
                Rates::TOGETHER_MAX_BPS
            ))
        })
    }
}

impl Merchant {
    /// The hashes of its keys, as bytes, and what each opens.
    pub fn keys(&self) -> Vec<([u8; 32], KeyScope)> {
        let of_scope = |hashes: &[String], scope| -> Vec<_> {
            let hashes = hashes.iter().filter_map(|hash| decode_hash(hash));
            hashes.map(|hash| (hash, scope)).collect()
        };
        let mut keys = of_scope(&self.key_sha256, KeyScope::SuperAdmin);
        keys.extend(of_scope(&self.business_key_sha256, KeyScope::Business));
        keys
    }
}

const fn yes() -> bool {
    true
}

/// The file's table, after the file has been checked by itself so that an error
/// names its line.
fn read_file(path: Option<&Path>) -> Result<Table, ConfigError> {
    let usual = Path::new("config.toml");
    let text = match fs::read_to_string(path.unwrap_or(usual)) {
        Ok(text) => text,
        Err(error) if path.is_none() && error.kind() == io::ErrorKind::NotFound => return Ok(Table::new()),
        Err(cause) => {
            return Err(ConfigError::File {
                path: path.unwrap_or(usual).to_owned(),
                cause,
            });
        }
    };
    let wrong = |error: toml::de::Error| ConfigError::Line {
        path: path.unwrap_or(usual).to_owned(),
        problem: error.to_string().trim_end().to_owned(),
    };
    toml::from_str::<Config>(&text).map_err(wrong)?;
    text.parse().map_err(wrong)
}

/// The key that a variable sets, and its value, checked by itself.
fn read_variable(keys: &[(String, Value)], name: &str, text: &str) -> Result<(String, Value), ConfigError> {
    let wrong = |problem: &str| ConfigError::Variable {
        name: name.to_owned(),
        problem: problem.to_owned(),
    };
    let (key, default) = keys
        .iter()
        .find(|(key, _)| name == variable_of(key))
        .ok_or_else(|| wrong("there is no such setting; config.toml lists them all"))?;
    let value = match default {
        Value::Integer(_) => text.parse().ok().map(Value::Integer),
        Value::Boolean(_) => text.parse().ok().map(Value::Boolean),
        Value::Array(_) => list_of(text),
        _ => Some(Value::String(text.to_owned())),
    };
    let value = value.ok_or_else(|| wrong(&format!("{text:?} is not {}", kind_of(default))))?;
    let mut alone = Table::new();
    insert(&mut alone, key, value.clone());
    alone
        .try_into::<Config>()
        .map_err(|error: toml::de::Error| wrong(error.message()))?;
    Ok((key.clone(), value))
}

/// Whether a variable says where a sandbox is, and as whom to use it, for the
/// subcommands that speak to one.
fn is_of_clients(name: &str) -> bool {
    ["URL", "KEY"]
        .iter()
        .any(|of| name.strip_prefix(ENV_PREFIX) == Some(of))
}

/// Whether a variable is one of those that Kubernetes gives every pod beside a
/// service of this name.
fn is_of_kubernetes(name: &str) -> bool {
    ["PORT", "SERVICE_HOST", "SERVICE_PORT"]
        .iter()
        .filter_map(|link| name.strip_prefix(ENV_PREFIX)?.strip_prefix(link))
        .any(|rest| rest.is_empty() || rest.starts_with('_'))
}

fn variable_of(key: &str) -> String {
    format!("{ENV_PREFIX}{}", key.replace('.', "_").to_uppercase())
}

/// The list that a variable holds, with its brackets or without.
fn list_of(text: &str) -> Option<Value> {
    let items = text.trim();
    let items = items
        .strip_prefix('[')
        .and_then(|items| items.strip_suffix(']'))
        .unwrap_or(items);
    let mut alone: Table = format!("list = [{items}]").parse().ok()?;
    alone.remove("list").filter(|_| alone.is_empty())
}

const fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Integer(_) => "a whole number",
        Value::Boolean(_) => "true or false",
        Value::Array(_) => "a list, such as [60, 300]",
        _ => "a text",
    }
}

fn default_table() -> Table {
    Table::try_from(Config::default()).expect("the defaults are a table")
}

/// Every setting's dotted key with its value.
fn leaves(table: &Table, path: &str) -> Vec<(String, Value)> {
    let mut found = Vec::new();
    for (key, value) in table {
        let key = if path.is_empty() {
            key.clone()
        } else {
            format!("{path}.{key}")
        };
        match value {
            Value::Table(inner) => found.extend(leaves(inner, &key)),
            leaf => found.push((key, leaf.clone())),
        }
    }
    found
}

fn insert(table: &mut Table, key: &str, value: Value) {
    match key.split_once('.') {
        None => {
            table.insert(key.to_owned(), value);
        }
        Some((section, rest)) => {
            let inner = table.entry(section).or_insert_with(|| Value::Table(Table::new()));
            if let Value::Table(inner) = inner {
                insert(inner, rest, value);
            }
        }
    }
}
