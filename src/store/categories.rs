//! Categories.

use rusqlite::types::ValueRef;
use rusqlite::{OptionalExtension, Row, params};

use super::columns::optional_file_name_at;
use super::error::Error;
use super::snapshot::Snapshot;
use crate::domain::category::Category;
use crate::domain::ids::{CategoryId, CustomerId, MerchantId};
use crate::domain::party::Party;

impl Snapshot<'_> {
    /// A category of this owner; anyone else's is as good as none.
    pub fn category(&self, merchant: MerchantId, owner: &Party, id: CategoryId) -> Result<Option<Category>, Error> {
        let category = self
            .connection
            .prepare_cached(
                "SELECT id, guard, name, description, position, image FROM category
                 WHERE id = ?1 AND guard = ?2 AND merchant_id = ?3 AND owner_id IS ?4",
            )?
            .query_row(
                params![
                    id.number(),
                    id.guard(),
                    merchant.0,
                    owner.customer().map(CustomerId::as_str)
                ],
                |row| Ok(read_category(row)),
            )
            .optional()?;
        category.transpose()
    }

    /// The category whose number stands in this column, if any.
    pub(super) fn optional_category_at(&self, row: &Row<'_>, column: usize) -> Result<Option<Category>, Error> {
        let ValueRef::Integer(number) = row.get_ref(column)? else {
            return Ok(None);
        };
        let category = self
            .connection
            .prepare_cached("SELECT id, guard, name, description, position, image FROM category WHERE id = ?1")?
            .query_row([number], |row| Ok(read_category(row)))
            .optional()?;
        category.transpose()
    }
}

fn read_category(row: &Row<'_>) -> Result<Category, Error> {
    Ok(Category {
        id: CategoryId::new(row.get(0)?, row.get(1)?),
        name: row.get(2)?,
        description: row.get(3)?,
        position: row.get(4)?,
        image: optional_file_name_at(row, 5)?,
    })
}
