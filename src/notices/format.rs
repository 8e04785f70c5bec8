//! The trait of a provider's format, and a notice as it came.

use crate::domain::invalid::Parsed;
use crate::domain::treasury::notice::Notice;

/// A notice as it came over HTTP.
#[derive(Clone, Copy, Debug)]
pub struct RawNotice<'a> {
    /// The names and values of the headers.
    pub headers: &'a [(&'a str, &'a str)],
    /// The bytes of the body, untouched: the signature is over them.
    pub body: &'a [u8],
}

impl RawNotice<'_> {
    /// Returns the value of a header, whose name is compared without regard to case. Returns
    /// `None` if there is none, and if there are several: only one of them could be checked.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self
            .headers
            .iter()
            .filter(|(found, _)| found.eq_ignore_ascii_case(name));
        let value = values.next().map(|(_, value)| *value);
        value.filter(|_| values.next().is_none())
    }
}

/// The format of one provider's notices.
pub trait NoticeFormat: Send + Sync {
    /// Returns the provider's name as it stands in the route's path and in references.
    fn name(&self) -> &'static str;

    /// Returns true if the notice was signed with this secret. The comparison takes the same
    /// time for every wrong signature. With an empty secret nothing is signed.
    fn is_signed(&self, notice: &RawNotice<'_>, secret: &str) -> bool;

    /// Returns the path of the field that has the currency, for the answer to a wrong one.
    fn currency_field(&self) -> &'static str;

    /// Parses a body whose signature was checked. Returns `None` for an event that is not
    /// about money that came in: it is answered 200 and ignored.
    ///
    /// # Errors
    ///
    /// Names the field that is wrong. Such a notice is refused, so that the provider sends it
    /// again and shows the failure to its operator.
    fn parse(&self, body: &[u8]) -> Parsed<Option<Notice>>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_found_once_or_not_at_all() {
        let headers = [("X-Signature", "ab"), ("x-twice", "1"), ("X-Twice", "2")];
        let notice = RawNotice {
            headers: &headers,
            body: b"",
        };
        assert_eq!(notice.header("x-signature"), Some("ab"));
        assert_eq!(notice.header("x-twice"), None);
        assert_eq!(notice.header("x-other"), None);
    }
}
