//! Tests the console of a sandbox as a person without JavaScript uses it: by the forms of its
//! pages.

use std::time::Instant;

use serde_json::json;

use crate::event_stream::Listener;
use crate::helpers::{Answer, TestApp, form_of, spawn_app, spawn_app_with, spawn_live_app};

/// A form of a page: the names and values of its hidden and prefilled fields.
#[derive(Clone)]
pub(crate) struct Form(Vec<(String, String)>);

fn unescaped(text: &str) -> String {
    let plain = text.replace("&quot;", "\"").replace("&lt;", "<");
    plain.replace("&gt;", ">").replace("&amp;", "&")
}

/// Returns the value of an attribute of a tag.
fn attribute<'t>(tag: &'t str, name: &str) -> Option<&'t str> {
    let rest = tag.split_once(&format!(" {name}=\""))?.1;
    Some(rest.split_once('"')?.0)
}

impl Form {
    /// Returns the form whose button has this label.
    pub(crate) fn of(page: &str, label: &str) -> Self {
        let forms = page.split("<form").skip(1);
        let mut forms = forms.map(|form| form.split_once("</form>").unwrap().0);
        let form = forms.find(|form| form.contains(&format!(">{label}</button>")));
        let form = form.unwrap_or_else(|| panic!("no form \"{label}\" in {page}"));
        let inputs = form.split("<input").skip(1).filter_map(|input| {
            let tag = input.split_once('>').unwrap().0;
            Some((
                unescaped(attribute(tag, "name")?),
                unescaped(attribute(tag, "value").unwrap_or_default()),
            ))
        });
        Self(inputs.collect())
    }

    /// Fills in a field.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.0.retain(|(field, _)| field != name);
        self.0.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Adds a field, although the form may have one of this name.
    pub(crate) fn and(mut self, name: &str, value: &str) -> Self {
        self.0.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn send(&self, app: &TestApp) -> Answer {
        self.send_to(app, "/console/call", &[])
    }

    /// Sends the form to a path, with more headers.
    pub(crate) fn send_to(&self, app: &TestApp, path: &str, more: &[(&str, &str)]) -> Answer {
        let body = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(&self.0)
            .finish();
        let origin = format!("http://{}", app.address);
        let headers = [
            ("content-type", "application/x-www-form-urlencoded"),
            ("origin", origin.as_str()),
        ];
        app.send("POST", path, &[&headers, more].concat(), Some(body.as_bytes()))
    }

    /// Leaves a field out, such as a box that is not ticked.
    pub(crate) fn without(mut self, name: &str) -> Self {
        self.0.retain(|(field, _)| field != name);
        self
    }

    /// Returns a form with these fields.
    pub(crate) fn new(fields: &[(&str, &str)]) -> Self {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Self(fields.iter().map(owned).collect())
    }

    /// Returns the value of a field.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(field, _)| field == name);
        found.map(|(_, value)| value.as_str())
    }
}

pub(crate) fn page(app: &TestApp, path: &str) -> String {
    let answer = app.send("GET", path, &[], None);
    assert_eq!(answer.status, 200, "{path}: {}", answer.text);
    answer.text
}

pub(crate) fn place_after(answer: &Answer) -> String {
    assert_eq!(answer.status, 303, "{}", answer.text);
    answer.header("location").unwrap().to_owned()
}

/// Makes the example deal and returns the path of its page.
fn example(app: &TestApp) -> String {
    place_after(&Form::of(&page(app, "/"), "Make an example deal").send_to(app, "/console/example", &[]))
}

/// Makes the example deal, pays it as its buyer, and returns the path of its page.
pub(crate) fn paid_example(app: &TestApp) -> String {
    let place = example(app);
    let pay = Form::of(&page(app, &place), "Pay from the wallet");
    place_after(&pay.with("customer", "tunde").send(app))
}

