//! The emulated AWS: ministack and the emulator of Private Marketplace, connected with each other,
//! and the stacks that are deployed there.

mod clients;
mod deploy;
mod error;
mod ministack;
mod options;
mod venv;

use std::path::PathBuf;
use std::time::Duration;

use aws_config::SdkConfig;
pub use pmp_sync_deploy::binaries::{Binaries, build};

pub use self::clients::Clients;
pub use self::deploy::{Deployment, ManagementStack, MemberStack, NewMember, Stacks};
pub use self::error::EmbeddedError;
use self::ministack::Ministack;
pub use self::options::{Catalog, Options};
pub use self::venv::python;
use crate::marketplace::Emulator;
use crate::proxy::Proxy;
use pmp_sync_deploy::progress::Progress;

/// A running emulated AWS. It ends when this is dropped, or when the process ends in any way.
#[derive(Debug)]
pub struct Embedded {
    // Dropped before the emulator, so that the caller ends before what it calls.
    ministack: Ministack,
    catalog_proxy: Option<Proxy>,
    emulator: Option<Emulator>,
    catalog_endpoint: String,
    clients: Clients,
}

impl Embedded {
    /// Starts it. It ends automatically after `ttl`.
    pub async fn start(
        catalog: Catalog,
        ttl: Duration,
        progress: &Progress,
    ) -> Result<Self, EmbeddedError> {
        let options = Options {
            catalog,
            ttl,
            through_proxies: false,
        };
        Self::start_with(options, progress).await
    }

    /// Starts it with options.
    pub async fn start_with(options: Options, progress: &Progress) -> Result<Self, EmbeddedError> {
        let python = venv::python(progress).await?;
        progress.step("starting the emulated AWS");
        let (emulator, catalog_endpoint) = match options.catalog {
            Catalog::Own(settings) => {
                let emulator = Emulator::start(settings).await.map_err(|error| {
                    EmbeddedError::machine("starting the emulator of Private Marketplace", error)
                })?;
                let endpoint = emulator.endpoint();
                (Some(emulator), endpoint)
            }
            Catalog::Other(url) => (None, url),
        };
        let (catalog_proxy, catalog_of_lambdas) = if options.through_proxies {
            let (proxy, through) = options::before_catalog(&catalog_endpoint).await?;
            (Some(proxy), through)
        } else {
            (None, catalog_endpoint.clone())
        };
        let ministack = Ministack::start(
            &python,
            &catalog_of_lambdas,
            options.ttl,
            options.through_proxies,
        )
        .await?;
        for proxy in ministack.proxy().into_iter().chain(&catalog_proxy) {
            if let Some(supervisor) = ministack.supervisor() {
                proxy.allow_kills_below(supervisor);
            }
        }
        let clients = Clients::new(ministack.endpoint());
        if let Some(emulator) = &emulator {
            let clients = clients.clone();
            emulator.connect(move |account| clients.config(account));
        }
        Ok(Self {
            ministack,
            catalog_proxy,
            emulator,
            catalog_endpoint,
            clients,
        })
    }

    /// The emulator of Private Marketplace, if it is ours.
    pub fn emulator(&self) -> Option<&Emulator> {
        self.emulator.as_ref()
    }

    /// The proxy between the Lambda functions and ministack, if there is one.
    pub fn aws_proxy(&self) -> Option<&Proxy> {
        self.ministack.proxy()
    }

    /// The proxy between the Lambda functions and the Catalog API, if there is one.
    pub fn catalog_proxy(&self) -> Option<&Proxy> {
        self.catalog_proxy.as_ref()
    }

    /// Suspends ministack's server process for at most a minute, and resumes it. It is also resumed
    /// if the future is dropped.
    pub async fn pause_server(&self, time: Duration) -> Result<(), EmbeddedError> {
        self.ministack.pause(time).await
    }

    /// The endpoint of everything except the marketplace.
    pub fn endpoint(&self) -> &str {
        self.ministack.endpoint()
    }

    /// The endpoint of the Catalog API and the Discovery API.
    pub fn catalog_endpoint(&self) -> &str {
        &self.catalog_endpoint
    }

    /// The path of ministack's log.
    pub fn log(&self) -> PathBuf {
        self.ministack.log()
    }

    /// SDK configurations for each account.
    pub fn clients(&self) -> &Clients {
        &self.clients
    }

    /// The SDK configuration of an account's root user, for everything except the marketplace.
    pub fn config(&self, account: &str) -> SdkConfig {
        self.clients.config(account)
    }

    /// The SDK configuration of an account's root user, for the Catalog API.
    pub fn catalog_config(&self, account: &str) -> SdkConfig {
        self.clients.at(account, &self.catalog_endpoint)
    }

    /// False once the server has ended.
    pub fn is_running(&mut self) -> bool {
        self.ministack.is_running()
    }

    /// Ends it and waits until it has ended.
    pub async fn stop(mut self) {
        self.ministack.stop().await;
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_sqs::error::SdkError;
    use aws_sdk_sqs::operation::send_message::SendMessageError;
    use aws_smithy_runtime_api::http::{Response, StatusCode};
    use aws_smithy_types::body::SdkBody;
    use aws_smithy_types::error::ErrorMetadata;
    use pmp_sync_aws::service_error;
    use pmp_sync_deploy::DeployError;

    use super::EmbeddedError;

    #[test]
    fn a_call_that_failed_is_told_in_words_and_without_a_dump() {
        let error = ErrorMetadata::builder().code("Code").message("The words");
        let error = SendMessageError::generic(error.build());
        let status = StatusCode::try_from(400).unwrap();
        let error = SdkError::service_error(error, Response::new(status, SdkBody::empty()));
        let error = DeployError::from(service_error("SendMessage", "queue q", &error));
        let told = EmbeddedError::from(error).to_string();
        let words = "SendMessage of queue q failed (Code): The words";
        assert_eq!(
            told,
            format!("deploying to the emulated AWS failed: {words}")
        );
    }
}
