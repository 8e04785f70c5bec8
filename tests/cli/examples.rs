//! The README's complete suites, as printed, against a running sandbox. They need
//! Node and pytest, which a machine that only builds escrowd may not have: there
//! they are passed over, and in CI never.

use std::process::Command;

use crate::helpers::WorkFolder;

const README: &str = include_str!("../../README.md");

/// The one block of code in this language.
fn block(language: &str) -> String {
    let opening = format!("```{language}\n");
    let mut blocks = README.split(&opening).skip(1);
    let block = blocks.next().and_then(|rest| rest.split("```").next());
    assert!(
        blocks.next().is_none(),
        "the README has more than one block of {language}"
    );
    block
        .unwrap_or_else(|| panic!("the README has no block of {language}"))
        .to_owned()
}

/// The first of these commands that is there; each with what asks for its version.
fn found<'a>(candidates: &[&'a [&'a str]]) -> Option<&'a [&'a str]> {
    let is_there = |command: &&&[&str]| {
        let answer = Command::new(command[0]).args(&command[1..]).arg("--version").output();
        answer.is_ok_and(|answer| answer.status.success())
    };
    let found = candidates.iter().find(is_there).copied();
    assert!(
        found.is_some() || std::env::var_os("CI").is_none(),
        "CI runs the README's suites, and none of {candidates:?} is there"
    );
    found
}

/// Runs a suite with this command beside a sandbox of its own; `passed` is what its
/// runner says when all of it passed.
fn assert_passes(language: &str, file: &str, command: &[&str], passed: &str) {
    let work_folder = WorkFolder::new();
    work_folder.write(file, &block(language));
    let server = work_folder.serve(&["--ephemeral"]);
    let output = Command::new(command[0])
        .args(&command[1..])
        .arg(file)
        .current_dir(work_folder.path())
        .env("ESCROWD_URL", server.url(""))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success() && said.contains(passed), "{said}");
}

#[test]
fn the_suite_for_node_passes_as_printed() {
    if let Some(node) = found(&[&["node"]]) {
        let command = [node, &["--test", "--test-reporter=tap"]].concat();
        assert_passes("js", "escrow.test.mjs", &command, "# pass 3");
    }
}

#[test]
fn the_suite_for_pytest_passes_as_printed() {
    if let Some(pytest) = found(&[&["python3", "-m", "pytest"], &["pytest-3"], &["pytest"]]) {
        assert_passes("python", "test_escrow.py", pytest, "3 passed");
    }
}
