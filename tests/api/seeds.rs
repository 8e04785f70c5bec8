//! `POST /sandbox/seed`: creates customers and escrows from a description, with the same
//! ids in every merchant.

use serde_json::{Value, json};

use crate::cluster;
use crate::helpers::{Answer, TestApp, spawn_app, spawn_app_with};

/// A merchant, named by its key.
struct Shop<'a> {
    app: &'a TestApp,
    key: String,
}

impl Shop<'_> {
    fn post(&self, path: &str, customer: &str, body: &Value) -> Answer {
        self.app.json_with_key(&self.key, "POST", path, customer, body)
    }

    fn get(&self, path: &str, customer: &str) -> Answer {
        self.app.json_with_key(&self.key, "GET", path, customer, &json!({}))
    }

    fn seed(&self, seed: &Value) -> Answer {
        self.post("/sandbox/seed", "", seed)
    }

    fn reset(&self) {
        self.post("/sandbox/reset", "", &json!({})).ok();
    }

    fn status(&self, escrow: &Value) -> String {
        let token = escrow["paymentToken"].as_str().unwrap();
        let verified = self.get(&format!("/v1/escrow/verify/{token}"), "ada").ok();
        assert_eq!(verified.data()["id"], escrow["id"]);
        verified.text("status")
    }

    fn confirm(&self, escrow: &Value, milestone: usize) -> Answer {
        let (escrow, milestone) = (text(&escrow["id"]), text(&escrow["milestones"][milestone]["id"]));
        let path = format!("/v1/escrow/milestone/confirm/{escrow}/{milestone}");
        self.post(&path, "ben", &json!({}))
    }
}

