//! What the load generator sends.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::deals::{Confirmation, Deal, Deals};

/// Requests in the order they are sent, shared by all connections.
pub(crate) struct Requests {
    deals: Arc<Deals>,
    kind: Kind,
    next: AtomicUsize,
}

enum Kind {
    /// Each milestone once.
    Confirm,
    /// Each escrow by its token, again and again.
    Read,
}

impl Requests {
    /// Every milestone is confirmed once.
    pub(crate) const fn confirm(deals: Arc<Deals>) -> Self {
        Self::new(deals, Kind::Confirm)
    }

    /// Escrows are read in a random order, without end.
    pub(crate) const fn read(deals: Arc<Deals>) -> Self {
        Self::new(deals, Kind::Read)
    }

    const fn new(deals: Arc<Deals>, kind: Kind) -> Self {
        Self {
            deals,
            kind,
            next: AtomicUsize::new(0),
        }
    }

    /// Writes the next request in place of what is there; `false` after the last.
    pub(crate) fn write_next(&self, into: &mut Vec<u8>) -> bool {
        let place = self.next.fetch_add(1, Ordering::Relaxed);
        into.clear();
        let written = match self.kind {
            Kind::Confirm => match self.deals.confirmation(place) {
                Some(confirmation) => confirm(into, &confirmation),
                None => return false,
            },
            Kind::Read => read(into, self.deals.to_read(place)),
        };
        written.is_ok()
    }
}

fn confirm(into: &mut Vec<u8>, confirmation: &Confirmation<'_>) -> std::io::Result<()> {
    let Confirmation {
        buyer,
        escrow,
        milestone,
    } = confirmation;
    write!(
        into,
        "POST /v1/escrow/milestone/confirm/{escrow}/{milestone} HTTP/1.1\r\nhost: localhost\r\n\
         customer-id: {buyer}\r\ncontent-length: 0\r\n\r\n"
    )
}

fn read(into: &mut Vec<u8>, deal: &Deal) -> std::io::Result<()> {
    write!(
        into,
        "GET /v1/escrow/verify/{} HTTP/1.1\r\nhost: localhost\r\ncustomer-id: {}\r\n\r\n",
        deal.token, deal.buyer
    )
}
