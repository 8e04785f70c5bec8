//! Why the domain says no.
//!
//! A refusal changes nothing. Its variants name the broken rule; the wire
//! status and message of each live in one table, `http/refusals.rs`. Rules check
//! in a fixed order, which each rule's documentation gives.

use crate::domain::decline::Decline;
use crate::domain::ids::CustomerId;
use crate::domain::money::Amount;
use crate::domain::time::Timestamp;

/// A rule that the request broke.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// A field does not hold what it must.
    Invalid(Invalid),
    /// The acting customer does not exist.
    CustomerNotFound,
    /// The merchant is no business account and cannot sell in its own name.
    MerchantMayNotSell,
    /// The acting customer is another merchant's.
    CustomerOfAnotherMerchant,
    /// The acting customer is blocked.
    CustomerBlocked,
    /// The acting customer may not pay for escrows.
    BuyingDisabled,
    /// The acting customer may not sell.
    SellingDisabled,
    /// The acting customer may not withdraw.
    WithdrawingDisabled,
    /// The merchant has no customer of the id it asked for.
    NoSuchCustomer,
    /// The merchant has no customer with what it looked for.
    NoCustomerWith(LookedFor),
    /// A new customer's email address is another customer's already.
    EmailExists,
    /// A new customer's phone is another customer's already.
    PhoneExists,
    /// The email address a customer is to get is another customer's.
    EmailTaken,
    /// An update of a customer names nothing to change.
    NothingToUpdate,
    /// An update of permissions names none of them.
    NoPermissionNamed,
    /// A page of customers is larger than it may be.
    TooManyCustomersAsked,
    /// No escrow of this merchant has that token or id.
    EscrowNotFound,
    /// The acting customer may not do this to this escrow.
    AccessDenied,
    /// The escrow's state does not allow this.
    ActionNotAllowed,
    /// The escrow is of another merchant, and this is for its own.
    EscrowNotOfThisMerchant,
    /// An additional fee is never negative.
    AdditionalFeeNegative,
    /// Only a standard escrow has an additional fee.
    AdditionalFeeNotStandard,
    /// The additional fee is frozen once the escrow is paid for.
    AdditionalFeeNotPending,
    /// The buyer still has time to confirm.
    ClaimTooEarly {
        /// From when on the seller may claim.
        claimable_at: Timestamp,
    },
    /// The list does not say which side of the deals it is of.
    ListTypeMissing,
    /// There is no such side of a deal.
    ListTypeUnknown,
    /// The escrow has no milestones.
    NotAMilestoneEscrow,
    /// The escrow has milestones already.
    AlreadyAMilestoneEscrow,
    /// A milestone escrow needs two milestones or more.
    TooFewMilestones,
    /// The milestone amounts do not add up to the escrow amount.
    MilestonesDoNotAddUp,
    /// Nobody has paid yet.
    EscrowNotFunded,
    /// The buyer has had their say in this dispute.
    BuyerAlreadyDisputed,
    /// The seller has had their say in this dispute.
    SellerAlreadyReplied,
    /// Every milestone was released: nothing is held that could be disputed.
    NothingLeftToDispute,
    /// The participants of a vault settle it among themselves.
    VaultNotDisputable,
    /// The caller has no part in a dispute over this escrow, or there is none.
    DisputeNotAccessible,
    /// There is no dispute to rule on.
    NoDispute,
    /// The escrow has closed; nothing is held that could be ruled on.
    AlreadyResolved,
    /// What is said of the additional fee is neither true nor false.
    AdditionalFeeRefundableUnclear,
    /// A split must say what each side gets.
    SplitAmountsMissing,
    /// The parts of a split are not all that is held.
    SplitDoesNotAddUp {
        /// What there is to divide.
        pool: Amount,
    },
    /// Only a split says what each side gets.
    SplitAmountsWithoutSplit,
    /// A vault has no two sides to split it between.
    VaultNotSplittable,
    /// The escrow has no such milestone.
    MilestoneNotFound,
    /// The milestone's money has left already.
    MilestoneAlreadyReleased,
    /// A milestone before this one was not released yet.
    MilestonesOutOfOrder,
    /// The escrow was paid for already.
    EscrowNotPayable,
    /// The escrow belongs to another merchant.
    EscrowOfAnotherMerchant,
    /// A seller cannot pay for their own escrow.
    BuyerIsSeller,
    /// A buyer cannot be paid by their own escrow.
    BuyerIsBeneficiary,
    /// The amount offered is not what is due.
    AmountMismatch {
        /// What the payment costs.
        due: Amount,
        /// What was offered.
        offered: Amount,
    },
    /// The wallet does not hold enough.
    InsufficientBalance {
        /// What the payment costs.
        needed: Amount,
        /// What the wallet holds.
        available: Amount,
    },
    /// A vault needs two participants or more.
    TooFewParticipants,
    /// A participant was named twice.
    ParticipantTwice,
    /// The stakes are less than a pot must be.
    PotTooSmall {
        /// What it must be.
        min: Amount,
        /// What the stakes add up to.
        pot: Amount,
    },
    /// A participant is no customer of this merchant.
    ParticipantUnknown(CustomerId),
    /// A participant is blocked.
    ParticipantBlocked(CustomerId),
    /// A participant's wallet does not hold the stake.
    StakeNotCovered {
        /// Whose.
        participant: CustomerId,
        /// What was to be staked.
        stake: Amount,
        /// What the wallet holds.
        available: Amount,
    },
    /// The vault belongs to another merchant.
    VaultOfAnotherMerchant,
    /// The escrow is no vault.
    NotAVault,
    /// The vault's stakes have left already.
    VaultAlreadySettled,
    /// Who should win has no stake in the vault.
    WinnerNotAParticipant,
    /// The acting account has no such category.
    CategoryNotFound,
    /// The acting account has as many categories as it may have.
    TooManyCategories {
        /// How many.
        max: u32,
    },
    /// The key has as many faults set as it may have (sandbox).
    TooManyFaults {
        /// How many.
        max: usize,
    },
    /// The reference was used for something else before.
    DuplicateReference,
    /// Play money exists in sandbox mode only.
    SandboxOnly,
    /// Play money was added less than 24 hours ago.
    ToppedUpToday,
    /// The merchant may not use this, or, in live mode, there is nothing to do it
    /// with.
    FeatureNotEnabled,
    /// The acting customer has made no payment of that reference.
    PaymentNotFound,
    /// No deposit of this merchant waits at that test account.
    TestAccountNotFound,
    /// Subscribers were never told anything under this id, or it is forgotten.
    EventNotFound,
    /// The merchant has nowhere to send events to.
    NoWebhookUrl,
    /// More events would be sent again than may be at once.
    TooManyEvents {
        /// How many may be.
        max: u32,
    },
    /// The acting customer has no such card.
    CardNotFound,
    /// The card was charged in vain.
    CardDeclined(Decline),
    /// Cards are for customers of one country.
    CardsForNigeriansOnly,
    /// No bank knows that account.
    AccountNotResolved,
    /// No customer of this merchant has that phone number.
    PhoneUnknown,
    /// A customer cannot send money to themselves.
    SenderIsReceiver,
    /// Crypto goes to whitelisted addresses only.
    AddressNotWhitelisted,
    /// The acting customer has that address on their whitelist.
    AddressAlreadyWhitelisted,
    /// The acting customer's whitelist is as long as it may be.
    WhitelistFull,
    /// The acting customer has no such address on their whitelist.
    AddressNotFound,
    /// More transactions are wanted than fit into one answer without pages.
    TooManyTransactions {
        /// How many fit.
        max: usize,
    },
    /// The merchant's accounts would hold more than [`Amount::MAX`].
    TooMuchMoney,
    /// The merchant has this seed already.
    SeededBefore,
    /// What a seed says of this entry is refused.
    SeedEntry {
        /// The entry's path, such as `escrows[2]`.
        entry: String,
        /// By this rule.
        refusal: Box<Self>,
    },
}

