//! Files that come with a request body: checked, written to disk, and removed again
//! when the command that would name them is refused.

use actix_web::{rt, web};
use serde::Serialize;
use tokio::sync::OwnedSemaphorePermit;

use crate::commands::{self, PartyActor, Policy};
use crate::domain::file::{FileKind, FileName};
use crate::domain::refusal::{Invalid, Parsed};
use crate::http::auth::ActingParty;
use crate::http::body::{JsonOrFormBody, SentFile};
use crate::http::envelope::{Answer, ApiError, Reply};
use crate::http::state::AppState;
use crate::store::{self, Tx};
use crate::views::ViewContext;

/// Files of a body that are of a kind the route takes.
#[derive(Debug, Default)]
pub(crate) struct Uploads {
    files: Vec<(FileKind, Vec<u8>)>,
    /// What they take of the memory for files.
    room: Vec<OwnedSemaphorePermit>,
}

/// The pictures in this field of a body, at most so many.
pub(crate) fn pictures(body: &mut JsonOrFormBody, field: &str, files_max: usize) -> Parsed<Uploads> {
    let files = body.take_files(field);
    let expected = "a JPEG, PNG, GIF or WebP picture";
    Uploads::of(files, field, files_max, expected, FileKind::is_picture)
}

/// The picture or document in this field of a body, if there is one.
pub(crate) fn evidence(body: &mut JsonOrFormBody, field: &str) -> Parsed<Uploads> {
    let files = body.take_files(field);
    let expected = "a JPEG, PNG, GIF or WebP picture or a PDF document";
    Uploads::of(files, field, 1, expected, |_| true)
}

impl Uploads {
    fn of(
        files: Vec<SentFile>,
        field: &str,
        files_max: usize,
        expected: &str,
        is_taken: impl Fn(FileKind) -> bool,
    ) -> Parsed<Self> {
        if files.len() > files_max {
            let expected = match files_max {
                1 => "sent once".to_owned(),
                _ => format!("sent at most {files_max} times"),
            };
            return Err(Invalid::wrong(field, expected, &format!("{} files", files.len())));
        }
        let mut uploads = Self::default();
        for SentFile { bytes, room, .. } in files {
            let kind = FileKind::of(&bytes).filter(|&kind| is_taken(kind)).ok_or_else(|| {
                let got = if bytes.is_empty() {
                    "an empty file"
                } else {
                    "something else"
                };
                Invalid::wrong(field, expected, got)
            })?;
            uploads.files.push((kind, bytes));
            uploads.room.extend(room);
        }
        Ok(uploads)
    }
}

impl AppState {
    /// Runs a command with the names of files that came with it. They are on the disk
    /// before it begins, and gone again when it is refused. It runs to its end even when
    /// the caller goes away, so that none is left behind.
    pub(crate) async fn with_files<F>(
        &self,
        uploads: Parsed<Uploads>,
        command: impl FnOnce(Parsed<Vec<FileName>>) -> F + 'static,
    ) -> Result<Answer, ApiError>
    where
        F: Future<Output = Result<Answer, ApiError>>,
    {
        let uploads = match uploads {
            Ok(uploads) if uploads.files.is_empty() => return command(Ok(Vec::new())).await,
            Ok(uploads) => uploads,
            Err(invalid) => return command(Err(invalid)).await,
        };
        let store = self.store.clone();
        let run = async move {
            let keeping = store.clone();
            let keep = web::block(move || {
                let Uploads { files, room } = uploads;
                let kept = keeping.keep_files(&files);
                drop(room);
                kept
            });
            let names = keep.await.map_err(|_| ApiError::Internal)??;
            let outcome = command(Ok(names.clone())).await;
            if !may_name_them_later(&outcome) {
                let settle = web::block(move || store.settle_files(&names));
                if let Err(cause) = settle.await.map_err(|_| ApiError::Internal)? {
                    log::warn!("files were left behind until the next start: {cause}");
                }
            }
            outcome
        };
        rt::spawn(run).await.map_err(|_| ApiError::Internal)?
    }

    /// Runs one command for a customer or the merchant itself, with the names of files
    /// that came with it.
    pub(crate) async fn act_as_party_with_files<T, V>(
        &self,
        acting: ActingParty,
        uploads: Parsed<Uploads>,
        command: impl FnOnce(&mut Tx<'_>, &Policy, &PartyActor, Parsed<Vec<FileName>>) -> Result<T, commands::Error>
        + Send
        + 'static,
        render: impl FnOnce(T, &ViewContext<'_>) -> Reply<V> + Send + 'static,
    ) -> Result<Answer, ApiError>
    where
        T: Send + 'static,
        V: Serialize + 'static,
    {
        let service = self.clone();
        let act = move |files| async move {
            let command = move |tx: &mut Tx<'_>, policy: &Policy, actor: &PartyActor| command(tx, policy, actor, files);
            service.act_as_party(&acting, command, render).await
        };
        self.with_files(uploads, act).await
    }
}

/// Whether only the next start will know if the command took effect.
const fn may_name_them_later(outcome: &Result<Answer, ApiError>) -> bool {
    matches!(
        outcome,
        Err(ApiError::Store(
            store::Error::OutcomeUnknown(_) | store::Error::NotOnDisk(_)
        ))
    )
}
