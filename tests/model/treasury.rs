//! The commands of operators: their dispatch in the reference, the command generator and the
//! service under test.

use escrowd::commands::operators::{self, OperatorActor, OperatorRequest};
use escrowd::commands::payouts::{self, PayoutRequest, RequestedSource};
use escrowd::commands::receipts::{self, ReceiptOutcome, ReceiptRequest, ReceiptTarget};
use escrowd::commands::{Error, Policy};
use escrowd::domain::escrow::Escrow;
use escrowd::domain::escrow::deal::Deal;
use escrowd::domain::ids::{
    EscrowKey, MerchantId, OperatorId, PayoutId, ReceiptId, Reference as PaymentName, TransactionId,
};
use escrowd::domain::time::Date;
use escrowd::domain::transaction::BankAccount;
use escrowd::domain::treasury::act::Agent;
use escrowd::domain::treasury::operator::Role;
use escrowd::domain::treasury::payout::BankEntry;
use escrowd::store::{PayoutWithWithdrawal, Store};

use crate::generator::{Random, any_customer};
use crate::helpers::{kobo, read, write};
use crate::intents::NO_REFERENCE;
use crate::reference::{Action, Command, Id, MISSING, MOST, Reference, refuse_if};
use crate::requests::{customer, escrow_id};
use crate::service::{Reply, Service};

/// The number of operators, all of them admins.
pub(crate) const OPERATORS: i64 = 3;
/// The largest amount that one person may move alone.
pub(crate) const ALONE_MAX: i64 = 1_000_000;

/// A command of an operator or, without one, of the owner of a sandbox's key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OperatorCommand {
    operator: Option<usize>,
    pub(crate) step: Step,
}

/// Receipts, pay-outs and intents are named by their places. `None` is one that does not
/// exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Record {
        amount: i64,
        bank_reference: String,
        target: Target,
    },
    ApproveReceipt(Option<usize>),
    RejectReceipt(Option<usize>),
    Assign {
        receipt: Option<usize>,
        target: Target,
    },
    Reverse(Option<usize>),
    Retract(Option<usize>),
    Expire(Option<usize>),
    Request(Source),
    Approve(Option<usize>),
    Reject(Option<usize>),
    Pay {
        payout: Option<usize>,
        bank_reference: String,
    },
    Return(Option<usize>),
    Reopen(Option<usize>),
    RetractPayout(Option<usize>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// By the reference that its payer quotes.
    Deposit(Option<usize>),
    /// By the payment's own reference, which is the same in a sandbox.
    Named(Option<usize>),
    Customer(String),
    Unknown,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Merchant(i64),
    Platform(i64),
    Receipt(Option<usize>),
}

impl Step {
    pub(crate) const fn kind(&self) -> &'static str {
        match self {
            Self::Record { .. } => "record a receipt",
            Self::ApproveReceipt(_) => "approve a receipt",
            Self::RejectReceipt(_) => "reject a receipt",
            Self::Assign { .. } => "assign a receipt",
            Self::Reverse(_) => "reverse a receipt",
            Self::Retract(_) | Self::RetractPayout(_) => "retract a request",
            Self::Expire(_) => "expire a deposit",
            Self::Request(_) => "request a pay-out",
            Self::Approve(_) => "approve a pay-out",
            Self::Reject(_) => "reject a pay-out",
            Self::Pay { .. } => "pay a pay-out",
            Self::Return(_) => "return a pay-out",
            Self::Reopen(_) => "reopen a pay-out",
        }
    }
}

/// Above the limit the second person must be another than the first.
pub(crate) fn check_two_persons(amount: i64, first: Option<usize>, second: Option<usize>) -> Result<(), String> {
    refuse_if(amount > ALONE_MAX && first.is_some() && first == second, "SamePerson")
}

/// Returns true if an operator decides: alone up to the limit, or as the second one who asks for the
/// same as the first.
pub(crate) fn decides(amount: i64, first: Option<usize>, operator: Option<usize>) -> Result<bool, String> {
    check_two_persons(amount, first, operator)?;
    Ok(amount <= ALONE_MAX || operator.is_none() || first.is_some())
}

