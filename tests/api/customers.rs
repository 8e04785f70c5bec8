//! Tests creating, finding, updating and blocking customers (contract sections 3.3 and 4.4), and
//! the list of countries (section 4.12).

use serde_json::{Value, json};

use crate::helpers::{Answer, LIVE_KEY, TestApp, new_customer, spawn_app, spawn_app_with, spawn_live_app};

const NIGERIA: &str = "000000000000000000000566";
const GHANA: &str = "000000000000000000000288";

/// Returns the body of a new customer with some fields changed.
fn new_customer_with(changes: &Value) -> Value {
    let mut customer = new_customer();
    for (name, value) in changes.as_object().unwrap() {
        customer[name] = value.clone();
    }
    customer
}

/// Returns the body of a new customer whose email address and phone contain this number.
fn numbered(number: usize) -> Value {
    new_customer_with(&json!({ "email": format!("c{number}@shop.example"), "phone": format!("0801234{number:04}") }))
}

fn emails(answer: &Answer) -> Vec<&str> {
    let rows = answer.data()["data"].as_array().unwrap();
    rows.iter().map(|row| row["email"].as_str().unwrap()).collect()
}

#[test]
fn a_created_customer_can_be_fetched() {
    let app = spawn_app();
    let created = app.create_customer(&new_customer()).ok();
    let fetched = app.customer(&created.text("customerId")).ok();
    assert_eq!(fetched.message(), "Customer fetched successfully");
    assert_eq!(fetched.data(), created.data());
}

#[test]
fn a_new_customer_has_an_empty_wallet_and_can_act() {
    let app = spawn_app();
    let ada = app.create_customer(&new_customer()).ok().text("customerId");
    assert_eq!(app.balances(&ada), (json!(0), json!(0)));
    assert_eq!((app.count("customer"), app.count("transfer")), (1, 0));
    app.top_up(&ada, 5000).ok();
    assert_eq!(app.balances(&ada), (json!(5000), json!(0)));
}

#[test]
fn every_spelling_of_a_phone_means_the_same_number() {
    let app = spawn_app();
    for (country, kept, spellings) in [
        ("NG", "08012345678", ["08012345678", "2348012345678", "8012345678"]),
        (GHANA, "0241234567", ["0241234567", "233241234567", "241234567"]),
        ("ke", "0712345678", ["0712345678", "254712345678", "712345678"]),
        ("ZA", "0821234567", ["0821234567", "27821234567", "821234567"]),
    ] {
        for (created_as, spelling) in spellings.iter().enumerate() {
            let email = format!("{kept}@shop.example");
            let customer = new_customer_with(&json!({ "countryId": country, "phone": spelling, "email": email }));
            if created_as == 0 {
                assert_eq!(app.create_customer(&customer).ok().text("phone"), kept);
            }
            let customer =
                new_customer_with(&json!({ "countryId": country, "phone": spelling, "email": "other@shop.example" }));
            let message = "A customer with this phone already exists under this merchant";
            app.refuses(400, message, |app| app.create_customer(&customer));
            for query in [
                format!("?phone={spelling}"),
                format!("?phone=%2B{spelling}"),
                format!("?phone=+{spelling}"),
            ] {
                let found = app.customers(&query).ok();
                assert_eq!(emails(&found), [email.as_str()], "{query}");
            }
        }
    }
}

#[test]
fn a_phone_is_read_in_the_format_of_its_country() {
    let app = spawn_app_with(|config| config.country = escrowd::domain::customers::country::Country::GHANA);
    let wrong = "phone must be a phone in Ghana: 10 digits with the leading 0, or 233 and 9 digits; \
                 got \"08012345678\"";
    app.refuses(400, wrong, |app| app.create_customer(&new_customer()));
    let ghanaian = app
        .create_customer(&new_customer_with(&json!({ "phone": "233241234567" })))
        .ok();
    assert_eq!(
        (ghanaian.text("phone"), ghanaian.text("countryId")),
        ("0241234567".into(), GHANA.into())
    );
    let nigerian = new_customer_with(&json!({ "countryId": NIGERIA, "email": "ben@shop.example" }));
    assert_eq!(app.create_customer(&nigerian).ok().text("countryId"), NIGERIA);
    // The calling code decides the country, and 254 is Kenya's.
    let message = "No customer found with the provided phone";
    app.refuses(400, message, |app| app.customers("?phone=254241234567"));
}

