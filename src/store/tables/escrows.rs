//! Escrows and their milestones.

use crate::domain::escrow::milestone::{Milestone, MilestoneStatus};
use crate::domain::escrow::terms::{MilestoneTerms, Terms};
use crate::domain::escrow::{AdditionalFee, CloseReason, Escrow, Funding, Plan, Progress, Split};
use crate::domain::file::FileName;
use crate::domain::ids::{CustomerId, EscrowId, MilestoneId, NUMBERS_APART, Reference, TransactionId};
use crate::domain::money::Amount;
use crate::domain::time::{Date, Timestamp};
use crate::domain::transaction::FundingPayment;
use crate::store::engine::error::Error;
use crate::store::engine::sql::{Row, params};
use crate::store::tables::checked::{insert_checked, update_checked};
use crate::store::tables::columns::{broken, read_all, row};
use crate::store::tables::deal_row::{DealRow, MILESTONE, STANDARD};
use crate::store::tx::{Snapshot, Tx};

row! {
    struct MilestoneRow, milestone_columns! {
        id: i64,
        guard: i64,
        title: String,
        description: Option<String>,
        amount: Amount,
        due_date: Option<Date>,
        beneficiary_id: Option<CustomerId>,
        is_released: bool,
        updated_at: Timestamp,
    }
}

/// The condition for the milestones of the escrow with the number `?1`: theirs are the numbers up to
/// the next object's, [`NUMBERS_APART`] further on.
macro_rules! is_of_escrow {
    () => {
        "id > ?1 AND id < ?1 + 1024"
    };
}

const _: () = assert!(NUMBERS_APART == 1024, "is_of_escrow! has this number");

/// The milestones of an escrow.
pub(crate) const SELECT_MILESTONES: &str = concat!(
    "SELECT ",
    milestone_columns!(),
    " FROM milestone WHERE ",
    is_of_escrow!(),
    " ORDER BY id"
);

/// Releases a pending milestone. On PostgreSQL it waits for the end of the group (`waiting_tests.rs`),
/// as do the next two.
pub(super) const RELEASE: &str = concat!(
    update_checked!("milestone", is_released: "1", updated_at: "?2"),
    " WHERE id = ?1 AND is_released = 0"
);

/// Closes an escrow whose milestones are all released.
pub(super) const COMPLETE: &str = concat!(
    update_checked!("escrow", state: "'CLOSED'", updated_at: "?2"),
    " WHERE id = ?1 AND state = 'OPENED'"
);

/// Closes an escrow in another way.
pub(super) const CLOSE: &str = concat!(
    update_checked!(
        "escrow",
        state: "'CLOSED'",
        updated_at: "?2",
        closed_as: "?3",
        split_seller_amount: "?4",
        split_buyer_amount: "?5",
        additional_fee_refundable: "?6",
    ),
    " WHERE id = ?1 AND state = 'OPENED'"
);

impl Snapshot<'_> {
    /// Returns the escrow of this row. The row must not be a vault's.
    pub(crate) fn escrow_of_row(&self, row: DealRow<'_>) -> Result<Escrow, Error> {
        let id = row.escrow_id();
        let plan = if row.settlement_type == MILESTONE {
            Plan::Milestones(self.milestones(id, unreleased_status(row.closed_as))?)
        } else {
            Plan::Standard
        };
        let mut escrow = Escrow {
            id,
            fee: row.fee()?,
            progress: self.progress(id, &row)?,
            images: images_of(row.images)?,
            merchant: row.merchant_id,
            payment_token: row.payment_token,
            seller: row.seller_id.into(),
            terms: Terms {
                amount: row.amount,
                purpose: row.purpose,
                description: row.description,
                who_pays: row.who_pays,
                max_delivery: row.max_delivery,
                delivery_timeline: row.delivery_timeline,
                total_quantity: row.total_quantity,
                category: self.category_of_number(row.category_id)?,
            },
            additional_fee: AdditionalFee {
                amount: row.additional_fee,
                is_refundable: row.additional_fee_refundable,
            },
            is_link: row.is_link,
            plan,
            created_at: row.created_at,
            updated_at: row.updated_at,
        };
        // A release changes the milestone's row only; see schema.sql.
        let newest_release = escrow.milestones().iter().filter_map(Milestone::released_at).max();
        escrow.updated_at = newest_release.map_or(escrow.updated_at, |at| at.max(escrow.updated_at));
        Ok(escrow)
    }

    fn progress(&self, id: EscrowId, row: &DealRow<'_>) -> Result<Progress, Error> {
        let Some(funding) = funding_of(row)? else {
            return Ok(Progress::AwaitingPayment);
        };
        let dispute = match row.dispute {
            Some(_) => Some(self.dispute(id)?),
            None => None,
        };
        match row.state {
            "OPENED" => Ok(Progress::Opened { funding, dispute }),
            "CLOSED" => Ok(Progress::Closed {
                funding,
                dispute,
                outcome: close_reason(row)?,
                at: row.updated_at,
            }),
            other => Err(broken("a state with a buyer", other)),
        }
    }

    /// Returns the milestones of an escrow, in order. `unreleased` is the status of those
    /// that were not released.
    fn milestones(&self, escrow: EscrowId, unreleased: MilestoneStatus) -> Result<Vec<Milestone>, Error> {
        let mut statement = self.connection.prepare(SELECT_MILESTONES)?;
        let read = |row: Row<'_>| {
            let row = MilestoneRow::read(row)?;
            Ok(Milestone {
                id: MilestoneId::new(row.id, row.guard),
                terms: MilestoneTerms {
                    title: row.title,
                    description: row.description,
                    amount: row.amount,
                    due_date: row.due_date,
                    beneficiary: row.beneficiary_id,
                },
                status: if row.is_released {
                    MilestoneStatus::Released(row.updated_at)
                } else {
                    unreleased
                },
            })
        };
        read_all(statement.query(params![escrow.number()])?, read)
    }
}

