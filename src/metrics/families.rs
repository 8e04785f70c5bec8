//! The metrics by name: what each is, and where its values come from. `docs/operating.md`
//! lists them.

use std::time::Duration;

use prometheus::proto::{Bucket, Counter, Gauge, Histogram, LabelPair, Metric, MetricFamily, MetricType};

use crate::background::Panics;
use crate::backups::BackupHealth;
use crate::domain::time::Timestamp;
use crate::http::{ConnectionsReading, RouteReading};
use crate::meter::HistogramReading;
use crate::store::{FileSizes, Totals, WriterReading};
use crate::webhooks::AttemptsReading;

/// The label of requests without a route.
const NO_ROUTE: &str = "none";

/// The labels of a sample, each a name and a value.
pub(super) type Labels<'a> = &'a [(&'a str, &'a str)];

/// Returns the metrics of the service as a whole.
pub(super) fn of_service(is_ready: bool) -> Vec<MetricFamily> {
    let version: Labels<'_> = &[("version", env!("CARGO_PKG_VERSION"))];
    vec![
        gauge("escrowd_build_info", "The version of escrowd.", [(version, 1)]),
        gauge(
            "escrowd_ready",
            "1 while GET /readyz answers 200, 0 otherwise.",
            [(&[][..], u64::from(is_ready))],
        ),
    ]
}

/// Returns the metric of panics in the background.
pub(super) fn of_panics(panics: &Panics) -> MetricFamily {
    let mut counts = family(
        "escrowd_background_panics_total",
        "Panics of the work in the background, which then begins again. Each is a bug.",
        MetricType::COUNTER,
    );
    for (task, count) in panics.read() {
        counts.mut_metric().push(counted(&[("task", task)], number(count)));
    }
    counts
}

/// Returns the metrics of requests, by route and status.
pub(super) fn of_requests(routes: &[RouteReading]) -> Vec<MetricFamily> {
    let mut counts = family(
        "escrowd_http_requests_total",
        "Answered requests by route and status.",
        MetricType::COUNTER,
    );
    let mut durations = family(
        "escrowd_http_request_duration_seconds",
        "The time from a request's head to its reply.",
        MetricType::HISTOGRAM,
    );
    for reading in routes {
        let route = reading.route.as_ref();
        let (method, path) = route.map_or((NO_ROUTE, NO_ROUTE), |(method, path)| (method.as_str(), *path));
        for (status, count) in &reading.statuses {
            let labels = [("method", method), ("route", path), ("status", status)];
            counts.mut_metric().push(counted(&labels, number(*count)));
        }
        let labels = [("method", method), ("route", path)];
        durations
            .mut_metric()
            .push(distributed(&labels, &reading.micros, seconds));
    }
    vec![counts, durations]
}

/// Returns the metrics of clients' connections.
pub(super) fn of_connections(connections: ConnectionsReading) -> Vec<MetricFamily> {
    vec![
        gauge(
            "escrowd_connections_open",
            "Open connections of clients.",
            [(&[][..], connections.open)],
        ),
        counter(
            "escrowd_connections_closed_by_limit_total",
            "Connections that were closed to make room (limits.connections_max).",
            [(&[][..], connections.closed_by_limit)],
        ),
    ]
}

/// Returns the metrics of the backups that the service makes.
pub(super) fn of_backups(health: &BackupHealth) -> Vec<MetricFamily> {
    let at = health.last_success().map_or(0, Timestamp::unix_seconds);
    vec![
        gauge(
            "escrowd_backup_last_success_timestamp_seconds",
            "The time of the newest backup that succeeded, 0 before the first.",
            [(&[][..], at.unsigned_abs())],
        ),
        counter(
            "escrowd_backup_failures_total",
            "Backups that failed since the start.",
            [(&[][..], health.failures())],
        ),
    ]
}

/// Returns the metrics of the writer and its files.
pub(super) fn of_writer(writer: &WriterReading, sizes: FileSizes) -> Vec<MetricFamily> {
    vec![
        gauge(
            "escrowd_writer_queue_commands",
            "Commands that wait for the writer.",
            [(&[][..], writer.waiting)],
        ),
        counter(
            "escrowd_writer_refused_commands_total",
            "Commands that were refused because the queue was full (storage.queue_commands_max).",
            [(&[][..], writer.refused)],
        ),
        histogram(
            "escrowd_writer_group_commands",
            "Commands in each commit.",
            &writer.group_commands,
            number,
        ),
        histogram(
            "escrowd_writer_commit_duration_seconds",
            "The time of each commit, with its fsync.",
            &writer.commit_micros,
            seconds,
        ),
        counter(
            "escrowd_checkpoints_total",
            "Checkpoints that copied the whole write-ahead log into the database file.",
            [(&[][..], writer.checkpoints)],
        ),
        gauge(
            "escrowd_database_bytes",
            "The size of the database file.",
            sizes.database.map(|bytes| (&[][..], bytes)),
        ),
        gauge(
            "escrowd_write_ahead_log_bytes",
            "The size of the write-ahead log.",
            sizes.log.map(|bytes| (&[][..], bytes)),
        ),
    ]
}

