//! Runs every command of docs/self-hosting.md in its order, with the real binary: install,
//! operators, the first merchant and deal, the morning, backup, drill, a lost disk, new keys, an
//! upgrade, a stop.

use std::path::Path;
use std::process::Command;

use crate::helpers::{WorkFolder, stderr, stdout};
use crate::ports::free_address;

const DOCUMENT: &str = include_str!("../../docs/self-hosting.md");
/// The address in the document.
const SHOWN_ADDRESS: &str = "127.0.0.1:8080";
/// The command after which a second merchant is made, with which the later commands work too.
const FIRST_MERCHANT_IS_LISTED: &str = "escrowd merchant list\n";

/// Returns the commands of the document as one script that ends at the first failure.
fn script(address: &str) -> String {
    assert_eq!(DOCUMENT.matches(FIRST_MERCHANT_IS_LISTED).count(), 1);
    let second = format!("{FIRST_MERCHANT_IS_LISTED}escrowd merchant create second > /dev/null\n");
    let document = DOCUMENT.replace(FIRST_MERCHANT_IS_LISTED, &second);
    let blocks = document.split("```bash\n").skip(1);
    let commands = blocks.map(|rest| rest.split("```").next().unwrap().replace(SHOWN_ADDRESS, address));
    let parts: Vec<String> =
        std::iter::once("set -eu -o pipefail\ntrap 'kill $SERVICE 2> /dev/null || true' EXIT\n".to_owned())
            .chain(commands)
            .chain(["echo 'the end'\n".to_owned()])
            .collect();
    parts.concat()
}

#[test]
fn every_command_of_a_self_hosters_first_year_works() {
    let address = free_address().to_string();
    let folder = WorkFolder::new();
    let programs = Path::new(env!("CARGO_BIN_EXE_escrowd")).parent().unwrap();
    let path = std::env::var("PATH").unwrap();
    let ran = Command::new("bash")
        .args(["-c", &script(&address)])
        .current_dir(folder.path())
        .env("PATH", format!("{}:{path}", programs.display()))
        .env("ESCROWD_LISTEN", &address)
        .env("ESCROWD_URL", format!("http://{address}"))
        .output()
        .unwrap();
    let said = stdout(&ran);
    assert!(ran.status.success(), "{said}\n{}", stderr(&ran));
    for shown in [
        "the bank should hold                       72500.00",
        "The restored ledger is sound",
        "opens nothing any more",
        "The key of operator Cleo Eze is revoked",
        "The structure of the file is intact too",
        "the end",
    ] {
        assert!(said.contains(shown), "{shown:?} is not in\n{said}");
    }
    assert!(folder.path().join("escrowd.db").exists() && !folder.path().join("drill.db").exists());
}
