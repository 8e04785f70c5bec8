//! Batches of pay-outs: the file for the bank, and the results with which it comes back.

use actix_web::HttpResponse;
use actix_web::http::{Method, StatusCode};
use maud::{Markup, html};
use percent_encoding::{NON_ALPHANUMERIC, percent_encode};
use serde::Deserialize;
use serde_json::json;

use crate::domain::text::counted;
use crate::http::ApiError;
use crate::store::Snapshot;
use crate::web::api::{ApiReply, Request};
use crate::web::console::call::{hidden, idempotency_key};
use crate::web::console::desk::parts::{SECTION, file_refusal, pages, pasted, typed_file};
use crate::web::form::{BodyForm, CsvForm};
use crate::web::layout::{Page, Refused, of_merchant};
use crate::web::reader::Reader;

const PATH: &str = "/console/desk/batches";
const EXPORT: &str = "/operator/payouts/export";
const RESULTS: &str = "/operator/payouts/results";

/// The form that asks for a file.
#[derive(Debug, Deserialize)]
pub(super) struct ExportForm {
    #[serde(default)]
    visitor: String,
    merchant: Option<String>,
    once: Option<String>,
    /// The number of an exported batch. Empty for a new one.
    #[serde(default)]
    batch: String,
}

/// The form with the results of a batch.
#[derive(Debug, Deserialize)]
pub(super) struct ResultsForm {
    #[serde(default)]
    visitor: String,
    merchant: Option<String>,
    #[serde(default)]
    results: String,
}

