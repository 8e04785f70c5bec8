//! Snapshots of the replies to bodies with one changed field: for each field of each body,
//! values that are missing, of a wrong type or out of bounds.

use serde_json::{Map, Value, json};

use super::matrix::Route;
use super::refusals::{every_row, recorded_sandbox};
use super::row::{Make, Request};
use super::scene::{category, disputed, profile, profiled, standard};
use super::walk::{Change, send};
use crate::helpers::{TestApp, with_field};
use crate::snapshots::assert_snapshot;

/// Returns the values to try in a field, by the type of its valid value. An empty text
/// leaves the field out.
fn values(right: Option<&Value>) -> &'static [&'static str] {
    match right {
        Some(Value::String(_)) => &["", "null", "\"\"", "\" \"", "\"x\"", "1", "true", "[]", "{}"],
        Some(Value::Number(_)) => &[
            "",
            "null",
            "\"\"",
            "\" \"",
            "\"1\"",
            "0",
            "1",
            "-1",
            "1.5",
            "1.234",
            "1e3",
            "99999999999999999999",
            "true",
            "[]",
            "{}",
        ],
        Some(Value::Bool(_)) => &["", "null", "\"\"", "\"true\"", "1", "true", "false", "[]", "{}"],
        Some(Value::Array(_) | Value::Object(_)) => &["", "null", "\"\"", "\"x\"", "1", "true", "[]", "[1]", "{}"],
        Some(Value::Null) | None => &["null", "\"\"", "\"x\"", "0", "1", "1.5", "true", "false", "[]", "{}"],
    }
}

/// Returns further values to try in a field of this name, at the edges of its domain.
fn own_values(name: &str) -> &'static [&'static str] {
    match name {
        "amount" | "balance" | "sellerAmount" | "buyerAmount" | "additionalFee" => {
            &["0.99", "99.99", "90071992547409.91", "90071992547409.92"]
        }
        "dueDate" => &[
            "\"2031-12-01\"",
            "\"2031-03-04\"",
            "\"2031-03-05\"",
            "\"2031-02-29\"",
            "\"2031-3-5\"",
        ],
        "maxDelivery" => &["365", "366"],
        "deliveryTimeline" => &["\"minutes\"", "\"hours\"", "\"Days\""],
        "whoPays" => &["\"buyer\"", "\"seller\"", "\"both\"", "\"Buyer\""],
        "status" => &[
            "\"COMPLETED\"",
            "\"REFUNDED\"",
            "\"SPLIT\"",
            "\"CLAIMED\"",
            "\"PENDING\"",
            "399",
            "400",
            "599",
            "600",
        ],
        "times" => &["1000", "1001"],
        "delayMs" => &["60001"],
        "route" => &[
            "\"/v1/*\"",
            "\"GET /v1/cards\"",
            "\"PATCH /v1/cards\"",
            "\"/v1/nothing\"",
        ],
        "by" => &[
            "\"3d\"",
            "\"1w\"",
            "\"90s\"",
            "\"1h30m\"",
            "\"P1D\"",
            "\"-1h\"",
            "\"101y\"",
            "\"1 day\"",
            "31536000",
            "315360000000",
        ],
        "url" => &[
            "\"http://127.0.0.1:9/hook\"",
            "\"ftp://shop.example/\"",
            "\"http://\"",
            "\"https://user:pass@shop.example/\"",
            "\"http://shop.example/#part\"",
        ],
        "since" => &[
            "\"2031-03-04T05:06:07.008Z\"",
            "\"2031-03-04\"",
            "\"2031-02-29T05:06:07.008Z\"",
        ],
        "from" => &["\"0123456789abcdef01234567\"", "\"0123456789ABCDEF01234567\""],
        "email" => &["\"a@b\"", "\"a@@b.example\"", "\"A@B.example\""],
        "phone" => &[
            "\"2348012345670\"",
            "\"+2348012345671\"",
            "\"0801234567\"",
            "\"0801 234 5672\"",
        ],
        "countryId" => &["\"GH\"", "\"gh\"", "\"US\"", "\"000000000000000000000566\""],
        "bvn" => &["\"1234567890\"", "\"12345678901\""],
        "accountNumber" => &["\"012345678\"", "\"0000000000\"", "\"01234567890\""],
        "bankCode" => &["\"058\"", "\"999999\""],
        "toAddress" | "walletAddress" | "tokenAddress" => &[
            "\"0x0123456789abcdef0123456789abcdef0123456\"",
            "\"0123456789abcdef0123456789abcdef01234567\"",
        ],
        "network" => &["\"BSC\"", "\"bsc\"", "\"ETH\""],
        "transactionType" => &["\"ESCROW\"", "\"Deposit\"", "\"transfer\""],
        "gateway" => &["\"card\"", "\"WALLET\""],
        "currency" => &["\"ngn\"", "\"USD\""],
        "number" => &["\"4242 4242 4242 4242\"", "\"4111111111111111\""],
        "categoryId" | "escrowId" | "paymentToken" | "cardId" => &["\"0123456789abcdef01234567\"", "[\"a\",\"b\"]"],
        _ => &[],
    }
}

