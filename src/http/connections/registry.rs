//! Counts the connections, and closes the longest waiting ones when there are too many.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use actix_web::http::header::HeaderValue;

use super::connection::{Connection, Phase};
use crate::http::client_address::{ClientNetwork, TrustedProxies};

/// The bounds on connections and their waits.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionLimits {
    /// The most connections at once.
    pub connections_max: usize,
    /// The longest pause between two requests.
    pub keep_alive: Duration,
    /// The longest time for a request's head to arrive.
    pub head: Duration,
    /// The time in which a client must send or take at least
    /// [`ConnectionLimits::PROGRESS_BYTES_MIN`] more bytes of a body or a reply.
    pub progress: Duration,
    /// The most bytes of large replies in memory.
    pub reply_bytes_max: u64,
}

impl ConnectionLimits {
    /// The fewest bytes of a body or a reply that count as progress.
    pub const PROGRESS_BYTES_MIN: usize = 16_384;
}

/// All open connections.
#[derive(Debug)]
pub struct Connections {
    limits: ConnectionLimits,
    /// The proxies through which many clients come by one address.
    proxies: Arc<TrustedProxies>,
    /// The value of `Keep-Alive`, the same in every reply.
    keep_alive: HeaderValue,
    open: Mutex<Open>,
    /// Bytes of large replies in memory, of all connections.
    reply_bytes: AtomicU64,
    /// The time at which the service began to stop.
    stopping_since: OnceLock<Instant>,
}

#[derive(Debug, Default)]
struct Open {
    connections: HashMap<u64, Arc<Connection>>,
    newest: u64,
    /// Connections closed since the limit was reached. `None` while it is not.
    closed: Option<u64>,
    /// All connections that were ever closed to make room.
    closed_by_limit: u64,
}

/// The number of connections, for the metrics.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionsReading {
    /// Connections that are open now.
    pub open: u64,
    /// Connections closed so far to make room.
    pub closed_by_limit: u64,
}

impl Connections {
    /// The time for which a connection without a request stays open after the service began to
    /// stop. A proxy that has just sent one would otherwise find the connection closed, without
    /// knowing if the request was carried out.
    const LINGER: Duration = Duration::from_millis(200);

    /// Returns an empty register.
    pub fn new(limits: ConnectionLimits, proxies: Arc<TrustedProxies>) -> Self {
        let keep_alive = format!("timeout={}", limits.keep_alive.as_secs());
        Self {
            limits,
            proxies,
            keep_alive: HeaderValue::from_str(&keep_alive).expect("a number is plain text"),
            open: Mutex::default(),
            reply_bytes: AtomicU64::new(0),
            stopping_since: OnceLock::new(),
        }
    }

    pub(crate) const fn limits(&self) -> &ConnectionLimits {
        &self.limits
    }

    /// Returns the number of connections.
    pub fn read(&self) -> ConnectionsReading {
        let open = self.open();
        ConnectionsReading {
            open: u64::try_from(open.connections.len()).unwrap_or(u64::MAX),
            closed_by_limit: open.closed_by_limit,
        }
    }

    /// Returns the header value that announces the pause between two requests.
    pub(crate) fn keep_alive(&self) -> HeaderValue {
        self.keep_alive.clone()
    }

    /// Adds a connection. If there are too many, closes the one that has waited longest,
    /// so that clients that only hold connections keep no other client out. A connection
    /// of a client that has more than half of all goes first. Connections of trusted proxies
    /// count for no client: the clients behind a proxy share its address.
    pub(super) fn add(&self, address: IpAddr) -> Arc<Connection> {
        let mut open = self.open();
        if open.connections.len() >= self.limits.connections_max {
            self.close_one(&mut open);
        }
        open.newest += 1;
        let connection = Arc::new(Connection::new(open.newest, address));
        open.connections.insert(connection.number, Arc::clone(&connection));
        connection
    }

