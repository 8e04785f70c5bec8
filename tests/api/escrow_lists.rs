//! Tests the list of a party's escrows, its pages and its report (contract section 4.2.7).

use serde_json::{Value, json};

use crate::helpers::{Answer, Deal, TestApp, spawn_app, standard_terms, two_milestones};

fn offered(app: &TestApp, seller: &str, amount: i64) -> Deal {
    let mut terms = standard_terms();
    terms["amount"] = json!(amount);
    Deal::of(&app.create_escrow(seller, &terms).ok())
}

fn ids(list: &Answer) -> Vec<&str> {
    let rows = list.data()["data"].as_array().unwrap();
    rows.iter().map(|row| row["id"].as_str().unwrap()).collect()
}

/// Creates five escrows of Ada's with Ben as the buyer: 1 awaits payment, 2 is ongoing, 4 is
/// completed, 8 is claimed, and 16 is an ongoing milestone escrow.
fn one_of_each(app: &TestApp) -> [Deal; 5] {
    let [pending, ongoing, completed, claimed] = [1, 2, 4, 8].map(|amount| offered(app, "ada", amount));
    let mut stages = two_milestones();
    stages["amount"] = json!(16);
    stages["milestones"] = json!([{ "title": "Frame", "amount": 6 }, { "title": "Finish", "amount": 10 }]);
    let milestones = Deal::of(&app.create_milestone_escrow("ada", &stages).ok());
    for deal in [&ongoing, &completed, &claimed, &milestones] {
        app.pay_for("ben", deal).ok();
    }
    app.confirm_payment("ben", &completed.id).ok();
    app.pass_seconds(30 * 86_400);
    app.claim("ada", &claimed.token).ok();
    [pending, ongoing, completed, claimed, milestones]
}

fn report(counts: [i64; 4], amounts: [i64; 4]) -> Value {
    let [total, completed, ongoing, dispute] = counts;
    let [all, done, open, disputed] = amounts;
    json!({
        "total": total, "completed": completed, "ongoing": ongoing, "dispute": dispute,
        "amount": { "total": all, "completed": done, "ongoing": open, "dispute": disputed },
    })
}

#[test]
fn a_list_shows_escrows_like_verify_newest_first() {
    let app = spawn_app();
    let deals = one_of_each(&app);
    let sales = app.escrows("ada", "type=sales").ok();
    assert_eq!(sales.message(), "Transaction fetched successfully");
    let newest_first: Vec<&str> = deals.iter().rev().map(|deal| deal.id.as_str()).collect();
    assert_eq!(ids(&sales), newest_first);
    for (row, deal) in sales.data()["data"].as_array().unwrap().iter().zip(deals.iter().rev()) {
        let mut shown = app.verify(&deal.token).ok().data().clone();
        shown["isSeller"] = json!(true);
        assert_eq!(*row, shown);
    }
    assert_eq!(
        sales.data()["pagination"],
        json!({ "count": 5, "pages": 1, "isLastPage": true, "nextPage": null, "previousPage": null, "nextCursor": null })
    );
    assert_eq!(sales.data()["report"], report([5, 2, 2, 0], [31, 12, 18, 0]));

    let buys = app.escrows("ben", "type=buy").ok();
    assert_eq!(ids(&buys), newest_first[..4]);
    assert_eq!(buys.data()["data"][0]["isSeller"], false);
    assert_eq!(buys.data()["report"], report([4, 2, 2, 0], [30, 12, 18, 0]));
    for (party, query) in [
        ("ben", "type=sales"),
        ("ada", "type=buy"),
        ("", "type=sales"),
        ("", "type=buy"),
    ] {
        let none = app.escrows(party, query).ok();
        assert_eq!(none.data()["data"], json!([]), "{party} {query}");
        assert_eq!(none.data()["report"], report([0; 4], [0; 4]));
        let pagination = json!({ "count": 0, "pages": 0, "isLastPage": true, "nextPage": null, "previousPage": null, "nextCursor": null });
        assert_eq!(none.data()["pagination"], pagination);
    }
}