/// A request for which the test changes one field of the body at a time.
struct Tried {
    route: &'static str,
    make: Make,
    /// JSON pointers to further fields, which the body leaves out.
    others: &'static [&'static str],
}

const fn tried(route: &'static str, make: Make) -> Tried {
    Tried {
        route,
        make,
        others: &[],
    }
}

impl Tried {
    const fn and(mut self, others: &'static [&'static str]) -> Self {
        self.others = others;
        self
    }
}

/// Sends the body once for each field and value, and records the replies.
fn show(app: &TestApp, tried: &Tried) {
    let rows = every_row();
    let (route, _) = rows.iter().find(|(_, row)| row.name == tried.route).unwrap();
    let mut request = app.unrecorded(tried.make);
    let body = request.body.clone().unwrap();
    app.transcript().note(&format!("{} {body}", tried.route));
    let mut pointers = Vec::new();
    add_pointers(&body, "", &mut pointers);
    pointers.extend(tried.others.iter().map(|pointer| (*pointer).to_owned()));
    let long_text = format!("\"{}\"", "é".repeat(3_000));
    for pointer in pointers {
        let name = pointer.rsplit('/').next().unwrap();
        let values = values(body.pointer(&pointer)).iter().chain(own_values(name)).copied();
        for value in values.chain([long_text.as_str()]) {
            if value.is_empty() && name.parse::<usize>().is_ok() {
                continue;
            }
            let sent = with_field(request.body.clone().unwrap(), &pointer, value);
            let change = Change {
                body: Some(sent.as_bytes()),
                ..Change::default()
            };
            let answer = app.unrecorded(|app| send(app, route, &request, change));
            let value = match value.chars().count() {
                0 => "left out".to_owned(),
                100.. => "3000 letters".to_owned(),
                _ => value.to_owned(),
            };
            let label = format!("{} = {value}", &pointer[1..]);
            if answer.status < 300 {
                let became = answer.data().pointer(&pointer);
                let became = became.map_or(String::new(), |value| format!(" {}", shortened(value)));
                app.transcript()
                    .line_of(&label, &answer, &format!("{:?}{became}", answer.message()));
                request = app.unrecorded(tried.make);
            } else {
                app.transcript().line(&label, &answer);
            }
        }
    }
    show_order(app, route, tried);
}

