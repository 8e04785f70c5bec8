//! Pages of long lists (contract section 1.8).
//!
//! Rows that are inserted while a client walks a list must neither appear twice nor push
//! others out. Every row of a list has a key: its number, which follows time. Most lists are
//! ordered by it; that of the categories is ordered by their positions, which change. A page by
//! number may be bounded by the newest row of the list when the walk's first page was read. A page
//! by cursor begins behind the row with the cursor's key.

use crate::domain::ids::Cursor;

/// The number of rows on a page if the request names no limit.
pub const LIMIT_DEFAULT: u32 = 10;
/// The most rows on one page.
pub const LIMIT_MAX: u32 = 100;

/// The page that a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageRequest {
    /// The highest number of rows on it.
    pub limit: u32,
    pub start: PageStart,
    pub list: ListTag,
}

/// The tag of a list, which its cursors carry: the keys of another list's rows mean nothing in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListTag(u32);

impl ListTag {
    /// The tag of cursors that were made before lists had tags. Every list accepts them.
    pub const NONE: Self = Self(0);

    pub const fn new(tag: u32) -> Self {
        Self(tag)
    }

    /// Returns true if the cursor may be one of this list.
    pub const fn takes(self, cursor: Cursor) -> bool {
        cursor.guard() == self.0 || cursor.guard() == Self::NONE.0
    }
}

/// The first row of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PageStart {
    /// The page with this number, counted from 1.
    Number(u32),
    /// The page with this number of the list without the rows newer than `newest`, the key of
    /// a row.
    NumberFrom { number: u32, newest: i64 },
    /// The row behind the one with this cursor, which need not exist any more.
    Behind(Cursor),
}

/// One page of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// The rows. A page after the last one has none.
    pub rows: Vec<T>,
    /// The number of rows in the whole list.
    pub count: u64,
    pub request: PageRequest,
    /// The keys of the newest row of the list, which is the first one where newest come first, and
    /// of the last row of the page.
    keys: Option<(i64, i64)>,
    /// True if the list goes on behind the last row.
    goes_on: bool,
}

impl PageRequest {
    /// The first page with [`LIMIT_DEFAULT`] rows.
    pub const FIRST: Self = Self::numbered(1, LIMIT_DEFAULT);

    /// Returns the request for the page with this number, with so many rows, of a list whose
    /// cursors go to no client.
    pub const fn numbered(number: u32, limit: u32) -> Self {
        Self {
            limit,
            start: PageStart::Number(number),
            list: ListTag::NONE,
        }
    }

    /// Returns the number of the page. A page that begins behind a row has none.
    pub const fn number(self) -> Option<u32> {
        match self.start {
            PageStart::Number(number) | PageStart::NumberFrom { number, .. } => Some(number),
            PageStart::Behind(_) => None,
        }
    }

    /// Returns the number of rows to skip before this page, of those from its [`newest`] on.
    ///
    /// [`newest`]: Self::newest
    pub fn offset(self) -> u64 {
        u64::from(self.number().unwrap_or(1).saturating_sub(1)) * u64::from(self.limit)
    }

    /// Returns the number of rows to read: one more than the page has, to see if the list
    /// goes on.
    pub const fn rows_read(self) -> usize {
        self.limit as usize + 1
    }

    /// Returns the greatest key that a row of the list may have to be counted.
    pub const fn newest_counted(self) -> i64 {
        match self.start {
            PageStart::NumberFrom { newest, .. } => newest,
            PageStart::Number(_) | PageStart::Behind(_) => i64::MAX,
        }
    }

    /// Returns the greatest key that a row of the page may have, in a list with descending
    /// keys.
    pub const fn newest(self) -> i64 {
        match self.start {
            PageStart::Behind(cursor) => cursor.number().saturating_sub(1),
            PageStart::Number(_) | PageStart::NumberFrom { .. } => self.newest_counted(),
        }
    }

    /// Returns the key that every row of the page exceeds, in a list with ascending keys.
    pub const fn behind(self) -> i64 {
        match self.start {
            PageStart::Behind(cursor) => cursor.number(),
            PageStart::Number(_) | PageStart::NumberFrom { .. } => i64::MIN,
        }
    }
}

impl<T> Page<T> {
    /// Returns the page of these rows, of which [`PageRequest::rows_read`] were asked for.
    /// `key` returns the key of a row.
    pub fn of(mut rows: Vec<T>, count: u64, request: PageRequest, key: impl Fn(&T) -> i64) -> Self {
        let goes_on = rows.len() >= request.rows_read();
        rows.truncate(request.limit as usize);
        let keys = rows.first().map(&key).zip(rows.last().map(&key));
        Self {
            rows,
            count,
            request,
            keys,
            goes_on,
        }
    }

    /// Returns the page as one of a list in another order than by time, whose newest row has this
    /// key.
    pub fn with_newest(self, newest: i64) -> Self {
        Self {
            keys: self.keys.map(|(_, last)| (newest, last)),
            ..self
        }
    }

