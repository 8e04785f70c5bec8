//! Reads a body field by field, so that each error names its field (contract section 9.3,
//! row 57).
//!
//! The reader does not convert JSON numbers. It parses an amount from the digits that the
//! client sent, never through a floating-point number. A form field is text, and the same
//! rules apply to it. Unknown fields are ignored. A field that occurs twice is an error,
//! because the two values may differ.

mod amount_shape;
mod json_object;
#[cfg(test)]
mod tests;
mod value;

use std::collections::HashSet;

use serde_json::value::RawValue;
use strum::VariantArray;

use crate::domain::characters::{is_blank, quoted};
use crate::domain::customers::country::Country;
use crate::domain::customers::profile::Email;
use crate::domain::decimal::Decimal;
use crate::domain::escrow::category;
use crate::domain::ids::{CategoryId, CustomerId, Reference};
use crate::domain::invalid::{Invalid, shortened};
use crate::domain::malformed_json::malformed_json;
use crate::domain::money::{Amount, NotAnAmount};
use crate::domain::page::ListTag;
use crate::domain::sandbox::span::Span;
use crate::domain::time::Date;
use crate::domain::unset::is_unset_variable;
pub(crate) use crate::http::fields::amount_shape::AmountShape;
pub(crate) use crate::http::fields::json_object::JsonObject;
use crate::http::fields::value::Value;
use crate::http::request_spec::{self, FieldGroups, Kind, ReadAs};

/// The fields of one object, and the object's path in the body.
#[derive(Debug)]
pub(crate) struct Fields<'a> {
    path: String,
    values: Vec<(String, Value<'a>)>,
    /// The description of the fields, or `None` if there is none.
    specs: Option<FieldGroups>,
    /// The list that the query of these fields asks for.
    list: ListTag,
}

/// One field: its path and its value. The value is `None` if the field is absent, null or
/// an empty text.
#[derive(Debug)]
pub(crate) struct Field<'a> {
    path: String,
    value: Option<Value<'a>>,
    /// The described kind of the value, or `None` if there is no description.
    kind: Option<&'static Kind>,
}

impl<'a> Fields<'a> {
    /// Reads a JSON object.
    pub(crate) fn from_json(text: &'a str) -> Result<Self, Invalid> {
        Self::of_json_at(String::new(), "the body", text)
    }

    fn of_json_at(path: String, name: &str, text: &'a str) -> Result<Self, Invalid> {
        let JsonObject(fields) = serde_json::from_str(text).map_err(|error| {
            if error.is_data() {
                Invalid::wrong(name, "a JSON object", text)
            } else if text.trim().is_empty() {
                Invalid::wrong(name, "valid JSON", "nothing")
            } else {
                malformed_json(name, "valid JSON", &error)
            }
        })?;
        Self::without_duplicates(path, fields.into_iter().map(|(key, value)| (key, Value::Json(value))))
    }

    /// Reads the text fields of a form.
    pub(crate) fn from_form(fields: &'a [(String, String)]) -> Result<Self, Invalid> {
        let fields = fields.iter().map(|(name, text)| (name.clone(), Value::Form(text)));
        Self::without_duplicates(String::new(), fields)
    }

