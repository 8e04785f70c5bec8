//! Work of a handler that must come to its end.

use std::any::Any;
use std::future::Future;

use actix_web::rt;
use futures_util::TryFutureExt as _;
use futures_util::future::LocalBoxFuture;

use crate::http::error::ApiError;

/// Does work in a task of its own. The server drops a handler when its client disconnects; the task goes
/// on.
///
/// # Errors
///
/// Fails as the work does, and with [`ApiError::Internal`] if it panics.
pub(crate) async fn in_own_task<T: 'static>(
    work: impl Future<Output = Result<T, ApiError>> + 'static,
) -> Result<T, ApiError> {
    // One type for all work, so that the runtime's code for a task is compiled once.
    let work: LocalBoxFuture<'static, Result<Box<dyn Any>, ApiError>> =
        Box::pin(work.map_ok(|outcome| -> Box<dyn Any> { Box::new(outcome) }));
    let outcome = rt::spawn(work).await.map_err(|_| ApiError::Internal)??;
    Ok(*outcome
        .downcast()
        .expect("work has the outcome that its caller expects"))
}
