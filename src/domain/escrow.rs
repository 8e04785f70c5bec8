//! One deal, from offer to close: its states and every rule of what may happen
//! to it (contract sections 4.1, 4.6.1 and 6).
//!
//! Each command checks its refusals in the order its documentation gives, and
//! changes the escrow only when none applies.

use super::fees::{Fee, Rates};
use super::ids::{CustomerId, EscrowId, IdSource, MerchantId, MilestoneId, PaymentToken};
use super::ledger::{Account, TransferKind};
use super::milestone::{Milestone, MilestoneStatus};
use super::money::Amount;
use super::payment::{CreditType, FundingPayment, Transaction, TransactionType};
use super::refusal::{Invalid, Refusal};
use super::settlement::{EscrowEvent, Settlement};
use super::terms::{MilestoneOffer, Stage, Terms};
use super::time::Timestamp;

/// A deal between a seller and, once funded, a buyer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Escrow {
    /// Its name.
    pub id: EscrowId,
    /// Whose it is.
    pub merchant: MerchantId,
    /// What a buyer pays it with.
    pub payment_token: PaymentToken,
    /// Who offered it.
    pub seller: CustomerId,
    /// What was offered.
    pub terms: Terms,
    /// What it costs, fixed with the terms.
    pub fee: Fee,
    /// How its money leaves the hold.
    pub plan: Plan,
    /// How far it is.
    pub progress: Progress,
    /// When it was offered.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// How an escrow's money leaves the hold; its settlement type on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Plan {
    /// All at once.
    Standard,
    /// Milestone by milestone.
    Milestones(Vec<Milestone>),
}

/// How far an escrow is, with what is known by then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Offered; no buyer yet.
    AwaitingPayment,
    /// Funded; the hold is not empty.
    Opened(Funding),
    /// Everything was released.
    Completed {
        /// Who paid, and how.
        funding: Funding,
        /// When the last of it was released.
        completed_at: Timestamp,
    },
}

/// The buyer's one payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Funding {
    /// Who paid.
    pub buyer: CustomerId,
    /// With which payment.
    pub payment: FundingPayment,
    /// When.
    pub paid_at: Timestamp,
}

/// Who offers, in which merchant's name, at which rates.
#[derive(Clone, Debug)]
pub struct Seller {
    /// The merchant.
    pub merchant: MerchantId,
    /// The merchant's rates.
    pub rates: Rates,
    /// The seller.
    pub customer: CustomerId,
}

impl Escrow {
    /// A standard escrow: awaits payment, and releases everything at once.
    /// Refused when amount and fee together exceed [`Amount::MAX`].
    pub fn offer_standard(
        seller: Seller,
        terms: Terms,
        ids: &mut dyn IdSource,
        now: Timestamp,
    ) -> Result<(Self, Settlement), Refusal> {
        Self::offer(seller, terms, Plan::Standard, ids, now)
    }

    /// A milestone escrow: awaits payment, and releases milestone by milestone.
    /// Refused when amount and fee together exceed [`Amount::MAX`].
    pub fn offer_milestones(
        seller: Seller,
        offer: MilestoneOffer,
        ids: &mut dyn IdSource,
        now: Timestamp,
    ) -> Result<(Self, Settlement), Refusal> {
        let plan = Plan::Milestones(fresh_milestones(offer.stages, ids));
        Self::offer(seller, offer.terms, plan, ids, now)
    }

    fn offer(
        seller: Seller,
        terms: Terms,
        plan: Plan,
        ids: &mut dyn IdSource,
        now: Timestamp,
    ) -> Result<(Self, Settlement), Refusal> {
        let escrow = Self {
            id: ids.escrow_id(),
            merchant: seller.merchant,
            payment_token: ids.payment_token(),
            seller: seller.customer,
            fee: affordable_fee(&terms, seller.rates)?,
            terms,
            plan,
            progress: Progress::AwaitingPayment,
            created_at: now,
            updated_at: now,
        };
        let mut settlement = Settlement::default();
        settlement.tell(EscrowEvent::Created, escrow.id);
        settlement.tell(EscrowEvent::Pending, escrow.id);
        Ok((escrow, settlement))
    }

    /// Replaces terms and milestones of an offer nobody has paid for; the fee is
    /// set anew and every milestone gets a new id (contract section 4.1.2).
    ///
    /// Checks that the caller is the seller, that it is a milestone escrow, that
    /// it awaits payment, and that amount and fee stay below [`Amount::MAX`].
    pub fn edit_milestones(
        &mut self,
        seller: &Seller,
        offer: MilestoneOffer,
        ids: &mut dyn IdSource,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        if self.seller != seller.customer {
            return Err(Refusal::AccessDenied);
        }
        if self.plan == Plan::Standard {
            return Err(Refusal::NotAMilestoneEscrow);
        }
        if self.progress != Progress::AwaitingPayment {
            return Err(Refusal::ActionNotAllowed);
        }
        self.fee = affordable_fee(&offer.terms, seller.rates)?;
        self.terms = offer.terms;
        self.plan = Plan::Milestones(fresh_milestones(offer.stages, ids));
        self.updated_at = now;
        Ok(())
    }

