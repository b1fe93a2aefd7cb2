//! The proxy between the Lambdas and what they call.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that finds something wrong is to panic"
)]

use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::Method;
use axum::routing::any;
use pmp_sync_deploy::progress::Progress;
use pmp_sync_local::embedded::{Catalog, Embedded, Options};
use pmp_sync_local::marketplace::Settings;
use pmp_sync_local::proxy::{Fate, Filter, Moment, Proxy, Times};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;

/// How long anything may take that is expected.
const PATIENCE: Duration = Duration::from_secs(20);

/// An upstream that counts what it was asked, and a proxy before it.
struct World {
    proxy: Proxy,
    effects: Arc<AtomicUsize>,
}

impl World {
    async fn new() -> Self {
        let effects = Arc::new(AtomicUsize::new(0));
        let answer = |State(effects): State<Arc<AtomicUsize>>, method: Method, body: Bytes| async move {
            effects.fetch_add(1, Ordering::SeqCst);
            if method == Method::GET {
                // Without a length known beforehand: it is chunked.
                let pieces = ["one", "two"].map(Ok::<_, std::io::Error>);
                return Body::from_stream(futures::stream::iter(pieces));
            }
            Body::from(format!("{} bytes", body.len()))
        };
        let app = Router::new()
            .fallback(any(answer))
            .with_state(Arc::clone(&effects));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, app).await });
        let proxy = Proxy::start(address).await.unwrap();
        Self { proxy, effects }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(address(&self.proxy)).await.unwrap()
    }

    fn effects(&self) -> usize {
        self.effects.load(Ordering::SeqCst)
    }

    fn fates(&self) -> Vec<Fate> {
        self.proxy.log().iter().map(|seen| seen.fate).collect()
    }

    /// Runs a process that makes three calls, one after the other. Returns how it ended.
    async fn child(&self, name: &str) -> std::process::ExitStatus {
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "a_child_that_makes_three_calls", "--ignored"])
            .env("PROXY_OF_CHILD", address(&self.proxy).to_string())
            .env("NAME_OF_CHILD", name)
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .status();
        tokio::time::timeout(PATIENCE, child)
            .await
            .unwrap()
            .unwrap()
    }
}

fn address(proxy: &Proxy) -> SocketAddr {
    proxy.endpoint().replace("http://", "").parse().unwrap()
}

