//! Random commands, chosen by the state of the reference. Most of them are possible. Many
//! others break exactly one rule.

use crate::reference::{
    Action, Command, Deal, MILESTONES_MAX, MOST, Milestone, MilestoneTerms, Named, Pick, Reference, Terms,
};
use crate::{categories, disputes, intents, offers, standard, treasury, vaults};

/// A random number generator (splitmix64) that returns the same numbers on every machine.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).unwrap()
    }

    /// Returns a number from 1 to the bound.
    fn up_to(&mut self, bound: i64) -> i64 {
        i64::try_from(self.next() % bound.unsigned_abs()).unwrap() + 1
    }

    pub(crate) fn one_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }
}

/// Customers who act in many commands.
const REGULARS: [&str; 6] = ["ada", "ben", "cleo", "dayo", "efe", "femi"];
/// The number of newest deals among which a command usually picks its deal.
const RECENT: usize = 250;

pub(crate) fn next(random: &mut Random, reference: &Reference) -> Command {
    let merchant = random.below(reference.merchants.len());
    let mut command = Command {
        merchant,
        customer: any_customer(random),
        is_live: random.one_in(20),
        action: Action::SeeWallet,
    };
    command.action = match random.below(208) {
        0..18 => Action::OfferMilestones(terms(random, merchant, true)),
        18..28 => Action::OfferStandard(terms(random, merchant, false)),
        28..34 => edit(random, reference, &mut command),
        34..58 => fund(random, reference, &mut command),
        58..86 => confirm_milestone(random, reference, &mut command),
        86..92 => confirm_payment(random, reference, &mut command),
        92..97 => Action::TopUp {
            amount: top_up_amount(random),
        },
        97..109 => disputes::next_statement(random, reference, &mut command),
        109..115 => disputes::next_ruling(random, reference, &command),
        115..120 => standard::next_fee(random, reference, &command),
        120..123 => standard::next_deletion(random, reference, &mut command),
        123..133 => vaults::next(random, reference, &command),
        133..143 => offers::next_claim(random, reference, &mut command),
        143..148 => offers::next_advance(random, reference, &command),
        148..153 => offers::next_conversion(random, reference, &mut command),
        153..157 => offers::next_edit(random, reference, &mut command),
        157..170 => intents::next(random, reference, &mut command),
        170..177 => categories::next(random, reference, &command),
        177..181 => disputes::next_refund(random, reference, &mut command),
        181..205 => treasury::next(random, reference, &mut command),
        _ => {
            if random.one_in(10) {
                command.customer = stranger(random);
                command.is_live = random.one_in(2);
            }
            Action::SeeWallet
        }
    };
    categories::sort_offer(random, reference, &mut command);
    command
}

/// Returns mostly a regular customer, now and then a new one.
pub(crate) fn any_customer(random: &mut Random) -> String {
    if random.one_in(100) {
        stranger(random)
    } else {
        random.one_of(&REGULARS).to_owned()
    }
}

fn stranger(random: &mut Random) -> String {
    format!("stranger-{}", random.next())
}

fn top_up_amount(random: &mut Random) -> i64 {
    if random.one_in(5) {
        random.one_of(&[0, 1, 99_999, 100_000, 10_000_000, 10_000_001, MOST])
    } else {
        99_999 + random.up_to(9_900_001)
    }
}

/// The last merchant uses amounts near the maximum.
fn amount(random: &mut Random, merchant: usize) -> i64 {
    let largest = match merchant {
        0 => 5_000_000,
        1 => 99_999,
        2 => 3_000,
        _ if random.one_in(3) => MOST,
        _ => MOST / 20,
    };
    random.up_to(largest)
}

