//! `escrowd listen`: shows events as they happen.

use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use crate::cli::event_stream::StreamedEvent;
use crate::cli::output::{FAINT, GREEN, say};
use crate::cli::sandbox::{SandboxArguments, text};
use crate::domain::events::event::EventType;
use crate::domain::ids::{CustomerId, EscrowId};

#[derive(Debug, clap::Args)]
pub(super) struct ListenArguments {
    /// Only events of this type or family: escrow.completed, escrow, payment.escrow
    #[arg(long = "type", value_name = "TYPE", value_parser = event_type)]
    event_type: Option<String>,
    /// Only events of this escrow
    #[arg(long, value_name = "ID", value_parser = escrow_id)]
    escrow: Option<String>,
    /// Only events of this customer
    #[arg(long, value_name = "ID", value_parser = customer_id)]
    customer: Option<String>,
    /// Print each event's payload as one line of JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    sandbox: SandboxArguments,
}

/// Checks the name of an event or a family, so that a misspelled one does not listen for
/// ever.
fn event_type(text: &str) -> Result<String, String> {
    checked(text, EventType::parse(text).is_some(), &EventType::expected())
}

fn escrow_id(text: &str) -> Result<String, String> {
    checked(text, EscrowId::parse(text).is_some(), EscrowId::SHAPE)
}

fn customer_id(text: &str) -> Result<String, String> {
    checked(text, CustomerId::parse(text).is_some(), CustomerId::SHAPE)
}

fn checked(text: &str, is_valid: bool, expected: &str) -> Result<String, String> {
    if is_valid {
        Ok(text.to_owned())
    } else {
        Err(format!("it must be {expected}"))
    }
}

/// The pause before a stream that has ended is opened again.
const PAUSE: Duration = Duration::from_millis(300);

/// Shows events until the process is interrupted. If the sandbox becomes unreachable, the
/// stream is opened again behind the last event, until the sandbox replies.
pub(super) fn run(arguments: ListenArguments) -> anyhow::Result<ExitCode> {
    let filter = [
        ("type", arguments.event_type),
        ("escrowId", arguments.escrow),
        ("customerId", arguments.customer),
    ];
    let filter = filter.iter().filter_map(|(name, value)| {
        let value = utf8_percent_encode(value.as_ref()?, NON_ALPHANUMERIC);
        Some(format!("{name}={value}"))
    });
    let path = format!("/sandbox/events/stream?{}", filter.collect::<Vec<_>>().join("&"));
    let client = arguments.sandbox.connect()?;
    let mut last = None;
    // A refused filter ends the command here.
    let mut stream = Some(client.stream(&path, None)?);
    anstream::eprintln!("Listening for events; press Ctrl-C to stop.");
    let mut is_unreachable = false;
    loop {
        let read = match &mut stream {
            Some(stream) => stream.next_event().map(Some),
            None => client.stream(&path, last.as_deref()).map(|opened| {
                stream = Some(opened);
                None
            }),
        };
        match read {
            Ok(event) => {
                if is_unreachable {
                    anstream::eprintln!("the sandbox is reachable again");
                }
                is_unreachable = false;
                let Some(StreamedEvent { id, data }) = event else {
                    continue;
                };
                if let Some(event) = &data {
                    show(event, arguments.json)?;
                }
                last = Some(id);
            }
            Err(error) => {
                if !is_unreachable {
                    anstream::eprintln!("{error:#}; waiting for it to come back");
                }
                is_unreachable = true;
                stream = None;
                thread::sleep(PAUSE);
            }
        }
    }
}

fn show(event: &Value, json: bool) -> anyhow::Result<()> {
    if json {
        say!("{}", event["payload"]);
        return Ok(());
    }
    let (at, name) = (text(event, "/createdAt")?, text(event, "/type")?);
    let about = ["escrowId", "customerId"]
        .iter()
        .filter_map(|&key| event[key].as_str().map(|id| format!("  {key} {id}")));
    let about: String = about.collect();
    say!("{FAINT}{at}{FAINT:#}  {GREEN}{name:<32}{GREEN:#}{about}");
    Ok(())
}
