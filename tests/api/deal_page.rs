//! Tests that the page of a deal offers what can be done now, and says what it would do.

use serde_json::json;

use crate::checkout::session;
use crate::console::{Form, page, paid_example, place_after, upload_after};
use crate::helpers::{TestApp, spawn_app, spawn_app_with, standard_terms};

const PAY: &str = "Pay from the wallet";

/// Offers a standard deal of `ada` that `ben` has paid, and returns its token and the path of its page.
fn paid_standard_deal(app: &TestApp) -> (String, String) {
    let offered = app.json("POST", "/v1/escrow/create", "ada", &standard_terms()).ok();
    let token = offered.text("paymentToken");
    let payment = json!({"escrowDetails": {"paymentToken": token}});
    app.json("POST", "/v1/payment/escrow", "ben", &payment).ok();
    (token, format!("/console/deals/{}", offered.text("id")))
}

#[test]
fn the_buyer_of_the_example_is_suggested_whoever_is_new() {
    let app = spawn_app();
    let made = || {
        let form = Form::of(&page(&app, "/"), "Make an example deal");
        page(&app, &place_after(&form.send_to(&app, "/console/example", &[])))
    };
    made();
    app.json(
        "PUT",
        "/sandbox/balance",
        "",
        &json!({"customerId": "cleo", "balance": 1}),
    )
    .ok();
    let pay = Form::of(&made(), PAY);
    assert_eq!(pay.field("customer"), Some("tunde"));
    place_after(&pay.send(&app));
    // A buyer is not the seller.
    let offered = app.json("POST", "/v1/escrow/create", "tunde", &standard_terms()).ok();
    let pay = Form::of(&page(&app, &format!("/console/deals/{}", offered.text("id"))), PAY);
    assert_eq!(pay.field("customer"), Some("ben"));
}

#[test]
fn a_strict_sandbox_suggests_nobody() {
    let app = spawn_app_with(|config| config.strict = true);
    let customer = |name: &str, phone: &str| {
        let body = json!({"firstname": name, "lastname": "Obi", "email": format!("{name}@x.example"), "phone": phone});
        app.json("POST", "/v1/customer/create", "", &body)
            .ok()
            .text("customerId")
    };
    let (seller, buyer) = (customer("Ngozi", "08030000001"), customer("Zainab", "08030000002"));
    let offered = app.json("POST", "/v1/escrow/create", &seller, &standard_terms()).ok();
    let shown = page(&app, &format!("/console/deals/{}", offered.text("id")));
    assert_eq!(Form::of(&shown, PAY).field("customer"), Some(""), "{shown}");
    let option = format!("<option value=\"{buyer}\">Zainab Obi, 08030000002</option>");
    assert!(shown.contains(&option), "{shown}");
    assert!(!shown.contains(&format!("<option value=\"{seller}\"")), "{shown}");
}

#[test]
fn a_strict_sandbox_asks_for_the_id_of_a_customer() {
    let app = spawn_app_with(|config| config.strict = true);
    let customer = |name: &str, phone: &str| {
        let body = json!({"firstname": name, "lastname": "Obi", "email": format!("{name}@x.example"), "phone": phone});
        app.create_customer(&body).ok().text("customerId")
    };
    let (seller, buyer) = (customer("Ngozi", "08030000001"), customer("Zainab", "08030000002"));
    let offered = app.create_escrow(&seller, &standard_terms()).ok();
    let token = offered.text("paymentToken");
    let key = app.column("SELECT publishable_key FROM merchant").remove(0);
    let sent = json!({ "publicKey": key, "paymentToken": token });
    let checkout = format!("/checkout/{}", session(&app, &sent));
    for (path, field) in [(format!("/pay/{token}"), "buyer"), (checkout, "customer")] {
        let asked = page(&app, &path);
        assert!(asked.contains("The id of a customer."), "{asked}");
        assert!(!asked.contains("tunde") && !asked.contains("new customer"), "{asked}");
        let unknown = page(&app, &format!("{path}?{field}=tunde"));
        assert!(unknown.contains("There is no customer with this id."), "{unknown}");
        assert!(unknown.contains("value=\"tunde\""), "{unknown}");
        let known = page(&app, &format!("{path}?{field}={buyer}"));
        assert!(known.contains("Pay from the wallet"), "{known}");
    }
}

