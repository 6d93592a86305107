"""Writes Sources/SystemCatalog/Data from a real PostgreSQL 15: relations with their columns, types, functions.

Run: python3 Tests/SystemCatalogTests/record.py "host=127.0.0.1 port=5432 user=postgres dbname=postgres"
Needs PyPI psycopg[binary]. Functions are those whose names occur in Sources/Functions.
"""
import pathlib
import re
import sys
import textwrap

import psycopg

ROOT = pathlib.Path(__file__).resolve().parents[2]
DATA = ROOT / "Sources" / "SystemCatalog" / "Data"
WIDTH = 112

# Types that Apus has, besides arrays of them.
TYPES = """bool bytea char name int8 int2 int2vector int4 regproc text oid xid cid oidvector pg_node_tree float4 float8
unknown aclitem bpchar varchar date time timestamp timestamptz interval numeric regprocedure regoper regoperator regclass
regtype uuid regnamespace regrole regcollation void record any anyarray anyelement cstring internal trigger
language_handler json jsonb""".split()

# What columns of the catalog are here when their type is not.
NEAREST = {
    "inet": "text", "anyarray": "_text", "pg_lsn": "text", "pg_dependencies": "text", "pg_ndistinct": "text",
    "pg_mcv_list": "text", "_pg_statistic": "_text", "sql_identifier": "name", "character_data": "varchar",
    "yes_or_no": "varchar", "cardinal_number": "int4", "time_stamp": "timestamptz", "_regtype": "_regtype",
}

RELATIONS = """
select n.nspname, c.relname, c.oid, c.relkind,
  array_agg(a.attname || ':' || t.typname || case when a.attnotnull then '!' else '' end order by a.attnum)
from pg_class c join pg_namespace n on n.oid = c.relnamespace join pg_attribute a on a.attrelid = c.oid
join pg_type t on t.oid = a.atttypid
where n.nspname in ('pg_catalog', 'information_schema') and c.relkind in ('r', 'v') and a.attnum > 0
  and c.relname not like 'sql\\_%' and c.relname not like '\\_pg\\_%'
group by 1, 2, 3, 4 order by 1, 2"""

TYPE_ROWS = """
select oid, typname, typlen, typbyval, typtype, typcategory, typispreferred, typelem, typarray, typinput::text,
  typoutput::text, typreceive::text, typsend::text, typmodin::text, typmodout::text, typsubscript::text, typalign,
  typstorage, typcollation
from pg_type t where typname = any(%(names)s) or exists (select from pg_type e where e.typarray = t.oid
  and e.typname = any(%(names)s)) order by oid"""

FUNCTION_ROWS = """
select p.oid, p.proname, p.prokind, p.proretset, p.provolatile, p.proisstrict, p.prorettype,
  array_to_string(p.proargtypes::oid[], ' ')
from pg_proc p where pronamespace = 11 and prokind in ('f', 'a', 'w') and p.prorettype = any(%(types)s::oid[])
  and p.proargtypes::oid[] <@ %(types)s::oid[] and (p.proname = any(%(names)s) or p.oid = any(%(used)s::oid[])) order by p.oid"""


def swift(name: str, about: str, symbol: str, lines: list[str]) -> None:
    body = "\n".join("        " + line for line in lines)
    (DATA / name).write_text(
        f"// {about}\n// Written by Tests/SystemCatalogTests/record.py from PostgreSQL 15.\n\n"
        f"extension CatalogData {{\n    static let {symbol} = \"\"\"\n{body}\n        \"\"\"\n}}\n"
    )


def column(text: str) -> str:
    name, kind = text.split(":")
    bare = kind.rstrip("!")
    return f"{name}:{NEAREST.get(bare, bare)}{'!' if kind.endswith('!') else ''}"


def relations(cursor: psycopg.Cursor) -> None:
    parts: dict[str, list[str]] = {}
    for schema, name, oid, kind, columns in cursor.execute(RELATIONS).fetchall():
        part = "information" if schema == "information_schema" else "catalog" if kind == "r" else "views"
        lines = parts.setdefault(part, [])
        lines.append(f"{name} {oid} {kind if schema == 'pg_catalog' else 'v'}")
        lines += textwrap.wrap(
            " ".join(column(item) for item in columns), WIDTH, initial_indent="  ", subsequent_indent="  "
        )
    swift("CatalogTables.swift", "The tables of pg_catalog: name, oid, kind, then columns and their types; ! is NOT NULL.", "catalogTables", parts["catalog"])
    swift("CatalogViews.swift", "The views of pg_catalog.", "catalogViews", parts["views"])
    swift("InformationViews.swift", "The views of information_schema.", "informationViews", parts["information"])


def cell(value: object) -> str:
    if isinstance(value, bool):
        return "t" if value else "f"
    text = str(value)
    return text if text else "_"


def types(cursor: psycopg.Cursor) -> None:
    rows = cursor.execute(TYPE_ROWS, {"names": TYPES}).fetchall()
    lines = [" ".join(cell(value) for value in row) for row in rows]
    swift("TypeRows.swift", "Rows of pg_type, columns as SystemTypes.swift reads them.", "typeRows", lines)


def functions(cursor: psycopg.Cursor) -> None:
    names: set[str] = set()
    for path in (ROOT / "Sources" / "Functions").rglob("*.swift"):
        names.update(re.findall(r'"([a-z_0-9]+)"', path.read_text()))
    ids = [row[0] for row in cursor.execute(TYPE_ROWS, {"names": TYPES}).fetchall()]
    used = [row[0] for row in cursor.execute(
        "select distinct f::oid from pg_type, unnest(array[typinput, typoutput, typreceive, typsend, typmodin, "
        "typmodout, typsubscript]) f where oid = any(%(types)s::oid[]) and f <> 0", {"types": ids}).fetchall()]
    rows = cursor.execute(FUNCTION_ROWS, {"types": ids, "names": sorted(names), "used": used}).fetchall()
    found = {row[0] for row in rows}
    rows += [row for row in cursor.execute(
        "select oid, proname, prokind, proretset, provolatile, proisstrict, prorettype, "
        "array_to_string(proargtypes::oid[], ' ') from pg_proc where oid = any(%s::oid[]) order by oid",
        [[oid for oid in used if oid not in found]]).fetchall()]
    text = "; ".join(" ".join(cell(value) for value in row) for row in rows)
    lines = textwrap.wrap(text, WIDTH)
    swift("FunctionRows.swift", "Rows of pg_proc: oid, name, kind, set, volatility, strict, result, arguments;", "functionRows", lines)


def main() -> None:
    with psycopg.connect(sys.argv[1]) as connection, connection.cursor() as cursor:
        relations(cursor)
        types(cursor)
        functions(cursor)


main()
