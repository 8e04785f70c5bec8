//! The requests of the load generator.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::deals::{Confirmation, Deal, Deals};

/// A sequence of requests that all connections take from.
pub(crate) struct Requests {
    deals: Arc<Deals>,
    kind: Kind,
    next: AtomicUsize,
}

enum Kind {
    /// Confirms each milestone once.
    Confirm,
    /// Reads escrows by their tokens, without end.
    Read,
    /// Sends a small JSON body, without end.
    Null,
}

impl Requests {
    /// Returns requests that confirm each milestone once.
    pub(crate) const fn confirm(deals: Arc<Deals>) -> Self {
        Self::new(deals, Kind::Confirm)
    }

    /// Returns requests that read escrows in a random order, without end.
    pub(crate) const fn read(deals: Arc<Deals>) -> Self {
        Self::new(deals, Kind::Read)
    }

    /// Returns requests with a small JSON body, without end.
    pub(crate) const fn null(deals: Arc<Deals>) -> Self {
        Self::new(deals, Kind::Null)
    }

    const fn new(deals: Arc<Deals>, kind: Kind) -> Self {
        Self {
            deals,
            kind,
            next: AtomicUsize::new(0),
        }
    }

    /// Replaces the content of the buffer by the next request. Returns false if there are no
    /// more requests.
    pub(crate) fn write_next(&self, into: &mut Vec<u8>) -> bool {
        let place = self.next.fetch_add(1, Ordering::Relaxed);
        into.clear();
        let written = match self.kind {
            Kind::Confirm => match self.deals.confirmation(place) {
                Some(confirmation) => confirm(into, &confirmation),
                None => return false,
            },
            Kind::Read => read(into, self.deals.to_read(place)),
            Kind::Null => null(into),
        };
        written.is_ok()
    }
}

fn confirm(into: &mut Vec<u8>, confirmation: &Confirmation<'_>) -> std::io::Result<()> {
    let Confirmation {
        key,
        buyer,
        escrow,
        milestone,
    } = confirmation;
    write!(
        into,
        "POST /v1/escrow/milestone/confirm/{escrow}/{milestone} HTTP/1.1\r\nhost: localhost\r\n\
         customer-id: {buyer}\r\ncontent-length: 0\r\n"
    )?;
    if !key.is_empty() {
        write!(into, "authorization: Bearer {key}\r\n")?;
    }
    into.write_all(b"\r\n")
}

fn read(into: &mut Vec<u8>, deal: &Deal) -> std::io::Result<()> {
    write!(
        into,
        "GET /v1/escrow/verify/{} HTTP/1.1\r\nhost: localhost\r\ncustomer-id: {}\r\n\r\n",
        deal.token, deal.buyer
    )
}

fn null(into: &mut Vec<u8>) -> std::io::Result<()> {
    const BODY: &str = r#"{"amount":1500,"note":"Frame"}"#;
    write!(
        into,
        "POST / HTTP/1.1\r\nhost: localhost\r\ncustomer-id: ada\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{BODY}",
        BODY.len()
    )
}
