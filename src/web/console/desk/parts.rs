//! The parts that the pages of the desk share.

use maud::{Markup, html};

use crate::web::api::Request;
use crate::web::console::call::hidden;
use crate::web::layout::Refused;
use crate::web::parts::Part;
use crate::web::reader::Reader;

/// The section of the navigation, and the path of its first page.
pub(super) const SECTION: &str = "/console/desk";

/// The pages of the desk: name and path.
const PAGES: [(&str, &str); 7] = [
    ("Position", SECTION),
    ("Money in", "/console/desk/deposits"),
    ("Money out", "/console/desk/payouts"),
    ("Reconciliation", "/console/desk/reconciliation"),
    ("Who did what", "/console/desk/acts"),
    ("People", "/console/desk/people"),
    ("Keys and webhooks", "/console/desk/keys"),
];

/// Links to the pages of the desk.
pub(super) fn pages(reader: &Reader, current: &str) -> Markup {
    let is_shown = |(_, path): &(&str, &str)| reader.sees(Part::of(path));
    html! {
        nav.site-nav.pages-of-section aria-label="Pages of the desk" {
            @for (name, path) in PAGES.into_iter().filter(is_shown) {
                a href=(path) aria-current=[(path == current).then_some("page")] { (name) }
            }
        }
    }
}

/// Returns the day of the merchant's clock, such as `2026-11-27`.
pub(super) async fn today(reader: &Reader) -> Result<String, Refused> {
    let now = reader.state.store.ledger_time();
    let read = reader.read(move |snapshot, merchant| Ok(snapshot.clock_of(merchant)?.shown_at(now)));
    let shown = read.await?.unwrap_or(now);
    Ok(shown.date().to_string())
}

/// Fields for the bank's reference and the day of a movement. `id` tells them from others of
/// the page.
pub(super) fn bank_entry(id: &str, today: &str) -> Markup {
    html! {
        div.field {
            label for={ "reference-" (id) } { "The bank's reference" }
            input id={ "reference-" (id) } name="s:bankReference" required autocomplete="off";
        }
        div.field {
            label for={ "date-" (id) } { "Value date" }
            input id={ "date-" (id) } type="date" name="s:valueDate" value=(today) required;
        }
    }
}

/// Fields for the bank account that a pay-out goes to.
pub(super) fn destination(id: &str) -> Markup {
    let lines = [
        ("accountName", "Account holder"),
        ("accountNumber", "Account number"),
        ("bankName", "Bank"),
        ("bankCode", "Bank code"),
    ];
    html! {
        div.fields {
            @for (name, label) in lines {
                div.field {
                    label for={ (name) "-" (id) } { (label) }
                    input id={ (name) "-" (id) } name={ "s:destination." (name) } required autocomplete="off";
                }
            }
        }
    }
}

/// A field for the reason of an act.
pub(super) fn reason(id: &str) -> Markup {
    html! {
        div.field {
            label for={ "reason-" (id) } { "Reason" }
            input id={ "reason-" (id) } name="s:reason" required;
        }
    }
}

/// A form for an act that takes a reason, behind its name, or nothing if the reader's key may not
/// do it.
pub(super) fn with_reason(reader: &Reader, request: &Request, back: &str, id: &str, label: &str) -> Markup {
    if !reader.may(request) {
        return html! {};
    }
    html! {
        details {
            summary { (label) }
            form method="post" action="/console/call" {
                (hidden(reader, request, back))
                (reason(id))
                button { (label) }
            }
        }
    }
}
