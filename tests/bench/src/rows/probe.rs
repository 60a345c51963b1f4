//! `probe`: what a request for a probe costs `bedcheck serve` against the same request to `blackbox_exporter`, the same
//! target and the same load: 16 at a time over connections that are kept, as a scraper does. Both answer with the
//! metrics of one exchange over HTTP. Every setting is the default, the log included.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::rc::Rc;

use tokio::runtime::Runtime;

use crate::bench::Bench;
use crate::check;
use crate::load::Load;
use crate::program::{Running, free_address};
use crate::row::{CPU, Goal, Line, RATE, Rounds, Row, Sample, Stand, Turn, Unmeasured};
use crate::target::{Target, asked};

/// How many probes are under way at a time.
const AT_A_TIME: usize = 16;
/// The most of the peer's CPU time.
const GOAL: Goal = Goal::AtMost(0.25);
/// The peer, and the package of Debian that it is in.
const PEER: (&str, &str) = ("prometheus-blackbox-exporter", "prometheus-blackbox-exporter");

/// The row.
pub(super) fn row() -> Row {
    Row {
        name: "probe",
        about: "a request to `/probe` against blackbox_exporter, 16 at a time",
        rounds: Rounds::AsAsked,
        set_up,
    }
}

fn set_up(bench: &Bench) -> Result<Stand, Unmeasured> {
    let (target, runtime) = (bench.target()?, Rc::new(check::runtime(1)?));
    let ours = Prober::bedcheck(bench, &target, Rc::clone(&runtime))?;
    let stand = Stand::new().side("bedcheck", move |turn| ours.measure(turn));
    let peer = match bench.peer(PEER.0, PEER.1) {
        Ok(program) => Prober::blackbox(&program, bench, &target, runtime)?,
        Err(Unmeasured::Missing(sentence)) => {
            let absolute = Line::absolute("CPU of a probe", CPU, "bedcheck");
            return Ok(stand.line(absolute).note(sentence));
        }
        Err(failed) => return Err(failed),
    };
    Ok(stand
        .side("blackbox_exporter", move |turn| peer.measure(turn))
        .line(Line::ratio("CPU", CPU, "bedcheck", "blackbox_exporter").goal(GOAL))
        .line(Line::ratio("rate", RATE, "bedcheck", "blackbox_exporter")))
}

/// A program that probes on request.
struct Prober {
    program: Running,
    address: SocketAddr,
    path: String,
    runtime: Rc<Runtime>,
    target: Rc<Target>,
}

impl Prober {
    fn bedcheck(bench: &Bench, target: &Rc<Target>, runtime: Rc<Runtime>) -> Result<Self, String> {
        let address = free_address()?;
        let probed = target.addresses().http;
        let configuration = format!(
            "[http]\nlisten = \"{address}\"\n\n\
             [journal]\ndir = \"journal-of-probes\"\n\n\
             [[module]]\nname = \"http_2xx\"\nplugin = \"http\"\ntargets = [\"{probed}\"]\n\
             settings.expect.status = [\"2xx\"]\n"
        );
        let file = written(bench, "probe.toml", &configuration)?;
        let mut command = Command::new(bench.program());
        command.arg("serve").arg(file);
        Self::start(&mut command, bench, "probe.log", address, target, runtime)
    }

    fn blackbox(
        program: &std::path::Path,
        bench: &Bench,
        target: &Rc<Target>,
        runtime: Rc<Runtime>,
    ) -> Result<Self, String> {
        let address = free_address()?;
        let configuration = "modules:\n  http_2xx:\n    prober: http\n";
        let file = written(bench, "blackbox.yml", configuration)?;
        let mut command = Command::new(program);
        command
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--web.listen-address={address}"));
        Self::start(&mut command, bench, "blackbox.log", address, target, runtime)
    }

    fn start(
        command: &mut Command,
        bench: &Bench,
        output: &str,
        address: SocketAddr,
        target: &Rc<Target>,
        runtime: Rc<Runtime>,
    ) -> Result<Self, String> {
        command.current_dir(bench.folder());
        let path = format!(
            "/probe?module=http_2xx&target=http://{}/",
            target.addresses().http
        );
        let program = Running::start(command, &bench.folder().join(output), address)?;
        let target = Rc::clone(target);
        let prober = Self {
            program,
            address,
            path,
            runtime,
            target,
        };
        let page = asked(address, &prober.path)?;
        match page.lines().any(|line| line == "probe_success 1") {
            true => Ok(prober),
            false => Err(format!("the probe at `{address}` did not succeed: {page}")),
        }
    }

    /// Asks for probes, every one of which has to reach the target.
    fn measure(&self, turn: &Turn) -> Result<Sample, String> {
        let load = Load {
            server: self.address,
            path: self.path.clone(),
            concurrency: AT_A_TIME,
            closes: false,
            length: turn.length,
        };
        let (cpu, reached) = (self.program.cpu()?, self.target.counts()?.exchanges);
        let loaded = load.run(&self.runtime).whole()?;
        let cpu = self.program.cpu()? - cpu;
        let reached = self.target.counts()?.exchanges - reached;
        if reached != loaded.answered {
            return Err(format!(
                "{} probes were answered, and {reached} reached the target",
                loaded.answered
            ));
        }
        Ok(Sample::of_many(loaded.answered, loaded.took, cpu))
    }
}

fn written(bench: &Bench, name: &str, text: &str) -> Result<PathBuf, String> {
    let file = bench.folder().join(name);
    std::fs::write(&file, text)
        .map_err(|error| format!("`{}` cannot be written: {error}", file.display()))?;
    Ok(file)
}