#[test]
fn the_page_of_a_customer_has_the_title_of_its_heading() {
    let app = spawn_app();
    let customer = app.customer_with("Zainab", "08030000002", 1_000);
    let shown = page(&app, &format!("/console/customers/{customer}"));
    let (_, heading) = shown.split_once("<h1>").unwrap();
    let (heading, _) = heading.split_once("</h1>").unwrap();
    assert_ne!(heading, customer);
    assert!(shown.contains(&format!("<title>{heading} ·")), "{shown}");
}

#[test]
fn lists_say_which_of_their_rows_they_show() {
    let app = spawn_app_with(|config| config.limits.requests_per_minute = 10_000);
    app.create_escrow("ada", &standard_terms()).ok();
    let ledger = page(&app, "/console/ledger");
    assert!(ledger.contains(">1 transfer. Each"), "{ledger}");
    for number in 0..101 {
        app.top_up(&format!("buyer-{number}"), 1_000).ok();
    }
    let found = page(&app, "/console/customers?who=buyer");
    assert!(
        found.contains("The newest 100 customers that fit; add a word"),
        "{found}"
    );
    assert!(!found.contains("buyer-0<"), "{found}");
    let found = page(&app, "/console/customers?who=buyer-100");
    assert!(found.contains("<caption>1 customer</caption>"), "{found}");
    for _ in 0..50 {
        app.top_up("buyer-1", 1_000).ok();
    }
    let customer = page(&app, "/console/customers/buyer-1");
    assert!(customer.contains("The newest 50 of 52 payments."), "{customer}");
    assert!(page(&app, "/console/ledger").contains("The newest 50 of "));
    let deals = page(&app, "/console/deals");
    assert!(deals.contains("aria-label=\"The money is to come\""), "{deals}");
}

#[test]
fn a_fault_by_chance_is_shown_with_its_chance() {
    let app = spawn_app();
    let fault = json!({ "status": 503, "times": 4, "probability": 0.25, "seed": 1 });
    app.as_merchant("POST", "/sandbox/faults", Some(&fault)).ok();
    let shown = page(&app, "/console/faults");
    assert!(shown.contains("with a chance of 25 %: is answered 503"), "{shown}");
}

#[test]
fn what_waits_for_a_time_is_told_with_the_time() {
    let app = spawn_app();
    let (token, place) = paid_standard_deal(&app);
    let shown = page(&app, &place);
    assert!(!shown.contains(">Claim the money</button>"), "{shown}");
    assert!(shown.contains("The money can be claimed from <time"), "{shown}");
    assert!(!shown.contains(">Decide</button>"), "{shown}");
    assert!(shown.contains("The merchant can rule from <time"), "{shown}");
    // The form of a page that was open when the clock was ahead.
    let claim = Form::new(&[
        ("method", "GET"),
        ("path", &format!("/v1/escrow/claim-funds/{token}")),
        ("customer", "ada"),
        ("visitor", "none"),
    ]);
    let refused = claim.send(&app);
    assert!(
        refused.status == 400 && refused.text.contains("<dt>It can be claimed from</dt><dd><time"),
        "{}",
        refused.text
    );
    app.advance("60d");
    let shown = page(&app, &place);
    assert!(shown.contains(">Decide</button>"), "{shown}");
    let closed = page(&app, &place_after(&Form::of(&shown, "Claim the money").send(&app)));
    assert!(closed.contains(">claimed</span>"), "{closed}");
}

