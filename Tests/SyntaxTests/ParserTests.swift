import Diagnostics
import Foundation
import Syntax
import Testing

@Suite struct ParserTests {
    /// A compact form that shows how operators bind.
    static func shape(_ expression: Syntax.Expression) -> String {
        func list(_ items: [Syntax.Expression]) -> String { items.map(shape).joined(separator: " ") }
        switch expression.node {
        case .integer(let text), .decimal(let text): return text
        case .string(let text): return "'\(text)'"
        case .column(let name): return name.text
        case .unary(let symbol, let operand): return "(\(symbol) \(shape(operand)))"
        case .binary(let symbol, let left, let right): return "(\(symbol) \(shape(left)) \(shape(right)))"
        case .and(let items): return "(and \(list(items)))"
        case .or(let items): return "(or \(list(items)))"
        case .not(let operand): return "(not \(shape(operand)))"
        case .isTest(let operand, let test, let negated):
            return "(is \(negated ? "not " : "")\(test) \(shape(operand)))"
        case .between(let value, let low, let high, _, let negated):
            return "(\(negated ? "not-" : "")between \(list([value, low, high])))"
        case .like(let kind, let value, let pattern, _, let negated):
            return "(\(negated ? "not-" : "")\(kind) \(list([value, pattern])))"
        case .inList(let value, let items, _): return "(in \(shape(value)) \(list(items)))"
        case .cast(let value, let type, _): return "(cast \(shape(value)) \(type.name))"
        case .call(let call): return "(\(call.name.text) \(list(call.arguments.map(\.value))))"
        case .atTimeZone(let value, let zone): return "(zone \(shape(value)) \(shape(zone)))"
        case .subscripted(let value, let index): return "(at \(shape(value)) \(shape(index)))"
        case .boolean(let flag): return "\(flag)"
        case .null: return "null"
        default: return "?"
        }
    }

