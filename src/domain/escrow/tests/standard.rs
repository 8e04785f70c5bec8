//! Offers and edits of standard escrows, links, claims, and the rules of `strict` for
//! milestones.

use crate::domain::effects::Booking;
use crate::domain::escrow::limits::TermsLimits;
use crate::domain::escrow::terms::{
    Conversion, DeliveryTimeline, KeptTerms, MilestoneOffer, MilestoneRequest, MilestoneTerms, Terms, TermsRequest,
};
use crate::domain::escrow::tests::helpers::{
    LIMITS, SequentialIds, at, customer, events, funded, hold, kobo, legs, main, naira, offered, offered_standard,
    payment, seller, terms_request,
};
use crate::domain::escrow::{
    AdditionalFee, CloseReason, Escrow, IMAGES_MAX, Progress, ReleaseOrder, Seller, Status, fund,
};
use crate::domain::fees::WhoPays;
use crate::domain::file::{FileKind, FileName};
use crate::domain::ids::MilestoneId;
use crate::domain::invalid::Invalid;
use crate::domain::ledger::{Account, TransferKind};
use crate::domain::money::Amount;
use crate::domain::party::Party;
use crate::domain::refusal::Refusal;
use crate::domain::time::Timestamp;

const STRICT: TermsLimits = TermsLimits {
    is_strict: true,
    ..LIMITS
};
const KEEP_ALL: KeptTerms = KeptTerms {
    description: true,
    max_delivery: true,
    delivery_timeline: true,
    total_quantity: true,
    category: true,
};

fn terms(amount: Amount, who_pays: WhoPays) -> Terms {
    Terms::new(terms_request(amount, who_pays), None, &LIMITS).unwrap()
}

fn link(quantity: i64, ids: &mut SequentialIds) -> Escrow {
    let request = TermsRequest {
        total_quantity: Some(quantity),
        ..terms_request(naira(1_000), WhoPays::Buyer)
    };
    let terms = Terms::new(request, None, &LIMITS).unwrap();
    Escrow::offer_standard(seller("ada", 0), terms, Vec::new(), ids.booking_at(1))
        .unwrap()
        .0
}

fn image(byte: u8) -> FileName {
    FileName {
        hash: [byte; 32],
        kind: FileKind::Png,
    }
}

pub(super) fn conversion(amount: Option<Amount>, stages: &[i64]) -> Conversion {
    let stage = |&major: &i64| MilestoneTerms {
        title: "Stage".to_owned(),
        description: None,
        amount: naira(major),
        due_date: None,
        beneficiary: None,
    };
    Conversion {
        amount,
        milestones: stages.iter().map(stage).collect(),
    }
}

/// Asserts that a step is refused and leaves the escrow unchanged.
#[track_caller]
fn refuses<T: std::fmt::Debug + PartialEq>(
    escrow: &Escrow,
    refusal: Refusal,
    step: impl FnOnce(&mut Escrow) -> Result<T, Refusal>,
) {
    let mut after = escrow.clone();
    assert_eq!(step(&mut after), Err(refusal));
    assert_eq!(after, *escrow, "a refusal changed the escrow");
}

#[test]
fn refusals_of_a_standard_edit_come_in_order() {
    let ids = &mut SequentialIds::default();
    let unfunded = offered_standard(naira(10), WhoPays::Buyer, 0, ids);
    let open = funded(unfunded.clone(), ids);
    let milestones = funded(offered(&[(10, None), (20, None)], 0, ids), ids);
    let six = || (0..6).map(image).collect::<Vec<_>>();
    let too_many = Invalid::wrong("imageUrl", "at most 5 files in all", "6 of them");
    for (escrow, who, refusal) in [
        (&milestones, "eve", Refusal::AccessDenied),
        (&open, "ben", Refusal::AccessDenied),
        (&milestones, "ada", Refusal::ActionNotAllowed),
        (&open, "ada", Refusal::ActionNotAllowed),
        (&unfunded, "ada", too_many.into()),
    ] {
        refuses(escrow, refusal, |escrow| {
            let terms = terms(naira(20), WhoPays::Both);
            escrow.edit_standard(&seller(who, 0), terms, KEEP_ALL, six(), at(9))
        });
    }
}

