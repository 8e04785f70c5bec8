//! Requests of many clients through a proxy, the events that they cause, and their webhooks.

use std::collections::BTreeSet;
use std::fs;
use std::future::Future;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{IpAddr, Ipv4Addr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use reqwest::{Certificate, Client, RequestBuilder};

use crate::nginx::{NAME, Nginx};
use crate::waiting::until;

/// The addresses from which requests come, over which the proxy spreads them.
const CLIENTS: u8 = 8;
const AMOUNT: u64 = 1_000;
const BETWEEN_REQUESTS: Duration = Duration::from_millis(5);
/// The longest time that events and webhooks take after the load.
const SETTLED_WITHIN: Duration = Duration::from_secs(20);

/// The customers whose deposits have an idempotency key, and have none.
const KEYED: &str = "kim";
const PLAIN: &str = "pat";

/// An endpoint for webhooks, which keeps their ids.
pub(crate) struct Receiver {
    pub(crate) url: String,
    ids: Arc<Mutex<BTreeSet<String>>>,
}

impl Receiver {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let ids = Arc::<Mutex<BTreeSet<String>>>::default();
        let kept = Arc::clone(&ids);
        // Both end with the test process.
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, kept) = (stream.unwrap(), Arc::clone(&kept));
                thread::spawn(move || drop(receive(&stream, &kept)));
            }
        });
        Self { url, ids }
    }
}

/// Answers the requests of a connection, and keeps the id of each.
fn receive(stream: &TcpStream, ids: &Mutex<BTreeSet<String>>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let mut length = 0;
        let mut line = String::new();
        while reader.read_line(&mut line)? > 2 {
            let (name, value) = line.trim_end().split_once(": ").unwrap_or_default();
            match name.to_lowercase().as_str() {
                "content-length" => length = value.parse().unwrap(),
                "webhook-id" => drop(ids.lock().unwrap().insert(value.to_owned())),
                _ => {}
            }
            line.clear();
        }
        std::io::copy(&mut reader.by_ref().take(length), &mut std::io::sink())?;
        (&mut &*stream).write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")?;
    }
}

/// The replies that the clients received.
#[derive(Default)]
struct Seen {
    stop: AtomicBool,
    reads: AtomicU64,
    keyed: AtomicU64,
    plain: AtomicU64,
    /// The deposits without an idempotency key of which it is unknown if they were made.
    unknown: AtomicU64,
    failures: Mutex<Vec<String>>,
    /// True once all events and webhooks have come.
    is_settled: AtomicBool,
    /// True once the stream of events has begun.
    is_following: AtomicBool,
    /// The number of times that it was opened.
    streams: AtomicU64,
    /// The ids of the deposits' events, in their order.
    deposits: Mutex<Vec<String>>,
}

/// Clients that read and make deposits until they are stopped, and one that follows the events.
pub(crate) struct Load {
    seen: Arc<Seen>,
    clients: Vec<JoinHandle<()>>,
    balances_before: [u64; 2],
}

/// One client of the proxy, with an address of its own.
struct Sender {
    client: Client,
    url: String,
    seen: Arc<Seen>,
    number: u8,
}

impl Load {
    /// Starts the clients, and waits until events are followed.
    pub(crate) fn start(nginx: &Nginx) -> Self {
        let balances_before = balances(nginx);
        let seen = Arc::<Seen>::default();
        let follower = Sender::new(nginx, &seen, 0);
        let mut clients = vec![thread::spawn(move || block_on(follower.follow()))];
        while !seen.is_following.load(Ordering::SeqCst) {
            assert!(!clients[0].is_finished(), "events cannot be followed");
            thread::sleep(Duration::from_millis(5));
        }
        for number in 1..=CLIENTS {
            let sender = Sender::new(nginx, &seen, number);
            clients.push(thread::spawn(move || block_on(sender.work())));
        }
        Self {
            seen,
            clients,
            balances_before,
        }
    }

