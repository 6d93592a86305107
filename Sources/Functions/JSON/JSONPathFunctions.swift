// jsonb_path_query and its kin, and the operators @? and @@.
import Columns
import Diagnostics

enum JSONPathFunctions {
    static let operators: [Overload] = [
        Overload("@?", [.jsonb, .text], .boolean) { (_, a, rows) throws(SQLError) in
            try booleans(a, rows, isSilent: true, exists)
        },
        Overload("@@", [.jsonb, .text], .boolean) { (_, a, rows) throws(SQLError) in
            try booleans(a, rows, isSilent: true, match)
        },
    ]

    static let functions: [Overload] =
        [
            // The normal form of a path: what a cast to jsonpath gives.
            Overload(
                "jsonpath", [.text], .text,
                TextKernels.unary { (raw, out) throws(SQLError) in
                    out.append(contentsOf: try JSONPath(String(decoding: raw, as: UTF8.self)).text.utf8)
                })
        ]
        + ["", "_tz"].flatMap { suffix in
            [
                declared("jsonb_path_exists\(suffix)", .boolean) { (a, rows) throws(SQLError) in
                    try booleans(a, rows, isSilent: false, exists)
                },
                declared("jsonb_path_match\(suffix)", .boolean) { (a, rows) throws(SQLError) in
                    try booleans(a, rows, isSilent: false, match)
                },
                declared("jsonb_path_query_array\(suffix)", .jsonb) { (a, rows) throws(SQLError) in
                    try values(a, rows) { .array($0) }
                },
                declared("jsonb_path_query_first\(suffix)", .jsonb) { (a, rows) throws(SQLError) in
                    try values(a, rows) { $0.first }
                },
            ]
        } + [
            declared("jsonb_path_query", .array(.jsonb)) { (a, rows) throws(SQLError) in
                let paths = Paths(a)
                return try JSONSets.lists(a, rows, .jsonb) { (row, scan, list) throws(SQLError) in
                    let root = try JSONTree(scan, scan.skipBlanks(0), depth: 0)
                    for item in try paths.items(root, row, isSilent: false) ?? [] {
                        var out: [UInt8] = []
                        item.append(to: &out)
                        list.append(out)
                    }
                }
            }
        ]

    private static func declared(
        _ name: String, _ result: SQLType, _ body: @escaping @Sendable ([Column], Int) throws(SQLError) -> Column
    ) -> Overload {
        Overload(name, [.type(.jsonb), .type(.text), .type(.jsonb), .type(.boolean)], optional: 2) {
            (call) throws(SQLError) in
            let types: [SQLType] = [.jsonb, .text, .jsonb, .boolean]
            return Binding(arguments: Array(types.prefix(call.types.count)), result: result) {
                (_, a, rows) throws(SQLError) in try body(a, rows)
            }
        }
    }

    /// The paths of a batch: parsed once when they are all the same.
    private final class Paths {
        private let columns: [Column]
        private var text: StringView?
        private var path: JSONPath?

        init(_ columns: [Column]) { self.columns = columns }

        private func view(_ index: Int, _ row: Int) -> StringView {
            columns[index].storage.pointer(StringView.self)[columns[index].slot(row)]
        }

        /// The items that a row's path gives; nil when an error was suppressed.
        func items(_ root: JSONTree, _ row: Int, isSilent: Bool) throws(SQLError) -> [JSONTree]? {
            let text = view(1, row)
            let path: JSONPath
            if let known = self.path, let last = self.text, StringView.equal(last, text) {
                path = known
            } else {
                path = try JSONPath(text.string)
                (self.path, self.text) = (path, text)
            }
            let variables = columns.count > 2 ? try JSONTree(view(2, row)) : nil
            do throws(SQLError) { return try JSONPathRun.items(path, root, variables) } catch {
                if isQuiet(row, isSilent), JSONPathRun.isSilenced(error) { return nil }
                throw error
            }
        }

        func isQuiet(_ row: Int, _ otherwise: Bool) -> Bool {
            columns.count > 3 ? columns[3].storage.pointer(UInt8.self)[columns[3].slot(row)] != 0 : otherwise
        }
    }

    private static func root(_ column: Column, _ row: Int) throws(SQLError) -> JSONTree {
        try JSONTree(column.storage.pointer(StringView.self)[column.slot(row)])
    }

    /// true, false, or nil for NULL, of the items; nil items for a suppressed error.
    private typealias Verdict = @Sendable ([JSONTree]?, _ isSilent: Bool) throws(SQLError) -> Bool?

    private static let exists: Verdict = { (items, _) throws(SQLError) in items.map { !$0.isEmpty } }

    private static let match: Verdict = { (items, isSilent) throws(SQLError) in
        guard let items else { return nil }
        if items.count == 1 {
            if case .boolean(let flag) = items[0] { return flag }
            if case .null = items[0] { return nil }
        }
        if isSilent { return nil }
        throw SQLError(SQLState("22038"), "single boolean result is expected")
    }

    private static func booleans(
        _ a: [Column], _ rows: Int, isSilent: Bool, _ verdict: Verdict
    ) throws(SQLError) -> Column {
        let paths = Paths(a)
        let builder = ColumnBuilder(.boolean, capacity: rows)
        for row in 0..<rows {
            guard a.allSatisfy({ $0.isValid(row) }) else {
                builder.appendNull()
                continue
            }
            let items = try paths.items(try root(a[0], row), row, isSilent: isSilent)
            if let flag = try verdict(items, paths.isQuiet(row, isSilent)) {
                builder.append(UInt8(flag ? 1 : 0))
            } else {
                builder.appendNull()
            }
        }
        return builder.finish()
    }

    private static func values(
        _ a: [Column], _ rows: Int, _ result: ([JSONTree]) -> JSONTree?
    ) throws(SQLError) -> Column {
        let paths = Paths(a)
        return try TextKernels.rows(a, rows, .jsonb) { (row, out) throws(SQLError) in
            let items = try paths.items(try root(a[0], row), row, isSilent: false) ?? []
            guard let made = result(items) else { return false }
            made.append(to: &out)
            return true
        }
    }
}
