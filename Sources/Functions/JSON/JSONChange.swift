// What changes jsonb values: || - #- jsonb_set, jsonb_insert, jsonb_strip_nulls, jsonb_pretty.
import Columns
import Diagnostics

enum JSONChange {
    static let operators: [Overload] = [
        Overload(
            "||", [.jsonb, .jsonb], .jsonb,
            trees { (a, row, _) throws(SQLError) in
                joined(try tree(a[0], row), try tree(a[1], row))
            }),
        Overload(
            "-", [.jsonb, .text], .jsonb,
            trees { (a, row, _) throws(SQLError) in
                let key = TextKernels.bytes(view(a[1], row))
                return try without(try tree(a[0], row), [key])
            }),
        Overload(
            "-", [.jsonb, .array(.text)], .jsonb,
            trees { (a, row, _) throws(SQLError) in
                try without(try tree(a[0], row), texts(a[1], row).compactMap { $0 })
            }),
        Overload(
            "-", [.jsonb, .int4], .jsonb,
            trees { (a, row, _) throws(SQLError) in
                try withoutElement(try tree(a[0], row), Int(Lane(a[1], Int32.self)[row]))
            }),
        Overload(
            "#-", [.jsonb, .array(.text)], .jsonb,
            trees { (a, row, _) throws(SQLError) in
                let value = try tree(a[0], row)
                return try withoutPath(value, texts(a[1], row))
            }),
    ]

    static let functions: [Overload] =
        operators.map {
            $0.renamed(["||": "jsonb_concat", "-": "jsonb_delete", "#-": "jsonb_delete_path"][$0.name] ?? $0.name)
        }
        + [
            set("jsonb_set", 3) { (a, row) throws(SQLError) in try set(a, row, Lane(a[3], UInt8.self)[row] != 0) },
            set("jsonb_insert", 3) { (a, row) throws(SQLError) in
                let isAfter = Lane(a[3], UInt8.self)[row] != 0
                return try changed(
                    a, row,
                    Edit(value: try tree(a[2], row), makesMissing: true, inserts: true, isAfter: isAfter))
            },
            setLax,
            Overload(
                "jsonb_strip_nulls", [.jsonb], .jsonb,
                trees { (a, row, _) throws(SQLError) in
                    try tree(a[0], row).withoutNulls
                }),
            Overload(
                "json_strip_nulls", [.json], .json,
                TextKernels.unary(.json) { (raw, out) throws(SQLError) in
                    let scan = JSONScan(raw)
                    try stripped(scan, scan.skipBlanks(0), &out)
                }),
            Overload("jsonb_pretty", [.jsonb], .text, pretty),
        ]

    // MARK: Frames

    private static func view(_ column: Column, _ row: Int) -> StringView {
        column.storage.pointer(StringView.self)[column.slot(row)]
    }

    private static func tree(_ column: Column, _ row: Int) throws(SQLError) -> JSONTree {
        try JSONTree(view(column, row))
    }

    /// The texts of an array; nil for NULLs.
    private static func texts(_ column: Column, _ row: Int) -> [[UInt8]?] {
        (ArrayFunctions.elements(column, row) ?? []).map { item in
            if case .string(let text) = item.value { return Array(text.utf8) }
            return nil
        }
    }

    private static func trees(
        _ body: @escaping @Sendable ([Column], Int, FunctionContext) throws(SQLError) -> JSONTree?
    ) -> Kernel {
        { (context, a, rows) throws(SQLError) in
            try TextKernels.rows(a, rows, .jsonb) { (row, out) throws(SQLError) in
                guard let made = try body(a, row, context) else { return false }
                made.append(to: &out)
                return true
            }
        }
    }

    private static let pretty: Kernel = { (_, a, rows) throws(SQLError) in
        try TextKernels.rows(a, rows) { (row, out) throws(SQLError) in
            try tree(a[0], row).appendPretty(to: &out)
            return true
        }
    }

    // MARK: Operators

    private static func joined(_ a: JSONTree, _ b: JSONTree) -> JSONTree {
        switch (a, b) {
        case (.object(var members), .object(let more)):
            for member in more {
                let (index, isFound) = JSONTree.place(member.key, in: members)
                if isFound { members[index] = member } else { members.insert(member, at: index) }
            }
            return .object(members)
        case (.array(let x), .array(let y)): return .array(x + y)
        case (.array(let x), _): return .array(x + [b])
        case (_, .array(let y)): return .array([a] + y)
        default: return .array([a, b])
        }
    }

