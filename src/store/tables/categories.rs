//! Categories.

use crate::domain::escrow::category::{Category, PositionShift};
use crate::domain::file::FileName;
use crate::domain::ids::{CategoryId, Cursor, CustomerId, MerchantId};
use crate::domain::page::{Page, PageRequest, PageStart};
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

/// The most deleted categories that one look for a place passes, one in front of the other.
const DELETED_STEPS_MAX: i64 = 10_000;

/// The position of an owner's category, or of the first one in front of it that was not deleted.
const POSITION_OF_PLACE: &str = "WITH RECURSIVE place (position, deleted_at, was_behind, steps) AS (
         SELECT position, deleted_at, was_behind, 0 FROM category
         WHERE id = ?1 AND merchant_id = ?2 AND owner_id IS ?3
         UNION ALL
         SELECT category.position, category.deleted_at, category.was_behind, place.steps + 1
         FROM place JOIN category ON category.id = place.was_behind WHERE place.steps < ?4)
     SELECT CASE WHEN deleted_at IS NULL THEN position ELSE 0 END FROM place ORDER BY steps DESC LIMIT 1";

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

    /// Returns a page of an owner's categories, by position. A cursor holds the number of a
    /// category, since its position changes.
    pub fn categories(
        &self,
        merchant: MerchantId,
        owner: &Party,
        request: PageRequest,
    ) -> Result<Page<Category>, Error> {
        let behind = match request.start {
            PageStart::Behind(cursor) => self.position_of_place(merchant, owner, cursor)?,
            PageStart::Number(_) | PageStart::NumberFrom { .. } => 0,
        };
        let newest_counted = request.newest_counted();
        let mut statement = self.connection.prepare(select_category!(
            "merchant_id = ?1 AND owner_id IS ?2 AND position > ?5 AND id <= ?6 ORDER BY position LIMIT ?3 OFFSET ?4"
        ))?;
        let (limit, offset) = (request.rows_read(), request.offset());
        let rows = statement.query(params![merchant.0, id_of(owner), limit, offset, behind, newest_counted])?;
        let rows = read_all(rows, read_category)?;
        let (count, newest) = self
            .connection
            .prepare(
                "SELECT count(*), coalesce(max(id), 0) FROM category
                 WHERE merchant_id = ?1 AND owner_id IS ?2 AND id <= ?3 AND deleted_at IS NULL",
            )?
            .one(params![merchant.0, id_of(owner), newest_counted], |row| {
                Ok((row.get::<u32>(0)?, row.get(1)?))
            })?;
        let page = Page::of(rows, count.into(), request, |category| category.id.number());
        Ok(page.with_newest(newest))
    }

    /// Returns the present position of the category that a cursor holds, or of the one that was in
    /// front of it when it was deleted. 0 is the place in front of all, and that of a category that
    /// more than [`DELETED_STEPS_MAX`] deleted ones part from the next.
    fn position_of_place(&self, merchant: MerchantId, owner: &Party, cursor: Cursor) -> Result<i64, Error> {
        let number = cursor.number();
        let position = self
            .connection
            .prepare(POSITION_OF_PLACE)?
            .first(params![number, merchant.0, id_of(owner), DELETED_STEPS_MAX], |row| {
                row.get(0)
            })?;
        // A cursor of an earlier version holds the position itself.
        Ok(position.unwrap_or(number))
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

    /// Deletes a category that exists. Its escrows have no category from now on. It keeps the
    /// number of the one in front of it, behind which a cursor that holds it leads.
    pub fn delete_category(&mut self, merchant: MerchantId, category: &Category) -> Result<(), Error> {
        let in_front: Option<i64> = self
            .connection
            .prepare(
                "SELECT id FROM category
                 WHERE merchant_id = ?1 AND owner_id IS ?2 AND position = ?3 AND deleted_at IS NULL",
            )?
            .first(
                params![merchant.0, id_of(&category.owner), category.position - 1],
                |row| row.get(0),
            )?;
        self.connection
            .prepare("UPDATE category SET deleted_at = ?2, was_behind = ?3 WHERE id = ?1 AND deleted_at IS NULL")?
            .change_row(
                params![category.id.number(), self.now().millis(), in_front],
                "a category",
            )
    }
}
