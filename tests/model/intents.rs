//! Deposits, withdrawals and wallet transfers in the reference, in the command generator and
//! in the service under test.

use std::collections::BTreeSet;

use escrowd::commands::{Error, Policy, intents};
use escrowd::domain::ids::{CustomerId, MerchantId, Reference as PaymentName, TransactionId};
use escrowd::domain::party::{Actor, Party};
use escrowd::domain::payments::intent as rules;
use escrowd::domain::payments::request::{IntentKind, IntentRequest, WalletTransferRequest};
use escrowd::domain::time::Timestamp;
use escrowd::domain::transaction::{BankAccount, Method};

use crate::generator::{Random, any_customer, deal};
use crate::helpers::{kobo, read};
use crate::payouts::{Owner, Payout};
use crate::records::AgreedTerms;
use crate::reference::{
    Action, Command, Id, MISSING, MOST, Named, Reference, check_buyer, refuse_if, without_reference,
};
use crate::requests::{customer, escrow_id};
use crate::service::{Reply, Service};

/// The time that a withdrawal to the slow account takes.
const SLOW_SECONDS: i64 = 3_600;
/// The account whose withdrawals take their time.
const SLOW: &str = "0000000003";
/// The account numbers of the withdrawals: two usual ones, then those that fail, fail, are
/// returned and take their time.
const ACCOUNTS: [&str; 6] = [
    "0123456789",
    "2000000000",
    "0000000000",
    "0000000001",
    "0000000002",
    SLOW,
];
/// The most withdrawals that settle when a clock is moved.
const SETTLED_MAX: usize = 100;
/// A reference and an account number that no payment has.
pub(crate) const NO_REFERENCE: &str = "no payment has this";
const NO_ACCOUNT: &str = "0999999999";
const NO_PHONE: &str = "08000000000";

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Request {
        kind: Kind,
        amount: i64,
        reference: Option<String>,
    },
    Verify {
        intent: Option<usize>,
    },
    /// Pays the test account of a deposit.
    Pay {
        intent: Option<usize>,
        amount: Option<i64>,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It names escrows to fund, by their places.
    Deposit {
        escrows: Vec<usize>,
    },
    Withdrawal {
        account: &'static str,
    },
    Transfer {
        receiver: String,
    },
}

#[derive(Clone, Debug)]
pub(crate) struct Intent {
    pub(crate) id: Id,
    pub(crate) merchant: usize,
    pub(crate) reference: String,
    /// The test account of a deposit.
    pub(crate) account_number: String,
    pub(crate) customer: String,
    kind: Kind,
    pub(crate) amount: i64,
    fee: i64,
    pub(crate) status: &'static str,
    /// The time at which a slow withdrawal settles, in milliseconds.
    pub(crate) due_at: Option<i64>,
    /// The place of a withdrawal's pay-out.
    payout: Option<usize>,
    /// The terms of the deals that a deposit names, when the customer asked for it.
    agreed: Vec<AgreedTerms>,
}

impl Intent {
    /// Returns an intent that takes a place and does not exist.
    pub(crate) fn missing() -> Self {
        Self {
            id: MISSING,
            merchant: 0,
            reference: NO_REFERENCE.to_owned(),
            account_number: NO_ACCOUNT.to_owned(),
            customer: String::new(),
            kind: Kind::Deposit { escrows: Vec::new() },
            amount: 0,
            fee: 0,
            status: "",
            due_at: None,
            payout: None,
            agreed: Vec::new(),
        }
    }

    pub(crate) fn is_open(&self) -> bool {
        self.status == "pending"
    }

    pub(crate) const fn is_deposit(&self) -> bool {
        matches!(self.kind, Kind::Deposit { .. })
    }
}

/// Returns the fee of a withdrawal as the default configuration has it.
const fn withdrawal_fee(amount: i64) -> i64 {
    match amount {
        ..=500_000 => 1_000,
        500_001..=5_000_000 => 2_500,
        _ => 5_000,
    }
}

/// Returns the time at which a slow withdrawal settles, a whole second.
const fn slow_end(now: i64) -> i64 {
    (now / 1_000 + SLOW_SECONDS) * 1_000
}

