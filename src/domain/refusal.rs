//! The rules that a request can break. This file states each refusal once, with its code and
//! its message.
//!
//! Clients match on code and message, so both are part of the contract. The order of the
//! checks is part of it too, and the documentation of each rule gives its order. A refused
//! request changes nothing.

use strum::{EnumDiscriminants, IntoStaticStr, VariantArray, VariantNames};
use thiserror::Error;

use crate::domain::customers::owner_problem::OwnerProblem;
use crate::domain::decline::Decline;
use crate::domain::ids::{CustomerId, Reference};
use crate::domain::invalid::Invalid;
use crate::domain::money::Amount;
use crate::domain::time::Timestamp;

/// A rule that the request broke. Its message is its `Display`, its code the name of the variant.
#[derive(Clone, Debug, PartialEq, Eq, Error, EnumDiscriminants)]
#[cfg_attr(test, derive(strum::EnumIter))]
#[strum_discriminants(
    name(RefusalKind),
    derive(IntoStaticStr, VariantArray),
    strum(serialize_all = "snake_case"),
    doc = "A rule without the facts of the request that broke it. It has the code."
)]
pub enum Refusal {
    /// A field is missing or has a wrong value.
    #[strum_discriminants(strum(serialize = "invalid_request"))]
    #[error("{0}")]
    Invalid(Invalid),

    /// The acting customer does not exist.
    #[error("Customer not found")]
    CustomerNotFound,
    /// The `customer-id` header is not the id of any customer, because it has another shape.
    #[strum_discriminants(strum(serialize = "customer_not_found"))]
    #[error("Customer not found")]
    CustomerIdMalformed(Invalid),
    /// The merchant has no business account.
    #[error("Merchant cannot create escrow for itself via API")]
    MerchantMayNotSell,
    /// The acting customer is another merchant's.
    #[error("Customer does not belong to the merchant")]
    CustomerOfAnotherMerchant,
    #[error("Your account is disabled. Please contact support")]
    CustomerBlocked,
    #[error("Your account has been disabled from buying, please contact support")]
    BuyingDisabled,
    #[error("Your account has been disabled from selling, please contact support")]
    SellingDisabled,
    #[error("Your account has been disabled from withdrawing, please contact support")]
    WithdrawingDisabled,
    /// The merchant has no customer with the id in the path.
    #[error("Customer not found")]
    NoSuchCustomer,
    /// The id in the path has another shape than the id of a customer.
    #[strum_discriminants(strum(serialize = "no_such_customer"))]
    #[error("Customer not found")]
    NoSuchCustomerId(Invalid),
    /// The merchant has no customer with the email address or phone in the query.
    #[strum_discriminants(strum(serialize = "no_such_customer"))]
    #[error("No customer found with the provided {fields}")]
    NoCustomerWith {
        /// The fields of the query.
        fields: &'static str,
    },
    /// The email address of a new customer is taken.
    #[error("A customer with this email already exists under this merchant")]
    EmailExists,
    /// The phone of a new customer is taken.
    #[error("A customer with this phone already exists under this merchant")]
    PhoneExists,
    /// The new email address of an existing customer is taken.
    #[error("Another customer already uses this email address")]
    EmailTaken,
    #[error("Provide at least one of firstname, lastname or email")]
    NothingToUpdate,
    #[error("Provide at least one of canWithdraw, canBuy or canSell")]
    NoPermissionNamed,
    #[error("Maximum fetch limit is 50")]
    TooManyCustomersAsked,

