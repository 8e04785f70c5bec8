//! Routes of categories (contract section 4.9).

use actix_web::web::{Data, Path};
use serde_json::{Value, json};

use super::api::Api;
use super::auth::ActingParty;
use super::body::{JsonBody, JsonOrFormBody};
use super::envelope::{ApiError, Reply};
use super::query::{self, Query};
use super::{drafts, files};
use crate::commands::{PartyActor, Policy, categories};
use crate::domain::ids::CategoryId;
use crate::domain::refusal::Refusal;
use crate::queries;
use crate::store::Tx;
use crate::wire::{CategoryPositionView, CategoryView, PageView};

/// `POST /v1/escrow/category/create`, as a customer or the merchant.
pub(super) async fn create(
    api: Data<Api>,
    acting: ActingParty,
    mut body: JsonOrFormBody,
) -> Result<Reply<CategoryView>, ApiError> {
    let draft = drafts::categories::category(&body);
    let picture = files::pictures(&mut body, "imageUrl", 1);
    let service = api.clone();
    let create = move |images| async move {
        let draft = draft.map(|draft| draft.with_image(images));
        let command =
            move |tx: &mut Tx<'_>, policy: &Policy, actor: &PartyActor| categories::create(tx, policy, actor, draft);
        service.act_as_party(&acting, command).await
    };
    let category = api.with_files(picture, create).await?;
    let view = CategoryView::new(category, &api.viewing(None));
    Ok(Reply::created("Category created successfully", view))
}

/// `PUT /v1/escrow/category/edit/{categoryId}`, as its owner.
pub(super) async fn edit(
    api: Data<Api>,
    acting: ActingParty,
    category: Path<String>,
    mut body: JsonOrFormBody,
) -> Result<Reply<CategoryView>, ApiError> {
    let draft = drafts::categories::category(&body);
    let id = CategoryId::named(&category);
    let picture = files::pictures(&mut body, "imageUrl", 1);
    let service = api.clone();
    let edit = move |images| async move {
        let draft = draft.map(|draft| draft.with_image(images));
        let command =
            move |tx: &mut Tx<'_>, policy: &Policy, actor: &PartyActor| categories::edit(tx, policy, actor, id, draft);
        service.act_as_party(&acting, command).await
    };
    let category = api.with_files(picture, edit).await?;
    let view = CategoryView::new(category, &api.viewing(None));
    Ok(Reply::ok("Category updated successfully", view))
}

/// `GET /v1/escrow/category/get`: those of the acting account, in their order.
pub(super) async fn list(
    api: Data<Api>,
    acting: ActingParty,
    query: Query,
) -> Result<Reply<PageView<CategoryView>>, ApiError> {
    let merchant = api.admitted_party(&acting).await?;
    let request = query::page(&query.fields().map_err(Refusal::from)?).map_err(Refusal::from)?;
    let page = queries::categories::page(&api.store, merchant, &acting.party, request)?;
    let viewing = api.viewing(None);
    let view = PageView::new(page, |category| CategoryView::new(category, &viewing));
    Ok(Reply::ok("Categories fetched successfully", view))
}

/// `GET /v1/escrow/category/get/{categoryId}`: one of the acting account.
pub(super) async fn get(
    api: Data<Api>,
    acting: ActingParty,
    category: Path<String>,
) -> Result<Reply<CategoryView>, ApiError> {
    let merchant = api.admitted_party(&acting).await?;
    let id = CategoryId::named(&category);
    let category =
        queries::categories::by_id(&api.store, merchant, &acting.party, id)?.ok_or(Refusal::CategoryNotFound)?;
    let view = CategoryView::new(category, &api.viewing(None));
    Ok(Reply::ok("Category fetched successfully", view))
}

/// `PUT /v1/escrow/category/position/{categoryId}`, as its owner.
pub(super) async fn move_to(
    api: Data<Api>,
    acting: ActingParty,
    category: Path<String>,
    body: JsonBody,
) -> Result<Reply<CategoryPositionView>, ApiError> {
    let position = drafts::categories::position(&body);
    let id = CategoryId::named(&category);
    let category = api
        .act_as_party(&acting, move |tx, policy, actor| {
            categories::move_to(tx, policy, actor, id, position)
        })
        .await?;
    let view = CategoryPositionView::new(&category);
    Ok(Reply::ok("Category position updated successfully", view))
}

/// `DELETE /v1/escrow/category/delete/{categoryId}`, as its owner.
pub(super) async fn delete(
    api: Data<Api>,
    acting: ActingParty,
    category: Path<String>,
) -> Result<Reply<Value>, ApiError> {
    let id = CategoryId::named(&category);
    api.act_as_party(&acting, move |tx, policy, actor| {
        categories::delete(tx, policy, actor, id)
    })
    .await?;
    Ok(Reply::ok("Category deleted successfully", json!({})))
}
