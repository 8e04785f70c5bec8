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

/// Returns the path of every route, with ids that do not exist.
pub(crate) fn every_path() -> Vec<String> {
    let routes = [matrix::routes(), matrix::sandbox_routes()].concat();
    routes.iter().map(matrix::Route::path_with_unknown_ids).collect()
}
