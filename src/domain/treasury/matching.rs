//! Finds the pairs of a statement's line and a movement by amount and reference. It compares within
//! groups, so its cost is that of sorting the two lists.

use std::collections::BTreeMap;

use crate::domain::time::Date;
use crate::domain::treasury::bank_statement::StatementLine;
use crate::domain::treasury::movement::Movement;
use crate::domain::treasury::reference::{ReferenceIndex, ReferenceKey};

/// The most days between the value dates of a line and its movement. A transfer of the
/// Thursday before Easter is booked on the Tuesday after it, five days later, and people
/// record the day on which they looked.
pub const DAYS_APART_MAX: i64 = 5;

/// Returns the number of a day.
pub(super) fn day(date: Date) -> i64 {
    const DAY_MILLIS: i64 = 86_400_000;
    date.span_millis().0 / DAY_MILLIS
}

/// A line and a movement, by their places in the two lists.
type Pair = (usize, usize);

/// The pairs of [`pairs`], in the order of lines.
#[derive(Debug, Default)]
pub(super) struct Pairs {
    /// The same reference and amount, a few days apart at most.
    pub(super) matched: Vec<Pair>,
    /// The same reference and direction, another amount or another time.
    pub(super) near: Vec<Pair>,
}

/// Finds the pairs in two sorted lists, with the key of each line's reference. Each line and
/// each movement is in one pair at most.
pub(super) fn pairs(lines: &[StatementLine], keys: &[ReferenceKey], movements: &[Movement]) -> Pairs {
    let movement_keys: Vec<ReferenceKey> = movements.iter().map(|m| ReferenceKey::of(&m.reference)).collect();
    let mut search = Search {
        lines: lines
            .iter()
            .map(|line| (day(line.value_date), line.amount.minor()))
            .collect(),
        movements: movements
            .iter()
            .map(|m| (day(m.value_date), m.amount.minor()))
            .collect(),
        keys,
        movement_keys: &movement_keys,
        line_used: vec![false; lines.len()],
        movement_used: vec![false; movements.len()],
    };
    let mut found = Pairs::default();
    search.match_equal_references(&mut found.matched);
    let index = ReferenceIndex::new(&movement_keys);
    let embedded: Vec<(usize, Vec<&str>)> = (0..lines.len())
        .filter(|&line| !search.line_used[line])
        .map(|line| (line, index.found_in(&keys[line])))
        .filter(|(_, found)| !found.is_empty())
        .collect();
    search.match_embedded_references(&embedded, &mut found.matched);
    search.pair_near(&embedded, &mut found.near);
    found.matched.sort_unstable();
    found.near.sort_unstable();
    found
}

/// The state of the search.
struct Search<'a> {
    /// The day and the amount of each line.
    lines: Vec<(i64, i64)>,
    /// The day and the amount of each movement.
    movements: Vec<(i64, i64)>,
    keys: &'a [ReferenceKey],
    movement_keys: &'a [ReferenceKey],
    line_used: Vec<bool>,
    movement_used: Vec<bool>,
}

/// True for money that went out.
type IsOut = bool;

/// Lines and movements that may be paired with each other.
type Group = (Vec<usize>, Vec<usize>);

impl<'a> Search<'a> {
    fn unused_lines(&self) -> impl Iterator<Item = usize> {
        (0..self.lines.len()).filter(|&line| !self.line_used[line] && !self.keys[line].is_empty())
    }

    fn unused_movements(&self) -> impl Iterator<Item = usize> {
        let is_unused = |&m: &usize| !self.movement_used[m] && !self.movement_keys[m].is_empty();
        (0..self.movements.len()).filter(is_unused)
    }

    /// Returns the unused movements by reference and amount, each list by day.
    fn movements_by_amount(&self) -> BTreeMap<(&'a str, i64), Vec<usize>> {
        let mut groups: BTreeMap<_, Vec<usize>> = BTreeMap::new();
        let keys = self.movement_keys;
        for m in self.unused_movements() {
            groups
                .entry((keys[m].as_str(), self.movements[m].1))
                .or_default()
                .push(m);
        }
        for group in groups.values_mut() {
            group.sort_by_key(|&m| (self.movements[m].0, m));
        }
        groups
    }

    fn match_equal_references(&mut self, matched: &mut Vec<Pair>) {
        let mut groups: BTreeMap<(&str, i64), Group> = BTreeMap::new();
        for (key, movements) in self.movements_by_amount() {
            groups.insert(key, (Vec::new(), movements));
        }
        for line in self.unused_lines() {
            if let Some(group) = groups.get_mut(&(self.keys[line].as_str(), self.lines[line].1)) {
                group.0.push(line);
            }
        }
        for (lines, movements) in groups.values() {
            self.match_by_day(lines, movements, matched);
        }
    }

