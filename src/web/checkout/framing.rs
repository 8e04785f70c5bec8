//! The frame around a checkout page: the header that allows it, and the site that made it.

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{CONTENT_SECURITY_POLICY, HOST, HeaderName, HeaderValue, REFERER};
use actix_web::middleware::Next;
use actix_web::{Error, HttpRequest};
use maud::{Markup, html};
use url::Url;

use crate::http::SEC_FETCH_DEST;

/// The policy of every page, except that any web page may show this one in a frame.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; \
     form-action 'self'; base-uri 'none'; frame-ancestors http: https:",
);

/// Serves a page that may stand in a frame of another site.
///
/// # Errors
///
/// Passes on the errors of the page.
pub(super) async fn allow(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let mut response = next.call(request).await?;
    response.headers_mut().insert(CONTENT_SECURITY_POLICY, POLICY);
    Ok(response)
}

/// The site in whose frame a page is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// The page is a window of its own.
    None,
    /// The origin that the browser named, or else the script.
    By(String),
    /// Neither named one.
    ByUnknown,
}

impl Framing {
    /// Reads the frame of a request. `named` is the origin that the script has put into the
    /// address; the browser's own word counts more.
    pub(super) fn of(request: &HttpRequest, named: &str) -> Self {
        let header = |name: &HeaderName| request.headers().get(name).and_then(|value| value.to_str().ok());
        let place = header(&SEC_FETCH_DEST);
        if place == Some("document") || (place.is_none() && named.is_empty()) {
            return Self::None;
        }
        let own = header(&HOST);
        let referer = header(&REFERER).and_then(origin_of);
        let referer = referer.filter(|origin| origin.split_once("://").map(|(_, host)| host) != own);
        match referer.or_else(|| origin_of(named)) {
            Some(origin) => Self::By(origin),
            None => Self::ByUnknown,
        }
    }

    /// Returns the origin of the site, if it is known.
    pub(super) fn origin(&self) -> Option<&str> {
        match self {
            Self::By(origin) => Some(origin),
            Self::None | Self::ByUnknown => None,
        }
    }
}

/// A button that asks the framing page to close the checkout. The script shows it.
pub(super) fn close_button() -> Markup {
    html! { p { button type="button" data-close hidden { "Close" } } }
}

/// Returns the origin of a web page's address.
fn origin_of(address: &str) -> Option<String> {
    let url = Url::parse(address).ok()?;
    matches!(url.scheme(), "http" | "https").then(|| url.origin().ascii_serialization())
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn framing(named: &str, headers: &[(&'static str, &'static str)]) -> Framing {
        let request = TestRequest::get().insert_header(("host", "pay.example"));
        let request = headers
            .iter()
            .fold(request, |request, header| request.insert_header(*header));
        Framing::of(&request.to_http_request(), named)
    }

    #[test]
    fn the_browsers_word_counts_more_than_the_address() {
        let by = |origin: &str| Framing::By(origin.to_owned());
        let frame = ("sec-fetch-dest", "iframe");
        let shop = "https://shop.example";
        assert_eq!(framing(shop, &[frame]), by(shop));
        let referer = ("referer", "https://evil.example/a?b");
        assert_eq!(framing(shop, &[frame, referer]), by("https://evil.example"));
        // After a form the page itself is the referer.
        let own = ("referer", "https://pay.example/checkout/x");
        assert_eq!(framing(shop, &[frame, own]), by(shop));
        assert_eq!(framing("", &[frame]), Framing::ByUnknown);
        assert_eq!(framing("javascript:alert(1)", &[frame]), Framing::ByUnknown);
        assert_eq!(framing(shop, &[("sec-fetch-dest", "document")]), Framing::None);
        assert_eq!(framing("", &[]), Framing::None);
    }
}