fn shop<'a>(app: &'a TestApp, key: &str) -> Shop<'a> {
    Shop {
        app,
        key: format!("sk_test_{key}"),
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn seed(app: &TestApp, seed: &Value) -> Answer {
    app.as_merchant("POST", "/sandbox/seed", Some(seed))
}

/// A seed in which Ada sells and Ben buys: an open fit-out, a disputed bicycle and an
/// unpaid lamp.
fn market() -> Value {
    json!({
        "customers": [
            { "id": "ada", "firstname": "Ada", "lastname": "Obi", "email": "ada@shop.example", "balance": 0 },
            { "id": "ben", "balance": 50000 },
        ],
        "escrows": [
            {
                "name": "fit-out",
                "seller": "ada",
                "buyer": "ben",
                "milestones": [
                    { "title": "Frame", "amount": 4000 },
                    { "title": "Paint", "amount": 1000 },
                    { "title": "Finish", "amount": 5000 },
                ],
                "released": 1,
            },
            { "name": "bicycle", "seller": "ada", "buyer": "ben", "amount": 1500, "status": "DISPUTED" },
            { "name": "lamp", "seller": "ada", "amount": 99.5, "purpose": "A lamp" },
        ],
    })
}

/// Returns all ids and tokens of a seeded reply.
fn names(answer: &Answer) -> Vec<String> {
    let mut names = Vec::new();
    for customer in answer.data()["customers"].as_array().unwrap() {
        names.push(text(&customer["customerId"]).to_owned());
    }
    for escrow in answer.data()["escrows"].as_array().unwrap() {
        names.push(text(&escrow["id"]).to_owned());
        names.push(text(&escrow["paymentToken"]).to_owned());
        let milestones = escrow["milestones"].as_array().unwrap();
        names.extend(milestones.iter().map(|milestone| text(&milestone["id"]).to_owned()));
    }
    names
}

#[test]
fn a_seed_is_complete_when_the_reply_arrives() {
    let app = spawn_app();
    let seeded = seed(&app, &market()).ok();
    assert_eq!((seeded.status, seeded.message()), (201, "Sandbox seeded successfully"));
    let data = seeded.data();
    // 4,000 of the fit-out is released. The buyer pays the fee of 2 percent.
    let customers = json!([
        { "customerId": "ada", "balance": 4000 },
        { "customerId": "ben", "balance": 50_000 - 10_200 - 1_530 },
    ]);
    assert_eq!(data["customers"], customers);
    assert_eq!(app.balances("ben"), (customers[1]["balance"].clone(), json!(7500)));
    assert_eq!(data["clock"]["offsetSeconds"], 0);
    for (escrow, (name, status)) in data["escrows"].as_array().unwrap().iter().zip([
        ("fit-out", "ONGOING"),
        ("bicycle", "DISPUTED"),
        ("lamp", "PENDING"),
    ]) {
        assert_eq!((&escrow["name"], &escrow["status"]), (&json!(name), &json!(status)));
        let verified = app.verify(text(&escrow["paymentToken"])).ok();
        assert_eq!(verified.data()["id"], escrow["id"]);
        assert_eq!(verified.data()["status"], escrow["status"]);
        let listed = app.milestones(text(&escrow["paymentToken"])).ok();
        assert_eq!(listed.data(), &escrow["milestones"]);
    }
    let released: Vec<&Value> = (0..3)
        .map(|at| &data["escrows"][0]["milestones"][at]["status"])
        .collect();
    assert_eq!(released, ["RELEASED", "PENDING", "PENDING"]);
    let lamp = app.verify(text(&data["escrows"][2]["paymentToken"])).ok();
    assert_eq!(lamp.text("purpose"), "A lamp");
    let ada = app.customer("ada").ok();
    assert_eq!(ada.data()["email"], "ada@shop.example");
}

#[test]
fn a_seed_has_the_same_effects_as_client_requests() {
    if cluster::is_wanted() {
        // It changes rows of a file.
        return;
    }
    let by_hand = spawn_app();
    by_hand
        .create_milestone_escrow("ada", &crate::helpers::two_milestones())
        .ok();
    let deal = by_hand.funded();
    by_hand.confirm_milestone("ben", &deal.id, &deal.milestones[0]).ok();
    by_hand.confirm_milestone("ben", &deal.id, &deal.milestones[1]).ok();
    let seeded = spawn_app();
    let milestones = json!([{ "title": "Frame", "amount": 4000 }, { "title": "Finish", "amount": 6000 }]);
    let offer = json!({ "seller": "ada", "purpose": "Shop fit-out", "milestones": milestones });
    let mut done = offer.clone();
    done["buyer"] = json!("ben");
    done["status"] = json!("COMPLETED");
    seed(
        &seeded,
        &json!({ "customers": [{ "id": "ada" }, { "id": "ben" }], "escrows": [offer, done] }),
    )
    .ok();
    assert_eq!(seeded.events(), by_hand.events());
    // Ids, references and times differ, and have the same lengths.
    let payloads = |app: &TestApp| {
        app.column(
            "SELECT name || ' ' || coalesce(unpack(shared) ->> '$.status', '') || ' ' || length(unpack(shared))
             FROM (SELECT *, coalesce(data, lag(data) OVER (ORDER BY id)) AS shared FROM event) AS event
             JOIN event_name ON event_name.id = name_id ORDER BY event.id",
        )
    };
    assert_eq!(payloads(&seeded), payloads(&by_hand));
    assert_eq!(seeded.escrow_transfers(), by_hand.escrow_transfers());
    assert_eq!(seeded.balances("ada"), by_hand.balances("ada"));
    let entries =
        |app: &TestApp| app.column("SELECT transaction_type || credit_type || amount FROM payment_transaction");
    let sorted = |mut entries: Vec<String>| {
        entries.sort();
        entries
    };
    assert_eq!(sorted(entries(&seeded)), sorted(entries(&by_hand)));
}

#[test]
fn concurrent_merchants_get_the_same_ids_from_a_seed() {
    let app = spawn_app();
    let answers = app.run_concurrently(100, |app, index| {
        let shop = shop(app, &index.to_string());
        let seeded = shop.seed(&market()).ok();
        let escrow = seeded.data()["escrows"][0].clone();
        // Each merchant continues with the shared ids, to a state of its own.
        let confirmed = index % 3;
        for milestone in 1..=confirmed {
            shop.confirm(&escrow, milestone).ok();
        }
        (names(&seeded), confirmed)
    });
    let (first, _) = &answers[0];
    assert_eq!(first.len(), 2 + 3 * 2 + 3);
    for (index, (names, confirmed)) in answers.iter().enumerate() {
        assert_eq!(names, first, "merchant {index}");
        let shop = shop(&app, &index.to_string());
        let token = &first[3];
        let milestones = shop.get(&format!("/v1/escrow/milestone/{token}"), "ben").ok();
        let released = milestones.data().as_array().unwrap().iter();
        let released = released.filter(|milestone| milestone["status"] == "RELEASED").count();
        assert_eq!(released, 1 + confirmed, "merchant {index}");
    }
}

#[test]
fn every_id_works_in_its_own_merchant() {
    let app = spawn_app();
    let shops = ["one", "two"].map(|key| shop(&app, key));
    let seeds = shops.each_ref().map(|shop| shop.seed(&market()).ok());
    let [fit_out, bicycle, lamp] = [0, 1, 2].map(|at| seeds[0].data()["escrows"][at].clone());
    let statuses = |shop: &Shop<'_>| [&fit_out, &bicycle, &lamp].map(|escrow| shop.status(escrow));

    let pay = json!({ "escrowDetails": { "escrowId": lamp["id"] } });
    shops[0].post("/v1/payment/escrow", "ben", &pay).ok();
    shops[0].confirm(&fit_out, 2).ok();
    shops[0].confirm(&fit_out, 1).ok();
    let repeated = shops[0].confirm(&fit_out, 1);
    assert_eq!(repeated.message(), "Milestone has already been released");
    let resolve = format!("/v1/escrow/dispute/resolve/{}", text(&bicycle["id"]));
    let ruling = json!({ "resolution": "Take it back", "status": "REFUNDED" });
    let bearer = format!("Bearer {}", shops[0].key);
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    app.send("POST", &resolve, &headers, Some(ruling.to_string().as_bytes()))
        .ok();
    assert_eq!(statuses(&shops[0]), ["COMPLETED", "REFUNDED", "ONGOING"]);
    assert_eq!(statuses(&shops[1]), ["ONGOING", "DISPUTED", "PENDING"]);

    let by_token = json!({ "escrowDetails": { "paymentToken": lamp["paymentToken"] } });
    shops[1].post("/v1/payment/escrow", "ben", &by_token).ok();
    let confirm = format!("/v1/escrow/confirm-payment/{}", text(&lamp["id"]));
    shops[1].post(&confirm, "ben", &json!({})).ok();
    assert_eq!(statuses(&shops[1]), ["ONGOING", "DISPUTED", "COMPLETED"]);
    assert_eq!(statuses(&shops[0])[2], "ONGOING");
}

#[test]
fn events_are_found_by_an_id_of_a_seed() {
    let app = spawn_app();
    let shops = ["one", "two"].map(|key| shop(&app, key));
    let seeds = shops.each_ref().map(|shop| shop.seed(&market()).ok());
    let fit_out = &seeds[0].data()["escrows"][0];
    shops[0].confirm(fit_out, 1).ok();
    let names = |shop: &Shop<'_>| -> Vec<String> {
        let path = format!("/sandbox/events?escrowId={}&type=escrow", text(&fit_out["id"]));
        let events = shop.get(&path, "").ok();
        let events = events.data()["data"].as_array().unwrap().iter();
        events
            .map(|event| {
                assert_eq!(event["escrowId"], fit_out["id"]);
                assert_eq!(event["payload"]["data"]["id"], fit_out["id"]);
                text(&event["type"]).to_owned()
            })
            .collect()
    };
    let expected = ["escrow.ongoing", "escrow.pending", "escrow.created"];
    assert_eq!(names(&shops[1]), expected);
    assert_eq!(names(&shops[0]), expected);
    shops[0].confirm(fit_out, 2).ok();
    assert_eq!(names(&shops[0])[0], "escrow.completed");
    assert_eq!(names(&shops[1]), expected);
}

