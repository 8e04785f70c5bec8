//! `escrowd operator`: makes, lists and revokes operators. With the key of an admin it asks the
//! running service; without one it opens the database, beside services if it is PostgreSQL, and a
//! file when no service uses it. So the first admin is made, and another one when all keys are lost.
//! Only `create` makes or migrates a database, as a start does.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, anyhow, bail};
use clap::{Subcommand, ValueEnum};
use serde_json::{Value, json};

use crate::app;
use crate::cli::client::is_unconnected;
use crate::cli::log_output;
use crate::cli::output::{BOLD, say};
use crate::cli::service::{ServiceArguments, all_pages, or_dash};
use crate::cli::settings::{PlaceParser, variables};
use crate::commands::operators;
use crate::config::{Config, Flags, LogLevel};
use crate::domain::ids::{MerchantId, OperatorId};
use crate::domain::mode::Mode;
use crate::domain::page::{LIMIT_MAX, PageRequest};
use crate::domain::refusal::Refusal;
use crate::domain::treasury::act::{Agent, check_reason};
use crate::domain::treasury::operator::{Role, check_name};
use crate::entropy;
use crate::store::{Place, Store, Tx};
use crate::views::{NewOperatorView, OperatorView};

#[derive(Debug, clap::Args)]
pub(super) struct OperatorArguments {
    #[command(subcommand)]
    command: OperatorCommand,
    /// Configuration file [default: config.toml, if there is one]
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    /// Database file, which no service may use, or the URL of a PostgreSQL database, which services may use
    #[arg(long, value_name = "FILE", global = true, value_parser = PlaceParser)]
    database: Option<Place>,
    #[command(flatten)]
    service: ServiceArguments,
}

#[derive(Debug, Subcommand)]
enum OperatorCommand {
    /// Make an operator, and print the key once
    Create {
        /// The person's name, which stands in the record of acts
        name: String,
        /// The operator's role, which decides what the key may do
        #[arg(long, value_enum)]
        role: RoleArgument,
        /// The id of a merchant that the operator is limited to; give it again for more
        #[arg(long = "merchant", value_name = "ID", value_parser = merchant_id)]
        merchants: Vec<i64>,
    },
    /// List the operators
    List,
    /// Revoke an operator's key
    Revoke {
        /// The operator's id, as `list` shows it
        #[arg(value_parser = operator_id)]
        id: OperatorId,
        /// The reason, for the record of acts
        #[arg(long)]
        reason: String,
    },
}

fn merchant_id(text: &str) -> Result<i64, &'static str> {
    text.parse()
        .map_err(|_| "it must be the id of a merchant, a number, as `escrowd merchant list` shows")
}

fn operator_id(text: &str) -> Result<OperatorId, &'static str> {
    OperatorId::parse(text).ok_or("it must be 24 lower-case hex characters, as `escrowd operator list` shows")
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum RoleArgument {
    /// May do everything, and makes and revokes operators
    Admin,
    /// Records money in and out, requests pay-outs, assigns and reverses receipts
    Cashier,
    /// Approves or rejects receipts and pay-outs, and rules on deals
    Approver,
    /// May only read
    Auditor,
}

/// Runs a subcommand on a running service, or on the database of a live configuration.
pub(super) fn run(arguments: OperatorArguments) -> anyhow::Result<ExitCode> {
    if arguments.service.is_named() {
        if arguments.config.is_some() || arguments.database.is_some() {
            bail!(
                "--config and --database name a database, and --url and the operator's key name the running service; leave \
                 out one of them (ESCROWD_KEY is the key, too)"
            );
        }
        return ask(&arguments.service, arguments.command).map_err(|error| {
            if is_unconnected(&error) {
                error.context(
                    "no escrowd answers; without --url and a key (--key, ESCROWD_KEY) this command works on the database: \
                     on a file of a stopped service, or on a PostgreSQL database",
                )
            } else {
                error
            }
        });
    }
    let flags = Flags {
        config: arguments.config,
        database: arguments.database,
        ..Flags::default()
    };
    let config = Config::load(&flags, variables())?;
    if config.mode != Mode::Live {
        bail!("mode is \"sandbox\", which has no operators: its key does all that they do; set mode = \"live\"");
    }
    // The messages of a start, such as those of a migration, must not be lost.
    let level = match config.log {
        LogLevel::Error => LogLevel::Error,
        LogLevel::Warn | LogLevel::Info => LogLevel::Warn,
    };
    log_output::start(level, config.log_format).context("cannot start the log")?;
    let creates = match &arguments.command {
        // Before the database is made or migrated.
        OperatorCommand::Create { name, .. } => {
            check_name("NAME", name.clone()).map_err(Refusal::from)?;
            true
        }
        OperatorCommand::List | OperatorCommand::Revoke { .. } => false,
    };
    let is_new = config.database.path().is_some_and(|path| !path.exists());
    let opened = if creates {
        app::open_store(&config)
    } else {
        app::open_existing_store(&config)
    };
    let store = opened.context(
        "cannot open the database; while the service runs, an admin's key in ESCROWD_KEY makes this command ask it",
    )?;
    let new_database = is_new.then_some(&config.database);
    let work = run_on(&store, new_database, &arguments.service, arguments.command);
    let done = actix_web::rt::System::new().block_on(work);
    // The next command would not say it.
    done.map_err(|error| match new_database {
        Some(place) => anyhow!("{error:#}; the command made a new database: {place}"),
        None => error,
    })?;
    store.close();
    Ok(ExitCode::SUCCESS)
}

