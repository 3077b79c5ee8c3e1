//! The command line as scripts and people use it: exit codes, what is printed where, errors that say what to do.

use std::io::Write as _;
use std::process::Output;

use anyhow::Result;
use serde_json::Value;
use sha2::{Digest, Sha256};
use verdict_tests::events::{ago, decision, seen, started};
use verdict_tests::server::{Server, verdict};

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn lines(events: &[Value]) -> Vec<u8> {
    events.iter().map(|e| format!("{e}\n")).collect::<String>().into_bytes()
}

fn gzip(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(bytes)?;
    Ok(gzip.finish()?)
}

#[tokio::test]
async fn the_demonstration_plays_and_answers() -> Result<()> {
    let told = verdict(&["demo", "--once", "--listen", "127.0.0.1:0"], b"").await?;
    assert!(told.status.success(), "{}", err(&told));
    let said = out(&told);
    for expected in [
        "What is in effect for checkout now?",
        "overdue",
        "exception exc-77",
        "3x v42, 2x v41",
        "deny",
    ] {
        assert!(said.contains(expected), "no `{expected}` in\n{said}");
    }
    Ok(())
}

#[tokio::test]
async fn emit_names_line_field_and_rule_and_stores_the_rest() -> Result<()> {
    let server = Server::start::<&str>(&[]).await?;
    let address = server.url("");
    let good = decision("acme", &ago(1), "a1", "dana", "v1");
    let mut bad = decision("acme", &ago(1), "a1", "dana", "v1");
    bad["body"]["outcome"] = "perhaps".into();
    let input = [
        lines(std::slice::from_ref(&good)),
        b"\n".to_vec(),
        lines(&[bad]),
        b"not json\n".to_vec(),
    ]
    .concat();
    let told = verdict(&["emit", "acme", "-", "--server", &address], &input).await?;
    assert_eq!(told.status.code(), Some(1), "{}", err(&told));
    assert!(
        out(&told).contains("1 accepted, 0 duplicates, 2 rejected"),
        "{}",
        out(&told)
    );
    let said = err(&told);
    assert!(
        said.contains("line 3: `/body/outcome`") && said.contains("unknown_value"),
        "{said}"
    );
    assert!(said.contains("line 4:") && said.contains("invalid_json"), "{said}");

    let again = verdict(&["emit", "acme", "-", "--server", &address], &lines(&[good])).await?;
    assert_eq!(again.status.code(), Some(0));
    assert!(
        out(&again).contains("0 accepted, 1 duplicates, 0 rejected"),
        "{}",
        out(&again)
    );
    Ok(())
}

#[tokio::test]
async fn questions_print_tables_json_and_lines_and_echo_what_words_mean() -> Result<()> {
    let server = Server::start::<&str>(&[]).await?;
    let address = server.url("");
    let events = [
        started("acme", &ago(30), "r1", "v1"),
        seen("acme", &ago(29), "a1", "v1"),
        decision("acme", &ago(20), "a1", "dana", "v1"),
        decision("acme", &ago(10), "a1", "erin", "v1"),
    ];
    server.emit("acme", &serde_json::json!(events)).await?;
    let ask = async |arguments: &[&str]| verdict(&[arguments, &["--server", &address]].concat(), b"").await;

    let table = ask(&["effective", "acme", "-e", "prod", "--at", "15 seconds ago"]).await?;
    assert!(
        out(&table).contains("authz") && out(&table).contains("effective"),
        "{}",
        out(&table)
    );
    assert!(err(&table).contains("--at `15 seconds ago` is 20"), "{}", err(&table));

    let json = ask(&["effective", "acme", "-e", "prod", "-o", "json"]).await?;
    let answer: Value = serde_json::from_str(&out(&json))?;
    let as_of = answer["as_of"].as_str().unwrap();
    let again = ask(&["effective", "acme", "-e", "prod", "-o", "json", "--as-of", as_of]).await?;
    assert_eq!(out(&json), out(&again), "the same bytes for the same as_of");

    let ndjson = ask(&["decisions", "acme", "-o", "ndjson"]).await?;
    assert_eq!(out(&ndjson).lines().count(), 2);
    let counted = ask(&["decisions", "acme", "--count", "--actor", "user:erin"]).await?;
    assert_eq!(out(&counted).trim(), "1");
    let history = ask(&["history", "acme", "-e", "prod", "-p", "authz"]).await?;
    assert!(
        out(&history).contains("the beginning") && out(&history).contains("still"),
        "{}",
        out(&history)
    );
    let compared = ask(&[
        "compare",
        "acme",
        "-e",
        "prod",
        "--at",
        "29 seconds ago",
        "--with",
        "now",
    ])
    .await?;
    assert!(compared.status.success(), "{}", err(&compared));
    let id = events[2]["meta"]["event_id"].as_str().unwrap();
    let shown = ask(&["show", "acme", "event", id, "-o", "json"]).await?;
    assert!(out(&shown).contains("\"proof\""), "{}", out(&shown));
    let found = ask(&["find", id]).await?;
    assert!(
        out(&found).contains("acme") && found.status.success(),
        "{}",
        out(&found)
    );
    let nothing = ask(&["find", "01a1fd8d-0000-7000-8000-000000000000"]).await?;
    assert_eq!(nothing.status.code(), Some(1));
    Ok(())
}