#[test]
fn a_seed_can_be_retried_under_its_idempotency_key() {
    let app = spawn_app();
    let send = |seed: &Value| {
        let headers = [("content-type", "application/json"), ("idempotency-key", "suite-7")];
        app.send("POST", "/sandbox/seed", &headers, Some(seed.to_string().as_bytes()))
    };
    let first = send(&market()).ok();
    let again = send(&market()).ok();
    assert_eq!(again.body, first.body);
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    assert_eq!(send(&json!({})).status, 422);
}

#[test]
fn an_edit_gives_a_seeded_milestone_a_new_id() {
    let app = spawn_app();
    let milestones = json!([{ "amount": 4000 }, { "amount": 6000 }]);
    let seeded = seed(
        &app,
        &json!({
            "customers": [{ "id": "ada" }, { "id": "ben" }],
            "escrows": [{ "seller": "ada", "milestones": milestones }],
        }),
    );
    let escrow = &seeded.ok().data()["escrows"][0].clone();
    assert_eq!(escrow["milestones"][1]["title"], "Milestone 2");
    let edited = app.edit_milestone_escrow("ada", text(&escrow["paymentToken"]), &crate::helpers::two_milestones());
    let edited = edited.ok();
    assert_eq!(edited.data()["id"], escrow["id"]);
    app.pay("ben", &json!({ "escrowDetails": { "escrowId": escrow["id"] } }))
        .ok();
    let confirm = |milestone: &Value| app.confirm_milestone("ben", text(&escrow["id"]), text(&milestone["id"]));
    assert_eq!(confirm(&escrow["milestones"][0]).message(), "Milestone not found");
    confirm(&edited.data()["milestones"][0]).ok();
}

#[test]
fn an_id_of_a_seed_reaches_no_other_merchants_escrow() {
    let app = spawn_app();
    let seeded = shop(&app, "one").seed(&market()).ok();
    let escrow = &seeded.data()["escrows"][2];
    let other = shop(&app, "two");
    let by_id = json!({ "escrowDetails": { "escrowId": escrow["id"] } });
    let by_token = json!({ "escrowDetails": { "paymentToken": escrow["paymentToken"] } });
    for details in [by_id, by_token] {
        let paid = other.post("/v1/payment/escrow", "ben", &details);
        assert_eq!(paid.message(), "Escrow not found");
    }
    let verified = other.get(&format!("/v1/escrow/verify/{}", text(&escrow["paymentToken"])), "ben");
    assert_eq!(verified.message(), "Escrow not found");
    let confirmed = other.confirm(&seeded.data()["escrows"][0], 1);
    assert_eq!(confirmed.message(), "Escrow not found");
}

