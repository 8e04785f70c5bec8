//! Sending a request once, although its button was clicked twice.

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::rt;

use crate::web::api::{ApiReply, Request};
use crate::web::layout::Refused;
use crate::web::reader::Reader;

/// The time between two tries of a request whose other click is at work, and the most of them.
const WAIT: Duration = Duration::from_millis(50);
const WAITS: u32 = 100;

/// Sends a request with an idempotency key. While another click with the key is at work, it
/// waits for the answer of that one.
///
/// # Errors
///
/// Fails as [`Api::send`](crate::web::api::Api::send) does.
pub(super) async fn send(reader: &Reader, request: &Request) -> Result<ApiReply, Refused> {
    let mut answer = reader.api.send(request.clone()).await?;
    for _ in 0..WAITS {
        if answer.status != StatusCode::CONFLICT {
            break;
        }
        rt::time::sleep(WAIT).await;
        answer = reader.api.send(request.clone()).await?;
    }
    Ok(answer)
}
