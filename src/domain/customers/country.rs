//! Countries, and how phones are written in each (contract sections 1.6 and 4.4.1).

use std::fmt;

use serde::Deserialize;
use strum::{EnumString, IntoStaticStr, VariantArray};

/// A country whose phones are known. A phone is stored as it is dialled within its
/// country: 0, then the national digits.
///
/// | Country | Code | Calling code | National digits | Stored as |
/// |---|---|---|---|---|
/// | Nigeria | `NG` | 234 | 10 | `08012345678` |
/// | Ghana | `GH` | 233 | 9 | `0241234567` |
/// | Kenya | `KE` | 254 | 9 | `0712345678` |
/// | South Africa | `ZA` | 27 | 9 | `0821234567` |
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, EnumString, IntoStaticStr, VariantArray)]
#[strum(const_into_str)]
pub enum Country {
    #[serde(rename = "NG")]
    #[strum(serialize = "NG")]
    Nigeria,
    #[serde(rename = "GH")]
    #[strum(serialize = "GH")]
    Ghana,
    #[serde(rename = "KE")]
    #[strum(serialize = "KE")]
    Kenya,
    #[serde(rename = "ZA")]
    #[strum(serialize = "ZA")]
    SouthAfrica,
}

/// The constants of one country.
struct Facts {
    name: &'static str,
    /// 24 characters that end in the country's number of ISO 3166.
    id: &'static str,
    calling_code: &'static str,
    national_digits: usize,
    /// The first national digit that no phone of the country has.
    unassigned: char,
}

impl Country {
    /// Returns the two letters of ISO 3166, which are also the stored word.
    pub const fn code(self) -> &'static str {
        self.into_str()
    }

    /// Returns the name in English.
    pub const fn name(self) -> &'static str {
        self.facts().name
    }

    /// Returns the id on the wire, which is the same on every server.
    pub const fn id(self) -> &'static str {
        self.facts().id
    }

    /// Returns the country of these two letters, in any letter case, or of this id.
    pub fn parse(text: &str) -> Option<Self> {
        let is_meant = |country: &Self| country.code().eq_ignore_ascii_case(text) || country.id() == text;
        Self::VARIANTS.iter().copied().find(is_meant)
    }

    /// Returns a phone that belongs to no person, with the last digits of this number.
    pub fn unassigned_phone(self, number: u64) -> Phone {
        let Facts {
            national_digits,
            unassigned,
            ..
        } = self.facts();
        let digits = format!("{number:020}");
        let last = &digits[digits.len() - (national_digits - 1)..];
        Phone(format!("0{unassigned}{last}"))
    }

    const fn facts(self) -> Facts {
        match self {
            Self::Nigeria => Facts {
                name: "Nigeria",
                id: "000000000000000000000566",
                calling_code: "234",
                national_digits: 10,
                unassigned: '1',
            },
            Self::Ghana => Facts {
                name: "Ghana",
                id: "000000000000000000000288",
                calling_code: "233",
                national_digits: 9,
                unassigned: '1',
            },
            Self::Kenya => Facts {
                name: "Kenya",
                id: "000000000000000000000404",
                calling_code: "254",
                national_digits: 9,
                unassigned: '3',
            },
            Self::SouthAfrica => Facts {
                name: "South Africa",
                id: "000000000000000000000710",
                calling_code: "27",
                national_digits: 9,
                unassigned: '9',
            },
        }
    }
}

/// A phone within its country: 0, then the national digits. All spellings of one phone
/// give the same text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Phone(String);

impl Phone {
    /// Reads the digits of a phone in this country: with the leading 0, with the calling
    /// code, or with neither. Returns `None` if they are none of the three.
    pub fn parse(digits: &str, country: Country) -> Option<Self> {
        let Facts {
            calling_code,
            national_digits,
            ..
        } = country.facts();
        let is_national = |rest: &&str| {
            rest.len() == national_digits && !rest.starts_with('0') && rest.bytes().all(|byte| byte.is_ascii_digit())
        };
        let readings = [
            digits.strip_prefix('0'),
            digits.strip_prefix(calling_code),
            Some(digits),
        ];
        let national = readings.into_iter().flatten().find(is_national)?;
        Some(Self(format!("0{national}")))
    }

