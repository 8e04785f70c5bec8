//! The stories. A new one is a function here and a line in [`all`].

use actix_web::http::Method;
use serde_json::json;

use crate::domain::escrow::dispute::Speaker;
use crate::web::api::Request;
use crate::web::demo::story::{Done, Person, Step, Story};

/// Returns every story, in the order in which a reader sees them.
pub(super) fn all() -> [Story; 3] {
    [happy_deal(), dispute_and_split(), buyer_who_vanishes()]
}

/// Returns the story with this part of the address.
pub(super) fn find(slug: &str) -> Option<Story> {
    all().into_iter().find(|story| story.slug == slug)
}

fn post(path: &str) -> Request {
    Request::new(Method::POST, path)
}

/// The buyer Ben pays for the deal from his wallet.
fn ben_pays() -> Request {
    post("/v1/payment/escrow")
        .acting_for("ben")
        .with(json!({"escrowDetails": {"paymentToken": "{token}"}}))
}

/// The buyer Ben confirms a stage, by its placeholder.
fn ben_confirms(stage: &str) -> Request {
    post(&format!("/v1/escrow/milestone/confirm/{{deal}}/{stage}")).acting_for("ben")
}

fn happy_deal() -> Story {
    Story {
        slug: "happy-deal",
        title: "A deal that goes well",
        summary: "Ada builds a website for Ben in three stages. He pays once, and each stage is paid out when he confirms it.",
        people: vec![
            Person {
                name: "Ada",
                role: "the seller, builds websites",
                wallet: Some(20_000),
            },
            Person {
                name: "Ben",
                role: "the buyer, has a bakery",
                wallet: Some(400_000),
            },
            Person {
                name: "Cleo",
                role: "the photographer, does one of the stages",
                wallet: Some(5_000),
            },
        ],
        steps: vec![
            Step {
                title: "Ada offers the deal",
                text: "Ada offers Ben a website in three stages for {currency} 250,000. Cleo will take the photos, and \
                       the offer says that this stage is paid to her.",
                safety: "An offer moves no money. Ben can read it before he pays, and a payment of another amount is refused.",
                request: post("/v1/escrow/milestone/create").acting_for("ada").with(json!({
                    "purpose": "A website for Ben's bakery",
                    "amount": 250_000,
                    "whoPays": "buyer",
                    "milestones": [
                        {"title": "Design", "amount": 75_000},
                        {"title": "Photos", "amount": 50_000, "customerId": "{cleo}"},
                        {"title": "Launch", "amount": 125_000},
                    ],
                })),
                done: Done::Offered,
            },
            Step {
                title: "Ben pays once",
                text: "Ben pays the price and the fee in one payment, from his wallet.",
                safety: "The money is now held between them. Ada can see that it is there and begin her work, but she \
                         cannot take it. Ben cannot take it back on his own.",
                request: ben_pays(),
                done: Done::Paid,
            },
            Step {
                title: "Ben confirms the design",
                text: "Ada has finished the design. Ben confirms it, and its part is paid out to her at once.",
                safety: "Only this stage is paid out. The money of the other stages stays held.",
                request: ben_confirms("{stage 1}"),
                done: Done::StagePaidOut(1),
            },
            Step {
                title: "Ben confirms the photos",
                text: "Cleo has taken the photos. Ben confirms them, and Cleo is paid.",
                safety: "The money goes where the offer said. It does not pass through Ada's wallet.",
                request: ben_confirms("{stage 2}"),
                done: Done::StagePaidOut(2),
            },
            Step {
                title: "Ben confirms the launch",
                text: "The website is online. Ben confirms the last stage, and the deal closes.",
                safety: "The fee leaves the held money only now, at the close. Nothing stays behind.",
                request: ben_confirms("{stage 3}"),
                done: Done::Closed,
            },
        ],
        ending: "Ben has his website, Ada and Cleo have their money, and the platform has its fee. What Ben paid is \
                 exactly what the others received.",
    }
}

