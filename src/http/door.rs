//! The door by which the service's own pages call its routes: in this process, without a
//! socket, through the same middleware, checks and handlers as a client's request. A page has
//! no other way to change anything.

use std::cell::OnceCell;
use std::fmt;
use std::future::{Future, Ready, ready};
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;

use actix_http::{Payload, Request};
use actix_web::body::{self, BodySize, BoxBody, MessageBody};
use actix_web::dev::{Service, ServiceResponse};
use actix_web::http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue};
use actix_web::http::{Method, StatusCode, Uri};
use actix_web::web::Bytes;
use actix_web::{FromRequest, HttpMessage, HttpRequest};

use crate::domain::ids::MerchantId;
use crate::http::client_address::PROXY_HEADERS;
use crate::http::context::{ByPage, OnBehalf, RequestContext};
use crate::http::error::ApiError;
use crate::http::headers::REQUEST_ID;
use crate::http::operator_auth::MERCHANT_ID;
use crate::http::sessions::SecretKey;
use crate::http::visitor::Visitor;
use crate::store;

type PendingResponse = Pin<Box<dyn Future<Output = Result<ServiceResponse<BoxBody>, actix_web::Error>>>>;
type Routes = Box<dyn Fn(Request) -> Option<PendingResponse>>;

/// The routes of one worker, once they have started.
#[derive(Clone, Default)]
pub(super) struct WorkerDoor(Rc<OnceCell<Routes>>);

/// The way from one page request to the routes. A handler of a page takes it as an argument.
#[derive(Clone)]
pub(crate) struct Door {
    worker: WorkerDoor,
    peer: Option<SocketAddr>,
    /// The context of the page's own request.
    context: Arc<RequestContext>,
    /// The headers of the page's own request that its calls repeat: they say where the browser is
    /// and how it reached the service.
    repeated: HeaderMap,
    /// The key of the person who has logged in, so that the rights of the key decide.
    key: Option<SecretKey>,
    /// The merchant that an operator has chosen. A call may name another one.
    merchant: Option<MerchantId>,
    on_behalf: Option<OnBehalf>,
}

/// A request to a route, as a page makes and shows it.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    /// The method.
    pub(crate) method: Method,
    /// The path with its query, escaped.
    pub(crate) path: String,
    /// Headers, such as `customer-id`.
    pub(crate) headers: Vec<(&'static str, String)>,
    /// The content type and the bytes of the body.
    pub(crate) body: Option<(String, Bytes)>,
}

/// The answer of a route.
#[derive(Clone, Debug)]
pub(crate) struct CallReply {
    /// The HTTP status.
    pub(crate) status: StatusCode,
    /// The body as the route sent it.
    pub(crate) body: Bytes,
    /// The id of the request.
    pub(crate) request_id: Option<String>,
}

impl WorkerDoor {
    /// Opens the door to the service of this worker, which keeps nothing alive.
    pub(super) fn open<S, B>(&self, service: &Rc<S>)
    where
        S: Service<Request, Response = ServiceResponse<B>, Error = actix_web::Error> + 'static,
        S::Future: 'static,
        B: MessageBody + 'static,
    {
        let service = Rc::downgrade(service);
        let routes: Routes = Box::new(move |request| {
            let call = service.upgrade()?.call(request);
            Some(Box::pin(async move { Ok(call.await?.map_into_boxed_body()) }))
        });
        self.0.get_or_init(|| routes);
    }
}

impl Door {
    /// Makes every request act for this merchant, also if a person has logged in.
    pub(super) fn on_behalf_of(self, merchant: OnBehalf) -> Self {
        Self {
            key: None,
            merchant: None,
            on_behalf: Some(merchant),
            ..self
        }
    }

    /// Makes every request of an operator act for this merchant, or for none, unless the request
    /// names another one.
    pub(crate) fn choose(&mut self, merchant: Option<MerchantId>) {
        self.merchant = merchant;
    }

    /// Sends a request to its route and waits for the whole answer. A refusal is an answer
    /// too.
    ///
    /// # Errors
    ///
    /// [`ApiError::Internal`] if the path or a header cannot stand in a request or the answer is a
    /// stream, and [`store::Error::Stopped`] if the service is stopping.
    pub(crate) async fn call(&self, call: Call) -> Result<CallReply, ApiError> {
        let request = self.request(call).ok_or(ApiError::Internal)?;
        let answer = self.worker.0.get().and_then(|routes| routes(request));
        let answer = answer.ok_or(store::Error::Stopped)?;
        let response = match answer.await {
            Ok(response) => response.into_parts().1,
            Err(error) => error.error_response(),
        };
        let status = response.status();
        let request_id = response.headers().get(&REQUEST_ID);
        let request_id = request_id.and_then(|id| id.to_str().ok()).map(str::to_owned);
        let body = response.into_body();
        if body.size() == BodySize::Stream {
            // It may have no end, and a page waits for the whole.
            return Err(ApiError::Internal);
        }
        let body = body::to_bytes(body).await.map_err(|_| ApiError::Internal)?;
        Ok(CallReply {
            status,
            body,
            request_id,
        })
    }

    fn request(&self, call: Call) -> Option<Request> {
        let (content_type, body) = call.body.unzip();
        let body = body.unwrap_or_default();
        let length = body.len();
        let mut request = Request::with_payload(Payload::from(body));
        let upload_bytes = self.context.upload_bytes();
        request.extensions_mut().insert(ByPage { upload_bytes });
        if let Some(on_behalf) = self.on_behalf {
            request.extensions_mut().insert(on_behalf);
        }
        let head = request.head_mut();
        head.method = call.method;
        head.uri = call.path.parse::<Uri>().ok()?;
        head.peer_addr = self.peer;
        let headers = &mut head.headers;
        for (name, value) in &self.repeated {
            headers.append(name.clone(), value.clone());
        }
        if let Some(content_type) = content_type {
            headers.insert(CONTENT_TYPE, content_type.parse().ok()?);
            headers.insert(CONTENT_LENGTH, length.into());
        }
        if let Some(key) = &self.key {
            let bearer = format!("Bearer {}", key.as_str());
            headers.insert(AUTHORIZATION, HeaderValue::from_str(&bearer).ok()?);
        }
        if let Some(MerchantId(merchant)) = self.merchant {
            headers.insert(MERCHANT_ID, merchant.into());
        }
        for (name, value) in call.headers {
            headers.insert(HeaderName::from_static(name), HeaderValue::from_str(&value).ok()?);
        }
        Some(request)
    }
}

impl FromRequest for Door {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _payload: &mut actix_web::dev::Payload) -> Self::Future {
        let mut repeated = HeaderMap::new();
        for name in [HOST].iter().chain(&PROXY_HEADERS) {
            for value in request.headers().get_all(name) {
                repeated.append(name.clone(), value.clone());
            }
        }
        let worker = request.app_data::<WorkerDoor>().cloned().ok_or(ApiError::Internal);
        let of_page = worker.and_then(|worker| Ok((worker, RequestContext::of(request)?)));
        let extensions = request.extensions();
        let visitor = extensions.get::<Visitor>();
        ready(of_page.map(|(worker, context)| Self {
            worker,
            peer: request.peer_addr(),
            context,
            repeated,
            key: visitor.and_then(Visitor::key).cloned(),
            merchant: visitor.and_then(Visitor::named_merchant),
            on_behalf: None,
        }))
    }
}

impl fmt::Debug for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Door").field("peer", &self.peer).finish_non_exhaustive()
    }
}
