//! Tests what the pages of live mode show to each key, and what can be done there: no merchant
//! sees another one, and an operator does what the role allows.

use std::io::Write as _;

use escrowd::domain::address_range::AddressRange;
use escrowd::domain::events::webhook_endpoint::SigningSecret;
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::checkout::LiveDeal;
use crate::cluster;
use crate::console::Form;
use crate::desk::{
    ADA, BEN, CLEO, DAYO, EFE, STALL_KEY, paid, payout_of, receipt, spawn_desk, spawn_desk_of_two, spawn_desk_with,
};
use crate::helpers::{Answer, LIVE_KEY, TestApp, spawn_app, spawn_app_with, spawn_live_app};
use crate::live_console::{Browser, PAGES, cookie_of, log_in, visitor_of};
use crate::notices::{charge, notify};

/// The pages that only a sandbox has.
const SANDBOX_PAGES: [&str; 4] = ["/console/requests", "/console/clock", "/console/faults", "/demo"];

/// Makes an offer with a merchant's key and returns its id.
fn offer(app: &TestApp, key: &str, purpose: &str, seller: &str) -> String {
    let body = json!({
        "purpose": purpose, "description": "In two parts", "amount": 3000, "whoPays": "buyer",
        "maxDelivery": 3, "deliveryTimeline": "days",
        "milestones": [{"title": "One", "amount": 1000}, {"title": "Two", "amount": 2000}],
    });
    let made = app.json_with_key(key, "POST", "/v1/escrow/milestone/create", seller, &body);
    made.ok().text("id")
}

fn customer_of(app: &TestApp, key: &str, name: &str, phone: &str) -> String {
    let body = json!({"firstname": name, "lastname": "Obi", "email": format!("{name}@x.example"), "phone": phone});
    let made = app.json_with_key(key, "POST", "/v1/customer/create", "", &body);
    made.ok().text("customerId")
}

#[test]
fn a_merchants_key_shows_that_merchant_and_no_other() {
    let app = spawn_desk_of_two();
    let mine = customer_of(&app, LIVE_KEY, "ngozi", "08030000001");
    let theirs = customer_of(&app, STALL_KEY, "zainab", "08030000002");
    let my_deal = offer(&app, LIVE_KEY, "A garden of the shop", &mine);
    let their_deal = offer(&app, STALL_KEY, "A secret of the stall", &theirs);
    let shop = Browser::logged_in(&app, LIVE_KEY);
    let deals = shop.page("/console/deals");
    assert!(
        deals.contains("A garden of the shop") && !deals.contains("A secret of the stall"),
        "{deals}"
    );
    assert!(
        shop.page(&format!("/console/deals/{my_deal}"))
            .contains("A garden of the shop")
    );
    let customers = shop.page("/console/customers");
    assert!(customers.contains(&mine) && !customers.contains(&theirs));
    for (path, status) in [
        (format!("/console/deals/{their_deal}"), 404),
        (format!("/console/customers/{theirs}"), 404),
        ("/console/desk".to_owned(), 403),
        ("/console/ledger".to_owned(), 403),
        ("/console/events".to_owned(), 403),
        ("/console/desk/people".to_owned(), 403),
        ("/console/desk/keys".to_owned(), 403),
    ] {
        let answer = shop.get(&path);
        assert_eq!(answer.status, status, "{path}: {}", answer.text);
        for foreign in ["stall", "zainab", "secret"] {
            assert!(!answer.text.contains(foreign), "{path}: {}", answer.text);
        }
    }
    // Neither a choice nor a form leads to the other merchant.
    let choice = Form::new(&[("merchant", "2"), ("back", "/console/deals")]);
    assert_eq!(shop.send_to(&choice, "/console/merchant").status, 404);
    let ruling = Form::new(&[
        ("method", "POST"),
        ("path", &format!("/v1/escrow/dispute/resolve/{their_deal}")),
        ("merchant", "2"),
        ("visitor", "merchant-1"),
        ("s:status", "REFUNDED"),
        ("s:resolution", "mine"),
    ]);
    let refused = shop.send(&ruling);
    assert!(
        refused.status == 400 && refused.text.contains("escrow_not_found"),
        "{}",
        refused.text
    );
    assert!(
        Browser::logged_in(&app, STALL_KEY)
            .page("/console/deals")
            .contains("A secret of the stall")
    );
}

