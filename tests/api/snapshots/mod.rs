//! Snapshots of every route's replies, of every refusal and of every event. A snapshot may
//! change only in a commit that means to change behaviour and says so.

mod checkout;
mod coverage;
mod edge;
mod escrows;
mod layout;
mod modes;
mod money;
mod operators;
mod position;
pub(crate) mod redaction;
mod sandbox;
mod settings_of_merchants;
pub(crate) mod transcript;

use redaction::Redaction;

use crate::helpers::TestApp;

/// Compares the transcripts of these services with the snapshot of this name.
#[track_caller]
pub(crate) fn assert_snapshot(name: &str, apps: &[&TestApp]) {
    assert!(
        coverage::SNAPSHOTS.contains(&name),
        "{name} is not in the list of snapshots"
    );
    let mut redaction = Redaction::default();
    let texts: Vec<String> = apps.iter().map(|app| app.transcript().text(&mut redaction)).collect();
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(".");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, texts.concat()));
}
