//! Customers: profiles, permissions, wallets, and the countries they can be of.

pub mod country;
pub mod customer;
pub mod profile;
