//! The contract's Escrow, R view, and Milestone (sections 3.1 and 3.2).

use serde::Serialize;

use super::WireAmount;
use crate::domain::escrow::{Escrow, Plan, Progress};
use crate::domain::ids::CustomerId;
use crate::domain::milestone::{Milestone, MilestoneStatus};
use crate::domain::payment::TransactionType;

/// An escrow as one customer sees it. Every field of the contract is sent, null
/// when it holds nothing.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EscrowView {
    id: String,
    amount: WireAmount,
    purpose: String,
    description: Option<String>,
    who_pays: &'static str,
    image_url: Option<Vec<String>>,
    fee: WireAmount,
    additional_fee: u8,
    additional_fee_refundable: bool,
    payment_token: String,
    paid_at: Option<String>,
    status: &'static str,
    state: &'static str,
    logs: [String; 0],
    channel: &'static str,
    is_seller: bool,
    dispute: Option<()>,
    payment_details: Option<PaymentDetailsView>,
    category: Option<()>,
    completed_at: Option<String>,
    approved_claim_by: Option<()>,
    refunded_by: Option<()>,
    max_delivery: i64,
    delivery_timeline: &'static str,
    total_quantity: i64,
    settlement_type: &'static str,
    milestones: Vec<MilestoneView>,
    participants: Option<()>,
    winner_id: Option<()>,
    split: Option<()>,
    created_at: String,
    updated_at: String,
}

/// The payment that funded an escrow (contract section 3.5.2).
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct PaymentDetailsView {
    id: String,
    amount: WireAmount,
    status: &'static str,
    reference: String,
    fee: u8,
    transaction_type: &'static str,
    currency: String,
    created_at: String,
}

/// A milestone.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MilestoneView {
    id: String,
    title: String,
    description: Option<String>,
    amount: WireAmount,
    due_date: Option<String>,
    customer_id: Option<String>,
    status: &'static str,
    released_at: Option<String>,
}

impl EscrowView {
    /// The escrow as this customer sees it.
    pub(crate) fn new(escrow: Escrow, viewer: Option<&CustomerId>, currency: &str) -> Self {
        let (state, status) = match escrow.progress {
            Progress::AwaitingPayment => ("AWAITING_PAYMENT", "PENDING"),
            Progress::Opened(_) => ("OPENED", "ONGOING"),
            Progress::Completed { .. } => ("CLOSED", "COMPLETED"),
        };
        let completed_at = match escrow.progress {
            Progress::Completed { completed_at, .. } => Some(completed_at.unix_seconds().to_string()),
            Progress::AwaitingPayment | Progress::Opened(_) => None,
        };
        Self {
            id: escrow.id.to_string(),
            amount: WireAmount(escrow.terms.amount),
            fee: WireAmount(escrow.fee.total()),
            image_url: None,
            additional_fee: 0,
            additional_fee_refundable: true,
            payment_token: escrow.payment_token.as_str().to_owned(),
            paid_at: escrow
                .funding()
                .map(|funding| funding.paid_at.unix_seconds().to_string()),
            status,
            state,
            logs: [],
            channel: "API",
            is_seller: viewer == Some(&escrow.seller),
            dispute: None,
            payment_details: PaymentDetailsView::of(&escrow, currency),
            category: None,
            completed_at,
            approved_claim_by: None,
            refunded_by: None,
            who_pays: escrow.terms.who_pays.as_str(),
            max_delivery: escrow.terms.max_delivery,
            delivery_timeline: escrow.terms.delivery_timeline.as_str(),
            total_quantity: escrow.terms.total_quantity,
            settlement_type: match escrow.plan {
                Plan::Standard => "STANDARD",
                Plan::Milestones(_) => "MILESTONE",
            },
            milestones: MilestoneView::list(escrow.milestones()),
            participants: None,
            winner_id: None,
            split: None,
            created_at: escrow.created_at.to_string(),
            updated_at: escrow.updated_at.to_string(),
            purpose: escrow.terms.purpose,
            description: escrow.terms.description,
        }
    }
}

impl PaymentDetailsView {
    fn of(escrow: &Escrow, currency: &str) -> Option<Self> {
        let funding = escrow.funding()?;
        Some(Self {
            id: funding.payment.id.to_string(),
            amount: WireAmount(funding.payment.amount),
            status: "success",
            reference: funding.payment.reference.as_str().to_owned(),
            fee: 0,
            transaction_type: TransactionType::Escrow.as_str(),
            currency: currency.to_owned(),
            created_at: funding.paid_at.to_string(),
        })
    }
}

impl MilestoneView {
    /// Milestones in their order.
    pub(crate) fn list(milestones: &[Milestone]) -> Vec<Self> {
        milestones.iter().map(Self::of).collect()
    }

    fn of(milestone: &Milestone) -> Self {
        let terms = &milestone.terms;
        Self {
            id: milestone.id.to_string(),
            title: terms.title.clone(),
            description: terms.description.clone(),
            amount: WireAmount(terms.amount),
            due_date: terms.due_date.map(|date| date.to_string()),
            customer_id: terms.beneficiary.as_ref().map(ToString::to_string),
            status: match milestone.status {
                MilestoneStatus::Pending => "PENDING",
                MilestoneStatus::Released(_) => "RELEASED",
            },
            released_at: milestone.released_at().map(|at| at.unix_seconds().to_string()),
        }
    }
}
