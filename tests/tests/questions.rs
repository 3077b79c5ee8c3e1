//! Every question has a command, and all of them one manner: forms, tables that fit, names that are not there, commands that
//! can be pasted.

use std::collections::BTreeSet;
use std::process::Output;

use anyhow::Result;
use serde_json::{Value, json};
use verdict_tests::events::{ago, decision, event, scope, seen, started};
use verdict_tests::server::{Server, verdict, verdict_in};

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn exception(id: &str) -> Value {
    let scope = json!({"layer": "workload", "tenant": "acme", "environment": "prod", "workload": "api"});
    let document =
        json!({"scope": scope, "policy": "authz", "effect": "suspend", "approver": "lee", "reason": "drill"});
    let body = json!({
        "object": {"kind": "exception", "id": id}, "version": "1", "after": "1", "by": {"type": "human", "id": "lee"},
        "document": document, "valid_from": ago(20), "valid_until": "2035-01-01T00:00:00Z",
    });
    event("acme", "object_changed", &ago(20), body)
}

async fn small_log() -> Result<(Server, Vec<Value>)> {
    let server = Server::start::<&str>(&[]).await?;
    let unknown = event("acme", "weather_seen", &ago(5), json!({}));
    let events = vec![
        started("acme", &ago(30), "r1", "v1"),
        seen("acme", &ago(29), "a1", "v1"),
        decision("acme", &ago(20), "a1", "dana", "v1"),
        exception("x1"),
        unknown,
    ];
    server.emit("acme", &json!(events)).await?;
    Ok((server, events))
}

#[tokio::test]
async fn every_question_is_asked_in_one_manner() -> Result<()> {
    let (server, events) = small_log().await?;
    let address = server.url("");
    let id = events[2]["meta"]["event_id"].as_str().unwrap();
    let decided = events[2]["body"]["decision_id"].as_str().unwrap();
    let before = [ago(25), ago(3600)];
    let questions: &[(&[&str], &str)] = &[
        (&["effective", "acme", "-e", "prod"], "authz"),
        (&["history", "acme", "-e", "prod", "-p", "authz"], "effective"),
        (
            &[
                "compare", "acme", "-e", "prod", "--at", &before[0], "--with", &before[1],
            ],
            "authz",
        ),
        (&["decisions", "acme"], decided),
        (&["agents", "acme"], "authz v1"),
        (&["rollouts", "acme"], "r1"),
        (&["objects", "acme", "exception", "x1"], "in force"),
        (&["sources", "acme"], "urn:verdict:tests"),
        (&["quarantine", "acme"], "weather_seen"),
        (&["quarantine", "acme", "4"], "unknown_kind"),
        (&["events", "acme", id], "dana"),
        (&["show", "acme", "event", id], "dana"),
        (&["show", "acme", "rollout", "r1"], "v1"),
        (&["find", id], id),
    ];
    for (question, expected) in questions {
        let asked = ["--server", &address];
        for form in ["table", "wide", "csv", "json", "ndjson"] {
            // Before the command and behind it.
            for line in [
                [&["-o", form, "--server", &address][..], question].concat(),
                [question, &["-o", form][..], &asked].concat(),
            ] {
                let told = verdict(&line, b"").await?;
                assert_eq!(told.status.code(), Some(0), "{line:?}: {}", err(&told));
                let said = out(&told);
                match form {
                    "json" => drop(serde_json::from_str::<Value>(&said)?),
                    "ndjson" => {
                        for line in said.lines() {
                            serde_json::from_str::<Value>(line)?;
                        }
                    }
                    "csv" => {
                        let commas = |line: &str| {
                            let outside = line.split('"').step_by(2).map(|part| part.matches(',').count());
                            outside.sum::<usize>()
                        };
                        let columns: Vec<usize> = said.lines().map(commas).collect();
                        assert!(
                            columns.len() > 1 && columns.iter().all(|n| *n == columns[0]),
                            "{question:?}: {said}"
                        );
                    }
                    _ => assert!(said.contains(expected), "{question:?} -o {form}: {said}"),
                }
            }
        }
        if question[0] != "find" {
            // The same bytes again; their token is there to be seen.
            let whole = verdict(&[question, &["-o", "json"][..], &asked].concat(), b"").await?;
            let whole: Value = serde_json::from_str(&out(&whole))?;
            let as_of = whole["as_of"].as_str().unwrap();
            let shown = verdict(
                &[question, &["--show-as-of", "--as-of", as_of][..], &asked].concat(),
                b"",
            )
            .await?;
            assert!(
                out(&shown).contains(as_of),
                "{question:?}: {}{}",
                out(&shown),
                err(&shown)
            );
        }
    }
    // What is before a command that asks nothing is not ignored.
    let told = verdict(&["-o", "json", "config"], b"").await?;
    assert_eq!(told.status.code(), Some(2), "{}", out(&told));
    Ok(())
}

