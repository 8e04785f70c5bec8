//! Servers in their own processes.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

/// The longest time from the start of a server to its first accepted connection.
const START_TIME_MAX: Duration = Duration::from_secs(30);

/// A running server. Dropping it kills the process.
pub(crate) struct Process {
    child: Child,
    pub(crate) address: String,
}

impl Process {
    /// Starts a server, reads its address from its output and waits until it accepts
    /// connections. Its standard input stays open until this value is dropped; a peer ends
    /// when its standard input closes.
    pub(crate) fn start(mut command: Command) -> anyhow::Result<Self> {
        let child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("{} does not start", command.get_program().display()))?;
        let mut server = Self {
            child,
            address: String::new(),
        };
        let stdout = server.child.stdout.take().context("the output is piped")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        let (_, address) = line
            .trim_end()
            .rsplit_once("http://")
            .with_context(|| format!("a server started with {line:?} instead of its address"))?;
        address.clone_into(&mut server.address);
        let since = Instant::now();
        while std::net::TcpStream::connect(&server.address).is_err() {
            if since.elapsed() > START_TIME_MAX {
                bail!("the server at {} does not answer", server.address);
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(server)
    }

    /// Stops the server with SIGTERM, so that it leaves no write-ahead log to recover.
    pub(crate) fn stop(mut self) -> anyhow::Result<()> {
        terminate(&mut self.child)
    }

    /// Returns the microseconds for which the server has used a processor.
    pub(crate) fn processor_micros(&self) -> anyhow::Result<f64> {
        processor_micros(self.child.id())
    }

    /// Returns the number of open file descriptors of the server.
    pub(crate) fn descriptors(&self) -> anyhow::Result<u64> {
        let folder = format!("/proc/{}/fd", self.child.id());
        Ok(std::fs::read_dir(&folder)?.count() as u64)
    }

    /// Returns the resident memory of the server in bytes.
    pub(crate) fn resident_bytes(&self) -> anyhow::Result<u64> {
        resident_bytes(self.child.id())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Sends SIGTERM to a process and waits for its end.
pub(crate) fn terminate(child: &mut Child) -> anyhow::Result<()> {
    Command::new("kill").args(["-TERM", &child.id().to_string()]).status()?;
    child.wait()?;
    Ok(())
}

/// Returns the microseconds for which the process with this id has used a processor.
fn processor_micros(process: u32) -> anyhow::Result<f64> {
    /// The kernel's unit of these times on every platform that it supports.
    const MICROS_PER_TICK: f64 = 10_000.0;
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))
        .with_context(|| format!("process {process} has ended"))?;
    // The second field is the name in parentheses, which may have spaces.
    let (_, fields) = stat.rsplit_once(')').context("a name in parentheses")?;
    let ticks = fields.split_whitespace().skip(11).take(2).map(str::parse::<f64>);
    let [user, system] = ticks.collect::<Result<Vec<_>, _>>()?[..] else {
        anyhow::bail!("/proc/{process}/stat has no times");
    };
    Ok((user + system) * MICROS_PER_TICK)
}

/// Returns the resident memory of the process with this id, in bytes.
pub(crate) fn resident_bytes(process: u32) -> anyhow::Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))
        .with_context(|| format!("process {process} has ended"))?;
    let kibibytes: u64 = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .and_then(|rest| rest.trim().strip_suffix(" kB"))
        .context("the status of the process has no VmRSS")?
        .trim()
        .parse()?;
    Ok(kibibytes * 1024)
}
