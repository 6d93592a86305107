// string_agg, array_agg, percentiles, mode, median, arg_min and arg_max.
import Columns
import Diagnostics

enum CollectingAggregates {
    static let all: [AggregateOverload] = strings + arrays + percentiles + arguments

    // MARK: Strings and arrays

    private static let strings: [AggregateOverload] = [
        strings("string_agg", .text, hasSeparator: true), strings("string_agg", .bytea, hasSeparator: true),
        strings("listagg", .text, hasSeparator: true), strings("group_concat", .text, hasSeparator: true),
        strings("group_concat", .text, hasSeparator: false),
    ]

    private static func strings(_ name: String, _ type: SQLType, hasSeparator: Bool) -> AggregateOverload {
        let parameters: [Parameter] = hasSeparator ? [.type(type), .type(type)] : [.type(type)]
        return AggregateOverload(name, parameters, isOrderSensitive: true) { (call) throws(SQLError) in
            AggregateBinding(arguments: call.types.map { Overload.argument(type, $0) }, result: type) {
                CollectingAggregate(type, required: 0) { (rows, group) throws(SQLError) in
                    try join(rows, group, type, hasSeparator: hasSeparator)
                }
            }
        }
    }

    private static func join(
        _ rows: CollectedRows, _ group: Int, _ type: SQLType, hasSeparator: Bool
    ) throws(SQLError) -> Scalar {
        guard rows.count(group) > 0 else { return .null(type) }
        var out: [UInt8] = []
        var isFirst = true
        func view(_ column: Column, _ row: Int) -> StringView {
            column.storage.pointer(StringView.self)[column.slot(row)]
        }
        try rows.each(group) { (columns, row) throws(SQLError) in
            if !isFirst {
                if !hasSeparator {
                    out.append(44)
                } else if columns[1].isValid(row) {
                    view(columns[1], row).withBytes { out.append(contentsOf: $0) }
                }
            }
            view(columns[0], row).withBytes { out.append(contentsOf: $0) }
            isFirst = false
            try StringFunctions.checkLength(out.count)
        }
        return type == .bytea ? Scalar(type, .bytes(out)) : Scalar(type, .string(String(decoding: out, as: UTF8.self)))
    }

    private static let arrays: [AggregateOverload] = ["array_agg", "list"].map { name in
        AggregateOverload(name, [.any], isOrderSensitive: true) { (call) throws(SQLError) in
            let type = SQLType.array(call.types[0])
            return AggregateBinding(arguments: call.types, result: type) {
                CollectingAggregate(type, required: nil) { (rows, group) throws(SQLError) in
                    guard rows.count(group) > 0 else { return .null(type) }
                    var items: [Scalar] = []
                    items.reserveCapacity(rows.count(group))
                    try rows.each(group) { (columns, row) throws(SQLError) in items.append(columns[0].scalar(row)) }
                    return Scalar(type, .array(items))
                }
            }
        }
    }

    // MARK: Percentiles

    private static let percentiles: [AggregateOverload] =
        [
            // Direct argument first, then the sort column.
            continuous("percentile_cont", fraction: 0, value: 1), continuous("quantile_cont", fraction: 1, value: 0),
            continuousIntervals, discrete("percentile_disc", fraction: 0, value: 1),
            discrete("quantile_disc", fraction: 1, value: 0), discrete("quantile", fraction: 1, value: 0),
            AggregateOverload("median", [.type(.float8)]) { (_) throws(SQLError) in
                AggregateBinding(arguments: [.float8], result: .float8) {
                    CollectingAggregate(.float8, required: 0) { (rows, group) throws(SQLError) in
                        try continuous(rows, group, value: 0) { (_) throws(SQLError) in 0.5 }
                    }
                }
            },
            AggregateOverload("mode", [.any]) { (call) throws(SQLError) in
                let type = call.types[0]
                return AggregateBinding(arguments: [type], result: type) {
                    CollectingAggregate(type, required: 0) { (rows, group) throws(SQLError) in
                        try mode(rows, group, type)
                    }
                }
            },
        ]

    private static func checked(_ fraction: Double) throws(SQLError) -> Double {
        guard fraction >= 0, fraction <= 1 else {
            throw SQLError(.numericValueOutOfRange, "percentile value \(shown(fraction)) is not between 0 and 1")
        }
        return fraction
    }

    private static func shown(_ value: Double) -> String {
        Scalar(.float8, .double(value)).outputText() ?? ""
    }

    private static func continuous(_ name: String, fraction: Int, value: Int) -> AggregateOverload {
        AggregateOverload(name, [.type(.float8), .type(.float8)]) { (_) throws(SQLError) in
            AggregateBinding(arguments: [.float8, .float8], result: .float8) {
                CollectingAggregate(.float8, required: value) { (rows, group) throws(SQLError) in
                    try continuous(rows, group, value: value) { (rows) throws(SQLError) in
                        try self.fraction(rows, group, fraction)
                    }
                }
            }
        }
    }

