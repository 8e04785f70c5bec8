//! The messages from the handles to the deliverer, and what they have set.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::oneshot;
use tokio::time::sleep;

use crate::domain::ids::MerchantId;
use crate::webhooks::client::WebhookClient;
use crate::webhooks::resolver;
use crate::webhooks::settings::{AttemptSettings, Settings};

/// A message from a handle to the deliverer.
pub(super) enum DelivererMessage {
    /// Attempts every delivery of a merchant that is due now, and then answers.
    Flush(MerchantId, oneshot::Sender<()>),
    /// Makes later attempts follow these settings.
    SetAttempts(AttemptSettings),
    /// Starts no further attempt, and ends when those in flight are recorded.
    Stop,
}

/// The handles' messages, and the settings, the client and the time of the stop that earlier messages have
/// set. Outlives a deliverer that panics.
pub(super) struct DelivererControl {
    pub(super) messages: UnboundedReceiver<DelivererMessage>,
    pub(super) settings: Arc<Settings>,
    pub(super) client: Arc<WebhookClient>,
    /// The time at which the deliverer ends, after a message to stop.
    pub(super) stop_at: Option<Instant>,
}

impl DelivererControl {
    pub(super) fn new(
        messages: UnboundedReceiver<DelivererMessage>,
        settings: Settings,
        client: WebhookClient,
    ) -> Self {
        Self {
            messages,
            settings: Arc::new(settings),
            client: Arc::new(client),
            stop_at: None,
        }
    }

    /// Follows the messages for this time, while there is no deliverer. Returns true at once if there should
    /// be no further one.
    pub(super) async fn ends_within(&mut self, pause: Duration) -> bool {
        let over = sleep(pause);
        tokio::pin!(over);
        while self.stop_at.is_none() {
            tokio::select! {
                () = &mut over => return false,
                message = self.messages.recv() => match message {
                    // Dropping `done` ends the wait.
                    Some(DelivererMessage::Flush(..)) => {}
                    Some(DelivererMessage::SetAttempts(attempts)) => self.set_attempts(attempts),
                    Some(DelivererMessage::Stop) | None => return true,
                },
            }
        }
        true
    }

    /// Makes later attempts follow these settings. Those in flight keep their time limit. If there
    /// can be no client for them, the settings stay as they were, as the log says.
    pub(super) fn set_attempts(&mut self, attempts: AttemptSettings) {
        if attempts == self.settings.attempts {
            return;
        }
        match WebhookClient::new(self.settings.mode, attempts.timeout, resolver::system_lookup()) {
            Ok(client) => {
                self.client = Arc::new(client);
                self.settings = Arc::new(Settings {
                    attempts,
                    ..Settings::clone(&self.settings)
                });
            }
            Err(problem) => log::error!("the settings of webhooks stay as they were: {problem}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc::unbounded_channel;

    use super::*;
    use crate::domain::events::delivery::RetrySchedule;
    use crate::domain::mode::Mode;

    const LONG: Duration = Duration::from_mins(10);

    fn settings() -> Settings {
        Settings {
            mode: Mode::Sandbox,
            url_default: None,
            attempts: AttemptSettings {
                schedule: RetrySchedule::new(vec![1]),
                retry_after_seconds_max: 1,
                timeout: Duration::from_secs(1),
            },
            stop_timeout: Duration::ZERO,
        }
    }

    fn control(messages: UnboundedReceiver<DelivererMessage>) -> DelivererControl {
        let client = WebhookClient::new(Mode::Sandbox, LONG, resolver::system_lookup()).unwrap();
        DelivererControl::new(messages, settings(), client)
    }

    #[tokio::test]
    async fn the_messages_of_a_pause_are_followed() {
        let (messages, received) = unbounded_channel();
        let mut control = control(received);
        assert!(!control.ends_within(Duration::ZERO).await, "no message came");

        let slower = AttemptSettings {
            timeout: Duration::from_secs(9),
            ..settings().attempts
        };
        let (done, is_done) = oneshot::channel();
        for message in [
            DelivererMessage::SetAttempts(slower.clone()),
            DelivererMessage::Flush(MerchantId(1), done),
            DelivererMessage::Stop,
        ] {
            messages.send(message).map_err(drop).unwrap();
        }
        assert!(control.ends_within(LONG).await, "the service stops");
        assert_eq!(control.settings.attempts, slower);
        assert!(is_done.await.is_err(), "the wait for a flush ends");
    }

    /// The message to stop was for the deliverer that panicked.
    #[tokio::test]
    async fn there_is_no_pause_after_a_stop() {
        let (_messages, received) = unbounded_channel();
        let mut control = control(received);
        control.stop_at = Some(Instant::now());
        assert!(control.ends_within(LONG).await);
    }
}
