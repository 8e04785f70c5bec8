//! Routes of batches of pay-outs: out to the bank as a CSV file, and back with the results.

use std::collections::BTreeMap;

use actix_web::web::Data;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use crate::commands::payout_batches::{self, BATCH_MAX, BatchEffect, BatchResult};
use crate::csv::payout_results::{PayoutOutcome, PayoutResult, read_payout_results};
use crate::csv::report::{Cell, Report};
use crate::domain::invalid::{Invalid, Parsed, shortened};
use crate::domain::refusal::Refusal;
use crate::domain::text;
use crate::domain::treasury::act::REASON_CHARS_MAX;
use crate::domain::treasury::payout::{BankEntry, BatchOutcome, PayoutStatus, bank_account_of};
use crate::domain::treasury::receipt::BANK_REFERENCE_CHARS_MAX;
use crate::http::auth::Caller;
use crate::http::blocking::on_thread;
use crate::http::body::{JsonBody, OptionalJsonBody};
use crate::http::csv_body::CsvBody;
use crate::http::details::details;
use crate::http::envelope::{CsvReply, Rendered, Reply};
use crate::http::error::{ApiError, ApiErrorKind};
use crate::http::fields::Field;
use crate::http::refusals::Refusals;
use crate::http::request_spec::{FieldSpec, Kind, RequestSpec};
use crate::http::routes::operator::acting::{act, act_rendered};
use crate::http::state::AppState;
use crate::store::PayoutWithWithdrawal;
use crate::views::Words;

/// The columns of the exported file.
const COLUMNS: [&str; 10] = [
    "payoutId",
    "reference",
    "amount",
    "currency",
    "bankCode",
    "bankName",
    "accountNumber",
    "accountName",
    "narration",
    "batch",
];

/// The request of [`export`].
pub(super) const EXPORT: RequestSpec =
    RequestSpec::of_optional_body(&[&[FieldSpec::optional("batch", Kind::Integer(1, u32::MAX as i64))
        .about("An exported batch whose file was lost; a new batch, if left out")]]);

/// `POST /operator/payouts/export`: a batch of approved pay-outs for the bank, oldest first.
pub(super) async fn export(
    state: Data<AppState>,
    caller: Caller,
    body: OptionalJsonBody,
) -> Result<CsvReply, ApiError> {
    let currency = state.policy.load().currency.clone();
    let batch = batch_number(&body.0);
    let file = act_rendered(
        &state,
        &caller,
        |tx, _policy, actor| match batch.transpose() {
            None => payout_batches::export(tx, actor, BATCH_MAX),
            Some(batch) => payout_batches::export_again(tx, actor, batch, BATCH_MAX),
        },
        move |exported| Rendered::csv(file_of(&exported, &currency)),
    )
    .await?;
    Ok(CsvReply::of(file, "payouts.csv"))
}

fn batch_number(body: &JsonBody) -> Parsed<Option<u32>> {
    let fields = body.fields()?;
    let batch = fields.field("batch");
    match batch.optional(Field::integer)?.map(u32::try_from) {
        None => Ok(None),
        Some(Ok(number)) => Ok(Some(number)),
        Some(Err(_)) => Err(batch.must_be(format!("a whole number from 1 to {}", u32::MAX))),
    }
}

/// The refusals of [`results`].
pub(super) const RESULTS_REFUSALS: Refusals = Refusals::NONE.of_http(&[ApiErrorKind::InvalidFile]);

/// `POST /operator/payouts/results`: applies the results of a batch, each for itself, in one
/// commit.
pub(super) async fn results(
    state: Data<AppState>,
    caller: Caller,
    CsvBody(body): CsvBody,
) -> Result<Reply<ResultsView>, ApiError> {
    let results = on_thread(move || read_payout_results(&body.bytes)).await??;
    if results.len() > BATCH_MAX {
        let expected = format!("a file of at most {BATCH_MAX} results");
        return Err(Invalid::wrong("the body", expected, &format!("{} results", results.len())).into());
    }
    let results: Vec<BatchResult> = results.into_iter().map(batch_result).collect();
    act(
        &state,
        &caller,
        move |tx, policy, actor| payout_batches::apply(tx, policy, actor, results),
        |applied| Reply::ok("Results of pay-outs applied", ResultsView::new(&applied)),
    )
    .await
}

fn batch_result(result: PayoutResult) -> BatchResult {
    BatchResult {
        line: result.line,
        payout: result.payout_id,
        outcome: batch_outcome(result.outcome),
    }
}