#[test]
fn a_newcomer_takes_a_deal_from_its_offer_to_its_last_payout() {
    let app = spawn_app();
    assert!(page(&app, "/").contains("Make an example deal"));
    let mut place = example(&app);
    assert!(page(&app, &place).contains("Milestone escrow created successfully"));
    place = place_after(
        &Form::of(&page(&app, &place), "Pay from the wallet")
            .with("customer", "tunde")
            .send(&app),
    );
    for title in ["Design", "Building", "Launch"] {
        let paid = page(&app, &place);
        place = place_after(&Form::of(&paid, &format!("Confirm “{title}”")).send(&app));
    }
    let closed = page(&app, &place);
    assert!(closed.contains("Milestone confirmed successfully"), "{closed}");
    assert!(closed.contains("-H 'customer-id: tunde'"), "{closed}");
    assert!(closed.contains("the deal is closed and all its money is paid out"));
    // The same money went into the hold and came out of it: the amount and the fee.
    let sums = closed.split_once("Sums").unwrap().1.split_once("Held now").unwrap().0;
    assert_eq!(sums.matches("255,000.00").count(), 2, "{sums}");
    let home = page(&app, "/");
    assert!(
        home.contains("250,000.00") && home.contains("<svg class=\"chart\""),
        "{home}"
    );
    let ledger = page(&app, "/console/ledger");
    assert_eq!(ledger.matches("class=\"done\"").count(), 12, "{ledger}");
    for path in [
        "/console/deals",
        "/console/customers",
        "/console/customers/amaka",
        "/console/events",
        "/console/requests",
    ] {
        let page = page(&app, path);
        assert!(page.contains("<table>"), "{path}");
    }
}

#[test]
fn a_refusal_is_worded_as_the_api_words_it_and_changes_nothing() {
    let app = spawn_app();
    let place = example(&app);
    let form = Form::of(&page(&app, &place), "Pay from the wallet");
    let balance = json!({"customerId": "poor", "balance": 1}).to_string();
    let headers = [("content-type", "application/json")];
    app.send("PUT", "/sandbox/balance", &headers, Some(balance.as_bytes()))
        .ok();
    let refused = form.with("customer", "poor").send(&app);
    assert_eq!(refused.status, 400);
    assert!(refused.text.contains("Insufficient balance"), "{}", refused.text);
    assert!(
        refused.text.contains("/docs/errors#insufficient_balance"),
        "{}",
        refused.text
    );
    assert!(refused.text.contains("curl"), "{}", refused.text);
    assert!(page(&app, &place).contains("Pay from the wallet"));
}

/// A browser goes to another folder for a path that ends with such an id.
#[test]
fn a_customer_whose_id_is_a_dot_or_two_has_a_page() {
    let app = spawn_app();
    for id in [".", ".."] {
        let body = json!({"customerId": id, "balance": 1}).to_string();
        let headers = [("content-type", "application/json")];
        app.send("PUT", "/sandbox/balance", &headers, Some(body.as_bytes()))
            .ok();
        let place = format!("/console/customers/?id={id}");
        let list = page(&app, "/console/customers");
        assert!(list.contains(&format!("<a href=\"{place}\">{id}</a>")), "{list}");
        let set = Form::of(&page(&app, &place), "Set").with("n:balance", "7");
        let after = place_after(&set.send(&app));
        assert!(after.starts_with(&format!("{place}&done=")), "{after}");
        let customer = page(&app, &after);
        assert!(
            customer.contains(&format!("<h1>{id}</h1>")) && customer.contains("7.00"),
            "{customer}"
        );
    }
    for unknown in ["/console/customers/", "/console/customers/?id=nobody"] {
        assert_eq!(app.send("GET", unknown, &[], None).status, 404, "{unknown}");
    }
}

#[test]
fn a_form_that_is_sent_twice_acts_once() {
    let app = spawn_app();
    let place = paid_example(&app);
    let form = Form::of(&page(&app, &place), "Confirm “Design”");
    place_after(&form.send(&app));
    let place = place_after(&form.send(&app));
    let deal = page(&app, &place);
    assert!(deal.contains("Confirm “Building”"), "{deal}");
}