fn funding_of(row: &DealRow<'_>) -> Result<Option<Funding>, Error> {
    let Some(buyer) = row.buyer_id.clone() else {
        return Ok(None);
    };
    let (Some(id), Some(guard), Some(amount), Some(paid_at)) =
        (row.payment_id, row.payment_guard, row.payment_amount, row.paid_at)
    else {
        return Err(broken("a funded escrow", &row.escrow_id().to_string()));
    };
    let id = TransactionId::new(id, guard);
    Ok(Some(Funding {
        buyer,
        payment: FundingPayment {
            id,
            reference: Reference::from_stored(row.payment_reference, id),
            amount,
        },
        paid_at,
    }))
}

fn close_reason(row: &DealRow<'_>) -> Result<CloseReason, Error> {
    match (row.closed_as, row.split_seller_amount, row.split_buyer_amount) {
        (None, None, None) => Ok(CloseReason::Completed),
        (Some("CLAIMED"), None, None) => Ok(CloseReason::Claimed),
        (Some("REFUNDED"), None, None) => Ok(CloseReason::Refunded),
        (Some("SPLIT"), Some(seller), Some(buyer)) => Ok(CloseReason::Split(Split { seller, buyer })),
        (closed_as, ..) => Err(broken(
            "a way to close an escrow with these split amounts",
            closed_as.unwrap_or("NULL"),
        )),
    }
}

/// Returns the status of milestones that were not released.
fn unreleased_status(closed_as: Option<&str>) -> MilestoneStatus {
    match closed_as {
        Some("REFUNDED") => MilestoneStatus::Refunded,
        Some("SPLIT") => MilestoneStatus::Split,
        _ => MilestoneStatus::Pending,
    }
}

fn images_of(names: Option<&str>) -> Result<Vec<FileName>, Error> {
    let name = |text| FileName::parse(text).ok_or_else(|| broken("the name of a file", text));
    names.map_or(Ok(Vec::new()), |names| names.split(' ').map(name).collect())
}

fn images_text(images: &[FileName]) -> Option<String> {
    let names: Vec<String> = images.iter().map(FileName::to_string).collect();
    (!names.is_empty()).then(|| names.join(" "))
}

const fn settlement_type(escrow: &Escrow) -> &'static str {
    match escrow.plan {
        Plan::Standard => STANDARD,
        Plan::Milestones(_) => MILESTONE,
    }
}

