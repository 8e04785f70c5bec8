//! The bank test: customers move money while readers add up all of it. `BANK_SECONDS` sets
//! its length.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::helpers::{Deal, TestApp, spawn_app, standard_terms};

const CUSTOMERS: usize = 16;
const READERS: usize = 2;
/// The opening balances of the customers, in minor units.
const MONEY: i64 = 16 * 100_000_000;

/// Sells to the next customer, and gets the money or not.
fn trade(app: &TestApp, customer: usize, turn: usize) {
    let (seller, buyer) = (name(customer), name(customer + 1));
    let deal = Deal::of(&app.create_escrow(&seller, &standard_terms()).ok());
    app.pay_for(&buyer, &deal).ok();
    if !turn.is_multiple_of(4) {
        app.confirm_payment(&buyer, &deal.id).ok();
    }
}

fn name(customer: usize) -> String {
    format!("customer-{}", customer % CUSTOMERS)
}

#[test]
fn every_sum_of_all_balances_is_the_same_while_16_customers_trade() {
    let seconds = std::env::var("BANK_SECONDS").map_or(3, |seconds| seconds.parse().unwrap());
    let app = spawn_app();
    for customer in 0..CUSTOMERS {
        assert_eq!(app.balances(&name(customer)), (json!(1_000_000), json!(0)));
    }
    let end = Instant::now() + Duration::from_secs(seconds);
    let turns = app.run_concurrently(CUSTOMERS + READERS, |app, thread| {
        let mut turns = 0;
        while Instant::now() < end {
            if thread < CUSTOMERS {
                trade(app, thread, turns);
            } else {
                assert_eq!(app.money(), MONEY);
                // Also a reader over HTTP sees whole commands: no wallet is below zero.
                let (main, hold) = app.balances(&name(turns));
                assert!(main.as_f64().unwrap() >= 0.0 && hold.as_f64().unwrap() >= 0.0);
            }
            turns += 1;
        }
        turns
    });
    let trades: usize = turns[..CUSTOMERS].iter().sum();
    let sums: usize = turns[CUSTOMERS..].iter().sum();
    println!("{trades} trades, {sums} sums");
    assert!(trades > 0 && sums > 0);
    assert_eq!(app.money(), MONEY);
}