    /// What the buyer pays: the amount and their share of the fee (contract
    /// section 5.3).
    pub fn charge(&self) -> Amount {
        self.terms
            .amount
            .checked_add(self.fee.buyer_share())
            .expect("checked when the terms were set")
    }

    /// What the escrow still keeps of the buyer's payment: nothing before it is
    /// funded and nothing after it closes.
    pub fn held(&self) -> Amount {
        if !matches!(self.progress, Progress::Opened(_)) {
            return Amount::ZERO;
        }
        let released = self
            .milestones()
            .iter()
            .zip(self.net_releases())
            .filter(|(milestone, _)| milestone.status != MilestoneStatus::Pending)
            .map(|(_, net)| net);
        Amount::total(released)
            .and_then(|released| self.charge().checked_sub(released))
            .expect("no more is released than was charged")
    }

    /// The milestones in order; none for a standard escrow.
    pub fn milestones(&self) -> &[Milestone] {
        match &self.plan {
            Plan::Standard => &[],
            Plan::Milestones(milestones) => milestones,
        }
    }

    /// The funding payment, once there is one.
    pub const fn funding(&self) -> Option<&Funding> {
        match &self.progress {
            Progress::AwaitingPayment => None,
            Progress::Opened(funding) | Progress::Completed { funding, .. } => Some(funding),
        }
    }

    /// Whether this buyer could pay now: not when it was paid for already, not
    /// when the buyer is the seller, not when a milestone pays the buyer.
    pub(super) fn check_payable_by(&self, buyer: &CustomerId) -> Result<(), Refusal> {
        if self.progress != Progress::AwaitingPayment {
            return Err(Refusal::EscrowNotPayable);
        }
        if self.seller == *buyer {
            return Err(Refusal::BuyerIsSeller);
        }
        let pays_the_buyer = |milestone: &Milestone| milestone.stage.beneficiary.as_ref() == Some(buyer);
        if self.milestones().iter().any(pays_the_buyer) {
            return Err(Refusal::BuyerIsBeneficiary);
        }
        Ok(())
    }

    /// Opens an escrow that [`Escrow::check_payable_by`] accepted.
    pub(super) fn open(
        &mut self,
        buyer: CustomerId,
        payment: FundingPayment,
        now: Timestamp,
        settlement: &mut Settlement,
    ) {
        settlement.transfer(
            TransferKind::Fund,
            Account::CustomerMain(buyer.clone()),
            Account::CustomerEscrow(buyer.clone()),
            self.charge(),
            Some(self.id),
        );
        settlement.tell(EscrowEvent::Ongoing, self.id);
        self.progress = Progress::Opened(Funding {
            buyer,
            payment,
            paid_at: now,
        });
        self.updated_at = now;
    }

    /// Releases one milestone to its payee; the last one closes the escrow
    /// (contract section 4.1.5).
    ///
    /// Checks that it is funded, that the caller is its buyer, that the
    /// milestone exists, that it was not released before, and that the escrow is
    /// open.
    pub fn confirm_milestone(
        &mut self,
        buyer: &CustomerId,
        milestone: MilestoneId,
        ids: &mut dyn IdSource,
        now: Timestamp,
    ) -> Result<Settlement, Refusal> {
        let funding = self.funding_of(buyer)?;
        let (position, found) = self
            .milestones()
            .iter()
            .enumerate()
            .find(|(_, candidate)| candidate.id == milestone)
            .ok_or(Refusal::MilestoneNotFound)?;
        if found.status != MilestoneStatus::Pending {
            return Err(Refusal::MilestoneAlreadyReleased);
        }
        let Progress::Opened(_) = self.progress else {
            return Err(Refusal::ActionNotAllowed);
        };

        let payee = found.payee(&self.seller).clone();
        let net = self.net_releases()[position];
        let mut settlement = Settlement::default();
        self.release(&funding.buyer, payee, net, ids, now, &mut settlement);
        if let Plan::Milestones(milestones) = &mut self.plan {
            milestones[position].status = MilestoneStatus::Released(now);
        }
        self.updated_at = now;
        if self
            .milestones()
            .iter()
            .all(|milestone| milestone.status != MilestoneStatus::Pending)
        {
            self.complete(funding, ids, now, &mut settlement);
        }
        Ok(settlement)
    }

