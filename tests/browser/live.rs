//! The console of live mode in a browser: an operator's day.

use serde_json::{Value, json};
use thirtyfour::prelude::*;

use crate::helpers::{Site, in_live_browser};

/// The pages of live mode for an operator.
const PAGES: [&str; 14] = [
    "/",
    "/console/deals",
    "/console/customers",
    "/console/events",
    "/console/ledger",
    "/console/desk",
    "/console/desk/deposits",
    "/console/desk/payouts",
    "/console/desk/batches",
    "/console/desk/reconciliation",
    "/console/desk/acts",
    "/console/desk/people",
    "/console/desk/keys",
    "/docs/console",
];

/// A time in which the page of a checkout looks once for a transfer.
const LOOK: std::time::Duration = std::time::Duration::from_millis(10_500);

impl Site {
    /// Logs in from the first page on.
    async fn log_in(&self, key: &str) -> WebDriverResult<()> {
        self.open("/").await?;
        self.click("Log in").await?;
        self.fill("Your key", key).await?;
        let button = "//main//button[normalize-space()=\"Log in\"]";
        self.driver.query(By::XPath(button)).first().await?.click().await?;
        self.driver
            .query(By::XPath("//button[normalize-space()=\"Log out\"]"))
            .first()
            .await?;
        Ok(())
    }

    /// Ends the session. Waits for the page after it, since opening another one could cancel the request.
    async fn log_out(&self) -> WebDriverResult<()> {
        self.click("Log out").await?;
        self.shows("Your key").await
    }

    /// Cuts the browser off from the service, or connects it again.
    async fn go_offline(&self, is_offline: bool) -> WebDriverResult<()> {
        let tools = self.driver.cdp();
        tools.send_raw("Network.enable", json!({})).await?;
        let line = json!({"offline": is_offline, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1});
        tools.send_raw("Network.emulateNetworkConditions", line).await?;
        Ok(())
    }

    /// Returns the text of the secret that the page shows once.
    async fn secret(&self) -> WebDriverResult<String> {
        self.driver.query(By::Id("secret-0")).first().await?.text().await
    }
}

/// Logs out in another tab of the browser.
async fn log_out_elsewhere(site: &Site) -> WebDriverResult<()> {
    let page = site.driver.window().await?;
    site.driver.new_tab().await?;
    let other = site.driver.windows().await?.pop().unwrap();
    site.driver.switch_to_window(other).await?;
    site.open("/").await?;
    site.log_out().await?;
    site.driver.close_window().await?;
    site.driver.switch_to_window(page).await
}

/// Calls a route with a key, as a merchant's program does.
fn call(site: &Site, key: &str, method: &str, path: &str, customer: &str, body: &Value) -> Value {
    let request = ureq::http::Request::builder()
        .method(method)
        .uri(format!("{}{path}", site.base_url))
        .header("authorization", format!("Bearer {key}"))
        .header("content-type", "application/json");
    let request = if customer.is_empty() {
        request
    } else {
        request.header("customer-id", customer)
    };
    let mut response = ureq::run(request.body(body.to_string()).unwrap()).unwrap();
    let text = response.body_mut().read_to_string().unwrap();
    serde_json::from_str(&text).unwrap()
}

/// Makes a merchant on the page of people, and a customer with an expected deposit and, by
/// the key, the means to withdraw. Returns the key and the customer.
async fn open_shop(site: &Site) -> WebDriverResult<(String, String)> {
    site.click("Desk").await?;
    site.click("People").await?;
    site.fill("Name of the merchant", "acme").await?;
    site.click("Create the merchant").await?;
    site.shows("Merchant created successfully").await?;
    let key = site.secret().await?;
    let body = json!({"firstname": "Tunde", "lastname": "Obi", "email": "tunde@x.example", "phone": "08030000001"});
    let created = call(site, &key, "POST", "/v1/customer/create", "", &body);
    let customer = created["data"]["customerId"].as_str().unwrap().to_owned();
    let deposit = json!({"amount": 20_000, "reference": "dep-1", "transactionType": "deposit"});
    call(site, &key, "POST", "/v1/payment/create-intent", &customer, &deposit);
    Ok((key, customer))
}