/// Sends the body with every field wrong, then corrects the field that the refusal names and
/// repeats this. The replies show the order in which the service checks the fields.
fn show_order(app: &TestApp, route: &Route, tried: &Tried) {
    let request = app.unrecorded(tried.make);
    let right = request.body.clone().unwrap();
    let mut pointers = Vec::new();
    add_pointers(&right, "", &mut pointers);
    let is_leaf = |pointer: &&String| !matches!(right.pointer(pointer), Some(Value::Array(_) | Value::Object(_)));
    let mut body = right.clone();
    for pointer in pointers.iter().filter(is_leaf) {
        *body.pointer_mut(pointer).unwrap() = json!([{}]);
    }
    let mut righted = "all fields wrong".to_owned();
    loop {
        let text = body.to_string();
        let change = Change {
            body: Some(text.as_bytes()),
            ..Change::default()
        };
        let answer = app.unrecorded(|app| send(app, route, &request, change));
        app.transcript().line(&righted, &answer);
        let Some(field) = answer.body["details"]["field"].as_str() else {
            return;
        };
        let pointer = format!("/{}", field.replace(['.', '['], "/").replace(']', ""));
        match (body.pointer_mut(&pointer), right.pointer(&pointer)) {
            (Some(wrong), Some(value)) if wrong != value => *wrong = value.clone(),
            _ => return,
        }
        righted = format!("then {field} right");
    }
}

/// Collects the JSON pointers to all fields of a body. For a list, it collects only those of
/// the first element.
fn add_pointers(value: &Value, path: &str, pointers: &mut Vec<String>) {
    if !path.is_empty() {
        pointers.push(path.to_owned());
    }
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                add_pointers(value, &format!("{path}/{name}"), pointers);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate().take(1) {
                add_pointers(item, &format!("{path}/{index}"), pointers);
            }
        }
        _ => {}
    }
}

fn shortened(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() > 100 {
        format!("({} characters)", text.chars().count())
    } else {
        text
    }
}

/// Compares the replies to all these bodies with one snapshot.
fn assert_replies(name: &str, all: &[Tried]) {
    let app = recorded_sandbox();
    for tried in all {
        show(&app, tried);
    }
    assert_snapshot(name, &[&app]);
}

/// Returns the object with these fields added.
fn with(mut object: Value, more: Value) -> Value {
    let more: Map<String, Value> = serde_json::from_value(more).unwrap();
    object.as_object_mut().unwrap().extend(more);
    object
}

/// Returns terms with every field that a seller may send.
fn terms(app: &TestApp) -> Value {
    json!({
        "amount": 10000, "purpose": "Shop fit-out", "description": "All of it", "whoPays": "buyer",
        "maxDelivery": 30, "deliveryTimeline": "days", "totalQuantity": 2, "categoryId": category(app),
    })
}

fn milestones() -> Value {
    json!({ "milestones": [
        { "title": "Frame", "description": "Of steel", "amount": 4000, "dueDate": "2031-12-01", "customerId": "cleo" },
        { "title": "Finish", "amount": 6000 },
    ] })
}

#[test]
fn fields_of_escrows_are_read_word_for_word() {
    assert_replies(
        "fields_of_escrows",
        &[
            tried("POST /v1/escrow/milestone/create", |app| {
                let one = json!({ "totalQuantity": 1 });
                Request::by("ada").with(with(with(terms(app), milestones()), one))
            }),
            tried("PUT /v1/escrow/milestone/edit/{paymentToken}", |app| {
                let one = json!({ "totalQuantity": 1 });
                let body = with(with(terms(app), milestones()), one);
                Request::by("ada").to(app.offered().token).with(body)
            }),
            tried("PUT /v1/escrow/milestone/convert/{paymentToken}", |app| {
                let body = with(json!({ "amount": 10000 }), milestones());
                Request::by("ada").to(standard(app).token).with(body)
            }),
            tried("POST /v1/escrow/create", |app| Request::by("ada").with(terms(app))),
            tried("PUT /v1/escrow/edit/{paymentToken}", |app| {
                Request::by("ada").to(standard(app).token).with(terms(app))
            }),
            tried("PUT /v1/escrow/additional-fee/{paymentToken}", |app| {
                let fee = json!({ "additionalFee": 75, "additionalFeeRefundable": false });
                Request::of_merchant().to(standard(app).token).with(fee)
            }),
        ],
    );
}

