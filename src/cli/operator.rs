//! `escrowd operator`: makes, lists and revokes operators while no service uses the file. The
//! first admin is made with it; later ones by the routes under `/operator/operators`.

use std::path::PathBuf;
use std::process::ExitCode;

use anstyle::Style;
use anyhow::{Context, bail};
use clap::{Subcommand, ValueEnum};

use crate::app;
use crate::commands::{self, operators};
use crate::config::{Accepted, Config, Flags};
use crate::domain::ids::OperatorId;
use crate::domain::mode::Mode;
use crate::domain::page::{LIMIT_MAX, PageRequest, PageStart};
use crate::domain::treasury::act::Agent;
use crate::domain::treasury::operator::{Operator, Role};
use crate::entropy;
use crate::store::{Store, Tx};

#[derive(Debug, clap::Args)]
pub(super) struct OperatorArguments {
    #[command(subcommand)]
    command: OperatorCommand,
    /// Configuration file [default: config.toml, if there is one]
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    /// Database file
    #[arg(long, value_name = "FILE", global = true)]
    database: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum OperatorCommand {
    /// Make an operator, and print the key once
    Create {
        /// The person's name, which stands in the record of acts
        name: String,
        /// The part that the operator plays
        #[arg(long, value_enum)]
        role: RoleArgument,
    },
    /// List the operators
    List,
    /// Revoke an operator's key
    Revoke {
        /// The operator's id, as `list` shows it
        id: String,
        /// The reason, for the record of acts
        #[arg(long)]
        reason: String,
    },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum RoleArgument {
    /// Everything, and keeps the operators
    Admin,
    /// Records what came in and what was paid
    Cashier,
    /// Approves pay-outs and large receipts, and rules on deals
    Approver,
    /// Reads
    Auditor,
}

const BOLD: Style = Style::new().bold();

/// Runs a subcommand on the database of a live configuration.
pub(super) fn run(arguments: OperatorArguments) -> anyhow::Result<ExitCode> {
    let flags = Flags {
        config: arguments.config,
        listen: None,
        database: arguments.database,
        strict: false,
        ephemeral: false,
        accepted: Accepted::default(),
    };
    let config = Config::load(&flags, super::serve::variables())?;
    if config.mode != Mode::Live {
        bail!("mode is \"sandbox\", which has no operators: its key does all that they do; set mode = \"live\"");
    }
    let store = app::open_store(&config).context(
        "cannot open the database; while the service runs, an admin uses the routes under /operator/operators",
    )?;
    actix_web::rt::System::new().block_on(run_on(&store, arguments.command))?;
    store.close();
    Ok(ExitCode::SUCCESS)
}

async fn run_on(store: &Store, command: OperatorCommand) -> anyhow::Result<()> {
    match command {
        OperatorCommand::Create { name, role } => create(store, name, role.into()).await,
        OperatorCommand::List => list(store),
        OperatorCommand::Revoke { id, reason } => revoke(store, &id, reason).await,
    }
}

async fn create(store: &Store, name: String, role: Role) -> anyhow::Result<()> {
    let key = entropy::operator_key();
    let hashed = key.clone();
    let request = operators::check_name("NAME", name).map(|name| operators::OperatorRequest {
        name,
        role,
        merchants: Vec::new(),
    });
    let made = store.write(move |tx: &mut Tx<'_>| operators::create(tx, &on_this_machine(), request, &hashed));
    let operator = made.await.map_err(refused)?;
    anstream::println!(
        "Operator {BOLD}{}{BOLD:#} ({}) has id {}.",
        operator.name,
        operator.role.into_str(),
        operator.id
    );
    anstream::println!("The key is shown once and not stored:\n\n    {key}\n");
    Ok(())
}

fn list(store: &Store) -> anyhow::Result<()> {
    let mut page = 1;
    loop {
        let request = PageRequest {
            limit: LIMIT_MAX,
            start: PageStart::Number(page),
        };
        let operators = store.read(|snapshot| snapshot.operators(request))?;
        if page == 1 && operators.rows.is_empty() {
            anstream::println!("There are no operators; `escrowd operator create NAME --role admin` makes the first.");
        }
        for operator in &operators.rows {
            print(operator);
        }
        if operators.is_last() {
            return Ok(());
        }
        page += 1;
    }
}

fn print(operator: &Operator) {
    let last_used = operator
        .last_used_at
        .map_or_else(|| "never".to_owned(), |at| at.to_string());
    let state = match operator.revoked_at {
        Some(at) => format!("revoked {at}"),
        None => format!("last used {last_used}"),
    };
    anstream::println!(
        "{}  {:<8}  {}  created {}, {state}",
        operator.id,
        operator.role.into_str(),
        operator.name,
        operator.created_at
    );
}

async fn revoke(store: &Store, id: &str, reason: String) -> anyhow::Result<()> {
    let Some(id) = OperatorId::parse(id) else {
        bail!("{id:?} is not the id of an operator: 24 lower-case hex characters, as `escrowd operator list` shows");
    };
    let revoked = store.write(move |tx: &mut Tx<'_>| operators::revoke(tx, &on_this_machine(), id, Some(reason)));
    let operator = revoked.await.map_err(refused)?;
    anstream::println!("The key of operator {BOLD}{}{BOLD:#} is revoked.", operator.name);
    Ok(())
}

/// The agent of a command on the machine itself.
const fn on_this_machine() -> Agent {
    Agent {
        operator: None,
        address: None,
    }
}

fn refused(error: commands::Error) -> anyhow::Error {
    match error {
        commands::Error::Refused(refusal) => anyhow::anyhow!("{refusal}"),
        commands::Error::Store(error) => error.into(),
    }
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
