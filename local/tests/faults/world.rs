//! What every test stands on.

use std::time::Duration;

use aws_sdk_marketplacecatalog::Client;
use aws_sdk_marketplacecatalog::config::retry::RetryConfig;
use aws_sdk_marketplacecatalog::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_marketplacecatalog::operation::describe_change_set::DescribeChangeSetOutput as Set;
use aws_sdk_marketplacecatalog::types::{Change, ChangeStatus, Entity};
use pmp_sync_local::embedded::Clients;
use pmp_sync_local::marketplace::{CallFaults, Emulator, Faults, Lists, NewExperience, Settings};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

pub(crate) const OWNER: &str = "999999999999";
pub(crate) const ADMIN: &str = "222222222222";

/// Waits until something holds.
pub(crate) async fn until(what: &str, holds: impl Fn() -> bool) {
    for _ in 0..500 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{what}: not within five seconds");
}

/// An emulator with one experience, and a client that tries once.
pub(crate) struct World {
    pub(crate) emulator: Emulator,
    pub(crate) experience: String,
    pub(crate) client: Client,
}

impl World {
    pub(crate) async fn new(change_set_seconds: f64) -> Self {
        let settings = Settings {
            change_set_seconds,
            events: false,
            ..Settings::default()
        };
        let emulator = Emulator::start(settings).await.unwrap();
        emulator.add_org(OWNER, [ADMIN.to_owned()]);
        let experience = emulator.add_experience(NewExperience {
            owner: OWNER.to_owned(),
            id: None,
            name: None,
            enabled: true,
            archived: false,
            lists: Some(Lists::default()),
        });
        let config = Clients::new(&emulator.endpoint()).config(ADMIN);
        let once = aws_sdk_marketplacecatalog::config::Builder::from(&config)
            .retry_config(RetryConfig::standard().with_max_attempts(1))
            .build();
        Self {
            emulator,
            experience,
            client: Client::from_conf(once),
        }
    }

    pub(crate) fn set(&self, operation: &str, faults: CallFaults) {
        let faults = Faults::default().on(operation, faults);
        self.emulator.set_faults(faults).unwrap();
    }

    /// The status of the answer; an error's name otherwise. `None` is no answer at all.
    pub(crate) async fn list(&self) -> Option<u16> {
        let asked = self.client.list_change_sets().catalog("AWSMarketplace");
        status(asked.send().await)
    }

    pub(crate) async fn start(&self, changes: &[(&str, &[&str])]) -> Result<String, Option<u16>> {
        let change = |(kind, products): &(&str, &[&str])| {
            let entity = Entity::builder()
                .r#type("Experience@1.0")
                .identifier(&self.experience)
                .build();
            let details = serde_json::json!({ "Products": [{ "Ids": products }] });
            Change::builder()
                .change_type(*kind)
                .entity(entity.unwrap())
                .details(details.to_string())
                .build()
                .unwrap()
        };
        let answer = self
            .client
            .start_change_set()
            .catalog("AWSMarketplace")
            .set_change_set(Some(changes.iter().map(change).collect()))
            .send()
            .await;
        match answer {
            Ok(answer) => Ok(answer.change_set_id().unwrap().to_owned()),
            Err(error) => Err(status::<(), _>(Err(error))),
        }
    }

    pub(crate) async fn describe(&self, id: &str) -> Result<Set, Option<u16>> {
        let asked = self.client.describe_change_set().catalog("AWSMarketplace");
        let answer = asked.change_set_id(id).send().await;
        answer.map_err(|error| status::<(), _>(Err(error)))
    }

    pub(crate) async fn ended(&self, id: &str) -> Set {
        for _ in 0..300 {
            let set = self.describe(id).await.unwrap();
            if !matches!(
                set.status(),
                Some(ChangeStatus::Preparing | ChangeStatus::Applying)
            ) {
                return set;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{id} did not end");
    }

    pub(crate) async fn control(&self, method: &str, path: &str, body: &str) -> (u16, String) {
        let address = self.emulator.endpoint().replace("http://", "");
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!(
            "{method} /_control/{path} HTTP/1.0\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, body.to_owned())
    }
}

/// The HTTP status; none if the call failed without an answer.
fn status<T, E: ProvideErrorMetadata + std::fmt::Debug>(
    outcome: Result<T, SdkError<E>>,
) -> Option<u16> {
    match outcome {
        Ok(_) => Some(200),
        Err(SdkError::DispatchFailure(_)) => None,
        Err(error) => {
            let response = error.raw_response().expect("an answer");
            Some(response.status().as_u16())
        }
    }
}
