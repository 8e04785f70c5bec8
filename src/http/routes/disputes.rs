//! Routes of disputes, and of a merchant's feed (contract sections 4.6.2 to 4.6.7).

use actix_web::web::{Data, Path};

use crate::commands::disputes::{self, ResolutionRequest};
use crate::domain::escrow::Status;
use crate::domain::escrow::deal::Deal;
use crate::domain::escrow::dispute::{Resolution, statement_text};
use crate::domain::escrow::merchant_escrows::MerchantEscrowFilter;
use crate::domain::ids::{CustomerId, EscrowId, EscrowKey, MerchantId, PaymentToken};
use crate::domain::invalid::Parsed;
use crate::domain::page::{LIMIT_DEFAULT, Page, PageRequest};
use crate::domain::refusal::{Refusal, RefusalKind};
use crate::http::auth::Caller;
use crate::http::body::JsonOrFormBody;
use crate::http::envelope::Reply;
use crate::http::error::ApiError;
use crate::http::fields::{Field, Fields};
use crate::http::query::{self, ListWalk, Query};
use crate::http::refusals::Refusals;
use crate::http::request_spec::{FieldSpec, Kind, ListMax, RequestSpec, words};
use crate::http::routes::shared_fields::CATEGORY_ID;
use crate::http::state::AppState;
use crate::http::uploads::{self, Uploads};
use crate::views::{DetailedEscrowView, EscrowView, PageView};

/// The message of a ruling.
pub(super) const RESOLVED: &str = "Dispute resolution submitted successfully";

/// The form field with the evidence of a statement or a ruling.
const EVIDENCE: &str = "file";

const EVIDENCE_FILE: FieldSpec = FieldSpec::optional(EVIDENCE, Kind::Files(ListMax::Is(1)));
const BETWEEN: [FieldSpec; 2] = [
    FieldSpec::optional("fromDate", Kind::Date),
    FieldSpec::optional("toDate", Kind::Date),
];

/// The request of [`submit`].
pub(crate) const STATEMENT: RequestSpec =
    RequestSpec::of_form(&[&[FieldSpec::required("message", Kind::Prose), EVIDENCE_FILE]]);
/// The request of [`resolve`].
pub(crate) const RULING: RequestSpec = RequestSpec::of_form(&[&[
    FieldSpec::required("resolution", Kind::Prose),
    FieldSpec::required("status", Kind::Words(words::<Resolution>)),
    FieldSpec::optional("sellerAmount", Kind::Amount(0)),
    FieldSpec::optional("buyerAmount", Kind::Amount(0)),
    FieldSpec::optional("additionalFeeRefundable", Kind::Boolean),
    EVIDENCE_FILE,
]]);
/// The query of [`list_own`].
pub(crate) const OWN_DISPUTES: RequestSpec = RequestSpec::of_query(&[
    &[FieldSpec::optional("paymentToken", Kind::Text)],
    &BETWEEN,
    &query::PAGE_START,
]);
/// The query of [`list_all`].
pub(crate) const ALL_DISPUTES: RequestSpec = RequestSpec::of_query(&[
    &[FieldSpec::optional("paymentId", Kind::Text).about("A payment token")],
    &BETWEEN,
    &query::PAGE,
]);
/// The query of [`feed`].
pub(crate) const FEED: RequestSpec = RequestSpec::of_query(&[
    &[
        FieldSpec::optional("status", Kind::Words(words::<Status>)),
        FieldSpec::optional("customerId", Kind::CustomerId),
        CATEGORY_ID,
        FieldSpec::optional("paymentToken", Kind::Text),
    ],
    &BETWEEN,
    &query::PAGE,
]);

/// The refusals of [`submit`].
pub(crate) const SUBMIT_REFUSALS: Refusals = Refusals::of(&[&[
    RefusalKind::EscrowNotFound,
    RefusalKind::VaultNotDisputable,
    RefusalKind::AccessDenied,
    RefusalKind::NothingLeftToDispute,
    RefusalKind::ActionNotAllowed,
    RefusalKind::BuyerAlreadyDisputed,
    RefusalKind::SellerAlreadyReplied,
]]);

/// `POST /v1/escrow/submit-dispute/{paymentToken}`, as the buyer or the seller.
pub(crate) async fn submit(
    state: Data<AppState>,
    caller: Caller,
    token: Path<String>,
    mut body: JsonOrFormBody,
) -> Result<Reply<DetailedEscrowView>, ApiError> {
    let token = PaymentToken::named(&token);
    let request = parse_statement(&mut body, state.policy.load().terms_limits.description_chars_max);
    let mode = state.policy.load().mode;
    state
        .execute_with_files(
            caller,
            request,
            |tx, policy, actor, message, files| {
                disputes::submit(tx, policy, actor, token, message, files.first().copied())
            },
            move |escrow, context| {
                let view = DetailedEscrowView::for_submission(escrow, context, mode);
                Reply::ok("Escrow dispute submitted successfully", view)
            },
        )
        .await
}