#[test]
fn a_merchant_works_on_its_deals_with_its_own_key() {
    let app = spawn_desk();
    let (ngozi, tunde) = (
        app.live_customer("Ngozi", "08030000001"),
        app.live_customer("Tunde", "08030000002"),
    );
    app.receive(&tunde, "in-1", 4_000);
    let shop = Browser::logged_in(&app, LIVE_KEY);
    let offer = Form::of(&shop.page("/console/offer"), "Offer")
        .with("customer", &ngozi)
        .with("s:purpose", "A garden")
        .with("n:amount", "3000");
    let offer = offer
        .with("s:milestones[0].title", "Plan")
        .with("n:milestones[0].amount", "1000");
    let offer = offer
        .with("s:milestones[1].title", "Dig")
        .with("n:milestones[1].amount", "2000");
    let place = shop.send(&offer).header("location").unwrap().to_owned();
    let made = shop.page(&place);
    assert!(made.contains("Milestone escrow created successfully"), "{made}");
    assert!(made.contains("Authorization: Bearer $ESCROWD_KEY"), "{made}");
    assert!(!made.contains("/pay/"), "the page to pay is a sandbox's");
    let again = shop.page(&place);
    assert!(!again.contains("created successfully"), "an outcome is shown once");
    let pay = Form::of(&again, "Pay from the wallet");
    assert_eq!(pay.field("customer"), Some(""), "nobody's money is suggested");
    let option = format!("<option value=\"{tunde}\">Tunde Obi, 08030000002</option>");
    assert!(again.contains(&option), "{again}");
    let paid = shop.done(&pay.with("customer", &tunde));
    assert!(paid.contains("Confirm “Plan”"), "{paid}");
    let confirmed = shop.done(&Form::of(&paid, "Confirm “Plan”"));
    assert!(confirmed.contains("Confirm “Dig”"), "{confirmed}");
    let wallet = shop.page(&format!("/console/customers/{ngozi}"));
    assert!(
        wallet.contains("1,000.00") && !wallet.contains("Set the wallet to"),
        "{wallet}"
    );
}

#[test]
fn a_key_of_a_business_account_shows_its_deals_alone() {
    let app = spawn_live_app(|config| config.merchant[0].business_key = Some("sk_live_till"));
    let till = Browser::logged_in(&app, "sk_live_till");
    let deals = till.page("/console/deals");
    assert!(!deals.contains("href=\"/console/customers\""), "{deals}");
    for path in [
        "/console/customers",
        "/console/customers/x",
        "/console/desk",
        "/console/ledger",
    ] {
        assert_eq!(till.get(path).status, 403, "{path}");
    }
}

#[test]
fn an_operator_sees_the_merchants_that_the_key_allows() {
    let app = spawn_desk_of_two();
    let theirs = customer_of(&app, STALL_KEY, "zainab", "08030000002");
    offer(&app, STALL_KEY, "A table of the stall", &theirs);
    let ada = Browser::logged_in(&app, ADA);
    let desk = ada.page("/console/desk");
    assert!(
        desk.contains(">shop (1)</option>") && desk.contains(">stall (2)</option>"),
        "{desk}"
    );
    for path in [
        "/console/deals",
        "/console/customers",
        "/console/desk/deposits",
        "/console/ledger",
    ] {
        let answer = ada.get(path);
        assert_eq!(answer.status, 400, "{path}");
        assert!(
            answer.text.contains("<h1>Choose a merchant</h1>"),
            "{path}: {}",
            answer.text
        );
    }
    ada.choose("2");
    assert!(ada.page("/console/deals").contains("A table of the stall"));
    ada.choose("1");
    assert!(!ada.page("/console/deals").contains("A table of the stall"));
    assert_eq!(
        ada.send_to(&Form::new(&[("merchant", "3")]), "/console/merchant")
            .status,
        404
    );
    let made = app.by(
        ADA,
        "POST",
        "/operators",
        &json!({"name": "Limited", "role": "admin", "merchantIds": [1]}),
    );
    let made = made.ok();
    let id = made.text("id");
    let limited = Browser::logged_in(&app, &made.text("key"));
    let deals = limited.page("/console/deals");
    assert!(!deals.contains("stall") && deals.contains("shop (1)"), "{deals}");
    assert_eq!(
        limited
            .send_to(&Form::new(&[("merchant", "2")]), "/console/merchant")
            .status,
        404
    );
    let foreign = Form::new(&[
        ("method", "POST"),
        ("path", "/operator/receipts"),
        ("merchant", "2"),
        ("n:amount", "10"),
        ("s:bankReference", "x"),
        ("s:valueDate", "2026-06-22"),
        ("visitor", &format!("operator-{id}")),
    ]);
    assert_eq!(limited.send(&foreign).status, 404);
}

