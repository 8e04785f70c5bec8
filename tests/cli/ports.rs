//! Ports for programs that must be told theirs before they start.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicU32, Ordering};

use socket2::{Domain, Socket, Type};

/// The ports that are given out here. They lie below those that the system gives to connections
/// and to listeners without a port of their own (32,768 and above on Linux), so that none of
/// those takes a port between the look at it and the start of the program.
const FIRST: u32 = 10_000;
const COUNT: u32 = 22_000;

/// Returns a port that no program listens on. Each call returns another one, and other processes
/// of tests begin elsewhere.
pub(crate) fn free_port() -> u16 {
    static GIVEN: AtomicU32 = AtomicU32::new(0);
    let start = std::process::id().wrapping_mul(101);
    for _ in 0..COUNT {
        let place = start.wrapping_add(GIVEN.fetch_add(1, Ordering::Relaxed)) % COUNT;
        let port = u16::try_from(FIRST + place).expect("all of these ports fit");
        let local: [SocketAddr; 2] = [(Ipv4Addr::LOCALHOST, port).into(), (Ipv6Addr::LOCALHOST, port).into()];
        if !local.into_iter().any(is_taken) {
            return port;
        }
    }
    panic!("all ports from {FIRST} on are taken");
}

/// Returns true if a program listens on an address. The socket that finds it out does not listen:
/// a child process that another test is starting has a copy of it for an instant.
fn is_taken(address: SocketAddr) -> bool {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None);
    let bound = socket.and_then(|socket| {
        socket.set_reuse_address(true)?;
        socket.bind(&address.into())
    });
    bound.is_err_and(|error| error.kind() == ErrorKind::AddrInUse)
}

/// Returns an address of this machine with a [`free_port`].
pub(crate) fn free_address() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, free_port()).into()
}
