//! Amounts of money as banks write them.

use crate::csv::errors::quoted;
use crate::domain::money::{Amount, NotAnAmount};
use crate::domain::treasury::signed_amount::SignedAmount;

/// The description of a right amount, to follow "must be".
const EXPECTED: &str = "an amount such as 1,234.50, 1234.5, -20.00, (20.00), NGN 20.00 or 20.00 DR: commas between thousands, a point before the decimals";

/// The direction that a bank writes beside an amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    Credit,
    Debit,
}

/// An amount and the direction written beside it, if there is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct WrittenAmount {
    pub(super) amount: Amount,
    pub(super) direction: Option<Direction>,
}

impl WrittenAmount {
    /// Returns the amount with its direction. Without one, the money came in.
    pub(super) fn signed(self) -> SignedAmount {
        match self.direction {
            Some(Direction::Debit) => SignedAmount::debit(self.amount),
            Some(Direction::Credit) | None => SignedAmount::credit(self.amount),
        }
    }
}

/// Parses an amount. A code of a currency before it must be this one.
///
/// # Errors
///
/// Returns a description of the right values, to follow "must be".
pub(super) fn parse(text: &str, currency: &str) -> Result<WrittenAmount, String> {
    let mut rest = text.trim();
    let mut directions = Vec::new();
    if let Some((number, direction)) = without_suffix(rest) {
        rest = number;
        directions.push(direction);
    }
    if let Some(inner) = rest.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')) {
        rest = inner.trim();
        directions.push(Direction::Debit);
    }
    rest = without_sign(rest, &mut directions);
    rest = without_currency(rest, currency)?;
    rest = without_sign(rest, &mut directions);
    if directions.len() > 1 {
        return Err("an amount with one mark of its direction: a sign, parentheses, DR or CR".to_owned());
    }
    Ok(WrittenAmount {
        amount: parse_number(rest)?,
        direction: directions.pop(),
    })
}

/// Returns the text before `DR` or `CR`.
fn without_suffix(text: &str) -> Option<(&str, Direction)> {
    let at = text.len().checked_sub(2).filter(|&at| text.is_char_boundary(at))?;
    let (number, suffix) = text.split_at(at);
    let direction = match suffix.to_ascii_uppercase().as_str() {
        "CR" => Direction::Credit,
        "DR" => Direction::Debit,
        _ => return None,
    };
    Some((number.trim_end(), direction))
}

fn without_sign<'a>(text: &'a str, directions: &mut Vec<Direction>) -> &'a str {
    let (rest, direction) = if let Some(rest) = text.strip_prefix(['-', '\u{2212}']) {
        (rest, Direction::Debit)
    } else if let Some(rest) = text.strip_prefix('+') {
        (rest, Direction::Credit)
    } else {
        return text;
    };
    directions.push(direction);
    rest.trim_start()
}

fn without_currency<'a>(text: &'a str, currency: &str) -> Result<&'a str, String> {
    if let Some(rest) = text.strip_prefix('\u{20a6}').filter(|_| currency == "NGN") {
        return Ok(rest.trim_start());
    }
    let letters = text.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(text.len());
    let (code, rest) = text.split_at(letters);
    if code.is_empty() || code.eq_ignore_ascii_case(currency) {
        return Ok(rest.trim_start());
    }
    if code.len() == 3 && rest.contains(|c: char| c.is_ascii_digit()) {
        return Err(format!("an amount in {currency}"));
    }
    Err(EXPECTED.to_owned())
}

fn parse_number(text: &str) -> Result<Amount, String> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let is_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let mut groups = whole.split(',');
    let first = groups.next().unwrap_or_default();
    let is_grouped = whole.contains(',');
    let is_whole = is_digits(first)
        && (!is_grouped || first.len() <= 3)
        && groups.all(|group| group.len() == 3 && is_digits(group));
    if !is_whole || !is_digits(fraction) {
        return Err(EXPECTED.to_owned());
    }
    let too_many = || "an amount with at most two decimals".to_owned();
    if fraction.len() > 2 {
        return Err(too_many());
    }
    let plain = format!("{}.{fraction}", whole.replace(',', ""));
    Amount::parse_major(&plain).map_err(|problem| match problem {
        NotAnAmount::TooLarge => format!("an amount of at most {}", SignedAmount::MAX),
        NotAnAmount::TooManyDecimals => too_many(),
        NotAnAmount::Negative | NotAnAmount::NotADecimal => EXPECTED.to_owned(),
    })
}

