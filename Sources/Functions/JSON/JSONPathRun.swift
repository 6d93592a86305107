// Runs SQL/JSON paths over jsonb values, in lax and strict mode (PostgreSQL docs 9.16.2).
import Columns
import Diagnostics

/// Numbers of paths: numeric by the rules of SQL.
enum JSONPathNumbers {
    /// A number's text in jsonb's form.
    static func normal(_ text: [UInt8]) throws(SQLError) -> [UInt8] {
        var out: [UInt8] = []
        try text.parsedBytes { (raw) throws(SQLError) in
            try JSONNumber.appendNormal(raw.bindMemory(to: UInt8.self), to: &out)
        }
        return out
    }

    static func numeric(_ text: [UInt8]) throws(SQLError) -> Numeric {
        try text.parsedBytes { (raw) throws(SQLError) in try TextParse.numeric(raw) }
    }

    static func tree(_ value: Numeric) -> JSONTree {
        var out: [UInt8] = []
        TextForm.append(numeric: value, to: &out)
        return .number(out)
    }
}

/// One run of a path over one value.
final class JSONPathRun {
    /// What a predicate gives.
    enum Truth { case yes, no, unknown }

    private let path: JSONPath
    private let root: JSONTree
    private let variables: JSONTree?
    private var current: [JSONTree] = []
    /// Lengths of the arrays around `last`.
    private var lengths: [Int] = []
    private var depth = 0

    private static let depthMax = 500

    private init(_ path: JSONPath, _ root: JSONTree, _ variables: JSONTree?) {
        self.path = path
        self.root = root
        self.variables = variables
    }

    /// The items that the path gives. Throws what the path's mode calls an error.
    static func items(_ path: JSONPath, _ root: JSONTree, _ variables: JSONTree?) throws(SQLError) -> [JSONTree] {
        if let variables, variables.kind != .object {
            throw SQLError(
                .invalidParameterValue, "\"vars\" argument is not an object",
                detail: "Jsonpath parameters should be encoded as key-value pairs of \"vars\" object.")
        }
        let run = JSONPathRun(path, root, variables)
        return try run.items(path.root)
    }

    /// Whether `silent` suppresses an error: those of the value, not those of the path.
    static func isSilenced(_ error: SQLError) -> Bool { error.state.code.hasPrefix("22") }

    private var isLax: Bool { !path.isStrict }

    private func items(_ node: JSONPath.Node) throws(SQLError) -> [JSONTree] {
        depth += 1
        defer { depth -= 1 }
        guard depth <= JSONPathRun.depthMax else {
            throw SQLError(.statementTooComplex, "jsonpath is nested too deeply")
        }
        if node.isPredicate {
            switch try truth(node) {
            case .yes: return [.boolean(true)]
            case .no: return [.boolean(false)]
            case .unknown: return [.null]
            }
        }
        switch node {
        case .root: return [root]
        case .current:
            guard let item = current.last else {
                throw SQLError(.syntaxError, "@ is not allowed in root expressions")
            }
            return [item]
        case .last:
            guard let length = lengths.last else {
                throw SQLError(.syntaxError, "LAST is allowed only in array subscripts")
            }
            return [.number(Array(String(length - 1).utf8))]
        case .literal(let value): return [value]
        case .variable(let name): return [try variable(name)]
        case .unary(let symbol, let operand): return try unary(symbol, operand)
        case .binary(let symbol, let left, let right): return [try binary(symbol, left, right)]
        default: return try access(node)
        }
    }

    private func variable(_ name: String) throws(SQLError) -> JSONTree {
        if case .object(let members)? = variables {
            let (index, isFound) = JSONTree.place(Array(name.utf8), in: members)
            if isFound { return members[index].value }
        }
        throw SQLError(.undefinedObject, "could not find jsonpath variable \"\(name)\"")
    }

    // MARK: Accessors

