//! Reads a multipart form: its texts, and its files within the memory for uploads.

use std::io::ErrorKind;

use actix_multipart::{Field, Multipart, MultipartError};
use actix_web::HttpRequest;
use actix_web::error::PayloadError;
use futures_util::{StreamExt, TryStreamExt};
use sha2::{Digest, Sha256};

use crate::domain::invalid::{Invalid, shortened};
use crate::http::context::{ReceivedBody, ReceivedFileSummary, RequestContext};
use crate::http::error::ApiError;
use crate::http::fields::Fields;
use crate::http::memory_share::MemoryShare;
use crate::http::payload::{collect, payload_error, unreadable, without_bom};
use crate::http::state::{AppState, Limits};

/// The bytes that a form field counts for beside its name and content. They make a form of
/// very many empty fields too large.
const FIELD_OVERHEAD_BYTES: usize = 48;
/// The bytes that [`Multipart`] holds to find the end of a part's headers.
const PART_HEAD_BYTES_MAX: usize = 65_536;

/// The fields and files of a multipart form, in the order of the body.
#[derive(Debug, Default)]
pub(crate) struct FormBody {
    fields: Vec<(String, String)>,
    files: Vec<ReceivedFile>,
}

/// A whole file of a form, of any kind.
#[derive(Debug)]
pub(crate) struct ReceivedFile {
    field: String,
    pub(crate) bytes: Vec<u8>,
    /// SHA-256 of the bytes, if the request has an idempotency key.
    hash: Option<[u8; 32]>,
    pub(crate) memory_share: MemoryShare,
}

impl FormBody {
    /// Parses the text fields of a form whose files belong in `file_field`.
    ///
    /// # Errors
    ///
    /// Names a file in another field.
    pub(super) fn fields(&self, file_field: &str) -> Result<Fields<'_>, Invalid> {
        let is_unread = |file: &&ReceivedFile| list_entry(&file.field, file_field).is_none();
        if let Some(file) = self.files.iter().find(is_unread) {
            let expected = format!("sent without a filename, or named {file_field}, the field for files of this route");
            return Err(Invalid::wrong(file.shown_field(), expected, "a file"));
        }
        Fields::from_form(&self.fields)
    }

    /// Removes and returns the files of this field, in the order of their indexes.
    pub(super) fn take_files(&mut self, field: &str) -> Vec<ReceivedFile> {
        let is_named = |file: &mut ReceivedFile| list_entry(&file.field, field).is_some();
        let mut files: Vec<ReceivedFile> = self.files.extract_if(.., is_named).collect();
        files.sort_by_key(|file| list_entry(&file.field, field));
        files
    }

    /// Keeps a copy of the fields and a summary of each file in the request context.
    pub(super) fn keep_in_context(self, request: &HttpRequest) -> Result<Self, ApiError> {
        let summary = |file: &ReceivedFile| ReceivedFileSummary {
            field: file.field.clone(),
            bytes: file.bytes.len(),
            hash: file.hash,
        };
        RequestContext::of(request)?.body.get_or_init(|| ReceivedBody::Form {
            fields: self.fields.clone(),
            files: self.files.iter().map(summary).collect(),
        });
        Ok(self)
    }
}

impl ReceivedFile {
    /// Returns the name of the file's field, for messages.
    fn shown_field(&self) -> String {
        if self.field.is_empty() {
            "a file in a field without a name".to_owned()
        } else {
            shortened(&self.field)
        }
    }
}

/// Checks that no field of a body has a text where a file belongs: a text in the field for
/// files, or a data URL anywhere.
///
/// # Errors
///
/// Names the first such field.
pub(super) fn check_no_text_is_a_file(fields: &Fields<'_>, file_field: &str) -> Result<(), Invalid> {
    let expected = format!("sent as a file in the field {file_field} of a multipart/form-data body");
    match fields.find(|name| list_entry(name, file_field).is_some()) {
        Some(field) => Err(field.must_be(expected)),
        None => fields.check_no_data_url(&expected),
    }
}

/// An entry of a list in a form: a field's own name and `name[]` stand for the next entry,
/// and `name[3]` for an entry by its index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum ListEntry {
    Next,
    At(u32),
}

/// Returns the entry of the list `field` that this name spells, or `None` if it is the name
/// of something else.
pub(super) fn list_entry(name: &str, field: &str) -> Option<ListEntry> {
    match name.strip_prefix(field)? {
        "" | "[]" => Some(ListEntry::Next),
        rest => {
            let index = rest.strip_prefix('[')?.strip_suffix(']')?;
            let is_digits = index.bytes().all(|byte| byte.is_ascii_digit());
            index.parse().ok().filter(|_| is_digits).map(ListEntry::At)
        }
    }
}

impl Limits {
    /// Returns the largest size of a form with all its files, in bytes.
    pub(super) const fn form_bytes_max(&self) -> usize {
        let files_bytes_max = self.files_per_request_max.saturating_mul(self.file_bytes_max);
        self.body_bytes_max.saturating_add(files_bytes_max)
    }
}

