//! The choice of the merchant that an operator's pages show.

use actix_web::HttpResponse;
use actix_web::http::header::LOCATION;
use serde::Deserialize;

use crate::domain::ids::MerchantId;
use crate::web::form::Form;
use crate::web::layout::Refused;
use crate::web::reader::Reader;
use crate::web::text;

/// The form of the choice.
#[derive(Debug, Deserialize)]
pub(super) struct Choice {
    /// The id of a merchant. Empty for all of them.
    #[serde(default)]
    merchant: String,
    #[serde(default)]
    back: String,
}

/// `POST /console/merchant`
pub(super) async fn choose(mut reader: Reader, Form(choice): Form<Choice>) -> Result<HttpResponse, Refused> {
    let named = choice.merchant.trim();
    let id = named.parse().ok().map(MerchantId);
    if !(named.is_empty() || id.is_some()) || !reader.choose(id) {
        return Err(Refused::unknown_merchant());
    }
    let back = text::own_path(&choice.back).unwrap_or("/");
    Ok(HttpResponse::SeeOther().insert_header((LOCATION, back)).finish())
}
