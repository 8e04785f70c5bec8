//! The choice of a story, its people, and the start of a run.

use actix_web::HttpResponse;
use actix_web::http::Method;
use actix_web::http::header::LOCATION;
use actix_web::web::Path;
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::json;

use crate::web::api::Request;
use crate::web::console::refusal;
use crate::web::demo::run::{Run, RunId, people_with_wallets};
use crate::web::demo::stories;
use crate::web::demo::story::Story;
use crate::web::form::Form;
use crate::web::layout::{Page, Refused};
use crate::web::once;
use crate::web::reader::Reader;
use crate::web::text;

/// The form that starts a run.
#[derive(Debug, Deserialize)]
pub(super) struct Start {
    #[serde(default)]
    run: String,
    #[serde(default)]
    visitor: String,
}

/// `GET /demo`
pub(super) async fn list(reader: Reader) -> HttpResponse {
    Page::new("Stories").section("/demo").show(&html! {
        h1 { "Stories" }
        p.lead { "Each story is a deal, told step by step. Every step really happens in this sandbox, with play money, and shows who has what." }
        (strict(&reader))
        div.grid {
            @for story in stories::all() {
                section.card {
                    h2 { a href={ "/demo/" (story.slug) } { (story.title) } }
                    p { (story.summary) }
                    p.small.muted { (story.steps.len()) " steps" }
                }
            }
        }
    })
}

/// `GET /demo/{story}`
pub(super) async fn show(reader: Reader, slug: Path<String>) -> Result<HttpResponse, Refused> {
    let story = story(&slug)?;
    let currency = reader.currency();
    Ok(Page::new(story.title).section("/demo").narrow().show(&html! {
        h1 { (story.title) }
        p.lead { (story.summary) }
        section.card {
            h2 { "The people" }
            dl.facts {
                @for person in &story.people {
                    dt { (person.name) }
                    dd {
                        (person.role)
                        @if let Some(wallet) = person.wallet { div.small.muted { "has " (text::minor(i64::from(wallet) * 100, &currency)) " in the wallet" } }
                    }
                }
            }
            @if !reader.state.policy.load().is_strict { (start_button(&reader, &story, "Start", "primary wide")) }
        }
        (strict(&reader))
        section.card {
            h2 { "The steps" }
            ol.steps { @for step in &story.steps { li { (step.title) } } }
        }
        p { a href="/demo" { "Other stories" } }
    }))
}

/// `POST /demo/{story}`: gives the people of a new run their wallets. Sent twice, it starts one
/// run.
pub(super) async fn start(
    reader: Reader,
    slug: Path<String>,
    Form(form): Form<Start>,
) -> Result<HttpResponse, Refused> {
    let story = story(&slug)?;
    let id = RunId::parse(&story, &form.run).ok_or_else(|| {
        let page = Page::new("That form is incomplete").section("/demo");
        Refused::new(
            400,
            page,
            "The field run must be the id of a run of this story, as the page of the story makes it.",
        )
    })?;
    reader.check_visitor(&form.visitor)?;
    let place = format!("/demo/{}/{}/1", story.slug, id.as_str());
    if Run::load(&reader, story.clone(), id.clone()).await?.is_none() {
        for person in people_with_wallets(&story) {
            let customer = id.customer(&person.customer_name());
            let mut request = Request::new(Method::PUT, "/sandbox/balance")
                .with(json!({"customerId": customer, "balance": person.wallet}));
            request.idempotency_key = Some(format!("story-{customer}"));
            let answer = once::answer(|| reader.api.send(request.clone())).await?;
            if !answer.status.is_success() {
                let back = format!("/demo/{}", story.slug);
                return Ok(refusal(&reader, &request, &answer, &back));
            }
        }
    }
    Ok(HttpResponse::SeeOther().insert_header((LOCATION, place)).finish())
}

/// Returns the story with this part of the address.
///
/// # Errors
///
/// Returns a page with 404 if there is none.
pub(super) fn story(slug: &str) -> Result<Story, Refused> {
    stories::find(slug).ok_or_else(|| {
        let page = Page::new("No such story").section("/demo");
        Refused::new(
            404,
            page,
            "There is no story at this address. Choose one under Stories.",
        )
    })
}

/// A form with a button that starts a new run.
pub(super) fn start_button(reader: &Reader, story: &Story, label: &str, class: &str) -> Markup {
    html! {
        form.inline method="post" action={ "/demo/" (story.slug) } {
            (reader.visitor_field())
            input type="hidden" name="run" value=(RunId::new(story).as_str());
            button class=(class) { (label) }
        }
    }
}

/// Says that a strict sandbox has no stories, if it is one.
fn strict(reader: &Reader) -> Markup {
    html! {
        @if reader.state.policy.load().is_strict {
            div.notice.warn { p { "Stories make their customers by name, which this sandbox refuses, since it is strict. Start one without " code { "strict" } ", or run " code { "escrowd demo --web" } "." } }
        }
    }
}
