//! The buyer and the payment that a payment link names, and the page of a link that leads to no
//! deal.

use serde::Deserialize;

use crate::web::layout::{Page, Refused};

/// The buyer whom the link or the form names.
#[derive(Debug, Deserialize)]
pub(super) struct Buyer {
    #[serde(default)]
    pub(super) buyer: String,
}

/// The payment whose receipt to show. Each payment for an offer to several buyers has a deal of its
/// own.
#[derive(Debug, Deserialize)]
pub(super) struct Paid {
    #[serde(default)]
    pub(super) paid: String,
}

pub(super) fn no_offer() -> Refused {
    let page = Page::new("Nothing to pay for").narrow();
    let message = "There is no offer behind this link. It may have been deleted.";
    Refused::new(404, page, message)
}
