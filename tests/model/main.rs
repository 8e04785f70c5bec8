//! Compares the ledger with an independent reference. Each seeded random command runs
//! through the real commands on a real database and through a plain reference in memory. After
//! each command both must agree.
//!
//! `MODEL_COMMANDS=10000000 MODEL_SEED=7 cargo test --release --test model` runs more
//! commands. Every 100,000 commands, and at least once, the test starts a new database with the
//! next seed. Each core runs one at a time. With `ESCROWD_TEST_DATABASE=postgres` the databases are
//! those of a PostgreSQL server.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop where it is")]

mod categories;
#[path = "../postgres/cluster.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod cluster;
#[path = "../postgres/database.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod database;
mod disputes;
mod generator;
#[path = "../store/helpers.rs"]
#[allow(dead_code, reason = "the tests of the store use the rest")]
mod helpers;
mod intents;
mod offers;
mod payouts;
mod receipts;
mod records;
mod reference;
mod refusals;
mod requests;
mod run;
mod service;
mod standard;
mod treasury;
mod vaults;
#[path = "../shared/waiting.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod waiting;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;
use std::{env, mem, thread};

use database::Engine;
use reference::{Action, Command, Id, MOST, Merchant, Named, Reference};
use refusals::Fault;
use run::run;
use service::{Reply, Service, milestones_of};

/// That of the binary.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The number of commands on a file, which meets all kinds and refusals.
const COMMANDS: u64 = 10_000;
/// The number on PostgreSQL, where each command waits for some fifty answers of the server.
const COMMANDS_ON_POSTGRES: u64 = 2_000;
/// The number on PostgreSQL beside the tests on files.
const COMMANDS_ON_BOTH: u64 = 300;
const SEED: u64 = 20_261_130;
/// A seed of which the first commands meet most planted bugs, so that a failing run is short.
const SEED_OF_PLANTED_BUGS: u64 = 20_261_128;
/// A seed of which one of the first commands moves a category, so that a failing run is short.
const SEED_THAT_MOVES_EARLY: u64 = 19;
/// A seed of which one of the first commands pays a pay-out, so that a failing run is short.
const SEED_THAT_PAYS_EARLY: u64 = 63;
const COMMANDS_PER_DATABASE: u64 = 100_000;

/// The kinds of commands. Each must succeed and be refused at least once.
const KINDS: [&str; 45] = [
    "record a receipt",
    "approve a receipt",
    "reject a receipt",
    "assign a receipt",
    "reverse a receipt",
    "retract a request",
    "expire a deposit",
    "request a pay-out",
    "approve a pay-out",
    "reject a pay-out",
    "pay a pay-out",
    "return a pay-out",
    "reopen a pay-out",
    "ask for a deposit",
    "ask for a withdrawal",
    "ask for a transfer",
    "ask again",
    "verify",
    "pay a test account",
    "create a category",
    "edit a category",
    "move a category",
    "delete a category",
    "claim",
    "convert",
    "edit standard",
    "open a vault",
    "declare a winner",
    "cancel a vault",
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
    "refund",
    "top up",
    "see wallet",
];

/// The first word of every refusal.
const REFUSALS: [&str; 58] = [
    "AlreadySpent",
    "BankReferenceUsed",
    "DepositHasReceipt",
    "DepositNotFound",
    "NoSuchCustomer",
    "NothingAsked",
    "NotInStatus",
    "PayoutNotFound",
    "ReceiptNotFound",
    "ReferenceNotQuoted",
    "SamePerson",
    "CategoryNotFound",
    "FeatureNotEnabled",
    "PaymentNotFound",
    "PhoneUnknown",
    "SenderIsReceiver",
    "TestAccountNotFound",
    "TooManyCategories",
    "AlreadyAMilestoneEscrow",
    "ClaimTooEarly",
    "NotAVault",
    "ParticipantTwice",
    "PotTooSmall",
    "StakeNotCovered",
    "TooFewParticipants",
    "VaultAlreadySettled",
    "VaultOfAnotherMerchant",
    "WinnerNotAParticipant",
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
    "NoDisputeYet",
    "NotAMilestoneEscrow",
    "NothingLeftToDispute",
    "SandboxOnly",
    "SellerAlreadyReplied",
    "SplitDoesNotAddUp",
    "TooFewMilestones",
    "TooMuchMoney",
];

