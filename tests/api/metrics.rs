//! The metrics for Prometheus, on an address of their own.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::cluster;
use crate::desk::{BEN, receipt, spawn_desk_with};
use crate::helpers::{Answer, LIVE_KEY, TestApp, new_customer, spawn_app, spawn_app_with};
use crate::live_merchants::TestConfig;

pub(crate) fn with_metrics(config: &mut TestConfig) {
    config.metrics.listen = Some(SocketAddr::from(([127, 0, 0, 1], 0)));
}

/// Sends these bytes to the metrics, and returns all that comes until the connection ends.
fn exchange(app: &TestApp, request: &str) -> String {
    exchange_with(app.metrics_address.unwrap(), request)
}

fn exchange_with(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).unwrap();
    reply
}

/// Returns the metrics as they are now: a scrape may be answered with the one before.
pub(crate) fn scrape(app: &TestApp) -> String {
    scrape_from(app.metrics_address.unwrap())
}

fn scrape_from(address: SocketAddr) -> String {
    thread::sleep(Duration::from_millis(1_100));
    let reply = exchange_with(
        address,
        "GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n",
    );
    let (head, body) = reply.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    assert!(
        head.contains("content-type: text/plain; version=0.0.4; charset=utf-8"),
        "{head}"
    );
    body.to_owned()
}

/// Returns the metrics once this sample is not 0, or those after 20 seconds.
fn scrape_counted(app: &TestApp, sample: &str) -> String {
    let until = Instant::now() + Duration::from_secs(20);
    loop {
        let text = scrape(app);
        if value(&text, sample) > 0.0 || Instant::now() > until {
            return text;
        }
    }
}

/// Returns the value of the sample with this name and these labels.
#[track_caller]
pub(crate) fn value(text: &str, sample: &str) -> f64 {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '));
    let value = line.unwrap_or_else(|| panic!("no {sample} in {text}"));
    value.parse().unwrap()
}

/// Returns the value of a sample that is a whole number.
#[track_caller]
fn whole(text: &str, sample: &str) -> i64 {
    format!("{:.0}", value(text, sample)).parse().unwrap()
}

#[track_caller]
fn assert_value(text: &str, sample: &str, expected: i64) {
    assert_eq!(whole(text, sample), expected, "{sample}");
}

#[test]
fn there_are_no_metrics_unless_an_address_is_configured() {
    let app = spawn_app();
    assert_eq!(app.metrics_address, None);
    assert_eq!(app.send("GET", "/metrics", &[], None).status, 404);
}

#[test]
fn the_address_of_the_metrics_has_nothing_else() {
    let app = spawn_app_with(with_metrics);
    for (request, status) in [
        ("GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n", "404"),
        (
            "GET /v1/wallet HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n",
            "404",
        ),
        (
            "GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n",
            "404",
        ),
        (
            "GET /metrics/ HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n",
            "404",
        ),
        (
            "HEAD /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n",
            "405",
        ),
        (
            "POST /metrics HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\n\r\n{}",
            "405",
        ),
        (
            "POST /metrics HTTP/1.1\r\nhost: localhost\r\ncontent-length: 200000\r\n\r\n{}",
            "405",
        ),
        (
            "GET /metrics?x=1 HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n",
            "200",
        ),
    ] {
        let began = Instant::now();
        let reply = exchange(&app, request);
        assert!(reply.starts_with(&format!("HTTP/1.1 {status} ")), "{request}: {reply}");
        assert!(began.elapsed() < Duration::from_secs(15), "{request}");
    }
}

