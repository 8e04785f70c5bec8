//! The README's own commands, run as they are printed.

use std::process::Command;

use crate::helpers::{WorkFolder, stderr, stdout};

const README: &str = include_str!("../../README.md");

#[test]
fn the_first_deal_works_as_printed() {
    let script = README.split("```sh\n").nth(1).unwrap().split("```").next().unwrap();
    assert_eq!(script.matches("curl ").count(), 5, "five curl lines are promised");

    let work_folder = WorkFolder::new();
    let server = work_folder.serve(&["--database", "test.db"]);
    let script = script.replace("127.0.0.1:8080", &server.address);
    let output = Command::new("sh").args(["-eu", "-c", &script]).output().unwrap();
    let shown = stdout(&output);
    assert!(output.status.success(), "{shown}{}", stderr(&output));
    for part in [
        "\"amount\":10200",
        "\"status\":\"ONGOING\"",
        "\"status\":\"COMPLETED\"",
        "\"mainBalance\":1010000",
    ] {
        assert!(shown.contains(part), "{part} is not in\n{shown}");
    }
}

#[test]
fn the_refusal_shown_is_the_one_given() {
    let work_folder = WorkFolder::new();
    let server = work_folder.serve(&["--database", "test.db"]);
    let body = r#"{"amount":12.5,"purpose":"x","whoPays":"buyer","milestones":[{"title":"a","amount":12.5}]}"#;
    let mut answer = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .build()
        .new_agent()
        .post(server.url("/v1/escrow/milestone/create"))
        .header("customer-id", "ada")
        .header("content-type", "application/json")
        .send(body)
        .unwrap();
    let given: serde_json::Value = serde_json::from_str(&answer.body_mut().read_to_string().unwrap()).unwrap();
    let shown = README.split("```json\n").nth(1).unwrap().split("```").next().unwrap();
    let shown: serde_json::Value = serde_json::from_str(shown).unwrap();
    assert_eq!(given, shown);
}