/// Counts the outcomes of a run.
#[derive(Default)]
struct Tally {
    /// By kind of command: succeeded, refused.
    kinds: BTreeMap<&'static str, [u64; 2]>,
    refusals: BTreeMap<String, u64>,
    /// The deposits that changed terms alone kept from funding their deals.
    kept_for_new_terms: u64,
    restarts: u64,
    audits: u64,
}

impl Tally {
    fn and(mut self, other: Self) -> Self {
        for (kind, times) in other.kinds {
            let sum = self.kinds.entry(kind).or_default();
            *sum = [sum[0] + times[0], sum[1] + times[1]];
        }
        for (refusal, times) in other.refusals {
            *self.refusals.entry(refusal).or_default() += times;
        }
        self.kept_for_new_terms += other.kept_for_new_terms;
        self.restarts += other.restarts;
        self.audits += other.audits;
        self
    }
}

#[test]
fn the_ledger_agrees_with_the_reference() {
    let number = |name: &str, default| env::var(name).map_or(default, |text| text.parse().unwrap());
    let commands = match Engine::wanted() {
        Engine::Sqlite => COMMANDS,
        Engine::Postgres => COMMANDS_ON_POSTGRES,
    };
    let (commands, seed) = (number("MODEL_COMMANDS", commands), number("MODEL_SEED", SEED));
    println!("MODEL_COMMANDS={commands} MODEL_SEED={seed}");
    let of_database = COMMANDS_PER_DATABASE.min(commands.div_ceil(2));
    let databases = commands.div_ceil(of_database);
    let (next, started) = (AtomicU64::new(0), Instant::now());
    let run_some = || {
        let mut tally = Tally::default();
        loop {
            let database = next.fetch_add(1, Ordering::Relaxed);
            if database >= databases {
                return tally;
            }
            let these = (commands - database * of_database).min(of_database);
            assert_agrees(Engine::wanted(), these, seed + database, &mut tally);
        }
    };
    let tally = thread::scope(|scope| {
        let cores = thread::available_parallelism().unwrap().get();
        let running: Vec<_> = (0..cores).map(|_| scope.spawn(run_some)).collect();
        let tallies = running.into_iter().map(|one| one.join().expect("the model agrees"));
        tallies.fold(Tally::default(), Tally::and)
    });
    let took = started.elapsed();
    println!("{commands} commands in {databases} databases, {took:.1?}");
    println!("{} restarts, {} audits", tally.restarts, tally.audits);
    println!("{} deposits kept for new terms", tally.kept_for_new_terms);
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
        assert_ne!(tally.kept_for_new_terms, 0, "no deposit met changed terms");
        for refusal in REFUSALS {
            assert!(
                tally.refusals.contains_key(refusal),
                "no command was refused with {refusal}"
            );
        }
    }
}

fn assert_agrees(engine: Engine, commands: u64, seed: u64, tally: &mut Tally) {
    if let Some(steps) = run(engine, commands, seed, None, tally) {
        panic!("The shortest list of commands that fails:\n{steps:#?}");
    }
}

#[test]
fn the_ledger_on_postgresql_agrees_with_the_reference() {
    let runs_on_file = Engine::wanted() == Engine::Sqlite;
    if runs_on_file && cluster::is_installed() {
        assert_agrees(Engine::Postgres, COMMANDS_ON_BOTH, SEED, &mut Tally::default());
    }
}

/// Runs the model on a service with a planted bug, and returns the commands that show it.
fn commands_that_show(fault: Fault, seed: u64) -> Vec<&'static str> {
    let steps = run(Engine::wanted(), 4_000, seed, Some(fault), &mut Tally::default());
    let steps = steps.expect("the model finds the planted bug");
    println!("{steps:#?}");
    let reference = Reference {
        merchants: merchants(),
        ..Reference::default()
    };
    let name = |step: &run::Step| match step.command.action {
        Action::Fund { .. } => "fund",
        _ => kind(&step.command, &reference),
    };
    steps.iter().map(name).collect()
}

#[test]
fn a_lost_release_is_found_with_the_commands_that_lead_to_it() {
    let shown = commands_that_show(Fault::LosesRelease, SEED_OF_PLANTED_BUGS);
    assert_eq!(shown, ["offer milestones", "fund", "confirm milestone"]);
}

#[test]
fn a_lost_stake_is_found_with_one_command() {
    assert_eq!(
        commands_that_show(Fault::LosesStake, SEED_OF_PLANTED_BUGS),
        ["open a vault"]
    );
}

#[test]
fn a_deposit_paid_out_twice_is_found_with_the_commands_that_lead_to_it() {
    let shown = commands_that_show(Fault::DepositsTwice, SEED_OF_PLANTED_BUGS);
    assert_eq!(shown, ["ask for a deposit", "pay a test account"]);
}

