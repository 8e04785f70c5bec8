//! One deal: its people, where its money is, what happened, and what can be done now.

use actix_web::HttpResponse;
use actix_web::web::{Path, Query};
use maud::{Markup, html};

use crate::domain::escrow::Escrow;
use crate::domain::escrow::deal::Deal;
use crate::domain::escrow::dispute::Speaker;
use crate::domain::escrow::vault::Vault;
use crate::domain::ids::{CustomerId, EscrowId, EscrowKey};
use crate::domain::party::Party;
use crate::domain::treasury::account_statement::{AccountStatement, Period};
use crate::web::console::done::Shown;
use crate::web::console::money_bar::{MoneyState, draw, stages};
use crate::web::console::{actions, done, timeline, who};
use crate::web::layout::{Page, Refused};
use crate::web::reader::Reader;
use crate::web::text;

/// The most transfers of a deal that a page shows.
const TRANSFERS_MAX: usize = 500;

/// `GET /console/deals/{escrowId}`
pub(super) async fn show(
    reader: Reader,
    path: Path<String>,
    Query(shown): Query<Shown>,
) -> Result<HttpResponse, Refused> {
    let unknown = || {
        Refused::new(
            404,
            Page::new("No such deal").section("/console/deals"),
            "There is no deal with this id.",
        )
    };
    let id = EscrowId::parse(&path).ok_or_else(unknown)?;
    let found = reader.read(move |snapshot, merchant| {
        let deal = snapshot.deal(merchant, &EscrowKey::Id(id))?;
        let statement = snapshot.statement_of_deal(merchant, id, Period::default(), TRANSFERS_MAX)?;
        Ok(deal.zip(statement))
    });
    let (deal, statement) = found.await?.flatten().ok_or_else(unknown)?;
    let parties = who::People::of(&reader, parties_of(&deal).into_iter().map(CustomerId::as_str)).await?;
    let events = timeline::of_deal(&reader, &path).await?;
    let shows_dispute = reader.is_operator() || reader.may_get("/v1/escrow/all-dispute");
    let shows_transfers = reader.may_get(&format!("/operator/deals/{id}/statement"));
    let back = format!("/console/deals/{id}");
    let done = done::notice(&reader, shown.done()).await?;
    let currency = reader.currency();
    let exits = reader.state.policy.load().exits();
    let (purpose, status, summary, acts) = match &deal {
        Deal::Escrow(escrow) => (
            &escrow.terms.purpose,
            escrow.status(),
            summary(escrow, &currency),
            actions::of_escrow(&reader, escrow, exits, &back).await?,
        ),
        Deal::Vault(vault) => (
            &vault.purpose,
            vault.status(),
            summary_of_vault(vault, &currency),
            actions::of_vault(&reader, vault, &back),
        ),
    };
    Ok(Page::new(purpose.as_str()).section("/console/deals").show(&html! {
        (done)
        div.page-head {
            h1 { (purpose) }
            (text::status(status))
        }
        div.columns {
            div {
                (summary)
                @if shows_transfers { (transfers(&deal, statement.ok().as_ref(), &currency)) }
                @if shows_dispute { (dispute(&deal)) }
                @if let Some(events) = &events {
                    section.card {
                        h2 { "What happened" }
                        (timeline::show(&reader, events, &back))
                    }
                }
            }
            div {
                section.card {
                    h2 { "What can be done now" }
                    (acts)
                }
                (people(&reader, &deal, &parties, &currency))
            }
        }
    }))
}