#[test]
fn a_list_comes_in_pages() {
    let app = spawn_app();
    let deals: Vec<Deal> = (1..=7).map(|amount| offered(&app, "ada", amount)).collect();
    let mut seen = Vec::new();
    for page in 1..=3 {
        let list = app.escrows("ada", &format!("type=sales&limit=3&page={page}")).ok();
        let pagination = &list.data()["pagination"];
        assert_eq!((&pagination["count"], &pagination["pages"]), (&json!(7), &json!(3)));
        assert_eq!(pagination["isLastPage"], page == 3);
        assert_eq!(
            pagination["nextPage"],
            if page == 3 { Value::Null } else { json!(page + 1) }
        );
        assert_eq!(
            pagination["previousPage"],
            if page == 1 { Value::Null } else { json!(page - 1) }
        );
        assert_eq!(
            list.data()["report"],
            report([7, 0, 0, 0], [28, 0, 0, 0]),
            "the report covers all pages"
        );
        seen.extend(ids(&list).into_iter().map(str::to_owned));
    }
    let newest_first: Vec<String> = deals.into_iter().rev().map(|deal| deal.id).collect();
    assert_eq!(seen, newest_first);
    let beyond = app.escrows("ada", "type=sales&page=4294967295&limit=100").ok();
    assert_eq!(ids(&beyond), Vec::<&str>::new());
    assert_eq!(beyond.data()["pagination"]["count"], 7);
    assert_eq!(
        ids(&app.escrows("ada", "type=sales").ok()).len(),
        7,
        "the default page size is 10"
    );
}

#[test]
fn a_list_filters_by_status_and_by_category() {
    let app = spawn_app();
    let [pending, ongoing, completed, claimed, milestones] = one_of_each(&app);
    for (status, deals) in [
        ("PENDING", vec![&pending]),
        ("ONGOING", vec![&milestones, &ongoing]),
        ("COMPLETED", vec![&completed]),
        ("CLAIMED", vec![&claimed]),
        ("REFUNDED", vec![]),
        ("DISPUTED", vec![]),
        ("INVESTIGATING", vec![]),
        ("SPLIT", vec![]),
    ] {
        let list = app.escrows("ada", &format!("type=sales&status={status}")).ok();
        let expected: Vec<&str> = deals.iter().map(|deal| deal.id.as_str()).collect();
        assert_eq!(ids(&list), expected, "{status}");
        assert_eq!(list.data()["report"]["total"], expected.len());
    }
    let category = app.category_of("ada");
    let mut terms = standard_terms();
    terms["categoryId"] = json!(category);
    let in_category = Deal::of(&app.create_escrow("ada", &terms).ok());
    let of = |party: &str, category: &str, rest: &str| {
        let list = app
            .escrows(party, &format!("type=sales&categoryId={category}{rest}"))
            .ok();
        ids(&list).join(" ")
    };
    assert_eq!(of("ada", &category, ""), in_category.id);
    assert_eq!(of("ada", &category, "&status=ONGOING"), "");
    assert_eq!(of("ben", &category, ""), "");
    let guessed = format!("{}{}", &category[..16], "00000000");
    assert_eq!(of("ada", &guessed, ""), "", "the first half of an id is not enough");
    app.pay_for("ben", &in_category).ok();
    let buys = app.escrows("ben", &format!("type=buy&categoryId={category}")).ok();
    assert_eq!(ids(&buys), [&in_category.id]);
}

/// An escrow counts as disputed until the ruling. A refunded escrow counts only in the total.
#[test]
fn a_report_counts_disputes() {
    let app = spawn_app();
    let deals: Vec<Deal> = [1, 2, 4, 8].map(|amount| offered(&app, "ada", amount)).into();
    let submit = |who: &str, deal: &Deal| {
        let path = format!("/v1/escrow/submit-dispute/{}", deal.token);
        app.json("POST", &path, who, &json!({ "message": "It leaks" })).ok()
    };
    for deal in &deals {
        app.pay_for("ben", deal).ok();
        submit("ben", deal);
    }
    submit("ada", &deals[1]);
    let sales = |query: &str| app.escrows("ada", &format!("type=sales{query}")).ok();
    assert_eq!(sales("").data()["report"], report([4, 0, 0, 4], [15, 0, 0, 15]));
    let rule = |deal: &Deal, body: Value| {
        let path = format!("/v1/escrow/dispute/resolve/{}", deal.id);
        app.as_merchant("POST", &path, Some(&body)).ok()
    };
    rule(&deals[2], json!({ "resolution": "Sorry", "status": "REFUNDED" }));
    let split = json!({ "resolution": "Sorry", "status": "SPLIT", "sellerAmount": 7.84, "buyerAmount": 0 });
    rule(&deals[3], split);
    assert_eq!(sales("").data()["report"], report([4, 0, 0, 2], [15, 0, 0, 3]));
    for (status, deal) in ["DISPUTED", "INVESTIGATING", "REFUNDED", "SPLIT"]
        .into_iter()
        .zip(&deals)
    {
        assert_eq!(ids(&sales(&format!("&status={status}"))), [&deal.id], "{status}");
        assert_eq!(
            ids(&app.escrows("ben", &format!("type=buy&status={status}")).ok()),
            [&deal.id]
        );
    }
}

