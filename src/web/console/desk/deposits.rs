//! Money in: the deposits that are expected, and the receipts of what came.

use actix_web::HttpResponse;
use actix_web::http::Method;
use actix_web::web::Query;
use maud::{Markup, PreEscaped, html};
use serde::Deserialize;

use crate::domain::ids::{OperatorId, TransactionId};
use crate::domain::mode::Mode;
use crate::domain::payments::payment::Payment;
use crate::domain::treasury::receipt::ReceiptStatus;
use crate::web::api::{Major, Request};
use crate::web::console::call::{button, hidden};
use crate::web::console::desk::lists::{Cursors, Heading, List, waiting_and_history};
use crate::web::console::desk::parts::{NEWEST_FIRST, SECTION, bank_entry, destination, pager, pages, rows, today};
use crate::web::console::done;
use crate::web::console::done::Shown;
use crate::web::console::reasons::{reason, with_reason};
use crate::web::console::timeline::{Rows, time};
use crate::web::console::who::{Operators, People};
use crate::web::layout::{Page, Refused};
use crate::web::reader::Reader;
use crate::web::text;

const BACK: &str = "/console/desk/deposits";

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Deposit {
    id: String,
    reference: String,
    #[serde(rename = "depositReference")]
    quoted: String,
    customer_id: Option<String>,
    amount: Major,
    escrow_ids: Vec<String>,
    created_at: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Receipt {
    id: String,
    status: String,
    amount: Major,
    bank_reference: String,
    value_date: String,
    customer_id: Option<String>,
    expected_deposit_id: Option<String>,
    /// The reference that the payer of the expected deposit quotes, if a second operator has to assign the
    /// money to that deposit too.
    #[serde(skip)]
    asked_reference: Option<String>,
    recorded_by: Option<String>,
    asked_by: Option<String>,
    note: Option<String>,
    created_at: String,
}

const RECORDED: Heading = Heading {
    id: "recorded",
    title: "To approve",
    none: "No receipt waits for its approval.",
};
const SUSPENSE: Heading = Heading {
    id: "suspense",
    title: "In suspense",
    none: "All money has an owner.",
};
const HISTORY: Heading = Heading {
    id: "history",
    title: "Other receipts",
    none: "No receipt has been credited, rejected, reversed or sent back.",
};

/// `GET /console/desk/deposits`
pub(super) async fn show(
    reader: Reader,
    Query(shown): Query<Shown>,
    Query(cursors): Query<Cursors>,
) -> Result<HttpResponse, Refused> {
    let cursor = cursors.get("expected").map(String::as_str);
    let expected: Rows<Deposit> = rows(&reader, "/operator/deposits?limit=50", cursor).await?;
    let came = came(&reader, &expected.data).await?;
    let waiting = [
        (RECORDED, ReceiptStatus::TO_DECIDE),
        (SUSPENSE, ReceiptStatus::TO_ASSIGN),
    ];
    let mut receipts: Vec<List<Receipt>> =
        waiting_and_history(&reader, "/operator/receipts", &waiting, HISTORY, &cursors).await?;
    find_asked_references(&reader, receipts.iter_mut().flat_map(|list| &mut list.found.data)).await?;
    let customers = expected.data.iter().map(|deposit| &deposit.customer_id);
    let of_receipts = receipts.iter().flat_map(|list| &list.found.data);
    let customers = customers.chain(of_receipts.map(|receipt| &receipt.customer_id));
    let people = People::of(&reader, customers.filter_map(Option::as_deref)).await?;
    let of_receipts = receipts.iter().flat_map(|list| &list.found.data);
    let askers = of_receipts.filter_map(|receipt| receipt.asked_by.as_deref());
    let operators = Operators::of(&reader, askers).await?;
    let done = done::notice(&reader, shown.done()).await?;
    let (today, currency) = (today(&reader).await?, reader.currency());
    Ok(Page::new("Money in").section(SECTION).show(&html! {
        (done)
        h1 { "Money in" }
        p.lead { "What customers announced, and what came to the bank." }
        (pages(&reader, BACK))
        div.columns {
            div {
                section.card {
                    h2 #expected { "Expected" }
                    @if expected.data.is_empty() {
                        p.muted { "No deposit is expected. A customer announces one on the customer's page, or by the API." }
                    }
                    @if expected.data.iter().any(|deposit| deposit.quoted != deposit.reference) {
                        p.hint {
                            "The payer was told to quote the reference. The name that the merchant gave the payment may be that of "
                            "another merchant's payment too, so money with the name alone is not known to be for this deposit."
                        }
                    }
                    @for (deposit, came) in std::iter::zip(&expected.data, &came) {
                        (expected_deposit(&reader, deposit, *came, (&people, &today), &currency))
                    }
                    (pager(BACK, "expected", cursor, &expected, NEWEST_FIRST))
                }
                @for List { heading, cursor, found } in &receipts {
                    section.card {
                        h2 id=(heading.id) { (heading.title) }
                        @if found.data.is_empty() {
                            p.muted { (heading.none) }
                        } @else {
                            (table(&reader, &found.data, (&people, &operators), &currency))
                        }
                        (pager(BACK, heading.id, cursor.as_deref(), found, NEWEST_FIRST))
                    }
                }
            }
            (other_money(&reader, &today, &currency))
        }
    }))
}

/// Returns for each deposit if its money was recorded and waits for a second operator.
async fn came(reader: &Reader, deposits: &[Deposit]) -> Result<Vec<bool>, Refused> {
    let ids: Vec<_> = deposits
        .iter()
        .map(|deposit| TransactionId::named(&deposit.id))
        .collect();
    let read = reader.read(move |snapshot, merchant| {
        let came = ids.iter().map(|id| snapshot.deposit_has_receipt(merchant, *id));
        came.collect::<Result<Vec<bool>, _>>()
    });
    Ok(read.await?.unwrap_or_else(|| vec![false; deposits.len()]))
}

/// Finds for each receipt the reference of the deposit that a first operator asked to assign it to. The
/// list of expected deposits need not show that deposit: it has pages, and leaves out what has succeeded.
async fn find_asked_references(reader: &Reader, receipts: impl Iterator<Item = &mut Receipt>) -> Result<(), Refused> {
    let asked: Vec<(&mut Receipt, TransactionId)> = receipts
        .filter(|receipt| is_to_assign(receipt))
        .filter_map(|receipt| {
            let deposit = TransactionId::named(receipt.expected_deposit_id.as_deref()?);
            Some((receipt, deposit))
        })
        .collect();
    let ids: Vec<TransactionId> = asked.iter().map(|(_, deposit)| *deposit).collect();
    let read = reader.read(move |snapshot, _merchant| {
        let found = ids.iter().map(|id| snapshot.payment(*id));
        found.collect::<Result<Vec<Option<Payment>>, _>>()
    });
    let found = read.await?.unwrap_or_default();
    let mode = if reader.is_in_sandbox() {
        Mode::Sandbox
    } else {
        Mode::Live
    };
    for ((receipt, _), payment) in std::iter::zip(asked, found) {
        receipt.asked_reference = payment.map(|payment| payment.transaction.quoted_reference(mode).as_str().to_owned());
    }
    Ok(())
}

/// Shows an expected deposit. `came` is true if its money was recorded and waits for a second operator:
/// the deposit cannot be given up until then.
fn expected_deposit(
    reader: &Reader,
    deposit: &Deposit,
    came: bool,
    (people, today): (&People, &str),
    currency: &str,
) -> Markup {
    let reference = deposit.reference.as_str();
    let record = Request::new(Method::POST, "/operator/receipts");
    let expire = Request::new(Method::POST, "/operator/deposits/expire");
    html! {
        article {
            h3 {
                (text::amount(deposit.amount.0, currency))
                @if let Some(customer) = &deposit.customer_id { " from " (people.name(customer)) }
            }
            p.small.muted {
                "Reference " code { (deposit.quoted) } ", announced " (time(&deposit.created_at))
                @if deposit.quoted != reference { ", by the merchant named " code { (reference) } }
                @for escrow in &deposit.escrow_ids { ", for " a href={ "/console/deals/" (escrow) } { "a deal" } }
            }
            @if came {
                p { "Money with this reference was recorded, and waits for a second operator in the lists below." }
            }
            @if reader.may(&record) {
                @if came {
                    details {
                        summary { "More came" }
                        (record_form(reader, deposit, today, "Record what else came"))
                    }
                } @else {
                    (record_form(reader, deposit, today, "Record that it came"))
                }
            }
            @if !came && reader.may(&expire) {
                details {
                    summary { "It will not come" }
                    form method="post" action="/console/call" {
                        (hidden(reader, &expire, BACK))
                        input type="hidden" name="s:reference" value=(reference);
                        (reason(reference))
                        button { "Give it up" }
                    }
                }
            }
        }
    }
}

/// The form that records money which came with the reference of an expected deposit.
fn record_form(reader: &Reader, deposit: &Deposit, today: &str, button: &str) -> Markup {
    let reference = deposit.reference.as_str();
    let record = Request::new(Method::POST, "/operator/receipts");
    html! {
        form method="post" action="/console/call" {
            (hidden(reader, &record, BACK))
            input type="hidden" name="s:depositReference" value=(deposit.quoted);
            div.fields {
                div.field {
                    label for={ "amount-" (reference) } { "Amount that came" }
                    input id={ "amount-" (reference) } name="n:amount" inputmode="decimal" value=(deposit.amount.0) required;
                }
                (bank_entry(reference, today))
            }
            button.primary { (button) }
        }
    }
}

fn other_money(reader: &Reader, today: &str, currency: &str) -> Markup {
    let record = Request::new(Method::POST, "/operator/receipts");
    if !reader.may(&record) {
        return html! {};
    }
    html! {
        form.card method="post" action="/console/call" {
            h2 { "Other money came" }
            (hidden(reader, &record, BACK))
            div.field {
                label for="amount-other" { "Amount in " (currency) }
                input #amount-other name="n:amount" inputmode="decimal" required aria-describedby="amount-other-hint";
                p.hint #amount-other-hint { "Without separators, such as 250000.50." }
            }
            (bank_entry("other", today))
            div.field {
                label for="customer-other" { "Whose it is" }
                input #customer-other name="s:customerId" aria-describedby="hint-other";
                p.hint #hint-other {
                    "The id of a customer, which the " a href="/console/customers" { "list" } " finds by name, e-mail address or phone. "
                    "Left empty, the money waits in suspense until you know."
                }
            }
            div.field {
                label for="note-other" { "Note" }
                input #note-other name="s:note";
            }
            button { "Record" }
        }
    }
}

