//! The contract as a script: `script.txt` holds requests and what must come back, to be read from top to bottom.

use std::collections::BTreeMap;

use crate::support::{Node, decision, fill, seen, started};

/// One request of the script and what must come back.
#[derive(Debug, Default)]
struct Step {
    line: usize,
    request: String,
    sent: Vec<(String, String)>,
    status: String,
    /// Name and beginning of the value.
    headers: Vec<(String, String)>,
    /// What the body must hold.
    holds: Vec<String>,
    /// What it must not.
    lacks: Vec<String>,
}

fn parse(script: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for (line, text) in (1..).zip(script.lines()) {
        if text.trim().is_empty() || text.starts_with('#') {
            continue;
        }
        if text.starts_with(|c: char| c.is_ascii_uppercase()) {
            steps.push(Step {
                line,
                request: text.to_owned(),
                ..Step::default()
            });
            continue;
        }
        let step = steps
            .last_mut()
            .unwrap_or_else(|| panic!("line {line} belongs to no request"));
        let header = |text: &str| {
            let (name, value) = text
                .split_once(": ")
                .unwrap_or_else(|| panic!("line {line} is no header"));
            (name.to_owned(), value.to_owned())
        };
        match text.split_at(2) {
            ("> ", text) => step.sent.push(header(text)),
            ("~ ", text) => step.holds.push(text.to_owned()),
            ("! ", text) => step.lacks.push(text.to_owned()),
            ("< ", text) if step.status.is_empty() => step.status = text.to_owned(),
            ("< ", text) => step.headers.push(header(text)),
            _ => panic!("line {line} is not understood: {text}"),
        }
    }
    steps
}

#[tokio::test]
async fn the_script_is_followed_to_the_letter() {
    let node = Node::new();
    node.append(&[
        started(1, 0.0, "acme", "r1", "v1"),
        seen(2, 1.0, "acme", "pdp-1", "v1"),
        decision(3, 2.0, "acme", serde_json::json!({})),
        decision(
            4,
            3.0,
            "acme",
            serde_json::json!({"outcome": "deny", "actor": {"type": "user", "id": "bob"}}),
        ),
        started(5, 4.0, "globex", "r1", "v9"),
    ])
    .await;
    let mut values = BTreeMap::new();
    let pinned = node.ask("/v1/tenants/acme/effective?environment=prod").await;
    values.insert("as_of".to_owned(), pinned["as_of"].as_str().unwrap().to_owned());
    let page = node.ask("/v1/tenants/acme/decisions?limit=1").await;
    values.insert("cursor".to_owned(), page["next"].as_str().unwrap().to_owned());
    let steps = parse(include_str!("script.txt"));
    assert!(steps.len() > 40, "{} steps", steps.len());
    for step in steps {
        let request = fill(&step.request, &values);
        let (method, path) = request.split_once(' ').unwrap();
        let sent: Vec<_> = step
            .sent
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let reply = node.send(method, path, &sent).await;
        let context = format!(
            "script.txt:{}: {request}\n{} {:?}\n{}",
            step.line,
            reply.status,
            reply.headers,
            reply.text()
        );
        assert_eq!(reply.status.as_str(), step.status, "{context}");
        for (name, begins) in &step.headers {
            match begins.strip_prefix('!') {
                Some(_) => assert!(!reply.headers.contains_key(name), "`{name}` in {context}"),
                None => assert!(
                    reply.header(name).starts_with(begins.as_str()),
                    "`{name}: {begins}` in {context}"
                ),
            }
        }
        for text in &step.holds {
            assert!(reply.text().contains(text.as_str()), "`{text}` in {context}");
        }
        for text in &step.lacks {
            assert!(
                !reply.text().contains(text.as_str()),
                "`{text}` must not be in {context}"
            );
        }
    }
}
