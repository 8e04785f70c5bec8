//! Races of 64 requests at once, round after round. `RACE_ROUNDS` sets the number of rounds.
//!
//! Each check also runs on outcomes that it must refuse: those of a service that looks before
//! it pays, without a lock.

use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use serde_json::json;

use crate::helpers::{Answer, Deal, TestApp, kobo, spawn_app_with, standard_terms};

/// Requests at the same moment.
const AT_ONCE: usize = 64;

fn rounds() -> usize {
    std::env::var("RACE_ROUNDS").map_or(50, |rounds| rounds.parse().unwrap())
}

/// Spawns a service whose buyer has money for every round.
fn spawn_for_rounds() -> TestApp {
    spawn_app_with(|config| config.sandbox.opening_balance_minor = kobo(10_000_000_000))
}

/// The part of a reply to a confirmation that matters to the check.
struct Confirmation {
    status: u16,
    code: String,
    is_replay: bool,
    text: String,
}

impl From<Answer> for Confirmation {
    fn from(answer: Answer) -> Self {
        Self {
            status: answer.status,
            code: answer.body["code"].as_str().unwrap_or_default().to_owned(),
            is_replay: answer.header("idempotent-replayed") == Some("true"),
            text: answer.text,
        }
    }
}

/// Says what is wrong with the replies to confirmations of one milestone. The first half was
/// sent under one idempotency key. `payouts` is the number of releases in the ledger.
fn check_confirmed_once(replies: &[Confirmation], payouts: usize) -> Result<(), String> {
    if payouts != 1 {
        return Err(format!("{payouts} payouts"));
    }
    let first_replies = replies.iter().filter(|reply| !reply.is_replay);
    let successes = first_replies.filter(|reply| reply.status == 200).count();
    if successes != 1 {
        return Err(format!("{successes} successes"));
    }
    for reply in replies {
        let is_expected = match reply.status {
            200 => true,
            400 => reply.code == "milestone_already_released",
            409 => reply.code == "idempotency_key_in_flight",
            _ => false,
        };
        if !is_expected {
            return Err(format!("{} {}", reply.status, reply.code));
        }
    }
    let under_one_key = &replies[..replies.len() / 2];
    let mut kept = under_one_key.iter().filter(|reply| reply.status != 409);
    if let Some(first) = kept.next()
        && kept.any(|reply| reply.text != first.text)
    {
        return Err("different replies under one key".to_owned());
    }
    Ok(())
}

#[test]
fn in_every_round_a_milestone_confirmed_64_times_at_once_is_released_once() {
    let app = spawn_for_rounds();
    app.wallet("ben").ok();
    app.wallet("ada").ok();
    let money = app.money();
    for round in 0..rounds() {
        let deal = app.funded();
        let path = format!("/v1/escrow/milestone/confirm/{}/{}", deal.id, deal.milestones[0]);
        let replies = app.run_concurrently(AT_ONCE, |app, index| {
            let key = if index < AT_ONCE / 2 {
                format!("round-{round}")
            } else {
                format!("round-{round}-{index}")
            };
            let headers = [("customer-id", "ben"), ("idempotency-key", &key)];
            Confirmation::from(app.send("POST", &path, &headers, None))
        });
        let sql = format!(
            "SELECT count(*) FROM transfer JOIN escrow ON escrow.id = escrow_id
             WHERE kind = 'RELEASE' AND printf('%016x%08x', escrow.id, guard) = '{}'",
            deal.id
        );
        let payouts = app.column(&sql)[0].parse().unwrap();
        if let Err(problem) = check_confirmed_once(&replies, payouts) {
            panic!("round {round}: {problem}");
        }
    }
    assert_eq!(app.money(), money);
}

/// Confirms with a service that looks at the milestone and pays afterwards, without a lock.
/// The barrier lets every request look before the first one pays.
fn confirm_by_look_and_pay() -> (Vec<Confirmation>, usize) {
    let (is_released, payouts) = (AtomicBool::new(false), AtomicUsize::new(0));
    let everyone_has_looked = Barrier::new(AT_ONCE);
    let confirm = || {
        let was_released = is_released.load(Ordering::SeqCst);
        everyone_has_looked.wait();
        let (status, code) = if was_released {
            (400, "milestone_already_released")
        } else {
            is_released.store(true, Ordering::SeqCst);
            payouts.fetch_add(1, Ordering::SeqCst);
            (200, "")
        };
        Confirmation {
            status,
            code: code.to_owned(),
            is_replay: false,
            text: String::new(),
        }
    };
    let replies = thread::scope(|scope| {
        let running: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(confirm)).collect();
        running.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    (replies, payouts.into_inner())
}

#[test]
fn the_check_sees_a_service_that_looks_before_it_pays() {
    let (replies, payouts) = confirm_by_look_and_pay();
    assert_eq!(check_confirmed_once(&replies, payouts), Err("64 payouts".to_owned()));
    // It sees the replies too, even if the ledger were right.
    assert_eq!(check_confirmed_once(&replies, 1), Err("64 successes".to_owned()));
    let sound = |replies: &mut [Confirmation]| {
        for reply in &mut replies[1..] {
            (reply.status, reply.code) = (400, "milestone_already_released".to_owned());
        }
        for reply in &mut replies[1..AT_ONCE / 2] {
            (reply.status, reply.is_replay) = (200, true);
        }
    };
    let (mut replies, _) = confirm_by_look_and_pay();
    sound(&mut replies);
    assert_eq!(check_confirmed_once(&replies, 1), Ok(()));
    assert_eq!(check_confirmed_once(&replies, 2), Err("2 payouts".to_owned()));
    replies[40].status = 500;
    assert_eq!(
        check_confirmed_once(&replies, 1),
        Err("500 milestone_already_released".to_owned())
    );
}

/// A request of a mixed race.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Action {
    Confirm,
    Claim,
    Dispute,
    /// The merchant rules for the buyer.
    Rule,
    /// The seller gives back what is held.
    Refund,
    /// Moves the clock past the time from which the seller may claim, and the merchant may rule
    /// without a dispute.
    Advance,
    Pay,
    Delete,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Outcome {
    Done,
    TooEarly,
    Refused,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    Offered,
    Deleted,
    Open,
    Disputed,
    ToSeller,
    Claimed,
    Refunded,
}

/// The reference: one deal and the clock.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Model {
    state: State,
    is_due: bool,
}

