//! Tests of the rules of escrows.

mod actions;
pub(in crate::domain::escrow) mod helpers;
mod milestones;
mod random;
mod standard;
mod transitions;
mod walk;
