//! The address of a PostgreSQL database.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use percent_encoding::percent_decode_str;
use tokio_postgres::Config;
use tokio_postgres::config::SslMode;

use crate::store::engine::postgres::tls::TlsFiles;

/// The longest time that a connection to one host takes, unless the URL says otherwise.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// The longest time that sent data may wait for an answer of the network, so that a dead
/// machine is noticed.
const NETWORK_TIMEOUT: Duration = Duration::from_secs(10);

/// The time without any data after which the network is asked if the server is there. A commit has no
/// other limit, so a machine that vanishes during one is noticed by this, after 5 + 3 x 2 seconds.
const KEEPALIVES_IDLE: Duration = Duration::from_secs(5);
const KEEPALIVES_INTERVAL: Duration = Duration::from_secs(2);
const KEEPALIVES_RETRIES: u32 = 3;
const SCHEMES: [&str; 2] = ["postgres", "postgresql"];

/// The address of a database, as a `postgres://` URL. It is shown without its password.
#[derive(Clone)]
pub struct Address {
    /// As it was given, with the password.
    url: Box<str>,
    config: Box<Config>,
    tls_files: Box<TlsFiles>,
}

/// The reason why a URL cannot be used. It does not repeat the URL, which may have a password.
#[derive(Clone, Debug, thiserror::Error)]
#[error(
    "the URL of the database cannot be read: {0}; it has the form postgres://user:password@host:5432/database, and \
     behind a question mark options such as target_session_attrs=read-write, sslmode=verify-full and \
     sslrootcert=/etc/escrowd/ca.pem"
)]
pub struct AddressError(String);

impl Address {
    /// Returns true if a text is a URL and not a path. One with a scheme that is mistyped counts too:
    /// it may have a password, which must not be shown as a part of a path. So does `postgres` with an
    /// `@` behind it and without the `://`.
    pub fn is_url(text: &str) -> bool {
        let begins_like_one = || {
            text.trim_start()
                .get(..8)
                .is_some_and(|start| start.eq_ignore_ascii_case(SCHEMES[0]))
        };
        match text.split_once("://") {
            Some((scheme, _)) if !scheme.is_empty() && !scheme.contains('/') => true,
            _ => text.contains('@') && begins_like_one(),
        }
    }

    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    pub(crate) fn tls_files(&self) -> &TlsFiles {
        &self.tls_files
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(url: &str) -> Result<Self, AddressError> {
        let rest = match url.split_once("://") {
            Some((scheme, rest)) if SCHEMES.iter().any(|known| scheme.eq_ignore_ascii_case(known)) => rest,
            _ => return Err(AddressError("it does not begin with postgres://".to_owned())),
        };
        if credentials_and_rest(url).0.contains(['/', '?', '#', '@']) {
            let problem = "its user or password has a character that must be encoded: / is %2F, ? is %3F, # is %23 \
                           and @ is %40";
            return Err(AddressError(problem.to_owned()));
        }
        let (for_library, mode, tls_files) = take_tls_options(&format!("postgres://{rest}"))?;
        let mut config: Config = for_library.parse().map_err(|error: tokio_postgres::Error| {
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            AddressError(cause.unwrap_or_else(|| error.to_string()))
        })?;
        if let Some(mode) = mode {
            config.ssl_mode(mode);
        }
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT_TIMEOUT);
        }
        if config.get_tcp_user_timeout().is_none() {
            config.tcp_user_timeout(NETWORK_TIMEOUT);
        }
        if !names_option(url, "keepalives_idle") {
            config.keepalives_idle(KEEPALIVES_IDLE);
        }
        if config.get_keepalives_interval().is_none() {
            config.keepalives_interval(KEEPALIVES_INTERVAL);
        }
        if config.get_keepalives_retries().is_none() {
            config.keepalives_retries(KEEPALIVES_RETRIES);
        }
        if config.get_application_name().is_none() {
            config.application_name("escrowd");
        }
        Ok(Self {
            url: url.into(),
            config: Box::new(config),
            tls_files: Box::new(tls_files),
        })
    }
}

