//! The log on stderr: one line for each record, as text or as JSON. A reload replaces its
//! level and its format while the service runs.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::fmt;
use std::io::{self, Write as _};
use std::panic::{self, PanicHookInfo};
use std::sync::{Arc, OnceLock};
use std::thread;

use arc_swap::ArcSwap;
use env_logger::Target;
use env_logger::fmt::Formatter;
use log::kv::{self, VisitSource, VisitValue};
use log::{Log, Metadata, Record};
use serde_json::{Map, Value};

use crate::cli::log_queue::LogQueue;
use crate::clock::SystemClock;
use crate::config::{LogFormat, LogLevel};
use crate::domain::time::Clock as _;
use crate::http;
use crate::http_client::CERTIFICATES_LOG;

/// The log of the process.
static LOG: OnceLock<ReplaceableLog> = OnceLock::new();

/// A log whose level and format can be replaced.
struct ReplaceableLog {
    queue: LogQueue,
    logger: ArcSwap<env_logger::Logger>,
}

impl Log for ReplaceableLog {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.logger.load().enabled(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        self.logger.load().log(record);
    }

    fn flush(&self) {
        self.queue.flush();
    }
}

/// Starts the log.
///
/// # Errors
///
/// Fails if the system starts no thread for it.
pub(super) fn start(level: LogLevel, format: LogFormat) -> io::Result<()> {
    let queue = LogQueue::start(io::stderr(), |lost| {
        log::error!("{lost} lines of the log are lost: nothing took them for a time");
    })?;
    let logger = logger(level, format, queue.clone());
    log::set_max_level(logger.filter());
    let logger = ArcSwap::from_pointee(logger);
    let log = LOG.get_or_init(|| ReplaceableLog { queue, logger });
    // A program that embeds the service may have a log of its own.
    drop(log::set_logger(log));
    // The default hook writes to stderr itself, and would wait for its reader.
    panic::set_hook(Box::new(|panic| log_panic(panic, &Backtrace::capture())));
    Ok(())
}

/// Replaces the level and the format of the log.
pub(super) fn replace(level: LogLevel, format: LogFormat) {
    if let Some(log) = LOG.get() {
        let logger = logger(level, format, log.queue.clone());
        log::set_max_level(logger.filter());
        log.logger.store(Arc::new(logger));
    }
}

/// Waits until the lines of the log are written, a second at most. The process may end then.
pub(super) fn flush() {
    if let Some(log) = LOG.get() {
        log.queue.flush();
    }
}

/// Prints the error with which the process ends to stderr. Never waits for its reader if the log
/// was started.
pub(super) fn print_error(error: fmt::Arguments<'_>) {
    match LOG.get() {
        // `writeln!` would hand the queue the parts of a line, and it takes whole ones.
        Some(log) => drop(log.queue.clone().write_all(format!("{error}\n").as_bytes())),
        None => anstream::eprintln!("{error}"),
    }
}

fn log_panic(panic: &PanicHookInfo<'_>, backtrace: &Backtrace) {
    let thread = thread::current();
    let name = thread.name().unwrap_or("without a name");
    match backtrace.status() {
        BacktraceStatus::Captured => log::error!("thread {name} {panic}\n{backtrace}"),
        _ => log::error!("thread {name} {panic}"),
    }
}

/// Other libraries log warnings at most. The HTTP library's messages on malformed requests are
/// dropped, since only the client can correct those requests. So are those on certificates of
/// receivers, since the service itself says once that a receiver fails, and why.
fn logger(level: LogLevel, format: LogFormat, queue: LogQueue) -> env_logger::Logger {
    let level = match level {
        LogLevel::Error => "error",
        LogLevel::Warn => "warn",
        LogLevel::Info => "warn,escrowd=info",
    };
    let filters = format!("{level},{}=off,{CERTIFICATES_LOG}=off", http::CLIENT_ERRORS_LOG);
    let write = match format {
        LogFormat::Text => write_text,
        LogFormat::Json => write_json,
    };
    env_logger::Builder::new()
        .parse_filters(&filters)
        .format(write)
        .write_style(anstream::AutoStream::choice(&io::stderr()).into())
        .target(Target::Pipe(Box::new(queue)))
        .build()
}

fn write_text(out: &mut Formatter, record: &Record<'_>) -> io::Result<()> {
    let (time, level) = (out.timestamp(), record.level());
    let style = out.default_level_style(level);
    let message = escaped(&record.args().to_string());
    writeln!(out, "[{time} {style}{level:<5}{style:#} {}] {message}", record.target())
}

fn write_json(out: &mut Formatter, record: &Record<'_>) -> io::Result<()> {
    writeln!(out, "{}", json_of(record))
}

