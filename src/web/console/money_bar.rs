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
    /// Back with the buyer.
    Returned,
    /// Divided between the seller and the buyer.
    Split,
}

impl MoneyState {
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Due => "to come",
            Self::Held => "held",
            Self::Released => "released",
            Self::Returned => "returned",
            Self::Split => "split",
        }
    }

    const fn class(self) -> &'static str {
        match self {
            Self::Due => "due",
            Self::Held => "held",
            Self::Released => "released",
            Self::Returned => "returned",
            Self::Split => "split",
        }
    }

    /// The class of a badge.
    pub(super) const fn tone(self) -> &'static str {
        match self {
            Self::Due => "",
            Self::Held => "info",
            Self::Released => "good",
            Self::Returned | Self::Split => "warn",
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
                    CloseReason::Refunded => MoneyState::Returned,
                    CloseReason::Split(_) => MoneyState::Split,
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
                    MilestoneStatus::Refunded => MoneyState::Returned,
                    MilestoneStatus::Split => MoneyState::Split,
                };
                (milestone.terms.amount, state)
            });
            stages.collect()
        }
    }
}

/// Draws the bar of an escrow with these [`stages`]. Its words say the same for those who do not see it.
pub(super) fn draw(escrow: &Escrow, stages: &[(Amount, MoneyState)]) -> Markup {
    let total: i64 = stages.iter().map(|(amount, _)| amount.minor()).sum();
    let label = label(escrow, stages);
    let ends = stages.iter().scan(0, |before, (amount, state)| {
        let start = *before;
        *before += amount.minor();
        Some((start, *before, state))
    });
    html! {
        svg.bar role="img" aria-label=(label) viewBox=(format!("0 0 {WIDTH} 100")) preserveAspectRatio="none" {
            @for (start, end, state) in ends {
                @let (x, width) = (scaled(start, total, WIDTH), scaled(end - start, total, WIDTH));
                rect class=(state.class()) x=(x) y="0" width=((width - 40).max(20)) height="100" {}
            }
        }
    }
}

/// Returns the bar in words. A standard escrow has no stages.
fn label(escrow: &Escrow, stages: &[(Amount, MoneyState)]) -> String {
    if let (Plan::Standard, [(_, state)]) = (&escrow.plan, stages) {
        return format!("The money is {}", state.word());
    }
    let released = stages.iter().filter(|(_, state)| *state == MoneyState::Released);
    format!("{} of {} stages are released", released.count(), stages.len())
}
