//! Receipts.

use crate::domain::ids::{CustomerId, MerchantId, OperatorId, ReceiptId, TransactionId};
use crate::domain::money::Amount;
use crate::domain::page::{Page, PageRequest};
use crate::domain::time::{Date, Timestamp};
use crate::domain::treasury::payout::BankEntry;
use crate::domain::treasury::receipt::{Receipt, ReceiptAsked, ReceiptSource, ReceiptStatus, ReceiptStep};
use crate::domain::treasury::reference::ReferenceScope;
use crate::store::engine::error::Error;
use crate::store::engine::sql::{Row, params};
use crate::store::tables::checked::{insert_checked, update_checked};
use crate::store::tables::columns::{broken, has_status_of, list_of_words, read_all, row, stored_as_word};
use crate::store::tables::payouts::operator_id;
use crate::store::tx::{Snapshot, Tx};

stored_as_word!(ReceiptStatus, "the status of a receipt");
stored_as_word!(ReceiptSource, "the source of a receipt");

row! {
    struct ReceiptRow, receipt_columns! {
        id: i64 = "receipt.id",
        guard: u32 = "receipt.guard",
        amount: Amount = "receipt.amount",
        bank_reference: String,
        value_date: Date,
        note: Option<String>,
        source: ReceiptSource,
        status: ReceiptStatus,
        customer_id: Option<CustomerId>,
        expected_id: Option<i64>,
        expected_guard: Option<u32> = "expected.guard",
        deposit_id: Option<i64>,
        deposit_guard: Option<u32> = "deposit.guard",
        recorded_by: Option<i64>,
        recorder_guard: Option<u32> = "recorder.guard",
        asked_by: Option<i64> = "receipt.asked_by",
        asker_guard: Option<u32> = "asker.guard",
        asker_revoked_at: Option<Timestamp> = "asker.revoked_at",
        created_at: Timestamp = "receipt.created_at",
        updated_at: Timestamp = "receipt.updated_at",
    }
}

macro_rules! select_receipt {
    ($condition:expr) => {
        concat!(
            "SELECT ",
            receipt_columns!(),
            " FROM receipt
              LEFT JOIN payment_transaction AS expected ON expected.id = expected_id
              LEFT JOIN payment_transaction AS deposit ON deposit.id = deposit_id
              LEFT JOIN operator AS recorder ON recorder.id = recorded_by
              LEFT JOIN operator AS asker ON asker.id = receipt.asked_by
              WHERE ",
            $condition
        )
    };
}

/// A page of a merchant's receipts. Its numbers are chosen in the index.
const PAGE: &str = select_receipt!(concat!(
    "receipt.id IN (SELECT id FROM receipt WHERE merchant_id = ?1 AND id <= ?5 AND ",
    has_status_of!("?2"),
    " ORDER BY id DESC LIMIT ?3 OFFSET ?4)
      ORDER BY receipt.id DESC"
));

/// Counts the rows of the list of which [`PAGE`] is a page.
const COUNT: &str = concat!(
    "SELECT count(*) FROM receipt WHERE merchant_id = ?1 AND id <= ?3 AND ",
    has_status_of!("?2")
);

/// Reads a receipt. Leaves out the request of an operator who was revoked since: it does not count.
fn read_receipt(row: Row<'_>) -> Result<Receipt, Error> {
    let row = ReceiptRow::read(row)?;
    let transaction = |number: Option<i64>, guard: Option<u32>| Some(TransactionId::new(number?, guard?));
    let mut customer = row.customer_id;
    let mut expected = transaction(row.expected_id, row.expected_guard);
    let asked = operator_id(row.asked_by, row.asker_guard).map(|by| {
        // In suspense the row has the customer and the deposit of the request.
        let assigned = customer.take_if(|_| row.status == ReceiptStatus::Suspense);
        let step = assigned.map_or(ReceiptStep::Reverse, |customer| ReceiptStep::Assign {
            customer,
            expected: expected.take(),
        });
        ReceiptAsked { by, step }
    });
    Ok(Receipt {
        id: ReceiptId::new(row.id, row.guard),
        amount: row.amount,
        entry: BankEntry {
            reference: row.bank_reference,
            value_date: row.value_date,
        },
        note: row.note,
        source: row.source,
        status: row.status,
        customer,
        expected,
        deposit: transaction(row.deposit_id, row.deposit_guard),
        recorded_by: operator_id(row.recorded_by, row.recorder_guard),
        asked: asked.filter(|_| row.asker_revoked_at.is_none()),
        created_at: row.created_at,
        updated_at: row.updated_at,
    })
}