#[tokio::test]
async fn what_was_recorded_is_printed_as_it_was_recorded() -> Result<()> {
    let server = Server::start::<&str>(&[]).await?;
    let address = server.url("");
    let ask = async |arguments: &[&str]| verdict(&[arguments, &["--server", &address]].concat(), b"").await;
    // A number that no float holds, digits that one would drop, and a key that stands twice.
    let odd = r#"{"n":1e999,"exact":1.50,"exact":12345678901234567890123}"#;
    let mut event = decision("acme", &ago(20), "a1", "dana", "v1");
    event["body"]["input"] = "PLACE".into();
    event["body"]["decision_id"] = "..".into();
    let event = event.to_string().replace("\"PLACE\"", odd);
    let sent = server
        .post("/v1/tenants/acme/events", "application/json", event)
        .await?;
    assert_eq!(sent.status, 200, "{}", sent.text());
    for form in ["json", "ndjson", "table"] {
        let listed = ask(&["decisions", "acme", "-o", form]).await?;
        assert_eq!(listed.status.code(), Some(0), "{form}: {}", err(&listed));
        assert!(
            out(&listed).contains(if form == "table" { "user:dana" } else { odd }),
            "{}",
            out(&listed)
        );
    }
    let id = &sent.json()?["results"][0]["event_id"];
    let shown = ask(&["show", "acme", "event", id.as_str().unwrap()]).await?;
    // For people, too: every digit, and a key as often as it stands there.
    for digits in ["1e999", "1.50", "12345678901234567890123"] {
        assert!(
            out(&shown).contains(&format!("  {digits}\n")),
            "no {digits} in\n{}",
            out(&shown)
        );
    }
    // And by an id that no path carries.
    let shown = ask(&["show", "acme", "decision", "..", "-o", "json"]).await?;
    assert!(out(&shown).contains(odd), "{}{}", out(&shown), err(&shown));
    Ok(())
}

#[tokio::test]
async fn pages_are_one_answer_and_nothing_found_is_code_1() -> Result<()> {
    let server = Server::start::<&str>(&[]).await?;
    let address = server.url("");
    let ask = async |arguments: &[&str]| verdict(&[arguments, &["--server", &address]].concat(), b"").await;
    let events: Vec<Value> = (0..1001)
        .map(|i| decision("acme", &ago(20), "a1", &format!("u{i}"), "v1"))
        .collect();
    server.emit("acme", &serde_json::json!(events)).await?;
    let whole: Value = serde_json::from_str(&out(&ask(&["decisions", "acme", "-n", "2000", "-o", "json"]).await?))?;
    assert_eq!(whole["items"].as_array().unwrap().len(), 1001);
    assert_eq!((whole.get("next"), &whole["complete"]), (None, &Value::Bool(true)));
    let part: Value = serde_json::from_str(&out(&ask(&["decisions", "acme", "-n", "1000", "-o", "json"]).await?))?;
    assert!(part["next"].is_string(), "{}", part["next"]);
    let lines = ask(&["decisions", "acme", "-n", "1001", "-o", "ndjson"]).await?;
    assert_eq!(out(&lines).lines().count(), 1001);

    for nothing in [
        &["decisions", "acme", "--actor", "user:nobody"][..],
        &["decisions", "acme", "--actor", "user:nobody", "-o", "json"],
        &["decisions", "acme", "--actor", "user:nobody", "-o", "ndjson"],
        &["decisions", "acme", "--actor", "user:nobody", "--count"],
        &["effective", "acme", "-e", "prod", "--at", "2020-01-01T00:00:00Z"],
        &["show", "acme", "decision", "no-such"],
        &["find", "no-such"],
    ] {
        let told = ask(nothing).await?;
        assert_eq!(told.status.code(), Some(1), "{nothing:?}: {}{}", out(&told), err(&told));
        assert!(err(&told).starts_with("verdict: "), "{nothing:?}: {}", err(&told));
    }
    Ok(())
}

