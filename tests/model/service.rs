//! The service under test: the real commands on a real database, and the rows of that database.

use std::cell::Cell;
use std::collections::BTreeMap;

use escrowd::commands::clocks;
use escrowd::commands::disputes::{self};
use escrowd::commands::milestone_escrows::{self, ConversionRequest};
use escrowd::commands::payments;
use escrowd::commands::standard_escrows::{self, AdditionalFeeRequest, StandardEditRequest};
use escrowd::commands::{Error, Policy, admission, merchants};
use escrowd::domain::customers::customer::Admission;
use escrowd::domain::escrow::category::Category;
use escrowd::domain::escrow::deal::Deal as StoredDeal;
use escrowd::domain::escrow::terms::KeptTerms;
use escrowd::domain::escrow::vault::Vault;
use escrowd::domain::escrow::{Escrow, Progress};
use escrowd::domain::ids::{CustomerId, EscrowId, EscrowKey, MerchantId, MilestoneId, OperatorId, PaymentToken};
use escrowd::domain::mode::Mode;
use escrowd::domain::money::Amount;
use escrowd::domain::party::{Actor, Party};
use escrowd::domain::payments::payment::Payment;
use escrowd::domain::refusal::Refusal;
use escrowd::domain::sandbox::span::Span;
use escrowd::domain::treasury::payout::Payout;
use escrowd::domain::treasury::receipt::Receipt;
use escrowd::store::{Store, Synchronous, Tx};

use crate::categories::category_id;
use crate::database::{Engine, Outside};
use crate::disputes::Ruling;
use crate::helpers::{TestDatabase, kobo, read, sandbox_key, wait_for, write};
use crate::reference::{self, Action, Command, Deal, MISSING, Reference, Rows};
use crate::refusals::Fault;
use crate::requests::*;
use crate::treasury;

/// The reply to a command.
#[derive(Default)]
pub(crate) struct Reply {
    pub(crate) escrows: Vec<Escrow>,
    pub(crate) reference: Option<String>,
    pub(crate) vault: Option<Vault>,
    pub(crate) payment: Option<Payment>,
    pub(crate) category: Option<Category>,
    pub(crate) receipt: Option<Receipt>,
    pub(crate) payout: Option<Payout>,
}

pub(crate) struct Service {
    pub(crate) store: Store,
    /// A plain connection for reading the rows.
    pub(crate) rows: Outside,
    /// Another one, which sees the rows as they were before a command.
    pub(crate) before: Outside,
    pub(crate) fault: Option<Fault>,
    /// The merchant of the command that runs.
    acts_for: Cell<MerchantId>,
    pub(crate) merchants: Vec<(MerchantId, Policy)>,
    pub(crate) operators: Vec<OperatorId>,
    /// Removed last.
    pub(crate) database: TestDatabase,
}

impl Service {
    /// Starts on a new database with the merchants of the reference.
    pub(crate) fn start(engine: Engine, reference: &Reference) -> Self {
        let mut database = TestDatabase::on(engine);
        database.settings.synchronous = Synchronous::Normal;
        let mut service = Self::open(database, reference);
        service.operators = treasury::make_operators(&service.store);
        service
    }

    /// Opens the same database with another store.
    pub(crate) fn restart(self, reference: &Reference) -> Self {
        let Self {
            database,
            store,
            merchants,
            fault,
            operators,
            ..
        } = self;
        store.close();
        drop(store);
        let mut again = Self::open(database, reference);
        again.fault = fault;
        again.operators = operators;
        let ids = |merchants: &[(MerchantId, Policy)]| merchants.iter().map(|(id, _)| *id).collect::<Vec<_>>();
        assert_eq!(
            ids(&merchants),
            ids(&again.merchants),
            "a key belongs to the same merchant after a restart"
        );
        again
    }

    fn open(database: TestDatabase, reference: &Reference) -> Self {
        let store = database.open();
        let (rows, before) = (database.outside(), database.outside());
        let merchant = |(key, merchant)| {
            let id = write(&store, move |tx| merchants::of_sandbox_key(tx, &sandbox_key(key)));
            (id, policy(merchant))
        };
        let merchants = (1_u8..).zip(&reference.merchants).map(merchant).collect();
        Self {
            store,
            rows,
            before,
            fault: None,
            acts_for: Cell::new(MerchantId(0)),
            merchants,
            operators: Vec::new(),
            database,
        }
    }

