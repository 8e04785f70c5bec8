//! Reading a body field by field, so that what is wrong can be said of the field
//! it is wrong with (contract section 9.3, row 57).
//!
//! JSON is read without converting numbers: an amount is taken from the digits
//! as they were sent, never through a floating-point number. A form field is
//! text and is read by the same rules. Fields nobody asks for are ignored; a
//! field sent twice is an error, since only one of the two can be meant.

use std::collections::HashSet;
use std::fmt;
use std::num::{IntErrorKind, ParseIntError};

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use strum::VariantArray;

use crate::domain::customers::country::Country;
use crate::domain::customers::profile::Email;
use crate::domain::ids::{CategoryId, CustomerId, Reference};
use crate::domain::money::{Amount, NotAnAmount};
use crate::domain::refusal::{Invalid, shortened};
use crate::domain::sandbox::span::Span;
use crate::domain::time::Date;

/// The fields of one object, and where in the body it is.
#[derive(Debug)]
pub(crate) struct Fields<'a> {
    path: String,
    values: Vec<(String, Value<'a>)>,
}

/// A field's value as it came.
#[derive(Clone, Copy, Debug)]
enum Value<'a> {
    Json(&'a RawValue),
    Form(&'a str),
}

/// One field: its path, and its value unless it is absent, null or an empty text.
#[derive(Debug)]
pub(crate) struct Field<'a> {
    path: String,
    value: Option<Value<'a>>,
}

impl<'a> Fields<'a> {
    /// Reads a JSON object.
    pub(crate) fn of_json(text: &'a str) -> Result<Self, Invalid> {
        Self::of_json_at(String::new(), "the body", text)
    }

    fn of_json_at(path: String, name: &str, text: &'a str) -> Result<Self, Invalid> {
        let JsonObject(fields) = serde_json::from_str(text).map_err(|error| {
            let expected = if error.is_data() { "a JSON object" } else { "valid JSON" };
            Invalid::wrong(name, expected, &echo(text, &error))
        })?;
        Self::each_once(path, fields.into_iter().map(|(key, value)| (key, Value::Json(value))))
    }

    /// Reads the text fields of a form.
    pub(crate) fn of_form(fields: &'a [(String, String)]) -> Result<Self, Invalid> {
        let fields = fields.iter().map(|(name, text)| (name.clone(), Value::Form(text)));
        Self::each_once(String::new(), fields)
    }

    fn each_once(path: String, fields: impl Iterator<Item = (String, Value<'a>)>) -> Result<Self, Invalid> {
        let values: Vec<(String, Value<'a>)> = fields.collect();
        let mut names = HashSet::with_capacity(values.len());
        if let Some((name, _)) = values.iter().find(|(name, _)| !names.insert(name)) {
            return Err(Invalid::wrong(join(&path, &shortened(name)), "sent once", "it twice"));
        }
        Ok(Self { path, values })
    }

    /// Refuses every field but these, where one that is misspelled must not be
    /// ignored.
    pub(crate) fn check_known(&self, names: &[&str]) -> Result<(), Invalid> {
        let is_unknown = |(name, _): &&(String, Value<'a>)| !names.contains(&name.as_str());
        match self.values.iter().find(is_unknown) {
            None => Ok(()),
            Some((name, _)) => {
                let (path, expected) = (join(&self.path, &shortened(name)), names.join(", "));
                Err(Invalid::wrong(
                    path,
                    format!("one of the fields {expected}"),
                    &format!("{name:?}"),
                ))
            }
        }
    }

    /// Whether a field of this name came, though it may hold nothing.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.values.iter().any(|(key, _)| key == name)
    }

    /// The field of this name.
    pub(crate) fn field(&self, name: &str) -> Field<'a> {
        let value = self
            .values
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| *value)
            .filter(|value| !value.is_nothing());
        Field {
            path: join(&self.path, name),
            value,
        }
    }
}

impl<'a> Value<'a> {
    /// The value as it was written.
    fn as_written(&self) -> &'a str {
        match self {
            Self::Json(raw) => raw.get(),
            Self::Form(text) => text,
        }
    }

    /// The text it is, if it is one.
    fn as_text(&self) -> Option<String> {
        match self {
            Self::Json(raw) => serde_json::from_str(raw.get()).ok(),
            Self::Form(text) => Some((*text).to_owned()),
        }
    }

    /// Whether it is as good as absent. In a form `null` is a word like any other.
    fn is_nothing(&self) -> bool {
        match self {
            Self::Json(raw) => matches!(raw.get(), "null" | "\"\""),
            Self::Form(text) => text.is_empty(),
        }
    }
}

