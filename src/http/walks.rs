//! Remembers which lists are being read page by page.
//!
//! A client that reads page 1, 2, 3 of a list names no place in it. Without a memory, a row
//! that is inserted meanwhile moves the last row of one page to the next, and the client
//! reads it twice. So the newest row at page 1 is kept for a short time, and the next pages
//! leave newer rows out. Only pages up to the one that follows the last page read count as
//! part of a walk: a client that asks for another page sees the list as it is.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::domain::page::{Page, PageRequest, PageStart};

/// The time from one page of a walk to the next, after which the walk is over.
const PAUSE_MAX: Duration = Duration::from_mins(1);
/// The most walks that are remembered.
const WALKS_MAX: usize = 4_096;

/// The identity of a list: the hash of its key, customer, merchant, path and filters.
pub(crate) type ListHash = [u8; 32];

/// The walks of all lists. Two walks of one list at the same time share the newer start, so
/// that the older one may read a row twice but misses none.
#[derive(Debug, Default)]
pub struct Walks(Mutex<HashMap<ListHash, Walk>>);

#[derive(Clone, Copy, Debug)]
struct Walk {
    /// The key of the newest row when page 1 was read.
    newest: i64,
    /// The number of the page that follows the last one read.
    next: u32,
    read_at: Instant,
}

impl Walks {
    /// Returns the request for a page of this list, without the rows that are newer than the
    /// walk if the page is part of one.
    pub(crate) fn bounded(&self, list: &ListHash, request: PageRequest) -> PageRequest {
        let PageStart::Number(number @ 2..) = request.start else {
            return request;
        };
        let walks = self.walks();
        let walk = walks
            .get(list)
            .filter(|walk| number <= walk.next && walk.read_at.elapsed() < PAUSE_MAX);
        let start = walk.map_or(request.start, |&Walk { newest, .. }| PageStart::NumberFrom {
            number,
            newest,
        });
        PageRequest { start, ..request }
    }

    /// Notes a page that was read.
    pub(crate) fn note<T>(&self, list: ListHash, page: &Page<T>) {
        let Some(number) = page.request.number() else {
            return;
        };
        let mut walks = self.walks();
        let next = number.saturating_add(1);
        let read_at = Instant::now();
        match (page.request.start, page.newest_key(), page.is_last()) {
            (PageStart::Number(1), Some(newest), false) => {
                if walks.len() >= WALKS_MAX && !walks.contains_key(&list) {
                    make_room(&mut walks);
                }
                walks.insert(list, Walk { newest, next, read_at });
            }
            (PageStart::Number(1), _, _) => drop(walks.remove(&list)),
            (PageStart::NumberFrom { newest, .. }, _, _) => {
                if let Some(walk) = walks.get_mut(&list).filter(|walk| walk.newest == newest) {
                    walk.next = walk.next.max(next);
                    walk.read_at = read_at;
                }
            }
            (PageStart::Number(_) | PageStart::Behind(_), _, _) => {}
        }
    }

    fn walks(&self) -> MutexGuard<'_, HashMap<ListHash, Walk>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Forgets the walks that are over, and otherwise the one that has waited longest.
fn make_room(walks: &mut HashMap<ListHash, Walk>) {
    walks.retain(|_, walk| walk.read_at.elapsed() < PAUSE_MAX);
    if walks.len() >= WALKS_MAX {
        let longest = walks.iter().min_by_key(|(_, walk)| walk.read_at).map(|(&list, _)| list);
        longest.map(|list| walks.remove(&list));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(number: u32) -> PageRequest {
        PageRequest::numbered(number, 2)
    }

    /// Reads a page of a list whose newest row has this key.
    fn read(walks: &Walks, list: u8, number: u32, newest: i64) -> PageStart {
        let request = walks.bounded(&[list; 32], asked(number));
        let rows = vec![newest, newest - 1, newest - 2];
        walks.note([list; 32], &Page::of(rows, 9, request, |row| *row));
        request.start
    }

    #[test]
    fn the_pages_of_a_walk_have_the_newest_row_of_its_first() {
        let walks = Walks::default();
        let of_walk = |number, newest| PageStart::NumberFrom { number, newest };
        assert_eq!(read(&walks, 1, 1, 50), PageStart::Number(1));
        assert_eq!(read(&walks, 1, 2, 60), of_walk(2, 50));
        assert_eq!(read(&walks, 1, 3, 70), of_walk(3, 50));
        assert_eq!(read(&walks, 1, 2, 70), of_walk(2, 50), "a page may be read again");
        assert_eq!(read(&walks, 1, 5, 70), PageStart::Number(5), "page 4 was not read");
        assert_eq!(read(&walks, 2, 2, 70), PageStart::Number(2), "another list");
        assert_eq!(read(&walks, 1, 1, 80), PageStart::Number(1));
        assert_eq!(read(&walks, 1, 2, 90), of_walk(2, 80), "page 1 begins anew");
    }

    #[test]
    fn a_list_with_one_page_is_not_walked() {
        let walks = Walks::default();
        walks.note([1; 32], &Page::of(vec![1], 1, asked(1), |row| *row));
        assert_eq!(read(&walks, 1, 2, 9), PageStart::Number(2));
    }

    #[test]
    fn there_is_room_for_so_many_walks() {
        let walks = Walks::default();
        for list in 0..=u32::try_from(WALKS_MAX).unwrap() {
            let mut hash = [0; 32];
            hash[..4].copy_from_slice(&list.to_be_bytes());
            walks.note(hash, &Page::of(vec![3, 2, 1], 9, asked(1), |row| *row));
        }
        assert_eq!(walks.walks().len(), WALKS_MAX);
        assert_eq!(
            walks.bounded(&[0; 32], asked(2)).start,
            PageStart::Number(2),
            "the first was forgotten"
        );
    }
}
