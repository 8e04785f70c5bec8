//! Clients that the usual generators make of `/openapi.json`: they compile, and the first deal
//! runs through them.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::helpers::{WorkFolder, get, stderr, stdout};

/// The projects of the clients, with their tools (`.ci/run` installs them).
const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients");
/// The output of a first deal: the state after each of two confirms, and the code of a refusal.
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
    // Random requests and chains of requests differ from run to run, so the gate leaves them to
    // the night.
    let setting = |name: &str, default: &str| std::env::var(name).unwrap_or_else(|_| default.to_owned());
    let phases_to_run = setting("API_PHASES", "examples,coverage");
    let cases = setting("API_CASES", "8");
    let seed = setting("API_SEED", "1");
    // Random phases repeat until this time is over.
    let seconds = std::env::var("API_SECONDS").ok();
    let time: Vec<&str> = seconds.iter().flat_map(|seconds| ["--max-time", seconds]).collect();
    let settings = format!("{FOLDER}/schemathesis.toml");
    let arguments = [
        "--config-file",
        &settings,
        "run",
        &url,
        "--checks",
        "all",
        "--exclude-checks",
        EXCLUDED,
    ];
    let phases = ["--phases", &phases_to_run, "-n", &cases, "--seed", &seed];
    let paths = ["--exclude-path-regex", apart, "--continue-on-failure"];
    // It keeps what it has found in its folder, and a run must not depend on those before.
    let mut command = Command::new(schemathesis);
    command
        .args([&arguments[..], &phases, &paths, &time].concat())
        .env("SCHEMATHESIS_HOOKS", format!("{FOLDER}/rules.py"))
        .current_dir(folder.path());
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}{}", stdout(&output), stderr(&output));
}

/// The samples of a page of the reference: the id of each, and the program that runs it.
const SAMPLES: [(&str, &str, &[&str]); 3] = [
    ("sample-curl", "bash", &["-c"]),
    ("sample-node", "node", &["--input-type=module", "-e"]),
    ("sample-python", "python3", &["-c"]),
];

/// Returns the sample with this id from a page.
fn sample(page: &str, id: &str) -> String {
    let (_, rest) = page.split_once(&format!("id=\"{id}\">")).unwrap();
    let (text, _) = rest.split_once("</code>").unwrap();
    let characters = [("&quot;", "\""), ("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&")];
    characters
        .into_iter()
        .fold(text.to_owned(), |text, (escaped, character)| {
            text.replace(escaped, character)
        })
}

#[test]
fn the_samples_of_the_reference_work_in_each_language() {
    let folder = WorkFolder::new();
    let server = folder.serve(&[]);
    // A line of an unknown pay-out, which the reply repeats.
    folder.write(
        "FILE.csv",
        "payoutId,status,bankReference,valueDate,reason\n0123456789abcdef01234567,paid,FT-7004,2026-11-09,\n",
    );
    for (operation, reply) in [
        ("postEscrowMilestoneCreate", "\"status\":201"),
        ("postOperatorPayoutsResults", "\"line\":2"),
    ] {
        let (_, page) = get(&server.url(&format!("/docs/reference/{operation}")), &[]);
        for (id, program, flags) in SAMPLES {
            let code = sample(&page, id);
            let mut command = Command::new(program);
            command.args(flags).arg(&code).current_dir(folder.path());
            let output = command.output().unwrap();
            let told = stdout(&output);
            assert!(told.contains(reply), "{code}\n{told}{}", stderr(&output));
        }
    }
}

/// The stream does not end, so a sample that waits for its end prints nothing.
#[test]
fn the_samples_of_the_event_stream_print_it_as_it_comes() {
    let folder = WorkFolder::new();
    let server = folder.serve(&[]);
    let (_, page) = get(&server.url("/docs/reference/getSandboxEventsStream"), &[]);
    for (id, program, flags) in SAMPLES {
        let code = sample(&page, id);
        let mut command = Command::new(program);
        command.args(flags).arg(&code).stdout(Stdio::piped());
        let mut running = command.spawn().unwrap();
        let lines = BufReader::new(running.stdout.take().unwrap()).lines();
        let (sender, receiver) = mpsc::channel();
        let reader = thread::spawn(move || {
            let position = lines.map_while(Result::ok).find(|line| line.starts_with("id: "));
            sender.send(position).unwrap();
        });
        let position = receiver.recv_timeout(Duration::from_secs(20));
        running.kill().unwrap();
        running.wait().unwrap();
        reader.join().unwrap();
        assert!(matches!(position, Ok(Some(_))), "{code}");
    }
}

/// A notice has a body, which is the provider's.
#[test]
fn the_sample_of_a_notice_is_refused_for_its_signature_alone() {
    let folder = WorkFolder::new();
    let server = folder.serve(&[]);
    let (_, page) = get(&server.url("/docs/reference/postNoticesByProviderByMerchant"), &[]);
    let code = sample(&page, "sample-curl").replace("PROVIDER/MERCHANT", "paystack/1");
    let output = Command::new("bash").args(["-c", &code]).output().unwrap();
    assert!(
        stdout(&output).contains("\"wrong_signature\""),
        "{code}\n{}",
        stdout(&output)
    );
}
