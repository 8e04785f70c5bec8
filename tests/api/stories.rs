//! Tests the stories of a demonstration as a browser without JavaScript uses them: by the
//! forms and links of their pages.

use std::thread;

use serde_json::json;

use crate::helpers::{Answer, LIVE_KEY, TestApp, spawn_app, spawn_app_with, spawn_live_app};
use crate::live_console::Browser;

const HAPPY: &str = "happy-deal";
/// Every story, with the number of its steps and the gain of its seller.
const STORIES: [(&str, usize, &str); 3] = [
    (HAPPY, 5, "200,000.00"),
    ("dispute-and-split", 6, "150,000.00"),
    ("buyer-who-vanishes", 4, "90,000.00"),
];

pub(crate) fn page(app: &TestApp, path: &str) -> String {
    let answer = app.send("GET", path, &[], None);
    assert_eq!(answer.status, 200, "{path}: {}", answer.text);
    answer.text
}

fn post(app: &TestApp, path: &str, fields: &[(&str, &str)]) -> Answer {
    let body = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("visitor", "none")
        .extend_pairs(fields)
        .finish();
    let origin = format!("http://{}", app.address);
    let headers = [
        ("content-type", "application/x-www-form-urlencoded"),
        ("origin", origin.as_str()),
    ];
    app.send("POST", path, &headers, Some(body.as_bytes()))
}

/// Returns the path, without its fragment, to which an answer leads.
#[track_caller]
fn place_after(answer: &Answer) -> String {
    assert_eq!(answer.status, 303, "{}", answer.text);
    let place = answer.header("location").unwrap();
    place.split('#').next().unwrap().to_owned()
}

/// Returns the value of the hidden field of this name.
fn field(page: &str, name: &str) -> String {
    let start = format!("name=\"{name}\" value=\"");
    let (_, rest) = page.split_once(&start).unwrap_or_else(|| panic!("no {name} in {page}"));
    rest.split_once('"').unwrap().0.to_owned()
}

/// Sends a form four times at the same time.
fn at_once(send: impl Fn() -> Answer + Sync) -> Vec<Answer> {
    thread::scope(|scope| {
        let clicks = [0; 4].map(|_| scope.spawn(&send));
        clicks.into_iter().map(|click| click.join().unwrap()).collect()
    })
}

/// Starts a run and returns the path of its first step.
pub(crate) fn start(app: &TestApp, story: &str) -> String {
    let run = field(&page(app, &format!("/demo/{story}")), "run");
    place_after(&post(app, &format!("/demo/{story}"), &[("run", &run)]))
}

/// Sends the form of a step as this page has it.
pub(crate) fn send(app: &TestApp, place: &str, page: &str) -> Answer {
    let total = if page.contains("name=\"total\"") {
        field(page, "total")
    } else {
        String::new()
    };
    post(app, place, &[("once", &field(page, "once")), ("total", &total)])
}

/// Does the step of a page and returns the path of the next one.
pub(crate) fn next(app: &TestApp, place: &str) -> String {
    place_after(&send(app, place, &page(app, place)))
}

/// Returns the part of a page that tells who has how much.
fn money(page: &str) -> &str {
    page.split_once("<table class=\"purses").unwrap().1
}

fn sales(app: &TestApp, place: &str) -> u64 {
    let run = place.split('/').nth(3).unwrap();
    let list = app.json(
        "GET",
        "/v1/escrow/transactions?type=sales",
        &format!("ada-{run}"),
        &json!({}),
    );
    list.ok().data()["pagination"]["count"].as_u64().unwrap()
}

/// Tells every story from start to end, and asserts that it adds up. `has_share` is true if the
/// marketplace has a part of the fee.
fn tell_all(app: &TestApp, has_share: bool) {
    let list = page(app, "/demo");
    for (story, steps, gain) in STORIES {
        assert!(list.contains(&format!("href=\"/demo/{story}\"")), "{list}");
        let mut place = start(app, story);
        for step in 1..=steps {
            assert!(place.ends_with(&format!("/{step}")), "{place}");
            let shown = page(app, &place);
            assert!(shown.contains(&format!("Step {step} of {steps}")), "{shown}");
            assert!(shown.contains("It adds up"), "{shown}");
            assert_eq!(shown.contains("Marketplace's share"), has_share, "{shown}");
            // No placeholder is left.
            assert!(!shown.split_once("<main").unwrap().1.contains("{stage"), "{shown}");
            place = next(app, &place);
        }
        let end = page(app, &place);
        assert!(end.contains("It adds up") && end.contains("/console/deals/"), "{end}");
        assert!(money(&end).contains(&format!("+{gain}")), "{end}");
    }
}

#[test]
fn every_story_is_told_from_start_to_end_and_adds_up() {
    tell_all(&spawn_app(), false);
}

#[test]
fn buyers_can_pay_the_highest_fees_and_the_shares_add_up() {
    let app = spawn_app_with(|config| {
        config.fees.platform_bps = 4_000;
        config.fees.commission_bps = 1_000;
    });
    tell_all(&app, true);
}

