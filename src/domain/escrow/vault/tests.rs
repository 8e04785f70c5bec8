//! The rules of vaults, with the contract's worked examples 14 and 15.

use proptest::prelude::*;

use super::*;
use crate::domain::effects::{Booking, Effects};
use crate::domain::escrow::limits::TermsLimits;
use crate::domain::fees::Rates;
use crate::domain::ids::IdSource;
use crate::domain::invalid::Invalid;
use crate::domain::ledger::TransferKind;
use crate::domain::refusal::Refusal;
use crate::domain::transaction::Entry;

/// Gives out rising numbers, also in the place of random bits.
struct SequentialIds(i64);

impl SequentialIds {
    /// Begins a booking at this second.
    fn booking_at(&mut self, seconds: i64) -> Booking<'_> {
        Booking::new(self, at(seconds))
    }
}

impl IdSource for SequentialIds {
    fn number(&mut self) -> i64 {
        self.0 += 1024;
        self.0
    }

    fn random(&mut self) -> u128 {
        self.0 += 1;
        u128::from(self.0.unsigned_abs())
    }
}

const PARTICIPANTS_MAX: usize = 5;

fn kobo(minor: i64) -> Amount {
    Amount::from_minor(minor).unwrap()
}

fn customer(index: usize) -> CustomerId {
    CustomerId::parse(&format!("c{index}")).unwrap()
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(seconds * 1000).unwrap()
}

fn limits(amount_min: i64) -> TermsLimits {
    TermsLimits {
        amount_min: kobo(amount_min),
        milestones_max: 2,
        purpose_chars_max: 10,
        description_chars_max: 10,
        is_strict: false,
    }
}

/// Returns a request with one stake of each amount, each of another participant.
fn request(stakes: &[i64]) -> VaultRequest {
    let stake = |(index, &amount): (usize, &i64)| StakeRequest {
        customer: customer(index),
        amount: kobo(amount),
    };
    VaultRequest {
        purpose: "A race".to_owned(),
        description: None,
        category: None,
        participants: stakes.iter().enumerate().map(stake).collect(),
    }
}

fn offer(request: VaultRequest) -> Result<VaultOffer, Refusal> {
    VaultOffer::new(request, None, &limits(100), PARTICIPANTS_MAX)
}

fn owner(platform_bps: u16, commission_bps: u16) -> VaultOwner {
    VaultOwner {
        merchant: MerchantId(1),
        rates: Rates::new(platform_bps, commission_bps).unwrap(),
    }
}

/// Opens a vault whose participants stake all of their balance.
fn opened(stakes: &[i64], owner: VaultOwner) -> (Vault, Effects) {
    let available: Vec<Amount> = stakes.iter().copied().map(kobo).collect();
    let limits = TermsLimits {
        amount_min: kobo(1),
        ..limits(1)
    };
    let offer = VaultOffer::new(request(stakes), None, &limits, usize::MAX).unwrap();
    Vault::open(owner, offer, &available, SequentialIds(0).booking_at(10)).unwrap()
}

/// Returns kind, debit, credit and minor units of each transfer.
fn moves(effects: &Effects) -> Vec<(TransferKind, Account, Account, i64)> {
    let transfers = effects.transfers.iter();
    transfers
        .map(|transfer| {
            let (debit, credit) = (transfer.debit.clone(), transfer.credit.clone());
            (transfer.kind, debit, credit, transfer.amount.minor())
        })
        .collect()
}

fn events(effects: &Effects) -> Vec<String> {
    effects.events.iter().map(crate::domain::effects::Event::name).collect()
}

fn main_of(index: usize) -> Account {
    Account::CustomerMain(customer(index))
}

fn hold_of(index: usize) -> Account {
    Account::CustomerEscrow(customer(index))
}

/// Returns the sum of all transfers into an account, in minor units.
fn paid_to(effects: &Effects, account: &Account) -> i64 {
    let to_it = moves(effects).into_iter().filter(|(_, _, to, _)| to == account);
    to_it.map(|(.., amount)| amount).sum()
}

#[test]
fn opening_takes_every_stake() {
    let (vault, effects) = opened(&[60_000_000, 40_000_000], owner(200, 0));
    assert_eq!(vault.pot(), kobo(100_000_000));
    assert_eq!(vault.progress, VaultProgress::Opened);
    assert_eq!(
        moves(&effects),
        [
            (TransferKind::Stake, main_of(0), hold_of(0), 60_000_000),
            (TransferKind::Stake, main_of(1), hold_of(1), 40_000_000),
        ]
    );
    let events = events(&effects);
    assert_eq!(
        events,
        ["payment.escrow.success", "payment.escrow.success", "escrow.ongoing"]
    );
    let references: Vec<_> = effects
        .entries
        .iter()
        .map(|entry| &entry.transaction.reference)
        .collect();
    assert_ne!(references[0], references[1], "each debit has a reference of its own");
}

