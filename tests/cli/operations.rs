//! Operation in bad moments: full outputs, few open files, certificates that come late, names
//! that belong to the service, and links to databases.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::helpers::{RunningServer, WorkFolder, get, stderr, stdout};
use crate::ports::free_address;
use crate::waiting::{until, until_ok};

/// A certificate of an authority of its own.
const CERTIFICATE: &str = "\
-----BEGIN CERTIFICATE-----
MIIBfzCCASWgAwIBAgIUFKf10tUBpO9BbDvWpQ2501qPiG4wCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyODE4NDY1MVoYDzIxMjYxMTA0
MTg0NjUxWjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAARvDAw7yXFKAsbOuTwdeH6PxC0UcCs7eqgGmweAvcb1SQhoWV6JN9O0
WDaUpnoBfPf1cwfKWfj9YtHq6XoYXDmBo1MwUTAdBgNVHQ4EFgQUpXbJoDlRPJ55
65PEwBbuUbr4hSswHwYDVR0jBBgwFoAUpXbJoDlRPJ5565PEwBbuUbr4hSswDwYD
VR0TAQH/BAUwAwEB/zAKBggqhkjOPQQDAgNIADBFAiAffROP4kdif8l6mDdrAC6U
aLGvmdW7nCUydCjXQAWwTQIhANBgltA9QeAYBkh6HDQW6XSiOSs2mh2EeM6v3QVg
lNTk
-----END CERTIFICATE-----
";

fn top_up(server: &RunningServer) {
    let reply = ureq::post(server.url("/v1/payment/topup"))
        .header("customer-id", "ada")
        .header("content-type", "application/json")
        .send("{\"amount\":1000}");
    assert_eq!(reply.unwrap().status().as_u16(), 200);
}

/// A folder with the database of a sandbox, `test.db`.
fn used_folder() -> WorkFolder {
    let folder = WorkFolder::new();
    let mut server = folder.serve(&["--database", "test.db"]);
    top_up(&server);
    server.signal("-TERM");
    assert_eq!(server.wait().code(), Some(0));
    folder
}

#[test]
fn certificates_that_come_late_are_used_by_the_next_attempt() {
    let folder = WorkFolder::new();
    let mut command = folder.server(&["--ephemeral"]);
    command
        .env("SSL_CERT_FILE", folder.path().join("ca.pem"))
        .env("SSL_CERT_DIR", folder.path().join("none"));
    let server = RunningServer::start(command);
    let json = |request: ureq::RequestBuilder<ureq::typestate::WithBody>, body: &str| {
        let reply = request.header("content-type", "application/json").send(body).unwrap();
        assert!(reply.status().is_success());
    };
    json(
        ureq::put(server.url("/sandbox/callback")),
        "{\"url\":\"https://localhost:9/hook\"}",
    );
    top_up(&server);
    let wait_for = |words: &str| {
        until_ok(&format!("{words:?} is listed"), || {
            let (_, events) = get(&server.url("/sandbox/events"), &[]);
            if events.contains(words) { Ok(()) } else { Err(events) }
        });
    };
    wait_for("No CA certificates were loaded");
    folder.write("ca.pem", CERTIFICATE);
    json(ureq::post(server.url("/sandbox/clock/advance")), "{\"by\":\"2m\"}");
    wait_for("no connection");
}

#[test]
fn a_full_output_is_told_in_one_line_and_stops_no_service() {
    let folder = used_folder();
    let full = || File::options().write(true).open("/dev/full").unwrap();
    for arguments in [
        &["check", "test.db"][..],
        &["position", "test.db"],
        &["backup", "test.db", "copy.db"],
        &["config"],
        &["--help"],
        &["check", "--help"],
        &["--version"],
    ] {
        let output = folder.command(arguments).stdout(full()).output().unwrap();
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("the output cannot be written: No space left"), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }
    let address = free_address().to_string();
    let mut server = folder
        .command(&["--listen", &address, "--database", "test.db"])
        .stdout(full())
        .spawn()
        .unwrap();
    until("the service is ready", || {
        assert!(server.try_wait().unwrap().is_none());
        ureq::get(format!("http://{address}/readyz")).call().is_ok()
    });
    drop(server.kill());
    drop(server.wait());
}

