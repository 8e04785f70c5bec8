//! Paying by bank transfer, in live mode: the account and the reference to pay to, and what has
//! come.

use std::slice;

use maud::{Markup, html};

use crate::domain::escrow::{self, Escrow};
use crate::domain::mode::Mode;
use crate::domain::money::Amount;
use crate::domain::payments::payment::Payment;
use crate::domain::transaction::{DepositAccount, Method, PaymentStatus};
use crate::web::checkout::framing::close_button;
use crate::web::checkout::visit::{Standing, Visit};
use crate::web::paying::{self, DELETED, PAID_BY_ANOTHER, PAYER_STOPPED, SOLD_OUT};
use crate::web::text;

/// Shows the state of the transfer that was announced for an offer. `came` are other amounts that
/// came with its reference.
pub(super) fn show(
    visit: &Visit,
    standing: Standing<'_>,
    transfer: &Payment,
    came: &[Amount],
    currency: &str,
) -> Markup {
    let is_waiting = transfer.status() == PaymentStatus::Pending;
    let not_payable = match standing {
        Standing::Open(_) => None,
        Standing::PayerStopped => Some(PAYER_STOPPED),
        Standing::Paid => Some(PAID_BY_ANOTHER),
        Standing::SoldOut => Some(SOLD_OUT),
        Standing::Deleted => Some(DELETED),
    };
    html! {
        section.card data-checkout data-parent=[visit.framing.origin()] data-waiting[is_waiting] {
            @match not_payable {
                None => h2 { "Bank transfer" },
                Some(offer) => { h2 { (offer.heading) } p { strong { (offer.reason) } } }
            }
            @if is_waiting { (no_longer_watched()) }
            @if let Some(customer) = transfer.transaction.owner.customer() {
                @if is_waiting && not_payable.is_none() { (paying::asked_to_transfer(customer)) } @else { (paying::whose_transfer(customer)) }
            }
            (others_that_came(standing, transfer, came, currency))
            @match (standing, transfer.status()) {
                (Standing::Open(escrow), PaymentStatus::Pending) => (expected(visit, escrow, transfer, currency)),
                (_, PaymentStatus::Pending) => (no_longer_wanted(visit, transfer, currency)),
                (Standing::Paid, PaymentStatus::Success) => {
                    p { "Your transfer came, and the money is in your wallet at the shop." }
                }
                (Standing::Open(escrow), PaymentStatus::Success) if has_changed(escrow, transfer) => {
                    p {
                        "Your transfer came, and the money is in your wallet at the shop. It did not pay for the deal: the seller has "
                        "changed the offer since you announced the transfer."
                    }
                }
                (Standing::Open(escrow), PaymentStatus::Success) if !escrow.is_link => {
                    p { "Your transfer came, and the money is in your wallet at the shop. The shop shows what became of the deal." }
                }
                // The transfer may have paid for one copy of an offer to several buyers.
                (_, PaymentStatus::Success) => {
                    p { "Your transfer came. The shop shows if it paid for the deal. If it did not, the money is in your wallet at the shop." }
                }
                (_, PaymentStatus::Reversed) => {
                    p { "The transfer with your reference was recorded, and the record was reversed. The shop can tell you why." }
                }
                (_, PaymentStatus::Failed) if !came.is_empty() => {}
                (Standing::Open(_), PaymentStatus::Failed) => {
                    p { "Nothing came in time, and this reference is no longer expected. Go back to the shop and begin the checkout again." }
                }
                (_, PaymentStatus::Failed) => {
                    p { "Nothing came in time, and this reference is no longer expected. Do not transfer money for this deal." }
                }
            }
            (close_button())
        }
    }
}