/// The index finds a seeded row by a part of its id.
#[test]
fn a_seeded_escrow_is_found_by_its_full_id_only() {
    let app = spawn_app();
    let shop = shop(&app, "a");
    let seeded = shop.seed(&market()).ok();
    let id = text(&seeded.data()["escrows"][1]["id"]).to_owned();
    let other = format!("{}1{}", &id[..15], &id[16..]);
    assert_ne!(id, other);
    let path = format!("/v1/escrow/dispute/get/{other}");
    assert_eq!(shop.get(&path, "ben").status, 400);
    let events =
        |id: &str| shop.get(&format!("/sandbox/events?escrowId={id}"), "").ok().data()["pagination"]["count"].clone();
    assert_eq!(events(&other), 0);
    assert_ne!(events(&id), 0);
}

/// A merchant must not learn from a seeded id if other merchants loaded the seed.
#[test]
fn a_merchant_does_not_see_whether_others_have_loaded_a_seed() {
    let app = spawn_app();
    let seeded = shop(&app, "a").seed(&market()).ok();
    let lamp = &seeded.data()["escrows"][2];
    let stranger = shop(&app, "b");
    for details in [
        json!({ "escrowId": lamp["id"] }),
        json!({ "paymentToken": lamp["paymentToken"] }),
    ] {
        let refused = stranger.post("/v1/payment/escrow", "ben", &json!({ "escrowDetails": details }));
        assert_eq!((refused.status, refused.message()), (400, "Escrow not found"));
    }
}

#[test]
fn after_a_reset_the_same_seed_gives_the_same_ids() {
    let app = spawn_app();
    let shop = shop(&app, "one");
    let first = shop.seed(&market()).ok();
    shop.confirm(&first.data()["escrows"][0], 1).ok();
    let refused = shop.seed(&market());
    assert_eq!(
        refused.message(),
        "This seed was loaded before; POST /sandbox/reset starts over"
    );
    shop.reset();
    let verified = shop.get(&format!("/v1/escrow/verify/{}", names(&first)[3]), "ben");
    assert_eq!(
        verified.message(),
        "Escrow not found",
        "the old escrow survived the reset"
    );
    let again = shop.seed(&market()).ok();
    assert_eq!(names(&again), names(&first));
    assert_eq!(again.data()["customers"], first.data()["customers"]);
    shop.confirm(&again.data()["escrows"][0], 1).ok();
}

#[test]
fn the_form_of_the_json_does_not_change_the_ids() {
    let app = spawn_app();
    let written = r#"{"customers":[{"id":"ada"}],"escrows":[{"seller":"ada","amount":5}]}"#;
    let otherwise = r#" { "escrows": [ { "amount": 5, "seller": "ada" } ], "customers": [ { "id": "ada" } ] } "#;
    let send = |key: &str, body: &str| {
        let bearer = format!("Bearer sk_test_{key}");
        let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
        names(&app.send("POST", "/sandbox/seed", &headers, Some(body.as_bytes())).ok())
    };
    let names = send("one", written);
    assert_eq!(send("two", otherwise), names);
    let other = send("three", &written.replace('5', "6"));
    assert!(names[1..].iter().all(|name| !other.contains(name)), "{other:?}");
}

#[test]
fn a_second_seed_may_use_existing_customers() {
    let app = spawn_app();
    let first = names(&seed(&app, &market()).ok());
    let more = json!({ "escrows": [{ "seller": "ada", "buyer": "ben", "amount": 100 }] });
    let second = names(&seed(&app, &more).ok());
    assert!(second.iter().all(|name| !first.contains(name)));
    app.refuses(
        400,
        "This seed was loaded before; POST /sandbox/reset starts over",
        |app| seed(app, &more),
    );
    let elsewhere = shop(&app, "two");
    elsewhere
        .seed(&json!({ "customers": [{ "id": "ada" }, { "id": "ben" }] }))
        .ok();
    assert_eq!(
        names(&elsewhere.seed(&more).ok()),
        second,
        "the ids depend on the earlier seed"
    );
}

#[test]
fn customers_may_come_without_a_name_or_a_balance() {
    let app = spawn_app();
    let nobodies = json!({ "customers": [{}, { "balance": 12.5 }, { "firstname": "Cleo" }] });
    let one = seed(&app, &nobodies).ok();
    let two = shop(&app, "two").seed(&nobodies).ok();
    assert_eq!(names(&one), names(&two));
    let customers = one.data()["customers"].as_array().unwrap();
    let balances: Vec<&Value> = customers.iter().map(|customer| &customer["balance"]).collect();
    assert_eq!(balances, [&json!(1_000_000), &json!(12.5), &json!(1_000_000)]);
    for customer in customers {
        assert_eq!(text(&customer["customerId"]).len(), 24);
    }
    let cleo = app.customer(text(&customers[2]["customerId"])).ok();
    assert_eq!(cleo.text("firstname"), "Cleo");
    assert!(cleo.text("email").ends_with("@sandbox.example"));
    let nothing = shop(&app, "three").seed(&json!({})).ok();
    assert_eq!(nothing.data()["escrows"], json!([]));
    let strict = spawn_app_with(|config| config.strict = true);
    let seeded = seed(&strict, &json!({ "customers": [{ "id": "ada" }] })).ok();
    assert_eq!(seeded.data()["customers"][0]["balance"], 0);
}

