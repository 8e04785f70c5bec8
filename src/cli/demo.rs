//! `escrowd demo`: runs one deal from offer to payout. It sends HTTP requests to a real
//! server on a temporary database, and shows each request, its reply and its transfers.
//! `escrowd demo --web` serves stories for a browser instead.

use std::iter;
use std::process::ExitCode;
use std::sync::mpsc;
use std::thread;

use anstyle::{AnsiColor, Style};
use anyhow::{Context, bail};
use serde_json::{Value, json};

use crate::app::{App, Stopper};
use crate::cli::check::{self, CheckArguments};
use crate::cli::client::{ServiceClient, ServiceReply};
use crate::cli::demo_web;
use crate::cli::output::{FAINT, GREEN, say};
use crate::cli::sandbox::{sum_of, text};
use crate::config::{Config, Fees};
use crate::domain::ledger::{Account, Transfer};
use crate::domain::money::Amount;
use crate::domain::treasury::signed_amount::SignedAmount;
use crate::store::Store;

#[derive(Debug, clap::Args)]
pub(super) struct DemoArguments {
    /// Show every reply in full
    #[arg(long)]
    full: bool,
    /// Tell stories step by step in a browser instead, until Ctrl-C
    #[arg(long, conflicts_with = "full")]
    web: bool,
    /// With --web: the port of 127.0.0.1 to listen on; a free one if left out
    #[arg(long, requires = "web", value_name = "PORT")]
    port: Option<u16>,
    /// With --web: only print the address, and open no browser
    #[arg(long, requires = "web")]
    no_open: bool,
}

const STEP: Style = Style::new().bold();
const MONEY: Style = AnsiColor::Yellow.on_default();

/// The seller, the buyer, and the beneficiary of one milestone.
const CUSTOMERS: [&str; 3] = ["ada", "ben", "cleo"];

/// Runs the deal and audits the ledger afterwards, or serves the stories until a signal. The
/// exit code is 0 if every step succeeds and the ledger is sound, or if the service stopped
/// cleanly.
pub(super) fn run(arguments: &DemoArguments) -> anyhow::Result<ExitCode> {
    if arguments.web {
        return demo_web::run(arguments.port.unwrap_or_default(), !arguments.no_open);
    }
    let folder = tempfile::tempdir().context("cannot create a temporary folder for the database")?;
    let config = Config {
        listen: ([127, 0, 0, 1], 0).into(),
        database: folder.path().join("demo.db").into(),
        fees: Fees {
            commission_bps: 50,
            ..Config::default().fees
        },
        ..Config::default()
    };
    let database = config.database.clone();
    let server = RunningServer::start(config)?;
    let mut demo = Demo {
        client: ServiceClient::new(&format!("http://{}", server.address), None)?,
        store: server.store.clone(),
        transfers_seen: 0,
        wallets: Vec::new(),
        held: 0,
        full: arguments.full,
        step: 0,
    };
    say!("A deal in three stages between {STEP}ada{STEP:#} (seller) and {STEP}ben{STEP:#} (buyer);");
    say!("{STEP}cleo{STEP:#} does the second stage and is paid for it. All three start with play money.");
    demo.run_deal()?;
    drop(demo);
    server.stop()?;

    say!("\n{STEP}The ledger, checked from its first transfer{STEP:#}");
    check::run(&CheckArguments {
        file: database,
        deep: false,
    })
}

struct Demo {
    client: ServiceClient,
    store: Store,
    transfers_seen: i64,
    wallets: Vec<WalletLine>,
    /// The money in the hold: the amount of the deal that is not released, and the fees.
    held: i64,
    full: bool,
    step: u32,
}

impl Demo {
    fn run_deal(&mut self) -> anyhow::Result<()> {
        self.wallets = self.read_wallets()?;
        self.transfers_seen = self.new_transfers()?.last().map_or(0, |(id, _)| *id);
        let before = self.read_holders()?;
        self.show_wallets();

        let offer = json!({
            "amount": 10000,
            "purpose": "Website for a bakery",
            "whoPays": "buyer",
            "milestones": [
                { "title": "Design", "amount": 3000 },
                { "title": "Photos", "amount": 2000, "customerId": "cleo" },
                { "title": "Launch", "amount": 5000 },
            ],
        });
        let path = "/v1/escrow/milestone/create";
        let escrow = self.step("Ada offers the deal", "POST", path, "ada", Some(&offer))?;
        let escrow_id = text(&escrow, "/id")?;

        let payment = json!({ "amount": 10250, "escrowDetails": { "escrowId": escrow_id } });
        let title = "Ben pays once: the amount, the platform's 2% and the merchant's 0.5%";
        self.step(title, "POST", "/v1/payment/escrow", "ben", Some(&payment))?;

        for (index, title) in [
            "Ben confirms the design",
            "Ben confirms the photos, and Cleo is paid",
            "Ben confirms the launch, the last milestone, and the deal closes",
        ]
        .iter()
        .enumerate()
        {
            let milestone_id = text(&escrow, &format!("/milestones/{index}/id"))?;
            let path = format!("/v1/escrow/milestone/confirm/{escrow_id}/{milestone_id}");
            self.step(title, "POST", &path, "ben", None)?;
        }
        self.show_holders(&before)
    }

