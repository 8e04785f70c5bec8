//! Customers: how one comes to be, and what one may do (contract sections 1.3
//! and 3.3).

use strum::IntoStaticStr;

use crate::domain::customers::country::Country;
use crate::domain::customers::profile::Profile;
use crate::domain::ids::{CustomerId, WalletId};
use crate::domain::money::Amount;
use crate::domain::refusal::Refusal;
use crate::domain::time::Timestamp;

/// The detail by which a merchant looks for one customer.
#[derive(Clone, Debug, IntoStaticStr)]
#[strum(serialize_all = "lowercase", const_into_str)]
pub enum CustomerKey {
    /// An email address, in any letter case.
    Email(String),
    /// A phone, in any spelling: `0801...`, `234801...`, `801...`.
    Phone(String),
    /// Both, which must be the same customer's.
    #[strum(serialize = "email and phone")]
    EmailAndPhone(String, String),
}

/// Why a customer is blocked, when all that is known is that the merchant did it.
const BLOCKED_REASON: &str = "Account blocked by the merchant";

/// A buyer or seller of one merchant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Customer {
    /// Its id, as in the `customer-id` header.
    pub id: CustomerId,
    /// The id of its wallet.
    pub wallet: WalletId,
    /// What it may do.
    pub permissions: Permissions,
    /// Since when and why it may do nothing at all, if that is so.
    pub block: Option<Block>,
    /// Who it is, as far as somebody said.
    pub profile: Option<Profile>,
    /// When it was first seen.
    pub created_at: Timestamp,
}

/// What a customer may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Permissions {
    /// Withdraw money.
    pub can_withdraw: bool,
    /// Pay for escrows.
    pub can_buy: bool,
    /// Offer escrows.
    pub can_sell: bool,
}

/// Why a customer can do nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// Since when.
    pub at: Timestamp,
    /// For what.
    pub reason: String,
}

/// How a customer stands: what is looked at whenever one acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CustomerStanding {
    /// What it may do.
    pub permissions: Permissions,
    /// Whether it may do nothing at all.
    pub is_blocked: bool,
}

/// What a merchant changes in a customer's permissions; the rest stays.
#[derive(Clone, Copy, Debug, Default)]
pub struct PermissionsUpdate {
    /// Whether it may withdraw money from now on.
    pub can_withdraw: Option<bool>,
    /// Whether it may pay for escrows from now on.
    pub can_buy: Option<bool>,
    /// Whether it may offer escrows from now on.
    pub can_sell: Option<bool>,
}

impl Customer {
    /// A customer seen for the first time: active, with every permission.
    pub const fn new(id: CustomerId, wallet: WalletId, profile: Option<Profile>, now: Timestamp) -> Self {
        Self {
            id,
            wallet,
            permissions: Permissions::ALL,
            block: None,
            profile,
            created_at: now,
        }
    }

    /// Where it comes from: where its merchant does, unless somebody said otherwise.
    pub fn country(&self, of_merchant: Country) -> Country {
        self.profile.as_ref().map_or(of_merchant, |profile| profile.country)
    }

    /// What others see them as: their name, or their id while nobody said it.
    pub fn name(&self) -> String {
        let name = self.profile.as_ref().and_then(Profile::full_name);
        name.unwrap_or_else(|| self.id.to_string())
    }

    /// Keeps it from acting; one that is blocked already stays so since then.
    pub fn block(&mut self, now: Timestamp) {
        self.block.get_or_insert_with(|| Block {
            at: now,
            reason: BLOCKED_REASON.to_owned(),
        });
    }

    /// Lets it act again.
    pub fn unblock(&mut self) {
        self.block = None;
    }
}

impl Permissions {
    /// Every one, which is what a new customer has.
    pub const ALL: Self = Self {
        can_withdraw: true,
        can_buy: true,
        can_sell: true,
    };

    /// These, but for what is changed.
    pub fn updated(self, update: PermissionsUpdate) -> Self {
        Self {
            can_withdraw: update.can_withdraw.unwrap_or(self.can_withdraw),
            can_buy: update.can_buy.unwrap_or(self.can_buy),
            can_sell: update.can_sell.unwrap_or(self.can_sell),
        }
    }
}

impl PermissionsUpdate {
    /// The update, unless it changes nothing (contract section 4.4.5).
    pub fn checked(self) -> Result<Self, Refusal> {
        let named = self.can_withdraw.or(self.can_buy).or(self.can_sell);
        named.map(|_| self).ok_or(Refusal::NoPermissionNamed)
    }
}

impl CustomerStanding {
    /// How a customer stands who was never seen before.
    pub const NEWCOMER: Self = Self {
        permissions: Permissions::ALL,
        is_blocked: false,
    };