    fn without_duplicates(path: String, fields: impl Iterator<Item = (String, Value<'a>)>) -> Result<Self, Invalid> {
        let values: Vec<(String, Value<'a>)> = fields.collect();
        let mut names = HashSet::with_capacity(values.len());
        if let Some((name, _)) = values.iter().find(|(name, _)| !names.insert(name)) {
            return Err(Invalid::wrong(join(&path, &shortened(name)), "sent once", "it twice"));
        }
        Ok(Self {
            path,
            values,
            specs: None,
            list: ListTag::NONE,
        })
    }

    /// Returns the fields with their description. In debug builds a parser that reads another
    /// field, or a field in another way than its kind allows, panics.
    pub(crate) fn described_by(self, specs: Option<FieldGroups>) -> Self {
        Self { specs, ..self }
    }

    /// Returns the fields as those of the query for a list.
    pub(crate) fn of_list(self, list: ListTag) -> Self {
        Self { list, ..self }
    }

    /// Returns the list that the query of these fields asks for.
    pub(crate) const fn list(&self) -> ListTag {
        self.list
    }

    /// Checks that the object has no fields but these, for objects in which a misspelled
    /// name must not be ignored.
    pub(crate) fn check_known(&self, known: FieldGroups) -> Result<(), Invalid> {
        let is_unknown = |(name, _): &&(String, Value<'a>)| request_spec::find(known, name).is_none();
        match self.values.iter().find(is_unknown) {
            None => Ok(()),
            Some((name, _)) => {
                let path = join(&self.path, &shortened(name));
                let names: Vec<&str> = request_spec::all(known).map(|field| field.name).collect();
                let expected = if names.is_empty() {
                    "left out, since this route reads no fields here".to_owned()
                } else {
                    format!("one of the fields {}", names.join(", "))
                };
                Err(Invalid::wrong(path, expected, &quoted(name)))
            }
        }
    }

    /// Returns true if the object has a field with this name, even a null or empty one.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.values.iter().any(|(key, _)| key == name)
    }

    /// Checks that a field whose absence grants more than a value is no empty text and no empty
    /// list, by which a caller may mean that nothing is granted.
    ///
    /// # Errors
    ///
    /// Names the field. `expected` follows "must be".
    pub(crate) fn check_not_empty(&self, name: &str, expected: &str) -> Result<(), Invalid> {
        let is_empty = |value: &Value<'_>| value.is_empty_text() || value.is_empty_list();
        match self.values.iter().find(|(key, value)| key == name && is_empty(value)) {
            None => Ok(()),
            Some((_, value)) => Err(Invalid::wrong(join(&self.path, name), expected, value.as_written())),
        }
    }

    /// Returns the first field with a value whose name `is_named`. An empty list is no value.
    pub(crate) fn find(&self, is_named: impl Fn(&str) -> bool) -> Option<Field<'a>> {
        let is_sent = |value: &Value<'a>| !value.is_empty() && !value.is_empty_list();
        let found = self
            .values
            .iter()
            .find(|(name, value)| is_named(name) && is_sent(value));
        found.map(|(name, value)| Field {
            path: join(&self.path, &shortened(name)),
            value: Some(*value),
            kind: None,
        })
    }

    /// Checks that no field has a data URL or a list of them. A data URL is a file, and this
    /// object has no place for one.
    ///
    /// # Errors
    ///
    /// Names the first such field. `expected` follows "must be".
    pub(crate) fn check_no_data_url(&self, expected: &str) -> Result<(), Invalid> {
        match self.values.iter().find(|(_, value)| value.has_data_url()) {
            None => Ok(()),
            Some((name, _)) => Err(Invalid::wrong(
                join(&self.path, &shortened(name)),
                expected,
                "a data URL",
            )),
        }
    }

    /// Returns the field with this name, which may be absent.
    pub(crate) fn field(&self, name: &str) -> Field<'a> {
        let value = self
            .values
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| *value)
            .filter(|value| !value.is_empty());
        Field {
            path: join(&self.path, name),
            value,
            kind: self.kind_of(name),
        }
    }

    /// Returns the described kind of a field.
    fn kind_of(&self, name: &str) -> Option<&'static Kind> {
        let specs = self.specs?;
        let spec = request_spec::find(specs, name);
        debug_assert!(
            spec.is_some(),
            "the parser reads {:?}, which is not described",
            join(&self.path, name)
        );
        spec.map(|spec| &spec.kind)
    }
}

impl<'a> Field<'a> {
    /// Returns the field's name with the objects and lists around it:
    /// `milestones[0].amount`.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// Returns true if the field is absent, null or an empty text.
    pub(crate) fn is_absent(&self) -> bool {
        self.value.is_none()
    }

    /// Returns the error that the field's value is not `expected`.
    pub(crate) fn must_be(&self, expected: impl Into<String>) -> Invalid {
        Invalid::wrong(
            self.path.as_str(),
            expected,
            self.value.map_or("nothing", |value| value.as_written()),
        )
    }

    /// Checks in debug builds that the field is described as read in this way.
    fn check_kind(&self, read_as: ReadAs) {
        if let Some(kind) = self.kind {
            debug_assert!(
                kind.is_read_as(read_as),
                "the parser reads {} as {read_as:?}, but it is described as {kind:?}",
                self.path
            );
        }
    }

    /// Parses a text.
    pub(crate) fn text(&self) -> Result<String, Invalid> {
        self.check_kind(ReadAs::Text);
        self.read("a text", |value| value.as_text())
    }

    /// Parses an optional text for people. One that shows nothing counts as left out.
    pub(crate) fn optional_text(&self) -> Result<Option<String>, Invalid> {
        Ok(self.optional(Self::text)?.filter(|text| !is_blank(text)))
    }

    /// Parses a whole number. Some languages write one as `1.0` or `1e3`.
    pub(crate) fn integer(&self) -> Result<i64, Invalid> {
        self.check_kind(ReadAs::Integer);
        let number = self.whole_number()?;
        let (min, max) = match self.kind {
            Some(&Kind::Integer(min, max)) => (min, max),
            _ => (i64::MIN, i64::MAX),
        };
        number.scaled(0).ok_or_else(|| {
            self.must_be(if number.is_negative {
                format!("a whole number of at least {min}")
            } else {
                format!("a whole number of at most {max}")
            })
        })
    }

