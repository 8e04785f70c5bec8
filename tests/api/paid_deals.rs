//! Tests what the pages of a paid deal tell its buyer, by the deal's status.

use serde_json::{Value, json};

use crate::checkout::{LiveDeal, framed, of, session, submit};
use crate::console::{Form, page, place_after};
use crate::helpers::{Deal, LIVE_KEY, TestApp, spawn_app, standard_terms};

/// A deal of Ada's in a sandbox that Tunde has paid for in a checkout.
struct Paid {
    app: TestApp,
    deal: Deal,
    session: String,
}

impl Paid {
    /// Offers a deal and pays for it.
    fn new(offer: impl FnOnce(&TestApp) -> Deal, total: &str) -> Self {
        let app = spawn_app();
        let deal = offer(&app);
        let session = session(&app, &of(&deal));
        let form = [("once", "1"), ("total", total)];
        let paid = submit(&app, &format!("/checkout/{session}/pay"), &form);
        assert_eq!(paid.status, 303, "{}", paid.text);
        Self { app, deal, session }
    }

    /// A deal of 10,000, with a fee of 200 and a refundable additional fee of 500.
    fn of_standard() -> Self {
        let mut terms = standard_terms();
        terms["amount"] = json!(10_000);
        terms["whoPays"] = json!("buyer");
        let offer = |app: &TestApp| {
            let deal = Deal::of(&app.create_escrow("ada", &terms).ok());
            let fee = json!({ "additionalFee": 500 });
            app.set_additional_fee(&deal.token, &fee).ok();
            deal
        };
        Self::new(offer, "10700")
    }

    /// A deal of 10,000 in two stages, with a fee of 200.
    fn of_milestones() -> Self {
        Self::new(TestApp::offered, "10200")
    }

    /// Asserts that both pages say this, and none of the other things that they can say.
    #[track_caller]
    fn says(&self, told: &str) {
        let by_link = page(&self.app, &format!("/pay/{}?buyer=tunde", self.deal.token));
        let checkout = framed(&self.app, &format!("/checkout/{}", self.session)).text;
        for page in [by_link, checkout] {
            assert!(page.contains(told), "{told}: {page}");
            for other in [
                "The money is held.",
                "is disputed",
                "went back to the buyer",
                "was divided",
                "was paid",
            ] {
                assert_eq!(page.contains(other), told.contains(other), "{other}: {page}");
            }
            let is_returned = told.contains("went back") || told.contains("divided");
            assert_eq!(page.contains("Came back to the buyer"), is_returned, "{page}");
            assert!(!page.contains("All its money is paid out"), "{page}");
        }
    }

    /// Asserts that the receipt shows how much has come back, which is in the wallet.
    #[track_caller]
    fn shows_returned(&self, shown: &str, in_wallet: i64) {
        let receipt = framed(&self.app, &format!("/checkout/{}", self.session)).text;
        let (_, after) = receipt.split_once("Came back to the buyer").unwrap();
        let amount = after.split_once("</dd>").unwrap().0;
        assert!(amount.contains(shown), "{amount}");
        assert_eq!(self.app.wallet("tunde").ok().data()["mainBalance"], in_wallet);
    }

    fn dispute(&self, who: &str) {
        let path = format!("/v1/escrow/submit-dispute/{}", self.deal.token);
        self.app
            .json("POST", &path, who, &json!({ "message": "It leaks" }))
            .ok();
    }

    fn resolve(&self, body: &Value) {
        let path = format!("/v1/escrow/dispute/resolve/{}", self.deal.id);
        self.app.as_merchant("POST", &path, Some(body)).ok();
    }
}

#[test]
fn a_deal_that_goes_on_is_held_and_a_disputed_one_until_it_is_decided() {
    let paid = Paid::of_standard();
    paid.says("The money is held. The seller gets it when you confirm");
    paid.dispute("tunde");
    paid.says("This deal is disputed.");
    paid.dispute("ada");
    paid.says("This deal is disputed.");
    paid.resolve(&json!({ "resolution": "It does not leak", "status": "COMPLETED" }));
    paid.says("The deal is closed. The seller was paid.");
}

