//! `escrowd keygen`: a secret key for live mode.

use std::process::ExitCode;

use sha2::{Digest, Sha256};

use crate::domain::events::webhook_endpoint::SigningSecret;
use crate::entropy;
use crate::webhooks::signing;

/// Prints a fresh key, its hash, and what verifies the events that it signs. The key is
/// stored nowhere.
pub(super) fn run() -> ExitCode {
    let key = entropy::live_key();
    let hash = hex::encode(Sha256::digest(&key));
    anstream::println!("Secret key, for the merchant alone; it is shown once and stored nowhere:\n\n    {key}\n");
    anstream::println!("For config.toml, in the merchant's section:\n\n    key_sha256 = [\"{hash}\"]");
    let secret = signing::standard_secret(&SigningSecret::new(&key));
    anstream::println!(
        "\nIf its events are signed with this key (signing_secret), libraries for Standard Webhooks verify them \
         with:\n\n    {secret}"
    );
    ExitCode::SUCCESS
}
