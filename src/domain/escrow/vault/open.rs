//! Opening a vault: checks the request and takes the stakes.

use crate::domain::effects::{Booking, Effects, EscrowEvent};
use crate::domain::escrow::category::Category;
use crate::domain::escrow::limits::TermsLimits;
use crate::domain::escrow::vault::{Stake, Vault, VaultProgress, pot_of};
use crate::domain::fees::{Fee, Rates, WhoPays};
use crate::domain::ids::{CategoryId, CustomerId, MerchantId};
use crate::domain::invalid::Invalid;
use crate::domain::ledger::TransferKind;
use crate::domain::money::Amount;
use crate::domain::refusal::Refusal;
use crate::domain::transaction::TransactionType;

/// The smallest stake in minor units: 1 major unit (contract section 1.5).
pub const STAKE_MIN: i64 = 100;
/// The fewest participants of a vault.
pub const PARTICIPANTS_MIN: usize = 2;
/// The smallest pot: 1,000 major units.
const POT_MIN: i64 = 100_000;

/// The parsed request to open a vault.
#[derive(Clone, Debug)]
pub struct VaultRequest {
    pub purpose: String,
    pub description: Option<String>,
    pub category: Option<CategoryId>,
    pub participants: Vec<StakeRequest>,
}

/// The parsed request for one participant.
#[derive(Clone, Debug)]
pub struct StakeRequest {
    pub customer: CustomerId,
    pub amount: Amount,
}

/// A checked request. The vault can be opened if every participant can cover the stake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VaultOffer {
    purpose: String,
    description: Option<String>,
    category: Option<Category>,
    stakes: Vec<Stake>,
}

/// The merchant of a vault, with its rates.
#[derive(Clone, Copy, Debug)]
pub struct VaultOwner {
    pub merchant: MerchantId,
    pub rates: Rates,
}

/// Checks that a list of participants is not too long.
pub fn check_participant_count(count: usize, participants_max: usize) -> Result<(), Invalid> {
    if count <= participants_max {
        return Ok(());
    }
    let expected = format!("a list of at most {participants_max} participants");
    Err(Invalid::wrong("participants", expected, &format!("{count} of them")))
}

/// Checks that a stake is at least 1 major unit.
pub fn check_stake(field: &str, amount: Amount) -> Result<(), Invalid> {
    if amount.minor() >= STAKE_MIN {
        return Ok(());
    }
    Err(Invalid::wrong(field, "a number of 1 or more", &amount.to_string()))
}

impl VaultOffer {
    /// Checks the fields in the order of [`VaultRequest`], with each participant in turn.
    /// `category` is the category that the request names.
    ///
    /// # Errors
    ///
    /// Names the first wrong field. Then refuses fewer than two participants, then a
    /// participant who is named twice, then a pot below 1,000 major units or below the
    /// smallest escrow amount.
    pub fn new(
        request: VaultRequest,
        category: Option<Category>,
        limits: &TermsLimits,
        participants_max: usize,
    ) -> Result<Self, Refusal> {
        let purpose = limits.purpose("purpose", request.purpose)?;
        let description = limits.description("description", request.description)?;
        check_participant_count(request.participants.len(), participants_max)?;
        let stakes = request
            .participants
            .into_iter()
            .enumerate()
            .map(|(index, stake)| Stake::new(index, stake))
            .collect::<Result<Vec<_>, _>>()?;
        let offer = Self {
            purpose,
            description,
            category,
            stakes,
        };
        offer.check_stakes(limits)?;
        Ok(offer)
    }

    fn check_stakes(&self, limits: &TermsLimits) -> Result<(), Refusal> {
        if self.stakes.len() < PARTICIPANTS_MIN {
            return Err(Refusal::TooFewParticipants);
        }
        let is_named_before = |(index, stake): (usize, &Stake)| {
            let earlier = &self.stakes[..index];
            earlier.iter().any(|earlier| earlier.customer == stake.customer)
        };
        if self.stakes.iter().enumerate().any(is_named_before) {
            return Err(Refusal::ParticipantTwice);
        }
        let pot = pot_of(&self.stakes).ok_or(Refusal::TooMuchMoney)?;
        let min = Amount::from_minor(POT_MIN).map_or(limits.amount_min, |min| min.max(limits.amount_min));
        if pot < min {
            return Err(Refusal::PotTooSmall { min, pot });
        }
        Ok(())
    }

    /// Returns the stakes in the order of the request.
    pub fn stakes(&self) -> &[Stake] {
        &self.stakes
    }
}

impl Stake {
    fn new(index: usize, request: StakeRequest) -> Result<Self, Invalid> {
        let StakeRequest { customer, amount } = request;
        check_stake(&format!("participants[{index}].amount"), amount)?;
        Ok(Self { customer, amount })
    }
}

impl Vault {
    /// Opens a vault and takes every stake, or none. `available` has the balance of each
    /// participant's wallet in the order of the stakes.
    ///
    /// # Errors
    ///
    /// Refuses the first participant who cannot cover the stake.
    ///
    /// # Panics
    ///
    /// Panics if there is not one balance for each stake.
    pub fn open(
        owner: VaultOwner,
        offer: VaultOffer,
        available: &[Amount],
        mut booking: Booking<'_>,
    ) -> Result<(Self, Effects), Refusal> {
        assert_eq!(offer.stakes.len(), available.len(), "one balance for each stake");
        let is_short = |(stake, available): &(&Stake, &Amount)| **available < stake.amount;
        if let Some((stake, available)) = offer.stakes.iter().zip(available).find(is_short) {
            return Err(Refusal::StakeNotCovered {
                participant: stake.customer.clone(),
                stake: stake.amount,
                available: *available,
            });
        }
        let pot = pot_of(&offer.stakes).expect("checked when it was offered");
        let vault = Self {
            id: booking.ids.escrow_id(),
            merchant: owner.merchant,
            payment_token: booking.ids.payment_token(),
            purpose: offer.purpose,
            description: offer.description,
            category: offer.category,
            fee: Fee::of(pot, WhoPays::Seller, owner.rates),
            stakes: offer.stakes,
            progress: VaultProgress::Opened,
            created_at: booking.now,
        };
        vault.take_stakes(&mut booking);
        Ok((vault, booking.effects))
    }

    fn take_stakes(&self, booking: &mut Booking<'_>) {
        for stake in &self.stakes {
            booking.effects.transfer(
                TransferKind::Stake,
                stake.main_account(),
                stake.hold(),
                stake.amount,
                Some(self.id),
            );
            let paid = booking.debit(stake.main_account(), TransactionType::Escrow, stake.amount);
            booking.effects.record_and_emit(paid.of_deal(self.id));
        }
        booking.effects.emit(EscrowEvent::Ongoing, self.id);
    }
}