    /// Returns the first and only page of a list with one row.
    pub fn of_one(row: T) -> Self {
        Self {
            rows: vec![row],
            count: 1,
            request: PageRequest::FIRST,
            keys: None,
            goes_on: false,
        }
    }

    /// Returns a page of an empty list.
    pub const fn empty(request: PageRequest) -> Self {
        Self {
            rows: Vec::new(),
            count: 0,
            request,
            keys: None,
            goes_on: false,
        }
    }

    /// Returns the number of pages of the whole list.
    pub fn pages(&self) -> u64 {
        self.count.div_ceil(u64::from(self.request.limit.max(1)))
    }

    /// Returns the number of the next page, or `None` on the last page.
    pub fn next(&self) -> Option<u64> {
        let next = u64::from(self.request.number()?) + 1;
        (next <= self.pages()).then_some(next)
    }

    /// Returns true if no row follows the page.
    pub fn is_last(&self) -> bool {
        match self.request.start {
            PageStart::Behind(_) => !self.goes_on,
            PageStart::Number(_) | PageStart::NumberFrom { .. } => self.next().is_none(),
        }
    }

    /// Returns the cursor behind which the next page begins, or `None` on the last page.
    pub fn next_cursor(&self) -> Option<Cursor> {
        let (_, last) = self.keys.filter(|_| self.goes_on)?;
        Some(Cursor::new(last, self.request.list.0))
    }

    /// Returns the key of the newest row of the list that the page begins, or `None` if the page is
    /// empty.
    pub fn newest_key(&self) -> Option<i64> {
        self.keys.map(|(newest, _)| newest)
    }

    /// Returns the number of the previous page, or `None` on the first page. Beyond the last page
    /// it is that of the last one, since those between have no rows.
    pub fn previous(&self) -> Option<u64> {
        let previous = u64::from(self.request.number()?).saturating_sub(1);
        Some(previous.min(self.pages().max(1))).filter(|&number| number > 0)
    }

    /// Converts the rows, or returns the first error.
    ///
    /// # Errors
    ///
    /// Returns the first error of `map`.
    pub fn try_map<U, E>(self, map: impl FnMut(T) -> Result<U, E>) -> Result<Page<U>, E> {
        Ok(Page {
            rows: self.rows.into_iter().map(map).collect::<Result<_, E>>()?,
            count: self.count,
            request: self.request,
            keys: self.keys,
            goes_on: self.goes_on,
        })
    }

    /// Converts the rows.
    pub fn map<U>(self, map: impl FnMut(T) -> U) -> Page<U> {
        Page {
            rows: self.rows.into_iter().map(map).collect(),
            count: self.count,
            request: self.request,
            keys: self.keys,
            goes_on: self.goes_on,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(number: u32, limit: u32, count: u64) -> Page<()> {
        Page::of(Vec::new(), count, PageRequest::numbered(number, limit), |()| 0)
    }

    #[test]
    fn a_page_that_goes_on_has_the_cursor_of_its_last_row() {
        let request = PageRequest {
            limit: 2,
            start: PageStart::Behind(Cursor::new(9, 7)),
            list: ListTag::new(7),
        };
        assert_eq!((request.offset(), request.newest(), request.rows_read()), (0, 8, 3));
        let page = Page::of(vec![8, 5, 3], 7, request, |row| *row);
        assert_eq!(
            (page.rows.clone(), page.next_cursor()),
            (vec![8, 5], Some(Cursor::new(5, 7)))
        );
        assert!(!page.is_last() && page.newest_key() == Some(8));
        let page = Page::of(vec![3, 2], 7, request, |row| *row);
        assert!(page.is_last() && page.next_cursor().is_none());
    }

    #[test]
    fn a_list_takes_its_own_cursors_and_those_without_a_tag() {
        let list = ListTag::new(7);
        let takes = [7, 0, 8].map(|tag| list.takes(Cursor::new(5, tag)));
        assert_eq!(takes, [true, true, false]);
    }

    #[test]
    fn next_and_previous_page_exist_or_are_none() {
        let of_26 = |number| page(number, 10, 26);
        assert_eq!(of_26(1).pages(), 3);
        assert_eq!((of_26(1).previous(), of_26(1).next()), (None, Some(2)));
        assert_eq!((of_26(3).previous(), of_26(3).next()), (Some(2), None));
        assert_eq!((page(1, 10, 0).pages(), page(1, 10, 0).next()), (0, None));
        assert_eq!(page(1, 10, 10).next(), None, "a full last page");
        let beyond = [4, 5, u32::MAX].map(|number| of_26(number).previous());
        assert_eq!(beyond, [Some(3); 3]);
        let of_none = [1, 2, 9].map(|number| page(number, 10, 0).previous());
        assert_eq!(of_none, [None, Some(1), Some(1)]);
    }

    #[test]
    fn a_page_far_after_the_last_has_an_offset() {
        let far = PageRequest::numbered(u32::MAX, LIMIT_MAX);
        assert_eq!(far.offset(), (u64::from(u32::MAX) - 1) * 100);
    }
}
