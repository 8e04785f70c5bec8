//! Tests of phones: spellings of each country, refusals, searches, and properties.

use proptest::prelude::*;

use super::*;

fn country(code: &str) -> Country {
    code.parse().unwrap()
}

fn read(text: &str, of_request: Option<&str>, of_merchant: &str) -> Result<(String, Country), String> {
    Phone::read(text, of_request.map(country), country(of_merchant))
        .map(|(phone, country)| (phone.to_string(), country))
        .map_err(|invalid| invalid.to_string())
}

#[test]
fn every_spelling_of_a_phone_is_one_text() {
    for (code, kept, spellings) in [
        ("NG", "08012345678", &["08012345678", "2348012345678", "8012345678"][..]),
        ("GH", "0241234567", &["0241234567", "233241234567", "241234567"]),
        ("KE", "0712345678", &["0712345678", "254712345678", "712345678"]),
        ("ZA", "0821234567", &["0821234567", "27821234567", "821234567"]),
        (
            "DE",
            "+4915123456789",
            &["015123456789", "+4915123456789", "4915123456789"],
        ),
        ("US", "+12015550123", &["2015550123", "12015550123", "+12015550123"]),
        ("CA", "+15062345678", &["5062345678", "+15062345678"]),
        ("GB", "+447400123456", &["07400123456", "+447400123456", "447400123456"]),
        ("FR", "+33612345678", &["0612345678", "+33612345678"]),
        ("IT", "+390236618300", &["0236618300", "+390236618300"]),
        ("IN", "+918123456789", &["08123456789", "8123456789", "+918123456789"]),
        ("BR", "+5511961234567", &["11961234567", "+5511961234567"]),
        ("JP", "+819012345678", &["09012345678", "+819012345678"]),
        ("EG", "+201001234567", &["01001234567", "+201001234567"]),
        ("RW", "+250720123456", &["0720123456", "+250720123456"]),
        ("UG", "+256712345678", &["0712345678", "+256712345678"]),
        ("CI", "+2250123456789", &["0123456789", "+2250123456789"]),
        ("VA", "+390669812345", &["+390669812345"]),
        ("XK", "+38343201234", &["043201234", "+38343201234"]),
        // A country without a calling code of its own uses another country's.
        ("PN", "+6421123456", &["+6421123456"]),
    ] {
        let country = country(code);
        for spelling in spellings {
            let phone = Phone::parse(spelling, country);
            assert_eq!(phone.as_ref().map(Phone::as_str), Some(kept), "{code} {spelling}");
            let mut readings = Phone::readings(spelling, country);
            assert!(
                readings.any(|(_, reading)| Some(&reading) == phone.as_ref()),
                "{code} {spelling}"
            );
        }
    }
}

#[test]
fn an_international_spelling_names_its_country() {
    for (text, of_request, of_merchant, kept, code) in [
        ("+4915123456789", None, "NG", "+4915123456789", "DE"),
        ("+12015550123", None, "NG", "+12015550123", "US"),
        ("+15062345678", None, "DE", "+15062345678", "CA"),
        ("+77710009998", None, "NG", "+77710009998", "KZ"),
        ("+2348012345678", None, "DE", "08012345678", "NG"),
        ("+2348012345678", Some("NG"), "DE", "08012345678", "NG"),
        ("+27821234567", None, "US", "0821234567", "ZA"),
        // Digits alone are of the request's country, or of the merchant's.
        ("015123456789", None, "DE", "+4915123456789", "DE"),
        ("08012345678", None, "NG", "08012345678", "NG"),
        ("0712345678", Some("UG"), "KE", "+256712345678", "UG"),
    ] {
        let read = read(text, of_request, of_merchant);
        assert_eq!(read, Ok((kept.to_owned(), country(code))), "{text} of {of_merchant}");
    }
}

