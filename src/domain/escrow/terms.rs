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
use crate::domain::money::Amount;
use crate::domain::refusal::{Invalid, Parsed, Refusal};
use crate::domain::text::{line, prose};
use crate::domain::time::Date;

/// The delivery window of an offer that names none, in days (architecture section 5).
pub const MAX_DELIVERY_DEFAULT: i64 = 30;

/// Most buyers of one offer.
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

/// The parsed request for the terms of an offer. `C` is the category's id at first, and
/// the category itself once it is looked up.
#[derive(Clone, Debug)]
pub struct TermsRequest<C = CategoryId> {
    pub amount: Parsed<Amount>,
    pub purpose: Parsed<String>,
    pub description: Parsed<Option<String>>,
    pub who_pays: Parsed<WhoPays>,
    /// The delivery window, in units of `delivery_timeline`.
    pub max_delivery: Parsed<Option<i64>>,
    pub delivery_timeline: Parsed<Option<DeliveryTimeline>>,
    /// The number of buyers that the offer is open to.
    pub total_quantity: Parsed<Option<i64>>,
    pub category: Parsed<Option<C>>,
}

/// The parsed request for one milestone.
#[derive(Clone, Debug)]
pub struct MilestoneRequest {
    pub title: Parsed<String>,
    pub description: Parsed<Option<String>>,
    /// The amount to release.
    pub amount: Parsed<Amount>,
    pub due_date: Parsed<Option<Date>>,
    /// The customer who is paid in place of the seller.
    pub beneficiary: Parsed<Option<CustomerId>>,
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
/// request does not have. The five required fields come with every edit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeptTerms {
    pub description: bool,
    pub total_quantity: bool,
    pub category: bool,
}

impl<C> TermsRequest<C> {
    /// Returns the request with its category looked up.
    pub fn with_category<D>(self, find: impl FnOnce(C) -> Parsed<D>) -> TermsRequest<D> {
        TermsRequest {
            amount: self.amount,
            purpose: self.purpose,
            description: self.description,
            who_pays: self.who_pays,
            max_delivery: self.max_delivery,
            delivery_timeline: self.delivery_timeline,
            total_quantity: self.total_quantity,
            category: self.category.and_then(|category| category.map(find).transpose()),
        }
    }
}

