//! Request fields that several routes of operators have.

use crate::domain::invalid::Parsed;
use crate::domain::merchant::key::OVERLAP_HOURS_MAX;
use crate::domain::money::{Amount, NotAnAmount};
use crate::domain::payments::bank::BankCodes;
use crate::domain::transaction::BankAccount;
use crate::domain::treasury::act::REASON_CHARS_MAX;
use crate::domain::treasury::payout::BankEntry;
use crate::domain::treasury::receipt::BANK_REFERENCE_CHARS_MAX;
use crate::domain::treasury::reference::ReferenceKey;
use crate::domain::treasury::signed_amount::SignedAmount;
use crate::http::body::JsonBody;
use crate::http::fields::{Field, Fields};
use crate::http::request_spec::{FieldGroups, FieldSpec, Kind, RequestSpec};
use crate::http::routes::intents::{BANK_ACCOUNT, bank_account};
use crate::http::routes::shared_fields::text_up_to;

/// A text that [`reason_field`] reads.
pub(super) const REASON: Kind = Kind::TextUpTo(REASON_CHARS_MAX);
/// The fields of [`bank_entry`].
pub(super) const BANK_ENTRY: [FieldSpec; 2] = [
    FieldSpec::required("bankReference", Kind::TextUpTo(BANK_REFERENCE_CHARS_MAX))
        .about("With at least one letter or digit; case, spaces and punctuation do not count")
        .example("\"FT-1\""),
    FieldSpec::required("valueDate", Kind::Date)
        .about("From 1970-01-01 to tomorrow, in UTC")
        .example("\"2026-01-31\""),
];
/// A request that gives a reason alone.
pub(super) const REASON_ALONE: RequestSpec = RequestSpec::of_body(&[&[FieldSpec::required("reason", REASON)]]);
/// The fields of [`destination`].
pub(super) const DESTINATION: FieldGroups = &[&BANK_ACCOUNT];

/// Parses the bank's words for a movement. A reference without a letter or digit is refused: it
/// would equal no reference of the bank's statement.
pub(super) fn bank_entry(fields: &Fields<'_>) -> Parsed<BankEntry> {
    let field = fields.field("bankReference");
    let reference = text_up_to(&field, BANK_REFERENCE_CHARS_MAX)?;
    if ReferenceKey::of(&reference).is_empty() {
        return Err(field.must_be("a text with at least one letter or digit"));
    }
    Ok(BankEntry {
        reference,
        value_date: fields.field("valueDate").date()?,
    })
}

/// Parses a body with a reason alone.
pub(super) fn reason(body: &JsonBody) -> Parsed<String> {
    reason_field(&body.fields()?.field("reason"))
}

/// Parses the overlap of a rotation, in hours. Without the field it is a day.
pub(super) fn overlap_hours(body: &JsonBody) -> Parsed<u32> {
    const DAY: u32 = 24;
    let fields = body.fields()?;
    let field = fields.field("overlapHours");
    let hours = field.optional(Field::integer)?.map(u32::try_from).transpose();
    let hours = hours
        .ok()
        .map(|hours| hours.unwrap_or(DAY))
        .filter(|&hours| hours <= OVERLAP_HOURS_MAX);
    hours.ok_or_else(|| field.must_be(format!("a whole number of hours from 0 to {OVERLAP_HOURS_MAX}")))
}

/// Parses a reason.
pub(super) fn reason_field(field: &Field<'_>) -> Parsed<String> {
    text_up_to(field, REASON_CHARS_MAX)
}

/// Parses the bank account that a pay-out goes to.
pub(super) fn destination(field: &Field<'_>, codes: BankCodes) -> Parsed<BankAccount> {
    let details = field.object()?;
    details.check_known(DESTINATION)?;
    bank_account(&details, codes)
}

/// Parses a balance at the bank, which is below zero if the account is overdrawn.
pub(super) fn signed_amount(field: &Field<'_>) -> Parsed<SignedAmount> {
    let text = field.text()?;
    let (digits, is_below_zero) = match text.strip_prefix('-') {
        Some(rest) => (rest, true),
        None => (text.as_str(), false),
    };
    let amount = Amount::parse_major(digits).map_err(|error| {
        field.must_be(match error {
            NotAnAmount::TooLarge => format!("an amount from -{max} to {max}", max = Amount::MAX),
            _ => "an amount with at most two decimals, such as 1500, 99.95 or -20".to_owned(),
        })
    })?;
    Ok(if is_below_zero {
        SignedAmount::debit(amount)
    } else {
        SignedAmount::credit(amount)
    })
}
