//! The address of the client that sent a request. Behind a trusted proxy it is not the
//! address of the connection, and `X-Forwarded-For` has it.
//!
//! Each proxy appends the address that it got the request from, so only the end of the
//! header is known to be true: a client can send the header too, and its text is then on the
//! left. `Forwarded` (RFC 7239) is not read. A proxy that is told to write one of the two
//! headers passes the other on as the client wrote it.
//!
//! Such a header on a request is a sign of a proxy, also of one that is not trusted.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use actix_web::http::header::{
    FORWARDED, HeaderMap, HeaderName, VIA, X_FORWARDED_FOR, X_FORWARDED_HOST, X_FORWARDED_PROTO,
};
use arc_swap::ArcSwap;

use crate::domain::address_range::AddressRange;

/// The headers that proxies add to the requests of their clients.
pub(super) static PROXY_HEADERS: [HeaderName; 6] = [
    X_FORWARDED_FOR,
    X_FORWARDED_PROTO,
    X_FORWARDED_HOST,
    FORWARDED,
    VIA,
    HeaderName::from_static("x-real-ip"),
];

/// The proxies whose `X-Forwarded-For` is believed. A reload may replace them.
#[derive(Debug, Default)]
pub struct TrustedProxies {
    ranges: ArcSwap<Vec<AddressRange>>,
    /// True if the log has a warning of a proxy that these ranges leave out.
    has_warned: AtomicBool,
}

impl TrustedProxies {
    /// Returns the proxies with an address in one of these ranges.
    pub fn new(ranges: Vec<AddressRange>) -> Self {
        Self {
            ranges: ArcSwap::from_pointee(ranges),
            has_warned: AtomicBool::new(false),
        }
    }

    /// Trusts the proxies of these ranges from now on, and no others.
    pub fn replace(&self, ranges: Vec<AddressRange>) {
        self.ranges.store(Arc::new(ranges));
        self.has_warned.store(false, Ordering::Relaxed);
    }

    /// Warns of the first client that seems to be a proxy and is no trusted one. Any client can send
    /// the header, so there is one warning for each list of proxies.
    pub(super) fn warn_of_unlisted(&self, client: ClientAddress) {
        if let (false, Some(header)) = (client.is_by_proxy, client.proxy_header)
            && !self.has_warned.swap(true, Ordering::Relaxed)
        {
            let address = client.address;
            log::warn!(
                "{address} sent the header {header} and is not in trusted_proxies: the header is ignored, \
                 {address} counts as the client, and as none on this machine; if it is a proxy, list it"
            );
        }
    }

    /// Returns true if the address is that of a trusted proxy.
    pub(super) fn contains(&self, address: IpAddr) -> bool {
        self.ranges.load().iter().any(|range| range.contains(address))
    }
}

/// The sender of a request. Addresses are canonical: an IPv4 address is never written as IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ClientAddress {
    /// The address of the client.
    pub(crate) address: IpAddr,
    /// True if the connection comes from a trusted proxy.
    pub(crate) is_by_proxy: bool,
    /// A header of proxies that the request has.
    pub(crate) proxy_header: Option<&'static str>,
}

impl ClientAddress {
    /// Decides from the address of the connection and the headers of a request.
    ///
    /// If the connection is a trusted proxy's, the client is the last address of the header
    /// that is no trusted proxy. If all of them are, it is the first one. An entry that is not
    /// an address ends the search, since nothing on its left can be trusted: the client is then
    /// the address on its right.
    pub(super) fn of(peer: IpAddr, headers: &HeaderMap, proxies: &TrustedProxies) -> Self {
        let mut address = peer.to_canonical();
        let is_by_proxy = proxies.contains(address);
        if is_by_proxy {
            let values: Vec<_> = headers.get_all(X_FORWARDED_FOR).collect();
            let entries = values
                .iter()
                .rev()
                .flat_map(|value| value.as_bytes().rsplit(|byte| *byte == b','));
            for forwarded in entries.map_while(address_in) {
                address = forwarded;
                if !proxies.contains(address) {
                    break;
                }
            }
        }
        let proxy_header = PROXY_HEADERS.iter().find(|header| headers.contains_key(*header));
        Self {
            address,
            is_by_proxy,
            proxy_header: proxy_header.map(HeaderName::as_str),
        }
    }
}

/// The addresses that count as one client where a limit is one for each client: an IPv4 address, or
/// the /64 network of an IPv6 address. Every customer of a provider has at least such a network, and
/// could take another address of it for each request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ClientNetwork(IpAddr);

/// The bits of an IPv6 address that name its network.
const NETWORK_BITS: u32 = 64;

impl From<IpAddr> for ClientNetwork {
    fn from(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V6(address) => {
                let host_bits = u128::BITS - NETWORK_BITS;
                IpAddr::V6((address.to_bits() >> host_bits << host_bits).into())
            }
            address @ IpAddr::V4(_) => address,
        })
    }
}

/// Formats an IPv6 network with the number of its bits.
impl fmt::Display for ClientNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            IpAddr::V4(address) => write!(f, "{address}"),
            IpAddr::V6(address) => write!(f, "{address}/{NETWORK_BITS}"),
        }
    }
}

