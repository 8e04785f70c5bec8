//! Where a name leads, asked whenever a connection is made: a name that changes its
//! mind after it was looked at reaches nothing that an address could not.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use futures_util::future::BoxFuture;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::domain::events::addresses;
use crate::domain::mode::Mode;

/// Answers where a name leads.
pub(super) type Lookup = Arc<dyn Fn(String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> + Send + Sync>;

/// As the system answers.
pub(super) fn system_lookup() -> Lookup {
    Arc::new(|name| {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name, 0)).await?;
            Ok(found.map(|address| address.ip()).collect())
        })
    })
}

/// Lets through only what may be reached in this mode.
pub(super) struct FilteringResolver {
    mode: Mode,
    lookup: Lookup,
}

impl FilteringResolver {
    pub(super) const fn new(mode: Mode, lookup: Lookup) -> Self {
        Self { mode, lookup }
    }
}

impl Resolve for FilteringResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (mode, lookup) = (self.mode, Arc::clone(&self.lookup));
        Box::pin(async move {
            let found = lookup(name.as_str().to_owned()).await?;
            let allowed = allowed(mode, &found)?;
            // Port 0 becomes the one of the URL.
            let addresses = allowed.into_iter().map(|address| SocketAddr::new(address, 0));
            Ok(Box::new(addresses) as Addrs)
        })
    }
}

/// Why a name leads to nothing that may be reached.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
enum LeadsNowhere {
    #[error("host name has no address record")]
    Unknown,
    #[error("its name leads to {0}, which is a {1} address and not to be reached")]
    Refused(IpAddr, &'static str),
}

fn allowed(mode: Mode, found: &[IpAddr]) -> Result<Vec<IpAddr>, LeadsNowhere> {
    let is_allowed = |address: &&IpAddr| addresses::refused(mode, **address).is_none();
    let allowed: Vec<IpAddr> = found.iter().filter(is_allowed).copied().collect();
    let refused = found.iter().find_map(|address| {
        let reach = addresses::refused(mode, *address)?;
        Some(LeadsNowhere::Refused(*address, reach))
    });
    if allowed.is_empty() {
        Err(refused.unwrap_or(LeadsNowhere::Unknown))
    } else {
        Ok(allowed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_what_a_name_leads_to_only_what_may_be_reached_is_left() {
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let (public, inside, metadata) = (ip("1.1.1.1"), ip("10.0.0.1"), ip("169.254.169.254"));
        assert_eq!(allowed(Mode::Live, &[inside, public]), Ok(vec![public]));
        assert_eq!(
            allowed(Mode::Sandbox, &[inside, metadata, public]),
            Ok(vec![inside, public])
        );
        assert_eq!(
            allowed(Mode::Live, &[inside]),
            Err(LeadsNowhere::Refused(inside, "private"))
        );
        assert_eq!(
            allowed(Mode::Sandbox, &[metadata]),
            Err(LeadsNowhere::Refused(metadata, "metadata"))
        );
        assert_eq!(allowed(Mode::Live, &[]), Err(LeadsNowhere::Unknown));
    }
}
