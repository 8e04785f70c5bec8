//! Loading a seed. The server offers, funds and completes each escrow by the commands that
//! clients send, so that history, ledger and events are the same as if clients had sent them.

use crate::commands::admission::register;
use crate::commands::clocks::{self, CLOCK_END, MerchantClock};
use crate::commands::customers::{bring_balance_to, check_unused};
use crate::commands::disputes::{self, ResolutionRequest};
use crate::commands::milestone_escrows::{self, MilestoneEscrowRequest};
use crate::commands::payments;
use crate::commands::{Error, Policy, standard_escrows};
use crate::domain::customers::customer::Admission;
use crate::domain::customers::profile::Profile;
use crate::domain::escrow::Escrow;
use crate::domain::escrow::dispute::Ruling;
use crate::domain::escrow::terms::{MilestoneRequest, TermsRequest};
use crate::domain::ids::{CustomerId, EscrowId, EscrowKey, IdSource, MerchantId, SeededIds};
use crate::domain::invalid::{Invalid, Parsed};
use crate::domain::ledger::Account;
use crate::domain::money::Amount;
use crate::domain::party::{Actor, Party};
use crate::domain::payments::request::{Gateway, PaymentRequest};
use crate::domain::refusal::Refusal;
use crate::domain::sandbox::seed::{CustomerSeed, EscrowSeed, LastStep, SeedRequest, TargetProgress};
use crate::store::Tx;

/// The customers and escrows that a seed created, in the order of the seed.
#[derive(Clone, Debug)]
pub struct Seeded {
    /// The customers, with their wallet balances after all escrows.
    pub customers: Vec<(CustomerId, Amount)>,
    /// The escrows, with the names that they have in the seed.
    pub escrows: Vec<(Option<String>, Escrow)>,
    /// The merchant's clock, which a seed with a claimed escrow advances.
    pub clock: MerchantClock,
}

/// Loads a seed. If it cannot load every entry, it loads none. Registers the customers
/// first, then executes the steps of each escrow in order. Claims come last: the command
/// advances the merchant's clock to the time at which every claim is due.
///
/// # Errors
///
/// Refuses a seed that the merchant has loaded before, and then the first entry that a
/// command refuses. The refusal names the entry.
pub fn load(
    tx: &mut Tx<'_>,
    policy: &Policy,
    merchant: MerchantId,
    request: Parsed<SeedRequest>,
) -> Result<Seeded, Error> {
    let request = request?;
    let seed = SeededIds::new(request.content_hash);
    if tx.number_of_deal(merchant, seed.first_escrow_id())?.is_some() {
        return Err(Refusal::SeededBefore.into());
    }
    tx.use_seeded_ids(seed);
    let mut loader = Loader { tx, policy, merchant };
    let customers = load_each(request.customers, "customers", |customer| {
        loader.load_customer(customer)
    })?;
    let escrows = load_each(request.escrows, "escrows", |escrow| loader.load_escrow(escrow))?;
    loader.advance_to_claims(&escrows)?;
    let escrows = load_each(escrows, "escrows", |escrow| loader.claim_if_due(escrow))?;
    let with_balance = |customer: CustomerId| {
        let balance = loader.tx.balance(merchant, &Account::CustomerMain(customer.clone()))?;
        Ok((customer, balance))
    };
    Ok(Seeded {
        customers: customers.into_iter().map(with_balance).collect::<Result<_, Error>>()?,
        escrows,
        clock: clocks::read(loader.tx),
    })
}

/// Calls `load` for every entry of a list, and returns the results. A refusal names the
/// entry.
fn load_each<T, U>(entries: Vec<T>, list: &str, mut load: impl FnMut(T) -> Result<U, Error>) -> Result<Vec<U>, Error> {
    let load_named = |(index, entry)| {
        load(entry).map_err(|error| match error {
            Error::Refused(refusal) => refusal.of_seed_entry(format!("{list}[{index}]")).into(),
            Error::Store(error) => error.into(),
        })
    };
    entries.into_iter().enumerate().map(load_named).collect()
}

/// An escrow whose steps have been executed, except for a claim.
struct LoadedEscrow {
    name: Option<String>,
    escrow: Escrow,
    /// True if the seller must still claim it.
    awaits_claim: bool,
}

/// Executes the commands of a seed one after another.
struct Loader<'a, 't> {
    tx: &'a mut Tx<'t>,
    policy: &'a Policy,
    merchant: MerchantId,
}

