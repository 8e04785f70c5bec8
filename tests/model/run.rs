//! Runs lists of commands, and shortens a list that fails.

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;
use std::time::{Duration, Instant};

use crate::categories::Category;
use crate::database::Engine;
use crate::generator::{self, Random};
use crate::helpers::START;
use crate::intents::Intent;
use crate::payouts::Payout;
use crate::receipts::Receipt;
use crate::reference::{Command, Deal, Reference, Rows};
use crate::refusals::Fault;
use crate::service::Service;
use crate::treasury::OPERATORS;
use crate::vaults::Vault;
use crate::{Tally, merchants};

/// The number of commands between two audits. It grows to an eighth of the commands so far.
const AUDIT_STEP: u64 = 1_000;
/// The longest time for shortening a list.
const SHORTENING_MAX: Duration = Duration::from_mins(2);

/// One command of a run with the time at which it happens. A command names deals, vaults,
/// intents, categories, receipts and pay-outs by their places. A shortened run keeps the places: it
/// fills those of a dropped command with ones that do not exist.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    clock: i64,
    restarts: bool,
    pub(crate) command: Command,
    /// The numbers of deals, vaults, intents, categories, receipts and pay-outs before the
    /// command.
    places: [usize; 6],
}

/// A service beside its reference.
struct World {
    service: Option<Service>,
    reference: Reference,
}

impl World {
    fn start(engine: Engine, fault: Option<Fault>) -> Self {
        let reference = Reference {
            merchants: merchants(),
            time: START,
            rows: Rows {
                acts: OPERATORS,
                ..Rows::default()
            },
            ..Reference::default()
        };
        let mut service = Service::start(engine, &reference);
        service.fault = fault;
        Self {
            service: Some(service),
            reference,
        }
    }

    fn service(&self) -> &Service {
        self.service.as_ref().unwrap()
    }

    const fn places(&self) -> [usize; 6] {
        let reference = &self.reference;
        [
            reference.deals.len(),
            reference.vaults.len(),
            reference.intents.len(),
            reference.categories.len(),
            reference.receipts.len(),
            reference.payouts.len(),
        ]
    }

    /// Fills the places of dropped commands, so that there are as many as before the step.
    /// Returns false if there are more already.
    fn fill_places(&mut self, step: &Step) -> bool {
        let mut pairs = self.places().into_iter().zip(step.places);
        if pairs.any(|(present, before)| present > before) {
            return false;
        }
        let [deals, vaults, intents, categories, receipts, payouts] = step.places;
        self.reference.deals.resize_with(deals, Deal::missing);
        self.reference.vaults.resize_with(vaults, Vault::missing);
        self.reference.intents.resize_with(intents, Intent::missing);
        self.reference.categories.resize_with(categories, Category::missing);
        self.reference.receipts.resize_with(receipts, Receipt::missing);
        self.reference.payouts.resize_with(payouts, Payout::missing);
        true
    }

    fn play(&mut self, step: &Step, tally: &mut Tally) {
        self.service().database.clock.set(step.clock);
        self.reference.time = self.reference.time.max(step.clock);
        if step.restarts {
            let service = self.service.take().unwrap();
            self.service = Some(service.restart(&self.reference));
            tally.restarts += 1;
        }
        let service = self.service.as_ref().unwrap();
        crate::step(service, &mut self.reference, &step.command, tally);
    }

    fn audit(&self, tally: &mut Tally) {
        self.service().assert_sound(self.reference.rows);
        tally.audits += 1;
    }

    /// Compares everything.
    fn finish(&self, tally: &mut Tally) {
        self.audit(tally);
        let service = self.service();
        for deal in &self.reference.deals {
            service.assert_stored(deal);
        }
        for vault in &self.reference.vaults {
            service.assert_vault_stored(vault);
        }
        for intent in &self.reference.intents {
            service.assert_intent_stored(intent);
        }
        for receipt in &self.reference.receipts {
            service.assert_receipt_stored(receipt);
        }
        for payout in &self.reference.payouts {
            service.assert_payout_stored(payout);
        }
        for merchant in 0..self.reference.merchants.len() {
            service.assert_balances(merchant, &self.reference);
            service.assert_categories(merchant, &self.reference);
        }
    }
}

