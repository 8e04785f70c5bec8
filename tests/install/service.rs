//! The real binary as a process of its own.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

/// A running service. Dropping it kills the process.
pub(crate) struct Service {
    child: Child,
    pub(crate) address: String,
    _folder: TempDir,
}

impl Service {
    /// Starts a sandbox on a free port, with these environment variables.
    pub(crate) fn start(variables: &[(&str, &str)]) -> Self {
        Self::start_on("127.0.0.1:0", variables)
    }

    /// Starts a sandbox on an address, with these environment variables.
    pub(crate) fn start_on(address: &str, variables: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_escrowd"))
            .args(["--listen", address])
            .current_dir(folder.path())
            .env("ESCROWD_LOG", "warn")
            .envs(variables.iter().copied())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let address = address_in(&mut BufReader::new(child.stdout.take().unwrap()));
        Self {
            child,
            address,
            _folder: folder,
        }
    }

    /// Stops the service and waits for its end.
    pub(crate) fn stop(&mut self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").arg(pid).status().unwrap().success());
        assert!(self.child.wait().unwrap().success());
    }

    /// Kills the service.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Returns the address in a service's first line.
pub(crate) fn address_in(output: &mut impl BufRead) -> String {
    let mut line = String::new();
    output.read_line(&mut line).unwrap();
    let (_, address) = line
        .trim_end()
        .rsplit_once("http://")
        .expect("the first line says where");
    address.to_owned()
}