    /// Takes a connection back that was chosen to make room although its client's bytes lay unread,
    /// and chooses another one, if any waits. If none does, there is one too many until a request is
    /// answered: the server stops accepting far above the limit.
    pub(super) fn take_back(&self, connection: &Arc<Connection>) {
        let mut open = self.open();
        if open.connections.len() >= self.limits.connections_max {
            self.close_one(&mut open);
        }
        connection.stay();
        open.connections.insert(connection.number, Arc::clone(connection));
    }

    /// Removes a connection that has ended.
    pub(super) fn remove(&self, connection: &Connection) {
        let mut open = self.open();
        open.connections.remove(&connection.number);
        if connection.makes_room() {
            open.closed = open.closed.map(|closed| closed + 1);
            open.closed_by_limit += 1;
        }
        let is_below = open.connections.len() < self.limits.connections_max * 9 / 10;
        if let Some(closed) = open.closed.take_if(|_| is_below) {
            log::info!(
                "{} of {} connections open: below the limit again; {closed} were closed",
                open.connections.len(),
                self.limits.connections_max
            );
        }
    }

    fn close_one(&self, open: &mut Open) {
        let mut of_client: HashMap<ClientNetwork, usize> = HashMap::new();
        for connection in open
            .connections
            .values()
            .filter(|connection| self.is_of_client(connection))
        {
            *of_client.entry(connection.address.into()).or_default() += 1;
        }
        let most = of_client.into_iter().max_by_key(|&(_, count)| count);
        let greedy = most.filter(|&(_, count)| count > self.limits.connections_max / 2);
        if open.closed.is_none() {
            open.closed = Some(0);
            let from = greedy.map_or_else(String::new, |(client, count)| {
                format!(", {count} of them from {client}")
            });
            log::warn!(
                "all {} connections are open{from}; new ones close those that have waited longest \
                 (limits.connections_max)",
                self.limits.connections_max
            );
        }
        let waits = |connection: &&Arc<Connection>| connection.phase() != Phase::Handler;
        let is_greedy = |connection: &&Arc<Connection>| {
            greedy.is_some_and(|(client, _)| client == connection.address.into() && self.is_of_client(connection))
        };
        let waiting = open.connections.values().filter(waits);
        let oldest = waiting
            .clone()
            .filter(is_greedy)
            .min_by_key(|connection| connection.since())
            .or_else(|| waiting.min_by_key(|connection| connection.since()));
        if let Some(oldest) = oldest.cloned() {
            oldest.make_room();
            open.connections.remove(&oldest.number);
        }
    }

    fn is_of_client(&self, connection: &Connection) -> bool {
        !self.proxies.contains(connection.address)
    }

    /// Counts a large reply as memory in use. If there is too much of it, closes the
    /// connections whose clients have not taken theirs for the longest time.
    pub(super) fn hold_reply(&self, connection: &Connection, bytes: u64) {
        connection.reply_bytes.fetch_add(bytes, Ordering::Relaxed);
        let mut held = self.reply_bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if held <= self.limits.reply_bytes_max {
            return;
        }
        let open = self.open();
        let mut stalled: Vec<&Arc<Connection>> = open
            .connections
            .values()
            .filter(|other| other.phase() == Phase::Reply && other.number != connection.number && !other.is_closing())
            .collect();
        stalled.sort_by_key(|other| other.since());
        for other in stalled {
            if held <= self.limits.reply_bytes_max {
                break;
            }
            held = held.saturating_sub(other.reply_bytes.load(Ordering::Relaxed));
            other.close();
        }
    }

    /// Ends what [`Connections::hold_reply`] began.
    pub(super) fn release_reply(&self, connection: &Connection, bytes: u64) {
        connection.reply_bytes.fetch_sub(bytes, Ordering::Relaxed);
        self.reply_bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Closes the connections that wait for a next request, after [`Connections::LINGER`].
    pub(crate) fn begin_stop(&self) {
        self.stopping_since.get_or_init(Instant::now);
        for connection in self.open().connections.values() {
            connection.wake();
        }
    }

    /// Returns true once the service is about to stop. Each reply then closes its
    /// connection.
    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping_since.get().is_some()
    }

