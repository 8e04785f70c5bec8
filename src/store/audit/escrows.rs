//! The money that each escrow must hold, computed from the rows of escrows and
//! milestones.

use crate::domain::ids::{EscrowId, MerchantId};
use crate::store::audit::holds::Hold;
use crate::store::engine::error::Error;
use crate::store::engine::sql::{Connection, Row, Rows, Statement, params};
use crate::store::tables::columns::{broken, row};

row! {
    struct EscrowRow<'a>, escrow_columns! {
        id: i64,
        guard: i64,
        merchant_id: MerchantId,
        buyer_id: Option<String>,
        settlement_type: &'a str,
        state: &'a str,
        closed_as: Option<&'a str>,
        amount: i64,
        fee: i64,
        commission: i64,
        buyer_fee: i64,
        additional_fee: i64,
        additional_fee_refundable: bool,
        split_seller_amount: Option<i64>,
        split_buyer_amount: Option<i64>,
    }
}

row! {
    /// A part of an escrow's amount: a milestone or a stake.
    struct PartRow, milestone_columns! {
        escrow_id: i64,
        amount: i64,
        is_released: bool,
    }
}

/// The facts of an escrow that say where its money must be. Amounts are in minor units.
pub(super) struct StoredEscrow {
    pub(super) id: EscrowId,
    pub(super) merchant: MerchantId,
    /// The id of the buyer; empty without one.
    pub(super) buyer: String,
    kind: Kind,
    state: State,
    /// The way in which the escrow closed. `None` before it closes.
    end: Option<StoredClose>,
    amount: i128,
    fee: i128,
    commission: i128,
    buyer_fee: i128,
    additional_fee: i128,
    is_additional_fee_refundable: bool,
    /// The sums of the milestones, or of the stakes of a vault.
    parts: PartSums,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Standard,
    Milestones,
    Vault,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    AwaitingPayment,
    Opened,
    Closed,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum StoredClose {
    /// The payees got the money.
    Released,
    /// The buyer got the money back.
    Refunded,
    /// Seller and buyer shared the rest.
    Split { seller: i128, buyer: i128 },
}

impl StoredEscrow {
    /// Calls `take` with every escrow, by rising number.
    pub(super) fn each(connection: Connection<'_>, mut take: impl FnMut(Self)) -> Result<(), Error> {
        // All are read in the order of ids, so that one pass over each is enough.
        let mut milestones = connection.prepare(Parts::SELECT_MILESTONES)?;
        let mut milestones = Parts::of(&mut milestones)?;
        let mut stakes = connection.prepare(Parts::SELECT_STAKES)?;
        let mut stakes = Parts::of(&mut stakes)?;
        let mut statement = connection.prepare(concat!("SELECT ", escrow_columns!(), " FROM escrow ORDER BY id"))?;
        let mut rows = statement.query(params![])?;
        while let Some(row) = rows.next()? {
            take(Self::read(row, &mut milestones, &mut stakes)?);
        }
        Ok(())
    }

    pub(super) fn is_closed(&self) -> bool {
        self.state == State::Closed
    }

    /// Returns true if a buyer has funded the escrow. A vault has participants instead.
    pub(super) fn has_buyer(&self) -> bool {
        self.state != State::AwaitingPayment && self.kind != Kind::Vault
    }

    /// Returns what is wrong with the row, its milestones and stakes, without regard to the transfers.
    pub(super) fn problems(&self) -> Vec<String> {
        let (id, amount) = (self.id, self.amount);
        let PartSums { all, released } = self.parts;
        let mut problems = Vec::new();
        if self.kind == Kind::Milestones && all != amount {
            problems.push(format!(
                "escrow {id} is over {amount}, and its milestones add up to {all}"
            ));
        }
        if self.kind == Kind::Vault && all != amount {
            problems.push(format!("vault {id} is over {amount}, and its stakes add up to {all}"));
        }
        if self.kind == Kind::Milestones && self.state == State::Opened && released == all {
            problems.push(format!(
                "escrow {id} is open and its milestones released all of {amount}"
            ));
        }
        if self.kind == Kind::Milestones && self.end == Some(StoredClose::Released) && released != amount {
            problems.push(format!(
                "escrow {id} is closed and its milestones released {released} of {amount}"
            ));
        }
        problems
    }

