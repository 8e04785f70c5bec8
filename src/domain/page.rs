//! Pages of long lists (contract section 1.8).

/// The number of rows on a page if the request names no limit.
pub const LIMIT_DEFAULT: u32 = 10;
/// The most rows on one page.
pub const LIMIT_MAX: u32 = 100;

/// The page that a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageRequest {
    /// Counted from 1.
    pub number: u32,
    /// The highest number of rows on it.
    pub limit: u32,
}

/// One page of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// The rows. A page after the last one has none.
    pub rows: Vec<T>,
    /// The number of rows in the whole list.
    pub count: u64,
    pub request: PageRequest,
}

impl PageRequest {
    /// The first page with [`LIMIT_DEFAULT`] rows.
    pub const FIRST: Self = Self {
        number: 1,
        limit: LIMIT_DEFAULT,
    };

    /// Returns the number of rows before this page.
    pub fn offset(self) -> u64 {
        u64::from(self.number.saturating_sub(1)) * u64::from(self.limit)
    }
}

impl<T> Page<T> {
    /// Returns the first and only page of a list with one row.
    pub fn of_one(row: T) -> Self {
        Self {
            rows: vec![row],
            count: 1,
            request: PageRequest::FIRST,
        }
    }

    /// Returns a page of an empty list.
    pub const fn empty(request: PageRequest) -> Self {
        Self {
            rows: Vec::new(),
            count: 0,
            request,
        }
    }

    /// Returns the number of pages of the whole list.
    pub fn pages(&self) -> u64 {
        self.count.div_ceil(u64::from(self.request.limit.max(1)))
    }

    /// Returns the number of the next page, or `None` on the last page.
    pub fn next(&self) -> Option<u64> {
        let next = u64::from(self.request.number) + 1;
        (next <= self.pages()).then_some(next)
    }

    /// Returns the number of the previous page, or `None` on the first page.
    pub fn previous(&self) -> Option<u64> {
        u64::from(self.request.number)
            .checked_sub(1)
            .filter(|&number| number > 0)
    }

    /// Converts the rows.
    pub fn map<U>(self, map: impl FnMut(T) -> U) -> Page<U> {
        Page {
            rows: self.rows.into_iter().map(map).collect(),
            count: self.count,
            request: self.request,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(number: u32, limit: u32, count: u64) -> Page<()> {
        Page {
            rows: Vec::new(),
            count,
            request: PageRequest { number, limit },
        }
    }

    #[test]
    fn next_and_previous_page_exist_or_are_none() {
        let of_26 = |number| page(number, 10, 26);
        assert_eq!(of_26(1).pages(), 3);
        assert_eq!((of_26(1).previous(), of_26(1).next()), (None, Some(2)));
        assert_eq!((of_26(3).previous(), of_26(3).next()), (Some(2), None));
        assert_eq!((page(1, 10, 0).pages(), page(1, 10, 0).next()), (0, None));
        assert_eq!(page(1, 10, 10).next(), None, "a full last page");
    }

    #[test]
    fn a_page_far_after_the_last_has_an_offset() {
        let far = PageRequest {
            number: u32::MAX,
            limit: LIMIT_MAX,
        };
        assert_eq!(far.offset(), (u64::from(u32::MAX) - 1) * 100);
    }
}
