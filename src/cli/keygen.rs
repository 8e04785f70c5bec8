//! `escrowd keygen`: a secret key for live mode.

use std::process::ExitCode;

use sha2::{Digest, Sha256};

use crate::entropy;

/// Prints a fresh key and its hash. The key is stored nowhere.
pub(super) fn run() -> ExitCode {
    let key = entropy::live_key();
    let hash = hex::encode(Sha256::digest(&key));
    anstream::println!("Secret key, for the merchant alone; it is shown once and stored nowhere:\n\n    {key}\n");
    anstream::println!("For config.toml, in the merchant's section:\n\n    key_sha256 = [\"{hash}\"]");
    ExitCode::SUCCESS
}
