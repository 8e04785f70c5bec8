//! `escrowd trigger`: makes an event happen in a running sandbox, through the same
//! requests a client would send, and prints the ids of what it took.

use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use anstyle::Style;
use anyhow::{Context, bail};
use clap::builder::PossibleValuesParser;
use serde_json::{Value, json};

use crate::cli::client::{SandboxClient, SandboxReply};
use crate::cli::sandbox::{SandboxArguments, text};
use crate::entropy;

#[derive(Debug, clap::Args)]
pub(super) struct TriggerArguments {
    /// The event, such as escrow.completed
    #[arg(value_parser = PossibleValuesParser::new(EVENTS.map(|(name, _)| name)))]
    event: String,
    #[command(flatten)]
    sandbox: SandboxArguments,
}

/// What makes an event happen.
type Story = fn(&mut Stage) -> anyhow::Result<()>;

/// Every event there is, with its story.
const EVENTS: [(&str, Story); 18] = [
    ("escrow.created", Stage::offer),
    ("escrow.pending", Stage::offer),
    ("escrow.ongoing", Stage::fund),
    ("escrow.completed", Stage::complete),
    ("escrow.claimed", Stage::claim),
    ("escrow.disputed", Stage::dispute),
    ("escrow.investigating", Stage::reply),
    ("escrow.refunded", Stage::refund),
    ("escrow.split", Stage::split),
    ("payment.escrow.success", Stage::fund),
    ("payment.commission.success", Stage::complete),
    ("payment.delivery.success", Stage::complete),
    ("payment.deposit.success", Stage::deposit),
    ("payment.deposit.failed", Stage::deposit_by_a_declining_card),
    ("payment.withdrawal.success", |stage| stage.withdraw("0123456789")),
    ("payment.withdrawal.failed", |stage| stage.withdraw("0000000001")),
    ("payment.withdrawal.reversed", |stage| stage.withdraw("0000000002")),
    ("payment.wallet_transfer.success", Stage::transfer),
];

const BOLD: Style = Style::new().bold();
const FAINT: Style = Style::new().dimmed();

/// In major units: what the deal is about, of which any rate is a whole number; what
/// the merchant adds for delivery; what everybody starts with.
const AMOUNT: u32 = 10_000;
const ADDITIONAL_FEE: u32 = 500;
const TOP_UP: u32 = 100_000;

/// Looks for the event in the inbox, which a reply never runs ahead of.
const INBOX_TRIES: u32 = 5;
const INBOX_PAUSE: Duration = Duration::from_millis(50);

/// Makes the event happen and shows what it took.
pub(super) fn run(arguments: TriggerArguments) -> anyhow::Result<ExitCode> {
    let TriggerArguments { event, sandbox } = arguments;
    let mut stage = Stage::set(sandbox.connect()?)?;
    let (_, story) = EVENTS
        .iter()
        .find(|(name, _)| *name == event)
        .context("no such event")?;
    story(&mut stage)?;
    let found = stage.find(&event)?;
    anstream::println!("{BOLD}{event}{BOLD:#}");
    for (name, value) in &stage.made {
        anstream::println!("  {FAINT}{name:<14}{FAINT:#}{value}");
    }
    anstream::println!("  {FAINT}{:<14}{FAINT:#}{found}", "event");
    Ok(ExitCode::SUCCESS)
}

/// A seller and a buyer who are there for this event only.
struct Stage {
    client: SandboxClient,
    seller: String,
    buyer: String,
    /// Theirs, in that order.
    phones: Vec<String>,
    escrow: String,
    payment_token: String,
    /// What was made, for the printed list.
    made: Vec<(&'static str, String)>,
}

impl Stage {
    fn set(client: SandboxClient) -> anyhow::Result<Self> {
        let mut stage = Self {
            client,
            seller: String::new(),
            buyer: String::new(),
            phones: Vec::new(),
            escrow: String::new(),
            payment_token: String::new(),
            made: Vec::new(),
        };
        stage.seller = stage.newcomer("seller", "Ada")?;
        stage.buyer = stage.newcomer("buyer", "Ben")?;
        Ok(stage)
    }

    /// Registers a customer with money, which takes no rule of the sandbox for
    /// granted: also with `--strict` this is how one comes to both.
    fn newcomer(&mut self, role: &'static str, firstname: &str) -> anyhow::Result<String> {
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
        self.made.push((role, id.clone()));
        Ok(id)
    }

    fn as_seller(&self, method: &str, path: &str, body: Option<&Value>) -> anyhow::Result<Value> {
        self.client.ask(method, path, Some(&self.seller), body)
    }

    fn as_buyer(&self, method: &str, path: &str, body: Option<&Value>) -> anyhow::Result<Value> {
        self.client.ask(method, path, Some(&self.buyer), body)
    }

    fn as_merchant(&self, method: &str, path: &str, body: Option<&Value>) -> anyhow::Result<Value> {
        self.client.ask(method, path, None, body)
    }

    fn offer(&mut self) -> anyhow::Result<()> {
        let offer = json!({
            "amount": AMOUNT, "purpose": "Made by escrowd trigger", "whoPays": "buyer",
            "maxDelivery": 1, "deliveryTimeline": "minutes",
        });
        let escrow = self.as_seller("POST", "/v1/escrow/create", Some(&offer))?;
        self.escrow = text(&escrow, "/id")?;
        self.payment_token = text(&escrow, "/paymentToken")?;
        self.made.push(("escrow", self.escrow.clone()));
        self.made.push(("payment token", self.payment_token.clone()));
        Ok(())
    }