pub(crate) fn terms(random: &mut Random, merchant: usize, has_milestones: bool) -> Terms {
    let mut terms = Terms {
        amount: amount(random, merchant),
        purpose: "Shop fit-out",
        who_pays: if has_milestones {
            "buyer"
        } else {
            random.one_of(&["buyer", "seller", "both"])
        },
        max_delivery: random.one_of(&[None, Some(1), Some(1), Some(365)]),
        timeline: random.one_of(&["minutes", "minutes", "hours", "days"]),
        quantity: random.one_of(&[None, Some(1), Some(7)]),
        category: None,
        milestones: Vec::new(),
    };
    if has_milestones {
        terms.milestones = (0..2 + random.below(4)).map(|_| milestone(random, merchant)).collect();
        let sum: i128 = terms
            .milestones
            .iter()
            .map(|milestone| i128::from(milestone.amount))
            .sum();
        terms.amount = i64::try_from(sum).unwrap_or(MOST).min(MOST);
    }
    if random.one_in(6) {
        make_invalid(random, &mut terms);
    }
    terms
}

/// Returns the terms of a deal with another delivery window, for the same charge: a deposit still
/// covers it, and the terms alone keep it from funding the deal.
pub(crate) fn with_another_window(deal: &Deal) -> Terms {
    let fee = deal.platform_fee + deal.commission;
    let stage = |milestone: &Milestone| MilestoneTerms {
        amount: milestone.amount,
        payee: milestone.payee.clone(),
        is_overdue: false,
    };
    Terms {
        amount: deal.amount,
        purpose: "Shop fit-out",
        who_pays: match deal.buyer_fee {
            part if part == fee => "buyer",
            0 => "seller",
            _ => "both",
        },
        max_delivery: Some(if deal.delivery_seconds == 60 { 2 } else { 1 }),
        timeline: "minutes",
        quantity: None,
        category: None,
        milestones: deal.milestones.iter().flatten().map(stage).collect(),
    }
}

fn milestone(random: &mut Random, merchant: usize) -> MilestoneTerms {
    MilestoneTerms {
        amount: amount(random, merchant) / 500 * 100 + 100,
        payee: random.one_in(5).then(|| any_customer(random)),
        is_overdue: false,
    }
}

fn make_invalid(random: &mut Random, terms: &mut Terms) {
    let milestones = terms.milestones.len();
    let some_milestone = if milestones == 0 {
        &mut milestone(random, 2)
    } else {
        &mut terms.milestones[random.below(milestones)]
    };
    match random.below(11) {
        0 => terms.amount = 0,
        1 => terms.purpose = random.one_of(&["", "  "]),
        2 => terms.who_pays = "seller",
        3 => terms.max_delivery = Some(random.one_of(&[0, -1, 366, i64::MAX])),
        4 => terms.quantity = Some(random.one_of(&[0, -7])),
        5 => some_milestone.amount = random.one_of(&[0, 1, 150]),
        6 => some_milestone.is_overdue = true,
        7 => terms.milestones.truncate(random.below(2)),
        8 => terms.amount = random.up_to(MOST) / 100 * 100,
        9 => terms.amount = MOST,
        _ => terms.milestones = (0..=MILESTONES_MAX).map(|_| milestone(random, 2)).collect(),
    }
}

/// Returns mostly a recent deal that fits. Now and then it returns any deal of any
/// merchant, or none.
pub(crate) fn deal(random: &mut Random, reference: &Reference, is_fit: impl Fn(usize) -> bool) -> Option<usize> {
    let deals = reference.deals.len();
    if deals == 0 || random.one_in(50) {
        return None;
    }
    let recent = deals.min(RECENT);
    if !random.one_in(10) {
        for _ in 0..RECENT {
            let place = deals - 1 - random.below(recent);
            if is_fit(place) {
                return Some(place);
            }
        }
    }
    Some(random.below(deals))
}

fn edit(random: &mut Random, reference: &Reference, command: &mut Command) -> Action {
    if random.one_in(2)
        && let Some(place) = intents::announced_deal(random, reference, command.merchant, true)
    {
        let deal = &reference.deals[place];
        command.customer.clone_from(&deal.seller);
        return Action::Edit {
            deal: Some(place),
            terms: with_another_window(deal),
        };
    }
    let takes_standard = random.one_in(12);
    let place = deal(random, reference, |place| {
        let deal = &reference.deals[place];
        let is_of_kind = deal.milestones.is_none() == takes_standard;
        deal.merchant == command.merchant && deal.buyer.is_none() && is_of_kind
    });
    if let Some(place) = place
        && !random.one_in(5)
    {
        command.customer.clone_from(&reference.deals[place].seller);
    }
    Action::Edit {
        deal: place,
        terms: terms(random, command.merchant, true),
    }
}

