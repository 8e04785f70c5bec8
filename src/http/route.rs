//! The facts of a route. The route table states them, and all other code reads them from
//! there.

use actix_web::HttpRequest;
use actix_web::http::Method;

use crate::domain::treasury::operator::Right;
use crate::http::refusals::Refusals;
use crate::http::request_spec::RequestSpec;

/// The start of every path of the contract, and of the few that escrowd adds to it.
pub(crate) const CONTRACT_PREFIX: &str = "/v1/";

/// The properties of a route beside its method, path and handler.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RouteFacts {
    /// The party that the route acts for.
    pub(crate) acts_as: ActsAs,
    /// The keys that may use the route.
    pub(crate) access: Access,
    /// The route's section of the route table.
    pub(crate) section: Section,
    /// True if the route changes state.
    pub(crate) writes: bool,
    /// The fields that the route reads.
    pub(crate) request: RequestSpec,
    /// True if the route ignores other fields, as the hosted API does, and false if it refuses
    /// them.
    pub(crate) ignores_unknown: bool,
    /// The refusals of its own rules.
    pub(crate) refusals: Refusals,
    /// The media type of a success that is no envelope, such as a file or a stream. The type of the
    /// handler's reply states it.
    pub(crate) media_type: Option<&'static str>,
}

/// The rule for the `customer-id` header (contract section 1.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ActsAs {
    /// A customer: the header is required.
    Customer,
    /// The customer of the header or, without the header, the merchant itself.
    Party,
    /// The merchant: the header is forbidden.
    Merchant,
    /// The merchant's own account: the header is forbidden, and the refusal has `data:
    /// null`.
    MerchantAccount,
    /// The merchant of the key: the header has no effect.
    Key,
    /// The merchant that the operator names in the header `merchant-id`.
    MerchantOfOperator,
    /// The deployment: all merchants that the operator may act for, unless the request names one or
    /// the operator is limited to one.
    Deployment,
    /// The operator's own rights, for no merchant: the header `merchant-id` has no effect.
    OperatorItself,
    /// No party: the header only names the viewer. A header without a valid customer id,
    /// or with several different ids, has no effect.
    Viewer,
}

/// The keys that may use a route (contract section 1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Every key of the merchant, also one with the scope `business`.
    Business,
    /// Keys with the scope `super_admin`.
    SuperAdmin,
    /// Live mode: the keys of operators with this right. In a sandbox every key.
    Operator(Right),
}

/// A section of the route table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Section {
    /// Routes of the contract, and those that escrowd adds beside them, under
    /// [`CONTRACT_PREFIX`]. The rate limit and faults apply to them.
    Contract,
    /// The route of the contract that takes a publishable key in its body. Faults apply to it, and
    /// it counts its requests itself, once it knows the merchant.
    Checkout,
    /// Routes of the sandbox, under `/sandbox`. They are not rate limited: a test that has
    /// used up the limit moves its clock with one of them.
    Sandbox,
    /// Routes of operators, under `/operator`.
    Operator,
    /// Routes without a key: probes, the API document, files, and the signed notices of payment
    /// providers.
    Open,
}

/// The place of a route in the route table, by which its requests are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RouteIndex(pub(super) usize);

/// The facts of each method of a path. The resource of the path carries them.
#[derive(Clone, Debug)]
pub(super) struct PathFacts(Vec<(Method, (RouteFacts, RouteIndex))>);

impl PathFacts {
    pub(super) const fn new(methods: Vec<(Method, (RouteFacts, RouteIndex))>) -> Self {
        Self(methods)
    }

    /// Returns the facts of the route that a request was led to, if its path and method have
    /// one.
    pub(super) fn of(request: &HttpRequest) -> Option<&(RouteFacts, RouteIndex)> {
        let Self(methods) = request.app_data::<Self>()?;
        let wanted = request.method();
        let leads_to = |method: &Method, facts: &RouteFacts| {
            method == wanted || (*wanted == Method::HEAD && facts.answers_head(method))
        };
        let found = methods.iter().find(|(method, (facts, _))| leads_to(method, facts));
        found.map(|(_, found)| found)
    }
}

impl RouteFacts {
    /// Returns the facts of a route that changes nothing, reads no fields, refuses unknown ones and
    /// has no refusals of its own.
    pub(super) const fn of_section(section: Section, acts_as: ActsAs, access: Access) -> Self {
        Self {
            acts_as,
            access,
            section,
            writes: false,
            request: RequestSpec::NOTHING,
            ignores_unknown: false,
            refusals: Refusals::NONE,
            media_type: None,
        }
    }

    /// Returns the facts of the route that a request was led to.
    pub(super) fn of(request: &HttpRequest) -> Option<&Self> {
        PathFacts::of(request).map(|(facts, _)| facts)
    }

    /// Returns true if the route, whose method this is, answers HEAD as it answers GET. A GET that
    /// changes state does not: clients send HEAD in the belief that it changes nothing.
    pub(super) fn answers_head(&self, method: &Method) -> bool {
        *method == Method::GET && !self.writes
    }

    /// Returns true if a request needs a secret key in its header.
    pub(crate) const fn needs_key(&self) -> bool {
        !matches!(self.section, Section::Checkout | Section::Open)
    }

    /// Returns true if a request counts against its key's rate limit.
    pub(crate) const fn is_limited(self) -> bool {
        matches!(self.section, Section::Contract)
    }

    /// Returns true if the request log keeps requests of the route: all requests of the contract
    /// and those that begin a checkout, and the requests under `/sandbox` and `/operator` that
    /// change state.
    pub(crate) const fn is_recorded(self) -> bool {
        match self.section {
            Section::Contract | Section::Checkout => true,
            Section::Sandbox | Section::Operator => self.writes,
            Section::Open => false,
        }
    }
}
