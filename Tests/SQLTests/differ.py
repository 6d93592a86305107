"""Runs seeded random SQL on Apus and on PostgreSQL and prints where they differ, grouped by cause.

Run: python3 Tests/SQLTests/differ.py "port=5432 host=127.0.0.1 user=postgres dbname=lake" \
         "port=5433 host=127.0.0.1 user=postgres dbname=postgres" [--seed N] [--count N] [--only LABEL] [--show N]
Needs PyPI psycopg[binary] and PostgreSQL 15. Compared are column types, rows (sorted unless the query sorts them) or
SQLSTATEs; floats to 13 digits.
"""
import argparse
import collections
import itertools
import random
import re

import psycopg

SETUP = "SET timezone = 'UTC'; SET datestyle = 'ISO, MDY'; SET statement_timeout = '10s'; SET extra_float_digits = 1"
FLOATS = {700, 701}
# Codes of one meaning: what a client can do about them is the same.
ALIASES = {"54001": "54000"}

# --------------------------------------------------------------------------------------------------- literals

LITERALS = {
    "boolean": ["true", "false"],
    "int2": ["0", "1", "-1", "7", "32767", "-32768"],
    "int4": ["0", "1", "-1", "2", "3", "10", "100", "2147483647", "-2147483648"],
    "int8": ["0", "1", "-1", "5", "1000000", "4294967296", "9223372036854775807", "-9223372036854775808"],
    "float4": ["0", "1", "-1.5", "3.25", "1e10", "NaN", "Infinity", "-Infinity", "1e-30", "3.4e38"],
    "float8": ["0", "1", "-1.5", "2.5", "0.5", "1e15", "1e308", "NaN", "Infinity", "-Infinity", "1e-300", "0.1"],
    "numeric": ["0", "1", "-1", "2.50", "0.001", "123456789.123", "-99.99", "1e10", "0.5", "1.5", "-2.5",
                "12345678901234567890.5", "NaN"],
    "numeric(10,2)": ["0", "1", "2.5", "-2.55", "99999999.99", "0.01"],
    "text": ["", "a", "abc", "ABC", "Hello World", "a%b", "a_b", "123", " x ", "1.5", "true", "2026-01-07", "naïve",
             "日本", "a\\b", "é", "foo bar baz", "%", "_"],
    "varchar": ["", "a", "abc", "12", "abc  ", "x y"],
    "varchar(3)": ["", "a", "abc", "12"],
    "char(5)": ["", "a", "abc", "abcde", "12"],
    "bytea": ["", "\\x00ff", "abc", "\\x616263", "\\xdeadbeef"],
    "date": ["2026-01-07", "2024-02-29", "1999-12-31", "1970-01-01", "infinity", "0044-03-15 BC", "2026-12-31"],
    "time": ["00:00:00", "12:34:56.789", "23:59:59.999999", "24:00:00", "10:11"],
    "timestamp": ["2026-01-07 10:11:12.5", "2024-02-29 00:00:00", "1999-12-31 23:59:59.999999", "infinity",
                  "-infinity", "1970-01-01", "2026-03-31 12:00"],
    "timestamptz": ["2026-01-07 10:11:12.5+00", "2024-02-29 00:00:00+02", "1999-12-31 23:59:59-08", "infinity",
                    "2026-07-01 12:00+00"],
    "interval": ["1 day", "1 month", "-1 day", "1 year 2 months 3 days 04:05:06.789", "00:00:00", "36:00:00",
                 "1 mon -1 day", "-00:00:01", "25 hours", "15 days 12:00"],
    "uuid": ["00000000-0000-0000-0000-000000000000", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"],
}
TYPES = list(LITERALS)
NUMBERS = ["int2", "int4", "int8", "float4", "float8", "numeric", "numeric(10,2)"]
STRINGS = ["text", "varchar", "varchar(3)", "char(5)"]
TIMES = ["date", "time", "timestamp", "timestamptz", "interval"]
INTEGERS = ["int2", "int4", "int8"]

# Columns of the table `t` that expressions are over: every type, NULLs, ties.
TABLE = [
    ("b", "boolean"), ("s", "int2"), ("i", "int4"), ("l", "int8"), ("r", "float4"), ("f", "float8"),
    ("n", "numeric"), ("d2", "numeric(10,2)"), ("x", "text"), ("v", "varchar"), ("c", "char(5)"), ("y", "bytea"),
    ("d", "date"), ("ti", "time"), ("ts", "timestamp"), ("tz", "timestamptz"), ("iv", "interval"), ("u", "uuid"),
]


def quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def literal(rng: random.Random, kind: str) -> str:
    value = rng.choice(LITERALS[kind])
    if kind == "int4" and rng.random() < 0.6:
        return value if not value.startswith("-") else f"({value})"
    if kind == "numeric" and "." in value and rng.random() < 0.6:
        return value if not value.startswith("-") else f"({value})"
    if kind == "boolean":
        return value
    return f"{quoted(value)}::{kind}"


def table_cte(rng: random.Random, name: str, rows: int, mild: bool = False) -> str:
    lines = []
    for number in range(rows):
        cells = []
        for _, kind in TABLE:
            if rng.random() < 0.15:
                cells.append(f"NULL::{kind}")
                continue
            values = LITERALS[kind]
            if mild:
                values = [value for value in values if len(value) < 12 or kind in TIMES + ["uuid"]][:6]
                values = [value for value in values if "inf" not in value.lower() and value != "NaN"]
            cells.append(f"{quoted(rng.choice(values))}::{kind}")
        lines.append(f"({number}, {', '.join(cells)})")
    names = ", ".join(column for column, _ in TABLE)
    return f"{name}(id, {names}) AS (VALUES {', '.join(lines)})"


# ------------------------------------------------------------------------------------------------ expressions

# Templates by result type: {int4} asks for an expression of that type.
TEMPLATES = {
    "boolean": [
        "({any} = {same})", "({any} <> {same})", "({any} < {same})", "({any} >= {same})", "({boolean} AND {boolean})",
        "({boolean} OR {boolean})", "(NOT {boolean})", "({any} IS NULL)", "({any} IS NOT NULL)",
        "({any} IS DISTINCT FROM {same})", "({any} IS NOT DISTINCT FROM {same})", "({boolean} IS TRUE)",
        "({boolean} IS NOT FALSE)", "({boolean} IS UNKNOWN)", "({any} BETWEEN {same} AND {same})",
        "({any} NOT BETWEEN SYMMETRIC {same} AND {same})", "({any} IN ({same}, {same}, NULL))",
        "({any} NOT IN ({same}, {same}))", "({text} LIKE {pattern})", "({text} NOT ILIKE {pattern})",
        "({text} SIMILAR TO {similar})", "({text} ~ {regex})", "({text} ~* {regex})", "({text} !~ {regex})",
        "starts_with({text}, {text})", "({number} < {number})", "({number} = {number})", "({date} < {timestamp})",
        "({timestamp} = {timestamptz})", "({date}, {date}) OVERLAPS ({date}, {date})", "({char(5)} = {text})",
        "({char(5)} = {varchar})", "isfinite({timestamp})", "({int4}, {text}) < ({int4}, {text})",
        "({int4} = ANY (ARRAY[{int4}, {int4}]))", "({int4} > ALL (ARRAY[{int4}, {int4}]))", "({int4} % 2 = 0)",
    ],
    "int2": ["({int2} + {int2})", "(- {int2})", "abs({int2})", "({int2} & {int2})", "({int2} / {int2})",
             "{int4}::int2"],
    "int4": [
        "({int4} + {int4})", "({int4} - {int4})", "({int4} * {int4})", "({int4} / {int4})", "({int4} % {int4})",
        "(- {int4})", "abs({int4})", "({int4} & {int4})", "({int4} | {int4})", "({int4} # {int4})", "(~ {int4})",
        "({int4} << 3)", "({int4} >> 2)", "({int2} * {int4})", "length({text})", "strpos({text}, {text})",
        "position({text} in {text})", "ascii({text})", "({date} - {date})", "octet_length({text})",
        "bit_length({text})", "mod({int4}, {int4})", "gcd({int4}, {int4})", "lcm({int4}, {int4})", "sign({int4})::int4",
        "div({int4}, {int4})::int4", "width_bucket({float8}, 0, 10, 5)", "length({bytea})", "{float8}::int4",
        "{numeric}::int4", "{text}::int4", "{boolean}::int4", "cardinality(ARRAY[{int4}, {int4}])",
        "length({char(5)})", "get_byte({bytea}, 0)", "char_length({varchar})", "num_nulls({any}, {any})",
        "min_scale({numeric})", "scale({numeric})", "array_length(string_to_array({text}, ' '), 1)",
        "regexp_count({text}, {regex})", "regexp_instr({text}, {regex})",
    ],
    "int8": ["({int8} + {int4})", "({int8} * {int8})", "({int8} - {int2})", "({int8} / {int4})", "({int8} % {int8})",
             "abs({int8})", "(- {int8})", "({int8} # {int8})", "({int8} << 2)", "{numeric}::int8", "{float8}::int8",
             "factorial({int2})::int8", "({int4}::int8 * {int4})"],
    "float4": ["({float4} + {float4})", "({float4} * {float4})", "({float4} / {float4})", "{float8}::float4",
               "(- {float4})", "abs({float4})", "{numeric}::float4", "{text}::float4"],
    "float8": [
        "({float8} + {float8})", "({float8} - {float8})", "({float8} * {float8})", "({float8} / {float8})",
        "({float4} + {float8})", "({int4} * {float8})", "sqrt({float8})", "cbrt({float8})", "exp({float8})",
        "ln({float8})", "log({float8})", "power({float8}, {float8})", "({float8} ^ {float8})", "floor({float8})",
        "ceil({float8})", "round({float8})", "trunc({float8})", "sign({float8})", "abs({float8})", "sin({float8})",
        "cos({float8})", "tan({float8})", "asin({float8})", "acos({float8})", "atan({float8})",
        "atan2({float8}, {float8})", "sinh({float8})", "tanh({float8})", "degrees({float8})", "radians({float8})",
        "{text}::float8", "date_part('year', {timestamp})", "date_part({part}, {timestamp})", "pi()", "cot({float8})",
        "date_part({part}, {interval})", "date_part({part}, {date})", "(|/ {float8})", "(@ {float8})", "sind({float8})",
        "acosh({float8})", "asinh({float8})", "atanh({float8})", "{numeric}::float8", "{int8}::float8",
        "({float4} * {int4})", "({numeric} + {float8})",
    ],
    "numeric": [
        "({numeric} + {numeric})", "({numeric} - {numeric})", "({numeric} * {numeric})", "({numeric} / {numeric})",
        "({numeric} % {numeric})", "({int4} / {numeric})", "({int8} + {numeric})", "({numeric(10,2)} * {int4})",
        "({numeric(10,2)} / {numeric(10,2)})", "({numeric(10,2)} + {numeric})", "round({numeric}, {small})",
        "round({numeric})", "trunc({numeric}, {small})", "trunc({numeric})", "ceil({numeric})", "floor({numeric})",
        "abs({numeric})", "(- {numeric})", "sign({numeric})", "sqrt({numeric})", "ln({numeric})", "log({numeric})",
        "log({numeric}, {numeric})", "exp({numeric})", "power({numeric}, {small})", "mod({numeric}, {numeric})",
        "div({numeric}, {numeric})", "trim_scale({numeric})", "{float8}::numeric", "{int4}::numeric",
        "{text}::numeric", "{numeric}::numeric(10,2)", "{numeric}::numeric(5,1)", "{numeric}::numeric(3,-1)",
        "extract({part} from {timestamp})", "extract({part} from {date})", "extract({part} from {interval})",
        "extract({part} from {time})", "extract({part} from {timestamptz})", "gcd({numeric}, {numeric})",
        "greatest({numeric}, {int4})", "({numeric(10,2)} - {int8})", "({numeric(10,2)} * {numeric(10,2)})",
        "to_number({text}, '999.99')", "round({numeric(10,2)}, 1)", "({numeric(10,2)} % {int4})",
    ],
    "text": [
        "({text} || {text})", "({text} || {any})", "upper({text})", "lower({text})", "initcap({text})",
        "substr({text}, {small})", "substring({text} from {small} for {tiny})", "substring({text}, {small}, {small})",
        "left({text}, {small})", "right({text}, {small})", "trim({text})", "ltrim({text}, {text})",
        "rtrim({text}, 'c ')", "btrim({text}, {text})", "trim(both 'a' from {text})", "trim(leading from {text})",
        "replace({text}, {text}, {text})", "translate({text}, 'abc', 'xy')", "reverse({text})",
        "repeat({text}, {small})", "lpad({text}, {tiny}, {text})", "rpad({text}, {tiny})", "lpad({text}, {tiny})",
        "split_part({text}, {text}, {small})", "split_part({text}, ' ', {small})", "concat({any}, {any}, {any})",
        "concat_ws(',', {any}, {text}, {any})", "overlay({text} placing {text} from {tiny})",
        "overlay({text} placing 'Z' from {tiny} for {tiny})", "md5({text})", "chr(({int4} & 127) | 32)",
        "to_hex({int4})", "quote_literal({text})", "quote_ident({text})", "quote_nullable({text})",
        "regexp_replace({text}, {regex}, 'X')", "regexp_replace({text}, {regex}, '[\\&]', 'g')",
        "regexp_replace({text}, {regex}, '<\\1>', 'gi')", "substring({text} from {regex})",
        "substring({text} similar {similar3} escape '#')", "format('%s-%I-%L', {any}, {text}, {text})",
        "format('%5s|%-5s|%%', {text}, {any})", "encode({bytea}, 'hex')", "encode({bytea}, 'base64')",
        "encode({bytea}, 'escape')", "{any}::text", "{any}::varchar(3)", "to_char({timestamp}, {tsformat})",
        "to_char({date}, {tsformat})", "to_char({interval}, 'HH24:MI:SS')", "to_char({numeric}, {numformat})",
        "to_char({int4}, {numformat})", "to_char({float8}, {numformat})", "regexp_substr({text}, {regex})",
        "array_to_string(ARRAY[{text}, {text}, NULL], ',', '*')", "(string_to_array({text}, ' '))[1]",
        "({char(5)} || {text})", "lower({char(5)})", "{char(5)}::text", "upper({varchar})", "sha256({bytea})::text",
        "convert_from({bytea}, 'UTF8')", "unistr('a\\0062')", "normalize({text}, NFC)", "ascii({text})::text",
        "regexp_match({text}, {regex})::text", "string_to_array({text}, {text})::text", "strpos({text}, 'b')::text",
        "(ARRAY[{any}, {same}])::text", "to_char({timestamptz}, {tsformat})", "pg_typeof({any})::text",
        "age({timestamp}, {timestamp})::text", "regexp_split_to_array({text}, {regex})::text",
    ],
    "varchar": ["{text}::varchar", "{text}::varchar(4)", "{int4}::varchar"],
    "char(5)": ["{text}::char(5)", "{int4}::char(5)"],
    "bytea": ["({bytea} || {bytea})", "decode('616263', 'hex')", "substring({bytea} from {tiny})",
              "convert_to({text}, 'UTF8')", "sha256({bytea})", "{text}::bytea", "set_byte({bytea}, 0, 65)",
              "substr({bytea}, 1, {tiny})", "trim({bytea} from {bytea})", "overlay({bytea} placing {bytea} from 1)"],
    "date": ["({date} + {small})", "({date} - {small})", "{timestamp}::date", "{timestamptz}::date", "{text}::date",
             "make_date(2026, {tiny}, {tiny})", "to_date('2026-02-03', 'YYYY-MM-DD')", "date_trunc('month', {date})::date",
             "greatest({date}, {date})", "({small} + {date})"],
    "time": ["({time} + {interval})", "({time} - {interval})", "{timestamp}::time", "{interval}::time", "{text}::time",
             "make_time({tiny}, {tiny}, 1.5)", "{timestamptz}::time"],
    "timestamp": [
        "({timestamp} + {interval})", "({timestamp} - {interval})", "({date} + {interval})", "({date} + {time})",
        "date_trunc({field}, {timestamp})", "{date}::timestamp", "{timestamptz}::timestamp", "{text}::timestamp",
        "({timestamptz} AT TIME ZONE 'Europe/Berlin')", "make_timestamp(2026, {tiny}, {tiny}, 4, 5, 6.7)",
        "({timestamptz} AT TIME ZONE 'UTC')", "date_bin('15 minutes', {timestamp}, timestamp '2001-01-01')",
        "{timestamp}::timestamp(0)", "({interval} + {timestamp})", "({timestamptz} AT TIME ZONE '+03')",
    ],
    "timestamptz": [
        "({timestamptz} + {interval})", "date_trunc({field}, {timestamptz})", "{timestamp}::timestamptz",
        "{date}::timestamptz", "({timestamp} AT TIME ZONE 'America/New_York')", "to_timestamp({int4})",
        "date_trunc('day', {timestamptz}, 'Asia/Tokyo')", "({timestamptz} - {interval})", "date_trunc({field}, {date})",
        "to_timestamp('2026-01-02 03:04', 'YYYY-MM-DD HH24:MI')", "to_timestamp({float8})",
    ],
    "interval": [
        "({interval} + {interval})", "({interval} - {interval})", "({interval} * {tiny})", "({interval} / {tiny})",
        "({interval} * {float8})", "(- {interval})", "({timestamp} - {timestamp})", "({timestamptz} - {timestamptz})",
        "({time} - {time})", "age({timestamp}, {timestamp})", "make_interval(days => {tiny}, hours => {tiny})",
        "justify_days({interval})", "justify_hours({interval})", "justify_interval({interval})", "{time}::interval",
        "date_trunc({field}, {interval})", "{text}::interval", "age({timestamptz}, {timestamptz})",
        "make_interval({tiny}, {tiny})", "({timestamp} - {date})", "{interval}::interval(0)",
    ],
    "uuid": ["{text}::uuid", "{uuid}"],
}
POLYMORPHIC = [
    "CASE WHEN {boolean} THEN {T} ELSE {T} END", "CASE {any} WHEN {same} THEN {T} WHEN {same} THEN {T} END",
    "coalesce({T}, {T})", "nullif({T}, {T})", "greatest({T}, {T}, {T})", "least({T}, {T})",
]
ATOMS = {
    "pattern": ["'a%'", "'%b%'", "'_b_'", "'%'", "''", "'a\\%b'", "'%o_W%'", "'A%'", "'a__'", "'%\\_%'", "'日%'"],
    "similar": ["'a%'", "'(a|b)%'", "'[a-c]+'", "'%(o|x)%'", "'a{1,2}%'", "'_*'", "'[^a]%'"],
    "similar3": ["'#\"%#\"b%'", "'a#\"_#\"%'", "'%#\"o#\"%'"],
    "regex": ["'a'", "'^a'", "'b$'", "'[a-c]+'", "'(a)(b)?'", "'o.*o'", "'\\d+'", "'\\w'", "'\\s'", "'x*'", "'A|B'",
              "'(?i)ABC'", "'[[:upper:]]'", "'.'", "'^$'", "'\\mbar\\M'", "''"],
    "part": ["'year'", "'month'", "'day'", "'hour'", "'minute'", "'second'", "'epoch'", "'dow'", "'doy'", "'week'",
             "'quarter'", "'century'", "'decade'", "'millennium'", "'isoyear'", "'isodow'", "'microseconds'",
             "'milliseconds'", "'julian'"],
    "field": ["'year'", "'month'", "'day'", "'hour'", "'minute'", "'second'", "'week'", "'quarter'", "'century'",
              "'decade'", "'millennium'", "'milliseconds'", "'microseconds'"],
    "tsformat": ["'YYYY-MM-DD HH24:MI:SS'", "'Day Mon DD'", "'FMMonth FMDD, YYYY'", "'HH12:MI AM'", "'IYYY-IW-ID'",
                 "'Q DDD J'", "'MS US'", "'YY Y,YYY'", "'\"x\"YYYY'", "'Dy DY dy'", "'CC WW W D'", "'DDth'"],
    "numformat": ["'999'", "'FM999.00'", "'9,999.99'", "'000'", "'S999'", "'999MI'", "'9.99EEEE'", "'FM9999'", "'RN'",
                  "'999PR'", "'99.9'", "'0000.0'"],
    "small": ["-2", "-1", "0", "1", "2", "3", "5"],
    "tiny": ["1", "2", "3", "4", "6"],
}


class Expressions:
    """Random expressions over columns (name, type), or over literals only."""

    def __init__(self, rng: random.Random, columns: list[tuple[str, str]]):
        self.rng = rng
        self.columns = columns

    def leaf(self, kind: str) -> str:
        fit = [name for name, type_ in self.columns if type_ == kind]
        if fit and self.rng.random() < 0.6:
            return self.rng.choice(fit)
        return f"NULL::{kind}" if self.rng.random() < 0.05 else literal(self.rng, kind)

    def make(self, kind: str, depth: int) -> str:
        if depth <= 0 or kind not in TEMPLATES:
            return self.leaf(kind)
        template = self.rng.choice(POLYMORPHIC if self.rng.random() < 0.1 else TEMPLATES[kind])
        return self.fill(template, kind, depth)

    def fill(self, template: str, kind: str, depth: int) -> str:
        same = self.rng.choice(TYPES)

        def one(match: re.Match) -> str:
            asked = match.group(1)
            if asked in ATOMS:
                return self.rng.choice(ATOMS[asked])
            if asked == "number":
                asked = self.rng.choice(NUMBERS)
            asked = {"any": same, "same": same, "T": kind}.get(asked, asked)
            below = depth - 1 if self.rng.random() < 0.5 else 0
            return self.make(asked, below)

        return re.sub(r"\{([a-zT][a-z0-9(,)]*)\}", one, template)


# ---------------------------------------------------------------------------------------------------- queries

def casts(rng: random.Random):
    """Casts between all pairs of types, of every literal, and as implicit ones: the same for every seed."""
    for source, target in itertools.product(TYPES, TYPES):
        for value in LITERALS[source]:
            yield f"cast {source}->{target}", f"SELECT {quoted(value)}::{source}::{target}"
    texts = ["0", "1", " 1 ", "1.5", "1e3", "-1", "abc", "", "t", "yes", "off", "0x10", "1_000", "Infinity", "nan",
             "99999999999", "1e400", "2026-01-07", "2026-1-7 1:2", "12:30", "10:11:12 PM", "Jan 7 2026", "20260107",
             "7 days", "P1Y2M3DT4H", "1-2", "1 2:03", "now", "epoch", "today", "2026-02-30", "2026-01-07T10:11:12Z",
             "2026-01-07 10:11 Europe/Berlin", "2026-01-07 10:11+05:30", "allballs", "1 week ago", "\\x6", "\\xzz",
             "1.5 hours", "1 fortnight", "24:00:01", "January 8, 99 BC", "01/02/2026", "y", "tru", "--1", "1 mon 2",
             "a0eebc999c0b4ef8bb6d6bb9bd380a11", "{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}", "a0eebc99", "2026-01-07 BC",
             "1.23456789012345678901234567890123456789", "10:11:12.1234567", "23:59:60", "1 day 25:00:00", "1y2mon"]
    for target, text in itertools.product(TYPES, texts):
        if text not in ("now", "today"):
            yield f"input {target}", f"SELECT {quoted(text)}::{target}"
    for left, right in itertools.product(TYPES, TYPES):
        one, two = quoted(LITERALS[left][0]), quoted(LITERALS[right][-1])
        yield "union types", f"SELECT {one}::{left} UNION ALL SELECT {two}::{right}"
        yield "case types", f"SELECT CASE WHEN true THEN {one}::{left} ELSE {two}::{right} END"
        yield "coalesce types", f"SELECT coalesce(NULL::{left}, {two}::{right})"
        yield "in types", f"SELECT {one}::{left} IN ({two}::{right}, {one}::{left})"


OPERATORS = ["+", "-", "*", "/", "%", "^", "=", "<>", "<", "<=", ">", ">=", "||", "&", "|", "#", "<<", ">>", "~",
             "LIKE", "~~", "!~~*", "IS DISTINCT FROM"]


def operators(rng: random.Random):
    """Binary operators over all pairs of types."""
    for symbol, left, right in itertools.product(OPERATORS, TYPES, TYPES):
        pairs = list(itertools.product(LITERALS[left], LITERALS[right]))
        for one, two in rng.sample(pairs, min(len(pairs), 3)):
            yield f"{left} {symbol} {right}", f"SELECT {quoted(one)}::{left} {symbol} {quoted(two)}::{right}"
    for symbol, kind in itertools.product(OPERATORS, TYPES):
        value = rng.choice(LITERALS[kind])
        other = rng.choice(LITERALS[rng.choice(TYPES)])
        yield f"{kind} {symbol} unknown", f"SELECT {quoted(value)}::{kind} {symbol} {quoted(other)}"
        yield f"unknown {symbol} {kind}", f"SELECT {quoted(other)} {symbol} {quoted(value)}::{kind}"


def templates(rng: random.Random):
    """Every template of expressions with its arguments drawn again and again, over constants."""
    while True:
        for kind, many in TEMPLATES.items():
            for template in many + POLYMORPHIC:
                yield template, "SELECT " + Expressions(rng, []).fill(template, kind, rng.choice([1, 1, 2]))


def expressions(rng: random.Random):
    """Deeper expressions over the columns of a table."""
    while True:
        kind = rng.choice(list(TEMPLATES))
        text = Expressions(rng, TABLE).make(kind, rng.choice([2, 3]))
        yield f"expression {kind}", f"WITH {table_cte(rng, 't', 4)} SELECT id, {text} FROM t ORDER BY id"


AGGREGATES = [
    ("count(*)", ""), ("count({c})", "*"), ("sum({c})", "s i l r f n d2 iv"), ("avg({c})", "s i l r f n d2 iv"),
    ("min({c})", "s i l r f n d2 x v c d ti ts tz iv"), ("max({c})", "s i l r f n d2 x v c d ti ts tz iv"),
    ("count(DISTINCT {c})", "*"), ("sum(DISTINCT {c})", "s i l n d2"), ("bool_and({c})", "b"), ("bool_or({c})", "b"),
    ("every({c})", "b"), ("bit_and({c})", "s i l"), ("bit_or({c})", "s i l"), ("bit_xor({c})", "i l"),
    ("stddev({c})", "s i f n"), ("var_pop({c})", "i f n"), ("variance({c})", "i n"), ("stddev_pop({c})", "f n l"),
    ("string_agg({c}, ',' ORDER BY id)", "x v"), ("string_agg(DISTINCT {c}, '-' ORDER BY {c})", "x"),
    ("array_agg({c} ORDER BY id DESC)", "i x d n"), ("percentile_cont(0.3) WITHIN GROUP (ORDER BY {c})", "f iv"),
    ("percentile_cont(0.3) WITHIN GROUP (ORDER BY {c} DESC)", "f"), ("corr(f, {c})", "f"), ("covar_pop(r, {c})", "f"),
    ("percentile_disc(0.4) WITHIN GROUP (ORDER BY {c} DESC)", "i x d n ts"), ("regr_slope(f, {c})", "f"),
    ("percentile_disc(0.6) WITHIN GROUP (ORDER BY {c})", "i x d n"), ("regr_count(f, {c})", "f"),
    ("mode() WITHIN GROUP (ORDER BY {c})", "i x d b"), ("mode() WITHIN GROUP (ORDER BY {c} DESC)", "i x d"),
    ("string_agg({c}, ',' ORDER BY {c} DESC NULLS LAST, id)", "x"), ("array_agg({c} ORDER BY {c})", "i d2"),
]


def aggregate(rng: random.Random) -> tuple[str, str]:
    template, fit = rng.choice(AGGREGATES)
    columns = [name for name, _ in TABLE] if fit == "*" else fit.split() or [""]
    text = template.replace("{c}", rng.choice(columns))
    if rng.random() < 0.2:
        text += rng.choice([" FILTER (WHERE i > 0)", " FILTER (WHERE b)", " FILTER (WHERE x IS NOT NULL)"])
    return template, text


def aggregates(rng: random.Random):
    """Aggregates with FILTER, DISTINCT and ORDER BY over groups and grouping sets."""
    keys = ["b", "i", "x", "d", "n", "c", "iv", "f", "coalesce(s, 1)", "x || 'z'", "r", "ti", "v", "u"]
    while True:
        template, text = aggregate(rng)
        one, two = rng.sample(keys, 2)
        group = rng.choice([
            "", "", f"GROUP BY {one}", f"GROUP BY {one}, {two}", f"GROUP BY ROLLUP ({one}, {two})",
            f"GROUP BY CUBE ({one}, {two})", f"GROUP BY GROUPING SETS (({one}), ({two}), ())",
            f"GROUP BY GROUPING SETS (({one}, {two}), ROLLUP ({two}))", f"GROUP BY {one}, ROLLUP ({two})",
            f"GROUP BY DISTINCT ROLLUP ({one}), ROLLUP ({one}, {two})"])
        names = [name for name in (one, two) if re.search(rf"(?<![a-z]){re.escape(name)}(?![a-z'])", group)]
        grouping = [f"grouping({', '.join(names)})"] if names and rng.random() < 0.4 else []
        having = rng.choice(["", "", " HAVING count(*) > 1", f" HAVING {text} IS NOT NULL"]) if group else ""
        rows = table_cte(rng, "t", rng.choice([0, 5, 12]) or 3, mild=True)
        where = rng.choice(["", "", "WHERE i > 0 ", "WHERE false ", "WHERE b "])
        yield f"aggregate {template}", (
            f"WITH {rows} SELECT {', '.join(names + grouping + [text])} FROM t {where}{group}{having}")


def windows(rng: random.Random):
    """Window functions with every kind of frame."""
    calls = ["row_number()", "rank()", "dense_rank()", "percent_rank()", "cume_dist()", "ntile(3)", "lag(x)", "lead(i, 2)",
             "lag(n, 1, 0)", "first_value(x)", "last_value(d)", "nth_value(i, 2)", "count(*)", "sum(i)", "sum(n)", "avg(d2)",
             "min(x)", "max(d)", "sum(f)", "count(b)", "string_agg(x, ',')", "array_agg(i)", "min(iv)", "avg(f)",
             "sum(d2)", "bool_or(b)", "count(*) FILTER (WHERE b)", "lag(x, -1)", "lead(x, 1, 'none')", "max(c)"]
    bounds = ["UNBOUNDED PRECEDING", "{n} PRECEDING", "CURRENT ROW", "{n} FOLLOWING", "UNBOUNDED FOLLOWING"]
    excludes = ["", "", "", " EXCLUDE CURRENT ROW", " EXCLUDE GROUP", " EXCLUDE TIES", " EXCLUDE NO OTHERS"]
    offsets = {"i": ["0", "1", "2"], "l": ["1"], "s": ["1::int2"], "f": ["1.5", "0"], "n": ["1", "0.5"], "d2": ["2.5"],
               "d": ["'1 day'", "interval '40 days'"], "ts": ["'1 day'", "interval '1 year'"], "tz": ["'1 month'"],
               "iv": ["'1 day'"], "ti": ["interval '1 hour'"], "r": ["1"]}
    while True:
        call = rng.choice(calls)
        mode = rng.choice(["", "ROWS", "RANGE", "GROUPS", "RANGEOFF"])
        key = rng.choice(list(offsets))
        order = rng.choice([key, key + " DESC", key + " NULLS FIRST", key + " DESC NULLS LAST"])
        if mode in ("", "ROWS") or "ntile" in call or "row_number" in call or rng.random() < 0.3:
            order = order + ", id" if mode != "RANGEOFF" else order
        frame = ""
        if mode:
            start, end = rng.choice(bounds[:4]), rng.choice(bounds[1:])
            if rng.random() < 0.8 and bounds.index(start) > bounds.index(end):
                start, end = end, start
            if mode == "RANGE":
                start, end = rng.choice([bounds[0], bounds[2]]), rng.choice([bounds[2], bounds[4]])
            size = rng.choice(offsets[key]) if mode == "RANGEOFF" else rng.choice(["0", "1", "2"])
            kind = "RANGE" if mode == "RANGEOFF" else mode
            between = f"BETWEEN {start} AND {end}" if rng.random() < 0.8 or "FOLLOWING" in start else start
            frame = f" {kind} {between}{rng.choice(excludes)}".replace("{n}", size)
        partition = rng.choice(["", "PARTITION BY b ", "PARTITION BY x ", "PARTITION BY b, s "])
        unstable = call.startswith(("lag", "lead", "first", "last", "nth", "string_agg", "array_agg"))
        if unstable and ", id" not in order and mode != "RANGEOFF":
            order += ", id"
        if mode == "RANGEOFF" and ("ntile" in call or "row_number" in call):
            call = "count(*)"
        if unstable and mode == "RANGEOFF":
            call = "sum(i)"
        rows = table_cte(rng, "t", rng.choice([3, 8, 14]), mild=True)
        yield f"window {mode} {call}", (
            f"WITH {rows} SELECT id, {call} OVER ({partition}ORDER BY {order}{frame}) FROM t ORDER BY id")


def small_table(rng: random.Random, name: str) -> str:
    rows = []
    for _ in range(rng.choice([1, 3, 5, 7])):
        cells = [rng.choice(["NULL", "1", "2", "3", "4"]), rng.choice(["NULL", "1", "2", "5"]),
                 rng.choice(["NULL", "'a'", "'b'", "'c'", "''"])]
        rows.append(f"({', '.join(cells)})")
    return f"{name}(p, q, w) AS (SELECT p::int4, q::numeric, w::text FROM (VALUES {', '.join(rows)}) v(p, q, w))"


class Relational:
    """Random queries over three small tables with NULLs: a, e, g with columns p int, q numeric, w text."""

    def __init__(self, rng: random.Random):
        self.rng = rng

    def condition(self, left: str, right: str, depth: int = 1) -> str:
        pick = self.rng.choice
        simple = [f"{left}.p = {right}.p", f"{left}.p = {right}.p AND {left}.w = {right}.w", f"{left}.p < {right}.q",
                  f"{left}.q = {right}.p", f"{left}.w = {right}.w OR {left}.p = {right}.p", "true",
                  f"{left}.p = {right}.p AND {left}.q > 1", f"{left}.p IS NOT DISTINCT FROM {right}.p",
                  f"{left}.w || 'x' = {right}.w || 'x'", f"{left}.p + 1 = {right}.p AND {right}.q IS NOT NULL",
                  f"{left}.p = {right}.p AND {left}.q <> {right}.q", "false", f"{left}.p IN ({right}.p, {right}.q)"]
        return pick(simple)

    def filter(self, name: str, depth: int) -> str:
        pick = self.rng.choice
        other = pick(["a", "e", "g"])
        inner = f"{other}{self.rng.randrange(10, 99)}"
        link = pick([f"{inner}.p = {name}.p", f"{inner}.w = {name}.w", f"{inner}.p < {name}.q", "true",
                     f"{inner}.q = {name}.p + 1", f"{inner}.p = {name}.p AND {inner}.w <> {name}.w",
                     f"{inner}.p IS NOT DISTINCT FROM {name}.p", f"{inner}.p = {name}.p OR {name}.q IS NULL"])
        if depth > 0 and self.rng.random() < 0.3:
            link += " AND " + self.filter(inner, depth - 1)
        source = f"FROM {other} {inner} WHERE {link}"
        form = pick([
            f"EXISTS (SELECT 1 {source})", f"NOT EXISTS (SELECT * {source})", f"{name}.p IN (SELECT {inner}.p {source})",
            f"{name}.p NOT IN (SELECT {inner}.p {source})", f"{name}.q > (SELECT avg({inner}.q) {source})",
            f"{name}.p = (SELECT max({inner}.p) {source})", f"(SELECT count(*) {source}) > 1",
            f"{name}.p < ANY (SELECT {inner}.p {source})", f"{name}.p >= ALL (SELECT {inner}.q {source})",
            f"({name}.p, {name}.w) IN (SELECT {inner}.p, {inner}.w {source})",
            f"({name}.p, {name}.w) NOT IN (SELECT {inner}.p, {inner}.w {source})",
            f"{name}.p = (SELECT {inner}.p {source} ORDER BY {inner}.p NULLS LAST LIMIT 1)",
            f"coalesce((SELECT sum({inner}.p) {source}), 0) = {name}.p",
            f"(SELECT count({inner}.q) {source}) = 0 OR {name}.w = 'a'",
            f"{name}.p <> ALL (SELECT {inner}.p {source})", f"(EXISTS (SELECT 1 {source})) = ({name}.p > 1)",
            f"{name}.w = ANY (SELECT min({inner}.w) {source} GROUP BY {inner}.p)",
            f"{name}.q IN (SELECT {inner}.q {source} UNION SELECT {inner}.p {source})",
            f"NOT ({name}.p IN (SELECT {inner}.p {source}) AND {name}.q > 0)",
        ])
        return form

    def scalar(self, name: str) -> str:
        other = self.rng.choice(["a", "e", "g"])
        link = self.rng.choice([f"h.p = {name}.p", f"h.w = {name}.w", f"h.q > {name}.p", f"h.p = {name}.p + 1"])
        return self.rng.choice([
            f"(SELECT count(*) FROM {other} h WHERE {link})", f"(SELECT max(h.q) FROM {other} h WHERE {link})",
            f"(SELECT sum(h.p) + {name}.p FROM {other} h WHERE {link})", f"{name}.p IN (SELECT h.p FROM {other} h)",
            f"EXISTS (SELECT 1 FROM {other} h WHERE {link})", f"(SELECT h.w FROM {other} h WHERE {link})",
            f"(SELECT string_agg(h.w, ',' ORDER BY h.w) FROM {other} h WHERE {link})",
            f"(SELECT h.p FROM {other} h WHERE {link} ORDER BY h.p DESC NULLS LAST, h.q LIMIT 1)",
            f"CASE WHEN {name}.p > 1 THEN (SELECT min(h.w) FROM {other} h WHERE {link}) ELSE 'none' END",
            f"(SELECT count(*) FROM {other} h, {other} k WHERE {link} AND k.p = h.p)",
            f"{name}.p NOT IN (SELECT h.p FROM {other} h WHERE {link})",
            f"(SELECT coalesce(max(h.p), -1) FROM {other} h WHERE {link} HAVING count(*) > 0)",
            f"(SELECT row_number() OVER (ORDER BY h.p, h.q, h.w) FROM {other} h WHERE {link} ORDER BY 1 LIMIT 1)",
            f"(SELECT z.m FROM (SELECT max(h.p) AS m FROM {other} h WHERE {link}) z)",
            f"ARRAY(SELECT h.p FROM {other} h WHERE {link} ORDER BY h.p)::text",
        ])

    def source(self) -> tuple[str, list[str]]:
        pick = self.rng.choice
        form = self.rng.random()
        joins = ["JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN"]
        if form < 0.25:
            return "a", ["a"]
        if form < 0.6:
            join = pick(joins)
            on = self.condition("a", "e")
            if join == "FULL JOIN":
                on = pick(["a.p = e.p", "a.p = e.p AND a.w = e.w", "a.w = e.w", "a.p = e.q", "true", "a.p=e.p AND a.q>1"])
            return f"a {join} e ON {on}", ["a", "e"]
        if form < 0.7:
            return pick(["a CROSS JOIN e", "a NATURAL JOIN e", "a, e"]), ["a", "e"]
        if form < 0.85:
            first, second = pick(joins[:3]), pick(joins[:3])
            return (f"a {first} e ON {self.condition('a', 'e')} {second} g ON {self.condition('e', 'g')}",
                    ["a", "e", "g"])
        if form < 0.92:
            limit = pick(["", " ORDER BY p NULLS LAST, q, w LIMIT 1", " ORDER BY p, q, w LIMIT 2 OFFSET 1"])
            what = pick(["*", "max(p) AS p, max(q) AS q, max(w) AS w", "p + a.p AS p, q, w || a.w AS w"])
            inner = f"(SELECT {what} FROM e h WHERE {pick(['h.p = a.p', 'h.q < a.p', 'true', 'h.w = a.w'])}" \
                f"{limit if 'max' not in what else ''}) e"
            if "+" in what:
                inner = inner.replace(limit, "")
            return pick([f"a, LATERAL {inner}", f"a LEFT JOIN LATERAL {inner} ON true",
                         f"a CROSS JOIN LATERAL {inner}", f"a LEFT JOIN LATERAL {inner} ON e.p = a.p"]), ["a", "e"]
        return f"(a {pick(joins[:2])} e ON {self.condition('a', 'e')}) LEFT JOIN (g JOIN e e2 ON " \
            f"{self.condition('g', 'e2')}) ON {self.condition('a', 'g')}", ["a", "e", "g", "e2"]

    def select(self) -> tuple[str, str]:
        source, names = self.source()
        items = []
        for name in names:
            items += [f"{name}.p", self.rng.choice([f"{name}.q", f"{name}.w"])]
        label = "join" if len(names) > 1 else "select"
        if self.rng.random() < 0.4:
            items.append(self.scalar(names[0]))
            label = "scalar subquery"
        where = []
        for _ in range(self.rng.choice([0, 1, 1, 2])):
            where.append(self.filter(self.rng.choice(names), 1))
            label += " + filter"
        where = f" WHERE {' AND '.join(where) if self.rng.random() < 0.7 else ' OR '.join(where)}" if where else ""
        kind = self.rng.random()
        if kind < 0.75:
            return label, f"SELECT {', '.join(items)} FROM {source}{where}"
        if kind < 0.85:
            return label + " distinct", f"SELECT DISTINCT {', '.join(items[:2])} FROM {source}{where}"
        if kind < 0.93:
            return label + " group", (f"SELECT {items[0]}, count(*), sum({names[-1]}.q) FROM {source}{where} "
                                      f"GROUP BY {items[0]}")
        name = names[0]
        return label + " distinct on", (f"SELECT DISTINCT ON ({name}.p) {name}.p, {name}.q, {name}.w FROM {source}{where} "
                                        f"ORDER BY {name}.p, {name}.q, {name}.w DESC")

    def query(self) -> tuple[str, str]:
        pick = self.rng.choice
        tables = ", ".join(small_table(self.rng, name) for name in ("a", "e", "g"))
        kind = self.rng.random()
        if kind < 0.7:
            label, text = self.select()
        elif kind < 0.8:
            parts = [f"SELECT {pick(['p, w', 'q, w', '1, w', 'p, NULL', 'q, upper(w)'])} FROM {pick('aeg')}" for _ in range(3)]
            words = [pick(["UNION", "UNION ALL", "INTERSECT", "EXCEPT", "INTERSECT ALL", "EXCEPT ALL"]) for _ in range(2)]
            text = f"{parts[0]} {words[0]} {parts[1]} {words[1]} {parts[2]}"
            if self.rng.random() < 0.5:
                text = f"{parts[0]} {words[0]} ({parts[1]} {words[1]} {parts[2]})"
            label = "set operation"
            if self.rng.random() < 0.5:
                text += " ORDER BY 1 NULLS FIRST, 2 DESC"
        elif kind < 0.87:
            ties = pick(["FETCH FIRST 2 ROWS WITH TIES", "FETCH NEXT ROW WITH TIES", "OFFSET 1 FETCH FIRST 2 ROWS WITH TIES"])
            order = pick(["p", "p DESC", "p NULLS FIRST", "w DESC NULLS LAST", "q % 2, p"])
            items = "p, w" if "ORDER" in ties else "p, q, w"
            text = f"SELECT {items if 'OFFSET' not in ties else order.split()[0].strip(',')} FROM a ORDER BY {order} {ties}"
            label = "with ties"
        elif kind < 0.94:
            text = pick([
                "WITH RECURSIVE r(n, w) AS (SELECT p, w FROM a UNION SELECT n + 1, w FROM r WHERE n < 6) SELECT * FROM r",
                "WITH RECURSIVE r AS (SELECT p, q, 1 AS k FROM a UNION ALL SELECT e.p, e.q, r.k + 1 FROM r JOIN e ON "
                "e.p = r.q WHERE r.k < 4) SELECT * FROM r",
                "WITH RECURSIVE r(n) AS (VALUES (1) UNION ALL SELECT n * 2 FROM r WHERE n < (SELECT max(p) FROM e)) "
                "SELECT sum(n), count(*) FROM r",
                "WITH RECURSIVE r(p, path) AS (SELECT p, p::text FROM a UNION ALL SELECT e.p, r.path || '>' || e.p FROM r "
                "LEFT JOIN e ON e.p > r.p WHERE length(r.path) < 6) SELECT * FROM r",
                "WITH m AS (SELECT p, sum(q) AS s FROM a GROUP BY p), k AS MATERIALIZED (SELECT * FROM m WHERE s > 1) "
                "SELECT * FROM k FULL JOIN m USING (p)",
            ])
            label = "recursive"
            tail = text.split("WITH ", 1)[1]
            if tail.startswith("RECURSIVE "):
                return label, f"WITH RECURSIVE {tables}, {tail[10:]}"
            return label, f"WITH {tables}, {tail}"
        else:
            order = pick(["1, 2, 3", "w NULLS FIRST, p DESC, q", "p + 1 DESC NULLS LAST, q, w", "upper(w), q, p"])
            text = f"SELECT * FROM {pick('aeg')} ORDER BY {order} {pick(['LIMIT 2', 'OFFSET 2', 'LIMIT 3 OFFSET 1', 'LIMIT 0', 'LIMIT ALL', 'FETCH FIRST 2 ROWS ONLY', 'LIMIT NULL'])}"
            label = "limit"
        return label, f"WITH {tables} {text}"


def queries(rng: random.Random):
    """Joins, subqueries, set operations, recursion."""
    relational = Relational(rng)
    while True:
        yield relational.query()


def precedence(rng: random.Random):
    """Operators without parentheses: how they bind, and what constants become."""
    words = ["+", "-", "*", "/", "%", "^", "||", "=", "<", ">", "<=", ">=", "<>", "AND", "OR", "IS NULL", "IS NOT NULL",
             "BETWEEN 1 AND", "NOT BETWEEN 0 AND", "IN (1, 2)", "NOT IN (3)", "LIKE", "NOT LIKE", "IS TRUE", "::text",
             "::int", "::numeric", "IS DISTINCT FROM", "&", "|", "#", "<<", ">>", "AT TIME ZONE", "ISNULL", "NOTNULL"]
    lone = {"IS NULL", "IS NOT NULL", "IN (1, 2)", "NOT IN (3)", "IS TRUE", "::text", "::int", "::numeric", "ISNULL",
            "NOTNULL"}
    atoms = ["1", "2", "3", "2.5", "-1", "true", "NOT false", "'1'", "'a'", "NULL", "- 2", "+3", "@ -4", "(1)", "~ 1",
             "not true", "1e2", "0.10", "5 / 2", "|/ 4", "'t'"]
    while True:
        parts = [rng.choice(atoms)]
        for _ in range(rng.choice([1, 2, 3])):
            word = rng.choice(words)
            parts.append(word)
            if word not in lone:
                parts.append(rng.choice(atoms))
        yield "precedence", "SELECT " + " ".join(parts)


def numbers(rng: random.Random):
    """Numerics of many digits and scales: results to the last digit."""
    def number() -> str:
        digits = "".join(rng.choice("0123456789") for _ in range(rng.choice([1, 2, 3, 5, 9, 14])))
        point = rng.choice([0, 0, 1, 2, 4, 8])
        text = digits.lstrip("0") or "0"
        if point:
            text += "." + "".join(rng.choice("0123456789") for _ in range(point))
        return rng.choice(["", "", "-"]) + text
    forms = ["{a}::numeric {o} {b}::numeric", "{a} {o} {b}", "round({a} {o} {b}, {d})", "trunc({a}::numeric, {d})",
             "round({a}::numeric, {d})", "{a}::numeric(20,3) {o} {b}::numeric(10,4)", "{a}::float8 {o} {b}::float8",
             "{a}::float4 {o} {b}::float4", "sqrt(abs({a}::numeric))", "{a}::float8::numeric", "{a}::float4::numeric",
             "({a}::float8)::text", "({a}::float4)::text", "{a}::float8::int8", "{a}::numeric::int4", "ln(abs({a}) + 1.0)",
             "exp({a}::numeric / 1000000)", "power(abs({a}::numeric), 0.5)", "avg(x) FROM (VALUES ({a}), ({b}), ({c})) t(x)",
             "sum(x), stddev(x), var_pop(x) FROM (VALUES ({a}), ({b}), ({c})) t(x)", "mod({a}::numeric, {b}::numeric)",
             "div({a}::numeric, {b}::numeric)", "{a}::numeric(12,2)", "to_char({a}, 'FM999,999,999,990.00')",
             "to_char({a}, 'S9999.9')", "ceil({a}), floor({a}), abs({a}), sign({a})", "width_bucket({a}, 0, 100, 7)",
             "{a}::numeric = {b}::float8, {a}::int8 < {b}::numeric", "greatest({a}, {b}), least({a}, {b}, {c})"]
    while True:
        form = rng.choice(forms)
        text = re.sub(r"\{([abc])\}", lambda match: "(" + number() + ")", form)
        text = text.replace("{o}", rng.choice("+-*/%")).replace("{d}", rng.choice(["0", "1", "2", "5", "-1", "-3"]))
        yield form, "SELECT " + text


def moments(rng: random.Random):
    """Timestamps around changes of the clock, intervals of many spellings, templates of to_char and to_timestamp."""
    zones = ["America/New_York", "Europe/Berlin", "Asia/Kolkata", "Australia/Lord_Howe", "UTC", "+05:30", "EST", "PST8PDT"]
    spans = ["1 day", "24 hours", "1 month", "-1 month", "1 mon 1 day 1 hour", "P1DT2H", "1-2", "3 4:05", "1 week",
             "90 minutes", "1.5 days", "1.5 months", "0.5 year", "1 year -1 month", "1 day ago", "-1:30", "2:03:04.5678",
             "1 century", "1 decade 2 years", "100 ms", "1e1 days", "@ 1 hour ago", "1 quarter", "0.1 month", "1y 2m"]
    forms = [
        "timestamptz '{t}' AT TIME ZONE '{z}'", "timestamp '{t}' AT TIME ZONE '{z}'", "timestamp '{t}' + interval '{i}'",
        "timestamptz '{t} {z}' + interval '{i}'", "date_trunc('{f}', timestamptz '{t}', '{z}')", "interval '{i}'",
        "age(timestamp '{t}', timestamp '{u}')", "timestamp '{t}' - timestamp '{u}'", "interval '{i}' * {n}",
        "interval '{i}' / {n}", "interval '{i}' + interval '{j}'", "interval '{i}' < interval '{j}'",
        "extract({p} FROM timestamp '{t}')", "extract({p} FROM interval '{i}')", "date '{d}' + {k}", "date '{d}' - date '{e}'",
        "to_char(timestamp '{t}', '{c}')", "to_char(interval '{i}', '{c}')", "justify_interval(interval '{i}')",
        "to_timestamp('{t}', 'YYYY-MM-DD HH24:MI:SS')", "to_date('{d}', 'YYYY-MM-DD')", "date_bin('{i}', timestamp '{t}', timestamp '{u}')",
        "timestamp '{t}' BETWEEN '{u}' AND '{t}'", "date '{d}' + time '10:00'", "time '23:30' + interval '{i}'",
        "timestamptz '{t}'::date, timestamptz '{t}'::time", "generate_series(timestamp '{t}', timestamp '{t}' + interval '3 days', '1 day')",
        "to_timestamp({n} * 1e8)", "extract(epoch FROM timestamptz '{t} {z}')", "make_timestamptz(2026, 3, 8, 2, 30, 0, '{z}')",
    ]
    choices = {
        "t": ["2026-03-08 02:30:00", "2026-11-01 01:30:00", "2026-03-29 02:15:00", "2026-10-25 02:30:00", "2024-02-29 12:00:00.123456",
              "1999-12-31 23:59:59.999", "2026-01-31 00:00:00", "1900-01-01 00:00:00", "2038-01-19 03:14:08", "0001-01-01 00:00:00"],
        "u": ["2025-12-31 10:00:00", "2024-02-28 23:00:00", "2026-03-31 05:06:07", "1970-01-01 00:00:00"],
        "z": zones, "i": spans, "j": spans, "n": ["2", "0.5", "-1.5", "3", "7"], "k": ["1", "-40", "365"],
        "d": ["2026-01-07", "2024-02-29", "1600-12-31"], "e": ["2025-02-28", "2026-12-31"],
        "f": ["year", "quarter", "month", "week", "day", "hour", "minute", "second", "decade"],
        "p": ["year", "month", "day", "hour", "second", "epoch", "dow", "doy", "week", "isoyear", "quarter", "century", "minute"],
        "c": ["YYYY-MM-DD HH24:MI:SS.US", "HH:MI:SS am", "Day, DD Month YYYY", "FMDay FMDDth FMMonth", "DDD IW WW Q", "MON Mon mon",
              "YYYYMMDD", "SSSS", "J", "RM rm", "HH24h", "TZ", "Y,YYY", "BC AD", "\"at\" HH12 P.M."],
    }
    while True:
        form = rng.choice(forms)
        yield form, "SELECT " + re.sub(r"\{([a-z])\}", lambda match: rng.choice(choices[match.group(1)]), form)


GENERATORS = [casts, operators, templates, expressions, aggregates, windows, queries, precedence, numbers, moments]

# ------------------------------------------------------------------------------------------------- comparison


class Engine:
    def __init__(self, where: str):
        self.where = where
        self.connection = None

    def run(self, sql: str) -> tuple[str, list[int], list[tuple]]:
        if self.connection is None or self.connection.closed:
            self.connection = psycopg.connect(self.where, autocommit=True)
            for setting in SETUP.split("; "):
                self.connection.execute(setting)
        result = self.connection.pgconn.exec_(sql.encode())
        status = psycopg.pq.ExecStatus(result.status)
        if status == psycopg.pq.ExecStatus.FATAL_ERROR:
            state = result.error_field(psycopg.pq.DiagnosticField.SQLSTATE)
            if state is None:
                self.connection = None
                return "connection lost", [], []
            message = result.error_field(psycopg.pq.DiagnosticField.MESSAGE_PRIMARY).decode()
            return ALIASES.get(state.decode(), state.decode()), [], [(message,)]
        types = [result.ftype(column) for column in range(result.nfields)]
        rows = [tuple(value.decode() if value is not None else None for value in
                      (result.get_value(row, column) for column in range(result.nfields)))
                for row in range(result.ntuples)]
        return "", types, rows


def rounded(types: list[int], rows: list[tuple]) -> list[tuple]:
    if not FLOATS & set(types) and 1022 not in types:
        return rows
    out = []
    for row in rows:
        cells = list(row)
        for column, kind in enumerate(types):
            if kind in FLOATS and cells[column] is not None:
                cells[column] = f"{float(cells[column]):.{12 if kind == 701 else 5}e}"
        out.append(tuple(cells))
    return out


def same(sql: str, one: tuple, two: tuple) -> str:
    """Returns how the answers differ, empty when they do not."""
    if one[0] != two[0]:
        return f"{two[0] or 'rows'} in PostgreSQL, {one[0] or 'rows'} here"
    if one[0]:
        return ""
    if one[1] != two[1]:
        return f"types {two[1]} in PostgreSQL, {one[1]} here" if len(one[1]) < 3 else "types"
    first, second = rounded(one[1], one[2]), rounded(two[1], two[2])
    if "ORDER BY" not in sql.rsplit(")", 1)[-1] or "WITH TIES" in sql:
        first.sort(key=repr)
        second.sort(key=repr)
    return "" if first == second else "rows"


def too_wide(answer: tuple) -> bool:
    """Whether PostgreSQL's answer has numerics of more than the 38 digits that Apus keeps."""
    return any(kind == 1700 and row[column] and len(re.sub(r"[-.]", "", row[column]).lstrip("0")) > 36
               for row in answer[2] for column, kind in enumerate(answer[1]))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("apus")
    parser.add_argument("postgres")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=2000, help="queries of each generator")
    parser.add_argument("--only", default="", help="generators, by comma")
    parser.add_argument("--show", type=int, default=2, help="examples of each difference")
    parser.add_argument("--quiet-errors", action="store_true", help="leave out answers that both refuse")
    parser.add_argument("--whole", action="store_true", help="print the rows of the table as well")
    options = parser.parse_args()
    apus, postgres = Engine(options.apus), Engine(options.postgres)
    for generator in GENERATORS:
        if options.only and generator.__name__ not in options.only.split(","):
            continue
        found: dict[tuple[str, str], list] = collections.defaultdict(list)
        compared = 0
        for label, sql in itertools.islice(generator(random.Random(options.seed)), options.count):
            expected = postgres.run(sql)
            answer = apus.run(sql)
            compared += 1
            difference = same(sql, answer, expected)
            if not difference or too_wide(expected):
                continue
            if options.quiet_errors and answer[0] and expected[0]:
                continue
            found[label, difference].append((sql, answer, expected))
        total = sum(map(len, found.values()))
        print(f"=== {generator.__name__}: {compared} compared, {total} differ in {len(found)} ways", flush=True)
        for (label, difference), cases in sorted(found.items(), key=lambda item: -len(item[1])):
            print(f"-- {label}: {difference} ({len(cases)})")
            for sql, answer, expected in sorted(cases, key=lambda case: (len(case[2][2]), len(case[0])))[: options.show]:
                print("   ", sql if options.whole else re.sub(r"WITH t\(.*\)\) SELECT", "WITH t SELECT", sql))
                print("      PostgreSQL", *expected[::2])
                print("      Apus      ", *answer[::2])
    raise SystemExit(0)


if __name__ == "__main__":
    main()