    /// Parses a whole number as [`Self::integer`] does. One beyond 64 bits counts as the largest
    /// or the smallest of them: it is as far beyond every bound of a list.
    pub(crate) fn clamped_integer(&self) -> Result<i64, Invalid> {
        self.check_kind(ReadAs::Integer);
        let number = self.whole_number()?;
        let bound = if number.is_negative { i64::MIN } else { i64::MAX };
        Ok(number.scaled(0).unwrap_or(bound))
    }

    fn whole_number(&self) -> Result<Decimal, Invalid> {
        let number = Decimal::parse(self.required()?.as_written());
        let number = number.filter(|number| number.decimals() == 0);
        number.ok_or_else(|| self.must_be("a whole number"))
    }

    /// Parses an amount of money in major units, with at most two decimals.
    pub(crate) fn amount(&self) -> Result<Amount, Invalid> {
        let least = match self.kind {
            Some(&(Kind::Amount(least) | Kind::AmountFromTo(least, _))) => Amount::from_minor(least),
            _ => None,
        };
        self.amount_of(AmountShape::AtLeast(least.unwrap_or(Amount::ZERO)))
    }

    /// Parses an amount, of which the route knows more than the kind says. It checks the bounds.
    pub(crate) fn amount_of(&self, shape: AmountShape) -> Result<Amount, Invalid> {
        self.check_kind(ReadAs::Amount);
        let text = self.required()?.as_written();
        Amount::parse_major(text).map_err(|error| self.must_be(shape.expected_after(error)))
    }

    /// Parses a calendar day, `YYYY-MM-DD`.
    pub(crate) fn date(&self) -> Result<Date, Invalid> {
        self.parsed("a date written YYYY-MM-DD", Date::parse)
    }

    /// Parses a span of time: a text such as `1d12h`, or a number of seconds.
    pub(crate) fn span(&self) -> Result<Span, Invalid> {
        self.check_kind(ReadAs::Span);
        let value = self.required()?;
        let span = match value.as_text() {
            Some(text) => Span::parse(&text),
            None => Span::of_number(value.as_written()),
        };
        span.map_err(|problem| self.must_be(problem.to_string()))
    }

    /// Parses the id of a customer.
    pub(crate) fn customer_id(&self) -> Result<CustomerId, Invalid> {
        self.check_kind(ReadAs::Text);
        let text = self.required()?.as_text().unwrap_or_default();
        CustomerId::parse(&text).ok_or_else(|| self.must_be(expected_customer_id(&text)))
    }

    /// Parses the id of a category of the seller or of the merchant.
    pub(crate) fn category_id(&self) -> Result<CategoryId, Invalid> {
        self.category(category::OF_SELLER_OR_MERCHANT)
    }

    /// Parses the id of a category of the merchant.
    pub(crate) fn category_id_of_merchant(&self) -> Result<CategoryId, Invalid> {
        self.category(category::OF_MERCHANT)
    }

    fn category(&self, expected: &str) -> Result<CategoryId, Invalid> {
        self.parsed(expected, |text| {
            Some(CategoryId::named(text)).filter(|id| id.number() > 0)
        })
    }

    /// Parses an email address.
    pub(crate) fn email(&self) -> Result<Email, Invalid> {
        self.parsed("an email address", Email::parse)
    }

    /// Parses a country's letters or its id.
    pub(crate) fn country(&self) -> Result<Country, Invalid> {
        self.parsed(Country::SHAPE, Country::parse)
    }

    /// Parses a boolean. A form field has the text `true` or `false`.
    pub(crate) fn boolean(&self) -> Result<bool, Invalid> {
        self.check_kind(ReadAs::Boolean);
        self.read("true or false", |value| value.as_written().parse().ok())
    }

    /// Returns true if the field has a number below zero.
    pub(crate) fn is_negative(&self) -> bool {
        self.value
            .is_some_and(|value| Amount::parse_major(value.as_written()) == Err(NotAnAmount::Negative))
    }

    /// Parses the reference of a payment.
    pub(crate) fn reference(&self) -> Result<Reference, Invalid> {
        self.parsed(Reference::SHAPE, Reference::parse)
    }

