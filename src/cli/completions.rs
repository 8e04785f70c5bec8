//! `escrowd completions`: prints the script with which a shell completes the commands and
//! options of the program.

use std::process::ExitCode;

use clap_complete::Shell;

use crate::cli::output;

#[derive(Debug, clap::Args)]
pub(super) struct CompletionsArguments {
    /// The shell that reads the script
    shell: Shell,
}

/// Prints the script. It follows from the definition of the command line.
pub(super) fn run(arguments: &CompletionsArguments, mut program: clap::Command) -> anyhow::Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut program, "escrowd", &mut script);
    output::print(&script)
}
