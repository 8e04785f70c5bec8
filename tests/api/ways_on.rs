//! Readers of pages who went astray: after a refused form, at a mistyped address, at the address
//! of a form, and with another key than the one of their programs.

use serde_json::json;

use crate::console::{Form, page, place_after};
use crate::desk::{ADA, spawn_desk};
use crate::helpers::{Answer, TestApp, spawn_app, spawn_app_with, standard_terms};
use crate::live_console::Browser;

/// The header with which a browser asks for a page.
const PAGES: (&str, &str) = ("accept", "text/html,application/xhtml+xml,*/*;q=0.8");

/// Opens an address as a browser does.
fn open(app: &TestApp, path: &str) -> Answer {
    app.send("GET", path, &[PAGES], None)
}

#[track_caller]
fn assert_is_page_with_way_on(answer: &Answer, status: u16, way: &str) {
    assert_eq!(answer.status, status, "{}", answer.text);
    assert_eq!(
        answer.header("content-type"),
        Some("text/html; charset=utf-8"),
        "{}",
        answer.text
    );
    assert!(answer.text.contains(&format!("href=\"{way}\"")), "{}", answer.text);
}

#[test]
fn a_refused_form_leads_back_to_the_page_that_has_it() {
    let app = spawn_app();
    let offer = Form::of(&page(&app, "/console/offer"), "Offer").with("s:purpose", "A garden");
    let offer = offer
        .with("s:milestones[0].title", "Plan")
        .with("n:milestones[0].amount", "1000");
    let offer = offer
        .with("s:milestones[1].title", "Dig")
        .with("n:milestones[1].amount", "2000");
    let typed_wrongly = offer.clone().with("n:amount", "3,000").send(&app);
    assert_is_page_with_way_on(&typed_wrongly, 400, "/console/offer");
    // A name that cannot be one: the page says what a name may be.
    let refused = offer.with("n:amount", "3000").with("customer", "Ada Obi").send(&app);
    assert_is_page_with_way_on(&refused, 400, "/console/offer");
    assert!(
        refused
            .text
            .contains("it takes 1 to 128 letters (without accents), digits and signs, and no spaces"),
        "{}",
        refused.text
    );
    // The address of the page is kept as a whole, without the outcome of an earlier form.
    let made = app.create_escrow("ada", &standard_terms()).ok();
    let token = made.text("paymentToken");
    let poor = json!({"customerId": "poor", "balance": 1});
    app.json("PUT", "/sandbox/balance", "", &poor).ok();
    let pay = format!("/pay/{token}?buyer=poor");
    let form = Form::of(&page(&app, &format!("{pay}&done=x")), "Pay from the wallet");
    let refused = form.send(&app);
    assert_is_page_with_way_on(&refused, 400, &pay);
    let facts = ["Needed", "Available", "1.00"];
    assert!(facts.iter().all(|fact| refused.text.contains(fact)), "{}", refused.text);
    // A form may not name a page elsewhere.
    let elsewhere = form.with("from", "//evil.example").send(&app);
    assert!(!elsewhere.text.contains("evil.example"), "{}", elsewhere.text);
}

#[test]
fn an_address_without_a_page_answers_a_browser_with_one() {
    let app = spawn_app();
    for path in [
        "/console/dealz",
        "/consol",
        "/demo/a/b/c/d",
        "/docs/a/b",
        "/login/x",
        "/pay",
        "/pay/PY_X/y",
    ] {
        assert_is_page_with_way_on(&open(&app, path), 404, "/");
    }
    assert_eq!(place_after(&open(&app, "/console")), "/");
    // Programs get JSON, and so does a browser that opens a route's address.
    for (path, accept) in [
        ("/consol", "*/*"),
        ("/consol", "application/json"),
        ("/v1/walet", PAGES.1),
    ] {
        let answer = app.send("GET", path, &[("accept", accept)], None);
        assert_eq!(
            (answer.status, &answer.body["code"]),
            (404, &json!("route_not_found")),
            "{path}"
        );
    }
    assert_eq!(open(&app, "/healthz").status, 200);
}

