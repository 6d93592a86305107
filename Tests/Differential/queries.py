"""Random tables and random queries over them, for two servers that should answer alike.

Everything comes from one random.Random, so that a seed gives the same queries on every machine. Expressions are typed:
each rule below makes an expression of one type out of smaller ones. Left out on purpose is what PostgreSQL itself does
not settle: sums of floats in an order, LIMIT without a total order, now(), random()."""
import random

TYPES = ["int", "bigint", "smallint", "numeric", "double", "text", "bool", "date", "timestamp", "interval"]
SQL_NAME = {"double": "double precision", "bool": "boolean", "int": "integer"}
# Stored numerics have a declared scale: one without it keeps no zeros at its end in Parquet (100.10 is read as 100.1).
STORED = {**SQL_NAME, "numeric": "numeric(14,4)"}
NUMBERS = ["smallint", "int", "bigint", "numeric", "double"]
COMPARABLE = TYPES

WORDS = ["", "a", "b", "abc", "ABC", "Abc ", " x", "10", "-3", "a_b", "a%b", "zoë", "日本", "it''s", "foo bar", "bar"]
DATES = ["2020-01-01", "2020-02-29", "1999-12-31", "2024-03-10", "1970-01-01", "2021-07-15"]
TIMES = ["00:00:00", "23:59:59.999999", "12:30:15.5", "06:00:00"]
SPANS = ["1 day", "2 hours", "1 mon", "-3 days", "1 year 2 mons", "00:00:01.5", "0"]


def literal(rng, kind):
    """A literal of a type, typed by its context or a cast."""
    if kind == "smallint":
        return f"{rng.choice([0, 1, 2, 3, 7, -1, 100, 32767])}::smallint"
    if kind == "int":
        n = rng.choice([0, 1, 2, 3, 5, 10, 17, -1, -4, 1000, 2147483647])
        return str(n) if n >= 0 else f"({n})"
    if kind == "bigint":
        return f"{rng.choice([0, 1, 2, 12, 99, 5000000000, 9223372036854775807])}::bigint"
    if kind == "numeric":
        return rng.choice(["0.0", "1.5", "2.25", "100.10", "0.001", "12345.678", "(-7.5)", "1e3", "3.0"])
    if kind == "double":
        return rng.choice(["0", "1.5", "-2.25", "1e10", "0.1", "NaN", "Infinity"]).join(["'", "'::double precision"])
    if kind == "text":
        return f"'{rng.choice(WORDS)}'"
    if kind == "bool":
        return rng.choice(["true", "false", "NULL::boolean"])
    if kind == "date":
        return f"date '{rng.choice(DATES)}'"
    if kind == "timestamp":
        return f"timestamp '{rng.choice(DATES)} {rng.choice(TIMES)}'"
    return f"interval '{rng.choice(SPANS)}'"


class Tables:
    """The tables of a run: columns of every type with few values, so that joins and groups meet; NULLs everywhere."""

    def __init__(self, rng, count=4):
        self.tables = []
        for number in range(count):
            columns = [("k", "int")]
            for index in range(rng.randint(4, 8)):
                columns.append((f"c{index}", rng.choice(TYPES)))
            rows = []
            for key in range(rng.choice([0, 1, 7, 23, 60])):
                row = [str(key) if rng.random() > 0.05 else "NULL"]
                for _, kind in columns[1:]:
                    row.append("NULL" if rng.random() < 0.15 else literal(rng, kind))
                rows.append(row)
            self.tables.append((f"t{number}", columns, rows))

    def statements(self):
        for name, columns, rows in self.tables:
            listed = ", ".join(f"{c} {STORED.get(t, t)}" for c, t in columns)
            yield f"DROP TABLE IF EXISTS {name}"
            yield f"CREATE TABLE {name} ({listed})"
            if rows:
                yield f"INSERT INTO {name} VALUES " + ", ".join(f"({', '.join(r)})" for r in rows)


