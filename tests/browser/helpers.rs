//! A browser in front of a service of its own.

use std::cell::RefCell;
use std::future::Future;
use std::io::{BufRead, BufReader};
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use futures_util::FutureExt;
use serde_json::{Value, json};
use tempfile::TempDir;
use thirtyfour::prelude::*;

use crate::ports::free_port;

/// The checker of accessibility, which `npm ci --prefix tests/browser` installs.
const AXE: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/browser/node_modules/axe-core/axe.min.js"
);

/// The switches of the browser. It has no names to resolve, so nothing outside this machine can
/// be reached.
const SWITCHES: [&str; 8] = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
];

/// The operators of a live service: name and role.
const OPERATORS: [(&str, &str); 3] = [("Ada Obi", "admin"), ("Ben Eze", "cashier"), ("Efe Ojo", "auditor")];

/// The configuration of a live service, in which one person alone moves at most 5,000.
const LIVE_CONFIG: &str = "mode = \"live\"
database = \"live.db\"
[bank]
bank_name = \"First Bank\"
bank_code = \"011\"
account_number = \"0123456789\"
account_name = \"Acme\"
[operators]
alone_max_minor = 500000
";

/// A screen in light and a phone in dark: the scheme and the width.
pub(crate) const LOOKS: [(&str, u32); 2] = [("light", 1280), ("dark", 375)];

/// The time between two looks at a page, and the most looks.
const WAIT: Duration = Duration::from_millis(50);
const WAITS: u32 = 400;

/// A process that ends when it is dropped.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        self.0.kill().expect("the process can be ended");
        self.0.wait().expect("the process has ended");
    }
}

/// A browser in front of a sandbox.
pub(crate) struct Site {
    pub(crate) driver: WebDriver,
    pub(crate) base_url: String,
}

/// Runs a test in a browser of its own, in front of a sandbox of its own. Without a browser on
/// this machine the test is left out, except in CI.
pub(crate) fn in_browser<T: Future<Output = WebDriverResult<()>>>(test: impl FnOnce(Site) -> T) {
    in_front_of(sandbox, test);
}

/// Runs a test in a browser of its own, in front of a live service of its own, which has the
/// operators [`OPERATORS`] with these keys, in their order.
pub(crate) fn in_live_browser<T: Future<Output = WebDriverResult<()>>>(test: impl FnOnce(Site, Vec<String>) -> T) {
    let keys = RefCell::new(Vec::new());
    let start = |folder: &TempDir| {
        *keys.borrow_mut() = operators(folder);
        live(folder)
    };
    in_front_of(start, |site| test(site, keys.take()));
}

/// Starts a service in a folder, and a browser in front of it, and runs a test.
fn in_front_of<T: Future<Output = WebDriverResult<()>>>(
    start: impl FnOnce(&TempDir) -> (Process, String),
    test: impl FnOnce(Site) -> T,
) {
    let Some((browser, chromedriver)) = tools() else {
        return;
    };
    // The client of the driver asks for TLS, although it needs none here. Another test may have
    // installed it.
    rustls::crypto::ring::default_provider().install_default().ok();
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.unwrap().block_on(async {
        let (_server, base_url) = start(&folder);
        let (_chromedriver, driver_url) = started(
            Command::new(chromedriver).arg(format!("--port={}", free_port())),
            "started successfully on port ",
            "http://127.0.0.1:",
        );
        let mut capabilities = DesiredCapabilities::chrome();
        // The driver starts the shell with other switches than the whole browser.
        capabilities.set("browserName", json!("chrome-headless-shell")).unwrap();
        capabilities.set_binary(browser.to_str().unwrap()).unwrap();
        let profile = format!("--user-data-dir={}", folder.path().join("profile").display());
        for switch in SWITCHES.iter().copied().chain([profile.as_str()]) {
            capabilities.add_arg(switch).unwrap();
        }
        let logged = json!({"browser": "ALL"});
        capabilities.set("goog:loggingPrefs", logged).unwrap();
        let driver = WebDriver::new(driver_url, capabilities).await.unwrap();
        let site = Site {
            driver: driver.clone(),
            base_url,
        };
        let outcome = AssertUnwindSafe(test(site)).catch_unwind().await;
        // Ends the browser also after a failure.
        driver.quit().await.unwrap();
        match outcome {
            Ok(result) => result.unwrap(),
            Err(panic) => resume_unwind(panic),
        }
    });
}

