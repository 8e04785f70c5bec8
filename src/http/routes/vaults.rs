//! Routes of vaults (contract section 4.8).

use actix_web::web::{Data, Path};

use crate::commands::vaults;
use crate::domain::escrow::deal::Deal;
use crate::domain::ids::PaymentToken;
use crate::domain::refusal::Refusal;
use crate::http::auth::ActingMerchant;
use crate::http::body::JsonBody;
use crate::http::drafts;
use crate::http::envelope::{Answer, ApiError, Reply};
use crate::http::state::AppState;
use crate::views::EscrowView;

/// `POST /v1/escrow/vault/create`, as the merchant.
pub(crate) async fn create(api: Data<AppState>, acting: ActingMerchant, body: JsonBody) -> Result<Answer, ApiError> {
    let draft = drafts::vaults::vault(&body);
    api.act_as_merchant(
        &acting.key_holder,
        move |tx, policy, merchant| vaults::create(tx, policy, merchant, draft),
        |vault, viewing| {
            Reply::created(
                "Vault escrow created successfully",
                EscrowView::of_vault(vault, viewing),
            )
        },
    )
    .await
}

/// `POST /v1/escrow/vault/winner/{paymentToken}`, as the merchant.
pub(crate) async fn declare_winner(
    api: Data<AppState>,
    acting: ActingMerchant,
    token: Path<String>,
    body: JsonBody,
) -> Result<Answer, ApiError> {
    let winner = drafts::vaults::winner(&body);
    let token = PaymentToken::named(&token);
    api.act_as_merchant(
        &acting.key_holder,
        move |tx, _policy, merchant| vaults::declare_winner(tx, merchant, token, winner),
        |vault, viewing| {
            Reply::ok(
                "Vault winner declared successfully",
                EscrowView::of_vault(vault, viewing),
            )
        },
    )
    .await
}

/// `POST /v1/escrow/vault/cancel/{paymentToken}`, as the merchant.
pub(crate) async fn cancel(
    api: Data<AppState>,
    acting: ActingMerchant,
    token: Path<String>,
) -> Result<Answer, ApiError> {
    let token = PaymentToken::named(&token);
    api.act_as_merchant(
        &acting.key_holder,
        move |tx, _policy, merchant| vaults::cancel(tx, merchant, token),
        |vault, viewing| {
            Reply::ok(
                "Vault escrow cancelled successfully",
                EscrowView::of_vault(vault, viewing),
            )
        },
    )
    .await
}

/// `GET /v1/escrow/vault/{paymentToken}`, as the merchant.
pub(crate) async fn get(
    api: Data<AppState>,
    acting: ActingMerchant,
    token: Path<String>,
) -> Result<Reply<EscrowView>, ApiError> {
    match api.deal_of(&acting.key_holder, &token)? {
        Deal::Vault(vault) => {
            let view = EscrowView::of_vault(vault, &api.viewing(None));
            Ok(Reply::ok("Vault escrow fetched successfully", view))
        }
        Deal::Escrow(_) => Err(Refusal::NotAVault.into()),
    }
}
