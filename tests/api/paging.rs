//! Lists that are read page by page while rows are inserted.

use serde_json::{Value, json};

use crate::helpers::{Answer, TestApp, spawn_app, standard_terms};

/// A list, and the insertion of a row into it.
struct List {
    path: &'static str,
    customer: &'static str,
    /// The field that tells rows apart.
    id: &'static str,
    insert: fn(&TestApp, u32),
}

fn offer(app: &TestApp, _number: u32) {
    app.create_escrow("ada", &standard_terms()).ok();
}

fn top_up(app: &TestApp, _number: u32) {
    app.top_up("ada", 1000).ok();
}

fn category(app: &TestApp, number: u32) {
    let body = json!({ "name": format!("Category {number}") });
    app.json("POST", "/v1/escrow/category/create", "ada", &body).ok();
}

fn dispute(app: &TestApp, _number: u32) {
    let deal = app.funded();
    let path = format!("/v1/escrow/submit-dispute/{}", deal.token);
    app.json("POST", &path, "ben", &json!({ "message": "It is late" })).ok();
}

fn earn(app: &TestApp, _number: u32) {
    let escrow = app.create_escrow("ada", &standard_terms()).ok();
    let fee = json!({ "additionalFee": 10 });
    let escrow = app.set_additional_fee(&escrow.text("paymentToken"), &fee).ok();
    let deal = crate::helpers::Deal::of(&escrow);
    app.pay_for("ben", &deal).ok();
    app.confirm_payment("ben", &deal.id).ok();
}

const LISTS: [List; 10] = [
    List {
        path: "/v1/escrow/transactions?type=sales",
        customer: "ada",
        id: "id",
        insert: offer,
    },
    List {
        path: "/v1/escrow/transactions?type=sales&status=PENDING",
        customer: "ada",
        id: "id",
        insert: offer,
    },
    List {
        path: "/v1/escrow/feeds?status=PENDING",
        customer: "",
        id: "id",
        insert: offer,
    },
    List {
        path: "/v1/escrow/feeds?customerId=ada",
        customer: "",
        id: "id",
        insert: offer,
    },
    List {
        path: "/v1/escrow/all-dispute?",
        customer: "",
        id: "id",
        insert: dispute,
    },
    List {
        path: "/v1/payment/history?",
        customer: "ada",
        id: "id",
        insert: top_up,
    },
    List {
        path: "/v1/payment/history?type=deposit",
        customer: "ada",
        id: "id",
        insert: top_up,
    },
    List {
        path: "/v1/merchant/transactions?",
        customer: "",
        id: "id",
        insert: earn,
    },
    List {
        path: "/v1/customers?",
        customer: "",
        id: "customerId",
        insert: |app, number| drop(app.wallet(&format!("customer-{number}")).ok()),
    },
    List {
        path: "/v1/escrow/category/get?",
        customer: "ada",
        id: "id",
        insert: category,
    },
];

const OWN_LISTS: [List; 2] = [
    List {
        path: "/sandbox/events?type=payment",
        customer: "",
        id: "id",
        insert: top_up,
    },
    List {
        path: "/sandbox/requests?",
        customer: "",
        id: "id",
        insert: top_up,
    },
];

impl List {
    fn page(&self, app: &TestApp, query: &str) -> Answer {
        let path = format!("{}&limit=5&{query}", self.path);
        let headers = [("customer-id", self.customer)];
        let headers = if self.customer.is_empty() { &[][..] } else { &headers };
        app.send("GET", &path, headers, None).ok()
    }

    fn ids(&self, page: &Answer) -> Vec<Value> {
        let rows = page.data()["data"].as_array().unwrap().iter();
        rows.map(|row| row[self.id].clone()).collect()
    }

    /// Reads the list to its end and inserts two rows after each page.
    fn walked(&self, app: &TestApp, by_cursor: bool, inserted: &mut u32) -> Vec<Value> {
        let (mut read, mut query) = (Vec::new(), "page=1".to_owned());
        loop {
            let page = self.page(app, &query);
            read.extend(self.ids(&page));
            assert!(read.len() < 200, "{}: the walk does not end", self.path);
            let pagination = &page.data()["pagination"];
            assert_eq!(
                pagination["isLastPage"],
                pagination["nextCursor"].is_null(),
                "{}",
                self.path
            );
            if pagination["isLastPage"] == true {
                return read;
            }
            query = if by_cursor {
                format!("cursor={}", pagination["nextCursor"].as_str().unwrap())
            } else {
                format!("page={}", pagination["nextPage"])
            };
            for _ in 0..2 {
                *inserted += 1;
                (self.insert)(app, *inserted);
            }
        }
    }
}