    /// Returns every phone that a spelling can mean when the country is not known.
    ///
    /// This function is more lenient than a profile: it accepts a leading `+`, the space
    /// that a `+` becomes in a query, and separators between the digits.
    pub fn readings(spelling: &str) -> impl Iterator<Item = (Country, Self)> {
        let is_between = |c: char| matches!(c, ' ' | '-' | '(' | ')' | '.');
        let digits: String = spelling.trim_start_matches(['+', ' ']).replace(is_between, "");
        Country::VARIANTS
            .iter()
            .copied()
            .filter_map(move |country| Some((country, Self::parse(&digits, country)?)))
    }

    pub fn stored(text: &str) -> Self {
        Self(text.to_owned())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the shape of a phone in this country, for messages.
    pub fn shape(country: Country) -> String {
        let Facts {
            name,
            calling_code,
            national_digits,
            ..
        } = country.facts();
        let total = national_digits + 1;
        format!("a phone in {name}: {total} digits with the leading 0, or {calling_code} and {national_digits} digits")
    }
}

impl fmt::Display for Phone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_country_is_parsed_from_its_letters_or_its_id() {
        for country in Country::VARIANTS.iter().copied() {
            assert_eq!(Country::parse(country.code()), Some(country));
            assert_eq!(Country::parse(&country.code().to_lowercase()), Some(country));
            assert_eq!(Country::parse(country.id()), Some(country));
            assert!(country.id().len() == 24 && country.id().bytes().all(|byte| byte.is_ascii_digit()));
        }
        for text in ["", "N", "NGA", "XX", "000000000000000000000000", "Nigeria"] {
            assert_eq!(Country::parse(text), None, "{text}");
        }
    }

    #[test]
    fn every_spelling_of_a_phone_is_one_text() {
        for (country, kept, spellings) in [
            (
                Country::Nigeria,
                "08012345678",
                ["08012345678", "2348012345678", "8012345678"],
            ),
            (
                Country::Ghana,
                "0241234567",
                ["0241234567", "233241234567", "241234567"],
            ),
            (
                Country::Kenya,
                "0712345678",
                ["0712345678", "254712345678", "712345678"],
            ),
            (
                Country::SouthAfrica,
                "0821234567",
                ["0821234567", "27821234567", "821234567"],
            ),
        ] {
            for spelling in spellings {
                let phone = Phone::parse(spelling, country).unwrap();
                assert_eq!(phone.as_str(), kept, "{spelling}");
                assert!(Phone::readings(spelling).any(|reading| reading == (country, phone.clone())));
                let with_plus = format!("+{spelling}");
                assert_eq!(Phone::parse(&with_plus, country), None);
                assert!(Phone::readings(&with_plus).any(|reading| reading == (country, phone.clone())));
            }
        }
    }

    #[test]
    fn separators_between_digits_are_ignored_in_a_search() {
        for spelling in ["+234 801 234 5678", "0801-234-5678", "(0801) 234.5678"] {
            let mut readings = Phone::readings(spelling);
            assert!(readings.any(|(_, phone)| phone.as_str() == "08012345678"), "{spelling}");
        }
        assert_eq!(Phone::parse("0801-234-5678", Country::Nigeria), None);
    }

    #[test]
    fn other_digits_are_no_phone_of_the_country() {
        for text in [
            "",
            "0",
            "0801234567",
            "080123456789",
            "23408012345678",
            "234801234567",
            "80 12345678",
            "0801234567x",
            "00801234567",
            "٠٨٠١٢٣٤٥٦٧٨",
        ] {
            assert_eq!(Phone::parse(text, Country::Nigeria), None, "{text}");
        }
        assert_eq!(Phone::parse("2348012345678", Country::Ghana), None);
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in "\\PC{0,20}") {
            for (_, phone) in Phone::readings(&text) {
                proptest::prop_assert!(phone.as_str().starts_with('0'));
            }
        }
    }
}
