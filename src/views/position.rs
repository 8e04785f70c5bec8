//! The position, as `GET /operator/position` and `escrowd position` show it.

use schemars::JsonSchema;
use serde::Serialize;

use crate::domain::time::Timestamp;
use crate::domain::treasury::position::{Figures, MerchantPosition, Position, Tally};
use crate::domain::treasury::reconciliation::SumTooLarge;
use crate::views::{AsText, MajorUnits};

/// The position of some merchants, together and each.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PositionView {
    as_of: AsText<Timestamp>,
    currency: String,
    accounts: AccountsView,
    /// The sum of the accounts. Null beyond the largest amount.
    sum: Option<MajorUnits>,
    bank_should_hold: MajorUnits,
    agrees: bool,
    waiting: WaitingView,
    /// The number of the newest transfer in the file.
    newest_transfer: i64,
    merchants: Vec<MerchantPositionView>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct MerchantPositionView {
    merchant_id: i64,
    /// Null in a sandbox.
    name: Option<String>,
    accounts: AccountsView,
    sum: Option<MajorUnits>,
    bank_should_hold: MajorUnits,
    agrees: bool,
    waiting: WaitingView,
    /// The hash of the merchant's newest transfer and of all before it.
    chain_head: String,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct AccountsView {
    wallets: MajorUnits,
    holds: MajorUnits,
    merchants: MajorUnits,
    platform_fees: MajorUnits,
    in_transit: MajorUnits,
    suspense: MajorUnits,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct WaitingView {
    /// With their fees.
    open_payouts: TallyView,
    receipts_in_suspense: TallyView,
    receipts_to_approve: TallyView,
    expected_deposits: TallyView,
}

#[derive(Debug, Serialize, JsonSchema)]
struct TallyView {
    count: u64,
    /// Null beyond the largest amount.
    amount: Option<MajorUnits>,
}

impl PositionView {
    /// # Errors
    ///
    /// Returns an error if a sum of the merchants is above the largest amount.
    pub(crate) fn new(position: &Position, currency: &str) -> Result<Self, SumTooLarge> {
        let total = position.require_total()?;
        Ok(Self {
            as_of: AsText(position.as_of),
            currency: currency.to_owned(),
            accounts: AccountsView::new(total),
            sum: total.sum().map(MajorUnits),
            bank_should_hold: MajorUnits(total.bank_should_hold),
            agrees: position.agrees(),
            waiting: WaitingView::new(total),
            newest_transfer: position.newest_transfer,
            merchants: position.merchants.iter().map(MerchantPositionView::new).collect(),
        })
    }
}

impl MerchantPositionView {
    fn new(position: &MerchantPosition) -> Self {
        let figures = &position.figures;
        Self {
            merchant_id: position.merchant.0,
            name: position.name.clone(),
            accounts: AccountsView::new(figures),
            sum: figures.sum().map(MajorUnits),
            bank_should_hold: MajorUnits(figures.bank_should_hold),
            agrees: figures.agrees(),
            waiting: WaitingView::new(figures),
            chain_head: position.chain_head.to_string(),
        }
    }
}

impl AccountsView {
    fn new(figures: &Figures) -> Self {
        Self {
            wallets: MajorUnits(figures.wallets),
            holds: MajorUnits(figures.holds),
            merchants: MajorUnits(figures.merchants),
            platform_fees: MajorUnits(figures.platform_fees),
            in_transit: MajorUnits(figures.in_transit),
            suspense: MajorUnits(figures.suspense),
        }
    }
}

impl WaitingView {
    fn new(figures: &Figures) -> Self {
        Self {
            open_payouts: TallyView::new(figures.open_payouts),
            receipts_in_suspense: TallyView::new(figures.receipts_in_suspense),
            receipts_to_approve: TallyView::new(figures.receipts_to_approve),
            expected_deposits: TallyView::new(figures.expected_deposits),
        }
    }
}

impl TallyView {
    fn new(tally: Tally) -> Self {
        Self {
            count: tally.count,
            amount: tally.amount.map(MajorUnits),
        }
    }
}
