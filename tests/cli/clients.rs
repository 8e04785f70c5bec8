//! Clients that the usual generators make of `/openapi.json`: they compile, and the first deal
//! runs through them.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::helpers::{WorkFolder, stderr, stdout};

/// The projects of the clients, with their tools (`.ci/run` installs them).
const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients");
/// What a first deal prints: the state after each of two confirms, and the code of a refusal.
const PRINTED: &str = "ONGOING\nCOMPLETED\nescrow_not_found\n";

/// The checks that do not hold: the contract refuses with 400 what its rules do not allow, although
/// the schema allows it; and in a sandbox a program on this machine needs no key.
const EXCLUDED: &str = "positive_data_acceptance,ignored_auth";

/// Returns the path of a tool. Without it the test is left out, except in CI.
fn tool(name: &str) -> Option<PathBuf> {
    let path = Path::new(FOLDER).join(name);
    let is_there = path.is_file();
    assert!(
        is_there || std::env::var_os("CI").is_none(),
        "CI must run this test, but {} is missing",
        path.display()
    );
    if !is_there {
        eprintln!("left out: {} is missing", path.display());
    }
    is_there.then_some(path)
}

/// Runs a command in the folder of the projects and returns what it printed.
fn run(program: &Path, arguments: &[&str], python_path: &str) -> String {
    let mut command = Command::new(program);
    command
        .args(arguments)
        .current_dir(FOLDER)
        .env("PYTHONPATH", python_path);
    let output = command.output().unwrap();
    let told = (stdout(&output), stderr(&output));
    assert!(output.status.success(), "{} {arguments:?}: {told:?}", program.display());
    told.0
}

#[test]
fn a_typescript_client_runs_the_first_deal() {
    let (Some(generator), Some(compiler)) = (
        tool("node_modules/.bin/openapi-typescript"),
        tool("node_modules/.bin/tsc"),
    ) else {
        return;
    };
    let folder = WorkFolder::new();
    let server = folder.serve(&[]);
    run(
        &generator,
        &[&server.url("/openapi.json"), "-o", "generated/api.d.ts"],
        "",
    );
    run(&compiler, &[], "");
    let base_url = server.url("");
    let printed = run(Path::new("node"), &["generated/out/first_deal.js", &base_url], "");
    assert_eq!(printed, PRINTED);
}

#[test]
fn a_python_client_runs_the_first_deal() {
    let (Some(generator), Some(python)) = (tool(".venv/bin/openapi-python-client"), tool(".venv/bin/python")) else {
        return;
    };
    let folder = WorkFolder::new();
    let server = folder.serve(&[]);
    let made = folder.path().join("client");
    let made = made.to_str().unwrap();
    let url = server.url("/openapi.json");
    run(&generator, &["generate", "--url", &url, "--output-path", made], "");
    let printed = run(&python, &["first_deal.py", &server.url("")], made);
    assert_eq!(printed, PRINTED);
}

/// Requests that Schemathesis makes of the document, right and wrong ones: no reply is a failure
/// of the service or lacks in the document, and no wrong request is carried out. Left out are the
/// routes that change how others answer, those by which the service sends elsewhere, and the
/// stream, which has no end.
#[test]
fn no_generated_request_finds_a_reply_outside_the_document() {
    let Some(schemathesis) = tool(".venv/bin/schemathesis") else {
        return;
    };
    let folder = WorkFolder::new();
    let server = folder.serve(&[]);
    let url = server.url("/openapi.json");
    let apart = "/sandbox/(faults|clock/advance|reset|events/stream)|/callback|/notices/";
    let arguments = [
        "--config-file",
        "schemathesis.toml",
        "run",
        &url,
        "--checks",
        "all",
        "--exclude-checks",
        EXCLUDED,
    ];
    let phases = [
        "--phases",
        "examples,coverage,fuzzing,stateful",
        "-n",
        "8",
        "--seed",
        "1",
    ];
    let paths = ["--exclude-path-regex", apart, "--continue-on-failure"];
    run(&schemathesis, &[&arguments[..], &phases, &paths].concat(), "");
}
