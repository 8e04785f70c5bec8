//! Seeds: customers, their balances, and escrows that have progressed as far as a test
//! needs.
//!
//! A seed states the progress that an escrow should have. The server gets it there by the
//! same commands that clients send, one after another.

use crate::domain::customers::profile::PartialProfileRequest;
use crate::domain::escrow::Status;
use crate::domain::escrow::terms::{MilestoneRequest, TermsRequest};
use crate::domain::ids::CustomerId;
use crate::domain::money::Amount;
use crate::domain::refusal::{Invalid, Parsed};

/// Most customers of one seed.
pub const CUSTOMERS_MAX: usize = 1_000;

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
    pub course: CourseRequest,
}

/// The parsed description of an escrow's progress.
#[derive(Clone, Debug, Default)]
pub struct CourseRequest {
    /// The status. `None` means that it is funded if there is a buyer, and else offered.
    pub status: Option<Status>,
    pub buyer: Option<CustomerId>,
    /// The number of milestones that are released, from the first on.
    pub released: Option<i64>,
    /// For each milestone whether it is released, where the milestone says so itself.
    /// `None` for a standard escrow.
    pub milestones: Option<Vec<Option<bool>>>,
    /// The seller's part of a split.
    pub seller_amount: Option<Amount>,
    /// The buyer's part of a split.
    pub buyer_amount: Option<Amount>,
}

/// The progress that an escrow should have. A value that no escrow can reach cannot
/// exist. The commands decide whether this escrow can reach it with this buyer and this
/// balance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Course {
    /// Offered and not funded.
    Offered,
    /// Funded.
    Funded {
        buyer: CustomerId,
        /// The indexes of the milestones that are released first, from 0.
        released: Vec<usize>,
        /// The step after that.
        then: Then,
    },
}

/// The last step of a funded escrow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// None: it stays as it is.
    Nothing,
    /// The buyer confirms a standard escrow.
    Confirmed,
    /// The seller claims the money when the delivery window is over.
    Claimed,
    /// The buyer opens a dispute.
    Disputed,
    /// The seller replies to the dispute.
    Answered,
    /// The merchant refunds the buyer.
    Refunded,
    /// The merchant splits the pool.
    Split { seller: Amount, buyer: Amount },
}

impl Course {
    /// Checks the description.
    ///
    /// # Errors
    ///
    /// Names the field if a funded escrow has no buyer or an offered one has, if the
    /// settlement type does not know the status, if the released milestones do not fit
    /// the status, or if the amounts of a split are missing or stand at another status.
    pub fn new(draft: CourseRequest) -> Result<Self, Invalid> {
        let paid = draft.buyer.as_ref().map_or(Status::Pending, |_| Status::Ongoing);
        let status = draft.status.unwrap_or(paid);
        if status == Status::Pending {
            return draft.check_unpaid().map(|()| Self::Offered);
        }
        if status == Status::Claimed && draft.milestones.is_some() {
            let expected = "one that an escrow with milestones can have, and it is never claimed";
            return Err(Invalid::wrong("status", expected, &quoted(status.into_str())));
        }
        let released = draft.released(status)?;
        let then = draft.then(status)?;
        let buyer = draft.buyer.ok_or_else(|| Invalid::missing("buyer"))?;
        Ok(Self::Funded { buyer, released, then })
    }
}

