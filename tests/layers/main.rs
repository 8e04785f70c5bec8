//! Checks the layers: no part imports one above it, each library stays in its part, every
//! file opens with a doc comment, and no file is too long. The tests read the sources as
//! text, so a forbidden import fails here even when it compiles.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop where it is")]

mod circles;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// The parts of this crate that each part may import, beside itself. A part that is not
/// listed is at the top and may import all others.
const ALLOWED_IMPORTS: [(&str, &[&str]); 20] = [
    ("domain", &[]),
    ("clock", &["domain"]),
    ("entropy", &["domain"]),
    ("views", &["domain"]),
    ("csv", &["domain"]),
    ("notices", &["domain"]),
    ("meter", &[]),
    ("background", &["meter"]),
    ("store", &["background", "domain", "meter"]),
    ("commands", &["domain", "store", "views"]),
    ("config", &["domain", "store"]),
    ("http_client", &[]),
    (
        "webhooks",
        &[
            "background",
            "commands",
            "store",
            "domain",
            "clock",
            "http_client",
            "meter",
        ],
    ),
    ("backups", &["background", "domain", "store"]),
    ("retention", &["background", "commands", "store", "domain"]),
    ("settlements", &["background", "commands", "domain", "store"]),
    (
        "http",
        &[
            "commands", "store", "webhooks", "views", "csv", "notices", "domain", "clock", "entropy", "meter",
        ],
    ),
    ("web", &["commands", "domain", "entropy", "http", "store", "views"]),
    (
        "metrics",
        &["background", "backups", "http", "store", "webhooks", "domain", "meter"],
    ),
    ("main", &["cli"]),
];

/// The parts at the top.
const TOP: [&str; 3] = ["app", "cli", "lib"];

/// The parts that may name each library. Part and library of `csv` have one name, so the
/// library is told by its import and its types.
const LIBRARIES: [(&str, &[&str]); 21] = [
    ("actix", &["http/", "web/", "app/"]),
    ("maud", &["web/"]),
    ("pulldown_cmark", &["web/docs/"]),
    ("rusqlite", &["store/"]),
    ("r2d2", &["store/"]),
    ("reqwest", &["http_client.rs", "webhooks/", "cli/"]),
    ("rustls", &["http_client.rs", "store/engine/postgres/"]),
    ("tokio_postgres", &["store/engine/"]),
    ("hmac", &["webhooks/", "notices/", "http/checkout/"]),
    ("use csv::", &["csv/"]),
    ("use ::csv::", &["csv/"]),
    ("csv::Reader", &["csv/"]),
    ("csv::Writer", &["csv/"]),
    ("httpdate", &["webhooks/"]),
    ("prometheus", &["metrics/"]),
    ("anyhow", &["main.rs", "cli/"]),
    ("clap_", &["cli/"]),
    ("sd_notify", &["cli/"]),
    ("open::that", &["cli/"]),
    ("phonenumber", &["domain/customers/"]),
    ("schemars", &["views/", "http/"]),
];

const LINES_MAX: usize = 500;

/// One source file.
struct Source {
    /// Its path under `src`, such as `store/engine/writer.rs`.
    path: String,
    text: String,
}

impl Source {
    /// Returns the part the file belongs to: the first folder, or the file itself.
    fn part(&self) -> &str {
        self.path.split(['/', '.']).next().unwrap()
    }

    /// Returns the depth of its module: 1 for `clock.rs`, 3 for `store/engine/writer.rs`.
    fn depth(&self) -> usize {
        let names = self.path.trim_end_matches(".rs").split('/');
        names.filter(|&name| name != "mod").count()
    }

    /// Returns its text without comments.
    fn code(&self) -> String {
        let lines = self.text.lines().map(|line| line.split("//").next().unwrap());
        lines.collect::<Vec<_>>().join("\n")
    }

    /// Returns the parts it imports or names: after `crate::`, after as many `super::` as
    /// lead to the root, and after the crate's own name.
    fn imports(&self) -> BTreeSet<String> {
        let up = "super::".repeat(self.depth());
        let code = self.code();
        let mut imports = BTreeSet::new();
        for root in ["crate::", "escrowd::", &up] {
            for (_, after) in code
                .match_indices(root)
                .map(|(at, root)| code.split_at(at + root.len()))
            {
                imports.extend(first_names(after));
            }
        }
        imports.retain(|name| ALLOWED_IMPORTS.iter().any(|(part, _)| part == name) || TOP.contains(&name.as_str()));
        imports.remove(self.part());
        imports
    }

