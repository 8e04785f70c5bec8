//! Adapters for the signed notices of payment providers.
//!
//! A format checks the signature over the body as it came, and translates the body into a
//! [`Notice`](crate::domain::treasury::notice::Notice). It knows nothing of deposits or accounts:
//! the command that records the receipt does. `docs/providers.md` shows how to write one.

pub mod format;
pub mod paystack;

use crate::notices::format::NoticeFormat;
use crate::notices::paystack::Paystack;

/// The formats that the service knows.
const FORMATS: [&dyn NoticeFormat; 1] = [&Paystack];

/// Returns the format of the provider of this name.
pub fn of_provider(name: &str) -> Option<&'static dyn NoticeFormat> {
    FORMATS.into_iter().find(|format| format.name() == name)
}

/// Compiles and runs the example of the document.
#[cfg(doctest)]
#[doc = include_str!("../../docs/providers.md")]
struct ProvidersDocument;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_found_by_name() {
        assert_eq!(of_provider("paystack").map(NoticeFormat::name), Some("paystack"));
        assert!(of_provider("Paystack").is_none() && of_provider("").is_none());
    }
}