fn table(reader: &Reader, receipts: &[Receipt], (people, operators): (&People, &Operators), currency: &str) -> Markup {
    html! {
        div.table-scroll tabindex="0" {
            table {
                thead { tr {
                    th scope="col" { "Bank's reference" }
                    th.end scope="col" { "Amount" }
                    th scope="col" { "Whose" }
                    th scope="col" { "Status" }
                } }
                tbody {
                    @for receipt in receipts {
                        @let acts = acts(reader, receipt).into_string();
                        tr.has-below[!acts.is_empty()] {
                            td { code { (receipt.bank_reference) } div.small.muted { (receipt.value_date) ", recorded " (time(&receipt.created_at)) } }
                            td.end { (text::amount(receipt.amount.0, currency)) }
                            td {
                                @match &receipt.customer_id { Some(customer) => (people.show(customer)), None => "unknown" }
                                (asked(receipt, operators))
                                @if let Some(note) = &receipt.note { div.small.muted { (note) } }
                            }
                            td { span.badge { (receipt.status.replace('_', " ")) } (waiting(reader, receipt)) }
                        }
                        @if !acts.is_empty() {
                            tr.below { td colspan="4" { div.acts { (PreEscaped(acts)) } } }
                        }
                    }
                }
            }
        }
    }
}

