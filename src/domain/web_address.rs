//! The address under which clients reach this service, for links in replies and events.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use url::{Host, Url};

/// A part of an address that a person does not see, so the address of a web page has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HiddenPart {
    /// A user name or a password, which everyone who sees the address would learn.
    #[error("an address without a name and a password before its host")]
    Credentials,
    /// A character that the address loses when it is read.
    #[error("an address without line breaks, tabs and other control characters")]
    ControlCharacter,
}

/// Checks that nothing of an address is hidden from those who look at it: `text` as it was sent, and
/// `url` as it was read.
///
/// # Errors
///
/// Returns the first part that is.
pub fn check_hidden_parts(text: &str, url: &Url) -> Result<(), HiddenPart> {
    if text.contains(char::is_control) {
        return Err(HiddenPart::ControlCharacter);
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(HiddenPart::Credentials);
    }
    Ok(())
}

/// The most characters of a host name with its port.
const HOST_CHARS_MAX: usize = 260;

/// Returns the origin that a `Host` header names, such as `http://127.0.0.1:8080`, or `None`
/// if the header is not a host that a client can reach: the client chooses its text, and
/// links must not contain anything else.
pub fn origin_of_host(host: &str) -> Option<String> {
    let is_part_of_host = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte);
    if host.is_empty() || host.len() > HOST_CHARS_MAX || !host.bytes().all(is_part_of_host) {
        return None;
    }
    let url = Url::parse(&format!("http://{host}/")).ok()?;
    let is_whole = url.path() == "/" && !is_unspecified(&url) && url.port() != Some(0);
    is_whole.then(|| url.origin().ascii_serialization())
}

/// Returns true if the host of an address stands for every address of a machine.
pub fn is_unspecified(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_unspecified(),
        Some(Host::Ipv6(address)) => address.is_unspecified(),
        Some(Host::Domain(_)) | None => false,
    }
}

/// Returns the address under which a program on this machine reaches a listening socket.
pub fn reachable_from_here(listening: SocketAddr) -> SocketAddr {
    let ip = match listening.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listening.port())
}

/// Returns true if no machine outside a private network can reach the address.
pub fn is_private(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => {
            // Carriers and overlay networks share 100.64.0.0/10 (RFC 6598).
            let is_shared = matches!(address.octets(), [100, 64..=127, ..]);
            address.is_loopback() || address.is_private() || address.is_link_local() || is_shared
        }
        IpAddr::V6(address) => address.is_loopback() || address.is_unique_local() || address.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_private_networks_are_private() {
        for (address, expected) in [
            ("127.0.0.1", true),
            ("10.1.2.3", true),
            ("172.31.0.1", true),
            ("192.168.1.5", true),
            ("100.64.0.1", true),
            ("100.128.0.1", false),
            ("::ffff:10.0.0.1", true),
            ("::1", true),
            ("fd00::1", true),
            ("fe80::1", true),
            ("172.32.0.1", false),
            ("198.51.100.1", false),
            ("0.0.0.0", false),
            ("2001:db8::1", false),
        ] {
            assert_eq!(is_private(address.parse().unwrap()), expected, "{address}");
        }
    }

    #[test]
    fn a_host_is_an_origin_as_browsers_write_it() {
        for (host, origin) in [
            ("localhost:8080", "http://localhost:8080"),
            ("LOCALHOST", "http://localhost"),
            ("escrowd", "http://escrowd"),
            ("my_service:80", "http://my_service"),
            ("192.168.1.5:9000", "http://192.168.1.5:9000"),
            ("[::1]:8080", "http://[::1]:8080"),
            ("escrow.example", "http://escrow.example"),
        ] {
            assert_eq!(origin_of_host(host).as_deref(), Some(origin), "{host}");
        }
    }

    #[test]
    fn text_that_is_no_reachable_host_is_no_origin() {
        let long = "x".repeat(300);
        for host in [
            "",
            " ",
            "a b",
            "0.0.0.0",
            "0.0.0.0:8080",
            "0",
            "0x0:80",
            "[::]:8080",
            "host:0",
            "host:99999",
            "host:port",
            "user@evil.example",
            "evil.example/path",
            "evil.example?x",
            "evil.example#x",
            "evil.example\"><script>",
            "evil.example\\",
            "%65vil.example",
            "évil.example",
            "a:1:2",
            "[::1",
            "::1",
            ":8080",
            &long,
        ] {
            assert_eq!(origin_of_host(host), None, "{host}");
        }
    }

    #[test]
    fn a_password_and_a_line_break_are_hidden_in_an_address() {
        let checked = |text: &str| check_hidden_parts(text, &Url::parse(text).unwrap());
        for text in [
            "https://a:b@shop.example/",
            "https://a@shop.example/",
            "https://:b@shop.example/",
        ] {
            assert_eq!(checked(text), Err(HiddenPart::Credentials), "{text}");
        }
        for text in [
            "https://shop.example/\nx",
            "https://sh\top.example/",
            "\0https://shop.example/",
        ] {
            assert_eq!(checked(text), Err(HiddenPart::ControlCharacter), "{text:?}");
        }
        for text in ["https://shop.example/a@b:c", " https://shop.example/a b#c"] {
            assert_eq!(checked(text), Ok(()), "{text}");
        }
    }

    #[test]
    fn a_socket_on_every_address_is_reached_on_this_machine() {
        for (listening, reached) in [
            ("0.0.0.0:8080", "127.0.0.1:8080"),
            ("[::]:8080", "[::1]:8080"),
            ("192.0.2.1:80", "192.0.2.1:80"),
        ] {
            assert_eq!(reachable_from_here(listening.parse().unwrap()).to_string(), reached);
        }
    }
}
