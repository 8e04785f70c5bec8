//! The rules of pay-outs: every action in every status, and the money that it moves.

use strum::VariantArray;

use super::*;
use crate::domain::effects::Event;
use crate::domain::ids::{CustomerId, Reference, TransactionId};
use crate::domain::ledger::Transfer;
use crate::domain::transaction::{CreditType, Detail, Transaction, TransactionType};

const AMOUNT: i64 = 500_000;
const FEE: i64 = 2_500;

fn kobo(minor: i64) -> Amount {
    Amount::from_minor(minor).unwrap()
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_millis(second * 1_000).unwrap()
}

fn ada() -> Account {
    Account::CustomerMain(CustomerId::parse("ada").unwrap())
}

fn operator(number: i64) -> OperatorId {
    OperatorId::new(number, 7)
}

/// Returns the decision that waits for a second operator after this one.
fn waiting_after(number: i64) -> Decision {
    Decision::AfterSecond {
        asked_by: operator(number),
    }
}

fn entry() -> BankEntry {
    BankEntry {
        reference: "FT26".to_owned(),
        value_date: Date::parse("2026-06-22").unwrap(),
    }
}

fn terms(source: Account, amount: Amount, fee: Amount) -> PayoutTerms {
    PayoutTerms {
        source,
        amount,
        fee,
        destination: None,
        receipt: None,
        requested_by: Some(operator(1)),
    }
}

fn withdrawal() -> Payment {
    let id = TransactionId::new(9, 9);
    Payment {
        transaction: Transaction {
            id,
            owner: ada(),
            transaction_type: TransactionType::Withdrawal,
            credit_type: CreditType::Debit,
            amount: kobo(AMOUNT),
            reference: Reference::of(id),
            escrow: None,
            created_at: at(1),
        },
        detail: Some(Detail::pending(
            kobo(FEE),
            Method::Bank(BankAccount {
                bank_code: "058".to_owned(),
                account_number: "0123456789".to_owned(),
                account_name: "Ada".to_owned(),
                bank_name: "Bank".to_owned(),
                narration: None,
            }),
        )),
        escrows: Vec::new(),
        vault: None,
        payees: Vec::new(),
    }
}

/// Returns Ada's requested pay-out with the effects of the request.
fn requested() -> (Payout, Effects) {
    let mut effects = Effects::default();
    let terms = terms(ada(), kobo(AMOUNT), kobo(FEE));
    let available = kobo(AMOUNT + FEE);
    let payout = Payout::request(PayoutId::new(1, 1), terms, available, at(1), &mut effects).unwrap();
    (payout, effects)
}

/// Returns a pay-out that has come to this status by the actions that lead to it.
fn in_status(status: PayoutStatus) -> Payout {
    let (mut payout, _) = requested();
    if status == PayoutStatus::Rejected {
        payout.reject(None, None, at(2)).unwrap();
    }
    if matches!(status, PayoutStatus::Approved | PayoutStatus::Paid) {
        payout.approve(Some(operator(2)), TwoPersonRule::OFF, at(2)).unwrap();
    }
    if status == PayoutStatus::Paid {
        payout.pay(None, Some(entry()), at(3)).unwrap();
    }
    if status == PayoutStatus::Returned {
        payout.approve(Some(operator(2)), TwoPersonRule::OFF, at(2)).unwrap();
        payout.record_return(None, None, Amount::ZERO, at(3)).unwrap();
    }
    assert_eq!(payout.status, status);
    payout
}

/// An action, with the withdrawal that it settles.
type Action = fn(&mut Payout, Option<&mut Payment>) -> Result<Effects, Refusal>;

const ACTIONS: [(&str, Action); 6] = [
    ("approved", |payout, _| {
        payout
            .approve(Some(operator(2)), TwoPersonRule::OFF, at(9))
            .map(|()| Effects::default())
    }),
    ("exported", |payout, _| {
        payout.export(3, at(9)).map(|()| Effects::default())
    }),
    ("rejected", |payout, withdrawal| {
        payout.reject(withdrawal, Some("no such account".to_owned()), at(9))
    }),
    ("paid", |payout, withdrawal| {
        payout.pay(withdrawal, Some(entry()), at(9))
    }),
    ("returned", |payout, withdrawal| {
        payout.record_return(withdrawal, Some("closed".to_owned()), Amount::ZERO, at(9))
    }),
    ("reopened", |payout, withdrawal| {
        payout.reopen(withdrawal, Amount::ZERO, kobo(FEE), at(9))
    }),
];

