//! The sections of the navigation and the pages of the desk, with their paths.

/// The path of the desk and of its first page.
pub(super) const DESK: &str = "/console/desk";

/// The sections of the navigation: name and path.
pub(super) const SECTIONS: [(&str, &str); 12] = [
    ("Home", "/"),
    ("Stories", "/demo"),
    ("Deals", "/console/deals"),
    ("Customers", "/console/customers"),
    ("Events", "/console/events"),
    ("Requests", "/console/requests"),
    ("Clock", "/console/clock"),
    ("Faults", "/console/faults"),
    ("Ledger", "/console/ledger"),
    ("Earnings", "/console/earnings"),
    ("Desk", DESK),
    ("Documents", "/docs"),
];

/// The pages of the desk: name and path.
pub(super) const DESK_PAGES: [(&str, &str); 8] = [
    ("Position", DESK),
    ("Money in", "/console/desk/deposits"),
    ("Money out", "/console/desk/payouts"),
    ("Batches", "/console/desk/batches"),
    ("Reconciliation", "/console/desk/reconciliation"),
    ("Who did what", "/console/desk/acts"),
    ("People", "/console/desk/people"),
    ("Keys and webhooks", "/console/desk/keys"),
];

/// Returns the section that a page with this path or address belongs to, if it is in one.
pub(super) fn section_of(path: &str) -> Option<&'static str> {
    let (path, _) = path.split_once(['?', '#']).unwrap_or((path, ""));
    let mut sections = SECTIONS.into_iter().map(|(_, section)| section);
    sections.find(|section| {
        if *section == "/" {
            path == "/"
        } else {
            path.starts_with(section)
        }
    })
}

/// Returns the page of the desk that has this path or the form of this path.
pub(super) fn page_of_desk(path: &str) -> Option<&'static str> {
    let is_at = |page: &str| {
        let below = path.strip_prefix(page);
        below.is_some_and(|below| below.is_empty() || below.starts_with('/'))
    };
    let found = DESK_PAGES.into_iter().map(|(_, page)| page).filter(|page| is_at(page));
    found.max_by_key(|page| page.len())
}
