//! The stylesheet and the scripts, compiled into the binary. The name of each has a hash of its
//! content, so that browsers may keep it for ever.

use std::sync::LazyLock;

use actix_web::HttpResponse;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use actix_web::web::Path;
use sha2::{Digest, Sha256};

use crate::http::ApiError;

/// A file of the binary.
pub(super) struct Asset {
    name: String,
    content_type: &'static str,
    content: &'static str,
}

pub(super) static STYLE: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new(
        "style",
        "css",
        "text/css; charset=utf-8",
        include_str!("assets/style.css"),
    )
});
pub(super) static SCRIPT: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new(
        "page",
        "js",
        "text/javascript; charset=utf-8",
        include_str!("assets/page.js"),
    )
});

/// The script of the checkout's pages.
pub(super) static CHECKOUT_PAGE: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new(
        "checkout-page",
        "js",
        "text/javascript; charset=utf-8",
        include_str!("assets/checkout-page.js"),
    )
});

impl Asset {
    fn new(stem: &str, extension: &str, content_type: &'static str, content: &'static str) -> Self {
        let hash = hex::encode(&Sha256::digest(content)[..6]);
        Self {
            name: format!("{stem}.{hash}.{extension}"),
            content_type,
            content,
        }
    }

    /// Returns the path at which the file is served.
    pub(super) fn path(&self) -> String {
        format!("/assets/{}", self.name)
    }
}

/// `GET /assets/{name}`
pub(super) async fn serve(name: Path<String>) -> Result<HttpResponse, ApiError> {
    let assets = [&*STYLE, &*SCRIPT, &*CHECKOUT_PAGE];
    let asset = assets.into_iter().find(|asset| asset.name == *name);
    let asset = asset.ok_or_else(|| ApiError::RouteNotFound {
        path: format!("/assets/{name}"),
    })?;
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, asset.content_type))
        .insert_header((CACHE_CONTROL, "public, max-age=31536000, immutable"))
        .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .body(asset.content))
}
