//! The R view of an escrow (contract section 3.1), and milestones (section 3.2).

use schemars::JsonSchema;
use serde::Serialize;

use crate::domain::escrow::Status;
use crate::domain::escrow::deal::Deal;
use crate::domain::escrow::dispute::Dispute;
use crate::domain::escrow::milestone::Milestone;
use crate::domain::escrow::milestone::MilestoneStatusWord;
use crate::domain::escrow::terms::{DeliveryTimeline, MAX_DELIVERY_DEFAULT};
use crate::domain::escrow::vault::{Vault, VaultProgress};
use crate::domain::escrow::{CloseReason, Escrow, Plan, Progress};
use crate::domain::fees::WhoPays;
use crate::domain::ids::{CustomerId, EscrowId, MilestoneId, TransactionId};
use crate::domain::money::Amount;
use crate::domain::time::{Date, Timestamp};
use crate::domain::transaction::PaymentStatus;
use crate::domain::transaction::TransactionType;
use crate::views::category::CategoryView;
use crate::views::dispute::StatementView;
use crate::views::vault::ParticipantView;
use crate::views::{AsText, MajorUnits, ViewContext, Words};

/// An escrow or a vault, with null for an unknown value. `isSeller` depends on the party that
/// the reply is for (the R view of the contract).
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EscrowView {
    id: AsText<EscrowId>,
    amount: MajorUnits,
    purpose: String,
    description: Option<String>,
    #[schemars(with = "Words<WhoPays>")]
    who_pays: &'static str,
    image_url: Option<Vec<String>>,
    fee: MajorUnits,
    additional_fee: MajorUnits,
    additional_fee_refundable: bool,
    payment_token: String,
    paid_at: Option<AsText<i64>>,
    #[schemars(with = "Words<Status>")]
    status: &'static str,
    #[schemars(extend("enum" = ["AWAITING_PAYMENT", "OPENED", "CLOSED"]))]
    state: &'static str,
    logs: &'static [&'static str],
    #[schemars(extend("enum" = ["API"]))]
    channel: &'static str,
    // None leaves the field out, as in the W view.
    #[serde(skip_serializing_if = "Option::is_none")]
    is_seller: Option<bool>,
    dispute: Option<Vec<StatementView>>,
    // `Some(None)` is null, for an escrow that is not funded; `None` leaves the field
    // out, as in the W view.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[expect(clippy::option_option, reason = "an absent field and null are different")]
    payment_details: Option<Option<PaymentDetailsView>>,
    category: Option<CategoryView>,
    completed_at: Option<AsText<i64>>,
    approved_claim_by: Option<()>,
    refunded_by: Option<()>,
    max_delivery: i64,
    #[schemars(with = "Words<DeliveryTimeline>")]
    delivery_timeline: &'static str,
    total_quantity: i64,
    #[schemars(extend("enum" = ["STANDARD", "MILESTONE", "VAULT"]))]
    settlement_type: &'static str,
    milestones: Vec<MilestoneView>,
    participants: Option<Vec<ParticipantView>>,
    winner_id: Option<AsText<CustomerId>>,
    split: Option<SplitView>,
    created_at: AsText<Timestamp>,
    updated_at: AsText<Timestamp>,
}

/// The split of a hold between seller and buyer (contract section 3.7).
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct SplitView {
    seller_amount: MajorUnits,
    buyer_amount: MajorUnits,
    pool: MajorUnits,
    resolved_at: AsText<i64>,
}

/// The payment that funded an escrow (contract section 3.5.2).
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct PaymentDetailsView {
    id: AsText<TransactionId>,
    amount: MajorUnits,
    #[schemars(with = "Words<PaymentStatus>")]
    status: &'static str,
    reference: String,
    fee: u8,
    #[schemars(with = "Words<TransactionType>")]
    transaction_type: &'static str,
    currency: String,
    created_at: AsText<Timestamp>,
}

/// The contract's Milestone.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MilestoneView {
    id: AsText<MilestoneId>,
    title: String,
    description: Option<String>,
    amount: MajorUnits,
    due_date: Option<AsText<Date>>,
    customer_id: Option<AsText<CustomerId>>,
    #[schemars(with = "Words<MilestoneStatusWord>")]
    status: &'static str,
    released_at: Option<AsText<i64>>,
}

impl EscrowView {
    /// Shows a deal of any settlement type.
    pub(crate) fn of_deal(deal: Deal, context: &ViewContext<'_>) -> Self {
        match deal {
            Deal::Escrow(escrow) => Self::new(escrow, context),
            Deal::Vault(vault) => Self::of_vault(vault, context),
        }
    }

