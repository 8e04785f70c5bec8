//! The metrics of the process, by the names that Prometheus recommends. Those that the system does not
//! report are left out.

use std::fs;
use std::time::Duration;

use prometheus::proto::MetricFamily;
use rustix::process::{Resource, getrlimit};
use rustix::time::{ClockId, clock_gettime};

use crate::domain::time::Timestamp;
use crate::metrics::families::{counter_of_time, gauge};

/// Returns the metrics of this process, which started at this time of the system's clock.
pub(super) fn of_process(started_at: Timestamp) -> Vec<MetricFamily> {
    let cpu_time = Duration::try_from(clock_gettime(ClockId::ProcessCPUTime)).unwrap_or_default();
    let started_at = u64::try_from(started_at.millis() / 1000).unwrap_or_default();
    let (virtual_bytes, resident_bytes) = memory().unzip();
    let gauges = [
        (
            "process_open_fds",
            "Open file descriptors.",
            entries_of("/proc/self/fd"),
        ),
        (
            "process_max_fds",
            "The most file descriptors that may be open.",
            getrlimit(Resource::Nofile).current,
        ),
        (
            "process_virtual_memory_bytes",
            "Size of the virtual memory.",
            virtual_bytes,
        ),
        (
            "process_resident_memory_bytes",
            "Size of the resident memory.",
            resident_bytes,
        ),
        (
            "process_start_time_seconds",
            "Start of the process, in seconds since 1970.",
            Some(started_at),
        ),
        ("process_threads", "Threads.", entries_of("/proc/self/task")),
    ];
    let gauges = gauges
        .into_iter()
        .filter_map(|(name, help, value)| Some(gauge(name, help, [(&[][..], value?)])));
    let cpu_time = counter_of_time(
        "process_cpu_seconds_total",
        "Processor time of the program and of the system for it.",
        cpu_time,
    );
    gauges.chain([cpu_time]).collect()
}

/// Returns the bytes of the virtual and of the resident memory.
fn memory() -> Option<(u64, u64)> {
    let pages = fs::read_to_string("/proc/self/statm").ok()?;
    let page_bytes = u64::try_from(rustix::param::page_size()).ok()?;
    let mut bytes = pages
        .split_ascii_whitespace()
        .map(|pages| pages.parse::<u64>().ok()?.checked_mul(page_bytes));
    Some((bytes.next()??, bytes.next()??))
}

/// Returns the number of entries of a folder.
fn entries_of(folder: &str) -> Option<u64> {
    u64::try_from(fs::read_dir(folder).ok()?.count()).ok()
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use prometheus::proto::MetricType;

    use super::*;

    fn value_of(name: &str) -> f64 {
        let families = of_process(Timestamp::EPOCH);
        let family = families.iter().find(|family| family.name() == name).unwrap();
        let metric = &family.get_metric()[0];
        match family.get_field_type() {
            MetricType::COUNTER => metric.get_counter().get_value(),
            _ => metric.get_gauge().get_value(),
        }
    }

    #[test]
    fn memory_and_open_files_are_those_of_the_process() {
        let (files, memory) = (value_of("process_open_fds"), value_of("process_resident_memory_bytes"));
        let opened: Vec<File> = (0..300).map(|_| File::open("/dev/null").unwrap()).collect();
        let taken = vec![1_u8; 64 << 20];
        assert!(value_of("process_open_fds") > files + 200.0, "{files} before");
        assert!(
            value_of("process_resident_memory_bytes") > memory + f64::from(32 << 20),
            "{memory} before"
        );
        assert!(value_of("process_virtual_memory_bytes") > value_of("process_resident_memory_bytes"));
        drop((opened, taken));
    }

    #[test]
    fn processor_time_has_fractions_of_a_second() {
        let before = value_of("process_cpu_seconds_total");
        while value_of("process_cpu_seconds_total") - before < 0.001 {}
        assert!(value_of("process_cpu_seconds_total").fract() > 0.0);
    }
}
