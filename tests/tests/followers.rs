//! Views are made anew, killed and caught up while the node is asked: no answer is made from half of them, and what was answered
//! once is answered with the same bytes for ever (A6).
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use anyhow::{Result, bail};
use reqwest::StatusCode;
use serde_json::{Value, json};
use verdict_tests::events::{ago, decision, seen, started};
use verdict_tests::server::{Server, verdict};

const TENANTS: [&str; 3] = ["acme", "globex", "initech"];

/// What was asked with a token, and what came.
struct Told {
    question: String,
    bytes: Vec<u8>,
}

/// Asks until there is an answer: while views do not hold what is asked, that is said, with how far they are.
async fn answered(node: &Server, path: &str) -> Result<Vec<u8>> {
    loop {
        let answer = node.get(path).await?;
        match answer.status {
            StatusCode::OK => return Ok(answer.body),
            StatusCode::SERVICE_UNAVAILABLE => {
                let problem = answer.json()?;
                let kind = problem["type"].as_str().unwrap();
                assert!(
                    ["/problems/views_behind", "/problems/not_ready"].contains(&kind),
                    "{problem}"
                );
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            other => bail!("{path}: {other}: {}", answer.text()),
        }
    }
}

/// Asks everything of a tenant as it is now; gives the questions with the tokens of the answers.
async fn ask(node: &Server, tenant: &str, told: &mut Vec<Told>) -> Result<()> {
    for path in [
        "effective?environment=prod",
        "decisions?limit=7",
        "agents",
        "rollouts",
        "sources",
        "quarantine",
    ] {
        let path = format!("/v1/tenants/{tenant}/{path}");
        let now: Value = serde_json::from_slice(&answered(node, &path).await?)?;
        let token = now["as_of"].as_str().unwrap();
        let question = format!("{path}{}as_of={token}", if path.contains('?') { '&' } else { '?' });
        let bytes = answered(node, &question).await?;
        let again: Value = serde_json::from_slice(&bytes)?;
        assert_eq!(again["items"], now["items"], "{question}");
        assert_eq!(again["policies"], now["policies"], "{question}");
        told.push(Told { question, bytes });
    }
    Ok(())
}

async fn holds(node: &Server, told: &[Told]) -> Result<()> {
    for Told { question, bytes } in told {
        let again = answered(node, question).await?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert_eq!(text(&again), text(bytes), "{question}");
    }
    Ok(())
}

fn batch(tenant: &str, round: usize) -> Value {
    let late = i64::try_from(round * 7 % 90).unwrap();
    let mut events = vec![
        seen(
            tenant,
            &ago(late),
            &format!("a{}", round % 3),
            &format!("v{}", round % 4),
        ),
        started(tenant, &ago(0), &format!("r{round}"), &format!("v{}", round % 4)),
        json!({"kind": "nonsense"}),
    ];
    events.extend((0..40).map(|number| {
        let version = format!("v{}", (round + number) % 4);
        decision(
            tenant,
            &ago(late),
            &format!("a{}", number % 3),
            &format!("u{number}"),
            &version,
        )
    }));
    events.into()
}

#[tokio::test]
async fn what_was_answered_stays_while_views_are_made_anew_and_killed() -> Result<()> {
    let mut node = Server::start::<&str>(&[]).await?;
    let mut told = Vec::new();
    for round in 0..12 {
        for tenant in TENANTS {
            let path = format!("/v1/tenants/{tenant}/events");
            let sent = node
                .post(&path, "application/json", batch(tenant, round).to_string())
                .await?;
            assert!(sent.status.is_success(), "{}", sent.text());
        }
        let anew = TENANTS[round % TENANTS.len()];
        let asked = node.post(&format!("/v1/node/followers/{anew}/rebuild"), "", "").await?;
        assert_eq!(asked.status, StatusCode::ACCEPTED, "{}", asked.text());
        for tenant in TENANTS {
            ask(&node, tenant, &mut told).await?;
        }
        holds(&node, &told).await?;
        if round % 3 == 2 {
            let asked = node.post(&format!("/v1/node/followers/{anew}/rebuild"), "", "").await?;
            assert_eq!(asked.status, StatusCode::ACCEPTED);
            node.kill().await?;
            node.restart().await?;
            holds(&node, &told).await?;
        }
    }
    assert!(told.len() > 200);
    node.stop().await?;
    let audited = verdict(&["audit", "--data", &node.data().display().to_string()], b"").await?;
    assert!(audited.status.success(), "{}", String::from_utf8_lossy(&audited.stdout));
    Ok(())
}