    /// Runs one command through the real code. A refusal is returned by its name.
    #[allow(clippy::too_many_lines, reason = "one arm for each kind of command")]
    pub(crate) fn execute(&self, command: &Command, reference: &Reference) -> Result<Reply, String> {
        let (merchant, policy) = &self.merchants[command.merchant];
        self.acts_for.set(*merchant);
        let mut policy = policy.clone();
        if command.is_live {
            policy.mode = Mode::Live;
            policy.admission = Admission::KnownOnly;
        }
        let actor = Actor {
            merchant: *merchant,
            party: Party::Customer(customer(&command.customer)),
        };
        let escrow = |deal: &Option<usize>| escrow_id(deal.map_or(MISSING, |place| reference.deals[place].id));
        let one = |escrow: Escrow| Reply {
            escrows: vec![escrow],
            ..Reply::default()
        };
        let token = |deal: &Option<usize>| {
            PaymentToken::named(deal.map_or("PY_MISSING", |place| &reference.deals[place].token))
        };
        let reply: Result<Reply, Error> = match &command.action {
            Action::OfferMilestones(terms) => {
                let terms = milestone_request(terms, reference);
                self.run(policy, move |tx, policy| {
                    milestone_escrows::create(tx, policy, &actor, Ok(terms))
                })
                .map(one)
            }
            Action::OfferStandard(terms) => {
                let (terms, actor) = (terms_request(terms, reference), actor);
                self.run(policy, move |tx, policy| {
                    standard_escrows::create(tx, policy, &actor, Ok(terms), &[])
                })
                .map(one)
            }
            Action::Edit { deal, terms } => {
                let token = PaymentToken::named(deal.map_or("PY_MISSING", |place| &reference.deals[place].token));
                let terms = milestone_request(terms, reference);
                self.run(policy, move |tx, policy| {
                    milestone_escrows::edit(tx, policy, &actor, token, Ok(terms))
                })
                .map(one)
            }
            Action::EditStandard { deal, terms } => {
                let request = StandardEditRequest {
                    terms: terms_request(terms, reference),
                    keeps: KeptTerms::default(),
                };
                let token = token(deal);
                self.run(policy, move |tx, policy| {
                    standard_escrows::edit(tx, policy, &actor, token, Ok(request), &[])
                })
                .map(one)
            }
            Action::Convert {
                deal,
                keeps_amount,
                terms,
            } => {
                let request = ConversionRequest {
                    amount: (!keeps_amount).then(|| kobo(terms.amount)),
                    milestones: milestone_request(terms, reference).milestones,
                };
                let token = token(deal);
                self.run(policy, move |tx, policy| {
                    milestone_escrows::convert(tx, policy, &actor, token, Ok(request))
                })
                .map(one)
            }
            Action::Claim { deal } => {
                let token = token(deal);
                self.run(policy, move |tx, policy| {
                    standard_escrows::claim(tx, policy, &actor, token)
                })
                .map(one)
            }
            Action::Refund { deal } => {
                let token = token(deal);
                self.run(policy, move |tx, policy| {
                    standard_escrows::refund(tx, policy, &actor, token)
                })
                .map(one)
            }
            Action::AdvanceClock { seconds } => {
                let (merchant, by) = (*merchant, Span::parse(&format!("{seconds}s")).unwrap());
                self.run(policy, move |tx, policy| clocks::advance(tx, policy, merchant, Ok(by)))
                    .map(|_| Reply::default())
            }
            Action::Vault(step) => self.vault(command, step, policy, reference),
            Action::Intent(step) => self.intent(command, step, policy, reference),
            Action::Category(of_category) => self.category(command, of_category, policy, reference),
            Action::Operator(act) => self.operate(command, act, policy, reference),
            Action::Fund {
                deals,
                offered,
                reference: name,
            } => {
                let request = payment_request(deals, *offered, name.as_deref(), reference);
                self.run(policy, move |tx, policy| {
                    payments::fund(tx, policy, &actor, Ok(request))
                })
                .map(|payment| Reply {
                    escrows: payment.escrows,
                    reference: Some(payment.transaction.reference.as_str().to_owned()),
                    ..Reply::default()
                })
            }
            Action::ConfirmMilestone { deal, milestone } => {
                let (escrow, milestone) = (escrow(deal), reference.milestone_id(*milestone));
                let milestone = MilestoneId::new(milestone.0, milestone.1);
                self.run(policy, move |tx, policy| {
                    milestone_escrows::confirm(tx, policy, &actor, escrow, milestone)
                })
                .map(one)
            }
            Action::ConfirmPayment { deal } => {
                let escrow = escrow(deal);
                self.run(policy, move |tx, policy| {
                    standard_escrows::confirm_payment(tx, policy, &actor, escrow)
                })
                .map(one)
            }
            Action::SetFee { .. } | Action::Delete { .. } => self.before_payment(command, reference, actor, policy),
            Action::Dispute { deal } => {
                let token = PaymentToken::named(deal.map_or("PY_MISSING", |place| &reference.deals[place].token));
                self.dispute(policy, actor, token).map(one)
            }
            Action::Resolve { deal, ruling } => self.resolve(policy, *merchant, escrow(deal), *ruling).map(one),
            Action::TopUp { amount } => {
                let amount = kobo(*amount);
                self.run(policy, move |tx, policy| {
                    payments::top_up(tx, policy, &actor, Ok(amount))
                })
                .map(|_| Reply::default())
            }
            Action::SeeWallet => self
                .run(policy, move |tx, policy| admission::admit(tx, policy, &actor))
                .map(|_| Reply::default()),
        };
        reply.map_err(|error| match error {
            Error::Refused(refusal) => name_of(&refusal),
            Error::Store(error) => panic!("the store failed: {error}"),
        })
    }