#[test]
fn every_status_is_reached_and_shown() {
    let app = spawn_app();
    let milestones = json!([{ "amount": 1000 }, { "amount": 2000 }, { "amount": 3000 }]);
    let standard = |status: &str| json!({ "seller": "ada", "buyer": "ben", "amount": 6000, "status": status });
    let staged = |status: &str| json!({ "seller": "ada", "buyer": "ben", "milestones": milestones, "status": status });
    let mut escrows = vec![
        json!({ "seller": "ada", "amount": 6000 }),
        json!({ "seller": "ada", "milestones": milestones, "status": "PENDING" }),
        json!({ "seller": "ada", "amount": 6000, "totalQuantity": 5, "status": "PENDING" }),
        standard("CLAIMED"),
        with(
            &standard("CLAIMED"),
            &json!({ "maxDelivery": 2, "deliveryTimeline": "hours" }),
        ),
    ];
    for status in ["ONGOING", "COMPLETED", "DISPUTED", "INVESTIGATING", "REFUNDED"] {
        escrows.extend([standard(status), staged(status)]);
    }
    for status in ["ONGOING", "DISPUTED", "INVESTIGATING", "REFUNDED"] {
        escrows.push(with(&staged(status), &json!({ "released": 2 })));
    }
    escrows.push(with(
        &standard("SPLIT"),
        &json!({ "sellerAmount": 2000, "buyerAmount": 4000 }),
    ));
    escrows.push(with(
        &staged("SPLIT"),
        &json!({ "released": 1, "sellerAmount": 2000, "buyerAmount": 3000 }),
    ));
    let marked = json!([{ "amount": 1000 }, { "amount": 2000, "released": true }]);
    escrows.push(json!({ "seller": "ada", "buyer": "ben", "milestones": marked, "whoPays": "buyer" }));
    let wanted: Vec<Value> = escrows.iter().map(|escrow| escrow["status"].clone()).collect();
    let body = json!({ "customers": [{ "id": "ada", "balance": 0 }, { "id": "ben" }], "escrows": escrows });
    let seeded = seed(&app, &body).ok();
    let made = seeded.data()["escrows"].as_array().unwrap();
    assert_eq!(made.len(), wanted.len());
    for ((escrow, asked), wanted) in made.iter().zip(&escrows).zip(&wanted) {
        let status = match wanted {
            Value::Null if asked["buyer"].is_null() => &json!("PENDING"),
            Value::Null => &json!("ONGOING"),
            status => status,
        };
        assert_eq!(&escrow["status"], status, "{asked}");
        let verified = app.verify(text(&escrow["paymentToken"])).ok();
        assert_eq!(&verified.data()["status"], status, "{asked}");
        let released = escrow["milestones"].as_array().unwrap().iter();
        let released = released.filter(|milestone| milestone["status"] == "RELEASED").count();
        let expected = match asked["released"].as_u64() {
            Some(count) => count,
            None if status == "COMPLETED" && asked["milestones"].is_array() => 3,
            None => u64::from(asked["milestones"] == marked),
        };
        assert_eq!(released as u64, expected, "{asked}");
    }
    let last = made.last().unwrap();
    assert_eq!(last["milestones"][1]["status"], "RELEASED");
}

#[test]
fn a_claim_moves_the_clock_to_when_it_can_be_made() {
    let app = spawn_app();
    let claimed =
        |days: i64| json!({ "seller": "ada", "buyer": "ben", "amount": 100, "status": "CLAIMED", "maxDelivery": days });
    let body = json!({
        "customers": [{ "id": "ada" }, { "id": "ben" }],
        "escrows": [claimed(3), claimed(10), { "seller": "ada", "amount": 1 }],
    });
    let seeded = seed(&app, &body).ok();
    // Ten days, and the buyer's grace period of one day.
    let ahead = seeded.data()["clock"]["offsetSeconds"].as_i64().unwrap();
    assert!((11 * 86_400 - 1..=11 * 86_400).contains(&ahead), "{ahead}");
    let clock = app.send("GET", "/sandbox/clock", &[], None).ok();
    assert_eq!(clock.data()["offsetSeconds"], ahead);
    let made = |at: usize| {
        app.verify(text(&seeded.data()["escrows"][at]["paymentToken"]))
            .ok()
            .text("createdAt")
    };
    assert_eq!(
        made(0)[..10],
        made(2)[..10],
        "events before the claim moved with the clock"
    );
    let emitted = "SELECT DISTINCT name FROM event JOIN event_name ON event_name.id = name_id WHERE name LIKE 'escrow.%' AND created_at";
    let newest = "(SELECT max(created_at) FROM event) ORDER BY name";
    assert_eq!(app.column(&format!("{emitted} = {newest}")), ["escrow.claimed"]);
    let before = ["escrow.created", "escrow.ongoing", "escrow.pending"];
    assert_eq!(app.column(&format!("{emitted} < {newest}")), before);
    let elsewhere = shop(&app, "two").get("/sandbox/clock", "");
    assert_eq!(elsewhere.ok().data()["offsetSeconds"], 0);
}

