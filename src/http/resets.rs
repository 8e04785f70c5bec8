//! The sandbox's way to start over.

use actix_web::rt;
use actix_web::web::Data;

use super::api::Api;
use super::auth::Viewer;
use super::envelope::{ApiError, Reply};
use crate::wire::ResetView;

/// `POST /sandbox/reset`. A `customer-id` header has no effect.
///
/// Works in a task of its own: a caller who goes away leaves a handler where it is,
/// and a key that has changed hands must be forgotten by every worker.
pub(super) async fn reset(api: Data<Api>, caller: Viewer) -> Result<Reply<ResetView>, ApiError> {
    let task = rt::spawn(async move {
        let key_hash = caller.key_holder.key_hash;
        let merchant = api.write(move |tx, _policy| caller.key_holder.start_over(tx)).await;
        api.keyring.forget_everywhere();
        api.faults.clear(&key_hash);
        merchant
    });
    let merchant = task.await.map_err(|_| ApiError::Internal)??;
    Ok(Reply::ok("Sandbox reset successfully", ResetView::new(merchant)))
}