/// Reads a whole form.
pub(super) async fn read(mut form: Multipart, limits: Limits, request: &HttpRequest) -> Result<FormBody, ApiError> {
    let compares_files = RequestContext::of(request)?.compares_files();
    let mut read = FormBody::default();
    let mut text_bytes_left = limits.body_bytes_max;
    while let Some(field) = form.try_next().await.map_err(|error| form_error(error, limits))? {
        let name = field.name().unwrap_or_default().to_owned();
        let head_bytes = name.len() + FIELD_OVERHEAD_BYTES;
        let bytes_left = text_bytes_left.checked_sub(head_bytes);
        text_bytes_left = bytes_left.ok_or(ApiError::BodyTooLarge {
            bytes_max: limits.body_bytes_max,
        })?;
        check_not_encoded(&field, &name)?;
        match file_name_of(&field) {
            None => {
                let text = read_text(field, &name, limits, &mut text_bytes_left).await?;
                read.fields.push((name, text));
            }
            Some(file_name) => {
                // A browser sends an empty file without a name for an empty file input.
                let may_be_empty_input = file_name.is_empty();
                let hash = compares_files.then(Sha256::new);
                let file = read_file(field, name, request, hash).await?;
                if may_be_empty_input && file.bytes.is_empty() {
                    continue;
                }
                if read.files.len() >= limits.files_per_request_max {
                    return Err(ApiError::TooManyFiles {
                        files_max: limits.files_per_request_max,
                    });
                }
                read.files.push(file);
            }
        }
    }
    Ok(read)
}

/// Refuses a part whose content is not sent as it is.
fn check_not_encoded(field: &Field, name: &str) -> Result<(), ApiError> {
    let Some(encoding) = field.headers().get("content-transfer-encoding") else {
        return Ok(());
    };
    let encoding = String::from_utf8_lossy(encoding.as_bytes());
    let is_plain = |plain: &&str| encoding.trim().eq_ignore_ascii_case(plain);
    if ["binary", "8bit", "7bit"].iter().any(is_plain) {
        return Ok(());
    }
    let (name, encoding) = (shortened(name), shortened(&encoding));
    Err(unreadable(format!("{name} is encoded as {encoding}; send it as it is")))
}

/// Returns the file name of a form's part, or `None` if the part is a text field. Some
/// clients send only the encoded form of a name that is not ASCII.
fn file_name_of(field: &Field) -> Option<String> {
    let disposition = field.content_disposition()?;
    let plain = disposition.get_filename().map(str::to_owned);
    plain.or_else(|| {
        let encoded = disposition.get_filename_ext()?;
        Some(String::from_utf8_lossy(&encoded.value).into_owned())
    })
}

async fn read_text(field: Field, name: &str, limits: Limits, bytes_left: &mut usize) -> Result<String, ApiError> {
    let chunks = field.map(|chunk| {
        let chunk = chunk.map_err(|error| form_error(error, limits))?;
        let left = bytes_left.checked_sub(chunk.len());
        *bytes_left = left.ok_or(ApiError::BodyTooLarge {
            bytes_max: limits.body_bytes_max,
        })?;
        Ok(chunk)
    });
    let bytes = collect(chunks).await?;
    let text = String::from_utf8(bytes).map_err(|_| {
        let name = shortened(name);
        unreadable(format!("{name} is not UTF-8 text; a part with a file needs a filename"))
    })?;
    Ok(without_bom(text))
}

/// Reads a file into memory, and hashes it if `hash` is `Some`.
///
/// # Errors
///
/// Returns [`ApiError::UploadsTooLarge`] if the files of this request would exceed the memory for
/// uploads, and [`ApiError::UploadsBusy`] if those of all requests together would.
async fn read_file(
    mut chunks: Field,
    field: String,
    request: &HttpRequest,
    mut hash: Option<Sha256>,
) -> Result<ReceivedFile, ApiError> {
    let limits = AppState::of(request)?.limits;
    let mut file = ReceivedFile {
        field,
        bytes: Vec::new(),
        hash: None,
        memory_share: MemoryShare::default(),
    };
    while let Some(chunk) = chunks.try_next().await.map_err(|error| form_error(error, limits))? {
        if file.bytes.len() + chunk.len() > limits.file_bytes_max {
            return Err(ApiError::FileTooLarge {
                field: shortened(&file.field),
                bytes_max: limits.file_bytes_max,
            });
        }
        file.memory_share.grow(request, chunk.len())?;
        if let Some(hash) = &mut hash {
            hash.update(&chunk);
        }
        file.bytes.extend_from_slice(&chunk);
    }
    file.hash = hash.map(|hash| hash.finalize().into());
    Ok(file)
}

/// Tells the end of a form that is too large as a whole from that of a part whose headers are too
/// long, for which [`Multipart`] has the same error.
pub(super) fn whole_overflow(error: PayloadError) -> PayloadError {
    match error {
        PayloadError::Overflow => PayloadError::Io(ErrorKind::FileTooLarge.into()),
        error => error,
    }
}

fn form_error(error: MultipartError, limits: Limits) -> ApiError {
    match error {
        MultipartError::Payload(PayloadError::Overflow) => unreadable(format!(
            "the headers of a part, or what is before the first part, are longer than {PART_HEAD_BYTES_MAX} bytes"
        )),
        MultipartError::Payload(PayloadError::Io(error)) if error.kind() == ErrorKind::FileTooLarge => {
            ApiError::BodyTooLarge {
                bytes_max: limits.form_bytes_max(),
            }
        }
        MultipartError::Payload(error) => payload_error(&error, limits.form_bytes_max(), limits),
        MultipartError::BoundaryMissing => unreadable("its content-type header names no boundary"),
        MultipartError::Incomplete => unreadable("the form ends before its last boundary"),
        MultipartError::ContentDispositionMissing => unreadable("a part has no content-disposition: form-data header"),
        MultipartError::ContentDispositionNameMissing => unreadable("the content-disposition of a part has no name"),
        MultipartError::Nested => unreadable("a part is a multipart itself; send each file as a part of the form"),
        MultipartError::Parse(_) => unreadable("the headers of a part are not valid"),
        other => unreadable(other),
    }
}
