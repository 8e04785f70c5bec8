//! The ways out of a hold that escrowd adds (contract section 9.4), case by case.

use crate::domain::effects::Effects;
use crate::domain::escrow::dispute::{Ruling, Speaker, Statement};
use crate::domain::escrow::limits::TermsLimits;
use crate::domain::escrow::terms::Terms;
use crate::domain::escrow::tests::helpers::{
    EXITS, LIMITS, SequentialIds, at, customer, events, funded, hold, kobo, legs, main, naira, offered,
    offered_standard, seller, terms_request,
};
use crate::domain::escrow::{Escrow, ReleaseOrder, Seller, Status};
use crate::domain::fees::{Rates, WhoPays};
use crate::domain::ledger::{Account, TransferKind};
use crate::domain::money::Amount;
use crate::domain::party::Party;
use crate::domain::refusal::Refusal;
use crate::domain::time::Timestamp;

const DAY: i64 = 86_400;
const REFUND: Ruling = Ruling::Refunded {
    additional_fee_refundable: None,
};

fn ada() -> Party {
    Party::Customer(customer("ada"))
}

fn said(seconds: i64) -> Statement {
    Statement::new("Words".to_owned(), at(seconds))
}

fn standard(ids: &mut SequentialIds) -> Escrow {
    offered_standard(naira(10_000), WhoPays::Both, 100, ids)
}

#[test]
fn a_refund_pays_as_a_ruling_for_the_buyer_does() {
    for is_refundable in [true, false] {
        let ids = &mut SequentialIds::default();
        let mut offer = standard(ids);
        offer
            .set_additional_fee(naira(500), Some(is_refundable), at(1))
            .unwrap();
        let mut ruled = funded(offer, ids);
        ruled.submit_statement(&customer("ben"), said(3), EXITS).unwrap();
        let mut refunded = ruled.clone();
        let by_ruling = ruled.resolve(REFUND, said(4), EXITS, ids).unwrap();
        let by_seller = refunded.refund(&ada(), ids.booking_at(4)).unwrap();
        assert_eq!(legs(&by_seller), legs(&by_ruling));
        assert_eq!(events(&by_seller), events(&by_ruling));
        assert_eq!((refunded.status(), refunded.held()), (Status::Refunded, Amount::ZERO));
        assert_eq!(refunded.closed_at(), Some(at(4)));
        let statements = refunded.dispute().unwrap().statements().count();
        assert_eq!(statements, 1, "the merchant has not spoken");
    }
}

#[test]
fn the_additional_fee_of_a_seller_who_is_paid_nothing_names_the_payment() {
    let exits: [fn(&mut Escrow, &mut SequentialIds) -> Effects; 3] = [
        |escrow, ids| escrow.confirm_payment(&customer("ben"), ids.booking_at(3)).unwrap(),
        |escrow, ids| escrow.claim(&ada(), 0, ids.booking_at(400 * DAY)).unwrap(),
        |escrow, ids| escrow.resolve(Ruling::Completed, said(400 * DAY), EXITS, ids).unwrap(),
    ];
    for exit in exits {
        let ids = &mut SequentialIds::default();
        let limits = TermsLimits {
            amount_min: kobo(1),
            ..LIMITS
        };
        let terms = Terms::new(terms_request(kobo(1), WhoPays::Seller), None, &limits).unwrap();
        let seller = Seller {
            rates: Rates::new(5_000, 0).unwrap(),
            ..seller("ada", 0)
        };
        let (mut escrow, _) = Escrow::offer_standard(seller, terms, Vec::new(), ids.booking_at(1)).unwrap();
        escrow.set_additional_fee(naira(5), None, at(2)).unwrap();
        let mut escrow = funded(escrow, ids);
        assert_eq!(escrow.pool(), Amount::ZERO);
        let effects = exit(&mut escrow, ids);
        let references = effects.entries.iter().map(|entry| entry.transaction.reference.as_str());
        assert_eq!(references.collect::<Vec<_>>(), ["DLV-REF"]);
    }
}

