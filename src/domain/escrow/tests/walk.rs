//! One stop of the walk through every state that an escrow can reach (`map.rs`): every party
//! tries every step. The money must be right afterwards, and a refusal must change nothing.

use std::collections::BTreeMap;

use crate::domain::effects::Effects;
use crate::domain::escrow::dispute::{Ruling, Speaker, Statement};
use crate::domain::escrow::exits::ExitRules;
use crate::domain::escrow::milestone::{Milestone, MilestoneStatus};
use crate::domain::escrow::terms::{KeptTerms, Terms, TermsRequest};
use crate::domain::escrow::tests::helpers::{
    LIMITS, SequentialIds, at, customer, kobo, milestone_offer, naira, payment, seller, terms_request,
};
use crate::domain::escrow::tests::standard::conversion;
use crate::domain::escrow::{Escrow, PaymentOffer, Plan, Progress, ReleaseOrder, Seller, fund};
use crate::domain::fees::WhoPays;
use crate::domain::ids::{CustomerId, MilestoneId};
use crate::domain::ledger::Account;
use crate::domain::money::Amount;
use crate::domain::party::Party;
use crate::domain::refusal::Refusal;
use crate::domain::transaction::{CreditType, Entry};

/// Ada sells, as the merchant may too. Ben and Eve may pay.
const PEOPLE: [&str; 3] = ["ada", "ben", "eve"];
pub(super) const COMMISSION_BPS: u16 = 33;
pub(super) const STAGES: [&[(i64, Option<&str>)]; 3] = [
    &[(300, None), (700, None)],
    &[(500, Some("eve")), (300, None), (200, None)],
    &[(100, None), (200, None), (300, None), (400, None)],
];

/// A time at which the parties' time has passed in every state.
const OVERDUE_SECONDS: i64 = 500 * 86_400;

/// A state of an escrow, with the money that transfers put into its hold and took out.
#[derive(Clone)]
pub(super) struct Node {
    pub(super) escrow: Escrow,
    paid_in: i64,
    paid_out: i64,
}

/// A step that a party tried, and the states of the escrows after it: none if the offer
/// was deleted, two if a link was paid for.
pub(super) struct Attempt {
    pub(super) what: &'static str,
    pub(super) who: Party,
    pub(super) outcome: Result<Vec<Node>, Refusal>,
}

impl Node {
    pub(super) const fn new(escrow: Escrow) -> Self {
        Self {
            escrow,
            paid_in: 0,
            paid_out: 0,
        }
    }

    /// Returns the state after a step with these effects.
    fn then(&self, escrow: Escrow, effects: &Effects) -> Self {
        let is_hold = |account: &Account| matches!(account, Account::CustomerEscrow(_));
        let mut after = Self {
            escrow,
            paid_in: self.paid_in,
            paid_out: self.paid_out,
        };
        for transfer in &effects.transfers {
            assert_eq!(transfer.escrow, Some(after.escrow.id), "whose money it is");
            assert!(!transfer.amount.is_zero(), "a transfer of nothing");
            match (is_hold(&transfer.debit), is_hold(&transfer.credit)) {
                (false, true) => after.paid_in += transfer.amount.minor(),
                (true, false) => after.paid_out += transfer.amount.minor(),
                _ => panic!("{transfer:?} passes by the hold"),
            }
        }
        check_histories(effects);
        after.check_money();
        after
    }

    fn check_money(&self) {
        let Self {
            escrow,
            paid_in,
            paid_out,
        } = self;
        let (charge, held) = (escrow.charge().minor(), escrow.held().minor());
        match escrow.progress {
            Progress::AwaitingPayment => assert_eq!((*paid_in, *paid_out, held), (0, 0, 0)),
            Progress::Opened { .. } => assert_eq!((*paid_in, held), (charge, charge - paid_out)),
            Progress::Closed { .. } => assert_eq!((*paid_in, *paid_out, held), (charge, charge, 0)),
        }
        let is_done = matches!(escrow.progress, Progress::Closed { .. });
        let has_pending = escrow.milestones().iter().any(Milestone::is_pending);
        assert!(!(is_done && has_pending), "a closed escrow with a pending milestone");
        assert_eq!(
            escrow.pool().is_zero(),
            !matches!(escrow.progress, Progress::Opened { .. })
        );
    }

    /// Returns a text that two states share if the same steps are possible in both. Ids and
    /// times are left out.
    pub(super) fn state(&self) -> String {
        let escrow = &self.escrow;
        let stages: Vec<_> = escrow
            .milestones()
            .iter()
            .map(|milestone| (milestone.terms.amount, phase(milestone.status)))
            .collect();
        let buyer = escrow.funding().map(|funding| &funding.buyer);
        let dispute = escrow.dispute().map(|dispute| {
            dispute
                .statements()
                .map(|(speaker, _)| speaker)
                .collect::<Vec<Speaker>>()
        });
        format!(
            "{} {stages:?} {:?} {buyer:?} {dispute:?} {:?} {:?} {:?} {} {}",
            name(escrow),
            escrow.seller,
            escrow.terms.amount,
            escrow.terms.who_pays,
            escrow.additional_fee,
            escrow.terms.total_quantity,
            self.paid_out,
        )
    }
}

