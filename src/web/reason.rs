//! The words in which a page says why a route has refused its request.

use maud::{Markup, html};
use serde::Deserialize;

use crate::web::api::{Envelope, Major};
use crate::web::text;

/// Returns the message of a refusal. A refusal of the total that a form had shown names both totals.
pub(super) fn of(refusal: &Envelope, currency: &str) -> Markup {
    let total = |name: &str| Major::deserialize(refusal.details.get(name)?).ok();
    let totals = (refusal.code.as_deref(), total("due"), total("offered"));
    let (Some("amount_mismatch"), Some(Major(due)), Some(Major(shown))) = totals else {
        return html! { (refusal.message) };
    };
    html! {
        "The price has changed since the page was shown. The total is now " (text::amount(due, currency))
        "; it was " (text::amount(shown, currency)) "."
    }
}
