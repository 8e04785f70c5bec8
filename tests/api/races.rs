//! The guarantees under concurrent requests: threads, a barrier and real sockets. Each test
//! audits its server's ledger at the end.

use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, Ordering};

use serde_json::{Value, json};

use crate::helpers::{Answer, Deal, TestApp, kobo, spawn_app, spawn_app_with, standard_terms, two_milestones};

const NOT_PAYABLE: &str = "Escrow is not in a valid state for checkout";

/// Counts the replies with this status and message.
fn count_of(answers: &[Answer], status: u16, message: &str) -> usize {
    let is_it = |answer: &&Answer| (answer.status, answer.message()) == (status, message);
    answers.iter().filter(is_it).count()
}

fn successes(answers: &[Answer]) -> usize {
    answers.iter().filter(|answer| answer.status == 200).count()
}

/// Counts the transfers of a kind.
fn transfers(app: &TestApp, kind: &str) -> usize {
    let of_kind = |transfer: &&String| transfer.starts_with(&format!("{kind} "));
    app.escrow_transfers().iter().filter(of_kind).count()
}

#[test]
fn a_milestone_confirmed_64_times_at_once_is_released_once() {
    let app = spawn_app();
    let deal = app.funded();
    let money = app.money();
    let answers = app.run_concurrently(64, |app, _| app.confirm_milestone("ben", &deal.id, &deal.milestones[0]));
    assert_eq!(count_of(&answers, 200, "Milestone confirmed successfully"), 1);
    assert_eq!(count_of(&answers, 400, "Milestone has already been released"), 63);
    assert_eq!(transfers(&app, "RELEASE"), 1);
    assert_eq!(app.balances("ada"), (json!(1_004_000), json!(0)));
    assert_eq!(app.balances("ben"), (json!(989_800), json!(6000)));
    assert_eq!(app.money(), money);
}

#[test]
fn a_standard_escrow_confirmed_32_times_at_once_is_released_once() {
    let app = spawn_app();
    let deal = Deal::of(&app.create_escrow("ada", &standard_terms()).ok());
    app.pay_for("ben", &deal).ok();
    let money = app.money();
    let answers = app.run_concurrently(32, |app, _| app.confirm_payment("ben", &deal.id));
    assert_eq!(count_of(&answers, 200, "Escrow updated successfully"), 1);
    assert_eq!(count_of(&answers, 400, "Action not allowed"), 31);
    assert_eq!((transfers(&app, "RELEASE"), transfers(&app, "PLATFORM_FEE")), (1, 1));
    assert_eq!(app.money(), money);
}

#[test]
fn one_of_32_concurrent_buyers_pays() {
    let app = spawn_app();
    let deal = app.offered();
    let buyer = |index: usize| format!("buyer-{index}");
    // The service knows half of the buyers. It registers only one of the others, who pays.
    (0..32)
        .step_by(2)
        .for_each(|index| drop(app.wallet(&buyer(index)).ok()));
    let answers = app.run_concurrently(32, |app, index| app.pay_for(&buyer(index), &deal));
    assert_eq!(successes(&answers), 1);
    assert_eq!(count_of(&answers, 400, NOT_PAYABLE), 31);
    assert_eq!(transfers(&app, "FUND"), 1);

    let winner = answers.iter().position(|answer| answer.status == 200).unwrap();
    assert_eq!(app.column("SELECT buyer_id FROM escrow"), [buyer(winner)]);
    let customers = 1 + 16 + winner % 2;
    assert_eq!(app.count("customer"), customers);
    assert_eq!(app.money(), i64::try_from(customers).unwrap() * 100_000_000);
    for index in (0..32).filter(|&index| index != winner) {
        assert_eq!(app.balances(&buyer(index)), (json!(1_000_000), json!(0)));
    }
    assert_eq!(app.balances(&buyer(winner)), (json!(989_800), json!(10000)));
}

