//! The one binary: a thin command line over schemas, store, ingest and query.
//!
//! `serve` wires the rooms together; everything else is a client of a running server, or reads a data directory.

mod ask;
mod audit;
mod cli;
mod client;
mod config;
mod demo;
mod emit;
mod exit;
mod faithful;
mod moment;
mod output;
mod serve;
mod topics;

use std::process::ExitCode;

use clap::Parser;

use crate::cli::{Cli, Command, TopicsCommand};
use crate::exit::Failure;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(e) => return fail(&Failure::unreachable("cannot start the runtime", e)),
    };
    let done = runtime.block_on(run(cli.command));
    // Waits for no thread: who had to be waited for has been, as long as is reasonable.
    runtime.shutdown_background();
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => fail(&failure),
    }
}

async fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Serve(args) => serve::run(&args).await,
        Command::Demo(args) => demo::run(&args).await,
        Command::Emit(args) => emit::run(&args).await,
        Command::Topics(TopicsCommand::Create(args)) => topics::create(&args).await,
        Command::Effective(args) => ask::effective(&args).await,
        Command::History(args) => ask::history(&args).await,
        Command::Compare(args) => ask::compare(&args).await,
        Command::Decisions(args) => ask::decisions(&args).await,
        Command::Show(args) => ask::show(&args).await,
        Command::Find(args) => ask::find(&args).await,
        Command::Audit(args) => audit::run(&args),
        Command::Config => output::line(config::DOCUMENTED.trim_end()),
    }
}

fn fail(failure: &Failure) -> ExitCode {
    output::note(&format!("verdict: {failure}"));
    failure.code()
}
