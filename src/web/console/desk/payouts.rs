//! Money out: the pay-outs, their approval and their payment.

use actix_web::HttpResponse;
use actix_web::http::Method;
use actix_web::web::Query;
use maud::{Markup, html};
use serde::Deserialize;

use crate::domain::customers::owner_problem::OwnerProblem;
use crate::domain::ids::OperatorId;
use crate::domain::treasury::payout::{PayoutStatus, PayoutStep};
use crate::web::api::{Major, Request};
use crate::web::console::call::{button, hidden};
use crate::web::console::desk::lists::{Cursors, Heading, List, waiting_and_history};
use crate::web::console::desk::parts::{NEWEST_FIRST, SECTION, bank_entry, destination, pager, pages, today};
use crate::web::console::done;
use crate::web::console::done::Shown;
use crate::web::console::reasons::with_reason;
use crate::web::console::timeline::time;
use crate::web::console::who::{Operators, People};
use crate::web::layout::{Page, Refused};
use crate::web::reader::Reader;
use crate::web::text;

const BACK: &str = "/console/desk/payouts";

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Payout {
    id: String,
    status: String,
    source: String,
    customer_id: Option<String>,
    amount: Major,
    fee: Major,
    reference: Option<String>,
    destination: Option<Destination>,
    bank_reference: Option<String>,
    reason: Option<String>,
    batch: Option<u32>,
    requested_by: Option<String>,
    asked_by: Option<String>,
    asked_for: Option<String>,
    owner_problem: Option<String>,
    created_at: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Destination {
    bank_name: String,
    account_number: String,
    account_name: String,
}

const REQUESTED: Heading = Heading {
    id: "requested",
    title: "To approve",
    none: "No pay-out waits for its approval. A customer withdraws on the customer's page, or by the API.",
};
const APPROVED: Heading = Heading {
    id: "approved",
    title: "To pay at the bank",
    none: "No pay-out waits for its payment.",
};
const HISTORY: Heading = Heading {
    id: "history",
    title: "History",
    none: "No pay-out has been paid, rejected or returned.",
};

/// `GET /console/desk/payouts`
pub(super) async fn show(
    reader: Reader,
    Query(shown): Query<Shown>,
    Query(cursors): Query<Cursors>,
) -> Result<HttpResponse, Refused> {
    let waiting = [(REQUESTED, PayoutStatus::TO_DECIDE), (APPROVED, PayoutStatus::TO_PAY)];
    let lists: Vec<List<Payout>> =
        waiting_and_history(&reader, "/operator/payouts", &waiting, HISTORY, &cursors).await?;
    let all = lists.iter().flat_map(|list| &list.found.data);
    let customers = all.filter_map(|payout| payout.customer_id.as_deref());
    let people = People::of(&reader, customers).await?;
    let all = lists.iter().flat_map(|list| &list.found.data);
    let operators = Operators::of(&reader, all.filter_map(|payout| payout.asked_by.as_deref())).await?;
    let done = done::notice(&reader, shown.done()).await?;
    let (today, currency) = (today(&reader).await?, reader.currency());
    Ok(Page::new("Money out").section(SECTION).show(&html! {
        (done)
        h1 { "Money out" }
        p.lead { "Approve a pay-out, pay it at the bank, and record that it was paid." }
        (pages(&reader, BACK))
        @for List { heading, cursor, found } in &lists {
            h2 id=(heading.id) { (heading.title) }
            @if found.data.is_empty() { p.muted { (heading.none) } }
            @for payout in &found.data {
                (card(&reader, payout, (&people, &operators), &today, &currency))
            }
            (pager(BACK, heading.id, cursor.as_deref(), found, NEWEST_FIRST))
        }
        (own_money(&reader, &currency))
    }))
}

/// The form that asks for a pay-out of the merchant's own money, or of the fees.
fn own_money(reader: &Reader, currency: &str) -> Markup {
    let request = Request::new(Method::POST, "/operator/payouts");
    if !reader.may(&request) {
        return html! {};
    }
    html! {
        form.card method="post" action="/console/call" {
            h2 { "Pay out what is the merchant's or the platform's" }
            (hidden(reader, &request, BACK))
            div.fields {
                div.field {
                    label for="source" { "Whose money" }
                    select #source name="s:source" {
                        option value="merchant" { "The merchant's own" }
                        option value="platform_fees" { "Fees of the platform" }
                    }
                }
                div.field {
                    label for="amount" { "Amount in " (currency) }
                    input #amount name="n:amount" inputmode="decimal" required;
                }
            }
            (destination("own"))
            div.field {
                label for="why" { "Reason" }
                input #why name="s:reason";
            }
            button { "Request the pay-out" }
        }
    }
}