const fn phase(status: MilestoneStatus) -> &'static str {
    match status {
        MilestoneStatus::Pending => "pending",
        MilestoneStatus::Released(_) => "released",
        MilestoneStatus::Refunded => "refunded",
        MilestoneStatus::Split => "split",
    }
}

/// Checks that every change of a main account has transactions of the same amount.
fn check_histories(effects: &Effects) {
    let mut moved: BTreeMap<&Account, i64> = BTreeMap::new();
    for transfer in &effects.transfers {
        *moved.entry(&transfer.debit).or_default() -= transfer.amount.minor();
        *moved.entry(&transfer.credit).or_default() += transfer.amount.minor();
    }
    assert_eq!(moved.values().sum::<i64>(), 0);
    moved.retain(|account, _| matches!(account, Account::CustomerMain(_) | Account::MerchantMain));
    let mut entered: BTreeMap<&Account, i64> = BTreeMap::new();
    for Entry { transaction: entry, .. } in &effects.entries {
        let sign = if entry.credit_type == CreditType::Credit { 1 } else { -1 };
        *entered.entry(&entry.owner).or_default() += sign * entry.amount.minor();
    }
    assert_eq!(moved, entered, "balances and histories");
}

/// Returns settlement type and status, as in the table of states.
pub(super) fn name(escrow: &Escrow) -> String {
    let kind = match escrow.plan {
        Plan::Standard if escrow.is_link => "link",
        Plan::Standard => "standard",
        Plan::Milestones(_) => "milestones",
    };
    format!("{kind} {}", escrow.status().into_str())
}

pub(super) fn role(escrow: &Escrow, who: &Party) -> &'static str {
    if escrow.seller == *who {
        return "the seller";
    }
    match who {
        Party::Merchant => "the merchant",
        Party::Customer(customer) if escrow.funding().is_some_and(|funding| funding.buyer == *customer) => "the buyer",
        Party::Customer(_) => "another",
    }
}

/// Tries every step of every party in one state.
struct Trial<'a> {
    node: &'a Node,
    exits: ExitRules,
    ids: &'a mut SequentialIds,
    attempts: Vec<Attempt>,
}

