//! The lists of a page of the desk: what waits, and below it the history of all that is done.

use std::collections::HashMap;

use serde::de::DeserializeOwned;
use strum::VariantArray;

use crate::web::console::desk::parts::rows;
use crate::web::console::timeline::Rows;
use crate::web::layout::Refused;
use crate::web::reader::Reader;

/// The cursors of the lists of a page, by the list: the page's query.
pub(super) type Cursors = HashMap<String, String>;

/// The heading of a list.
#[derive(Clone, Copy, Debug)]
pub(super) struct Heading {
    /// The id of the heading, and the field of the page's address with the cursor.
    pub(super) id: &'static str,
    pub(super) title: &'static str,
    /// Stands in place of an empty list.
    pub(super) none: &'static str,
}

/// A page of a list.
#[derive(Debug)]
pub(super) struct List<T> {
    pub(super) heading: Heading,
    pub(super) cursor: Option<String>,
    pub(super) found: Rows<T>,
}

/// Reads the lists of the rows that wait, each with its statuses, and then the history, which has
/// the rows with all other statuses. `route` lists the rows.
pub(super) async fn waiting_and_history<T, S>(
    reader: &Reader,
    route: &str,
    waiting: &[(Heading, &[S])],
    history: Heading,
    cursors: &Cursors,
) -> Result<Vec<List<T>>, Refused>
where
    T: DeserializeOwned,
    S: VariantArray + Copy + PartialEq + Into<&'static str>,
{
    let waits = |status: &S| waiting.iter().any(|(_, statuses)| statuses.contains(status));
    let done: Vec<S> = S::VARIANTS.iter().copied().filter(|status| !waits(status)).collect();
    let mut lists = Vec::new();
    for (heading, statuses) in waiting.iter().copied().chain([(history, done.as_slice())]) {
        let names: Vec<&str> = statuses.iter().map(|&status| status.into()).collect();
        let path = format!("{route}?status={}&limit=50", names.join(","));
        let cursor = cursors.get(heading.id).cloned();
        lists.push(List {
            heading,
            found: rows(reader, &path, cursor.as_deref()).await?,
            cursor,
        });
    }
    Ok(lists)
}