    private func access(_ node: JSONPath.Node) throws(SQLError) -> [JSONTree] {
        switch node {
        case .member(let base, let key):
            let ignores = base.isDescent
            return try each(base, unwraps: true) { (item, _) throws(SQLError) in
                guard case .object(let members) = item else {
                    if isLax || ignores { return [] }
                    throw SQLError(
                        SQLState("2203A"), "jsonpath member accessor can only be applied to an object")
                }
                let (index, isFound) = JSONTree.place(key, in: members)
                if isFound { return [members[index].value] }
                if isLax || ignores { return [] }
                throw SQLError(
                    SQLState("2203A"),
                    "JSON object does not contain key \"\(String(decoding: key, as: UTF8.self))\"")
            }
        case .anyMember(let base):
            return try each(base, unwraps: true) { (item, _) throws(SQLError) in
                guard case .object(let members) = item else {
                    if isLax || base.isDescent { return [] }
                    throw SQLError(
                        SQLState("2203C"), "jsonpath wildcard member accessor can only be applied to an object")
                }
                return members.map(\.value)
            }
        case .descendants(let base, let low, let high):
            return try each(base, unwraps: false) { (item, _) throws(SQLError) in
                var found: [JSONTree] = []
                JSONPathRun.descend(item, 0, low, high, &found)
                return found
            }
        case .anyElement(let base):
            return try each(base, unwraps: false) { (item, _) throws(SQLError) in
                if case .array(let elements) = item { return elements }
                if isLax { return [item] }
                if base.isDescent { return [] }
                throw SQLError(SQLState("22039"), "jsonpath wildcard array accessor can only be applied to an array")
            }
        case .elements(let base, let ranges):
            return try each(base, unwraps: false) { (item, run) throws(SQLError) in
                try run.elements(item, ranges, ignores: base.isDescent)
            }
        case .filter(let base, let condition):
            return try each(base, unwraps: true) { (item, run) throws(SQLError) in
                run.current.append(item)
                defer { run.current.removeLast() }
                return try run.truth(condition) == .yes ? [item] : []
            }
        case .method(let base, let name):
            return try each(base, unwraps: name != "type" && name != "size") { (item, run) throws(SQLError) in
                try run.method(name, item)
            }
        default: throw SQLError(.internalError, "a jsonpath node is not known")
        }
    }

    /// Applies a body to each item, and in lax mode to the elements of arrays instead of the arrays.
    private func each(
        _ base: JSONPath.Node, unwraps: Bool,
        _ body: (JSONTree, JSONPathRun) throws(SQLError) -> [JSONTree]
    ) throws(SQLError) -> [JSONTree] {
        var result: [JSONTree] = []
        for item in try items(base) {
            if unwraps, isLax, case .array(let elements) = item {
                for element in elements { result += try body(element, self) }
            } else {
                result += try body(item, self)
            }
        }
        return result
    }

    private static func descend(_ item: JSONTree, _ level: Int, _ low: Int, _ high: Int, _ out: inout [JSONTree]) {
        let children: [JSONTree]
        switch item {
        case .array(let elements): children = elements
        case .object(let members): children = members.map(\.value)
        default: children = []
        }
        let isLeaf = children.isEmpty && item.kind != .array && item.kind != .object
        if level >= low && level <= high || low == Int.max && isLeaf && level > 0 { out.append(item) }
        guard level < high else { return }
        for child in children { descend(child, level + 1, low, high, &out) }
    }

    private func elements(
        _ item: JSONTree, _ ranges: [(from: JSONPath.Node, to: JSONPath.Node?)], ignores: Bool
    ) throws(SQLError) -> [JSONTree] {
        var elements = [item]
        if case .array(let items) = item {
            elements = items
        } else if !isLax {
            if ignores { return [] }
            throw SQLError(SQLState("22039"), "jsonpath array accessor can only be applied to an array")
        }
        lengths.append(elements.count)
        defer { lengths.removeLast() }
        var result: [JSONTree] = []
        for range in ranges {
            let from = try subscriptValue(range.from)
            let to = try range.to.map { (node) throws(SQLError) in try subscriptValue(node) } ?? from
            if path.isStrict, !ignores, from < 0 || from > to || to >= elements.count {
                throw SQLError(SQLState("22033"), "jsonpath array subscript is out of bounds")
            }
            let (first, last) = (max(from, 0), min(to, elements.count - 1))
            if first <= last { result += elements[first...last] }
        }
        return result
    }

    private func subscriptValue(_ node: JSONPath.Node) throws(SQLError) -> Int {
        let found = try items(node)
        guard found.count == 1, case .number(let text) = found[0] else {
            throw SQLError(SQLState("22033"), "jsonpath array subscript is not a single numeric value")
        }
        let whole = try NumericMath.round(try JSONPathNumbers.numeric(text), 0, .down)
        guard let index = Int32(exactly: whole.mantissa) else {
            throw SQLError(SQLState("22033"), "jsonpath array subscript is out of integer range")
        }
        return Int(index)
    }

    // MARK: Methods

