//! Lists of a merchant's deals, newest first. The conditions differ from one request to
//! the next, so this file joins the SQL from fixed parts. Values are bound and never part
//! of the text.

use crate::domain::escrow::Status;
use crate::domain::escrow::deal::Deal;
use crate::domain::escrow::merchant_escrows::MerchantEscrowFilter;
use crate::domain::ids::{self, MerchantId};
use crate::domain::page::{Page, PageRequest};
use crate::domain::sandbox::clock_offset::ClockOffset;
use crate::domain::time::{Date, Timestamp};
use crate::store::engine::error::Error;
use crate::store::engine::sql::Value;
use crate::store::tables::columns::read_all;
use crate::store::tx::Snapshot;

/// The columns of a deal that a filter compares.
macro_rules! filtered_columns {
    () => {
        "escrow.id, state, dispute, closed_as, category_id, escrow.created_at"
    };
}

/// Reads the compared columns of the deals that meet a condition.
macro_rules! deals_where {
    ($condition:expr) => {
        concat!("SELECT ", filtered_columns!(), " FROM escrow ", $condition)
    };
}

/// Every deal of the merchant, the disputed ones, and those of a customer, who cannot be
/// both seller and buyer of a deal. Each is read from an index that has all these columns.
/// INDEXED BY makes sure of it where SQLite would choose another.
const OF_MERCHANT: &str = deals_where!("WHERE merchant_id = ?1 AND deleted_at IS NULL");
const DISPUTED: &str =
    deals_where!("INDEXED BY escrow_disputed WHERE merchant_id = ?1 AND dispute IS NOT NULL AND deleted_at IS NULL");
const OF_CUSTOMER: &str = concat!(
    deals_where!("INDEXED BY escrow_by_seller WHERE merchant_id = ?1 AND seller_id = ?2 AND deleted_at IS NULL"),
    " UNION ALL ",
    deals_where!("INDEXED BY escrow_by_buyer WHERE merchant_id = ?1 AND buyer_id = ?2 AND deleted_at IS NULL"),
    " UNION ALL ",
    "SELECT ",
    filtered_columns!(),
    " FROM vault_stake JOIN escrow ON escrow.id = escrow_id
      WHERE vault_stake.merchant_id = ?1 AND customer_id = ?2"
);
const DISPUTED_OF_CUSTOMER: &str = concat!(
    deals_where!(
        "INDEXED BY escrow_disputed_by_seller WHERE merchant_id = ?1 AND seller_id = ?2 AND dispute IS NOT NULL"
    ),
    " UNION ALL ",
    deals_where!(
        "INDEXED BY escrow_disputed_by_buyer WHERE merchant_id = ?1 AND buyer_id = ?2 AND dispute IS NOT NULL"
    )
);
/// The deal with a token, which the other conditions may still refuse.
const OF_TOKEN: &str = deals_where!(
    "WHERE payment_token = ?2 AND merchant_id = ?1 AND deleted_at IS NULL
     AND (seller_id = ?3 OR buyer_id = ?3 OR ?3 IS NULL
         OR EXISTS (SELECT 1 FROM vault_stake WHERE escrow_id = escrow.id AND customer_id = ?3))"
);
const DEALS_NUMBERED: &str = concat!("SELECT ", deal_columns!(), " FROM escrow WHERE id IN ");

/// A query under construction: the deals to filter, further conditions, each after an
/// `AND`, and all values in the order of the question marks.
struct Query<'f> {
    deals: &'static str,
    conditions: String,
    values: Vec<Value<'f>>,
}

