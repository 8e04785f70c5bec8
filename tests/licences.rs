//! Checks that every dependency has a licence that `deny.toml` allows. `cargo deny` checks
//! the crates of other platforms, which a build does not download.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop where it is")]

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value;

const DENY: &str = include_str!("../deny.toml");

/// Returns the licences that `deny.toml` allows.
fn allowed() -> BTreeSet<String> {
    let deny: toml::Value = toml::from_str(DENY).unwrap();
    let allow = deny["licenses"]["allow"].as_array().unwrap();
    allow.iter().map(|id| id.as_str().unwrap().to_owned()).collect()
}

/// Runs a program and returns its output.
fn printed(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap();
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

/// Returns every package of this platform that the lock file names, with its licence
/// expression.
fn packages() -> Vec<(String, String)> {
    let version = printed("rustc", &["-vV"]);
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
    let arguments = [
        "metadata",
        "--format-version",
        "1",
        "--locked",
        "--offline",
        "--filter-platform",
        host,
    ];
    let metadata: Value = serde_json::from_str(&printed(env!("CARGO"), &arguments)).unwrap();
    let packages = metadata["packages"].as_array().unwrap().iter();
    packages
        .map(|package| {
            let text = |key: &str| package[key].as_str().unwrap_or_default().to_owned();
            (text("name"), text("license"))
        })
        .collect()
}

/// Returns true if the allowed licences satisfy an expression: `A OR B`, `A AND B`, with
/// `/` as an old form of `OR`. `AND` binds more strongly.
fn is_met(expression: &str, allowed: &BTreeSet<String>) -> bool {
    let spaced = expression
        .replace('/', " OR ")
        .replace('(', " ( ")
        .replace(')', " ) ")
        .replace(" WITH ", "-WITH-");
    let mut tokens = spaced.split_whitespace().peekable();
    let is_met = any(&mut tokens, allowed);
    is_met && tokens.next().is_none()
}

type Tokens<'a> = std::iter::Peekable<std::str::SplitWhitespace<'a>>;

fn any(tokens: &mut Tokens<'_>, allowed: &BTreeSet<String>) -> bool {
    let mut is_met = all(tokens, allowed);
    while tokens.next_if_eq(&"OR").is_some() {
        is_met |= all(tokens, allowed);
    }
    is_met
}

fn all(tokens: &mut Tokens<'_>, allowed: &BTreeSet<String>) -> bool {
    let mut is_met = one(tokens, allowed);
    while tokens.next_if_eq(&"AND").is_some() {
        is_met &= one(tokens, allowed);
    }
    is_met
}

fn one(tokens: &mut Tokens<'_>, allowed: &BTreeSet<String>) -> bool {
    match tokens.next() {
        Some("(") => {
            let is_met = any(tokens, allowed);
            tokens.next_if_eq(&")").is_some() && is_met
        }
        Some(id) => allowed.contains(id),
        None => false,
    }
}

#[test]
fn every_dependency_has_an_allowed_licence() {
    let allowed = allowed();
    let packages = packages();
    assert!(packages.len() > 100, "found only {} packages", packages.len());
    let refused = packages.iter().filter(|(_, licence)| !is_met(licence, &allowed));
    assert_eq!(refused.collect::<Vec<_>>(), [] as [&(String, String); 0]);
}

#[test]
fn expressions_are_read_as_spdx_defines_them() {
    let allowed = BTreeSet::from(["MIT".to_owned(), "ISC".to_owned()]);
    for met in [
        "MIT",
        "MIT/Apache-2.0",
        "GPL-3.0 OR MIT",
        "MIT AND ISC",
        "(GPL-3.0 OR MIT) AND ISC",
        "GPL-3.0 AND BSD-3-Clause OR MIT",
    ] {
        assert!(is_met(met, &allowed), "{met}");
    }
    for refused in [
        "",
        "GPL-3.0",
        "MIT AND GPL-3.0",
        "MIT AND (GPL-3.0 OR BSD-3-Clause)",
        "Apache-2.0 WITH LLVM-exception",
        "(MIT",
        "MIT ISC",
    ] {
        assert!(!is_met(refused, &allowed), "{refused}");
    }
}