/// The effects of a batch's results.
#[derive(Debug, Deserialize)]
struct Effects {
    applied: usize,
    asked: u64,
    already: usize,
    refused: usize,
    lines: Vec<LineEffect>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct LineEffect {
    line: u64,
    payout_id: String,
    outcome: String,
    status: Option<String>,
    message: Option<String>,
    details: Option<RefusalDetails>,
}

/// The part of the details of a refusal that the page shows.
#[derive(Debug, Deserialize)]
struct RefusalDetails {
    /// The receipt or pay-out that has the bank's reference.
    id: Option<String>,
}

/// `GET /console/desk/batches`
pub(super) async fn show(reader: Reader) -> Result<HttpResponse, Refused> {
    page(&reader, StatusCode::OK, &html! {}, "").await
}

/// `POST /console/desk/batches/export`: the page with the file. A page, so that a form that is sent
/// twice shows the file of the first time again.
pub(super) async fn export(
    mut reader: Reader,
    BodyForm { form, .. }: BodyForm<ExportForm>,
) -> Result<HttpResponse, Refused> {
    reader.check_visitor(&form.visitor)?;
    let mut request = Request::new(Method::POST, EXPORT);
    reader.choose_of_form(form.merchant.as_deref())?;
    request.merchant = form.merchant.filter(|_| reader.is_operator());
    let batch = form.batch.trim();
    if !batch.is_empty() {
        // The route says what is wrong with another text.
        let number = batch.parse().map_or_else(|_| json!(batch), |number: u32| json!(number));
        request = request.with(json!({ "batch": number }));
    }
    request.idempotency_key = idempotency_key(form.once.as_deref(), &request);
    match reader.api.file(request).await? {
        Ok(file) => page(&reader, StatusCode::OK, &exported(batch, &file), "").await,
        Err(answer) => page(&reader, answer.status, &refused(&reader, &answer), "").await,
    }
}

/// `POST /console/desk/batches`: applies the results of a batch.
pub(super) async fn apply(
    mut reader: Reader,
    CsvForm { form, .. }: CsvForm<ResultsForm>,
) -> Result<HttpResponse, Refused> {
    reader.check_visitor(&form.visitor)?;
    let mut request = Request::new(Method::POST, RESULTS);
    reader.choose_of_form(form.merchant.as_deref())?;
    request.merchant = form.merchant.filter(|_| reader.is_operator());
    let answer = reader.api.send_csv(request, pasted(&form.results)).await?;
    if !answer.status.is_success() {
        return page(&reader, answer.status, &refused(&reader, &answer), &form.results).await;
    }
    let applied = Effects::deserialize(answer.envelope.data).map_err(|_| ApiError::Internal)?;
    page(&reader, StatusCode::OK, &effects(&applied), "").await
}

/// Offers a file to be saved, or says that it has no pay-outs. `batch` is the number that was asked
/// for, or empty.
fn exported(batch: &str, file: &[u8]) -> Markup {
    let text = String::from_utf8_lossy(file);
    let rows = text.lines().skip(1).count();
    let number = text.lines().nth(1).and_then(|row| row.rsplit(',').next());
    let Some(number) = number else {
        let nothing = if batch.is_empty() {
            "Nothing was exported: no approved pay-out waits for its first export."
        } else {
            "Nothing of this batch is still to be paid."
        };
        let left_out =
            "Pay-outs that stand under Money out as stopped, or with a request for their return, are left out.";
        return html! { div.notice.warn role="status" { p { (nothing) } p { (left_out) } } };
    };
    let name = format!("payouts-{number}.csv");
    let address = format!("data:text/csv;charset=utf-8,{}", percent_encode(file, NON_ALPHANUMERIC));
    html! {
        div.notice.good role="status" {
            p { strong { "Batch " (number) " has " (rows) @if rows == 1 { " pay-out." } @else { " pay-outs." } } }
            p { a.button.primary href=(address) download=(name) { "Save " (name) } }
        }
    }
}

/// Says why a request was refused, with all errors of a file.
fn refused(reader: &Reader, answer: &ApiReply) -> Markup {
    file_refusal(&answer.envelope, &reader.currency(), "Nothing was changed.")
}

fn effects(found: &Effects) -> Markup {
    let tone = if found.refused > 0 { "warn" } else { "good" };
    html! {
        div class={ "notice " (tone) } role="status" {
            p { strong { (found.applied) " recorded, " (found.already) " recorded before, " (found.refused) " refused." } }
            @if found.asked > 0 {
                p { "Noted: " (counted(found.asked, "large return")) ". Another operator must record these results too, or confirm each return under Money out." }
            }
        }
        section.card {
            h2 { "Results" }
            div.table-scroll tabindex="0" {
                table {
                    thead { tr { th scope="col" { "Line" } th scope="col" { "Pay-out" } th scope="col" { "Result" } } }
                    tbody {
                        @for line in &found.lines {
                            tr {
                                td { (line.line) }
                                td { code { (line.payout_id) } }
                                td {
                                    @match (&line.status, &line.message) {
                                        (Some(status), _) => { (status)
                                            @match line.outcome.as_str() {
                                                "already" => " (recorded before)",
                                                "asked" => ", until another operator records the return too",
                                                _ => "",
                                            }
                                        },
                                        (None, message) => { "refused: " (message.as_deref().unwrap_or_default()) },
                                    }
                                    @if let Some(id) = line.details.as_ref().and_then(|details| details.id.as_ref()) {
                                        div.small.muted { "for " code { (id) } }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

async fn page(reader: &Reader, status: StatusCode, outcome: &Markup, results: &str) -> Result<HttpResponse, Refused> {
    let newest = reader.read(|snapshot: &Snapshot<'_>, merchant| snapshot.newest_payout_batch(merchant));
    let newest = newest.await?.flatten();
    let export = Request::new(Method::POST, EXPORT);
    let apply = Request::new(Method::POST, RESULTS);
    let page = Page::new("Batches").section(SECTION).show_with(status, &html! {
        h1 { "Batches for the bank" }
        p.lead { "Pay many pay-outs at once: export the approved ones as a file for the bank, and record the results with which it comes back." }
        (pages(reader, PATH))
        (outcome)
        @if reader.may(&export) {
            section.card {
                h2 { "To the bank" }
                p { "A pay-out is in one batch only, so that the bank is asked once to pay it."
                    @if let Some(newest) = newest { " The newest batch has the number " (newest) "." }
                }
                form method="post" action={ (PATH) "/export" } {
                    (hidden(reader, &export, PATH))
                    button.primary { "Export the next batch" }
                }
                details {
                    summary { "The file of an earlier batch was lost" }
                    form method="post" action={ (PATH) "/export" } {
                        (hidden(reader, &export, PATH))
                        div.field {
                            label for="batch" { "Number of the batch" }
                            input #batch name="batch" inputmode="numeric" required aria-describedby="batch-hint";
                            p.hint #batch-hint { "Send the file only if the bank does not have the first one. It has what is still to be paid." }
                        }
                        button { "Export it again" }
                    }
                }
            }
        }
        @if reader.may(&apply) {
            form.card method="post" action=(PATH) {
                h2 { "Back from the bank" }
                (hidden(reader, &apply, PATH))
                div.field {
                    label for="results" { "The results as CSV" }
                    textarea #results name="results" rows="8" required aria-describedby="results-hint" placeholder="payoutId,status,bankReference,valueDate,reason" { (typed_file(results)) }
                    p.hint #results-hint { "A head and a line for each pay-out; the status is " code { "paid" } " or " code { "returned" } ". A file may be sent twice: each result is recorded once." }
                }
                button.primary { "Record the results" }
            }
        }
        @if !reader.may(&export) && !reader.may(&apply) {
            p.muted { "A cashier exports batches and records their results." }
        }
    });
    Ok(of_merchant(page, reader.pinned_merchant()))
}
