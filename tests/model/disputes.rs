//! Disputes and refunds in the reference and in the command generator: which party may add a
//! statement, and which amounts a ruling or a refund pays to which party.

use crate::generator::{Random, deal};
use crate::offers::{act_as_seller, overdue_at};
use crate::reference::{Action, Command, Deal, Milestone, Reference, refuse_if};

/// The progress of a dispute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Dispute {
    #[default]
    None,
    Opened {
        by_seller: bool,
    },
    Answered,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ruling {
    Complete,
    Refund,
    Split { seller: i64, buyer: i64 },
}

impl Deal {
    /// Returns the contract's word for its status.
    pub(crate) fn status(&self) -> &'static str {
        match (self.buyer.is_some(), self.is_closed, self.dispute) {
            (false, ..) => "PENDING",
            (true, true, _) => self.ending,
            (true, false, Dispute::None) => "ONGOING",
            (true, false, Dispute::Opened { .. }) => "DISPUTED",
            (true, false, Dispute::Answered) => "INVESTIGATING",
        }
    }

    /// Returns the held money without fees.
    pub(crate) fn pool(&self) -> i64 {
        self.held - self.platform_fee - self.commission - self.extra
    }

    pub(crate) fn is_frozen(&self) -> bool {
        self.dispute != Dispute::None && !self.is_closed
    }
}

impl Reference {
    pub(crate) fn dispute(&mut self, command: &Command, deal: Option<usize>) -> Result<Vec<usize>, String> {
        let place = self.own(command, deal).ok_or("EscrowNotFound")?;
        let deal = &mut self.deals[place];
        let buyer = deal.buyer.as_ref().ok_or("ActionNotAllowed")?;
        let is_buyer = *buyer == command.customer;
        refuse_if(!is_buyer && deal.seller != command.customer, "AccessDenied")?;
        let has_milestones_left = deal
            .milestones
            .as_ref()
            .is_none_or(|milestones| milestones.iter().any(is_pending));
        refuse_if(!has_milestones_left, "NothingLeftToDispute")?;
        refuse_if(deal.is_closed, "ActionNotAllowed")?;
        deal.dispute = match deal.dispute {
            Dispute::None => Dispute::Opened { by_seller: !is_buyer },
            Dispute::Opened { by_seller } if by_seller == is_buyer => Dispute::Answered,
            _ if is_buyer => return Err("BuyerAlreadyDisputed".into()),
            _ => return Err("SellerAlreadyReplied".into()),
        };
        self.rows.events += 1;
        Ok(vec![place])
    }

    pub(crate) fn resolve(
        &mut self,
        command: &Command,
        deal: Option<usize>,
        ruling: Ruling,
    ) -> Result<Vec<usize>, String> {
        let place = self.own(command, deal).ok_or("EscrowNotFound")?;
        let deal = &self.deals[place];
        refuse_if(deal.is_closed, "AlreadyResolved")?;
        refuse_if(deal.buyer.is_none(), "NoDispute")?;
        if deal.dispute == Dispute::None {
            let rulable_at = overdue_at(deal);
            let is_early = self.now(command.merchant) < rulable_at;
            refuse_if(is_early, &format!("NoDisputeYet {rulable_at}"))?;
        }
        let (pool, seller_name) = (deal.pool(), deal.seller.clone());
        match ruling {
            Ruling::Complete => {
                for (payee, amount) in self.take_all_milestones(place, pool) {
                    self.pay_out(place, &payee, amount);
                }
                self.close(place, "COMPLETED");
            }
            Ruling::Refund => {
                self.pay_back(place, pool);
                self.close(place, "REFUNDED");
            }
            Ruling::Split { seller, buyer } => {
                refuse_if(
                    seller.checked_add(buyer) != Some(pool),
                    &format!("SplitDoesNotAddUp {pool}"),
                )?;
                self.pay_out(place, &seller_name, seller);
                self.pay_back(place, buyer);
                self.close(place, "SPLIT");
            }
        }
        Ok(vec![place])
    }

