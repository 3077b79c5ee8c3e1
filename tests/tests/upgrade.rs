//! A data directory of the first format, made by the release that had it: it opens, nothing in it has changed, and every
//! answer is the one that release gave.
//!
//! `golden/format-1.tar.zst` holds the directory `data` (through Kafka and over HTTP: counted events, a conflict, Avro of
//! a schema that was archived and of one that never came, what is no event, a record that belongs to nobody, an OPA's
//! report), and in `answers` what that release answered about it.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;
use verdict_tests::server::{Answer, Server, verdict};

/// When that release was asked, and what each log was then.
const ASKED: &str = "2026-11-30T17:12:28Z";
const LOGS: &[(&str, u64, &str)] = &[
    (
        "_platform",
        1,
        "46a0bbad9e2fbb9ba771656a3aa01a101c8df059162a1f56d48f40c69891c0a9",
    ),
    (
        "_unrouted.1",
        1,
        "0fd594fe331bb0db416e483f487750b7ac49610b242f93a5fd6bb7e184d79d4e",
    ),
    (
        "acme",
        314,
        "a43262edd4a5c6df902bd78eef3da90df5c59ea8dbfc8a6d5094458976c2e60c",
    ),
    (
        "globex",
        7,
        "04cf7804585e959d8f899c9872f0d90aebef06aed44706a5c849ec81fdc70552",
    ),
];

async fn unpack(into: &Path) -> Result<()> {
    let archive = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/format-1.tar.zst");
    let archive = zstd::decode_all(std::fs::File::open(archive)?)?;
    let mut tar = Command::new("tar")
        .args(["-x", "-f", "-", "-C"])
        .arg(into)
        .stdin(Stdio::piped())
        .spawn()?;
    tar.stdin.take().context("stdin")?.write_all(&archive).await?;
    ensure!(tar.wait().await?.success(), "tar");
    Ok(())
}

/// The logs as `verdict audit` has them, and whether it compared the views.
async fn audit(data: &Path) -> Result<(Vec<(String, u64, String)>, bool)> {
    let output = verdict(
        &["audit", "--output", "json", "--data", &data.display().to_string()],
        b"",
    )
    .await?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    let report: Value = serde_json::from_slice(&output.stdout)?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let logs = report["logs"].as_array().context("logs")?;
    let logs = logs.iter().map(|log| {
        let size = log["size"].as_u64().unwrap_or_default();
        assert_eq!(log["hashed"], size);
        (text(&log["log"]), size, text(&log["root"]))
    });
    Ok((logs.collect(), report["view_rows"].is_u64()))
}

/// The questions that were asked, each with the file of its answer.
fn questions() -> Vec<(String, PathBuf)> {
    let all = format!("decisions?from=2026-01-01T00:00:00Z&to={ASKED}&limit=1000");
    let at = |what: &str| format!("{what}?environment=prod&at={ASKED}");
    let paths = [
        at("effective"),
        at("agents"),
        format!("rollouts?at={ASKED}"),
        "quarantine".to_owned(),
        all,
    ];
    let of = |tenant: &str| {
        let file = |path: &str| format!("{tenant}-{}.json", path.split('?').next().unwrap_or_default());
        paths
            .clone()
            .map(|path| (format!("/v1/tenants/{tenant}/{path}"), file(&path).into()))
    };
    [of("acme"), of("globex")].concat()
}

/// An answer without what the moment of asking gives it, without when an event acts, which that release did not say beside it,
/// without records of unknown kinds, which its quarantine did not show unless asked, and without why a note of ours is no event: of those it said that they have no kind, and now they say what was wrong with the
/// bytes that they stand for.
fn settled(mut answer: Value) -> Value {
    let remove = |from: &mut Value, names: &[&str]| {
        if let Some(members) = from.as_object_mut() {
            members.retain(|name, _| !names.contains(&name.as_str()));
        }
    };
    remove(&mut answer, &["as_of", "known_at", "settled"]);
    let mut items = answer.get_mut("items").and_then(Value::as_array_mut);
    if let Some(items) = &mut items {
        items.retain(|item| item["flag"] != "unknown_kind");
    }
    for item in items.into_iter().flatten() {
        if item.pointer("/json/quarantined").is_some() {
            remove(item, &["rule", "field", "detail"]);
        }
        if item.get("event").is_some() {
            remove(item, &["acts_at"]);
        }
    }
    answer
}

#[tokio::test]
async fn a_directory_of_the_first_format_opens_unchanged_and_answers_as_it_did() -> Result<()> {
    let logs: Vec<_> = LOGS
        .iter()
        .map(|(name, size, root)| ((*name).to_owned(), *size, (*root).to_owned()))
        .collect();
    let mut server = Server::start::<&str>(&[]).await?;
    server.stop().await?;
    std::fs::remove_dir_all(server.data())?;
    let folder = server.data().parent().context("a parent")?.to_path_buf();
    unpack(&folder).await?;
    ensure!(server.data().ends_with("data"), "{}", server.data().display());

    // It can be audited before it is opened: without a change, and without views, which are of the release that wrote it.
    assert_eq!(audit(&server.data()).await?, (logs.clone(), false));

    let ask = async |server: &Server| -> Result<()> {
        for (path, file) in questions() {
            let before: Value = serde_json::from_slice(&std::fs::read(folder.join("answers").join(file))?)?;
            let now = server.get_json(&path).await?;
            assert_eq!(settled(now), settled(before.clone()), "{path}");
            if !path.contains("/effective?") {
                continue;
            }
            // What its token pins is there and the same; the rules that it names are not those of this release, which has
            // a token of its own for the same sizes.
            let asked = async |token: &Value| -> Result<Answer> {
                let token = token.as_str().context("a token")?;
                let (path, _) = path.split_once('?').context("a query")?;
                server.get(&format!("{path}?environment=prod&as_of={token}")).await
            };
            let refused = asked(&before["as_of"]).await?;
            let problem = refused.json()?;
            assert_eq!(
                (refused.status.as_u16(), &problem["type"]),
                (409, &"/problems/reinterpreted".into())
            );
            let own = asked(&problem["as_of"]).await?.json()?;
            assert_eq!((&own["policies"], &own["logs"]), (&before["policies"], &before["logs"]));
        }
        Ok(())
    };
    server.restart().await?;
    ask(&server).await?;
    server.stop().await?;
    server.restart().await?;
    ask(&server).await?;

    server.stop().await?;
    assert_eq!(audit(&server.data()).await?, (logs, true));
    Ok(())
}
