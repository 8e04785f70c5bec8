//! Routes of whitelisted addresses (contract section 4.11).

use actix_web::web::{Data, Path};
use schemars::JsonSchema;
use serde::Serialize;

use crate::commands::whitelist;
use crate::domain::ids::WhitelistAddressId;
use crate::domain::invalid::Parsed;
use crate::domain::payments::whitelist::{EvmAddress, LABEL_CHARS_MAX, NETWORK, WhitelistAddress, WhitelistRequest};
use crate::domain::refusal::RefusalKind;
use crate::domain::time::Timestamp;
use crate::http::auth::Caller;
use crate::http::body::JsonBody;
use crate::http::envelope::{CreatedReply, NoData, Reply};
use crate::http::error::ApiError;
use crate::http::refusals::Refusals;
use crate::http::request_spec::{FieldSpec, Kind, RequestSpec};
use crate::http::routes::shared_fields::{EVM_ADDRESS, evm_address, text_up_to};
use crate::http::state::AppState;
use crate::store::Snapshot;
use crate::views::AsText;

/// The request of [`add`].
pub(crate) const ADDRESS: RequestSpec = RequestSpec::of_body(&[&[
    FieldSpec::required("walletAddress", EVM_ADDRESS).example("\"0x52908400098527886E0F7030069857D2E4169EE7\""),
    FieldSpec::required("network", Kind::Words(|| vec![NETWORK])),
    FieldSpec::optional("label", Kind::TextUpTo(LABEL_CHARS_MAX)),
]]);

/// The refusals of [`list`].
pub(crate) const LIST_REFUSALS: Refusals = Refusals::NONE.in_live(&[RefusalKind::FeatureNotEnabled]);

/// `GET /v1/whitelist-address`, as the customer.
pub(crate) async fn list(state: Data<AppState>, caller: Caller) -> Result<Reply<Vec<WhitelistAddressView>>, ApiError> {
    let allowed = state.policy.load().check_processor();
    let (merchant, ()) = state.admit(&caller, allowed).await?;
    let customer = caller.customer().clone();
    let whitelist = move |snapshot: &Snapshot<'_>| snapshot.whitelist(merchant, &customer);
    let addresses = state.store.read_long(merchant, whitelist).await?;
    let views: Vec<_> = addresses.into_iter().map(WhitelistAddressView::new).collect();
    Ok(Reply::ok("Whitelisted addresses retrieved successfully", views))
}

/// The refusals of [`add`].
pub(crate) const ADD_REFUSALS: Refusals = Refusals::NONE
    .in_live(&[RefusalKind::FeatureNotEnabled])
    .in_sandbox(&[RefusalKind::AddressAlreadyWhitelisted, RefusalKind::WhitelistFull]);

/// `POST /v1/whitelist-address`, as the customer.
pub(crate) async fn add(
    state: Data<AppState>,
    caller: Caller,
    body: JsonBody,
) -> Result<CreatedReply<WhitelistAddressView>, ApiError> {
    let request = parse_whitelist_address(&body);
    state
        .execute(
            &caller,
            move |tx, policy, actor| whitelist::add(tx, policy, actor, request),
            move |address, _context| {
                Reply::created(
                    "Wallet address whitelisted successfully",
                    WhitelistAddressView::new(address),
                )
            },
        )
        .await
}

/// The refusals of [`remove`].
pub(crate) const REMOVE_REFUSALS: Refusals = Refusals::NONE
    .in_live(&[RefusalKind::FeatureNotEnabled])
    .in_sandbox(&[RefusalKind::AddressNotFound]);

/// `DELETE /v1/whitelist-address/{addressId}`, as the customer.
pub(crate) async fn remove(
    state: Data<AppState>,
    caller: Caller,
    address: Path<String>,
) -> Result<Reply<NoData>, ApiError> {
    state
        .execute(
            &caller,
            move |tx, policy, actor| whitelist::remove(tx, policy, actor, WhitelistAddressId::named(&address)),
            |(), _context| Reply::ok("Address removed successfully", NoData {}),
        )
        .await
}

/// Contract section 4.11. Ignores `otp`, because the server never asks for one.
fn parse_whitelist_address(body: &JsonBody) -> Parsed<WhitelistRequest> {
    let fields = body.fields()?;
    let wallet_address = evm_address(&fields.field("walletAddress"))?;
    fields.field("network").one_of(&[NETWORK])?;
    let label = fields.field("label");
    Ok(WhitelistRequest {
        wallet_address,
        label: label.optional(|label| text_up_to(label, LABEL_CHARS_MAX))?,
    })
}

/// The contract's `WhitelistAddress`: an address that crypto withdrawals may go to.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WhitelistAddressView {
    id: AsText<WhitelistAddressId>,
    wallet_address: String,
    network: &'static str,
    label: Option<String>,
    date_added: AsText<Timestamp>,
    last_updated: AsText<Timestamp>,
}

/// The master address for crypto deposits.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DepositWalletView {
    wallet_address: String,
    network: &'static str,
    network_id: &'static str,
    qr_code: String,
    explorer_url: String,
    instructions: &'static str,
}

impl WhitelistAddressView {
    /// Shows an address. It never changes, so both dates are the same.
    pub(crate) fn new(address: WhitelistAddress) -> Self {
        Self {
            id: AsText(address.id),
            wallet_address: address.wallet_address.as_str().to_owned(),
            network: NETWORK,
            label: address.label,
            date_added: AsText(address.created_at),
            last_updated: AsText(address.created_at),
        }
    }
}

impl DepositWalletView {
    /// Shows a simulated address, with a warning not to use it.
    pub(crate) fn new(address: &EvmAddress) -> Self {
        let address = address.as_str();
        Self {
            wallet_address: address.to_owned(),
            network: "BSC Testnet",
            network_id: "97",
            qr_code: format!("ethereum:{address}@97"),
            explorer_url: format!("https://testnet.bscscan.com/address/{address}"),
            instructions: "SIMULATED: this address has no private key and is not watched. Send nothing to it: the \
                           money would be lost. In this sandbox, money comes in by a deposit intent or a top-up.",
        }
    }
}
