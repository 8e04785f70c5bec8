//! The sandbox's way to start over.

use actix_web::rt;
use actix_web::web::Data;

use crate::commands::merchants;
use crate::http::auth::Viewer;
use crate::http::envelope::{Answer, ApiError, Reply};
use crate::http::state::AppState;
use crate::views::{ResetView, ViewerRef};

/// `POST /sandbox/reset`. A `customer-id` header has no effect.
///
/// Works in a task of its own: a caller who goes away leaves a handler where it is,
/// and a key that has changed hands must be forgotten by every worker.
pub(crate) async fn reset(api: Data<AppState>, caller: Viewer) -> Result<Answer, ApiError> {
    let task = rt::spawn(async move {
        let key_holder = caller.key_holder;
        let (key_hash, is_new) = (key_holder.key_hash, key_holder.known().is_none());
        let answer = api
            .answer(
                &key_holder,
                ViewerRef::Merchant,
                move |tx, _policy, merchant| {
                    // One that was made just now for this has nothing in it.
                    let merchant = if is_new {
                        merchant
                    } else {
                        merchants::start_over(tx, &key_hash, merchant)?
                    };
                    Ok((merchant, merchant))
                },
                |merchant, _viewing| Reply::ok("Sandbox reset successfully", ResetView::new(merchant)),
            )
            .await;
        api.keyring.forget_everywhere();
        if answer.as_ref().is_ok_and(Answer::is_first) {
            api.faults.clear(&key_hash);
        }
        answer
    });
    task.await.map_err(|_| ApiError::Internal)?
}
