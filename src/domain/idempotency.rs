//! Idempotency: a request that is sent again under the same idempotency key gets the
//! first reply again.

use percent_encoding::percent_decode_str;

use crate::domain::ids::{CustomerId, OperatorId};
use crate::domain::refusal::Refusal;
use crate::domain::time::Timestamp;
use crate::domain::unset::is_unset_variable;

pub const KEY_BYTES_MAX: usize = 255;

/// A key that a caller sends with a request to make it safe to retry: 1 to 255 printable
/// ASCII characters.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    /// The shape of a key, for messages that say "must be".
    pub const EXPECTED: &'static str = "1 to 255 printable ASCII characters";

    /// Returns `None` if the text does not have the shape of a key, or is what a client sends
    /// where it has no key: its next request would get the reply to this one.
    pub fn parse(text: &str) -> Option<Self> {
        let is_printable = text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic());
        let is_key = is_printable && (1..=KEY_BYTES_MAX).contains(&text.len());
        (is_key && !is_unset_variable(text)).then(|| Self(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The one in whose name a request is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Principal {
    /// The merchant, by one of its keys.
    Merchant,
    /// A customer of the merchant.
    Customer(CustomerId),
    /// An operator, who acts for the merchant.
    Operator(OperatorId),
}

/// The identity of a request. Requests with equal fingerprints are the same request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestFingerprint {
    /// The method, and the path with its query.
    pub route: String,
    pub principal: Principal,
    /// The SHA-256 hash of the body.
    pub body_hash: [u8; 32],
}

/// A reply as it was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredReply {
    /// The HTTP status.
    pub status: u16,
    /// The body, byte for byte.
    pub body: String,
}

/// Returns true for the refusal of a request that is wrong at any time, whatever the state of the
/// service. It leaves the key free, so that the corrected request can have it.
pub fn is_of_request_alone(refusal: &Refusal) -> bool {
    matches!(
        refusal,
        Refusal::Invalid(_)
            | Refusal::CustomerIdMalformed(_)
            | Refusal::NoSuchCustomerId(_)
            | Refusal::NothingToUpdate
            | Refusal::NoPermissionNamed
            | Refusal::AdditionalFeeNegative
            | Refusal::AdditionalFeeRefundableUnclear
            | Refusal::SplitAmountsMissing
            | Refusal::SplitAmountsWithoutSplit
            | Refusal::TooFewMilestones
            | Refusal::MilestonesDoNotAddUp { .. }
            | Refusal::TooFewParticipants
            | Refusal::ParticipantTwice
            | Refusal::PotTooSmall { .. }
    ) || matches!(refusal, Refusal::SeedEntry { refusal, .. } if is_of_request_alone(refusal))
}

/// The first request under a key, and its reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyRecord {
    pub fingerprint: RequestFingerprint,
    pub reply: StoredReply,
    /// The time on the merchant's clock.
    pub created_at: Timestamp,
}

/// The part in which a request differs from the first one under its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Difference {
    /// It has another method or path. Holds the first request's.
    Route(String),
    /// It has another query. Holds the first request's, if that had one.
    Query(Option<String>),
    /// It is made in the name of another one. Holds the first request's.
    Principal(Principal),
    /// It has another body.
    Body,
}

impl IdempotencyRecord {
    /// Returns true if the record is still in force at `now`, if records are kept for
    /// this many seconds.
    pub const fn is_kept(&self, now: Timestamp, kept_seconds: i64) -> bool {
        now.millis() - self.created_at.millis() < kept_seconds * 1000
    }

    /// Returns the first reply.
    ///
    /// # Errors
    ///
    /// Returns the difference if this is not the first request again.
    pub fn reply_to(self, fingerprint: &RequestFingerprint) -> Result<StoredReply, Difference> {
        if !is_same_route(&self.fingerprint.route, &fingerprint.route) {
            Err(Self::route_difference(self.fingerprint.route, &fingerprint.route))
        } else if self.fingerprint.principal != fingerprint.principal {
            Err(Difference::Principal(self.fingerprint.principal))
        } else if self.fingerprint.body_hash != fingerprint.body_hash {
            Err(Difference::Body)
        } else {
            Ok(self.reply)
        }
    }

    fn route_difference(first: String, other: &str) -> Difference {
        let path_and_query = |route: &str| match route.split_once('?') {
            Some((path, query)) => (path.to_owned(), Some(query.to_owned())),
            None => (route.to_owned(), None),
        };
        match (path_and_query(&first), path_and_query(other)) {
            ((path, query), (other_path, _)) if is_same_route(&path, &other_path) => Difference::Query(query),
            _ => Difference::Route(first),
        }
    }
}

