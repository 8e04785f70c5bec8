//! What a seller offers before anyone pays. Terms are parsed once and valid
//! ever after: a [`Terms`] or [`MilestoneOffer`] that breaks a rule cannot exist.
//!
//! Field names in errors are those of the wire (contract section 4.1.1), which
//! are also the words of the domain.

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

/// The days of delivery when the seller names none (design section 5).
pub const MAX_DELIVERY_DEFAULT: i64 = 30;

/// Most buyers that may take one offer.
pub const TOTAL_QUANTITY_MAX: i64 = 1_000_000;

/// Unit of the delivery window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumString, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "lowercase", const_into_str)]
pub enum DeliveryTimeline {
    /// 60 seconds.
    Minutes,
    /// 3,600 seconds.
    Hours,
    /// 86,400 seconds.
    Days,
}

impl DeliveryTimeline {
    /// How long one of them is (contract section 9.2, row 48).
    const fn seconds(self) -> i64 {
        match self {
            Self::Minutes => 60,
            Self::Hours => 3_600,
            Self::Days => 86_400,
        }
    }
}

/// What came in; a category first by its id, then as it was found.
#[derive(Clone, Debug)]
pub struct TermsRequest<C = CategoryId> {
    /// Escrow amount.
    pub amount: Parsed<Amount>,
    /// What the deal is about.
    pub purpose: Parsed<String>,
    /// More of it.
    pub description: Parsed<Option<String>>,
    /// Who bears the fee.
    pub who_pays: Parsed<WhoPays>,
    /// Units of the delivery window.
    pub max_delivery: Parsed<Option<i64>>,
    /// Unit of the delivery window.
    pub delivery_timeline: Parsed<Option<DeliveryTimeline>>,
    /// How many buyers may take the offer.
    pub total_quantity: Parsed<Option<i64>>,
    /// How the seller sorts it.
    pub category: Parsed<Option<C>>,
}

/// What came in for one milestone.
#[derive(Clone, Debug)]
pub struct MilestoneRequest {
    /// What is delivered.
    pub title: Parsed<String>,
    /// More of it.
    pub description: Parsed<Option<String>>,
    /// What is released for it.
    pub amount: Parsed<Amount>,
    /// When it is planned for.
    pub due_date: Parsed<Option<Date>>,
    /// Who is paid instead of the seller.
    pub beneficiary: Parsed<Option<CustomerId>>,
}

/// The terms of an escrow of any settlement type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// What the seller's work costs, before any fee. At least the configured minimum.
    pub amount: Amount,
    /// What the deal is about.
    pub purpose: String,
    /// More of it.
    pub description: Option<String>,
    /// Who bears the fee.
    pub who_pays: WhoPays,
    /// Units of the delivery window, 1 to 365.
    pub max_delivery: i64,
    /// Unit of the delivery window.
    pub delivery_timeline: DeliveryTimeline,
    /// How many buyers may take the offer, 1 to [`TOTAL_QUANTITY_MAX`]; of one
    /// offered to several, those who still may.
    pub total_quantity: i64,
    /// How the seller sorts it.
    pub category: Option<Category>,
}

/// What an edit of a standard escrow leaves as it was. Its five required fields
/// come with every edit; the others keep what they hold when they are not sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeptTerms {
    /// The description.
    pub description: bool,
    /// How many buyers may still take the offer.
    pub total_quantity: bool,
    /// The category.
    pub category: bool,
}

impl<C> TermsRequest<C> {
    /// The draft with its category looked up.
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

/// One stage of a milestone escrow, as offered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MilestoneTerms {
    /// What is delivered.
    pub title: String,
    /// More of it.
    pub description: Option<String>,
    /// What is released for it: a whole number of major units or, where the limits
    /// are strict, any amount from one of them.
    pub amount: Amount,
    /// When it is planned for; has no effect once the offer stands.
    pub due_date: Option<Date>,
    /// Who is paid instead of the seller.
    pub beneficiary: Option<CustomerId>,
}

/// The terms of a milestone escrow: at least two milestones that add up to the
/// amount, the fee on the buyer (seed page).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MilestoneOffer {
    /// What holds for the whole escrow.
    pub terms: Terms,
    /// Its milestones, in order.
    pub milestones: Vec<MilestoneTerms>,
}

