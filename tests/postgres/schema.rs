//! The tables of PostgreSQL are those of `schema.sql`.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use postgres::{Client, NoTls};
use rusqlite::Connection;

use crate::cluster;
use crate::service::Service;

/// The tables and columns that `additions.sql` adds.
const ADDED_TABLES: [&str; 4] = ["file_content", "process_commit", "schema_identity", "shared_secret"];
const ADDED_COLUMNS: [&str; 2] = ["file_mark.key_changes", "file_mark.newest_number"];

/// The columns, references, indexes, triggers and checks of a schema, under names that both
/// databases share.
#[derive(Debug, Default, PartialEq, Eq)]
struct Schema {
    /// By table and name: the type, if it may be NULL, and the place in the primary key.
    columns: BTreeMap<String, (String, bool, i64)>,
    /// Each as `table (columns) -> table (columns)`.
    references: BTreeSet<String>,
    /// The columns of each unique index, by table, without primary keys.
    unique: BTreeSet<String>,
    indexes: BTreeSet<String>,
    triggers: BTreeSet<String>,
    /// The number of CHECK constraints, by table.
    checks: BTreeMap<String, usize>,
}

fn of_sqlite() -> Schema {
    let connection = Connection::open_in_memory().unwrap();
    let sql = include_str!("../../schema.sql");
    connection.execute_batch(sql).unwrap();
    let mut schema = Schema::default();
    let texts = |sql: &str| -> Vec<Vec<String>> {
        let mut statement = connection.prepare(sql).unwrap();
        let columns = statement.column_count();
        let rows = statement.query_map([], |row| {
            (0..columns)
                .map(|column| row.get::<_, rusqlite::types::Value>(column))
                .map(|value| {
                    Ok(match value? {
                        rusqlite::types::Value::Text(text) => text,
                        rusqlite::types::Value::Integer(number) => number.to_string(),
                        other => format!("{other:?}"),
                    })
                })
                .collect()
        });
        rows.unwrap().map(Result::unwrap).collect()
    };
    for row in texts(
        "SELECT list.name, xinfo.name, xinfo.type, xinfo.\"notnull\" OR xinfo.pk > 0, xinfo.pk
         FROM pragma_table_list AS list, pragma_table_xinfo(list.name) AS xinfo
         WHERE list.schema = 'main' AND list.type = 'table' AND list.name NOT LIKE 'sqlite%'",
    ) {
        let kind = match row[2].as_str() {
            "INTEGER" => "bigint",
            "TEXT" => "text",
            "BLOB" => "bytea",
            other => panic!("{other}"),
        };
        // Rows have no checksums in PostgreSQL.
        let must = row[3] == "1" && row[1] != "checksum";
        schema.columns.insert(
            format!("{}.{}", row[0], row[1]),
            (kind.to_owned(), must, row[4].parse().unwrap()),
        );
    }
    for row in texts(
        "SELECT list.name, group_concat(fk.\"from\", ','), fk.\"table\", group_concat(fk.\"to\", ',')
         FROM pragma_table_list AS list,
              (SELECT * FROM pragma_table_list) AS other, pragma_foreign_key_list(list.name) AS fk
         WHERE list.schema = 'main' AND other.name = list.name
         GROUP BY list.name, fk.id",
    ) {
        schema
            .references
            .insert(format!("{} ({}) -> {} ({})", row[0], row[1], row[2], row[3]));
    }
    for row in texts(
        "SELECT list.name, (SELECT group_concat(name, ',') FROM pragma_index_info(list_of.name))
         FROM pragma_table_list AS list, pragma_index_list(list.name) AS list_of
         WHERE list.schema = 'main' AND list_of.\"unique\" AND list_of.origin <> 'pk'",
    ) {
        schema.unique.insert(format!("{} ({})", row[0], row[1]));
    }
    for row in texts("SELECT type, name FROM sqlite_schema WHERE type IN ('index', 'trigger') AND sql IS NOT NULL") {
        let names = if row[0] == "index" {
            &mut schema.indexes
        } else {
            &mut schema.triggers
        };
        names.insert(row[1].clone());
    }
    for row in texts("SELECT name, sql FROM sqlite_schema WHERE type = 'table'") {
        let code: String = row[1].lines().map(|line| line.split("--").next().unwrap()).collect();
        let checks = code.matches("CHECK (").count();
        if checks > 0 {
            schema.checks.insert(row[0].clone(), checks);
        }
    }
    schema
}

