//! The subcommands demo and check, and invalid command lines.

use std::io::{self, Read as _, Write as _};
use std::net::TcpListener;
use std::process::Output;
use std::thread;

use serde_json::Value;

use crate::helpers::{WorkFolder, get, stderr, stdout};

#[test]
fn the_demo_walks_one_deal_and_ends_with_a_sound_ledger() {
    let work_folder = WorkFolder::new();
    let output = work_folder.run(&["demo"]);
    let shown = stdout(&output);
    assert!(output.status.success(), "{shown}{}", stderr(&output));
    for line in [
        "POST /v1/escrow/milestone/create   customer-id: ada",
        "201 Milestone escrow created successfully",
        "    10250  ben main -> ben escrow  FUND",
        "     3000  ben escrow -> ada main  RELEASE",
        "     2000  ben escrow -> cleo main  RELEASE",
        "       50  ben escrow -> merchant main  COMMISSION",
        "      200  ben escrow -> platform fees  PLATFORM_FEE",
        "      ben  main 1000000 -> 989750  in escrow 0 -> 10000",
        "state CLOSED, status COMPLETED",
        "all twelve invariants hold",
    ] {
        assert!(shown.contains(line), "{line:?} is not in\n{shown}");
    }
    assert!(!shown.contains('\u{1b}'), "no colours where there is no terminal");
    let left_behind = std::fs::read_dir(work_folder.path()).unwrap().count();
    assert_eq!(left_behind, 0, "the demo leaves nothing behind");
}

#[test]
fn the_demo_shows_whole_replies_when_asked() {
    let shown = stdout(&WorkFolder::new().run(&["demo", "--full"]));
    assert!(shown.contains("\"settlementType\": \"MILESTONE\""), "{shown}");
}

#[test]
fn check_tells_a_sound_file_from_a_broken_one_and_from_none() {
    let work_folder = WorkFolder::new();
    let server = work_folder.serve(&["--database", "test.db"]);
    let (status, _) = get(&server.url("/v1/wallet"), &[("customer-id", "ada")]);
    assert_eq!(status, 200);

    let beside_the_server = work_folder.run(&["check", "test.db"]);
    assert!(beside_the_server.status.success(), "{}", stderr(&beside_the_server));
    assert!(stdout(&beside_the_server).contains("The ledger is sound"));
    drop(server);

    let file = rusqlite::Connection::open(work_folder.path().join("test.db")).unwrap();
    file.execute(
        "UPDATE account SET balance = balance + 1 WHERE purpose = 'CUSTOMER_MAIN'",
        [],
    )
    .unwrap();
    drop(file);
    let broken = work_folder.run(&["check", "test.db"]);
    assert_eq!(broken.status.code(), Some(1));
    assert!(stdout(&broken).contains("invariant 2"), "{}", stdout(&broken));

    // Another part of the file that cannot be read hides no finding.
    let file = rusqlite::Connection::open(work_folder.path().join("test.db")).unwrap();
    let unreadable = "UPDATE file_mark SET ledger_time = 9000000000000000000";
    file.execute(unreadable, []).unwrap();
    drop(file);
    let more_broken = work_folder.run(&["check", "test.db"]);
    assert_eq!(more_broken.status.code(), Some(1));
    let shown = stdout(&more_broken);
    assert!(
        shown.contains("invariant 2") && shown.contains("is not a point in time"),
        "{more_broken:?}"
    );
    assert!(shown.contains("The ledger is broken"), "{shown}");

    let missing = work_folder.run(&["check", "nothing.db"]);
    assert_eq!(missing.status.code(), Some(1));
    assert!(stderr(&missing).contains("nothing.db"), "{}", stderr(&missing));
}

