//! The operators and the merchants of a live service.

use actix_web::HttpResponse;
use actix_web::http::Method;
use actix_web::web::Query;
use maud::{Markup, html};
use serde::Deserialize;
use strum::VariantArray;

use crate::domain::treasury::operator::Role;
use crate::web::api::Request;
use crate::web::console::call::hidden;
use crate::web::console::desk::parts::{OLDEST_FIRST, SECTION, pager, pages, rows};
use crate::web::console::done;
use crate::web::console::done::Shown;
use crate::web::console::reasons::with_reason;
use crate::web::console::timeline::{Rows, time};
use crate::web::layout::{Page, Refused};
use crate::web::reader::Reader;

const BACK: &str = "/console/desk/people";

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Operator {
    id: String,
    name: String,
    role: String,
    merchant_ids: Option<Vec<i64>>,
    last_used_at: Option<String>,
    revoked_at: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Merchant {
    id: i64,
    name: Option<String>,
    country: Option<String>,
    commission_bps: Option<u16>,
    created_at: String,
}

impl Merchant {
    fn label(&self) -> String {
        match &self.name {
            Some(name) => format!("{name} ({})", self.id),
            None => self.id.to_string(),
        }
    }
}

/// The cursors of the lists of the page.
#[derive(Debug, Deserialize)]
pub(super) struct Cursors {
    operators: Option<String>,
    merchants: Option<String>,
}

/// `GET /console/desk/people`
pub(super) async fn show(
    reader: Reader,
    Query(shown): Query<Shown>,
    Query(cursors): Query<Cursors>,
) -> Result<HttpResponse, Refused> {
    let Cursors { operators, merchants } = &cursors;
    let (behind_operator, behind_merchant) = (operators.as_deref(), merchants.as_deref());
    let operators: Rows<Operator> = rows(&reader, "/operator/operators?limit=100", behind_operator).await?;
    let merchants: Rows<Merchant> = rows(&reader, "/operator/merchants?limit=100", behind_merchant).await?;
    let done = done::notice(&reader, shown.done()).await?;
    Ok(Page::new("People").section(SECTION).show(&html! {
        (done)
        h1 { "People" }
        p.lead { "Who operates this service, and the merchants that it serves." }
        (pages(&reader, BACK))
        div.columns {
            section.card {
                h2 #operators { "Operators" }
                (operators_table(&reader, &operators.data))
                (pager(BACK, "operators", behind_operator, &operators, OLDEST_FIRST))
            }
            (new_operator(&reader, &merchants, behind_merchant.is_some()))
        }
        div.columns {
            section.card {
                h2 #merchants { "Merchants" }
                (merchants_table(&merchants.data))
                (pager(BACK, "merchants", behind_merchant, &merchants, OLDEST_FIRST))
            }
            (new_merchant(&reader))
        }
    }))
}

fn operators_table(reader: &Reader, operators: &[Operator]) -> Markup {
    let revoke = |operator: &Operator| {
        let request = Request::new(Method::POST, format!("/operator/operators/{}/revoke", operator.id));
        with_reason(reader, &request, BACK, &format!("revoke-{}", operator.id), "Revoke")
    };
    let limits = |operator: &Operator| {
        let Some(ids) = &operator.merchant_ids else {
            return "all".to_owned();
        };
        let ids: Vec<String> = ids.iter().map(i64::to_string).collect();
        ids.join(", ")
    };
    html! {
        div.table-scroll tabindex="0" {
            table {
                thead { tr {
                    th scope="col" { "Name" }
                    th scope="col" { "Key" }
                    th scope="col" { "Role" }
                    th scope="col" { "Merchants" }
                    th scope="col" { "Last use" }
                } }
                tbody {
                    @for operator in operators {
                        tr {
                            td { (operator.name) }
                            td {
                                @if let Some(at) = &operator.revoked_at {
                                    span.badge.bad { "revoked" } div.small.muted { (time(at)) }
                                } @else {
                                    span.badge.good { "valid" }
                                    (revoke(operator))
                                }
                            }
                            td { (operator.role) }
                            td { (limits(operator)) }
                            td { @if let Some(at) = &operator.last_used_at { (time(at)) } @else { "never" } }
                        }
                    }
                }
            }
        }
    }
}

fn new_operator(reader: &Reader, merchants: &Rows<Merchant>, is_behind: bool) -> Markup {
    let create = Request::new(Method::POST, "/operator/operators");
    if !reader.may(&create) {
        return html! {};
    }
    html! {
        form.card method="post" action="/console/call" {
            h2 { "A new operator" }
            (hidden(reader, &create, BACK))
            div.field {
                label for="operator-name" { "Name" }
                input #operator-name name="s:name" required autocomplete="off" aria-describedby="operator-hint";
                p.hint #operator-hint { "A name is used once for ever, so that it stays one person's in the record." }
            }
            div.field {
                label for="role" { "Role" }
                select #role name="s:role" {
                    @for role in Role::VARIANTS {
                        option value=(role.into_str()) selected[*role == Role::Cashier] { (role.into_str()) }
                    }
                }
            }
            @let is_part = is_behind || merchants.next_cursor().is_some();
            @if is_part || merchants.data.len() > 1 {
                fieldset {
                    legend { "Only for these merchants" }
                    @for (index, merchant) in merchants.data.iter().enumerate() {
                        label.choice {
                            input type="checkbox" name={ "n:merchantIds[" (index) "]" } value=(merchant.id);
                            span { (merchant.label()) }
                        }
                    }
                    p.small.muted {
                        "Without a choice: for all, also those that come later."
                        @if is_part { " The merchants of this page are listed; “Newer” below the list of merchants leads to others." }
                    }
                }
            }
            button { "Make the operator" }
        }
    }
}

fn merchants_table(merchants: &[Merchant]) -> Markup {
    html! {
        div.table-scroll tabindex="0" {
            table {
                thead { tr {
                    th.end scope="col" { "Id" }
                    th scope="col" { "Name" }
                    th scope="col" { "Country" }
                    th.end scope="col" { "Commission" }
                    th scope="col" { "Since" }
                } }
                tbody {
                    @for merchant in merchants {
                        tr {
                            td.end.number { (merchant.id) }
                            td { (merchant.name.as_deref().unwrap_or_default()) }
                            td { (merchant.country.as_deref().unwrap_or("as configured")) }
                            td.end { @match merchant.commission_bps { Some(bps) => { (bps) " basis points" }, None => "as configured" } }
                            td { (time(&merchant.created_at)) }
                        }
                    }
                }
            }
        }
        p.small.muted { "Choose a merchant at the top to see its keys and its webhook endpoint." }
    }
}

fn new_merchant(reader: &Reader) -> Markup {
    let create = Request::new(Method::POST, "/operator/merchants");
    if !reader.may(&create) {
        return html! {};
    }
    html! {
        form.card method="post" action="/console/call" {
            h2 { "A new merchant" }
            (hidden(reader, &create, BACK))
            div.field {
                label for="merchant-name" { "Name of the merchant" }
                input #merchant-name name="s:name" required autocomplete="off" aria-describedby="merchant-hint";
                p.hint #merchant-hint { "A letter and then letters, digits, dots, hyphens or underscores." }
            }
            div.fields {
                div.field {
                    label for="country" { "Country" }
                    input #country name="s:country" placeholder="NG";
                }
                div.field {
                    label for="commission" { "Commission in basis points" }
                    input #commission name="n:commissionBps" inputmode="numeric";
                }
            }
            button { "Create the merchant" }
        }
    }
}