impl<'f> Query<'f> {
    fn new(merchant: MerchantId, clock: ClockOffset, filter: &'f MerchantEscrowFilter) -> Self {
        let customer = filter.customer.as_ref().map(|id| Value::from(id.as_str()));
        let token = filter.token.as_ref().map(|token| Value::from(token.as_str()));
        let (deals, values) = match (token, customer, filter.is_disputed) {
            (Some(token), customer, _) => (OF_TOKEN, vec![token, customer.unwrap_or(Value::Null)]),
            (None, Some(customer), true) => (DISPUTED_OF_CUSTOMER, vec![customer]),
            (None, Some(customer), false) => (OF_CUSTOMER, vec![customer]),
            (None, None, true) => (DISPUTED, Vec::new()),
            (None, None, false) => (OF_MERCHANT, Vec::new()),
        };
        let mut query = Self {
            deals,
            conditions: String::new(),
            values: [merchant.0.into()].into_iter().chain(values).collect(),
        };
        if filter.is_disputed {
            query.and("dispute IS NOT NULL", []);
        }
        if let Some(status) = filter.status {
            query.and(condition_of(status), []);
        }
        if let Some(category) = filter.category {
            let of_category =
                "category_id = (SELECT id FROM category WHERE id = ? AND guard = ? AND deleted_at IS NULL)";
            query.and(of_category, [category.number().into(), category.guard().into()]);
        }
        query.made(clock, filter.from, filter.to);
        query
    }

    fn made(&mut self, clock: ClockOffset, from: Option<Date>, to: Option<Date>) {
        if let Some((start, _)) = from.map(Date::span_millis) {
            // Numbers follow ledger time. A deal created at this time or later has this number
            // or a greater one, also if the clock was less far ahead then.
            let at = Timestamp::from_millis(start).unwrap_or(Timestamp::EPOCH);
            let first = ids::number_after(0, clock.ledger_time_of(at));
            self.and("id >= ? AND created_at >= ?", [first.into(), start.into()]);
        }
        if let Some((_, end)) = to.map(Date::span_millis) {
            self.and("created_at < ?", [end.into()]);
        }
    }

    fn and<const N: usize>(&mut self, condition: &str, values: [Value<'f>; N]) {
        self.conditions.push_str(" AND ");
        self.conditions.push_str(condition);
        self.values.extend(values);
    }

    /// Returns the SQL for a page, which takes two more values: limit and offset. Only the
    /// rows of the page are read from the table.
    fn page(&self) -> String {
        let (deals, conditions) = (self.deals, &self.conditions);
        let on_page =
            format!("SELECT id FROM ({deals}) AS deal WHERE true{conditions} ORDER BY id DESC LIMIT ? OFFSET ?");
        format!("{DEALS_NUMBERED}({on_page}) ORDER BY id DESC")
    }

    /// Leaves out the deals with a greater number.
    fn up_to(&mut self, newest: i64) {
        if newest < i64::MAX {
            self.and("id <= ?", [newest.into()]);
        }
    }

    /// Returns the SQL for the number of all rows.
    fn count(&self) -> String {
        let (deals, conditions) = (self.deals, &self.conditions);
        format!("SELECT count(*) FROM ({deals}) AS deal WHERE true{conditions}")
    }
}

impl Snapshot<'_> {
    /// Returns a page of a merchant's deals, newest first.
    pub fn deals(
        &self,
        merchant: MerchantId,
        filter: &MerchantEscrowFilter,
        request: PageRequest,
    ) -> Result<Page<Deal>, Error> {
        let mut query = Query::new(merchant, self.clock_of(merchant)?, filter);
        query.up_to(request.newest_counted());
        let count = self.count(&query.count(), &query.values)?;
        if request.newest() < request.newest_counted() {
            query.up_to(request.newest());
        }
        let sql = query.page();
        query.values.push(request.rows_read().into());
        query.values.push(request.offset().into());
        let mut statement = self.connection.prepare(&sql)?;
        let rows = statement.query(&query.values)?;
        let rows = read_all(rows, |row| self.read_deal(row))?;
        Ok(Page::of(rows, count, request, |deal| deal.id().number()))
    }
}