    private static func without(_ value: JSONTree, _ keys: [[UInt8]]) throws(SQLError) -> JSONTree {
        switch value {
        case .object(let members): return .object(members.filter { member in !keys.contains(member.key) })
        case .array(let items):
            return .array(
                items.filter { item in
                    if case .string(let text) = item { return !keys.contains(text) }
                    return true
                })
        default: throw SQLError(.invalidParameterValue, "cannot delete from scalar")
        }
    }

    private static func withoutElement(_ value: JSONTree, _ number: Int) throws(SQLError) -> JSONTree {
        switch value {
        case .object:
            throw SQLError(.invalidParameterValue, "cannot delete from object using integer index")
        case .array(var items):
            let index = number < 0 ? items.count + number : number
            if items.indices.contains(index) { items.remove(at: index) }
            return .array(items)
        default: throw SQLError(.invalidParameterValue, "cannot delete from scalar")
        }
    }

    private static func withoutPath(_ value: JSONTree, _ path: [[UInt8]?]) throws(SQLError) -> JSONTree {
        switch value {
        case .object, .array: break
        default: throw SQLError(.invalidParameterValue, "cannot delete path in scalar")
        }
        if path.isEmpty || value.isEmpty { return value }
        return try changed(value, path[...], Edit(value: nil, makesMissing: false, inserts: false, isAfter: false), 1)
    }

    // MARK: jsonb_set and jsonb_insert

    /// What is done at the end of a path.
    private struct Edit {
        /// nil takes the value away.
        var value: JSONTree?
        var makesMissing: Bool
        var inserts: Bool
        var isAfter: Bool
    }

    private static func set(
        _ name: String, _ flag: Int, _ body: @escaping @Sendable ([Column], Int) throws(SQLError) -> JSONTree
    ) -> Overload {
        Overload(name, [.type(.jsonb), .type(.array(.text)), .type(.jsonb), .type(.boolean)], optional: 1) {
            (call) throws(SQLError) in
            let isDefault = call.types.count == 3
            let arguments: [SQLType] = [.jsonb, .array(.text), .jsonb] + (isDefault ? [] : [.boolean])
            // jsonb_set makes what is missing; jsonb_insert inserts before.
            let otherwise = Column.constant(.boolean(name == "jsonb_set"), count: 1)
            return Binding(
                arguments: arguments, result: .jsonb,
                kernel: trees { (a, row, _) throws(SQLError) in try body(isDefault ? a + [otherwise] : a, row) })
        }
    }

    private static func set(_ a: [Column], _ row: Int, _ makesMissing: Bool) throws(SQLError) -> JSONTree {
        try changed(
            a, row, Edit(value: try tree(a[2], row), makesMissing: makesMissing, inserts: false, isAfter: false))
    }

    private static func changed(_ a: [Column], _ row: Int, _ edit: Edit) throws(SQLError) -> JSONTree {
        let value = try tree(a[0], row)
        switch value {
        case .object, .array: break
        default: throw SQLError(.invalidParameterValue, "cannot set path in scalar")
        }
        let path = texts(a[1], row)
        if value.isEmpty, !edit.makesMissing { return value }
        return path.isEmpty ? value : try changed(value, path[...], edit, 1)
    }

    private static func changed(
        _ value: JSONTree, _ path: ArraySlice<[UInt8]?>, _ edit: Edit, _ level: Int
    ) throws(SQLError) -> JSONTree {
        guard let first = path.first else { return value }
        guard let step = first else {
            throw SQLError(SQLState("22004"), "path element at position \(level) is null")
        }
        let rest = path.dropFirst()
        switch value {
        case .object(var members):
            let (index, isFound) = JSONTree.place(step, in: members)
            if isFound {
                if !rest.isEmpty {
                    members[index].value = try changed(members[index].value, rest, edit, level + 1)
                } else if edit.inserts {
                    throw SQLError(
                        .invalidParameterValue, "cannot replace existing key",
                        hint: "Try using the function jsonb_set to replace key value.")
                } else if let new = edit.value {
                    members[index].value = new
                } else {
                    members.remove(at: index)
                }
            } else if rest.isEmpty, edit.makesMissing, let new = edit.value {
                members.insert(JSONTree.Member(key: step, value: new), at: index)
            }
            return .object(members)
        case .array(let items): return .array(try changed(items, step, rest, edit, level))
        default: return value
        }
    }

    private static func changed(
        _ items: [JSONTree], _ step: [UInt8], _ rest: ArraySlice<[UInt8]?>, _ edit: Edit, _ level: Int
    ) throws(SQLError) -> [JSONTree] {
        let text = String(decoding: step, as: UTF8.self)
        guard let number = JSONAccess.step(text).index else {
            throw SQLError(
                .invalidTextRepresentation, "path element at position \(level) is not an integer: \"\(text)\"")
        }
        var items = items
        let index = number < 0 ? items.count + number : number
        if items.indices.contains(index) {
            if !rest.isEmpty {
                items[index] = try changed(items[index], rest, edit, level + 1)
            } else if let new = edit.value {
                if edit.inserts { items.insert(new, at: edit.isAfter ? index + 1 : index) } else { items[index] = new }
            } else {
                items.remove(at: index)
            }
        } else if rest.isEmpty, edit.makesMissing, let new = edit.value {
            items.insert(new, at: index < 0 ? 0 : items.count)
        }
        return items
    }

