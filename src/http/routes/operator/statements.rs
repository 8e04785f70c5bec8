//! Routes of statements: CSV files of the transfers of an account, a deal or a merchant, with
//! balances and the hash that pins them.

use actix_web::web::{Data, Path};

use crate::csv::report::{Cell, Report};
use crate::domain::ids::{EscrowId, MerchantId};
use crate::domain::invalid::Parsed;
use crate::domain::ledger::Account;
use crate::domain::refusal::{Refusal, RefusalKind};
use crate::domain::treasury::account_statement::{AccountStatement, Period};
use crate::http::auth::Caller;
use crate::http::envelope::{CsvReply, Rendered};
use crate::http::error::{ApiError, ApiErrorKind};
use crate::http::fields::{Field, Fields, customer_id};
use crate::http::query::Query;
use crate::http::refusals::{Refusals, Work};
use crate::http::request_spec::{FieldSpec, Kind, RequestSpec};
use crate::http::state::AppState;
use crate::store::{self, MadeStatement, Snapshot};

/// The days of a statement, both included.
pub(super) const PERIOD: [FieldSpec; 2] = [
    FieldSpec::optional("from", Kind::Date),
    FieldSpec::optional("to", Kind::Date),
];
/// The query of every statement.
pub(super) const STATEMENT: RequestSpec = RequestSpec::of_query(&[&PERIOD]);

/// The columns before the balances.
const COLUMNS_BEFORE: [&str; 9] = [
    "entry", "transfer", "time", "kind", "from", "to", "dealId", "amount", "currency",
];

/// The most columns of a statement.
const COLUMNS_MAX: usize = COLUMNS_BEFORE.len() + 5;

/// The refusals of [`of_customer`].
pub(super) const OF_CUSTOMER_REFUSALS: Refusals = Refusals::of(&[&[RefusalKind::NoSuchCustomer]])
    .of_http(&[ApiErrorKind::TooManyRows])
    .with(Work::ReadsLong);

/// `GET /operator/customers/{customerId}/statement`: the wallet and the holds of a customer.
pub(super) async fn of_customer(
    state: Data<AppState>,
    caller: Caller,
    customer: Path<String>,
    query: Query,
) -> Result<CsvReply, ApiError> {
    let customer = customer_id("customerId", &customer).map_err(Refusal::NoSuchCustomerId)?;
    let merchant = caller.merchant().ok_or(Refusal::NoSuchCustomer)?;
    let columns = &["wallet", "walletBalance", "hold", "holdBalance"];
    let make = move |snapshot: &Snapshot<'_>, merchant, period, rows_max| {
        if snapshot.customer(merchant, &customer)?.is_none() {
            return Ok(Err(Refusal::NoSuchCustomer));
        }
        let accounts = [
            Account::CustomerMain(customer.clone()),
            Account::CustomerEscrow(customer),
        ];
        snapshot
            .statement_of_accounts(merchant, &accounts, period, rows_max)
            .map(Ok)
    };
    send(&state, merchant, &query, "customer-statement.csv", columns, make).await
}

/// The refusals of [`of_merchant`].
pub(super) const OF_MERCHANT_REFUSALS: Refusals =
    Refusals::by(Work::FindsMerchantLong).of_http(&[ApiErrorKind::TooManyRows]);

/// `GET /operator/merchant/statement`: the merchant's own money.
pub(super) async fn of_merchant(state: Data<AppState>, caller: Caller, query: Query) -> Result<CsvReply, ApiError> {
    let make = |snapshot: &Snapshot<'_>, merchant, period, rows_max| {
        snapshot
            .statement_of_accounts(merchant, &[Account::MerchantMain], period, rows_max)
            .map(Ok)
    };
    let columns = &["change", "balance"];
    let merchant = state.merchant_of(&caller).await?;
    send(&state, merchant, &query, "merchant-statement.csv", columns, make).await
}

/// The refusals of [`of_deal`].
pub(super) const OF_DEAL_REFUSALS: Refusals = Refusals::of(&[&[RefusalKind::EscrowNotFound]])
    .of_http(&[ApiErrorKind::TooManyRows])
    .with(Work::ReadsLong);

/// `GET /operator/deals/{escrowId}/statement`: the money that a deal holds.
pub(super) async fn of_deal(
    state: Data<AppState>,
    caller: Caller,
    deal: Path<String>,
    query: Query,
) -> Result<CsvReply, ApiError> {
    let deal = EscrowId::named(&deal);
    let merchant = caller.merchant().ok_or(Refusal::EscrowNotFound)?;
    let make = move |snapshot: &Snapshot<'_>, merchant, period, rows_max| {
        let found = snapshot.statement_of_deal(merchant, deal, period, rows_max)?;
        Ok(found.ok_or(Refusal::EscrowNotFound))
    };
    let columns = &["change", "held"];
    send(&state, merchant, &query, "deal-statement.csv", columns, make).await
}

