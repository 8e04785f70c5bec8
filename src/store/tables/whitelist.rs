//! Addresses that crypto withdrawals may go to.

use crate::domain::ids::{CustomerId, MerchantId, WhitelistAddressId};
use crate::domain::payments::whitelist::{EvmAddress, WhitelistAddress};
use crate::domain::time::Timestamp;
use crate::store::engine::error::Error;
use crate::store::engine::sql::{Row, params};
use crate::store::tables::columns::{broken, read_all, row};
use crate::store::tx::{Snapshot, Tx};

row! {
    struct AddressRow<'a>, address_columns! {
        id: i64,
        guard: u32,
        wallet_address: &'a str,
        label: Option<String>,
        created_at: Timestamp,
    }
}

fn read_address(row: Row<'_>) -> Result<WhitelistAddress, Error> {
    let row = AddressRow::read(row)?;
    let wallet_address = EvmAddress::parse(row.wallet_address);
    Ok(WhitelistAddress {
        id: WhitelistAddressId::new(row.id, row.guard),
        wallet_address: wallet_address.ok_or_else(|| broken("a wallet address", row.wallet_address))?,
        label: row.label,
        created_at: row.created_at,
    })
}

impl Snapshot<'_> {
    /// Returns a customer's whitelist, newest first.
    pub fn whitelist(&self, merchant: MerchantId, customer: &CustomerId) -> Result<Vec<WhitelistAddress>, Error> {
        let mut statement = self.connection.prepare(concat!(
            "SELECT ",
            address_columns!(),
            " FROM whitelist_address WHERE merchant_id = ?1 AND customer_id = ?2 ORDER BY id DESC"
        ))?;
        read_all(statement.query(params![merchant.0, customer.as_str()])?, read_address)
    }
}

impl Tx<'_> {
    /// Adds an address to a customer's whitelist, which must not have it yet.
    pub fn insert_whitelist_address(
        &mut self,
        merchant: MerchantId,
        customer: &CustomerId,
        address: &WhitelistAddress,
    ) -> Result<(), Error> {
        self.connection
            .prepare(
                "INSERT INTO whitelist_address (id, guard, merchant_id, customer_id, wallet_address, label, created_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )?
            .change_row(
                params![
                    address.id.number(),
                    address.id.guard(),
                    merchant.0,
                    customer.as_str(),
                    address.wallet_address.as_str(),
                    address.label,
                    address.created_at.millis()
                ],
                "a whitelisted address",
            )
    }

    /// Removes an address that exists from its whitelist.
    pub fn delete_whitelist_address(&mut self, address: WhitelistAddressId) -> Result<(), Error> {
        self.connection
            .prepare("DELETE FROM whitelist_address WHERE id = ?1")?
            .change_row(params![address.number()], "a whitelisted address")
    }
}
