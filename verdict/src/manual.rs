//! `verdict completions` and `verdict man`: what the command line knows of itself, for shells and for `man`.

use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::cli::Cli;
use crate::exit::Failure;
use crate::output::whole;

/// `verdict completions`
pub(crate) fn completions(shell: Shell) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "verdict", &mut script);
    whole(&script)
}

/// `verdict man`
pub(crate) fn page(command: Option<&str>) -> Result<(), Failure> {
    let mut all = Cli::command();
    // Names each command by all of its words, and gives it the options of those above it.
    all.build();
    let told = match command {
        None => all,
        Some(name) => {
            let found = all.find_subcommand(name).cloned();
            found.ok_or_else(|| Failure::Usage(format!("`{name}` is no command; `verdict --help` lists them")))?
        }
    };
    let told = told
        .clone()
        .display_name(told.get_bin_name().unwrap_or("verdict").replace(' ', "-"));
    let mut page = Vec::new();
    clap_mangen::Man::new(told).render(&mut page)?;
    whole(&page)
}
