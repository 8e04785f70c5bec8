//! `escrowd listen`: shows events as they happen.

use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use crate::cli::client::SandboxClient;
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

const FAINT: Style = Style::new().dimmed();
const GOOD: Style = AnsiColor::Green.on_default();

/// The pause between two requests for new events.
const PAUSE: Duration = Duration::from_millis(300);
/// The most events in one reply.
const PAGE: usize = 100;

/// Shows events until the process is interrupted. If the sandbox becomes unreachable, it
/// is polled until it replies again.
pub(super) fn run(arguments: ListenArguments) -> anyhow::Result<ExitCode> {
    let filter = [
        ("type", arguments.event_type),
        ("escrowId", arguments.escrow),
        ("customerId", arguments.customer),
    ];
    let filter: String = filter
        .iter()
        .filter_map(|(name, value)| {
            value
                .as_ref()
                .map(|value| format!("&{name}={}", utf8_percent_encode(value, NON_ALPHANUMERIC)))
        })
        .collect();
    let client = arguments.sandbox.connect()?;
    let mut inbox = Inbox {
        seen: newest_event(&client)?,
        client,
        filter,
    };
    // A wrong filter ends the command here, before the first event.
    inbox.events_since_seen()?;
    anstream::eprintln!("Listening for events; press Ctrl-C to stop.");
    let mut is_unreachable = false;
    loop {
        match inbox.next_page() {
            Ok(events) => {
                if is_unreachable {
                    anstream::eprintln!("the sandbox is reachable again");
                }
                is_unreachable = false;
                for event in &events {
                    show(event, arguments.json)?;
                }
                if events.len() == PAGE {
                    continue;
                }
            }
            Err(error) if !is_unreachable => {
                anstream::eprintln!("{error:#}; waiting for it to come back");
                is_unreachable = true;
            }
            Err(_) => {}
        }
        thread::sleep(PAUSE);
    }
}

/// The id to start after if there is no event yet: it sorts before every event id.
const SMALLEST_ID: &str = "000000000000000000000000";

/// Returns the id of the newest event, whatever it is about.
fn newest_event(client: &SandboxClient) -> anyhow::Result<String> {
    let newest = client.ask("GET", "/sandbox/events?limit=1", None, None)?;
    let id = newest.pointer("/data/0/id").and_then(Value::as_str);
    Ok(id.unwrap_or(SMALLEST_ID).to_owned())
}

/// The events that match the filter, read page by page.
struct Inbox {
    client: SandboxClient,
    filter: String,
    /// The id of an event. All events up to it have been shown, or do not match the filter.
    seen: String,
}

impl Inbox {
    /// Returns the events since the previous call, oldest first, at most [`PAGE`]. Asks for
    /// them only if there is any new event. The sandbox then looks at new events alone, even
    /// if none has matched the filter for long.
    fn next_page(&mut self) -> anyhow::Result<Vec<Value>> {
        let newest = newest_event(&self.client)?;
        // Ids of events grow with time. Retention may have removed the newest.
        if newest <= self.seen {
            return Ok(Vec::new());
        }
        let events = self.events_since_seen()?;
        let last = events.last().map(|event| text(event, "/id")).transpose()?;
        self.seen = match last {
            Some(last) if events.len() == PAGE => last,
            Some(last) => last.max(newest),
            None => newest,
        };
        Ok(events)
    }

    fn events_since_seen(&self) -> anyhow::Result<Vec<Value>> {
        let path = format!("/sandbox/events?limit={PAGE}&after={}{}", self.seen, self.filter);
        let mut page = self.client.ask("GET", &path, None, None)?;
        match page["data"].take() {
            Value::Array(events) => Ok(events),
            _ => Ok(Vec::new()),
        }
    }
}

fn show(event: &Value, json: bool) -> anyhow::Result<()> {
    if json {
        anstream::println!("{}", event["payload"]);
        return Ok(());
    }
    let (at, name) = (text(event, "/createdAt")?, text(event, "/type")?);
    let about = ["escrowId", "customerId"]
        .iter()
        .filter_map(|&key| event[key].as_str().map(|id| format!("  {key} {id}")));
    let about: String = about.collect();
    anstream::println!("{FAINT}{at}{FAINT:#}  {GOOD}{name:<32}{GOOD:#}{about}");
    Ok(())
}
