//! The ledger against a second opinion: seeded random commands run through the
//! real commands on a real file and through a plain reference in memory, and
//! after each the two must agree.
//!
//! `MODEL_COMMANDS=10000000 MODEL_SEED=7 cargo test --release --test model` runs
//! more. Every 100,000 commands a fresh file begins, with the next seed.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop where it is")]

mod disputes;
#[path = "../store/helpers.rs"]
#[allow(dead_code, reason = "the tests of the store use the rest")]
mod helpers;
mod orders;
mod reference;
mod service;
mod standard;

use std::collections::BTreeMap;
use std::env;
use std::thread;
use std::time::Instant;

use helpers::START;
use orders::Random;
use reference::{Id, MOST, Merchant, Named, Order, Reference, Wish};
use service::{Reply, Service, parts_of};

const COMMANDS: u64 = 20_000;
const SEED: u64 = 20_261_122;
const COMMANDS_PER_FILE: u64 = 100_000;
/// Commands between two audits; between later ones, an eighth of those so far.
const AUDIT_STEP: u64 = 1_000;

/// The kinds of commands, each of which must have succeeded and been refused.
const KINDS: [&str; 15] = [
    "offer milestones",
    "offer standard",
    "edit",
    "fund one",
    "fund several",
    "fund again",
    "confirm milestone",
    "confirm payment",
    "pay for a link",
    "set the fee",
    "delete",
    "dispute",
    "resolve",
    "top up",
    "see wallet",
];

/// Every refusal there is, by its first word.
const REFUSALS: [&str; 29] = [
    "AccessDenied",
    "ActionNotAllowed",
    "AdditionalFeeNotPending",
    "AdditionalFeeNotStandard",
    "AlreadyResolved",
    "AmountMismatch",
    "BuyerAlreadyDisputed",
    "BuyerIsBeneficiary",
    "BuyerIsSeller",
    "CustomerNotFound",
    "DuplicateReference",
    "EscrowNotFound",
    "EscrowNotFunded",
    "EscrowNotOfThisMerchant",
    "EscrowNotPayable",
    "EscrowOfAnotherMerchant",
    "InsufficientBalance",
    "Invalid",
    "MilestoneAlreadyReleased",
    "MilestoneNotFound",
    "MilestonesDoNotAddUp",
    "NoDispute",
    "NotAMilestoneEscrow",
    "NothingLeftToDispute",
    "SandboxOnly",
    "SellerAlreadyReplied",
    "SplitDoesNotAddUp",
    "TooFewMilestones",
    "TooMuchMoney",
];

/// How often what happened.
#[derive(Default)]
struct Tally {
    /// By kind of command: succeeded, refused.
    kinds: BTreeMap<&'static str, [u64; 2]>,
    refusals: BTreeMap<String, u64>,
    restarts: u64,
    audits: u64,
}

#[test]
fn the_ledger_does_what_the_reference_does() {
    let number = |name: &str, default| env::var(name).map_or(default, |text| text.parse().unwrap());
    let (commands, seed) = (number("MODEL_COMMANDS", COMMANDS), number("MODEL_SEED", SEED));
    println!("MODEL_COMMANDS={commands} MODEL_SEED={seed}");
    let mut tally = Tally::default();
    let (mut done, mut files) = (0, 0);
    let started = Instant::now();
    while done < commands {
        let these = (commands - done).min(COMMANDS_PER_FILE);
        run(these, seed + files, &mut tally);
        (done, files) = (done + these, files + 1);
    }
    let took = started.elapsed();
    println!("{commands} commands in {files} files, {took:.1?}");
    println!("{} restarts, {} audits", tally.restarts, tally.audits);
    println!("{:>20} {:>10} {:>10}", "", "succeeded", "refused");
    for (kind, [succeeded, refused]) in &tally.kinds {
        println!("{kind:>20} {succeeded:>10} {refused:>10}");
    }
    for (refusal, times) in &tally.refusals {
        println!("{times:>10} {refusal}");
    }
    if commands >= COMMANDS {
        for kind in KINDS {
            let had_both = tally.kinds.get(kind).is_some_and(|times| !times.contains(&0));
            assert!(had_both, "{kind} must have succeeded and been refused");
        }
        for refusal in REFUSALS {
            assert!(tally.refusals.contains_key(refusal), "{refusal} never came");
        }
    }
}

/// Says how to repeat a failure, if it comes to one.
struct Repeat {
    seed: u64,
    command: u64,
    order: Option<Order>,
}

impl Drop for Repeat {
    fn drop(&mut self) {
        if thread::panicking() {
            let Self { seed, command, order } = self;
            println!("It was command {command}: {order:#?}");
            println!("To repeat: MODEL_SEED={seed} MODEL_COMMANDS={command} cargo test --test model");
        }
    }
}

fn run(commands: u64, seed: u64, tally: &mut Tally) {
    let mut random = Random(seed);
    let mut reference = Reference {
        merchants: merchants(),
        ..Reference::default()
    };
    let mut service = Service::start(&reference);
    let mut now = START;
    let mut next_audit = AUDIT_STEP;
    for command in 1..=commands {
        let mut repeat = Repeat {
            seed,
            command,
            order: None,
        };
        // Time goes on in jumps, and now and then the clock is set back.
        now += i64::try_from(random.below(2_000)).unwrap();
        service.file.clock.set(if random.one_in(50) { START } else { now });
        if random.one_in(1_000) {
            service = service.restart(&reference);
            tally.restarts += 1;
        }
        let order = orders::next(&mut random, &reference);
        repeat.order = Some(order.clone());
        step(&service, &mut reference, &order, tally);
        if command == next_audit || command == commands {
            service.assert_sound(reference.rows);
            tally.audits += 1;
            next_audit = command + AUDIT_STEP.max(command / 8);
        }
    }
    let repeat = Repeat {
        seed,
        command: commands,
        order: None,
    };
    for deal in &reference.deals {
        service.assert_stored(deal);
    }
    for merchant in 0..reference.merchants.len() {
        service.assert_balances(merchant, &reference);
    }
    drop(repeat);
}

