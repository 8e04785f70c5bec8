//! `escrowd reset`: replaces the merchant of a key by a new one.

use std::process::ExitCode;

use anyhow::Context;

use crate::cli::output::{print_done, say};
use crate::cli::sandbox::SandboxArguments;

#[derive(Debug, clap::Args)]
pub(super) struct ResetArguments {
    #[command(flatten)]
    sandbox: SandboxArguments,
}

/// Gives the key a new, empty merchant.
pub(super) fn run(arguments: ResetArguments) -> anyhow::Result<ExitCode> {
    let reset = arguments.sandbox.connect()?.ask("POST", "/sandbox/reset", None, None)?;
    let merchant = reset["merchantId"].as_i64().context("the reply has no merchantId")?;
    let done = || format!("the key has a fresh merchant, number {merchant}");
    print_done(done, || say!("The key now has a fresh merchant, number {merchant}."));
    Ok(ExitCode::SUCCESS)
}