/// A script that goes by the exit code alone must not take the old state for the present one.
#[test]
fn a_command_that_cannot_print_says_that_its_work_is_done() {
    let folder = used_folder();
    folder.write("live.toml", "mode = \"live\"\n");
    let live = ["--database", "live.db", "--config", "live.toml"];
    let create = ["operator", "create", "Ada", "--role", "auditor", "--json"];
    let created = stdout(&folder.run(&[&create[..], &live].concat()));
    let created: Value = serde_json::from_str(&created).unwrap();
    let id = created["id"].as_str().unwrap();
    let revoke = [&["operator", "revoke", id, "--reason", "left"][..], &live].concat();
    // A reader that has gone ends other commands without a word.
    let (reader, closed) = std::io::pipe().unwrap();
    drop(reader);
    let full = || Stdio::from(File::options().write(true).open("/dev/full").unwrap());
    for (arguments, output, done) in [
        (
            &["backup", "test.db", "copy.db"][..],
            full(),
            "the backup copy.db was made, and is sound",
        ),
        (
            &["restore", "copy.db", "test.db", "--replace"],
            closed.into(),
            "; test.db is restored, and the former database is now /",
        ),
        (
            &["restore", "live.db", "again.db"],
            full(),
            "docs/operating.md, Restore",
        ),
        (
            &["snapshot", "save", "saved.db", "--database", "test.db"],
            full(),
            "the snapshot saved.db was made",
        ),
        (&revoke, full(), &format!("the key of operator {id} was revoked")),
    ] {
        let output = folder.command(arguments).stdout(output).output().unwrap();
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("the output cannot be written: "), "{said}");
        assert!(said.contains(done), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }
    let aside = fs::canonicalize(folder.path()).unwrap().join("test.db.replaced-1");
    assert!(aside.exists() && folder.path().join("again.db").exists());
}

/// It would be taken for the name of a file, and the next start could not open it.
#[test]
fn the_name_of_a_folder_is_not_that_of_a_database() {
    let folder = used_folder();
    for arguments in [
        &["restore", "test.db", "new.db/"][..],
        &["restore", "test.db", "new.db/."],
        &["backup", "test.db", "new.db/"],
        &["backup", "test.db", "new.db/."],
        &["--listen", "127.0.0.1:0", "--database", "new.db/"],
        &["--listen", "127.0.0.1:0", "--database", "new.db/."],
        &["snapshot", "save", "new.db/", "--database", "test.db"],
    ] {
        let refused = folder.run(arguments);
        assert_eq!(refused.status.code(), Some(1), "{arguments:?}: {refused:?}");
        assert!(
            stderr(&refused).contains("it ends as the name of a folder does"),
            "{refused:?}"
        );
        assert!(!folder.path().join("new.db").exists(), "{arguments:?}");
    }
}

#[test]
fn the_limit_of_open_files_is_raised_or_told() {
    let folder = WorkFolder::new();
    let limit_of = |server: &RunningServer| {
        let limits = fs::read_to_string(format!("/proc/{}/limits", server.id())).unwrap();
        let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
        let mut numbers = line.split_whitespace().filter_map(|word| word.parse::<u64>().ok());
        [numbers.next().unwrap(), numbers.next().unwrap()]
    };
    for (limit, is_told) in [("-S -n 64", false), ("-n 100", true)] {
        let log = folder.path().join("log.txt");
        let mut command = Command::new("sh");
        let program = env!("CARGO_BIN_EXE_escrowd");
        command
            .args([
                "-c",
                &format!("ulimit {limit}; exec {program} --listen 127.0.0.1:0 --ephemeral"),
            ])
            .current_dir(folder.path())
            .env("ESCROWD_LOG", "warn")
            .stdout(std::process::Stdio::piped())
            .stderr(File::create(&log).unwrap());
        let server = RunningServer::start(command);
        let [soft, hard] = limit_of(&server);
        assert_eq!(soft, hard);
        let words = "may have 100 files open, and limits.connections_max = 512 needs about";
        let until = Instant::now() + Duration::from_secs(20);
        let mut said = fs::read_to_string(&log).unwrap();
        while is_told && !said.contains(words) && Instant::now() < until {
            thread::sleep(Duration::from_millis(20));
            said = fs::read_to_string(&log).unwrap();
        }
        assert_eq!(said.contains(words), is_told, "{said}");
    }
}

