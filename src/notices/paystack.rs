//! Paystack's notice of a successful charge: the event `charge.success`.
//!
//! The body is `{"event", "data"}`, signed in `x-paystack-signature` with the HMAC-SHA512 of
//! its bytes under the secret key, in hex. Amounts are whole kobo.

use std::collections::BTreeSet;

use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Map, Value};
use sha2::Sha512;

use crate::domain::characters::is_forbidden_in_line;
use crate::domain::invalid::{Invalid, Parsed};
use crate::domain::malformed_json::malformed_json;
use crate::domain::money::Amount;
use crate::domain::time::Timestamp;
use crate::domain::treasury::notice::Notice;
use crate::notices::format::{NoticeFormat, RawNotice};

const SIGNATURE_HEADER: &str = "x-paystack-signature";

/// The event of money that came in.
const EVENT: &str = "charge.success";

/// The names under which the metadata of a payment can have the reference of a deposit. The
/// second is spelled as most variables of Paystack's custom fields.
const DEPOSIT_REFERENCE: [&str; 2] = ["depositReference", "deposit_reference"];

/// The most characters that are kept of a text of the payer or the merchant.
const TEXT_CHARS_MAX: usize = 255;

/// The format of Paystack's notices.
#[derive(Clone, Copy, Debug)]
pub struct Paystack;

impl NoticeFormat for Paystack {
    fn name(&self) -> &'static str {
        "paystack"
    }

    fn is_signed(&self, notice: &RawNotice<'_>, secret: &str) -> bool {
        let signature = notice.header(SIGNATURE_HEADER).map(hex::decode);
        let Some(Ok(signature)) = signature.filter(|_| !secret.is_empty()) else {
            return false;
        };
        let mut mac = Hmac::<Sha512>::new_from_slice(secret.as_bytes()).expect("HMAC takes a key of any length");
        mac.update(notice.body);
        mac.verify_slice(&signature).is_ok()
    }

    fn currency_field(&self) -> &'static str {
        "data.currency"
    }

    fn parse(&self, body: &[u8]) -> Parsed<Option<Notice>> {
        let body: Value = serde_json::from_slice(body)
            .map_err(|error| malformed_json("body", "a JSON object with event and data", &error))?;
        let event = Object {
            path: "",
            map: body.as_object(),
        };
        if event.text("event")? != EVENT {
            return Ok(None);
        }
        let data = event.object("data")?;
        let status = data.text("status")?;
        if status != "success" {
            return Err(Invalid::wrong("data.status", "success", &format!("{status:?}")));
        }
        Ok(Some(Notice {
            // The id and not `reference`: Paystack makes the id, while the payer's browser can
            // choose the reference, and so could use up that of another payment.
            provider_reference: format!("{}:{}", self.name(), data.id("id")?),
            deposit_references: deposit_references(&data)?,
            narration: data.value("authorization").and_then(|of| kept(of.get("narration")?)),
            amount: data.amount("amount")?,
            fee: data.optional_amount("fees")?,
            currency: data.currency("currency")?,
            customer_email: data.value("customer").and_then(|of| kept(of.get("email")?)),
            // A text that is no time is left out, so that the money is recorded all the same.
            paid_at: Timestamp::parse(data.text("paid_at")?),
            is_test: data.value("domain").and_then(Value::as_str) == Some("test"),
        }))
    }
}

/// Returns the references that the payment may belong to: those of the metadata, which the
/// merchant set, then the transaction's own, which is the deposit's if the merchant started
/// the payment with it.
fn deposit_references(data: &Object<'_>) -> Parsed<Vec<String>> {
    let own = data.text("reference")?;
    let mut references = Vec::new();
    if let Some(metadata) = data.value("metadata").and_then(as_metadata) {
        for name in DEPOSIT_REFERENCE {
            references.extend(metadata.get(name).and_then(kept));
        }
        let fields = metadata.get("custom_fields").and_then(Value::as_array);
        for field in fields.into_iter().flatten() {
            let name = field.get("variable_name").and_then(Value::as_str);
            if name.is_some_and(|name| DEPOSIT_REFERENCE.contains(&name)) {
                references.extend(field.get("value").and_then(kept));
            }
        }
    }
    references.extend(kept(&Value::from(own)));
    let mut seen = BTreeSet::new();
    references.retain(|reference| seen.insert(reference.clone()));
    Ok(references)
}