#[test]
fn customers_come_from_any_country() {
    const GERMANY: &str = "000000000000000000004445";
    let app = spawn_app();
    for (country, phone, kept, id) in [
        (json!("DE"), "015123456789", "+4915123456789", GERMANY),
        (json!(GERMANY), "4915123456780", "+4915123456780", GERMANY),
        (json!(null), "+4915123456781", "+4915123456781", GERMANY),
        (json!(null), "+12015550123", "+12015550123", "000000000000000000005553"),
    ] {
        let email = format!("{}@shop.example", &kept[1..]);
        let customer = new_customer_with(&json!({ "countryId": country, "phone": phone, "email": email }));
        let created = app.create_customer(&customer).ok();
        assert_eq!(
            (created.text("phone"), created.text("countryId")),
            (kept.into(), id.into())
        );
        let again = new_customer_with(&json!({ "countryId": null, "phone": kept, "email": "other@shop.example" }));
        let message = "A customer with this phone already exists under this merchant";
        app.refuses(400, message, |app| app.create_customer(&again));
        for query in [format!("?phone=%2B{}", &kept[1..]), format!("?phone={}", &kept[1..])] {
            assert_eq!(emails(&app.customers(&query).ok()), [email.as_str()], "{query}");
        }
    }
}

#[test]
fn a_merchant_of_another_country_has_customers_of_the_contracts_countries_too() {
    let app = spawn_app_with(|config| config.country = "DE".parse().unwrap());
    app.create_customer(&new_customer_with(&json!({ "phone": "+2348012345678" })))
        .ok();
    let again = json!({ "countryId": "NG", "phone": "08012345678", "email": "other@shop.example" });
    let message = "A customer with this phone already exists under this merchant";
    app.refuses(400, message, |app| app.create_customer(&new_customer_with(&again)));
    let german = json!({ "phone": "015123456789", "email": "ben@shop.example" });
    assert_eq!(
        app.create_customer(&new_customer_with(&german)).ok().text("phone"),
        "+4915123456789"
    );
    for spelling in ["%2B2348012345678", "0801-234-5678"] {
        assert_eq!(
            emails(&app.customers(&format!("?phone={spelling}")).ok()).len(),
            1,
            "{spelling}"
        );
    }
    assert_eq!(
        emails(&app.customers("?phone=0151%2023456789").ok()),
        ["ben@shop.example"]
    );
    // A customer of the first use has a phone of no person.
    app.wallet("cleo").ok();
    assert_eq!(
        app.customers("?email=cleo@sandbox.example").ok().data()["data"][0]["phone"]
            .as_str()
            .unwrap()[..4],
        *"+999"
    );
}

