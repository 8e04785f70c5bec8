//! The rulings on large holds that one operator has asked for.

use crate::domain::escrow::dispute::{AskedRuling, Resolution};
use crate::domain::ids::{EscrowId, MerchantId, OperatorId};
use crate::domain::money::Amount;
use crate::store::engine::error::Error;
use crate::store::engine::sql::{Row, params};
use crate::store::tables::checked::insert_checked;
use crate::store::tables::columns::{broken, read_all, row, stored_as_word};
use crate::store::tx::{Snapshot, Tx};

stored_as_word!(Resolution, "the kind of a ruling");

row! {
    struct AskedRow, asked_columns! {
        operator_id: i64 = "asked_by",
        operator_guard: u32 = "operator.guard",
        status: Resolution = "asked_ruling.status",
        seller_amount: Option<Amount> = "asked_ruling.seller_amount",
        buyer_amount: Option<Amount> = "asked_ruling.buyer_amount",
        additional_fee_refundable: Option<bool> = "asked_ruling.additional_fee_refundable",
    }
}

fn read_asked(row: Row<'_>) -> Result<AskedRuling, Error> {
    let row = AskedRow::read(row)?;
    let ruling = row.status.with_amounts(row.seller_amount, row.buyer_amount);
    let ruling = ruling.map_err(|refusal| broken("the amounts of a ruling", &refusal.to_string()))?;
    Ok(AskedRuling {
        by: OperatorId::new(row.operator_id, row.operator_guard),
        ruling: ruling.with_additional_fee(row.additional_fee_refundable),
    })
}

impl Snapshot<'_> {
    /// Returns the ruling on an open escrow that one operator has asked for, unless that one was
    /// revoked since.
    pub fn asked_ruling(&self, escrow: EscrowId) -> Result<Option<AskedRuling>, Error> {
        let mut statement = self.connection.prepare(concat!(
            "SELECT ",
            asked_columns!(),
            " FROM asked_ruling JOIN operator ON operator.id = asked_by JOIN escrow ON escrow.id = escrow_id
              WHERE escrow_id = ?1 AND state = 'OPENED' AND operator.revoked_at IS NULL"
        ))?;
        statement.first(params![escrow.number()], read_asked)
    }

    /// Returns the escrows of all merchants for which [`Snapshot::asked_ruling`] has a ruling, oldest
    /// first, each with its merchant and purpose.
    pub fn escrows_with_asked_ruling(&self) -> Result<Vec<(MerchantId, EscrowId, String)>, Error> {
        let mut statement = self.connection.prepare(
            "SELECT merchant_id, escrow.id, escrow.guard, purpose
             FROM asked_ruling JOIN operator ON operator.id = asked_by JOIN escrow ON escrow.id = escrow_id
             WHERE state = 'OPENED' AND operator.revoked_at IS NULL ORDER BY escrow.id",
        )?;
        read_all(statement.query(params![])?, |row| {
            Ok((row.get(0)?, EscrowId::new(row.get(1)?, row.get(2)?), row.get(3)?))
        })
    }
}

impl Tx<'_> {
    /// Saves the ruling that an operator asks for, in the place of another one.
    pub fn save_asked_ruling(&mut self, escrow: EscrowId, asked: &AskedRuling) -> Result<(), Error> {
        let (status, amounts, additional_fee_refundable) = asked.ruling.parts();
        let (seller, buyer) = amounts.unzip();
        self.connection
            .prepare(concat!(
                insert_checked!(
                    "asked_ruling",
                    escrow_id: "?1",
                    asked_by: "?2",
                    status: "?3",
                    seller_amount: "?4",
                    buyer_amount: "?5",
                    additional_fee_refundable: "?6",
                ),
                " ON CONFLICT (escrow_id) DO UPDATE SET asked_by = excluded.asked_by, status = excluded.status,
                     seller_amount = excluded.seller_amount, buyer_amount = excluded.buyer_amount,
                     additional_fee_refundable = excluded.additional_fee_refundable
                     /*sqlite*/, checksum = excluded.checksum/*end*/"
            ))?
            .change_row(
                params![
                    escrow.number(),
                    asked.by.number(),
                    status.into_str(),
                    seller.map(Amount::minor),
                    buyer.map(Amount::minor),
                    additional_fee_refundable,
                ],
                "a ruling that is asked for",
            )
    }

    /// Forgets the ruling on an escrow that an operator has asked for.
    pub fn delete_asked_ruling(&mut self, escrow: EscrowId) -> Result<(), Error> {
        self.connection
            .prepare("DELETE FROM asked_ruling WHERE escrow_id = ?1")?
            .change_row(params![escrow.number()], "a ruling that is asked for")
    }
}
