//! What only standard escrows have, in the reference and in the orders: the merchant's
//! additional fee and links to several buyers; and taking an offer back, which all have.

use crate::orders::{Random, deal};
use crate::reference::{Deal, Id, MOST, Order, Reference, Wish, refuse_if};

impl Reference {
    /// The merchant's own wish: nobody is let in for it.
    pub(crate) fn set_fee(
        &mut self,
        order: &Order,
        deal: Option<usize>,
        amount: i64,
        comes_back: Option<bool>,
    ) -> Result<Vec<usize>, String> {
        let place = deal.filter(|&place| !self.deals[place].is_deleted);
        let place = place.ok_or("EscrowNotFound")?;
        let deal = &mut self.deals[place];
        refuse_if(deal.merchant != order.merchant, "EscrowNotOfThisMerchant")?;
        refuse_if(deal.parts.is_some(), "AdditionalFeeNotStandard")?;
        refuse_if(deal.buyer.is_some(), "AdditionalFeeNotPending")?;
        let charge = i128::from(deal.amount) + i128::from(deal.buyer_fee) + i128::from(amount);
        refuse_if(charge > i128::from(MOST), "Invalid additionalFee")?;
        deal.extra = amount;
        deal.extra_comes_back = comes_back.unwrap_or(deal.extra_comes_back);
        Ok(vec![place])
    }

    pub(crate) fn delete(&mut self, order: &Order, deal: Option<usize>) -> Result<Vec<usize>, String> {
        let place = self.own(order, deal).ok_or("EscrowNotFound")?;
        let deal = &mut self.deals[place];
        refuse_if(deal.seller != order.customer, "AccessDenied")?;
        refuse_if(deal.buyer.is_some(), "ActionNotAllowed")?;
        deal.is_deleted = true;
        Ok(vec![])
    }

    /// What a payment for these deals pays for, once it is sure to be made: of a link, a
    /// deal like it.
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

    /// When a deal ends, the additional fee goes to the merchant, or back if it was said
    /// to and the buyer did not get what they paid for.
    pub(crate) fn settle_extra(&mut self, place: usize, ending: &str) {
        let deal = &self.deals[place];
        let extra = deal.extra;
        let comes_back = deal.extra_comes_back && matches!(ending, "REFUNDED" | "SPLIT");
        let (merchant, buyer) = self.take_from_hold(place, extra);
        let purse = self.purse(merchant, &buyer);
        purse.fees_in_hold -= extra;
        if comes_back {
            purse.main += extra;
        } else {
            self.merchants[merchant].earned += extra;
        }
        self.rows.transfers += i64::from(extra > 0);
        self.rows.entries += i64::from(extra > 0);
        self.rows.events += i64::from(extra > 0);
    }
}

/// Mostly on a standard escrow that nobody has paid for.
pub(crate) fn next_fee(random: &mut Random, reference: &Reference, order: &Order) -> Wish {
    let is_any_fit = random.one_in(4);
    let place = deal(random, reference, |place| {
        let deal = &reference.deals[place];
        let is_fit = deal.parts.is_none() && deal.buyer.is_none() && deal.merchant == order.merchant;
        is_any_fit || (is_fit && !deal.is_deleted)
    });
    let amount = match random.below(8) {
        0 => 0,
        1 => MOST,
        2 => 1,
        _ => i64::try_from(random.below(5_000)).unwrap(),
    };
    Wish::SetFee {
        deal: place,
        amount,
        comes_back: [None, Some(true), Some(false)][random.below(3)],
    }
}

/// Mostly by the seller, of what nobody has paid for.
pub(crate) fn next_deletion(random: &mut Random, reference: &Reference, order: &mut Order) -> Wish {
    let is_any_fit = random.one_in(4);
    let place = deal(random, reference, |place| {
        let deal = &reference.deals[place];
        deal.merchant == order.merchant && (is_any_fit || deal.buyer.is_none())
    });
    if let Some(deal) = place.map(|place| &reference.deals[place])
        && !random.one_in(6)
    {
        order.customer.clone_from(&deal.seller);
    }
    Wish::Delete { deal: place }
}