#[test]
fn an_example_that_is_sent_twice_is_one_deal_and_takes_no_money() {
    let app = spawn_app();
    let set = |balance: i64| {
        let body = json!({"customerId": "tunde", "balance": balance});
        app.json("PUT", "/sandbox/balance", "", &body).ok();
    };
    let balance = || app.wallet("tunde").ok().data()["mainBalance"].clone();
    set(700_000);
    let form = Form::of(&page(&app, "/"), "Make an example deal");
    let send = || place_after(&form.send_to(&app, "/console/example", &[]));
    assert_eq!(send().split('?').next(), send().split('?').next());
    assert_eq!(app.count("escrow"), 1);
    assert_eq!(balance(), 700_000);
    // A buyer without enough money gets what is missing, once.
    set(100);
    let form = Form::of(&page(&app, "/"), "Make an example deal");
    place_after(&form.send_to(&app, "/console/example", &[]));
    assert_eq!(balance(), 500_000);
    set(100);
    place_after(&form.send_to(&app, "/console/example", &[]));
    assert_eq!((balance(), app.count("escrow")), (json!(100), 2));
}

#[test]
fn the_first_page_keeps_its_figures_when_there_are_too_many_transfers_for_its_picture() {
    let app = spawn_app();
    paid_example(&app);
    let home = page(&app, "/");
    assert!(
        home.contains("<svg class=\"chart\"") && home.contains("Released so far"),
        "{home}"
    );
    app.run_concurrently(8, |app, thread| {
        for balance in 1..=630 {
            let body = json!({"customerId": format!("customer-{thread}"), "balance": balance});
            app.json("PUT", "/sandbox/balance", "", &body).ok();
        }
    });
    let home = page(&app, "/");
    let figure = |label: &str| {
        let (_, rest) = home
            .split_once(&format!("{label}</p>"))
            .unwrap_or_else(|| panic!("no {label} in {home}"));
        rest.split_once("</section>").unwrap().0
    };
    assert!(figure("Held now").contains("255,000.00"), "{home}");
    assert!(figure("Deals").contains(">1</a>"), "{home}");
    assert!(home.contains("There are more than 5000 transfers"), "{home}");
    assert!(!home.contains("<svg class=\"chart\""), "{home}");
}

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n a drawing";

/// Returns the address of a form with files after this text of a page.
pub(crate) fn upload_after(page: &str, text: &str) -> String {
    let (_, rest) = page.split_once(text).unwrap_or_else(|| panic!("no {text} in {page}"));
    unescaped(attribute(rest.split_once("<form").unwrap().1, "action").unwrap())
}

/// Sends a form with files as a browser does.
fn upload(app: &TestApp, address: &str, parts: &[(&str, Option<&str>, &[u8])]) -> Answer {
    upload_with(app, address, parts, &[])
}

/// Sends a form with files and these headers.
pub(crate) fn upload_with(
    app: &TestApp,
    address: &str,
    parts: &[(&str, Option<&str>, &[u8])],
    more: &[(&str, &str)],
) -> Answer {
    let origin = format!("http://{}", app.address);
    let headers = [
        ("content-type", "multipart/form-data; boundary=form"),
        ("origin", origin.as_str()),
    ];
    app.send("POST", address, &[&headers, more].concat(), Some(&form_of(parts)))
}

