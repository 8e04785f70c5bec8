//! Escrows and their milestones.

use rusqlite::types::ValueRef;
use rusqlite::{OptionalExtension, Row, Rows, params};

use crate::domain::escrow::deal::Deal;
use crate::domain::escrow::milestone::{Milestone, MilestoneStatus};
use crate::domain::escrow::terms::{MilestoneTerms, Terms};
use crate::domain::escrow::{AdditionalFee, CloseReason, Escrow, Funding, Plan, Progress, Split};
use crate::domain::fees::Fee;
use crate::domain::file::FileName;
use crate::domain::ids::{CustomerId, EscrowId, EscrowKey, MerchantId, MilestoneId, PaymentToken, TransactionId};
use crate::domain::transaction::FundingPayment;
use crate::store::engine::error::{Error, one_row};
use crate::store::tables::columns::{
    amount_at, broken, is_of_a_key, optional_amount_at, optional_customer_id_at, optional_date_at, reference_at,
    text_at, timestamp_at, word_at,
};
use crate::store::tx::{Snapshot, Tx};

const STANDARD: &str = "STANDARD";
const MILESTONE: &str = "MILESTONE";
const VAULT: &str = "VAULT";

/// Columns in the order that [`Snapshot::read_deal`] reads them.
macro_rules! select_deal {
    ($condition:expr) => {
        concat!(
            "SELECT id, guard, merchant_id, payment_token, seller_id, settlement_type,
                    amount, purpose, description, who_pays, max_delivery, delivery_timeline, total_quantity,
                    fee, commission, buyer_fee,
                    state, buyer_id, payment_id, payment_guard, payment_reference, payment_amount, paid_at,
                    created_at, updated_at,
                    images, category_id, is_link, additional_fee, additional_fee_refundable,
                    dispute, closed_as, split_seller_amount, split_buyer_amount, winner_id
             FROM escrow WHERE ",
            $condition,
            " AND deleted_at IS NULL"
        )
    };
}
pub(crate) use select_deal;

