//! Settling a vault: the pot goes to one participant, or the stakes go back. The fee is
//! taken in both cases (contract section 5.8).

use crate::domain::effects::{Booking, Effects, EscrowEvent};
use crate::domain::escrow::vault::{Stake, Vault, VaultProgress};
use crate::domain::ids::{CustomerId, Reference};
use crate::domain::ledger::{Account, TransferKind};
use crate::domain::money::Amount;
use crate::domain::refusal::Refusal;
use crate::domain::transaction::TransactionType;

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
    pub fn declare_winner(&mut self, winner: CustomerId, mut booking: Booking<'_>) -> Result<Effects, Refusal> {
        self.check_opened()?;
        if !self.stakes.iter().any(|stake| stake.customer == winner) {
            return Err(Refusal::WinnerNotAParticipant);
        }
        let account = Account::CustomerMain(winner.clone());
        for parts in self.stake_parts() {
            let (kind, hold) = (TransferKind::Release, parts.stake.hold());
            let effects = &mut booking.effects;
            effects.transfer(kind, hold, account.clone(), parts.net, Some(self.id));
        }
        let won = self
            .pot()
            .checked_sub(self.fee.total())
            .expect("a fee is at most its pot");
        let credit = self.credit(account, won, &mut booking);
        self.progress = VaultProgress::Won {
            winner,
            at: booking.now,
        };
        booking.effects.emit(EscrowEvent::Completed, self.id);
        self.book_fee(&credit, &mut booking);
        Ok(booking.effects)
    }

    /// Pays each participant the stake back, less its share of the fee.
    ///
    /// # Errors
    ///
    /// Checks that the vault is not settled.
    pub fn cancel(&mut self, mut booking: Booking<'_>) -> Result<Effects, Refusal> {
        self.check_opened()?;
        let mut first_credit = None;
        for parts in self.stake_parts() {
            let (hold, main) = (parts.stake.hold(), parts.stake.main_account());
            let effects = &mut booking.effects;
            effects.transfer(TransferKind::Refund, hold, main.clone(), parts.net, Some(self.id));
            let credit = self.credit(main, parts.net, &mut booking);
            first_credit.get_or_insert(credit);
        }
        self.progress = VaultProgress::Cancelled { at: booking.now };
        booking.effects.emit(EscrowEvent::Refunded, self.id);
        let credit = first_credit.expect("a vault has participants");
        self.book_fee(&credit, &mut booking);
        Ok(booking.effects)
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
    fn book_fee(&self, credit: &Reference, booking: &mut Booking<'_>) {
        for parts in self.stake_parts() {
            for (kind, to, amount) in [
                (TransferKind::Commission, Account::MerchantMain, parts.commission),
                (TransferKind::PlatformFee, Account::PlatformFees, parts.platform),
            ] {
                let effects = &mut booking.effects;
                effects.transfer(kind, parts.stake.hold(), to, amount, Some(self.id));
            }
        }
        let earned = self.fee.commission();
        let commission = booking
            .credit(Account::MerchantMain, TransactionType::Commission, earned)
            .of_deal(self.id)
            .with_reference(Some(credit.commission()));
        booking.effects.record_and_emit(commission);
    }

    /// Records the payment that a participant's account gets from the vault, and emits its
    /// event. Returns its reference.
    fn credit(&self, owner: Account, amount: Amount, booking: &mut Booking<'_>) -> Reference {
        let credit = booking.credit(owner, TransactionType::Escrow, amount);
        let reference = credit.reference.clone();
        booking.effects.record_and_emit(credit.of_deal(self.id));
        reference
    }
}
