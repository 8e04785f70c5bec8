//! Routes of disputes, and of a merchant's feed (contract sections 4.6.2 to 4.6.7).

use actix_web::web::{Data, Path};

use crate::commands::{Actor, Policy, disputes};
use crate::domain::escrow::deal::Deal;
use crate::domain::escrow::merchant_escrows::MerchantEscrowFilter;
use crate::domain::ids::{EscrowId, MerchantId, PaymentToken};
use crate::domain::page::{Page, PageRequest};
use crate::domain::party::Party;
use crate::domain::refusal::{Parsed, Refusal};
use crate::http::auth::{ActingCustomer, ActingMerchant};
use crate::http::body::JsonOrFormBody;
use crate::http::drafts::disputes as drafts;
use crate::http::envelope::{Answer, ApiError, Reply};
use crate::http::query::Query;
use crate::http::state::AppState;
use crate::http::uploads;
use crate::queries;
use crate::store::Tx;
use crate::views::{DetailedEscrowView, EscrowView, PageView, ViewContext};

/// `POST /v1/escrow/submit-dispute/{paymentToken}`, as the buyer or the seller.
pub(crate) async fn submit(
    api: Data<AppState>,
    acting: ActingCustomer,
    token: Path<String>,
    mut body: JsonOrFormBody,
) -> Result<Answer, ApiError> {
    let token = PaymentToken::named(&token);
    let message = drafts::message(&body);
    let evidence = uploads::evidence(&mut body, "file");
    let (service, mode) = (api.clone(), api.policy.mode);
    let submit = move |proof| async move {
        let submit = |tx: &mut Tx<'_>, policy: &Policy, actor: &Actor| {
            disputes::submit(tx, policy, actor, token, message, proof)
        };
        let render = move |escrow, viewing: &ViewContext<'_>| {
            let view = DetailedEscrowView::as_written(escrow, viewing, mode);
            Reply::ok("Escrow dispute submitted successfully", view)
        };
        service.act(&acting, submit, render).await
    };
    api.with_files(evidence, submit).await
}

/// `POST /v1/escrow/dispute/resolve/{escrowId}`, as the merchant.
pub(crate) async fn resolve(
    api: Data<AppState>,
    acting: ActingMerchant,
    escrow: Path<String>,
    mut body: JsonOrFormBody,
) -> Result<Answer, ApiError> {
    let escrow = EscrowId::named(&escrow);
    let draft = drafts::resolution(&body);
    let evidence = uploads::evidence(&mut body, "file");
    let service = api.clone();
    let resolve = move |proof| async move {
        let resolve = move |tx: &mut Tx<'_>, policy: &Policy, merchant| {
            disputes::resolve(tx, policy, merchant, escrow, draft, proof)
        };
        let render = |escrow, viewing: &ViewContext<'_>| {
            Reply::ok(
                "Dispute resolution submitted successfully",
                EscrowView::new(escrow, viewing),
            )
        };
        service.act_as_merchant(&acting.key_holder, resolve, render).await
    };
    api.with_files(evidence, resolve).await
}

/// `GET /v1/escrow/dispute/get`: the disputes of the acting customer, on either side.
pub(crate) async fn list_own(
    api: Data<AppState>,
    acting: ActingCustomer,
    query: Query,
) -> Result<Reply<PageView<EscrowView>>, ApiError> {
    let merchant = api.admitted(&acting).await?;
    let wanted = drafts::disputes_of(&acting.customer, &query);
    let viewing = api.viewing(Some(&acting.customer));
    let page = page_of_deals(&api, Some(merchant), wanted, &viewing)?;
    Ok(Reply::ok("Escrow retrieved successfully", page))
}

/// `GET /v1/escrow/dispute/get/{escrowId}`, as its buyer or its seller.
pub(crate) async fn get(
    api: Data<AppState>,
    acting: ActingCustomer,
    escrow: Path<String>,
) -> Result<Reply<EscrowView>, ApiError> {
    let merchant = api.admitted(&acting).await?;
    let escrow = EscrowId::named(&escrow);
    let found = queries::disputes::disputed(&api.store, merchant, &acting.customer, escrow)?;
    let escrow = found.ok_or(Refusal::DisputeNotAccessible)?;
    let view = EscrowView::new(escrow, &api.viewing(Some(&acting.customer)));
    Ok(Reply::ok("Escrow dispute retrieved successfully", view))
}

/// `GET /v1/escrow/all-dispute`, as the merchant.
pub(crate) async fn list_all(
    api: Data<AppState>,
    acting: ActingMerchant,
    query: Query,
) -> Result<Reply<PageView<EscrowView>>, ApiError> {
    let viewing = api.viewing_as(&Party::Merchant);
    let page = page_of_deals(&api, acting.key_holder.known(), drafts::all_disputes(&query), &viewing)?;
    Ok(Reply::ok("Dispute fetched successfully", page))
}

/// `GET /v1/escrow/feeds`, as the merchant: deals of every settlement type.
pub(crate) async fn feed(
    api: Data<AppState>,
    acting: ActingMerchant,
    query: Query,
) -> Result<Reply<PageView<EscrowView>>, ApiError> {
    let viewing = api.viewing_as(&Party::Merchant);
    let page = page_of_deals(&api, acting.key_holder.known(), drafts::feed(&query), &viewing)?;
    Ok(Reply::ok("Escrow transactions fetched successfully", page))
}

/// A key that was never used has no merchant, and so no deals.
fn page_of_deals(
    api: &AppState,
    merchant: Option<MerchantId>,
    wanted: Parsed<(MerchantEscrowFilter, PageRequest)>,
    viewing: &ViewContext<'_>,
) -> Result<PageView<EscrowView>, ApiError> {
    let (filter, request) = wanted.map_err(Refusal::from)?;
    let page: Page<Deal> = match merchant {
        Some(merchant) => queries::disputes::deals(&api.store, merchant, &filter, request)?,
        None => Page::empty(request),
    };
    Ok(PageView::new(page, |deal| EscrowView::of_deal(deal, viewing)))
}