/// Contract example 14, at both of its rates.
#[test]
fn the_winner_takes_the_pot_less_the_fee() {
    for (platform_bps, fee, won) in [(200, 2_000_000, 98_000_000), (250, 2_500_000, 97_500_000)] {
        let (mut vault, _) = opened(&[60_000_000, 40_000_000], owner(platform_bps, 0));
        assert_eq!(vault.fee.total(), kobo(fee));
        let effects = vault
            .declare_winner(customer(1), SequentialIds(9).booking_at(20))
            .unwrap();
        assert_eq!(paid_to(&effects, &main_of(1)), won);
        assert_eq!(paid_to(&effects, &Account::PlatformFees), fee);
        let [
            Entry {
                transaction: credit, ..
            },
        ] = &effects.entries[..]
        else {
            panic!("{effects:?}");
        };
        assert_eq!((credit.owner.clone(), credit.amount), (main_of(1), kobo(won)));
        assert_eq!(events(&effects), ["payment.escrow.success", "escrow.completed"]);
        let progress = VaultProgress::Won {
            winner: customer(1),
            at: at(20),
        };
        assert_eq!(vault.progress, progress);
    }
}

/// Contract example 14, at both of its rates.
#[test]
fn cancelling_gives_each_their_stake_less_its_share_of_the_fee() {
    for (platform_bps, back) in [(200, [58_800_000, 39_200_000]), (250, [58_500_000, 39_000_000])] {
        let (mut vault, _) = opened(&[60_000_000, 40_000_000], owner(platform_bps, 0));
        let effects = vault.cancel(SequentialIds(9).booking_at(20)).unwrap();
        assert_eq!([0, 1].map(|index| paid_to(&effects, &main_of(index))), back);
        assert_eq!(effects.entries.len(), 2);
        let of_payments = ["payment.escrow.success"; 2];
        assert_eq!(events(&effects)[..2], of_payments);
        assert_eq!(events(&effects)[2..], ["escrow.refunded"]);
        assert_eq!(vault.progress, VaultProgress::Cancelled { at: at(20) });
    }
}

/// Contract example 15: the exact shares of the fee are 6.6666, 6.6666 and 6.6668,
/// so the units left over go to the largest remainder and then to the first.
#[test]
fn the_shares_of_a_fee_add_up_to_the_kobo() {
    let (mut vault, _) = opened(&[33_333, 33_333, 33_334], owner(200, 0));
    assert_eq!(vault.fee.total(), kobo(2_000));
    let effects = vault.cancel(SequentialIds(9).booking_at(20)).unwrap();
    let back = [0, 1, 2].map(|index| paid_to(&effects, &main_of(index)));
    assert_eq!(back, [33_333 - 667, 33_333 - 666, 33_334 - 667]);
    assert_eq!(paid_to(&effects, &Account::PlatformFees), 2_000);
}

/// Contract section 9.1, row 17.
#[test]
fn the_commission_is_paid_on_a_win_and_on_a_cancellation() {
    for is_won in [true, false] {
        let (mut vault, _) = opened(&[60_000_000, 40_000_000], owner(200, 50));
        let mut ids = SequentialIds(9);
        let settled = if is_won {
            vault.declare_winner(customer(0), ids.booking_at(20))
        } else {
            vault.cancel(ids.booking_at(20))
        };
        let effects = settled.unwrap();
        assert_eq!(paid_to(&effects, &Account::MerchantMain), 500_000);
        assert_eq!(paid_to(&effects, &Account::PlatformFees), 2_000_000);
        let entry = &effects.entries.last().unwrap().transaction;
        assert_eq!(
            (entry.owner.clone(), entry.amount),
            (Account::MerchantMain, kobo(500_000))
        );
        let first = &effects.entries[0].transaction.reference;
        assert_eq!(entry.reference, first.commission());
        assert_eq!(events(&effects).last().unwrap(), "payment.commission.success");
    }
}

#[test]
fn a_settled_vault_stays_as_it_is() {
    let (vault, _) = opened(&[60_000, 40_000], owner(200, 0));
    let settled = [
        VaultProgress::Cancelled { at: at(1) },
        VaultProgress::Won {
            winner: customer(0),
            at: at(1),
        },
    ];
    for progress in settled {
        let mut vault = Vault {
            progress,
            ..vault.clone()
        };
        let before = vault.clone();
        let again = vault.declare_winner(customer(9), SequentialIds(9).booking_at(20));
        assert_eq!(again, Err(Refusal::VaultAlreadySettled), "told before who is to win");
        assert_eq!(
            vault.cancel(SequentialIds(9).booking_at(20)),
            Err(Refusal::VaultAlreadySettled)
        );
        assert_eq!(vault, before);
    }
}

