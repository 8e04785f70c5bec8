//! Disputes (contract section 3.6): a dispute is shown as the list of its statements.

use schemars::JsonSchema;
use serde::Serialize;

use crate::domain::escrow::Escrow;
use crate::domain::escrow::dispute::{Dispute, Speaker, Statement};
use crate::domain::ids::CustomerId;
use crate::domain::time::Timestamp;
use crate::views::ViewContext;

/// One statement in a dispute.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StatementView {
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<String>,
    name: String,
    profile: Option<()>,
    message: String,
    proof_url: Option<String>,
    #[serde(rename = "type")]
    #[schemars(extend("enum" = ["buyer", "seller", "customer support"]))]
    speaker: &'static str,
    created_at: String,
}

impl StatementView {
    /// Shows an escrow's statements, oldest first. Returns `None` if the escrow was never
    /// disputed or ruled on.
    pub(crate) fn list(escrow: &Escrow, context: &ViewContext<'_>) -> Option<Vec<Self>> {
        let dispute = escrow.dispute()?;
        Some(Self::of(dispute, escrow, context))
    }

    /// Shows an escrow's statements as the reply to a submission has them: each with its
    /// speaker's id, and with the time in unix seconds (contract section 3.6).
    pub(super) fn list_for_submission(escrow: &Escrow, context: &ViewContext<'_>) -> Option<Vec<Self>> {
        let dispute = escrow.dispute()?;
        let for_submission = |(view, (speaker, statement)): (Self, (Speaker, &Statement))| Self {
            user_id: speaker_id(speaker, escrow).map(ToString::to_string),
            created_at: statement.at.unix_seconds().to_string(),
            ..view
        };
        let views = Self::of(dispute, escrow, context).into_iter();
        Some(views.zip(dispute.statements()).map(for_submission).collect())
    }

    fn of(dispute: &Dispute, escrow: &Escrow, context: &ViewContext<'_>) -> Vec<Self> {
        let view = |(speaker, statement): (Speaker, &Statement)| Self {
            user_id: None,
            name: name(speaker, statement, escrow),
            profile: None,
            message: statement.message.clone(),
            proof_url: statement.proof.map(|file| context.file_url(file)),
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

/// Returns the customer who speaks, or `None` if the merchant does.
fn speaker_id(speaker: Speaker, escrow: &Escrow) -> Option<&CustomerId> {
    match speaker {
        Speaker::Buyer => escrow.funding().map(|funding| &funding.buyer),
        Speaker::Seller => escrow.seller.customer(),
        Speaker::Merchant => None,
    }
}

/// Returns the speaker's name at the time, or the customer id if the name was unknown.
fn name(speaker: Speaker, statement: &Statement, escrow: &Escrow) -> String {
    match speaker_id(speaker, escrow) {
        Some(customer) => statement.name.clone().unwrap_or_else(|| customer.to_string()),
        None => "Customer support".to_owned(),
    }
}

/// Formats a time as `YYYY-MM-DD HH:MM:SS` in UTC (contract section 1.7).
fn date_and_time(at: Timestamp) -> String {
    let iso = at.to_string();
    iso.chars().take(19).map(|c| if c == 'T' { ' ' } else { c }).collect()
}
