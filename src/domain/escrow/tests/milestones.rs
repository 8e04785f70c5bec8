//! Offers, payments and releases of milestone escrows, case by case.

use crate::domain::escrow::milestone::Milestone;
use crate::domain::escrow::terms::Terms;
use crate::domain::escrow::tests::helpers::{
    LIMITS, SequentialIds, at, customer, events, funded, hold, kobo, legs, main, milestone_offer, naira, offered,
    offered_standard, payment, seller, terms_request,
};
use crate::domain::escrow::{Escrow, PaymentOffer, ReleaseOrder, fund};
use crate::domain::fees::WhoPays;
use crate::domain::ids::MilestoneId;
use crate::domain::ledger::{Account, TransferKind};
use crate::domain::money::Amount;
use crate::domain::refusal::Refusal;

#[test]
fn three_stages_settle_as_in_contract_example_7() {
    let ids = &mut SequentialIds::default();
    let mut escrow = offered(&[(300_000, Some("xena")), (500_000, None), (200_000, None)], 50, ids);
    assert_eq!(escrow.charge(), naira(1_025_000));
    let milestones: Vec<MilestoneId> = escrow.milestones().iter().map(|milestone| milestone.id).collect();

    let escrows = std::slice::from_mut(&mut escrow);
    let (_, effects) = fund(escrows, &customer("ben"), payment(naira(1_025_000)), ids.booking_at(2)).unwrap();
    assert_eq!(
        legs(&effects),
        [(TransferKind::Fund, main("ben"), hold("ben"), 102_500_000)]
    );
    assert_eq!(events(&effects), ["payment.escrow.success", "escrow.ongoing"]);

    let mut confirm = |milestone| {
        escrow
            .confirm_milestone(&customer("ben"), milestone, ReleaseOrder::Any, ids.booking_at(3))
            .unwrap()
    };
    let (first, second, last) = (confirm(milestones[0]), confirm(milestones[1]), confirm(milestones[2]));
    assert_eq!(
        legs(&first),
        [(TransferKind::Release, hold("ben"), main("xena"), 30_000_000)]
    );
    assert_eq!(events(&first), ["payment.escrow.success", "milestone.released"]);
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
            "milestone.released",
            "escrow.completed",
            "payment.commission.success"
        ]
    );
    assert_eq!(last.entries[1].transaction.reference.as_str(), "CMSN-REF");
    assert_eq!(escrow.held(), Amount::ZERO);
}

#[test]
fn the_hold_falls_by_each_release() {
    let ids = &mut SequentialIds::default();
    let mut escrow = funded(offered(&[(300_000, None), (700_000, None)], 50, ids), ids);
    assert_eq!(escrow.held(), naira(1_025_000));
    let first = escrow.milestones()[0].id;
    escrow
        .confirm_milestone(&customer("ben"), first, ReleaseOrder::Any, ids.booking_at(3))
        .unwrap();
    assert_eq!(escrow.held(), naira(725_000));
}

#[test]
fn a_commission_of_zero_has_no_transfer() {
    let ids = &mut SequentialIds::default();
    let mut escrow = funded(offered_standard(naira(1_000), WhoPays::Buyer, 0, ids), ids);
    let effects = escrow.confirm_payment(&customer("ben"), ids.booking_at(3)).unwrap();
    assert_eq!(effects.transfers.len(), 2);
    assert_eq!(effects.entries.len(), 1);
    assert_eq!(events(&effects), ["payment.escrow.success", "escrow.completed"]);
}

#[test]
fn standard_escrows_settle_as_in_the_worked_examples() {
    // amount, who pays, commission bps, then what the buyer pays, what the seller, merchant and
    // platform get
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
        let ids = &mut SequentialIds::default();
        let mut escrow = funded(offered_standard(kobo(amount), who_pays, commission_bps, ids), ids);
        assert_eq!(escrow.held(), kobo(charge), "{name}");
        let effects = escrow.confirm_payment(&customer("ben"), ids.booking_at(3)).unwrap();
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
    let ids = &mut SequentialIds::default();
    let unfunded = offered(&[(10, None), (20, None)], 0, ids);
    let mut partly = funded(unfunded.clone(), ids);
    let released = partly.milestones()[0].id;
    partly
        .confirm_milestone(&customer("ben"), released, ReleaseOrder::Any, ids.booking_at(3))
        .unwrap();
    let mut completed = partly.clone();
    let last = completed.milestones()[1].id;
    completed
        .confirm_milestone(&customer("ben"), last, ReleaseOrder::Any, ids.booking_at(3))
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
            after.confirm_milestone(&customer(who), milestone, ReleaseOrder::Any, ids.booking_at(9)),
            Err(refusal),
            "row {index}"
        );
        assert_eq!(after, *escrow, "row {index} changed the escrow");
    }
}

#[test]
fn refusals_of_a_standard_confirm_come_in_order() {
    let ids = &mut SequentialIds::default();
    let unfunded = offered_standard(naira(10), WhoPays::Buyer, 0, ids);
    let open = funded(unfunded.clone(), ids);
    let mut completed = open.clone();
    completed.confirm_payment(&customer("ben"), ids.booking_at(3)).unwrap();
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
            after.confirm_payment(&customer(who), ids.booking_at(9)),
            Err(refusal),
            "row {index}"
        );
        assert_eq!(after, *escrow, "row {index} changed the escrow");
    }
}

#[test]
fn refusals_of_an_edit_come_in_order() {
    let ids = &mut SequentialIds::default();
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
    let ids = &mut SequentialIds::default();
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
        let outcome = fund(&mut after, &customer(who), offer.clone(), ids.booking_at(9));
        assert_eq!(outcome.unwrap_err(), refusal, "row {index}");
        assert_eq!(after, before, "row {index} changed an escrow");
    }
}

#[test]
fn an_edit_gives_new_milestones_and_a_new_fee() {
    let ids = &mut SequentialIds::default();
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
    let ids = &mut SequentialIds::default();
    let terms = |who_pays| Terms::new(terms_request(Amount::MAX, who_pays), None, &LIMITS).unwrap();
    let offer = |who_pays, ids: &mut SequentialIds| {
        Escrow::offer_standard(seller("ada", 0), terms(who_pays), Vec::new(), ids.booking_at(1))
    };
    assert!(matches!(offer(WhoPays::Buyer, ids), Err(Refusal::Invalid(invalid)) if invalid.field == "amount"));
    assert!(offer(WhoPays::Seller, ids).is_ok());
}