#[test]
fn fields_of_disputes_vaults_and_categories_are_read_word_for_word() {
    assert_replies(
        "fields_of_disputes_vaults_and_categories",
        &[
            tried("POST /v1/escrow/submit-dispute/{paymentToken}", |app| {
                let deal = super::scene::paid(app);
                Request::by("ben")
                    .to(deal.token)
                    .with(json!({ "message": "It is broken" }))
            }),
            tried("POST /v1/escrow/dispute/resolve/{escrowId}", |app| {
                Request::of_merchant().to(disputed(app).id).with(json!({
                    "resolution": "Both are right", "status": "SPLIT",
                    "sellerAmount": 1000, "buyerAmount": 234.56, "additionalFeeRefundable": true,
                }))
            }),
            tried("POST /v1/escrow/dispute/resolve/{escrowId}", |app| {
                let ruling = json!({ "resolution": "It was sent back", "status": "REFUNDED" });
                Request::of_merchant().to(disputed(app).id).with(ruling)
            })
            .and(&["/sellerAmount", "/buyerAmount"]),
            tried("POST /v1/escrow/vault/create", |app| {
                Request::of_merchant().with(json!({
                    "purpose": "A race", "description": "Of two", "categoryId": app.category_of(""),
                    "participants": [{ "customerId": "ada", "amount": 600 }, { "customerId": "ben", "amount": 400 }],
                }))
            }),
            tried("POST /v1/escrow/vault/winner/{paymentToken}", |app| {
                let token = super::scene::vault(app).text("paymentToken");
                Request::of_merchant().to(token).with(json!({ "winnerId": "ada" }))
            }),
            tried("POST /v1/escrow/category/create", |_| {
                Request::by("ada").with(json!({ "name": "Boats", "description": "Of wood", "category_position": 1 }))
            }),
            tried("PUT /v1/escrow/category/edit/{categoryId}", |app| {
                let body = json!({ "name": "Boats", "description": "Of wood", "category_position": 1 });
                Request::by("ada").to(category(app)).with(body)
            }),
            tried("PUT /v1/escrow/category/position/{categoryId}", |app| {
                Request::by("ada").to(category(app)).with(json!({ "newPosition": 1 }))
            }),
        ],
    );
}

/// Returns a request of Ada's to create an intent with these fields and an unused reference.
fn intent(app: &TestApp, more: Value) -> Request {
    let number = app.count("payment_transaction");
    let intent = json!({ "amount": 1000, "reference": format!("intent {number}"), "currency": "NGN" });
    Request::by("ada").with(with(intent, more))
}