    private func method(_ name: String, _ item: JSONTree) throws(SQLError) -> [JSONTree] {
        switch name {
        case "type": return [.string(Array(item.kind.name.utf8))]
        case "size":
            if case .array(let elements) = item { return [.number(Array(String(elements.count).utf8))] }
            if isLax { return [.number([49])] }
            throw SQLError(SQLState("22039"), "jsonpath item method .size() can only be applied to an array")
        case "double": return [try double(item)]
        case "keyvalue": return try keyValues(item)
        default:
            guard case .number(let text) = item else {
                throw SQLError(
                    SQLState("22036"), "jsonpath item method .\(name)() can only be applied to a numeric value")
            }
            let value = try JSONPathNumbers.numeric(text)
            switch name {
            case "abs": return [JSONPathNumbers.tree(NumericMath.absolute(value))]
            case "floor": return [JSONPathNumbers.tree(try NumericMath.round(value, 0, .floor))]
            default: return [JSONPathNumbers.tree(try NumericMath.round(value, 0, .ceiling))]
            }
        }
    }

    private func double(_ item: JSONTree) throws(SQLError) -> JSONTree {
        let text: [UInt8]
        switch item {
        case .number(let digits): text = digits
        case .string(let string): text = string
        default:
            throw SQLError(
                SQLState("22036"), "jsonpath item method .double() can only be applied to a string or numeric value")
        }
        let number = try? text.parsedBytes { (raw) throws(SQLError) in try TextParse.float8(raw) }
        guard let number, number.isFinite else {
            throw SQLError(
                SQLState("22036"),
                item.kind == .string
                    ? "string argument of jsonpath item method .double() is not a valid representation of a double "
                        + "precision number"
                    : "numeric argument of jsonpath item method .double() is out of range for type double precision")
        }
        var out: [UInt8] = []
        TextForm.append(double: number, to: &out)
        return .number(try JSONPathNumbers.normal(out))
    }

    private func keyValues(_ item: JSONTree) throws(SQLError) -> [JSONTree] {
        guard case .object(let members) = item else {
            throw SQLError(SQLState("2203C"), "jsonpath item method .keyvalue() can only be applied to an object")
        }
        return members.map { member in
            .object([
                JSONTree.Member(key: Array("id".utf8), value: .number([48])),
                JSONTree.Member(key: Array("key".utf8), value: .string(member.key)),
                JSONTree.Member(key: Array("value".utf8), value: member.value),
            ])
        }
    }

    // MARK: Arithmetic

    /// The items of an operand; in lax mode arrays give their elements.
    private func unwrapped(_ node: JSONPath.Node) throws(SQLError) -> [JSONTree] {
        let found = try items(node)
        guard isLax else { return found }
        return found.flatMap { item -> [JSONTree] in
            if case .array(let elements) = item { return elements }
            return [item]
        }
    }

    private func unary(_ symbol: String, _ operand: JSONPath.Node) throws(SQLError) -> [JSONTree] {
        var result: [JSONTree] = []
        for item in try unwrapped(operand) {
            guard case .number(let text) = item else {
                throw SQLError(
                    SQLState("2203B"), "operand of unary jsonpath operator \(symbol) is not a numeric value")
            }
            let value = try JSONPathNumbers.numeric(text)
            result.append(symbol == "-" ? JSONPathNumbers.tree(NumericMath.negate(value)) : item)
        }
        return result
    }

    private func binary(
        _ symbol: String, _ left: JSONPath.Node, _ right: JSONPath.Node
    ) throws(SQLError) -> JSONTree {
        var values: [Numeric] = []
        for (side, node) in [("left", left), ("right", right)] {
            let found = try unwrapped(node)
            guard found.count == 1, case .number(let text) = found[0] else {
                throw SQLError(
                    SQLState("22038"), "\(side) operand of jsonpath operator \(symbol) is not a single numeric value")
            }
            values.append(try JSONPathNumbers.numeric(text))
        }
        let (a, b) = (values[0], values[1])
        switch symbol {
        case "+": return JSONPathNumbers.tree(try NumericMath.add(a, b))
        case "-": return JSONPathNumbers.tree(try NumericMath.add(a, NumericMath.negate(b)))
        case "*": return JSONPathNumbers.tree(try NumericMath.multiply(a, b))
        default:
            guard !NumericMath.isZero(b) else { throw SQLError(.divisionByZero, "division by zero") }
            return JSONPathNumbers.tree(
                symbol == "/" ? try NumericMath.divide(a, b) : try NumericMath.remainder(a, b))
        }
    }

    // MARK: Predicates

