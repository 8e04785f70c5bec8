//! `escrowd man`: prints the manual page of the program, or writes the pages of all its
//! commands.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap_mangen::Man;

use crate::cli::output;

#[derive(Debug, clap::Args)]
pub(super) struct ManArguments {
    /// Write a page for the program and one for each command to this folder
    #[arg(long, value_name = "DIR")]
    out_dir: Option<PathBuf>,
}

/// Prints or writes the pages. They follow from the definition of the command line.
pub(super) fn run(arguments: &ManArguments, program: clap::Command) -> anyhow::Result<ExitCode> {
    let Some(folder) = &arguments.out_dir else {
        let mut page = Vec::new();
        Man::new(program).render(&mut page)?;
        return output::print(&page);
    };
    fs::create_dir_all(folder)
        .and_then(|()| clap_mangen::generate_to(program, folder))
        .with_context(|| format!("cannot write manual pages to {}", folder.display()))?;
    Ok(ExitCode::SUCCESS)
}
