//! The line of the log about a request.

use std::fmt;
use std::time::Duration;

use log::kv::ToValue as _;

use crate::domain::invalid::shortened;
use crate::http::context::RequestContext;

/// The target of these lines.
const TARGET: &str = "escrowd::http::middleware";

/// Logs an answered request: the facts as text, and each as a field of its own.
pub(super) fn log(context: &RequestContext, status: u16, micros: u64) {
    if !log::log_enabled!(target: TARGET, log::Level::Info) {
        return;
    }
    let id = context.id.as_str();
    let (method, path) = (context.method.as_str(), shortened(context.path()));
    let merchant = context.merchant.get().map(|merchant| merchant.0);
    let operator = context.operator.get().map(ToString::to_string);
    let customer = context.customer.get().map(|customer| shortened(customer));
    let address = context.address().map(|address| address.to_string());
    let sender = Sender {
        merchant,
        operator: operator.as_deref(),
        customer: customer.as_deref(),
        address: address.as_deref(),
    };
    // A duration of so many milliseconds has as many seconds as the request took milliseconds.
    let millis = Duration::from_millis(micros).as_secs_f64();
    log::info!(
        target: TARGET,
        "requestId" = id,
        "merchant" = merchant.to_value(),
        "customer" = sender.customer.to_value(),
        "operator" = sender.operator.to_value(),
        "address" = sender.address.to_value(),
        "method" = method,
        "path" = &*path,
        "status" = u64::from(status),
        "durationMs" = millis;
        "{id} {method} {path:?} {status} {micros}us{sender}"
    );
}

/// The sender of a request, as far as it is known.
struct Sender<'a> {
    merchant: Option<i64>,
    operator: Option<&'a str>,
    customer: Option<&'a str>,
    address: Option<&'a str>,
}

impl fmt::Display for Sender<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(merchant) = self.merchant {
            write!(f, " merchant={merchant}")?;
        }
        if let Some(operator) = self.operator {
            write!(f, " operator={operator}")?;
        }
        if let Some(customer) = self.customer {
            write!(f, " customer={customer:?}")?;
        }
        if let Some(address) = self.address {
            write!(f, " address={address}")?;
        }
        Ok(())
    }
}
