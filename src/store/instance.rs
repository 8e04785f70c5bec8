//! The one row about the file itself.

use super::error::Error;
use super::snapshot::Tx;

impl Tx<'_> {
    /// Writes something small, to prove that writing works.
    pub fn write_heartbeat(&mut self) -> Result<(), Error> {
        self.connection
            .prepare_cached("UPDATE instance SET heartbeat_at = ?1")?
            .execute([self.now().millis()])?;
        Ok(())
    }
}