#[test]
fn an_edit_sets_the_fee_anew_and_keeps_what_is_not_sent() {
    let ids = &mut SequentialIds::default();
    let mut escrow = link(5, ids);
    escrow.terms.description = Some("As new".to_owned());
    escrow.set_additional_fee(naira(7), Some(false), at(2)).unwrap();
    escrow.take_from_link(ids.booking_at(3)).unwrap();
    escrow.add_images(vec![image(1)]).unwrap();
    let new = || terms(naira(2_000), WhoPays::Seller);
    escrow
        .edit_standard(&seller("ada", 100), new(), KEEP_ALL, vec![image(2)], at(5))
        .unwrap();
    assert_eq!(
        (escrow.fee.total(), escrow.fee.buyer_share()),
        (naira(60), Amount::ZERO)
    );
    assert_eq!(escrow.charge(), naira(2_007), "the additional fee stays");
    assert_eq!(escrow.terms.description.as_deref(), Some("As new"));
    assert_eq!((escrow.is_link, escrow.terms.total_quantity), (true, 4));
    assert_eq!(escrow.images, [image(1), image(2)]);
    assert_eq!((escrow.created_at, escrow.updated_at), (at(1), at(5)));

    let mut edit = |keeps| escrow.edit_standard(&seller("ada", 0), new(), keeps, Vec::new(), at(6));
    edit(KeptTerms::default()).unwrap();
    assert_eq!(escrow.terms.description, None);
    assert_eq!((escrow.is_link, escrow.terms.total_quantity), (false, 1));
}

#[test]
fn an_escrow_has_at_most_five_images() {
    let ids = &mut SequentialIds::default();
    let mut escrow = offered_standard(naira(10), WhoPays::Buyer, 0, ids);
    escrow.add_images((0..4).map(image).collect()).unwrap();
    assert!(escrow.add_images(vec![image(8), image(9)]).is_err());
    assert_eq!(escrow.images.len(), 4);
    escrow.add_images(vec![image(9)]).unwrap();
    assert_eq!(escrow.images.len(), IMAGES_MAX);
}

#[test]
fn refusals_of_an_additional_fee_come_in_order() {
    let ids = &mut SequentialIds::default();
    let unfunded = offered_standard(naira(10), WhoPays::Buyer, 0, ids);
    let open = funded(unfunded.clone(), ids);
    let milestones = offered(&[(10, None), (20, None)], 0, ids);
    let room = Amount::MAX.checked_sub(unfunded.charge()).unwrap();
    let too_much = room.checked_add(kobo(1)).unwrap();
    for escrow in [&milestones, &funded(milestones.clone(), ids)] {
        refuses(escrow, Refusal::AdditionalFeeNotStandard, |escrow| {
            escrow.set_additional_fee(too_much, None, at(9))
        });
    }
    refuses(&open, Refusal::AdditionalFeeNotPending, |escrow| {
        escrow.set_additional_fee(too_much, None, at(9))
    });
    let mut after = unfunded.clone();
    let refusal = after.set_additional_fee(too_much, None, at(9)).unwrap_err();
    assert!(matches!(refusal, Refusal::Invalid(invalid) if invalid.field == "additionalFee"));
    assert_eq!(after, unfunded);
    after.set_additional_fee(room, None, at(9)).unwrap();
    assert_eq!(after.charge(), Amount::MAX);
}

#[test]
fn an_edit_that_leaves_no_room_for_the_additional_fee_is_refused() {
    let ids = &mut SequentialIds::default();
    let mut escrow = offered_standard(naira(10), WhoPays::Seller, 0, ids);
    escrow.set_additional_fee(kobo(1), None, at(2)).unwrap();
    let mut edit = |amount| {
        let terms = terms(amount, WhoPays::Seller);
        escrow.edit_standard(&seller("ada", 0), terms, KEEP_ALL, Vec::new(), at(3))
    };
    assert!(matches!(edit(Amount::MAX), Err(Refusal::Invalid(invalid)) if invalid.field == "amount"));
    edit(Amount::MAX.checked_sub(kobo(1)).unwrap()).unwrap();
}

#[test]
fn an_additional_fee_goes_to_the_merchant_as_in_contract_examples_1_and_2() {
    // amount, additional fee, then what the buyer pays, the seller, the merchant and the platform
    // get
    for (amount, additional, charge, to_seller, platform) in [
        (250_000, 7_500, 257_500, 245_000, 5_000),
        (123_456, 3_704, 127_160, 120_987, 2_469),
    ] {
        let ids = &mut SequentialIds::default();
        let mut escrow = offered_standard(kobo(amount), WhoPays::Seller, 0, ids);
        escrow.set_additional_fee(kobo(additional), None, at(2)).unwrap();
        let mut escrow = funded(escrow, ids);
        assert_eq!(escrow.held(), kobo(charge));
        let settlement = escrow.confirm_payment(&customer("ben"), ids.booking_at(3)).unwrap();
        assert_eq!(
            legs(&settlement),
            [
                (TransferKind::Release, hold("ben"), main("ada"), to_seller),
                (TransferKind::PlatformFee, hold("ben"), Account::PlatformFees, platform),
                (
                    TransferKind::AdditionalFee,
                    hold("ben"),
                    Account::MerchantMain,
                    additional
                ),
            ]
        );
        let delivery = &settlement.entries.last().unwrap().transaction;
        let credit = settlement.entries[0].transaction.reference.as_str();
        assert_eq!(delivery.reference.as_str(), format!("DLV-{credit}"));
    }
}