/// Returns true if a URL has this option.
fn names_option(url: &str, name: &str) -> bool {
    let (_, options) = url.split_once('?').unwrap_or_default();
    options.split('&').any(|option| option.split('=').next() == Some(name))
}

/// Splits the TLS options off a URL, since the library does not know some and treats others
/// differently. Returns the URL without them, the TLS mode (`None` if no option decides it) and the
/// files.
fn take_tls_options(url: &str) -> Result<(String, Option<SslMode>, TlsFiles), AddressError> {
    let (place, options) = url.split_once('?').unwrap_or((url, ""));
    let mut others = Vec::new();
    let [mut mode, mut authority, mut certificate, mut key] = [const { None::<String> }; 4];
    for option in options.split('&').filter(|option| !option.is_empty()) {
        let (name, value) = option.split_once('=').unwrap_or((option, ""));
        let value_of = match name {
            "sslmode" => &mut mode,
            "sslrootcert" => &mut authority,
            "sslcert" => &mut certificate,
            "sslkey" => &mut key,
            _ => {
                others.push(option);
                continue;
            }
        };
        let value = percent_decode_str(value).decode_utf8();
        *value_of = Some(
            value
                .map_err(|_| AddressError(format!("{name} is not UTF-8")))?
                .into_owned(),
        );
    }
    let needs_tls = [("sslrootcert", &authority), ("sslcert", &certificate), ("sslkey", &key)];
    let needs_tls = needs_tls.into_iter().find(|(_, file)| file.is_some());
    let mode = match (mode.as_deref(), needs_tls) {
        (Some("disable"), Some((name, _))) => {
            return Err(AddressError(format!(
                "{name} names a file for TLS, and sslmode=disable asks for none"
            )));
        }
        (Some("disable"), None) => Some(SslMode::Disable),
        (Some("prefer"), _) => Some(SslMode::Prefer),
        (Some("require" | "verify-full"), _) | (None, Some(_)) => Some(SslMode::Require),
        (None, None) => None,
        (Some(other), _) => {
            return Err(AddressError(format!(
                "sslmode can be disable, prefer, require or verify-full and is {other:?}; but for disable, name and \
                 authority of a certificate are always verified"
            )));
        }
    };
    let client = match (certificate, key) {
        (Some(certificate), Some(key)) => Some((certificate.into(), key.into())),
        (None, None) => None,
        _ => return Err(AddressError("sslcert and sslkey belong together".to_owned())),
    };
    let files = TlsFiles {
        authority: authority.map(Into::into),
        client,
    };
    Ok((format!("{place}?{}", others.join("&")), mode, files))
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
    let Some((scheme, _)) = url.split_once("://") else {
        return format!("{}...", SCHEMES[0]);
    };
    let (credentials, rest) = credentials_and_rest(url);
    let place = rest.split('?').next().unwrap_or_default();
    // The text after one of these characters may be part of the password or of an option.
    let user = credentials.split([':', '/', '?', '#']).next().unwrap_or_default();
    if credentials.contains(['/', '?', '#']) {
        format!("{scheme}://{user}@...")
    } else if credentials.is_empty() {
        format!("{scheme}://{place}")
    } else {
        format!("{scheme}://{user}@{place}")
    }
}

