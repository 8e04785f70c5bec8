//! Vaults: rows of the escrow table with the stakes beside them.

use rusqlite::Row;

use super::columns::{amount_at, broken, customer_id_at, optional_customer_id_at, text_at, timestamp_at};
use super::error::Error;
use super::escrows::{escrow_id_at, fee_at};
use super::snapshot::Snapshot;
use crate::domain::ids::{EscrowId, MerchantId, PaymentToken};
use crate::domain::vault::{Stake, Vault, VaultProgress};

impl Snapshot<'_> {
    /// A vault, from columns as escrows have them.
    pub(super) fn read_vault(&self, row: &Row<'_>) -> Result<Vault, Error> {
        let id = escrow_id_at(row)?;
        let at = timestamp_at(row, 24)?;
        let progress = match (text_at(row, 16)?, optional_customer_id_at(row, 34)?) {
            ("OPENED", None) => VaultProgress::Opened,
            ("CLOSED", Some(winner)) => VaultProgress::Won { winner, at },
            ("CLOSED", None) => VaultProgress::Cancelled { at },
            (other, _) => return Err(broken("the state of a vault", other)),
        };
        Ok(Vault {
            id,
            merchant: MerchantId(row.get(2)?),
            payment_token: PaymentToken::named(text_at(row, 3)?),
            purpose: row.get(7)?,
            description: row.get(8)?,
            category: self.optional_category_at(row, 26)?,
            fee: fee_at(row)?,
            stakes: self.stakes(id)?,
            progress,
            created_at: timestamp_at(row, 23)?,
        })
    }

    fn stakes(&self, vault: EscrowId) -> Result<Vec<Stake>, Error> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT customer_id, amount FROM vault_stake WHERE escrow_id = ?1 ORDER BY position")?;
        let mut rows = statement.query([vault.number()])?;
        let mut stakes = Vec::new();
        while let Some(row) = rows.next()? {
            stakes.push(Stake {
                customer: customer_id_at(row, 0)?,
                amount: amount_at(row, 1)?,
            });
        }
        Ok(stakes)
    }
}
