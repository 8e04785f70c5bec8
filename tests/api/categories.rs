//! Tests categories (contract sections 3.9 and 4.9).

use rusqlite::Connection;
use serde_json::{Value, json};

use crate::cluster;
use crate::helpers::{Answer, TestApp, spawn_app, spawn_app_with, standard_terms};

const NO_ID: &str = "0123456789abcdef01234567";
/// The party of a request without a `customer-id` header, for which the merchant acts.
const MERCHANT: &str = "";

impl TestApp {
    /// Sends a request with a JSON body for a customer or for the merchant.
    fn as_party(&self, method: &str, path: &str, party: &str, body: Option<&Value>) -> Answer {
        let mut headers = vec![("content-type", "application/json")];
        if party != MERCHANT {
            headers.push(("customer-id", party));
        }
        let text = body.map(Value::to_string);
        self.send(method, path, &headers, text.as_ref().map(String::as_bytes))
    }

    fn create_category(&self, party: &str, body: &Value) -> Answer {
        self.as_party("POST", "/v1/escrow/category/create", party, Some(body))
    }

    fn edit_category(&self, party: &str, id: &str, body: &Value) -> Answer {
        self.as_party("PUT", &format!("/v1/escrow/category/edit/{id}"), party, Some(body))
    }

    fn categories(&self, party: &str, query: &str) -> Answer {
        self.as_party("GET", &format!("/v1/escrow/category/get{query}"), party, None)
    }

    fn category(&self, party: &str, id: &str) -> Answer {
        self.as_party("GET", &format!("/v1/escrow/category/get/{id}"), party, None)
    }

    fn move_category(&self, party: &str, id: &str, position: impl Into<Value>) -> Answer {
        let body = json!({ "newPosition": position.into() });
        self.as_party("PUT", &format!("/v1/escrow/category/position/{id}"), party, Some(&body))
    }

    fn delete_category(&self, party: &str, id: &str) -> Answer {
        self.as_party("DELETE", &format!("/v1/escrow/category/delete/{id}"), party, None)
    }

    /// Creates a category of this name and returns its id.
    #[track_caller]
    fn named_category(&self, party: &str, name: &str) -> String {
        self.create_category(party, &json!({ "name": name })).ok().text("id")
    }

    /// Returns the names of an account's categories in order, after asserting that their
    /// positions have no gaps.
    #[track_caller]
    fn names(&self, party: &str) -> Vec<String> {
        let page = self.categories(party, "?limit=100").ok();
        let rows = page.data()["data"].as_array().unwrap();
        for (row, position) in rows.iter().zip(1..) {
            assert_eq!(row["category_position"], json!(position));
        }
        rows.iter()
            .map(|row| row["name"].as_str().unwrap().to_owned())
            .collect()
    }
}

#[test]
fn a_created_category_can_be_fetched() {
    let app = spawn_app();
    let created = app
        .create_category("ada", &json!({ "name": "Shoes", "description": "For feet" }))
        .ok();
    let fetched = app.category("ada", &created.text("id")).ok();
    assert_eq!(fetched.message(), "Category fetched successfully");
    assert_eq!(fetched.data(), created.data());
}

#[test]
fn a_form_is_read_like_json() {
    let app = spawn_app();
    let form = "--b\r\nContent-Disposition: form-data; name=\"name\"\r\n\r\nHats\r\n\
                --b\r\nContent-Disposition: form-data; name=\"category_position\"\r\n\r\n1\r\n--b--\r\n";
    let headers = [
        ("content-type", "multipart/form-data; boundary=b"),
        ("customer-id", "ada"),
    ];
    app.named_category("ada", "Shoes");
    let path = "/v1/escrow/category/create";
    let created = app.send("POST", path, &headers, Some(form.as_bytes())).ok();
    assert_eq!(
        (created.text("name"), &created.data()["category_position"]),
        ("Hats".into(), &json!(1))
    );
    assert_eq!(app.names("ada"), ["Hats", "Shoes"]);
    let path = format!("/v1/escrow/category/edit/{}", created.text("id"));
    let form = form.replace("Hats", "Caps").replace("\r\n1\r\n", "\r\n2\r\n");
    let edited = app.send("PUT", &path, &headers, Some(form.as_bytes())).ok();
    assert_eq!(edited.message(), "Category updated successfully");
    assert_eq!(app.names("ada"), ["Shoes", "Caps"]);
}