impl Reference {
    /// Runs a command of an operator. Returns the deals that it funds.
    pub(crate) fn operate(&mut self, command: &Command, act: &OperatorCommand) -> Result<Vec<usize>, String> {
        let by = act.operator;
        let deals = match &act.step {
            Step::Record {
                amount,
                bank_reference,
                target,
            } => self.record_receipt(command, by, *amount, bank_reference, target),
            Step::ApproveReceipt(receipt) => self.approve_receipt(command, by, *receipt),
            Step::RejectReceipt(receipt) => self.reject_receipt(command, *receipt),
            Step::Assign { receipt, target } => self.assign_receipt(command, by, *receipt, target),
            Step::Reverse(receipt) => self.reverse_receipt(command, by, *receipt),
            Step::Retract(receipt) => self.retract_receipt(command, *receipt),
            Step::Expire(intent) => self.expire_deposit(command, *intent),
            Step::Request(source) => self.request_payout(command, by, source),
            Step::Approve(payout) => self.approve_payout(command, by, *payout),
            Step::Reject(payout) => self.reject_payout(command, *payout),
            Step::Pay { payout, bank_reference } => self.pay_payout(command, *payout, bank_reference),
            Step::Return(payout) => self.return_payout(command, by, *payout),
            Step::Reopen(payout) => self.reopen_payout(command, by, *payout),
            Step::RetractPayout(payout) => self.retract_payout(command, *payout),
        }?;
        self.rows.acts += 1;
        Ok(deals)
    }

    /// Copies the ids of a new receipt and a new pay-out.
    pub(crate) fn learn_treasury(&mut self, reply: &Reply) {
        if let (Some(receipt), Some(&place)) = (&reply.receipt, self.touched_receipts.first()) {
            self.receipts[place].id = (receipt.id.number(), receipt.id.guard().into());
        }
        if let (Some(payout), Some(&place)) = (&reply.payout, self.touched_payouts.first()) {
            self.payouts[place].id = (payout.id.number(), payout.id.guard().into());
        }
    }
}

/// Picks mostly a recent row that fits, now and then any row or none.
fn pick(random: &mut Random, rows: usize, is_fit: impl Fn(usize) -> bool) -> Option<usize> {
    if rows == 0 || random.one_in(20) {
        return None;
    }
    let fitting: Vec<usize> = (0..rows).rev().take(300).filter(|&place| is_fit(place)).collect();
    if fitting.is_empty() || random.one_in(10) {
        return Some(random.below(rows));
    }
    Some(fitting[random.below(fitting.len())])
}

/// Records money or settles what is open.
pub(crate) fn next(random: &mut Random, reference: &Reference, command: &mut Command) -> Action {
    let merchant = command.merchant;
    let receipt = |random: &mut Random, statuses: &[&str]| {
        pick(random, reference.receipts.len(), |place| {
            let receipt = &reference.receipts[place];
            receipt.merchant == merchant && statuses.contains(&receipt.status)
        })
    };
    let payout = |random: &mut Random, statuses: &[&str]| {
        pick(random, reference.payouts.len(), |place| {
            let payout = &reference.payouts[place];
            payout.merchant == merchant && statuses.contains(&payout.status)
        })
    };
    let step = match random.below(32) {
        0..8 => record(random, reference, command),
        8..11 => Step::ApproveReceipt(receipt(random, &["recorded"])),
        11 => Step::RejectReceipt(receipt(random, &["recorded"])),
        12..14 => {
            let receipt = receipt(random, &["suspense"]);
            assign(random, reference, command, receipt)
        }
        14..16 => Step::Reverse(receipt(random, &["credited", "suspense"])),
        16 => retract(random, reference, merchant),
        17 => Step::Expire(expected(random, reference, merchant)),
        18..22 => Step::Request(match random.below(4) {
            0 => Source::Merchant(part_of(random, reference.merchants[merchant].earned)),
            1 => Source::Platform(part_of(random, reference.merchants[merchant].platform_earned)),
            _ => Source::Receipt(receipt(random, &["suspense"])),
        }),
        22..26 => Step::Approve(payout(random, &["requested"])),
        26 => Step::Reject(payout(random, &["requested"])),
        27..30 => Step::Pay {
            payout: payout(random, &["approved"]),
            bank_reference: bank_reference(random, || {
                let used = reference
                    .payouts
                    .iter()
                    .filter_map(|payout| payout.bank_reference.clone());
                used.collect()
            }),
        },
        30 => Step::Return(payout(random, &["approved", "paid"])),
        _ => Step::Reopen(payout(random, &["paid"])),
    };
    let operator = (!random.one_in(3)).then(|| random.below(usize::try_from(OPERATORS).unwrap()));
    Action::Operator(OperatorCommand { operator, step })
}