    /// No escrow of this merchant has the token or id.
    #[error("Escrow not found")]
    EscrowNotFound,
    /// The acting customer has no part in the escrow, or not the one that may do this.
    #[error("Access denied")]
    AccessDenied,
    /// The escrow's status does not allow this.
    #[error("Action not allowed")]
    ActionNotAllowed,
    /// As [`Refusal::ActionNotAllowed`], with the facts of the escrow.
    #[strum_discriminants(strum(serialize = "action_not_allowed"))]
    #[error("Action not allowed")]
    ActionNotAllowedNow {
        /// The escrow's status.
        status: &'static str,
        /// The actions that its state allows.
        actions: Vec<&'static str>,
    },
    #[error("Escrow does not belong to this merchant")]
    EscrowNotOfThisMerchant,
    #[error("additionalFee cannot be negative")]
    AdditionalFeeNegative,
    #[error("An additional fee can only be set on a standard escrow")]
    AdditionalFeeNotStandard,
    #[error("An additional fee can only be updated while the escrow is pending payment")]
    AdditionalFeeNotPending,
    /// The buyer's time to confirm has not passed.
    #[error("Escrow cannot be claimed yet")]
    ClaimTooEarly {
        /// The first moment at which the seller may claim.
        claimable_at: Timestamp,
    },
    #[error("Type is required")]
    ListTypeMissing,
    #[error("Invalid type provider, allowed types: sales | buy")]
    ListTypeUnknown,
    #[error("Escrow is not a milestone escrow")]
    NotAMilestoneEscrow,
    #[error("Escrow is already a milestone escrow")]
    AlreadyAMilestoneEscrow,
    #[error("A milestone escrow must have at least 2 milestones")]
    TooFewMilestones,
    #[error("The sum of milestone amounts must equal the escrow amount")]
    MilestonesDoNotAddUp {
        /// The escrow amount.
        amount: Amount,
        /// The sum of the milestones. `None` above [`Amount::MAX`].
        sum: Option<Amount>,
    },

    #[error("Escrow has not been funded yet")]
    EscrowNotFunded,
    #[error("Buyer already submitted Dispute")]
    BuyerAlreadyDisputed,
    #[error("Seller already submitted Dispute")]
    SellerAlreadyReplied,
    #[error("All milestones have been released; there are no held funds to dispute")]
    NothingLeftToDispute,
    #[error("Vault escrows cannot be disputed")]
    VaultNotDisputable,
    /// The escrow has no dispute, or the caller no part in it.
    #[error("Access denied")]
    DisputeNotAccessible,
    /// The merchant can only rule on a dispute, or on a funded escrow that is overdue.
    #[error("No dispute found for this escrow")]
    NoDispute,
    /// As [`Refusal::NoDispute`], for an escrow on which the merchant may rule later.
    #[strum_discriminants(strum(serialize = "no_dispute"))]
    #[error("No dispute found for this escrow")]
    NoDisputeYet {
        /// The first moment at which the merchant may rule without a dispute.
        rulable_at: Timestamp,
    },
    /// The escrow has closed, so it holds nothing to rule on.
    #[error("Escrow already completed")]
    AlreadyResolved,
    #[error("additionalFeeRefundable must be true or false")]
    AdditionalFeeRefundableUnclear,
    #[error("sellerAmount and buyerAmount are required on a SPLIT resolution")]
    SplitAmountsMissing,
    #[error("A split must add up to the {pool} still held on this escrow")]
    SplitDoesNotAddUp {
        /// The amount to divide.
        pool: Amount,
        /// The sum of the two parts. `None` above [`Amount::MAX`].
        sum: Option<Amount>,
    },
    #[error("sellerAmount and buyerAmount are only valid on a SPLIT resolution")]
    SplitAmountsWithoutSplit,
    #[error("A VAULT escrow cannot be split between the parties")]
    VaultNotSplittable,

    #[error("Milestone not found")]
    MilestoneNotFound,
    #[error("Milestone has already been released")]
    MilestoneAlreadyReleased,
    /// An earlier milestone has not been released.
    #[error("Milestones must be confirmed in order")]
    MilestonesOutOfOrder,

    /// The escrow has been paid for.
    #[error("Escrow is not in a valid state for checkout")]
    EscrowNotPayable,
    #[error("You can only buy to your merchant's escrow")]
    EscrowOfAnotherMerchant,
    #[error("Buyer and seller must be different customers")]
    BuyerIsSeller,
    #[error("A milestone's beneficiary and the buyer must be different customers")]
    BuyerIsBeneficiary,
    #[error("The terms were changed after the deposit was announced")]
    TermsChanged,
    #[error("Amount mismatch")]
    AmountMismatch {
        /// The price of the escrows with their fees.
        due: Amount,
        /// The amount in the request.
        offered: Amount,
    },
    #[error("Insufficient balance")]
    InsufficientBalance {
        /// The price with fees.
        needed: Amount,
        /// The wallet's balance.
        available: Amount,
    },

