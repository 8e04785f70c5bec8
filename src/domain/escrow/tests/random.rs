//! Random sequences of steps: money neither appears nor vanishes.

use std::collections::BTreeMap;

use proptest::prelude::*;

use crate::domain::effects::Effects;
use crate::domain::escrow::terms::Terms;
use crate::domain::escrow::tests::helpers::{
    LIMITS, SequentialIds, at, customer, kobo, milestone_offer, naira, payment, seller, terms_request,
};
use crate::domain::escrow::{Escrow, PaymentOffer, Plan, Progress, ReleaseOrder, fund};
use crate::domain::fees::WhoPays;
use crate::domain::ids::MilestoneId;
use crate::domain::ledger::Account;
use crate::domain::money::Amount;
use crate::domain::payments::play_money::{opening_balance, top_up};
use crate::domain::refusal::Refusal;

/// A step of the random test. An index that is out of range makes the step fail.
#[derive(Clone, Debug)]
enum Step {
    TopUp {
        who: usize,
        minor: i64,
    },
    OfferStandard {
        who: usize,
        minor: i64,
        who_pays: WhoPays,
    },
    OfferMilestones {
        who: usize,
        stages: Vec<(i64, Option<usize>)>,
    },
    Edit {
        who: usize,
        escrow: usize,
        stages: Vec<(i64, Option<usize>)>,
    },
    Fund {
        who: usize,
        escrows: Vec<usize>,
        amount: Option<i64>,
    },
    ConfirmMilestone {
        who: usize,
        escrow: usize,
        milestone: usize,
    },
    ConfirmPayment {
        who: usize,
        escrow: usize,
    },
}

const PEOPLE: [&str; 4] = ["ada", "ben", "cleo", "dan"];

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let who = || 0..PEOPLE.len();
    let escrow = || 0..12_usize;
    let stages = || proptest::collection::vec((1..5_000_i64, proptest::option::weighted(0.3, who())), 2..6);
    let who_pays = prop_oneof![Just(WhoPays::Buyer), Just(WhoPays::Seller), Just(WhoPays::Both)];
    let step = prop_oneof![
        1 => (who(), 0..12_000_000_i64).prop_map(|(who, minor)| Step::TopUp { who, minor }),
        1 => (who(), 100..1_000_000_i64, who_pays)
            .prop_map(|(who, minor, who_pays)| Step::OfferStandard { who, minor, who_pays }),
        2 => (who(), stages()).prop_map(|(who, stages)| Step::OfferMilestones { who, stages }),
        1 => (who(), escrow(), stages()).prop_map(|(who, escrow, stages)| Step::Edit { who, escrow, stages }),
        3 => (who(), proptest::collection::vec(escrow(), 1..4), proptest::option::weighted(0.1, 0..2_000_000_i64))
            .prop_map(|(who, escrows, amount)| Step::Fund { who, escrows, amount }),
        8 => (who(), escrow(), 0..6_usize)
            .prop_map(|(who, escrow, milestone)| Step::ConfirmMilestone { who, escrow, milestone }),
        2 => (who(), escrow()).prop_map(|(who, escrow)| Step::ConfirmPayment { who, escrow }),
    ];
    proptest::collection::vec(step, 1..80)
}

/// Escrows and balances in memory. Posting adds and subtracts, and nothing else.
#[derive(Clone, Debug, Default, PartialEq)]
struct Model {
    escrows: Vec<Escrow>,
    balances: BTreeMap<Account, i64>,
}

impl Model {
    fn balance(&self, account: &Account) -> i64 {
        self.balances.get(account).copied().unwrap_or_default()
    }

    fn post(&mut self, effects: &Effects) {
        for transfer in &effects.transfers {
            assert!(!transfer.amount.is_zero());
            *self.balances.entry(transfer.debit.clone()).or_default() -= transfer.amount.minor();
            *self.balances.entry(transfer.credit.clone()).or_default() += transfer.amount.minor();
        }
    }

