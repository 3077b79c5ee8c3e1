//! `verdict token`: makes, lists and revokes the tokens of a token file, which a running node reads again when it changes.
//!
//! The file holds digests and no secret, so a token is shown once, when it is made, on standard output and nowhere else. The
//! file is replaced whole, by a rename: a node never sees half of it. Comments and order stay as they are.

use std::path::Path;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use toml_edit::{ArrayOfTables, DocumentMut, Item, Table, value};
use verdict_edge::access::Access;

use crate::cli::{ListArgs, NewArgs, Output, RevokeArgs, TokenCommand};
use crate::exit::{Failure, sentence};
use crate::output::{cell, json_line, line, must, note, room, table};

/// Every token begins so: who finds one in a log or a repository knows what to revoke, and scanners can look for it.
const PREFIX: &str = "vdt_";
/// Digits of a digest that a token is known by in lists.
const SHOWN: usize = 12;

/// `verdict token`
pub(crate) fn run(command: &TokenCommand) -> Result<(), Failure> {
    match command {
        TokenCommand::New(args) => new(args),
        TokenCommand::List(args) => list(args),
        TokenCommand::Revoke(args) => revoke(args),
    }
}

fn new(args: &NewArgs) -> Result<(), Failure> {
    let mut secret = [0; 32];
    getrandom::fill(&mut secret).map_err(|e| Failure::unreachable("no randomness is to be had", e))?;
    let token = format!("{PREFIX}{}", hex::encode(secret));
    let strings = |of: &[String]| of.iter().map(|one| one.trim()).collect::<toml_edit::Array>();
    let mut entry = Table::new();
    entry.insert("name", value(&args.name));
    entry.insert("sha256", value(hex::encode(Sha256::digest(token.as_bytes()))));
    entry.insert("tenants", value(strings(&args.tenants)));
    entry.insert("roles", value(strings(&args.roles)));
    match &args.file {
        Some(path) => {
            let mut file = if path.exists() { read(path)? } else { DocumentMut::new() };
            // What a file without an entry says stays above the first.
            let above = file.trailing().as_str().unwrap_or_default().trim_end().to_owned();
            if entries(&mut file, path)?.is_empty() && !above.is_empty() {
                file.set_trailing("");
                entry.decor_mut().set_prefix(format!("{above}\n\n"));
            }
            entries(&mut file, path)?.push(entry);
            write(path, &file)?;
            note(&format!(
                "added to `{}`; a node that uses it takes it within seconds. The token is shown this once:",
                path.display()
            ));
        }
        None => {
            let mut file = DocumentMut::new();
            entries(&mut file, Path::new("the entry"))?.push(entry);
            check(&file, "the entry")?;
            note("for the token file:");
            file.to_string().lines().for_each(note);
            note("the token, which is shown this once:");
        }
    }
    line(&token)
}

fn list(args: &ListArgs) -> Result<(), Failure> {
    let mut file = read(&args.file)?;
    check(&file, &args.file.display().to_string())?;
    let shown = entries(&mut file, &args.file)?.iter().map(|entry| {
        let list = |name: &str| -> Vec<&str> {
            let array = entry.get(name).and_then(Item::as_array);
            array.into_iter().flatten().filter_map(|one| one.as_str()).collect()
        };
        let digest = text(entry, "sha256");
        json!({"name": text(entry, "name"), "sha256": digest, "tenants": list("tenants"), "roles": list("roles")})
    });
    let items: Vec<Value> = shown.collect();
    match args.output {
        Output::Ndjson => return items.iter().try_for_each(|item| json_line(&item.to_string())),
        Output::Json => return json_line(&json!({"items": items}).to_string()),
        Output::Table | Output::Wide | Output::Csv => {}
    }
    let mut rows = table(&[must("name"), must("digest"), room("tenants", 1), room("roles", 2)]);
    for item in &items {
        let joined = |name: &str| {
            let list = item[name].as_array().into_iter().flatten().filter_map(Value::as_str);
            list.collect::<Vec<_>>().join(",")
        };
        let digest = item["sha256"].as_str().unwrap_or_default();
        rows.add_row([
            cell(item, "/name"),
            digest.get(..SHOWN).unwrap_or(digest).to_owned().into(),
            joined("tenants").into(),
            joined("roles").into(),
        ]);
    }
    rows.print(args.output)
}