    fn read(row: Row<'_>, milestones: &mut Parts<'_>, stakes: &mut Parts<'_>) -> Result<Self, Error> {
        let row = EscrowRow::read(row)?;
        let state = match row.state {
            "OPENED" => State::Opened,
            "CLOSED" => State::Closed,
            _ => State::AwaitingPayment,
        };
        let end = match row.closed_as {
            Some("REFUNDED") => StoredClose::Refunded,
            Some("SPLIT") => StoredClose::Split {
                seller: share(row.split_seller_amount)?,
                buyer: share(row.split_buyer_amount)?,
            },
            _ => StoredClose::Released,
        };
        let kind = match row.settlement_type {
            "MILESTONE" => Kind::Milestones,
            "VAULT" => Kind::Vault,
            _ => Kind::Standard,
        };
        Ok(Self {
            id: EscrowId::new(row.id, row.guard),
            merchant: row.merchant_id,
            buyer: row.buyer_id.unwrap_or_default(),
            kind,
            state,
            end: Some(end).filter(|_| state == State::Closed),
            amount: row.amount.into(),
            fee: row.fee.into(),
            commission: row.commission.into(),
            buyer_fee: row.buyer_fee.into(),
            additional_fee: row.additional_fee.into(),
            is_additional_fee_refundable: row.additional_fee_refundable,
            parts: if kind == Kind::Vault {
                stakes.of_escrow(row.id)?
            } else {
                milestones.of_escrow(row.id)?
            },
        })
    }

    /// Returns the sums that its transfers must have. The buyer pays the fee of a milestone
    /// escrow, as the schema checks, so a milestone releases its whole amount.
    pub(super) fn must_hold(&self) -> Hold {
        let payable = self.amount + self.buyer_fee - self.fee;
        let opened = Hold {
            paid_in: self.amount + self.buyer_fee + self.additional_fee,
            released: self.parts.released,
            ..Hold::default()
        };
        let Some(end) = self.end else {
            return if self.state == State::AwaitingPayment {
                Hold::default()
            } else {
                opened
            };
        };
        let (released, refunded) = match end {
            StoredClose::Released => (payable, 0),
            StoredClose::Refunded => (self.parts.released, payable - self.parts.released),
            StoredClose::Split { seller, buyer } => (self.parts.released + seller, buyer),
        };
        let goes_back = if end != StoredClose::Released && self.is_additional_fee_refundable {
            self.additional_fee
        } else {
            0
        };
        // The platform keeps the whole fee of a deal that was refunded, but not of a vault.
        let commission = if end == StoredClose::Refunded && self.kind != Kind::Vault {
            0
        } else {
            self.commission
        };
        Hold {
            released,
            refunded: refunded + goes_back,
            commission,
            platform_fee: self.fee - commission,
            additional_fee: self.additional_fee - goes_back,
            ..opened
        }
    }
}

fn share(amount: Option<i64>) -> Result<i128, Error> {
    amount
        .map(i128::from)
        .ok_or_else(|| broken("the share of a split", "NULL"))
}

/// The sums of the milestones or stakes of each escrow, read by rising escrow number.
struct Parts<'a> {
    rows: Rows<'a>,
    next: Option<PartRow>,
}

/// The sums of the milestones or stakes of one escrow, in minor units.
#[derive(Clone, Copy, Default)]
struct PartSums {
    all: i128,
    released: i128,
}

impl<'a> Parts<'a> {
    /// The query of milestones for [`Parts::of`].
    const SELECT_MILESTONES: &'static str = concat!("SELECT ", milestone_columns!(), " FROM milestone ORDER BY id");
    /// The query of stakes for [`Parts::of`]. None is released.
    const SELECT_STAKES: &'static str =
        "SELECT escrow_id, amount, 1 = 0 AS is_released FROM vault_stake ORDER BY escrow_id, position";

    fn of(statement: &'a mut Statement<'_>) -> Result<Self, Error> {
        let mut parts = Self {
            rows: statement.query(params![])?,
            next: None,
        };
        parts.advance()?;
        Ok(parts)
    }

    fn advance(&mut self) -> Result<(), Error> {
        self.next = self.rows.next()?.map(PartRow::read).transpose()?;
        Ok(())
    }

    /// Returns the sums of the escrow with this number. The number must be greater than in
    /// all calls before.
    fn of_escrow(&mut self, escrow: i64) -> Result<PartSums, Error> {
        let mut sums = PartSums::default();
        while let Some(part) = self.next.take_if(|part| part.escrow_id <= escrow) {
            if part.escrow_id == escrow {
                let amount = i128::from(part.amount);
                sums.all += amount;
                sums.released += if part.is_released { amount } else { 0 };
            }
            self.advance()?;
        }
        Ok(sums)
    }
}
