//! Routes of standard escrows (contract sections 4.2, 4.6.1), and the route by which a seller
//! gives money back (section 9.4).

use actix_web::web::{Data, Path};
use schemars::JsonSchema;
use serde::Serialize;

use crate::commands::standard_escrows::{self, AdditionalFeeRequest, StandardEditRequest};
use crate::domain::escrow::Status;
use crate::domain::escrow::party_escrows::{EscrowList, EscrowReport, PartyEscrowFilter, Side};
use crate::domain::escrow::terms::{KeptTerms, TermsRequest};
use crate::domain::ids::{EscrowId, PaymentToken};
use crate::domain::invalid::Parsed;
use crate::domain::page::PageRequest;
use crate::domain::party::Party;
use crate::domain::refusal::{Refusal, RefusalKind};
use crate::http::auth::Caller;
use crate::http::body::{JsonBody, JsonOrFormBody};
use crate::http::envelope::{CreatedReply, NoData, Reply};
use crate::http::error::ApiError;
use crate::http::fields::Field;
use crate::http::query::{self, Query};
use crate::http::refusals::{Refusals, Work};
use crate::http::request_spec::{FieldSpec, Kind, ListMax, RequestSpec, words};
use crate::http::routes::shared_fields::{CATEGORY_ID, STANDARD_TERMS, standard_terms};
use crate::http::state::AppState;
use crate::http::uploads::{self, Uploads};
use crate::views::{DetailedEscrowView, EscrowView, PageView, SumInMajorUnits, ViewContext};

/// The form field with the pictures of an escrow.
const PICTURES: &str = "imageUrl";

/// The request of [`create`] and of [`edit`].
pub(crate) const OFFER: RequestSpec = RequestSpec::of_form(&[
    &STANDARD_TERMS,
    &[FieldSpec::optional(PICTURES, Kind::Files(ListMax::Files))],
]);
/// The request of [`set_additional_fee`].
pub(crate) const ADDITIONAL_FEE: RequestSpec = RequestSpec::of_body(&[&[
    FieldSpec::required("additionalFee", Kind::Amount(0)),
    FieldSpec::optional("additionalFeeRefundable", Kind::Boolean),
]]);
/// The query of [`list`].
pub(crate) const LIST: RequestSpec = RequestSpec::of_query(&[
    &[
        FieldSpec::required("type", Kind::Words(words::<Side>)),
        CATEGORY_ID,
        FieldSpec::optional("status", Kind::Words(words::<Status>)),
    ],
    &query::PAGE,
]);

/// The refusals of those who may not sell.
const SELLING: [RefusalKind; 2] = [RefusalKind::SellingDisabled, RefusalKind::MerchantMayNotSell];
/// The refusals of an action that an escrow allows its seller.
pub(super) const OF_THE_SELLER: [RefusalKind; 3] = [
    RefusalKind::EscrowNotFound,
    RefusalKind::AccessDenied,
    RefusalKind::ActionNotAllowed,
];

/// The refusals of [`create`].
pub(crate) const CREATE_REFUSALS: Refusals = Refusals::of(&[&SELLING]);

/// `POST /v1/escrow/create`, as the seller.
pub(crate) async fn create(
    state: Data<AppState>,
    caller: Caller,
    mut body: JsonOrFormBody,
) -> Result<CreatedReply<EscrowView>, ApiError> {
    let request = parse_standard_escrow(&mut body, &state);
    state
        .execute_with_files(caller, request, standard_escrows::create, |escrow, context| {
            Reply::created("Created successfully", EscrowView::new(escrow, context))
        })
        .await
}

/// The refusals of [`edit`].
pub(crate) const EDIT_REFUSALS: Refusals = Refusals::of(&[&SELLING, &OF_THE_SELLER]);

/// `PUT /v1/escrow/edit/{paymentToken}`, as the seller.
pub(crate) async fn edit(
    state: Data<AppState>,
    caller: Caller,
    token: Path<String>,
    mut body: JsonOrFormBody,
) -> Result<Reply<EscrowView>, ApiError> {
    let request = parse_edit(&mut body, &state);
    let token = PaymentToken::named(&token);
    state
        .execute_with_files(
            caller,
            request,
            move |tx, policy, actor, request, images| standard_escrows::edit(tx, policy, actor, token, request, images),
            |escrow, context| Reply::ok("Escrow updated successfully", EscrowView::new(escrow, context)),
        )
        .await
}

/// The refusals of [`set_additional_fee`].
pub(crate) const SET_ADDITIONAL_FEE_REFUSALS: Refusals = Refusals::of(&[&[
    RefusalKind::AdditionalFeeNegative,
    RefusalKind::EscrowNotFound,
    RefusalKind::EscrowNotOfThisMerchant,
    RefusalKind::AdditionalFeeNotStandard,
    RefusalKind::AdditionalFeeNotPending,
]]);

