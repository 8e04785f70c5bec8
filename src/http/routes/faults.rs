//! Routes by which a merchant sets, lists and clears its faults (sandbox).

use std::sync::Arc;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::web::Data;
use schemars::JsonSchema;
use serde::Serialize;

use crate::domain::invalid::Parsed;
use crate::domain::money::Amount;
use crate::domain::refusal::RefusalKind;
use crate::http::auth::Caller;
use crate::http::body::JsonBody;
use crate::http::envelope::{CreatedReply, Reply};
use crate::http::error::ApiError;
use crate::http::fields::{Field, Fields};
use crate::http::refusals::Refusals;
use crate::http::request_spec::{FieldSpec, Kind, RequestSpec};
use crate::http::sandbox::fault_book::{Chance, Fault, FaultEffect, FaultEnding, FaultRequest};
use crate::http::sandbox::route_pattern::RoutePattern;
use crate::http::state::AppState;
use crate::views::MajorUnits;

/// The number of faults that were cleared.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ClearedView {
    cleared: usize,
}

/// A fault, for the merchant that set it.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FaultView {
    id: u64,
    route: Option<String>,
    customer_id: Option<String>,
    #[serde(flatten)]
    effect: EffectView,
    times: u32,
    remaining: u32,
    /// The share of requests that the fault hits, and the seed that decides which. Null if
    /// it hits each.
    probability: Option<MajorUnits>,
    seed: Option<u64>,
}

/// The effect of a fault.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EffectView {
    status: Option<u16>,
    delay_ms: Option<u64>,
    in_flight: bool,
    cut_after_commit: bool,
}

impl EffectView {
    pub(crate) fn new(effect: FaultEffect) -> Self {
        let millis = |delay: Duration| u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
        Self {
            status: match effect.ending {
                FaultEnding::Status(status) => Some(status.as_u16()),
                FaultEnding::Normal | FaultEnding::InFlight | FaultEnding::CutAfterCommit => None,
            },
            delay_ms: effect.delay.map(millis),
            in_flight: effect.ending == FaultEnding::InFlight,
            cut_after_commit: effect.ending == FaultEnding::CutAfterCommit,
        }
    }
}

impl FaultView {
    fn new(fault: &Fault) -> Self {
        let request = &fault.request;
        Self {
            id: fault.id,
            route: request.route.as_ref().map(ToString::to_string),
            customer_id: request.customer.as_ref().map(ToString::to_string),
            effect: EffectView::new(request.effect),
            times: request.times,
            remaining: fault.remaining,
            probability: request
                .chance
                .and_then(|chance| Amount::from_minor(chance.percent))
                .map(MajorUnits),
            seed: request.chance.map(|chance| chance.seed),
        }
    }
}

/// The refusals of [`set`].
pub(crate) const SET_REFUSALS: Refusals = Refusals::of(&[&[RefusalKind::TooManyFaults]]);

/// `POST /sandbox/faults`. Faults are in memory, but a command sets them, so that a repeated
/// request with the same idempotency key sets one fault.
pub(crate) async fn set(
    state: Data<AppState>,
    caller: Caller,
    body: JsonBody,
) -> Result<CreatedReply<FaultView>, ApiError> {
    let request = parse_fault(&body, state.faults.routes());
    let (faults, key_hash) = (Arc::clone(&state.faults), caller.key_hash);
    state
        .execute(
            &caller,
            move |_tx, _policy, _actor| Ok(faults.set(key_hash, request?)?),
            |fault, _context| Reply::created("Fault set successfully", FaultView::new(&fault)),
        )
        .await
}

/// `GET /sandbox/faults`: the key's faults with requests left to hit, oldest first.
pub(crate) async fn list(state: Data<AppState>, caller: Caller) -> Result<Reply<Vec<FaultView>>, ApiError> {
    let faults = state.faults.list(&caller.key_hash);
    let faults: Vec<FaultView> = faults.iter().map(FaultView::new).collect();
    Ok(Reply::ok("Faults fetched successfully", faults))
}

/// `DELETE /sandbox/faults`: clears the key's faults.
pub(crate) async fn clear(state: Data<AppState>, caller: Caller) -> Result<Reply<ClearedView>, ApiError> {
    let (faults, key_hash) = (Arc::clone(&state.faults), caller.key_hash);
    state
        .execute(
            &caller,
            move |_tx, _policy, _actor| Ok(faults.clear(&key_hash)),
            |cleared, _context| Reply::ok("Faults cleared successfully", ClearedView { cleared }),
        )
        .await
}

