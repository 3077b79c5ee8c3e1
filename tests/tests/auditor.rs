//! What an auditor sees at the terminal: nothing that an emitter named acts on it, everything is found however it is
//! written, and what is counted is counted to the end.

use std::process::Output;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use verdict_tests::events::{ago, decision, seen, started};
use verdict_tests::server::{Server, verdict, verdict_running};

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// What a terminal would obey, or a reader not see. Line breaks are judged by counting lines.
fn acts(c: char) -> bool {
    (c.is_control() && c != '\n')
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{61c}' | '\u{feff}'
            | '\u{e0000}'..='\u{e007f}')
}

/// A name that erases the row above it, prints another, and turns the text around.
const NASTY: &str = "eve\u{1b}[1A\u{1b}[2K\r\nuser:alice  read\u{9b}31m\u{7f}\t\u{202e}\u{2066}\u{200b}\u{61c}\u{feff}\u{2028}\u{e0041}";

#[tokio::test]
async fn nothing_that_an_emitter_named_acts_on_the_terminal() -> Result<()> {
    let server = Server::start::<&str>(&[]).await?;
    let address = server.url("");
    let ask = async |arguments: &[&str]| verdict(&[arguments, &["--server", &address]].concat(), b"").await;
    let mut made = decision("acme", &ago(20), NASTY, NASTY, NASTY);
    for field in ["decision_id", "action"] {
        made["body"][field] = NASTY.into();
    }
    made["body"]["resource"] = json!({"type": NASTY, "id": NASTY});
    made["body"]["policies"][0]["policy"] = NASTY.into();
    made["meta"]["trace_id"] = NASTY.into();
    let mut rollout = started("acme", &ago(30), NASTY, NASTY);
    rollout["body"]["policy"] = NASTY.into();
    let mut report = seen("acme", &ago(29), NASTY, NASTY);
    report["body"]["active"][0]["policy"] = NASTY.into();
    server.emit("acme", &json!([made, rollout, report])).await?;

    let answers: &[&[&str]] = &[
        &["decisions", "acme"],
        &["decisions", "acme", "--actor", &format!("user:{NASTY}")],
        &["effective", "acme", "-e", "prod"],
        &["history", "acme", "-e", "prod", "-p", NASTY],
        &["compare", "acme", "-e", "prod", "--at", "1 hour ago", "--with", "now"],
        &["show", "acme", "decision", NASTY],
        &["show", "acme", "rollout", NASTY],
        &["find", NASTY],
    ];
    for question in answers {
        for form in ["table", "json", "ndjson"] {
            let told = ask(&[question, &["-o", form][..]].concat()).await?;
            let said = out(&told);
            assert_eq!(told.status.code(), Some(0), "{question:?}: {}", err(&told));
            assert!(!said.contains(acts), "{question:?} -o {form}: {said:?}");
            assert!(!err(&told).contains(acts), "{question:?}: {:?}", err(&told));
            match form {
                "table" => assert!(said.contains("eve"), "{said}"),
                "json" => {
                    let value: Value = serde_json::from_str(&said).with_context(|| said.clone())?;
                    assert!(value.to_string().contains("eve"), "{value}");
                }
                _ => {
                    for line in said.lines() {
                        serde_json::from_str::<Value>(line).with_context(|| line.to_owned())?;
                    }
                }
            }
        }
    }
    // A row of a table is one line: heading, rule, row.
    assert_eq!(out(&ask(&["decisions", "acme"]).await?).lines().count(), 3);
    // The same value as before.
    let items = out(&ask(&["decisions", "acme", "-o", "ndjson"]).await?);
    let item: Value = serde_json::from_str(&items)?;
    assert_eq!(item["event"]["body"]["actor"]["id"], NASTY);

    // Problems repeat what was asked; so do refusals what was sent.
    let refusals: &[&[&str]] = &[
        &["decisions", "acme", "--outcome", NASTY],
        &["show", "acme", "decision", &format!("{NASTY}!")],
        &["effective", "acme", "-e", "prod", "--at", NASTY],
        &["effective", NASTY, "-e", "prod"],
        &["find", &format!("{NASTY}!")],
        &[NASTY],
        &["decisions", "acme", &format!("--{NASTY}")],
    ];
    for refused in refusals {
        let told = ask(refused).await?;
        assert_ne!(told.status.code(), Some(0), "{refused:?}");
        let said = err(&told);
        assert!(
            said.contains("eve\\u{1b}") && !said.contains(acts),
            "{refused:?}: {said:?}"
        );
    }
    let mut bad = decision("acme", &ago(1), "a1", "dana", "v1");
    bad["body"]["outcome"] = NASTY.into();
    bad["body"][NASTY] = 1.into();
    for form in ["table", "json"] {
        let told = verdict(
            &["emit", "acme", "-o", form, "--server", &address],
            bad.to_string().as_bytes(),
        )
        .await?;
        assert_eq!(told.status.code(), Some(1), "{}", err(&told));
        assert!(!out(&told).contains(acts) && !err(&told).contains(acts), "{told:?}");
    }
    assert!(!server.log().contains(acts), "{:?}", server.log());
    Ok(())
}