#[tokio::test]
async fn emit_takes_compressed_input_and_reports_as_json() -> Result<()> {
    let server = Server::start::<&str>(&[]).await?;
    let address = server.url("");
    let send = async |input: &[u8]| verdict(&["emit", "acme", "-o", "json", "--server", &address], input).await;
    let good = decision("acme", &ago(1), "a1", "dana", "v1");
    let mut bad = decision("acme", &ago(1), "a1", "dana", "v1");
    bad["body"]["outcome"] = "perhaps".into();
    let told = send(&lines(&[good.clone(), bad.clone()])).await?;
    assert_eq!(told.status.code(), Some(1), "{}", err(&told));
    let summary: Value = serde_json::from_str(&out(&told))?;
    assert_eq!((&summary["accepted"], &summary["duplicates"]), (&1.into(), &0.into()));
    let refused = &summary["rejected"][0];
    assert_eq!(
        (&refused["line"], &refused["problem"]["field"]),
        (&2.into(), &"/body/outcome".into()),
        "{summary}"
    );
    assert_eq!(refused["problem"]["rule"], "unknown_value");
    // It is the server's answer: of one request the same members, each as it came.
    let again = lines(&[good.clone(), bad.clone()]);
    let answer = server
        .post(
            "/v1/tenants/acme/events",
            "application/x-ndjson",
            String::from_utf8(again.clone())?,
        )
        .await?;
    let told = send(&again).await?;
    assert_eq!(out(&told).trim_end(), answer.text(), "as it came");
    // Of several it is summed, and lines are those of the input.
    let told = verdict(
        &["emit", "acme", "-o", "json", "--batch", "1", "--server", &address],
        &again,
    )
    .await?;
    let summed: Value = serde_json::from_str(&out(&told))?;
    assert_eq!(summed, answer.json()?, "{summed}");
    let told = verdict(&["emit", "acme", "-o", "ndjson", "--server", &address], &again).await?;
    let entries: Vec<Value> = out(&told).lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    assert_eq!(entries, [summed["rejected"][0].clone(), summed["results"][0].clone()]);
    assert!(
        err(&told).contains("0 accepted, 1 duplicates, 1 rejected"),
        "{}",
        err(&told)
    );

    for compressed in [
        gzip(&lines(std::slice::from_ref(&good)))?,
        zstd::encode_all(&*lines(&[good]), 1)?,
    ] {
        let told = send(&compressed).await?;
        assert_eq!(told.status.code(), Some(0), "{}", err(&told));
        assert_eq!(serde_json::from_str::<Value>(&out(&told))?["duplicates"], 1);
    }
    // What cannot be sent ends it; what was taken before is told, so that nobody has to guess.
    let other = decision("acme", &ago(1), "a1", "erin", "v1");
    let (whole, broken) = (
        zstd::encode_all(&*lines(&[other]), 1)?,
        zstd::encode_all(&b"{}\n"[..], 1)?,
    );
    let input = [&whole[..], &broken[..broken.len() - 1]].concat();
    let told = verdict(&["emit", "acme", "--batch", "1", "--server", &address], &input).await?;
    assert_eq!(told.status.code(), Some(2), "{}", err(&told));
    assert!(err(&told).contains("1 events were taken before"), "{}", err(&told));
    for empty in [&b""[..], b"\n \n", b"[]"] {
        let told = send(empty).await?;
        assert_eq!((told.status.code(), out(&told).as_str()), (Some(2), ""), "{empty:?}");
        assert!(err(&told).contains("holds no event"), "{}", err(&told));
    }
    Ok(())
}

