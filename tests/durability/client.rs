//! A hand-written HTTP client with one keep-alive connection. It never sends a request
//! twice, so the tests know exactly which requests the server received and answered.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

pub(crate) struct Connection(BufReader<TcpStream>);

/// A complete reply.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Value,
    /// True if the server repeated an earlier reply to the same idempotency key.
    pub(crate) is_replay: bool,
}

/// A request to send.
pub(crate) struct Request<'a> {
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    pub(crate) customer: &'a str,
    /// Identifies this request in the shim's log.
    pub(crate) mark: &'a str,
    /// The idempotency key. Empty means that the request has none.
    pub(crate) idempotency_key: &'a str,
    pub(crate) body: Option<Value>,
}

impl Connection {
    pub(crate) fn open(address: &str) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        Ok(Self(BufReader::new(stream)))
    }

    /// Sends a request and waits for the reply. An error leaves open if the server did the
    /// work.
    pub(crate) fn send(&mut self, request: &Request<'_>) -> io::Result<Answer> {
        let Request {
            method,
            path,
            customer,
            mark,
            idempotency_key,
            body,
        } = request;
        let key = match *idempotency_key {
            "" => String::new(),
            key => format!("idempotency-key: {key}\r\n"),
        };
        let body = body.as_ref().map(Value::to_string).unwrap_or_default();
        let text = format!(
            "{method} {path} HTTP/1.1\r\nhost: localhost\r\ncustomer-id: {customer}\r\nx-mark: {mark}\r\n{key}\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        self.0.get_mut().write_all(text.as_bytes())?;
        self.read_answer()
    }

    pub(crate) fn get(&mut self, path: &str, customer: &str) -> io::Result<Answer> {
        self.send(&Request {
            method: "GET",
            path,
            customer,
            mark: "",
            idempotency_key: "",
            body: None,
        })
    }

    fn read_answer(&mut self) -> io::Result<Answer> {
        let cut_off = || io::Error::from(io::ErrorKind::UnexpectedEof);
        let first = self.read_line()?;
        let status = first.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.ok_or_else(cut_off)?;
        let (mut length, mut is_replay) = (0, false);
        loop {
            let line = self.read_line()?;
            match line.split_once(": ") {
                Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                    length = value.parse().map_err(|_| cut_off())?;
                }
                Some((name, _)) => is_replay |= name.eq_ignore_ascii_case("idempotent-replayed"),
                None => break,
            }
        }
        let mut body = vec![0; length];
        self.0.read_exact(&mut body)?;
        let body = serde_json::from_slice(&body)?;
        Ok(Answer {
            status,
            body,
            is_replay,
        })
    }

    fn read_line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        self.0.read_line(&mut line)?;
        if line.ends_with("\r\n") {
            line.truncate(line.len() - 2);
            Ok(line)
        } else {
            Err(io::ErrorKind::UnexpectedEof.into())
        }
    }
}
