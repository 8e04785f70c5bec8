//! Categories of escrows (contract section 3.9).

use schemars::JsonSchema;
use serde::Serialize;

use crate::domain::escrow::category::Category;
use crate::domain::ids::CategoryId;
use crate::views::{AsText, ViewContext};

/// The contract's Category.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct CategoryView {
    id: AsText<CategoryId>,
    name: String,
    description: Option<String>,
    #[serde(rename = "imageUrl")]
    image_url: Option<String>,
    category_position: i64,
}

/// A category's position among its owner's categories, after a move.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct CategoryPositionView {
    id: AsText<CategoryId>,
    category_position: i64,
}

impl CategoryView {
    /// Shows a category, with a URL for its image.
    pub(crate) fn new(category: Category, context: &ViewContext<'_>) -> Self {
        Self {
            id: AsText(category.id),
            image_url: category.image.map(|file| context.file_url(file)),
            name: category.name,
            description: category.description,
            category_position: category.position,
        }
    }
}

impl CategoryPositionView {
    /// Shows the category's place.
    pub(crate) const fn new(category: &Category) -> Self {
        Self {
            id: AsText(category.id),
            category_position: category.position,
        }
    }
}