/// Returns true if two routes differ only in the characters that they encode, such as `/%61` and `/a`.
/// An encoded separator is none (RFC 3986, 2.2).
fn is_same_route(one: &str, other: &str) -> bool {
    const SEPARATORS: [char; 6] = [' ', '/', '?', '&', '=', '+'];
    let pieces = |route: &str| -> Vec<Vec<u8>> {
        let pieces = route.split(SEPARATORS);
        pieces.map(|piece| percent_decode_str(piece).collect()).collect()
    };
    one.matches(SEPARATORS).eq(other.matches(SEPARATORS)) && pieces(one) == pieces(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> IdempotencyRecord {
        IdempotencyRecord {
            fingerprint: fingerprint(),
            reply: StoredReply {
                status: 201,
                body: "{}".to_owned(),
            },
            created_at: Timestamp::from_millis(1_782_123_300_007).unwrap(),
        }
    }

    fn customer(id: &str) -> Principal {
        Principal::Customer(CustomerId::parse(id).unwrap())
    }

    fn fingerprint() -> RequestFingerprint {
        RequestFingerprint {
            route: "POST /v1/escrow/create".to_owned(),
            principal: customer("ada"),
            body_hash: [1; 32],
        }
    }

    #[test]
    fn keys_are_printable_ascii_of_a_bounded_length() {
        for text in ["a", "two words", "~!{}", &"k".repeat(255)] {
            assert_eq!(IdempotencyKey::parse(text).unwrap().as_str(), text);
        }
        for text in ["", "tab\there", "clé", "del\u{7f}", &"k".repeat(256)] {
            assert_eq!(IdempotencyKey::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_repeated_request_gets_the_first_reply_and_another_gets_the_difference() {
        assert_eq!(record().reply_to(&fingerprint()), Ok(record().reply));
        let other = |change: fn(&mut RequestFingerprint)| {
            let mut other = fingerprint();
            change(&mut other);
            record().reply_to(&other).unwrap_err()
        };
        let first_route = Difference::Route("POST /v1/escrow/create".to_owned());
        assert_eq!(other(|fingerprint| fingerprint.route.push_str("/x?a=b")), first_route);
        assert_eq!(
            other(|fingerprint| fingerprint.route.push_str("?a=b")),
            Difference::Query(None)
        );
        let mut asked = record();
        asked.fingerprint.route.push_str("?a=b");
        assert_eq!(
            asked.reply_to(&fingerprint()),
            Err(Difference::Query(Some("a=b".to_owned())))
        );
        let first = Difference::Principal(customer("ada"));
        assert_eq!(other(|fingerprint| fingerprint.principal = Principal::Merchant), first);
        assert_eq!(other(|fingerprint| fingerprint.principal = customer("bo")), first);
        assert_eq!(other(|fingerprint| fingerprint.body_hash = [2; 32]), Difference::Body);
    }

    #[test]
    fn a_route_is_compared_by_its_meaning() {
        let replays = |first: &str, again: &str| {
            let (mut record, mut fingerprint) = (record(), fingerprint());
            record.fingerprint.route = first.to_owned();
            fingerprint.route = again.to_owned();
            record.reply_to(&fingerprint).is_ok()
        };
        for again in ["PUT /v1/x/a%40b", "PUT /v1/%78/%61@%62", "PUT /v1/x/a%40b"] {
            assert!(replays("PUT /v1/x/a@b", again), "{again}");
        }
        assert!(replays("PUT /v1/x/%c3%A9%2f", "PUT /v1/x/%C3%a9%2F"));
        for other in [
            "POST /v1/x/a@b",
            "PUT /v1/x/a@B",
            "PUT /v1/x/a%2540b",
            "PUT /v1/x/a@b/",
            "PUT /v1/x%2Fa@b",
            "PUT /v1/x/a@b?",
            "PUT /v1/x/a@b?y=1",
            "PUT /v1/x/a@b%3Fy=1",
        ] {
            assert!(!replays("PUT /v1/x/a@b", other), "{other}");
        }
        for cut in ["PUT /%", "PUT /%4", "PUT /%zz", "PUT /%é"] {
            assert!(replays(cut, cut), "{cut}");
        }
    }

    #[test]
    fn a_record_is_kept_to_the_millisecond() {
        let at = |millis| Timestamp::from_millis(record().created_at.millis() + millis).unwrap();
        assert!(record().is_kept(at(0), 1) && record().is_kept(at(999), 1));
        assert!(!record().is_kept(at(1_000), 1));
    }
}
