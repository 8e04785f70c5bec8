//! Bodies that cannot be read as their request says.

use serde_json::json;

use crate::checkout::{of, session, submit};
use crate::console::{Form, page, place_after};
use crate::desk::{ADA, spawn_desk};
use crate::helpers::{Answer, TestApp, spawn_app, standard_terms};
use crate::live_console::Browser;
use crate::position::{CASHIER, Office};

#[test]
fn two_content_types_are_refused() {
    let app = spawn_app();
    let body = standard_terms().to_string();
    let json = ("content-type", "application/json");
    let message = "content-type must be sent once; got several different ones";
    for (path, other) in [
        ("/v1/escrow/create", "multipart/form-data; boundary=x"),
        ("/v1/payment/topup", "text/plain"),
        ("/sandbox/reset", "text/plain"),
        ("/operator/position/reconcile", "text/csv"),
    ] {
        for types in [[json, ("content-type", other)], [("content-type", other), json]] {
            let headers = [&[("customer-id", "ada")], &types[..]].concat();
            app.refuses(400, message, |app| {
                app.send("POST", path, &headers, Some(body.as_bytes()))
            });
        }
    }
    let same = [("customer-id", "ada"), json, json];
    app.send("POST", "/v1/escrow/create", &same, Some(body.as_bytes())).ok();
}

#[test]
fn the_headers_of_a_part_that_are_too_long_are_named() {
    let app = spawn_app();
    let long = "x".repeat(70_000);
    let form = format!("--form\r\ncontent-disposition: form-data; name=\"{long}\"\r\n\r\n1\r\n--form--\r\n");
    let headers = [
        ("customer-id", "ada"),
        ("content-type", "multipart/form-data; boundary=form"),
    ];
    let refused = app.send("POST", "/v1/escrow/create", &headers, Some(form.as_bytes()));
    assert_eq!(refused.body["code"], "body_unreadable", "{refused:?}");
    let problem = "the headers of a part, or what is before the first part, are longer than 65536 bytes";
    assert!(refused.message().contains(problem), "{}", refused.message());
}

#[test]
fn a_form_of_a_page_that_cannot_be_read_gets_a_page() {
    let app = spawn_app();
    let large = format!("method=POST&s:purpose={}", "x".repeat(300_000));
    let form = "application/x-www-form-urlencoded";
    for (kind, body, status, told) in [
        (form, large.as_str(), 413, "The form is larger than "),
        ("text/plain", "a=b", 415, "Nothing was changed."),
    ] {
        let headers = [("content-type", kind), ("sec-fetch-site", "same-origin")];
        for path in ["/console/call", "/checkout/x/pay", "/demo/happy-deal"] {
            let refused = app.send("POST", path, &headers, Some(body.as_bytes()));
            assert_eq!(refused.status, status, "{path}: {}", refused.text);
            assert_eq!(
                refused.header("content-type"),
                Some("text/html; charset=utf-8"),
                "{path}"
            );
            assert!(refused.text.contains(told), "{path}: {}", refused.text);
            assert!(
                refused.text.contains("Nothing was changed."),
                "{path}: {}",
                refused.text
            );
            assert!(!refused.text.contains("Payload Too Large") && !refused.text.contains("\"code\""));
        }
    }
    let twice = app.send("GET", "/console/deals?done=a&done=b", &[], None);
    assert!(twice.text.contains("<html"), "{}", twice.text);
}

#[test]
fn a_form_may_be_as_large_as_the_body_that_it_describes() {
    let app = spawn_app();
    let stages: Vec<_> = (0..100)
        .map(|stage| json!({"title": format!("Stage {stage}"), "description": "é".repeat(200), "amount": 1000}))
        .collect();
    let terms = json!({
        "amount": 100_000, "purpose": "A tower", "whoPays": "buyer", "maxDelivery": 9, "deliveryTimeline": "days",
        "milestones": stages,
    });
    let offer = app.create_milestone_escrow("ada", &terms).ok();
    let place = format!("/console/deals/{}", offer.text("id"));
    let shown = page(&app, &format!("{place}/edit"));
    let form = Form::of(&shown, "Save").with("s:deliveryTimeline", "days");
    let form = (0..100).fold(form, |form, stage| {
        form.with(&format!("s:milestones[{stage}].description"), &"é".repeat(200))
    });
    let saved = place_after(&form.send(&app));
    assert_eq!(saved.split('?').next(), Some(place.as_str()));
}