#[test]
fn sales_list_a_link_and_its_copies_and_buys_list_the_copies() {
    let app = spawn_app();
    let mut terms = standard_terms();
    terms["totalQuantity"] = json!(3);
    let link = Deal::of(&app.create_escrow("ada", &terms).ok());
    app.pay_for("ben", &link).ok();
    app.pay_for("cleo", &link).ok();
    assert_eq!(app.escrows("ada", "type=sales").ok().data()["report"]["total"], 3);
    for buyer in ["ben", "cleo"] {
        let buys = app.escrows(buyer, "type=buy").ok();
        assert_eq!(buys.data()["report"]["ongoing"], 1);
        assert_ne!(ids(&buys), [&link.id]);
    }
}

#[test]
fn a_merchant_lists_the_escrows_that_it_sells() {
    let app = spawn_app();
    offered(&app, "ada", 5);
    let own = Deal::of(
        &app.as_merchant("POST", "/v1/escrow/create", Some(&standard_terms()))
            .ok(),
    );
    app.pay_for("ben", &own).ok();
    let sales = app.escrows("", "type=sales").ok();
    assert_eq!(ids(&sales), [&own.id]);
    assert_eq!(sales.data()["data"][0]["isSeller"], true);
    assert_eq!(sales.data()["report"]["amount"]["ongoing"], 1234.56);
    let buys = app.escrows("", "type=buy").ok();
    assert_eq!(buys.data()["report"]["total"], 0);
    let other_merchant = [("authorization", "Bearer sk_test_other"), ("customer-id", "ada")];
    for query in ["type=sales", "type=buy"] {
        let path = format!("/v1/escrow/transactions?{query}");
        for headers in [&other_merchant[..], &other_merchant[..1]] {
            let list = app.send("GET", &path, headers, None).ok();
            assert_eq!(
                list.data()["report"]["total"],
                0,
                "another merchant sees none of these escrows"
            );
        }
    }
}

#[test]
fn an_invalid_query_is_refused() {
    let app = spawn_app();
    app.wallet("ada").ok();
    let wrong_type = "Invalid type provider, allowed types: sales | buy";
    for (query, status, message) in [
        ("", 401, "Type is required"),
        ("type=", 401, "Type is required"),
        ("page=0", 401, "Type is required"),
        ("type=Sales", 401, wrong_type),
        ("type=buys&page=0", 401, wrong_type),
        (
            "type=buy&page=0",
            400,
            "page must be a whole number of 1 or more; got 0",
        ),
        ("type=buy&page=x", 400, "page must be a whole number; got x"),
        (
            "type=buy&limit=101",
            400,
            "limit must be a whole number from 1 to 100; got 101",
        ),
        (
            "type=buy&limit=0",
            400,
            "limit must be a whole number from 1 to 100; got 0",
        ),
        (
            "type=buy&categoryId=x",
            400,
            "categoryId must be the id of a category of the seller or of the merchant; got x",
        ),
        ("type=buy&type=sales", 400, "type must be sent once; got it twice"),
        (
            "type=buy&status=ongoing",
            400,
            "status must be \"PENDING\" or \"ONGOING\" or \"DISPUTED\" or \"INVESTIGATING\" or \"COMPLETED\" or \
             \"CLAIMED\" or \"REFUNDED\" or \"SPLIT\"; got ongoing",
        ),
    ] {
        app.refuses(status, message, |app| app.escrows("ada", query));
        app.refuses(404, "Customer not found", |app| app.escrows("a b", query));
    }
}

#[test]
fn a_new_customer_has_an_empty_list() {
    let app = spawn_app();
    assert_eq!(app.escrows("ada", "type=buy").ok().data()["report"]["total"], 0);
    assert_eq!(app.count("customer"), 1);
    let new_key = [("authorization", "Bearer sk_test_new")];
    app.send("GET", "/v1/escrow/transactions?type=sales", &new_key, None)
        .ok();
}

#[test]
fn a_report_is_exact_above_the_largest_amount() {
    let app = spawn_app();
    let mut terms = standard_terms();
    terms["amount"] = json!(90_071_992_547_409_i64);
    for _ in 0..3 {
        app.create_escrow("ada", &terms).ok();
    }
    let report = app.escrows("ada", "type=sales").ok().data()["report"].clone();
    assert_eq!(report["total"], 3);
    assert_eq!(report["amount"]["total"], json!(270_215_977_642_227_i64));
    let cents = |sum: &str| sum.parse::<f64>().unwrap();
    terms["amount"] = json!(1234.56);
    app.create_escrow("ada", &terms).ok();
    let report = app.escrows("ada", "type=sales").ok().data()["report"].clone();
    assert_eq!(report["amount"]["total"], json!(cents("270215977643461.56")));
}