/// The request of [`set`].
pub(crate) const FAULT: RequestSpec = RequestSpec::of_body(&[&[
    FieldSpec::optional("times", Kind::Integer(1, TIMES_MAX as i64)),
    FieldSpec::optional("probability", Kind::AmountFromTo(1, 100)).about("The share of requests that it hits, up to 1"),
    FieldSpec::optional("seed", Kind::Integer(0, SEED_MAX.cast_signed())),
    FieldSpec::optional("status", Kind::Integer(400, 599)).example("503"),
    FieldSpec::optional("route", Kind::Text).about("Method and path, such as POST /v1/payment/escrow"),
    FieldSpec::optional("customerId", Kind::CustomerId),
    FieldSpec::optional("delayMs", Kind::Integer(1, DELAY_MILLIS_MAX.cast_signed())),
    FieldSpec::optional("inFlight", Kind::Boolean),
    FieldSpec::optional("cutAfterCommit", Kind::Boolean),
]]);
/// The most requests that one fault hits.
const TIMES_MAX: u32 = 1_000;
/// The greatest seed, which every client can write as a number.
const SEED_MAX: u64 = 9_007_199_254_740_991;
/// The longest delay, in milliseconds.
const DELAY_MILLIS_MAX: u64 = 60_000;

/// Parses the body of `POST /sandbox/faults`. The fault's route must be one of `routes`.
fn parse_fault(body: &JsonBody, routes: &[(String, &str)]) -> Parsed<FaultRequest> {
    let fields = body.fields()?;
    let times = fields
        .field("times")
        .optional(|field| whole_number(field, 1, TIMES_MAX))?;
    let chance = chance(&fields)?;
    let effect = effect(&fields)?;
    let route = fields.field("route").optional(|field| {
        let pattern = RoutePattern::parse(&field.text()?, routes);
        pattern.ok_or_else(|| field.must_be(RoutePattern::EXPECTED))
    })?;
    Ok(FaultRequest {
        route,
        customer: fields.field("customerId").optional(Field::customer_id)?,
        times: times.unwrap_or(if chance.is_some() { TIMES_MAX } else { 1 }),
        chance,
        effect,
    })
}

/// Reads the share of requests that the fault hits, in hundredths, and the seed.
fn chance(fields: &Fields<'_>) -> Parsed<Option<Chance>> {
    let (probability, seed) = (fields.field("probability"), fields.field("seed"));
    let percent = probability.optional(|field| {
        let percent = field.amount().map_or(0, Amount::minor);
        let is_share = (1..=100).contains(&percent);
        is_share
            .then_some(percent)
            .ok_or_else(|| field.must_be("a number from 0.01 to 1 with at most two decimals"))
    })?;
    let number = seed.optional(|field| whole_number(field, 0, SEED_MAX))?;
    match (percent, number) {
        (None, Some(_)) => Err(seed.must_be("sent with probability only, since it decides nothing without it")),
        (None, None) => Ok(None),
        (Some(percent), number) => Ok(Some(Chance {
            percent,
            seed: number.unwrap_or_default(),
        })),
    }
}

/// Reads the effect: an error status, a conflict or a cut connection, after a delay if there
/// is one, or a delay alone.
fn effect(fields: &Fields<'_>) -> Parsed<FaultEffect> {
    let (status, cut, in_flight) = (
        fields.field("status"),
        fields.field("cutAfterCommit"),
        fields.field("inFlight"),
    );
    let error = status.optional(error_status)?;
    let is_cut = cut.optional(Field::boolean)?.unwrap_or(false);
    let is_in_flight = in_flight.optional(Field::boolean)?.unwrap_or(false);
    if is_in_flight && (error.is_some() || is_cut) {
        return Err(
            in_flight.must_be("left out where status or cutAfterCommit is sent, since it is a reply of its own")
        );
    }
    let delay = fields
        .field("delayMs")
        .optional(|field| whole_number(field, 1, DELAY_MILLIS_MAX))?
        .map(Duration::from_millis);
    let ending = match (error, is_cut) {
        (Some(_), true) => {
            return Err(cut.must_be("left out where status is sent, since such a request runs no command"));
        }
        (Some(status), false) => FaultEnding::Status(status),
        (None, true) => FaultEnding::CutAfterCommit,
        (None, false) if is_in_flight => FaultEnding::InFlight,
        (None, false) if delay.is_none() => {
            return Err(status.must_be("sent, or else delayMs, inFlight or cutAfterCommit"));
        }
        (None, false) => FaultEnding::Normal,
    };
    Ok(FaultEffect { delay, ending })
}

