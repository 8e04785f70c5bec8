//! Transactions (contract section 3.5.1).

use schemars::JsonSchema;
use serde::Serialize;

use crate::domain::ids::{Reference, TransactionId};
use crate::domain::mode::Mode;
use crate::domain::money::Amount;
use crate::domain::payments::bank::{ACCOUNT_NAME, TEST_BANK_CODE, TEST_BANK_NAME};
use crate::domain::payments::payment::{PaidDeal, Payment};
use crate::domain::payments::whitelist::NETWORK;
use crate::domain::time::Timestamp;
use crate::domain::transaction::{BankAccount, BlockchainTarget, DepositAccount, Method, WalletTarget};
use crate::domain::transaction::{CreditType, PaymentStatus, TransactionType};
use crate::views::{AsText, MajorUnits, Words};

/// The contract's Transaction: one entry of a payment history. Every field is sent, with
/// null for an unknown value, except `cardId`, `testAccount` and `depositAccount`, which are
/// left out of transactions that do not use them.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TransactionView {
    id: AsText<TransactionId>,
    amount: MajorUnits,
    reference: String,
    fee: MajorUnits,
    #[schemars(with = "Words<TransactionType>")]
    transaction_type: &'static str,
    currency: String,
    transfer_details: Option<()>,
    #[serde(flatten)]
    method: MethodView,
    escrow_details: Option<EscrowDetailsView>,
    metadata: Option<()>,
    #[schemars(with = "Words<PaymentStatus>")]
    status: &'static str,
    #[schemars(with = "Words<CreditType>")]
    credit_type: &'static str,
    created_at: AsText<Timestamp>,
    updated_at: AsText<Timestamp>,
}

/// The details of the payment method. Beside `cardId`, at most one of them is not null.
#[derive(Debug, Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct MethodView {
    #[serde(skip_serializing_if = "Option::is_none")]
    card_id: Option<String>,
    deposit_details: Option<DepositDetailsView>,
    wallet_details: Option<WalletDetailsView>,
    withdrawal_details: Option<WithdrawalDetailsView>,
    blockchain_details: Option<BlockchainDetailsView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    test_account: Option<TestAccountView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deposit_account: Option<DepositAccountView>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct DepositDetailsView {
    card_id: String,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct WalletDetailsView {
    phone: Option<String>,
    name: String,
    narration: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct WithdrawalDetailsView {
    bank_code: String,
    account_number: String,
    account_name: String,
    bank_name: String,
    narration: Option<String>,
}

/// The details of a blockchain withdrawal. The withdrawal is simulated, so it has no
/// hash on any chain.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct BlockchainDetailsView {
    to_address: String,
    network: &'static str,
    from_address: String,
    token_address: Option<String>,
    hash: Option<()>,
    confirmations: u8,
}

/// The test bank account that a pending deposit is to be paid to. It never expires.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct TestAccountView {
    account_number: String,
    bank_code: &'static str,
    amount: MajorUnits,
    account_name: &'static str,
    bank: &'static str,
    expires_in: Option<()>,
    dedicated: bool,
}

/// The operator's bank account that a deposit is to be paid to, and the reference that the
/// payer must quote.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct DepositAccountView {
    bank: String,
    bank_code: Option<String>,
    account_number: String,
    account_name: String,
    amount: MajorUnits,
    reference: String,
}

