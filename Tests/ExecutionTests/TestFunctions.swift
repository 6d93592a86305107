// Functions and aggregates as plain as can be: the reference for operators, independent of the function library.
import Columns
import Diagnostics
import Functions
import Planner

enum Fn {
    /// A strict function of scalars.
    static func scalar(
        _ name: String, _ types: [SQLType], _ result: SQLType, canFail: Bool = false,
        _ body: @escaping @Sendable ([Scalar]) throws(SQLError) -> Scalar.Value
    ) -> BoundFunction {
        BoundFunction(name: name, argumentTypes: types, resultType: result, canFail: canFail) {
            (_, arguments, rows) throws(SQLError) -> Column in
            let builder = ColumnBuilder(result, capacity: rows)
            for row in 0..<rows {
                let values = arguments.map { $0.scalar(row) }
                if values.contains(where: \.isNull) {
                    builder.appendNull()
                } else {
                    builder.append(Scalar(result, try body(values)))
                }
            }
            return builder.finish()
        }
    }

    static func compare(_ op: String, _ type: SQLType) -> BoundFunction {
        scalar(op, [type, type], .boolean) { (values) throws(SQLError) -> Scalar.Value in
            let order = Scalar.compare(values[0], values[1]) ?? 0
            switch op {
            case "=": return .bool(order == 0)
            case "<>": return .bool(order != 0)
            case "<": return .bool(order < 0)
            case "<=": return .bool(order <= 0)
            case ">": return .bool(order > 0)
            default: return .bool(order >= 0)
            }
        }
    }

    static let divide = scalar("/", [.int8, .int8], .int8, canFail: true) {
        (values) throws(SQLError) -> Scalar.Value in
        guard case .int(let a) = values[0].value, case .int(let b) = values[1].value else { return .null }
        guard b != 0 else { throw SQLError(.divisionByZero, "division by zero") }
        return .int(a / b)
    }

    static let add = scalar("+", [.int8, .int8], .int8) { (values) throws(SQLError) -> Scalar.Value in
        guard case .int(let a) = values[0].value, case .int(let b) = values[1].value else { return .null }
        return .int(a &+ b)
    }

    static let upper = scalar("upper", [.text], .text) { (values) throws(SQLError) -> Scalar.Value in
        guard case .string(let text) = values[0].value else { return .null }
        return .string(text.uppercased())
    }

    static let count = BoundAggregate(name: "count", argumentTypes: [], resultType: .int8) { TestAggregate(.count) }
    static let sum = BoundAggregate(name: "sum", argumentTypes: [.int8], resultType: .int8) { TestAggregate(.sum) }
    static let minText = BoundAggregate(
        name: "min", argumentTypes: [.text], resultType: .text, ignoresDistinct: true
    ) { TestAggregate(.min) }
    static let stringAgg = BoundAggregate(
        name: "string_agg", argumentTypes: [.text], resultType: .text, isOrderSensitive: true
    ) { TestAggregate(.join) }
}

/// Keeps scalars.
final class TestAggregate: Aggregate {
    enum Kind { case count, sum, min, join }
    private let kind: Kind
    private var states: [Scalar.Value] = []

    init(_ kind: Kind) { self.kind = kind }

    private func grow(_ groups: Int) {
        while states.count < groups { states.append(kind == .count ? .int(0) : .null) }
    }

    private func add(_ value: Scalar.Value, _ group: Int) {
        switch (kind, states[group], value) {
        case (_, _, .null): break
        case (.count, .int(let a), .int(let b)), (.sum, .int(let a), .int(let b)): states[group] = .int(a &+ b)
        case (.min, .string(let a), .string(let b)): states[group] = .string(Swift.min(a, b))
        case (.join, .string(let a), .string(let b)): states[group] = .string(a + "," + b)
        default: states[group] = value
        }
    }

    func update(_ arguments: [Column], groups: GroupNumbers) throws(SQLError) {
        grow(groups.groups)
        for row in 0..<groups.rows {
            let group = groups.numbers.map { Int($0[row]) } ?? 0
            if kind == .count {
                if arguments.first?.isValid(row) ?? true { add(.int(1), group) }
            } else {
                add(arguments[0].scalar(row).value, group)
            }
        }
    }

    func merge(_ other: any Aggregate, groups: GroupNumbers) throws(SQLError) {
        grow(groups.groups)
        guard let other = other as? TestAggregate else { return }
        for (index, state) in other.states.enumerated() {
            add(state, groups.numbers.map { Int($0[index]) } ?? 0)
        }
    }

    func finish(_ range: Range<Int>) throws(SQLError) -> Column {
        grow(range.upperBound)
        let type: SQLType = kind == .count || kind == .sum ? .int8 : .text
        let builder = ColumnBuilder(type)
        for index in range { builder.append(Scalar(type, states[index])) }
        return builder.finish()
    }

    var sizeBytes: Int { states.count * 32 }
}
