//! The OpenAPI document (`/openapi.json`) against the router.

use std::collections::{BTreeMap, BTreeSet};

use escrowd::domain::events::choice::known_names;
use escrowd::domain::mode::{Mode, Variant};
use escrowd::http;
use serde_json::{Value, json};

use crate::helpers::{LIVE_KEY, TestApp, spawn_app, spawn_app_with, spawn_live_app};

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
        let routes = http::routes(Variant { mode, is_strict });
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
        [
            "path escrowId!",
            "path milestoneId!",
            "header customer-id!",
            "header Idempotency-Key"
        ]
    );
    assert_eq!(
        parameters("post", "/v1/escrow/create"),
        ["header customer-id", "header Idempotency-Key"]
    );
    assert_eq!(
        parameters("get", "/v1/customers"),
        [
            "query email",
            "query phone",
            "query limit",
            "query page",
            "query cursor"
        ]
    );
    let clock = &document["paths"]["/sandbox/clock/advance"]["post"]["requestBody"]["content"]["application/json"];
    let fields: Vec<&String> = clock["schema"]["properties"].as_object().unwrap().keys().collect();
    assert_eq!(fields, ["by"]);
}

#[test]
fn only_routes_that_keep_replies_offer_an_idempotency_key() {
    let document = document(&spawn_live_app(|_| {}));
    let offers = |path: &str| {
        let parameters = document["paths"][path]["post"]["parameters"].as_array().unwrap();
        parameters
            .iter()
            .any(|parameter| parameter["name"] == "Idempotency-Key")
    };
    for path in ["/operator/receipts", "/operator/payouts", "/v1/escrow/create"] {
        assert!(offers(path), "{path}");
    }
    for path in [
        "/operator/operators",
        "/operator/merchants",
        "/operator/keys",
        "/operator/keys/{keyId}/rotate",
        "/operator/callback/rotate-secret",
    ] {
        assert!(!offers(path), "{path}");
    }
}

#[test]
fn the_document_is_told_word_for_word() {
    let text = serde_json::to_string_pretty(&document(&spawn_app())).unwrap();
    insta::with_settings!({ snapshot_path => ".", prepend_module_to_snapshot => false }, {
        insta::assert_snapshot!("openapi", text);
    });
}

#[test]
fn every_operation_has_an_id_of_its_own() {
    let document = document(&spawn_app());
    let items = document["paths"].as_object().unwrap().values();
    let operations: Vec<&Value> = items.flat_map(|item| item.as_object().unwrap().values()).collect();
    let ids = operations
        .iter()
        .map(|operation| operation["operationId"].as_str().unwrap());
    let ids: BTreeSet<&str> = ids.collect();
    assert_eq!(ids.len(), operations.len());
    assert!(
        ids.contains("postEscrowMilestoneConfirmByEscrowIdByMilestoneId"),
        "{ids:?}"
    );
}

#[test]
fn a_success_has_the_status_and_the_data_of_its_handler() {
    let document = document(&spawn_app());
    let responses = &document["paths"]["/v1/escrow/milestone/create"]["post"]["responses"];
    let statuses: Vec<&String> = responses.as_object().unwrap().keys().collect();
    let successes: Vec<&String> = statuses.into_iter().filter(|status| status.starts_with('2')).collect();
    assert_eq!(successes, ["201"]);
    let data = &responses["201"]["content"]["application/json"]["schema"]["properties"]["data"];
    assert_eq!(data["$ref"], "#/components/schemas/Escrow");
    let escrow = &document["components"]["schemas"]["Escrow"]["properties"];
    assert_eq!(escrow["amount"]["type"], "number");
    let statuses = escrow["status"]["enum"].as_array().unwrap();
    assert!(statuses.contains(&json!("PENDING")) && statuses.contains(&json!("DISPUTED")));
}

/// Returns the codes of an operation's refusals, by their status.
fn refusals(operation: &Value) -> BTreeMap<&str, BTreeSet<String>> {
    let responses = operation["responses"].as_object().unwrap().iter();
    let refusals = responses.filter(|(status, _)| !status.starts_with('2'));
    let codes = |response: &'_ Value| {
        let codes = &response["content"]["application/json"]["schema"]["properties"]["code"]["enum"];
        let codes = codes.as_array().into_iter().flatten();
        codes.map(|code| code.as_str().unwrap().to_owned()).collect()
    };
    refusals
        .map(|(status, response)| (status.as_str(), codes(response)))
        .collect()
}