#[test]
fn fields_of_payments_are_read_word_for_word() {
    assert_replies(
        "fields_of_payments",
        &[
            tried("POST /v1/payment/escrow", |app| {
                let deal = standard(app);
                Request::by("ben").with(json!({
                    "amount": 1234.56, "reference": format!("payment for {}", &deal.token),
                    "transactionType": "escrow", "gateway": "wallet", "currency": "NGN",
                    "escrowDetails": { "escrowId": deal.id },
                }))
            })
            .and(&["/cardId", "/escrowDetails/paymentToken"]),
            tried("POST /v1/payment/escrow", |app| {
                Request::by("ben").with(json!({
                    "escrowDetails": { "escrowId": [standard(app).id, standard(app).id] },
                }))
            }),
            tried("POST /v1/payment/escrow", |app| {
                let card = app.save_card("ben", "4242424242424242").ok().text("id");
                Request::by("ben").with(json!({
                    "gateway": "card", "cardId": card, "escrowDetails": { "paymentToken": standard(app).token },
                }))
            }),
            tried("POST /v1/payment/create-intent", |app| {
                let card = app.save_card("ada", "4242424242424242").ok().text("id");
                intent(
                    app,
                    json!({ "transactionType": "deposit", "depositDetails": { "cardId": card } }),
                )
            }),
            tried("POST /v1/payment/create-intent", |app| {
                intent(
                    app,
                    json!({ "transactionType": "withdrawal", "withdrawalDetails": {
                        "bankCode": "058", "accountNumber": "0123456789", "accountName": "Ada Obi",
                        "bankName": "Guaranty Trust Bank", "narration": "rent",
                    } }),
                )
            })
            .and(&["/blockchainDetails"]),
            tried("POST /v1/payment/create-intent", |app| {
                let address = "0x0123456789abcdefABCDEF0123456789abcdef01";
                let body = json!({ "walletAddress": address, "network": "BSC" });
                app.json("POST", "/v1/whitelist-address", "ada", &body);
                intent(
                    app,
                    json!({ "transactionType": "withdrawal", "blockchainDetails": {
                        "toAddress": address, "network": "BSC", "tokenAddress": address,
                    } }),
                )
            }),
            tried("POST /v1/payment/create-intent", |app| {
                let phone = profiled(app).text("phone");
                intent(
                    app,
                    json!({ "transactionType": "wallet_transfer", "walletDetails": {
                        "phone": phone, "name": "Eve Obi", "narration": "lunch",
                    } }),
                )
            }),
            tried("POST /v1/payment/verify", |app| {
                let reference = intent(app, json!({ "transactionType": "deposit" }));
                let created = app.create_intent("ada", &reference.body.unwrap()).ok();
                Request::by("ada").with(json!({ "reference": created.text("reference") }))
            }),
            tried("POST /v1/payment/verify-account", |_| {
                Request::by("ada").with(json!({ "accountNumber": "0123456789", "bankCode": "058", "bankName": "GTB" }))
            }),
            tried("POST /v1/payment/topup", |_| {
                Request::by("ada").with(json!({ "amount": 1000 }))
            }),
            tried("POST /v1/whitelist-address", |app| {
                let number = app.count("whitelist_address");
                if number >= 5 {
                    clear_whitelist(app);
                }
                let address = format!("0x{number:040x}");
                Request::by("ada").with(json!({ "walletAddress": address, "network": "BSC", "label": "Savings" }))
            }),
            tried("POST /sandbox/cards", |_| {
                Request::by("ada").with(json!({ "number": "4242424242424242" }))
            }),
            tried("POST /sandbox/test-accounts/{accountNumber}/pay", |app| {
                let created = app
                    .create_intent("ada", &json!({ "amount": 2500, "transactionType": "deposit" }))
                    .ok();
                let account = created.data()["testAccount"]["accountNumber"].as_str().unwrap();
                Request::of_merchant().to(account).with(json!({ "amount": 2500 }))
            }),
        ],
    );
}

/// Removes every address from Ada's whitelist.
fn clear_whitelist(app: &TestApp) {
    let list = app
        .send("GET", "/v1/whitelist-address", &[("customer-id", "ada")], None)
        .ok();
    for address in list.data().as_array().unwrap() {
        let path = format!("/v1/whitelist-address/{}", address["id"].as_str().unwrap());
        app.send("DELETE", &path, &[("customer-id", "ada")], None).ok();
    }
}

#[test]
fn fields_of_customers_are_read_word_for_word() {
    assert_replies(
        "fields_of_customers",
        &[
            tried("POST /v1/customer/create", |app| {
                let more = json!({ "countryId": "NG", "bvn": "12345678901" });
                Request::of_merchant().with(with(profile(app), more))
            }),
            tried("PUT /v1/customer/update/{customerId}", |app| {
                let id = profiled(app).text("customerId");
                Request::of_merchant().to(id).with(profile_update(app))
            }),
            tried("PUT /v1/customer/permissions/{customerId}", |app| {
                let permissions = json!({ "canWithdraw": true, "canBuy": true, "canSell": true });
                Request::of_merchant()
                    .to(profiled(app).text("customerId"))
                    .with(permissions)
            }),
        ],
    );
}