impl Model {
    /// Runs one action and returns its outcome.
    fn run(&mut self, action: Action) -> Outcome {
        use Action::{Advance, Claim, Confirm, Delete, Dispute, Pay, Refund, Rule};
        let next = match (action, self.state) {
            (Advance, _) => {
                // A deal that is paid for later falls due later.
                self.is_due |= self.state != State::Offered;
                return Outcome::Done;
            }
            (Claim, State::Open) if !self.is_due => return Outcome::TooEarly,
            (Claim, State::Open) => State::Claimed,
            (Confirm, State::Open) => State::ToSeller,
            (Dispute, State::Open) => State::Disputed,
            (Rule, State::Open) if self.is_due => State::Refunded,
            (Rule, State::Disputed) | (Refund, State::Open | State::Disputed) => State::Refunded,
            (Pay, State::Offered) => State::Open,
            (Delete, State::Offered) => State::Deleted,
            _ => return Outcome::Refused,
        };
        self.state = next;
        Outcome::Done
    }
}

/// Returns true if some order of these actions, one after another, has these outcomes and
/// this last state.
fn is_serial(model: Model, seen: &[(Action, Outcome)], last: State) -> bool {
    let (mut changing, mut rest) = (Vec::new(), Vec::new());
    for &(action, outcome) in seen {
        let mut after = model;
        if after.run(action) != outcome {
            rest.push((action, outcome));
        } else if after != model {
            changing.push((action, outcome, after));
        }
        // Otherwise it runs now and changes nothing, so that it need not be tried later.
    }
    if changing.is_empty() {
        return rest.is_empty() && model.state == last;
    }
    let mut tried: Vec<Action> = Vec::new();
    for index in 0..changing.len() {
        let (action, _, after) = changing[index];
        if tried.contains(&action) {
            continue;
        }
        tried.push(action);
        let others = changing.iter().enumerate().filter(|(other, _)| *other != index);
        let others = others.map(|(_, &(action, outcome, _))| (action, outcome));
        let left: Vec<_> = others.chain(rest.iter().copied()).collect();
        if is_serial(after, &left, last) {
            return true;
        }
    }
    false
}

/// The actions that run at once in a round, each equally often.
const MIXES: [(State, &[Action]); 5] = [
    (State::Open, &[Action::Confirm, Action::Claim, Action::Advance]),
    (State::Open, &[Action::Confirm, Action::Dispute, Action::Rule]),
    (
        State::Open,
        &[Action::Confirm, Action::Claim, Action::Refund, Action::Advance],
    ),
    (
        State::Open,
        &[
            Action::Confirm,
            Action::Claim,
            Action::Dispute,
            Action::Rule,
            Action::Advance,
        ],
    ),
    (
        State::Offered,
        &[
            Action::Pay,
            Action::Delete,
            Action::Confirm,
            Action::Dispute,
            Action::Rule,
        ],
    ),
];

fn send(app: &TestApp, action: Action, deal: &Deal) -> Outcome {
    let answer = match action {
        Action::Confirm => app.confirm_payment("ben", &deal.id),
        Action::Claim => app.claim("ada", &deal.token),
        Action::Dispute => {
            let path = format!("/v1/escrow/submit-dispute/{}", deal.token);
            app.json("POST", &path, "ben", &json!({ "message": "It leaks" }))
        }
        Action::Rule => {
            let path = format!("/v1/escrow/dispute/resolve/{}", deal.id);
            let ruling = json!({ "resolution": "We have looked at it", "status": "REFUNDED" });
            app.as_merchant("POST", &path, Some(&ruling))
        }
        Action::Refund => app.refund("ada", &deal.token),
        Action::Advance => app.advance("5d"),
        Action::Pay => app.pay_for("ben", deal),
        Action::Delete => app.delete_escrow("ada", &deal.token),
    };
    match (answer.status, &answer.body["code"]) {
        (200, _) => Outcome::Done,
        (400, code) if code == "claim_too_early" => Outcome::TooEarly,
        // Before the payment Ben is not yet the buyer.
        (400 | 401, _) => Outcome::Refused,
        _ => panic!("{action:?}: {answer:?}"),
    }
}

