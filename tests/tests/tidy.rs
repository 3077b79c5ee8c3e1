//! The habits that a program can check: the arrows between the rooms, who may name what, the size and the opening of
//! every file, and that nothing points outside the project.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may stop at the first surprise")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Package, its directory, and the packages of ours that it may depend on (tests aside).
const ARROWS: &[(&str, &str, &[&str])] = &[
    ("verdict-schemas", "schemas", &[]),
    ("verdict-merkle", "store/merkle", &[]),
    ("verdict-fold", "store/fold", &["verdict-schemas"]),
    (
        "verdict-store",
        "store",
        &["verdict-schemas", "verdict-merkle", "verdict-fold"],
    ),
    (
        "verdict-edge",
        "edge",
        &["verdict-schemas", "verdict-store", "verdict-fold"],
    ),
    (
        "verdict-ingest",
        "ingest",
        &["verdict-schemas", "verdict-store", "verdict-edge"],
    ),
    (
        "verdict-query",
        "query",
        &["verdict-schemas", "verdict-store", "verdict-fold", "verdict-edge"],
    ),
    (
        "verdict",
        "verdict",
        &[
            "verdict-schemas",
            "verdict-store",
            "verdict-edge",
            "verdict-ingest",
            "verdict-query",
        ],
    ),
];

/// What only one room may depend on.
const OWNED: &[(&str, &[&str])] = &[
    ("rocksdb", &["verdict-store"]),
    ("rdkafka", &["verdict-ingest"]),
    ("apache-avro", &["verdict-schemas"]),
    ("clap", &["verdict"]),
    ("problem_details", &["verdict-edge"]),
];

/// No file of Rust is longer; a test may be a little longer than what ships.
const MOST_LINES: usize = 400;
const MOST_LINES_OF_A_TEST: usize = 600;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

fn manifest(directory: &str) -> toml::Table {
    let path = root().join(directory).join("Cargo.toml");
    std::fs::read_to_string(&path)
        .unwrap_or_else(|e| panic!("{}: {e}", path.display()))
        .parse()
        .unwrap()
}

fn dependencies(manifest: &toml::Table) -> BTreeSet<String> {
    let table = manifest.get("dependencies").and_then(toml::Value::as_table);
    table.into_iter().flat_map(|t| t.keys().cloned()).collect()
}

/// Every file under version control, or about to be.
fn files() -> Vec<PathBuf> {
    let listed = std::process::Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(
        listed.status.success(),
        "git ls-files failed: {}",
        String::from_utf8_lossy(&listed.stderr)
    );
    let names = String::from_utf8(listed.stdout).unwrap();
    let found: Vec<PathBuf> = names.lines().map(|n| root().join(n)).filter(|p| p.is_file()).collect();
    assert!(found.len() > 50, "too few files to be true: {}", found.len());
    found
}

fn rust_files() -> Vec<(String, String)> {
    let all = files().into_iter().filter(|p| p.extension().is_some_and(|e| e == "rs"));
    all.map(|p| (shown(&p), std::fs::read_to_string(&p).unwrap())).collect()
}

fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap().display().to_string()
}

fn is_test(path: &str) -> bool {
    path.starts_with("tests/") || path.contains("/tests/") || path.contains("/benches/") || path.ends_with("tests.rs")
}

#[test]
fn the_arrows_are_as_drawn() {
    for (package, directory, allowed) in ARROWS {
        let manifest = manifest(directory);
        let name = manifest["package"]["name"].as_str().unwrap();
        assert_eq!(name, *package, "{directory}");
        for dependency in dependencies(&manifest) {
            let ours = dependency.starts_with("verdict-") || dependency == "verdict";
            assert!(
                !ours || allowed.contains(&dependency.as_str()),
                "{package} must not depend on {dependency}"
            );
        }
    }
}

/// A dependency that only this package's manifest needs, to agree with the others on features (the manifest says why).
const FOR_FEATURES: &[(&str, &str)] = &[("tests", "proptest")];

