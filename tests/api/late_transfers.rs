//! Tests what a checkout tells a buyer whose deal is gone: one whose transfer is on its way or has
//! come, and one whom the page does not know.

use serde_json::{Value, json};

use crate::checkout::{LiveDeal, framed, live_key, of, session, submit};
use crate::helpers::{Deal, LIVE_KEY, spawn_app, standard_terms};

const WALLET: &str = "in your wallet at the shop";

/// Opens a checkout for a customer.
fn begun(live: &LiveDeal, customer: &str) -> String {
    let sent = json!({ "publicKey": live_key(&live.app), "paymentToken": live.deal.token, "customerId": customer });
    session(&live.app, &sent)
}

/// Opens a checkout for a customer and announces a transfer in it. Returns its session and the
/// reference.
fn announced(live: &LiveDeal, customer: &str) -> (String, String) {
    let session = begun(live, customer);
    let pressed = submit(&live.app, &format!("/checkout/{session}/transfer"), &[]);
    assert_eq!(pressed.status, 303, "{}", pressed.text);
    let page = framed(&live.app, &format!("/checkout/{session}")).text;
    let (_, after) = page.split_once("<dt>Reference</dt><dd><strong><code>").unwrap();
    let reference = after.split_once('<').unwrap().0.to_owned();
    (session, reference)
}

/// Returns a page that neither says that nothing was paid nor asks for money.
#[track_caller]
fn told(live: &LiveDeal, session: &str) -> String {
    let page = framed(&live.app, &format!("/checkout/{session}"));
    assert_eq!(page.status, 200, "{}", page.text);
    for wrong in ["Nothing was", "Transfer exactly", "0123456789", "<h2>Receipt</h2>"] {
        assert!(!page.text.contains(wrong), "{wrong}: {}", page.text);
    }
    page.text
}

#[test]
fn a_transfer_for_a_deal_that_another_buyer_paid_for_is_in_the_wallet() {
    let live = LiveDeal::new();
    let cleo = live.app.live_customer("cleo", "08011112222");
    let unused = begun(&live, &cleo);
    let first = live.announce();
    let (session, second) = announced(&live, &cleo);
    live.record("in-1", 10_200, &json!({ "depositReference": first }));
    let page = told(&live, &session);
    assert!(
        page.contains("Another buyer has paid") && page.contains("data-waiting"),
        "{page}"
    );
    assert!(
        page.contains("Do not transfer money") && page.contains(&second),
        "{page}"
    );
    // Money that is less than the whole is told too.
    live.record("in-2", 10_000, &json!({ "depositReference": second }));
    let page = told(&live, &session);
    assert!(
        page.contains("10,000.00") && page.contains("came with this reference"),
        "{page}"
    );
    let outcome = live.record("in-3", 10_200, &json!({ "depositReference": second }));
    assert_eq!(outcome.data()["notFunded"]["code"], "escrow_not_payable");
    assert_eq!(live.app.live_balance(&cleo), 20_200);
    let page = told(&live, &session);
    assert!(page.contains("Your transfer came") && page.contains(WALLET), "{page}");
    assert!(!page.contains("data-waiting"), "{page}");
    // Another session of the same buyer does not know of the transfer that came.
    let page = told(&live, &unused);
    assert!(
        page.contains("Another buyer has paid") && page.contains(WALLET),
        "{page}"
    );
}

#[test]
fn a_transfer_for_a_deal_that_the_seller_deleted_is_in_the_wallet() {
    let live = LiveDeal::new();
    let unused = begun(&live, &live.buyer);
    let reference = live.announce();
    let path = format!("/v1/escrow/delete/{}", live.deal.token);
    let deleted = live
        .app
        .json_with_key(LIVE_KEY, "DELETE", &path, &live.seller, &Value::Null);
    deleted.ok();
    let page = told(&live, &live.session);
    assert!(
        page.contains("The seller has deleted this offer") && page.contains("data-waiting"),
        "{page}"
    );
    assert!(
        page.contains("Do not transfer money") && page.contains(&reference),
        "{page}"
    );
    let pressed = submit(&live.app, &format!("/checkout/{}/transfer", live.session), &[]);
    assert_eq!(pressed.status, 303, "{}", pressed.text);
    live.record("in-1", 10_200, &json!({ "depositReference": reference }));
    assert_eq!(live.app.live_balance(&live.buyer), 10_200);
    let page = told(&live, &live.session);
    assert!(page.contains("Your transfer came") && page.contains(WALLET), "{page}");
    let page = framed(&live.app, &format!("/checkout/{unused}"));
    assert_eq!(page.status, 404);
    assert!(
        page.text.contains("deleted this offer") && page.text.contains(WALLET),
        "{}",
        page.text
    );
    assert!(!page.text.contains("Nothing was"), "{}", page.text);
}