fn moves(effects: &Effects) -> Vec<String> {
    let line = |transfer: &Transfer| {
        let kind: &str = transfer.kind.into();
        format!(
            "{kind} {} -> {} {}",
            transfer.debit,
            transfer.credit,
            transfer.amount.minor()
        )
    };
    effects.transfers.iter().map(line).collect()
}

#[test]
fn asking_moves_amount_and_fee_into_transit() {
    let (payout, effects) = requested();
    assert_eq!(moves(&effects), ["PAYOUT ada main -> in transit 502500"]);
    assert_eq!((payout.status, payout.was_paid), (PayoutStatus::Requested, false));
    assert_eq!((payout.requested_by, payout.approved_by), (Some(operator(1)), None));
    assert_eq!((payout.created_at, payout.updated_at), (at(1), at(1)));
}

#[test]
fn a_source_pays_at_most_what_it_holds() {
    let ask = |amount: Amount, fee: Amount, available: Amount| {
        let mut effects = Effects::default();
        let terms = terms(Account::PlatformFees, amount, fee);
        let outcome = Payout::request(PayoutId::new(1, 1), terms, available, at(1), &mut effects);
        assert_eq!(
            outcome.is_ok(),
            effects != Effects::default(),
            "a refusal moves nothing"
        );
        outcome.map(drop)
    };
    let one = kobo(1);
    for (amount, fee, available, outcome) in [
        (one, Amount::ZERO, one, Ok(())),
        (Amount::MAX, Amount::ZERO, Amount::MAX, Ok(())),
        (
            one,
            Amount::ZERO,
            Amount::ZERO,
            Err(Refusal::InsufficientBalance {
                needed: one,
                available: Amount::ZERO,
            }),
        ),
        (
            kobo(AMOUNT),
            kobo(FEE),
            kobo(AMOUNT + FEE - 1),
            Err(Refusal::InsufficientBalance {
                needed: kobo(AMOUNT + FEE),
                available: kobo(AMOUNT + FEE - 1),
            }),
        ),
        // The sum is too large before any balance is looked at.
        (Amount::MAX, one, Amount::MAX, Err(Refusal::TooMuchMoney)),
    ] {
        assert_eq!(ask(amount, fee, available), outcome, "{amount} {fee} {available}");
    }
}

#[test]
fn each_action_takes_its_statuses_and_leads_to_one() {
    use PayoutStatus::{Approved, Paid, Rejected, Requested, Returned};
    let allowed: [(&str, &[PayoutStatus], PayoutStatus); 6] = [
        ("approved", &[Requested], Approved),
        ("exported", &[Approved], Approved),
        ("rejected", &[Requested], Rejected),
        ("paid", &[Approved], Paid),
        ("returned", &[Approved, Paid], Returned),
        ("reopened", &[Paid], Approved),
    ];
    for &status in PayoutStatus::VARIANTS {
        assert_eq!(status.is_open(), matches!(status, Requested | Approved), "{status:?}");
        for ((done, action), (name, from, to)) in ACTIONS.into_iter().zip(allowed) {
            assert_eq!(done, name);
            let mut payout = in_status(status);
            let (before, mut withdrawal) = (payout.clone(), withdrawal());
            let outcome = action(&mut payout, Some(&mut withdrawal));
            if from.contains(&status) {
                assert!(outcome.is_ok(), "{status:?} {done}");
                assert_eq!((payout.status, payout.updated_at), (to, at(9)), "{status:?} {done}");
                continue;
            }
            let refusal = Refusal::NotInStatus {
                object: "pay-out",
                status: status.into_str(),
                allowed: from.iter().map(Into::into).collect(),
                done,
            };
            assert_eq!(outcome, Err(refusal), "{status:?} {done}");
            assert_eq!(payout, before, "a refusal changes nothing");
            assert_eq!(withdrawal.status(), PaymentStatus::Pending);
        }
    }
}

