//! Customers, their wallets and their histories.

use actix_web::HttpResponse;
use actix_web::http::Method;
use actix_web::web::{Path, Query};
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::json;

use crate::domain::ids::CustomerId;
use crate::domain::page::{LIMIT_MAX, Page as ListPage, PageRequest, PageStart};
use crate::web::api::{Major, Request};
use crate::web::console::call::hidden;
use crate::web::console::done;
use crate::web::console::done::Shown;
use crate::web::console::timeline::{Rows, time};
use crate::web::layout::{Page, Refused};
use crate::web::reader::Reader;
use crate::web::text;

const NEWEST: PageRequest = PageRequest {
    limit: LIMIT_MAX,
    start: PageStart::Number(1),
};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wallet {
    main_balance: Major,
    escrow_balance: Major,
}

/// A line of a customer's payment history.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Payment {
    amount: Major,
    reference: String,
    transaction_type: String,
    status: String,
    credit_type: String,
    created_at: String,
}

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
            p.empty { "No customers yet. Offer a deal, or " a href="/" { "make an example deal" } "." }
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
    let found = reader
        .read(move |snapshot, merchant| snapshot.customer(merchant, &asked))
        .await?;
    let customer = found.flatten().ok_or_else(unknown)?;
    let of_customer = |path: &str| Request::get(path).acting_for(id.as_str());
    let wallet: Wallet = reader.api.data(of_customer("/v1/wallet")).await?;
    let history: Rows<Payment> = reader.api.data(of_customer("/v1/payment/history?limit=50")).await?;
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
                p.value { (text::amount(wallet.main_balance.0, &currency)) }
            }
            section.card.figure {
                p.label { "Held in deals" }
                p.value { (text::amount(wallet.escrow_balance.0, &currency)) }
            }
            section.card {
                form method="post" action="/console/call" {
                    (hidden(&balance, &back))
                    input type="hidden" name="s:customerId" value=(id);
                    div.field {
                        label for="balance" { "Set the wallet to" }
                        input #balance name="n:balance" inputmode="decimal" required;
                    }
                    button { "Set" }
                }
            }
        }
        div.columns {
            (deposit(id.as_str(), &back, &currency))
            (withdrawal(id.as_str(), &back, &currency))
        }
        section.card {
            h2 { "History" }
            @if history.data.is_empty() {
                p.muted { "No payments yet." }
            } @else {
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
                            @for payment in &history.data {
                                @let is_in = payment.credit_type == "credit";
                                tr {
                                    td { (time(&payment.created_at)) }
                                    td { (payment.transaction_type) }
                                    td { code { (payment.reference) } }
                                    td { (payment.status) }
                                    td.end { @if is_in { (text::amount(payment.amount.0, &currency)) } }
                                    td.end { @if !is_in { (text::amount(payment.amount.0, &currency)) } }
                                }
                            }
                        }
                    }
                }
            }
        }
    }))
}

/// The form by which a customer announces a deposit.
fn deposit(customer: &str, back: &str, currency: &str) -> Markup {
    let intent = Request::new(Method::POST, "/v1/payment/create-intent").acting_for(customer);
    html! {
        form.card method="post" action="/console/call" {
            h2 { "Announce a deposit" }
            (hidden(&intent, back))
            input type="hidden" name="s:transactionType" value="deposit";
            div.field {
                label for="deposit" { "Amount in " (currency) }
                input #deposit name="n:amount" inputmode="decimal" required;
                p.hint { "It waits at the " a href="/console/desk/deposits" { "desk" } " until someone records that the money came." }
            }
            button { "Announce" }
        }
    }
}

/// The form by which a customer asks for money out of the wallet.
fn withdrawal(customer: &str, back: &str, currency: &str) -> Markup {
    let intent = Request::new(Method::POST, "/v1/payment/create-intent").acting_for(customer);
    html! {
        form.card method="post" action="/console/call" {
            h2 { "Withdraw" }
            (hidden(&intent, back))
            input type="hidden" name="s:transactionType" value="withdrawal";
            div.fields {
                div.field {
                    label for="withdrawal" { "Amount in " (currency) }
                    input #withdrawal name="n:amount" inputmode="decimal" required;
                }
                div.field {
                    label for="bank" { "Bank" }
                    input #bank name="s:withdrawalDetails.bankName" value="Guaranty Trust Bank" required;
                }
                div.field {
                    label for="code" { "Bank code" }
                    input #code name="s:withdrawalDetails.bankCode" value="058" required;
                }
                div.field {
                    label for="account" { "Account number" }
                    input #account name="s:withdrawalDetails.accountNumber" value="0123456789" required;
                }
                div.field {
                    label for="holder" { "Account holder" }
                    input #holder name="s:withdrawalDetails.accountName" value=(customer) required;
                }
            }
            button { "Withdraw" }
        }
    }
}
