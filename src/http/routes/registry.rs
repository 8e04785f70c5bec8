//! The list of routes: adding a route of each section with its facts, and registering all of
//! them with the server.

use actix_web::http::Method;
use actix_web::web::{self, ServiceConfig};
use actix_web::{FromRequest, Handler, Resource, Responder, guard};

use crate::domain::treasury::operator::Right;
use crate::http::answer::{Answer, SuccessOf};
use crate::http::other_methods::other_methods;
use crate::http::refusals::Refusals;
use crate::http::request_spec::RequestSpec;
use crate::http::route::{Access, ActsAs, PathFacts, RouteFacts, RouteIndex, Section};
use crate::http::route_handler::RouteHandler;

pub(super) const DELETE: Method = Method::DELETE;
pub(super) const GET: Method = Method::GET;
pub(super) const POST: Method = Method::POST;
pub(super) const PUT: Method = Method::PUT;

/// The facts of a route that needs no key.
pub(super) const OPEN: RouteFacts = RouteFacts::of_section(Section::Open, ActsAs::Viewer, Access::Business);
/// The facts of a route for notices that carry a signature in place of a key. Their fields are the
/// sender's, so unknown ones are ignored.
pub(super) const NOTICE: RouteFacts = RouteFacts {
    writes: true,
    ignores_unknown: true,
    ..OPEN
};
/// The facts of a route of the contract that takes a publishable key in its body. Unknown fields are
/// ignored, as on every route of the contract.
pub(super) const CHECKOUT: RouteFacts = RouteFacts {
    section: Section::Checkout,
    ..NOTICE
};
/// The facts of a route of escrowd's own under `/v1`, for any party, that changes state.
pub(super) const ADDED: RouteFacts = RouteFacts {
    writes: true,
    ..RouteFacts::of_section(Section::Contract, ActsAs::Party, Access::Business)
};

/// The routes, in the order in which the server tries them.
#[derive(Default)]
pub(super) struct Routes(Vec<Route>);

/// A function that handles the requests of a route, and whose reply the API document describes.
pub(super) trait Handle<Args>: Handler<Args, Output: Responder + Answer + 'static> {}

impl<Args, F: Handler<Args, Output: Responder + Answer + 'static>> Handle<Args> for F {}

/// A method of a route.
pub(super) struct Operation {
    pub(super) method: Method,
    pub(super) facts: RouteFacts,
    pub(super) success: SuccessOf,
}

/// A path with its methods.
struct Route {
    path: &'static str,
    operations: Vec<Operation>,
    endpoints: Vec<actix_web::Route>,
}

impl Operation {
    /// States the fields that the route reads. Without this it reads none.
    pub(super) const fn reading(&mut self, request: RequestSpec) -> &mut Self {
        self.facts.request = request;
        self
    }

    /// States the refusals of the route's own rules.
    pub(super) const fn refusing(&mut self, refusals: Refusals) {
        self.facts.refusals = refusals;
    }
}

impl Route {
    /// Returns true if the path answers HEAD.
    fn answers_head(&self) -> bool {
        let mut operations = self.operations.iter();
        operations.any(|operation| operation.facts.answers_head(&operation.method))
    }
}

