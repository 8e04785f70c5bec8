//! The parts of a story: people, and steps that each send one request.

use crate::domain::escrow::Escrow;
use crate::domain::escrow::dispute::Speaker;
use crate::domain::escrow::milestone::Milestone;
use crate::domain::time::Timestamp;
use crate::web::api::Request;

/// A story. Its texts may have the placeholders of [`Step::request`].
#[derive(Clone, Debug)]
pub(super) struct Story {
    /// Its part of the address: lower-case letters and hyphens. No two stories begin with the
    /// same letter, since the id of a run begins with it.
    pub(super) slug: &'static str,
    pub(super) title: &'static str,
    /// One sentence for those who choose a story.
    pub(super) summary: &'static str,
    /// The seller first.
    pub(super) people: Vec<Person>,
    pub(super) steps: Vec<Step>,
    /// The outcome, in one or two sentences.
    pub(super) ending: &'static str,
}

/// A person of a story.
#[derive(Clone, Copy, Debug)]
pub(super) struct Person {
    /// The first name. A run's customer has it in lower-case letters before the run's id.
    pub(super) name: &'static str,
    /// The part that the person plays, after the name and a comma.
    pub(super) role: &'static str,
    /// The money in the wallet at the beginning, in major units. A buyer's covers the price and
    /// the highest fee that a service may have, half the price. `None` for a person without a
    /// wallet in the story.
    pub(super) wallet: Option<u32>,
}

impl Person {
    /// Returns the name by which requests of a story and placeholders call the person.
    pub(super) fn customer_name(&self) -> String {
        self.name.to_lowercase()
    }
}

/// A step of a story.
#[derive(Clone, Debug)]
pub(super) struct Step {
    pub(super) title: &'static str,
    /// A sentence or two on what happens.
    pub(super) text: &'static str,
    /// Why everyone's money is safe.
    pub(super) safety: &'static str,
    /// The request that does it. It acts for a person by name. In its path and body,
    /// `{token}` stands for the deal's payment token, `{deal}` for its id, `{stage 1}` for the
    /// id of its first stage, `{days}` for the days until its time is up, `{currency}` for the
    /// currency, and `{ada}` for Ada's customer id.
    pub(super) request: Request,
    /// The fact from which it shows that the step is done.
    pub(super) done: Done,
}

/// A fact about a deal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Done {
    Offered,
    Paid,
    /// The stage with this number, from 1, has been paid out.
    StagePaidOut(usize),
    /// This party has spoken in the dispute.
    Spoken(Speaker),
    /// The buyer's time to confirm has passed.
    TimeIsUp,
    Closed,
}

impl Done {
    /// Returns the moment at which this became true of the deal, if it has by `now`.
    pub(super) fn since(self, escrow: &Escrow, now: Timestamp, grace_seconds: i64) -> Option<Timestamp> {
        match self {
            Self::Offered => Some(escrow.created_at),
            Self::Paid => Some(escrow.funding()?.paid_at),
            Self::StagePaidOut(number) => {
                let stage = escrow.milestones().get(number.checked_sub(1)?);
                stage.and_then(Milestone::released_at)
            }
            Self::Spoken(speaker) => {
                let mut statements = escrow.dispute()?.statements();
                let statement = statements.find(|(by, _)| *by == speaker);
                statement.map(|(_, statement)| statement.at)
            }
            Self::TimeIsUp => escrow.overdue_at(grace_seconds).filter(|due| *due <= now),
            Self::Closed => escrow.closed_at(),
        }
    }
}