#[test]
fn an_operation_has_the_refusals_of_its_rules_and_of_its_facts() {
    let path = "/v1/escrow/milestone/confirm/{escrowId}/{milestoneId}";
    let live = document(&spawn_live_app(|config| config.strict = true));
    let refusals = refusals(&live["paths"][path]["post"]);
    let codes = |status: &str| refusals[status].iter().map(String::as_str).collect::<Vec<_>>();
    assert_eq!(
        refusals.keys().copied().collect::<Vec<_>>(),
        ["400", "401", "403", "404", "409", "422", "429", "500", "503"]
    );
    assert_eq!(
        codes("400"),
        [
            "action_not_allowed",
            "customer_id_required",
            "escrow_not_found",
            "escrow_not_funded",
            "invalid_request",
            "milestone_already_released",
            "milestone_not_found",
            "milestones_out_of_order"
        ]
    );
    assert_eq!(codes("401"), ["access_denied", "customer_blocked", "no_token"]);
    assert_eq!(codes("404"), ["customer_not_found"]);
    assert_eq!(codes("429"), [""; 0], "a request above the rate limit has no code");

    let sandbox = document(&spawn_app());
    let refusals = self::refusals(&sandbox["paths"][path]["post"]);
    assert_eq!(refusals["4XX"], BTreeSet::from(["fault".to_owned()]));
    assert!(refusals["401"].contains("fault") && !refusals["400"].contains("milestones_out_of_order"));
}

/// The other direction: each code is one that some operation has, in some mode.
#[test]
fn every_code_is_a_refusal_of_an_operation() {
    let documents = [
        spawn_app(),
        spawn_app_with(|config| config.strict = true),
        spawn_live_app(|_| {}),
    ]
    .map(|app| document(&app));
    let mut listed = BTreeSet::new();
    for document in &documents {
        let items = document["paths"].as_object().unwrap().values();
        for operation in items.flat_map(|item| item.as_object().unwrap().values()) {
            listed.extend(refusals(operation).into_values().flatten());
        }
    }
    // The refusal of a method that is no operation.
    listed.insert("method_not_allowed".to_owned());
    let all = documents[0]["components"]["schemas"]["Refusal"]["properties"]["code"]["enum"].as_array();
    let all: BTreeSet<String> = all
        .unwrap()
        .iter()
        .map(|code| code.as_str().unwrap().to_owned())
        .collect();
    assert_eq!(listed, all);
}

#[test]
fn a_request_has_the_kinds_and_bounds_of_its_parser() {
    let document = document(&spawn_app_with(|config| config.limits.milestones_max = 7));
    let operation = &document["paths"]["/v1/escrow/milestone/create"]["post"];
    let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
    assert_eq!(
        schema["required"],
        json!(["amount", "purpose", "whoPays", "milestones"])
    );
    let milestones = &schema["properties"]["milestones"];
    assert_eq!(milestones["maxItems"], 7);
    assert_eq!(milestones["items"]["properties"]["amount"]["type"], "integer");
    let strict = spawn_app_with(|config| config.strict = true);
    let document = self::document(&strict);
    let operation = &document["paths"]["/v1/payment/escrow"]["post"];
    let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
    assert_eq!(schema["required"], json!(["amount", "reference", "escrowDetails"]));
}

#[test]
fn every_event_is_a_webhook() {
    let document = document(&spawn_app());
    let webhooks = document["webhooks"].as_object().unwrap();
    let names: Vec<&String> = webhooks.keys().collect();
    assert_eq!(names, known_names().iter().collect::<Vec<_>>());
    let paid = &webhooks["payment.escrow.success"]["post"]["requestBody"]["content"]["application/json"]["schema"];
    assert_eq!(paid["properties"]["data"]["$ref"], "#/components/schemas/EventPayment");
}