fn record(random: &mut Random, reference: &Reference, command: &mut Command) -> Step {
    let target = target(random, reference, command);
    let announced = match target {
        Target::Deposit(Some(place)) | Target::Named(Some(place)) if !random.one_in(5) => {
            Some(reference.intents[place].amount.max(1))
        }
        _ => None,
    };
    let amount = match random.below(20) {
        _ if announced.is_some() => announced.unwrap_or_default(),
        0 => MOST,
        1 => 1,
        2 => ALONE_MAX,
        3 => ALONE_MAX + 1,
        _ => 1 + i64::try_from(random.below(2_000_000)).unwrap(),
    };
    Step::Record {
        amount,
        bank_reference: bank_reference(random, || {
            let used = reference.receipts.iter().map(|receipt| receipt.bank_reference.clone());
            used.collect()
        }),
        target,
    }
}

/// Ends a request for a pay-out if there is one, and else one for a receipt.
fn retract(random: &mut Random, reference: &Reference, merchant: usize) -> Step {
    let of_payout = |place: usize| {
        let payout = &reference.payouts[place];
        payout.merchant == merchant && payout.asked.is_some()
    };
    if (0..reference.payouts.len()).any(of_payout) {
        return Step::RetractPayout(pick(random, reference.payouts.len(), of_payout));
    }
    Step::Retract(pick(random, reference.receipts.len(), |place| {
        let receipt = &reference.receipts[place];
        receipt.merchant == merchant && receipt.asked_by.is_some()
    }))
}

/// Names an owner of money in suspense, half of the time the one for whom the first of two operators asked.
fn assign(random: &mut Random, reference: &Reference, command: &mut Command, receipt: Option<usize>) -> Step {
    let asked = receipt.and_then(|place| reference.receipts[place].asked_for());
    let target = match asked.filter(|_| random.one_in(2)) {
        Some(same) => same,
        None => match target(random, reference, command) {
            Target::Unknown => Target::Customer(any_customer(random)),
            known => known,
        },
    };
    Step::Assign { receipt, target }
}

/// Names a deposit also as only a sandbox takes it, in either mode.
fn target(random: &mut Random, reference: &Reference, command: &mut Command) -> Target {
    match random.below(5) {
        0..2 => match expected(random, reference, command.merchant) {
            Some(place) if place % 3 == 2 => {
                command.is_live |= place % 2 == 0;
                Target::Named(Some(place))
            }
            place => Target::Deposit(place),
        },
        2..4 => Target::Customer(any_customer(random)),
        _ => Target::Unknown,
    }
}

/// Picks mostly a deposit that is pending.
fn expected(random: &mut Random, reference: &Reference, merchant: usize) -> Option<usize> {
    pick(random, reference.intents.len(), |place| {
        let intent = &reference.intents[place];
        intent.merchant == merchant && intent.is_deposit() && intent.is_open()
    })
}

/// Returns mostly a new reference, now and then one of those that are used.
fn bank_reference(random: &mut Random, used: impl FnOnce() -> Vec<String>) -> String {
    if random.one_in(8) {
        let used = used();
        if !used.is_empty() {
            return used[random.below(used.len())].clone();
        }
    }
    format!("FT{}", random.next())
}

/// Returns an amount that a balance mostly covers.
fn part_of(random: &mut Random, balance: i64) -> i64 {
    match random.below(6) {
        0 => balance.max(1),
        1 => (balance + 1).min(MOST),
        _ => 1 + i64::try_from(random.below(usize::try_from(balance / 2 + 1).unwrap())).unwrap(),
    }
}

/// Makes the operators of a new file.
pub(crate) fn make_operators(store: &Store) -> Vec<OperatorId> {
    let make = |place: i64| {
        let request = OperatorRequest {
            name: format!("Operator {place}"),
            role: Role::Admin,
            merchants: Vec::new(),
        };
        let agent = Agent {
            operator: None,
            address: None,
        };
        write(store, move |tx| {
            operators::create(tx, &agent, Ok(request), &format!("op_live_{place}"))
        })
        .id
    };
    (0..OPERATORS).map(make).collect()
}

