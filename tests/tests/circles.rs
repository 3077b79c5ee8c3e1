//! Files of one crate name each other in no circle, so that each can be read, and changed, after those that it names.
//!
//! A file names another by a path (`crate::`, `super::`, `self::`, or a child by its name), in a `use` or in the text. What a
//! module hands on (`pub use`) belongs to the file that has it. A file may always name those above it, which it is a part
//! of: `merkle::tile` may name `merkle`. Tests within a file are not looked at.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

const CRATES: &[&str] = &[
    "schemas",
    "store/merkle",
    "store/fold",
    "store",
    "edge",
    "ingest",
    "query",
    "verdict",
];

/// The circles that there still are: crate, files, and why. This list may only become shorter.
const KNOWN: &[(&str, &[&str], &str)] = &[
    (
        "schemas",
        &[
            "avro",
            "avro::released",
            "avro::whole",
            "avro::write",
            "encoding",
            "writer_schemas",
        ],
        "our own schemas are writers' schemas too: what a schema is, and which there are, is told in one file",
    ),
    (
        "store",
        &["views::apply", "views::maker", "views::observed"],
        "a maker takes its steps by work that changes the maker",
    ),
];

/// The module of a file, by its parts; the root of a crate has none.
type Module = Vec<String>;

/// What is to be known of a crate's files.
struct Files {
    /// The paths that each names.
    named: BTreeMap<Module, Vec<Vec<String>>>,
    /// What each hands on under which name.
    handed_on: BTreeMap<Module, BTreeMap<String, Vec<String>>>,
}

#[test]
fn files_of_a_crate_name_each_other_in_no_circle() {
    let mut found = Vec::new();
    for directory in CRATES {
        let source = Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .unwrap()
            .join(directory)
            .join("src");
        let circles = circles(&Files::read(&source).edges());
        found.extend(circles.into_iter().map(|circle| ((*directory).to_owned(), circle)));
    }
    let known: Vec<(String, BTreeSet<String>)> = KNOWN
        .iter()
        .map(|(directory, files, _)| ((*directory).to_owned(), files.iter().map(|f| (*f).to_owned()).collect()))
        .collect();
    for circle in &found {
        assert!(known.contains(circle), "a circle: {circle:#?}");
    }
    for circle in &known {
        assert!(
            found.contains(circle),
            "no circle any more, take it from the list: {circle:?}"
        );
    }
}

#[test]
fn a_circle_is_found_through_what_a_module_hands_on_and_not_where_a_part_names_its_whole() {
    let files = |texts: &[(&str, &str)]| {
        let mut files = Files {
            named: BTreeMap::new(),
            handed_on: BTreeMap::new(),
        };
        for (module, text) in texts {
            files.take_in(parts(module), text);
        }
        circles(&files.edges())
    };
    let round = [
        ("", "mod a;\nmod b;"),
        (
            "a",
            "mod inner;\npub use inner::{Thing, Other as Another};\nuse crate::b::B;",
        ),
        ("a::inner", "use super::Whole;"),
        ("b", "fn b() -> crate::c::C {}"),
        ("c", "use crate::{\n    a::{Another},\n    other::X,\n};"),
    ];
    assert_eq!(files(&round), Vec::<BTreeSet<String>>::new());
    let mut closed = round;
    closed[2].1 = "use crate::b::{self, B};";
    let circle: BTreeSet<String> = ["a::inner", "b", "c"].map(str::to_owned).into();
    assert_eq!(files(&closed), [circle]);
    closed[2].1 = "// crate::b::B\n#[cfg(test)]\nmod tests {\n    use crate::b::B;\n}";
    assert_eq!(files(&closed), Vec::<BTreeSet<String>>::new());
}