    /// Runs a command in the writer.
    pub(crate) fn run<T: Send + 'static>(
        &self,
        policy: Policy,
        command: impl FnOnce(&mut Tx<'_>, &Policy) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let merchant = self.acts_for.get();
        wait_for(self.store.write(move |tx| {
            tx.act_for(merchant)?;
            command(tx, &policy)
        }))
    }

    fn dispute(&self, policy: Policy, actor: Actor, token: PaymentToken) -> Result<Escrow, Error> {
        let message = Ok("It leaks".to_owned());
        self.run(policy, move |tx, policy| {
            disputes::submit(tx, policy, &actor, token, message, None)
        })
    }

    fn resolve(&self, policy: Policy, merchant: MerchantId, escrow: EscrowId, ruling: Ruling) -> Result<Escrow, Error> {
        let request = resolution(ruling);
        self.run(policy, move |tx, policy| {
            disputes::resolve(tx, policy, merchant, escrow, Ok(request), None)
        })
    }

    /// Runs a command that changes or deletes an unpaid offer.
    fn before_payment(
        &self,
        command: &Command,
        reference: &Reference,
        actor: Actor,
        policy: Policy,
    ) -> Result<Reply, Error> {
        let token =
            |deal: Option<usize>| PaymentToken::named(deal.map_or("PY_MISSING", |place| &reference.deals[place].token));
        match command.action {
            Action::SetFee {
                deal,
                amount,
                is_refundable,
            } => {
                let (merchant, token) = (actor.merchant, token(deal));
                let request = AdditionalFeeRequest {
                    amount: kobo(amount),
                    is_refundable,
                };
                let escrow = self.run(policy, move |tx, _policy| {
                    standard_escrows::set_additional_fee(tx, merchant, token, Ok(request))
                })?;
                Ok(Reply {
                    escrows: vec![escrow],
                    ..Reply::default()
                })
            }
            Action::Delete { deal } => {
                let (actor, token) = (actor, token(deal));
                self.run(policy, move |tx, policy| {
                    standard_escrows::delete(tx, policy, &actor, token)
                })?;
                Ok(Reply::default())
            }
            _ => unreachable!("another kind of command"),
        }
    }

