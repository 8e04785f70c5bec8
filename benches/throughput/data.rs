//! Builds the database file that all measurements use, with the service's own commands.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::anyhow;
use escrowd::app;
use escrowd::clock::SystemClock;
use escrowd::commands::milestone_escrows::{self, MilestoneEscrowRequest};
use escrowd::commands::payments;
use escrowd::commands::{Error, Policy, merchants};
use escrowd::config::{Config, Limits};
use escrowd::domain::escrow::terms::{MilestoneRequest, TermsRequest};
use escrowd::domain::fees::WhoPays;
use escrowd::domain::ids::{CustomerId, EscrowKey, MerchantId};
use escrowd::domain::merchant::key::SandboxKey;
use escrowd::domain::mode::Mode;
use escrowd::domain::money::Amount;
use escrowd::domain::party::{Actor, Party};
use escrowd::domain::payments::request::{Gateway, PaymentRequest};
use escrowd::entropy::SystemEntropy;
use escrowd::store::{Settings, Store, Synchronous, Tx};
use indicatif::{ProgressBar, ProgressStyle};

use crate::arguments::CommonOptions;
use crate::deals::{Deal, Deals};
use crate::stop;

/// The deals that one command creates while the file is built.
const BATCH: usize = 64;
/// The batches in the writer's queue at a time while the file is built.
const BATCHES_IN_FLIGHT: usize = 4;
/// The amount of one milestone in minor units.
const MILESTONE_AMOUNT: i64 = 1000;

/// The size of a file, and the number of its deals that are kept for requests.
#[derive(Clone, Copy)]
pub(crate) struct Size {
    pub(crate) escrows: usize,
    pub(crate) milestones: usize,
    pub(crate) customers: usize,
    /// The number of deals kept for requests, spread evenly over those before the newest.
    pub(crate) kept: usize,
    /// The number of newest deals, all of which are kept for requests.
    pub(crate) newest: usize,
    /// The number of merchants, who take turns in offering deals. The first is the default
    /// merchant, for which requests need no key.
    pub(crate) merchants: usize,
}

impl Size {
    /// Returns a size with one merchant, of which all deals are kept.
    pub(crate) const fn new(escrows: usize, milestones: usize, common: &CommonOptions) -> Self {
        Self {
            escrows,
            milestones,
            customers: common.customers,
            kept: escrows,
            newest: 0,
            merchants: 1,
        }
    }

    /// Returns an upper estimate of the bytes of a file of this size after every milestone
    /// is confirmed.
    pub(crate) const fn bytes(self) -> u64 {
        (self.escrows as u64) * (3_000 + 1_000 * self.milestones as u64)
    }
}

pub(crate) fn settings(path: &Path, synchronous: Synchronous) -> Settings {
    Settings {
        place: path.to_owned().into(),
        mode: Mode::Sandbox,
        currency: "NGN".to_owned(),
        synchronous,
        readers: 2,
        long_readers: 2,
        long_reads_waiting_max: 64,
        read_time_max: Duration::from_secs(5),
        queue_commands_max: 4096,
        group_commands_max: 128,
        checkpoint_pages: 8000,
        accept_loss: false,
        clock_jump_max: Duration::from_hours(72),
        accept_clock: false,
        vacuum_free_bytes_min: None,
    }
}

/// Returns the policy of the default configuration, except that an escrow may have up to
/// 1,000 milestones.
pub(crate) fn policy() -> Policy {
    let config = Config {
        limits: Limits {
            milestones_max: 1000,
            ..Config::default().limits
        },
        ..Config::default()
    };
    app::policy(&config).expect("the rates are the default")
}