impl Loader<'_, '_> {
    /// Registers a customer. A customer who is there already gets the balance and the fields
    /// of the profile that the seed states, and keeps the others.
    fn load_customer(&mut self, seed: CustomerSeed) -> Result<CustomerId, Error> {
        let id = seed.id.unwrap_or_else(|| self.tx.customer_id());
        let known = self.tx.customer(self.merchant, &id)?;
        let of_merchant = self.policy.settings_in_force(self.tx, self.merchant)?.country;
        let country = known
            .as_ref()
            .map_or(of_merchant, |customer| customer.country(of_merchant));
        let profile = Profile::partial(seed.profile, country)?;
        check_unused(self.tx, self.merchant, &profile, Some(&id))?;
        let Some(known) = known else {
            let balance = seed.balance.unwrap_or(match self.policy.admission {
                Admission::Register { opening_balance } => opening_balance,
                Admission::KnownOnly => Amount::ZERO,
            });
            register(self.tx, self.policy, self.merchant, id.clone(), profile, balance)?;
            return Ok(id);
        };
        let profile = match known.profile {
            Some(before) => profile.or(before),
            None => profile,
        };
        self.tx.save_profile(self.merchant, &id, &profile)?;
        if let Some(balance) = seed.balance {
            bring_balance_to(self.tx, self.policy, self.merchant, &id, balance)?;
        }
        Ok(id)
    }

    /// Executes the steps of an escrow, except for a claim.
    fn load_escrow(&mut self, seed: EscrowSeed) -> Result<LoadedEscrow, Error> {
        let target = TargetProgress::new(seed.progress)?;
        let seller = self.registered("seller", seed.seller)?;
        for (milestone, index) in seed.milestones.iter().flatten().zip(0..) {
            if let Some(beneficiary) = milestone.beneficiary.clone() {
                self.registered(&format!("milestones[{index}].customerId"), beneficiary)?;
            }
        }
        let offered = self.offer(&seller, seed.terms, seed.milestones)?;
        let mut loaded = LoadedEscrow {
            name: seed.name,
            escrow: offered,
            awaits_claim: false,
        };
        if let TargetProgress::Funded {
            buyer,
            released,
            last_step,
        } = target
        {
            let buyer = self.registered("buyer", buyer)?;
            loaded.escrow = self.pay(&buyer, loaded.escrow)?;
            loaded.escrow = self.confirm(&buyer, loaded.escrow, released)?;
            loaded.escrow = self.take_last_step(&buyer, &seller, loaded.escrow, last_step)?;
            loaded.awaits_claim = last_step == LastStep::Claimed;
        }
        Ok(loaded)
    }

    /// Returns a customer that an escrow names, as an actor.
    ///
    /// # Errors
    ///
    /// Refuses a customer who is not registered. Otherwise a command would register a
    /// misspelled id as a new customer.
    fn registered(&self, field: &str, customer: CustomerId) -> Result<Actor, Error> {
        if self.tx.customer_access(self.merchant, &customer)?.is_none() {
            let expected = "a customer of the seed, or one who is there already";
            return Err(Invalid::wrong(field, expected, &format!("\"{customer}\"")).into());
        }
        Ok(Actor {
            merchant: self.merchant,
            party: Party::Customer(customer),
        })
    }

    fn offer(
        &mut self,
        seller: &Actor,
        terms: TermsRequest,
        milestones: Option<Vec<MilestoneRequest>>,
    ) -> Result<Escrow, Error> {
        match milestones {
            None => standard_escrows::create(self.tx, self.policy, seller, Ok(terms), &[]),
            Some(milestones) => {
                let request = MilestoneEscrowRequest { terms, milestones };
                milestone_escrows::create(self.tx, self.policy, seller, Ok(request))
            }
        }
    }

    /// Pays for an escrow as the buyer.
    ///
    /// # Errors
    ///
    /// Refuses a link, because paying for one creates an escrow that is not in the seed.
    fn pay(&mut self, buyer: &Actor, escrow: Escrow) -> Result<Escrow, Error> {
        if escrow.is_link {
            let (expected, got) = ("1, or left out, where a buyer has paid", escrow.terms.total_quantity);
            return Err(Invalid::wrong("totalQuantity", expected, &got.to_string()).into());
        }
        let request = PaymentRequest {
            escrows: vec![EscrowKey::Id(escrow.id)],
            token: None,
            amount: None,
            reference: None,
            gateway: Gateway::Wallet,
        };
        let payment = payments::fund(self.tx, self.policy, buyer, Ok(request))?;
        Ok(payment.escrows.into_iter().next().unwrap_or(escrow))
    }