/// Returns the metrics of attempts to deliver webhooks.
pub(super) fn of_attempts(attempts: AttemptsReading) -> Vec<MetricFamily> {
    let outcomes: [(Labels<'_>, u64); 3] = [
        (&[("outcome", "delivered")], attempts.delivered),
        (&[("outcome", "refused")], attempts.refused),
        (&[("outcome", "failed")], attempts.failed),
    ];
    vec![counter(
        "escrowd_webhook_attempts_total",
        "Attempts to deliver an event: delivered (2xx), refused (another answer below 500, except 408, 409, 425 and \
         429), failed (those four, an answer from 500, or none).",
        outcomes,
    )]
}

/// Returns the metrics that need SQL. Without totals there is only the one that says so.
pub(super) fn of_totals(totals: Option<&Totals>, ledger_time: Timestamp) -> Vec<MetricFamily> {
    let mut found = vec![gauge(
        "escrowd_totals_read",
        "1 if the metrics that need SQL could be read within storage.read_seconds_max, 0 if they are missing.",
        [(&[][..], u64::from(totals.is_some()))],
    )];
    let Some(totals) = totals else {
        return found;
    };
    let mut balances = family(
        "escrowd_balance_minor",
        "The sum of all balances by purpose of the account, in minor units. The balance of the outside world is below zero.",
        MetricType::GAUGE,
    );
    for (purpose, minor) in &totals.balances {
        let purpose = purpose.to_lowercase();
        let value = number_of_i128(*minor);
        balances.mut_metric().push(measured(&[("account", &purpose)], value));
    }
    let mut differences = family(
        "escrowd_position_difference_minor",
        "The difference between sums that must agree, in minor units. Anything but 0 is a fault: run escrowd check.",
        MetricType::GAUGE,
    );
    for (sums, minor) in [
        ("accounts", totals.differences.accounts),
        ("in_transit", totals.differences.in_transit),
        ("suspense", totals.differences.suspense),
    ] {
        let value = number_of_i128(i128::try_from(minor).unwrap_or(i128::MAX));
        differences.mut_metric().push(measured(&[("sums", sums)], value));
    }
    let mut oldest = family(
        "escrowd_webhook_oldest_pending_seconds",
        "The age of the oldest pending delivery, 0 if none is pending.",
        MetricType::GAUGE,
    );
    let age = totals
        .oldest_delivery_at
        .map_or(0, |at| ledger_time.millis() - at.millis());
    let age = Duration::from_millis(u64::try_from(age).unwrap_or_default());
    oldest.mut_metric().push(measured(&[], age.as_secs_f64()));
    found.extend([
        balances,
        differences,
        gauge(
            "escrowd_webhook_pending_deliveries",
            "Deliveries of events that are pending.",
            [(&[][..], totals.deliveries)],
        ),
        oldest,
    ]);
    found
}

fn family(name: &str, help: &str, kind: MetricType) -> MetricFamily {
    let mut family = MetricFamily::default();
    family.set_name(name.to_owned());
    family.set_help(help.to_owned());
    family.set_field_type(kind);
    family
}

pub(super) fn gauge<'a>(name: &str, help: &str, samples: impl IntoIterator<Item = (Labels<'a>, u64)>) -> MetricFamily {
    let mut family = family(name, help, MetricType::GAUGE);
    let samples = samples.into_iter();
    family.set_metric(samples.map(|(labels, value)| measured(labels, number(value))).collect());
    family
}

fn counter<'a>(name: &str, help: &str, samples: impl IntoIterator<Item = (Labels<'a>, u64)>) -> MetricFamily {
    let mut family = family(name, help, MetricType::COUNTER);
    let samples = samples.into_iter();
    family.set_metric(samples.map(|(labels, count)| counted(labels, number(count))).collect());
    family
}

/// Returns a counter of time, in seconds.
pub(super) fn counter_of_time(name: &str, help: &str, time: Duration) -> MetricFamily {
    let mut family = family(name, help, MetricType::COUNTER);
    family.set_metric(vec![counted(&[], time.as_secs_f64())]);
    family
}

