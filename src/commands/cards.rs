//! Saving and removing test cards (contract section 4.10).

use crate::commands::admission::admit;
use crate::commands::{Error, Policy};
use crate::domain::ids::{CardId, IdSource};
use crate::domain::invalid::Parsed;
use crate::domain::party::Actor;
use crate::domain::payments::card::{Card, SavedCard, TestCard, check_country, saved_cards};
use crate::domain::refusal::Refusal;
use crate::store::Tx;

/// Saves a test card for the customer. If the customer has saved it before, returns it
/// unchanged.
pub fn save(tx: &mut Tx<'_>, policy: &Policy, actor: &Actor, kind: Parsed<TestCard>) -> Result<SavedCard, Error> {
    admit(tx, policy, actor)?;
    let kind = kind?;
    policy.check_cards()?;
    let cards = tx.cards(actor.merchant, actor.customer())?;
    let is_default = cards.is_empty();
    if let Some(saved) = saved_cards(cards).find(|saved| saved.card.kind == kind) {
        return Ok(saved);
    }
    let card = Card {
        id: tx.card_id(),
        kind,
        created_at: tx.now(),
    };
    tx.insert_card(actor.merchant, actor.customer(), &card)?;
    Ok(SavedCard { card, is_default })
}

/// Removes one of the customer's cards, and returns it as it was before.
pub fn remove(tx: &mut Tx<'_>, policy: &Policy, actor: &Actor, id: CardId) -> Result<SavedCard, Error> {
    admit(tx, policy, actor)?;
    policy.check_cards()?;
    let removed = find(tx, actor, id)?;
    tx.delete_card(id)?;
    Ok(removed)
}

/// Returns a card that the customer may pay with.
///
/// # Errors
///
/// Refuses, in this order: a merchant without card payments, a customer in a country
/// without card payments, a card that the customer has not saved.
pub(super) fn usable(tx: &mut Tx<'_>, policy: &Policy, actor: &Actor, id: CardId) -> Result<Card, Error> {
    policy.check_cards()?;
    let merchant_country = policy.settings_in_force(tx, actor.merchant)?.country;
    let customer = tx.customer(actor.merchant, actor.customer())?;
    check_country(customer.map_or(merchant_country, |customer| customer.country(merchant_country)))?;
    Ok(find(tx, actor, id)?.card)
}

fn find(tx: &Tx<'_>, actor: &Actor, id: CardId) -> Result<SavedCard, Error> {
    let cards = tx.cards(actor.merchant, actor.customer())?;
    let found = saved_cards(cards).find(|saved| saved.card.id == id);
    Ok(found.ok_or(Refusal::CardNotFound)?)
}
