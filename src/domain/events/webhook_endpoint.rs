//! Webhook endpoints: a merchant's URL for events and the secret that signs them.

use std::fmt;
use std::net::IpAddr;

use url::{Host, Url};

use crate::domain::events::addresses;
use crate::domain::events::choice::{self, EventChoice};
use crate::domain::events::delivery::Dispatch;
use crate::domain::mode::Mode;
use crate::domain::time::Timestamp;
use crate::domain::web_address::{HiddenPart, check_hidden_parts};

/// A URL that webhooks may be sent to. If its host is a name, the addresses of that name
/// are checked at every connection.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookUrl(Url);

/// The reason why a text is not a webhook URL. The message says what would be right.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WebhookUrlProblem {
    /// The text is not an `http` or `https` URL, or it is too long.
    #[error(
        "a web address, such as https://shop.example/webhooks, of at most {} characters",
        WebhookUrl::CHARS_MAX
    )]
    NotWeb,
    /// The URL does not use TLS, in live mode.
    #[error("an address that begins with https://, in live mode")]
    NotHttps,
    /// The host is an address that webhooks must not be sent to, of this class.
    #[error("an address that does not lead to {0}, which is a {1} address")]
    Refused(IpAddr, &'static str),
    /// The URL holds what does not show. A password is not needed: the signature already proves who
    /// the sender is.
    #[error(transparent)]
    Hidden(#[from] HiddenPart),
    /// The URL holds a fragment, which HTTP does not send.
    #[error("an address without a fragment, which begins at #")]
    Fragment,
}

impl WebhookUrl {
    /// The highest number of characters in a URL.
    pub const CHARS_MAX: usize = 2_000;

    /// Reads a webhook URL for a server in this mode.
    ///
    /// The URL is read as browsers read it, so that no spelling of an IP address hides
    /// the address.
    pub fn parse(text: &str, mode: Mode) -> Result<Self, WebhookUrlProblem> {
        let url = Url::parse(text).map_err(|_| WebhookUrlProblem::NotWeb)?;
        match url.scheme() {
            // As it is stored, it may be longer than the text.
            _ if url.as_str().chars().count().max(text.chars().count()) > Self::CHARS_MAX => {
                return Err(WebhookUrlProblem::NotWeb);
            }
            "https" => {}
            "http" if mode == Mode::Sandbox => {}
            "http" => return Err(WebhookUrlProblem::NotHttps),
            _ => return Err(WebhookUrlProblem::NotWeb),
        }
        let address = match url.host() {
            Some(Host::Ipv4(address)) => Some(IpAddr::V4(address)),
            Some(Host::Ipv6(address)) => Some(IpAddr::V6(address)),
            Some(Host::Domain(_)) => None,
            None => return Err(WebhookUrlProblem::NotWeb),
        };
        if let Some(address) = address
            && let Some(reach) = addresses::refused(mode, address)
        {
            return Err(WebhookUrlProblem::Refused(address, reach));
        }
        check_hidden_parts(text, &url)?;
        if url.fragment().is_some() {
            return Err(WebhookUrlProblem::Fragment);
        }
        Ok(Self(url))
    }

    /// Returns the whole URL, for the request itself. Its query may hold a secret, so it
    /// must not be logged.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    pub fn is_https(&self) -> bool {
        self.0.scheme() == "https"
    }
}

/// Formats the URL without its query, which may hold a secret.
impl fmt::Display for WebhookUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.0.scheme(), self.0.host_str().unwrap_or_default())?;
        if let Some(port) = self.0.port() {
            write!(f, ":{port}")?;
        }
        f.write_str(self.0.path())
    }
}

impl fmt::Debug for WebhookUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WebhookUrl({self})")
    }
}

/// The secret that signs a merchant's webhooks: the secret key in a sandbox, a secret of
/// its own in live mode. It is never formatted.
#[derive(Clone, PartialEq, Eq)]
pub struct SigningSecret(String);

impl SigningSecret {
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SigningSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningSecret(...)")
    }
}

/// A merchant's choice of webhook URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WebhookUrlChoice {
    /// The merchant has not chosen. The URL of the configuration applies, if there is one.
    Configured,
    /// The server sends no events.
    Disabled,
    /// The server sends events to this URL.
    Url(WebhookUrl),
}

impl WebhookUrlChoice {
    /// Returns the URL in force, given the one in the configuration.
    pub const fn url<'a>(&'a self, configured: Option<&'a WebhookUrl>) -> Option<&'a WebhookUrl> {
        match self {
            Self::Configured => configured,
            Self::Disabled => None,
            Self::Url(url) => Some(url),
        }
    }
}

/// A webhook endpoint that events can be sent to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookEndpoint {
    pub url: WebhookUrl,
    pub secrets: SigningSecrets,
    /// The number of times that the merchant has set it.
    pub version: u32,
}

/// The secrets that sign an event: two while a rotation overlaps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SigningSecrets {
    pub current: SigningSecret,
    /// The secret before the rotation, while receivers may still verify with it.
    pub previous: Option<SigningSecret>,
}

