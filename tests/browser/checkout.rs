//! The checkout in a merchant's page of another origin. The page is the example of
//! docs/checkout.md.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::thread;

use serde_json::{Value, json};
use thirtyfour::prelude::*;

use crate::helpers::{Site, in_browser};

const DOCUMENT: &str = include_str!("../../docs/checkout.md");
/// The line of the example that names the payment.
const REFERENCE: &str = "reference: `order-${Date.now()}`, // another one for each payment";

/// The merchant's web page, on a port of its own.
struct Shop {
    address: String,
}

impl Shop {
    /// Serves the example for the deal with this token, with what `change` makes of it.
    fn open(site: &Site, token: &str, change: impl FnOnce(String) -> String) -> Self {
        let (_, page) = DOCUMENT.split_once("```html\n").unwrap();
        let (page, _) = page.split_once("```").unwrap();
        let page = page
            .replace("http://127.0.0.1:8080", &site.base_url)
            .replace("PY_ABCDEFGH1234", token);
        let page = change(page);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
                while lines.next().is_some_and(|line| line.is_ok_and(|line| !line.is_empty())) {}
                let head = "HTTP/1.1 200 OK\r\ncontent-type: text/html; charset=utf-8\r\nconnection: close";
                write!(stream, "{head}\r\ncontent-length: {}\r\n\r\n{page}", page.len()).unwrap();
            }
        });
        Self { address }
    }
}

/// Sends a request of the merchant's server. `customer` may be empty.
async fn ask(site: &Site, method: &str, path: &str, customer: &str, body: &Value) -> Value {
    let client = reqwest::Client::new();
    let url = format!("{}{path}", site.base_url);
    let mut request = client.request(method.parse().unwrap(), url);
    if !customer.is_empty() {
        request = request.header("customer-id", customer);
    }
    if !body.is_null() {
        request = request
            .header("content-type", "application/json")
            .body(body.to_string());
    }
    let text = request.send().await.unwrap().text().await.unwrap();
    serde_json::from_str(&text).unwrap()
}

/// Offers a deal and returns its token.
pub(crate) async fn offer(site: &Site) -> String {
    let terms = json!({
        "amount": 50000, "purpose": "A cake for twenty", "whoPays": "buyer", "maxDelivery": 3,
        "deliveryTimeline": "days",
    });
    let offered = ask(site, "POST", "/v1/escrow/create", "amaka", &terms).await;
    offered["data"]["paymentToken"].as_str().unwrap().to_owned()
}

impl Site {
    /// Opens the merchant's page and presses its button.
    async fn begin(&self, shop: &Shop) -> WebDriverResult<()> {
        self.driver.goto(&shop.address).await?;
        self.click("Pay").await
    }

    /// Goes into the frame of the checkout, once it is there.
    async fn enter_checkout(&self) -> WebDriverResult<()> {
        let frame = self.driver.query(By::Tag("iframe")).first().await?;
        frame.enter_frame().await
    }
}

#[test]
fn a_buyer_pays_with_a_test_card_in_a_page_of_another_origin() {
    in_browser(async |site: Site| {
        let token = offer(&site).await;
        let shop = Shop::open(&site, &token, |page| page);
        site.begin(&shop).await?;
        site.enter_checkout().await?;
        site.shows(&format!("This page is shown inside a page of {}.", shop.address))
            .await?;
        site.shows("Total").await?;
        site.fill("Your name as a customer", "tunde").await?;
        site.click("Continue").await?;
        site.click("visa 4242424242424242").await?;
        site.click("Pay with visa …4242").await?;
        site.shows("Receipt").await?;
        site.shows("51,000.00").await?;
        // A page that is loaded again tells of the same payment.
        site.driver.execute("window.location.reload()", Vec::new()).await?;
        site.shows("Receipt").await?;
        site.driver.enter_default_frame().await?;
        site.has(1, "#outcome > li").await?;
        let history = ask(&site, "GET", "/v1/payment/history", "tunde", &Value::Null).await;
        let [payment, reference] = ["id", "reference"].map(|name| history["data"]["data"][0][name].as_str().unwrap());
        assert!(reference.starts_with("order-"), "{reference}");
        site.shows(&format!("Paid: {reference} by payment {payment}")).await?;
        let events = ask(&site, "GET", "/sandbox/events", "", &Value::Null).await;
        assert!(events.to_string().contains("escrow.ongoing"), "{events}");
        site.click("Close").await?;
        site.has(0, "dialog").await?;
        site.has(2, "#outcome > li").await?;
        site.shows("Closed").await
    });
}

