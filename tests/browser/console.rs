//! The console in a browser.

use serde_json::json;
use thirtyfour::prelude::*;

use crate::checkout::offer;
use crate::helpers::{LOOKS, Site, in_browser};

/// The pages of a sandbox that has a deal.
const PAGES: [&str; 19] = [
    "/",
    "/console/deals",
    "/console/offer",
    "/console/customers",
    "/console/customers/tunde",
    "/console/events",
    "/console/requests",
    "/console/clock",
    "/console/faults",
    "/console/ledger",
    "/console/earnings",
    "/console/desk",
    "/console/desk/deposits",
    "/console/desk/payouts",
    "/console/desk/batches",
    "/console/desk/reconciliation",
    "/console/desk/acts",
    "/docs",
    "/docs/console",
];

/// Makes the example deal, from the home on.
async fn make_example(site: &Site) -> WebDriverResult<()> {
    site.open("/").await?;
    site.click("Make an example deal").await?;
    site.shows("Milestone escrow created successfully").await
}

/// Announces a deposit and asks for a withdrawal, on the page of a customer with money.
async fn move_money(site: &Site) -> WebDriverResult<()> {
    site.open("/console/customers/tunde").await?;
    site.fill("Amount in NGN", "20000").await?;
    site.click("Announce").await?;
    site.shows("Payment intent created successfully").await?;
    let withdrawal = site.driver.find(By::Id("withdrawal")).await?;
    withdrawal.send_keys("3000").await?;
    site.driver
        .find(By::XPath("//button[normalize-space()=\"Withdraw\"]"))
        .await?
        .click()
        .await?;
    site.shows("Payment intent created successfully").await
}

#[test]
fn a_newcomer_takes_a_deal_from_home_to_paid_out_with_clicks_alone() {
    in_browser(async |site: Site| {
        make_example(&site).await?;
        site.shows("A website for a bakery").await?;
        site.click("Pay from the wallet").await?;
        for stage in ["Design", "Building", "Launch"] {
            site.click(&format!("Confirm “{stage}”")).await?;
        }
        site.shows("the deal is closed and all its money is paid out").await?;
        site.is_sound().await?;
        site.click("Ledger").await?;
        site.has(12, ".steps > li.done").await
    });
}

#[test]
fn a_reload_does_not_tell_the_outcome_of_a_form_again() {
    in_browser(async |site: Site| {
        make_example(&site).await?;
        assert_eq!(site.driver.current_url().await?.query(), None);
        site.driver.refresh().await?;
        site.shows("A website for a bakery").await?;
        let page = site.driver.source().await?;
        assert!(!page.contains("Milestone escrow created successfully"), "{page}");
        Ok(())
    });
}

#[test]
fn an_operator_records_what_came_and_pays_out() {
    in_browser(async |site: Site| {
        make_example(&site).await?;
        move_money(&site).await?;
        site.click("Desk").await?;
        site.click("Money in").await?;
        site.fill("The bank's reference", "FT-1").await?;
        site.click("Record that it came").await?;
        site.shows("Receipt recorded successfully").await?;
        site.shows("No deposit is expected").await?;
        site.click("Money out").await?;
        site.click("Approve").await?;
        site.fill("The bank's reference", "FT-2").await?;
        site.click("Record that it was paid").await?;
        site.shows("Pay-out recorded as paid").await?;
        site.click("Position").await?;
        site.shows("agrees").await?;
        site.click("Reconciliation").await?;
        // The 1,000,000 that a sandbox gives each new customer, here the buyer and the seller;
        // 20,000 came and 3,000 went out.
        site.fill("The bank's closing balance", "2017000").await?;
        site.click("Compare").await?;
        site.shows("The bank and the ledger agree.").await?;
        site.fill("The bank's closing balance", "2016999.50").await?;
        site.click("Compare").await?;
        site.shows("The bank and the ledger differ.").await?;
        site.is_sound().await?;
        site.click("Who did what").await?;
        site.has(3, "tbody tr").await
    });
}