#[test]
fn the_seller_may_delete_an_offer_until_it_is_paid_for() {
    let ids = &mut SequentialIds::default();
    let standard = offered_standard(naira(10), WhoPays::Buyer, 0, ids);
    let milestones = offered(&[(10, None), (20, None)], 0, ids);
    for escrow in [standard, milestones] {
        let ada = Party::Customer(customer("ada"));
        assert_eq!(escrow.check_deletable_by(&ada), Ok(()));
        let open = funded(escrow, ids);
        assert_eq!(open.check_deletable_by(&Party::Merchant), Err(Refusal::AccessDenied));
        assert_eq!(open.check_deletable_by(&ada), Err(Refusal::ActionNotAllowed));
    }
}

#[test]
fn refusals_of_a_conversion_come_in_order() {
    let ids = &mut SequentialIds::default();
    let unfunded = offered_standard(naira(30), WhoPays::Seller, 0, ids);
    let link = link(2, ids);
    let milestones = offered(&[(10, None), (20, None)], 0, ids);
    let largest = (Amount::MAX.minor() - 91) / 100;
    for (escrow, who, stages, refusal) in [
        (&funded(milestones.clone(), ids), "eve", [1, 1], Refusal::AccessDenied),
        (
            &funded(milestones, ids),
            "ada",
            [1, 1],
            Refusal::AlreadyAMilestoneEscrow,
        ),
        (&link, "ada", [1, 1], Refusal::ActionNotAllowed),
        (&funded(unfunded.clone(), ids), "ada", [1, 1], Refusal::ActionNotAllowed),
        (
            &unfunded,
            "ada",
            [1, 1],
            Refusal::MilestonesDoNotAddUp {
                amount: unfunded.terms.amount,
                sum: Some(naira(2)),
            },
        ),
    ] {
        refuses(escrow, refusal, |escrow| {
            escrow.convert_to_milestones(&seller(who, 0), conversion(None, &stages), &LIMITS, ids, at(9))
        });
    }
    let mut after = unfunded.clone();
    let all = conversion(Some(naira(largest)), &[1, largest - 1]);
    let refusal = after
        .convert_to_milestones(&seller("ada", 0), all, &LIMITS, ids, at(9))
        .unwrap_err();
    assert!(matches!(refusal, Refusal::Invalid(invalid) if invalid.field == "amount"));
    assert_eq!(after, unfunded);
}

#[test]
fn a_conversion_moves_the_fee_to_the_buyer_and_drops_the_additional_fee() {
    let ids = &mut SequentialIds::default();
    let mut escrow = offered_standard(naira(30), WhoPays::Seller, 0, ids);
    escrow.set_additional_fee(naira(5), Some(false), at(2)).unwrap();
    let before = escrow.clone();
    let parts = conversion(Some(naira(100)), &[40, 60]);
    escrow
        .convert_to_milestones(&seller("ada", 100), parts, &LIMITS, ids, at(3))
        .unwrap();
    assert_eq!(escrow.charge(), naira(103));
    assert_eq!(escrow.additional_fee, AdditionalFee::NONE);
    assert_eq!((escrow.id, &escrow.payment_token), (before.id, &before.payment_token));
    assert_eq!(escrow.terms.purpose, before.terms.purpose);
    let escrow = funded(escrow, ids);
    assert_eq!((escrow.pool(), escrow.held()), (naira(100), naira(103)));
}

