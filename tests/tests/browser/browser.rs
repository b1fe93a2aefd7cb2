//! Chromium, and what the tests do with it.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use fantoccini::actions::{InputSource as _, KeyAction, KeyActions};
use fantoccini::elements::Element;
use fantoccini::key::Key;
use fantoccini::wd::{TimeoutConfiguration, WebDriverCompatibleCommand};
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use pmp_sync_report::{Model, render};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

/// How long anything may take until it is seen.
const PATIENCE: Duration = Duration::from_secs(10);

/// A page of the report in a browser of its own.
#[derive(Clone)]
pub(crate) struct Page {
    client: Client,
}

/// The driver, which is ended with the test.
struct Driver {
    process: Child,
    port: u16,
}

impl Driver {
    /// Another driver that starts at the same moment may take the port that this one has found.
    fn start() -> Self {
        let mut started = (0..5).filter_map(|_| Self::try_start());
        started.next().expect("chromedriver tells its port")
    }

    fn try_start() -> Option<Self> {
        let mut process = Command::new("chromedriver")
            .arg("--port=0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver is there: on Debian, apt-get install chromium chromium-driver");
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let port = lines.by_ref().map_while(Result::ok).find_map(|line| {
            let (_, port) = line.split_once("started successfully on port ")?;
            port.trim_end_matches('.').parse().ok()
        });
        let Some(port) = port else {
            let _ = process.kill();
            let _ = process.wait();
            return None;
        };
        // Else it would stand still once nobody takes what it says.
        std::thread::spawn(move || lines.for_each(drop));
        Some(Self { process, port })
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A command of chromedriver: what the browser has logged.
#[derive(Debug)]
struct Log(&'static str);

impl WebDriverCompatibleCommand for Log {
    fn endpoint(
        &self,
        base: &url::Url,
        session: Option<&str>,
    ) -> Result<url::Url, url::ParseError> {
        base.join(&format!("session/{}/se/log", session.unwrap_or_default()))
    }

    fn method_and_body(&self, _: &url::Url) -> (http::Method, Option<String>) {
        let body = json!({ "type": self.0 }).to_string();
        (http::Method::POST, Some(body))
    }
}

/// A command of the browser's own protocol.
#[derive(Debug)]
struct DevTools(&'static str, Value);

impl WebDriverCompatibleCommand for DevTools {
    fn endpoint(
        &self,
        base: &url::Url,
        session: Option<&str>,
    ) -> Result<url::Url, url::ParseError> {
        let session = session.unwrap_or_default();
        base.join(&format!("session/{session}/goog/cdp/execute"))
    }

    fn method_and_body(&self, _: &url::Url) -> (http::Method, Option<String>) {
        let body = json!({ "cmd": self.0, "params": self.1 }).to_string();
        (http::Method::POST, Some(body))
    }
}

/// Shows the report of a model to `test`, and looks that nothing went wrong in the browser meanwhile: no error
/// and no request but for the page itself.
pub(crate) fn with_report<F>(model: &Model, test: impl FnOnce(Page) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    with_page(&render(model), test);
}

/// The same with a page that is made already.
pub(crate) fn with_page<F>(page: &str, test: impl FnOnce(Page) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    show(
        page,
        "document.documentElement.dataset.usable === 'true'",
        true,
        test,
    );
}

/// The same where a policy forbids scripts, as a mail program or a web server may.
pub(crate) fn with_scripts_forbidden<F>(model: &Model, test: impl FnOnce(Page) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let page = render(model).replace("script-src 'sha256-", "script-src 'sha256-no");
    // The browser says that it has refused the script.
    show(&page, "document.readyState === 'complete'", false, test);
}

/// `ready` tells when the page is there, and `silent` whether the browser must have nothing to say about it.
fn show<F>(page: &str, ready: &'static str, silent: bool, test: impl FnOnce(Page) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("report.html");
    std::fs::write(&file, page).unwrap();
    let driver = Driver::start();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let outcome = runtime.block_on(async {
        let client = connect(driver.port, &folder).await;
        let page = Page {
            client: client.clone(),
        };
        let address = url::Url::from_file_path(&file).unwrap();
        let begin = async {
            // The rules of accessibility take their time on a busy machine.
            let patience = TimeoutConfiguration::new(Some(Duration::from_mins(4)), None, None);
            page.client.update_timeouts(patience).await.unwrap();
            page.client.goto(address.as_str()).await.unwrap();
            page.until("ready", ready).await;
        };
        begin.await;
        // By itself, so that the browser is closed whatever comes of it.
        let outcome = tokio::spawn(test(page.clone())).await;
        let told = match &outcome {
            Ok(()) => Some(page.logged().await),
            Err(_) => None,
        };
        client.close().await.unwrap();
        if let Some((errors, requests)) = told {
            assert!(errors.is_empty() || !silent, "{errors:#?}");
            let elsewhere =
                |address: &&String| !(address.starts_with("file:") || address.starts_with("data:"));
            let elsewhere: Vec<_> = requests.iter().filter(elsewhere).collect();
            assert!(elsewhere.is_empty(), "{elsewhere:?}");
            assert!(
                !requests.is_empty(),
                "no request is seen, not even the page's"
            );
        }
        outcome
    });
    if let Err(error) = outcome {
        std::panic::resume_unwind(error.into_panic());
    }
}

async fn connect(port: u16, folder: &TempDir) -> Client {
    let profile = folder.path().join("profile");
    let options = json!({
        "goog:chromeOptions": { "args": [
            "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--disable-sync",
            "--disable-dev-shm-usage", "--force-prefers-reduced-motion", "--window-size=1440,900",
            format!("--user-data-dir={}", profile.display()),
        ] },
        "goog:loggingPrefs": { "browser": "ALL", "performance": "ALL" },
    });
    let Value::Object(capabilities) = options else {
        unreachable!()
    };
    ClientBuilder::new(HttpConnector::new())
        .capabilities(capabilities)
        .connect(&format!("http://127.0.0.1:{port}"))
        .await
        .expect("Chromium starts: on Debian, apt-get install chromium chromium-driver")
}

impl Page {
    /// The value of a script's expression.
    pub(crate) async fn value(&self, expression: &str) -> Value {
        let script = format!("return {expression}");
        self.client.execute(&script, Vec::new()).await.unwrap()
    }

    pub(crate) async fn text(&self, expression: &str) -> String {
        let value = self.value(expression).await;
        value
            .as_str()
            .unwrap_or_else(|| panic!("{expression}: {value}"))
            .to_owned()
    }

    /// Waits until the expression is true.
    pub(crate) async fn until(&self, what: &str, expression: &str) {
        let ends = Instant::now() + PATIENCE;
        while self.value(expression).await != json!(true) {
            assert!(
                Instant::now() < ends,
                "it is never so: {what}: {expression}"
            );
            sleep(Duration::from_millis(20)).await;
        }
    }

    pub(crate) async fn find(&self, selector: &str) -> Element {
        let found = self.client.find(Locator::Css(selector)).await;
        found.unwrap_or_else(|error| panic!("{selector}: {error}"))
    }

    pub(crate) async fn click(&self, selector: &str) {
        let clicked = self.find(selector).await.click().await;
        clicked.unwrap_or_else(|error| panic!("{selector}: {error}"));
    }

    pub(crate) async fn type_into(&self, selector: &str, text: &str) {
        self.find(selector).await.send_keys(text).await.unwrap();
    }

    pub(crate) async fn choose(&self, selector: &str, value: &str) {
        let select = self.find(selector).await;
        select.select_by_value(value).await.unwrap();
    }

    /// Presses keys, one after the other, wherever the focus is.
    pub(crate) async fn press(&self, keys: &[Key]) {
        let mut actions = KeyActions::new("keyboard".to_owned());
        for key in keys {
            let value = char::from(*key);
            actions = actions
                .then(KeyAction::Down { value })
                .then(KeyAction::Up { value });
        }
        self.client.perform_actions(actions).await.unwrap();
    }

    pub(crate) async fn resize(&self, width: u32, height: u32) {
        self.client.set_window_size(width, height).await.unwrap();
    }

    pub(crate) async fn refresh(&self) {
        self.client.refresh().await.unwrap();
        self.until(
            "usable",
            "document.documentElement.dataset.usable === 'true'",
        )
        .await;
    }

    /// Runs a script that calls back with its value.
    pub(crate) async fn called_back(&self, script: &str) -> Value {
        let done = self.client.execute_async(script, Vec::new()).await;
        done.unwrap_or_else(|error| panic!("{error}"))
    }

    /// Runs a script as it is.
    pub(crate) async fn run(&self, script: &str) {
        self.client.execute(script, Vec::new()).await.unwrap();
    }

    /// Shows the page as on paper, or with the colours of the system alone: `media` is a type or empty.
    pub(crate) async fn emulate(&self, media: &str, forced_colours: bool) {
        let forced = if forced_colours { "active" } else { "none" };
        let features = json!([{ "name": "forced-colors", "value": forced }]);
        let parameters = json!({ "media": media, "features": features });
        let command = DevTools("Emulation.setEmulatedMedia", parameters);
        self.client.issue_cmd(command).await.unwrap();
    }

    /// A picture of the whole page at this width.
    pub(crate) async fn whole_picture(&self, name: &str, width: u32) {
        if std::env::var_os("PMP_SYNC_SCREENSHOTS").is_none() {
            return;
        }
        // Twice: in a higher window the matrix is higher, too.
        for _ in 0..2 {
            let height = self.value("document.documentElement.scrollHeight").await;
            let height = u32::try_from(height.as_u64().unwrap()).unwrap();
            self.resize(width, height.min(12_000) + 150).await;
        }
        self.value("scrollTo(0, 0)").await;
        self.picture(name).await;
        self.resize(width, 900).await;
    }

    /// A picture for whoever asks for them.
    pub(crate) async fn picture(&self, name: &str) {
        let Some(folder) = std::env::var_os("PMP_SYNC_SCREENSHOTS") else {
            return;
        };
        self.until(
            "at rest",
            "document.getAnimations().every(animation => animation.playState !== 'running')",
        )
        .await;
        let picture = self.client.screenshot().await.unwrap();
        std::fs::write(PathBuf::from(folder).join(name), picture).unwrap();
    }

    /// The errors in the console, and the addresses that were asked for.
    async fn logged(&self) -> (Vec<Value>, Vec<String>) {
        let errors = self.client.issue_cmd(Log("browser")).await.unwrap();
        let network = self.client.issue_cmd(Log("performance")).await.unwrap();
        let requests = network.as_array().unwrap().iter().filter_map(|entry| {
            let message: Value = serde_json::from_str(entry["message"].as_str()?).ok()?;
            let message = &message["message"];
            // Not what the browser's own first page asks for.
            let of_page = message["params"]["documentURL"]
                .as_str()?
                .starts_with("file:");
            let is_request = message["method"] == "Network.requestWillBeSent" && of_page;
            let address = message["params"]["request"]["url"].as_str()?;
            is_request.then(|| address.to_owned())
        });
        (errors.as_array().unwrap().clone(), requests.collect())
    }
}
