//! Vaults: rows of the table `escrow`, and their stakes.

use crate::domain::escrow::terms::{DeliveryTimeline, MAX_DELIVERY_DEFAULT};
use crate::domain::escrow::vault::{Stake, Vault, VaultProgress};
use crate::domain::fees::WhoPays;
use crate::domain::ids::{CustomerId, EscrowId};
use crate::domain::money::Amount;
use crate::store::engine::error::Error;
use crate::store::engine::sql::params;
use crate::store::tables::checked::{insert_checked, update_checked};
use crate::store::tables::columns::{broken, read_all, row};
use crate::store::tables::deal_row::DealRow;
use crate::store::tx::{Snapshot, Tx};

row! {
    struct StakeRow, stake_columns! {
        customer_id: CustomerId,
        amount: Amount,
    }
}

impl Snapshot<'_> {
    /// Returns the vault of this row.
    pub(crate) fn vault_of_row(&self, row: DealRow<'_>) -> Result<Vault, Error> {
        let id = row.escrow_id();
        let fee = row.fee()?;
        let at = row.updated_at;
        let progress = match (row.state, row.winner_id) {
            ("OPENED", None) => VaultProgress::Opened,
            ("CLOSED", Some(winner)) => VaultProgress::Won { winner, at },
            ("CLOSED", None) => VaultProgress::Cancelled { at },
            (other, _) => return Err(broken("the state of a vault", other)),
        };
        Ok(Vault {
            id,
            merchant: row.merchant_id,
            payment_token: row.payment_token,
            purpose: row.purpose,
            description: row.description,
            category: self.category_of_number(row.category_id)?,
            fee,
            stakes: self.stakes(id)?,
            progress,
            created_at: row.created_at,
        })
    }

    fn stakes(&self, vault: EscrowId) -> Result<Vec<Stake>, Error> {
        let mut statement = self.connection.prepare(concat!(
            "SELECT ",
            stake_columns!(),
            " FROM vault_stake WHERE escrow_id = ?1 ORDER BY position"
        ))?;
        read_all(statement.query(params![vault.number()])?, |row| {
            let row = StakeRow::read(row)?;
            Ok(Stake {
                customer: row.customer_id,
                amount: row.amount,
            })
        })
    }
}

impl Tx<'_> {
    /// Inserts a vault with its stakes. Columns that have no meaning for a vault get the
    /// defaults of an escrow: the seller pays the fee, which comes out of the pot, and the
    /// delivery window is the default one.
    pub fn insert_vault(&mut self, vault: &Vault) -> Result<(), Error> {
        self.connection
            .prepare(insert_checked!(
                "escrow",
                id: "?1",
                guard: "?2",
                merchant_id: "?3",
                payment_token: "?4",
                settlement_type: "'VAULT'",
                amount: "?5",
                purpose: "?6",
                description: "?7",
                category_id: "?8",
                who_pays: "?9",
                max_delivery: "?10",
                delivery_timeline: "?11",
                total_quantity: "1",
                is_link: "0",
                fee: "?12",
                commission: "?13",
                buyer_fee: "?14",
                additional_fee: "0",
                additional_fee_refundable: "1",
                state: "'OPENED'",
                paid_at: "?15",
                created_at: "?15",
                updated_at: "?15",
            ))?
            .change_row(
                params![
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
                ],
                "a vault",
            )?;
        self.insert_stakes(vault)
    }

    fn insert_stakes(&mut self, vault: &Vault) -> Result<(), Error> {
        let mut statement = self.connection.prepare(insert_checked!(
            "vault_stake",
            escrow_id: "?1",
            position: "?2",
            merchant_id: "?3",
            customer_id: "?4",
            amount: "?5",
        ))?;
        for (position, stake) in (0_i64..).zip(&vault.stakes) {
            statement.change_row(
                params![
                    vault.id.number(),
                    position,
                    vault.merchant.0,
                    stake.customer.as_str(),
                    stake.amount.minor(),
                ],
                "a stake of a vault",
            )?;
        }
        Ok(())
    }

    /// Saves the close of an open vault.
    pub fn save_vault_close(&mut self, vault: &Vault) -> Result<(), Error> {
        let (winner, closed_as) = match &vault.progress {
            VaultProgress::Opened => return Err(broken("a settled vault", "an open one")),
            VaultProgress::Won { winner, .. } => (Some(winner), None),
            VaultProgress::Cancelled { .. } => (None, Some("REFUNDED")),
        };
        self.connection
            .prepare(concat!(
                update_checked!("escrow", state: "'CLOSED'", winner_id: "?2", closed_as: "?3", updated_at: "?4"),
                " WHERE id = ?1 AND state = 'OPENED'"
            ))?
            .change_row(
                params![
                    vault.id.number(),
                    winner.map(CustomerId::as_str),
                    closed_as,
                    self.now().millis()
                ],
                "an open vault",
            )
    }
}