#[test]
fn every_old_row_is_read_once_while_rows_are_inserted() {
    for list in LISTS.iter().chain(&OWN_LISTS) {
        let app = spawn_app();
        let mut inserted = 0;
        while inserted < 12 {
            inserted += 1;
            (list.insert)(&app, inserted);
        }
        for by_cursor in [false, true] {
            let count = list.page(&app, "page=1").data()["pagination"]["count"].as_u64();
            let count = count.unwrap();
            assert!(count >= 12, "{}: {count}", list.path);
            let read = list.walked(&app, by_cursor, &mut inserted);
            let way = if by_cursor { "cursor" } else { "page" };
            let mut once = read.clone();
            once.sort_by_key(Value::to_string);
            once.dedup();
            assert_eq!(once.len(), read.len(), "{} by {way}: a row came twice", list.path);
            // The list of categories is in the order of positions, and new ones come last.
            let is_oldest_first = list.path.contains("category");
            if !is_oldest_first {
                assert_eq!(read.len() as u64, count, "{} by {way}", list.path);
            }
            assert!(
                read.len() as u64 >= count,
                "{} by {way}: {} of {count}",
                list.path,
                read.len()
            );
        }
    }
}

#[test]
fn a_deleted_row_takes_none_with_it_from_a_walk_by_cursor() {
    let app = spawn_app();
    for number in 0..12 {
        offer(&app, number);
    }
    let list = &LISTS[0];
    let first = list.page(&app, "page=1");
    let cursor = first.data()["pagination"]["nextCursor"].as_str().unwrap();
    for row in first.data()["data"].as_array().unwrap() {
        app.delete_escrow("ada", row["paymentToken"].as_str().unwrap()).ok();
    }
    let second = list.page(&app, &format!("cursor={cursor}"));
    assert_eq!(list.ids(&second).len(), 5);
    assert_eq!(second.data()["pagination"]["count"], 7);
    assert_eq!(second.data()["pagination"]["nextPage"], Value::Null);
    let cursor = second.data()["pagination"]["nextCursor"].as_str().unwrap();
    let third = list.page(&app, &format!("cursor={cursor}"));
    assert_eq!(list.ids(&third).len(), 2);
    assert_eq!(third.data()["pagination"]["isLastPage"], true);
}

/// Tests reset the sandbox and make the same list again.
#[test]
fn a_walk_ends_with_the_merchant_that_a_reset_replaces() {
    let app = spawn_app();
    let make = || {
        for customer in ["ada", "ben", "cleo"] {
            app.wallet(customer).ok();
        }
    };
    let page = |page: u32| {
        let list = app
            .as_merchant("GET", &format!("/v1/customers?limit=2&page={page}"), None)
            .ok();
        list.data()["data"].as_array().unwrap().len()
    };
    make();
    assert_eq!((page(1), page(2)), (2, 1));
    app.as_merchant("POST", "/sandbox/reset", None).ok();
    make();
    assert_eq!(page(2), 1, "of the new list");
}

#[test]
fn a_page_that_no_walk_leads_to_shows_the_list_as_it_is() {
    let app = spawn_app();
    for number in 0..6 {
        offer(&app, number);
    }
    let list = &LISTS[0];
    assert_eq!(list.ids(&list.page(&app, "page=2")).len(), 1);
    offer(&app, 7);
    assert_eq!(list.ids(&list.page(&app, "page=2")).len(), 2);
    list.page(&app, "page=1");
    offer(&app, 8);
    let second = list.page(&app, "page=2");
    assert_eq!(
        (list.ids(&second).len(), &second.data()["pagination"]["count"]),
        (2, &json!(7))
    );
    let first = list.page(&app, "page=1");
    assert_eq!(first.data()["pagination"]["count"], 8);
    assert_eq!(list.ids(&list.page(&app, "page=2")).len(), 3);
}

#[test]
fn an_invalid_cursor_is_refused() {
    let app = spawn_app();
    for list in LISTS.iter().chain(&OWN_LISTS) {
        for (query, message) in [
            ("cursor=x", "cursor must be the nextCursor of a page"),
            (
                "cursor=0123456789ABCDEF01234567",
                "cursor must be the nextCursor of a page",
            ),
            (
                "cursor=000000000000000000000001&page=2",
                "page must be left out where cursor is sent",
            ),
        ] {
            let path = format!("{}&{query}", list.path);
            let answer = app.send(
                "GET",
                &path,
                &[("customer-id", "ada")][usize::from(list.customer.is_empty())..],
                None,
            );
            assert_eq!(answer.status, 400, "{path}: {answer:?}");
            assert!(answer.message().starts_with(message), "{path}: {}", answer.message());
        }
    }
}