/// Asserts that the service refuses the whole seed if its second escrow has these fields,
/// and that the message begins with the escrow's position.
#[track_caller]
fn refuses_escrow(escrow: &Value, cases: &[(Value, &str)]) {
    let app = spawn_app();
    for (fields, message) in cases {
        let fine = json!({ "name": "first", "seller": "ada", "buyer": "ben", "amount": 1, "status": "COMPLETED" });
        let body = json!({
            "customers": [{ "id": "ada" }, { "id": "ben" }, { "id": "cleo", "balance": 10 }],
            "escrows": [fine, with(escrow, fields)],
        });
        app.refuses(400, &format!("escrows[1]{message}"), |app| seed(app, &body));
    }
}

fn with(escrow: &Value, fields: &Value) -> Value {
    let mut escrow = escrow.clone();
    let fields = fields.as_object().unwrap().clone();
    escrow.as_object_mut().unwrap().extend(fields);
    escrow
}

#[test]
fn a_seed_with_an_invalid_offer_is_refused() {
    let escrow = json!({ "seller": "ada", "buyer": "ben", "amount": 6000 });
    let cases = [
        (
            json!({ "amount": "5" }),
            ".amount must be a number, such as 1500 or 99.95; got \"5\"",
        ),
        (json!({ "amount": 0 }), ".amount must be at least 1; got 0"),
        (json!({ "amount": null }), ".amount is required"),
        (json!({ "seller": null }), ".seller is required"),
        (
            json!({ "seller": "adda" }),
            ".seller must be a customer of the seed, or one who is there already; got \"adda\"",
        ),
        (
            json!({ "totalQuantity": 2 }),
            ".totalQuantity must be 1, or left out, where a buyer has paid; got 2",
        ),
        (
            json!({ "name": "first" }),
            ".name must be a name that no escrow before it has; got \"first\"",
        ),
        (
            json!({ "amout": 5 }),
            ".amout must be one of the fields name, seller, buyer, status, amount, purpose, description, whoPays, \
             maxDelivery, deliveryTimeline, totalQuantity, milestones, released, sellerAmount, buyerAmount; \
             got \"amout\"",
        ),
        (
            json!({ "maxDelivery": 366 }),
            ".maxDelivery must be a whole number from 1 to 365; got 366",
        ),
        // The name is the purpose where none is sent.
        (
            json!({ "name": "two\nlines" }),
            ".name must be a text without line breaks, control characters or bidirectional formatting characters; \
             got \"two\\nlines\"",
        ),
        (
            json!({ "name": "x".repeat(256) }),
            ".name must be a text of at most 255 characters; got 256 characters",
        ),
        (
            json!({ "name": "fine", "purpose": "two\nlines" }),
            ".purpose must be a text without line breaks, control characters or bidirectional formatting characters; \
             got \"two\\nlines\"",
        ),
    ];
    refuses_escrow(&escrow, &cases);
}

/// The amount is the sum of the milestones where none is sent, and so they are named.
#[test]
fn a_seed_whose_milestones_make_no_amount_is_refused() {
    let escrow = json!({ "seller": "ada", "buyer": "ben" });
    let cases = [
        (
            json!({ "milestones": [] }),
            ".milestones must be a list of at least 2 milestones, or left out; got []",
        ),
        (
            json!({ "milestones": [{ "amount": 0 }, { "amount": 0 }] }),
            ".milestones[0].amount must be a positive whole number; got 0",
        ),
        (
            json!({ "milestones": [{ "amount": 1 }, { "amount": 0.5 }] }),
            ".milestones[1].amount must be a positive whole number (the setting strict = true allows two decimals); got 0.5",
        ),
        (
            json!({ "milestones": [{ "amount": 90_071_992_547_409_u64 }, { "amount": 1 }] }),
            ".milestones must be a list whose amounts add up to at most 90071992547409.91; got more",
        ),
    ];
    refuses_escrow(&escrow, &cases);
    let app = spawn_app_with(|config| config.limits.amount_min_minor = crate::helpers::kobo(100_000));
    let low = json!({ "seller": "ada", "milestones": [{ "amount": 400 }, { "amount": 500 }] });
    let body = json!({ "customers": [{ "id": "ada" }], "escrows": [low] });
    let message = "escrows[0].milestones must be a list whose amounts add up to at least 1000; got 900";
    app.refuses(400, message, |app| seed(app, &body));
}

