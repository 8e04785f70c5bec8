//! The reader of a page: whose deals the page shows.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::http::header::HOST;
use actix_web::web::Data;
use actix_web::{FromRequest, HttpRequest};

use crate::domain::ids::MerchantId;
use crate::domain::mode::Mode;
use crate::http::{ApiError, AppState, merchant_of_page};
use crate::store::{self, Snapshot};
use crate::web::api::Api;
use crate::web::layout::{Page, Refused};

/// A browser that may see a merchant's deals, with what its pages read from.
#[derive(Clone, Debug)]
pub(super) struct Reader {
    pub(super) state: Data<AppState>,
    pub(super) api: Api,
    /// `None` if the merchant has done nothing yet.
    pub(super) merchant: Option<MerchantId>,
    /// The base URL under which the browser reached the service.
    pub(super) base_url: String,
}

impl Reader {
    /// Reads from one snapshot on a thread for long reads. Returns `None` for a merchant that
    /// has done nothing yet.
    ///
    /// # Errors
    ///
    /// Returns the failure of the read as a page.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Snapshot<'_>, MerchantId) -> Result<T, store::Error> + Send + 'static,
    ) -> Result<Option<T>, Refused> {
        let Some(merchant) = self.merchant else {
            return Ok(None);
        };
        let read = self
            .state
            .store
            .read_long(merchant, move |snapshot| query(snapshot, merchant));
        let found = read.await.map_err(ApiError::from)?;
        Ok(Some(found))
    }

    /// Returns the currency of every amount.
    pub(super) fn currency(&self) -> String {
        self.state.policy.load().currency.to_string()
    }

    fn of(request: &HttpRequest, payload: &mut Payload) -> Result<Self, Refused> {
        let state = request
            .app_data::<Data<AppState>>()
            .cloned()
            .ok_or(ApiError::Internal)?;
        if state.policy.load().mode == Mode::Live {
            return Err(Refused::new(
                403,
                Page::new("Not in live mode").mode(Mode::Live),
                "This page shows a sandbox only. In live mode use the API and the command line.",
            ));
        }
        let merchant = merchant_of_page(request, &state)?;
        let api = Api::from_request(request, payload).into_inner()?;
        let host = request.headers().get(HOST).and_then(|host| host.to_str().ok());
        let base_url = state.policy.load().view_context(None, host).url("");
        Ok(Self {
            state,
            api,
            merchant,
            base_url,
        })
    }
}

impl FromRequest for Reader {
    type Error = Refused;
    type Future = Ready<Result<Self, Refused>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        ready(Self::of(request, payload))
    }
}
