//! `escrowd trigger`: causes an event in a running sandbox with the requests that a client
//! would send, and prints the ids of the objects that it created.

use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::builder::PossibleValuesParser;
use serde_json::{Value, json};

use crate::cli::client::{ServiceClient, ServiceReply};
use crate::cli::output::{BOLD, FAINT, print_done, say};
use crate::cli::sandbox::{SandboxArguments, sum_of, text};
use crate::domain::effects::MILESTONE_RELEASED;
use crate::domain::money::Amount;
use crate::entropy;
use crate::views::MajorUnits;

#[derive(Debug, clap::Args)]
pub(super) struct TriggerArguments {
    /// The event, such as escrow.completed
    #[arg(value_parser = PossibleValuesParser::new(EVENTS.map(|(name, _)| name)))]
    event: String,
    /// Set a field, such as amount=2500 (major units); give it again for more. Of an escrow event:
    /// amount, purpose, description, maxDelivery, deliveryTimeline; of a deposit, withdrawal or
    /// wallet transfer: amount, reference
    #[arg(long = "set", value_name = "FIELD=VALUE", value_parser = setting)]
    set: Vec<(String, Value)>,
    /// Use a new merchant with a key of its own, and print the key
    #[arg(long, conflicts_with = "key")]
    own_merchant: bool,
    #[command(flatten)]
    sandbox: SandboxArguments,
}

/// Parses a setting. A value that is not a number, true or false is a text.
fn setting(text: &str) -> Result<(String, Value), String> {
    let (name, value) = text
        .split_once('=')
        .filter(|(name, _)| !name.is_empty())
        .ok_or("it must be a field and a value, such as amount=2500")?;
    let literal = serde_json::from_str(value)
        .ok()
        .filter(|value: &Value| !value.is_object() && !value.is_array());
    Ok((name.to_owned(), literal.unwrap_or_else(|| value.into())))
}

/// The fields of an offer that can be set.
const OFFER_FIELDS: [&str; 5] = ["amount", "purpose", "description", "maxDelivery", "deliveryTimeline"];
/// The fields of a payment intent that can be set.
const INTENT_FIELDS: [&str; 2] = ["amount", "reference"];

/// The requests that cause an event.
type Steps = fn(&mut Scenario) -> anyhow::Result<()>;

/// Every event, and the requests that cause it.
const EVENTS: [(&str, Steps); 19] = [
    ("escrow.created", Scenario::offer),
    ("escrow.pending", Scenario::offer),
    ("escrow.ongoing", Scenario::fund),
    ("escrow.completed", Scenario::complete),
    ("escrow.claimed", Scenario::claim),
    ("escrow.disputed", Scenario::dispute),
    ("escrow.investigating", Scenario::reply),
    ("escrow.refunded", Scenario::refund),
    ("escrow.split", Scenario::split),
    ("payment.escrow.success", Scenario::fund),
    ("payment.commission.success", Scenario::complete),
    ("payment.delivery.success", Scenario::complete),
    ("payment.deposit.success", Scenario::deposit),
    ("payment.deposit.failed", Scenario::deposit_by_declined_card),
    ("payment.withdrawal.success", |scenario| scenario.withdraw("0123456789")),
    ("payment.withdrawal.failed", |scenario| scenario.withdraw("0000000001")),
    ("payment.withdrawal.reversed", |scenario| {
        scenario.withdraw("0000000002")
    }),
    ("payment.wallet_transfer.success", Scenario::transfer),
    (MILESTONE_RELEASED, Scenario::release),
];

/// The families of events that a payment intent causes, and no escrow.
const INTENTS: [&str; 3] = ["payment.deposit", "payment.withdrawal", "payment.wallet_transfer"];

/// The amount of the escrow, in major units. A fee of any whole number of basis points is
/// then a whole number of major units too.
const AMOUNT: u32 = 10_000;
/// The merchant's fee for delivery, in major units.
const ADDITIONAL_FEE: u32 = 500;
/// The balance of each customer at the start, in major units.
const TOP_UP: u32 = 100_000;

/// The most requests for the event after the last step. One should do, since an event is
/// written in the commit of its command.
const INBOX_TRIES: u32 = 5;
/// The pause between two requests for the event.
const INBOX_PAUSE: Duration = Duration::from_millis(50);

