//! Messages to the service manager, such as systemd, that started the service and named a
//! socket in `NOTIFY_SOCKET`. Without one, nothing is sent.

use std::net::SocketAddr;

use sd_notify::NotifyState;

/// Says that the service answers requests.
pub(super) fn tell_ready(address: SocketAddr) {
    tell(&[
        NotifyState::Ready,
        NotifyState::Status(&format!("listening on http://{address}")),
    ]);
}

/// Says that the service finishes the requests in flight and then ends.
pub(super) fn tell_stopping() {
    tell(&[
        NotifyState::Stopping,
        NotifyState::Status("finishing requests in flight"),
    ]);
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        log::warn!("cannot tell the service manager ({error}); see NOTIFY_SOCKET");
    }
}
