//! The data of webhook payloads (contract section 3.11): the W view of a deal (section 3.1)
//! or the webhook form of a transaction (section 3.5.3).

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Serialize;

use crate::domain::escrow::deal::DealRef;
use crate::domain::events::choice::known_names;
use crate::domain::ids::{MerchantId, MilestoneId, TransactionId};
use crate::domain::mode::Mode;
use crate::domain::payments::payment::PaidDeal;
use crate::domain::time::Timestamp;
use crate::domain::transaction::Method;
use crate::domain::transaction::{CreditType, Entry, PaymentStatus, TransactionType};
use crate::views::detailed::EventDealView;
use crate::views::transaction::{BlockchainDetailsView, EscrowDetailsView, WalletDetailsView, WithdrawalDetailsView};
use crate::views::{AsText, MajorUnits, ViewContext, Words};

/// The subject of an event.
#[derive(Debug)]
pub(crate) enum Subject<'a> {
    /// An escrow or a vault.
    Deal(DealRef<'a>),
    /// A milestone of a deal.
    Milestone { deal: DealRef<'a>, milestone: MilestoneId },
    /// A transaction.
    Payment(PaymentSubject<'a>),
}

/// A transaction that succeeded or failed, with the facts that its event shows beside it.
#[derive(Debug)]
pub(crate) struct PaymentSubject<'a> {
    /// The transaction.
    pub(crate) payment: &'a Entry,
    /// The deals it paid for, or the one it came from.
    pub(crate) deals: Vec<PaidDeal>,
    /// The customer of the transaction. For the merchant's own earnings, the id of the
    /// merchant's wallet, which has the form of a customer id and is no customer's.
    pub(crate) customer_id: String,
    /// The merchant of that customer.
    pub(crate) merchant: MerchantId,
}

/// Renders the data of an event's payload. The outbox stores it, and every delivery signs
/// and sends these same bytes.
pub(crate) fn event_data(subject: Subject<'_>, context: &ViewContext<'_>, mode: Mode) -> String {
    let data = match subject {
        Subject::Deal(deal) => serde_json::to_string(&EventDealView::new(deal, context, mode)),
        Subject::Milestone { deal, milestone } => serde_json::to_string(&EventMilestoneView {
            milestone_id: AsText(milestone),
            deal: EventDealView::new(deal, context, mode),
        }),
        Subject::Payment(subject) => serde_json::to_string(&EventPaymentView::new(subject, context, mode)),
    };
    data.expect("a view holds only what JSON can express")
}

/// Returns the name and the schema of the payload of every event.
pub(crate) fn event_schemas(schemas: &mut SchemaGenerator) -> Vec<(String, Schema)> {
    let payload = |name: String| {
        let data = match name.split_once('.') {
            Some(("payment", _)) => schemas.subschema_for::<EventPaymentView>(),
            Some(("milestone", _)) => schemas.subschema_for::<EventMilestoneView>(),
            _ => schemas.subschema_for::<EventDealView>(),
        };
        let schema = json_schema!({
            "type": "object",
            "required": ["event", "data", "timestamp"],
            "additionalProperties": false,
            "properties": {
                "event": { "type": "string", "const": name },
                "data": data,
                "timestamp": { "type": "string", "format": "date-time" },
            },
        });
        (name, schema)
    };
    known_names().into_iter().map(payload).collect()
}

/// A milestone that was released, in the deal as it is then.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct EventMilestoneView {
    milestone_id: AsText<MilestoneId>,
    #[serde(flatten)]
    deal: EventDealView,
}

/// The webhook form of a transaction. At most one of the four details is not null: the
/// one that matches the method of payment.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct EventPaymentView {
    id: AsText<TransactionId>,
    reference: String,
    amount: MajorUnits,
    fee: MajorUnits,
    currency: String,
    #[schemars(with = "Words<PaymentStatus>")]
    status: &'static str,
    #[schemars(with = "Words<TransactionType>")]
    transaction_type: &'static str,
    #[schemars(with = "Words<CreditType>")]
    credit_type: &'static str,
    customer_id: String,
    withdrawal_details: Option<WithdrawalDetailsView>,
    wallet_details: Option<WalletDetailsView>,
    escrow_details: Option<EscrowDetailsView>,
    blockchain_details: Option<BlockchainDetailsView>,
    created_at: AsText<Timestamp>,
    updated_at: AsText<Timestamp>,
    #[schemars(extend("enum" = ["test", "live"]))]
    environment: &'static str,
    merchant_id: i64,
}

impl EventPaymentView {
    fn new(subject: PaymentSubject<'_>, context: &ViewContext<'_>, mode: Mode) -> Self {
        let (fee, status, updated_at) = (
            subject.payment.fee(),
            subject.payment.status(),
            subject.payment.updated_at(),
        );
        let transaction = &subject.payment.transaction;
        let mut view = Self {
            id: AsText(transaction.id),
            amount: MajorUnits(transaction.amount),
            fee: MajorUnits(fee),
            currency: context.currency.to_owned(),
            status: status.into_str(),
            transaction_type: transaction.transaction_type.into_str(),
            credit_type: transaction.credit_type.into_str(),
            customer_id: subject.customer_id,
            reference: transaction.reference.as_str().to_owned(),
            withdrawal_details: None,
            wallet_details: None,
            escrow_details: EscrowDetailsView::of(subject.deals),
            blockchain_details: None,
            created_at: AsText(transaction.created_at),
            updated_at: AsText(updated_at),
            environment: mode.environment(),
            merchant_id: subject.merchant.0,
        };
        match subject.payment.detail.as_ref().map(|detail| detail.method.clone()) {
            Some(Method::Bank(account)) => view.withdrawal_details = Some(WithdrawalDetailsView::of(account)),
            Some(Method::Wallet(target)) => view.wallet_details = Some(WalletDetailsView::of(target)),
            Some(Method::Blockchain(target)) => view.blockchain_details = Some(BlockchainDetailsView::of(target)),
            Some(Method::TestAccount { .. } | Method::BankTransfer { .. } | Method::Card { .. }) | None => {}
        }
        view
    }
}
