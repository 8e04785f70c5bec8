//! A step of a run: what happens, the button that does it, and the money before it.

use actix_web::HttpResponse;
use actix_web::http::header::LOCATION;
use actix_web::web::Path;
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::domain::money::Amount;
use crate::entropy;
use crate::views::MajorUnits;
use crate::web::api::Request;
use crate::web::console::refusal;
use crate::web::demo::choice::{start_button, story};
use crate::web::demo::ending;
use crate::web::demo::money::{self, Picture};
use crate::web::demo::run::{Run, RunId};
use crate::web::demo::story::{Done, Step};
use crate::web::form::Form;
use crate::web::layout::{Page, Refused};
use crate::web::once;
use crate::web::reader::Reader;

/// The most characters of the key of a form.
const ONCE_CHARS_MAX: usize = 64;

/// The form of the button Next.
#[derive(Debug, Deserialize)]
pub(super) struct Next {
    /// The key under which the step is done once.
    #[serde(default)]
    once: String,
    #[serde(default)]
    visitor: String,
    /// The total of the deal that the page showed.
    #[serde(default)]
    total: String,
}

/// `GET /demo/{story}/{run}`: leads to the next step of the run.
pub(super) async fn resume(reader: Reader, path: Path<(String, String)>) -> Result<HttpResponse, Refused> {
    let (slug, id) = path.into_inner();
    let (run, _) = find(&reader, &(slug, id, "1".to_owned())).await?;
    Ok(see(&run, run.next_step()))
}

/// `GET /demo/{story}/{run}/{step}`: a step before it is done or read again, or the end of the
/// story as the step after the last. A step too far ahead leads to the next one.
pub(super) async fn show(reader: Reader, path: Path<(String, String, String)>) -> Result<HttpResponse, Refused> {
    let (run, number) = find(&reader, &path).await?;
    let next = run.next_step();
    if number > next {
        return Ok(see(&run, next));
    }
    let currency = reader.currency();
    let content = match run.story.steps.get(number - 1) {
        Some(step) => html! {
            (step_card(&reader, &run, step, number))
            (money_before(&run, number, &currency))
        },
        None => ending::show(&run, &currency),
    };
    Ok(Page::new(run.story.title).section("/demo").show(&html! {
        h1 #step { (run.story.title) }
        div.step-page {
            (content)
            section.card.steps-card aria-labelledby="steps" {
                h2 #steps { "The steps" }
                (progress(&run, number, next))
                div.actions { (start_button(&reader, &run.story, "Start again", "")) }
                p.small.muted { "Starts a new run with new customers. This one stays as it is." }
            }
        }
    }))
}

/// `POST /demo/{story}/{run}/{step}`: does the step. A step that is done is not done again.
pub(super) async fn next(
    reader: Reader,
    path: Path<(String, String, String)>,
    Form(form): Form<Next>,
) -> Result<HttpResponse, Refused> {
    reader.check_visitor(&form.visitor)?;
    let (run, number) = find(&reader, &path).await?;
    let Some(step) = run.story.steps.get(number - 1).filter(|_| number == run.next_step()) else {
        return Ok(see(&run, run.next_step().min(number + 1)));
    };
    let mut request = run.request(&step.request);
    if step.done == Done::Paid {
        pay_only(&form.total, &mut request)?;
    }
    request.idempotency_key = Some(key(&form.once)?);
    let answer = once::answer(|| reader.api.send(request.clone())).await?;
    if answer.status.is_success() {
        return Ok(see(&run, number + 1));
    }
    // A click in another window may have been faster.
    let (run, _) = find(&reader, &path).await?;
    if run.next_step() > number {
        return Ok(see(&run, number + 1));
    }
    Ok(refusal(&reader, &request, &answer, &run.address(number)))
}

/// Returns the run and the number of the step that an address names.
async fn find(reader: &Reader, path: &(String, String, String)) -> Result<(Run, usize), Refused> {
    let (slug, id, step) = path;
    let story = story(slug)?;
    let unknown = |message: String| Refused::new(404, Page::new("Not in this story").section("/demo"), message);
    let number = step
        .parse::<usize>()
        .ok()
        .filter(|number| (1..=story.steps.len() + 1).contains(number));
    let number = number.ok_or_else(|| unknown(format!("This story has {} steps and an end.", story.steps.len())))?;
    let run = match RunId::parse(&story, id) {
        Some(id) => Run::load(reader, story, id).await?,
        None => None,
    };
    let run = run.ok_or_else(|| {
        unknown(
            "There is no such run of the story. The sandbox may have been reset. Start it under Stories.".to_owned(),
        )
    })?;
    Ok((run, number))
}

