//! The forms that change an offer before it is paid: its terms, its stages, and the
//! conversion of a deal without stages into one with stages.

use actix_web::HttpResponse;
use actix_web::http::Method;
use actix_web::web::Path;
use maud::{Markup, html};
use strum::VariantArray;

use crate::domain::escrow::actions::Action;
use crate::domain::escrow::deal::Deal;
use crate::domain::escrow::milestone::Milestone;
use crate::domain::escrow::terms::{DeliveryTimeline, Terms};
use crate::domain::escrow::{Escrow, Plan};
use crate::domain::fees::WhoPays;
use crate::domain::ids::{EscrowId, EscrowKey};
use crate::domain::party::Party;
use crate::web::api::Request;
use crate::web::console::call::body::LIST_MAX;
use crate::web::console::call::hidden;
use crate::web::console::offer::stages_hint;
use crate::web::layout::{Page, Refused};
use crate::web::reader::Reader;

const SECTION: &str = "/console/deals";
/// The empty stages that a form has beside those of the offer.
const MORE_STAGES: usize = 3;
/// The empty stages of a conversion.
const STAGES: usize = 5;

/// `GET /console/deals/{escrowId}/edit`
pub(super) async fn show(reader: Reader, path: Path<String>) -> Result<HttpResponse, Refused> {
    let refused = |status, message| Refused::new(status, Page::new("Nothing to edit").section(SECTION), message);
    let unknown = || refused(404, "There is no deal with this id.");
    let id = EscrowId::parse(&path).ok_or_else(unknown)?;
    let found = reader.read(move |snapshot, merchant| snapshot.deal(merchant, &EscrowKey::Id(id)));
    let deal = found.await?.flatten().ok_or_else(unknown)?;
    let exits = reader.state.policy.load().exits();
    let escrow = match deal {
        Deal::Escrow(escrow) if allows_edit(&escrow, |action| escrow.allows(action, exits)) => escrow,
        Deal::Escrow(_) | Deal::Vault(_) => {
            return Err(refused(400, "Only an offer that has not been paid can be edited."));
        }
    };
    let currency = reader.currency();
    Ok(Page::new("Edit an offer").section(SECTION).narrow().show(&html! {
        h1 { "Edit “" (escrow.terms.purpose) "”" }
        @match &escrow.plan {
            Plan::Standard => {
                (standard(&reader, &escrow, &currency))
                @if escrow.allows(Action::Convert, exits) { (conversion(&reader, &escrow, &currency)) }
            }
            Plan::Milestones(stages) => (staged(&reader, &escrow, stages, &currency)),
        }
        p { a href={ "/console/deals/" (escrow.id) } { "Back to the deal, without a change" } }
    }))
}

/// Returns true if the state of a deal allows an edit.
pub(super) fn allows_edit(escrow: &Escrow, allows: impl Fn(Action) -> bool) -> bool {
    match escrow.plan {
        Plan::Standard => allows(Action::Edit),
        Plan::Milestones(_) => allows(Action::MilestoneEdit),
    }
}

/// A request of the seller that changes the offer.
fn change(escrow: &Escrow, route: &str) -> Request {
    let request = Request::new(
        Method::PUT,
        format!("/v1/escrow/{route}/{}", escrow.payment_token.as_str()),
    );
    match &escrow.seller {
        Party::Customer(seller) => request.acting_for(seller.as_str()),
        Party::Merchant => request,
    }
}

fn back(escrow: &Escrow) -> String {
    format!("/console/deals/{}", escrow.id)
}

fn standard(reader: &Reader, escrow: &Escrow, currency: &str) -> Markup {
    html! {
        form.card method="post" action="/console/call" {
            h2 { "The offer" }
            (hidden(reader, &change(escrow, "edit"), &back(escrow)))
            (terms(&escrow.terms, currency))
            div.field {
                label for="payer" { "Who pays the fee" }
                select #payer name="s:whoPays" {
                    @for payer in WhoPays::VARIANTS {
                        option value=(payer.into_str()) selected[*payer == escrow.terms.who_pays] { (payer.into_str()) }
                    }
                }
            }
            button.primary { "Save" }
        }
    }
}