/// Runs one order on both sides and compares.
fn step(service: &Service, reference: &mut Reference, order: &Order, tally: &mut Tally) {
    let kind = kind(order, reference);
    let reply = service.execute(order, reference);
    let must = reference.execute(order);
    match (reply, must) {
        (Ok(reply), Ok(deals)) => {
            tally.kinds.entry(kind).or_default()[0] += 1;
            learn(reference, order, &reply, &deals);
            assert_eq!(reply.escrows.len(), deals.len(), "escrows in the reply");
            for (escrow, &deal) in reply.escrows.iter().zip(&deals) {
                service.assert_same(escrow, &reference.deals[deal]);
                service.assert_stored(&reference.deals[deal]);
            }
            for deal in meant(order) {
                service.assert_stored(&reference.deals[deal]);
            }
        }
        (Err(refusal), Err(must)) => {
            assert_eq!(refusal, must, "which refusal");
            tally.kinds.entry(kind).or_default()[1] += 1;
            let rule = refusal.split(' ').next().unwrap_or_default();
            *tally.refusals.entry(rule.to_owned()).or_default() += 1;
            for deal in meant(order) {
                service.assert_stored(&reference.deals[deal]);
            }
        }
        (Ok(_), Err(must)) => panic!("it succeeded and should have been refused: {must}"),
        (Err(refusal), Ok(_)) => panic!("it was refused and should have succeeded: {refusal}"),
    }
    service.assert_balances(order.merchant, reference);
    service.assert_wallet(order, reference);
    service.assert_newest_rows(reference.rows);
}

/// Takes over the names that the service gave to what is new.
fn learn(reference: &mut Reference, order: &Order, reply: &Reply, deals: &[usize]) {
    if let Some(name) = &reply.reference {
        reference.learn_reference(order, name, deals);
    }
    let is_edit = matches!(order.wish, Wish::Edit { .. });
    for (escrow, &place) in reply.escrows.iter().zip(deals) {
        let deal = &mut reference.deals[place];
        if !is_edit && deal.id != Id::default() {
            continue;
        }
        deal.id = (escrow.id.number(), escrow.id.guard());
        escrow.payment_token.as_str().clone_into(&mut deal.token);
        for (part, known) in deal.parts.iter_mut().flatten().zip(parts_of(escrow)) {
            part.id = known.id;
        }
    }
}

/// The deals an order means.
fn meant(order: &Order) -> Vec<usize> {
    match &order.wish {
        Wish::Edit { deal, .. }
        | Wish::ConfirmMilestone { deal, .. }
        | Wish::ConfirmPayment { deal }
        | Wish::SetFee { deal, .. }
        | Wish::Delete { deal }
        | Wish::Dispute { deal }
        | Wish::Resolve { deal, .. } => deal.iter().copied().collect(),
        Wish::Fund { deals, .. } => deals.iter().filter_map(|named| named.deal).collect(),
        Wish::OfferMilestones(_) | Wish::OfferStandard(_) | Wish::TopUp { .. } | Wish::SeeWallet => Vec::new(),
    }
}

fn kind(order: &Order, reference: &Reference) -> &'static str {
    let is_link = |named: &Named| named.deal.is_some_and(|place| reference.deals[place].stock.is_some());
    let is_used = |name: &String| reference.merchants[order.merchant].references.contains_key(name);
    match &order.wish {
        Wish::OfferMilestones(_) => "offer milestones",
        Wish::OfferStandard(_) => "offer standard",
        Wish::Edit { .. } => "edit",
        Wish::Fund { reference: name, .. } if name.as_ref().is_some_and(is_used) => "fund again",
        Wish::Fund { deals, .. } if deals.iter().any(is_link) => "pay for a link",
        Wish::Fund { deals, .. } if deals.len() == 1 => "fund one",
        Wish::Fund { .. } => "fund several",
        Wish::ConfirmMilestone { .. } => "confirm milestone",
        Wish::ConfirmPayment { .. } => "confirm payment",
        Wish::SetFee { .. } => "set the fee",
        Wish::Delete { .. } => "delete",
        Wish::Dispute { .. } => "dispute",
        Wish::Resolve { .. } => "resolve",
        Wish::TopUp { .. } => "top up",
        Wish::SeeWallet => "see wallet",
    }
}

/// Usual rates; rates that round; rates that eat half; none, and money near the
/// most there can be.
fn merchants() -> Vec<Merchant> {
    [
        (200, 100, 100_000_000),
        (175, 33, 2_000_001),
        (4_999, 1, 50_000),
        (0, 0, MOST / 6),
        (150, 0, MOST / 8),
    ]
    .map(|(platform_bps, commission_bps, opening_balance)| Merchant {
        platform_bps,
        commission_bps,
        opening_balance,
        ..Merchant::default()
    })
    .into()
}
