//! The list of deals.

use actix_web::HttpResponse;
use actix_web::web::Query;
use maud::html;
use serde::Deserialize;
use strum::VariantArray;

use crate::domain::escrow::Status;
use crate::domain::escrow::deal::Deal;
use crate::domain::escrow::merchant_escrows::MerchantEscrowFilter;
use crate::domain::ids::{CustomerId, PaymentToken};
use crate::domain::page::{Page as ListPage, PageRequest};
use crate::domain::text::counted;
use crate::web::console::money_bar::{draw, stages};
use crate::web::layout::{Page, Refused};
use crate::web::parts::Part;
use crate::web::reader::Reader;
use crate::web::text;

/// The deals on a page.
const LIMIT: u32 = 20;

/// The filter of the list, as the form sends it.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Filter {
    #[serde(default)]
    status: String,
    #[serde(default)]
    customer: String,
    #[serde(default)]
    token: String,
    page: Option<u32>,
}

impl Filter {
    fn has_no_such_status(&self) -> bool {
        !self.status.is_empty() && self.status.to_uppercase().parse::<Status>().is_err()
    }

    fn is_set(&self) -> bool {
        [&self.status, &self.customer, &self.token]
            .into_iter()
            .any(|field| !field.trim().is_empty())
    }

    /// Returns the customer of the filter if the text is no id of a customer.
    fn wrong_customer(&self) -> Option<&str> {
        let customer = self.customer.trim();
        (!customer.is_empty() && CustomerId::parse(customer).is_none()).then_some(customer)
    }

    /// Returns the filter, or `None` if no deal fits it.
    fn parse(&self) -> Option<MerchantEscrowFilter> {
        if self.wrong_customer().is_some() {
            return None;
        }
        let token = self.token.trim();
        Some(MerchantEscrowFilter {
            status: self.status.to_uppercase().parse().ok(),
            customer: CustomerId::parse(self.customer.trim()),
            token: (!token.is_empty()).then(|| PaymentToken::named(token)),
            ..MerchantEscrowFilter::default()
        })
    }

    /// Returns the address of another page of the same list.
    fn page(&self, number: u32) -> String {
        let query = [
            ("status", self.status.as_str()),
            ("customer", self.customer.as_str()),
            ("token", self.token.as_str()),
        ];
        let query = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(query.into_iter().filter(|(_, value)| !value.is_empty()))
            .append_pair("page", &number.to_string())
            .finish();
        format!("/console/deals?{query}")
    }
}

/// `GET /console/deals`
pub(super) async fn list(reader: Reader, Query(filter): Query<Filter>) -> Result<HttpResponse, Refused> {
    let number = filter.page.unwrap_or(1).max(1);
    let request = PageRequest::numbered(number, LIMIT);
    let deals = match filter.parse() {
        Some(parsed) => {
            let read = reader.read(move |snapshot, merchant| snapshot.deals(merchant, &parsed, request));
            read.await?
        }
        None => None,
    };
    let deals = deals.unwrap_or_else(|| ListPage::empty(request));
    let currency = reader.currency();
    let pages = deals.count.div_ceil(LIMIT.into());
    let last_page = u32::try_from(pages).unwrap_or(u32::MAX);
    Ok(Page::new("Deals").section("/console/deals").show(&html! {
        div.page-head {
            h1 { "Deals" }
            @if reader.sees(Part::Offer) {
                div.actions { a.button.primary href="/console/offer" { "Offer a deal" } }
            }
        }
        form.card method="get" action="/console/deals" role="search" {
            div.fields {
                div.field {
                    label for="status" { "Status" }
                    select #status name="status" {
                        option value="" { "All" }
                        @for status in Status::VARIANTS {
                            @let word = status.into_str();
                            option value=(word) selected[word.eq_ignore_ascii_case(&filter.status)] { (word.to_lowercase()) }
                        }
                    }
                }
                div.field {
                    label for="customer" { "Customer" }
                    input #customer name="customer" value=(filter.customer) placeholder="ada";
                }
                div.field {
                    label for="token" { "Payment token" }
                    input #token name="token" value=(filter.token) placeholder="PY_…";
                }
            }
            button { "Filter" }
        }
        @if filter.has_no_such_status() {
            p.notice.warn role="status" { "There is no status “" (filter.status) "”: deals of every status are shown." }
        }
        @if deals.rows.is_empty() && pages > 0 {
            p.empty { "There is no page " (number) ". " a href=(filter.page(last_page)) { "Show the last page, " (pages) } }
        } @else if deals.rows.is_empty() {
            (none(&reader, &filter))
        } @else {
            div.table-scroll tabindex="0" {
                table {
                    caption { (counted(deals.count, "deal")) ", newest first" }
                    thead { tr {
                        th scope="col" { "For" }
                        th scope="col" { "Money" }
                        th.end scope="col" { "Amount" }
                        th scope="col" { "Status" }
                        th scope="col" { "Offered" }
                    } }
                    tbody {
                        @for deal in &deals.rows {
                            (row(deal, &currency))
                        }
                    }
                }
            }
            @if pages > 1 {
                nav.pages aria-label="Pages" {
                    @if number > 1 { a.button href=(filter.page(number - 1)) { "Newer" } } @else { span {} }
                    span.muted { "Page " (number) " of " (pages) }
                    @if u64::from(number) < pages { a.button href=(filter.page(number + 1)) { "Older" } } @else { span {} }
                }
            }
        }
    }))
}

/// Says that the list is empty, and why.
fn none(reader: &Reader, filter: &Filter) -> maud::Markup {
    html! {
        p.empty {
            @if let Some(typed) = filter.wrong_customer() {
                "“" (typed) "” is not the id of a customer. "
                @if reader.sees(Part::Customers) { a href={ "/console/customers?who=" (text::segment(typed)) } { "Find it under Customers" } }
            } @else if filter.is_set() {
                "No deal fits this filter. " a href="/console/deals" { "Show all deals" }
            } @else {
                "No deals here."
                @if reader.is_in_sandbox() {
                    " " a href="/" { "Begin with one" } "."
                    @if reader.is_without_key() {
                        " Deals that a program makes with a key of its own are shown after you "
                        a href="/login?to=/console/deals" { "log in with that key" } "."
                    }
                }
            }
        }
    }
}

fn row(deal: &Deal, currency: &str) -> maud::Markup {
    match deal {
        Deal::Escrow(escrow) => html! {
            tr {
                td {
                    a href={ "/console/deals/" (escrow.id) } { (escrow.terms.purpose) }
                    @if escrow.is_link {
                        div.small.muted {
                            "to several buyers, " (text::left(escrow.terms.total_quantity))
                        }
                    }
                }
                td { (draw(escrow, &stages(escrow))) }
                td.end { (text::amount(escrow.terms.amount, currency)) }
                td { (text::status(escrow.status())) }
                td { (text::instant(escrow.created_at)) }
            }
        },
        Deal::Vault(vault) => html! {
            tr {
                td { a href={ "/console/deals/" (vault.id) } { (vault.purpose) } " " span.badge { "vault" } }
                td {}
                td.end { (text::amount(vault.pot(), currency)) }
                td { (text::status(vault.status())) }
                td { (text::instant(vault.created_at)) }
            }
        },
    }
}
