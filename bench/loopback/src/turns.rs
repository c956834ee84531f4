//! All servers up at once, each loaded for a second in turn: neighbours in time share the machine's
//! mood, and only they are compared.

use std::io::{self, BufRead, BufReader, Read};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use crate::contenders::{ALL, BARE, Contender};

/// One second of load.
#[derive(Clone, Copy, Debug)]
struct Turn {
    /// Requests a second.
    rate: f64,
    /// Microseconds of processor time a request, all threads of the server.
    cpu: f64,
}

/// The median, and the quartiles around it.
#[derive(Clone, Copy, Debug)]
pub struct Spread {
    pub low: f64,
    pub median: f64,
    pub high: f64,
}

impl Spread {
    fn of(values: impl Iterator<Item = f64>) -> Self {
        let mut sorted: Vec<f64> = values.collect();
        sorted.sort_by(f64::total_cmp);
        let at = |part: f64| sorted[((sorted.len() - 1) as f64 * part).round() as usize];
        Self {
            low: at(0.25),
            median: at(0.5),
            high: at(0.75),
        }
    }
}

/// What came out for one contender: parts of the bare server's.
#[derive(Clone, Copy, Debug)]
pub struct Measured {
    pub name: &'static str,
    /// Requests a second, over those of the bare server in the same round.
    pub rate: Spread,
    /// Processor time of the bare server's request, over that of this one's.
    pub cpu: Spread,
    /// Spans that arrived, of those that should have.
    pub delivered: Option<f64>,
}

/// Lets everyone have so many turns, and prints what came out.
pub fn measure(rounds: usize) -> io::Result<Vec<Measured>> {
    let mut sink = start("1", &["--sink"])?;
    let endpoint = format!("http://{}", sink.line()?);
    let mut servers = Vec::new();
    for contender in ALL {
        let mut running = start("0", &["--serve", contender.name, &endpoint])?;
        let port = running.line()?;
        servers.push(Server {
            contender,
            running,
            port,
            turns: Vec::new(),
            answered: 0,
        });
    }
    for server in &mut servers {
        server.load()?;
    }
    for round in 0..rounds {
        let count = servers.len();
        for number in 0..count {
            let server = &mut servers[(number + round) % count];
            let turn = server.load()?;
            server.turns.push(turn);
        }
    }
    let bare = servers.iter().find(|server| server.contender.name == BARE);
    let bare: Vec<Turn> = bare.map(|bare| bare.turns.clone()).unwrap_or_default();
    println!("| contender | requests/s | of bare | CPU us/request | bare's CPU/its | delivered |");
    println!("|---|---|---|---|---|---|");
    servers
        .into_iter()
        .map(|server| server.finish(&bare))
        .collect()
}

struct Server {
    contender: &'static Contender,
    running: Running,
    port: String,
    turns: Vec<Turn>,
    answered: u64,
}

impl Server {
    fn load(&mut self) -> io::Result<Turn> {
        let flags = if self.contender.is_sampled {
            "01"
        } else {
            "00"
        };
        let server = self.running.child.id().to_string();
        let mut load = start("1", &["--load", &self.port, flags, &server])?;
        let line = load.line()?;
        load.child.wait()?;
        let numbers: Vec<u64> = line.split(' ').flat_map(str::parse).collect();
        let [count, nanos, cpu, all] = numbers[..] else {
            return Err(io::Error::other(format!("no load: {line:?}")));
        };
        self.answered += all;
        Ok(Turn {
            rate: count as f64 * 1e9 / nanos as f64,
            cpu: cpu as f64 / 1e3 / count as f64,
        })
    }

    fn finish(self, bare: &[Turn]) -> io::Result<Measured> {
        let delivered: u64 = self.running.stop()?.parse().map_err(io::Error::other)?;
        let pairs = || self.turns.iter().zip(bare);
        let measured = Measured {
            name: self.contender.name,
            rate: Spread::of(pairs().map(|(one, bare)| one.rate / bare.rate)),
            cpu: Spread::of(pairs().map(|(one, bare)| bare.cpu / one.cpu)),
            delivered: self
                .contender
                .has_spans()
                // more than were waited for, as a turn ends with requests under way
                .then(|| (delivered as f64 / self.answered as f64).min(1.0)),
        };
        let (rate, cpu) = (
            Spread::of(self.turns.iter().map(|turn| turn.rate)),
            Spread::of(self.turns.iter().map(|turn| turn.cpu)),
        );
        let arrived = measured
            .delivered
            .map(|part| format!("{:.1} %", part * 100.0));
        println!(
            "| {} | {:.0} | {:.2} ({:.2} to {:.2}) | {:.1} | {:.2} ({:.2} to {:.2}) | {} |",
            measured.name,
            rate.median,
            measured.rate.median,
            measured.rate.low,
            measured.rate.high,
            cpu.median,
            measured.cpu.median,
            measured.cpu.low,
            measured.cpu.high,
            arrived.unwrap_or_default(),
        );
        Ok(measured)
    }
}

/// A child that says something on a line, and ends when its input does.
struct Running {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

/// Starts this program once more, on one core.
fn start(core: &str, arguments: &[&str]) -> io::Result<Running> {
    let mut child = Command::new("taskset")
        .args(["-c", core])
        .arg(std::env::current_exe()?)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let output = child
        .stdout
        .take()
        .ok_or_else(|| io::Error::other("no output"))?;
    Ok(Running {
        input: child.stdin.take(),
        output: BufReader::new(output),
        child,
    })
}

impl Running {
    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        if line.is_empty() {
            return Err(io::Error::other("a child ended early"));
        }
        Ok(line.trim().to_owned())
    }

    /// Ends it, and gives the rest of what it says.
    fn stop(mut self) -> io::Result<String> {
        drop(self.input.take());
        let mut rest = String::new();
        self.output.read_to_string(&mut rest)?;
        self.child.wait()?;
        Ok(rest.trim().to_owned())
    }
}

impl Drop for Running {
    /// After a failure nothing is left behind.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
