//! The rules of one escrow, case by case and over random sequences.

use std::collections::BTreeMap;

use proptest::prelude::*;

use crate::domain::effects::{Effects, Event};
use crate::domain::escrow::category::Category;
use crate::domain::escrow::limits::TermsLimits;
use crate::domain::escrow::milestone::Milestone;
use crate::domain::escrow::terms::{MilestoneOffer, MilestoneRequest, Terms, TermsRequest};
use crate::domain::escrow::{Escrow, PaymentOffer, Plan, Progress, ReleaseOrder, Seller, Source, fund};
use crate::domain::fees::{Rates, WhoPays};
use crate::domain::ids::{CustomerId, IdSource, MerchantId, MilestoneId, Reference};
use crate::domain::ledger::{Account, TransferKind};
use crate::domain::money::Amount;
use crate::domain::party::Party;
use crate::domain::payments::payment;
use crate::domain::refusal::Refusal;
use crate::domain::time::Timestamp;

/// What counts up, and no randomness at all.
#[derive(Default)]
pub(super) struct Counter(u64);

impl IdSource for Counter {
    fn number(&mut self) -> i64 {
        self.0 += 1;
        i64::try_from(self.0 * 1024).unwrap()
    }

    fn random(&mut self) -> u128 {
        self.0 += 1;
        u128::from(self.0)
    }
}

pub(super) const LIMITS: TermsLimits = TermsLimits {
    is_strict: false,
    amount_min: match Amount::from_minor(100) {
        Some(amount) => amount,
        None => Amount::ZERO,
    },
    milestones_max: 100,
    purpose_chars_max: 255,
    description_chars_max: 2000,
};

pub(super) fn kobo(minor: i64) -> Amount {
    Amount::from_minor(minor).unwrap()
}

pub(super) fn naira(major: i64) -> Amount {
    kobo(major * 100)
}

pub(super) fn customer(id: &str) -> CustomerId {
    CustomerId::parse(id).unwrap()
}

pub(super) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(seconds * 1000).unwrap()
}

pub(super) fn seller(id: &str, commission_bps: u16) -> Seller {
    Seller {
        merchant: MerchantId(1),
        rates: Rates::new(200, commission_bps).unwrap(),
        party: Party::Customer(customer(id)),
    }
}

pub(super) fn terms_draft(amount: Amount, who_pays: WhoPays) -> TermsRequest<Category> {
    TermsRequest {
        amount: Ok(amount),
        purpose: Ok("Shop fit-out".to_owned()),
        description: Ok(None),
        who_pays: Ok(who_pays),
        max_delivery: Ok(None),
        delivery_timeline: Ok(None),
        total_quantity: Ok(None),
        category: Ok(None),
    }
}

pub(super) fn milestone_offer(stages: &[(i64, Option<&str>)]) -> MilestoneOffer {
    let drafts = stages
        .iter()
        .map(|(major, beneficiary)| {
            Ok(MilestoneRequest {
                title: Ok("Stage".to_owned()),
                description: Ok(None),
                amount: Ok(naira(*major)),
                due_date: Ok(None),
                beneficiary: Ok(beneficiary.map(customer)),
            })
        })
        .collect();
    let amount = naira(stages.iter().map(|(major, _)| major).sum());
    MilestoneOffer::new(terms_draft(amount, WhoPays::Buyer), Ok(drafts), &LIMITS, at(0).date()).unwrap()
}

pub(super) fn offered(stages: &[(i64, Option<&str>)], commission_bps: u16, ids: &mut Counter) -> Escrow {
    Escrow::offer_milestones(seller("ada", commission_bps), milestone_offer(stages), ids, at(1))
        .unwrap()
        .0
}

pub(super) fn offered_standard(amount: Amount, who_pays: WhoPays, commission_bps: u16, ids: &mut Counter) -> Escrow {
    let terms = Terms::new(terms_draft(amount, who_pays), &LIMITS).unwrap();
    Escrow::offer_standard(seller("ada", commission_bps), terms, Vec::new(), ids, at(1))
        .unwrap()
        .0
}