    /// The fraction, which is the same in all rows; nil when NULL.
    private static func fraction(_ rows: CollectedRows, _ group: Int, _ argument: Int) throws(SQLError) -> Double? {
        var result: Double?
        var isFirst = true
        try rows.each(group) { (columns, row) throws(SQLError) in
            guard isFirst else { return }
            isFirst = false
            if case .double(let value) = columns[argument].scalar(row).value { result = try checked(value) }
        }
        return result
    }

    /// Interpolates between the two values around the place.
    private static func continuous(
        _ rows: CollectedRows, _ group: Int, value: Int, _ fraction: (CollectedRows) throws(SQLError) -> Double?
    ) throws(SQLError) -> Scalar {
        guard rows.count(group) > 0, let fraction = try fraction(rows) else { return .null(.float8) }
        var values: [Double] = []
        values.reserveCapacity(rows.count(group))
        try rows.each(group) { (columns, row) throws(SQLError) in
            values.append(columns[value].storage.pointer(Double.self)[columns[value].slot(row)])
        }
        // WITHIN GROUP has sorted the rows, by DESC where asked; DuckDB's calls with the value first have not.
        if value == 0 { values.sort { Scalar.compareDoubles($0, $1) < 0 } }
        let place = fraction * Double(values.count - 1)
        let (low, high) = (Int(place.rounded(.down)), Int(place.rounded(.up)))
        if low == high { return Scalar(.float8, .double(values[low])) }
        let part = place - Double(low)
        return Scalar(.float8, .double(values[low] + part * (values[high] - values[low])))
    }

    private static let continuousIntervals = AggregateOverload(
        "percentile_cont", [.type(.float8), .type(.interval)]
    ) { (_) throws(SQLError) in
        AggregateBinding(arguments: [.float8, .interval], result: .interval) {
            CollectingAggregate(.interval, required: 1) { (rows, group) throws(SQLError) in
                guard rows.count(group) > 0, let fraction = try fraction(rows, group, 0) else {
                    return .null(.interval)
                }
                var values: [Interval] = []
                try rows.each(group) { (columns, row) throws(SQLError) in
                    values.append(columns[1].storage.pointer(Interval.self)[columns[1].slot(row)])
                }
                let place = fraction * Double(values.count - 1)
                let (low, high) = (Int(place.rounded(.down)), Int(place.rounded(.up)))
                guard low != high else { return Scalar(.interval, .interval(values[low])) }
                let step = try values[high].adding(values[low].negated()).multiplied(by: place - Double(low))
                return Scalar(.interval, .interval(try values[low].adding(step)))
            }
        }
    }

    private static func discrete(_ name: String, fraction: Int, value: Int) -> AggregateOverload {
        let parameters: [Parameter] = fraction == 0 ? [.type(.float8), .any] : [.any, .type(.float8)]
        return AggregateOverload(name, parameters) { (call) throws(SQLError) in
            var arguments = call.types
            arguments[fraction] = .float8
            let type = call.types[value]
            return AggregateBinding(arguments: arguments, result: type) {
                CollectingAggregate(type, required: value) { (rows, group) throws(SQLError) in
                    let fraction = try self.fraction(rows, group, fraction)
                    guard rows.count(group) > 0, let fraction else { return .null(type) }
                    let values = try value == 0 ? sorted(rows, group, value) : self.values(rows, group, value)
                    // The first value whose share of rows reaches the fraction.
                    let place = Int((fraction * Double(values.count)).rounded(.up))
                    return values[max(0, place - 1)]
                }
            }
        }
    }

    private static func values(_ rows: CollectedRows, _ group: Int, _ argument: Int) throws(SQLError) -> [Scalar] {
        var values: [Scalar] = []
        values.reserveCapacity(rows.count(group))
        try rows.each(group) { (columns, row) throws(SQLError) in values.append(columns[argument].scalar(row)) }
        return values
    }

    private static func sorted(_ rows: CollectedRows, _ group: Int, _ argument: Int) throws(SQLError) -> [Scalar] {
        try values(rows, group, argument).sorted { (Scalar.compare($0, $1) ?? 0) < 0 }
    }

    /// The most frequent value; of several the first by WITHIN GROUP's order.
    private static func mode(_ rows: CollectedRows, _ group: Int, _ type: SQLType) throws(SQLError) -> Scalar {
        let values = try values(rows, group, 0)
        guard var best = values.first else { return .null(type) }
        var (bestRun, run) = (0, 0)
        for (index, value) in values.enumerated() {
            run = index > 0 && Scalar.compare(values[index - 1], value) == 0 ? run + 1 : 1
            if run > bestRun { (best, bestRun) = (value, run) }
        }
        return best
    }

