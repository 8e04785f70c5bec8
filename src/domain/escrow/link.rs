//! Links: one offer to several buyers, each of whom pays for an escrow of their own
//! (contract section 4.2.8).

use crate::domain::effects::{Booking, Effects, EscrowEvent};
use crate::domain::escrow::terms::Terms;
use crate::domain::escrow::{Escrow, Progress};

impl Escrow {
    /// Creates the escrow that the next buyer of a link pays for, and lowers the number
    /// of buyers that the link is open to. Returns `None` if this is no link or is sold
    /// out.
    ///
    /// The escrow takes over the terms, images and fees of the link. It has the event of
    /// its creation and none that it awaits payment, since the same command funds it.
    pub fn take_from_link(&mut self, mut booking: Booking<'_>) -> Option<(Self, Effects)> {
        if !self.is_link || self.is_sold_out() {
            return None;
        }
        self.terms.total_quantity -= 1;
        self.updated_at = booking.now;
        let taken = Self {
            id: booking.ids.escrow_id(),
            payment_token: booking.ids.payment_token(),
            terms: Terms {
                total_quantity: 1,
                ..self.terms.clone()
            },
            is_link: false,
            progress: Progress::AwaitingPayment,
            created_at: booking.now,
            ..self.clone()
        };
        taken.emit(EscrowEvent::Created, &mut booking.effects);
        Some((taken, booking.effects))
    }

    /// Returns true for a link that all its buyers have paid for.
    pub(super) const fn is_sold_out(&self) -> bool {
        self.is_link && self.terms.total_quantity < 1
    }
}
