//! The IP addresses that webhooks may be sent to.
//!
//! A live server runs inside its operator's network, and a webhook URL must not open a
//! way into that network: only public addresses are allowed. A sandbox serves receivers
//! on the same machine or network, so it refuses only addresses that no receiver has.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use strum::IntoStaticStr;

use crate::domain::mode::Mode;

/// The class of an IP address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr)]
#[strum(serialize_all = "kebab-case")]
enum AddressClass {
    Public,
    Loopback,
    /// A private network, or one that a provider shares among its customers.
    Private,
    LinkLocal,
    /// The metadata service of a cloud, which gives out the machine's credentials.
    Metadata,
    Multicast,
    /// An IPv6 address that embeds an IPv4 address, to which an address translator would
    /// forward the request.
    Translated,
    /// Not assigned.
    Reserved,
}

/// Returns the name of the address's class if a webhook must not be sent to it in this
/// mode, and `None` if it may.
pub fn refused(mode: Mode, address: IpAddr) -> Option<&'static str> {
    let (class, is_allowed) = match mode {
        Mode::Live => {
            let class = class_of(address);
            (class, class == AddressClass::Public)
        }
        Mode::Sandbox => {
            let class = class_of(embedded_or_itself(address));
            let is_refused = matches!(
                class,
                AddressClass::LinkLocal | AddressClass::Metadata | AddressClass::Multicast
            );
            (class, !is_refused)
        }
    };
    (!is_allowed).then(|| class.into())
}

/// Returns the class of the first block that contains the address. An IPv4 address in no
/// block is public. An IPv6 address in no block is reserved.
fn class_of(address: IpAddr) -> AddressClass {
    match address {
        IpAddr::V4(address) => {
            let is_in = |(block, bits): (Ipv4Addr, u32)| {
                let differing = u32::from(address) ^ u32::from(block);
                differing.leading_zeros() >= bits
            };
            let found = V4_BLOCKS.iter().find(|(block, ..)| is_in(*block));
            found.map_or(AddressClass::Public, |(_, class)| *class)
        }
        IpAddr::V6(address) => {
            let is_in = |(block, bits): (Ipv6Addr, u32)| {
                let differing = u128::from(address) ^ u128::from(block);
                differing.leading_zeros() >= bits
            };
            let found = V6_BLOCKS.iter().find(|(block, ..)| is_in(*block));
            found.map_or(AddressClass::Reserved, |(_, class)| *class)
        }
    }
}

/// Returns the IPv4 address that an IPv6 address embeds, or else the address itself.
fn embedded_or_itself(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else {
        return address;
    };
    let bits = u128::from(v6).to_be_bytes();
    let at = |start: usize| {
        IpAddr::V4(Ipv4Addr::new(
            bits[start],
            bits[start + 1],
            bits[start + 2],
            bits[start + 3],
        ))
    };
    match v6.segments() {
        [0x64, 0xff9b, 0, 0, 0, 0, ..] => at(12),
        [0x2002, ..] => at(2),
        _ => v6.to_ipv4().filter(|_| !v6.is_loopback()).map_or(address, IpAddr::V4),
    }
}

const fn v4(a: u8, b: u8, c: u8, d: u8, bits: u32, class: AddressClass) -> ((Ipv4Addr, u32), AddressClass) {
    ((Ipv4Addr::new(a, b, c, d), bits), class)
}

const fn v6(segments: [u16; 8], bits: u32, class: AddressClass) -> ((Ipv6Addr, u32), AddressClass) {
    ((Ipv6Addr::from_segments(segments), bits), class)
}

/// IANA's registry of special-purpose IPv4 blocks, after the metadata services that lie
/// in them.
const V4_BLOCKS: [((Ipv4Addr, u32), AddressClass); 18] = [
    v4(169, 254, 169, 254, 32, AddressClass::Metadata),
    v4(100, 100, 100, 200, 32, AddressClass::Metadata),
    v4(192, 0, 0, 192, 32, AddressClass::Metadata),
    v4(168, 63, 129, 16, 32, AddressClass::Metadata),
    v4(127, 0, 0, 0, 8, AddressClass::Loopback),
    v4(10, 0, 0, 0, 8, AddressClass::Private),
    v4(172, 16, 0, 0, 12, AddressClass::Private),
    v4(192, 168, 0, 0, 16, AddressClass::Private),
    v4(100, 64, 0, 0, 10, AddressClass::Private),
    v4(198, 18, 0, 0, 15, AddressClass::Private),
    v4(169, 254, 0, 0, 16, AddressClass::LinkLocal),
    v4(224, 0, 0, 0, 4, AddressClass::Multicast),
    v4(0, 0, 0, 0, 8, AddressClass::Reserved),
    v4(192, 0, 0, 0, 24, AddressClass::Reserved),
    v4(192, 0, 2, 0, 24, AddressClass::Reserved),
    v4(198, 51, 100, 0, 24, AddressClass::Reserved),
    v4(203, 0, 113, 0, 24, AddressClass::Reserved),
    v4(240, 0, 0, 0, 4, AddressClass::Reserved),
];

