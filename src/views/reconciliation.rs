//! The comparison of a bank's statement, as `POST /operator/position/reconcile` shows it.

use schemars::JsonSchema;
use serde::Serialize;

use crate::domain::time::{Date, Timestamp};
use crate::domain::treasury::account_statement::Period;
use crate::domain::treasury::bank_statement::StatementLine;
use crate::domain::treasury::movement::{Movement, MovementKind};
use crate::domain::treasury::reconciliation::{BalanceEquation, Matched, Reconciliation, Sums};
use crate::views::{AsText, SignedMajorUnits};

/// The lines that a statement and the service have in common, and those that only one has.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ReconciliationView {
    as_of: AsText<Timestamp>,
    currency: String,
    /// The days that were compared. Null without a statement.
    from: Option<AsText<Date>>,
    to: Option<AsText<Date>>,
    /// True if nothing is missing on either side and no difference is left. False if a line has a movement
    /// of other days and no balance was sent: it is then unknown whether the bank has booked it twice.
    agrees: bool,
    balance: BalanceView,
    sums: SumsView,
    near_misses: Vec<PairView>,
    missing_here: Vec<LineView>,
    missing_there: Vec<MovementView>,
    /// The money that a payment provider received on these days. No line matches it, since the bank
    /// shows the provider's settlements.
    at_provider: Vec<MovementView>,
    duplicates: Vec<DuplicateView>,
    /// Matched pairs whose movement has a value date outside the compared days: booked on another day
    /// than it was recorded for, or a second time.
    outside_matches: Vec<PairView>,
    matched: Vec<PairView>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "BankBalance")]
struct BalanceView {
    opening: Option<SignedMajorUnits>,
    lines: SignedMajorUnits,
    closing: Option<SignedMajorUnits>,
    statement_gap: Option<SignedMajorUnits>,
    bank_should_hold: SignedMajorUnits,
    difference: Option<SignedMajorUnits>,
    explained: SignedMajorUnits,
    unexplained: Option<SignedMajorUnits>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct SumsView {
    lines: SignedMajorUnits,
    movements: SignedMajorUnits,
    matched: SignedMajorUnits,
    outside_matches: SignedMajorUnits,
    near_miss_lines: SignedMajorUnits,
    near_miss_movements: SignedMajorUnits,
    missing_here: SignedMajorUnits,
    missing_there: SignedMajorUnits,
    at_provider: SignedMajorUnits,
    duplicates: SignedMajorUnits,
}

/// A line of the statement.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "StatementLine")]
struct LineView {
    line: u64,
    value_date: AsText<Date>,
    amount: SignedMajorUnits,
    reference: String,
}

#[derive(Debug, Serialize, JsonSchema)]
struct DuplicateView {
    line: LineView,
    /// The number of the line that it repeats.
    repeats: u64,
}

/// A receipt or a pay-out.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct MovementView {
    #[schemars(extend("enum" = ["receipt", "payout"]))]
    kind: &'static str,
    #[schemars(extend("pattern" = "^[0-9a-f]{24}$"))]
    id: String,
    value_date: AsText<Date>,
    amount: SignedMajorUnits,
    bank_reference: String,
}

/// A line and a movement of one reference.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct PairView {
    line: LineView,
    movement: MovementView,
    /// The line's amount less the movement's.
    difference: SignedMajorUnits,
    days_apart: i64,
}

impl ReconciliationView {
    pub(crate) fn new(found: &Reconciliation, period: Period, currency: &str, as_of: Timestamp) -> Self {
        Self {
            as_of: AsText(as_of),
            currency: currency.to_owned(),
            from: period.from.map(AsText),
            to: period.to.map(AsText),
            agrees: found.agrees(),
            balance: BalanceView::new(&found.balance),
            sums: SumsView::new(&found.sums),
            near_misses: found
                .near_misses
                .iter()
                .map(|pair| PairView {
                    line: LineView::new(&pair.line),
                    movement: MovementView::new(&pair.movement),
                    difference: SignedMajorUnits(pair.difference),
                    days_apart: pair.days_apart,
                })
                .collect(),
            missing_here: found.missing_here.iter().map(LineView::new).collect(),
            missing_there: found.missing_there.iter().map(MovementView::new).collect(),
            at_provider: found.at_provider.iter().map(MovementView::new).collect(),
            duplicates: found
                .duplicates
                .iter()
                .map(|duplicate| DuplicateView {
                    line: LineView::new(&duplicate.line),
                    repeats: duplicate.repeats,
                })
                .collect(),
            outside_matches: found.outside_matches.iter().map(PairView::matched).collect(),
            matched: found.matched.iter().map(PairView::matched).collect(),
        }
    }
}

impl PairView {
    fn matched(pair: &Matched) -> Self {
        Self {
            line: LineView::new(&pair.line),
            movement: MovementView::new(&pair.movement),
            difference: SignedMajorUnits::default(),
            days_apart: pair.days_apart,
        }
    }
}

impl BalanceView {
    fn new(balance: &BalanceEquation) -> Self {
        Self {
            opening: balance.opening.map(SignedMajorUnits),
            lines: SignedMajorUnits(balance.lines),
            closing: balance.closing.map(SignedMajorUnits),
            statement_gap: balance.statement_gap.map(SignedMajorUnits),
            bank_should_hold: SignedMajorUnits(balance.booked),
            difference: balance.difference.map(SignedMajorUnits),
            explained: SignedMajorUnits(balance.explained),
            unexplained: balance.unexplained.map(SignedMajorUnits),
        }
    }
}

impl SumsView {
    fn new(sums: &Sums) -> Self {
        Self {
            lines: SignedMajorUnits(sums.lines),
            movements: SignedMajorUnits(sums.movements),
            matched: SignedMajorUnits(sums.matched),
            outside_matches: SignedMajorUnits(sums.outside_matches),
            near_miss_lines: SignedMajorUnits(sums.near_miss_lines),
            near_miss_movements: SignedMajorUnits(sums.near_miss_movements),
            missing_here: SignedMajorUnits(sums.missing_here),
            missing_there: SignedMajorUnits(sums.missing_there),
            at_provider: SignedMajorUnits(sums.at_provider),
            duplicates: SignedMajorUnits(sums.duplicates),
        }
    }
}

impl LineView {
    fn new(line: &StatementLine) -> Self {
        Self {
            line: line.line,
            value_date: AsText(line.value_date),
            amount: SignedMajorUnits(line.amount),
            reference: line.reference.clone(),
        }
    }
}

impl MovementView {
    fn new(movement: &Movement) -> Self {
        Self {
            kind: match movement.kind {
                MovementKind::Receipt | MovementKind::AtProvider => "receipt",
                MovementKind::Payout => "payout",
            },
            id: movement.id.clone(),
            value_date: AsText(movement.value_date),
            amount: SignedMajorUnits(movement.amount),
            bank_reference: movement.reference.clone(),
        }
    }
}
