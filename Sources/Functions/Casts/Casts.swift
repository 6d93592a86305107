// Casts between all types: which kernel converts what. The conversions are in the files beside this one.
import Columns
import Diagnostics

enum Casts {
    /// Returns the cast, nil when the types cannot be cast in this context.
    static func bound(from: SQLType, to: SQLType, context: CastContext, isTry: Bool) -> BoundFunction? {
        guard TypeRules.canCast(TypeRules.base(from), TypeRules.base(to), context),
            let kernel = kernel(from, to, isExplicit: context == .explicit)
        else { return nil }
        let isStable = dependsOnSession(from, to)
        let core = isTry ? tried(to, kernel) : kernel
        let volatility: Volatility = isStable ? .stable : .immutable
        return BoundFunction(
            name: isTry ? "try_cast" : "cast", argumentTypes: [from], resultType: to, volatility: volatility,
            isStrict: true, canFail: !isTry && canFail(from, to),
            kernel: KernelFrame.wrap(to, isStrict: true, volatility: volatility, core))
    }

    /// Whether the result depends on the session: its zone, or its clock for words like `today`.
    private static func dependsOnSession(_ from: SQLType, _ to: SQLType) -> Bool {
        func isClock(_ type: SQLType) -> Bool { TypeRules.category(type) == .dateTime }
        if from.reference != to.reference, from.isText || to.isText { return true }
        if case .array(let element) = from, element.reference != nil { return true }
        if from.isNested || to.isNested { return from != to && (hasClock(from) || hasClock(to)) }
        if from == .timestamptz || to == .timestamptz { return from != to }
        return isClock(to) && TypeRules.category(from) != .dateTime && from != .interval
    }

    /// Whether a part of a nested value is read or printed by the session's zone.
    private static func hasClock(_ type: SQLType) -> Bool {
        switch type {
        case .row(let fields): fields.contains { hasClock($0.type) }
        case .array(let element): hasClock(element)
        case .map(let key, let value): hasClock(key) || hasClock(value)
        default: type.reference != nil || TypeRules.category(type) == .dateTime
        }
    }

    private static func canFail(_ from: SQLType, _ to: SQLType) -> Bool {
        if from == to { return false }
        let (x, y) = (TypeRules.base(from), TypeRules.base(to))
        if case .decimal = to { return !isWidening(from, to) }
        switch y {
        case .text, .unknown: return false
        case .varchar, .char: return true
        case .float8, .numeric: return !TypeRules.category(x).isNumber
        case .int4: return x != .int2 && x != .boolean
        case .int8: return x != .int2 && x != .int4 && x != .boolean
        case .boolean: return !x.isInteger
        default: return true
        }
    }

    private static func isWidening(_ from: SQLType, _ to: SQLType) -> Bool {
        guard let f = TypeRules.fixed(from), let g = TypeRules.fixed(to) else { return false }
        return g.scale >= f.scale && g.precision - g.scale >= f.precision - f.scale
    }

    /// Returns the conversion of flat or constant columns.
    static func kernel(_ from: SQLType, _ to: SQLType, isExplicit: Bool) -> Kernel? {
        if from == to { return { (_, a, _) throws(SQLError) in a[0] } }
        if case .array(let element) = to, case .array(let inner) = from {
            return arrays(inner, element, to, isExplicit: isExplicit)
        }
        if case .row(let fields) = to, case .row(let given) = from {
            return CastNested.rows(given, fields, to, isExplicit: isExplicit)
        }
        if case .map = to, case .map = from, let given = from.element, let entry = to.element {
            return arrays(given, entry, to, isExplicit: isExplicit)
        }
        if case .system(let type) = from, let vector = type.vector, case .array(let element) = to {
            if to == vector { return CastSystem.vector(type) }
            if type == .oidvector, case .system(let target) = element, target.isNumber {
                let read = CastSystem.vector(type)
                return { (context, a, rows) throws(SQLError) in
                    let list = try read(context, a, rows)
                    return Column(
                        to, count: rows, values: list.values, validity: list.validity, heaps: list.heaps,
                        child: list.child?.retyped(element))
                }
            }
        }
        if isForeign(from, to) || isForeign(to, from) { return nil }
        if case .system(let type) = to, type == .char || type == .name, from.isText { return CastText.parse(.text, to) }
        if let kernel = JSONCasts.kernel(from, to) { return kernel }
        if from.isBits || to.isBits, let kernel = BitCasts.kernel(from, to, isExplicit: isExplicit) { return kernel }
        if to.isText { return CastText.toText(from, to, isExplicit: isExplicit) }
        if from.isText { return CastText.parse(from, to) }
        if let kernel = CastSystem.numbers(from, to) { return kernel }
        if from.isNumber || from == .boolean, to.isNumber || to == .boolean { return CastNumbers.kernel(from, to) }
        return CastDates.kernel(from, to)
    }

    /// Whether one is a vector of the catalog or "char", which are kept as text, and the other is none.
    private static func isForeign(_ type: SQLType, _ other: SQLType) -> Bool {
        guard case .system(let kind) = type, kind == .oidvector || kind == .int2vector || kind == .char else {
            return false
        }
        if other == .unknown || other.arrayDepth > 0 { return false }
        if case .system(let otherKind) = other { return otherKind != .name && otherKind != kind }
        return !other.isText
    }

    private static func arrays(_ from: SQLType, _ to: SQLType, _ type: SQLType, isExplicit: Bool) -> Kernel? {
        guard let inner = kernel(from, to, isExplicit: isExplicit) else { return nil }
        let framed = KernelFrame.wrap(to, isStrict: true, volatility: .stable, inner)
        return { (context, a, rows) throws(SQLError) in
            // Elements that no row uses must not fail.
            let values = Flatten.flat(a[0]).compacted()
            guard let child = values.child else { return values.retyped(type) }
            let made = Flatten.flat(try framed(context, [child], child.count))
            return Column(
                type, count: rows, values: values.values, validity: values.validity, heaps: values.heaps, child: made)
        }
    }

    /// Gives NULL for rows that fail: the whole batch first, and row by row only when that fails.
    private static func tried(_ to: SQLType, _ kernel: @escaping Kernel) -> Kernel {
        { (context, a, rows) throws(SQLError) in
            if let all = try? kernel(context, a, rows) { return all }
            let builder = ColumnBuilder(to, capacity: rows)
            for row in 0..<rows {
                let value = a[0].scalar(row)
                guard !value.isNull else {
                    builder.appendNull()
                    continue
                }
                let one = Flatten.flat(Column.constant(value, count: 1))
                if let made = try? kernel(context, [one], 1) {
                    builder.append(made.scalar(0))
                } else {
                    builder.appendNull()
                }
            }
            return builder.finish()
        }
    }
}

extension TypeCategory {
    var isNumber: Bool { self == .number }
}