    /// Returns when connections without a request are closed, once the service is about to stop.
    pub(super) fn closes_idle_at(&self) -> Option<Instant> {
        self.stopping_since.get().map(|since| *since + Self::LINGER)
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;
    use crate::domain::address_range::AddressRange;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
    const THERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 7));

    fn register(connections_max: usize) -> Connections {
        register_behind(connections_max, TrustedProxies::default())
    }

    fn register_behind(connections_max: usize, proxies: TrustedProxies) -> Connections {
        let limits = ConnectionLimits {
            connections_max,
            keep_alive: Duration::from_secs(75),
            head: Duration::from_secs(5),
            progress: Duration::from_secs(10),
            reply_bytes_max: 100,
        };
        Connections::new(limits, Arc::new(proxies))
    }

    fn enter(connection: &Connection, phase: Phase) {
        // Two phases begin at different milliseconds.
        thread::sleep(Duration::from_millis(2));
        connection.enter(phase);
    }

    #[test]
    fn the_longest_waiting_connection_is_closed_for_a_new_one() {
        let connections = register(3);
        let (first, second, third) = (connections.add(HERE), connections.add(HERE), connections.add(HERE));
        enter(&first, Phase::Handler);
        enter(&third, Phase::Head);
        enter(&second, Phase::Idle);
        let fourth = connections.add(THERE);
        assert!(third.makes_room() && !first.makes_room() && !second.makes_room() && !fourth.makes_room());
        connections.remove(&third);
        connections.remove(&second);
        let reading = connections.read();
        assert_eq!((reading.open, reading.closed_by_limit), (2, 1));
    }

    #[test]
    fn an_address_with_more_than_half_of_all_makes_room_first() {
        let connections = register(4);
        let other = connections.add(THERE);
        enter(&other, Phase::Idle);
        let greedy = [connections.add(HERE), connections.add(HERE), connections.add(HERE)];
        for connection in &greedy {
            enter(connection, Phase::Body);
        }
        connections.add(THERE);
        assert!(greedy[0].makes_room() && !other.makes_room());
    }

    #[test]
    fn the_addresses_of_an_ipv6_network_make_room_together() {
        let connections = register(4);
        let other = connections.add(THERE);
        enter(&other, Phase::Idle);
        let of_network = ["2001:db8::1", "2001:db8::2", "2001:db8:0:0:3::"].map(|address| {
            let connection = connections.add(address.parse().unwrap());
            enter(&connection, Phase::Body);
            connection
        });
        connections.add(THERE);
        assert!(of_network[0].makes_room() && !other.makes_room());
    }

    #[test]
    fn a_trusted_proxy_may_have_more_than_half_of_all() {
        let proxies = TrustedProxies::new(vec![AddressRange::parse("127.0.0.1").unwrap()]);
        let connections = register_behind(4, proxies);
        let other = connections.add(THERE);
        enter(&other, Phase::Idle);
        let of_proxy = [connections.add(HERE), connections.add(HERE), connections.add(HERE)];
        for connection in &of_proxy {
            enter(connection, Phase::Body);
        }
        connections.add(THERE);
        assert!(other.makes_room(), "it has waited longest");
        assert!(of_proxy.iter().all(|connection| !connection.makes_room()));
    }

    #[test]
    fn a_client_that_takes_no_reply_loses_it_to_a_later_one() {
        let connections = register(4);
        let (stalled, reading, new) = (connections.add(HERE), connections.add(HERE), connections.add(HERE));
        connections.hold_reply(&stalled, 60);
        enter(&stalled, Phase::Reply);
        connections.hold_reply(&reading, 40);
        assert!(!stalled.is_closing());
        connections.hold_reply(&new, 50);
        assert!(stalled.is_closing() && !reading.is_closing());
        connections.release_reply(&stalled, 60);
        assert_eq!(connections.reply_bytes.load(Ordering::Relaxed), 90);
    }
}
