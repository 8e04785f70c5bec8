//! A receiver that answers as a test tells it to, and keeps what it got.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256, Sha512};
use standardwebhooks::Webhook;
use ureq::http::{HeaderMap, HeaderName, HeaderValue};

use crate::service::until;

/// One request that came.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
    /// The status it was answered with, if it was.
    pub(crate) answered: Option<u16>,
}

impl Call {
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
        self.answered.is_some_and(|status| (200..300).contains(&status))
    }

    /// Whether the contract's signature is that of this key.
    pub(crate) fn is_signed_with(&self, key: &str) -> bool {
        let mut mac = Hmac::<Sha512>::new_from_slice(key.as_bytes()).unwrap();
        mac.update(self.body.as_bytes());
        self.header("x-payluk-signature") == hex::encode(mac.finalize().into_bytes())
    }

    /// Fails unless it was signed with this key in both ways.
    #[track_caller]
    pub(crate) fn verify(&self, key: &str) {
        let webhook = Webhook::from_bytes(Sha256::digest(key).to_vec()).unwrap();
        webhook.verify(self.body.as_bytes(), &self.headers).unwrap();
        assert!(self.is_signed_with(key), "{self:?}");
        assert_eq!(self.header("content-type"), "application/json");
        let agent = self.header("user-agent");
        assert!(agent.starts_with("escrowd-webhook/"), "{agent}");
    }
}

/// How a call is answered.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    /// With this status.
    Status(u16),
    /// With these bytes, whatever they are.
    Raw(Vec<u8>),
    /// Not at all, as long as the receiver is there.
    Never,
}

type Behaviour = dyn Fn(&Call) -> Reply + Send + Sync;

struct Shared {
    calls: Mutex<Vec<Call>>,
    behaviour: Mutex<Arc<Behaviour>>,
    is_gone: AtomicBool,
    connections: Mutex<Vec<TcpStream>>,
}

/// A receiver on a port of this machine. It goes when it is dropped.
pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
}

impl Receiver {
    /// One that takes everything.
    pub(crate) fn start() -> Self {
        Self::start_at(SocketAddr::from(([127, 0, 0, 1], 0)))
    }

    /// One where another was before.
    pub(crate) fn start_at(address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            calls: Mutex::default(),
            behaviour: Mutex::new(Arc::new(|_| Reply::Status(200))),
            is_gone: AtomicBool::new(false),
            connections: Mutex::default(),
        });
        let accepting = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming() {
                if accepting.is_gone.load(Ordering::SeqCst) {
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

    /// Answers so from now on.
    pub(crate) fn answers(&self, behaviour: impl Fn(&Call) -> Reply + Send + Sync + 'static) {
        *self.shared.behaviour.lock().unwrap() = Arc::new(behaviour);
    }

    /// Everything that came so far.
    pub(crate) fn calls(&self) -> Vec<Call> {
        self.shared.calls.lock().unwrap().clone()
    }

    /// Everything that came so far, each signed with this key.
    #[track_caller]
    pub(crate) fn verified(&self, key: &str) -> Vec<Call> {
        let calls = self.calls();
        for call in &calls {
            call.verify(key);
        }
        calls
    }

    /// The ids of what it took, in the order it came.
    pub(crate) fn taken(&self) -> Vec<String> {
        let taken = self.calls().into_iter().filter(Call::is_taken);
        taken.map(|call| call.id().to_owned()).collect()
    }

    /// Waits until so many calls came.
    pub(crate) fn waits_for(&self, calls: usize) {
        until(&format!("{calls} calls"), || {
            self.shared.calls.lock().unwrap().len() >= calls
        });
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.shared.is_gone.store(true, Ordering::SeqCst);
        // Wakes the one who accepts, who then closes the port.
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
        while let Some(mut call) = read_call(&mut reader) {
            let behaviour = Arc::clone(&self.behaviour.lock().unwrap());
            let reply = behaviour(&call);
            if let Reply::Status(status) = reply {
                call.answered = Some(status);
            }
            self.calls.lock().unwrap().push(call);
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
                    // Until the other side gives up, or this one goes.
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

fn read_call(reader: &mut BufReader<&TcpStream>) -> Option<Call> {
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
    Some(Call {
        path,
        headers,
        body: String::from_utf8(body).unwrap(),
        answered: None,
    })
}
