//! What a seller offers before anyone pays. Terms are parsed once and valid
//! ever after: a [`Terms`] or [`MilestoneOffer`] that breaks a rule cannot exist.
//!
//! Field names in errors are those of the wire (contract section 4.1.1), which
//! are also the words of the domain.

use super::category::Category;
use super::fees::WhoPays;
use super::ids::{CategoryId, CustomerId};
use super::money::Amount;
use super::refusal::{Invalid, Refusal, Sent};
use super::time::Date;

/// The days of delivery when the seller names none (design section 5).
pub const MAX_DELIVERY_DEFAULT: i64 = 30;

/// Most buyers that may take one offer.
pub const TOTAL_QUANTITY_MAX: i64 = 1_000_000;

/// Unit of the delivery window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryTimeline {
    /// 60 seconds.
    Minutes,
    /// 3,600 seconds.
    Hours,
    /// 86,400 seconds.
    Days,
}

impl DeliveryTimeline {
    /// Its words, on the wire and in storage.
    pub const WORDS: [(&'static str, Self); 3] = [
        (Self::Minutes.as_str(), Self::Minutes),
        (Self::Hours.as_str(), Self::Hours),
        (Self::Days.as_str(), Self::Days),
    ];

    /// Its word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Minutes => "minutes",
            Self::Hours => "hours",
            Self::Days => "days",
        }
    }
}

/// Bounds on what may be offered.
#[derive(Clone, Copy, Debug)]
pub struct TermsLimits {
    /// Smallest escrow amount.
    pub amount_min: Amount,
    /// Most milestones in one escrow.
    pub milestones_max: usize,
    /// Longest purpose or milestone title, in characters.
    pub purpose_chars_max: usize,
    /// Longest description, in characters.
    pub description_chars_max: usize,
}

/// What came in; a category first by its id, then as it was found.
#[derive(Clone, Debug)]
pub struct TermsDraft<C = CategoryId> {
    /// Escrow amount.
    pub amount: Sent<Amount>,
    /// What the deal is about.
    pub purpose: Sent<String>,
    /// More of it.
    pub description: Sent<Option<String>>,
    /// Who bears the fee.
    pub who_pays: Sent<WhoPays>,
    /// Units of the delivery window.
    pub max_delivery: Sent<Option<i64>>,
    /// Unit of the delivery window.
    pub delivery_timeline: Sent<Option<DeliveryTimeline>>,
    /// How many buyers may take the offer.
    pub total_quantity: Sent<Option<i64>>,
    /// How the seller sorts it.
    pub category: Sent<Option<C>>,
}

/// What came in for one milestone.
#[derive(Clone, Debug)]
pub struct MilestoneDraft {
    /// What is delivered.
    pub title: Sent<String>,
    /// More of it.
    pub description: Sent<Option<String>>,
    /// What is released for it.
    pub amount: Sent<Amount>,
    /// When it is planned for.
    pub due_date: Sent<Option<Date>>,
    /// Who is paid instead of the seller.
    pub beneficiary: Sent<Option<CustomerId>>,
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

impl<C> TermsDraft<C> {
    /// The draft with its category looked up.
    pub fn with_category<D>(self, find: impl FnOnce(C) -> Sent<D>) -> TermsDraft<D> {
        TermsDraft {
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
    /// What is released for it, a whole number of major units.
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
    /// Checks the fields in the order of [`TermsDraft`] and refuses the first that
    /// is not right.
    pub fn new(draft: TermsDraft<Category>, limits: &TermsLimits) -> Result<Self, Invalid> {
        let amount = draft.amount?;
        if amount < limits.amount_min {
            let expected = format!("at least {}", limits.amount_min);
            return Err(Invalid::wrong("amount", expected, &amount.to_string()));
        }
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
}

impl MilestoneOffer {
    /// Checks the terms, then the number of milestones if they are too many, then each
    /// milestone in order, then whether they are too few, then their sum. `today` is
    /// the current day in UTC: a due date lies after it (contract section 9.2, row 39).
    pub fn new(
        draft: TermsDraft<Category>,
        milestones: Sent<Vec<Sent<MilestoneDraft>>>,
        limits: &TermsLimits,
        today: Date,
    ) -> Result<Self, Refusal> {
        let who_pays = draft.who_pays.and_then(buyer_only);
        let terms = Terms::new(TermsDraft { who_pays, ..draft }, limits)?;
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
        if Amount::total(milestones.iter().map(|milestone| milestone.amount)) != Some(terms.amount) {
            return Err(Refusal::MilestonesDoNotAddUp);
        }
        Ok(Self { terms, milestones })
    }
}

/// On a milestone escrow the fee is the buyer's (seed page).
fn buyer_only(who_pays: WhoPays) -> Sent<WhoPays> {
    if who_pays == WhoPays::Buyer {
        return Ok(who_pays);
    }
    let got = format!("\"{}\"", who_pays.as_str());
    Err(Invalid::wrong("whoPays", "\"buyer\" on a milestone escrow", &got))
}

impl MilestoneTerms {
    fn new(index: usize, draft: MilestoneDraft, limits: &TermsLimits, today: Date) -> Result<Self, Invalid> {
        let field = |name: &str| format!("milestones[{index}].{name}");
        let title = line(&field("title"), draft.title?, limits.purpose_chars_max)?;
        let description = prose(&field("description"), draft.description?, limits.description_chars_max)?;
        let amount = draft.amount?;
        if amount.is_zero() || amount.whole_major().is_none() {
            let got = amount.to_string();
            return Err(Invalid::wrong(field("amount"), "a positive whole number", &got));
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

/// A required text of one line.
pub(super) fn line(field: &str, text: String, chars_max: usize) -> Result<String, Invalid> {
    if text.trim().is_empty() {
        return Err(Invalid::missing(field));
    }
    bounded(
        field,
        text,
        chars_max,
        char::is_control,
        "without line breaks or control characters",
    )
}

/// An optional text that may have several lines. Blank is as good as absent.
pub(super) fn prose(field: &str, text: Option<String>, chars_max: usize) -> Result<Option<String>, Invalid> {
    let is_forbidden = |c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t');
    text.filter(|text| !text.trim().is_empty())
        .map(|text| bounded(field, text, chars_max, is_forbidden, "without control characters"))
        .transpose()
}

fn bounded(
    field: &str,
    text: String,
    chars_max: usize,
    is_forbidden: impl Fn(char) -> bool,
    rule: &str,
) -> Result<String, Invalid> {
    let chars = text.chars().count();
    if chars > chars_max {
        let expected = format!("a text of at most {chars_max} characters");
        return Err(Invalid::wrong(field, expected, &format!("{chars} characters")));
    }
    if text.contains(is_forbidden) {
        let expected = format!("a text {rule}");
        return Err(Invalid::wrong(field, expected, &format!("{text:?}")));
    }
    Ok(text)
}
