//! The pieces of the pages on which a buyer pays: the offer, the ways to pay, the receipt.

use maud::{Markup, Render, html};
use serde::Deserialize;

use crate::domain::escrow::{Escrow, Funding, Status};
use crate::domain::ids::{CustomerId, MerchantId, TransactionId};
use crate::domain::money::Amount;
use crate::domain::party::Party;
use crate::domain::payments::card::{TEST_CARDS, TestCard};
use crate::domain::transaction::DepositAccount;
use crate::store::{self, Snapshot};
use crate::web::api::{Envelope, Major, no_customer};
use crate::web::console::deal;
use crate::web::{reason, text};

/// The wallet of a customer, as its route returns it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Wallet {
    main_balance: Major,
}

/// A saved card, as its route returns it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Card {
    pub(super) id: String,
    card_info: CardInfo,
}

#[derive(Debug, Deserialize)]
struct CardInfo {
    brand: String,
    last4: String,
}

/// One thing that a buyer can do in a sandbox, for the form that does it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Way<'a> {
    /// Pay from the wallet.
    Wallet,
    /// Pay with a saved card.
    Card(&'a Card),
    /// Save a test card.
    Save(&'a TestCard),
}

/// The reason why an offer cannot be paid for: its heading, and the sentence below it.
#[derive(Clone, Copy, Debug)]
pub(super) struct NotPayable {
    pub(super) heading: &'static str,
    pub(super) reason: &'static str,
}

/// No more buyers can pay for the offer.
pub(super) const SOLD_OUT: NotPayable = NotPayable {
    heading: "Sold out",
    reason: "Buyers have paid for all of this offer.",
};
/// Another buyer was faster.
pub(super) const PAID_BY_ANOTHER: NotPayable = NotPayable {
    heading: "Already paid",
    reason: "Another buyer has paid for this deal meanwhile.",
};
/// The shop has blocked the payer, or taken the permission to buy.
pub(super) const PAYER_STOPPED: NotPayable = NotPayable {
    heading: "Not open to you",
    reason: "The shop has stopped this customer from buying.",
};
/// The offer is gone.
pub(super) const DELETED: NotPayable = NotPayable {
    heading: "Nothing to pay for",
    reason: "The seller has deleted this offer.",
};

/// Stands for the name of a merchant without one.
pub(super) const THE_SHOP: &str = "the shop";

/// Says that a live merchant has no bank account that customers pay to.
pub(super) fn no_transfers(shop: &str) -> Markup {
    html! { div.notice { p { (shop) " takes no bank transfers here. Pay at " (shop) "." } } }
}

/// Says that the money is play money.
pub(super) fn sandbox_notice() -> Markup {
    html! { div.notice { p { "This is a sandbox: no real money is paid here." } } }
}

/// Says why an attempt to pay was refused, if nothing was paid for sure.
pub(super) fn refusal(reason: impl Render) -> Markup {
    refused(reason, "Nothing was paid by this attempt.")
}

/// Says why a route has refused an attempt to pay.
pub(super) fn refusal_of(refusal: &Envelope, currency: &str) -> Markup {
    if refusal.leaves_outcome_open() {
        let look = "It may have been done. Open this page again, and look at it before you pay again.";
        return refused(reason::of(refusal, currency), look);
    }
    if refusal.is_in_flight() {
        let look = "Open this page again in a moment: it shows if it was paid.";
        return refused(reason::of(refusal, currency), look);
    }
    self::refusal(reason::of(refusal, currency))
}

fn refused(reason: impl Render, outcome: &str) -> Markup {
    html! {
        div.notice.bad role="alert" {
            p { strong { (reason) } }
            p { (outcome) }
        }
    }
}

/// Returns the escrow that this payer has funded by this payment, if there is one.
pub(super) fn bought_by(
    snapshot: &Snapshot<'_>,
    merchant: MerchantId,
    payment: Option<TransactionId>,
    payer: Option<&CustomerId>,
) -> Result<Option<Escrow>, store::Error> {
    let funded = payment.map(|id| snapshot.escrows_of_payment(id)).transpose()?;
    let mut funded = funded.unwrap_or_default().into_iter();
    Ok(funded.find(|escrow| is_bought_by(escrow, merchant, payer)))
}

/// Returns true if this payer of the merchant has funded the escrow.
pub(super) fn is_bought_by(escrow: &Escrow, merchant: MerchantId, payer: Option<&CustomerId>) -> bool {
    let buyer = escrow.funding().map(|funding| &funding.buyer);
    escrow.merchant == merchant && buyer.is_some() && buyer == payer
}

/// Names the seller of an offer for its buyer: by name if it is known, or else by the id.
///
/// # Errors
///
/// Fails if the store cannot be read.
pub(super) fn seller_of(snapshot: &Snapshot<'_>, escrow: &Escrow) -> Result<String, store::Error> {
    let Party::Customer(seller) = &escrow.seller else {
        return Ok("the merchant itself".to_owned());
    };
    let customer = snapshot.customer(escrow.merchant, seller)?;
    Ok(customer.map_or_else(|| seller.to_string(), |customer| customer.name()))
}

/// Shows what is sold, by whom, and what it costs.
pub(super) fn offer(escrow: &Escrow, seller: &str, currency: &str) -> Markup {
    html! {
        section.card {
            h1 { (escrow.terms.purpose) }
            @if let Some(description) = &escrow.terms.description { p { (description) } }
            @if escrow.funding().is_some() { (deal::summary(escrow, currency)) } @else { (stages(escrow, currency)) }
            dl.facts {
                dt { "Seller" } dd { (seller) }
                dt { "Price" } dd { (text::amount(escrow.terms.amount, currency)) }
                dt { "Fee" } dd { (text::amount(escrow.fee.buyer_share(), currency)) }
                @if !escrow.additional_fee.amount.is_zero() {
                    dt { "Additional fee" } dd { (text::amount(escrow.additional_fee.amount, currency)) }
                }
                dt { strong { "Total" } } dd { strong { (text::amount(escrow.charge(), currency)) } }
            }
            p.small.muted { (promise(escrow)) }
        }
    }
}

/// Says what becomes of the money, or what became of it.
fn promise(escrow: &Escrow) -> &'static str {
    match (escrow.status(), escrow.milestones().is_empty()) {
        (Status::Pending, false) => "What you pay is held. The seller gets each part when you confirm it.",
        (Status::Pending, true) => {
            "What you pay is held. The seller gets it when you confirm that you have what you paid for."
        }
        (Status::Ongoing, false) => "The money is held. The seller gets each part when you confirm it.",
        (Status::Ongoing, true) => {
            "The money is held. The seller gets it when you confirm that you have what you paid for."
        }
        (Status::Disputed | Status::Investigating, _) => {
            "This deal is disputed. The money stays held until the dispute is decided or the seller gives the money back."
        }
        (Status::Completed, false) => "The deal is closed. Each part was paid out.",
        (Status::Completed, true) => "The deal is closed. The seller was paid.",
        (Status::Claimed, _) => "The deal is closed. The seller was paid, since the buyer had not confirmed in time.",
        (Status::Refunded, _) => "The deal is closed. The money that was held went back to the buyer.",
        (Status::Split, _) => {
            "The deal is closed. The money that was held was divided between the seller and the buyer."
        }
    }
}

