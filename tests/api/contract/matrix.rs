//! The matrix of contract section 1.3: 55 routes, each with its header rule, the key that it
//! requires and the body that it accepts.

/// Method, path, header rule (R required, O optional, F forbidden, - ignored), key
/// (B any business account's, SA a super-admin's) and body, as the contract prints
/// them.
const MATRIX: &str = "\
POST   /v1/escrow/milestone/create                             R B  JSON
PUT    /v1/escrow/milestone/edit/{paymentToken}                R B  JSON
PUT    /v1/escrow/milestone/convert/{paymentToken}             R B  JSON
GET    /v1/escrow/milestone/{paymentToken}                     - B  none
POST   /v1/escrow/milestone/confirm/{escrowId}/{milestoneId}   R B  none
POST   /v1/escrow/create                                       O B  multipart
PUT    /v1/escrow/edit/{paymentToken}                          O B  multipart
PUT    /v1/escrow/additional-fee/{paymentToken}                F SA JSON
DELETE /v1/escrow/delete/{paymentToken}                        O B  none
GET    /v1/escrow/verify/{paymentToken}                        - B  none
GET    /v1/escrow/claim-funds/{paymentToken}                   O B  none
GET    /v1/escrow/transactions                                 O B  none
POST   /v1/payment/escrow                                      R SA JSON
POST   /v1/payment/create-intent                               R SA JSON
POST   /v1/payment/verify                                      R SA JSON
GET    /v1/payment/history                                     R SA none
GET    /v1/payment/bank-list                                   - SA none
POST   /v1/payment/verify-account                              R SA JSON
GET    /v1/payment/verify-phone/{phone}                        - SA none
GET    /v1/payment/deposit/wallet                              - SA none
POST   /v1/payment/topup                                       R SA JSON
POST   /v1/payment/virtual-account                             R SA none
POST   /v1/customer/create                                     - SA JSON
GET    /v1/customers                                           - SA none
GET    /v1/customer/get/{customerId}                           - SA none
PUT    /v1/customer/update/{customerId}                        - SA JSON
PUT    /v1/customer/permissions/{customerId}                   - SA JSON
PUT    /v1/customer/block/{customerId}                         - SA none
PUT    /v1/customer/unblock/{customerId}                       - SA none
GET    /v1/wallet                                              R SA none
POST   /v1/escrow/confirm-payment/{escrowId}                   R SA none
POST   /v1/escrow/submit-dispute/{paymentToken}                R SA multipart
GET    /v1/escrow/dispute/get                                  R SA none
GET    /v1/escrow/dispute/get/{escrowId}                       R SA none
GET    /v1/escrow/all-dispute                                  F SA none
GET    /v1/escrow/feeds                                        F SA none
POST   /v1/escrow/dispute/resolve/{escrowId}                   F SA multipart
GET    /v1/merchant/balance                                    F SA none
GET    /v1/merchant/transactions                               F SA none
POST   /v1/escrow/vault/create                                 F SA JSON
POST   /v1/escrow/vault/winner/{paymentToken}                  F SA JSON
POST   /v1/escrow/vault/cancel/{paymentToken}                  F SA none
GET    /v1/escrow/vault/{paymentToken}                         F SA none
POST   /v1/escrow/category/create                              O B  multipart
PUT    /v1/escrow/category/edit/{categoryId}                   O B  multipart
GET    /v1/escrow/category/get                                 O B  none
GET    /v1/escrow/category/get/{categoryId}                    O B  none
PUT    /v1/escrow/category/position/{categoryId}               O B  JSON
DELETE /v1/escrow/category/delete/{categoryId}                 O B  none
GET    /v1/cards                                               R SA none
DELETE /v1/card/{cardId}                                       R SA none
GET    /v1/whitelist-address                                   R SA none
POST   /v1/whitelist-address                                   R SA JSON
DELETE /v1/whitelist-address/{addressId}                       R SA none
GET    /v1/countries                                           - SA none
";

/// The routes that escrowd adds under `/v1`, in the same form. A strict service has none of
/// them.
const ADDED: &str = "\
POST   /v1/escrow/refund/{paymentToken}                        O B  none
";