    /// Shows an escrow.
    pub(crate) fn new(escrow: Escrow, context: &ViewContext<'_>) -> Self {
        let images = escrow.images.iter().map(|&file| context.file_url(file));
        Self {
            id: AsText(escrow.id),
            amount: MajorUnits(escrow.terms.amount),
            fee: MajorUnits(escrow.fee.total()),
            image_url: (!escrow.images.is_empty()).then(|| images.collect()),
            additional_fee: MajorUnits(escrow.additional_fee.amount),
            additional_fee_refundable: escrow.additional_fee.is_refundable,
            payment_token: escrow.payment_token.as_str().to_owned(),
            paid_at: escrow.funding().map(|funding| AsText(funding.paid_at.unix_seconds())),
            status: escrow.status().into_str(),
            state: escrow.progress.into_str(),
            logs: if escrow.dispute().is_some_and(Dispute::is_between_parties) {
                &["DISPUTED"]
            } else {
                &[]
            },
            channel: "API",
            is_seller: Some(context.is(&escrow.seller)),
            dispute: StatementView::list(&escrow, context),
            payment_details: Some(PaymentDetailsView::of(&escrow, context.currency)),
            category: escrow
                .terms
                .category
                .clone()
                .map(|category| CategoryView::new(category, context)),
            completed_at: escrow.closed_at().map(|at| AsText(at.unix_seconds())),
            approved_claim_by: None,
            refunded_by: None,
            who_pays: escrow.terms.who_pays.into_str(),
            max_delivery: escrow.terms.max_delivery,
            delivery_timeline: escrow.terms.delivery_timeline.into_str(),
            total_quantity: escrow.terms.total_quantity,
            settlement_type: escrow.plan.into_str(),
            split: SplitView::of(&escrow),
            milestones: MilestoneView::list(escrow.plan),
            participants: None,
            winner_id: None,
            created_at: AsText(escrow.created_at),
            updated_at: AsText(escrow.updated_at),
            purpose: escrow.terms.purpose,
            description: escrow.terms.description,
        }
    }

    /// Leaves out the fields that depend on a viewer, for the W view.
    pub(super) fn for_webhook(self) -> Self {
        Self {
            is_seller: None,
            payment_details: None,
            ..self
        }
    }

    /// Replaces the statements of the dispute.
    pub(super) fn with_dispute(self, dispute: Option<Vec<StatementView>>) -> Self {
        Self { dispute, ..self }
    }

    /// Shows a vault. The contract wants fields that a vault does not have: `whoPays` is
    /// the seller, since the fee is taken from the stakes, and the delivery window has
    /// its default.
    pub(crate) fn of_vault(vault: Vault, context: &ViewContext<'_>) -> Self {
        let settled_at = vault.settled_at();
        let status = vault.status();
        let state = match vault.progress {
            VaultProgress::Opened => "OPENED",
            VaultProgress::Won { .. } | VaultProgress::Cancelled { .. } => "CLOSED",
        };
        Self {
            id: AsText(vault.id),
            amount: MajorUnits(vault.pot()),
            fee: MajorUnits(vault.fee.total()),
            image_url: None,
            additional_fee: MajorUnits(Amount::ZERO),
            additional_fee_refundable: true,
            payment_token: vault.payment_token.as_str().to_owned(),
            paid_at: Some(AsText(vault.created_at.unix_seconds())),
            status: status.into_str(),
            state,
            logs: &[],
            channel: "API",
            is_seller: Some(false),
            dispute: None,
            payment_details: Some(None),
            completed_at: settled_at.map(|at| AsText(at.unix_seconds())),
            approved_claim_by: None,
            refunded_by: None,
            who_pays: WhoPays::Seller.into_str(),
            max_delivery: MAX_DELIVERY_DEFAULT,
            delivery_timeline: DeliveryTimeline::Days.into_str(),
            total_quantity: 1,
            settlement_type: "VAULT",
            milestones: Vec::new(),
            participants: Some(ParticipantView::list(&vault)),
            split: None,
            created_at: AsText(vault.created_at),
            updated_at: AsText(settled_at.unwrap_or(vault.created_at)),
            category: vault.category.map(|category| CategoryView::new(category, context)),
            winner_id: match vault.progress {
                VaultProgress::Won { winner, .. } => Some(AsText(winner)),
                VaultProgress::Opened | VaultProgress::Cancelled { .. } => None,
            },
            purpose: vault.purpose,
            description: vault.description,
        }
    }
}

impl SplitView {
    fn of(escrow: &Escrow) -> Option<Self> {
        let Progress::Closed {
            outcome: CloseReason::Split(split),
            at,
            ..
        } = &escrow.progress
        else {
            return None;
        };
        let pool = split.seller.checked_add(split.buyer)?;
        Some(Self {
            seller_amount: MajorUnits(split.seller),
            buyer_amount: MajorUnits(split.buyer),
            pool: MajorUnits(pool),
            resolved_at: AsText(at.unix_seconds()),
        })
    }
}

impl PaymentDetailsView {
    fn of(escrow: &Escrow, currency: &str) -> Option<Self> {
        let funding = escrow.funding()?;
        Some(Self {
            id: AsText(funding.payment.id),
            amount: MajorUnits(funding.payment.amount),
            status: "success",
            reference: funding.payment.reference.as_str().to_owned(),
            fee: 0,
            transaction_type: TransactionType::Escrow.into_str(),
            currency: currency.to_owned(),
            created_at: AsText(funding.paid_at),
        })
    }
}

impl MilestoneView {
    /// Shows the plan's milestones in order. A standard escrow has none.
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
            id: AsText(milestone.id),
            title: terms.title,
            description: terms.description,
            amount: MajorUnits(terms.amount),
            due_date: terms.due_date.map(AsText),
            customer_id: terms.beneficiary.map(AsText),
            status: milestone.status.into_str(),
            released_at: released_at.map(|at| AsText(at.unix_seconds())),
        }
    }
}
