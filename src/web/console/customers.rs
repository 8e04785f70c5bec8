//! Customers, their wallets and their histories.

use actix_web::HttpResponse;
use actix_web::http::Method;
use actix_web::web::{Path, Query};
use maud::{Markup, html};
use serde_json::json;

use crate::domain::ids::CustomerId;
use crate::domain::ledger::Account;
use crate::domain::page::{LIMIT_MAX, Page as ListPage, PageRequest};
use crate::domain::payments::history::{HistoryFilter, HistoryShape};
use crate::domain::payments::payment::Payment;
use crate::domain::transaction::CreditType;
use crate::web::api::Request;
use crate::web::console::call::hidden;
use crate::web::console::done;
use crate::web::console::done::Shown;
use crate::web::layout::{Page, Refused};
use crate::web::parts::Part;
use crate::web::reader::Reader;
use crate::web::text;

const NEWEST: PageRequest = PageRequest::numbered(1, LIMIT_MAX);

/// The payments on the page of a customer.
const PAYMENTS: PageRequest = PageRequest::numbered(1, 50);

/// Returns the ids of the newest customers.
pub(super) async fn names(reader: &Reader) -> Result<Vec<String>, Refused> {
    let customers = reader
        .read(|snapshot, merchant| snapshot.customers(merchant, NEWEST))
        .await?;
    let rows = customers.map(|page| page.rows).unwrap_or_default();
    Ok(rows.into_iter().map(|customer| customer.id.to_string()).collect())
}

/// `GET /console/customers`
pub(super) async fn list(reader: Reader) -> Result<HttpResponse, Refused> {
    let found = reader.read(|snapshot, merchant| {
        let customers = snapshot.customers(merchant, NEWEST)?;
        let wallets = customers
            .rows
            .iter()
            .map(|customer| snapshot.wallet(merchant, &customer.id));
        let wallets: Vec<_> = wallets.collect::<Result<_, _>>()?;
        Ok((customers, wallets))
    });
    let (customers, wallets) = found.await?.unwrap_or_else(|| (ListPage::empty(NEWEST), Vec::new()));
    let currency = reader.currency();
    Ok(Page::new("Customers").section("/console/customers").show(&html! {
        h1 { "Customers" }
        @if customers.rows.is_empty() {
            p.empty { "No customers yet." @if reader.is_in_sandbox() { " Offer a deal, or " a href="/" { "make an example deal" } "." } }
        } @else {
            div.table-scroll tabindex="0" {
                table {
                    caption { (customers.count) " customers" @if customers.count > u64::from(LIMIT_MAX) { ", the newest " (LIMIT_MAX) } }
                    thead { tr {
                        th scope="col" { "Customer" }
                        th.end scope="col" { "In the wallet" }
                        th.end scope="col" { "Held in deals" }
                        th scope="col" { "Since" }
                    } }
                    tbody {
                        @for (customer, wallet) in std::iter::zip(&customers.rows, &wallets) {
                            tr {
                                td { a href={ "/console/customers/" (text::segment(customer.id.as_str())) } { (customer.id) } }
                                @match wallet {
                                    Some(wallet) => {
                                        td.end { (text::amount(wallet.main_balance, &currency)) }
                                        td.end { (text::amount(wallet.escrow_balance, &currency)) }
                                    }
                                    None => { td {} td {} }
                                }
                                td { (text::instant(customer.created_at)) }
                            }
                        }
                    }
                }
            }
        }
    }))
}