fn post(path: &str, target: &str, body: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: x\r\nX-Amz-Target: {target}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// Sends a request and reads its answer to the end that its text has. What came before the
/// connection ended, if it ended first.
async fn ask(stream: &mut TcpStream, request: &str, end: &str) -> Result<String, String> {
    let talk = async {
        let mut answer = Vec::new();
        let _ = stream.write_all(request.as_bytes()).await;
        loop {
            let text = String::from_utf8_lossy(&answer).into_owned();
            if text.ends_with(end) {
                return Ok(text);
            }
            if stream.read_buf(&mut answer).await.unwrap_or(0) == 0 {
                return Err(text);
            }
        }
    };
    tokio::time::timeout(PATIENCE, talk).await.unwrap()
}

/// What an upstream that is written out receives of a request, and the caller of its answer.
async fn exchange(request: &[u8], received: usize, answer: &[u8], end: &str) -> (Vec<u8>, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = Proxy::start(listener.local_addr().unwrap()).await.unwrap();
    let mut caller = TcpStream::connect(address(&proxy)).await.unwrap();
    caller.write_all(request).await.unwrap();
    let upstream = async {
        let (mut upstream, _) = listener.accept().await.unwrap();
        let mut bytes = vec![0; received];
        upstream.read_exact(&mut bytes).await.unwrap();
        upstream.write_all(answer).await.unwrap();
        if answer.starts_with(b"HTTP/1.0") {
            upstream.shutdown().await.unwrap();
        }
        (bytes, upstream)
    };
    let ((bytes, _open), answer) = tokio::join!(upstream, ask(&mut caller, "", end));
    (bytes, answer.unwrap_or_else(|text| text))
}

/// Everything that a signature covers, and how it is written.
#[tokio::test]
async fn bytes_pass_unchanged_in_both_directions() {
    let request = b"POST /a?b=%20c&d=%2f&E HTTP/1.1\r\nhOsT: signed.example:1\r\nAuthorization: AWS4-HMAC-SHA256 x\r\nx-amz-Odd: a  b\r\nTransfer-Encoding: chunked\r\nTrailer: t\r\n\r\n2\r\n\x00\xff\r\n0\r\nt: 1\r\n\r\n";
    let answer = b"HTTP/1.1 200 Odd  reason\r\ncontent-LENGTH: 3\r\nX-Odd: \xff\r\n\r\n\x00\r\n";
    let (received, answered) = exchange(request, request.len(), answer, "\0\r\n").await;
    assert_eq!(
        String::from_utf8_lossy(&received),
        String::from_utf8_lossy(request)
    );
    assert_eq!(answered, String::from_utf8_lossy(answer));
}

#[tokio::test]
async fn chunks_are_handed_on_with_their_sizes_and_trailers() {
    let head = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTrailer: t\r\n\r\n";
    let request = format!("{head}1\r\na\r\n1\r\nb\r\n0\r\nt: v\r\n\r\n");
    // In one piece or in several: what is in them counts.
    let expected = format!("{head}2\r\nab\r\n0\r\nt: v\r\n\r\n");
    let answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n0\r\n\r\n";
    let (received, answered) =
        exchange(request.as_bytes(), expected.len(), answer, "0\r\n\r\n").await;
    assert_eq!(String::from_utf8_lossy(&received), expected);
    assert_eq!(answered, String::from_utf8_lossy(answer));
}

#[tokio::test]
async fn a_body_with_a_length_ends_there_and_the_next_request_begins() {
    let world = World::new().await;
    let mut stream = world.connect().await;
    let text = "POST / HTTP/1.1\r\nX-Amz-Target: A.b\r\ncontent-length: 3\r\n\r\nabcGET / HTTP/1.1\r\n\r\n";
    let answers = ask(&mut stream, text, "0\r\n\r\n").await.unwrap();
    assert!(answers.contains("3 bytes"), "{answers}");
    let log = world.proxy.log();
    assert_eq!(log[0].target.as_deref(), Some("A.b"));
    assert_eq!(log[1].request, "GET / HTTP/1.1");
}

#[tokio::test]
async fn answers_without_a_body_have_none_whatever_their_headers_say() {
    for (method, status, body) in [
        ("HEAD", "200 OK", ""),
        ("GET", "204 No Content", ""),
        ("GET", "304 Not Modified", ""),
        ("GET", "200 OK", "7 bytes"),
    ] {
        let request = format!("{method} / HTTP/1.1\r\nHost: x\r\n\r\n");
        let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 7\r\n\r\n{body}");
        let end = format!("\r\n\r\n{body}");
        let (received, answered) =
            exchange(request.as_bytes(), request.len(), answer.as_bytes(), &end).await;
        assert_eq!(String::from_utf8_lossy(&received), request);
        if status == "200 OK" {
            assert_eq!(answered, answer);
        }
        assert!(
            answered.starts_with(&format!("HTTP/1.1 {status}\r\n")),
            "{answered}"
        );
    }
    // One whose length nobody tells ends with the connection.
    let request = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n";
    let answer = b"HTTP/1.0 200 OK\r\n\r\nuntil the end";
    let (_, answered) = exchange(request, request.len(), answer, "until the end").await;
    assert!(answered.ends_with("until the end"), "{answered}");
}

#[tokio::test]
async fn calls_on_one_connection_are_told_apart_and_their_caller_is_known() {
    let world = World::new().await;
    let mut stream = world.connect().await;
    let first = ask(&mut stream, &post("/a", "A.One", "abc"), "3 bytes").await;
    first.unwrap();
    let second = ask(
        &mut stream,
        "GET /b HTTP/1.1\r\nHost: x\r\n\r\n",
        "0\r\n\r\n",
    )
    .await;
    assert!(second.unwrap().contains("one"));
    // Two at once.
    let both = post("/c", "A.Three", "") + &post("/d", "A.Four", "d");
    ask(&mut stream, &both, "1 bytes").await.unwrap();

    let log = world.proxy.log();
    let lines: Vec<_> = log.iter().map(|seen| &*seen.request).collect();
    assert_eq!(
        lines,
        [
            "POST /a HTTP/1.1",
            "GET /b HTTP/1.1",
            "POST /c HTTP/1.1",
            "POST /d HTTP/1.1"
        ]
    );
    let targets: Vec<_> = log.iter().map(|seen| seen.target.as_deref()).collect();
    assert_eq!(
        targets,
        [Some("A.One"), None, Some("A.Three"), Some("A.Four")]
    );
    let own = std::env::current_exe().unwrap();
    for seen in &log {
        assert_eq!(seen.fate, Fate::Forwarded);
        assert_eq!(seen.status, Some(200));
        assert_eq!(seen.pid, Some(std::process::id()));
        assert_eq!(seen.program.as_deref(), own.to_str());
    }
    assert_eq!((world.proxy.count(), world.effects()), (4, 4));
}

#[tokio::test]
async fn a_caller_that_waits_for_a_word_before_the_body_gets_it() {
    let world = World::new().await;
    world
        .proxy
        .rules(|rules| rules.cut(Filter::any().body("never"), Times::Always));
    let mut stream = world.connect().await;
    let head = "POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n";
    ask(&mut stream, head, "100 Continue\r\n\r\n")
        .await
        .unwrap();
    ask(&mut stream, "ab", "2 bytes").await.unwrap();
}

#[tokio::test]
async fn a_call_that_is_cut_does_not_reach_the_upstream() {
    let world = World::new().await;
    let filter = Filter::any().target("A.Two").body("needle");
    let rule = world.proxy.rules(|rules| rules.cut(filter, Times::Next(1)));
    let mut stream = world.connect().await;
    for (target, body) in [("A.One", "a needle"), ("A.Two", "hay")] {
        let end = format!("{} bytes", body.len());
        let answer = ask(&mut stream, &post("/", target, body), &end).await;
        answer.unwrap();
    }
    let hit = post("/", "A.Two", "a needle");
    assert_eq!(ask(&mut stream, &hit, "bytes").await, Err(String::new()));
    assert_eq!(world.effects(), 2);
    assert_eq!(world.fates(), [Fate::Forwarded, Fate::Forwarded, Fate::Cut]);
    let mut stream = world.connect().await;
    ask(&mut stream, &hit, "8 bytes").await.unwrap();
    assert_eq!(world.proxy.rules(|rules| rules.hits(rule)), 1);
    assert_eq!(world.proxy.rules(|rules| rules.matched(rule)), 2);
}

#[tokio::test]
async fn an_answer_that_is_dropped_leaves_the_effect_and_not_a_byte() {
    let world = World::new().await;
    world
        .proxy
        .rules(|rules| rules.drop_answer(Filter::any().request("/a"), Times::Next(1)));
    let mut stream = world.connect().await;
    let call = post("/a", "A.One", "");
    assert_eq!(ask(&mut stream, &call, "bytes").await, Err(String::new()));
    assert_eq!(world.effects(), 1);
    assert_eq!(world.fates(), [Fate::AnswerDropped]);
    assert_eq!(world.proxy.log()[0].status, Some(200));
}

#[tokio::test]
async fn a_delayed_call_reaches_the_upstream_later() {
    let world = World::new().await;
    let by = Duration::from_millis(400);
    world
        .proxy
        .rules(|rules| rules.delay(Filter::any(), Times::Nth(2), by));
    let mut stream = world.connect().await;
    let call = post("/", "A.One", "");
    ask(&mut stream, &call, "bytes").await.unwrap();
    let began = Instant::now();
    ask(&mut stream, &call, "bytes").await.unwrap();
    assert!(began.elapsed() >= by);
    assert_eq!(world.fates(), [Fate::Forwarded, Fate::Delayed]);
}

#[tokio::test]
async fn a_pause_holds_everything_until_it_is_ended_or_ends() {
    let world = World::new().await;
    let mut stream = world.connect().await;
    let call = post("/", "A.One", "");
    world.proxy.pause(Duration::from_mins(5));
    let asking = tokio::spawn(async move {
        ask(&mut stream, &call, "bytes").await.unwrap();
        stream
    });
    // A time: that a call does not arrive shows in nothing else.
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!((world.proxy.count(), world.effects()), (1, 0));
    world.proxy.resume();
    let mut stream = asking.await.unwrap();
    assert_eq!(world.effects(), 1);

    let began = Instant::now();
    world.proxy.pause(Duration::from_millis(300));
    let call = post("/", "A.One", "");
    ask(&mut stream, &call, "bytes").await.unwrap();
    assert!(began.elapsed() >= Duration::from_millis(300));
}

#[tokio::test]
async fn a_refusal_cuts_what_is_connected_and_closes_what_connects_until_it_is_over() {
    let world = World::new().await;
    let call = post("/", "A.One", "");
    let mut before = world.connect().await;
    ask(&mut before, &call, "bytes").await.unwrap();
    let (began, refused) = (Instant::now(), Duration::from_millis(500));
    world.proxy.refuse(refused);
    assert_eq!(ask(&mut before, "", "x").await, Err(String::new()));
    let mut during = world.connect().await;
    assert_eq!(ask(&mut during, &call, "bytes").await, Err(String::new()));
    assert_eq!(world.effects(), 1);
    assert_eq!(world.fates(), [Fate::Forwarded, Fate::Refused]);
    let answered = async {
        loop {
            let mut after = world.connect().await;
            if ask(&mut after, &call, "bytes").await.is_ok() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, answered).await.unwrap();
    assert!(began.elapsed() >= refused);
}

#[tokio::test]
async fn an_upstream_that_ends_an_idle_connection_ends_the_callers_too() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = Proxy::start(listener.local_addr().unwrap()).await.unwrap();
    let mut caller = TcpStream::connect(address(&proxy)).await.unwrap();
    let upstream = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = [0; 8];
        stream.read_exact(&mut request).await.unwrap();
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
        stream.write_all(answer).await.unwrap();
        stream
    };
    let request = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
    let (answer, idle) = tokio::join!(ask(&mut caller, request, "ok"), upstream);
    answer.unwrap();
    drop(idle);
    assert_eq!(ask(&mut caller, "", "x").await, Err(String::new()));
}