#[test]
fn a_form_acts_for_the_merchant_whose_page_showed_it() {
    let app = spawn_desk_of_two();
    let ben = Browser::logged_in(&app, BEN);
    ben.choose("1");
    let form = Form::of(&ben.page("/console/desk/deposits"), "Record").with("n:amount", "10");
    let form = form.with("s:bankReference", "in-1");
    assert_eq!(form.field("merchant"), Some("1"));
    // In another tab.
    ben.choose("2");
    let done = ben.done(&form);
    assert_eq!(app.column("SELECT merchant_id FROM receipt"), ["1"]);
    // The page after it shows what the form has done.
    assert!(
        done.contains("Receipt recorded successfully") && done.contains("value=\"1\" selected"),
        "{done}"
    );
    ben.choose("");
    let form = form.with("s:bankReference", "in-2").with("once", "another");
    assert!(ben.done(&form).contains("Receipt recorded successfully"));
}

#[test]
fn a_failed_search_for_the_visitor_is_an_error_page() {
    if cluster::is_wanted() {
        // It changes rows of a file.
        return;
    }
    let app = spawn_desk();
    let ada = Browser::logged_in(&app, ADA);
    let other = Connection::open(app.database_file()).unwrap();
    let set_role = |from: &str, to: &str| {
        let sql = format!("UPDATE operator SET role = '{to}' WHERE role = '{from}'");
        assert_eq!(other.execute(&sql, []).unwrap(), 1);
    };
    other.execute_batch("PRAGMA ignore_check_constraints = ON").unwrap();
    set_role("admin", "unknown");
    // Reads see what another program has changed after the next write.
    app.live_customer("ngozi", "08030000001");
    let failed = ada.get("/console/deals");
    assert_eq!(failed.status, 500, "{}", failed.text);
    assert!(failed.text.contains("<h1>That did not work</h1>"), "{}", failed.text);
    for (name, value) in [
        ("content-type", "text/html"),
        ("content-security-policy", "frame-ancestors 'none'"),
        ("x-content-type-options", "nosniff"),
        ("cache-control", "no-store"),
    ] {
        let found = failed.header(name).unwrap_or_default();
        assert!(found.contains(value), "{name}: {found}");
    }
    set_role("unknown", "admin");
}

#[test]
fn the_page_of_a_batch_shows_the_merchant_of_its_form() {
    let app = spawn_desk_of_two();
    let ben = Browser::logged_in(&app, BEN);
    ben.choose("1");
    let shown = ben.page("/console/desk/batches");
    for (button, path) in [
        ("Export the next batch", "/console/desk/batches/export"),
        ("Record the results", "/console/desk/batches"),
    ] {
        ben.choose("2");
        let form = Form::of(&shown, button).with("results", "x");
        let page = ben.send_to(&form, path).text;
        assert!(page.contains("value=\"1\" selected"), "{page}");
        assert_eq!(Form::of(&page, button).field("merchant"), Some("1"));
        // A choice from here leads to a page that can be read.
        let choice = Form::of(&page, "Choose").with("merchant", "2");
        assert_eq!(choice.field("back"), Some("/console/desk/batches"));
    }
    let of_position = Form::of(&ben.page("/console/desk"), "Choose");
    assert_eq!(of_position.field("back"), Some("/console/desk"));
}

#[test]
fn the_desk_takes_two_persons_for_a_large_receipt() {
    let app = spawn_desk();
    let tunde = app.live_customer("Tunde", "08030000002");
    app.announce(&tunde, "dep-1", 6_000);
    let ben = Browser::logged_in(&app, BEN);
    let expected = ben.page("/console/desk/deposits");
    let recorded = ben.done(&Form::of(&expected, "Record that it came").with("s:bankReference", "in-1"));
    assert!(recorded.contains("Receipt recorded successfully"), "{recorded}");
    assert!(
        !recorded.contains(">Approve</button>"),
        "a cashier approves nothing: {recorded}"
    );
    let waits = "Money with this reference was recorded, and waits for a second operator";
    assert!(recorded.contains(waits), "{recorded}");
    for act in ["Record that it came", "Give it up"] {
        assert!(expected.contains(&format!(">{act}</button>")), "{expected}");
        assert!(!recorded.contains(&format!(">{act}</button>")), "{recorded}");
    }
    // The payer may have transferred twice.
    let more = Form::of(&recorded, "Record what else came");
    assert_eq!(
        more.field("s:depositReference"),
        Form::of(&expected, "Record that it came").field("s:depositReference")
    );
    let dayo = Browser::logged_in(&app, DAYO);
    let seen = dayo.page("/console/desk/deposits");
    assert!(
        !seen.contains("Record what") && !seen.contains("Record that"),
        "an approver records nothing: {seen}"
    );
    let approved = dayo.done(&Form::of(&seen, "Approve"));
    assert!(approved.contains("approved"), "{approved}");
    assert_eq!(app.live_balance(&tunde), json!(6_000));
    // An operator who may record and approve may not do both to one receipt.
    app.announce(&tunde, "dep-2", 7_000);
    let ada = Browser::logged_in(&app, ADA);
    let expected = ada.page("/console/desk/deposits");
    let recorded = ada.done(&Form::of(&expected, "Record that it came").with("s:bankReference", "in-2"));
    assert!(!recorded.contains(">Approve</button>"), "{recorded}");
    let reject = Form::of(&recorded, "Reject");
    let approve = reject.field("path").unwrap().replace("/reject", "/approve");
    let refused = ada.send(&reject.with("path", &approve).without("s:reason"));
    assert_eq!(refused.status, 403, "{}", refused.text);
    assert!(refused.text.contains("same_person"), "{}", refused.text);
    assert!(
        refused.text.contains("5,000.00</span> needs a second operator"),
        "{}",
        refused.text
    );
    assert!(refused.text.contains("merchant-id: 1"), "{}", refused.text);
}

