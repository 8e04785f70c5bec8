//! Saved test cards.

use crate::domain::ids::{CardId, CustomerId, MerchantId};
use crate::domain::payments::card::{Card, TestCard};
use crate::domain::time::Timestamp;
use crate::store::engine::error::Error;
use crate::store::engine::sql::{Row, params};
use crate::store::tables::columns::{broken, read_all, row};
use crate::store::tx::{Snapshot, Tx};

row! {
    struct CardRow<'a>, card_columns! {
        id: i64,
        guard: u32,
        number: &'a str,
        created_at: Timestamp,
    }
}

fn read_card(row: Row<'_>) -> Result<Card, Error> {
    let row = CardRow::read(row)?;
    Ok(Card {
        id: CardId::new(row.id, row.guard),
        kind: TestCard::stored(row.number).ok_or_else(|| broken("the number of a test card", row.number))?,
        created_at: row.created_at,
    })
}

impl Snapshot<'_> {
    /// Returns a customer's cards, oldest first.
    pub fn cards(&self, merchant: MerchantId, customer: &CustomerId) -> Result<Vec<Card>, Error> {
        let mut statement = self.connection.prepare(concat!(
            "SELECT ",
            card_columns!(),
            " FROM card WHERE merchant_id = ?1 AND customer_id = ?2 ORDER BY id"
        ))?;
        read_all(statement.query(params![merchant.0, customer.as_str()])?, read_card)
    }
}

impl Tx<'_> {
    /// Saves a card. The customer must not have saved the same number before.
    pub fn insert_card(&mut self, merchant: MerchantId, customer: &CustomerId, card: &Card) -> Result<(), Error> {
        self.connection
            .prepare(
                "INSERT INTO card (id, guard, merchant_id, customer_id, number, created_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?
            .change_row(
                params![
                    card.id.number(),
                    card.id.guard(),
                    merchant.0,
                    customer.as_str(),
                    card.kind.number,
                    card.created_at.millis()
                ],
                "a card",
            )
    }

    /// Removes a card that exists.
    pub fn delete_card(&mut self, card: CardId) -> Result<(), Error> {
        self.connection
            .prepare("DELETE FROM card WHERE id = ?1")?
            .change_row(params![card.number()], "a card")
    }
}