    /// jsonb_set_lax: what a NULL value does is said by its last argument.
    private static let setLax = Overload(
        "jsonb_set_lax",
        [.type(.jsonb), .type(.array(.text)), .type(.jsonb), .type(.boolean), .type(.text)], optional: 2,
        isStrict: false
    ) { (call) throws(SQLError) in
        let types: [SQLType] = [.jsonb, .array(.text), .jsonb, .boolean, .text]
        return Binding(arguments: Array(types.prefix(call.types.count)), result: .jsonb) {
            (_, a, rows) throws(SQLError) in
            let sink = TextSink(rows: rows)
            var out: [UInt8] = []
            for row in 0..<rows {
                guard a[0].isValid(row), a[1].isValid(row), a.count < 4 || a[3].isValid(row) else {
                    sink.setNull(row)
                    continue
                }
                let makesMissing = a.count < 4 || a[3].storage.pointer(UInt8.self)[a[3].slot(row)] != 0
                guard let made = try lax(a, row, makesMissing) else {
                    sink.setNull(row)
                    continue
                }
                out.removeAll(keepingCapacity: true)
                made.append(to: &out)
                try sink.set(row, out)
            }
            return sink.finish(.jsonb, validity: nil)
        }
    }

    private static func lax(_ a: [Column], _ row: Int, _ makesMissing: Bool) throws(SQLError) -> JSONTree? {
        if a[2].isValid(row) { return try set(a, row, makesMissing) }
        guard a.count < 5 || a[4].isValid(row) else {
            throw SQLError(
                SQLState("22004"),
                "null_value_treatment must be \"delete_key\", \"return_target\", \"use_json_null\", or "
                    + "\"raise_exception\"")
        }
        switch a.count < 5 ? "use_json_null" : view(a[4], row).string {
        case "use_json_null":
            return try changed(
                a, row, Edit(value: .null, makesMissing: makesMissing, inserts: false, isAfter: false))
        case "return_target": return try tree(a[0], row)
        case "delete_key": return try withoutPath(try tree(a[0], row), texts(a[1], row))
        case "raise_exception":
            throw SQLError(
                SQLState("22004"), "JSON value must not be null",
                detail: "Exception was raised because null_value_treatment is \"raise_exception\".",
                hint: "To avoid, either change the null_value_treatment argument or ensure that an SQL NULL is not "
                    + "passed.")
        default:
            throw SQLError(
                .invalidParameterValue,
                "null_value_treatment must be \"delete_key\", \"return_target\", \"use_json_null\", or "
                    + "\"raise_exception\"")
        }
    }

    // MARK: Text

    /// json without null members, in the order it was written.
    private static func stripped(
        _ scan: JSONScan, _ start: Int, _ out: inout [UInt8], depth: Int = 0
    ) throws(SQLError) {
        guard depth <= JSONText.depthMax else { throw SQLError(.statementTooComplex, "stack depth limit exceeded") }
        switch scan.kind(start) {
        case .array:
            out.append(UInt8(ascii: "["))
            var at = start
            var isFirst = true
            var count = 0
            while let element = scan.nextElement(&at, &isFirst) {
                if count > 0 { out.append(44) }
                count += 1
                try stripped(scan, element.lowerBound, &out, depth: depth + 1)
            }
            out.append(UInt8(ascii: "]"))
        case .object:
            out.append(UInt8(ascii: "{"))
            var at = start
            var count = 0
            while let member = scan.nextMember(&at) {
                if scan.kind(member.value.lowerBound) == .null { continue }
                if count > 0 { out.append(44) }
                count += 1
                var key: [UInt8] = []
                scan.appendText(member.key, to: &key)
                key.withUnsafeBytes { JSONEscape.quote($0, to: &out) }
                out.append(58)
                try stripped(scan, member.value.lowerBound, &out, depth: depth + 1)
            }
            out.append(UInt8(ascii: "}"))
        case .string:
            var text: [UInt8] = []
            scan.appendText(scan.inside(start..<scan.skipValue(start)), to: &text)
            text.withUnsafeBytes { JSONEscape.quote($0, to: &out) }
        default: out.append(contentsOf: scan.bytes(start..<scan.skipValue(start)))
        }
    }
}
