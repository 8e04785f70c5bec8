//! Stories for a demonstration: deals that a person walks through step by step, with the
//! money of everyone after each step.
//!
//! `stories` holds the stories as data; a new one is a function there. Nothing is stored for a
//! story: each run has customers of its own, whose names end with the run's id, and the
//! address names the run. `run` finds out from the deal that the service holds which steps
//! are done.

mod choice;
mod ending;
mod money;
mod run;
mod step_page;
mod stories;
mod story;

use actix_web::web::{self, ServiceConfig};

pub(super) fn configure(config: &mut ServiceConfig) {
    config
        .service(web::resource("").get(choice::list))
        .service(web::resource("/{story}").get(choice::show).post(choice::start))
        .service(web::resource("/{story}/{run}").get(step_page::resume))
        .service(
            web::resource("/{story}/{run}/{step}")
                .get(step_page::show)
                .post(step_page::next),
        );
}
