//! `verdict audit` beside a node that has the directory open, takes events, makes views, and removes files.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use verdict_tests::events::{ago, decision, seen};
use verdict_tests::server::{Server, verdict};

const TENANTS: [&str; 3] = ["acme", "globex", "initech"];
const AUDITS: usize = 10;

/// Emits without end, until the other side has seen enough; tells how many events were accepted.
async fn emit(server: &Server, tenant: &str, enough: &AtomicBool) -> Result<u64> {
    let mut accepted = 0;
    for batch in 0.. {
        if enough.load(Ordering::Relaxed) {
            break;
        }
        let events: Vec<Value> = (0..200)
            .map(|i| match i % 10 {
                0 => seen(tenant, &ago(0), &format!("a{}", i % 30), "v1"),
                _ => decision(tenant, &ago(0), "a1", &format!("u{batch}-{i}"), "v1"),
            })
            .collect();
        let answer = server.emit(tenant, &json!(events)).await?;
        accepted += answer["accepted"].as_u64().context("a count")?;
    }
    Ok(accepted)
}

/// What an audit says: it must find nothing wrong.
async fn audit(data: &Path) -> Result<(BTreeMap<String, u64>, u64)> {
    let told = verdict(&["audit", "-o", "json", "--data", data.to_str().unwrap()], b"").await?;
    let said = String::from_utf8_lossy(&told.stdout).into_owned();
    let complaint = String::from_utf8_lossy(&told.stderr).into_owned();
    assert_eq!(told.status.code(), Some(0), "{said}{complaint}");
    let report: Value = serde_json::from_str(&said)?;
    let logs = report["logs"].as_array().unwrap().iter();
    let sizes = logs.map(|log| (log["log"].as_str().unwrap().to_owned(), log["size"].as_u64().unwrap()));
    Ok((
        sizes.collect(),
        report["view_rows"].as_u64().context("the views were compared")?,
    ))
}

/// The files of the log and of the views that hold rows, and those of writes.
fn files(data: &Path) -> Result<BTreeSet<PathBuf>> {
    let of = |folder: &str| std::fs::read_dir(data.join(folder));
    let names: std::io::Result<BTreeSet<PathBuf>> =
        of("db")?.chain(of("views")?).map(|entry| Ok(entry?.path())).collect();
    let kept = |name: &PathBuf| name.extension().is_some_and(|end| end == "sst" || end == "log");
    Ok(names?.into_iter().filter(kept).collect())
}

#[tokio::test]
async fn an_audit_beside_a_node_that_writes_sees_one_moment_and_finds_it_whole() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let config = folder.path().join("verdict.toml");
    // The least there is, so that it often writes out what it has in memory, and removes what that replaces.
    std::fs::write(&config, "[store]\nmemory_mib = 64\n")?;
    let mut server = Server::start(&["--config", config.to_str().unwrap()]).await?;
    let data = server.data();
    let enough = AtomicBool::new(false);
    let audits = async {
        let (mut before, mut audits, mut gone) = (BTreeMap::new(), 0, 0);
        let mut there = files(&data)?;
        // Some of the audits, at least, are of a directory from which files go.
        while audits < AUDITS || gone < AUDITS {
            let (sizes, rows) = audit(&data).await?;
            for (log, size) in &before {
                assert!(sizes.get(log) >= Some(size), "{log}: {before:?}, then {sizes:?}");
            }
            // The moment of the views is before that of the log: of the first records there may be no row yet.
            if TENANTS.iter().all(|tenant| sizes.contains_key(*tenant)) && rows > 0 {
                audits += 1;
            }
            before = sizes;
            let now = files(&data)?;
            gone += there.difference(&now).count();
            there = now;
        }
        enough.store(true, Ordering::Relaxed);
        anyhow::Ok(before)
    };
    let [acme, globex, initech] = TENANTS.map(|tenant| emit(&server, tenant, &enough));
    let (last, acme, globex, initech) = tokio::try_join!(audits, acme, globex, initech)?;
    let accepted = BTreeMap::from([("acme", acme), ("globex", globex), ("initech", initech)]);
    let (sizes, rows) = audit(&data).await?;
    // Five rows of each event at least.
    assert!(rows > 5 * (acme + globex + initech), "{rows} rows of {sizes:?}");
    for (tenant, accepted) in &accepted {
        assert_eq!(sizes.get(*tenant), Some(accepted), "{tenant}");
        assert!(last.get(*tenant) <= Some(accepted), "{tenant}: {last:?}");
    }
    // Nothing is left of them, and the node at rest is what it was beside them.
    assert!(!data.join("audit").exists());
    server.stop().await?;
    assert_eq!(audit(&data).await?.0, sizes);
    Ok(())
}

#[tokio::test]
async fn what_a_killed_audit_left_behind_is_removed_by_the_next() -> Result<()> {
    let mut server = Server::start::<&str>(&[]).await?;
    server
        .emit("acme", &json!([decision("acme", &ago(0), "a1", "dana", "v1")]))
        .await?;
    let left = server.data().join("audit").join("views");
    std::fs::create_dir_all(&left)?;
    std::fs::write(left.join("CURRENT"), "MANIFEST-000001\n")?;
    let (sizes, _) = audit(&server.data()).await?;
    assert_eq!(sizes.get("acme"), Some(&1));
    assert!(!server.data().join("audit").exists());
    // Nor does the node mind.
    std::fs::create_dir_all(&left)?;
    server.kill().await?;
    server.restart().await?;
    assert_eq!(audit(&server.data()).await?.0, sizes);
    Ok(())
}