/// The escrows that a payment paid for: an object for one escrow, a list for several.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(untagged)]
pub(super) enum EscrowDetailsView {
    One(EscrowDetailView),
    Several(Vec<EscrowDetailView>),
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct EscrowDetailView {
    escrow_id: String,
    beneficiary: Option<BeneficiaryView>,
    description: Option<String>,
    amount: MajorUnits,
    fee: MajorUnits,
    payment_token: String,
    purpose: String,
    #[schemars(extend("enum" = ["API"]))]
    channel: &'static str,
    callback_url: Option<()>,
}

/// The seller of the escrow, or the winner of the vault.
#[derive(Debug, Serialize, JsonSchema)]
struct BeneficiaryView {
    name: String,
    phone: Option<String>,
}

impl TransactionView {
    /// Shows a transaction with the escrows that it paid for, or the one that it came
    /// from.
    pub(crate) fn new(payment: Payment, currency: &str) -> Self {
        let (fee, status, updated_at) = (payment.fee(), payment.status(), payment.updated_at());
        let is_for_escrows = !payment.escrows.is_empty();
        let escrow_details = EscrowDetailsView::of(payment.deals());
        let transaction = payment.transaction;
        let method = payment.detail.map(|detail| detail.method);
        Self {
            id: AsText(transaction.id),
            amount: MajorUnits(transaction.amount),
            reference: transaction.reference.as_str().to_owned(),
            fee: MajorUnits(fee),
            transaction_type: transaction.transaction_type.into_str(),
            currency: currency.to_owned(),
            transfer_details: None,
            method: method.map_or_else(MethodView::default, |method| {
                MethodView::of(
                    method,
                    transaction.amount,
                    &transaction.quoted_reference(Mode::Live),
                    is_for_escrows,
                )
            }),
            escrow_details,
            metadata: None,
            status: status.into_str(),
            credit_type: transaction.credit_type.into_str(),
            created_at: AsText(transaction.created_at),
            updated_at: AsText(updated_at),
        }
    }
}

impl MethodView {
    fn of(method: Method, amount: Amount, quoted: &Reference, is_for_escrows: bool) -> Self {
        let mut view = Self::default();
        match method {
            Method::TestAccount { account_number, .. } => {
                view.test_account = Some(TestAccountView::of(account_number, amount));
            }
            Method::BankTransfer { account, .. } => {
                view.deposit_account = account.map(|account| DepositAccountView::of(account, amount, quoted));
            }
            Method::Card { card_id } => {
                let is_deposit = !is_for_escrows;
                view.deposit_details = is_deposit.then(|| DepositDetailsView {
                    card_id: card_id.clone(),
                });
                view.card_id = Some(card_id);
            }
            Method::Bank(account) => view.withdrawal_details = Some(WithdrawalDetailsView::of(account)),
            Method::Blockchain(target) => view.blockchain_details = Some(BlockchainDetailsView::of(target)),
            Method::Wallet(target) => view.wallet_details = Some(WalletDetailsView::of(target)),
        }
        view
    }
}

impl DepositAccountView {
    fn of(account: DepositAccount, amount: Amount, quoted: &Reference) -> Self {
        Self {
            bank: account.bank_name,
            bank_code: account.bank_code,
            account_number: account.account_number,
            account_name: account.account_name,
            amount: MajorUnits(amount),
            reference: quoted.as_str().to_owned(),
        }
    }
}

impl TestAccountView {
    const fn of(account_number: String, amount: Amount) -> Self {
        Self {
            account_number,
            bank_code: TEST_BANK_CODE,
            amount: MajorUnits(amount),
            account_name: ACCOUNT_NAME,
            bank: TEST_BANK_NAME,
            expires_in: None,
            dedicated: false,
        }
    }
}

impl WithdrawalDetailsView {
    pub(super) fn of(account: BankAccount) -> Self {
        Self {
            bank_code: account.bank_code,
            account_number: account.account_number,
            account_name: account.account_name,
            bank_name: account.bank_name,
            narration: account.narration,
        }
    }
}

impl BlockchainDetailsView {
    pub(super) fn of(target: BlockchainTarget) -> Self {
        Self {
            to_address: target.to_address,
            network: NETWORK,
            from_address: target.from_address,
            token_address: target.token_address,
            hash: None,
            confirmations: 0,
        }
    }
}

impl WalletDetailsView {
    pub(super) fn of(target: WalletTarget) -> Self {
        Self {
            phone: target.phone,
            name: target.name,
            narration: target.narration,
        }
    }
}

impl EscrowDetailsView {
    /// Returns `None` if the payment was for no deal.
    pub(super) fn of(deals: Vec<PaidDeal>) -> Option<Self> {
        let mut details: Vec<EscrowDetailView> = deals.into_iter().map(EscrowDetailView::of).collect();
        match details.len() {
            0 => None,
            1 => details.pop().map(Self::One),
            _ => Some(Self::Several(details)),
        }
    }
}

impl EscrowDetailView {
    fn of(deal: PaidDeal) -> Self {
        Self {
            escrow_id: deal.id.to_string(),
            beneficiary: deal.payee.map(|payee| BeneficiaryView {
                name: payee.name,
                phone: payee.phone,
            }),
            description: deal.description,
            amount: MajorUnits(deal.amount),
            fee: MajorUnits(deal.fee),
            payment_token: deal.payment_token.as_str().to_owned(),
            purpose: deal.purpose,
            channel: "API",
            callback_url: None,
        }
    }
}
