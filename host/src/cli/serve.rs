//! `bedcheck serve`: the daemon, until it is told to end.

use std::path::PathBuf;
use std::process::ExitCode;

use super::{EXIT_USAGE, cache, output};
use crate::sandbox::{Compiler, Compiling};
use crate::serve::{self, Ending, Hindrance};

/// Serves the checks of a configuration file.
pub(super) async fn serve(file: PathBuf) -> ExitCode {
    let compiling = Compiling {
        cache: cache(),
        compiler: Compiler::BesideRuns,
    };
    match serve::serve(file, compiling).await {
        Ending::Asked => ExitCode::SUCCESS,
        Ending::Refused(Hindrance { sentences, may_pass }) => {
            output::complain(sentences.trim_end());
            ExitCode::from(if may_pass { serve::EXIT_FAILED } else { EXIT_USAGE })
        }
        // The log has said it.
        Ending::Failed(_) => ExitCode::from(serve::EXIT_FAILED),
    }
}
