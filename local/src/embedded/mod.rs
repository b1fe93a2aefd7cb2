//! The embedded AWS: ministack under supervision, and deployment of `infra/` into it.