#[test]
fn each_action_moves_the_money_once_and_settles_the_withdrawal() {
    use PayoutStatus::{Approved, Paid, Requested};
    let back = "PAYOUT_RETURN in transit -> ada main 502500";
    for (status, done, moved, settled) in [
        (Requested, "approved", &[][..], PaymentStatus::Pending),
        (Requested, "rejected", &[back], PaymentStatus::Failed),
        (
            Approved,
            "paid",
            &[
                "WITHDRAWAL in transit -> outside world 500000",
                "WITHDRAWAL_FEE in transit -> platform fees 2500",
            ],
            PaymentStatus::Success,
        ),
        (Approved, "returned", &[back], PaymentStatus::Reversed),
        // The fee was for a payment that was made.
        (
            Paid,
            "returned",
            &["PAYOUT_RETURN outside world -> ada main 500000"],
            PaymentStatus::Reversed,
        ),
    ] {
        let (_, action) = ACTIONS.into_iter().find(|(name, _)| *name == done).unwrap();
        let (mut payout, mut withdrawal) = (in_status(status), withdrawal());
        let effects = action(&mut payout, Some(&mut withdrawal)).unwrap();
        assert_eq!(moves(&effects), moved, "{status:?} {done}");
        assert_eq!(withdrawal.status(), settled, "{status:?} {done}");
        let is_settled = settled != PaymentStatus::Pending;
        let settled_at = withdrawal.detail.and_then(|detail| detail.settled_at);
        assert_eq!(settled_at, is_settled.then_some(at(9)));
        let events: Vec<String> = effects.events.iter().map(Event::name).collect();
        let expected = is_settled.then(|| format!("payment.withdrawal.{}", settled.into_str()));
        assert_eq!(events, expected.into_iter().collect::<Vec<_>>());
        assert_eq!(payout.was_paid, status == Paid || done == "paid");
    }
}

#[test]
fn a_payout_without_fee_and_withdrawal_moves_its_amount_alone() {
    let mut effects = Effects::default();
    let terms = terms(Account::Suspense, kobo(1), Amount::ZERO);
    let mut payout = Payout::request(PayoutId::new(1, 1), terms, kobo(1), at(1), &mut effects).unwrap();
    assert_eq!(moves(&effects), ["PAYOUT suspense -> in transit 1"]);
    payout.approve(None, TwoPersonRule::OFF, at(2)).unwrap();
    let effects = payout.pay(None, None, at(3)).unwrap();
    assert_eq!(moves(&effects), ["WITHDRAWAL in transit -> outside world 1"]);
    assert_eq!(effects.events, []);
    let effects = payout.record_return(None, None, Amount::ZERO, at(4)).unwrap();
    assert_eq!(moves(&effects), ["PAYOUT_RETURN outside world -> suspense 1"]);
    assert!(payout.was_paid && payout.paid.is_none());
}

#[test]
fn the_requester_does_not_approve_above_the_limit() {
    let alone_max = kobo(AMOUNT - 1);
    let rule = TwoPersonRule {
        alone_max: Some(alone_max),
    };
    let same = Err(Refusal::SamePerson { alone_max });
    let at_limit = TwoPersonRule {
        alone_max: Some(kobo(AMOUNT)),
    };
    for (rule, approver, outcome) in [
        (rule, Some(operator(1)), same),
        (rule, Some(operator(2)), Ok(())),
        // The fee does not count.
        (at_limit, Some(operator(1)), Ok(())),
        (TwoPersonRule::OFF, Some(operator(1)), Ok(())),
    ] {
        let (mut payout, _) = requested();
        assert_eq!(payout.approve(approver, rule, at(2)), outcome);
        assert_eq!(payout.approved_by, outcome.is_ok().then_some(approver).flatten());
    }
    // The status comes first.
    let approval = in_status(PayoutStatus::Rejected).approve(Some(operator(1)), rule, at(2));
    assert!(matches!(approval, Err(Refusal::NotInStatus { .. })), "{approval:?}");
}

