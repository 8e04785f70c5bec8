//! One table: the status and exact message of every refusal on the wire.

use std::borrow::Cow;

use serde_json::{Value, json};

use crate::domain::decline::Decline;
use crate::domain::money::Amount;
use crate::domain::refusal::{Invalid, LookedFor, Problem, Refusal};
use crate::views::WireAmount;

/// How a refusal is spoken.
#[derive(Debug)]
pub(crate) struct WireRefusal {
    /// HTTP status, which is also `status` in the envelope.
    pub(crate) status: u16,
    /// Stable word for programs.
    pub(crate) code: &'static str,
    /// The contract's message, or ours where it has none.
    pub(crate) message: Cow<'static, str>,
    /// Facts behind the message.
    pub(crate) details: Option<Value>,
}

/// The wire form of a refusal.
#[allow(clippy::too_many_lines, reason = "a table, one row for each refusal")]
pub(crate) fn wire(refusal: &Refusal) -> WireRefusal {
    let (status, code, message) = match refusal {
        Refusal::Invalid(invalid) => return invalid_wire(invalid),
        Refusal::CustomerNotFound => (404, "customer_not_found", "Customer not found"),
        Refusal::MerchantMayNotSell => (
            401,
            "merchant_may_not_sell",
            "Merchant cannot create escrow for itself via API",
        ),
        Refusal::CustomerOfAnotherMerchant => (
            403,
            "customer_of_another_merchant",
            "Customer does not belong to the merchant",
        ),
        Refusal::CustomerBlocked => (
            401,
            "customer_blocked",
            "Your account is disabled. Please contact support",
        ),
        Refusal::BuyingDisabled => (
            401,
            "buying_disabled",
            "Your account has been disabled from buying, please contact support",
        ),
        Refusal::SellingDisabled => (
            401,
            "selling_disabled",
            "Your account has been disabled from selling, please contact support",
        ),
        Refusal::WithdrawingDisabled => (
            401,
            "withdrawing_disabled",
            "Your account has been disabled from withdrawing, please contact support",
        ),
        Refusal::NoSuchCustomer => (400, "no_such_customer", "Customer not found"),
        Refusal::NoCustomerWith(LookedFor::Email) => {
            (400, "no_such_customer", "No customer found with the provided email")
        }
        Refusal::NoCustomerWith(LookedFor::Phone) => {
            (400, "no_such_customer", "No customer found with the provided phone")
        }
        Refusal::NoCustomerWith(LookedFor::EmailAndPhone) => (
            400,
            "no_such_customer",
            "No customer found with the provided email and phone",
        ),
        Refusal::EmailExists => (
            400,
            "email_exists",
            "A customer with this email already exists under this merchant",
        ),
        Refusal::PhoneExists => (
            400,
            "phone_exists",
            "A customer with this phone already exists under this merchant",
        ),
        Refusal::EmailTaken => (400, "email_taken", "Another customer already uses this email address"),
        Refusal::NothingToUpdate => (
            400,
            "nothing_to_update",
            "Provide at least one of firstname, lastname or email",
        ),
        Refusal::NoPermissionNamed => (
            400,
            "no_permission_named",
            "Provide at least one of canWithdraw, canBuy or canSell",
        ),
        Refusal::TooManyCustomersAsked => (400, "too_many_customers_asked", "Maximum fetch limit is 50"),
        Refusal::EscrowNotFound => (400, "escrow_not_found", "Escrow not found"),
        Refusal::AccessDenied => (401, "access_denied", "Access denied"),
        Refusal::ActionNotAllowed => (400, "action_not_allowed", "Action not allowed"),
        Refusal::EscrowNotOfThisMerchant => (
            400,
            "escrow_not_of_this_merchant",
            "Escrow does not belong to this merchant",
        ),
        Refusal::AdditionalFeeNegative => (400, "additional_fee_negative", "additionalFee cannot be negative"),
        Refusal::AdditionalFeeNotStandard => (
            400,
            "additional_fee_not_standard",
            "An additional fee can only be set on a standard escrow",
        ),
        Refusal::AdditionalFeeNotPending => (
            400,
            "additional_fee_not_pending",
            "An additional fee can only be updated while the escrow is pending payment",
        ),
        Refusal::ClaimTooEarly { .. } => (400, "claim_too_early", "Escrow cannot be claimed yet"),
        Refusal::ListTypeMissing => (401, "list_type_missing", "Type is required"),
        Refusal::ListTypeUnknown => (
            401,
            "list_type_unknown",
            "Invalid type provider, allowed types: sales | buy",
        ),
        Refusal::NotAMilestoneEscrow => (400, "not_a_milestone_escrow", "Escrow is not a milestone escrow"),
        Refusal::AlreadyAMilestoneEscrow => (
            400,
            "already_a_milestone_escrow",
            "Escrow is already a milestone escrow",
        ),
        Refusal::TooFewMilestones => (
            400,
            "too_few_milestones",
            "A milestone escrow must have at least 2 milestones",
        ),
        Refusal::MilestonesDoNotAddUp => (
            400,
            "milestones_do_not_add_up",
            "The sum of milestone amounts must equal the escrow amount",
        ),
        Refusal::EscrowNotFunded => (400, "escrow_not_funded", "Escrow has not been funded yet"),
        Refusal::BuyerAlreadyDisputed => (400, "buyer_already_disputed", "Buyer already submitted Dispute"),
        Refusal::SellerAlreadyReplied => (400, "seller_already_replied", "Seller already submitted Dispute"),
        Refusal::NothingLeftToDispute => (
            400,
            "nothing_left_to_dispute",
            "All milestones have been released; there are no held funds to dispute",
        ),
        Refusal::VaultNotDisputable => (400, "vault_not_disputable", "Vault escrows cannot be disputed"),
        Refusal::DisputeNotAccessible => (400, "dispute_not_accessible", "Access denied"),
        Refusal::NoDispute => (400, "no_dispute", "No dispute found for this escrow"),
        Refusal::AlreadyResolved => (400, "already_resolved", "Escrow already completed"),
        Refusal::AdditionalFeeRefundableUnclear => (
            400,
            "additional_fee_refundable_unclear",
            "additionalFeeRefundable must be true or false",
        ),
        Refusal::SplitAmountsMissing => (
            400,
            "split_amounts_missing",
            "sellerAmount and buyerAmount are required on a SPLIT resolution",
        ),
        Refusal::SplitDoesNotAddUp { pool } => return split_wire(*pool),
        Refusal::SplitAmountsWithoutSplit => (
            400,
            "split_amounts_without_split",
            "sellerAmount and buyerAmount are only valid on a SPLIT resolution",
        ),
        Refusal::VaultNotSplittable => (
            400,
            "vault_not_splittable",
            "A VAULT escrow cannot be split between the parties",
        ),
        Refusal::MilestoneNotFound => (400, "milestone_not_found", "Milestone not found"),
        Refusal::MilestoneAlreadyReleased => (400, "milestone_already_released", "Milestone has already been released"),
        Refusal::MilestonesOutOfOrder => (400, "milestones_out_of_order", "Milestones must be confirmed in order"),
        Refusal::EscrowNotPayable => (400, "escrow_not_payable", "Escrow is not in a valid state for checkout"),
        Refusal::EscrowOfAnotherMerchant => (
            400,
            "escrow_of_another_merchant",
            "You can only buy to your merchant's escrow",
        ),
        Refusal::BuyerIsSeller => (400, "buyer_is_seller", "Buyer and seller must be different customers"),
        Refusal::BuyerIsBeneficiary => (
            400,
            "buyer_is_beneficiary",
            "A milestone's beneficiary and the buyer must be different customers",
        ),
        Refusal::AmountMismatch { .. } => (400, "amount_mismatch", "Amount mismatch"),
        Refusal::InsufficientBalance { .. } => (400, "insufficient_balance", "Insufficient balance"),
        Refusal::TooFewParticipants => (
            400,
            "too_few_participants",
            "A vault escrow must have at least 2 participants",
        ),
        Refusal::ParticipantTwice => (
            400,
            "participant_twice",
            "Each participant may only appear once in a vault",
        ),
        Refusal::PotTooSmall { min, .. } => {
            let message = format!("The total staked amount must be at least {min}");
            return spoken(refusal, "pot_too_small", message);
        }
        Refusal::ParticipantUnknown(customer) => {
            let message = format!("Participant {customer} is not a customer of this merchant");
            return spoken(refusal, "participant_unknown", message);
        }
        Refusal::ParticipantBlocked(customer) => {
            let message = format!("Participant {customer} is not an active customer");
            return spoken(refusal, "participant_blocked", message);
        }
        Refusal::StakeNotCovered { participant, .. } => {
            let message = format!("Participant {participant} has insufficient main balance for their stake");
            return spoken(refusal, "stake_not_covered", message);
        }
        Refusal::VaultOfAnotherMerchant => (
            400,
            "vault_of_another_merchant",
            "Vault does not belong to this merchant",
        ),
        Refusal::NotAVault => (400, "not_a_vault", "Escrow is not a vault escrow"),
        Refusal::VaultAlreadySettled => (400, "vault_already_settled", "Vault has already been settled"),
        Refusal::WinnerNotAParticipant => (
            400,
            "winner_not_a_participant",
            "Winner must be a participant of this vault",
        ),
        Refusal::CategoryNotFound => (400, "category_not_found", "Category not found"),
        Refusal::TooManyCategories { max } => {
            let message = format!("An account can have at most {max} categories");
            return spoken(refusal, "too_many_categories", message);
        }
        Refusal::TooManyFaults { max } => {
            let message = format!("At most {max} faults can be set at once; DELETE /sandbox/faults clears them");
            return spoken(refusal, "too_many_faults", message);
        }
        Refusal::DuplicateReference => (400, "duplicate_reference", "Duplicate reference"),
        Refusal::SandboxOnly => (
            403,
            "sandbox_only",
            "This route is only available on staging environment",
        ),
        Refusal::ToppedUpToday => (401, "topped_up_today", "You can only top up your account once a day"),
        Refusal::FeatureNotEnabled => (
            403,
            "feature_not_enabled",
            "This feature is not enabled on your merchant account, please enable to access this route",
        ),
        Refusal::PaymentNotFound => (400, "payment_not_found", "Payment not found"),
        Refusal::TestAccountNotFound => (400, "test_account_not_found", "Test account not found"),
        Refusal::EventNotFound => (400, "event_not_found", "Event not found"),
        Refusal::NoWebhookUrl => (400, "no_callback_url", "No callback URL is set"),
        Refusal::TooManyEvents { max } => {
            let message = format!("More than {max} events happened since then; start later");
            return spoken(refusal, "too_many_events", message);
        }
        Refusal::CardNotFound => (400, "card_not_found", "Card not found"),
        Refusal::CardDeclined(Decline::InsufficientFunds) => {
            (400, "card_insufficient_funds", "Card declined: insufficient funds")
        }
        Refusal::CardDeclined(Decline::Expired) => (400, "card_expired", "Card declined: the card has expired"),
        Refusal::CardDeclined(Decline::ProcessorError) => {
            (400, "card_processor_error", "Card declined: the card processor failed")
        }
        Refusal::CardsForNigeriansOnly => (
            400,
            "cards_for_nigerians_only",
            "Card payments are only available for Nigerian users",
        ),
        Refusal::AccountNotResolved => (
            400,
            "account_not_resolved",
            "Account details could not be found; check the account number and the bank",
        ),
        Refusal::PhoneUnknown => (400, "phone_unknown", "Phone number does not belong to a customer"),
        Refusal::SenderIsReceiver => (
            400,
            "sender_is_receiver",
            "Sender and receiver must be different customers",
        ),
        Refusal::AddressNotWhitelisted => (
            400,
            "address_not_whitelisted",
            "Crypto can only be withdrawn to a whitelisted address",
        ),
        Refusal::AddressAlreadyWhitelisted => (
            400,
            "address_already_whitelisted",
            "Wallet address is already whitelisted",
        ),
        Refusal::WhitelistFull => (400, "whitelist_full", "Whitelist limit reached"),
        Refusal::AddressNotFound => (400, "address_not_found", "Address not found"),
        Refusal::TooManyTransactions { .. } => (
            400,
            "too_many_transactions",
            "Too many transactions at once; ask for fewer days with fromDate and toDate",
        ),
        Refusal::TooMuchMoney => (
            400,
            "too_much_money",
            "This merchant's accounts cannot hold that much money together",
        ),
        Refusal::SeededBefore => (
            400,
            "seeded_before",
            "This seed was loaded before; POST /sandbox/reset starts over",
        ),
        Refusal::SeedEntry { entry, refusal } => return seed_entry_wire(entry, wire(refusal)),
    };
    WireRefusal {
        status,
        code,
        message: message.into(),
        details: details(refusal),
    }
}

