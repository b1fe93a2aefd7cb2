//! Every command with a wrong argument, an endpoint that nobody answers at, no permission, no credentials,
//! no home folder, and nobody who reads: one clear message, the right exit code, and never a dump.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::setup::{Answer, Home, Running, closed_endpoint, fixture};

const RUN: &str = "01ARZ3NDEKTSV4RRFFQ69G5FAV";

/// What a command does without AWS.
#[derive(Clone, Copy, PartialEq)]
enum Needs {
    /// It needs AWS: without it, it ends with 1.
    Aws,
    /// It looks at AWS and reports what it finds, whatever that is; with 4 if it is not well.
    Findings,
    /// It needs nothing.
    Nothing,
    /// It starts an AWS, or looks at one that runs, which other tests do.
    ItsOwn,
}

/// How each command is called so that it gets as far as it can.
fn cases() -> Vec<(&'static str, Vec<&'static str>, Needs)> {
    use Needs::{Aws, Findings, ItsOwn, Nothing};
    let approve = vec![RUN, "--experience", "exp-1", "--plan", "01234567"];
    let account = vec!["--account", "222222222222", "--yes", "--reason", "a test"];
    vec![
        ("approve", approve.clone(), Aws),
        ("completions", vec!["bash"], Nothing),
        ("config apply", vec!["FIXTURE"], Aws),
        ("config diff", vec!["FIXTURE"], Aws),
        ("config history", vec![], Aws),
        ("config rollback", vec!["1"], Aws),
        ("config schema", vec![], Nothing),
        ("config show", vec![], Aws),
        ("config validate", vec!["FIXTURE"], Nothing),
        ("deploy management", vec!["--yes", "--code", "CODE"], Aws),
        (
            "deploy member",
            [account.clone(), vec!["--code", "CODE"]].concat(),
            Aws,
        ),
        ("destroy", vec!["--yes"], Aws),
        ("dlq discard", vec!["--yes"], Aws),
        ("dlq list", vec![], Aws),
        ("dlq replay", vec![], Aws),
        ("dlq show", vec!["1234"], Aws),
        ("doctor", vec![], Findings),
        ("drift", vec![], Aws),
        ("experience archive", vec![], Aws),
        ("experience associate", vec![], Aws),
        ("experience create", vec!["ours"], Aws),
        ("experience disable", vec![], Aws),
        ("experience disassociate", vec!["--yes"], Aws),
        ("experience enable", vec!["--yes"], Aws),
        ("experience list", vec![], Aws),
        ("experience revive", vec![], Aws),
        ("history", vec![], Aws),
        ("holds", vec![], Aws),
        ("local down", vec!["--state", "state.json"], Nothing),
        ("local status", vec!["--state", "state.json"], ItsOwn),
        ("local up", vec![], ItsOwn),
        (
            "member add",
            vec!["latam", "--account", "444444444444", "--external-id", "abc"],
            Aws,
        ),
        (
            "member bootstrap",
            [account, vec!["--enable"]].concat(),
            Aws,
        ),
        ("member list", vec![], Aws),
        ("member mode", vec!["emea", "mirror"], Aws),
        (
            "member remove",
            vec!["emea", "--experience", "leave", "--yes"],
            Aws,
        ),
        ("notify test", vec![], Aws),
        ("plan", vec![], Aws),
        ("product allow", vec!["prod-a", "--yes"], Aws),
        ("product deny", vec!["prod-a", "--yes"], Aws),
        ("product diff", vec!["PRODUCTS"], Aws),
        ("product export", vec![], Aws),
        ("product import", vec!["PRODUCTS", "--yes"], Aws),
        ("product list", vec![], Aws),
        ("product search", vec!["database"], Aws),
        ("reject", approve, Aws),
        ("report", vec!["--html", "page.html"], Aws),
        ("requests", vec![], Aws),
        ("requests approve", vec!["prod-a", "--yes"], Aws),
        (
            "requests decline",
            vec!["prod-a", "--reason", "no", "--yes"],
            Aws,
        ),
        ("restore", vec![RUN, "--experience", "exp-1"], Aws),
        ("resume", vec![], Aws),
        ("revert", vec![RUN], Aws),
        ("scp", vec![], Aws),
        ("status", vec![], Aws),
        ("suspend", vec![], Aws),
        ("sync", vec![], Aws),
        ("why", vec!["prod-a"], Aws),
    ]
}