#[test]
fn a_stranger_cannot_win() {
    let (mut vault, _) = opened(&[60_000, 40_000], owner(200, 0));
    let before = vault.clone();
    let refused = vault.declare_winner(customer(2), SequentialIds(9).booking_at(20));
    assert_eq!(refused, Err(Refusal::WinnerNotAParticipant));
    assert_eq!(vault, before);
}

#[test]
fn the_first_who_cannot_cover_their_stake_is_named() {
    let offer = offer(request(&[60_000, 40_000, 40_000])).unwrap();
    let available = [60_000, 39_999, 0].map(kobo);
    let refused = Vault::open(owner(200, 0), offer, &available, SequentialIds(9).booking_at(10));
    let short = Refusal::StakeNotCovered {
        participant: customer(1),
        stake: kobo(40_000),
        available: kobo(39_999),
    };
    assert_eq!(refused, Err(short));
}

/// Each row also breaks the rules of the rows after it.
#[test]
fn refusals_of_a_vault_come_in_order() {
    let wrong = |field: &str| Invalid::missing(field);
    let short = || request(&[50_000]);
    let with = |change: &dyn Fn(&mut VaultRequest)| {
        let mut request = short();
        change(&mut request);
        offer(request).unwrap_err()
    };
    assert_eq!(
        with(&|request| {
            request.purpose = " ".to_owned();
            request.description = Some("x".repeat(11));
        }),
        Refusal::Invalid(wrong("purpose"))
    );
    let too_long = Invalid::wrong("description", "a text of at most 10 characters", "11 characters");
    assert_eq!(
        with(&|request| {
            request.description = Some("x".repeat(11));
            request.participants[0].amount = kobo(99);
        }),
        Refusal::Invalid(too_long)
    );
    let too_small = Invalid::wrong("participants[0].amount", "a number of 1 or more", "0.99");
    assert_eq!(offer(request(&[99])), Err(Refusal::Invalid(too_small)));
    assert_eq!(offer(short()), Err(Refusal::TooFewParticipants));
    let mut twice = request(&[100, 100]);
    twice.participants[1].customer = customer(0);
    assert_eq!(offer(twice), Err(Refusal::ParticipantTwice));
    let too_small = Refusal::PotTooSmall {
        min: kobo(100_000),
        pot: kobo(99_999),
    };
    assert_eq!(offer(request(&[99_899, 100])), Err(too_small));
    assert!(offer(request(&[99_900, 100])).is_ok());
}

#[test]
fn a_pot_is_at_least_the_smallest_escrow_amount_too() {
    let pot = |amount_min| {
        VaultOffer::new(
            request(&[100_000, 100_000]),
            None,
            &limits(amount_min),
            PARTICIPANTS_MAX,
        )
    };
    assert!(pot(200_000).is_ok());
    let too_small = Refusal::PotTooSmall {
        min: kobo(200_001),
        pot: kobo(200_000),
    };
    assert_eq!(pot(200_001), Err(too_small));
}

#[test]
fn participants_and_pots_are_bounded() {
    let too_many = Invalid::wrong("participants", "a list of at most 5 participants", "6 of them");
    assert_eq!(offer(request(&[50_000; 6])), Err(Refusal::Invalid(too_many)));
    assert!(offer(request(&[50_000; 5])).is_ok());
    let everything = Amount::MAX.minor();
    assert_eq!(offer(request(&[everything, 100])), Err(Refusal::TooMuchMoney));
}

proptest! {
    /// Every hold empties exactly, with any stakes and rates.
    #[test]
    fn every_hold_empties_to_the_kobo(
        stakes in prop::collection::vec(100_i64..=5_000_000, 2..8),
        platform_bps in 0_u16..=2_500,
        commission_bps in 0_u16..=2_500,
        is_won: bool,
    ) {
        prop_assume!(stakes.iter().sum::<i64>() >= 100_000);
        let (mut vault, _) = opened(&stakes, owner(platform_bps, commission_bps));
        let mut ids = SequentialIds(9);
        let settled = if is_won {
            vault.declare_winner(customer(0), ids.booking_at(20))
        } else {
            vault.cancel(ids.booking_at(20))
        };
        let effects = settled.unwrap();
        for (index, stake) in stakes.iter().enumerate() {
            let out = moves(&effects).into_iter().filter(|(_, from, ..)| *from == hold_of(index));
            prop_assert_eq!(out.map(|(.., amount)| amount).sum::<i64>(), *stake);
        }
        prop_assert_eq!(paid_to(&effects, &Account::MerchantMain), vault.fee.commission().minor());
        prop_assert_eq!(paid_to(&effects, &Account::PlatformFees), vault.fee.platform().minor());
        for Entry { transaction: entry, .. } in &effects.entries {
            prop_assert_eq!(paid_to(&effects, &entry.owner), entry.amount.minor());
        }
    }
}
