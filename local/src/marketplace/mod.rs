//! The emulator of Private Marketplace.
