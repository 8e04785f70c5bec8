//! Tests the batches of pay-outs: the file for the bank, and the results with which it comes
//! back.

use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use crate::console::Form;
use crate::helpers::Answer;
use crate::live_console::Browser;
use crate::position::{APPROVER, AUDITOR, CASHIER, Office};

const EXPORT: &str = "/operator/payouts/export";
const RESULTS: &str = "/operator/payouts/results";
const HEADER: &str = "payoutId,status,bankReference,valueDate,reason\n";

impl Office {
    fn export(&self) -> Answer {
        self.send(CASHIER, "POST", EXPORT, &[], "")
    }

    fn export_again(&self, batch: u32) -> Answer {
        self.post(CASHIER, EXPORT, &json!({ "batch": batch }))
    }

    fn results(&self, lines: &str) -> Answer {
        self.csv(RESULTS, &format!("{HEADER}{lines}"))
    }

    fn status_of(&self, payout: &str) -> String {
        self.get(&format!("/operator/payouts/{payout}")).ok().text("status")
    }

    fn acts(&self) -> Vec<String> {
        let kinds = "SELECT kind || ' ' || subject FROM operator_act WHERE merchant_id IS NOT NULL ORDER BY id";
        self.app.column(kinds)
    }
}

/// Returns line, outcome, status and code of each line of a reply.
fn outcomes(answer: &Answer) -> Vec<String> {
    let lines = answer.data()["lines"].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let of_line = |line: &Value| {
        ["line", "outcome", "status", "code"]
            .map(|name| text(&line[name]))
            .join(" ")
    };
    lines.map(of_line).collect()
}

#[test]
fn approved_pay_outs_are_exported_as_the_bank_reads_them() {
    for office in Office::both() {
        let trade = office.trade();
        let empty = office.export();
        let header =
            "payoutId,reference,amount,currency,bankCode,bankName,accountNumber,accountName,narration,batch\r\n";
        assert_eq!((empty.status, empty.text.as_str()), (200, header));
        office.approves(&trade.open);
        let exported = office.export();
        assert!(exported.is_csv(), "{exported:?}");
        assert_eq!(
            exported.header("content-disposition"),
            Some("attachment; filename=\"payouts.csv\"")
        );
        let shown = office.get(&format!("/operator/payouts/{}", trade.open)).ok();
        // A spreadsheet must not take the account's name as a formula.
        let row = format!(
            "{},{},500.00,NGN,058,Test Bank,0123456789,'=cmd|' /C calc'!A0,,1\r\n",
            trade.open,
            shown.text("reference")
        );
        assert_eq!(exported.text, format!("{header}{row}"));
        assert_eq!(
            office.acts().iter().rev().take(3).collect::<Vec<_>>()[0],
            "payouts_exported batch 1, 1 pay-outs"
        );
        assert_eq!(office.status_of(&trade.open), "approved");
    }
}

/// Returns the pay-out and the batch of each line of an exported file.
fn lines_of(exported: &Answer) -> Vec<(String, String)> {
    assert_eq!(exported.status, 200, "{}", exported.text);
    let lines = exported.text.lines().skip(1);
    let of_line = |line: &str| {
        let (id, _) = line.split_once(',').unwrap();
        let (_, batch) = line.rsplit_once(',').unwrap();
        (id.to_owned(), batch.to_owned())
    };
    lines.map(of_line).collect()
}

