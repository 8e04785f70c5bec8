//! Databases and servers that the service refuses or warns of, and addresses that lead nowhere.

use std::io::{BufRead, BufReader, ErrorKind};
use std::net::TcpStream;
use std::process::Stdio;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use postgres::{Client, NoTls};

use crate::cluster::{self, Cluster};
use crate::ports::free_address;
use crate::service::{Service, escrowd, refusal_to_serve};

#[test]
fn a_database_of_another_program_is_left_alone() {
    if !cluster::is_installed() {
        return;
    }
    let url = cluster::new_database();
    let mut client = Client::connect(&url, NoTls).unwrap();
    client.batch_execute("CREATE TABLE theirs (id BIGINT)").unwrap();
    let said = refusal_to_serve(&url);
    assert!(said.contains("tables of another program"), "{said}");
    let tables = client.query_one(
        "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace",
        &[],
    );
    assert_eq!(tables.unwrap().get::<_, i64>(0), 1);
}

#[test]
fn a_database_of_another_currency_is_refused() {
    if !cluster::is_installed() {
        return;
    }
    let url = cluster::new_database();
    drop(Service::start(&url));
    let output = escrowd()
        .args(["serve", "--listen", "127.0.0.1:0", "--database", &url])
        .env("ESCROWD_CURRENCY", "GHS")
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.contains("made for sandbox in NGN and cannot serve sandbox in GHS"),
        "{said}"
    );
}

#[test]
fn a_server_that_may_lose_commits_is_refused() {
    if !cluster::is_installed() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let cluster = Cluster::start(folder.path(), &["synchronous_commit=off"]);
    let said = refusal_to_serve(&cluster.url("postgres"));
    assert!(said.contains("synchronous_commit"), "{said}");
}

#[test]
fn a_start_says_that_it_waits_for_a_standby() {
    if !cluster::is_installed() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let cluster = Cluster::start(folder.path(), &["synchronous_standby_names=*"]);
    let url = cluster.url("postgres");
    let mut start = escrowd()
        .args(["serve", "--listen", "127.0.0.1:0", "--database", &url])
        .env("ESCROWD_LOG", "warn")
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let stderr = BufReader::new(start.stderr.take().unwrap());
    let (tell, told) = mpsc::channel();
    thread::spawn(move || stderr.lines().try_for_each(|line| tell.send(line.unwrap())));
    let told = told.recv_timeout(Duration::from_secs(20)).unwrap_or_default();
    start.kill().unwrap();
    start.wait().unwrap();
    assert!(
        told.contains("no standby is connected: writes wait until one is"),
        "{told}"
    );
}

#[test]
fn an_address_without_a_server_is_told_without_its_password() {
    let said = refusal_to_serve("postgres://ada:s3cret@127.0.0.1:1/escrow");
    assert!(said.contains("postgres://ada@127.0.0.1:1/escrow"), "{said}");
    assert!(!said.contains("s3cret"), "{said}");
    let said = refusal_to_serve("postgres://ada:s3cret@127.0.0.1:1/escrow?colour=s3cret");
    assert!(!said.contains("s3cret"), "{said}");
}

#[test]
fn a_database_of_another_encoding_is_refused() {
    if !cluster::is_installed() {
        return;
    }
    let url = cluster::new_database();
    let mut client = Client::connect(&url, NoTls).unwrap();
    let name = format!("{}_latin", url.rsplit_once('/').unwrap().1);
    for encoding in ["LATIN1", "SQL_ASCII"] {
        let create =
            format!("CREATE DATABASE {name} ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0");
        client.batch_execute(&create).unwrap();
        let other = format!("{}/{name}", url.rsplit_once('/').unwrap().0);
        let said = refusal_to_serve(&other);
        assert!(said.contains(&format!("its encoding is {encoding}")), "{said}");
        assert!(said.contains("createdb -E UTF8 -T template0"), "{said}");
        client.batch_execute(&format!("DROP DATABASE {name}")).unwrap();
    }
}

#[test]
fn a_role_without_what_it_needs_is_told_the_remedy() {
    if !cluster::is_installed() {
        return;
    }
    let url = cluster::new_database();
    let mut client = Client::connect(&url, NoTls).unwrap();
    for (role, settings, code, remedy) in [
        ("guest", "", "(42501)", "GRANT CREATE ON SCHEMA public"),
        (
            "reader",
            "GRANT CREATE ON SCHEMA public TO reader; ALTER ROLE reader SET default_transaction_read_only = on",
            "(25006)",
            "turn off default_transaction_read_only",
        ),
        (
            "lost",
            "ALTER ROLE lost SET search_path = nowhere",
            "(3F000)",
            "the search_path of the role must name a schema",
        ),
        (
            "few",
            "GRANT CREATE ON SCHEMA public TO few; ALTER ROLE few CONNECTION LIMIT 2",
            "(53300)",
            "raise max_connections or the limit of the role",
        ),
    ] {
        client
            .batch_execute(&format!("CREATE ROLE {role} LOGIN; {settings}"))
            .unwrap();
        let said = refusal_to_serve(&url.replace("postgres://escrowd@", &format!("postgres://{role}@")));
        assert!(said.contains(code) && said.contains(remedy), "{role}: {said}");
    }
}

/// The lock of a preparation that another process holds, as a copy does.
#[test]
fn a_start_that_waits_ends_with_a_signal() {
    if !cluster::is_installed() {
        return;
    }
    let url = cluster::new_database();
    let mut holder = Client::connect(&url, NoTls).unwrap();
    holder
        .batch_execute("SELECT pg_advisory_lock(4995410431150391297)")
        .unwrap();
    for signal in ["-TERM", "-INT"] {
        let address = free_address().to_string();
        let mut start = escrowd()
            .args(["serve", "--listen", &address, "--database", &url])
            .env("ESCROWD_LOG", "info")
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = BufReader::new(start.stderr.take().unwrap())
            .lines()
            .map_while(Result::ok);
        assert!(said.any(|line| line.contains("waiting until it has ended")));
        // A client, or the proxy before it, asks another process at once.
        let refused = TcpStream::connect(&address).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
        let sent = std::process::Command::new("kill")
            .args([signal, &start.id().to_string()])
            .status();
        assert!(sent.unwrap().success());
        assert!(said.any(|line| line.contains("stopped during the start")));
        assert_eq!(start.wait().unwrap().code(), Some(0));
    }
    drop(holder);
    drop(Service::start(&url));
}

#[test]
fn sessions_that_were_idle_for_long_are_kept() {
    if !cluster::is_installed() {
        return;
    }
    let url = cluster::new_database();
    let mut client = Client::connect(&url, NoTls).unwrap();
    let name = url.rsplit_once('/').unwrap().1;
    client
        .batch_execute(&format!("ALTER DATABASE {name} SET idle_session_timeout = '1s'"))
        .unwrap();
    let service = Service::start(&url);
    service.funded();
    for _ in 0..2 {
        thread::sleep(Duration::from_secs(2));
        service.funded();
    }
}
