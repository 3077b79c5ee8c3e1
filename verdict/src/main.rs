//! The one binary: a thin command line over schemas, store, ingest and query.
//!
//! `serve` wires the rooms together; everything else is a client of a running server, or reads a data directory.

mod answer;
mod ask;
mod audit;
mod cli;
mod client;
mod config;
mod demo;
mod emit;
mod exit;
mod faithful;
mod manual;
mod output;
mod serve;
mod times;
mod topics;
mod visible;

use std::process::ExitCode;

use clap::Parser;

use crate::cli::{Cli, Command, TopicsCommand};
use crate::exit::Failure;

fn main() -> ExitCode {
    std::panic::set_hook(Box::new(panicked));
    let mut cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(told) => return usage(told),
    };
    if let Err(failure) = settle(&mut cli) {
        return fail(&failure);
    }
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

/// What stood before the command goes to it, and its zone rules from here on.
fn settle(cli: &mut Cli) -> Result<(), Failure> {
    let before = std::mem::take(&mut cli.before);
    match cli.command.server() {
        Some(server) => {
            server.take(before);
            times::use_zone(times::Zone::named(&server.tz)?);
            Ok(())
        }
        None if before == cli::Before::default() => Ok(()),
        None => {
            let text = "-o, --server, --token, --ca-file, --cert-file, --key-file and --tz go with a question, and this command asks none that way; see its --help";
            Err(Failure::Usage(text.to_owned()))
        }
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
        Command::Agents(args) => ask::agents(&args).await,
        Command::Rollouts(args) => ask::rollouts(&args).await,
        Command::Objects(args) => ask::objects(&args).await,
        Command::Sources(args) => ask::sources(&args).await,
        Command::Quarantine(args) => ask::quarantine(&args).await,
        Command::Events(args) => ask::events(&args).await,
        Command::Show(args) => ask::show(&args).await,
        Command::Find(args) => ask::find(&args).await,
        Command::Audit(args) => audit::run(&args),
        Command::Config => output::own(config::DOCUMENTED),
        Command::Completions { shell } => manual::completions(shell),
        Command::Man { command } => manual::page(command.as_deref()),
    }
}

/// A panic is told like everything else: on one line, and visibly.
fn panicked(panic: &std::panic::PanicHookInfo<'_>) {
    let payload = panic.payload();
    let said = payload.downcast_ref::<&str>().copied();
    let said = said.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    let said = said.unwrap_or("without a reason");
    let place = panic.location().map_or_else(String::new, ToString::to_string);
    output::note(&format!("verdict: panicked at {place}: {said}"));
    let trace = std::backtrace::Backtrace::capture();
    if trace.status() == std::backtrace::BacktraceStatus::Captured {
        trace.to_string().lines().for_each(output::note);
    }
}

/// Help, the version, or what is wrong with the arguments. That repeats them, and they may come from anywhere: so it is
/// asked for again of their visible form.
fn usage(told: clap::Error) -> ExitCode {
    if !told.use_stderr() {
        told.exit();
    }
    let arguments = std::env::args_os().map(|a| visible::visible(&a.to_string_lossy()).into_owned());
    let told = Cli::try_parse_from(arguments).err().unwrap_or(told);
    output::notes(told.render().to_string().trim_end());
    ExitCode::from(2)
}

fn fail(failure: &Failure) -> ExitCode {
    output::note(&format!("verdict: {failure}"));
    failure.code()
}
