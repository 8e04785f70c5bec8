//! The picture of a deal's money: a bar with a part for each stage.

use maud::{Markup, html};

use crate::domain::escrow::milestone::MilestoneStatus;
use crate::domain::escrow::{CloseReason, Escrow, Plan, Progress};
use crate::domain::money::Amount;
use crate::web::scale::scaled;

/// The width of the bar, in its own units.
const WIDTH: i64 = 10_000;

/// The state of a stage's money.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MoneyState {
    /// With the buyer, who has not paid.
    Due,
    Held,
    Released,
    /// Back with the buyer, or split.
    Returned,
}

impl MoneyState {
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

/// Returns the stages of an escrow: the amount of each, and the state of its money.
pub(super) fn stages(escrow: &Escrow) -> Vec<(Amount, MoneyState)> {
    let is_funded = escrow.funding().is_some();
    match &escrow.plan {
        Plan::Standard => {
            let state = match &escrow.progress {
                Progress::AwaitingPayment => MoneyState::Due,
                Progress::Opened { .. } => MoneyState::Held,
                Progress::Closed { outcome, .. } => match outcome {
                    CloseReason::Completed | CloseReason::Claimed => MoneyState::Released,
                    CloseReason::Refunded | CloseReason::Split(_) => MoneyState::Returned,
                },
            };
            vec![(escrow.terms.amount, state)]
        }
        Plan::Milestones(milestones) => {
            let stages = milestones.iter().map(|milestone| {
                let state = match milestone.status {
                    MilestoneStatus::Pending if is_funded => MoneyState::Held,
                    MilestoneStatus::Pending => MoneyState::Due,
                    MilestoneStatus::Released(_) => MoneyState::Released,
                    MilestoneStatus::Refunded | MilestoneStatus::Split => MoneyState::Returned,
                };
                (milestone.terms.amount, state)
            });
            stages.collect()
        }
    }
}

/// Draws the bar. Its words say the same for those who do not see it.
pub(super) fn draw(stages: &[(Amount, MoneyState)]) -> Markup {
    let total: i64 = stages.iter().map(|(amount, _)| amount.minor()).sum();
    let count = stages.len();
    let done = stages
        .iter()
        .filter(|(_, state)| *state == MoneyState::Released)
        .count();
    let ends = stages.iter().scan(0, |before, (amount, state)| {
        let start = *before;
        *before += amount.minor();
        Some((start, *before, state))
    });
    html! {
        svg.bar role="img" aria-label=(format!("{done} of {count} stages are released")) viewBox=(format!("0 0 {WIDTH} 100")) preserveAspectRatio="none" {
            @for (start, end, state) in ends {
                @let (x, width) = (scaled(start, total, WIDTH), scaled(end - start, total, WIDTH));
                rect class=(state.class()) x=(x) y="0" width=((width - 40).max(20)) height="100" {}
            }
        }
    }
}