#[test]
fn an_operators_day_takes_two_persons_and_clicks_alone() {
    in_live_browser(async |site: Site, keys: Vec<String>| {
        let [ada, ben, _] = keys.try_into().unwrap();
        site.log_in(&ada).await?;
        let (key, customer) = open_shop(&site).await?;
        site.is_sound().await?;
        site.log_out().await?;
        site.log_in(&ben).await?;
        site.click("Desk").await?;
        site.click("Money in").await?;
        site.fill("The bank's reference", "FT-1").await?;
        site.click("Record that it came").await?;
        site.shows("Receipt recorded successfully").await?;
        assert!(!site.text().await?.contains("Approve"), "a cashier approves nothing");
        site.log_out().await?;
        site.log_in(&ada).await?;
        site.click("Desk").await?;
        site.click("Money in").await?;
        site.click("Approve").await?;
        site.shows("Receipt approved successfully").await?;
        let withdrawal = json!({
            "amount": 6_000, "reference": "out-1", "transactionType": "withdrawal",
            "withdrawalDetails": {
                "bankCode": "058", "accountNumber": "0123456789", "accountName": "Tunde Obi", "bankName": "Bank",
            },
        });
        call(&site, &key, "POST", "/v1/payment/create-intent", &customer, &withdrawal);
        site.click("Money out").await?;
        site.click("Approve").await?;
        site.fill("The bank's reference", "FT-2").await?;
        site.click("Record that it was paid").await?;
        site.shows("Pay-out recorded as paid").await?;
        site.click("Position").await?;
        site.shows("agrees").await?;
        site.is_sound().await?;
        let desk = site.path().await?;
        site.log_out().await?;
        // A page that was shown before the logout is not shown again.
        site.driver.back().await?;
        site.shows("Your key").await?;
        site.open(&desk).await?;
        site.shows("Your key").await
    });
}

/// Follows a link to a deal of 4,080 as a buyer, up to the account and the reference to pay to.
/// Returns the reference.
async fn announce_transfer(site: &Site, keys: &[String]) -> WebDriverResult<String> {
    site.log_in(&keys[0]).await?;
    let (key, buyer) = open_shop(site).await?;
    site.log_out().await?;
    let seller = json!({"firstname": "Amaka", "lastname": "Eze", "email": "amaka@x.example", "phone": "08030000002"});
    let seller = call(site, &key, "POST", "/v1/customer/create", "", &seller);
    let seller = seller["data"]["customerId"].as_str().unwrap();
    let offer = json!({
        "amount": 4_000, "purpose": "A cake for twenty", "whoPays": "buyer", "maxDelivery": 3,
        "deliveryTimeline": "days",
    });
    let offered = call(site, &key, "POST", "/v1/escrow/create", seller, &offer);
    let token = offered["data"]["paymentToken"].as_str().unwrap();
    site.open(&format!("/pay/{token}")).await?;
    site.shows("acme").await?;
    site.is_sound().await?;
    // The link as the shop sends it.
    site.open(&format!("/pay/{token}?buyer={buyer}")).await?;
    site.click("Continue").await?;
    site.click("Show the account and the reference").await?;
    site.shows("Transfer exactly this amount").await?;
    site.is_sound().await?;
    let reference = site.driver.query(By::Css("dd code")).all_from_selector().await?;
    reference.last().unwrap().text().await
}

/// Records money at the bank with the reference of a transfer.
fn record(site: &Site, key: &str, bank_reference: &str, major: u32, reference: &str) {
    let came = json!({
        "amount": major, "bankReference": bank_reference, "valueDate": "2026-06-22", "depositReference": reference,
    });
    let recorded = call(site, key, "POST", "/operator/receipts", "", &came);
    assert_eq!(recorded["data"]["status"], "credited", "{recorded}");
}

#[test]
fn a_buyer_with_a_link_pays_by_transfer_and_sees_the_receipt() {
    in_live_browser(async |site: Site, keys: Vec<String>| {
        let reference = announce_transfer(&site, &keys).await?;
        // The page looks by itself.
        record(&site, &keys[0], "FT-8", 80, &reference);
        site.shows("came with this reference").await?;
        record(&site, &keys[0], "FT-9", 4_080, &reference);
        site.shows("Receipt").await?;
        site.is_sound().await
    });
}

