//! Checks that no files of one part import each other in a circle, so that a reader can
//! start at the bottom of every part.
//!
//! The graph has an edge for each path from one file to another of the same part, in `use`
//! lines and in code. A `mod` line or a re-export (`pub use`) is not an edge, so a folder's
//! `mod.rs` may list its files. A path to an item that `mod.rs` re-exports leads to
//! `mod.rs`. The graph leaves out test modules.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::{Source, source, sources};

/// The parts whose files must not import each other in a circle.
const PARTS: &[&str] = &[
    "cli", "commands", "config", "csv", "domain", "http", "notices", "store", "views", "web", "webhooks",
];

/// A module's path below the crate, such as `["domain", "escrow", "terms"]`.
type Module = Vec<String>;

/// The files that each file imports.
type Imports = BTreeMap<Module, BTreeSet<Module>>;

fn module_of(path: &str) -> Module {
    let path = path.trim_end_matches(".rs").trim_end_matches("/mod");
    path.split('/').map(str::to_owned).collect()
}

/// Returns the source without comments, test modules and re-exports. It relies on the way
/// rustfmt writes the beginning and end of items.
fn production_code(source: &Source) -> String {
    let code = source.code();
    let mut production = String::new();
    let mut lines = code.lines();
    while let Some(line) = lines.next() {
        let text = line.trim_start();
        if text == "#[cfg(test)]" {
            let end = format!("{}}}", &line[..line.len() - text.len()]);
            let item = lines.by_ref().find(|line| !line.trim_start().starts_with("#["));
            if !item.is_some_and(|item| item.ends_with([';', '}'])) {
                lines.by_ref().find(|line| line.starts_with(&end));
            }
        } else if text.starts_with("pub use ") || text.starts_with("pub(crate) use ") {
            if !line.ends_with(';') {
                lines.by_ref().find(|line| line.ends_with(';'));
            }
        } else {
            production.push_str(line);
            production.push('\n');
        }
    }
    production
}

/// Returns every path in the code as its names: `use a::{b, c::d};` gives `a::b` and
/// `a::c::d`. A single name is not a path.
fn paths(code: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    let mut prefixes: Vec<Vec<String>> = Vec::new();
    let mut path: Vec<String> = Vec::new();
    let mut rest = code;
    while let Some(first) = rest.chars().next() {
        if is_name(first) {
            let name: String = rest.chars().take_while(|&c| is_name(c)).collect();
            rest = &rest[name.len()..];
            path.push(name);
            if let Some(after) = rest.strip_prefix("::") {
                rest = after;
                if let Some(list) = rest.strip_prefix('{') {
                    rest = list;
                    prefixes.push(path.clone());
                } else if rest.starts_with(is_name) {
                    continue;
                }
            } else if path.len() > 1 {
                found.push(path.clone());
            }
        } else {
            rest = &rest[first.len_utf8()..];
            if first == '}' {
                prefixes.pop();
            }
        }
        path = prefixes.last().cloned().unwrap_or_default();
    }
    found
}

/// Returns the path from the crate's root, if it leads to this crate.
fn absolute(mut path: Vec<String>, from: &Module, children: &BTreeSet<String>) -> Option<Module> {
    let first = path.first()?.clone();
    if first == "crate" {
        path.remove(0);
        return Some(path);
    }
    let mut base = from.clone();
    if first == "self" {
        path.remove(0);
    } else if first == "super" {
        while path.first().is_some_and(|name| name == "super") {
            path.remove(0);
            base.pop();
        }
    } else if !children.contains(&first) {
        return None;
    }
    base.extend(path);
    Some(base)
}

fn imports(sources: &[Source], part: &str) -> Imports {
    let of_part = |source: &&Source| source.part() == part;
    let all: Vec<(Module, String)> = sources
        .iter()
        .filter(of_part)
        .map(|source| (module_of(&source.path), production_code(source)))
        .collect();
    // A file that only a test module declares has no `mod` line left.
    let mut files: BTreeSet<Module> = BTreeSet::from([vec![part.to_owned()]]);
    for (module, code) in &all {
        for name in declared(code) {
            files.insert([module.as_slice(), &[name]].concat());
        }
    }
    let mut imports = Imports::new();
    for (module, code) in all.iter().filter(|(module, _)| files.contains(module)) {
        let children = declared(code);
        let targets = paths(code)
            .into_iter()
            .filter_map(|path| absolute(path, module, &children))
            .filter_map(|path| file_of(path, &files))
            .filter(|target| target != module);
        imports.insert(module.clone(), targets.collect());
    }
    imports
}