/// A description can be removed, as that of an escrow. A field that an edit leaves out stays.
#[test]
fn an_edit_clears_the_description_that_it_sends_empty() {
    let app = spawn_app();
    let body = json!({ "name": "Shoes", "description": "For feet", "category_position": 1 });
    let id = app.create_category("ada", &body).ok().text("id");
    let after = |edit: &Value| app.edit_category("ada", &id, edit).ok().data()["description"].clone();
    assert_eq!(after(&json!({ "name": "Boots" })), "For feet");
    assert_eq!(after(&json!({ "description": null })), Value::Null);
    assert_eq!(after(&json!({ "description": "For winter" })), "For winter");
    assert_eq!(after(&json!({ "description": "" })), Value::Null);
    assert_eq!(after(&json!({ "description": "For rain" })), "For rain");
    // Name and position have no empty value, so null leaves them as they are.
    let kept = app
        .edit_category("ada", &id, &json!({ "name": null, "category_position": null }))
        .ok();
    assert_eq!(
        (kept.text("name"), &kept.data()["category_position"]),
        ("Boots".to_owned(), &json!(1))
    );
    assert_eq!(kept.data()["description"], "For rain");
    let path = format!("/v1/escrow/category/edit/{id}");
    let form = app.form("PUT", &path, "ada", &[("description", None, b"")]).ok();
    assert_eq!(form.data()["description"], Value::Null);
    assert_eq!(app.category("ada", &id).ok().data(), form.data());
}

/// A form can set the picture, and only another picture replaces it.
#[test]
fn a_category_has_one_picture() {
    const PNG: &[u8] = b"\x89PNG\r\n\x1a\n a shoe";
    const GIF: &[u8] = b"GIF89a a shoe that walks";
    let app = spawn_app();
    let name = ("name", None, b"Shoes".as_slice());
    let picture = |bytes| ("imageUrl", Some("../shoe"), bytes);
    let path = "/v1/escrow/category/create";
    let served = |answer: &Answer| {
        let url = answer.text("imageUrl");
        let path = url.strip_prefix(&format!("http://{}", app.address)).unwrap();
        app.file(path).2
    };
    let created = app.form("POST", path, "ada", &[name, picture(PNG)]).ok();
    assert_eq!(served(&created), PNG);
    let edit = format!("/v1/escrow/category/edit/{}", created.text("id"));
    let renamed = app
        .edit_category("ada", &created.text("id"), &json!({ "name": "Boots" }))
        .ok();
    assert_eq!(renamed.data()["imageUrl"], created.data()["imageUrl"]);
    let edited = app.form("PUT", &edit, "ada", &[picture(GIF)]).ok();
    assert_eq!(served(&edited), GIF);
    assert_eq!(app.category("ada", &created.text("id")).ok().data(), edited.data());

    let stored = app.stored_files();
    for (method, path, parts, message) in [
        (
            "POST",
            path,
            [name, picture(b"%PDF-1.7 a paper")].as_slice(),
            "imageUrl must be a JPEG, PNG, GIF or WebP picture; got something else",
        ),
        (
            "PUT",
            &edit,
            &[picture(PNG), picture(GIF)],
            "imageUrl must be sent once; got 2 files",
        ),
        ("POST", path, &[picture(b"GIF89a never kept")], "name is required"),
        ("POST", path, &[picture(b"%PDF-1.7 a paper")], "name is required"),
    ] {
        app.refuses(400, message, |app| app.form(method, path, "ada", parts));
    }
    app.refuses(401, "Access denied", |app| {
        app.form("PUT", &edit, "", &[picture(b"GIF89a never kept either")])
    });
    assert_eq!(app.stored_files(), stored);
}