/// Runs random commands. Returns the shortest list of commands found that fails, if these do.
pub(crate) fn run(
    engine: Engine,
    commands: u64,
    seed: u64,
    fault: Option<Fault>,
    tally: &mut Tally,
) -> Option<Vec<Step>> {
    let mut random = Random(seed);
    let mut world = World::start(engine, fault);
    let mut steps: Vec<Step> = Vec::new();
    let mut now = START;
    let mut next_audit = AUDIT_STEP;
    let outcome = panic::catch_unwind(AssertUnwindSafe(|| {
        for number in 1..=commands {
            // Time advances in jumps. Now and then the clock jumps back to the start.
            now += i64::try_from(random.below(2_000)).unwrap();
            let jumps_back = random.one_in(50);
            let restarts = random.one_in(1_000);
            let command = generator::next(&mut random, &world.reference);
            steps.push(Step {
                clock: if jumps_back && !restarts { START } else { now },
                restarts,
                command,
                places: world.places(),
            });
            world.play(steps.last().unwrap(), tally);
            if number == next_audit && number != commands {
                world.audit(tally);
                next_audit = number + AUDIT_STEP.max(number / 8);
            }
        }
        world.finish(tally);
    }));
    if outcome.is_ok() {
        return None;
    }
    drop(world);
    println!("Failed at command {}.", steps.len());
    // The first of two databases runs half of the commands.
    println!(
        "To repeat: MODEL_SEED={seed} MODEL_COMMANDS={} cargo test --test model",
        2 * steps.len()
    );
    Some(shortest(engine, steps, fault))
}

/// Drops the steps that a failure does not need: halves, then smaller parts, then single
/// steps, as long as there is time. Each try starts on a new database.
fn shortest(engine: Engine, mut steps: Vec<Step>, fault: Option<Fault>) -> Vec<Step> {
    let ends = Instant::now() + SHORTENING_MAX;
    let mut size = steps.len().div_ceil(2);
    loop {
        let mut has_dropped = false;
        let mut end = steps.len();
        while end > 0 && Instant::now() < ends {
            let start = end.saturating_sub(size);
            let mut fewer = steps.clone();
            fewer.drain(start..end);
            if let Some(failing) = failing_part(engine, &fewer, fault) {
                fewer.truncate(failing);
                steps = fewer;
                has_dropped = true;
            }
            end = start.min(steps.len());
        }
        if Instant::now() >= ends || (size == 1 && !has_dropped) {
            return steps;
        }
        size = if size == 1 { 1 } else { size.div_ceil(2) };
    }
}

/// Returns the number of steps after which the list fails, or `None` if it does not, or if
/// its commands would name other deals than they did.
fn failing_part(engine: Engine, steps: &[Step], fault: Option<Fault>) -> Option<usize> {
    let mut world = World::start(engine, fault);
    let mut tally = Tally::default();
    for (index, step) in steps.iter().enumerate() {
        if !world.fill_places(step) {
            return None;
        }
        if fails_quietly(|| world.play(step, &mut tally)) {
            return Some(index + 1);
        }
    }
    fails_quietly(|| world.finish(&mut tally)).then_some(steps.len())
}

thread_local! {
    static IS_QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Returns true if the code panics, of which nothing is printed.
fn fails_quietly(code: impl FnOnce()) -> bool {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !IS_QUIET.get() {
                usual(info);
            }
        }));
    });
    IS_QUIET.set(true);
    let outcome = panic::catch_unwind(AssertUnwindSafe(code));
    IS_QUIET.set(false);
    outcome.is_err()
}
