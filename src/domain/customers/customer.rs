//! Customers: registration, permissions and blocks (contract sections 1.3 and 3.3).

use strum::IntoStaticStr;

use crate::domain::customers::country::Country;
use crate::domain::customers::owner_problem::OwnerProblem;
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

/// The reason of a block for which the merchant gave none.
const BLOCKED_REASON: &str = "Account blocked by the merchant";

/// A buyer or seller of one merchant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Customer {
    /// The id in the `customer-id` header.
    pub id: CustomerId,
    pub wallet: WalletId,
    pub permissions: Permissions,
    /// The block, if the merchant has blocked the customer.
    pub block: Option<Block>,
    /// The profile, as far as it is known.
    pub profile: Option<Profile>,
    /// The time of registration.
    pub created_at: Timestamp,
}

/// The permissions of a customer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Permissions {
    /// True if it may withdraw money.
    pub can_withdraw: bool,
    /// True if it may pay for escrows.
    pub can_buy: bool,
    /// True if it may create, edit and convert escrows as a seller.
    pub can_sell: bool,
}

/// A block: the customer cannot act at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// The time at which the block began.
    pub at: Timestamp,
    pub reason: String,
}

/// The facts that decide what a customer may do. Every command of a customer loads them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CustomerAccess {
    pub permissions: Permissions,
    /// True if the merchant has blocked the customer.
    pub is_blocked: bool,
}

/// The permissions that a merchant changes. `None` keeps a permission as it is.
#[derive(Clone, Copy, Debug, Default)]
pub struct PermissionsUpdate {
    pub can_withdraw: Option<bool>,
    pub can_buy: Option<bool>,
    pub can_sell: Option<bool>,
}

impl Customer {
    /// Returns a newly registered customer: not blocked, with every permission.
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

    /// Returns the country in the profile, or else the merchant's.
    pub fn country(&self, of_merchant: Country) -> Country {
        self.profile.as_ref().map_or(of_merchant, |profile| profile.country)
    }

    /// Returns the name that other parties see: the full name, or the id if no name is
    /// known.
    pub fn name(&self) -> String {
        let name = self.profile.as_ref().and_then(Profile::full_name);
        name.unwrap_or_else(|| self.id.to_string())
    }

    /// Blocks the customer. A block that exists already keeps its time and reason.
    pub fn block(&mut self, now: Timestamp) {
        self.block.get_or_insert_with(|| Block {
            at: now,
            reason: BLOCKED_REASON.to_owned(),
        });
    }

    pub fn unblock(&mut self) {
        self.block = None;
    }
}

impl Permissions {
    /// The permissions of a new customer.
    pub const ALL: Self = Self {
        can_withdraw: true,
        can_buy: true,
        can_sell: true,
    };

    /// Returns the permissions with the update applied.
    pub fn updated(self, update: PermissionsUpdate) -> Self {
        Self {
            can_withdraw: update.can_withdraw.unwrap_or(self.can_withdraw),
            can_buy: update.can_buy.unwrap_or(self.can_buy),
            can_sell: update.can_sell.unwrap_or(self.can_sell),
        }
    }
}

impl PermissionsUpdate {
    /// Returns the update.
    ///
    /// # Errors
    ///
    /// Refuses an update that changes nothing (contract section 4.4.5).
    pub fn checked(self) -> Result<Self, Refusal> {
        let named = self.can_withdraw.or(self.can_buy).or(self.can_sell);
        named.map(|_| self).ok_or(Refusal::NoPermissionNamed)
    }
}

impl CustomerAccess {
    /// Returns what keeps the customer from getting a withdrawal, if anything does.
    pub const fn owner_problem(&self) -> Option<OwnerProblem> {
        if self.is_blocked {
            Some(OwnerProblem::Blocked)
        } else if self.permissions.can_withdraw {
            None
        } else {
            Some(OwnerProblem::MayNotWithdraw)
        }
    }

    /// The access of a customer who is not registered yet.
    pub const NEW_CUSTOMER: Self = Self {
        permissions: Permissions::ALL,
        is_blocked: false,
    };

    /// Refuses a blocked customer.
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

    /// Refuses a customer who is blocked, or may not pay for escrows.
    pub fn check_active_buyer(self) -> Result<(), Refusal> {
        self.check_active()?;
        self.check_may_buy()
    }

    /// Refuses a customer who may not create, edit or convert escrows.
    pub const fn check_may_sell(self) -> Result<(), Refusal> {
        if self.permissions.can_sell {
            Ok(())
        } else {
            Err(Refusal::SellingDisabled)
        }
    }

    /// Refuses a customer who may not withdraw money.
    pub const fn check_may_withdraw(self) -> Result<(), Refusal> {
        if self.permissions.can_withdraw {
            Ok(())
        } else {
            Err(Refusal::WithdrawingDisabled)
        }
    }
}

/// The balances of a customer, as the customer sees them (contract section 3.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wallet {
    pub id: WalletId,
    /// The money that the customer can spend.
    pub main_balance: Amount,
    /// The money that the open escrows of this buyer hold for their payees: the holds
    /// without the fees in them (contract section 9.1, row 15).
    pub escrow_balance: Amount,
    /// The time of the customer's registration.
    pub created_at: Timestamp,
    /// The time of the last change of a balance.
    pub updated_at: Timestamp,
}

/// The treatment of a `customer-id` that is not registered (contract section 8, row 8.37).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Sandbox mode: the server registers the customer with this opening balance.
    Register { opening_balance: Amount },
    /// Live mode and a strict sandbox: the server refuses the request.
    KnownOnly,
}

impl Admission {
    /// Returns the refusal of a `customer-id` that the merchant has not registered. In live mode it
    /// differs if another merchant has a customer with that id (contract section 1.3).
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

    fn access(can_buy: bool, can_sell: bool, can_withdraw: bool) -> CustomerAccess {
        CustomerAccess {
            permissions: Permissions {
                can_withdraw,
                can_buy,
                can_sell,
            },
            is_blocked: false,
        }
    }

    #[test]
    fn each_permission_guards_its_own_action() {
        let outcomes = |access: CustomerAccess| {
            [
                access.check_may_buy(),
                access.check_may_sell(),
                access.check_may_withdraw(),
            ]
        };
        assert_eq!(outcomes(CustomerAccess::NEW_CUSTOMER), [Ok(()), Ok(()), Ok(())]);
        let no = [
            Refusal::BuyingDisabled,
            Refusal::SellingDisabled,
            Refusal::WithdrawingDisabled,
        ];
        let [buying, selling, withdrawing] = no.map(Err);
        assert_eq!(outcomes(access(false, true, true)), [buying, Ok(()), Ok(())]);
        assert_eq!(outcomes(access(true, false, true)), [Ok(()), selling, Ok(())]);
        assert_eq!(outcomes(access(true, true, false)), [Ok(()), Ok(()), withdrawing]);
        let blocked = CustomerAccess {
            is_blocked: true,
            ..CustomerAccess::NEW_CUSTOMER
        };
        assert_eq!(blocked.check_active(), Err(Refusal::CustomerBlocked));
        assert_eq!(CustomerAccess::NEW_CUSTOMER.check_active(), Ok(()));
    }

    #[test]
    fn an_update_changes_what_it_names() {
        let update = PermissionsUpdate {
            can_sell: Some(false),
            ..PermissionsUpdate::default()
        };
        let changed = Permissions::ALL.updated(update.checked().unwrap());
        assert_eq!(changed, access(true, false, true).permissions);
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
