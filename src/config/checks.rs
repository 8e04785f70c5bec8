//! Checks that the settings, each of which is valid by itself, do not contradict each
//! other.

use std::net::{IpAddr, SocketAddr};

use super::Config;
use super::error::ConfigError;
use super::flags::Flags;
use crate::domain::mode::Mode;
use crate::store::Place;

/// Refuses `--database` together with `ephemeral`, `--snapshot` without it, and flags that would decide
/// nothing: `--accept-loss` for a database without a log beside it, and `--accept-clock` for a sandbox.
pub(super) fn check_flags(config: &Config, flags: &Flags) -> Result<(), ConfigError> {
    if config.ephemeral && flags.database.is_some() {
        return refuse(
            "--database names a file to keep, and an ephemeral service keeps nothing; leave out one of them",
        );
    }
    if !config.ephemeral && flags.snapshot.is_some() {
        return refuse(
            "--snapshot is for --ephemeral, a sandbox that keeps nothing; `escrowd snapshot load` puts a snapshot in the \
             place of a database that is kept",
        );
    }
    if config.ephemeral && flags.accepted.loss {
        return refuse(
            "--accept-loss is for a database that was kept, and an ephemeral service makes a new one; leave out one of them",
        );
    }
    if config.mode == Mode::Sandbox && flags.accepted.clock {
        return refuse(
            "--accept-clock is for mode \"live\"; a sandbox follows every jump of the system's clock without it; leave it \
             out",
        );
    }
    if flags.accepted.loss && matches!(config.database, Place::Postgres(_)) {
        return refuse(
            "--accept-loss is for files, whose write-ahead log can be lost; leave it out for a PostgreSQL database",
        );
    }
    Ok(())
}

/// Refuses a sandbox that other machines can reach, a live database that is not kept, one address for
/// two servers, a folder for backups that would stay empty, and files for which there is never memory.
pub(super) fn check(config: &Config) -> Result<(), ConfigError> {
    config.rates()?;
    let limits = &config.limits;
    if limits.uploads_bytes_max < limits.file_bytes_max {
        return refuse(format!(
            "limits.uploads_bytes_max is {}, the memory for all files that are being received, and limits.file_bytes_max \
             is {}: such a file could never be received; make uploads_bytes_max larger, best four times as large as \
             file_bytes_max",
            limits.uploads_bytes_max, limits.file_bytes_max
        ));
    }
    check_addresses(config.listen, config.metrics.listen)?;
    if config.backups.folder.is_some() && !config.ephemeral && matches!(config.database, Place::Postgres(_)) {
        return refuse(
            "backups.folder is for files, and database is on a PostgreSQL server; leave it out, and back the database up \
             by PostgreSQL's own means, such as pg_basebackup or pg_dump",
        );
    }
    match config.mode {
        Mode::Live if config.webhooks.callback_url.is_some() => refuse(
            "webhooks.callback_url is for mode \"sandbox\"; in live mode each merchant has an endpoint of its own: \
             PUT /operator/callback or `escrowd merchant callback`",
        ),
        Mode::Live if config.ephemeral => {
            refuse("ephemeral is for mode \"sandbox\": in live mode the database must outlive the service")
        }
        Mode::Sandbox if !config.listen.ip().is_loopback() && !config.sandbox.expose => refuse(format!(
            "listen is {}, which other machines can reach, and a sandbox accepts every key: \
             listen on 127.0.0.1, or set sandbox.expose = true",
            config.listen
        )),
        Mode::Live | Mode::Sandbox => Ok(()),
    }
}

/// Refuses two addresses of which only one can be listened on. Both could be bound, and the start would
/// fail after it has made the database.
fn check_addresses(listen: SocketAddr, metrics: Option<SocketAddr>) -> Result<(), ConfigError> {
    let Some(metrics) = metrics.filter(|metrics| metrics.port() == listen.port() && metrics.port() != 0) else {
        return Ok(());
    };
    if metrics == listen {
        return refuse(format!(
            "listen and metrics.listen are both {listen}, and one of the two servers could not start; choose another \
             port for metrics.listen"
        ));
    }
    let [one, other] = [listen, metrics].map(|address| address.ip().to_canonical());
    // The unspecified address of IPv6 takes the connections of IPv4 too.
    let contains = |all: IpAddr, one: IpAddr| all.is_unspecified() && (all.is_ipv6() || one.is_ipv4());
    if one == other || contains(one, other) || contains(other, one) {
        return refuse(format!(
            "listen is {listen} and metrics.listen is {metrics}, which has the same port on an address of both, and one \
             of the two servers could not start; choose another port for metrics.listen"
        ));
    }
    Ok(())
}

fn refuse<T>(problem: impl Into<String>) -> Result<T, ConfigError> {
    Err(ConfigError::Combination(problem.into()))
}