#[test]
fn a_batch_is_saved_as_a_file_and_its_results_are_recorded() {
    in_browser(async |site: Site| {
        let folder = tempfile::tempdir().unwrap();
        let saving = json!({ "behavior": "allow", "downloadPath": folder.path() });
        site.driver
            .cdp()
            .send_raw("Browser.setDownloadBehavior", saving)
            .await?;
        make_example(&site).await?;
        move_money(&site).await?;
        site.open("/console/desk/payouts").await?;
        site.click("Approve").await?;
        site.shows("Pay-out approved successfully").await?;
        site.click("Batches").await?;
        site.click("Export the next batch").await?;
        site.shows("Batch 1 has 1 pay-out.").await?;
        site.is_sound().await?;
        site.click("Save payouts-1.csv").await?;
        let file = site.file(&folder.path().join("payouts-1.csv")).await;
        let payout = file.lines().nth(1).and_then(|row| row.split(',').next()).unwrap();
        // The page is still there.
        site.click("Export the next batch").await?;
        site.shows("Nothing was exported").await?;
        let results = format!("payoutId,status,bankReference,valueDate,reason\n{payout},paid,FT-2,2026-06-22,\n");
        site.fill("The results as CSV", &results).await?;
        site.click("Record the results").await?;
        site.shows("1 recorded, 0 recorded before, 0 refused.").await?;
        site.is_sound().await
    });
}

#[test]
fn evidence_is_sent_and_shown_with_the_dispute() {
    in_browser(async |site: Site| {
        make_example(&site).await?;
        site.click("Pay from the wallet").await?;
        site.click("Dispute as tunde, the buyer").await?;
        let message = site.driver.find(By::Css("details[open] textarea")).await?;
        message.send_keys("The oven is crooked").await?;
        let file = site.driver.find(By::Css("details[open] input[type=file]")).await?;
        file.send_keys(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/screenshots/desk.png"))
            .await?;
        let send = site.driver.find(By::Css("details[open] button")).await?;
        send.click().await?;
        site.shows("The oven is crooked").await?;
        site.has(1, "img.evidence").await?;
        let width = "return document.querySelector('img.evidence').naturalWidth";
        let width = site.driver.execute(width, Vec::new()).await?;
        assert_eq!(width.json().as_u64(), Some(1280), "the picture is shown");
        site.is_sound_in_each_look().await
    });
}

#[test]
fn a_refusal_is_worded_as_the_api_words_it() {
    in_browser(async |site: Site| {
        make_example(&site).await?;
        let deal = site.path().await?;
        site.open("/console/customers/tunde").await?;
        site.fill("Set the wallet to", "1").await?;
        site.click("Set").await?;
        site.shows("Balance set successfully").await?;
        site.open(&deal).await?;
        site.click("Pay from the wallet").await?;
        site.shows("Insufficient balance").await?;
        site.shows("Nothing was changed").await?;
        site.shows("/v1/payment/escrow").await
    });
}

#[test]
fn a_refused_form_comes_back_as_it_was_filled_in() {
    in_browser(async |site: Site| {
        site.open("/console/offer").await?;
        let filled = [
            ("purpose", "A garden"),
            ("amount", "1,000"),
            ("title0", "Plan"),
            ("part0", "400"),
        ];
        for (id, text) in filled.into_iter().chain([("title1", "Dig"), ("part1", "600")]) {
            site.driver.find(By::Id(id)).await?.send_keys(text).await?;
        }
        site.click("Offer").await?;
        site.shows("Refused").await?;
        site.click("Back").await?;
        assert_eq!(site.path().await?, "/console/offer");
        for (id, text) in filled {
            let field = site.driver.find(By::Id(id)).await?;
            assert_eq!(field.prop("value").await?.as_deref(), Some(text), "{id}");
        }
        // It is filled in once.
        site.open("/console/offer").await?;
        let field = site.driver.find(By::Id("purpose")).await?;
        assert_eq!(field.prop("value").await?.as_deref(), Some(""));
        Ok(())
    });
}

#[test]
fn a_hostile_purpose_is_shown_as_text() {
    in_browser(async |site: Site| {
        let hostile = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>";
        site.open("/console/offer").await?;
        site.fill("What for", hostile).await?;
        site.driver.find(By::Id("amount")).await?.send_keys("2000").await?;
        for (title, part) in [("title0", "part0"), ("title1", "part1")] {
            site.driver.find(By::Id(title)).await?.send_keys(hostile).await?;
            site.driver.find(By::Id(part)).await?.send_keys("1000").await?;
        }
        site.click("Offer").await?;
        site.shows("Milestone escrow created successfully").await?;
        let deal = site.path().await?;
        for path in [deal.as_str(), "/console/deals", "/console/events", "/console/requests"] {
            site.open(path).await?;
            let title = site.driver.title().await?;
            assert_ne!(title, "owned", "{path}");
            site.is_sound().await?;
        }
        site.open("/console/deals").await?;
        site.shows("<script>").await
    });
}

#[test]
fn every_page_is_sound_in_light_and_dark_and_on_a_phone() {
    in_browser(async |site: Site| {
        make_example(&site).await?;
        let deal = site.path().await?;
        site.open(&format!("{deal}/edit")).await?;
        site.is_sound_in_each_look().await?;
        site.open(&deal).await?;
        site.click("Pay from the wallet").await?;
        site.shows("Confirm “Design”").await?;
        move_money(&site).await?;
        for path in PAGES.into_iter().chain([deal.as_str()]) {
            site.open(path).await?;
            site.is_sound_in_each_look().await?;
        }
        for (scheme, width) in LOOKS {
            site.look((scheme, width)).await?;
            let narrowest = "return Math.min(...[...document.querySelectorAll('.table-scroll td:not(.end)')]
                .filter((cell) => cell.textContent.trim()).map((cell) => cell.getBoundingClientRect().width));";
            let narrowest = site.driver.execute(narrowest, Vec::new()).await?;
            assert!(
                narrowest.json().as_f64() >= Some(100.0),
                "words break at {width}: {:?}",
                narrowest.json()
            );
        }
        Ok(())
    });
}

