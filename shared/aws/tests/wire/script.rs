//! A server that plays a script: prepared answers, and what it was sent.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use axum::Router;
use axum::extract::{Request, State};
use axum::response::IntoResponse;
use serde_json::Value;

#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) path: String,
    pub(crate) target: String,
    pub(crate) authorization: String,
    pub(crate) body: Value,
}

type Answers = VecDeque<(u16, Option<&'static str>, Value)>;

/// A server that gives prepared answers and keeps what it was sent.
#[derive(Clone, Default)]
pub(crate) struct Script {
    answers: Arc<Mutex<Answers>>,
    seen: Arc<Mutex<Vec<Seen>>>,
}

fn header(request: &Request, name: &str) -> String {
    let value = request.headers().get(name);
    value
        .map(|value| value.to_str().unwrap().to_owned())
        .unwrap_or_default()
}

async fn play(State(script): State<Script>, request: Request) -> impl IntoResponse {
    let path = request.uri().to_string();
    let target = header(&request, "x-amz-target");
    let authorization = header(&request, "authorization");
    let body = axum::body::to_bytes(request.into_body(), 1 << 20)
        .await
        .unwrap();
    let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
    script.seen.lock().unwrap().push(Seen {
        path,
        target,
        authorization,
        body,
    });
    let (status, error, answer) = script
        .answers
        .lock()
        .unwrap()
        .pop_front()
        .expect("one call more than answers");
    let status = axum::http::StatusCode::from_u16(status).unwrap();
    let header = error.map(|error| [("x-amzn-errortype", error)]);
    (
        status,
        header
            .map(IntoResponse::into_response)
            .map(|r| r.headers().clone())
            .unwrap_or_default(),
        axum::Json(answer),
    )
}

impl Script {
    pub(crate) async fn new(
        answers: impl IntoIterator<Item = (u16, Option<&'static str>, Value)>,
    ) -> (Self, SdkConfig) {
        let script = Self {
            answers: Arc::new(Mutex::new(answers.into_iter().collect())),
            ..Self::default()
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let app = Router::new().fallback(play).with_state(script.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        let config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::from_static("us-east-1"))
            .endpoint_url(endpoint)
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .retry_config(aws_smithy_types::retry::RetryConfig::standard().with_max_attempts(1))
            .credentials_provider(SharedCredentialsProvider::new(Credentials::new(
                "k", "s", None, None, "test",
            )))
            .build();
        (script, config)
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}
