//! Checks that each cited section of a document exists, that links between documents lead
//! somewhere, and that the two lists of routes agree. The tests read sources and documents
//! as text.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop where it is")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The documents that comments cite by section, by the words that name them.
const CITED: [(&str, &str); 2] = [
    ("contract", "docs/contract.md"),
    ("architecture", "docs/architecture.md"),
];

/// The files and folders whose comments the tests read.
const SOURCES: [&str; 5] = ["src", "tests", "benches", "schema.sql", "config.toml"];

/// The documents.
const DOCUMENTS: [&str; 6] = [
    "docs",
    "examples",
    "README.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "CHANGELOG.md",
];

/// The most words between a document's name and the section it cites, as in "the contract's
/// Escrow, R view, and Milestone (sections 3.1 and 3.2)".
const WORDS_BETWEEN_MAX: usize = 40;

/// A section of a document that a comment cites, with the rows of its table if the comment
/// names any.
#[derive(Debug, PartialEq, Eq)]
struct Citation {
    /// The word that names the document. Empty if no such word precedes the citation.
    document: String,
    section: String,
    rows: Vec<String>,
}

/// The sections and anchors of a document.
struct Document {
    /// The numbered sections, each with the row numbers of its table.
    sections: BTreeMap<String, BTreeSet<String>>,
    anchors: BTreeSet<String>,
}

impl Document {
    fn of(text: &str) -> Self {
        let mut sections: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let mut anchors = BTreeSet::new();
        let mut current = String::new();
        for line in lines_outside_code(text) {
            if let Some(title) = line.strip_prefix('#') {
                let title = title.trim_start_matches('#').trim();
                let number = title.split(' ').next().unwrap().trim_end_matches('.');
                anchors.insert(anchor(title));
                if is_number(number) {
                    number.clone_into(&mut current);
                    assert!(
                        sections.insert(current.clone(), BTreeSet::new()).is_none(),
                        "section {number} twice"
                    );
                }
            } else if let Some(row) = line.strip_prefix("| ")
                && let Some(rows) = sections.get_mut(&current)
            {
                rows.insert(row.split(' ').next().unwrap().to_owned());
            }
        }
        Self { sections, anchors }
    }

    fn has(&self, citation: &Citation) -> bool {
        let section = self.sections.get(&citation.section);
        section.is_some_and(|rows| citation.rows.iter().all(|row| rows.contains(row)))
    }
}

/// Returns the anchor that Markdown viewers make of a heading.
fn anchor(title: &str) -> String {
    let kept = title.chars().filter_map(|c| match c {
        ' ' => Some('-'),
        c if c.is_alphanumeric() || matches!(c, '-' | '_') => Some(c.to_ascii_lowercase()),
        _ => None,
    });
    kept.collect()
}

/// Returns true if the text is the number of a section: `4` or `4.1.5`.
fn is_number(text: &str) -> bool {
    !text.is_empty()
        && text
            .split('.')
            .all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()))
}

fn lines_outside_code(text: &str) -> impl Iterator<Item = &str> {
    let mut is_code = false;
    text.lines().filter(move |line| {
        let is_fence = line.trim_start().starts_with("```");
        is_code ^= is_fence;
        !is_code && !is_fence
    })
}

/// Returns the words of a source without comment markers, so that a citation may span two
/// lines.
fn words(text: &str) -> Vec<&str> {
    text.lines()
        .flat_map(|line| line.trim().trim_start_matches(['/', '!', '-', '#']).split_whitespace())
        .collect()
}

/// Returns every section that a source cites.
fn citations(text: &str) -> Vec<Citation> {
    let words = words(text);
    let mut found = Vec::new();
    for (at, word) in words.iter().enumerate() {
        let word = word.trim_start_matches(['(', '[', '`', '"']);
        if !matches!(word, "section" | "sections") {
            continue;
        }
        let document = document_before(&words[..at]);
        let (sections, rows) = numbers_after(&words[at + 1..]);
        found.extend(sections.into_iter().map(|section| Citation {
            document: document.clone(),
            section,
            rows: rows.clone(),
        }));
    }
    found
}

