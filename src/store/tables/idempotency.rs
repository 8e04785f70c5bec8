//! Idempotency records: the first request under each idempotency key, and its reply.

use crate::domain::idempotency::{IdempotencyKey, IdempotencyRecord, Principal, RequestFingerprint, StoredReply};
use crate::domain::ids::{CustomerId, MerchantId, OperatorId};
use crate::domain::time::Timestamp;
use crate::store::engine::error::Error;
use crate::store::engine::packing;
use crate::store::engine::sql::params;
use crate::store::tables::columns::{Packed, broken, read_all, row};
use crate::store::tx::{Snapshot, Tx};

/// An idempotency record that has expired.
#[derive(Clone, Copy, Debug)]
pub struct ExpiredRecord {
    id: i64,
    created_at: i64,
}

row! {
    struct RecordRow<'a>, record_columns! {
        route: String,
        customer_id: Option<String>,
        body_hash: [u8; 32],
        status: u16,
        body: Packed<'a>,
        created_at: Timestamp,
    }
}

row! {
    struct ExpiredRow, expired_columns! {
        id: i64 = "record.id",
        created_at: i64 = "record.created_at",
    }
}

impl Snapshot<'_> {
    /// Returns the record under a merchant's idempotency key, even if it has expired.
    pub fn idempotency_record(
        &self,
        merchant: MerchantId,
        key: &IdempotencyKey,
    ) -> Result<Option<IdempotencyRecord>, Error> {
        let mut statement = self.connection.prepare(concat!(
            "SELECT ",
            record_columns!(),
            " FROM idempotency_record WHERE merchant_id = ?1 AND key = ?2"
        ))?;
        statement.first(params![merchant.0, key.as_str()], |row| {
            let row = RecordRow::read(row)?;
            let body = row.body.unpack();
            Ok(IdempotencyRecord {
                fingerprint: RequestFingerprint {
                    route: row.route,
                    principal: principal_of(row.customer_id)?,
                    body_hash: row.body_hash,
                },
                reply: StoredReply {
                    status: row.status,
                    body: body.ok_or_else(|| broken("a packed text", "the reply of an idempotency record"))?,
                },
                created_at: row.created_at,
            })
        })
    }

    /// Returns at most `records_max` records that are `kept_seconds` old or older, each by
    /// its merchant's clock, at this ledger time.
    pub fn expired_idempotency_records(
        &self,
        ledger_time: Timestamp,
        kept_seconds: i64,
        records_max: u32,
    ) -> Result<Vec<ExpiredRecord>, Error> {
        let mut statement = self.connection.prepare(concat!(
            "SELECT ",
            expired_columns!(),
            " FROM merchant CROSS JOIN idempotency_record AS record ON merchant_id = merchant.id
             WHERE record.created_at <= ?1 + clock_offset_millis LIMIT ?2"
        ))?;
        let newest_expired = ledger_time.millis() - kept_seconds * 1000;
        read_all(statement.query(params![newest_expired, records_max])?, |row| {
            let row = ExpiredRow::read(row)?;
            Ok(ExpiredRecord {
                id: row.id,
                created_at: row.created_at,
            })
        })
    }
}

/// The column's text of an operator begins with it. No customer id has a space.
const OPERATOR: &str = "operator ";

/// Returns the text of the column `customer_id`.
fn text_of(principal: &Principal) -> Option<String> {
    match principal {
        Principal::Merchant => None,
        Principal::Customer(customer) => Some(customer.as_str().to_owned()),
        Principal::Operator(operator) => Some(format!("{OPERATOR}{operator}")),
    }
}

fn principal_of(text: Option<String>) -> Result<Principal, Error> {
    let Some(text) = text else {
        return Ok(Principal::Merchant);
    };
    let principal = match text.strip_prefix(OPERATOR) {
        Some(operator) => OperatorId::parse(operator).map(Principal::Operator),
        None => CustomerId::parse(&text).map(Principal::Customer),
    };
    principal.ok_or_else(|| broken("a customer or an operator", "an idempotency record"))
}

impl Tx<'_> {
    /// Saves the first request under a merchant's idempotency key, in place of an expired
    /// one.
    pub fn save_idempotency_record(
        &mut self,
        merchant: MerchantId,
        key: &IdempotencyKey,
        record: &IdempotencyRecord,
    ) -> Result<(), Error> {
        let IdempotencyRecord {
            fingerprint,
            reply,
            created_at,
        } = record;
        self.connection
            .prepare(
                "INSERT INTO idempotency_record
                     (merchant_id, key, route, customer_id, body_hash, status, body, created_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
                 ON CONFLICT (merchant_id, key) DO UPDATE SET
                     route = excluded.route, customer_id = excluded.customer_id, body_hash = excluded.body_hash,
                     status = excluded.status, body = excluded.body, created_at = excluded.created_at",
            )?
            .change_row(
                params![
                    merchant.0,
                    key.as_str(),
                    fingerprint.route,
                    text_of(&fingerprint.principal),
                    fingerprint.body_hash,
                    reply.status,
                    packing::pack(&reply.body),
                    created_at.millis()
                ],
                "the place of an idempotency record",
            )
    }

    /// Removes expired records, except those replaced since they were read.
    pub fn delete_idempotency_records(&mut self, expired: &[ExpiredRecord]) -> Result<(), Error> {
        let mut delete = self
            .connection
            .prepare("DELETE FROM idempotency_record WHERE id = ?1 AND created_at = ?2")?;
        for record in expired {
            delete.execute(params![record.id, record.created_at])?;
        }
        Ok(())
    }
}
