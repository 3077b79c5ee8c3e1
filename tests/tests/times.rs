//! Times at the command line: what is asked is what was meant or is refused, and what is printed can be asked with.

use std::process::Output;

use anyhow::Result;
use serde_json::{Value, json};
use verdict_tests::events::{ago, decision, seen, started};
use verdict_tests::server::{Server, verdict, verdict_in};

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[tokio::test]
async fn what_is_no_time_is_refused_and_says_what_is() -> Result<()> {
    // Refused before anybody is asked.
    let nobody = ["--server", "http://127.0.0.1:9"];
    for wrong in ["Q3", "v7", "m", "12", "2026-3-1", "last monday", "+15m"] {
        for option in ["--at", "--known-at"] {
            let told = verdict(
                &[&["effective", "acme", "-e", "prod", option, wrong][..], &nobody].concat(),
                b"",
            )
            .await?;
            assert_eq!(told.status.code(), Some(2), "{option} {wrong}");
            let said = err(&told);
            assert!(
                said.contains(&format!("{option} `{wrong}` is not a time")) && said.contains("15m, 2h, 7d"),
                "{said}"
            );
        }
    }
    let month = ["effective", "acme", "-e", "prod", "--at", "2026-09"];
    let told = verdict(&[&month[..], &nobody].concat(), b"").await?;
    assert_eq!(told.status.code(), Some(2));
    assert!(err(&told).contains("`2026-09-01` for its start"), "{}", err(&told));
    let zone = ["--tz", "Mars/Olympus", "effective", "acme", "-e", "prod"];
    let told = verdict(&[&zone[..], &nobody].concat(), b"").await?;
    assert_eq!(told.status.code(), Some(2));
    assert!(err(&told).contains("no time zone known here"), "{}", err(&told));
    Ok(())
}

#[tokio::test]
async fn so_long_ago_and_ranges_mean_what_they_say() -> Result<()> {
    let server = Server::start::<&str>(&[]).await?;
    let address = server.url("");
    let ask = async |arguments: &[&str]| verdict(&[arguments, &["--server", &address]].concat(), b"").await;
    let day = |day: &str, actor: &str| decision("acme", &format!("{day}:30Z"), "a1", actor, "v1");
    server
        .emit(
            "acme",
            &json!([
                day("2025-08-31T23:59", "august"),
                day("2025-09-01T00:00", "first"),
                day("2025-09-30T23:59", "last"),
                day("2025-10-01T00:00", "october"),
                decision("acme", &ago(600), "a1", "now", "v1"),
            ]),
        )
        .await?;
    for (range, expected) in [
        (&["--from", "2025-09", "--to", "2025-09"][..], 2),
        (&["--from", "2025-Q3", "--to", "2025-q3"], 3),
        (&["--from", "2025-09-30", "--to", "2025-09-30"], 1),
        (&["--from", "2025-09-30", "--to", "2025-10-01 00:00"], 1),
        (&["--since", "15m"], 1),
        (&["--since=-15m"], 1),
        (&["--since", "-15m"], 1),
        (&["--since", "2025-10"], 2),
        (&["--to", "2025-Q4"], 4),
    ] {
        let told = ask(&[&["decisions", "acme", "--count"], range].concat()).await?;
        assert_eq!(out(&told).trim(), expected.to_string(), "{range:?}: {}", err(&told));
    }
    let told = ask(&["decisions", "acme", "--from", "2025-09", "--to", "2025-09"]).await?;
    assert!(
        err(&told).contains("--from `2025-09` is 2025-09-01T00:00:00Z, its start")
            && err(&told).contains("--to `2025-09` is 2025-10-01T00:00:00Z, its end"),
        "{}",
        err(&told)
    );
    // In another zone September begins at another time.
    let zone = [("VERDICT_TZ", "Pacific/Auckland")];
    let asked = [
        "decisions",
        "acme",
        "--from",
        "2025-10",
        "--count",
        "--server",
        &address,
    ];
    let told = verdict_in(&zone, &asked).await?;
    assert_eq!(out(&told).trim(), "3", "{}", err(&told));
    assert!(err(&told).contains("2025-10-01T00:00:00+13:00"), "{}", err(&told));
    Ok(())
}