/// Returns the browser and its driver.
fn tools() -> Option<(PathBuf, PathBuf)> {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let find = |name| {
        let mut places = std::env::split_paths(&paths).map(|folder| folder.join(name));
        places.find(|place| place.is_file())
    };
    let found = find("chromium-headless-shell").zip(find("chromedriver"));
    let found = found.filter(|_| Path::new(AXE).is_file());
    assert!(
        found.is_some() || std::env::var_os("CI").is_none(),
        "CI must run this test, but chromium-headless-shell, chromedriver or {AXE} is missing"
    );
    if found.is_none() {
        eprintln!("left out: chromium-headless-shell, chromedriver or {AXE} is missing");
    }
    found
}

/// Makes the operators and returns their keys.
fn operators(folder: &TempDir) -> Vec<String> {
    std::fs::write(folder.path().join("config.toml"), LIVE_CONFIG).unwrap();
    let make = |(name, role): (&str, &str)| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_escrowd"));
        command.args(["operator", "create", name, "--role", role]);
        let made = command.current_dir(folder.path()).output().unwrap();
        let text = String::from_utf8(made.stdout).unwrap();
        let key = text.split_whitespace().find(|word| word.starts_with("op_live_"));
        key.unwrap_or_else(|| panic!("no key in {text}")).to_owned()
    };
    OPERATORS.into_iter().map(make).collect()
}

/// Starts the live service on a free port.
fn live(folder: &TempDir) -> (Process, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_escrowd"));
    command.args(["serve", "--listen", "127.0.0.1:0"]);
    command.current_dir(folder.path()).env("ESCROWD_LOG", "warn");
    started(&mut command, "listening on http://", "http://")
}

/// Starts a sandbox on a free port.
fn sandbox(folder: &TempDir) -> (Process, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_escrowd"));
    command.args(["--listen", "127.0.0.1:0", "--ephemeral"]);
    command.current_dir(folder.path()).env("ESCROWD_LOG", "warn");
    started(&mut command, "listening on http://", "http://")
}

/// Starts a program and returns the rest of the line of its output after `mark`, as an address
/// that begins with `scheme`.
fn started(command: &mut Command, mark: &str, scheme: &str) -> (Process, String) {
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let process = Process(child);
    let mut line = String::new();
    while output.read_line(&mut line).unwrap() > 0 {
        if let Some((_, rest)) = line.split_once(mark) {
            let place = rest.trim().trim_end_matches('.').to_owned();
            // Keeps the pipe open, and reads what the program says later.
            std::thread::spawn(move || output.lines().map_while(Result::ok).for_each(drop));
            return (process, format!("{scheme}{place}"));
        }
        line.clear();
    }
    panic!("the program ended before it said \"{mark}\"");
}

impl Site {
    /// Opens a page of the service.
    pub(crate) async fn open(&self, path: &str) -> WebDriverResult<()> {
        self.driver.goto(format!("{}{path}", self.base_url)).await
    }

    /// Clicks the button or link with this text, once it is there.
    pub(crate) async fn click(&self, text: &str) -> WebDriverResult<()> {
        let quoted = format!("normalize-space()=\"{text}\"");
        let path = format!("(//button[{quoted}] | //a[{quoted}] | //summary[{quoted}])[1]");
        self.driver.query(By::XPath(path)).first().await?.click().await
    }

    /// Types into the field with this label, once it is there, in place of what it has.
    pub(crate) async fn fill(&self, label: &str, text: &str) -> WebDriverResult<()> {
        let path = format!("//*[@id=(//label[normalize-space()=\"{label}\"]/@for)]");
        let field = self.driver.query(By::XPath(path)).first().await?;
        field.clear().await?;
        field.send_keys(text).await
    }

    /// Returns what a reader sees of the page.
    pub(crate) async fn text(&self) -> WebDriverResult<String> {
        self.driver.find(By::Tag("main")).await?.text().await
    }

    /// Waits until a reader sees this text. The page before it may still be there, and goes
    /// away while it is read.
    pub(crate) async fn shows(&self, expected: &str) -> WebDriverResult<()> {
        let mut seen = String::new();
        for _ in 0..WAITS {
            seen = self.text().await.unwrap_or_default();
            if seen.contains(expected) {
                return Ok(());
            }
            tokio::time::sleep(WAIT).await;
        }
        panic!("no \"{expected}\" in:\n{seen}");
    }

