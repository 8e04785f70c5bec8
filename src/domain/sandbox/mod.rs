//! What only the sandbox has: seeds and clocks that can be moved.

pub mod clock_offset;
pub mod seed;
pub mod span;