#[test]
fn a_story_ends_with_a_reset_and_outlives_a_fault() {
    let app = spawn_app();
    let place = next(&app, &start(&app, HAPPY));
    let fault = json!({"route": "POST /v1/payment/escrow", "status": 503}).to_string();
    let headers = [("content-type", "application/json")];
    app.send("POST", "/sandbox/faults", &headers, Some(fault.as_bytes()))
        .ok();
    let refused = send(&app, &place, &page(&app, &place));
    assert_eq!(refused.status, 503, "{}", refused.text);
    let place = next(&app, &place);
    assert!(page(&app, &place).contains("It adds up"));
    app.send("POST", "/sandbox/reset", &[], None).ok();
    let gone = app.send("GET", &place, &[], None);
    assert_eq!(gone.status, 404, "{}", gone.text);
    assert!(gone.text.contains("The sandbox may have been reset"), "{}", gone.text);
}

#[test]
fn a_step_that_is_sent_twice_is_done_once() {
    let app = spawn_app();
    let place = start(&app, HAPPY);
    let once = field(&page(&app, &place), "once");
    // At the same time, one after the other, and from a page that was shown twice.
    let other = field(&page(&app, &place), "once");
    for answer in at_once(|| post(&app, &place, &[("once", &once)])) {
        assert!(place_after(&answer).ends_with("/2"));
    }
    for once in [&once, &other] {
        assert!(place_after(&post(&app, &place, &[("once", once)])).ends_with("/2"));
    }
    assert_eq!(sales(&app, &place), 1);

    let place = start(&app, "buyer-who-vanishes");
    let place = next(&app, &next(&app, &place));
    let shown = page(&app, &place);
    let after = place_after(&send(&app, &place, &shown));
    assert_eq!(place_after(&send(&app, &place, &shown)), after);
    assert!(page(&app, "/console/clock").contains("moved by 8 days"));
}

#[test]
fn a_start_that_is_sent_twice_is_one_run() {
    let app = spawn_app();
    let run = field(&page(&app, "/demo/happy-deal"), "run");
    let started = at_once(|| post(&app, "/demo/happy-deal", &[("run", &run)]));
    let place = place_after(&started[0]);
    assert!(started.iter().all(|answer| place_after(answer) == place));
    next(&app, &next(&app, &place));
    assert_eq!(place_after(&post(&app, "/demo/happy-deal", &[("run", &run)])), place);
    // The wallets stay as the payment left them.
    assert!(page(&app, &place.replace("/1", "/3")).contains("145,000.00"));
}

#[test]
fn an_earlier_step_shows_what_was_then_and_is_not_done_again() {
    let app = spawn_app();
    let first = start(&app, HAPPY);
    let second = next(&app, &first);
    let before = page(&app, &second);
    let third = next(&app, &second);
    let again = page(&app, &second);
    assert!(
        again.contains("This step is done.") && !again.contains("name=\"once\""),
        "{again}"
    );
    let table = |page: &str| money(page).split_once("</table>").unwrap().0.to_owned();
    assert_eq!(table(&again), table(&before));
    assert_ne!(table(&page(&app, &third)), table(&before));
    // Too far ahead leads to the next step.
    let ahead = app.send("GET", &first.replace("/1", "/6"), &[], None);
    assert_eq!(place_after(&ahead), third);
    let run = app.send("GET", first.strip_suffix("/1").unwrap(), &[], None);
    assert_eq!(place_after(&run), third);
    assert_eq!(
        place_after(&post(&app, &first.replace("/1", "/5"), &[("once", "a")])),
        third
    );
}

#[test]
fn an_address_that_names_nothing_is_not_found() {
    let app = spawn_app();
    let place = start(&app, HAPPY);
    let run = place.split('/').nth(3).unwrap();
    let hostile = "%3Cscript%3Ealert(1)%3C%2Fscript%3E";
    for path in [
        "/demo/nothing".to_owned(),
        format!("/demo/{hostile}"),
        format!("/demo/{hostile}/{run}/1"),
        format!("/demo/happy-deal/{hostile}/1"),
        format!("/demo/happy-deal/{run}/{hostile}"),
        format!("/demo/happy-deal/{run}/0"),
        format!("/demo/happy-deal/{run}/7"),
        format!("/demo/happy-deal/{run}/-1"),
        format!("/demo/happy-deal/{run}/99999999999999999999999"),
        "/demo/happy-deal/h0000000/1".to_owned(),
        "/demo/happy-deal/h0000000".to_owned(),
        "/demo/happy-deal/..%2F..%2Fx/1".to_owned(),
        "/demo/happy-deal/h000000%00/1".to_owned(),
        "/demo/happy-deal/h000000%0A/1".to_owned(),
        "/demo/happy-deal/h000000%FF/1".to_owned(),
        format!("/demo/buyer-who-vanishes/{run}/1"),
    ] {
        for (method, headers) in [("GET", &[][..]), ("POST", &[("sec-fetch-site", "same-origin")][..])] {
            if method == "POST" && path.matches('/').count() < 4 {
                continue;
            }
            let body = "once=a&visitor=none";
            let form = [("content-type", "application/x-www-form-urlencoded")];
            let headers = [headers, &form].concat();
            let body = (method == "POST").then_some(body.as_bytes());
            let answer = app.send(method, &path, &headers, body);
            assert_eq!(answer.status, 404, "{method} {path}: {}", answer.text);
            assert!(!answer.text.contains("<script>alert"), "{path}");
        }
    }
    // Looking at a page has made no customer.
    assert_eq!(app.customer("ada-h0000000").message(), "Customer not found");
}