fn entry(reference: &str) -> BankEntry {
    BankEntry {
        reference: reference.to_owned(),
        value_date: Date::parse("2026-06-22").unwrap(),
    }
}

const fn guard((number, guard): Id) -> (i64, u32) {
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a guard has 32 bits"
    )]
    (number, guard as u32)
}

impl Service {
    #[allow(clippy::too_many_lines, reason = "one arm for each kind of command")]
    pub(crate) fn operate(
        &self,
        command: &Command,
        act: &OperatorCommand,
        policy: Policy,
        reference: &Reference,
    ) -> Result<Reply, Error> {
        let actor = OperatorActor {
            merchant: self.merchants[command.merchant].0,
            agent: Agent {
                operator: act.operator.map(|place| self.operators[place]),
                address: Some("127.0.0.1".to_owned()),
            },
        };
        let receipt = |place: &Option<usize>| {
            let (number, guard) = guard(place.map_or(MISSING, |place| reference.receipts[place].id));
            ReceiptId::new(number, guard)
        };
        let payout = |place: &Option<usize>| {
            let (number, guard) = guard(place.map_or(MISSING, |place| reference.payouts[place].id));
            PayoutId::new(number, guard)
        };
        let reason = || Ok("So be it".to_owned());
        let mut reply = match &act.step {
            Step::Record {
                amount,
                bank_reference,
                target,
            } => {
                let request = ReceiptRequest {
                    amount: kobo(*amount),
                    entry: entry(bank_reference),
                    note: None,
                    target: target_of(target, reference, command.is_live),
                };
                self.run(policy, move |tx, policy| {
                    receipts::record(tx, policy, &actor, Ok(request))
                })
                .map(of_receipt)
            }
            Step::ApproveReceipt(place) => {
                let id = receipt(place);
                self.run(policy, move |tx, policy| receipts::approve(tx, policy, &actor, id))
                    .map(of_receipt)
            }
            Step::RejectReceipt(place) => {
                let id = receipt(place);
                self.run(policy, move |tx, _policy| receipts::reject(tx, &actor, id, reason()))
                    .map(of_receipt)
            }
            Step::Assign { receipt: place, target } => {
                let (id, target) = (receipt(place), target_of(target, reference, command.is_live));
                self.run(policy, move |tx, policy| {
                    receipts::assign(tx, policy, &actor, id, Ok(target))
                })
                .map(of_receipt)
            }
            Step::Reverse(place) => {
                let id = receipt(place);
                self.run(policy, move |tx, policy| {
                    receipts::reverse(tx, policy, &actor, id, reason())
                })
                .map(of_receipt)
            }
            Step::Retract(place) => {
                let id = receipt(place);
                self.run(policy, move |tx, _policy| receipts::retract(tx, &actor, id, reason()))
                    .map(of_receipt)
            }
            Step::Expire(intent) => {
                let name = name_of(*intent, reference);
                self.run(policy, move |tx, policy| {
                    receipts::expire(tx, policy, &actor, Ok(name), reason())
                })
                .map(|_| Reply::default())
            }
            Step::Request(source) => {
                let request = PayoutRequest {
                    source: match source {
                        Source::Merchant(amount) => RequestedSource::Merchant(kobo(*amount)),
                        Source::Platform(amount) => RequestedSource::PlatformFees(kobo(*amount)),
                        Source::Receipt(place) => RequestedSource::Receipt(receipt(place)),
                    },
                    destination: destination(),
                    reason: None,
                };
                self.run(policy, move |tx, policy| {
                    payouts::request(tx, policy, &actor, Ok(request))
                })
                .map(of_payout)
            }
            Step::Approve(place) => {
                let id = payout(place);
                self.run(policy, move |tx, policy| payouts::approve(tx, policy, &actor, id))
                    .map(of_payout)
            }
            Step::Reject(place) => {
                let id = payout(place);
                self.run(policy, move |tx, policy| {
                    payouts::reject(tx, policy, &actor, id, reason())
                })
                .map(of_payout)
            }
            Step::Pay {
                payout: place,
                bank_reference,
            } => {
                let (id, paid) = (payout(place), entry(bank_reference));
                self.run(policy, move |tx, policy| payouts::pay(tx, policy, &actor, id, Ok(paid)))
                    .map(of_payout)
            }
            Step::Return(place) => {
                let id = payout(place);
                self.run(policy, move |tx, policy| {
                    payouts::record_return(tx, policy, &actor, id, reason())
                })
                .map(of_payout)
            }
            Step::RetractPayout(place) => {
                let id = payout(place);
                self.run(policy, move |tx, _policy| payouts::retract(tx, &actor, id, reason()))
                    .map(of_payout)
            }
            Step::Reopen(place) => {
                let id = payout(place);
                self.run(policy, move |tx, policy| {
                    payouts::reopen(tx, policy, &actor, id, reason())
                })
                .map(of_payout)
            }
        }?;
        reply.escrows = self.newly_funded();
        Ok(reply)
    }