class Queries:
    """Makes queries over tables. A scope is a list of (expression, type) that may be named."""

    def __init__(self, rng, tables):
        self.rng = rng
        self.tables = tables
        self.names = 0

    def fresh(self, prefix="q"):
        self.names += 1
        return f"{prefix}{self.names}"

    # Expressions

    def expr(self, kind, scope, depth):
        rng = self.rng
        named = [e for e, t in scope if t == kind]
        if depth <= 0 or rng.random() < 0.25:
            if named and rng.random() < 0.8:
                return rng.choice(named)
            return literal(rng, kind)
        if rng.random() < 0.12:
            return self.general(kind, scope, depth)
        return getattr(self, "make_" + kind)(scope, depth - 1)

    def general(self, kind, scope, depth):
        """Forms that every type has."""
        rng, d = self.rng, depth - 1
        form = rng.randrange(7)
        if form == 0:
            parts = "".join(
                f" WHEN {self.expr('bool', scope, d)} THEN {self.expr(kind, scope, d)}" for _ in range(rng.randint(1, 2)))
            return f"CASE{parts} ELSE {self.expr(kind, scope, d)} END"
        if form == 1:
            return f"coalesce({self.expr(kind, scope, d)}, {self.expr(kind, scope, d)})"
        if form == 2:
            return f"nullif({self.expr(kind, scope, d)}, {self.expr(kind, scope, d)})"
        if form == 3 and kind != "bool":
            return f"{rng.choice(['greatest', 'least'])}({self.expr(kind, scope, d)}, {self.expr(kind, scope, d)})"
        if form == 4:
            return f"({self.scalar_query(kind, scope, d)})"
        if form == 5:
            test = rng.choice(TYPES)
            return (f"CASE {self.expr(test, scope, d)} WHEN {self.expr(test, scope, 0)} THEN {self.expr(kind, scope, d)}"
                    f" WHEN {self.expr(test, scope, 0)} THEN {self.expr(kind, scope, d)} END")
        return f"NULL::{SQL_NAME.get(kind, kind)}"

    def arithmetic(self, kind, scope, d):
        rng = self.rng
        a, b = self.expr(kind, scope, d), self.expr(kind, scope, d)
        op = rng.choice(["+", "-", "*", "/", "%"])
        if op == "%" and kind == "double":
            op = "+"
        if op in "/%" and rng.random() < 0.9:
            b = f"nullif({b}, 0)"
        return f"({a} {op} {b})"

    def make_smallint(self, scope, d):
        rng = self.rng
        return rng.choice([
            lambda: f"({self.expr('smallint', scope, d)} / 2::smallint)",
            lambda: f"({self.expr('int', scope, d)} % 100)::smallint",
            lambda: f"abs({self.expr('smallint', scope, d)})",
        ])()

    def make_int(self, scope, d):
        rng = self.rng
        return rng.choice([
            lambda: self.arithmetic("int", scope, d),
            lambda: f"length({self.expr('text', scope, d)})",
            lambda: f"({self.expr('date', scope, d)} - {self.expr('date', scope, d)})",
            lambda: f"({self.expr('smallint', scope, d)} + {self.expr('int', scope, d)})",
            lambda: f"position({self.expr('text', scope, d)} IN {self.expr('text', scope, d)})",
            lambda: f"sign({self.expr('int', scope, d)})::int",
            lambda: f"(- {self.expr('int', scope, d)})",
            lambda: f"({self.expr('int', scope, d)} {rng.choice('&|#')} {self.expr('int', scope, d)})",
            lambda: f"mod({self.expr('int', scope, d)}, {rng.choice([2, 3, 7])})",
            lambda: f"{self.expr('bool', scope, d)}::int",
            lambda: f"extract({rng.choice(['year', 'month', 'day', 'dow', 'doy', 'week'])} FROM "
                    f"{self.expr('date', scope, d)})::int",
            lambda: f"ascii({self.expr('text', scope, d)})",
        ])()

    def make_bigint(self, scope, d):
        rng = self.rng
        return rng.choice([
            lambda: self.arithmetic("bigint", scope, d),
            lambda: f"({self.expr('int', scope, d)}::bigint * 3)",
            lambda: f"({self.expr('bigint', scope, d)} - {self.expr('int', scope, d)})",
            lambda: f"abs({self.expr('bigint', scope, d)})",
            lambda: f"(SELECT count({rng.choice(['*', 'k'])}) FROM t{rng.randrange(len(self.tables.tables))})",
        ])()

    def make_numeric(self, scope, d):
        rng = self.rng
        return rng.choice([
            lambda: self.arithmetic("numeric", scope, d),
            lambda: f"round({self.expr('numeric', scope, d)}, {rng.randint(-1, 4)})",
            lambda: f"trunc({self.expr('numeric', scope, d)}, {rng.randint(0, 2)})",
            lambda: f"{rng.choice(['floor', 'ceil', 'abs', 'sign', 'round'])}({self.expr('numeric', scope, d)})",
            lambda: f"({self.expr('int', scope, d)} * {self.expr('numeric', scope, d)})",
            lambda: f"{self.expr('int', scope, d)}::numeric(12,2)",
            lambda: f"extract({rng.choice(['hour', 'second', 'epoch', 'quarter'])} FROM "
                    f"{self.expr('timestamp', scope, d)})",
        ])()

    def make_double(self, scope, d):
        rng = self.rng
        return rng.choice([
            lambda: self.arithmetic("double", scope, d),
            lambda: f"{self.expr('int', scope, d)}::double precision",
            lambda: f"abs({self.expr('double', scope, d)})",
            lambda: f"sqrt(abs({self.expr('double', scope, d)}))",
            lambda: f"{rng.choice(['floor', 'ceil', 'trunc', 'round', 'sign'])}({self.expr('double', scope, d)})",
            lambda: f"({self.expr('double', scope, d)} * {self.expr('int', scope, d)})",
        ])()

    def make_text(self, scope, d):
        rng = self.rng
        some = rng.choice([t for t in TYPES if t != "double"])
        return rng.choice([
            lambda: f"({self.expr('text', scope, d)} || {self.expr('text', scope, d)})",
            lambda: f"{rng.choice(['upper', 'lower', 'trim', 'ltrim', 'rtrim', 'reverse', 'initcap'])}"
                    f"({self.expr('text', scope, d)})",
            lambda: f"substr({self.expr('text', scope, d)}, {rng.randint(-1, 3)}, {rng.randint(0, 3)})",
            lambda: f"{rng.choice(['left', 'right'])}({self.expr('text', scope, d)}, {rng.randint(-2, 3)})",
            lambda: f"replace({self.expr('text', scope, d)}, 'a', {self.expr('text', scope, 0)})",
            lambda: f"({self.expr(some, scope, d)})::text",
            lambda: f"concat({self.expr(some, scope, d)}, {self.expr('text', scope, d)})",
            lambda: f"{rng.choice(['lpad', 'rpad'])}({self.expr('text', scope, d)}, {rng.randint(0, 6)}, 'xy')",
            lambda: f"split_part({self.expr('text', scope, d)}, ' ', {rng.choice([1, 2, -1])})",
            lambda: f"to_char({self.expr('timestamp', scope, d)}, '{rng.choice(['YYYY-MM-DD', 'HH24:MI', 'Mon DD', 'Q'])}')",
            lambda: f"regexp_replace({self.expr('text', scope, d)}, '[a-c]+', '<\\&>'{rng.choice(['', chr(44) + chr(39) + 'g' + chr(39)])})",
            lambda: f"concat_ws('-', {self.expr('text', scope, d)}, {self.expr('int', scope, d)})",
            lambda: f"md5({self.expr('text', scope, d)})",
            lambda: f"repeat({self.expr('text', scope, 0)}, {rng.randint(-1, 3)})",
            lambda: f"translate({self.expr('text', scope, d)}, 'abx', 'A')",
        ])()

    def make_bool(self, scope, d):
        rng = self.rng
        kind = rng.choice(COMPARABLE)
        compare = rng.choice(["=", "<>", "<", "<=", ">", ">="])
        return rng.choice([
            lambda: f"({self.expr(kind, scope, d)} {compare} {self.expr(kind, scope, d)})",
            lambda: f"({self.expr(kind, scope, d)} {compare} {self.expr(kind, scope, d)})",
            lambda: f"({self.expr('int', scope, d)} {compare} {self.expr(rng.choice(NUMBERS), scope, d)})",
            lambda: f"({self.expr('date', scope, d)} {compare} {self.expr('timestamp', scope, d)})",
            lambda: f"({self.expr('bool', scope, d)} {rng.choice(['AND', 'OR'])} {self.expr('bool', scope, d)})",
            lambda: f"(NOT {self.expr('bool', scope, d)})",
            lambda: f"({self.expr(kind, scope, d)} IS {rng.choice(['', 'NOT '])}NULL)",
            lambda: f"({self.expr('bool', scope, d)} IS {rng.choice(['', 'NOT '])}{rng.choice(['TRUE', 'FALSE', 'UNKNOWN'])})",
            lambda: f"({self.expr(kind, scope, d)} IS {rng.choice(['', 'NOT '])}DISTINCT FROM {self.expr(kind, scope, d)})",
            lambda: f"({self.expr(kind, scope, d)} {rng.choice(['', 'NOT '])}BETWEEN {self.expr(kind, scope, 0)} AND "
                    f"{self.expr(kind, scope, 0)})",
            lambda: f"({self.expr(kind, scope, d)} {rng.choice(['', 'NOT '])}IN ("
                    + ", ".join(self.expr(kind, scope, 0) for _ in range(rng.randint(1, 3))) + "))",
            lambda: f"({self.expr('text', scope, d)} {rng.choice(['', 'NOT '])}{rng.choice(['LIKE', 'ILIKE'])} "
                    f"'{rng.choice(['%a%', 'a_%', '%', '_', 'A%c', chr(92) + '%', '%b'])}')",
            lambda: f"({self.expr('text', scope, d)} {rng.choice(['~', '!~', '~*'])} '{rng.choice(['^a', 'b$', '[0-9]', 'a|b', '.'])}')",
            lambda: f"({self.expr(kind, scope, d)} {compare} {rng.choice(['ANY', 'ALL'])} "
                    f"(ARRAY[{self.expr(kind, scope, 0)}, {self.expr(kind, scope, 0)}]))",
            lambda: f"({rng.choice(['', 'NOT '])}EXISTS ({self.one_column(rng.choice(TYPES), scope, d)}))",
            lambda: f"({self.expr(kind, scope, 0)} {rng.choice(['', 'NOT '])}IN ({self.one_column(kind, scope, d)}))",
            lambda: f"({self.expr(kind, scope, 0)} {compare} {rng.choice(['ANY', 'ALL'])} ({self.one_column(kind, scope, d)}))",
            lambda: f"(({self.expr(kind, scope, 0)}, {self.expr('int', scope, 0)}) {compare} "
                    f"({self.expr(kind, scope, 0)}, {self.expr('int', scope, 0)}))",
            lambda: f"starts_with({self.expr('text', scope, d)}, 'a')",
        ])()

    def make_date(self, scope, d):
        rng = self.rng
        return rng.choice([
            lambda: f"({self.expr('date', scope, d)} {rng.choice('+-')} {rng.choice([0, 1, 31, 365])})",
            lambda: f"({self.expr('timestamp', scope, d)})::date",
            lambda: f"make_date({rng.choice([1999, 2020, 2024])}, {rng.randint(1, 12)}, {rng.randint(1, 28)})",
        ])()

    def make_timestamp(self, scope, d):
        rng = self.rng
        unit = rng.choice(["year", "month", "day", "hour", "week", "quarter"])
        return rng.choice([
            lambda: f"({self.expr('timestamp', scope, d)} {rng.choice('+-')} {self.expr('interval', scope, 0)})",
            lambda: f"({self.expr('date', scope, d)} {rng.choice('+-')} {self.expr('interval', scope, 0)})",
            lambda: f"date_trunc('{unit}', {self.expr('timestamp', scope, d)})",
            lambda: f"({self.expr('date', scope, d)})::timestamp",
        ])()

    def make_interval(self, scope, d):
        rng = self.rng
        return rng.choice([
            lambda: f"({self.expr('timestamp', scope, d)} - {self.expr('timestamp', scope, d)})",
            lambda: f"({self.expr('interval', scope, d)} {rng.choice('+-')} {self.expr('interval', scope, d)})",
            lambda: f"({self.expr('interval', scope, d)} * {rng.choice(['2', '0.5', '-1'])})",
            lambda: f"age({self.expr('timestamp', scope, d)}, {self.expr('timestamp', scope, d)})",
            lambda: f"justify_hours({self.expr('interval', scope, d)})",
        ])()

    # Subqueries within expressions

    def one_column(self, kind, outer, depth):
        """A query of one column of a type, which may look at the scope around it."""
        source, scope = self.source(1, [], 0)
        where = f" WHERE {self.expr('bool', scope + outer, min(depth, 1))}" if self.rng.random() < 0.7 else ""
        return f"SELECT {self.expr(kind, scope, min(depth, 1))} FROM {source}{where}"

    def scalar_query(self, kind, outer, depth):
        source, scope = self.source(1, [], 0)
        where = f" WHERE {self.expr('bool', scope + outer, min(depth, 1))}" if self.rng.random() < 0.8 else ""
        if kind in ("bool",):
            call = f"{self.rng.choice(['bool_and', 'bool_or'])}({self.expr(kind, scope, 1)})"
        else:
            call = f"{self.rng.choice(['min', 'max'])}({self.expr(kind, scope, 1)})"
        return f"SELECT {call} FROM {source}{where}"

    # FROM

    def source(self, joins, outer, depth):
        """A FROM clause without the word, and its scope."""
        rng = self.rng
        text, scope = self.item(depth)
        for _ in range(joins - 1):
            right, more = self.item(depth)
            how = rng.choice(["JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN", "CROSS JOIN", "LEFT JOIN", "JOIN"])
            if how == "CROSS JOIN":
                text = f"{text} CROSS JOIN {right}"
            else:
                text = f"{text} {how} {right} ON {self.join_condition(scope, more, how)}"
            scope = scope + more
        if depth > 0 and rng.random() < 0.1:
            name = self.fresh("l")
            kind = rng.choice(TYPES)
            inner = self.one_column(kind, scope, 1)
            limit = " ORDER BY 1 LIMIT 2" if rng.random() < 0.4 else ""
            if "FULL JOIN" not in text and "RIGHT JOIN" not in text:
                text = f"{text} CROSS JOIN LATERAL ({inner}{limit}) {name}(v)"
                scope = scope + [(f"{name}.v", kind)]
        return text, scope

    def join_condition(self, left, right, how):
        rng = self.rng
        pairs = [(a, b) for a, t in left for b, u in right if t == u]
        conditions = []
        if pairs and (rng.random() < 0.9 or how == "FULL JOIN"):
            a, b = rng.choice(pairs)
            conditions.append(f"{a} = {b}")
        if not conditions or (rng.random() < 0.3 and how != "FULL JOIN"):
            conditions.append("true" if how == "FULL JOIN" else self.expr("bool", left + right, 1))
        return " AND ".join(conditions)

    def item(self, depth):
        rng = self.rng
        name = self.fresh("r")
        if depth > 0 and rng.random() < 0.3:
            inner, columns = self.query(depth - 1, top=False)
            names = [f"x{i}" for i in range(len(columns))]
            return f"({inner}) {name}({', '.join(names)})", [(f"{name}.{n}", t) for n, t in zip(names, columns)]
        if depth > 0 and rng.random() < 0.06:
            return f"generate_series(1, {rng.randint(0, 5)}) {name}(g)", [(f"{name}.g", "int")]
        if depth > 0 and rng.random() < 0.06:
            kinds = [rng.choice(TYPES) for _ in range(2)]
            rows = ", ".join(f"({literal(rng, kinds[0])}, {literal(rng, kinds[1])})" for _ in range(rng.randint(1, 3)))
            return f"(VALUES {rows}) {name}(a, b)", [(f"{name}.a", kinds[0]), (f"{name}.b", kinds[1])]
        table, columns, _ = rng.choice(self.tables.tables)
        return f"{table} {name}", [(f"{name}.{c}", t) for c, t in columns]

    # Queries

    def query(self, depth, top=True):
        """A query and the types of its columns; ordered by all of them when it has a limit."""
        rng = self.rng
        if depth > 0 and rng.random() < 0.12:
            return self.set_operation(depth)
        if depth > 0 and rng.random() < 0.1:
            name = self.fresh("w")
            inner, kinds = self.query(depth - 1, top=False)
            names = [f"x{i}" for i in range(len(kinds))]
            scope = [(f"{name}.{n}", t) for n, t in zip(names, kinds)]
            other = f", {name} {name}b" if rng.random() < 0.3 else ""
            body, columns = self.select(scope, f"{name}{other}", depth)
            hint = rng.choice(["", "MATERIALIZED ", "NOT MATERIALIZED "])
            return f"WITH {name}({', '.join(names)}) AS {hint}({inner}) {body}", columns
        source, scope = self.source(rng.choice([1, 1, 2, 2, 3]), [], depth)
        return self.select(scope, source, depth)

    def set_operation(self, depth):
        rng = self.rng
        kinds = [rng.choice(TYPES) for _ in range(rng.randint(1, 3))]
        parts = []
        for _ in range(rng.choice([2, 2, 3])):
            source, scope = self.source(rng.choice([1, 2]), [], depth - 1)
            where = f" WHERE {self.expr('bool', scope, 2)}" if rng.random() < 0.5 else ""
            parts.append(f"(SELECT {', '.join(self.expr(k, scope, 1) for k in kinds)} FROM {source}{where})")
        text = parts[0]
        for part in parts[1:]:
            text += f" {rng.choice(['UNION', 'UNION ALL', 'INTERSECT', 'EXCEPT', 'INTERSECT ALL', 'EXCEPT ALL'])} {part}"
        return text + self.ending(kinds), kinds

    def ending(self, kinds):
        rng = self.rng
        if rng.random() < 0.4:
            # Text is ordered by bytes on both sides; doubles that are equal may differ in sign of zero only.
            order = ", ".join(
                f"{i + 1}{rng.choice(['', ' DESC', ' NULLS FIRST', ' DESC NULLS LAST'])}" for i in range(len(kinds)))
            limit = f" LIMIT {rng.randint(0, 20)}" if rng.random() < 0.6 else ""
            offset = f" OFFSET {rng.randint(0, 5)}" if rng.random() < 0.2 else ""
            return f" ORDER BY {order}{limit}{offset}"
        return ""

    def select(self, scope, source, depth):
        rng = self.rng
        where = f" WHERE {self.expr('bool', scope, 3)}" if rng.random() < 0.6 else ""
        form = rng.random()
        if form < 0.35:
            return self.grouped(scope, source, where)
        kinds = [rng.choice(TYPES) for _ in range(rng.randint(1, 4))]
        if form < 0.5:
            outputs, kinds = self.windows(scope, kinds)
        else:
            outputs = [self.expr(k, scope, 2) for k in kinds]
        distinct = "DISTINCT " if rng.random() < 0.15 else ""
        return f"SELECT {distinct}{', '.join(outputs)} FROM {source}{where}{self.ending(kinds)}", kinds

    def windows(self, scope, kinds):
        """Window calls whose result does not depend on the order of peers."""
        rng = self.rng
        outputs, result = [], []
        for kind in kinds:
            over = []
            if rng.random() < 0.6:
                over.append(f"PARTITION BY {self.expr(rng.choice(TYPES), scope, 1)}")
            order = self.expr(rng.choice(TYPES), scope, 1)
            ordered = rng.random() < 0.7
            if ordered:
                over.append(f"ORDER BY {order}{rng.choice(['', ' DESC', ' NULLS FIRST'])}")
            choice = rng.randrange(6)
            if choice == 0 and ordered:
                call, made = f"{rng.choice(['rank', 'dense_rank'])}()", "bigint"
            elif choice == 1:
                call, made = f"count({rng.choice(['*', self.expr(kind, scope, 1)])})", "bigint"
            elif choice == 2:
                call, made = f"sum({self.expr('int', scope, 1)})", "bigint"
            elif choice == 3 and kind != "bool":
                call, made = f"{rng.choice(['min', 'max'])}({self.expr(kind, scope, 1)})", kind
            elif choice == 4 and ordered:
                # PostgreSQL has no first_value of a literal without a type.
                call, made = f"{rng.choice(['first_value', 'last_value'])}(({order}){'::text' if order[0] == chr(39) else ''})", None
            else:
                call, made = "count(*)", "bigint"
            frame = ""
            if ordered and "rank" not in call and made is not None and rng.random() < 0.3:
                start = rng.choice(["UNBOUNDED PRECEDING", "CURRENT ROW"])
                frame = f" RANGE BETWEEN {start} AND {rng.choice(['CURRENT ROW', 'UNBOUNDED FOLLOWING'])}"
            if made is None:
                # Its type is that of the ordering expression, which is compared as a text.
                call, made = call.replace("(", "(", 1), "text"
                outputs.append(f"({call} OVER ({' '.join(over)}))::text")
            else:
                outputs.append(f"{call} OVER ({' '.join(over)}{frame})")
            result.append(made)
        return outputs, result

    def aggregate(self, scope):
        rng = self.rng
        kind = rng.choice([t for t in TYPES if t != "bool"])
        distinct = rng.choice(["", "", "DISTINCT "])
        call, made = rng.choice([
            lambda: ("count(*)", "bigint"),
            lambda: (f"count({distinct}{self.expr(rng.choice(TYPES), scope, 1)})", "bigint"),
            lambda: (f"sum({distinct}{self.expr('int', scope, 1)})", "bigint"),
            lambda: (f"sum({distinct}{self.expr(rng.choice(['numeric', 'bigint']), scope, 1)})", "numeric"),
            lambda: (f"avg({self.expr(rng.choice(['int', 'numeric', 'bigint']), scope, 1)})", "numeric"),
            lambda: (f"{rng.choice(['min', 'max'])}({self.expr(kind, scope, 1)})", kind),
            lambda: (f"{rng.choice(['bool_and', 'bool_or', 'every'])}({self.expr('bool', scope, 1)})", "bool"),
            lambda: self.string_agg(scope),
            lambda: (f"bit_{rng.choice(['and', 'or'])}({self.expr('int', scope, 1)})", "int"),
            lambda: (f"sum({self.expr('interval', scope, 1)})", "interval"),
        ])()
        if rng.random() < 0.2:
            call += f" FILTER (WHERE {self.expr('bool', scope, 1)})"
        return call, made

    def string_agg(self, scope):
        value = self.expr("text", scope, 1)
        return f"string_agg({value}, ',' ORDER BY {value})", "text"

    def grouped(self, scope, source, where):
        rng = self.rng
        keys = []
        for _ in range(rng.randint(0, 2)):
            kind = rng.choice(TYPES)
            named = [e for e, t in scope if t == kind]
            # A constant would be read as a column's number, or be refused.
            if named:
                keys.append((rng.choice(named), kind))
        keys = list(dict.fromkeys(keys))
        calls = [self.aggregate(scope) for _ in range(rng.randint(1, 3))]
        outputs = [k for k, _ in keys] + [c for c, _ in calls]
        kinds = [t for _, t in keys] + [t for _, t in calls]
        by = ""
        if keys:
            listed = ", ".join(k for k, _ in keys)
            by = " GROUP BY " + rng.choice([listed, listed, listed, f"ROLLUP ({listed})", f"CUBE ({listed})"])
        having = f" HAVING {self.expr('bool', calls + keys, 1)}" if rng.random() < 0.2 else ""
        return f"SELECT {', '.join(outputs)} FROM {source}{where}{by}{having}{self.ending(kinds)}", kinds
