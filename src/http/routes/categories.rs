//! Routes of categories (contract section 4.9).

use actix_web::web::{Data, Path};

use crate::commands::categories;
use crate::domain::escrow::category::CategoryRequest;
use crate::domain::escrow::limits::TermsLimits;
use crate::domain::ids::CategoryId;
use crate::domain::invalid::{Invalid, Parsed};
use crate::domain::refusal::{Refusal, RefusalKind};
use crate::http::auth::Caller;
use crate::http::body::{JsonBody, JsonOrFormBody};
use crate::http::envelope::{CreatedReply, NoData, Reply};
use crate::http::error::ApiError;
use crate::http::fields::Field;
use crate::http::query::{self, Query};
use crate::http::refusals::Refusals;
use crate::http::request_spec::{FieldSpec, Kind, ListMax, RequestSpec};
use crate::http::routes::shared_fields::{DESCRIPTION, description};
use crate::http::state::AppState;
use crate::http::uploads::{self, Uploads};
use crate::views::{CategoryPositionView, CategoryView, PageView};

/// The form field with the picture of a category.
const PICTURE: &str = "imageUrl";

/// The fields of [`create`] and of [`edit`] beside the name.
const BESIDE_NAME: &[FieldSpec] = &[
    DESCRIPTION,
    FieldSpec::optional("category_position", Kind::Integer(1, i64::MAX)),
    FieldSpec::optional(PICTURE, Kind::Files(ListMax::Is(1))),
];
/// The request of [`create`].
pub(crate) const CATEGORY: RequestSpec = RequestSpec::of_form(&[
    &[FieldSpec::required("name", Kind::Line).example("\"Design\"")],
    BESIDE_NAME,
]);
/// The request of [`edit`].
pub(crate) const CATEGORY_EDIT: RequestSpec = RequestSpec::of_form(&[
    &[FieldSpec::optional("name", Kind::Line).example("\"Design\"")],
    BESIDE_NAME,
]);
/// The request of [`move_to`].
pub(crate) const POSITION: RequestSpec =
    RequestSpec::of_body(&[&[FieldSpec::required("newPosition", Kind::Integer(1, i64::MAX))]]);

/// The refusals of a change to a category.
const OF_THE_OWNER: [RefusalKind; 2] = [RefusalKind::CategoryNotFound, RefusalKind::AccessDenied];

/// The refusals of [`create`].
pub(crate) const CREATE_REFUSALS: Refusals = Refusals::of(&[&[RefusalKind::TooManyCategories]]);

/// `POST /v1/escrow/category/create`, as a customer or the merchant.
pub(crate) async fn create(
    state: Data<AppState>,
    caller: Caller,
    mut body: JsonOrFormBody,
) -> Result<CreatedReply<CategoryView>, ApiError> {
    let request = parse_new_category(&mut body, &state.policy.load().terms_limits);
    state
        .execute_with_files(
            caller,
            request,
            move |tx, policy, actor, request, images| {
                let request = request.map(|request| request.with_image(images.first().copied()));
                categories::create(tx, policy, actor, request)
            },
            |category, context| Reply::created("Category created successfully", CategoryView::new(category, context)),
        )
        .await
}

/// The refusals of [`edit`].
pub(crate) const EDIT_REFUSALS: Refusals = Refusals::of(&[&OF_THE_OWNER]);

/// `PUT /v1/escrow/category/edit/{categoryId}`, as its owner.
pub(crate) async fn edit(
    state: Data<AppState>,
    caller: Caller,
    category: Path<String>,
    mut body: JsonOrFormBody,
) -> Result<Reply<CategoryView>, ApiError> {
    let request = parse_category(&mut body, &state.policy.load().terms_limits);
    let id = CategoryId::named(&category);
    state
        .execute_with_files(
            caller,
            request,
            move |tx, policy, actor, request, images| {
                let request = request.map(|request| request.with_image(images.first().copied()));
                categories::edit(tx, policy, actor, id, request)
            },
            |category, context| Reply::ok("Category updated successfully", CategoryView::new(category, context)),
        )
        .await
}

