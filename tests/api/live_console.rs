//! Tests the sessions of the pages of live mode: how they begin and end, and who cannot use them.

use escrowd::domain::address_range::AddressRange;
use serde_json::{Value, json};

use crate::console::{Form, upload_after, upload_with};
use crate::desk::{ADA, EFE, reason, spawn_desk, spawn_desk_of_two_with, spawn_desk_with};
use crate::event_stream::Listener;
use crate::helpers::{Answer, LIVE_KEY, TestApp, spawn_app, spawn_app_with, standard_terms};
use crate::live_merchants::TestConfig;

/// The pages of live mode that need a login.
pub(crate) const PAGES: [&str; 13] = [
    "/console/deals",
    "/console/offer",
    "/console/customers",
    "/console/events",
    "/console/ledger",
    "/console/desk",
    "/console/desk/deposits",
    "/console/desk/payouts",
    "/console/desk/batches",
    "/console/desk/reconciliation",
    "/console/desk/acts",
    "/console/desk/people",
    "/console/desk/keys",
];
/// A browser with the cookie of a session.
pub(crate) struct Browser<'a> {
    app: &'a TestApp,
    pub(crate) cookie: String,
}

/// Sends the form of the login.
pub(crate) fn log_in(app: &TestApp, key: &str, more: &[(&str, &str)]) -> Answer {
    Form::new(&[("key", key), ("to", "/console/deals")]).send_to(app, "/login", more)
}

/// Returns the cookie that an answer sets, without its attributes.
pub(crate) fn cookie_of(answer: &Answer) -> String {
    let cookie = answer.header("set-cookie").unwrap();
    cookie.split(';').next().unwrap().to_owned()
}

/// Returns the id of the visitor with this key, as forms send it.
pub(crate) fn visitor_of(app: &TestApp, key: &str) -> String {
    let Some(name) = key.strip_prefix("op_live_") else {
        return "merchant-1".to_owned();
    };
    let operators = app.by(ADA, "GET", "/operators?limit=100", &Value::Null).ok();
    let mut operators = operators.data()["data"].as_array().unwrap().iter();
    let operator = operators.find(|operator| operator["name"] == name).unwrap();
    format!("operator-{}", operator["id"].as_str().unwrap())
}

impl<'a> Browser<'a> {
    pub(crate) fn logged_in(app: &'a TestApp, key: &str) -> Self {
        let answer = log_in(app, key, &[]);
        assert_eq!(answer.status, 303, "{}", answer.text);
        let cookie = cookie_of(&answer);
        Self { app, cookie }
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.app.send("GET", path, &[("cookie", &self.cookie)], None)
    }

    #[track_caller]
    pub(crate) fn page(&self, path: &str) -> String {
        let answer = self.get(path);
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
        answer.text
    }

    pub(crate) fn send(&self, form: &Form) -> Answer {
        self.send_to(form, "/console/call")
    }

    pub(crate) fn send_to(&self, form: &Form, path: &str) -> Answer {
        form.send_to(self.app, path, &[("cookie", &self.cookie)])
    }

    /// Sends a form and returns the page after it.
    #[track_caller]
    pub(crate) fn done(&self, form: &Form) -> String {
        let answer = self.send(form);
        assert_eq!(answer.status, 303, "{}", answer.text);
        self.page(answer.header("location").unwrap())
    }

    /// Sends the form with files that stands after this text, and returns the page after it.
    #[track_caller]
    pub(crate) fn uploaded(&self, page: &str, text: &str, parts: &[(&str, Option<&str>, &[u8])]) -> String {
        let cookie = [("cookie", self.cookie.as_str())];
        let answer = upload_with(self.app, &upload_after(page, text), parts, &cookie);
        assert_eq!(answer.status, 303, "{}", answer.text);
        self.page(answer.header("location").unwrap())
    }

    #[track_caller]
    pub(crate) fn choose(&self, merchant: &str) {
        let choice = Form::new(&[("merchant", merchant), ("back", "/console/desk")]);
        assert_eq!(self.send_to(&choice, "/console/merchant").status, 303);
    }

    /// Returns true if the session has ended.
    pub(crate) fn is_out(&self) -> bool {
        let answer = self.get("/console/deals");
        answer.status == 303 && answer.header("location") == Some("/login?to=%2Fconsole%2Fdeals")
    }
}