/// The refusals of [`resolve`].
pub(crate) const RESOLVE_REFUSALS: Refusals = Refusals::of(&[&[
    RefusalKind::SplitAmountsMissing,
    RefusalKind::SplitAmountsWithoutSplit,
    RefusalKind::AdditionalFeeRefundableUnclear,
    RefusalKind::EscrowNotFound,
    RefusalKind::VaultNotSplittable,
    RefusalKind::NoDispute,
    RefusalKind::AlreadyResolved,
    RefusalKind::SplitDoesNotAddUp,
]]);

/// `POST /v1/escrow/dispute/resolve/{escrowId}`, as the merchant.
pub(crate) async fn resolve(
    state: Data<AppState>,
    caller: Caller,
    escrow: Path<String>,
    mut body: JsonOrFormBody,
) -> Result<Reply<EscrowView>, ApiError> {
    let escrow = EscrowId::named(&escrow);
    let request = parse_resolution(&mut body, state.policy.load().terms_limits.description_chars_max);
    state
        .execute_with_files(
            caller,
            request,
            move |tx, policy, actor, request, files| {
                disputes::resolve(tx, policy, actor.merchant, escrow, request, files.first().copied())
            },
            |escrow, context| Reply::ok(RESOLVED, EscrowView::new(escrow, context)),
        )
        .await
}

/// `GET /v1/escrow/dispute/get`: the disputes of the acting customer, as buyer or seller.
pub(crate) async fn list_own(
    state: Data<AppState>,
    caller: Caller,
    query: Query,
) -> Result<Reply<PageView<EscrowView>>, ApiError> {
    let request = parse_own_disputes(caller.customer(), &query);
    let (merchant, request) = state.admit(&caller, request).await?;
    page_of_deals(
        &state,
        &caller,
        Some(merchant),
        (request, query.walk()),
        "Escrow retrieved successfully",
    )
    .await
}

/// The refusals of [`get`].
pub(crate) const GET_REFUSALS: Refusals = Refusals::of(&[&[RefusalKind::DisputeNotAccessible]]);

/// `GET /v1/escrow/dispute/get/{escrowId}`, as its buyer or its seller.
pub(crate) async fn get(
    state: Data<AppState>,
    caller: Caller,
    escrow: Path<String>,
) -> Result<Reply<EscrowView>, ApiError> {
    let merchant = state.admit_owner(&caller, Refusal::DisputeNotAccessible).await?;
    let escrow = EscrowId::named(&escrow);
    let deal = state
        .store
        .read(move |snapshot| snapshot.deal(merchant, &EscrowKey::Id(escrow)))
        .await?;
    let escrow = match deal {
        Some(Deal::Escrow(escrow)) if escrow.shows_dispute_to(caller.customer()) => escrow,
        _ => return Err(Refusal::DisputeNotAccessible.into()),
    };
    let view = EscrowView::new(
        escrow,
        &state
            .policy
            .load()
            .view_context(caller.viewer(), caller.request.host.as_deref()),
    );
    Ok(Reply::ok("Escrow dispute retrieved successfully", view))
}

/// `GET /v1/escrow/all-dispute`, as the merchant.
pub(crate) async fn list_all(
    state: Data<AppState>,
    caller: Caller,
    query: Query,
) -> Result<Reply<PageView<EscrowView>>, ApiError> {
    let (merchant, request) = (caller.merchant(), (parse_all_disputes(&query)?, query.walk()));
    page_of_deals(&state, &caller, merchant, request, "Dispute fetched successfully").await
}

/// `GET /v1/escrow/feeds`, as the merchant: deals of every settlement type.
pub(crate) async fn feed(
    state: Data<AppState>,
    caller: Caller,
    query: Query,
) -> Result<Reply<PageView<EscrowView>>, ApiError> {
    let (merchant, request) = (caller.merchant(), (parse_feed(&query)?, query.walk()));
    page_of_deals(
        &state,
        &caller,
        merchant,
        request,
        "Escrow transactions fetched successfully",
    )
    .await
}

