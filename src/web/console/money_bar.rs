//! The picture of a deal's money: a bar with a part for each stage.

use maud::{Markup, html};

use crate::domain::escrow::milestone::MilestoneStatus;
use crate::domain::escrow::{CloseReason, Escrow, Plan, Progress};
use crate::domain::money::Amount;
use crate::web::scale::scaled;

/// The width of the bar, in its own units.
const WIDTH: i64 = 10_000;

/// Where the money of a stage is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// With the buyer, who has not paid.
    Due,
    Held,
    Released,
    /// Back with the buyer, or split.
    Returned,
}

impl Place {
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Due => "to come",
            Self::Held => "held",
            Self::Released => "released",
            Self::Returned => "returned",
        }
    }

    const fn class(self) -> &'static str {
        match self {
            Self::Due => "due",
            Self::Held => "held",
            Self::Released => "released",
            Self::Returned => "returned",
        }
    }

    /// The class of a badge.
    pub(super) const fn tone(self) -> &'static str {
        match self {
            Self::Due => "",
            Self::Held => "info",
            Self::Released => "good",
            Self::Returned => "warn",
        }
    }
}

/// Returns the stages of an escrow: the amount of each, and where its money is.
pub(super) fn stages(escrow: &Escrow) -> Vec<(Amount, Place)> {
    let is_funded = escrow.funding().is_some();
    match &escrow.plan {
        Plan::Standard => {
            let place = match &escrow.progress {
                Progress::AwaitingPayment => Place::Due,
                Progress::Opened { .. } => Place::Held,
                Progress::Closed { outcome, .. } => match outcome {
                    CloseReason::Completed | CloseReason::Claimed => Place::Released,
                    CloseReason::Refunded | CloseReason::Split(_) => Place::Returned,
                },
            };
            vec![(escrow.terms.amount, place)]
        }
        Plan::Milestones(milestones) => {
            let stages = milestones.iter().map(|milestone| {
                let place = match milestone.status {
                    MilestoneStatus::Pending if is_funded => Place::Held,
                    MilestoneStatus::Pending => Place::Due,
                    MilestoneStatus::Released(_) => Place::Released,
                    MilestoneStatus::Refunded | MilestoneStatus::Split => Place::Returned,
                };
                (milestone.terms.amount, place)
            });
            stages.collect()
        }
    }
}

/// Draws the bar. Its words say the same for those who do not see it.
pub(super) fn draw(stages: &[(Amount, Place)]) -> Markup {
    let total: i64 = stages.iter().map(|(amount, _)| amount.minor()).sum();
    let count = stages.len();
    let done = stages.iter().filter(|(_, place)| *place == Place::Released).count();
    let ends = stages.iter().scan(0, |before, (amount, place)| {
        let start = *before;
        *before += amount.minor();
        Some((start, *before, place))
    });
    html! {
        svg.bar role="img" aria-label=(format!("{done} of {count} stages are released")) viewBox=(format!("0 0 {WIDTH} 100")) preserveAspectRatio="none" {
            @for (start, end, place) in ends {
                @let (x, width) = (scaled(start, total, WIDTH), scaled(end - start, total, WIDTH));
                rect class=(place.class()) x=(x) y="0" width=((width - 40).max(20)) height="100" {}
            }
        }
    }
}