    /// Fails if any request has failed so far.
    #[track_caller]
    pub(crate) fn check_that_none_failed(&self, when: &str) {
        assert_eq!(*self.seen.failures.lock().unwrap(), [""; 0], "{when}");
        assert_eq!(self.seen.unknown.load(Ordering::SeqCst), 0, "{when}");
    }

    /// Waits until there were enough requests of each kind.
    fn wait_until_enough(&self) {
        let counters = [&self.seen.reads, &self.seen.keyed, &self.seen.plain];
        until("there were enough requests", || {
            counters.iter().all(|counter| counter.load(Ordering::SeqCst) > 100)
        });
    }

    /// Stops the clients once they have made enough requests, and compares what they have seen with
    /// the balances, the events and the webhooks.
    pub(crate) fn stop_and_check(self, nginx: &Nginx, receiver: &Receiver) {
        self.wait_until_enough();
        let seen = &self.seen;
        seen.stop.store(true, Ordering::SeqCst);
        let mut clients = self.clients.into_iter();
        let follower = clients.next().unwrap();
        for client in clients {
            client.join().unwrap();
        }
        assert_eq!(*seen.failures.lock().unwrap(), [""; 0]);
        let count = |counter: &AtomicU64| counter.load(Ordering::SeqCst);
        let (keyed, plain, unknown) = (count(&seen.keyed), count(&seen.plain), count(&seen.unknown));
        let after = balances(nginx);
        let made: Vec<u64> = (0..2).map(|n| (after[n] - self.balances_before[n]) / AMOUNT).collect();
        assert_eq!(made[0], keyed, "each deposit with an idempotency key is made once");
        assert!(
            (plain..=plain + unknown).contains(&made[1]),
            "{plain} and {unknown}: {made:?}"
        );
        assert!(unknown <= u64::from(CLIENTS), "each client lost one at most: {unknown}");

        let until = Instant::now() + SETTLED_WITHIN;
        let deposits = loop {
            let deposits = seen.deposits.lock().unwrap().clone();
            let missing = deposits
                .iter()
                .filter(|id| !receiver.ids.lock().unwrap().contains(*id))
                .count();
            if deposits.len() as u64 == made.iter().sum::<u64>() && missing == 0 {
                break deposits;
            }
            assert!(
                Instant::now() < until,
                "{} events of {made:?} deposits, {missing} without a webhook",
                deposits.len()
            );
            thread::sleep(Duration::from_millis(20));
        };
        assert_eq!(
            deposits.iter().collect::<BTreeSet<_>>().len(),
            deposits.len(),
            "each event comes once"
        );
        assert!(count(&seen.streams) > 1, "the stream had to be opened again");
        seen.is_settled.store(true, Ordering::SeqCst);
        follower.join().unwrap();
    }
}

impl Sender {
    fn new(nginx: &Nginx, seen: &Arc<Seen>, number: u8) -> Self {
        drop(rustls::crypto::ring::default_provider().install_default());
        let certificate = fs::read(nginx.folder.path().join("cert.pem")).unwrap();
        let client = Client::builder()
            .no_proxy()
            .tls_certs_only([Certificate::from_pem(&certificate).unwrap()])
            .resolve(NAME, nginx.address)
            .local_address(IpAddr::from(Ipv4Addr::new(127, 0, 1, number)))
            .build()
            .unwrap();
        Self {
            client,
            url: format!("https://{NAME}:{}", nginx.address.port()),
            seen: Arc::clone(seen),
            number,
        }
    }

