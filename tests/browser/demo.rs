//! The stories of a demonstration in a browser.

use std::time::Duration;

use serde_json::Value;
use thirtyfour::prelude::*;

use crate::helpers::{Site, in_browser};

/// Returns the texts of the cells of a table in its column, from 1, without the last row.
const COLUMN: &str = "const cells = (part) => [...document.querySelectorAll(
    `.purses ${part} tr > :nth-child(${arguments[0]}) > :first-child`)].map((cell) => cell.textContent);
return [cells('tbody'), cells('tfoot')];";

/// Returns the minor units of an amount such as `NGN −1,500.00`.
fn minor(text: &str) -> i64 {
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    let size: i64 = digits.parse().unwrap_or_default();
    if text.contains('−') { -size } else { size }
}

/// Asserts that the amounts of a column add up to its last row, and returns their sum.
async fn sum(site: &Site, column: usize) -> WebDriverResult<i64> {
    let cells = site.driver.execute(COLUMN, vec![column.into()]).await?;
    let (parts, sums) = (&cells.json()[0], &cells.json()[1]);
    let parts: Vec<&str> = parts
        .as_array()
        .unwrap()
        .iter()
        .map(|cell| cell.as_str().unwrap())
        .collect();
    assert!(parts.len() >= 4, "{parts:?}");
    let sum = minor(sums[0].as_str().unwrap());
    assert_eq!(parts.iter().map(|part| minor(part)).sum::<i64>(), sum, "{parts:?}");
    Ok(sum)
}

/// Returns the sum of the changes that the page shows.
async fn changes(site: &Site) -> WebDriverResult<i64> {
    let mut sum = 0;
    for change in site.driver.find_all(By::Css(".purses .change")).await? {
        sum += minor(&change.text().await?);
    }
    Ok(sum)
}

/// Clicks a button of the story once it has settled: until then it ignores clicks.
pub(crate) async fn click(site: &Site, label: &str) -> WebDriverResult<()> {
    let path =
        format!("//section[contains(@class, 'story')]//*[self::a or self::button][normalize-space()=\"{label}\"]");
    let button = site.driver.query(By::XPath(path)).first().await?;
    let is_settled = "return arguments[0].getAnimations().length === 0";
    while site.driver.execute(is_settled, vec![button.to_json()?]).await?.json() != &Value::Bool(true) {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    button.click().await
}

/// Walks through a story with clicks alone and asserts that it adds up on every page.
async fn tell(site: &Site, title: &str, steps: usize) -> WebDriverResult<()> {
    site.open("/").await?;
    site.click("Stories").await?;
    site.click(title).await?;
    site.shows("The people").await?;
    site.is_sound().await?;
    site.click("Start").await?;
    let mut brought = None;
    for step in 1..=steps {
        site.shows(&format!("Step {step} of {steps}")).await?;
        let together = sum(site, 2).await?;
        assert!(
            together > 0 && *brought.get_or_insert(together) == together,
            "{title}, step {step}"
        );
        assert_eq!(changes(site).await?, 0, "{title}, step {step}: no step makes money");
        site.shows("It adds up").await?;
        site.is_sound().await?;
        click(site, "Next").await?;
    }
    site.shows("Who had what before and after").await?;
    for column in [2, 3] {
        assert_eq!(Some(sum(site, column).await?), brought, "{title}, column {column}");
    }
    assert_eq!(changes(site).await?, 0, "{title}: no deal makes money");
    site.is_sound().await?;
    site.click("The deal in the console").await?;
    site.shows("the deal is closed and all its money is paid out").await
}

#[test]
fn a_deal_that_goes_well_is_told_with_clicks_alone() {
    in_browser(async |site: Site| tell(&site, "A deal that goes well", 5).await);
}

#[test]
fn a_dispute_is_told_with_clicks_alone() {
    in_browser(async |site: Site| {
        site.look(("dark", 375)).await?;
        tell(&site, "A dispute and a split", 6).await?;
        site.shows("Six of ten shelves are good").await
    });
}

#[test]
fn a_buyer_who_vanishes_is_told_with_clicks_alone() {
    in_browser(async |site: Site| {
        site.look(("light", 375)).await?;
        tell(&site, "A buyer who vanishes", 4).await
    });
}

/// Brings back the first moment of a button, in which it ignores clicks, and holds it there.
const HOLD: &str = "const button = arguments[0];
button.style.animation = 'none';
button.getBoundingClientRect();
button.style.animation = '';
button.getAnimations()[0].pause();";

#[test]
fn a_double_click_does_one_step_and_a_story_can_be_read_back_and_begun_again() {
    in_browser(async |site: Site| {
        site.open("/demo/happy-deal").await?;
        site.click("Start").await?;
        for step in 1..=2 {
            click(&site, "Next").await?;
            site.shows(&format!("Step {} of 5", step + 1)).await?;
            // The second click of a double click comes as soon as the next page is there.
            let button = site.driver.find(By::Css(".story .primary")).await?;
            site.driver.execute(HOLD, vec![button.to_json()?]).await?;
            site.driver
                .action_chain()
                .double_click_element(&button)
                .perform()
                .await?;
            tokio::time::sleep(Duration::from_millis(500)).await;
            site.driver.refresh().await?;
            site.shows(&format!("Step {} of 5", step + 1)).await?;
        }
        site.driver.refresh().await?;
        site.shows("Step 3 of 5").await?;
        site.click("Ben pays once").await?;
        site.shows("This step is done.").await?;
        site.is_sound().await?;
        click(&site, "Go on").await?;
        site.shows("Step 3 of 5").await?;
        let told = site.path().await?;
        site.click("Start again").await?;
        site.shows("Step 1 of 5").await?;
        assert_ne!(site.path().await?, told.replace("/3", "/1"));
        site.open(&told).await?;
        site.shows("Step 3 of 5").await
    });
}

#[test]
fn a_story_is_told_with_the_keyboard_alone() {
    in_browser(async |site: Site| {
        site.open("/demo/buyer-who-vanishes").await?;
        press(&site, "Start", 60).await?;
        site.shows("Step 1 of 4").await?;
        press(&site, "Next", 60).await?;
        for step in 2..=4 {
            site.shows(&format!("Step {step} of 4")).await?;
            // The keyboard is at the step: the first stop is its button.
            press(&site, "Next", 1).await?;
        }
        site.shows("Who had what before and after").await
    });
}

/// Goes to the button with this text by the tab key, in at most so many presses, and presses
/// Enter.
async fn press(site: &Site, text: &str, presses: usize) -> WebDriverResult<()> {
    for _ in 0..presses {
        site.driver.action_chain().send_keys(Key::Tab).perform().await?;
        let focused = site.driver.active_element().await?;
        if focused.text().await? == text {
            return focused.send_keys(Key::Enter).await;
        }
    }
    panic!("{presses} presses of the tab key do not lead to \"{text}\"");
}
