//! The money in each escrow's hold by the transfers, compared with what its row says.
//!
//! A file can have hundreds of millions of escrows, so their sums are not kept. The transfers
//! and the rows go into one fingerprint instead, which is zero if they agree. Only when it is
//! not zero are the transfers read again, to say which escrow is wrong.

use std::hash::{BuildHasher, RandomState};

use rustc_hash::{FxHashMap, FxHashSet};

use crate::domain::ids::MerchantId;
use crate::store::engine::error::Error;
use crate::store::engine::sql::{Connection, params};
use crate::store::tables::columns::row;

/// The sums of the transfers into and out of one escrow's hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Hold {
    pub(super) paid_in: i128,
    pub(super) released: i128,
    pub(super) refunded: i128,
    /// The merchant's part of the fee.
    pub(super) commission: i128,
    /// The platform's part of the fee.
    pub(super) platform_fee: i128,
    pub(super) additional_fee: i128,
    /// The number of the account that a buyer paid it into; 0 if there were several. `None`
    /// for a vault, which several participants pay.
    pub(super) account: Option<i64>,
}

impl Hold {
    /// Returns the money that the hold still keeps.
    pub(super) const fn kept(&self) -> i128 {
        let fees = self.commission + self.platform_fee + self.additional_fee;
        self.paid_in - self.released - self.refunded - fees
    }

    /// Adds a transfer.
    fn add(&mut self, transfer: &HoldTransfer<'_>) {
        let amount = i128::from(transfer.amount);
        match transfer.kind {
            "FUND" => {
                self.paid_in += amount;
                let account = transfer.credit_account_id;
                let is_first = self.account.is_none_or(|known| known == account);
                self.account = Some(if is_first { account } else { 0 });
            }
            "STAKE" => self.paid_in += amount,
            "RELEASE" => self.released += amount,
            "REFUND" => self.refunded += amount,
            "COMMISSION" => self.commission += amount,
            "ADDITIONAL_FEE" => self.additional_fee += amount,
            _ => self.platform_fee += amount,
        }
    }
}

/// The columns of a transfer that count for a hold.
pub(super) struct HoldTransfer<'a> {
    pub(super) kind: &'a str,
    pub(super) credit_account_id: i64,
    pub(super) amount: i64,
}

/// One number for all the sums of all holds.
///
/// Each sum is multiplied by a random factor of its own, and the products are added, modulo
/// 2^128. Transfers are added and rows are subtracted. If any sum differs, the result is zero
/// with a chance of at most 2^-64. A program that writes the file cannot aim at it, because the
/// factors are drawn anew in each process.
#[derive(Default)]
pub(super) struct Fingerprint {
    factors: RandomState,
    sum: u128,
}

#[derive(Clone, Copy, Hash)]
enum Part {
    PaidIn,
    PaidInto { account: i64 },
    Released,
    Refunded,
    Commission,
    PlatformFee,
    AdditionalFee,
}

impl Fingerprint {
    /// Adds what a transfer moves into or out of the hold of `escrow`.
    pub(super) fn add(&mut self, escrow: i64, transfer: &HoldTransfer<'_>) {
        let mut hold = Hold::default();
        hold.add(transfer);
        self.sum = self.sum.wrapping_add(self.of(escrow, &hold));
    }

    /// Subtracts what the hold of `escrow` must have.
    pub(super) fn subtract(&mut self, escrow: i64, must: &Hold) {
        self.sum = self.sum.wrapping_sub(self.of(escrow, must));
    }

    /// Returns true if everything that was added has been subtracted.
    pub(super) const fn is_zero(&self) -> bool {
        self.sum == 0
    }

    fn of(&self, escrow: i64, hold: &Hold) -> u128 {
        let into = hold.account.map(|account| (Part::PaidInto { account }, hold.paid_in));
        [
            (Part::PaidIn, hold.paid_in),
            (Part::Released, hold.released),
            (Part::Refunded, hold.refunded),
            (Part::Commission, hold.commission),
            (Part::PlatformFee, hold.platform_fee),
            (Part::AdditionalFee, hold.additional_fee),
        ]
        .into_iter()
        .chain(into)
        .filter(|(_, amount)| *amount != 0)
        // A negative amount is its two's complement, as all of this is modulo 2^128.
        .map(|(part, amount)| self.factor(escrow, part).wrapping_mul(amount.cast_unsigned()))
        .fold(0, u128::wrapping_add)
    }

