//! Where a sandbox merchant's events go.

use super::{Error, Policy, deliveries};
use crate::domain::callback::{CallbackChoice, CallbackUrl};
use crate::domain::ids::MerchantId;
use crate::domain::refusal::{Refusal, Sent};
use crate::store::{self, CallbackSetting, Tx};

/// Sends a merchant's events there from now on, also those that wait; or nowhere, and
/// then those that wait are given up.
pub fn set(tx: &mut Tx<'_>, merchant: MerchantId, url: Sent<Option<CallbackUrl>>) -> Result<CallbackSetting, Error> {
    let choice = url?.map_or(CallbackChoice::Nowhere, CallbackChoice::At);
    tx.save_callback(merchant, &choice)?;
    if choice == CallbackChoice::Nowhere {
        deliveries::drop_some(tx, merchant)?;
    }
    Ok(tx.callback_setting(merchant)?)
}

/// Whether a merchant's events go anywhere.
pub(super) fn is_set(tx: &Tx<'_>, policy: &Policy, merchant: MerchantId) -> Result<bool, store::Error> {
    let configured = policy.merchant(merchant).callback_url.as_ref();
    Ok(tx.callback_setting(merchant)?.choice.url(configured).is_some())
}

/// Refuses a merchant whose events go nowhere.
pub(super) fn check_set(tx: &Tx<'_>, policy: &Policy, merchant: MerchantId) -> Result<(), Error> {
    if is_set(tx, policy, merchant)? {
        Ok(())
    } else {
        Err(Refusal::NoCallbackUrl.into())
    }
}
