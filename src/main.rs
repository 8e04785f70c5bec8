//! The entry point of the binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    escrowd::cli::run()
}
