//! Tests of the comparison of a statement with the movements.

use std::collections::BTreeSet;
use std::slice::from_ref;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use crate::domain::time::Date;
use crate::domain::treasury::account_statement::Period;
use crate::domain::treasury::bank_statement::StatementLine;
use crate::domain::treasury::movement::{Movement, MovementKind};
use crate::domain::treasury::reconciliation::{Balances, DAYS_APART_MAX, Reconciliation, SumTooLarge, reconcile};
use crate::domain::treasury::signed_amount::SignedAmount;

const NO_BALANCES: Balances = Balances {
    opening: None,
    closing: None,
    booked: SignedAmount::ZERO,
};

fn minor(minor: i64) -> SignedAmount {
    SignedAmount::from_minor(minor).unwrap()
}

/// Returns a day of November 2026.
fn november(day: u8) -> Date {
    Date::parse(&format!("2026-11-{day:02}")).unwrap()
}

fn line(number: u64, day: u8, amount: i64, reference: &str) -> StatementLine {
    StatementLine {
        line: number,
        value_date: november(day),
        amount: minor(amount),
        reference: reference.to_owned(),
    }
}

fn movement(id: &str, day: u8, amount: i64, reference: &str) -> Movement {
    Movement {
        value_date: november(day),
        kind: if amount < 0 {
            MovementKind::Payout
        } else {
            MovementKind::Receipt
        },
        id: id.to_owned(),
        amount: minor(amount),
        reference: reference.to_owned(),
    }
}

/// Returns the lists of a result as text: the numbers of lines and the ids of movements.
fn lists(result: &Reconciliation) -> String {
    let matched = result
        .matched
        .iter()
        .map(|m| format!("{}={} {}", m.line.line, m.movement.id, m.days_apart));
    let near = result
        .near_misses
        .iter()
        .map(|m| format!("{}~{} {}", m.line.line, m.movement.id, m.difference));
    let here = result.missing_here.iter().map(|line| format!("{}?", line.line));
    let there = result.missing_there.iter().map(|m| format!("?{}", m.id));
    let duplicates = result
        .duplicates
        .iter()
        .map(|d| format!("{}:{}", d.line.line, d.repeats));
    let all: Vec<String> = matched.chain(near).chain(here).chain(there).chain(duplicates).collect();
    all.join(", ")
}

fn compared(lines: &[StatementLine], movements: &[Movement]) -> String {
    lists(&reconcile(lines.to_vec(), movements.to_vec(), Period::default(), &NO_BALANCES).unwrap())
}

#[test]
fn a_line_matches_by_amount_and_reference() {
    for (of_line, of_movement, expected) in [
        ((1, 100, "DEP-1"), (1, 100, "dep 1"), "2=a 0"),
        ((6, 100, "DEP-1"), (1, 100, "DEP1"), "2=a 5"),
        ((1, 100, "DEP-1"), (3, 100, "DEP1"), "2=a -2"),
        ((7, 100, "DEP-1"), (1, 100, "DEP1"), "2~a 0.00"),
        ((1, 150, "DEP-1"), (1, 100, "DEP1"), "2~a 0.50"),
        ((1, -100, "DEP-1"), (1, 100, "DEP1"), "2?, ?a"),
        ((1, 100, "DEP-1"), (1, 100, "DEP2"), "2?, ?a"),
        ((1, 100, ""), (1, 100, ""), "2?, ?a"),
        ((1, 100, " - "), (1, 100, "/"), "2?, ?a"),
        ((2, 100, "NIP/DEP-123 456/ADA"), (1, 100, "DEP123456"), "2=a 1"),
        ((2, 100, "NIP/DEP-12/ADA"), (1, 100, "DEP12"), "2?, ?a"),
        ((2, 100, "NIP/DEP-123456/ADA"), (1, 300, "DEP123456"), "2~a -2.00"),
        ((2, -100, "NIP/DEP-123456/ADA"), (1, 300, "DEP123456"), "2?, ?a"),
        ((2, 100, "NIP/DEP-1234567/ADA"), (1, 100, "DEP123456"), "2?, ?a"),
        ((2, 100, "DEP-123456"), (1, 100, "NIP/DEP123456/ADA"), "2?, ?a"),
    ] {
        let of_line = line(2, of_line.0, of_line.1, of_line.2);
        let of_movement = movement("a", of_movement.0, of_movement.1, of_movement.2);
        assert_eq!(compared(from_ref(&of_line), &[of_movement]), expected, "{of_line:?}");
    }
}

