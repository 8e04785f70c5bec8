//! Pages of lists (contract section 1.8).

use schemars::JsonSchema;
use serde::Serialize;

use crate::domain::ids::Cursor;
use crate::domain::page::Page;
use crate::views::AsText;

/// A page of rows, and its position in the list.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "PageOf{T}")]
pub(crate) struct PageView<T> {
    data: Vec<T>,
    pagination: PaginationView,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct PaginationView {
    count: u64,
    pages: u64,
    is_last_page: bool,
    next_page: Option<u64>,
    previous_page: Option<u64>,
    /// The place behind the page's last row, for `cursor`. Null on the last page.
    next_cursor: Option<AsText<Cursor>>,
}

impl<T> PageView<T> {
    /// Shows a page, each row by `view`.
    pub(crate) fn new<R>(page: Page<R>, view: impl FnMut(R) -> T) -> Self {
        Self {
            pagination: PaginationView {
                count: page.count,
                pages: page.pages(),
                is_last_page: page.is_last(),
                next_page: page.next(),
                previous_page: page.previous(),
                next_cursor: page.next_cursor().map(AsText),
            },
            data: page.map(view).rows,
        }
    }
}