/// Returns the text before the last `@` of a URL, and the text after it.
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
            ("postgresql:ada:s3cret@db/escrow", "postgres..."),
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
    fn tls_is_as_the_options_say() {
        for (options, mode, authority) in [
            ("", SslMode::Prefer, None),
            ("?sslmode=disable", SslMode::Disable, None),
            ("?sslmode=prefer&connect_timeout=3", SslMode::Prefer, None),
            ("?sslmode=require", SslMode::Require, None),
            ("?connect_timeout=3&sslmode=verify-full", SslMode::Require, None),
            ("?sslrootcert=%2Fetc%2Fca.pem", SslMode::Require, Some("/etc/ca.pem")),
            (
                "?sslmode=prefer&sslrootcert=/etc/ca.pem",
                SslMode::Prefer,
                Some("/etc/ca.pem"),
            ),
        ] {
            let address: Address = format!("postgres://db/escrow{options}").parse().unwrap();
            assert_eq!(address.config().get_ssl_mode(), mode, "{options}");
            assert_eq!(address.tls_files().authority, authority.map(Into::into), "{options}");
        }
    }

    #[test]
    fn a_url_that_cannot_be_read_says_why() {
        for (url, why) in [
            (
                "postgres://db/escrow?sslmode=verify-ca",
                "sslmode can be disable, prefer, require or verify-full",
            ),
            (
                "postgres://db/escrow?sslmode=disable&sslrootcert=ca.pem",
                "sslmode=disable asks for none",
            ),
            (
                "postgres://db/escrow?sslcert=c.pem",
                "sslcert and sslkey belong together",
            ),
            ("postgres://db/escrow?sslcrl=c.pem", "`sslcrl`"),
            ("postgres://db/escrow?sslpassword=s3cret", "`sslpassword`"),
            ("postgres://ada:s3@cret@db/escrow", "@ is %40"),
            ("postgres://ada:s3?cret@db/escrow", "? is %3F"),
        ] {
            let refused = url.parse::<Address>().unwrap_err().to_string();
            assert!(refused.contains(why), "{url}: {refused}");
            assert!(
                !refused.contains("cret@") && !refused.contains("s3"),
                "{url}: {refused}"
            );
        }
    }

    #[test]
    fn only_urls_are_urls() {
        for url in [
            "postgres://db/escrow",
            "postgresql:///escrow",
            "Postgres://db/escrow",
            "POSTGRESQL://db/escrow",
        ] {
            assert!(Address::is_url(url) && url.parse::<Address>().is_ok(), "{url}");
        }
        for path in [
            "escrowd.db",
            "postgres",
            "/var/postgres://x",
            "://x",
            "postgres.db",
            "a@postgres.db",
        ] {
            assert!(!Address::is_url(path), "{path}");
        }
    }

    #[test]
    fn a_url_without_its_slashes_is_refused_without_its_password() {
        for url in [
            "postgresql:ada:s3cret@db/escrow",
            "postgres:/ada:s3cret@db/escrow",
            "Postgres//ada:s3cret@db/escrow",
            " postgres:\\ada:s3cret@db",
        ] {
            assert!(Address::is_url(url), "{url}");
            assert!(!without_password(url).contains("s3cret"), "{url}");
            let refused = url.parse::<Address>().unwrap_err().to_string();
            assert!(refused.contains("it does not begin with postgres://"), "{refused}");
            assert!(!refused.contains("s3cret"), "{refused}");
        }
    }

    #[test]
    fn a_url_of_another_scheme_is_refused_without_its_password() {
        for scheme in [
            "pg",
            "postgress",
            "postgres_sql",
            " postgres",
            "jdbc:postgresql",
            "sqlite",
        ] {
            let url = format!("{scheme}://ada:s3cret@db/escrow");
            assert!(Address::is_url(&url), "{url}");
            assert_eq!(without_password(&url), format!("{scheme}://ada@db/escrow"));
            let refused = url.parse::<Address>().unwrap_err().to_string();
            assert!(refused.contains("it does not begin with postgres://"), "{refused}");
            assert!(!refused.contains("s3cret"), "{refused}");
        }
    }

    #[test]
    fn a_server_that_vanishes_is_noticed_within_seconds() {
        let keepalives = |options: &str| {
            let address: Address = format!("postgres://db/escrow{options}").parse().unwrap();
            let config = address.config();
            (
                config.get_keepalives_idle().as_secs(),
                config.get_keepalives_interval().map(|interval| interval.as_secs()),
                config.get_keepalives_retries(),
            )
        };
        assert_eq!(keepalives(""), (5, Some(2), Some(3)));
        let options = "?keepalives_idle=7200&keepalives_interval=10&keepalives_retries=5";
        assert_eq!(keepalives(options), (7_200, Some(10), Some(5)));
    }
}