#[test]
fn money_in_suspense_is_sent_back_and_the_merchants_own_is_paid_out() {
    let app = spawn_desk();
    let ben = Browser::logged_in(&app, BEN);
    let nobodys = Form::of(&ben.page("/console/desk/deposits"), "Record").with("n:amount", "10");
    let suspense = ben.done(&nobodys.with("s:bankReference", "in-1"));
    let account = |form: Form| {
        form.with("s:destination.accountName", "Ada Obi")
            .with("s:destination.accountNumber", "0123456789")
            .with("s:destination.bankName", "Bank")
            .with("s:destination.bankCode", "058")
    };
    let requested = ben.done(&account(Form::of(&suspense, "Request the pay-out")));
    assert!(requested.contains("Pay-out requested successfully"), "{requested}");
    assert!(
        requested.contains("10.00") && requested.contains("of suspense"),
        "{requested}"
    );
    let own = account(Form::of(&requested, "Request the pay-out").with("s:source", "merchant"));
    let refused = ben.send(&own.with("n:amount", "1"));
    assert_eq!(
        refused.status, 400,
        "the merchant has no money of its own: {}",
        refused.text
    );
    assert!(refused.text.contains("insufficient_balance"), "{}", refused.text);
    assert!(
        !Browser::logged_in(&app, DAYO)
            .page("/console/desk/payouts")
            .contains("Request the pay-out")
    );
}

#[test]
fn an_auditor_reads_everything_and_acts_on_nothing() {
    let app = spawn_desk();
    let tunde = app.live_customer("Tunde", "08030000002");
    app.announce(&tunde, "dep-1", 100);
    let receipt = app.receive(&tunde, "in-1", 9_000);
    app.receive(&tunde, "in-2", 500);
    app.live_withdrawal(&tunde, "out-1", 100).ok();
    let deal = offer(&app, LIVE_KEY, "A garden", &tunde);
    let efe = Browser::logged_in(&app, EFE);
    let deal = format!("/console/deals/{deal}");
    for path in PAGES.into_iter().chain([deal.as_str()]) {
        if path == "/console/offer" {
            assert_eq!(efe.get(path).status, 403);
            continue;
        }
        let page = efe.page(path);
        let acts = page.matches("action=\"/console/call\"").count();
        assert_eq!(acts, 0, "{path}: {page}");
    }
    let visitor = visitor_of(&app, EFE);
    let before = app.dump();
    for (path, field) in [
        (format!("/operator/receipts/{receipt}/approve"), None),
        ("/operator/deposits/expire".to_owned(), Some(("s:reference", "dep-1"))),
        ("/operator/operators".to_owned(), Some(("s:name", "Mole"))),
    ] {
        let fields = [("method", "POST"), ("path", path.as_str())];
        let fields: Vec<_> = fields.into_iter().chain(field).collect();
        let refused = efe.send(&Form::new(&fields).with("visitor", &visitor));
        assert_eq!(refused.status, 403, "{path}: {}", refused.text);
        assert!(
            refused.text.contains("with the role auditor cannot do this"),
            "{}",
            refused.text
        );
    }
    assert_eq!(app.dump(), before);
}