impl Snapshot<'_> {
    /// Returns the merchant's deal that a caller names. Another merchant's deal is not
    /// found.
    pub fn deal(&self, merchant: MerchantId, key: &EscrowKey) -> Result<Option<Deal>, Error> {
        let deal = match key {
            EscrowKey::Id(id) => match self.with_row_key(merchant, *id)? {
                Some(id) => self.deal_by_id(id)?,
                None => None,
            },
            EscrowKey::Token(token) => {
                let condition = select_deal!("payment_token = ?1 AND merchant_id = ?2");
                let mut statement = self.connection.prepare_cached(condition)?;
                let mut rows = statement.query((token.as_str(), merchant.0))?;
                rows.next()?.map(|row| self.read_deal(row)).transpose()?
            }
        };
        Ok(deal.filter(|deal| deal.merchant() == merchant))
    }

    /// Returns the deal of any merchant by an id that has the key of its row.
    pub(crate) fn deal_by_id(&self, id: EscrowId) -> Result<Option<Deal>, Error> {
        let mut statement = self.connection.prepare_cached(select_deal!("id = ?1 AND guard = ?2"))?;
        let mut rows = statement.query((id.number(), id.guard()))?;
        rows.next()?.map(|row| self.read_deal(row)).transpose()
    }

    /// Returns an id that a caller sent with the key of its row, or `None` if a seed made
    /// the id and the merchant has no such row. `domain/ids/seeded.rs` explains why the
    /// text of a seeded id does not tell the key; that of any other id does.
    fn with_row_key(&self, merchant: MerchantId, id: EscrowId) -> Result<Option<EscrowId>, Error> {
        if !id.is_seeded() {
            return Ok(Some(id));
        }
        // The second condition on the guard lets SQLite use the index `escrow_of_seed`.
        let key = self
            .connection
            .prepare_cached("SELECT id FROM escrow WHERE merchant_id = ?1 AND guard = ?2 AND guard > 4294967295")?
            .query_row((merchant.0, id.guard()), |row| row.get(0))
            .optional()?;
        let with_key = key.map(|key| EscrowId::new(key, id.guard()));
        // An id with the number of a milestone can have the guard of an escrow.
        Ok(with_key.filter(|&with_key| with_key == id))
    }

    /// Returns whether any merchant has this deal; merchants that a reset left behind do
    /// not count. Seeded ids and tokens are left out: other merchants may have loaded the
    /// same seed, and a caller must not learn of it.
    pub fn any_merchant_has_deal(&self, key: &EscrowKey) -> Result<bool, Error> {
        let exists = match key {
            EscrowKey::Id(id) => self
                .connection
                .prepare_cached(concat!(
                    "SELECT 1 FROM escrow WHERE id = ?1 AND guard = ?2 AND guard <= 4294967295 AND deleted_at IS NULL AND ",
                    is_of_a_key!()
                ))?
                .exists((id.number(), id.guard())),
            EscrowKey::Token(token) => self
                .connection
                .prepare_cached(concat!(
                    "SELECT 1 FROM escrow WHERE payment_token = ?1 AND guard <= 4294967295 AND deleted_at IS NULL AND ",
                    is_of_a_key!()
                ))?
                .exists([token.as_str()]),
        };
        exists.map_err(Error::from)
    }

    /// Returns the key of the row of a merchant's deal. A deleted deal is found too.
    pub fn number_of_deal(&self, merchant: MerchantId, id: EscrowId) -> Result<Option<i64>, Error> {
        let Some(id) = self.with_row_key(merchant, id)? else {
            return Ok(None);
        };
        let key = self
            .connection
            .prepare_cached("SELECT id FROM escrow WHERE id = ?1 AND guard = ?2 AND merchant_id = ?3")?
            .query_row((id.number(), id.guard(), merchant.0), |row| row.get(0));
        Ok(key.optional()?)
    }

    /// The escrows that one payment funded, in the order they were offered.
    pub fn escrows_of_payment(&self, payment: TransactionId) -> Result<Vec<Escrow>, Error> {
        let mut statement = self
            .connection
            .prepare_cached(concat!(select_deal!("payment_id = ?1"), " ORDER BY id"))?;
        self.read_escrows(statement.query([payment.number()])?)
    }

    /// The escrows among these deals; a vault is left out.
    pub(crate) fn read_escrows(&self, mut rows: Rows<'_>) -> Result<Vec<Escrow>, Error> {
        let mut escrows = Vec::new();
        while let Some(row) = rows.next()? {
            if let Deal::Escrow(escrow) = self.read_deal(row)? {
                escrows.push(escrow);
            }
        }
        Ok(escrows)
    }

    pub(crate) fn read_deal(&self, row: &Row<'_>) -> Result<Deal, Error> {
        match text_at(row, 5)? {
            STANDARD => self.read_escrow(row, Plan::Standard).map(Deal::Escrow),
            MILESTONE => {
                let id = escrow_id_at(row)?;
                let plan = Plan::Milestones(self.milestones(id, unreleased_status(row)?)?);
                self.read_escrow(row, plan).map(Deal::Escrow)
            }
            VAULT => self.read_vault(row).map(Deal::Vault),
            other => Err(broken("a settlement type", other)),
        }
    }

    fn read_escrow(&self, row: &Row<'_>, plan: Plan) -> Result<Escrow, Error> {
        let id = escrow_id_at(row)?;
        let mut escrow = Escrow {
            id,
            merchant: MerchantId(row.get(2)?),
            payment_token: PaymentToken::named(text_at(row, 3)?),
            seller: optional_customer_id_at(row, 4)?.into(),
            terms: Terms {
                amount: amount_at(row, 6)?,
                purpose: row.get(7)?,
                description: row.get(8)?,
                who_pays: word_at(row, 9, "who pays")?,
                max_delivery: row.get(10)?,
                delivery_timeline: word_at(row, 11, "a delivery timeline")?,
                total_quantity: row.get(12)?,
                category: self.optional_category_at(row, 26)?,
            },
            fee: fee_at(row)?,
            additional_fee: AdditionalFee {
                amount: amount_at(row, 28)?,
                is_refundable: row.get(29)?,
            },
            images: images_at(row, 25)?,
            is_link: row.get(27)?,
            plan,
            progress: self.read_progress(id, row)?,
            created_at: timestamp_at(row, 23)?,
            updated_at: timestamp_at(row, 24)?,
        };
        // A release changes the milestone's row only; see schema.sql.
        let newest_release = escrow.milestones().iter().filter_map(Milestone::released_at).max();
        escrow.updated_at = newest_release.map_or(escrow.updated_at, |at| at.max(escrow.updated_at));
        Ok(escrow)
    }

    fn read_progress(&self, id: EscrowId, row: &Row<'_>) -> Result<Progress, Error> {
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
        let is_disputed = row.get_ref(30)? != ValueRef::Null;
        let dispute = is_disputed.then(|| self.dispute(id)).transpose()?;
        match text_at(row, 16)? {
            "OPENED" => return Ok(Progress::Opened { funding, dispute }),
            "CLOSED" => {}
            other => return Err(broken("a state with a buyer", other)),
        }
        let outcome = match (
            row.get_ref(31)?,
            optional_amount_at(row, 32)?,
            optional_amount_at(row, 33)?,
        ) {
            (ValueRef::Null, None, None) => CloseReason::Completed,
            (ValueRef::Text(b"CLAIMED"), None, None) => CloseReason::Claimed,
            (ValueRef::Text(b"REFUNDED"), None, None) => CloseReason::Refunded,
            (ValueRef::Text(b"SPLIT"), Some(seller), Some(buyer)) => CloseReason::Split(Split { seller, buyer }),
            (closed_as, ..) => return Err(broken("how an escrow closed", &format!("{closed_as:?}"))),
        };
        Ok(Progress::Closed {
            funding,
            dispute,
            outcome,
            at: timestamp_at(row, 24)?,
        })
    }

    fn milestones(&self, escrow: EscrowId, unreleased: MilestoneStatus) -> Result<Vec<Milestone>, Error> {
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
                    unreleased
                },
            });
        }
        Ok(milestones)
    }
}