    /// Refuses a blocked customer, who can do nothing.
    pub const fn check_active(self) -> Result<(), Refusal> {
        if self.is_blocked {
            Err(Refusal::CustomerBlocked)
        } else {
            Ok(())
        }
    }

    /// Refuses a customer who may not pay for escrows.
    pub const fn check_may_buy(self) -> Result<(), Refusal> {
        if self.permissions.can_buy {
            Ok(())
        } else {
            Err(Refusal::BuyingDisabled)
        }
    }

    /// Refuses a customer who may not create, edit or convert escrows as a seller.
    pub const fn check_may_sell(self) -> Result<(), Refusal> {
        if self.permissions.can_sell {
            Ok(())
        } else {
            Err(Refusal::SellingDisabled)
        }
    }

    /// Refuses a customer who may not take money out of the wallet.
    pub const fn check_may_withdraw(self) -> Result<(), Refusal> {
        if self.permissions.can_withdraw {
            Ok(())
        } else {
            Err(Refusal::WithdrawingDisabled)
        }
    }
}

/// A customer's money as the customer sees it (contract section 3.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wallet {
    /// Its id.
    pub id: WalletId,
    /// What can be spent.
    pub main_balance: Amount,
    /// What the open escrows the customer funded still hold for those who will be
    /// paid: the hold without the fees in it (contract section 9.1, row 15).
    pub escrow_balance: Amount,
    /// When the customer was first seen.
    pub created_at: Timestamp,
    /// When a balance last moved.
    pub updated_at: Timestamp,
}

/// What happens when a `customer-id` names nobody yet (design section 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Sandbox mode: the customer is registered, with this much play money.
    Register {
        /// The opening balance.
        opening_balance: Amount,
    },
    /// Live mode, and a strict sandbox: the request is refused.
    KnownOnly,
}

impl Admission {
    /// Why a `customer-id` is refused that is none of the merchant's: there is no
    /// such customer, or another merchant has it (contract section 1.3).
    pub const fn refusal_of_unknown(is_anothers: bool) -> Refusal {
        if is_anothers {
            Refusal::CustomerOfAnotherMerchant
        } else {
            Refusal::CustomerNotFound
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing(can_buy: bool, can_sell: bool, can_withdraw: bool) -> CustomerStanding {
        CustomerStanding {
            permissions: Permissions {
                can_withdraw,
                can_buy,
                can_sell,
            },
            is_blocked: false,
        }
    }

    #[test]
    fn each_permission_forbids_its_own_thing() {
        let outcomes = |standing: CustomerStanding| {
            [
                standing.check_may_buy(),
                standing.check_may_sell(),
                standing.check_may_withdraw(),
            ]
        };
        assert_eq!(outcomes(CustomerStanding::NEWCOMER), [Ok(()), Ok(()), Ok(())]);
        let no = [
            Refusal::BuyingDisabled,
            Refusal::SellingDisabled,
            Refusal::WithdrawingDisabled,
        ];
        let [buying, selling, withdrawing] = no.map(Err);
        assert_eq!(outcomes(standing(false, true, true)), [buying, Ok(()), Ok(())]);
        assert_eq!(outcomes(standing(true, false, true)), [Ok(()), selling, Ok(())]);
        assert_eq!(outcomes(standing(true, true, false)), [Ok(()), Ok(()), withdrawing]);
        let blocked = CustomerStanding {
            is_blocked: true,
            ..CustomerStanding::NEWCOMER
        };
        assert_eq!(blocked.check_active(), Err(Refusal::CustomerBlocked));
        assert_eq!(CustomerStanding::NEWCOMER.check_active(), Ok(()));
    }

    #[test]
    fn an_update_changes_what_it_names() {
        let update = PermissionsUpdate {
            can_sell: Some(false),
            ..PermissionsUpdate::default()
        };
        let changed = Permissions::ALL.updated(update.checked().unwrap());
        assert_eq!(changed, standing(true, false, true).permissions);
        let nothing = PermissionsUpdate::default().checked();
        assert_eq!(nothing.unwrap_err(), Refusal::NoPermissionNamed);
    }

    #[test]
    fn a_block_stays_as_it_was_until_it_is_lifted() {
        let at = |millis| Timestamp::from_millis(millis).unwrap();
        let id = CustomerId::parse("ada").unwrap();
        let mut customer = Customer::new(id, WalletId::new(1, 1), None, at(1));
        customer.block(at(2));
        let first = customer.block.clone().unwrap();
        customer.block(at(3));
        assert_eq!(customer.block, Some(first.clone()));
        assert_eq!((first.at, first.reason.as_str()), (at(2), BLOCKED_REASON));
        customer.unblock();
        customer.unblock();
        assert_eq!(customer.block, None);
    }
}
