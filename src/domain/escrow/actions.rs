//! The actions that a deal's state allows, for refusals that tell a caller what is possible.
//!
//! Each is decided by the check of its rule, so that the answer and the rule agree. An action
//! that only waits for a time counts as allowed; its own refusal names the time.

use strum::{IntoStaticStr, VariantArray};

use crate::domain::escrow::dispute::Statement;
use crate::domain::escrow::exits::ExitRules;
use crate::domain::escrow::vault::Vault;
use crate::domain::escrow::{Escrow, Plan, Status};
use crate::domain::refusal::Refusal;

/// A step that a party or the merchant can take with a deal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "kebab-case")]
pub enum Action {
    /// The buyer pays.
    Pay,
    /// The seller edits a standard escrow.
    Edit,
    /// The seller edits a milestone escrow.
    MilestoneEdit,
    /// The seller converts a standard escrow to a milestone escrow.
    Convert,
    /// The merchant sets the additional fee.
    AdditionalFee,
    /// The seller deletes the offer.
    Delete,
    /// The buyer confirms a milestone.
    MilestoneConfirm,
    /// The buyer confirms a standard escrow.
    ConfirmPayment,
    /// The seller claims a standard escrow, once the buyer's time to confirm has passed.
    ClaimFunds,
    /// The seller gives back what is held.
    Refund,
    /// A party disputes or replies.
    SubmitDispute,
    /// The merchant rules on a dispute, or without one once the parties' time has passed.
    ResolveDispute,
    /// The merchant declares the winner of a vault.
    VaultWinner,
    /// The merchant cancels a vault.
    VaultCancel,
}

impl Escrow {
    /// Returns true if some caller can take this action in the escrow's state.
    pub fn allows(&self, action: Action, exits: ExitRules) -> bool {
        let is_standard = self.plan == Plan::Standard;
        match action {
            Action::Pay => self.check_open_to_buyers().is_ok(),
            Action::Edit | Action::AdditionalFee => is_standard && self.check_awaits_payment().is_ok(),
            Action::MilestoneEdit => !is_standard && self.check_awaits_payment().is_ok(),
            Action::Convert => is_standard && !self.is_link && self.check_awaits_payment().is_ok(),
            Action::Delete => self.check_deletable_by(&self.seller).is_ok(),
            Action::MilestoneConfirm => !is_standard && self.check_ongoing().is_ok(),
            Action::ConfirmPayment | Action::ClaimFunds => is_standard && self.check_ongoing().is_ok(),
            Action::Refund => !exits.is_strict && self.check_opened().is_ok(),
            Action::SubmitDispute => self.takes_a_statement(exits),
            Action::ResolveDispute => matches!(
                self.check_rulable(exits, self.updated_at),
                Ok(()) | Err(Refusal::NoDisputeYet { .. })
            ),
            Action::VaultWinner | Action::VaultCancel => false,
        }
    }

    /// Adds the escrow's status and its possible actions to the refusal of an action that its
    /// state does not allow. Returns every other refusal as it is.
    pub fn explain(&self, refusal: Refusal, exits: ExitRules) -> Refusal {
        explain(refusal, self.status(), |action| self.allows(action, exits))
    }

    fn takes_a_statement(&self, exits: ExitRules) -> bool {
        let Some(funding) = self.funding() else {
            return false;
        };
        let mut speakers = [Some(&funding.buyer), self.seller.customer()].into_iter().flatten();
        speakers.any(|speaker| {
            let statement = Statement::new(String::new(), self.updated_at);
            self.clone().submit_statement(speaker, statement, exits).is_ok()
        })
    }
}

impl Vault {
    /// Returns true if the merchant can take this action in the vault's state.
    pub fn allows(&self, action: Action) -> bool {
        matches!(action, Action::VaultWinner | Action::VaultCancel) && self.check_opened().is_ok()
    }

    /// Explains a refusal as [`Escrow::explain`] does.
    pub fn explain(&self, refusal: Refusal) -> Refusal {
        explain(refusal, self.status(), |action| self.allows(action))
    }
}

fn explain(refusal: Refusal, status: Status, allows: impl Fn(Action) -> bool) -> Refusal {
    if refusal != Refusal::ActionNotAllowed {
        return refusal;
    }
    let allowed = Action::VARIANTS.iter().filter(|action| allows(**action));
    Refusal::ActionNotAllowedNow {
        status: status.into_str(),
        actions: allowed.map(Into::into).collect(),
    }
}
