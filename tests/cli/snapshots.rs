//! Snapshots of the program's output: help, demo, audits, a server's first lines, and
//! errors.

use std::process::Output;

use crate::helpers::{RunningServer, WorkFolder, get};
use crate::redaction::Redaction;

/// Compares a text with the snapshot of this name. Ids and keys become placeholders.
#[track_caller]
fn assert_snapshot(name: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, Redaction::default().of(text)));
}

/// Renders a command with its exit code and its output.
fn shown(arguments: &[&str], output: &Output) -> String {
    let command = [&["$ escrowd"], arguments].concat().join(" ");
    let mut shown = format!("{command}\nexit code {}\n", output.status.code().unwrap());
    for printed in [&output.stdout, &output.stderr] {
        shown.push_str(std::str::from_utf8(printed).unwrap());
    }
    shown.push('\n');
    shown
}

/// Replaces the text between two markers with a placeholder, at each occurrence.
fn replace_between(text: &str, before: &str, after: &str, placeholder: &str) -> String {
    let mut parts = text.split(before);
    let mut replaced = parts.next().unwrap().to_owned();
    for part in parts {
        let (_, rest) = part.split_once(after).unwrap();
        replaced.push_str(before);
        replaced.push_str(placeholder);
        replaced.push_str(after);
        replaced.push_str(rest);
    }
    replaced
}

#[test]
fn help_is_printed_word_for_word() {
    let work_folder = WorkFolder::new();
    let mut help = String::new();
    for command in [
        &[][..],
        &["serve"],
        &["demo"],
        &["check"],
        &["merchant", "create"],
        &["key", "rotate"],
        &["operator", "create"],
        &["trigger"],
        &["listen"],
        &["clock"],
        &["clock", "advance"],
        &["reset"],
    ] {
        let arguments = [command, &["--help"]].concat();
        help.push_str(&shown(&arguments, &work_folder.run(&arguments)));
    }
    help.push_str(&shown(&["--version"], &work_folder.run(&["--version"])));
    assert_snapshot("help", &help);
}

#[test]
fn the_demo_is_printed_word_for_word() {
    let work_folder = WorkFolder::new();
    let demo = shown(&["demo"], &work_folder.run(&["demo"]));
    let demo = replace_between(&demo, "read in ", "\n", "[time]");
    let folder = demo.lines().find_map(|line| line.split_once("/demo.db:")).unwrap().0;
    assert_snapshot("demo", &demo.replace(folder, "[folder]"));
}

#[test]
fn an_audit_is_printed_word_for_word() {
    let work_folder = WorkFolder::new();
    let server = work_folder.serve(&["--database", "test.db"]);
    assert_eq!(get(&server.url("/v1/wallet"), &[("customer-id", "ada")]).0, 200);
    drop(server);
    let mut audits = String::new();
    let mut audit = |arguments: &[&str]| audits.push_str(&shown(arguments, &work_folder.run(arguments)));
    audit(&["check", "test.db"]);
    audit(&["check", "test.db", "--deep"]);
    let file = rusqlite::Connection::open(work_folder.path().join("test.db")).unwrap();
    let more_money = "UPDATE account SET balance = balance + 1 WHERE purpose = 'CUSTOMER_MAIN'";
    file.execute(more_money, []).unwrap();
    drop(file);
    audit(&["check", "test.db"]);
    audit(&["check", "none.db"]);
    work_folder.write("text.db", "no database");
    audit(&["check", "text.db"]);
    assert_snapshot("check", &replace_between(&audits, "read in ", "\n", "[time]"));
}

/// Returns the first lines of a server without its port.
fn greeting(server: &RunningServer) -> String {
    server.greeting.join("\n").replace(&server.address, "[server]") + "\n\n"
}

#[test]
fn the_first_lines_are_printed_word_for_word() {
    let work_folder = WorkFolder::new();
    let mut lines = greeting(&work_folder.serve(&["--database", "test.db"]));
    let ephemeral = greeting(&work_folder.serve(&["--ephemeral"]));
    lines += &replace_between(&ephemeral, "until the service stops it is ", "\n", "[file]");
    work_folder.write("config.toml", "mode = \"live\"\n");
    lines += &greeting(&work_folder.serve(&[]));
    assert_snapshot("first_lines", &lines);
}

#[test]
fn a_start_that_fails_says_why_word_for_word() {
    let work_folder = WorkFolder::new();
    let mut failures = String::new();
    for config in [
        "listne = 1\n",
        "listen = \"8080\"\n",
        "listen = \"0.0.0.0:0\"\n",
        "mode = \"test\"\n",
        "currency = \"naira\"\n",
        "public_url = \"shop\"\n",
        "[fees]\nplatform_bps = -1\n",
        "platform_bps = 100\n",
        "[fees]\nwithdrawal_minor = \"x\"\n",
        "[limits]\nmilestones_max = 0\n",
        "[webhooks]\ncallback_url = \"ftp://shop.example\"\n",
        "[[merchant]]\nname = \"acme\"\n",
        "listen = \n",
    ] {
        work_folder.write("config.toml", config);
        failures += config;
        failures += &shown(&[], &work_folder.run(&[]));
    }
    work_folder.write("config.toml", "");
    let output = work_folder
        .command(&[])
        .env("ESCROWD_LIMITS_MILESTONES_MAX", "0")
        .output();
    failures += &shown(&["(ESCROWD_LIMITS_MILESTONES_MAX=0)"], &output.unwrap());
    for arguments in [
        &["--config", "other.toml"][..],
        &["--nonsense"],
        &["launch"],
        &["--listen", "8080"],
        &["check"],
        &["trigger", "escrow.finished"],
        &["clock", "--url", "127.0.0.1:8080"],
        &["reset", "--url", "http://127.0.0.1:9"],
    ] {
        failures += &shown(arguments, &work_folder.run(arguments));
    }
    assert_snapshot("failures", &failures);
}

#[test]
fn a_sandbox_is_driven_word_for_word() {
    let work_folder = WorkFolder::new();
    let server = work_folder.serve(&["--database", "test.db"]);
    let url = server.url("");
    let mut printed = String::new();
    for arguments in [
        &["trigger", "escrow.completed"][..],
        &["trigger", "payment.withdrawal.failed"],
        &["trigger", "payment.commission.success"],
        &["clock", "advance", "soon"],
        &["reset"],
    ] {
        let output = work_folder.run(&[arguments, &["--url", &url, "--key", "sk_test_a"]].concat());
        printed += &shown(arguments, &output);
    }
    assert_snapshot("sandbox", &printed);
}
