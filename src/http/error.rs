//! The errors of requests, and the replies that report them.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, HeaderValue, RETRY_AFTER};
use actix_web::{HttpResponse, ResponseError};
use serde_json::{Map, Value};
use strum::{EnumDiscriminants, EnumProperty, IntoStaticStr, VariantArray};
use thiserror::Error;

use crate::csv::errors::FileErrors;
use crate::domain::idempotency::{Difference, Principal};
use crate::domain::invalid::{Invalid, shortened};
use crate::domain::refusal::Refusal;
use crate::domain::treasury::reconciliation::SumTooLarge;
use crate::domain::treasury::signed_amount::SignedAmount;
use crate::http::details::{self, details};
use crate::http::envelope::{Envelope, Rendered, status_code};
use crate::http::key_mistake::KeyMistake;
use crate::http::refusal_status::status_of;
use crate::http::store_failure::{RETRY_AFTER_SECONDS, store_failure};
use crate::{commands, store};

/// The reason why a request failed. The message is the `Display` text and the code is the
/// variant's name. The status is 400 unless the variant states another.
#[derive(Debug, Error, EnumDiscriminants)]
#[strum_discriminants(
    name(ApiErrorKind),
    derive(EnumProperty, IntoStaticStr, VariantArray),
    strum(serialize_all = "snake_case"),
    doc = "The kind of an error, without its facts. It has the code and, unless an error has its own, the HTTP status."
)]
pub(crate) enum ApiError {
    /// The request broke a rule of the domain.
    #[error(transparent)]
    Refused(Refusal),
    /// The store failed.
    #[error("{}", store_failure(.0).message)]
    Store(store::Error),
    /// The request has no key. In sandbox mode a program on this machine needs none.
    #[strum_discriminants(strum(props(status = 401)))]
    #[error("No token provided")]
    NoToken {
        /// The mistake in the `authorization` header, if the request has the header.
        mistake: Option<KeyMistake>,
    },
    /// The `customer-id` header is what a client sends where it has no id.
    #[strum_discriminants(strum(serialize = "customer_not_found", props(status = 404)))]
    #[error("Customer not found")]
    CustomerIdUnset {
        /// The header's text.
        text: String,
    },
    #[strum_discriminants(strum(props(status = 403)))]
    #[error("Unauthorized Access")]
    UnknownKey,
    /// The bearer key is one that stands in web pages.
    #[strum_discriminants(strum(props(status = 403)))]
    #[error("This is a publishable key, which opens POST /v1/checkout/session alone; send the secret key")]
    PublishableKey,
    /// No merchant has this publishable key.
    #[strum_discriminants(strum(props(status = 403)))]
    #[error("Unknown publishable key")]
    UnknownPublishableKey,
    /// The publishable key is one for the other mode.
    #[strum_discriminants(strum(props(status = 403)))]
    #[error("This is a publishable key of another mode; this service takes pk_{environment}_ keys")]
    PublishableKeyOfOtherMode {
        /// The contract's word for the mode of this service.
        environment: &'static str,
    },
    /// The `host` header does not name this machine.
    #[strum_discriminants(strum(props(status = 403)))]
    #[error("This sandbox answers to localhost only; set sandbox.expose to let it answer to other names")]
    ForeignHost,
    /// The route acts for a customer.
    #[error("customer-id header is required")]
    CustomerIdRequired,
    /// The client's IP address is not on the merchant's list of allowed addresses.
    #[strum_discriminants(strum(props(status = 403)))]
    #[error("Unauthorized IP address")]
    ForeignAddress,
    #[strum_discriminants(strum(props(status = 409)))]
    #[error("A request with this Idempotency-Key is being worked on; try again shortly")]
    IdempotencyKeyInFlight,
    #[strum_discriminants(strum(props(status = 422)))]
    #[error("This Idempotency-Key was first used {}; a new request needs a new key", first_use(.0))]
    IdempotencyKeyReused(Difference),
    /// The notice was not signed with the secret of the merchant's account at the provider.
    #[strum_discriminants(strum(props(status = 401)))]
    #[error("The signature of this notice is wrong")]
    WrongSignature,
    /// The key has used up its requests of this window.
    #[strum_discriminants(strum(props(status = 429)))]
    #[error("Too many request")]
    TooManyRequests { reset_seconds: u64 },
    /// The route acts for the merchant.
    #[error("customer-id is not allowed in request header")]
    CustomerIdForbidden {
        /// True if the route belongs to the merchant's own account. The reply then has
        /// `data: null`.
        is_of_account: bool,
    },
    #[strum_discriminants(strum(props(status = 410)))]
    #[error("Virtual accounts are no longer supported; pay for the escrow directly, or deposit by an intent")]
    NoVirtualAccounts,
    #[strum_discriminants(strum(props(status = 413)))]
    #[error("The body must be at most {bytes_max} bytes")]
    BodyTooLarge { bytes_max: usize },
    #[strum_discriminants(strum(props(status = 413)))]
    #[error("{field} must be a file of at most {bytes_max} bytes")]
    FileTooLarge { field: String, bytes_max: usize },
    #[strum_discriminants(strum(serialize = "body_too_large", props(status = 413)))]
    #[error(
        "This request alone takes more than {bytes_max} bytes, the memory for all uploads (limits.uploads_bytes_max)"
    )]
    UploadsTooLarge { bytes_max: usize },
    #[error("A request may have at most {files_max} files")]
    TooManyFiles { files_max: usize },
    /// The uploads in progress use all of the memory for files.
    #[strum_discriminants(strum(serialize = "busy", props(status = 503)))]
    #[error("Too many files are being received; nothing was changed, try again shortly")]
    UploadsBusy,
    #[strum_discriminants(strum(props(status = 404)))]
    #[error("File not found")]
    FileNotFound,
    /// The content of a stored file is not the one that was sent.
    #[strum_discriminants(strum(props(status = 503)))]
    #[error("This file is damaged where it is stored; the operator should put it back from a backup")]
    FileDamaged,
    #[strum_discriminants(strum(props(status = 408)))]
    #[error("The body must arrive within {seconds_max} seconds")]
    BodyTooSlow { seconds_max: u64 },
    /// A CSV file has errors.
    #[error("The file has {}: {}", .0.count_in_words(), .0.first.first().map(ToString::to_string).unwrap_or_default())]
    InvalidFile(FileErrors),
    /// A sum of a statement, or of several merchants, is beyond the largest amount.
    #[error("The sum of the {} is beyond {}, the largest amount of the service", .0.of, SignedAmount::MAX)]
    SumTooLarge(SumTooLarge),
    /// A statement or a journal is too long for one reply.
    #[error("Too many rows at once; ask for fewer days with from and to")]
    TooManyRows { max: usize },
    /// The body ended early or does not match its headers.
    #[error("The body cannot be read: {problem}")]
    BodyUnreadable { problem: String },
    /// The body is compressed, and the service reads bodies as they are.
    #[strum_discriminants(strum(serialize = "unsupported_media_type", props(status = 415)))]
    #[error("The body is encoded as {encoding}; send it as it is, without a content-encoding header")]
    EncodedBody { encoding: String },
    #[strum_discriminants(strum(props(status = 415)))]
    #[error("Send the body as {expected}, and say so in the content-type header")]
    UnsupportedMediaType { expected: &'static str },
    /// A fault of this key answers the request.
    #[error("Fault requested by POST /sandbox/faults")]
    Fault { status: StatusCode },
    /// The request log has no request with this id and key.
    #[strum_discriminants(strum(props(status = 404)))]
    #[error("Request not found; the last {requests_kept} requests of all keys together are kept")]
    RequestNotFound { requests_kept: usize },
    #[strum_discriminants(strum(props(status = 404)))]
    #[error("There is no route {}", shortened(.path))]
    RouteNotFound { path: String },
    #[strum_discriminants(strum(props(status = 405)))]
    #[error("This route answers {methods} only")]
    MethodNotAllowed {
        /// The methods of the route table.
        methods: Arc<str>,
        /// The methods for the `Allow` header.
        allow: HeaderValue,
    },
    /// A bug, or a failure of the machine.
    #[strum_discriminants(strum(props(status = 500)))]
    #[error("Something went wrong on our side")]
    Internal,
}