fn error_status(field: &Field<'_>) -> Parsed<StatusCode> {
    let status: u16 = whole_number(field, 400, 599)?;
    StatusCode::from_u16(status).map_err(|_| field.must_be("a status"))
}

fn whole_number<T>(field: &Field<'_>, min: T, max: T) -> Parsed<T>
where
    T: TryFrom<i64> + PartialOrd + Copy + std::fmt::Display,
{
    let expected = || field.must_be(format!("a whole number from {min} to {max}"));
    let number = T::try_from(field.integer().map_err(|_| expected())?).map_err(|_| expected())?;
    if number < min || number > max {
        return Err(expected());
    }
    Ok(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> Result<FaultRequest, String> {
        let routes = [("GET".to_owned(), "/v1/wallet")];
        parse_fault(&JsonBody::of(body.to_owned()), &routes).map_err(|invalid| invalid.field)
    }

    #[test]
    fn an_absent_field_means_once_on_every_route_for_every_customer() {
        let request = read(r#"{"status":503}"#).unwrap();
        assert_eq!((request.times, request.route, request.customer), (1, None, None));
        let ending = FaultEnding::Status(StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(request.effect, FaultEffect { delay: None, ending });
    }

    #[test]
    fn a_delay_stands_alone_or_before_another_effect() {
        let effect = |body: &str| read(body).unwrap().effect;
        let delay = Some(Duration::from_millis(250));
        let ending = FaultEnding::Normal;
        assert_eq!(effect(r#"{"delayMs":250}"#), FaultEffect { delay, ending });
        let ending = FaultEnding::CutAfterCommit;
        assert_eq!(
            effect(r#"{"delayMs":250,"cutAfterCommit":true}"#),
            FaultEffect { delay, ending }
        );
    }

    #[test]
    fn an_invalid_value_is_refused_with_its_field() {
        for (body, field) in [
            ("[]", "the body"),
            ("{}", "status"),
            (r#"{"times":3}"#, "status"),
            (r#"{"cutAfterCommit":false}"#, "status"),
            (r#"{"status":399}"#, "status"),
            (r#"{"status":600}"#, "status"),
            (r#"{"status":"503"}"#, "status"),
            (r#"{"status":-1}"#, "status"),
            (r#"{"status":503,"times":0}"#, "times"),
            (r#"{"status":503,"times":1001}"#, "times"),
            (r#"{"status":503,"times":1.5}"#, "times"),
            (r#"{"delayMs":0}"#, "delayMs"),
            (r#"{"delayMs":60001}"#, "delayMs"),
            (r#"{"cutAfterCommit":1}"#, "cutAfterCommit"),
            (r#"{"status":503,"cutAfterCommit":true}"#, "cutAfterCommit"),
            (r#"{"inFlight":false}"#, "status"),
            (r#"{"inFlight":"yes"}"#, "inFlight"),
            (r#"{"inFlight":true,"status":503}"#, "inFlight"),
            (r#"{"inFlight":true,"cutAfterCommit":true}"#, "inFlight"),
            (r#"{"status":503,"probability":0}"#, "probability"),
            (r#"{"status":503,"probability":1.01}"#, "probability"),
            (r#"{"status":503,"probability":0.125}"#, "probability"),
            (r#"{"status":503,"probability":-0.5}"#, "probability"),
            (r#"{"status":503,"probability":"often"}"#, "probability"),
            (r#"{"status":503,"seed":1}"#, "seed"),
            (r#"{"status":503,"probability":0.5,"seed":-1}"#, "seed"),
            (r#"{"status":503,"probability":0.5,"seed":9007199254740992}"#, "seed"),
            (r#"{"status":503,"route":"/v1/walet"}"#, "route"),
            (r#"{"status":503,"route":5}"#, "route"),
            (r#"{"status":503,"customerId":"no such id"}"#, "customerId"),
        ] {
            assert_eq!(read(body).unwrap_err(), field, "{body}");
        }
    }
}