impl Tx<'_> {
    /// Inserts an escrow that awaits payment, with its milestones.
    pub fn insert_escrow(&mut self, escrow: &Escrow) -> Result<(), Error> {
        let terms = &escrow.terms;
        self.connection
            .prepare(insert_checked!(
                "escrow",
                id: "?1",
                guard: "?2",
                merchant_id: "?3",
                payment_token: "?4",
                seller_id: "?5",
                settlement_type: "?6",
                amount: "?7",
                purpose: "?8",
                description: "?9",
                who_pays: "?10",
                max_delivery: "?11",
                delivery_timeline: "?12",
                total_quantity: "?13",
                fee: "?14",
                commission: "?15",
                buyer_fee: "?16",
                additional_fee: "?17",
                additional_fee_refundable: "?18",
                images: "?19",
                category_id: "?20",
                is_link: "?21",
                state: "'AWAITING_PAYMENT'",
                created_at: "?22",
                updated_at: "?23",
            ))?
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

    /// Replaces the terms and the milestones of an escrow that awaits payment.
    pub fn replace_terms(&mut self, escrow: &Escrow) -> Result<(), Error> {
        let terms = &escrow.terms;
        self.connection
            .prepare(concat!(
                update_checked!(
                    "escrow",
                    amount: "?2",
                    purpose: "?3",
                    description: "?4",
                    who_pays: "?5",
                    max_delivery: "?6",
                    delivery_timeline: "?7",
                    total_quantity: "?8",
                    fee: "?9",
                    commission: "?10",
                    buyer_fee: "?11",
                    updated_at: "?12",
                    settlement_type: "?13",
                    additional_fee: "?14",
                    additional_fee_refundable: "?15",
                    images: "?16",
                    category_id: "?17",
                    is_link: "?18",
                ),
                " WHERE id = ?1 AND state = 'AWAITING_PAYMENT'"
            ))?
            .change_row(
                params![
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
                ],
                "an escrow awaiting payment",
            )?;
        self.connection
            .prepare(concat!("DELETE FROM milestone WHERE ", is_of_escrow!()))?
            .execute(params![escrow.id.number()])?;
        self.reference_files(&escrow.images)?;
        self.insert_milestones(escrow)
    }

    /// Saves the number of buyers that a link is still open to.
    pub fn save_link(&mut self, link: &Escrow) -> Result<(), Error> {
        self.connection
            .prepare(concat!(
                update_checked!("escrow", total_quantity: "?2", updated_at: "?3"),
                " WHERE id = ?1 AND is_link = 1"
            ))?
            .change_row(
                params![link.id.number(), link.terms.total_quantity, link.updated_at.millis()],
                "a link",
            )
    }

    /// Deletes an escrow that awaits payment. The row stays and is not found any more.
    pub fn delete_escrow(&mut self, escrow: EscrowId) -> Result<(), Error> {
        self.connection
            .prepare(concat!(
                update_checked!("escrow", deleted_at: "?2"),
                " WHERE id = ?1 AND state = 'AWAITING_PAYMENT' AND deleted_at IS NULL"
            ))?
            .change_row(
                params![escrow.number(), self.now().millis()],
                "an escrow awaiting payment",
            )
    }

    /// Saves the funding of an escrow that awaited payment.
    pub fn save_funding(&mut self, escrow: &Escrow) -> Result<(), Error> {
        let Some(funding) = escrow.funding() else {
            return Err(broken("a funded escrow", "an unfunded one"));
        };
        self.connection
            .prepare(concat!(
                update_checked!(
                    "escrow",
                    state: "'OPENED'",
                    buyer_id: "?2",
                    payment_id: "?3",
                    payment_guard: "?4",
                    payment_reference: "?5",
                    payment_amount: "?6",
                    paid_at: "?7",
                    updated_at: "?8",
                ),
                " WHERE id = ?1 AND state = 'AWAITING_PAYMENT'"
            ))?
            .change_row(
                params![
                    escrow.id.number(),
                    funding.buyer.as_str(),
                    funding.payment.id.number(),
                    funding.payment.id.guard(),
                    funding.payment.reference.to_stored(funding.payment.id),
                    funding.payment.amount.minor(),
                    funding.paid_at.millis(),
                    escrow.updated_at.millis(),
                ],
                "an escrow awaiting payment",
            )
    }

    /// Marks a pending milestone as released at the current time.
    pub fn save_release(&mut self, milestone: MilestoneId) -> Result<(), Error> {
        self.connection
            .prepare(RELEASE)?
            .change_row(params![milestone.number(), self.now().millis()], "a pending milestone")
    }

    /// Marks all pending milestones of an escrow as released at the current time.
    pub fn save_release_of_rest(&mut self, escrow: EscrowId) -> Result<(), Error> {
        self.connection
            .prepare(concat!(
                update_checked!("milestone", is_released: "1", updated_at: "?2"),
                " WHERE ",
                is_of_escrow!(),
                " AND is_released = 0"
            ))?
            .execute(params![escrow.number(), self.now().millis()])?;
        Ok(())
    }

    /// Saves the close of an open escrow. The row of a completed one keeps its length, so
    /// that its full page need not be split.
    pub fn save_close(&mut self, escrow: &Escrow) -> Result<(), Error> {
        let Progress::Closed { outcome, .. } = &escrow.progress else {
            return Err(broken("a closed escrow", "an open one"));
        };
        match outcome {
            CloseReason::Completed => self
                .connection
                .prepare(COMPLETE)?
                .change_row(params![escrow.id.number(), self.now().millis()], "an open escrow"),
            other => {
                let split = match other {
                    CloseReason::Split(split) => Some(split),
                    CloseReason::Completed | CloseReason::Claimed | CloseReason::Refunded => None,
                };
                self.connection.prepare(CLOSE)?.change_row(
                    params![
                        escrow.id.number(),
                        self.now().millis(),
                        escrow.status().into_str(),
                        split.map(|split| split.seller.minor()),
                        split.map(|split| split.buyer.minor()),
                        escrow.additional_fee.is_refundable,
                    ],
                    "an open escrow",
                )
            }
        }
    }

    fn insert_milestones(&mut self, escrow: &Escrow) -> Result<(), Error> {
        let mut statement = self.connection.prepare(insert_checked!(
            "milestone",
            id: "?1",
            guard: "?2",
            title: "?3",
            description: "?4",
            amount: "?5",
            due_date: "?6",
            beneficiary_id: "?7",
            is_released: "0",
            updated_at: "?8",
        ))?;
        for milestone in escrow.milestones() {
            let terms = &milestone.terms;
            statement.change_row(
                params![
                    milestone.id.number(),
                    milestone.id.guard(),
                    terms.title,
                    terms.description,
                    terms.amount.minor(),
                    terms.due_date.map(|date| date.to_string()),
                    terms.beneficiary.as_ref().map(CustomerId::as_str),
                    escrow.updated_at.millis(),
                ],
                "a milestone",
            )?;
        }
        Ok(())
    }
}
