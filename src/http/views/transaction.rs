//! The contract's Transaction (section 3.5.1).

use serde::Serialize;

use super::WireAmount;
use crate::domain::escrow::Escrow;
use crate::domain::payment::Transaction;

/// An entry of a payment history. Every field of the contract is sent, null when
/// it holds nothing.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TransactionView {
    id: String,
    amount: WireAmount,
    reference: String,
    fee: u8,
    transaction_type: &'static str,
    currency: String,
    transfer_details: Option<()>,
    deposit_details: Option<()>,
    wallet_details: Option<()>,
    withdrawal_details: Option<()>,
    blockchain_details: Option<()>,
    escrow_details: Option<EscrowDetailsView>,
    metadata: Option<()>,
    status: &'static str,
    credit_type: &'static str,
    created_at: String,
    updated_at: String,
}

/// What an escrow payment paid for: an object for one escrow, a list for several.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum EscrowDetailsView {
    One(EscrowDetailView),
    Several(Vec<EscrowDetailView>),
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct EscrowDetailView {
    escrow_id: String,
    beneficiary: BeneficiaryView,
    description: Option<String>,
    amount: WireAmount,
    fee: WireAmount,
    payment_token: String,
    purpose: String,
    channel: &'static str,
    callback_url: Option<()>,
}

/// Who is paid. A customer known only by id goes by it.
#[derive(Debug, Serialize)]
struct BeneficiaryView {
    name: String,
    phone: Option<()>,
}

impl TransactionView {
    /// A transaction with the escrows it paid for.
    pub(crate) fn new(transaction: &Transaction, escrows: Vec<Escrow>, currency: &str) -> Self {
        let mut details: Vec<EscrowDetailView> = escrows.into_iter().map(EscrowDetailView::of).collect();
        let escrow_details = match details.len() {
            0 => None,
            1 => details.pop().map(EscrowDetailsView::One),
            _ => Some(EscrowDetailsView::Several(details)),
        };
        Self {
            id: transaction.id.to_string(),
            amount: WireAmount(transaction.amount),
            reference: transaction.reference.as_str().to_owned(),
            fee: 0,
            transaction_type: transaction.transaction_type.as_str(),
            currency: currency.to_owned(),
            transfer_details: None,
            deposit_details: None,
            wallet_details: None,
            withdrawal_details: None,
            blockchain_details: None,
            escrow_details,
            metadata: None,
            status: "success",
            credit_type: transaction.credit_type.as_str(),
            created_at: transaction.created_at.to_string(),
            updated_at: transaction.created_at.to_string(),
        }
    }
}

impl EscrowDetailView {
    fn of(escrow: Escrow) -> Self {
        Self {
            escrow_id: escrow.id.to_string(),
            beneficiary: BeneficiaryView {
                name: escrow
                    .seller
                    .customer()
                    .map_or_else(|| "Merchant".to_owned(), ToString::to_string),
                phone: None,
            },
            description: escrow.terms.description,
            amount: WireAmount(escrow.terms.amount),
            fee: WireAmount(escrow.fee.total()),
            payment_token: escrow.payment_token.as_str().to_owned(),
            purpose: escrow.terms.purpose,
            channel: "API",
            callback_url: None,
        }
    }
}