#[test]
fn a_refusal_names_the_invalid_field() {
    let app = spawn_app();
    app.wallet("ada").ok();
    let long = "x".repeat(101);
    for (changes, message) in [
        (json!({ "firstname": null }), "firstname is required"),
        (json!({ "firstname": "  " }), "firstname is required"),
        (json!({ "firstname": 5 }), "firstname must be a text; got 5"),
        (
            json!({ "firstname": long }),
            "firstname must be a text of at most 100 characters; got 101 characters",
        ),
        (json!({ "lastname": "" }), "lastname is required"),
        (json!({ "email": null }), "email is required"),
        (json!({ "email": "ada" }), "email must be an email address; got \"ada\""),
        (json!({ "phone": null }), "phone is required"),
        (
            json!({ "phone": 8_012_345_678_u64 }),
            "phone must be a text; got 8012345678",
        ),
        (
            json!({ "phone": "+2348012345678" }),
            "phone must be digits only, without + or spaces; got \"+2348012345678\"",
        ),
        (
            json!({ "phone": "0801234567" }),
            "phone must be a phone in Nigeria: 11 digits with the leading 0, or 234 and 10 digits; got \"0801234567\"",
        ),
        (
            json!({ "countryId": "XX" }),
            "countryId must be the two letters of a country, such as NG, or a country's id; got \"XX\"",
        ),
        (
            json!({ "countryId": "US" }),
            "phone must be a phone in US, such as +12015550123, or as it is dialled there; got \"08012345678\"",
        ),
        (json!({ "bvn": "123" }), "bvn must be 11 digits; got \"123\""),
        (
            json!({ "bvn": "1234567890x" }),
            "bvn must be 11 digits; got \"1234567890x\"",
        ),
        (
            json!({ "firstname": null, "email": "x", "bvn": "1" }),
            "firstname is required",
        ),
    ] {
        app.refuses(400, message, |app| app.create_customer(&new_customer_with(&changes)));
    }
    app.refuses(400, "the body must be valid JSON; got nothing", |app| {
        app.json_text("POST", "/v1/customer/create", "", "")
    });
    let message = "Send the body as application/json, and say so in the content-type header";
    app.refuses(415, message, |app| {
        app.send("POST", "/v1/customer/create", &[], Some(b"{}"))
    });
    let with_bvn = app
        .create_customer(&new_customer_with(&json!({ "bvn": "12345678901", "role": "x" })))
        .ok();
    assert_eq!(with_bvn.text("bvn"), "12345678901");
}

#[test]
fn email_address_and_phone_are_unique_within_a_merchant() {
    let app = spawn_app();
    app.create_customer(&new_customer_with(&json!({ "email": "Ada@Shop.Example" })))
        .ok();
    let both_taken = new_customer_with(&json!({ "email": "ADA@shop.example" }));
    app.refuses(
        400,
        "A customer with this email already exists under this merchant",
        |app| app.create_customer(&both_taken),
    );
    app.refuses(
        400,
        "A customer with this phone already exists under this merchant",
        |app| {
            app.create_customer(&new_customer_with(
                &json!({ "email": "ben@shop.example", "phone": "8012345678" }),
            ))
        },
    );
    app.json_with_key("sk_test_other", "POST", "/v1/customer/create", "", &new_customer())
        .ok();
}

#[test]
fn customers_are_listed_newest_first_and_page_by_page() {
    let app = spawn_app();
    for number in 0..12 {
        app.create_customer(&numbered(number)).ok();
    }
    let first = app.customers("").ok();
    assert_eq!(first.message(), "Customers fetched successfully");
    assert_eq!(emails(&first)[..2], ["c11@shop.example", "c10@shop.example"]);
    let pagination = |page: &Answer| page.data()["pagination"].clone();
    assert_eq!(
        pagination(&first),
        json!({
            "count": 12, "pages": 2, "isLastPage": false, "nextPage": 2, "previousPage": null,
            "nextCursor": pagination(&first)["nextCursor"],
        })
    );
    let second = app.customers("?page=2").ok();
    assert_eq!(emails(&second), ["c1@shop.example", "c0@shop.example"]);
    assert_eq!(
        pagination(&second),
        json!({ "count": 12, "pages": 2, "isLastPage": true, "nextPage": null, "previousPage": 1, "nextCursor": null })
    );
    assert_eq!(emails(&app.customers("?limit=50").ok()).len(), 12);
    assert_eq!(emails(&app.customers("?page=9").ok()).len(), 0);

    app.refuses(400, "Maximum fetch limit is 50", |app| app.customers("?limit=51"));
    app.refuses(400, "limit must be a whole number from 1 to 50; got 0", |app| {
        app.customers("?limit=0")
    });
    app.refuses(400, "page must be a whole number of 1 or more; got 0", |app| {
        app.customers("?page=0")
    });
    app.refuses(400, "page must be a whole number; got x", |app| {
        app.customers("?page=x")
    });
}