impl Routes {
    /// Adds a route of the contract. Unknown fields are ignored.
    pub(super) fn contract<Args: FromRequest + 'static>(
        &mut self,
        method: Method,
        path: &'static str,
        acts_as: ActsAs,
        access: Access,
        handler: impl Handle<Args>,
    ) -> &mut Operation {
        let facts = RouteFacts {
            writes: method != Method::GET,
            ignores_unknown: true,
            ..RouteFacts::of_section(Section::Contract, acts_as, access)
        };
        self.add(method, path, facts, handler)
    }

    /// Adds a GET route of the contract that changes state (section 4.2.6).
    pub(super) fn contract_writing_get<Args: FromRequest + 'static>(
        &mut self,
        path: &'static str,
        acts_as: ActsAs,
        access: Access,
        handler: impl Handle<Args>,
    ) -> &mut Operation {
        let facts = RouteFacts {
            writes: true,
            ignores_unknown: true,
            ..RouteFacts::of_section(Section::Contract, acts_as, access)
        };
        self.add(GET, path, facts, handler)
    }

    /// Adds a route of the sandbox. Every sandbox key may use it.
    pub(super) fn sandbox<Args: FromRequest + 'static>(
        &mut self,
        method: Method,
        path: &'static str,
        acts_as: ActsAs,
        handler: impl Handle<Args>,
    ) -> &mut Operation {
        let facts = RouteFacts {
            writes: method != Method::GET,
            ..RouteFacts::of_section(Section::Sandbox, acts_as, Access::SuperAdmin)
        };
        self.add(method, path, facts, handler)
    }

    /// Adds a route of operators that takes a right. In a sandbox every key may use it for its own
    /// merchant.
    pub(super) fn operator<Args: FromRequest + 'static>(
        &mut self,
        method: Method,
        path: &'static str,
        acts_as: ActsAs,
        right: Right,
        handler: impl Handle<Args>,
    ) -> &mut Operation {
        let facts = RouteFacts {
            writes: method != Method::GET,
            ..RouteFacts::of_section(Section::Operator, acts_as, Access::Operator(right))
        };
        self.add(method, path, facts, handler)
    }

    /// Adds a route with these facts.
    pub(super) fn add<Args: FromRequest + 'static, F: Handle<Args>>(
        &mut self,
        method: Method,
        path: &'static str,
        facts: RouteFacts,
        handler: F,
    ) -> &mut Operation {
        let facts = RouteFacts {
            media_type: F::Output::MEDIA_TYPE,
            ..facts
        };
        self.add_any(method, path, facts, RouteHandler::new(handler), F::Output::success)
    }

    /// Adds a route whose handler has no type any more.
    fn add_any(
        &mut self,
        method: Method,
        path: &'static str,
        facts: RouteFacts,
        handler: RouteHandler,
        success: SuccessOf,
    ) -> &mut Operation {
        let endpoint = if facts.answers_head(&method) {
            web::route().guard(guard::Any(guard::Get()).or(guard::Head()))
        } else {
            web::method(method.clone())
        };
        let route = match self.0.iter().position(|route| route.path == path) {
            Some(known) => &mut self.0[known],
            None => self.0.push_mut(Route {
                path,
                operations: Vec::new(),
                endpoints: Vec::new(),
            }),
        };
        route.endpoints.push(handler.serve(endpoint));
        route.operations.push_mut(Operation { method, facts, success })
    }

    /// Returns each operation with its path, in the order of the table.
    pub(super) fn operations(self) -> impl Iterator<Item = (&'static str, Operation)> {
        let of_route = |route: Route| {
            route
                .operations
                .into_iter()
                .map(move |operation| (route.path, operation))
        };
        self.0.into_iter().flat_map(of_route)
    }

    /// Registers one resource for each path: the framework compiles a pattern for each resource,
    /// in each worker, and tries them one after another. The methods that a path does not take are answered by
    /// [`other_methods`].
    pub(super) fn serve(self, config: &mut ServiceConfig) {
        let mut indices = (0..).map(RouteIndex);
        for route in self.0 {
            let answers_head = route.answers_head();
            let operations = route.operations.iter().zip(&mut indices);
            let facts = operations.map(|(operation, index)| (operation.method.clone(), (operation.facts, index)));
            let facts = PathFacts::new(facts.collect());
            let methods: Vec<&str> = route
                .operations
                .iter()
                .map(|operation| operation.method.as_str())
                .collect();
            let resource = web::resource(route.path).app_data(facts);
            let resource = route.endpoints.into_iter().fold(resource, Resource::route);
            config.service(resource.default_service(other_methods(&methods, answers_head)));
        }
    }
}
