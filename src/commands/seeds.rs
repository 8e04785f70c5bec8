//! Loading a seed: each escrow is offered, paid for and brought to its end by the
//! commands that clients use, so that history, ledger and events are as if clients
//! had done it.

use crate::commands::clocks::{self, ClockReading};
use crate::commands::customers::{check_unused, give_opening_balance};
use crate::commands::disputes::{self, ResolutionRequest};
use crate::commands::milestone_escrows::{self, MilestoneEscrowRequest};
use crate::commands::payments;
use crate::commands::{Error, Policy, standard_escrows};
use crate::domain::customers::customer::{Admission, Customer};
use crate::domain::customers::profile::Profile;
use crate::domain::escrow::Escrow;
use crate::domain::escrow::dispute::Ruling;
use crate::domain::escrow::terms::{MilestoneRequest, TermsRequest};
use crate::domain::ids::{CustomerId, EscrowId, EscrowKey, IdSource, MerchantId, SeededIds};
use crate::domain::ledger::Account;
use crate::domain::money::Amount;
use crate::domain::party::{Actor, Party};
use crate::domain::payments::request::{Gateway, PaymentRequest};
use crate::domain::refusal::{Invalid, Parsed, Refusal};
use crate::domain::sandbox::seed::{CustomerSeed, EscrowSeed, LastStep, SeedRequest, TargetProgress};
use crate::store::Tx;

/// What a seed made, in the order of the seed.
#[derive(Clone, Debug)]
pub struct Seeded {
    /// Its customers, and what the escrows left in their wallets.
    pub customers: Vec<(CustomerId, Amount)>,
    /// Its escrows, and what the seed's author calls them.
    pub escrows: Vec<(Option<String>, Escrow)>,
    /// The merchant's clock: a seed with a claimed escrow moves it.
    pub clock: ClockReading,
}

/// Loads a seed, all of it or nothing. Customers come first, then the escrows in their
/// order. Those to be claimed are claimed last of all, and for that the merchant's
/// clock is moved to when the last of them can be.
///
/// Refuses a seed that this merchant has already, then whatever is refused of its first
/// entry that cannot be.
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
    let customers = each(request.customers, "customers", |customer| loader.register(customer))?;
    let escrows = each(request.escrows, "escrows", |escrow| loader.bring_about(escrow))?;
    loader.wait_for_claims(&escrows)?;
    let escrows = each(escrows, "escrows", |escrow| loader.finish(escrow))?;
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

/// What `load` makes of every entry of a list; one that is refused is named.
fn each<T, U>(entries: Vec<T>, list: &str, mut load: impl FnMut(T) -> Result<U, Error>) -> Result<Vec<U>, Error> {
    let named = |(index, entry)| {
        load(entry).map_err(|error| match error {
            Error::Refused(refusal) => refusal.of_seed_entry(format!("{list}[{index}]")).into(),
            Error::Store(error) => error.into(),
        })
    };
    entries.into_iter().enumerate().map(named).collect()
}

/// An escrow on its way to where the seed wants it.
struct Begun {
    name: Option<String>,
    escrow: Escrow,
    /// Whether the seller is still to claim it.
    awaits_claim: bool,
}

/// The commands of a seed, one after another.
struct Loader<'a, 't> {
    tx: &'a mut Tx<'t>,
    policy: &'a Policy,
    merchant: MerchantId,
}

impl Loader<'_, '_> {
    fn register(&mut self, seed: CustomerSeed) -> Result<CustomerId, Error> {
        let id = seed.id.unwrap_or_else(|| self.tx.customer_id());
        if self.tx.customer_access(self.merchant, &id)?.is_some() {
            let expected = "the id of nobody who is a customer already (POST /sandbox/reset starts over)";
            return Err(Invalid::wrong("id", expected, &format!("\"{id}\"")).into());
        }
        let country = self.policy.merchant(self.merchant).country;
        let profile = Profile::partial(seed.profile, country)?;
        check_unused(self.tx, self.merchant, &profile)?;
        let profile = Some(profile).filter(|profile| *profile != Profile::unknown(country));
        let now = self.tx.now();
        let customer = Customer::new(id.clone(), self.tx.wallet_id(), profile, now);
        self.tx.insert_customer(self.merchant, &customer)?;
        let balance = seed.balance.unwrap_or(match self.policy.admission {
            Admission::Register { opening_balance } => opening_balance,
            Admission::KnownOnly => Amount::ZERO,
        });
        give_opening_balance(self.tx, self.policy, self.merchant, &id, balance)?;
        Ok(id)
    }

