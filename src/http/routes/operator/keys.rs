//! Routes of the keys of a live merchant. The reply that makes a key is the only place that
//! ever shows it, so such replies are not kept for an idempotency key.

use actix_web::web::{Data, Path};
use schemars::JsonSchema;
use serde::Serialize;
use strum::VariantArray;

use crate::commands::merchant_keys::{self, KeyRequest};
use crate::commands::operators::OperatorActor;
use crate::commands::{Error, Policy};
use crate::domain::invalid::Parsed;
use crate::domain::merchant::key::{KeyId, KeyScope, LABEL_CHARS_MAX, MerchantKey, NewKey, OVERLAP_HOURS_MAX};
use crate::domain::refusal::RefusalKind;
use crate::domain::time::Timestamp;
use crate::entropy;
use crate::http::auth::Caller;
use crate::http::body::JsonBody;
use crate::http::envelope::{CreatedReply, Reply};
use crate::http::error::ApiError;
use crate::http::fields::Field;
use crate::http::refusals::{Refusals, Work};
use crate::http::request_spec::{FieldSpec, Kind, RequestSpec};
use crate::http::routes::operator::acting::{change_access, check_is_live};
use crate::http::routes::operator::fields::{overlap_hours, reason};
use crate::http::routes::shared_fields::text_up_to;
use crate::http::state::AppState;
use crate::store::Tx;
use crate::views::AsText;

/// The request of [`create`].
pub(super) const KEY: RequestSpec = RequestSpec::of_body(&[&[
    FieldSpec::optional(
        "scope",
        Kind::Words(|| KeyScope::VARIANTS.iter().map(|&scope| word_of(scope)).collect()),
    )
    .about("The routes that the key opens; super_admin, which is every route, if left out"),
    FieldSpec::optional("label", Kind::TextUpTo(LABEL_CHARS_MAX)),
]]);
/// The request of [`rotate`].
pub(super) const ROTATION: RequestSpec =
    RequestSpec::of_body(&[&[
        FieldSpec::optional("overlapHours", Kind::Integer(0, OVERLAP_HOURS_MAX as i64))
            .about("How long the old key stays valid; a day, if left out"),
    ]]);

/// `GET /operator/keys`: all keys of the merchant, oldest first, also those that have ended.
pub(super) async fn list(state: Data<AppState>, caller: Caller) -> Result<Reply<Vec<KeyView>>, ApiError> {
    check_is_live(&state)?;
    let merchant = state.merchant_of(&caller).await?;
    let keys = state.store.read(move |snapshot| snapshot.keys_of(merchant)).await?;
    let views: Vec<KeyView> = keys.into_iter().map(KeyView::new).collect();
    Ok(Reply::ok("Keys fetched successfully", views))
}

/// `POST /operator/keys`.
pub(super) async fn create(
    state: Data<AppState>,
    caller: Caller,
    body: JsonBody,
) -> Result<CreatedReply<NewKeyView>, ApiError> {
    let request = parse_key(&body);
    let (stored, key) = with_new_key(&state, &caller, move |tx, actor, new| {
        merchant_keys::create(tx, actor, request, new)
    })
    .await?;
    Ok(Reply::created("Key created successfully", NewKeyView::new(stored, key)))
}

/// The refusals of [`rotate`].
pub(super) const ROTATE_REFUSALS: Refusals = Refusals::of(&[&[RefusalKind::KeyNotFound, RefusalKind::KeyEnded]])
    .only_live()
    .with(Work::Writes);

/// `POST /operator/keys/{keyId}/rotate`.
pub(super) async fn rotate(
    state: Data<AppState>,
    caller: Caller,
    id: Path<String>,
    body: JsonBody,
) -> Result<CreatedReply<RotatedKeyView>, ApiError> {
    let (id, overlap) = (KeyId::parse(&id), overlap_hours(&body));
    let ((old, new), key) = with_new_key(&state, &caller, move |tx, actor, next| {
        merchant_keys::rotate(tx, actor, id, overlap, next)
    })
    .await?;
    let view = RotatedKeyView {
        key: NewKeyView::new(new, key),
        replaced: KeyView::new(old),
    };
    Ok(Reply::created("Key rotated successfully", view))
}

