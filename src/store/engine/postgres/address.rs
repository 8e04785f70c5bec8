//! The address of a PostgreSQL database.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use postgres::Config;

/// The longest time that a connection to one host takes, unless the URL says otherwise.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// The longest time that sent data may wait for an answer of the network, so that a dead
/// machine is noticed.
const NETWORK_TIMEOUT: Duration = Duration::from_secs(10);

/// The address of a database, as a `postgres://` URL. It is shown without its password.
#[derive(Clone)]
pub struct Address {
    /// As it was given, with the password.
    url: String,
    config: Box<Config>,
}

/// The reason why a URL cannot be used. It does not repeat the URL, which may have a password.
#[derive(Clone, Debug, thiserror::Error)]
#[error(
    "the URL of the database cannot be read: {0}; it has the form postgres://user:password@host:5432/database, and \
     the options of PostgreSQL's own clients behind a question mark"
)]
pub struct AddressError(String);

impl Address {
    /// Returns true if a text is the URL of a PostgreSQL database and not a path.
    pub fn is_url(text: &str) -> bool {
        ["postgres://", "postgresql://"]
            .iter()
            .any(|scheme| text.starts_with(scheme))
    }

    pub(crate) fn config(&self) -> &Config {
        &self.config
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(url: &str) -> Result<Self, AddressError> {
        if credentials_and_rest(url).0.contains(['/', '?', '#', '@']) {
            let problem = "its user or password has a character that must be encoded: / is %2F, ? is %3F, # is %23 \
                           and @ is %40";
            return Err(AddressError(problem.to_owned()));
        }
        let mut config: Config = url.parse().map_err(|error: postgres::Error| {
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            AddressError(cause.unwrap_or_else(|| error.to_string()))
        })?;
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT_TIMEOUT);
        }
        if config.get_tcp_user_timeout().is_none() {
            config.tcp_user_timeout(NETWORK_TIMEOUT);
        }
        if config.get_application_name().is_none() {
            config.application_name("escrowd");
        }
        Ok(Self {
            url: url.to_owned(),
            config: Box::new(config),
        })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&without_password(&self.url))
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl PartialEq for Address {
    fn eq(&self, other: &Self) -> bool {
        self.url == other.url
    }
}

impl Eq for Address {}

/// Returns a URL without its password and its options, of which one may be a password too, and
/// a path as it is.
pub fn without_password(url: &str) -> String {
    if !Address::is_url(url) {
        return url.to_owned();
    }
    let (credentials, rest) = credentials_and_rest(url);
    let scheme = url.split("://").next().unwrap_or_default();
    let place = rest.split('?').next().unwrap_or_default();
    // What stands behind one of these may be a part of the password, or of an option.
    let user = credentials.split([':', '/', '?', '#']).next().unwrap_or_default();
    if credentials.contains(['/', '?', '#']) {
        format!("{scheme}://{user}@...")
    } else if credentials.is_empty() {
        format!("{scheme}://{place}")
    } else {
        format!("{scheme}://{user}@{place}")
    }
}

/// Returns what stands before the last `@` of a URL, and what stands behind it.
fn credentials_and_rest(url: &str) -> (&str, &str) {
    let (_, url) = url.split_once("://").unwrap_or(("", url));
    url.rsplit_once('@').unwrap_or(("", url))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_never_shown() {
        for (url, shown) in [
            ("postgres://ada:s3cret@db:5432/escrow", "postgres://ada@db:5432/escrow"),
            (
                "postgresql://ada:s3@cret@a,b/escrow?target_session_attrs=read-write",
                "postgresql://ada@a,b/escrow",
            ),
            ("postgres://db/escrow?password=s3cret", "postgres://db/escrow"),
            ("postgres://ada:s3?cret@db/escrow", "postgres://ada@..."),
            ("postgres://ada:s3/cret@db/escrow", "postgres://ada@..."),
            ("postgres://db/escrow?password=s3@cret", "postgres://db@..."),
            ("what?@is:this.db", "what?@is:this.db"),
            (
                "postgres://ada@%2Frun%2Fpostgresql/escrow",
                "postgres://ada@%2Frun%2Fpostgresql/escrow",
            ),
        ] {
            assert_eq!(without_password(url), shown);
        }
        let broken = "postgres://ada:s3cret@db/escrow?colour=blue"
            .parse::<Address>()
            .unwrap_err();
        assert!(!broken.to_string().contains("s3cret"), "{broken}");
        assert!(broken.to_string().contains("colour"), "{broken}");
    }

    #[test]
    fn only_urls_are_urls() {
        assert!(Address::is_url("postgres://db/escrow"));
        assert!(Address::is_url("postgresql:///escrow"));
        for path in ["escrowd.db", "postgres", "/var/postgres://x", "sqlite://db"] {
            assert!(!Address::is_url(path), "{path}");
        }
    }
}
