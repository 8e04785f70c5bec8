//! The JSON schemas of the values that views show in a form of their own: amounts, and values
//! that are written as text. The schemas of the views follow from their types.

use std::borrow::Cow;
use std::marker::PhantomData;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::Number;
use strum::VariantArray;

use crate::domain::address_range::AddressRange;
use crate::domain::customers::phone::Phone;
use crate::domain::customers::profile::Email;
use crate::domain::events::choice::known_names;
use crate::domain::events::webhook_endpoint::WebhookUrl;
use crate::domain::ids::{
    CardId, CategoryId, Cursor, CustomerId, EscrowId, EventId, MilestoneId, OperatorId, PayoutId, ReceiptId,
    TransactionId, WalletId, WhitelistAddressId,
};
use crate::domain::ledger::Account;
use crate::domain::merchant::key::KeyId;
use crate::domain::merchant::publishable_key::PublishableKey;
use crate::domain::money::Amount;
use crate::domain::time::{Date, Timestamp};
use crate::views::{AsText, MajorUnits, SignedMajorUnits, SumInMajorUnits};

/// A value whose text has a form that a schema can state.
pub(crate) trait TextForm {
    /// Returns the schema of the text.
    fn schema() -> Schema;
}

/// States the schema of the text of each type.
macro_rules! text_forms {
    ($($type:ty => $schema:tt),+ $(,)?) => {
        $(impl TextForm for $type {
            fn schema() -> Schema {
                json_schema!($schema)
            }
        })+
    };
}

text_forms! {
    Account => { "type": "string", "description": "An account of the ledger" },
    AddressRange => { "type": "string", "description": "A range of addresses in CIDR notation" },
    CardId => { "type": "string", "pattern": "^[0-9a-f]{24}$" },
    CategoryId => { "type": "string", "pattern": "^[0-9a-f]{24}$" },
    Cursor => { "type": "string", "pattern": "^[0-9a-f]{24}$" },
    CustomerId => { "type": "string", "pattern": "^[!-~]{1,128}$" },
    Date => { "type": "string", "format": "date" },
    Email => { "type": "string", "format": "email" },
    EscrowId => { "type": "string", "pattern": "^[0-9a-f]{24}$" },
    EventId => { "type": "string", "pattern": "^[0-9a-f]{24}$" },
    KeyId => { "type": "string", "pattern": "^[0-9a-f]{24}$" },
    MilestoneId => { "type": "string", "pattern": "^[0-9a-f]{24}$" },
    OperatorId => { "type": "string", "pattern": "^[0-9a-f]{24}$" },
    PayoutId => { "type": "string", "pattern": "^[0-9a-f]{24}$" },
    Phone => { "type": "string" },
    PublishableKey => { "type": "string", "pattern": "^pk_(test|live)_" },
    ReceiptId => { "type": "string", "pattern": "^[0-9a-f]{24}$" },
    Timestamp => { "type": "string", "format": "date-time" },
    TransactionId => { "type": "string", "pattern": "^[0-9a-f]{24}$" },
    WalletId => { "type": "string", "pattern": "^[0-9a-f]{24}$" },
    WebhookUrl => { "type": "string", "format": "uri" },
    WhitelistAddressId => { "type": "string", "pattern": "^[0-9a-f]{24}$" },
    i64 => { "type": "string", "pattern": "^-?[0-9]+$", "description": "Seconds since 1970 (UTC)" },
}

impl<T: TextForm> JsonSchema for AsText<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Text".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        T::schema()
    }
}

/// Stands in a view's schema for a text that is the word of a variant of `T`.
pub(crate) struct Words<T>(PhantomData<T>);

impl<T: VariantArray + Copy + Into<&'static str>> JsonSchema for Words<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Words".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let words: Vec<&'static str> = T::VARIANTS.iter().map(|&word| word.into()).collect();
        json_schema!({ "type": "string", "enum": words })
    }
}

/// Stands in a view's schema for the name of an event.
pub(crate) struct EventName;

impl JsonSchema for EventName {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "EventName".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "enum": known_names() })
    }
}

impl JsonSchema for MajorUnits {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Amount".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        amount(Amount::ZERO.to_string())
    }
}

impl JsonSchema for SumInMajorUnits {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "AmountSum".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "number",
            "minimum": 0,
            "description": "Major units of the currency, with at most two decimals. The sum is exact and \
                has no largest value",
        })
    }
}

impl JsonSchema for SignedMajorUnits {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "SignedAmount".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        amount(format!("-{}", Amount::MAX))
    }
}

/// Returns the schema of an amount of at least `least` major units.
fn amount(least: String) -> Schema {
    let number = |text: String| text.parse::<Number>().expect("an amount is a number");
    json_schema!({
        "type": "number",
        "minimum": number(least),
        "maximum": number(Amount::MAX.to_string()),
        "description": "Major units of the currency, with at most two decimals",
    })
}