/// The refusals of [`revoke`].
pub(super) const REVOKE_REFUSALS: Refusals = Refusals::of(&[&[RefusalKind::KeyNotFound, RefusalKind::KeyEnded]])
    .only_live()
    .with(Work::Writes);

/// `POST /operator/keys/{keyId}/revoke`.
pub(super) async fn revoke(
    state: Data<AppState>,
    caller: Caller,
    id: Path<String>,
    body: JsonBody,
) -> Result<Reply<KeyView>, ApiError> {
    let (id, reason) = (KeyId::parse(&id), reason(&body));
    let revoke = move |tx: &mut Tx<'_>, _: &Policy, actor: &OperatorActor| merchant_keys::revoke(tx, actor, id, reason);
    let key = change_access(&state, &caller, revoke).await?;
    Ok(Reply::ok("Key revoked successfully", KeyView::new(key)))
}

/// Runs a command with a new key. Returns its outcome and the key.
async fn with_new_key<T: Send + 'static>(
    state: &AppState,
    caller: &Caller,
    command: impl FnOnce(&mut Tx<'_>, &OperatorActor, NewKey) -> Result<T, Error> + Send + 'static,
) -> Result<(T, String), ApiError> {
    let key = entropy::live_key();
    let new = NewKey::of(&key);
    let outcome = change_access(state, caller, move |tx, _policy, actor| command(tx, actor, new)).await?;
    Ok((outcome, key))
}

fn parse_key(body: &JsonBody) -> Parsed<KeyRequest> {
    const SCOPE: &str = "\"business\" or \"super_admin\"";
    let fields = body.fields()?;
    fields.check_not_empty("scope", SCOPE)?;
    let scope = |field: &Field<'_>| {
        field.parsed(SCOPE, |text| {
            KeyScope::VARIANTS.iter().copied().find(|scope| word_of(*scope) == text)
        })
    };
    Ok(KeyRequest {
        scope: fields.field("scope").optional(scope)?.unwrap_or(KeyScope::SuperAdmin),
        label: fields
            .field("label")
            .optional(|label| text_up_to(label, LABEL_CHARS_MAX))?,
    })
}

/// Returns the word for a scope in requests and replies.
const fn word_of(scope: KeyScope) -> &'static str {
    match scope {
        KeyScope::Business => "business",
        KeyScope::SuperAdmin => "super_admin",
    }
}

/// A key of a merchant, without the key itself.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct KeyView {
    id: AsText<KeyId>,
    #[schemars(extend("enum" = ["business", "super_admin"]))]
    scope: &'static str,
    label: Option<String>,
    /// The last characters of the key.
    ending: Option<String>,
    created_at: AsText<Timestamp>,
    last_used_at: Option<AsText<Timestamp>>,
    expires_at: Option<AsText<Timestamp>>,
    revoked_at: Option<AsText<Timestamp>>,
}

/// A new key, which is shown once.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct NewKeyView {
    #[serde(flatten)]
    stored: KeyView,
    key: String,
}

/// A new key, and the one that it replaces.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct RotatedKeyView {
    #[serde(flatten)]
    key: NewKeyView,
    replaced: KeyView,
}

impl NewKeyView {
    pub(super) fn new(stored: MerchantKey, key: String) -> Self {
        Self {
            stored: KeyView::new(stored),
            key,
        }
    }
}

impl KeyView {
    fn new(key: MerchantKey) -> Self {
        Self {
            id: AsText(key.id()),
            scope: word_of(key.scope),
            label: key.label,
            ending: key.ending,
            created_at: AsText(key.created_at),
            last_used_at: key.last_used_at.map(AsText),
            expires_at: key.expires_at.map(AsText),
            revoked_at: key.revoked_at.map(AsText),
        }
    }
}