#[test]
fn a_backup_takes_no_name_that_belongs_to_a_database() {
    let folder = used_folder();
    let before = || {
        let entries = fs::read_dir(folder.path()).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    fs::create_dir(folder.path().join("test.db-files")).unwrap();
    folder.write("mine.partial", "notes");
    fs::create_dir_all(folder.path().join("other.partial-files/photos")).unwrap();
    let names = before();
    for (to, words) in [
        ("test.db-wal", "names that end in -wal"),
        ("test.db-shm", "names that end in -shm"),
        ("test.db-journal", "names that end in -journal"),
        ("other.lock", "names that end in .lock"),
        ("test.db.partial", "names that end in .partial"),
        ("copy-files", "names that end in -files"),
        ("test.db-files/copy", "has the files of the database"),
        ("mine", "mine.partial exists already"),
        ("other", "other.partial-files exists already"),
    ] {
        let output = folder.run(&["backup", "test.db", to]);
        assert_eq!(output.status.code(), Some(1), "{to}");
        assert!(stderr(&output).contains(words), "{to}: {}", stderr(&output));
        assert_eq!(before(), names, "{to}");
    }
    let unnamed = folder.run(&["backup", "test.db", ""]);
    assert_eq!(unnamed.status.code(), Some(2));
    assert!(stderr(&unnamed).contains("<TO>: an empty text names no database"));
    assert_eq!(before(), names);
    assert_eq!(fs::read_to_string(folder.path().join("mine.partial")).unwrap(), "notes");
    // A later backup takes over the file that a killed one has left.
    folder.write("copy.db.partial", "");
    assert!(folder.run(&["backup", "test.db", "copy.db"]).status.success());
}

#[test]
fn a_database_is_read_by_a_link_to_it() {
    let folder = used_folder();
    let links = folder.path().join("links");
    fs::create_dir(&links).unwrap();
    symlink("../test.db", links.join("link.db")).unwrap();
    let mut server = folder.serve(&["--database", "links/link.db"]);
    top_up(&server);
    server.signal("-KILL");
    server.wait();
    for arguments in [
        &["check", "links/link.db"][..],
        &["check", "links/link.db", "--deep"],
        &["position", "links/link.db"],
    ] {
        let output = folder.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", stderr(&output));
    }
}

/// The word null may be the variable of a script that has no value.
#[test]
fn only_the_word_default_takes_a_setting_of_a_merchant_back() {
    let folder = WorkFolder::new();
    folder.write("config.toml", "mode = \"live\"\n");
    let made = stdout(&folder.run(&["operator", "create", "Obi", "--role", "admin"]));
    let admin = made
        .split_whitespace()
        .find(|word| word.starts_with("op_live_"))
        .unwrap();
    let server = folder.serve(&[]);
    let ask = |arguments: &[&str]| {
        let mut command = folder.command(&[&["merchant"], arguments].concat());
        command.env("ESCROWD_URL", server.url("")).env("ESCROWD_KEY", admin);
        command.output().unwrap()
    };
    let made = ask(&["create", "shop", "--commission-bps", "75", "--business", "true"]);
    assert!(made.status.success(), "{made:?}");
    for (option, text, field) in [
        ("--commission-bps", "null", "commissionBps"),
        ("--commission-bps", "true", "commissionBps"),
        ("--business", "null", "isBusiness"),
        ("--business", "1", "isBusiness"),
    ] {
        let refused = ask(&["set", "shop", option, text]);
        assert_eq!(refused.status.code(), Some(1), "{option} {text}: {refused:?}");
        let said = stderr(&refused);
        assert!(
            said.contains(field) && said.contains(&format!("got \"{text}\"")),
            "{said}"
        );
        let listed = stdout(&ask(&["list"]));
        assert!(listed.contains("commission 75 basis points, business true"), "{listed}");
    }
    let reset = stdout(&ask(&[
        "set",
        "shop",
        "--commission-bps",
        "default",
        "--business",
        "default",
    ]));
    assert!(reset.contains("commission default, business default"), "{reset}");
}

/// A secret is shown once. If it cannot be shown, the error says what was made and how to go on.
#[test]
fn a_full_output_does_not_hide_what_was_made() {
    let folder = WorkFolder::new();
    folder.write("config.toml", "mode = \"live\"\n");
    let full = || File::options().write(true).open("/dev/full").unwrap();
    let told = |mut command: Command| {
        let output = command.stdout(full()).output().unwrap();
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("the output cannot be written: No space left"), "{said}");
        said
    };
    let said = told(folder.command(&["operator", "create", "Eve", "--role", "auditor"]));
    let id = said
        .split("; operator ")
        .nth(1)
        .unwrap()
        .split(' ')
        .next()
        .unwrap()
        .to_owned();
    let done = format!("operator {id} was made in a new database, escrowd.db: revoke it");
    assert!(said.contains(&done), "{said}");
    let revoked = folder.run(&["operator", "revoke", &id, "--reason", "lost"]);
    assert!(revoked.status.success(), "{revoked:?}");

    let made = stdout(&folder.run(&["operator", "create", "Obi", "--role", "admin"]));
    let admin = made
        .split_whitespace()
        .find(|word| word.starts_with("op_live_"))
        .unwrap();
    let server = folder.serve(&[]);
    let asking = |arguments: &[&str]| {
        let mut command = folder.command(arguments);
        command.env("ESCROWD_URL", server.url("")).env("ESCROWD_KEY", admin);
        command
    };
    let said = told(asking(&["operator", "create", "Ada", "--role", "approver"]));
    assert!(
        said.contains("was made: revoke it with `escrowd operator revoke "),
        "{said}"
    );
    for json in [&[][..], &["--json"]] {
        let name = format!("shop{}", json.len());
        let said = told(asking(&[&["merchant", "create", &name][..], json].concat()));
        let next = format!("merchant {name} was made: make a key for it with `escrowd key create {name}`");
        assert!(said.contains(&next), "{said}");
    }
    let said = told(asking(&["key", "create", "shop0"]));
    assert!(
        said.contains("was made: end it with `escrowd key revoke shop0 "),
        "{said}"
    );
    let made = asking(&["key", "create", "shop0", "--json"]).output().unwrap();
    let made: Value = serde_json::from_str(&stdout(&made)).unwrap();
    let said = told(asking(&["key", "rotate", "shop0", made["id"].as_str().unwrap()]));
    assert!(said.contains("replace it with `escrowd key rotate shop0 "), "{said}");
    let hook = [
        "merchant",
        "callback",
        "shop0",
        "--callback-url",
        "https://shop.example/hook",
    ];
    let said = told(asking(&hook));
    assert!(
        said.contains("`escrowd merchant rotate-secret shop0` gives it another secret"),
        "{said}"
    );
    // A reader that has gone is told, too.
    let mut command = asking(&["key", "create", "shop0"]);
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let said = stderr(&command.stdout(writer).output().unwrap());
    assert!(said.contains("Broken pipe") && said.contains("was made"), "{said}");
}
