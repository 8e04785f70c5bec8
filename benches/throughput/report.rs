//! The results of a run. They are printed, and on request written to a JSON file and to a
//! Markdown file.

use std::path::Path;

use anyhow::Context;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::arguments::CommonOptions;
use crate::figures::{Line, Ratio};
use crate::machine;

/// The results of one run.
pub(crate) struct Report {
    markdown: String,
    figures: Map<String, Value>,
}

impl Report {
    /// Creates a report that begins with the description of the machine.
    pub(crate) fn new(folder: &Path, options: &CommonOptions) -> Self {
        let mut report = Self {
            markdown: String::new(),
            figures: Map::new(),
        };
        let slowed = match options.slow_fsync_ms {
            0 => String::new(),
            more => format!(", every fsync slowed by {more} ms"),
        };
        let machine = format!("{}{slowed}", machine::description(folder));
        report.say(&machine);
        report.figures.insert("machine".to_owned(), machine.into());
        report
    }

    /// Adds a paragraph.
    pub(crate) fn say(&mut self, text: &str) {
        println!("\n{text}");
        self.markdown.push_str(text);
        self.markdown.push_str("\n\n");
    }

    /// Adds a table of rates and latencies. Its ratios are to the last line.
    pub(crate) fn lines(&mut self, key: &str, title: &str, lines: &[Line]) {
        let Some(base) = lines.last() else { return };
        let head = [
            title,
            "per second (least to most)",
            "ratio",
            "p50 ms",
            "p99 ms",
            "p99.9 ms",
            "worst ms",
        ];
        let row = |line: &Line| {
            let rate = &line.per_second;
            vec![
                line.name.clone(),
                format!("{:.0} ({:.0} to {:.0})", rate.median, rate.min, rate.max),
                format!("{:.2}", rate.median / base.per_second.median),
                format!("{:.1}", line.p50_ms.median),
                format!("{:.1}", line.p99_ms.median),
                format!("{:.1}", line.p999_ms.median),
                format!("{:.1}", line.worst_ms.median),
            ]
        };
        self.table(key, &head, &lines.iter().map(row).collect::<Vec<_>>(), &lines);
    }

    /// Adds a table of ratios with their targets.
    pub(crate) fn ratios(&mut self, ratios: &[Ratio]) {
        let head = ["Ratio, round by round", "median (least to most)", "aim"];
        let row = |Ratio { name, aim, spread }: &Ratio| {
            let range = format!("{:.2} ({:.2} to {:.2})", spread.median, spread.min, spread.max);
            vec![name.clone(), range, (*aim).to_owned()]
        };
        self.table("ratios", &head, &ratios.iter().map(row).collect::<Vec<_>>(), &ratios);
    }

    /// Adds a table, and its figures under this key of the JSON file.
    pub(crate) fn table(&mut self, key: &str, head: &[&str], rows: &[Vec<String>], figures: &impl Serialize) {
        let mut text = format!("| {} |\n|{}\n", head.join(" | "), "---|".repeat(head.len()));
        for row in rows {
            for part in ["| ", &row.join(" | "), " |\n"] {
                text.push_str(part);
            }
        }
        self.say(text.trim_end());
        let figures = serde_json::to_value(figures).expect("figures are plain numbers and names");
        self.figures.insert(key.to_owned(), figures);
    }

    /// Adds a chart of the rates to the Markdown file, in Mermaid syntax.
    pub(crate) fn chart(&mut self, title: &str, lines: &[Line]) {
        let names: Vec<String> = lines.iter().map(|line| format!("\"{}\"", line.name)).collect();
        let rates: Vec<String> = lines
            .iter()
            .map(|line| format!("{:.0}", line.per_second.median))
            .collect();
        let most = lines.iter().map(|line| line.per_second.median).fold(1.0, f64::max);
        let chart = format!(
            "```mermaid\nxychart-beta horizontal\n    title \"{title}\"\n    x-axis [{}]\n    \
             y-axis \"per second\" 0 --> {most:.0}\n    bar [{}]\n```\n\n",
            names.join(", "),
            rates.join(", ")
        );
        self.markdown.push_str(&chart);
    }

    /// Writes the files that the command line asks for.
    pub(crate) fn write(&self, options: &CommonOptions) -> anyhow::Result<()> {
        let write = |file: &Option<std::path::PathBuf>, text: &str| match file {
            Some(file) => std::fs::write(file, text).with_context(|| format!("{} cannot be written", file.display())),
            None => Ok(()),
        };
        write(&options.markdown, &format!("{}\n", self.markdown.trim_end()))?;
        write(&options.json, &format!("{:#}\n", Value::Object(self.figures.clone())))
    }
}
