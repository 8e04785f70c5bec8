//! Disputes and rulings, case by case: contract examples 9 to 13, and every refusal in
//! order.

use crate::domain::effects::Effects;
use crate::domain::escrow::dispute::{Resolution, Ruling, Speaker, Statement, statement_text};
use crate::domain::escrow::milestone::{Milestone, MilestoneStatus};
use crate::domain::escrow::tests::helpers::{
    EXITS, STRICT_EXITS, SequentialIds, at, customer, events, funded, hold, kobo, legs, main, naira, offered,
    offered_standard,
};
use crate::domain::escrow::{AdditionalFee, CloseReason, Escrow, Progress, ReleaseOrder, Split, Status};
use crate::domain::fees::WhoPays;
use crate::domain::ledger::{Account, TransferKind};
use crate::domain::money::Amount;
use crate::domain::party::Party;
use crate::domain::refusal::Refusal;

const REFUND: Ruling = Ruling::Refunded {
    additional_fee_refundable: None,
};

fn said(message: &str, seconds: i64) -> Statement {
    Statement::new(message.to_owned(), at(seconds))
}

/// Lets Ben pay for an escrow of Ada and dispute it.
fn disputed(escrow: Escrow, ids: &mut SequentialIds) -> Escrow {
    let mut escrow = funded(escrow, ids);
    escrow
        .submit_statement(&customer("ben"), said("It is broken", 3), EXITS)
        .unwrap();
    escrow
}

fn standard(major: i64, who_pays: WhoPays, ids: &mut SequentialIds) -> Escrow {
    offered_standard(naira(major), who_pays, 0, ids)
}

fn resolve(escrow: &mut Escrow, ruling: Ruling, ids: &mut SequentialIds) -> Result<Effects, Refusal> {
    escrow.resolve(ruling, said("We have looked at it", 9), EXITS, ids)
}

const fn split(seller: Amount, buyer: Amount) -> Ruling {
    Ruling::Split {
        seller,
        buyer,
        additional_fee_refundable: None,
    }
}

/// Returns the sum of all transfers into an account, in minor units.
fn received(effects: &Effects, account: &Account) -> i64 {
    let legs = legs(effects);
    let theirs = legs.iter().filter(|(_, _, credit, _)| credit == account);
    theirs.map(|(_, _, _, amount)| amount).sum()
}

#[test]
fn the_buyer_opens_the_seller_replies_and_no_money_moves() {
    let ids = &mut SequentialIds::default();
    let mut escrow = funded(standard(10_000, WhoPays::Buyer, ids), ids);
    let held = escrow.held();
    let opened = escrow
        .submit_statement(&customer("ben"), said("It is broken", 3), EXITS)
        .unwrap();
    assert_eq!((escrow.status(), escrow.updated_at), (Status::Disputed, at(3)));
    let replied = escrow
        .submit_statement(&customer("ada"), said("It is not", 4), EXITS)
        .unwrap();
    assert_eq!((escrow.status(), escrow.updated_at), (Status::Investigating, at(4)));
    assert_eq!(
        (events(&opened), events(&replied)),
        (
            vec!["escrow.disputed".to_owned()],
            vec!["escrow.investigating".to_owned()]
        )
    );
    assert_eq!((legs(&opened), legs(&replied), escrow.held()), (vec![], vec![], held));
    let said: Vec<_> = escrow
        .dispute()
        .unwrap()
        .statements()
        .map(|(who, said)| (who, said.message.as_str()))
        .collect();
    assert_eq!(said, [(Speaker::Buyer, "It is broken"), (Speaker::Seller, "It is not")]);
}