/// Returns the deal's state by its transfers, which must be those of one payout.
fn state_by_money(app: &TestApp, deal: &Deal, since: usize) -> State {
    let transfers = app.escrow_transfers().split_off(since);
    let kinds: Vec<&str> = transfers.iter().filter_map(|text| text.split(' ').next()).collect();
    let verified = app.verify(&deal.token);
    if verified.status != 200 {
        assert_eq!(kinds, [""; 0], "a deleted offer has no transfers");
        return State::Deleted;
    }
    let status = verified.text("status");
    let (state, expected): (_, &[&str]) = match status.as_str() {
        "PENDING" => (State::Offered, &[]),
        "ONGOING" => (State::Open, &["FUND"]),
        "DISPUTED" => (State::Disputed, &["FUND"]),
        "COMPLETED" => (State::ToSeller, &["FUND", "RELEASE", "PLATFORM_FEE"]),
        "CLAIMED" => (State::Claimed, &["FUND", "RELEASE", "PLATFORM_FEE"]),
        // The platform keeps its fee.
        "REFUNDED" => (State::Refunded, &["FUND", "REFUND", "PLATFORM_FEE"]),
        _ => panic!("{verified:?}"),
    };
    assert_eq!(kinds, expected, "{status}: {transfers:?}");
    state
}

#[test]
fn the_outcome_of_every_mixed_race_is_that_of_some_order() {
    let app = spawn_for_rounds();
    app.wallet("ben").ok();
    app.wallet("ada").ok();
    let money = app.money();
    let mut ends: Vec<State> = Vec::new();
    for round in 0..rounds() {
        let (state, actions) = MIXES[round % MIXES.len()];
        let deal = Deal::of(&app.create_escrow("ada", &standard_terms()).ok());
        let since = app.escrow_transfers().len();
        if state == State::Open {
            app.pay_for("ben", &deal).ok();
        }
        let seen = app.run_concurrently(AT_ONCE, |app, index| {
            // Other actions are first in other rounds.
            let action = actions[(index + round / MIXES.len()) % actions.len()];
            (action, send(app, action, &deal))
        });
        let last = state_by_money(&app, &deal, since);
        let model = Model { state, is_due: false };
        assert!(is_serial(model, &seen, last), "round {round}: {last:?} after {seen:?}");
        if !ends.contains(&last) {
            ends.push(last);
        }
    }
    assert_eq!(app.money(), money);
    println!("ends: {ends:?}");
    // Races that always end alike show nothing.
    assert!(ends.len() >= 3, "{ends:?}");
}

#[test]
fn the_order_check_refuses_outcomes_of_no_order() {
    use Action::{Advance, Claim, Confirm, Dispute, Pay, Refund, Rule};
    use Outcome::{Done, Refused, TooEarly};
    let open = Model {
        state: State::Open,
        is_due: false,
    };
    let serial = |seen: &[(Action, Outcome)], last| is_serial(open, seen, last);
    assert!(serial(
        &[(Confirm, Refused), (Claim, Done), (Advance, Done)],
        State::Claimed
    ));
    assert!(serial(&[(Claim, TooEarly), (Confirm, Done)], State::ToSeller));
    assert!(serial(&[(Rule, Done), (Dispute, Done)], State::Refunded));
    assert!(serial(&[(Rule, Done), (Advance, Done)], State::Refunded));
    assert!(serial(&[(Confirm, Refused), (Refund, Done)], State::Refunded));
    // Paid out twice.
    assert!(!serial(&[(Confirm, Done), (Confirm, Done)], State::ToSeller));
    assert!(!serial(
        &[(Confirm, Done), (Claim, Done), (Advance, Done)],
        State::Claimed
    ));
    assert!(!serial(
        &[(Confirm, Done), (Dispute, Done), (Rule, Done)],
        State::Refunded
    ));
    assert!(!serial(&[(Confirm, Done), (Refund, Done)], State::Refunded));
    assert!(!serial(&[(Rule, Done), (Refund, Done)], State::Refunded));
    // Claimed or ruled on without time having passed, or told early after it had been claimed.
    assert!(!serial(&[(Claim, Done)], State::Claimed));
    assert!(!serial(&[(Rule, Done)], State::Refunded));
    assert!(!serial(&[(Claim, TooEarly), (Claim, Refused)], State::Open));
    // A refusal without a reason, and a state that no reply explains.
    assert!(!serial(&[(Confirm, Refused)], State::Open));
    assert!(!serial(&[(Confirm, Done)], State::Refunded));
    let offered = Model {
        state: State::Offered,
        is_due: false,
    };
    assert!(!is_serial(offered, &[(Pay, Done), (Pay, Done)], State::Open));
}
