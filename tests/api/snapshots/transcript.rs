//! Records requests and their replies, and renders them for a snapshot.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use super::layout::laid_out;
use super::redaction::Redaction;
use crate::helpers::Answer;

/// Headers that the transcript omits: every reply has them, or they depend on timing. The
/// service closes a connection if it replies before it has read the whole body.
const USUAL_HEADERS: [&str; 6] = [
    "connection",
    "content-length",
    "date",
    "keep-alive",
    "vary",
    "x-request-id",
];
/// The longest request body in the transcript, in bytes.
const BODY_BYTES_SHOWN: usize = 4_096;

/// A request as it was sent.
#[derive(Debug)]
pub(crate) struct Request<'a> {
    /// Method and path.
    pub(crate) line: String,
    pub(crate) headers: &'a [(&'a str, &'a str)],
    pub(crate) body: Option<&'a [u8]>,
}

/// Requests and replies in their order.
#[derive(Debug)]
pub(crate) struct Transcript {
    server: String,
    is_paused: AtomicBool,
    entries: Mutex<Vec<Entry>>,
}

#[derive(Debug)]
enum Entry {
    /// A heading.
    Note(String),
    /// A line of a table: a label and a reply.
    Line { label: String, reply: String },
    /// A JSON text by itself.
    Json(String),
    /// A text without a layout.
    Plain(String),
    Exchange {
        head: String,
        sent: Option<String>,
        reply_head: String,
        reply: String,
    },
}

/// Stops the recording until it is dropped.
pub(crate) struct Pause<'a>(&'a AtomicBool);

impl Drop for Pause<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::SeqCst);
    }
}

impl Transcript {
    /// Starts a transcript of the service at this address.
    pub(crate) fn of(server: SocketAddr) -> Self {
        Self {
            server: server.to_string(),
            is_paused: AtomicBool::new(false),
            entries: Mutex::default(),
        }
    }

