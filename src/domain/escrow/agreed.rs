//! The terms that a buyer agrees to by announcing a deposit that is to pay for escrows. The money
//! comes later, and the seller may have edited the offers meanwhile.

use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::domain::escrow::milestone::Milestone;
use crate::domain::escrow::{Escrow, Plan};
use crate::domain::ids::CustomerId;
use crate::domain::refusal::Refusal;

/// The terms of one escrow as text and numbers, whose JSON is hashed. The hashes are stored, so
/// another form of the same terms would make each announced deposit one of other terms.
///
/// Not part of it: how many buyers the offer is open to, which changes with each of them, and the
/// category, which the seller may rename or delete for reasons of its own.
#[derive(Serialize)]
struct AgreedTerms<'a> {
    seller: Option<&'a str>,
    amount: i64,
    fee: i64,
    buyer_share: i64,
    additional_fee: i64,
    additional_fee_is_refundable: bool,
    purpose: &'a str,
    description: Option<&'a str>,
    images: Vec<String>,
    delivery_seconds: i64,
    /// `None` for a standard escrow.
    milestones: Option<Vec<AgreedMilestone<'a>>>,
}

#[derive(Serialize)]
struct AgreedMilestone<'a> {
    title: &'a str,
    description: Option<&'a str>,
    amount: i64,
    due_date: Option<String>,
    beneficiary: Option<&'a str>,
}

impl<'a> AgreedTerms<'a> {
    fn of(escrow: &'a Escrow) -> Self {
        let terms = &escrow.terms;
        let is_standard = escrow.plan == Plan::Standard;
        Self {
            seller: escrow.seller.customer().map(CustomerId::as_str),
            amount: terms.amount.minor(),
            fee: escrow.fee.total().minor(),
            buyer_share: escrow.fee.buyer_share().minor(),
            additional_fee: escrow.additional_fee.amount.minor(),
            additional_fee_is_refundable: escrow.additional_fee.is_refundable,
            purpose: &terms.purpose,
            description: terms.description.as_deref(),
            images: escrow.images.iter().map(ToString::to_string).collect(),
            delivery_seconds: terms.delivery_seconds(),
            milestones: (!is_standard).then(|| escrow.milestones().iter().map(AgreedMilestone::of).collect()),
        }
    }
}

impl<'a> AgreedMilestone<'a> {
    fn of(milestone: &'a Milestone) -> Self {
        let terms = &milestone.terms;
        Self {
            title: &terms.title,
            description: terms.description.as_deref(),
            amount: terms.amount.minor(),
            due_date: terms.due_date.map(|date| date.to_string()),
            beneficiary: terms.beneficiary.as_ref().map(CustomerId::as_str),
        }
    }
}

/// Returns the SHA-256, in hexadecimal, of everything that a buyer of these escrows agrees to.
pub fn terms_hash(escrows: &[Escrow]) -> String {
    let terms: Vec<AgreedTerms<'_>> = escrows.iter().map(AgreedTerms::of).collect();
    let terms = serde_json::to_vec(&terms).expect("terms have only texts, numbers and lists");
    hex::encode(Sha256::digest(terms))
}