/// Returns the word that names a document, nearest before a citation.
fn document_before(words: &[&str]) -> String {
    let near = words.iter().rev().take(WORDS_BETWEEN_MAX);
    let letters = near.map(|word| {
        let start = word.trim_start_matches(|c: char| !c.is_alphabetic());
        start.split(|c: char| !c.is_alphabetic()).next().unwrap().to_lowercase()
    });
    let mut named = letters.filter(|word| CITED.iter().any(|(name, _)| word == name));
    named.next().unwrap_or_default()
}

/// Returns the sections of a list such as `4.3.5 to 4.3.8 and 4.3.10` or `9.3, rows 64 to
/// 67`, and the rows of its table.
fn numbers_after(words: &[&str]) -> (Vec<String>, Vec<String>) {
    let (mut sections, mut rows) = (Vec::new(), Vec::new());
    let mut is_of_rows = false;
    for word in words {
        let bare = word.trim_end_matches([',', '.', ';', ':', ')', '`', '"', '\'']);
        match bare {
            "row" | "rows" => is_of_rows = true,
            "and" | "to" => {}
            number if is_number(number) && is_of_rows => rows.push(number.to_owned()),
            number if is_number(number) => sections.push(number.to_owned()),
            _ => break,
        }
        let ends = word[bare.len()..].contains(['.', ';', ':', ')']);
        if ends {
            break;
        }
    }
    (sections, rows)
}

/// Returns the files under this path with one of these endings, each with its text.
fn files(root: &str, endings: &[&str]) -> Vec<(PathBuf, String)> {
    let mut waiting = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join(root)];
    let mut found = Vec::new();
    while let Some(path) = waiting.pop() {
        if path.is_dir() {
            waiting.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path
            .extension()
            .is_some_and(|ending| endings.iter().any(|e| ending == *e))
        {
            let text = fs::read_to_string(&path).unwrap();
            let path = path.strip_prefix(env!("CARGO_MANIFEST_DIR")).unwrap().to_owned();
            found.push((path, text));
        }
    }
    found
}

fn sources() -> Vec<(PathBuf, String)> {
    let endings = ["rs", "sql", "toml", "c", "sh"];
    let sources = SOURCES.iter().flat_map(|root| files(root, &endings));
    sources.filter(|(path, _)| path != Path::new("tests/docs.rs")).collect()
}

fn documents() -> BTreeMap<PathBuf, String> {
    DOCUMENTS.iter().flat_map(|root| files(root, &["md"])).collect()
}

#[test]
fn every_section_that_a_comment_cites_exists() {
    let documents = documents();
    let cited = CITED.map(|(word, path)| (word, documents.get(Path::new(path)).map(|text| Document::of(text))));
    let mut broken = Vec::new();
    let mut resolved = 0;
    for (path, text) in sources() {
        for citation in citations(&text) {
            let document = cited.iter().find(|(word, _)| *word == citation.document);
            let is_there = document.and_then(|(_, document)| document.as_ref());
            if is_there.is_some_and(|document| document.has(&citation)) {
                resolved += 1;
            } else {
                broken.push(format!("{}: {citation:?}", path.display()));
            }
        }
    }
    assert_eq!(broken, [""; 0]);
    assert!(resolved > 100, "found only {resolved} citations");
}

/// Returns the targets of a document's links, without those that lead to the web.
fn links(text: &str) -> Vec<&str> {
    let targets = lines_outside_code(text).flat_map(|line| line.split("](").skip(1));
    let targets = targets.map(|rest| rest.split(')').next().unwrap());
    targets.filter(|target| !target.contains("://")).collect()
}

/// Describes the problem of a link without a target.
fn problem(from: &Path, target: &str, documents: &BTreeMap<PathBuf, String>) -> Option<String> {
    let (path, wanted) = target.split_once('#').unwrap_or((target, ""));
    let linked = match path {
        "" => from.to_owned(),
        path => normal(&from.parent().unwrap().join(path)),
    };
    let is_anchor = |text: &String| wanted.is_empty() || Document::of(text).anchors.contains(wanted);
    let is_there = match documents.get(&linked) {
        Some(text) => is_anchor(text),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join(&linked).exists(),
    };
    (!is_there).then(|| format!("{}: {target}", from.display()))
}

