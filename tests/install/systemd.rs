//! The systemd unit, read by systemd's own verifier.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use escrowd::config::Config;
use tempfile::TempDir;

use crate::tools::{has, printed};

const UNIT: &str = include_str!("../../packaging/systemd/escrowd.service");

/// The highest exposure that `systemd-analyze security` may find, in tenths. The network, which
/// the service needs, is 7 of them.
const EXPOSURE_MAX: &str = "15";

/// Writes the unit to a folder of its own, with the binary under test in it.
fn unit() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("escrowd.service");
    let installed = "/usr/local/bin/escrowd";
    assert!(UNIT.contains(installed));
    fs::write(&path, UNIT.replace(installed, env!("CARGO_BIN_EXE_escrowd"))).unwrap();
    (folder, path)
}

/// Returns the value of a key that the unit has once.
fn value(key: &str) -> &'static str {
    let values: Vec<&str> = UNIT
        .lines()
        .filter_map(|line| line.strip_prefix(key)?.strip_prefix('='))
        .collect();
    assert_eq!(values.len(), 1, "{key}");
    values[0]
}

#[test]
fn systemd_accepts_every_line_of_the_unit() {
    if !has("systemd-analyze") {
        return;
    }
    let (_folder, path) = unit();
    let verified = Command::new("systemd-analyze")
        .args(["verify", "--man=no"])
        .arg(&path)
        .output()
        .unwrap();
    // The verifier also complains of other units of the machine.
    let of_ours = printed(&verified);
    let of_ours: Vec<&str> = of_ours.lines().filter(|line| line.contains("escrowd")).collect();
    assert_eq!(of_ours, Vec::<&str>::new());
    assert!(verified.status.success(), "{}", printed(&verified));
}

#[test]
fn the_unit_leaves_the_service_little_to_attack() {
    if !has("systemd-analyze") {
        return;
    }
    let (_folder, path) = unit();
    let analyzed = Command::new("systemd-analyze")
        .args(["security", "--offline=true", "--no-pager", "--threshold", EXPOSURE_MAX])
        .arg(&path)
        .output()
        .unwrap();
    assert!(analyzed.status.success(), "{}", printed(&analyzed));
}

#[test]
fn the_unit_leaves_room_for_the_default_settings() {
    let config = Config::default();
    let seconds: u64 = value("TimeoutStopSec").parse().unwrap();
    assert!(seconds >= 2 * config.limits.stop_seconds_max);
    let files: usize = value("LimitNOFILE").parse().unwrap();
    assert!(files >= 4 * config.limits.connections_max);
    assert_eq!(value("Type"), "notify");
    assert_eq!(value("TimeoutStartSec"), "infinity", "a migration may take long");
    assert!(value("ExecStart").ends_with("serve --config /etc/escrowd/config.toml"));
}

/// A start that is refused must not be tried for ever: the burst ends within its interval.
#[test]
fn a_start_that_is_refused_is_tried_a_few_times_only() {
    let number = |key: &str| value(key).parse::<u64>().unwrap();
    assert_eq!(value("Restart"), "on-failure");
    let tried = number("StartLimitBurst") * (number("RestartSec") + 20);
    assert!(tried < number("StartLimitIntervalSec"), "{tried} seconds");
}
