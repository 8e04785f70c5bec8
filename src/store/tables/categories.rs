//! Categories.

use crate::domain::escrow::category::{Category, PositionShift};
use crate::domain::file::FileName;
use crate::domain::ids::{CategoryId, CustomerId, MerchantId};
use crate::domain::page::{Page, PageRequest};
use crate::domain::party::Party;
use crate::store::engine::error::Error;
use crate::store::engine::sql::{Row, params};
use crate::store::tables::columns::{read_all, row};
use crate::store::tx::{Snapshot, Tx};

row! {
    struct CategoryRow, category_columns! {
        id: i64,
        guard: u32,
        owner_id: Option<CustomerId>,
        name: String,
        description: Option<String>,
        position: i64,
        image: Option<FileName>,
    }
}

macro_rules! select_category {
    ($condition:literal) => {
        concat!(
            "SELECT ",
            category_columns!(),
            " FROM category WHERE deleted_at IS NULL AND ",
            $condition
        )
    };
}

fn read_category(row: Row<'_>) -> Result<Category, Error> {
    let row = CategoryRow::read(row)?;
    Ok(Category {
        id: CategoryId::new(row.id, row.guard),
        owner: row.owner_id.into(),
        name: row.name,
        description: row.description,
        position: row.position,
        image: row.image,
    })
}

fn id_of(owner: &Party) -> Option<&str> {
    owner.customer().map(CustomerId::as_str)
}

impl Snapshot<'_> {
    /// Returns a merchant's category with any owner. Deleted categories and those of other
    /// merchants are not found.
    pub fn category(&self, merchant: MerchantId, id: CategoryId) -> Result<Option<Category>, Error> {
        self.connection
            .prepare(select_category!("id = ?1 AND guard = ?2 AND merchant_id = ?3"))?
            .first(params![id.number(), id.guard(), merchant.0], read_category)
    }

    /// Returns the category with this number, unless it was deleted.
    pub(crate) fn category_of_number(&self, number: Option<i64>) -> Result<Option<Category>, Error> {
        let Some(number) = number else {
            return Ok(None);
        };
        self.connection
            .prepare(select_category!("id = ?1"))?
            .first(params![number], read_category)
    }

    /// Returns the number of an owner's categories.
    pub fn category_count(&self, merchant: MerchantId, owner: &Party) -> Result<u32, Error> {
        self.connection
            .prepare("SELECT count(*) FROM category WHERE merchant_id = ?1 AND owner_id IS ?2 AND deleted_at IS NULL")?
            .one(params![merchant.0, id_of(owner)], |row| row.get(0))
    }

    /// Returns a page of an owner's categories, by position.
    pub fn categories(
        &self,
        merchant: MerchantId,
        owner: &Party,
        request: PageRequest,
    ) -> Result<Page<Category>, Error> {
        let mut statement = self.connection.prepare(select_category!(
            "merchant_id = ?1 AND owner_id IS ?2 AND position > ?5 ORDER BY position LIMIT ?3 OFFSET ?4"
        ))?;
        let (limit, offset) = (request.rows_read(), request.offset());
        let rows = statement.query(params![merchant.0, id_of(owner), limit, offset, request.behind()])?;
        let rows = read_all(rows, read_category)?;
        let count = self.category_count(merchant, owner)?.into();
        Ok(Page::of(rows, count, request, |category| category.position))
    }
}

impl Tx<'_> {
    /// Inserts a category at its position, which must be free.
    pub fn insert_category(&mut self, merchant: MerchantId, category: &Category) -> Result<(), Error> {
        self.reference_files(category.image.as_slice())?;
        self.connection
            .prepare(
                "INSERT INTO category (id, guard, merchant_id, owner_id, name, description, position, image, created_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            )?
            .change_row(params![
                category.id.number(),
                category.id.guard(),
                merchant.0,
                id_of(&category.owner),
                category.name,
                category.description,
                category.position,
                category.image.as_ref().map(FileName::to_string),
                self.now().millis(),
            ], "a category")
    }

    /// Saves a category that exists.
    pub fn save_category(&mut self, category: &Category) -> Result<(), Error> {
        self.reference_files(category.image.as_slice())?;
        self.connection
            .prepare(
                "UPDATE category SET name = ?2, description = ?3, position = ?4, image = ?5
                 WHERE id = ?1 AND deleted_at IS NULL",
            )?
            .change_row(
                params![
                    category.id.number(),
                    category.name,
                    category.description,
                    category.position,
                    category.image.as_ref().map(FileName::to_string),
                ],
                "a category",
            )
    }

    /// Moves a range of an owner's categories, to make room or to close a gap.
    pub fn shift_categories(&mut self, merchant: MerchantId, owner: &Party, shift: PositionShift) -> Result<(), Error> {
        self.connection
            .prepare(
                "UPDATE category SET position = position + ?5
                 WHERE merchant_id = ?1 AND owner_id IS ?2 AND position BETWEEN ?3 AND ?4 AND deleted_at IS NULL",
            )?
            .execute(params![merchant.0, id_of(owner), shift.first, shift.last, shift.by])?;
        Ok(())
    }

    /// Deletes a category that exists. Its escrows have no category from now on.
    pub fn delete_category(&mut self, category: CategoryId) -> Result<(), Error> {
        self.connection
            .prepare("UPDATE category SET deleted_at = ?2 WHERE id = ?1 AND deleted_at IS NULL")?
            .change_row(params![category.number(), self.now().millis()], "a category")
    }
}