fn fund(random: &mut Random, reference: &Reference, command: &mut Command) -> Action {
    let merchant = &reference.merchants[command.merchant];
    // Repeats an earlier payment exactly or with a change.
    if random.one_in(12) && !merchant.references.is_empty() {
        let (name, first) = merchant
            .references
            .iter()
            .nth(random.below(merchant.references.len()))
            .unwrap();
        command.customer.clone_from(&first.customer);
        let mut action = first.action.clone();
        if let Action::Fund { offered, reference, .. } = &mut action {
            *reference = Some(name.clone());
            match random.below(6) {
                0 => *offered = Some(1),
                1 => command.customer = any_customer(random),
                _ => {}
            }
        }
        return action;
    }
    let several = if random.one_in(4) { 2 + random.below(3) } else { 1 };
    let may_be_own = random.one_in(15);
    let is_fit = |place: usize| {
        let deal = &reference.deals[place];
        let is_own = deal.seller == command.customer;
        deal.merchant == command.merchant && is_payable(deal) && (may_be_own || !is_own)
    };
    let deals: Vec<Named> = (0..several)
        .map(|_| Named {
            deal: deal(random, reference, is_fit),
            by_token: random.one_in(2),
        })
        .collect();
    let due: i128 = deals
        .iter()
        .filter_map(|name| name.deal)
        .map(|place| i128::from(reference.deals[place].charge()))
        .sum();
    let due = i64::try_from(due).unwrap_or(MOST).min(MOST);
    Action::Fund {
        deals,
        offered: match random.below(10) {
            0..4 => Some(due),
            4 => Some((due + 1).min(MOST)),
            _ => None,
        },
        reference: random.one_in(2).then(|| format!("ref {}", random.below(3_000))),
    }
}

/// Returns true if the deal is unpaid and can still be paid.
fn is_payable(deal: &Deal) -> bool {
    deal.buyer.is_none() && !deal.is_deleted && deal.stock != Some(0)
}

fn confirm_milestone(random: &mut Random, reference: &Reference, command: &mut Command) -> Action {
    let is_over = random.one_in(12);
    let place = deal(random, reference, |place| {
        let deal = &reference.deals[place];
        let has_pending = deal.milestones.iter().flatten().any(|milestone| !milestone.is_released);
        let is_in_state = is_over == (deal.is_closed || deal.is_frozen());
        deal.merchant == command.merchant && deal.buyer.is_some() && has_pending && is_in_state
    });
    act_as_buyer(random, reference, command, place);
    let somewhere = if random.one_in(20) {
        deal(random, reference, |_| true)
    } else {
        place
    };
    let mut milestone = Pick::Missing;
    if let Some(place) = somewhere
        && let Some(milestones) = &reference.deals[place].milestones
    {
        let is_pending = |&position: &usize| !milestones[position].is_released;
        let pending: Vec<usize> = (0..milestones.len()).filter(is_pending).collect();
        let position = if pending.is_empty() || random.one_in(10) {
            random.below(milestones.len())
        } else {
            random.one_of(&pending)
        };
        milestone = Pick::At(place, position);
    }
    if let Some(place) = place.filter(|place| reference.gone_milestones.contains_key(place))
        && random.one_in(4)
    {
        milestone = Pick::Gone(place);
    }
    Action::ConfirmMilestone { deal: place, milestone }
}

fn confirm_payment(random: &mut Random, reference: &Reference, command: &mut Command) -> Action {
    let place = deal(random, reference, |place| {
        let deal = &reference.deals[place];
        deal.merchant == command.merchant && deal.milestones.is_none() && deal.buyer.is_some() && !deal.is_closed
    });
    act_as_buyer(random, reference, command, place);
    Action::ConfirmPayment { deal: place }
}

fn act_as_buyer(random: &mut Random, reference: &Reference, command: &mut Command, place: Option<usize>) {
    let buyer = place.and_then(|place| reference.deals[place].buyer.as_ref());
    if let Some(buyer) = buyer
        && !random.one_in(10)
    {
        command.customer.clone_from(buyer);
    }
}
