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
/// The units of a span of time, in seconds.
const UNITS: [(u64, &str); 4] = [(86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second")];

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
    let reset = Request::new(Method::POST, "/sandbox/reset");
    Ok(Page::new("Clock").section(BACK).narrow().show(&html! {
        (done)
        h1 { "Clock" }
        section.card.figure {
            p.label { "The time of your deals" }
            p.value { (time(&clock.now)) }
            p.small.muted { @if clock.offset_seconds == 0 { "the same as the real time" } @else { "moved by " (span(clock.offset_seconds.unsigned_abs())) } }
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
        details {
            summary { "Start over" }
            p { "Removes everything of this key: its deals, customers, money and events. The clock shows the real time again." }
            (button(&reader, &reset, BACK, "Remove everything", "danger"))
        }
    }))
}

/// Writes a span of time without the units that it has none of.
fn span(mut seconds: u64) -> String {
    let parts = UNITS.map(|(unit, name)| {
        let count = seconds / unit;
        seconds %= unit;
        (count > 0).then(|| counted(count, name))
    });
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    match parts.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, first)) => format!("{} and {last}", first.join(", ")),
        None => counted(0, "second"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_names_only_the_units_that_it_has() {
        assert_eq!(span(86_400), "1 day");
        assert_eq!(span(7 * 86_400 + 3_600), "7 days and 1 hour");
        assert_eq!(span(2 * 86_400 + 61), "2 days, 1 minute and 1 second");
    }
}
