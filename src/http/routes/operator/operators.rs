//! Routes of the operators themselves.

use actix_web::web::{Data, Path};
use strum::VariantArray;

use crate::commands::Policy;
use crate::commands::operators::{self, OperatorRequest};
use crate::domain::ids::{MerchantId, OperatorId};
use crate::domain::invalid::Parsed;
use crate::domain::refusal::{Refusal, RefusalKind};
use crate::domain::treasury::operator::{NAME_CHARS_MAX, Role, check_name};
use crate::entropy;
use crate::http::auth::Caller;
use crate::http::body::JsonBody;
use crate::http::envelope::{CreatedReply, Reply};
use crate::http::error::ApiError;
use crate::http::fields::Field;
use crate::http::query::{self, Query};
use crate::http::refusals::{Refusals, Work};
use crate::http::request_spec::{FieldSpec, Kind, ListMax, RequestSpec, words};
use crate::http::routes::operator::acting::check_is_live;
use crate::http::routes::operator::fields::reason;
use crate::http::state::AppState;
use crate::store::Tx;
use crate::views::{NewOperatorView, OperatorView, PageView};

/// The request of [`create`].
pub(super) const OPERATOR: RequestSpec = RequestSpec::of_body(&[&[
    FieldSpec::required("name", Kind::TextUpTo(NAME_CHARS_MAX)).example("\"ada\""),
    FieldSpec::required("role", Kind::Words(words::<Role>)),
    FieldSpec::optional(
        "merchantIds",
        Kind::ListOfAtLeast(1, &Kind::Integer(i64::MIN, i64::MAX), ListMax::Is(usize::MAX)),
    )
    .about("The merchants that the operator acts for; all, if left out. An empty list is refused"),
]]);

/// `GET /operator/operators`: a page of the operators whose limits are no wider than the caller's,
/// oldest first.
pub(super) async fn list(
    state: Data<AppState>,
    caller: Caller,
    query: Query,
) -> Result<Reply<PageView<OperatorView>>, ApiError> {
    let page = query::page(&query.fields()?)?;
    let operator = caller.agent().operator;
    let read = state.store.read(move |snapshot| {
        let operator = operator.map(|id| snapshot.operator(id)).transpose()?.flatten();
        let limited = operator.filter(|operator| !operator.merchants.is_empty());
        snapshot.operators(limited.map(|operator| operator.id), page)
    });
    let page = read.await?;
    Ok(Reply::ok(
        "Operators fetched successfully",
        PageView::new(page, OperatorView::new),
    ))
}

/// The refusals of [`create`].
pub(super) const CREATE_REFUSALS: Refusals =
    Refusals::of(&[&[RefusalKind::OperatorNameTaken, RefusalKind::MerchantNotFound]])
        .only_live()
        .with(Work::Writes);

/// `POST /operator/operators`: makes an operator. The reply is the only place that ever shows
/// the key, so it is not kept for an idempotency key.
pub(super) async fn create(
    state: Data<AppState>,
    caller: Caller,
    body: JsonBody,
) -> Result<CreatedReply<NewOperatorView>, ApiError> {
    check_is_live(&state)?;
    let request = parse_operator(&body);
    let (agent, key) = (caller.agent(), entropy::operator_key());
    let hashed = key.clone();
    let create = move |tx: &mut Tx<'_>, _: &Policy, _: &Caller| operators::create(tx, &agent, request, &hashed);
    let operator = state.write_for(&caller, create).await?;
    let view = NewOperatorView {
        operator: OperatorView::new(operator),
        key,
    };
    Ok(Reply::created("Operator created successfully", view))
}

/// The refusals of [`revoke`].
pub(super) const REVOKE_REFUSALS: Refusals = Refusals::of(&[&[
    RefusalKind::OperatorNotFound,
    RefusalKind::OperatorAlreadyRevoked,
    RefusalKind::LastAdmin,
]])
.only_live()
.with(Work::Writes);

/// `POST /operator/operators/{operatorId}/revoke`.
pub(super) async fn revoke(
    state: Data<AppState>,
    caller: Caller,
    operator: Path<String>,
    body: JsonBody,
) -> Result<Reply<OperatorView>, ApiError> {
    check_is_live(&state)?;
    let reason = reason(&body).map_err(Refusal::from)?;
    let (agent, id) = (caller.agent(), OperatorId::named(&operator));
    let revoke = move |tx: &mut Tx<'_>, _: &Policy, _: &Caller| operators::revoke(tx, &agent, id, Some(reason));
    let operator = state.write_for(&caller, revoke).await?;
    Ok(Reply::ok("Operator revoked successfully", OperatorView::new(operator)))
}

fn parse_operator(body: &JsonBody) -> Parsed<OperatorRequest> {
    let fields = body.fields()?;
    fields.check_not_empty(
        "merchantIds",
        "a list with at least one merchant, or left out for all merchants",
    )?;
    let merchants = fields.field("merchantIds");
    let merchants = match merchants.optional(Field::list)? {
        Some(list) => list
            .iter()
            .map(|field| field.integer().map(MerchantId))
            .collect::<Parsed<_>>()?,
        None => Vec::new(),
    };
    Ok(OperatorRequest {
        name: check_name("name", fields.field("name").text()?)?,
        role: fields.field("role").one_of(Role::VARIANTS)?,
        merchants,
    })
}
