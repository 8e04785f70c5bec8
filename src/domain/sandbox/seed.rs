//! Seeds: customers, their balances, and escrows that have progressed as far as a test
//! needs.
//!
//! A seed states the progress that an escrow should have. The server gets it there by the
//! same commands that clients send, one after another.

use crate::domain::customers::profile::PartialProfileRequest;
use crate::domain::escrow::Status;
use crate::domain::escrow::terms::{MilestoneRequest, TermsRequest};
use crate::domain::ids::CustomerId;
use crate::domain::invalid::{Invalid, Parsed};
use crate::domain::money::Amount;

/// The most customers of one seed.
pub const CUSTOMERS_MAX: usize = 1_000;

/// The most milestones of all escrows of one seed together. One transaction creates and releases them
/// all, and every other write waits for it.
pub const MILESTONES_MAX: usize = 10_000;

/// The parsed request to load a seed.
#[derive(Clone, Debug)]
pub struct SeedRequest {
    /// The SHA-256 hash of the canonical body. Generated ids derive from it.
    pub content_hash: [u8; 32],
    pub customers: Vec<CustomerSeed>,
    /// The escrows in the order of their offers.
    pub escrows: Vec<EscrowSeed>,
}

/// A customer to register.
#[derive(Clone, Debug)]
pub struct CustomerSeed {
    /// The id. `None` lets the server derive one from the seed.
    pub id: Option<CustomerId>,
    /// The balance before any escrow. `None` gives the sandbox's opening balance.
    pub balance: Option<Amount>,
    pub profile: PartialProfileRequest,
}

/// An escrow to create.
#[derive(Clone, Debug)]
pub struct EscrowSeed {
    /// The name by which the seed's author refers to it.
    pub name: Option<String>,
    pub seller: CustomerId,
    pub terms: TermsRequest,
    /// The milestones in order. `None` makes a standard escrow.
    pub milestones: Option<Vec<MilestoneRequest>>,
    /// The progress that it should have.
    pub progress: ProgressRequest,
}

/// The parsed description of an escrow's progress.
#[derive(Clone, Debug, Default)]
pub struct ProgressRequest {
    /// The status. `None` means funded if there is a buyer, and offered if there is none.
    pub status: Option<Status>,
    pub buyer: Option<CustomerId>,
    /// The number of milestones that are released, from the first on.
    pub released: Option<i64>,
    /// The `released` mark of each milestone, which is `None` if the milestone has no mark.
    /// The list is `None` for a standard escrow.
    pub milestones: Option<Vec<Option<bool>>>,
    /// The seller's part of a split.
    pub seller_amount: Option<Amount>,
    /// The buyer's part of a split.
    pub buyer_amount: Option<Amount>,
}

/// The progress that an escrow should have. Every value is one that some escrow can reach.
/// The commands that load the seed refuse it if this escrow cannot, for example because the
/// buyer's balance is too low.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TargetProgress {
    /// Offered and not funded.
    Offered,
    /// Funded.
    Funded {
        buyer: CustomerId,
        /// The indexes of the milestones that are released first, from 0.
        released: Vec<usize>,
        /// The step after that.
        last_step: LastStep,
    },
}

/// The last step of a funded escrow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LastStep {
    /// No further step.
    None,
    /// The buyer confirms a standard escrow.
    Confirmed,
    /// The seller claims the money when the delivery window is over.
    Claimed,
    /// The buyer opens a dispute.
    Disputed,
    /// The seller replies to the dispute.
    Replied,
    /// The merchant refunds the buyer.
    Refunded,
    /// The merchant splits the pool.
    Split { seller: Amount, buyer: Amount },
}