/// A web page could otherwise read them by a host name of its own that resolves to this machine.
#[test]
fn metrics_on_a_loopback_address_answer_this_machine_alone() {
    let get = |address: SocketAddr, target: &str, host: &str| {
        let reply = exchange_with(
            address,
            &format!("GET {target} HTTP/1.1\r\n{host}connection: close\r\n\r\n"),
        );
        reply[9..12].to_owned()
    };
    let app = spawn_app_with(with_metrics);
    let address = app.metrics_address.unwrap();
    for host in ["localhost", &address.to_string(), "[::1]:9464"] {
        assert_eq!(get(address, "/metrics", &format!("host: {host}\r\n")), "200", "{host}");
    }
    for host in [
        "evil.example",
        "evil.example:9464",
        "192.0.2.7",
        "localhost.evil.example",
    ] {
        let host = format!("host: {host}\r\n");
        assert_eq!(get(address, "/metrics", &host), "403", "{host}");
        assert_eq!(get(address, "/", &host), "403", "{host}");
    }
    assert_eq!(
        get(address, "http://evil.example/metrics", "host: localhost\r\n"),
        "403"
    );
    // In a network of containers a scraper uses the name of the service.
    let anywhere = spawn_app_with(|config| config.metrics.listen = Some(SocketAddr::from(([0, 0, 0, 0], 0))));
    let reachable = SocketAddr::from(([127, 0, 0, 1], anywhere.metrics_address.unwrap().port()));
    assert_eq!(get(reachable, "/metrics", "host: escrowd:9464\r\n"), "200");
}

#[test]
fn requests_are_counted_by_route_and_status() {
    let app = spawn_app_with(with_metrics);
    let deal = app.offered();
    app.pay_for("ben", &deal).ok();
    for milestone in &deal.milestones {
        app.confirm_milestone("ben", &deal.id, milestone).ok();
    }
    app.confirm_milestone("ben", &deal.id, &deal.milestones[0]);
    app.send("GET", "/v1/nothing/at/all?key=secret", &[], None);
    app.send("PATCH", "/v1/wallet", &[], None);
    let text = scrape(&app);
    let confirm = "method=\"POST\",route=\"/v1/escrow/milestone/confirm/{escrowId}/{milestoneId}\"";
    assert_value(
        &text,
        &format!("escrowd_http_requests_total{{{confirm},status=\"200\"}}"),
        2,
    );
    assert_value(
        &text,
        &format!("escrowd_http_requests_total{{{confirm},status=\"400\"}}"),
        1,
    );
    assert_value(
        &text,
        &format!("escrowd_http_request_duration_seconds_count{{{confirm}}}"),
        3,
    );
    let none = "method=\"none\",route=\"none\"";
    assert_value(
        &text,
        &format!("escrowd_http_requests_total{{{none},status=\"404\"}}"),
        1,
    );
    assert_value(
        &text,
        &format!("escrowd_http_requests_total{{{none},status=\"405\"}}"),
        1,
    );
    for secret in [deal.id.as_str(), "nothing", "secret", "ben"] {
        assert!(!text.contains(secret), "{secret}");
    }
}

#[test]
fn the_writer_its_files_and_the_process_are_measured() {
    if cluster::is_wanted() {
        // There are no files.
        return;
    }
    let app = spawn_app_with(with_metrics);
    app.wallet("ada").ok();
    for _ in 0..3 {
        app.top_up("ada", 1000).ok();
    }
    let text = scrape_counted(&app, "escrowd_checkpoints_total");
    assert!(value(&text, "escrowd_writer_commit_duration_seconds_count") >= 4.0);
    assert!(value(&text, "escrowd_writer_group_commands_sum") >= 4.0);
    assert_value(&text, "escrowd_writer_queue_commands", 0);
    assert_value(&text, "escrowd_writer_refused_commands_total", 0);
    assert!(value(&text, "escrowd_database_bytes") > 100_000.0);
    assert!(value(&text, "escrowd_write_ahead_log_bytes") >= 0.0);
    assert!(
        value(&text, "escrowd_checkpoints_total") >= 1.0,
        "an idle service settles"
    );
    assert!(value(&text, "escrowd_connections_open") >= 1.0);
    assert_value(&text, "escrowd_connections_closed_by_limit_total", 0);
    assert_value(&text, "escrowd_ready", 1);
    assert_value(&text, "escrowd_build_info{version=\"0.1.0\"}", 1);
    assert!(value(&text, "process_resident_memory_bytes") > 1_000_000.0);
    assert!(value(&text, "process_open_fds") > 3.0);
    assert!(value(&text, "process_cpu_seconds_total") >= 0.0);
}

