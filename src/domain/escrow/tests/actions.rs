//! The actions of the walk's steps, and the check that a refusal names the right ones.

use strum::VariantArray;

use crate::domain::escrow::Escrow;
use crate::domain::escrow::actions::Action;
use crate::domain::escrow::exits::ExitRules;
use crate::domain::refusal::Refusal;

/// Returns the action that a step of the walk is.
pub(super) fn action(what: &str) -> Action {
    match what {
        "pay" => Action::Pay,
        "edit" => Action::Edit,
        "edit the milestones" => Action::MilestoneEdit,
        "convert" => Action::Convert,
        "set the additional fee" => Action::AdditionalFee,
        "delete" => Action::Delete,
        "confirm any" | "confirm the first pending" => Action::MilestoneConfirm,
        "confirm the payment" => Action::ConfirmPayment,
        "claim in time" => Action::ClaimFunds,
        "dispute" => Action::SubmitDispute,
        "refund" => Action::Refund,
        "resolve" | "resolve when overdue" => Action::ResolveDispute,
        other => panic!("the step {other:?} is no action"),
    }
}

/// Asserts that the actions a refusal names are those that succeeded for some party.
pub(super) fn assert_actions(escrow: &Escrow, exits: ExitRules, taken: &[Action]) {
    let explained = escrow.explain(Refusal::ActionNotAllowed, exits);
    let Refusal::ActionNotAllowedNow { status, actions } = explained else {
        panic!("{explained:?}");
    };
    assert_eq!(status, escrow.status().into_str());
    let names = Action::VARIANTS
        .iter()
        .filter(|action| taken.contains(action))
        .map(Into::into);
    assert_eq!(actions, names.collect::<Vec<&str>>(), "{escrow:?}");
}
