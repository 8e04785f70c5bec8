//! Categories: a seller's own way to sort their deals (contract section 3.9).

use super::file::FileName;
use super::ids::CategoryId;

/// A category.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Category {
    /// Its id.
    pub id: CategoryId,
    /// What it is called.
    pub name: String,
    /// More of it.
    pub description: Option<String>,
    /// Its place among its owner's, from 1.
    pub position: i64,
    /// Its picture.
    pub image: Option<FileName>,
}