#[tokio::test]
async fn everything_ends_when_the_proxy_is_dropped() {
    let world = World::new().await;
    let mut stream = world.connect().await;
    let call = post("/", "A.One", "");
    ask(&mut stream, &call, "bytes").await.unwrap();
    let at = address(&world.proxy);
    drop(world.proxy);
    assert_eq!(ask(&mut stream, "", "x").await, Err(String::new()));
    assert!(TcpStream::connect(at).await.is_err());
}

/// The calling process of the tests that follow.
#[test]
#[ignore = "a process that other tests start"]
fn a_child_that_makes_three_calls() {
    let Ok(address) = std::env::var("PROXY_OF_CHILD") else {
        return;
    };
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    for _ in 0..3 {
        let call = post("/effect", "A.Child", "");
        stream.write_all(call.as_bytes()).unwrap();
        let mut answer = String::new();
        while !answer.ends_with("0 bytes") {
            let mut piece = [0; 1024];
            let count = stream.read(&mut piece).unwrap();
            assert!(count > 0, "the connection has ended");
            answer.push_str(std::str::from_utf8(&piece[..count]).unwrap());
        }
    }
}

#[tokio::test]
async fn the_nth_call_costs_its_caller_its_life_before_or_after_the_effect() {
    for (moment, fate, effects) in [
        (Moment::Before, Fate::KilledBefore, 1),
        (Moment::After, Fate::KilledAfter, 2),
    ] {
        let world = World::new().await;
        world.proxy.allow_kills_below(std::process::id());
        let filter = Filter::any()
            .environment("NAME_OF_CHILD=victim")
            .target("A.Child");
        world
            .proxy
            .rules(|rules| rules.kill_after(filter, 2, moment));
        assert!(world.child("bystander").await.success());
        let ended = world.child("victim").await;
        assert_eq!(ended.signal(), Some(9), "{moment:?}: {ended}");
        assert_eq!(world.effects(), 3 + effects, "{moment:?}");
        assert_eq!(world.fates()[4..], [fate]);
        // Once.
        assert!(world.child("victim").await.success());
    }
}

