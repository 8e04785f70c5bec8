//! Measures the bytes of the database file that a whole deal adds, by table and index.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::path::Path;

use futures_util::future::try_join_all;
use indicatif::{ProgressBar, ProgressStyle};
use rusqlite::Connection;
use serde_json::json;

use crate::arguments::CommonOptions;
use crate::report::Report;
use crate::whole_deals::{Reads, Trader};
use crate::workbench::{Workbench, audit};

/// The milestones of each deal.
const MILESTONES: usize = 3;
/// The customers of all deals. Their own rows come with the first deals, which do not count.
const CUSTOMERS: usize = 1000;
/// The deals before those that count.
const FIRST_DEALS: usize = 3000;
/// Tables and indexes whose rows retention removes.
const PASSING: [&str; 6] = [
    "event",
    "event_of_merchant",
    "delivery",
    "delivery_attempt",
    "idempotency_record",
    "idempotency_record_by_age",
];
const SECONDS_PER_YEAR: f64 = 31_536_000.0;
const DAYS_KEPT: f64 = 30.0;
/// A table or index adds fewer bytes than this to each deal: it is not shown by itself.
const SHOWN_BYTES_MIN: f64 = 1.0;

/// Makes deals on a new file, and reports the bytes that each adds.
pub(crate) fn run(
    report: &mut Report,
    workbench: &Workbench,
    deals: usize,
    common: &CommonOptions,
) -> anyhow::Result<()> {
    let file = workbench.file("disk.db");
    let style = ProgressStyle::with_template("{bar:40} deal {pos}/{len} {eta}")?;
    let bar = ProgressBar::new((FIRST_DEALS + deals) as u64).with_style(style);
    trade(workbench, &file, FIRST_DEALS, common, &bar)?;
    let before = bytes_by_object(&file)?;
    trade(workbench, &file, deals, common, &bar)?;
    bar.finish_and_clear();
    let after = bytes_by_object(&file)?;
    audit(&file)?;
    let mut grown: Vec<(String, f64)> = after
        .into_iter()
        .map(|(name, bytes)| {
            let before = before.get(&name).copied().unwrap_or_default();
            (name, (bytes - before) as f64 / deals as f64)
        })
        .collect();
    grown.sort_by(|a, b| b.1.total_cmp(&a.1));
    report_growth(report, &grown, deals);
    Ok(())
}

/// Makes this many deals, and stops the service, so that the file holds them all.
fn trade(
    workbench: &Workbench,
    file: &Path,
    deals: usize,
    common: &CommonOptions,
    bar: &ProgressBar,
) -> anyhow::Result<()> {
    let server = workbench.escrowd(file)?;
    let left = Cell::new(deals);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(try_join_all((0..common.connections).map(async |number| {
        let seed = number + deals;
        let mut trader = Trader::connect(&server.address, seed, MILESTONES, CUSTOMERS, Reads::None).await?;
        while left.get() > 0 {
            left.update(|left| left - 1);
            trader.deal().await?;
            bar.inc(1);
        }
        anyhow::Ok(())
    })))?;
    server.stop()
}

fn bytes_by_object(file: &Path) -> anyhow::Result<BTreeMap<String, i64>> {
    let connection = Connection::open(file)?;
    let mut statement = connection.prepare("SELECT name, sum(pgsize) FROM dbstat GROUP BY name")?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn report_growth(report: &mut Report, grown: &[(String, f64)], deals: usize) {
    let total: f64 = grown.iter().map(|(_, bytes)| bytes).sum();
    let passing = grown.iter().filter(|(name, _)| PASSING.contains(&name.as_str()));
    let permanent = total - passing.map(|(_, bytes)| bytes).sum::<f64>();
    let cell = |bytes: f64| format!("{bytes:.0}");
    let mut rows: Vec<Vec<String>> = grown
        .iter()
        .filter(|(_, bytes)| *bytes >= SHOWN_BYTES_MIN)
        .map(|(name, bytes)| vec![name.clone(), cell(*bytes), String::new()])
        .collect();
    rows.push(vec!["permanent".to_owned(), cell(permanent), "at most 1331".to_owned()]);
    rows.push(vec!["all".to_owned(), cell(total), "at most 3072".to_owned()]);
    let title = format!("Bytes of file per deal of {MILESTONES} stages, over {deals} deals");
    let figures = json!({ "total": total, "permanent": permanent, "by_object": grown });
    report.table("disk", &[title.as_str(), "bytes", "aim"], &rows, &figures);
    let years: Vec<Vec<String>> = [1.0, 100.0]
        .into_iter()
        .map(|per_second| {
            let gigabytes = |bytes: f64| format!("{:.0} GB", bytes * per_second / 1e9);
            let kept = permanent * SECONDS_PER_YEAR + (total - permanent) * DAYS_KEPT * 86_400.0;
            vec![
                format!("{per_second:.0}"),
                gigabytes(total * SECONDS_PER_YEAR),
                gigabytes(kept),
            ]
        })
        .collect();
    let head = ["Deals per second", "file after a year", "with events kept 30 days"];
    report.table("year", &head, &years, &years);
}