impl<'a> Field<'a> {
    /// Returns the field's name with the objects and lists around it:
    /// `milestones[0].amount`.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// Whether there is nothing to read.
    pub(crate) fn is_absent(&self) -> bool {
        self.value.is_none()
    }

    /// What the field must be, and is not.
    pub(crate) fn must_be(&self, expected: impl Into<String>) -> Invalid {
        Invalid::wrong(
            self.path.as_str(),
            expected,
            self.value.map_or("nothing", |value| value.as_written()),
        )
    }

    /// A text.
    pub(crate) fn text(&self) -> Result<String, Invalid> {
        self.read("a text", |value| value.as_text())
    }

    /// A whole number.
    pub(crate) fn integer(&self) -> Result<i64, Invalid> {
        let text = self.required()?.as_written();
        if text.starts_with('+') {
            return Err(self.must_be("a whole number"));
        }
        text.parse().map_err(|error: ParseIntError| {
            self.must_be(match error.kind() {
                IntErrorKind::PosOverflow => format!("a whole number of at most {}", i64::MAX),
                IntErrorKind::NegOverflow => format!("a whole number of at least {}", i64::MIN),
                _ => "a whole number".to_owned(),
            })
        })
    }

    /// An amount of money in major units, with at most two decimals.
    pub(crate) fn amount(&self) -> Result<Amount, Invalid> {
        let text = self.required()?.as_written();
        Amount::parse_major(text).map_err(|error| {
            self.must_be(match error {
                NotAnAmount::NotADecimal => "a number, such as 1500 or 99.95".to_owned(),
                NotAnAmount::Negative => "a number of 0 or more".to_owned(),
                NotAnAmount::TooManyDecimals => "a number with at most two decimals".to_owned(),
                NotAnAmount::TooLarge => format!("a number of at most {}", Amount::MAX),
            })
        })
    }

    /// A calendar day.
    pub(crate) fn date(&self) -> Result<Date, Invalid> {
        self.parsed("a date written YYYY-MM-DD", Date::parse)
    }

    /// A span of time: a text, or a number of seconds.
    pub(crate) fn span(&self) -> Result<Span, Invalid> {
        let value = self.required()?;
        let text = value.as_text().unwrap_or_else(|| value.as_written().to_owned());
        Span::parse(&text).map_err(|problem| self.must_be(problem.to_string()))
    }

    /// The id of a customer.
    pub(crate) fn customer_id(&self) -> Result<CustomerId, Invalid> {
        self.parsed(&format!("a customer id: {}", CustomerId::SHAPE), CustomerId::parse)
    }

    /// The id of a category.
    pub(crate) fn category_id(&self) -> Result<CategoryId, Invalid> {
        self.parsed("the id of a category of the seller", |text| {
            Some(CategoryId::named(text)).filter(|id| id.number() > 0)
        })
    }

    /// An email address.
    pub(crate) fn email(&self) -> Result<Email, Invalid> {
        self.parsed("an email address", Email::parse)
    }

    /// A country, by its letters or its id.
    pub(crate) fn country(&self) -> Result<Country, Invalid> {
        let codes = Country::VARIANTS
            .iter()
            .map(|country| country.code())
            .collect::<Vec<_>>()
            .join(", ");
        self.parsed(&format!("one of {codes}, or a country's id"), Country::parse)
    }

    /// Yes or no; in a form, the word of it.
    pub(crate) fn boolean(&self) -> Result<bool, Invalid> {
        self.read("true or false", |value| value.as_written().parse().ok())
    }

    /// Whether it holds a number below zero.
    pub(crate) fn is_negative(&self) -> bool {
        self.value
            .is_some_and(|value| Amount::parse_major(value.as_written()) == Err(NotAnAmount::Negative))
    }

    /// The name of a payment.
    pub(crate) fn reference(&self) -> Result<Reference, Invalid> {
        self.parsed(Reference::SHAPE, Reference::parse)
    }

