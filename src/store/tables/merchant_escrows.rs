//! Lists of a merchant's deals, newest first. The conditions differ from one request to
//! the next, so this file joins the SQL from fixed parts. Values are bound and never part
//! of the text.

use rusqlite::params_from_iter;
use rusqlite::types::Value;

use crate::domain::escrow::Status;
use crate::domain::escrow::deal::Deal;
use crate::domain::escrow::merchant_escrows::MerchantEscrowFilter;
use crate::domain::ids::{self, MerchantId};
use crate::domain::page::{Page, PageRequest};
use crate::domain::sandbox::clock_offset::ClockOffset;
use crate::domain::time::{Date, Timestamp};
use crate::store::engine::error::Error;
use crate::store::tables::columns::{offset_of, read_all};
use crate::store::tx::Snapshot;

/// The queries for a merchant's deals and for their number. Where another index leads to
/// fewer rows, a `+` keeps SQLite from using the merchant's index.
const OF_MERCHANT: [&str; 2] = [
    select_deal!("merchant_id = ?1"),
    "SELECT count(*) FROM escrow WHERE merchant_id = ?1 AND deleted_at IS NULL",
];
const OF_OTHER_INDEX: [&str; 2] = [
    select_deal!("+merchant_id = ?1"),
    "SELECT count(*) FROM escrow WHERE +merchant_id = ?1 AND deleted_at IS NULL",
];

const CONCERNS: &str = "id IN (SELECT id FROM escrow WHERE merchant_id = ?1 AND seller_id = ?
     UNION ALL SELECT id FROM escrow WHERE merchant_id = ?1 AND buyer_id = ?
     UNION ALL SELECT escrow_id FROM vault_stake WHERE merchant_id = ?1 AND customer_id = ?)";
const CONCERNS_DISPUTED: &str =
    "id IN (SELECT id FROM escrow WHERE merchant_id = ?1 AND seller_id = ? AND dispute IS NOT NULL
     UNION ALL SELECT id FROM escrow WHERE merchant_id = ?1 AND buyer_id = ? AND dispute IS NOT NULL)";

/// A query under construction: further conditions, each after an `AND`, and their values in
/// the order of the question marks.
struct Query {
    of_merchant: [&'static str; 2],
    conditions: String,
    values: Vec<Value>,
}

impl Query {
    fn new(merchant: MerchantId, clock: ClockOffset, filter: &MerchantEscrowFilter) -> Self {
        let is_narrow = filter.token.is_some() || filter.customer.is_some();
        let mut query = Self {
            of_merchant: if is_narrow { OF_OTHER_INDEX } else { OF_MERCHANT },
            conditions: String::new(),
            values: vec![merchant.0.into()],
        };
        if filter.is_disputed {
            query.and("dispute IS NOT NULL", []);
        }
        if let Some(customer) = &filter.customer {
            let id = || Value::from(customer.as_str().to_owned());
            if filter.is_disputed {
                query.and(CONCERNS_DISPUTED, [id(), id()]);
            } else {
                query.and(CONCERNS, [id(), id(), id()]);
            }
        }
        if let Some(status) = filter.status {
            query.and(condition_of(status), []);
        }
        if let Some(category) = filter.category {
            let of_category =
                "category_id = (SELECT id FROM category WHERE id = ? AND guard = ? AND deleted_at IS NULL)";
            query.and(of_category, [category.number().into(), category.guard().into()]);
        }
        if let Some(token) = &filter.token {
            query.and("payment_token = ?", [token.as_str().to_owned().into()]);
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

    fn and<const N: usize>(&mut self, condition: &str, values: [Value; N]) {
        self.conditions.push_str(" AND ");
        self.conditions.push_str(condition);
        self.values.extend(values);
    }

    /// Returns the SQL for a page, which takes two more values: limit and offset.
    fn page(&self) -> String {
        let (deals, conditions) = (self.of_merchant[0], &self.conditions);
        format!("{deals}{conditions} ORDER BY id DESC LIMIT ? OFFSET ?")
    }

    /// Returns the SQL for the number of all rows.
    fn count(&self) -> String {
        let (count, conditions) = (self.of_merchant[1], &self.conditions);
        format!("{count}{conditions}")
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
        let count: i64 = self
            .connection
            .prepare_cached(&query.count())?
            .query_row(params_from_iter(&query.values), |row| row.get(0))?;
        let sql = query.page();
        query.values.push(request.limit.into());
        query.values.push(offset_of(request).into());
        let mut statement = self.connection.prepare_cached(&sql)?;
        let rows = statement.query(params_from_iter(&query.values))?;
        Ok(Page {
            rows: read_all(rows, |row| self.read_deal(row))?,
            count: u64::try_from(count).unwrap_or_default(),
            request,
        })
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

    #[test]
    fn no_list_reads_the_whole_table() {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(include_str!("../../../schema.sql")).unwrap();
        for filter in filters() {
            let query = Query::new(MerchantId(1), ClockOffset::NONE, &filter);
            for sql in [query.page(), query.count()] {
                let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
                let mut steps = statement.raw_query();
                let mut plan: Vec<String> = Vec::new();
                while let Some(step) = steps.next().unwrap() {
                    plan.push(step.get("detail").unwrap());
                }
                let is_wide = |step: &&String| step.starts_with("SCAN");
                assert_eq!(plan.iter().find(is_wide), None, "{filter:?} {sql} {plan:#?}");
                let index = match &filter {
                    MerchantEscrowFilter { token: Some(_), .. } => "payment_token=?",
                    MerchantEscrowFilter { customer: Some(_), .. } => "INTEGER PRIMARY KEY (rowid=?)",
                    MerchantEscrowFilter { is_disputed: true, .. } => "escrow_disputed (merchant_id=?",
                    _ => "(merchant_id=?",
                };
                let is_along = |step: &String| step.starts_with("SEARCH escrow") && step.contains(index);
                assert!(plan.iter().any(is_along), "{filter:?} {plan:#?}");
                let sorts = plan.iter().any(|step| step.contains("TEMP B-TREE"));
                let is_few = filter.token.is_some() || filter.customer.is_some();
                assert!(is_few || !sorts, "{filter:?} {plan:#?}");
            }
        }
    }
}
