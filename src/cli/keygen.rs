//! `escrowd keygen`: generates a secret key for live mode.

use std::process::ExitCode;

use sha2::{Digest, Sha256};

use crate::domain::events::webhook_endpoint::SigningSecret;
use crate::entropy;
use crate::webhooks::signing;

/// Prints a new key, its hash, and the Standard Webhooks secret that verifies the events
/// signed with it. The key is not stored.
pub(super) fn run() -> ExitCode {
    let key = entropy::live_key();
    let hash = hex::encode(Sha256::digest(&key));
    anstream::println!("Secret key. It is shown once and not stored; give it only to the merchant:\n\n    {key}\n");
    anstream::println!("For config.toml, in the merchant's section:\n\n    key_sha256 = [\"{hash}\"]");
    let secret = signing::standard_secret(&SigningSecret::new(&key));
    anstream::println!(
        "\nIf signing_secret is this key, libraries for Standard Webhooks verify the events with this secret:\
         \n\n    {secret}"
    );
    ExitCode::SUCCESS
}
