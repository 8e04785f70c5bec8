//! The contract's Escrow, R view, and Milestone (sections 3.1 and 3.2).

use serde::Serialize;

use super::{WireAmount, WireText};
use crate::domain::escrow::{Escrow, Plan, Progress};
use crate::domain::ids::{CustomerId, EscrowId, MilestoneId, TransactionId};
use crate::domain::milestone::{Milestone, MilestoneStatus};
use crate::domain::payment::TransactionType;
use crate::domain::time::{Date, Timestamp};

/// An escrow as one customer sees it. Every field of the contract is sent, null
/// when it holds nothing.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EscrowView {
    id: WireText<EscrowId>,
    amount: WireAmount,
    purpose: String,
    description: Option<String>,
    who_pays: &'static str,
    image_url: Option<Vec<String>>,
    fee: WireAmount,
    additional_fee: u8,
    additional_fee_refundable: bool,
    payment_token: String,
    paid_at: Option<WireText<i64>>,
    status: &'static str,
    state: &'static str,
    logs: [String; 0],
    channel: &'static str,
    is_seller: bool,
    dispute: Option<()>,
    payment_details: Option<PaymentDetailsView>,
    category: Option<()>,
    completed_at: Option<WireText<i64>>,
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
    created_at: WireText<Timestamp>,
    updated_at: WireText<Timestamp>,
}

/// The payment that funded an escrow (contract section 3.5.2).
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct PaymentDetailsView {
    id: WireText<TransactionId>,
    amount: WireAmount,
    status: &'static str,
    reference: String,
    fee: u8,
    transaction_type: &'static str,
    currency: String,
    created_at: WireText<Timestamp>,
}

/// A milestone.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MilestoneView {
    id: WireText<MilestoneId>,
    title: String,
    description: Option<String>,
    amount: WireAmount,
    due_date: Option<WireText<Date>>,
    customer_id: Option<WireText<CustomerId>>,
    status: &'static str,
    released_at: Option<WireText<i64>>,
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
            Progress::Completed { completed_at, .. } => Some(WireText(completed_at.unix_seconds())),
            Progress::AwaitingPayment | Progress::Opened(_) => None,
        };
        Self {
            id: WireText(escrow.id),
            amount: WireAmount(escrow.terms.amount),
            fee: WireAmount(escrow.fee.total()),
            image_url: None,
            additional_fee: 0,
            additional_fee_refundable: true,
            payment_token: escrow.payment_token.as_str().to_owned(),
            paid_at: escrow.funding().map(|funding| WireText(funding.paid_at.unix_seconds())),
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
            milestones: MilestoneView::list(escrow.plan),
            participants: None,
            winner_id: None,
            split: None,
            created_at: WireText(escrow.created_at),
            updated_at: WireText(escrow.updated_at),
            purpose: escrow.terms.purpose,
            description: escrow.terms.description,
        }
    }
}

impl PaymentDetailsView {
    fn of(escrow: &Escrow, currency: &str) -> Option<Self> {
        let funding = escrow.funding()?;
        Some(Self {
            id: WireText(funding.payment.id),
            amount: WireAmount(funding.payment.amount),
            status: "success",
            reference: funding.payment.reference.as_str().to_owned(),
            fee: 0,
            transaction_type: TransactionType::Escrow.as_str(),
            currency: currency.to_owned(),
            created_at: WireText(funding.paid_at),
        })
    }
}

impl MilestoneView {
    /// The plan's milestones in their order; none of a standard escrow.
    pub(crate) fn list(plan: Plan) -> Vec<Self> {
        match plan {
            Plan::Standard => Vec::new(),
            Plan::Milestones(milestones) => milestones.into_iter().map(Self::of).collect(),
        }
    }

    fn of(milestone: Milestone) -> Self {
        let released_at = milestone.released_at();
        let terms = milestone.terms;
        Self {
            id: WireText(milestone.id),
            title: terms.title,
            description: terms.description,
            amount: WireAmount(terms.amount),
            due_date: terms.due_date.map(WireText),
            customer_id: terms.beneficiary.map(WireText),
            status: match milestone.status {
                MilestoneStatus::Pending => "PENDING",
                MilestoneStatus::Released(_) => "RELEASED",
            },
            released_at: released_at.map(|at| WireText(at.unix_seconds())),
        }
    }
}
