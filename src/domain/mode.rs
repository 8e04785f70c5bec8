//! Play money or real money.

use serde::Deserialize;
use strum::Display;

/// What a server and its file are for. A file keeps the mode it was made in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Display)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum Mode {
    /// Play money: every key is a merchant, every customer id a customer.
    Sandbox,
    /// Real money: merchants, keys and customers are known beforehand.
    Live,
}

impl Mode {
    /// The contract's word for where a record belongs.
    pub const fn environment(self) -> &'static str {
        match self {
            Self::Sandbox => "test",
            Self::Live => "live",
        }
    }
}
