//! Tests of errors and of their replies.

use actix_web::body::MessageBody;
use strum::IntoEnumIterator;

use super::*;
use crate::domain::decline::Decline;
use crate::domain::ids::CustomerId;
use crate::domain::money::Amount;
use crate::domain::refusal::RefusalKind;
use crate::domain::time::Timestamp;

// `EnumIter` fills the fields of a variant with defaults.

#[expect(clippy::derivable_impls, reason = "only tests have use for a default")]
impl Default for Refusal {
    fn default() -> Self {
        Self::CustomerBlocked
    }
}

impl Default for Invalid {
    fn default() -> Self {
        Self::missing("amount")
    }
}

impl Default for CustomerId {
    fn default() -> Self {
        Self::parse("ben").unwrap()
    }
}

impl Default for Timestamp {
    fn default() -> Self {
        Self::from_millis(1_782_123_300_000).unwrap()
    }
}

#[expect(clippy::derivable_impls, reason = "only tests have use for a default")]
impl Default for Decline {
    fn default() -> Self {
        Self::Expired
    }
}

fn amount(minor: i64) -> Amount {
    Amount::from_minor(minor).unwrap()
}

fn insufficient_balance() -> Refusal {
    Refusal::InsufficientBalance {
        needed: amount(10_250),
        available: amount(5),
    }
}

/// Returns refusals of this variant: one for each form of its reply.
fn examples(refusal: Refusal) -> Vec<Refusal> {
    match refusal {
        Refusal::Invalid(missing) => vec![
            missing.into(),
            Invalid::wrong("amount", "a number of 0 or more", "-1").into(),
        ],
        Refusal::NoCustomerWith { .. } => ["email", "phone", "email and phone"]
            .map(|fields| Refusal::NoCustomerWith { fields })
            .into(),
        Refusal::SplitDoesNotAddUp { .. } => vec![Refusal::SplitDoesNotAddUp {
            pool: amount(14_850_050),
            sum: Some(amount(14_850_049)),
        }],
        Refusal::MilestonesDoNotAddUp { .. } => vec![Refusal::MilestonesDoNotAddUp {
            amount: Amount::MAX,
            sum: None,
        }],
        Refusal::ActionNotAllowedNow { .. } => vec![Refusal::ActionNotAllowedNow {
            status: "PENDING",
            actions: vec!["pay", "edit"],
        }],
        Refusal::AmountMismatch { .. } => vec![Refusal::AmountMismatch {
            due: amount(10_200),
            offered: amount(10_000),
        }],
        Refusal::InsufficientBalance { .. } => vec![insufficient_balance()],
        Refusal::PotTooSmall { .. } => vec![Refusal::PotTooSmall {
            min: amount(100_000),
            pot: amount(99_999),
        }],
        Refusal::StakeNotCovered { participant, .. } => vec![Refusal::StakeNotCovered {
            participant,
            stake: amount(50_000),
            available: amount(5),
        }],
        Refusal::TooManyCategories { .. } => vec![Refusal::TooManyCategories { max: 1000 }],
        Refusal::TooManyFaults { .. } => vec![Refusal::TooManyFaults { max: 100 }],
        Refusal::TooManyStreams { .. } => vec![Refusal::TooManyStreams { max: 8 }],
        Refusal::CardDeclined(_) => [Decline::InsufficientFunds, Decline::Expired, Decline::ProcessorError]
            .map(Refusal::CardDeclined)
            .into(),
        Refusal::TooManyTransactions { .. } => vec![Refusal::TooManyTransactions { max: 10_000 }],
        Refusal::SeedEntry { refusal, .. } => [
            *refusal,
            insufficient_balance(),
            Invalid::missing("milestones[0].title").into(),
        ]
        .map(|refusal| refusal.of_seed_entry("escrows[2]".to_owned()))
        .into(),
        refusal => vec![refusal],
    }
}

#[test]
fn the_table_is_what_clients_match_on() {
    let table: Vec<String> = Refusal::iter()
        .flat_map(examples)
        .map(|refusal| {
            let (status, code) = (status_of(RefusalKind::from(&refusal)), refusal.code());
            let details = details(&refusal).map_or(String::new(), |details| serde_json::to_string(&details).unwrap());
            format!("{status} {code:<27} {refusal} {details}").trim_end().to_owned()
        })
        .collect();
    insta::assert_snapshot!(table.join("\n"));
}

fn body(error: &ApiError) -> String {
    let bytes = error.error_response().into_body().try_into_bytes().unwrap();
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn a_read_that_was_stopped_may_be_sent_again() {
    let stopped = ApiError::Store(store::Error::ReadTooLong).error_response();
    assert_eq!(stopped.status(), 503);
    assert_eq!(stopped.headers().get(RETRY_AFTER).unwrap(), "1");
    let body = body(&ApiError::Store(store::Error::ReadTooLong));
    assert!(
        body.contains(r#""code":"busy""#) && body.contains("storage.read_seconds_max"),
        "{body}"
    );
}

#[test]
fn some_errors_have_data_of_their_own_form() {
    let exceeded = ApiError::TooManyRequests { reset_seconds: 41 };
    assert_eq!(body(&exceeded), r#"{"status":429,"message":"Too many request"}"#);
    let forbidden = |is_of_account| body(&ApiError::CustomerIdForbidden { is_of_account });
    let message = "customer-id is not allowed in request header";
    let with =
        |data: &str| format!(r#"{{"status":400,"message":"{message}","data":{data},"code":"customer_id_forbidden"}}"#);
    assert_eq!(forbidden(true), with("null"));
    assert_eq!(forbidden(false), with("{}"));
}