/// Returns the status with which a payment of this amount settles, unless its account says
/// otherwise.
const fn status_of_amount(amount: i64) -> &'static str {
    match amount % 100 {
        51 | 91 => "failed",
        _ => "success",
    }
}

impl Reference {
    /// Runs a command of a customer. Its repetition under the same reference changes nothing.
    pub(crate) fn intent(&mut self, command: &Command, step: &Step, newcomers: BTreeSet<String>) -> Result<(), String> {
        match step {
            Step::Request {
                kind,
                amount,
                reference,
            } => self.request(command, kind, *amount, reference.as_deref(), newcomers),
            Step::Verify { intent } => self.verify(command, *intent),
            Step::Pay { .. } => unreachable!("the merchant pays"),
        }
    }

    fn request(
        &mut self,
        command: &Command,
        kind: &Kind,
        amount: i64,
        name: Option<&str>,
        newcomers: BTreeSet<String>,
    ) -> Result<(), String> {
        refuse_if(amount < 10_000, "Invalid amount")?;
        let merchant = &self.merchants[command.merchant];
        if let Some(first) = name.and_then(|name| merchant.references.get(name)) {
            let is_same = first.customer == command.customer && first.action == without_reference(&command.action);
            refuse_if(!is_same, "DuplicateReference")?;
            self.touched.extend(first.intent);
            return Ok(());
        }
        if let Kind::Transfer { receiver } = kind {
            refuse_if(!merchant.customers.contains_key(receiver), "PhoneUnknown")?;
            refuse_if(*receiver == command.customer, "SenderIsReceiver")?;
        } else {
            if let Kind::Deposit { escrows } = kind {
                for &deal in escrows {
                    let place = self.own(command, Some(deal)).ok_or("EscrowNotFound")?;
                    let deal = &self.deals[place];
                    refuse_if(deal.buyer.is_some() || deal.stock == Some(0), "EscrowNotPayable")?;
                    check_buyer(deal, command)?;
                }
            }
            refuse_if(command.is_live && !merchant.has_bank, "FeatureNotEnabled")?;
        }
        let fee = match kind {
            Kind::Withdrawal { .. } => withdrawal_fee(amount),
            _ => 0,
        };
        if !matches!(kind, Kind::Deposit { .. }) {
            refuse_if(amount + fee > MOST, "TooMuchMoney")?;
            let wallet = merchant.customers.get(&command.customer);
            let available = wallet.map_or(merchant.opening_balance, |wallet| wallet.main);
            let needed = amount + fee;
            refuse_if(available < needed, &format!("InsufficientBalance {needed} {available}"))?;
        }
        self.register(command, newcomers);
        self.rows.entries += 1;
        self.touched.push(self.intents.len());
        if let Kind::Withdrawal { .. } = kind {
            // Its money is on its way from now on.
            self.rows.transfers += 1;
            self.wallet(command.merchant, &command.customer).main -= amount + fee;
            self.touched_payouts.push(self.payouts.len());
            let owner = Owner::Customer(self.intents.len());
            self.payouts
                .push(Payout::requested(command.merchant, owner, amount, fee));
        }
        self.intents.push(Intent {
            merchant: command.merchant,
            reference: name.unwrap_or_default().to_owned(),
            customer: command.customer.clone(),
            kind: kind.clone(),
            amount,
            fee,
            status: "pending",
            payout: self.touched_payouts.first().copied(),
            agreed: self.terms_of(kind),
            ..Intent::missing()
        });
        Ok(())
    }