#[test]
fn the_bank_is_asked_once_to_pay_a_pay_out() {
    for office in Office::both() {
        let trade = office.trade();
        let refused = office.export_again(1);
        assert_eq!(
            (refused.status, refused.message()),
            (400, "batch must be left out, since no batch was exported yet; got 1")
        );
        let [first, second, third] = [100, 200, 300].map(|amount| office.withdraws(&trade.ada, amount, "Ada Obi"));
        office.approves(&first);
        office.approves(&second);
        let of = |payout: &String, batch: u32| (payout.clone(), batch.to_string());
        assert_eq!(lines_of(&office.export()), [of(&first, 1), of(&second, 1)]);
        // Nothing new waits, so nothing is exported and recorded.
        let before = office.app.dump();
        assert_eq!(lines_of(&office.export()), []);
        assert_eq!(lines_of(&office.post(CASHIER, EXPORT, &json!({}))), []);
        assert_eq!(office.app.dump(), before);
        office.approves(&third);
        assert_eq!(lines_of(&office.export()), [of(&third, 2)]);
        let shown = |payout: &str| office.get(&format!("/operator/payouts/{payout}")).ok().data()["batch"].clone();
        assert_eq!(
            [&first, &second, &third, &trade.open].map(|id| shown(id)),
            [json!(1), json!(1), json!(2), json!(null)]
        );
        // A lost file has what is still to be paid.
        office.pays(&first, "FT-7001", "2026-11-09");
        assert_eq!(lines_of(&office.export_again(1)), [of(&second, 1)]);
        assert_eq!(
            office.acts().last().map(String::as_str),
            Some("payouts_exported batch 1, 1 pay-outs")
        );
        for (batch, message) in [
            (0, "batch must be the number of an exported batch, from 1 to 2; got 0"),
            (3, "batch must be the number of an exported batch, from 1 to 2; got 3"),
        ] {
            let refused = office.export_again(batch);
            assert_eq!((refused.status, refused.message()), (400, message));
        }
    }
}

#[test]
fn the_bank_is_not_asked_to_pay_a_customer_who_was_stopped() {
    for office in Office::both() {
        let trade = office.trade();
        let paid_out = office.withdraws(&trade.ada, 100, "Ada Obi");
        for payout in [&trade.open, &paid_out] {
            office.approves(payout);
        }
        let put = |path: &str, customer: &str, body: &Value| {
            office
                .customer("PUT", &format!("/v1/customer/{path}/{customer}"), "", body)
                .ok();
        };
        let permit = |may: bool| put("permissions", &trade.ada, &json!({ "canWithdraw": may }));
        let of = |payout: &String, batch: u32| (payout.clone(), batch.to_string());
        permit(false);
        let before = office.app.dump();
        assert_eq!(lines_of(&office.export()), []);
        assert_eq!(office.app.dump(), before);
        permit(true);
        put("block", &trade.ada, &json!({}));
        assert_eq!(lines_of(&office.export()), []);
        // A customer who was stopped holds up no other.
        office.receives(500.0, "FT-1010", "2026-11-04", Some(&trade.ben));
        let of_ben = office.withdraws(&trade.ben, 100, "Ben Obi");
        office.approves(&of_ben);
        assert_eq!(lines_of(&office.export()), [of(&of_ben, 1)]);
        put("block", &trade.ben, &json!({}));
        assert_eq!(lines_of(&office.export_again(1)), []);
        for customer in [&trade.ada, &trade.ben] {
            put("unblock", customer, &json!({}));
        }
        assert_eq!(lines_of(&office.export()), [of(&trade.open, 2), of(&paid_out, 2)]);
        assert_eq!(lines_of(&office.export_again(1)), [of(&of_ben, 1)]);
    }
}

#[test]
fn an_export_is_recorded_once_for_an_idempotency_key() {
    let office = Office::live();
    let trade = office.trade();
    office.approves(&trade.open);
    let export = || office.send(CASHIER, "POST", EXPORT, &[("idempotency-key", "one")], "");
    let first = export();
    let acts = office.acts();
    office.pays(&trade.open, "FT-7001", "2026-11-09");
    let again = export();
    assert_eq!((again.status, &again.text), (200, &first.text));
    assert!(again.is_csv() && again.header("idempotent-replayed") == Some("true"));
    assert_eq!(office.acts().len(), acts.len() + 1, "the payment alone is new");
}

