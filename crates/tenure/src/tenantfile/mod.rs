//! The tenant file: what Auth0's Deploy CLI exports, plus client ids and secrets, plus users.
//! Read with line numbers, compared with the installation, applied in one transaction.

pub mod change;
mod connection;
mod credentials;
pub mod known;
pub mod lint;
mod lint_connection;
mod lint_logout;
mod management;
pub mod plan;
mod present;
pub mod read;
mod together;
pub mod typed;
pub mod user;
pub mod yaml;

/// Something to say about a file, with its line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub severity: Severity,
    pub line: usize,
    pub message: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The file cannot be applied.
    Error,
    /// It can, but will not do what its author expects.
    Warning,
}

/// Gathers findings.
#[derive(Debug, Default)]
pub struct Findings(pub Vec<Finding>);

impl Findings {
    pub fn error(&mut self, line: usize, message: impl Into<String>) {
        self.0.push(Finding {
            severity: Severity::Error,
            line,
            message: message.into(),
        });
    }

    pub fn warn(&mut self, line: usize, message: impl Into<String>) {
        self.0.push(Finding {
            severity: Severity::Warning,
            line,
            message: message.into(),
        });
    }

    /// The errors in the order of their lines.
    pub fn errors(&self) -> Vec<&Finding> {
        let mut errors: Vec<&Finding> = self
            .0
            .iter()
            .filter(|finding| finding.severity == Severity::Error)
            .collect();
        errors.sort_by_key(|error| error.line);
        errors
    }

    pub fn first_error(&self) -> Option<&Finding> {
        self.0
            .iter()
            .find(|finding| finding.severity == Severity::Error)
    }
}