impl TargetProgress {
    /// Checks the description.
    ///
    /// # Errors
    ///
    /// Names the wrong field if one of these holds:
    ///
    /// - a funded escrow has no buyer, or an unfunded escrow has one
    /// - the settlement type does not have the status
    /// - the released milestones do not fit the status
    /// - a split has no amounts, or another status has them
    pub fn new(request: ProgressRequest) -> Result<Self, Invalid> {
        let paid = request.buyer.as_ref().map_or(Status::Pending, |_| Status::Ongoing);
        let status = request.status.unwrap_or(paid);
        if status == Status::Pending {
            return request.check_unpaid().map(|()| Self::Offered);
        }
        if status == Status::Claimed && request.milestones.is_some() {
            let expected = "one that an escrow with milestones can have, and it is never claimed";
            return Err(Invalid::wrong("status", expected, &quoted(status.into_str())));
        }
        let released = request.released(status)?;
        let last_step = request.last_step(status)?;
        let buyer = request.buyer.ok_or_else(|| Invalid::missing("buyer"))?;
        Ok(Self::Funded {
            buyer,
            released,
            last_step,
        })
    }
}

impl ProgressRequest {
    fn check_unpaid(&self) -> Result<(), Invalid> {
        let released = self.released.map(|count| count.to_string());
        left_out("buyer", self.buyer.as_ref().map(|buyer| quoted(buyer.as_str())))?;
        left_out("released", released)?;
        self.check_marks_left_out("left out of an escrow that is PENDING")?;
        left_out("sellerAmount", self.seller_amount.map(|amount| amount.to_string()))?;
        left_out("buyerAmount", self.buyer_amount.map(|amount| amount.to_string()))
    }

    fn check_marks_left_out(&self, expected: &str) -> Result<(), Invalid> {
        let marks = self.milestones.as_deref().unwrap_or_default();
        match marks
            .iter()
            .zip(0..)
            .find_map(|(mark, index)| mark.map(|mark| (mark, index)))
        {
            None => Ok(()),
            Some((mark, index)) => {
                let field = format!("milestones[{index}].released");
                Err(Invalid::wrong(field, expected, &mark.to_string()))
            }
        }
    }

    /// Returns the indexes of the milestones that are released in an escrow of this
    /// status.
    fn released(&self, status: Status) -> Result<Vec<usize>, Invalid> {
        let Some(marks) = &self.milestones else {
            return match self.released {
                None => Ok(Vec::new()),
                Some(count) => Err(Invalid::wrong(
                    "released",
                    "left out of an escrow without milestones",
                    &count.to_string(),
                )),
            };
        };
        let of_count = self.released.map(|count| first(count, marks.len(), status));
        if let Some(first) = of_count.transpose()? {
            self.check_marks_left_out("left out where the escrow says how many are released")?;
            return Ok(first);
        }
        // The check of the terms says how many milestones there must be.
        if marks.is_empty() {
            return Ok(Vec::new());
        }
        let is_completed = status == Status::Completed;
        if is_completed && marks.iter().all(Option::is_none) {
            return Ok((0..marks.len()).collect());
        }
        let marked = |&index: &usize| marks[index] == Some(true);
        let released: Vec<usize> = (0..marks.len()).filter(marked).collect();
        if is_completed == (released.len() == marks.len()) {
            return Ok(released);
        }
        let (index, expected) = if is_completed {
            let first_other = (0..marks.len()).find(|index| !marked(index)).unwrap_or_default();
            (first_other, "true for each milestone of an escrow that is COMPLETED")
        } else {
            (
                marks.len() - 1,
                "false for one milestone or more, unless the escrow is COMPLETED",
            )
        };
        let got = marks.get(index).copied().flatten();
        let got = got.map_or("nothing".to_owned(), |mark| mark.to_string());
        Err(Invalid::wrong(format!("milestones[{index}].released"), expected, &got))
    }