fn card(
    reader: &Reader,
    payout: &Payout,
    (people, operators): (&People, &Operators),
    today: &str,
    currency: &str,
) -> Markup {
    html! {
        section.card {
            div.page-head {
                h3 {
                    (text::amount(payout.amount.0, currency)) " of "
                    @match &payout.customer_id { Some(customer) => (people.name(customer)), None => (payout.source.replace('_', " ")) }
                }
                span class={ "badge " (tone(&payout.status)) } { (payout.status) }
            }
            dl.facts {
                @if let Some(customer) = &payout.customer_id { dt { "Customer" } dd { (people.show(customer)) } }
                @if let Some(to) = &payout.destination {
                    dt { "To" } dd { (to.account_name) ", " code { (to.account_number) } ", " (to.bank_name) }
                }
                dt { "Fee" } dd { (text::amount(payout.fee.0, currency)) }
                @if let Some(reference) = &payout.reference { dt { "Reference" } dd { code { (reference) } } }
                @if let Some(batch) = payout.batch { dt { "Sent to the bank" } dd { "In batch " (batch) } }
                @if let Some(reference) = &payout.bank_reference { dt { "Bank's reference" } dd { code { (reference) } } }
                @if let Some(reason) = &payout.reason { dt { "Reason" } dd { (reason) } }
                @if let Some(problem) = payout.owner_problem.as_deref().and_then(|word| word.parse::<OwnerProblem>().ok()) {
                    dt { "Stopped" } dd { "The customer " (problem.words()) }
                }
                dt { "Requested" } dd { (time(&payout.created_at)) }
            }
            (asked(payout, operators))
            (acts(reader, payout, today))
        }
    }
}

/// Shows what an operator has asked for, if a second one has to ask for the same.
fn asked(payout: &Payout, operators: &Operators) -> Markup {
    let step: Option<PayoutStep> = payout.asked_for.as_deref().and_then(|word| word.parse().ok());
    html! {
        @if let (Some(operator), Some(step)) = (&payout.asked_by, step) {
            p.notice.warn {
                (operators.name(operator)) " asked to "
                @match step {
                    PayoutStep::Return => "record that the bank sent it back",
                    PayoutStep::Reopening => "reopen it",
                }
                ". Nothing has moved yet: another operator must ask for the same."
            }
        }
    }
}

/// Shows what can be done with a pay-out in its status. An operator who has asked for a step that takes
/// two leaves it to another one.
fn acts(reader: &Reader, payout: &Payout, today: &str) -> Markup {
    let is_first = |first: Option<&String>| {
        let first = first.map(|id| OperatorId::named(id));
        reader.is_first_of_two(first, payout.amount.0)
    };
    let is_asked = |step: PayoutStep| payout.asked_for.as_deref().and_then(|word| word.parse().ok()) == Some(step);
    let can_take = |step| !(is_asked(step) && is_first(payout.asked_by.as_ref()));
    let status: Option<PayoutStatus> = payout.status.parse().ok();
    let is_in = |statuses: &[PayoutStatus]| status.is_some_and(|status| statuses.contains(&status));
    let act = |name: &str| Request::new(Method::POST, format!("/operator/payouts/{}/{name}", payout.id));
    html! {
        @if is_in(PayoutStatus::TO_DECIDE) {
            @if !is_first(payout.requested_by.as_ref()) {
                (button(reader, &act("approve"), BACK, "Approve", "primary"))
            } @else if reader.may(&act("approve")) {
                p.hint { "You have requested it. Another operator must approve it." }
            }
            (with_reason(reader, &act("reject"), BACK, &format!("reject-{}", payout.id), "Reject"))
        }
        @if is_in(PayoutStatus::TO_PAY) && reader.may(&act("pay")) {
            form method="post" action="/console/call" {
                (hidden(reader, &act("pay"), BACK))
                div.fields { (bank_entry(&payout.id, today)) }
                button.primary { "Record that it was paid" }
            }
        }
        @if is_in(PayoutStatus::TO_RETURN) && !reader.is_in_sandbox() && reader.may(&act("return")) {
            p.hint { "A large pay-out is returned or reopened when two operators ask for the same." }
        }
        @if is_in(PayoutStatus::TO_RETURN) && can_take(PayoutStep::Return) {
            (with_reason(reader, &act("return"), BACK, &format!("return-{}", payout.id), "The bank sent it back"))
        }
        @if is_in(PayoutStatus::TO_REOPEN) && can_take(PayoutStep::Reopening) {
            (with_reason(reader, &act("reopen"), BACK, &format!("reopen-{}", payout.id), "Reopen: the payment was recorded by mistake"))
        }
        @if payout.asked_by.is_some() {
            (with_reason(reader, &act("retract"), BACK, &format!("retract-{}", payout.id), "Retract the request"))
        }
    }
}

fn tone(status: &str) -> &'static str {
    match status {
        "requested" => "warn",
        "approved" => "info",
        "paid" => "good",
        _ => "bad",
    }
}
