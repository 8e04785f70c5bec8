//! The terms of an offer.
//!
//! Terms are parsed once and are valid from then on: a [`Terms`] or [`MilestoneOffer`]
//! that breaks a rule cannot exist. Errors name fields as on the wire (contract section
//! 4.1.1).

use std::mem;

use strum::{EnumString, IntoStaticStr, VariantArray};

use crate::domain::escrow::category::Category;
use crate::domain::escrow::limits::TermsLimits;
use crate::domain::fees::WhoPays;
use crate::domain::ids::{CategoryId, CustomerId};
use crate::domain::invalid::Invalid;
use crate::domain::money::Amount;
use crate::domain::refusal::Refusal;
use crate::domain::time::Date;

/// The fewest milestones of an escrow in milestones.
pub const MILESTONES_MIN: usize = 2;

/// The delivery window of a milestone escrow that names none, and of every vault, in days
/// (contract section 8, row 8.2).
pub const MAX_DELIVERY_DEFAULT: i64 = 30;

/// The delivery window of a standard escrow that names none, in days (contract section 8,
/// row 8.2).
pub const STANDARD_MAX_DELIVERY_DEFAULT: i64 = 7;

/// The longest delivery window, in units of the delivery timeline.
pub const MAX_DELIVERY_MAX: i64 = 365;

/// The most buyers of one offer.
pub const TOTAL_QUANTITY_MAX: i64 = 1_000_000;

/// The unit of the delivery window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumString, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "lowercase", const_into_str)]
pub enum DeliveryTimeline {
    /// 60 seconds each.
    Minutes,
    /// 3,600 seconds each.
    Hours,
    /// 86,400 seconds each.
    Days,
}

impl DeliveryTimeline {
    /// Returns the length of one unit in seconds (contract section 9.2, row 48).
    const fn seconds(self) -> i64 {
        match self {
            Self::Minutes => 60,
            Self::Hours => 3_600,
            Self::Days => 86_400,
        }
    }
}

/// The parsed request for the terms of an offer.
#[derive(Clone, Debug)]
pub struct TermsRequest {
    pub amount: Amount,
    pub purpose: String,
    pub description: Option<String>,
    pub who_pays: WhoPays,
    /// The delivery window, in units of `delivery_timeline`.
    pub max_delivery: Option<i64>,
    pub delivery_timeline: Option<DeliveryTimeline>,
    /// The number of buyers that the offer is open to.
    pub total_quantity: Option<i64>,
    pub category: Option<CategoryId>,
}

/// The parsed request for one milestone.
#[derive(Clone, Debug)]
pub struct MilestoneRequest {
    pub title: String,
    pub description: Option<String>,
    /// The amount to release.
    pub amount: Amount,
    pub due_date: Option<Date>,
    /// The customer who is paid in place of the seller.
    pub beneficiary: Option<CustomerId>,
}

/// The terms of an escrow of any settlement type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// The price before any fee. At least the configured minimum.
    pub amount: Amount,
    pub purpose: String,
    pub description: Option<String>,
    pub who_pays: WhoPays,
    /// The delivery window, from 1 to 365 units of `delivery_timeline`.
    pub max_delivery: i64,
    pub delivery_timeline: DeliveryTimeline,
    /// The number of buyers that the offer is open to, from 1 to [`TOTAL_QUANTITY_MAX`].
    /// On a link it counts the buyers that are left.
    pub total_quantity: i64,
    pub category: Option<Category>,
}

/// The terms that an edit of a standard escrow leaves unchanged: optional fields that the
/// request does not have.
#[expect(clippy::struct_excessive_bools, reason = "each term is kept or replaced by itself")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeptTerms {
    pub description: bool,
    pub max_delivery: bool,
    pub delivery_timeline: bool,
    pub total_quantity: bool,
    pub category: bool,
}

/// The terms of one milestone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MilestoneTerms {
    pub title: String,
    pub description: Option<String>,
    /// The amount to release: a whole number of major units or, where the limits are
    /// strict, any amount of at least one major unit.
    pub amount: Amount,
    /// The planned day. It informs and has no effect.
    pub due_date: Option<Date>,
    /// The customer who is paid in place of the seller.
    pub beneficiary: Option<CustomerId>,
}

