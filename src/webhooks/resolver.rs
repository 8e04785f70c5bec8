//! Resolves host names for the client, and refuses addresses that webhooks must not be
//! sent to.
//!
//! The check is made at every connection. A host name whose address changes after its URL
//! was accepted therefore reaches no refused address (DNS rebinding).

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use futures_util::future::BoxFuture;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::domain::events::addresses;
use crate::domain::mode::Mode;

/// Returns the addresses of a host name.
pub(super) type Lookup = Arc<dyn Fn(String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> + Send + Sync>;

/// Returns the lookup of the system's resolver.
pub(super) fn system_lookup() -> Lookup {
    Arc::new(|name| {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name, 0)).await?;
            Ok(found.map(|address| address.ip()).collect())
        })
    })
}

/// Resolves host names to the addresses that are allowed in a mode.
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
            // The client replaces port 0 by the port of the URL.
            let addresses = allowed.into_iter().map(|address| SocketAddr::new(address, 0));
            Ok(Box::new(addresses) as Addrs)
        })
    }
}

/// The reason why a host name has no address to connect to.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
enum ResolveError {
    #[error("host name has no address record")]
    NoAddress,
    #[error("its name leads to {0}, which is a {1} address and not to be reached")]
    Refused(IpAddr, &'static str),
}

/// Returns the addresses that are allowed in a mode.
fn allowed(mode: Mode, found: &[IpAddr]) -> Result<Vec<IpAddr>, ResolveError> {
    let is_allowed = |address: &&IpAddr| addresses::refused(mode, **address).is_none();
    let allowed: Vec<IpAddr> = found.iter().filter(is_allowed).copied().collect();
    let refused = found.iter().find_map(|address| {
        let class = addresses::refused(mode, *address)?;
        Some(ResolveError::Refused(*address, class))
    });
    if allowed.is_empty() {
        Err(refused.unwrap_or(ResolveError::NoAddress))
    } else {
        Ok(allowed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_allowed_in_the_mode_are_returned() {
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let (public, private, metadata) = (ip("1.1.1.1"), ip("10.0.0.1"), ip("169.254.169.254"));
        assert_eq!(allowed(Mode::Live, &[private, public]), Ok(vec![public]));
        assert_eq!(
            allowed(Mode::Sandbox, &[private, metadata, public]),
            Ok(vec![private, public])
        );
        assert_eq!(
            allowed(Mode::Live, &[private]),
            Err(ResolveError::Refused(private, "private"))
        );
        assert_eq!(
            allowed(Mode::Sandbox, &[metadata]),
            Err(ResolveError::Refused(metadata, "metadata"))
        );
        assert_eq!(allowed(Mode::Live, &[]), Err(ResolveError::NoAddress));
    }
}