    /// Parses a variant of this enum by its word. The letter case must match.
    pub(crate) fn word<T: VariantArray + Copy + Into<&'static str>>(&self) -> Result<T, Invalid> {
        self.one_of(T::VARIANTS)
    }

    /// Parses one of these words. The letter case must match.
    pub(crate) fn one_of<'w, T: Copy + Into<&'w str>>(&self, words: &[T]) -> Result<T, Invalid> {
        self.one_by(words, |sent, word| sent == word)
    }

    /// Parses one of these words, in any letter case.
    pub(crate) fn one_of_any_case<'w, T: Copy + Into<&'w str>>(&self, words: &[T]) -> Result<T, Invalid> {
        self.one_by(words, str::eq_ignore_ascii_case)
    }

    /// Parses one or several variants of this enum by their words, separated by commas. Returns
    /// each once, in the order of the enum.
    pub(crate) fn several_words<T: VariantArray + Copy + Into<&'static str>>(&self) -> Result<Vec<T>, Invalid> {
        let expected = format!("{}, or several of them separated by commas", choices_of(T::VARIANTS));
        self.parsed(&expected, |sent| {
            let sent: Vec<&str> = sent.split(',').collect();
            let found = T::VARIANTS.iter().copied();
            let found: Vec<T> = found.filter(|&word| sent.contains(&word.into())).collect();
            let is_known = |sent: &&str| found.iter().any(|&word| *sent == word.into());
            sent.iter().all(is_known).then_some(found)
        })
    }

    fn one_by<'w, T: Copy + Into<&'w str>>(
        &self,
        words: &[T],
        is_same: impl Fn(&str, &str) -> bool,
    ) -> Result<T, Invalid> {
        self.parsed(&choices_of(words), |sent| {
            words.iter().copied().find(|&word| is_same(sent, word.into()))
        })
    }

    /// Parses an object.
    pub(crate) fn object(&self) -> Result<Fields<'a>, Invalid> {
        self.check_kind(ReadAs::Object);
        match self.required()? {
            Value::Json(raw) if raw.get().starts_with('{') => {
                let fields = Fields::of_json_at(self.path.clone(), &self.path, raw.get())?;
                fields.check_no_data_url("left out, because no file belongs here")?;
                Ok(fields.described_by(self.kind.and_then(Kind::fields)))
            }
            _ => Err(self.must_be("an object")),
        }
    }

    /// Parses a list. Each element is a field with its own path, such as `milestones[1]`.
    pub(crate) fn list(&self) -> Result<Vec<Field<'a>>, Invalid> {
        self.check_kind(ReadAs::List);
        let elements: Vec<&'a RawValue> = self.read("a list", |value| match value {
            Value::Json(raw) => serde_json::from_str(raw.get()).ok(),
            Value::Form(_) => None,
        })?;
        let element = |(index, raw)| Field {
            path: format!("{}[{index}]", self.path),
            value: Some(Value::Json(raw)),
            kind: self.kind.and_then(Kind::entry),
        };
        Ok(elements.into_iter().enumerate().map(element).collect())
    }

    /// Returns true if the field has a JSON list.
    pub(crate) fn is_list(&self) -> bool {
        self.value
            .is_some_and(|value| matches!(value, Value::Json(raw) if raw.get().starts_with('[')))
    }

    /// Parses the field with `read`, or returns `None` if the field is absent.
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

    /// Parses a text with `parse`. If that returns `None`, the error asks for `expected`.
    pub(crate) fn parsed<T>(&self, expected: &str, parse: impl FnOnce(&str) -> Option<T>) -> Result<T, Invalid> {
        self.check_kind(ReadAs::Text);
        self.read(expected, |value| parse(&value.as_text()?))
    }

    fn read<T>(&self, expected: &str, read: impl FnOnce(Value<'a>) -> Option<T>) -> Result<T, Invalid> {
        read(self.required()?).ok_or_else(|| self.must_be(expected))
    }
}

/// Returns these words as a choice: `"one" or "two"`.
fn choices_of<'w, T: Copy + Into<&'w str>>(words: &[T]) -> String {
    let quoted: Vec<String> = words.iter().map(|&word| format!("\"{}\"", word.into())).collect();
    quoted.join(" or ")
}

/// Parses the id of a customer in a header or a path, which `field` names.
pub(crate) fn customer_id(field: &str, text: &str) -> Result<CustomerId, Invalid> {
    CustomerId::parse(text).ok_or_else(|| Invalid::wrong(field, expected_customer_id(text), text))
}

/// Returns what is expected in place of a text that is not the id of a customer.
fn expected_customer_id(text: &str) -> String {
    if is_unset_variable(text) {
        "the id of a customer; the client's variable for it has no value".to_owned()
    } else {
        format!("a customer id: {}", CustomerId::SHAPE)
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}
