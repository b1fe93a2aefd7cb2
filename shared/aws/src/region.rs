//! The region of the whole installation.

/// The only region of Private Marketplace (AWS Marketplace buyer guide).
pub const REGION: &str = "us-east-1";