#[test]
fn a_statement_of_the_bank_may_be_as_large_as_a_file() {
    let app = spawn_app();
    app.wallet("ada").ok();
    let path = "/console/desk/reconciliation";
    let lines = (0..20_000).map(|line| format!("2026-06-22,10,FT-{line}\n"));
    let statement = format!("date,amount,reference\n{}", lines.collect::<String>());
    let form = Form::of(&page(&app, path), "Compare").with("statement", &statement);
    let compared = form.send_to(&app, path, &[]);
    assert_eq!(compared.status, 200);
    assert!(compared.text.contains("The bank and the ledger differ."));
}

#[test]
fn a_refused_form_is_marked_and_leads_back_to_its_page() {
    let app = spawn_app();
    let referrer = format!("http://{}/console/offer", app.address);
    let form = Form::of(&page(&app, "/console/offer"), "Offer");
    for (refused, form) in [
        (
            "form is larger than",
            form.clone().with("s:purpose", &"x".repeat(300_000)),
        ),
        (
            "cannot be the name of a customer",
            form.clone().with("customer", "Zo\u{eb}"),
        ),
        ("The path is missing", form.clone().without("path")),
        ("This browser has another login now", form.with("visitor", "merchant-7")),
    ] {
        let answer = form.send_to(&app, "/console/call", &[("referer", &referrer)]);
        assert!(answer.text.contains(refused), "{refused}: {}", answer.text);
        assert!(answer.text.contains("data-refused"), "{refused}: {}", answer.text);
        let back = "<a class=\"button primary\" href=\"/console/offer\">Back</a>";
        assert!(answer.text.contains(back), "{refused}: {}", answer.text);
    }
    let live = spawn_desk();
    let referrer = format!("http://{}/console/desk/people", live.address);
    let form = Form::new(&[("method", "POST"), ("path", "/operator/receipts")]);
    let answer = form.send_to(&live, "/console/call", &[("referer", &referrer)]);
    assert_eq!(answer.status, 401, "{}", answer.text);
    assert!(answer.text.contains("data-refused"), "{}", answer.text);
    // A page that is only read has no form.
    let unknown = app.send("GET", "/console/deals/x", &[("referer", &referrer)], None);
    assert!(!unknown.text.contains("data-refused"), "{}", unknown.text);
}

#[test]
fn a_failure_that_leaves_its_outcome_open_says_so() {
    const OPEN: &str = "It may have been done.";
    let app = spawn_app();
    let offer = Form::of(&page(&app, "/console/offer"), "Offer")
        .with("s:purpose", "A garden")
        .with("n:amount", "3000")
        .with("s:milestones[0].title", "Plan")
        .with("n:milestones[0].amount", "1000")
        .with("s:milestones[1].title", "Dig")
        .with("n:milestones[1].amount", "2000");
    let session = session(&app, &of(&app.offered()));
    let checkout = format!("/checkout/{session}/pay");
    let by_form = |app: &TestApp| offer.send(app);
    let by_checkout = |app: &TestApp| submit(app, &checkout, &[("once", "1"), ("total", "10200")]);
    let sent: [&dyn Fn(&TestApp) -> Answer; 2] = [&by_form, &by_checkout];
    for (send, nothing) in sent.into_iter().zip(["Nothing was changed", "Nothing was paid"]) {
        app.plan_panic_at_id(1);
        let failed = send(&app);
        assert!(app.has_command_panicked(), "the test is void: {}", failed.text);
        assert_eq!(failed.status, 500, "{}", failed.text);
        assert!(failed.text.contains(OPEN), "{}", failed.text);
        for other in [nothing, "nothing was changed"] {
            assert!(!failed.text.contains(other), "{other}: {}", failed.text);
        }
    }
    let office = Office::live();
    let trade = office.trade();
    office.approves(&trade.open);
    let cashier = Browser::logged_in(&office.app, CASHIER);
    let results = Form::of(&cashier.page("/console/desk/batches"), "Record the results").with(
        "results",
        &format!(
            "payoutId,status,bankReference,valueDate,reason\n{},paid,FT-7001,2026-11-09,\n",
            trade.open
        ),
    );
    office.app.plan_panic_at_id(1);
    let failed = cashier.send_to(&results, "/console/desk/batches");
    assert!(office.app.has_command_panicked(), "the test is void: {}", failed.text);
    assert!(
        failed.text.contains(OPEN) && !failed.text.contains("othing was changed"),
        "{}",
        failed.text
    );
}