#[tokio::test]
async fn a_count_goes_to_the_end_and_nothing_found_is_said() -> Result<()> {
    let server = Server::start::<&str>(&[]).await?;
    let address = server.url("");
    let ask = async |arguments: &[&str]| verdict(&[arguments, &["--server", &address]].concat(), b"").await;
    // More than one answer reads: the oldest is found in the third.
    const MANY: usize = 20_500;
    let lines: String = (0..MANY)
        .map(|n| {
            let mut made = decision("acme", &ago(20), "a1", "dana", "v1");
            made["body"]["action"] = if n == 0 { "rare" } else { "common" }.into();
            format!("{made}\n")
        })
        .collect();
    let sent = verdict(
        &["emit", "acme", "--quiet", "--batch", "10000", "--server", &address],
        lines.as_bytes(),
    )
    .await?;
    assert_eq!(sent.status.code(), Some(0), "{}", err(&sent));

    for (filter, expected) in [("rare", 1), ("common", MANY - 1), ("none", 0)] {
        let count = ask(&["decisions", "acme", "--action", filter, "--count"]).await?;
        assert_eq!(out(&count).trim(), expected.to_string(), "{filter}");
        let code = i32::from(expected == 0);
        assert_eq!(count.status.code(), Some(code), "{filter}: {}", err(&count));
        let whole = ask(&["decisions", "acme", "--action", filter, "--count", "-o", "json"]).await?;
        let whole: Value = serde_json::from_str(&out(&whole))?;
        assert_eq!(
            (&whole["count"], &whole["complete"], whole.get("next")),
            (&expected.into(), &true.into(), None),
            "{whole}"
        );
    }
    let listed = ask(&["decisions", "acme", "--action", "rare", "-o", "ndjson"]).await?;
    assert_eq!(out(&listed).lines().count(), 1, "empty pages come before it");
    let none = ask(&["decisions", "acme", "--action", "none"]).await?;
    assert_eq!(none.status.code(), Some(1), "{}", err(&none));
    Ok(())
}

#[tokio::test]
async fn ctrl_c_says_how_far_a_count_came() -> Result<()> {
    // A server that answers once, with more to ask for, and never again.
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = format!("http://{}", listener.local_addr()?);
    let folder = tempfile::tempdir()?;
    let arguments = ["decisions", "acme", "--count", "--server", &address];
    let mut asking = verdict_running(&arguments, &folder.path().join("log"))?;
    let body = r#"{"count":7,"complete":false,"next":"on"}"#;
    let answer = format!(
        "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let (mut first, _) = listener.accept().await?;
    read_head(&mut first).await?;
    first.write_all(answer.as_bytes()).await?;
    let (mut second, _) = listener.accept().await?;
    assert!(read_head(&mut second).await?.contains("cursor=on"));
    let status = asking.stop_by("INT").await?;
    let said = asking.log();
    assert_eq!(status.code(), Some(130), "{said}");
    assert!(
        said.contains("stopped after 1 answers") && said.contains("7 were found so far"),
        "{said}"
    );
    Ok(())
}

#[tokio::test]
async fn an_answer_from_before_a_broken_record_says_so() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = format!("http://{}", listener.local_addr()?);
    let asking = tokio::spawn(async move {
        let arguments = ["decisions", "acme", "--count", "-o", "json", "--server", &address];
        verdict(&arguments, b"").await
    });
    let body = r#"{"count":7,"complete":true}"#;
    let answer = format!(
        "HTTP/1.1 200 OK\r\nverdict-broken: acme at 12\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let (mut asked, _) = listener.accept().await?;
    read_head(&mut asked).await?;
    asked.write_all(answer.as_bytes()).await?;
    let told = asking.await??;
    assert_eq!((told.status.code(), out(&told).trim()), (Some(0), body));
    assert!(
        err(&told).contains("the views of the log acme at 12 are broken"),
        "{}",
        err(&told)
    );
    Ok(())
}

async fn read_head(stream: &mut TcpStream) -> Result<String> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        head.push(char::from(stream.read_u8().await?));
    }
    Ok(head)
}

