//! The route of stored pictures and evidence.

use std::fs::File;
use std::io::{self, Read};

use actix_web::HttpResponse;
use actix_web::body::SizedStream;
use actix_web::http::Method;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, X_CONTENT_TYPE_OPTIONS};
use actix_web::web::{Bytes, Data, Path};
use futures_util::{Stream, stream};

use crate::domain::file::FileName;
use crate::http::answer::{Raw, RawKind};
use crate::http::blocking::on_thread;
use crate::http::error::{ApiError, ApiErrorKind};
use crate::http::refusals::Refusals;
use crate::http::state::AppState;
use crate::store::OpenedFile;

/// The bytes that are read from the disk at a time.
const PIECE_BYTES: usize = 16_384;

/// A picture or a document.
#[derive(Debug)]
pub(crate) struct AnyFile;

impl RawKind for AnyFile {
    const MEDIA_TYPE: &'static str = "*/*";
}

/// The refusals of [`serve`].
pub(crate) const SERVE_REFUSALS: Refusals =
    Refusals::NONE.of_http(&[ApiErrorKind::FileNotFound, ApiErrorKind::FileDamaged]);

/// `GET /files/{name}`: a file, for every client that knows its name. The content type
/// follows from the file's bytes. The headers keep browsers from guessing another type and
/// from running scripts in the file.
pub(crate) async fn serve(state: Data<AppState>, name: Path<String>, method: Method) -> Result<Raw<AnyFile>, ApiError> {
    let name = FileName::parse(&name).ok_or(ApiError::FileNotFound)?;
    let store = state.store.clone();
    let (content, bytes) = match on_thread(move || store.open_file(name)).await?? {
        OpenedFile::Whole { content, bytes } => (content, bytes),
        OpenedFile::Missing => return Err(ApiError::FileNotFound),
        OpenedFile::Damaged(problem) => {
            log::error!("{problem}; requests for it are refused until it is put back from a backup");
            return Err(ApiError::FileDamaged);
        }
    };
    let content = (method != Method::HEAD).then_some(content);
    let disposition = if name.kind.is_picture() { "inline" } else { "attachment" };
    let response = HttpResponse::Ok()
        .content_type(name.kind.mime())
        .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((CONTENT_SECURITY_POLICY, "default-src 'none'"))
        .insert_header((CONTENT_DISPOSITION, format!("{disposition}; filename=\"{name}\"")))
        // Its name is the hash of its content, which was checked when it was opened.
        .insert_header((CACHE_CONTROL, "public, max-age=31536000, immutable"))
        .body(SizedStream::new(bytes, pieces_of(content)));
    Ok(response.into())
}

/// Reads a file piece by piece, each when the client has taken the one before, so that a
/// client that takes nothing costs one piece of memory. Without a file there are no pieces.
fn pieces_of(file: Option<File>) -> impl Stream<Item = Result<Bytes, io::Error>> {
    stream::try_unfold(file, |file| async {
        let Some(mut file) = file else {
            return Ok(None);
        };
        let read = on_thread(move || {
            let mut piece = vec![0; PIECE_BYTES];
            let bytes = file.read(&mut piece)?;
            piece.truncate(bytes);
            Ok::<_, io::Error>((piece, file))
        });
        let (piece, file) = read.await.map_err(|error| io::Error::other(error.to_string()))??;
        Ok((!piece.is_empty()).then(|| (Bytes::from(piece), Some(file))))
    })
}