#[test]
fn a_refused_form_stays_in_the_section_of_its_page() {
    let app = spawn_app();
    for (place, button, field) in [
        ("/console/clock", "Move the clock", "s:by"),
        ("/console/faults", "Set the fault", "n:times"),
    ] {
        let refused = Form::of(&page(&app, place), button).with(field, "x").send(&app);
        assert_eq!(refused.status, 400, "{}", refused.text);
        let current = format!("href=\"{place}\" aria-current=\"page\"");
        assert!(refused.text.contains(&current), "{}", refused.text);
    }
}

#[test]
fn a_form_whose_reply_is_a_stream_is_refused_at_once() {
    let app = spawn_app();
    app.wallet("ada").ok();
    for (method, path) in [
        ("GET", "/sandbox/events/stream"),
        ("GET", "/sandbox/events/stream?type=payment"),
        ("GET", "/sandbox/events/strea%6d"),
        ("GET", "/v1/sandbox/events/stream"),
        ("GET", "/v1//v1/sandbox/events/stream?type=payment"),
        ("HEAD", "/sandbox/events/stream"),
    ] {
        let form = Form::new(&[("method", method), ("path", path), ("visitor", "none")]);
        let refused = form.send(&app);
        assert_eq!(refused.status, 400, "{path}: {}", refused.text);
        for told in [
            "answers with a stream",
            "escrowd listen",
            "Nothing was changed.",
            "data-refused",
        ] {
            assert!(refused.text.contains(told), "{path}: {}", refused.text);
        }
    }
    // The list of events, whose path is nearly the same, is no stream.
    let list = Form::new(&[("method", "GET"), ("path", "/sandbox/events"), ("visitor", "none")]);
    place_after(&list.send(&app));
}

#[test]
fn a_form_whose_reply_is_a_file_changes_nothing() {
    let office = Office::live();
    let trade = office.trade();
    office.approves(&trade.open);
    let cashier = Browser::logged_in(&office.app, CASHIER);
    let visitor = Form::of(&cashier.page("/console/desk/batches"), "Export the next batch");
    let visitor = visitor.field("visitor").unwrap().to_owned();
    for (method, path) in [
        ("POST", "/operator/payouts/export"),
        ("POST", "/operator/payouts/%65xport"),
        ("POST", "/v1/operator/payouts/export"),
        ("GET", "/operator/journal"),
    ] {
        let form = Form::new(&[("method", method), ("path", path), ("visitor", &visitor)]);
        let before = office.app.dump();
        let refused = cashier.send(&form);
        assert_eq!(refused.status, 400, "{path}: {}", refused.text);
        for told in ["answers with a file", "Nothing was changed.", "data-refused"] {
            assert!(refused.text.contains(told), "{path}: {}", refused.text);
        }
        assert_eq!(office.app.dump(), before, "{path}");
    }
    // The desk's own form of the same route still makes the batch.
    let export = Form::of(&cashier.page("/console/desk/batches"), "Export the next batch");
    let exported = cashier.send_to(&export, "/console/desk/batches/export");
    assert!(exported.text.contains("Batch 1 has 1 pay-out."), "{}", exported.text);
}

#[test]
fn a_form_with_a_field_that_occurs_twice_is_refused() {
    let app = spawn_app();
    let offer = Form::of(&page(&app, "/console/offer"), "Offer")
        .with("s:purpose", "A garden")
        .with("n:amount", "3000")
        .with("s:milestones[0].title", "Plan")
        .with("n:milestones[0].amount", "1000")
        .with("s:milestones[1].title", "Dig")
        .with("n:milestones[1].amount", "2000");
    for (name, value) in [
        ("path", "/v1/escrow/create"),
        ("method", "PUT"),
        ("customer", "ben"),
        ("once", "another"),
        ("n:amount", "3000"),
        ("s:amount", "4000"),
        ("n:milestones[01].amount", "2000"),
    ] {
        let before = app.dump();
        let refused = offer.clone().and(name, value).send(&app);
        assert_eq!(refused.status, 400, "{name}: {}", refused.text);
        let told = format!("The field {name} must be sent once; got it twice. Nothing was changed.");
        assert!(refused.text.contains(&told), "{name}: {}", refused.text);
        assert_eq!(app.dump(), before, "{name}");
    }
    place_after(&offer.send(&app));
}