impl SigningSecrets {
    /// Returns the secret of a header that carries one signature. Until the overlap ends it is
    /// the previous one: a receiver gets the next secret at any time within the overlap, and
    /// has it for certain at the end.
    pub fn single(&self) -> &SigningSecret {
        self.previous.as_ref().unwrap_or(&self.current)
    }

    /// Returns the secrets of a header that carries several signatures, the current one first.
    pub fn all(&self) -> impl Iterator<Item = &SigningSecret> {
        [&self.current].into_iter().chain(&self.previous)
    }
}

/// A merchant's webhook endpoint, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredWebhookEndpoint {
    /// The URL that the merchant chose.
    pub choice: WebhookUrlChoice,
    /// The events that the merchant chose. `None` for all of the contract.
    pub events: Option<EventChoice>,
    /// The time on the merchant's clock from which events were not sent, that of the oldest one that
    /// was discarded. Set if the endpoint answered 410 Gone: nothing is sent to it until it is set
    /// again.
    pub missed_since: Option<Timestamp>,
    /// The number of times that the merchant has set it.
    pub version: u32,
    /// The secret that signs its webhooks. `None` for a live merchant that has set no endpoint.
    pub secret: Option<SigningSecret>,
    /// The secret before the last rotation, and the time until which it signs too.
    pub previous_secret: Option<(SigningSecret, Timestamp)>,
}

/// The reason why no events are sent to a webhook endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndpointOff {
    /// It has no URL, or no secret to sign with.
    NotSet,
    /// It answered 410 Gone.
    Gone,
}

impl StoredWebhookEndpoint {
    /// Returns true if the endpoint answered 410 Gone and was not set again.
    pub const fn is_gone(&self) -> bool {
        self.missed_since.is_some()
    }

    /// Returns the URL that events are sent to and the secrets that sign them at this time, given
    /// the URL in the configuration.
    pub fn active_at(&self, configured: Option<&WebhookUrl>, now: Timestamp) -> Result<WebhookEndpoint, EndpointOff> {
        let (url, current) = self.active(configured)?;
        Ok(WebhookEndpoint {
            url: url.clone(),
            secrets: self.secrets_with(current, now),
            version: self.version,
        })
    }