pub(super) fn payment(available: Amount) -> PaymentOffer {
    PaymentOffer {
        reference: Reference::parse("REF").unwrap(),
        amount: None,
        source: Source::Wallet { available },
    }
}

pub(super) fn funded(mut escrow: Escrow, ids: &mut Counter) -> Escrow {
    let escrows = std::slice::from_mut(&mut escrow);
    fund(escrows, &customer("ben"), payment(Amount::MAX), ids, at(2)).unwrap();
    escrow
}

pub(super) fn legs(effects: &Effects) -> Vec<(TransferKind, Account, Account, i64)> {
    let leg = |t: &crate::domain::ledger::Transfer| (t.kind, t.debit.clone(), t.credit.clone(), t.amount.minor());
    effects.transfers.iter().map(leg).collect()
}

pub(super) fn events(effects: &Effects) -> Vec<String> {
    effects.events.iter().map(Event::name).collect()
}

pub(super) fn main(id: &str) -> Account {
    Account::CustomerMain(customer(id))
}

pub(super) fn hold(id: &str) -> Account {
    Account::CustomerEscrow(customer(id))
}

#[test]
fn three_stages_settle_as_in_contract_example_7() {
    let ids = &mut Counter::default();
    let mut escrow = offered(&[(300_000, Some("xena")), (500_000, None), (200_000, None)], 50, ids);
    assert_eq!(escrow.charge(), naira(1_025_000));
    let milestones: Vec<MilestoneId> = escrow.milestones().iter().map(|milestone| milestone.id).collect();

    let escrows = std::slice::from_mut(&mut escrow);
    let (_, effects) = fund(escrows, &customer("ben"), payment(naira(1_025_000)), ids, at(2)).unwrap();
    assert_eq!(
        legs(&effects),
        [(TransferKind::Fund, main("ben"), hold("ben"), 102_500_000)]
    );
    assert_eq!(events(&effects), ["payment.escrow.success", "escrow.ongoing"]);

    let mut confirm = |milestone| {
        escrow
            .confirm_milestone(&customer("ben"), milestone, ReleaseOrder::Any, ids, at(3))
            .unwrap()
    };
    let (first, second, last) = (confirm(milestones[0]), confirm(milestones[1]), confirm(milestones[2]));
    assert_eq!(
        legs(&first),
        [(TransferKind::Release, hold("ben"), main("xena"), 30_000_000)]
    );
    assert_eq!(events(&first), ["payment.escrow.success"]);
    assert_eq!(
        legs(&second),
        [(TransferKind::Release, hold("ben"), main("ada"), 50_000_000)]
    );
    assert_eq!(
        legs(&last),
        [
            (TransferKind::Release, hold("ben"), main("ada"), 20_000_000),
            (TransferKind::Commission, hold("ben"), Account::MerchantMain, 500_000),
            (TransferKind::PlatformFee, hold("ben"), Account::PlatformFees, 2_000_000),
        ]
    );
    assert_eq!(
        events(&last),
        [
            "payment.escrow.success",
            "escrow.completed",
            "payment.commission.success"
        ]
    );
    assert_eq!(last.transactions[1].reference.as_str(), "CMSN-REF");
    assert_eq!(escrow.held(), Amount::ZERO);
}

#[test]
fn the_hold_falls_by_each_release() {
    let ids = &mut Counter::default();
    let mut escrow = funded(offered(&[(300_000, None), (700_000, None)], 50, ids), ids);
    assert_eq!(escrow.held(), naira(1_025_000));
    let first = escrow.milestones()[0].id;
    escrow
        .confirm_milestone(&customer("ben"), first, ReleaseOrder::Any, ids, at(3))
        .unwrap();
    assert_eq!(escrow.held(), naira(725_000));
}

#[test]
fn a_commission_of_nothing_leaves_no_trace() {
    let ids = &mut Counter::default();
    let mut escrow = funded(offered_standard(naira(1_000), WhoPays::Buyer, 0, ids), ids);
    let effects = escrow.confirm_payment(&customer("ben"), ids, at(3)).unwrap();
    assert_eq!(effects.transfers.len(), 2);
    assert_eq!(effects.transactions.len(), 1);
    assert_eq!(events(&effects), ["payment.escrow.success", "escrow.completed"]);
}

