//! The contract as one table: every route of its section 1.3, with what each
//! answers to the right request and to everything that is wrong with one.

mod fields;
mod matrix;
mod queries;
mod refusals;
mod row;
mod sandbox;
mod scene;
mod table;
mod walk;