/// By what a merchant looked for a customer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LookedFor {
    /// An email address.
    Email,
    /// A phone.
    Phone,
    /// Both, of one customer.
    EmailAndPhone,
}

/// One field that does not hold what it must: which, what came, and what would
/// be right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid {
    /// The field's path as the caller wrote it, such as `milestones[1].amount`.
    pub field: String,
    /// What is wrong with it.
    pub problem: Problem,
}

/// Something a caller sent: read as the type it must have, or the reason why it
/// cannot be. The reason is carried along until its turn comes: what is wrong with
/// the caller is told before what is wrong with the body, and of several wrong
/// fields the first in the contract's order is the one told of.
pub type Parsed<T> = Result<T, Invalid>;

/// What is wrong with a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// It is absent, null or blank.
    Missing,
    /// It holds something else than it must.
    Wrong {
        /// What would be right, to follow "must be".
        expected: String,
        /// What came, shortened.
        got: String,
    },
}

/// Characters of a caller's text that are echoed.
const ECHO_CHARS_MAX: usize = 80;

impl Invalid {
    /// The field is required and did not come.
    pub fn missing(field: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            problem: Problem::Missing,
        }
    }

    /// The field came, and must be something else.
    pub fn wrong(field: impl Into<String>, expected: impl Into<String>, got: &str) -> Self {
        Self {
            field: field.into(),
            problem: Problem::Wrong {
                expected: expected.into(),
                got: shortened(got),
            },
        }
    }
}

/// A caller's text, cut to a length that is fit to be echoed.
pub fn shortened(text: &str) -> String {
    let mut echo: String = text.chars().take(ECHO_CHARS_MAX).collect();
    if echo.len() < text.len() {
        echo.push('…');
    }
    echo
}

impl Refusal {
    /// This refusal as one of a seed's entry, at this path.
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