#[test]
fn the_seller_opens_the_buyer_replies_and_the_order_is_kept() {
    let ids = &mut SequentialIds::default();
    let mut escrow = funded(standard(10_000, WhoPays::Buyer, ids), ids);
    let before = escrow.clone();
    let strict = escrow.submit_statement(&customer("ada"), said("Where are you", 3), STRICT_EXITS);
    assert_eq!((strict, &escrow), (Err(Refusal::ActionNotAllowed), &before));
    let opened = escrow
        .submit_statement(&customer("ada"), said("Where are you", 3), EXITS)
        .unwrap();
    assert_eq!(escrow.status(), Status::Disputed);
    let again = escrow.submit_statement(&customer("ada"), said("x", 3), EXITS);
    assert_eq!(again, Err(Refusal::SellerAlreadyReplied));
    let replied = escrow
        .submit_statement(&customer("ben"), said("Here", 3), EXITS)
        .unwrap();
    assert_eq!(escrow.status(), Status::Investigating);
    let again = escrow.submit_statement(&customer("ben"), said("x", 3), EXITS);
    assert_eq!(again, Err(Refusal::BuyerAlreadyDisputed));
    assert_eq!(
        (events(&opened), events(&replied)),
        (
            vec!["escrow.disputed".to_owned()],
            vec!["escrow.investigating".to_owned()]
        )
    );
    resolve(&mut escrow, REFUND, ids).unwrap();
    let speakers: Vec<Speaker> = escrow.dispute().unwrap().statements().map(|(who, _)| who).collect();
    assert_eq!(speakers, [Speaker::Seller, Speaker::Buyer, Speaker::Merchant]);
}

#[test]
fn refusals_of_a_statement_come_in_order() {
    let ids = &mut SequentialIds::default();
    let mut unfunded = standard(10_000, WhoPays::Buyer, ids);
    for who in ["ben", "ada", "dan"] {
        let refused = unfunded.submit_statement(&customer(who), said("x", 3), EXITS);
        assert_eq!(refused, Err(Refusal::ActionNotAllowed), "{who}");
    }
    let mut escrow = funded(unfunded, ids);
    let refuses = |who: &str, refusal: Refusal, escrow: &mut Escrow| {
        let before = escrow.clone();
        assert_eq!(
            escrow.submit_statement(&customer(who), said("x", 3), EXITS),
            Err(refusal),
            "{who}"
        );
        assert_eq!(*escrow, before);
    };
    refuses("dan", Refusal::AccessDenied, &mut escrow);
    let mut escrow = disputed(standard(10_000, WhoPays::Buyer, ids), ids);
    refuses("ben", Refusal::BuyerAlreadyDisputed, &mut escrow);
    escrow.submit_statement(&customer("ada"), said("No", 4), EXITS).unwrap();
    refuses("ada", Refusal::SellerAlreadyReplied, &mut escrow);
    refuses("ben", Refusal::BuyerAlreadyDisputed, &mut escrow);
    refuses("dan", Refusal::AccessDenied, &mut escrow);
    resolve(&mut escrow, REFUND, ids).unwrap();
    refuses("ben", Refusal::ActionNotAllowed, &mut escrow);
    refuses("dan", Refusal::AccessDenied, &mut escrow);

    // A dispute needs a milestone that is not released.
    let mut stages = funded(offered(&[(1_000, None), (2_000, Some("cleo"))], 0, ids), ids);
    for stage in 0..2 {
        let id = stages.milestones()[stage].id;
        stages
            .confirm_milestone(&customer("ben"), id, ReleaseOrder::Any, ids.booking_at(3))
            .unwrap();
    }
    refuses("cleo", Refusal::AccessDenied, &mut stages);
    refuses("ben", Refusal::NothingLeftToDispute, &mut stages);
    refuses("ada", Refusal::NothingLeftToDispute, &mut stages);
    let mut stages = disputed(offered(&[(1_000, None), (2_000, None)], 0, ids), ids);
    resolve(&mut stages, REFUND, ids).unwrap();
    refuses("ben", Refusal::ActionNotAllowed, &mut stages);
}

#[test]
fn a_ruling_on_an_escrow_of_the_merchant_needs_no_reply() {
    let ids = &mut SequentialIds::default();
    let mut escrow = standard(10_000, WhoPays::Buyer, ids);
    escrow.seller = Party::Merchant;
    let mut escrow = disputed(escrow, ids);
    let effects = resolve(&mut escrow, split(naira(4_000), naira(6_000)), ids).unwrap();
    assert_eq!(received(&effects, &Account::MerchantMain), 400_000);
    assert_eq!(received(&effects, &main("ben")), 600_000);
}

