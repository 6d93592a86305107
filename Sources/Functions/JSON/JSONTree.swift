// A jsonb value taken apart: for functions that change values, and for path queries. Not for loops that only look.
import Columns
import Diagnostics

/// A JSON value. Numbers keep their text; strings are without quotes and escapes.
indirect enum JSONTree: Sendable {
    case null
    case boolean(Bool)
    case number([UInt8])
    case string([UInt8])
    case array([JSONTree])
    /// Members in the order of their keys.
    case object([Member])

    struct Member: Sendable {
        var key: [UInt8]
        var value: JSONTree
    }

    init(_ view: StringView) throws(SQLError) {
        self = try view.read { (raw) throws(SQLError) in
            let scan = JSONScan(raw)
            return try JSONTree(scan, scan.skipBlanks(0), depth: 0)
        }
    }

    init(_ scan: JSONScan, _ start: Int, depth: Int) throws(SQLError) {
        guard depth <= JSONText.depthMax else { throw SQLError(.statementTooComplex, "stack depth limit exceeded") }
        switch scan.kind(start) {
        case .null: self = .null
        case .boolean: self = .boolean(scan.base[start] == UInt8(ascii: "t"))
        case .number: self = .number([UInt8](scan.bytes(start..<scan.skipValue(start))))
        case .string:
            var text: [UInt8] = []
            scan.appendText(scan.inside(start..<scan.skipValue(start)), to: &text)
            self = .string(text)
        case .array:
            var items: [JSONTree] = []
            var at = start
            var isFirst = true
            while let element = scan.nextElement(&at, &isFirst) {
                items.append(try JSONTree(scan, element.lowerBound, depth: depth + 1))
            }
            self = .array(items)
        case .object:
            var members: [Member] = []
            var at = start
            while let member = scan.nextMember(&at) {
                var key: [UInt8] = []
                scan.appendText(member.key, to: &key)
                members.append(
                    Member(key: key, value: try JSONTree(scan, member.value.lowerBound, depth: depth + 1)))
            }
            self = .object(members)
        }
    }

    var kind: JSONKind {
        switch self {
        case .null: .null
        case .boolean: .boolean
        case .number: .number
        case .string: .string
        case .array: .array
        case .object: .object
        }
    }

    /// Whether this is an array or an object without anything in it.
    var isEmpty: Bool {
        switch self {
        case .array(let items): items.isEmpty
        case .object(let members): members.isEmpty
        default: false
        }
    }

    /// Appends the normal form.
    func append(to out: inout [UInt8]) {
        switch self {
        case .null: out.append(contentsOf: "null".utf8)
        case .boolean(let flag): out.append(contentsOf: (flag ? "true" : "false").utf8)
        case .number(let text): out.append(contentsOf: text)
        case .string(let text): text.withUnsafeBytes { JSONEscape.quote($0, to: &out) }
        case .array(let items):
            out.append(UInt8(ascii: "["))
            for (index, item) in items.enumerated() {
                if index > 0 { out.append(contentsOf: [44, 32]) }
                item.append(to: &out)
            }
            out.append(UInt8(ascii: "]"))
        case .object(let members):
            out.append(UInt8(ascii: "{"))
            for (index, member) in members.enumerated() {
                if index > 0 { out.append(contentsOf: [44, 32]) }
                member.key.withUnsafeBytes { JSONEscape.quote($0, to: &out) }
                out.append(contentsOf: [58, 32])
                member.value.append(to: &out)
            }
            out.append(UInt8(ascii: "}"))
        }
    }

    /// As jsonb_pretty prints it: four blanks a level.
    func appendPretty(to out: inout [UInt8], level: Int = 0) {
        func line(_ level: Int) {
            out.append(10)
            out.append(contentsOf: repeatElement(32, count: 4 * level))
        }
        switch self {
        case .array(let items):
            out.append(UInt8(ascii: "["))
            for (index, item) in items.enumerated() {
                if index > 0 { out.append(44) }
                line(level + 1)
                item.appendPretty(to: &out, level: level + 1)
            }
            line(level)
            out.append(UInt8(ascii: "]"))
        case .object(let members):
            out.append(UInt8(ascii: "{"))
            for (index, member) in members.enumerated() {
                if index > 0 { out.append(44) }
                line(level + 1)
                member.key.withUnsafeBytes { JSONEscape.quote($0, to: &out) }
                out.append(contentsOf: [58, 32])
                member.value.appendPretty(to: &out, level: level + 1)
            }
            line(level)
            out.append(UInt8(ascii: "}"))
        default: append(to: &out)
        }
    }

    /// Where a key is, or where it would be.
    static func place(_ key: [UInt8], in members: [Member]) -> (index: Int, isFound: Bool) {
        var (low, high) = (0, members.count)
        while low < high {
            let middle = (low + high) / 2
            let order = key.withUnsafeBytes { a in members[middle].key.withUnsafeBytes { JSONKeyOrder.compare(a, $0) } }
            if order == 0 { return (middle, true) }
            if order < 0 { high = middle } else { low = middle + 1 }
        }
        return (low, false)
    }

    /// The same without members that are null, at every level.
    var withoutNulls: JSONTree {
        switch self {
        case .array(let items): return .array(items.map(\.withoutNulls))
        case .object(let members):
            return .object(
                members.compactMap { member in
                    if case .null = member.value { return nil }
                    return Member(key: member.key, value: member.value.withoutNulls)
                })
        default: return self
        }
    }
}
