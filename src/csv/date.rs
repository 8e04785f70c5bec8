//! Days as banks write them, the day before the month.

use crate::domain::time::Date;

/// The description of a right day, to follow "must be".
pub(super) const EXPECTED: &str =
    "a day such as 2026-11-27, 27/11/2026, 27-11-2026, 27-Nov-2026 or 27 Nov 2026, the day before the month";

const MONTHS: [&str; 12] = [
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
];

/// Parses a day. A date with the year last has the day first: `03/04/2026` is the third of
/// April. Returns `None` for any other text and for a day that does not exist.
pub(super) fn parse(text: &str) -> Option<Date> {
    let text = text.trim();
    if let Some(date) = Date::parse(text) {
        return Some(date);
    }
    let parts: Vec<&str> = if text.contains('/') {
        text.split('/').collect()
    } else if text.contains('-') {
        text.split('-').collect()
    } else {
        text.split(' ').collect()
    };
    let [day, month, year] = parts.as_slice() else {
        return None;
    };
    let is_digits = |part: &str, most: usize| {
        !part.is_empty() && part.len() <= most && part.bytes().all(|byte| byte.is_ascii_digit())
    };
    let month = if is_digits(month, 2) && !text.contains(' ') {
        (*month).to_owned()
    } else if text.contains('/') {
        return None;
    } else {
        let lower = month.to_ascii_lowercase();
        let number = MONTHS.iter().position(|name| *name == lower)? + 1;
        number.to_string()
    };
    let is_date = is_digits(day, 2) && year.len() == 4 && is_digits(year, 4);
    is_date
        .then(|| Date::parse(&format!("{year}-{month:0>2}-{day:0>2}")))
        .flatten()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn days_are_read_as_banks_write_them() {
        for text in [
            "2026-11-07",
            "07/11/2026",
            "7/11/2026",
            "07-11-2026",
            "07-Nov-2026",
            "7-NOV-2026",
            "07 Nov 2026",
            " 7 nov 2026 ",
        ] {
            assert_eq!(parse(text).unwrap().to_string(), "2026-11-07", "{text}");
        }
        assert_eq!(parse("03/04/2026").unwrap().to_string(), "2026-04-03");
        assert_eq!(parse("29/02/2028").unwrap().to_string(), "2028-02-29");
    }

    #[test]
    fn other_texts_are_no_days() {
        for text in [
            "",
            "11/27/2026",
            "29/02/2027",
            "27/11/26",
            "2026/11/27",
            "27.11.2026",
            "27 11 2026",
            "27/Nov/2026",
            "27-Foo-2026",
            "Nov 27 2026",
            "27-11/2026",
            "27-11-2026 10:15",
            "20261127",
            "+7/11/2026",
            "007/11/2026",
            "0/1/2026",
            "27--2026",
            "٢٧/11/2026",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in ".{0,20}", marks in "[0-9/ -]{0,12}") {
            let _days = (parse(&text), parse(&marks));
        }
    }
}
