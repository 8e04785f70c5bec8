//! Disputes: what was said.

use super::columns::{broken, optional_file_name_at, timestamp_at, word_at};
use super::error::Error;
use super::snapshot::Snapshot;
use crate::domain::dispute::{Dispute, Speaker, Statement};
use crate::domain::ids::EscrowId;

impl Snapshot<'_> {
    /// The dispute over a disputed escrow.
    pub(super) fn dispute(&self, escrow: EscrowId) -> Result<Dispute, Error> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT speaker, message, proof, created_at FROM dispute_statement WHERE escrow_id = ?1")?;
        let mut rows = statement.query([escrow.number()])?;
        let (mut buyer, mut seller, mut merchant) = (None, None, None);
        while let Some(row) = rows.next()? {
            let said = Statement {
                message: row.get(1)?,
                proof: optional_file_name_at(row, 2)?,
                at: timestamp_at(row, 3)?,
            };
            match word_at(row, 0, "a speaker", &Speaker::WORDS)? {
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
