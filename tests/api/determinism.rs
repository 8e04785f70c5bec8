//! The same seed and the same requests at the same times leave the same state and the same
//! events on every server, but for random references. A restart changes no byte of them.

use serde_json::json;
use sha2::{Digest, Sha256};

use crate::cluster;
use crate::helpers::{Deal, TestApp, spawn_app_with, spawn_recorded_app};

/// Loads a seed, and takes the seeded escrow to its end.
fn trade(app: &TestApp) {
    let seed = json!({
        "customers": [{ "id": "ada", "balance": 0 }, { "id": "ben", "balance": 50_000 }],
        "escrows": [{
            "name": "fit-out", "seller": "ada", "buyer": "ben", "amount": 10_000,
            "purpose": "Fit-out", "whoPays": "buyer",
            "milestones": [{ "title": "Frame", "amount": 4_000 }, { "title": "Finish", "amount": 6_000 }],
        }],
    });
    let seeded = app.as_merchant("POST", "/sandbox/seed", Some(&seed)).ok();
    let escrow = &seeded.data()["escrows"][0];
    let milestones = escrow["milestones"].as_array().unwrap().iter();
    let deal = Deal {
        id: escrow["id"].as_str().unwrap().to_owned(),
        token: escrow["paymentToken"].as_str().unwrap().to_owned(),
        milestones: milestones.map(|it| it["id"].as_str().unwrap().to_owned()).collect(),
    };
    for milestone in &deal.milestones {
        app.confirm_milestone("ben", &deal.id, milestone).ok();
    }
    assert_eq!(app.verify(&deal.token).ok().text("status"), "COMPLETED");
}

/// Returns the exact bytes of every event.
fn events(app: &TestApp) -> String {
    let payloads = app.payloads();
    assert!(payloads.len() > 4, "{payloads:?}");
    payloads.join("\n")
}

/// Returns the same with a number for each random text: the references of payments without one
/// of the client, and the part of their ids that cannot be guessed.
fn events_without_random(app: &TestApp) -> String {
    let mut events = events(app);
    let guards = app.column("SELECT printf('%08x', guard) FROM payment_transaction ORDER BY id");
    for (number, (guard, reference)) in std::iter::zip(guards, app.references("true")).enumerate() {
        events = events.replace(&format!("{guard}\""), &format!("#{number}\""));
        events = events.replace(&format!("\"{reference}\""), &format!("\"#{number}\""));
    }
    events
}

/// Hashes the balances and all transfers, with the chain of their hashes.
fn state_hash(app: &TestApp) -> String {
    let chain = "SELECT hex(hash) FROM transfer ORDER BY id";
    let balances = "SELECT purpose || coalesce(customer_id, '') || balance FROM account ORDER BY id";
    let states = "SELECT printf('%016x%08x', id, guard) || state FROM escrow ORDER BY id";
    let rows = [chain, balances, states].map(|sql| app.column(sql).join("\n"));
    hex::encode(Sha256::digest(rows.join("\n")))
}

#[test]
fn one_seed_gives_the_same_state_and_events_on_two_servers() {
    if cluster::is_wanted() {
        // It reads packed texts of a file.
        return;
    }
    let [first, second] = [(); 2].map(|()| {
        let app = spawn_recorded_app(|_| {});
        trade(&app);
        app
    });
    assert_eq!(events_without_random(&first), events_without_random(&second));
    assert_eq!(state_hash(&first), state_hash(&second));
}

#[test]
fn a_restart_keeps_the_state_and_the_bytes_of_events() {
    if cluster::is_wanted() {
        // It reads packed texts of a file.
        return;
    }
    let mut app = spawn_app_with(|_| {});
    trade(&app);
    let before = (state_hash(&app), events(&app));
    app.stop();
    let again = spawn_app_with(|config| config.database.clone_from(&app.database));
    assert_eq!((state_hash(&again), events(&again)), before);
}
