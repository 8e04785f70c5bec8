//! The commands, deals and merchants of the reference, as plain numbers and texts.

use std::collections::BTreeMap;

use crate::categories::{Category, CategoryCommand, Owner};
use crate::disputes::{Dispute, Ruling};
use crate::intents::{self, Intent};
use crate::payouts::Payout;
use crate::receipts::Receipt;
use crate::reference::refuse_if;
use crate::treasury::OperatorCommand;
use crate::vaults::{self, Vault};

/// 2^53-1, the most minor units that a merchant's accounts may hold together.
pub(crate) const MOST: i64 = 9_007_199_254_740_991;
/// The most milestones in one escrow.
pub(crate) const MILESTONES_MAX: usize = 20;

pub(crate) type Id = (i64, i64);
/// The id of nothing.
pub(crate) const MISSING: Id = (i64::MAX, u32::MAX as i64);

/// A command with the merchant and customer who send it. A deal is an index into the
/// reference's deals. `None` is a deal that does not exist.
#[derive(Clone, Debug)]
pub(crate) struct Command {
    pub(crate) merchant: usize,
    pub(crate) customer: String,
    /// True if live mode applies, in which a request registers no customer.
    pub(crate) is_live: bool,
    pub(crate) action: Action,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    OfferMilestones(Terms),
    OfferStandard(Terms),
    Edit {
        deal: Option<usize>,
        terms: Terms,
    },
    Fund {
        deals: Vec<Named>,
        offered: Option<i64>,
        reference: Option<String>,
    },
    EditStandard {
        deal: Option<usize>,
        terms: Terms,
    },
    Convert {
        deal: Option<usize>,
        /// True if the request has no amount.
        keeps_amount: bool,
        terms: Terms,
    },
    Claim {
        deal: Option<usize>,
    },
    /// Moves the merchant's clock.
    AdvanceClock {
        seconds: i64,
    },
    Vault(vaults::Step),
    Intent(intents::Step),
    Category(CategoryCommand),
    Operator(OperatorCommand),
    ConfirmMilestone {
        deal: Option<usize>,
        milestone: Pick,
    },
    ConfirmPayment {
        deal: Option<usize>,
    },
    SetFee {
        deal: Option<usize>,
        amount: i64,
        is_refundable: Option<bool>,
    },
    Delete {
        deal: Option<usize>,
    },
    Dispute {
        deal: Option<usize>,
    },
    Resolve {
        deal: Option<usize>,
        ruling: Ruling,
    },
    Refund {
        deal: Option<usize>,
    },
    TopUp {
        amount: i64,
    },
    SeeWallet,
}

/// A deal as a buyer's payment names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) deal: Option<usize>,
    pub(crate) by_token: bool,
}