#[tokio::test]
async fn nobody_is_killed_who_does_not_descend_from_the_ancestor() {
    let mut other = Command::new("sleep")
        .arg("60")
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    for (ancestor, moment) in [
        (None, Moment::Before),
        (other.id(), Moment::Before),
        (other.id(), Moment::After),
    ] {
        let world = World::new().await;
        if let Some(pid) = ancestor {
            world.proxy.allow_kills_below(pid);
        }
        world
            .proxy
            .rules(|rules| rules.kill_after(Filter::any(), 2, moment));
        assert!(world.child("spared").await.success());
        assert_eq!(world.effects(), 3);
        assert_eq!(
            world.fates(),
            [Fate::Forwarded, Fate::KillRefused, Fate::Forwarded]
        );
    }
    other.kill().await.unwrap();
}

#[tokio::test]
async fn the_ancestor_itself_is_not_killed() {
    let world = World::new().await;
    world.proxy.allow_kills_below(std::process::id());
    world
        .proxy
        .rules(|rules| rules.kill_after(Filter::any(), 1, Moment::Before));
    let mut stream = world.connect().await;
    let call = post("/", "A.One", "");
    ask(&mut stream, &call, "bytes").await.unwrap();
    assert_eq!(world.fates(), [Fate::KillRefused]);
}