/// Says that a receipt waits for a second operator.
fn waiting(reader: &Reader, receipt: &Receipt) -> Markup {
    let status: Option<ReceiptStatus> = receipt.status.parse().ok();
    let waits = status.is_some_and(|status| ReceiptStatus::TO_DECIDE.contains(&status));
    html! {
        @if waits {
            div.small {
                "It has moved no money yet. "
                @if is_own(reader, receipt) { "You have recorded it. Another operator must approve it." }
                @else { "An operator must approve it." }
            }
        }
    }
}

/// Returns true if the reader has recorded the receipt and must leave its approval to another operator.
fn is_own(reader: &Reader, receipt: &Receipt) -> bool {
    let recorder = receipt.recorded_by.as_deref().map(OperatorId::named);
    reader.is_first_of_two(recorder, receipt.amount.0)
}

/// Shows what an operator has asked for, if a second one has to ask for the same.
fn asked(receipt: &Receipt, operators: &Operators) -> Markup {
    let act = if is_to_assign(receipt) { "assign" } else { "reverse" };
    html! {
        @if let Some(operator) = &receipt.asked_by {
            div.small {
                (operators.name(operator)) " asked to " (act) " it"
                @if let Some(reference) = &receipt.asked_reference { " to the deposit " code { (reference) } }
                ". Another operator must ask for the same."
            }
        }
    }
}

