//! The actions that a deal allows now: a form for each of them.

use actix_web::http::Method;
use maud::{Markup, html};
use serde_json::json;

use crate::domain::customers::customer::Customer;
use crate::domain::escrow::Escrow;
use crate::domain::escrow::actions::Action;
use crate::domain::escrow::dispute::{AskedRuling, Resolution, Speaker};
use crate::domain::escrow::exits::ExitRules;
use crate::domain::escrow::vault::Vault;
use crate::domain::ids::CustomerId;
use crate::domain::party::Party;
use crate::domain::time::Timestamp;
use crate::web::api::Request;
use crate::web::console::call::{button, hidden};
use crate::web::console::payments::PAYMENT;
use crate::web::console::reasons::with_reason;
use crate::web::console::who::Operators;
use crate::web::console::{customers, edit, example, upload};
use crate::web::layout::Refused;
use crate::web::reader::Reader;
use crate::web::text;

/// Shows the actions of an escrow.
pub(super) async fn of_escrow(
    reader: &Reader,
    escrow: &Escrow,
    exits: ExitRules,
    back: &str,
) -> Result<Markup, Refused> {
    let allows = |action| escrow.allows(action, exits);
    let id = escrow.id;
    let buyer = escrow.funding().map(|funding| funding.buyer.to_string());
    let is_paid_here = allows(Action::Pay) && reader.may(&payment());
    let customers = if is_paid_here {
        customers::newest(reader).await?
    } else {
        Vec::new()
    };
    let now = reader.now().await?;
    let waits_until = escrow.overdue_at(exits.grace_seconds).filter(|&at| now < at);
    let waiting = if reader.is_operator() && allows(Action::ResolveDispute) {
        waiting_ruling(reader, escrow, back).await?
    } else {
        html! {}
    };
    let is_over = buyer.is_some() && escrow.held().is_zero();
    Ok(html! {
        @if is_over {
            p { "Nothing: the deal is closed and all its money is paid out." }
        }
        @if is_paid_here {
            (pay(reader, escrow, &customers, back))
        }
        @if let Some(buyer) = &buyer {
            @if allows(Action::MilestoneConfirm) {
                @if let Some(next) = escrow.milestones().iter().find(|milestone| milestone.is_pending()) {
                    @let confirm = Request::new(Method::POST, format!("/v1/escrow/milestone/confirm/{id}/{}", next.id)).acting_for(buyer.as_str());
                    @if reader.may(&confirm) {
                        h3 { (buyer) ", the buyer" }
                        p { "Has “" (next.terms.title) "” been done?" }
                        (button(reader, &confirm, back, &format!("Confirm “{}”", next.terms.title), "primary wide"))
                    }
                }
            }
            @if allows(Action::ConfirmPayment) {
                @let confirm = Request::new(Method::POST, format!("/v1/escrow/confirm-payment/{id}")).acting_for(buyer.as_str());
                @if reader.may(&confirm) {
                    h3 { (buyer) ", the buyer" }
                    (button(reader, &confirm, back, "Confirm the delivery", "primary wide"))
                }
            }
            @if allows(Action::SubmitDispute) {
                (dispute(reader, escrow, buyer, exits, back))
            }
        }
        (acts_of_seller(reader, escrow, exits, waits_until, back))
        (waiting)
        @if allows(Action::ResolveDispute) {
            (ruling(reader, escrow, waits_until.filter(|_| escrow.dispute().is_none()), back))
        }
        @if reader.is_operator() {
            p.small.muted { "Buyer and seller act by the merchant's programs. An operator rules on disputes." }
        }
    })
}

/// Shows what the seller may do. The seller may claim once the buyer's time is up, which
/// `waits_until` names while it is not.
fn acts_of_seller(
    reader: &Reader,
    escrow: &Escrow,
    exits: ExitRules,
    waits_until: Option<Timestamp>,
    back: &str,
) -> Markup {
    let allows = |action| escrow.allows(action, exits);
    let (token, seller) = (escrow.payment_token.as_str(), &escrow.seller);
    let as_seller = |request: Request| match seller {
        Party::Customer(customer) => request.acting_for(customer.to_string()),
        Party::Merchant => request,
    };
    let claim = as_seller(Request::get(format!("/v1/escrow/claim-funds/{token}")));
    let refund = as_seller(Request::new(Method::POST, format!("/v1/escrow/refund/{token}")));
    let delete = as_seller(Request::new(Method::DELETE, format!("/v1/escrow/delete/{token}")));
    let can_edit = edit::allows_edit(escrow, allows) && reader.may(&delete);
    let is_any = can_edit || allows(Action::ClaimFunds) || allows(Action::Refund) || allows(Action::Delete);
    html! {
        @if is_any && reader.may(&claim) {
            h3 { (seller_name(seller)) ", the seller" }
            div.actions {
                @if can_edit {
                    a.button href={ "/console/deals/" (escrow.id) "/edit" } { "Edit the offer" }
                }
                @if allows(Action::ClaimFunds) {
                    @match waits_until {
                        None => (button(reader, &claim, back, "Claim the money", "")),
                        Some(at) => p.small.muted { "The money can be claimed from " (text::instant(at)) " on, if the buyer has not confirmed." },
                    }
                }
                @if allows(Action::Delete) { (button(reader, &delete, "/console/deals", "Delete the offer", "danger")) }
            }
            @if allows(Action::Refund) { (giving_back(reader, escrow, &refund, back)) }
        }
    }
}

