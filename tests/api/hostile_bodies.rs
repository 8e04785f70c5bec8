//! Bodies that cost the service more than their bytes: nested ones, endless ones, large ones, and
//! those that are slow to search.

use crate::console::{Form, page};
use crate::desk::spawn_desk;
use crate::helpers::{Answer, spawn_app};

/// Asserts that a page refused a form and changed nothing.
#[track_caller]
fn assert_refused(answer: &Answer, status: u16, message: &str) {
    assert_eq!(answer.status, status, "{}", answer.text);
    assert!(answer.text.contains(message), "{}", answer.text);
}

#[test]
fn lists_of_any_depth_around_a_data_url_stop_nothing() {
    let deep = |text: &str| format!("{}\"{text}\"{}", "[".repeat(32_000), "]".repeat(32_000));
    for app in [spawn_app(), spawn_desk()] {
        for text in [";base64,", "data:image/png;base64,AAAA"] {
            let body = format!("{{\"publicKey\":{}}}", deep(text));
            let answer = app.json_text("POST", "/v1/checkout/session", "", &body);
            assert_eq!(answer.status, 400, "{answer:?}");
        }
    }
}

#[test]
fn a_form_whose_fields_are_nested_deeply_is_refused() {
    let app = spawn_app();
    let form = Form::of(&page(&app, "/console/offer"), "Offer");
    for path in ["a.".repeat(109_999) + "a", "a.".repeat(100) + "a", "a[0]".repeat(100)] {
        let refused = form.clone().with(&format!("s:{path}"), "1").send(&app);
        assert_refused(&refused, 400, "The field s:a");
    }
}
