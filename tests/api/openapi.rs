//! The OpenAPI document (`/openapi.json`) against the router.

use std::collections::BTreeSet;

use escrowd::domain::mode::Mode;
use escrowd::http;
use serde_json::Value;

use crate::helpers::{TestApp, spawn_app, spawn_app_with, spawn_live_app};

fn document(app: &TestApp) -> Value {
    let answer = app.send("GET", "/openapi.json", &[], None);
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.header("content-type"), Some("application/json"));
    answer.body
}

/// Returns method and path of every operation.
fn operations(document: &Value) -> BTreeSet<String> {
    let items = document["paths"].as_object().unwrap().iter();
    let operations = items.flat_map(|(path, item)| {
        let methods = item.as_object().unwrap().keys();
        methods.map(move |method| format!("{} {path}", method.to_ascii_uppercase()))
    });
    operations.collect()
}

#[test]
fn the_document_has_the_routes_of_the_server_and_no_others() {
    let strict = || spawn_app_with(|config| config.strict = true);
    for (mode, is_strict, app) in [
        (Mode::Sandbox, false, spawn_app()),
        (Mode::Sandbox, true, strict()),
        (Mode::Live, false, spawn_live_app(|_| {})),
    ] {
        let routes = http::routes(mode, is_strict);
        let routes: BTreeSet<String> = routes.iter().map(|(method, path)| format!("{method} {path}")).collect();
        let document = document(&app);
        assert_eq!(document["openapi"], "3.1.0");
        assert_eq!(operations(&document), routes);
        for (path, item) in document["paths"].as_object().unwrap() {
            let answer = app.send_for_head("OPTIONS", path, &[]);
            let allowed = answer.header("allow").unwrap().split(", ");
            let allowed: BTreeSet<&str> = allowed.filter(|method| !["HEAD", "OPTIONS"].contains(method)).collect();
            let described = item.as_object().unwrap().keys();
            let described: BTreeSet<String> = described.map(|method| method.to_ascii_uppercase()).collect();
            assert_eq!(described, allowed.into_iter().map(str::to_owned).collect(), "{path}");
        }
    }
}

#[test]
fn the_document_tells_who_acts_and_which_fields_are_read() {
    let document = document(&spawn_app());
    let parameters = |method: &str, path: &str| -> Vec<String> {
        let parameters = document["paths"][path][method]["parameters"].as_array().unwrap();
        let text = |parameter: &Value| {
            let is_required = if parameter["required"] == true { "!" } else { "" };
            let text = |field: &str| parameter[field].as_str().unwrap();
            format!("{} {}{is_required}", text("in"), text("name"))
        };
        parameters.iter().map(text).collect()
    };
    assert_eq!(
        parameters("post", "/v1/escrow/milestone/confirm/{escrowId}/{milestoneId}"),
        ["path escrowId!", "path milestoneId!", "header customer-id!"]
    );
    assert_eq!(parameters("post", "/v1/escrow/create"), ["header customer-id"]);
    assert_eq!(parameters("get", "/v1/customers"), [""; 0]);
    let clock = &document["paths"]["/sandbox/clock/advance"]["post"]["requestBody"]["content"]["application/json"];
    let fields: Vec<&String> = clock["schema"]["properties"].as_object().unwrap().keys().collect();
    assert_eq!(fields, ["by"]);
}
