//! The deals that the measurements use. They are the same in every run.

use escrowd::domain::effects::Booking;
use escrowd::domain::escrow::limits::TermsLimits;
use escrowd::domain::escrow::terms::MilestoneOffer;
use escrowd::domain::escrow::{Escrow, PaymentOffer, Seller, Source, fund};
use escrowd::domain::fees::Rates;
use escrowd::domain::ids::{CustomerId, IdSource, MerchantId};
use escrowd::domain::money::Amount;
use escrowd::domain::party::Party;
use escrowd::domain::time::Timestamp;
use escrowd::http::bench;

/// The number of milestones of a small deal and of a large one.
pub(crate) const SIZES: [usize; 2] = [5, 50];

/// A source of ids and random bits that counts up, so that it costs almost no time.
pub(crate) struct CountingIds(u64);

impl CountingIds {
    pub(crate) const fn new() -> Self {
        Self(0)
    }

    /// Begins a booking at the time of the measurements.
    pub(crate) fn booking(&mut self) -> Booking<'_> {
        Booking::new(self, now())
    }
}

impl IdSource for CountingIds {
    fn number(&mut self) -> i64 {
        self.0 += 1;
        i64::try_from(self.0 * 1024).expect("a run takes fewer ids than an i64 has numbers")
    }

    fn random(&mut self) -> u128 {
        self.0 += 1;
        u128::from(self.0).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)
    }
}

pub(crate) fn kobo(minor: i64) -> Amount {
    Amount::from_minor(minor).expect("a small constant")
}

pub(crate) fn customer(id: &str) -> CustomerId {
    CustomerId::parse(id).expect("a plain id")
}

/// Returns 2026-06-22T10:15:00.007Z.
pub(crate) fn now() -> Timestamp {
    Timestamp::from_millis(1_782_123_300_007).expect("a time before the year 10000")
}

pub(crate) fn rates() -> Rates {
    Rates::new(200, 50).expect("two and a half percent")
}

pub(crate) fn seller() -> Seller {
    Seller {
        merchant: MerchantId(1),
        rates: rates(),
        party: Party::Customer(customer("6710aa10b2c3d4e5f6071804")),
    }
}

/// Returns the body of a request that creates a milestone escrow.
pub(crate) fn body(milestones: usize) -> String {
    let stages: Vec<String> = (1..=milestones)
        .map(|number| {
            format!(
                r#"{{"title":"Stage {number}","description":"What stage {number} delivers","amount":333,"dueDate":"2027-01-31"}}"#
            )
        })
        .collect();
    let total = Amount::total(vec![kobo(33_300); milestones]).expect("a small sum");
    format!(
        r#"{{"amount":{total},"purpose":"Shop fit-out","description":"Walls, floor and light","whoPays":"buyer","maxDelivery":30,"deliveryTimeline":"days","milestones":[{}]}}"#,
        stages.join(",")
    )
}

pub(crate) const LIMITS: TermsLimits = TermsLimits {
    is_strict: false,
    amount_min: Amount::ONE_MAJOR,
    milestones_max: 100,
    purpose_chars_max: 255,
    description_chars_max: 2_000,
};

/// Returns the checked offer of that body.
pub(crate) fn offer(milestones: usize) -> MilestoneOffer {
    let request = bench::read_milestone_escrow(body(milestones), &LIMITS).expect("the body is valid");
    MilestoneOffer::new(request.terms, None, request.milestones, &LIMITS, now().date()).expect("the offer is valid")
}

/// Returns an escrow that [`buyer`] has funded.
pub(crate) fn funded(milestones: usize) -> Escrow {
    let mut ids = CountingIds::new();
    let (mut escrow, _) =
        Escrow::offer_milestones(seller(), offer(milestones), ids.booking()).expect("the offer is valid");
    let payment = PaymentOffer {
        reference: None,
        amount: None,
        source: Source::Wallet { available: Amount::MAX },
    };
    fund(std::slice::from_mut(&mut escrow), &buyer(), payment, ids.booking()).expect("the buyer can pay");
    escrow
}

pub(crate) fn buyer() -> CustomerId {
    customer("6710aa10b2c3d4e5f6071805")
}