/// Causes the event and prints the ids of the objects that it created.
pub(super) fn run(arguments: TriggerArguments) -> anyhow::Result<ExitCode> {
    let TriggerArguments {
        event,
        set,
        own_merchant,
        sandbox,
    } = arguments;
    let is_of_intent = INTENTS.iter().any(|family| event.starts_with(family));
    let fields = if is_of_intent {
        &INTENT_FIELDS[..]
    } else {
        &OFFER_FIELDS[..]
    };
    if let Some((unknown, _)) = set.iter().find(|(name, _)| !fields.contains(&name.as_str())) {
        bail!(
            "--set for {event} must name one of the fields {}; got {unknown:?}",
            fields.join(", ")
        );
    }
    let key = own_merchant.then(|| format!("sk_test_trigger_{}", entropy::digits::<16>()));
    let sandbox = match &key {
        Some(key) => sandbox.with_key(key.clone()),
        None => sandbox,
    };
    let mut scenario = Scenario::start(sandbox.connect()?, set)?;
    if let Some(key) = key {
        scenario.created.insert(0, ("key", key));
    }
    let (_, steps) = EVENTS
        .iter()
        .find(|(name, _)| *name == event)
        .context("no such event")?;
    steps(&mut scenario)?;
    let found = scenario.find(&event)?;
    let done = || format!("{event} has happened: event {found}");
    print_done(done, || {
        say!("{BOLD}{event}{BOLD:#}");
        for (name, value) in &scenario.created {
            say!("  {FAINT}{name:<14}{FAINT:#}{value}");
        }
        say!("  {FAINT}{:<14}{FAINT:#}{found}", "event");
    });
    Ok(ExitCode::SUCCESS)
}

/// A new seller and a new buyer, and the objects created for them.
struct Scenario {
    client: ServiceClient,
    seller: String,
    buyer: String,
    /// The phone numbers of the seller and the buyer, in that order.
    phones: Vec<String>,
    escrow: String,
    payment_token: String,
    /// The name and the id of each created object, in the order of printing.
    created: Vec<(&'static str, String)>,
    /// The fields of the offer or the payment that the command line sets.
    set: Vec<(String, Value)>,
    /// The amount of the escrow.
    amount: Amount,
}

impl Scenario {
    /// Registers the seller and the buyer.
    fn start(client: ServiceClient, set: Vec<(String, Value)>) -> anyhow::Result<Self> {
        let mut scenario = Self {
            client,
            seller: String::new(),
            buyer: String::new(),
            phones: Vec::new(),
            escrow: String::new(),
            payment_token: String::new(),
            created: Vec::new(),
            set,
            amount: Amount::ZERO,
        };
        scenario.seller = scenario.register("seller", "Ada")?;
        scenario.buyer = scenario.register("buyer", "Ben")?;
        Ok(scenario)
    }

    /// Registers a customer and tops up the wallet. A sandbox with `--strict` requires both
    /// steps, so they do not rely on automatic registration or an opening balance.
    fn register(&mut self, role: &'static str, firstname: &str) -> anyhow::Result<String> {
        let phone = format!("080{}", entropy::digits::<8>());
        let person = json!({
            "firstname": firstname,
            "lastname": "Trigger",
            "email": format!("{role}.{phone}@example.com"),
            "phone": phone,
            "countryId": "NG",
        });
        let customer = self.client.ask("POST", "/v1/customer/create", None, Some(&person))?;
        let id = text(&customer, "/customerId")?;
        self.phones.push(phone);
        self.client.ask(
            "POST",
            "/v1/payment/topup",
            Some(&id),
            Some(&json!({ "amount": TOP_UP })),
        )?;
        self.created.push((role, id.clone()));
        Ok(id)
    }

    /// Returns the body with the fields that the command line sets.
    fn with_settings(&self, mut body: Value) -> Value {
        for (name, value) in &self.set {
            body[name.as_str()] = value.clone();
        }
        body
    }

    fn as_seller(&self, method: &str, path: &str, body: Option<&Value>) -> anyhow::Result<Value> {
        self.client.ask(method, path, Some(&self.seller), body)
    }

    fn as_buyer(&self, path: &str, body: Option<&Value>) -> anyhow::Result<Value> {
        self.client.ask("POST", path, Some(&self.buyer), body)
    }

    fn as_merchant(&self, method: &str, path: &str, body: Option<&Value>) -> anyhow::Result<Value> {
        self.client.ask(method, path, None, body)
    }

    fn offer(&mut self) -> anyhow::Result<()> {
        let offer = self.with_settings(json!({
            "amount": AMOUNT, "purpose": "Made by escrowd trigger", "whoPays": "buyer",
            "maxDelivery": 1, "deliveryTimeline": "minutes",
        }));
        let escrow = self.as_seller("POST", "/v1/escrow/create", Some(&offer))?;
        self.note_offer(&escrow)
    }