    /// Returns the escrows that the last command has funded, in the order of their ids.
    pub(crate) fn newly_funded(&self) -> Vec<Escrow> {
        let sql = "SELECT coalesce(max(id), 0) FROM payment_transaction";
        let before = self.before.number(sql, &[]);
        let sql = "SELECT merchant_id, id, guard FROM escrow WHERE payment_id > ?1 ORDER BY id";
        let load = |row: Vec<Option<String>>| {
            let numbers: Vec<i64> = row.iter().flatten().map(|number| number.parse().unwrap()).collect();
            let merchant = MerchantId(numbers[0]);
            let key = EscrowKey::Id(escrow_id((numbers[1], numbers[2])));
            match read(&self.store, move |snapshot| snapshot.deal(merchant, &key)) {
                Some(Deal::Escrow(escrow)) => escrow,
                other => panic!("not an escrow: {other:?}"),
            }
        };
        self.rows.rows(sql, &[before]).into_iter().map(load).collect()
    }

    /// Checks that the pay-outs and receipts of a merchant explain the money in transit and in
    /// suspense.
    pub(crate) fn assert_treasury(&self, merchant: MerchantId, in_transit: i64, suspense: i64) {
        let sql = "SELECT
            (SELECT coalesce(sum(amount + fee), 0) FROM payout
             WHERE merchant_id = ?1 AND status IN ('requested', 'approved')),
            (SELECT coalesce(sum(amount), 0) FROM receipt WHERE merchant_id = ?1 AND status = 'suspense')";
        let found = self.rows.row(sql, &[merchant.0]);
        assert_eq!(found, [in_transit, suspense], "open pay-outs and receipts in suspense");
    }
}

fn of_receipt(outcome: ReceiptOutcome) -> Reply {
    Reply {
        receipt: Some(outcome.receipt),
        ..Reply::default()
    }
}

fn of_payout(outcome: PayoutWithWithdrawal) -> Reply {
    Reply {
        payout: Some(outcome.payout),
        ..Reply::default()
    }
}

fn name_of(intent: Option<usize>, reference: &Reference) -> PaymentName {
    let name = intent.map_or(NO_REFERENCE, |place| &reference.intents[place].reference);
    PaymentName::parse(name).unwrap()
}

/// Returns the reference that the payer of a live deposit quotes.
pub(crate) fn quoted(id: Id) -> String {
    let (number, guard) = guard(id);
    PaymentName::of(TransactionId::new(number, guard)).as_str().to_owned()
}

fn target_of(target: &Target, reference: &Reference, is_live: bool) -> ReceiptTarget {
    match target {
        Target::Deposit(Some(place)) if is_live => {
            let quoted = quoted(reference.intents[*place].id);
            // A bank keeps neither case nor punctuation.
            let written = format!("{} / {}", &quoted[..7], quoted[7..].to_lowercase());
            ReceiptTarget::Deposit(PaymentName::parse(&written).unwrap())
        }
        Target::Deposit(intent) | Target::Named(intent) => ReceiptTarget::Deposit(name_of(*intent, reference)),
        Target::Customer(name) => ReceiptTarget::Customer(customer(name)),
        Target::Unknown => ReceiptTarget::Unknown,
    }
}

fn destination() -> BankAccount {
    BankAccount {
        bank_code: "058".to_owned(),
        account_number: "0123456789".to_owned(),
        account_name: "Shop".to_owned(),
        bank_name: "Bank".to_owned(),
        narration: None,
    }
}