    #[error("A vault escrow must have at least 2 participants")]
    TooFewParticipants,
    #[error("Each participant may only appear once in a vault")]
    ParticipantTwice,
    #[error("The total staked amount must be at least {min}")]
    PotTooSmall {
        /// The smallest sum of the stakes.
        min: Amount,
        /// The sum of the stakes.
        pot: Amount,
    },
    #[error("Participant {0} is not a customer of this merchant")]
    ParticipantUnknown(CustomerId),
    /// The participant is blocked.
    #[error("Participant {0} is not an active customer")]
    ParticipantBlocked(CustomerId),
    #[error("Participant {participant} has insufficient main balance for their stake")]
    StakeNotCovered {
        /// The first participant whose balance is too small.
        participant: CustomerId,
        /// The participant's stake.
        stake: Amount,
        /// The participant's main balance.
        available: Amount,
    },
    #[error("Vault does not belong to this merchant")]
    VaultOfAnotherMerchant,
    #[error("Escrow is not a vault escrow")]
    NotAVault,
    #[error("Vault has already been settled")]
    VaultAlreadySettled,
    #[error("Winner must be a participant of this vault")]
    WinnerNotAParticipant,

    /// The acting party has no such category.
    #[error("Category not found")]
    CategoryNotFound,
    #[error("An account can have at most {max} categories")]
    TooManyCategories {
        /// The limit of the configuration.
        max: u32,
    },

    /// The reference belongs to another payment.
    #[error("Duplicate reference")]
    DuplicateReference,
    #[error("This route is only available on staging environment")]
    SandboxOnly,
    /// The last top-up was less than 24 hours ago.
    #[error("You can only top up your account once a day")]
    ToppedUpToday,
    /// The merchant may not use this feature, or the server is in live mode and has
    /// nothing behind it.
    #[error("This feature is not enabled on your merchant account, please enable to access this route")]
    FeatureNotEnabled,
    /// The acting customer has no payment with the reference.
    #[error("Payment not found")]
    PaymentNotFound,
    /// No pending deposit of this merchant has the test account.
    #[error("Test account not found")]
    TestAccountNotFound,

