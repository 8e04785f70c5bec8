//! Sending a request once, although its form was sent twice.

use std::future::Future;
use std::time::Duration;

use actix_web::rt;

use crate::web::api::ApiReply;
use crate::web::layout::Refused;

/// The pauses between the tries of a request whose other copy is at work, in milliseconds. Each try
/// counts as a request, so they grow.
const PAUSES_MS: [u64; 6] = [50, 100, 200, 400, 800, 1_600];

/// Sends a request with an idempotency key. While another copy of its form is at work, it waits for
/// the answer of that one, and gives up after a few seconds.
///
/// # Errors
///
/// Fails as `send` does.
pub(super) async fn answer<F>(send: impl Fn() -> F) -> Result<ApiReply, Refused>
where
    F: Future<Output = Result<ApiReply, Refused>>,
{
    let mut answer = send().await?;
    for pause in PAUSES_MS {
        if !answer.envelope.is_in_flight() {
            break;
        }
        rt::time::sleep(Duration::from_millis(pause)).await;
        answer = send().await?;
    }
    Ok(answer)
}
