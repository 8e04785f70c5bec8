//! Disputes: what was said.

use rusqlite::params;

use crate::domain::escrow::Escrow;
use crate::domain::escrow::dispute::{Dispute, Speaker, Statement};
use crate::domain::file::FileName;
use crate::domain::ids::EscrowId;
use crate::store::engine::error::{Error, one_row};
use crate::store::tables::columns::{broken, optional_file_name_at, timestamp_at, word_at};
use crate::store::tx::{Snapshot, Tx};

impl Snapshot<'_> {
    /// The dispute over a disputed escrow.
    pub(crate) fn dispute(&self, escrow: EscrowId) -> Result<Dispute, Error> {
        let mut statement = self.connection.prepare_cached(
            "SELECT speaker, message, proof, created_at, name FROM dispute_statement WHERE escrow_id = ?1",
        )?;
        let mut rows = statement.query([escrow.number()])?;
        let (mut buyer, mut seller, mut merchant) = (None, None, None);
        while let Some(row) = rows.next()? {
            let said = Statement {
                name: row.get(4)?,
                message: row.get(1)?,
                proof: optional_file_name_at(row, 2)?,
                at: timestamp_at(row, 3)?,
            };
            match word_at(row, 0, "a speaker")? {
                Speaker::Buyer => buyer = Some(said),
                Speaker::Seller => seller = Some(said),
                Speaker::Merchant => merchant = Some(said),
            }
        }
        Ok(Dispute {
            buyer: buyer.ok_or_else(|| broken("a dispute that the buyer opened", &escrow.to_string()))?,
            seller,
            merchant,
        })
    }
}

impl Tx<'_> {
    /// An open escrow's dispute went on: how far it is, and what was said last.
    pub fn save_dispute(&mut self, escrow: &Escrow) -> Result<(), Error> {
        let changed = self
            .connection
            .prepare_cached("UPDATE escrow SET dispute = ?2, updated_at = ?3 WHERE id = ?1 AND state = 'OPENED'")?
            .execute(params![
                escrow.id.number(),
                escrow.status().into_str(),
                escrow.updated_at.millis()
            ])?;
        one_row(changed, "an open escrow")?;
        self.insert_last_statement(escrow)
    }

    /// What was said last in an escrow's dispute.
    pub fn insert_last_statement(&mut self, escrow: &Escrow) -> Result<(), Error> {
        let Some(dispute) = escrow.dispute() else {
            return Err(broken("a disputed escrow", &escrow.id.to_string()));
        };
        let (speaker, said) = dispute.last();
        self.reference_files(said.proof.as_slice())?;
        self.connection
            .prepare_cached(
                "INSERT INTO dispute_statement (escrow_id, speaker, name, message, proof, created_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?
            .execute(params![
                escrow.id.number(),
                speaker.into_str(),
                said.name,
                said.message,
                said.proof.as_ref().map(FileName::to_string),
                said.at.millis(),
            ])?;
        Ok(())
    }
}
