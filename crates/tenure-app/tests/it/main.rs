//! Journeys: an application with this layer in front of a real Tenure, with one clock that moves by hand.
//! Tests whose names begin with `seed3_` and `seed4_` are the scenarios of two integration guides: an e-commerce
//! frontend's session configuration, and an identity service's session lifecycle.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests"
)]

mod backchannel;
mod browser;
mod clients;
mod forms;
mod lifetime;
mod login;
mod outage;
mod races;
mod recent;
mod seeds;
mod shop;
mod tokens;
mod world;