    /// Compares every balance of a merchant, and the number of its accounts.
    pub(crate) fn assert_balances(&self, place: usize, reference: &Reference) {
        let (id, _) = &self.merchants[place];
        let merchant = &reference.merchants[place];
        let mut expected_balances: BTreeMap<(String, &str), i64> = BTreeMap::new();
        for (name, wallet) in &merchant.customers {
            expected_balances.insert((name.clone(), "CUSTOMER_MAIN"), wallet.main);
            expected_balances.insert((name.clone(), "CUSTOMER_ESCROW"), wallet.hold);
        }
        expected_balances.insert((String::new(), "MERCHANT_MAIN"), merchant.earned);
        expected_balances.insert((String::new(), "PLATFORM_FEES"), merchant.platform_earned);
        let (in_transit, suspense) = (reference.in_transit(place), reference.suspense(place));
        expected_balances.insert((String::new(), "IN_TRANSIT"), in_transit);
        expected_balances.insert((String::new(), "SUSPENSE"), suspense);
        expected_balances.insert((String::new(), "OUTSIDE_WORLD"), -merchant.deposited);

        let sql = "SELECT coalesce(customer_id, ''), purpose, balance FROM account WHERE merchant_id = ?1";
        let (mut accounts, mut sum) = (0, 0);
        for row in self.rows.rows(sql, &[id.0]) {
            let [owner, purpose, balance] = [0, 1, 2].map(|column| row[column].clone().unwrap());
            let balance: i64 = balance.parse().unwrap();
            let expected = expected_balances
                .iter()
                .find(|((name, kind), _)| *name == owner && *kind == purpose)
                .map(|(_, balance)| *balance);
            assert_eq!(Some(balance), expected, "{purpose} of {owner:?}");
            accounts += 1;
            sum += balance;
        }
        assert_eq!(accounts, expected_balances.len(), "accounts of merchant {place}");
        assert_eq!(sum, 0, "all balances together with the outside world");
        self.assert_treasury(*id, in_transit, suspense);
    }

    pub(crate) fn assert_newest_rows(&self, expected: Rows) {
        let sql = "SELECT (SELECT coalesce(max(id), 0) FROM transfer), (SELECT count(*) FROM event),
                   (SELECT count(*) FROM operator_act)";
        assert_eq!(
            self.rows.row(sql, &[]),
            [expected.transfers, expected.events, expected.acts],
            "transfers, events and acts"
        );
    }

    /// Compares the wallet that the service shows to a customer.
    pub(crate) fn assert_wallet(&self, command: &Command, reference: &Reference) {
        let (merchant, name) = (self.merchants[command.merchant].0, customer(&command.customer));
        let shown = read(&self.store, move |snapshot| snapshot.wallet(merchant, &name));
        let shown = shown.map(|wallet| (wallet.main_balance.minor(), wallet.escrow_balance.minor()));
        let wallet = reference.merchants[command.merchant].customers.get(&command.customer);
        let expected = wallet.map(|wallet| (wallet.main, wallet.hold - wallet.fees_in_hold));
        assert_eq!(shown, expected, "wallet of {}", command.customer);
    }

    /// Compares a deal with its stored rows.
    pub(crate) fn assert_stored(&self, deal: &Deal) {
        let (merchant, id) = (self.merchants[deal.merchant].0, escrow_id(deal.id));
        let stored = read(&self.store, move |snapshot| snapshot.deal(merchant, &EscrowKey::Id(id)));
        match stored {
            Some(StoredDeal::Escrow(escrow)) if !deal.is_deleted => self.assert_same(&escrow, deal),
            stored => assert!(deal.is_deleted && stored.is_none(), "the deal is stored as {stored:?}"),
        }
    }

