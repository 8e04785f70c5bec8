//! The command line: one file for each subcommand.
//!
//! Exit codes: 0 on success, 1 if the command failed or found a problem, 2 if the command line is
//! invalid, 130 after a second signal that stops the service.

mod backup;
mod check;
mod client;
mod clock;
mod completions;
mod config;
mod copy;
mod demo;
mod demo_web;
mod event_stream;
mod health;
mod key;
mod listen;
mod log_output;
mod log_queue;
mod man;
mod merchant;
mod open_files;
mod operator;
mod output;
mod position;
mod reload;
mod reset;
mod restore;
mod sandbox;
mod serve;
mod service;
mod service_manager;
mod settings;
mod snapshot;
mod stop_signals;
mod trigger;

use std::env;
use std::process::ExitCode;

use clap::builder::Resettable;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

/// A milestone-escrow service in one binary, with SQLite inside.
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: serve::ServeArguments,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start the service; this is the default command
    Serve(serve::ServeArguments),
    /// Run one deal from the offer to the last payment on a temporary database, and show its
    /// transfers, or tell stories in a browser
    Demo(demo::DemoArguments),
    /// Audit the ledger of a database, also while a service uses it
    Check(check::CheckArguments),
    /// Show where the money of a database is and how much the bank should hold, also while a
    /// service uses it
    Position(position::PositionArguments),
    /// Copy a database file and its uploaded files, also while a service uses them, and check the
    /// copy
    Backup(backup::BackupArguments),
    /// Put a backup in the place of a database file that no service uses
    Restore(restore::RestoreArguments),
    /// Copy a database that no service uses from a file to PostgreSQL, or back, and check the copy
    Copy(copy::CopyArguments),
    /// Save the state of a sandbox for tests, or put a saved one back
    Snapshot(snapshot::SnapshotArguments),
    /// Create merchants in a running live service, and keep their settings and webhooks
    Merchant(merchant::MerchantArguments),
    /// Create, list, rotate and revoke a merchant's keys in a running live service
    Key(key::KeyArguments),
    /// Make, list and revoke operators, in a running live service or in its database
    Operator(operator::OperatorArguments),
    /// Cause an event in a running sandbox, and print the ids of the objects it needed
    Trigger(trigger::TriggerArguments),
    /// Show a running sandbox's events as they happen
    Listen(listen::ListenArguments),
    /// Show a merchant's clock in a running sandbox, or move it forward
    Clock(clock::ClockArguments),
    /// Start over with a new, empty merchant in a running sandbox
    Reset(reset::ResetArguments),
    /// Ask a running service if it can serve, as a health check
    Health(health::HealthArguments),
    /// Show the settings in force and their sources, or the commented defaults
    Config(config::ConfigArguments),
    /// Print the script with which a shell completes escrowd's commands and options
    Completions(completions::CompletionsArguments),
    /// Print the manual page, or write the pages of all commands to a folder
    Man(man::ManArguments),
}

/// Parses the command line. `--own-merchant` stands in the place of a key, so it outranks the variable
/// of one; the parser would refuse both together.
fn parse() -> Result<Arguments, clap::Error> {
    let mut command = Arguments::command();
    if env::args_os().any(|argument| argument == "--own-merchant") {
        command = command.mut_subcommand("trigger", |trigger| {
            trigger.mut_arg("key", |key| key.env(Resettable::Reset))
        });
    }
    Arguments::from_arg_matches(&command.try_get_matches()?)
}

/// Returns the error of the command line as it was typed. The parser takes options that are set by
/// environment variables for typed ones, and shows them in the usage as if they were required.
fn as_typed(error: clap::Error) -> clap::Error {
    fn without_variables(command: clap::Command) -> clap::Command {
        let names: Vec<String> = command
            .get_subcommands()
            .map(|below| below.get_name().to_owned())
            .collect();
        let command = command.mut_args(|argument| argument.env(Resettable::Reset));
        names
            .into_iter()
            .fold(command, |command, name| command.mut_subcommand(name, without_variables))
    }
    let typed = without_variables(Arguments::command()).try_get_matches();
    // An option that a variable sets wrongly, or a page of help, which names the variables.
    let is_same = |typed: &clap::Error| typed.kind() == error.kind() && error.use_stderr();
    typed.err().filter(is_same).unwrap_or(error)
}

/// Parses the command line, runs the command and returns the exit code.
pub fn run() -> ExitCode {
    let outcome = match parse() {
        Ok(arguments) => run_command(arguments),
        Err(error) if error.use_stderr() => as_typed(error).exit(),
        Err(help_or_version) => output::print(help_or_version.render().ansi().to_string().as_bytes()),
    };
    let code = outcome.unwrap_or_else(|error| {
        log_output::print_error(format_args!("escrowd: {error:#}"));
        ExitCode::FAILURE
    });
    log_output::flush();
    code
}

fn run_command(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let command = arguments.command.unwrap_or(Command::Serve(arguments.serve));
    output::catching(|| match command {
        Command::Serve(arguments) => serve::run(arguments),
        Command::Demo(arguments) => demo::run(&arguments),
        Command::Check(arguments) => check::run(&arguments),
        Command::Position(arguments) => position::run(&arguments),
        Command::Backup(arguments) => backup::run(&arguments),
        Command::Restore(arguments) => restore::run(&arguments),
        Command::Copy(arguments) => copy::run(&arguments),
        Command::Snapshot(arguments) => snapshot::run(arguments),
        Command::Merchant(arguments) => merchant::run(arguments),
        Command::Key(arguments) => key::run(arguments),
        Command::Operator(arguments) => operator::run(arguments),
        Command::Trigger(arguments) => trigger::run(arguments),
        Command::Listen(arguments) => listen::run(arguments),
        Command::Clock(arguments) => clock::run(arguments),
        Command::Reset(arguments) => reset::run(arguments),
        Command::Health(arguments) => health::run(arguments),
        Command::Config(arguments) => config::run(arguments),
        Command::Completions(arguments) => completions::run(&arguments, Arguments::command()),
        Command::Man(arguments) => man::run(&arguments, Arguments::command()),
    })
}