#[test]
fn a_dispute_freezes_every_release() {
    let ids = &mut SequentialIds::default();
    let mut escrow = disputed(standard(10_000, WhoPays::Buyer, ids), ids);
    let refused = escrow.confirm_payment(&customer("ben"), ids.booking_at(5));
    assert_eq!(refused, Err(Refusal::ActionNotAllowed));
    let mut stages = disputed(offered(&[(1_000, None), (2_000, None)], 0, ids), ids);
    let id = stages.milestones()[0].id;
    let refused = stages.confirm_milestone(&customer("ben"), id, ReleaseOrder::Any, ids.booking_at(5));
    assert_eq!(refused, Err(Refusal::ActionNotAllowed));
    resolve(&mut stages, REFUND, ids).unwrap();
    let refused = stages.confirm_milestone(&customer("ben"), id, ReleaseOrder::Any, ids.booking_at(5));
    assert_eq!(refused, Err(Refusal::ActionNotAllowed), "a refunded milestone");
}

#[test]
fn refunds_are_those_of_contract_example_9() {
    use WhoPays::{Both, Buyer, Seller};
    for (who_pays, paid, pool) in [(Buyer, 10_200, 10_000), (Seller, 10_000, 9_800), (Both, 10_100, 9_900)] {
        let ids = &mut SequentialIds::default();
        let mut escrow = disputed(standard(10_000, who_pays, ids), ids);
        assert_eq!((escrow.charge(), escrow.pool()), (naira(paid), naira(pool)));
        let effects = resolve(&mut escrow, REFUND, ids).unwrap();
        let expected = [
            (TransferKind::Refund, hold("ben"), main("ben"), pool * 100),
            (TransferKind::PlatformFee, hold("ben"), Account::PlatformFees, 20_000),
        ];
        assert_eq!(legs(&effects), expected);
        assert_eq!(events(&effects), ["payment.escrow.success", "escrow.refunded"]);
        assert_eq!(escrow.status(), Status::Refunded);
        assert_eq!((escrow.held(), escrow.closed_at()), (Amount::ZERO, Some(at(9))));
    }
}

#[test]
fn an_additional_fee_goes_where_contract_example_10_says() {
    let rulings = [
        (None, true, 10_500, 0),
        (None, false, 10_000, 500),
        (Some(true), false, 10_500, 0),
        (Some(false), true, 10_000, 500),
    ];
    for (said, on_escrow, to_buyer, to_merchant) in rulings {
        let ids = &mut SequentialIds::default();
        let mut escrow = standard(10_000, WhoPays::Buyer, ids);
        escrow.additional_fee = AdditionalFee {
            amount: naira(500),
            is_refundable: on_escrow,
        };
        let mut escrow = disputed(escrow, ids);
        assert_eq!((escrow.charge(), escrow.pool()), (naira(10_700), naira(10_000)));
        let ruling = Ruling::Refunded {
            additional_fee_refundable: said,
        };
        let effects = resolve(&mut escrow, ruling, ids).unwrap();
        assert_eq!(received(&effects, &main("ben")), to_buyer * 100);
        assert_eq!(received(&effects, &Account::MerchantMain), to_merchant * 100);
        assert_eq!(received(&effects, &Account::PlatformFees), 20_000);
        assert_eq!(escrow.additional_fee.is_refundable, said.unwrap_or(on_escrow));
    }
}

#[test]
fn a_completion_always_pays_the_additional_fee_to_the_merchant() {
    let ids = &mut SequentialIds::default();
    let mut escrow = offered_standard(naira(10_000), WhoPays::Buyer, 100, ids);
    escrow.additional_fee.amount = naira(500);
    let mut escrow = disputed(escrow, ids);
    let effects = resolve(&mut escrow, Ruling::Completed, ids).unwrap();
    let expected = [
        (TransferKind::Release, hold("ben"), main("ada"), 1_000_000),
        (TransferKind::Commission, hold("ben"), Account::MerchantMain, 10_000),
        (TransferKind::PlatformFee, hold("ben"), Account::PlatformFees, 20_000),
        (TransferKind::AdditionalFee, hold("ben"), Account::MerchantMain, 50_000),
    ];
    assert_eq!(legs(&effects), expected);
    assert!(escrow.additional_fee.is_refundable);
    assert_eq!(escrow.status(), Status::Completed);
}