/// Returns the modules that a file declares and that have files of their own.
fn declared(code: &str) -> BTreeSet<String> {
    let lines = code.lines().map(str::trim);
    let names = lines.filter_map(|line| {
        let line = line
            .strip_prefix("pub(crate) ")
            .or(line.strip_prefix("pub "))
            .unwrap_or(line);
        line.strip_prefix("mod ")?.strip_suffix(';')
    });
    names.map(str::to_owned).collect()
}

/// Returns the file that holds the item of this path: the longest module the path begins
/// with.
fn file_of(mut path: Module, files: &BTreeSet<Module>) -> Option<Module> {
    while !files.contains(&path) {
        path.pop()?;
    }
    Some(path)
}

/// Returns the circles among the files, each in its shortest form.
fn circles(imports: &Imports) -> Vec<String> {
    let mut found = Vec::new();
    let mut seen = BTreeSet::new();
    for start in imports.keys() {
        if seen.contains(start) {
            continue;
        }
        if let Some(way) = way_back(start, imports) {
            let names: Vec<String> = way.iter().map(|module| module.join("::")).collect();
            found.push(names.join(" -> "));
            seen.extend(way);
        }
    }
    found
}

/// Returns the shortest chain of imports from a file back to itself.
fn way_back(start: &Module, imports: &Imports) -> Option<Vec<Module>> {
    let mut ways = VecDeque::from([vec![start.clone()]]);
    let mut reached = BTreeSet::new();
    while let Some(way) = ways.pop_front() {
        for target in imports.get(way.last()?).into_iter().flatten() {
            let longer = [way.as_slice(), std::slice::from_ref(target)].concat();
            if target == start {
                return Some(longer);
            }
            if reached.insert(target.clone()) {
                ways.push_back(longer);
            }
        }
    }
    None
}

#[test]
fn no_files_of_a_part_import_each_other_in_a_circle() {
    let sources = sources();
    let mut found = Vec::new();
    for part in PARTS {
        let imports = imports(&sources, part);
        assert!(imports.len() >= 3, "{part} has {} files", imports.len());
        found.extend(circles(&imports));
    }
    assert_eq!(found, Vec::<String>::new());
}

/// Returns the circles of a part whose `mod.rs` and files `a` and `b` have this code.
fn circles_of(parent: &str, a: &str, b: &str) -> Vec<String> {
    let sources = [
        source("part/mod.rs", &format!("pub mod a;\nmod b;\n{parent}")),
        source("part/a.rs", a),
        source("part/b.rs", b),
    ];
    circles(&imports(&sources, "part"))
}

#[test]
fn circles_are_found_in_every_form_of_import() {
    for (parent, a, b) in [
        ("", "use crate::part::b::B;", "use crate::part::a::A;"),
        ("", "use crate::part::{b::B, c};", "use super::a;"),
        ("", "fn f() { crate::part::b::f() }", "fn f(a: super::a::A) {}"),
        ("use a::A;", "use crate::part::P;", ""),
        ("fn f() -> a::A { a::A }", "use super::P;", ""),
        (
            "fn f() {}\nuse crate::part::b::{self, B};",
            "",
            "use crate::part;\nfn f() { crate::part::f() }",
        ),
        ("pub use b::B;\nuse crate::part::a::A;", "use crate::part::B;", ""),
    ] {
        assert_eq!(circles_of(parent, a, b).len(), 1, "{parent} | {a} | {b}");
    }
    for (parent, a, b) in [
        ("pub use b::B;", "use crate::part::B;", "use crate::part::P;"),
        ("use crate::part::a::A;", "", "use crate::part::P;"),
        (
            "",
            "use crate::part::b::B; // crate::part::a",
            "// use crate::part::a::A;",
        ),
        (
            "",
            "use crate::part::b::B;",
            "#[cfg(test)]\nmod tests {\n    use crate::part::a::A;\n}\n",
        ),
        ("#[cfg(test)]\nmod c;\nuse crate::part::b::B;", "", ""),
        (
            "",
            "use crate::part::b::B;",
            "use crate::other::part::a::A;\nuse std::a;",
        ),
    ] {
        assert_eq!(circles_of(parent, a, b), Vec::<String>::new(), "{parent} | {a} | {b}");
    }
}