/// The arguments of a case, whole.
fn arguments(home: &Home, command: &str, more: &[&str], json: bool) -> Vec<String> {
    let code = home.path().join("code");
    std::fs::create_dir_all(&code).unwrap();
    for binary in ["producer", "worker", "pmp-sync-producer", "pmp-sync-worker"] {
        std::fs::write(code.join(binary), "#!/bin/sh\n").unwrap();
    }
    let products = home.path().join("products.csv");
    std::fs::write(&products, "product_id,standing\nprod-a,allowed\n").unwrap();
    let more = more.iter().map(|argument| match *argument {
        "FIXTURE" => fixture(),
        "PRODUCTS" => products.to_str().unwrap().to_owned(),
        "CODE" => code.to_str().unwrap().to_owned(),
        other => other.to_owned(),
    });
    let json = json.then(|| "--json".to_owned());
    let words = command.split(' ').map(str::to_owned);
    words.chain(more).chain(json).collect()
}

fn start(home: &Home, arguments: &[String], variables: &[(&str, &str)]) -> Running {
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    home.start(&arguments, variables)
}

/// That it is told in one clear message.
#[track_caller]
fn is_clear(answer: &Answer) {
    for dump in [
        "panicked",
        "RUST_BACKTRACE",
        "SdkError",
        "DispatchFailure",
        "ServiceError",
        "ErrorMetadata",
        "{ ",
        "Some(",
        "Err(",
        "\u{1b}",
    ] {
        assert!(!answer.stderr.contains(dump), "{dump}: {answer:?}");
    }
    let messages = answer.stderr.lines();
    let messages = messages.filter(|line| line.starts_with("error: "));
    assert_eq!(messages.count(), 1, "{answer:?}");
}

/// That a command that needs AWS, and has none that helps, ends as it has to.
fn ends_without_aws(answer: Answer, needs: Needs, json: bool) {
    match needs {
        Needs::Aws => {
            let answer = answer.ended_with(1);
            is_clear(&answer);
            assert!(answer.stderr.contains("\nwhat to do: "), "{answer:?}");
            if json {
                assert!(answer.json().get("error").is_some(), "{answer:?}");
            } else {
                assert_eq!(answer.stdout, "", "{answer:?}");
            }
        }
        Needs::Findings => {
            assert!(matches!(answer.code, Some(1 | 4)), "{answer:?}");
            assert!(!answer.stderr.contains("panicked"), "{answer:?}");
            if json {
                answer.json();
            }
        }
        Needs::Nothing => {
            answer.ended_with(0);
        }
        Needs::ItsOwn => {}
    }
}

/// Runs every case, with and without `--json`, a few at a time.
fn each(variables: &[(&str, &str)], most: Duration) {
    let cases = cases();
    let mut complaints = Vec::new();
    for (some, json) in cases
        .chunks(8)
        .flat_map(|some| [(some, false), (some, true)])
    {
        let mut running = Vec::new();
        for (command, more, needs) in some.iter().filter(|(_, _, needs)| *needs != Needs::ItsOwn) {
            let home = Home::new();
            let called = arguments(&home, command, more, json);
            let began = Instant::now();
            running.push((start(&home, &called, variables), *needs, began, home));
        }
        for (running, needs, began, _home) in running {
            let answer = running.answer();
            let took = began.elapsed();
            let told = format!("{took:?}: {answer:?}");
            let looked = std::panic::catch_unwind(|| {
                assert!(took < most);
                ends_without_aws(answer, needs, json);
            });
            if looked.is_err() {
                complaints.push(told);
            }
        }
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

const KEYS: [(&str, &str); 2] = [
    ("AWS_ACCESS_KEY_ID", "111111111111"),
    ("AWS_SECRET_ACCESS_KEY", "test"),
];

#[test]
fn every_command_has_a_case() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/reference/cli.md");
    let page = std::fs::read_to_string(page).unwrap();
    let told = page
        .lines()
        .filter_map(|line| line.strip_prefix("## `pmp-sync ")?.strip_suffix('`'));
    let cases: Vec<_> = cases().into_iter().map(|(command, ..)| command).collect();
    let mut told: Vec<_> = told.collect();
    told.sort_unstable();
    assert_eq!(
        told, cases,
        "a command without a case, or a case without a command"
    );
}

#[test]
fn a_wrong_argument_is_told_and_ends_with_5() {
    let home = Home::new();
    for (command, more, _) in cases() {
        for json in [false, true] {
            let mut called = arguments(&home, command, &more, json);
            called.push("--no-such-option".to_owned());
            let answer = start(&home, &called, &[]).answer().ended_with(5);
            is_clear(&answer);
            assert!(answer.stderr.contains("--no-such-option"), "{answer:?}");
            if json {
                assert_eq!(answer.json()["error"]["code"], "command-line", "{answer:?}");
            } else {
                assert_eq!(answer.stdout, "");
            }
        }
    }
}

#[test]
fn an_endpoint_where_nobody_listens_is_told_soon() {
    let endpoint = closed_endpoint();
    let variables = [KEYS[0], KEYS[1], ("AWS_ENDPOINT_URL", &endpoint)];
    each(&variables, Duration::from_secs(15));
}

#[test]
fn an_endpoint_that_is_no_url_is_told_in_one_sentence() {
    for name in ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_DYNAMODB"] {
        let variables = [KEYS[0], KEYS[1], (name, "not-a-url")];
        let cases = cases().into_iter();
        let needing = cases.filter(|(_, _, needs)| matches!(needs, Needs::Aws | Needs::Findings));
        for (command, more, _) in needing {
            let home = Home::new();
            let called = arguments(&home, command, &more, false);
            let answer = start(&home, &called, &variables).answer().ended_with(5);
            is_clear(&answer);
            let told = format!("error: {name} is \"not-a-url\", which is no URL of AWS\n");
            assert!(answer.stderr.contains(&told), "{command}: {answer:?}");
        }
    }
}

