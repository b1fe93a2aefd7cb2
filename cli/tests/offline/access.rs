//! The way to AWS: proxies, certificates, and profiles that need another command first.

use std::io::{Read, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::setup::{Answer, FakeAws, Home, closed_endpoint, text};

/// An AWS that only a proxy finds. Its name does not exist.
const ENDPOINT: &str = "https://aws.invalid";
/// What that AWS says.
const WORDS: &str = "so speaks the AWS behind the proxy";
/// A certificate for it, by an authority of the tests alone.
const AUTHORITY: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/offline/certificates/ca.pem"
);
const CERTIFICATE: &[u8] = include_bytes!("certificates/server.pem");
const KEY: &[u8] = include_bytes!("certificates/server.key");

/// A proxy, with the AWS behind it.
struct Proxy {
    url: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    fn start() -> Self {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let certificates = CertificateDer::pem_slice_iter(CERTIFICATE);
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                certificates.map(Result::unwrap).collect(),
                PrivateKeyDer::from_pem_slice(KEY).unwrap(),
            );
        let config = Arc::new(config.unwrap());
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", socket.local_addr().unwrap());
        let asked = Arc::<Mutex<Vec<String>>>::default();
        let shared = asked.clone();
        // It ends with the test's process.
        std::thread::spawn(move || {
            for stream in socket.incoming().flatten() {
                let (config, asked) = (config.clone(), shared.clone());
                std::thread::spawn(move || serve(stream, config, &asked));
            }
        });
        Self { url, asked }
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

/// Opens a tunnel, and answers in the place of what is at its end.
fn serve(
    mut stream: TcpStream,
    config: Arc<ServerConfig>,
    asked: &Mutex<Vec<String>>,
) -> Option<()> {
    let request = head(&mut stream)?;
    asked
        .lock()
        .unwrap()
        .push(request.lines().next()?.to_owned());
    write!(stream, "HTTP/1.1 200 OK\r\n\r\n").ok()?;
    let mut tunnel = StreamOwned::new(ServerConnection::new(config).ok()?, stream);
    let _request = head(&mut tunnel)?;
    let body = format!(r#"{{"__type":"ValidationException","message":"{WORDS}"}}"#);
    write!(
        tunnel,
        "HTTP/1.1 400 Bad Request\r\ncontent-type: application/x-amz-json-1.0\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
    .ok()
}

/// The head of a request, and then its body, which is dropped.
fn head(stream: &mut impl Read) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).ok()?;
        head.extend(byte);
    }
    let head = String::from_utf8(head).ok()?;
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.trim().parse().ok())?
    });
    let mut body = vec![0; length.unwrap_or(0)];
    stream.read_exact(&mut body).ok()?;
    Some(head)
}

const KEYS: [(&str, &str); 2] = [
    ("AWS_ACCESS_KEY_ID", "111111111111"),
    ("AWS_SECRET_ACCESS_KEY", "test"),
];

fn shown(home: &Home, variables: &[(&str, &str)]) -> Answer {
    let all = [&[("AWS_ENDPOINT_URL", ENDPOINT)], &KEYS[..], variables].concat();
    home.run_with(&["config", "show"], &all)
}

#[test]
fn calls_go_through_the_proxy_with_the_certificates_of_the_variable() {
    let (home, proxy) = (Home::new(), Proxy::start());
    for name in ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"] {
        let before = proxy.asked().len();
        let answer = shown(&home, &[(name, &proxy.url), ("AWS_CA_BUNDLE", AUTHORITY)]);
        assert!(answer.stderr.contains(WORDS), "{name}: {answer:?}");
        let asked = proxy.asked();
        assert!(asked.len() > before, "{name}");
        assert_eq!(asked[before], "CONNECT aws.invalid:443 HTTP/1.1");
    }
}

#[test]
fn the_profile_may_name_the_certificates() {
    let (home, proxy) = (Home::new(), Proxy::start());
    let file = home.file(
        "aws",
        &format!("[profile corporate]\nca_bundle = {AUTHORITY}\n"),
    );
    let variables = [
        ("HTTPS_PROXY", proxy.url.as_str()),
        ("AWS_CONFIG_FILE", text(&file)),
        ("AWS_PROFILE", "corporate"),
    ];
    let answer = shown(&home, &variables);
    assert!(answer.stderr.contains(WORDS), "{answer:?}");
    // Without them nobody knows the authority.
    let answer = shown(&home, &variables[..1]);
    assert_eq!(answer.code, Some(1), "{answer:?}");
    assert!(answer.stderr.contains("certificate"), "{answer:?}");
}

#[test]
fn what_no_proxy_names_is_reached_directly() {
    let (home, proxy) = (Home::new(), Proxy::start());
    let answer = shown(
        &home,
        &[("HTTPS_PROXY", &proxy.url), ("NO_PROXY", ".invalid")],
    );
    assert_eq!(answer.code, Some(1), "{answer:?}");
    assert_eq!(proxy.asked(), [""; 0]);
    // So is an emulated AWS on this machine, whatever is said.
    let aws = FakeAws::with_config("schema = 1\n");
    let closed = closed_endpoint();
    let variables = [&aws.variables()[..], &[("HTTP_PROXY", closed.as_str())]].concat();
    home.run_with(&["config", "show"], &variables).ended_with(0);
}

