//! The file that every way of confirming is measured on, built through the real
//! commands.

use std::path::Path;
use std::sync::Arc;

use escrowd::clock::SystemClock;
use escrowd::commands::milestone_escrows::{self, MilestoneEscrowDraft};
use escrowd::commands::payments::{self, PaymentRequest};
use escrowd::commands::{Actor, Error, Policy, merchants};
use escrowd::domain::customer::Admission;
use escrowd::domain::fees::{Rates, WhoPays};
use escrowd::domain::ids::{CustomerId, EscrowKey, MerchantId};
use escrowd::domain::mode::Mode;
use escrowd::domain::money::Amount;
use escrowd::domain::terms::{MilestoneDraft, TermsDraft, TermsLimits};
use escrowd::entropy::SystemEntropy;
use escrowd::store::{Settings, Store, Synchronous};
use indicatif::{ProgressBar, ProgressStyle};
use sha2::{Digest, Sha256};

/// Deals in flight while the file is built.
const IN_FLIGHT: usize = 256;

/// One milestone to confirm: the buyer's id, the escrow's and its own.
pub(crate) struct Confirmation {
    pub(crate) buyer: String,
    pub(crate) escrow: String,
    pub(crate) milestone: String,
    pub(crate) token: String,
}

pub(crate) fn settings(path: &Path, synchronous: Synchronous) -> Settings {
    Settings {
        path: path.to_owned(),
        mode: Mode::Sandbox,
        currency: "NGN".to_owned(),
        synchronous,
        readers: 2,
        queue_commands_max: 4096,
        group_commands_max: 128,
        checkpoint_pages: 8000,
    }
}

/// What a server with the default configuration allows.
pub(crate) fn policy() -> Policy {
    let kobo = |minor| Amount::from_minor(minor).expect("a small constant");
    Policy {
        mode: Mode::Sandbox,
        admission: Admission::Register {
            opening_balance: kobo(100_000_000),
        },
        rates: Rates::new(200, 0).expect("two percent"),
        merchant_rates: std::collections::HashMap::new(),
        terms_limits: TermsLimits {
            amount_min: kobo(100),
            milestones_max: 1000,
            purpose_chars_max: 255,
            description_chars_max: 2000,
        },
    }
}

/// Builds a file of funded escrows and answers every confirmation that is open in
/// it, in a random order that is the same every time.
pub(crate) fn build(
    path: &Path,
    escrows: usize,
    milestones: usize,
    customers: usize,
) -> anyhow::Result<Vec<Confirmation>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let entropy = Box::new(SystemEntropy::new());
    let (store, _ended) = Store::open(&settings(path, Synchronous::Normal), Box::new(SystemClock), entropy)?;
    let style = ProgressStyle::with_template("building the file {bar:40} {pos}/{len} escrows {eta}")?;
    let bar = ProgressBar::new(escrows as u64).with_style(style);
    let policy = Arc::new(policy());
    let mut random = fastrand::Rng::with_seed(7);
    let mut confirmations = Vec::with_capacity(escrows * milestones);
    runtime.block_on(async {
        // The key of a program that sends none.
        let key_hash: [u8; 32] = Sha256::digest("").into();
        let merchant = store.write(move |tx| merchants::of_sandbox_key(tx, &key_hash)).await?;
        for start in (0..escrows).step_by(IN_FLIGHT) {
            let deals = (start..escrows.min(start + IN_FLIGHT)).map(|_| {
                let seller = random.usize(..customers / 2);
                let buyer = customers / 2 + random.usize(..customers / 2);
                deal(
                    &store,
                    &policy,
                    merchant,
                    format!("c{seller}"),
                    format!("c{buyer}"),
                    milestones,
                )
            });
            for deal in futures_util::future::join_all(deals).await {
                confirmations.extend(deal.map_err(|error| anyhow::anyhow!("{error:?}"))?);
            }
            bar.inc(IN_FLIGHT as u64);
        }
        anyhow::Ok(())
    })?;
    bar.finish_and_clear();
    store.close();
    random.shuffle(&mut confirmations);
    Ok(confirmations)
}

async fn deal(
    store: &Store,
    policy: &Arc<Policy>,
    merchant: MerchantId,
    seller: String,
    buyer: String,
    milestones: usize,
) -> Result<Vec<Confirmation>, Error> {
    let actor = |id: &str| Actor {
        merchant,
        customer: CustomerId::parse(id).expect("a plain id"),
    };
    let (as_seller, as_buyer) = (actor(&seller), actor(&buyer));
    let ten = Amount::from_minor(1000).expect("a small constant");
    let stage = |number| {
        Ok(MilestoneDraft {
            title: Ok(format!("Stage {number}")),
            description: Ok(None),
            amount: Ok(ten),
            due_date: Ok(None),
            beneficiary: Ok(None),
        })
    };
    let draft = MilestoneEscrowDraft {
        terms: TermsDraft {
            amount: Ok(Amount::total(vec![ten; milestones]).expect("a small sum")),
            purpose: Ok("Shop fit-out".to_owned()),
            description: Ok(None),
            who_pays: Ok(WhoPays::Buyer),
            max_delivery: Ok(None),
            delivery_timeline: Ok(None),
            total_quantity: Ok(None),
            no_category: Ok(()),
        },
        milestones: Ok((1..=milestones).map(stage).collect()),
    };
    let shared = Arc::clone(policy);
    let escrow = store
        .write(move |tx| milestone_escrows::create(tx, &shared, &as_seller, Ok(draft)))
        .await?;
    let request = PaymentRequest {
        escrows: vec![EscrowKey::Id(escrow.id)],
        amount: None,
        reference: None,
    };
    let shared = Arc::clone(policy);
    store
        .write(move |tx| payments::fund(tx, &shared, &as_buyer, Ok(request)))
        .await?;
    let confirmation = |milestone: &escrowd::domain::milestone::Milestone| Confirmation {
        buyer: buyer.clone(),
        escrow: escrow.id.to_string(),
        milestone: milestone.id.to_string(),
        token: escrow.payment_token.as_str().to_owned(),
    };
    Ok(escrow.milestones().iter().map(confirmation).collect())
}
