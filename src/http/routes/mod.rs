//! Every route of the service, one line each.

mod banks;
mod cards;
mod categories;
mod clocks;
mod customers;
mod disputes;
mod events;
mod faults;
mod files;
mod histories;
mod intents;
mod milestone_escrows;
mod payments;
mod requests;
mod resets;
mod seeds;
mod standard_escrows;
mod vaults;
mod webhook_endpoint;
mod whitelist;

use std::future::ready;

use actix_web::http::Method;
use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{Handler, HttpRequest, Resource, Responder, guard};

use crate::domain::mode::Mode;
use crate::http::auth::Access;
use crate::http::envelope::{ApiError, Reply};
use crate::http::state::AppState;
use crate::queries;

const DELETE: Method = Method::DELETE;
const GET: Method = Method::GET;
const POST: Method = Method::POST;
const PUT: Method = Method::PUT;

/// Adds every route.
pub(crate) fn configure(config: &mut ServiceConfig, mode: Mode) {
    table(mode).serve(config);
    config.default_service(web::to(unknown_route));
}

/// Every route there is in this mode, by its method and its path.
pub fn routes(mode: Mode) -> Vec<(String, &'static str)> {
    let routes = table(mode).0.into_iter();
    let named = routes.flat_map(|route| {
        let path = route.path;
        route.methods.into_iter().map(move |method| (method.to_string(), path))
    });
    named.collect()
}

/// Every route; those under `/sandbox` in sandbox mode only. Routes are tried one
/// after another: first those that are asked for most; a literal path before one with
/// a part to fill in.
#[rustfmt::skip] // A table is read in columns.
fn table(mode: Mode) -> Routes {
    use Access::{Business, SuperAdmin};

    let mut route = Routes::default();
    route.add(GET, "/v1/escrow/verify/{paymentToken}", Business, standard_escrows::verify);
    route.add(POST, "/v1/escrow/milestone/confirm/{escrowId}/{milestoneId}", Business, milestone_escrows::confirm);

    route.add(GET, "/healthz", Business, health);
    route.add(GET, "/files/{name}", Business, files::serve);

    route.add(POST, "/v1/escrow/milestone/create", Business, milestone_escrows::create);
    route.add(PUT, "/v1/escrow/milestone/edit/{paymentToken}", Business, milestone_escrows::edit);
    route.add(PUT, "/v1/escrow/milestone/convert/{paymentToken}", Business, milestone_escrows::convert);
    route.add(GET, "/v1/escrow/milestone/{paymentToken}", Business, milestone_escrows::list);

    route.add(POST, "/v1/escrow/create", Business, standard_escrows::create);
    route.add(PUT, "/v1/escrow/edit/{paymentToken}", Business, standard_escrows::edit);
    route.add(PUT, "/v1/escrow/additional-fee/{paymentToken}", SuperAdmin, standard_escrows::set_additional_fee);
    route.add(DELETE, "/v1/escrow/delete/{paymentToken}", Business, standard_escrows::delete);
    route.add(GET, "/v1/escrow/claim-funds/{paymentToken}", Business, standard_escrows::claim);
    route.add(GET, "/v1/escrow/transactions", Business, standard_escrows::list);
    route.add(POST, "/v1/escrow/confirm-payment/{escrowId}", SuperAdmin, standard_escrows::confirm_payment);

    route.add(POST, "/v1/escrow/submit-dispute/{paymentToken}", SuperAdmin, disputes::submit);
    route.add(GET, "/v1/escrow/dispute/get", SuperAdmin, disputes::list_own);
    route.add(GET, "/v1/escrow/dispute/get/{escrowId}", SuperAdmin, disputes::get);
    route.add(GET, "/v1/escrow/all-dispute", SuperAdmin, disputes::list_all);
    route.add(GET, "/v1/escrow/feeds", SuperAdmin, disputes::feed);
    route.add(POST, "/v1/escrow/dispute/resolve/{escrowId}", SuperAdmin, disputes::resolve);

    route.add(POST, "/v1/payment/escrow", SuperAdmin, payments::pay);
    route.add(POST, "/v1/payment/topup", SuperAdmin, payments::top_up);
    route.add(GET, "/v1/wallet", SuperAdmin, payments::wallet);

    route.add(POST, "/v1/customer/create", SuperAdmin, customers::create);
    route.add(GET, "/v1/customers", SuperAdmin, customers::list);
    route.add(GET, "/v1/customer/get/{customerId}", SuperAdmin, customers::get);
    route.add(PUT, "/v1/customer/update/{customerId}", SuperAdmin, customers::update);
    route.add(PUT, "/v1/customer/permissions/{customerId}", SuperAdmin, customers::update_permissions);
    route.add(PUT, "/v1/customer/block/{customerId}", SuperAdmin, customers::block);
    route.add(PUT, "/v1/customer/unblock/{customerId}", SuperAdmin, customers::unblock);
    route.add(GET, "/v1/countries", SuperAdmin, customers::countries);

    route.add(POST, "/v1/payment/create-intent", SuperAdmin, intents::create);
    route.add(POST, "/v1/payment/verify", SuperAdmin, intents::verify);
    route.add(GET, "/v1/payment/history", SuperAdmin, histories::of_customer);
    route.add(GET, "/v1/payment/bank-list", SuperAdmin, banks::list);
    route.add(POST, "/v1/payment/verify-account", SuperAdmin, banks::verify_account);
    route.add(GET, "/v1/payment/verify-phone/{phone}", SuperAdmin, banks::verify_phone);
    route.add(GET, "/v1/payment/deposit/wallet", SuperAdmin, banks::deposit_wallet);
    route.add(POST, "/v1/payment/virtual-account", SuperAdmin, banks::virtual_account);

    route.add(GET, "/v1/merchant/balance", SuperAdmin, histories::merchant_balance);
    route.add(GET, "/v1/merchant/transactions", SuperAdmin, histories::of_merchant);

    route.add(GET, "/v1/cards", SuperAdmin, cards::list);
    route.add(DELETE, "/v1/card/{cardId}", SuperAdmin, cards::remove);

    route.add(GET, "/v1/whitelist-address", SuperAdmin, whitelist::list);
    route.add(POST, "/v1/whitelist-address", SuperAdmin, whitelist::add);
    route.add(DELETE, "/v1/whitelist-address/{addressId}", SuperAdmin, whitelist::remove);

    route.add(POST, "/v1/escrow/vault/create", SuperAdmin, vaults::create);
    route.add(POST, "/v1/escrow/vault/winner/{paymentToken}", SuperAdmin, vaults::declare_winner);
    route.add(POST, "/v1/escrow/vault/cancel/{paymentToken}", SuperAdmin, vaults::cancel);
    route.add(GET, "/v1/escrow/vault/{paymentToken}", SuperAdmin, vaults::get);

    route.add(POST, "/v1/escrow/category/create", Business, categories::create);
    route.add(PUT, "/v1/escrow/category/edit/{categoryId}", Business, categories::edit);
    route.add(GET, "/v1/escrow/category/get", Business, categories::list);
    route.add(GET, "/v1/escrow/category/get/{categoryId}", Business, categories::get);
    route.add(PUT, "/v1/escrow/category/position/{categoryId}", Business, categories::move_to);
    route.add(DELETE, "/v1/escrow/category/delete/{categoryId}", Business, categories::delete);

    if mode == Mode::Sandbox {
        route.add(POST, "/sandbox/test-accounts/{accountNumber}/pay", SuperAdmin, intents::pay_test_account);
        route.add(POST, "/sandbox/cards", SuperAdmin, cards::save);
        route.add(POST, "/sandbox/faults", SuperAdmin, faults::set);
        route.add(GET, "/sandbox/faults", SuperAdmin, faults::list);
        route.add(DELETE, "/sandbox/faults", SuperAdmin, faults::clear);
        route.add(GET, "/sandbox/requests", SuperAdmin, requests::list);
        route.add(GET, "/sandbox/requests/{requestId}", SuperAdmin, requests::get);
        route.add(GET, "/sandbox/clock", SuperAdmin, clocks::get);
        route.add(POST, "/sandbox/clock/advance", SuperAdmin, clocks::advance);
        route.add(POST, "/sandbox/reset", SuperAdmin, resets::reset);
        route.add(POST, "/sandbox/seed", SuperAdmin, seeds::load);

        route.add(GET, "/sandbox/callback", SuperAdmin, webhook_endpoint::get);
        route.add(PUT, "/sandbox/callback", SuperAdmin, webhook_endpoint::set);
        route.add(GET, "/sandbox/events", SuperAdmin, events::list);
        route.add(POST, "/sandbox/events/replay", SuperAdmin, events::replay);
        route.add(GET, "/sandbox/events/{id}", SuperAdmin, events::get);
        route.add(POST, "/sandbox/events/{id}/resend", SuperAdmin, events::resend);
    }

    route
}