impl Files {
    fn read(source: &Path) -> Self {
        let mut files = Self {
            named: BTreeMap::new(),
            handed_on: BTreeMap::new(),
        };
        let mut folders = vec![source.to_path_buf()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                match (path.is_dir(), path.file_stem().unwrap() == "tests") {
                    (_, true) => {}
                    (true, false) => folders.push(path),
                    (false, false) => files.take_in(module(source, &path), &std::fs::read_to_string(&path).unwrap()),
                }
            }
        }
        assert!(files.named.len() > 3, "too few files to be true: {}", source.display());
        files
    }

    fn take_in(&mut self, module: Module, text: &str) {
        let shipped = text.split("#[cfg(test)]\nmod tests").next().unwrap();
        let lines = shipped.lines().filter(|line| !line.trim_start().starts_with("//"));
        let code = lines.collect::<Vec<_>>().join("\n");
        let (mut named, mut handed_on, mut rest) = (Vec::new(), BTreeMap::new(), String::new());
        for statement in code.split_inclusive(';') {
            let at = statement.find("use ").filter(|at| {
                let before = statement[..*at].rsplit('\n').next().unwrap().trim();
                before.is_empty() || before.starts_with("pub")
            });
            let Some(at) = at else {
                rest.push_str(statement);
                continue;
            };
            rest.push_str(&statement[..at]);
            let is_handed_on = statement[..at].trim_end().ends_with(['b', ')']);
            for (path, name) in uses(&statement[at + 4..statement.len() - 1]) {
                if is_handed_on {
                    handed_on.insert(name, path.clone());
                }
                named.push(path);
            }
        }
        named.extend(paths(&rest));
        self.named.insert(module.clone(), named);
        self.handed_on.insert(module, handed_on);
    }

    /// Which file names which.
    fn edges(&self) -> BTreeMap<Module, BTreeSet<Module>> {
        let of = |(module, named): (&Module, &Vec<Vec<String>>)| {
            let others = named.iter().filter_map(|path| self.file(module, path, 0));
            let others = others.filter(|other| !module.starts_with(other));
            (module.clone(), others.collect())
        };
        self.named.iter().map(of).collect()
    }

    /// The file that has what `module` names by a path.
    fn file(&self, module: &Module, path: &[String], hops: usize) -> Option<Module> {
        let (mut at, mut path) = (module.clone(), path);
        match path.first()?.as_str() {
            "crate" => (at, path) = (Module::new(), &path[1..]),
            "self" => path = &path[1..],
            "super" => {
                while path.first().is_some_and(|part| part == "super") {
                    at.pop();
                    path = &path[1..];
                }
            }
            _ => {
                at.push(path[0].clone());
                path = &path[1..];
                // Else it is of another crate.
                self.named.get(&at)?;
            }
        }
        while let Some(part) = path.first() {
            at.push(part.clone());
            if !self.named.contains_key(&at) {
                at.pop();
                break;
            }
            path = &path[1..];
        }
        let on = path.first().and_then(|name| self.handed_on.get(&at)?.get(name));
        match on {
            Some(on) if hops < 8 => self.file(&at, on, hops + 1).or(Some(at)),
            _ => Some(at),
        }
    }
}

fn parts(module: &str) -> Module {
    module
        .split("::")
        .filter(|part| !part.is_empty())
        .map(str::to_owned)
        .collect()
}

fn module(source: &Path, file: &Path) -> Module {
    let within: PathBuf = file.strip_prefix(source).unwrap().with_extension("");
    let mut parts: Module = within.iter().map(|part| part.to_str().unwrap().to_owned()).collect();
    parts.pop_if(|last| ["mod", "lib", "main"].contains(&last.as_str()));
    parts
}

/// The paths of a tree of `use`, each with the name that it gets.
fn uses(tree: &str) -> Vec<(Vec<String>, String)> {
    let tree = tree.trim();
    let Some((before, within)) = tree.split_once('{') else {
        let (path, name) = tree
            .split_once(" as ")
            .map_or((tree, None), |(path, name)| (path, Some(name)));
        let mut path = parts(path.trim());
        path.pop_if(|last| last == "self");
        let name = name
            .map(str::trim)
            .or(path.last().map(String::as_str))
            .unwrap_or_default()
            .to_owned();
        return vec![(path, name)];
    };
    let within = within.rsplit_once('}').unwrap().0;
    let (mut found, mut depth, mut begin) = (Vec::new(), 0, 0);
    for (at, c) in within.char_indices().chain([(within.len(), ',')]) {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                let branch = within[begin..at].trim();
                if !branch.is_empty() {
                    found.extend(uses(&format!("{before}{branch}")));
                }
                begin = at + 1;
            }
            _ => {}
        }
    }
    found
}

/// The paths that begin with `crate`, `super` or `self` in a text that has no `use`.
fn paths(text: &str) -> Vec<Vec<String>> {
    let words = text.split(|c: char| !c.is_alphanumeric() && c != '_' && c != ':');
    let of_ours = words.map(parts).filter(|path| path.len() > 1);
    of_ours
        .filter(|path| ["crate", "super", "self"].contains(&path[0].as_str()))
        .collect()
}

/// The files that can each be reached from each other.
fn circles(edges: &BTreeMap<Module, BTreeSet<Module>>) -> Vec<BTreeSet<String>> {
    let reached = |from: &Module| {
        let (mut reached, mut next) = (BTreeSet::new(), vec![from]);
        while let Some(at) = next.pop() {
            let new = edges
                .get(at)
                .into_iter()
                .flatten()
                .filter(|other| reached.insert(*other));
            next.extend(new.collect::<Vec<_>>());
        }
        reached
    };
    let reached: BTreeMap<&Module, BTreeSet<&Module>> = edges.keys().map(|from| (from, reached(from))).collect();
    let mut circles = Vec::new();
    for (from, others) in reached.iter().filter(|(from, others)| others.contains(*from)) {
        let back = others
            .iter()
            .filter(|other| reached.get(**other).is_some_and(|there| there.contains(from)));
        let circle: BTreeSet<String> = back.map(|module| module.join("::")).collect();
        if !circles.contains(&circle) {
            circles.push(circle);
        }
    }
    circles
}
