//! The merchant of a checkout session, as its requests act for it.

use std::net::IpAddr;

use sha2::{Digest, Sha256};

use crate::domain::ids::MerchantId;
use crate::domain::merchant::publishable_key::PublishableKey;
use crate::domain::mode::Mode;
use crate::http::client_address::ClientNetwork;
use crate::http::context::OnBehalf;
use crate::http::error::ApiError;
use crate::http::state::AppState;

/// Returns the merchant for whom the requests of a client's sessions act.
///
/// In a sandbox they count as requests of the merchant's key: its faults hit them, and its
/// request log shows them. In live mode they count for the client's network, so that no visitor
/// of a shop uses up the requests of another.
///
/// # Errors
///
/// Fails if the store does.
pub(crate) async fn on_behalf_of(
    state: &AppState,
    key: &PublishableKey,
    merchant: MerchantId,
    client: Option<IpAddr>,
) -> Result<OnBehalf, ApiError> {
    let mode = state.policy.load().mode;
    let of_merchant = match mode {
        Mode::Sandbox => {
            let read = state.store.read(move |snapshot| snapshot.sandbox_key_of(merchant));
            read.await?
        }
        Mode::Live => None,
    };
    let client = client.map(ClientNetwork::from);
    let of_client = || Sha256::digest(format!("{key} {client:?}")).into();
    Ok(OnBehalf {
        merchant,
        key_hash: of_merchant.unwrap_or_else(of_client),
    })
}
