//! Customers, their wallets and their histories.

use actix_web::HttpResponse;
use actix_web::http::Method;
use actix_web::web::{Path, Query};
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::json;

use crate::domain::customers::customer::Customer;
use crate::domain::customers::profile::Profile;
use crate::domain::ids::CustomerId;
use crate::domain::ledger::Account;
use crate::domain::mode::Mode;
use crate::domain::page::{LIMIT_MAX, Page as ListPage, PageRequest};
use crate::domain::payments::history::HistoryFilter;
use crate::domain::payments::payment::Payment;
use crate::domain::text::counted;
use crate::domain::transaction::CreditType;
use crate::store::SEARCH_WORDS_MAX;
use crate::web::api::Request;
use crate::web::console::call::{MADE, hidden};
use crate::web::console::done;
use crate::web::console::done::Shown;
use crate::web::console::payments::INTENT;
use crate::web::console::who::{addresses, page_of};
use crate::web::layout::{Page, Refused};
use crate::web::parts::Part;
use crate::web::reader::Reader;
use crate::web::text;

const NEWEST: PageRequest = PageRequest::numbered(1, LIMIT_MAX);

/// The last digits of a phone, by which a search knows it.
const PHONE_DIGITS: usize = 9;

/// The payments on the page of a customer.
const PAYMENTS: PageRequest = PageRequest::numbered(1, 50);

/// Returns the newest customers.
pub(super) async fn newest(reader: &Reader) -> Result<Vec<Customer>, Refused> {
    let customers = reader
        .read(|snapshot, merchant| snapshot.customers(merchant, NEWEST))
        .await?;
    Ok(customers.map(|page| page.rows).unwrap_or_default())
}

/// An option of a field for the id of a customer, with the name and the phone of one who has a name.
pub(super) fn option(customer: &Customer) -> Markup {
    let profile = customer.profile.as_ref();
    let name = profile.and_then(Profile::full_name);
    html! {
        option value=(customer.id) {
            @if let Some(name) = &name {
                (name)
                @if let Some(phone) = profile.and_then(|profile| profile.phone.as_ref()) { ", " (phone.as_str()) }
            }
        }
    }
}

/// Says what a field for a customer takes.
pub(super) fn hint(reader: &Reader, id: &str) -> Markup {
    html! {
        p.hint id=(id) {
            @if reader.registers_unknown() {
                "A new name is a new customer with play money. Names have no spaces."
            } @else {
                "The id of a " @if reader.sees(Part::Customers) { a href="/console/customers" { "customer" } } @else { "customer" } "."
            }
        }
    }
}

/// The reader's search in the list.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Search {
    /// Parts of the name, the email address, the phone or the id.
    #[serde(default)]
    who: String,
}

impl Search {
    /// Returns the words that do not count, if there are more than a search takes.
    fn left_out(&self) -> Option<String> {
        let words: Vec<&str> = self.who.split_whitespace().skip(SEARCH_WORDS_MAX).collect();
        (!words.is_empty()).then(|| words.join(" "))
    }

    /// Returns the words to look for: for a phone its last digits, which every spelling has.
    fn words(&self) -> Vec<&str> {
        self.who
            .split_whitespace()
            .map(|word| end_of_phone(word).unwrap_or(word))
            .collect()
    }
}

/// Returns the last digits of a word that is a phone.
fn end_of_phone(word: &str) -> Option<&str> {
    let digits = word.strip_prefix('+').unwrap_or(word);
    let is_phone = (PHONE_DIGITS..=15).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_phone.then(|| &digits[digits.len() - PHONE_DIGITS..])
}

