//! `escrowd merchant`: creates merchants and keeps their settings and webhook endpoints, in a
//! running live service.

use std::process::ExitCode;

use clap::builder::NonEmptyStringValueParser;
use clap::{ArgGroup, Subcommand};
use serde_json::{Map, Value, json};

use crate::cli::client::ServiceClient;
use crate::cli::output::{BOLD, say};
use crate::cli::service::{ServiceArguments, all_pages, or_dash, print_secret};

#[derive(Debug, clap::Args)]
pub(super) struct MerchantArguments {
    #[command(subcommand)]
    command: MerchantCommand,
    #[command(flatten)]
    service: ServiceArguments,
}

#[derive(Debug, Subcommand)]
enum MerchantCommand {
    /// Create a merchant, and print its first key once
    Create {
        /// The merchant's name, which never changes: a letter, then up to 63 letters, digits, dots,
        /// hyphens or underscores
        name: String,
        #[command(flatten)]
        settings: SettingsArguments,
    },
    /// List the merchants
    List,
    /// Change settings of a merchant; those that are not given stay as they are
    #[command(group(ArgGroup::new("changes").args(SettingsArguments::IDS).required(true).multiple(true)))]
    Set {
        /// The merchant's name or id
        merchant: String,
        #[command(flatten)]
        settings: SettingsArguments,
    },
    /// Show the webhook endpoint of a merchant, or set it; the first one gets a signing secret
    Callback {
        /// The merchant's name or id
        merchant: String,
        /// The https URL that receives the events
        #[arg(long, value_name = "URL", conflicts_with = "off", value_parser = NonEmptyStringValueParser::new())]
        callback_url: Option<String>,
        /// An event to send, or a pattern such as escrow.*; give it again for more. Without it: all
        /// events of the contract, but not milestone.released
        #[arg(long = "event", value_name = "EVENT", requires = "callback_url")]
        events: Vec<String>,
        /// Send no events
        #[arg(long)]
        off: bool,
    },
    /// Replace the secret that signs a merchant's events; both sign until the overlap ends
    RotateSecret {
        /// The merchant's name or id
        merchant: String,
        /// Hours for which the old secret signs too (0 to 2160)
        #[arg(long, value_name = "HOURS", default_value_t = 24, allow_negative_numbers = true)]
        overlap_hours: u32,
    },
}

#[derive(Debug, clap::Args)]
struct SettingsArguments {
    /// Its country, two letters such as KE, or "default" for that of the configuration
    #[arg(long, value_name = "COUNTRY", value_parser = NonEmptyStringValueParser::new())]
    country: Option<String>,
    /// Its part of the fee in basis points (0 to 5000; 100 are one percent), or "default" for that of
    /// the configuration
    #[arg(long, value_name = "BPS", allow_negative_numbers = true, value_parser = NonEmptyStringValueParser::new())]
    commission_bps: Option<String>,
    /// The permission to sell in its own name: true or false; "default" is true
    #[arg(long, value_name = "BOOL", value_parser = NonEmptyStringValueParser::new())]
    business: Option<String>,
    /// An address or a range that may use its keys, such as 192.0.2.0/24; give it again for
    /// more, and "any" to allow all
    #[arg(long = "allow", value_name = "RANGE")]
    allowed: Vec<String>,
}