#[test]
fn a_refusal_says_how_a_phone_of_the_country_is_written() {
    for (text, of_request, of_merchant, said) in [
        // Among the countries of the contract, as the contract has it.
        (
            "+2348012345678",
            None,
            "NG",
            "phone must be digits only, without + or spaces; got \"+2348012345678\"",
        ),
        (
            "+2348012345678",
            Some("GH"),
            "NG",
            "phone must be digits only, without + or spaces",
        ),
        (
            "+27821234567",
            None,
            "NG",
            "phone must be digits only, without + or spaces",
        ),
        (
            "0801234567",
            None,
            "NG",
            "a phone in Nigeria: 11 digits with the leading 0, or 234 and 10 digits",
        ),
        ("+4915123456789", Some("NG"), "NG", "a phone in Nigeria: 11 digits"),
        // Elsewhere, with an example.
        (
            "123",
            None,
            "DE",
            "phone must be a phone in DE, such as +4915123456789, or as it is dialled there; got \"123\"",
        ),
        ("+12015550123", Some("DE"), "NG", "a phone in DE, such as +49"),
        ("+2348012345678", Some("DE"), "NG", "a phone in DE, such as +49"),
        ("+23480123", None, "DE", "a phone in Nigeria: 11 digits"),
        ("+23408012345678", None, "DE", "a phone in Nigeria: 11 digits"),
        ("+49", None, "NG", "a phone with its calling code, such as +12015550123"),
        ("+99912345678", None, "DE", "a phone with its calling code"),
        ("+80012345678", None, "DE", "a phone that belongs to a country"),
        ("021123456", Some("PN"), "NG", "such as +12015550123, since PN has none"),
        ("+2348012345678", Some("PN"), "DE", "since PN has none"),
        // Other characters.
        ("", None, "DE", "digits only, without + or spaces"),
        ("0801 234 5678", None, "NG", "digits only, without + or spaces"),
        (
            "+49 151",
            None,
            "DE",
            "digits, without spaces between them or behind the +",
        ),
        ("+", None, "NG", "digits, without spaces"),
        ("++4915123456789", None, "DE", "digits, without spaces"),
        ("٠٨٠١٢٣٤٥٦٧٨", None, "NG", "digits only"),
    ] {
        let refused = read(text, of_request, of_merchant).unwrap_err();
        assert!(refused.contains(said), "{text}: {refused}");
    }
}

/// A sixth of the countries, since the patterns of each take time to compile.
#[test]
fn countries_with_phones_have_an_example_that_is_read() {
    let letters = || b'A'..=b'Z';
    let codes = letters().flat_map(|first| letters().map(move |second| [first, second]));
    let countries = codes.filter_map(|code| std::str::from_utf8(&code).unwrap().parse::<Country>().ok());
    for country in countries.step_by(6).filter(|country| !country.is_of_contract()) {
        let shape = Phone::shape(country);
        if let Some(example) = international::example(country) {
            assert!(shape.contains(&example), "{shape}");
            assert!(Phone::parse(&example, country).is_some(), "{shape}");
        } else {
            assert!(shape.contains("has none"), "{shape}");
        }
    }
}

#[test]
fn separators_between_digits_are_ignored_in_a_search() {
    for (spelling, of_merchant, kept) in [
        ("+234 801 234 5678", "NG", "08012345678"),
        ("0801-234-5678", "NG", "08012345678"),
        ("(0801) 234.5678", "NG", "08012345678"),
        ("+49 151/2345 6789", "NG", "+4915123456789"),
        (" 4915123456789", "NG", "+4915123456789"),
        ("0151 23456789", "DE", "+4915123456789"),
        ("+234 801 234 5678", "DE", "08012345678"),
    ] {
        let mut readings = Phone::readings(spelling, country(of_merchant));
        assert!(readings.any(|(_, phone)| phone.as_str() == kept), "{spelling}");
    }
    assert_eq!(Phone::parse("0801-234-5678", Country::NIGERIA), None);
    assert_eq!(Phone::readings("0151 23456789", Country::NIGERIA).count(), 0);
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
        assert_eq!(Phone::parse(text, Country::NIGERIA), None, "{text}");
    }
    assert_eq!(Phone::parse("2348012345678", Country::GHANA), None);
    assert_eq!(Phone::parse("+4915123456789", country("FR")), None);
}

#[test]
fn a_number_longer_than_e164_is_no_phone() {
    assert!(Phone::read("+494000000000000", None, Country::NIGERIA).is_ok());
    assert!(Phone::read("+4940000000000000", None, Country::NIGERIA).is_err());
    assert!(Phone::parse("0400000000000", country("DE")).is_some());
    assert_eq!(Phone::parse("040000000000000", country("DE")), None);
}