#[test]
fn standard_escrows_settle_as_in_the_worked_examples() {
    // amount, who pays, commission bps, then what the buyer pays, what the seller, merchant and platform get
    let cases = [
        ("Ex 2", 123_456, WhoPays::Seller, 0, 123_456, 120_987, 0, 2_469),
        (
            "Ex 3",
            100_000_000,
            WhoPays::Both,
            50,
            101_250_000,
            98_750_000,
            500_000,
            2_000_000,
        ),
        (
            "Ex 4",
            1_000_000,
            WhoPays::Buyer,
            100,
            1_030_000,
            1_000_000,
            10_000,
            20_000,
        ),
        ("Ex 5", 100_100, WhoPays::Both, 0, 101_101, 99_099, 0, 2_002),
        ("Ex 6", 123_457, WhoPays::Both, 0, 124_692, 122_223, 0, 2_469),
    ];
    for (name, amount, who_pays, commission_bps, charge, to_seller, to_merchant, to_platform) in cases {
        let ids = &mut Counter::default();
        let mut escrow = funded(offered_standard(kobo(amount), who_pays, commission_bps, ids), ids);
        assert_eq!(escrow.held(), kobo(charge), "{name}");
        let effects = escrow.confirm_payment(&customer("ben"), ids, at(3)).unwrap();
        let to = |account: &Account| -> i64 {
            let legs = effects.transfers.iter().filter(|transfer| transfer.credit == *account);
            legs.map(|transfer| transfer.amount.minor()).sum()
        };
        let got = [to(&main("ada")), to(&Account::MerchantMain), to(&Account::PlatformFees)];
        assert_eq!(got, [to_seller, to_merchant, to_platform], "{name}");
    }
}

/// One row for each refusal of a confirm, in order of precedence: every row also
/// breaks the rules of the rows below it.
#[test]
fn refusals_of_a_confirm_come_in_order() {
    let ids = &mut Counter::default();
    let unfunded = offered(&[(10, None), (20, None)], 0, ids);
    let mut partly = funded(unfunded.clone(), ids);
    let released = partly.milestones()[0].id;
    partly
        .confirm_milestone(&customer("ben"), released, ReleaseOrder::Any, ids, at(3))
        .unwrap();
    let mut completed = partly.clone();
    let last = completed.milestones()[1].id;
    completed
        .confirm_milestone(&customer("ben"), last, ReleaseOrder::Any, ids, at(3))
        .unwrap();
    let standard = funded(offered_standard(naira(10), WhoPays::Buyer, 0, ids), ids);
    let nothing = MilestoneId::named("");

    let cases = [
        (&unfunded, "eve", nothing, Refusal::EscrowNotFunded),
        (&partly, "eve", nothing, Refusal::AccessDenied),
        (&partly, "ada", released, Refusal::AccessDenied),
        (&completed, "ada", released, Refusal::AccessDenied),
        (&partly, "ben", nothing, Refusal::MilestoneNotFound),
        (&standard, "ben", released, Refusal::MilestoneNotFound),
        (&partly, "ben", released, Refusal::MilestoneAlreadyReleased),
        (&completed, "ben", last, Refusal::MilestoneAlreadyReleased),
    ];
    for (index, (escrow, who, milestone, refusal)) in cases.into_iter().enumerate() {
        let mut after = escrow.clone();
        assert_eq!(
            after.confirm_milestone(&customer(who), milestone, ReleaseOrder::Any, ids, at(9)),
            Err(refusal),
            "row {index}"
        );
        assert_eq!(after, *escrow, "row {index} changed the escrow");
    }
}