/// Parses an amount with its direction.
///
/// # Errors
///
/// Returns the right values, to follow "must be", and the text as a message repeats it.
pub(super) fn parse_signed(text: &str, currency: &str) -> Result<SignedAmount, (String, String)> {
    let written = parse(text, currency).map_err(|expected| (expected, quoted(text)))?;
    Ok(written.signed())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn amounts_are_read_as_banks_write_them() {
        for (text, minor) in [
            ("1,234.50", 123_450),
            ("1234.5", 123_450),
            ("1234", 123_400),
            ("1,234,567", 123_456_700),
            (" 20.00 ", 2_000),
            ("-20.00", -2_000),
            ("- 20", -2_000),
            ("+20.00", 2_000),
            ("\u{2212}20.00", -2_000),
            ("(20.00)", -2_000),
            ("( 1,020.00 )", -102_000),
            ("NGN 1,234.50", 123_450),
            ("ngn1234.5", 123_450),
            ("NGN -20.00", -2_000),
            ("-NGN 20.00", -2_000),
            ("(NGN 20.00)", -2_000),
            ("\u{20a6}1,234.50", 123_450),
            ("20.00 DR", -2_000),
            ("20.00CR", 2_000),
            ("NGN 20.00 cr", 2_000),
            ("0.00", 0),
            ("-0.00", 0),
            ("007", 700),
            ("90,071,992,547,409.91", SignedAmount::MAX.minor()),
        ] {
            assert_eq!(parse_signed(text, "NGN").map(SignedAmount::minor), Ok(minor), "{text}");
        }
    }

    #[test]
    fn other_texts_are_refused_with_the_right_form() {
        let decimals = "an amount with at most two decimals";
        let direction = "an amount with one mark of its direction: a sign, parentheses, DR or CR";
        for (text, expected) in [
            ("20.001", decimals),
            ("20.000", decimals),
            ("-20.00 DR", direction),
            ("(20.00) DR", direction),
            ("(-20.00)", direction),
            ("--20", direction),
            ("-NGN -20", direction),
            ("USD 20.00", "an amount in NGN"),
            ("90,071,992,547,409.92", "an amount of at most 90071992547409.91"),
            ("99999999999999999999999999", "an amount of at most 90071992547409.91"),
            ("", EXPECTED),
            ("-", EXPECTED),
            ("()", EXPECTED),
            ("DR", EXPECTED),
            ("NGN", EXPECTED),
            ("twenty", EXPECTED),
            ("20 naira", EXPECTED),
            ("1.234,50", EXPECTED),
            ("12,34.50", EXPECTED),
            ("1234,567.00", EXPECTED),
            ("1,23", EXPECTED),
            (",123", EXPECTED),
            ("1,234,", EXPECTED),
            (".50", EXPECTED),
            ("20.", EXPECTED),
            ("1.2.3", EXPECTED),
            ("1e3", EXPECTED),
            ("1 234.50", EXPECTED),
            ("٢٠", EXPECTED),
            ("\u{20a6}", EXPECTED),
            ("€R", EXPECTED),
        ] {
            let refused = (expected.to_owned(), quoted(text));
            assert_eq!(parse_signed(text, "NGN"), Err(refused), "{text}");
        }
        assert!(parse_signed("\u{20a6}20", "GHS").is_err());
    }

    proptest! {
        #[test]
        fn a_written_amount_is_read_back(minor in -SignedAmount::MAX.minor()..=SignedAmount::MAX.minor()) {
            let amount = SignedAmount::from_minor(minor).unwrap();
            prop_assert_eq!(parse_signed(&amount.to_string(), "NGN"), Ok(amount));
        }

        #[test]
        fn no_text_makes_the_reader_panic(text in ".{0,40}", marks in "[-+()0-9., NGDCR]{0,12}") {
            let _amounts = (parse(&text, "NGN"), parse(&marks, "NGN"));
        }
    }
}