/// Returns a page of the merchant's deals. Without a merchant, because the key is new, the
/// page is empty.
async fn page_of_deals(
    state: &AppState,
    caller: &Caller,
    merchant: Option<MerchantId>,
    ((filter, request), walk): ((MerchantEscrowFilter, PageRequest), ListWalk),
    message: &'static str,
) -> Result<Reply<PageView<EscrowView>>, ApiError> {
    let Some(merchant) = merchant else {
        let policy = state.policy.load();
        let context = policy.view_context(None, caller.request.host.as_deref());
        return Ok(Reply::ok(
            message,
            PageView::new(Page::empty(request), |deal: Deal| EscrowView::of_deal(deal, &context)),
        ));
    };
    let request = walk.bounded(request);
    state
        .read_list(
            caller,
            merchant,
            move |snapshot| snapshot.deals(merchant, &filter, request),
            move |page: Page<Deal>, context| {
                walk.note(&page);
                let page = PageView::new(page, |deal| EscrowView::of_deal(deal, context));
                Ok(Reply::ok(message, page))
            },
        )
        .await
}

/// Parses the request (contract section 4.6.2).
fn parse_statement(body: &mut JsonOrFormBody, chars_max: usize) -> Parsed<(String, Uploads)> {
    let fields = body.fields(EVIDENCE)?;
    let message = statement_text("message", fields.field("message").text()?, chars_max)?;
    Ok((message, uploads::evidence(body, EVIDENCE)?))
}

/// Parses the request (contract section 4.6.7).
pub(super) fn parse_resolution(
    body: &mut JsonOrFormBody,
    chars_max: usize,
) -> Result<(ResolutionRequest, Uploads), Refusal> {
    let fields = body.fields(EVIDENCE)?;
    let resolution = statement_text("resolution", fields.field("resolution").text()?, chars_max)?;
    let kind: Resolution = fields.field("status").word()?;
    let seller = fields.field("sellerAmount").optional(Field::amount)?;
    let buyer = fields.field("buyerAmount").optional(Field::amount)?;
    let ruling = kind.with_amounts(seller, buyer)?;
    let additional_fee_refundable = fields
        .field("additionalFeeRefundable")
        .optional(Field::boolean)
        .map_err(|_| Refusal::AdditionalFeeRefundableUnclear)?;
    let request = ResolutionRequest {
        resolution,
        ruling: ruling.with_additional_fee(additional_fee_refundable),
    };
    Ok((request, uploads::evidence(body, EVIDENCE)?))
}

/// Contract section 4.6.3: the disputes of a customer, [`LIMIT_DEFAULT`] on a page.
fn parse_own_disputes(customer: &CustomerId, query: &Query) -> Parsed<(MerchantEscrowFilter, PageRequest)> {
    let fields = query.fields()?;
    let page = query::page_of(&fields, LIMIT_DEFAULT)?;
    let filter = MerchantEscrowFilter {
        is_disputed: true,
        customer: Some(customer.clone()),
        token: token(&fields, "paymentToken")?,
        ..created_between(&fields)?
    };
    Ok((filter, page))
}

/// Contract section 4.6.5: `paymentId` holds a payment token.
fn parse_all_disputes(query: &Query) -> Parsed<(MerchantEscrowFilter, PageRequest)> {
    let fields = query.fields()?;
    let page = query::page(&fields)?;
    let filter = MerchantEscrowFilter {
        is_disputed: true,
        token: token(&fields, "paymentId")?,
        ..created_between(&fields)?
    };
    Ok((filter, page))
}

/// Parses the request (contract section 4.6.6).
fn parse_feed(query: &Query) -> Parsed<(MerchantEscrowFilter, PageRequest)> {
    let fields = query.fields()?;
    let page = query::page(&fields)?;
    let status = fields.field("status").optional(Field::word)?;
    let customer = fields.field("customerId").optional(Field::customer_id)?;
    let category = fields.field("categoryId").optional(Field::category_id)?;
    let filter = MerchantEscrowFilter {
        customer,
        status,
        category,
        ..created_between(&fields)?
    };
    let token = token(&fields, "paymentToken")?;
    Ok((MerchantEscrowFilter { token, ..filter }, page))
}

/// Reads the first and the last day of a deal's creation.
fn created_between(fields: &Fields<'_>) -> Parsed<MerchantEscrowFilter> {
    Ok(MerchantEscrowFilter {
        from: fields.field("fromDate").optional(Field::date)?,
        to: fields.field("toDate").optional(Field::date)?,
        ..MerchantEscrowFilter::default()
    })
}

fn token(fields: &Fields<'_>, name: &str) -> Parsed<Option<PaymentToken>> {
    let token = fields.field(name).optional(Field::text)?;
    Ok(token.as_deref().map(PaymentToken::named))
}