/// The keys of one list's rows mean nothing in another.
#[test]
fn the_cursor_of_another_list_is_refused() {
    let app = spawn_app();
    let mut cursors = Vec::new();
    for list in LISTS.iter().chain(&OWN_LISTS) {
        for number in 0..6 {
            (list.insert)(&app, number);
        }
        let first = list.page(&app, "page=1");
        let cursor = first.data()["pagination"]["nextCursor"].as_str().unwrap();
        cursors.push((list, cursor.to_owned()));
    }
    let path_of = |list: &List| list.path.split_once('?').unwrap().0;
    for (list, cursor) in &cursors {
        for (other, _) in &cursors {
            let headers = [("customer-id", other.customer)];
            let headers = if other.customer.is_empty() { &[][..] } else { &headers };
            let path = format!("{}&limit=5&cursor={cursor}", other.path);
            let answer = app.send("GET", &path, headers, None);
            // Lists that differ in filters alone have the same rows.
            if path_of(list) == path_of(other) {
                answer.ok();
                continue;
            }
            assert_eq!(
                (answer.status, &answer.body["details"]["field"]),
                (400, &json!("cursor")),
                "{path}"
            );
            assert!(
                answer
                    .message()
                    .starts_with("cursor must be the nextCursor of a page of this list, not of another one"),
                "{path}: {}",
                answer.message()
            );
        }
        // A cursor of an earlier version has no mark, and does not expire.
        let unmarked = format!("{}{}", &cursor[..16], "0".repeat(8));
        let ids = |cursor: &str| list.ids(&list.page(&app, &format!("cursor={cursor}")));
        assert_eq!(ids(&unmarked), ids(cursor), "{}", list.path);
    }
}

/// A number does not lose its meaning beyond the bits that the service counts with.
#[test]
fn a_page_beyond_every_bound_is_empty_and_a_limit_beyond_every_bound_is_too_large() {
    const LARGE: [&str; 4] = [
        "4294967296",
        "9223372036854775807",
        "9223372036854775808",
        "99999999999999999999999999",
    ];
    let app = spawn_app();
    for list in LISTS.iter().chain(&OWN_LISTS) {
        (list.insert)(&app, 1);
        let ask = |query: String| {
            let headers = [("customer-id", list.customer)];
            let headers = if list.customer.is_empty() { &[][..] } else { &headers };
            app.send("GET", &format!("{}&{query}", list.path), headers, None)
        };
        for number in LARGE {
            let page = ask(format!("page={number}")).ok();
            assert_eq!(list.ids(&page), Vec::<Value>::new(), "{} {number}", list.path);
            let pagination = &page.data()["pagination"];
            assert_ne!(pagination["count"], 0, "{} {number}", list.path);
            assert_eq!(pagination["isLastPage"], true, "{} {number}", list.path);
            assert_eq!(
                pagination["previousPage"], pagination["pages"],
                "{} {number}",
                list.path
            );

            // Each list answers a limit of 101 in its own way, and these limits likewise.
            let (expected, answer) = (ask("limit=101".to_owned()), ask(format!("limit={number}")));
            let message = expected.message().replace("101", number);
            assert_eq!(
                (answer.status, answer.message()),
                (expected.status, &*message),
                "{}",
                list.path
            );
        }
        let first = app.send(
            "GET",
            &format!("{}&page=-99999999999999999999", list.path),
            &[("customer-id", list.customer)][usize::from(list.customer.is_empty())..],
            None,
        );
        assert_eq!(
            (first.status, first.message()),
            (
                400,
                "page must be a whole number of 1 or more; got -99999999999999999999"
            ),
            "{}",
            list.path
        );
    }
}

/// A client may percent-encode any character of a path.
#[test]
fn the_encoding_of_a_path_does_not_change_the_list() {
    let app = spawn_app();
    for number in 0..9 {
        offer(&app, number);
    }
    let feed = |path: &str, query: &str| app.send("GET", &format!("{path}?limit=3&{query}"), &[], None).ok();
    let (plain, encoded) = ("/v1/escrow/feeds", "/v1/escrow/%66eeds");
    let first = feed(plain, "page=1");
    let cursor = first.data()["pagination"]["nextCursor"].as_str().unwrap();
    let behind = format!("cursor={cursor}");
    assert_eq!(feed(encoded, &behind).data(), feed(plain, &behind).data());
    offer(&app, 10);
    assert_eq!(
        feed(encoded, "page=2").data()["pagination"]["count"],
        9,
        "part of the walk"
    );
}