/// Returns the condition for the rows of escrows in this status.
const fn condition_of(status: Status) -> &'static str {
    match status {
        Status::Pending => "state = 'AWAITING_PAYMENT'",
        Status::Ongoing => "state = 'OPENED' AND dispute IS NULL",
        Status::Disputed => "state = 'OPENED' AND dispute = 'DISPUTED'",
        Status::Investigating => "state = 'OPENED' AND dispute = 'INVESTIGATING'",
        Status::Completed => "state = 'CLOSED' AND closed_as IS NULL",
        Status::Claimed => "closed_as = 'CLAIMED'",
        Status::Refunded => "closed_as = 'REFUNDED'",
        Status::Split => "closed_as = 'SPLIT'",
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;
    use strum::VariantArray;

    use super::*;
    use crate::domain::ids::{CategoryId, CustomerId, PaymentToken};
    use crate::store::engine::schema::SCHEMA;

    /// Every combination of filters, with every status.
    fn filters() -> Vec<MerchantEscrowFilter> {
        let mut filters = Vec::new();
        let statuses = Status::VARIANTS.iter().copied().map(Some);
        for status in [None].into_iter().chain(statuses) {
            for asked in 0..64_u8 {
                let asks = |bit: u8| asked & (1 << bit) != 0;
                let date = Date::parse("2026-06-22");
                filters.push(MerchantEscrowFilter {
                    is_disputed: asks(0),
                    customer: asks(1).then(|| CustomerId::parse("ada").unwrap()),
                    status,
                    category: asks(2).then(|| CategoryId::new(1, 2)),
                    token: asks(3).then(|| PaymentToken::named("PY_")),
                    from: date.filter(|_| asks(4)),
                    to: date.filter(|_| asks(5)),
                });
            }
        }
        filters
    }

    /// Reading the row of a deal that is not on the page would make a page cost what the
    /// merchant has. The lists of disputes of one customer, and of one token, are short.
    #[test]
    fn every_list_is_filtered_and_counted_in_an_index() {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(SCHEMA).unwrap();
        for filter in filters() {
            let query = Query::new(MerchantId(1), ClockOffset::NONE, &filter);
            let mut up_to = Query::new(MerchantId(1), ClockOffset::NONE, &filter);
            up_to.up_to(1);
            for sql in [query.page(), query.count(), up_to.page(), up_to.count()] {
                let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
                let mut steps = statement.raw_query();
                let mut plan: Vec<String> = Vec::new();
                while let Some(step) = steps.next().unwrap() {
                    plan.push(step.get("detail").unwrap());
                }
                let is_wide = |step: &&String| step.starts_with("SCAN") && *step != "SCAN deal";
                assert_eq!(plan.iter().find(is_wide), None, "{filter:?} {sql} {plan:#?}");
                let ways: &[&str] = match &filter {
                    MerchantEscrowFilter { token: Some(_), .. } => {
                        &["USING INDEX sqlite_autoindex_escrow_1 (payment_token=?"]
                    }
                    MerchantEscrowFilter {
                        customer: Some(_),
                        is_disputed: true,
                        ..
                    } => &[
                        "escrow_disputed_by_seller (merchant_id=?",
                        "escrow_disputed_by_buyer (merchant_id=?",
                    ],
                    MerchantEscrowFilter { customer: Some(_), .. } => &[
                        "USING COVERING INDEX escrow_by_seller (merchant_id=? AND seller_id=?",
                        "USING COVERING INDEX escrow_by_buyer (merchant_id=? AND buyer_id=?",
                        "USING COVERING INDEX vault_stake_by_customer (merchant_id=? AND customer_id=?",
                    ],
                    MerchantEscrowFilter { is_disputed: true, .. } => {
                        &["USING COVERING INDEX escrow_disputed (merchant_id=?"]
                    }
                    // By the merchant's index, or by that of its disputes if the status is one.
                    _ => &["USING COVERING INDEX escrow_"],
                };
                for way in ways {
                    assert!(plan.iter().any(|step| step.contains(way)), "{filter:?} {way} {plan:#?}");
                }
                let sorts = plan.iter().any(|step| step.contains("TEMP B-TREE"));
                let is_few = filter.token.is_some() || filter.customer.is_some();
                assert!(is_few || !sorts, "{filter:?} {plan:#?}");
            }
        }
    }
}