#[test]
fn each_result_is_applied_once() {
    for office in Office::both() {
        let trade = office.trade();
        let [paid, back, waiting] = [100, 200, 300].map(|amount| office.withdraws(&trade.ada, amount, "Ada Obi"));
        for payout in [&paid, &back, &trade.open] {
            office.approves(payout);
        }
        let unknown = "0123456789abcdef01234567";
        let lines = format!(
            "{paid},paid,FT-7001,2026-11-09,\n\
             {back},returned,RV-1,10/11/2026,Account closed\n\
             {waiting},paid,FT-7003,2026-11-09,\n\
             {unknown},paid,FT-7004,2026-11-09,\n\
             {open},paid,FT-7001,2026-11-09,\n",
            open = trade.open
        );
        let before = office.acts();
        let answer = office.results(&lines).ok();
        assert_eq!(answer.message(), "Results of pay-outs applied");
        assert_eq!(
            outcomes(&answer),
            [
                "2 applied paid null",
                "3 applied returned null",
                "4 refused null not_in_status",
                "5 refused null payout_not_found",
                "6 refused null bank_reference_used",
            ]
        );
        let data = answer.data();
        assert_eq!(
            (&data["applied"], &data["already"], &data["refused"]),
            (&json!(2), &json!(0), &json!(3))
        );
        assert_eq!(data["lines"][2]["payoutId"], waiting);
        assert_eq!(
            (&data["lines"][4]["details"], &data["lines"][0]["details"]),
            (&json!({ "id": paid }), &Value::Null)
        );
        assert_eq!(
            data["lines"][2]["message"],
            "The pay-out is requested and cannot be paid"
        );
        let statuses = [&paid, &back, &waiting, &trade.open].map(|payout| office.status_of(payout));
        assert_eq!(statuses, ["paid", "returned", "requested", "approved"]);
        let returned = office.get(&format!("/operator/payouts/{back}")).ok();
        assert_eq!(returned.text("reason"), "Account closed (returned RV-1 on 2026-11-10)");
        assert_eq!(
            office.acts()[before.len()..],
            [format!("payout_paid {paid}"), format!("payout_returned {back}")]
        );
        // The same file again changes nothing of what was applied.
        let dump = office.app.dump();
        let again = office.results(&lines).ok();
        assert_eq!(
            outcomes(&again)[..2],
            ["2 already paid null", "3 already returned null"]
        );
        assert_eq!(again.data()["applied"], 0);
        assert_eq!(office.app.dump(), dump, "a repeated file changed the database");
        // So does the same reference in another spelling.
        let spelled = office.results(&format!("{paid},paid,ft 7001,09/11/2026,\n")).ok();
        assert_eq!(outcomes(&spelled), ["2 already paid null"]);
        assert_eq!(office.app.dump(), dump);
        // Another outcome is not the same.
        let other = office
            .results(&format!(
                "{paid},paid,FT-7009,2026-11-09,\n{back},returned,,10/11/2026,Other\n"
            ))
            .ok();
        assert_eq!(
            outcomes(&other),
            ["2 refused null not_in_status", "3 refused null not_in_status"]
        );
        assert_eq!(office.app.dump(), dump, "refused lines changed the database");
        // A paid one may come back.
        let sent = office.sends_back(&trade);
        office.results(&format!("{sent},paid,FT-7010,11/11/2026,\n")).ok();
        let late = office
            .results(&format!("{sent},returned,RV-2,12/11/2026,Wrong name\n"))
            .ok();
        assert_eq!(outcomes(&late), ["2 applied returned null"]);
        let position = office.get("/operator/position").ok();
        assert_eq!(position.data()["agrees"], true, "{}", position.text);
    }
}

#[test]
fn results_under_an_idempotency_key_are_applied_once() {
    let office = Office::sandbox();
    let trade = office.trade();
    office.approves(&trade.open);
    let send = |reference: &str| {
        let file = format!("{HEADER}{},paid,{reference},2026-11-09,\n", trade.open);
        let headers = [("content-type", "text/csv"), ("idempotency-key", "one")];
        office.send(CASHIER, "POST", RESULTS, &headers, &file)
    };
    let first = send("FT-7001").ok();
    let again = send("FT-7001").ok();
    assert_eq!(
        (&again.text, again.header("idempotent-replayed")),
        (&first.text, Some("true"))
    );
    assert_eq!(send("FT-7002").body["code"], "idempotency_key_reused");
}

