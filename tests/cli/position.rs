//! The subcommand position.

use serde_json::Value;

use crate::helpers::{WorkFolder, get, stderr, stdout};

#[test]
fn position_shows_a_file_beside_its_server_and_tells_sums_that_do_not_agree() {
    let work_folder = WorkFolder::new();
    let server = work_folder.serve(&["--database", "test.db"]);
    let (status, _) = get(&server.url("/v1/wallet"), &[("customer-id", "ada")]);
    assert_eq!(status, 200);

    let shown = work_folder.run(&["position", "test.db"]);
    assert!(shown.status.success(), "{}", stderr(&shown));
    let table = stdout(&shown);
    for line in [
        "test.db: position in NGN as of ",
        "  customers' wallets                       1000000.00\n",
        "  together                                 1000000.00\n",
        "  the bank should hold                     1000000.00\n",
        "  open pay-outs                                  0.00  (0)\n",
        "  chain head of merchant 1: ",
        "The sums agree:",
    ] {
        assert!(table.contains(line), "{line:?} is not in\n{table}");
    }
    let json = work_folder.run(&["position", "test.db", "--json"]);
    assert!(json.status.success());
    let of_file: Value = serde_json::from_str(&stdout(&json)).unwrap();
    let (status, body) = get(&server.url("/operator/position"), &[]);
    assert_eq!(status, 200);
    let mut of_server: Value = serde_json::from_str(&body).unwrap();
    // The file knows the time of its newest commit only.
    of_server["data"]["asOf"] = of_file["asOf"].clone();
    assert_eq!(of_file, of_server["data"]);
    drop(server);

    let file = rusqlite::Connection::open(work_folder.path().join("test.db")).unwrap();
    let change = "UPDATE account SET balance = balance + 1 WHERE purpose = 'CUSTOMER_MAIN'";
    file.execute(change, []).unwrap();
    drop(file);
    for arguments in [&["position", "test.db"][..], &["position", "test.db", "--json"]] {
        let wrong = work_folder.run(arguments);
        assert_eq!(wrong.status.code(), Some(1), "{}", stderr(&wrong));
        let shown = stdout(&wrong);
        assert!(
            shown.contains("The sums of merchant 1 do not agree.") || shown.contains("\"agrees\": false"),
            "{shown}"
        );
    }
    let missing = work_folder.run(&["position", "nothing.db"]);
    assert_eq!(missing.status.code(), Some(1));
    assert!(stderr(&missing).contains("nothing.db"), "{}", stderr(&missing));
}