impl Trial<'_> {
    fn attempt(
        &mut self,
        what: &'static str,
        who: &Party,
        step: impl FnOnce(&mut Escrow, &mut SequentialIds) -> Result<Effects, Refusal>,
    ) {
        let mut escrow = self.node.escrow.clone();
        let outcome = match step(&mut escrow, self.ids) {
            Ok(effects) => Ok(vec![self.node.then(escrow, &effects)]),
            Err(refusal) => {
                assert!(
                    escrow == self.node.escrow,
                    "{what} was refused with {refusal:?} and changed the escrow"
                );
                Err(refusal)
            }
        };
        self.attempts.push(Attempt {
            what,
            who: who.clone(),
            outcome,
        });
    }

    fn seller_tries(&mut self, who: &Party) {
        let as_seller = Seller {
            party: who.clone(),
            ..seller("ada", COMMISSION_BPS)
        };
        for (who_pays, quantity) in [(WhoPays::Buyer, 1), (WhoPays::Both, 1), (WhoPays::Seller, 2)] {
            self.attempt("edit", who, |escrow, _| {
                let terms = terms(who_pays, quantity);
                escrow.edit_standard(&as_seller, terms, KeptTerms::default(), Vec::new(), at(1))?;
                Ok(Effects::default())
            });
        }
        for stages in STAGES {
            self.attempt("edit the milestones", who, |escrow, ids| {
                escrow.edit_milestones(&as_seller, milestone_offer(stages), ids, at(1))?;
                Ok(Effects::default())
            });
        }
        for stages in [[400, 600], [1, 1]] {
            self.attempt("convert", who, |escrow, ids| {
                let conversion = conversion(Some(naira(1_000)), &stages);
                escrow.convert_to_milestones(&as_seller, conversion, &LIMITS, ids, at(1))?;
                Ok(Effects::default())
            });
        }
        self.attempts.push(Attempt {
            what: "delete",
            who: who.clone(),
            outcome: self.node.escrow.check_deletable_by(who).map(|()| Vec::new()),
        });
        for (what, seconds) in [("claim early", 100), ("claim in time", OVERDUE_SECONDS)] {
            self.attempt(what, who, |escrow, ids| {
                escrow.claim(who, 86_400, ids.booking_at(seconds))
            });
        }
        // A strict service has no such route.
        if !self.exits.is_strict {
            self.attempt("refund", who, |escrow, ids| escrow.refund(who, ids.booking_at(3)));
        }
    }

    fn customer_tries(&mut self, customer: &CustomerId) {
        let who = &Party::Customer(customer.clone());
        self.pay(
            customer,
            "pay too little",
            PaymentOffer {
                amount: Some(kobo(1)),
                ..payment(Amount::MAX)
            },
        );
        self.pay(customer, "pay with an empty wallet", payment(Amount::ZERO));
        self.pay(customer, "pay", payment(Amount::MAX));
        let mut milestones: Vec<MilestoneId> = self
            .node
            .escrow
            .milestones()
            .iter()
            .map(|milestone| milestone.id)
            .collect();
        milestones.push(MilestoneId::named(""));
        for (what, order) in [
            ("confirm any", ReleaseOrder::Any),
            ("confirm the first pending", ReleaseOrder::FirstPending),
        ] {
            for &milestone in &milestones {
                self.attempt(what, who, |escrow, ids| {
                    escrow.confirm_milestone(customer, milestone, order, ids.booking_at(3))
                });
            }
        }
        self.attempt("confirm the payment", who, |escrow, ids| {
            escrow.confirm_payment(customer, ids.booking_at(3))
        });
        let exits = self.exits;
        self.attempt("dispute", who, |escrow, _| {
            escrow.submit_statement(customer, said(3), exits)
        });
    }

    /// Pays for the escrow or, if it is a link, for a new escrow of the link.
    fn pay(&mut self, customer: &CustomerId, what: &'static str, offer: PaymentOffer) {
        let mut link = self.node.escrow.clone();
        let taken = link.take_from_link(self.ids.booking_at(2));
        let (mut escrow, left) = match taken {
            Some((escrow, _)) => (escrow, Some(self.node.then(link, &Effects::default()))),
            None => (link, None),
        };
        let before = escrow.clone();
        let outcome = fund(
            std::slice::from_mut(&mut escrow),
            customer,
            offer,
            self.ids.booking_at(2),
        );
        assert!(
            outcome.is_ok() || escrow == before,
            "a refused payment changed the escrow"
        );
        let paid = |(_, effects): (_, Effects)| Node::new(before).then(escrow, &effects);
        self.attempts.push(Attempt {
            what,
            who: Party::Customer(customer.clone()),
            outcome: outcome.map(|paid_for| left.into_iter().chain([paid(paid_for)]).collect()),
        });
    }

    fn merchant_tries(&mut self) {
        let who = &Party::Merchant;
        let fees = [(0, None), (37_04, Some(true)), (37_04, Some(false))];
        for (minor, is_refundable) in fees {
            self.attempt("set the additional fee", who, |escrow, _| {
                escrow.set_additional_fee(kobo(minor), is_refundable, at(1))?;
                Ok(Effects::default())
            });
        }
        let pool = self.node.escrow.pool();
        let half = pool.half_rounded_up();
        let rest = pool.checked_sub(half).unwrap();
        let mut rulings = vec![Ruling::Completed];
        for additional_fee_refundable in [None, Some(true), Some(false)] {
            rulings.push(Ruling::Refunded {
                additional_fee_refundable,
            });
            let too_much = half.checked_add(kobo(1)).unwrap();
            let splits = [
                (half, rest),
                (pool, Amount::ZERO),
                (Amount::ZERO, pool),
                (too_much, rest),
            ];
            rulings.extend(splits.map(|(seller, buyer)| Ruling::Split {
                seller,
                buyer,
                additional_fee_refundable,
            }));
        }
        let exits = self.exits;
        for ruling in rulings {
            self.attempt("resolve", who, |escrow, ids| {
                escrow.resolve(ruling, said(3), exits, ids)
            });
            if self.node.escrow.dispute().is_none() {
                self.attempt("resolve when overdue", who, |escrow, ids| {
                    escrow.resolve(ruling, said(OVERDUE_SECONDS), exits, ids)
                });
            }
        }
    }
}

pub(super) fn terms(who_pays: WhoPays, quantity: i64) -> Terms {
    let request = TermsRequest {
        total_quantity: Some(quantity),
        ..terms_request(kobo(100_003), who_pays)
    };
    Terms::new(request, None, &LIMITS).unwrap()
}

fn said(seconds: i64) -> Statement {
    Statement::new("Words".to_owned(), at(seconds))
}

pub(super) fn attempts(node: &Node, exits: ExitRules, ids: &mut SequentialIds) -> Vec<Attempt> {
    let mut trial = Trial {
        node,
        exits,
        ids,
        attempts: Vec::new(),
    };
    for customer in PEOPLE.map(customer) {
        trial.seller_tries(&Party::Customer(customer.clone()));
        trial.customer_tries(&customer);
    }
    trial.seller_tries(&Party::Merchant);
    trial.merchant_tries();
    trial.attempts
}
