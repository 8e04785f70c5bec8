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

/// Each merchant's figures are as they should be, and no amount is as large as their sum.
#[test]
fn merchants_that_are_beyond_the_largest_amount_together_are_shown_each() {
    let work_folder = WorkFolder::new();
    let server = work_folder.serve(&["--database", "test.db"]);
    for key in ["Bearer sk_test_a", "Bearer sk_test_b"] {
        let headers = [("authorization", key), ("customer-id", "ada")];
        assert_eq!(get(&server.url("/v1/wallet"), &headers).0, 200);
    }
    drop(server);
    let file = rusqlite::Connection::open(work_folder.path().join("test.db")).unwrap();
    let change = "UPDATE account SET balance = CASE purpose WHEN 'CUSTOMER_MAIN' THEN 1 ELSE -1 END * 9007199254740991
                  WHERE purpose IN ('CUSTOMER_MAIN', 'OUTSIDE_WORLD')";
    assert_eq!(file.execute(change, []), Ok(4));
    drop(file);
    let shown = work_folder.run(&["position", "test.db"]);
    assert!(shown.status.success(), "{}", stderr(&shown));
    let table = stdout(&shown);
    let beyond = "the sum of the merchants is beyond 90071992547409.91, the largest amount of the service";
    assert!(table.contains(&format!("  {beyond}: see each merchant\n")), "{table}");
    assert_eq!(
        table
            .matches("  the bank should hold              90071992547409.91\n")
            .count(),
        2,
        "{table}"
    );
    assert!(table.contains("The sums agree:"), "{table}");
    let json = work_folder.run(&["position", "test.db", "--json"]);
    assert_eq!(json.status.code(), Some(1));
    assert!(stderr(&json).contains(beyond), "{}", stderr(&json));
}