/// A text that shows nothing counts as one that is left out, and so the default is taken.
#[test]
fn a_seed_takes_its_defaults_where_a_text_shows_nothing() {
    let app = spawn_app();
    let milestones = json!([{ "amount": 1000, "title": "\u{200b}" }, { "amount": 2000 }]);
    let body = json!({
        "customers": [{ "id": "ada", "firstname": "\u{200b}" }],
        "escrows": [{ "seller": "ada", "name": " ", "purpose": "\u{200b}", "milestones": milestones }],
    });
    let seeded = seed(&app, &body).ok();
    let escrow = &seeded.data()["escrows"][0];
    assert_eq!(escrow["milestones"][0]["title"], "Milestone 1");
    assert_eq!(escrow["name"], Value::Null);
    let token = escrow["paymentToken"].as_str().unwrap();
    assert_eq!(app.verify(token).ok().data()["purpose"], "Escrow 1");
}

#[test]
fn a_seed_with_an_impossible_status_is_refused() {
    let escrow = json!({ "seller": "ada", "buyer": "ben", "amount": 6000, "status": "ONGOING" });
    let cases = [
        (
            json!({ "buyer": "bne" }),
            ".buyer must be a customer of the seed, or one who is there already; got \"bne\"",
        ),
        (
            json!({ "buyer": "ada" }),
            ": Buyer and seller must be different customers",
        ),
        (json!({ "buyer": "cleo" }), ": Insufficient balance"),
        (json!({ "buyer": null }), ".buyer is required"),
        (
            json!({ "status": "PENDING" }),
            ".buyer must be left out of an escrow that is PENDING; got \"ben\"",
        ),
        (
            json!({ "status": "SOLD" }),
            ".status must be \"PENDING\" or \"ONGOING\" or \"DISPUTED\" or \"INVESTIGATING\" or \"COMPLETED\" or \
             \"CLAIMED\" or \"REFUNDED\" or \"SPLIT\"; got \"SOLD\"",
        ),
        (json!({ "status": "SPLIT" }), ".sellerAmount is required"),
        (
            json!({ "sellerAmount": 10 }),
            ".sellerAmount must be left out unless the escrow is SPLIT; got 10",
        ),
        (
            json!({ "released": 1 }),
            ".released must be left out of an escrow without milestones; got 1",
        ),
    ];
    refuses_escrow(&escrow, &cases);
}

#[test]
fn a_seed_with_invalid_milestones_is_refused() {
    let escrow = json!({ "seller": "ada", "buyer": "ben", "milestones": [{ "amount": 1000 }, { "amount": 2000 }] });
    let cases = [
        (
            json!({ "amount": 2999 }),
            ": The sum of milestone amounts must equal the escrow amount",
        ),
        (
            json!({ "milestones": [{ "amount": 1 }] }),
            ": A milestone escrow must have at least 2 milestones",
        ),
        (
            json!({ "milestones": [{ "amount": 1 }, { "amount": 2.5 }] }),
            ".milestones[1].amount must be a positive whole number (the setting strict = true allows two decimals); got 2.5",
        ),
        (
            json!({ "milestones": [{ "amount": 1 }, { "amount": 2, "customerId": "adda" }] }),
            ".milestones[1].customerId must be a customer of the seed, or one who is there already; got \"adda\"",
        ),
        (
            json!({ "milestones": [{ "amount": 1 }, { "amuont": 2 }] }),
            ".milestones[1].amuont must be one of the fields title, description, amount, dueDate, customerId, released; \
             got \"amuont\"",
        ),
        (
            json!({ "released": 2 }),
            ".released must be a whole number from 0 to 1, unless the escrow is COMPLETED; got 2",
        ),
        (
            json!({ "released": 1, "status": "COMPLETED" }),
            ".released must be 2, all of them, where the escrow is COMPLETED; got 1",
        ),
        (
            json!({ "status": "CLAIMED" }),
            ".status must be one that an escrow with milestones can have, and it is never claimed; got \"CLAIMED\"",
        ),
        (
            json!({ "status": "SPLIT", "sellerAmount": 1, "buyerAmount": 1 }),
            ": A split must add up to the 3000 still held on this escrow",
        ),
        (
            json!({ "whoPays": "seller" }),
            ".whoPays must be \"buyer\" on a milestone escrow; got \"seller\"",
        ),
        (
            json!({ "whoPays": "x" }),
            ".whoPays must be \"buyer\" on a milestone escrow; got \"x\"",
        ),
    ];
    refuses_escrow(&escrow, &cases);
}