#[test]
fn a_balance_for_7_payments_pays_7_of_20_at_once() {
    let app = spawn_app_with(|config| config.sandbox.opening_balance_minor = kobo(7 * 1_020_000 + 5_000));
    let deals: Vec<Deal> = (0..20).map(|_| app.offered()).collect();
    app.wallet("ben").ok();
    let money = app.money();
    let answers = app.run_concurrently(20, |app, index| app.pay_for("ben", &deals[index]));
    assert_eq!(successes(&answers), 7);
    assert_eq!(count_of(&answers, 400, "Insufficient balance"), 13);
    assert_eq!(transfers(&app, "FUND"), 7);
    assert_eq!(app.balances("ben"), (json!(50), json!(70_000)));
    for (deal, answer) in deals.iter().zip(&answers) {
        let is_paid = app.verify(&deal.token).ok().text("state") == "OPENED";
        assert_eq!(is_paid, answer.status == 200);
    }
    assert_eq!(app.money(), money);
}

#[test]
fn twenty_milestones_confirmed_at_once_close_the_escrow_once() {
    let app = spawn_app_with(|config| config.fees.commission_bps = 50);
    let milestones: Vec<Value> = (1..=20)
        .map(|amount| json!({ "title": format!("Stage {amount}"), "amount": amount }))
        .collect();
    let offer = json!({ "amount": 210, "purpose": "Stairs", "whoPays": "buyer", "milestones": milestones });
    let deal = Deal::of(&app.create_milestone_escrow("ada", &offer).ok());
    app.pay_for("ben", &deal).ok();
    let money = app.money();
    let answers = app.run_concurrently(20, |app, index| {
        app.confirm_milestone("ben", &deal.id, &deal.milestones[index])
    });
    assert_eq!(successes(&answers), 20);
    let closing = answers.iter().filter(|answer| answer.data()["state"] == "CLOSED");
    assert_eq!(closing.count(), 1, "exactly one reply shows the closed escrow");
    assert_eq!(app.verify(&deal.token).ok().text("status"), "COMPLETED");
    let kinds = ["FUND", "RELEASE", "COMMISSION", "PLATFORM_FEE"].map(|kind| transfers(&app, kind));
    assert_eq!(kinds, [1, 20, 1, 1]);
    for event in ["escrow.completed", "payment.commission.success"] {
        let emitted = app.column(&format!(
            "SELECT count(*) FROM event JOIN event_name ON event_name.id = name_id WHERE name = '{event}'"
        ));
        assert_eq!(emitted, ["1"], "{event}");
    }
    assert_eq!(app.balances("ada"), (json!(1_000_210), json!(0)));
    assert_eq!(app.balances("ben"), (json!(999_784.75), json!(0)));
    assert_eq!(app.money(), money);
}

#[test]
fn one_payment_sent_32_times_at_once_moves_money_once() {
    let app = spawn_app();
    let deal = app.offered();
    app.wallet("ben").ok();
    let money = app.money();
    let request = json!({ "reference": "order-1", "escrowDetails": { "escrowId": deal.id } });
    let answers = app.run_concurrently(32, |app, _| app.pay("ben", &request));
    assert_eq!(successes(&answers), 32);
    let first = answers[0].body.to_string();
    let mut texts = answers.iter().map(|answer| answer.body.to_string());
    assert!(texts.all(|text| text == first));
    assert_eq!(transfers(&app, "FUND"), 1);
    assert_eq!(app.count("requested_payment"), 1);
    assert_eq!(app.balances("ben"), (json!(989_800), json!(10000)));
    assert_eq!(app.money(), money);
}

#[test]
fn one_reference_for_16_payments_at_once_pays_one() {
    let app = spawn_app();
    let deals: Vec<Deal> = (0..16).map(|_| app.offered()).collect();
    let answers = app.run_concurrently(16, |app, index| {
        let escrow = json!({ "escrowId": deals[index].id });
        app.pay("ben", &json!({ "reference": "order-1", "escrowDetails": escrow }))
    });
    assert_eq!(successes(&answers), 1);
    assert_eq!(count_of(&answers, 400, "Duplicate reference"), 15);
    assert_eq!(transfers(&app, "FUND"), 1);
}

#[test]
fn overlapping_lists_are_paid_in_full_or_not_at_all() {
    let app = spawn_app();
    let deals: Vec<Deal> = (0..8).map(|_| app.offered()).collect();
    let list = |index: usize| [0, 1, 2].map(|offset| deals[(index + offset) % deals.len()].id.clone());
    let answers = app.run_concurrently(16, |app, index| {
        let buyer = format!("buyer-{index}");
        app.pay(&buyer, &json!({ "escrowDetails": { "escrowId": list(index) } }))
    });
    assert_eq!(successes(&answers) + count_of(&answers, 400, NOT_PAYABLE), 16);
    let paid: Vec<String> = (0..16)
        .filter(|&index| answers[index].status == 200)
        .flat_map(list)
        .collect();
    let opened = app.column("SELECT printf('%016x%08x', id, guard) FROM escrow WHERE state = 'OPENED'");
    assert!(!paid.is_empty());
    assert_eq!(paid.len(), opened.len(), "each escrow is paid for once");
    assert!(paid.iter().all(|id| opened.contains(id)));
    assert_eq!(transfers(&app, "FUND"), paid.len());
}