#[tokio::test]
async fn every_path_of_the_http_interface_has_its_command() -> Result<()> {
    let rooms = include_str!("../../query/src/lib.rs");
    let paths: BTreeSet<&str> = rooms
        .split("of(\"")
        .skip(1)
        .filter_map(|rest| rest.split(['"', '/']).next())
        .collect();
    assert!(paths.len() > 10 && paths.contains("effective"), "{paths:?}");
    for path in paths {
        let command = match path {
            "decision" | "rollout" => "show",
            // Asked whenever an answer holds nothing, or is about a name that may be misspelt.
            "names" => continue,
            same => same,
        };
        let told = verdict(&[command, "--help"], b"").await?;
        assert_eq!(told.status.code(), Some(0), "no command asks `{path}`: {}", err(&told));
    }
    Ok(())
}

#[tokio::test]
async fn a_name_that_nothing_has_is_a_miss_of_its_own() -> Result<()> {
    let (server, _) = small_log().await?;
    let address = server.url("");
    // The platform's policies hold in every environment, and for every tenant.
    let mut global = started("_platform", &ago(30), "g1", "g7");
    global["body"]["scope"] = json!({"layer": "global"});
    global["body"]["policy"] = "guard".into();
    server.emit("_platform", &json!([global])).await?;
    let misses: &[(&[&str], &str)] = &[
        (
            &["effective", "acme", "-e", "prdo"],
            "environment `prdo`; is `prod` meant?",
        ),
        (&["effective", "acmee", "-e", "prod"], "nothing was recorded in `acmee`"),
        (
            &["compare", "acme", "-e", "stagin", "--with", "now"],
            "environment `stagin`",
        ),
        (
            &["history", "acme", "-e", "prod", "-p", "auhtz"],
            "policy `auhtz`; is `authz` meant?",
        ),
        (
            &["history", "acme", "-e", "stagin", "-p", "authz"],
            "environment `stagin`",
        ),
        (&["decisions", "acme", "-p", "auhtz"], "is `authz` meant?"),
        (&["decisions", "acme", "-p", "auhtz", "--count"], "is `authz` meant?"),
        (&["decisions", "acme", "-e", "stagin"], "environment `stagin`"),
        (&["decisions", "nobody"], "`nobody` is not a tenant"),
        (&["agents", "acme", "-e", "stagin"], "environment `stagin`"),
        (&["agents", "acme", "-p", "auhtz"], "is `authz` meant?"),
        (&["rollouts", "acme", "-p", "auhtz"], "is `authz` meant?"),
        (&["sources", "nobody"], "`nobody` is not a tenant"),
        (&["quarantine", "nobody"], "`nobody` is not a tenant"),
    ];
    for (question, expected) in misses {
        for form in ["table", "json"] {
            let told = verdict(&[question, &["-o", form, "--server", &address][..]].concat(), b"").await?;
            assert_eq!(
                told.status.code(),
                Some(5),
                "{question:?}: {}{}",
                out(&told),
                err(&told)
            );
            assert!(err(&told).contains(expected), "{question:?}: {}", err(&told));
        }
    }
    // A name that is there, and nothing for it, is another answer.
    for nothing in [
        &["decisions", "acme", "-e", "prod", "--actor", "user:nobody"][..],
        &["agents", "acme", "-p", "guard"],
        &["objects", "acme", "exception", "x2"],
    ] {
        let told = verdict(&[nothing, &["--server", &address]].concat(), b"").await?;
        assert_eq!(told.status.code(), Some(1), "{nothing:?}: {}{}", out(&told), err(&told));
    }
    Ok(())
}