#[test]
fn no_dependency_is_unused() {
    let code = rust_files();
    let mut wrong = Vec::new();
    for member in manifest(".")["workspace"]["members"].as_array().unwrap() {
        let directory = member.as_str().unwrap();
        let nested = |path: &str| {
            ["store/merkle/", "store/fold/"]
                .iter()
                .any(|n| directory == "store" && path.starts_with(n))
        };
        let of = |shipped: bool| -> String {
            let own = code
                .iter()
                .filter(|(path, _)| path.starts_with(&format!("{directory}/")) && !nested(path));
            own.filter(|(path, _)| !shipped || path.contains("/src/") || directory == "tests")
                .map(|(_, text)| text.as_str())
                .collect()
        };
        let names = |text: &str, dependency: &str| {
            let name = dependency.replace('-', "_");
            text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
                .any(|word| word == name)
        };
        let manifest = manifest(directory);
        let table = |name: &str| {
            manifest
                .get(name)
                .and_then(toml::Value::as_table)
                .cloned()
                .unwrap_or_default()
        };
        for (section, shipped) in [("dependencies", true), ("dev-dependencies", false)] {
            for dependency in table(section).keys() {
                if !names(&of(shipped), dependency) && !FOR_FEATURES.contains(&(directory, dependency)) {
                    wrong.push(format!("{directory}: {dependency} in [{section}]"));
                }
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "named in a manifest, and nowhere in the code: {}",
        wrong.join(", ")
    );
}

#[test]
fn what_one_room_owns_no_other_names() {
    for (package, directory, _) in ARROWS {
        for dependency in dependencies(&manifest(directory)) {
            if let Some((_, owners)) = OWNED.iter().find(|(owned, _)| *owned == dependency) {
                assert!(
                    owners.contains(package),
                    "{package} names {dependency}, which belongs to {owners:?}"
                );
            }
        }
    }
}

#[test]
fn the_pure_packages_do_no_io() {
    let banned = [
        "std::fs",
        "std::net",
        "std::process",
        "tokio::",
        "SystemTime::now",
        "Instant::now",
        "rocksdb",
    ];
    for (path, text) in rust_files() {
        let pure = ["schemas/src/", "store/merkle/src/", "store/fold/src/"]
            .iter()
            .any(|p| path.starts_with(p));
        if pure {
            let shipped = text.split("#[cfg(test)]").next().unwrap_or("");
            for word in banned {
                let used = shipped
                    .lines()
                    .any(|l| !l.trim_start().starts_with("//") && l.contains(word));
                assert!(
                    !used,
                    "{path} uses `{word}`: schemas, merkle and fold do no IO and know no clock"
                );
            }
        }
    }
}

#[test]
fn every_package_inherits_the_lints() {
    let members = manifest(".")["workspace"]["members"].as_array().unwrap().clone();
    for member in members {
        let directory = member.as_str().unwrap().to_owned();
        let lints = manifest(&directory)
            .get("lints")
            .and_then(|l| l.get("workspace"))
            .cloned();
        assert_eq!(
            lints,
            Some(toml::Value::Boolean(true)),
            "{directory}: [lints] workspace = true"
        );
    }
}

#[test]
fn files_are_short_and_open_with_their_story() {
    let mut wrong = Vec::new();
    for (path, text) in rust_files() {
        let lines = text.lines().count();
        let most = if is_test(&path) {
            MOST_LINES_OF_A_TEST
        } else {
            MOST_LINES
        };
        if lines > most {
            wrong.push(format!("{path}: {lines} lines, more than {most}"));
        }
        if !text.trim_start().starts_with("//!") {
            wrong.push(format!("{path}: does not open with a module doc (//!)"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn modules_are_named_by_what_they_do() {
    let vague = BTreeSet::from(["util", "utils", "common", "helpers", "helper", "misc", "stuff"]);
    for path in files() {
        let stem = path.file_stem().unwrap().to_string_lossy().into_owned();
        assert!(
            !vague.contains(stem.as_str()),
            "{}: name it by what it does",
            shown(&path)
        );
    }
}

#[test]
fn nothing_is_left_undone_silently() {
    // In pieces, so that this file does not hold what it looks for.
    let banned: Vec<String> = [
        ("todo", "!("),
        ("unimplemented", "!("),
        ("dbg", "!("),
        ("#[igno", "re"),
        ("FIX", "ME"),
        ("#[allow", "("),
    ]
    .iter()
    .map(|(a, b)| format!("{a}{b}"))
    .collect();
    let mut wrong = Vec::new();
    for (path, text) in rust_files() {
        for word in &banned {
            if text.contains(word.as_str()) {
                wrong.push(format!("{path}: `{word}`"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_project_stands_alone() {
    let banned: Vec<String> = [("/wo", "rk/"), ("../sha", "red"), (".lib", "rary"), ("/ro", "ot/")]
        .iter()
        .map(|(a, b)| format!("{a}{b}"))
        .collect();
    let mut wrong = Vec::new();
    for path in files() {
        // Recorded payloads are what they are.
        let Ok(text) = std::fs::read_to_string(&path) else {
            continue;
        };
        for word in &banned {
            if text.contains(word.as_str()) {
                wrong.push(format!("{}: names `{word}`", shown(&path)));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_documents_name_files_that_exist() {
    let mut wrong = Vec::new();
    for path in files().into_iter().filter(|p| p.extension().is_some_and(|e| e == "md")) {
        let text = std::fs::read_to_string(&path).unwrap();
        for target in links(&text) {
            let beside = path.parent().unwrap().join(&target);
            if !beside.exists() {
                wrong.push(format!("{}: {target} is not there", shown(&path)));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Targets of Markdown links that are paths of the project.
fn links(text: &str) -> Vec<String> {
    let parts = text
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split_once(')'))
        .map(|(target, _)| target);
    let local = parts.filter(|t| !t.contains("://") && !t.starts_with('#') && !t.is_empty());
    local.map(|t| t.split('#').next().unwrap_or(t).to_owned()).collect()
}

#[test]
fn each_invariant_is_named_in_the_architecture_and_cited_by_code_and_tests() {
    let architecture = std::fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let mut cited: BTreeMap<String, (bool, bool)> = BTreeMap::new();
    for (path, text) in rust_files() {
        for n in 1..=7 {
            let name = format!("A{n}");
            let named = text
                .split(|c: char| !c.is_ascii_alphanumeric())
                .any(|word| word == name);
            let seen = cited.entry(name).or_default();
            if named && path != "tests/tests/tidy.rs" {
                if is_test(&path) { seen.1 = true } else { seen.0 = true }
            }
        }
    }
    for (name, (code, test)) in cited {
        assert!(
            architecture.contains(&format!("**{name}**")),
            "ARCHITECTURE.md does not name {name}"
        );
        assert!(code, "no code cites {name}");
        assert!(test, "no test cites {name}");
    }
}
