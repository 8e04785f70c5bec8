//! The HTTP client: makes one attempt to deliver one event. It must not know the retry
//! schedule or the order of events.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, DATE, RETRY_AFTER};
use reqwest::{RequestBuilder, Response, retry};
use tokio::time::{Instant, timeout_at};

use crate::clock::SystemClock;
use crate::domain::events::delivery::AttemptOutcome;
use crate::domain::events::webhook_endpoint::WebhookEndpoint;
use crate::domain::ids::EventId;
use crate::domain::mode::Mode;
use crate::domain::time::Clock;
use crate::http_client::{self, innermost};
use crate::webhooks::connections::{NoteConnections, noting_reuse};
use crate::webhooks::resolver::{FilteringResolver, Lookup};
use crate::webhooks::{retry_after, signing};

/// Bytes of a response body to read. The client closes the connection of a longer one.
const BODY_BYTES_MAX: usize = 64 * 1024;
/// Bytes of a response body to keep.
const BEGINNING_BYTES_MAX: usize = 256;
/// The time to wait for a response body. The status alone decides if an event is delivered, and an
/// attempt has one of the places for attempts.
const BODY_TIME_MAX: Duration = Duration::from_secs(1);
/// The hosted API's text (contract section 7.5). Receivers in the field look at it.
const USER_AGENT: &str = "Payluk-Webhook/1.0";
/// Idle connections to keep for one host.
const IDLE_CONNECTIONS_MAX: usize = 4;
/// The time that an idle connection is kept.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// The result of one attempt.
pub(super) struct AttemptResult {
    pub(super) outcome: AttemptOutcome,
    /// The pause that the endpoint asked for, in seconds.
    pub(super) retry_after_seconds: Option<u32>,
}

impl AttemptResult {
    const fn failed(problem: String) -> Self {
        Self {
            outcome: AttemptOutcome::Failed(problem),
            retry_after_seconds: None,
        }
    }
}

/// Sends events to webhook endpoints. Follows no redirect and uses no proxy.
pub(super) struct WebhookClient {
    mode: Mode,
    lookup: Lookup,
    timeout: Duration,
    http: reqwest::Client,
    /// Built at the first `https` URL. Building it reads the certificates that the system
    /// trusts, and a system without `https` endpoints may have none. The next attempt tries
    /// again to build one that cannot be built now.
    https: OnceLock<reqwest::Client>,
}

impl WebhookClient {
    /// Returns a client for a service in this mode. `timeout` limits each attempt.
    pub(super) fn new(mode: Mode, timeout: Duration, lookup: Lookup) -> Result<Self, String> {
        let resolver = FilteringResolver::new(mode, Arc::clone(&lookup));
        let http = configure(http_client::builder_without_certificates(), timeout, resolver).build();
        Ok(Self {
            mode,
            lookup,
            timeout,
            http: http.map_err(|error| innermost(&error))?,
            https: OnceLock::new(),
        })
    }

    /// Sends an event, with signatures. `unix_seconds` is the time of signing.
    ///
    /// The receiver may close a connection that was used before just when the event is on its way, so
    /// that an event without an answer there is sent again at once, as `Self::send` says.
    pub(super) async fn attempt(
        &self,
        endpoint: &WebhookEndpoint,
        event: EventId,
        body: String,
        unix_seconds: i64,
    ) -> AttemptResult {
        let client = match self.client_for(endpoint) {
            Ok(client) => client,
            Err(problem) => return AttemptResult::failed(problem),
        };
        let request = client
            .post(endpoint.url.as_str())
            .header(CONTENT_TYPE, "application/json")
            .header(
                "x-payluk-signature",
                signing::contract_signature(endpoint.secrets.single(), &body),
            )
            .header("webhook-id", event.to_string())
            .header("webhook-timestamp", unix_seconds)
            .header(
                "webhook-signature",
                signing::standard_signature(&endpoint.secrets, event, unix_seconds, &body),
            )
            .body(body);
        match self.send(request).await {
            Ok(response) => AttemptResult {
                retry_after_seconds: pause_asked_for(&response),
                outcome: AttemptOutcome::Responded {
                    status: response.status().as_u16(),
                    beginning: beginning_of(response).await,
                },
            },
            Err(error) => AttemptResult::failed(self.problem(&error)),
        }
    }

    /// Sends a request. Repeats it, within the time limit of the attempt, for each connection that was used
    /// before and brought no answer that can be read: at most as often as the client keeps connections.
    async fn send(&self, request: RequestBuilder) -> reqwest::Result<Response> {
        let until = Instant::now() + self.timeout;
        let left = || until.saturating_duration_since(Instant::now());
        for _ in 0..IDLE_CONNECTIONS_MAX {
            let Some(copy) = request.try_clone() else {
                break;
            };
            let (sent, was_reused) = noting_reuse(copy.timeout(left()).send()).await;
            let is_repeated = was_reused && sent.as_ref().is_err_and(|error| !error.is_timeout());
            if !is_repeated {
                return sent;
            }
        }
        request.timeout(left()).send().await
    }

