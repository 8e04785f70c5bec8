//! Routes of the position, and of its comparison with a bank's statement. They change nothing
//! and record nothing.

use actix_web::web::Data;

use crate::csv::statement::{AmountColumns, StatementColumns, read_statement};
use crate::domain::ids::{MerchantId, OperatorId};
use crate::domain::invalid::{Invalid, Parsed};
use crate::domain::time::Timestamp;
use crate::domain::treasury::account_statement::Period;
use crate::domain::treasury::bank_period::{NeededMovements, compared_days, reconcile_period};
use crate::domain::treasury::bank_statement::StatementLine;
use crate::domain::treasury::position::Position;
use crate::domain::treasury::reconciliation::SumTooLarge;
use crate::domain::treasury::signed_amount::SignedAmount;
use crate::http::auth::Caller;
use crate::http::csv_body::CsvBody;
use crate::http::envelope::Reply;
use crate::http::error::{ApiError, ApiErrorKind};
use crate::http::fields::{Field, Fields};
use crate::http::query::Query;
use crate::http::refusals::{Refusals, Work};
use crate::http::request_spec::{FieldSpec, Kind, RequestSpec};
use crate::http::routes::operator::fields::signed_amount;
use crate::http::routes::operator::statements;
use crate::http::state::AppState;
use crate::http::whole_body::WholeBody;
use crate::store::{self, FoundMovements, Snapshot};
use crate::views::{PositionView, ReconciliationView};

/// The request of [`reconcile`].
pub(super) const RECONCILIATION: RequestSpec = RequestSpec::of_csv(&[
    &[
        FieldSpec::optional("date", Kind::Text).about("The name of the column of days"),
        FieldSpec::optional("amount", Kind::Text).about("The name of the column of amounts"),
        FieldSpec::optional("credit", Kind::Text).about("The name of the column of money in, beside debit"),
        FieldSpec::optional("debit", Kind::Text).about("The name of the column of money out, beside credit"),
        FieldSpec::optional("reference", Kind::Text).about("The name of the column of references"),
        FieldSpec::optional("opening", Kind::SignedAmount).about("The bank's balance before the first line"),
        FieldSpec::optional("closing", Kind::SignedAmount).about("The bank's balance after the last line"),
    ],
    &statements::PERIOD,
]);

/// The merchants whose money a request is about.
#[derive(Clone, Copy, Debug)]
enum Scope {
    /// The one that the header names, or a sandbox key's own.
    One(MerchantId),
    /// All that the operator may act for.
    All(OperatorId),
}

impl Scope {
    async fn of(state: &AppState, caller: &Caller) -> Result<Self, ApiError> {
        match (caller.merchant(), caller.agent().operator) {
            (None, Some(operator)) => Ok(Self::All(operator)),
            _ => Ok(Self::One(state.merchant_of(caller).await?)),
        }
    }

    /// Returns the merchant whose long read this is, or one that does not exist.
    const fn reader(self) -> MerchantId {
        match self {
            Self::One(merchant) => merchant,
            Self::All(_) => MerchantId::NONE,
        }
    }

    fn merchants(self, snapshot: &Snapshot<'_>) -> Result<Vec<MerchantId>, store::Error> {
        let operator = match self {
            Self::One(merchant) => return Ok(vec![merchant]),
            Self::All(operator) => snapshot.operator(operator)?,
        };
        match operator {
            Some(operator) if !operator.merchants.is_empty() => Ok(operator.merchants),
            _ => snapshot.every_merchant(),
        }
    }

    /// Returns the position at this ledger time.
    fn position(self, snapshot: &Snapshot<'_>, ledger_time: Timestamp) -> Result<Position, store::Error> {
        let as_of = match self {
            Self::One(merchant) => snapshot.clock_of(merchant)?.shown_at(ledger_time),
            Self::All(_) => ledger_time,
        };
        let merchants = self.merchants(snapshot)?.into_iter();
        let merchants = merchants.map(|merchant| snapshot.position_of(merchant));
        let merchants = merchants.collect::<Result<_, _>>()?;
        Ok(Position::of(merchants, as_of, snapshot.newest_transfer()?))
    }
}

/// The refusals of [`get`].
pub(super) const GET_REFUSALS: Refusals = Refusals::by(Work::FindsMerchantLong).of_http(&[ApiErrorKind::SumTooLarge]);

/// `GET /operator/position`: of the merchant that the header names, or of all.
pub(super) async fn get(state: Data<AppState>, caller: Caller) -> Result<Reply<PositionView>, ApiError> {
    let scope = Scope::of(&state, &caller).await?;
    let ledger_time = state.store.ledger_time();
    let read = move |snapshot: &Snapshot<'_>| scope.position(snapshot, ledger_time);
    let position = state.store.read_long(scope.reader(), read).await?;
    Ok(Reply::ok(
        "Position fetched successfully",
        PositionView::new(&position, &state.policy.load().currency)?,
    ))
}

