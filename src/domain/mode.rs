//! The mode of a server: test money or real money.

use serde::Deserialize;
use strum::Display;

/// The mode of a server and of its file. A file keeps the mode it was created in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Display)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum Mode {
    /// Test money. Every key is a merchant and every customer id a customer.
    Sandbox,
    /// Real money. The operator registers merchants and keys, and merchants register
    /// customers.
    Live,
}

impl Mode {
    /// Returns the contract's word for the mode: `test` or `live`.
    pub const fn environment(self) -> &'static str {
        match self {
            Self::Sandbox => "test",
            Self::Live => "live",
        }
    }
}