#[test]
fn a_right_key_begins_a_session_and_a_wrong_one_does_not() {
    let app = spawn_desk();
    assert!(app.send("GET", "/", &[], None).text.contains("href=\"/login\""));
    for key in [LIVE_KEY, ADA, EFE, " op_live_ada "] {
        let answer = log_in(&app, key, &[]);
        assert_eq!(
            (answer.status, answer.header("location")),
            (303, Some("/console/deals")),
            "{key}"
        );
    }
    for (key, status, why) in [
        ("sk_live_wrong", 403, "This key opens nothing here"),
        ("op_live_wrong", 403, "This key opens nothing here"),
        ("", 400, "Type your key"),
        ("   ", 400, "Type your key"),
        ("undefined", 400, "Type your key"),
        ("two words", 400, "Type your key"),
        ("\"><script>", 403, "This key opens nothing here"),
    ] {
        let answer = log_in(&app, key, &[]);
        assert_eq!(answer.status, status, "{key}");
        assert!(answer.text.contains(why), "{key}: {}", answer.text);
        assert_eq!(answer.header("set-cookie"), None, "{key}");
        assert!(
            key.trim().len() < 9 || !answer.text.contains(key),
            "the page repeats {key}"
        );
    }
    for (kind, status) in [("application/x-www-form-urlencoded", 400), ("text/plain", 415)] {
        let headers = [("sec-fetch-site", "same-origin"), ("content-type", kind)];
        let unread = app.send("POST", "/login", &headers, Some(b"\xff=\xff"));
        assert_eq!(unread.status, status, "{}", unread.text);
    }
    for cookie in [
        "escrowd_session=",
        "escrowd_session=00",
        "other=1",
        ";;=;",
        "escrowd_session",
    ] {
        let answer = app.send("GET", "/console/deals", &[("cookie", cookie)], None);
        assert_eq!(answer.status, 303, "{cookie}");
    }
}

/// The headers of a form that a browser sends over HTTPS.
const BY_HTTPS: [(&str, &str); 3] = [
    ("host", "escrow.example"),
    ("origin", "https://escrow.example"),
    ("content-type", "application/x-www-form-urlencoded"),
];

#[test]
fn the_cookie_is_for_this_service_alone() {
    let app = spawn_desk();
    // The name and the attributes.
    let cookie_without_value = |answer: &Answer| {
        let cookie = answer.header("set-cookie").unwrap();
        let (name, rest) = cookie.split_once('=').unwrap();
        format!("{name};{}", rest.split_once(';').unwrap().1)
    };
    let plain = "escrowd_session; Path=/; HttpOnly; SameSite=Strict";
    // Browsers take a cookie with this prefix from this host alone.
    let secure = format!("__Host-{plain}; Secure");
    let of = |headers: &[(&str, &str)]| cookie_without_value(&log_in(&app, ADA, headers));
    assert_eq!(of(&[]), plain);
    // A proxy that passes on its own address as the host, and is not among the trusted ones.
    for header in [
        ("x-forwarded-proto", "https"),
        ("x-forwarded-for", "192.0.2.7"),
        ("via", "1.1 proxy"),
    ] {
        assert_eq!(of(&[header]), secure, "{header:?}");
    }
    let by_name = app.send("POST", "/login", &BY_HTTPS, Some(b"key=op_live_ada"));
    assert_eq!(cookie_without_value(&by_name), secure);
    let trust = |config: &mut TestConfig| config.trusted_proxies = vec![AddressRange::parse("127.0.0.1").unwrap()];
    let app = spawn_desk_with(trust);
    assert_eq!(cookie_without_value(&log_in(&app, ADA, &[])), secure);
    let sandbox = spawn_app_with(|config| {
        trust(config);
        config.sandbox.expose = true;
    });
    let of = |headers: &[(&str, &str)]| cookie_without_value(&log_in(&sandbox, "sk_test_a", headers));
    assert_eq!(of(&[("x-forwarded-for", "192.0.2.7")]), plain);
    let by_https = [("x-forwarded-for", "192.0.2.7"), ("x-forwarded-proto", "https")];
    assert_eq!(of(&by_https), secure);
}