#[tokio::test]
async fn a_table_fits_and_breaks_no_id() -> Result<()> {
    let (server, events) = small_log().await?;
    let address = server.url("");
    let decided = events[2]["body"]["decision_id"].as_str().unwrap();
    let asked = ["decisions", "acme", "--server", &address];
    let narrow = verdict_in(&[("COLUMNS", "80")], &asked).await?;
    let said = out(&narrow);
    assert!(said.lines().all(|line| line.chars().count() <= 80), "{said}");
    assert!(said.contains(decided) && said.contains("allow"), "{said}");
    assert!(err(&narrow).contains("-o wide shows all"), "{}", err(&narrow));
    // There is no room for it, and it is whole.
    let tiny = out(&verdict_in(&[("COLUMNS", "20")], &asked).await?);
    assert!(tiny.lines().any(|line| line.ends_with(decided)), "{tiny}");
    let wide = out(&verdict_in(&[("COLUMNS", "80")], &[&asked[..], &["-o", "wide"]].concat()).await?);
    assert!(
        wide.contains("read") && wide.contains(decided) && wide.contains("recorded"),
        "{wide}"
    );
    Ok(())
}

#[tokio::test]
async fn what_find_prints_can_be_pasted() -> Result<()> {
    let server = Server::start::<&str>(&[]).await?;
    let address = server.url("");
    let odd = "it's \"odd\" $(x) \u{1b}[1A";
    let mut made = decision("acme", &ago(20), "-a1", "dana", "v1");
    made["body"]["decision_id"] = odd.into();
    made["meta"]["trace_id"] = "-t 1".into();
    let mut rollout = started("acme", &ago(30), odd, "v1");
    rollout["body"]["scope"] = scope("acme");
    server.emit("acme", &json!([made, rollout])).await?;
    let program = verdict_tests::tools::verdict()?;
    let mut pasted = 0;
    for id in [odd, "-t 1", "-a1"] {
        let told = verdict(&["--server", &address, "find", "-o", "csv", "--", id], b"").await?;
        assert_eq!(told.status.code(), Some(0), "{id}: {}", err(&told));
        let table = verdict(&["--server", &address, "find", "--", id], b"").await?;
        for row in out(&table).lines().skip(2) {
            let (_, command) = row.split_once("verdict ").unwrap_or_default();
            let line = format!("'{}' {command}", program.display());
            let shown = std::process::Command::new("bash")
                .args(["-c", &line])
                .env("LC_ALL", "C.UTF-8")
                .output()?;
            assert!(
                shown.status.success(),
                "{line}: {}",
                String::from_utf8_lossy(&shown.stderr)
            );
            pasted += 1;
        }
    }
    assert_eq!(pasted, 4, "a decision, a rollout, a trace, an agent");
    Ok(())
}

#[tokio::test]
async fn the_program_knows_itself() -> Result<()> {
    let version = verdict(&["--version"], b"").await?;
    let said = out(&version);
    let commit = said
        .trim()
        .strip_prefix("verdict ")
        .and_then(|rest| rest.split_once(" ("));
    let (_, commit) = commit.unwrap_or_default();
    assert!(
        commit == "unknown)" || (commit.len() == 13 && commit[..12].chars().all(|c| c.is_ascii_hexdigit())),
        "{said}"
    );
    for shell in ["bash", "zsh", "fish"] {
        let script = verdict(&["completions", shell], b"").await?;
        assert!(
            script.status.success() && out(&script).contains("quarantine"),
            "{}",
            err(&script)
        );
    }
    for (page, holds) in [(&["man"][..], "quarantine"), (&["man", "effective"], "as\\-of")] {
        let page = verdict(page, b"").await?;
        assert!(
            out(&page).contains(".TH") && out(&page).contains(holds),
            "{}",
            out(&page)
        );
    }
    assert_eq!(verdict(&["man", "nothing"], b"").await?.status.code(), Some(2));
    let help = out(&verdict(&["--help"], b"").await?);
    assert!(help.contains("5  a name that nothing recorded has"), "{help}");
    Ok(())
}
