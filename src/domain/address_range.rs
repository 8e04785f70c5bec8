//! Ranges of IP addresses, in CIDR notation.

use std::fmt;
use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net};

/// The bits before the IPv4 address in an IPv4-mapped IPv6 address, by RFC 4291.
const MAPPED_PREFIX_BITS: u8 = 96;

/// A range of IP addresses, such as `192.0.2.0/24`. An address alone is a range of one.
///
/// IPv4 addresses that are written as IPv6 (`::ffff:192.0.2.7`) are the IPv4 addresses, in
/// ranges and in the addresses that are compared with them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressRange(IpNet);

/// The text of a range that is not one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressRangeProblem {
    /// The text is neither an address nor a range.
    #[error("an IP address or a range of them, such as 192.0.2.7 or 2001:db8::/32")]
    NotARange,
    /// The address has bits behind the prefix. It is unclear which of the two is meant.
    #[error("an address without bits behind its prefix: the range is {0}")]
    HostBits(AddressRange),
}

impl AddressRange {
    /// Parses an address or a range in CIDR notation.
    ///
    /// # Errors
    ///
    /// Fails if the address has bits behind the prefix, as in `192.0.2.7/24`.
    pub fn parse(text: &str) -> Result<Self, AddressRangeProblem> {
        let net = match text.parse::<IpAddr>() {
            Ok(address) => IpNet::from(address.to_canonical()),
            Err(_) => canonical(text.parse().map_err(|_| AddressRangeProblem::NotARange)?),
        };
        if net == net.trunc() {
            Ok(Self(net))
        } else {
            Err(AddressRangeProblem::HostBits(Self(net.trunc())))
        }
    }

    /// Returns true if the address is in the range.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(&address.to_canonical())
    }

    /// Returns true for a range of all IPv4 or all IPv6 addresses.
    pub fn has_every_address(&self) -> bool {
        self.0.prefix_len() == 0
    }
}

/// Returns the IPv4 range that an IPv4-mapped range stands for.
fn canonical(net: IpNet) -> IpNet {
    if let IpNet::V6(mapped) = net
        && let Some(address) = mapped.addr().to_ipv4_mapped()
        && let Some(prefix) = mapped.prefix_len().checked_sub(MAPPED_PREFIX_BITS)
        && let Ok(range) = Ipv4Net::new(address, prefix)
    {
        return range.into();
    }
    net
}

/// Formats a range of one address as the address.
impl fmt::Display for AddressRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.prefix_len() == self.0.max_prefix_len() {
            self.0.addr().fmt(f)
        } else {
            self.0.fmt(f)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contains(range: &str, address: &str) -> bool {
        AddressRange::parse(range).unwrap().contains(address.parse().unwrap())
    }

    #[test]
    fn a_range_contains_the_addresses_of_its_prefix() {
        assert!(contains("192.0.2.0/24", "192.0.2.255"));
        assert!(!contains("192.0.2.0/24", "192.0.3.0"));
        assert!(contains("192.0.2.7", "192.0.2.7"));
        assert!(!contains("192.0.2.7", "192.0.2.8"));
        assert!(contains("2001:db8::/32", "2001:db8:ffff::1"));
        assert!(!contains("::/0", "192.0.2.7"));
        assert!(contains("0.0.0.0/0", "192.0.2.7"));
    }

    #[test]
    fn a_mapped_address_is_the_ipv4_address() {
        assert!(contains("192.0.2.0/24", "::ffff:192.0.2.7"));
        assert!(contains("::ffff:192.0.2.7", "192.0.2.7"));
        assert!(contains("::ffff:192.0.2.0/120", "192.0.2.7"));
        assert!(!contains("::ffff:192.0.2.0/120", "192.0.3.7"));
    }

    #[test]
    fn a_range_is_written_as_it_is_read() {
        for text in ["192.0.2.7", "192.0.2.0/24", "2001:db8::/32", "::1", "0.0.0.0/0"] {
            assert_eq!(AddressRange::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(AddressRange::parse("192.0.2.7/32").unwrap().to_string(), "192.0.2.7");
    }

    #[test]
    fn texts_that_are_no_range_are_refused() {
        for text in [
            "",
            "192.0.2",
            "192.0.2.0/33",
            "192.0.2.0/",
            "shop.example",
            " 192.0.2.7",
            "::/129",
            "1.2.3.4:80",
        ] {
            assert_eq!(AddressRange::parse(text), Err(AddressRangeProblem::NotARange), "{text}");
        }
        let problem = AddressRange::parse("192.0.2.7/24").unwrap_err();
        assert!(problem.to_string().ends_with("the range is 192.0.2.0/24"));
    }
}
