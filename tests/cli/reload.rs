//! SIGHUP reads the configuration again. It applies what a running service can change, and never
//! ends the service.

use std::fs;
use std::io::Write as _;
use std::net::TcpStream;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::helpers::{RunningServer, WorkFolder, get};
use crate::logs::{line_with, serve_logging};
use crate::waiting::{until, until_ok};

/// Writes a configuration, sends SIGHUP and returns the line of the log that tells the outcome.
#[track_caller]
fn reload(work_folder: &WorkFolder, server: &RunningServer, settings: &str) -> String {
    let told = |log: &str| log.matches("SIGHUP: ").count();
    let log = || fs::read_to_string(work_folder.path().join("log")).unwrap();
    let before = told(&log());
    work_folder.write("config.toml", settings);
    server.signal("-HUP");
    until_ok("SIGHUP is told", || {
        if told(&log()) == before { Err(log()) } else { Ok(()) }
    });
    // The log is replaced after the line.
    thread::sleep(Duration::from_millis(50));
    log()
        .lines()
        .rfind(|line| line.contains("SIGHUP: "))
        .unwrap()
        .to_owned()
}

/// Sends a POST request of Ada with a JSON body, and returns the status and the reply.
fn post(server: &RunningServer, path: &str, body: &Value) -> (u16, Value) {
    let agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .build()
        .new_agent();
    let request = agent.post(server.url(path)).header("customer-id", "ada");
    let mut answer = request
        .header("content-type", "application/json")
        .send(body.to_string())
        .unwrap();
    let text = answer.body_mut().read_to_string().unwrap();
    (answer.status().as_u16(), serde_json::from_str(&text).unwrap())
}

/// Offers an escrow of 10,000 and returns its fee.
fn fee_of_offer(server: &RunningServer) -> Value {
    let terms = json!({
        "amount": 10000,
        "purpose": "A bicycle",
        "whoPays": "seller",
        "maxDelivery": 3,
        "deliveryTimeline": "days",
    });
    let (status, reply) = post(server, "/v1/escrow/create", &terms);
    assert!(status < 300, "{reply}");
    reply["data"]["fee"].clone()
}

#[test]
fn new_rates_hold_for_new_escrows_at_once() {
    let work_folder = WorkFolder::new();
    let server = serve_logging(&work_folder, "log = \"warn\"\n");
    assert_eq!(fee_of_offer(&server), 200);
    let line = reload(&work_folder, &server, "log = \"warn\"\n[fees]\nplatform_bps = 300\n");
    assert!(line.ends_with("SIGHUP: applied fees.platform_bps"), "{line}");
    assert_eq!(fee_of_offer(&server), 300);
    let line = reload(&work_folder, &server, "log = \"warn\"\n[fees]\nplatform_bps = 300\n");
    assert!(line.ends_with("SIGHUP: the configuration has not changed"), "{line}");
    let line = reload(&work_folder, &server, "log = \"warn\"\n");
    assert!(line.ends_with("applied fees.platform_bps"), "{line}");
    assert_eq!(fee_of_offer(&server), 200, "the default holds again");
}

#[test]
fn an_invalid_configuration_changes_nothing() {
    let work_folder = WorkFolder::new();
    let server = serve_logging(&work_folder, "[fees]\nplatform_bps = 300\n");
    for (settings, problem) in [
        (
            "[fees]\nplatform_bps = \"a lot\"\n",
            "must be a whole number from 0 to 5000",
        ),
        (
            "[fees]\nplatform_bps = 400\ncommision_bps = 1\n",
            "unknown field `commision_bps`",
        ),
        (
            "[fees]\nplatform_bps = 4000\ncommission_bps = 4000\n",
            "at most 5000 together",
        ),
        ("listen = \"0.0.0.0:1\"\nfees = [\n", "TOML"),
        (
            "mode = \"live\"\nephemeral = true\n[fees]\nplatform_bps = 400\n",
            "ephemeral is for mode",
        ),
    ] {
        let line = reload(&work_folder, &server, settings);
        assert!(
            line.contains("ERROR") && line.contains("everything stays as it was"),
            "{line}"
        );
        assert!(line.contains(problem), "{line}");
        assert_eq!(fee_of_offer(&server), 300);
    }
    fs::remove_file(work_folder.path().join("config.toml")).unwrap();
    fs::create_dir(work_folder.path().join("config.toml")).unwrap();
    server.signal("-HUP");
    line_with(&work_folder, "config.toml cannot be read");
    assert_eq!(fee_of_offer(&server), 300);
}