#[test]
fn a_page_that_waits_for_a_transfer_says_when_its_checkout_has_ended() {
    in_live_browser(async |site: Site, keys: Vec<String>| {
        announce_transfer(&site, &keys).await?;
        let listen = "window.unhandled = [];
            window.addEventListener('unhandledrejection', (event) => window.unhandled.push(String(event.reason)));";
        site.driver.execute(listen, Vec::new()).await?;
        // The service does not answer at the first look.
        site.go_offline(true).await?;
        tokio::time::sleep(LOOK).await;
        let unhandled = site.driver.execute("return window.unhandled;", Vec::new()).await?;
        assert_eq!(unhandled.json(), &json!([]));
        assert!(!site.text().await?.contains("no longer looks"));
        // The next looks find that the session has ended.
        let end = "history.replaceState(null, '', '/checkout/ended');";
        site.driver.execute(end, Vec::new()).await?;
        site.go_offline(false).await?;
        site.shows("this page no longer looks if your transfer comes").await?;
        site.shows("A transfer that you have made still counts").await?;
        // It has stopped to look.
        let count = "return performance.getEntriesByType('resource').length;";
        let before = site.driver.execute(count, Vec::new()).await?;
        tokio::time::sleep(LOOK).await;
        assert_eq!(site.driver.execute(count, Vec::new()).await?.json(), before.json());
        site.click("Look if it came").await?;
        site.shows("Transfer exactly this amount").await
    });
}

#[test]
fn a_wrong_key_is_told_and_a_link_from_elsewhere_is_followed_after_the_login() {
    in_live_browser(async |site: Site, keys: Vec<String>| {
        site.open("/console/desk/acts").await?;
        site.fill("Your key", "op_live_wrong").await?;
        let button = "//main//button[normalize-space()=\"Log in\"]";
        site.driver.query(By::XPath(button)).first().await?.click().await?;
        site.shows("This key opens nothing here").await?;
        site.fill("Your key", &keys[2]).await?;
        site.driver.query(By::XPath(button)).first().await?.click().await?;
        site.shows("Who did what").await?;
        assert_eq!(site.path().await?, "/console/desk/acts");
        site.has(0, "form[action='/console/call']").await
    });
}

#[test]
fn every_page_of_live_mode_is_sound_in_light_and_dark_and_on_a_phone() {
    in_live_browser(async |site: Site, keys: Vec<String>| {
        site.open("/").await?;
        site.is_sound().await?;
        site.open("/login").await?;
        site.is_sound().await?;
        site.log_in(&keys[0]).await?;
        open_shop(&site).await?;
        // With a second one there is a choice.
        site.fill("Name of the merchant", "bakery").await?;
        site.click("Create the merchant").await?;
        site.shows("Merchant created successfully").await?;
        site.is_sound_in_each_look().await?;
        let first = "//select[@id='chosen-merchant']/option[2]";
        site.driver.query(By::XPath(first)).first().await?.click().await?;
        site.click("Choose").await?;
        // Another page opened before would end the choice under way.
        site.has(1, "#chosen-merchant option[selected]").await?;
        for path in PAGES {
            site.open(path).await?;
            site.is_sound_in_each_look().await?;
        }
        Ok(())
    });
}

#[test]
fn a_form_of_an_ended_session_comes_back_filled_in_after_the_login() {
    in_live_browser(async |site: Site, keys: Vec<String>| {
        site.log_in(&keys[0]).await?;
        site.open("/console/desk/people").await?;
        site.fill("Name of the merchant", "acme").await?;
        log_out_elsewhere(&site).await?;
        site.click("Create the merchant").await?;
        site.shows("You are not logged in").await?;
        let link = "//main//a[normalize-space()=\"Log in\"]";
        site.driver.query(By::XPath(link)).first().await?.click().await?;
        site.fill("Your key", &keys[0]).await?;
        let button = "//main//button[normalize-space()=\"Log in\"]";
        site.driver.query(By::XPath(button)).first().await?.click().await?;
        site.shows("A new merchant").await?;
        let name = site.driver.find(By::Id("merchant-name")).await?;
        assert_eq!(name.prop("value").await?.as_deref(), Some("acme"));
        site.click("Create the merchant").await?;
        site.shows("Merchant created successfully").await
    });
}

#[test]
fn a_list_says_that_it_follows_no_longer_once_the_session_has_ended() {
    in_live_browser(async |site: Site, keys: Vec<String>| {
        site.log_in(&keys[0]).await?;
        open_shop(&site).await?;
        site.open("/console/events").await?;
        site.shows("This list updates by itself.").await?;
        log_out_elsewhere(&site).await?;
        site.shows("This list no longer updates. Log in again.").await?;
        site.click("Log in again.").await?;
        site.shows("Your key").await
    });
}