#[test]
fn the_address_of_a_form_is_a_page_with_a_way_on() {
    let app = spawn_app();
    for path in [
        "/logout",
        "/console/call",
        "/console/upload",
        "/console/merchant",
        "/console/example",
    ] {
        let answer = open(&app, path);
        assert_is_page_with_way_on(&answer, 405, "/");
        assert_eq!(answer.header("allow"), Some("POST"), "{path}");
    }
    for (path, form) in [
        ("/pay/PY_X", "transfer"),
        ("/checkout/x%2Ey", "pay"),
        ("/checkout/x%2Ey", "cards"),
        ("/checkout/x%2Ey", "transfer"),
    ] {
        assert_eq!(place_after(&open(&app, &format!("{path}/{form}"))), path);
    }
    let own = [("sec-fetch-site", "same-origin")];
    for (path, allow) in [
        ("/console/deals", "GET"),
        ("/", "GET"),
        ("/login", "GET, POST"),
        ("/console/desk/batches", "GET, POST"),
        ("/console/desk/batches/export", "POST"),
        ("/console/desk/reconciliation", "GET, POST"),
        ("/demo/happy-deal", "GET, POST"),
    ] {
        let answer = app.send("DELETE", path, &own, None);
        assert_is_page_with_way_on(&answer, 405, "/");
        assert_eq!(answer.header("allow"), Some(allow), "{path}");
    }
}

#[test]
fn a_sandbox_says_whose_deals_it_shows_and_how_to_see_others() {
    let app = spawn_app();
    let key = [("authorization", "Bearer sk_test_mine"), ("customer-id", "ada")];
    let body = standard_terms().to_string();
    let headers = [&key[..], &[("content-type", "application/json")]].concat();
    let made = app
        .send("POST", "/v1/escrow/create", &headers, Some(body.as_bytes()))
        .ok();
    let deals = page(&app, "/console/deals");
    assert!(deals.contains("deals made without a key"), "{deals}");
    assert!(deals.contains("<a href=\"/login\">Log in with your key</a>"), "{deals}");
    assert!(deals.contains("log in with that key"), "{deals}");
    let pay = format!("/pay/{}", made.text("paymentToken"));
    let other = open(&app, &pay);
    assert_is_page_with_way_on(&other, 404, &format!("/login?to={}", pay.replace('/', "%2F")));
    assert!(other.text.contains("made with another key"), "{}", other.text);
    let nothing = open(&app, "/pay/PY_NOTHING");
    assert!(
        nothing.text.contains("There is no offer behind this link"),
        "{}",
        nothing.text
    );
    let mine = Browser::logged_in(&app, "sk_test_mine");
    assert!(
        mine.page("/console/deals")
            .contains("deals of the key with which you logged in")
    );
    assert_eq!(mine.get(&pay).status, 200);
}

#[test]
fn a_filter_takes_a_status_as_the_page_writes_it() {
    let app = spawn_app();
    app.create_escrow("ada", &standard_terms()).ok();
    let none = page(&app, "/console/deals?status=ongoing");
    assert!(none.contains("No deal fits this filter"), "{none}");
    assert!(page(&app, "/console/deals?status=pending").contains("1 deal, newest first"));
    let unknown = page(&app, "/console/deals?status=late");
    assert!(unknown.contains("There is no status “late”"), "{unknown}");
}

#[test]
fn a_name_that_no_customer_can_have_is_refused_with_the_reason() {
    let app = spawn_app();
    let token = app.create_escrow("ada", &standard_terms()).ok().text("paymentToken");
    let asked = page(&app, &format!("/pay/{token}?buyer=Ada+Obi"));
    assert!(asked.contains("“Ada Obi” cannot be the name of a customer"), "{asked}");
    assert!(asked.contains("value=\"Ada Obi\""), "{asked}");
    assert!(!page(&app, &format!("/pay/{token}")).contains("cannot be the name"));
}