    /// Returns the URL that events are sent to and the current secret, or the reason why none are
    /// sent.
    pub fn active<'a>(
        &'a self,
        configured: Option<&'a WebhookUrl>,
    ) -> Result<(&'a WebhookUrl, &'a SigningSecret), EndpointOff> {
        let set = self.choice.url(configured).zip(self.secret.as_ref());
        match set {
            None => Err(EndpointOff::NotSet),
            Some(_) if self.is_gone() => Err(EndpointOff::Gone),
            Some(set) => Ok(set),
        }
    }

    /// Returns true if the pending deliveries of a merchant without an endpoint are kept until one
    /// is set. A live merchant that has pending deliveries and has never set an endpoint comes from
    /// a file of version 1, whose endpoints were in the configuration.
    pub const fn keeps_pending(&self, mode: Mode) -> bool {
        matches!(mode, Mode::Live) && self.version == 0
    }

    /// Returns the secrets that sign an event at this time.
    pub fn signing_secrets(&self, now: Timestamp) -> Option<SigningSecrets> {
        let current = self.secret.as_ref()?;
        Some(self.secrets_with(current, now))
    }

    fn secrets_with(&self, current: &SigningSecret, now: Timestamp) -> SigningSecrets {
        let previous = self.previous_secret.as_ref().filter(|(_, until)| now < *until);
        SigningSecrets {
            current: current.clone(),
            previous: previous.map(|(secret, _)| secret.clone()),
        }
    }

    /// Returns the decision on a new event with this name.
    pub fn dispatch(&self, configured: Option<&WebhookUrl>, name: &str) -> Dispatch {
        let is_chosen = match &self.events {
            Some(events) => events.includes(name),
            None => !choice::is_own(name),
        };
        match self.active(configured) {
            Err(EndpointOff::NotSet) => Dispatch::NoEndpoint,
            _ if !is_chosen => Dispatch::NotChosen,
            Err(EndpointOff::Gone) => Dispatch::EndpointGone,
            Ok(_) => Dispatch::Queued,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(text: &str, mode: Mode) -> String {
        let problem = WebhookUrl::parse(text, mode).err();
        problem.map(|problem| problem.to_string()).unwrap_or_default()
    }

    #[test]
    fn a_live_webhook_url_uses_tls_and_a_public_address() {
        for text in [
            "https://shop.example/webhooks?token=1",
            "https://shop.example.:8443/",
            "https://1.1.1.1/",
            "https://[2606:4700:4700::1111]/",
            "https://localhost/",
        ] {
            assert_eq!(problem(text, Mode::Live), "", "{text}");
        }
        assert!(problem("http://shop.example/", Mode::Live).contains("https://"));
        for text in [
            "https://127.0.0.1/",
            "https://127.1/",
            "https://127.0.0.1./",
            "https://2130706433/",
            "https://0x7f000001/",
            "https://0x7f.0.0.1/",
            "https://0177.0.0.01/",
            "https://1\u{ff12}7.0.0.1/",
            "https://%31%32%37.0.0.1/",
            "https://0/",
            "https://0.0.0.0/",
            "https://[::]/",
            "https://[::1]:8443/",
            "https://[::ffff:127.0.0.1]/",
            "https://[::ffff:7f00:1]/",
            "https://10.1.2.3/",
            "https://100.64.0.1/",
            "https://169.254.169.254/latest/meta-data/",
            "https://0xa9fea9fe/",
            "https://2852039166/",
            "https://[fd00:ec2::254]/",
            "https://[fe80::1]/",
            "https://224.0.0.1/",
            "https://user:pass@192.168.0.1/",
        ] {
            assert!(problem(text, Mode::Live).contains("does not lead to"), "{text}");
        }
    }

    #[test]
    fn the_host_of_a_webhook_url_may_be_in_any_script() {
        for (text, host) in [
            ("https://B\u{dc}CHER.example/", "xn--bcher-kva.example"),
            (
                "https://\u{4f8b}\u{3048}.\u{30c6}\u{30b9}\u{30c8}/",
                "xn--r8jz45g.xn--zckzah",
            ),
            ("https://\u{645}\u{62b}\u{627}\u{644}.example/", "xn--mgbh0fb.example"),
        ] {
            let url = WebhookUrl::parse(text, Mode::Live).unwrap();
            assert_eq!(url.as_str(), format!("https://{host}/"), "{text}");
        }
    }

    #[test]
    fn a_sandbox_webhook_url_may_be_local() {
        for text in [
            "http://127.0.0.1:9000/hook",
            "http://localhost:9000",
            "http://[::1]:9000/",
            "http://192.168.1.20/",
            "http://10.0.0.1/",
            "https://shop.example/",
            "http://receiver:8000/",
            "http://0.0.0.0:9000/",
        ] {
            assert_eq!(problem(text, Mode::Sandbox), "", "{text}");
        }
        for text in [
            "http://169.254.169.254/",
            "http://0xa9.0xfe.0xa9.0xfe/",
            "http://[::ffff:169.254.169.254]/",
            "http://[fe80::1]/",
            "http://169.254.1.1./",
        ] {
            assert!(problem(text, Mode::Sandbox).contains("does not lead to"), "{text}");
        }
    }

    #[test]
    fn a_text_that_is_not_a_web_address_is_refused() {
        let long = format!("https://shop.example/{}", "x".repeat(WebhookUrl::CHARS_MAX));
        for text in [
            "",
            "shop.example",
            "/webhooks",
            "ftp://shop.example/",
            "file:///etc/passwd",
            "https://",
            "https:///",
            "http://a b/",
            "http://1.2.3.4.5/",
            "http://256.256.256.256/",
            "http://[fe80::1%25eth0]/",
            "http://shop.example:99999/",
            "javascript:alert(1)",
            &long,
        ] {
            for mode in [Mode::Sandbox, Mode::Live] {
                assert!(problem(text, mode).starts_with("a web address"), "{text}");
            }
        }
    }

    #[test]
    fn fragments_and_credentials_are_refused() {
        for (text, expected) in [
            ("https://me@shop.example/", "a name and a password"),
            ("https://me:pw@shop.example/", "a name and a password"),
            ("https://:pw@shop.example/", "a name and a password"),
            (
                "https://shop.example/\nhooks",
                "line breaks, tabs and other control characters",
            ),
            ("https://shop.example/#", "a fragment"),
            ("https://shop.example/hook#top", "a fragment"),
        ] {
            for mode in [Mode::Sandbox, Mode::Live] {
                assert!(problem(text, mode).contains(expected), "{text}");
            }
        }
    }

    #[test]
    fn an_endpoint_that_cannot_sign_gets_no_events() {
        let url = WebhookUrl::parse("https://shop.example/", Mode::Live).unwrap();
        let mut endpoint = StoredWebhookEndpoint {
            choice: WebhookUrlChoice::Url(url),
            events: None,
            missed_since: None,
            version: 1,
            secret: None,
            previous_secret: None,
        };
        assert_eq!(endpoint.dispatch(None, "escrow.completed"), Dispatch::NoEndpoint);
        endpoint.secret = Some(SigningSecret::new("sk_live_1"));
        assert_eq!(endpoint.dispatch(None, "escrow.completed"), Dispatch::Queued);
    }

    #[test]
    fn the_query_and_the_secret_are_never_formatted() {
        let url = WebhookUrl::parse("https://shop.example:8443/hook?token=t", Mode::Live).unwrap();
        assert_eq!(url.to_string(), "https://shop.example:8443/hook");
        assert!(url.as_str().contains("token=t"));
        let shown = format!(
            "{:?}",
            WebhookEndpoint {
                url,
                secrets: SigningSecrets {
                    current: SigningSecret::new("sk_live_1"),
                    previous: Some(SigningSecret::new("sk_live_0")),
                },
                version: 0,
            }
        );
        assert!(
            !["token", "sk_live"].iter().any(|secret| shown.contains(secret)),
            "{shown}"
        );
    }
}
