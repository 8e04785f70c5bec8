//! A request as its merchant sees it afterwards.

use serde::Serialize;

use super::log::{Answered, ReplyBody};
use crate::domain::ids::{EscrowId, EventId};
use crate::domain::ledger::{Account, Transfer};
use crate::http::call::{Call, SentBody};
use crate::http::faults::EffectView;
use crate::queries::CausedRows;
use crate::wire::{WireAmount, WireText};

/// Bytes of a body that are shown.
const SHOWN_BYTES_MAX: usize = 65_536;

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
    pub(super) fn new(answered: &Answered) -> Self {
        let call = &answered.call;
        Self {
            id: call.id.clone(),
            received_at: answered.received_at.to_string(),
            method: call.method.to_string(),
            path: call.path_and_query().to_owned(),
            customer_id: call.customer.get().cloned(),
            status: answered.status,
            duration_micros: answered.micros,
            replayed: answered.is_replay,
        }
    }
}

impl RequestView {
    /// The request by itself.
    pub(super) fn new(answered: &Answered) -> Self {
        let RequestLineView {
            id,
            received_at,
            method,
            path,
            customer_id,
            status,
            duration_micros,
            replayed,
        } = RequestLineView::new(answered);
        Self {
            id,
            received_at,
            method,
            path,
            customer_id,
            request_body: sent(&answered.call),
            status,
            reply_body: replied(&answered.reply),
            duration_micros,
            replayed,
            fault: answered.fault.map(EffectView::new),
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

/// What was sent, if it was read: a form as a line for each of its fields, and of a
/// file its length.
fn sent(call: &Call) -> Option<String> {
    let text = match call.body.get()? {
        SentBody::Json(text) => text.to_string(),
        SentBody::Form { fields, files } => {
            let fields = fields.iter().map(|(name, text)| format!("{name}: {text}\n"));
            let files = files
                .iter()
                .map(|file| format!("{}: a file of {} bytes\n", file.field, file.bytes));
            fields.chain(files).collect()
        }
    };
    Some(cut(&text, text.len()))
}

fn replied(reply: &ReplyBody) -> String {
    cut(&String::from_utf8_lossy(&reply.text), reply.bytes)
}

/// A text as far as it is shown, with a mark where it was longer: so many bytes.
fn cut(text: &str, bytes: usize) -> String {
    let shown = &text[..text.floor_char_boundary(SHOWN_BYTES_MAX)];
    if shown.len() < bytes {
        format!("{shown}… (the first {} of {bytes} bytes)", shown.len())
    } else {
        shown.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_between_characters_and_says_so() {
        assert_eq!(cut("{}", 2), "{}");
        let long = format!("x{}", "é".repeat(40_000));
        let shown = cut(&long, long.len());
        assert!(
            shown.ends_with("é… (the first 65535 of 80001 bytes)"),
            "{}",
            &shown[65_500..]
        );
    }
}
