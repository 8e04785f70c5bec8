//! A run of a story: its customers, its deal, and the steps that are done.

use serde_json::Value;

use crate::domain::escrow::Escrow;
use crate::domain::escrow::party_escrows::{PartyEscrowFilter, Side};
use crate::domain::ids::{CustomerId, MerchantId};
use crate::domain::ledger::Account;
use crate::domain::money::Amount;
use crate::domain::page::{LIMIT_MAX, PageRequest};
use crate::domain::party::Party;
use crate::domain::time::Timestamp;
use crate::domain::treasury::account_statement::{AccountStatement, Period, TooManyRows};
use crate::entropy;
use crate::store::{self, Snapshot};
use crate::web::api::Request;
use crate::web::demo::story::{Person, Story};
use crate::web::layout::{Page, Refused};
use crate::web::reader::Reader;

/// The hex digits of an id after its letter.
const DIGITS: usize = 7;
/// The most transfers of a wallet or a deal that a run reads.
const TRANSFERS_MAX: usize = 500;
/// The seconds of a day.
const DAY: i64 = 86_400;

/// The id of a run: the first letter of its story and seven hex digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RunId(String);

/// A run as the service holds it.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) id: RunId,
    pub(super) story: Story,
    /// The wallets, in the order of those people who have one.
    pub(super) wallets: Vec<PersonWallet>,
    /// The seller's first deal, with the transfers of its hold.
    pub(super) deal: Option<(Escrow, AccountStatement)>,
    now: Timestamp,
    /// The merchant has a part of the fee of an offer.
    has_commission: bool,
    grace_seconds: i64,
    currency: String,
}

/// A person's wallet.
#[derive(Debug)]
pub(super) struct PersonWallet {
    pub(super) person: Person,
    pub(super) balance: Amount,
    /// The transfers of the wallet from its beginning.
    pub(super) statement: AccountStatement,
}

impl RunId {
    /// Makes an id for a new run.
    pub(super) fn new(story: &Story) -> Self {
        let random = entropy::request_id();
        let digits = random.bytes().skip("req_".len()).take(DIGITS).map(char::from);
        Self(story.slug.chars().take(1).chain(digits).collect())
    }

    /// Returns the id that an address names, or `None` if it is none of this story.
    pub(super) fn parse(story: &Story, text: &str) -> Option<Self> {
        let digits = text.strip_prefix(story.slug.chars().next()?)?;
        let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        let is_id = digits.len() == DIGITS && digits.bytes().all(is_digit);
        is_id.then(|| Self(text.to_owned()))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the customer id of a person, by the person's name in lower-case letters.
    pub(super) fn customer(&self, name: &str) -> String {
        format!("{name}-{}", self.0)
    }
}

impl Run {
    /// Reads a run, or returns `None` if it has not been started.
    ///
    /// # Errors
    ///
    /// Returns the failure of a read as a page.
    pub(super) async fn load(reader: &Reader, story: Story, id: RunId) -> Result<Option<Self>, Refused> {
        let customers: Vec<_> = people_with_wallets(&story)
            .filter_map(|person| Some((person, CustomerId::parse(&id.customer(&person.customer_name()))?)))
            .collect();
        let read = reader.read(move |snapshot, merchant| {
            let Some(wallets) = wallets(snapshot, merchant, &customers)? else {
                return Ok(None);
            };
            let deal = customers.first().map(|(_, seller)| deal(snapshot, merchant, seller));
            Ok(Some((
                wallets,
                deal.transpose()?.flatten(),
                snapshot.clock_of(merchant)?,
            )))
        });
        let Some((wallets, deal, clock)) = read.await?.flatten() else {
            return Ok(None);
        };
        let too_many = |TooManyRows| {
            let page = Page::new("Too long a story").section("/demo");
            Refused::new(
                400,
                page,
                "These people have moved money too often since. Start the story again.",
            )
        };
        let wallets = wallets.into_iter().map(|(person, balance, statement)| {
            let statement = statement.map_err(too_many)?;
            Ok(PersonWallet {
                person,
                balance,
                statement,
            })
        });
        let deal = deal.map(|(escrow, statement)| statement.map(|statement| (escrow, statement)));
        Ok(Some(Self {
            id,
            story,
            wallets: wallets.collect::<Result<_, Refused>>()?,
            deal: deal.transpose().map_err(too_many)?,
            now: clock.shown_at(reader.state.store.ledger_time()),
            has_commission: reader
                .state
                .policy
                .load()
                .merchant_settings_default
                .rates
                .commission_bps()
                > 0,
            grace_seconds: reader.state.policy.load().claim_grace_seconds,
            currency: reader.currency(),
        }))
    }

    /// Returns true if the marketplace gets a part of the fee of the deal, or of the offer to come.
    pub(super) fn gives_marketplace_a_share(&self) -> bool {
        self.deal.as_ref().map_or(self.has_commission, |(escrow, _)| {
            !escrow.fee.commission().is_zero() || !escrow.additional_fee.amount.is_zero()
        })
    }

    /// Returns the number of the first step that is not done, from 1. It is one more than the
    /// number of steps if all are.
    pub(super) fn next_step(&self) -> usize {
        let steps = 1..=self.story.steps.len();
        steps.take_while(|number| self.done_at(*number).is_some()).count() + 1
    }

