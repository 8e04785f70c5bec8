//! The form for a new deal in stages.

use actix_web::HttpResponse;
use actix_web::http::Method;
use maud::html;

use crate::web::api::Request;
use crate::web::console::call::{MADE, hidden};
use crate::web::layout::Page;
use crate::web::parts::Part;
use crate::web::reader::Reader;

/// The stages that the form has room for.
const STAGES: usize = 5;

/// `GET /console/offer`
pub(super) async fn show(reader: Reader) -> HttpResponse {
    let request = Request::new(Method::POST, "/v1/escrow/milestone/create");
    let currency = reader.currency();
    let is_free = reader.registers_unknown();
    Page::new("Offer a deal").section("/console/deals").narrow().show(&html! {
        h1 { "Offer a deal" }
        form.card method="post" action="/console/call" {
            (hidden(&reader, &request, &format!("/console/deals/{MADE}")))
            input type="hidden" name="s:whoPays" value="buyer";
            div.field {
                label for="seller" { "Seller" }
                @if is_free {
                    input #seller name="customer" required value="ada";
                    p.hint { "A new name is a new customer. Names have no spaces." }
                } @else {
                    input #seller name="customer" required aria-describedby="seller-hint";
                    p.hint #seller-hint { "The id of a " @if reader.sees(Part::Customers) { a href="/console/customers" { "customer" } } @else { "customer" } "." }
                }
            }
            div.field {
                label for="purpose" { "What for" }
                input #purpose name="s:purpose" required;
            }
            div.fields {
                div.field {
                    label for="amount" { "Amount in " (currency) }
                    input #amount name="n:amount" inputmode="decimal" required;
                    p.hint { "The sum of all stages." }
                }
                div.field {
                    label for="delivery" { "Days to deliver" }
                    input #delivery name="n:maxDelivery" inputmode="numeric" value="30";
                    input type="hidden" name="s:deliveryTimeline" value="days";
                }
            }
            fieldset {
                legend { "Stages" }
                @for index in 0..STAGES {
                    div.fields {
                        div.field {
                            label for={ "title" (index) } { "Stage " (index + 1) }
                            input id={ "title" (index) } name={ "s:milestones[" (index) "].title" } required[index < 2];
                        }
                        div.field {
                            label for={ "part" (index) } { "Amount" }
                            input id={ "part" (index) } name={ "n:milestones[" (index) "].amount" } inputmode="decimal" required[index < 2];
                        }
                    }
                }
            }
            button.primary { "Offer" }
        }
    })
}
