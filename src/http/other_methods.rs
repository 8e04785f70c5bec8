//! The replies to the methods that a path does not take.

use std::future::ready;
use std::sync::Arc;

use actix_web::http::Method;
use actix_web::http::header::{ALLOW, HeaderValue};
use actix_web::{HttpResponse, Route, web};

use crate::http::error::ApiError;

/// Returns the route of a path for all methods but these. OPTIONS names the methods of the path,
/// and every other method gets the refusal [`ApiError::MethodNotAllowed`].
pub(crate) fn other_methods(methods: &[&str], answers_head: bool) -> Route {
    let head = answers_head.then_some("HEAD");
    let allowed: Vec<&str> = methods.iter().copied().chain(head).chain(["OPTIONS"]).collect();
    let allow = HeaderValue::from_str(&allowed.join(", ")).expect("methods are ASCII");
    let methods: Arc<str> = methods.join(", ").into();
    web::to(move |method: Method| {
        ready(if method == Method::OPTIONS {
            Ok(HttpResponse::NoContent().insert_header((ALLOW, allow.clone())).finish())
        } else {
            Err(ApiError::MethodNotAllowed {
                methods: Arc::clone(&methods),
                allow: allow.clone(),
            })
        })
    })
}
