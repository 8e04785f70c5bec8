//! What the rows of escrows and milestones say about where the money must be.

use rusqlite::{Row, Rows, Statement};

use crate::domain::ids::EscrowId;
use crate::store::audit::transfers::Hold;
use crate::store::engine::error::Error;
use crate::store::tables::columns::text_at;

/// An escrow's row, as far as it says where its money must be.
pub(super) struct StoredEscrow {
    pub(super) id: EscrowId,
    kind: Kind,
    state: State,
    /// How it ended, once it is closed.
    end: Option<StoredClose>,
    amount: i128,
    fee: i128,
    buyer_fee: i128,
    additional_fee: i128,
    is_additional_fee_refundable: bool,
    milestones: MilestoneSums,
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
    /// To the payees.
    Released,
    /// To who paid.
    Refunded,
    /// To the seller and the buyer.
    Split { seller: i128, buyer: i128 },
}

impl StoredEscrow {
    /// Columns in the order that [`StoredEscrow::read`] reads them.
    pub(super) const SELECT: &'static str =
        "SELECT id, guard, merchant_id, state, buyer_id, amount, buyer_fee, fee, settlement_type,
                additional_fee, additional_fee_refundable, closed_as, split_seller_amount, split_buyer_amount
         FROM escrow ORDER BY id";

    pub(super) fn is_closed(&self) -> bool {
        self.state == State::Closed
    }

    /// Whether one buyer's payment is still held, or was.
    pub(super) fn has_buyer(&self) -> bool {
        self.state != State::AwaitingPayment && self.kind != Kind::Vault
    }

    /// The milestones of a milestone escrow that do not add up to its amount: what
    /// they add up to, and what they must.
    pub(super) fn wrong_milestones(&self) -> Option<(i128, i128)> {
        let sums = (self.milestones.all, self.amount);
        (self.kind == Kind::Milestones && sums.0 != sums.1).then_some(sums)
    }

    /// The milestones of a closed escrow that were not all released, though
    /// everything was: what was, and what must have been.
    pub(super) fn unreleased(&self) -> Option<(i128, i128)> {
        let is_released = self.kind == Kind::Milestones && self.end == Some(StoredClose::Released);
        let sums = (self.milestones.released, self.amount);
        (is_released && sums.0 != sums.1).then_some(sums)
    }

    pub(super) fn read(row: &Row<'_>, milestones: &mut Milestones<'_>) -> Result<Self, Error> {
        let id = EscrowId::new(row.get(0)?, row.get(1)?);
        let money = |column| row.get::<_, i64>(column).map(i128::from);
        let state = match text_at(row, 3)? {
            "OPENED" => State::Opened,
            "CLOSED" => State::Closed,
            _ => State::AwaitingPayment,
        };
        let end = match row.get_ref(11)?.as_str_or_null().map_err(rusqlite::Error::from)? {
            Some("REFUNDED") => StoredClose::Refunded,
            Some("SPLIT") => StoredClose::Split {
                seller: money(12)?,
                buyer: money(13)?,
            },
            _ => StoredClose::Released,
        };
        Ok(Self {
            id,
            kind: match text_at(row, 8)? {
                "MILESTONE" => Kind::Milestones,
                "VAULT" => Kind::Vault,
                _ => Kind::Standard,
            },
            state,
            end: Some(end).filter(|_| state == State::Closed),
            amount: money(5)?,
            buyer_fee: money(6)?,
            fee: money(7)?,
            additional_fee: money(9)?,
            is_additional_fee_refundable: row.get(10)?,
            milestones: milestones.of_escrow(id.number())?,
        })
    }

    /// What its transfers must add up to. A milestone escrow's fee is on its buyer,
    /// so a milestone releases its amount whole; the schema sees to that.
    pub(super) fn must_hold(&self) -> Hold {
        let payable = self.amount + self.buyer_fee - self.fee;
        let opened = Hold {
            paid_in: self.amount + self.buyer_fee + self.additional_fee,
            released: self.milestones.released,
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
            StoredClose::Refunded => (self.milestones.released, payable - self.milestones.released),
            StoredClose::Split { seller, buyer } => (self.milestones.released + seller, buyer),
        };
        let goes_back = if end != StoredClose::Released && self.is_additional_fee_refundable {
            self.additional_fee
        } else {
            0
        };
        Hold {
            released,
            refunded: refunded + goes_back,
            fees: self.fee + self.additional_fee - goes_back,
            ..opened
        }
    }
}

/// What the milestones of each escrow add up to, in the order of ids.
pub(super) struct Milestones<'a> {
    rows: Rows<'a>,
    /// The next one's escrow, amount, and whether it was released.
    next: Option<(i64, i64, bool)>,
}

/// What the milestones of one escrow add up to.
#[derive(Clone, Copy, Default)]
struct MilestoneSums {
    all: i128,
    released: i128,
}

impl<'a> Milestones<'a> {
    pub(super) fn of(statement: &'a mut Statement<'_>) -> Result<Self, Error> {
        let mut milestones = Self {
            rows: statement.query([])?,
            next: None,
        };
        milestones.advance()?;
        Ok(milestones)
    }

    fn advance(&mut self) -> Result<(), Error> {
        self.next = match self.rows.next()? {
            Some(row) => Some((row.get(0)?, row.get(1)?, row.get(2)?)),
            None => None,
        };
        Ok(())
    }

    /// The sums of the escrow with this number, which comes after all that were
    /// asked for before.
    fn of_escrow(&mut self, escrow: i64) -> Result<MilestoneSums, Error> {
        let mut sums = MilestoneSums::default();
        while let Some((of, amount, is_released)) = self.next.filter(|(of, ..)| *of <= escrow) {
            if of == escrow {
                sums.all += i128::from(amount);
                sums.released += if is_released { i128::from(amount) } else { 0 };
            }
            self.advance()?;
        }
        Ok(sums)
    }
}
