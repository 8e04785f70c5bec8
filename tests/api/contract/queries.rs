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
    /// The acting customer, or an empty text if the merchant acts.
    customer: &'static str,
    /// Fields that each query of this route contains.
    fixed_query: &'static str,
    /// The fields to change, each with values to try in addition to [`VALUES`].
    fields: &'static [(&'static str, &'static [&'static str])],
}

const ROUTES: [Queried; 10] = [
    Queried {
        path: "/v1/escrow/transactions",
        customer: "ada",
        fixed_query: "type=sales",
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
        fixed_query: "",
        fields: &[("type", &["sales", "buy", "SALES"])],
    },
    Queried {
        path: "/v1/payment/history",
        customer: "ada",
        fixed_query: "",
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
        fixed_query: "",
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
        fixed_query: "",
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
        fixed_query: "",
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
        fixed_query: "",
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
        fixed_query: "",
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
        fixed_query: "",
        fields: &[("page", &[]), ("limit", &[])],
    },
    Queried {
        path: "/sandbox/events",
        customer: "",
        fixed_query: "",
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
        fixed_query,
        fields,
    } in ROUTES
    {
        app.transcript().note(&format!("GET {path} {fixed_query}"));
        let with = |query: &str| {
            if fixed_query.is_empty() {
                query.to_owned()
            } else {
                format!("{fixed_query}&{query}")
            }
        };
        for (field, own_values) in fields {
            for value in VALUES.iter().chain(*own_values) {
                ask(path, customer, &with(&format!("{field}={value}")));
            }
            ask(path, customer, &with(&format!("{field}=1&{field}=2")));
        }
        ask(path, customer, &with("other=1"));
    }
    assert_snapshot("queries", &[&app]);
}

/// The request log has a separate snapshot, since its pages grow with each request.
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