    /// Returns the money of each party that the deal can pay, in the order of the last table.
    fn read_holders(&self) -> anyhow::Result<Vec<(&'static str, Amount)>> {
        let mut holders = Vec::new();
        for customer in CUSTOMERS {
            let wallet = self.client.ask("GET", "/v1/wallet", Some(customer), None)?;
            holders.push((customer, sum_of(&wallet, &["mainBalance", "escrowBalance"])?));
        }
        let merchant = self.client.ask("GET", "/v1/merchant/balance", None, None)?;
        holders.push(("merchant", sum_of(&merchant, &["mainBalance", "escrowBalance"])?));
        let position = self.client.ask("GET", "/operator/position", None, None)?;
        holders.push(("platform", sum_of(&position["accounts"], &["platformFees"])?));
        Ok(holders)
    }

    /// Shows each party's money before and after the deal; the sums are equal.
    fn show_holders(&self, before: &[(&'static str, Amount)]) -> anyhow::Result<()> {
        let after = self.read_holders()?;
        let currency = &Config::default().currency;
        say!("\n{STEP}Who has what in the end, in {currency}: nothing is lost, doubled or invented{STEP:#}");
        say!(
            "   {FAINT}{:>9}{:>14}{:>14}{:>12}{FAINT:#}",
            "",
            "before",
            "after",
            "change"
        );
        let mut sums = (0, 0);
        for ((holder, before), (_, after)) in iter::zip(before, &after) {
            let (before, after) = (before.minor(), after.minor());
            sums = (sums.0 + before, sums.1 + after);
            show_change(holder, before, after);
        }
        show_change("sum", sums.0, sums.1);
        if sums.0 != sums.1 {
            bail!("the demo began with {} and ended with {} minor units", sums.0, sums.1);
        }
        Ok(())
    }

    /// Sends one request. Shows the request, its reply, its transfers and the wallets that
    /// changed.
    fn step(
        &mut self,
        title: &str,
        method: &str,
        path: &str,
        actor: &str,
        body: Option<&Value>,
    ) -> anyhow::Result<Value> {
        self.step += 1;
        say!("\n{STEP}{}. {title}{STEP:#}", self.step);
        say!("   {method} {path}   {FAINT}customer-id: {actor}{FAINT:#}");
        if let Some(body) = body {
            say!("   {FAINT}{body}{FAINT:#}");
        }
        let ServiceReply {
            status, message, data, ..
        } = self.client.send(method, path, Some(actor), body)?;
        if status >= 300 {
            bail!("the demo expected success and got {status} {message}");
        }
        say!("   {GREEN}{status}{GREEN:#} {message}");
        if self.full {
            say!("{FAINT}{data:#}{FAINT:#}");
        } else {
            say!("   {FAINT}{}{FAINT:#}", summary(&data));
        }
        self.show_transfers()?;
        Ok(data)
    }

    /// Shows the transfers since the previous call, and the wallets that they changed.
    fn show_transfers(&mut self) -> anyhow::Result<()> {
        let held_before = self.held;
        for (
            id,
            Transfer {
                kind,
                debit,
                credit,
                amount,
                ..
            },
        ) in self.new_transfers()?
        {
            self.held += amount.minor() * (i64::from(is_hold(&credit)) - i64::from(is_hold(&debit)));
            let (amount, kind) = (amount.to_string(), kind.into_str());
            let (debit, credit) = (debit.to_string(), credit.to_string());
            say!("   {MONEY}{amount:>9}{MONEY:#}  {debit} -> {credit}  {FAINT}{kind}{FAINT:#}");
            self.transfers_seen = id;
        }
        let wallets = self.read_wallets()?;
        let moved = wallets.iter().zip(&self.wallets).filter(|(now, before)| now != before);
        for (now, before) in moved {
            let WalletLine { owner, main, escrow } = now;
            let part = |name, before: &str, now: &str| {
                if before == now {
                    String::new()
                } else {
                    format!("  {name} {before} -> {now}")
                }
            };
            let changes = part("main", &before.main, main) + &part("in escrow", &before.escrow, escrow);
            say!("   {owner:>9}{FAINT}{changes}{FAINT:#}");
        }
        if self.held != held_before {
            let [before, now] = [held_before, self.held].map(|minor| Amount::from_minor(minor).unwrap_or_default());
            say!("   {:>9}{FAINT}  {before} -> {now}, fees included{FAINT:#}", "held");
        }
        self.wallets = wallets;
        Ok(())
    }

    /// Reads the transfers that were not shown yet, with their ids.
    fn new_transfers(&self) -> anyhow::Result<Vec<(i64, Transfer)>> {
        let new = self.transfers_seen + 1..=i64::MAX;
        let read = self.store.read(move |snapshot| snapshot.transfers_in(&new));
        Ok(actix_web::rt::System::new().block_on(read)?)
    }

    fn read_wallets(&self) -> anyhow::Result<Vec<WalletLine>> {
        let read = |owner| {
            let data = self.client.ask("GET", "/v1/wallet", Some(owner), None)?;
            let (main, escrow) = (data["mainBalance"].to_string(), data["escrowBalance"].to_string());
            Ok(WalletLine { owner, main, escrow })
        };
        CUSTOMERS.into_iter().map(read).collect()
    }

    fn show_wallets(&self) {
        say!("   {FAINT}{:>9}{:>12}{:>12}{FAINT:#}", "wallet", "main", "in escrow");
        for WalletLine { owner, main, escrow } in &self.wallets {
            say!("   {owner:>9}{main:>12}{escrow:>12}");
        }
    }
}

/// Returns true for the account that has the money of the deal.
const fn is_hold(account: &Account) -> bool {
    matches!(account, Account::CustomerEscrow(_))
}

/// Writes minor units in major units.
fn major(minor: i64) -> String {
    SignedAmount::from_minor(minor)
        .expect("play money is small")
        .to_string()
}

/// Shows a line of the last table, from minor units.
fn show_change(holder: &str, before: i64, after: i64) {
    let sign = if after > before { "+" } else { "" };
    let change = format!("{sign}{}", major(after - before));
    say!(
        "   {holder:>9}{:>14}{:>14}{MONEY}{change:>12}{MONEY:#}",
        major(before),
        major(after)
    );
}

/// The balances of one customer, as shown.
#[derive(PartialEq)]
struct WalletLine {
    owner: &'static str,
    main: String,
    escrow: String,
}

/// Returns the important fields of a reply, on one line.
fn summary(data: &Value) -> String {
    let mut parts: Vec<String> = ["state", "status", "paymentToken", "reference", "amount", "fee"]
        .iter()
        .filter(|key| !data[**key].is_null())
        .map(|key| format!("{key} {}", plain(&data[*key])))
        .collect();
    let milestones = data["milestones"].as_array().into_iter().flatten();
    parts.extend(milestones.map(|milestone| format!("{} {}", plain(&milestone["title"]), plain(&milestone["status"]))));
    parts.join(", ")
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The service on its own thread, so that the demo uses it over HTTP as a client does.
struct RunningServer {
    address: std::net::SocketAddr,
    store: Store,
    stopper: Stopper,
    thread: thread::JoinHandle<anyhow::Result<()>>,
}

impl RunningServer {
    fn start(config: Config) -> anyhow::Result<Self> {
        let (started, has_started) = mpsc::channel();
        let thread = thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let app = App::start(&config).await?;
                started.send((app.address(), app.store(), app.stopper()))?;
                Ok(app.run().await?)
            })
        });
        match has_started.recv() {
            Ok((address, store, stopper)) => Ok(Self {
                address,
                store,
                stopper,
                thread,
            }),
            Err(_) => Err(ended(thread)),
        }
    }

    fn stop(self) -> anyhow::Result<()> {
        actix_web::rt::System::new().block_on(self.stopper.stop());
        match self.thread.join() {
            Ok(outcome) => outcome,
            Err(_) => bail!("the demo's server panicked"),
        }
    }
}

/// Returns the error of a server thread that ended before the server had started.
fn ended(thread: thread::JoinHandle<anyhow::Result<()>>) -> anyhow::Error {
    match thread.join() {
        Ok(Err(error)) => error,
        Ok(Ok(())) | Err(_) => anyhow::anyhow!("the demo's server did not start"),
    }
}