#[test]
fn a_dispute_is_opened_with_evidence_answered_and_split() {
    let app = spawn_app();
    let place = paid_example(&app);
    let deal = page(&app, &place);
    let address = upload_after(&deal, "Dispute as tunde, the buyer");
    let late = ("message", None, &b"It is <b>late</b>"[..]);
    // The page sends no name for an empty file input.
    let text = upload(&app, &address, &[late, ("file", Some("a.txt"), b"a text")]);
    assert_eq!(text.status, 400, "{}", text.text);
    assert!(
        text.text
            .contains("file must be a JPEG, PNG, GIF or WebP picture or a PDF"),
        "{}",
        text.text
    );
    let parts = [late, ("file", Some("shelf.png"), PNG)];
    let place = place_after(&upload(&app, &address, &parts));
    // The same form again acts once.
    assert_eq!(
        place_after(&upload(&app, &address, &parts)).split('?').next(),
        place.split('?').next()
    );
    let disputed = page(&app, &place);
    assert!(disputed.contains("It is &lt;b&gt;late&lt;/b&gt;"), "{disputed}");
    assert!(disputed.contains("The form that was sent"), "{disputed}");
    let picture = attribute(disputed.split_once("<img").unwrap().1, "src").unwrap();
    assert_eq!(app.file(picture).2, PNG);
    assert!(!disputed.contains("as tunde, the buyer"), "{disputed}");
    let address = upload_after(&disputed, "Answer as amaka, the seller");
    let answer = [("message", None, &b"It came today"[..]), ("file", Some(""), b"")];
    let answered = page(&app, &place_after(&upload(&app, &address, &answer)));
    assert!(answered.contains("It came today"), "{answered}");

    let address = upload_after(&answered, "The merchant rules");
    let split = |seller: &[u8], buyer: &[u8]| {
        let parts = [
            ("status", None, &b"SPLIT"[..]),
            ("sellerAmount", None, seller),
            ("buyerAmount", None, buyer),
            ("resolution", None, b"Half each"),
            ("file", Some("ruling.pdf"), b"%PDF-1.7 a ruling"),
        ];
        upload(&app, &address, &parts)
    };
    let short = split(b"1", b"1").text;
    assert!(
        short.contains("A split must add up to the 250000 still held"),
        "{short}"
    );
    // A command line without the fields would be another request.
    assert!(
        short.contains("The form that was sent") && short.contains("SPLIT") && !short.contains("curl -X"),
        "{short}"
    );
    let split = page(&app, &place_after(&split(b"125000", b"125000")));
    assert!(split.contains(">split</span>"), "{split}");
    assert!(split.contains("The evidence, a document"), "{split}");
}

#[test]
fn a_ruling_for_one_side_leaves_the_amounts_empty() {
    let app = spawn_app();
    let place = paid_example(&app);
    let dispute = upload_after(&page(&app, &place), "Dispute as tunde, the buyer");
    let place = place_after(&upload(&app, &dispute, &[("message", None, b"Nothing came")]));
    let address = upload_after(&page(&app, &place), "The merchant rules");
    let parts = [
        ("status", None, &b"REFUNDED"[..]),
        ("sellerAmount", None, b""),
        ("buyerAmount", None, b""),
        ("resolution", None, b"Nothing came"),
        ("file", Some(""), b""),
    ];
    let refunded = page(&app, &place_after(&upload(&app, &address, &parts)));
    assert!(refunded.contains(">refunded</span>"), "{refunded}");
}

#[test]
fn a_hostile_form_with_files_is_refused() {
    let app = spawn_app();
    let place = paid_example(&app);
    let address = upload_after(&page(&app, &place), "Dispute as tunde, the buyer");
    let parts = [("message", None, &b"x"[..])];
    let foreign = [
        ("content-type", "multipart/form-data; boundary=form"),
        ("origin", "http://evil.example"),
    ];
    let body = form_of(&parts);
    assert_eq!(app.send("POST", &address, &foreign, Some(&body)).status, 403);
    for (address, status, message) in [
        ("/console/upload", 400, "The field path must"),
        ("/console/upload?path=x", 400, "The field path must"),
        ("/console/upload?path=/v1/%C3%A9", 400, "The field path must"),
        (
            "/console/upload?visitor=none&path=/v1/x&customer=a%0Ab",
            400,
            "cannot be the name of a customer",
        ),
        (
            "/console/upload?visitor=none&path=/v1/x&once=a%0Ab",
            400,
            "The field once takes",
        ),
        ("/console/upload?visitor=none&path=/v1/x", 404, "Refused"),
        ("/console/upload?path=/v1/x", 400, "The field visitor is missing"),
    ] {
        let refused = upload(&app, address, &parts);
        assert_eq!(refused.status, status, "{address}: {}", refused.text);
        assert!(refused.text.contains(message), "{address}: {}", refused.text);
    }
    let origin = format!("http://{}", app.address);
    let plain = [("content-type", "text/plain"), ("origin", origin.as_str())];
    assert_eq!(app.send("POST", &address, &plain, Some(b"x")).status, 400);
    // 6 MiB are more than a file and its form may have.
    let huge = upload(&app, &address, &[("file", Some("a.png"), &vec![0; 6 << 20])]);
    assert_eq!(huge.status, 413, "{}", huge.text);
    // Leads nowhere else.
    let away = address.replace("back=", "back=%2F%2Fevil.example&was=");
    let place = place_after(&upload(&app, &away, &parts));
    assert!(place.starts_with("/console/deals?done="), "{place}");
    // A form without files has the same checks.
    let form = Form::of(&page(&app, "/console/offer"), "Offer").with("customer", "a\nb");
    let refused = form.send(&app);
    assert_eq!(refused.status, 400, "{}", refused.text);
    assert!(
        refused.text.contains("cannot be the name of a customer"),
        "{}",
        refused.text
    );
}