/// The refusals of [`journal`].
pub(super) const JOURNAL_REFUSALS: Refusals =
    Refusals::by(Work::FindsMerchantLong).of_http(&[ApiErrorKind::TooManyRows]);

/// `GET /operator/journal`: every transfer of the merchant.
pub(super) async fn journal(state: Data<AppState>, caller: Caller, query: Query) -> Result<CsvReply, ApiError> {
    let make =
        |snapshot: &Snapshot<'_>, merchant, period, rows_max| snapshot.journal(merchant, period, rows_max).map(Ok);
    let columns = &["bankChange", "bankShouldHold"];
    let merchant = state.merchant_of(&caller).await?;
    send(&state, merchant, &query, "journal.csv", columns, make).await
}

/// Makes a statement on a thread for long reads, and sends it as a file. `columns` has two
/// names for each balance: of its change and of the balance itself.
async fn send(
    state: &AppState,
    merchant: MerchantId,
    query: &Query,
    name: &'static str,
    columns: &'static [&'static str],
    statement: impl FnOnce(&Snapshot<'_>, MerchantId, Period, usize) -> Result<Result<MadeStatement, Refusal>, store::Error>
    + Send
    + 'static,
) -> Result<CsvReply, ApiError> {
    let period = period(&query.fields()?)?;
    let (rows_max, policy) = (state.limits.report_rows_max, state.policy.load_full());
    let read = move |snapshot: &Snapshot<'_>| {
        let found = statement(snapshot, merchant, period, rows_max)?;
        Ok(found.map(|made| made.map(|statement| file_of(&statement, columns, &policy.currency))))
    };
    let file = state.store.read_long(merchant, read).await??;
    let file = file.map_err(|_too_many| ApiError::TooManyRows { max: rows_max })?;
    Ok(CsvReply::of(Rendered::csv(file), name))
}

/// Parses the days of a statement.
pub(super) fn period(fields: &Fields<'_>) -> Parsed<Period> {
    let first = fields.field("from").optional(Field::date)?;
    let to = fields.field("to");
    let period = Period::between(first, to.optional(Field::date)?);
    period.map_err(|first| to.must_be(format!("{first}, the day of from, or later")))
}

/// Writes a statement: its opening balances, its rows, its closing balances, and the newest
/// hash of the merchant's chain.
fn file_of(statement: &AccountStatement, columns: &[&str], currency: &str) -> String {
    let mut report = Report::new(&[&COLUMNS_BEFORE, columns, &["hash"]].concat());
    let balances = |entry, day, balances: &[_]| {
        let mut cells = vec![Cell::Empty; COLUMNS_BEFORE.len()];
        cells[0] = Cell::Text(entry);
        cells[2] = day;
        cells[8] = Cell::Text(currency);
        for balance in balances {
            cells.extend([Cell::Empty, Cell::Signed(*balance)]);
        }
        cells.push(Cell::Empty);
        cells
    };
    let day_of = |day: Option<_>| day.map_or(Cell::Empty, Cell::Date);
    report.row(&balances("opening", day_of(statement.period.from), &statement.opening));
    for row in &statement.rows {
        let transfer = &row.line.transfer;
        let deal = transfer.escrow.map(|deal| deal.to_string()).unwrap_or_default();
        let (debit, credit) = (transfer.debit.to_string(), transfer.credit.to_string());
        let hash = row.line.hash.to_string();
        let mut cells = Vec::with_capacity(COLUMNS_MAX);
        cells.extend([
            Cell::Text("transfer"),
            Cell::Number(row.line.number),
            Cell::Time(row.line.at),
            Cell::Text(transfer.kind.into_str()),
            Cell::Text(&debit),
            Cell::Text(&credit),
            Cell::Text(&deal),
            Cell::Amount(transfer.amount),
            Cell::Text(currency),
        ]);
        for (change, balance) in row.changes.iter().zip(&row.balances) {
            cells.extend([Cell::Signed(*change), Cell::Signed(*balance)]);
        }
        cells.push(Cell::Text(&hash));
        report.row(&cells);
    }
    report.row(&balances("closing", day_of(statement.period.to), &statement.closing));
    let head = statement.chain_head.to_string();
    let mut cells = vec![Cell::Empty; COLUMNS_BEFORE.len() + columns.len()];
    cells[0] = Cell::Text("chainHead");
    cells.push(Cell::Text(&head));
    report.row(&cells);
    report.finish()
}
