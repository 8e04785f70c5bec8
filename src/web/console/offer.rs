//! The form for a new deal in stages.

use actix_web::HttpResponse;
use actix_web::http::Method;
use maud::html;

use crate::web::api::Request;
use crate::web::console::call::{MADE, hidden};
use crate::web::console::customers;
use crate::web::layout::Page;
use crate::web::reader::Reader;

/// The stages that the form has room for.
const STAGES: usize = 5;

/// Says what the amount of a stage may be.
pub(super) fn stages_hint(reader: &Reader) -> &'static str {
    if reader.state.policy.load().is_strict {
        "Each amount has at most two decimals and no separators."
    } else {
        "Each amount is a whole number without separators."
    }
}

/// `GET /console/offer`
pub(super) async fn show(reader: Reader) -> HttpResponse {
    let request = Request::new(Method::POST, "/v1/escrow/milestone/create");
    let currency = reader.currency();
    Page::new("Offer a deal").section("/console/deals").narrow().show(&html! {
        h1 { "Offer a deal" }
        form.card method="post" action="/console/call" {
            (hidden(&reader, &request, &format!("/console/deals/{MADE}")))
            input type="hidden" name="s:whoPays" value="buyer";
            div.field {
                label for="seller" { "Seller" }
                input #seller name="customer" required value=[reader.registers_unknown().then_some("ada")] aria-describedby="seller-hint";
                (customers::hint(&reader, "seller-hint"))
            }
            div.field {
                label for="purpose" { "What for" }
                input #purpose name="s:purpose" required;
            }
            div.fields {
                div.field {
                    label for="amount" { "Amount in " (currency) }
                    input #amount name="n:amount" inputmode="decimal" required;
                    p.hint { "The sum of all stages, without separators, such as 250000." }
                }
                div.field {
                    label for="delivery" { "Time to deliver" }
                    input #delivery name="n:maxDelivery" inputmode="numeric" value="30" aria-describedby="delivery-hint";
                    p.hint #delivery-hint { "In days." }
                    input type="hidden" name="s:deliveryTimeline" value="days";
                }
            }
            fieldset {
                legend { "Stages" }
                p.hint { (stages_hint(&reader)) }
                @for index in 0..STAGES {
                    div.fields {
                        div.field {
                            label for={ "title" (index) } { "Stage " (index + 1) }
                            input id={ "title" (index) } name={ "s:milestones[" (index) "].title" } required[index < 2];
                        }
                        div.field {
                            label for={ "part" (index) } { "Amount of stage " (index + 1) }
                            input id={ "part" (index) } name={ "n:milestones[" (index) "].amount" } inputmode="decimal" required[index < 2];
                        }
                    }
                }
            }
            button.primary { "Offer" }
        }
    })
}