#[test]
fn values_from_outside_are_shown_as_text() {
    let app = spawn_app();
    let hostile = "<script>alert(1)</script>\"'&";
    let offer = Form::of(&page(&app, "/console/offer"), "Offer").with("s:purpose", hostile);
    let offer = offer
        .with("n:amount", "3000")
        .with("s:milestones[0].title", hostile)
        .with("n:milestones[0].amount", "1000");
    let offer = offer
        .with("s:milestones[1].title", "b")
        .with("n:milestones[1].amount", "2000");
    let place = place_after(&offer.send(&app));
    for path in [place.as_str(), "/console/deals", "/console/events", "/console/requests"] {
        let page = page(&app, path);
        assert!(!page.contains("<script>alert"), "{path}: {page}");
    }
    assert!(page(&app, &place).contains("&lt;script&gt;alert(1)&lt;/script&gt;&quot;'&amp;"));
}

#[test]
fn a_buyer_pays_by_card_from_a_link_and_confirms_each_stage() {
    let app = spawn_app();
    let deal = page(&app, &example(&app));
    let link = deal.split_once("<a href=\"/pay/").unwrap().1.split_once('"').unwrap().0;
    let link = format!("/pay/{link}");
    let offer = page(&app, &link);
    assert!(
        offer.contains("255,000.00") && offer.contains("Who are you?"),
        "{offer}"
    );
    let saved = Form::of(
        &page(&app, &format!("{link}?buyer=chi")),
        "visa 4000000000000119, declined: the card processor failed",
    );
    let declined = Form::of(&page(&app, &place_after(&saved.send(&app))), "Pay with visa …0119").send(&app);
    assert_eq!(declined.status, 400);
    assert!(
        declined.text.contains("Card declined: the card processor failed"),
        "{}",
        declined.text
    );
    let saved = Form::of(&page(&app, &format!("{link}?buyer=chi")), "visa 4242424242424242");
    let pay = Form::of(&page(&app, &place_after(&saved.send(&app))), "Pay with visa …4242");
    let mut place = place_after(&pay.send(&app));
    for title in ["Design", "Building", "Launch"] {
        let receipt = page(&app, &place);
        assert!(
            receipt.contains("<h2>Receipt</h2>") && receipt.contains("chi"),
            "{receipt}"
        );
        place = place_after(&Form::of(&receipt, &format!("Confirm “{title}”")).send(&app));
    }
    assert!(page(&app, &place).contains("The deal is closed"));
    assert_eq!(app.send("GET", "/pay/PY_NOTHING", &[], None).status, 404);
}

#[test]
fn the_clock_is_moved_by_a_day() {
    let app = spawn_app();
    let moved = Form::of(&page(&app, "/console/clock"), "One day later").send(&app);
    assert!(page(&app, &place_after(&moved)).contains("moved by 1 day"));
}

#[test]
fn other_sites_and_other_hosts_see_and_change_nothing() {
    let app = spawn_app();
    let place = example(&app);
    let form = Form::of(&page(&app, &place), "Pay from the wallet");
    let body = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(&form.0)
        .finish();
    let headers = [
        ("content-type", "application/x-www-form-urlencoded"),
        ("origin", "http://evil.example"),
    ];
    let foreign = app.send("POST", "/console/call", &headers, Some(body.as_bytes()));
    assert_eq!(foreign.status, 403);
    for path in [place.as_str(), "/", "/console/ledger", "/pay/PY_X"] {
        let rebound = app.send("GET", path, &[("host", "evil.example")], None);
        assert_eq!(rebound.status, 403, "{path}");
        assert!(!rebound.text.contains("bakery"), "{}", rebound.text);
        let linked = app.send("GET", path, &[("sec-fetch-site", "cross-site")], None);
        assert!(!linked.text.contains("bakery"), "{}", linked.text);
    }
}

