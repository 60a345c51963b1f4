//! The command: rows in, a table and a record out.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use bedcheck_bench::bench::Bench;
use bedcheck_bench::machine::Machine;
use bedcheck_bench::record::{Finished, record};
use bedcheck_bench::rounds::{self, Plan};
use bedcheck_bench::row::{Row, Unmeasured};
use bedcheck_bench::verdict::judge;
use bedcheck_bench::{rows, table, target};
use clap::Parser;

/// Measures bedcheck beside other probers and native clients, in interleaved rounds.
#[derive(Debug, Parser)]
#[command(name = "bench", bin_name = "./justw bench")]
struct Arguments {
    /// The rows to measure; without any, all of them.
    rows: Vec<String>,
    /// How many rounds; 9 by default, and 5 with `--quick`.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    rounds: Option<u16>,
    /// How long each side is measured in a round, in milliseconds; 500 by default, and 100 with `--quick`.
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u64).range(10..))]
    turn: Option<u64>,
    /// Make do with little: figures in seconds, and wider intervals.
    #[arg(long)]
    quick: bool,
    /// Write every sample of every round to this file as well.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Name the rows, and measure nothing.
    #[arg(long)]
    list: bool,
}

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some(target::SUBCOMMAND) {
        return ended(target::serve().map_err(|error| error.to_string()));
    }
    let arguments = Arguments::parse();
    if arguments.list {
        for row in rows::all() {
            println!("{:<16} {}", row.name, row.about);
        }
        return ExitCode::SUCCESS;
    }
    ended(run(&arguments))
}

fn ended(result: Result<(), String>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(sentence) => {
            eprintln!("bench: {sentence}");
            ExitCode::FAILURE
        }
    }
}

/// Measures the rows that were asked for.
fn run(arguments: &Arguments) -> Result<(), String> {
    let rows = asked_for(&arguments.rows)?;
    // Rows keep thousands of connections open, here and in what they start.
    let _ = target::allow_many_files();
    let bench = Bench::new(arguments.quick)?;
    let machine = Machine::look(bench.program());
    let plan = plan(arguments);
    let finished: Vec<Finished> = rows
        .into_iter()
        .map(|row| {
            eprintln!("measuring {}: {}", row.name, row.about);
            measure(row, &bench, plan)
        })
        .collect();
    print!("{}", table::table(&machine, &finished));
    if let Some(file) = &arguments.json {
        let text = format!("{:#}\n", record(&machine, &finished));
        std::fs::write(file, text)
            .map_err(|error| format!("`{}` cannot be written: {error}", file.display()))?;
    }
    let failed: Vec<&str> = finished
        .iter()
        .filter(|finished| finished.failure.is_some())
        .map(|finished| finished.row.name)
        .collect();
    if failed.is_empty() {
        Ok(())
    } else {
        Err(format!("could not be measured: {}", failed.join(", ")))
    }
}

fn asked_for(names: &[String]) -> Result<Vec<Row>, String> {
    let all = rows::all();
    let known: Vec<&str> = all.iter().map(|row| row.name).collect();
    if let Some(unknown) = names.iter().find(|name| !known.contains(&name.as_str())) {
        return Err(format!(
            "there is no row `{unknown}`; there are {}",
            known.join(", ")
        ));
    }
    let is_wanted = |row: &Row| names.is_empty() || names.iter().any(|name| name == row.name);
    Ok(all.into_iter().filter(is_wanted).collect())
}

fn plan(arguments: &Arguments) -> Plan {
    let (rounds, turn) = if arguments.quick {
        (rounds::QUICK_ROUNDS, rounds::QUICK_TURN)
    } else {
        (rounds::ROUNDS, rounds::TURN)
    };
    Plan {
        rounds: arguments.rounds.map_or(rounds, usize::from),
        turn: arguments.turn.map_or(turn, Duration::from_millis),
        is_quick: arguments.quick,
    }
}

/// Measures a row. What goes wrong with it is told, and the others go on.
fn measure(row: Row, bench: &Bench, plan: Plan) -> Finished {
    let mut finished = Finished {
        row,
        measured: Vec::new(),
        lines: Vec::new(),
        notes: Vec::new(),
        failure: None,
    };
    match (row.set_up)(bench) {
        Ok(mut stand) => {
            let (measured, ended) = rounds::measure(&mut stand, plan, row.rounds);
            finished.lines = stand.lines.iter().map(|line| judge(line, &measured)).collect();
            finished.measured = measured;
            finished.notes = std::mem::take(&mut stand.notes);
            finished.failure = ended.err();
        }
        Err(Unmeasured::Missing(sentence)) => finished.notes.push(sentence),
        Err(Unmeasured::Failed(sentence)) => finished.failure = Some(sentence),
    }
    finished
}