#[test]
fn a_category_in_the_wrong_place_is_found_with_the_commands_that_lead_to_it() {
    // The customer may have to appear first.
    let shown = commands_that_show(Fault::MovesTooFar, SEED_THAT_MOVES_EARLY);
    assert!(shown.len() <= 3, "{shown:?}");
    assert!(shown.ends_with(&["create a category", "move a category"]), "{shown:?}");
}

#[test]
fn a_paid_pay_out_that_is_given_back_too_is_found_with_the_commands_that_lead_to_it() {
    // The owner may have to earn the money first.
    let shown = commands_that_show(Fault::GivesPaidBack, SEED_THAT_PAYS_EARLY);
    assert!(shown.len() <= 6, "{shown:?}");
    assert!(shown.ends_with(&["approve a pay-out", "pay a pay-out"]), "{shown:?}");
}

#[test]
fn a_refusal_that_leaves_a_row_is_found_with_one_command() {
    assert_eq!(commands_that_show(Fault::KeepsRefused, SEED_OF_PLANTED_BUGS), ["claim"]);
}

/// Runs one command on both sides and compares the results.
fn step(service: &Service, reference: &mut Reference, command: &Command, tally: &mut Tally) {
    let kind = kind(command, reference);
    let version = service.keep_state();
    let reply = service.execute(command, reference);
    service.do_harm(command, &reply);
    service.drop_state(version, reply.is_err());
    let expected = reference.execute(command);
    tally.kept_for_new_terms += mem::take(&mut reference.kept_for_new_terms);
    match (reply, expected) {
        (Ok(reply), Ok(deals)) => {
            tally.kinds.entry(kind).or_default()[0] += 1;
            learn(reference, command, &reply, &deals);
            assert_eq!(reply.escrows.len(), deals.len(), "escrows in the reply");
            if let (Some(known), Action::Vault(vaults::Step::Create { .. })) = (&reply.vault, &command.action) {
                let vault = reference.vaults.last_mut().unwrap();
                vault.id = (known.id.number(), known.id.guard());
                known.payment_token.as_str().clone_into(&mut vault.token);
            }
            reference.learn_intent(command, &reply);
            reference.learn_category(command, &reply);
            reference.learn_treasury(&reply);
            for &place in &reference.touched {
                service.assert_intent_stored(&reference.intents[place]);
            }
            for &place in &reference.touched_receipts {
                service.assert_receipt_stored(&reference.receipts[place]);
            }
            for &place in &reference.touched_payouts {
                service.assert_payout_stored(&reference.payouts[place]);
            }
            if let Some(place) = named_vault(command, reference) {
                service.assert_vault_stored(&reference.vaults[place]);
            }
            for (escrow, &deal) in reply.escrows.iter().zip(&deals) {
                service.assert_same(escrow, &reference.deals[deal]);
                service.assert_stored(&reference.deals[deal]);
            }
            for deal in named_deals(command) {
                service.assert_stored(&reference.deals[deal]);
            }
        }
        (Err(refusal), Err(expected)) => {
            assert_eq!(refusal, expected, "the refusal");
            tally.kinds.entry(kind).or_default()[1] += 1;
            let rule = refusal.split(' ').next().unwrap_or_default();
            *tally.refusals.entry(rule.to_owned()).or_default() += 1;
            for deal in named_deals(command) {
                service.assert_stored(&reference.deals[deal]);
            }
        }
        (Ok(_), Err(expected)) => panic!("the service should have refused the command: {expected}"),
        (Err(refusal), Ok(_)) => panic!("the service should have accepted the command: {refusal}"),
    }
    service.assert_balances(command.merchant, reference);
    service.assert_wallet(command, reference);
    service.assert_newest_rows(reference.rows);
    service.assert_categories(command.merchant, reference);
}

/// Copies the ids, tokens and references that the service generated to the reference.
fn learn(reference: &mut Reference, command: &Command, reply: &Reply, deals: &[usize]) {
    if let Some(name) = &reply.reference {
        reference.learn_reference(command, name, deals, None);
    }
    let is_edit = matches!(command.action, Action::Edit { .. } | Action::Convert { .. });
    for (escrow, &place) in reply.escrows.iter().zip(deals) {
        let deal = &mut reference.deals[place];
        if !is_edit && deal.id != Id::default() {
            continue;
        }
        deal.id = (escrow.id.number(), escrow.id.guard());
        escrow.payment_token.as_str().clone_into(&mut deal.token);
        for (milestone, known) in deal.milestones.iter_mut().flatten().zip(milestones_of(escrow)) {
            milestone.id = known.id;
        }
    }
}

