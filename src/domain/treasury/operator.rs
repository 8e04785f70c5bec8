//! Operators: the people who run a deployment, their roles, and the rule that one person
//! alone does not move a large amount.

use strum::{EnumString, IntoStaticStr, VariantArray};

use crate::domain::ids::{MerchantId, OperatorId};
use crate::domain::invalid::Parsed;
use crate::domain::money::Amount;
use crate::domain::refusal::Refusal;
use crate::domain::text;
use crate::domain::time::Timestamp;

/// The role of an operator, which decides its rights.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumString, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "lowercase", const_into_str)]
pub enum Role {
    /// May do everything, and makes and revokes operators.
    Admin,
    /// Records money in and out, requests pay-outs, assigns and reverses receipts.
    Cashier,
    /// Approves pay-outs and large receipts, and rules on deals.
    Approver,
    /// May only read.
    Auditor,
}

/// The right that a route requires.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "lowercase", const_into_str)]
pub enum Right {
    /// To read.
    Read,
    /// To record receipts and payments, and to request pay-outs.
    Record,
    /// To approve or reject what others recorded or requested, and to rule on deals.
    Approve,
    /// To create and change operators, merchants, keys, webhook endpoints and the secrets of
    /// payment providers.
    Administer,
}

impl Role {
    /// Returns true if operators with this role have the right.
    pub const fn has(self, right: Right) -> bool {
        match self {
            Self::Admin => true,
            Self::Cashier => matches!(right, Right::Read | Right::Record),
            Self::Approver => matches!(right, Right::Read | Right::Approve),
            Self::Auditor => matches!(right, Right::Read),
        }
    }
}

impl Right {
    /// Returns the roles that have the right, in the order of [`Role`].
    pub fn roles(self) -> Vec<&'static str> {
        let roles = Role::VARIANTS.iter().filter(|role| role.has(self));
        roles.map(Into::into).collect()
    }
}

/// The most characters in the name of an operator.
pub const NAME_CHARS_MAX: usize = 100;

/// Returns the name of an operator.
///
/// # Errors
///
/// Names `field` if [`text::name`] refuses the text.
pub fn check_name(field: &str, name: String) -> Parsed<String> {
    text::name(field, name, NAME_CHARS_MAX)
}

/// The beginning of an operator's key, which tells it from a merchant's.
pub const KEY_PREFIX: &str = "op_live_";

/// An operator as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operator {
    pub id: OperatorId,
    pub name: String,
    pub role: Role,
    /// The merchants that the operator may act for. Empty for all.
    pub merchants: Vec<MerchantId>,
    pub created_at: Timestamp,
    /// The last use of the key, to the hour.
    pub last_used_at: Option<Timestamp>,
    /// Since then the key opens nothing.
    pub revoked_at: Option<Timestamp>,
}

impl Operator {
    /// Checks that the operator's role has a right.
    ///
    /// # Errors
    ///
    /// Refuses with the roles that have it.
    pub fn check_may(&self, right: Right) -> Result<(), Refusal> {
        if self.role.has(right) {
            return Ok(());
        }
        Err(Refusal::RoleNotAllowed {
            role: self.role.into_str(),
            allowed: right.roles(),
        })
    }

    /// Returns true if the operator may act for a merchant.
    pub fn may_act_for(&self, merchant: MerchantId) -> bool {
        self.merchants.is_empty() || self.merchants.contains(&merchant)
    }

    /// Returns true if an operator with these limits may do no more than this one.
    pub fn covers(&self, merchants: &[MerchantId]) -> bool {
        let is_limited = !merchants.is_empty();
        self.merchants.is_empty() || (is_limited && merchants.iter().all(|merchant| self.may_act_for(*merchant)))
    }
}

/// The time at which the act that an operator asks for takes effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Takes effect now.
    Now,
    /// Takes effect when a second operator asks for the same.
    AfterSecond { asked_by: OperatorId },
}

impl Decision {
    /// Returns the operator whose request waits for a second one.
    pub const fn asked_by(self) -> Option<OperatorId> {
        match self {
            Self::Now => None,
            Self::AfterSecond { asked_by } => Some(asked_by),
        }
    }
}

/// The rule that above an amount a second person approves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TwoPersonRule {
    /// The largest amount that one person may move alone. `None` if the rule is switched
    /// off.
    pub alone_max: Option<Amount>,
}

impl TwoPersonRule {
    /// The rule switched off, as in a sandbox, where the key's owner is alone.
    pub const OFF: Self = Self { alone_max: None };

    /// Returns true if an amount takes a second person.
    fn takes_two(self, amount: Amount) -> bool {
        self.alone_max.is_some_and(|alone_max| amount > alone_max)
    }

    /// Checks that the second person is not the first, if the amount takes two.
    ///
    /// # Errors
    ///
    /// Refuses the same operator. `None` stands for no operator: a customer who
    /// asked with the merchant's key.
    pub fn check(self, amount: Amount, first: Option<OperatorId>, second: Option<OperatorId>) -> Result<(), Refusal> {
        match self.alone_max {
            Some(alone_max) if amount > alone_max && first.is_some() && first == second => {
                Err(Refusal::SamePerson { alone_max })
            }
            _ => Ok(()),
        }
    }

