//! Phones of customers, and how each country writes them (contract sections 1.6 and 4.4.1).

use std::fmt;

use crate::domain::characters::quoted;
use crate::domain::customers::country::Country;
use crate::domain::customers::international;
use crate::domain::invalid::Invalid;

/// A phone in the one text that all its spellings have: as it is dialled there for a country of
/// the contract, and in E.164 for any other.
///
/// | Country | Calling code | National digits | Stored as |
/// |---|---|---|---|
/// | Nigeria | 234 | 10 | `08012345678` |
/// | Ghana | 233 | 9 | `0241234567` |
/// | Kenya | 254 | 9 | `0712345678` |
/// | South Africa | 27 | 9 | `0821234567` |
/// | Others | | | `+4915123456789` |
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Phone(String);

/// The numbering plan of a country of the contract.
struct Plan {
    country: Country,
    calling_code: &'static str,
    national_digits: usize,
    /// The first national digit that no phone of the country has.
    unassigned: char,
}

const PLANS: [Plan; 4] = [
    Plan {
        country: Country::NIGERIA,
        calling_code: "234",
        national_digits: 10,
        unassigned: '1',
    },
    Plan {
        country: Country::GHANA,
        calling_code: "233",
        national_digits: 9,
        unassigned: '1',
    },
    Plan {
        country: Country::KENYA,
        calling_code: "254",
        national_digits: 9,
        unassigned: '3',
    },
    Plan {
        country: Country::SOUTH_AFRICA,
        calling_code: "27",
        national_digits: 9,
        unassigned: '9',
    },
];

/// A calling code that is kept for the future, so that no phone has it.
const UNASSIGNED_CALLING_CODE: &str = "999";
/// The digits behind it.
const UNASSIGNED_DIGITS: usize = 10;

/// The refusal of a spelling with other characters than digits.
const DIGITS_ONLY: &str = "digits only, without + or spaces";

impl Plan {
    fn of(country: Country) -> Option<&'static Self> {
        PLANS.iter().find(|plan| plan.country == country)
    }

    /// Reads the digits of a phone: with the leading 0, with the calling code, or with neither.
    fn read(&self, digits: &str) -> Option<Phone> {
        let is_national = |rest: &&str| {
            rest.len() == self.national_digits
                && !rest.starts_with('0')
                && rest.bytes().all(|byte| byte.is_ascii_digit())
        };
        let readings = [
            digits.strip_prefix('0'),
            digits.strip_prefix(self.calling_code),
            Some(digits),
        ];
        let national = readings.into_iter().flatten().find(is_national)?;
        Some(Phone(format!("0{national}")))
    }
}

impl Phone {
    /// Reads a phone and the country that it belongs to: the one of the request, or else the one
    /// that an international spelling (`+49...`) names, or else the merchant's.
    ///
    /// Among the countries of the contract a phone has digits only, as there.
    ///
    /// # Errors
    ///
    /// Says how a phone of that country is written, with an example.
    pub fn read(text: &str, of_request: Option<Country>, of_merchant: Country) -> Result<(Self, Country), Invalid> {
        check_characters(text)?;
        let country = of_request.unwrap_or(of_merchant);
        let wrong = |expected: String| Invalid::wrong("phone", expected, &quoted(text));
        let Some(digits) = text.strip_prefix('+') else {
            let phone = Self::parse(text, country).ok_or_else(|| wrong(Self::shape(country)))?;
            return Ok((phone, country));
        };
        let named = PLANS.iter().find(|plan| digits.starts_with(plan.calling_code));
        if named.is_some() && of_merchant.is_of_contract() && country.is_of_contract() {
            return Err(wrong(DIGITS_ONLY.to_owned()));
        }
        if let Some(country) = of_request {
            let calling_code = Plan::of(country).map(|plan| plan.calling_code);
            let is_its = calling_code.is_none_or(|calling_code| digits.starts_with(calling_code));
            let spelling = if calling_code.is_some() { digits } else { text };
            let phone = Self::parse(spelling, country).filter(|_| is_its);
            return Ok((phone.ok_or_else(|| wrong(Self::shape(country)))?, country));
        }
        if let Some(plan) = named {
            let phone = plan.read(digits).filter(|_| !digits.starts_with('0'));
            return Ok((phone.ok_or_else(|| wrong(Self::shape(plan.country)))?, plan.country));
        }
        match international::read(text) {
            Some((phone, Some(country))) => Ok((Self(phone), country)),
            Some((_, None)) => Err(wrong("a phone that belongs to a country".to_owned())),
            None => Err(wrong(
                "a phone with its calling code, such as +12015550123, and as many digits as its country has".to_owned(),
            )),
        }
    }