#[test]
fn a_customer_is_found_by_email_address_and_phone() {
    let app = spawn_app();
    for number in 0..3 {
        app.create_customer(&numbered(number)).ok();
    }
    let one = json!({ "count": 1, "pages": 1, "isLastPage": true, "nextPage": null, "previousPage": null, "nextCursor": null });
    for query in [
        "?email=c1@shop.example",
        "?email=C1%40SHOP.example&page=7&limit=99",
        "?phone=08012340001&page=x",
        "?email=c1@shop.example&phone=2348012340001",
    ] {
        let found = app.customers(query).ok();
        assert_eq!(emails(&found), ["c1@shop.example"], "{query}");
        assert_eq!(found.data()["pagination"], one);
    }
    let by = |what: &str| format!("No customer found with the provided {what}");
    for (query, what) in [
        ("?email=c9@shop.example", "email"),
        ("?email=nonsense", "email"),
        ("?phone=08099999999", "phone"),
        ("?phone=x", "phone"),
        ("?email=c9@shop.example&phone=08012340001", "email and phone"),
        ("?email=c1@shop.example&phone=08012340002", "email and phone"),
        ("?email=c1@shop.example&phone=x", "email and phone"),
    ] {
        app.refuses(400, &by(what), |app| app.customers(query));
        app.refuses(400, &by(what), |app| {
            app.json_with_key("sk_test_new", "GET", &format!("/v1/customers{query}"), "", &json!({}))
        });
    }
}

#[test]
fn an_update_changes_only_the_fields_that_it_names() {
    let app = spawn_app();
    let created = app.create_customer(&new_customer()).ok();
    let id = created.text("customerId");
    let updated = app
        .update_customer(&id, &json!({ "email": "ADA.OBI@Shop.Example" }))
        .ok();
    assert_eq!(updated.message(), "Customer updated successfully");
    let mut expected = created.data().clone();
    expected["email"] = json!("ada.obi@shop.example");
    assert_eq!(*updated.data(), expected);
    app.update_customer(&id, &json!({ "email": "ada.obi@shop.example" }))
        .ok();
    let renamed = json!({ "firstname": "Adaeze", "lastname": "Eze", "phone": "08099999999" });
    let updated = app.update_customer(&id, &renamed).ok();
    assert_eq!(
        (updated.text("firstname"), updated.text("lastname")),
        ("Adaeze".into(), "Eze".into())
    );
    assert_eq!(updated.text("phone"), "08012345678");
    assert_eq!(app.customer(&id).ok().data(), updated.data());
    // Another customer can now use the old email address.
    app.create_customer(&new_customer_with(&json!({ "phone": "08099999999" })))
        .ok();
}

#[test]
fn an_invalid_update_is_refused() {
    let app = spawn_app();
    let id = app.create_customer(&numbered(1)).ok().text("customerId");
    app.create_customer(&numbered(2)).ok();
    let no_field_message = "Provide at least one of firstname, lastname or email";
    for body in [
        json!({}),
        json!({ "firstname": "" }),
        json!({ "email": null, "phone": "1" }),
    ] {
        app.refuses(400, no_field_message, |app| app.update_customer(&id, &body));
        app.refuses(400, no_field_message, |app| app.update_customer("nobody", &body));
    }
    app.refuses(400, "Another customer already uses this email address", |app| {
        app.update_customer(&id, &json!({ "email": "C2@shop.example" }))
    });
    app.refuses(400, "email must be an email address; got \"x\"", |app| {
        app.update_customer(&id, &json!({ "email": "x" }))
    });
    app.refuses(400, no_field_message, |app| {
        app.update_customer(&id, &json!({ "lastname": " " }))
    });
}