/// `GET /console/customers`
pub(super) async fn list(
    reader: Reader,
    Query(search): Query<Search>,
    Query(shown): Query<Shown>,
) -> Result<HttpResponse, Refused> {
    let words: Vec<String> = search.words().into_iter().map(str::to_owned).collect();
    let is_search = !words.is_empty();
    let left_out = search.left_out();
    let done = done::notice(&reader, shown.done()).await?;
    let found = reader.read(move |snapshot, merchant| {
        let customers = if is_search {
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let mut found = ListPage::empty(NEWEST);
            // One more than the page shows, to find out if there are more.
            found.rows = snapshot.customers_with_words(merchant, &words, LIMIT_MAX + 1)?;
            found.count = u64::try_from(found.rows.len()).unwrap_or(u64::MAX);
            found.rows.truncate(LIMIT_MAX as usize);
            found
        } else {
            snapshot.customers(merchant, NEWEST)?
        };
        let wallets = customers
            .rows
            .iter()
            .map(|customer| snapshot.wallet(merchant, &customer.id));
        let wallets: Vec<_> = wallets.collect::<Result<_, _>>()?;
        Ok((customers, wallets))
    });
    let (customers, wallets) = found.await?.unwrap_or_else(|| (ListPage::empty(NEWEST), Vec::new()));
    let currency = reader.currency();
    Ok(Page::new("Customers").section("/console/customers").show(&html! {
        (done)
        h1 { "Customers" }
        form.card method="get" action="/console/customers" role="search" {
            div.field {
                label for="who" { "Find a customer" }
                input #who name="who" type="search" value=(search.who) aria-describedby="who-hint" autocomplete="off";
                p.hint #who-hint { "Parts of the name, the e-mail address, the phone or the id." }
            }
            button { "Find" }
        }
        @if let Some(left_out) = &left_out {
            div.notice { p { "A search takes " (SEARCH_WORDS_MAX) " words. These did not count: " (left_out) } }
        }
        @if customers.rows.is_empty() && is_search {
            p.empty { "No customer has these words. " a href="/console/customers" { "Show all customers" } }
        } @else if customers.rows.is_empty() {
            p.empty { "No customers yet." @if reader.registers_unknown() { " Offer a deal, or " a href="/" { "make an example deal" } "." } }
        } @else {
            div.table-scroll tabindex="0" {
                table {
                    caption { (caption(customers.count, is_search)) }
                    thead { tr {
                        th scope="col" { "Customer" }
                        th.end scope="col" { "In the wallet" }
                        th.end scope="col" { "Held in deals" }
                        th scope="col" { "Since" }
                    } }
                    tbody {
                        @for (customer, wallet) in std::iter::zip(&customers.rows, &wallets) {
                            tr {
                                td { (who(customer)) }
                                @match wallet {
                                    Some(wallet) => {
                                        td.end { (text::amount(wallet.main_balance, &currency)) }
                                        td.end { (text::amount(wallet.escrow_balance, &currency)) }
                                    }
                                    None => { td {} td {} }
                                }
                                td { (text::instant(customer.created_at)) }
                            }
                        }
                    }
                }
            }
        }
        (registration(&reader))
    }))
}

/// Says how many customers there are, and which of them the list shows. A search does not count those
/// that it leaves out.
fn caption(count: u64, is_search: bool) -> String {
    let max = u64::from(LIMIT_MAX);
    match (count > max, is_search) {
        (false, _) => counted(count, "customer"),
        (true, true) => format!("The newest {max} customers that fit; add a word"),
        (true, false) => format!("{}, the newest {max}", counted(count, "customer")),
    }
}

/// Shows a customer of the list: by name, or else by the id.
fn who(customer: &Customer) -> Markup {
    let id = customer.id.as_str();
    let name = customer.profile.as_ref().and_then(Profile::full_name);
    html! {
        a href=(page_of(id)) {
            @match &name { Some(name) => (name), None => (text::id(id)) }
        }
        @if let Some(profile) = customer.profile.as_ref().filter(|_| name.is_some()) {
            (addresses(profile))
            div.small.muted { (text::id(id)) }
        }
    }
}

