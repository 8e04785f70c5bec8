//! The codes of each route by their status: those of its own rules, and those that follow from
//! its facts. The API document lists them, and the tests hold every refusal of the suite against
//! it.

use std::collections::{BTreeMap, BTreeSet};

use strum::VariantArray;

use crate::domain::mode::{Mode, Variant};
use crate::domain::refusal::RefusalKind;
use crate::domain::treasury::operator::Role;
use crate::http::error::ApiErrorKind;
use crate::http::refusal_status::status_of;
use crate::http::refusals::Work;
use crate::http::request_spec::BodySpec;
use crate::http::route::{Access, ActsAs, RouteFacts, Section};
use crate::http::store_failure::StoreFailure;

/// The failures of reads.
const OF_READS: [StoreFailure; 2] = [StoreFailure::Busy, StoreFailure::Internal];

/// The codes of a route by their status. A reply with one of the statuses that have no code is
/// a request above the rate limit.
#[derive(Debug, Default)]
pub(super) struct CodesByStatus(pub(super) BTreeMap<u16, BTreeSet<&'static str>>);

/// Returns the code of every refusal and failure.
pub(super) fn all_codes() -> BTreeSet<&'static str> {
    let own = ApiErrorKind::VARIANTS.iter().filter_map(|kind| kind.code());
    let rules = RefusalKind::VARIANTS.iter().flat_map(|kind| kind.codes());
    own.chain(rules)
        .chain(StoreFailure::VARIANTS.iter().map(Into::into))
        .collect()
}

/// Returns the code of every refusal and failure that a request can be answered with. The others
/// are reasons in a reply that succeeded.
pub(super) fn answered_codes() -> BTreeSet<&'static str> {
    let reasons = RefusalKind::TermsChanged.codes();
    let mut codes = all_codes();
    codes.retain(|code| !reasons.contains(code));
    codes
}

impl CodesByStatus {
    /// Returns the codes of a route on a server of this variant.
    pub(super) fn of(facts: &RouteFacts, variant: Variant) -> Self {
        let mode = variant.mode;
        let mut codes = Self::default();
        codes.add_http(&[ApiErrorKind::Internal]);
        codes.add_rules(&[RefusalKind::Invalid]);
        codes.add_body(facts);
        codes.add_callers(facts, mode);
        codes.add_parties(facts, variant);
        codes.add_work(facts, mode);
        codes.add_own(facts, variant);
        if facts.has_faults(mode) {
            codes.add_http(&[ApiErrorKind::IdempotencyKeyInFlight]);
        }
        codes
    }

    fn add_body(&mut self, facts: &RouteFacts) {
        let body = facts.request.body;
        // The fields of a body are checked also where the route reads none.
        if matches!(body, BodySpec::None) && facts.ignores_unknown {
            return;
        }
        self.add_http(&[
            ApiErrorKind::BodyTooLarge,
            ApiErrorKind::BodyTooSlow,
            ApiErrorKind::BodyUnreadable,
            ApiErrorKind::UnsupportedMediaType,
        ]);
        if matches!(body, BodySpec::JsonOrForm(_)) {
            self.add_http(&[ApiErrorKind::FileTooLarge, ApiErrorKind::TooManyFiles]);
        }
        if matches!(body, BodySpec::JsonOrForm(_) | BodySpec::Csv) {
            self.add_http(&[ApiErrorKind::UploadsBusy]);
        }
    }

    /// Adds the refusals of callers: of their key, their address and their number of requests.
    fn add_callers(&mut self, facts: &RouteFacts, mode: Mode) {
        if facts.section == Section::Open {
            return;
        }
        self.add_http(&[ApiErrorKind::TooManyRequests]);
        if mode == Mode::Sandbox {
            self.add_http(&[ApiErrorKind::ForeignHost]);
        }
        if facts.section == Section::Checkout {
            return;
        }
        self.add_http(&[
            ApiErrorKind::NoToken,
            ApiErrorKind::UnknownKey,
            ApiErrorKind::PublishableKey,
        ]);
        if mode == Mode::Live && !matches!(facts.access, Access::Operator(_)) {
            self.add_http(&[ApiErrorKind::ForeignAddress]);
        }
        match (mode, facts.access) {
            (_, Access::Business) => {}
            (Mode::Live, Access::Operator(right)) => {
                if right.roles().len() < Role::VARIANTS.len() {
                    self.add_rules(&[RefusalKind::RoleNotAllowed]);
                }
                if matches!(facts.acts_as, ActsAs::MerchantOfOperator | ActsAs::Deployment) {
                    self.add_rules(&[RefusalKind::MerchantNotFound, RefusalKind::MerchantIdRequired]);
                }
            }
            (_, Access::SuperAdmin | Access::Operator(_)) => self.add_rules(&[RefusalKind::AccessDenied]),
        }
    }

