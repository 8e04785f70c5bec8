//! Events and their delivery to webhook endpoints.

pub mod addresses;
pub mod choice;
pub mod delivery;
pub mod event;
pub mod webhook_endpoint;
