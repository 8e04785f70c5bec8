//! Authenticates an operator in live mode: the key, the role, and the merchant that the
//! header `merchant-id` names.

use actix_web::HttpRequest;
use actix_web::http::header::HeaderName;

use crate::commands::operators;
use crate::domain::ids::{MerchantId, OperatorId};
use crate::domain::last_use;
use crate::domain::refusal::Refusal;
use crate::domain::treasury::operator::{Operator, Right};
use crate::http::error::ApiError;
use crate::http::headers::single_value;
use crate::http::route::ActsAs;
use crate::http::state::AppState;
use crate::store;

/// The header that names the merchant that an operator acts for, by its id or its name.
pub(super) const MERCHANT_ID: HeaderName = HeaderName::from_static("merchant-id");

/// Returns the operator of a key and the merchant that the request acts for, or `None` if no
/// operator has the key or it is revoked. A request that concerns the deployment need not name
/// a merchant: it then concerns all that the operator may act for.
///
/// # Errors
///
/// Refuses a role without the right, a merchant that does not exist or that the operator may
/// not act for, and a request that names none of several merchants.
pub(super) async fn admit(
    request: &HttpRequest,
    state: &AppState,
    key_hash: &[u8; 32],
    right: Right,
    acts_as: ActsAs,
) -> Result<Option<(OperatorId, Option<MerchantId>)>, ApiError> {
    let Some(operator) = operator_of_key(state, key_hash).await? else {
        return Ok(None);
    };
    operator.check_may(right)?;
    note_use(state, &operator);
    let id = operator.id;
    let named = single_value(request.headers(), &MERCHANT_ID)?;
    let is_of_one = operator.merchants.len() == 1;
    let acts_for_none = acts_as == ActsAs::Deployment && named.is_none() && !is_of_one;
    let merchant = if acts_for_none || acts_as == ActsAs::OperatorItself {
        None
    } else {
        Some(merchant_of(state, operator, named.as_deref()).await?)
    };
    Ok(Some((id, merchant)))
}

/// Returns the operator of a key that is not revoked.
pub(super) async fn operator_of_key(state: &AppState, key_hash: &[u8; 32]) -> Result<Option<Operator>, store::Error> {
    let key_hash = *key_hash;
    let found = state
        .store
        .read(move |snapshot| snapshot.operator_of_key(&key_hash))
        .await?;
    Ok(found.filter(|operator| operator.revoked_at.is_none()))
}

/// Returns the merchant with this id or else this name, or the only one that the operator may
/// act for.
async fn merchant_of(state: &AppState, operator: Operator, named: Option<&str>) -> Result<MerchantId, ApiError> {
    if let Some(named) = named {
        let named = named.to_owned();
        let read = state
            .store
            .read(move |snapshot| snapshot.merchant_by_id_or_name(&named));
        let merchant = read.await?.filter(|merchant| operator.may_act_for(*merchant));
        return Ok(merchant.ok_or(Refusal::MerchantNotFound)?);
    }
    let may_act_for = if operator.merchants.is_empty() {
        state.store.read(|snapshot| snapshot.first_merchants(2)).await?
    } else {
        operator.merchants
    };
    match may_act_for.as_slice() {
        [] => Err(Refusal::MerchantNotFound.into()),
        [only] => Ok(*only),
        _ => Err(Refusal::MerchantIdRequired.into()),
    }
}

/// Saves the use of the key beside the request, if the stored one is old enough.
pub(super) fn note_use(state: &AppState, operator: &Operator) {
    if last_use::is_outdated(operator.last_used_at, last_use::PRECISION, state.store.ledger_time()) {
        let (store, id) = (state.store.clone(), operator.id);
        actix_web::rt::spawn(async move {
            if let Err(error) = store.write(move |tx| operators::save_last_use(tx, id)).await {
                log::warn!("cannot save when the key of operator {id} was last used: {error}");
            }
        });
    }
}