    fn forbidden_imports(&self) -> Vec<String> {
        let part = self.part();
        let allowed = ALLOWED_IMPORTS
            .iter()
            .find(|(name, _)| *name == part)
            .map(|(_, allowed)| allowed);
        assert!(
            allowed.is_some() || TOP.contains(&part),
            "{} belongs to no layer",
            self.path
        );
        let is_wrong = |import: &String| allowed.is_some_and(|allowed| !allowed.contains(&import.as_str()));
        let imports = self.imports().into_iter().filter(is_wrong);
        imports
            .map(|import| format!("{} imports {import}", self.path))
            .collect()
    }

    fn misplaced_libraries(&self) -> Vec<String> {
        let mut code = self.code();
        if self.part() == "cli" {
            // The code that starts the service has to start its runtime.
            code = code.replace("actix_web::rt::", "");
        }
        let is_misplaced = |(library, places): &&(&str, &[&str])| {
            code.contains(library) && !places.iter().any(|place| self.path.starts_with(place))
        };
        let misplaced = LIBRARIES.iter().filter(is_misplaced);
        misplaced
            .map(|(library, _)| format!("{} names {library}", self.path))
            .collect()
    }

    fn untidiness(&self) -> Vec<String> {
        let (path, code) = (&self.path, self.code());
        let mut found = Vec::new();
        if !self.text.starts_with("//! ") {
            found.push(format!("{path} does not open with a doc comment (//!)"));
        }
        let lines = self.text.lines().count();
        if lines > LINES_MAX {
            found.push(format!("{path} has {lines} lines, more than {LINES_MAX}"));
        }
        let unfinished = ["TODO", "FIXME", "XXX"]
            .iter()
            .filter(|mark| self.text.contains(**mark));
        found.extend(unfinished.map(|mark| format!("{path} has a {mark}")));
        let printing = ["dbg!", "println!", "print!"]
            .iter()
            .filter(|word| code.contains(**word));
        let may_print = self.part() == "cli";
        found.extend(
            printing
                .filter(|_| !may_print)
                .map(|word| format!("{path} has a {word}")),
        );
        found
    }
}

/// Returns the names right after a root: one, or those of a list in braces.
fn first_names(after: &str) -> Vec<String> {
    let name_of = |text: &str| -> String {
        let text = text.trim_start();
        text.chars().take_while(|&c| c.is_alphanumeric() || c == '_').collect()
    };
    let Some(list) = after.strip_prefix('{') else {
        return vec![name_of(after)];
    };
    let mut depth = 0;
    let mut names = vec![name_of(list)];
    for (at, c) in list.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => names.push(name_of(&list[at + 1..])),
            _ => {}
        }
    }
    names
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut sources = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                sources.push(Source {
                    path: path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned(),
                    text: fs::read_to_string(&path).unwrap(),
                });
            }
        }
    }
    assert!(sources.len() > 40, "only {} sources were found", sources.len());
    sources
}

fn all_of(find: impl Fn(&Source) -> Vec<String>) -> Vec<String> {
    sources().iter().flat_map(find).collect()
}

#[test]
fn no_part_imports_one_above_it() {
    assert_eq!(all_of(Source::forbidden_imports), Vec::<String>::new());
}

#[test]
fn each_library_is_named_only_in_its_parts() {
    assert_eq!(all_of(Source::misplaced_libraries), Vec::<String>::new());
}

/// The tables stay the same for another database.
#[test]
fn the_tables_name_no_database_library() {
    let names = |source: &Source| {
        let code = source.code();
        let code = code.split("#[cfg(test)]").next().unwrap_or_default();
        let does = source.path.starts_with("store/tables/") && code.contains("rusqlite");
        does.then(|| source.path.clone()).into_iter().collect()
    };
    assert_eq!(all_of(names), Vec::<String>::new());
}