fn dispute_and_split() -> Story {
    Story {
        slug: "dispute-and-split",
        title: "A dispute and a split",
        summary: "Ada fits out Ben's shop. He is not content with the second stage, and Cleo decides who gets what.",
        people: vec![
            Person {
                name: "Ada",
                role: "the seller, a carpenter",
                wallet: Some(10_000),
            },
            Person {
                name: "Ben",
                role: "the buyer, opens a shop",
                wallet: Some(310_000),
            },
            Person {
                name: "Cleo",
                role: "rules on disputes for the marketplace, and has no money in the deal",
                wallet: None,
            },
        ],
        steps: vec![
            Step {
                title: "Ada offers the deal",
                text: "Ada offers to fit out Ben's shop for {currency} 200,000: first the counter, then the shelves.",
                safety: "An offer moves no money. What each stage costs is fixed before anyone pays.",
                request: post("/v1/escrow/milestone/create").acting_for("ada").with(json!({
                    "purpose": "Fitting out Ben's shop",
                    "amount": 200_000,
                    "whoPays": "buyer",
                    "milestones": [
                        {"title": "Counter", "amount": 80_000},
                        {"title": "Shelves", "amount": 120_000},
                    ],
                })),
                done: Done::Offered,
            },
            Step {
                title: "Ben pays once",
                text: "Ben pays for both stages and the fee in one payment.",
                safety: "The money is held between them until Ben confirms a stage.",
                request: ben_pays(),
                done: Done::Paid,
            },
            Step {
                title: "Ben confirms the counter",
                text: "The counter is as agreed. Ben confirms it, and Ada is paid for it.",
                safety: "This stage is settled for good. A later dispute cannot touch it.",
                request: ben_confirms("{stage 1}"),
                done: Done::StagePaidOut(1),
            },
            Step {
                title: "Ben disputes the shelves",
                text: "Four of ten shelves are crooked. Ben opens a dispute and says what is wrong.",
                safety: "The money of the shelves stays where it is. Neither Ben nor Ada has lost it.",
                request: post("/v1/escrow/submit-dispute/{token}").acting_for("ben").with(json!({
                    "message": "Four of the ten shelves are crooked: the right ends hang 4 cm lower. I wrote to Ada \
                                twice, and she did not come to mend them.",
                })),
                done: Done::Spoken(Speaker::Buyer),
            },
            Step {
                title: "Ada answers",
                text: "Ada tells her side. Both statements are kept with the deal.",
                safety: "Each side is heard once, and neither can change afterwards what it said.",
                request: post("/v1/escrow/submit-dispute/{token}").acting_for("ada").with(json!({
                    "message": "Six shelves are straight and in use. The four hang on a wall that gives way, which I \
                                told Ben before I began.",
                })),
                done: Done::Spoken(Speaker::Seller),
            },
            Step {
                title: "Cleo rules",
                text: "Cleo reads both sides and splits the held {currency} 120,000: 70,000 for Ada, 50,000 back to Ben.",
                safety: "A ruling divides exactly what is held: a split that adds up to more or less is refused.",
                request: post("/v1/escrow/dispute/resolve/{deal}").with(json!({
                    "status": "SPLIT",
                    "sellerAmount": 70_000,
                    "buyerAmount": 50_000,
                    "resolution": "Six of ten shelves are good. Ada is paid for them, and Ben gets the rest back.",
                })),
                done: Done::Closed,
            },
        ],
        ending: "Ada is paid for the counter and the good shelves, and Ben has the rest of his money back. The \
                 statements and the ruling stay with the deal.",
    }
}

fn buyer_who_vanishes() -> Story {
    Story {
        slug: "buyer-who-vanishes",
        title: "A buyer who vanishes",
        summary: "Ada delivers, but Ben never answers. When his time is up, Ada claims what is due to her.",
        people: vec![
            Person {
                name: "Ada",
                role: "the seller, repairs sewing machines",
                wallet: Some(15_000),
            },
            Person {
                name: "Ben",
                role: "the buyer, does not answer any more",
                wallet: Some(140_000),
            },
        ],
        steps: vec![
            Step {
                title: "Ada offers the deal",
                text: "Ada offers a sewing machine for {currency} 90,000, to be delivered within seven days.",
                safety: "The time to deliver is part of the offer. Ben knows it before he pays.",
                request: post("/v1/escrow/create").acting_for("ada").with(json!({
                    "purpose": "A sewing machine",
                    "amount": 90_000,
                    "whoPays": "buyer",
                    "maxDelivery": 7,
                    "deliveryTimeline": "days",
                })),
                done: Done::Offered,
            },
            Step {
                title: "Ben pays",
                text: "Ben pays the price and the fee. Ada sees that the money is held, and sends the machine.",
                safety: "Ada knows that the money is there before she sends anything. She cannot claim it before Ben's time \
                         is up.",
                request: ben_pays(),
                done: Done::Paid,
            },
            Step {
                title: "Ben does not answer",
                text: "The machine arrives, but Ben neither confirms nor complains. The days for the delivery pass, and \
                       the time that he has after them. The next click moves the clock of this whole sandbox forward by \
                       {days} days.",
                safety: "Time alone moves no money. Until Ada claims, Ben can still confirm, or dispute.",
                request: post("/sandbox/clock/advance").with(json!({"by": "{days}d"})),
                done: Done::TimeIsUp,
            },
            Step {
                title: "Ada claims the money",
                text: "Ben's time is up. Ada claims what is due to her, and the deal closes.",
                safety: "Ada need not wait for ever for a buyer who has vanished. Before this day, her claim would have \
                         been refused.",
                request: Request::get("/v1/escrow/claim-funds/{token}").acting_for("ada"),
                done: Done::Closed,
            },
        ],
        ending: "Ada is paid, although Ben never answered. Had he complained in time, she would have been paid only \
                 after a ruling.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_story_can_be_told_from_its_address() {
        let mut letters = std::collections::HashSet::new();
        for story in all() {
            let slug = story.slug;
            assert!(
                slug.bytes().all(|byte| byte == b'-' || byte.is_ascii_lowercase()),
                "{slug}"
            );
            assert!(letters.insert(slug.as_bytes()[0]), "two stories begin as {slug}");
            assert!(story.people[0].wallet.is_some(), "{slug}: the seller has a wallet");
            assert_eq!(find(slug).map(|found| found.title), Some(story.title));
            for step in &story.steps {
                let actor = &step.request.customer;
                let is_known = |name: &String| story.people.iter().any(|person| person.customer_name() == *name);
                assert!(actor.as_ref().is_none_or(is_known), "{slug}: {actor:?}");
            }
            assert_eq!(story.steps.first().map(|step| step.done), Some(Done::Offered), "{slug}");
            assert_eq!(story.steps.last().map(|step| step.done), Some(Done::Closed), "{slug}");
        }
        assert!(find("nothing").is_none());
    }
}
