//! The crate's decisions as tables (a file per decision), and as properties of random histories.

#[cfg(test)]
mod authorize_malformed;
#[cfg(test)]
mod authorize_parse;
#[cfg(test)]
mod authorize_step;
#[cfg(test)]
mod code;
#[cfg(test)]
mod common;
#[cfg(test)]
mod delivery;
#[cfg(test)]
mod dpop;
#[cfg(test)]
mod family_history;
#[cfg(test)]
mod family_properties;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod logout;
#[cfg(test)]
mod logout_urls;
#[cfg(test)]
mod params;
#[cfg(test)]
mod preview;
#[cfg(test)]
mod redirect;
#[cfg(test)]
mod refresh_bound;
#[cfg(test)]
mod refresh_elsewhere;
#[cfg(test)]
mod refresh_exchange;
#[cfg(test)]
mod refresh_over;
#[cfg(test)]
mod refresh_policy;
#[cfg(test)]
mod refresh_repeat;
#[cfg(test)]
mod refresh_token;
#[cfg(test)]
mod refusal;
#[cfg(test)]
mod scope;
#[cfg(test)]
mod session_events;
#[cfg(test)]
mod session_history;
#[cfg(test)]
mod session_over;
#[cfg(test)]
mod session_properties;
mod session_status;
#[cfg(test)]
mod simulate;
#[cfg(test)]
mod simulate_properties;
#[cfg(test)]
mod simulate_provider;
#[cfg(test)]
mod simulate_upstream;
#[cfg(test)]
mod tokens;
#[cfg(test)]
mod upstream;
#[cfg(test)]
mod upstream_authentication;
#[cfg(test)]
mod upstream_farewell;
mod upstream_liveness;
mod upstream_signal;
#[cfg(test)]
mod user_end;