fn revoke(args: &RevokeArgs) -> Result<(), Failure> {
    let mut file = read(&args.file)?;
    let wanted = args.token.as_str();
    let tokens = entries(&mut file, &args.file)?;
    let is_meant = |entry: &Table| {
        text(entry, "name") == wanted || (wanted.len() >= 8 && text(entry, "sha256").starts_with(wanted))
    };
    let meant: Vec<usize> = (0..tokens.len())
        .filter(|place| tokens.get(*place).is_some_and(is_meant))
        .collect();
    match meant[..] {
        [] => Err(Failure::Unknown(format!(
            "`{}` has no token `{wanted}`; `verdict token list` shows them",
            args.file.display()
        ))),
        [place] => {
            // What stands above it after an empty line, such as the head of the file, is not about it.
            let prefix = |entry: &Table| {
                entry
                    .decor()
                    .prefix()
                    .and_then(|raw| raw.as_str())
                    .unwrap_or_default()
                    .to_owned()
            };
            let above = tokens.get(place).map(prefix).unwrap_or_default();
            let kept = above.rfind("\n\n").map_or("", |end| &above[..end + 2]);
            if let Some(next) = tokens.get_mut(place + 1) {
                let own = prefix(next);
                next.decor_mut()
                    .set_prefix(format!("{kept}{}", own.trim_start_matches('\n')));
            }
            tokens.remove(place);
            write(&args.file, &file)?;
            note(&format!(
                "taken out of `{}`; a node that uses it lets it in no more, within seconds",
                args.file.display()
            ));
            Ok(())
        }
        _ => {
            let digests = meant.iter().filter_map(|place| tokens.get(*place)).map(|entry| {
                let digest = text(entry, "sha256");
                digest.get(..SHOWN).unwrap_or(digest).to_owned()
            });
            let digests: Vec<String> = digests.collect();
            Err(Failure::Usage(format!(
                "{} tokens are meant by `{wanted}`: say which, by its digest: {}",
                digests.len(),
                digests.join(", ")
            )))
        }
    }
}

fn text<'a>(entry: &'a Table, name: &str) -> &'a str {
    entry.get(name).and_then(Item::as_str).unwrap_or_default()
}

fn read(path: &Path) -> Result<DocumentMut, Failure> {
    let shown = path.display();
    let text = std::fs::read_to_string(path).map_err(|e| Failure::Usage(format!("token file `{shown}`: {e}")))?;
    text.parse()
        .map_err(|e| Failure::Usage(format!("token file `{shown}`: {}", sentence(e))))
}

fn entries<'a>(file: &'a mut DocumentMut, path: &Path) -> Result<&'a mut ArrayOfTables, Failure> {
    let tokens = file
        .entry("token")
        .or_insert_with(|| Item::ArrayOfTables(ArrayOfTables::new()));
    let wrong = || {
        Failure::Usage(format!(
            "token file `{}`: `token` must be written as [[token]]",
            path.display()
        ))
    };
    tokens.as_array_of_tables_mut().ok_or_else(wrong)
}

/// What a node would say of it.
fn check(file: &DocumentMut, shown: &str) -> Result<(), Failure> {
    Access::parse(&file.to_string(), shown)
        .map(drop)
        .map_err(|e| Failure::Usage(sentence(e)))
}

/// Replaces the file by one that a node takes, with the permissions of the one before.
fn write(path: &Path, file: &DocumentMut) -> Result<(), Failure> {
    check(file, &path.display().to_string())?;
    let failed = |e: std::io::Error| Failure::unreachable(format!("cannot write `{}`", path.display()), e);
    // A link stays one, and what it leads to is replaced.
    let path = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let mut beside = path.clone().into_os_string();
    beside.push(".new");
    std::fs::write(&beside, file.to_string()).map_err(failed)?;
    if let Ok(before) = std::fs::metadata(&path) {
        std::fs::set_permissions(&beside, before.permissions()).map_err(failed)?;
    }
    std::fs::rename(&beside, &path).map_err(failed)
}