#[test]
fn a_seed_with_invalid_customers_is_refused() {
    let app = spawn_app();
    app.customer_with("dele", "08012345679", 0);
    app.wallet("ada").ok();
    for (customers, message) in [
        (
            json!([{ "id": "ben" }, { "id": "ben" }]),
            "customers[1].id must be an id that no customer before it in the seed has; got \"ben\"",
        ),
        (
            json!([{ "id": "a b" }]),
            "customers[0].id must be a customer id: 1 to 128 visible ASCII characters, without spaces; got \"a b\"",
        ),
        (
            json!([{ "balance": -1 }]),
            "customers[0].balance must be a number of 0 or more; got -1",
        ),
        (
            json!([{ "phone": "+234" }]),
            "customers[0].phone must be digits only, without + or spaces; got \"+234\"",
        ),
        (
            json!([{ "email": "dele@shop.example" }]),
            "customers[0]: A customer with this email already exists under this merchant",
        ),
        (
            json!([{ "balance": 90_071_992_547_409_i64 }]),
            "customers[0]: This merchant's accounts cannot hold that much money together",
        ),
        (
            json!([{ "Balance": 5 }]),
            "customers[0].Balance must be one of the fields id, balance, firstname, lastname, email, phone, countryId, \
             bvn; got \"Balance\"",
        ),
        (json!(["ada"]), "customers[0] must be an object; got \"ada\""),
        (json!({ "id": "ada" }), "customers must be a list; got {\"id\":\"ada\"}"),
    ] {
        app.refuses(400, message, |app| seed(app, &json!({ "customers": customers })));
    }
    app.refuses(
        400,
        "customer must be one of the fields customers, escrows; got \"customer\"",
        |app| seed(app, &json!({ "customer": [] })),
    );
    let many = vec![json!({}); 1_001];
    let answer = seed(&app, &json!({ "customers": many }));
    assert!(
        answer
            .message()
            .starts_with("customers must be a list of at most 1000 entries; got 1001 of them")
    );
}

/// All writes of the service wait for a seed, so its milestones are bounded together.
#[test]
fn a_seed_with_too_many_milestones_together_is_refused() {
    let app = spawn_app();
    let offer = |milestones: usize| json!({ "seller": "ada", "milestones": vec![json!({ "amount": 1 }); milestones] });
    let mut escrows = vec![offer(100); 99];
    escrows.extend([offer(97), offer(2), json!({ "seller": "ada", "amount": 100 })]);
    let mut body = json!({ "customers": [{ "id": "ada" }], "escrows": escrows });
    let expected = "escrows must be a list of escrows with at most 10000 milestones together; got 10001 of them";
    body["escrows"][100] = offer(4);
    app.refuses(400, expected, |app| seed(app, &body));
    body["escrows"][100] = offer(3);
    let made = seed(&app, &body).ok();
    assert_eq!(made.data()["escrows"].as_array().unwrap().len(), 102);
}

/// Entries as people write them, with names: more than other bodies may have.
#[test]
fn a_seed_may_have_a_thousand_named_deals_of_milestones() {
    let app = spawn_app();
    let customers: Vec<Value> = (0..1_000)
        .map(|number| json!({ "id": format!("customer-{number}"), "firstname": "Ada" }))
        .collect();
    let milestones = json!([
        { "title": "The frame of the shop", "amount": 4000 }, { "title": "The finish of the shop", "amount": 6000 },
    ]);
    let escrows: Vec<Value> = (0..1_000)
        .map(|number| json!({ "name": format!("deal-{number}"), "seller": "customer-1", "milestones": milestones }))
        .collect();
    let mut body = json!({ "customers": customers, "escrows": escrows });
    assert!(body.to_string().len() > 2 * 65_536);
    let made = seed(&app, &body).ok();
    assert_eq!(made.data()["escrows"].as_array().unwrap().len(), 1_000);
    body["padding"] = json!("x".repeat(1_048_576));
    let refused = seed(&app, &body);
    assert_eq!(
        (refused.status, refused.message()),
        (413, "The body must be at most 1048576 bytes")
    );
}

#[test]
fn a_claim_that_the_clock_cannot_reach_names_the_remedy() {
    let app = spawn_app();
    for _ in 0..100 {
        app.advance("3650d").ok();
    }
    let body = json!({
        "customers": [{ "id": "ada" }, { "id": "ben" }],
        "escrows": [{ "seller": "ada", "buyer": "ben", "amount": 100, "status": "CLAIMED" }],
    });
    let message = "escrows[0].status must be one that the merchant's clock can reach: a clock is never more than \
                   365000 days ahead, and POST /sandbox/reset begins with a new one; got \"CLAIMED\"";
    app.refuses(400, message, |app| seed(app, &body));
    app.as_merchant("POST", "/sandbox/reset", None).ok();
    seed(&app, &body).ok();
}