/// Returns the outcome as the record has it. The bank's reference and day of a return stand in
/// its reason, so the file's reason may have that much less.
fn batch_outcome(outcome: PayoutOutcome) -> Parsed<BatchOutcome> {
    match outcome {
        PayoutOutcome::Paid {
            bank_reference,
            value_date,
        } => Ok(BatchOutcome::Paid(BankEntry {
            reference: text::line("bankReference", bank_reference, BANK_REFERENCE_CHARS_MAX)?,
            value_date,
        })),
        PayoutOutcome::Returned {
            bank_reference,
            value_date,
            reason,
        } => {
            let by = match bank_reference {
                Some(reference) => format!(" {}", text::line("bankReference", reference, BANK_REFERENCE_CHARS_MAX)?),
                None => String::new(),
            };
            let returned = format!(" (returned{by} on {value_date})");
            let chars_max = REASON_CHARS_MAX - returned.chars().count();
            let reason = text::line("reason", reason, chars_max)? + &returned;
            Ok(BatchOutcome::Returned { value_date, reason })
        }
    }
}

fn file_of(exported: &[PayoutWithWithdrawal], currency: &str) -> String {
    let mut report = Report::new(&COLUMNS);
    for PayoutWithWithdrawal { payout, withdrawal, .. } in exported {
        let (id, text) = (payout.id.to_string(), |text: Option<&'_ str>| {
            text.unwrap_or_default().to_owned()
        });
        let account = payout
            .destination
            .as_ref()
            .or(withdrawal.as_ref().and_then(bank_account_of));
        let reference = withdrawal
            .as_ref()
            .map(|payment| payment.transaction.reference.as_str());
        let [bank_code, bank_name, number, name] = [
            account.map(|account| account.bank_code.as_str()),
            account.map(|account| account.bank_name.as_str()),
            account.map(|account| account.account_number.as_str()),
            account.map(|account| account.account_name.as_str()),
        ]
        .map(text);
        let narration = text(account.and_then(|account| account.narration.as_deref()));
        report.row(&[
            Cell::Text(&id),
            Cell::Text(reference.unwrap_or_default()),
            Cell::Amount(payout.amount),
            Cell::Text(currency),
            Cell::Text(&bank_code),
            Cell::Text(&bank_name),
            Cell::Text(&number),
            Cell::Text(&name),
            Cell::Text(&narration),
            payout.batch.map_or(Cell::Empty, |batch| Cell::Number(batch.into())),
        ]);
    }
    report.finish()
}

/// The effects of a batch's results.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ResultsView {
    applied: usize,
    /// Returns of large pay-outs, which take effect when a second operator asks for the same.
    asked: usize,
    already: usize,
    refused: usize,
    lines: Vec<LineView>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "PayoutResult")]
struct LineView {
    line: u64,
    /// As the file has it, shortened if it is long.
    payout_id: String,
    #[schemars(extend("enum" = ["applied", "asked", "already", "refused"]))]
    outcome: &'static str,
    /// The status of the pay-out. Null if the result was refused.
    #[schemars(with = "Option<Words<PayoutStatus>>")]
    status: Option<&'static str>,
    /// The code and the message of the refusal.
    code: Option<&'static str>,
    message: Option<String>,
    /// The values in the message, as a refused request has them.
    #[schemars(with = "Option<BTreeMap<String, serde_json::Value>>")]
    details: Option<Box<RawValue>>,
}

impl ResultsView {
    fn new(applied: &[(BatchResult, BatchEffect)]) -> Self {
        let lines: Vec<LineView> = applied.iter().map(LineView::new).collect();
        let count = |outcome| lines.iter().filter(|line| line.outcome == outcome).count();
        Self {
            applied: count("applied"),
            asked: count("asked"),
            already: count("already"),
            refused: count("refused"),
            lines,
        }
    }
}

impl LineView {
    fn new((result, effect): &(BatchResult, BatchEffect)) -> Self {
        let (outcome, status, refusal): (_, _, Option<&Refusal>) = match effect {
            BatchEffect::Applied(status) => ("applied", Some(status.into_str()), None),
            BatchEffect::Asked(status) => ("asked", Some(status.into_str()), None),
            BatchEffect::Already(status) => ("already", Some(status.into_str()), None),
            BatchEffect::Refused(refusal) => ("refused", None, Some(refusal)),
        };
        Self {
            line: result.line,
            payout_id: shortened(&result.payout),
            outcome,
            status,
            code: refusal.map(Refusal::code),
            message: refusal.map(ToString::to_string),
            details: refusal
                .and_then(details)
                .and_then(|details| to_raw_value(&details).ok()),
        }
    }
}