/// Offers to announce a transfer. `without_transfers` is the name of a merchant who takes none.
pub(super) fn offer(visit: &Visit, without_transfers: Option<&str>) -> Markup {
    if let Some(shop) = without_transfers {
        return html! {
            section.card data-checkout data-parent=[visit.framing.origin()] {
                (paying::no_transfers(shop))
                (close_button())
            }
        };
    }
    html! {
        section.card data-checkout data-parent=[visit.framing.origin()] {
            h2 { "Pay by bank transfer" }
            p { "You get a bank account and a reference, and transfer the total from your bank. Nothing is taken from a wallet or a card." }
            @if let Some(customer) = visit.customer() { (paying::asked_to_transfer(customer)) }
            form.inline method="post" action=(visit.path("/transfer")) {
                @for (name, value) in visit.kept() {
                    input type="hidden" name=(name) value=(value);
                }
                button.primary.wide { "Show the account and the reference" }
            }
            (close_button())
        }
    }
}

/// Names the amounts that came with the reference and did not pay: another amount than the one that was
/// announced, or the same after the transfer was given up.
fn others_that_came(standing: Standing<'_>, transfer: &Payment, came: &[Amount], currency: &str) -> Markup {
    let is_waiting = transfer.status() == PaymentStatus::Pending;
    html! {
        @for amount in came {
            div.notice.bad role="alert" {
                p { strong {
                    (text::amount(*amount, currency)) " came with this reference"
                    @if *amount == transfer.transaction.amount {
                        ", when the transfer was no longer expected."
                    } @else {
                        ", and not " (text::amount(transfer.transaction.amount, currency)) "."
                    }
                    " It did not pay for this deal."
                } }
                p {
                    "What came is in your wallet at the shop. "
                    @if is_waiting && matches!(standing, Standing::Open(_)) {
                        "Transfer the whole amount below, or ask the shop to use what is in your wallet."
                    } @else { "The shop can tell you what to do with it." }
                }
            }
        }
    }
}

/// Shows how to make the transfer.
fn expected(visit: &Visit, escrow: &Escrow, transfer: &Payment, currency: &str) -> Markup {
    let amount = transfer.transaction.amount;
    html! {
        @if let Some(account) = account_of(transfer) {
            p { "Transfer exactly this amount with this reference from your bank. The deal is paid when the money is recorded here." }
            (paying::transfer_facts(account, amount, transfer.transaction.quoted_reference(Mode::Live).as_str(), currency))
        }
        @if amount != escrow.charge() {
            p.notice.warn { "The price has changed since. Go back to the shop and begin the checkout again." }
        } @else if has_changed(escrow, transfer) {
            p.notice.warn {
                "The seller has changed the offer since you announced this transfer, so it no longer pays for the deal. Money that "
                "comes stays in your wallet at the shop. Go back to the shop and begin the checkout again."
            }
        }
        (look(visit))
    }
}

/// Returns true if the seller has changed the offer since the transfer was announced.
fn has_changed(escrow: &Escrow, transfer: &Payment) -> bool {
    let agreed = transfer.method().and_then(Method::terms_hash);
    escrow::check_terms_agreed(slice::from_ref(escrow), agreed).is_err()
}

/// Says that the transfer can no longer pay for the deal, without the account to transfer to.
fn no_longer_wanted(visit: &Visit, transfer: &Payment, currency: &str) -> Markup {
    html! {
        p {
            "Do not transfer money for it any more. If you have made the transfer below already, it comes into your wallet at the "
            "shop, and stays there."
        }
        dl.facts {
            dt { "Amount" } dd { (text::amount(transfer.transaction.amount, currency)) }
            dt { "Reference" } dd { code { (transfer.transaction.quoted_reference(Mode::Live).as_str()) } }
        }
        (look(visit))
    }
}

/// Says that the page has stopped to look for the transfer. The page's script shows it when the
/// session has ended.
fn no_longer_watched() -> Markup {
    html! {
        div.notice.warn role="alert" hidden data-unwatched {
            p { strong { "This checkout has ended, and this page no longer looks if your transfer comes." } }
            p { "A transfer that you have made still counts. The shop shows what becomes of it." }
        }
    }
}

fn look(visit: &Visit) -> Markup {
    html! { p { a.button href=(visit.back(None)) { "Look if it came" } } }
}

fn account_of(transfer: &Payment) -> Option<&DepositAccount> {
    match transfer.method() {
        Some(Method::BankTransfer { account, .. }) => account.as_ref(),
        _ => None,
    }
}