#[tokio::test]
async fn a_time_out_of_a_table_asks_about_that_time() -> Result<()> {
    let server = Server::start::<&str>(&[]).await?;
    let address = server.url("");
    let events = [
        started("acme", &ago(30), "r1", "v1"),
        seen("acme", &ago(29), "a1", "v1"),
        started("acme", &ago(20), "r2", "v2"),
        seen("acme", &ago(19), "a1", "v2"),
    ];
    server.emit("acme", &json!(events)).await?;
    for zone in ["UTC", "Asia/Kathmandu", "America/New_York"] {
        let zone = [("VERDICT_TZ", zone)];
        let ask = async |arguments: &[&str]| verdict_in(&zone, &[arguments, &["--server", &address]].concat()).await;
        let table = out(&ask(&["history", "acme", "-e", "prod", "-p", "authz"]).await?);
        let json: Value = serde_json::from_str(&out(&ask(&[
            "history", "acme", "-e", "prod", "-p", "authz", "-o", "json",
        ])
        .await?))?;
        let runs = json["runs"].as_array().unwrap();
        let rows: Vec<&str> = table.lines().skip(2).take(runs.len()).collect();
        let mut asked = 0;
        for (row, run) in rows.iter().zip(runs).filter(|(_, run)| run["since"].is_string()) {
            // The whole cell, as a double click takes it.
            let shown = row.split_whitespace().next().unwrap();
            let answer = ask(&["effective", "acme", "-e", "prod", "--at", shown, "-o", "json"]).await?;
            let answer: Value = serde_json::from_str(&out(&answer))?;
            assert_eq!(answer["at"], run["since"], "{row}");
            assert_eq!(answer["policies"][0]["state"], run["state"], "{row}");
            asked += 1;
        }
        assert!(asked >= 3, "{table}");
    }
    Ok(())
}

#[tokio::test]
async fn a_decision_acts_when_it_could_and_says_when_that_was_late() -> Result<()> {
    let server = Server::start::<&str>(&[]).await?;
    let address = server.url("");
    let ask = async |arguments: &[&str]| verdict(&[arguments, &["--server", &address]].concat(), b"").await;
    server
        .emit(
            "acme",
            &json!([
                decision("acme", "2031-01-01T02:00:00.123456789+02:00", "a1", "ahead", "v1"),
                decision("acme", "2025-01-01T02:00:00.123456789+02:00", "a1", "behind", "v1"),
                decision("acme", &ago(1), "a1", "prompt", "v1"),
            ]),
        )
        .await?;
    let table = out(&ask(&["decisions", "acme"]).await?);
    let row = |actor: &str| table.lines().find(|line| line.contains(actor)).unwrap_or_default();
    assert!(row("ahead").contains("emitter says 2031-01-01T00:00:00Z"), "{table}");
    assert!(!row("ahead").trim_start().starts_with("2031"), "{table}");
    assert!(
        row("behind").starts_with("2025-01-01T00:00:00.123456Z") && row("behind").contains(" days late"),
        "{table}"
    );
    assert!(!row("prompt").contains("late"), "{table}");
    // For jq: beside what was received.
    let items: Vec<Value> = out(&ask(&["decisions", "acme", "-o", "ndjson"]).await?)
        .lines()
        .map(serde_json::from_str)
        .collect::<Result<_, _>>()?;
    let acts: Vec<&str> = items.iter().filter_map(|item| item["acts_at"].as_str()).collect();
    assert!(
        acts.len() == 3 && acts.is_sorted_by(|one, other| one >= other),
        "{acts:?}"
    );
    let ahead = items
        .iter()
        .find(|item| item["event"]["body"]["actor"]["id"] == "ahead");
    let ahead = ahead.unwrap();
    assert_eq!(ahead["acts_at"], ahead["recorded_time"]);
    assert_eq!(
        ahead["event"]["meta"]["event_time"],
        "2031-01-01T02:00:00.123456789+02:00"
    );
    Ok(())
}
