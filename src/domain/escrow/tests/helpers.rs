//! Escrows, requests and identifiers for the tests.

use crate::domain::effects::{Booking, Effects, Event};
use crate::domain::escrow::exits::ExitRules;
use crate::domain::escrow::limits::TermsLimits;
use crate::domain::escrow::terms::{MilestoneOffer, MilestoneRequest, Terms, TermsRequest};
use crate::domain::escrow::{Escrow, PaymentOffer, Seller, Source, fund};
use crate::domain::fees::{Rates, WhoPays};
use crate::domain::ids::{CustomerId, IdSource, MerchantId, Reference};
use crate::domain::ledger::{Account, Transfer, TransferKind};
use crate::domain::money::Amount;
use crate::domain::party::Party;
use crate::domain::time::Timestamp;

/// Gives out 1, 2, 3, ... in the place of numbers and random bits.
#[derive(Default)]
pub(in crate::domain::escrow) struct SequentialIds(u64);

impl SequentialIds {
    /// Begins a booking at this second.
    pub(in crate::domain::escrow) fn booking_at(&mut self, seconds: i64) -> Booking<'_> {
        Booking::new(self, at(seconds))
    }
}

impl IdSource for SequentialIds {
    fn number(&mut self) -> i64 {
        self.0 += 1;
        i64::try_from(self.0 * 1024).unwrap()
    }

    fn random(&mut self) -> u128 {
        self.0 += 1;
        u128::from(self.0)
    }
}

pub(in crate::domain::escrow) const LIMITS: TermsLimits = TermsLimits {
    is_strict: false,
    amount_min: match Amount::from_minor(100) {
        Some(amount) => amount,
        None => Amount::ZERO,
    },
    milestones_max: 100,
    purpose_chars_max: 255,
    description_chars_max: 2000,
};

/// The default ways out of a hold, with a day of grace.
pub(in crate::domain::escrow) const EXITS: ExitRules = ExitRules {
    is_strict: false,
    grace_seconds: 86_400,
};

/// The ways out of the hosted API.
pub(in crate::domain::escrow) const STRICT_EXITS: ExitRules = ExitRules {
    is_strict: true,
    ..EXITS
};

pub(in crate::domain::escrow) fn kobo(minor: i64) -> Amount {
    Amount::from_minor(minor).unwrap()
}

pub(in crate::domain::escrow) fn naira(major: i64) -> Amount {
    kobo(major * 100)
}

pub(in crate::domain::escrow) fn customer(id: &str) -> CustomerId {
    CustomerId::parse(id).unwrap()
}

pub(in crate::domain::escrow) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(seconds * 1000).unwrap()
}

pub(in crate::domain::escrow) fn seller(id: &str, commission_bps: u16) -> Seller {
    Seller {
        merchant: MerchantId(1),
        rates: Rates::new(200, commission_bps).unwrap(),
        party: Party::Customer(customer(id)),
    }
}

pub(in crate::domain::escrow) fn terms_request(amount: Amount, who_pays: WhoPays) -> TermsRequest {
    TermsRequest {
        amount,
        purpose: "Shop fit-out".to_owned(),
        description: None,
        who_pays,
        max_delivery: None,
        delivery_timeline: None,
        total_quantity: None,
        category: None,
    }
}

pub(in crate::domain::escrow) fn milestone_offer(stages: &[(i64, Option<&str>)]) -> MilestoneOffer {
    let requests = stages
        .iter()
        .map(|(major, beneficiary)| MilestoneRequest {
            title: "Stage".to_owned(),
            description: None,
            amount: naira(*major),
            due_date: None,
            beneficiary: beneficiary.map(customer),
        })
        .collect();
    let amount = naira(stages.iter().map(|(major, _)| major).sum());
    MilestoneOffer::new(
        terms_request(amount, WhoPays::Buyer),
        None,
        requests,
        &LIMITS,
        at(0).date(),
    )
    .unwrap()
}

pub(in crate::domain::escrow) fn offered(
    stages: &[(i64, Option<&str>)],
    commission_bps: u16,
    ids: &mut SequentialIds,
) -> Escrow {
    Escrow::offer_milestones(
        seller("ada", commission_bps),
        milestone_offer(stages),
        ids.booking_at(1),
    )
    .unwrap()
    .0
}

pub(in crate::domain::escrow) fn offered_standard(
    amount: Amount,
    who_pays: WhoPays,
    commission_bps: u16,
    ids: &mut SequentialIds,
) -> Escrow {
    let terms = Terms::new(terms_request(amount, who_pays), None, &LIMITS).unwrap();
    Escrow::offer_standard(seller("ada", commission_bps), terms, Vec::new(), ids.booking_at(1))
        .unwrap()
        .0
}

pub(in crate::domain::escrow) fn payment(available: Amount) -> PaymentOffer {
    PaymentOffer {
        reference: Reference::parse("REF"),
        amount: None,
        source: Source::Wallet { available },
    }
}

pub(in crate::domain::escrow) fn funded(mut escrow: Escrow, ids: &mut SequentialIds) -> Escrow {
    let escrows = std::slice::from_mut(&mut escrow);
    fund(escrows, &customer("ben"), payment(Amount::MAX), ids.booking_at(2)).unwrap();
    escrow
}

pub(in crate::domain::escrow) fn legs(effects: &Effects) -> Vec<(TransferKind, Account, Account, i64)> {
    let leg = |t: &Transfer| (t.kind, t.debit.clone(), t.credit.clone(), t.amount.minor());
    effects.transfers.iter().map(leg).collect()
}

pub(in crate::domain::escrow) fn events(effects: &Effects) -> Vec<String> {
    effects.events.iter().map(Event::name).collect()
}

pub(in crate::domain::escrow) fn main(id: &str) -> Account {
    Account::CustomerMain(customer(id))
}

pub(in crate::domain::escrow) fn hold(id: &str) -> Account {
    Account::CustomerEscrow(customer(id))
}
