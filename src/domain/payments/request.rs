//! The parsed requests to pay for escrows, deposit, withdraw or transfer, and the
//! fingerprints that tell a repeated request from another one under the same reference.

use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::domain::ids::{CardId, EscrowKey, PaymentToken, Reference};
use crate::domain::money::Amount;
use crate::domain::transaction::BankAccount;

/// The parsed request to pay for escrows.
#[derive(Clone, Debug)]
pub struct PaymentRequest {
    /// The escrows to fund: at least one.
    pub escrows: Vec<EscrowKey>,
    /// The payment token that the request sends beside the id of its one escrow. Both must
    /// name the same escrow.
    pub token: Option<PaymentToken>,
    /// The amount that the buyer expects to pay. `None` accepts any amount.
    pub amount: Option<Amount>,
    /// The buyer's reference for the payment.
    pub reference: Option<Reference>,
    pub gateway: Gateway,
}

/// The source of the money for a payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gateway {
    /// The buyer's wallet.
    Wallet,
    /// A card that the buyer has saved.
    Card(CardId),
}

/// The parsed request to deposit, withdraw or transfer.
#[derive(Clone, Debug)]
pub struct IntentRequest {
    /// The amount before the fee.
    pub amount: Amount,
    /// The customer's reference for the payment.
    pub reference: Option<Reference>,
    pub kind: IntentKind,
}

/// The kind of an intent, with the objects that it refers to as the customer named them.
#[derive(Clone, Debug, Serialize)]
pub enum IntentKind {
    /// A deposit from a saved card or, without one, by a bank transfer.
    Deposit {
        /// The card's id as it was sent.
        card: Option<String>,
        /// The escrows to fund with it, as they were sent.
        escrows: Vec<String>,
    },
    BankWithdrawal(BankAccount),
    CryptoWithdrawal(CryptoWithdrawalRequest),
    /// A transfer to another customer's wallet.
    WalletTransfer(WalletTransferRequest),
}

/// The target of a crypto withdrawal.
#[derive(Clone, Debug, Serialize)]
pub struct CryptoWithdrawalRequest {
    pub to_address: String,
    /// The address of the token's contract.
    pub token_address: Option<String>,
}

/// The receiver of a wallet transfer.
#[derive(Clone, Debug, Serialize)]
pub struct WalletTransferRequest {
    /// The receiver's phone, in any spelling.
    pub phone: String,
    pub name: String,
    /// The sender's message to the receiver.
    pub narration: Option<String>,
}

impl PaymentRequest {
    /// Returns the SHA-256 of everything in the request but its reference.
    pub fn fingerprint(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        let amount = self.amount.map_or(-1, Amount::minor);
        hash.update(amount.to_be_bytes());
        for key in &self.escrows {
            match key {
                EscrowKey::Id(id) => hash.update(id.to_string()),
                EscrowKey::Token(token) => hash.update(token.as_str()),
            }
            hash.update([0]);
        }
        if let Some(token) = &self.token {
            hash.update([1]);
            hash.update(token.as_str());
        }
        if let Gateway::Card(card) = self.gateway {
            hash.update(card.to_string());
        }
        hash.finalize().into()
    }
}

impl IntentRequest {
    /// Returns the SHA-256 of everything in the request but its reference. It differs from
    /// the fingerprint of every [`PaymentRequest`].
    pub fn fingerprint(&self) -> [u8; 32] {
        let kind = serde_json::to_vec(&self.kind).expect("an intent kind has only strings and structs");
        let mut hash = Sha256::new();
        hash.update("intent");
        hash.update(self.amount.minor().to_be_bytes());
        hash.update(kind);
        hash.finalize().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::EscrowId;

    #[test]
    fn every_part_of_a_request_but_its_reference_changes_the_fingerprint() {
        let request = PaymentRequest {
            escrows: vec![EscrowKey::Id(EscrowId::new(1, 2)), EscrowKey::Id(EscrowId::new(2, 2))],
            token: None,
            amount: None,
            reference: Reference::parse("r"),
            gateway: Gateway::Wallet,
        };
        let with = |change: &dyn Fn(&mut PaymentRequest)| {
            let mut changed = request.clone();
            change(&mut changed);
            changed.fingerprint()
        };
        assert_eq!(with(&|request| request.reference = None), request.fingerprint());
        let changed = [
            with(&|request| request.amount = Some(Amount::ZERO)),
            with(&|request| request.escrows.reverse()),
            with(&|request| request.escrows.truncate(1)),
            with(&|request| request.token = Some(PaymentToken::named("PY_AB3DE6GH0417"))),
            with(&|request| request.gateway = Gateway::Card(CardId::new(1, 2))),
        ];
        for (index, fingerprint) in changed.iter().enumerate() {
            assert_ne!(*fingerprint, request.fingerprint(), "{index}");
            assert!(!changed[..index].contains(fingerprint), "{index}");
        }
    }
}