    fn verify(&mut self, command: &Command, intent: Option<usize>) -> Result<(), String> {
        let name = intent.map_or(NO_REFERENCE, |place| &self.intents[place].reference);
        let used = self.merchants[command.merchant].references.get(name);
        let used = used.filter(|used| used.customer == command.customer);
        let Some(place) = used.ok_or("PaymentNotFound")?.intent else {
            return Ok(());
        };
        self.touched.push(place);
        let now = self.now(command.merchant);
        let intent = &mut self.intents[place];
        match intent.kind {
            _ if !intent.is_open() => Ok(()),
            Kind::Deposit { .. } => Ok(()),
            // It waits for an operator.
            Kind::Withdrawal { .. } if command.is_live => Ok(()),
            Kind::Withdrawal { account: SLOW } if intent.due_at.is_none() => {
                intent.due_at = Some(slow_end(now));
                Ok(())
            }
            Kind::Withdrawal { account: SLOW } if intent.due_at > Some(now) => Ok(()),
            Kind::Withdrawal { account } => {
                let status = match account {
                    "0000000000" | "0000000001" => "failed",
                    "0000000002" => "reversed",
                    _ => status_of_amount(intent.amount),
                };
                self.settle(command, place, status).map(drop)
            }
            Kind::Transfer { .. } => self.settle(command, place, "success").map(drop),
        }
    }

    /// The merchant pays, so the command registers no customer.
    pub(crate) fn pay(
        &mut self,
        command: &Command,
        intent: Option<usize>,
        amount: Option<i64>,
    ) -> Result<Vec<usize>, String> {
        let number = intent.map_or(NO_ACCOUNT, |place| &self.intents[place].account_number);
        let is_named = |intent: &Intent| {
            intent.merchant == command.merchant && intent.id != MISSING && intent.account_number == number
        };
        let place = self.intents.iter().position(is_named);
        let place = place.filter(|_| number != NO_ACCOUNT).ok_or("TestAccountNotFound")?;
        let due = self.intents[place].amount;
        if let Some(offered) = amount {
            refuse_if(offered != due, &format!("AmountMismatch {due} {offered}"))?;
        }
        let status = self.intents[place].status;
        let may_be_paid = ["pending", "success"].contains(&status);
        refuse_if(!may_be_paid, &format!("NotInStatus deposit {status} paid"))?;
        self.touched.push(place);
        if self.intents[place].is_open() {
            return self.settle(command, place, status_of_amount(due));
        }
        Ok(vec![])
    }

    /// Settles the slow withdrawals that are due.
    pub(crate) fn settle_due(&mut self, command: &Command) {
        let merchant = command.merchant;
        let now = self.now(merchant);
        let is_due = |&place: &usize| {
            let intent = &self.intents[place];
            intent.merchant == merchant && intent.due_at.is_some_and(|due| due <= now)
        };
        let due: Vec<usize> = (0..self.intents.len()).filter(is_due).take(SETTLED_MAX).collect();
        for place in due {
            self.touched.push(place);
            let settled = self.settle(command, place, status_of_amount(self.intents[place].amount));
            settled.expect("its money is on its way");
        }
    }

    /// A failed payment moves nothing, and is refused all the same if it could not succeed. A
    /// withdrawal that an operator has taken in hand waits for the operator. Returns the deals
    /// that a deposit funds.
    fn settle(&mut self, command: &Command, place: usize, status: &'static str) -> Result<Vec<usize>, String> {
        let intent = self.intents[place].clone();
        if let Some(payout) = intent.payout {
            self.intents[place].due_at = None;
            if self.payouts[payout].status == "requested" {
                self.settle_payout_by_bank(payout, status);
            }
            return Ok(vec![]);
        }
        let (amount, needed) = (intent.amount, intent.amount + intent.fee);
        let merchant = &self.merchants[intent.merchant];
        match intent.kind {
            Kind::Deposit { .. } => refuse_if(merchant.deposited + amount > MOST, "TooMuchMoney")?,
            Kind::Transfer { .. } => {
                let available = merchant.customers[&intent.customer].main;
                refuse_if(available < needed, &format!("InsufficientBalance {needed} {available}"))?;
            }
            Kind::Withdrawal { .. } => {}
        }
        self.intents[place].status = status;
        self.intents[place].due_at = None;
        self.rows.events += 1;
        let is_paid = status == "success";
        match &intent.kind {
            Kind::Deposit { .. } if is_paid => {
                self.rows.transfers += 1;
                self.merchants[intent.merchant].deposited += amount;
                self.wallet(intent.merchant, &intent.customer).main += amount;
                return Ok(self.fund_named(command, place));
            }
            Kind::Transfer { receiver } if is_paid => {
                self.rows.transfers += 1;
                self.wallet(intent.merchant, &intent.customer).main -= amount;
                self.wallet(intent.merchant, receiver).main += amount;
                self.rows.entries += 1;
                self.rows.events += 1;
            }
            Kind::Deposit { .. } | Kind::Withdrawal { .. } | Kind::Transfer { .. } => {}
        }
        Ok(vec![])
    }

