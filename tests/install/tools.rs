//! Programs of the system that the tests need.

use std::process::{Command, Output};

/// Returns true if a program is there. CI must have it.
pub(crate) fn has(program: &str) -> bool {
    let found = Command::new("which").arg(program).output();
    let found = found.is_ok_and(|found| found.status.success());
    assert!(
        found || std::env::var_os("CI").is_none(),
        "CI must run this test, but {program} is missing"
    );
    found
}

/// Returns both outputs of a program, for messages of failed tests.
pub(crate) fn printed(output: &Output) -> String {
    let [out, err] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    format!("{out}{err}")
}