/// Returns a record as one JSON object on one line. Its own fields follow those of every
/// record.
fn json_of(record: &Record<'_>) -> String {
    let mut fields = Fields(Map::new());
    fields.add("time", SystemClock.now().to_string());
    fields.add("level", record.level().as_str().to_lowercase());
    fields.add("target", record.target());
    fields.add("message", record.args().to_string());
    // The fields' visitor does not fail.
    drop(record.key_values().visit(&mut fields));
    let json = Value::Object(fields.0).to_string();
    let is_plain = |c: char| !c.is_control() && !matches!(c, '\u{2028}' | '\u{2029}');
    if json.chars().all(is_plain) {
        return json;
    }
    // JSON itself allows these characters, but a terminal may obey them.
    let mut escaped = String::with_capacity(json.len());
    for c in json.chars() {
        if is_plain(c) {
            escaped.push(c);
        } else {
            escaped.extend(format!("\\u{:04x}", u32::from(c)).chars());
        }
    }
    escaped
}

/// The fields of a record, without those that have no value.
struct Fields(Map<String, Value>);

impl Fields {
    fn add(&mut self, name: &str, value: impl Into<Value>) {
        self.0.insert(name.to_owned(), value.into());
    }
}

impl<'kvs> VisitSource<'kvs> for Fields {
    fn visit_pair(&mut self, key: kv::Key<'kvs>, value: kv::Value<'kvs>) -> Result<(), kv::Error> {
        let mut found = Found(None);
        value.visit(&mut found)?;
        if let Some(value) = found.0 {
            self.add(key.as_str(), value);
        }
        Ok(())
    }
}

/// The value of a field, `None` if it is null.
struct Found(Option<Value>);

impl VisitValue<'_> for Found {
    fn visit_any(&mut self, value: kv::Value<'_>) -> Result<(), kv::Error> {
        self.0 = Some(value.to_string().into());
        Ok(())
    }

    fn visit_null(&mut self) -> Result<(), kv::Error> {
        Ok(())
    }

    fn visit_u64(&mut self, value: u64) -> Result<(), kv::Error> {
        self.0 = Some(value.into());
        Ok(())
    }

    fn visit_i64(&mut self, value: i64) -> Result<(), kv::Error> {
        self.0 = Some(value.into());
        Ok(())
    }

    fn visit_f64(&mut self, value: f64) -> Result<(), kv::Error> {
        self.0 = Some(value.into());
        Ok(())
    }
}

/// Escapes control characters, so that no text of a client can begin a line of the log or
/// command the terminal that shows it.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() {
            escaped.extend(c.escape_default());
        } else {
            escaped.push(c);
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use log::Level;

    use super::*;

    fn json(message: fmt::Arguments<'_>, fields: &dyn kv::Source) -> Value {
        let mut record = Record::builder();
        let record = record.level(Level::Warn).target("escrowd::part").args(message);
        let text = json_of(&record.key_values(&fields).build());
        assert!(!text.contains(char::is_control), "{text}");
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn a_record_is_one_object_with_its_fields() {
        let absent: Option<u64> = None;
        let fields: &[(&str, kv::Value<'_>)] = &[
            ("status", kv::Value::from(200_u64)),
            ("path", kv::Value::from("/v1/wallet")),
            ("durationMs", kv::Value::from(0.25)),
            ("merchant", kv::ToValue::to_value(&absent)),
        ];
        let object = json(format_args!("answered"), &fields);
        let keys: Vec<&String> = object.as_object().unwrap().keys().collect();
        assert_eq!(
            keys,
            ["time", "level", "target", "message", "status", "path", "durationMs"]
        );
        assert_eq!(object["level"], "warn");
        assert_eq!(object["target"], "escrowd::part");
        assert_eq!(object["message"], "answered");
        assert_eq!(
            (&object["status"], &object["durationMs"]),
            (&Value::from(200), &Value::from(0.25))
        );
        let time = object["time"].as_str().unwrap();
        assert!(
            time.ends_with('Z') && time.len() == "2026-11-27T05:45:00.000Z".len(),
            "{time}"
        );
    }

    #[test]
    fn messages_on_certificates_of_receivers_are_dropped() {
        let queue = LogQueue::start(io::sink(), |_| {}).unwrap();
        let logger = logger(LogLevel::Info, LogFormat::Text, queue);
        let is_written = |target: &str| {
            let of_record = Metadata::builder().level(Level::Error).target(target).build();
            logger.enabled(&of_record)
        };
        assert!(!is_written(&format!("{CERTIFICATES_LOG}::verification::others")));
        assert!(is_written("other") && is_written("escrowd::webhooks"));
    }

    #[test]
    fn control_characters_are_escaped() {
        let hostile = "a\r\nb\u{1b}[2J\u{7f}\u{9b}31m\u{2028}";
        let nothing: &[(&str, kv::Value<'_>)] = &[];
        assert_eq!(json(format_args!("{hostile}"), &nothing)["message"], hostile);
        assert_eq!(escaped(hostile), "a\\r\\nb\\u{1b}[2J\\u{7f}\\u{9b}31m\u{2028}");
    }
}