    fn confirm(&mut self, buyer: &Actor, mut escrow: Escrow, positions: Vec<usize>) -> Result<Escrow, Error> {
        for position in positions {
            let (id, milestone) = (escrow.id, escrow.milestones()[position].id);
            escrow = milestone_escrows::confirm(self.tx, self.policy, buyer, id, milestone)?;
        }
        Ok(escrow)
    }

    fn take_last_step(
        &mut self,
        buyer: &Actor,
        seller: &Actor,
        escrow: Escrow,
        last_step: LastStep,
    ) -> Result<Escrow, Error> {
        match last_step {
            LastStep::None | LastStep::Claimed => Ok(escrow),
            LastStep::Confirmed => standard_escrows::confirm_payment(self.tx, self.policy, buyer, escrow.id),
            LastStep::Disputed => self.dispute(buyer, &escrow),
            LastStep::Replied => {
                self.dispute(buyer, &escrow)?;
                self.submit_statement(seller, &escrow, "It is what was agreed")
            }
            LastStep::Refunded => {
                self.dispute(buyer, &escrow)?;
                let ruling = Ruling::Refunded {
                    additional_fee_refundable: None,
                };
                self.resolve(escrow.id, ruling)
            }
            LastStep::Split {
                seller: to_seller,
                buyer: to_buyer,
            } => {
                self.dispute(buyer, &escrow)?;
                let ruling = Ruling::Split {
                    seller: to_seller,
                    buyer: to_buyer,
                    additional_fee_refundable: None,
                };
                self.resolve(escrow.id, ruling)
            }
        }
    }

    fn dispute(&mut self, buyer: &Actor, escrow: &Escrow) -> Result<Escrow, Error> {
        self.submit_statement(buyer, escrow, "It is not what was agreed")
    }

    fn submit_statement(&mut self, party: &Actor, escrow: &Escrow, message: &str) -> Result<Escrow, Error> {
        let (token, message) = (escrow.payment_token.clone(), Ok(message.to_owned()));
        disputes::submit(self.tx, self.policy, party, token, message, None)
    }

    fn resolve(&mut self, escrow: EscrowId, ruling: Ruling) -> Result<Escrow, Error> {
        let request = ResolutionRequest {
            resolution: "Both sides were heard".to_owned(),
            ruling,
        };
        disputes::resolve(self.tx, self.policy, self.merchant, escrow, Ok(request), None)
    }

    /// Advances the merchant's clock to the time at which every claim is due.
    fn advance_to_claims(&mut self, escrows: &[LoadedEscrow]) -> Result<(), Error> {
        let grace_seconds = self.policy.claim_grace_seconds;
        let claimable_at = |loaded: &LoadedEscrow| loaded.escrow.overdue_at(grace_seconds);
        let to_claim = escrows.iter().filter(|loaded| loaded.awaits_claim);
        match to_claim.filter_map(claimable_at).max() {
            Some(at) => clocks::advance_to(self.tx, self.merchant, at),
            None => Ok(()),
        }
    }

    /// Claims an escrow that awaits it.
    ///
    /// # Errors
    ///
    /// Refuses a claim that the merchant's clock cannot reach.
    fn claim_if_due(&mut self, loaded: LoadedEscrow) -> Result<(Option<String>, Escrow), Error> {
        let LoadedEscrow {
            name,
            escrow,
            awaits_claim,
        } = loaded;
        if !awaits_claim {
            return Ok((name, escrow));
        }
        let due = escrow.overdue_at(self.policy.claim_grace_seconds);
        if due.is_some_and(|due| self.tx.now() < due) {
            let expected = format!("one that the merchant's clock can reach: {CLOCK_END}");
            return Err(Invalid::wrong("status", expected, "\"CLAIMED\"").into());
        }
        let seller = Actor {
            merchant: self.merchant,
            party: escrow.seller.clone(),
        };
        let claimed = standard_escrows::claim(self.tx, self.policy, &seller, escrow.payment_token)?;
        Ok((name, claimed))
    }
}
