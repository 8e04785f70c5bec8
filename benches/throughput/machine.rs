//! Describes the machine of a run, without its name.

use std::path::Path;

/// Returns the cores, processor, kernel version and file system in one line.
pub(crate) fn description(folder: &Path) -> String {
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let processor = first_line("/proc/cpuinfo", "model name").unwrap_or_else(|| "an unnamed processor".to_owned());
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    // Takes 6.12 from a release such as 6.12.3-amd64.
    let kernel: Vec<&str> = kernel.trim().split('.').take(2).collect();
    let file_system = file_system(folder).unwrap_or_else(|| "an unknown file system".to_owned());
    format!(
        "{cores} cores of {processor}, Linux {}, files on {file_system}, load generator on the same cores",
        kernel.join(".")
    )
}

fn first_line(file: &str, key: &str) -> Option<String> {
    let text = std::fs::read_to_string(file).ok()?;
    let line = text.lines().find(|line| line.starts_with(key))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

/// Returns the type of the file system of this folder.
pub(crate) fn file_system(folder: &Path) -> Option<String> {
    let folder = folder.canonicalize().ok()?;
    let mounts = std::fs::read_to_string("/proc/mounts").ok()?;
    let mount = |line: &str| {
        let mut words = line.split_ascii_whitespace().skip(1);
        Some((words.next()?.to_owned(), words.next()?.to_owned()))
    };
    mounts
        .lines()
        .filter_map(mount)
        .filter(|(place, _)| folder.starts_with(place))
        .max_by_key(|(place, _)| place.len())
        .map(|(_, kind)| kind)
}
