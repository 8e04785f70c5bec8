//! Merchants: their settings and their keys (contract section 1.2).

pub mod key;
pub mod publishable_key;
pub mod settings;
