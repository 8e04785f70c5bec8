//! Medians, spreads and ratios of the measurements.

use serde::Serialize;

use crate::load::Run;

/// The figures of one implementation over all rounds.
#[derive(Serialize)]
pub(crate) struct Line {
    pub(crate) name: String,
    pub(crate) per_second: Spread,
    pub(crate) p50_ms: Spread,
    pub(crate) p99_ms: Spread,
    pub(crate) p999_ms: Spread,
    pub(crate) worst_ms: Spread,
}

/// The median, the least and the greatest value of all rounds.
#[derive(Clone, Copy, Serialize)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

/// The ratio of one implementation's figure to another's, and the target of the ratio.
#[derive(Serialize)]
pub(crate) struct Ratio {
    pub(crate) name: String,
    pub(crate) aim: &'static str,
    #[serde(flatten)]
    pub(crate) spread: Spread,
}

impl Line {
    /// Summarizes the rounds of one implementation. Returns `None` if there are no rounds.
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

/// Returns the latency of a run at this quantile, in milliseconds.
pub(crate) fn millis(run: &Run, quantile: f64) -> f64 {
    run.latency.value_at_quantile(quantile) as f64 / 1000.0
}

/// Returns the requests per second of a run.
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
    /// Computes the ratio in each round, in which both ran under the same conditions.
    /// Returns `None` if one of them did not take part.
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