/// The terms of a milestone escrow: at least two milestones that add up to the amount,
/// and a fee that the buyer pays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MilestoneOffer {
    /// The terms of the whole escrow.
    pub terms: Terms,
    /// The milestones in order.
    pub milestones: Vec<MilestoneTerms>,
}

impl Terms {
    /// Checks the fields in the order of [`TermsRequest`]. `category` is the category that
    /// the request names. A standard escrow without a delivery window gets
    /// [`STANDARD_MAX_DELIVERY_DEFAULT`] days.
    ///
    /// # Errors
    ///
    /// Names the first wrong field.
    pub fn new(request: TermsRequest, category: Option<Category>, limits: &TermsLimits) -> Result<Self, Invalid> {
        limits.check_amount(request.amount)?;
        let purpose = limits.purpose("purpose", request.purpose)?;
        let description = limits.description("description", request.description)?;
        let max_delivery = request.max_delivery.unwrap_or(STANDARD_MAX_DELIVERY_DEFAULT);
        check_max_delivery(max_delivery)?;
        let total_quantity = request.total_quantity.unwrap_or(1);
        check_total_quantity(total_quantity)?;
        Ok(Self {
            amount: request.amount,
            purpose,
            description,
            who_pays: request.who_pays,
            max_delivery,
            delivery_timeline: request.delivery_timeline.unwrap_or(DeliveryTimeline::Days),
            total_quantity,
            category,
        })
    }

    /// Replaces the terms by `new`, except those in `keeps`.
    pub(crate) fn replace(&mut self, new: Self, keeps: KeptTerms) {
        let old = mem::replace(self, new);
        if keeps.description {
            self.description = old.description;
        }
        if keeps.max_delivery {
            self.max_delivery = old.max_delivery;
        }
        if keeps.delivery_timeline {
            self.delivery_timeline = old.delivery_timeline;
        }
        if keeps.total_quantity {
            self.total_quantity = old.total_quantity;
        }
        if keeps.category {
            self.category = old.category;
        }
    }

    /// Returns the seller's time for delivery after funding, in seconds.
    pub const fn delivery_seconds(&self) -> i64 {
        self.max_delivery * self.delivery_timeline.seconds()
    }
}

impl MilestoneOffer {
    /// Checks that the buyer pays the fee and, where the limits are strict, that a delivery
    /// window is given; then the terms; then that there are not too many milestones, each
    /// milestone in order, that there are at least two, that such can add up to the amount, and
    /// their sum. `today` is the current
    /// day in UTC.
    ///
    /// # Errors
    ///
    /// Returns the first of these that fails.
    pub fn new(
        request: TermsRequest,
        category: Option<Category>,
        milestones: Vec<MilestoneRequest>,
        limits: &TermsLimits,
        today: Date,
    ) -> Result<Self, Refusal> {
        check_buyer_pays(request.who_pays)?;
        if limits.is_strict {
            check_present("maxDelivery", request.max_delivery)?;
            check_present("deliveryTimeline", request.delivery_timeline)?;
        }
        let request = TermsRequest {
            max_delivery: request.max_delivery.or(Some(MAX_DELIVERY_DEFAULT)),
            ..request
        };
        let terms = Terms::new(request, category, limits)?;
        let milestones = milestone_list(milestones, limits, today)?;
        check_sum(&milestones, terms.amount, limits)?;
        Ok(Self { terms, milestones })
    }
}

/// The terms that convert a standard escrow to a milestone escrow (contract section
/// 4.1.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conversion {
    /// The new amount. `None` leaves it as it is.
    pub amount: Option<Amount>,
    /// The milestones in order. The escrow checks their sum, since it may keep its
    /// amount.
    pub milestones: Vec<MilestoneTerms>,
}

