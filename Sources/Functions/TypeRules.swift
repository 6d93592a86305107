// PostgreSQL's type system as far as overloads need it: categories, preferred types, pg_cast, common types (docs 10).
import Columns
import Diagnostics

/// What kind of type this is (pg_type.typcategory).
enum TypeCategory: Hashable {
    case boolean, number, string, dateTime, span, array, bits, enumeration, network, unknown, other
}

enum TypeRules {
    /// The type without modifiers: what overloads are declared with.
    static func base(_ type: SQLType) -> SQLType {
        switch type {
        case .decimal: .numeric
        case .varchar: .varchar(nil)
        case .char: .char(1)
        case .bit: .bit(1)
        case .varbit: .varbit(nil)
        case .array(let element): .array(base(element))
        default: type
        }
    }

    static func category(_ type: SQLType) -> TypeCategory {
        switch type {
        case .unknown: .unknown
        case .boolean: .boolean
        case .int2, .int4, .int8, .float4, .float8, .decimal, .numeric: .number
        case .text, .varchar, .char: .string
        case .date, .time, .timestamp, .timestamptz: .dateTime
        case .interval: .span
        case .array: .array
        case .bytea, .uuid, .json, .jsonb, .row, .map: .other
        case .bit, .varbit: .bits
        case .enumeration: .enumeration
        case .system(.aclitem): .other
        case .system(.inet), .system(.cidr): .network
        case .system(.timetz): .dateTime
        case .system(let type): type.isNumber ? .number : .string
        }
    }

    static func isPreferred(_ type: SQLType) -> Bool {
        switch type {
        case .boolean, .float8, .text, .timestamptz, .interval, .system(.oid), .system(.inet), .varbit: true
        default: false
        }
    }

    /// Whether a cast from one base type to another exists in a context (pg_cast, and text input and output).
    static func canCast(_ from: SQLType, _ to: SQLType, _ context: CastContext) -> Bool {
        if from == to { return true }
        switch (from, to) {
        case (.unknown, _): return true
        case (.array(let a), .array(let b)): return canCast(a, b, context)
        case (.row(let a), .row(let b)):
            guard let sources = a.sources(for: b) else { return false }
            return zip(sources, b).allSatisfy { canCast(base(a[$0].type), base($1.type), context) }
        case (.map(let key, let value), .map(let otherKey, let otherValue)):
            return canCast(base(key), base(otherKey), context) && canCast(base(value), base(otherValue), context)
        default: break
        }
        if let needed = contexts[Pair(from, to)] { return needed <= context }
        if let needed = system(from, to) { return needed <= context }
        // Everything has a text form: assignable to text, and castable from text when asked for.
        if category(to) == .string { return context >= .assignment }
        if category(from) == .string { return context == .explicit }
        if to == .unknown { return true }
        return false
    }

    /// Casts from and to types of the catalog; nil for those that follow from categories.
    private static func system(_ from: SQLType, _ to: SQLType) -> CastContext? {
        switch (from, to) {
        case (.system(let a), .system(let b)) where a.isNumber && b.isNumber:
            return a == .oid || b == .oid ? .implicit : .explicit
        case (.int2, .system(let type)), (.int4, .system(let type)), (.int8, .system(let type)):
            if type == .char, from == .int4 { return .explicit }
            return type.isNumber ? .implicit : nil
        case (.system(let type), .int4), (.system(let type), .int8):
            if type == .char, to == .int4 { return .explicit }
            return type.isNumber ? .assignment : nil
        case (.text, .system(.regclass)), (.varchar, .system(.regclass)): return .implicit
        case (.system(let type), .array):
            guard type.vector == to else { return nil }
            return .implicit
        case (.system(let type), .text), (.system(let type), .varchar):
            return !type.isText || type == .aclitem ? nil : .implicit
        default: return nil
        }
    }

    private struct Pair: Hashable {
        let from: SQLType
        let to: SQLType
        init(_ from: SQLType, _ to: SQLType) {
            self.from = from
            self.to = to
        }
    }

    private static let contexts: [Pair: CastContext] = {
        let varchar = SQLType.varchar(nil)
        let char = SQLType.char(1)
        var table: [Pair: CastContext] = [:]
        let numbers: [SQLType] = [.int2, .int4, .int8, .numeric, .float4, .float8]
        for (low, from) in numbers.enumerated() {
            for (high, to) in numbers.enumerated() where low != high {
                table[Pair(from, to)] = high > low ? .implicit : .assignment
            }
        }
        let rest: [(SQLType, SQLType, CastContext)] = [
            (.text, varchar, .implicit), (varchar, .text, .implicit), (char, .text, .implicit),
            (char, varchar, .implicit), (.text, char, .implicit), (varchar, char, .implicit),
            (.int4, .boolean, .explicit), (.boolean, .int4, .explicit),
            (.int2, .boolean, .explicit), (.int8, .boolean, .explicit),
            // DuckDB's.
            (.numeric, .boolean, .explicit), (.float4, .boolean, .explicit), (.float8, .boolean, .explicit),
            (.boolean, .int2, .explicit), (.boolean, .int8, .explicit),
            (.date, .timestamp, .implicit), (.date, .timestamptz, .implicit), (.timestamp, .timestamptz, .implicit),
            (.timestamp, .date, .assignment), (.timestamptz, .date, .assignment),
            (.timestamptz, .timestamp, .assignment), (.timestamp, .time, .assignment),
            (.timestamptz, .time, .assignment), (.time, .interval, .implicit), (.interval, .time, .assignment),
            (.time, .system(.timetz), .implicit), (.system(.timetz), .time, .assignment),
            (.timestamptz, .system(.timetz), .assignment), (.system(.cidr), .system(.inet), .implicit),
            (.system(.inet), .system(.cidr), .assignment),
            (.json, .jsonb, .assignment), (.jsonb, .json, .assignment), (.jsonb, .boolean, .explicit),
            (.jsonb, .numeric, .explicit), (.jsonb, .int2, .explicit), (.jsonb, .int4, .explicit),
            (.jsonb, .int8, .explicit), (.jsonb, .float4, .explicit), (.jsonb, .float8, .explicit),
            (.bit(1), .varbit(nil), .implicit), (.varbit(nil), .bit(1), .implicit),
            (.int4, .bit(1), .explicit), (.int8, .bit(1), .explicit), (.bit(1), .int4, .explicit),
            (.bit(1), .int8, .explicit),
        ]
        for (from, to, context) in rest { table[Pair(from, to)] = context }
        return table
    }()