    fn client_for(&self, endpoint: &WebhookEndpoint) -> Result<&reqwest::Client, String> {
        if !endpoint.url.is_https() {
            return Ok(&self.http);
        }
        if let Some(client) = self.https.get() {
            return Ok(client);
        }
        let resolver = FilteringResolver::new(self.mode, Arc::clone(&self.lookup));
        let built = configure(http_client::builder(), self.timeout, resolver).build();
        let client = built.map_err(|error| innermost(&error))?;
        Ok(self.https.get_or_init(|| client))
    }

    /// Returns the reason why no response arrived, for people. It leaves out the URL, whose
    /// query may hold a secret.
    fn problem(&self, error: &reqwest::Error) -> String {
        if error.is_timeout() {
            format!("no answer within {} seconds", self.timeout.as_secs())
        } else if error.is_connect() {
            format!("no connection: {}", innermost(error))
        } else {
            format!("no answer: {}", innermost(error))
        }
    }
}

fn configure(
    builder: reqwest::ClientBuilder,
    timeout: Duration,
    resolver: FilteringResolver,
) -> reqwest::ClientBuilder {
    builder
        .user_agent(USER_AGENT)
        .timeout(timeout)
        .retry(retry::never())
        .dns_resolver(Arc::new(resolver))
        .pool_max_idle_per_host(IDLE_CONNECTIONS_MAX)
        .pool_idle_timeout(IDLE_TIMEOUT)
        .connector_layer(NoteConnections)
}

/// Returns the pause that a response asks for, in seconds.
fn pause_asked_for(response: &Response) -> Option<u32> {
    let header = |name| response.headers().get(name)?.to_str().ok();
    retry_after::pause_of(header(RETRY_AFTER)?, header(DATE), SystemClock.now())
}

