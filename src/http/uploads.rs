//! Uploaded files. The server checks them, writes them to disk before the command runs, and
//! removes them if the command is refused.

use crate::commands::{self, Policy};
use crate::domain::file::{FileKind, FileName};
use crate::domain::invalid::{Invalid, Parsed};
use crate::domain::party::Actor;
use crate::http::auth::Caller;
use crate::http::blocking::on_thread;
use crate::http::body::JsonOrFormBody;
use crate::http::envelope::Reply;
use crate::http::error::ApiError;
use crate::http::form::ReceivedFile;
use crate::http::memory_share::MemoryShare;
use crate::http::own_task::in_own_task;
use crate::http::state::AppState;
use crate::http::store_failure::{StoreFailure, store_failure};
use crate::store::{Store, Tx};
use crate::views::ViewContext;

/// The files of one form field, of a kind that the route accepts.
#[derive(Debug, Default)]
pub(crate) struct Uploads {
    files: Vec<(FileKind, Vec<u8>)>,
    /// The files' shares of the memory for uploads. The server frees them once the files
    /// are on disk.
    memory_shares: Vec<MemoryShare>,
}

/// Takes the pictures in this field out of a body.
pub(crate) fn pictures(body: &mut JsonOrFormBody, field: &str, files_max: usize) -> Parsed<Uploads> {
    let files = body.take_files(field);
    let expected = "a JPEG, PNG, GIF or WebP picture";
    Uploads::of(files, field, files_max, expected, FileKind::is_picture)
}

/// Takes the picture or document in this field out of a body. The field is optional and may
/// have one file.
pub(crate) fn evidence(body: &mut JsonOrFormBody, field: &str) -> Parsed<Uploads> {
    let files = body.take_files(field);
    let expected = "a JPEG, PNG, GIF or WebP picture or a PDF document";
    Uploads::of(files, field, 1, expected, |_| true)
}

impl Uploads {
    fn of(
        files: Vec<ReceivedFile>,
        field: &str,
        files_max: usize,
        expected: &str,
        is_accepted: impl Fn(FileKind) -> bool,
    ) -> Parsed<Self> {
        if files.len() > files_max {
            let expected = match files_max {
                1 => "sent once".to_owned(),
                _ => format!("sent at most {files_max} times"),
            };
            return Err(Invalid::wrong(field, expected, &format!("{} files", files.len())));
        }
        let mut uploads = Self::default();
        for ReceivedFile {
            bytes, memory_share, ..
        } in files
        {
            let kind = FileKind::of(&bytes).filter(|&kind| is_accepted(kind)).ok_or_else(|| {
                let got = if bytes.is_empty() {
                    "an empty file"
                } else {
                    "something else"
                };
                Invalid::wrong(field, expected, got)
            })?;
            uploads.files.push((kind, bytes));
            uploads.memory_shares.push(memory_share);
        }
        Ok(uploads)
    }

    /// Writes the files to disk and returns their names.
    async fn keep(self, store: &Store) -> Result<Vec<FileName>, ApiError> {
        let store = store.clone();
        let keep = on_thread(move || {
            let kept = store.keep_files(&self.files);
            drop(self.memory_shares);
            kept
        });
        Ok(keep.await??)
    }
}

/// Removes the files that no row refers to. The command has an outcome all the same, so a failure is
/// logged only.
async fn unmark(store: &Store, names: Vec<FileName>) {
    let store = store.clone();
    let unmarked = on_thread(move || store.unmark_files(&names)).await;
    if let Err(cause) = unmarked.and_then(|unmarked| Ok(unmarked?)) {
        log::warn!("uploaded files could not be removed before the next start: {cause}");
    }
}

impl AppState {
    /// Executes a command as [`AppState::execute`] does, with the names of the files of its
    /// request. Writes the files to disk before the command begins, and removes them if it
    /// is refused. Goes on if the client disconnects, so that no unused file stays on disk.
    pub(crate) async fn execute_with_files<R, E, T, V, const STATUS: u16>(
        &self,
        caller: Caller,
        request: Result<(R, Uploads), E>,
        command: impl FnOnce(&mut Tx<'_>, &Policy, &Actor, Result<R, E>, &[FileName]) -> Result<T, commands::Error>
        + Send
        + 'static,
        render: impl FnOnce(T, &ViewContext<'_>) -> Reply<V, STATUS> + Send + 'static,
    ) -> Result<Reply<V, STATUS>, ApiError>
    where
        R: Send + 'static,
        E: Send + 'static,
        T: Send + 'static,
        V: 'static,
    {
        let with_names = |request, names: Vec<FileName>| {
            move |tx: &mut Tx<'_>, policy: &Policy, actor: &Actor| command(tx, policy, actor, request, &names)
        };
        let (request, uploads) = match request {
            Ok((request, uploads)) if !uploads.files.is_empty() => (request, uploads),
            Ok((request, _)) => return self.execute(&caller, with_names(Ok(request), Vec::new()), render).await,
            Err(invalid) => {
                return self
                    .execute(&caller, with_names(Err(invalid), Vec::new()), render)
                    .await;
            }
        };
        let state = self.clone();
        let run = async move {
            let names = uploads.keep(&state.store).await?;
            let outcome = state
                .execute(&caller, with_names(Ok(request), names.clone()), render)
                .await;
            if !is_outcome_unknown(&outcome) {
                unmark(&state.store, names).await;
            }
            outcome
        };
        in_own_task(run).await
    }
}

/// Returns true if the outcome of the command is unknown until the next start. The start
/// removes the files that no row names.
fn is_outcome_unknown<V, const STATUS: u16>(outcome: &Result<Reply<V, STATUS>, ApiError>) -> bool {
    matches!(outcome, Err(ApiError::Store(error)) if store_failure(error).failure == StoreFailure::OutcomeUnknown)
}
