//! The route of stored pictures and evidence.

use actix_web::HttpResponse;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, X_CONTENT_TYPE_OPTIONS};
use actix_web::web::{self, Data, Path};

use crate::domain::file::FileName;
use crate::http::error::ApiError;
use crate::http::state::AppState;

/// `GET /files/{name}`: a file, for every client that knows its name. The content type
/// follows from the file's bytes. The headers keep browsers from guessing another type and
/// from running scripts in the file.
pub(crate) async fn serve(state: Data<AppState>, name: Path<String>) -> Result<HttpResponse, ApiError> {
    let name = FileName::parse(&name).ok_or(ApiError::FileNotFound)?;
    let store = state.store.clone();
    let read = web::block(move || store.read_file(name));
    let bytes = read.await.map_err(|_| ApiError::Internal)??;
    let bytes = bytes.ok_or(ApiError::FileNotFound)?;
    let disposition = if name.kind.is_picture() { "inline" } else { "attachment" };
    Ok(HttpResponse::Ok()
        .content_type(name.kind.mime())
        .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((CONTENT_SECURITY_POLICY, "default-src 'none'"))
        .insert_header((CONTENT_DISPOSITION, format!("{disposition}; filename=\"{name}\"")))
        // A file never changes after it was written under its name.
        .insert_header((CACHE_CONTROL, "public, max-age=31536000, immutable"))
        .body(bytes))
}