    pub(crate) fn assert_same(&self, escrow: &Escrow, deal: &Deal) {
        let merchant = self.merchants[deal.merchant].0;
        assert_eq!((escrow.id, escrow.merchant), (escrow_id(deal.id), merchant));
        assert_eq!(escrow.payment_token.as_str(), deal.token);
        assert_eq!(
            escrow.seller.customer().map(CustomerId::as_str),
            Some(deal.seller.as_str())
        );
        let money = [
            escrow.terms.amount,
            escrow.fee.platform(),
            escrow.fee.commission(),
            escrow.fee.buyer_share(),
            escrow.additional_fee.amount,
            escrow.held(),
        ];
        let expected = [
            deal.amount,
            deal.platform_fee,
            deal.commission,
            deal.buyer_fee,
            deal.extra,
            deal.held,
        ];
        assert_eq!(money.map(Amount::minor), expected, "amount, fees, held");
        assert_eq!(escrow.additional_fee.is_refundable, deal.extra_is_refundable);
        let category = escrow.terms.category.as_ref().map(|category| category.id);
        assert_eq!(category, deal.category.map(category_id), "the category of an escrow");
        let stock = escrow.is_link.then_some(escrow.terms.total_quantity);
        assert_eq!(stock, deal.stock, "the stock of a link");
        let milestones: Vec<reference::Milestone> = milestones_of(escrow);
        assert_eq!(milestones, deal.milestones.clone().unwrap_or_default());
        let (buyer, is_closed) = match &escrow.progress {
            Progress::AwaitingPayment => (None, false),
            Progress::Opened { funding, .. } => (Some(funding), false),
            Progress::Closed { funding, .. } => (Some(funding), true),
        };
        let buyer = buyer.map(|funding| funding.buyer.as_str());
        assert_eq!((buyer, is_closed), (deal.buyer.as_deref(), deal.is_closed), "progress");
        assert_eq!(escrow.status().into_str(), deal.status());
    }

    /// Checks the twelve invariants, and the row counts that are too slow to check after
    /// each command.
    pub(crate) fn assert_sound(&self, expected: Rows) {
        let audit = self.database.audit();
        assert_eq!(audit.findings, []);
        assert_eq!(audit.transfers, expected.transfers.unsigned_abs());
        let sql = "SELECT count(*) FROM payment_transaction";
        assert_eq!(
            self.rows.number(sql, &[]),
            expected.entries,
            "entries of payment histories"
        );
    }
}

pub(crate) fn milestones_of(escrow: &Escrow) -> Vec<reference::Milestone> {
    escrow
        .milestones()
        .iter()
        .map(|milestone| reference::Milestone {
            id: (milestone.id.number(), milestone.id.guard()),
            amount: milestone.terms.amount.minor(),
            payee: milestone
                .terms
                .beneficiary
                .as_ref()
                .map(|payee| payee.as_str().to_owned()),
            is_released: milestone.released_at().is_some(),
        })
        .collect()
}

/// Returns the name of a refusal's rule, with the field or the amounts it names.
fn name_of(refusal: &Refusal) -> String {
    match refusal {
        Refusal::Invalid(invalid) => format!("Invalid {}", invalid.field),
        Refusal::AmountMismatch { due, offered } => format!("AmountMismatch {} {}", due.minor(), offered.minor()),
        Refusal::InsufficientBalance { needed, available } => {
            format!("InsufficientBalance {} {}", needed.minor(), available.minor())
        }
        Refusal::MilestonesDoNotAddUp { .. } => "MilestonesDoNotAddUp".to_owned(),
        Refusal::ActionNotAllowedNow { .. } => "ActionNotAllowed".to_owned(),
        Refusal::ClaimTooEarly { claimable_at } => format!("ClaimTooEarly {}", claimable_at.millis()),
        Refusal::NoDisputeYet { rulable_at } => format!("NoDisputeYet {}", rulable_at.millis()),
        Refusal::ParticipantUnknown(name) => format!("ParticipantUnknown {}", name.as_str()),
        Refusal::PotTooSmall { min, pot } => format!("PotTooSmall {} {}", min.minor(), pot.minor()),
        Refusal::StakeNotCovered {
            participant,
            stake,
            available,
        } => format!(
            "StakeNotCovered {} {} {}",
            participant.as_str(),
            stake.minor(),
            available.minor()
        ),
        Refusal::NotInStatus {
            object, status, done, ..
        } => format!("NotInStatus {object} {status} {done}"),
        Refusal::BankReferenceUsed { .. } => "BankReferenceUsed".to_owned(),
        Refusal::ReferenceNotQuoted { .. } => "ReferenceNotQuoted".to_owned(),
        Refusal::SamePerson { .. } => "SamePerson".to_owned(),
        Refusal::AlreadySpent { needed, available } => {
            format!("AlreadySpent {} {}", needed.minor(), available.minor())
        }
        Refusal::SplitDoesNotAddUp { pool, .. } => format!("SplitDoesNotAddUp {}", pool.minor()),
        plain => format!("{plain:?}"),
    }
}
