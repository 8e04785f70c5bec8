//! The rules of receipts: every action in every status, and the money that it moves.

use strum::VariantArray;

use super::*;
use crate::domain::effects::Event;
use crate::domain::ids::{IdSource, Reference};
use crate::domain::ledger::Transfer;
use crate::domain::time::Date;
use crate::domain::transaction::{CreditType, Transaction};

const AMOUNT: i64 = 250_000;

/// Gives out rising numbers, also in the place of random bits.
#[derive(Default)]
struct SequentialIds(i64);

impl IdSource for SequentialIds {
    fn number(&mut self) -> i64 {
        self.0 += 1024;
        self.0
    }

    fn random(&mut self) -> u128 {
        u128::from(self.number().unsigned_abs())
    }
}

fn kobo(minor: i64) -> Amount {
    Amount::from_minor(minor).unwrap()
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_millis(second * 1_000).unwrap()
}

fn ada() -> CustomerId {
    CustomerId::parse("ada").unwrap()
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

fn recorded() -> Receipt {
    let facts = ReceiptFacts {
        amount: kobo(AMOUNT),
        entry: BankEntry {
            reference: "FT26".to_owned(),
            value_date: Date::parse("2026-06-22").unwrap(),
        },
        note: None,
        source: ReceiptSource::Operator,
        customer: None,
        expected: None,
        recorded_by: Some(operator(1)),
    };
    Receipt::record(ReceiptId::new(1, 1), facts, at(1))
}

/// Returns a deposit that Ada has announced.
fn announced(amount: i64) -> Payment {
    let id = TransactionId::new(9, 9);
    Payment {
        transaction: Transaction {
            id,
            owner: Account::CustomerMain(ada()),
            transaction_type: TransactionType::Deposit,
            credit_type: CreditType::Credit,
            amount: kobo(amount),
            reference: Reference::of(id),
            escrow: None,
            created_at: at(1),
        },
        detail: Some(Detail::pending(
            Amount::ZERO,
            Method::BankTransfer {
                account: None,
                escrow_ids: Vec::new(),
                terms_hash: None,
            },
        )),
        escrows: Vec::new(),
        vault: None,
        payees: Vec::new(),
    }
}

fn credit(receipt: &mut Receipt, expected: Option<&mut Payment>, inside: Amount) -> Result<Effects, Refusal> {
    let mut ids = SequentialIds::default();
    receipt.credit(&ada(), expected, inside, Booking::new(&mut ids, at(9)))
}

/// Returns a receipt that has come to this status by the actions that lead to it.
fn in_status(status: ReceiptStatus) -> Receipt {
    let mut receipt = recorded();
    match status {
        ReceiptStatus::Recorded => {}
        ReceiptStatus::Rejected => receipt.reject(at(2)).unwrap(),
        ReceiptStatus::Credited => drop(credit(&mut receipt, None, Amount::ZERO).unwrap()),
        ReceiptStatus::Suspense => drop(receipt.keep_in_suspense(Amount::ZERO, at(2)).unwrap()),
        ReceiptStatus::Reversed => {
            receipt.keep_in_suspense(Amount::ZERO, at(2)).unwrap();
            receipt.reverse(None, kobo(AMOUNT), at(3)).unwrap();
        }
        ReceiptStatus::SentBack => {
            receipt.keep_in_suspense(Amount::ZERO, at(2)).unwrap();
            receipt.send_back(at(3)).unwrap();
        }
    }
    assert_eq!(receipt.status, status);
    receipt
}

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

fn events(effects: &Effects) -> Vec<String> {
    effects.events.iter().map(Event::name).collect()
}

type Action = fn(&mut Receipt) -> Result<(), Refusal>;

#[test]
fn each_action_takes_its_statuses_and_leads_to_one() {
    use ReceiptStatus::{Credited, Recorded, Rejected, Reversed, SentBack, Suspense};
    let actions: [(&str, Action, &[ReceiptStatus], ReceiptStatus); 7] = [
        (
            "approved",
            |receipt| receipt.check_approval(Some(operator(2)), TwoPersonRule::OFF),
            &[Recorded],
            Recorded,
        ),
        ("rejected", |receipt| receipt.reject(at(9)), &[Recorded], Rejected),
        (
            "kept in suspense",
            |receipt| receipt.keep_in_suspense(Amount::ZERO, at(9)).map(drop),
            &[Recorded],
            Suspense,
        ),
        (
            "credited",
            |receipt| credit(receipt, None, Amount::ZERO).map(drop),
            &[Recorded, Suspense],
            Credited,
        ),
        (
            "reversed",
            |receipt| receipt.reverse(None, kobo(AMOUNT), at(9)).map(drop),
            &[Credited, Suspense],
            Reversed,
        ),
        ("sent back", |receipt| receipt.send_back(at(9)), &[Suspense], SentBack),
        (
            "taken back",
            |receipt| receipt.return_to_suspense(at(9)),
            &[SentBack],
            Suspense,
        ),
    ];
    for &status in ReceiptStatus::VARIANTS {
        for (done, action, from, to) in actions {
            let mut receipt = in_status(status);
            let before = receipt.clone();
            let outcome = action(&mut receipt);
            if from.contains(&status) {
                assert_eq!((outcome, receipt.status), (Ok(()), to), "{status:?} {done}");
                continue;
            }
            let refusal = Refusal::NotInStatus {
                object: "receipt",
                status: status.into_str(),
                allowed: from.iter().map(Into::into).collect(),
                done,
            };
            assert_eq!(outcome, Err(refusal), "{status:?} {done}");
            assert_eq!(receipt, before, "a refusal changes nothing");
        }
    }
}

#[test]
fn money_comes_from_outside_or_out_of_suspense() {
    let effects = credit(&mut recorded(), None, Amount::ZERO).unwrap();
    assert_eq!(moves(&effects), ["DEPOSIT outside world -> ada main 250000"]);
    let mut unknown = recorded();
    let effects = unknown.keep_in_suspense(Amount::ZERO, at(2)).unwrap();
    assert_eq!(moves(&effects), ["UNALLOCATED outside world -> suspense 250000"]);
    assert_eq!(events(&effects), [""; 0], "no customer has it");
    assert_eq!(unknown.holder("reversed"), Ok(Account::Suspense));
    // Money in suspense is inside already.
    let effects = credit(&mut unknown, None, Amount::MAX).unwrap();
    assert_eq!(moves(&effects), ["ALLOCATION suspense -> ada main 250000"]);
    assert_eq!(unknown.holder("reversed"), Ok(Account::CustomerMain(ada())));
    assert_eq!(unknown.customer, Some(ada()));
}

#[test]
fn money_enters_up_to_the_most_that_accounts_may_hold() {
    let room = |left: i64| kobo(Amount::MAX.minor() - left);
    for (left, is_refused) in [(AMOUNT, false), (AMOUNT - 1, true)] {
        let mut receipt = recorded();
        let outcome = receipt.keep_in_suspense(room(left), at(2));
        assert_eq!(outcome == Err(Refusal::TooMuchMoney), is_refused, "{left}");
        let mut receipt = recorded();
        let outcome = credit(&mut receipt, None, room(left));
        assert_eq!(outcome == Err(Refusal::TooMuchMoney), is_refused, "{left}");
        assert_eq!(receipt.status == ReceiptStatus::Recorded, is_refused, "{left}");
    }
}

#[test]
fn a_deposit_succeeds_by_exactly_its_amount_while_it_is_pending() {
    let pending = PaymentStatus::Pending;
    for (amount, status, settles) in [
        (AMOUNT, pending, true),
        (AMOUNT - 1, pending, false),
        (AMOUNT + 1, pending, false),
        (AMOUNT, PaymentStatus::Failed, false),
        (AMOUNT, PaymentStatus::Success, false),
        (AMOUNT, PaymentStatus::Reversed, false),
    ] {
        let mut deposit = announced(amount);
        deposit.detail.as_mut().unwrap().status = status;
        let mut receipt = recorded();
        let effects = credit(&mut receipt, Some(&mut deposit), Amount::ZERO).unwrap();
        // All that came is credited, in any case.
        assert_eq!(moves(&effects), ["DEPOSIT outside world -> ada main 250000"]);
        assert_eq!(events(&effects), ["payment.deposit.success"]);
        assert_eq!(receipt.expected, Some(deposit.transaction.id));
        let own = effects.entries.first().map(|entry| &entry.transaction);
        let own = own.map(|deposit| (deposit.id, deposit.amount));
        if settles {
            assert_eq!(deposit.status(), PaymentStatus::Success);
            assert_eq!((receipt.deposit, own), (Some(deposit.transaction.id), None));
        } else {
            assert_eq!(deposit.status(), status, "{amount} {status:?}");
            assert_eq!(own, receipt.deposit.map(|id| (id, kobo(AMOUNT))));
        }
    }
}

#[test]
fn a_reversal_takes_the_money_out_of_where_it_is() {
    let mut deposit = announced(AMOUNT);
    let mut receipt = recorded();
    credit(&mut receipt, Some(&mut deposit), Amount::ZERO).unwrap();
    let effects = receipt.reverse(Some(&mut deposit), kobo(AMOUNT), at(10)).unwrap();
    assert_eq!(moves(&effects), ["CORRECTION ada main -> outside world 250000"]);
    assert_eq!(events(&effects), ["payment.deposit.reversed"]);
    assert_eq!(deposit.status(), PaymentStatus::Reversed);
    let effects = in_status(ReceiptStatus::Suspense)
        .reverse(None, kobo(AMOUNT), at(10))
        .unwrap();
    assert_eq!(moves(&effects), ["CORRECTION suspense -> outside world 250000"]);
}

#[test]
fn a_reversal_refuses_the_status_then_spent_money_then_the_person() {
    let alone_max = kobo(AMOUNT - 1);
    let rule = TwoPersonRule {
        alone_max: Some(alone_max),
    };
    let available = kobo(AMOUNT - 1);
    let ask = |receipt: &mut Receipt, by: i64, available: Amount| {
        let before = receipt.clone();
        let asked = receipt.ask_to_reverse(Some(operator(by)), rule, available, at(8));
        assert!(asked.is_ok() || *receipt == before, "a refusal changes nothing");
        asked
    };
    let outcome = ask(&mut in_status(ReceiptStatus::Recorded), 1, available);
    assert!(matches!(outcome, Err(Refusal::NotInStatus { .. })), "{outcome:?}");
    let spent = Refusal::AlreadySpent {
        needed: kobo(AMOUNT),
        available,
    };
    for status in [ReceiptStatus::Credited, ReceiptStatus::Suspense] {
        let mut receipt = in_status(status);
        assert_eq!(ask(&mut receipt, 1, available), Err(spent.clone()));
        assert_eq!(ask(&mut receipt, 1, kobo(AMOUNT)), Ok(waiting_after(1)));
        assert_eq!(ask(&mut receipt, 1, available), Err(spent.clone()));
        assert_eq!(
            ask(&mut receipt, 1, kobo(AMOUNT)),
            Err(Refusal::SamePerson { alone_max })
        );
        assert_eq!(ask(&mut receipt, 2, kobo(AMOUNT)), Ok(Decision::Now));
        let asked = receipt.clone();
        let outcome = receipt.reverse(None, available, at(9)).map(drop);
        assert_eq!((outcome, &receipt), (Err(spent.clone()), &asked));
        receipt.reverse(None, kobo(AMOUNT), at(9)).unwrap();
    }
}

#[test]
fn the_recorder_does_not_approve_above_the_limit() {
    let alone_max = kobo(AMOUNT - 1);
    let rule = TwoPersonRule {
        alone_max: Some(alone_max),
    };
    let receipt = recorded();
    assert_eq!(
        receipt.check_approval(Some(operator(1)), rule),
        Err(Refusal::SamePerson { alone_max })
    );
    assert_eq!(receipt.check_approval(Some(operator(2)), rule), Ok(()));
    // The status comes first.
    let outcome = in_status(ReceiptStatus::Rejected).check_approval(Some(operator(1)), rule);
    assert!(matches!(outcome, Err(Refusal::NotInStatus { .. })), "{outcome:?}");
}

/// Returns a receipt in suspense that a provider reported.
fn reported() -> Receipt {
    Receipt {
        source: ReceiptSource::Provider,
        recorded_by: None,
        ..in_status(ReceiptStatus::Suspense)
    }
}

/// It does not matter who recorded the receipt: the operator who names its customer decides where the money goes.
#[test]
fn two_operators_ask_for_the_same_with_a_large_receipt() {
    two_ask_for_the_same(reported);
    // The operator who recorded it may be one of the two, and is not alone.
    two_ask_for_the_same(|| in_status(ReceiptStatus::Suspense));
}

fn two_ask_for_the_same(in_suspense: fn() -> Receipt) {
    let alone_max = kobo(AMOUNT - 1);
    let large = TwoPersonRule {
        alone_max: Some(alone_max),
    };
    let small = TwoPersonRule {
        alone_max: Some(kobo(AMOUNT)),
    };
    let same = Err(Refusal::SamePerson { alone_max });
    let ben = || CustomerId::parse("ben").unwrap();
    let assign =
        |receipt: &mut Receipt, customer, by| receipt.ask_to_assign(customer, None, Some(operator(by)), large, at(9));
    let reverse = |receipt: &mut Receipt, by| receipt.ask_to_reverse(Some(operator(by)), large, kobo(AMOUNT), at(9));

    let mut receipt = in_suspense();
    assert_eq!(assign(&mut receipt, ada(), 1), Ok(waiting_after(1)));
    let asked = ReceiptAsked {
        by: operator(1),
        step: ReceiptStep::Assign {
            customer: ada(),
            expected: None,
        },
    };
    assert_eq!(
        (receipt.status, &receipt.asked),
        (ReceiptStatus::Suspense, &Some(asked))
    );
    assert_eq!(
        (&receipt.customer, receipt.intended_for()),
        (&None, (Some(&ada()), None))
    );
    let before = receipt.clone();
    assert_eq!(assign(&mut receipt, ada(), 1), same);
    assert_eq!(receipt, before, "a refusal changes nothing");
    // Another customer, or a reversal, begins anew.
    assert_eq!(assign(&mut receipt, ben(), 2), Ok(waiting_after(2)));
    assert_eq!(reverse(&mut receipt, 1), Ok(waiting_after(1)));
    assert_eq!(receipt.intended_for(), (None, None));
    assert_eq!(assign(&mut receipt, ben(), 2), Ok(waiting_after(2)));
    assert_eq!(assign(&mut receipt, ben(), 1), Ok(Decision::Now));
    assert_eq!((&receipt.customer, &receipt.asked), (&Some(ben()), &None));
    // The request of one operator lapses when the money is sent back.
    let mut returned = in_suspense();
    assert_eq!(assign(&mut returned, ada(), 1), Ok(waiting_after(1)));
    returned.send_back(at(9)).unwrap();
    returned.return_to_suspense(at(9)).unwrap();
    assert_eq!((returned.intended_for(), &returned.asked), ((None, None), &None));
    assert_eq!(assign(&mut returned, ada(), 2), Ok(waiting_after(2)));
    // The operator who assigned it cannot reverse it alone.
    credit(&mut receipt, None, Amount::ZERO).unwrap();
    assert_eq!(reverse(&mut receipt, 1), Ok(waiting_after(1)));
    assert_eq!(reverse(&mut receipt, 1), same);
    assert_eq!(reverse(&mut receipt, 2), Ok(Decision::Now));
    let mut receipt = in_suspense();
    assert_eq!(reverse(&mut receipt, 1), Ok(waiting_after(1)));
    assert_eq!(reverse(&mut receipt, 2), Ok(Decision::Now));

    // One decides up to the limit, and where no operator acts.
    for (operator, rule) in [(Some(operator(1)), small), (None, TwoPersonRule::OFF)] {
        assert_eq!(
            in_suspense().ask_to_assign(ada(), None, operator, rule, at(9)),
            Ok(Decision::Now)
        );
        assert_eq!(
            in_suspense().ask_to_reverse(operator, rule, kobo(AMOUNT), at(9)),
            Ok(Decision::Now)
        );
    }
}

/// The first of two operators hears at once that the money is gone, and not the second one.
#[test]
fn the_first_request_to_reverse_looks_at_the_money() {
    let large = TwoPersonRule {
        alone_max: Some(kobo(1)),
    };
    let available = kobo(AMOUNT - 1);
    let mut receipt = reported();
    let before = receipt.clone();
    let spent = Refusal::AlreadySpent {
        needed: kobo(AMOUNT),
        available,
    };
    assert_eq!(
        receipt.ask_to_reverse(Some(operator(1)), large, available, at(9)),
        Err(spent)
    );
    assert_eq!(receipt, before);
}

#[test]
fn a_request_is_retracted_once_and_then_asked_anew() {
    let large = TwoPersonRule {
        alone_max: Some(kobo(1)),
    };
    let mut receipt = reported();
    assert_eq!(receipt.retract(at(9)), Err(Refusal::NothingAsked));
    let assign = |receipt: &mut Receipt, by| receipt.ask_to_assign(ada(), None, Some(operator(by)), large, at(9));
    assert_eq!(assign(&mut receipt, 1), Ok(waiting_after(1)));
    assert_eq!(receipt.retract(at(9)), Ok(()));
    assert_eq!((receipt.intended_for(), &receipt.asked), ((None, None), &None));
    assert_eq!(receipt.retract(at(9)), Err(Refusal::NothingAsked));
    // The next operator to ask is the first again, also the same one.
    assert_eq!(assign(&mut receipt, 2), Ok(waiting_after(2)));
    assert_eq!(assign(&mut receipt, 1), Ok(Decision::Now));
    credit(&mut receipt, None, Amount::ZERO).unwrap();
    let reverse = |receipt: &mut Receipt, by| receipt.ask_to_reverse(Some(operator(by)), large, kobo(AMOUNT), at(9));
    assert_eq!(reverse(&mut receipt, 1), Ok(waiting_after(1)));
    assert_eq!(receipt.retract(at(9)), Ok(()));
    assert_eq!((&receipt.customer, &receipt.asked), (&Some(ada()), &None));
    assert_eq!(reverse(&mut receipt, 2), Ok(waiting_after(2)));
}

#[test]
fn a_request_for_another_deposit_takes_the_place_of_the_first() {
    let rule = TwoPersonRule {
        alone_max: Some(kobo(1)),
    };
    let (first, second) = (Some(TransactionId::new(5, 5)), Some(TransactionId::new(6, 6)));
    for (before, after) in [(first, second), (first, None), (None, second)] {
        let mut receipt = reported();
        let mut ask = |deposit, by| receipt.ask_to_assign(ada(), deposit, Some(operator(by)), rule, at(8));
        assert_eq!(ask(before, 1), Ok(waiting_after(1)));
        assert_eq!(ask(after, 2), Ok(waiting_after(2)));
        assert_eq!(ask(after, 1), Ok(Decision::Now));
        assert_eq!(receipt.expected, after);
    }
}

#[test]
fn a_deposit_is_given_up_once() {
    let mut deposit = announced(AMOUNT);
    let effects = expire(&mut deposit, at(5));
    assert_eq!(events(&effects), ["payment.deposit.failed"]);
    assert_eq!(effects.transfers, []);
    assert_eq!(deposit.status(), PaymentStatus::Failed);
    let before = deposit.clone();
    assert_eq!(expire(&mut deposit, at(6)), Effects::default());
    assert_eq!(deposit, before);
}