#[test]
fn a_strict_sandbox_registers_its_customers_on_a_page() {
    let app = spawn_app_with(|config| {
        config.strict = true;
        config.limits.requests_per_minute = 1_000;
    });
    let home = page(&app, "/");
    assert!(!home.contains("Make an example deal"), "{home}");
    assert!(home.contains("This sandbox is strict"), "{home}");
    let customers = page(&app, "/console/customers");
    assert!(!customers.contains("make an example deal"), "{customers}");
    let form = Form::of(&customers, "Register")
        .with("s:firstname", "Tunde")
        .with("s:lastname", "Ojo")
        .with("s:email", "tunde@shop.example")
        .with("s:phone", "08030000001");
    let shown = page(&app, &place_after(&form.send(&app)));
    assert!(shown.contains("<h1>Tunde Ojo</h1>"), "{shown}");
    assert!(!page(&app, "/console/offer").contains("A new name is a new customer"));
}

#[test]
fn a_form_of_an_ended_session_leads_to_the_login_and_back_to_its_page() {
    let app = spawn_desk();
    let origin = format!("http://{}", app.address);
    let referrer = format!("{origin}/console/desk/deposits");
    let refused = Form::new(&[("method", "POST"), ("path", "/operator/receipts")]).send_to(
        &app,
        "/console/call",
        &[("referer", &referrer)],
    );
    assert_is_page_with_way_on(&refused, 401, "/login?to=%2Fconsole%2Fdesk%2Fdeposits");
}

#[test]
fn an_event_that_is_not_sent_says_why() {
    let app = spawn_desk();
    let customer = app.live_customer("Ada", "08030000001");
    app.by(
        ADA,
        "PUT",
        "/callback",
        &json!({"url": "https://shop.example/hook", "events": ["escrow.created"]}),
    );
    app.receive(&customer, "in-1", 1_000);
    let events = Browser::logged_in(&app, ADA).page("/console/events");
    assert!(events.contains("has not chosen events of this type"), "{events}");
}

#[test]
fn a_statement_that_cannot_be_read_stays_in_its_form_with_all_its_errors() {
    let app = spawn_desk();
    let ada = Browser::logged_in(&app, ADA);
    let path = "/console/desk/reconciliation";
    let theirs = "Narration,Value Date,Debit,Credit\nTRF BEN UDE,2026-06-22,,1000\n";
    let form = Form::of(&ada.page(path), "Compare").with("statement", theirs);
    let refused = ada.send_to(&form, path);
    assert_eq!(refused.status, 400, "{}", refused.text);
    assert!(refused.text.contains("TRF BEN UDE"), "{}", refused.text);
    assert!(refused.text.matches("<li>Line 1").count() > 1, "{}", refused.text);
    let columns = form
        .with("date", "Value Date")
        .with("reference", "Narration")
        .with("debit", "Debit")
        .with("credit", "Credit");
    let compared = ada.send_to(&columns, path);
    assert!(compared.text.contains("Only at the bank"), "{}", compared.text);
}

#[test]
fn deals_are_filtered_by_a_customer_id_alone() {
    let app = spawn_app();
    let offer = app.create_escrow("ada", &standard_terms()).ok();
    assert!(page(&app, "/console/deals?customer=ada").contains(&offer.text("id")));
    let wrong = page(&app, "/console/deals?customer=ada%20obi");
    assert!(!wrong.contains(&offer.text("id")), "{wrong}");
    assert!(wrong.contains("“ada obi” is not the id of a customer"), "{wrong}");
    assert!(wrong.contains("href=\"/console/customers?who=ada%20obi\""), "{wrong}");
}

#[test]
fn a_page_of_deals_after_the_last_one_leads_to_the_last() {
    let app = spawn_app();
    app.create_escrow("ada", &standard_terms()).ok();
    let after = page(&app, "/console/deals?customer=ada&page=999");
    assert!(after.contains("There is no page 999"), "{after}");
    assert!(
        after.contains("href=\"/console/deals?customer=ada&amp;page=1\""),
        "{after}"
    );
    assert!(!after.contains("Begin with one"), "{after}");
}