/// Returns the first bytes of a response body. A body that breaks off or takes long is not
/// a failure, because the status alone decides if the event is delivered. U+0000, which not
/// every database can store, is replaced as invalid UTF-8 is.
async fn beginning_of(mut response: Response) -> String {
    let mut beginning = Vec::new();
    let mut read = 0;
    let until = Instant::now() + BODY_TIME_MAX;
    while let Ok(Ok(Some(chunk))) = timeout_at(until, response.chunk()).await {
        read += chunk.len();
        let room = BEGINNING_BYTES_MAX - beginning.len();
        beginning.extend_from_slice(&chunk[..chunk.len().min(room)]);
        if read > BODY_BYTES_MAX {
            break;
        }
    }
    String::from_utf8_lossy(&beginning).replace('\0', "\u{fffd}")
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Read, Write};
    use std::net::{IpAddr, TcpListener};
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;

    use super::*;
    use crate::domain::events::webhook_endpoint::{SigningSecret, SigningSecrets, WebhookUrl};

    /// Resolves every host name to one of these addresses: each lookup takes the next one.
    fn resolving_to(addresses: &[&str]) -> Lookup {
        let addresses: Vec<IpAddr> = addresses.iter().rev().map(|text| text.parse().unwrap()).collect();
        let left = Mutex::new(addresses);
        Arc::new(move |_| {
            let next = left.lock().unwrap().pop();
            Box::pin(async move { Ok(next.into_iter().collect()) })
        })
    }

    fn outcome(mode: Mode, lookup: Lookup, url: &str) -> AttemptOutcome {
        outcome_within(Duration::from_secs(30), mode, lookup, url)
    }

    fn outcome_within(timeout: Duration, mode: Mode, lookup: Lookup, url: &str) -> AttemptOutcome {
        let [outcome] = outcomes_within(timeout, mode, lookup, url);
        outcome
    }

    /// Makes attempts with one client, one after another.
    fn outcomes_within<const N: usize>(
        timeout: Duration,
        mode: Mode,
        lookup: Lookup,
        url: &str,
    ) -> [AttemptOutcome; N] {
        let client = WebhookClient::new(mode, timeout, lookup).unwrap();
        let endpoint = WebhookEndpoint {
            url: WebhookUrl::parse(url, mode).unwrap(),
            secrets: SigningSecrets {
                current: SigningSecret::new("sk_test_1"),
                previous: None,
            },
            version: 0,
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        std::array::from_fn(|_| {
            let attempt = client.attempt(&endpoint, EventId::new(1, 1), "{}".to_owned(), 0);
            runtime.block_on(attempt).outcome
        })
    }

    /// Starts a receiver that closes each connection when one request more than these has come on it. Returns
    /// its URL and the count of requests.
    fn closing_after(requests_by_connection: &'static [usize]) -> (String, Arc<AtomicUsize>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let requests = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&requests);
        thread::spawn(move || {
            for answered in requests_by_connection {
                let (mut stream, _) = listener.accept().unwrap();
                let mut lines = BufReader::new(stream.try_clone().unwrap());
                for number in 0..=*answered {
                    let mut line = String::new();
                    while lines.read_line(&mut line).unwrap() > 2 {
                        line.clear();
                    }
                    if lines.read_exact(&mut [0; 2]).is_err() {
                        return;
                    }
                    count.fetch_add(1, Ordering::SeqCst);
                    if number < *answered {
                        stream
                            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
                            .unwrap();
                    }
                }
            }
        });
        (url, requests)
    }

    #[test]
    fn an_event_is_sent_again_if_a_connection_that_was_used_before_ends_without_an_answer() {
        let (url, requests) = closing_after(&[2, 1]);
        let outcomes: [_; 3] = outcomes_within(Duration::from_secs(30), Mode::Sandbox, resolving_to(&[]), &url);
        assert!(outcomes.iter().all(AttemptOutcome::is_delivered), "{outcomes:?}");
        assert_eq!(requests.load(Ordering::SeqCst), 4);
    }

    #[test]
    fn an_event_is_not_sent_again_if_a_new_connection_ends_without_an_answer() {
        let (url, requests) = closing_after(&[0, 1]);
        let [outcome] = outcomes_within(Duration::from_secs(30), Mode::Sandbox, resolving_to(&[]), &url);
        assert!(
            matches!(&outcome, AttemptOutcome::Failed(problem) if problem.starts_with("no answer: ")),
            "{outcome:?}"
        );
        assert_eq!(requests.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn a_host_name_with_a_refused_address_is_not_connected_to() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let url = format!("https://shop.example:{}/hook", listener.local_addr().unwrap().port());
        for (address, class) in [
            ("127.0.0.1", "loopback"),
            ("::1", "loopback"),
            ("::ffff:127.0.0.1", "translated"),
            ("0.0.0.0", "reserved"),
            ("10.0.0.1", "private"),
            ("100.64.0.1", "private"),
            ("169.254.169.254", "metadata"),
            ("fe80::1", "link-local"),
            ("fd00::1", "private"),
            ("224.0.0.1", "multicast"),
        ] {
            let AttemptOutcome::Failed(problem) = outcome(Mode::Live, resolving_to(&[address]), &url) else {
                panic!("{address} was reached");
            };
            assert!(problem.contains(&format!("which is a {class} address")), "{problem}");
        }
        assert!(listener.accept().is_err(), "no connection was made");
    }

    #[test]
    fn a_host_name_is_looked_up_again_for_every_connection() {
        let lookup = resolving_to(&["127.0.0.1", "169.254.169.254"]);
        let unused = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let url = format!("http://rebound.example:{}/", unused.port());
        let refused = |outcome| matches!(outcome, AttemptOutcome::Failed(problem) if problem.contains("metadata"));
        let outcomes: [_; 2] = outcomes_within(Duration::from_secs(30), Mode::Sandbox, lookup, &url);
        assert_eq!(outcomes.map(refused), [false, true]);
    }

    /// Starts a receiver that answers one request with these bytes and, if they drip, with more
    /// and more of the letter `a`. Returns its URL.
    fn answering(answer: &'static [u8], drips: bool) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            // An answer that is there before the request is an error of the protocol.
            stream.read_exact(&mut [0]).unwrap();
            stream.write_all(answer).unwrap();
            while drips && stream.write_all(b"a").is_ok() {
                thread::sleep(Duration::from_millis(50));
            }
            // Closing the connection before the request was read would reset it.
            drop(stream.read_to_end(&mut Vec::new()));
        });
        url
    }

    #[test]
    fn the_beginning_of_a_body_has_no_character_that_a_database_cannot_store() {
        let url = answering(b"HTTP/1.1 500 No\r\ncontent-length: 4\r\n\r\na\0b\xff", false);
        let outcome = outcome_within(Duration::from_secs(30), Mode::Sandbox, resolving_to(&[]), &url);
        let expected = AttemptOutcome::Responded {
            status: 500,
            beginning: "a\u{fffd}b\u{fffd}".to_owned(),
        };
        assert_eq!(outcome, expected);
    }

    #[test]
    fn a_body_that_drips_does_not_hold_an_attempt() {
        let url = answering(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n", true);
        let started = std::time::Instant::now();
        let AttemptOutcome::Responded { status, beginning } =
            outcome_within(Duration::from_secs(30), Mode::Sandbox, resolving_to(&[]), &url)
        else {
            panic!("there was an answer");
        };
        assert_eq!((status, &beginning[..2]), (200, "aa"));
        assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    }
}