/// Paths in the order they are tried.
#[derive(Default)]
struct Routes(Vec<Route>);

/// A path, with a resource for each of its methods.
struct Route {
    path: &'static str,
    methods: Vec<Method>,
    resources: Vec<Resource>,
}

impl Routes {
    fn add<F, Args>(&mut self, method: Method, path: &'static str, access: Access, handler: F)
    where
        F: Handler<Args>,
        Args: actix_web::FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        let resource = web::resource(path)
            .guard(guard::Method(method.clone()))
            .app_data(access)
            .to(handler);
        let route = match self.0.iter().position(|route| route.path == path) {
            Some(known) => &mut self.0[known],
            None => self.0.push_mut(Route {
                path,
                methods: Vec::new(),
                resources: Vec::new(),
            }),
        };
        route.methods.push(method);
        route.resources.push(resource);
    }

    /// Adds the routes and, behind each path's, the answer to a method it does not
    /// have.
    fn serve(self, config: &mut ServiceConfig) {
        for route in self.0 {
            for resource in route.resources {
                config.service(resource);
            }
            let methods: Vec<&str> = route.methods.iter().map(Method::as_str).collect();
            let allowed = methods.join(", ");
            let wrong_method = move || {
                ready(Err::<Reply<()>, _>(ApiError::MethodNotAllowed {
                    allowed: allowed.clone(),
                }))
            };
            config.service(web::resource(route.path).to(wrong_method));
        }
    }
}

/// `GET /healthz`: 200 when a write reaches the disk and a read comes back, which
/// is when the service can serve.
async fn health(api: Data<AppState>) -> Result<Reply<serde_json::Value>, ApiError> {
    api.write(|tx, _policy| tx.write_heartbeat()).await?;
    queries::is_readable(&api.store)?;
    Ok(Reply::ok("The service can serve", serde_json::json!({})))
}

async fn unknown_route(request: HttpRequest) -> Result<Reply<()>, ApiError> {
    Err(ApiError::RouteNotFound {
        path: request.path().to_owned(),
    })
}