#[test]
fn a_customer_in_32_requests_at_once_is_registered_once() {
    let app = spawn_app();
    let answers = app.run_concurrently(32, |app, _| app.wallet("ada"));
    assert_eq!(successes(&answers), 32);
    assert!(answers.iter().all(|answer| answer.data() == answers[0].data()));
    assert_eq!((app.count("merchant"), app.count("customer")), (1, 1));
    assert_eq!(app.money(), 100_000_000);
}

#[test]
fn an_edit_and_a_payment_at_once_agree_on_the_terms() {
    for _ in 0..5 {
        let app = spawn_app();
        let deal = app.offered();
        app.wallet("ben").ok();
        let mut dearer = two_milestones();
        dearer["amount"] = json!(14_000);
        dearer["milestones"][0]["amount"] = json!(8000);
        let answers = app.run_concurrently(16, |app, index| {
            if index % 2 == 0 {
                return app.edit_milestone_escrow("ada", &deal.token, &dearer);
            }
            let escrow = json!({ "escrowId": deal.id });
            app.pay("ben", &json!({ "amount": 10_200, "escrowDetails": escrow }))
        });
        let is_paid = answers.iter().skip(1).step_by(2).any(|answer| answer.status == 200);
        let escrow = app.verify(&deal.token).ok();
        let terms = (escrow.text("state"), escrow.data()["amount"].clone());
        let expected = if is_paid {
            ("OPENED", json!(10_000))
        } else {
            ("AWAITING_PAYMENT", json!(14_000))
        };
        assert_eq!(terms, (expected.0.to_owned(), expected.1));
    }
}

#[test]
fn a_wallet_read_while_it_pays_always_adds_up() {
    // Without a fee the wallet shows everything that the buyer pays.
    let app = spawn_app_with(|config| config.fees.platform_bps = 0);
    let mut offer = standard_terms();
    offer["amount"] = json!(1000);
    let deals: Vec<Deal> = (0..24)
        .map(|_| Deal::of(&app.create_escrow("ada", &offer).ok()))
        .collect();
    app.wallet("ben").ok();
    app.run_concurrently(8, |app, thread| {
        for turn in 0..6 {
            if thread < 4 {
                app.pay_for("ben", &deals[thread * 6 + turn]).ok();
            } else {
                let (main, hold) = app.balances("ben");
                assert_eq!(main.as_u64().unwrap() + hold.as_u64().unwrap(), 1_000_000);
            }
        }
    });
    assert_eq!(app.balances("ben"), (json!(976_000), json!(24_000)));
}

#[test]
fn an_escrow_read_while_it_closes_is_never_half_closed() {
    let app = spawn_app();
    let milestones: Vec<Value> = (0..12).map(|_| json!({ "title": "Stage", "amount": 1 })).collect();
    let offer = json!({ "amount": 12, "purpose": "Stairs", "whoPays": "buyer", "milestones": milestones });
    let deal = Deal::of(&app.create_milestone_escrow("ada", &offer).ok());
    app.pay_for("ben", &deal).ok();
    let is_whole = |escrow: &Value| {
        let milestones = escrow["milestones"].as_array().unwrap();
        let is_released = milestones.iter().all(|milestone| milestone["status"] == "RELEASED");
        assert_eq!(escrow["state"] == "CLOSED", is_released);
        assert_eq!(escrow["completedAt"].is_string(), is_released);
        is_released
    };
    app.run_concurrently(12, |app, thread| {
        app.verify(&deal.token).ok();
        let confirmed = app.confirm_milestone("ben", &deal.id, &deal.milestones[thread]).ok();
        is_whole(confirmed.data());
        is_whole(app.verify(&deal.token).ok().data());
    });
    assert!(is_whole(app.verify(&deal.token).ok().data()));
}

