//! What subscribers are told.

use rusqlite::params;

use super::error::Error;
use super::snapshot::Tx;
use crate::domain::ids::{EscrowId, EventId, MerchantId, TransactionId};

/// An event as it is written down, once and for ever the same.
#[derive(Clone, Copy, Debug)]
pub struct NewEvent<'a> {
    /// Its id.
    pub id: EventId,
    /// Whose it is.
    pub merchant: MerchantId,
    /// Its name on the wire.
    pub name: &'a str,
    /// The escrow it is about, or the only one that its transaction is about.
    pub escrow: Option<EscrowId>,
    /// The transaction it is about.
    pub transaction: Option<TransactionId>,
    /// The bytes that subscribers get.
    pub payload: &'a str,
}

impl Tx<'_> {
    /// Writes an event down, as of now.
    pub fn insert_event(&mut self, event: &NewEvent<'_>) -> Result<(), Error> {
        self.connection
            .prepare_cached(
                "INSERT INTO event (id, guard, merchant_id, name, escrow_id, transaction_id, created_at, payload)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            )?
            .execute(params![
                event.id.number(),
                event.id.guard(),
                event.merchant.0,
                event.name,
                event.escrow.as_ref().map(EscrowId::number),
                event.transaction.as_ref().map(TransactionId::number),
                self.now().millis(),
                event.payload,
            ])?;
        Ok(())
    }
}