#[test]
fn positions_have_no_gaps_after_any_change() {
    let app = spawn_app();
    let [a, b, c] = ["a", "b", "c"].map(|name| app.named_category("ada", name));
    assert_eq!(app.names("ada"), ["a", "b", "c"]);
    for (id, position, at, order) in [
        (&a, 3, 3, ["b", "c", "a"]),
        (&a, 1, 1, ["a", "b", "c"]),
        (&b, 99, 3, ["a", "c", "b"]),
        (&b, 3, 3, ["a", "c", "b"]),
        (&b, 2, 2, ["a", "b", "c"]),
    ] {
        let moved = app.move_category("ada", id, position).ok();
        assert_eq!(moved.message(), "Category position updated successfully");
        assert_eq!(moved.data(), &json!({ "id": id, "category_position": at }));
        assert_eq!(app.names("ada"), order);
    }
    let at = |position: i64| json!({ "name": format!("at {position}"), "category_position": position });
    assert_eq!(app.create_category("ada", &at(2)).ok().data()["category_position"], 2);
    assert_eq!(app.create_category("ada", &at(50)).ok().data()["category_position"], 5);
    assert_eq!(app.names("ada"), ["a", "at 2", "b", "c", "at 50"]);
    let deleted = app.delete_category("ada", &b).ok();
    assert_eq!(deleted.message(), "Category deleted successfully");
    assert_eq!(deleted.data(), &json!({}));
    assert_eq!(app.names("ada"), ["a", "at 2", "c", "at 50"]);
    app.edit_category("ada", &c, &json!({ "category_position": 1 })).ok();
    assert_eq!(app.names("ada"), ["c", "a", "at 2", "at 50"]);
}

#[test]
fn an_edit_changes_only_the_fields_that_it_names() {
    let app = spawn_app();
    let id = app.named_category("ada", "Shoes");
    let described = app
        .edit_category("ada", &id, &json!({ "description": "For feet" }))
        .ok();
    assert_eq!(described.message(), "Category updated successfully");
    assert_eq!(
        (described.text("name"), described.text("description")),
        ("Shoes".into(), "For feet".into())
    );
    let renamed = app.edit_category("ada", &id, &json!({ "name": "Boots" })).ok();
    assert_eq!(
        (renamed.text("name"), renamed.text("description")),
        ("Boots".into(), "For feet".into())
    );
    let same = app.edit_category("ada", &id, &json!({})).ok();
    assert_eq!(same.data(), renamed.data());
    assert_eq!(app.category("ada", &id).ok().data(), renamed.data());
}

