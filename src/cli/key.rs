//! `escrowd key`: creates, lists, rotates and revokes the keys of a merchant, in a running live
//! service.

use std::process::ExitCode;

use anyhow::ensure;
use clap::{Subcommand, ValueEnum};
use serde_json::{Value, json};

use crate::cli::output::{BOLD, say};
use crate::cli::service::{ServiceArguments, or_dash, print_secret};
use crate::domain::merchant::key::KeyId;

#[derive(Debug, clap::Args)]
pub(super) struct KeyArguments {
    #[command(subcommand)]
    command: KeyCommand,
    #[command(flatten)]
    service: ServiceArguments,
}

#[derive(Debug, Subcommand)]
enum KeyCommand {
    /// Create another key, and print it once
    Create {
        /// The merchant's name or id
        merchant: String,
        /// The routes that the key opens
        #[arg(long, value_enum, default_value = "super-admin")]
        scope: ScopeArgument,
        /// A word for its use, which lists show
        #[arg(long, value_name = "TEXT")]
        label: Option<String>,
    },
    /// List the keys of a merchant, also those that have ended
    List {
        /// The merchant's name or id
        merchant: String,
    },
    /// Replace a key: print the next one once, and let both open routes until the overlap ends
    Rotate {
        /// The merchant's name or id
        merchant: String,
        /// The key's id, as `list` shows it
        #[arg(value_parser = key_id)]
        id: KeyId,
        /// Hours for which the old key still works (0 to 2160); 0 ends it at once
        #[arg(long, value_name = "HOURS", default_value_t = 24, allow_negative_numbers = true)]
        overlap_hours: u32,
    },
    /// End a key at once
    Revoke {
        /// The merchant's name or id
        merchant: String,
        /// The key's id, as `list` shows it
        #[arg(value_parser = key_id)]
        id: KeyId,
        /// The reason, for the record of acts
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
}

fn key_id(text: &str) -> Result<KeyId, &'static str> {
    KeyId::parse(text).ok_or("it must be 24 lower-case hex characters, as `escrowd key list` shows")
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ScopeArgument {
    /// Escrows, milestone escrows and categories
    Business,
    /// Every route
    #[value(alias = "super_admin")]
    SuperAdmin,
}

/// Runs a subcommand on a running service.
pub(super) fn run(arguments: KeyArguments) -> anyhow::Result<ExitCode> {
    let KeyArguments { command, service } = arguments;
    let client = service.connect()?;
    match command {
        KeyCommand::Create { merchant, scope, label } => {
            let scope = match scope {
                ScopeArgument::Business => "business",
                ScopeArgument::SuperAdmin => "super_admin",
            };
            let body = json!({ "scope": scope, "label": label });
            let made = client.ask_as_operator("POST", "/operator/keys", Some(&merchant), Some(&body), "/key")?;
            let done = || {
                let id = or_dash(&made["id"]);
                format!(
                    "key {id} was made: end it with `escrowd key revoke {merchant} {id} --reason TEXT`, and make another"
                )
            };
            service.show_done(&made, done, print_new);
        }
        KeyCommand::List { merchant } => {
            let keys = client.ask_as_operator("GET", "/operator/keys", Some(&merchant), None, "")?;
            ensure!(keys.is_array(), "the reply to GET /operator/keys has no list");
            service.show(&keys, print_list);
        }
        KeyCommand::Rotate {
            merchant,
            id,
            overlap_hours,
        } => {
            let (path, body) = (
                format!("/operator/keys/{id}/rotate"),
                json!({ "overlapHours": overlap_hours }),
            );
            let made = client.ask_as_operator("POST", &path, Some(&merchant), Some(&body), "/key")?;
            let done = || {
                let new = or_dash(&made["id"]);
                format!("key {new} takes the place of key {id}: replace it with `escrowd key rotate {merchant} {new}`")
            };
            service.show_done(&made, done, |made| {
                print_new(made);
                let old = &made["replaced"];
                say!("Key {} ends {}.", or_dash(&old["id"]), or_dash(&old["expiresAt"]));
            });
        }
        KeyCommand::Revoke { merchant, id, reason } => {
            let (path, body) = (format!("/operator/keys/{id}/revoke"), json!({ "reason": reason }));
            let revoked = client.ask_as_operator("POST", &path, Some(&merchant), Some(&body), "/id")?;
            let done = || format!("key {id} was revoked");
            service.show_done(&revoked, done, |key| {
                say!("Key {BOLD}{}{BOLD:#} opens nothing any more.", or_dash(&key["id"]));
            });
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn print_new(key: &Value) {
    print_secret(
        &format!("Key {} ({})", or_dash(&key["id"]), or_dash(&key["scope"])),
        &key["key"],
    );
}

fn print_list(keys: &Value) {
    for key in keys.as_array().map(Vec::as_slice).unwrap_or_default() {
        let end = match (&key["revokedAt"], &key["expiresAt"]) {
            (Value::Null, Value::Null) => String::new(),
            (Value::Null, expires) => format!(", ends {}", or_dash(expires)),
            (revoked, _) => format!(", revoked {}", or_dash(revoked)),
        };
        say!(
            "{}  {:<11}  ...{}  {}  created {}, last used {}{end}",
            or_dash(&key["id"]),
            or_dash(&key["scope"]),
            or_dash(&key["ending"]),
            or_dash(&key["label"]),
            or_dash(&key["createdAt"]),
            or_dash(&key["lastUsedAt"]),
        );
    }
}