    /// Waits until the page has so many elements that match the selector.
    pub(crate) async fn has(&self, count: usize, selector: &str) -> WebDriverResult<()> {
        let mut found = 0;
        for _ in 0..WAITS {
            found = self.driver.find_all(By::Css(selector)).await?.len();
            if found == count {
                return Ok(());
            }
            tokio::time::sleep(WAIT).await;
        }
        panic!("{found} and not {count} of {selector}");
    }

    /// Waits until the browser has saved a file, and returns its text.
    pub(crate) async fn file(&self, path: &Path) -> String {
        for _ in 0..WAITS {
            if let Ok(text) = std::fs::read_to_string(path) {
                return text;
            }
            tokio::time::sleep(WAIT).await;
        }
        panic!("no {}", path.display());
    }

    /// Returns the path of the page.
    pub(crate) async fn path(&self) -> WebDriverResult<String> {
        let url = self.driver.current_url().await?;
        Ok(url.path().to_owned())
    }

    /// Asks pages for their dark or light look, at once, on a screen of this width.
    pub(crate) async fn look(&self, (scheme, width): (&str, u32)) -> WebDriverResult<()> {
        let tools = self.driver.cdp();
        let media = json!({"features": [
            {"name": "prefers-color-scheme", "value": scheme},
            {"name": "prefers-reduced-motion", "value": "reduce"},
        ]});
        tools.send_raw("Emulation.setEmulatedMedia", media).await?;
        let screen = json!({"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": false});
        tools.send_raw("Emulation.setDeviceMetricsOverride", screen).await?;
        Ok(())
    }

    /// Asserts that the page is sound: nothing of it came from elsewhere, the browser's console
    /// has no error, it is no wider than the screen, and the checker of accessibility finds
    /// nothing serious.
    pub(crate) async fn is_sound(&self) -> WebDriverResult<()> {
        let path = self.path().await?;
        let log = self.driver.browser_log().await?;
        let errors: Vec<_> = log.iter().filter(|entry| entry.level == "SEVERE").collect();
        assert!(errors.is_empty(), "{path}: {errors:?}");
        let facts = self.driver.execute(FACTS, Vec::new()).await?;
        let (loaded, is_too_wide) = (&facts.json()["loaded"], &facts.json()["isTooWide"]);
        let has_checker = facts.json()["hasChecker"] == true;
        for name in loaded.as_array().unwrap() {
            let name = name.as_str().unwrap();
            let is_own = name.starts_with(&self.base_url) || name.starts_with("data:");
            assert!(is_own, "{path} loads {name}");
        }
        assert_eq!(is_too_wide, &Value::Bool(false), "{path} is wider than the screen");
        if !has_checker {
            let axe = std::fs::read_to_string(AXE).unwrap();
            self.driver.execute(axe, Vec::new()).await?;
        }
        let found = self.driver.execute_async(CHECK, Vec::new()).await?;
        assert_eq!(found.json(), &json!([]), "{path}");
        Ok(())
    }

    /// Asserts that the page is sound in each look.
    pub(crate) async fn is_sound_in_each_look(&self) -> WebDriverResult<()> {
        for look in LOOKS {
            self.look(look).await?;
            self.is_sound().await?;
        }
        Ok(())
    }

    /// Saves a picture of the page.
    pub(crate) async fn picture(&self, name: &str) -> WebDriverResult<()> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/screenshots");
        std::fs::create_dir_all(&folder).unwrap();
        self.driver.screenshot(&folder.join(format!("{name}.png"))).await
    }
}

const FACTS: &str = "return {
    loaded: performance.getEntriesByType('resource').map((entry) => entry.name),
    isTooWide: document.documentElement.scrollWidth > window.innerWidth,
    hasChecker: 'axe' in window,
};";

/// Returns what is serious, with the first element of each finding.
const CHECK: &str = "const done = arguments[0];
axe.run().then(({violations}) => done(violations
    .filter(({impact}) => ['serious', 'critical'].includes(impact))
    .map(({id, nodes}) => `${id}: ${nodes[0].html} ${nodes[0].failureSummary}`)));";