    /// Releases everything to the seller and closes a standard escrow (contract
    /// section 4.6.1).
    ///
    /// Checks that it is funded, that the caller is its buyer, that it is a
    /// standard escrow, and that it is open.
    pub fn confirm_payment(
        &mut self,
        buyer: &CustomerId,
        ids: &mut dyn IdSource,
        now: Timestamp,
    ) -> Result<Settlement, Refusal> {
        if self.progress == Progress::AwaitingPayment {
            return Err(Refusal::ActionNotAllowed);
        }
        let funding = self.funding_of(buyer)?;
        if self.plan != Plan::Standard || !matches!(self.progress, Progress::Opened(_)) {
            return Err(Refusal::ActionNotAllowed);
        }
        let net = self
            .terms
            .amount
            .checked_sub(self.fee.seller_share())
            .expect("a fee is at most the amount");
        let mut settlement = Settlement::default();
        self.release(&funding.buyer, self.seller.clone(), net, ids, now, &mut settlement);
        self.updated_at = now;
        self.complete(funding, ids, now, &mut settlement);
        Ok(settlement)
    }

    /// The funding, if this customer made it.
    fn funding_of(&self, buyer: &CustomerId) -> Result<Funding, Refusal> {
        let funding = self.funding().ok_or(Refusal::EscrowNotFunded)?;
        if funding.buyer == *buyer {
            Ok(funding.clone())
        } else {
            Err(Refusal::AccessDenied)
        }
    }

    /// What each milestone releases: its amount less its share of the seller's
    /// part of the fee, cut so that the shares add up (contract section 5.5).
    fn net_releases(&self) -> Vec<Amount> {
        let amounts: Vec<Amount> = self
            .milestones()
            .iter()
            .map(|milestone| milestone.stage.amount)
            .collect();
        let shares = self.fee.seller_share().pro_rata(&amounts);
        let net = |(amount, share): (Amount, Amount)| amount.checked_sub(share);
        std::iter::zip(amounts, shares)
            .map(|pair| net(pair).expect("a share of the fee is at most its part of the amount"))
            .collect()
    }

    /// Moves money out of the hold to a payee, with the entry in their history.
    fn release(
        &self,
        buyer: &CustomerId,
        payee: CustomerId,
        amount: Amount,
        ids: &mut dyn IdSource,
        now: Timestamp,
        settlement: &mut Settlement,
    ) {
        let hold = Account::CustomerEscrow(buyer.clone());
        let wallet = Account::CustomerMain(payee);
        settlement.transfer(TransferKind::Release, hold, wallet.clone(), amount, Some(self.id));
        settlement.record_and_tell(Transaction {
            id: ids.transaction_id(),
            owner: wallet,
            transaction_type: TransactionType::Escrow,
            credit_type: CreditType::Credit,
            amount,
            reference: ids.reference(),
            escrow: Some(self.id),
            created_at: now,
        });
    }

    /// Books the fee, which is all the hold still keeps, and closes the escrow.
    fn complete(&mut self, funding: Funding, ids: &mut dyn IdSource, now: Timestamp, settlement: &mut Settlement) {
        let hold = Account::CustomerEscrow(funding.buyer.clone());
        let (commission, platform) = (self.fee.commission(), self.fee.platform());
        let escrow = Some(self.id);
        settlement.transfer(
            TransferKind::Commission,
            hold.clone(),
            Account::MerchantMain,
            commission,
            escrow,
        );
        settlement.transfer(TransferKind::PlatformFee, hold, Account::PlatformFees, platform, escrow);
        settlement.tell(EscrowEvent::Completed, self.id);
        settlement.record_and_tell(Transaction {
            id: ids.transaction_id(),
            owner: Account::MerchantMain,
            transaction_type: TransactionType::Commission,
            credit_type: CreditType::Credit,
            amount: commission,
            reference: funding.payment.reference.commission(),
            escrow,
            created_at: now,
        });
        self.progress = Progress::Completed {
            funding,
            completed_at: now,
        };
    }
}

/// The fee of these terms, if buyer and ledger can carry it on top of them.
fn affordable_fee(terms: &Terms, rates: Rates) -> Result<Fee, Invalid> {
    let fee = Fee::of(terms.amount, terms.who_pays, rates);
    if terms.amount.checked_add(fee.buyer_share()).is_none() {
        let expected = format!("an amount that, with its fee, is at most {}", Amount::MAX);
        return Err(Invalid::wrong("amount", expected, &terms.amount.to_string()));
    }
    Ok(fee)
}

fn fresh_milestones(stages: Vec<Stage>, ids: &mut dyn IdSource) -> Vec<Milestone> {
    stages
        .into_iter()
        .map(|stage| Milestone {
            id: ids.milestone_id(),
            stage,
            status: MilestoneStatus::Pending,
        })
        .collect()
}