    /// Adds the refusals of the party that the route acts for.
    fn add_parties(&mut self, facts: &RouteFacts, variant: Variant) {
        match facts.acts_as {
            ActsAs::Customer => {
                self.add_http(&[ApiErrorKind::CustomerIdRequired, ApiErrorKind::CustomerIdUnset]);
            }
            ActsAs::Party => self.add_http(&[ApiErrorKind::CustomerIdUnset]),
            ActsAs::Merchant | ActsAs::MerchantAccount => self.add_http(&[ApiErrorKind::CustomerIdForbidden]),
            ActsAs::Key | ActsAs::MerchantOfOperator | ActsAs::Deployment | ActsAs::OperatorItself | ActsAs::Viewer => {
            }
        }
        let acts_for_customer = matches!(facts.acts_as, ActsAs::Customer | ActsAs::Party);
        let admits = matches!(facts.work(), Some(Work::Admits | Work::Executes));
        if acts_for_customer && admits && !facts.refuses_all(variant.mode) {
            self.add_rules(&[RefusalKind::CustomerBlocked]);
            self.add_rules(match variant.mode {
                // A new customer has money.
                _ if variant.registers_unknown() => &[RefusalKind::TooMuchMoney],
                Mode::Sandbox => &[RefusalKind::CustomerNotFound],
                Mode::Live => &[RefusalKind::CustomerNotFound, RefusalKind::CustomerOfAnotherMerchant],
            });
        }
    }

    /// Adds the failures of the store, and the refusals of idempotency keys.
    fn add_work(&mut self, facts: &RouteFacts, mode: Mode) {
        let Some(work) = facts.work() else {
            return;
        };
        self.add_failures(&OF_READS);
        if work == Work::Executes {
            self.add_http(&[ApiErrorKind::IdempotencyKeyInFlight, ApiErrorKind::IdempotencyKeyReused]);
            self.add_failures(StoreFailure::VARIANTS);
        }
        if facts.refuses_all(mode) {
            return;
        }
        match (work, mode) {
            (Work::Reads, _) | (Work::FindsMerchant, Mode::Live) => {}
            (Work::ReadsLong, _) | (Work::FindsMerchantLong, Mode::Live) => {
                self.add_failures(&[StoreFailure::Stopping]);
            }
            (Work::FindsMerchant | Work::FindsMerchantLong, Mode::Sandbox)
            | (Work::Admits | Work::Writes | Work::Executes, _) => self.add_failures(StoreFailure::VARIANTS),
        }
    }

    /// Adds the refusals that the route states itself.
    fn add_own(&mut self, facts: &RouteFacts, variant: Variant) {
        let own = facts.refusals;
        self.add_http(own.of_http);
        if let Some((_, refusal)) = own.only_in
            && facts.refuses_all(variant.mode)
        {
            self.add_rules(&[refusal]);
            return;
        }
        let of_mode = match variant.mode {
            Mode::Sandbox => own.in_sandbox,
            Mode::Live => own.in_live,
        };
        let can_be = |rule: &&RefusalKind| can_be(**rule, variant);
        for rules in own.rules.iter().chain([&of_mode]) {
            for rule in rules.iter().filter(can_be) {
                self.add_rules(&[*rule]);
            }
        }
        for rule in own.of_entries.iter().copied().flatten().filter(can_be) {
            self.add(status_of(RefusalKind::SeedEntry), rule.codes());
        }
    }

    fn add_rules(&mut self, rules: &[RefusalKind]) {
        for rule in rules {
            self.add(status_of(*rule), rule.codes());
        }
    }

    fn add_http(&mut self, errors: &[ApiErrorKind]) {
        for error in errors {
            self.add(error.status(), error.code());
        }
    }

    fn add_failures(&mut self, failures: &[StoreFailure]) {
        for failure in failures {
            self.add(failure.status(), [failure.into()]);
        }
    }

    fn add(&mut self, status: u16, codes: impl IntoIterator<Item = &'static str>) {
        self.0.entry(status).or_default().extend(codes);
    }
}

impl RouteFacts {
    /// Returns true if a fault of a sandbox may answer the request, with any status from 400 to
    /// 599.
    pub(super) fn has_faults(&self, mode: Mode) -> bool {
        mode == Mode::Sandbox && matches!(self.section, Section::Contract | Section::Checkout)
    }

    /// Returns true if the route refuses every request in this mode.
    fn refuses_all(&self, mode: Mode) -> bool {
        self.refusals.only_in.is_some_and(|(only, _)| only != mode)
    }

    /// Returns the use of the store, or `None` if the handler makes none.
    pub(super) fn work(&self) -> Option<Work> {
        let by_facts = match (self.section, self.acts_as) {
            (Section::Open | Section::Checkout, _) => None,
            _ if self.writes => Some(Work::Executes),
            (_, ActsAs::Customer | ActsAs::Party) => Some(Work::Admits),
            _ => Some(Work::FindsMerchant),
        };
        self.refusals.work.or(by_facts)
    }
}

/// Returns true if a server of this variant can refuse a request by this rule.
const fn can_be(rule: RefusalKind, variant: Variant) -> bool {
    match rule {
        RefusalKind::ToppedUpToday | RefusalKind::MilestonesOutOfOrder => variant.is_strict,
        RefusalKind::ParticipantUnknown => !variant.registers_unknown(),
        _ => true,
    }
}