#[test]
fn every_buyer_of_a_link_has_an_escrow_of_their_own() {
    let ids = &mut SequentialIds::default();
    let mut original = link(2, ids);
    original.set_additional_fee(naira(5), Some(false), at(2)).unwrap();
    original.add_images(vec![image(1)]).unwrap();
    let (taken, settlement) = original.take_from_link(ids.booking_at(3)).unwrap();
    assert_eq!(events(&settlement), ["escrow.created"]);
    assert!(taken.id.number() > original.id.number() && taken.payment_token != original.payment_token);
    assert_eq!((taken.charge(), taken.fee), (original.charge(), original.fee));
    assert_eq!(
        (taken.additional_fee, &taken.images),
        (original.additional_fee, &original.images)
    );
    assert_eq!((taken.is_link, taken.terms.total_quantity), (false, 1));
    assert_eq!((taken.created_at, taken.updated_at), (at(3), at(3)));
    assert_eq!(
        (original.is_link, original.terms.total_quantity, original.status()),
        (true, 1, Status::Pending)
    );
    let last = original.take_from_link(ids.booking_at(4)).unwrap().0;
    assert_eq!((original.is_link, original.terms.total_quantity), (true, 0));
    assert_eq!(funded(last, ids).held(), naira(1_025));
    refuses(&original, Refusal::EscrowNotPayable, |link| {
        assert!(link.take_from_link(ids.booking_at(5)).is_none());
        let wish = payment(Amount::MAX);
        fund(std::slice::from_mut(link), &customer("ben"), wish, ids.booking_at(5))
    });
    let mut plain = offered_standard(naira(10), WhoPays::Buyer, 0, ids);
    assert!(plain.take_from_link(ids.booking_at(5)).is_none());
}

#[test]
fn refusals_of_a_claim_come_in_order() {
    let ids = &mut SequentialIds::default();
    let unfunded = offered_standard(naira(10), WhoPays::Buyer, 0, ids);
    let open = funded(unfunded.clone(), ids);
    let mut completed = open.clone();
    completed.confirm_payment(&customer("ben"), ids.booking_at(3)).unwrap();
    let milestones = funded(offered(&[(10, None), (20, None)], 0, ids), ids);
    let claimable_at = at(2 + 7 * 86_400 + 60);
    for (escrow, who, refusal) in [
        (&milestones, "ben", Refusal::AccessDenied),
        (&open, "ben", Refusal::AccessDenied),
        (&milestones, "ada", Refusal::ActionNotAllowed),
        (&unfunded, "ada", Refusal::ActionNotAllowed),
        (&completed, "ada", Refusal::ActionNotAllowed),
        (&open, "ada", Refusal::ClaimTooEarly { claimable_at }),
    ] {
        refuses(escrow, refusal, |escrow| {
            escrow.claim(&Party::Customer(customer(who)), 60, ids.booking_at(9))
        });
    }
}

#[test]
fn a_claim_pays_like_a_confirmation_from_the_second_it_is_due() {
    let units = [
        (DeliveryTimeline::Minutes, 60),
        (DeliveryTimeline::Hours, 3_600),
        (DeliveryTimeline::Days, 86_400),
    ];
    for (unit, seconds) in units {
        let ids = &mut SequentialIds::default();
        let request = TermsRequest {
            max_delivery: Some(6),
            delivery_timeline: Some(unit),
            ..terms_request(naira(1_000), WhoPays::Both)
        };
        let terms = Terms::new(request, None, &LIMITS).unwrap();
        let (mut escrow, _) = Escrow::offer_standard(seller("ada", 100), terms, Vec::new(), ids.booking_at(1)).unwrap();
        escrow.set_additional_fee(naira(5), None, at(1)).unwrap();
        let mut open = escrow.clone();
        // Late in the second that `paidAt` shows, which the deadline is counted from.
        let paid_at = Timestamp::from_millis(2_999).unwrap();
        fund(
            std::slice::from_mut(&mut open),
            &customer("ben"),
            payment(Amount::MAX),
            Booking::new(ids, paid_at),
        )
        .unwrap();
        let ada = Party::Customer(customer("ada"));
        let deadline = at(2 + 6 * seconds + 86_400);
        let just_before = Timestamp::from_millis(deadline.millis() - 1).unwrap();
        refuses(&open, Refusal::ClaimTooEarly { claimable_at: deadline }, |escrow| {
            escrow.claim(&ada, 86_400, Booking::new(ids, just_before))
        });
        let mut claimed = open.clone();
        let settlement = claimed.claim(&ada, 86_400, Booking::new(ids, deadline)).unwrap();
        let mut confirmed = open.clone();
        let as_confirmed = confirmed
            .confirm_payment(&customer("ben"), Booking::new(ids, deadline))
            .unwrap();
        assert_eq!(legs(&settlement), legs(&as_confirmed));
        assert_eq!(
            events(&settlement),
            [
                "payment.escrow.success",
                "escrow.claimed",
                "payment.commission.success",
                "payment.delivery.success"
            ]
        );
        assert_eq!((claimed.status(), claimed.held()), (Status::Claimed, Amount::ZERO));
        assert!(
            matches!(claimed.progress, Progress::Closed { outcome: CloseReason::Claimed, at, .. } if at == deadline)
        );
    }
}

