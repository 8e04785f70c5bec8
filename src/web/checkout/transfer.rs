//! Paying by bank transfer, in live mode: the account and the reference to pay to, and what has
//! come.

use maud::{Markup, html};

use crate::domain::escrow::Escrow;
use crate::domain::money::Amount;
use crate::domain::payments::payment::Payment;
use crate::domain::transaction::{DepositAccount, Method, PaymentStatus};
use crate::web::checkout::framing::close_button;
use crate::web::checkout::visit::Visit;
use crate::web::{paying, text};

/// Shows how to pay by bank transfer, or the state of the transfer that was announced.
/// `came` are other amounts that came with its reference.
pub(super) fn show(
    visit: &Visit,
    escrow: &Escrow,
    transfer: Option<&Payment>,
    came: &[Amount],
    currency: &str,
) -> Markup {
    let Some(transfer) = transfer else {
        return offer(visit);
    };
    let is_waiting = transfer.status() == PaymentStatus::Pending;
    html! {
        section.card data-checkout data-parent=[visit.framing.origin()] data-waiting[is_waiting] {
            h2 { "Bank transfer" }
            @for amount in came {
                div.notice.bad role="alert" {
                    p { strong {
                        (text::amount(*amount, currency)) " came with this reference, and not "
                        (text::amount(transfer.transaction.amount, currency)) ". This deal is not paid."
                    } }
                    p {
                        "What came is in your wallet at the shop. "
                        @if is_waiting { "Transfer the whole amount below, or ask the shop to use what is in your wallet." }
                        @else { "The shop can tell you what to do with it." }
                    }
                }
            }
            @match (transfer.status(), account_of(transfer)) {
                (PaymentStatus::Pending, Some(account)) => {
                    p { "Transfer exactly this amount with this reference from your bank. The deal is paid when the money is recorded here." }
                    (paying::transfer_facts(account, transfer.transaction.amount, transfer.transaction.reference.as_str(), currency))
                    @if transfer.transaction.amount != escrow.charge() {
                        p.notice.warn { "The price has changed since. Go back to the shop and begin the checkout again." }
                    }
                    p { a.button href=(visit.back(None)) { "Look if it came" } }
                }
                (PaymentStatus::Success, _) => {
                    p { "Your transfer came, and the money is in your wallet at the shop. The shop shows what became of the deal." }
                }
                _ if !came.is_empty() => {}
                _ => {
                    p { "Nothing came in time, and this reference is no longer expected. Go back to the shop and begin the checkout again." }
                }
            }
            (close_button())
        }
    }
}

fn offer(visit: &Visit) -> Markup {
    html! {
        section.card data-checkout data-parent=[visit.framing.origin()] {
            h2 { "Pay by bank transfer" }
            p { "You get a bank account and a reference, and transfer the total from your bank. Nothing is taken from a wallet or a card." }
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

fn account_of(transfer: &Payment) -> Option<&DepositAccount> {
    match transfer.method() {
        Some(Method::BankTransfer { account, .. }) => account.as_ref(),
        _ => None,
    }
}