/// Runs a subcommand on an open database. `new_database` is its place if it was not there before.
async fn run_on(
    store: &Store,
    new_database: Option<&Place>,
    output: &ServiceArguments,
    command: OperatorCommand,
) -> anyhow::Result<()> {
    match command {
        OperatorCommand::Create { name, role, merchants } => {
            let made = create(store, name, role.into(), &merchants).await?;
            show_created(output, new_database, &made);
        }
        OperatorCommand::List => output.show(&list(store).await?, print_list),
        OperatorCommand::Revoke { id, reason } => show_revoked(output, &revoke(store, id, reason).await?),
    }
    Ok(())
}

async fn create(store: &Store, name: String, role: Role, merchants: &[i64]) -> anyhow::Result<Value> {
    let merchants = merchants.iter().copied().map(MerchantId).collect();
    let key = entropy::operator_key();
    let hashed = key.clone();
    let request = check_name("NAME", name).map(|name| operators::OperatorRequest { name, role, merchants });
    let made = store.write(move |tx: &mut Tx<'_>| operators::create(tx, &on_this_machine(), request, &hashed));
    let operator = OperatorView::new(made.await?);
    Ok(serde_json::to_value(NewOperatorView { operator, key })?)
}

async fn list(store: &Store) -> anyhow::Result<Value> {
    let mut rows = Vec::new();
    for page in 1.. {
        let request = PageRequest::numbered(page, LIMIT_MAX);
        let operators = store.read(move |snapshot| snapshot.operators(None, request)).await?;
        let is_last = operators.is_last();
        rows.extend(operators.rows.into_iter().map(OperatorView::new));
        if is_last {
            break;
        }
    }
    Ok(serde_json::to_value(rows)?)
}

async fn revoke(store: &Store, id: OperatorId, reason: String) -> anyhow::Result<Value> {
    let reason = check_reason("--reason", reason).map_err(Refusal::from)?;
    let revoked = store.write(move |tx: &mut Tx<'_>| operators::revoke(tx, &on_this_machine(), id, Some(reason)));
    Ok(serde_json::to_value(OperatorView::new(revoked.await?))?)
}

/// The agent of a command on the machine itself.
const fn on_this_machine() -> Agent {
    Agent {
        operator: None,
        address: None,
    }
}

/// Runs a subcommand on a running service.
fn ask(service: &ServiceArguments, command: OperatorCommand) -> anyhow::Result<ExitCode> {
    const PATH: &str = "/operator/operators";
    let client = service.connect()?;
    match command {
        OperatorCommand::Create { name, role, merchants } => {
            let role: Role = role.into();
            let mut body = json!({ "name": name, "role": role.into_str() });
            if !merchants.is_empty() {
                body["merchantIds"] = json!(merchants);
            }
            show_created(
                service,
                None,
                &client.ask_as_operator("POST", PATH, None, Some(&body), "/key")?,
            );
        }
        OperatorCommand::List => service.show(&Value::Array(all_pages(&client, PATH)?), print_list),
        OperatorCommand::Revoke { id, reason } => {
            let (path, body) = (format!("{PATH}/{id}/revoke"), json!({ "reason": reason }));
            let revoked = client.ask_as_operator("POST", &path, None, Some(&body), "/id")?;
            show_revoked(service, &revoked);
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints a new operator. If that is not possible, the error says that it was made.
fn show_created(output: &ServiceArguments, new_database: Option<&Place>, made: &Value) {
    let done = || {
        let id = or_dash(&made["id"]);
        let place = new_database.map_or_else(String::new, |place| format!(" in a new database, {place}"));
        format!(
            "operator {id} was made{place}: revoke it with `escrowd operator revoke {id} --reason TEXT`, and make another"
        )
    };
    output.show_done(made, done, |made| {
        if let Some(place) = new_database {
            say!("Made a new database: {place}");
        }
        let [name, role, id, key] = ["name", "role", "id", "key"].map(|field| or_dash(&made[field]));
        say!("Operator {BOLD}{name}{BOLD:#} ({role}) has id {id}.");
        say!("The key is shown once and not stored:\n\n    {key}\n");
    });
}

fn print_list(operators: &Value) {
    let operators = operators.as_array().map(Vec::as_slice).unwrap_or_default();
    if operators.is_empty() {
        say!("There are no operators; `escrowd operator create NAME --role admin` makes the first.");
    }
    for operator in operators {
        let state = match &operator["revokedAt"] {
            Value::Null if operator["lastUsedAt"].is_null() => "never used".to_owned(),
            Value::Null => format!("last used {}", or_dash(&operator["lastUsedAt"])),
            at => format!("revoked {}", or_dash(at)),
        };
        let [id, role, name, created_at] = ["id", "role", "name", "createdAt"].map(|field| or_dash(&operator[field]));
        say!("{id}  {role:<8}  {name}  created {created_at}, {state}");
    }
}

/// Prints a revoked operator. If that is not possible, the error says that it was revoked.
fn show_revoked(output: &ServiceArguments, revoked: &Value) {
    let done = || format!("the key of operator {} was revoked", or_dash(&revoked["id"]));
    output.show_done(revoked, done, |operator| {
        say!(
            "The key of operator {BOLD}{}{BOLD:#} is revoked.",
            or_dash(&operator["name"])
        );
    });
}

impl From<RoleArgument> for Role {
    fn from(role: RoleArgument) -> Self {
        match role {
            RoleArgument::Admin => Self::Admin,
            RoleArgument::Cashier => Self::Cashier,
            RoleArgument::Approver => Self::Approver,
            RoleArgument::Auditor => Self::Auditor,
        }
    }
}