/// `GET /console/customers/{customerId}`
pub(super) async fn show(
    reader: Reader,
    id: Path<String>,
    Query(shown): Query<Shown>,
) -> Result<HttpResponse, Refused> {
    let unknown = || {
        let page = Page::new("No such customer").section("/console/customers");
        Refused::new(404, page, "There is no customer with this id.")
    };
    let id = CustomerId::parse(&id).ok_or_else(unknown)?;
    let asked = id.clone();
    let found = reader.read(move |snapshot, merchant| {
        let Some(customer) = snapshot.customer(merchant, &asked)? else {
            return Ok(None);
        };
        let wallet = snapshot.wallet(merchant, &asked)?;
        let (owner, shape) = (Account::CustomerMain(asked), HistoryShape::Page(PAYMENTS));
        let (history, _) = snapshot.history(merchant, &owner, &HistoryFilter::default(), shape)?;
        Ok(wallet.map(|wallet| (customer, wallet, history)))
    });
    let (customer, wallet, history) = found.await?.flatten().ok_or_else(unknown)?;
    let back = format!("/console/customers/{}", text::segment(id.as_str()));
    let done = done::notice(&reader, shown.done()).await?;
    let currency = reader.currency();
    let balance = Request::new(Method::PUT, "/sandbox/balance").with(json!({}));
    Ok(Page::new(id.as_str()).section("/console/customers").show(&html! {
        (done)
        div.page-head {
            h1 { (customer.id) }
            a.button href={ "/console/deals?customer=" (text::segment(id.as_str())) } { "Deals" }
        }
        div.grid {
            section.card.figure {
                p.label { "In the wallet" }
                p.value { (text::amount(wallet.main_balance, &currency)) }
            }
            section.card.figure {
                p.label { "Held in deals" }
                p.value { (text::amount(wallet.escrow_balance, &currency)) }
            }
            @if reader.may(&balance) {
                section.card {
                    form method="post" action="/console/call" {
                        (hidden(&reader, &balance, &back))
                        input type="hidden" name="s:customerId" value=(id);
                        div.field {
                            label for="balance" { "Set the wallet to" }
                            input #balance name="n:balance" inputmode="decimal" required;
                        }
                        button { "Set" }
                    }
                }
            }
        }
        @if reader.may(&intent(id.as_str())) {
            div.columns {
                (deposit(&reader, id.as_str(), &back, &currency))
                (withdrawal(&reader, id.as_str(), &back, &currency))
            }
        }
        section.card {
            h2 { "History" }
            @if history.is_empty() {
                p.muted { "No payments yet." }
            } @else {
                (payments(&history, &currency))
            }
        }
    }))
}

fn payments(history: &[Payment], currency: &str) -> Markup {
    html! {
        div.table-scroll tabindex="0" {
            table {
                thead { tr {
                    th scope="col" { "When" }
                    th scope="col" { "What" }
                    th scope="col" { "Reference" }
                    th scope="col" { "Status" }
                    th.end scope="col" { "In" }
                    th.end scope="col" { "Out" }
                } }
                tbody {
                    @for payment in history {
                        @let transaction = &payment.transaction;
                        @let is_in = transaction.credit_type == CreditType::Credit;
                        tr {
                            td { (text::instant(transaction.created_at)) }
                            td { (transaction.transaction_type.into_str()) }
                            td { code { (transaction.reference.as_str()) } }
                            td { (payment.status().into_str()) }
                            td.end { @if is_in { (text::amount(transaction.amount, currency)) } }
                            td.end { @if !is_in { (text::amount(transaction.amount, currency)) } }
                        }
                    }
                }
            }
        }
    }
}

/// The request for a deposit or a withdrawal, without its body.
fn intent(customer: &str) -> Request {
    Request::new(Method::POST, "/v1/payment/create-intent").acting_for(customer)
}

/// The form by which a customer announces a deposit.
fn deposit(reader: &Reader, customer: &str, back: &str, currency: &str) -> Markup {
    html! {
        form.card method="post" action="/console/call" {
            h2 { "Announce a deposit" }
            (hidden(reader, &intent(customer), back))
            input type="hidden" name="s:transactionType" value="deposit";
            div.field {
                label for="deposit" { "Amount in " (currency) }
                input #deposit name="n:amount" inputmode="decimal" required;
                p.hint {
                    "It waits at the " @if reader.sees(Part::Desk) { a href="/console/desk/deposits" { "desk" } } @else { "desk" }
                    " until someone records that the money came."
                }
            }
            button { "Announce" }
        }
    }
}

/// The form by which a customer asks for money out of the wallet.
fn withdrawal(reader: &Reader, customer: &str, back: &str, currency: &str) -> Markup {
    let is_example = reader.is_in_sandbox();
    let example = |text: &'static str| is_example.then_some(text);
    html! {
        form.card method="post" action="/console/call" {
            h2 { "Withdraw" }
            (hidden(reader, &intent(customer), back))
            input type="hidden" name="s:transactionType" value="withdrawal";
            div.fields {
                div.field {
                    label for="withdrawal" { "Amount in " (currency) }
                    input #withdrawal name="n:amount" inputmode="decimal" required;
                }
                div.field {
                    label for="bank" { "Bank" }
                    input #bank name="s:withdrawalDetails.bankName" value=[example("Guaranty Trust Bank")] required;
                }
                div.field {
                    label for="code" { "Bank code" }
                    input #code name="s:withdrawalDetails.bankCode" value=[example("058")] required;
                }
                div.field {
                    label for="account" { "Account number" }
                    input #account name="s:withdrawalDetails.accountNumber" value=[example("0123456789")] required;
                }
                div.field {
                    label for="holder" { "Account holder" }
                    input #holder name="s:withdrawalDetails.accountName" value=[is_example.then_some(customer)] required;
                }
            }
            button { "Withdraw" }
        }
    }
}
