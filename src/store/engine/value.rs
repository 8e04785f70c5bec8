//! The values of statements, as both engines take and return them.

use crate::domain::mode::Mode;

/// A value in SQL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Value<'v> {
    Null,
    Integer(i64),
    Text(&'v str),
    Blob(&'v [u8]),
}

/// A type that a parameter of a statement takes.
pub(crate) trait ToValue {
    fn to_value(&self) -> Value<'_>;
}

/// The values of a statement's parameters, in their order: `?1`, `?2` and so on.
macro_rules! params {
    ($($value:expr),* $(,)?) => {
        &[$(crate::store::engine::value::ToValue::to_value(&$value)),*]
    };
}
pub(crate) use params;

impl From<i64> for Value<'_> {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

impl From<u32> for Value<'_> {
    fn from(number: u32) -> Self {
        Self::Integer(number.into())
    }
}

impl<'v> From<&'v str> for Value<'v> {
    fn from(text: &'v str) -> Self {
        Self::Text(text)
    }
}

impl<T: Into<Self>> From<Option<T>> for Value<'_> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// Returns the word by which a database names its mode.
pub(crate) const fn stored_mode(mode: Mode) -> &'static str {
    match mode {
        Mode::Sandbox => "SANDBOX",
        Mode::Live => "LIVE",
    }
}

/// Returns the mode that a database names by this word.
pub(crate) fn mode_of(stored: &str) -> Option<Mode> {
    [Mode::Sandbox, Mode::Live]
        .into_iter()
        .find(|mode| stored == stored_mode(*mode))
}

/// Implements [`ToValue`] for types of numbers.
macro_rules! numbers {
    ($($type:ty),*) => {
        $(impl ToValue for $type {
            fn to_value(&self) -> Value<'_> {
                Value::Integer(i64::from(*self))
            }
        })*
    };
}

numbers!(bool, i64, u8, u16, u32);

/// Implements [`ToValue`] for types of counts, such as limits. A count beyond those of SQL is the
/// greatest of SQL, which no table has rows for.
macro_rules! counts {
    ($($type:ty),*) => {
        $(impl From<$type> for Value<'_> {
            fn from(count: $type) -> Self {
                Self::Integer(i64::try_from(count).unwrap_or(i64::MAX))
            }
        }

        impl ToValue for $type {
            fn to_value(&self) -> Value<'_> {
                (*self).into()
            }
        })*
    };
}

counts!(u64, usize);

impl ToValue for str {
    fn to_value(&self) -> Value<'_> {
        Value::Text(self)
    }
}

impl ToValue for String {
    fn to_value(&self) -> Value<'_> {
        Value::Text(self)
    }
}

impl ToValue for [u8] {
    fn to_value(&self) -> Value<'_> {
        Value::Blob(self)
    }
}

impl ToValue for Vec<u8> {
    fn to_value(&self) -> Value<'_> {
        Value::Blob(self)
    }
}

impl<const N: usize> ToValue for [u8; N] {
    fn to_value(&self) -> Value<'_> {
        Value::Blob(self)
    }
}

impl<T: ToValue> ToValue for Option<T> {
    fn to_value(&self) -> Value<'_> {
        self.as_ref().map_or(Value::Null, ToValue::to_value)
    }
}

impl<T: ToValue + ?Sized> ToValue for &T {
    fn to_value(&self) -> Value<'_> {
        (**self).to_value()
    }
}