/// Returns the path with each `..` resolved.
fn normal(path: &Path) -> PathBuf {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.to_str().unwrap().split('/') {
        match part {
            ".." => drop(parts.pop()),
            "." | "" => {}
            part => parts.push(part),
        }
    }
    parts.iter().collect()
}

#[test]
fn every_link_between_documents_leads_somewhere() {
    let documents = documents();
    let broken = documents
        .iter()
        .flat_map(|(path, text)| links(text).into_iter().map(move |target| (path, target)))
        .filter_map(|(path, target)| problem(path, target, &documents));
    assert_eq!(broken.collect::<Vec<_>>(), [""; 0]);
}

#[test]
fn every_document_that_a_source_names_exists() {
    let documents = documents();
    let root = Path::new("source");
    let mut broken = Vec::new();
    for (path, text) in sources() {
        for (at, _) in text.match_indices("docs/") {
            let is_end = |c: char| !(c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '-' | '_' | '#'));
            let target = text[at..].split(is_end).next().unwrap().trim_end_matches('.');
            if target.contains(".md") {
                broken.extend(problem(root, target, &documents).map(|_| format!("{}: {target}", path.display())));
            }
        }
    }
    assert_eq!(broken, [""; 0]);
}

#[test]
fn the_overview_has_every_route_of_the_contract() {
    let documents = documents();
    let overview = &documents[Path::new("docs/api.md")];
    let contract = &documents[Path::new("docs/contract.md")];
    let rows = contract
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.split_once(" `/v1/"));
    let matrix = rows.filter(|(method, _)| matches!(*method, "GET" | "POST" | "PUT" | "DELETE"));
    let mut routes: Vec<String> = matrix
        .map(|(method, rest)| format!("`{method} /v1/{}`", rest.split('`').next().unwrap()))
        .collect();
    routes.sort();
    routes.dedup();
    assert_eq!(routes.len(), 55);
    let is_missing = |route: &&String| !overview.contains(route.as_str());
    assert_eq!(routes.iter().filter(is_missing).collect::<Vec<_>>(), [""; 0]);
}

#[test]
fn citations_are_found_in_every_form() {
    let cited = |text: &str| -> Vec<String> {
        let citations = citations(text).into_iter();
        let spoken = citations.map(|c| format!("{} {} {:?}", c.document, c.section, c.rows));
        spoken.collect()
    };
    assert_eq!(cited("/// Contract section 4.1.1."), ["contract 4.1.1 []"]);
    assert_eq!(
        cited("//! Banks (contract sections 4.3.5 to 4.3.8 and\n//! 4.3.10). A section follows."),
        ["contract 4.3.5 []", "contract 4.3.8 []", "contract 4.3.10 []"]
    );
    assert_eq!(
        cited("// the order is part of the contract (section 9.3, rows 64 to 67)"),
        [r#"contract 9.3 ["64", "67"]"#]
    );
    assert_eq!(cited("section 5"), [" 5 []"], "no document is named");
    let document = Document::of("# T\n## 9. Open\n### 9.3 Wire\n| 64 | Order |\n```\n# 1 no heading\n```\n");
    let has = |text: &str| document.has(&citations(text)[0]);
    assert!(has("contract section 9.3, row 64") && has("contract section 9"));
    assert!(!has("contract section 9.3, row 65") && !has("contract section 9.4") && !has("contract section 1"));
    assert_eq!(anchor("4.2.6 Claim `funds`"), "426-claim-funds");
}

#[test]
fn every_refusal_has_a_remedy() {
    let text = fs::read_to_string("docs/errors.md").unwrap();
    // A pipe within a cell is escaped.
    let rows = text
        .lines()
        .filter(|line| line.starts_with("| ") && !line.starts_with("| Status"));
    let rows: Vec<String> = rows.map(|row| row.replace("\\|", "/")).collect();
    assert!(rows.len() > 100);
    for row in rows {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        assert_eq!(cells.len(), 4, "{row}");
        assert!(cells.iter().all(|cell| !cell.is_empty()), "{row}");
    }
}