fn histogram(name: &str, help: &str, reading: &HistogramReading, unit: fn(u64) -> f64) -> MetricFamily {
    let mut family = family(name, help, MetricType::HISTOGRAM);
    family.set_metric(vec![distributed(&[], reading, unit)]);
    family
}

fn with_labels(labels: Labels<'_>) -> Metric {
    let pair = |(name, value): &(&str, &str)| {
        let mut pair = LabelPair::default();
        pair.set_name((*name).to_owned());
        pair.set_value((*value).to_owned());
        pair
    };
    Metric::from_label(labels.iter().map(pair).collect())
}

fn measured(labels: Labels<'_>, value: f64) -> Metric {
    let mut gauge = Gauge::default();
    gauge.set_value(value);
    let mut metric = with_labels(labels);
    metric.set_gauge(gauge);
    metric
}

fn counted(labels: Labels<'_>, count: f64) -> Metric {
    let mut counter = Counter::default();
    counter.set_value(count);
    let mut metric = with_labels(labels);
    metric.set_counter(counter);
    metric
}

/// Returns a histogram whose values and bounds `unit` converts.
fn distributed(labels: Labels<'_>, reading: &HistogramReading, unit: fn(u64) -> f64) -> Metric {
    let mut cumulative = 0;
    let buckets = reading.bounds.iter().zip(&reading.counts).map(|(bound, count)| {
        cumulative += count;
        let mut bucket = Bucket::default();
        bucket.set_upper_bound(unit(*bound));
        bucket.set_cumulative_count(cumulative);
        bucket
    });
    let mut histogram = Histogram::default();
    histogram.set_bucket(buckets.collect());
    histogram.set_sample_count(reading.count());
    histogram.set_sample_sum(unit(reading.sum));
    let mut metric = with_labels(labels);
    metric.set_histogram(histogram);
    metric
}

/// Returns microseconds as seconds.
fn seconds(micros: u64) -> f64 {
    Duration::from_micros(micros).as_secs_f64()
}

#[allow(
    clippy::cast_precision_loss,
    reason = "the values of Prometheus are floating-point numbers; nothing computes with them here"
)]
fn number(value: u64) -> f64 {
    value as f64
}

#[allow(
    clippy::cast_precision_loss,
    reason = "the values of Prometheus are floating-point numbers; nothing computes with them here"
)]
fn number_of_i128(value: i128) -> f64 {
    value as f64
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use prometheus::TextEncoder;

    use super::*;
    use crate::meter;
    use crate::store::Differences;

    fn text_of(families: &[MetricFamily]) -> String {
        TextEncoder::new().encode_to_string(families).unwrap()
    }

    #[test]
    fn a_histogram_has_cumulative_buckets_in_its_unit() {
        let histogram_of_micros = meter::Histogram::new(&[500, 1_000_000]);
        for micros in [100, 400, 2_000, 3_000_000] {
            histogram_of_micros.observe(micros);
        }
        let family = histogram("a_seconds", "A.", &histogram_of_micros.read(), seconds);
        assert_eq!(
            text_of(&[family]),
            "# HELP a_seconds A.\n# TYPE a_seconds histogram\n\
             a_seconds_bucket{le=\"0.0005\"} 2\na_seconds_bucket{le=\"1\"} 3\na_seconds_bucket{le=\"+Inf\"} 4\n\
             a_seconds_sum 3.0025\na_seconds_count 4\n"
        );
    }

    #[test]
    fn totals_that_could_not_be_read_are_left_out_and_told() {
        let now = Timestamp::from_millis(90_500).unwrap();
        let text = text_of(&of_totals(None, now));
        assert!(
            text.contains("escrowd_totals_read 0\n") && !text.contains("balance"),
            "{text}"
        );
        let totals = Totals {
            balances: BTreeMap::from([("CUSTOMER_MAIN".to_owned(), 12), ("OUTSIDE_WORLD".to_owned(), -12)]),
            differences: Differences {
                accounts: 0,
                in_transit: 5,
                suspense: 0,
            },
            deliveries: 3,
            oldest_delivery_at: Timestamp::from_millis(60_000),
        };
        let text = text_of(&of_totals(Some(&totals), now));
        for line in [
            "escrowd_totals_read 1",
            "escrowd_balance_minor{account=\"customer_main\"} 12",
            "escrowd_balance_minor{account=\"outside_world\"} -12",
            "escrowd_position_difference_minor{sums=\"in_transit\"} 5",
            "escrowd_webhook_pending_deliveries 3",
            "escrowd_webhook_oldest_pending_seconds 30.5",
        ] {
            assert!(text.contains(&format!("{line}\n")), "{line}: {text}");
        }
    }
}