/// The form by which a merchant registers a customer.
fn registration(reader: &Reader) -> Markup {
    let create = Request::new(Method::POST, "/v1/customer/create");
    if !reader.may(&create) {
        return html! {};
    }
    let fields = [
        ("firstname", "First name", "text"),
        ("lastname", "Last name", "text"),
        ("email", "E-mail address", "email"),
        ("phone", "Phone", "tel"),
    ];
    html! {
        details open[reader.is_in_sandbox() && !reader.registers_unknown()] {
            summary { "Register a customer" }
            form.card method="post" action="/console/call" {
                (hidden(reader, &create, &format!("/console/customers/{MADE}")))
                div.fields {
                    @for (name, label, kind) in fields {
                        div.field {
                            label for={ "new-" (name) } { (label) }
                            input id={ "new-" (name) } type=(kind) name={ "s:" (name) } required autocomplete="off"
                                aria-describedby=[(name == "phone").then_some("phone-hint")];
                            @if name == "phone" {
                                p.hint #phone-hint { "As it is dialled in its country, such as 08030000001, or from another country with its +, such as +12015550123. No spaces." }
                            }
                        }
                    }
                }
                button { "Register" }
            }
        }
    }
}

/// `GET /console/customers/{customerId}`
pub(super) async fn show(
    reader: Reader,
    id: Path<String>,
    Query(shown): Query<Shown>,
) -> Result<HttpResponse, Refused> {
    show_customer(&reader, &id, &shown).await
}

/// The id of a customer in the query.
#[derive(Debug, Default, Deserialize)]
pub(super) struct InQuery {
    #[serde(default)]
    id: String,
}

/// `GET /console/customers/?id=` for the ids that a path cannot have ([`page_of`]).
pub(super) async fn show_of_query(
    reader: Reader,
    Query(InQuery { id }): Query<InQuery>,
    Query(shown): Query<Shown>,
) -> Result<HttpResponse, Refused> {
    show_customer(&reader, &id, &shown).await
}

async fn show_customer(reader: &Reader, id: &str, shown: &Shown) -> Result<HttpResponse, Refused> {
    let unknown = || {
        let page = Page::new("No such customer").section("/console/customers");
        Refused::new(404, page, "There is no customer with this id.")
    };
    let id = CustomerId::parse(id).ok_or_else(unknown)?;
    let asked = id.clone();
    let policy = reader.state.policy.load_full();
    let found = reader.read(move |snapshot, merchant| {
        let Some(customer) = snapshot.customer(merchant, &asked)? else {
            return Ok(None);
        };
        let wallet = snapshot.wallet(merchant, &asked)?;
        let owner = Account::CustomerMain(asked);
        let history = snapshot.history(merchant, &owner, &HistoryFilter::default(), PAYMENTS)?;
        let has_bank = policy.mode == Mode::Sandbox || policy.known_deposit_account(snapshot, merchant)?.is_some();
        Ok(wallet.map(|wallet| (customer, wallet, history, has_bank)))
    });
    let (customer, wallet, history, has_bank) = found.await?.flatten().ok_or_else(unknown)?;
    let back = page_of(id.as_str());
    let done = done::notice(reader, shown.done()).await?;
    let currency = reader.currency();
    let balance = Request::new(Method::PUT, "/sandbox/balance").with(json!({}));
    let name = customer.profile.as_ref().and_then(Profile::full_name);
    let title = name.clone().unwrap_or_else(|| id.to_string());
    Ok(Page::new(title).section("/console/customers").show(&html! {
        (done)
        div.page-head {
            @match name {
                Some(name) => div {
                    h1 { (name) }
                    div.small.muted { "Customer " code { (customer.id) } }
                    @if let Some(profile) = &customer.profile { (addresses(profile)) }
                },
                None => h1 { (customer.id) },
            }
            a.button href={ "/console/deals?customer=" (text::segment(id.as_str())) } { "Deals" }
        }
        div.grid {
            section.card.figure {
                p.label { "In the wallet" }
                p.value { (text::amount(wallet.main_balance, &currency)) }
            }
            section.card.figure {
                p.label { "Held in deals" }
                p.value { (text::amount(wallet.escrow_balance, &currency)) }
            }
            @if reader.may(&balance) {
                section.card {
                    form method="post" action="/console/call" {
                        (hidden(reader, &balance, &back))
                        input type="hidden" name="s:customerId" value=(id);
                        div.field {
                            label for="balance" { "Set the wallet to" }
                            input #balance name="n:balance" inputmode="decimal" required;
                        }
                        button { "Set" }
                    }
                }
            }
        }
        @if has_bank && reader.may(&intent(id.as_str())) {
            div.columns {
                (deposit(reader, id.as_str(), &back, &currency))
                (withdrawal(reader, id.as_str(), &back, &currency))
            }
        }
        section.card {
            h2 { "History" }
            @if history.rows.is_empty() {
                p.muted { "No payments yet." }
            } @else {
                @if !history.is_last() { p.small.muted { "The newest " (history.rows.len()) " of " (history.count) " payments." } }
                (payments(&history.rows, &currency))
            }
        }
    }))
}

