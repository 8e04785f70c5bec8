//! The memory for uploads, which all requests share.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::http::error::ApiError;

/// The part of the memory for uploads that one file takes. Dropping it frees the part.
#[derive(Debug, Default)]
pub(crate) struct MemoryShare(Option<OwnedSemaphorePermit>);

impl MemoryShare {
    /// Takes so many bytes more.
    ///
    /// # Errors
    ///
    /// [`ApiError::UploadsBusy`] if that much is not free.
    pub(super) fn grow(&mut self, memory: &Arc<Semaphore>, bytes: usize) -> Result<(), ApiError> {
        let bytes = u32::try_from(bytes).map_err(|_| ApiError::UploadsBusy)?;
        let more = Arc::clone(memory).try_acquire_many_owned(bytes);
        let more = more.map_err(|_| ApiError::UploadsBusy)?;
        match &mut self.0 {
            None => self.0 = Some(more),
            Some(held) => held.merge(more),
        }
        Ok(())
    }
}
