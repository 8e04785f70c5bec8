//! A request as its merchant sees it afterwards.

use serde::Serialize;

use super::log::{Body, Remembered};
use crate::domain::ids::{EscrowId, EventId};
use crate::domain::ledger::{Account, Transfer};
use crate::http::faults::EffectView;
use crate::queries::CausedRows;
use crate::wire::{WireAmount, WireText};

/// One of a list: without the bodies, and without what came of it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RequestLineView {
    id: String,
    received_at: String,
    method: String,
    path: String,
    customer_id: Option<String>,
    status: u16,
    duration_micros: u64,
    replayed: bool,
}

/// All there is to say of one.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RequestView {
    id: String,
    received_at: String,
    method: String,
    path: String,
    customer_id: Option<String>,
    request_body: Option<String>,
    status: u16,
    reply_body: String,
    duration_micros: u64,
    replayed: bool,
    fault: Option<EffectView>,
    transfers: Vec<TransferView>,
    events: Vec<EventView>,
}

/// A movement of money that a request caused.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct TransferView {
    number: i64,
    kind: &'static str,
    debit: WireText<Account>,
    credit: WireText<Account>,
    amount: WireAmount,
    escrow_id: Option<WireText<EscrowId>>,
}

/// An event that a request caused.
#[derive(Debug, Serialize)]
struct EventView {
    id: WireText<EventId>,
    #[serde(rename = "type")]
    name: String,
}

impl RequestLineView {
    pub(super) fn new(request: &Remembered) -> Self {
        let answered = request.answered;
        Self {
            id: request.id.clone(),
            received_at: answered.received_at.to_string(),
            method: request.method.to_string(),
            path: request.path.clone(),
            customer_id: request.customer.clone(),
            status: answered.status,
            duration_micros: answered.micros,
            replayed: answered.is_replay,
        }
    }
}

impl RequestView {
    /// The request by itself.
    pub(super) fn new(request: &Remembered) -> Self {
        let RequestLineView {
            id,
            received_at,
            method,
            path,
            customer_id,
            status,
            duration_micros,
            replayed,
        } = RequestLineView::new(request);
        Self {
            id,
            received_at,
            method,
            path,
            customer_id,
            request_body: request.sent.as_ref().map(shown),
            status,
            reply_body: shown(&request.reply),
            duration_micros,
            replayed,
            fault: request.answered.fault.map(EffectView::new),
            transfers: Vec::new(),
            events: Vec::new(),
        }
    }

    /// Adds what a command of its caused.
    pub(super) fn add_caused(&mut self, (transfers, events): CausedRows) {
        self.transfers.extend(transfers.into_iter().map(TransferView::new));
        let event = |(id, name)| EventView { id: WireText(id), name };
        self.events.extend(events.into_iter().map(event));
    }
}

impl TransferView {
    fn new((number, transfer): (i64, Transfer)) -> Self {
        Self {
            number,
            kind: transfer.kind.as_str(),
            debit: WireText(transfer.debit),
            credit: WireText(transfer.credit),
            amount: WireAmount(transfer.amount),
            escrow_id: transfer.escrow.map(WireText),
        }
    }
}

/// A body as far as it is kept, with a mark where it was longer.
fn shown(body: &Body) -> String {
    let Body { text, bytes } = body;
    if text.len() < *bytes {
        format!("{text}… (the first {} of {bytes} bytes)", text.len())
    } else {
        text.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_that_was_cut_says_so() {
        let body = |text: &str, bytes| Body {
            text: text.to_owned(),
            bytes,
        };
        assert_eq!(shown(&body("{}", 2)), "{}");
        assert_eq!(shown(&body("{\"a", 9)), "{\"a… (the first 3 of 9 bytes)");
    }
}
