//! Settling a vault: the pot goes to one participant, or the stakes go back. The fee is
//! taken in both cases (contract section 5.8).

use crate::domain::effects::{Effects, EscrowEvent};
use crate::domain::escrow::vault::{Stake, Vault, VaultProgress};
use crate::domain::ids::{CustomerId, IdSource, Reference, TransactionId};
use crate::domain::ledger::{Account, TransferKind};
use crate::domain::money::Amount;
use crate::domain::refusal::Refusal;
use crate::domain::time::Timestamp;
use crate::domain::transaction::{CreditType, Transaction, TransactionType};

/// The parts of one stake. They add up to it.
struct StakeParts<'a> {
    stake: &'a Stake,
    commission: Amount,
    platform: Amount,
    net: Amount,
}

impl Vault {
    /// Pays the pot less the fee to one participant.
    ///
    /// # Errors
    ///
    /// Checks that the vault is not settled, and then that the winner is a participant.
    pub fn declare_winner(
        &mut self,
        winner: CustomerId,
        ids: &mut dyn IdSource,
        now: Timestamp,
    ) -> Result<Effects, Refusal> {
        self.check_opened()?;
        if !self.stakes.iter().any(|stake| stake.customer == winner) {
            return Err(Refusal::WinnerNotAParticipant);
        }
        let account = Account::CustomerMain(winner.clone());
        let mut effects = Effects::default();
        for parts in self.stake_parts() {
            let hold = parts.stake.hold();
            effects.transfer(TransferKind::Release, hold, account.clone(), parts.net, Some(self.id));
        }
        let won = self
            .pot()
            .checked_sub(self.fee.total())
            .expect("a fee is at most its pot");
        let id = ids.transaction_id();
        let credit = Reference::of(id);
        effects.record_and_emit(self.credit(id, account, TransactionType::Escrow, won, credit.clone(), now));
        self.progress = VaultProgress::Won { winner, at: now };
        effects.emit(EscrowEvent::Completed, self.id);
        self.book_fee(&credit, ids, now, &mut effects);
        Ok(effects)
    }

    /// Pays each participant the stake back, less its share of the fee.
    ///
    /// # Errors
    ///
    /// Checks that the vault is not settled.
    pub fn cancel(&mut self, ids: &mut dyn IdSource, now: Timestamp) -> Result<Effects, Refusal> {
        self.check_opened()?;
        let mut effects = Effects::default();
        let mut first_credit = None;
        for parts in self.stake_parts() {
            let (hold, main) = (parts.stake.hold(), parts.stake.main_account());
            effects.transfer(TransferKind::Refund, hold, main.clone(), parts.net, Some(self.id));
            let id = ids.transaction_id();
            let credit = Reference::of(id);
            first_credit.get_or_insert_with(|| credit.clone());
            effects.record_and_emit(self.credit(id, main, TransactionType::Escrow, parts.net, credit, now));
        }
        self.progress = VaultProgress::Cancelled { at: now };
        effects.emit(EscrowEvent::Refunded, self.id);
        let credit = first_credit.expect("a vault has participants");
        self.book_fee(&credit, ids, now, &mut effects);
        Ok(effects)
    }

    pub(in crate::domain::escrow) const fn check_opened(&self) -> Result<(), Refusal> {
        match self.progress {
            VaultProgress::Opened => Ok(()),
            VaultProgress::Won { .. } | VaultProgress::Cancelled { .. } => Err(Refusal::VaultAlreadySettled),
        }
    }

    /// Returns the parts of each stake. The fee is split in proportion to the stakes, and
    /// the commission in proportion to the shares of the fee, both by the largest
    /// remainder method. Every hold then empties, and the parts add up to the fee and the
    /// commission.
    fn stake_parts(&self) -> impl Iterator<Item = StakeParts<'_>> {
        let stakes: Vec<Amount> = self.stakes.iter().map(|stake| stake.amount).collect();
        let fees = self.fee.total().pro_rata(&stakes);
        let commissions = self.fee.commission().pro_rata(&fees);
        self.stakes
            .iter()
            .zip(fees)
            .zip(commissions)
            .map(|((stake, fee), commission)| StakeParts {
                stake,
                commission,
                platform: fee.checked_sub(commission).expect("commission is part of the fee"),
                net: stake.amount.checked_sub(fee).expect("a fee is part of its stake"),
            })
    }

    /// Takes the fee out of every hold. The commission goes to the merchant, as one
    /// transaction of its history, and the rest to the platform. `credit` is the
    /// reference of the payment that the participants got.
    fn book_fee(&self, credit: &Reference, ids: &mut dyn IdSource, now: Timestamp, effects: &mut Effects) {
        for parts in self.stake_parts() {
            for (kind, to, amount) in [
                (TransferKind::Commission, Account::MerchantMain, parts.commission),
                (TransferKind::PlatformFee, Account::PlatformFees, parts.platform),
            ] {
                effects.transfer(kind, parts.stake.hold(), to, amount, Some(self.id));
            }
        }
        effects.record_and_emit(self.credit(
            ids.transaction_id(),
            Account::MerchantMain,
            TransactionType::Commission,
            self.fee.commission(),
            credit.commission(),
            now,
        ));
    }

    /// Returns the transaction of a payment that an account got from the vault.
    fn credit(
        &self,
        id: TransactionId,
        owner: Account,
        transaction_type: TransactionType,
        amount: Amount,
        reference: Reference,
        now: Timestamp,
    ) -> Transaction {
        Transaction {
            id,
            owner,
            transaction_type,
            credit_type: CreditType::Credit,
            amount,
            reference,
            escrow: Some(self.id),
            created_at: now,
        }
    }
}