    /// Returns the present terms of the deals that a deposit names.
    fn terms_of(&self, kind: &Kind) -> Vec<AgreedTerms> {
        let Kind::Deposit { escrows } = kind else {
            return vec![];
        };
        escrows.iter().map(|&deal| self.deals[deal].agreed_terms()).collect()
    }

    /// Funds the deals that a deposit names with its money, or none of them.
    pub(crate) fn fund_named(&mut self, command: &Command, intent: usize) -> Vec<usize> {
        let intent = &self.intents[intent];
        let Kind::Deposit { escrows } = &intent.kind else {
            return vec![];
        };
        let due: i128 = escrows.iter().map(|&deal| i128::from(self.deals[deal].charge())).sum();
        if escrows.is_empty() || due > i128::from(intent.amount) {
            return vec![];
        }
        if intent.agreed != self.terms_of(&intent.kind) {
            let is_unpaid = |&deal: &usize| self.deals[deal].buyer.is_none() && !self.deals[deal].is_deleted;
            let are_unpaid = escrows.iter().all(is_unpaid);
            self.kept_for_new_terms += u64::from(are_unpaid);
            return vec![];
        }
        let name = |&deal: &usize| Named {
            deal: Some(deal),
            by_token: false,
        };
        let named: Vec<Named> = escrows.iter().map(name).collect();
        let buyer = Command {
            customer: intent.customer.clone(),
            ..command.clone()
        };
        self.fund(&buyer, &named, None, None, BTreeSet::new())
            .unwrap_or_default()
    }

    /// Copies what the service generated for an intent.
    pub(crate) fn learn_intent(&mut self, command: &Command, reply: &Reply) {
        let (Action::Intent(Step::Request { .. }), Some(payment)) = (&command.action, &reply.payment) else {
            return;
        };
        let place = self.touched[0];
        let intent = &mut self.intents[place];
        if intent.id != MISSING {
            return;
        }
        intent.id = (payment.transaction.id.number(), payment.transaction.id.guard().into());
        let name = payment.transaction.reference.as_str();
        name.clone_into(&mut intent.reference);
        if let Some(Method::TestAccount { account_number, .. }) = payment.method() {
            account_number.clone_into(&mut intent.account_number);
        }
        self.learn_reference(command, name, &[], Some(place));
    }
}

/// Asks for a payment, or settles mostly an open one, as its customer.
pub(crate) fn next(random: &mut Random, reference: &Reference, command: &mut Command) -> Action {
    let takes_any = random.one_in(8);
    let recent: Vec<usize> = (0..reference.intents.len())
        .rev()
        .take(200)
        .filter(|&place| {
            let intent = &reference.intents[place];
            takes_any || (intent.merchant == command.merchant && intent.is_open())
        })
        .collect();
    if recent.is_empty() || random.below(5) < 2 {
        return Action::Intent(request(random, reference, command));
    }
    let has_new_terms = |place: &&usize| {
        let intent = &reference.intents[**place];
        intent.is_open() && intent.agreed != reference.terms_of(&intent.kind)
    };
    let with_new_terms = recent.iter().find(has_new_terms).filter(|_| random.one_in(2));
    let place = with_new_terms.copied().unwrap_or(recent[random.below(recent.len())]);
    let intent = &reference.intents[place];
    if !random.one_in(10) {
        command.customer.clone_from(&intent.customer);
    }
    let named = (!random.one_in(20)).then_some(place);
    if !intent.is_deposit() || random.one_in(6) {
        return Action::Intent(Step::Verify { intent: named });
    }
    let amount = match random.below(8) {
        0..3 => Some(intent.amount),
        3 => Some(intent.amount.saturating_sub(1).max(1)),
        _ => None,
    };
    Action::Intent(Step::Pay { intent: named, amount })
}