#[test]
fn each_line_and_each_movement_is_used_once() {
    let twice = [
        line(2, 1, 100, "DEP-1"),
        line(3, 1, 100, "DEP-1"),
        line(4, 2, 100, "DEP-1"),
    ];
    assert_eq!(compared(&twice, &[movement("a", 1, 100, "DEP1")]), "2=a 0, 4?, 3:2");
    assert_eq!(compared(&twice, &[]), "2?, 4?, 3:2");
    let movements = [movement("a", 1, 100, "DEP1"), movement("b", 2, 100, "DEP1")];
    assert_eq!(compared(&twice, &movements), "2=a 0, 4=b 0, 3:2");
    assert_eq!(compared(&twice[..1], &movements), "2=a 0, ?b");
    let movements = [movement("a", 3, 100, "DEP1"), movement("b", 2, 100, "DEP1")];
    assert_eq!(
        compared(&twice, &movements),
        "2=a -2, 4=b 0, 3:2",
        "the same day comes first"
    );
    let charges = [line(2, 1, -5, ""), line(3, 1, -5, "")];
    assert_eq!(compared(&charges, &[]), "2?, 3?", "no reference, no duplicate");
}

#[test]
fn a_narration_with_two_references_is_ambiguous() {
    let both = line(2, 1, 100, "DEP111111 and DEP222222");
    let movements = [movement("a", 1, 100, "DEP111111"), movement("b", 1, 100, "DEP222222")];
    assert_eq!(compared(from_ref(&both), &movements), "2?, ?a, ?b");
    let other_amount = [movement("a", 1, 100, "DEP111111"), movement("b", 1, 300, "DEP222222")];
    assert_eq!(
        compared(from_ref(&both), &other_amount),
        "2=a 0, ?b",
        "one has the amount"
    );
    let other_time = [movement("a", 20, 100, "DEP111111"), movement("b", 1, 100, "DEP222222")];
    assert_eq!(compared(from_ref(&both), &other_time), "2=b 0, ?a", "one has the time");
    let used = [both, line(3, 1, 100, "DEP111111")];
    assert_eq!(
        compared(&used, &movements),
        "2=b 0, 3=a 0",
        "one is taken by its own line"
    );
}

#[test]
fn the_balance_is_explained_to_the_kobo() {
    let lines = vec![
        line(2, 1, 10_000, "DEP1"),
        line(3, 1, 2_500, "DEP2"),
        line(4, 2, -50, "SMS CHARGE"),
        line(5, 2, -50, "SMS CHARGE"),
        line(6, 3, 700, "UNKNOWN"),
    ];
    let movements = vec![
        movement("a", 1, 10_000, "DEP1"),
        movement("b", 1, 2_600, "DEP2"),
        movement("c", 3, -4_000, "PAY1"),
    ];
    let booked = 5_000 + 10_000 + 2_600 - 4_000;
    let balances = |opening: Option<i64>, closing: Option<i64>| Balances {
        opening: opening.map(minor),
        closing: closing.map(minor),
        booked: minor(booked),
    };
    let reconciled = |balances| reconcile(lines.clone(), movements.clone(), Period::default(), &balances).unwrap();
    let result = reconciled(balances(Some(5_000), Some(18_100)));
    assert_eq!(lists(&result), "2=a 0, 3~b -1.00, 4?, 6?, ?c, 5:4");
    let sums = result.sums;
    assert_eq!(
        [
            sums.lines,
            sums.movements,
            sums.matched,
            sums.near_miss_lines,
            sums.near_miss_movements
        ],
        [13_100, 8_600, 10_000, 2_500, 2_600].map(minor)
    );
    assert_eq!(
        [sums.missing_here, sums.missing_there, sums.duplicates],
        [650, -4_000, -50].map(minor)
    );
    let balance = result.balance;
    assert_eq!((balance.opening, balance.lines), (Some(minor(5_000)), minor(13_100)));
    assert_eq!((balance.closing, balance.booked), (Some(minor(18_100)), minor(13_600)));
    assert_eq!(balance.statement_gap, Some(SignedAmount::ZERO));
    assert_eq!(balance.difference, Some(minor(4_500)));
    assert_eq!(
        (balance.explained, balance.unexplained),
        (minor(4_500), Some(SignedAmount::ZERO))
    );

    let computed = reconciled(balances(Some(5_000), None)).balance;
    assert_eq!((computed.closing, computed.statement_gap), (Some(minor(18_100)), None));
    let without = reconciled(balances(None, None)).balance;
    assert_eq!(
        (without.closing, without.difference, without.unexplained),
        (None, None, None)
    );
    assert_eq!(without.explained, minor(4_500));
    let stood_twice_in_the_file = reconciled(balances(Some(5_000), Some(18_150))).balance;
    assert_eq!(stood_twice_in_the_file.statement_gap, Some(minor(50)));
    assert_eq!(stood_twice_in_the_file.unexplained, Some(minor(50)));
}