pub(crate) fn escrow_id_at(row: &Row<'_>) -> Result<EscrowId, Error> {
    Ok(EscrowId::new(row.get(0)?, row.get(1)?))
}

pub(crate) fn fee_at(row: &Row<'_>) -> Result<Fee, Error> {
    let (total, commission, buyer_fee) = (amount_at(row, 13)?, amount_at(row, 14)?, amount_at(row, 15)?);
    Fee::from_parts(total, commission, buyer_fee)
        .ok_or_else(|| broken("a fee that its parts fit in", &total.to_string()))
}

/// What became of milestones that were never released.
fn unreleased_status(row: &Row<'_>) -> Result<MilestoneStatus, Error> {
    Ok(match row.get_ref(31)? {
        ValueRef::Text(b"REFUNDED") => MilestoneStatus::Refunded,
        ValueRef::Text(b"SPLIT") => MilestoneStatus::Split,
        _ => MilestoneStatus::Pending,
    })
}

/// Names of files, separated by spaces.
fn images_at(row: &Row<'_>, column: usize) -> Result<Vec<FileName>, Error> {
    let ValueRef::Text(names) = row.get_ref(column)? else {
        return Ok(Vec::new());
    };
    let names = std::str::from_utf8(names).map_err(|_| broken("names of files", "bytes"))?;
    let name = |text| FileName::parse(text).ok_or_else(|| broken("the name of a file", text));
    names.split(' ').map(name).collect()
}

const fn settlement_type(escrow: &Escrow) -> &'static str {
    match escrow.plan {
        Plan::Standard => STANDARD,
        Plan::Milestones(_) => MILESTONE,
    }
}

fn images_text(images: &[FileName]) -> Option<String> {
    let names: Vec<String> = images.iter().map(FileName::to_string).collect();
    (!names.is_empty()).then(|| names.join(" "))
}