impl Conversion {
    /// Checks the amount and then the milestones as [`MilestoneOffer::new`] does. `today`
    /// is the current day in UTC.
    ///
    /// # Errors
    ///
    /// Returns the first of these that fails.
    pub fn new(
        amount: Option<Amount>,
        milestones: Vec<MilestoneRequest>,
        limits: &TermsLimits,
        today: Date,
    ) -> Result<Self, Refusal> {
        amount.map_or(Ok(()), |amount| limits.check_amount(amount))?;
        let milestones = milestone_list(milestones, limits, today)?;
        Ok(Self { amount, milestones })
    }
}

/// Returns the milestones of an offer. Checks that there are not too many, then each in
/// order, then that there are enough.
fn milestone_list(
    milestones: Vec<MilestoneRequest>,
    limits: &TermsLimits,
    today: Date,
) -> Result<Vec<MilestoneTerms>, Refusal> {
    limits.check_milestone_count(milestones.len())?;
    let milestones = milestones
        .into_iter()
        .enumerate()
        .map(|(index, milestone)| MilestoneTerms::new(index, milestone, limits, today))
        .collect::<Result<Vec<_>, _>>()?;
    if milestones.len() < MILESTONES_MIN {
        return Err(Refusal::TooFewMilestones);
    }
    Ok(milestones)
}

/// Checks that milestones can add up to the escrow amount, and that these do.
pub(crate) fn check_sum(milestones: &[MilestoneTerms], amount: Amount, limits: &TermsLimits) -> Result<(), Refusal> {
    limits.check_milestone_total(amount)?;
    let sum = Amount::total(milestones.iter().map(|milestone| milestone.amount));
    if sum == Some(amount) {
        Ok(())
    } else {
        Err(Refusal::MilestonesDoNotAddUp { amount, sum })
    }
}

fn check_present<T>(field: &str, value: Option<T>) -> Result<(), Invalid> {
    value.map(|_| ()).ok_or_else(|| Invalid::missing(field))
}

/// Checks a delivery window, in units of its timeline.
pub fn check_max_delivery(max_delivery: i64) -> Result<(), Invalid> {
    if (1..=MAX_DELIVERY_MAX).contains(&max_delivery) {
        return Ok(());
    }
    let expected = format!("a whole number from 1 to {MAX_DELIVERY_MAX}");
    Err(Invalid::wrong("maxDelivery", expected, &max_delivery.to_string()))
}

/// Checks the number of buyers that an offer is open to.
pub fn check_total_quantity(total_quantity: i64) -> Result<(), Invalid> {
    if (1..=TOTAL_QUANTITY_MAX).contains(&total_quantity) {
        return Ok(());
    }
    let expected = format!("a whole number from 1 to {TOTAL_QUANTITY_MAX}");
    Err(Invalid::wrong("totalQuantity", expected, &total_quantity.to_string()))
}

/// The right `whoPays` of a milestone escrow, for messages.
pub const BUYER_PAYS: &str = "\"buyer\" on a milestone escrow";

/// Checks that the buyer pays the fee, as on every milestone escrow.
fn check_buyer_pays(who_pays: WhoPays) -> Result<(), Invalid> {
    if who_pays == WhoPays::Buyer {
        return Ok(());
    }
    let got = format!("\"{}\"", who_pays.into_str());
    Err(Invalid::wrong("whoPays", BUYER_PAYS, &got))
}

impl MilestoneTerms {
    /// Checks the fields in the order of [`MilestoneRequest`]. A due date must be after
    /// `today` (contract section 9.2, row 39).
    fn new(index: usize, request: MilestoneRequest, limits: &TermsLimits, today: Date) -> Result<Self, Invalid> {
        let field = |name: &str| format!("milestones[{index}].{name}");
        let title = limits.purpose(&field("title"), request.title)?;
        let description = limits.description(&field("description"), request.description)?;
        limits.check_milestone_amount(&field("amount"), request.amount)?;
        if let Some(due_date) = request.due_date.filter(|&due_date| due_date <= today) {
            return Err(Invalid::wrong(
                field("dueDate"),
                "a date in the future",
                &format!("\"{due_date}\""),
            ));
        }
        Ok(Self {
            title,
            description,
            amount: request.amount,
            due_date: request.due_date,
            beneficiary: request.beneficiary,
        })
    }
}
