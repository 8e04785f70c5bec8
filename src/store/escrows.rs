//! Escrows and their milestones.

use rusqlite::{Row, params};

use super::columns::{
    amount_at, broken, customer_id_at, optional_customer_id_at, optional_date_at, reference_at, text_at, timestamp_at,
    word_at,
};
use super::error::{Error, one_row};
use super::snapshot::{Snapshot, Tx};
use crate::domain::escrow::{Escrow, Funding, Plan, Progress};
use crate::domain::fees::{Fee, WhoPays};
use crate::domain::ids::{CustomerId, EscrowId, EscrowKey, MerchantId, MilestoneId, PaymentToken, TransactionId};
use crate::domain::milestone::{Milestone, MilestoneStatus};
use crate::domain::payment::FundingPayment;
use crate::domain::terms::{DeliveryTimeline, MilestoneTerms, Terms};

const STANDARD: &str = "STANDARD";
const MILESTONE: &str = "MILESTONE";

/// Columns in the order that [`Snapshot::read_escrow`] reads them.
macro_rules! select_escrow {
    ($condition:literal) => {
        concat!(
            "SELECT id, guard, merchant_id, payment_token, seller_id, settlement_type,
                    amount, purpose, description, who_pays, max_delivery, delivery_timeline, total_quantity,
                    fee, commission, buyer_fee,
                    state, buyer_id, payment_id, payment_guard, payment_reference, payment_amount, paid_at,
                    created_at, updated_at
             FROM escrow WHERE ",
            $condition
        )
    };
}

impl Snapshot<'_> {
    /// A merchant's escrow; another merchant's is as good as none.
    pub fn escrow(&self, merchant: MerchantId, key: &EscrowKey) -> Result<Option<Escrow>, Error> {
        let escrow = match key {
            EscrowKey::Id(id) => self.escrow_by_id(*id),
            EscrowKey::Token(token) => self.one_escrow(select_escrow!("payment_token = ?1"), [token.as_str()]),
        }?;
        Ok(escrow.filter(|escrow| escrow.merchant == merchant))
    }

    /// The escrow of this id, whoever's it is.
    pub(super) fn escrow_by_id(&self, id: EscrowId) -> Result<Option<Escrow>, Error> {
        self.one_escrow(select_escrow!("id = ?1 AND guard = ?2"), (id.number(), id.guard()))
    }

    /// Whether any merchant has this escrow.
    pub fn is_anyones_escrow(&self, key: &EscrowKey) -> Result<bool, Error> {
        let exists = match key {
            EscrowKey::Id(id) => self
                .connection
                .prepare_cached("SELECT 1 FROM escrow WHERE id = ?1 AND guard = ?2")?
                .exists((id.number(), id.guard())),
            EscrowKey::Token(token) => self
                .connection
                .prepare_cached("SELECT 1 FROM escrow WHERE payment_token = ?1")?
                .exists([token.as_str()]),
        };
        exists.map_err(Error::from)
    }

    /// The escrows that one payment funded, in the order they were offered.
    pub fn escrows_of_payment(&self, payment: TransactionId) -> Result<Vec<Escrow>, Error> {
        let mut statement = self
            .connection
            .prepare_cached(select_escrow!("payment_id = ?1 ORDER BY id"))?;
        let mut rows = statement.query([payment.number()])?;
        let mut escrows = Vec::new();
        while let Some(row) = rows.next()? {
            escrows.push(self.read_escrow(row)?);
        }
        Ok(escrows)
    }

    fn one_escrow(&self, sql: &str, key: impl rusqlite::Params) -> Result<Option<Escrow>, Error> {
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query(key)?;
        rows.next()?.map(|row| self.read_escrow(row)).transpose()
    }

    fn read_escrow(&self, row: &Row<'_>) -> Result<Escrow, Error> {
        let id = EscrowId::new(row.get(0)?, row.get(1)?);
        let is_standard = word_at(row, 5, "a settlement type", &[(STANDARD, true), (MILESTONE, false)])?;
        let plan = if is_standard {
            Plan::Standard
        } else {
            Plan::Milestones(self.milestones(id)?)
        };
        let (total, commission, buyer_fee) = (amount_at(row, 13)?, amount_at(row, 14)?, amount_at(row, 15)?);
        let mut escrow = Escrow {
            id,
            merchant: MerchantId(row.get(2)?),
            payment_token: PaymentToken::named(text_at(row, 3)?),
            seller: customer_id_at(row, 4)?,
            terms: Terms {
                amount: amount_at(row, 6)?,
                purpose: row.get(7)?,
                description: row.get(8)?,
                who_pays: word_at(row, 9, "who pays", &WhoPays::WORDS)?,
                max_delivery: row.get(10)?,
                delivery_timeline: word_at(row, 11, "a delivery timeline", &DeliveryTimeline::WORDS)?,
                total_quantity: row.get(12)?,
            },
            fee: Fee::from_parts(total, commission, buyer_fee)
                .ok_or_else(|| broken("a fee that its parts fit in", &total.to_string()))?,
            plan,
            progress: read_progress(row)?,
            created_at: timestamp_at(row, 23)?,
            updated_at: timestamp_at(row, 24)?,
        };
        // A release changes the milestone's row only; see schema.sql.
        let newest_release = escrow.milestones().iter().filter_map(Milestone::released_at).max();
        escrow.updated_at = newest_release.map_or(escrow.updated_at, |at| at.max(escrow.updated_at));
        Ok(escrow)
    }

    fn milestones(&self, escrow: EscrowId) -> Result<Vec<Milestone>, Error> {
        let mut statement = self.connection.prepare_cached(
            "SELECT id, guard, title, description, amount, due_date, beneficiary_id, is_released, updated_at
             FROM milestone WHERE id > ?1 AND id < ?1 + 1024 ORDER BY id",
        )?;
        let mut rows = statement.query([escrow.number()])?;
        let mut milestones = Vec::new();
        while let Some(row) = rows.next()? {
            milestones.push(Milestone {
                id: MilestoneId::new(row.get(0)?, row.get(1)?),
                terms: MilestoneTerms {
                    title: row.get(2)?,
                    description: row.get(3)?,
                    amount: amount_at(row, 4)?,
                    due_date: optional_date_at(row, 5)?,
                    beneficiary: optional_customer_id_at(row, 6)?,
                },
                status: if row.get(7)? {
                    MilestoneStatus::Released(timestamp_at(row, 8)?)
                } else {
                    MilestoneStatus::Pending
                },
            });
        }
        Ok(milestones)
    }
}