    /// The operator's role does not have the right that the route takes.
    #[error("An operator with the role {role} cannot do this")]
    RoleNotAllowed {
        role: &'static str,
        /// The roles that can.
        allowed: Vec<&'static str>,
    },
    #[error("An amount above {alone_max} needs a second operator; you recorded or requested this one")]
    SamePerson {
        /// The largest amount that one person may move alone.
        alone_max: Amount,
    },
    #[error("The {object} is {status} and cannot be {done}")]
    NotInStatus {
        object: &'static str,
        status: &'static str,
        /// The statuses that allow it.
        allowed: Vec<&'static str>,
        done: &'static str,
    },
    /// The owner of a withdrawal was blocked, or may not withdraw any more.
    #[error("The customer {}; reject the pay-out, or change that first", .problem.words())]
    OwnerMayNotWithdraw { problem: OwnerProblem },
    /// Another receipt or pay-out has this reference of the bank.
    #[error("This bank reference is already recorded")]
    BankReferenceUsed {
        /// The id of the other. `None` if it is of a merchant that the operator may not act for.
        id: Option<String>,
    },
    #[error("No request is waiting for a second operator")]
    NothingAsked,
    /// The account does not hold the money any more.
    #[error("The money is already spent")]
    AlreadySpent { needed: Amount, available: Amount },
    #[error(
        "Only live mode has operators, merchants and keys to manage; in a sandbox every key is a merchant, and its \
         owner does all that operators do"
    )]
    LiveOnly,
    #[error("Operator not found")]
    OperatorNotFound,
    #[error("An operator with this name exists")]
    OperatorNameTaken,
    #[error("This operator's key is already revoked")]
    OperatorAlreadyRevoked,
    #[error("The last admin cannot be revoked")]
    LastAdmin,
    /// The deployment has no such merchant, or the operator may not act for it.
    #[error("Merchant not found")]
    MerchantNotFound,
    #[error("A merchant with this name exists")]
    MerchantNameTaken,
    /// The operator is limited to some merchants, and the act concerns others.
    #[error("An operator who is limited to some merchants cannot create others")]
    OperatorLimited,
    #[error("Key not found")]
    KeyNotFound,
    #[error("This key has expired or is revoked already")]
    KeyEnded,
    /// The deployment has several merchants, and the request names none.
    #[error("merchant-id header is required")]
    MerchantIdRequired,
    #[error("Receipt not found")]
    ReceiptNotFound,
    #[error("Pay-out not found")]
    PayoutNotFound,
    #[error("Deposit not found")]
    DepositNotFound,
    /// The reference is the one that the merchant chose for the payment.
    #[error("Other merchants may use this reference too; send the depositReference that the payer was asked to quote")]
    ReferenceNotQuoted { quoted: Reference },
    #[error("Money for this deposit was recorded and waits for a second operator; decide on its receipt first")]
    DepositHasReceipt,

    /// The merchant has no event with the id, or retention has removed it.
    #[error("Event not found")]
    EventNotFound,
    #[strum_discriminants(strum(serialize = "no_callback_url"))]
    #[error("No webhook URL is set")]
    NoWebhookUrl,
    /// The merchant's webhook endpoint has answered 410 Gone.
    #[strum_discriminants(strum(serialize = "callback_gone"))]
    #[error(
        "The webhook endpoint answered 410 Gone and gets no events; PUT /operator/callback, or in a sandbox PUT /sandbox/callback, sets it again"
    )]
    WebhookEndpointGone,
    /// The key already has the most faults that a key may have (sandbox).
    #[error("At most {max} faults can be set at once; DELETE /sandbox/faults clears them")]
    TooManyFaults { max: usize },
    /// The key already has the most streams of events that a key may have (sandbox).
    #[error(
        "At most {max} streams of events can be open at once; close one, or raise sandbox.event_streams_per_key_max"
    )]
    TooManyStreams { max: usize },

    /// The acting customer has no such card.
    #[error("Card not found")]
    CardNotFound,
    #[error("Card declined: {0}")]
    CardDeclined(Decline),
    #[error("Card payments are only available for Nigerian users")]
    CardsForNigeriansOnly,
    #[error("Account details could not be found; check the account number and the bank")]
    AccountNotResolved,
    /// No customer of this merchant has the phone.
    #[error("Phone number does not belong to a customer")]
    PhoneUnknown,
    #[error("Sender and receiver must be different customers")]
    SenderIsReceiver,
    #[error("Crypto can only be withdrawn to a whitelisted address")]
    AddressNotWhitelisted,
    #[error("Wallet address is already whitelisted")]
    AddressAlreadyWhitelisted,
    #[error("Whitelist limit reached")]
    WhitelistFull,
    /// The acting customer's whitelist does not have the address.
    #[error("Address not found")]
    AddressNotFound,
    /// The history is too long for a reply without pages.
    #[error("Too many transactions at once; ask for fewer days with fromDate and toDate")]
    TooManyTransactions {
        /// The most transactions of one reply.
        max: usize,
    },
    /// The sum of the merchant's accounts would exceed [`Amount::MAX`].
    #[error("This merchant's accounts cannot hold that much money together")]
    TooMuchMoney,

    #[error("This seed was loaded before; POST /sandbox/reset starts over")]
    SeededBefore,
    /// An entry of a seed broke a rule. The code and the facts are that rule's.
    #[error("{entry}: {refusal}")]
    SeedEntry {
        /// The entry's path, such as `escrows[2]`.
        entry: String,
        refusal: Box<Self>,
    },
}

impl RefusalKind {
    /// Returns the codes that refusals of this kind have. A declined card has one for each
    /// reason, and an entry of a seed has the code of the rule that it broke.
    pub fn codes(self) -> Vec<&'static str> {
        match self {
            Self::CardDeclined => Decline::VARIANTS.to_vec(),
            Self::SeedEntry => Vec::new(),
            kind => vec![kind.into()],
        }
    }
}

impl Refusal {
    /// Returns the stable word for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::SeedEntry { refusal, .. } => refusal.code(),
            Self::CardDeclined(decline) => decline.into(),
            refusal => RefusalKind::from(refusal).into(),
        }
    }

    /// Returns this refusal as one of the seed's entry at this path.
    #[must_use]
    pub fn of_seed_entry(self, entry: String) -> Self {
        match self {
            Self::Invalid(invalid) => Self::Invalid(Invalid {
                field: format!("{entry}.{}", invalid.field),
                ..invalid
            }),
            other => Self::SeedEntry {
                entry,
                refusal: Box::new(other),
            },
        }
    }
}

impl From<Invalid> for Refusal {
    fn from(invalid: Invalid) -> Self {
        Self::Invalid(invalid)
    }
}
