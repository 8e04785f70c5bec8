//! The operator's desk: where the money is, what came, what goes out, who did what, and in live
//! mode the people and the keys.

mod acts;
mod batches;
mod deposits;
mod keys;
mod lists;
mod parts;
mod payouts;
mod people;
mod position;
mod reconciliation;

use actix_web::web::{self, ServiceConfig};

pub(super) fn configure(config: &mut ServiceConfig) {
    config
        .service(web::resource("/desk").get(position::show))
        .service(web::resource("/desk/deposits").get(deposits::show))
        .service(web::resource("/desk/payouts").get(payouts::show))
        .service(web::resource("/desk/batches").get(batches::show).post(batches::apply))
        .service(web::resource("/desk/batches/export").post(batches::export))
        .service(
            web::resource("/desk/reconciliation")
                .get(reconciliation::show)
                .post(reconciliation::compare),
        )
        .service(web::resource("/desk/acts").get(acts::show))
        .service(web::resource("/desk/people").get(people::show))
        .service(web::resource("/desk/keys").get(keys::show));
}
