//! What each guard lets through, and what it stops.
