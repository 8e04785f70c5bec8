//! Tests of the rules of escrows.

mod actions;
mod exits;
mod funding;
pub(in crate::domain::escrow) mod helpers;
mod map;
mod milestones;
mod random;
mod standard;
mod transitions;
mod walk;
