//! The command line: one file for each subcommand.
//!
//! Exit codes: 0 on success, 1 if the command failed or found a problem, 2 if the command
//! line is invalid.

mod check;
mod client;
mod clock;
mod demo;
mod event_stream;
mod keygen;
mod listen;
mod operator;
mod position;
mod reset;
mod sandbox;
mod serve;
mod trigger;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

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
    /// Run one deal from offer to payout on a temporary database, and show its transfers
    Demo(demo::DemoArguments),
    /// Audit the ledger of a database file, even while a server uses the file
    Check(check::CheckArguments),
    /// Show where the money of a database file is and how much the bank should hold, even
    /// while a server uses the file
    Position(position::PositionArguments),
    /// Generate a secret key for live mode, and its hash for config.toml
    Keygen,
    /// Make, list and revoke the operators of a live database that no service uses
    Operator(operator::OperatorArguments),
    /// Cause an event in a running sandbox, and print the ids of the objects it needed
    Trigger(trigger::TriggerArguments),
    /// Show a running sandbox's events as they happen
    Listen(listen::ListenArguments),
    /// Show a merchant's clock in a running sandbox, or move it forward
    Clock(clock::ClockArguments),
    /// Start over with a new, empty merchant in a running sandbox
    Reset(reset::ResetArguments),
}

/// Parses the command line, runs the command and returns the exit code.
pub fn run() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = match arguments.command.unwrap_or(Command::Serve(arguments.serve)) {
        Command::Serve(arguments) => serve::run(arguments),
        Command::Demo(arguments) => demo::run(&arguments),
        Command::Check(arguments) => check::run(&arguments),
        Command::Position(arguments) => position::run(&arguments),
        Command::Keygen => Ok(keygen::run()),
        Command::Operator(arguments) => operator::run(arguments),
        Command::Trigger(arguments) => trigger::run(arguments),
        Command::Listen(arguments) => listen::run(arguments),
        Command::Clock(arguments) => clock::run(arguments),
        Command::Reset(arguments) => reset::run(arguments),
    };
    outcome.unwrap_or_else(|error| {
        anstream::eprintln!("escrowd: {error:#}");
        ExitCode::FAILURE
    })
}
