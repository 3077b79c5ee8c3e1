//! What a sender of events sees: every layout of JSON is taken apart alike, and a history of long ago is explained before it
//! is sent, and marked where it is shown.

use std::process::Output;

use anyhow::Result;
use serde_json::{Value, json};
use verdict_tests::events::{ago, decision, seen, started};
use verdict_tests::server::{Server, verdict};

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[tokio::test]
async fn events_in_every_layout_are_taken_one_by_one() -> Result<()> {
    let server = Server::start::<&str>(&[]).await?;
    let address = server.url("");
    let fresh = || -> Vec<Value> { (0..3).map(|_| decision("acme", &ago(5), "a1", "dana", "v1")).collect() };
    let end_to_end = |events: &[Value]| (events.iter().map(Value::to_string).collect::<String>(), None);
    let printed = |events: &[Value]| (events.iter().map(|e| format!("{e:#}\n")).collect::<String>(), None);
    let mixed = |events: &[Value]| {
        let first = format!("{:#}\n{}", events[0], events[1]);
        let broken = format!("{:#}\n", events[1]).replacen("[\n", "[,\n", 1);
        // It is where it begins: behind the second, on the line that they share.
        let line = first.lines().count();
        (format!("{first}{broken}{:#}", events[2]), Some(line))
    };
    for (text, broken) in [end_to_end(&fresh()), printed(&fresh()), mixed(&fresh())] {
        let told = verdict(&["emit", "acme", "-o", "json", "--server", &address], text.as_bytes()).await?;
        let summary: Value = serde_json::from_str(&out(&told))?;
        let lines = |answer: &Value| -> Vec<usize> {
            let rejected = answer["rejected"].as_array().unwrap().iter();
            rejected
                .map(|r| usize::try_from(r["line"].as_u64().unwrap()).unwrap())
                .collect()
        };
        assert_eq!(summary["accepted"], 3, "{text}\n{summary}");
        assert_eq!(
            lines(&summary),
            broken.into_iter().collect::<Vec<_>>(),
            "{text}\n{summary}"
        );
        // What is sent again is the same to the byte: printed over lines or not, it is kept as it was sent.
        for content_type in ["application/json", "application/x-ndjson"] {
            let answer = server
                .post("/v1/tenants/acme/events", content_type, text.clone())
                .await?
                .json()?;
            assert_eq!(
                (&answer["duplicates"], &answer["conflicts"]),
                (&3.into(), &0.into()),
                "{content_type}"
            );
            assert_eq!(
                lines(&answer),
                broken.into_iter().collect::<Vec<_>>(),
                "{content_type} {answer}"
            );
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_history_of_long_ago_is_explained_and_marked() -> Result<()> {
    let server = Server::start::<&str>(&[]).await?;
    let address = server.url("");
    let old = "2019-05-01T08:00:00Z";
    let events = [
        started("acme", old, "r-old", "v1"),
        seen("acme", "2019-05-01T08:00:01Z", "a1", "v1"),
        decision("acme", "2019-05-01T08:01:00Z", "a1", "dana", "v1"),
    ];
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("history.ndjson");
    std::fs::write(&path, events.iter().map(|e| format!("{e}\n")).collect::<String>())?;
    let file = path.to_str().unwrap();
    let emit = async |arguments: &[&str]| {
        let all = [&["emit", "acme", file, "--server", &address], arguments].concat();
        verdict(&all, b"").await
    };

    // Without a terminal it is not sent before somebody said so.
    let told = emit(&["--backfill"]).await?;
    assert_eq!(told.status.code(), Some(2), "{}", err(&told));
    for expected in [
        "2 of observation (decisions, reports) are older, the oldest of 2019-05-01T08:00:01",
        "1 of intent (rollouts, publications, objects) are older, the oldest of 2019-05-01T08:00:00",
        "can not be backdated (E5)",
        "--yes",
    ] {
        assert!(err(&told).contains(expected), "no `{expected}` in {}", err(&told));
    }
    assert_eq!(
        server.get("/v1/tenants/acme/decisions").await?.status,
        404,
        "nothing was sent"
    );
    let told = verdict(
        &["emit", "acme", "-", "--backfill", "--yes", "--server", &address],
        b"{}",
    )
    .await?;
    assert_eq!(told.status.code(), Some(2), "{}", err(&told));

    let told = emit(&["--backfill", "--yes"]).await?;
    assert_eq!(told.status.code(), Some(0), "{}", err(&told));
    assert!(out(&told).contains("3 accepted"), "{}", out(&told));
    // Without it the same is warned of, and only of intent.
    let told = emit(&[]).await?;
    assert!(
        err(&told).contains("line 1: intent of 2019-05-01T08:00:00.000000Z"),
        "{}",
        err(&told)
    );
    assert_eq!(err(&told).matches("intent").count(), 1, "{}", err(&told));

    let ask = async |arguments: &[&str]| verdict(&[arguments, &["--server", &address]].concat(), b"").await;
    let history = ask(&["history", "acme", "-e", "prod", "-p", "authz"]).await?;
    assert!(
        out(&history).contains("r-old    recorded ") && out(&history).contains(" days late"),
        "{}{}",
        out(&history),
        err(&history)
    );
    let late = |value: &Value| {
        value["recorded_late_by_ms"]
            .as_u64()
            .is_some_and(|ms| ms > 86_400_000 * 365)
    };
    let rollout = server.get_json("/v1/tenants/acme/rollouts/r-old").await?;
    assert!(late(&rollout) && late(&rollout["evidence"][0]), "{rollout}");
    // What came in time is not marked.
    let prompt = started("acme", &ago(1), "r-new", "v2");
    server.emit("acme", &json!([prompt])).await?;
    let listed = server.get_json("/v1/tenants/acme/rollouts").await?;
    for rollout in listed["items"].as_array().unwrap() {
        assert_eq!(late(rollout), rollout["rollout_id"] == "r-old", "{rollout}");
    }
    let history = server
        .get_json("/v1/tenants/acme/history?layer=tenant&environment=prod&policy=authz")
        .await?;
    assert_eq!(history["named"], true);
    for run in history["runs"].as_array().unwrap() {
        assert_eq!(late(run), run["rollout_id"] == "r-old", "{run}");
    }
    Ok(())
}

#[tokio::test]
async fn the_history_of_a_policy_that_nobody_named_says_so() -> Result<()> {
    let server = Server::start::<&str>(&[]).await?;
    let address = server.url("");
    server.emit("acme", &json!([seen("acme", &ago(5), "a1", "v1")])).await?;
    let ask = async |arguments: &[&str]| verdict(&[arguments, &["--server", &address]].concat(), b"").await;
    for (policy, layer, named) in [
        ("authz", "tenant", true),
        ("other", "tenant", false),
        ("authz", "global", false),
    ] {
        for form in ["table", "json", "ndjson"] {
            let told = ask(&["history", "acme", "-e", "prod", "-p", policy, "-l", layer, "-o", form]).await?;
            assert_eq!(
                told.status.code(),
                Some(if named { 0 } else { 5 }),
                "{policy} {layer} {form}: {}",
                err(&told)
            );
            assert_eq!(
                err(&told).contains("named the policy") || err(&told).contains("names the policy"),
                !named,
                "{}",
                err(&told)
            );
        }
        let path = format!("/v1/tenants/acme/history?layer={layer}&environment=prod&policy={policy}");
        let answer = server.get_json(&path).await?;
        assert_eq!(answer["named"], named);
        // What nobody named was never observed (E24).
        let runs = answer["runs"].as_array().unwrap();
        let nothing = runs.len() == 1 && runs[0]["state"] == "unobserved" && runs[0]["version"].is_null();
        assert_eq!(nothing, !named, "{answer}");
    }
    // It is of the cut: what is named later was not named then.
    let path = "/v1/tenants/acme/history?layer=tenant&environment=prod&policy=other";
    let then = server.get_json(path).await?;
    let mut later = started("acme", &ago(1), "r1", "v1");
    later["body"]["policy"] = "other".into();
    server.emit("acme", &json!([later])).await?;
    assert_eq!(server.get_json(path).await?["named"], true);
    let as_of = then["as_of"].as_str().unwrap();
    assert_eq!(server.get_json(&format!("{path}&as_of={as_of}")).await?, then);
    Ok(())
}