/// A pseudo-random generator with the same numbers in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % 1_000_000).unwrap() % sides
    }

    fn customer(&mut self) -> String {
        format!("customer-{}", self.roll(5))
    }
}

/// The state that the threads of the mixed load share.
#[derive(Default)]
struct Market {
    deals: Mutex<Vec<Deal>>,
    funded: Mutex<Vec<(String, Deal)>>,
    topped_up: AtomicI64,
}

impl Market {
    fn any_deal(&self, dice: &mut Dice) -> Option<Deal> {
        let deals = self.deals.lock().unwrap();
        (!deals.is_empty()).then(|| deals[dice.roll(deals.len())].clone())
    }

    fn pay(&self, app: &TestApp, buyer: &str, deal: &Deal) -> Answer {
        let answer = app.pay_for(buyer, deal);
        if answer.status == 200 {
            self.funded.lock().unwrap().push((buyer.to_owned(), deal.clone()));
        }
        answer
    }

    /// Confirms a part of a funded escrow, most often as its buyer.
    fn confirm(&self, app: &TestApp, dice: &mut Dice) -> Answer {
        let funded = {
            let funded = self.funded.lock().unwrap();
            (!funded.is_empty()).then(|| funded[dice.roll(funded.len())].clone())
        };
        let Some((mut buyer, deal)) = funded else {
            return app.wallet(&dice.customer());
        };
        if dice.roll(8) == 0 {
            buyer = dice.customer();
        }
        match deal.milestones.get(dice.roll(2)) {
            Some(milestone) => app.confirm_milestone(&buyer, &deal.id, milestone),
            None => app.confirm_payment(&buyer, &deal.id),
        }
    }

    fn offer(&self, answer: Answer) -> Answer {
        if answer.status == 201 {
            self.deals.lock().unwrap().push(Deal::of(&answer));
        }
        answer
    }

    /// Sends a random request, valid or not.
    fn act(&self, app: &TestApp, dice: &mut Dice) -> Answer {
        let customer = dice.customer();
        let (Some(deal), Some(other)) = (self.any_deal(dice), self.any_deal(dice)) else {
            return self.offer(app.create_milestone_escrow(&customer, &two_milestones()));
        };
        match dice.roll(14) {
            0 => {
                let mut offer = two_milestones();
                offer["milestones"][0]["customerId"] = json!(dice.customer());
                self.offer(app.create_milestone_escrow(&customer, &offer))
            }
            1 => self.offer(app.create_escrow(&customer, &standard_terms())),
            2 => app.edit_milestone_escrow(&customer, &deal.token, &two_milestones()),
            3 | 4 => self.pay(app, &customer, &deal),
            5 => app.pay(
                &customer,
                &json!({ "escrowDetails": { "escrowId": [deal.id, other.id] } }),
            ),
            6 => {
                let reference = format!("order-{}", dice.roll(20));
                let escrow = json!({ "escrowId": deal.id });
                app.pay(&customer, &json!({ "reference": reference, "escrowDetails": escrow }))
            }
            7 => app.confirm_payment(&customer, &deal.id),
            8 => {
                let answer = app.top_up(&customer, 1000);
                if answer.status == 200 {
                    self.topped_up.fetch_add(100_000, Ordering::Relaxed);
                }
                answer
            }
            _ => self.confirm(app, dice),
        }
    }
}

#[test]
fn no_money_appears_or_vanishes_under_the_load_of_16_customers() {
    let app = spawn_app_with(|config| {
        config.sandbox.opening_balance_minor = kobo(10_000_000);
        config.fees.commission_bps = 33;
    });
    let market = Market::default();
    app.run_concurrently(16, |app, thread| {
        let mut dice = Dice(0x9e37_79b9_7f4a_7c15 ^ u64::try_from(thread).unwrap());
        for _ in 0..60 {
            let answer = market.act(app, &mut dice);
            assert!(answer.status < 500, "{answer:?}");
            assert_eq!(answer.body["status"], answer.status);
        }
    });
    let customers = i64::try_from(app.count("customer")).unwrap();
    let topped_up = market.topped_up.load(Ordering::Relaxed);
    assert_eq!(app.money(), customers * 10_000_000 + topped_up);
    // The audit proves little unless each kind of transfer occurred.
    for kind in ["FUND", "RELEASE", "COMMISSION", "PLATFORM_FEE"] {
        assert!(transfers(&app, kind) > 3, "{kind}");
    }
}