#[test]
fn a_dispute_can_be_ruled_on_at_once() {
    let app = spawn_app();
    let (token, place) = paid_standard_deal(&app);
    app.json(
        "POST",
        &format!("/v1/escrow/submit-dispute/{token}"),
        "ben",
        &json!({"message": "Late"}),
    )
    .ok();
    let shown = page(&app, &place);
    assert!(
        upload_after(&shown, "The merchant rules").contains("resolve"),
        "{shown}"
    );
    assert!(!shown.contains("The money can be claimed from"), "{shown}");
}

#[test]
fn to_give_money_back_says_how_much_and_to_whom_first() {
    let app = spawn_app();
    let place = paid_example(&app);
    let shown = page(&app, &place);
    let (_, form) = shown.split_once("<summary>Give the money back</summary>").unwrap();
    let text = form.split("</details>").next().unwrap();
    assert!(text.contains("250,000.00</span></strong> back to tunde"), "{text}");
    assert!(text.contains("5,000.00</span> is not returned"), "{text}");
    assert!(
        text.contains("<button class=\"danger\">Give it back</button>"),
        "{text}"
    );
    let place = place_after(&Form::of(&shown, "Give it back").send(&app));
    let shown = page(&app, &place);
    assert!(shown.contains(">refunded</span>"), "{shown}");
    assert!(!shown.contains("Give the money back"), "{shown}");
    // The two payments of the history are told apart.
    let paid = shown.matches("Payment escrow success").count();
    let told = |side: &str| {
        let events = shown.split("Payment escrow success</strong>").skip(1);
        let told = format!("</span> {side} tunde ");
        events
            .filter(|event| event.split("<time").next().unwrap().contains(&told))
            .count()
    };
    assert_eq!((paid, told("from"), told("to")), (2, 1, 1), "{shown}");
}

#[test]
fn a_refused_field_is_told_by_its_label() {
    let app = spawn_app();
    let offer = Form::of(&page(&app, "/console/offer"), "Offer")
        .with("s:purpose", "A garden")
        .with("n:amount", "3000")
        .with("s:milestones[0].title", "Plan")
        .with("n:milestones[0].amount", "1000")
        .with("s:milestones[1].title", "Dig");
    let refused = |form: &Form| {
        let refused = form.send(&app);
        assert_eq!(refused.status, 400, "{}", refused.text);
        refused.text
    };
    let of_stage = refused(&offer.clone().with("n:milestones[1].amount", "2,000"));
    assert!(of_stage.contains("<dd>“Amount of stage 2”</dd>"), "{of_stage}");
    let offer = offer.with("n:milestones[1].amount", "2000");
    let of_days = refused(&offer.clone().with("n:maxDelivery", "x"));
    assert!(of_days.contains("<dd>“Time to deliver”</dd>"), "{of_days}");
    let shown = page(&app, "/console/offer");
    for stage in 1..=5 {
        assert!(shown.contains(&format!(">Amount of stage {stage}</label>")), "{shown}");
    }
    let of_name = refused(&offer.with("customer", "ada obi"));
    assert!(
        of_name.contains("“ada obi” cannot be the name of a customer") && of_name.contains("and no spaces"),
        "{of_name}"
    );
}

#[test]
fn a_sandbox_is_started_over_from_its_clock() {
    let app = spawn_app();
    paid_example(&app);
    let clock = page(&app, "/console/clock");
    assert!(clock.contains("the same as the real time"), "{clock}");
    let blank = Form::of(&clock, "Move the clock").with("s:by", " ").send(&app);
    assert!(
        blank.status == 400 && blank.text.contains("<dd>“Later by”</dd>"),
        "{}",
        blank.text
    );
    app.advance("25h");
    let clock = page(&app, "/console/clock");
    assert!(clock.contains("moved by 1 day and 1 hour<"), "{clock}");
    place_after(&Form::of(&clock, "Remove everything").send(&app));
    assert!(page(&app, "/console/deals").contains("No deals"));
    assert!(page(&app, "/console/clock").contains("the same as the real time"));
}