    fn last_step(&self, status: Status) -> Result<LastStep, Invalid> {
        if status == Status::Split {
            return Ok(LastStep::Split {
                seller: self.seller_amount.ok_or_else(|| Invalid::missing("sellerAmount"))?,
                buyer: self.buyer_amount.ok_or_else(|| Invalid::missing("buyerAmount"))?,
            });
        }
        for (field, amount) in [("sellerAmount", self.seller_amount), ("buyerAmount", self.buyer_amount)] {
            if let Some(amount) = amount {
                let expected = "left out unless the escrow is SPLIT";
                return Err(Invalid::wrong(field, expected, &amount.to_string()));
            }
        }
        Ok(match status {
            Status::Completed if self.milestones.is_none() => LastStep::Confirmed,
            Status::Claimed => LastStep::Claimed,
            Status::Disputed => LastStep::Disputed,
            Status::Investigating => LastStep::Replied,
            Status::Refunded => LastStep::Refunded,
            Status::Pending | Status::Ongoing | Status::Completed | Status::Split => LastStep::None,
        })
    }
}

/// Returns the indexes of the first `count` milestones.
///
/// # Errors
///
/// Names the field `released` if an escrow of this status cannot have released so many.
fn first(count: i64, milestones: usize, status: Status) -> Result<Vec<usize>, Invalid> {
    let most = milestones.saturating_sub(1);
    let (is_right, expected) = if status == Status::Completed {
        let expected = format!("{milestones}, all of them, where the escrow is COMPLETED");
        (usize::try_from(count) == Ok(milestones), expected)
    } else {
        let expected = format!("a whole number from 0 to {most}, unless the escrow is COMPLETED");
        (usize::try_from(count).is_ok_and(|count| count <= most), expected)
    };
    if is_right {
        Ok((0..usize::try_from(count).unwrap_or_default()).collect())
    } else {
        Err(Invalid::wrong("released", expected, &count.to_string()))
    }
}

fn left_out(field: &str, got: Option<String>) -> Parsed<()> {
    match got {
        None => Ok(()),
        Some(got) => Err(Invalid::wrong(field, "left out of an escrow that is PENDING", &got)),
    }
}