#[test]
fn a_comparison_agrees_if_nothing_is_left() {
    let days = Period {
        from: Some(november(2)),
        to: Some(november(5)),
    };
    let own = || line(2, 2, 100, "DEP1");
    let (inside, outside) = (|| movement("a", 2, 100, "DEP1"), || movement("a", 1, 100, "DEP1"));
    for (name, lines, movements, opening, closing, agrees) in [
        ("nothing on either side", vec![], vec![], None, None, true),
        ("the same", vec![own()], vec![inside()], None, None, true),
        (
            "the same, and the balance",
            vec![own()],
            vec![inside()],
            Some(0),
            Some(100),
            true,
        ),
        ("another balance", vec![own()], vec![inside()], None, Some(101), false),
        (
            "a gap in the statement",
            vec![own()],
            vec![inside()],
            Some(1),
            Some(100),
            false,
        ),
        (
            "missing here",
            vec![own(), line(3, 2, 50, "X")],
            vec![inside()],
            None,
            None,
            false,
        ),
        ("missing there", vec![], vec![inside()], None, None, false),
        (
            "another amount",
            vec![line(2, 2, 150, "DEP1")],
            vec![inside()],
            None,
            None,
            false,
        ),
        (
            "twice",
            vec![own(), line(3, 2, 100, "DEP1")],
            vec![inside()],
            None,
            None,
            false,
        ),
        ("of other days", vec![own()], vec![outside()], None, None, false),
        (
            "of other days, and the balance",
            vec![own()],
            vec![outside()],
            None,
            Some(100),
            true,
        ),
    ] {
        let balances = Balances {
            opening: opening.map(minor),
            closing: closing.map(minor),
            booked: minor(100),
        };
        let found = reconcile(lines, movements, days, &balances).unwrap();
        assert_eq!(found.agrees(), agrees, "{name}");
    }
}

#[test]
fn sums_beyond_the_largest_amount_are_refused() {
    let max = SignedAmount::MAX.minor();
    let lines = vec![line(2, 1, max, "A"), line(3, 1, max, "B")];
    let refused = reconcile(lines, Vec::new(), Period::default(), &NO_BALANCES).unwrap_err();
    assert_eq!(refused, SumTooLarge { of: "lines" });
    assert_eq!(
        refused.to_string(),
        "the sum of the lines is beyond 90071992547409.91, the largest amount of the service"
    );
    let movements = vec![movement("a", 1, -max, "A")];
    let refused = reconcile(vec![line(2, 1, max, "A")], movements, Period::default(), &NO_BALANCES);
    assert_eq!(refused, Err(SumTooLarge { of: "balances" }));
    let balances = Balances {
        closing: Some(minor(max)),
        booked: minor(-1),
        ..NO_BALANCES
    };
    assert_eq!(
        reconcile(Vec::new(), Vec::new(), Period::default(), &balances),
        Err(SumTooLarge { of: "balances" })
    );
}