/// Returns an escrow of 1,000,000 in three stages, of which the first is released.
fn one_of_three_released(ids: &mut SequentialIds) -> Escrow {
    let stages = [(300_000, None), (500_000, Some("cleo")), (200_000, None)];
    let mut escrow = funded(offered(&stages, 0, ids), ids);
    let first = escrow.milestones()[0].id;
    escrow
        .confirm_milestone(&customer("ben"), first, ReleaseOrder::Any, ids.booking_at(3))
        .unwrap();
    escrow
        .submit_statement(&customer("ben"), said("Late", 4), EXITS)
        .unwrap();
    assert_eq!(escrow.pool(), naira(700_000));
    escrow
}

fn statuses(escrow: &Escrow) -> Vec<MilestoneStatus> {
    let status = |milestone: &Milestone| milestone.status;
    escrow.milestones().iter().map(status).collect()
}

fn released(seconds: i64) -> MilestoneStatus {
    MilestoneStatus::Released(at(seconds))
}

#[test]
fn milestones_are_refunded_as_in_contract_example_11() {
    let ids = &mut SequentialIds::default();
    let mut escrow = one_of_three_released(ids);
    let effects = resolve(&mut escrow, REFUND, ids).unwrap();
    let expected = [
        (TransferKind::Refund, hold("ben"), main("ben"), 70_000_000),
        (TransferKind::PlatformFee, hold("ben"), Account::PlatformFees, 2_000_000),
    ];
    assert_eq!(legs(&effects), expected);
    assert_eq!(
        statuses(&escrow),
        [released(3), MilestoneStatus::Refunded, MilestoneStatus::Refunded]
    );
}

#[test]
fn each_held_milestone_is_completed_to_its_own_payee() {
    let ids = &mut SequentialIds::default();
    let mut escrow = one_of_three_released(ids);
    let effects = resolve(&mut escrow, Ruling::Completed, ids).unwrap();
    let expected = [
        (TransferKind::Release, hold("ben"), main("cleo"), 50_000_000),
        (TransferKind::Release, hold("ben"), main("ada"), 20_000_000),
        (TransferKind::PlatformFee, hold("ben"), Account::PlatformFees, 2_000_000),
    ];
    assert_eq!(legs(&effects), expected);
    assert_eq!(statuses(&escrow), [released(3), released(9), released(9)]);
}

#[test]
fn splits_are_those_of_contract_examples_12_and_13() {
    let ids = &mut SequentialIds::default();
    let mut escrow = disputed(standard(150_000, WhoPays::Both, ids), ids);
    assert_eq!((escrow.charge(), escrow.pool()), (naira(151_500), naira(148_500)));
    let before = escrow.clone();
    for (seller, buyer) in [
        (naira(100_000), naira(50_000)),
        (naira(100_000), naira(48_499)),
        (Amount::MAX, Amount::MAX),
        (Amount::ZERO, Amount::ZERO),
    ] {
        let refused = resolve(&mut escrow, split(seller, buyer), ids);
        assert!(matches!(refused, Err(Refusal::SplitDoesNotAddUp { pool, .. }) if pool == naira(148_500)));
    }
    assert_eq!(escrow, before);
    let effects = resolve(&mut escrow, split(naira(100_000), naira(48_500)), ids).unwrap();
    let expected = [
        (TransferKind::Release, hold("ben"), main("ada"), 10_000_000),
        (TransferKind::Refund, hold("ben"), main("ben"), 4_850_000),
        (TransferKind::PlatformFee, hold("ben"), Account::PlatformFees, 300_000),
    ];
    assert_eq!(legs(&effects), expected);

    let mut escrow = one_of_three_released(ids);
    let (seller, buyer) = (kobo(45_000_050), kobo(24_999_950));
    let effects = resolve(&mut escrow, split(seller, buyer), ids).unwrap();
    assert_eq!(received(&effects, &main("ada")), 45_000_050);
    assert_eq!(
        received(&effects, &main("cleo")),
        0,
        "the seller's part is the seller's"
    );
    assert_eq!(
        statuses(&escrow),
        [released(3), MilestoneStatus::Split, MilestoneStatus::Split]
    );
    let Progress::Closed { outcome, .. } = escrow.progress else {
        panic!("a ruling closes");
    };
    assert_eq!(outcome, CloseReason::Split(Split { seller, buyer }));
}