    private func truth(_ node: JSONPath.Node) throws(SQLError) -> Truth {
        switch node {
        case .and(let left, let right):
            let first = try truth(left)
            if first == .no { return .no }
            let second = try truth(right)
            return second == .yes ? first : second
        case .or(let left, let right):
            let first = try truth(left)
            if first == .yes { return .yes }
            let second = try truth(right)
            return second == .no ? first : second
        case .not(let operand):
            switch try truth(operand) {
            case .yes: return .no
            case .no: return .yes
            case .unknown: return .unknown
            }
        case .isUnknown(let operand): return try truth(operand) == .unknown ? .yes : .no
        case .exists(let operand):
            guard let found = try silently({ (run) throws(SQLError) in try run.items(operand) }) else {
                return .unknown
            }
            return found.isEmpty ? .no : .yes
        case .compare(let symbol, let left, let right):
            return try any(left, right) { JSONPathRun.compare($0, symbol, $1) }
        case .startsWith(let left, let right):
            return try any(left, right) { whole, start in
                guard case .string(let text) = whole, case .string(let wanted) = start else { return .unknown }
                return text.starts(with: wanted) ? .yes : .no
            }
        case .matches(let operand, let pattern, let flags):
            let regex = try JSONPathRun.regex(pattern, flags)
            return try any(operand, .literal(.null)) { (item, _) throws(SQLError) in
                guard case .string(let text) = item else { return .unknown }
                return try text.parsedBytes { (raw) throws(SQLError) in try regex.match(raw) } ? .yes : .no
            }
        default:
            // `?(@.flag)`: an item where a condition has to be.
            throw SQLError(.syntaxError, "a jsonpath condition is expected")
        }
    }

    /// nil when there was an error of the value.
    private func silently(
        _ body: (JSONPathRun) throws(SQLError) -> [JSONTree]
    ) throws(SQLError) -> [JSONTree]? {
        do throws(SQLError) { return try body(self) } catch {
            if JSONPathRun.isSilenced(error) { return nil }
            throw error
        }
    }

    /// A predicate over all pairs of items: in lax mode the first pair for which it holds decides.
    private func any(
        _ left: JSONPath.Node, _ right: JSONPath.Node, _ body: (JSONTree, JSONTree) throws(SQLError) -> Truth
    ) throws(SQLError) -> Truth {
        guard let a = try silently({ (run) throws(SQLError) in try run.unwrapped(left) }),
            let b = try silently({ (run) throws(SQLError) in try run.unwrapped(right) })
        else { return .unknown }
        var (isFound, isUnknown) = (false, false)
        for x in a {
            for y in b {
                switch try body(x, y) {
                case .unknown:
                    if path.isStrict { return .unknown }
                    isUnknown = true
                case .yes:
                    if isLax { return .yes }
                    isFound = true
                case .no: break
                }
            }
        }
        return isFound ? .yes : isUnknown ? .unknown : .no
    }

    private static func compare(_ a: JSONTree, _ symbol: String, _ b: JSONTree) -> Truth {
        let order: Int
        switch (a, b) {
        case (.null, .null): order = 0
        case (.boolean(let x), .boolean(let y)): order = (x ? 1 : 0) - (y ? 1 : 0)
        case (.number(let x), .number(let y)):
            let made = x.withUnsafeBytes { p in y.withUnsafeBytes { q in try? JSONNumber.compare(p, q) } }
            guard let made else { return .unknown }
            order = made
        case (.string(let x), .string(let y)): order = x == y ? 0 : x.lexicographicallyPrecedes(y) ? -1 : 1
        case (.null, _), (_, .null): return symbol == "!=" ? .yes : .no
        default: return .unknown
        }
        let holds =
            switch symbol {
            case "==": order == 0
            case "!=": order != 0
            case "<": order < 0
            case "<=": order <= 0
            case ">": order > 0
            default: order >= 0
            }
        return holds ? .yes : .no
    }

    private static func regex(_ pattern: [UInt8], _ flags: String) throws(SQLError) -> CompiledRegex {
        var options = CompiledRegex.Options()
        for flag in flags {
            switch flag {
            case "i": options.ignoresCase = true
            case "m": options.isMultiline = true
            case "q": options.isLiteral = true
            case "s": break
            case "x":
                throw SQLError(
                    .featureNotSupported, "XQuery \"x\" flag (expanded regular expressions) is not implemented")
            default:
                throw SQLError(
                    .syntaxError, "invalid input syntax for type jsonpath",
                    detail: "Unrecognized flag character \"\(flag)\" in LIKE_REGEX predicate.")
            }
        }
        return try pattern.parsedBytes { (raw) throws(SQLError) in try CompiledRegex(raw, options) }
    }
}

extension JSONPath.Node {
    /// `.**`: what follows it passes over values that it does not fit.
    fileprivate var isDescent: Bool { if case .descendants = self { true } else { false } }
}
