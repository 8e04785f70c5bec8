//! The end of a run: who had what before and after.

use maud::{Markup, html};

use crate::web::demo::money::{self, Picture};
use crate::web::demo::run::Run;

/// Shows the last page of a run whose steps are all done.
pub(super) fn show(run: &Run, currency: &str) -> Markup {
    let first = Picture::of(run, run.done_at(1));
    let last = Picture::of(run, None);
    html! {
        section.card.story {
            h2 { "The end" }
            p { (run.filled(run.story.ending)) }
            div.actions {
                @if let Some((escrow, _)) = &run.deal {
                    a.button.primary href={ "/console/deals/" (escrow.id) } { "The deal in the console" }
                }
                a.button href="/demo" { "Other stories" }
                a.button href={ (run.address(run.story.steps.len())) "#step" } { "Back" }
            }
        }
        section.card.money {
            h2 { "Who had what before and after" }
            (money::before_and_after(&first, &last, currency))
        }
    }
}
