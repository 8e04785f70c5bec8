//! Phones of all countries in E.164, as the numbering plans of the library know them. No other
//! file names the library, except for the letters of countries.

use std::ops::RangeInclusive;

use phonenumber::country::Id;
use phonenumber::metadata::DATABASE;
use phonenumber::{Mode, PhoneNumber};

use crate::domain::customers::country::Country;

/// The digits that a phone in E.164 can have, with its calling code.
pub(super) const DIGITS: RangeInclusive<usize> = 7..=15;

/// The most characters of a phone that the library reads. E.164 has 15 digits, and a national
/// spelling can have a prefix.
const CHARS_MAX: usize = 24;

/// Reads a phone with its `+` and returns its E.164 text, and the country that its digits name
/// unless they name none.
pub(super) fn read(text: &str) -> Option<(String, Option<Country>)> {
    let number = parsed(None, text)?;
    let country = number.country().id();
    let country = country.and_then(|id| id.as_ref().parse().ok());
    Some((e164(&number), country))
}

/// Reads a phone of this country: as it is dialled there, or with the calling code, with its
/// `+` or without. Returns its E.164 text. A spelling with a `+` is read as [`read`] does, so that
/// it means one phone whatever country is named beside it.
///
/// A country without a calling code of its own uses another country's.
pub(super) fn read_in(text: &str, country: Country) -> Option<String> {
    let number = if text.starts_with('+') {
        parsed(None, text)?
    } else {
        parsed(Some(country.code().parse().ok()?), text)?
    };
    let plan = DATABASE.by_id(country.code());
    let is_its = plan.is_none_or(|plan| number.country().code() == plan.country_code());
    is_its.then(|| e164(&number))
}

/// Returns an example of a phone in this country in E.164, for messages.
pub(super) fn example(country: Country) -> Option<String> {
    let plan = DATABASE.by_id(country.code())?;
    let descriptors = plan.descriptors();
    let of_mobile = descriptors.mobile().and_then(|kind| kind.example());
    let example = of_mobile.or_else(|| descriptors.fixed_line().and_then(|kind| kind.example()))?;
    Some(format!("+{}{example}", plan.country_code()))
}

/// Parses a phone of digits, perhaps with a `+`, that its country's numbering plan has. Some plans
/// of the library, such as Germany's, have longer numbers than E.164 allows.
fn parsed(country: Option<Id>, text: &str) -> Option<PhoneNumber> {
    let digits = text.strip_prefix('+').unwrap_or(text);
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number || text.len() > CHARS_MAX {
        return None;
    }
    let number = phonenumber::parse(country, text).ok().filter(PhoneNumber::is_valid)?;
    DIGITS.contains(&(e164(&number).len() - "+".len())).then_some(number)
}

fn e164(number: &PhoneNumber) -> String {
    number.format().mode(Mode::E164).to_string()
}
