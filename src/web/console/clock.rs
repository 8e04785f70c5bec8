//! The clock of a sandbox, and moving it.

use actix_web::HttpResponse;
use actix_web::http::Method;
use actix_web::web::Query;
use maud::html;
use serde::Deserialize;
use serde_json::json;

use crate::domain::text::counted;
use crate::web::api::Request;
use crate::web::console::call::{button, hidden};
use crate::web::console::done;
use crate::web::console::done::Shown;
use crate::web::console::timeline::time;
use crate::web::layout::{Page, Refused};
use crate::web::reader::Reader;

const BACK: &str = "/console/clock";
const DAY_SECONDS: u64 = 86_400;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Clock {
    now: String,
    offset_seconds: i64,
}

/// `GET /console/clock`
pub(super) async fn show(reader: Reader, Query(shown): Query<Shown>) -> Result<HttpResponse, Refused> {
    let clock: Clock = reader.api.get("/sandbox/clock").await?;
    let done = done::notice(&reader, shown.done()).await?;
    let advance = |by: &str| Request::new(Method::POST, "/sandbox/clock/advance").with(json!({"by": by}));
    let seconds = clock.offset_seconds.unsigned_abs();
    let days = seconds / DAY_SECONDS;
    Ok(Page::new("Clock").section(BACK).narrow().show(&html! {
        (done)
        h1 { "Clock" }
        section.card.figure {
            p.label { "The time of your deals" }
            p.value { (time(&clock.now)) }
            p.small.muted { @if clock.offset_seconds == 0 { "as everywhere" } @else { "moved by " (counted(days, "day")) " and " (counted(seconds % DAY_SECONDS, "second")) } }
            div.actions {
                (button(&reader, &advance("1h"), BACK, "One hour later", ""))
                (button(&reader, &advance("1d"), BACK, "One day later", "primary"))
                (button(&reader, &advance("7d"), BACK, "One week later", ""))
                (button(&reader, &advance("30d"), BACK, "30 days later", ""))
            }
        }
        form.card method="post" action="/console/call" {
            (hidden(&reader, &Request::new(Method::POST, "/sandbox/clock/advance"), BACK))
            div.field {
                label for="by" { "Later by" }
                input #by name="s:by" placeholder="1d12h" required;
                p.hint { "Days, hours, minutes and seconds, such as 2d6h. What falls due on the way happens." }
            }
            button { "Move the clock" }
        }
    }))
}