/// The condition that the money of a receipt with a deposit waits for a second operator: its approval,
/// or the same request to assign it. The request of an operator who was revoked later does not count.
macro_rules! waits_for_second_operator {
    () => {
        "(receipt.status = 'recorded' OR receipt.status = 'suspense'
          AND EXISTS (SELECT 1 FROM operator WHERE operator.id = receipt.asked_by AND operator.revoked_at IS NULL))"
    };
}
pub(crate) use waits_for_second_operator;

impl Snapshot<'_> {
    /// Returns a merchant's receipt. Receipts of other merchants are not found.
    pub fn receipt(&self, merchant: MerchantId, id: ReceiptId) -> Result<Option<Receipt>, Error> {
        let mut statement = self.connection.prepare(select_receipt!(
            "receipt.id = ?1 AND receipt.guard = ?2 AND receipt.merchant_id = ?3"
        ))?;
        statement.first(params![id.number(), id.guard(), merchant.0], read_receipt)
    }

    /// Returns the receipt with this number, which exists.
    pub(crate) fn receipt_of_number(&self, number: i64) -> Result<Receipt, Error> {
        let mut statement = self.connection.prepare(select_receipt!("receipt.id = ?1"))?;
        let receipt = statement.first(params![number], read_receipt)?;
        receipt.ok_or_else(|| broken("the number of a receipt", &number.to_string()))
    }

    /// Returns the receipt that was credited by this deposit.
    pub fn receipt_of_deposit(&self, deposit: TransactionId) -> Result<Option<Receipt>, Error> {
        let mut statement = self.connection.prepare(select_receipt!("receipt.deposit_id = ?1"))?;
        statement.first(params![deposit.number()], read_receipt)
    }

    /// Returns a page of a merchant's receipts with one of these statuses, or of all, newest first.
    pub fn receipts(
        &self,
        merchant: MerchantId,
        statuses: Option<&[ReceiptStatus]>,
        request: PageRequest,
    ) -> Result<Page<Receipt>, Error> {
        let mut statement = self.connection.prepare(PAGE)?;
        let (limit, offset) = (request.rows_read(), request.offset());
        let statuses = list_of_words(statuses);
        let rows = statement.query(params![merchant.0, &statuses, limit, offset, request.newest()])?;
        let rows = read_all(rows, read_receipt)?;
        let count = self.count(COUNT, params![merchant.0, &statuses, request.newest_counted()])?;
        Ok(Page::of(rows, count, request, |receipt| receipt.id.number()))
    }

    /// Returns the valid receipt with this bank reference, of a merchant within the scope.
    pub fn receipt_with_bank_reference(
        &self,
        merchant: MerchantId,
        entry: &BankEntry,
        scope: ReferenceScope,
    ) -> Result<Option<(MerchantId, ReceiptId)>, Error> {
        self.connection
            .prepare(
                "SELECT merchant_id, id, guard FROM receipt WHERE bank_reference_key = ?1 AND (merchant_id = ?2 OR ?3)
                 AND status <> 'rejected' AND status <> 'reversed' LIMIT 1",
            )?
            .first(
                params![entry.reference_key(), merchant.0, scope == ReferenceScope::AllMerchants],
                |row| Ok((row.get(0)?, ReceiptId::new(row.get(1)?, row.get(2)?))),
            )
    }

    /// Returns a rejected or reversed receipt with this bank reference, of a merchant within the scope.
    pub fn mistake_with_bank_reference(
        &self,
        merchant: MerchantId,
        entry: &BankEntry,
        scope: ReferenceScope,
    ) -> Result<Option<ReceiptId>, Error> {
        let mut statement = self.connection.prepare(MISTAKE)?;
        statement.first(
            params![merchant.0, entry.reference_key(), scope == ReferenceScope::AllMerchants],
            |row| Ok(ReceiptId::new(row.get(0)?, row.get(1)?)),
        )
    }

    /// Returns true if money that a receipt recorded for this deposit waits for a second operator.
    pub fn deposit_has_receipt(&self, merchant: MerchantId, deposit: TransactionId) -> Result<bool, Error> {
        self.connection
            .prepare(concat!(
                "SELECT 1 FROM receipt WHERE merchant_id = ?1 AND expected_id = ?2 AND ",
                waits_for_second_operator!(),
                " LIMIT 1"
            ))?
            .exists(params![merchant.0, deposit.number()])
    }
}

