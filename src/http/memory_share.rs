//! The memory for uploads, which all requests share.

use std::sync::Arc;

use actix_web::HttpRequest;
use tokio::sync::OwnedSemaphorePermit;

use crate::http::context::RequestContext;
use crate::http::error::ApiError;
use crate::http::state::AppState;

/// The part of the memory for uploads that one file takes. Dropping it frees the part.
#[derive(Debug, Default)]
pub(crate) struct MemoryShare(Option<OwnedSemaphorePermit>);

impl MemoryShare {
    /// Takes so many bytes more for a request.
    ///
    /// # Errors
    ///
    /// [`ApiError::UploadsTooLarge`] if the request takes more than there is, so that it could not be
    /// received at another time either, and [`ApiError::UploadsBusy`] if that much is not free.
    pub(super) fn grow(&mut self, request: &HttpRequest, bytes: usize) -> Result<(), ApiError> {
        let state = AppState::of(request)?;
        let bytes_max = state.limits.uploads_bytes_max;
        if RequestContext::of(request)?.add_upload_bytes(bytes) > bytes_max {
            return Err(ApiError::UploadsTooLarge { bytes_max });
        }
        let bytes = u32::try_from(bytes).map_err(|_| ApiError::UploadsBusy)?;
        let more = Arc::clone(&state.upload_memory).try_acquire_many_owned(bytes);
        let more = more.map_err(|_| ApiError::UploadsBusy)?;
        match &mut self.0 {
            None => self.0 = Some(more),
            Some(held) => held.merge(more),
        }
        Ok(())
    }
}