    /// Matches a line to the one reference in its text that has an unused movement of its
    /// amount and time. With two such references the line stays unmatched.
    fn match_embedded_references(&mut self, embedded: &[(usize, Vec<&'a str>)], matched: &mut Vec<Pair>) {
        let movements = self.movements_by_amount();
        let mut groups: BTreeMap<(&str, i64), Vec<usize>> = BTreeMap::new();
        for (line, found) in embedded {
            let (day, amount) = self.lines[*line];
            let is_candidate = |key: &&&str| {
                let group = movements.get(&(**key, amount)).map(Vec::as_slice).unwrap_or_default();
                let from = group.partition_point(|&m| self.movements[m].0 < day - DAYS_APART_MAX);
                group
                    .get(from)
                    .is_some_and(|&m| self.movements[m].0 <= day + DAYS_APART_MAX)
            };
            let mut candidates = found.iter().filter(is_candidate);
            if let (Some(key), None) = (candidates.next(), candidates.next()) {
                groups.entry((*key, amount)).or_default().push(*line);
            }
        }
        for (key, lines) in groups {
            self.match_by_day(&lines, &movements[&key], matched);
        }
    }

    /// Matches lines and movements of one reference and amount: those of the same day, then
    /// those that are a few days apart, from the earliest on.
    fn match_by_day(&mut self, lines: &[usize], movements: &[usize], matched: &mut Vec<Pair>) {
        for days_apart in [0, DAYS_APART_MAX] {
            let lines = lines.iter().copied().filter(|&line| !self.line_used[line]);
            let mut lines: Vec<usize> = lines.collect();
            lines.sort_by_key(|&line| (self.lines[line].0, line));
            let mut lines = lines.into_iter().peekable();
            let movements = movements.iter().copied().filter(|&m| !self.movement_used[m]);
            let mut movements: Vec<usize> = movements.collect();
            movements.sort_by_key(|&m| (self.movements[m].0, m));
            let mut movements = movements.into_iter().peekable();
            while let (Some(&line), Some(&movement)) = (lines.peek(), movements.peek()) {
                let (of_line, of_movement) = (self.lines[line].0, self.movements[movement].0);
                if of_line < of_movement - days_apart {
                    lines.next();
                } else if of_movement < of_line - days_apart {
                    movements.next();
                } else {
                    self.pair(lines.next().zip(movements.next()), matched);
                }
            }
        }
    }

    fn pair(&mut self, pair: Option<Pair>, pairs: &mut Vec<Pair>) {
        if let Some((line, movement)) = pair {
            self.line_used[line] = true;
            self.movement_used[movement] = true;
            pairs.push((line, movement));
        }
    }

    /// Pairs lines and movements that are left and share a reference, first where it is the
    /// whole text of the line, then where it is the only reference in it. Money that came and money
    /// that went are never the same: the bank takes a credit back under the reference of the credit.
    fn pair_near(&mut self, embedded: &[(usize, Vec<&'a str>)], near: &mut Vec<Pair>) {
        let mut groups = self.movements_by_key();
        for line in self.unused_lines() {
            if let Some(group) = groups.get_mut(&(self.keys[line].as_str(), self.lines[line].1 < 0)) {
                group.0.push(line);
            }
        }
        self.pair_groups(groups, near);
        let mut groups = self.movements_by_key();
        for (line, found) in embedded.iter().filter(|(line, _)| !self.line_used[*line]) {
            if let [key] = found.as_slice()
                && let Some(group) = groups.get_mut(&(*key, self.lines[*line].1 < 0))
            {
                group.0.push(*line);
            }
        }
        self.pair_groups(groups, near);
    }

    fn movements_by_key(&self) -> BTreeMap<(&'a str, IsOut), Group> {
        let mut groups: BTreeMap<_, Group> = BTreeMap::new();
        let keys = self.movement_keys;
        for m in self.unused_movements() {
            let key = (keys[m].as_str(), self.movements[m].1 < 0);
            groups.entry(key).or_default().1.push(m);
        }
        groups
    }

    /// Pairs what has the same amount, then the rest, in the order of amounts and days.
    fn pair_groups(&mut self, groups: BTreeMap<(&str, IsOut), Group>, near: &mut Vec<Pair>) {
        for (lines, movements) in groups.into_values() {
            let mut by_amount: BTreeMap<i64, Group> = BTreeMap::new();
            for line in lines {
                by_amount.entry(self.lines[line].1).or_default().0.push(line);
            }
            for movement in movements {
                by_amount
                    .entry(self.movements[movement].1)
                    .or_default()
                    .1
                    .push(movement);
            }
            let (mut lines_left, mut movements_left) = (Vec::new(), Vec::new());
            for (mut lines, mut movements) in by_amount.into_values() {
                lines.sort_by_key(|&line| (self.lines[line].0, line));
                movements.sort_by_key(|&m| (self.movements[m].0, m));
                let same = lines.len().min(movements.len());
                lines_left.extend(lines.drain(same..));
                movements_left.extend(movements.drain(same..));
                for pair in lines.into_iter().zip(movements) {
                    self.pair(Some(pair), near);
                }
            }
            for pair in lines_left.into_iter().zip(movements_left) {
                self.pair(Some(pair), near);
            }
        }
    }
}