impl ApiErrorKind {
    /// Returns the code. Errors of some kinds have none, or that of the value in them.
    pub(super) fn code(self) -> Option<&'static str> {
        match self {
            Self::Refused | Self::Store | Self::TooManyRequests => None,
            kind => Some(kind.into()),
        }
    }

    /// Returns the status of an error that has none of its own.
    pub(super) fn status(self) -> u16 {
        self.get_int("status")
            .map_or(400, |status| u16::try_from(status).expect("a status has three digits"))
    }
}

impl ApiError {
    /// Returns the store's error if the status is 500. The log reports it, and the client
    /// never sees it.
    pub(crate) fn cause(&self) -> Option<&store::Error> {
        match self {
            Self::Store(error) if self.status() == 500 => Some(error),
            _ => None,
        }
    }

    fn status(&self) -> u16 {
        match self {
            Self::Refused(refusal) => status_of(refusal.into()),
            Self::Store(error) => store_failure(error).failure.status(),
            Self::Fault { status } => status.as_u16(),
            error => ApiErrorKind::from(error).status(),
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Refused(refusal) => refusal.code(),
            Self::Store(error) => store_failure(error).failure.into(),
            error => ApiErrorKind::from(error).into(),
        }
    }

    /// Returns `data`, which an error leaves empty in one of three forms (contract section
    /// 1.4): absent, null or `{}`.
    fn data(&self) -> Option<Value> {
        match self {
            _ if self.is_limit() => None,
            Self::NoVirtualAccounts | Self::CustomerIdForbidden { is_of_account: true } => Some(Value::Null),
            _ => Some(Value::Object(Map::new())),
        }
    }

