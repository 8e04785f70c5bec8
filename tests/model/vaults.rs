//! Vaults in the reference, in the command generator and in the service under test.

use std::collections::BTreeSet;

use escrowd::commands::{Error, Policy, vaults};
use escrowd::domain::escrow::deal::Deal as StoredDeal;
use escrowd::domain::escrow::vault::{StakeRequest, VaultRequest};
use escrowd::domain::ids::{CustomerId, EscrowKey, PaymentToken};

use crate::generator::Random;
use crate::helpers::{kobo, read};
use crate::reference::{Action, Command, Id, MISSING, MOST, Reference, refuse_if};
use crate::requests::{customer, escrow_id};
use crate::service::{Reply, Service};

/// The most participants of a vault.
pub(crate) const PARTICIPANTS_MAX: usize = 5;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Create { stakes: Vec<(String, i64)> },
    Win { vault: Target, winner: String },
    Cancel { vault: Target },
}

/// The deal that a command on a vault names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    Vault(usize),
    /// An escrow, which is not a vault.
    Escrow(usize),
    Missing,
}

#[derive(Clone, Debug)]
pub(crate) struct Vault {
    pub(crate) id: Id,
    pub(crate) token: String,
    pub(crate) merchant: usize,
    stakes: Vec<(String, i64)>,
    platform_fee: i64,
    commission: i64,
    winner: Option<String>,
    status: &'static str,
}

impl Vault {
    /// Returns a vault that takes a place and does not exist.
    pub(crate) const fn missing() -> Self {
        Self {
            id: MISSING,
            token: String::new(),
            merchant: 0,
            stakes: Vec::new(),
            platform_fee: 0,
            commission: 0,
            winner: None,
            status: "",
        }
    }

    const fn is_missing(&self) -> bool {
        self.status.is_empty()
    }
}

/// Divides an amount in proportion to the weights. The units that rounding down leaves go to
/// the largest remainders, the first of equal ones first.
fn divide(amount: i64, weights: &[i64]) -> Vec<i64> {
    let whole: i128 = weights.iter().map(|&weight| i128::from(weight)).sum();
    let exact = |weight: i64| i128::from(amount) * i128::from(weight);
    let mut parts: Vec<i128> = weights
        .iter()
        .map(|&weight| if whole == 0 { 0 } else { exact(weight) / whole })
        .collect();
    let mut favoured = BTreeSet::new();
    while whole > 0 && parts.iter().sum::<i128>() < i128::from(amount) {
        let left = (0..weights.len()).filter(|place| !favoured.contains(place));
        let next = left.rev().max_by_key(|&place| exact(weights[place]) % whole).unwrap();
        favoured.insert(next);
        parts[next] += 1;
    }
    parts.into_iter().map(|part| i64::try_from(part).unwrap()).collect()
}

impl Reference {
    /// The merchant acts, so the command registers only participants.
    pub(crate) fn vault(&mut self, command: &Command, step: &Step) -> Result<(), String> {
        match step {
            Step::Create { stakes } => self.open_vault(command, stakes),
            Step::Win { vault, winner } => {
                let place = self.open_vault_of(command, *vault)?;
                let is_part = self.vaults[place].stakes.iter().any(|(name, _)| name == winner);
                refuse_if(!is_part, "WinnerNotAParticipant")?;
                self.vaults[place].winner = Some(winner.clone());
                let nets = self.settle_vault(place, "COMPLETED");
                self.wallet(command.merchant, winner).main += nets.iter().sum::<i64>();
                let is_paid = nets.iter().any(|&net| net > 0);
                self.rows.entries += i64::from(is_paid);
                self.rows.events += i64::from(is_paid);
                Ok(())
            }
            Step::Cancel { vault } => {
                let place = self.open_vault_of(command, *vault)?;
                let nets = self.settle_vault(place, "REFUNDED");
                let stakes = self.vaults[place].stakes.clone();
                for ((name, _), net) in stakes.iter().zip(nets) {
                    self.wallet(command.merchant, name).main += net;
                    self.rows.entries += i64::from(net > 0);
                    self.rows.events += i64::from(net > 0);
                }
                Ok(())
            }
        }
    }