/// Checks that escrows still have the terms with this hash. `None` is a deposit that was announced
/// before the hashes were kept.
///
/// # Errors
///
/// Refuses escrows whose terms were changed.
pub fn check_terms_agreed(escrows: &[Escrow], agreed: Option<&str>) -> Result<(), Refusal> {
    match agreed {
        Some(agreed) if agreed != terms_hash(escrows) => Err(Refusal::TermsChanged),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::escrow::AdditionalFee;
    use crate::domain::escrow::tests::helpers::{SequentialIds, customer, kobo, naira, offered};
    use crate::domain::fees::{Fee, Rates, WhoPays};
    use crate::domain::file::FileName;
    use crate::domain::party::Party;

    fn milestones(escrow: &mut Escrow) -> &mut Vec<Milestone> {
        match &mut escrow.plan {
            Plan::Milestones(milestones) => milestones,
            Plan::Standard => unreachable!("the escrow has milestones"),
        }
    }

    fn deal() -> Escrow {
        offered(&[(400, None), (600, Some("cleo"))], 0, &mut SequentialIds::default())
    }

    #[test]
    fn every_term_of_a_buyer_changes_the_hash_and_nothing_else_does() {
        let with = |change: &dyn Fn(&mut Escrow)| {
            let mut changed = deal();
            change(&mut changed);
            terms_hash(&[changed])
        };
        let fee = |who_pays, bps| Fee::of(naira(1000), who_pays, Rates::new(bps, 0).unwrap());
        let image = format!("{}.png", "ab".repeat(32));
        let changed = [
            with(&|_| {}),
            with(&|deal| deal.seller = Party::Merchant),
            with(&|deal| deal.terms.amount = naira(999)),
            with(&|deal| deal.fee = fee(WhoPays::Seller, 200)),
            with(&|deal| deal.fee = fee(WhoPays::Both, 200)),
            with(&|deal| deal.fee = fee(WhoPays::Buyer, 100)),
            with(&|deal| {
                deal.additional_fee = AdditionalFee {
                    amount: kobo(1),
                    ..AdditionalFee::NONE
                }
            }),
            with(&|deal| deal.additional_fee.is_refundable = false),
            with(&|deal| deal.terms.purpose = "A brick".to_owned()),
            with(&|deal| deal.terms.description = Some("As is".to_owned())),
            with(&|deal| deal.images.push(FileName::parse(&image).unwrap())),
            with(&|deal| deal.terms.max_delivery -= 1),
            with(&|deal| deal.plan = Plan::Standard),
            with(&|deal| milestones(deal).reverse()),
            with(&|deal| milestones(deal).truncate(1)),
            with(&|deal| milestones(deal)[0].terms.title = "Other".to_owned()),
            with(&|deal| milestones(deal)[0].terms.description = Some("Other".to_owned())),
            with(&|deal| milestones(deal)[0].terms.amount = naira(401)),
            with(&|deal| milestones(deal)[0].terms.due_date = Some(deal_date())),
            with(&|deal| milestones(deal)[0].terms.beneficiary = Some(customer("eve"))),
            with(&|deal| milestones(deal)[1].terms.beneficiary = None),
            terms_hash(&[deal(), deal()]),
        ];
        for (index, hash) in changed.iter().enumerate() {
            assert!(!changed[..index].contains(hash), "{index}");
        }
        let same = [
            with(&|deal| deal.terms.total_quantity = 5),
            with(&|deal| deal.is_link = true),
            with(&|deal| deal.updated_at = deal.updated_at.seconds_later(5)),
            // An edit gives new ids.
            with(&|deal| {
                deal.plan = offered(&[(400, None), (600, Some("cleo"))], 0, &mut SequentialIds::default()).plan;
            }),
        ];
        assert!(same.iter().all(|hash| *hash == changed[0]), "{same:?}");
    }

    fn deal_date() -> crate::domain::time::Date {
        crate::domain::time::Timestamp::from_millis(0).unwrap().date()
    }

    /// The hash is stored, so it must be the same in each version.
    #[test]
    fn a_hash_of_an_earlier_version_counts() {
        let deal = [deal()];
        let stored = terms_hash(&deal);
        assert_eq!(
            stored,
            "d02f814ec020dd6c8e9bb7535bf971b369d5be4420310b670d6363cb98a155b2"
        );
        assert_eq!(check_terms_agreed(&deal, Some(&stored)), Ok(()));
        assert_eq!(check_terms_agreed(&deal, None), Ok(()));
        assert_eq!(check_terms_agreed(&[], Some(&stored)), Err(Refusal::TermsChanged));
    }
}
