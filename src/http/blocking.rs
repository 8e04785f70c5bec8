//! Runs work that waits for the disk or takes long on a thread where blocking is allowed.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use actix_web::rt::task::spawn_blocking;

use crate::http::error::ApiError;
use crate::store;

type AnyWork = Box<dyn FnOnce() -> Box<dyn Any + Send> + Send>;

/// Runs work on a thread where it may block, and returns its outcome.
///
/// # Errors
///
/// [`store::Error::NoThread`] if the system gives the service no thread: the work has not run, and
/// never will. [`ApiError::Internal`] if it panicked.
pub(crate) async fn on_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, ApiError> {
    let outcome = any_on_thread(Box::new(|| Box::new(work()))).await?;
    Ok(*outcome
        .downcast()
        .expect("work has the outcome that its caller expects"))
}

/// Runs work without its type, so that the runtime's code for a thread is compiled once.
async fn any_on_thread(work: AnyWork) -> Result<Box<dyn Any + Send>, ApiError> {
    let is_given_up = Arc::new(AtomicBool::new(false));
    let skips = Arc::clone(&is_given_up);
    let begin = || spawn_blocking(move || (!skips.load(Ordering::Acquire)).then(work));
    // Without a thread the runtime panics, and keeps the work for the next thread that it gets.
    match catch_unwind(AssertUnwindSafe(begin)) {
        Ok(running) => running.await.ok().flatten().ok_or(ApiError::Internal),
        Err(panic) => {
            is_given_up.store(true, Ordering::Release);
            Err(store::Error::NoThread(message_of(panic.as_ref())).into())
        }
    }
}

fn message_of(panic: &(dyn Any + Send)) -> String {
    let message = panic.downcast_ref::<String>().map(String::as_str);
    message.unwrap_or("no thread could be started").to_owned()
}

#[cfg(test)]
mod tests {
    use actix_web::ResponseError;
    use tokio::runtime::Builder;

    use super::*;

    /// Larger than all of the address space, so that no thread can start.
    const STACK_BYTES: usize = 1 << 47;

    #[test]
    fn work_without_a_thread_is_refused_as_busy_and_never_runs() {
        let runtime = Builder::new_current_thread()
            .thread_stack_size(STACK_BYTES)
            .build()
            .unwrap();
        let has_run = Arc::new(AtomicBool::new(false));
        let work = || {
            let has_run = Arc::clone(&has_run);
            move || has_run.store(true, Ordering::Relaxed)
        };
        for _ in 0..2 {
            let refused = runtime.block_on(on_thread(work())).unwrap_err();
            assert!(
                matches!(&refused, ApiError::Store(store::Error::NoThread(cause)) if cause.contains("thread")),
                "{refused:?}"
            );
            let response = refused.error_response();
            assert_eq!(response.status(), 503);
            assert!(response.headers().contains_key("retry-after"));
        }
        drop(runtime);
        assert!(!has_run.load(Ordering::Relaxed));
    }

    #[test]
    fn work_on_a_thread_returns_its_outcome() {
        let runtime = Builder::new_current_thread().build().unwrap();
        assert_eq!(runtime.block_on(on_thread(|| 7)).unwrap(), 7);
        let panicked = runtime.block_on(on_thread(|| -> u8 { panic!("planned by the test") }));
        assert!(matches!(panicked, Err(ApiError::Internal)));
    }
}