#[test]
fn a_request_that_waits_for_a_second_operator_is_retracted_at_the_desk() {
    const SECRET: &str = "sk_live_of_paystack";
    let app = spawn_desk_with(|config| config.merchant[0].paystack_secret = Some(SigningSecret::new(SECRET)));
    let tunde = app.live_customer("Tunde", "08030000002");
    notify(&app, "shop", SECRET, &charge(1, 6_000_000, "unknown")).ok();
    let (ben, desk) = (Browser::logged_in(&app, BEN), "/console/desk/deposits");
    let before = ben.page(desk);
    assert!(!before.contains("Retract the request"), "{before}");
    let assign = Form::of(&before, "Assign").with("s:customerId", &tunde);
    assert_eq!(ben.send(&assign).status, 303);
    let waiting = ben.page(desk);
    assert!(waiting.contains("ben asked to assign it"), "{waiting}");
    let cleo = Browser::logged_in(&app, CLEO);
    assert!(!waiting.contains(">Assign</button>"), "{waiting}");
    assert!(cleo.page(desk).contains(">Assign</button>"));
    let retract = Form::of(&waiting, "Retract the request").with("s:reason", "wrong customer");
    assert_eq!(ben.send(&retract).status, 303);
    let after = ben.page(desk);
    assert!(
        !after.contains("asked to assign") && !after.contains("Retract the request"),
        "{after}"
    );
    assert_eq!(app.live_balance(&tunde), 0);
    let waiting = ben.done(&Form::of(&after, "Reverse").with("s:reason", "not ours"));
    assert!(waiting.contains("ben asked to reverse it"), "{waiting}");
    assert!(!waiting.contains(">Reverse</button>"), "{waiting}");
    assert!(cleo.page(desk).contains(">Reverse</button>"));
}

#[test]
fn the_desk_confirms_the_assignment_of_money_to_a_deposit() {
    let live = LiveDeal::new();
    let (app, desk) = (&live.app, "/console/desk/deposits");
    let deposit = json!({ "depositReference": live.announce() });
    let in_suspense = live.record("in-1", 10_200, &json!({}));
    assert_eq!(in_suspense.text("status"), "suspense");
    let assign = format!("/receipts/{}/assign", in_suspense.text("id"));
    let noted = app.by(BEN, "POST", &assign, &deposit).ok();
    assert_eq!(noted.text("status"), "suspense");
    let cleo = Browser::logged_in(app, CLEO);
    let waiting = cleo.page(desk);
    let reference = deposit["depositReference"].as_str().unwrap();
    let assigned = cleo.done(&Form::of(&waiting, "Assign"));
    assert!(assigned.contains("Receipt assigned successfully"), "{assigned}");
    assert_is_funded(&live);
    let asked = format!("ben asked to assign it to the deposit <code>{reference}</code>.");
    assert!(waiting.contains(&asked), "{waiting}");
}

#[test]
fn the_desk_alone_assigns_money_to_a_deposit() {
    let live = LiveDeal::new();
    let desk = "/console/desk/deposits";
    let reference = live.announce();
    live.record("in-1", 10_200, &json!({}));
    let (ben, cleo) = (Browser::logged_in(&live.app, BEN), Browser::logged_in(&live.app, CLEO));
    let form = Form::of(&ben.page(desk), "Assign");
    let empty = [form.field("s:customerId"), form.field("s:depositReference")];
    assert_eq!(empty, [Some(""), Some("")]);
    let refused = ben.send(&form);
    assert_eq!(refused.status, 400, "{}", refused.text);
    let form = form.with("s:depositReference", &reference);
    let both = ben.send(&form.clone().with("s:customerId", &live.buyer));
    assert_eq!(both.status, 400, "{}", both.text);
    let noted = ben.done(&form);
    assert!(noted.contains("ben asked to assign it to the deposit"), "{noted}");
    let form = Form::of(&cleo.page(desk), "Assign");
    assert_eq!(form.field("s:depositReference"), Some(reference.as_str()));
    let assigned = cleo.done(&form);
    assert!(assigned.contains("Receipt assigned successfully"), "{assigned}");
    assert_is_funded(&live);
}

/// Asserts that the money of the deal's deposit paid for the deal.
#[track_caller]
fn assert_is_funded(live: &LiveDeal) {
    assert_eq!(live.app.column("SELECT buyer_id FROM escrow"), [live.buyer.as_str()]);
    assert_eq!(live.app.live_balance(&live.buyer), 0);
}

#[test]
fn an_operator_leaves_the_approval_of_a_large_own_request_to_another() {
    let app = spawn_desk();
    let desk = "/console/desk/payouts";
    let recorded = app
        .by(BEN, "POST", "/receipts", &receipt(6_000, "in-1", &json!({})))
        .ok();
    let receipt = recorded.text("id");
    app.by(DAYO, "POST", &format!("/receipts/{receipt}/approve"), &Value::Null)
        .ok();
    let of_suspense = json!({ "source": "suspense", "receiptId": receipt });
    app.by(ADA, "POST", "/payouts", &payout_of(&of_suspense)).ok();
    let (ada, dayo) = (Browser::logged_in(&app, ADA), Browser::logged_in(&app, DAYO));
    let own = ada.page(desk);
    assert!(!own.contains(">Approve</button>"), "{own}");
    assert!(own.contains("Another operator must approve it."), "{own}");
    assert!(
        dayo.done(&Form::of(&dayo.page(desk), "Approve"))
            .contains(">approved</span>")
    );
}

