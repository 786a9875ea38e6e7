//! Documents name the tests that show what they say: every test that they name exists.

use crate::run::root;
use std::collections::BTreeSet;

/// Tables whose last column names tests: functions between back ticks, tests of `e2e/test` between
/// quotation marks.
const DOCUMENTS: [&str; 3] = ["docs/contract.md", "docs/specs.md", "docs/lessons.md"];

pub fn problems(files: &BTreeSet<String>) -> anyhow::Result<Vec<String>> {
    let code = Code::read(files);
    let mut problems = Vec::new();
    for document in DOCUMENTS {
        let text = std::fs::read_to_string(root().join(document))?;
        for (number, line) in text.lines().enumerate() {
            let Some(cell) = last_cell(line) else {
                continue;
            };
            for name in missing(cell, &code) {
                problems.push(format!(
                    "{document}:{}: there is no test {name}",
                    number + 1
                ));
            }
        }
    }
    Ok(problems)
}

/// What the repository's tests are called.
struct Code {
    functions: BTreeSet<String>,
    /// Lines that begin a test in `e2e/test`.
    titles: Vec<String>,
}

impl Code {
    fn read(files: &BTreeSet<String>) -> Self {
        let mut code = Self {
            functions: BTreeSet::new(),
            titles: Vec::new(),
        };
        for file in files {
            let rust = file.starts_with("crates/") && file.ends_with(".rs");
            let end_to_end = file.starts_with("e2e/test/");
            if !rust && !end_to_end {
                continue;
            }
            let text = std::fs::read_to_string(root().join(file)).unwrap_or_default();
            if rust {
                code.functions.extend(text.lines().filter_map(function));
            } else {
                let titles = text.lines().map(str::trim_start);
                let titles = titles.filter(|line| line.starts_with("test("));
                code.titles.extend(titles.map(str::to_owned));
            }
        }
        code
    }
}

fn function(line: &str) -> Option<String> {
    let (_, rest) = line.split_once("fn ")?;
    let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_')?;
    rest.get(..end).map(str::to_owned)
}

/// The last cell of a table's row.
fn last_cell(line: &str) -> Option<&str> {
    let row = line.strip_prefix('|')?.trim_end().strip_suffix('|')?;
    row.rsplit(" | ").next()
}

fn missing<'c>(cell: &'c str, code: &Code) -> Vec<&'c str> {
    let between = |mark| cell.split(mark).skip(1).step_by(2);
    // A table about something else has other things between its marks: settings, versions, paths.
    let functions = between('`').filter(|name| {
        let snake = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        name.contains('_') && name.chars().all(snake)
    });
    let titles = between('"').filter(|title| {
        let fixed = title.split('…').next().unwrap_or_default();
        let known = |line: &String| line.contains(fixed);
        !code.titles.iter().any(known)
    });
    functions
        .filter(|name| !code.functions.contains(*name))
        .chain(titles)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_named() {
        let code = Code {
            functions: ["a_test".to_owned()].into(),
            titles: vec!["test(`D1: with ${what}`, async () => {".to_owned()],
        };
        let table = [
            ("`a_test`, \"D1: with …\"", vec![]),
            ("`b_test`", vec!["b_test"]),
            ("\"D1: without\"", vec!["D1: without"]),
            ("`/a/path.rs`, -", vec![]),
        ];
        for (cell, expected) in table {
            assert_eq!(missing(cell, &code), expected, "{cell}");
        }
        assert_eq!(last_cell("| a | b | `c` |"), Some("`c` "));
        assert_eq!(last_cell("no row"), None);
        assert_eq!(
            function("pub async fn a_test() {").as_deref(),
            Some("a_test")
        );
    }
}