#[test]
fn lists_come_in_pages() {
    let app = spawn_app();
    for name in 1..=12 {
        app.named_category(MERCHANT, &name.to_string());
    }
    let first = app.categories(MERCHANT, "").ok();
    assert_eq!(first.message(), "Categories fetched successfully");
    assert_eq!(first.data()["data"].as_array().unwrap().len(), 10);
    let cursor = &first.data()["pagination"]["nextCursor"];
    let pagination = json!({
        "count": 12, "pages": 2, "isLastPage": false, "nextPage": 2, "previousPage": null, "nextCursor": cursor,
    });
    assert!(cursor.is_string());
    assert_eq!(first.data()["pagination"], pagination);
    let last = app.categories(MERCHANT, "?page=3&limit=5").ok();
    let names: Vec<&str> = last.data()["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["11", "12"]);
    let pagination =
        json!({ "count": 12, "pages": 3, "isLastPage": true, "nextPage": null, "previousPage": 2, "nextCursor": null });
    assert_eq!(last.data()["pagination"], pagination);
    assert_eq!(app.categories(MERCHANT, "?page=99").ok().data()["data"], json!([]));
    for (query, message) in [
        ("?page=0", "page must be a whole number of 1 or more; got 0"),
        ("?page=x", "page must be a whole number; got x"),
        ("?limit=101", "limit must be a whole number from 1 to 100; got 101"),
        ("?limit=0", "limit must be a whole number from 1 to 100; got 0"),
    ] {
        app.refuses(400, message, |app| app.categories(MERCHANT, query));
    }
}

#[test]
fn each_account_has_its_own_categories() {
    let app = spawn_app();
    app.wallet("ben").ok();
    let category_of_ada = app.named_category("ada", "Ada's");
    let category_of_merchant = app.named_category(MERCHANT, "The merchant's");
    assert_eq!(app.names("ada"), ["Ada's"]);
    assert_eq!(app.names(MERCHANT), ["The merchant's"]);
    assert_eq!(app.names("ben"), Vec::<String>::new());
    for (party, id) in [
        ("ben", &category_of_ada),
        (MERCHANT, &category_of_ada),
        ("ada", &category_of_merchant),
    ] {
        app.refuses(400, "Category not found", |app| app.category(party, id));
        app.refuses(401, "Access denied", |app| {
            app.edit_category(party, id, &json!({ "name": "Mine" }))
        });
        app.refuses(401, "Access denied", |app| app.move_category(party, id, 1));
        app.refuses(401, "Access denied", |app| app.delete_category(party, id));
    }
}

#[test]
fn an_unknown_category_is_not_found() {
    let app = spawn_app();
    let deleted = app.named_category("ada", "Gone");
    app.delete_category("ada", &deleted).ok();
    let foreign = app.named_category("ada", "Shoes");
    let not_found = "Category not found";
    for id in [NO_ID, "x", &deleted] {
        app.refuses(400, not_found, |app| app.category("ada", id));
        app.refuses(400, not_found, |app| {
            app.edit_category("ada", id, &json!({ "name": "Mine" }))
        });
        app.refuses(400, not_found, |app| app.move_category("ada", id, 1));
        app.refuses(400, not_found, |app| app.delete_category("ada", id));
    }
    let key = "sk_test_other";
    app.json_with_key(key, "GET", "/v1/wallet", "ada", &json!({})).ok();
    for (method, route) in [
        ("GET", "get"),
        ("PUT", "edit"),
        ("PUT", "position"),
        ("DELETE", "delete"),
    ] {
        let path = format!("/v1/escrow/category/{route}/{foreign}");
        let body = json!({ "name": "Mine", "newPosition": 1 });
        app.refuses(400, not_found, |app| {
            app.json_with_key(key, method, &path, "ada", &body)
        });
    }
    let unknown_key = "sk_test_never_seen";
    let path = "/v1/escrow/category/get";
    let empty = app.json_with_key(unknown_key, "GET", path, "ada", &json!({})).ok();
    assert_eq!(empty.data()["data"], json!([]));
    app.refuses(400, not_found, |app| {
        app.json_with_key(unknown_key, "GET", &format!("{path}/{foreign}"), "ada", &json!({}))
    });
}

#[test]
fn an_invalid_category_is_refused_with_the_wrong_field() {
    let app = spawn_app_with(|config| config.limits.categories_max = 2);
    let id = app.named_category("ada", "Shoes");
    let long = "x".repeat(256);
    for (body, message) in [
        (json!({}), "name is required".to_owned()),
        (json!({ "name": " " }), "name is required".to_owned()),
        (json!({ "name": 7 }), "name must be a text; got 7".to_owned()),
        (
            json!({ "name": long }),
            "name must be a text of at most 255 characters; got 256 characters".to_owned(),
        ),
        (
            json!({ "name": "Hats", "category_position": 0 }),
            "category_position must be a whole number of 1 or more; got 0".to_owned(),
        ),
        (
            json!({ "name": "Hats", "category_position": "first" }),
            "category_position must be a whole number; got \"first\"".to_owned(),
        ),
    ] {
        app.refuses(400, &message, |app| app.create_category("ada", &body));
        // An edit may leave the name out.
        if message != "name is required" {
            app.refuses(400, &message, |app| app.edit_category("ada", &id, &body));
        }
    }
    for (position, message) in [
        (Value::Null, "newPosition is required"),
        (json!(0), "newPosition must be a whole number of 1 or more; got 0"),
        (json!(1.5), "newPosition must be a whole number; got 1.5"),
    ] {
        app.refuses(400, message, |app| app.move_category("ada", &id, position));
    }
    app.named_category("ada", "Hats");
    app.refuses(400, "An account can have at most 2 categories", |app| {
        app.create_category("ada", &json!({ "name": "Bags" }))
    });
    app.named_category("ben", "Bags");
}

#[test]
fn a_deleted_category_leaves_its_escrows_without_one() {
    let app = spawn_app();
    let id = app.named_category("ada", "Bicycles");
    let mut terms = standard_terms();
    terms["categoryId"] = json!(id);
    let escrow = app.create_escrow("ada", &terms).ok();
    assert_eq!(escrow.data()["category"], *app.category("ada", &id).ok().data());
    app.delete_category("ada", &id).ok();
    let token = escrow.text("paymentToken");
    assert_eq!(app.verify(&token).ok().data()["category"], Value::Null);
    let message = format!("categoryId must be the id of a category of the seller or of the merchant; got \"{id}\"");
    app.refuses(400, &message, |app| app.create_escrow("ada", &terms));
}

#[test]
fn strict_mode_refuses_an_unknown_customer() {
    let app = spawn_app_with(|config| config.strict = true);
    let body = json!({ "name": "Shoes", "newPosition": 1 });
    for (method, route) in [
        ("POST", "create".to_owned()),
        ("PUT", format!("edit/{NO_ID}")),
        ("GET", "get".to_owned()),
        ("GET", format!("get/{NO_ID}")),
        ("PUT", format!("position/{NO_ID}")),
        ("DELETE", format!("delete/{NO_ID}")),
    ] {
        app.refuses(404, "Customer not found", |app| {
            app.as_party(method, &format!("/v1/escrow/category/{route}"), "nobody", Some(&body))
        });
    }
    app.named_category(MERCHANT, "Shoes");
}

/// Moves, deletes and creates categories of one account at once. In every order of
/// execution, the positions must have no gaps.
#[test]
fn concurrent_changes_leave_no_gaps_in_the_positions() {
    let app = spawn_app();
    let ids: Vec<String> = (0..8)
        .map(|name| app.named_category("ada", &name.to_string()))
        .collect();
    app.run_concurrently(8, |app, index| {
        match index % 3 {
            0 => app.move_category("ada", &ids[index], 1),
            1 => app.delete_category("ada", &ids[index]),
            _ => app.create_category("ada", &json!({ "name": "new", "category_position": 2 })),
        }
        .ok()
    });
    assert_eq!(app.names("ada").len(), 8 - 3 + 2);
}

/// The page that a query asks for: the names of its rows, and its pagination.
#[track_caller]
fn page(app: &TestApp, query: &str) -> (Vec<String>, Value) {
    let page = app.categories("ada", &format!("?limit=3&{query}")).ok();
    let rows = page.data()["data"].as_array().unwrap().iter();
    let names = rows.map(|row| row["name"].as_str().unwrap().to_owned()).collect();
    (names, page.data()["pagination"].clone())
}

/// Creates nine categories, c1 to c9, and returns their ids.
fn nine(app: &TestApp) -> Vec<String> {
    (1..=9)
        .map(|number| app.named_category("ada", &format!("c{number}")))
        .collect()
}

/// Positions are numbered anew when a category goes or comes, so a place in the list is that of a
/// row and not a position.
#[test]
fn a_walk_by_cursor_reads_each_category_once_while_others_go_and_come() {
    let behind = |change: &dyn Fn(&TestApp, &[String])| {
        let app = spawn_app();
        let ids = nine(&app);
        let (first, pagination) = page(&app, "page=1");
        assert_eq!(first, ["c1", "c2", "c3"]);
        change(&app, &ids);
        let cursor = pagination["nextCursor"].as_str().unwrap();
        page(&app, &format!("cursor={cursor}")).0
    };
    let delete = |app: &TestApp, ids: &[String], numbers: &[usize]| {
        for number in numbers {
            app.delete_category("ada", &ids[number - 1]).ok();
        }
    };
    let insert = |app: &TestApp, position: i64| {
        let body = json!({ "name": format!("new {position}"), "category_position": position });
        app.create_category("ada", &body).ok();
    };
    assert_eq!(behind(&|_, _| ()), ["c4", "c5", "c6"]);
    // The row of the cursor stays.
    assert_eq!(behind(&|app, ids| delete(app, ids, &[1])), ["c4", "c5", "c6"]);
    assert_eq!(behind(&|app, _| insert(app, 1)), ["c4", "c5", "c6"]);
    assert_eq!(behind(&|app, _| insert(app, 4)), ["new 4", "c4", "c5"]);
    assert_eq!(behind(&|app, ids| delete(app, ids, &[4, 5])), ["c6", "c7", "c8"]);
    // The row of the cursor goes, and those before it before or after it.
    assert_eq!(behind(&|app, ids| delete(app, ids, &[3])), ["c4", "c5", "c6"]);
    assert_eq!(behind(&|app, ids| delete(app, ids, &[1, 2, 3])), ["c4", "c5", "c6"]);
    assert_eq!(behind(&|app, ids| delete(app, ids, &[3, 2, 1])), ["c4", "c5", "c6"]);
    let gone_and_come = |app: &TestApp, ids: &[String]| {
        delete(app, ids, &[3]);
        insert(app, 1);
        delete(app, ids, &[2, 4]);
    };
    assert_eq!(behind(&gone_and_come), ["c5", "c6", "c7"]);
}

#[test]
fn a_walk_by_page_leaves_out_the_categories_that_came_after_its_first() {
    let app = spawn_app();
    nine(&app);
    let insert = |name: &str, position: i64| {
        let body = json!({ "name": name, "category_position": position });
        app.create_category("ada", &body).ok();
    };
    assert_eq!(page(&app, "page=1").0, ["c1", "c2", "c3"]);
    insert("first", 1);
    insert("sixth", 6);
    let (second, pagination) = page(&app, "page=2");
    assert_eq!(
        (second, &pagination["count"], &pagination["pages"]),
        (["c4", "c5", "c6"].map(str::to_owned).to_vec(), &json!(9), &json!(3))
    );
    let (third, pagination) = page(&app, "page=3");
    assert_eq!(
        (third, &pagination["isLastPage"]),
        (["c7", "c8", "c9"].map(str::to_owned).to_vec(), &json!(true))
    );
    let (first, pagination) = page(&app, "page=1");
    assert_eq!(
        (first, &pagination["count"]),
        (["first", "c1", "c2"].map(str::to_owned).to_vec(), &json!(11))
    );
}

/// A cursor of an earlier version held the position, and does not expire.
#[test]
fn a_cursor_of_a_position_leads_behind_it() {
    let app = spawn_app();
    nine(&app);
    let (_, pagination) = page(&app, "page=1");
    let mark = &pagination["nextCursor"].as_str().unwrap()[16..];
    let (rows, _) = page(&app, &format!("cursor=0000000000000003{mark}"));
    assert_eq!(rows, ["c4", "c5", "c6"]);
}

/// Each category was deleted in front of the one before it, so one look passes all of them.
#[test]
fn a_look_for_a_place_passes_ten_thousand_deleted_categories_at_most() {
    if cluster::is_wanted() {
        // It changes rows of a file.
        return;
    }
    let app = spawn_app();
    nine(&app);
    let third = page(&app, "page=1").1["nextCursor"].as_str().unwrap().to_owned();
    let number = i64::from_str_radix(&third[..16], 16).unwrap();
    let other = Connection::open(app.database_file()).unwrap();
    other
        .execute_batch(&format!(
            "WITH RECURSIVE more (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM more WHERE n < 10001)
             INSERT INTO category (id, guard, merchant_id, owner_id, name, position, created_at, deleted_at, was_behind)
             SELECT 100000 + n, guard, merchant_id, owner_id, name, position, created_at, created_at,
                 CASE n WHEN 1 THEN id ELSE 100000 + n - 1 END
             FROM more, category WHERE id = {number}"
        ))
        .unwrap();
    let behind = |steps: i64| {
        let cursor = format!("{:016x}{}", 100_000 + steps, &third[16..]);
        page(&app, &format!("cursor={cursor}")).0
    };
    assert_eq!(behind(1), ["c4", "c5", "c6"]);
    assert_eq!(behind(10_000), ["c4", "c5", "c6"]);
    assert_eq!(behind(10_001), ["c1", "c2", "c3"]);
    other.execute_batch("DELETE FROM category WHERE id > 100000").unwrap();
}
