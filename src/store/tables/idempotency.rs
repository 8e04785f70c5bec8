//! The first replies to requests that came with an idempotency key.

use rusqlite::params;

use crate::domain::idempotency::{IdempotencyKey, IdempotencyRecord, RequestFingerprint, SentReply};
use crate::domain::ids::{CustomerId, MerchantId};
use crate::domain::time::Timestamp;
use crate::store::engine::error::{Error, one_row};
use crate::store::tables::columns::{optional_customer_id_at, timestamp_at};
use crate::store::tx::{Snapshot, Tx};

/// A stored record that no longer counts.
#[derive(Clone, Copy, Debug)]
pub struct ExpiredRecord {
    id: i64,
    created_at: i64,
}

impl Snapshot<'_> {
    /// What a merchant's key was first used for, whether it still counts or not.
    pub fn idempotency_record(
        &self,
        merchant: MerchantId,
        key: &IdempotencyKey,
    ) -> Result<Option<IdempotencyRecord>, Error> {
        let mut statement = self.connection.prepare_cached(
            "SELECT route, customer_id, body_hash, status, body, created_at FROM idempotency_record
             WHERE merchant_id = ?1 AND key = ?2",
        )?;
        let mut rows = statement.query(params![merchant.0, key.as_str()])?;
        let Some(row) = rows.next()? else {
            return Ok(None);
        };
        Ok(Some(IdempotencyRecord {
            asked: RequestFingerprint {
                route: row.get(0)?,
                customer: optional_customer_id_at(row, 1)?,
                body_hash: row.get(2)?,
            },
            reply: SentReply {
                status: row.get(3)?,
                body: row.get(4)?,
            },
            created_at: timestamp_at(row, 5)?,
        }))
    }

    /// Records that are older than this by the clocks of their merchants, at most so
    /// many, when the file's time is `ledger_time`.
    pub fn expired_idempotency_records(
        &self,
        ledger_time: Timestamp,
        kept_seconds: i64,
        records_max: u32,
    ) -> Result<Vec<ExpiredRecord>, Error> {
        let mut statement = self.connection.prepare_cached(
            "SELECT record.id, record.created_at FROM merchant
             CROSS JOIN idempotency_record AS record ON merchant_id = merchant.id
             WHERE record.created_at <= ?1 + clock_offset_millis LIMIT ?2",
        )?;
        let newest_expired = ledger_time.millis() - kept_seconds * 1000;
        let rows = statement.query_map(params![newest_expired, records_max], |row| {
            Ok(ExpiredRecord {
                id: row.get(0)?,
                created_at: row.get(1)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

impl Tx<'_> {
    /// Keeps the first request under a key of the merchant's, in the place of one that no
    /// longer counts.
    pub fn save_idempotency_record(
        &mut self,
        merchant: MerchantId,
        key: &IdempotencyKey,
        record: &IdempotencyRecord,
    ) -> Result<(), Error> {
        let IdempotencyRecord {
            asked,
            reply,
            created_at,
        } = record;
        let changed = self
            .connection
            .prepare_cached(
                "INSERT INTO idempotency_record
                     (merchant_id, key, route, customer_id, body_hash, status, body, created_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
                 ON CONFLICT (merchant_id, key) DO UPDATE SET
                     route = excluded.route, customer_id = excluded.customer_id, body_hash = excluded.body_hash,
                     status = excluded.status, body = excluded.body, created_at = excluded.created_at",
            )?
            .execute(params![
                merchant.0,
                key.as_str(),
                asked.route,
                asked.customer.as_ref().map(CustomerId::as_str),
                asked.body_hash,
                reply.status,
                reply.body,
                created_at.millis()
            ])?;
        one_row(changed, "the place of an idempotency record")
    }

    /// Removes records that were found to have expired, unless a newer one has taken the
    /// place since.
    pub fn delete_idempotency_records(&mut self, expired: &[ExpiredRecord]) -> Result<(), Error> {
        let mut delete = self
            .connection
            .prepare_cached("DELETE FROM idempotency_record WHERE id = ?1 AND created_at = ?2")?;
        for record in expired {
            delete.execute([record.id, record.created_at])?;
        }
        Ok(())
    }
}
