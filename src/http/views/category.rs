//! The contract's Category (section 3.9).

use serde::Serialize;

use super::WireText;
use crate::domain::category::Category;
use crate::domain::ids::CategoryId;

/// A category.
#[derive(Debug, Serialize)]
pub(crate) struct CategoryView {
    id: WireText<CategoryId>,
    name: String,
    description: Option<String>,
    category_position: i64,
}

impl CategoryView {
    /// The category as everyone sees it.
    pub(crate) fn new(category: Category) -> Self {
        Self {
            id: WireText(category.id),
            name: category.name,
            description: category.description,
            category_position: category.position,
        }
    }
}