    /// Reads a phone in this country. In a country of the contract the text has digits only:
    /// with the leading 0, with the calling code, or with neither. In another one it is as
    /// dialled there, or has the calling code with its `+` or without. Returns `None` if it is
    /// no phone of the country.
    pub fn parse(text: &str, country: Country) -> Option<Self> {
        if let Some(plan) = Plan::of(country) {
            return plan.read(text);
        }
        let phone = international::read_in(text, country)?;
        // A phone of a country of the contract has one text, which is not this one.
        let is_of_contract = PLANS.iter().any(|plan| phone[1..].starts_with(plan.calling_code));
        (!is_of_contract).then_some(Self(phone))
    }

    /// Returns every phone that a spelling can mean, the likeliest first, each with the country
    /// that it must then belong to, if the text does not say so by itself. A spelling without a
    /// `+` is first of all one of the merchant's country. One with a `+` is first of all that of
    /// the country whose calling code it names.
    ///
    /// This function is more lenient than a profile: it accepts a leading `+`, the space
    /// that a `+` becomes in a query, and separators between the digits.
    pub fn readings(spelling: &str, of_merchant: Country) -> impl Iterator<Item = (Option<Country>, Self)> {
        let is_between = |c: char| matches!(c, ' ' | '-' | '(' | ')' | '.' | '/');
        let digits: String = spelling.trim_start_matches(['+', ' ']).replace(is_between, "");
        let names_code = spelling.starts_with(['+', ' ']) && !digits.starts_with('0');
        let (named, others): (Vec<&Plan>, Vec<&Plan>) = PLANS
            .iter()
            .partition(|plan| names_code && digits.starts_with(plan.calling_code));
        let read = |plan: &Plan| Some((Some(plan.country), plan.read(&digits)?));
        let named: Vec<_> = named.into_iter().filter_map(read).collect();
        let others: Vec<_> = others.into_iter().filter_map(read).collect();
        let is_whole = !digits.starts_with('0') && digits.bytes().all(|byte| byte.is_ascii_digit());
        let whole = is_whole.then(|| format!("+{digits}"));
        // Some people write the prefix of national calls behind the calling code too.
        let of_plan = whole.as_deref().and_then(international::read).map(|(phone, _)| phone);
        let of_plan = of_plan.filter(|phone| whole.as_ref() != Some(phone));
        let whole = whole.filter(|_| international::DIGITS.contains(&digits.len()));
        let whole = of_plan.into_iter().chain(whole).map(|phone| (None, Self(phone)));
        let is_national = !names_code && Plan::of(of_merchant).is_none();
        let national = is_national.then(|| Self::parse(&digits, of_merchant)).flatten();
        let national = national.map(|phone| (None, phone));
        let (before, after) = if names_code { (named, others) } else { (others, named) };
        national.into_iter().chain(before).chain(whole).chain(after)
    }

    /// Returns a phone that belongs to no person, with the last digits of this number.
    pub fn unassigned(country: Country, number: u64) -> Self {
        let digits = format!("{number:020}");
        let last = |count: usize| &digits[digits.len() - count..];
        match Plan::of(country) {
            Some(plan) => Self(format!("0{}{}", plan.unassigned, last(plan.national_digits - 1))),
            None => Self(format!("+{UNASSIGNED_CALLING_CODE}{}", last(UNASSIGNED_DIGITS))),
        }
    }

    pub fn stored(text: &str) -> Self {
        Self(text.to_owned())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the shape of a phone in this country, for messages.
    fn shape(country: Country) -> String {
        let name = country.name();
        if let Some(plan) = Plan::of(country) {
            let (calling_code, national) = (plan.calling_code, plan.national_digits);
            let total = national + 1;
            return format!(
                "a phone in {name}: {total} digits with the leading 0, or {calling_code} and {national} digits"
            );
        }
        match international::example(country) {
            Some(example) => format!("a phone in {name}, such as {example}, or as it is dialled there"),
            None => format!("a phone with its calling code, such as +12015550123, since {name} has none"),
        }
    }
}

impl fmt::Display for Phone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Checks that a phone has digits only, perhaps behind a `+`. The country decides how many are
/// right, and if a `+` is.
///
/// # Errors
///
/// Names the field `phone`.
pub fn check_characters(phone: &str) -> Result<(), Invalid> {
    let digits = phone.strip_prefix('+').unwrap_or(phone);
    if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(());
    }
    let expected = if phone.starts_with('+') {
        "digits, without spaces between them or behind the +"
    } else {
        DIGITS_ONLY
    };
    Err(Invalid::wrong("phone", expected, &quoted(phone)))
}

#[cfg(test)]
mod tests;
