//! Vaults: rows of the escrow table with the stakes beside them.

use rusqlite::{Row, params};

use crate::domain::escrow::terms::{DeliveryTimeline, MAX_DELIVERY_DEFAULT};
use crate::domain::escrow::vault::{Stake, Vault, VaultProgress};
use crate::domain::fees::WhoPays;
use crate::domain::ids::{CustomerId, EscrowId, MerchantId, PaymentToken};
use crate::store::engine::error::{Error, one_row};
use crate::store::tables::columns::{
    amount_at, broken, customer_id_at, optional_customer_id_at, text_at, timestamp_at,
};
use crate::store::tables::escrows::{escrow_id_at, fee_at};
use crate::store::tx::{Snapshot, Tx};

impl Snapshot<'_> {
    /// A vault, from columns as escrows have them.
    pub(crate) fn read_vault(&self, row: &Row<'_>) -> Result<Vault, Error> {
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

impl Tx<'_> {
    /// A new vault with its stakes. What it has no say in stands as when nobody
    /// says: the fee is out of the pot, delivery is what it is by default.
    pub fn insert_vault(&mut self, vault: &Vault) -> Result<(), Error> {
        self.connection
            .prepare_cached(
                "INSERT INTO escrow (id, guard, merchant_id, payment_token, settlement_type, amount, purpose, description,
                     category_id, who_pays, max_delivery, delivery_timeline, total_quantity, is_link,
                     fee, commission, buyer_fee, state, paid_at, created_at, updated_at)
                 VALUES (?1, ?2, ?3, ?4, 'VAULT', ?5, ?6, ?7, ?8, ?9, ?10, ?11, 1, 0, ?12, ?13, ?14, 'OPENED',
                     ?15, ?15, ?15)",
            )?
            .execute(params![
                vault.id.number(),
                vault.id.guard(),
                vault.merchant.0,
                vault.payment_token.as_str(),
                vault.pot().minor(),
                vault.purpose,
                vault.description,
                vault.category.as_ref().map(|category| category.id.number()),
                WhoPays::Seller.into_str(),
                MAX_DELIVERY_DEFAULT,
                DeliveryTimeline::Days.into_str(),
                vault.fee.total().minor(),
                vault.fee.commission().minor(),
                vault.fee.buyer_share().minor(),
                vault.created_at.millis(),
            ])?;
        self.insert_stakes(vault)
    }

    fn insert_stakes(&mut self, vault: &Vault) -> Result<(), Error> {
        let mut statement = self.connection.prepare_cached(
            "INSERT INTO vault_stake (escrow_id, position, merchant_id, customer_id, amount) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?;
        for (position, stake) in (0_i64..).zip(&vault.stakes) {
            statement.execute(params![
                vault.id.number(),
                position,
                vault.merchant.0,
                stake.customer.as_str(),
                stake.amount.minor(),
            ])?;
        }
        Ok(())
    }

    /// The vault was settled.
    pub fn save_vault_close(&mut self, vault: &Vault) -> Result<(), Error> {
        let (winner, closed_as) = match &vault.progress {
            VaultProgress::Opened => return Err(broken("a settled vault", "an open one")),
            VaultProgress::Won { winner, .. } => (Some(winner), None),
            VaultProgress::Cancelled { .. } => (None, Some("REFUNDED")),
        };
        let changed = self
            .connection
            .prepare_cached(
                "UPDATE escrow SET state = 'CLOSED', winner_id = ?2, closed_as = ?3, updated_at = ?4
                 WHERE id = ?1 AND state = 'OPENED'",
            )?
            .execute(params![
                vault.id.number(),
                winner.map(CustomerId::as_str),
                closed_as,
                self.now().millis()
            ])?;
        one_row(changed, "an open vault")
    }
}
