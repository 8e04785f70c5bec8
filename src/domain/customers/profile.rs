//! Profiles of customers: names, email address, phone and country (contract sections 3.3
//! and 4.4).

use std::fmt;

use email_address::{EmailAddress, Options};

use crate::domain::characters::quoted;
use crate::domain::customers::country::Country;
use crate::domain::customers::phone::Phone;
use crate::domain::invalid::Invalid;
use crate::domain::refusal::Refusal;
use crate::domain::text::line;

/// The longest first or last name, in characters.
pub const NAME_CHARS_MAX: usize = 100;
/// The number of digits of a bank verification number.
const BVN_DIGITS: usize = 11;

/// A customer's profile. A profile from a registration request is complete. In any other
/// profile, such as one from a seed, every field but the country may be missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    pub firstname: Option<String>,
    pub lastname: Option<String>,
    /// Unique among the merchant's customers.
    pub email: Option<Email>,
    /// Unique among the merchant's customers.
    pub phone: Option<Phone>,
    /// The bank verification number: eleven digits. It is stored and has no effect.
    pub bvn: Option<String>,
    pub country: Country,
}

/// An email address in lower case, so that equal addresses are equal texts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Email(String);

impl Email {
    /// Reads an address in any letter case. Returns `None` if the text is not an address.
    pub fn parse(text: &str) -> Option<Self> {
        let rules = Options::default()
            .with_required_tld()
            .without_display_text()
            .without_domain_literal();
        EmailAddress::parse_with_options(text, rules).ok()?;
        Some(Self(text.to_lowercase()))
    }

