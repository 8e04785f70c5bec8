//! From a body to what a command takes, and from an escrow to a body, without a
//! server around them: the very code behind the routes, for measuring it.

use crate::commands::milestone_escrows::MilestoneEscrowRequest;
use crate::domain::escrow::Escrow;
use crate::domain::party::Party;
use crate::domain::refusal::Parsed;
use crate::http::body::JsonBody;
use crate::http::drafts;
use crate::http::envelope::Reply;
use crate::views::{EscrowView, ViewContext};

/// What the body of `POST /v1/escrow/milestone/create` says.
pub fn read_milestone_escrow(body: String) -> Parsed<MilestoneEscrowRequest> {
    drafts::milestone_escrow(&JsonBody::of(body))
}

/// The body that answers `GET /v1/escrow/verify/{paymentToken}`.
pub fn write_escrow(escrow: Escrow, viewer: Option<&Party>, currency: &str) -> Vec<u8> {
    let viewing = ViewContext {
        viewer,
        currency,
        files_url: "",
    };
    Reply::ok("Escrow verified successfully", EscrowView::new(escrow, &viewing)).into_body()
}
