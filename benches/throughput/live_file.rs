//! A file of live mode for the soak: a merchant whose customers have money that operators have
//! recorded.

use std::path::Path;

use anyhow::anyhow;
use escrowd::app;
use escrowd::clock::SystemClock;
use escrowd::commands::merchants::{self, MerchantRequest};
use escrowd::commands::operators::{self, OperatorActor, OperatorRequest};
use escrowd::commands::receipts::{self, ReceiptRequest, ReceiptTarget};
use escrowd::commands::{Error, Policy};
use escrowd::config::Config;
use escrowd::domain::customers::customer::Customer;
use escrowd::domain::ids::{CustomerId, IdSource, MerchantId};
use escrowd::domain::merchant::key::NewKey;
use escrowd::domain::merchant::settings::SettingsChange;
use escrowd::domain::mode::Mode;
use escrowd::domain::money::Amount;
use escrowd::domain::time::Date;
use escrowd::domain::treasury::act::Agent;
use escrowd::domain::treasury::operator::Role;
use escrowd::domain::treasury::payout::BankEntry;
use escrowd::entropy::{self, SystemEntropy};
use escrowd::store::{Settings, Store, Synchronous, Tx};

use crate::data;

/// The money of each customer at the start: 1,000,000.00.
const OPENING_MINOR: i64 = 100_000_000;
/// The customers that one command creates.
const BATCH: usize = 100;

/// The keys of a live file.
pub(crate) struct Keys {
    /// The key of the only merchant.
    pub(crate) merchant: String,
    /// The key of an admin.
    pub(crate) admin: String,
}

/// Builds a file with a merchant and its customers `c0`, `c1`, ... Returns the keys.
pub(crate) fn build(path: &Path, customers: usize) -> anyhow::Result<Keys> {
    let keys = Keys {
        merchant: entropy::live_key(),
        admin: entropy::operator_key(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let settings = Settings {
        mode: Mode::Live,
        ..data::settings(path, Synchronous::Normal)
    };
    let (store, _ended) = Store::open(&settings, Box::new(SystemClock), Box::new(SystemEntropy::new()))?;
    let config = Config {
        mode: Mode::Live,
        ..Config::default()
    };
    let policy = app::policy(&config)?;
    let (of_merchant, of_admin, rules) = (NewKey::of(&keys.merchant), keys.admin.clone(), policy.clone());
    let create = move |tx: &mut Tx<'_>| {
        let admin = OperatorRequest {
            name: "admin".to_owned(),
            role: Role::Admin,
            merchants: Vec::new(),
        };
        operators::create(tx, &on_this_machine(), Ok(admin), &of_admin)?;
        let shop = MerchantRequest {
            name: "shop".to_owned(),
            settings: SettingsChange::default(),
        };
        let (merchant, _key) = merchants::create(tx, &rules, &on_this_machine(), Ok(shop), of_merchant)?;
        Ok::<_, Error>(merchant.id)
    };
    let merchant = runtime
        .block_on(store.write(create))
        .map_err(|error| anyhow!("{error:?}"))?;
    for start in (0..customers).step_by(BATCH) {
        let (batch, policy) = (start..customers.min(start + BATCH), policy.clone());
        let add = move |tx: &mut Tx<'_>| -> Result<(), Error> {
            tx.act_for(merchant)?;
            for number in batch {
                add_customer(tx, &policy, merchant, number)?;
            }
            Ok(())
        };
        let added = runtime.block_on(store.write(add));
        added.map_err(|error| anyhow!("{error:?}"))?;
    }
    store.close();
    Ok(keys)
}

fn add_customer(tx: &mut Tx<'_>, policy: &Policy, merchant: MerchantId, number: usize) -> Result<(), Error> {
    let id = CustomerId::parse(&format!("c{number}")).expect("a plain id");
    let (wallet, now) = (tx.wallet_id(), tx.now());
    tx.insert_customer(merchant, &Customer::new(id.clone(), wallet, None, now))?;
    let actor = OperatorActor {
        merchant,
        agent: on_this_machine(),
    };
    let receipt = ReceiptRequest {
        amount: Amount::from_minor(OPENING_MINOR).expect("a small constant"),
        entry: BankEntry {
            reference: format!("opening-{number}"),
            value_date: Date::parse("2026-11-02").expect("a day"),
        },
        note: None,
        target: ReceiptTarget::Customer(id),
    };
    receipts::record(tx, policy, &actor, Ok(receipt)).map(drop)
}

/// The agent of a command on the machine itself.
const fn on_this_machine() -> Agent {
    Agent {
        operator: None,
        address: None,
    }
}
