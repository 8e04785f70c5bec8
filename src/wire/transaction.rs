//! The contract's Transaction (section 3.5.1).

use serde::Serialize;

use super::WireAmount;
use crate::domain::bank::{ACCOUNT_NAME, BankAccount, TEST_BANK_CODE, TEST_BANK_NAME};
use crate::domain::customer::Customer;
use crate::domain::escrow::Escrow;
use crate::domain::ids::CustomerId;
use crate::domain::intent::{BlockchainTarget, Method, WalletTarget};
use crate::domain::money::Amount;
use crate::domain::payment::Payment;
use crate::domain::vault::Vault;
use crate::domain::whitelist::NETWORK;

/// An entry of a payment history. Every field of the contract is sent, null when
/// it holds nothing, but `cardId` and `testAccount`, which are there only where
/// they are used.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TransactionView {
    id: String,
    amount: WireAmount,
    reference: String,
    fee: WireAmount,
    transaction_type: &'static str,
    currency: String,
    transfer_details: Option<()>,
    #[serde(flatten)]
    method: MethodView,
    escrow_details: Option<EscrowDetailsView>,
    metadata: Option<()>,
    status: &'static str,
    credit_type: &'static str,
    created_at: String,
    updated_at: String,
}

/// How the money went: at most one of these holds something, beside `cardId`.
#[derive(Debug, Default, Serialize)]
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
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct DepositDetailsView {
    card_id: String,
}

#[derive(Debug, Serialize)]
struct WalletDetailsView {
    phone: Option<String>,
    name: String,
    narration: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct WithdrawalDetailsView {
    bank_code: String,
    account_number: String,
    account_name: String,
    bank_name: String,
    narration: Option<String>,
}

/// Simulated: nothing is ever on a chain, so there is no hash to look up.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct BlockchainDetailsView {
    to_address: String,
    network: &'static str,
    from_address: String,
    token_address: Option<String>,
    hash: Option<()>,
    confirmations: u8,
}

/// The bank account whose payment a deposit waits for. It does not expire.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct TestAccountView {
    account_number: String,
    bank_code: &'static str,
    amount: WireAmount,
    account_name: &'static str,
    bank: &'static str,
    expires_in: Option<()>,
    dedicated: bool,
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
    beneficiary: Option<BeneficiaryView>,
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
    phone: Option<String>,
}

impl TransactionView {
    /// A transaction with the escrows it paid for, or the one it came from.
    pub(crate) fn new(payment: Payment, currency: &str) -> Self {
        let (fee, status, updated_at) = (payment.fee(), payment.status(), payment.updated_at());
        let is_for_escrows = !payment.escrows.is_empty();
        let of_escrow = |escrow| EscrowDetailView::of(escrow, &payment);
        let mut details: Vec<EscrowDetailView> = payment.escrows.iter().map(of_escrow).collect();
        details.extend(
            payment
                .vault
                .as_ref()
                .map(|vault| EscrowDetailView::of_vault(vault, &payment)),
        );
        let transaction = payment.transaction;
        let escrow_details = match details.len() {
            0 => None,
            1 => details.pop().map(EscrowDetailsView::One),
            _ => Some(EscrowDetailsView::Several(details)),
        };
        let method = payment.detail.map(|detail| detail.method);
        Self {
            id: transaction.id.to_string(),
            amount: WireAmount(transaction.amount),
            reference: transaction.reference.as_str().to_owned(),
            fee: WireAmount(fee),
            transaction_type: transaction.transaction_type.as_str(),
            currency: currency.to_owned(),
            transfer_details: None,
            method: method.map_or_else(MethodView::default, |method| {
                MethodView::of(method, transaction.amount, is_for_escrows)
            }),
            escrow_details,
            metadata: None,
            status: status.as_str(),
            credit_type: transaction.credit_type.as_str(),
            created_at: transaction.created_at.to_string(),
            updated_at: updated_at.to_string(),
        }
    }
}

impl MethodView {
    fn of(method: Method, amount: Amount, is_for_escrows: bool) -> Self {
        let mut view = Self::default();
        match method {
            Method::TestAccount { account_number } => {
                view.test_account = Some(TestAccountView::of(account_number, amount));
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

impl TestAccountView {
    const fn of(account_number: String, amount: Amount) -> Self {
        Self {
            account_number,
            bank_code: TEST_BANK_CODE,
            amount: WireAmount(amount),
            account_name: ACCOUNT_NAME,
            bank: TEST_BANK_NAME,
            expires_in: None,
            dedicated: false,
        }
    }
}

impl WithdrawalDetailsView {
    fn of(account: BankAccount) -> Self {
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
    fn of(target: BlockchainTarget) -> Self {
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
    fn of(target: WalletTarget) -> Self {
        Self {
            phone: target.phone,
            name: target.name,
            narration: target.narration,
        }
    }
}

impl BeneficiaryView {
    /// A payee of the payment, or the merchant itself.
    fn of(party: Option<&CustomerId>, payment: &Payment) -> Self {
        let Some(id) = party else {
            return Self {
                name: "Merchant".to_owned(),
                phone: None,
            };
        };
        let payee = payment.payee(id);
        let phone = payee.and_then(|payee| payee.profile.as_ref()?.phone.as_ref());
        Self {
            name: payee.map_or_else(|| id.to_string(), Customer::name),
            phone: phone.map(|phone| phone.as_str().to_owned()),
        }
    }
}

impl EscrowDetailView {
    fn of(escrow: &Escrow, payment: &Payment) -> Self {
        Self {
            escrow_id: escrow.id.to_string(),
            beneficiary: Some(BeneficiaryView::of(escrow.seller.customer(), payment)),
            description: escrow.terms.description.clone(),
            amount: WireAmount(escrow.terms.amount),
            fee: WireAmount(escrow.fee.total()),
            payment_token: escrow.payment_token.as_str().to_owned(),
            purpose: escrow.terms.purpose.clone(),
            channel: "API",
            callback_url: None,
        }
    }

    /// A vault has a payee once there is a winner.
    fn of_vault(vault: &Vault, payment: &Payment) -> Self {
        let winner = vault.winner();
        Self {
            escrow_id: vault.id.to_string(),
            beneficiary: winner.map(|winner| BeneficiaryView::of(Some(winner), payment)),
            description: vault.description.clone(),
            amount: WireAmount(vault.pot()),
            fee: WireAmount(vault.fee.total()),
            payment_token: vault.payment_token.as_str().to_owned(),
            purpose: vault.purpose.clone(),
            channel: "API",
            callback_url: None,
        }
    }
}