/// Effects that another file posts would lose their events.
#[test]
fn only_the_outbox_posts_effects() {
    let posts = |source: &Source| {
        let does = source.part() == "commands" && source.code().contains("tx.post(");
        does.then(|| source.path.clone()).into_iter().collect()
    };
    assert_eq!(all_of(posts), ["commands/outbox.rs"]);
}

#[test]
fn every_file_opens_with_a_doc_comment_and_is_finished() {
    assert_eq!(all_of(Source::untidiness), Vec::<String>::new());
}

fn source(path: &str, text: &str) -> Source {
    Source {
        path: path.to_owned(),
        text: text.to_owned(),
    }
}

#[test]
fn forbidden_imports_are_found_in_every_form() {
    for (path, text) in [
        ("domain/money.rs", "use crate::store::Tx;"),
        ("domain/mod.rs", "use super::store::Tx;"),
        ("domain/money.rs", "use crate::{clock, domain::ids};"),
        (
            "domain/money.rs",
            "use crate::{\n    domain::{ids, time},\n    commands,\n};",
        ),
        ("store/accounts.rs", "fn f() { super::super::commands::f() }"),
        ("commands/payments.rs", "    crate::http::bind();"),
        ("views/mod.rs", "use crate::commands::Policy;"),
        ("views/wallet.rs", "use crate::store::Store;"),
        ("views/wallet.rs", "use super::super::http::AppState;"),
        ("http/routes/payments.rs", "use super::super::super::config::Config;"),
        ("entropy.rs", "use super::clock::SystemClock;"),
        ("csv/statement.rs", "use crate::store::Tx;"),
        ("notices/paystack.rs", "use crate::commands::receipts;"),
    ] {
        assert_eq!(source(path, text).forbidden_imports().len(), 1, "{path}: {text}");
    }
    for (path, text) in [
        ("domain/money.rs", "use super::ids::MerchantId; // crate::store has it"),
        ("store/accounts.rs", "use super::super::domain::ids::CustomerId;"),
        (
            "http/routes/payments.rs",
            "use super::super::envelope;\nuse crate::{commands, store};",
        ),
        ("http/fields.rs", "use crate::http::body::Body;"),
        ("app/mod.rs", "use crate::http::AppState;"),
        ("http/routes/position.rs", "use crate::csv::statement::read_statement;"),
    ] {
        assert_eq!(
            source(path, text).forbidden_imports(),
            Vec::<String>::new(),
            "{path}: {text}"
        );
    }
}

#[test]
fn misplaced_libraries_and_untidy_files_are_found() {
    for (path, text) in [
        ("commands/payments.rs", "use rusqlite::params;"),
        ("commands/mod.rs", "use r2d2::Pool;"),
        ("cli/check.rs", "use actix_web::HttpServer;"),
        ("commands/payments.rs", "actix_web::rt::spawn(f());"),
        ("store/mod.rs", "use anyhow::Context;"),
        ("http/events.rs", "use reqwest::Client;"),
        ("http/routes/position.rs", "use csv::{Terminator, Trim};"),
        ("cli/position.rs", "let rows = ::csv::Reader::from_reader(bytes);"),
        ("commands/receipts.rs", "use hmac::Mac;"),
        ("store/engine/writer.rs", "prometheus::register(counter);"),
    ] {
        assert_eq!(source(path, text).misplaced_libraries().len(), 1, "{path}: {text}");
    }
    let own_part = source("http/routes/position.rs", "use crate::csv::report::Report;");
    assert_eq!(own_part.misplaced_libraries(), Vec::<String>::new());
    let runtime = source("cli/serve.rs", "actix_web::rt::spawn(f());");
    assert_eq!(runtime.misplaced_libraries(), Vec::<String>::new());
    for text in [
        "use std::fs;\n",
        "//! A head.\n// TODO: the rest\n",
        "//! A head.\nfn f() { dbg!(1); }\n",
        &format!("//! A head.\n{}", "\n".repeat(LINES_MAX)),
    ] {
        assert_eq!(source("store/mod.rs", text).untidiness().len(), 1, "{text}");
    }
    assert!(
        !source("app/mod.rs", "//! A head.\nfn f() { println!(); }")
            .untidiness()
            .is_empty()
    );
    assert!(
        source("cli/mod.rs", "//! A head.\nfn f() { println!(); }")
            .untidiness()
            .is_empty()
    );
}
