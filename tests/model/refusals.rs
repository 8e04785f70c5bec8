//! Checks that a refusal changes nothing, and plants bugs for the controls.

use escrowd::domain::effects::Effects;
use escrowd::domain::ledger::{Account, TransferKind};

use crate::helpers::{kobo, name_merchant, write};
use crate::reference::{Action, Command};
use crate::requests::*;
use crate::service::{Reply, Service};
use crate::{categories, intents, treasury, vaults};

/// A bug planted for a control: a service that does something else than it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The money of a confirmed milestone goes back into the hold.
    LosesRelease,
    /// The first stake of a vault goes back to its participant.
    LosesStake,
    /// A deposit is paid out twice.
    DepositsTwice,
    /// A category that moved is in the wrong place.
    MovesTooFar,
    /// The money of a pay-out that the bank has paid goes back to its owner too.
    GivesPaidBack,
    /// A refusal leaves a row behind.
    KeepsRefused,
}

impl Service {
    /// Keeps a view of the rows as they are now.
    pub(crate) fn keep_state(&self) -> i64 {
        self.before.begin_snapshot();
        self.rows.commits()
    }

    /// Forgets the kept view, which a refused command must not have changed. Compares the
    /// hashes of both states if a commit has happened since, which may be one of the
    /// background, and for every hundredth refusal.
    pub(crate) fn drop_state(&self, version: i64, is_refused: bool) {
        let is_changed = self.rows.commits() != version;
        if is_refused && (is_changed || version % 100 == 0) {
            assert_eq!(
                self.rows.hash_of_rows(),
                self.before.hash_of_rows(),
                "a refusal changes nothing"
            );
        }
        self.before.end_snapshot();
    }

    /// Does the harm of the planted bug.
    pub(crate) fn do_harm(&self, command: &Command, reply: &Result<Reply, String>) {
        let mut effects = Effects::default();
        let (merchant, _) = self.merchants[command.merchant];
        match (self.fault, &command.action, reply) {
            (Some(Fault::LosesRelease), Action::ConfirmMilestone { .. }, Ok(reply)) => {
                let escrow = &reply.escrows[0];
                let payee = Account::CustomerMain(escrow.seller.customer().unwrap().clone());
                let hold = Account::CustomerEscrow(customer(&command.customer));
                effects.transfer(TransferKind::Release, payee, hold, kobo(100), Some(escrow.id));
            }
            (Some(Fault::LosesStake), Action::Vault(vaults::Step::Create { .. }), Ok(reply)) => {
                let vault = reply.vault.as_ref().unwrap();
                let (stake, id) = (&vault.stakes[0], vault.id);
                let main = Account::CustomerMain(stake.customer.clone());
                let hold = Account::CustomerEscrow(stake.customer.clone());
                effects.transfer(TransferKind::Stake, hold, main, stake.amount, Some(id));
            }
            (Some(Fault::DepositsTwice), Action::Intent(intents::Step::Pay { .. }), Ok(reply)) => {
                let transaction = &reply.payment.as_ref().unwrap().transaction;
                let (outside, wallet) = (Account::OutsideWorld, transaction.owner.clone());
                effects.transfer(TransferKind::Deposit, outside, wallet, transaction.amount, None);
            }
            (Some(Fault::GivesPaidBack), Action::Operator(act), Ok(reply)) => {
                if let treasury::Step::Pay { .. } = act.step {
                    let payout = reply.payout.as_ref().unwrap();
                    let (outside, owner) = (Account::OutsideWorld, payout.source.clone());
                    effects.transfer(TransferKind::PayoutReturn, outside, owner, payout.amount, None);
                } else {
                    return;
                }
            }
            (Some(Fault::MovesTooFar), Action::Category(of_category), Ok(reply)) => {
                if let categories::Step::Move { .. } = of_category.step {
                    let id = reply.category.as_ref().unwrap().id.number();
                    let sql = "UPDATE category SET position = position + 1 WHERE id = ?1";
                    assert_eq!(self.rows.execute(sql, &[id]), Ok(1));
                }
                return;
            }
            (Some(Fault::KeepsRefused), Action::Claim { .. }, Err(_)) => {
                write(&self.store, name_merchant("left behind"));
                return;
            }
            _ => return,
        }
        write(&self.store, move |tx| tx.post(merchant, &effects));
    }
}
