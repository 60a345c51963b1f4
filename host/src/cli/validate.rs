//! `bedcheck validate`: everything in a configuration that `run` or `serve` would refuse, at once, and what plugins would
//! say of their settings. Checks run with nobody to talk to, if at all; nobody is contacted but the programs that give
//! secrets.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::{compiling, export, output, read, refuse};
use crate::config::Problems;
use crate::runner::{DefaultGrant, Preparation};
use crate::serve;

/// Says what is wrong with a file, or that nothing is.
pub(super) async fn validate(file: PathBuf) -> ExitCode {
    match prepared(&file).await {
        Ok(prepared) => {
            approve(&file, &prepared);
            ExitCode::SUCCESS
        }
        Err(rendered) => refuse(&rendered),
    }
}

async fn prepared(file: &Path) -> Result<Preparation, String> {
    let (config, problems, source) = read(file)?;
    // What is said of a place in the file need not be said of its consequences.
    let is_sound = problems.is_empty();
    let checks = Preparation::new(&config, problems, DefaultGrant::Nothing, compiling()).await;
    let checks = match checks {
        Ok(checks) => Problems::check(checks.objections().await).map(|()| checks),
        Err(problems) => Err(problems),
    };
    let checks = checks.map_err(|problems| source.render(&problems));
    let exporting = export::verify(config.otlp.as_ref());
    let daemon = if is_sound {
        serve::verify(&config).await
    } else {
        Ok(())
    };
    let mut wrong = String::new();
    let all = [
        checks.as_ref().err(),
        exporting.as_ref().err(),
        daemon.as_ref().err(),
    ];
    for sentences in all.into_iter().flatten() {
        wrong.push_str(sentences.trim_end());
        wrong.push('\n');
    }
    checks.ok().filter(|_| wrong.is_empty()).ok_or(wrong)
}

fn approve(file: &Path, prepared: &Preparation) {
    for notice in &prepared.notices {
        output::complain(&format!("note: {notice}"));
    }
    output::say(&format!(
        "{}: {}, nothing wrong\n",
        file.display(),
        prepared.size()
    ));
}
