//! Every route of the service, one line each.

use actix_web::http::Method;
use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{Handler, HttpRequest, Responder};

use super::api::Api;
use super::envelope::{ApiError, Reply};
use super::{milestone_escrows, payments, standard_escrows};
use crate::queries;

/// Adds every route; literal paths come before those with a part to fill in.
pub(super) fn configure(config: &mut ServiceConfig) {
    let mut route = Routes(config);
    // Routes are tried one after another: first those that are asked for most.
    route.add(
        Method::GET,
        "/v1/escrow/verify/{paymentToken}",
        standard_escrows::verify,
    );
    route.add(
        Method::POST,
        "/v1/escrow/milestone/confirm/{escrowId}/{milestoneId}",
        milestone_escrows::confirm,
    );

    route.add(Method::GET, "/healthz", health);

    route.add(Method::POST, "/v1/escrow/milestone/create", milestone_escrows::create);
    route.add(
        Method::PUT,
        "/v1/escrow/milestone/edit/{paymentToken}",
        milestone_escrows::edit,
    );
    route.add(
        Method::GET,
        "/v1/escrow/milestone/{paymentToken}",
        milestone_escrows::list,
    );

    route.add(Method::POST, "/v1/escrow/create", standard_escrows::create);
    route.add(
        Method::POST,
        "/v1/escrow/confirm-payment/{escrowId}",
        standard_escrows::confirm_payment,
    );

    route.add(Method::POST, "/v1/payment/escrow", payments::pay);
    route.add(Method::POST, "/v1/payment/topup", payments::top_up);
    route.add(Method::GET, "/v1/wallet", payments::wallet);

    config.default_service(web::to(unknown_route));
}

struct Routes<'a>(&'a mut ServiceConfig);

impl Routes<'_> {
    fn add<F, Args>(&mut self, method: Method, path: &'static str, handler: F)
    where
        F: Handler<Args>,
        Args: actix_web::FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        let allowed = match method {
            Method::GET => "GET",
            Method::PUT => "PUT",
            _ => "POST",
        };
        let wrong_method = move || std::future::ready(Err::<Reply<()>, _>(ApiError::MethodNotAllowed { allowed }));
        let resource = web::resource(path)
            .route(web::method(method).to(handler))
            .default_service(web::to(wrong_method));
        self.0.service(resource);
    }
}

/// `GET /healthz`: 200 when a write reaches the disk and a read comes back, which
/// is when the service can serve.
async fn health(api: Data<Api>) -> Result<Reply<serde_json::Value>, ApiError> {
    api.write(|tx, _policy| tx.write_heartbeat()).await?;
    queries::is_readable(&api.store)?;
    Ok(Reply::ok("The service can serve", serde_json::json!({})))
}

async fn unknown_route(request: HttpRequest) -> Result<Reply<()>, ApiError> {
    Err(ApiError::RouteNotFound {
        path: request.path().to_owned(),
    })
}