    pub fn stored(text: &str) -> Self {
        Self(text.to_owned())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The parsed request to register a customer.
#[derive(Clone, Debug)]
pub struct ProfileRequest {
    pub firstname: String,
    pub lastname: String,
    pub email: Email,
    /// Digits, perhaps behind a `+`, in any spelling that [`Phone::read`] reads.
    pub phone: String,
    /// The country, if it is not the merchant's.
    pub country: Option<Country>,
    pub bvn: Option<String>,
}

/// A parsed profile of which every field may be missing.
#[derive(Clone, Debug)]
pub struct PartialProfileRequest {
    pub firstname: Option<String>,
    pub lastname: Option<String>,
    pub email: Option<Email>,
    /// Digits, perhaps behind a `+`, in any spelling that [`Phone::read`] reads.
    pub phone: Option<String>,
    /// The country, if it is not the merchant's.
    pub country: Option<Country>,
    pub bvn: Option<String>,
}

/// The parsed request to change a profile.
#[derive(Clone, Debug)]
pub struct ProfileUpdateRequest {
    pub firstname: Option<String>,
    pub lastname: Option<String>,
    pub email: Option<Email>,
}

/// A change of at least one field of a profile.
#[derive(Clone, Debug)]
pub struct ProfileUpdate {
    firstname: Option<String>,
    lastname: Option<String>,
    email: Option<Email>,
}

impl ProfileUpdate {
    /// Checks the fields in the order of [`ProfileUpdateRequest`].
    ///
    /// # Errors
    ///
    /// Names the first wrong field, or else refuses an update without any field (contract
    /// section 4.4.4).
    pub fn new(request: ProfileUpdateRequest) -> Result<Self, Refusal> {
        let name = |field: &str, text: Option<String>| text.map(|text| name(field, text)).transpose();
        let update = Self {
            firstname: name("firstname", request.firstname)?,
            lastname: name("lastname", request.lastname)?,
            email: request.email,
        };
        let changes_nothing = update.firstname.is_none() && update.lastname.is_none() && update.email.is_none();
        if changes_nothing {
            return Err(Refusal::NothingToUpdate);
        }
        Ok(update)
    }

    /// Returns the new email address, if there is one.
    pub const fn email(&self) -> Option<&Email> {
        self.email.as_ref()
    }
}

impl Profile {
    /// Returns a new customer's profile. `of_merchant` is the country of a customer who
    /// names none.
    ///
    /// # Errors
    ///
    /// Names the first wrong field in the order of [`ProfileRequest`].
    pub fn new(request: ProfileRequest, of_merchant: Country) -> Result<Self, Invalid> {
        let request = PartialProfileRequest {
            firstname: Some(request.firstname),
            lastname: Some(request.lastname),
            email: Some(request.email),
            phone: Some(request.phone),
            country: request.country,
            bvn: request.bvn,
        };
        Self::partial(request, of_merchant)
    }

    /// Returns a profile that may have gaps.
    ///
    /// # Errors
    ///
    /// Checks the fields that are present as [`Profile::new`] does.
    pub fn partial(request: PartialProfileRequest, of_merchant: Country) -> Result<Self, Invalid> {
        let name = |field: &str, text: Option<String>| text.map(|text| name(field, text)).transpose();
        let firstname = name("firstname", request.firstname)?;
        let lastname = name("lastname", request.lastname)?;
        let (phone, country) = match request.phone {
            None => (None, request.country.unwrap_or(of_merchant)),
            Some(text) => {
                let (phone, country) = Phone::read(&text, request.country, of_merchant)?;
                (Some(phone), country)
            }
        };
        if let Some(bvn) = request
            .bvn
            .as_ref()
            .filter(|bvn| bvn.len() != BVN_DIGITS || !is_digits(bvn))
        {
            let expected = format!("{BVN_DIGITS} digits");
            return Err(Invalid::wrong("bvn", expected, &quoted(bvn)));
        }
        Ok(Self {
            firstname,
            lastname,
            email: request.email,
            phone,
            bvn: request.bvn,
            country,
        })
    }

    /// Returns the profile of a customer of whom only the country is known.
    pub const fn unknown(country: Country) -> Self {
        Self {
            firstname: None,
            lastname: None,
            email: None,
            phone: None,
            bvn: None,
            country,
        }
    }

    /// Returns first and last name, or the one that is known.
    pub fn full_name(&self) -> Option<String> {
        full_name(self.firstname.as_deref(), self.lastname.as_deref())
    }

    /// Returns the profile with its gaps filled from `other`. A country always comes from
    /// this one.
    pub fn or(self, other: Self) -> Self {
        Self {
            firstname: self.firstname.or(other.firstname),
            lastname: self.lastname.or(other.lastname),
            email: self.email.or(other.email),
            phone: self.phone.or(other.phone),
            bvn: self.bvn.or(other.bvn),
            country: self.country,
        }
    }

    /// Returns the profile with the update applied.
    pub fn updated(self, update: ProfileUpdate) -> Self {
        Self {
            firstname: update.firstname.or(self.firstname),
            lastname: update.lastname.or(self.lastname),
            email: update.email.or(self.email),
            ..self
        }
    }
}

/// Returns a first or last name if it is one line of at most 100 characters.
pub fn name(field: &str, text: String) -> Result<String, Invalid> {
    line(field, text, NAME_CHARS_MAX)
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Joins first and last name. Returns the one that is present if the other is missing.
fn full_name(firstname: Option<&str>, lastname: Option<&str>) -> Option<String> {
    match (firstname, lastname) {
        (Some(firstname), Some(lastname)) => Some(format!("{firstname} {lastname}")),
        (name, None) | (None, name) => name.map(str::to_owned),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> ProfileRequest {
        ProfileRequest {
            firstname: "Ada".to_owned(),
            lastname: "Obi".to_owned(),
            email: Email::parse("Ada@Shop.example").unwrap(),
            phone: "2348012345678".to_owned(),
            country: None,
            bvn: None,
        }
    }

    #[test]
    fn a_profile_is_stored_in_one_spelling() {
        let profile = Profile::new(request(), Country::NIGERIA).unwrap();
        assert_eq!(profile.email.as_ref().unwrap().as_str(), "ada@shop.example");
        assert_eq!(profile.phone.as_ref().unwrap().as_str(), "08012345678");
        assert_eq!(profile.full_name().as_deref(), Some("Ada Obi"));
        assert_eq!(Profile::unknown(Country::KENYA).full_name(), None);
    }

    #[test]
    fn the_first_wrong_field_of_a_profile_is_named() {
        let mut all_wrong = ProfileRequest {
            firstname: " ".to_owned(),
            lastname: "x".repeat(101),
            email: Email::parse("ada@shop.example").unwrap(),
            phone: "+2348012345678".to_owned(),
            country: Some(Country::GHANA),
            bvn: Some("1234567890".to_owned()),
        };
        let field = |request: &ProfileRequest| Profile::new(request.clone(), Country::NIGERIA).unwrap_err().field;
        assert_eq!(field(&all_wrong), "firstname");
        all_wrong.firstname = request().firstname;
        assert_eq!(field(&all_wrong), "lastname");
        all_wrong.lastname = request().lastname;
        assert_eq!(field(&all_wrong), "phone");
        all_wrong.phone = "08012345678".to_owned();
        assert_eq!(field(&all_wrong), "phone", "the phone belongs to another country");
        all_wrong.phone = "0241234567".to_owned();
        assert_eq!(field(&all_wrong), "bvn");
        all_wrong.bvn = Some("12345678901".to_owned());
        assert!(Profile::new(all_wrong, Country::NIGERIA).is_ok());
    }

    #[test]
    fn only_addresses_that_can_receive_mail_are_emails() {
        for text in ["a@b.co", "Ada.Obi+shop@Mail.Example.com"] {
            assert_eq!(Email::parse(text).unwrap().as_str(), text.to_lowercase());
        }
        for text in [
            "",
            "ada",
            "ada@",
            "@shop.example",
            "ada@shop",
            "a b@shop.example",
            "Ada <ada@shop.example>",
            "ada@[10.0.0.1]",
            "ada@shop.example\n",
        ] {
            assert_eq!(Email::parse(text), None, "{text}");
        }
        assert_eq!(Email::parse(&format!("{}@shop.example", "x".repeat(300))), None);
    }

    #[test]
    fn an_update_changes_what_it_names() {
        let nothing = ProfileUpdateRequest {
            firstname: None,
            lastname: None,
            email: None,
        };
        let before = Profile::new(request(), Country::NIGERIA).unwrap();
        let lastname = ProfileUpdate::new(ProfileUpdateRequest {
            lastname: Some("Eze".to_owned()),
            ..nothing.clone()
        });
        let after = before.clone().updated(lastname.unwrap());
        assert_eq!(after.full_name().as_deref(), Some("Ada Eze"));
        assert_eq!((after.phone, after.email), (before.phone, before.email));
        let blank = ProfileUpdate::new(ProfileUpdateRequest {
            firstname: Some(" ".to_owned()),
            ..nothing.clone()
        });
        assert_eq!(blank.unwrap_err(), Refusal::Invalid(Invalid::missing("firstname")));
        assert_eq!(ProfileUpdate::new(nothing).unwrap_err(), Refusal::NothingToUpdate);
    }
}
