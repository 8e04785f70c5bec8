//! The buyer that a payment link names, and the page of a link that leads to no deal.

use serde::Deserialize;

use crate::web::layout::{Page, Refused};

/// The buyer whom the link or the form names.
#[derive(Debug, Deserialize)]
pub(super) struct Buyer {
    #[serde(default)]
    pub(super) buyer: String,
}

pub(super) fn no_offer() -> Refused {
    let page = Page::new("Nothing to pay for").narrow();
    let message = "There is no offer behind this link. It may have been deleted.";
    Refused::new(404, page, message)
}