#[tokio::test]
async fn an_id_is_found_however_it_is_written() -> Result<()> {
    let server = Server::start::<&str>(&[]).await?;
    let address = server.url("");
    let ask = async |arguments: &[&str]| verdict(&[arguments, &["--server", &address]].concat(), b"").await;
    let mut upper = decision("acme", &ago(20), "a1", "dana", "v1");
    upper["meta"]["trace_id"] = "9C1F0B7A64D84E2AB3350D1E2F3A4B5C".into();
    upper["meta"]["span_id"] = "00F067AA0BA902B7".into();
    let mut dashed = decision("acme", &ago(19), "a1", "erin", "v1");
    dashed["meta"]["trace_id"] = "9c1f0b7a-64d8-4e2a-b335-0d1e2f3a4b5c".into();
    let mut named = decision("acme", &ago(18), "a1", "finn", "v1");
    named["meta"]["trace_id"] = "Checkout-7".into();
    server.emit("acme", &json!([upper, dashed, named])).await?;
    for written in [
        "9c1f0b7a64d84e2ab3350d1e2f3a4b5c",
        "9C1F0B7A64D84E2AB3350D1E2F3A4B5C",
        "9C1F0B7A-64D8-4E2A-B335-0D1E2F3A4B5C",
        "00-9c1f0b7a64d84e2ab3350d1e2f3a4b5c-00f067aa0ba902b7-01",
    ] {
        let found = ask(&["decisions", "acme", "--trace-id", written, "-o", "ndjson"]).await?;
        assert_eq!(out(&found).lines().count(), 2, "{written}: {}", err(&found));
        assert!(out(&found).contains("9C1F0B7A64D84E2AB3350D1E2F3A4B5C"), "as received");
        let found = ask(&["find", written]).await?;
        assert!(
            out(&found).contains("--trace-id=9c1f0b7a64d84e2ab3350d1e2f3a4b5c"),
            "{written}: {}",
            out(&found)
        );
    }
    for span in [
        "00f067aa0ba902b7",
        "00-9c1f0b7a64d84e2ab3350d1e2f3a4b5c-00F067AA0BA902B7-00",
    ] {
        let found = ask(&["decisions", "acme", "--span-id", span, "--count"]).await?;
        assert_eq!(out(&found).trim(), "1", "{span}: {}", err(&found));
    }
    let found = ask(&["decisions", "acme", "--trace-id", "Checkout-7", "--count"]).await?;
    assert_eq!(out(&found).trim(), "1");
    let other = ask(&["decisions", "acme", "--trace-id", "checkout-7", "--count"]).await?;
    assert_eq!(other.status.code(), Some(1), "a name is no hex");
    // A decision id that is a UUID, as another system may show it.
    let id = upper_case(&dashed["body"]["decision_id"]);
    let shown = ask(&["show", "acme", "decision", &id, "-o", "json"]).await?;
    assert!(out(&shown).contains("\"erin\""), "{}{}", out(&shown), err(&shown));
    let found = ask(&["find", &id]).await?;
    assert!(out(&found).contains("decision"), "{}{}", out(&found), err(&found));
    Ok(())
}

fn upper_case(id: &Value) -> String {
    id.as_str().unwrap_or_default().to_uppercase()
}