#[test]
fn a_large_return_waits_at_the_desk_for_a_second_operator() {
    let app = spawn_desk();
    let tunde = app.live_customer("Tunde", "08030000002");
    app.receive(&tunde, "in-1", 5_000);
    app.receive(&tunde, "in-2", 5_000);
    app.live_withdrawal(&tunde, "w-1", 6_000).ok();
    let payout = app.newest_payout();
    app.by(DAYO, "POST", &format!("/payouts/{payout}/approve"), &Value::Null)
        .ok();
    app.by(BEN, "POST", &format!("/payouts/{payout}/pay"), &paid("out-1"))
        .ok();
    let desk = "/console/desk/payouts";
    let give_back = |browser: &Browser<'_>| {
        let form = Form::of(&browser.page(desk), "The bank sent it back").with("s:reason", "account closed");
        browser.done(&form)
    };
    let (ben, cleo) = (Browser::logged_in(&app, BEN), Browser::logged_in(&app, CLEO));
    assert!(!ben.page(desk).contains("Retract the request"));
    let noted = give_back(&ben);
    assert!(noted.contains("needs a second operator"), "{noted}");
    assert!(
        noted.contains("ben asked to record that the bank sent it back"),
        "{noted}"
    );
    assert!(!noted.contains(">The bank sent it back</button>"), "{noted}");
    assert!(
        noted.contains(">Reopen"),
        "the other step can still be asked for: {noted}"
    );
    let retract = Form::of(&noted, "Retract the request").with("s:reason", "too early");
    let retracted = cleo.done(&retract.with("visitor", &visitor_of(&app, CLEO)));
    assert!(!retracted.contains("asked to record") && !retracted.contains("Retract the request"));
    give_back(&ben);
    let returned = give_back(&cleo);
    assert!(
        returned.contains(">returned</span>") && !returned.contains("asked to record"),
        "{returned}"
    );
}

#[test]
fn an_approver_rules_on_a_dispute_as_an_operator() {
    let app = spawn_desk();
    let (ngozi, tunde) = (
        app.live_customer("Ngozi", "08030000001"),
        app.live_customer("Tunde", "08030000002"),
    );
    app.receive(&tunde, "in-1", 4_000);
    let deal = offer(&app, LIVE_KEY, "A garden", &ngozi);
    let shop = Browser::logged_in(&app, LIVE_KEY);
    let place = format!("/console/deals/{deal}");
    let paid = shop.done(&Form::of(&shop.page(&place), "Pay from the wallet").with("customer", &tunde));
    shop.uploaded(
        &paid,
        &format!("Dispute as {tunde}, the buyer"),
        &[("message", None, b"Late")],
    );
    assert!(!Browser::logged_in(&app, CLEO).page(&place).contains(">Decide</button>"));
    let dayo = Browser::logged_in(&app, DAYO);
    let parts = [
        ("status", None, &b"REFUNDED"[..]),
        ("resolution", None, b"Nothing was done"),
    ];
    let ruled = dayo.uploaded(&dayo.page(&place), "<summary>Rule<", &parts);
    assert!(ruled.contains(">refunded</span>"), "{ruled}");
    assert!(dayo.page("/console/desk/acts").contains("dayo"));
}

#[test]
fn pages_of_a_sandbox_stay_there() {
    let app = spawn_desk();
    for key in [ADA, LIVE_KEY] {
        let browser = Browser::logged_in(&app, key);
        for path in SANDBOX_PAGES {
            assert_eq!(browser.get(path).status, 403, "{path}");
            assert!(!browser.page("/").contains(&format!("href=\"{path}\"")), "{path}");
        }
        let example = browser.send_to(&Form::new(&[]), "/console/example");
        assert_eq!(example.status, 403);
    }
}

#[test]
fn no_page_has_a_key_or_the_value_of_a_session() {
    let app = spawn_desk();
    app.live_customer("Tunde", "08030000002");
    for key in [ADA, EFE, LIVE_KEY] {
        let browser = Browser::logged_in(&app, key);
        let value = browser.cookie.split_once('=').unwrap().1;
        let wrong = Form::new(&[
            ("method", "POST"),
            ("path", "/v1/customer/create"),
            ("s:firstname", "x"),
            ("visitor", &visitor_of(&app, key)),
        ]);
        let refused = browser.send(&wrong);
        assert!(refused.text.contains("$ESCROWD_KEY"), "{}", refused.text);
        let pages = PAGES.iter().chain(&["/", "/login", "/docs"]);
        let pages = pages.map(|path| browser.get(path).text).chain([refused.text]);
        for page in pages {
            assert!(!page.contains(key) && !page.contains(value), "{page}");
        }
    }
}