#[test]
fn a_long_statement_takes_little_time() {
    // All references begin alike and each line has a long narration.
    const COUNT: u64 = 50_000;
    let number = |n: u64| u8::try_from(n % 28 + 1).unwrap();
    let narration = "NIP TRANSFER FROM ADA OBI OF LAGOS BY MOBILE FOR THE BICYCLE";
    let lines: Vec<StatementLine> = (0..COUNT)
        .map(|n| line(n + 2, number(n), 100, &format!("{narration} ESCROWD{n:08} {narration}")))
        .collect();
    let movements: Vec<Movement> = (0..COUNT)
        .map(|n| movement(&n.to_string(), number(n), 100, &format!("ESCROWD-{n:08}")))
        .collect();
    let start = Instant::now();
    let result = reconcile(lines, movements, Period::default(), &NO_BALANCES).unwrap();
    assert_eq!(result.matched.len(), 50_000);
    // Some seconds in a debug build; to compare every pair would take hours.
    assert!(start.elapsed() < Duration::from_mins(1), "{:?}", start.elapsed());
}

/// Returns lines or movements with few different values, so that many agree.
fn entries() -> impl Strategy<Value = Vec<(u8, i64, &'static str)>> {
    let reference = prop::sample::select(vec![
        "",
        "R1",
        "r-1",
        "REF-111111",
        "REF1111112",
        "to REF111111 by Ada",
        "REF111111 ABCDEF",
        "abcdef",
    ]);
    prop::collection::vec(
        (1_u8..12, prop::sample::select(vec![-200_i64, 100, 250]), reference),
        0..14,
    )
}

proptest! {
    #[test]
    fn every_line_and_every_movement_is_in_one_list(
        of_lines in entries(),
        of_movements in entries(),
        opening in -1_000_i64..1_000,
        shuffled in any::<prop::sample::Index>(),
    ) {
        let lines: Vec<_> = (2..).zip(&of_lines).map(|(n, &(day, amount, text))| line(n, day, amount, text)).collect();
        let movements: Vec<_> = (0..).zip(&of_movements)
            .map(|(n, &(day, amount, text))| movement(&format!("m{n}"), day, amount, text))
            .collect();
        let sum: i64 = movements.iter().map(|m| m.amount.minor()).sum();
        let balances = Balances { opening: Some(minor(opening)), closing: None, booked: minor(opening + sum) };
        let result = reconcile(lines.clone(), movements.clone(), Period::default(), &balances).unwrap();

        let mut all_lines: Vec<&StatementLine> = result.missing_here.iter().collect();
        all_lines.extend(result.matched.iter().map(|pair| &pair.line));
        all_lines.extend(result.near_misses.iter().map(|pair| &pair.line));
        all_lines.extend(result.duplicates.iter().map(|duplicate| &duplicate.line));
        all_lines.sort();
        prop_assert_eq!(all_lines, lines.iter().collect::<Vec<_>>());
        let mut all_movements: Vec<&Movement> = result.missing_there.iter().collect();
        all_movements.extend(result.matched.iter().map(|pair| &pair.movement));
        all_movements.extend(result.near_misses.iter().map(|pair| &pair.movement));
        let ids: BTreeSet<&str> = all_movements.iter().map(|m| m.id.as_str()).collect();
        prop_assert_eq!((ids.len(), all_movements.len()), (movements.len(), movements.len()));

        for pair in &result.matched {
            prop_assert_eq!(pair.line.amount, pair.movement.amount);
            prop_assert!(pair.days_apart.abs() <= DAYS_APART_MAX);
        }
        for pair in &result.near_misses {
            prop_assert!(!pair.difference.is_zero() || pair.days_apart.abs() > DAYS_APART_MAX);
            prop_assert_eq!(pair.line.amount.minor() < 0, pair.movement.amount.minor() < 0);
        }
        let sums = &result.sums;
        let of_lines = [sums.matched, sums.near_miss_lines, sums.missing_here, sums.duplicates];
        prop_assert_eq!(SignedAmount::total(of_lines), Some(sums.lines));
        let of_movements = [sums.matched, sums.near_miss_movements, sums.missing_there];
        prop_assert_eq!(SignedAmount::total(of_movements), Some(sums.movements));
        prop_assert_eq!(result.balance.unexplained, Some(SignedAmount::ZERO));

        let (mut lines, mut movements) = (lines, movements);
        if !lines.is_empty() {
            let at = shuffled.index(lines.len());
            lines.rotate_left(at);
            lines.reverse();
        }
        movements.reverse();
        prop_assert_eq!(reconcile(lines, movements, Period::default(), &balances).unwrap(), result);
    }
}