#[test]
fn a_hostile_form_is_refused_by_the_name_of_its_field() {
    let app = spawn_app();
    let place = start(&app, HAPPY);
    for once in ["", "a b", "a\nb", "é", &"a".repeat(65)] {
        let answer = post(&app, &place, &[("once", once)]);
        assert_eq!(answer.status, 400, "{once}");
        assert!(answer.text.contains("The field once must"), "{}", answer.text);
    }
    assert_eq!(sales(&app, &place), 0);
    for run in ["", "h", "d1234567", "<b>", "h1234567 ", "../../../x"] {
        let answer = post(&app, "/demo/happy-deal", &[("run", run)]);
        assert_eq!(answer.status, 400, "{run}");
        assert!(answer.text.contains("The field run must"), "{}", answer.text);
    }
}

#[test]
fn a_refused_step_says_why_and_can_be_done_later() {
    let app = spawn_app();
    let place = next(&app, &start(&app, HAPPY));
    let run = place.split('/').nth(3).unwrap();
    let set = |balance: u32| {
        let body = json!({"customerId": format!("ben-{run}"), "balance": balance}).to_string();
        let headers = [("content-type", "application/json")];
        app.send("PUT", "/sandbox/balance", &headers, Some(body.as_bytes()))
            .ok();
    };
    set(1);
    let refused = send(&app, &place, &page(&app, &place));
    assert_eq!(refused.status, 400, "{}", refused.text);
    assert!(refused.text.contains("Insufficient balance"), "{}", refused.text);
    assert!(refused.text.contains(&format!("href=\"{place}\"")), "{}", refused.text);
    set(400_000);
    assert!(page(&app, &next(&app, &place)).contains("It adds up"));
}

#[test]
fn money_that_leaves_a_story_is_missed() {
    let app = spawn_app();
    let place = next(&app, &start(&app, HAPPY));
    let run = place.split('/').nth(3).unwrap();
    app.wallet("zoe").ok();
    // Ben buys something else, from a seller who is not in the story.
    let offer = app.create_escrow("zoe", &json!({"amount": 1000, "purpose": "Tea", "whoPays": "seller"}));
    let details = json!({"escrowDetails": {"paymentToken": offer.ok().text("paymentToken")}});
    app.json("POST", "/v1/payment/escrow", &format!("ben-{run}"), &details)
        .ok();
    let shown = page(&app, &place);
    assert!(!shown.contains("It adds up"), "{shown}");
    assert!(
        shown.contains("This does not add up") && shown.contains("1,000.00"),
        "{shown}"
    );
}

#[test]
fn there_are_no_stories_in_live_mode_or_for_others() {
    let live = spawn_live_app(|_| {});
    assert!(!page(&live, "/").contains("/demo"));
    let app = spawn_app();
    let place = start(&app, HAPPY);
    for path in [
        "/demo",
        "/demo/happy-deal",
        "/demo/happy-deal/h1234567/1",
        place.as_str(),
    ] {
        let shop = Browser::logged_in(&live, LIVE_KEY);
        assert_eq!(shop.get(path).status, 403, "{path}");
        let rebound = app.send("GET", path, &[("host", "evil.example")], None);
        assert_eq!(rebound.status, 403, "{path}");
        let linked = app.send("GET", path, &[("sec-fetch-site", "cross-site")], None);
        assert!(linked.header("location").unwrap().starts_with("/login"), "{path}");
    }
    let foreign = app.send("POST", &place, &[("origin", "http://evil.example")], Some(b"once=a"));
    assert_eq!(foreign.status, 403);
    assert_eq!(sales(&app, &place), 0);
}

#[test]
fn a_strict_sandbox_says_that_it_has_no_stories() {
    let app = spawn_app_with(|config| config.strict = true);
    for path in ["/demo", "/demo/happy-deal"] {
        let shown = page(&app, path);
        assert!(shown.contains("since it is strict"), "{shown}");
        assert!(!shown.contains("name=\"run\""), "{shown}");
    }
    let refused = post(&app, "/demo/happy-deal", &[("run", "h1234567")]);
    assert!((400..500).contains(&refused.status), "{}", refused.text);
}