/// Returns the vault that a command opens or settles.
const fn named_vault(command: &Command, reference: &Reference) -> Option<usize> {
    match command.action {
        Action::Vault(vaults::Step::Create { .. }) => Some(reference.vaults.len() - 1),
        Action::Vault(
            vaults::Step::Win {
                vault: vaults::Target::Vault(place),
                ..
            }
            | vaults::Step::Cancel {
                vault: vaults::Target::Vault(place),
            },
        ) => Some(place),
        _ => None,
    }
}

/// Returns the deals that a command names.
fn named_deals(command: &Command) -> Vec<usize> {
    match &command.action {
        Action::Edit { deal, .. }
        | Action::EditStandard { deal, .. }
        | Action::Convert { deal, .. }
        | Action::Claim { deal }
        | Action::ConfirmMilestone { deal, .. }
        | Action::ConfirmPayment { deal }
        | Action::SetFee { deal, .. }
        | Action::Delete { deal }
        | Action::Dispute { deal }
        | Action::Refund { deal }
        | Action::Resolve { deal, .. } => deal.iter().copied().collect(),
        Action::Fund { deals, .. } => deals.iter().filter_map(|named| named.deal).collect(),
        Action::OfferMilestones(_)
        | Action::OfferStandard(_)
        | Action::TopUp { .. }
        | Action::Vault(_)
        | Action::Intent(_)
        | Action::Category(_)
        | Action::Operator(_)
        | Action::AdvanceClock { .. }
        | Action::SeeWallet => Vec::new(),
    }
}

fn kind(command: &Command, reference: &Reference) -> &'static str {
    let is_link = |named: &Named| named.deal.is_some_and(|place| reference.deals[place].stock.is_some());
    let is_used = |name: &String| reference.merchants[command.merchant].references.contains_key(name);
    match &command.action {
        Action::OfferMilestones(_) => "offer milestones",
        Action::OfferStandard(_) => "offer standard",
        Action::Edit { .. } => "edit",
        Action::EditStandard { .. } => "edit standard",
        Action::Convert { .. } => "convert",
        Action::Claim { .. } => "claim",
        Action::AdvanceClock { .. } => "advance the clock",
        Action::Vault(vaults::Step::Create { .. }) => "open a vault",
        Action::Vault(vaults::Step::Win { .. }) => "declare a winner",
        Action::Vault(vaults::Step::Cancel { .. }) => "cancel a vault",
        Action::Intent(intents::Step::Request {
            reference: Some(name), ..
        }) if is_used(name) => "ask again",
        Action::Intent(intents::Step::Request { kind, .. }) => match kind {
            intents::Kind::Deposit { .. } => "ask for a deposit",
            intents::Kind::Withdrawal { .. } => "ask for a withdrawal",
            intents::Kind::Transfer { .. } => "ask for a transfer",
        },
        Action::Intent(intents::Step::Verify { .. }) => "verify",
        Action::Intent(intents::Step::Pay { .. }) => "pay a test account",
        Action::Category(of_category) => match of_category.step {
            categories::Step::Create { .. } => "create a category",
            categories::Step::Edit { .. } => "edit a category",
            categories::Step::Move { .. } => "move a category",
            categories::Step::Delete { .. } => "delete a category",
        },
        Action::Operator(act) => act.step.kind(),
        Action::Fund { reference: name, .. } if name.as_ref().is_some_and(is_used) => "fund again",
        Action::Fund { deals, .. } if deals.iter().any(is_link) => "pay for a link",
        Action::Fund { deals, .. } if deals.len() == 1 => "fund one",
        Action::Fund { .. } => "fund several",
        Action::ConfirmMilestone { .. } => "confirm milestone",
        Action::ConfirmPayment { .. } => "confirm payment",
        Action::SetFee { .. } => "set the fee",
        Action::Delete { .. } => "delete",
        Action::Dispute { .. } => "dispute",
        Action::Resolve { .. } => "resolve",
        Action::Refund { .. } => "refund",
        Action::TopUp { .. } => "top up",
        Action::SeeWallet => "see wallet",
    }
}

/// Usual rates, rates that round, rates of half the amount, and a merchant without fees
/// whose sums are near the maximum.
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
        has_bank: platform_bps == 200,
        ..Merchant::default()
    })
    .into()
}