    fn factor(&self, escrow: i64, part: Part) -> u128 {
        let half = |half: u8| u128::from(self.factors.hash_one((escrow, part, half)));
        half(0) << 64 | half(1)
    }
}

row! {
    struct TransferRow<'a>, transfer_columns! {
        merchant_id: MerchantId,
        kind: &'a str,
        credit_account_id: i64,
        amount: i64,
        escrow_id: i64,
    }
}

/// Adds up the transfers of every escrow, by its number, without those of merchants that are
/// `not_checked`. Takes about 100 bytes of memory for each escrow.
pub(super) fn read_holds(
    connection: Connection<'_>,
    not_checked: &FxHashSet<i64>,
) -> Result<FxHashMap<i64, Hold>, Error> {
    let mut holds: FxHashMap<i64, Hold> = FxHashMap::default();
    let mut statement = connection.prepare(concat!(
        "SELECT ",
        transfer_columns!(),
        " FROM transfer WHERE escrow_id IS NOT NULL ORDER BY id"
    ))?;
    let mut rows = statement.query(params![])?;
    while let Some(row) = rows.next()? {
        let row: TransferRow<'_> = TransferRow::read(row)?;
        if !not_checked.contains(&row.merchant_id.0) {
            holds.entry(row.escrow_id).or_default().add(&HoldTransfer {
                kind: row.kind,
                credit_account_id: row.credit_account_id,
                amount: row.amount,
            });
        }
    }
    Ok(holds)
}

#[cfg(test)]
mod tests {
    use super::{Fingerprint, Hold, HoldTransfer};

    const BUYER: i64 = 7;

    fn transfer(kind: &'static str, amount: i64) -> HoldTransfer<'static> {
        HoldTransfer {
            kind,
            credit_account_id: BUYER,
            amount,
        }
    }

    /// The fingerprint of two escrows: one paid and half released, and one refunded.
    fn fingerprint() -> Fingerprint {
        let mut fingerprint = Fingerprint::default();
        for (escrow, kind, amount) in [
            (1, "FUND", 1_000),
            (2, "FUND", 300),
            (1, "RELEASE", 450),
            (2, "REFUND", 290),
            (1, "PLATFORM_FEE", 30),
            (1, "COMMISSION", 15),
            (1, "ADDITIONAL_FEE", 5),
            (2, "PLATFORM_FEE", 10),
        ] {
            fingerprint.add(escrow, &transfer(kind, amount));
        }
        fingerprint
    }

    const HALF_RELEASED: Hold = Hold {
        paid_in: 1_000,
        released: 450,
        refunded: 0,
        commission: 15,
        platform_fee: 30,
        additional_fee: 5,
        account: Some(BUYER),
    };
    const REFUNDED: Hold = Hold {
        paid_in: 300,
        released: 0,
        refunded: 290,
        commission: 0,
        platform_fee: 10,
        additional_fee: 0,
        account: Some(BUYER),
    };

    fn agrees(first: Hold, second: Hold) -> bool {
        let mut fingerprint = fingerprint();
        fingerprint.subtract(2, &second);
        fingerprint.subtract(1, &first);
        fingerprint.is_zero()
    }

    #[test]
    fn a_fingerprint_is_zero_when_every_sum_agrees() {
        assert!(agrees(HALF_RELEASED, REFUNDED));
        assert!(Fingerprint::default().is_zero());
        assert!(!fingerprint().is_zero());
    }

    #[test]
    fn a_fingerprint_is_not_zero_when_any_sum_differs() {
        let more = |change: fn(&mut Hold)| {
            let mut hold = HALF_RELEASED;
            change(&mut hold);
            hold
        };
        for changed in [
            more(|hold| hold.paid_in += 1),
            more(|hold| hold.released -= 1),
            more(|hold| hold.refunded = -1),
            more(|hold| hold.commission = 0),
            more(|hold| hold.platform_fee = 0),
            more(|hold| hold.additional_fee = 0),
            more(|hold| hold.account = Some(BUYER + 1)),
            more(|hold| hold.account = None),
            // The hold keeps the same amount.
            more(|hold| {
                hold.released += 1;
                hold.platform_fee -= 1;
            }),
            // The fees are together the same.
            more(|hold| {
                hold.commission += 1;
                hold.platform_fee -= 1;
            }),
        ] {
            assert!(!agrees(changed, REFUNDED), "{changed:?}");
        }
        assert!(!agrees(REFUNDED, HALF_RELEASED), "swapped");
    }
}