    pub(crate) fn refund(&mut self, command: &Command, deal: Option<usize>) -> Result<Vec<usize>, String> {
        let place = self.own(command, deal).ok_or("EscrowNotFound")?;
        let deal = &self.deals[place];
        refuse_if(deal.seller != command.customer, "AccessDenied")?;
        refuse_if(deal.buyer.is_none() || deal.is_closed, "ActionNotAllowed")?;
        let pool = deal.pool();
        self.pay_back(place, pool);
        self.close(place, "REFUNDED");
        Ok(vec![place])
    }

    /// Releases every pending milestone, and returns each payee with the amount due.
    fn take_all_milestones(&mut self, place: usize, pool: i64) -> Vec<(String, i64)> {
        let deal = &mut self.deals[place];
        let Some(milestones) = &mut deal.milestones else {
            return vec![(deal.seller.clone(), pool)];
        };
        let mut owed = Vec::new();
        for milestone in milestones.iter_mut().filter(|milestone| is_pending(milestone)) {
            milestone.is_released = true;
            owed.push((
                milestone.payee.clone().unwrap_or_else(|| deal.seller.clone()),
                milestone.amount,
            ));
        }
        owed
    }

    fn pay_back(&mut self, place: usize, amount: i64) {
        let (merchant, buyer) = self.take_from_hold(place, amount);
        self.wallet(merchant, &buyer).main += amount;
        self.rows.transfers += i64::from(amount > 0);
        self.rows.entries += i64::from(amount > 0);
        self.rows.events += i64::from(amount > 0);
    }
}

fn is_pending(milestone: &Milestone) -> bool {
    !milestone.is_released
}

/// Picks mostly an open deal and the party whose turn it is.
pub(crate) fn next_statement(random: &mut Random, reference: &Reference, command: &mut Command) -> Action {
    let (is_any_fit, may_be_answered) = (random.one_in(5), random.one_in(6));
    let place = deal(random, reference, |place| {
        let deal = &reference.deals[place];
        let has_turns = may_be_answered == (deal.dispute == Dispute::Answered);
        let is_open = deal.buyer.is_some() && !deal.is_closed;
        deal.merchant == command.merchant && (is_any_fit || is_open && has_turns)
    });
    if let Some(deal) = place.map(|place| &reference.deals[place]) {
        let is_sellers_turn = (deal.dispute == Dispute::Opened { by_seller: false }) != random.one_in(6);
        let speaker = match &deal.buyer {
            Some(buyer) if !is_sellers_turn => buyer,
            _ => &deal.seller,
        };
        if !random.one_in(10) {
            command.customer.clone_from(speaker);
        }
    }
    Action::Dispute { deal: place }
}

/// Gives back mostly what an open deal holds, as its seller.
pub(crate) fn next_refund(random: &mut Random, reference: &Reference, command: &mut Command) -> Action {
    let takes_any = random.one_in(8);
    let place = deal(random, reference, |place| {
        let deal = &reference.deals[place];
        deal.merchant == command.merchant && (takes_any || is_held(deal))
    });
    act_as_seller(random, reference, command, place);
    Action::Refund { deal: place }
}

const fn is_held(deal: &Deal) -> bool {
    deal.buyer.is_some() && !deal.is_closed
}

pub(crate) fn next_ruling(random: &mut Random, reference: &Reference, command: &Command) -> Action {
    let is_any_fit = random.one_in(8);
    let place = deal(random, reference, |place| {
        let deal = &reference.deals[place];
        let is_overdue = is_held(deal) && reference.now(command.merchant) >= overdue_at(deal);
        deal.merchant == command.merchant && (is_any_fit || deal.is_frozen() || is_overdue)
    });
    let pool = place.map_or(1, |place| reference.deals[place].pool()).max(0);
    let ruling = match random.below(4) {
        0 => Ruling::Complete,
        1 => Ruling::Refund,
        _ => {
            let seller = match random.below(6) {
                0 => 0,
                1 => pool,
                _ => i64::try_from(random.below(usize::try_from(pool).unwrap() + 1)).unwrap(),
            };
            let off = i64::from(random.one_in(6));
            Ruling::Split {
                seller,
                buyer: pool - seller + off,
            }
        }
    };
    Action::Resolve { deal: place, ruling }
}
