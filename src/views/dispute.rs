//! The contract's Dispute (section 3.6): a list of what was said.

use serde::Serialize;

use crate::domain::escrow::Escrow;
use crate::domain::escrow::dispute::{Dispute, Speaker, Statement};
use crate::domain::ids::CustomerId;
use crate::domain::time::Timestamp;
use crate::views::ViewContext;

/// What one side said.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StatementView {
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<String>,
    name: String,
    profile: Option<()>,
    message: String,
    proof_url: Option<String>,
    #[serde(rename = "type")]
    speaker: &'static str,
    created_at: String,
}

impl StatementView {
    /// Everything that was said about an escrow, oldest first; none when nothing
    /// was disputed.
    pub(crate) fn list(escrow: &Escrow, viewing: &ViewContext<'_>) -> Option<Vec<Self>> {
        let dispute = escrow.dispute()?;
        Some(Self::of(dispute, escrow, viewing))
    }

    /// The same as the reply to a submission has it: each with the id of who said it, and
    /// the time in unix seconds (contract section 3.6).
    pub(super) fn list_as_written(escrow: &Escrow, viewing: &ViewContext<'_>) -> Option<Vec<Self>> {
        let dispute = escrow.dispute()?;
        let as_written = |(view, (speaker, statement)): (Self, (Speaker, &Statement))| Self {
            user_id: speaking(speaker, escrow).map(ToString::to_string),
            created_at: statement.at.unix_seconds().to_string(),
            ..view
        };
        let views = Self::of(dispute, escrow, viewing).into_iter();
        Some(views.zip(dispute.statements()).map(as_written).collect())
    }

    fn of(dispute: &Dispute, escrow: &Escrow, viewing: &ViewContext<'_>) -> Vec<Self> {
        let view = |(speaker, statement): (Speaker, &Statement)| Self {
            user_id: None,
            name: name(speaker, statement, escrow),
            profile: None,
            message: statement.message.clone(),
            proof_url: statement.proof.map(|file| viewing.file_url(file)),
            speaker: match speaker {
                Speaker::Buyer => "buyer",
                Speaker::Seller => "seller",
                Speaker::Merchant => "customer support",
            },
            created_at: date_and_time(statement.at),
        };
        dispute.statements().map(view).collect()
    }
}

/// Who said it: the merchant speaks for itself.
fn speaking(speaker: Speaker, escrow: &Escrow) -> Option<&CustomerId> {
    match speaker {
        Speaker::Buyer => escrow.funding().map(|funding| &funding.buyer),
        Speaker::Seller => escrow.seller.customer(),
        Speaker::Merchant => None,
    }
}

/// What who said it is called; by their id when no name is known.
fn name(speaker: Speaker, statement: &Statement, escrow: &Escrow) -> String {
    match speaking(speaker, escrow) {
        Some(customer) => statement.name.clone().unwrap_or_else(|| customer.to_string()),
        None => "Customer support".to_owned(),
    }
}

/// `YYYY-MM-DD HH:MM:SS` in UTC (contract section 1.7).
fn date_and_time(at: Timestamp) -> String {
    let iso = at.to_string();
    iso.chars().take(19).map(|c| if c == 'T' { ' ' } else { c }).collect()
}
