//! Categories.

use rusqlite::types::ValueRef;
use rusqlite::{OptionalExtension, Row, params};

use crate::domain::escrow::category::{Category, PositionShift};
use crate::domain::file::FileName;
use crate::domain::ids::{CategoryId, CustomerId, MerchantId};
use crate::domain::page::{Page, PageRequest};
use crate::domain::party::Party;
use crate::store::engine::error::{Error, one_row};
use crate::store::tables::columns::{offset_of, optional_customer_id_at, optional_file_name_at};
use crate::store::tx::{Snapshot, Tx};

/// Columns in the order that [`read_category`] reads them.
macro_rules! select_category {
    ($condition:literal) => {
        concat!(
            "SELECT id, guard, owner_id, name, description, position, image FROM category
             WHERE deleted_at IS NULL AND ",
            $condition
        )
    };
}

impl Snapshot<'_> {
    /// A merchant's category, whichever of its accounts has it; another merchant's is
    /// as good as none.
    pub fn category(&self, merchant: MerchantId, id: CategoryId) -> Result<Option<Category>, Error> {
        let category = self
            .connection
            .prepare_cached(select_category!("id = ?1 AND guard = ?2 AND merchant_id = ?3"))?
            .query_row(params![id.number(), id.guard(), merchant.0], |row| {
                Ok(read_category(row))
            })
            .optional()?;
        category.transpose()
    }

    /// The category whose number stands in this column, unless it was deleted.
    pub(crate) fn optional_category_at(&self, row: &Row<'_>, column: usize) -> Result<Option<Category>, Error> {
        let ValueRef::Integer(number) = row.get_ref(column)? else {
            return Ok(None);
        };
        let category = self
            .connection
            .prepare_cached(select_category!("id = ?1"))?
            .query_row([number], |row| Ok(read_category(row)))
            .optional()?;
        category.transpose()
    }

    /// How many categories an account has.
    pub fn category_count(&self, merchant: MerchantId, owner: &Party) -> Result<u32, Error> {
        let count = self
            .connection
            .prepare_cached(
                "SELECT count(*) FROM category WHERE merchant_id = ?1 AND owner_id IS ?2 AND deleted_at IS NULL",
            )?
            .query_row(params![merchant.0, id_of(owner)], |row| row.get(0))?;
        Ok(count)
    }

    /// A page of an account's categories, in their order.
    pub fn categories(
        &self,
        merchant: MerchantId,
        owner: &Party,
        request: PageRequest,
    ) -> Result<Page<Category>, Error> {
        let offset = offset_of(request);
        let mut statement = self.connection.prepare_cached(select_category!(
            "merchant_id = ?1 AND owner_id IS ?2 ORDER BY position LIMIT ?3 OFFSET ?4"
        ))?;
        let mut found = statement.query(params![merchant.0, id_of(owner), request.limit, offset])?;
        let mut rows = Vec::new();
        while let Some(row) = found.next()? {
            rows.push(read_category(row)?);
        }
        Ok(Page {
            rows,
            count: self.category_count(merchant, owner)?.into(),
            request,
        })
    }
}

fn read_category(row: &Row<'_>) -> Result<Category, Error> {
    Ok(Category {
        id: CategoryId::new(row.get(0)?, row.get(1)?),
        owner: optional_customer_id_at(row, 2)?.into(),
        name: row.get(3)?,
        description: row.get(4)?,
        position: row.get(5)?,
        image: optional_file_name_at(row, 6)?,
    })
}

fn id_of(owner: &Party) -> Option<&str> {
    owner.customer().map(CustomerId::as_str)
}

impl Tx<'_> {
    /// A new category, at its place; whoever was there has made room.
    pub fn insert_category(&mut self, merchant: MerchantId, category: &Category) -> Result<(), Error> {
        self.reference_files(category.image.as_slice())?;
        self.connection
            .prepare_cached(
                "INSERT INTO category (id, guard, merchant_id, owner_id, name, description, position, image, created_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            )?
            .execute(params![
                category.id.number(),
                category.id.guard(),
                merchant.0,
                id_of(&category.owner),
                category.name,
                category.description,
                category.position,
                category.image.as_ref().map(FileName::to_string),
                self.now().millis(),
            ])?;
        Ok(())
    }

    /// The category as it is now.
    pub fn save_category(&mut self, category: &Category) -> Result<(), Error> {
        self.reference_files(category.image.as_slice())?;
        let changed = self
            .connection
            .prepare_cached(
                "UPDATE category SET name = ?2, description = ?3, position = ?4, image = ?5
                 WHERE id = ?1 AND deleted_at IS NULL",
            )?
            .execute(params![
                category.id.number(),
                category.name,
                category.description,
                category.position,
                category.image.as_ref().map(FileName::to_string),
            ])?;
        one_row(changed, "a category")
    }

    /// Moves an account's categories to make room or to close a gap.
    pub fn shift_categories(&mut self, merchant: MerchantId, owner: &Party, shift: PositionShift) -> Result<(), Error> {
        self.connection
            .prepare_cached(
                "UPDATE category SET position = position + ?5
                 WHERE merchant_id = ?1 AND owner_id IS ?2 AND position BETWEEN ?3 AND ?4 AND deleted_at IS NULL",
            )?
            .execute(params![merchant.0, id_of(owner), shift.first, shift.last, shift.by])?;
        Ok(())
    }

    /// The category is gone; its escrows have none from now on.
    pub fn delete_category(&mut self, category: CategoryId) -> Result<(), Error> {
        let changed = self
            .connection
            .prepare_cached("UPDATE category SET deleted_at = ?2 WHERE id = ?1 AND deleted_at IS NULL")?
            .execute(params![category.number(), self.now().millis()])?;
        one_row(changed, "a category")
    }
}