    fn open_vault(&mut self, command: &Command, stakes: &[(String, i64)]) -> Result<(), String> {
        refuse_if(stakes.len() > PARTICIPANTS_MAX, "Invalid participants")?;
        for (index, (_, stake)) in stakes.iter().enumerate() {
            refuse_if(*stake < 100, &format!("Invalid participants[{index}].amount"))?;
        }
        refuse_if(stakes.len() < 2, "TooFewParticipants")?;
        let names: BTreeSet<&String> = stakes.iter().map(|(name, _)| name).collect();
        refuse_if(names.len() < stakes.len(), "ParticipantTwice")?;
        let pot: i128 = stakes.iter().map(|(_, stake)| i128::from(*stake)).sum();
        refuse_if(pot > i128::from(MOST), "TooMuchMoney")?;
        let pot = i64::try_from(pot).unwrap();
        refuse_if(pot < 100_000, &format!("PotTooSmall 100000 {pot}"))?;
        let mut newcomers = BTreeSet::new();
        for (name, _) in stakes {
            let is_known = self.admit(command, name, &mut newcomers)?;
            refuse_if(!is_known, &format!("ParticipantUnknown {name}"))?;
        }
        let merchant = &self.merchants[command.merchant];
        for (name, stake) in stakes {
            let wallet = merchant.customers.get(name);
            let available = wallet.map_or(merchant.opening_balance, |wallet| wallet.main);
            refuse_if(
                available < *stake,
                &format!("StakeNotCovered {name} {stake} {available}"),
            )?;
        }
        let (platform_fee, commission, _) = merchant.fee(pot, "seller");
        self.register(command, newcomers);
        for (name, stake) in stakes {
            let wallet = self.wallet(command.merchant, name);
            wallet.main -= stake;
            wallet.hold += stake;
            self.rows.transfers += 1;
            self.rows.entries += 1;
            self.rows.events += 1;
        }
        self.rows.events += 1;
        self.vaults.push(Vault {
            id: Id::default(),
            token: String::new(),
            merchant: command.merchant,
            stakes: stakes.to_vec(),
            platform_fee,
            commission,
            winner: None,
            status: "ONGOING",
        });
        Ok(())
    }

    fn open_vault_of(&self, command: &Command, target: Target) -> Result<usize, String> {
        match target {
            Target::Vault(place) if !self.vaults[place].is_missing() => {
                let vault = &self.vaults[place];
                refuse_if(vault.merchant != command.merchant, "VaultOfAnotherMerchant")?;
                refuse_if(vault.status != "ONGOING", "VaultAlreadySettled")?;
                Ok(place)
            }
            Target::Escrow(place) if !self.deals[place].is_deleted => {
                let is_own = self.deals[place].merchant == command.merchant;
                Err(if is_own { "NotAVault" } else { "VaultOfAnotherMerchant" }.into())
            }
            _ => Err("EscrowNotFound".into()),
        }
    }

    /// Empties the holds and pays the fee. Returns the rest of each stake, which the caller
    /// pays out.
    fn settle_vault(&mut self, place: usize, status: &'static str) -> Vec<i64> {
        let vault = &mut self.vaults[place];
        vault.status = status;
        let (merchant, stakes) = (vault.merchant, vault.stakes.clone());
        let (platform_fee, commission) = (vault.platform_fee, vault.commission);
        let amounts: Vec<i64> = stakes.iter().map(|(_, stake)| *stake).collect();
        let fees = divide(platform_fee + commission, &amounts);
        let commissions = divide(commission, &fees);
        let mut nets = Vec::new();
        for (index, (name, stake)) in stakes.iter().enumerate() {
            let wallet = self.wallet(merchant, name);
            wallet.hold -= stake;
            let net = stake - fees[index];
            let parts = [net, commissions[index], fees[index] - commissions[index]];
            self.rows.transfers += parts.iter().map(|&part| i64::from(part > 0)).sum::<i64>();
            nets.push(net);
        }
        self.merchants[merchant].earned += commission;
        self.merchants[merchant].platform_earned += platform_fee;
        self.rows.entries += i64::from(commission > 0);
        self.rows.events += 1 + i64::from(commission > 0);
        nets
    }
}