/// Returns an unpaid deal of the merchant that an open deposit is to fund, if there is one of the
/// kind.
pub(crate) fn announced_deal(
    random: &mut Random,
    reference: &Reference,
    merchant: usize,
    has_milestones: bool,
) -> Option<usize> {
    let open = reference
        .intents
        .iter()
        .rev()
        .take(200)
        .filter(|intent| intent.is_open());
    let named = open.flat_map(|intent| match &intent.kind {
        Kind::Deposit { escrows } => escrows.as_slice(),
        Kind::Withdrawal { .. } | Kind::Transfer { .. } => &[],
    });
    let is_fit = |place: &usize| {
        let deal = &reference.deals[*place];
        let is_unpaid = deal.buyer.is_none() && !deal.is_deleted && deal.stock.is_none();
        deal.merchant == merchant && is_unpaid && deal.milestones.is_some() == has_milestones
    };
    let fit: Vec<usize> = named.copied().filter(is_fit).collect();
    (!fit.is_empty()).then(|| fit[random.below(fit.len())])
}

/// Returns up to two deals, mostly ones that the customer can fund.
fn escrows_to_fund(random: &mut Random, reference: &Reference, command: &Command) -> Vec<usize> {
    let number = [0, 1, 1, 2][random.below(4)];
    let is_fit = |place: usize| {
        let deal = &reference.deals[place];
        let is_payable = deal.buyer.is_none() && !deal.is_deleted && deal.stock != Some(0);
        deal.merchant == command.merchant && is_payable && check_buyer(deal, command).is_ok()
    };
    (0..number).filter_map(|_| deal(random, reference, is_fit)).collect()
}

/// Returns the sum that the deals of a deposit cost, if it names any and the sum is not too
/// large.
fn due_of(reference: &Reference, kind: &Kind) -> Option<i64> {
    let Kind::Deposit { escrows } = kind else {
        return None;
    };
    let due = escrows.iter().map(|&deal| i128::from(reference.deals[deal].charge()));
    i64::try_from(due.sum::<i128>())
        .ok()
        .filter(|due| (1..=MOST).contains(due))
}

fn request(random: &mut Random, reference: &Reference, command: &mut Command) -> Step {
    let merchant = &reference.merchants[command.merchant];
    // Repeats an earlier request exactly or with a change.
    if random.one_in(6)
        && let Some((name, first)) = merchant
            .references
            .iter()
            .nth(random.below(merchant.references.len().max(1)))
        && let Action::Intent(Step::Request { kind, amount, .. }) = &first.action
    {
        command.customer.clone_from(&first.customer);
        return Step::Request {
            kind: kind.clone(),
            amount: (amount + i64::from(random.one_in(4))).min(MOST),
            reference: Some(name.clone()),
        };
    }
    let kind = match random.below(3) {
        0 => Kind::Deposit {
            escrows: escrows_to_fund(random, reference, command),
        },
        1 => Kind::Withdrawal {
            account: ACCOUNTS[random.below(ACCOUNTS.len())],
        },
        _ => Kind::Transfer {
            receiver: any_customer(random),
        },
    };
    let main = merchant
        .customers
        .get(&command.customer)
        .map_or(0, |wallet| wallet.main);
    let amount = match random.below(20) {
        0 => 9_999,
        1 => MOST,
        2 => main.max(1),
        3 => 20_051,
        4 => 20_091,
        _ => match due_of(reference, &kind) {
            Some(due) => due,
            None => 10_000 + i64::try_from(random.below(300_000)).unwrap(),
        },
    };
    Step::Request {
        kind,
        amount,
        reference: random.one_in(2).then(|| format!("ref {}", random.below(3_000))),
    }
}

