//! Tests the console of a sandbox as a person without JavaScript uses it: by the forms of its
//! pages.

use serde_json::json;

use crate::helpers::{Answer, TestApp, spawn_app, spawn_live_app};

/// A form of a page: the names and values of its hidden and prefilled fields.
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

    fn send(&self, app: &TestApp) -> Answer {
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

fn page(app: &TestApp, path: &str) -> String {
    let answer = app.send("GET", path, &[], None);
    assert_eq!(answer.status, 200, "{path}: {}", answer.text);
    answer.text
}

fn place_after(answer: &Answer) -> String {
    assert_eq!(answer.status, 303, "{}", answer.text);
    answer.header("location").unwrap().to_owned()
}

/// Makes the example deal and returns the path of its page.
fn example(app: &TestApp) -> String {
    let origin = format!("http://{}", app.address);
    let made = app.send("POST", "/console/example", &[("origin", &origin)], Some(b""));
    place_after(&made)
}

/// Makes the example deal, pays it as its buyer, and returns the path of its page.
fn paid_example(app: &TestApp) -> String {
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
    // What went into the hold came out of it: the amount and the fee.
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
fn a_dispute_is_opened_and_split() {
    let app = spawn_app();
    let place = paid_example(&app);
    let dispute = Form::of(&page(&app, &place), "Send");
    let dispute = dispute.with("customer", "tunde").with("s:message", "It is <b>late</b>");
    let disputed = page(&app, &place_after(&dispute.send(&app)));
    assert!(disputed.contains("It is &lt;b&gt;late&lt;/b&gt;"), "{disputed}");
    let ruling = Form::of(&disputed, "Decide")
        .with("s:status", "SPLIT")
        .with("s:resolution", "Half each");
    let short = ruling.with("n:sellerAmount", "1").with("n:buyerAmount", "1");
    assert!(
        short
            .send(&app)
            .text
            .contains("A split must add up to the 250000 still held")
    );
    let whole = Form::of(&disputed, "Decide")
        .with("s:status", "SPLIT")
        .with("s:resolution", "Half each");
    let whole = whole.with("n:sellerAmount", "125000").with("n:buyerAmount", "125000");
    let split = page(&app, &place_after(&whole.send(&app)));
    assert!(split.contains(">split</span>"), "{split}");
}

#[test]
fn what_comes_from_outside_is_shown_as_text() {
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
    assert!(page(&app, &place_after(&moved)).contains("moved by 1 days"));
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