impl CourseRequest {
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
            let last = marks.len().saturating_sub(1);
            (last, "false for one milestone or more, unless the escrow is COMPLETED")
        };
        let got = marks.get(index).copied().flatten();
        let got = got.map_or("nothing".to_owned(), |mark| mark.to_string());
        Err(Invalid::wrong(format!("milestones[{index}].released"), expected, &got))
    }

    fn then(&self, status: Status) -> Result<Then, Invalid> {
        if status == Status::Split {
            return Ok(Then::Split {
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
            Status::Completed if self.milestones.is_none() => Then::Confirmed,
            Status::Claimed => Then::Claimed,
            Status::Disputed => Then::Disputed,
            Status::Investigating => Then::Answered,
            Status::Refunded => Then::Refunded,
            Status::Pending | Status::Ongoing | Status::Completed | Status::Split => Then::Nothing,
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

    fn paid(status: Status) -> CourseRequest {
        CourseRequest {
            status: Some(status),
            buyer: Some(ben()),
            ..CourseRequest::default()
        }
    }

    /// Three milestones that say nothing themselves.
    fn three(status: Status) -> CourseRequest {
        CourseRequest {
            milestones: Some(vec![None; 3]),
            ..paid(status)
        }
    }

    fn funded(draft: CourseRequest) -> (Vec<usize>, Then) {
        match Course::new(draft) {
            Ok(Course::Funded { buyer, released, then }) if buyer == ben() => (released, then),
            other => panic!("{other:?}"),
        }
    }

    fn field(draft: CourseRequest) -> String {
        Course::new(draft).unwrap_err().field
    }

    #[test]
    fn a_status_that_is_left_out_follows_from_the_buyer() {
        assert_eq!(Course::new(CourseRequest::default()), Ok(Course::Offered));
        let draft = CourseRequest {
            buyer: Some(ben()),
            ..CourseRequest::default()
        };
        assert_eq!(funded(draft), (vec![], Then::Nothing));
    }

    #[test]
    fn every_status_is_a_course() {
        let split = (Amount::from_minor(100).unwrap(), Amount::from_minor(200).unwrap());
        let cases = [
            (Status::Ongoing, Then::Nothing, Then::Nothing),
            (Status::Completed, Then::Confirmed, Then::Nothing),
            (Status::Disputed, Then::Disputed, Then::Disputed),
            (Status::Investigating, Then::Answered, Then::Answered),
            (Status::Refunded, Then::Refunded, Then::Refunded),
            (
                Status::Split,
                Then::Split {
                    seller: split.0,
                    buyer: split.1,
                },
                Then::Split {
                    seller: split.0,
                    buyer: split.1,
                },
            ),
        ];
        for (status, of_standard, of_milestones) in cases {
            let with_split = |draft: CourseRequest| {
                let is_split = status == Status::Split;
                CourseRequest {
                    seller_amount: is_split.then_some(split.0),
                    buyer_amount: is_split.then_some(split.1),
                    ..draft
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
        assert_eq!(funded(paid(Status::Claimed)), (vec![], Then::Claimed));
    }

    #[test]
    fn what_was_released_is_a_number_or_stands_with_each_milestone() {
        let count = |status, released| CourseRequest {
            released: Some(released),
            ..three(status)
        };
        let marks = |status, marks: [Option<bool>; 3]| CourseRequest {
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
        let both = CourseRequest {
            released: Some(1),
            ..marks(Status::Ongoing, [None, Some(false), None])
        };
        assert_eq!(field(both), "milestones[1].released");
        let none = CourseRequest {
            milestones: Some(Vec::new()),
            ..count(Status::Ongoing, 1)
        };
        assert_eq!(field(none), "released");
    }

    #[test]
    fn what_no_escrow_can_come_to_is_refused_and_names_the_field() {
        let amount = Amount::from_minor(100);
        let unpaid = |draft: CourseRequest| CourseRequest {
            status: Some(Status::Pending),
            ..draft
        };
        assert_eq!(field(unpaid(paid(Status::Pending))), "buyer");
        let draft = CourseRequest::default;
        for (case, wrong) in [
            (
                CourseRequest {
                    released: Some(0),
                    ..draft()
                },
                "released",
            ),
            (
                CourseRequest {
                    milestones: Some(vec![None, Some(false)]),
                    ..draft()
                },
                "milestones[1].released",
            ),
            (
                CourseRequest {
                    seller_amount: amount,
                    ..draft()
                },
                "sellerAmount",
            ),
            (
                CourseRequest {
                    buyer_amount: amount,
                    ..draft()
                },
                "buyerAmount",
            ),
        ] {
            assert_eq!(field(unpaid(case)), wrong);
        }
        let nobody = CourseRequest {
            buyer: None,
            ..paid(Status::Ongoing)
        };
        assert_eq!(field(nobody), "buyer");
        assert_eq!(field(three(Status::Claimed)), "status");
        let of_standard = CourseRequest {
            released: Some(0),
            ..paid(Status::Ongoing)
        };
        assert_eq!(field(of_standard), "released");
        assert_eq!(field(paid(Status::Split)), "sellerAmount");
        let half = CourseRequest {
            seller_amount: amount,
            ..paid(Status::Split)
        };
        assert_eq!(field(half), "buyerAmount");
        let unsplit = CourseRequest {
            buyer_amount: amount,
            ..paid(Status::Refunded)
        };
        assert_eq!(field(unsplit), "buyerAmount");
    }
}