    /// Returns the moment at which the step with this number was done, if it is.
    pub(super) fn done_at(&self, number: usize) -> Option<Timestamp> {
        let step = self.story.steps.get(number.checked_sub(1)?)?;
        let (escrow, _) = self.deal.as_ref()?;
        step.done.since(escrow, self.now, self.grace_seconds)
    }

    /// Returns the address of a page of this run.
    pub(super) fn address(&self, number: usize) -> String {
        format!("/demo/{}/{}/{number}", self.story.slug, self.id.as_str())
    }

    /// Returns a text of the story with its placeholders filled in.
    pub(super) fn filled(&self, text: &str) -> String {
        let text = text.replace("{currency}", &self.currency);
        let Some((escrow, _)) = &self.deal else {
            return text;
        };
        let mut text = text
            .replace("{token}", escrow.payment_token.as_str())
            .replace("{deal}", &escrow.id.to_string())
            .replace("{days}", &self.days(escrow).to_string());
        for (index, stage) in escrow.milestones().iter().enumerate() {
            text = text.replace(&format!("{{stage {}}}", index + 1), &stage.id.to_string());
        }
        text
    }

    /// Returns the request of a step of the story, for the people and the deal of this run.
    pub(super) fn request(&self, request: &Request) -> Request {
        let with_customers = |text: &str| {
            let mut text = self.filled(text);
            for person in &self.story.people {
                let name = person.customer_name();
                text = text.replace(&format!("{{{name}}}"), &self.id.customer(&name));
            }
            text
        };
        Request {
            path: with_customers(&request.path),
            customer: request.customer.as_ref().map(|name| self.id.customer(name)),
            body: request.body.as_ref().map(|body| with_texts(body, &with_customers)),
            ..request.clone()
        }
    }

    /// Returns the days until the deal's time is up or, once it is, from the payment until
    /// then; rounded up.
    fn days(&self, escrow: &Escrow) -> i64 {
        let Some((due, funding)) = escrow.overdue_at(self.grace_seconds).zip(escrow.funding()) else {
            return 0;
        };
        let from = if due > self.now { self.now } else { funding.paid_at };
        let seconds = due.unix_seconds() - from.unix_seconds();
        (seconds + DAY - 1).div_euclid(DAY)
    }
}

/// Returns the people of a story who have a wallet, the seller first.
pub(super) fn people_with_wallets(story: &Story) -> impl Iterator<Item = Person> {
    story.people.iter().copied().filter(|person| person.wallet.is_some())
}

type ReadWallet = (Person, Amount, Result<AccountStatement, TooManyRows>);
type ReadDeal = (Escrow, Result<AccountStatement, TooManyRows>);

/// Reads the wallets, or returns `None` if a customer is missing.
fn wallets(
    snapshot: &Snapshot<'_>,
    merchant: MerchantId,
    customers: &[(Person, CustomerId)],
) -> Result<Option<Vec<ReadWallet>>, store::Error> {
    let mut wallets = Vec::with_capacity(customers.len());
    for (person, customer) in customers {
        let Some(wallet) = snapshot.wallet(merchant, customer)? else {
            return Ok(None);
        };
        let account = [Account::CustomerMain(customer.clone())];
        let period = Period {
            from: Some(wallet.created_at.date()),
            to: None,
        };
        let statement = snapshot.statement_of_accounts(merchant, &account, period, TRANSFERS_MAX)?;
        wallets.push((*person, wallet.main_balance, statement));
    }
    Ok(Some(wallets))
}

/// Reads the first deal that this customer sold.
fn deal(snapshot: &Snapshot<'_>, merchant: MerchantId, seller: &CustomerId) -> Result<Option<ReadDeal>, store::Error> {
    let filter = PartyEscrowFilter {
        party: Party::Customer(seller.clone()),
        side: Side::Seller,
        category: None,
        status: None,
    };
    let newest = PageRequest::numbered(1, LIMIT_MAX);
    let Some(escrow) = snapshot.escrows(merchant, &filter, newest)?.page.rows.pop() else {
        return Ok(None);
    };
    let statement = snapshot.statement_of_deal(merchant, escrow.id, Period::default(), TRANSFERS_MAX)?;
    Ok(statement.map(|statement| (escrow, statement)))
}

/// Returns the value with every text in it replaced.
fn with_texts(value: &Value, filled: &impl Fn(&str) -> String) -> Value {
    match value {
        Value::String(text) => filled(text).into(),
        Value::Array(list) => list.iter().map(|value| with_texts(value, filled)).collect(),
        Value::Object(fields) => {
            let fields = fields.iter();
            fields
                .map(|(name, value)| (name.clone(), with_texts(value, filled)))
                .collect()
        }
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::demo::stories;

    #[test]
    fn an_id_belongs_to_one_story() {
        let [story, other, _] = stories::all();
        let id = RunId::new(&story);
        assert_eq!(RunId::parse(&story, id.as_str()), Some(id.clone()));
        assert_eq!(RunId::parse(&other, id.as_str()), None);
        for bad in ["", "h", "h123456", "h12345678", "h12345G7", "h12345/7", "h123456\u{e9}"] {
            assert_eq!(RunId::parse(&story, bad), None, "{bad}");
        }
    }
}