#[tokio::test]
async fn the_embedded_aws_is_reached_through_its_proxies_with_signatures_that_hold() {
    let options = Options {
        catalog: Catalog::Own(Settings::default()),
        ttl: Duration::from_mins(5),
        through_proxies: true,
    };
    let embedded = Embedded::start_with(options, &Progress::none())
        .await
        .unwrap();
    let (account, proxy) = ("111111111111", embedded.aws_proxy().unwrap());
    let through = aws_sdk_sqs::Client::new(&embedded.clients().at(account, &proxy.endpoint()));
    let made = through.create_queue().queue_name("q").send().await.unwrap();
    let log = proxy.log();
    assert_eq!(log[0].target.as_deref(), Some("AmazonSQS.CreateQueue"));
    assert_eq!((log[0].status, log[0].fate), (Some(200), Fate::Forwarded));
    // What the server has in its environment, the Lambdas inherit.
    let told = [
        format!("AWS_ENDPOINT_URL={}\0", proxy.endpoint()),
        format!(
            "AWS_ENDPOINT_URL_MARKETPLACE_CATALOG={}\0",
            embedded.catalog_proxy().unwrap().endpoint()
        ),
    ];
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let mut servers: Vec<_> = processes.map(|process| process.path()).collect();
    servers.retain(|folder| {
        let bytes = std::fs::read(folder.join("environ")).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        told.iter().all(|part| text.contains(part))
    });
    assert!(!servers.is_empty());

    // Test code goes directly.
    let direct = aws_sdk_sqs::Client::new(&embedded.config(account));
    let sent = direct
        .send_message()
        .queue_url(made.queue_url().unwrap())
        .message_body("m");
    sent.send().await.unwrap();
    assert_eq!(proxy.count(), 1);

    let proxy = embedded.catalog_proxy().unwrap();
    let emulator = embedded.emulator().unwrap();
    emulator.add_org("999999999999", [account.to_owned()]);
    let config = embedded.clients().at(account, &proxy.endpoint());
    let catalog = aws_sdk_marketplacecatalog::Client::new(&config);
    let listed = catalog.list_change_sets().catalog("AWSMarketplace").send();
    listed.await.unwrap();
    assert_eq!((proxy.count(), emulator.calls().len()), (1, 1));

    // The server stops for a time, and goes on.
    let began = Instant::now();
    let time = Duration::from_millis(1_500);
    let is_stopped = |folder: &PathBuf| {
        std::fs::read_to_string(folder.join("stat")).is_ok_and(|stat| stat.contains(") T "))
    };
    let call = async {
        while !servers.iter().any(is_stopped) && began.elapsed() < PATIENCE {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let call = direct.list_queues().send();
        tokio::time::timeout(PATIENCE, call).await.unwrap().unwrap();
        began.elapsed()
    };
    let (paused, answered) = tokio::join!(embedded.pause_server(time), call);
    paused.unwrap();
    assert!(answered >= time, "it was answered after {answered:?}");

    // It goes on even if nobody waits for it.
    let given_up = tokio::time::timeout(
        Duration::from_millis(200),
        embedded.pause_server(Duration::from_mins(1)),
    );
    assert!(given_up.await.is_err());
    let call = direct.list_queues().send();
    tokio::time::timeout(PATIENCE, call).await.unwrap().unwrap();
    embedded.stop().await;
}