    /// Brings an escrow as far as it comes without waiting.
    fn bring_about(&mut self, seed: EscrowSeed) -> Result<Begun, Error> {
        let target = TargetProgress::new(seed.progress)?;
        let seller = self.named("seller", seed.seller)?;
        for (milestone, index) in seed.milestones.iter().flatten().zip(0..) {
            if let Some(beneficiary) = milestone.beneficiary.clone() {
                self.named(&format!("milestones[{index}].customerId"), beneficiary)?;
            }
        }
        let offered = self.offer(&seller, seed.terms, seed.milestones)?;
        let mut begun = Begun {
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
            let buyer = self.named("buyer", buyer)?;
            begun.escrow = self.pay(&buyer, begun.escrow)?;
            begun.escrow = self.confirm(&buyer, begun.escrow, released)?;
            begun.escrow = self.proceed(&buyer, &seller, begun.escrow, last_step)?;
            begun.awaits_claim = last_step == LastStep::Claimed;
        }
        Ok(begun)
    }

    /// Someone whom an escrow names, who is a customer by now: a name that was
    /// misspelled would otherwise become one.
    fn named(&self, field: &str, customer: CustomerId) -> Result<Actor, Error> {
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

    /// Pays for an escrow that is one buyer's: who buys from a link gets an escrow that
    /// is not in the seed.
    fn pay(&mut self, buyer: &Actor, escrow: Escrow) -> Result<Escrow, Error> {
        if escrow.is_link {
            let (expected, got) = ("1, or left out, where somebody has paid", escrow.terms.total_quantity);
            return Err(Invalid::wrong("totalQuantity", expected, &got.to_string()).into());
        }
        let request = PaymentRequest {
            escrows: vec![EscrowKey::Id(escrow.id)],
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

    fn proceed(&mut self, buyer: &Actor, seller: &Actor, escrow: Escrow, last_step: LastStep) -> Result<Escrow, Error> {
        match last_step {
            LastStep::None | LastStep::Claimed => Ok(escrow),
            LastStep::Confirmed => standard_escrows::confirm_payment(self.tx, self.policy, buyer, escrow.id),
            LastStep::Disputed => self.dispute(buyer, &escrow),
            LastStep::Answered => {
                self.dispute(buyer, &escrow)?;
                self.say(seller, &escrow, "It is what was agreed")
            }
            LastStep::Refunded => {
                self.dispute(buyer, &escrow)?;
                let ruling = Ruling::Refunded {
                    additional_fee_refundable: None,
                };
                self.rule(escrow.id, ruling)
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
                self.rule(escrow.id, ruling)
            }
        }
    }

    fn dispute(&mut self, buyer: &Actor, escrow: &Escrow) -> Result<Escrow, Error> {
        self.say(buyer, escrow, "It is not what was agreed")
    }

    fn say(&mut self, party: &Actor, escrow: &Escrow, message: &str) -> Result<Escrow, Error> {
        let (token, message) = (escrow.payment_token.clone(), Ok(message.to_owned()));
        disputes::submit(self.tx, self.policy, party, token, message, &[])
    }

    fn rule(&mut self, escrow: EscrowId, ruling: Ruling) -> Result<Escrow, Error> {
        let request = ResolutionRequest {
            resolution: "Both sides were heard".to_owned(),
            ruling,
        };
        disputes::resolve(self.tx, self.policy, self.merchant, escrow, Ok(request), &[])
    }

    /// Moves the merchant's clock to when every escrow that awaits a claim can be
    /// claimed.
    fn wait_for_claims(&mut self, escrows: &[Begun]) -> Result<(), Error> {
        let grace_seconds = self.policy.claim_grace_seconds;
        let claimable_at = |begun: &Begun| begun.escrow.claimable_at(grace_seconds);
        let to_claim = escrows.iter().filter(|begun| begun.awaits_claim);
        match to_claim.filter_map(claimable_at).max() {
            Some(at) => clocks::wait_until(self.tx, self.merchant, at),
            None => Ok(()),
        }
    }

    fn finish(&mut self, begun: Begun) -> Result<(Option<String>, Escrow), Error> {
        let Begun {
            name,
            escrow,
            awaits_claim,
        } = begun;
        if !awaits_claim {
            return Ok((name, escrow));
        }
        let seller = Actor {
            merchant: self.merchant,
            party: escrow.seller.clone(),
        };
        let claimed = standard_escrows::claim(self.tx, self.policy, &seller, escrow.payment_token)?;
        Ok((name, claimed))
    }
}