pub(crate) fn summary(escrow: &Escrow, currency: &str) -> Markup {
    let stages = stages(escrow);
    let sum = |state| {
        let amounts = stages.iter().filter(|(_, of)| *of == state);
        crate::domain::money::Amount::total(amounts.map(|(amount, _)| *amount)).unwrap_or_default()
    };
    html! {
        section.card {
            h2 { "The money" }
            (draw(escrow, &stages))
            ul.legend {
                @for state in [MoneyState::Released, MoneyState::Held, MoneyState::Due, MoneyState::Returned, MoneyState::Split] {
                    @let amount = sum(state);
                    @if !amount.is_zero() {
                        li { span class={ "badge " (state.tone()) } { (state.word()) } " " (text::amount(amount, currency)) }
                    }
                }
            }
            @if escrow.held() != sum(MoneyState::Held) {
                p.small.muted { "With the fee, " (text::amount(escrow.held(), currency)) " is held now." }
            }
            @if !escrow.milestones().is_empty() {
                div.table-scroll tabindex="0" {
                    table {
                        thead { tr {
                            th scope="col" { "Stage" }
                            th.end scope="col" { "Amount" }
                            th scope="col" { "Due" }
                            th scope="col" { "Money" }
                        } }
                        tbody {
                            @for (milestone, (amount, state)) in std::iter::zip(escrow.milestones(), &stages) {
                                tr {
                                    td {
                                        (milestone.terms.title)
                                        @if let Some(beneficiary) = &milestone.terms.beneficiary {
                                            div.small.muted { "paid to " (beneficiary) }
                                        }
                                    }
                                    td.end { (text::amount(*amount, currency)) }
                                    td { @if let Some(day) = milestone.terms.due_date { (day) } }
                                    td {
                                        span class={ "badge " (state.tone()) } { (state.word()) }
                                        @if let Some(at) = milestone.released_at() { " " span.small { (text::instant(at)) } }
                                    }
                                }
                            }
                        }
                        tfoot { tr {
                            th scope="row" { "Sum" }
                            td.end { (text::amount(escrow.terms.amount, currency)) }
                            td {} td {}
                        } }
                    }
                }
            }
        }
    }
}

fn summary_of_vault(vault: &Vault, currency: &str) -> Markup {
    html! {
        section.card {
            h2 { "Stakes" }
            table {
                tbody {
                    @for stake in &vault.stakes {
                        tr { td { (stake.customer) } td.end { (text::amount(stake.amount, currency)) } }
                    }
                }
                tfoot { tr { th scope="row" { "Pot" } td.end { (text::amount(vault.pot(), currency)) } } }
            }
        }
    }
}

/// Returns the customers of a deal.
fn parties_of(deal: &Deal) -> Vec<&CustomerId> {
    match deal {
        Deal::Escrow(escrow) => {
            let buyer = escrow.funding().map(|funding| &funding.buyer);
            escrow.seller.customer().into_iter().chain(buyer).collect()
        }
        Deal::Vault(_) => Vec::new(),
    }
}

fn people(reader: &Reader, deal: &Deal, parties: &who::People, currency: &str) -> Markup {
    html! {
        section.card {
            h2 { "Terms" }
            dl.facts {
                @match deal {
                    Deal::Escrow(escrow) => {
                        dt { "Seller" } dd { (person(&escrow.seller, parties)) }
                        dt { "Buyer" } dd {
                            @match escrow.funding() {
                                Some(funding) => (parties.show(funding.buyer.as_str())),
                                None if escrow.is_link => "several, each payment makes a deal of its own",
                                None => span.muted { "no buyer yet" },
                            }
                        }
                        @if escrow.is_link { dt { "For sale" } dd { (text::left(escrow.terms.total_quantity)) } }
                        dt { "Amount" } dd { (text::amount(escrow.terms.amount, currency)) }
                        dt { "Fee" } dd { (text::amount(escrow.fee.total(), currency)) }
                        @if !escrow.additional_fee.amount.is_zero() {
                            dt { "Additional fee" } dd { (text::amount(escrow.additional_fee.amount, currency)) }
                        }
                        dt { "Buyer pays" } dd { strong { (text::amount(escrow.charge(), currency)) } }
                        dt { "Held now" } dd { (text::amount(escrow.held(), currency)) }
                        dt { "Offered" } dd { (text::instant(escrow.created_at)) }
                        @let token = escrow.payment_token.as_str();
                        @if reader.is_in_sandbox() {
                            dt { "Page to pay" } dd { a href={ "/pay/" (token) } { code { (token) } } }
                        } @else {
                            dt { "Payment token" } dd { code { (token) } }
                        }
                        @if let Some(description) = &escrow.terms.description {
                            dt { "Description" } dd { (description) }
                        }
                    }
                    Deal::Vault(vault) => {
                        dt { "Fee" } dd { (text::amount(vault.fee.total(), currency)) }
                        dt { "Opened" } dd { (text::instant(vault.created_at)) }
                        dt { "Payment token" } dd { code { (vault.payment_token.as_str()) } }
                    }
                }
            }
        }
    }
}

