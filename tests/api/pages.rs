//! Tests the frame of the pages for people: their headers, the files that they need, and what
//! other sites may not do with them.

use crate::helpers::{Answer, TestApp, spawn_app, spawn_live_app};

fn page(app: &TestApp, path: &str) -> String {
    let answer = app.send("GET", path, &[], None);
    assert_eq!(answer.status, 200, "{path}");
    assert_is_guarded(&answer, path);
    answer.text
}

fn assert_is_guarded(answer: &Answer, path: &str) {
    assert_eq!(
        answer.header("content-type"),
        Some("text/html; charset=utf-8"),
        "{path}"
    );
    let policy = answer.header("content-security-policy").unwrap();
    for rule in [
        "default-src 'none'",
        "script-src 'self';",
        "frame-ancestors 'none'",
        "form-action 'self'",
    ] {
        assert!(policy.contains(rule), "{path}: {policy}");
    }
    assert!(!policy.contains("unsafe"), "{path}: {policy}");
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
    assert_eq!(answer.header("cache-control"), Some("no-store"), "{path}");
}

/// Returns what follows each occurrence of `start` up to the next quotation mark.
fn quoted<'p>(page: &'p str, start: &str) -> Vec<&'p str> {
    let rests = page.split(start).skip(1);
    rests.map(|rest| rest.split_once('"').unwrap().0).collect()
}

#[test]
fn the_first_page_loads_only_files_of_the_service() {
    for app in [spawn_app(), spawn_live_app(|_| {})] {
        let home = page(&app, "/");
        let files = [
            quoted(&home, "<link rel=\"stylesheet\" href=\""),
            quoted(&home, "src=\""),
        ]
        .concat();
        assert_eq!(files.len(), 2, "{home}");
        for file in files {
            let answer = app.send("GET", file, &[], None);
            assert_eq!(answer.status, 200, "{file}");
            assert_eq!(
                answer.header("cache-control"),
                Some("public, max-age=31536000, immutable")
            );
            // A changed file has another name.
            let other = file.replace('.', ".0");
            assert_eq!(app.send("GET", &other, &[], None).status, 404);
        }
    }
}

#[test]
fn every_document_is_a_page_whose_links_lead_somewhere() {
    let app = spawn_app();
    let list = page(&app, "/docs");
    let names = quoted(&list, "<li><a href=\"");
    assert!(names.len() > 10, "{list}");
    for name in names {
        let document = page(&app, name);
        for link in quoted(&document, "href=\"/docs/") {
            let (other, fragment) = link.split_once('#').unwrap_or((link, ""));
            let other = page(&app, &format!("/docs/{other}"));
            let is_there = fragment.is_empty() || other.contains(&format!("id=\"{fragment}\""));
            assert!(is_there, "{name} leads to {link}");
        }
    }
    let answer = app.send("GET", "/docs/nothing", &[], None);
    assert_eq!(answer.status, 404);
    assert_is_guarded(&answer, "/docs/nothing");
}

#[test]
fn a_page_is_refused_for_a_foreign_host() {
    let app = spawn_app();
    for path in ["/", "/docs", "/docs/errors"] {
        let answer = app.send("GET", path, &[("host", "evil.example")], None);
        assert_eq!(answer.status, 403, "{path}");
        assert_is_guarded(&answer, path);
        assert!(answer.text.contains("answers to localhost only"), "{}", answer.text);
    }
}

#[test]
fn the_files_of_pages_name_their_methods() {
    let app = spawn_app();
    for path in ["/assets/x", "/escrow-checkout.min.js"] {
        let named = app.send_for_head("OPTIONS", path, &[]);
        assert_eq!(
            (named.status, named.header("allow")),
            (204, Some("GET, HEAD, OPTIONS")),
            "{path}"
        );
        for method in ["POST", "PUT", "DELETE"] {
            let refused = app.send(method, path, &[], None);
            assert_eq!(refused.message(), "This route answers GET only", "{method} {path}");
            assert_eq!(
                (refused.status, refused.header("allow")),
                (405, Some("GET, HEAD, OPTIONS"))
            );
        }
    }
}

#[test]
fn a_form_of_another_site_is_refused() {
    let app = spawn_app();
    for headers in [
        &[][..],
        &[("origin", "http://evil.example")],
        &[("sec-fetch-site", "cross-site")],
    ] {
        let answer = app.send("POST", "/docs", headers, Some(b"a=b"));
        assert_eq!(answer.status, 403);
        assert!(
            answer.text.contains("sent by a page of another site"),
            "{}",
            answer.text
        );
    }
}

#[test]
fn reads_by_pages_are_not_in_the_request_log() {
    let app = spawn_app();
    page(&app, "/");
    let requests = app.send("GET", "/sandbox/requests", &[], None);
    assert_eq!(requests.data()["data"], serde_json::json!([]));
    app.send("GET", "/v1/merchant/balance", &[], None);
    let requests = app.send("GET", "/sandbox/requests", &[], None);
    assert_eq!(requests.data()["data"].as_array().unwrap().len(), 1);
}

#[test]
fn the_reference_has_a_page_for_every_operation_and_event() {
    let app = spawn_app();
    let list = page(&app, "/docs/reference");
    let names: Vec<&str> = quoted(&list, "href=\"/docs/reference/");
    let document = app.send("GET", "/openapi.json", &[], None).body;
    let items = document["paths"].as_object().unwrap().values();
    let operations = items.map(|item| item.as_object().unwrap().len()).sum::<usize>();
    assert_eq!(
        names.len(),
        operations + document["webhooks"].as_object().unwrap().len()
    );
    for name in &names {
        let shown = page(&app, &format!("/docs/reference/{name}"));
        assert!(shown.contains("<h1"), "{name}");
    }
    let create = page(&app, "/docs/reference/postEscrowMilestoneCreate");
    for text in [
        "milestones[].amount",
        "curl -sS -X POST",
        "await fetch(",
        "urllib.request.Request(",
        "Idempotency-Key",
        "data.milestones[].releasedAt",
        "<td>400</td><td><a href=\"/docs/errors#too_few_milestones\">",
        "A milestone escrow must have at least 2 milestones",
        "<td>429</td><td>none</td><td><code>Too many request</code>",
    ] {
        assert!(create.contains(text), "{text}: {create}");
    }
    assert!(!create.contains("escrow_not_found"), "{create}");
    let errors = page(&app, "/docs/errors");
    let (_, by_code) = errors.split_once("Operations by code").unwrap();
    let (_, row) = by_code.split_once("href=\"#seeded_before\"").unwrap();
    let (row, _) = row.split_once("</tr>").unwrap();
    assert_eq!(quoted(row, "href=\"/docs/reference/"), ["postSandboxSeed"], "{row}");
    assert_eq!(app.send("GET", "/docs/reference/nothing", &[], None).status, 404);
}

#[test]
fn head_is_answered_as_get_is_without_the_body() {
    let app = spawn_app();
    for (path, status) in [
        ("/", 200),
        ("/docs/errors", 200),
        ("/console/deals", 200),
        ("/demo", 200),
        ("/docs/nothing", 404),
    ] {
        let answer = app.send_for_head("HEAD", path, &[]);
        assert_eq!(answer.status, status, "{path}");
        assert_eq!(
            answer.header("content-type"),
            Some("text/html; charset=utf-8"),
            "{path}"
        );
    }
}
