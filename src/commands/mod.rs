//! Every write: load, decide, apply. A file for each family.
//!
//! A command runs inside one [`Tx`]. It brings what the domain needs to decide
//! and saves what the domain decided; it holds no rule of its own. Every command
//! that acts for a customer first admits them, then looks at the body, then at
//! what the store has: the order in which refusals are found is part of the
//! contract (section 9.3, row 64).

pub mod cards;
pub mod categories;
pub mod clocks;
pub mod customers;
pub mod deliveries;
pub mod disputes;
pub mod events;
pub mod idempotency;
pub mod intents;
pub mod merchants;
pub mod milestone_escrows;
mod outbox;
pub mod payments;
pub mod seeds;
pub mod standard_escrows;
pub mod vaults;
pub mod webhook_endpoints;
pub mod whitelist;

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use crate::domain::customers::customer::Admission;
use crate::domain::escrow::deal::Deal;
use crate::domain::escrow::limits::TermsLimits;
use crate::domain::escrow::{Escrow, ReleaseOrder, Seller};
use crate::domain::fees::WithdrawalFees;
use crate::domain::ids::{EscrowKey, MerchantId};
use crate::domain::merchant::MerchantSettings;
use crate::domain::mode::Mode;
use crate::domain::party::Actor;
use crate::domain::refusal::{Invalid, Refusal};
use crate::store::{self, Tx};
use crate::views::ViewContext;

/// Why a command did nothing.
#[derive(Clone, Debug)]
pub enum Error {
    /// The domain said no.
    Refused(Refusal),
    /// The store could not.
    Store(store::Error),
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<Invalid> for Error {
    fn from(invalid: Invalid) -> Self {
        Self::Refused(Refusal::Invalid(invalid))
    }
}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        Self::Store(error)
    }
}

/// What the operator has decided.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Play money or real money.
    pub mode: Mode,
    /// Whether to do exactly what the reference API does, where we would rather
    /// not (the last column of design section 5).
    pub strict: bool,
    /// What happens to unknown customers.
    pub admission: Admission,
    /// What holds for merchants with no settings of their own.
    pub merchant_default: MerchantSettings,
    /// Merchants with settings of their own.
    pub merchants: HashMap<MerchantId, MerchantSettings>,
    /// What withdrawals cost.
    pub withdrawal_fees: WithdrawalFees,
    /// Bounds on what may be offered.
    pub terms_limits: TermsLimits,
    /// How long a buyer has to confirm once the delivery window is over.
    pub claim_grace_seconds: i64,
    /// How long replies are kept for requests that come again.
    pub idempotency_kept_seconds: i64,
    /// Most participants in one vault.
    pub participants_max: usize,
    /// Most categories of one account.
    pub categories_max: u32,
    /// The currency of every amount.
    pub currency: Arc<str>,
    /// Where files are served from, up to the slash before their name; set when the
    /// address is known.
    pub files_url: Arc<OnceLock<String>>,
}

impl Policy {
    /// What holds for this merchant.
    pub fn merchant(&self, merchant: MerchantId) -> &MerchantSettings {
        self.merchants.get(&merchant).unwrap_or(&self.merchant_default)
    }

    /// What views need to know where nobody in particular looks.
    pub(crate) fn view_context(&self) -> ViewContext<'_> {
        ViewContext {
            viewer: None,
            currency: &self.currency,
            files_url: self.files_url.get().map_or("", String::as_str),
        }
    }

    /// Refuses what takes a bank, a card or a blockchain: only the sandbox has them,
    /// as play. In live mode nothing here can reach a real one.
    pub fn check_processor(&self) -> Result<(), Refusal> {
        match self.mode {
            Mode::Sandbox => Ok(()),
            Mode::Live => Err(Refusal::FeatureNotEnabled),
        }
    }

    /// Refuses cards where they are switched off for the merchant, or there is
    /// nothing to charge them with.
    pub fn check_cards(&self, merchant: MerchantId) -> Result<(), Refusal> {
        self.check_processor()?;
        if self.merchant(merchant).cards {
            Ok(())
        } else {
            Err(Refusal::FeatureNotEnabled)
        }
    }

    /// In which order milestones are released.
    const fn release_order(&self) -> ReleaseOrder {
        if self.strict {
            ReleaseOrder::FirstPending
        } else {
            ReleaseOrder::Any
        }
    }

    /// Returns the actor as a seller, at its merchant's rates.
    fn seller(&self, actor: &Actor) -> Seller {
        Seller {
            merchant: actor.merchant,
            rates: self.merchant(actor.merchant).rates,
            party: actor.party.clone(),
        }
    }
}

/// A merchant's deal of any kind; one of another merchant's is refused with
/// `of_another`.
fn load_deal(tx: &Tx<'_>, merchant: MerchantId, key: &EscrowKey, of_another: Refusal) -> Result<Deal, Error> {
    match tx.deal(merchant, key)? {
        Some(deal) => Ok(deal),
        None if tx.any_merchant_has_deal(key)? => Err(of_another.into()),
        None => Err(Refusal::EscrowNotFound.into()),
    }
}

/// A merchant's escrow; a vault in its place is refused with `of_vault`.
fn load_escrow(tx: &Tx<'_>, merchant: MerchantId, key: &EscrowKey, of_vault: Refusal) -> Result<Escrow, Error> {
    let deal = tx.deal(merchant, key)?.ok_or(Refusal::EscrowNotFound)?;
    Ok(deal.escrow_or(of_vault)?)
}