fn of_postgres(url: &str) -> Schema {
    let mut client = Client::connect(url, NoTls).unwrap();
    let mut schema = Schema::default();
    let is_added = |table: &str| ADDED_TABLES.contains(&table);
    for row in client
        .query(
            "SELECT class.relname::text, attname::text, format_type(atttypid, NULL), attnotnull,
                    coalesce(array_position(conkey, attnum), 0)::bigint
             FROM pg_class AS class JOIN pg_attribute ON attrelid = class.oid
             LEFT JOIN pg_constraint ON conrelid = class.oid AND contype = 'p'
             WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND attnum > 0",
            &[],
        )
        .unwrap()
    {
        let (table, column): (String, String) = (row.get(0), row.get(1));
        let name = format!("{table}.{column}");
        if !is_added(&table) && !ADDED_COLUMNS.contains(&name.as_str()) {
            schema.columns.insert(name, (row.get(2), row.get(3), row.get(4)));
        }
    }
    for row in client
        .query(
            "SELECT conrelid::regclass::text,
                    (SELECT string_agg(attname, ',' ORDER BY place) FROM unnest(conkey) WITH ORDINALITY AS key (attnum, place)
                     JOIN pg_attribute USING (attnum) WHERE attrelid = conrelid),
                    confrelid::regclass::text,
                    (SELECT string_agg(attname, ',' ORDER BY place) FROM unnest(confkey) WITH ORDINALITY AS key (attnum, place)
                     JOIN pg_attribute USING (attnum) WHERE attrelid = confrelid)
             FROM pg_constraint WHERE contype = 'f'",
            &[],
        )
        .unwrap()
    {
        let [table, columns, other, keys]: [String; 4] = [row.get(0), row.get(1), row.get(2), row.get(3)];
        if !is_added(&other) {
            schema.references.insert(format!("{table} ({columns}) -> {other} ({keys})"));
        }
    }
    for row in client
        .query(
            "SELECT indrelid::regclass::text,
                    (SELECT string_agg(attname, ',' ORDER BY place) FROM unnest(indkey) WITH ORDINALITY AS key (attnum, place)
                     JOIN pg_attribute USING (attnum) WHERE attrelid = indrelid)
             FROM pg_index JOIN pg_class AS class ON class.oid = indrelid
             WHERE relnamespace = 'public'::regnamespace AND indisunique AND NOT indisprimary",
            &[],
        )
        .unwrap()
    {
        let (table, columns): (String, String) = (row.get(0), row.get(1));
        schema.unique.insert(format!("{table} ({columns})"));
    }
    for row in client
        .query(
            "SELECT indexname::text FROM pg_indexes WHERE schemaname = 'public'
             AND NOT EXISTS (SELECT 1 FROM pg_constraint WHERE conname = indexname)",
            &[],
        )
        .unwrap()
    {
        schema.indexes.insert(row.get(0));
    }
    for row in client
        .query("SELECT tgname::text FROM pg_trigger WHERE NOT tgisinternal", &[])
        .unwrap()
    {
        schema.triggers.insert(row.get(0));
    }
    for row in client
        .query(
            "SELECT conrelid::regclass::text, count(*) FROM pg_constraint WHERE contype = 'c' AND conrelid <> 0 GROUP BY 1",
            &[],
        )
        .unwrap()
    {
        let (table, count): (String, i64) = (row.get(0), row.get(1));
        if !is_added(&table) {
            schema.checks.insert(table, usize::try_from(count).unwrap());
        }
    }
    schema
}

#[test]
fn both_databases_have_the_same_tables_columns_keys_checks_and_triggers() {
    if !cluster::is_installed() {
        return;
    }
    let url = cluster::new_database();
    drop(Service::start(&url));
    let (sqlite, postgres) = (of_sqlite(), of_postgres(&url));
    assert_eq!(postgres.columns, sqlite.columns);
    assert_eq!(postgres.references, sqlite.references);
    assert_eq!(postgres.unique, sqlite.unique);
    assert_eq!(postgres.indexes, sqlite.indexes);
    assert_eq!(postgres.triggers, sqlite.triggers);
    assert_eq!(postgres.checks, sqlite.checks);
}
