//! Journeys: requests against the whole application, with a clock that moves by hand.
//! Names begin with the row of the compatibility checklist or the lesson that they are about.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests"
)]

mod again;
mod authorize;
mod browser;
mod command_line;
mod connection_command;
mod connections;
mod cors;
mod demo;
mod demo_sites;
mod discovery;
mod dpop;
mod dpop_resources;
mod ends;
mod expiry;
mod graph;
mod holder;
mod key;
mod knowing;
mod knowing_events;
mod large_requests;
mod lessons;
mod limits;
mod login;
mod logout;
mod machines;
mod management_ends;
mod management_gate;
mod management_refresh;
mod management_sessions;
mod management_settings;
mod navigations;
mod openidconnect;
mod operations;
mod operator;
mod outbox;
mod outbox_many;
mod outbox_receiver;
mod outbox_tls;
mod pages;
mod par;
mod preview;
mod refresh;
mod refresh_races;
mod simulation;
mod tenant_file;
mod tenant_findings;
mod tenant_users;
mod token;
mod upstream;
mod upstream_again;
mod upstream_attacks;
mod upstream_backchannel;
mod upstream_chain;
mod upstream_claims;
mod upstream_confirm;
mod upstream_findings;
mod upstream_hanging;
mod upstream_lanes;
mod upstream_logout;
mod upstream_logout_links;
mod upstream_realm;
mod upstream_revocation;
mod upstream_told;
mod upstream_world;
mod user_ends;
mod userinfo;
mod world;
mod wrong_input;