#[test]
fn a_file_that_is_gone_changes_nothing() {
    let work_folder = WorkFolder::new();
    let server = serve_logging(&work_folder, "[fees]\nplatform_bps = 300\n");
    fs::remove_file(work_folder.path().join("config.toml")).unwrap();
    server.signal("-HUP");
    let line = line_with(&work_folder, "config.toml was read before and is gone");
    assert!(line.contains("everything stays as it was"), "{line}");
    assert_eq!(fee_of_offer(&server), 300);
    let line = reload(&work_folder, &server, "[fees]\nplatform_bps = 400\n");
    assert!(line.ends_with("applied fees.platform_bps"), "{line}");
}

#[test]
fn a_level_that_writes_more_is_told_in_the_log() {
    let work_folder = WorkFolder::new();
    let server = serve_logging(&work_folder, "log = \"error\"\n");
    let line = reload(&work_folder, &server, "log = \"warn\"\n");
    assert!(line.ends_with("SIGHUP: applied log"), "{line}");
}

#[test]
fn settings_that_need_a_restart_are_named_and_not_applied() {
    let work_folder = WorkFolder::new();
    let server = serve_logging(&work_folder, "");
    let changed = "database = \"other.db\"\nlisten = \"127.0.0.1:9\"\n[storage]\nreaders = 4\n\
                   [webhooks]\ncallback_url = \"http://127.0.0.1:9/secret\"\n[fees]\nplatform_bps = 300\n";
    let line = reload(&work_folder, &server, changed);
    assert!(
        line.ends_with(
            "SIGHUP: applied fees.platform_bps; database, storage.readers, webhooks.callback_url must wait for a restart"
        ),
        "the flag --listen overrides the file: {line}"
    );
    assert!(!line.contains("secret"));
    assert_eq!(fee_of_offer(&server), 300);
    assert!(!work_folder.path().join("other.db").exists());
    let line = reload(
        &work_folder,
        &server,
        "[storage]\nreaders = 4\n[fees]\nplatform_bps = 300\n",
    );
    assert!(
        line.ends_with("SIGHUP: nothing is applied; storage.readers must wait for a restart"),
        "{line}"
    );
}

#[test]
fn log_limits_origins_and_proxies_change_without_a_restart() {
    let work_folder = WorkFolder::new();
    let server = serve_logging(&work_folder, "log = \"warn\"\n");
    let status = |headers: &[(&str, &str)]| get(&server.url("/v1/wallet"), headers).0;
    let ada = ("customer-id", "ada");
    assert_eq!([status(&[ada]), status(&[ada]), status(&[ada])], [200; 3]);
    let line = reload(
        &work_folder,
        &server,
        "log_format = \"json\"\ntrusted_proxies = [\"127.0.0.1\"]\nallowed_origins = [\"https://shop.example\"]\n\
         [limits]\nrequests_per_minute = 2\n",
    );
    let applied = "allowed_origins, limits.requests_per_minute, log, log_format, trusted_proxies";
    assert!(line.ends_with(applied), "the line has the old format: {line}");
    // A request by a trusted proxy needs a key.
    assert_eq!(status(&[ada]), 401);
    let key = ("authorization", "Bearer sk_test_shop");
    assert_eq!(
        [status(&[ada, key]), status(&[ada, key]), status(&[ada, key])],
        [200, 200, 429]
    );
    let logged = line_with(&work_folder, "\"status\":429");
    let logged: Value = serde_json::from_str(&logged).unwrap();
    assert_eq!(logged["path"], "/v1/wallet");
    let mut stream = TcpStream::connect(&server.address).unwrap();
    stream
        .write_all(
            b"GET /livez HTTP/1.1\r\nhost: localhost\r\norigin: https://shop.example\r\nconnection: close\r\n\r\n",
        )
        .unwrap();
    let mut reply = String::new();
    std::io::Read::read_to_string(&mut stream, &mut reply).unwrap();
    assert!(
        reply.contains("access-control-allow-origin: https://shop.example"),
        "{reply}"
    );
    let line = reload(&work_folder, &server, "log = \"error\"\n");
    let line: Value = serde_json::from_str(&line).unwrap();
    assert!(
        line["message"].as_str().unwrap().starts_with("SIGHUP: applied "),
        "{line}"
    );
    let length = || fs::metadata(work_folder.path().join("log")).unwrap().len();
    let before = length();
    assert_eq!(
        [status(&[ada]), status(&[ada]), status(&[ada])],
        [200; 3],
        "without a limit"
    );
    assert_eq!(length(), before, "requests are not logged");
}