fn profile_update(app: &TestApp) -> Value {
    let number = app.count("customer_profile");
    json!({ "firstname": "Eva", "lastname": "Obi", "email": format!("eva{number}@shop.example") })
}

#[test]
fn fields_of_the_sandbox_are_read_word_for_word() {
    assert_replies(
        "fields_of_the_sandbox",
        &[
            tried("POST /sandbox/faults", |app| {
                app.as_merchant("DELETE", "/sandbox/faults", None).ok();
                Request::of_merchant().with(json!({
                    "route": "/v1/escrow/vault/cancel/*", "customerId": "zoe", "times": 2, "status": 503, "delayMs": 1,
                }))
            })
            .and(&["/cutAfterCommit", "/other"]),
            tried("POST /sandbox/clock/advance", |_| {
                Request::of_merchant().with(json!({ "by": "1h" }))
            }),
            tried("PUT /sandbox/balance", |_| {
                Request::of_merchant().with(json!({ "customerId": "ada", "balance": 250.5 }))
            })
            .and(&["/other"]),
            tried("PUT /sandbox/callback", |_| {
                Request::of_merchant().with(json!({ "url": "http://127.0.0.1:9/hook" }))
            }),
            tried("POST /sandbox/events/replay", |_| {
                Request::of_merchant().with(json!({ "since": "2031-03-04T05:06:07.008Z" }))
            })
            .and(&["/from"]),
        ],
    );
}

/// Returns a request to load a seed with a customer and an escrow. It differs from every seed
/// before.
fn seed(app: &TestApp, escrow: Value) -> Request {
    let number = app.count("customer");
    let common = json!({
        "name": "fit-out", "seller": "ada", "buyer": "ben", "purpose": format!("Shop fit-out {number}"),
        "description": "All of it", "whoPays": "buyer", "maxDelivery": 30, "deliveryTimeline": "days",
    });
    Request::of_merchant().with(json!({
        "customers": [{
            "id": format!("eve{number}"), "balance": 50000, "firstname": "Eve", "lastname": "Obi",
            "email": format!("eve{number}@shop.example"), "phone": format!("080{number:08}"), "countryId": "NG",
            "bvn": "12345678901",
        }],
        "escrows": [with(common, escrow)],
    }))
}

#[test]
fn fields_of_seeds_are_read_word_for_word() {
    assert_replies(
        "fields_of_seeds",
        &[
            tried("POST /sandbox/seed", |app| {
                let milestones = json!([
                    { "title": "Frame", "description": "Of steel", "amount": 4000, "dueDate": "2031-12-01",
                      "customerId": "cleo", "released": true },
                    { "title": "Finish", "amount": 6000 },
                ]);
                seed(
                    app,
                    json!({ "amount": 10000, "status": "ONGOING", "totalQuantity": 1, "milestones": milestones }),
                )
            })
            .and(&[
                "/escrows/0/released",
                "/escrows/0/other",
                "/customers/0/other",
                "/escrows/0/milestones/0/other",
                "/other",
            ]),
            tried("POST /sandbox/seed", |app| {
                seed(
                    app,
                    json!({ "amount": 10000, "status": "SPLIT", "sellerAmount": 7000, "buyerAmount": 3000 }),
                )
            })
            .and(&["/escrows/0/released"]),
        ],
    );
}

#[test]
fn every_route_that_reads_a_body_has_its_fields_tried() {
    let source = include_str!("fields.rs");
    let is_untried = |route: &Route| !source.contains(&format!("tried(\"{}\"", route.name()));
    let reads_a_body = |route: &Route| route.body != super::matrix::BodyRule::None;
    let routes = every_row().into_iter().map(|(route, _)| route).filter(reads_a_body);
    let untried: Vec<String> = routes.filter(is_untried).map(|route| route.name()).collect();
    assert_eq!(untried, [""; 0]);
}
