// DuckDB's paths with wildcards, `$[*].code` and `$.*`: all values that they lead to, as an array.
import Columns
import Diagnostics

enum JSONWildcards {
    /// One step of such a path.
    enum Step: Sendable, Hashable {
        case one(JSONStep)
        case elements
        case members
        /// `..key`: at any depth.
        case anywhere
    }

    /// A function of JSON and a path: of one value, or of an array where the path is a constant with wildcards.
    static func overload(
        _ name: String, _ type: SQLType, _ result: SQLType, canFail: Bool = true, isOperator: Bool = false,
        _ kernel: @escaping Kernel
    ) -> Overload {
        Overload(name, [.type(type), .type(.text)], canFail: canFail) { (call) throws(SQLError) in
            // Text is cast, which checks it: several calls over one column then share the cast.
            let arguments = [type == .text ? .json : type, Overload.argument(.text, call.types[1])]
            guard case .string(let path)? = call.literal(1)?.value, path.hasPrefix("$"), let steps = steps(path) else {
                return Binding(arguments: arguments, result: result, kernel: kernel)
            }
            return Binding(arguments: arguments, result: .array(result)) { (_, a, rows) throws(SQLError) in
                try JSONSets.lists(a[0], rows, result) { (scan, start, list) throws(SQLError) in
                    try collect(scan, start..<scan.skipValue(start), steps[...], result == .text, 0, &list)
                }
            }
        }
    }

    /// The steps of a path that has wildcards; nil for other paths, which lead to one value.
    static func steps(_ path: String) -> [Step]? {
        let text = Array(path.utf8)
        var steps: [Step] = []
        var hasWildcards = false
        var at = 1
        while at < text.count {
            let start = at
            if text[at] == UInt8(ascii: ".") {
                if at + 1 < text.count, text[at + 1] == UInt8(ascii: ".") {
                    hasWildcards = true
                    steps.append(.anywhere)
                    at += 1
                }
                if at + 1 < text.count, text[at + 1] == UInt8(ascii: "*") {
                    hasWildcards = true
                    steps.append(.members)
                    at += 2
                    continue
                }
            } else if text[at...].starts(with: "[*]".utf8) {
                hasWildcards = true
                steps.append(.elements)
                at += 3
                continue
            }
            var isQuoted = false
            let first = at
            repeat {
                if text[at] == UInt8(ascii: "\"") { isQuoted.toggle() }
                at += 1
            } while at < text.count && (isQuoted || (text[at] != UInt8(ascii: ".") && text[at] != UInt8(ascii: "[")))
            let piece = Array("$".utf8) + text[first..<at]
            guard at > start,
                let step = try? piece.parsedBytes({ (raw) throws(SQLError) in try JSONPathText.steps(raw) })
            else { return nil }
            steps += step.map { .one($0) }
        }
        return hasWildcards ? steps : nil
    }

    private static func collect(
        _ scan: JSONScan, _ range: Range<Int>, _ steps: ArraySlice<Step>, _ asText: Bool, _ depth: Int,
        _ list: inout JSONSets.ListSink
    ) throws(SQLError) {
        guard depth <= JSONText.depthMax else { throw SQLError(.statementTooComplex, "stack depth limit exceeded") }
        guard let step = steps.first else { return try list.append(scan, value: range, asText: asText) }
        let rest = steps.dropFirst()
        switch step {
        case .one(let step):
            guard let next = JSONAccess.step(scan, range.lowerBound, step, isUnique: true) else { return }
            try collect(scan, next, rest, asText, depth + 1, &list)
        case .elements, .members:
            for child in children(scan, range.lowerBound, step == .elements ? .array : .object) {
                try collect(scan, child, rest, asText, depth + 1, &list)
            }
        case .anywhere:
            try collect(scan, range, rest, asText, depth + 1, &list)
            let kind = scan.kind(range.lowerBound)
            for child in children(scan, range.lowerBound, kind) {
                try collect(scan, child, steps, asText, depth + 1, &list)
            }
        }
    }

    private static func children(_ scan: JSONScan, _ start: Int, _ kind: JSONKind) -> [Range<Int>] {
        guard scan.kind(start) == kind else { return [] }
        var ranges: [Range<Int>] = []
        var at = start
        if kind == .array {
            var isFirst = true
            while let element = scan.nextElement(&at, &isFirst) { ranges.append(element) }
        } else if kind == .object {
            while let member = scan.nextMember(&at) { ranges.append(member.value) }
        }
        return ranges
    }
}