/// IANA's registry of special-purpose IPv6 blocks, and `2000::/3`, the only public block.
const V6_BLOCKS: [((Ipv6Addr, u32), AddressClass); 17] = [
    v6([0, 0, 0, 0, 0, 0, 0, 1], 128, AddressClass::Loopback),
    v6([0, 0, 0, 0, 0, 0, 0, 0], 128, AddressClass::Reserved),
    v6([0, 0, 0, 0, 0, 0, 0, 0], 96, AddressClass::Translated),
    v6([0, 0, 0, 0, 0, 0xffff, 0, 0], 96, AddressClass::Translated),
    v6([0x64, 0xff9b, 0, 0, 0, 0, 0, 0], 32, AddressClass::Translated),
    v6([0x2002, 0, 0, 0, 0, 0, 0, 0], 16, AddressClass::Translated),
    v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 32, AddressClass::Translated),
    v6([0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254], 128, AddressClass::Metadata),
    v6([0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254], 128, AddressClass::Metadata),
    v6([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7, AddressClass::Private),
    v6([0xfec0, 0, 0, 0, 0, 0, 0, 0], 10, AddressClass::Private),
    v6([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10, AddressClass::LinkLocal),
    v6([0xff00, 0, 0, 0, 0, 0, 0, 0], 8, AddressClass::Multicast),
    v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 23, AddressClass::Reserved),
    v6([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32, AddressClass::Reserved),
    v6([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20, AddressClass::Reserved),
    v6([0x2000, 0, 0, 0, 0, 0, 0, 0], 3, AddressClass::Public),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_mode_refuses_its_classes_of_addresses() {
        // address, its class in live mode, true if a sandbox refuses it
        for (address, live, sandbox) in [
            ("1.1.1.1", None, None),
            ("8.8.8.8", None, None),
            ("100.63.255.255", None, None),
            ("100.128.0.0", None, None),
            ("172.15.255.255", None, None),
            ("172.32.0.0", None, None),
            ("192.167.255.255", None, None),
            ("223.255.255.255", None, None),
            ("2606:4700:4700::1111", None, None),
            ("2a00:1450:4001:81b::200e", None, None),
            ("127.0.0.1", Some("loopback"), None),
            ("127.255.255.254", Some("loopback"), None),
            ("::1", Some("loopback"), None),
            ("10.0.0.1", Some("private"), None),
            ("172.16.0.1", Some("private"), None),
            ("172.31.255.255", Some("private"), None),
            ("192.168.1.1", Some("private"), None),
            ("100.64.0.1", Some("private"), None),
            ("100.127.255.255", Some("private"), None),
            ("198.18.0.1", Some("private"), None),
            ("fd00::1", Some("private"), None),
            ("fc00::1", Some("private"), None),
            ("fec0::1", Some("private"), None),
            ("0.0.0.0", Some("reserved"), None),
            ("0.1.2.3", Some("reserved"), None),
            ("::", Some("reserved"), None),
            ("192.0.2.1", Some("reserved"), None),
            ("198.51.100.1", Some("reserved"), None),
            ("203.0.113.1", Some("reserved"), None),
            ("240.0.0.1", Some("reserved"), None),
            ("255.255.255.255", Some("reserved"), None),
            ("2001:db8::1", Some("reserved"), None),
            ("4000::1", Some("reserved"), None),
            ("169.254.0.1", Some("link-local"), Some("link-local")),
            ("fe80::1", Some("link-local"), Some("link-local")),
            ("febf::1", Some("link-local"), Some("link-local")),
            ("169.254.169.254", Some("metadata"), Some("metadata")),
            ("100.100.100.200", Some("metadata"), Some("metadata")),
            ("168.63.129.16", Some("metadata"), Some("metadata")),
            ("fd00:ec2::254", Some("metadata"), Some("metadata")),
            ("224.0.0.1", Some("multicast"), Some("multicast")),
            ("239.255.255.255", Some("multicast"), Some("multicast")),
            ("ff02::1", Some("multicast"), Some("multicast")),
            ("::ffff:1.1.1.1", Some("translated"), None),
            ("::ffff:127.0.0.1", Some("translated"), None),
            ("::ffff:10.0.0.1", Some("translated"), None),
            ("::ffff:169.254.169.254", Some("translated"), Some("metadata")),
            ("::127.0.0.1", Some("translated"), None),
            ("::169.254.169.254", Some("translated"), Some("metadata")),
            ("64:ff9b::7f00:1", Some("translated"), None),
            ("64:ff9b::a9fe:a9fe", Some("translated"), Some("metadata")),
            ("64:ff9b:1::1", Some("translated"), None),
            ("2002:7f00:1::", Some("translated"), None),
            ("2002:a9fe:a9fe::", Some("translated"), Some("metadata")),
            ("2001::1", Some("translated"), None),
        ] {
            let parsed = address.parse().unwrap();
            assert_eq!(refused(Mode::Live, parsed), live, "{address} in live mode");
            assert_eq!(refused(Mode::Sandbox, parsed), sandbox, "{address} in a sandbox");
        }
    }
}