fn staged(reader: &Reader, escrow: &Escrow, stages: &[Milestone], currency: &str) -> Markup {
    let rows = (stages.len() + MORE_STAGES).min(LIST_MAX);
    html! {
        form.card method="post" action="/console/call" {
            h2 { "The offer" }
            (hidden(reader, &change(escrow, "milestone/edit"), &back(escrow)))
            input type="hidden" name="s:whoPays" value="buyer";
            // An edit replaces everything, so what the form does not show goes along.
            input type="hidden" name="n:totalQuantity" value=(escrow.terms.total_quantity);
            @if let Some(category) = &escrow.terms.category {
                input type="hidden" name="s:categoryId" value=(category.id);
            }
            (terms(&escrow.terms, currency))
            fieldset {
                legend { "Stages" }
                p.small.muted { "Empty a stage to leave it out. Together they are the amount. " (stages_hint(reader)) }
                @for index in 0..rows { (stage(index, stages.get(index))) }
            }
            button.primary { "Save" }
        }
    }
}

fn conversion(reader: &Reader, escrow: &Escrow, currency: &str) -> Markup {
    html! {
        form.card method="post" action="/console/call" {
            h2 { "Into stages" }
            p { "The buyer then pays once and confirms stage by stage. The buyer pays the fee, and an additional fee ends." }
            (hidden(reader, &change(escrow, "milestone/convert"), &back(escrow)))
            div.field {
                label for="target" { "Amount of all stages in " (currency) }
                input #target name="n:amount" inputmode="decimal" required value=(escrow.terms.amount);
            }
            fieldset {
                legend { "Stages" }
                p.small.muted { (stages_hint(reader)) }
                @for index in 0..STAGES { (stage(index, None)) }
            }
            button { "Convert" }
        }
    }
}

/// The fields that every offer has.
fn terms(terms: &Terms, currency: &str) -> Markup {
    html! {
        div.field {
            label for="purpose" { "What for" }
            input #purpose name="s:purpose" required value=(terms.purpose);
        }
        div.field {
            label for="description" { "Description" }
            textarea #description name="c:description" { (terms.description.as_deref().unwrap_or_default()) }
        }
        div.fields {
            div.field {
                label for="amount" { "Amount in " (currency) }
                input #amount name="n:amount" inputmode="decimal" required value=(terms.amount);
                p.hint { "Without separators." }
            }
            div.field {
                label for="delivery" { "Time to deliver" }
                input #delivery name="n:maxDelivery" inputmode="numeric" required value=(terms.max_delivery);
            }
            div.field {
                label for="timeline" { "Unit of time" }
                select #timeline name="s:deliveryTimeline" {
                    @for timeline in DeliveryTimeline::VARIANTS {
                        option value=(timeline.into_str()) selected[*timeline == terms.delivery_timeline] { (timeline.into_str()) }
                    }
                }
            }
        }
    }
}

/// The fields of a stage.
fn stage(index: usize, stage: Option<&Milestone>) -> Markup {
    let terms = stage.map(|stage| &stage.terms);
    let name = |kind: &str, field: &str| format!("{kind}:milestones[{index}].{field}");
    html! {
        div.fields {
            div.field {
                label for={ "title" (index) } { "Stage " (index + 1) }
                input id={ "title" (index) } name=(name("s", "title")) value=[terms.map(|terms| &terms.title)];
            }
            div.field {
                label for={ "part" (index) } { "Amount of stage " (index + 1) }
                input id={ "part" (index) } name=(name("n", "amount")) inputmode="decimal" value=[terms.map(|terms| terms.amount)];
            }
        }
        @if let Some(terms) = terms {
            details open[terms.due_date.is_some() || terms.beneficiary.is_some() || terms.description.is_some()] {
                summary { "More of stage " (index + 1) }
                div.fields {
                    div.field {
                        label for={ "due" (index) } { "Due" }
                        input id={ "due" (index) } type="date" name=(name("s", "dueDate")) value=[terms.due_date];
                    }
                    div.field {
                        label for={ "payee" (index) } { "Paid to, if not to the seller" }
                        input id={ "payee" (index) } name=(name("s", "customerId")) value=[terms.beneficiary.as_ref()];
                    }
                }
                div.field {
                    label for={ "note" (index) } { "Description of stage " (index + 1) }
                    textarea id={ "note" (index) } name=(name("s", "description")) { (terms.description.as_deref().unwrap_or_default()) }
                }
            }
        }
    }
}