/// The milestone that a command names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pick {
    /// The milestone at this position of this deal.
    At(usize, usize),
    /// One that an edit of this deal removed.
    Gone(usize),
    Missing,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Terms {
    pub(crate) amount: i64,
    pub(crate) purpose: &'static str,
    pub(crate) who_pays: &'static str,
    pub(crate) max_delivery: Option<i64>,
    pub(crate) timeline: &'static str,
    pub(crate) quantity: Option<i64>,
    /// The category by its place.
    pub(crate) category: Option<usize>,
    pub(crate) milestones: Vec<MilestoneTerms>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MilestoneTerms {
    pub(crate) amount: i64,
    pub(crate) payee: Option<String>,
    pub(crate) is_overdue: bool,
}

#[derive(Debug, Default)]
pub(crate) struct Reference {
    pub(crate) merchants: Vec<Merchant>,
    pub(crate) deals: Vec<Deal>,
    pub(crate) vaults: Vec<Vault>,
    pub(crate) intents: Vec<Intent>,
    pub(crate) receipts: Vec<Receipt>,
    pub(crate) payouts: Vec<Payout>,
    pub(crate) categories: Vec<Category>,
    /// By owner, the categories in their order.
    pub(crate) category_orders: BTreeMap<Owner, Vec<usize>>,
    /// The intents that the last command named or settled.
    pub(crate) touched: Vec<usize>,
    /// The receipts that the last command changed.
    pub(crate) touched_receipts: Vec<usize>,
    /// The pay-outs that the last command changed.
    pub(crate) touched_payouts: Vec<usize>,
    /// The number of deposits that would have funded their deals with the terms of before.
    pub(crate) kept_for_new_terms: u64,
    /// The latest time of the clock, in milliseconds.
    pub(crate) time: i64,
    /// By deal, the id of a milestone that an edit removed.
    pub(crate) gone_milestones: BTreeMap<usize, Id>,
    /// The expected numbers of transfers, events, entries of payment histories and acts of
    /// operators.
    pub(crate) rows: Rows,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rows {
    pub(crate) transfers: i64,
    pub(crate) events: i64,
    pub(crate) entries: i64,
    pub(crate) acts: i64,
}

#[derive(Debug, Default)]
pub(crate) struct Merchant {
    pub(crate) platform_bps: i64,
    pub(crate) commission_bps: i64,
    pub(crate) opening_balance: i64,
    /// The time by which the merchant's clock is ahead.
    pub(crate) ahead_seconds: i64,
    pub(crate) customers: BTreeMap<String, Wallet>,
    pub(crate) earned: i64,
    pub(crate) platform_earned: i64,
    pub(crate) deposited: i64,
    /// True if it has a bank account, so that its customers may deposit and withdraw in live
    /// mode.
    pub(crate) has_bank: bool,
    pub(crate) references: BTreeMap<String, Use>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wallet {
    pub(crate) main: i64,
    pub(crate) hold: i64,
    /// The part of the hold that pays for fees of escrows. A stake has its fee inside.
    pub(crate) fees_in_hold: i64,
}

/// The payment that used a reference.
#[derive(Clone, Debug)]
pub(crate) struct Use {
    pub(crate) customer: String,
    pub(crate) action: Action,
    pub(crate) deals: Vec<usize>,
    /// The intent that it is, if it is one.
    pub(crate) intent: Option<usize>,
}

#[derive(Clone, Debug)]
pub(crate) struct Deal {
    pub(crate) id: Id,
    pub(crate) token: String,
    pub(crate) merchant: usize,
    pub(crate) seller: String,
    pub(crate) amount: i64,
    pub(crate) platform_fee: i64,
    pub(crate) commission: i64,
    pub(crate) buyer_fee: i64,
    /// The merchant's additional fee, and true if a refund or split returns it to the
    /// buyer.
    pub(crate) extra: i64,
    pub(crate) extra_is_refundable: bool,
    /// For a link, the number of buyers who can still pay.
    pub(crate) stock: Option<i64>,
    pub(crate) category: Option<Id>,
    /// The length of the delivery window.
    pub(crate) delivery_seconds: i64,
    /// The time of the payment or of the newest release, in milliseconds.
    pub(crate) moved_at: i64,
    pub(crate) is_deleted: bool,
    /// `None` for a standard escrow.
    pub(crate) milestones: Option<Vec<Milestone>>,
    pub(crate) buyer: Option<String>,
    pub(crate) dispute: Dispute,
    pub(crate) is_closed: bool,
    /// The status with which it closed.
    pub(crate) ending: &'static str,
    /// The rest of the buyer's payment.
    pub(crate) held: i64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Milestone {
    pub(crate) id: Id,
    pub(crate) amount: i64,
    pub(crate) payee: Option<String>,
    pub(crate) is_released: bool,
}

/// The terms of a deal that its buyer agrees to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AgreedTerms {
    amount: i64,
    fee: i64,
    buyer_fee: i64,
    extra: (i64, bool),
    delivery_seconds: i64,
    /// The amount and the beneficiary of each.
    milestones: Option<Vec<(i64, Option<String>)>>,
}

impl Terms {
    /// Checks that whole amounts can add up to the amount, and that those of the milestones do.
    pub(crate) fn check_sum(&self) -> Result<(), String> {
        refuse_if(self.amount % 100 != 0, "Invalid amount")?;
        let sum: i128 = self
            .milestones
            .iter()
            .map(|milestone| i128::from(milestone.amount))
            .sum();
        refuse_if(sum != i128::from(self.amount), "MilestonesDoNotAddUp")
    }
}

impl Deal {
    /// Returns a deal that takes a place and does not exist.
    pub(crate) fn missing() -> Self {
        Self {
            id: MISSING,
            token: "PY_MISSING".to_owned(),
            merchant: 0,
            seller: String::new(),
            amount: 0,
            platform_fee: 0,
            commission: 0,
            buyer_fee: 0,
            extra: 0,
            extra_is_refundable: true,
            stock: None,
            category: None,
            delivery_seconds: 0,
            moved_at: 0,
            is_deleted: true,
            milestones: None,
            buyer: None,
            dispute: Dispute::None,
            is_closed: false,
            ending: "",
            held: 0,
        }
    }

    pub(crate) const fn charge(&self) -> i64 {
        self.amount + self.buyer_fee + self.extra
    }

    pub(crate) fn agreed_terms(&self) -> AgreedTerms {
        let stage = |milestone: &Milestone| (milestone.amount, milestone.payee.clone());
        AgreedTerms {
            amount: self.amount,
            fee: self.platform_fee + self.commission,
            buyer_fee: self.buyer_fee,
            extra: (self.extra, self.extra_is_refundable),
            delivery_seconds: self.delivery_seconds,
            milestones: self
                .milestones
                .as_ref()
                .map(|stages| stages.iter().map(stage).collect()),
        }
    }
}

impl Merchant {
    /// Returns the platform fee, the commission and the buyer's part of both. The first two
    /// are rounded half up.
    pub(crate) fn fee(&self, amount: i64, who_pays: &str) -> (i64, i64, i64) {
        let share = |bps: i64| {
            let exact = i128::from(amount) * i128::from(bps);
            let rounds_up = exact % 10_000 >= 5_000;
            i64::try_from(exact / 10_000).unwrap() + i64::from(rounds_up)
        };
        let (platform, commission) = (share(self.platform_bps), share(self.commission_bps));
        let fee = platform + commission;
        let buyer_fee = match who_pays {
            "buyer" => fee,
            "both" => fee - fee / 2,
            _ => 0,
        };
        (platform, commission, buyer_fee)
    }
}