#[test]
fn a_refund_of_milestones_leaves_the_released_ones() {
    let ids = &mut SequentialIds::default();
    let mut escrow = funded(offered(&[(300, None), (700, Some("cleo"))], 100, ids), ids);
    let first = escrow.milestones()[0].id;
    escrow
        .confirm_milestone(&customer("ben"), first, ReleaseOrder::Any, ids.booking_at(3))
        .unwrap();
    let effects = escrow.refund(&ada(), ids.booking_at(4)).unwrap();
    let expected = [
        (TransferKind::Refund, hold("ben"), main("ben"), 70_000),
        (TransferKind::PlatformFee, hold("ben"), Account::PlatformFees, 3_000),
    ];
    assert_eq!(legs(&effects), expected);
    assert_eq!(events(&effects), ["payment.escrow.success", "escrow.refunded"]);
    assert_eq!(escrow.milestones()[0].released_at(), Some(at(3)));
    assert_eq!(escrow.milestones()[1].released_at(), None);
    assert_eq!(escrow.dispute(), None);
}

#[test]
fn refusals_of_a_refund_come_in_order() {
    let ids = &mut SequentialIds::default();
    let offer = standard(ids);
    let open = funded(offer.clone(), ids);
    let mut closed = open.clone();
    closed.refund(&ada(), ids.booking_at(3)).unwrap();
    for escrow in [offer, closed] {
        for (who, refusal) in [
            (Party::Customer(customer("ben")), Refusal::AccessDenied),
            (Party::Merchant, Refusal::AccessDenied),
            (ada(), Refusal::ActionNotAllowed),
        ] {
            let mut tried = escrow.clone();
            assert_eq!(tried.refund(&who, ids.booking_at(4)), Err(refusal), "{who:?}");
            assert_eq!(tried, escrow);
        }
    }
    let refused = open
        .clone()
        .refund(&Party::Customer(customer("ben")), ids.booking_at(4));
    assert_eq!(refused, Err(Refusal::AccessDenied));
}

#[test]
fn the_merchant_rules_without_a_dispute_from_the_second_that_is_named() {
    let ids = &mut SequentialIds::default();
    let split = Ruling::Split {
        seller: naira(4_000),
        buyer: naira(5_850),
        additional_fee_refundable: None,
    };
    for (ruling, status) in [
        (Ruling::Completed, Status::Completed),
        (REFUND, Status::Refunded),
        (split, Status::Split),
    ] {
        let mut escrow = funded(standard(ids), ids);
        let before = escrow.clone();
        let rulable_at = at(2 + 7 * DAY + DAY);
        let just_before = Timestamp::from_millis(rulable_at.millis() - 1).unwrap();
        let early = Statement::new("Words".to_owned(), just_before);
        let refused = escrow.resolve(ruling, early, EXITS, ids);
        assert_eq!(refused, Err(Refusal::NoDisputeYet { rulable_at }));
        assert_eq!(escrow, before);
        let late = Statement::new("Words".to_owned(), rulable_at);
        escrow.resolve(ruling, late, EXITS, ids).unwrap();
        assert_eq!((escrow.status(), escrow.held()), (status, Amount::ZERO));
        let dispute = escrow.dispute().unwrap();
        assert!(!dispute.is_between_parties());
        assert_eq!(dispute.last().0, Speaker::Merchant);
    }
}

#[test]
fn each_release_of_a_milestone_gives_the_parties_their_time_again() {
    let ids = &mut SequentialIds::default();
    let mut escrow = offered(&[(300, None), (700, None)], 100, ids);
    assert_eq!(escrow.overdue_at(DAY), None);
    escrow = funded(escrow, ids);
    assert_eq!(escrow.overdue_at(DAY), Some(at(2 + 31 * DAY)));
    let first = escrow.milestones()[0].id;
    escrow
        .confirm_milestone(&customer("ben"), first, ReleaseOrder::Any, ids.booking_at(20 * DAY))
        .unwrap();
    let rulable_at = at(51 * DAY);
    let refused = escrow.resolve(REFUND, said(51 * DAY - 1), EXITS, ids);
    assert_eq!(refused, Err(Refusal::NoDisputeYet { rulable_at }));
    escrow.resolve(REFUND, said(51 * DAY), EXITS, ids).unwrap();
    assert_eq!(escrow.status(), Status::Refunded);
}
