//! Databases and servers that the service refuses or warns of, and addresses that lead nowhere.

use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use postgres::{Client, NoTls};

use crate::cluster::{self, Cluster};
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