    fn note_offer(&mut self, escrow: &Value) -> anyhow::Result<()> {
        self.amount = sum_of(escrow, &["amount"])?;
        self.escrow = text(escrow, "/id")?;
        self.payment_token = text(escrow, "/paymentToken")?;
        self.created.push(("escrow", self.escrow.clone()));
        self.created.push(("payment token", self.payment_token.clone()));
        Ok(())
    }

    /// Offers an escrow of two milestones.
    fn offer_milestones(&mut self) -> anyhow::Result<Value> {
        let mut offer = self.with_settings(json!({
            "amount": AMOUNT, "purpose": "Made by escrowd trigger", "whoPays": "buyer",
            "maxDelivery": 1, "deliveryTimeline": "minutes",
        }));
        let amount = Amount::parse_major(&offer["amount"].to_string()).ok();
        let amount = amount.context("--set amount must be a number with at most two decimals")?;
        if amount < Amount::from_minor(200).context("two is an amount")? {
            bail!("--set amount must be 2 or more, since each of two milestones gets a part");
        }
        // Whole numbers, which the sandbox wants without strict rules.
        let first = Amount::from_minor(amount.minor() / 200 * 100).context("half of an amount is one")?;
        let rest = amount.checked_sub(first).context("half of an amount is not greater")?;
        offer["milestones"] = json!([
            { "title": "First", "amount": number(first) }, { "title": "Second", "amount": number(rest) },
        ]);
        self.as_seller("POST", "/v1/escrow/milestone/create", Some(&offer))
    }

    /// Releases the first of two milestones.
    fn release(&mut self) -> anyhow::Result<()> {
        let escrow = self.offer_milestones()?;
        self.note_offer(&escrow)?;
        self.pay(&escrow)?;
        let milestone = text(&escrow, "/milestones/0/id")?;
        let path = format!("/v1/escrow/milestone/confirm/{}/{milestone}", self.escrow);
        self.as_buyer(&path, None)?;
        self.created.push(("milestone", milestone));
        Ok(())
    }

    fn fund(&mut self) -> anyhow::Result<()> {
        self.offer()?;
        let path = format!("/v1/escrow/additional-fee/{}", self.payment_token);
        let fee = json!({ "additionalFee": ADDITIONAL_FEE });
        let escrow = self.as_merchant("PUT", &path, Some(&fee))?;
        self.pay(&escrow)
    }

    /// Pays for the escrow.
    fn pay(&mut self, escrow: &Value) -> anyhow::Result<()> {
        let charge = json!({
            "amount": number(sum_of(escrow, &["amount", "fee", "additionalFee"])?),
            "reference": format!("trigger-{}", self.escrow),
            "gateway": "wallet",
            "transactionType": "escrow",
            "escrowDetails": { "escrowId": self.escrow },
        });
        let payment = self.as_buyer("/v1/payment/escrow", Some(&charge))?;
        self.created.push(("payment", text(&payment, "/id")?));
        Ok(())
    }

    fn complete(&mut self) -> anyhow::Result<()> {
        self.fund()?;
        let path = format!("/v1/escrow/confirm-payment/{}", self.escrow);
        self.as_buyer(&path, None).map(drop)
    }

    /// Claims too early, reads the time of the claim window from the refusal, moves the
    /// clock to it and claims again.
    fn claim(&mut self) -> anyhow::Result<()> {
        self.fund()?;
        let path = format!("/v1/escrow/claim-funds/{}", self.payment_token);
        let early: ServiceReply = self.client.send_patiently("GET", &path, Some(&self.seller), None)?;
        let claimable_at = text(&early.details, "/claimableAt")
            .with_context(|| format!("the claim returned {}: {}", early.status, early.refusal_of_sandbox()))?;
        let clock = self.as_merchant("GET", "/sandbox/clock", None)?;
        let now: jiff::Timestamp = text(&clock, "/now")?.parse()?;
        let seconds = claimable_at.parse::<i64>()? - now.as_second();
        let moved = self.as_merchant("POST", "/sandbox/clock/advance", Some(&json!({ "by": seconds.max(1) })))?;
        self.created.push(("clock", text(&moved, "/now")?));
        self.as_seller("GET", &path, None).map(drop)
    }

    fn dispute(&mut self) -> anyhow::Result<()> {
        self.fund()?;
        self.as_buyer(
            &self.dispute_path(),
            Some(&json!({ "message": "It is not what was agreed" })),
        )
        .map(drop)
    }

    fn reply(&mut self) -> anyhow::Result<()> {
        self.dispute()?;
        self.as_seller("POST", &self.dispute_path(), Some(&json!({ "message": "It is" })))
            .map(drop)
    }

