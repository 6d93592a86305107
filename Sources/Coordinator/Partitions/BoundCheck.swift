// The bound of a new partition: evaluated, of its parent's strategy, and apart from the bounds that are there.
import Catalogs
import Columns
import Diagnostics
import Planner
import Syntax

/// Checks bounds against a parent.
struct BoundCheck {
    let parent: Session.PartitionParent
    let context: PlanContext

    private static let invalid = SQLState("42P17")

    private enum Value {
        case minimum, maximum, null
        case scalar(Scalar)
    }

    private static let wrongTable = SQLState("42P16")

    private func invalid(_ text: String, _ at: Int) -> SQLError { SQLError(BoundCheck.invalid, text, position: at) }
    private func wrong(_ text: String, _ at: Int) -> SQLError { SQLError(BoundCheck.wrongTable, text, position: at) }

    /// The bound with its values as texts.
    func stored(_ bound: PartitionBound, for name: String, at: Int) throws(SQLError) -> StoredBound {
        let strategy = parent.by.strategy
        let made: StoredBound
        switch bound {
        case .rest:
            guard strategy != .hash else {
                throw wrong("a hash-partitioned table may not have a default partition", at)
            }
            made = StoredBound(.rest)
        case .hash(let modulus, let remainder):
            guard strategy == .hash else { throw wrongStrategy(at) }
            guard modulus > 0 else {
                throw wrong("modulus for hash partition must be an integer value greater than zero", at)
            }
            guard remainder < modulus else {
                throw wrong("remainder for hash partition must be less than modulus", at)
            }
            made = StoredBound(.hash(modulus: modulus, remainder: remainder))
        case .list(let expressions):
            guard strategy == .list else { throw wrongStrategy(at) }
            var data: [StoredBound.Datum] = []
            for expression in expressions {
                let value = text(try value(expression, parent.keyTypes[0]))
                if !data.contains(value) { data.append(value) }
            }
            made = StoredBound(.list(data))
        case .range(let from, let to):
            guard strategy == .range else { throw wrongStrategy(at) }
            let count = parent.by.keys.count
            guard from.count == count else {
                throw wrong("FROM must specify exactly one value per partitioning column", at)
            }
            guard to.count == count else {
                throw wrong("TO must specify exactly one value per partitioning column", at)
            }
            made = StoredBound(.range(from: try texts(from, at), to: try texts(to, at)))
        }
        try checkApart(made, name, at)
        return made
    }

    private func wrongStrategy(_ at: Int) -> SQLError {
        wrong("invalid bound specification for a \(parent.by.strategy.rawValue) partition", at)
    }

    private func value(_ expression: Expression, _ type: SQLType) throws(SQLError) -> Scalar {
        try Binder.value(of: expression, as: type, context: context)
    }

    private func text(_ value: Scalar) -> StoredBound.Datum {
        value.outputText().map { .value($0) } ?? .null
    }

    private func texts(_ data: [PartitionBound.Datum], _ at: Int) throws(SQLError) -> [StoredBound.Datum] {
        var list: [StoredBound.Datum] = []
        for (datum, type) in zip(data, parent.keyTypes) {
            switch datum {
            case .minimum: list.append(.minimum)
            case .maximum: list.append(.maximum)
            case .value(let expression):
                let value = try value(expression, type)
                guard !value.isNull else { throw invalid("cannot specify NULL in range bound", expression.position) }
                list.append(text(value))
            }
            if let last = list.dropLast().last, last == .minimum || last == .maximum, list.last != last {
                let word = last == .minimum ? "MINVALUE" : "MAXVALUE"
                throw SQLError(
                    .datatypeMismatch, "every bound following \(word) must also be \(word)", position: at)
            }
        }
        return list
    }

    // MARK: - Apart from the others

    private func checkApart(_ bound: StoredBound, _ name: String, _ at: Int) throws(SQLError) {
        if case .range(let from, let to) = bound.kind, try compare(from, to) >= 0 {
            throw SQLError(
                BoundCheck.invalid, "empty range bound specified for partition \"\(name)\"", position: at)
        }
        for other in parent.partitions {
            switch (bound.kind, other.bound.kind) {
            case (.rest, .rest):
                throw invalid(
                    "partition \"\(name)\" conflicts with existing default partition \"\(other.name.name)\"", at)
            case (.hash(let m, let r), .hash(let n, let s)):
                guard max(m, n) % min(m, n) == 0 else {
                    throw SQLError(
                        BoundCheck.invalid,
                        "every hash partition modulus must be a factor of the next larger modulus",
                        detail: "The new modulus \(m) does not go with \(n), the modulus of existing partition "
                            + "\"\(other.name.name)\".", position: at)
                }
                guard r % min(m, n) != s % min(m, n) else { throw overlap(name, other.name.name, at) }
            case (.list(let data), .list(let others)):
                guard !data.contains(where: { others.contains($0) }) else {
                    throw overlap(name, other.name.name, at)
                }
            case (.range(let from, let to), .range(let otherFrom, let otherTo)):
                let (above, below) = (try compare(to, otherFrom), try compare(otherTo, from))
                guard above <= 0 || below <= 0 else { throw overlap(name, other.name.name, at) }
            default: break
            }
        }
    }

    private func overlap(_ name: String, _ other: String, _ at: Int) -> SQLError {
        invalid("partition \"\(name)\" would overlap partition \"\(other)\"", at)
    }

    private func compare(
        _ left: [StoredBound.Datum], _ right: [StoredBound.Datum]
    ) throws(SQLError) -> Int {
        for (index, (a, b)) in zip(left, right).enumerated() {
            let order: Int
            switch (a, b) {
            case (.minimum, .minimum), (.maximum, .maximum): return 0
            case (.minimum, _), (_, .maximum): return -1
            case (.maximum, _), (_, .minimum): return 1
            default: order = try compare(a, b, parent.keyTypes[index])
            }
            if order != 0 { return order }
        }
        return 0
    }

    private func compare(
        _ left: StoredBound.Datum, _ right: StoredBound.Datum, _ type: SQLType
    ) throws(SQLError) -> Int {
        guard case .value(let a) = left, case .value(let b) = right, a != b else { return 0 }
        let first = try value(Expression(.string(a), position: 0), type)
        let second = try value(Expression(.string(b), position: 0), type)
        guard let order = Scalar.compare(first, second) else {
            throw SQLError(.featureNotSupported, "PARTITION BY RANGE over type \(type.name) is not supported")
        }
        return order
    }
}