#[test]
fn wrong_command_lines_exit_with_2_and_say_why() {
    let work_folder = WorkFolder::new();
    for (arguments, why) in [
        (&["--nonsense"][..], "unexpected argument '--nonsense'"),
        (&["launch"], "unrecognized subcommand 'launch'"),
        (&["--listen", "8080"], "such as 127.0.0.1:8080"),
        (&["check"], "<FILE>"),
        (&["merchant", "set", "shop"], "--country"),
        (
            &[
                "key",
                "revoke",
                "shop",
                "../operators/00d11361a28e00002e8bbb82",
                "--reason",
                "r",
            ],
            "24 lower-case hex characters",
        ),
        (
            &["key", "rotate", "shop", "00d11361a28e00002e8bbb82?x=1"],
            "24 lower-case hex characters",
        ),
        (
            &["operator", "revoke", "1/2", "--reason", "r"],
            "24 lower-case hex characters",
        ),
        (
            &[
                "key",
                "rotate",
                "shop",
                "00d11361a28e00002e8bbb82",
                "--overlap-hours",
                "-1",
            ],
            "-1 is not in 0..",
        ),
        (&["merchant", "set", "shop", "--country", ""], "a value is required"),
        (
            &["merchant", "callback", "shop", "--callback-url", ""],
            "a value is required",
        ),
    ] {
        let output = work_folder.run(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(stderr(&output).contains(why), "{}", stderr(&output));
    }
    assert_eq!(work_folder.run(&["--help"]).status.code(), Some(0));
}

/// A file may end with a line break that becomes part of a key. The key itself is not shown.
#[test]
fn a_value_that_no_request_can_send_is_named() {
    let folder = WorkFolder::new();
    for (key, merchant, name) in [
        ("op_live_secret\n", "shop", "key"),
        ("op_live_secret", "a\nb", "merchant-id"),
    ] {
        let mut command = folder.command(&["merchant", "callback", merchant]);
        let output = command.env("ESCROWD_KEY", key).output().unwrap();
        let said = format!("escrowd: the {name} has a line break or another control character\n");
        assert_eq!((output.status.code(), stderr(&output)), (Some(1), said));
    }
}

/// An option that a variable sets is no part of the command line.
#[test]
fn help_and_usage_are_the_same_with_and_without_variables() {
    let folder = WorkFolder::new();
    for arguments in [
        &["key", "create"][..],
        &["key", "create", "shop", "--nope"],
        &["key", "nope"],
        &["merchant", "set", "--help"],
        &["operator", "revoke", "1"],
        &["health", "nope"],
        &["trigger"],
        &["reset", "--help"],
    ] {
        let mut with = folder.command(arguments);
        let variables = [
            ("ESCROWD_URL", "http://secret@127.0.0.1:1"),
            ("ESCROWD_KEY", "op_live_secret"),
        ];
        let with = with.envs(variables).output().unwrap();
        let mut without = folder.command(arguments);
        let without = without
            .env_remove("ESCROWD_URL")
            .env_remove("ESCROWD_KEY")
            .output()
            .unwrap();
        assert_eq!(stderr(&with), stderr(&without));
        assert_eq!(stdout(&with), stdout(&without));
        assert_eq!(with.status, without.status);
    }
}

/// An option names a running service, also without a key. The command must not work on a file then.
#[test]
fn an_operator_of_a_named_service_is_not_made_in_a_file() {
    let folder = WorkFolder::new();
    folder.write("config.toml", "mode = \"live\"\n");
    let make = ["operator", "create", "Obi", "--role", "admin"];
    let url = ["--url", "http://127.0.0.1:1"];
    let refused = folder.run(&[&make[..], &url].concat());
    assert!(stderr(&refused).contains("set ESCROWD_KEY"), "{}", stderr(&refused));
    let refused = folder.run(&[&make[..], &url, &["--config", "config.toml"]].concat());
    assert!(
        stderr(&refused).contains("leave out one of them"),
        "{}",
        stderr(&refused)
    );
    assert!(!folder.path().join("escrowd.db").exists());
    // The variable is there for the health check, too.
    let in_file = folder.command(&make).env("ESCROWD_URL", url[1]).output().unwrap();
    assert!(in_file.status.success(), "{}", stderr(&in_file));
}

#[test]
fn only_the_command_that_makes_an_operator_makes_a_database() {
    let folder = WorkFolder::new();
    folder.write("config.toml", "mode = \"live\"\n");
    let list = ["operator", "list", "--database", "typo.db"];
    let id = "00d10d7a8bc10000219f93aa";
    let revoke = ["operator", "revoke", id, "--reason", "left", "--database", "typo.db"];
    for arguments in [&list[..], &revoke] {
        let refused = folder.run(arguments);
        assert_eq!(refused.status.code(), Some(1), "{refused:?}");
        assert!(stderr(&refused).contains("typo.db cannot be opened"), "{refused:?}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
    let create = |name: &str, database: &str| {
        ["operator", "create", name, "--role", "admin", "--database", database].map(str::to_owned)
    };
    let refused = folder.run(&create(" Ada", "typo.db").each_ref().map(String::as_str));
    assert!(
        stderr(&refused).contains("NAME must be a name without white space"),
        "{refused:?}"
    );
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    // Only the database knows the merchants.
    let of_merchant = [
        "operator",
        "create",
        "Ada",
        "--role",
        "cashier",
        "--merchant",
        "99",
        "--database",
        "typo.db",
    ];
    let refused = stderr(&folder.run(&of_merchant));
    assert!(
        refused.contains("Merchant not found") && refused.contains("made a new database: typo.db"),
        "{refused}"
    );
    let make = |name: &str| stdout(&folder.run(&create(name, "live.db").each_ref().map(String::as_str)));
    assert!(make("Ada").starts_with("Made a new database: live.db\n"));
    assert!(make("Ben").starts_with("Operator Ben"));

    // A start would migrate it.
    let file = rusqlite::Connection::open(folder.path().join("live.db")).unwrap();
    file.pragma_update(None, "user_version", 1).unwrap();
    drop(file);
    let refused = folder.run(&["operator", "list", "--database", "live.db"]);
    let told = "has schema version 1 and this escrowd reads version 2: a start of the service";
    assert!(stderr(&refused).contains(told), "{refused:?}");
    assert!(!folder.path().join("live.db.version-1").exists());
}

#[test]
fn without_an_answer_the_way_to_a_stopped_service_is_told() {
    let folder = WorkFolder::new();
    let mut list = folder.command(&["operator", "list"]);
    list.env("ESCROWD_URL", "http://127.0.0.1:9")
        .env("ESCROWD_KEY", "op_live_x");
    let refused = stderr(&list.output().unwrap());
    let told = "no escrowd answers; without --url and a key (--key, ESCROWD_KEY) this command works on the database: on a file \
                of a stopped service, or on a PostgreSQL database: GET /operator/operators";
    assert!(refused.contains(told), "{refused}");
}

#[test]
fn operators_of_a_file_are_printed_as_json_when_asked() {
    let folder = WorkFolder::new();
    folder.write("config.toml", "mode = \"live\"\n");
    let json = |arguments: &[&str]| -> Value {
        let output = folder.run(&[arguments, &["--json"]].concat());
        serde_json::from_str(&stdout(&output)).unwrap_or_else(|error| panic!("{error}: {output:?}"))
    };
    let made = json(&["operator", "create", "Obi", "--role", "auditor"]);
    assert!(made["key"].as_str().unwrap().starts_with("op_live_"), "{made}");
    let listed = json(&["operator", "list"]);
    assert_eq!((&listed[0]["id"], &listed[0]["role"]), (&made["id"], &"auditor".into()));
    let revoked = json(&["operator", "revoke", made["id"].as_str().unwrap(), "--reason", "lost"]);
    assert!(revoked["revokedAt"].is_string(), "{revoked}");
}

/// A reason stays in the record of acts for ever, and readers see it as it is.
#[test]
fn the_database_takes_the_reasons_that_the_service_takes() {
    let folder = WorkFolder::new();
    folder.write("config.toml", "mode = \"live\"\n");
    let json = |arguments: &[&str]| -> Value {
        let output = folder.run(&[arguments, &["--json"]].concat());
        serde_json::from_str(&stdout(&output)).unwrap_or_else(|error| panic!("{error}: {output:?}"))
    };
    let made = json(&["operator", "create", "Obi", "--role", "auditor"]);
    let id = made["id"].as_str().unwrap();
    let length = "--reason must be a text of 1 to 500 characters; got ";
    let characters = "--reason must be a text without line breaks, control characters or bidirectional";
    for (reason, told) in [
        ("", length),
        (" \u{200b}", length),
        (&*"r".repeat(501), length),
        ("lost\nfound", characters),
        ("lost\u{202e}dnuof", characters),
    ] {
        let refused = folder.run(&["operator", "revoke", id, "--reason", reason]);
        assert_eq!(refused.status.code(), Some(1), "{refused:?}");
        assert!(stderr(&refused).contains(told), "{}", stderr(&refused));
        assert!(json(&["operator", "list"])[0]["revokedAt"].is_null());
    }
    let revoked = json(&["operator", "revoke", id, "--reason", &"r".repeat(500)]);
    assert!(revoked["revokedAt"].is_string(), "{revoked}");
}

/// Each command is told how its own command line names another file.
#[test]
fn a_foreign_file_is_refused_with_advice_for_the_command() {
    let folder = WorkFolder::new();
    folder.write("text.db", "milk, bread");
    let postgres = "postgres://127.0.0.1:1/escrow";
    for arguments in [
        &["check", "text.db"][..],
        &["position", "text.db"],
        &["backup", "text.db", "copy.db"],
        &["restore", "text.db", "to.db"],
        &["copy", "text.db", postgres],
    ] {
        let said = stderr(&folder.run(arguments));
        let line = said.trim_end();
        assert!(
            line.contains("text.db is not an escrowd file") && line.ends_with("choose another file"),
            "{said}"
        );
    }
    folder.write("live.toml", "mode = \"live\"");
    for arguments in [
        &["serve", "--database", "text.db", "--listen", "127.0.0.1:0"][..],
        &["operator", "list", "--database", "text.db", "--config", "live.toml"],
    ] {
        let said = stderr(&folder.run(arguments));
        assert_eq!(said.matches("choose another file with --database").count(), 1, "{said}");
    }
}

/// Answers one request with this reply. Returns the URL of the server.
fn answer_once(reply: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut head = [0; 4096];
        assert!(stream.read(&mut head).unwrap() > 0);
        stream.write_all(reply.as_bytes()).unwrap();
    });
    url
}

/// Asks a service for a new operator.
fn create_operator_at(url: &str) -> Output {
    let folder = WorkFolder::new();
    let mut create = folder.command(&["operator", "create", "Zoe", "--role", "auditor", "--url", url]);
    create.env("ESCROWD_KEY", "op_live_secret").output().unwrap()
}

#[test]
fn a_redirect_is_not_followed() {
    let elsewhere = TcpListener::bind("127.0.0.1:0").unwrap();
    elsewhere.set_nonblocking(true).unwrap();
    let location = format!("http://{}/operator/operators", elsewhere.local_addr().unwrap());
    for status in ["302 Found", "307 Temporary Redirect"] {
        let head = format!("HTTP/1.1 {status}\r\nlocation: {location}\r\n");
        let url = answer_once(format!("{head}content-length: 0\r\nconnection: close\r\n\r\n"));
        let refused = create_operator_at(&url);
        let told =
            format!("the server sends the client to \"{location}\" (status {status}), and no redirect is followed");
        assert!(stderr(&refused).contains(&told), "{refused:?}");
        assert_eq!((refused.status.code(), stdout(&refused).as_str()), (Some(1), ""));
    }
    let asked = elsewhere.accept().map(|_| ()).map_err(|error| error.kind());
    assert_eq!(asked, Err(io::ErrorKind::WouldBlock));
}

/// An error of a stream may come from another server, such as a proxy.
#[test]
fn a_long_error_of_a_stream_is_not_read_to_its_end() {
    /// More than the client reads and all that the system can hold of a connection.
    const LENGTH: usize = 1 << 30;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let serving = thread::spawn(move || {
        let (mut sent, chunk) = (0, vec![b'x'; 1 << 16]);
        for (reply, length) in [("200 OK", 0), ("502 Bad Gateway", LENGTH)] {
            let (mut stream, _) = listener.accept().unwrap();
            let mut head = [0; 4096];
            assert!(stream.read(&mut head).unwrap() > 0);
            let body = if length == 0 {
                "{\"status\":200,\"data\":{\"now\":\"now\"}}"
            } else {
                ""
            };
            let head = format!("HTTP/1.1 {reply}\r\nconnection: close\r\n\r\n{body}");
            stream.write_all(head.as_bytes()).unwrap();
            while sent < length && stream.write_all(&chunk).is_ok() {
                sent += chunk.len();
            }
        }
        sent
    });
    let refused = WorkFolder::new().run(&["listen", "--url", &url, "--key", "sk_test_x"]);
    let said = stderr(&refused);
    assert!(
        said.contains("returned 502: the reply is longer than 10485760 bytes"),
        "{said}"
    );
    assert_eq!(refused.status.code(), Some(1));
    assert!(serving.join().unwrap() < LENGTH);
}

#[test]
fn a_reply_without_the_new_operator_is_no_success() {
    for data in ["{}", "null", "[]", "{\"id\":\"1\"}"] {
        let body = format!("{{\"status\":200,\"message\":\"m\",\"data\":{data}}}");
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close", body.len());
        let refused = create_operator_at(&answer_once(format!("{head}\r\n\r\n{body}")));
        assert!(
            stderr(&refused).contains("returned 200 without /key in its data"),
            "{refused:?}"
        );
        assert_eq!((refused.status.code(), stdout(&refused).as_str()), (Some(1), ""));
    }
}

#[test]
fn a_key_that_goes_far_in_clear_text_is_warned_of() {
    let warning = "warning: the key goes to escrow.invalid unencrypted";
    assert!(stderr(&create_operator_at("http://escrow.invalid:1")).contains(warning));
    for near in [
        "http://127.0.0.1:1",
        "http://localhost:1",
        "http://[::1]:1",
        "http://escrowd:1",
        "https://escrow.invalid:1",
    ] {
        let said = stderr(&create_operator_at(near));
        assert!(!said.contains("warning") && said.contains("failed"), "{said}");
    }
}

#[test]
fn a_password_in_an_address_is_not_repeated() {
    let folder = WorkFolder::new();
    for arguments in [
        &[
            "operator",
            "list",
            "--key",
            "x",
            "--url",
            "http://u:hunter2@127.0.0.1:1",
        ][..],
        &[
            "merchant",
            "create",
            "Foo",
            "--key",
            "x",
            "--url",
            "http:u:hunter2@127.0.0.1:1",
        ],
        &["clock", "--url", "http://u:hunter2@127.0.0.1:1"],
        &["health", "--url", "ftp://u:hunter2@127.0.0.1:1"],
        &["position", "postgresql:u:hunter2@h/x"],
        &["check", "postgres:/u:hunter2@h/x"],
        &["config", "--database", "Postgres:u:hunter2@h/x"],
        &["backup", "postgresql:u:hunter2@h/x", "copy.db"],
    ] {
        let refused = folder.run(arguments);
        let said = stderr(&refused);
        assert!(
            !refused.status.success() && !said.contains("hunter2"),
            "{arguments:?}: {said}"
        );
        let is_told =
            said.contains("without a user name and a password") || said.contains("postgres://user:password@host");
        assert!(is_told, "{arguments:?}: {said}");
    }
}
