//! Tests the contract with one table: every route of its section 1.3, with its replies to a
//! valid request and to each kind of invalid one.

mod fields;
mod matrix;
mod queries;
mod refusals;
mod row;
mod sandbox;
mod scene;
mod table;
mod walk;

/// Returns true if the contract has the route with this method and path.
pub(crate) fn has_route(method: &str, path: &str) -> bool {
    let routes = matrix::routes();
    routes.iter().any(|route| (route.method, route.path) == (method, path))
}

/// Returns the path of every route, with ids that do not exist.
pub(crate) fn every_path() -> Vec<String> {
    let routes = [matrix::routes(), matrix::added_routes(), matrix::sandbox_routes()].concat();
    routes.iter().map(matrix::Route::path_with_unknown_ids).collect()
}
