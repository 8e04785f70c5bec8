//! The limit of open files of the process, which connections count against.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::config::Config;

/// Files that are open beside connections and the database: attempts of webhooks in flight, the
/// connections of the metrics, uploads and downloads, and what the libraries keep open.
const OTHERS: u64 = 352;
/// Connections to the database beside those for reading.
const WRITING: u64 = 4;
/// The highest limit on systems where the hard limit is none and yet cannot be set.
const LIMIT_MAX: u64 = 10_240;

/// Raises the limit of open files as far as the process may, and warns if it is too low for the
/// configuration: new connections would wait until others end, and none would be closed for them.
pub(super) fn raise_limit(config: &Config) {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current != maximum {
        let to = |current| Rlimit { current, maximum };
        let raised = setrlimit(Resource::Nofile, to(maximum));
        let raised = raised.or_else(|_| setrlimit(Resource::Nofile, to(maximum.or(Some(LIMIT_MAX)))));
        if let Err(error) = raised {
            log::debug!("the limit of open files stays as it is: {error}");
        }
    }
    let needed = needed(config);
    if let Some(limit) = getrlimit(Resource::Nofile).current.filter(|limit| *limit < needed) {
        log::warn!(
            "the process may have {limit} files open, and limits.connections_max = {} needs about {needed}: raise the \
             limit (ulimit -n, LimitNOFILE of systemd), or lower limits.connections_max",
            config.limits.connections_max
        );
    }
}

/// Returns the number of files that are open at most, about.
fn needed(config: &Config) -> u64 {
    // Each connection to a file has the database and its log open.
    let database = 2 * (u64::from(config.storage.readers) + u64::from(config.storage.long_readers) + WRITING);
    config.limits.connections_max as u64 + database + OTHERS
}
