//! What every test stands on: a home folder of its own, and an AWS that gives prepared answers.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::ledger::Table;
use crate::schemas;

/// How long any command may take here.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// What came of a command.
#[derive(Debug)]
pub(crate) struct Answer {
    arguments: Vec<String>,
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Answer {
    /// The one JSON value that stdout is, as the command's schema has it.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        let value = serde_json::from_str(&self.stdout);
        let value = value.unwrap_or_else(|error| panic!("{error}: {self:?}"));
        if let Some(complaint) = schemas::complaint(&self.arguments, &value) {
            panic!("{complaint}: {self:?}");
        }
        value
    }

    /// This answer, if the command ended with that code.
    #[track_caller]
    pub(crate) fn ended_with(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:?}");
        self
    }

    /// That stdout is a failure with this code, which stderr tells in the same words.
    #[track_caller]
    pub(crate) fn is_json_failure(&self, code: &str) {
        let error = &self.json()["error"];
        assert_eq!(error["code"], code, "{self:?}");
        let message = error["message"].as_str().unwrap();
        assert!(self.stderr.contains(message), "{self:?}");
        if let Some(what_to_do) = error["what_to_do"].as_str() {
            let told = format!("what to do: {what_to_do}");
            assert!(self.stderr.contains(&told), "{self:?}");
        }
    }
}

/// A command that runs.
pub(crate) struct Running {
    arguments: Vec<String>,
    child: Child,
    // A folder of its own for each: several may run at once.
    output: TempDir,
}

impl Running {
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn stderr(&self) -> String {
        std::fs::read_to_string(self.output.path().join("stderr")).unwrap()
    }

    pub(crate) fn stdout(&self) -> String {
        std::fs::read_to_string(self.output.path().join("stdout")).unwrap()
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: &str) {
        let pid = self.pid().to_string();
        let sent = Command::new("kill").args([signal, &pid]).status().unwrap();
        assert!(sent.success());
    }

    /// Its answer once it has ended.
    #[track_caller]
    pub(crate) fn answer(mut self) -> Answer {
        let ends = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            if Instant::now() >= ends {
                self.child.kill().unwrap();
                self.child.wait().unwrap();
                panic!("it took longer than {PATIENCE:?}: {}", self.stderr());
            }
            std::thread::sleep(Duration::from_millis(20));
        };
        let stdout = std::fs::read_to_string(self.output.path().join("stdout")).unwrap();
        let stderr = self.stderr();
        Answer {
            arguments: self.arguments,
            code: status.code(),
            stdout,
            stderr,
        }
    }
}

/// A home folder of its own, in which the command is started with nothing else of this environment.
pub(crate) struct Home(TempDir);

impl Home {
    pub(crate) fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Answer {
        self.run_with(arguments, &[])
    }