#[test]
fn a_full_queue_shows() {
    if cluster::is_wanted() {
        // It changes rows of a file.
        return;
    }
    let app = spawn_app_with(|config| {
        with_metrics(config);
        config.storage.queue_commands_max = 1;
    });
    app.wallet("ada").ok();
    let outside = app.sqlite();
    outside.execute_batch("BEGIN IMMEDIATE").unwrap();
    thread::scope(|scope| {
        let requests: Vec<_> = (0..6).map(|_| scope.spawn(|| app.top_up("ada", 1000).status)).collect();
        thread::sleep(Duration::from_millis(300));
        let text = scrape(&app);
        assert_value(&text, "escrowd_writer_queue_commands", 1);
        outside.execute_batch("ROLLBACK").unwrap();
        let statuses: Vec<u16> = requests.into_iter().map(|request| request.join().unwrap()).collect();
        assert!(statuses.contains(&200) && statuses.contains(&503), "{statuses:?}");
        let refused = statuses.iter().filter(|status| **status == 503).count();
        let text = scrape(&app);
        assert_value(
            &text,
            "escrowd_writer_refused_commands_total",
            refused.try_into().unwrap(),
        );
        assert_value(&text, "escrowd_writer_queue_commands", 0);
    });
}

#[test]
fn money_is_added_up_and_a_difference_shows() {
    let app = spawn_app_with(with_metrics);
    let deal = app.offered();
    app.pay_for("ben", &deal).ok();
    // Another merchant, and one that a reset leaves behind.
    let other = [("authorization", "Bearer sk_test_other"), ("customer-id", "cleo")];
    app.send("GET", "/v1/wallet", &other, None).ok();
    app.reset("sk_test_other");
    app.send("GET", "/v1/wallet", &other, None).ok();
    let text = scrape(&app);
    assert_value(&text, "escrowd_totals_read", 1);
    let all: i64 = [
        "customer_main",
        "customer_escrow",
        "merchant_main",
        "platform_fees",
        "in_transit",
        "suspense",
        "outside_world",
    ]
    .iter()
    .map(|account| whole(&text, &format!("escrowd_balance_minor{{account=\"{account}\"}}")))
    .sum();
    assert_eq!(all, 0, "money is conserved: {text}");
    assert!(value(&text, "escrowd_balance_minor{account=\"customer_escrow\"}") >= 1_000_000.0);
    for sums in ["accounts", "in_transit", "suspense"] {
        assert_value(
            &text,
            &format!("escrowd_position_difference_minor{{sums=\"{sums}\"}}"),
            0,
        );
    }
}

/// Returns the body that creates a customer, each with another phone.
fn customer(number: i32) -> Value {
    let mut body = new_customer();
    body["phone"] = json!(format!("080123456{:02}", 50 + number));
    body["email"] = json!(format!("ada{number}@shop.example"));
    body
}

#[test]
fn a_balance_that_does_not_agree_shows() {
    if cluster::is_wanted() {
        // It changes rows of a file.
        return;
    }
    let app = spawn_desk_with(with_metrics);
    app.by(BEN, "POST", "/receipts", &receipt(100, "bank-1", &json!({})))
        .ok();
    let text = scrape(&app);
    assert_value(&text, "escrowd_balance_minor{account=\"suspense\"}", 10_000);
    assert_value(&text, "escrowd_position_difference_minor{sums=\"suspense\"}", 0);
    let outside = app.sqlite();
    // The service sees a change of another program after its next commit, which must not be one
    // that moves this balance: it would take the changed balance as its own.
    let change = |by: i32| {
        let sql = format!("UPDATE account SET balance = balance + {by} WHERE purpose = 'SUSPENSE'");
        outside.execute_batch(&sql).unwrap();
        app.json_with_key(LIVE_KEY, "POST", "/v1/customer/create", "", &customer(by))
            .ok();
    };
    change(7);
    let text = scrape(&app);
    assert_value(&text, "escrowd_position_difference_minor{sums=\"accounts\"}", 7);
    assert_value(&text, "escrowd_position_difference_minor{sums=\"suspense\"}", 7);
    assert_value(&text, "escrowd_position_difference_minor{sums=\"in_transit\"}", 0);
    // The ledger that a test leaves behind must be right.
    change(-7);
}

