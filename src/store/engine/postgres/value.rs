//! Values on their way to and from PostgreSQL.

use std::borrow::Cow;
use std::error::Error as StdError;

use bytes::BytesMut;
use tokio_postgres::Row;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, WrongType, to_sql_checked};

use crate::store::engine::error::Error;
use crate::store::engine::value::Value;

/// Returns the value of a column.
pub(crate) fn value_of(row: &Row, column: usize) -> Result<Value<'_>, Error> {
    let held: Held<'_> = row.try_get(column)?;
    Ok(held.0)
}

impl ToSql for Value<'_> {
    fn to_sql(&self, kind: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn StdError + Sync + Send>> {
        match *self {
            Value::Null => Ok(IsNull::Yes),
            Value::Integer(number) => match *kind {
                Type::INT8 => number.to_sql(kind, out),
                Type::INT4 => i32::try_from(number)?.to_sql(kind, out),
                Type::BOOL => (number != 0).to_sql(kind, out),
                // A parameter that does not occur in its statement.
                Type::TEXT => number.to_string().to_sql(kind, out),
                _ => Err(WrongType::new::<i64>(kind.clone()).into()),
            },
            Value::Text(text) => without_nul(text).to_sql(kind, out),
            Value::Blob(bytes) => bytes.to_sql(kind, out),
        }
    }

    /// A value says itself which types it has; the statement's types are known when it is
    /// written.
    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

/// Returns values as the library takes them.
pub(super) fn parameters<'v>(values: &'v [Value<'v>]) -> Vec<&'v (dyn ToSql + Sync)> {
    values.iter().map(|value| value as &(dyn ToSql + Sync)).collect()
}

/// A value that outlives the call that sends its statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum OwnedValue {
    Null,
    Integer(i64),
    Text(String),
    Blob(Vec<u8>),
}

impl From<Value<'_>> for OwnedValue {
    fn from(value: Value<'_>) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Integer(number) => Self::Integer(number),
            Value::Text(text) => Self::Text(text.to_owned()),
            Value::Blob(bytes) => Self::Blob(bytes.to_owned()),
        }
    }
}

/// Returns values that outlive the call that sends their statement.
pub(super) fn owned(values: &[Value<'_>]) -> Vec<OwnedValue> {
    values.iter().copied().map(OwnedValue::from).collect()
}

impl OwnedValue {
    pub(super) const fn as_value(&self) -> Value<'_> {
        match self {
            Self::Null => Value::Null,
            Self::Integer(number) => Value::Integer(*number),
            Self::Text(text) => Value::Text(text.as_str()),
            Self::Blob(bytes) => Value::Blob(bytes.as_slice()),
        }
    }
}

impl ToSql for OwnedValue {
    fn to_sql(&self, kind: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn StdError + Sync + Send>> {
        self.as_value().to_sql(kind, out)
    }

    fn accepts(kind: &Type) -> bool {
        <Value<'_> as ToSql>::accepts(kind)
    }

    to_sql_checked!();
}

/// Replaces U+0000, which PostgreSQL cannot store in a text. The domain refuses it in every text
/// that it stores, but it occurs in unknown ids, and files have it in responses of webhook
/// endpoints from before the service replaced it there.
pub(crate) fn without_nul(text: &str) -> Cow<'_, str> {
    if text.contains('\0') {
        Cow::Owned(text.replace('\0', "\u{fffd}"))
    } else {
        Cow::Borrowed(text)
    }
}

/// A value as a row holds it.
struct Held<'r>(Value<'r>);

impl<'r> FromSql<'r> for Held<'r> {
    fn from_sql(kind: &Type, raw: &'r [u8]) -> Result<Self, Box<dyn StdError + Sync + Send>> {
        Ok(Self(match *kind {
            Type::INT8 => Value::Integer(i64::from_sql(kind, raw)?),
            Type::INT4 => Value::Integer(i32::from_sql(kind, raw)?.into()),
            Type::BOOL => Value::Integer(bool::from_sql(kind, raw)?.into()),
            Type::NUMERIC => Value::Integer(whole_number(raw).ok_or("a sum is no whole number of 64 bits")?),
            Type::BYTEA => Value::Blob(raw),
            _ => Value::Text(<&str>::from_sql(kind, raw)?),
        }))
    }

    fn from_sql_null(_: &Type) -> Result<Self, Box<dyn StdError + Sync + Send>> {
        Ok(Self(Value::Null))
    }

    fn accepts(kind: &Type) -> bool {
        matches!(
            *kind,
            Type::INT8 | Type::INT4 | Type::BOOL | Type::NUMERIC | Type::BYTEA
        ) || <&str as FromSql>::accepts(kind)
    }
}

/// Decodes a NUMERIC, the type of PostgreSQL's sums: a head of four numbers of 16 bits (how
/// many digits, the power of the first, the sign, the decimals), and the digits to the base
/// 10000. Returns `None` if it has decimals or does not fit.
fn whole_number(raw: &[u8]) -> Option<i64> {
    const BASE: i128 = 10_000;
    const NEGATIVE: u16 = 0x4000;
    const POSITIVE: u16 = 0;
    let (pairs, []) = raw.as_chunks::<2>() else {
        return None;
    };
    let (head, digits) = pairs.split_first_chunk::<4>()?;
    let [count, weight, sign, _] = head.map(u16::from_be_bytes);
    if usize::from(count) != digits.len() {
        return None;
    }
    let mut sum: i128 = 0;
    for place in 0..=i32::from(weight.cast_signed()) {
        let digit = digits.get(usize::try_from(place).ok()?).copied().unwrap_or_default();
        sum = sum.checked_mul(BASE)?.checked_add(u16::from_be_bytes(digit).into())?;
    }
    let is_whole = i32::from(count) <= i32::from(weight.cast_signed()) + 1;
    let signed = match sign {
        POSITIVE => sum,
        NEGATIVE => -sum,
        _ => return None,
    };
    is_whole.then(|| i64::try_from(signed).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numeric(weight: i16, sign: u16, digits: &[u16]) -> Vec<u8> {
        let count = u16::try_from(digits.len()).unwrap();
        let head = [count, weight.cast_unsigned(), sign, 0];
        head.iter()
            .chain(digits)
            .flat_map(|number| number.to_be_bytes())
            .collect()
    }

    #[test]
    fn sums_are_read_as_whole_numbers() {
        for (raw, expected) in [
            (numeric(0, 0, &[]), Some(0)),
            (numeric(0, 0, &[7]), Some(7)),
            (numeric(1, 0x4000, &[1]), Some(-10_000)),
            (numeric(4, 0, &[922, 3372, 368, 5477, 5807]), Some(i64::MAX)),
            (numeric(4, 0, &[922, 3372, 368, 5477, 5808]), None),
            (numeric(0, 0, &[1, 5000]), None),
            (numeric(-1, 0, &[5000]), None),
            (numeric(0, 0xc000, &[]), None),
            (vec![0, 1, 0], None),
        ] {
            assert_eq!(whole_number(&raw), expected, "{raw:?}");
        }
    }
}