/// Opens a vault, or settles mostly an open one.
pub(crate) fn next(random: &mut Random, reference: &Reference, command: &Command) -> Action {
    let takes_any = random.one_in(8);
    let own: Vec<usize> = (0..reference.vaults.len())
        .rev()
        .take(200)
        .filter(|&place| {
            let vault = &reference.vaults[place];
            takes_any || (vault.merchant == command.merchant && vault.status == "ONGOING")
        })
        .collect();
    if own.is_empty() || random.one_in(2) {
        let mut stakes: Vec<(String, i64)> = Vec::new();
        let wanted = 2 + random.below(3);
        while stakes.len() < wanted {
            let name = crate::generator::any_customer(random);
            if random.one_in(25) || stakes.iter().all(|(known, _)| *known != name) {
                let most = if command.merchant == 2 { 60_000 } else { 3_000_000 };
                stakes.push((name, 25_000 + i64::try_from(random.below(most)).unwrap()));
            }
        }
        match random.below(40) {
            0 => stakes.truncate(1),
            1 => stakes[0].1 = 99,
            2 => stakes[1].1 = MOST,
            3 => (stakes[0].1, stakes[1].1) = (MOST, MOST),
            4 => stakes.iter_mut().for_each(|stake| stake.1 = 100),
            5 => stakes.extend(["a", "b", "c", "d"].map(|name| (name.to_owned(), 1_000))),
            _ => {}
        }
        return Action::Vault(Step::Create { stakes });
    }
    let place = own[random.below(own.len())];
    let vault = match random.below(20) {
        0 => Target::Missing,
        1 if !reference.deals.is_empty() => Target::Escrow(random.below(reference.deals.len())),
        _ => Target::Vault(place),
    };
    if random.one_in(2) {
        return Action::Vault(Step::Cancel { vault });
    }
    let stakes = &reference.vaults[place].stakes;
    let winner = if random.one_in(15) {
        crate::generator::any_customer(random)
    } else {
        stakes[random.below(stakes.len())].0.clone()
    };
    Action::Vault(Step::Win { vault, winner })
}

impl Service {
    pub(crate) fn vault(
        &self,
        command: &Command,
        step: &Step,
        policy: Policy,
        reference: &Reference,
    ) -> Result<Reply, Error> {
        let merchant = self.merchants[command.merchant].0;
        let token = |target: &Target| {
            let token = match target {
                Target::Vault(place) => reference.vaults[*place].token.as_str(),
                Target::Escrow(place) => reference.deals[*place].token.as_str(),
                Target::Missing => "PY_MISSING",
            };
            PaymentToken::named(token)
        };
        let vault = match step {
            Step::Create { stakes } => {
                let stake = |(name, amount): &(String, i64)| StakeRequest {
                    customer: customer(name),
                    amount: kobo(*amount),
                };
                let request = VaultRequest {
                    purpose: "Match".to_owned(),
                    description: None,
                    category: None,
                    participants: stakes.iter().map(stake).collect(),
                };
                self.run(policy, move |tx, policy| {
                    vaults::create(tx, policy, merchant, Ok(request))
                })
            }
            Step::Win { vault, winner } => {
                let (token, winner) = (token(vault), customer(winner));
                self.run(policy, move |tx, policy| {
                    vaults::declare_winner(tx, policy, merchant, token, Ok(winner))
                })
            }
            Step::Cancel { vault } => {
                let token = token(vault);
                self.run(policy, move |tx, policy| vaults::cancel(tx, policy, merchant, token))
            }
        }?;
        Ok(Reply {
            vault: Some(vault),
            ..Reply::default()
        })
    }

    /// Compares a vault with its stored rows.
    pub(crate) fn assert_vault_stored(&self, vault: &Vault) {
        let (merchant, id) = (self.merchants[vault.merchant].0, escrow_id(vault.id));
        let stored = read(&self.store, move |snapshot| snapshot.deal(merchant, &EscrowKey::Id(id)));
        let Some(StoredDeal::Vault(stored)) = stored else {
            assert!(vault.is_missing(), "the vault is stored as {stored:?}");
            return;
        };
        let stakes: Vec<(String, i64)> = stored
            .stakes
            .iter()
            .map(|stake| (stake.customer.as_str().to_owned(), stake.amount.minor()))
            .collect();
        assert_eq!(stakes, vault.stakes, "the stakes");
        let fees = (stored.fee.platform().minor(), stored.fee.commission().minor());
        assert_eq!(fees, (vault.platform_fee, vault.commission), "the fees of the vault");
        assert_eq!(stored.winner().map(CustomerId::as_str), vault.winner.as_deref());
        assert_eq!(stored.status().into_str(), vault.status);
        assert_eq!(stored.payment_token.as_str(), vault.token);
    }
}
