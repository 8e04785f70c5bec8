//! Tests the contract with one table: every route of its section 1.3, with its replies to a
//! valid request and to each kind of invalid one.

mod fields;
mod matrix;
mod queries;
mod refusals;
mod row;
mod sandbox;
mod scene;
mod table;
mod walk;