/// The terms of one milestone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MilestoneTerms {
    pub title: String,
    pub description: Option<String>,
    /// The amount to release: a whole number of major units or, where the limits are
    /// strict, any amount from one of them on.
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
    /// Checks the fields in the order of [`TermsRequest`].
    ///
    /// # Errors
    ///
    /// Names the first wrong field.
    pub fn new(request: TermsRequest<Category>, limits: &TermsLimits) -> Result<Self, Invalid> {
        let amount = request.amount?;
        check_smallest(amount, limits)?;
        let purpose = line("purpose", request.purpose?, limits.purpose_chars_max)?;
        let description = prose("description", request.description?, limits.description_chars_max)?;
        let who_pays = request.who_pays?;
        let max_delivery = request.max_delivery?.unwrap_or(MAX_DELIVERY_DEFAULT);
        if !(1..=365).contains(&max_delivery) {
            return Err(Invalid::wrong(
                "maxDelivery",
                "a whole number from 1 to 365",
                &max_delivery.to_string(),
            ));
        }
        let delivery_timeline = request.delivery_timeline?.unwrap_or(DeliveryTimeline::Days);
        let total_quantity = request.total_quantity?.unwrap_or(1);
        if !(1..=TOTAL_QUANTITY_MAX).contains(&total_quantity) {
            return Err(Invalid::wrong(
                "totalQuantity",
                format!("a whole number from 1 to {TOTAL_QUANTITY_MAX}"),
                &total_quantity.to_string(),
            ));
        }
        Ok(Self {
            amount,
            purpose,
            description,
            who_pays,
            max_delivery,
            delivery_timeline,
            total_quantity,
            category: request.category?,
        })
    }

    /// Replaces the terms by `new`, except those in `keeps`.
    pub(crate) fn replace(&mut self, new: Self, keeps: KeptTerms) {
        let old = mem::replace(self, new);
        if keeps.description {
            self.description = old.description;
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
    /// Checks the terms, then that there are not too many milestones, each milestone in
    /// order, that there are at least two, and their sum. `today` is the current day in
    /// UTC.
    ///
    /// # Errors
    ///
    /// Returns the first of these that fails.
    pub fn new(
        request: TermsRequest<Category>,
        milestones: Parsed<Vec<Parsed<MilestoneRequest>>>,
        limits: &TermsLimits,
        today: Date,
    ) -> Result<Self, Refusal> {
        let mut request = TermsRequest {
            who_pays: request.who_pays.and_then(buyer_only),
            ..request
        };
        if limits.is_strict {
            request.max_delivery = said("maxDelivery", request.max_delivery);
            request.delivery_timeline = said("deliveryTimeline", request.delivery_timeline);
        }
        let terms = Terms::new(request, limits)?;
        let milestones = milestone_list(milestones, limits, today)?;
        check_sum(&milestones, terms.amount)?;
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
        amount: Parsed<Option<Amount>>,
        milestones: Parsed<Vec<Parsed<MilestoneRequest>>>,
        limits: &TermsLimits,
        today: Date,
    ) -> Result<Self, Refusal> {
        let amount = amount?;
        amount.map_or(Ok(()), |amount| check_smallest(amount, limits))?;
        let milestones = milestone_list(milestones, limits, today)?;
        Ok(Self { amount, milestones })
    }
}

/// Returns the milestones of an offer. Checks that there are not too many, then each in
/// order, then that there are at least two.
fn milestone_list(
    milestones: Parsed<Vec<Parsed<MilestoneRequest>>>,
    limits: &TermsLimits,
    today: Date,
) -> Result<Vec<MilestoneTerms>, Refusal> {
    let milestones = milestones?;
    if milestones.len() > limits.milestones_max {
        let expected = format!("a list of at most {} milestones", limits.milestones_max);
        return Err(Invalid::wrong("milestones", expected, &format!("{} of them", milestones.len())).into());
    }
    let milestones = milestones
        .into_iter()
        .enumerate()
        .map(|(index, milestone)| MilestoneTerms::new(index, milestone?, limits, today))
        .collect::<Result<Vec<_>, _>>()?;
    if milestones.len() < 2 {
        return Err(Refusal::TooFewMilestones);
    }
    Ok(milestones)
}

/// Checks that the milestones add up to the escrow amount.
pub(crate) fn check_sum(milestones: &[MilestoneTerms], amount: Amount) -> Result<(), Refusal> {
    if Amount::total(milestones.iter().map(|milestone| milestone.amount)) == Some(amount) {
        Ok(())
    } else {
        Err(Refusal::MilestonesDoNotAddUp)
    }
}

fn check_smallest(amount: Amount, limits: &TermsLimits) -> Result<(), Invalid> {
    if amount >= limits.amount_min {
        return Ok(());
    }
    let expected = format!("at least {}", limits.amount_min);
    Err(Invalid::wrong("amount", expected, &amount.to_string()))
}

/// Checks that a field is present.
fn said<T>(field: &str, sent: Parsed<Option<T>>) -> Parsed<Option<T>> {
    sent?.map(Some).ok_or_else(|| Invalid::missing(field))
}

/// Checks that the buyer pays the fee, as on every milestone escrow.
fn buyer_only(who_pays: WhoPays) -> Parsed<WhoPays> {
    if who_pays == WhoPays::Buyer {
        return Ok(who_pays);
    }
    let got = format!("\"{}\"", who_pays.into_str());
    Err(Invalid::wrong("whoPays", "\"buyer\" on a milestone escrow", &got))
}

impl MilestoneTerms {
    /// Checks the fields in the order of [`MilestoneRequest`]. A due date must be after
    /// `today` (contract section 9.2, row 39).
    fn new(index: usize, request: MilestoneRequest, limits: &TermsLimits, today: Date) -> Result<Self, Invalid> {
        let field = |name: &str| format!("milestones[{index}].{name}");
        let title = line(&field("title"), request.title?, limits.purpose_chars_max)?;
        let description = prose(
            &field("description"),
            request.description?,
            limits.description_chars_max,
        )?;
        let amount = request.amount?;
        let (is_right, expected) = if limits.is_strict {
            (amount >= Amount::ONE_MAJOR, "a number of at least 1")
        } else {
            (
                !amount.is_zero() && amount.whole_major().is_some(),
                "a positive whole number",
            )
        };
        if !is_right {
            return Err(Invalid::wrong(field("amount"), expected, &amount.to_string()));
        }
        let due_date = request.due_date?;
        if let Some(due_date) = due_date.filter(|&due_date| due_date <= today) {
            return Err(Invalid::wrong(
                field("dueDate"),
                "a date in the future",
                &format!("\"{due_date}\""),
            ));
        }
        Ok(Self {
            title,
            description,
            amount,
            due_date,
            beneficiary: request.beneficiary?,
        })
    }
}
