//! The bucket for the functions' code: created if it does not exist, closed to the public, emptied
//! at the end.

use std::time::Duration;

use aws_config::timeout::TimeoutConfig;
use aws_sdk_s3::Client;
use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{
    ObjectOwnership, OwnershipControls, OwnershipControlsRule, PublicAccessBlockConfiguration,
    ServerSideEncryption, ServerSideEncryptionByDefault, ServerSideEncryptionConfiguration,
    ServerSideEncryptionRule,
};
use pmp_sync_aws::{if_there, service_error};
use pmp_sync_domain::error::{Kind, ServiceError};

use crate::Account;
use crate::DeployError;
use crate::installation::Code;
use crate::package::Package;

/// How long an upload of some megabytes may take over a slow line.
const SENDING: Duration = Duration::from_mins(10);
/// The most pages of objects that are read, with up to 1,000 objects each.
const PAGES: usize = 100;

#[derive(Debug)]
/// A bucket for code.
pub struct Bucket<'a> {
    client: Client,
    name: String,
    account: &'a Account,
}

/// The default name of the bucket.
pub fn default_name(name: &str, account: &Account) -> String {
    format!("{name}-code-{}", account.id)
}

impl<'a> Bucket<'a> {
    /// A bucket of an account.
    pub fn new(account: &'a Account, name: String) -> Self {
        let timeouts = TimeoutConfig::builder()
            .operation_attempt_timeout(SENDING)
            .operation_timeout(SENDING)
            .build();
        let config = account.config.to_builder().timeout_config(timeouts).build();
        Self {
            client: Client::new(&config),
            name,
            account,
        }
    }

    /// The name of the bucket.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Uploads code, unless it is there already.
    pub async fn store(&self, package: &Package) -> Result<Code, DeployError> {
        self.make().await?;
        let code = Code {
            bucket: self.name.clone(),
            key: package.key.clone(),
        };
        let head = self
            .client
            .head_object()
            .bucket(&self.name)
            .key(&package.key)
            .expected_bucket_owner(self.account.id.as_str())
            .send()
            .await;
        match head {
            Ok(_) => return Ok(code),
            Err(error) => {
                let error = service_error("HeadObject", self.thing(), &error);
                if error.kind != Kind::NotFound {
                    return Err(error.into());
                }
            }
        }
        self.client
            .put_object()
            .bucket(&self.name)
            .key(&package.key)
            .expected_bucket_owner(self.account.id.as_str())
            .body(ByteStream::from(package.zip.clone()))
            .send()
            .await
            .map_err(|error| service_error("PutObject", self.thing(), &error))?;
        Ok(code)
    }

    fn thing(&self) -> String {
        format!("bucket {}", self.name)
    }

    /// True if the bucket exists. An error if it belongs to somebody else.
    async fn exists(&self) -> Result<bool, ServiceError> {
        let head = self
            .client
            .head_bucket()
            .bucket(&self.name)
            .expected_bucket_owner(self.account.id.as_str())
            .send()
            .await;
        let head = head.map_err(|error| service_error("HeadBucket", self.thing(), &error));
        Ok(if_there(head)?.is_some())
    }

    async fn make(&self) -> Result<(), DeployError> {
        if !self.exists().await.map_err(|error| self.not_ours(error))? {
            let made = self.client.create_bucket().bucket(&self.name).send().await;
            if let Err(error) = made
                && error.code() != Some("BucketAlreadyOwnedByYou")
            {
                let error = service_error("CreateBucket", self.thing(), &error);
                return Err(self.not_ours(error));
            }
        }
        // Also for an existing bucket, because an earlier run may have been interrupted before
        // this.
        let owner = self.account.id.as_str();
        let block = PublicAccessBlockConfiguration::builder()
            .block_public_acls(true)
            .ignore_public_acls(true)
            .block_public_policy(true)
            .restrict_public_buckets(true)
            .build();
        self.client
            .put_public_access_block()
            .bucket(&self.name)
            .expected_bucket_owner(owner)
            .public_access_block_configuration(block)
            .send()
            .await
            .map_err(|error| service_error("PutPublicAccessBlock", self.thing(), &error))?;
        self.client
            .put_bucket_ownership_controls()
            .bucket(&self.name)
            .expected_bucket_owner(owner)
            .ownership_controls(ownership()?)
            .send()
            .await
            .map_err(|error| service_error("PutBucketOwnershipControls", self.thing(), &error))?;
        self.client
            .put_bucket_encryption()
            .bucket(&self.name)
            .expected_bucket_owner(owner)
            .server_side_encryption_configuration(encryption()?)
            .send()
            .await
            .map_err(|error| service_error("PutBucketEncryption", self.thing(), &error))?;
        Ok(())
    }

    fn not_ours(&self, error: ServiceError) -> DeployError {
        let taken =
            error.kind == Kind::Denied || error.code.as_deref() == Some("BucketAlreadyExists");
        if !taken {
            return error.into();
        }
        DeployError::Failed {
            message: format!(
                "the bucket {} is not of account {}, or may not be used with these credentials: {error}",
                self.name, self.account.id
            ),
            remedy: "name another bucket with --bucket, or use credentials that may use this one"
                .to_owned(),
        }
    }

    /// Deletes the bucket with the code in it. Returns false if there is none.
    pub async fn remove(&self) -> Result<bool, DeployError> {
        if !self.exists().await? {
            return Ok(false);
        }
        let owner = self.account.id.as_str();
        for _ in 0..PAGES {
            let page = self
                .client
                .list_objects_v2()
                .bucket(&self.name)
                .expected_bucket_owner(owner)
                .send()
                .await
                .map_err(|error| service_error("ListObjectsV2", self.thing(), &error))?;
            for key in page.contents().iter().filter_map(|object| object.key()) {
                self.client
                    .delete_object()
                    .bucket(&self.name)
                    .key(key)
                    .expected_bucket_owner(owner)
                    .send()
                    .await
                    .map_err(|error| service_error("DeleteObject", self.thing(), &error))?;
            }
            if page.is_truncated() != Some(true) {
                break;
            }
        }
        self.client
            .delete_bucket()
            .bucket(&self.name)
            .expected_bucket_owner(owner)
            .send()
            .await
            .map_err(|error| service_error("DeleteBucket", self.thing(), &error))?;
        Ok(true)
    }
}

fn unbuilt(error: &aws_sdk_s3::error::BuildError) -> DeployError {
    ServiceError::new(
        "CreateBucket",
        "the bucket",
        Kind::Refused,
        error.to_string(),
    )
    .into()
}

/// The account owns every object, whoever uploads it.
fn ownership() -> Result<OwnershipControls, DeployError> {
    let rule = OwnershipControlsRule::builder()
        .object_ownership(ObjectOwnership::BucketOwnerEnforced)
        .build()
        .map_err(|error| unbuilt(&error))?;
    OwnershipControls::builder()
        .rules(rule)
        .build()
        .map_err(|error| unbuilt(&error))
}

fn encryption() -> Result<ServerSideEncryptionConfiguration, DeployError> {
    let default = ServerSideEncryptionByDefault::builder()
        .sse_algorithm(ServerSideEncryption::Aes256)
        .build()
        .map_err(|error| unbuilt(&error))?;
    let rule = ServerSideEncryptionRule::builder()
        .apply_server_side_encryption_by_default(default)
        .build();
    ServerSideEncryptionConfiguration::builder()
        .rules(rule)
        .build()
        .map_err(|error| unbuilt(&error))
}