    /// The decimal type that holds every value of an integer type.
    static func decimal(of integer: SQLType) -> SQLType {
        switch integer {
        case .int2: .decimal(precision: 5, scale: 0)
        case .int4: .decimal(precision: 10, scale: 0)
        default: .decimal(precision: 19, scale: 0)
        }
    }

    /// The decimal form of an integer or decimal type; nil for numeric and others.
    static func fixed(_ type: SQLType) -> (precision: Int, scale: Int)? {
        switch type {
        case .decimal(let precision, let scale): (precision, scale)
        case .int2: (5, 0)
        case .int4: (10, 0)
        case .int8: (19, 0)
        default: nil
        }
    }

    /// The smallest decimal that holds two; nil when that needs more than 38 digits.
    static func union(_ a: (precision: Int, scale: Int), _ b: (precision: Int, scale: Int)) -> SQLType? {
        let scale = max(a.scale, b.scale)
        let precision = max(a.precision - a.scale, b.precision - b.scale) + scale
        return precision <= SQLType.precisionMax ? .decimal(precision: max(1, precision), scale: scale) : nil
    }

    /// The type for UNION, CASE and the like (PostgreSQL docs 10.5); nil when there is none. `isPrinted` is false when
    /// values are compared or added up only: 1 and 2.50 may then both have two decimals, which is faster.
    static func common(_ types: [SQLType], isPrinted: Bool = true) -> SQLType? {
        let known = types.filter { $0 != .unknown }
        guard var chosen = known.first else { return .text }
        for type in known.dropFirst() {
            guard let next = common(chosen, type, isPrinted) else { return nil }
            chosen = next
        }
        return chosen
    }

    private static func common(_ a: SQLType, _ b: SQLType, _ isPrinted: Bool) -> SQLType? {
        if a == b { return a }
        // Elements of an empty list may become anything.
        if a == .unknown || b == .unknown { return a == .unknown ? b : a }
        let (x, y) = (base(a), base(b))
        switch (a, b) {
        case (.row(let m), .row(let n)): return commonRow(m, n, isPrinted)
        case (.map(let key, let value), .map(let otherKey, let otherValue)):
            guard let key = common(key, otherKey, isPrinted), let value = common(value, otherValue, isPrinted)
            else { return nil }
            return .map(key: key, value: value)
        case (.array(let m), .array(let n)) where m.isNested || n.isNested || m == .unknown || n == .unknown:
            return common(m, n, isPrinted).map { .array($0) }
        default: break
        }
        if x == .numeric, y == .numeric {
            // Different scales keep their own digits, as PostgreSQL's typmod-less numeric does.
            if let f = fixed(a), let g = fixed(b), f.scale == g.scale { return union(f, g) ?? .numeric }
            return .numeric
        }
        if x == .numeric || y == .numeric, let f = fixed(a), let g = fixed(b) {
            return isPrinted && f.scale != g.scale ? .numeric : union(f, g) ?? .numeric
        }
        if x == y {
            switch (a, b) {
            case (.varchar(let m), .varchar(let n)): return .varchar(m == n ? m : nil)
            case (.char(let m), .char(let n)): return .char(max(m, n))
            case (.bit(let m), .bit(let n)): return m == n ? a : .varbit(nil)
            case (.varbit, .varbit): return .varbit(nil)
            case (.array(let m), .array(let n)): return common(m, n, isPrinted).map { .array($0) }
            default: return a
            }
        }
        guard category(a) == category(b) else { return nil }
        // Either converts to the other without a word: the first one stays.
        if case .varchar = a, y == .text { return .varchar(nil) }
        let (forth, back) = (canCast(x, y, .implicit), canCast(y, x, .implicit))
        if isPreferred(x), back { return a }
        if forth, !back || isPreferred(y) { return widened(b) }
        if back { return widened(a) }
        return forth ? widened(b) : nil
    }

    /// Field by field; the first one's names stay.
    private static func commonRow(_ a: [StructField], _ b: [StructField], _ isPrinted: Bool) -> SQLType? {
        guard a.count == b.count else { return nil }
        var fields: [StructField] = []
        for (x, y) in zip(a, b) {
            guard let type = common(x.type, y.type, isPrinted) else { return nil }
            fields.append(StructField(x.name, type))
        }
        return .row(fields)
    }

    /// Mixed string types lose their lengths.
    private static func widened(_ type: SQLType) -> SQLType {
        switch type {
        case .varchar: .varchar(nil)
        case .char: .text
        case .bit, .varbit: .varbit(nil)
        default: type
        }
    }
}