    // MARK: arg_min, arg_max

    private static let arguments: [AggregateOverload] = [
        ("arg_min", false), ("min_by", false), ("argmin", false), ("arg_max", true), ("max_by", true), ("argmax", true),
    ].map { name, isMax in
        AggregateOverload(name, [.any, .any]) { (call) throws(SQLError) in
            AggregateBinding(arguments: call.types, result: call.types[0]) {
                BestRow(isMax: isMax, type: call.types[0], keyType: call.types[1])
            }
        }
    }
}

/// Keeps for each group the value of the row with the least or greatest key.
final class BestRow: Aggregate {
    private var values: [Scalar] = []
    private var keys: [Scalar] = []
    private let isMax: Bool
    private let type: SQLType
    private let keyType: SQLType

    init(isMax: Bool, type: SQLType, keyType: SQLType) {
        self.isMax = isMax
        self.type = type
        self.keyType = keyType
    }

    private func grow(_ groups: Int) {
        while values.count < max(groups, 1) {
            values.append(.null(type))
            keys.append(.null(keyType))
        }
    }

    private func offer(_ key: Scalar, _ group: Int, _ value: () -> Scalar) {
        if !keys[group].isNull {
            let order = Scalar.compare(key, keys[group]) ?? 0
            guard isMax ? order > 0 : order < 0 else { return }
        }
        keys[group] = key
        values[group] = value()
    }

    func update(_ arguments: [Column], groups: GroupNumbers) throws(SQLError) {
        grow(groups.groups)
        let validity = Loops.validity([Flatten.flat(arguments[0]), Flatten.flat(arguments[1])], groups.rows)
        try groups.each(validity.map { UnsafePointer($0.pointer(UInt64.self)) }) { (group, row) throws(SQLError) in
            offer(arguments[1].scalar(row), group) { arguments[0].scalar(row) }
        }
    }

    func merge(_ other: any Aggregate, groups: GroupNumbers) throws(SQLError) {
        guard let other = other as? BestRow else { throw AggregateResult.mismatch }
        grow(groups.groups)
        for index in 0..<min(groups.rows, other.keys.count) where !other.keys[index].isNull {
            offer(other.keys[index], groups.group(index)) { other.values[index] }
        }
    }

    func finish(_ range: Range<Int>) throws(SQLError) -> Column {
        let builder = ColumnBuilder(type, capacity: range.count)
        for group in range { builder.append(group < values.count ? values[group] : .null(type)) }
        return builder.finish()
    }

    var sizeBytes: Int { values.count * 2 * MemoryLayout<Scalar>.stride }
}

/// first, last and any_value.
final class PickedRow: Aggregate {
    enum Pick: Sendable { case first, last, any }
    private var values: [Scalar?] = []
    private let pick: Pick
    private let type: SQLType

    init(_ pick: Pick, type: SQLType) {
        self.pick = pick
        self.type = type
    }

    private func grow(_ groups: Int) { while values.count < max(groups, 1) { values.append(nil) } }

    func update(_ arguments: [Column], groups: GroupNumbers) throws(SQLError) {
        grow(groups.groups)
        let column = arguments[0]
        // any_value passes over NULLs; first and last take the row as it is.
        let validity = pick == .any ? Flatten.validity(column) : nil
        let valid = validity.map { UnsafePointer($0.pointer(UInt64.self)) }
        if pick == .last {
            // From the end, so that each group reads one value.
            var seen: Set<Int> = []
            for row in stride(from: groups.rows - 1, through: 0, by: -1) {
                let group = groups.group(row)
                if groups.numbers == nil, !seen.isEmpty { break }
                if seen.insert(group).inserted { values[group] = column.scalar(row) }
            }
            return
        }
        if groups.numbers == nil, values[0] != nil { return }
        try groups.each(valid) { (group, row) throws(SQLError) in
            if values[group] == nil { values[group] = column.scalar(row) }
        }
    }

    func merge(_ other: any Aggregate, groups: GroupNumbers) throws(SQLError) {
        guard let other = other as? PickedRow else { throw AggregateResult.mismatch }
        grow(groups.groups)
        for index in 0..<min(groups.rows, other.values.count) {
            let group = groups.group(index)
            if let value = other.values[index], pick == .last || values[group] == nil { values[group] = value }
        }
    }

    func finish(_ range: Range<Int>) throws(SQLError) -> Column {
        let builder = ColumnBuilder(type, capacity: range.count)
        for group in range { builder.append((group < values.count ? values[group] : nil) ?? .null(type)) }
        return builder.finish()
    }

    var sizeBytes: Int { values.count * MemoryLayout<Scalar?>.stride }
}
