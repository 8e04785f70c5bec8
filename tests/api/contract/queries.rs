//! Snapshots of the replies to queries with one changed field.

use super::refusals::recorded_sandbox;
use super::scene::standard;
use crate::snapshots::assert_snapshot;

/// Values to try in each field, percent-encoded.
const VALUES: [&str; 22] = [
    "",
    "x",
    "X",
    "%20",
    "a%20b",
    "0",
    "-1",
    "1",
    "+1",
    "1.5",
    "50",
    "51",
    "100",
    "101",
    "4294967296",
    "99999999999999999999",
    "2031-03-04",
    "2031-02-29",
    "2031-3-4",
    "PY_ZZZZZZZZ0000",
    "0123456789abcdef01234567",
    "%FF",
];

/// A route that reads a query.
struct Queried {
    path: &'static str,
    /// The customer who asks; empty where the merchant does.
    customer: &'static str,
    /// Fields that every query has.
    beside: &'static str,
    /// The fields that are tried, with further values of their own.
    fields: &'static [(&'static str, &'static [&'static str])],
}

const ROUTES: [Queried; 10] = [
    Queried {
        path: "/v1/escrow/transactions",
        customer: "ada",
        beside: "type=sales",
        fields: &[
            ("page", &[]),
            ("limit", &[]),
            ("categoryId", &[]),
            ("status", &["PENDING", "pending", "CLAIMED"]),
        ],
    },
    Queried {
        path: "/v1/escrow/transactions",
        customer: "ada",
        beside: "",
        fields: &[("type", &["sales", "buy", "SALES"])],
    },
    Queried {
        path: "/v1/payment/history",
        customer: "ada",
        beside: "",
        fields: &[
            (
                "type",
                &[
                    "deposit",
                    "withdrawal",
                    "transfer",
                    "wallet_transfer",
                    "escrow",
                    "commission",
                    "delivery",
                ],
            ),
            ("page", &[]),
            ("limit", &[]),
            ("reference", &[]),
            ("fromDate", &[]),
            ("toDate", &[]),
        ],
    },
    Queried {
        path: "/v1/merchant/transactions",
        customer: "",
        beside: "",
        fields: &[
            ("type", &["deposit", "commission", "delivery", "escrow"]),
            ("page", &[]),
            ("limit", &[]),
            ("reference", &[]),
            ("fromDate", &[]),
            ("toDate", &[]),
        ],
    },
    Queried {
        path: "/v1/customers",
        customer: "",
        beside: "",
        fields: &[
            ("email", &["nobody@shop.example"]),
            ("phone", &["08099999999"]),
            ("page", &[]),
            ("limit", &[]),
        ],
    },
    Queried {
        path: "/v1/escrow/dispute/get",
        customer: "ben",
        beside: "",
        fields: &[
            ("page", &[]),
            ("limit", &[]),
            ("paymentToken", &[]),
            ("fromDate", &[]),
            ("toDate", &[]),
        ],
    },
    Queried {
        path: "/v1/escrow/all-dispute",
        customer: "",
        beside: "",
        fields: &[
            ("page", &[]),
            ("limit", &[]),
            ("paymentId", &[]),
            ("fromDate", &[]),
            ("toDate", &[]),
        ],
    },
    Queried {
        path: "/v1/escrow/feeds",
        customer: "",
        beside: "",
        fields: &[
            ("page", &[]),
            ("limit", &[]),
            ("status", &["PENDING", "pending"]),
            ("customerId", &["ada"]),
            ("categoryId", &[]),
            ("paymentToken", &[]),
            ("fromDate", &[]),
            ("toDate", &[]),
        ],
    },
    Queried {
        path: "/v1/escrow/category/get",
        customer: "ada",
        beside: "",
        fields: &[("page", &[]), ("limit", &[])],
    },
    Queried {
        path: "/sandbox/events",
        customer: "",
        beside: "",
        fields: &[
            ("type", &["escrow", "escrow.created", "escrow."]),
            ("escrowId", &[]),
            ("customerId", &["ada"]),
            ("after", &[]),
            ("page", &[]),
            ("limit", &[]),
        ],
    },
];

#[test]
fn queries_are_read_word_for_word() {
    let app = recorded_sandbox();
    app.unrecorded(standard);
    let ask = |path: &str, customer: &str, query: &str| {
        let path = format!("{path}?{query}");
        let headers = [("customer-id", customer)];
        let headers = if customer.is_empty() { &[][..] } else { &headers };
        let answer = app.unrecorded(|app| app.send("GET", &path, headers, None));
        if answer.status < 300 {
            let (rows, pages) = (&answer.data()["data"], &answer.data()["pagination"]);
            let rows = rows.as_array().or_else(|| answer.data().as_array()).map(Vec::len);
            let rows = rows.map_or("one".to_owned(), |rows| rows.to_string());
            app.transcript()
                .line_of(query, &answer, &format!("{:?} {rows} of {pages}", answer.message()));
        } else {
            app.transcript().line(query, &answer);
        }
    };
    for Queried {
        path,
        customer,
        beside,
        fields,
    } in ROUTES
    {
        app.transcript().note(&format!("GET {path} {beside}"));
        let with = |query: &str| {
            if beside.is_empty() {
                query.to_owned()
            } else {
                format!("{beside}&{query}")
            }
        };
        for (field, own) in fields {
            for value in VALUES.iter().chain(*own) {
                ask(path, customer, &with(&format!("{field}={value}")));
            }
            ask(path, customer, &with(&format!("{field}=1&{field}=2")));
        }
        ask(path, customer, &with("other=1"));
    }
    assert_snapshot("queries", &[&app]);
}

/// The request log has a snapshot of its own, since its pages grow with each request.
#[test]
fn pages_of_the_request_log_are_asked_for_word_for_word() {
    let app = recorded_sandbox();
    for field in ["page", "limit"] {
        for value in VALUES {
            let path = format!("/sandbox/requests?{field}={value}");
            let answer = app.unrecorded(|app| app.send("GET", &path, &[], None));
            app.transcript().line(&path, &answer);
        }
    }
    assert_snapshot("queries_of_the_request_log", &[&app]);
}