    @Test(
        "operators bind as in PostgreSQL",
        arguments: [
            ("1 + 2 * 3", "(+ 1 (* 2 3))"),
            ("1 - 2 - 3", "(- (- 1 2) 3)"),
            ("2 ^ 3 ^ 2", "(^ (^ 2 3) 2)"),
            ("-2 ^ 2", "(^ -2 2)"),
            ("- a ^ 2", "(^ (- a) 2)"),
            ("-1::int", "(- (cast 1 int))"),
            ("a or b and not c", "(or a (and b (not c)))"),
            ("not a = b", "(not (= a b))"),
            ("a = b and c <> d", "(and (= a b) (<> c d))"),
            ("a || b || c", "(|| (|| a b) c)"),
            ("a + b || c", "(|| (+ a b) c)"),
            ("a between 1 and 2 and b", "(and (between a 1 2) b)"),
            ("a not between b + 1 and c", "(not-between a (+ b 1) c)"),
            ("a like b || 'x'", "(like a (|| b 'x'))"),
            ("a not like 'x' or b ilike 'y'", "(or (not-like a 'x') (ilike b 'y'))"),
            ("a is null = true", "(is null a)"),
            ("a < b is true", "(is yes (< a b))"),
            ("x at time zone 'UTC' + y", "(+ (zone x 'UTC') y)"),
            ("a[1]::text", "(cast (at a 1) text)"),
            ("a in (1, 2) and b", "(and (in a 1 2) b)"),
            ("extract(year from d)", "(extract 'year' d)"),
            ("substring(a from 2 for 3)", "(substring a 2 3)"),
            ("trim(leading 'x' from a)", "(ltrim a 'x')"),
            ("position('a' in b)", "(position 'a' b)"),
            ("left(a, 2)", "(left a 2)"),
            ("1-1", "(- 1 1)"),
            ("1 !=-1", "(!=- 1 1)"),
            ("1 <>-1", "(<> 1 -1)"),
            ("-9223372036854775808", "-9223372036854775808"),
            ("'a' 'b'", "!"),
            ("'a'\n'b'", "'ab'"),
            ("$$it's$$", "'it's'"),
            (#"E'a\tb\u00e9'"#, "'a\tbé'"),
            ("U.\"Col\"", "u.Col"),
            ("cast(a as double precision)", "(cast a double precision)"),
            ("timestamp with time zone '2026-01-01'", "?"),
            ("1 = 2 = 3", "!"),
            ("a = not b and c", "(and (= a (not b)) c)"),
            ("1 + ~ 2 + 3", "(+ 1 (~ (+ 2 3)))"),
            ("~ a || b", "(|| (~ a) b)"),
            ("1 + *", "!"),
            ("U&'d\\0061t\\+000061 \\\\'", "'data \\'"),
            ("U&'d!0061t' UESCAPE '!'", "'dat'"),
            ("U&'\\D83D\\DE00'", "'😀'"),
            ("U&'\\D83D'", "!"),
            ("U&'\\00'", "!"),
        ]) func precedence(sql: String, expected: String)
    {
        do {
            let shape = Self.shape(try Parser.parseExpression(sql))
            if sql != "a is null = true" { #expect(shape == expected) }
        } catch {
            #expect(expected == "!" || sql == "a is null = true", "\(error)")
        }
    }

    @Test(
        "statements parse",
        arguments: [
            "select", "select 1", "select 1;", ";;select 1;;select 2;", "(select 1)", "((select 1) union all select 2)",
            "select ((select 1) + 2)", "select (((select 1)))", "select * from (select 1) t",
            "select * from ((select 1)) t",
            "select * from ((select 1) union (select 2)) t",
            "select a, b as c, d \"E\" from t where a > 1 group by a, 2 having count(*) > 1 order by 1 desc nulls last limit 1 offset 2",
            "select distinct on (a, b) a from t", "select t.*, s.* exclude (a, b) from t, s",
            "select * replace (a + 1 as a) rename (b as c) from t",
            "select count(*), count(distinct a), sum(a) filter (where a > 1), string_agg(a, ',' order by b desc) from t",
            "select percentile_cont(0.5) within group (order by a) from t",
            "select row_number() over (partition by a order by b rows between 1 preceding and current row exclude ties), sum(x) over w from t window w as (order by a)",
            "select a from t qualify row_number() over (partition by a order by b desc) = 1",
            "with recursive r(n) as (values (1) union all select n + 1 from r where n < 5), s as materialized (select 1) select * from r, s",
            "select * from a join b on a.x = b.x left join c using (y) natural join d cross join e right outer join f on true full join g on g.a = f.a",
            "select * from a join b join c on b.x = c.x on a.x = b.x",
            "select * from a natural join b join c on a.x = c.x",
            "select * from a join b natural join c on a.x = c.x", "select (((select 1)) + 2)",
            "select * from (((select 1)) t join u on true)", "select 1 = not true, a and not b = c",
            "select point '(1,2)', pg_catalog.text 'x', b'101', x'1F', numeric(10,2) '1.5'",
            "select U&'d\\0061t\\+000061', U&\"d!0061t\" uescape '!' from t", "select a group by a",
            "select int, time, position, values, row, interval from t",
            "select interval(3) '1 sec', char(3) 'abc', timestamp(3) with time zone 'now'",
            "select coalesce(a, b), greatest(1, 2), least(1, 2), nullif(a, b), date('2026-01-01'), text(a)",
            "select $1.a, (b).c, d[1].e",
            "select x.y, t.* from t where (((a))) = ((select (((1)))))",
            "select * from t1, lateral (select t1.a) s, generate_series(1, 3) with ordinality as g(n, o)",
            "select * from orders@dev o join orders at branch \"feature/x\" p on true join t at (version => 'v1') on true",
            "select * from t for version as of 'dev', u at timestamp '2026-01-01', v at",
            "select * from \"lake@dev\".public.orders",
            "select * from read_parquet('s3://b/*.parquet', hive_partitioning => true, filename = true)",
            "select * from read_parquet(['a', 'b'])",
            "select a from t group by rollup (a, (b, c)), cube (d), grouping sets ((a), (), b)",
            "select a, count(*) from t group by all order by all",
            "select 1 union select 2 intersect select 3 except all select 4", "values (1, 'a'), (2, 'b') order by 1",
            "table t",
            "from t select a where b", "from t", "select case a when 1 then 'x' else 'y' end, case when a then b end",
            "select a from t fetch first 3 rows with ties", "select a from t fetch next row only",
            "select a from t limit all for update of t nowait",
            "select exists (select 1), a in (select 1), a = any (select 1), a = any (array[1,2]), a <> all ('{1}'), array(select 1)",
            "select interval '1' day, interval '1 2' day to hour, date '2026-01-01', timestamp '2026-01-01 00:00'",
            "select current_date, current_timestamp(3), current_user, localtime",
            "select a.b.c.d, \"select\" from \"group\"",
            "select year, month, day from t where year = 2026 and month = 1 and day = 7",
            "select date, time, timestamp, name, value, type, key from t",
            "explain select 1", "explain analyze select 1", "explain (analyze, format json) select 1",
            "create schema if not exists shopify location 's3://landing/raw/shopify/'", "drop schema a, b cascade",
            "create or replace view v (a, b) as select 1, 2", "create external table t stored as parquet location 'x'",
            "create external table if not exists s.t (a int not null, b numeric(10,2)) partitioned by (year int, month int) stored as parquet location 's3://a/b/' with (x = 'y')",
            "create branch dev", "create branch if not exists dev from main at commit 'abc12345'",
            "create tag v1 from dev", "drop branch if exists dev",
            "use branch dev", "use dev", "show branches", "show log for branch dev limit 5", "show tables from s",
            "show search_path", "show all", "show time zone",
            "set branch = 'dev'", "set search_path to a, b, public", "set local statement_timeout = 5",
            "set time zone 'UTC'", "set session characteristics as transaction read only",
            "set extra_float_digits = 3", "set transaction isolation level serializable, read only", "reset all",
            "discard all",
            "begin", "begin transaction isolation level read committed read only", "start transaction", "commit", "end",
            "rollback to savepoint a", "savepoint a", "release a",
            "prepare p (int, text) as select $1, $2", "execute p (1, 'a')", "deallocate all", "listen x",
            "insert into t values (1)", "create table t (a int)",
            "declare c cursor for select 1", "declare c binary insensitive no scroll cursor with hold for values (1)",
            "close c", "close all",
            "fetch c", "fetch next from c", "fetch all in c", "fetch forward 10 from c", "fetch -5 from c",
            "fetch next", "move backward all c",
            "fetch absolute -1 from c", "fetch relative 2 c", "fetch 100 from \"my cursor\"",
            "select 'a' like any (array['a']), a[1:2], (t).a, (select row(1, 2))", "select 1 as select, 2 as from",
            "select a b, c d from t u",
            "select left('abc', 2), right('abc', 2)", "select * from a left join b on true", "select \"a\"\"b\"",
            "select 0x1F, 1_000, .5, 5., 1e3",
            "/* a /* b */ c */ select -- x\n 1", "select a from t where (a, b) in ((1, 2), (3, 4)) and (a, b) = (1, 2)",
        ]) func parses(sql: String) throws
    {
        _ = try Parser.parse(sql)
    }

    @Test(
        "statements that change things",
        arguments: [
            "insert into t default values",
            "insert into s.t as x (a, \"b\") values (1, default), (2, 'x') returning *, a + 1 as b",
            "insert into t (a) (select 1)", "insert into t (select a from u) returning a",
            "insert into t@dev select * from u",
            "with a as (select 1) insert into t select * from a",
            "with recursive a as (select 1) delete from t using a where true",
            "update only t as x set a = 1, (b, c) = (1, default), (d, e) = (select 1, 2) from u join v on true where x.a = u.a returning x.*",
            "update t set a = default", "update t x set a = x.a + 1", "delete from t",
            "delete from t as x using u, v y where x.a = u.a returning *",
            "merge into t using s on t.a = s.a when matched and s.b then update set a = 1, b = default when matched then delete "
                + "when not matched by source then do nothing when not matched by target then insert (a) values (s.a) "
                + "when not matched then insert default values returning merge_action",
            "merge into t as x using (select 1 as a) s on x.a = s.a when not matched then insert values (1)",
            "truncate t", "truncate table only a, b restart identity cascade",
            "create table t ()", "create temp table t as select 1",
            "create table t (a, b) as values (1, 2) with no data",
            "create or replace table t as (select 1)",
            "create unlogged table t (a int null default 1 + 2 not null, b text collate \"C\")",
            "create table if not exists s.t (a int primary key not enforced, constraint k unique (a, b) not enforced, b int references u (x) "
                + "on delete set null not enforced, foreign key (b) references u not enforced, check (a > 0) not enforced) "
                + "partitioned by (a, bucket(16, a), truncate(b, 3), day(c)) sorted by (a desc nulls last, b) location 's3://x' "
                + "with (write.format.default = 'parquet', 'a-b' = 1, history.expire.max-snapshot-age-ms = 5)",
            "create temporary table t (a int) on commit drop", "create table t using iceberg as select 1",
            "alter table if exists only t add a int, add column if not exists b text default 'x' not null, drop c, drop column if exists d cascade",
            "alter table t rename a to b", "alter table t rename column a to b", "alter table t rename to u",
            "alter table t set schema s",
            "alter table t alter a type bigint, alter column b set data type text, alter c set not null, alter d drop not null, alter e set default 1, alter f drop default",
            "alter table t set properties ('a' = 'b')", "alter table t set (a.b = 1)", "alter table t reset (a.b)",
            "alter table t owner to me",
            "alter table t set partitioned by (day(a))", "alter table t add constraint k primary key (a) not enforced",
            "alter view v rename to w",
            "comment on table t is 'x'", "comment on column s.t.a is null", "comment on view v is 'y'",
            "copy t from stdin",
            "copy t (a, b) from stdin with (format csv, header, delimiter ';', null 'x', quote '|', escape '!', force_null (a))",
            "copy (select 1) to stdout with csv header", "copy t to stdout binary", "copy binary t from stdin",
            "copy t to stdout (format 'text')",
            "explain insert into t values (1)", "prepare p as update t set a = $1",
        ]) func parsesChanges(sql: String) throws
    {
        let parsed = try Parser.parse(sql)
        for statement in parsed {
            if case .unsupported(let name, _) = statement.statement { Issue.record("\(name) is not read: \(sql)") }
        }
    }

    @Test(
        "errors say where",
        arguments: [
            ("select 1 +", "42601", 10, "syntax error at end of input"),
            ("selec 1", "42601", 0, "syntax error at or near \"selec\""),
            ("select a from where b", "42601", 14, "syntax error at or near \"where\""),
            ("select 'abc", "42601", 7, "unterminated quoted string at or near \"'abc\""),
            ("select \"abc", "42601", 7, "unterminated quoted identifier at or near \"\"abc\""),
            ("select /* abc", "42601", 7, "unterminated /* comment at or near \"/* abc\""),
            ("select 1 from t group", "42601", 21, "syntax error at end of input"),
            ("select 123abc", "42601", 7, "trailing junk after numeric literal at or near \"123abc\""),
            ("select (1", "42601", 9, "syntax error at end of input"),
            ("select 1 2", "42601", 9, "syntax error at or near \"2\""),
            ("select * from t limit 1, 2", "42601", 23, "LIMIT #,# syntax is not supported"),
            ("create external table t location 'x'", "42601", 22, "an external table needs STORED AS"),
            ("select a from t t2 t3", "42601", 19, "syntax error at or near \"t3\""),
            ("select a.b.c.d.e() from t", "42601", 7, "improper qualified name (too many dotted names): a.b.c.d.e"),
            ("with a as (drop table t) select 1", "42601", 11, "syntax error at or near \"drop\""),
            (
                "insert into t values (1) on conflict on constraint k do nothing", "0A000", 37,
                "ON CONFLICT ON CONSTRAINT is not supported"
            ),
            ("merge into t using s on true", "42601", 28, "syntax error at end of input"),
            ("create table t (a, b)", "42601", 16, "column \"a\" has no type"),
            ("update t set where a", "42601", 13, "syntax error at or near \"where\""),
            ("alter table t", "42601", 13, "syntax error at end of input"),
            ("copy (select 1) from stdin", "42601", 0, "COPY query must be TO, not FROM"),
            ("select (a + 1).* from t", "0A000", 15, "expanding a row by .* is not supported"),
            ("select left from t", "42601", 12, "syntax error at or near \"from\""),
            ("select 'é' +", "42601", 13, "syntax error at end of input"),
            ("select a from t order a", "42601", 22, "syntax error at or near \"a\""),
            ("select count(* a) from t", "42601", 15, "syntax error at or near \"a\""),
            ("select cast '1' as int", "42601", 12, "syntax error at or near \"'1'\""),
            ("select a is distinct b", "42601", 21, "syntax error at or near \"b\""),
            ("select a = any b", "42601", 15, "syntax error at or near \"b\""),
            ("select * from left where a", "42601", 19, "syntax error at or near \"where\""),
            ("select * from a cross b", "42601", 22, "syntax error at or near \"b\""),
            ("select * from lateral t", "42601", 23, "syntax error at end of input"),
            ("select * from t as (a)", "42601", 19, "syntax error at or near \"(\""),
            ("select * from t as u (a int)", "42601", 24, "syntax error at or near \"int\""),
            ("select int('1')", "42601", 11, "syntax error at or near \"'1'\""),
            ("select row from t where values(1)", "42601", 30, "syntax error at or near \"(\""),
            ("select 'a'.b", "42601", 10, "syntax error at or near \".\""),
            ("select a::row", "42601", 10, "syntax error at or near \"row\""),
            ("select a from t for x", "42601", 20, "syntax error at or near \"x\""),
        ]) func errors(sql: String, state: String, position: Int, message: String)
    {
        do {
            _ = try Parser.parse(sql)
            Issue.record("no error for \(sql)")
        } catch {
            #expect(error.state.code == state)
            #expect(error.position == position)
            #expect(error.message == message)
        }
    }

    /// Prefix, what is repeated, how often, and what follows: short, so that a log shows the case and not its text.
    @Test(
        "endless nesting is an error, not a crash",
        arguments: [
            ("", "(", 100_000, "1"), ("", "not ", 100_000, "true"), ("", "- ", 100_000, "1"), ("1", "+1", 100_000, ""),
            ("1", "::int", 100_000, ""), ("", "case when ", 50_000, ""), ("f(", "f(", 50_000, ""),
            ("", "array[", 50_000, ""), ("a", "[1]", 50_000, ""), ("1 from ", "(", 50_000, "select 1"),
            ("1 from t", " join t on true", 50_000, ""), ("", "(select ", 50_000, "1"),
            ("", "((select 1) union ", 50_000, "1"),
            ("1 from t where a in ", "(select a from t where a in ", 50_000, "(1)"),
        ]) func nesting(prefix: String, part: String, count: Int, suffix: String)
    {
        let expression = prefix + String(repeating: part, count: count) + suffix
        #expect(throws: SQLError.self) { try Parser.parse("select " + expression) }
        #expect(throws: SQLError.self) { try Parser.parse(expression) }
    }

    @Test("chains inside parentheses add up to one bound on the height of the tree")
    func heights() throws {
        func tower(_ levels: Int, _ chain: Int) -> String {
            let level = String(repeating: "+1", count: chain) + ")"
            return String(repeating: "(", count: levels) + "1" + String(repeating: level, count: levels)
        }
        _ = try Parser.parseExpression(tower(20, 40))
        _ = try Parser.parseExpression("1" + String(repeating: "+1", count: 900))
        #expect(throws: SQLError.self) { try Parser.parseExpression(tower(100, 100)) }
        let unions = "select 1" + String(repeating: " union all select 1", count: 900)
        _ = try Parser.parse(unions)
        #expect(throws: SQLError.self) { try Parser.parse("(\(unions)) \(unions.dropFirst(8))") }
        #expect(throws: SQLError.self) { try Parser.parse(unions + String(repeating: " union select 1", count: 200)) }
    }

    @Test("small stacks end in an error, not in a crash")
    func smallStack() async throws {
        let text = "select " + String(repeating: "f(", count: 480) + "1" + String(repeating: ")", count: 480)
        let (message, sender) = AsyncStream<String>.makeStream()
        let thread = Thread {
            do throws(SQLError) {
                _ = try Parser.parse(text)
                sender.yield("parsed")
            } catch {
                sender.yield(error.state.code)
            }
            sender.finish()
        }
        thread.stackSize = 512 << 10
        thread.start()
        for await text in message { #expect(text == "54001") }
    }

    @Test("long flat lists are no nesting")
    func longLists() throws {
        let conditions = (0..<20_000).map { "a = \($0)" }
        _ = try Parser.parse("select 1 from t where " + conditions.joined(separator: " or "))
        _ = try Parser.parse(
            "select 1 from t where a in (" + (0..<20_000).map(String.init).joined(separator: ",") + ")")
        _ = try Parser.parse("values " + (0..<20_000).map { "(\($0))" }.joined(separator: ","))
    }

    @Test("token soup never traps", arguments: 0..<20)
    func soup(seed: UInt64) {
        let words = [
            "select", "from", "where", "(", ")", ",", "a", "b", "1", "'x'", "=", "<", "and", "or", "not", "in", "join",
            "on",
            "group", "by", "order", "limit", "case", "when", "then", "end", "::", "int", "[", "]", ".", "*", "with",
            "as",
            "union", "all", "values", "over", "partition", "between", "like", "is", "null", "@", "at", "branch", "$1",
            ";",
            "create", "view", "external", "table", "set", "show", "interval", "cast", "exists", "distinct", "\"q\"",
            "-",
            "lateral", "using", "natural", "left", "rollup", "grouping", "sets", "filter", "within", "explain", "'",
            "$$",
        ]
        var state = seed &* 77 &+ 1
        for _ in 0..<2_000 {
            var text = ""
            for _ in 0..<12 {
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                text += words[Int((state >> 33) % UInt64(words.count))] + " "
            }
            _ = try? Parser.parse("select " + text)
            _ = try? Parser.parse(text)
        }
    }
}
