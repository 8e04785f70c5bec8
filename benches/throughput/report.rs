//! Medians, spread and ratios, as a table for people and as JSON for programs.

use serde::Serialize;

use crate::load::Run;

/// One way of doing the work, over all rounds.
#[derive(Serialize)]
pub(crate) struct Line {
    pub(crate) name: &'static str,
    pub(crate) per_second: Spread,
    pub(crate) p50_ms: Spread,
    pub(crate) p99_ms: Spread,
    pub(crate) p999_ms: Spread,
    pub(crate) worst_ms: Spread,
}

/// The median of the rounds, and the least and the most of them.
#[derive(Clone, Copy, Serialize)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

impl Line {
    /// What the rounds of one way of doing it add up to; `None` without a round.
    pub(crate) fn of(name: &'static str, runs: &[Run]) -> Option<Self> {
        let quantile = |quantile: f64| {
            let millis = |run: &Run| run.latency.value_at_quantile(quantile) as f64 / 1000.0;
            Spread::of(runs.iter().map(millis).collect())
        };
        Some(Self {
            name,
            per_second: Spread::of(runs.iter().map(|run| run.per_second).collect())?,
            p50_ms: quantile(0.5)?,
            p99_ms: quantile(0.99)?,
            p999_ms: quantile(0.999)?,
            worst_ms: quantile(1.0)?,
        })
    }
}

impl Spread {
    fn of(mut values: Vec<f64>) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        Some(Self {
            median: *values.get(values.len() / 2)?,
            min: *values.first()?,
            max: *values.last()?,
        })
    }
}

/// Prints a table in Markdown; ratios are against the last line.
pub(crate) fn print(title: &str, lines: &[Line]) {
    let Some(base) = lines.last() else { return };
    println!("\n{title}\n");
    println!("| What | per second (least to most) | ratio | p50 ms | p99 ms | p99.9 ms | worst ms |");
    println!("|---|---|---|---|---|---|---|");
    for line in lines {
        let Line {
            name,
            per_second,
            p50_ms,
            p99_ms,
            p999_ms,
            worst_ms,
        } = line;
        println!(
            "| {name} | {:.0} ({:.0} to {:.0}) | {:.2} | {:.1} | {:.1} | {:.1} | {:.1} |",
            per_second.median,
            per_second.min,
            per_second.max,
            per_second.median / base.per_second.median,
            p50_ms.median,
            p99_ms.median,
            p999_ms.median,
            worst_ms.median,
        );
    }
}