/// The parser of a route takes the document's example of its request: it may be refused by a
/// rule, but not for its form.
#[test]
fn every_example_of_a_request_is_read() {
    for (app, key) in [(spawn_app(), None), (spawn_live_app(|_| {}), Some(LIVE_KEY))] {
        let document = document(&app);
        let authorization = key.map(|key| format!("Bearer {key}"));
        for (path, item) in document["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                let example = &operation["requestBody"]["content"]["application/json"]["example"];
                if example.is_null() {
                    continue;
                }
                let mut headers = vec![("content-type", "application/json")];
                headers.extend(authorization.as_deref().map(|key| ("authorization", key)));
                let parameters = operation["parameters"].as_array().unwrap();
                let customer = parameters.iter().find(|parameter| parameter["name"] == "customer-id");
                if customer.is_some_and(|customer| customer["required"] == true) {
                    headers.push(("customer-id", "ada"));
                }
                let segments = path
                    .split('/')
                    .map(|segment| if segment.starts_with('{') { "x" } else { segment });
                let path = segments.collect::<Vec<_>>().join("/");
                let method = method.to_ascii_uppercase();
                let answer = app.send(&method, &path, &headers, Some(example.to_string().as_bytes()));
                assert_ne!(
                    answer.body["code"], "invalid_request",
                    "{method} {path}: {example} {answer:?}"
                );
            }
        }
    }
}

/// A field that every request of a route must have is described as required. Only payouts name
/// one that some of their requests must have: the amount, unless a receipt has it.
#[test]
fn a_request_with_the_required_fields_alone_misses_none() {
    const JSON: &str = "/requestBody/content/application~1json";
    let app = spawn_app();
    let document = document(&app);
    let mut missing = Vec::new();
    for (method, path, operation) in operations_with(&document, JSON) {
        let content = operation.pointer(JSON).unwrap();
        let required = content["schema"]["required"].as_array();
        let required: Vec<&str> = required.into_iter().flatten().filter_map(Value::as_str).collect();
        let mut sent = content["example"].clone();
        if let Some(fields) = sent.as_object_mut() {
            fields.retain(|name, _| required.contains(&name.as_str()));
        }
        let answer = app.json(&method, path, "ada", &sent);
        let field = answer.body["details"]["field"].as_str().unwrap_or_default();
        if answer.body["message"] == format!("{field} is required") {
            missing.push(format!("{method} {path} {field}"));
        }
    }
    assert_eq!(missing, ["POST /operator/payouts amount"]);
}

/// Returns the operations that have a part at this pointer, with their method and path.
fn operations_with<'d>(document: &'d Value, pointer: &str) -> Vec<(String, &'d str, &'d Value)> {
    let items = document["paths"].as_object().unwrap().iter();
    let operations = items.flat_map(|(path, item)| {
        let methods = item.as_object().unwrap().iter();
        methods.map(move |(method, operation)| (method.to_ascii_uppercase(), path.as_str(), operation))
    });
    let operations = operations.filter(|(_, _, operation)| operation.pointer(pointer).is_some());
    operations.collect()
}

/// A parameter of any kind may be sent empty, which counts as left out.
#[test]
fn every_parameter_that_may_be_left_out_may_be_empty() {
    let app = spawn_app();
    let document = document(&app);
    let mut parameters = 0;
    for (method, path, operation) in operations_with(&document, "/parameters/0") {
        let of_query = operation["parameters"].as_array().unwrap().iter();
        let of_query: Vec<&Value> = of_query.filter(|parameter| parameter["in"] == "query").collect();
        let is_required = |parameter: &&&Value| parameter["required"] == true;
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let required: Vec<String> = of_query
            .iter()
            .filter(is_required)
            .map(|parameter| format!("{}={}", text(&parameter["name"]), text(&parameter["example"])))
            .collect();
        for parameter in of_query.iter().filter(|parameter| !is_required(parameter)) {
            assert_eq!(parameter["allowEmptyValue"], true, "{method} {path}: {parameter}");
            // The stream has no end.
            if path.ends_with("/stream") || method != "GET" {
                continue;
            }
            let query = [&required[..], &[format!("{}=", text(&parameter["name"]))]].concat();
            let answer = app.send("GET", &format!("{path}?{}", query.join("&")), &[], None);
            assert_ne!(answer.body["code"], "invalid_request", "{path} {query:?}: {answer:?}");
            parameters += 1;
        }
    }
    assert!(parameters > 50, "{parameters}");
}