fn quoted(text: &str) -> String {
    format!("\"{text}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ben() -> CustomerId {
        CustomerId::parse("ben").unwrap()
    }

    fn paid(status: Status) -> ProgressRequest {
        ProgressRequest {
            status: Some(status),
            buyer: Some(ben()),
            ..ProgressRequest::default()
        }
    }

    /// Three milestones without marks of their own.
    fn three(status: Status) -> ProgressRequest {
        ProgressRequest {
            milestones: Some(vec![None; 3]),
            ..paid(status)
        }
    }

    fn funded(request: ProgressRequest) -> (Vec<usize>, LastStep) {
        match TargetProgress::new(request) {
            Ok(TargetProgress::Funded {
                buyer,
                released,
                last_step,
            }) if buyer == ben() => (released, last_step),
            other => panic!("{other:?}"),
        }
    }

    fn field(request: ProgressRequest) -> String {
        TargetProgress::new(request).unwrap_err().field
    }

    #[test]
    fn a_status_that_is_left_out_follows_from_the_buyer() {
        assert_eq!(
            TargetProgress::new(ProgressRequest::default()),
            Ok(TargetProgress::Offered)
        );
        let request = ProgressRequest {
            buyer: Some(ben()),
            ..ProgressRequest::default()
        };
        assert_eq!(funded(request), (vec![], LastStep::None));
    }

    #[test]
    fn every_status_can_be_reached() {
        let split = (Amount::from_minor(100).unwrap(), Amount::from_minor(200).unwrap());
        let cases = [
            (Status::Ongoing, LastStep::None, LastStep::None),
            (Status::Completed, LastStep::Confirmed, LastStep::None),
            (Status::Disputed, LastStep::Disputed, LastStep::Disputed),
            (Status::Investigating, LastStep::Replied, LastStep::Replied),
            (Status::Refunded, LastStep::Refunded, LastStep::Refunded),
            (
                Status::Split,
                LastStep::Split {
                    seller: split.0,
                    buyer: split.1,
                },
                LastStep::Split {
                    seller: split.0,
                    buyer: split.1,
                },
            ),
        ];
        for (status, of_standard, of_milestones) in cases {
            let with_split = |request: ProgressRequest| {
                let is_split = status == Status::Split;
                ProgressRequest {
                    seller_amount: is_split.then_some(split.0),
                    buyer_amount: is_split.then_some(split.1),
                    ..request
                }
            };
            assert_eq!(funded(with_split(paid(status))), (vec![], of_standard));
            let released = if status == Status::Completed {
                vec![0, 1, 2]
            } else {
                vec![]
            };
            assert_eq!(funded(with_split(three(status))), (released, of_milestones));
        }
        assert_eq!(funded(paid(Status::Claimed)), (vec![], LastStep::Claimed));
    }

    #[test]
    fn released_milestones_are_counted_or_marked() {
        let count = |status, released| ProgressRequest {
            released: Some(released),
            ..three(status)
        };
        let marks = |status, marks: [Option<bool>; 3]| ProgressRequest {
            milestones: Some(marks.to_vec()),
            ..three(status)
        };
        assert!(funded(count(Status::Ongoing, 0)).0.is_empty());
        assert_eq!(funded(count(Status::Disputed, 2)).0, [0, 1]);
        assert_eq!(funded(count(Status::Completed, 3)).0, [0, 1, 2]);
        for (status, released) in [
            (Status::Ongoing, 3),
            (Status::Ongoing, -1),
            (Status::Ongoing, i64::MAX),
            (Status::Completed, 2),
        ] {
            assert_eq!(field(count(status, released)), "released", "{released}");
        }
        let yes = Some(true);
        assert_eq!(funded(marks(Status::Ongoing, [None, yes, Some(false)])).0, [1]);
        assert_eq!(funded(marks(Status::Completed, [yes; 3])).0, [0, 1, 2]);
        assert_eq!(
            field(marks(Status::Completed, [yes, None, yes])),
            "milestones[1].released"
        );
        assert_eq!(field(marks(Status::Refunded, [yes; 3])), "milestones[2].released");
        let both = ProgressRequest {
            released: Some(1),
            ..marks(Status::Ongoing, [None, Some(false), None])
        };
        assert_eq!(field(both), "milestones[1].released");
        let none = ProgressRequest {
            milestones: Some(Vec::new()),
            ..count(Status::Ongoing, 1)
        };
        assert_eq!(field(none), "released");
    }

    #[test]
    fn progress_that_no_escrow_can_reach_names_the_field() {
        let amount = Amount::from_minor(100);
        let unpaid = |request: ProgressRequest| ProgressRequest {
            status: Some(Status::Pending),
            ..request
        };
        assert_eq!(field(unpaid(paid(Status::Pending))), "buyer");
        let request = ProgressRequest::default;
        for (case, wrong) in [
            (
                ProgressRequest {
                    released: Some(0),
                    ..request()
                },
                "released",
            ),
            (
                ProgressRequest {
                    milestones: Some(vec![None, Some(false)]),
                    ..request()
                },
                "milestones[1].released",
            ),
            (
                ProgressRequest {
                    seller_amount: amount,
                    ..request()
                },
                "sellerAmount",
            ),
            (
                ProgressRequest {
                    buyer_amount: amount,
                    ..request()
                },
                "buyerAmount",
            ),
        ] {
            assert_eq!(field(unpaid(case)), wrong);
        }
        let without_buyer = ProgressRequest {
            buyer: None,
            ..paid(Status::Ongoing)
        };
        assert_eq!(field(without_buyer), "buyer");
        assert_eq!(field(three(Status::Claimed)), "status");
        let of_standard = ProgressRequest {
            released: Some(0),
            ..paid(Status::Ongoing)
        };
        assert_eq!(field(of_standard), "released");
        assert_eq!(field(paid(Status::Split)), "sellerAmount");
        let half = ProgressRequest {
            seller_amount: amount,
            ..paid(Status::Split)
        };
        assert_eq!(field(half), "buyerAmount");
        let unsplit = ProgressRequest {
            buyer_amount: amount,
            ..paid(Status::Refunded)
        };
        assert_eq!(field(unsplit), "buyerAmount");
    }
}