/// The sandbox registers a customer from the `customer-id` header alone. Clients search a list
/// of customers without a look at null.
#[test]
fn a_customer_registered_on_first_use_has_placeholders_until_an_update() {
    let app = spawn_app();
    app.wallet("ben").ok();
    app.wallet("BEN").ok();
    let cleo = json!({ "customers": [{ "id": "cleo", "firstname": "Cleo" }] });
    app.as_merchant("POST", "/sandbox/seed", Some(&cleo)).ok();
    let mut seen = std::collections::HashSet::new();
    for customer in app.customers("").ok().data()["data"].as_array().unwrap() {
        for field in ["firstname", "lastname", "email", "phone"] {
            let text = customer[field].as_str().unwrap();
            assert!(!text.is_empty(), "{customer}");
            if ["email", "phone"].contains(&field) {
                assert!(seen.insert(text.to_owned()), "{text} is used twice");
                let found = app.customers(&format!("?{field}={text}")).ok();
                assert_eq!(found.data()["data"][0], *customer);
            }
        }
    }
    let ben = app.customer("ben").ok();
    assert_eq!(
        (ben.text("firstname"), ben.text("lastname"), ben.text("email")),
        ("ben".into(), "Customer".into(), "ben@sandbox.example".into())
    );
    assert_eq!(ben.data()["bvn"], Value::Null);
    let transfer = json!({
        "amount": 100, "transactionType": "wallet_transfer",
        "walletDetails": { "phone": ben.text("phone"), "name": "Ben" },
    });
    app.create_intent("ada", &transfer).ok();
    assert_eq!(
        (ben.text("customerId"), ben.text("countryId")),
        ("ben".into(), NIGERIA.into())
    );
    let updated = app.update_customer("ben", &json!({ "firstname": "Ben" })).ok();
    assert_eq!(
        (updated.text("firstname"), &updated.data()["lastname"]),
        ("Ben".into(), &json!("Customer"))
    );
    app.update_customer("ben", &json!({ "email": "ben@shop.example" })).ok();
    let found = app.customers("?email=ben@shop.example").ok();
    assert_eq!(found.data()["data"][0]["firstname"], "Ben");
    assert_eq!(app.balances("ben"), (json!(1_000_000), json!(0)));
}

