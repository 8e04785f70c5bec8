//! Routes of payment histories and of the merchant's own account (contract
//! sections 4.3.4 and 4.7).

use actix_web::web::Data;
use schemars::JsonSchema;
use serde::Serialize;

use crate::domain::ids::MerchantId;
use crate::domain::invalid::Parsed;
use crate::domain::ledger::Account;
use crate::domain::page::{LIMIT_DEFAULT, LIMIT_MAX};
use crate::domain::payments::history::{History, HistoryFilter, HistoryShape};
use crate::domain::payments::payment::Payment;
use crate::domain::refusal::RefusalKind;
use crate::domain::transaction::TransactionType::{
    self, Commission, Delivery, Deposit, Escrow, Transfer, WalletTransfer, Withdrawal,
};
use crate::http::auth::Caller;
use crate::http::envelope::Reply;
use crate::http::error::ApiError;
use crate::http::fields::Field;
use crate::http::query::{ListWalk, Query, page_of};
use crate::http::refusals::{Refusals, Work};
use crate::http::request_spec::{FieldSpec, Kind, RequestSpec};
use crate::http::routes::payments::WalletView;
use crate::http::state::AppState;
use crate::views::{PageView, TransactionView};

/// The values of `type` for a merchant's history. A customer's history accepts the first
/// [`TYPES_OF_CUSTOMERS`] of them.
const TYPES: [TransactionType; 7] = [
    Deposit,
    Withdrawal,
    Transfer,
    WalletTransfer,
    Escrow,
    Delivery,
    Commission,
];
const TYPES_OF_CUSTOMERS: usize = 6;

const FILTERS: [FieldSpec; 3] = [
    FieldSpec::optional("reference", Kind::Text),
    FieldSpec::optional("fromDate", Kind::Date),
    FieldSpec::optional("toDate", Kind::Date),
];
/// None of them is read where a filter asks for the whole list.
const PAGE: [FieldSpec; 3] = [
    FieldSpec::optional("limit", Kind::LenientInteger)
        .about("The rows of a page. Another value than a number of rows counts as the default"),
    FieldSpec::optional("page", Kind::LenientInteger),
    FieldSpec::optional("cursor", Kind::Text).about("The nextCursor of a page, in the place of page"),
];

/// The query of [`of_customer`].
pub(crate) const OF_CUSTOMER: RequestSpec = RequestSpec::of_query(&[
    &[FieldSpec::optional(
        "type",
        Kind::Words(|| words_of(&TYPES[..TYPES_OF_CUSTOMERS])),
    )],
    &FILTERS,
    &PAGE,
]);
/// The query of [`of_merchant`].
pub(crate) const OF_MERCHANT: RequestSpec = RequestSpec::of_query(&[
    &[FieldSpec::optional("type", Kind::Words(|| words_of(&TYPES)))],
    &FILTERS,
    &PAGE,
]);

fn words_of(types: &[TransactionType]) -> Vec<&'static str> {
    types.iter().map(TransactionType::into_str).collect()
}

/// The refusals of [`of_customer`].
pub(crate) const OF_CUSTOMER_REFUSALS: Refusals = Refusals::of(&[&[RefusalKind::TooManyTransactions]]);

/// `GET /v1/payment/history`, as the customer.
pub(crate) async fn of_customer(
    state: Data<AppState>,
    caller: Caller,
    query: Query,
) -> Result<Reply<HistoryView>, ApiError> {
    let request = parse_history(&query, &TYPES[..TYPES_OF_CUSTOMERS]);
    let (merchant, request) = state.admit(&caller, request).await?;
    let owner = Account::CustomerMain(caller.customer().clone());
    history(&state, &caller, merchant, owner, request, query.walk()).await
}

/// The refusals of [`of_merchant`].
pub(crate) const OF_MERCHANT_REFUSALS: Refusals =
    Refusals::of(&[&[RefusalKind::TooManyTransactions]]).with(Work::FindsMerchantLong);

/// `GET /v1/merchant/transactions`, as the merchant.
pub(crate) async fn of_merchant(
    state: Data<AppState>,
    caller: Caller,
    query: Query,
) -> Result<Reply<HistoryView>, ApiError> {
    let request = parse_history(&query, &TYPES)?;
    let merchant = state.merchant_of(&caller).await?;
    history(&state, &caller, merchant, Account::MerchantMain, request, query.walk()).await
}

/// `GET /v1/merchant/balance`, as the merchant.
pub(crate) async fn merchant_balance(state: Data<AppState>, caller: Caller) -> Result<Reply<WalletView>, ApiError> {
    let merchant = state.merchant_of(&caller).await?;
    let wallet = state
        .store
        .read(move |snapshot| snapshot.merchant_wallet(merchant))
        .await?;
    Ok(Reply::ok(
        "Merchant balance fetched successfully",
        WalletView::new(&wallet, &state.policy.load().currency),
    ))
}

async fn history(
    state: &AppState,
    caller: &Caller,
    merchant: MerchantId,
    owner: Account,
    (filter, shape): (HistoryFilter, HistoryShape),
    walk: ListWalk,
) -> Result<Reply<HistoryView>, ApiError> {
    let shape = match shape {
        HistoryShape::Page(request) => HistoryShape::Page(walk.bounded(request)),
        HistoryShape::Flat => HistoryShape::Flat,
    };
    state
        .read_list(
            caller,
            merchant,
            move |snapshot| snapshot.history(merchant, &owner, &filter, shape.page()),
            move |page, context| {
                let history = shape.history(page)?;
                if let History::Page(page) = &history {
                    walk.note(page);
                }
                Ok(Reply::ok(
                    "Transactions retrieved successfully",
                    HistoryView::new(history, context.currency),
                ))
            },
        )
        .await
}

/// Contract sections 1.8 and 4.3.4: `reference`, `fromDate` or `toDate` asks for a reply
/// without pages. A limit above [`LIMIT_MAX`] counts as [`LIMIT_MAX`]. A limit that is absent
/// or not a positive whole number counts as [`LIMIT_DEFAULT`].
fn parse_history(query: &Query, types: &[TransactionType]) -> Parsed<(HistoryFilter, HistoryShape)> {
    let fields = query.fields()?;
    let filter = HistoryFilter {
        transaction_type: fields.field("type").optional(|field| field.one_of(types))?,
        reference: fields.field("reference").optional(Field::text)?,
        from: fields.field("fromDate").optional(Field::date)?,
        to: fields.field("toDate").optional(Field::date)?,
    };
    if filter.reference.is_some() || filter.from.is_some() || filter.to.is_some() {
        return Ok((filter, HistoryShape::Flat));
    }
    let limit = match fields.field("limit").clamped_integer() {
        Ok(rows @ 1..) => u32::try_from(rows).map_or(LIMIT_MAX, |rows| rows.min(LIMIT_MAX)),
        _ => LIMIT_DEFAULT,
    };
    Ok((filter, HistoryShape::Page(page_of(&fields, limit)?)))
}

/// Transactions of a history: one page, or a plain list if the request filters by reference
/// or day.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum HistoryView {
    Page(PageView<TransactionView>),
    Flat(Vec<TransactionView>),
}

impl HistoryView {
    /// Shows the transactions, with amounts in this currency.
    pub(crate) fn new(history: History<Payment>, currency: &str) -> Self {
        let view = |payment| TransactionView::new(payment, currency);
        match history {
            History::Page(page) => Self::Page(PageView::new(page, view)),
            History::Flat(payments) => Self::Flat(payments.into_iter().map(view).collect()),
        }
    }
}