/// The index of bank references leaves mistakes out. These are few, so an index finds them by
/// their status.
const MISTAKE: &str = "SELECT id, guard FROM receipt
    WHERE merchant_id IN (SELECT id FROM merchant WHERE id = ?1 OR ?3)
    AND status IN ('rejected', 'reversed') AND bank_reference_key = ?2
    LIMIT 1";

impl Tx<'_> {
    /// Inserts a receipt.
    pub fn insert_receipt(&mut self, merchant: MerchantId, receipt: &Receipt) -> Result<(), Error> {
        self.connection
            .prepare(insert_checked!(
                "receipt",
                id: "?1",
                guard: "?2",
                merchant_id: "?3",
                amount: "?4",
                bank_reference: "?5",
                value_date: "?6",
                note: "?7",
                source: "?8",
                status: "?9",
                customer_id: "?10",
                expected_id: "?11",
                deposit_id: "?12",
                recorded_by: "?13",
                created_at: "?14",
                updated_at: "?14",
                bank_reference_key: "?15",
            ))?
            .change_row(
                params![
                    receipt.id.number(),
                    receipt.id.guard(),
                    merchant.0,
                    receipt.amount.minor(),
                    receipt.entry.reference,
                    receipt.entry.value_date.to_string(),
                    receipt.note,
                    receipt.source.into_str(),
                    receipt.status.into_str(),
                    receipt.customer.as_ref().map(CustomerId::as_str),
                    receipt.expected.as_ref().map(TransactionId::number),
                    receipt.deposit.as_ref().map(TransactionId::number),
                    receipt.recorded_by.as_ref().map(OperatorId::number),
                    receipt.created_at.millis(),
                    receipt.entry.reference_key(),
                ],
                "a receipt",
            )
    }

    /// Saves what changes of a receipt.
    pub fn save_receipt(&mut self, receipt: &Receipt) -> Result<(), Error> {
        let (customer, expected) = receipt.intended_for();
        self.connection
            .prepare(concat!(
                update_checked!(
                    "receipt",
                    status: "?2",
                    customer_id: "?3",
                    expected_id: "?4",
                    deposit_id: "?5",
                    updated_at: "?6",
                    asked_by: "?7",
                ),
                " WHERE id = ?1"
            ))?
            .change_row(
                params![
                    receipt.id.number(),
                    receipt.status.into_str(),
                    customer.map(CustomerId::as_str),
                    expected.as_ref().map(TransactionId::number),
                    receipt.deposit.as_ref().map(TransactionId::number),
                    receipt.updated_at.millis(),
                    receipt.asked.as_ref().map(|asked| asked.by.number()),
                ],
                "a receipt",
            )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::engine::sqlite::plans;

    #[test]
    fn mistakes_are_found_by_an_index() {
        let along = "SEARCH receipt USING INDEX receipt_of_merchant (merchant_id=? AND status=?)";
        assert_eq!(plans::of(MISTAKE)[0], along);
    }

    #[test]
    fn a_page_reads_no_other_rows() {
        let terms = "merchant_id=? AND status=? AND rowid<?";
        plans::assert_reads_its_page(PAGE, "receipt", terms);
        plans::assert_stays_in_index(COUNT, "receipt", terms);
    }
}