#[test]
fn a_live_service_shows_no_deals_without_a_login() {
    let app = spawn_live_app(|_| {});
    for path in ["/", "/docs", "/docs/errors"] {
        assert!(!page(&app, path).contains("href=\"/console"), "{path}");
    }
    assert!(page(&app, "/").contains("real money"));
    for path in [
        "/console/deals",
        "/console/ledger",
        "/console/customers",
        "/console/clock",
    ] {
        let answer = app.send("GET", path, &[], None);
        assert_eq!(place_after(&answer), format!("/login?to={}", path.replace('/', "%2F")));
        assert_eq!(answer.text, "", "{path}");
    }
}

#[test]
fn an_offer_is_edited_and_keeps_what_the_form_does_not_change() {
    let app = spawn_app();
    app.wallet("cleo").ok();
    let terms = json!({
        "amount": 3000, "purpose": "A <b>garden</b>", "description": "two\nlines", "whoPays": "buyer",
        "maxDelivery": 9, "deliveryTimeline": "hours",
        "milestones": [
            {"title": "Plan", "amount": 1000, "description": "on\npaper", "dueDate": "2999-01-02", "customerId": "cleo"},
            {"title": "Dig", "amount": 2000},
        ],
    });
    let offer = app.create_milestone_escrow("ada", &terms).ok();
    let place = format!("/console/deals/{}", offer.text("id"));
    let token = offer.text("paymentToken");
    assert!(page(&app, &place).contains(&format!("href=\"{place}/edit\"")));
    let shown = page(&app, &format!("{place}/edit"));
    assert!(!shown.contains("A <b>garden"), "{shown}");
    let form = Form::of(&shown, "Save")
        .with("c:description", "two\r\nlines")
        .with("s:milestones[0].description", "on\r\npaper")
        .with("s:deliveryTimeline", "hours");
    let edited = form
        .with("n:amount", "3500")
        .with("s:milestones[1].title", "")
        .with("n:milestones[1].amount", "")
        .with("s:milestones[2].title", "Dig deep")
        .with("n:milestones[2].amount", "2500");
    assert_eq!(place_after(&edited.send(&app)).split('?').next().unwrap(), place);
    let escrow = app
        .json("GET", &format!("/v1/escrow/verify/{token}"), "ada", &json!({}))
        .ok();
    let data = escrow.data();
    assert_eq!(data["amount"], 3500);
    for field in ["purpose", "description", "maxDelivery", "deliveryTimeline"] {
        assert_eq!(data[field], terms[field], "{field}");
    }
    let stages = data["milestones"].as_array().unwrap();
    assert_eq!(stages.len(), 2, "{stages:?}");
    for field in ["title", "amount", "description", "dueDate"] {
        assert_eq!(stages[0][field], terms["milestones"][0][field], "{field}");
    }
    assert_eq!(stages[1]["title"], "Dig deep");
    assert!(page(&app, &place).contains("paid to cleo"));
    // The sum is checked by the route, and a paid offer stays as it is.
    let wrong = Form::of(&page(&app, &format!("{place}/edit")), "Save").with("s:deliveryTimeline", "hours");
    assert!(
        wrong
            .with("n:amount", "1")
            .send(&app)
            .text
            .contains("The sum of milestone amounts")
    );
    app.pay("ben", &json!({"escrowDetails": {"paymentToken": token}})).ok();
    assert!(!page(&app, &place).contains("/edit\""));
    let late = app.send("GET", &format!("{place}/edit"), &[], None);
    assert_eq!(late.status, 400);
    assert!(late.text.contains("has not been paid"), "{}", late.text);
    for unknown in ["/console/deals/x/edit", "/console/deals/000000000000000000000000/edit"] {
        assert_eq!(app.send("GET", unknown, &[], None).status, 404, "{unknown}");
    }
}