#[test]
fn a_form_shows_a_new_key_whatever_the_spelling_of_its_path() {
    let app = spawn_desk();
    let ada = Browser::logged_in(&app, ADA);
    ada.choose("1");
    for path in ["/operator/keys", "/v1/operator/keys", "/operator/%6beys"] {
        let form = Form::of(&ada.page("/console/desk/keys"), "Make the key").with("s:scope", "business");
        let done = ada.done(&form.with("path", path));
        assert!(
            done.contains("shown once and never again") && done.contains("sk_live_"),
            "{path}: {done}"
        );
    }
}

#[test]
fn a_payment_by_a_form_names_its_total_whatever_the_spelling_of_its_path() {
    let app = spawn_app();
    for path in ["/v1/payment/escrow", "/v1/v1/payment/escrow", "/v1/payment/%65scrow"] {
        let form = Form::new(&[
            ("method", "POST"),
            ("path", path),
            ("customer", "ada"),
            ("visitor", "none"),
        ]);
        let refused = form.send(&app);
        assert_eq!(refused.status, 400, "{path}: {}", refused.text);
        assert!(
            refused.text.contains("The total that the page showed is missing"),
            "{path}: {}",
            refused.text
        );
    }
}

#[test]
fn a_form_whose_first_copy_is_still_being_done_does_not_say_that_nothing_was_changed() {
    let app = spawn_app();
    let in_flight = |route: &str, times: u32| {
        let fault = json!({ "inFlight": true, "route": route, "times": times });
        app.as_merchant("POST", "/sandbox/faults", Some(&fault)).ok();
    };
    let offers = "POST /v1/escrow/milestone/create";
    let example = Form::of(&page(&app, "/"), "Make an example deal");
    // It waits for the first copy.
    in_flight(offers, 2);
    place_after(&example.send_to(&app, "/console/example", &[]));
    in_flight(offers, 7);
    let offer = Form::of(&page(&app, "/console/offer"), "Offer");
    let sent = offer.with("s:purpose", "A garden").with("n:amount", "3000").send(&app);
    let session = session(&app, &of(&app.offered()));
    in_flight("POST /v1/payment/escrow", 7);
    let paid = submit(
        &app,
        &format!("/checkout/{session}/pay"),
        &[("once", "1"), ("total", "10200")],
    );
    for (refused, told) in [(sent, "shows if it was done"), (paid, "shows if it was paid")] {
        assert_eq!(refused.status, 409, "{}", refused.text);
        assert!(
            refused.text.contains("is still being done") && refused.text.contains(told),
            "{}",
            refused.text
        );
        for other in ["Nothing was", "Idempotency-Key"] {
            assert!(!refused.text.contains(other), "{other}: {}", refused.text);
        }
    }
}

#[test]
fn a_refusal_of_status_405_by_a_fault_is_the_one_of_the_route() {
    let app = spawn_app();
    let example = Form::of(&page(&app, "/"), "Make an example deal");
    let session = session(&app, &of(&app.offered()));
    for (route, path, form) in [
        ("POST /v1/escrow/milestone/create", "/console/example", example),
        (
            "POST /v1/payment/escrow",
            &format!("/checkout/{session}/pay"),
            Form::new(&[("once", "1"), ("total", "10200"), ("customer", "tunde")]),
        ),
    ] {
        let fault = json!({ "status": 405, "route": route });
        app.as_merchant("POST", "/sandbox/faults", Some(&fault)).ok();
        let refused = form.send_to(&app, path, &[]);
        assert_eq!(refused.status, 405, "{path}: {}", refused.text);
        assert!(
            !refused.text.contains("There is no page here"),
            "{path}: {}",
            refused.text
        );
        assert!(refused.text.contains("fault"), "{path}: {}", refused.text);
    }
}

#[test]
fn a_form_for_a_secret_that_cannot_be_sent_is_refused_again() {
    let app = spawn_desk();
    let ada = Browser::logged_in(&app, ADA);
    ada.choose("1");
    let form = Form::of(&ada.page("/console/desk/keys"), "Make the key").with("s:scope", "business");
    for _ in 0..2 {
        let refused = ada.send(&form.clone().with("customer", "Zo\u{eb}"));
        assert_eq!(refused.status, 400, "{}", refused.text);
        assert!(
            refused.text.contains("cannot be the name of a customer"),
            "{}",
            refused.text
        );
    }
    let made = ada.send(&form);
    assert_eq!(made.status, 303, "{}", made.text);
}