#[test]
fn a_refunded_deal_says_how_much_came_back() {
    let paid = Paid::of_standard();
    paid.app.refund("ada", &paid.deal.token).ok();
    paid.says("The money that was held went back to the buyer.");
    paid.shows_returned("10,500.00", 1_000_000 - 10_700 + 10_500);
    // The seller keeps the stage of a deal that was confirmed.
    let paid = Paid::of_milestones();
    paid.says("The money is held. The seller gets each part when you confirm it.");
    let first = &paid.deal.milestones[0];
    paid.app.confirm_milestone("tunde", &paid.deal.id, first).ok();
    paid.app.refund("ada", &paid.deal.token).ok();
    paid.says("The money that was held went back to the buyer.");
    paid.shows_returned("6,000.00", 1_000_000 - 10_200 + 6_000);
}

#[test]
fn a_split_or_claimed_deal_is_closed() {
    let paid = Paid::of_standard();
    paid.dispute("tunde");
    paid.resolve(&json!({ "resolution": "Half each", "status": "SPLIT", "sellerAmount": 6_000, "buyerAmount": 4_000 }));
    paid.says("was divided between the seller and the buyer.");
    paid.shows_returned("4,500.00", 1_000_000 - 10_700 + 4_500);
    let paid = Paid::of_standard();
    paid.app.advance("60d").ok();
    paid.app.claim("ada", &paid.deal.token).ok();
    let by_link = page(&paid.app, &format!("/pay/{}?buyer=tunde", paid.deal.token));
    assert!(
        by_link.contains("The seller was paid, since the buyer had not confirmed in time."),
        "{by_link}"
    );
}

#[test]
fn the_receipt_of_a_live_checkout_says_that_the_money_came_back() {
    let live = LiveDeal::new();
    let reference = live.announce();
    live.record("in-1", 10_200, &json!({ "depositReference": reference }));
    let receipt = live.page().text;
    assert!(
        receipt.contains("it is there that you confirm") && receipt.contains("The money is held."),
        "{receipt}"
    );
    let path = format!("/v1/escrow/refund/{}", live.deal.token);
    live.app
        .json_with_key(LIVE_KEY, "POST", &path, &live.seller, &Value::Null)
        .ok();
    let receipt = live.page().text;
    assert!(receipt.contains("went back to the buyer"), "{receipt}");
    assert!(receipt.contains("Came back to the buyer"), "{receipt}");
    assert!(
        !receipt.contains("it is there that you confirm") && !receipt.contains("The money is held."),
        "{receipt}"
    );
}

/// Offers bicycles of Ada's to several buyers and returns the path of their page, for one buyer.
fn link(app: &TestApp, quantity: i64) -> impl Fn(&str) -> String {
    let mut terms = standard_terms();
    terms["totalQuantity"] = json!(quantity);
    let token = app.create_escrow("ada", &terms).ok().text("paymentToken");
    move |buyer| format!("/pay/{token}?buyer={buyer}")
}

