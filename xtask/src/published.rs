//! The crates that are published: what they say of themselves, what is packed, and that each feature builds alone.
//! Packing itself needs the registry's index: `cargo package -p tenure-protocol -p tenure-app`.

use crate::run::{cargo, check, output};
use serde_json::Value;

const CRATES: [&str; 2] = ["tenure-protocol", "tenure-app"];

/// Each alone. With none of them sessions live in cookies or in memory.
const FEATURES: [&str; 4] = ["", "contract", "sqlite", "postgres"];

/// In one workspace the features that somebody switches on are everybody's; an application that uses one has that
/// one.
pub fn each_feature_alone() -> anyhow::Result<()> {
    for feature in FEATURES {
        check(cargo().args([
            "clippy",
            "--quiet",
            "--package",
            "tenure-app",
            "--lib",
            "--no-default-features",
            "--features",
            feature,
            "--",
            "--deny",
            "warnings",
        ]))?;
    }
    Ok(())
}

pub fn problems() -> anyhow::Result<Vec<String>> {
    let metadata = output(cargo().args(["metadata", "--no-deps", "--format-version", "1"]))?;
    let metadata: Value = serde_json::from_str(&metadata)?;
    let mut problems = Vec::new();
    for name in CRATES {
        let all = metadata.get("packages").and_then(Value::as_array);
        let mut all = all.into_iter().flatten();
        match all.find(|package| package["name"] == name) {
            Some(package) => problems.extend(said(name, package)),
            None => problems.push(format!("there is no crate {name}")),
        }
        let packed =
            output(cargo().args(["package", "--list", "--allow-dirty", "--package", name]))?;
        problems.extend(files(name, &packed));
    }
    Ok(problems)
}

/// What a registry shows, and what it refuses to do without.
fn said(name: &str, package: &Value) -> Vec<String> {
    let fields = [
        "description",
        "license",
        "repository",
        "readme",
        "rust_version",
        "keywords",
        "categories",
    ];
    let is_missing = |field: &&&str| {
        let value = &package[**field];
        value.is_null() || value.as_array().is_some_and(Vec::is_empty)
    };
    let mut problems: Vec<String> = fields
        .iter()
        .filter(is_missing)
        .map(|field| format!("{name} is published: its Cargo.toml needs {field}"))
        .collect();
    for dependency in package["dependencies"].as_array().into_iter().flatten() {
        let published = dependency["kind"] != "dev" && !dependency["path"].is_null();
        if published && dependency["req"] == "*" {
            problems.push(format!(
                "{name} is published: its dependency {} needs a version beside its path",
                dependency["name"]
            ));
        }
    }
    problems
}

/// Sources, the words about them, and nothing else.
fn files(name: &str, packed: &str) -> Vec<String> {
    let expected = ["README.md", "LICENSE", "src/lib.rs"];
    let made = [
        ".cargo_vcs_info.json",
        "Cargo.lock",
        "Cargo.toml",
        "Cargo.toml.orig",
    ];
    let missing = expected
        .iter()
        .filter(|file| !packed.lines().any(|line| line == **file))
        .map(|file| format!("{name} is published without {file}"));
    let needless = packed
        .lines()
        .filter(|file| {
            !file.starts_with("src/") && !expected.contains(file) && !made.contains(file)
        })
        .map(|file| format!("{name} is published with {file}, which nobody needs"));
    missing.chain(needless).collect()
}

#[cfg(test)]
mod tests {
    use super::{files, said};
    use serde_json::json;

    #[test]
    fn what_a_published_crate_lacks_is_named() {
        let mut package = json!({
            "description": "d", "license": "l", "repository": "r", "readme": "README.md", "rust_version": "1.95",
            "keywords": ["k"], "categories": ["c"],
            "dependencies": [
                {"name": "a", "kind": null, "path": "/a", "req": "^0.1.0"},
                {"name": "b", "kind": "dev", "path": "/b", "req": "*"},
            ],
        });
        assert!(said("x", &package).is_empty());
        package["keywords"] = json!([]);
        package["readme"] = json!(null);
        package["dependencies"][0]["req"] = json!("*");
        let problems = said("x", &package).join("\n");
        for word in ["readme", "keywords", "a version beside its path"] {
            assert!(problems.contains(word), "{problems}");
        }
    }

    #[test]
    fn what_is_packed_is_sources_and_words() {
        let fine = "Cargo.toml\nLICENSE\nREADME.md\nsrc/lib.rs\nsrc/a/b.rs";
        assert!(files("x", fine).is_empty());
        let problems = files("x", "Cargo.toml\nREADME.md\nsrc/lib.rs\ntests/it/main.rs");
        assert_eq!(problems.len(), 2, "{problems:?}");
    }
}
