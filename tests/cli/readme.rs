//! Checks that the README and the documents match the program.

use std::process::Command;

use serde_json::Value;

use crate::helpers::{WorkFolder, stderr, stdout};

const README: &str = include_str!("../../README.md");
const ERRORS: &str = include_str!("../../docs/errors.md");
const PICTURE: &str = include_str!("../../docs/demo.svg");

/// The address in the documents.
const SHOWN_ADDRESS: &str = "127.0.0.1:8080";

/// Returns the code blocks in this language.
fn blocks<'a>(document: &'a str, language: &str) -> Vec<&'a str> {
    let opening = format!("```{language}\n");
    let blocks = document.split(opening.as_str()).skip(1);
    blocks.map(|rest| rest.split("```").next().unwrap()).collect()
}

/// Returns true if a reply contains every field that a document shows. A list must have
/// exactly the shown elements.
fn has(reply: &Value, shown: &Value) -> bool {
    match (reply, shown) {
        (Value::Object(reply), Value::Object(shown)) => shown
            .iter()
            .all(|(name, shown)| reply.get(name).is_some_and(|reply| has(reply, shown))),
        (Value::Array(reply), Value::Array(shown)) => {
            reply.len() == shown.len() && reply.iter().zip(shown).all(|(reply, shown)| has(reply, shown))
        }
        _ => reply == shown,
    }
}

/// Runs a script of the README and returns its output.
fn run(script: &str, address: &str) -> String {
    let script = script.replace(SHOWN_ADDRESS, address);
    let output = Command::new("sh").args(["-eu", "-c", &script]).output().unwrap();
    assert!(output.status.success(), "{script}\n{}", stderr(&output));
    stdout(&output)
}

#[test]
fn the_first_deal_works_as_printed() {
    let scripts = blocks(README, "sh");
    let replies = blocks(README, "json");
    assert_eq!((scripts.len(), replies.len()), (4, 4), "each script has a reply");

    let work_folder = WorkFolder::new();
    let server = work_folder.serve(&["--database", "test.db"]);
    for (script, shown) in scripts.into_iter().zip(replies) {
        let printed = run(script, &server.address);
        // The output has several replies. The document shows the last one.
        let replies = serde_json::Deserializer::from_str(&printed).into_iter();
        let reply: Value = replies.last().unwrap().unwrap();
        let shown: Value = serde_json::from_str(shown).unwrap();
        assert!(has(&reply, &shown), "{script}\n{shown}\nis not in\n{reply}");
    }
}

#[test]
fn the_refusal_shown_is_the_one_given() {
    let work_folder = WorkFolder::new();
    let server = work_folder.serve(&["--database", "test.db"]);
    let script = format!(
        "curl -s http://{SHOWN_ADDRESS}/v1/escrow/milestone/create -H 'customer-id: ada' -H 'content-type: application/json' -d '{}'",
        r#"{"amount":12.5,"purpose":"x","whoPays":"buyer","milestones":[{"title":"a","amount":12.5}]}"#
    );
    let given: Value = serde_json::from_str(&run(&script, &server.address)).unwrap();
    let shown: Value = serde_json::from_str(blocks(ERRORS, "json")[0]).unwrap();
    assert_eq!(
        given.to_string().replace(&server.address, SHOWN_ADDRESS),
        shown.to_string()
    );
}

/// Returns a line without the parts that differ between runs: ids, tokens, paths and
/// durations.
fn stable(line: &str) -> String {
    let is_id = |word: &str| word.len() == 24 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    let word = |word: &str| match word {
        word if word.starts_with("PY_") => "PY_".to_owned(),
        word if word.ends_with("ms") || word.ends_with("µs") || word.ends_with("demo.db:") => "...".to_owned(),
        word => {
            let parts = word.split('/').map(|part| if is_id(part) { "id" } else { part });
            parts.collect::<Vec<_>>().join("/")
        }
    };
    line.trim_end().split(' ').map(word).collect::<Vec<_>>().join(" ")
}

#[test]
fn the_picture_is_what_the_demo_prints() {
    let text_of = |row: &str| -> String {
        let outside_tags = row
            .split('<')
            .map(|part| part.split_once('>').map_or(part, |(_, text)| text));
        let text: String = outside_tags.collect();
        text.replace("&gt;", ">")
            .replace("&lt;", "<")
            .replace("&#x27;", "'")
            .replace("&quot;", "\"")
            .replace("&amp;", "&")
    };
    let rows = PICTURE.lines().filter(|line| line.starts_with("<text"));
    let shown: Vec<String> = rows.map(|row| stable(&text_of(row))).collect();
    let output = WorkFolder::new().run(&["demo"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let printed: Vec<String> = stdout(&output).lines().map(stable).collect();
    assert!(shown.len() > 20, "the picture has {} lines", shown.len());
    assert!(
        printed.ends_with(&shown),
        ".ci/picture draws it anew; {shown:#?}\nis not the end of\n{printed:#?}"
    );
}