/// A refusal whose message names what it is about.
fn spoken(refusal: &Refusal, code: &'static str, message: String) -> WireRefusal {
    WireRefusal {
        status: 400,
        code,
        message: message.into(),
        details: details(refusal),
    }
}

fn details(refusal: &Refusal) -> Option<Value> {
    match refusal {
        Refusal::AmountMismatch { due, offered } => {
            Some(json!({ "due": WireAmount(*due), "offered": WireAmount(*offered) }))
        }
        Refusal::InsufficientBalance { needed, available } => {
            Some(json!({ "needed": WireAmount(*needed), "available": WireAmount(*available) }))
        }
        Refusal::PotTooSmall { min, pot } => Some(json!({ "min": WireAmount(*min), "pot": WireAmount(*pot) })),
        Refusal::StakeNotCovered { stake, available, .. } => {
            Some(json!({ "stake": WireAmount(*stake), "available": WireAmount(*available) }))
        }
        Refusal::TooManyTransactions { max } => Some(json!({ "max": max })),
        Refusal::ClaimTooEarly { claimable_at } => {
            Some(json!({ "claimableAt": claimable_at.unix_seconds().to_string() }))
        }
        _ => None,
    }
}

fn split_wire(pool: Amount) -> WireRefusal {
    let number = serde_json::to_string(&WireAmount(pool)).expect("an amount is a number");
    WireRefusal {
        status: 400,
        code: "split_does_not_add_up",
        message: format!("A split must add up to the {number} still held on this escrow").into(),
        details: Some(json!({ "pool": WireAmount(pool) })),
    }
}

