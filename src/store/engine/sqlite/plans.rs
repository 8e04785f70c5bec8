//! SQLite's plans of statements, for tests.

use rusqlite::Connection;

use crate::store::engine::schema::SCHEMA;

/// Returns the steps of the plan of a statement on an empty database.
pub(crate) fn of(sql: &str) -> Vec<String> {
    let connection = Connection::open_in_memory().unwrap();
    connection.execute_batch(SCHEMA).unwrap();
    let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
    let mut steps = statement.raw_query();
    let mut plan = Vec::new();
    while let Some(step) = steps.next().unwrap() {
        plan.push(step.get("detail").unwrap());
    }
    plan
}

/// Checks that a page of a merchant's table reads only the rows of the page, whose numbers an index
/// has. `terms` are those that SQLite compares in the index, such as `merchant_id=?`.
#[track_caller]
pub(crate) fn assert_reads_its_page(sql: &str, table: &str, terms: &str) {
    let plan = of(sql);
    let of_page = format!("SEARCH {table} USING INTEGER PRIMARY KEY (rowid=?)");
    assert!(plan.contains(&of_page), "{plan:#?}");
    assert_stays_in_index(sql, table, terms);
}

/// Checks that a statement on a merchant's table finds its rows in an index, by these terms.
#[track_caller]
pub(crate) fn assert_stays_in_index(sql: &str, table: &str, terms: &str) {
    let plan = of(sql);
    let in_index = format!("SEARCH {table} USING COVERING INDEX {table}_of_merchant ({terms})");
    assert!(plan.contains(&in_index), "{plan:#?}");
    // The elements of a parameter are no rows of a table.
    let scans = |step: &String| step.starts_with("SCAN") && !step.starts_with("SCAN json_each VIRTUAL TABLE");
    assert!(!plan.iter().any(scans), "{plan:#?}");
}