impl Tx<'_> {
    /// A new escrow that awaits payment, with its milestones.
    pub fn insert_escrow(&mut self, escrow: &Escrow) -> Result<(), Error> {
        let terms = &escrow.terms;
        self.connection
            .prepare_cached(
                "INSERT INTO escrow (id, guard, merchant_id, payment_token, seller_id, settlement_type,
                     amount, purpose, description, who_pays, max_delivery, delivery_timeline, total_quantity,
                     fee, commission, buyer_fee, additional_fee, additional_fee_refundable, images, category_id,
                     is_link, state, created_at, updated_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20,
                     ?21, 'AWAITING_PAYMENT', ?22, ?23)",
            )?
            .execute(params![
                escrow.id.number(),
                escrow.id.guard(),
                escrow.merchant.0,
                escrow.payment_token.as_str(),
                escrow.seller.customer().map(CustomerId::as_str),
                settlement_type(escrow),
                terms.amount.minor(),
                terms.purpose,
                terms.description,
                terms.who_pays.into_str(),
                terms.max_delivery,
                terms.delivery_timeline.into_str(),
                terms.total_quantity,
                escrow.fee.total().minor(),
                escrow.fee.commission().minor(),
                escrow.fee.buyer_share().minor(),
                escrow.additional_fee.amount.minor(),
                escrow.additional_fee.is_refundable,
                images_text(&escrow.images),
                terms.category.as_ref().map(|category| category.id.number()),
                escrow.is_link,
                escrow.created_at.millis(),
                escrow.updated_at.millis(),
            ])?;
        self.reference_files(&escrow.images)?;
        self.insert_milestones(escrow)
    }

    /// A changed offer in place of the old, milestones included; the escrow awaits
    /// payment.
    pub fn replace_terms(&mut self, escrow: &Escrow) -> Result<(), Error> {
        let terms = &escrow.terms;
        let changed = self
            .connection
            .prepare_cached(
                "UPDATE escrow SET amount = ?2, purpose = ?3, description = ?4, who_pays = ?5, max_delivery = ?6,
                     delivery_timeline = ?7, total_quantity = ?8, fee = ?9, commission = ?10, buyer_fee = ?11,
                     updated_at = ?12, settlement_type = ?13, additional_fee = ?14, additional_fee_refundable = ?15,
                     images = ?16, category_id = ?17, is_link = ?18
                 WHERE id = ?1 AND state = 'AWAITING_PAYMENT'",
            )?
            .execute(params![
                escrow.id.number(),
                terms.amount.minor(),
                terms.purpose,
                terms.description,
                terms.who_pays.into_str(),
                terms.max_delivery,
                terms.delivery_timeline.into_str(),
                terms.total_quantity,
                escrow.fee.total().minor(),
                escrow.fee.commission().minor(),
                escrow.fee.buyer_share().minor(),
                escrow.updated_at.millis(),
                settlement_type(escrow),
                escrow.additional_fee.amount.minor(),
                escrow.additional_fee.is_refundable,
                images_text(&escrow.images),
                terms.category.as_ref().map(|category| category.id.number()),
                escrow.is_link,
            ])?;
        one_row(changed, "an escrow awaiting payment")?;
        self.connection
            .prepare_cached("DELETE FROM milestone WHERE id > ?1 AND id < ?1 + 1024")?
            .execute([escrow.id.number()])?;
        self.reference_files(&escrow.images)?;
        self.insert_milestones(escrow)
    }

    /// A link was taken from: it is open to so many buyers now.
    pub fn save_link(&mut self, link: &Escrow) -> Result<(), Error> {
        let changed = self
            .connection
            .prepare_cached("UPDATE escrow SET total_quantity = ?2, updated_at = ?3 WHERE id = ?1 AND is_link = 1")?
            .execute(params![
                link.id.number(),
                link.terms.total_quantity,
                link.updated_at.millis()
            ])?;
        one_row(changed, "a link")
    }

    /// Nobody finds the escrow from now on.
    pub fn delete_escrow(&mut self, escrow: EscrowId) -> Result<(), Error> {
        let changed = self
            .connection
            .prepare_cached(
                "UPDATE escrow SET deleted_at = ?2
                 WHERE id = ?1 AND state = 'AWAITING_PAYMENT' AND deleted_at IS NULL",
            )?
            .execute(params![escrow.number(), self.now().millis()])?;
        one_row(changed, "an escrow awaiting payment")
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

    /// Every milestone of the escrow that was not released before was released now.
    pub fn save_release_of_rest(&mut self, escrow: EscrowId) -> Result<(), Error> {
        self.connection
            .prepare_cached(
                "UPDATE milestone SET is_released = 1, updated_at = ?2
                 WHERE id > ?1 AND id < ?1 + 1024 AND is_released = 0",
            )?
            .execute(params![escrow.number(), self.now().millis()])?;
        Ok(())
    }

    /// The escrow was closed. One that was completed keeps its row as long as it
    /// was.
    pub fn save_close(&mut self, escrow: &Escrow) -> Result<(), Error> {
        let Progress::Closed { outcome, .. } = &escrow.progress else {
            return Err(broken("a closed escrow", "an open one"));
        };
        let changed = match outcome {
            CloseReason::Completed => self
                .connection
                .prepare_cached(
                    "UPDATE escrow SET state = 'CLOSED', updated_at = ?2 WHERE id = ?1 AND state = 'OPENED'",
                )?
                .execute(params![escrow.id.number(), self.now().millis()])?,
            other => {
                let split = match other {
                    CloseReason::Split(split) => Some(split),
                    CloseReason::Completed | CloseReason::Claimed | CloseReason::Refunded => None,
                };
                self.connection
                    .prepare_cached(
                        "UPDATE escrow SET state = 'CLOSED', updated_at = ?2, closed_as = ?3, split_seller_amount = ?4,
                             split_buyer_amount = ?5, additional_fee_refundable = ?6
                         WHERE id = ?1 AND state = 'OPENED'",
                    )?
                    .execute(params![
                        escrow.id.number(),
                        self.now().millis(),
                        escrow.status().into_str(),
                        split.map(|split| split.seller.minor()),
                        split.map(|split| split.buyer.minor()),
                        escrow.additional_fee.is_refundable,
                    ])?
            }
        };
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
