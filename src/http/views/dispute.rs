//! The contract's Dispute (section 3.6): a list of what was said.

use serde::Serialize;

use super::Viewing;
use crate::domain::dispute::{Dispute, Speaker, Statement};
use crate::domain::escrow::Escrow;
use crate::domain::time::Timestamp;

/// What one side said.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StatementView {
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
    pub(crate) fn list(escrow: &Escrow, viewing: &Viewing<'_>) -> Option<Vec<Self>> {
        let dispute = escrow.dispute()?;
        Some(Self::of(dispute, escrow, viewing))
    }

    fn of(dispute: &Dispute, escrow: &Escrow, viewing: &Viewing<'_>) -> Vec<Self> {
        let view = |(speaker, statement): (Speaker, &Statement)| Self {
            name: name(speaker, escrow),
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

fn name(speaker: Speaker, escrow: &Escrow) -> String {
    let customer = match speaker {
        Speaker::Buyer => escrow.funding().map(|funding| &funding.buyer),
        Speaker::Seller => escrow.seller.customer(),
        Speaker::Merchant => None,
    };
    customer.map_or_else(|| "Customer support".to_owned(), ToString::to_string)
}

/// `YYYY-MM-DD HH:MM:SS` in UTC (contract section 1.7).
fn date_and_time(at: Timestamp) -> String {
    let iso = at.to_string();
    iso.chars().take(19).map(|c| if c == 'T' { ' ' } else { c }).collect()
}
