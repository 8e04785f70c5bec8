//! Formats amounts and instants for pages.

use maud::{Markup, html};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::domain::escrow::Status;
use crate::domain::ledger::{Account, TransferKind};
use crate::domain::money::Amount;
use crate::domain::time::Timestamp;

/// The longest id that narrow places show whole.
const ID_BYTES_MAX: usize = 20;

/// Writes an amount with its currency and with separators between thousands:
/// `NGN 1,500.00`.
pub(super) fn amount(amount: Amount, currency: &str) -> Markup {
    html! {
        span.amount { span.currency { (currency) } (grouped(amount.minor().into())) }
    }
}

/// Writes an instant. The page's script shows it in the reader's time zone.
pub(super) fn instant(instant: Timestamp) -> Markup {
    let exact = instant.to_string();
    html! {
        time datetime=(exact) title=(exact) data-local { (exact) }
    }
}

/// Writes an amount or a sum of minor units, which may be below zero and of any size.
pub(super) fn minor(minor: impl Into<i128>, currency: &str) -> Markup {
    let minor = minor.into();
    html! {
        span.amount { span.currency { (currency) } @if minor < 0 { "−" } (grouped(minor)) }
    }
}

/// Writes an id for a narrow place: one as long as those that the service makes is shortened, and
/// its title is the whole of it.
pub(super) fn id(id: &str) -> Markup {
    html! {
        @match shortened(id) {
            Some((start, end)) => span.id title=(id) { (start) "…" (end) },
            None => (id),
        }
    }
}

/// Writes an account, of which the id of the customer may be shortened.
pub(super) fn account(account: &Account) -> Markup {
    let name = account.to_string();
    html! {
        @match account.customer() {
            Some(customer) => { (id(customer.as_str())) (name.strip_prefix(customer.as_str()).unwrap_or_default()) }
            None => (name),
        }
    }
}

/// Names the kind of a transfer.
pub(super) fn kind(kind: TransferKind) -> String {
    kind.into_str().replace('_', " ")
}

/// Returns the beginning and the end of an id that is too long to be shown whole.
fn shortened(id: &str) -> Option<(&str, &str)> {
    let is_long = id.len() > ID_BYTES_MAX && id.is_ascii();
    is_long.then(|| (&id[..8], &id[id.len() - 4..]))
}

/// Writes a change of minor units with its sign.
pub(super) fn change(minor: impl Into<i128>, currency: &str) -> Markup {
    let minor = minor.into();
    html! {
        span.amount.gain[minor > 0] { span.currency { (currency) } @if minor > 0 { "+" } @else if minor < 0 { "−" } (grouped(minor)) }
    }
}

/// Writes the status of a deal.
pub(super) fn status(status: Status) -> Markup {
    let tone = match status {
        Status::Pending => "",
        Status::Ongoing => "info",
        Status::Disputed | Status::Investigating => "bad",
        Status::Completed | Status::Claimed => "good",
        Status::Refunded | Status::Split => "warn",
    };
    html! { span class={ "badge " (tone) } { (status.into_str().to_lowercase()) } }
}

/// The bytes that are escaped in a part of a path.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'~');

/// Escapes a text for a part of a path.
pub(super) fn segment(text: &str) -> String {
    utf8_percent_encode(text, ESCAPED).to_string()
}

/// Returns the text if it is a path on this server with or without a query, so that it may stand
/// in a `Location` header and leads nowhere else.
pub(super) fn own_path(text: &str) -> Option<&str> {
    let is_plain = |byte: u8| byte.is_ascii_graphic() && byte != b'\\';
    let is_own = text.starts_with('/') && !text.starts_with("//") && text.bytes().all(is_plain);
    is_own.then_some(text)
}

/// Returns the size of an amount in major units with two decimals, and a comma between thousands.
fn grouped(minor: i128) -> String {
    let minor = minor.unsigned_abs();
    let (major, cents) = (minor / 100, minor % 100);
    let digits = major.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3 + 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    format!("{text}.{cents:02}")
}

/// Says how many buyers can still pay for an offer to several.
pub(super) fn left(quantity: i64) -> String {
    if quantity < 1 {
        return "sold out".to_owned();
    }
    format!("{quantity} left")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_leads_elsewhere_is_none_of_ours() {
        for own in ["/", "/console/deals?page=2", "/pay/PY_X"] {
            assert_eq!(own_path(own), Some(own));
        }
        for foreign in [
            "",
            "console",
            "//evil.example",
            "/\\evil.example",
            "/a\n",
            "/a b",
            "/é",
            "https://evil.example",
        ] {
            assert_eq!(own_path(foreign), None, "{foreign:?}");
        }
    }

    #[test]
    fn a_long_id_shows_its_beginning_and_its_end() {
        assert_eq!(id("ada").into_string(), "ada");
        let long = id("00d1119f44e08000b93d8ec9").into_string();
        assert_eq!(
            long,
            "<span class=\"id\" title=\"00d1119f44e08000b93d8ec9\">00d1119f…8ec9</span>"
        );
    }

    #[test]
    fn amounts_have_two_decimals_and_separators() {
        let text = grouped;
        assert_eq!(text(0), "0.00");
        assert_eq!(text(5), "0.05");
        assert_eq!(text(99_999), "999.99");
        assert_eq!(text(100_000), "1,000.00");
        assert_eq!(text(123_456_789), "1,234,567.89");
        // A sum may be larger than any amount.
        assert_eq!(text(-i128::from(i64::MAX) * 100), "9,223,372,036,854,775,807.00");
    }
}