    /// Takes one step. Returns the refusal, also of an escrow that does not exist.
    fn take(&mut self, step: &Step, ids: &mut SequentialIds) -> Result<(), Refusal> {
        let who = |index: &usize| customer(PEOPLE[*index]);
        let pick = |escrow: usize, model: &Self| {
            if escrow < model.escrows.len() {
                Ok(escrow)
            } else {
                Err(Refusal::EscrowNotFound)
            }
        };
        let offer = |stages: &[(i64, Option<usize>)]| {
            let stages: Vec<_> = stages
                .iter()
                .map(|(major, to)| (*major, to.map(|to| PEOPLE[to])))
                .collect();
            milestone_offer(&stages)
        };
        match step {
            Step::TopUp { who: index, minor } => {
                let inside = kobo(-self.balance(&Account::OutsideWorld));
                let effects = top_up(&who(index), kobo(*minor), inside, ids.booking_at(1))?;
                self.post(&effects);
            }
            Step::OfferStandard {
                who: index,
                minor,
                who_pays,
            } => {
                let terms = Terms::new(terms_request(kobo(*minor), *who_pays), None, &LIMITS)?;
                let (escrow, effects) =
                    Escrow::offer_standard(seller(PEOPLE[*index], 37), terms, Vec::new(), ids.booking_at(1))?;
                self.escrows.push(escrow);
                self.post(&effects);
            }
            Step::OfferMilestones { who: index, stages } => {
                let (escrow, effects) =
                    Escrow::offer_milestones(seller(PEOPLE[*index], 37), offer(stages), ids.booking_at(1))?;
                self.escrows.push(escrow);
                self.post(&effects);
            }
            Step::Edit {
                who: index,
                escrow,
                stages,
            } => {
                let escrow = pick(*escrow, self)?;
                self.escrows[escrow].edit_milestones(&seller(PEOPLE[*index], 37), offer(stages), ids, at(2))?;
            }
            Step::Fund {
                who: index,
                escrows,
                amount,
            } => {
                let mut chosen = escrows
                    .iter()
                    .map(|&escrow| pick(escrow, self))
                    .collect::<Result<Vec<_>, _>>()?;
                chosen.sort_unstable();
                chosen.dedup();
                let mut loaded: Vec<Escrow> = chosen.iter().map(|&escrow| self.escrows[escrow].clone()).collect();
                let available = kobo(self.balance(&Account::CustomerMain(who(index))));
                let offer = PaymentOffer {
                    amount: amount.map(kobo),
                    ..payment(available)
                };
                let before = loaded.clone();
                let outcome = fund(&mut loaded, &who(index), offer, ids.booking_at(3));
                if outcome.is_err() {
                    assert_eq!(loaded, before, "a refused payment changed an escrow");
                }
                let (_, effects) = outcome?;
                for (index, escrow) in chosen.into_iter().zip(loaded) {
                    self.escrows[index] = escrow;
                }
                self.post(&effects);
            }
            Step::ConfirmMilestone {
                who: index,
                escrow,
                milestone,
            } => {
                let escrow = pick(*escrow, self)?;
                let found = self.escrows[escrow]
                    .milestones()
                    .get(*milestone)
                    .map(|milestone| milestone.id);
                let milestone = found.unwrap_or(MilestoneId::named(""));
                let effects = self.escrows[escrow].confirm_milestone(
                    &who(index),
                    milestone,
                    ReleaseOrder::Any,
                    ids.booking_at(4),
                )?;
                self.post(&effects);
            }
            Step::ConfirmPayment { who: index, escrow } => {
                let escrow = pick(*escrow, self)?;
                let effects = self.escrows[escrow].confirm_payment(&who(index), ids.booking_at(4))?;
                self.post(&effects);
            }
        }
        Ok(())
    }

    /// Checks invariants 1, 3, 4 and 5 of architecture section 4.
    fn check(&self) {
        assert_eq!(self.balances.values().sum::<i64>(), 0, "money appeared or vanished");
        for (account, balance) in &self.balances {
            assert!(
                *balance >= 0 || *account == Account::OutsideWorld,
                "{account:?} is below zero"
            );
        }
        for person in PEOPLE.map(customer) {
            let is_theirs = |escrow: &&Escrow| escrow.funding().is_some_and(|funding| funding.buyer == person);
            let held: i64 = self
                .escrows
                .iter()
                .filter(is_theirs)
                .map(|escrow| escrow.held().minor())
                .sum();
            assert_eq!(self.balance(&Account::CustomerEscrow(person)), held);
        }
        for escrow in &self.escrows {
            let all_released = escrow
                .milestones()
                .iter()
                .all(|milestone| milestone.released_at().is_some());
            let is_completed = matches!(escrow.progress, Progress::Closed { .. });
            assert!(escrow.plan == Plan::Standard || is_completed == all_released);
            assert!(!is_completed || escrow.held() == Amount::ZERO);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(ProptestConfig::default().cases.max(400)))]

    #[test]
    fn money_never_appears_or_vanishes(steps in steps()) {
        let ids = &mut SequentialIds::default();
        let mut model = Model::default();
        for person in PEOPLE.map(customer) {
            let inside = kobo(-model.balance(&Account::OutsideWorld));
            let opening = opening_balance(&person, naira(20_000), inside, ids.booking_at(0)).unwrap();
            model.post(&opening);
        }
        for step in &steps {
            let before = model.clone();
            if model.take(step, ids).is_err() {
                prop_assert_eq!(&model, &before, "a refusal changed something");
            }
            model.check();
        }
        // Every buyer can confirm what is open, and then every hold is empty.
        for index in 0..model.escrows.len() {
            let Progress::Opened { funding, .. } = model.escrows[index].progress.clone() else { continue };
            let who = PEOPLE.iter().position(|person| *person == funding.buyer.as_str()).unwrap();
            for milestone in 0..model.escrows[index].milestones().len() {
                let _may_be_released = model.take(&Step::ConfirmMilestone { who, escrow: index, milestone }, ids);
            }
            let _is_standard = model.take(&Step::ConfirmPayment { who, escrow: index }, ids);
            prop_assert_eq!(model.escrows[index].held(), Amount::ZERO);
        }
        model.check();
    }
}