/// Checks the key of a form.
fn key(once: &str) -> Result<String, Refused> {
    let is_key = (1..=ONCE_CHARS_MAX).contains(&once.len())
        && once.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if is_key {
        return Ok(once.to_owned());
    }
    let page = Page::new("That form is incomplete").section("/demo");
    let message = format!("The field once must have 1 to {ONCE_CHARS_MAX} letters, digits or underscores.");
    Err(Refused::new(400, page, message))
}

/// Puts the total that a page showed into a request that pays: the route refuses the payment of
/// another one.
fn pay_only(total: &str, request: &mut Request) -> Result<(), Refused> {
    let total = Amount::parse_major(total).map_err(|_| {
        let page = Page::new("That form is incomplete").section("/demo");
        Refused::new(400, page, "The field total must have the total that the page showed.")
    })?;
    if let Some(Value::Object(body)) = &mut request.body {
        body.insert("amount".to_owned(), json!(MajorUnits(total)));
    }
    Ok(())
}

/// Leads to a page of the run, with the keyboard at its step.
fn see(run: &Run, number: usize) -> HttpResponse {
    let place = format!("{}#step", run.address(number));
    HttpResponse::SeeOther().insert_header((LOCATION, place)).finish()
}

fn step_card(reader: &Reader, run: &Run, step: &Step, number: usize) -> Markup {
    let address = run.address(number);
    html! {
        section.card.story {
            p.small.muted { "Step " (number) " of " (run.story.steps.len()) }
            h2 { (step.title) }
            p { (run.filled(step.text)) }
            p { strong { "Why the money is safe: " } (run.filled(step.safety)) }
            div.actions {
                @if run.done_at(number).is_some() {
                    a.button.primary href={ (run.address(number + 1)) "#step" } { "Go on" }
                    span.muted { "This step is done." }
                } @else {
                    form.inline method="post" action=(address) {
                        (reader.visitor_field())
                        input type="hidden" name="once" value=(entropy::request_id());
                        @if let (Done::Paid, Some((escrow, _))) = (step.done, &run.deal) {
                            input type="hidden" name="total" value=(escrow.charge());
                        }
                        button.primary { "Next" }
                    }
                }
                @if number > 1 { a.button href={ (run.address(number - 1)) "#step" } { "Back" } }
            }
            details {
                summary { "The request as curl" }
                pre tabindex="0" { code #curl { (reader.curl(&run.request(&step.request))) } }
                button type="button" data-copy="curl" { "Copy" }
            }
        }
    }
}

/// Shows the money before a step, with the changes by the step before it.
fn money_before(run: &Run, number: usize, currency: &str) -> Markup {
    let picture = Picture::of(run, run.done_at(number));
    let earlier = number.checked_sub(1).and_then(|earlier| run.done_at(earlier));
    let earlier = earlier.map(|moment| Picture::of(run, Some(moment)));
    let last = number.checked_sub(2).and_then(|last| run.story.steps.get(last));
    let earlier = last.zip(earlier.as_ref()).map(|(step, picture)| (step.title, picture));
    html! {
        section.card.money {
            h2 { @if run.done_at(number).is_some() { "Who had what before this step" } @else { "Who has what now" } }
            (money::now(&picture, earlier, currency))
        }
    }
}

/// Lists the steps. The steps that are done, and the next one, can be read.
fn progress(run: &Run, shown: usize, next: usize) -> Markup {
    let titles = run.story.steps.iter().map(|step| step.title).chain(["The end"]);
    html! {
        ol.steps {
            @for (number, title) in (1..).zip(titles) {
                li.done[number < next] aria-current=[(number == shown).then_some("step")] {
                    @if number <= next && number != shown {
                        a href={ (run.address(number)) "#step" } { (title) }
                    } @else {
                        (title)
                    }
                    @if number < next { span.visually-hidden { ": done" } }
                }
            }
        }
    }
}