    /// A word of this enum, exactly as it is written there.
    pub(crate) fn word<T: VariantArray + Copy + Into<&'static str>>(&self) -> Result<T, Invalid> {
        self.one_of(T::VARIANTS)
    }

    /// One of these words, exactly as written.
    pub(crate) fn one_of<'w, T: Copy + Into<&'w str>>(&self, words: &[T]) -> Result<T, Invalid> {
        self.one_by(words, |sent, word| sent == word)
    }

    /// One of these words, in any letter case.
    pub(crate) fn one_of_any_case<'w, T: Copy + Into<&'w str>>(&self, words: &[T]) -> Result<T, Invalid> {
        self.one_by(words, str::eq_ignore_ascii_case)
    }

    fn one_by<'w, T: Copy + Into<&'w str>>(
        &self,
        words: &[T],
        is_same: impl Fn(&str, &str) -> bool,
    ) -> Result<T, Invalid> {
        let choices: Vec<String> = words.iter().map(|&word| format!("\"{}\"", word.into())).collect();
        self.parsed(&choices.join(" or "), |sent| {
            words.iter().copied().find(|&word| is_same(sent, word.into()))
        })
    }

    /// An object.
    pub(crate) fn object(&self) -> Result<Fields<'a>, Invalid> {
        match self.required()? {
            Value::Json(raw) if raw.get().starts_with('{') => {
                Fields::of_json_at(self.path.clone(), &self.path, raw.get())
            }
            _ => Err(self.must_be("an object")),
        }
    }

    /// A list, each element a field of its own.
    pub(crate) fn list(&self) -> Result<Vec<Field<'a>>, Invalid> {
        let elements: Vec<&'a RawValue> = self.read("a list", |value| match value {
            Value::Json(raw) => serde_json::from_str(raw.get()).ok(),
            Value::Form(_) => None,
        })?;
        let element = |(index, raw)| Field {
            path: format!("{}[{index}]", self.path),
            value: Some(Value::Json(raw)),
        };
        Ok(elements.into_iter().enumerate().map(element).collect())
    }

    /// Whether it holds a list.
    pub(crate) fn is_list(&self) -> bool {
        self.value
            .is_some_and(|value| matches!(value, Value::Json(raw) if raw.get().starts_with('[')))
    }

    /// What `read` makes of the field, when there is something to read.
    pub(crate) fn optional<T>(&self, read: impl FnOnce(&Self) -> Result<T, Invalid>) -> Result<Option<T>, Invalid> {
        if self.is_absent() {
            Ok(None)
        } else {
            read(self).map(Some)
        }
    }

    fn required(&self) -> Result<Value<'a>, Invalid> {
        self.value.ok_or_else(|| Invalid::missing(self.path.as_str()))
    }

    /// What `parse` makes of a text.
    pub(crate) fn parsed<T>(&self, expected: &str, parse: impl FnOnce(&str) -> Option<T>) -> Result<T, Invalid> {
        self.read(expected, |value| parse(&value.as_text()?))
    }

    fn read<T>(&self, expected: &str, read: impl FnOnce(Value<'a>) -> Option<T>) -> Result<T, Invalid> {
        read(self.required()?).ok_or_else(|| self.must_be(expected))
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}

/// What came, for someone to find their mistake in.
fn echo(text: &str, error: &serde_json::Error) -> String {
    if text.trim().is_empty() {
        "nothing".to_owned()
    } else if error.is_data() {
        text.to_owned()
    } else {
        error.to_string()
    }
}

/// A JSON object: its values as they were written, a name as often as it came.
struct JsonObject<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for JsonObject<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ObjectVisitor;

        impl<'de> Visitor<'de> for ObjectVisitor {
            type Value = JsonObject<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(JsonObject(fields))
            }
        }

        deserializer.deserialize_map(ObjectVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::refusal::Problem;

    fn wrong(invalid: Invalid) -> (String, String, String) {
        match invalid.problem {
            Problem::Missing => (invalid.field, "required".to_owned(), String::new()),
            Problem::Wrong { expected, got } => (invalid.field, expected, got),
        }
    }

    #[test]
    fn amounts_are_read_from_their_digits() {
        for (json, minor) in [
            ("100.2", 10_020),
            ("1000.0", 100_000),
            ("90071992547409.91", 9_007_199_254_740_991),
        ] {
            let body = format!("{{\"amount\":{json}}}");
            let fields = Fields::of_json(&body).unwrap();
            assert_eq!(fields.field("amount").amount().unwrap().minor(), minor);
        }
    }

    #[test]
    fn what_is_wrong_is_said_of_its_field() {
        let body = r#"{"a":"5","b":-1,"c":1.234,"d":"x","e":null,"f":"","g":{"h":[1,{"i":true}]}}"#;
        let fields = Fields::of_json(body).unwrap();
        let cases = [
            ("a", "a number, such as 1500 or 99.95", "\"5\""),
            ("b", "a number of 0 or more", "-1"),
            ("c", "a number with at most two decimals", "1.234"),
            ("d", "a number, such as 1500 or 99.95", "\"x\""),
            ("e", "required", ""),
            ("f", "required", ""),
            ("g", "a number, such as 1500 or 99.95", r#"{"h":[1,{"i":true}]}"#),
            ("z", "required", ""),
        ];
        for (name, expected, got) in cases {
            let found = wrong(fields.field(name).amount().unwrap_err());
            assert_eq!(found, (name.to_owned(), expected.to_owned(), got.to_owned()));
        }
        let list = fields.field("g").object().unwrap().field("h").list().unwrap();
        let inner = list[1].object().unwrap().field("i").text().unwrap_err();
        assert_eq!(inner.field, "g.h[1].i");
    }

    #[test]
    fn yes_and_no_are_words_of_json() {
        let fields = Fields::of_json(r#"{"a":true,"b":false,"c":"true","d":1}"#).unwrap();
        assert_eq!(fields.field("a").boolean(), Ok(true));
        assert_eq!(fields.field("b").boolean(), Ok(false));
        for name in ["c", "d"] {
            assert_eq!(wrong(fields.field(name).boolean().unwrap_err()).1, "true or false");
        }
        let form = [("a".to_owned(), "true".to_owned())];
        assert_eq!(Fields::of_form(&form).unwrap().field("a").boolean(), Ok(true));
    }

    #[test]
    fn a_field_that_came_empty_came() {
        let fields = Fields::of_json(r#"{"a":"","b":null}"#).unwrap();
        assert!(fields.has("a") && fields.has("b") && !fields.has("c"));
        assert!(fields.field("a").is_absent() && fields.field("b").is_absent());
    }

    #[test]
    fn a_field_that_is_not_known_is_named_where_that_matters() {
        let fields = Fields::of_json(r#"{"a":{"b":1,"B":2}}"#).unwrap();
        assert_eq!(fields.check_known(&["a", "c"]), Ok(()));
        let inner = fields.field("a").object().unwrap().check_known(&["b", "c"]);
        let expected = "one of the fields b, c".to_owned();
        assert_eq!(
            wrong(inner.unwrap_err()),
            ("a.B".to_owned(), expected, "\"B\"".to_owned())
        );
    }

    #[test]
    fn bodies_that_are_no_object_are_refused() {
        let deep = "[".repeat(100_000);
        for body in [
            "",
            " ",
            "null",
            "[]",
            "5",
            "{",
            "{\"a\":}",
            "{\"a\":1,}",
            "\u{feff}{}",
            deep.as_str(),
        ] {
            let (field, expected, _) = wrong(Fields::of_json(body).unwrap_err());
            assert_eq!(field, "the body");
            assert!(expected.contains("JSON"), "{expected}");
        }
    }

    #[test]
    fn a_field_sent_twice_is_refused() {
        let found = wrong(Fields::of_json(r#"{"amount":1,"amount":2}"#).unwrap_err());
        assert_eq!(
            found,
            ("amount".to_owned(), "sent once".to_owned(), "it twice".to_owned())
        );
        let form = [("a".to_owned(), "1".to_owned()), ("a".to_owned(), "2".to_owned())];
        assert_eq!(Fields::of_form(&form).unwrap_err().field, "a");
    }

    #[test]
    fn form_fields_are_read_by_the_same_rules() {
        let form = [
            ("amount".to_owned(), "1234.56".to_owned()),
            ("note".to_owned(), "null-ish".to_owned()),
        ];
        let fields = Fields::of_form(&form).unwrap();
        assert_eq!(fields.field("amount").amount().unwrap().minor(), 123_456);
        assert_eq!(fields.field("note").text().unwrap(), "null-ish");
    }

    proptest::proptest! {
        #[test]
        fn no_body_makes_the_reader_panic(body in "\\PC{0,200}") {
            if let Ok(fields) = Fields::of_json(&body) {
                let _outcome = (fields.field("a").amount(), fields.field("a").list());
            }
        }
    }
}