#[test]
fn a_checkout_closes_by_escape_and_opens_again() {
    in_browser(async |site: Site| {
        let shop = Shop::open(&site, &offer(&site).await, |page| page);
        site.begin(&shop).await?;
        site.has(1, "dialog").await?;
        // Another window than the frame, and another origin than the service, tell nothing.
        let forged = "window.postMessage({escrowCheckout: 'paid', paymentId: 'forged'}, '*');
            window.postMessage({escrowCheckout: 'close'}, '*');";
        site.driver.execute(forged, Vec::new()).await?;
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        site.has(0, "#outcome > li").await?;
        site.has(1, "dialog").await?;
        site.driver.action_chain().send_keys(Key::Escape).perform().await?;
        site.has(0, "dialog").await?;
        site.click("Pay").await?;
        site.enter_checkout().await?;
        site.fill("Your name as a customer", "tunde").await?;
        // Escape works within the frame too, where only its page hears it.
        site.driver.action_chain().send_keys(Key::Escape).perform().await?;
        site.driver.enter_default_frame().await?;
        site.has(0, "dialog").await?;
        site.has(2, "#outcome > li").await
    });
}

#[test]
fn a_wrong_key_is_named_in_the_shop() {
    in_browser(async |site: Site| {
        let change = |page: String| page.replace("pk_test_default", "pk_test_wrong");
        let shop = Shop::open(&site, &offer(&site).await, change);
        site.begin(&shop).await?;
        site.shows("Unknown publishable key").await?;
        site.has(0, "dialog").await
    });
}

#[test]
fn a_deal_that_another_buyer_paid_for_meanwhile_takes_nothing() {
    in_browser(async |site: Site| {
        let token = offer(&site).await;
        let change = |page: String| page.replace(REFERENCE, "customerId: \"tunde\",");
        let shop = Shop::open(&site, &token, change);
        site.begin(&shop).await?;
        site.enter_checkout().await?;
        site.shows("Pay as tunde").await?;
        let pay = json!({"escrowDetails": {"paymentToken": token}});
        let paid = ask(&site, "POST", "/v1/payment/escrow", "ngozi", &pay).await;
        assert_eq!(paid["status"], 200, "{paid}");
        site.click("Pay from the wallet").await?;
        site.shows("Another buyer has paid for this deal meanwhile").await?;
        site.shows("Nothing was paid by this attempt").await?;
        site.click("Close").await?;
        site.driver.enter_default_frame().await?;
        site.shows("Closed").await?;
        site.has(1, "#outcome > li").await?;
        let wallet = ask(&site, "GET", "/v1/wallet", "tunde", &Value::Null).await;
        assert_eq!(wallet["data"]["mainBalance"], 1_000_000, "{wallet}");
        Ok(())
    });
}

#[test]
fn a_shop_without_a_callback_is_left_for_its_page_of_thanks() {
    in_browser(async |site: Site| {
        let token = offer(&site).await;
        let shop = Shop::open(&site, &token, |page| {
            let without = page
                .replace("callback:", "ignored:")
                .replace(REFERENCE, "customerId: \"tunde\",");
            without.replace("\"http://localhost:3000/shop.html\"", "location.origin + \"/thanks\"")
        });
        site.begin(&shop).await?;
        site.enter_checkout().await?;
        site.click("Pay from the wallet").await?;
        for _ in 0..200 {
            if site.path().await? == "/thanks" {
                let url = site.driver.current_url().await?;
                assert!(url.query().unwrap_or_default().contains("paymentId="), "{url}");
                return Ok(());
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        panic!("the shop's page of thanks was not opened");
    });
}

#[test]
fn the_page_in_the_frame_is_sound_dark_and_on_a_phone() {
    in_browser(async |site: Site| {
        let token = offer(&site).await;
        let begun = ask(
            &site,
            "POST",
            "/v1/checkout/session",
            "",
            &json!({
                "publicKey": "pk_test_default", "paymentToken": token,
            }),
        )
        .await;
        let session = begun["session"].as_str().unwrap();
        for query in ["", "?customer=tunde", "?from=https://shop.example&customer=tunde"] {
            site.open(&format!("/checkout/{session}{query}")).await?;
            for look in [("light", 360), ("dark", 1200)] {
                site.look(look).await?;
                site.is_sound().await?;
            }
        }
        site.click("Pay from the wallet").await?;
        site.shows("Receipt").await?;
        site.is_sound().await?;
        site.open("/checkout/a.b").await?;
        site.shows("This checkout has ended").await
    });
}
