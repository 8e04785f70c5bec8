//! The route for the signed notices of payment providers (docs/providers.md).

use actix_web::HttpRequest;
use actix_web::web::{Data, Path};

use crate::commands::Policy;
use crate::commands::operators::OperatorActor;
use crate::commands::receipts::{self, ReceiptReport};
use crate::domain::events::webhook_endpoint::SigningSecret;
use crate::domain::ids::{MerchantId, Reference};
use crate::domain::invalid::Invalid;
use crate::domain::mode::Mode;
use crate::domain::refusal::{Refusal, RefusalKind};
use crate::domain::time::Timestamp;
use crate::domain::treasury::act::Agent;
use crate::domain::treasury::notice::Notice;
use crate::domain::treasury::receipt::ReceiptStatus;
use crate::http::auth::refuse_guess;
use crate::http::body::JsonBody;
use crate::http::context::RequestContext;
use crate::http::envelope::{NoData, Reply};
use crate::http::error::{ApiError, ApiErrorKind};
use crate::http::refusals::{Refusals, Work};
use crate::http::state::AppState;
use crate::notices::format::RawNotice;
use crate::notices::of_provider;
use crate::store::{self, Snapshot, Tx};

/// The most characters of a receipt's note.
const NOTE_CHARS_MAX: usize = 500;

/// The refusals of [`take`].
pub(crate) const TAKE_REFUSALS: Refusals = Refusals::of(&[&[RefusalKind::TooMuchMoney]])
    .in_live(&[RefusalKind::BankReferenceUsed])
    .of_http(&[
        ApiErrorKind::RouteNotFound,
        ApiErrorKind::WrongSignature,
        ApiErrorKind::TooManyRequests,
    ])
    .with(Work::Writes);

/// `POST /notices/{provider}/{merchant}`: records money that a provider has received for a
/// merchant. The signature is checked before anything of the body is read.
pub(crate) async fn take(
    state: Data<AppState>,
    request: HttpRequest,
    path: Path<(String, String)>,
    body: JsonBody,
) -> Result<Reply<NoData>, ApiError> {
    let (provider, merchant) = path.into_inner();
    let format = of_provider(&provider).ok_or_else(|| ApiError::RouteNotFound {
        path: request.path().to_owned(),
    })?;
    let known = secret_of(&state, format.name(), merchant).await?;
    let headers: Vec<(&str, &str)> = request
        .headers()
        .iter()
        .filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)))
        .collect();
    let raw = RawNotice {
        headers: &headers,
        body: body.text().as_bytes(),
    };
    let signed = known.filter(|(_, secret)| format.is_signed(&raw, secret.as_str()));
    let Some((merchant, secret)) = signed else {
        return Err(refuse_guess(&request, &state, ApiError::WrongSignature));
    };
    let notice = format.parse(raw.body).map_err(Refusal::from)?;
    let Some(notice) = notice.filter(|notice| counts(notice, state.policy.load().mode, format.name())) else {
        return Ok(Reply::ok(
            "Notice ignored: it is not about money that came in",
            NoData {},
        ));
    };
    if *notice.currency != *state.policy.load().currency {
        let expected = format!("{:?}, the currency of this service", &*state.policy.load().currency);
        return Err(Refusal::from(Invalid::wrong(format.currency_field(), expected, &notice.currency)).into());
    }
    let agent = Agent {
        operator: None,
        address: RequestContext::of(&request)?
            .address()
            .map(|address| address.to_string()),
    };
    let (report, mode) = (report_of(notice), state.policy.load().mode);
    let amount = report.amount;
    let record = move |tx: &mut Tx<'_>, policy: &Policy| {
        tx.act_for(merchant)?;
        // It may have been removed while the body came.
        if secret_at(tx, mode, format.name(), merchant)?.as_ref() != Some(&secret) {
            return Err(ApiError::WrongSignature);
        }
        let outcome = receipts::record_notice(tx, policy, &OperatorActor { merchant, agent }, report)?;
        Ok(outcome.receipt)
    };
    let receipt = state.write(record).await?;
    if matches!(receipt.status, ReceiptStatus::Rejected | ReceiptStatus::Reversed) {
        let (reference, status) = (&receipt.entry.reference, receipt.status.into_str());
        log::warn!(
            "a notice of {reference} changed nothing, since receipt {} of it is {status}; an operator can record it again",
            receipt.id
        );
    }
    if receipt.amount != amount {
        log::warn!(
            "a notice of {} over {amount} changed nothing, since receipt {} of it is over {}; look at the provider what came",
            receipt.entry.reference,
            receipt.id,
            receipt.amount
        );
    }
    Ok(Reply::ok("Notice recorded", NoData {}))
}

/// Returns the merchant that a path names, by its id or its name, with the secret of its
/// account at the provider.
async fn secret_of(
    state: &AppState,
    provider: &'static str,
    merchant: String,
) -> Result<Option<(MerchantId, SigningSecret)>, ApiError> {
    let mode = state.policy.load().mode;
    let read = state.store.read(move |snapshot| {
        let merchant = snapshot.merchant_by_id_or_name(&merchant)?;
        let with_secret = |merchant| {
            let secret = secret_at(snapshot, mode, provider, merchant)?;
            Ok(secret.map(|secret| (merchant, secret)))
        };
        merchant.map(with_secret).transpose()
    });
    Ok(read.await?.flatten())
}

/// Returns the secret of a merchant's account at a provider. In a sandbox it is the merchant's key.
fn secret_at(
    snapshot: &Snapshot<'_>,
    mode: Mode,
    provider: &str,
    merchant: MerchantId,
) -> Result<Option<SigningSecret>, store::Error> {
    match mode {
        Mode::Sandbox => Ok(snapshot.webhook_endpoint(merchant)?.secret),
        Mode::Live => snapshot.notice_secret(merchant, provider),
    }
}

/// Returns true if a notice is about money of this mode.
fn counts(notice: &Notice, mode: Mode, provider: &str) -> bool {
    let is_play_money = notice.is_test && mode == Mode::Live;
    if is_play_money {
        log::warn!("{provider} sent a notice of its test mode, which moved no money; it is ignored");
    }
    !is_play_money
}

fn report_of(notice: Notice) -> ReceiptReport {
    let fee = notice.fee.map(|fee| format!("fee of the provider {fee}"));
    let payer = notice.customer_email.map(|email| format!("payer {email}"));
    let parts: Vec<String> = [payer, fee, notice.narration].into_iter().flatten().collect();
    let note: String = parts.join("; ").chars().take(NOTE_CHARS_MAX).collect();
    let references = notice.deposit_references.iter();
    ReceiptReport {
        amount: notice.amount,
        reference: notice.provider_reference,
        paid_on: notice.paid_at.map(Timestamp::date),
        note: Some(note).filter(|note| !note.is_empty()),
        references: references.filter_map(|reference| Reference::parse(reference)).collect(),
    }
}
