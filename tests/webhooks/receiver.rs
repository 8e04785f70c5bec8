//! A receiver of webhooks: an HTTP server that replies as a test has set and keeps the
//! requests.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256, Sha512};
use standardwebhooks::Webhook;
use ureq::http::{HeaderMap, HeaderName, HeaderValue};

use crate::waiting::until;

/// A request that arrived.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
    /// The status of the reply, if there was one.
    pub(crate) status: Option<u16>,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn id(&self) -> &str {
        self.header("webhook-id")
    }

    pub(crate) fn event(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap()
    }

    pub(crate) fn is_taken(&self) -> bool {
        self.status.is_some_and(|status| (200..300).contains(&status))
    }

    /// Returns true if the contract's signature is that of this key.
    pub(crate) fn is_signed_with(&self, key: &str) -> bool {
        let mut mac = Hmac::<Sha512>::new_from_slice(key.as_bytes()).unwrap();
        mac.update(self.body.as_bytes());
        self.header("x-payluk-signature") == hex::encode(mac.finalize().into_bytes())
    }

    /// Asserts that both signatures are those of this key.
    #[track_caller]
    pub(crate) fn verify(&self, key: &str) {
        let webhook = Webhook::from_bytes(Sha256::digest(key).to_vec()).unwrap();
        webhook.verify(self.body.as_bytes(), &self.headers).unwrap();
        assert!(self.is_signed_with(key), "{self:?}");
        assert_eq!(self.header("content-type"), "application/json");
        let agent = self.header("user-agent");
        assert_eq!(agent, "Payluk-Webhook/1.0");
    }
}

/// The reply to a request.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    /// A response with this status.
    Status(u16),
    /// These bytes, which need not be HTTP.
    Raw(Vec<u8>),
    /// No response. The connection stays open until the client or the receiver closes it.
    Never,
}

type Replies = dyn Fn(&Request) -> Reply + Send + Sync;

struct Shared {
    requests: Mutex<Vec<Request>>,
    replies: Mutex<Arc<Replies>>,
    is_stopped: AtomicBool,
    connections: Mutex<Vec<TcpStream>>,
}

/// A receiver on a loopback port. It stops when it is dropped.
pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
}

impl Receiver {
    /// Starts a receiver that takes every event.
    pub(crate) fn start() -> Self {
        Self::start_at(SocketAddr::from(([127, 0, 0, 1], 0)))
    }

    /// Starts a receiver at an address that no program listens on.
    pub(crate) fn start_at(address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            requests: Mutex::default(),
            replies: Mutex::new(Arc::new(|_| Reply::Status(200))),
            is_stopped: AtomicBool::new(false),
            connections: Mutex::default(),
        });
        let accepting = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming() {
                if accepting.is_stopped.load(Ordering::SeqCst) {
                    return;
                }
                let stream = stream.unwrap();
                accepting.connections.lock().unwrap().push(stream.try_clone().unwrap());
                let shared = Arc::clone(&accepting);
                thread::spawn(move || shared.serve(&stream));
            }
        });
        Self { address, shared }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    /// Sets the replies to later requests.
    pub(crate) fn reply_with(&self, replies: impl Fn(&Request) -> Reply + Send + Sync + 'static) {
        *self.shared.replies.lock().unwrap() = Arc::new(replies);
    }

    /// Returns the requests so far.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.shared.requests.lock().unwrap().clone()
    }

    /// Returns the requests so far, after asserting that this key signed each of them.
    #[track_caller]
    pub(crate) fn verified(&self, key: &str) -> Vec<Request> {
        let requests = self.requests();
        for request in &requests {
            request.verify(key);
        }
        requests
    }

    /// Returns the event ids of the requests it replied to with 2xx, in order of arrival.
    pub(crate) fn taken(&self) -> Vec<String> {
        let taken = self.requests().into_iter().filter(Request::is_taken);
        taken.map(|request| request.id().to_owned()).collect()
    }

    /// Returns true if a client has connected.
    pub(crate) fn has_connections(&self) -> bool {
        !self.shared.connections.lock().unwrap().is_empty()
    }

    /// Waits until this many requests have arrived.
    pub(crate) fn wait_for_requests(&self, requests: usize) {
        until(&format!("{requests} requests have arrived"), || {
            self.shared.requests.lock().unwrap().len() >= requests
        });
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.shared.is_stopped.store(true, Ordering::SeqCst);
        // Wakes the thread that accepts connections, which then closes the port.
        drop(TcpStream::connect(self.address));
        for connection in self.shared.connections.lock().unwrap().drain(..) {
            drop(connection.shutdown(Shutdown::Both));
        }
        until("the port is closed", || TcpStream::connect(self.address).is_err());
    }
}

impl Shared {
    fn serve(&self, stream: &TcpStream) {
        let mut reader = BufReader::new(stream);
        while let Some(mut request) = read_request(&mut reader) {
            let replies = Arc::clone(&self.replies.lock().unwrap());
            let reply = replies(&request);
            if let Reply::Status(status) = reply {
                request.status = Some(status);
            }
            self.requests.lock().unwrap().push(request);
            let written = match reply {
                Reply::Status(status) => write!(
                    &mut &*stream,
                    "HTTP/1.1 {status} Whatever\r\ncontent-length: 6\r\n\r\nthanks"
                ),
                Reply::Raw(bytes) => {
                    drop((&mut &*stream).write_all(&bytes));
                    drop(stream.shutdown(Shutdown::Both));
                    return;
                }
                Reply::Never => {
                    // Returns when the client closes the connection or the receiver stops.
                    drop(reader.read(&mut [0]));
                    return;
                }
            };
            if written.is_err() {
                return;
            }
        }
    }
}

fn read_request(reader: &mut BufReader<&TcpStream>) -> Option<Request> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
    let path = line.split(' ').nth(1)?.to_owned();
    let mut headers = HeaderMap::new();
    loop {
        line.clear();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else {
            break;
        };
        headers.append(
            HeaderName::from_bytes(name.as_bytes()).unwrap(),
            HeaderValue::from_str(value).unwrap(),
        );
    }
    let length = headers.get("content-length")?.to_str().ok()?.parse().ok()?;
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Request {
        path,
        headers,
        body: String::from_utf8(body).unwrap(),
        status: None,
    })
}
