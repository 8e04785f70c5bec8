//! Payments for several escrows, payments by card, and the references of what follows.

use crate::domain::decline::Decline;
use crate::domain::escrow::tests::helpers::{
    SequentialIds, at, customer, events, funded, hold, kobo, legs, naira, offered, offered_standard, payment,
};
use crate::domain::escrow::{Escrow, PaymentOffer, Source, check_not_listed, check_token, fund, sort_for_funding};
use crate::domain::fees::WhoPays;
use crate::domain::ids::CardId;
use crate::domain::ledger::{Account, TransferKind};
use crate::domain::money::Amount;
use crate::domain::payments::card::{Card, TEST_CARDS};
use crate::domain::refusal::Refusal;
use crate::domain::transaction::{Method, PaymentStatus};

/// Two offered escrows, the older one first. Each charges 30.60.
fn two_offered(ids: &mut SequentialIds) -> [Escrow; 2] {
    [(); 2].map(|()| offered(&[(10, None), (20, None)], 0, ids))
}

fn by_card(number: usize, inside: Amount) -> PaymentOffer {
    let card = Card {
        id: CardId::new(7, 8),
        kind: TEST_CARDS[number],
        created_at: at(0),
    };
    PaymentOffer {
        source: Source::Card { card, inside },
        ..payment(Amount::ZERO)
    }
}

/// Returns an amount that is this much below the most that accounts may hold.
fn below_max(amount: Amount) -> Amount {
    Amount::MAX.checked_sub(amount).unwrap()
}

#[test]
fn a_payment_names_each_escrow_once() {
    let ids = &mut SequentialIds::default();
    let [first, second] = two_offered(ids);
    assert_eq!(check_not_listed(&[], &first), Ok(()));
    assert_eq!(check_not_listed(std::slice::from_ref(&first), &second), Ok(()));
    let listed = [first.clone(), second.clone()];
    for named in [&first, &second] {
        let refused = check_not_listed(&listed, named).unwrap_err();
        assert_eq!(refused.field, "escrowDetails.escrowId");
    }
}

#[test]
fn a_token_beside_one_id_is_that_escrows() {
    let ids = &mut SequentialIds::default();
    let [first, second] = two_offered(ids);
    let only = std::slice::from_ref(&first);
    assert_eq!(check_token(only, &first.payment_token), Ok(()));
    let refused = check_token(only, &second.payment_token).unwrap_err();
    assert_eq!(refused.field, "escrowDetails.paymentToken");
}

#[test]
fn escrows_are_funded_in_the_order_of_their_offers() {
    let ids = &mut SequentialIds::default();
    let [first, second] = two_offered(ids);
    let mut escrows = [second.clone(), first.clone()];
    sort_for_funding(&mut escrows);
    assert_eq!(escrows, [first, second]);
}

#[test]
fn a_wallet_pays_with_exactly_what_it_has() {
    let ids = &mut SequentialIds::default();
    let mut escrows = two_offered(ids);
    let (paid, _) = fund(&mut escrows, &customer("ben"), payment(kobo(6_120)), ids.booking_at(2)).unwrap();
    assert_eq!(paid.transaction.amount, kobo(6_120));
}

#[test]
fn a_card_pays_from_outside_into_the_hold() {
    let ids = &mut SequentialIds::default();
    let mut escrows = two_offered(ids);
    let due = kobo(6_120);
    let offer = by_card(0, below_max(due));
    let (paid, effects) = fund(&mut escrows, &customer("ben"), offer, ids.booking_at(2)).unwrap();
    let leg = (TransferKind::Fund, Account::OutsideWorld, hold("ben"), 3_060);
    assert_eq!(legs(&effects), [leg.clone(), leg]);
    assert_eq!(
        events(&effects),
        ["payment.escrow.success", "escrow.ongoing", "escrow.ongoing"]
    );
    let detail = paid.detail.clone().unwrap();
    assert_eq!(effects.entries, [paid]);
    let card_id = CardId::new(7, 8).to_string();
    assert_eq!(detail.method, Method::Card { card_id });
    assert_eq!(
        (detail.status, detail.settled_at, detail.fee),
        (PaymentStatus::Success, Some(at(2)), Amount::ZERO)
    );
}

#[test]
fn refusals_of_a_card_come_in_order() {
    let ids = &mut SequentialIds::default();
    let before = two_offered(ids);
    let too_much = below_max(kobo(6_119));
    for (offer, refusal) in [
        (by_card(3, too_much), Refusal::TooMuchMoney),
        (by_card(0, too_much), Refusal::TooMuchMoney),
        (by_card(3, Amount::ZERO), Refusal::CardDeclined(Decline::Expired)),
    ] {
        let mut after = before.clone();
        let outcome = fund(&mut after, &customer("ben"), offer, ids.booking_at(2));
        assert_eq!(outcome.unwrap_err(), refusal);
        assert_eq!(after, before);
    }
}

/// A reference belongs to one transaction, also if one payment funded several escrows.
#[test]
fn the_references_of_commissions_are_unique_to_their_escrows() {
    let ids = &mut SequentialIds::default();
    let offer = |ids: &mut SequentialIds| offered_standard(naira(100), WhoPays::Seller, 100, ids);
    let alone = funded(offer(ids), ids);
    let mut together = [offer(ids), offer(ids)];
    fund(&mut together, &customer("ben"), payment(Amount::MAX), ids.booking_at(2)).unwrap();
    let [first, second] = together;
    let mut commission = |mut escrow: Escrow| {
        let effects = escrow.confirm_payment(&customer("ben"), ids.booking_at(3)).unwrap();
        let references = effects.entries.iter().map(|entry| entry.transaction.reference.as_str());
        let found = references.filter(|text| text.starts_with("CMSN-")).map(str::to_owned);
        found.collect::<Vec<String>>()
    };
    assert_eq!(commission(alone), ["CMSN-REF"]);
    // The suffix is the end of the escrow's id.
    let suffixed = |escrow: &Escrow| format!("CMSN-REF-{}", &escrow.id.to_string()[16..]);
    let expected = [&first, &second].map(|escrow| [suffixed(escrow)]);
    assert_eq!([commission(first), commission(second)], expected);
    assert_ne!(expected[0], expected[1]);
}