/// Returns the address in an entry, which some proxies write with a port, and an IPv6 address
/// in brackets.
fn address_in(entry: &[u8]) -> Option<IpAddr> {
    let entry = str::from_utf8(entry).ok()?.trim_matches([' ', '\t']);
    let bracketed = entry.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let address = match bracketed {
        Some(inside) => inside.parse().ok().map(IpAddr::V6),
        None => entry.parse().ok(),
    };
    let with_port = || entry.parse().ok().map(|socket: SocketAddr| socket.ip());
    address.or_else(with_port).map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    /// Returns the client of a request from `peer` with these headers. The proxies are those of
    /// 10.0.0.0/8 and one in IPv6.
    fn client(peer: &str, headers: &[&str]) -> ClientAddress {
        let ranges = ["10.0.0.0/8", "2001:db8:ffff::/48"];
        let proxies = TrustedProxies::new(ranges.map(|range| AddressRange::parse(range).unwrap()).into());
        let mut map = HeaderMap::new();
        for header in headers {
            map.append(X_FORWARDED_FOR, HeaderValue::from_bytes(header.as_bytes()).unwrap());
        }
        ClientAddress::of(peer.parse().unwrap(), &map, &proxies)
    }

    #[test]
    fn the_client_is_the_last_address_that_is_no_proxy() {
        for (headers, address) in [
            (&["192.0.2.7"][..], "192.0.2.7"),
            (&["192.0.2.7, 10.0.0.9"], "192.0.2.7"),
            (&["198.51.100.1, 192.0.2.7"], "192.0.2.7"),
            (&["198.51.100.1, 192.0.2.7,10.1.2.3 ,\t10.0.0.9"], "192.0.2.7"),
            (&["198.51.100.1", "192.0.2.7", "10.0.0.9"], "192.0.2.7"),
            (&["192.0.2.7", "198.51.100.1"], "198.51.100.1"),
            (&["2001:db8::7, 2001:db8:ffff::1"], "2001:db8::7"),
            // All of them are proxies: the request began at the first.
            (&["10.0.0.7, 10.0.0.8"], "10.0.0.7"),
            (&[], "10.0.0.1"),
        ] {
            let found = client("10.0.0.1", headers);
            assert_eq!(found.address.to_string(), address, "{headers:?}");
            assert!(found.is_by_proxy);
        }
    }

    #[test]
    fn the_header_of_any_other_client_is_ignored() {
        for peer in ["192.0.2.1", "11.0.0.1", "127.0.0.1", "::1", "2001:db8:fffe::1"] {
            let found = client(peer, &["198.51.100.1", "10.0.0.9"]);
            assert_eq!((found.address.to_string().as_str(), found.is_by_proxy), (peer, false));
        }
    }

    #[test]
    fn an_entry_that_is_no_address_ends_the_search() {
        for wrong in [
            "unknown",
            "",
            "_hidden",
            "192.0.2.7:",
            "192.0.2.7:99999",
            "192.0.2",
            "[192.0.2.7]",
            "[2001:db8::7",
            "2001:db8::7]",
            "192.0.2.7;",
            "shop.example",
            "\"192.0.2.7\"",
            "for=192.0.2.7",
            "192.0.2.7 198.51.100.1",
            "\u{e9}",
        ] {
            let found = client("10.0.0.1", &[&format!("198.51.100.1, {wrong}, 10.0.0.9")]);
            assert_eq!(found.address.to_string(), "10.0.0.9", "{wrong:?}");
            let found = client("10.0.0.1", &["198.51.100.1", wrong]);
            assert_eq!(found.address.to_string(), "10.0.0.1", "{wrong:?}");
        }
    }

    #[test]
    fn an_entry_is_read_as_proxies_write_it() {
        for (entry, address) in [
            ("192.0.2.7:4711", "192.0.2.7"),
            ("[2001:db8::7]", "2001:db8::7"),
            ("[2001:db8::7]:4711", "2001:db8::7"),
            ("2001:DB8::7", "2001:db8::7"),
            ("::ffff:192.0.2.7", "192.0.2.7"),
            ("[::ffff:192.0.2.7]:4711", "192.0.2.7"),
            // A proxy that is written as IPv6 is a proxy too.
            ("192.0.2.7, ::ffff:10.0.0.9", "192.0.2.7"),
        ] {
            assert_eq!(client("10.0.0.1", &[entry]).address.to_string(), address, "{entry}");
        }
        let found = client("::ffff:10.0.0.1", &["192.0.2.7"]);
        assert_eq!(found.address.to_string(), "192.0.2.7");
    }

    #[test]
    fn the_proxies_can_be_replaced() {
        let proxies = TrustedProxies::new(vec![AddressRange::parse("10.0.0.0/8").unwrap()]);
        proxies.replace(vec![AddressRange::parse("192.0.2.7").unwrap()]);
        assert!(!proxies.contains("10.0.0.1".parse().unwrap()));
        assert!(proxies.contains("192.0.2.7".parse().unwrap()));
    }

    /// IPv4 addresses that are written as IPv6 ones are of different clients.
    #[test]
    fn the_first_half_of_an_ipv6_address_is_the_client() {
        for (address, client) in [
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
            ("2001:db8:1:2::", "2001:db8:1:2::/64"),
            ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
            ("::1", "::/64"),
            ("192.0.2.7", "192.0.2.7"),
            ("::ffff:192.0.2.7", "192.0.2.7"),
        ] {
            let address: IpAddr = address.parse().unwrap();
            assert_eq!(ClientNetwork::from(address).to_string(), client);
        }
    }
}