/// The operators of the steps before may be one of the two, and are not alone.
#[test]
fn two_operators_ask_for_the_return_or_the_reopening_of_a_large_pay_out() {
    let alone_max = kobo(AMOUNT - 1);
    let rule = TwoPersonRule {
        alone_max: Some(alone_max),
    };
    let at_limit = TwoPersonRule {
        alone_max: Some(kobo(AMOUNT)),
    };
    let (approver, payer) = (Some(operator(2)), Some(operator(3)));
    for status in [PayoutStatus::Approved, PayoutStatus::Paid] {
        for (step, other) in [
            (PayoutStep::Return, PayoutStep::Reopening),
            (PayoutStep::Reopening, PayoutStep::Return),
        ] {
            let mut payout = in_status(status);
            assert_eq!(payout.ask(step, payer, rule, at(8)), Ok(waiting_after(3)));
            let asked = PayoutAsked { by: operator(3), step };
            assert_eq!(
                (payout.status, payout.asked, payout.updated_at),
                (status, Some(asked), at(8))
            );
            let before = payout.clone();
            assert_eq!(
                payout.ask(step, payer, rule, at(9)),
                Err(Refusal::SamePerson { alone_max })
            );
            assert_eq!(payout, before, "a refusal changes nothing");
            // Another request takes its place.
            assert_eq!(payout.ask(other, approver, rule, at(9)), Ok(waiting_after(2)));
            assert_eq!(payout.ask(step, payer, rule, at(9)), Ok(waiting_after(3)));
            assert_eq!(payout.ask(step, approver, rule, at(9)), Ok(Decision::Now));
            assert_eq!(payout.asked, None);
            // One decides up to the limit, and where no operator acts.
            for (by, rule) in [(payer, at_limit), (payer, TwoPersonRule::OFF), (None, rule)] {
                assert_eq!(in_status(status).ask(step, by, rule, at(9)), Ok(Decision::Now));
            }
        }
    }
}

#[test]
fn a_request_is_retracted_once_and_lapses_with_the_next_status() {
    let rule = TwoPersonRule {
        alone_max: Some(kobo(1)),
    };
    let ask = |payout: &mut Payout, by| payout.ask(PayoutStep::Return, Some(operator(by)), rule, at(8));
    let mut payout = in_status(PayoutStatus::Approved);
    assert_eq!(payout.retract(at(9)), Err(Refusal::NothingAsked));
    assert_eq!(ask(&mut payout, 1), Ok(waiting_after(1)));
    assert_eq!(payout.retract(at(9)), Ok(()));
    assert_eq!(payout.retract(at(9)), Err(Refusal::NothingAsked));
    assert_eq!(ask(&mut payout, 2), Ok(waiting_after(2)));
    // A return before the payment gives back the fee too, so it is another one.
    payout.pay(None, Some(entry()), at(9)).unwrap();
    assert_eq!(ask(&mut payout, 1), Ok(waiting_after(1)));
    assert_eq!(ask(&mut payout, 2), Ok(Decision::Now));
}

/// A payment that never was has moved nothing and cost nothing.
#[test]
fn a_reopening_undoes_the_payment() {
    let (mut payout, mut withdrawal) = (in_status(PayoutStatus::Approved), withdrawal());
    payout.export(3, at(2)).unwrap();
    let before = (payout.clone(), withdrawal.clone());
    payout.pay(Some(&mut withdrawal), Some(entry()), at(3)).unwrap();
    assert!(payout.was_paid && payout.paid.is_some() && withdrawal.status() == PaymentStatus::Success);
    let effects = payout
        .reopen(Some(&mut withdrawal), Amount::ZERO, kobo(FEE), at(2))
        .unwrap();
    assert_eq!((payout, withdrawal), before);
    assert_eq!(
        moves(&effects),
        [
            "CORRECTION outside world -> in transit 500000",
            "CORRECTION platform fees -> in transit 2500"
        ]
    );
    assert_eq!(effects.events, [], "a pending payment emits nothing");
}