#[test]
fn a_deal_is_made_and_paid_with_the_keyboard_alone() {
    in_browser(async |site: Site| {
        site.open("/").await?;
        press(&site, "Make an example deal").await?;
        press(&site, "Pay from the wallet").await?;
        press(&site, "Confirm “Design”").await?;
        site.shows("Confirm “Building”").await
    });
}

/// Goes to the button with this text by the tab key, and presses Enter.
async fn press(site: &Site, text: &str) -> WebDriverResult<()> {
    site.shows(text).await?;
    for _ in 0..60 {
        let focused = site.driver.active_element().await?;
        if focused.text().await? == text {
            return focused.send_keys(Key::Enter).await;
        }
        focused.send_keys(Key::Tab).await?;
    }
    panic!("the tab key does not lead to \"{text}\"");
}

#[test]
fn lists_follow_by_themselves_and_catch_up_when_their_page_comes_to_the_front() {
    in_browser(async |site: Site| {
        let rows = "main tbody tr";
        // The rows before, and those of an offer: it is a request with two events.
        for (path, before, more) in [("/console/events", 0, 2), ("/console/requests", 2, 1)] {
            site.open(path).await?;
            site.has(before, rows).await?;
            offer(&site).await;
            site.has(before + more, rows).await?;
            let list = site.driver.window().await?;
            site.driver.new_tab().await?;
            let other = site.driver.windows().await?.pop().unwrap();
            site.driver.switch_to_window(other).await?;
            offer(&site).await;
            site.driver.close_window().await?;
            site.driver.switch_to_window(list).await?;
            site.has(before + 2 * more, rows).await?;
        }
        Ok(())
    });
}

#[test]
fn a_list_that_follows_keeps_the_place_of_the_keyboard() {
    in_browser(async |site: Site| {
        site.open("/console/events").await?;
        offer(&site).await;
        site.has(2, "main tbody tr").await?;
        let focus = "const link = document.querySelector('main tbody tr:last-child a');
            link.focus();
            return link.closest('tr').id;";
        let before = site.driver.execute(focus, Vec::new()).await?;
        offer(&site).await;
        site.has(4, "main tbody tr").await?;
        let focused = "return document.activeElement.closest('tr')?.id";
        let after = site.driver.execute(focused, Vec::new()).await?;
        assert_eq!(after.json(), before.json());
        Ok(())
    });
}

#[test]
fn a_text_is_copied_or_selected_without_a_clipboard_for_scripts() {
    in_browser(async |site: Site| {
        make_example(&site).await?;
        site.click("The same with curl").await?;
        let without = "Object.defineProperty(navigator, 'clipboard', { value: undefined });";
        site.driver.execute(without, Vec::new()).await?;
        let selected = "return [getSelection().toString(), document.getElementById('curl').textContent]";
        site.click("Copy").await?;
        site.shows("Copied").await?;
        let texts = site.driver.execute(selected, Vec::new()).await?;
        assert_eq!(texts.json()[0], texts.json()[1]);
        // A browser may refuse that too.
        site.driver
            .execute("document.execCommand = () => false;", Vec::new())
            .await?;
        site.click("Copy").await?;
        site.shows("Not copied. The text is selected").await
    });
}
