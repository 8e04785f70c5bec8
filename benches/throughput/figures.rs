//! Medians, spread and ratios of what the rounds measured.

use serde::Serialize;

use crate::load::Run;

/// One way of doing the work, over all rounds.
#[derive(Serialize)]
pub(crate) struct Line {
    pub(crate) name: String,
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

/// What one line is beside another, and what it should be.
#[derive(Serialize)]
pub(crate) struct Ratio {
    pub(crate) name: String,
    pub(crate) aim: &'static str,
    #[serde(flatten)]
    pub(crate) spread: Spread,
}

impl Line {
    /// What the rounds of one way of doing it add up to; `None` without a round.
    pub(crate) fn of(name: impl Into<String>, runs: &[Run]) -> Option<Self> {
        let quantile = |quantile: f64| Spread::of(runs.iter().map(|run| millis(run, quantile)).collect());
        Some(Self {
            name: name.into(),
            per_second: Spread::of(runs.iter().map(|run| run.per_second).collect())?,
            p50_ms: quantile(0.5)?,
            p99_ms: quantile(0.99)?,
            p999_ms: quantile(0.999)?,
            worst_ms: quantile(1.0)?,
        })
    }
}

/// A run's latency at this quantile.
pub(crate) fn millis(run: &Run, quantile: f64) -> f64 {
    run.latency.value_at_quantile(quantile) as f64 / 1000.0
}

/// A run's rate.
pub(crate) const fn rate(run: &Run) -> f64 {
    run.per_second
}

impl Spread {
    pub(crate) fn of(mut values: Vec<f64>) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        Some(Self {
            median: *values.get(values.len() / 2)?,
            min: *values.first()?,
            max: *values.last()?,
        })
    }
}

impl Ratio {
    /// The ratio in each round, where both stood under the same conditions; `None`
    /// when one of them did not take part.
    pub(crate) fn of(
        name: impl Into<String>,
        aim: &'static str,
        measure: impl Fn(&Run) -> f64,
        runs: &[Run],
        beside: &[Run],
    ) -> Option<Self> {
        let ratios = runs
            .iter()
            .zip(beside)
            .map(|(run, other)| measure(run) / measure(other));
        Some(Self {
            name: name.into(),
            aim,
            spread: Spread::of(ratios.collect())?,
        })
    }
}