#[test]
fn a_missing_permission_is_told_with_what_to_do() {
    let endpoint = denying();
    let variables = [KEYS[0], KEYS[1], ("AWS_ENDPOINT_URL", &endpoint)];
    each(&variables, Duration::from_secs(15));
}

#[test]
fn missing_credentials_are_told_with_what_to_do() {
    let endpoint = denying();
    each(&[("AWS_ENDPOINT_URL", &endpoint)], Duration::from_secs(15));
}

#[test]
fn no_command_needs_a_home_folder_that_does_not_say_so() {
    let endpoint = closed_endpoint();
    let variables = [
        KEYS[0],
        KEYS[1],
        ("AWS_ENDPOINT_URL", &endpoint),
        ("HOME", ""),
    ];
    each(&variables, Duration::from_secs(15));
}

#[test]
fn nobody_who_reads_is_no_reason_to_panic() {
    let home = Home::new();
    for (command, more, needs) in cases() {
        if needs != Needs::Nothing {
            continue;
        }
        for json in [false, true] {
            let mut child = Command::new(env!("CARGO_BIN_EXE_pmp-sync"))
                .args(arguments(&home, command, &more, json))
                .env_clear()
                .current_dir(home.path())
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap();
            // Closed before it has anything to say.
            drop(child.stdout.take());
            let mut told = String::new();
            child
                .stderr
                .take()
                .unwrap()
                .read_to_string(&mut told)
                .unwrap();
            let status = child.wait().unwrap();
            // A command that had nothing to say, or one that ends as SIGPIPE ends others.
            assert!(
                matches!(status.code(), Some(0 | 141)),
                "{command}: {status} {told}"
            );
            for word in ["panicked", "Broken pipe"] {
                assert!(!told.contains(word), "{command}: {told}");
            }
        }
    }
}

/// An AWS that allows nothing, in the words of each protocol.
fn denying() -> String {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", socket.local_addr().unwrap());
    // It ends with the test's process.
    std::thread::spawn(move || {
        for stream in socket.incoming().flatten() {
            std::thread::spawn(move || deny(stream));
        }
    });
    endpoint
}

fn deny(mut stream: TcpStream) {
    let Some((head, _)) = read(&mut stream) else {
        return;
    };
    let header = |name: &str| head.get(name).map(String::as_str).unwrap_or_default();
    let words = "User: arn:aws:iam::111111111111:user/alice is not authorized to perform this";
    let (kind, more, body) = if !header("x-amz-target").is_empty() {
        let code = "com.amazonaws#AccessDeniedException";
        (
            "application/x-amz-json-1.0",
            "",
            format!("{{\"__type\":\"{code}\",\"message\":\"{words}\"}}"),
        )
    } else if header("content-type").starts_with("application/x-www-form-urlencoded") {
        let error = format!(
            "<Error><Type>Sender</Type><Code>AccessDenied</Code><Message>{words}</Message></Error>"
        );
        (
            "text/xml",
            "",
            format!("<ErrorResponse>{error}<RequestId>r</RequestId></ErrorResponse>"),
        )
    } else if header("host").contains("s3") || !header("x-amz-content-sha256").is_empty() {
        (
            "application/xml",
            "",
            format!("<Error><Code>AccessDenied</Code><Message>{words}</Message></Error>"),
        )
    } else {
        let more = "x-amzn-errortype: AccessDeniedException\r\n";
        (
            "application/json",
            more,
            format!("{{\"Message\":\"{words}\",\"message\":\"{words}\"}}"),
        )
    };
    // The command may have given up.
    let _ = write!(
        stream,
        "HTTP/1.1 403 Forbidden\r\ncontent-type: {kind}\r\n{more}content-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
}

/// The headers and the body of a request.
fn read(stream: &mut TcpStream) -> Option<(BTreeMap<String, String>, Vec<u8>)> {
    let mut text = Vec::new();
    let mut byte = [0];
    while !text.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).ok()?;
        text.push(byte[0]);
    }
    let head: BTreeMap<_, _> = String::from_utf8_lossy(&text)
        .lines()
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let length = head
        .get("content-length")
        .and_then(|length| length.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    stream.read_exact(&mut body).ok()?;
    Some((head, body))
}
