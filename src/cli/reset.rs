//! `escrowd reset`: a merchant starts over.

use std::process::ExitCode;

use crate::cli::sandbox::SandboxArguments;

#[derive(Debug, clap::Args)]
pub(super) struct ResetArguments {
    #[command(flatten)]
    sandbox: SandboxArguments,
}

/// Gives the key a merchant with nothing in it.
pub(super) fn run(arguments: ResetArguments) -> anyhow::Result<ExitCode> {
    let reset = arguments.sandbox.connect()?.ask("POST", "/sandbox/reset", None, None)?;
    anstream::println!("A fresh merchant, number {}.", reset["merchantId"]);
    Ok(ExitCode::SUCCESS)
}