#[test]
fn a_transfer_for_a_sold_out_offer_is_told_to_those_who_paid_and_to_those_who_came_late() {
    let live = LiveDeal::new();
    let terms = json!({
        "amount": 10_000, "purpose": "A bicycle", "whoPays": "buyer", "maxDelivery": 3, "deliveryTimeline": "days",
        "totalQuantity": 2,
    });
    let path = "/v1/escrow/create";
    let offered = live.app.json_with_key(LIVE_KEY, "POST", path, &live.seller, &terms);
    let live = LiveDeal {
        deal: Deal::of(&offered.ok()),
        ..live
    };
    let buyers = [("cleo", "08011112222"), ("dayo", "08011113333"), ("efe", "08011114444")];
    let buyers = buyers.map(|(name, phone)| announced(&live, &live.app.live_customer(name, phone)));
    for (index, (session, reference)) in buyers.iter().enumerate() {
        let page = framed(&live.app, &format!("/checkout/{session}")).text;
        assert_eq!(page.contains("Do not transfer money"), index == 2, "{page}");
        assert_eq!(page.contains("Sold out"), index == 2, "{page}");
        let outcome = live.record(
            &format!("in-{index}"),
            10_200,
            &json!({ "depositReference": reference }),
        );
        assert_eq!(
            outcome.data()["fundedEscrowIds"].as_array().unwrap().len(),
            usize::from(index < 2)
        );
        let page = told(&live, session);
        assert!(
            page.contains("Your transfer came") && page.contains("if it paid"),
            "{page}"
        );
    }
}

#[test]
fn a_page_that_does_not_know_the_payer_does_not_say_that_nothing_was_taken() {
    let app = spawn_app();
    let deal = app.offered();
    let mut sent = of(&deal);
    sent.as_object_mut().unwrap().remove("customerId");
    let session = session(&app, &sent);
    let form = [("once", "1"), ("total", "10200"), ("customer", "tunde")];
    let paid = submit(&app, &format!("/checkout/{session}/pay"), &form);
    assert_eq!(paid.status, 303, "{}", paid.text);
    let again = framed(&app, &format!("/checkout/{session}")).text;
    assert!(again.contains("This deal is paid."), "{again}");
    assert!(
        !again.contains("nothing was") && !again.contains("Nothing was"),
        "{again}"
    );
    assert!(!again.contains("Another buyer"), "{again}");
    let payer = framed(&app, &format!("/checkout/{session}?customer=tunde")).text;
    assert!(payer.contains("<h2>Receipt</h2>"), "{payer}");
    let other = framed(&app, &format!("/checkout/{session}?customer=ngozi")).text;
    assert!(other.contains("Nothing was taken from you"), "{other}");
}

#[test]
fn a_receipt_for_one_of_several_is_shown_after_the_seller_deleted_the_offer() {
    let app = spawn_app();
    let mut terms = standard_terms();
    terms["totalQuantity"] = json!(2);
    let deal = Deal::of(&app.create_escrow("ada", &terms).ok());
    let session = session(&app, &of(&deal));
    let form = [("once", "1"), ("total", "1234.56")];
    let paid = submit(&app, &format!("/checkout/{session}/pay"), &form);
    app.delete_escrow("ada", &deal.token).ok();
    let receipt = framed(&app, paid.header("location").unwrap());
    assert!(receipt.text.contains("<h2>Receipt</h2>"), "{}", receipt.text);
    let without = framed(&app, &format!("/checkout/{session}"));
    assert_eq!(without.status, 404);
    assert!(!without.text.contains("Nothing was"), "{}", without.text);
}