#[test]
fn wrong_files_of_results_are_refused_as_a_whole() {
    for office in Office::both() {
        let trade = office.trade();
        office.approves(&trade.open);
        let lines = format!("{},paid,FT-7001,2026-11-09,\n", trade.open);
        let refused = office.app.refuses(
            400,
            "The file has an error: line 3, column \"status\" must be paid or returned; got \"done\"",
            |_| office.results(&format!("{lines}x,done,FT-7002,2026-11-09,\n")),
        );
        assert_eq!(refused.body["code"], "invalid_file");
        office.app.refuses(
            400,
            "The file has an error: line 1 must be a row with the names of the columns; got an empty file",
            |_| office.csv(RESULTS, ""),
        );
        let many: Vec<String> = (0..1001)
            .map(|n| format!("{n:024x},paid,FT-{n},2026-11-09,\n"))
            .collect();
        office.app.refuses(
            400,
            "the body must be a file of at most 1000 results; got 1001 results",
            |_| office.results(&many.concat()),
        );
        let long = format!("{},paid,{},2026-11-09,\n", trade.open, "F".repeat(101));
        let answer = office.results(&long).ok();
        assert_eq!(
            answer.data()["lines"][0]["message"],
            "bankReference must be a text of at most 100 characters; got 101 characters"
        );
        // No line of a bank's statement could be matched to it.
        office.app.refuses(
            400,
            "The file has an error: line 2, column \"bankReference\" must be the bank's reference of the payment, with at \
             least one letter or digit; got \"---\"",
            |_| office.results(&format!("{},paid,---,2026-11-09,\n", trade.open)),
        );
        // A reader could not tell these from an empty text, or from another one.
        let hidden = "FT\u{202e}7001";
        for line in [
            format!("paid,{hidden},2026-11-09,"),
            format!("returned,,2026-11-09,{hidden}"),
            "returned,,2026-11-09,\u{200b}".to_owned(),
        ] {
            let answer = office.results(&format!("{},{line}\n", trade.open)).ok();
            assert_eq!(answer.data()["lines"][0]["code"], "invalid_request", "{line:?}");
        }
        // The record has the day and the bank's reference in the reason too.
        let returned = |reference: &str, chars: usize| {
            let line = format!("{},returned,{reference},2026-11-09,{}\n", trade.open, "é".repeat(chars));
            office.results(&line).ok()
        };
        for (reference, chars_max) in [("", 475), ("RV-1", 470)] {
            let message = format!(
                "reason must be a text of at most {chars_max} characters; got {} characters",
                chars_max + 1
            );
            assert_eq!(
                returned(reference, chars_max + 1).data()["lines"][0]["message"],
                message
            );
        }
        assert_eq!(office.status_of(&trade.open), "approved");
        assert_eq!(outcomes(&returned("RV-1", 470)), ["2 applied returned null"]);
    }
}

/// The places of millions of fields would fill the memory.
#[test]
fn a_file_of_very_many_columns_is_refused() {
    for office in Office::both() {
        let commas = ",".repeat(5_000_000);
        for (text, message) in [
            (
                commas.clone(),
                "line 1 must be a line of at most 400000 bytes; got a longer one",
            ),
            (
                format!("a,b\r\n{commas}"),
                "line 2 must be a line of at most 400000 bytes; got a longer one",
            ),
            (
                ",".repeat(200),
                "line 1 must be a row of at most 200 fields; got 201 fields",
            ),
        ] {
            let message = format!("The file has an error: {message}");
            office.app.refuses(400, &message, |_| office.csv(RESULTS, &text));
        }
    }
}

/// A line that cannot be applied is told with what came.
#[test]
fn a_wrong_id_and_a_wrong_day_are_told_as_they_came() {
    for office in Office::both() {
        let trade = office.trade();
        let (open, back) = (&trade.open, office.withdraws(&trade.ada, 200, "Ada Obi"));
        office.approves(open);
        office.approves(&back);
        let answer = office
            .results(&format!(
                "not an id,paid,FT-7001,2026-11-09,\n{open},paid,FT-7002,9999-12-31,\n{back},returned,,1969-12-31,Closed\n",
            ))
            .ok();
        let lines = &answer.data()["lines"];
        let told = |line: usize| (lines[line]["payoutId"].as_str(), lines[line]["code"].as_str());
        assert_eq!(told(0), (Some("not an id"), Some("payout_not_found")));
        assert_eq!(told(1), (Some(open.as_str()), Some("invalid_request")));
        assert_eq!(told(2), (Some(back.as_str()), Some("invalid_request")));
        for line in [1, 2] {
            let message = lines[line]["message"].as_str().unwrap();
            assert!(
                message.starts_with("valueDate must be a day from 1970-01-01 to "),
                "{message}"
            );
        }
        assert_eq!(office.status_of(open), "approved");
    }
}

#[test]
fn roles_that_do_not_record_are_refused() {
    let office = Office::live();
    let trade = office.trade();
    office.approves(&trade.open);
    for (key, role) in [(AUDITOR, "auditor"), (APPROVER, "approver")] {
        let message = format!("An operator with the role {role} cannot do this");
        let file = format!("{HEADER}{},paid,FT-7001,2026-11-09,\n", trade.open);
        office
            .app
            .refuses(403, &message, |_| office.send(key, "POST", EXPORT, &[], ""));
        office.app.refuses(403, &message, |_| {
            office.send(key, "POST", RESULTS, &[("content-type", "text/csv")], &file)
        });
    }
}