/// `PUT /v1/escrow/additional-fee/{paymentToken}`, as the merchant.
pub(crate) async fn set_additional_fee(
    state: Data<AppState>,
    caller: Caller,
    token: Path<String>,
    body: JsonBody,
) -> Result<Reply<EscrowView>, ApiError> {
    let request = parse_additional_fee(&body);
    let token = PaymentToken::named(&token);
    state
        .execute(
            &caller,
            move |tx, _policy, actor| standard_escrows::set_additional_fee(tx, actor.merchant, token, request),
            |escrow, context| Reply::ok("Additional fee updated successfully", EscrowView::new(escrow, context)),
        )
        .await
}

/// The refusals of [`delete`].
pub(crate) const DELETE_REFUSALS: Refusals = Refusals::of(&[&OF_THE_SELLER]);

/// `DELETE /v1/escrow/delete/{paymentToken}`, as the seller.
pub(crate) async fn delete(
    state: Data<AppState>,
    caller: Caller,
    token: Path<String>,
) -> Result<Reply<NoData>, ApiError> {
    let token = PaymentToken::named(&token);
    state
        .execute(
            &caller,
            move |tx, policy, actor| standard_escrows::delete(tx, policy, actor, token),
            |(), _context| Reply::ok("Escrow deleted successfully", NoData {}),
        )
        .await
}

/// The refusals of [`claim`].
pub(crate) const CLAIM_REFUSALS: Refusals = Refusals::of(&[&OF_THE_SELLER, &[RefusalKind::ClaimTooEarly]]);

/// `GET /v1/escrow/claim-funds/{paymentToken}`, as the seller: a GET that moves money.
pub(crate) async fn claim(
    state: Data<AppState>,
    caller: Caller,
    token: Path<String>,
) -> Result<Reply<EscrowView>, ApiError> {
    let token = PaymentToken::named(&token);
    state
        .execute(
            &caller,
            move |tx, policy, actor| standard_escrows::claim(tx, policy, actor, token),
            move |escrow, context| Reply::ok("Funds claimed successfully", EscrowView::new(escrow, context)),
        )
        .await
}

/// The refusals of [`refund`].
pub(crate) const REFUND_REFUSALS: Refusals = Refusals::of(&[&OF_THE_SELLER]);

/// `POST /v1/escrow/refund/{paymentToken}`, as the seller.
pub(crate) async fn refund(
    state: Data<AppState>,
    caller: Caller,
    token: Path<String>,
) -> Result<Reply<EscrowView>, ApiError> {
    let token = PaymentToken::named(&token);
    state
        .execute(
            &caller,
            move |tx, policy, actor| standard_escrows::refund(tx, policy, actor, token),
            |escrow, context| Reply::ok("Escrow refunded successfully", EscrowView::new(escrow, context)),
        )
        .await
}

/// The refusals of [`list`].
pub(crate) const LIST_REFUSALS: Refusals =
    Refusals::of(&[&[RefusalKind::ListTypeMissing, RefusalKind::ListTypeUnknown]]);

/// `GET /v1/escrow/transactions`: the escrows of the caller's party, as buyer or as seller.
pub(crate) async fn list(
    state: Data<AppState>,
    caller: Caller,
    query: Query,
) -> Result<Reply<EscrowListView>, ApiError> {
    let request = parse_list(caller.party(), &query);
    let (merchant, (filter, page)) = state.admit(&caller, request).await?;
    let walk = query.walk();
    let page = walk.bounded(page);
    state
        .read_list(
            &caller,
            merchant,
            move |snapshot| snapshot.escrows(merchant, &filter, page),
            move |list, context| {
                walk.note(&list.page);
                Ok(Reply::ok(
                    "Transaction fetched successfully",
                    EscrowListView::new(list, context),
                ))
            },
        )
        .await
}

/// The refusals of [`verify`].
pub(crate) const VERIFY_REFUSALS: Refusals = Refusals::of(&[&[RefusalKind::EscrowNotFound]]).with(Work::Reads);

/// `GET /v1/escrow/verify/{paymentToken}`: an escrow of any settlement type.
pub(crate) async fn verify(
    state: Data<AppState>,
    caller: Caller,
    token: Path<String>,
) -> Result<Reply<EscrowView>, ApiError> {
    let deal = state.deal_of(&caller, &token).await?;
    let view = EscrowView::of_deal(
        deal,
        &state
            .policy
            .load()
            .view_context(caller.viewer(), caller.request.host.as_deref()),
    );
    Ok(Reply::ok("Escrow verified successfully", view))
}

/// The refusals of [`confirm_payment`].
pub(crate) const CONFIRM_PAYMENT_REFUSALS: Refusals = Refusals::of(&[&[
    RefusalKind::EscrowNotFound,
    RefusalKind::EscrowNotFunded,
    RefusalKind::AccessDenied,
    RefusalKind::ActionNotAllowed,
]]);