    /// Stops recording until the returned pause is dropped.
    pub(crate) fn pause(&self) -> Pause<'_> {
        self.is_paused.store(true, Ordering::SeqCst);
        Pause(&self.is_paused)
    }

    /// Adds a heading.
    pub(crate) fn note(&self, note: &str) {
        self.push(Entry::Note(note.to_owned()));
    }

    /// Adds a line with the message of a success or the whole body of a refusal. Values of
    /// one field that get the same reply share a line.
    pub(crate) fn line(&self, label: &str, answer: &Answer) {
        let reply = if answer.status < 300 {
            format!("{:?}", answer.message())
        } else {
            answer.text.clone()
        };
        self.line_of(label, answer, &reply);
    }

    /// Adds a line with this text in place of the reply's body.
    pub(crate) fn line_of(&self, label: &str, answer: &Answer, reply: &str) {
        let headers = headers_of(answer).join(", ");
        let status = answer.status;
        let space = if headers.is_empty() { "" } else { " " };
        let reply = self.hide_address(&format!("{status} {reply}{space}{headers}"));
        let label = label.to_owned();
        let mut entries = self.entries.lock().unwrap();
        if let Some(Entry::Line {
            label: before,
            reply: same,
        }) = entries.last_mut()
            && let (Some((field, _)), Some((same_field, value))) = (before.split_once(" = "), label.split_once(" = "))
            && (field, same.as_str()) == (same_field, reply.as_str())
        {
            before.push_str(" or ");
            before.push_str(value);
            return;
        }
        entries.push(Entry::Line { label, reply });
    }

    /// Adds a JSON text by itself.
    pub(crate) fn json(&self, text: &str) {
        self.push(Entry::Json(self.hide_address(text)));
    }

    /// Adds a text as it is.
    pub(crate) fn plain(&self, text: &str) {
        self.push(Entry::Plain(self.hide_address(text)));
    }

    /// Adds a request with its reply, unless the recording is paused.
    pub(crate) fn add(&self, request: &Request<'_>, answer: &Answer) {
        if self.is_paused.load(Ordering::SeqCst) {
            return;
        }
        let mut head = request.line.clone();
        for (name, value) in request
            .headers
            .iter()
            .filter(|header| **header != ("content-type", "application/json"))
        {
            write!(head, "\n{name}: {value}").unwrap();
        }
        let mut reply_head = answer.status.to_string();
        for header in headers_of(answer) {
            write!(reply_head, "\n{header}").unwrap();
        }
        self.push(Entry::Exchange {
            head,
            sent: request.body.map(shown),
            reply_head,
            reply: self.hide_address(&answer.text),
        });
    }

    fn push(&self, entry: Entry) {
        self.entries.lock().unwrap().push(entry);
    }

    fn hide_address(&self, text: &str) -> String {
        text.replace(&self.server, "[server]")
    }

    /// Renders the transcript.
    pub(crate) fn text(&self, redaction: &mut Redaction) -> String {
        let mut text = String::new();
        for entry in self.entries.lock().unwrap().iter() {
            match entry {
                Entry::Note(note) => writeln!(text, "\n=== {}\n", redaction.of(note)).unwrap(),
                Entry::Line { label, reply } => {
                    writeln!(text, "{:<40} {}", redaction.of(label), redaction.of(reply)).unwrap();
                }
                Entry::Plain(plain) => writeln!(text, "{}", redaction.of(plain)).unwrap(),
                Entry::Json(json) => writeln!(text, "{}\n", laid_out_reply(&redaction.of(json))).unwrap(),
                Entry::Exchange {
                    head,
                    sent,
                    reply_head,
                    reply,
                } => {
                    writeln!(text, "{}", redaction.of(head)).unwrap();
                    if let Some(sent) = sent {
                        let sent = redaction.of(sent);
                        writeln!(text, "{}", laid_out(&sent).unwrap_or(sent)).unwrap();
                    }
                    writeln!(text, "{}", redaction.of(reply_head)).unwrap();
                    let reply = redaction.of(reply);
                    let is_csv = reply_head.contains("content-type: text/csv");
                    let reply = if is_csv {
                        reply.replace("\r\n", "\n")
                    } else {
                        laid_out_reply(&reply)
                    };
                    writeln!(text, "{reply}\n").unwrap();
                }
            }
        }
        text
    }
}

/// Lays out JSON that the service sent, which must not contain spaces.
fn laid_out_reply(text: &str) -> String {
    laid_out(text).unwrap_or_else(|| panic!("no JSON without spaces: {text}"))
}

/// Returns the reply's headers that the transcript contains. It has the content type only
/// if that is not JSON.
fn headers_of(answer: &Answer) -> Vec<String> {
    assert!(answer.header("x-request-id").is_some(), "{answer:?}");
    let is_usual = |name: &str, value: &str| {
        USUAL_HEADERS.contains(&name) || (name, value) == ("content-type", "application/json")
    };
    let headers = answer.headers.iter();
    let headers = headers.filter(|(name, value)| !is_usual(name, value));
    let mut headers: Vec<String> = headers
        .map(|(name, value)| match (name.as_str(), answer.header("ratelimit")) {
            // The rate limit header has the same number of seconds.
            ("retry-after", Some(_)) => format!("{name}: [seconds]"),
            _ => format!("{name}: {value}"),
        })
        .collect();
    headers.sort();
    headers
}

/// Renders a request's body, with escapes for bytes that are not text.
fn shown(body: &[u8]) -> String {
    if body.len() > BODY_BYTES_SHOWN {
        return format!("({} bytes)", body.len());
    }
    match std::str::from_utf8(body) {
        Ok(text) if !text.contains('\r') => text.to_owned(),
        _ => body
            .escape_ascii()
            .to_string()
            .replace("\\r\\n", "\n")
            .replace("\\\"", "\""),
    }
}
