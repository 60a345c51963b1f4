//! The program: arguments in, exit code out.

use std::process::ExitCode;

use bedcheck::cli;
use clap::Parser;

fn main() -> ExitCode {
    let arguments = match cli::Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(answer) => return cli::answer(&answer),
    };
    cli::execute(arguments)
}