/// Shows the form by which the seller gives the money back, with who gets what.
fn giving_back(reader: &Reader, escrow: &Escrow, refund: &Request, back: &str) -> Markup {
    let Some(funding) = escrow.funding() else {
        return html! {};
    };
    let currency = reader.currency();
    let returned = escrow.refundable();
    let kept = escrow.held().checked_sub(returned).unwrap_or_default();
    html! {
        details {
            summary { "Give the money back" }
            p {
                "Gives " strong { (text::amount(returned, &currency)) } " back to " (funding.buyer) " and closes the deal."
                @if !kept.is_zero() { " The fee of " (text::amount(kept, &currency)) " is not returned." }
            }
            (button(reader, refund, back, "Give it back", "danger"))
        }
    }
}

/// Shows the actions of a vault.
pub(super) fn of_vault(reader: &Reader, vault: &Vault, back: &str) -> Markup {
    let token = vault.payment_token.as_str();
    let winner = Request::new(Method::POST, format!("/v1/escrow/vault/winner/{token}"));
    html! {
        @if vault.allows(Action::VaultWinner) && reader.may(&winner) {
            h3 { "The merchant" }
            @for stake in &vault.stakes {
                p {
                    (button(reader, &winner.clone().with(json!({"winnerId": stake.customer.to_string()})),
                        back, &format!("{} wins", stake.customer), ""))
                }
            }
        }
        @if vault.allows(Action::VaultCancel) {
            (button(reader, &Request::new(Method::POST, format!("/v1/escrow/vault/cancel/{token}")), back, "Cancel the vault", "danger"))
        }
        @if !vault.allows(Action::VaultWinner) && !vault.allows(Action::VaultCancel) {
            p { "Nothing: the vault is settled." }
        }
    }
}

fn seller_name(seller: &Party) -> String {
    match seller {
        Party::Customer(customer) => customer.to_string(),
        Party::Merchant => "The merchant".to_owned(),
    }
}

/// The request that pays for a deal, without its body.
fn payment() -> Request {
    Request::new(Method::POST, PAYMENT)
}

/// Shows the form that pays. It suggests a buyer only where every name is a customer with play money.
fn pay(reader: &Reader, escrow: &Escrow, customers: &[Customer], back: &str) -> Markup {
    let is_sold_by = |name: &str| escrow.seller.customer().is_some_and(|seller| seller.as_str() == name);
    let suggested = if is_sold_by(example::BUYER) {
        "ben"
    } else {
        example::BUYER
    };
    html! {
        h3 { "A buyer" }
        form method="post" action="/console/call" {
            (hidden(reader, &payment(), back))
            input type="hidden" name="s:escrowDetails.paymentToken" value=(escrow.payment_token.as_str());
            // The total that the page shows. The route refuses the payment of another one.
            input type="hidden" name="n:amount" value=(escrow.charge());
            input type="hidden" name="s:gateway" value="wallet";
            div.field {
                label for="buyer" { "Who pays" }
                input #buyer name="customer" list="customers" required aria-describedby="buyer-hint"
                    value=[reader.registers_unknown().then_some(suggested)];
                datalist #customers { @for customer in customers.iter().filter(|customer| !is_sold_by(customer.id.as_str())) { (customers::option(customer)) } }
                (customers::hint(reader, "buyer-hint"))
            }
            button.primary.wide { "Pay from the wallet" }
        }
    }
}

/// A form for each party that may speak now and has not spoken in the dispute. With `strict` the
/// seller only answers.
fn dispute(reader: &Reader, escrow: &Escrow, buyer: &str, exits: ExitRules, back: &str) -> Markup {
    let token = escrow.payment_token.as_str();
    let request = Request::new(Method::POST, format!("/v1/escrow/submit-dispute/{token}"));
    if !reader.may(&request) {
        return html! {};
    }
    let has_spoken = |speaker| escrow.dispute().is_some_and(|dispute| dispute.has_spoken(speaker));
    let seller = escrow.seller.customer().map(CustomerId::as_str);
    let seller = seller.filter(|_| !exits.is_strict || escrow.dispute().is_some());
    let parties = [
        (Speaker::Buyer, Some(buyer), "the buyer"),
        (Speaker::Seller, seller, "the seller"),
    ];
    let speakers = parties.into_iter().filter(|(speaker, ..)| !has_spoken(*speaker));
    html! {
        @for (customer, role) in speakers.filter_map(|(_, customer, role)| Some((customer?, role))) {
            @let (message, file) = (format!("message-{customer}"), format!("file-{customer}"));
            details {
                summary { @if escrow.dispute().is_some() { "Answer" } @else { "Dispute" } " as " (customer) ", " (role) }
                (upload::form(reader, &request.clone().acting_for(customer), back, &html! {
                    div.field {
                        label for=(message) { "What is wrong" }
                        textarea id=(message) name="message" required {}
                    }
                    (upload::evidence(&file))
                    button { "Send" }
                }))
            }
        }
    }
}