#[test]
fn a_cookie_that_a_sibling_domain_can_set_neither_logs_in_nor_out() {
    let app = spawn_desk();
    let send = |path: &str, cookie: &str, body: &str| {
        let headers = [&BY_HTTPS[..], &[("cookie", cookie)]].concat();
        app.send("POST", path, &headers, Some(body.as_bytes()))
    };
    let log_in = |key: &str| cookie_of(&send("/login", "", &format!("key={key}")));
    let (own, foreign) = (log_in(ADA), log_in(EFE));
    let page = |cookie: &str| {
        let headers = [("host", "escrow.example"), ("cookie", cookie)];
        app.send("GET", "/console/desk", &headers, None)
    };
    assert!(page(&foreign).text.contains("<strong>efe</strong>"));
    let planted = foreign.strip_prefix("__Host-").unwrap_or(&foreign).to_owned();
    assert_eq!(page(&planted).status, 303, "a planted cookie logs in");
    for cookies in [format!("{planted}; {own}"), format!("{own}; {planted}")] {
        let shown = page(&cookies);
        assert!(shown.text.contains("<strong>ada</strong>, admin"), "{}", shown.text);
    }
    let out = send("/logout", &format!("{planted}; {own}"), "");
    let removed = out.header("set-cookie").unwrap();
    assert!(
        removed.starts_with("__Host-escrowd_session=; Max-Age=0; Path=/;") && removed.ends_with("; Secure"),
        "{removed}"
    );
    assert_eq!(page(&own).status, 303);
    assert_eq!(page(&foreign).status, 200, "another person's session goes on");
}

#[test]
fn each_login_has_a_new_session_and_ends_the_former_one() {
    let app = spawn_desk();
    let planted = Browser {
        app: &app,
        cookie: "escrowd_session=planted".to_owned(),
    };
    let first = log_in(&app, ADA, &[("cookie", &planted.cookie)]);
    let first = Browser {
        app: &app,
        cookie: cookie_of(&first),
    };
    assert!(
        planted.is_out(),
        "a value that the browser brought is never a session's"
    );
    assert_ne!(first.cookie, planted.cookie);
    let second = log_in(&app, ADA, &[("cookie", &first.cookie)]);
    let second = Browser {
        app: &app,
        cookie: cookie_of(&second),
    };
    assert!(first.is_out());
    assert_eq!(second.get("/console/desk").status, 200);
    let both = format!("{}; escrowd_session=planted", second.cookie);
    let both = Browser {
        app: &app,
        cookie: both,
    };
    assert!(both.is_out(), "one of two cookies may come from elsewhere");
}

#[test]
fn a_logout_ends_the_session() {
    let app = spawn_desk();
    let browser = Browser::logged_in(&app, ADA);
    assert!(browser.page("/console/desk").contains("<strong>ada</strong>, admin"));
    let out = browser.send_to(&Form::new(&[]), "/logout");
    assert_eq!((out.status, out.header("location")), (303, Some("/login")));
    assert!(
        out.header("set-cookie")
            .unwrap()
            .starts_with("escrowd_session=; Max-Age=0;"),
        "{out:?}"
    );
    assert!(browser.is_out());
    let late = Form::new(&[("method", "POST"), ("path", "/operator/receipts")]);
    let late = browser.send(&late);
    assert_eq!(late.status, 401);
    assert!(late.text.contains("Nothing was changed"), "{}", late.text);
}

#[test]
fn forms_of_other_sites_neither_log_in_nor_act() {
    let app = spawn_desk();
    let browser = Browser::logged_in(&app, ADA);
    for (path, body) in [
        ("/login", "key=op_live_ada"),
        ("/logout", ""),
        ("/console/merchant", "merchant=1"),
        ("/console/call", "method=POST&path=/operator/receipts"),
    ] {
        for foreign in [("origin", "https://evil.example"), ("sec-fetch-site", "same-site")] {
            let headers = [
                ("cookie", browser.cookie.as_str()),
                ("content-type", "application/x-www-form-urlencoded"),
                foreign,
            ];
            let answer = app.send("POST", path, &headers, Some(body.as_bytes()));
            assert_eq!(
                (answer.status, answer.header("set-cookie")),
                (403, None),
                "{path} {foreign:?}"
            );
            assert!(!answer.text.contains("<strong>ada"), "a foreign form learns nothing");
        }
    }
    assert!(!browser.is_out());
    // The cookie opens no route of the API.
    let direct = app.send("GET", "/operator/acts", &[("cookie", &browser.cookie)], None);
    assert_eq!(direct.status, 401);
}

