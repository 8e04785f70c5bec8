//! Several processes on one database: what happens once happens once over all of them.

use std::collections::BTreeSet;
use std::io::{ErrorKind, Read, Write};
use std::process::Stdio;
use std::sync::Barrier;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use postgres::{Client, NoTls};
use serde_json::{Value, json};

use crate::cluster;
use crate::service::{Answer, Service, check, escrowd, said};
use crate::waiting::{until, until_some};

/// The deals of each worker.
const DEALS: usize = 30;
/// The requests that race in each round.
const RACERS: usize = 8;

/// Sends the same request at the same moment, half of them to each process, and returns the
/// replies.
fn race(services: &[Service; 2], request: impl Fn(&Service, usize) -> Answer + Sync) -> Vec<Answer> {
    let gate = Barrier::new(RACERS);
    thread::scope(|scope| {
        let run = |racer: usize| {
            let (gate, request) = (&gate, &request);
            scope.spawn(move || {
                gate.wait();
                request(&services[racer % 2], racer)
            })
        };
        let running: Vec<_> = (0..RACERS).map(run).collect();
        running.into_iter().map(|racer| racer.join().unwrap()).collect()
    })
}

fn statuses(answers: &[Answer], status: u16) -> usize {
    answers.iter().filter(|answer| answer.status == status).count()
}

/// A live start without merchants looks for operators.
#[test]
fn a_live_service_starts_on_a_new_database_and_has_operators() {
    if !cluster::is_installed() {
        return;
    }
    let url = cluster::new_database();
    drop(Service::start_with(&url, &[("ESCROWD_MODE", "live")]));
    for arguments in [&["create", "Ada Obi", "--role", "admin"][..], &["list"]] {
        let mut command = escrowd();
        command.args(["operator", "--database", &url]).args(arguments);
        let output = command.env("ESCROWD_MODE", "live").output().unwrap();
        let said = said(&output);
        assert!(output.status.success() && said.contains("Ada Obi"), "{said}");
    }
}

#[test]
fn a_milestone_is_released_once_and_a_wallet_is_never_overdrawn() {
    if !cluster::is_installed() {
        return;
    }
    let url = cluster::new_database();
    let services = [Service::start(&url), Service::start(&url)];
    for _ in 0..10 {
        let deal = services[0].funded();
        let (escrow, milestone) = (&deal["id"], &deal["milestones"][0]["id"]);
        let path = format!(
            "/v1/escrow/milestone/confirm/{}/{}",
            escrow.as_str().unwrap(),
            milestone.as_str().unwrap()
        );
        let before = services[1].get("/v1/wallet", "ada")["mainBalance"].as_f64().unwrap();
        let answers = race(&services, |service, _| {
            service.send("POST", &path, "ben", &json!({})).unwrap()
        });
        assert_eq!(statuses(&answers, 200), 1, "{answers:?}");
        assert_eq!(statuses(&answers, 400), RACERS - 1, "{answers:?}");
        let after = services[0].get("/v1/wallet", "ada")["mainBalance"].as_f64().unwrap();
        assert!(after > before && after - before <= 100.0, "{before} {after}");
    }
    // Dora can pay for one of these deals and not for two.
    let offer = json!({
        "amount": 600_000, "purpose": "Hall", "whoPays": "buyer",
        "milestones": [{ "title": "Frame", "amount": 300_000 }, { "title": "Tiles", "amount": 300_000 }],
    });
    services[0].get("/v1/wallet", "dora");
    let create = || services[1].post("/v1/escrow/milestone/create", "ada", &offer)["id"].clone();
    let offers: Vec<_> = (0..RACERS).map(|_| create()).collect();
    let answers = race(&services, |service, racer| {
        let body = json!({ "escrowDetails": { "escrowId": offers[racer] } });
        service.send("POST", "/v1/payment/escrow", "dora", &body).unwrap()
    });
    assert_eq!(statuses(&answers, 400), RACERS - 1, "{answers:?}");
    assert_eq!(
        answers.iter().filter(|answer| answer.status < 300).count(),
        1,
        "{answers:?}"
    );
    check(&url);
}