#[test]
fn refusals_of_a_standard_confirm_come_in_order() {
    let ids = &mut Counter::default();
    let unfunded = offered_standard(naira(10), WhoPays::Buyer, 0, ids);
    let open = funded(unfunded.clone(), ids);
    let mut completed = open.clone();
    completed.confirm_payment(&customer("ben"), ids, at(3)).unwrap();
    let milestone = funded(offered(&[(10, None), (20, None)], 0, ids), ids);

    let cases = [
        (&unfunded, "eve", Refusal::ActionNotAllowed),
        (&open, "eve", Refusal::AccessDenied),
        (&completed, "ada", Refusal::AccessDenied),
        (&milestone, "ben", Refusal::ActionNotAllowed),
        (&completed, "ben", Refusal::ActionNotAllowed),
    ];
    for (index, (escrow, who, refusal)) in cases.into_iter().enumerate() {
        let mut after = escrow.clone();
        assert_eq!(
            after.confirm_payment(&customer(who), ids, at(9)),
            Err(refusal),
            "row {index}"
        );
        assert_eq!(after, *escrow, "row {index} changed the escrow");
    }
}

#[test]
fn refusals_of_an_edit_come_in_order() {
    let ids = &mut Counter::default();
    let unfunded = offered(&[(10, None), (20, None)], 0, ids);
    let open = funded(unfunded.clone(), ids);
    let standard = funded(offered_standard(naira(10), WhoPays::Buyer, 0, ids), ids);

    let cases = [
        (&standard, "eve", Refusal::AccessDenied),
        (&open, "ben", Refusal::AccessDenied),
        (&standard, "ada", Refusal::NotAMilestoneEscrow),
        (&open, "ada", Refusal::ActionNotAllowed),
    ];
    for (index, (escrow, who, refusal)) in cases.into_iter().enumerate() {
        let mut after = escrow.clone();
        let offer = milestone_offer(&[(1, None), (2, None)]);
        assert_eq!(
            after.edit_milestones(&seller(who, 0), offer, ids, at(9)),
            Err(refusal),
            "row {index}"
        );
        assert_eq!(after, *escrow, "row {index} changed the escrow");
    }
}

#[test]
fn refusals_of_a_payment_come_in_order() {
    let ids = &mut Counter::default();
    let plain = offered(&[(10, None), (20, None)], 0, ids);
    let open = funded(plain.clone(), ids);
    let routed_to_ben = offered(&[(10, Some("ben")), (20, None)], 0, ids);
    let due = naira(30).checked_add(kobo(60)).unwrap();
    let short = payment(kobo(1));
    let wrong = PaymentOffer {
        amount: Some(naira(30)),
        ..short.clone()
    };

    let cases = [
        (vec![&plain, &open], "ada", &wrong, Refusal::BuyerIsSeller),
        (vec![&open], "ada", &wrong, Refusal::EscrowNotPayable),
        (vec![&routed_to_ben], "ben", &wrong, Refusal::BuyerIsBeneficiary),
        (
            vec![&plain],
            "ben",
            &wrong,
            Refusal::AmountMismatch {
                due,
                offered: naira(30),
            },
        ),
        (
            vec![&plain],
            "ben",
            &short,
            Refusal::InsufficientBalance {
                needed: due,
                available: kobo(1),
            },
        ),
    ];
    for (index, (escrows, who, offer, refusal)) in cases.into_iter().enumerate() {
        let before: Vec<Escrow> = escrows.into_iter().cloned().collect();
        let mut after = before.clone();
        let outcome = fund(&mut after, &customer(who), offer.clone(), ids, at(9));
        assert_eq!(outcome.unwrap_err(), refusal, "row {index}");
        assert_eq!(after, before, "row {index} changed an escrow");
    }
}

#[test]
fn an_edit_gives_new_milestones_and_a_new_fee() {
    let ids = &mut Counter::default();
    let mut escrow = offered(&[(10, None), (20, None)], 0, ids);
    let before = escrow.clone();
    escrow
        .edit_milestones(
            &seller("ada", 50),
            milestone_offer(&[(100, None), (20, None), (80, None)]),
            ids,
            at(5),
        )
        .unwrap();
    assert_eq!((escrow.id, &escrow.payment_token), (before.id, &before.payment_token));
    assert_eq!(escrow.fee.total(), naira(5));
    let is_old = |milestone: &Milestone| before.milestones().iter().any(|old| old.id == milestone.id);
    assert!(!escrow.milestones().iter().any(is_old));
    assert_eq!((escrow.created_at, escrow.updated_at), (before.created_at, at(5)));
}

