//! The operator's decisions, which every command follows.

use std::sync::{Arc, OnceLock};

use arc_swap::{ArcSwap, Guard};

use crate::commands::error::Error;
use crate::domain::customers::country::Country;
use crate::domain::customers::customer::Admission;
use crate::domain::escrow::exits::ExitRules;
use crate::domain::escrow::limits::TermsLimits;
use crate::domain::escrow::{ReleaseOrder, Seller};
use crate::domain::events::webhook_endpoint::WebhookUrl;
use crate::domain::fees::WithdrawalFees;
use crate::domain::ids::MerchantId;
use crate::domain::merchant::settings::MerchantSettings;
use crate::domain::mode::{Mode, Variant};
use crate::domain::party::{Actor, Party};
use crate::domain::payments::bank::BankCodes;
use crate::domain::refusal::Refusal;
use crate::domain::transaction::DepositAccount;
use crate::domain::treasury::operator::TwoPersonRule;
use crate::domain::treasury::reference::ReferenceScope;
use crate::store::{self, Snapshot, Tx};
use crate::views::ViewContext;

/// The operator's decisions.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Sandbox mode with play money, or live mode with real money.
    pub mode: Mode,
    /// True if the server behaves as the hosted API where its own default is more lenient
    /// (the last column of contract section 8).
    pub is_strict: bool,
    /// The decision on unknown customers: register or refuse them.
    pub admission: Admission,
    /// The settings of merchants without settings of their own.
    pub merchant_settings_default: MerchantSettings,
    /// The bank account to which customers pay whose merchant has none of its own.
    pub deposit_account_default: Option<DepositAccount>,
    /// Sandbox: the webhook URL of merchants that have set none.
    pub webhook_url_default: Option<WebhookUrl>,
    pub withdrawal_fees: WithdrawalFees,
    /// The rule that large amounts take two operators.
    pub two_person: TwoPersonRule,
    /// The time for which a deposit by bank transfer is expected, in seconds.
    pub deposit_kept_seconds: i64,
    /// Bounds on the terms of an offer.
    pub terms_limits: TermsLimits,
    /// The time that a buyer has to confirm after the delivery window, in seconds.
    pub claim_grace_seconds: i64,
    /// The time for which idempotency records are kept, in seconds.
    pub idempotency_kept_seconds: i64,
    /// The most participants in one vault.
    pub participants_max: usize,
    /// The most categories of one owner.
    pub categories_max: u32,
    /// The currency of every amount.
    pub currency: Arc<str>,
    /// The base URL of the service as configured, without a slash at its end.
    pub public_url: Option<String>,
    /// The base URL from the address that the server listens on. Set once it is known.
    pub local_url: Arc<OnceLock<String>>,
}

/// The policy of a running service, which a reload may replace. Clones share it.
#[derive(Clone, Debug)]
pub struct SharedPolicy(Arc<ArcSwap<Policy>>);

impl SharedPolicy {
    pub fn new(policy: Policy) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(policy)))
    }

    /// Returns the policy of this moment, for a use that ends soon.
    pub fn load(&self) -> Guard<Arc<Policy>> {
        self.0.load()
    }

    /// Returns the policy of this moment, for a command.
    pub fn load_full(&self) -> Arc<Policy> {
        self.0.load_full()
    }

    /// Replaces the policy. Commands that have begun keep the one before.
    pub fn replace(&self, policy: Policy) {
        self.0.store(Arc::new(policy));
    }
}

impl Policy {
    /// Returns the variant of the server.
    pub const fn variant(&self) -> Variant {
        Variant {
            mode: self.mode,
            is_strict: self.is_strict,
        }
    }

    /// Returns the settings of a merchant that are in force.
    pub fn settings_in_force(&self, tx: &mut Tx<'_>, merchant: MerchantId) -> Result<MerchantSettings, store::Error> {
        Ok(self.merchant_settings_default.of(&tx.merchant(merchant)?.own))
    }

