//! The bootstrap of the producer Lambda.

// The SDK nests its futures deeper than the default limit of the compiler.
#![recursion_limit = "256"]

#[tokio::main]
async fn main() -> Result<(), lambda_runtime::Error> {
    pmp_sync_producer::lambda::run().await
}