/// `GET /v1/escrow/category/get`: the categories of the caller's party, by position.
pub(crate) async fn list(
    state: Data<AppState>,
    caller: Caller,
    query: Query,
) -> Result<Reply<PageView<CategoryView>>, ApiError> {
    let request = query.fields().and_then(|fields| query::page(&fields));
    let (merchant, request) = state.admit(&caller, request).await?;
    let owner = caller.party().clone();
    let page = state
        .read_page(merchant, query.walk(), request, move |snapshot, request| {
            snapshot.categories(merchant, &owner, request)
        })
        .await?;
    let policy = state.policy.load();
    let context = policy.view_context(None, caller.request.host.as_deref());
    let view = PageView::new(page, |category| CategoryView::new(category, &context));
    Ok(Reply::ok("Categories fetched successfully", view))
}

/// The refusals of [`get`].
pub(crate) const GET_REFUSALS: Refusals = Refusals::of(&[&[RefusalKind::CategoryNotFound]]);

/// `GET /v1/escrow/category/get/{categoryId}`: a category of the caller's party.
pub(crate) async fn get(
    state: Data<AppState>,
    caller: Caller,
    category: Path<String>,
) -> Result<Reply<CategoryView>, ApiError> {
    let merchant = state.admit_owner(&caller, Refusal::CategoryNotFound).await?;
    let id = CategoryId::named(&category);
    let category = state
        .store
        .read(move |snapshot| snapshot.category(merchant, id))
        .await?
        .filter(|category| category.owner == *caller.party())
        .ok_or(Refusal::CategoryNotFound)?;
    let view = CategoryView::new(
        category,
        &state.policy.load().view_context(None, caller.request.host.as_deref()),
    );
    Ok(Reply::ok("Category fetched successfully", view))
}

/// The refusals of [`move_to`].
pub(crate) const MOVE_TO_REFUSALS: Refusals = Refusals::of(&[&OF_THE_OWNER]);

/// `PUT /v1/escrow/category/position/{categoryId}`, as its owner.
pub(crate) async fn move_to(
    state: Data<AppState>,
    caller: Caller,
    category: Path<String>,
    body: JsonBody,
) -> Result<Reply<CategoryPositionView>, ApiError> {
    let position = parse_position(&body);
    let id = CategoryId::named(&category);
    state
        .execute(
            &caller,
            move |tx, policy, actor| categories::move_to(tx, policy, actor, id, position),
            move |category, _context| {
                Reply::ok(
                    "Category position updated successfully",
                    CategoryPositionView::new(&category),
                )
            },
        )
        .await
}

/// The refusals of [`delete`].
pub(crate) const DELETE_REFUSALS: Refusals = Refusals::of(&[&OF_THE_OWNER]);

/// `DELETE /v1/escrow/category/delete/{categoryId}`, as its owner.
pub(crate) async fn delete(
    state: Data<AppState>,
    caller: Caller,
    category: Path<String>,
) -> Result<Reply<NoData>, ApiError> {
    let id = CategoryId::named(&category);
    state
        .execute(
            &caller,
            move |tx, policy, actor| categories::delete(tx, policy, actor, id),
            |(), _context| Reply::ok("Category deleted successfully", NoData {}),
        )
        .await
}

/// Parses a new category, which must have a name, and its picture.
fn parse_new_category(body: &mut JsonOrFormBody, limits: &TermsLimits) -> Parsed<(CategoryRequest, Uploads)> {
    let has_name = body.fields(PICTURE)?.field("name").optional_text()?.is_some();
    if !has_name {
        return Err(Invalid::missing("name"));
    }
    parse_category(body, limits)
}

/// Parses a new or edited category, and its picture.
fn parse_category(body: &mut JsonOrFormBody, limits: &TermsLimits) -> Parsed<(CategoryRequest, Uploads)> {
    let fields = body.fields(PICTURE)?;
    let name = fields.field("name");
    let name = name.optional_text()?.map(|text| limits.purpose(name.path(), text));
    let name = name.transpose()?;
    let description = description(&fields, limits)?;
    let keeps_description = !fields.has("description");
    let position = fields.field("category_position").optional(Field::integer);
    let picture = uploads::pictures(body, PICTURE, 1)?;
    let request = CategoryRequest {
        name,
        description,
        keeps_description,
        image: None,
        position: position?,
    };
    Ok((request, picture))
}

fn parse_position(body: &JsonBody) -> Parsed<i64> {
    body.fields()?.field("newPosition").integer()
}