#[test]
fn pending_deliveries_and_attempts_are_counted() {
    let app = spawn_app_with(with_metrics);
    let url = json!({ "url": "http://127.0.0.1:9/none" });
    app.as_merchant("PUT", "/sandbox/callback", Some(&url)).ok();
    app.offered();
    app.top_up("ada", 1000).ok();
    let failed = "escrowd_webhook_attempts_total{outcome=\"failed\"}";
    let text = scrape_counted(&app, failed);
    assert!(value(&text, "escrowd_webhook_pending_deliveries") >= 1.0);
    assert!(value(&text, failed) >= 1.0);
    assert_value(&text, "escrowd_webhook_attempts_total{outcome=\"delivered\"}", 0);
    let age = value(&text, "escrowd_webhook_oldest_pending_seconds");
    assert!((0.5..60.0).contains(&age), "{age}");
}

#[test]
fn a_stopping_service_is_not_ready() {
    let mut app = spawn_app_with(|config| {
        with_metrics(config);
        config.limits.stop_seconds_max = 20;
    });
    // The workers have started when they answer.
    app.wallet("ada").ok();
    // The body of a request in flight holds the stop up.
    let mut slow = app.connect();
    let head = "POST /v1/payment/topup HTTP/1.1\r\nhost: localhost\r\ncustomer-id: ada\r\n\
                content-type: application/json\r\ncontent-length: 15\r\nexpect: 100-continue\r\n\r\n";
    slow.write_all(head.as_bytes()).unwrap();
    assert_eq!(Answer::read_from(&slow).status, 100);
    let metrics = app.metrics_address.unwrap();
    thread::scope(|scope| {
        let stop = scope.spawn(|| app.stop());
        // The stop may begin late.
        let is_ready = |_| whole(&scrape_from(metrics), "escrowd_ready") == 1;
        assert!(!(0..4).all(is_ready));
        slow.write_all(b"{\"amount\":1000}").unwrap();
        assert_eq!(Answer::read_from(&slow).status, 200);
        stop.join().unwrap();
    });
}

/// Clients that send half a request, or take nothing, keep no other out.
#[test]
fn connections_to_the_metrics_are_bounded() {
    let app = spawn_app_with(with_metrics);
    let idle: Vec<TcpStream> = (0..40)
        .map(|_| {
            let mut stream = TcpStream::connect(app.metrics_address.unwrap()).unwrap();
            stream.write_all(b"GET /met").unwrap();
            stream
        })
        .collect();
    let text = scrape(&app);
    assert_value(&text, "escrowd_ready", 1);
    // Most of them made room for it. They would be closed later in any case.
    let is_closed = |mut stream: &TcpStream| {
        stream.set_nonblocking(true).unwrap();
        stream.read(&mut [0]).is_ok_and(|count| count == 0)
    };
    let closed = idle.iter().filter(|stream| is_closed(stream)).count();
    assert!((24..40).contains(&closed), "{closed} of 40 connections are closed");
}

#[test]
fn many_scrapes_at_once_get_one_text() {
    let app = spawn_app_with(with_metrics);
    scrape(&app);
    let request = "GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    let get_one_text = |_| {
        thread::sleep(Duration::from_millis(1_100));
        let texts: Vec<String> = thread::scope(|scope| {
            let scrapes: Vec<_> = (0..8).map(|_| scope.spawn(|| exchange(&app, request))).collect();
            scrapes.into_iter().map(|scrape| scrape.join().unwrap()).collect()
        });
        let mut bodies = texts.iter().map(|text| text.split_once("\r\n\r\n").unwrap().1);
        let first = bodies.next().unwrap();
        bodies.all(|body| body == first)
    };
    // The scrapes of a busy machine may take longer than a text is kept.
    assert!((0..5).any(get_one_text));
}

#[test]
fn the_newest_backup_shows() {
    if cluster::is_wanted() {
        // There are no backups of a server.
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let app = spawn_app_with(|config| {
        with_metrics(config);
        config.backups.folder = Some(folder.path().join("backups"));
    });
    let mut text = scrape(&app);
    while whole(&text, "escrowd_backup_last_success_timestamp_seconds") == 0 {
        text = scrape(&app);
    }
    assert_eq!(whole(&text, "escrowd_backup_failures_total"), 0);
    let text = scrape(&spawn_app_with(with_metrics));
    assert!(!text.contains("escrowd_backup"), "a service without backups shows none");
}
