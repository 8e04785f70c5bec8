//! The HTTP status of each refusal of the domain.

use crate::domain::refusal::RefusalKind;

/// Returns the HTTP status of a reply with this refusal. An entry of a seed that broke a rule is
/// a wrong part of a request, so its refusal has 400 for every rule.
pub(super) const fn status_of(kind: RefusalKind) -> u16 {
    match kind {
        RefusalKind::MerchantMayNotSell
        | RefusalKind::CustomerBlocked
        | RefusalKind::BuyingDisabled
        | RefusalKind::SellingDisabled
        | RefusalKind::WithdrawingDisabled
        | RefusalKind::AccessDenied
        | RefusalKind::ListTypeMissing
        | RefusalKind::ListTypeUnknown
        | RefusalKind::ToppedUpToday => 401,
        RefusalKind::CustomerOfAnotherMerchant
        | RefusalKind::SandboxOnly
        | RefusalKind::FeatureNotEnabled
        | RefusalKind::RoleNotAllowed
        | RefusalKind::SamePerson
        | RefusalKind::LiveOnly
        | RefusalKind::OperatorLimited => 403,
        RefusalKind::CustomerNotFound
        | RefusalKind::CustomerIdMalformed
        | RefusalKind::OperatorNotFound
        | RefusalKind::MerchantNotFound
        | RefusalKind::KeyNotFound
        | RefusalKind::ReceiptNotFound
        | RefusalKind::PayoutNotFound
        | RefusalKind::DepositNotFound => 404,
        RefusalKind::NotInStatus
        | RefusalKind::OwnerMayNotWithdraw
        | RefusalKind::BankReferenceUsed
        | RefusalKind::NothingAsked
        | RefusalKind::AlreadySpent
        | RefusalKind::OperatorNameTaken
        | RefusalKind::OperatorAlreadyRevoked
        | RefusalKind::LastAdmin
        | RefusalKind::MerchantNameTaken
        | RefusalKind::KeyEnded
        | RefusalKind::ReferenceNotQuoted
        | RefusalKind::DepositHasReceipt => 409,
        _ => 400,
    }
}
