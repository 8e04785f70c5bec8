//! Some tests of the store on PostgreSQL, beside those on files. All of them take minutes there.

use std::env;
use std::process::Command;

use crate::cluster;

/// The tests, by parts of their names.
const TESTS: [&str; 8] = [
    "audit::a_changed_balance",
    "deliveries::",
    "kept_files::a_referenced_file_is_kept",
    "kept_files::an_upload_that_waits",
    "resends::",
    "wrong_clocks::a_quiet_service",
    "writer::a_commit_that_postgresql_refuses",
    "writer::a_foreign_lock",
];

#[test]
fn some_tests_run_on_postgresql_too() {
    if cluster::is_wanted() || !cluster::is_installed() {
        return;
    }
    let output = Command::new(env::current_exe().unwrap())
        .args(TESTS)
        .env("ESCROWD_TEST_DATABASE", "postgres")
        .output()
        .unwrap();
    let heard = [output.stdout, output.stderr].concat();
    let heard = String::from_utf8_lossy(&heard);
    assert!(output.status.success(), "{heard}");
    for test in TESTS {
        assert!(heard.contains(&format!("test {test}")), "{test} was not run: {heard}");
    }
}
