//! `verdict demo`: a small incident, played against a server started here, then the questions of its responder.
//!
//! Intent can not be backdated by more than a minute (E5), so the whole incident lies in the last 55 seconds. Nothing
//! is faked: the events go through the HTTP intake, and every answer is what the commands print.

mod incident;
mod questions;

use std::path::PathBuf;

use jiff::Timestamp;
use reqwest::Method;

use crate::cli::{DemoArgs, ServeArgs, ServerArgs};
use crate::client::Client;
use crate::config::Config;
use crate::exit::Failure;
use crate::output::{line, text};
use crate::serve;

/// `verdict demo`
pub(crate) async fn run(args: &DemoArgs) -> Result<(), Failure> {
    let data = match &args.data {
        Some(given) => given.clone(),
        None => fresh_directory()?,
    };
    let serving = ServeArgs {
        data: Some(data.clone()),
        listen: Some(args.listen),
        ..ServeArgs::default()
    };
    let running = serve::start(Config::read(&serving)?).await?;
    let address = format!("http://{}", running.address());
    let server = ServerArgs::at(address.clone());
    line(&format!(
        "Verdict serves {address}, and keeps its log in {}.",
        data.display()
    ))?;

    // Whole seconds read better, and nothing lies in the future.
    let now = Timestamp::from_second(Timestamp::now().as_second()).unwrap_or_default();
    play(&server, now).await?;
    questions::ask(&server, now).await?;

    line("")?;
    if args.once {
        return running.stop().await;
    }
    line(&format!(
        "The server goes on at {address}. Ask it more (`bin/verdict --help`), or stop it with Ctrl-C."
    ))?;
    line(&format!(
        "  curl '{address}/v1/tenants/acme/effective?environment=prod&workload=checkout'"
    ))?;
    running.until_stopped().await
}

/// Sends the incident, act by act.
async fn play(server: &ServerArgs, now: Timestamp) -> Result<(), Failure> {
    let client = Client::new(server)?;
    line("")?;
    line("The incident, as services reported it in the last minute:")?;
    for act in incident::acts(now) {
        line(&format!("  {:>3} s ago  {}", act.seconds_ago, act.told))?;
        let body: String = act.events.iter().map(|event| format!("{event}\n")).collect();
        let request = client
            .request(Method::POST, &["v1", "tenants", act.tenant, "events"])?
            .header("content-type", "application/x-ndjson")
            .body(body);
        let answer = client.send(request).await?;
        if text(&answer.value, "/rejected") != "[]" {
            return Err(Failure::Negative(format!(
                "the intake rejected events: {}",
                answer.text
            )));
        }
    }
    Ok(())
}

fn fresh_directory() -> Result<PathBuf, Failure> {
    let name = format!("verdict-demo-{}", uuid::Uuid::now_v7().simple());
    let path = std::env::temp_dir().join(name);
    std::fs::create_dir_all(&path)?;
    Ok(path)
}