/// Returns the file that a page offers to save.
fn file_in(page: &Answer) -> String {
    let (_, after) = page.text.split_once("href=\"data:text/csv;charset=utf-8,").unwrap();
    let (encoded, _) = after.split_once('"').unwrap();
    percent_decode_str(encoded).decode_utf8().unwrap().into_owned()
}

#[test]
fn the_desk_exports_a_batch_and_records_its_results() {
    const PAGE: &str = "/console/desk/batches";
    let office = Office::live();
    let trade = office.trade();
    let paid = office.withdraws(&trade.ada, 100, "Ada Obi");
    let cashier = Browser::logged_in(&office.app, CASHIER);
    let send = |button: &str, field: (&str, &str)| {
        let form = Form::of(&cashier.page(PAGE), button).with(field.0, field.1);
        let place = if field.0 == "results" {
            PAGE
        } else {
            "/console/desk/batches/export"
        };
        cashier.send_to(&form, place)
    };
    let export = |batch: &str| send("Export the next batch", ("batch", batch));
    let nothing = export("");
    assert!(nothing.text.contains("Nothing was exported"), "{}", nothing.text);
    let unknown = export("1");
    assert_eq!(unknown.status, 400);
    assert!(unknown.text.contains("no batch was exported yet"), "{}", unknown.text);
    office.approves(&paid);
    // A second press of the button shows the same file.
    let form = Form::of(&cashier.page(PAGE), "Export the next batch");
    let [first, second] = [(); 2].map(|()| cashier.send_to(&form, "/console/desk/batches/export"));
    for page in [&first, &second] {
        assert!(page.text.contains("Batch 1 has 1 pay-out."), "{}", page.text);
        let line = format!("{paid},");
        assert!(
            file_in(page).lines().nth(1).is_some_and(|row| row.starts_with(&line)),
            "{}",
            page.text
        );
    }
    assert!(first.text.contains("download=\"payouts-1.csv\""), "{}", first.text);
    assert!(
        first.text.contains("The newest batch has the number 1."),
        "{}",
        first.text
    );
    assert!(cashier.page("/console/desk/payouts").contains("In batch 1"));
    assert_eq!(file_in(&export("1")), file_in(&first));
    let again = Form::of(&first.text, "Export the next batch");
    let nothing = cashier.send_to(&again, "/console/desk/batches/export");
    assert!(nothing.text.contains("Nothing was exported"), "{}", nothing.text);

    let before = office.app.dump();
    let wrong = send("Record the results", ("results", "payoutId,status\nx,lost\n"));
    assert_eq!(wrong.status, 400);
    assert!(wrong.text.contains("Nothing was changed."), "{}", wrong.text);
    assert!(wrong.text.contains("x,lost"), "what was typed is lost: {}", wrong.text);
    assert_eq!(office.app.dump(), before);
    let results = format!(
        "{HEADER}{paid},paid,FT-7001,2026-11-09,\n{},paid,FT-7002,2026-11-09,\n",
        trade.open
    );
    let recorded = send("Record the results", ("results", &results));
    let summary = "1 recorded, 0 recorded before, 1 refused.";
    assert!(recorded.text.contains(summary), "{}", recorded.text);
    assert!(recorded.text.contains("cannot be paid"), "{}", recorded.text);
    assert_eq!(office.status_of(&paid), "paid");
    let again = send("Record the results", ("results", &results));
    assert!(
        again.text.contains("0 recorded, 1 recorded before, 1 refused."),
        "{}",
        again.text
    );

    // A form from elsewhere, without the visitor's id, is answered by a page.
    let foreign = Form::new(&[]).send_to(
        &office.app,
        "/console/desk/batches/export",
        &[("cookie", &cashier.cookie)],
    );
    assert_eq!(foreign.status, 400, "{}", foreign.text);
    assert!(foreign.text.contains("That form is incomplete"), "{}", foreign.text);
    let auditor = Browser::logged_in(&office.app, AUDITOR).page(PAGE);
    assert!(auditor.contains("A cashier exports batches"), "{auditor}");
    assert!(!auditor.contains("<textarea"), "{auditor}");
}
