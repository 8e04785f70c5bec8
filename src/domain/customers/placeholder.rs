//! Contact data for sandbox customers of whom nothing is known.
//!
//! The contract's customer always has an email address and a phone, and clients search them
//! without a look at null. A placeholder follows from the customer's id, so that it is the
//! same on every server, and belongs to no person: the domain is reserved for examples, and
//! no phone of the country begins like it.

use sha2::{Digest, Sha256};

use crate::domain::customers::country::Country;
use crate::domain::customers::phone::Phone;
use crate::domain::customers::profile::Email;
use crate::domain::ids::CustomerId;

/// The last name that is shown of a customer without one. The first name is the id.
pub const LASTNAME: &str = "Customer";

/// The placeholders of one kind to try before a customer is left without one. Another
/// customer can have the first with a chance of less than one in a thousand.
pub const ATTEMPTS: u32 = 16;

const DOMAIN: &str = "sandbox.example";
/// The most characters of an id that an email address contains.
const ID_CHARS_MAX: usize = 40;
/// The hex characters that tell apart ids which are written alike in an email address.
const HASH_CHARS: usize = 12;

/// Returns the email address to try in this attempt, from 0.
pub fn email(id: &CustomerId, attempt: u32) -> Email {
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_');
    let id = id.as_str();
    if attempt == 0 && id.len() <= ID_CHARS_MAX && id.chars().all(is_plain) {
        return Email::stored(&format!("{id}@{DOMAIN}"));
    }
    let written: String = id.to_ascii_lowercase().chars().take(ID_CHARS_MAX).collect();
    let written = written.replace(|c| !is_plain(c), "-");
    let hash = hex::encode(hash(id, attempt));
    Email::stored(&format!("{written}-{}@{DOMAIN}", &hash[..HASH_CHARS]))
}

/// Returns the phone to try in this attempt, from 0.
pub fn phone(id: &CustomerId, attempt: u32, country: Country) -> Phone {
    let mut number = [0; 8];
    number.copy_from_slice(&hash(id.as_str(), attempt)[..8]);
    Phone::unassigned(country, u64::from_be_bytes(number))
}

fn hash(id: &str, attempt: u32) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(attempt.to_be_bytes());
    hash.update(id);
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn different_ids_have_different_valid_contact_data() {
        let long = "x".repeat(64);
        let ids = [
            "ada",
            "ADA",
            "Ada",
            "a.b",
            "a-b",
            "a_b",
            "..",
            "-",
            "0",
            "6710aa10b2c3d4e5f6071804",
            &long,
        ];
        let others = ["DE", "US"].map(|code| code.parse().unwrap());
        for country in Country::OF_CONTRACT.into_iter().chain(others) {
            let (mut emails, mut phones) = (HashSet::new(), HashSet::new());
            for id in ids {
                let id = CustomerId::parse(id).unwrap();
                for attempt in 0..3 {
                    let email = email(&id, attempt);
                    assert_eq!(Email::parse(email.as_str()), Some(email.clone()), "{id}");
                    let phone = phone(&id, attempt, country);
                    let mut readings = Phone::readings(phone.as_str(), country);
                    assert!(readings.any(|(_, reading)| reading == phone), "{id}");
                    assert!(
                        emails.insert(email.to_string()) && phones.insert(phone.to_string()),
                        "{id}"
                    );
                }
            }
        }
        let ada = CustomerId::parse("ada").unwrap();
        assert_eq!(email(&ada, 0).as_str(), "ada@sandbox.example");
    }
}
