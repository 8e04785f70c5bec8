//! The command line: one file for each subcommand.
//!
//! Exit codes: 0 when it did what was asked, 1 when it could not or found
//! something wrong, 2 when the command line itself is wrong.

mod check;
mod client;
mod clock;
mod demo;
mod keygen;
mod listen;
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
    /// Start the service (also what happens with no subcommand)
    Serve(serve::ServeArguments),
    /// Walk one deal from offer to paid-out on a throwaway file, and show what moves
    Demo(demo::DemoArguments),
    /// Audit the ledger of a database file; a server may be running on it
    Check(check::CheckArguments),
    /// Make a secret key for live mode, and the hash of it for config.toml
    Keygen,
    /// Make an event happen in a running sandbox: the deal it takes, and its ids
    Trigger(trigger::TriggerArguments),
    /// Show a running sandbox's events as they happen
    Listen(listen::ListenArguments),
    /// Show a merchant's clock in a running sandbox, or move it forward
    Clock(clock::ClockArguments),
    /// Start over in a running sandbox, with nothing
    Reset(reset::ResetArguments),
}

/// Reads the command line, does what it says, and answers the exit code.
pub fn run() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = match arguments.command.unwrap_or(Command::Serve(arguments.serve)) {
        Command::Serve(arguments) => serve::run(arguments),
        Command::Demo(arguments) => demo::run(&arguments),
        Command::Check(arguments) => check::run(&arguments),
        Command::Keygen => Ok(keygen::run()),
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