/// A form has texts only, so a field of any kind that may be left out may be an empty text.
#[test]
fn every_field_of_a_form_that_may_be_left_out_may_be_empty() {
    const FORM: &str = "/requestBody/content/multipart~1form-data/schema";
    let app = spawn_app();
    let document = document(&app);
    let mut fields = 0;
    for (method, path, operation) in operations_with(&document, FORM) {
        let schema = operation.pointer(FORM).unwrap();
        let example = &operation["requestBody"]["content"]["application/json"]["example"];
        let required: Vec<&str> = schema["required"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let sent: Vec<(&str, String)> = required
            .iter()
            .map(|&name| {
                let value = &example[name];
                (name, value.as_str().map_or_else(|| value.to_string(), str::to_owned))
            })
            .collect();
        for (name, field) in schema["properties"].as_object().unwrap() {
            if required.contains(&name.as_str()) {
                continue;
            }
            assert!(
                jsonschema::is_valid(field, &json!("")),
                "{method} {path}: {name} {field}"
            );
            let mut parts: Vec<(&str, Option<&str>, &[u8])> =
                sent.iter().map(|(name, text)| (*name, None, text.as_bytes())).collect();
            parts.push((name, None, b""));
            let answer = app.form(&method, path, "ada", &parts);
            assert_ne!(answer.body["code"], "invalid_request", "{path} {name}: {answer:?}");
            fields += 1;
        }
    }
    assert!(fields > 15, "{fields}");
}

/// Generated clients make a type of the words.
#[test]
fn a_field_of_few_words_is_described_by_them() {
    let document = document(&spawn_app());
    for (schema, field, words) in [
        ("Escrow", "state", &["AWAITING_PAYMENT", "OPENED", "CLOSED"][..]),
        ("Escrow", "channel", &["API"]),
        ("DetailedEscrow", "settlementType", &["STANDARD", "MILESTONE", "VAULT"]),
        ("DetailedEscrow", "environment", &["test", "live"]),
        ("EventDeal", "environment", &["test", "live"]),
        ("EventPayment", "environment", &["test", "live"]),
        ("EscrowDetail", "channel", &["API"]),
        ("Statement", "type", &["buyer", "seller", "customer support"]),
        ("Participant", "status", &["STAKED", "RELEASED", "REFUNDED"]),
        ("Customer", "status", &["active", "blocked"]),
        (
            "Delivery",
            "reason",
            &["no_endpoint", "not_chosen", "endpoint_gone", "discarded", "null"],
        ),
        ("Deposit", "status", &["pending", "success", "failed", "reversed"]),
        ("PayoutResult", "outcome", &["applied", "asked", "already", "refused"]),
        ("Movement", "kind", &["receipt", "payout"]),
        ("Key", "scope", &["business", "super_admin"]),
    ] {
        let described = &document["components"]["schemas"][schema]["properties"][field]["enum"];
        let described = described.as_array().into_iter().flatten();
        let described: BTreeSet<String> = described
            .map(|word| word.as_str().map_or_else(|| word.to_string(), str::to_owned))
            .collect();
        let words: BTreeSet<String> = words.iter().map(|&word| word.to_owned()).collect();
        assert_eq!(described, words, "{schema}.{field}");
    }
    let schemas = &document["components"]["schemas"];
    let of = |schema: &str, field: &str| schemas[schema]["properties"][field]["enum"].clone();
    let has = |words: Value, word: &str| words.as_array().is_some_and(|words| words.contains(&json!(word)));
    assert!(has(of("Event", "type"), "escrow.created"));
    assert!(has(of("EmittedEvent", "type"), "milestone.released"));
    assert!(has(of("Transfer", "kind"), "WALLET_TRANSFER"));
    assert!(has(of("PayoutResult", "status"), "paid"));
}

/// Times have their format, and the ids of objects their pattern, in whichever object they are.
#[test]
fn times_and_ids_are_described_alike_everywhere() {
    let document = document(&spawn_app());
    let schemas = document["components"]["schemas"].as_object().unwrap();
    let mut plain = Vec::new();
    for (schema, field, described) in schemas.iter().flat_map(|(schema, described)| {
        let fields = described["properties"].as_object().into_iter().flatten();
        fields.map(move |(field, described)| (schema, field, described))
    }) {
        let is_time = field.ends_with("At") || field == "now";
        let is_id = field == "id" && described["type"] == "string";
        let is_plain = described["format"].is_null() && described["pattern"].is_null();
        if (is_time || is_id) && is_plain && described["type"] != "null" {
            plain.push(format!("{schema}.{field}"));
        }
    }
    assert_eq!(plain, ["Statement.createdAt", "Customer.blockedAt"]);
    let fields = |schema: &str| document["components"]["schemas"][schema]["properties"].clone();
    assert_eq!(fields("Customer")["email"]["type"], "string");
    for schema in ["EventDeal", "EventMilestone"] {
        for field in ["isSeller", "paymentDetails"] {
            assert!(fields(schema)[field].is_null(), "{schema}.{field}");
        }
        assert!(fields(schema)["createdAt"].is_object());
    }
}

/// A request within the bounds of the document is not refused for its form.
#[test]
fn the_bounds_of_numbers_are_those_of_the_parsers() {
    let schema_of = |document: &Value, method: &str, path: &str, pointer: &str| {
        let body = &document["paths"][path][method]["requestBody"]["content"]["application/json"]["schema"];
        body.pointer(pointer).unwrap().clone()
    };
    let sandbox = document(&spawn_app());
    let top_up = schema_of(&sandbox, "post", "/v1/payment/topup", "/properties/amount");
    assert_eq!(
        (&top_up["minimum"], &top_up["maximum"]),
        (&json!(1_000), &json!(100_000))
    );
    let probability = schema_of(&sandbox, "post", "/sandbox/faults", "/properties/probability");
    assert_eq!(
        (&probability["minimum"], &probability["maximum"]),
        (&json!(0.01), &json!(1))
    );
    let by = schema_of(&sandbox, "post", "/sandbox/clock/advance", "/properties/by/anyOf/1");
    assert_eq!((&by["minimum"], &by["maximum"]), (&json!(1), &json!(315_360_000)));
    let strict = document(&spawn_app_with(|config| config.strict = true));
    for (document, kind) in [(&sandbox, "integer"), (&strict, "number")] {
        for (method, path) in [
            ("post", "/v1/escrow/milestone/create"),
            ("put", "/v1/escrow/milestone/edit/{paymentToken}"),
        ] {
            let amount = schema_of(document, method, path, "/properties/amount");
            assert_eq!(amount["type"], kind, "{path}");
        }
    }
    let text =
        spawn_app().exchange_for_text(b"GET /openapi.json HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    assert!(
        text.contains(":90071992547409.91"),
        "the largest amount to the last digit"
    );
    assert!(!text.contains(":90071992547409.9,") && !text.contains(":90071992547409.9}"));
}

#[test]
fn replies_have_the_headers_that_clients_read() {
    let app = spawn_app();
    let document = document(&app);
    let headers = |method: &str, path: &str, status: &str| -> BTreeSet<String> {
        let headers = document["paths"][path][method]["responses"][status]["headers"].as_object();
        headers.into_iter().flatten().map(|(name, _)| name.clone()).collect()
    };
    let names = |names: &[&str]| -> BTreeSet<String> { names.iter().map(|&name| name.to_owned()).collect() };
    let create = "/v1/escrow/create";
    let of_contract = ["x-request-id", "RateLimit", "RateLimit-Policy"];
    assert_eq!(headers("get", "/healthz", "200"), names(&["x-request-id"]));
    assert_eq!(headers("get", "/v1/wallet", "200"), names(&of_contract));
    let kept = [&of_contract[..], &["Idempotent-Replayed"]].concat();
    for status in ["201", "400"] {
        assert_eq!(headers("post", create, status), names(&kept), "{status}");
    }
    for status in ["409", "429", "503"] {
        assert!(headers("post", create, status).contains("Retry-After"), "{status}");
    }
    let parameters = &document["paths"]["/sandbox/events/stream"]["get"]["parameters"];
    let mut last = parameters.as_array().unwrap().iter();
    assert!(last.any(|parameter| parameter["name"] == "Last-Event-ID" && parameter["in"] == "header"));
    // A reply has no header that the document does not know, and lacks none that it always has.
    let answer = app.send("GET", "/v1/wallet", &[("customer-id", "ada")], None).ok();
    assert!(answer.header("x-request-id").is_some());
}
