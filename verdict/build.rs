//! Which commit this is built of, for `verdict --version`: what `VERDICT_COMMIT` says, else git, else what `git archive` wrote into
//! `commit.txt`. Cargo runs this again when the commit is another one, and then builds this one package anew.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

fn main() -> std::io::Result<()> {
    let here = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let given = std::env::var("VERDICT_COMMIT").ok().filter(|commit| !commit.is_empty());
    let commit = given.or_else(|| of_git(&here)).or_else(|| of_archive(&here));
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "cargo::rustc-env=VERDICT_COMMIT={}",
        commit.as_deref().unwrap_or("unknown")
    )?;
    writeln!(out, "cargo::rerun-if-env-changed=VERDICT_COMMIT")?;
    writeln!(out, "cargo::rerun-if-changed=commit.txt")?;
    // The log of HEAD grows with each commit and checkout. What is not there must not be named: cargo would run this always.
    for name in ["HEAD", "logs/HEAD", "refs/heads"] {
        let path = git(&here, &["rev-parse", "--git-path", name]).map(|path| here.join(path));
        if let Some(path) = path.filter(|path| path.exists()) {
            writeln!(out, "cargo::rerun-if-changed={}", path.display())?;
        }
    }
    Ok(())
}

/// The commit of the checkout that this is in; not of one that an unpacked archive merely lies in.
fn of_git(here: &Path) -> Option<String> {
    let top = PathBuf::from(git(here, &["rev-parse", "--show-toplevel"])?);
    let ours = top.canonicalize().ok()? == here.parent()?.canonicalize().ok()?;
    ours.then(|| git(here, &["rev-parse", "--short=12", "HEAD"])).flatten()
}

fn of_archive(here: &Path) -> Option<String> {
    let text = std::fs::read_to_string(here.join("commit.txt")).ok()?;
    let commit: String = text.trim().chars().take(12).collect();
    commit
        .chars()
        .all(|c| c.is_ascii_hexdigit())
        .then_some(commit)
        .filter(|commit| !commit.is_empty())
}

fn git(here: &Path, arguments: &[&str]) -> Option<String> {
    let told = Command::new("git").arg("-C").arg(here).args(arguments).output().ok()?;
    let text = String::from_utf8(told.stdout).ok()?;
    told.status
        .success()
        .then(|| text.trim().to_owned())
        .filter(|text| !text.is_empty())
}