#[test]
fn pages_of_a_merchant_count_against_its_rate_limit() {
    let app = spawn_live_app(|config| config.limits.requests_per_minute = 3);
    let browser = Browser::logged_in(&app, LIVE_KEY);
    let statuses: Vec<u16> = (0..4).map(|_| browser.get("/console/deals").status).collect();
    assert_eq!(statuses, [200, 200, 200, 429]);
}

#[test]
fn a_sandbox_is_shown_to_other_machines_by_its_keys() {
    let app = spawn_app_with(|config| {
        config.sandbox.expose = true;
        config.trusted_proxies = vec![AddressRange::parse("127.0.0.1").unwrap()];
    });
    let get = |cookie: &str| {
        let mut stream = app.connect();
        let lines = format!("host: demo.example\r\nx-forwarded-for: 192.0.2.7\r\ncookie: {cookie}");
        write!(stream, "GET /console/customers HTTP/1.1\r\n{lines}\r\n\r\n").unwrap();
        Answer::read_from(&stream)
    };
    assert_eq!(get("a=b").status, 303);
    let created = app.json_with_key("sk_test_one", "GET", "/v1/wallet", "only-ones", &Value::Null);
    created.ok();
    for (key, sees) in [("sk_test_one", true), ("sk_test_two", false)] {
        let page = get(&cookie_of(&log_in(&app, key, &[])));
        assert_eq!((page.status, page.text.contains("only-ones")), (200, sees), "{key}");
    }
    for key in ["", "sk_live_x"] {
        assert!([400, 403].contains(&log_in(&app, key, &[]).status), "{key}");
    }
}

#[test]
fn a_sandbox_on_this_machine_needs_no_login_and_takes_one() {
    let app = spawn_app();
    app.json_with_key("sk_test_one", "GET", "/v1/wallet", "only-ones", &Value::Null)
        .ok();
    let local = app.send("GET", "/console/customers", &[], None);
    assert!(
        local.status == 200 && !local.text.contains("only-ones"),
        "{}",
        local.text
    );
    let browser = Browser::logged_in(&app, "sk_test_one");
    assert!(browser.page("/console/customers").contains("only-ones"));
    let set = Form::of(&browser.page("/console/customers/only-ones"), "Set").with("n:balance", "7");
    assert!(browser.done(&set).contains("Balance set successfully"));
    let (main, _) = app.balances("only-ones");
    assert_ne!(main, json!(7), "the default merchant has another customer of this name");
}

/// Returns the secrets that a page shows.
fn secrets(page: &str) -> Vec<String> {
    let shown = page.split("<code id=\"secret-").skip(1);
    let text = |rest: &str| rest.split_once('>').unwrap().1.split_once('<').unwrap().0.to_owned();
    shown.map(text).collect()
}

#[test]
fn an_admin_makes_operators_and_revokes_them() {
    let app = spawn_desk_of_two();
    let ada = Browser::logged_in(&app, ADA);
    let form = Form::of(&ada.page("/console/desk/people"), "Make the operator")
        .with("s:name", "Gbenga")
        .with("s:role", "cashier");
    // A browser without a choice sends no box. One for the second merchant:
    let mut only = form.without("n:merchantIds[0]");
    let sent = ada.send(&only);
    let place = sent.header("location").unwrap().to_owned();
    // The form was sent twice: the browser shows the second answer.
    let twice = ada.send(&only);
    assert_eq!(twice.header("location"), Some(place.as_str()));
    let made = ada.page(&place);
    let [key] = secrets(&made).try_into().unwrap();
    assert!(key.starts_with("op_live_"), "{key}");
    for path in [place.as_str(), "/console/desk/people", "/console/desk/acts"] {
        assert!(!ada.page(path).contains(&key), "{path} shows the key again");
    }
    assert_eq!(app.column("SELECT count(*) FROM operator WHERE name = 'Gbenga'"), ["1"]);
    let gbenga = Browser::logged_in(&app, &key);
    assert!(gbenga.page("/console/desk").contains("stall (2)"));
    // The same form with another name is another request, also after a refusal.
    only = only.with("s:name", "ada");
    for _ in 0..2 {
        assert_eq!(ada.send(&only).status, 409);
    }
    only = only.with("s:name", "Hauwa");
    assert_eq!(ada.send(&only).status, 303);
    let people = ada.page("/console/desk/people");
    let row = people.split_once("<td>Gbenga</td>").unwrap().1;
    let revoked = Form::of(row, "Revoke").with("s:reason", "left");
    let page = ada.done(&revoked);
    assert!(page.contains("Operator revoked successfully"), "{page}");
    assert!(gbenga.is_out());
}