/// The refusals of [`reconcile`].
pub(super) const RECONCILE_REFUSALS: Refusals = Refusals::by(Work::FindsMerchantLong).of_http(&[
    ApiErrorKind::InvalidFile,
    ApiErrorKind::SumTooLarge,
    ApiErrorKind::TooManyRows,
]);

/// `POST /operator/position/reconcile`: compares a bank's statement with the movements of its
/// days, and the bank's balance with the one that it should have.
pub(super) async fn reconcile(
    state: Data<AppState>,
    caller: Caller,
    query: Query,
    CsvBody(body): CsvBody,
) -> Result<Reply<ReconciliationView>, ApiError> {
    let request = ReconcileRequest::parse(&query.fields()?)?;
    if body.bytes.is_empty() && request.closing.is_none() {
        let expected = "the bank's balance, since no statement was sent";
        return Err(Invalid::wrong("closing", expected, "nothing").into());
    }
    let scope = Scope::of(&state, &caller).await?;
    let ledger_time = state.store.ledger_time();
    let (policy, rows_max) = (state.policy.load_full(), state.limits.report_rows_max);
    let read = move |snapshot: &Snapshot<'_>| {
        let lines = match request.lines(&body, &policy.currency) {
            Ok(lines) => lines,
            Err(error) => return Ok(Err(error)),
        };
        let position = scope.position(snapshot, ledger_time)?;
        let bank = match position.require_total() {
            Ok(total) => total.bank_should_hold,
            Err(error) => return Ok(Err(error.into())),
        };
        let period = compared_days(&lines, request.period);
        let merchants = scope.merchants(snapshot)?;
        let needed = NeededMovements::of(period);
        let near = match needed.near {
            Some(days) => snapshot.movements_of_days(&merchants, days, rows_max)?,
            None => FoundMovements::All(Vec::new()),
        };
        let FoundMovements::All(near) = near else {
            return Ok(Err(ApiError::TooManyRows { max: rows_max }));
        };
        let later = match needed.sum_after {
            Some(day) => snapshot.sum_of_movements_after(&merchants, day)?,
            None => Some(SignedAmount::ZERO),
        };
        let Some(later) = later else {
            return Ok(Err(SumTooLarge { of: "movements" }.into()));
        };
        let typed = (request.opening, request.closing);
        let found = reconcile_period(lines, near, later, period, typed, bank);
        Ok(found.map_err(ApiError::from).map(|found| {
            let view = ReconciliationView::new(&found, period, &policy.currency, position.as_of);
            Reply::ok("Statement compared successfully", view)
        }))
    };
    state.store.read_long(scope.reader(), read).await?
}

/// The parsed query of a comparison.
struct ReconcileRequest {
    columns: StatementColumns,
    opening: Option<SignedAmount>,
    closing: Option<SignedAmount>,
    period: Period,
}

impl ReconcileRequest {
    fn parse(fields: &Fields<'_>) -> Parsed<Self> {
        let [amount, credit, debit] = ["amount", "credit", "debit"].map(|name| fields.field(name));
        let named = |name: &str| fields.field(name).optional(Field::text);
        let has_two = !credit.is_absent() || !debit.is_absent();
        if has_two && !amount.is_absent() {
            return Err(amount.must_be("left out where credit and debit name the columns of amounts"));
        }
        Ok(Self {
            columns: StatementColumns {
                date: named("date")?.unwrap_or_else(|| "date".to_owned()),
                amount: if has_two {
                    AmountColumns::CreditAndDebit {
                        credit: credit.text()?,
                        debit: debit.text()?,
                    }
                } else {
                    AmountColumns::One(named("amount")?.unwrap_or_else(|| "amount".to_owned()))
                },
                reference: named("reference")?.unwrap_or_else(|| "reference".to_owned()),
            },
            opening: fields.field("opening").optional(signed_amount)?,
            closing: fields.field("closing").optional(signed_amount)?,
            period: statements::period(fields)?,
        })
    }

    /// Reads the lines of the file, all of which must be in the days that the query names. A file
    /// without lines is compared only by the days or the balance that the query names.
    fn lines(&self, body: &WholeBody, currency: &str) -> Result<Vec<StatementLine>, ApiError> {
        if body.bytes.is_empty() {
            return Ok(Vec::new());
        }
        let lines = read_statement(&body.bytes, &self.columns, currency)?;
        if lines.is_empty() && self.period.from.is_none() && self.closing.is_none() {
            let expected = "the bank's balance, or from the first day of the statement, since it has no lines";
            return Err(Invalid::wrong("closing", expected, "nothing").into());
        }
        let days = || lines.iter().map(|line| line.value_date);
        if let (Some(from), Some(first)) = (self.period.from, days().min())
            && first < from
        {
            let expected = format!("{first}, the first day of the statement, or earlier");
            return Err(Invalid::wrong("from", expected, &from.to_string()).into());
        }
        if let (Some(to), Some(last)) = (self.period.to, days().max())
            && last > to
        {
            let expected = format!("{last}, the last day of the statement, or later");
            return Err(Invalid::wrong("to", expected, &to.to_string()).into());
        }
        Ok(lines)
    }
}