    /// Returns true for a 429, be it one that a fault asks for: its reply has neither `data` nor `code`.
    fn is_limit(&self) -> bool {
        self.status() == StatusCode::TOO_MANY_REQUESTS.as_u16()
    }

    fn reply(&self) -> Rendered {
        let envelope = Envelope {
            status: self.status(),
            message: &self.to_string(),
            data: self.data(),
            code: (!self.is_limit()).then(|| self.code()),
            details: match self {
                Self::Refused(refusal) => details(refusal),
                Self::NoToken { mistake } => mistake.as_ref().map(KeyMistake::details),
                Self::CustomerIdUnset { text } => Some(details::of_header(
                    "customer-id",
                    "the id of a customer; the client's variable for it has no value",
                    shortened(text),
                )),
                Self::InvalidFile(errors) => Some(details::of_file(errors)),
                Self::TooManyRows { max } => Some(details::of_max(*max)),
                _ => None,
            },
        };
        Rendered::new(&envelope)
    }

    /// Returns the seconds after which the client should send the request again, or `None`
    /// if it would fail again or may have taken effect.
    fn retry_after_seconds(&self) -> Option<u64> {
        match self {
            Self::TooManyRequests { reset_seconds } => Some(*reset_seconds),
            Self::IdempotencyKeyInFlight => Some(RETRY_AFTER_SECONDS),
            Self::Store(error) => store_failure(error).failure.retry_after_seconds(),
            Self::FileDamaged => None,
            _ => matches!(self.status(), 429 | 503).then_some(RETRY_AFTER_SECONDS),
        }
    }
}

/// Describes the first request under an idempotency key. The text follows "was first
/// used".
fn first_use(difference: &Difference) -> String {
    match difference {
        Difference::Route(route) => format!("for {}", shortened(route)),
        Difference::Query(Some(query)) => format!("for this route with the query {}", shortened(query)),
        Difference::Query(None) => "for this route without a query".to_owned(),
        Difference::Principal(Principal::Operator(_)) => "by another operator".to_owned(),
        Difference::Principal(Principal::Merchant) => "for the merchant, without a customer-id".to_owned(),
        Difference::Principal(Principal::Customer(_)) => "for another customer-id".to_owned(),
        Difference::Body => "with another body".to_owned(),
    }
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        status_code(self.status())
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = self.reply().into_response();
        let headers = response.headers_mut();
        if let Some(seconds) = self.retry_after_seconds() {
            headers.insert(RETRY_AFTER, seconds.into());
        }
        if let Self::MethodNotAllowed { allow, .. } = self {
            headers.insert(ALLOW, allow.clone());
        }
        response
    }
}

impl From<Refusal> for Rendered {
    fn from(refusal: Refusal) -> Self {
        ApiError::Refused(refusal).reply()
    }
}

impl From<commands::Error> for ApiError {
    fn from(error: commands::Error) -> Self {
        match error {
            commands::Error::Refused(refusal) => Self::Refused(refusal),
            commands::Error::Store(error) => Self::Store(error),
        }
    }
}

impl From<store::Error> for ApiError {
    fn from(error: store::Error) -> Self {
        Self::Store(error)
    }
}

impl From<SumTooLarge> for ApiError {
    fn from(error: SumTooLarge) -> Self {
        Self::SumTooLarge(error)
    }
}

impl From<FileErrors> for ApiError {
    fn from(errors: FileErrors) -> Self {
        Self::InvalidFile(errors)
    }
}

impl From<Invalid> for ApiError {
    fn from(invalid: Invalid) -> Self {
        Self::Refused(invalid.into())
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}