impl Terms {
    /// Checks the fields in the order of [`TermsRequest`] and refuses the first that
    /// is not right.
    pub fn new(draft: TermsRequest<Category>, limits: &TermsLimits) -> Result<Self, Invalid> {
        let amount = draft.amount?;
        check_smallest(amount, limits)?;
        let purpose = line("purpose", draft.purpose?, limits.purpose_chars_max)?;
        let description = prose("description", draft.description?, limits.description_chars_max)?;
        let who_pays = draft.who_pays?;
        let max_delivery = draft.max_delivery?.unwrap_or(MAX_DELIVERY_DEFAULT);
        if !(1..=365).contains(&max_delivery) {
            return Err(Invalid::wrong(
                "maxDelivery",
                "a whole number from 1 to 365",
                &max_delivery.to_string(),
            ));
        }
        let delivery_timeline = draft.delivery_timeline?.unwrap_or(DeliveryTimeline::Days);
        let total_quantity = draft.total_quantity?.unwrap_or(1);
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
            category: draft.category?,
        })
    }

    /// These terms in place of others, but for what is kept of those.
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

    /// How long the seller has to deliver once the escrow is funded, in seconds.
    pub const fn delivery_seconds(&self) -> i64 {
        self.max_delivery * self.delivery_timeline.seconds()
    }
}

impl MilestoneOffer {
    /// Checks the terms, then that the milestones are not too many, each of them in
    /// order, that they are not too few, then their sum.
    /// `today` is the current day in UTC.
    pub fn new(
        draft: TermsRequest<Category>,
        milestones: Parsed<Vec<Parsed<MilestoneRequest>>>,
        limits: &TermsLimits,
        today: Date,
    ) -> Result<Self, Refusal> {
        let mut draft = TermsRequest {
            who_pays: draft.who_pays.and_then(buyer_only),
            ..draft
        };
        if limits.is_strict {
            draft.max_delivery = said("maxDelivery", draft.max_delivery);
            draft.delivery_timeline = said("deliveryTimeline", draft.delivery_timeline);
        }
        let terms = Terms::new(draft, limits)?;
        let milestones = milestone_list(milestones, limits, today)?;
        check_sum(&milestones, terms.amount)?;
        Ok(Self { terms, milestones })
    }
}

/// What turns a standard escrow into a milestone escrow (contract section 4.1.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conversion {
    /// The new escrow amount; as it was when left out.
    pub amount: Option<Amount>,
    /// Its milestones, in order. Whether they add up is known when the escrow is.
    pub milestones: Vec<MilestoneTerms>,
}

impl Conversion {
    /// Checks the amount, then the milestones as [`MilestoneOffer::new`] does. `today` is
    /// the current day in UTC.
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

/// The milestones of an offer. Checks their number if they are too many, then each in
/// order, then whether they are too few.
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

/// Milestones add up to the escrow amount.
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

/// A field that may not be left out.
fn said<T>(field: &str, sent: Parsed<Option<T>>) -> Parsed<Option<T>> {
    sent?.map(Some).ok_or_else(|| Invalid::missing(field))
}

/// On a milestone escrow the fee is the buyer's (seed page).
fn buyer_only(who_pays: WhoPays) -> Parsed<WhoPays> {
    if who_pays == WhoPays::Buyer {
        return Ok(who_pays);
    }
    let got = format!("\"{}\"", who_pays.into_str());
    Err(Invalid::wrong("whoPays", "\"buyer\" on a milestone escrow", &got))
}

impl MilestoneTerms {
    /// `today`: a due date lies after it (contract section 9.2, row 39).
    fn new(index: usize, draft: MilestoneRequest, limits: &TermsLimits, today: Date) -> Result<Self, Invalid> {
        let field = |name: &str| format!("milestones[{index}].{name}");
        let title = line(&field("title"), draft.title?, limits.purpose_chars_max)?;
        let description = prose(&field("description"), draft.description?, limits.description_chars_max)?;
        let amount = draft.amount?;
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
        let due_date = draft.due_date?;
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
            beneficiary: draft.beneficiary?,
        })
    }
}