    fn refund(&mut self) -> anyhow::Result<()> {
        self.dispute()?;
        self.rule(&json!({ "status": "REFUNDED", "resolution": "The buyer is right" }))
    }

    fn split(&mut self) -> anyhow::Result<()> {
        self.dispute()?;
        let half = Amount::from_minor(self.amount.minor() / 2).context("half of an amount is one")?;
        let rest = self
            .amount
            .checked_sub(half)
            .context("half of an amount is not greater")?;
        self.rule(&json!({
            "status": "SPLIT", "resolution": "Both are right", "sellerAmount": number(half), "buyerAmount": number(rest),
        }))
    }

    fn rule(&self, ruling: &Value) -> anyhow::Result<()> {
        let path = format!("/v1/escrow/dispute/resolve/{}", self.escrow);
        self.as_merchant("POST", &path, Some(ruling)).map(drop)
    }

    fn dispute_path(&self) -> String {
        format!("/v1/escrow/submit-dispute/{}", self.payment_token)
    }

    fn deposit(&mut self) -> anyhow::Result<()> {
        let intent = self.create_intent(&json!({ "transactionType": "deposit" }))?;
        let account = text(&intent, "/testAccount/accountNumber")?;
        let path = format!("/sandbox/test-accounts/{account}/pay");
        self.as_merchant("POST", &path, None).map(drop)
    }

    fn deposit_by_declined_card(&mut self) -> anyhow::Result<()> {
        let card = json!({ "number": "4000000000009995" });
        let card = self.as_buyer("/sandbox/cards", Some(&card))?;
        let details = json!({ "cardId": text(&card, "/id")? });
        let intent = self.create_intent(&json!({ "transactionType": "deposit", "depositDetails": details }))?;
        self.verify(&intent)
    }

    fn withdraw(&mut self, account_number: &str) -> anyhow::Result<()> {
        let details = json!({
            "bankCode": "058", "bankName": "Guaranty Trust Bank",
            "accountNumber": account_number, "accountName": "Ben Trigger",
        });
        let intent = self.create_intent(&json!({ "transactionType": "withdrawal", "withdrawalDetails": details }))?;
        self.verify(&intent)
    }

    fn transfer(&mut self) -> anyhow::Result<()> {
        let details = json!({ "phone": self.phones[0], "name": "Ada Trigger" });
        let intent = self.create_intent(&json!({ "transactionType": "wallet_transfer", "walletDetails": details }))?;
        self.verify(&intent)
    }

    /// Creates a payment intent of the buyer from the fields that depend on its type.
    fn create_intent(&mut self, fields: &Value) -> anyhow::Result<Value> {
        let mut intent = fields.clone();
        intent["amount"] = AMOUNT.into();
        intent["reference"] = format!("trigger-{}", self.buyer).into();
        let intent = self.with_settings(intent);
        let intent = self.as_buyer("/v1/payment/create-intent", Some(&intent))?;
        self.created.push(("payment", text(&intent, "/id")?));
        self.created.push(("reference", text(&intent, "/reference")?));
        Ok(intent)
    }

    fn verify(&self, intent: &Value) -> anyhow::Result<()> {
        let reference = json!({ "reference": intent["reference"] });
        self.as_buyer("/v1/payment/verify", Some(&reference)).map(drop)
    }

    /// Returns the id of the event that the steps caused.
    fn find(&self, event: &str) -> anyhow::Result<String> {
        let about = if self.escrow.is_empty() {
            format!("customerId={}", self.buyer)
        } else {
            format!("escrowId={}", self.escrow)
        };
        let path = format!("/sandbox/events?type={event}&{about}&limit=1");
        for _ in 0..INBOX_TRIES {
            let page = self.as_merchant("GET", &path, None)?;
            if let Some(id) = page.pointer("/data/0/id").and_then(Value::as_str) {
                return Ok(id.to_owned());
            }
            thread::sleep(INBOX_PAUSE);
        }
        if event.starts_with("payment.commission") {
            bail!(
                "no commission was paid, because the sandbox charges none; start it with ESCROWD_FEES_COMMISSION_BPS=50"
            );
        }
        if event == MILESTONE_RELEASED {
            bail!(
                "the milestone was released, but the sandbox records {event} only for a webhook endpoint that has chosen \
                 it: PUT /sandbox/callback with {{\"url\": ..., \"events\": [\"*\", \"{event}\"]}}"
            );
        }
        bail!("every step succeeded, but the sandbox recorded no {event}")
    }
}

/// Returns the number of an amount in major units.
fn number(amount: Amount) -> Value {
    serde_json::to_value(MajorUnits(amount)).expect("an amount is a number")
}
