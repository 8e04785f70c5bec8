//! Disputes and their statements.

use crate::domain::escrow::Escrow;
use crate::domain::escrow::dispute::{Dispute, Speaker, Statement};
use crate::domain::file::FileName;
use crate::domain::ids::EscrowId;
use crate::domain::time::Timestamp;
use crate::store::engine::error::Error;
use crate::store::engine::sql::params;
use crate::store::tables::checked::{insert_checked, update_checked};
use crate::store::tables::columns::{broken, row, stored_as_word};
use crate::store::tx::{Snapshot, Tx};

stored_as_word!(Speaker, "a speaker");

row! {
    struct StatementRow, statement_columns! {
        speaker: Speaker,
        name: Option<String>,
        message: String,
        proof: Option<FileName>,
        created_at: Timestamp,
    }
}

impl Snapshot<'_> {
    /// Returns the dispute over a disputed escrow, or the ruling alone.
    pub(crate) fn dispute(&self, escrow: EscrowId) -> Result<Dispute, Error> {
        let mut statement = self.connection.prepare(concat!(
            "SELECT ",
            statement_columns!(),
            " FROM dispute_statement WHERE escrow_id = ?1 ORDER BY position"
        ))?;
        let mut rows = statement.query(params![escrow.number()])?;
        let mut dispute: Option<Dispute> = None;
        while let Some(row) = rows.next()? {
            let row = StatementRow::read(row)?;
            let statement = Statement {
                name: row.name,
                message: row.message,
                proof: row.proof,
                at: row.created_at,
            };
            match &mut dispute {
                Some(dispute) => dispute.add(row.speaker, statement),
                None => dispute = Some(Dispute::new(row.speaker, statement)),
            }
        }
        dispute.ok_or_else(|| broken("a dispute with a statement", &escrow.to_string()))
    }
}

impl Tx<'_> {
    /// Saves the state of an open escrow's dispute and its newest statement.
    pub fn save_dispute(&mut self, escrow: &Escrow) -> Result<(), Error> {
        self.connection
            .prepare(concat!(
                update_checked!("escrow", dispute: "?2", updated_at: "?3"),
                " WHERE id = ?1 AND state = 'OPENED'"
            ))?
            .change_row(
                params![
                    escrow.id.number(),
                    escrow.status().into_str(),
                    escrow.updated_at.millis()
                ],
                "an open escrow",
            )?;
        self.insert_last_statement(escrow)
    }

    /// Saves the merchant's statement on its ruling, before the close of the open escrow.
    pub fn save_ruling(&mut self, escrow: &Escrow) -> Result<(), Error> {
        if !escrow.dispute().is_some_and(Dispute::is_between_parties) {
            self.connection
                .prepare(concat!(
                    update_checked!("escrow", dispute: "'RULED'"),
                    " WHERE id = ?1 AND state = 'OPENED' AND dispute IS NULL"
                ))?
                .change_row(params![escrow.id.number()], "an open escrow without a dispute")?;
        }
        self.insert_last_statement(escrow)
    }

    /// Inserts the newest statement of an escrow's dispute.
    fn insert_last_statement(&mut self, escrow: &Escrow) -> Result<(), Error> {
        let Some(dispute) = escrow.dispute() else {
            return Err(broken("a disputed escrow", &escrow.id.to_string()));
        };
        let (speaker, said) = dispute.last();
        self.reference_files(said.proof.as_slice())?;
        self.connection
            .prepare(insert_checked!(
                "dispute_statement",
                escrow_id: "?1",
                speaker: "?2",
                position: "?3",
                name: "?4",
                message: "?5",
                proof: "?6",
                created_at: "?7",
            ))?
            .change_row(
                params![
                    escrow.id.number(),
                    speaker.into_str(),
                    dispute.statements().count(),
                    said.name,
                    said.message,
                    said.proof.as_ref().map(FileName::to_string),
                    said.at.millis(),
                ],
                "a statement of a dispute",
            )
    }
}