    /// Returns the context of views for this viewer. `host` is the host that the request was
    /// sent to. Events have none: they are stored, and links in them must not depend on the
    /// request that caused them.
    pub(crate) fn view_context<'a>(&'a self, viewer: Option<&'a Party>, host: Option<&'a str>) -> ViewContext<'a> {
        let public_url = self.public_url.as_deref();
        ViewContext {
            viewer,
            currency: &self.currency,
            base_url: public_url
                .or(self.local_url.get().map(String::as_str))
                .unwrap_or_default(),
            host: host.filter(|_| public_url.is_none()),
        }
    }

    /// Checks that banks, cards and blockchains are available.
    ///
    /// # Errors
    ///
    /// Refuses live mode. Only the sandbox has them, simulated; the service has no
    /// connection to real ones.
    pub fn check_processor(&self) -> Result<(), Refusal> {
        match self.mode {
            Mode::Sandbox => Ok(()),
            Mode::Live => Err(Refusal::FeatureNotEnabled),
        }
    }

    /// Returns the bank account to which a live merchant's customers pay.
    ///
    /// # Errors
    ///
    /// Refuses a merchant without one.
    pub fn deposit_account(&self, snapshot: &Snapshot<'_>, merchant: MerchantId) -> Result<DepositAccount, Error> {
        let account = self.known_deposit_account(snapshot, merchant)?;
        Ok(account.ok_or(Refusal::FeatureNotEnabled)?)
    }

    /// Returns true if the customers of another merchant pay to the same account at the bank.
    ///
    /// # Errors
    ///
    /// Fails if the store cannot be read.
    pub fn shares_deposit_account(&self, snapshot: &Snapshot<'_>, merchant: MerchantId) -> Result<bool, store::Error> {
        match self.known_deposit_account(snapshot, merchant)? {
            Some(own) => snapshot.is_deposited_to_beside(merchant, &own, self.deposit_account_default.as_ref()),
            // A merchant without an account has no deposits at the bank.
            None => Ok(false),
        }
    }

    /// Returns the bank account to which a live merchant's customers pay, if there is one.
    ///
    /// # Errors
    ///
    /// Fails if the store cannot be read.
    pub fn known_deposit_account(
        &self,
        snapshot: &Snapshot<'_>,
        merchant: MerchantId,
    ) -> Result<Option<DepositAccount>, store::Error> {
        let own = snapshot.merchant_settings(merchant)?;
        let own = own.and_then(|own| own.deposit_account);
        Ok(own.or_else(|| self.deposit_account_default.clone()))
    }

    /// Checks that a merchant's customers may withdraw to a bank account.
    ///
    /// # Errors
    ///
    /// Refuses a live merchant for whom neither the merchant nor the configuration has a bank account.
    pub fn check_bank(&self, snapshot: &Snapshot<'_>, merchant: MerchantId) -> Result<(), Error> {
        match self.mode {
            Mode::Sandbox => Ok(()),
            Mode::Live => self.deposit_account(snapshot, merchant).map(drop),
        }
    }

    /// Returns the bank codes that requests may send. A list of real banks is known for
    /// Nigeria only.
    pub fn bank_codes(&self) -> BankCodes {
        match self.mode {
            Mode::Sandbox if self.is_strict => BankCodes::Listed,
            Mode::Live if self.merchant_settings_default.country == Country::NIGERIA => BankCodes::Real,
            Mode::Sandbox | Mode::Live => BankCodes::Any,
        }
    }

    /// Returns true if asking for a withdrawal takes its money out of the wallet. With
    /// `strict` a sandbox does so when the withdrawal is settled, as the hosted API does
    /// (contract section 4.3.2).
    pub fn holds_withdrawals(&self) -> bool {
        self.mode == Mode::Live || !self.is_strict
    }

    /// Returns the scope within which a reference of the bank is used once.
    pub const fn reference_scope(&self) -> ReferenceScope {
        match self.mode {
            Mode::Live => ReferenceScope::AllMerchants,
            Mode::Sandbox => ReferenceScope::OwnMerchant,
        }
    }

    /// Checks that the merchant's customers may pay by card.
    ///
    /// # Errors
    ///
    /// Refuses live mode, and a sandbox without cards.
    pub fn check_cards(&self) -> Result<(), Refusal> {
        self.check_processor()?;
        if self.merchant_settings_default.cards {
            Ok(())
        } else {
            Err(Refusal::FeatureNotEnabled)
        }
    }

    /// Returns the order in which milestones must be released.
    pub(super) const fn release_order(&self) -> ReleaseOrder {
        if self.is_strict {
            ReleaseOrder::FirstPending
        } else {
            ReleaseOrder::Any
        }
    }

    /// Returns the decisions on the ways out of a hold.
    pub(crate) const fn exits(&self) -> ExitRules {
        ExitRules {
            is_strict: self.is_strict,
            grace_seconds: self.claim_grace_seconds,
        }
    }

    /// Returns the actor as a seller with its merchant's rates.
    pub(super) fn seller(&self, tx: &mut Tx<'_>, actor: &Actor) -> Result<Seller, store::Error> {
        Ok(Seller {
            merchant: actor.merchant,
            rates: self.settings_in_force(tx, actor.merchant)?.rates,
            party: actor.party.clone(),
        })
    }
}
