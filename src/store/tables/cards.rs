//! Saved test cards.

use rusqlite::{Row, params};

use crate::domain::ids::{CardId, CustomerId, MerchantId};
use crate::domain::payments::card::{Card, TestCard};
use crate::store::engine::error::{Error, one_row};
use crate::store::tables::columns::{broken, text_at, timestamp_at};
use crate::store::tx::{Snapshot, Tx};

impl Snapshot<'_> {
    /// A customer's cards, the one saved first at the front.
    pub fn cards(&self, merchant: MerchantId, customer: &CustomerId) -> Result<Vec<Card>, Error> {
        let mut statement = self.connection.prepare_cached(
            "SELECT id, guard, number, created_at FROM card WHERE merchant_id = ?1 AND customer_id = ?2 ORDER BY id",
        )?;
        let mut rows = statement.query(params![merchant.0, customer.as_str()])?;
        let mut cards = Vec::new();
        while let Some(row) = rows.next()? {
            cards.push(read_card(row)?);
        }
        Ok(cards)
    }
}

fn read_card(row: &Row<'_>) -> Result<Card, Error> {
    let number = text_at(row, 2)?;
    Ok(Card {
        id: CardId::new(row.get(0)?, row.get(1)?),
        kind: TestCard::stored(number).ok_or_else(|| broken("the number of a test card", number))?,
        created_at: timestamp_at(row, 3)?,
    })
}

impl Tx<'_> {
    /// A card that a customer has not saved before.
    pub fn insert_card(&mut self, merchant: MerchantId, customer: &CustomerId, card: &Card) -> Result<(), Error> {
        self.connection
            .prepare_cached(
                "INSERT INTO card (id, guard, merchant_id, customer_id, number, created_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?
            .execute(params![
                card.id.number(),
                card.id.guard(),
                merchant.0,
                customer.as_str(),
                card.kind.number,
                card.created_at.millis()
            ])?;
        Ok(())
    }

    /// Removes a card.
    pub fn delete_card(&mut self, card: CardId) -> Result<(), Error> {
        let changed = self
            .connection
            .prepare_cached("DELETE FROM card WHERE id = ?1")?
            .execute([card.number()])?;
        one_row(changed, "a card")
    }
}
