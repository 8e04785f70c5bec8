//! `escrowd clock`: shows a merchant's clock, and moves it forward.

use std::process::ExitCode;

use serde_json::{Value, json};

use crate::cli::output::{print_done, say};
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
    /// Move the clock forward, and wait until the work that became due is done
    Advance {
        /// The time span, at most 3650d: 90s, 10m, 36h, 3d, 1d12h, or a number of seconds
        #[arg(allow_hyphen_values = true)]
        by: String,
    },
}

/// Moves the clock if the command line asks for that, then prints its time.
pub(super) fn run(arguments: ClockArguments) -> anyhow::Result<ExitCode> {
    let ClockArguments { command, sandbox } = arguments;
    let client = sandbox.connect()?;
    match command {
        None => {
            let clock = client.ask("GET", "/sandbox/clock", None, None)?;
            say!("{}", text(&clock, "/now")?);
        }
        Some(ClockCommand::Advance { by }) => {
            let body = json!({ "by": span(by) });
            let clock = client.ask("POST", "/sandbox/clock/advance", None, Some(&body))?;
            let now = text(&clock, "/now")?;
            let done = || format!("the clock was moved to {now}");
            print_done(done, || {
                say!("{now}");
                if let Some(deliveries) = clock["deliveries"].as_u64().filter(|&deliveries| deliveries > 0) {
                    say!("webhook deliveries that became due: {deliveries}");
                }
            });
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Returns the JSON of a time span: a number of seconds if the text is only digits,
/// otherwise the text, which the server parses.
fn span(text: String) -> Value {
    text.parse::<u64>().map_or(Value::String(text), Value::from)
}