/// A damaged table or index ends all writes, as a damaged file does. A trigger says what PostgreSQL does
/// when it finds one.
#[test]
fn damage_that_the_server_finds_ends_all_writes() {
    if !cluster::is_installed() {
        return;
    }
    let url = cluster::new_database();
    let service = Service::start(&url);
    service.get("/v1/wallet", "ada");
    let mut client = Client::connect(&url, NoTls).unwrap();
    client
        .batch_execute(
            "CREATE FUNCTION find_damage() RETURNS TRIGGER LANGUAGE plpgsql AS $$
             BEGIN
                 RAISE EXCEPTION 'invalid page in block 7' USING ERRCODE = 'XX001';
             END $$;
             CREATE TRIGGER damaged BEFORE INSERT ON customer FOR EACH ROW EXECUTE FUNCTION find_damage()",
        )
        .unwrap();
    let found = service.send("GET", "/v1/wallet", "ben", &Value::Null).unwrap();
    assert!(found.status >= 500, "{found:?}");
    client.batch_execute("DROP TRIGGER damaged ON customer").unwrap();
    let refused = service.send("GET", "/v1/wallet", "ben", &Value::Null).unwrap();
    assert_eq!(
        (refused.status, &refused.body["code"]),
        (503, &json!("ledger_broken")),
        "{refused:?}"
    );
    assert!(
        service.get("/v1/wallet", "ada")["mainBalance"].is_number(),
        "reads go on"
    );
}

#[test]
fn a_start_forgets_the_processes_that_ended_a_month_ago() {
    if !cluster::is_installed() {
        return;
    }
    let url = cluster::new_database();
    drop(Service::start(&url));
    let mut client = Client::connect(&url, NoTls).unwrap();
    client
        .batch_execute(
            "INSERT INTO process_commit (process, number, committed_at)
             SELECT days, 1, now() - days * INTERVAL '1 day' FROM generate_series(28, 32) AS days",
        )
        .unwrap();
    drop(Service::start(&url));
    let left = client.query(
        "SELECT process FROM process_commit WHERE process < 100 ORDER BY process",
        &[],
    );
    let left: Vec<i64> = left.unwrap().iter().map(|row| row.get(0)).collect();
    assert_eq!(left, [28, 29]);
}