#[test]
fn a_phone_is_found_with_the_prefix_of_national_calls_behind_the_calling_code() {
    for (spelling, kept) in [
        ("+787510000000", "+77510000000"),
        ("+4402079460000", "+442079460000"),
        ("+4900201000000000", "+49201000000000"),
    ] {
        let readings: Vec<String> = Phone::readings(spelling, Country::NIGERIA)
            .map(|(_, phone)| phone.as_str().to_owned())
            .collect();
        assert!(readings.contains(&kept.to_owned()), "{spelling}: {readings:?}");
    }
}

/// The plan of North America strips the prefix 1 of national calls only if it knows the country.
/// A search has no country.
#[test]
fn an_international_spelling_is_read_alike_whatever_country_is_named() {
    for text in ["+112012000000", "+12012000000", "+4402079460000"] {
        let without = Phone::read(text, None, Country::NIGERIA).map(|(phone, _)| phone);
        for code in ["US", "CA", "GB"] {
            let country = country(code);
            if let Ok((phone, _)) = Phone::read(text, Some(country), Country::NIGERIA) {
                assert_eq!(without.as_ref(), Ok(&phone), "{text} in {code}");
            }
        }
    }
    assert!(Phone::read("+112012000000", Some(country("US")), Country::NIGERIA).is_err());
}

/// Countries of every kind, those of the contract among them.
const SOME: [&str; 12] = ["NG", "GH", "KE", "ZA", "DE", "US", "CA", "GB", "IT", "RU", "AQ", "SM"];

proptest! {
    #[test]
    fn a_phone_that_is_kept_is_read_as_itself(
        text in "\\+?[0-9]{0,16}",
        of_request in proptest::option::of(proptest::sample::select(&SOME)),
        of_merchant in proptest::sample::select(&SOME),
    ) {
        if let Ok((phone, of_phone)) = Phone::read(&text, of_request.map(country), country(of_merchant)) {
            let again = Phone::parse(phone.as_str(), of_phone);
            prop_assert_eq!(again.as_ref(), Some(&phone), "{:?}", of_phone);
            prop_assert_eq!(phone.as_str().starts_with('0'), of_phone.is_of_contract());
            let searched_by = if text.starts_with('+') { country(of_merchant) } else { of_phone };
            let found = Phone::readings(&text, searched_by).any(|(_, reading)| reading == phone);
            prop_assert!(found, "{} is found by {}", phone, text);
        }
    }

    #[test]
    fn a_phone_of_a_plan_is_read_in_each_of_its_spellings(
        number in 0_u64..100_000_000,
        code in proptest::sample::select(&["DE", "GB", "US", "IT"][..]),
    ) {
        let country = country(code);
        // Digits at the end of the example vary; most of them are phones too.
        let example = international::example(country).unwrap();
        let digits = format!("{number:08}");
        let varied = format!("{}{}", &example[..example.len() - 4], &digits[4..]);
        if let Some(phone) = Phone::parse(&varied, country) {
            prop_assert_eq!(phone.as_str(), varied.as_str());
            let without_plus = Phone::readings(&varied[1..], Country::NIGERIA).any(|(_, reading)| reading == phone);
            prop_assert!(without_plus);
        }
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in "\\PC{0,20}", code in proptest::sample::select(&SOME)) {
        let country = country(code);
        drop(Phone::read(&text, Some(country), country));
        drop(Phone::read(&format!("+{text}"), None, country));
        for (_, phone) in Phone::readings(&text, country) {
            prop_assert!(phone.as_str().starts_with(['0', '+']));
        }
    }
}

/// A transfer goes to the first phone that a customer has.
#[test]
fn a_spelling_means_a_phone_of_the_merchants_country_first() {
    let first = |spelling: &str, of_merchant: &str| {
        let found = Phone::readings(spelling, country(of_merchant)).next();
        found.map(|(_, phone)| phone.to_string()).unwrap()
    };
    assert_eq!(first("8032345678", "US"), "+18032345678");
    assert_eq!(first("+2348032345678", "US"), "08032345678");
    assert_eq!(first("08031234567", "DE"), "+498031234567");
    assert_eq!(first("8032345678", "NG"), "08032345678");
    // Alexandria, and not a phone of Nigeria that begins with 020.
    assert_eq!(first("+2031234567", "NG"), "+2031234567");
}
