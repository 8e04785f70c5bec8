//! Claims, the clock, conversion and the edit of standard escrows, in the reference and in
//! the command generator.

use std::collections::BTreeSet;

use crate::disputes::Dispute;
use crate::generator::{self, Random, deal};
use crate::intents;
use crate::reference::{Action, Command, Deal, MOST, Reference, Terms, check_terms, refuse_if};

/// The time that a buyer has to confirm after the delivery window.
pub(crate) const GRACE_SECONDS: i64 = 1_800;

/// The delivery windows of escrows whose terms have none: a standard and a milestone escrow's.
const DAYS_DEFAULT: [i64; 2] = [7, 30];

/// Returns the length of the delivery window.
pub(crate) fn delivery_seconds(terms: &Terms, has_milestones: bool) -> i64 {
    let unit = match terms.timeline {
        "minutes" => 60,
        "hours" => 3_600,
        _ => 86_400,
    };
    let units = terms.max_delivery.unwrap_or(DAYS_DEFAULT[usize::from(has_milestones)]);
    // A conversion ignores the window that it names, which may be any number.
    units.saturating_mul(unit)
}

/// Returns the time in milliseconds at which the parties' time has passed. The contract's times
/// of payments and releases have whole seconds.
pub(crate) const fn overdue_at(deal: &Deal) -> i64 {
    (deal.moved_at / 1_000 + deal.delivery_seconds + GRACE_SECONDS) * 1_000
}

impl Reference {
    /// Returns the merchant's time in milliseconds.
    pub(crate) fn now(&self, merchant: usize) -> i64 {
        self.time + self.merchants[merchant].ahead_seconds * 1_000
    }

    pub(crate) fn claim(&mut self, command: &Command, deal: Option<usize>) -> Result<Vec<usize>, String> {
        let place = self.own(command, deal).ok_or("EscrowNotFound")?;
        let deal = &self.deals[place];
        refuse_if(deal.seller != command.customer, "AccessDenied")?;
        let is_open = deal.buyer.is_some() && !deal.is_closed && deal.dispute == Dispute::None;
        refuse_if(deal.milestones.is_some() || !is_open, "ActionNotAllowed")?;
        let claimable_at = overdue_at(deal);
        let is_early = self.now(command.merchant) < claimable_at;
        refuse_if(is_early, &format!("ClaimTooEarly {claimable_at}"))?;
        let seller_fee = deal.platform_fee + deal.commission - deal.buyer_fee;
        let (payee, net) = (deal.seller.clone(), deal.amount - seller_fee);
        self.pay_out(place, &payee, net);
        self.close(place, "CLAIMED");
        Ok(vec![place])
    }

    pub(crate) fn convert(
        &mut self,
        command: &Command,
        deal: Option<usize>,
        keeps_amount: bool,
        terms: &Terms,
        mut newcomers: BTreeSet<String>,
    ) -> Result<Vec<usize>, String> {
        refuse_if(!keeps_amount && terms.amount < 1, "Invalid amount")?;
        Self::check_milestone_list(terms)?;
        self.admit_payees(command, terms, &mut newcomers)?;
        let place = self.own(command, deal).ok_or("EscrowNotFound")?;
        let old = &self.deals[place];
        refuse_if(old.seller != command.customer, "AccessDenied")?;
        refuse_if(old.milestones.is_some(), "AlreadyAMilestoneEscrow")?;
        refuse_if(old.stock.is_some() || old.buyer.is_some(), "ActionNotAllowed")?;
        let terms = Terms {
            amount: if keeps_amount { old.amount } else { terms.amount },
            who_pays: "buyer",
            ..terms.clone()
        };
        terms.check_sum()?;
        self.deals[place] = Deal {
            id: old.id,
            token: old.token.clone(),
            category: old.category,
            delivery_seconds: old.delivery_seconds,
            ..self.new_deal(command, &terms, true)?
        };
        self.register(command, newcomers);
        Ok(vec![place])
    }