#[test]
fn an_idempotency_key_counts_over_all_processes() {
    if !cluster::is_installed() {
        return;
    }
    let url = cluster::new_database();
    let services = [Service::start(&url), Service::start(&url)];
    let offer = json!({
        "amount": 300, "purpose": "Roof", "whoPays": "buyer",
        "milestones": [{ "title": "Frame", "amount": 100 }, { "title": "Tiles", "amount": 200 }],
    });
    for round in 0..10 {
        let key = format!("once-{round}");
        let answers = race(&services, |service, _| {
            let answer = service.send_with_key("POST", "/v1/escrow/milestone/create", "ada", &key, &offer);
            answer.unwrap()
        });
        // One process says that the key is in flight, another waits for the first reply.
        let ids: BTreeSet<String> = answers
            .iter()
            .filter(|answer| answer.status == 201)
            .map(|answer| answer.body["data"]["id"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(ids.len(), 1, "{answers:?}");
        assert_eq!(statuses(&answers, 201) + statuses(&answers, 409), RACERS, "{answers:?}");
    }
    check(&url);
}

/// Ids and numbers of transfers are unique, chains do not break, and no time goes backwards.
#[test]
fn two_processes_write_at_full_speed_and_the_ledger_is_sound() {
    if !cluster::is_installed() {
        return;
    }
    let url = cluster::new_database();
    let services = [Service::start(&url), Service::start(&url)];
    let ids: Vec<String> = thread::scope(|scope| {
        let work = |worker: usize| {
            let service = &services[worker % 2];
            scope.spawn(move || {
                let deals = (0..DEALS).map(|_| service.funded()["id"].as_str().unwrap().to_owned());
                deals.collect::<Vec<_>>()
            })
        };
        let working: Vec<_> = (0..4).map(work).collect();
        working.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), 4 * DEALS);
    check(&url);
}

#[test]
fn another_process_takes_over_the_work_in_the_background() {
    if !cluster::is_installed() {
        return;
    }
    let url = cluster::new_database();
    let receiver = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    receiver.set_nonblocking(true).unwrap();
    let callback = format!("http://{}/hook", receiver.local_addr().unwrap());
    let environment = [("ESCROWD_WEBHOOKS_CALLBACK_URL", callback.as_str())];
    let mut first = Service::start_with(&url, &environment);
    // The one that delivers is the first.
    first.funded();
    wait_for_connection(&receiver);
    let second = Service::start_with(&url, &environment);
    first.kill();
    while receiver.accept().is_ok() {}
    second.funded();
    wait_for_connection(&receiver);
}

/// It stops when its last request is answered, and another one has delivered long before.
#[test]
fn another_process_takes_over_from_one_that_stops() {
    if !cluster::is_installed() {
        return;
    }
    let url = cluster::new_database();
    let receiver = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    receiver.set_nonblocking(true).unwrap();
    let callback = format!("http://{}/hook", receiver.local_addr().unwrap());
    let environment = [
        ("ESCROWD_WEBHOOKS_CALLBACK_URL", callback.as_str()),
        ("ESCROWD_LIMITS_BODY_SECONDS_MAX", "60"),
        ("ESCROWD_LIMITS_STOP_SECONDS_MAX", "60"),
    ];
    let mut first = Service::start_and_tell(&url, &environment, Stdio::piped());
    first.funded();
    wait_for_connection(&receiver);
    let second = Service::start_with(&url, &environment);
    let mut late = std::net::TcpStream::connect(&first.address).unwrap();
    let head = "POST /v1/payment/topup HTTP/1.1\r\nhost: localhost\r\ncustomer-id: ada\r\n\
                content-type: application/json\r\ncontent-length: 66\r\n\r\n{";
    late.write_all(head.as_bytes()).unwrap();
    // The webhooks have come, and their attempts are recorded.
    thread::sleep(Duration::from_secs(1));
    while receiver.accept().is_ok() {}
    first.signal("TERM");
    second.funded();
    wait_for_connection(&receiver);
    let waits = first.is_running();
    late.set_nonblocking(true).unwrap();
    let answer = late.read(&mut [0]).map_err(|error| error.kind());
    drop(late);
    let (status, told) = first.ended();
    assert!(waits, "its last request was not waited for: {status}\n{told}");
    assert_eq!(answer, Err(ErrorKind::WouldBlock), "the last request misses its body");
}

/// A process that hangs keeps its connection, and with it the lock, until the server ends that.
#[test]
fn another_process_takes_over_from_one_that_hangs() {
    if !cluster::is_installed() {
        return;
    }
    let url = cluster::new_database();
    let receiver = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    receiver.set_nonblocking(true).unwrap();
    let callback = format!("http://{}/hook", receiver.local_addr().unwrap());
    let environment = [("ESCROWD_WEBHOOKS_CALLBACK_URL", callback.as_str())];
    let first = Service::start_with(&url, &environment);
    first.funded();
    wait_for_connection(&receiver);
    let second = Service::start_with(&url, &environment);
    first.signal("STOP");
    while receiver.accept().is_ok() {}
    // It may have stopped in the middle of a group, with the lock of the mark.
    wait_for_a_write(&second);
    second.funded();
    wait_for_connection(&receiver);
}

/// Gives a customer another balance.
fn set_balance(service: &Service) -> Result<Answer, ureq::Error> {
    static BALANCE: AtomicU32 = AtomicU32::new(5);
    let balance = BALANCE.fetch_add(1, Ordering::Relaxed);
    let body = json!({ "customerId": "ada", "balance": balance });
    service.send("PUT", "/sandbox/balance", "ada", &body)
}

/// Waits until a write succeeds.
#[track_caller]
fn wait_for_a_write(service: &Service) {
    until("a write succeeds", || set_balance(service).unwrap().status == 200);
}

/// A server that hangs keeps its connections and answers nothing on them, nor on new ones.
#[test]
fn requests_are_answered_while_the_server_hangs() {
    if !cluster::is_installed() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let cluster = cluster::Cluster::start(folder.path(), &[]);
    let service = Service::start_with(&cluster.url("postgres"), &[("ESCROWD_STORAGE_READ_SECONDS_MAX", "1")]);
    wait_for_a_write(&service);
    cluster.signal("STOP");
    let read = service.send("GET", "/v1/wallet", "ada", &Value::Null).unwrap();
    assert_eq!((read.status, &read.body["code"]), (503, &json!("database_unreachable")));
    let written = set_balance(&service).unwrap();
    assert_eq!(written.status, 503, "{}", written.body);
    assert_eq!(service.send("GET", "/readyz", "", &Value::Null).unwrap().status, 503);
    cluster.signal("CONT");
    until("the service goes on", || {
        service.send("GET", "/v1/wallet", "ada", &Value::Null).unwrap().status == 200
    });
    wait_for_a_write(&service);
}

/// A commit waits for a synchronous standby for any time.
#[test]
fn a_stop_gives_up_a_commit_that_waits_for_a_standby() {
    if !cluster::is_installed() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let cluster = cluster::Cluster::start(folder.path(), &[]);
    let url = cluster.url("postgres");
    let service = Service::start_and_tell(&url, &[], Stdio::piped());
    service.funded();
    let mut client = Client::connect(&url, NoTls).unwrap();
    client
        .batch_execute("ALTER SYSTEM SET synchronous_standby_names = 'gone'")
        .unwrap();
    client.batch_execute("SELECT pg_reload_conf()").unwrap();
    thread::scope(|scope| {
        // The server takes a moment to read its settings.
        let waits = scope.spawn(|| while set_balance(&service).is_ok_and(|answer| answer.status == 200) {});
        let waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
        until("a commit waits", || {
            client.query_one(waiting, &[]).unwrap().get::<_, i64>(0) > 0
        });
        service.signal("TERM");
        waits.join().unwrap();
    });
    let (status, told) = service.ended();
    assert_eq!(status.code(), Some(0), "{told}");
    assert!(told.contains("has not answered the last commit"), "{told}");
}

/// Without the lock two processes would do the work, and without listening one would not hear of a
/// revoked key.
#[test]
fn a_leader_whose_session_ends_takes_the_lock_and_listens_again() {
    if !cluster::is_installed() {
        return;
    }
    let url = cluster::new_database();
    let _service = Service::start(&url);
    let mut client = Client::connect(&url, NoTls).unwrap();
    let leader = |client: &mut Client| -> Option<i32> {
        let sql = "SELECT pg_locks.pid FROM pg_locks JOIN pg_stat_activity USING (pid)
                   WHERE locktype = 'advisory' AND mode = 'ExclusiveLock' AND granted AND datname = current_database()";
        Some(client.query_opt(sql, &[]).unwrap()?.get(0))
    };
    let wait_for_leader = |client: &mut Client, not: i32| {
        until_some("another process is the leader", || {
            leader(client).filter(|&pid| pid != not)
        })
    };
    let first = wait_for_leader(&mut client, 0);
    client.query_one("SELECT pg_terminate_backend($1)", &[&first]).unwrap();
    wait_for_leader(&mut client, first);
}

/// The leader has set its timer by the clock before.
#[test]
fn a_clock_that_is_advanced_at_another_process_makes_a_retry_due() {
    if !cluster::is_installed() {
        return;
    }
    let url = cluster::new_database();
    let receiver = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    receiver.set_nonblocking(true).unwrap();
    let callback = format!("http://{}/hook", receiver.local_addr().unwrap());
    let environment = [
        ("ESCROWD_WEBHOOKS_CALLBACK_URL", callback.as_str()),
        ("ESCROWD_WEBHOOKS_RETRY_SECONDS", "3600"),
    ];
    let leader = Service::start_with(&url, &environment);
    leader.funded();
    wait_for_connection(&receiver);
    let other = Service::start_with(&url, &environment);
    // The connections end without an answer, so the attempts fail.
    let mut client = Client::connect(&url, NoTls).unwrap();
    let untried = "SELECT count(*) FROM delivery WHERE attempts = 0 AND due_at IS NOT NULL";
    until("each attempt has ended", || {
        drop(receiver.accept());
        client.query_one(untried, &[]).unwrap().get::<_, i64>(0) == 0
    });
    // The leader sets its timer meanwhile.
    thread::sleep(Duration::from_millis(500));
    other.post("/sandbox/clock/advance", "", &json!({ "by": "2h" }));
    wait_for_connection(&receiver);
}

/// Its notice came while no session listened.
#[test]
fn a_stream_shows_an_event_that_was_committed_while_its_process_did_not_listen() {
    if !cluster::is_installed() {
        return;
    }
    let url = cluster::new_database();
    let other = Service::start(&url);
    other.funded();
    let service = Service::start(&url);
    let mut stream = std::net::TcpStream::connect(&service.address).unwrap();
    stream
        .write_all(b"GET /sandbox/events/stream HTTP/1.1\r\nhost: localhost\r\n\r\n")
        .unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    read_until(&mut stream, "\nid: ");
    let mut client = Client::connect(&url, NoTls).unwrap();
    // The process that does not lead asks for the lock again and again.
    let end_listening = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                         WHERE datname = current_database() AND query LIKE 'SELECT pg_try_advisory_lock%'";
    thread::sleep(Duration::from_secs(1));
    until("a process asks for the lock", || {
        !client.query(end_listening, &[]).unwrap().is_empty()
    });
    other.funded();
    read_until(&mut stream, "event: ");
}

/// Reads until this text has come.
fn read_until(stream: &mut std::net::TcpStream, text: &str) {
    let until = Instant::now() + Duration::from_secs(30);
    let mut received = Vec::new();
    while !String::from_utf8_lossy(&received).contains(text) {
        assert!(Instant::now() < until, "the text has not come");
        let mut piece = [0; 4096];
        let read = stream.read(&mut piece).expect("the text has not come");
        assert_ne!(read, 0, "the stream ended");
        received.extend_from_slice(&piece[..read]);
    }
}

/// Waits until a webhook arrives.
pub(crate) fn wait_for_connection(receiver: &std::net::TcpListener) {
    until("a webhook arrives", || receiver.accept().is_ok());
}
