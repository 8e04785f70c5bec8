//! Backups while clients write (reliability R24). Each holds every write that was acknowledged
//! before it began, and a prefix of the history: the transfers that the final file has first.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use rusqlite::{Connection, OpenFlags};
use serde_json::json;

use crate::campaign::turn;
use crate::client::Request;
use crate::load;
use crate::seed::{Random, number_from_environment};
use crate::server::{DATABASE, Disk, Server};

const CLIENTS: usize = 4;
/// The customer whose top-ups are acknowledged before each backup begins.
const WITNESS: &str = "witness";
/// The amount of the first of these top-ups in naira; each next one is 1 more.
const FIRST_AMOUNT: u64 = 2_000;

/// The transfers of the one merchant in their order, each with its hash. The hash covers all
/// transfers before it.
fn chain(database: &Path) -> Vec<(i64, Vec<u8>)> {
    let connection = Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let mut transfers = connection.prepare("SELECT id, hash FROM transfer ORDER BY id").unwrap();
    let rows = transfers.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    rows.map(Result::unwrap).collect()
}

fn has_top_up(database: &Path, amount: u64) -> bool {
    let connection = Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let sql = "SELECT 1 FROM transfer JOIN account ON account.id = credit_account_id
               WHERE kind = 'TOP_UP' AND customer_id = ?1 AND amount = ?2";
    let minor = i64::try_from(amount * 100).unwrap();
    connection.prepare(sql).unwrap().exists((WITNESS, minor)).unwrap()
}

fn top_up(server: &Server, amount: u64) {
    let answer = server.connect().send(&Request {
        method: "POST",
        path: "/v1/payment/topup",
        customer: WITNESS,
        mark: "",
        idempotency_key: "",
        body: Some(json!({ "amount": amount })),
    });
    assert_eq!(answer.unwrap().status, 200);
}

#[test]
fn a_backup_under_load_is_a_prefix_of_history() {
    let _turn = turn();
    let backups = number_from_environment("BACKUPS").unwrap_or(3);
    let mut random = Random::from_environment();
    let disk = Disk::new();
    let server = disk.serve(&[]);
    load::register(CLIENTS, &mut server.connect());
    let mut clients = load::clients(CLIENTS, &mut random);
    let (stop, address) = (AtomicBool::new(false), server.address.clone());
    let name = |number: u64| format!("backup-{number}.db");
    thread::scope(|scope| {
        for client in &mut clients {
            scope.spawn(|| client.run(&address, &stop));
        }
        for number in 0..backups {
            top_up(&server, FIRST_AMOUNT + number);
            let made = disk
                .command()
                .args(["backup", DATABASE, &name(number)])
                .output()
                .unwrap();
            assert!(made.status.success(), "{made:?}");
        }
        stop.store(true, Ordering::Relaxed);
    });
    drop(server);

    let last = chain(&disk.path(DATABASE));
    let mut lengths = Vec::new();
    for number in 0..backups {
        let backup = disk.path(&name(number));
        let transfers = chain(&backup);
        assert!(
            has_top_up(&backup, FIRST_AMOUNT + number),
            "backup {number} lacks an acknowledged write"
        );
        assert_eq!(transfers[..], last[..transfers.len()], "backup {number} is no prefix");
        lengths.push(transfers.len());
    }
    println!("{backups} backups of {lengths:?} transfers, at the end {}", last.len());
    let grows = lengths.windows(2).all(|pair| pair[0] < pair[1]);
    assert!(
        grows && lengths[lengths.len() - 1] < last.len(),
        "nothing was written meanwhile: {lengths:?}"
    );

    let restored = Disk::new();
    let from = disk.path(&name(backups - 1));
    let arguments = ["restore", from.to_str().unwrap(), DATABASE];
    let put = restored.command().args(arguments).output().unwrap();
    assert!(put.status.success(), "{put:?}");
    let server = restored.serve(&[]);
    let wallet = server.connect().get("/v1/wallet", WITNESS).unwrap().body;
    let sum: u64 = 1_000_000 + (0..backups).map(|number| FIRST_AMOUNT + number).sum::<u64>();
    assert_eq!(wallet["data"]["mainBalance"], json!(sum));
    top_up(&server, 1_000);
    drop(server);
    assert_eq!(restored.check(), None);
}