#[test]
fn a_reopening_needs_the_fee_and_room_for_the_money() {
    let room = |left: i64| kobo(Amount::MAX.minor() - left);
    let (needed, available) = (kobo(FEE), kobo(FEE - 1));
    for (left, fees, outcome) in [
        (AMOUNT, needed, Ok(())),
        (AMOUNT, available, Err(Refusal::AlreadySpent { needed, available })),
        (AMOUNT - 1, available, Err(Refusal::TooMuchMoney)),
    ] {
        let mut payout = in_status(PayoutStatus::Paid);
        let before = payout.clone();
        assert_eq!(payout.reopen(None, room(left), fees, at(9)).map(drop), outcome);
        assert_eq!(payout == before, outcome.is_err(), "a refusal changes nothing");
    }
}

#[test]
fn a_returned_payment_needs_room_for_its_money() {
    let room = |left: i64| kobo(Amount::MAX.minor() - left);
    for (left, is_refused) in [(AMOUNT, false), (AMOUNT - 1, true)] {
        let mut payout = in_status(PayoutStatus::Paid);
        let outcome = payout.record_return(None, None, room(left), at(9));
        assert_eq!(outcome == Err(Refusal::TooMuchMoney), is_refused, "{left}");
        assert_eq!(payout.status == PayoutStatus::Paid, is_refused, "{left}");
    }
    // Money in transit is inside already.
    let outcome = in_status(PayoutStatus::Approved).record_return(None, None, room(0), at(9));
    assert!(outcome.is_ok(), "{outcome:?}");
}

#[test]
fn the_reason_and_the_banks_words_are_kept() {
    let mut payout = in_status(PayoutStatus::Paid);
    assert_eq!(payout.paid, Some(entry()));
    payout
        .record_return(None, Some("account closed".to_owned()), Amount::ZERO, at(9))
        .unwrap();
    assert_eq!(payout.reason.as_deref(), Some("account closed"));
    assert_eq!(payout.paid, Some(entry()), "the payment happened");
}

#[test]
fn the_same_end_at_the_bank_is_known_again() {
    let paid = |reference: &str, day: &str| {
        BatchOutcome::Paid(BankEntry {
            reference: reference.to_owned(),
            value_date: Date::parse(day).unwrap(),
        })
    };
    let returned = |reason: &str, day: &str| BatchOutcome::Returned {
        value_date: Date::parse(day).unwrap(),
        reason: reason.to_owned(),
    };
    let mut sent_back = in_status(PayoutStatus::Paid);
    sent_back
        .record_return(None, Some("account closed".to_owned()), Amount::ZERO, at(9))
        .unwrap();
    for (payout, outcome, has_ended) in [
        (in_status(PayoutStatus::Paid), paid("FT26", "2026-06-22"), true),
        (in_status(PayoutStatus::Paid), paid("ft-26", "2026-06-22"), true),
        (in_status(PayoutStatus::Paid), paid("FT27", "2026-06-22"), false),
        (in_status(PayoutStatus::Paid), paid("FT26", "2026-06-23"), false),
        (
            in_status(PayoutStatus::Paid),
            returned("account closed", "2026-06-22"),
            false,
        ),
        (in_status(PayoutStatus::Approved), paid("FT26", "2026-06-22"), false),
        (sent_back.clone(), returned("account closed", "2026-06-22"), true),
        (sent_back.clone(), returned("account closed", "2026-06-23"), true),
        (sent_back.clone(), returned("unknown account", "2026-06-22"), false),
        (sent_back, paid("FT26", "2026-06-22"), false),
    ] {
        assert_eq!(
            payout.has_ended_as(&outcome),
            has_ended,
            "{:?} {outcome:?}",
            payout.status
        );
    }
}

#[test]
fn money_is_in_transit_paid_or_given_back() {
    for (status, is_open, is_given_back) in [
        (PayoutStatus::Requested, true, false),
        (PayoutStatus::Approved, true, false),
        (PayoutStatus::Rejected, false, true),
        (PayoutStatus::Paid, false, false),
        (PayoutStatus::Returned, false, true),
    ] {
        let found = (status.is_open(), status.is_given_back());
        assert_eq!(found, (is_open, is_given_back), "{status:?}");
    }
}