/// Builds a file of funded escrows and returns the kept deals in random order.
pub(crate) fn build(path: &Path, size: Size) -> anyhow::Result<Deals> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let entropy = Box::new(SystemEntropy::new());
    let (store, _ended) = Store::open(&settings(path, Synchronous::Normal), Box::new(SystemClock), entropy)?;
    let style = ProgressStyle::with_template("building {msg} {bar:40} {pos}/{len} escrows {eta}")?;
    let bar = ProgressBar::new(size.escrows as u64).with_style(style);
    bar.set_message(format!("a file with {} milestones each", size.milestones));
    let policy = Arc::new(policy());
    let mut random = fastrand::Rng::with_seed(7);
    let older = size.escrows - size.newest;
    let mut kept = Vec::with_capacity(size.kept + size.newest);
    let mut keys = Vec::with_capacity(size.merchants);
    for number in 0..size.merchants {
        let key: Arc<str> = if number == 0 {
            "".into()
        } else {
            format!("sk_test_{number}").into()
        };
        let sandbox_key = SandboxKey::new(&key);
        let merchant = runtime.block_on(store.write(move |tx| merchants::of_sandbox_key(tx, &sandbox_key)))?;
        keys.push((merchant, key));
    }
    let keys: Arc<[(MerchantId, Arc<str>)]> = keys.into();
    for start in (0..size.escrows).step_by(BATCH * BATCHES_IN_FLIGHT) {
        stop::check()?;
        let end = size.escrows.min(start + BATCH * BATCHES_IN_FLIGHT);
        let batches = (start..end).step_by(BATCH).map(|from| {
            let half = size.customers / 2;
            let pairs: Vec<_> = (from..end.min(from + BATCH))
                .map(|_| (random.usize(..half), half + random.usize(..half)))
                .collect();
            let (policy, keys) = (Arc::clone(&policy), Arc::clone(&keys));
            store.write(move |tx| {
                pairs
                    .into_iter()
                    .zip(keys.iter().cycle().skip(from % size.merchants))
                    .map(|((seller, buyer), key)| {
                        deal(tx, &policy, key, &format!("c{seller}"), format!("c{buyer}"), size)
                    })
                    .collect::<Result<Vec<Deal>, Error>>()
            })
        });
        let batches = runtime.block_on(futures_util::future::join_all(batches));
        let mut number = start;
        for batch in batches {
            for deal in batch.map_err(|error| anyhow!("{error:?}"))? {
                number += 1;
                if number > older || number * size.kept / older > kept.len() {
                    kept.push(deal);
                }
            }
        }
        bar.inc((end - start) as u64);
    }
    bar.finish_and_clear();
    store.close();
    Ok(Deals::shuffled(kept))
}

/// Creates one escrow and funds it.
fn deal(
    tx: &mut Tx<'_>,
    policy: &Policy,
    (merchant, key): &(MerchantId, Arc<str>),
    seller: &str,
    buyer: String,
    size: Size,
) -> Result<Deal, Error> {
    let actor = |id: &str| Actor {
        merchant: *merchant,
        party: Party::Customer(CustomerId::parse(id).expect("a plain id")),
    };
    let escrow = milestone_escrows::create(tx, policy, &actor(seller), Ok(escrow_request(size.milestones)))?;
    let request = PaymentRequest {
        token: None,
        escrows: vec![EscrowKey::Id(escrow.id)],
        amount: None,
        reference: None,
        gateway: Gateway::Wallet,
    };
    payments::fund(tx, policy, &actor(&buyer), Ok(request))?;
    Ok(Deal {
        key: Arc::clone(key),
        buyer,
        escrow: escrow.id.to_string(),
        token: escrow.payment_token.as_str().to_owned(),
        milestones: escrow
            .milestones()
            .iter()
            .map(|milestone| milestone.id.to_string())
            .collect(),
    })
}

fn escrow_request(milestones: usize) -> MilestoneEscrowRequest {
    let amount = Amount::from_minor(MILESTONE_AMOUNT).expect("a small constant");
    let stage = |number| MilestoneRequest {
        title: format!("Stage {number}"),
        description: None,
        amount,
        due_date: None,
        beneficiary: None,
    };
    MilestoneEscrowRequest {
        terms: TermsRequest {
            amount: Amount::total(vec![amount; milestones]).expect("a small sum"),
            purpose: "Shop fit-out".to_owned(),
            description: None,
            who_pays: WhoPays::Buyer,
            max_delivery: None,
            delivery_timeline: None,
            total_quantity: None,
            category: None,
        },
        milestones: (1..=milestones).map(stage).collect(),
    }
}
