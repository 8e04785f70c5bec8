//! A walk through every state that an escrow can reach.
//!
//! The walk starts at each kind of offer. In every state every party tries every step
//! (`walk.rs`), and the walk goes on from each new state. The steps that succeed must be those
//! of the contract's table of states (section 6), and every hold must be able to empty
//! while any one party is absent (contract section 9.4). The merchant is never absent as the one who rules.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};

use crate::domain::escrow::exits::ExitRules;
use crate::domain::escrow::tests::actions::{action, assert_actions};
use crate::domain::escrow::tests::helpers::{EXITS, STRICT_EXITS, SequentialIds, customer, milestone_offer, seller};
use crate::domain::escrow::tests::transitions::{ADDED_TRANSITIONS, TRANSITIONS};
use crate::domain::escrow::tests::walk::{Attempt, COMMISSION_BPS, Node, STAGES, attempts, name, role, terms};
use crate::domain::escrow::{Escrow, Progress, Seller};
use crate::domain::fees::WhoPays;
use crate::domain::party::Party;

/// The sets of parties that may be absent at once.
const ABSENT: [&[&str]; 3] = [&["the buyer"], &["the seller"], &["the buyer", "the seller"]];

/// The states that the walk reached, with the steps from each.
#[derive(Default)]
struct Map {
    next: HashMap<String, HashSet<Step>>,
    opened: HashSet<String>,
    closed: HashSet<String>,
    transitions: BTreeSet<String>,
}

/// A step that a party can take, and the state that it leads to.
#[derive(PartialEq, Eq, Hash)]
struct Step {
    by: &'static str,
    to: String,
}

/// Returns the side that takes a step. A merchant that is also the seller takes the steps that
/// only a merchant can take as the merchant.
fn side(from: &Escrow, what: &str, who: &Party) -> &'static str {
    match what {
        "resolve" | "resolve when overdue" | "set the additional fee" => "the merchant",
        _ => role(from, who),
    }
}

/// Returns the line of the table of states for one step.
fn transition(from: &Escrow, what: &str, side: &str, nodes: &[Node]) -> String {
    let names: Vec<String> = nodes.iter().map(|node| name(&node.escrow)).collect();
    let led_to = if names.is_empty() {
        "nothing".to_owned()
    } else {
        names.join(" and ")
    };
    format!("{}: {what} by {side} -> {led_to}", name(from))
}

fn walk(exits: ExitRules) -> Map {
    let ids = &mut SequentialIds::default();
    let mut map = Map::default();
    let mut queue: VecDeque<Node> = offers(ids).into_iter().map(Node::new).collect();
    while let Some(node) = queue.pop_front() {
        let state = node.state();
        if map.next.contains_key(&state) {
            continue;
        }
        match node.escrow.progress {
            Progress::AwaitingPayment => {}
            Progress::Opened { .. } => drop(map.opened.insert(state.clone())),
            Progress::Closed { .. } => drop(map.closed.insert(state.clone())),
        }
        let mut next = HashSet::new();
        let mut taken = Vec::new();
        for Attempt { what, who, outcome } in attempts(&node, exits, ids) {
            let Ok(nodes) = outcome else {
                continue;
            };
            taken.push(action(what));
            let by = side(&node.escrow, what, &who);
            map.transitions.insert(transition(&node.escrow, what, by, &nodes));
            let to = nodes.iter().map(Node::state);
            next.extend(to.map(|to| Step { by, to }));
            queue.extend(nodes);
        }
        assert_actions(&node.escrow, exits, &taken);
        map.next.insert(state, next);
    }
    map
}

/// Returns each kind of offer: Ada's and the merchant's standard escrows, and Ada's milestones.
fn offers(ids: &mut SequentialIds) -> Vec<Escrow> {
    let of = |party: Party| Seller {
        party,
        ..seller("ada", COMMISSION_BPS)
    };
    let ada = of(Party::Customer(customer("ada")));
    let mut offers = Vec::new();
    for seller in [&ada, &of(Party::Merchant)] {
        let terms = terms(WhoPays::Buyer, 1);
        let (offer, _) = Escrow::offer_standard(seller.clone(), terms, Vec::new(), ids.booking_at(1)).unwrap();
        offers.push(offer);
    }
    let stages = milestone_offer(STAGES[0]);
    offers.push(Escrow::offer_milestones(ada, stages, ids.booking_at(1)).unwrap().0);
    offers
}

impl Map {
    /// Returns the states from which a closed state can be reached without these parties.
    fn with_a_way_out(&self, absent: &[&str]) -> HashSet<&String> {
        let mut found: HashSet<&String> = self.closed.iter().collect();
        loop {
            let before = found.len();
            for (state, steps) in &self.next {
                let leads_out = |step: &Step| !absent.contains(&step.by) && found.contains(&step.to);
                if steps.iter().any(leads_out) {
                    found.insert(state);
                }
            }
            if found.len() == before {
                return found;
            }
        }
    }

    /// Returns the settlement types and statuses of the funded states whose hold cannot empty
    /// without these parties.
    fn stuck_without(&self, absent: &[&str]) -> BTreeSet<String> {
        let has_way_out = self.with_a_way_out(absent);
        let stuck = self.opened.iter().filter(|state| !has_way_out.contains(state));
        let name = |state: &String| state.split(' ').take(2).collect::<Vec<_>>().join(" ");
        stuck.map(name).collect()
    }
}

#[test]
fn every_hold_can_empty_whoever_is_absent() {
    let map = walk(EXITS);
    assert!(
        map.next.len() > 1_000,
        "the walk came to {} states only",
        map.next.len()
    );
    for absent in ABSENT {
        let stuck = map.stuck_without(absent);
        assert!(
            stuck.is_empty(),
            "without {absent:?} nothing empties the hold of {stuck:?}"
        );
    }
    let expected: BTreeSet<String> = [&TRANSITIONS[..], &ADDED_TRANSITIONS]
        .concat()
        .into_iter()
        .map(str::to_owned)
        .collect();
    assert_eq!(map.transitions, expected);
    let goes_on = map.closed.iter().find(|state| !map.next[*state].is_empty());
    assert_eq!(goes_on, None, "something can be done with a closed escrow");
}

/// The hosted API's ways out. The holds that get stuck are those that the added ways are for.
#[test]
fn strict_rules_have_the_contracts_steps_and_leave_holds_stuck() {
    let map = walk(STRICT_EXITS);
    let expected: BTreeSet<String> = TRANSITIONS.map(str::to_owned).into();
    assert_eq!(map.transitions, expected);
    assert_eq!(map.stuck_without(&[]), BTreeSet::new());
    let stuck = ABSENT.map(|absent| map.stuck_without(absent).into_iter().collect::<Vec<_>>());
    assert_eq!(
        stuck,
        [
            vec!["milestones ONGOING".to_owned()],
            vec![],
            vec!["milestones ONGOING".to_owned(), "standard ONGOING".to_owned()],
        ]
    );
}
