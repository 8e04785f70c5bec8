//! Countries (contract sections 3.3 and 4.12).

use std::fmt;
use std::str::FromStr;

use phonenumber::country::Id;
use serde::de::Error;
use serde::{Deserialize, Deserializer};

/// A country by its two letters of ISO 3166-1, or of `AC`, `TA` and `XK`, which have phones of
/// their own.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Country([u8; 2]);

/// The countries of ISO 3166-1 that have no calling code of their own.
const WITHOUT_PHONES: [&str; 7] = ["AQ", "BV", "GS", "HM", "PN", "TF", "UM"];

/// A country of the contract.
struct Listed {
    country: Country,
    name: &'static str,
    /// The country's number of ISO 3166-1.
    number: u16,
}

const LISTED: [Listed; 4] = [
    Listed {
        country: Country::NIGERIA,
        name: "Nigeria",
        number: 566,
    },
    Listed {
        country: Country::GHANA,
        name: "Ghana",
        number: 288,
    },
    Listed {
        country: Country::KENYA,
        name: "Kenya",
        number: 404,
    },
    Listed {
        country: Country::SOUTH_AFRICA,
        name: "South Africa",
        number: 710,
    },
];

impl Country {
    pub const NIGERIA: Self = Self(*b"NG");
    pub const GHANA: Self = Self(*b"GH");
    pub const KENYA: Self = Self(*b"KE");
    pub const SOUTH_AFRICA: Self = Self(*b"ZA");

    /// The countries of the contract, whose phones are written as they are dialled there.
    pub const OF_CONTRACT: [Self; 4] = [Self::NIGERIA, Self::GHANA, Self::KENYA, Self::SOUTH_AFRICA];

    /// The texts that [`Country::parse`] reads, for messages.
    pub const SHAPE: &str = "the two letters of a country, such as NG, or a country's id";

    /// Returns the two letters, which are also the stored word.
    pub fn code(&self) -> &str {
        std::str::from_utf8(&self.0).expect("a country's code is two letters")
    }

    /// Returns the name in English of a country of the contract, and the letters of another.
    pub fn name(&self) -> &str {
        self.listed().map_or_else(|| self.code(), |listed| listed.name)
    }

    /// Returns the id on the wire, which is the same on every server: 24 characters that end in
    /// the country's number for a country of the contract, and in the bytes of its letters for
    /// another, such as `4445` for `DE`.
    pub fn id(&self) -> String {
        match self.listed() {
            Some(listed) => format!("{:024}", listed.number),
            None => format!("{:0>24}", hex::encode(self.0)),
        }
    }

    /// Returns the country of these two letters, in any letter case, or of this id.
    pub fn parse(text: &str) -> Option<Self> {
        if let Ok(country) = text.to_ascii_uppercase().parse() {
            return Some(country);
        }
        if let Some(listed) = LISTED.iter().find(|listed| listed.country.id() == text) {
            return Some(listed.country);
        }
        let mut code = [0; 2];
        hex::decode_to_slice(text.strip_prefix("00000000000000000000")?, &mut code).ok()?;
        let country: Self = std::str::from_utf8(&code).ok()?.parse().ok()?;
        (country.id() == text).then_some(country)
    }

    /// Returns true for a country of the contract.
    pub fn is_of_contract(self) -> bool {
        Self::OF_CONTRACT.contains(&self)
    }

    fn listed(self) -> Option<&'static Listed> {
        LISTED.iter().find(|listed| listed.country == self)
    }
}

/// A text that is not the two letters of a country.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be the two letters of a country in capitals, such as \"NG\"")]
pub struct NoCountry;

/// Reads the two letters in capitals, as they are stored and configured.
impl FromStr for Country {
    type Err = NoCountry;

    fn from_str(text: &str) -> Result<Self, NoCountry> {
        let letters: [u8; 2] = text.as_bytes().try_into().map_err(|_| NoCountry)?;
        let is_known = text.parse::<Id>().is_ok() || WITHOUT_PHONES.contains(&text);
        is_known.then_some(Self(letters)).ok_or(NoCountry)
    }
}

impl<'de> Deserialize<'de> for Country {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse()
            .map_err(|problem: NoCountry| D::Error::custom(format!("{problem}; got {text:?}")))
    }
}

impl fmt::Debug for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    /// Returns every country: the two letters that are one.
    fn all() -> impl Iterator<Item = Country> {
        let letters = || b'A'..=b'Z';
        let codes = letters().flat_map(move |first| letters().map(move |second| [first, second]));
        codes.filter_map(|code| std::str::from_utf8(&code).unwrap().parse().ok())
    }

    #[test]
    fn a_country_is_parsed_from_its_letters_or_its_id() {
        let mut ids = HashSet::new();
        for country in all() {
            assert_eq!(Country::parse(country.code()), Some(country));
            assert_eq!(Country::parse(&country.code().to_lowercase()), Some(country));
            assert_eq!(Country::parse(&country.id()), Some(country));
            let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
            assert!(
                country.id().len() == 24 && country.id().bytes().all(is_hex),
                "{country:?}"
            );
            assert!(ids.insert(country.id()), "{country:?}");
        }
        // The 249 countries of ISO 3166-1, and AC, TA and XK.
        assert_eq!(ids.len(), 252);
        for text in [
            "",
            "N",
            "NGA",
            "XX",
            "UK",
            "0N",
            "€",
            "Nigeria",
            "000000000000000000000000",
            "000000000000000000004e47",
            "000000000000000000005858",
            "00000000000000000000ffff",
        ] {
            assert_eq!(Country::parse(text), None, "{text}");
        }
    }

    #[test]
    fn the_countries_of_the_contract_have_names_and_numbers() {
        let shown: Vec<_> = Country::OF_CONTRACT
            .iter()
            .map(|country| (country.code(), country.name(), country.id()))
            .collect();
        assert_eq!(shown[0], ("NG", "Nigeria", "000000000000000000000566".to_owned()));
        assert_eq!(shown[3], ("ZA", "South Africa", "000000000000000000000710".to_owned()));
        let germany = Country::parse("de").unwrap();
        assert_eq!(
            (germany.name(), germany.id().as_str()),
            ("DE", "000000000000000000004445")
        );
        assert!(!germany.is_of_contract());
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in "\\PC{0,30}") {
            if let Some(country) = Country::parse(&text) {
                proptest::prop_assert_eq!(Country::parse(country.code()), Some(country));
            }
        }
    }
}