impl Service {
    pub(crate) fn intent(
        &self,
        command: &Command,
        step: &Step,
        policy: Policy,
        reference: &Reference,
    ) -> Result<Reply, Error> {
        let merchant = self.merchants[command.merchant].0;
        let actor = Actor {
            merchant,
            party: Party::Customer(customer(&command.customer)),
        };
        let payment = match step {
            Step::Request {
                kind,
                amount,
                reference: name,
            } => {
                let request = rules::check_amount(kobo(*amount)).map(|amount| IntentRequest {
                    amount,
                    reference: name.as_deref().and_then(PaymentName::parse),
                    kind: self.kind_of(merchant, kind, reference),
                });
                self.run(policy, move |tx, policy| intents::create(tx, policy, &actor, request))
            }
            Step::Verify { intent } => {
                let name = intent.map_or(NO_REFERENCE, |place| &reference.intents[place].reference);
                let name = PaymentName::parse(name).unwrap();
                self.run(policy, move |tx, policy| intents::verify(tx, policy, &actor, Ok(name)))
            }
            Step::Pay { intent, amount } => {
                let number = intent.map_or(NO_ACCOUNT, |place| &reference.intents[place].account_number);
                let (number, amount) = (number.to_owned(), amount.map(kobo));
                self.run(policy, move |tx, policy| {
                    intents::pay_test_account(tx, policy, merchant, &number, Ok(amount))
                })
            }
        }?;
        let id = payment.transaction.id;
        let payout = read(&self.store, move |snapshot| snapshot.payout_of_withdrawal(id));
        Ok(Reply {
            payment: Some(payment),
            payout: payout.map(|stored| stored.payout),
            escrows: self.newly_funded(),
            ..Reply::default()
        })
    }

    fn kind_of(&self, merchant: MerchantId, kind: &Kind, reference: &Reference) -> IntentKind {
        match kind {
            Kind::Deposit { escrows } => IntentKind::Deposit {
                card: None,
                escrows: escrows
                    .iter()
                    .map(|&deal| escrow_id(reference.deals[deal].id).to_string())
                    .collect(),
            },
            Kind::Withdrawal { account } => IntentKind::BankWithdrawal(BankAccount {
                bank_code: "058".to_owned(),
                account_number: (*account).to_owned(),
                account_name: "Ada".to_owned(),
                bank_name: "Bank".to_owned(),
                narration: None,
            }),
            Kind::Transfer { receiver } => IntentKind::WalletTransfer(WalletTransferRequest {
                phone: self.phone_of(merchant, &customer(receiver)),
                name: "A friend".to_owned(),
                narration: None,
            }),
        }
    }

    fn phone_of(&self, merchant: MerchantId, id: &CustomerId) -> String {
        let id = id.clone();
        let stored = read(&self.store, move |snapshot| snapshot.customer(merchant, &id));
        let phone = stored.and_then(|stored| stored.profile?.phone);
        phone.map_or_else(|| NO_PHONE.to_owned(), |phone| phone.as_str().to_owned())
    }

    /// Compares an intent with its stored rows.
    pub(crate) fn assert_intent_stored(&self, intent: &Intent) {
        let id = TransactionId::new(intent.id.0, u32::try_from(intent.id.1).unwrap());
        let stored = read(&self.store, move |snapshot| snapshot.payment(id));
        let Some(stored) = stored else {
            assert_eq!(intent.status, "", "the payment is not stored");
            return;
        };
        let owner = stored.transaction.owner.customer().map(CustomerId::as_str);
        assert_eq!(owner, Some(intent.customer.as_str()), "the customer of the payment");
        assert_eq!(stored.transaction.reference.as_str(), intent.reference);
        let sums = (stored.transaction.amount.minor(), stored.fee().minor());
        assert_eq!(sums, (intent.amount, intent.fee), "the amount and the fee");
        assert_eq!(stored.status().into_str(), intent.status, "the status of the payment");
        let merchant = self.merchants[intent.merchant].0;
        let due = read(&self.store, move |snapshot| snapshot.slow_withdrawal_due(merchant, id));
        assert_eq!(due.map(Timestamp::millis), intent.due_at, "the time of settlement");
    }
}
