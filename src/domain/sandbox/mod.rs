//! Features of the sandbox alone: seeds, and clocks that can be moved.

pub mod clock_offset;
pub mod seed;
pub mod span;
