//! Routes of categories (contract section 4.9).

use actix_web::web::{Data, Path};
use serde_json::json;

use crate::commands::categories;
use crate::domain::ids::CategoryId;
use crate::domain::refusal::Refusal;
use crate::http::auth::ActingParty;
use crate::http::body::{JsonBody, JsonOrFormBody};
use crate::http::envelope::{Answer, ApiError, Reply};
use crate::http::query::{self, Query};
use crate::http::state::AppState;
use crate::http::{drafts, uploads};
use crate::queries;
use crate::views::{CategoryPositionView, CategoryView, PageView};

/// `POST /v1/escrow/category/create`, as a customer or the merchant.
pub(crate) async fn create(
    api: Data<AppState>,
    acting: ActingParty,
    mut body: JsonOrFormBody,
) -> Result<Answer, ApiError> {
    let draft = drafts::categories::category(&body);
    let picture = uploads::pictures(&mut body, "imageUrl", 1);
    api.act_as_party_with_files(
        acting,
        picture,
        move |tx, policy, actor, images| {
            let draft = draft.map(|draft| draft.with_image(images));
            categories::create(tx, policy, actor, draft)
        },
        |category, viewing| Reply::created("Category created successfully", CategoryView::new(category, viewing)),
    )
    .await
}

/// `PUT /v1/escrow/category/edit/{categoryId}`, as its owner.
pub(crate) async fn edit(
    api: Data<AppState>,
    acting: ActingParty,
    category: Path<String>,
    mut body: JsonOrFormBody,
) -> Result<Answer, ApiError> {
    let draft = drafts::categories::category(&body);
    let id = CategoryId::named(&category);
    let picture = uploads::pictures(&mut body, "imageUrl", 1);
    api.act_as_party_with_files(
        acting,
        picture,
        move |tx, policy, actor, images| {
            let draft = draft.map(|draft| draft.with_image(images));
            categories::edit(tx, policy, actor, id, draft)
        },
        |category, viewing| Reply::ok("Category updated successfully", CategoryView::new(category, viewing)),
    )
    .await
}

/// `GET /v1/escrow/category/get`: those of the acting account, in their order.
pub(crate) async fn list(
    api: Data<AppState>,
    acting: ActingParty,
    query: Query,
) -> Result<Reply<PageView<CategoryView>>, ApiError> {
    let merchant = api.admit_party(&acting).await?;
    let request = query::page(&query.fields().map_err(Refusal::from)?).map_err(Refusal::from)?;
    let page = queries::categories::page(&api.store, merchant, &acting.party, request)?;
    let viewing = api.viewing(None);
    let view = PageView::new(page, |category| CategoryView::new(category, &viewing));
    Ok(Reply::ok("Categories fetched successfully", view))
}

/// `GET /v1/escrow/category/get/{categoryId}`: one of the acting account.
pub(crate) async fn get(
    api: Data<AppState>,
    acting: ActingParty,
    category: Path<String>,
) -> Result<Reply<CategoryView>, ApiError> {
    let merchant = api.admit_party(&acting).await?;
    let id = CategoryId::named(&category);
    let category =
        queries::categories::by_id(&api.store, merchant, &acting.party, id)?.ok_or(Refusal::CategoryNotFound)?;
    let view = CategoryView::new(category, &api.viewing(None));
    Ok(Reply::ok("Category fetched successfully", view))
}

/// `PUT /v1/escrow/category/position/{categoryId}`, as its owner.
pub(crate) async fn move_to(
    api: Data<AppState>,
    acting: ActingParty,
    category: Path<String>,
    body: JsonBody,
) -> Result<Answer, ApiError> {
    let position = drafts::categories::position(&body);
    let id = CategoryId::named(&category);
    api.act_as_party(
        &acting,
        move |tx, policy, actor| categories::move_to(tx, policy, actor, id, position),
        move |category, _viewing| {
            Reply::ok(
                "Category position updated successfully",
                CategoryPositionView::new(&category),
            )
        },
    )
    .await
}

/// `DELETE /v1/escrow/category/delete/{categoryId}`, as its owner.
pub(crate) async fn delete(
    api: Data<AppState>,
    acting: ActingParty,
    category: Path<String>,
) -> Result<Answer, ApiError> {
    let id = CategoryId::named(&category);
    api.act_as_party(
        &acting,
        move |tx, policy, actor| categories::delete(tx, policy, actor, id),
        |(), _viewing| Reply::ok("Category deleted successfully", json!({})),
    )
    .await
}