/// Lists the stages of an offer with their amounts.
fn stages(escrow: &Escrow, currency: &str) -> Markup {
    html! {
        @if !escrow.milestones().is_empty() {
            div.table-scroll tabindex="0" {
                table {
                    thead { tr { th scope="col" { "Stage" } th.end scope="col" { "Amount" } } }
                    tbody {
                        @for milestone in escrow.milestones() {
                            tr {
                                td { (milestone.terms.title) }
                                td.end { (text::amount(milestone.terms.amount, currency)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The fields that ask who pays, for a form that is sent to the page itself. `name` is the name
/// of the field, and `typed` what the reader has typed and names no customer, which `refusal` says.
/// `registers` is true in a sandbox where a new name is a new customer.
pub(super) fn who(name: &str, typed: &str, refusal: Option<&str>, registers: bool) -> Markup {
    let suggested = if registers { "tunde" } else { "" };
    html! {
        h2 { "Who are you?" }
        @if let Some(refusal) = refusal {
            div.notice.bad role="alert" { p { strong { (refusal) } } }
        }
        div.field {
            label for=(name) { @if registers { "Your name as a customer" } @else { "Your id as a customer" } }
            input id=(name) name=(name) required aria-invalid[refusal.is_some()] value=(if refusal.is_some() { typed } else { suggested });
            p.hint {
                @if registers { "A new name is a new customer with play money. Names have no spaces." } @else { "The id of a customer." }
            }
        }
        button.primary { "Continue" }
    }
}

/// Says why what was typed names no customer, or returns `None` if nothing was typed.
pub(super) fn refusal_of_name(typed: &str) -> Option<String> {
    match CustomerId::parse(typed) {
        _ if typed.is_empty() => None,
        Some(_) => Some("There is no customer with this id.".to_owned()),
        None => Some(no_customer(typed)),
    }
}

/// Shows the ways to pay in a sandbox. `form` makes the form of a way, with a label and a class
/// for its button.
pub(super) fn ways(
    buyer: &CustomerId,
    wallet: &Wallet,
    cards: &[Card],
    currency: &str,
    form: impl Fn(Way<'_>, &str, &str) -> Markup,
) -> Markup {
    html! {
        h2 { "Pay as " (buyer) }
        p { "In the wallet: " (text::amount(wallet.main_balance.0, currency)) }
        div.way { (form(Way::Wallet, "Pay from the wallet", "primary wide")) }
        h3 { "By card" }
        @for card in cards {
            div.way { (form(Way::Card(card), &format!("Pay with {} …{}", card.card_info.brand, card.card_info.last4), "wide")) }
        }
        details open[cards.is_empty()] {
            summary { "Save a test card" }
            div.actions {
                @for card in &TEST_CARDS {
                    @let label = match card.decline {
                        None => format!("{} {}", card.brand, card.number),
                        Some(decline) => format!("{} {}, declined: {decline}", card.brand, card.number),
                    };
                    (form(Way::Save(card), &label, ""))
                }
            }
        }
    }
}

/// Shows what was paid, what is held and what came back.
///
/// `transfer` is the reference that the buyer quoted at the bank, if a bank transfer paid.
pub(super) fn receipt(escrow: &Escrow, funding: &Funding, transfer: Option<&str>, currency: &str) -> Markup {
    html! {
        h2 { "Receipt" }
        dl.facts {
            dt { "Paid by" } dd { (funding.buyer) }
            dt { "Paid" } dd { strong { (text::amount(escrow.charge(), currency)) } }
            dt { "When" } dd { (text::instant(funding.paid_at)) }
            dt { "Reference" } dd { code { (funding.payment.reference.as_str()) } }
            @if let Some(reference) = transfer { dt { "Your bank transfer" } dd { code { (reference) } } }
            dt { "Still held" } dd { (text::amount(escrow.held(), currency)) }
            @if !escrow.returned().is_zero() {
                dt { "Came back to the buyer" } dd { strong { (text::amount(escrow.returned(), currency)) } }
            }
        }
    }
}

/// Says whose money a bank transfer becomes. A page cannot know who reads it: the customer who began the
/// checkout may have given its address to another person.
pub(super) fn whose_transfer(customer: &CustomerId) -> Markup {
    html! {
        p { "What comes by this transfer belongs to the customer " strong { (customer) } " of the shop, also if another person makes it." }
    }
}

/// Asks a customer for a bank transfer, and no other person.
pub(super) fn asked_to_transfer(customer: &CustomerId) -> Markup {
    html! {
        (whose_transfer(customer))
        p { strong { "If you are not this customer, do not make it" } ": what you transfer would be theirs." }
    }
}

/// Shows the bank account to pay to, the amount and the reference.
pub(super) fn transfer_facts(account: &DepositAccount, amount: Amount, reference: &str, currency: &str) -> Markup {
    html! {
        dl.facts {
            dt { "Bank" } dd {
                (account.bank_name)
                @if let Some(code) = &account.bank_code { " (" (code) ")" }
            }
            dt { "Account number" } dd { code { (account.account_number) } }
            dt { "Account name" } dd { (account.account_name) }
            dt { "Amount" } dd { strong { (text::amount(amount, currency)) } }
            dt { "Reference" } dd { strong { code { (reference) } } }
        }
    }
}