#[test]
fn an_amount_that_its_fee_makes_too_large_is_refused() {
    let ids = &mut Counter::default();
    let terms = |who_pays| Terms::new(terms_draft(Amount::MAX, who_pays), &LIMITS).unwrap();
    let offer =
        |who_pays, ids: &mut Counter| Escrow::offer_standard(seller("ada", 0), terms(who_pays), Vec::new(), ids, at(1));
    assert!(matches!(offer(WhoPays::Buyer, ids), Err(Refusal::Invalid(invalid)) if invalid.field == "amount"));
    assert!(offer(WhoPays::Seller, ids).is_ok());
}

/// What a random test does next. Numbers pick among what there is.
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

/// Escrows and balances in memory: settlements are posted by adding and
/// subtracting, nothing else.
#[derive(Clone, Debug, Default, PartialEq)]
struct Book {
    escrows: Vec<Escrow>,
    balances: BTreeMap<Account, i64>,
}

impl Book {
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

    /// Does one step; `Err` when it was refused, or picked what is not there.
    fn take(&mut self, step: &Step, ids: &mut Counter) -> Result<(), Refusal> {
        let who = |index: &usize| customer(PEOPLE[*index]);
        let pick = |escrow: usize, book: &Self| {
            if escrow < book.escrows.len() {
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
                let effects = payment::top_up(&who(index), kobo(*minor), inside, ids, at(1))?;
                self.post(&effects);
            }
            Step::OfferStandard {
                who: index,
                minor,
                who_pays,
            } => {
                let terms = Terms::new(terms_draft(kobo(*minor), *who_pays), &LIMITS)?;
                let (escrow, effects) =
                    Escrow::offer_standard(seller(PEOPLE[*index], 37), terms, Vec::new(), ids, at(1))?;
                self.escrows.push(escrow);
                self.post(&effects);
            }
            Step::OfferMilestones { who: index, stages } => {
                let (escrow, effects) =
                    Escrow::offer_milestones(seller(PEOPLE[*index], 37), offer(stages), ids, at(1))?;
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
                let wish = PaymentOffer {
                    amount: amount.map(kobo),
                    ..payment(available)
                };
                let before = loaded.clone();
                let outcome = fund(&mut loaded, &who(index), wish, ids, at(3));
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
                let effects =
                    self.escrows[escrow].confirm_milestone(&who(index), milestone, ReleaseOrder::Any, ids, at(4))?;
                self.post(&effects);
            }
            Step::ConfirmPayment { who: index, escrow } => {
                let escrow = pick(*escrow, self)?;
                let effects = self.escrows[escrow].confirm_payment(&who(index), ids, at(4))?;
                self.post(&effects);
            }
        }
        Ok(())
    }

    /// Invariants 1, 3, 4 and 5 of design section 4.
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
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn money_never_appears_or_vanishes(steps in steps()) {
        let ids = &mut Counter::default();
        let mut book = Book::default();
        for person in PEOPLE.map(customer) {
            let inside = kobo(-book.balance(&Account::OutsideWorld));
            let opening = payment::opening_balance(&person, naira(20_000), inside, ids, at(0)).unwrap();
            book.post(&opening);
        }
        for step in &steps {
            let before = book.clone();
            if book.take(step, ids).is_err() {
                prop_assert_eq!(&book, &before, "a refusal changed something");
            }
            book.check();
        }
        // Nothing is stuck: every buyer can confirm what is open, and then nothing is held.
        for index in 0..book.escrows.len() {
            let Progress::Opened { funding, .. } = book.escrows[index].progress.clone() else { continue };
            let who = PEOPLE.iter().position(|person| *person == funding.buyer.as_str()).unwrap();
            for milestone in 0..book.escrows[index].milestones().len() {
                let _may_be_released = book.take(&Step::ConfirmMilestone { who, escrow: index, milestone }, ids);
            }
            let _is_standard = book.take(&Step::ConfirmPayment { who, escrow: index }, ids);
            prop_assert_eq!(book.escrows[index].held(), Amount::ZERO);
        }
        book.check();
    }
}
