//! Saving and removing test cards (contract section 4.10).

use crate::commands::customers::admit;
use crate::commands::{Error, Policy};
use crate::domain::customers::country::Country;
use crate::domain::ids::{CardId, IdSource};
use crate::domain::party::Actor;
use crate::domain::payments::card::{Card, TestCard};
use crate::domain::refusal::{Parsed, Refusal};
use crate::store::Tx;

/// A customer's cards with the one that was asked for: its place among them says
/// whether it is the default.
#[derive(Clone, Debug)]
pub struct CardOf {
    /// The card.
    pub card: Card,
    /// Whether it is the customer's first.
    pub is_default: bool,
}

/// Saves a test card for the acting customer. One they have saved before stays as
/// it is and is answered again.
pub fn save(tx: &mut Tx<'_>, policy: &Policy, actor: &Actor, kind: Parsed<TestCard>) -> Result<CardOf, Error> {
    admit(tx, policy, actor)?;
    let kind = kind?;
    policy.check_cards(actor.merchant)?;
    let saved = tx.cards(actor.merchant, actor.customer())?;
    if let Some(place) = saved.iter().position(|card| card.kind == kind) {
        return Ok(nth(&saved, place));
    }
    let card = Card {
        id: tx.card_id(),
        kind,
        created_at: tx.now(),
    };
    tx.insert_card(actor.merchant, actor.customer(), &card)?;
    Ok(CardOf {
        card,
        is_default: saved.is_empty(),
    })
}

/// Removes one of the acting customer's cards and answers it as it was.
pub fn remove(tx: &mut Tx<'_>, policy: &Policy, actor: &Actor, id: CardId) -> Result<CardOf, Error> {
    admit(tx, policy, actor)?;
    policy.check_cards(actor.merchant)?;
    let saved = tx.cards(actor.merchant, actor.customer())?;
    let place = saved.iter().position(|card| card.id == id);
    let removed = nth(&saved, place.ok_or(Refusal::CardNotFound)?);
    tx.delete_card(id)?;
    Ok(removed)
}

/// A card that the acting customer may pay with: refused where cards are off, for
/// customers of another country, and when the customer has no such card.
pub(super) fn usable(tx: &Tx<'_>, policy: &Policy, actor: &Actor, id: CardId) -> Result<Card, Error> {
    policy.check_cards(actor.merchant)?;
    let of_merchant = policy.merchant(actor.merchant).country;
    let customer = tx.customer(actor.merchant, actor.customer())?;
    let country = customer.map_or(of_merchant, |customer| customer.country(of_merchant));
    if country != Country::Nigeria {
        return Err(Refusal::CardsForNigeriansOnly.into());
    }
    let saved = tx.cards(actor.merchant, actor.customer())?;
    let found = saved.into_iter().find(|card| card.id == id);
    Ok(found.ok_or(Refusal::CardNotFound)?)
}

fn nth(saved: &[Card], place: usize) -> CardOf {
    CardOf {
        card: saved[place].clone(),
        is_default: place == 0,
    }
}