/// Runs a subcommand on a running service.
pub(super) fn run(arguments: MerchantArguments) -> anyhow::Result<ExitCode> {
    let MerchantArguments { command, service } = arguments;
    let client = service.connect()?;
    match command {
        MerchantCommand::Create { name, settings } => {
            let mut body = settings.body();
            body.insert("name".to_owned(), name.as_str().into());
            let made = client.ask_as_operator("POST", "/operator/merchants", None, Some(&body.into()), "/key/key")?;
            let done = || format!("merchant {name} was made: make a key for it with `escrowd key create {name}`");
            service.show_done(&made, done, print_created);
        }
        MerchantCommand::List => {
            let merchants = Value::Array(all_pages(&client, "/operator/merchants")?);
            service.show(&merchants, print_list);
        }
        MerchantCommand::Set { merchant, settings } => {
            let body = settings.body().into();
            let changed = client.ask_as_operator("PUT", "/operator/merchant", Some(&merchant), Some(&body), "/id")?;
            let done = || "the settings were changed: `escrowd merchant list` shows them".to_owned();
            service.show_done(&changed, done, print_settings);
        }
        MerchantCommand::Callback {
            merchant,
            callback_url,
            events,
            off,
        } => {
            let is_change = callback_url.is_some() || off;
            let endpoint = set_callback(&client, &merchant, callback_url, &events, off)?;
            if is_change {
                let done = || {
                    format!(
                        "the webhook endpoint was set: `escrowd merchant callback {merchant}` shows it, and \
                         `escrowd merchant rotate-secret {merchant}` gives it another secret"
                    )
                };
                service.show_done(&endpoint, done, print_callback);
            } else {
                service.show(&endpoint, print_callback);
            }
        }
        MerchantCommand::RotateSecret {
            merchant,
            overlap_hours,
        } => {
            let body = json!({ "overlapHours": overlap_hours });
            let path = "/operator/callback/rotate-secret";
            let endpoint = client.ask_as_operator("POST", path, Some(&merchant), Some(&body), "/signingSecret")?;
            let done = || format!("the secret was replaced: run `escrowd merchant rotate-secret {merchant}` again");
            service.show_done(&endpoint, done, print_callback);
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn set_callback(
    client: &ServiceClient,
    merchant: &str,
    url: Option<String>,
    events: &[String],
    off: bool,
) -> anyhow::Result<Value> {
    const PATH: &str = "/operator/callback";
    let body = match url {
        Some(url) if events.is_empty() => json!({ "url": url }),
        Some(url) => json!({ "url": url, "events": events }),
        None if off => json!({ "url": null }),
        None => return client.ask_as_operator("GET", PATH, Some(merchant), None, "/url"),
    };
    client.ask_as_operator("PUT", PATH, Some(merchant), Some(&body), "/url")
}

impl SettingsArguments {
    /// The ids of the options, which are the names of the fields.
    const IDS: [&str; 4] = ["country", "commission_bps", "business", "allowed"];

    /// Returns the fields of a request that changes these settings.
    fn body(&self) -> Map<String, Value> {
        let mut body = Map::new();
        let mut insert = |name: &str, text: &Option<String>, is_kind: fn(&Value) -> bool| {
            let Some(text) = text else { return };
            let value = match text.as_str() {
                "default" => Value::Null,
                // A text that is no such value is sent as it is, and the service says what would
                // be right.
                text => serde_json::from_str(text)
                    .ok()
                    .filter(is_kind)
                    .unwrap_or_else(|| text.into()),
            };
            body.insert(name.to_owned(), value);
        };
        insert("country", &self.country, Value::is_string);
        insert("commissionBps", &self.commission_bps, Value::is_number);
        insert("isBusiness", &self.business, Value::is_boolean);
        match self.allowed.as_slice() {
            [] => {}
            [any] if any == "any" => {
                body.insert("allowedAddresses".to_owned(), Value::Null);
            }
            ranges => {
                body.insert("allowedAddresses".to_owned(), json!(ranges));
            }
        }
        body
    }
}

fn print_created(made: &Value) {
    say!(
        "Merchant {BOLD}{}{BOLD:#} has id {}.",
        or_dash(&made["name"]),
        made["id"]
    );
    say!("Its web pages name it with {}.", or_dash(&made["publishableKey"]));
    print_secret(
        &format!("Its key {} for every route", or_dash(&made["key"]["id"])),
        &made["key"]["key"],
    );
}

fn print_list(merchants: &Value) {
    let merchants = merchants.as_array().map(Vec::as_slice).unwrap_or_default();
    if merchants.is_empty() {
        say!("There are no merchants; `escrowd merchant create NAME` makes one.");
    }
    for merchant in merchants {
        print_settings(merchant);
    }
}

fn print_settings(merchant: &Value) {
    say!(
        "{:>4}  {BOLD}{}{BOLD:#}  country {}, commission {}, business {}, addresses {}, publishable key {}, created {}",
        or_dash(&merchant["id"]),
        or_dash(&merchant["name"]),
        or_default(&merchant["country"]),
        commission(&merchant["commissionBps"]),
        or_default(&merchant["isBusiness"]),
        listed(&merchant["allowedAddresses"], "any"),
        or_dash(&merchant["publishableKey"]),
        or_dash(&merchant["createdAt"]),
    );
}

/// Returns the texts of a list, or this word if there are none.
fn listed(list: &Value, if_empty: &str) -> String {
    match list.as_array().map(Vec::as_slice) {
        None | Some([]) => if_empty.to_owned(),
        Some(texts) => texts.iter().map(or_dash).collect::<Vec<_>>().join(" "),
    }
}

fn commission(bps: &Value) -> String {
    let rate = or_default(bps);
    if bps.is_null() {
        rate
    } else {
        format!("{rate} basis points")
    }
}

fn or_default(value: &Value) -> String {
    if value.is_null() {
        "default".to_owned()
    } else {
        or_dash(value)
    }
}

fn print_callback(endpoint: &Value) {
    say!("url       {}", or_dash(&endpoint["url"]));
    say!("events    {}", listed(&endpoint["events"], "all of the contract"));
    if !endpoint["goneAt"].is_null() {
        say!(
            "gone      since {}; set the URL again to resume",
            or_dash(&endpoint["goneAt"])
        );
    }
    if !endpoint["replaySince"].is_null() {
        say!(
            "missed    since {}; a replay from then sends what was missed",
            or_dash(&endpoint["replaySince"])
        );
    }
    if !endpoint["previousSecretUntil"].is_null() {
        say!(
            "overlap   the secret before signs too until {}",
            or_dash(&endpoint["previousSecretUntil"])
        );
    }
    print_secret("The signing secret", &endpoint["signingSecret"]);
    print_secret(
        "The same for libraries of Standard Webhooks",
        &endpoint["standardWebhooksSecret"],
    );
}
