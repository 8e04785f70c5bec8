//! Lists of a party's own escrows, newest first. Each list is read along an index.

use crate::domain::escrow::party_escrows::{EscrowList, EscrowReport, PartyEscrowFilter, Side};
use crate::domain::escrow::{Escrow, Status};
use crate::domain::ids::{CategoryId, CustomerId, MerchantId};
use crate::domain::money::Amount;
use crate::domain::page::{Page, PageRequest};
use crate::domain::party::Party;
use crate::store::engine::error::Error;
use crate::store::engine::sql::params;
use crate::store::tables::columns::{row, stored_as_word};
use crate::store::tx::Snapshot;

/// The contract's status of an escrow.
macro_rules! status {
    () => {
        "CASE state WHEN 'AWAITING_PAYMENT' THEN 'PENDING' WHEN 'OPENED' THEN coalesce(dispute, 'ONGOING')
                    ELSE coalesce(closed_as, 'COMPLETED') END"
    };
}

/// The condition of a list. Parameters: ?1 the merchant, ?2 the party, ?3 and ?4 the number
/// and guard of a category, ?5 a status.
macro_rules! filtered {
    ($side:literal) => {
        concat!(
            "merchant_id = ?1 AND deleted_at IS NULL AND ",
            $side,
            " AND (category_id = ?3 AND ?4 = (SELECT guard FROM category WHERE id = ?3 AND deleted_at IS NULL) OR ?3 IS NULL)
             AND (?5 = ",
            status!(),
            " OR ?5 IS NULL)"
        )
    };
}

stored_as_word!(Status, "a status");

row! {
    struct ReportRow, report_columns! {
        status: Status = status!(),
        amount: Amount,
        id: i64,
    }
}

macro_rules! page_of {
    ($index:literal, $side:literal) => {
        concat!(
            "SELECT ",
            deal_columns!(),
            " FROM escrow WHERE id IN (SELECT id FROM escrow INDEXED BY ",
            $index,
            " WHERE ",
            filtered!($side),
            " AND id <= ?8 ORDER BY id DESC LIMIT ?6 OFFSET ?7) ORDER BY id DESC"
        )
    };
}

macro_rules! report_of {
    ($index:literal, $side:literal) => {
        concat!(
            "SELECT ",
            report_columns!(),
            " FROM escrow INDEXED BY ",
            $index,
            " WHERE ",
            filtered!($side)
        )
    };
}

macro_rules! list_of {
    ($index:literal, $side:literal) => {
        [page_of!($index, $side), report_of!($index, $side)]
    };
}

/// The queries for page and report: of a customer's sales, of the merchant's own sales,
/// which have no seller, and of a customer's purchases. Each index has every column that is
/// compared or added up, so that only the rows of the page are read from the table.
const SALES: [&str; 2] = list_of!("escrow_by_seller", "seller_id = ?2");
const MERCHANTS_SALES: [&str; 2] = list_of!("escrow_by_seller", "seller_id IS ?2 AND settlement_type <> 'VAULT'");
const BUYS: [&str; 2] = list_of!("escrow_by_buyer", "buyer_id = ?2");

impl Snapshot<'_> {
    /// Returns a page of a party's escrows, newest first, with the report over all of them.
    pub fn escrows(
        &self,
        merchant: MerchantId,
        filter: &PartyEscrowFilter,
        request: PageRequest,
    ) -> Result<EscrowList, Error> {
        let [page, report] = match (filter.side, &filter.party) {
            (Side::Seller, Party::Customer(_)) => SALES,
            (Side::Seller, Party::Merchant) => MERCHANTS_SALES,
            // A merchant never buys: its party is NULL, which equals no buyer.
            (Side::Buyer, _) => BUYS,
        };
        let (report, count) = self.report(report, merchant, filter, request.newest_counted())?;
        let rows = self.page(page, merchant, filter, request)?;
        Ok(EscrowList {
            page: Page::of(rows, count, request, |escrow| escrow.id.number()),
            report,
        })
    }

    fn page(
        &self,
        sql: &str,
        merchant: MerchantId,
        filter: &PartyEscrowFilter,
        request: PageRequest,
    ) -> Result<Vec<Escrow>, Error> {
        let mut statement = self.connection.prepare(sql)?;
        let rows = statement.query(params![
            merchant.0,
            filter.party.customer().map(CustomerId::as_str),
            filter.category.as_ref().map(CategoryId::number),
            filter.category.as_ref().map(CategoryId::guard),
            filter.status.map(|status| status.into_str()),
            request.rows_read(),
            request.offset(),
            request.newest(),
        ])?;
        self.read_escrows(rows)
    }

    /// Returns the report, and the number of escrows up to the key `newest`.
    fn report(
        &self,
        sql: &str,
        merchant: MerchantId,
        filter: &PartyEscrowFilter,
        newest: i64,
    ) -> Result<(EscrowReport, u64), Error> {
        let mut statement = self.connection.prepare(sql)?;
        let mut rows = statement.query(params![
            merchant.0,
            filter.party.customer().map(CustomerId::as_str),
            filter.category.as_ref().map(CategoryId::number),
            filter.category.as_ref().map(CategoryId::guard),
            filter.status.map(|status| status.into_str()),
        ])?;
        let (mut report, mut count) = (EscrowReport::default(), 0);
        while let Some(row) = rows.next()? {
            let row = ReportRow::read(row)?;
            report.count(row.status, row.amount);
            count += u64::from(row.id <= newest);
        }
        Ok((report, count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::engine::sqlite::plans;

    /// The purchases are sorted, because their index begins with the state.
    #[test]
    fn every_list_is_filtered_and_added_up_in_its_index() {
        for (statements, index) in [
            (SALES, "escrow_by_seller (merchant_id=? AND seller_id=?"),
            (MERCHANTS_SALES, "escrow_by_seller (merchant_id=? AND seller_id=?"),
            (BUYS, "escrow_by_buyer (merchant_id=? AND buyer_id=?"),
        ] {
            for sql in statements {
                let plan = plans::of(sql);
                let along = format!("SEARCH escrow USING COVERING INDEX {index}");
                assert!(plan.iter().any(|step| step.starts_with(&along)), "{plan:#?}");
                assert_eq!(plan.iter().find(|step| step.starts_with("SCAN")), None, "{plan:#?}");
                let sorts = plan.iter().any(|step| step.contains("TEMP B-TREE"));
                assert!(!sorts || sql == BUYS[0], "{plan:#?}");
            }
        }
    }
}