#[test]
fn the_merchant_claims_an_escrow_that_it_sells() {
    let ids = &mut SequentialIds::default();
    let of_merchant = Seller {
        party: Party::Merchant,
        ..seller("ada", 0)
    };
    let (escrow, _) = Escrow::offer_standard(
        of_merchant,
        terms(naira(10), WhoPays::Seller),
        Vec::new(),
        ids.booking_at(1),
    )
    .unwrap();
    let mut escrow = funded(escrow, ids);
    let settlement = escrow
        .claim(&Party::Merchant, 0, ids.booking_at(30 * 86_400 + 2))
        .unwrap();
    assert_eq!(
        legs(&settlement)[0],
        (TransferKind::Release, hold("ben"), Account::MerchantMain, 980)
    );
}

#[test]
fn milestones_that_have_an_order_are_released_in_it() {
    let ids = &mut SequentialIds::default();
    let mut escrow = funded(offered(&[(10, None), (20, None), (30, None)], 0, ids), ids);
    let milestones: Vec<MilestoneId> = escrow.milestones().iter().map(|milestone| milestone.id).collect();
    let ben = customer("ben");
    let mut confirm = |escrow: &mut Escrow, position: usize| {
        escrow.confirm_milestone(
            &ben,
            milestones[position],
            ReleaseOrder::FirstPending,
            ids.booking_at(3),
        )
    };
    for out_of_order in [1, 2] {
        refuses(&escrow, Refusal::MilestonesOutOfOrder, |escrow| {
            confirm(escrow, out_of_order)
        });
    }
    confirm(&mut escrow, 0).unwrap();
    refuses(&escrow, Refusal::MilestoneAlreadyReleased, |escrow| confirm(escrow, 0));
    refuses(&escrow, Refusal::MilestonesOutOfOrder, |escrow| confirm(escrow, 2));
    confirm(&mut escrow, 1).unwrap();
    confirm(&mut escrow, 2).unwrap();
    assert_eq!(escrow.held(), Amount::ZERO);
}

#[test]
fn strict_accepts_kobo_in_milestones_and_requires_the_window() {
    let stage = |minor| MilestoneRequest {
        title: "Stage".to_owned(),
        description: None,
        amount: kobo(minor),
        due_date: None,
        beneficiary: None,
    };
    let offer = |minor: [i64; 2], window: bool, limits: &TermsLimits| {
        let request = TermsRequest {
            max_delivery: window.then_some(3),
            delivery_timeline: window.then_some(DeliveryTimeline::Days),
            ..terms_request(kobo(minor.iter().sum()), WhoPays::Buyer)
        };
        MilestoneOffer::new(request, None, minor.map(stage).into(), limits, at(0).date()).map(|_| ())
    };
    let too_small = |got| Invalid::wrong("milestones[0].amount", "a number of at least 1", got).into();
    let expected = "a positive whole number (the setting strict = true allows two decimals)";
    let not_whole = Invalid::wrong("milestones[0].amount", expected, "1.5").into();
    assert_eq!(offer([150, 250], true, &STRICT), Ok(()));
    assert_eq!(offer([99, 301], true, &STRICT), Err(too_small("0.99")));
    assert_eq!(offer([150, 250], true, &LIMITS), Err(not_whole));
    assert_eq!(offer([100, 200], false, &LIMITS), Ok(()));
    let total = |amount: i64, limits: &TermsLimits| {
        let mut request = terms_request(kobo(amount), WhoPays::Buyer);
        (request.max_delivery, request.delivery_timeline) = (Some(3), Some(DeliveryTimeline::Days));
        MilestoneOffer::new(request, None, vec![stage(100), stage(200)], limits, at(0).date()).unwrap_err()
    };
    assert_eq!(
        total(350, &LIMITS),
        LIMITS.check_milestone_total(kobo(350)).unwrap_err().into()
    );
    let not_the_sum = |amount| Refusal::MilestonesDoNotAddUp {
        amount: kobo(amount),
        sum: Some(kobo(300)),
    };
    assert_eq!(total(350, &STRICT), not_the_sum(350));
    assert_eq!(total(400, &LIMITS), not_the_sum(400));
    assert_eq!(
        offer([100, 200], false, &STRICT),
        Err(Invalid::missing("maxDelivery").into())
    );
    let mut request = terms_request(naira(3), WhoPays::Buyer);
    request.max_delivery = Some(1);
    assert_eq!(
        MilestoneOffer::new(request, None, vec![stage(100), stage(200)], &STRICT, at(0).date()).unwrap_err(),
        Invalid::missing("deliveryTimeline").into()
    );
}
