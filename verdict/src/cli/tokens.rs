//! The options of `verdict token`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::Output;

#[derive(Subcommand, Debug)]
pub(crate) enum TokenCommand {
    /// Make a token: it is printed once, alone, on standard output.
    New(NewArgs),
    /// The tokens of a file: their names, tenants and roles.
    List(ListArgs),
    /// Take a token out of a file.
    Revoke(RevokeArgs),
}

#[derive(Args, Debug)]
pub(crate) struct NewArgs {
    /// Who has it. The name goes with every record that is sent with the token; while one token replaces another, both have it.
    #[arg(long)]
    pub(crate) name: String,
    /// Its tenants, between commas; `*` for every one.
    #[arg(long, value_delimiter = ',', required = true)]
    pub(crate) tenants: Vec<String>,
    /// Its roles, between commas: emit, control, read, admin; node for the nodes themselves.
    #[arg(long, value_delimiter = ',', required = true)]
    pub(crate) roles: Vec<String>,
    /// The token file to put it into, made if it is not there. Without one the entry is printed on standard error.
    #[arg(long, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(crate) struct ListArgs {
    /// The token file.
    #[arg(long, value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// How to print it.
    #[arg(short, long, value_enum, default_value = "table")]
    pub(crate) output: Output,
}

#[derive(Args, Debug)]
pub(crate) struct RevokeArgs {
    /// Its name, or the beginning of its digest as `verdict token list` shows it.
    pub(crate) token: String,
    /// The token file.
    #[arg(long, value_name = "FILE")]
    pub(crate) file: PathBuf,
}