    pub(crate) fn edit_standard(
        &mut self,
        command: &Command,
        deal: Option<usize>,
        terms: &Terms,
    ) -> Result<Vec<usize>, String> {
        self.check_category(command, terms.category)?;
        check_terms(terms, false)?;
        let place = self.own(command, deal).ok_or("EscrowNotFound")?;
        let old = &self.deals[place];
        refuse_if(old.seller != command.customer, "AccessDenied")?;
        refuse_if(old.milestones.is_some() || old.buyer.is_some(), "ActionNotAllowed")?;
        let new = Deal {
            id: old.id,
            token: old.token.clone(),
            extra: old.extra,
            extra_is_refundable: old.extra_is_refundable,
            ..self.new_deal(command, terms, false)?
        };
        refuse_if(
            i128::from(new.amount) + i128::from(new.buyer_fee) + i128::from(new.extra) > i128::from(MOST),
            "Invalid amount",
        )?;
        self.deals[place] = new;
        Ok(vec![place])
    }
}

/// Claims mostly a funded standard escrow, as its seller.
pub(crate) fn next_claim(random: &mut Random, reference: &Reference, command: &mut Command) -> Action {
    let takes_any = random.one_in(8);
    let place = deal(random, reference, |place| {
        let deal = &reference.deals[place];
        let is_fit = deal.milestones.is_none() && deal.buyer.is_some() && !deal.is_closed;
        deal.merchant == command.merchant && (takes_any || is_fit && deal.dispute == Dispute::None)
    });
    act_as_seller(random, reference, command, place);
    Action::Claim { deal: place }
}

/// Moves the clock by seconds, hours or days, often to the moment of a claim or
/// of a ruling without a dispute.
pub(crate) fn next_advance(random: &mut Random, reference: &Reference, command: &Command) -> Action {
    let now = reference.now(command.merchant);
    let overdue = reference.deals.iter().rev().take(100).find_map(|deal| {
        let waits = deal.merchant == command.merchant && deal.buyer.is_some() && !deal.is_closed;
        let left = overdue_at(deal) - now;
        (waits && left > 0).then_some(left / 1_000)
    });
    let seconds = match overdue {
        Some(left) if left > 0 && !random.one_in(3) => left,
        _ => i64::try_from(1 + random.below(7_200)).unwrap(),
    };
    Action::AdvanceClock { seconds }
}

pub(crate) fn next_conversion(random: &mut Random, reference: &Reference, command: &mut Command) -> Action {
    let place = unpaid_standard(random, reference, command);
    let mut terms = generator::terms(random, command.merchant, true);
    let keeps_amount = random.one_in(3);
    if let Some(deal) = place.map(|place| &reference.deals[place])
        && keeps_amount
        && deal.amount > 200
        && deal.amount % 100 == 0
        && terms.milestones.len() >= 2
    {
        terms.milestones.truncate(2);
        terms.milestones[0].amount = 100;
        terms.milestones[1].amount = deal.amount - 100;
    }
    Action::Convert {
        deal: place,
        keeps_amount,
        terms,
    }
}

pub(crate) fn next_edit(random: &mut Random, reference: &Reference, command: &mut Command) -> Action {
    if random.one_in(2)
        && let Some(place) = intents::announced_deal(random, reference, command.merchant, false)
    {
        let deal = &reference.deals[place];
        command.customer.clone_from(&deal.seller);
        return Action::EditStandard {
            deal: Some(place),
            terms: generator::with_another_window(deal),
        };
    }
    let deal = unpaid_standard(random, reference, command);
    let terms = generator::terms(random, command.merchant, false);
    Action::EditStandard { deal, terms }
}

fn unpaid_standard(random: &mut Random, reference: &Reference, command: &mut Command) -> Option<usize> {
    let takes_any = random.one_in(6);
    let place = deal(random, reference, |place| {
        let deal = &reference.deals[place];
        let is_fit = deal.milestones.is_none() && deal.buyer.is_none() && !deal.is_deleted;
        deal.merchant == command.merchant && (takes_any || is_fit)
    });
    act_as_seller(random, reference, command, place);
    place
}

pub(crate) fn act_as_seller(random: &mut Random, reference: &Reference, command: &mut Command, place: Option<usize>) {
    if let Some(place) = place
        && !random.one_in(8)
    {
        command.customer.clone_from(&reference.deals[place].seller);
    }
}