#[test]
fn the_login_leads_back_to_pages_of_this_service_alone() {
    let app = spawn_desk();
    for (to, place) in [
        ("/console/desk?x=1", "/console/desk?x=1"),
        ("https://evil.example", "/"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("/a\r\nset-cookie: x=y", "/"),
        ("", "/"),
    ] {
        let answer = Form::new(&[("key", ADA), ("to", to)]).send_to(&app, "/login", &[]);
        assert_eq!((answer.status, answer.header("location")), (303, Some(place)), "{to}");
    }
    let shown = app.send("GET", "/login?to=%2F%2Fevil.example%2F%22%3E%3Cb%3E", &[], None);
    assert_eq!(shown.status, 200);
    assert!(!shown.text.contains("evil.example"), "{}", shown.text);
}

#[test]
fn a_session_ends_with_its_key() {
    let app = spawn_desk();
    let made = app
        .by(ADA, "POST", "/operators", &json!({"name": "Gbenga", "role": "cashier"}))
        .ok();
    let operator = Browser::logged_in(&app, &made.text("key"));
    assert!(operator.page("/console/desk").contains("Gbenga"));
    let revoke = format!("/operators/{}/revoke", made.text("id"));
    app.by(ADA, "POST", &revoke, &reason()).ok();
    assert!(operator.is_out());
    assert_eq!(log_in(&app, &made.text("key"), &[]).status, 403);

    let made = app.by(ADA, "POST", "/keys", &json!({"label": "till"})).ok();
    let (id, key) = (made.text("id"), made.text("key"));
    let merchant = Browser::logged_in(&app, &key);
    assert!(!merchant.is_out());
    let next = app
        .by(ADA, "POST", &format!("/keys/{id}/rotate"), &json!({"overlapHours": 1}))
        .ok();
    assert!(!merchant.is_out(), "the key is valid until the overlap ends");
    app.pass_seconds(3_600);
    assert!(merchant.is_out());
    assert_eq!(log_in(&app, &key, &[]).status, 403);
    let merchant = Browser::logged_in(&app, &next.text("key"));
    let revoke = format!("/keys/{}/revoke", next.text("id"));
    app.by(ADA, "POST", &revoke, &reason()).ok();
    assert!(merchant.is_out());
    assert_eq!(log_in(&app, &next.text("key"), &[]).status, 403);
}

/// Ends the session of a browser.
type EndSession<'e> = &'e dyn Fn(&Browser<'_>);

#[test]
fn a_stream_of_changes_ends_with_its_session() {
    let app = spawn_desk_with(|config| config.sandbox.event_stream_heartbeat_seconds = 1);
    let made = app
        .by(ADA, "POST", "/operators", &json!({"name": "Gbenga", "role": "cashier"}))
        .ok();
    let (revoke, key) = (format!("/operators/{}/revoke", made.text("id")), made.text("key"));
    let sandbox = spawn_app_with(|config| config.sandbox.event_stream_heartbeat_seconds = 1);
    let log_out = |browser: &Browser<'_>| {
        assert_eq!(browser.send_to(&Form::new(&[]), "/logout").status, 303);
    };
    let ends: [(&str, &TestApp, &str, EndSession<'_>); 4] = [
        ("a logout", &app, ADA, &log_out),
        ("another login", &app, ADA, &|browser| {
            log_in(&app, ADA, &[("cookie", &browser.cookie)]);
        }),
        ("a revoked key", &app, &key, &|_| {
            app.by(ADA, "POST", &revoke, &reason()).ok();
        }),
        // The browser may go on without a key there, but as somebody else.
        ("a logout of a sandbox", &sandbox, "sk_test_a", &log_out),
    ];
    for (end, app, key, make) in ends {
        let browser = Browser::logged_in(app, key);
        let cookie = format!("Cookie: {}\r\n", browser.cookie);
        let mut stream = Listener::on(app, "/console/events/changes", &cookie);
        for _ in 0..2 {
            assert_eq!(stream.next_name(), "", "{end}: the session goes on");
        }
        make(&browser);
        assert!(stream.ends(), "{end}");
    }
}

/// The last use of a key is that by a person, not by a page that was left open.
#[test]
fn the_heartbeats_of_a_stream_of_changes_are_no_use_of_a_key() {
    let app = spawn_desk_with(|config| config.sandbox.event_stream_heartbeat_seconds = 1);
    let used = || app.column("SELECT last_used_at FROM operator WHERE name = 'ada'");
    let browser = Browser::logged_in(&app, ADA);
    let cookie = format!("Cookie: {}\r\n", browser.cookie);
    let mut stream = Listener::on(&app, "/console/events/changes", &cookie);
    let before = used();
    app.pass_seconds(7_200);
    for _ in 0..3 {
        assert_eq!(stream.next_name(), "");
    }
    assert_eq!(used(), before);
}

#[test]
fn a_page_is_told_once_that_another_tab_has_chosen_another_merchant() {
    let app = spawn_desk_of_two_with(|config| config.sandbox.event_stream_heartbeat_seconds = 2);
    let seller = app.live_customer("ada", "08012345678");
    app.json_with_key(LIVE_KEY, "POST", "/v1/escrow/create", &seller, &standard_terms())
        .ok();
    let browser = Browser::logged_in(&app, ADA);
    browser.choose("1");
    assert_eq!(app.column("SELECT DISTINCT merchant_id FROM event"), ["1"]);
    let cookie = format!("Cookie: {}\r\n", browser.cookie);
    let mut stream = Listener::on(&app, "/console/events/changes", &cookie);
    assert_eq!(stream.next_name(), "", "nothing is new");
    browser.choose("2");
    let told: Vec<String> = (0..3).map(|_| stream.next_name()).collect();
    assert_eq!(told, ["change", "", ""]);
}

#[test]
fn a_session_ends_when_its_address_is_not_allowed_any_more() {
    let app = spawn_desk();
    let browser = Browser::logged_in(&app, LIVE_KEY);
    let allow = |range: &str| {
        let body = json!({"allowedAddresses": [range]});
        app.by(ADA, "PUT", "/merchant", &body).ok();
    };
    allow("127.0.0.1");
    assert!(!browser.is_out());
    allow("192.0.2.0/24");
    assert!(browser.is_out());
    let refused = log_in(&app, LIVE_KEY, &[]);
    assert_eq!(refused.status, 403);
    assert!(
        refused.text.contains("may not be used from your address"),
        "{}",
        refused.text
    );
    allow("127.0.0.1");
    assert!(browser.is_out(), "an ended session stays ended");
}

/// The person has confused the two services.
#[test]
fn a_key_of_live_mode_does_not_log_in_to_a_sandbox() {
    let app = spawn_app();
    for key in ["sk_live_1", "op_live_1"] {
        let answer = log_in(&app, key, &[]);
        assert_eq!((answer.status, answer.header("set-cookie")), (403, None), "{key}");
    }
}

#[test]
fn wrong_keys_count_against_the_address_as_those_of_the_api_do() {
    let app = spawn_desk_with(|config| config.limits.unknown_keys_per_minute = 3);
    assert_eq!(log_in(&app, "sk_live_guess", &[]).status, 403);
    let guess = app.json_with_key("sk_live_guess", "GET", "/v1/countries", "", &Value::Null);
    assert_eq!(guess.status, 403);
    assert_eq!(log_in(&app, "op_live_guess", &[]).status, 403);
    let waits = log_in(&app, "op_live_guess", &[]);
    assert_eq!(waits.status, 429);
    assert!(waits.text.contains("Too many wrong keys"), "{}", waits.text);
    // No key is no guess, and a right key is let in.
    assert_eq!(log_in(&app, "", &[]).status, 400);
    let browser = Browser::logged_in(&app, LIVE_KEY);
    // Nothing that a page does with a right key counts as a guess.
    for path in PAGES {
        browser.get(path);
    }
    assert_eq!(browser.get("/console/deals").status, 200);
}