#[tokio::test]
async fn failures_have_codes_and_say_what_to_do() -> Result<()> {
    let nowhere = verdict(
        &["effective", "acme", "-e", "prod", "--server", "http://127.0.0.1:9"],
        b"",
    )
    .await?;
    assert_eq!(nowhere.status.code(), Some(3));
    assert!(
        err(&nowhere).contains("is `verdict serve` running there?"),
        "{}",
        err(&nowhere)
    );
    let when = verdict(&["effective", "acme", "-e", "prod", "--at", "whenever"], b"").await?;
    assert_eq!(when.status.code(), Some(2));
    for (wrong, said) in [
        (["effective", "acme", "-e", "prod", "--at", ""], "write RFC 3339"),
        (
            ["decisions", "acme", "-e", "prod", "--limit", "0"],
            "a whole number from 1 on",
        ),
        (
            ["show", "acme", "event", "..", "-o", "json"],
            "no name that can be asked for",
        ),
    ] {
        let told = verdict(&wrong, b"").await?;
        assert_eq!(told.status.code(), Some(2), "{wrong:?}");
        assert!(err(&told).contains(said), "{wrong:?}: {}", err(&told));
    }
    let wide = verdict(&["serve", "--listen", "0.0.0.0:0", "--data", "/nonexistent/x"], b"").await?;
    assert_eq!(wide.status.code(), Some(2));
    assert!(err(&wide).contains("--tokens FILE"), "{}", err(&wide));
    let config = verdict(&["config"], b"").await?;
    assert!(out(&config).contains("memory_mib = 1024"));
    Ok(())
}

#[tokio::test]
async fn a_token_opens_its_tenants_and_another_tenant_is_not_there() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("tokens.toml");
    let entry = |token: &str, tenant: &str, roles: &str| {
        let digest = hex::encode(Sha256::digest(token));
        format!("[[token]]\nname = '{token}'\nsha256 = '{digest}'\ntenants = ['{tenant}']\nroles = [{roles}]\n")
    };
    let tokens = [
        entry("emitter", "acme", "'emit'"),
        entry("controller", "acme", "'emit', 'control', 'read'"),
        entry("other", "globex", "'emit', 'control', 'read'"),
    ];
    std::fs::write(&path, tokens.concat())?;
    let mut server = Server::start(&["--tokens", path.to_str().unwrap()]).await?;
    let question = "/v1/tenants/acme/effective?environment=prod";
    assert_eq!(server.get(question).await?.status, 401);

    server.use_token("emitter");
    let observation = serde_json::json!([seen("acme", &ago(1), "a1", "v1")]);
    let intent = serde_json::json!([started("acme", &ago(1), "r1", "v1")]);
    server.emit("acme", &observation).await?;
    let refused = server
        .post("/v1/tenants/acme/events", "application/json", intent.to_string())
        .await?;
    assert_eq!(refused.status, 403, "{}", refused.text());

    server.use_token("controller");
    server.emit("acme", &intent).await?;
    assert_eq!(server.get(question).await?.status, 200);

    // A7: what may not be read can not be told from what is not there.
    server.use_token("other");
    let (hidden, absent) = (
        server.get(question).await?,
        server.get("/v1/tenants/nobody/effective?environment=prod").await?,
    );
    assert_eq!((hidden.status.as_u16(), absent.status.as_u16()), (404, 404));
    assert_eq!(hidden.text().replace("acme", "nobody"), absent.text());
    Ok(())
}

#[tokio::test]
async fn an_audit_names_what_was_tampered_with() -> Result<()> {
    let mut server = Server::start::<&str>(&[]).await?;
    let events: Vec<Value> = (0..50)
        .map(|i| decision("acme", &ago(1), "a1", &format!("u{i}"), "v1"))
        .collect();
    server.emit("acme", &serde_json::json!(events)).await?;
    server.stop().await?;
    let data = server.data();
    let data = data.to_str().unwrap();
    let whole = verdict(&["audit", "--data", data], b"").await?;
    assert_eq!(whole.status.code(), Some(0), "{}{}", out(&whole), err(&whole));
    assert!(out(&whole).contains("all is well"));
    // Heads published outside the database say more than it holds: somebody put an older copy in its place.
    let heads = server.data().join("heads");
    let text = std::fs::read_to_string(&heads)?;
    std::fs::write(&heads, text.replace("50", "51"))?;
    let tampered = verdict(&["audit", "--data", data], b"").await?;
    assert_eq!(tampered.status.code(), Some(1), "{}{}", out(&tampered), err(&tampered));
    Ok(())
}
