//! Entry points for the benchmarks: parsing a request body and rendering a reply body,
//! with the same code as the routes but without a server.

use crate::commands::milestone_escrows::MilestoneEscrowRequest;
use crate::domain::escrow::Escrow;
use crate::domain::escrow::limits::TermsLimits;
use crate::domain::invalid::Parsed;
use crate::domain::party::Party;
use crate::http::body::JsonBody;
use crate::http::envelope::Reply;
use crate::http::routes::milestone_escrows::parse_milestone_escrow;
use crate::views::{EscrowView, ViewContext};

/// Parses the body of `POST /v1/escrow/milestone/create`.
pub fn read_milestone_escrow(body: String, limits: &TermsLimits) -> Parsed<MilestoneEscrowRequest> {
    parse_milestone_escrow(&JsonBody::of(body), limits)
}

/// Renders the reply body of `GET /v1/escrow/verify/{paymentToken}`.
pub fn write_escrow(escrow: Escrow, viewer: Option<&Party>, currency: &str) -> Vec<u8> {
    let context = ViewContext {
        viewer,
        currency,
        base_url: "",
        host: None,
    };
    Reply::ok("Escrow verified successfully", EscrowView::new(escrow, &context)).into_body()
}