#[test]
fn an_admin_creates_a_merchant_with_its_key_and_its_endpoint() {
    let app = spawn_desk();
    let ada = Browser::logged_in(&app, ADA);
    let form = Form::of(&ada.page("/console/desk/people"), "Create the merchant").with("s:name", "bakery");
    let [key] = secrets(&ada.done(&form.with("n:commissionBps", "50")))
        .try_into()
        .unwrap();
    assert!(
        Browser::logged_in(&app, &key)
            .page("/console/deals")
            .contains("<strong>bakery</strong>")
    );
    let answer = ada.get("/console/desk/keys");
    assert_eq!(answer.status, 400, "two merchants, and none is chosen");
    ada.choose("2");
    let made = ada.done(&Form::of(&ada.page("/console/desk/keys"), "Make the key").with("s:label", "till <b>"));
    let [till] = secrets(&made).try_into().unwrap();
    assert!(
        made.contains("till &lt;b&gt;") && made.contains(&format!("…{}", &till[till.len() - 4..])),
        "{made}"
    );
    let old = made.split_once(&format!("…{}", &key[key.len() - 4..])).unwrap().1;
    let next = ada.done(&Form::of(old, "Make the next key").with("n:overlapHours", "0"));
    let [next] = secrets(&next).try_into().unwrap();
    assert_eq!(log_in(&app, &key, &[]).status, 403);
    assert_eq!(log_in(&app, &next, &[]).status, 303);
    let row = ada.page("/console/desk/keys");
    let row = row.split_once(&format!("…{}", &till[till.len() - 4..])).unwrap().1;
    ada.done(&Form::of(row, "Revoke").with("s:reason", "lost"));
    assert_eq!(log_in(&app, &till, &[]).status, 403);
    let set = Form::of(&ada.page("/console/desk/keys"), "Set the endpoint");
    let http = ada.send(&set.with("s:url", "http://shop.example/hook"));
    assert_eq!(http.status, 400, "{}", http.text);
    let set = Form::of(&ada.page("/console/desk/keys"), "Set the endpoint")
        .with("s:url", "https://shop.example/hook?secret=1")
        .with("s:events[0]", "milestone.*");
    let page = ada.done(&set);
    assert_eq!(secrets(&page).len(), 2, "{page}");
    assert!(
        page.contains("https://shop.example/hook") && page.contains("milestone.*"),
        "{page}"
    );
    assert!(!ada.page("/console/desk/keys").contains("secret=1"));
    let rotated = ada.done(&Form::of(&page, "Make the next secret"));
    assert_eq!(secrets(&rotated).len(), 2);
    assert!(rotated.contains("Former secret"), "{rotated}");
    assert!(secrets(&ada.page("/console/desk/keys")).is_empty());
}

#[test]
fn no_form_makes_the_service_fail() {
    let app = spawn_desk();
    for key in [ADA, LIVE_KEY] {
        let browser = Browser::logged_in(&app, key);
        let visitor = visitor_of(&app, key);
        for fields in [
            &[("method", "POST"), ("path", "/v1/\r\nx: y")][..],
            &[("method", "POST"), ("path", "/v1/payment/escrow"), ("customer", "Zoë")],
            &[("method", "POST"), ("path", "/operator/receipts"), ("merchant", "\0")],
            &[("method", "GET"), ("path", "/operator/journal")],
            &[("method", "POST"), ("path", "/operator/operators"), ("once", "\r\n")],
            &[("method", "POST"), ("path", "/console/call")],
            &[],
        ] {
            let answer = browser.send(&Form::new(fields).with("visitor", &visitor));
            assert!((400..500).contains(&answer.status), "{fields:?}: {}", answer.text);
            assert!(answer.text.starts_with("<!DOCTYPE html>"), "{fields:?}");
        }
    }
}

#[test]
fn an_expired_key_has_no_forms() {
    let app = spawn_desk();
    let made = app.by(ADA, "POST", "/keys", &json!({"label": "till"})).ok();
    let rotate = format!("/keys/{}/rotate", made.text("id"));
    app.by(ADA, "POST", &rotate, &json!({"overlapHours": 1})).ok();
    let ada = Browser::logged_in(&app, ADA);
    let form = format!("value=\"/operator{rotate}\"");
    let before = ada.page("/console/desk/keys");
    assert!(before.contains(">expires<") && before.contains(&form), "{before}");
    app.pass_seconds(3_600);
    let after = ada.page("/console/desk/keys");
    assert!(after.contains(">expired<") && !after.contains(&form), "{after}");
}

#[test]
fn the_ledger_of_a_merchant_without_transfers_says_so() {
    let app = spawn_desk();
    app.live_customer("Tunde", "08030000002");
    let ledger = Browser::logged_in(&app, EFE).page("/console/ledger");
    assert!(
        ledger.contains("Nothing has moved yet.") && !ledger.contains("0 transfers"),
        "{ledger}"
    );
}
