//! Operators, and the record of what they do.

use sha2::{Digest, Sha256};

use crate::commands::Error;
use crate::domain::ids::{IdSource, MerchantId, OperatorId};
use crate::domain::invalid::Parsed;
use crate::domain::last_use;
use crate::domain::refusal::Refusal;
use crate::domain::text;
use crate::domain::treasury::act::{ActKind, Agent, NewAct};
use crate::domain::treasury::operator::{Operator, Role};
use crate::store::{self, Tx};

/// The parsed request for a new operator.
#[derive(Clone, Debug)]
pub struct OperatorRequest {
    pub name: String,
    pub role: Role,
    /// The merchants that the operator is limited to. Empty for all.
    pub merchants: Vec<MerchantId>,
}

/// A merchant, and the caller of the operator's route that acts for it.
#[derive(Clone, Debug)]
pub struct OperatorActor {
    pub merchant: MerchantId,
    pub agent: Agent,
}

impl OperatorActor {
    /// Records an act for the merchant, with the transfers that the command has posted since the act
    /// before.
    ///
    /// # Errors
    ///
    /// Fails if the store does.
    pub(super) fn record(
        &self,
        tx: &mut Tx<'_>,
        kind: ActKind,
        subject: String,
        reason: Option<String>,
    ) -> Result<(), store::Error> {
        let act = NewAct {
            merchant: Some(self.merchant),
            kind,
            subject,
            reason,
            transfers: tx.transfers_of_act(),
        };
        tx.insert_act(&self.agent, &act)
    }

    /// Returns the refusal of a bank's reference that another receipt or pay-out has. It names the
    /// other only to those who may see it.
    ///
    /// # Errors
    ///
    /// Fails if the store does.
    pub(super) fn refuse_bank_reference(
        &self,
        tx: &Tx<'_>,
        (merchant, id): (MerchantId, impl ToString),
    ) -> Result<Refusal, store::Error> {
        let operator = match self.agent.operator {
            Some(operator) if merchant != self.merchant => tx.operator(operator)?,
            _ => None,
        };
        let may_see = merchant == self.merchant || operator.is_some_and(|operator| operator.may_act_for(merchant));
        Ok(Refusal::BankReferenceUsed {
            id: may_see.then(|| id.to_string()),
        })
    }
}

/// Creates an operator whose key is `key`. Only the hash of the key is stored.
///
/// # Errors
///
/// Refuses a name that another operator has or had, also in other letter case, so that a name in
/// the record stays one person's, then a merchant that does not exist, then one that the acting
/// operator may not act for. So an admin who is limited to merchants makes no operator with wider
/// limits.
pub fn create(tx: &mut Tx<'_>, agent: &Agent, request: Parsed<OperatorRequest>, key: &str) -> Result<Operator, Error> {
    let mut request = request?;
    request.merchants.sort_unstable_by_key(|merchant| merchant.0);
    request.merchants.dedup();
    let compared = text::name_key(&request.name);
    if tx.operator_names()?.iter().any(|name| text::name_key(name) == compared) {
        return Err(Refusal::OperatorNameTaken.into());
    }
    for merchant in &request.merchants {
        if !tx.has_merchant(*merchant)? {
            return Err(Refusal::MerchantNotFound.into());
        }
    }
    if !covers(tx, agent, &request.merchants)? {
        return Err(Refusal::MerchantNotFound.into());
    }
    let operator = Operator {
        id: tx.operator_id(),
        name: request.name,
        role: request.role,
        merchants: request.merchants,
        created_at: tx.ledger_time(),
        last_used_at: None,
        revoked_at: None,
    };
    tx.insert_operator(&operator, &Sha256::digest(key).into())?;
    record_for_deployment(tx, agent, ActKind::OperatorCreated, operator.id, None)?;
    Ok(operator)
}

/// Revokes an operator's key.
///
/// # Errors
///
/// Refuses an unknown operator, one whose limits are wider than those of the acting operator,
/// one that is revoked already, and the last admin of all merchants.
pub fn revoke(tx: &mut Tx<'_>, agent: &Agent, id: OperatorId, reason: Option<String>) -> Result<Operator, Error> {
    let mut operator = tx.operator(id)?.ok_or(Refusal::OperatorNotFound)?;
    if !covers(tx, agent, &operator.merchants)? {
        return Err(Refusal::OperatorNotFound.into());
    }
    if operator.revoked_at.is_some() {
        return Err(Refusal::OperatorAlreadyRevoked.into());
    }
    if operator.role == Role::Admin && !tx.has_other_admin(id)? {
        return Err(Refusal::LastAdmin.into());
    }
    operator.revoked_at = Some(tx.ledger_time());
    tx.save_operator(&operator)?;
    record_for_deployment(tx, agent, ActKind::OperatorRevoked, id, reason)?;
    Ok(operator)
}

/// Returns true if the caller may do all that an operator with these limits may.
pub(super) fn covers(tx: &Tx<'_>, agent: &Agent, merchants: &[MerchantId]) -> Result<bool, Error> {
    let Some(id) = agent.operator else {
        return Ok(true);
    };
    let acting = tx.operator(id)?.ok_or(Refusal::OperatorNotFound)?;
    Ok(acting.covers(merchants))
}

/// Saves that an operator's key is being used, if its last use is long enough ago.
pub fn save_last_use(tx: &mut Tx<'_>, id: OperatorId) -> Result<(), store::Error> {
    let now = tx.ledger_time();
    if let Some(mut operator) = tx.operator(id)?
        && last_use::is_outdated(operator.last_used_at, last_use::PRECISION, now)
    {
        operator.last_used_at = Some(now);
        tx.save_operator(&operator)?;
    }
    Ok(())
}

fn record_for_deployment(
    tx: &mut Tx<'_>,
    agent: &Agent,
    kind: ActKind,
    subject: OperatorId,
    reason: Option<String>,
) -> Result<(), store::Error> {
    let act = NewAct {
        merchant: None,
        kind,
        subject: subject.to_string(),
        reason,
        transfers: None,
    };
    tx.insert_act(agent, &act)
}