/// Each client could then choose the address that limits and the record of acts have.
#[test]
fn trust_in_every_address_is_warned_of_at_a_start_and_a_reload() {
    let work_folder = WorkFolder::new();
    let trusting = |proxies: &str| format!("mode = \"live\"\ntrusted_proxies = [{proxies}]\n");
    let server = serve_logging(&work_folder, &trusting("\"10.0.0.0/8\", \"0.0.0.0/0\""));
    let warning = "any client can set its own address in X-Forwarded-For";
    let line = line_with(&work_folder, warning);
    assert!(line.contains("trusted_proxies has 0.0.0.0/0,"), "{line}");
    reload(&work_folder, &server, &trusting("\"::/0\""));
    line_with(&work_folder, "trusted_proxies has ::/0,");
    let log = fs::read_to_string(work_folder.path().join("log")).unwrap();
    assert_eq!(log.matches(warning).count(), 2, "{log}");
}

#[test]
fn the_environment_still_overrides_the_file() {
    let work_folder = WorkFolder::new();
    work_folder.write("config.toml", "");
    let mut command = work_folder.server(&[]);
    command.env("ESCROWD_FEES_PLATFORM_BPS", "250");
    command.stderr(fs::File::create(work_folder.path().join("log")).unwrap());
    let server = RunningServer::start(command);
    assert_eq!(fee_of_offer(&server), 250);
    let line = reload(&work_folder, &server, "[fees]\nplatform_bps = 300\n");
    assert!(line.ends_with("the configuration has not changed"), "{line}");
    assert_eq!(fee_of_offer(&server), 250);
}

#[test]
fn a_storm_of_signals_fails_no_request() {
    let work_folder = WorkFolder::new();
    let mut server = serve_logging(&work_folder, "log = \"warn\"\n");
    fee_of_offer(&server);
    let (is_over, answered) = (AtomicBool::new(false), AtomicU32::new(0));
    let running = &server;
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !is_over.load(Ordering::SeqCst) {
                    let fee = fee_of_offer(running);
                    assert!(fee == 200 || fee == 300, "{fee}");
                    answered.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        for round in 0..60 {
            let rate = if round % 2 == 0 { 300 } else { 200 };
            work_folder.write(
                "config.toml",
                &format!("log = \"warn\"\n[fees]\nplatform_bps = {rate}\n"),
            );
            running.signal("-HUP");
        }
        is_over.store(true, Ordering::SeqCst);
    });
    assert!(answered.load(Ordering::SeqCst) > 0);
    work_folder.write("config.toml", "log = \"warn\"\n[fees]\nplatform_bps = 100\n");
    running.signal("-HUP");
    // A signal of the storm that is still waiting may read this configuration first.
    until("the last configuration is applied", || fee_of_offer(&server) == 100);
    server.signal("-TERM");
    assert_eq!(server.wait().code(), Some(0));
}

/// A pipe in place of the configuration blocks each process that opens it.
#[test]
fn a_configuration_that_blocks_keeps_the_service_from_nothing() {
    let work_folder = WorkFolder::new();
    let mut server = serve_logging(&work_folder, "log = \"warn\"\n");
    let config = work_folder.path().join("config.toml");
    fs::remove_file(&config).unwrap();
    let made = Command::new("mkfifo").arg(&config).status().unwrap();
    assert!(made.success());
    server.signal("-HUP");
    thread::sleep(Duration::from_millis(200));
    assert_eq!(fee_of_offer(&server), 200);
    server.signal("-TERM");
    assert_eq!(server.wait().code(), Some(0));
}
