//! `tenure simulate`: a file of settings, events and expectations, and what becomes of it.
//! The decisions are [`tenure_protocol::simulate`]'s; here is only how they are written and shown.

mod actions;
pub mod expect;
pub mod read;
pub mod svg;
pub mod text;

use expect::Expected;
use tenure_protocol::Timestamp;
use tenure_protocol::simulate::{Event, Settings};

/// The beginning of every simulation.
pub const START: Timestamp = Timestamp::from_millis(0);

/// A file, read.
#[derive(Debug)]
pub struct Script {
    pub title: Option<String>,
    pub settings: Settings,
    pub events: Vec<Step>,
    pub expected: Vec<Expected>,
}

/// An event, how the file writes it, and what its author expects of it.
#[derive(Debug)]
pub struct Step {
    pub line: usize,
    pub event: Event,
    pub words: String,
    /// The outcome's word or reason.
    pub expect: Option<String>,
}

/// A duration as the file writes it, such as `2h30m`.
pub fn parse_duration(text: &str) -> Option<i64> {
    if text.trim() == "0" {
        return Some(0);
    }
    let duration = humantime::parse_duration(text).ok()?;
    i64::try_from(duration.as_secs()).ok()
}

/// An instant as the time since the beginning.
pub fn since_start(at: Timestamp) -> String {
    let mut seconds = at.millis_since(START) / 1000;
    let mut text = String::new();
    for (unit, length) in [("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)] {
        let count = seconds / length;
        seconds %= length;
        if count > 0 {
            text.push_str(&format!("{count}{unit}"));
        }
    }
    if text.is_empty() {
        text.push_str("0s");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_written_as_they_are_read() {
        for (text, seconds, written) in [
            ("0", 0, "0s"),
            ("0s", 0, "0s"),
            ("90s", 90, "1m30s"),
            ("2h30m", 9_000, "2h30m"),
            ("1d", 86_400, "1d"),
            ("1d 1s", 86_401, "1d1s"),
        ] {
            assert_eq!(parse_duration(text), Some(seconds), "{text}");
            assert_eq!(since_start(START.plus(seconds)), written);
        }
        for text in ["", "10", "soon", "-1h"] {
            assert_eq!(parse_duration(text), None, "{text}");
        }
    }
}