/// Returns every route that has a customer's id in its path.
fn routes_of(id: &str) -> [(&'static str, String, Option<Value>); 5] {
    [
        ("GET", format!("/v1/customer/get/{id}"), None),
        (
            "PUT",
            format!("/v1/customer/update/{id}"),
            Some(json!({ "firstname": "X" })),
        ),
        (
            "PUT",
            format!("/v1/customer/permissions/{id}"),
            Some(json!({ "canBuy": false })),
        ),
        ("PUT", format!("/v1/customer/block/{id}"), None),
        ("PUT", format!("/v1/customer/unblock/{id}"), None),
    ]
}

#[test]
fn an_unknown_or_foreign_customer_is_not_found() {
    let app = spawn_app();
    app.wallet("ada").ok();
    let other = app.json_with_key("sk_test_other", "POST", "/v1/customer/create", "", &new_customer());
    let id_of_other_merchant = other.ok().text("customerId");
    for id in [
        "nobody",
        "a%20b",
        "%27",
        "665f1b2c9a1e4d0012ab3c10",
        &"x".repeat(129),
        &id_of_other_merchant,
    ] {
        for (method, path, body) in routes_of(id) {
            app.refuses(400, "Customer not found", |app| {
                app.as_merchant(method, &path, body.as_ref())
            });
        }
    }
    for (method, path, body) in routes_of("ada") {
        app.refuses(400, "Customer not found", |app| {
            let key = ("authorization", "Bearer sk_test_new");
            let body = body.map(|body| body.to_string());
            let headers = [key, ("content-type", "application/json")];
            app.send(method, &path, &headers, body.as_deref().map(str::as_bytes))
        });
    }
}

#[test]
fn only_the_named_permissions_change() {
    let app = spawn_app();
    app.wallet("ada").ok();
    let changed = app.permit("ada", &json!({ "canSell": false })).ok();
    assert_eq!(changed.message(), "Customer permissions updated successfully");
    assert_eq!(
        changed.data()["permissions"],
        json!({ "canWithdraw": true, "canBuy": true, "canSell": false })
    );
    app.permit(
        "ada",
        &json!({ "canWithdraw": false, "canBuy": false, "canSell": true }),
    )
    .ok();
    assert_eq!(
        app.customer("ada").ok().data()["permissions"],
        json!({ "canWithdraw": false, "canBuy": false, "canSell": true })
    );
    let none = "Provide at least one of canWithdraw, canBuy or canSell";
    app.refuses(400, none, |app| app.permit("ada", &json!({})));
    for wrong in [json!("true"), json!(1), json!([])] {
        let message = format!("canBuy must be true or false; got {wrong}");
        app.refuses(400, &message, |app| app.permit("ada", &json!({ "canBuy": wrong })));
    }
}

#[test]
fn a_block_shows_its_time_and_reason_until_it_is_lifted() {
    let app = spawn_app();
    app.wallet("ada").ok();
    let blocked = app.block("ada").ok();
    assert_eq!(blocked.message(), "Customer status updated successfully");
    assert_eq!(blocked.text("status"), "blocked");
    assert_eq!(blocked.text("blockedReason"), "Account blocked by the merchant");
    let at = blocked.text("blockedAt");
    let words: Vec<&str> = at.split(' ').collect();
    assert!(words.len() == 9 && words[4].len() == 8, "{at}");
    assert!(at.ends_with(" GMT+0000 (Coordinated Universal Time)"), "{at}");
    assert_eq!(app.block("ada").ok().data(), blocked.data());
    assert_eq!(app.customer("ada").ok().data(), blocked.data());
    let unblocked = app.unblock("ada").ok();
    assert_eq!(unblocked.message(), "Customer status updated successfully");
    assert_eq!(unblocked.text("status"), "active");
    assert_eq!(unblocked.data()["blockedReason"], Value::Null);
    assert_eq!(unblocked.data()["blockedAt"], Value::Null);
    assert_eq!(app.unblock("ada").ok().data(), unblocked.data());
}

/// A block ends what the customer does, and not what others do with the customer's offers.
#[test]
fn the_offer_of_a_blocked_seller_can_still_be_paid() {
    let app = spawn_app();
    let deal = app.offered();
    app.block("ada").ok();
    let paid = app.pay_for("ben", &deal).ok();
    assert_eq!(paid.data()["status"], "success");
    assert_eq!(app.verify(&deal.token).ok().data()["status"], "ONGOING");
}

#[test]
fn a_customer_id_header_has_no_effect_on_these_routes() {
    let app = spawn_app();
    app.wallet("ada").ok();
    app.block("ada").ok();
    for header in ["ada", "nobody", "a b", ""] {
        app.send("GET", "/v1/customer/get/ada", &[("customer-id", header)], None)
            .ok();
        app.send("GET", "/v1/customers", &[("customer-id", header)], None).ok();
        app.send("GET", "/v1/countries", &[("customer-id", header)], None).ok();
    }
    assert_eq!(app.count("customer"), 1);
}

#[test]
fn the_countries_are_listed() {
    let app = spawn_app();
    let answer = app.as_merchant("GET", "/v1/countries", None).ok();
    assert_eq!(answer.message(), "Countries fetched successfully");
    assert_eq!(
        *answer.data(),
        json!([
            { "id": NIGERIA, "name": "Nigeria", "code": "NG" },
            { "id": GHANA, "name": "Ghana", "code": "GH" },
            { "id": "000000000000000000000404", "name": "Kenya", "code": "KE" },
            { "id": "000000000000000000000710", "name": "South Africa", "code": "ZA" },
        ])
    );
}

#[test]
fn two_customers_at_once_never_share_an_email_address() {
    let app = spawn_app();
    let answers = app.run_concurrently(8, |app, _| app.create_customer(&new_customer()).status);
    assert_eq!(answers.iter().filter(|&&status| status == 201).count(), 1);
    assert_eq!(app.count("customer"), 1);
}

#[test]
fn a_live_merchant_creates_its_customers() {
    let app: TestApp = spawn_live_app(|config| {
        config.merchant[0].country = Some(escrowd::domain::customers::country::Country::KENYA);
    });
    let kenyan = new_customer_with(&json!({ "phone": "254712345678" }));
    let created = app
        .json_with_key(LIVE_KEY, "POST", "/v1/customer/create", "", &kenyan)
        .ok();
    assert_eq!(created.text("phone"), "0712345678");
    let id = created.text("customerId");
    let wallet = app.json_with_key(LIVE_KEY, "GET", "/v1/wallet", &id, &json!({})).ok();
    assert_eq!(wallet.data()["mainBalance"], 0);
}