#[test]
fn each_buyer_of_a_link_gets_a_receipt_and_confirms() {
    let app = spawn_app();
    let path = link(&app, 3);
    let ben = path("ben");
    let saved = Form::of(&page(&app, &ben), "visa 4242424242424242").send(&app);
    let ways = page(&app, &place_after(&saved));
    let by_card = Form::of(&ways, "Pay with visa …4242").send(&app);
    for paid in [Form::of(&ways, "Pay from the wallet").send(&app), by_card] {
        let place = place_after(&paid);
        let receipt = page(&app, &place);
        assert!(receipt.contains("<h2>Receipt</h2>"), "{receipt}");
        assert!(!receipt.contains("Pay from the wallet"), "{receipt}");
        // The receipt belongs to its buyer.
        let of_other = page(&app, &place.replace("buyer=ben", "buyer=ngozi"));
        assert!(!of_other.contains("<h2>Receipt</h2>"), "{of_other}");
        let confirmed = Form::of(&receipt, "Confirm the delivery").send(&app);
        let closed = page(&app, &place_after(&confirmed));
        assert!(closed.contains("The deal is closed. The seller was paid."), "{closed}");
        assert!(closed.contains("<h2>Receipt</h2>"), "{closed}");
    }
    assert_eq!(app.count("transfer WHERE kind = 'FUND'"), 2);
}

#[test]
fn a_link_that_is_sold_out_shows_no_way_to_pay() {
    let app = spawn_app();
    let path = link(&app, 2);
    for buyer in ["ben", "ngozi"] {
        let paid = Form::of(&page(&app, &path(buyer)), "Pay from the wallet").send(&app);
        let receipt = page(&app, &place_after(&paid));
        assert!(receipt.contains("<h2>Receipt</h2>"), "{receipt}");
    }
    for page in [page(&app, &path("tunde")), page(&app, &path(""))] {
        assert!(page.contains("<h2>Sold out</h2>"), "{page}");
        assert!(!page.contains("<form"), "{page}");
    }
}

#[test]
fn money_that_was_divided_is_not_shown_as_returned() {
    let paid = Paid::of_standard();
    paid.dispute("tunde");
    paid.resolve(&json!({ "resolution": "Half each", "status": "SPLIT", "sellerAmount": 6_000, "buyerAmount": 4_000 }));
    let deal = format!("/console/deals/{}", paid.deal.id);
    for path in [format!("/pay/{}?buyer=tunde", paid.deal.token), deal] {
        let shown = page(&paid.app, &path);
        assert!(shown.contains("<span class=\"badge warn\">split</span>"), "{shown}");
        assert!(!shown.contains(">returned</span>"), "{shown}");
        assert!(shown.contains("aria-label=\"The money is split\""), "{shown}");
    }
    let paid = Paid::of_milestones();
    paid.app
        .confirm_milestone("tunde", &paid.deal.id, &paid.deal.milestones[0])
        .ok();
    paid.dispute("tunde");
    paid.resolve(&json!({ "resolution": "Half each", "status": "SPLIT", "sellerAmount": 2_000, "buyerAmount": 4_000 }));
    let shown = page(&paid.app, &format!("/console/deals/{}", paid.deal.id));
    assert!(
        shown.contains(">split</span>") && shown.contains(">released</span>"),
        "{shown}"
    );
    assert!(!shown.contains(">returned</span>"), "{shown}");
}

#[test]
fn the_page_of_an_offer_to_several_buyers_says_how_many_are_left() {
    let app = spawn_app();
    let mut terms = standard_terms();
    terms["totalQuantity"] = json!(2);
    let offered = app.create_escrow("ada", &terms).ok();
    let place = format!("/console/deals/{}", offered.text("id"));
    let shown = page(&app, &place);
    assert!(
        shown.contains("several, each payment makes a deal of its own"),
        "{shown}"
    );
    assert!(shown.contains("<dd>2 left</dd>"), "{shown}");
    for wrong in ["no buyer yet", "No payment yet"] {
        assert!(!shown.contains(wrong), "{shown}");
    }
    assert!(page(&app, "/console/deals").contains("to several buyers, 2 left"));
    for buyer in ["ben", "ngozi"] {
        let path = format!("/pay/{}?buyer={buyer}", offered.text("paymentToken"));
        place_after(&Form::of(&page(&app, &path), "Pay from the wallet").send(&app));
    }
    assert!(page(&app, &place).contains("<dd>sold out</dd>"));
    assert!(page(&app, "/console/deals").contains("to several buyers, sold out"));
}
