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

/// The mode of a server, and the rules that it has beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Variant {
    pub mode: Mode,
    /// True if the server behaves as the hosted API where its own default is more lenient
    /// (the last column of contract section 8).
    pub is_strict: bool,
}

impl Variant {
    /// Returns the variant of this mode without the strict rules.
    pub const fn lenient(mode: Mode) -> Self {
        Self { mode, is_strict: false }
    }

    /// Returns true if the server registers the customers that it does not know.
    pub const fn registers_unknown(self) -> bool {
        matches!(self.mode, Mode::Sandbox) && !self.is_strict
    }
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