    /// Decides if what an operator asks for takes effect now: alone, or as the second one who asks
    /// for it. `first` is the operator who has asked for the same before.
    ///
    /// # Errors
    ///
    /// Refuses the operator who has asked before, if the amount takes two.
    pub fn decide(
        self,
        amount: Amount,
        first: Option<OperatorId>,
        operator: Option<OperatorId>,
    ) -> Result<Decision, Refusal> {
        self.check(amount, first, operator)?;
        Ok(match operator {
            Some(asked_by) if first.is_none() && self.takes_two(amount) => Decision::AfterSecond { asked_by },
            _ => Decision::Now,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn operator(role: Role, merchants: &[i64]) -> Operator {
        Operator {
            id: OperatorId::new(1, 1),
            name: "Ada".to_owned(),
            role,
            merchants: merchants.iter().copied().map(MerchantId).collect(),
            created_at: Timestamp::from_millis(1).unwrap(),
            last_used_at: None,
            revoked_at: None,
        }
    }

    #[test]
    fn each_role_has_its_rights() {
        use Right::{Administer, Approve, Read, Record};
        for (role, rights) in [
            (Role::Admin, vec![Read, Record, Approve, Administer]),
            (Role::Cashier, vec![Read, Record]),
            (Role::Approver, vec![Read, Approve]),
            (Role::Auditor, vec![Read]),
        ] {
            for right in Right::VARIANTS {
                let checked = operator(role, &[]).check_may(*right);
                assert_eq!(checked.is_ok(), rights.contains(right), "{role:?} {right:?}");
            }
        }
        assert_eq!(
            operator(Role::Auditor, &[]).check_may(Record),
            Err(Refusal::RoleNotAllowed {
                role: "auditor",
                allowed: vec!["admin", "cashier"]
            })
        );
    }

    #[test]
    fn a_name_is_one_line_of_so_many_characters() {
        for (name, is_valid) in [
            ("Ada Obi", true),
            ("a".repeat(NAME_CHARS_MAX).as_str(), true),
            ("a".repeat(NAME_CHARS_MAX + 1).as_str(), false),
            ("", false),
            ("Ada\nObi", false),
        ] {
            let checked = check_name("name", name.to_owned());
            assert_eq!(checked.ok().as_deref(), is_valid.then_some(name), "{name:?}");
        }
    }

    #[test]
    fn an_operator_may_be_limited_to_merchants() {
        assert!(operator(Role::Admin, &[]).may_act_for(MerchantId(7)));
        assert!(operator(Role::Admin, &[7]).may_act_for(MerchantId(7)));
        assert!(!operator(Role::Admin, &[7]).may_act_for(MerchantId(8)));
    }

    #[test]
    fn a_limited_operator_covers_no_wider_limits() {
        for (own, others, covers) in [
            (&[][..], &[][..], true),
            (&[], &[7], true),
            (&[7, 8], &[8], true),
            (&[7, 8], &[8, 7], true),
            (&[7], &[7, 8], false),
            (&[7], &[8], false),
            (&[7], &[], false),
        ] {
            let others: Vec<MerchantId> = others.iter().copied().map(MerchantId).collect();
            let covered = operator(Role::Admin, own).covers(&others);
            assert_eq!(covered, covers, "{own:?} {others:?}");
        }
    }

    #[test]
    fn above_the_limit_two_persons_are_needed() {
        let (ada, ben) = (Some(OperatorId::new(1, 1)), Some(OperatorId::new(2, 2)));
        let kobo = |minor| Amount::from_minor(minor).unwrap();
        let rule = TwoPersonRule {
            alone_max: Some(kobo(100)),
        };
        let same = Err(Refusal::SamePerson { alone_max: kobo(100) });
        for (amount, first, second, checked) in [
            (100, ada, ada, Ok(())),
            (101, ada, ada, same),
            (101, ada, ben, Ok(())),
            (101, None, ada, Ok(())),
            (101, None, None, Ok(())),
        ] {
            assert_eq!(
                rule.check(kobo(amount), first, second),
                checked,
                "{amount} {first:?} {second:?}"
            );
            assert_eq!(TwoPersonRule::OFF.check(kobo(amount), first, second), Ok(()));
        }
        let same = Err(Refusal::SamePerson { alone_max: kobo(100) });
        for (amount, first, second, asked_by) in [
            (100, None, ada, Ok(None)),
            (101, None, ada, Ok(ada)),
            (101, ada, ada, same),
            (101, ada, ben, Ok(None)),
            (101, None, None, Ok(None)),
        ] {
            let outcome = rule.decide(kobo(amount), first, second);
            assert_eq!(
                outcome.map(Decision::asked_by),
                asked_by,
                "{amount} {first:?} {second:?}"
            );
            assert_eq!(
                TwoPersonRule::OFF.decide(kobo(amount), first, second),
                Ok(Decision::Now)
            );
        }
        assert!(rule.takes_two(kobo(101)) && !rule.takes_two(kobo(100)));
        assert!(!TwoPersonRule::OFF.takes_two(Amount::MAX));
    }
}
