//! The faults of a sandbox: requests that fail, wait or lose their reply.

use actix_web::HttpResponse;
use actix_web::http::Method;
use actix_web::web::Query;
use maud::html;
use serde::Deserialize;

use crate::web::api::{Major, Request};
use crate::web::console::call::{button, hidden};
use crate::web::console::done;
use crate::web::console::done::Shown;
use crate::web::layout::{Page, Refused};
use crate::web::reader::Reader;

const BACK: &str = "/console/faults";

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Fault {
    route: Option<String>,
    customer_id: Option<String>,
    status: Option<u16>,
    delay_ms: Option<u64>,
    in_flight: bool,
    cut_after_commit: bool,
    /// The share of the requests that it hits. `None` for each of them.
    probability: Option<Major>,
    times: u32,
    remaining: u32,
}

impl Fault {
    /// Returns what the fault does to a request.
    fn effect(&self) -> String {
        let mut effects = Vec::new();
        effects.extend(self.delay_ms.map(|millis| format!("waits {millis} ms")));
        effects.extend(self.status.map(|status| format!("is answered {status}")));
        if self.in_flight {
            effects.push("is answered 409, as if the first request still ran".to_owned());
        }
        if self.cut_after_commit {
            effects.push("is done, and its reply is lost".to_owned());
        }
        let effects = effects.join(", ");
        match self.probability {
            // A share has two decimals, as amounts have.
            Some(Major(share)) => format!("with a chance of {} %: {effects}", share.minor()),
            None => effects,
        }
    }
}

/// `GET /console/faults`
pub(super) async fn show(reader: Reader, Query(shown): Query<Shown>) -> Result<HttpResponse, Refused> {
    let faults: Vec<Fault> = reader.api.get("/sandbox/faults").await?;
    let done = done::notice(&reader, shown.done()).await?;
    let set = Request::new(Method::POST, "/sandbox/faults");
    let clear = Request::new(Method::DELETE, "/sandbox/faults");
    Ok(Page::new("Faults").section(BACK).show(&html! {
        (done)
        h1 { "Faults" }
        p.lead { "Make the next requests fail, to see how your program takes it. Faults hit the requests of these pages too." }
        div.columns {
            section.card {
                h2 { "Waiting" }
                @if faults.is_empty() {
                    p.muted { "No faults: every request is answered as usual." }
                } @else {
                    div.table-scroll tabindex="0" {
                        table {
                            thead { tr {
                                th scope="col" { "A request to" }
                                th scope="col" { "As" }
                                th scope="col" { "What happens to it" }
                                th.end scope="col" { "Left" }
                            } }
                            tbody {
                                @for fault in &faults {
                                    tr {
                                        td { code { (fault.route.as_deref().unwrap_or("any route under /v1")) } }
                                        td { (fault.customer_id.as_deref().unwrap_or("anyone")) }
                                        td { (fault.effect()) }
                                        td.end.number { (fault.remaining) " of " (fault.times) }
                                    }
                                }
                            }
                        }
                    }
                    (button(&reader, &clear, BACK, "Clear all faults", ""))
                }
            }
            form.card method="post" action="/console/call" {
                h2 { "A new fault" }
                (hidden(&reader, &set, BACK))
                div.fields {
                    div.field {
                        label for="times" { "How many requests" }
                        input #times name="n:times" inputmode="numeric" value="1" required;
                    }
                    div.field {
                        label for="status" { "Answer with status" }
                        input #status name="n:status" inputmode="numeric" placeholder="503";
                    }
                    div.field {
                        label for="delay" { "Wait first, in milliseconds" }
                        input #delay name="n:delayMs" inputmode="numeric" placeholder="2000";
                    }
                }
                label.choice {
                    input type="checkbox" name="b:cutAfterCommit" value="true";
                    span { "Do the request and lose its reply" }
                }
                div.field {
                    label for="route" { "Only this route" }
                    input #route name="s:route" placeholder="POST /v1/payment/escrow";
                }
                div.field {
                    label for="customer" { "Only this customer" }
                    input #customer name="s:customerId";
                }
                button.primary { "Set the fault" }
            }
        }
    }))
}