    fn fund(&mut self) -> anyhow::Result<()> {
        self.offer()?;
        let path = format!("/v1/escrow/additional-fee/{}", self.payment_token);
        let fee = json!({ "additionalFee": ADDITIONAL_FEE });
        let escrow = self.as_merchant("PUT", &path, Some(&fee))?;
        let charge = json!({
            "amount": sum(&escrow, &["amount", "fee", "additionalFee"])?,
            "reference": format!("trigger-{}", self.escrow),
            "gateway": "wallet",
            "transactionType": "escrow",
            "escrowDetails": { "escrowId": self.escrow },
        });
        let payment = self.as_buyer("POST", "/v1/payment/escrow", Some(&charge))?;
        self.made.push(("payment", text(&payment, "/id")?));
        Ok(())
    }

    fn complete(&mut self) -> anyhow::Result<()> {
        self.fund()?;
        let path = format!("/v1/escrow/confirm-payment/{}", self.escrow);
        self.as_buyer("POST", &path, None).map(drop)
    }

    /// Claims at once, to be told from when on it may, and moves the clock there.
    fn claim(&mut self) -> anyhow::Result<()> {
        self.fund()?;
        let path = format!("/v1/escrow/claim-funds/{}", self.payment_token);
        let early: SandboxReply = self.client.send("GET", &path, Some(&self.seller), None)?;
        let claimable_at = text(&early.details, "/claimableAt")
            .with_context(|| format!("the claim was answered with {} {}", early.status, early.message))?;
        let clock = self.as_merchant("GET", "/sandbox/clock", None)?;
        let now: jiff::Timestamp = text(&clock, "/now")?.parse()?;
        let seconds = claimable_at.parse::<i64>()? - now.as_second();
        let moved = self.as_merchant("POST", "/sandbox/clock/advance", Some(&json!({ "by": seconds.max(1) })))?;
        self.made.push(("clock", text(&moved, "/now")?));
        self.as_seller("GET", &path, None).map(drop)
    }

    fn dispute(&mut self) -> anyhow::Result<()> {
        self.fund()?;
        self.as_buyer(
            "POST",
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
        self.resolve(&json!({ "status": "REFUNDED", "resolution": "The buyer is right" }))
    }

    fn split(&mut self) -> anyhow::Result<()> {
        let half = AMOUNT / 2;
        self.resolve(&json!({
            "status": "SPLIT", "resolution": "Both are right", "sellerAmount": half, "buyerAmount": AMOUNT - half,
        }))
    }

    fn resolve(&mut self, ruling: &Value) -> anyhow::Result<()> {
        self.dispute()?;
        let path = format!("/v1/escrow/dispute/resolve/{}", self.escrow);
        self.as_merchant("POST", &path, Some(ruling)).map(drop)
    }

    fn dispute_path(&self) -> String {
        format!("/v1/escrow/submit-dispute/{}", self.payment_token)
    }

    fn deposit(&mut self) -> anyhow::Result<()> {
        let intent = self.intend(&json!({ "transactionType": "deposit" }))?;
        let account = text(&intent, "/testAccount/accountNumber")?;
        let path = format!("/sandbox/test-accounts/{account}/pay");
        self.as_merchant("POST", &path, None).map(drop)
    }

    fn deposit_by_a_declining_card(&mut self) -> anyhow::Result<()> {
        let card = json!({ "number": "4000000000009995" });
        let card = self.as_buyer("POST", "/sandbox/cards", Some(&card))?;
        let details = json!({ "cardId": text(&card, "/id")? });
        let intent = self.intend(&json!({ "transactionType": "deposit", "depositDetails": details }))?;
        self.verify(&intent)
    }

    fn withdraw(&mut self, account_number: &str) -> anyhow::Result<()> {
        let details = json!({
            "bankCode": "058", "bankName": "Guaranty Trust Bank",
            "accountNumber": account_number, "accountName": "Ben Trigger",
        });
        let intent = self.intend(&json!({ "transactionType": "withdrawal", "withdrawalDetails": details }))?;
        self.verify(&intent)
    }

    fn transfer(&mut self) -> anyhow::Result<()> {
        let details = json!({ "phone": self.phones[0], "name": "Ada Trigger" });
        let intent = self.intend(&json!({ "transactionType": "wallet_transfer", "walletDetails": details }))?;
        self.verify(&intent)
    }

    /// A payment intent of the buyer's.
    fn intend(&mut self, what: &Value) -> anyhow::Result<Value> {
        let mut intent = what.clone();
        intent["amount"] = AMOUNT.into();
        intent["reference"] = format!("trigger-{}", self.buyer).into();
        let intent = self.as_buyer("POST", "/v1/payment/create-intent", Some(&intent))?;
        self.made.push(("payment", text(&intent, "/id")?));
        self.made.push(("reference", text(&intent, "/reference")?));
        Ok(intent)
    }

    fn verify(&self, intent: &Value) -> anyhow::Result<()> {
        let reference = json!({ "reference": intent["reference"] });
        self.as_buyer("POST", "/v1/payment/verify", Some(&reference)).map(drop)
    }

    /// The id of the event, which must be there by now.
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
            bail!("no commission was paid: the sandbox has none; start it with ESCROWD_FEES_COMMISSION_BPS=50");
        }
        bail!("everything was done, and {event} did not come")
    }
}

/// The sum of these whole amounts of a reply.
fn sum(reply: &Value, fields: &[&str]) -> anyhow::Result<u64> {
    fields.iter().try_fold(0, |sum, &field| {
        let amount = reply[field].as_u64();
        Ok(sum + amount.with_context(|| format!("the reply has no whole {field}"))?)
    })
}