/// Returns the metadata as an object. Paystack gives back what the merchant sent: an object,
/// an object as a string, another text, or nothing.
fn as_metadata(metadata: &Value) -> Option<Map<String, Value>> {
    match metadata {
        Value::Object(object) => Some(object.clone()),
        Value::String(text) => serde_json::from_str(text).ok(),
        _ => None,
    }
}

/// Returns a text that a line can have and that is short enough to be kept, without spaces around
/// it.
fn kept(value: &Value) -> Option<String> {
    let text = value.as_str()?.trim();
    let is_kept = !text.is_empty() && text.chars().count() <= TEXT_CHARS_MAX && !text.contains(is_forbidden_in_line);
    is_kept.then(|| text.to_owned())
}

/// An object of the body, with its path.
struct Object<'a> {
    path: &'static str,
    /// `None` if the value is no object.
    map: Option<&'a Map<String, Value>>,
}

impl<'a> Object<'a> {
    fn path(&self, name: &str) -> String {
        if self.path.is_empty() {
            name.to_owned()
        } else {
            format!("{}.{name}", self.path)
        }
    }

    /// Returns a value that is there and not null.
    fn value(&self, name: &str) -> Option<&'a Value> {
        self.map?.get(name).filter(|value| !value.is_null())
    }

    fn required(&self, name: &str) -> Parsed<&'a Value> {
        self.value(name).ok_or_else(|| Invalid::missing(self.path(name)))
    }

    fn wrong(&self, name: &str, expected: &str, got: &Value) -> Invalid {
        Invalid::wrong(self.path(name), expected, &got.to_string())
    }

    fn object(&self, name: &'static str) -> Parsed<Object<'a>> {
        let value = self.required(name)?;
        let map = value.as_object().ok_or_else(|| self.wrong(name, "an object", value))?;
        Ok(Object {
            path: name,
            map: Some(map),
        })
    }

    fn text(&self, name: &str) -> Parsed<&'a str> {
        let value = self.required(name)?;
        let text = value.as_str().map(str::trim).filter(|text| !text.is_empty());
        text.ok_or_else(|| self.wrong(name, "a text", value))
    }

    fn id(&self, name: &str) -> Parsed<u64> {
        let value = self.required(name)?;
        value.as_u64().ok_or_else(|| self.wrong(name, "a whole number", value))
    }

    fn amount(&self, name: &str) -> Parsed<Amount> {
        let value = self.required(name)?;
        let amount = value
            .as_i64()
            .and_then(Amount::from_minor)
            .filter(|amount| !amount.is_zero());
        amount.ok_or_else(|| {
            let max = Amount::MAX.minor();
            self.wrong(name, &format!("a whole number of kobo from 1 to {max}"), value)
        })
    }

    /// Returns an amount that may be missing, and may be zero.
    fn optional_amount(&self, name: &str) -> Parsed<Option<Amount>> {
        let Some(value) = self.value(name) else {
            return Ok(None);
        };
        let amount = value.as_i64().and_then(Amount::from_minor);
        let wrong = || self.wrong(name, "a whole number of kobo from 0", value);
        amount.ok_or_else(wrong).map(Some)
    }

    fn currency(&self, name: &str) -> Parsed<String> {
        let text = self.text(name)?;
        let is_code = text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_uppercase());
        let wrong = || self.wrong(name, "a code of three capital letters, such as NGN", &Value::from(text));
        is_code.then(|| text.to_owned()).ok_or_else(wrong)
    }
}

#[cfg(test)]
mod tests;
