//! Addresses that crypto withdrawals may go to.

use rusqlite::{Row, params};

use crate::domain::ids::{CustomerId, MerchantId, WhitelistAddressId};
use crate::domain::payments::whitelist::{EvmAddress, WhitelistAddress};
use crate::store::engine::error::{Error, one_row};
use crate::store::tables::columns::{broken, text_at, timestamp_at};
use crate::store::tx::{Snapshot, Tx};

impl Snapshot<'_> {
    /// A customer's whitelist, newest first.
    pub fn whitelist(&self, merchant: MerchantId, customer: &CustomerId) -> Result<Vec<WhitelistAddress>, Error> {
        let mut statement = self.connection.prepare_cached(
            "SELECT id, guard, wallet_address, label, created_at FROM whitelist_address
             WHERE merchant_id = ?1 AND customer_id = ?2 ORDER BY id DESC",
        )?;
        let mut rows = statement.query(params![merchant.0, customer.as_str()])?;
        let mut addresses = Vec::new();
        while let Some(row) = rows.next()? {
            addresses.push(read_address(row)?);
        }
        Ok(addresses)
    }
}

fn read_address(row: &Row<'_>) -> Result<WhitelistAddress, Error> {
    let address = text_at(row, 2)?;
    Ok(WhitelistAddress {
        id: WhitelistAddressId::new(row.get(0)?, row.get(1)?),
        wallet_address: EvmAddress::parse(address).ok_or_else(|| broken("a wallet address", address))?,
        label: row.get(3)?,
        created_at: timestamp_at(row, 4)?,
    })
}

impl Tx<'_> {
    /// An address that a customer's whitelist does not have yet.
    pub fn insert_whitelist_address(
        &mut self,
        merchant: MerchantId,
        customer: &CustomerId,
        address: &WhitelistAddress,
    ) -> Result<(), Error> {
        self.connection
            .prepare_cached(
                "INSERT INTO whitelist_address (id, guard, merchant_id, customer_id, wallet_address, label, created_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )?
            .execute(params![
                address.id.number(),
                address.id.guard(),
                merchant.0,
                customer.as_str(),
                address.wallet_address.as_str(),
                address.label,
                address.created_at.millis()
            ])?;
        Ok(())
    }

    /// Takes an address off its whitelist.
    pub fn delete_whitelist_address(&mut self, address: WhitelistAddressId) -> Result<(), Error> {
        let changed = self
            .connection
            .prepare_cached("DELETE FROM whitelist_address WHERE id = ?1")?
            .execute([address.number()])?;
        one_row(changed, "a whitelisted address")
    }
}
