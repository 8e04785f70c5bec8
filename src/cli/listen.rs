//! `escrowd listen`: shows events as they happen.

use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use crate::cli::client::SandboxClient;
use crate::cli::sandbox::{SandboxArguments, text};

#[derive(Debug, clap::Args)]
pub(super) struct ListenArguments {
    /// Only events of this type or family: escrow.completed, escrow, payment.escrow
    #[arg(long = "type", value_name = "TYPE")]
    event_type: Option<String>,
    /// Only events of this escrow
    #[arg(long, value_name = "ID")]
    escrow: Option<String>,
    /// Only events of this customer
    #[arg(long, value_name = "ID")]
    customer: Option<String>,
    /// Print each event's payload as one line of JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    sandbox: SandboxArguments,
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
    let newest = client.ask("GET", &format!("/sandbox/events?limit=1{filter}"), None, None)?;
    let newest = newest.pointer("/data/0/id").and_then(Value::as_str);
    let mut inbox = Inbox {
        client,
        filter,
        newest: newest.unwrap_or(SMALLEST_ID).to_owned(),
    };
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

/// The events that match the filter, read page by page.
struct Inbox {
    client: SandboxClient,
    filter: String,
    /// The id of the newest event that was read.
    newest: String,
}

impl Inbox {
    /// Returns the events since the previous call, oldest first, at most [`PAGE`].
    fn next_page(&mut self) -> anyhow::Result<Vec<Value>> {
        let path = format!("/sandbox/events?limit={PAGE}&after={}{}", self.newest, self.filter);
        let mut page = self.client.ask("GET", &path, None, None)?;
        let events = match page["data"].take() {
            Value::Array(events) => events,
            _ => Vec::new(),
        };
        if let Some(newest) = events.last() {
            self.newest = text(newest, "/id")?;
        }
        Ok(events)
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
