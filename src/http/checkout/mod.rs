//! Checkout sessions: what a buyer's browser may do for one deal of a merchant, without a
//! secret key (docs/checkout.md).

mod door;
mod merchant;
pub(in crate::http) mod session;

pub(crate) use door::{CheckoutDoor, PlayMoney, RealMoney, Source};
pub(crate) use merchant::on_behalf_of;
pub(crate) use session::Session;
