//! The pictures of the documents. `packaging/screenshots` makes them anew.

use crate::demo;
use crate::helpers::{Site, in_browser};

#[test]
#[ignore = "writes docs/screenshots"]
fn make_screenshots() {
    in_browser(async |site: Site| {
        site.look(("light", 1280)).await?;
        site.open("/").await?;
        site.click("Make an example deal").await?;
        site.shows("Milestone escrow created successfully").await?;
        let deal = site.path().await?;
        site.click("Pay from the wallet").await?;
        site.click("Confirm “Design”").await?;
        site.shows("Confirm “Building”").await?;
        for (name, scheme, width, path) in [
            ("home", "light", 1280, "/"),
            ("deal", "light", 1280, deal.as_str()),
            ("deal-dark", "dark", 1280, deal.as_str()),
            ("deal-phone", "light", 375, deal.as_str()),
            ("ledger", "light", 1280, "/console/ledger"),
            ("desk", "light", 1280, "/console/desk"),
        ] {
            site.look((scheme, width)).await?;
            site.open(path).await?;
            site.picture(name).await?;
        }
        site.look(("light", 1280)).await?;
        site.open("/demo/happy-deal").await?;
        site.click("Start").await?;
        for step in 2..=4 {
            demo::click(&site, "Next").await?;
            site.shows(&format!("Step {step} of 5")).await?;
        }
        // Without the fragment, so that the whole page shows.
        let step = site.path().await?;
        site.open("/demo").await?;
        site.open(&step).await?;
        site.picture("story").await
    });
}
