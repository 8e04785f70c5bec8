//! The objects of a schema, as PostgreSQL's catalogs describe them, and their comparison with what
//! statements create.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::store::engine::postgres::client::Client;

/// The schema in which the expected objects are created for the comparison.
const SCRATCH: &str = "escrowd_comparison";

/// The longest definition that a message shows.
const SHOWN_BYTES: usize = 200;

/// Lists the objects of the current schema: kind, table, name and definition. Names in definitions
/// are those that the search path finds, so objects of two schemas can be compared. The index of
/// a constraint is listed with its constraint.
const OBJECTS: &str = "
    WITH ours AS (
        SELECT oid, relname, relkind, relpersistence FROM pg_class
        WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p')
    )
    SELECT 'table', relname::text, '', concat_ws(' ', relkind, relpersistence) FROM ours
    UNION ALL
    SELECT 'column', relname, attname,
           concat_ws(' ', format_type(atttypid, atttypmod), 'COLLATE ' || collname, CASE WHEN attnotnull THEN 'NOT NULL' END,
                     'GENERATED ' || nullif(attgenerated::text, ''), 'IDENTITY ' || nullif(attidentity::text, ''),
                     'DEFAULT ' || pg_get_expr(adbin, adrelid))
    FROM ours JOIN pg_attribute ON attrelid = ours.oid
    LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
    LEFT JOIN pg_collation ON pg_collation.oid = attcollation
    WHERE attnum > 0 AND NOT attisdropped
    UNION ALL
    SELECT 'constraint', relname, pg_get_constraintdef(pg_constraint.oid), ''
    FROM ours JOIN pg_constraint ON conrelid = ours.oid WHERE contype IN ('c', 'f', 'p', 'u', 'x')
    UNION ALL
    SELECT CASE WHEN indisunique THEN 'unique index' ELSE 'index' END, ours.relname, named.relname,
           concat_ws(' ', pg_get_indexdef(indexrelid, 0, true), CASE WHEN NOT indisvalid THEN 'invalid' END)
    FROM ours JOIN pg_index ON indrelid = ours.oid JOIN pg_class AS named ON named.oid = indexrelid
    WHERE NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid AND contype IN ('p', 'u', 'x'))
    UNION ALL
    SELECT 'trigger', relname, tgname, concat_ws(' ', pg_get_triggerdef(pg_trigger.oid, true), 'enabled', tgenabled)
    FROM ours JOIN pg_trigger ON tgrelid = ours.oid WHERE NOT tgisinternal
    UNION ALL
    SELECT 'function', '', format('%s(%s)', proname, pg_get_function_identity_arguments(pg_proc.oid)),
           concat_ws(' ', pg_get_function_result(pg_proc.oid), lanname, prosrc)
    FROM pg_proc JOIN pg_language ON pg_language.oid = prolang WHERE pronamespace = current_schema()::regnamespace
    UNION ALL
    SELECT 'collation', '', collname, (to_jsonb(pg_collation) - '{oid,collnamespace,collowner,collversion}'::text[])::text
    FROM pg_collation WHERE collnamespace = current_schema()::regnamespace";

/// An object or a part of a table, without its definition.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Object {
    kind: String,
    /// Empty for an object that belongs to no table.
    table: String,
    /// Empty for a table. The name of a constraint is chosen by PostgreSQL, so its definition
    /// stands here.
    name: String,
}

impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, table, name } = self;
        match (table.as_str(), name.as_str()) {
            (table, "") => write!(f, "the {kind} {table}"),
            ("", name) => write!(f, "the {kind} {name}"),
            (table, name) => write!(f, "the {kind} {name} of {table}"),
        }
    }
}

/// The definitions of objects.
type Objects = BTreeMap<Object, String>;

/// Compares the objects of the current schema with those that statements create, and returns the
/// differences in words. An object that an operator added is not a difference, unless it changes
/// what a table of the statements can hold.
pub(super) fn differences(client: &Client, statements: &str) -> Result<Vec<String>, tokio_postgres::Error> {
    let path: String = client
        .query_one("SELECT current_setting('search_path')", &[])?
        .try_get(0)?;
    let set_path = "SELECT set_config('search_path', $1, true)";
    let alone = "SELECT set_config('search_path', quote_ident(current_schema()), true)";
    client.query_one(alone, &[])?;
    let found = objects(client)?;
    client.batch_execute(&format!("CREATE SCHEMA {SCRATCH}"))?;
    client.query_one(set_path, &[&SCRATCH])?;
    client.batch_execute(statements)?;
    let expected = objects(client)?;
    client.batch_execute(&format!("DROP SCHEMA {SCRATCH} CASCADE"))?;
    client.query_one(set_path, &[&path])?;
    Ok(compare(&found, &expected))
}

fn objects(client: &Client) -> Result<Objects, tokio_postgres::Error> {
    let mut objects = Objects::new();
    for row in client.query(OBJECTS, &[])? {
        let object = Object {
            kind: row.try_get(0)?,
            table: row.try_get(1)?,
            name: row.try_get(2)?,
        };
        objects.insert(object, row.try_get(3)?);
    }
    Ok(objects)
}

fn compare(found: &Objects, expected: &Objects) -> Vec<String> {
    let tables_of = |objects: &Objects| -> BTreeSet<String> {
        let tables = objects.keys().filter(|object| object.kind == "table");
        tables.map(|object| object.table.clone()).collect()
    };
    let (found_tables, expected_tables) = (tables_of(found), tables_of(expected));
    let lacking = expected.iter().filter_map(|(object, known)| match found.get(object) {
        // A missing table is listed without its parts.
        None if object.kind != "table" && !object.table.is_empty() && !found_tables.contains(&object.table) => None,
        None => Some(format!("it lacks {object}")),
        Some(found) if found == known => None,
        Some(found) if found.len().max(known.len()) > SHOWN_BYTES => Some(format!("{object} is another")),
        Some(found) => Some(format!("{object} is `{found}` and not `{known}`")),
    });
    let is_too_many = |object: &&Object| {
        ["column", "constraint", "unique index"].contains(&object.kind.as_str())
            && expected_tables.contains(&object.table)
            && !expected.contains_key(object)
    };
    let too_many = found.keys().filter(is_too_many);
    lacking
        .chain(too_many.map(|object| format!("it has {object}, which is not part of it")))
        .collect()
}
