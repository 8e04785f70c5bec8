//! SQLite's plans of statements, for tests.

use rusqlite::Connection;

/// Returns the steps of the plan of a statement on an empty database.
pub(crate) fn of(sql: &str) -> Vec<String> {
    let connection = Connection::open_in_memory().unwrap();
    connection
        .execute_batch(include_str!("../../../../schema.sql"))
        .unwrap();
    let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
    let mut steps = statement.raw_query();
    let mut plan = Vec::new();
    while let Some(step) = steps.next().unwrap() {
        plan.push(step.get("detail").unwrap());
    }
    plan
}

/// Checks that a page of a merchant's table reads only the rows of the page, whose numbers an index
/// has.
#[track_caller]
pub(crate) fn assert_reads_its_page(sql: &str, table: &str) {
    let plan = of(sql);
    let in_index = format!("SEARCH {table} USING COVERING INDEX {table}_of_merchant (merchant_id=?)");
    let of_page = format!("SEARCH {table} USING INTEGER PRIMARY KEY (rowid=?)");
    assert!(plan.contains(&in_index) && plan.contains(&of_page), "{plan:#?}");
    assert!(!plan.iter().any(|step| step.starts_with("SCAN")), "{plan:#?}");
}
