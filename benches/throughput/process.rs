//! Servers in processes of their own.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

/// How long a server may take until it answers.
const START_TIME_MAX: Duration = Duration::from_secs(30);

/// A server that listens; killed when dropped.
pub(crate) struct Process {
    child: Child,
    pub(crate) address: String,
}

impl Process {
    /// Starts a server that prints its address, and waits until it listens. Its
    /// standard input stays open for as long as it is wanted.
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

    /// Stops it in order, so that it leaves no log to recover.
    pub(crate) fn stop(mut self) -> anyhow::Result<()> {
        terminate(&mut self.child)
    }

    /// Bytes of memory that are its own or mapped and in use.
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

/// Asks a process to stop and waits until it has.
pub(crate) fn terminate(child: &mut Child) -> anyhow::Result<()> {
    Command::new("kill").args(["-TERM", &child.id().to_string()]).status()?;
    child.wait()?;
    Ok(())
}

/// The resident memory of the process with this number.
pub(crate) fn resident_bytes(process: u32) -> anyhow::Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))
        .with_context(|| format!("process {process} has ended"))?;
    let kibibytes: u64 = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .and_then(|rest| rest.trim().strip_suffix(" kB"))
        .context("a process without VmRSS")?
        .trim()
        .parse()?;
    Ok(kibibytes * 1024)
}
