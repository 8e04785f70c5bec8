//! Routes of the request log: the last requests of a key, with the transfers and events of
//! each (sandbox).

use actix_web::web::{Data, Path};
use schemars::JsonSchema;
use serde::Serialize;

use crate::domain::ids::{EscrowId, EventId};
use crate::domain::ledger::{Account, Transfer, TransferKind};
use crate::domain::refusal::Refusal;
use crate::domain::time::Timestamp;
use crate::http::auth::Caller;
use crate::http::envelope::Reply;
use crate::http::error::{ApiError, ApiErrorKind};
use crate::http::query::{self, Query};
use crate::http::refusals::{Refusals, Work};
use crate::http::routes::faults::EffectView;
use crate::http::sandbox::request_log::{RecordedBody, RecordedRequest, RequestLog};
use crate::http::state::AppState;
use crate::store::{Snapshot, WriteSummaryRows};
use crate::views::{AsText, EventName, MajorUnits, PageView, Words};

/// A request in a list, without its bodies, transfers and events.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RequestLineView {
    #[schemars(extend("pattern" = "^req_[0-9a-f]{32}$"))]
    id: String,
    received_at: AsText<Timestamp>,
    method: String,
    path: String,
    customer_id: Option<String>,
    status: u16,
    duration_micros: u64,
    replayed: bool,
}

/// A request with its bodies, transfers and events.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RequestView {
    #[schemars(extend("pattern" = "^req_[0-9a-f]{32}$"))]
    id: String,
    received_at: AsText<Timestamp>,
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
    events: Vec<EmittedEventView>,
}

/// A transfer that a request caused.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct TransferView {
    number: i64,
    #[schemars(with = "Words<TransferKind>")]
    kind: &'static str,
    debit: AsText<Account>,
    credit: AsText<Account>,
    amount: MajorUnits,
    escrow_id: Option<AsText<EscrowId>>,
}

/// An event that a request caused.
#[derive(Debug, Serialize, JsonSchema)]
struct EmittedEventView {
    id: AsText<EventId>,
    #[serde(rename = "type")]
    #[schemars(with = "EventName")]
    name: String,
}

impl RequestLineView {
    pub(crate) fn new(request: &RecordedRequest) -> Self {
        Self {
            id: request.id.clone(),
            received_at: AsText(request.received_at),
            method: request.method.to_string(),
            path: request.path.clone(),
            customer_id: request.customer.clone(),
            status: request.status,
            duration_micros: request.micros,
            replayed: request.is_replay,
        }
    }
}

impl RequestView {
    /// Shows the request without transfers and events.
    pub(crate) fn new(request: &RecordedRequest) -> Self {
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
            request_body: request.request_body.as_ref().map(shown),
            status,
            reply_body: shown(&request.reply_body),
            duration_micros,
            replayed,
            fault: request.fault.map(EffectView::new),
            transfers: Vec::new(),
            events: Vec::new(),
        }
    }

    /// Adds the transfers and events of one of the request's commands.
    pub(crate) fn add_write_summary(&mut self, (transfers, events): WriteSummaryRows) {
        self.transfers.extend(transfers.into_iter().map(TransferView::new));
        let event = |(id, name)| EmittedEventView { id: AsText(id), name };
        self.events.extend(events.into_iter().map(event));
    }
}

impl TransferView {
    fn new((number, transfer): (i64, Transfer)) -> Self {
        Self {
            number,
            kind: transfer.kind.into_str(),
            debit: AsText(transfer.debit),
            credit: AsText(transfer.credit),
            amount: MajorUnits(transfer.amount),
            escrow_id: transfer.escrow.map(AsText),
        }
    }
}

/// Returns the recorded part of a body. A truncated body ends with a note of its length.
fn shown(body: &RecordedBody) -> String {
    let text = body.text();
    if body.is_truncated() {
        format!("{text}… (the first {} of {} bytes)", text.len(), body.bytes)
    } else {
        text.into_owned()
    }
}

/// `GET /sandbox/requests`: the key's requests, newest first.
pub(crate) async fn list(
    state: Data<AppState>,
    caller: Caller,
    query: Query,
) -> Result<Reply<PageView<RequestLineView>>, ApiError> {
    let request = query::page(&query.fields().map_err(Refusal::from)?).map_err(Refusal::from)?;
    let walk = query.walk();
    let page = log_of(&state)?.page(&caller.key_hash, walk.bounded(request));
    walk.note(&page);
    Ok(Reply::ok(
        "Requests fetched successfully",
        PageView::new(page, |request| RequestLineView::new(&request)),
    ))
}

/// The refusals of [`get`].
pub(crate) const GET_REFUSALS: Refusals = Refusals::by(Work::ReadsLong).of_http(&[ApiErrorKind::RequestNotFound]);

/// `GET /sandbox/requests/{requestId}`: a request of the key with its reply, transfers and
/// events.
pub(crate) async fn get(
    state: Data<AppState>,
    caller: Caller,
    id: Path<String>,
) -> Result<Reply<RequestView>, ApiError> {
    let log = log_of(&state)?;
    let found = log.find(&caller.key_hash, &id);
    let request = found.ok_or(ApiError::RequestNotFound {
        requests_kept: log.requests_max(),
    })?;
    let mut view = RequestView::new(&request);
    if let Some(merchant) = caller.merchant() {
        // A seed has thousands of transfers and events.
        let summaries = move |snapshot: &Snapshot<'_>| {
            let of_commands = request.write_summaries.iter();
            of_commands
                .map(|summary| snapshot.write_summary_rows(summary))
                .collect()
        };
        let rows: Vec<_> = state.store.read_long(merchant, summaries).await?;
        for rows in rows {
            view.add_write_summary(rows);
        }
    }
    Ok(Reply::ok("Request fetched successfully", view))
}

/// Returns the request log, which every server with these routes has.
fn log_of(state: &AppState) -> Result<&RequestLog, ApiError> {
    state.requests.as_deref().ok_or(ApiError::Internal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_truncated_body_is_shown_with_its_length() {
        assert_eq!(shown(&RecordedBody::new(b"{}")), "{}");
        let long = "x".repeat(65_536);
        assert_eq!(shown(&RecordedBody::new(long.as_bytes())), long);
        let too_long = format!("{long}é");
        let expected = format!("{long}… (the first 65536 of 65538 bytes)");
        assert_eq!(shown(&RecordedBody::new(too_long.as_bytes())), expected);
    }
}
