//! `escrowd clock`: shows a merchant's clock, and moves it.

use std::process::ExitCode;

use serde_json::{Value, json};

use crate::cli::sandbox::{SandboxArguments, text};

#[derive(Debug, clap::Args)]
pub(super) struct ClockArguments {
    #[command(subcommand)]
    command: Option<ClockCommand>,
    #[command(flatten)]
    sandbox: SandboxArguments,
}

#[derive(Debug, clap::Subcommand)]
enum ClockCommand {
    /// Move the clock forward; what falls due is done before this returns
    Advance {
        /// By how much: 90s, 10m, 36h, 3d, 1d12h, or a number of seconds
        by: String,
    },
}

/// Shows the clock, moved first if that was asked.
pub(super) fn run(arguments: ClockArguments) -> anyhow::Result<ExitCode> {
    let ClockArguments { command, sandbox } = arguments;
    let client = sandbox.connect()?;
    let clock = match command {
        None => client.ask("GET", "/sandbox/clock", None, None)?,
        Some(ClockCommand::Advance { by }) => {
            let body = json!({ "by": span(by) });
            client.ask("POST", "/sandbox/clock/advance", None, Some(&body))?
        }
    };
    anstream::println!("{}", text(&clock, "/now")?);
    if let Some(deliveries) = clock["deliveries"].as_u64().filter(|&deliveries| deliveries > 0) {
        anstream::println!("webhooks that fell due: {deliveries}");
    }
    Ok(ExitCode::SUCCESS)
}

/// Digits alone are a number of seconds.
fn span(text: String) -> Value {
    text.parse::<u64>().map_or(Value::String(text), Value::from)
}