#[test]
fn a_part_of_a_split_may_be_zero_and_then_has_no_transfer() {
    for (seller, buyer, payee) in [(0, 10_000, "ben"), (10_000, 0, "ada")] {
        let ids = &mut SequentialIds::default();
        let mut escrow = offered_standard(naira(10_000), WhoPays::Buyer, 100, ids);
        escrow.additional_fee.amount = naira(500);
        let mut escrow = disputed(escrow, ids);
        let effects = resolve(&mut escrow, split(naira(seller), naira(buyer)), ids).unwrap();
        let payouts = effects.transfers.iter().filter(|out| out.amount == naira(10_000));
        assert_eq!(payouts.count(), 1);
        assert!(received(&effects, &main(payee)) >= 1_000_000);
        assert_eq!(
            received(&effects, &Account::MerchantMain),
            10_000,
            "the commission is paid on a split"
        );
        assert_eq!(escrow.held(), Amount::ZERO);
    }
}

#[test]
fn refusals_of_a_ruling_come_in_order() {
    let ids = &mut SequentialIds::default();
    let wrong_split = split(naira(1), naira(1));
    let mut escrow = standard(10_000, WhoPays::Buyer, ids);
    assert_eq!(resolve(&mut escrow, wrong_split, ids), Err(Refusal::NoDispute));
    let mut escrow = funded(escrow, ids);
    let rulable_at = at(2 + 8 * 86_400);
    let too_early = Err(Refusal::NoDisputeYet { rulable_at });
    assert_eq!(resolve(&mut escrow, wrong_split, ids), too_early);
    let strict = escrow.resolve(wrong_split, said("No", 500 * 86_400), STRICT_EXITS, ids);
    assert_eq!(strict, Err(Refusal::NoDispute));
    escrow.submit_statement(&customer("ben"), said("x", 3), EXITS).unwrap();
    let refused = resolve(&mut escrow, wrong_split, ids);
    assert!(matches!(refused, Err(Refusal::SplitDoesNotAddUp { pool, .. }) if pool == naira(10_000)));
    resolve(&mut escrow, REFUND, ids).unwrap();
    assert_eq!(resolve(&mut escrow, wrong_split, ids), Err(Refusal::AlreadyResolved));
    // Closed without any dispute.
    let mut escrow = funded(standard(10_000, WhoPays::Buyer, ids), ids);
    escrow.confirm_payment(&customer("ben"), ids.booking_at(5)).unwrap();
    assert_eq!(resolve(&mut escrow, REFUND, ids), Err(Refusal::AlreadyResolved));
}

#[test]
fn only_a_split_has_amounts() {
    let (some, none) = (|major| Some(naira(major)), None);
    for (seller, buyer) in [(none, none), (some(1), none), (none, some(1))] {
        assert_eq!(
            Resolution::Split.with_amounts(seller, buyer),
            Err(Refusal::SplitAmountsMissing)
        );
    }
    for resolution in [Resolution::Completed, Resolution::Refunded] {
        for (seller, buyer) in [(some(0), none), (none, some(1)), (some(1), some(1))] {
            assert_eq!(
                resolution.with_amounts(seller, buyer),
                Err(Refusal::SplitAmountsWithoutSplit)
            );
        }
    }
    assert_eq!(Resolution::Completed.with_amounts(none, none), Ok(Ruling::Completed));
    assert_eq!(Resolution::Refunded.with_amounts(none, none), Ok(REFUND));
    assert_eq!(
        Resolution::Split.with_amounts(some(0), some(1)),
        Ok(split(Amount::ZERO, naira(1)))
    );
}

#[test]
fn a_completion_ignores_the_additional_fee() {
    assert_eq!(Ruling::Completed.with_additional_fee(Some(true)), Ruling::Completed);
    assert_eq!(
        REFUND.with_additional_fee(Some(true)),
        Ruling::Refunded {
            additional_fee_refundable: Some(true)
        }
    );
}

#[test]
fn a_blank_statement_is_refused() {
    let text = |message: &str| statement_text("message", message.to_owned(), 10);
    for message in ["", "  \n", "12345678901", "a\u{0}b"] {
        assert_eq!(text(message).unwrap_err().field, "message", "{message:?}");
    }
    assert_eq!(text("Two\nlines").unwrap(), "Two\nlines");
}