    #[track_caller]
    pub(crate) fn run_with(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Answer {
        self.start(arguments, variables).answer()
    }

    /// Runs a command whose stdout nobody reads.
    #[track_caller]
    pub(crate) fn run_unread(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Answer {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        self.start_with(arguments, variables, Some(writer.into()))
            .answer()
    }

    /// Starts a command without waiting for its end.
    pub(crate) fn start(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Running {
        self.start_with(arguments, variables, None)
    }

    /// Stdout goes to a file unless something else is given.
    fn start_with(
        &self,
        arguments: &[&str],
        variables: &[(&str, &str)],
        stdout: Option<Stdio>,
    ) -> Running {
        let output = TempDir::new_in(self.path()).unwrap();
        let file = |name| File::create(output.path().join(name)).unwrap();
        let stdout_file = file("stdout");
        let child = Command::new(env!("CARGO_BIN_EXE_pmp-sync"))
            .args(arguments)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.path())
            // What is expected depends neither on this machine's time zone nor on the present.
            .env("PMP_SYNC_UTC", "true")
            // Should it look for credentials after all, then not on the network.
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .envs(variables.iter().copied())
            .current_dir(self.path())
            .stdin(Stdio::null())
            .stdout(stdout.unwrap_or_else(|| stdout_file.into()))
            .stderr(file("stderr"))
            .spawn()
            .unwrap();
        let arguments = arguments.iter().map(|&argument| argument.to_owned());
        Running {
            arguments: arguments.collect(),
            child,
            output,
        }
    }
}

/// Waits until something holds.
#[track_caller]
pub(crate) fn until(what: &str, holds: impl Fn() -> bool) {
    let ends = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < ends, "{what}: not within {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// An answer in which the name of no product is known.
pub(crate) fn unnamed(answer: &Value) -> Value {
    let mut answer = answer.clone();
    answer["names"] = json!({});
    answer
}

/// A valid configuration file.
pub(crate) fn fixture() -> String {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../shared/domain/fixtures/config-1.toml"
    );
    path.to_owned()
}

pub(crate) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// An endpoint where nobody listens.
pub(crate) fn closed_endpoint() -> String {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", socket.local_addr().unwrap())
}

/// A call that `FakeAws` was sent.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    /// The request line.
    pub(crate) request: String,
    /// What is asked for, where a header says so: `DynamoDB_20120810.GetItem`.
    pub(crate) target: String,
    pub(crate) body: Value,
    /// The body of a call that is not JSON.
    pub(crate) text: String,
}

/// Who STS says that the credentials belong to.
pub(crate) const PRINCIPAL: &str = "arn:aws:sts::111111111111:assumed-role/Operator/alice";

/// What comes of an event on the bus: its detail-type and detail, and the ledger.
type Serve = dyn Fn(&str, &Value, &mut Table) + Send + Sync;

/// What the producer answers.
type Answers = dyn Fn(&Value) -> Value + Send + Sync;

/// What CloudTrail answers if it may not be asked.
const NOT_ALLOWED: &str = r#"{"message":"not allowed"}"#;

/// What the Discovery API answers for what it does not have.
const NOT_LISTED: &str = r#"{"message":"no such thing"}"#;

/// What a search of the Discovery API looks through: products that no list has, with their names.
const OFFERED: [(&str, &str); 4] = [
    ("prod-palmyra4", "Writer Palmyra X4"),
    ("prod-palmyra5", "Writer Palmyra X5"),
    ("prod-stability", "Stability AI SD 3.5 Large"),
    ("prod-commandr", "Cohere Command R"),
];

/// The listings whose names have all words of a text, as the service finds them.
fn found(text: &str) -> Value {
    let text = text.to_lowercase();
    let words: Vec<_> = text.split_whitespace().collect();
    let has = |name: &str| words.iter().all(|word| name.to_lowercase().contains(word));
    let found = OFFERED.iter().filter(|(_, name)| has(name));
    let listings: Vec<_> = found
        .map(|(id, name)| {
            let product = json!({ "productId": id, "productName": name });
            json!({ "listingId": format!("prodview-{id}"), "associatedEntities": [{ "product": product }] })
        })
        .collect();
    json!({ "totalResults": listings.len(), "listingSummaries": listings })
}

/// The Discovery API has a few products that are on no list, and one page.
fn discovery(call: &Call) -> Value {
    if let Some(text) = call.body["searchText"].as_str() {
        return found(text);
    }
    let product = json!({ "productId": "prod-listed", "productName": "Listed Elsewhere" });
    let listing = call.body["listingId"].as_str();
    let id = call.body["productId"].as_str();
    if listing == Some("prodview-elsewhere") {
        json!({ "listingId": listing, "associatedEntities": [{ "product": product }] })
    } else if id == Some("prod-listed") {
        product
    } else if let Some((id, name)) = OFFERED.iter().find(|(offered, _)| id == Some(offered)) {
        json!({ "productId": id, "productName": name })
    } else {
        serde_json::from_str(NOT_LISTED).unwrap()
    }
}

/// A ledger, a bus, STS, the Discovery API and a producer.
pub(crate) struct FakeAws {
    endpoint: String,
    inside: Arc<Inside>,
}

/// The catalog: the type and the details of an entity by its id. There is none of the type "".
type Entity = fn(&str) -> (&'static str, Value);
/// The catalog: the ids and names of the entities of a type.
type Entities = fn(&str) -> Vec<(String, String)>;

/// What is shared with the threads that answer.
struct Inside {
    calls: Mutex<Vec<Call>>,
    table: Mutex<Table>,
    /// The producer's answer to what it is sent, and how long it takes.
    plan: (Box<Answers>, Duration),
    serve: Box<Serve>,
    catalog: Mutex<Option<(Entity, Entities)>>,
    /// What CloudTrail answers.
    trail: Mutex<String>,
}

impl Inside {
    /// What the catalog answers, if there is one and it is asked.
    fn catalog(&self, call: &Call) -> Option<Value> {
        let (entity, entities) = (*self.catalog.lock().unwrap())?;
        if call.request.contains("/ListEntities") {
            let found = entities(call.body["EntityType"].as_str().unwrap());
            let named = |(id, name): &(String, String)| json!({ "EntityId": id, "Name": name });
            let found = found.iter().map(named);
            return Some(json!({ "EntitySummaryList": found.collect::<Vec<_>>() }));
        }
        let (_, id) = call.request.split_once("entityId=")?;
        let id = id.split(['&', ' ']).next()?;
        let (kind, details) = entity(id);
        if kind.is_empty() {
            return Some(serde_json::from_str(NOT_LISTED).unwrap());
        }
        Some(json!({ "EntityType": kind, "EntityIdentifier": id, "Details": details.to_string() }))
    }

    fn answer(&self, call: &Call) -> String {
        if let Some(answer) = self.catalog(call) {
            return answer.to_string();
        }
        if call.request.contains("/invocations") {
            std::thread::sleep(self.plan.1);
            return (self.plan.0)(&call.body).to_string();
        }
        if call.text.contains("Action=GetCallerIdentity") {
            return format!(
                "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><GetCallerIdentityResult><Arn>{PRINCIPAL}</Arn><UserId>A</UserId><Account>111111111111</Account></GetCallerIdentityResult></GetCallerIdentityResponse>"
            );
        }
        if call.request.contains("/2026-02-05/") {
            return discovery(call).to_string();
        }
        if call.target.ends_with("LookupEvents") {
            return self.trail.lock().unwrap().clone();
        }
        let mut table = self.table.lock().unwrap();
        let answer = match call.target.rsplit('.').next().unwrap_or_default() {
            "GetItem" => table.get(&call.body),
            "Query" => table.query(&call.body),
            "BatchGetItem" => table.batch_get(&call.body),
            "PutEvents" => {
                for entry in call.body["Entries"].as_array().unwrap() {
                    let detail = entry["Detail"].as_str().unwrap();
                    let detail = serde_json::from_str(detail).unwrap();
                    (self.serve)(entry["DetailType"].as_str().unwrap(), &detail, &mut table);
                }
                json!({ "FailedEntryCount": 0, "Entries": [{ "EventId": "e-1" }] })
            }
            _ => json!({}),
        };
        answer.to_string()
    }
}

impl FakeAws {
    /// The producer gives this answer after a time.
    pub(crate) fn start(config: &str, plan: &Value, after: Duration) -> Self {
        let plan = plan.clone();
        let answers: Box<Answers> = Box::new(move |_| plan.clone());
        let table = Table::with_config(config);
        Self::new(table, (answers, after), Box::new(|_, _, _| {}))
    }

    /// One with this ledger, whose producer gives this answer.
    pub(crate) fn answering(table: Table, answer: &Value) -> Self {
        let answer = answer.clone();
        Self::planning(table, move |_| answer.clone())
    }

    /// One with this ledger, whose producer answers what it is sent.
    pub(crate) fn planning(
        table: Table,
        answers: impl Fn(&Value) -> Value + Send + Sync + 'static,
    ) -> Self {
        let answers: Box<Answers> = Box::new(answers);
        Self::new(table, (answers, Duration::ZERO), Box::new(|_, _, _| {}))
    }

    /// One whose producer is not asked.
    pub(crate) fn with_config(config: &str) -> Self {
        Self::start(config, &Value::Null, Duration::ZERO)
    }

    /// One with this ledger, in which something comes of each event on the bus.
    pub(crate) fn serving(
        table: Table,
        serve: impl Fn(&str, &Value, &mut Table) + Send + Sync + 'static,
    ) -> Self {
        let answers: Box<Answers> = Box::new(|_| Value::Null);
        Self::new(table, (answers, Duration::ZERO), Box::new(serve))
    }

    /// One with this ledger, in which nothing comes of an event.
    pub(crate) fn with_table(table: Table) -> Self {
        Self::serving(table, |_, _, _| {})
    }

    fn new(table: Table, plan: (Box<Answers>, Duration), serve: Box<Serve>) -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", socket.local_addr().unwrap());
        let inside = Arc::new(Inside {
            calls: Mutex::default(),
            table: Mutex::new(table),
            plan,
            serve,
            catalog: Mutex::default(),
            trail: Mutex::new("{}".to_owned()),
        });
        let shared = inside.clone();
        // It ends with the test's process.
        std::thread::spawn(move || {
            for stream in socket.incoming().flatten() {
                let inside = shared.clone();
                std::thread::spawn(move || {
                    let mut stream = stream;
                    let Some(call) = read_call(&stream) else {
                        return;
                    };
                    inside.calls.lock().unwrap().push(call.clone());
                    let answer = inside.answer(&call);
                    let status = match answer.as_str() {
                        NOT_LISTED => {
                            "404 Not Found\r\nx-amzn-errortype: ResourceNotFoundException"
                        }
                        NOT_ALLOWED => "400 Bad Request\r\nx-amzn-errortype: AccessDeniedException",
                        _ => "200 OK",
                    };
                    // The command may have given up.
                    let _ = write!(
                        stream,
                        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{answer}",
                        answer.len()
                    );
                });
            }
        });
        Self { endpoint, inside }
    }

    /// One with entities in the catalog.
    pub(crate) fn with_catalog(self, entity: Entity, entities: Entities) -> Self {
        *self.inside.catalog.lock().unwrap() = Some((entity, entities));
        self
    }

    /// One whose CloudTrail has these events, or may not be asked.
    pub(crate) fn with_trail(self, events: Option<&[Value]>) -> Self {
        let answer = events.map(|events| {
            let events = events.iter();
            let events = events.map(|event| json!({ "CloudTrailEvent": event.to_string() }));
            json!({ "Events": events.collect::<Vec<_>>() }).to_string()
        });
        *self.inside.trail.lock().unwrap() = answer.unwrap_or_else(|| NOT_ALLOWED.to_owned());
        self
    }

    /// Changes the ledger meanwhile.
    pub(crate) fn change(&self, change: impl FnOnce(&mut Table)) {
        change(&mut self.inside.table.lock().unwrap());
    }

    /// The items that were put into the ledger.
    pub(crate) fn items(&self) -> Vec<Value> {
        let calls = self.inside.calls.lock().unwrap();
        let put = calls.iter().filter(|call| call.target.ends_with("PutItem"));
        put.map(|call| call.body["Item"].clone()).collect()
    }

    pub(crate) fn run(&self, home: &Home, arguments: &[&str]) -> Answer {
        home.run_with(arguments, &self.variables())
    }

    pub(crate) fn variables(&self) -> [(&str, &str); 3] {
        [
            ("AWS_ENDPOINT_URL", &self.endpoint),
            ("AWS_ACCESS_KEY_ID", "111111111111"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
        ]
    }

    /// What the producer was sent.
    pub(crate) fn sent(&self) -> Vec<Value> {
        let calls = self.inside.calls.lock().unwrap();
        let invoked = calls
            .iter()
            .filter(|call| call.request.contains("/invocations"));
        invoked.map(|call| call.body.clone()).collect()
    }

    /// How often the producer was invoked.
    pub(crate) fn invocations(&self) -> usize {
        let calls = self.inside.calls.lock().unwrap();
        let invoked = |call: &&Call| call.request.contains("/invocations");
        calls.iter().filter(invoked).count()
    }

    /// How often the suspensions were read, which `status` does at the end of each look.
    pub(crate) fn looks(&self) -> usize {
        let calls = self.inside.calls.lock().unwrap();
        let asked = |call: &&Call| call.body["Key"]["sk"]["S"] == "suspensions";
        calls.iter().filter(asked).count()
    }

    /// What was written to the ledger in transactions.
    pub(crate) fn written(&self) -> Vec<Value> {
        let calls = self.inside.calls.lock().unwrap();
        let written = calls
            .iter()
            .filter(|call| call.target.ends_with("TransactWriteItems"));
        written.map(|call| call.body.clone()).collect()
    }

    /// The items that were put into the ledger one by one.
    pub(crate) fn put(&self) -> Vec<Value> {
        let calls = self.inside.calls.lock().unwrap();
        let put = calls.iter().filter(|call| call.target.ends_with("PutItem"));
        put.map(|call| call.body["Item"].clone()).collect()
    }

    /// The products that the Discovery API was asked for, one by one.
    pub(crate) fn looked_up(&self) -> Vec<String> {
        let calls = self.inside.calls.lock().unwrap();
        let asked = calls
            .iter()
            .filter(|call| call.request.contains("/2026-02-05/"));
        let ids = asked.filter_map(|call| call.body["productId"].as_str().map(str::to_owned));
        ids.collect()
    }

    /// The events that were put on the bus: detail-type and detail.
    pub(crate) fn events(&self) -> Vec<(String, Value)> {
        let calls = self.inside.calls.lock().unwrap();
        let put = calls
            .iter()
            .filter(|call| call.target.ends_with("PutEvents"));
        let entries = put.flat_map(|call| call.body["Entries"].as_array().unwrap().clone());
        let event = |entry: Value| {
            let detail = serde_json::from_str(entry["Detail"].as_str().unwrap()).unwrap();
            (entry["DetailType"].as_str().unwrap().to_owned(), detail)
        };
        entries.map(event).collect()
    }
}

fn read_call(stream: &TcpStream) -> Option<Call> {
    let mut reader = BufReader::new(stream);
    let mut request = String::new();
    reader.read_line(&mut request).ok()?;
    let (mut length, mut target) = (0, String::new());
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let line = line.trim_end();
        let Some((name, value)) = line.split_once(':') else {
            break;
        };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.trim().parse().ok()?,
            "x-amz-target" => value.trim().clone_into(&mut target),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Call {
        request,
        target,
        body: serde_json::from_slice(&body).unwrap_or_default(),
        text: String::from_utf8_lossy(&body).into_owned(),
    })
}
