//! Customers: profiles, permissions, wallets and countries.

pub mod country;
pub mod customer;
pub mod placeholder;
pub mod profile;