/// Returns true if the receipt waits for a second operator who asks to assign it to the same customer, and
/// to the same deposit if the first one named one.
fn is_to_assign(receipt: &Receipt) -> bool {
    receipt.status == ReceiptStatus::Suspense.into_str() && receipt.customer_id.is_some()
}

/// Shows what can be done with a receipt in its status. An operator who has asked for an act that takes
/// two leaves it to another one.
fn acts(reader: &Reader, receipt: &Receipt) -> Markup {
    let asker = receipt.asked_by.as_deref().map(OperatorId::named);
    let is_asker = reader.is_first_of_two(asker, receipt.amount.0);
    let (can_assign, can_reverse) = (!(is_asker && is_to_assign(receipt)), !is_asker || is_to_assign(receipt));
    let status: Option<ReceiptStatus> = receipt.status.parse().ok();
    let is_in = |statuses: &[ReceiptStatus]| status.is_some_and(|status| statuses.contains(&status));
    let act = |name: &str| Request::new(Method::POST, format!("/operator/receipts/{}/{name}", receipt.id));
    html! {
        @if is_in(ReceiptStatus::TO_DECIDE) {
            @if !is_own(reader, receipt) { (button(reader, &act("approve"), BACK, "Approve", "primary")) }
            (with_reason(reader, &act("reject"), BACK, &format!("reject-{}", receipt.id), "Reject"))
        }
        @if is_in(ReceiptStatus::TO_ASSIGN) && can_assign && reader.may(&act("assign")) {
            (assign_form(reader, receipt, &act("assign")))
        }
        @let send_back = Request::new(Method::POST, "/operator/payouts");
        @if is_in(ReceiptStatus::TO_ASSIGN) && reader.may(&send_back) {
            details {
                summary { "Send back" }
                form method="post" action="/console/call" {
                    (hidden(reader, &send_back, "/console/desk/payouts"))
                    input type="hidden" name="s:source" value="suspense";
                    input type="hidden" name="s:receiptId" value=(receipt.id);
                    (destination(&receipt.id))
                    button { "Request the pay-out" }
                }
            }
        }
        @if is_in(ReceiptStatus::TO_REVERSE) && can_reverse {
            (with_reason(reader, &act("reverse"), BACK, &format!("reverse-{}", receipt.id), "Reverse"))
        }
        @if receipt.asked_by.is_some() {
            (with_reason(reader, &act("retract"), BACK, &format!("retract-{}", receipt.id), "Retract the request"))
        }
    }
}

/// The form that assigns money in suspense to a customer or an expected deposit. After a first request it
/// is filled in with the same target, which a second operator confirms.
fn assign_form(reader: &Reader, receipt: &Receipt, assign: &Request) -> Markup {
    let reference = &receipt.asked_reference;
    // The deposit names the customer, and a request names one of the two.
    let customer = receipt.customer_id.as_ref().filter(|_| reference.is_none());
    let id = receipt.id.as_str();
    html! {
        details {
            summary { "Assign" }
            form method="post" action="/console/call" {
                (hidden(reader, assign, BACK))
                p.hint id={ "assign-hint-" (id) } { "Fill in one of the two. With the reference, money of exactly its amount also pays for the deals of the deposit." }
                div.field {
                    label for={ "assign-" (id) } { "Customer" }
                    input id={ "assign-" (id) } name="s:customerId" value=[customer] aria-describedby={ "assign-hint-" (id) };
                    p.hint { "The id, which the " a href="/console/customers" { "list" } " finds by name, e-mail address or phone." }
                }
                div.field {
                    label for={ "assign-deposit-" (id) } { "Reference of the deposit" }
                    input id={ "assign-deposit-" (id) } name="s:depositReference" value=[reference] autocomplete="off" aria-describedby={ "assign-hint-" (id) };
                    p.hint { "As the payer was told to quote it. The deposit names its customer." }
                }
                button { "Assign" }
            }
        }
    }
}