fn person(party: &Party, parties: &who::People) -> Markup {
    html! {
        @match party {
            Party::Customer(customer) => (parties.show(customer.as_str())),
            Party::Merchant => "the merchant itself",
        }
    }
}

/// Shows what the parties and the merchant have said in a dispute.
fn dispute(deal: &Deal) -> Markup {
    let Deal::Escrow(escrow) = deal else {
        return html! {};
    };
    html! {
        @if let Some(dispute) = escrow.dispute() {
            section.card {
                h2 { "The dispute" }
                @for (speaker, statement) in dispute.statements() {
                    h3 { @match speaker {
                        Speaker::Buyer => "The buyer",
                        Speaker::Seller => "The seller",
                        Speaker::Merchant => "The merchant",
                    } }
                    p { (statement.message) }
                    @if let Some(proof) = statement.proof {
                        p {
                            a href={ "/files/" (proof) } {
                                @if proof.kind.is_picture() { img.evidence src={ "/files/" (proof) } alt="The evidence"; }
                                @else { "The evidence, a document" }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Shows the transfers into and out of the hold, with their sums.
fn transfers(deal: &Deal, statement: Option<&AccountStatement>, currency: &str) -> Markup {
    let Some(statement) = statement else {
        return html! { p.notice.warn { "This deal has too many transfers for one page." } };
    };
    let changes = || {
        statement
            .rows
            .iter()
            .flat_map(|row| &row.changes)
            .map(|change| change.minor())
    };
    let into: i64 = changes().filter(|change| *change > 0).sum();
    let out: i64 = changes().filter(|change| *change < 0).sum();
    let held = statement.closing.first().map_or(0, |closing| closing.minor());
    html! {
        section.card {
            h2 { "Transfers" }
            @if statement.rows.is_empty() {
                p.muted {
                    @match deal {
                        Deal::Escrow(escrow) if escrow.is_link => "The deal of each payment shows its transfers.",
                        _ => "No payment yet.",
                    }
                }
            } @else {
                div.table-scroll tabindex="0" {
                    table {
                        thead { tr {
                            th scope="col" { "When" }
                            th scope="col" { "From" }
                            th scope="col" { "To" }
                            th.end scope="col" { "Into the hold" }
                            th.end scope="col" { "Out of the hold" }
                        } }
                        tbody {
                            @for row in &statement.rows {
                                @let transfer = &row.line.transfer;
                                @let is_in = row.changes.first().is_some_and(|change| change.minor() > 0);
                                tr {
                                    td { (text::instant(row.line.at)) div.small.muted { (text::kind(transfer.kind)) } }
                                    td { (text::account(&transfer.debit)) }
                                    td { (text::account(&transfer.credit)) }
                                    td.end { @if is_in { (text::amount(transfer.amount, currency)) } }
                                    td.end { @if !is_in { (text::amount(transfer.amount, currency)) } }
                                }
                            }
                        }
                        tfoot {
                            tr { th scope="row" colspan="3" { "Sums" } td.end { (text::minor(into, currency)) } td.end { (text::minor(-out, currency)) } }
                            tr { th scope="row" colspan="3" { "Held now" } td.end { (text::minor(held, currency)) } td {} }
                        }
                    }
                }
            }
        }
    }
}
