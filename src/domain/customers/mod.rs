//! Customers: profiles, permissions, wallets and countries.

pub mod country;
pub mod customer;
mod international;
pub mod owner_problem;
pub mod phone;
pub mod placeholder;
pub mod profile;