fn payments(history: &[Payment], currency: &str) -> Markup {
    html! {
        div.table-scroll tabindex="0" {
            table {
                thead { tr {
                    th scope="col" { "When" }
                    th scope="col" { "What" }
                    th scope="col" { "Reference" }
                    th scope="col" { "Status" }
                    th.end scope="col" { "In" }
                    th.end scope="col" { "Out" }
                } }
                tbody {
                    @for payment in history {
                        @let transaction = &payment.transaction;
                        @let is_in = transaction.credit_type == CreditType::Credit;
                        tr {
                            td { (text::instant(transaction.created_at)) }
                            td { (transaction.transaction_type.into_str()) }
                            td { code { (transaction.reference.as_str()) } }
                            td { (payment.status().into_str()) }
                            td.end { @if is_in { (text::amount(transaction.amount, currency)) } }
                            td.end { @if !is_in { (text::amount(transaction.amount, currency)) } }
                        }
                    }
                }
            }
        }
    }
}

/// The request for a deposit or a withdrawal, without its body.
fn intent(customer: &str) -> Request {
    Request::new(Method::POST, INTENT).acting_for(customer)
}

/// The form by which a customer announces a deposit.
fn deposit(reader: &Reader, customer: &str, back: &str, currency: &str) -> Markup {
    html! {
        form.card method="post" action="/console/call" {
            h2 { "Announce a deposit" }
            (hidden(reader, &intent(customer), back))
            input type="hidden" name="s:transactionType" value="deposit";
            div.field {
                label for="deposit" { "Amount in " (currency) }
                input #deposit name="n:amount" inputmode="decimal" required;
                p.hint {
                    "It waits at the " @if reader.sees(Part::Desk) { a href="/console/desk/deposits" { "desk" } } @else { "desk" }
                    " until someone records that the money came."
                }
            }
            button { "Announce" }
        }
    }
}

/// The form by which a customer asks for money out of the wallet.
fn withdrawal(reader: &Reader, customer: &str, back: &str, currency: &str) -> Markup {
    let is_example = reader.is_in_sandbox();
    let example = |text: &'static str| is_example.then_some(text);
    html! {
        form.card method="post" action="/console/call" {
            h2 { "Withdraw" }
            (hidden(reader, &intent(customer), back))
            input type="hidden" name="s:transactionType" value="withdrawal";
            div.fields {
                div.field {
                    label for="withdrawal" { "Amount in " (currency) }
                    input #withdrawal name="n:amount" inputmode="decimal" required;
                }
                div.field {
                    label for="bank" { "Bank" }
                    input #bank name="s:withdrawalDetails.bankName" value=[example("Guaranty Trust Bank")] required;
                }
                div.field {
                    label for="code" { "Bank code" }
                    input #code name="s:withdrawalDetails.bankCode" value=[example("058")] required;
                }
                div.field {
                    label for="account" { "Account number" }
                    input #account name="s:withdrawalDetails.accountNumber" value=[example("0123456789")] required;
                }
                div.field {
                    label for="holder" { "Account holder" }
                    input #holder name="s:withdrawalDetails.accountName" value=[is_example.then_some(customer)] required;
                }
            }
            button { "Withdraw" }
        }
    }
}