/// `POST /v1/escrow/confirm-payment/{escrowId}`, as the buyer.
pub(crate) async fn confirm_payment(
    state: Data<AppState>,
    caller: Caller,
    escrow: Path<String>,
) -> Result<Reply<DetailedEscrowView>, ApiError> {
    let escrow = EscrowId::named(&escrow);
    let mode = state.policy.load().mode;
    state
        .execute(
            &caller,
            move |tx, policy, actor| standard_escrows::confirm_payment(tx, policy, actor, escrow),
            move |escrow, context| {
                Reply::ok(
                    "Escrow updated successfully",
                    DetailedEscrowView::new(escrow, context, mode),
                )
            },
        )
        .await
}

/// Parses the request (contract section 4.2.1).
fn parse_standard_escrow(body: &mut JsonOrFormBody, state: &AppState) -> Parsed<(TermsRequest, Uploads)> {
    let request = standard_terms(&body.fields(PICTURES)?, &state.policy.load().terms_limits)?;
    Ok((request, pictures(body, state)?))
}

/// Contract section 4.2.2: the fields that a new escrow requires are required here too. An
/// optional field that is absent keeps its value; one that is empty is cleared.
fn parse_edit(body: &mut JsonOrFormBody, state: &AppState) -> Parsed<(StandardEditRequest, Uploads)> {
    let fields = body.fields(PICTURES)?;
    let request = StandardEditRequest {
        terms: standard_terms(&fields, &state.policy.load().terms_limits)?,
        keeps: KeptTerms {
            description: !fields.has("description"),
            max_delivery: fields.field("maxDelivery").is_absent(),
            delivery_timeline: fields.field("deliveryTimeline").is_absent(),
            total_quantity: fields.field("totalQuantity").is_absent(),
            category: !fields.has("categoryId"),
        },
    };
    Ok((request, pictures(body, state)?))
}

fn pictures(body: &mut JsonOrFormBody, state: &AppState) -> Parsed<Uploads> {
    uploads::pictures(body, PICTURES, state.limits.files_per_request_max)
}

/// Parses the request (contract section 4.2.3).
fn parse_additional_fee(body: &JsonBody) -> Result<AdditionalFeeRequest, Refusal> {
    let fields = body.fields()?;
    let amount = fields.field("additionalFee");
    if amount.is_negative() {
        return Err(Refusal::AdditionalFeeNegative);
    }
    Ok(AdditionalFeeRequest {
        amount: amount.amount()?,
        is_refundable: fields.field("additionalFeeRefundable").optional(Field::boolean)?,
    })
}

/// Contract section 4.2.7: the filter of a party's escrows, and the page.
fn parse_list(party: &Party, query: &Query) -> Result<(PartyEscrowFilter, PageRequest), Refusal> {
    let fields = query.fields()?;
    let side = fields.field("type");
    if side.is_absent() {
        return Err(Refusal::ListTypeMissing);
    }
    let side = side.word().map_err(|_| Refusal::ListTypeUnknown)?;
    let page = query::page(&fields)?;
    let filter = PartyEscrowFilter {
        party: party.clone(),
        side,
        category: fields.field("categoryId").optional(Field::category_id)?,
        status: fields.field("status").optional(Field::word)?,
    };
    Ok((filter, page))
}

/// A page of a party's own escrows, and the totals of all of them.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct EscrowListView {
    #[serde(flatten)]
    page: PageView<EscrowView>,
    report: ReportView,
}

#[derive(Debug, Serialize, JsonSchema)]
struct ReportView {
    total: u64,
    completed: u64,
    ongoing: u64,
    dispute: u64,
    amount: AmountsView,
}

#[derive(Debug, Serialize, JsonSchema)]
struct AmountsView {
    total: SumInMajorUnits,
    completed: SumInMajorUnits,
    ongoing: SumInMajorUnits,
    dispute: SumInMajorUnits,
}

impl EscrowListView {
    /// Shows the list to its party.
    pub(crate) fn new(list: EscrowList, context: &ViewContext<'_>) -> Self {
        Self {
            page: PageView::new(list.page, |escrow| EscrowView::new(escrow, context)),
            report: ReportView::new(&list.report),
        }
    }
}

impl ReportView {
    const fn new(report: &EscrowReport) -> Self {
        Self {
            total: report.total.count,
            completed: report.completed.count,
            ongoing: report.ongoing.count,
            dispute: report.dispute.count,
            amount: AmountsView {
                total: SumInMajorUnits(report.total.amount),
                completed: SumInMajorUnits(report.completed.amount),
                ongoing: SumInMajorUnits(report.ongoing.amount),
                dispute: SumInMajorUnits(report.dispute.amount),
            },
        }
    }
}