fn read_progress(row: &Row<'_>) -> Result<Progress, Error> {
    let Some(buyer) = optional_customer_id_at(row, 17)? else {
        return Ok(Progress::AwaitingPayment);
    };
    let funding = Funding {
        buyer,
        payment: FundingPayment {
            id: TransactionId::new(row.get(18)?, row.get(19)?),
            reference: reference_at(row, 20)?,
            amount: amount_at(row, 21)?,
        },
        paid_at: timestamp_at(row, 22)?,
    };
    if word_at(row, 16, "a state with a buyer", &[("OPENED", true), ("CLOSED", false)])? {
        Ok(Progress::Opened(funding))
    } else {
        let completed_at = timestamp_at(row, 24)?;
        Ok(Progress::Completed { funding, completed_at })
    }
}

impl Tx<'_> {
    /// A new escrow that awaits payment, with its milestones.
    pub fn insert_escrow(&mut self, escrow: &Escrow) -> Result<(), Error> {
        let terms = &escrow.terms;
        self.connection
            .prepare_cached(
                "INSERT INTO escrow (id, guard, merchant_id, payment_token, seller_id, settlement_type,
                     amount, purpose, description, who_pays, max_delivery, delivery_timeline, total_quantity,
                     fee, commission, buyer_fee, state, created_at, updated_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16,
                     'AWAITING_PAYMENT', ?17, ?18)",
            )?
            .execute(params![
                escrow.id.number(),
                escrow.id.guard(),
                escrow.merchant.0,
                escrow.payment_token.as_str(),
                escrow.seller.as_str(),
                if escrow.plan == Plan::Standard {
                    STANDARD
                } else {
                    MILESTONE
                },
                terms.amount.minor(),
                terms.purpose,
                terms.description,
                terms.who_pays.as_str(),
                terms.max_delivery,
                terms.delivery_timeline.as_str(),
                terms.total_quantity,
                escrow.fee.total().minor(),
                escrow.fee.commission().minor(),
                escrow.fee.buyer_share().minor(),
                escrow.created_at.millis(),
                escrow.updated_at.millis(),
            ])?;
        self.insert_milestones(escrow)
    }

    /// New terms and milestones in place of the old; the escrow awaits payment.
    pub fn replace_terms(&mut self, escrow: &Escrow) -> Result<(), Error> {
        let terms = &escrow.terms;
        let changed = self
            .connection
            .prepare_cached(
                "UPDATE escrow SET amount = ?2, purpose = ?3, description = ?4, who_pays = ?5, max_delivery = ?6,
                     delivery_timeline = ?7, total_quantity = ?8, fee = ?9, commission = ?10, buyer_fee = ?11,
                     updated_at = ?12
                 WHERE id = ?1 AND state = 'AWAITING_PAYMENT'",
            )?
            .execute(params![
                escrow.id.number(),
                terms.amount.minor(),
                terms.purpose,
                terms.description,
                terms.who_pays.as_str(),
                terms.max_delivery,
                terms.delivery_timeline.as_str(),
                terms.total_quantity,
                escrow.fee.total().minor(),
                escrow.fee.commission().minor(),
                escrow.fee.buyer_share().minor(),
                escrow.updated_at.millis(),
            ])?;
        one_row(changed, "an escrow awaiting payment")?;
        self.connection
            .prepare_cached("DELETE FROM milestone WHERE id > ?1 AND id < ?1 + 1024")?
            .execute([escrow.id.number()])?;
        self.insert_milestones(escrow)
    }

    /// The escrow was funded.
    pub fn save_funding(&mut self, escrow: &Escrow) -> Result<(), Error> {
        let Some(funding) = escrow.funding() else {
            return Err(broken("a funded escrow", "an unfunded one"));
        };
        let changed = self
            .connection
            .prepare_cached(
                "UPDATE escrow SET state = 'OPENED', buyer_id = ?2, payment_id = ?3,
                     payment_guard = ?4, payment_reference = ?5, payment_amount = ?6, paid_at = ?7, updated_at = ?8
                 WHERE id = ?1 AND state = 'AWAITING_PAYMENT'",
            )?
            .execute(params![
                escrow.id.number(),
                funding.buyer.as_str(),
                funding.payment.id.number(),
                funding.payment.id.guard(),
                funding.payment.reference.as_str(),
                funding.payment.amount.minor(),
                funding.paid_at.millis(),
                escrow.updated_at.millis(),
            ])?;
        one_row(changed, "an escrow awaiting payment")
    }

    /// One milestone was released now.
    pub fn save_release(&mut self, milestone: MilestoneId) -> Result<(), Error> {
        let changed = self
            .connection
            .prepare_cached("UPDATE milestone SET is_released = 1, updated_at = ?2 WHERE id = ?1 AND is_released = 0")?
            .execute(params![milestone.number(), self.now().millis()])?;
        one_row(changed, "a pending milestone")
    }

    /// The escrow was completed.
    pub fn save_completion(&mut self, escrow: &Escrow) -> Result<(), Error> {
        let changed = self
            .connection
            .prepare_cached("UPDATE escrow SET state = 'CLOSED', updated_at = ?2 WHERE id = ?1 AND state = 'OPENED'")?
            .execute(params![escrow.id.number(), self.now().millis()])?;
        one_row(changed, "an open escrow")
    }

    fn insert_milestones(&mut self, escrow: &Escrow) -> Result<(), Error> {
        let mut statement = self.connection.prepare_cached(
            "INSERT INTO milestone (id, guard, title, description, amount, due_date, beneficiary_id,
                 is_released, updated_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 0, ?8)",
        )?;
        for milestone in escrow.milestones() {
            let terms = &milestone.terms;
            statement.execute(params![
                milestone.id.number(),
                milestone.id.guard(),
                terms.title,
                terms.description,
                terms.amount.minor(),
                terms.due_date.map(|date| date.to_string()),
                terms.beneficiary.as_ref().map(CustomerId::as_str),
                escrow.updated_at.millis(),
            ])?;
        }
        Ok(())
    }
}