#[test]
fn a_standard_offer_is_edited_and_converted_into_stages() {
    let app = spawn_app();
    let terms =
        json!({"amount": 3000, "purpose": "Tea", "whoPays": "seller", "maxDelivery": 2, "deliveryTimeline": "days"});
    let offer = app.create_escrow("ada", &terms).ok();
    let place = format!("/console/deals/{}", offer.text("id"));
    let token = offer.text("paymentToken");
    let verify = || {
        app.json("GET", &format!("/v1/escrow/verify/{token}"), "ada", &json!({}))
            .ok()
    };
    let form = Form::of(&page(&app, &format!("{place}/edit")), "Save");
    let form = form.with("s:whoPays", "both").with("s:deliveryTimeline", "days");
    place_after(&form.with("n:amount", "3200.50").send(&app));
    let edited = verify();
    assert_eq!(
        (&edited.data()["amount"], &edited.data()["whoPays"]),
        (&json!(3200.5), &json!("both"))
    );
    for (description, stored) in [("Green", json!("Green")), ("", json!(null))] {
        let form = Form::of(&page(&app, &format!("{place}/edit")), "Save");
        let form = form.with("s:whoPays", "both").with("s:deliveryTimeline", "days");
        place_after(&form.with("c:description", description).send(&app));
        assert_eq!(verify().data()["description"], stored);
    }
    let form = Form::of(&page(&app, &format!("{place}/edit")), "Convert").with("n:amount", "3000");
    let form = form
        .with("s:milestones[0].title", "Leaves")
        .with("n:milestones[0].amount", "1000")
        .with("s:milestones[1].title", "Pot")
        .with("n:milestones[1].amount", "2000");
    place_after(&form.send(&app));
    assert_eq!(verify().data()["settlementType"], "MILESTONE");
    assert!(page(&app, &place).contains("Leaves"));
}

#[test]
fn a_page_is_told_of_new_rows_twice_a_second_at_most() {
    let app = spawn_app_with(|config| config.sandbox.event_stream_heartbeat_seconds = 1);
    for rows in ["events", "requests"] {
        let mut stream = Listener::on(&app, &format!("/console/{rows}/changes"), "");
        let started = Instant::now();
        for amount in 1..=50 {
            app.top_up("ada", 1000 + amount).ok();
        }
        let halves_max = started.elapsed().as_millis() / 500 + 2;
        let (mut told, mut heartbeats) = (0, 0);
        // A heartbeat has no name. If the top-ups pause, some come between the changes.
        while heartbeats < 2 || (told == 0 && heartbeats < 20) {
            if stream.next_name() == "change" {
                (told, heartbeats) = (told + 1, 0);
            } else {
                heartbeats += 1;
            }
        }
        assert!((1..=halves_max).contains(&told), "{rows}: told {told} times");
        app.top_up("ada", 1000).ok();
        let mut names = std::iter::from_fn(|| Some(stream.next_name()));
        assert!(names.any(|name| name == "change"), "{rows}");
    }
}

#[test]
fn pages_have_more_streams_than_a_key_and_still_a_bound() {
    let app = spawn_app_with(|config| config.sandbox.event_streams_per_key_max = 1);
    let path = "/console/events/changes";
    let streams: Vec<Listener> = (0..128).map(|_| Listener::on(&app, path, "")).collect();
    assert_eq!(app.send("GET", path, &[], None).status, 429);
    drop(streams);
}

#[test]
fn a_page_of_a_new_key_is_told_of_its_first_event() {
    let app = spawn_app_with(|config| config.sandbox.event_stream_heartbeat_seconds = 1);
    let mut stream = Listener::on(&app, "/console/events/changes", "");
    assert_eq!(stream.next_name(), "");
    app.top_up("ada", 1000).ok();
    let mut names = std::iter::from_fn(|| Some(stream.next_name()));
    assert!(names.any(|name| name == "change"));
    app.send("POST", "/sandbox/reset", &[], None).ok();
    assert!(names.any(|name| name == "change"), "the new merchant has no events");
}