/// Shows the ruling that one operator has asked for. A second one confirms it or retracts it.
async fn waiting_ruling(reader: &Reader, escrow: &Escrow, back: &str) -> Result<Markup, Refused> {
    let id = escrow.id;
    let asked = reader.read(move |snapshot, _merchant| snapshot.asked_ruling(id));
    let Some(AskedRuling { by, ruling }) = asked.await?.flatten() else {
        return Ok(html! {});
    };
    let is_own = reader.is_first_of_two(Some(by), escrow.held());
    let by = by.to_string();
    let operators = Operators::of(reader, std::iter::once(by.as_str())).await?;
    let confirm = Request::new(Method::POST, format!("/operator/deals/{id}/resolve"));
    let retract = Request::new(Method::POST, format!("/operator/deals/{id}/retract"));
    let (kind, amounts, additional_fee) = ruling.parts();
    let amount = |amount| text::amount(amount, &reader.currency());
    Ok(html! {
        div.notice.warn {
            p {
                (operators.name(&by)) " asked to give "
                @match (kind, amounts) {
                    (Resolution::Completed, _) => "what is held to the seller",
                    (Resolution::Split, Some((seller, buyer))) => { (amount(seller)) " to the seller and " (amount(buyer)) " to the buyer" },
                    _ => "what is held to the buyer",
                }
                @if let Some(is_refundable) = additional_fee {
                    ", " @if is_refundable { "with" } @else { "without" } " the additional fee"
                }
                ". Nothing has moved yet: another operator must ask for the same."
            }
            @if !is_own && reader.may(&confirm) {
                (upload::form(reader, &confirm, back, &html! {
                    input type="hidden" name="status" value=(kind.into_str());
                    @if let Some((seller, buyer)) = amounts {
                        input type="hidden" name="sellerAmount" value=(seller);
                        input type="hidden" name="buyerAmount" value=(buyer);
                    }
                    @if let Some(is_refundable) = additional_fee {
                        input type="hidden" name="additionalFeeRefundable" value=(is_refundable);
                    }
                    div.field {
                        label for="confirm-reason" { "Reason" }
                        textarea #confirm-reason name="resolution" required {}
                    }
                    button { "Confirm the ruling" }
                }))
            }
            (with_reason(reader, &retract, back, "retract", "Retract the request"))
        }
    })
}

/// Shows the form for a ruling of the merchant or, in live mode, of an operator. `waits_until` is
/// the moment from which a deal without a dispute can be ruled on, while it is not there.
fn ruling(reader: &Reader, escrow: &Escrow, waits_until: Option<Timestamp>, back: &str) -> Markup {
    let request = if reader.is_operator() {
        Request::new(Method::POST, format!("/operator/deals/{}/resolve", escrow.id))
    } else {
        Request::new(Method::POST, format!("/v1/escrow/dispute/resolve/{}", escrow.id))
    };
    if !reader.may(&request) {
        return html! {};
    }
    if let Some(at) = waits_until {
        return html! {
            p.small.muted {
                @if reader.is_operator() { "An operator" } @else { "The merchant" }
                " can rule from " (text::instant(at)) " on, or once there is a dispute."
            }
        };
    }
    html! {
        details open[escrow.dispute().is_some()] {
            summary { @if reader.is_operator() { "Rule" } @else { "The merchant rules" } }
            (upload::form(reader, &request, back, &html! {
                div.field {
                    label for="ruling" { "Who gets what is held" }
                    select #ruling name="status" {
                        option value="COMPLETED" { "The seller" }
                        option value="REFUNDED" { "The buyer" }
                        option value="SPLIT" { "Both, as below" }
                    }
                }
                div.fields {
                    div.field {
                        label for="seller-amount" { "To the seller" }
                        input #seller-amount name="sellerAmount" inputmode="decimal";
                    }
                    div.field {
                        label for="buyer-amount" { "To the buyer" }
                        input #buyer-amount name="buyerAmount" inputmode="decimal";
                    }
                }
                p.hint.muted { "For a split: together " (text::amount(escrow.pool(), &reader.currency())) "." }
                div.field {
                    label for="reason" { "Reason" }
                    textarea #reason name="resolution" required {}
                }
                (upload::evidence("evidence"))
                button { "Decide" }
            }))
        }
    }
}
