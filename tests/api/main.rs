//! Tests of the service over a real socket. Each test starts a server with its own port and
//! database, and sends requests as a client would.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot continue should panic at that line"
)]

mod addresses;
mod admission;
mod background;
mod balances;
mod bank;
mod banks;
mod browsers;
mod cards;
mod categories;
mod changed_terms;
mod checkout;
mod claims;
mod clients;
mod clocks;
#[path = "../postgres/cluster.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod cluster;
mod console;
mod contract;
mod customers;
#[path = "../postgres/database.rs"]
#[allow(dead_code, reason = "the tests of the store use the rest")]
mod database;
mod deal_page;
mod declines;
mod described;
mod desk;
mod desk_lists;
mod determinism;
mod dispute_lists;
mod disputes;
mod early_ends;
mod earnings;
mod escrow_edits;
mod escrow_lists;
mod event_stream;
mod events;
mod exits;
mod faults;
mod files;
mod form_visitors;
mod headers;
mod health;
mod helpers;
mod histories;
mod hostile_bodies;
mod http_edge;
mod idempotency;
mod idempotent_operators;
mod inbox;
mod intents;
mod keys;
mod large_rulings;
mod last_requests;
mod late_bodies;
mod late_transfers;
mod links;
mod live_console;
mod live_merchants;
mod live_pages;
mod long_reads;
mod many_merchants;
mod merchants;
mod metrics;
mod milestone_escrows;
mod milestone_input;
mod notices;
mod openapi;
mod operators;
mod pages;
mod paging;
mod paid_deals;
mod panics;
mod payment_input;
mod payments;
mod payout_batches;
mod payouts;
mod pipelined;
mod position;
mod proxies;
mod race_rounds;
mod races;
mod rate_limit;
mod receipts;
mod reconciliation;
mod refused_forms;
mod reopenings;
mod requests;
mod resets;
mod secret_echoes;
mod seeds;
mod shapes;
mod shown_totals;
mod snapshots;
mod standard_escrows;
mod statements;
mod stopping;
mod stories;
mod strict;
mod strict_pages;
mod texts_and_numbers;
mod transfers;
mod treasury_races;
mod unknown_fields;
mod vaults;
#[path = "../shared/waiting.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod waiting;
mod wallets;
mod ways_on;
mod webhook_endpoints;
mod whitelist;
mod who;
mod wrong_clock;

/// That of the binary. The servers in this process have so many threads that the system's takes longer.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