#[test]
fn what_cannot_be_used_is_refused_in_one_sentence() {
    let home = Home::new();
    let garbage = home.file("garbage.pem", "no certificate");
    let broken = home.file(
        "broken.pem",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    );
    let fips = home.file("aws", "[profile secret]\nuse_fips_endpoint = true\n");
    let cases: [(&[(&str, &str)], &str); 6] = [
        (
            &[("AWS_CA_BUNDLE", "/nowhere.pem")],
            "AWS_CA_BUNDLE names /nowhere.pem",
        ),
        (
            &[("AWS_CA_BUNDLE", text(&garbage))],
            "it contains no certificate",
        ),
        (&[("AWS_CA_BUNDLE", text(&broken))], "which cannot be used"),
        (
            &[("HTTPS_PROXY", "socks5://me:secret@proxy")],
            "HTTPS_PROXY is no URL of an HTTP proxy",
        ),
        (
            &[("AWS_USE_FIPS_ENDPOINT", "true")],
            "AWS Marketplace Catalog has none",
        ),
        (
            &[("AWS_CONFIG_FILE", text(&fips)), ("AWS_PROFILE", "secret")],
            "AWS Marketplace Catalog has none",
        ),
    ];
    for (variables, told) in cases {
        let answer = shown(&home, variables).ended_with(5);
        assert!(answer.stderr.contains(told), "{told}: {answer:?}");
        assert_eq!(answer.stderr.lines().count(), 2, "{answer:?}");
        assert!(!answer.stderr.contains("secret@"), "{answer:?}");
    }
}

/// An STS that refuses everything.
fn refusing() -> String {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", socket.local_addr().unwrap());
    std::thread::spawn(move || {
        for mut stream in socket.incoming().flatten() {
            let Some(_request) = head(&mut stream) else {
                continue;
            };
            let body = "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>not authorized to perform: sts:AssumeRole</Message></Error></ErrorResponse>";
            let _ = write!(
                stream,
                "HTTP/1.1 403 Forbidden\r\ncontent-type: text/xml\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                body.len()
            );
        }
    });
    endpoint
}

#[test]
fn a_profile_that_needs_another_command_first_is_told_which() {
    let home = Home::new();
    let file = home.file(
        "aws",
        "[profile keys]\naws_access_key_id = 111111111111\naws_secret_access_key = test\n\
         [profile guarded]\nrole_arn = arn:aws:iam::111111111111:role/Operator\nsource_profile = keys\n\
         mfa_serial = arn:aws:iam::111111111111:mfa/alice\n\
         [sso-session team]\nsso_region = us-east-1\nsso_start_url = https://team.invalid/start\n\
         [profile team]\nsso_session = team\nsso_account_id = 111111111111\nsso_role_name = Operator\n\
         [profile through]\nrole_arn = arn:aws:iam::111111111111:role/Operator\nsource_profile = team\n\
         [profile new]\nlogin_session = arn:aws:iam::111111111111:user/Admin\n",
    );
    let endpoint = refusing();
    let variables = [
        ("AWS_CONFIG_FILE", text(&file)),
        ("AWS_ENDPOINT_URL", endpoint.as_str()),
    ];
    let asked = |profile| {
        let command = ["status", "--management-profile", profile];
        home.run_with(&command, &variables).ended_with(1).stderr
    };
    let told = asked("guarded");
    let advice = "aws configure export-credentials --profile guarded";
    assert!(told.contains(advice), "{told}");
    assert!(asked("new").contains("`aws login --profile new`"));
    assert!(asked("team").contains("`aws sso login --profile team`"));
    assert!(asked("through").contains("`aws sso login --profile team`"));
    // A session that has ended.
    let cache = home.path().join(".aws/sso/cache");
    std::fs::create_dir_all(&cache).unwrap();
    let session = cache.join("d25187dc137f35c88bc80ec8c3ffbdb17b5eb873.json");
    std::fs::write(
        session,
        r#"{"accessToken": "token", "expiresAt": "2020-01-01T00:00:00Z", "region": "us-east-1", "startUrl": "https://team.invalid/start"}"#,
    )
    .unwrap();
    let told = asked("team");
    assert!(
        told.contains("`aws sso login --profile team`") && told.contains("expired"),
        "{told}"
    );
}

#[test]
fn a_session_of_aws_login_is_used() {
    let home = Home::new();
    let file = home.file(
        "aws",
        "[profile new]\nlogin_session = arn:aws:iam::111111111111:user/Admin\n",
    );
    let cache = home.path().join(".aws/login/cache");
    std::fs::create_dir_all(&cache).unwrap();
    std::fs::write(
        cache.join("fba081600f70f13c6df8b0f3f104fd8d272d2fee0ce2936f6634fdf3cbbf5422.json"),
        r#"{"accessToken": {"accessKeyId": "ASIATEST", "secretAccessKey": "test", "sessionToken": "session", "accountId": "111111111111", "expiresAt": "2199-12-25T21:30:00Z"}, "tokenType": "aws_sigv4", "refreshToken": "refresh", "clientId": "arn:aws:signin:::devtools/same-device", "dpopKey": "not needed before the session ends"}"#,
    )
    .unwrap();
    let aws = FakeAws::with_config("schema = 1\n");
    let variables = [
        ("AWS_CONFIG_FILE", text(&file)),
        ("AWS_PROFILE", "new"),
        aws.variables()[0],
    ];
    home.run_with(&["config", "show"], &variables).ended_with(0);
}