/// The seed is what is wrong, whatever the status of the refusal by itself.
fn seed_entry_wire(entry: &str, of_entry: WireRefusal) -> WireRefusal {
    WireRefusal {
        status: 400,
        message: format!("{entry}: {}", of_entry.message).into(),
        ..of_entry
    }
}

fn invalid_wire(Invalid { field, problem }: &Invalid) -> WireRefusal {
    let (message, details) = match problem {
        Problem::Missing => (format!("{field} is required"), json!({ "field": field })),
        Problem::Wrong { expected, got } => (
            format!("{field} must be {expected}; got {got}"),
            json!({ "field": field, "expected": expected, "got": got }),
        ),
    };
    WireRefusal {
        status: 400,
        code: "invalid_request",
        message: message.into(),
        details: Some(details),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::CustomerId;
    use crate::domain::money::Amount;
    use crate::domain::time::Timestamp;

    fn amount(minor: i64) -> Amount {
        Amount::from_minor(minor).unwrap()
    }

    fn of_anyone() -> Vec<Refusal> {
        vec![
            Refusal::Invalid(Invalid::missing("amount")),
            Refusal::Invalid(Invalid::wrong("amount", "a number of 0 or more", "-1")),
            Refusal::CustomerNotFound,
            Refusal::MerchantMayNotSell,
            Refusal::CustomerOfAnotherMerchant,
            Refusal::CustomerBlocked,
            Refusal::BuyingDisabled,
            Refusal::SellingDisabled,
            Refusal::WithdrawingDisabled,
            Refusal::NoSuchCustomer,
            Refusal::NoCustomerWith(LookedFor::Email),
            Refusal::NoCustomerWith(LookedFor::Phone),
            Refusal::NoCustomerWith(LookedFor::EmailAndPhone),
            Refusal::EmailExists,
            Refusal::PhoneExists,
            Refusal::EmailTaken,
            Refusal::NothingToUpdate,
            Refusal::NoPermissionNamed,
            Refusal::TooManyCustomersAsked,
        ]
    }

    fn of_escrows() -> Vec<Refusal> {
        vec![
            Refusal::EscrowNotFound,
            Refusal::AccessDenied,
            Refusal::ActionNotAllowed,
            Refusal::EscrowNotOfThisMerchant,
            Refusal::AdditionalFeeNegative,
            Refusal::AdditionalFeeNotStandard,
            Refusal::AdditionalFeeNotPending,
            Refusal::ClaimTooEarly {
                claimable_at: Timestamp::from_millis(1_782_123_300_000).unwrap(),
            },
            Refusal::ListTypeMissing,
            Refusal::ListTypeUnknown,
            Refusal::NotAMilestoneEscrow,
            Refusal::AlreadyAMilestoneEscrow,
            Refusal::TooFewMilestones,
            Refusal::MilestonesDoNotAddUp,
            Refusal::EscrowNotFunded,
            Refusal::BuyerAlreadyDisputed,
            Refusal::SellerAlreadyReplied,
            Refusal::NothingLeftToDispute,
            Refusal::VaultNotDisputable,
            Refusal::DisputeNotAccessible,
            Refusal::NoDispute,
            Refusal::AlreadyResolved,
            Refusal::AdditionalFeeRefundableUnclear,
            Refusal::SplitAmountsMissing,
            Refusal::SplitDoesNotAddUp {
                pool: amount(14_850_050),
            },
            Refusal::SplitAmountsWithoutSplit,
            Refusal::VaultNotSplittable,
            Refusal::MilestoneNotFound,
            Refusal::MilestoneAlreadyReleased,
            Refusal::MilestonesOutOfOrder,
            Refusal::EscrowNotPayable,
            Refusal::EscrowOfAnotherMerchant,
            Refusal::BuyerIsSeller,
            Refusal::BuyerIsBeneficiary,
            Refusal::AmountMismatch {
                due: amount(10_200),
                offered: amount(10_000),
            },
            Refusal::InsufficientBalance {
                needed: amount(10_250),
                available: amount(5),
            },
        ]
    }

    fn of_vaults_and_categories() -> Vec<Refusal> {
        let ben = || CustomerId::parse("ben").unwrap();
        vec![
            Refusal::TooFewParticipants,
            Refusal::ParticipantTwice,
            Refusal::PotTooSmall {
                min: amount(100_000),
                pot: amount(99_999),
            },
            Refusal::ParticipantUnknown(ben()),
            Refusal::ParticipantBlocked(ben()),
            Refusal::StakeNotCovered {
                participant: ben(),
                stake: amount(50_000),
                available: amount(5),
            },
            Refusal::VaultOfAnotherMerchant,
            Refusal::NotAVault,
            Refusal::VaultAlreadySettled,
            Refusal::WinnerNotAParticipant,
            Refusal::CategoryNotFound,
            Refusal::TooManyCategories { max: 1000 },
        ]
    }

    fn of_payments() -> Vec<Refusal> {
        vec![
            Refusal::DuplicateReference,
            Refusal::SandboxOnly,
            Refusal::ToppedUpToday,
            Refusal::FeatureNotEnabled,
            Refusal::PaymentNotFound,
            Refusal::TestAccountNotFound,
            Refusal::EventNotFound,
            Refusal::NoWebhookUrl,
            Refusal::TooManyEvents { max: 10_000 },
            Refusal::TooManyFaults { max: 100 },
            Refusal::CardNotFound,
            Refusal::CardDeclined(Decline::InsufficientFunds),
            Refusal::CardDeclined(Decline::Expired),
            Refusal::CardDeclined(Decline::ProcessorError),
            Refusal::CardsForNigeriansOnly,
            Refusal::AccountNotResolved,
            Refusal::PhoneUnknown,
            Refusal::SenderIsReceiver,
            Refusal::AddressNotWhitelisted,
            Refusal::AddressAlreadyWhitelisted,
            Refusal::WhitelistFull,
            Refusal::AddressNotFound,
            Refusal::TooManyTransactions { max: 10_000 },
            Refusal::TooMuchMoney,
        ]
    }

    fn of_seeds() -> Vec<Refusal> {
        let of_entry = |refusal: Refusal| refusal.of_seed_entry("escrows[2]".to_owned());
        vec![
            Refusal::SeededBefore,
            of_entry(Refusal::CustomerBlocked),
            of_entry(Refusal::InsufficientBalance {
                needed: amount(10_250),
                available: amount(5),
            }),
            of_entry(Invalid::missing("milestones[0].title").into()),
        ]
    }

    #[test]
    fn the_table_is_what_clients_match_on() {
        let refusals = [
            of_anyone(),
            of_escrows(),
            of_vaults_and_categories(),
            of_payments(),
            of_seeds(),
        ];
        let table: Vec<String> = refusals
            .iter()
            .flatten()
            .map(wire)
            .map(|wire| {
                let details = wire.details.map_or(String::new(), |details| details.to_string());
                format!("{} {:<27} {} {details}", wire.status, wire.code, wire.message)
                    .trim_end()
                    .to_owned()
            })
            .collect();
        insta::assert_snapshot!(table.join("\n"));
    }
}
