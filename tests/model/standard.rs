//! The parts of the reference and of the command generator that only standard escrows need:
//! the merchant's additional fee and links to several buyers. Also the deletion of an
//! offer, which every settlement type has.

use crate::generator::{Random, deal};
use crate::reference::{Action, Command, Deal, Id, MOST, Reference, refuse_if};

impl Reference {
    /// The merchant acts, so the command registers no customer.
    pub(crate) fn set_fee(
        &mut self,
        command: &Command,
        deal: Option<usize>,
        amount: i64,
        is_refundable: Option<bool>,
    ) -> Result<Vec<usize>, String> {
        let place = deal.filter(|&place| !self.deals[place].is_deleted);
        let place = place.ok_or("EscrowNotFound")?;
        let deal = &mut self.deals[place];
        refuse_if(deal.merchant != command.merchant, "EscrowNotOfThisMerchant")?;
        refuse_if(deal.milestones.is_some(), "AdditionalFeeNotStandard")?;
        refuse_if(deal.buyer.is_some(), "AdditionalFeeNotPending")?;
        let charge = i128::from(deal.amount) + i128::from(deal.buyer_fee) + i128::from(amount);
        refuse_if(charge > i128::from(MOST), "Invalid additionalFee")?;
        deal.extra = amount;
        deal.extra_is_refundable = is_refundable.unwrap_or(deal.extra_is_refundable);
        Ok(vec![place])
    }

    pub(crate) fn delete(&mut self, command: &Command, deal: Option<usize>) -> Result<Vec<usize>, String> {
        let place = self.own(command, deal).ok_or("EscrowNotFound")?;
        let deal = &mut self.deals[place];
        refuse_if(deal.seller != command.customer, "AccessDenied")?;
        refuse_if(deal.buyer.is_some(), "ActionNotAllowed")?;
        deal.is_deleted = true;
        Ok(vec![])
    }

    /// Returns the deals that a payment funds, once it is sure to succeed. For a link it
    /// adds a copy for this buyer.
    pub(crate) fn take_from_links(&mut self, places: &[usize]) -> Vec<usize> {
        let taken = places.iter().map(|&place| self.take(place));
        taken.collect()
    }

    fn take(&mut self, place: usize) -> usize {
        let link = &mut self.deals[place];
        let Some(stock) = &mut link.stock else {
            return place;
        };
        *stock -= 1;
        let taken = Deal {
            id: Id::default(),
            token: String::new(),
            stock: None,
            ..link.clone()
        };
        self.deals.push(taken);
        self.rows.events += 1;
        self.deals.len() - 1
    }

    /// When a deal ends, the additional fee goes to the merchant. It goes back to the buyer
    /// if it is refundable and the ruling was a refund or a split.
    pub(crate) fn settle_extra(&mut self, place: usize, ending: &str) {
        let deal = &self.deals[place];
        let extra = deal.extra;
        let is_refunded = deal.extra_is_refundable && matches!(ending, "REFUNDED" | "SPLIT");
        let (merchant, buyer) = self.take_from_hold(place, extra);
        let wallet = self.wallet(merchant, &buyer);
        wallet.fees_in_hold -= extra;
        if is_refunded {
            wallet.main += extra;
        } else {
            self.merchants[merchant].earned += extra;
        }
        self.rows.transfers += i64::from(extra > 0);
        self.rows.entries += i64::from(extra > 0);
        self.rows.events += i64::from(extra > 0);
    }
}

/// Picks mostly an unpaid standard escrow.
pub(crate) fn next_fee(random: &mut Random, reference: &Reference, command: &Command) -> Action {
    let takes_any = random.one_in(4);
    let place = deal(random, reference, |place| {
        let deal = &reference.deals[place];
        let is_fit = deal.milestones.is_none() && deal.buyer.is_none() && deal.merchant == command.merchant;
        takes_any || (is_fit && !deal.is_deleted)
    });
    let amount = match random.below(8) {
        0 => 0,
        1 => MOST,
        2 => 1,
        _ => i64::try_from(random.below(5_000)).unwrap(),
    };
    Action::SetFee {
        deal: place,
        amount,
        is_refundable: [None, Some(true), Some(false)][random.below(3)],
    }
}

/// Deletes mostly an unpaid offer, as its seller.
pub(crate) fn next_deletion(random: &mut Random, reference: &Reference, command: &mut Command) -> Action {
    let takes_any = random.one_in(4);
    let place = deal(random, reference, |place| {
        let deal = &reference.deals[place];
        deal.merchant == command.merchant && (takes_any || deal.buyer.is_none())
    });
    if let Some(deal) = place.map(|place| &reference.deals[place])
        && !random.one_in(6)
    {
        command.customer.clone_from(&deal.seller);
    }
    Action::Delete { deal: place }
}