/// The routes that only the sandbox has, in the same form. They ignore the `customer-id`
/// header, except for the route that saves a card.
const SANDBOX: &str = "\
POST   /sandbox/test-accounts/{accountNumber}/pay              - SA optional
POST   /sandbox/cards                                          R SA JSON
POST   /sandbox/faults                                         - SA JSON
GET    /sandbox/faults                                         - SA none
DELETE /sandbox/faults                                         - SA none
GET    /sandbox/requests                                       - SA none
GET    /sandbox/requests/{requestId}                           - SA none
GET    /sandbox/publishable-key                                - SA none
GET    /sandbox/clock                                          - SA none
POST   /sandbox/clock/advance                                  - SA JSON
POST   /sandbox/reset                                          - SA none
POST   /sandbox/seed                                           - SA JSON
PUT    /sandbox/balance                                        - SA JSON
GET    /sandbox/callback                                       - SA none
PUT    /sandbox/callback                                       - SA JSON
GET    /sandbox/events                                         - SA none
POST   /sandbox/events/replay                                  - SA JSON
GET    /sandbox/events/{id}                                    - SA none
POST   /sandbox/events/{id}/resend                             - SA none
";

/// The way in which a route treats the `customer-id` header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HeaderRule {
    Required,
    Optional,
    Forbidden,
    Ignored,
}

/// The kind of body that a route accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BodyRule {
    None,
    Json,
    /// JSON, or no body at all.
    Optional,
    /// A multipart form or JSON.
    Form,
}

/// One line of the matrix.
#[derive(Clone, Copy, Debug)]
pub(super) struct Route {
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    pub(super) header: HeaderRule,
    pub(super) needs_super_admin: bool,
    pub(super) body: BodyRule,
}

/// Returns every route of the contract.
pub(super) fn routes() -> Vec<Route> {
    MATRIX.lines().map(Route::of).collect()
}

/// Returns the routes that escrowd adds to the contract's.
pub(super) fn added_routes() -> Vec<Route> {
    ADDED.lines().map(Route::of).collect()
}

/// Returns the routes that only the sandbox has.
pub(super) fn sandbox_routes() -> Vec<Route> {
    SANDBOX.lines().map(Route::of).collect()
}

impl Route {
    fn of(line: &'static str) -> Self {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [method, path, header, key, body] = words[..] else {
            panic!("expected a line of five words: {line}");
        };
        Self {
            method,
            path,
            header: match header {
                "R" => HeaderRule::Required,
                "O" => HeaderRule::Optional,
                "F" => HeaderRule::Forbidden,
                "-" => HeaderRule::Ignored,
                other => panic!("unknown header rule: {other}"),
            },
            needs_super_admin: match key {
                "SA" => true,
                "B" => false,
                other => panic!("unknown key scope: {other}"),
            },
            body: match body {
                "none" => BodyRule::None,
                "JSON" => BodyRule::Json,
                "optional" => BodyRule::Optional,
                "multipart" => BodyRule::Form,
                other => panic!("unknown body rule: {other}"),
            },
        }
    }

    /// Returns true if escrowd adds the route to the contract's.
    pub(super) fn is_added(&self) -> bool {
        added_routes().iter().any(|added| added.name() == self.name())
    }

    /// Returns the method and path, which the rows of the table use as the route's name.
    pub(super) fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    /// Returns the path with its parts in braces replaced by these ids, in order.
    pub(super) fn path_with(&self, ids: &[&str]) -> String {
        let mut path = self.path.to_owned();
        for id in ids {
            let (before, rest) = path
                .split_once('{')
                .unwrap_or_else(|| panic!("{} has no place for the id {id}", self.path));
            let (_, after) = rest.split_once('}').unwrap();
            path = format!("{before}{id}{after}");
        }
        assert!(!path.contains('{'), "{path} is missing an id");
        path
    }

    /// Returns the path with ids that do not exist.
    pub(super) fn path_with_unknown_ids(&self) -> String {
        let parts = self.path.matches('{').count();
        let unknown_id = match self.path {
            path if path.contains("{paymentToken}") => "PY_ZZZZZZZZ0000",
            path if path.contains("{phone}") => "08099999999",
            _ => "0123456789abcdef01234567",
        };
        self.path_with(&vec![unknown_id; parts])
    }
}