    /// Reads and makes deposits in turn, until all are told to stop.
    async fn work(self) {
        let mut number = 0;
        while !self.seen.stop.load(Ordering::SeqCst) {
            number += 1;
            let read = self
                .client
                .get(format!("{}/v1/wallet", self.url))
                .header("customer-id", KEYED);
            match self.failure_of(read).await {
                None => self.seen.reads.fetch_add(1, Ordering::SeqCst),
                Some(failure) => self.failed(format!("read: {failure}")),
            };
            let key = format!("{}-{number}", self.number);
            match self
                .failure_of(self.deposit(KEYED).header("idempotency-key", key))
                .await
            {
                None => self.seen.keyed.fetch_add(1, Ordering::SeqCst),
                Some(failure) => self.failed(format!("deposit with a key: {failure}")),
            };
            match self.failure_of(self.deposit(PLAIN)).await {
                None => self.seen.plain.fetch_add(1, Ordering::SeqCst),
                // nginx cannot know if the process that is gone made it.
                Some(failure) if failure.starts_with("502") => self.seen.unknown.fetch_add(1, Ordering::SeqCst),
                Some(failure) => self.failed(format!("deposit: {failure}")),
            };
            tokio::time::sleep(BETWEEN_REQUESTS).await;
        }
    }

    fn deposit(&self, customer: &str) -> RequestBuilder {
        let request = self.client.post(format!("{}/v1/payment/topup", self.url));
        let request = request
            .header("customer-id", customer)
            .header("content-type", "application/json");
        request.body(format!("{{\"amount\": {AMOUNT}}}"))
    }

    /// Sends a request, and returns the reply if it is no success.
    async fn failure_of(&self, request: RequestBuilder) -> Option<String> {
        match request.bearer_auth("sk_test_proxy").send().await {
            Ok(reply) if reply.status().is_success() => reply.bytes().await.err().map(|error| format!("{error:?}")),
            Ok(reply) => Some(format!("{} {:?}", reply.status().as_u16(), reply.text().await)),
            Err(error) => Some(format!("{error:?}")),
        }
    }

    fn failed(&self, failure: String) -> u64 {
        let mut failures = self.seen.failures.lock().unwrap();
        failures.push(failure);
        failures.len() as u64
    }

    /// Follows the events as a browser does: opens the stream again whenever it ends, behind the
    /// last event.
    async fn follow(self) {
        let mut last = String::new();
        loop {
            let mut request = self.client.get(format!("{}/sandbox/events/stream", self.url));
            if !last.is_empty() {
                request = request.header("last-event-id", &last);
            }
            let opened = request.bearer_auth("sk_test_proxy").send().await;
            let mut stream = match opened {
                Ok(stream) if stream.status().is_success() => stream,
                other => {
                    self.failed(format!("stream: {other:?}"));
                    return;
                }
            };
            self.seen.streams.fetch_add(1, Ordering::SeqCst);
            let mut text = String::new();
            loop {
                match tokio::time::timeout(Duration::from_millis(100), stream.chunk()).await {
                    Ok(Ok(Some(piece))) => text.push_str(&String::from_utf8_lossy(&piece)),
                    Ok(_) => break,
                    Err(_) if self.seen.is_settled.load(Ordering::SeqCst) => return,
                    Err(_) => {}
                }
                while let Some((block, rest)) = text.split_once("\n\n") {
                    self.hear(block, &mut last);
                    text = rest.to_owned();
                }
            }
        }
    }

    /// Takes one block of the stream.
    fn hear(&self, block: &str, last: &mut String) {
        let field = |name: &str| {
            block
                .lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
        };
        let Some(id) = field("id") else { return };
        id.clone_into(last);
        if field("event") == Some("payment.deposit.success") {
            self.seen.deposits.lock().unwrap().push(id.to_owned());
        }
        self.seen.is_following.store(true, Ordering::SeqCst);
    }
}

/// Returns the balances of both customers.
fn balances(nginx: &Nginx) -> [u64; 2] {
    [KEYED, PLAIN].map(|customer| {
        let wallet = nginx.ok("/v1/wallet", &["-H", &format!("customer-id: {customer}")]);
        wallet["mainBalance"].as_u64().unwrap()
    })
}

fn block_on(work: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(work);
}
