// Partition projection: the partitions of a table computed from its properties, as Athena's, so that no folder of keys is
// listed. Each matching partition is one prefix.

import Catalogs
import Columns
import Diagnostics
import Foundation
import Storage

/// Which partitions a table can have, and where they are.
struct Projection: Sendable {
    /// How the values of a key are found.
    enum Kind: Sendable {
        case enumeration([String])
        case integer(range: ClosedRange<Int64>, interval: Int64, digits: Int)
        case date(ProjectedDates)
        /// Only what the query says: it must.
        case injected
    }

    /// One value of a key: as it is written in paths, and as it is read.
    private struct Value {
        var text: String
        var scalar: Scalar
    }

    /// Partitions of one query; more are a mistake in a range.
    static let partitionsMax = 500_000
    /// Values of one key.
    static let valuesMax = 1_000_000

    private let keys: [Field]
    private let kinds: [Kind]
    /// Texts, and keys by index.
    private let template: [Piece]
    private let location: String

    private enum Piece {
        case text(String)
        case key(Int)
    }

    /// Whether an option is about projection.
    static func isOption(_ name: String) -> Bool {
        name.lowercased().hasPrefix("projection.") || name.lowercased() == "storage.location.template"
    }

    /// Nil when projection is not switched on.
    init?(_ options: [String: String], keys: [Field], location: String) throws(SQLError) {
        var properties: [String: String] = [:]
        for (name, value) in options { properties[name.lowercased()] = value }
        guard properties["projection.enabled"]?.lowercased() == "true" else { return nil }
        guard !keys.isEmpty else {
            throw Projection.invalid("partition projection needs PARTITIONED BY with the keys and their types")
        }
        self.keys = keys
        self.location = location
        var kinds: [Kind] = []
        for key in keys { kinds.append(try Projection.kind(of: key.name.lowercased(), properties)) }
        self.kinds = kinds
        template = try Projection.pieces(properties["storage.location.template"], keys, location)
        for name in properties.keys where name != "projection.enabled" && name != "storage.location.template" {
            let parts = name.dropFirst("projection.".count).split(separator: ".", maxSplits: 1)
            let isKnown =
                parts.count == 2 && keys.position(of: String(parts[0])) != nil
                && Projection.properties.contains(String(parts[1]))
            guard isKnown else { throw Projection.invalid("unrecognized property \"\(name)\" of partition projection") }
        }
    }

    private static let properties: Set = [
        "type", "values", "range", "interval", "digits", "format", "interval.unit",
    ]

    static func invalid(_ why: String) -> SQLError { SQLError(.invalidParameterValue, why) }

    // MARK: - Properties

    private static func kind(of key: String, _ properties: [String: String]) throws(SQLError) -> Kind {
        func property(_ name: String) -> String? { properties["projection.\(key).\(name)"] }
        func number(_ name: String, _ standard: Int64) throws(SQLError) -> Int64 {
            guard let text = property(name) else { return standard }
            guard let number = Int64(text), number > 0 else {
                throw invalid("property \"projection.\(key).\(name)\" requires a number above 0, not \"\(text)\"")
            }
            return number
        }
        func range() throws(SQLError) -> [String] {
            let ends = (property("range") ?? "").split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) }
            guard ends.count == 2 else {
                throw invalid("property \"projection.\(key).range\" requires two values and a comma")
            }
            return ends
        }
        switch property("type")?.lowercased() {
        case "enum":
            let values = (property("values") ?? "").split(separator: ",", omittingEmptySubsequences: false)
            guard !values.isEmpty else { throw invalid("property \"projection.\(key).values\" is missing") }
            return .enumeration(values.map { $0.trimmingCharacters(in: .whitespaces) })
        case "integer":
            let ends = try range()
            guard let low = Int64(ends[0]), let high = Int64(ends[1]), low <= high else {
                throw invalid("property \"projection.\(key).range\" requires two ascending integers")
            }
            let digits = property("digits") == nil ? 0 : try number("digits", 1)
            return .integer(range: low...high, interval: try number("interval", 1), digits: Int(min(digits, 19)))
        case "date":
            let ends = try range()
            return .date(
                try ProjectedDates(
                    key, format: property("format") ?? "yyyy-MM-dd", from: ends[0], to: ends[1],
                    interval: try number("interval", 1), unit: property("interval.unit")))
        case "injected": return .injected
        case nil: throw invalid("property \"projection.\(key).type\" is missing")
        case .some(let other):
            throw SQLError(
                .invalidParameterValue, "projection type \"\(other)\" is not known",
                hint: "Types are enum, integer, date and injected.")
        }
    }

    private static func pieces(
        _ template: String?, _ keys: [Field], _ location: String
    ) throws(SQLError) -> [Piece] {
        guard let template else {
            var pieces: [Piece] = []
            for (index, key) in keys.enumerated() {
                pieces.append(.text((index > 0 ? "/" : "") + key.name + "="))
                pieces.append(.key(index))
            }
            return [.text(location.hasSuffix("/") ? location : location + "/")] + pieces
        }
        var pieces: [Piece] = []
        var rest = template[...]
        while let open = rest.range(of: "${") {
            guard let close = rest[open.upperBound...].firstIndex(of: "}"),
                let key = keys.position(of: String(rest[open.upperBound..<close]))
            else { throw invalid("\"storage.location.template\" names a key that the table does not have") }
            pieces.append(.text(String(rest[..<open.lowerBound])))
            pieces.append(.key(key))
            rest = rest[rest.index(after: close)...]
        }
        pieces.append(.text(String(rest)))
        for index in keys.indices {
            let isNamed = pieces.contains { piece in
                if case .key(index) = piece { true } else { false }
            }
            guard isNamed else { throw invalid("\"storage.location.template\" lacks the key \"\(keys[index].name)\"") }
        }
        return pieces
    }

    // MARK: - Partitions

    /// The folders that can hold matches, with the values of their keys.
    func partitions(_ domains: [Int: ColumnDomain]) throws(SQLError) -> [(folder: ObjectPath, values: [Scalar])] {
        let now = Int64(Date().timeIntervalSince1970)
        var values: [[Value]] = []
        var count = 1
        for index in keys.indices {
            let found = try self.values(index, domains[index] ?? .all, now)
            if found.isEmpty { return [] }
            count = count.multipliedReportingOverflow(by: found.count).overflow ? .max : count * found.count
            guard count <= Projection.partitionsMax else {
                throw SQLError(
                    .programLimitExceeded,
                    "more than \(Projection.partitionsMax) partitions would have to be looked at",
                    hint: "Ask for fewer values of the partition keys, or project smaller ranges.")
            }
            values.append(found)
        }
        var partitions: [(folder: ObjectPath, values: [Scalar])] = []
        partitions.reserveCapacity(count)
        var at = Array(repeating: 0, count: keys.count)
        while true {
            var text = ""
            for piece in template {
                switch piece {
                case .text(let part): text += part
                case .key(let key): text += values[key][at[key]].text
                }
            }
            while text.hasSuffix("/"), !text.hasSuffix("://") { text.removeLast() }
            partitions.append((try ObjectPath(text), keys.indices.map { values[$0][at[$0]].scalar }))
            var key = keys.count - 1
            while key >= 0 {
                at[key] += 1
                if at[key] < values[key].count { break }
                at[key] = 0
                key -= 1
            }
            if key < 0 { return partitions }
        }
    }

    private func values(_ index: Int, _ domain: ColumnDomain, _ now: Int64) throws(SQLError) -> [Value] {
        var result: [Value] = []
        func add(_ text: String, _ scalar: Scalar) throws(SQLError) {
            guard domain.mayMatch(scalar) else { return }
            guard result.count < Projection.valuesMax else { throw tooMany(index) }
            result.append(Value(text: text, scalar: scalar))
        }
        let key = keys[index]
        let path = try ObjectPath(location)
        switch kinds[index] {
        case .enumeration(let texts):
            for text in texts { try add(text, try PartitionPath.scalar(text, of: key, in: path)) }
        case .integer(let range, let interval, let digits):
            var number = Projection.start(of: range, interval, domain)
            while number <= range.upperBound {
                if case .int(let high)? = domain.high?.value, number > high { break }
                let text = Projection.padded(number, digits)
                try add(text, try PartitionPath.scalar(text, of: key, in: path))
                let next = number.addingReportingOverflow(interval)
                if next.overflow { break }
                number = next.partialValue
            }
        case .date(let dates):
            for moment in try dates.moments(now, valuesMax: Projection.valuesMax) {
                let text = dates.text(moment)
                try add(text, try dates.scalar(moment, text, key, path))
            }
        case .injected:
            let wanted = domain.values ?? domain.single.map { [$0] }
            guard let wanted, !domain.allowsNull else {
                throw SQLError(
                    .invalidParameterValue, "the partition key \"\(key.name)\" must be compared with constants",
                    detail: "Its projection is \"injected\": the query says which values there are.",
                    hint: "Add a condition such as \(key.name) = '...'.")
            }
            for scalar in wanted { try add(Projection.injectedText(scalar), scalar) }
        }
        return result
    }

    private func tooMany(_ index: Int) -> SQLError {
        SQLError(.programLimitExceeded, "the partition key \"\(keys[index].name)\" has too many projected values")
    }

    /// The first number of a range that is not below the domain.
    private static func start(of range: ClosedRange<Int64>, _ interval: Int64, _ domain: ColumnDomain) -> Int64 {
        guard case .int(let low)? = domain.low?.value, low > range.lowerBound else { return range.lowerBound }
        let distance = min(low, range.upperBound).subtractingReportingOverflow(range.lowerBound)
        return distance.overflow ? range.lowerBound : range.lowerBound + distance.partialValue / interval * interval
    }

    private static func padded(_ number: Int64, _ digits: Int) -> String {
        let text = String(number.magnitude)
        let zeros = String(repeating: "0", count: max(0, digits - text.utf8.count))
        return (number < 0 ? "-" : "") + zeros + text
    }

    private static func injectedText(_ scalar: Scalar) -> String {
        if case .string(let text) = scalar.value { return text }
        let column = Column.constant(scalar, count: 1)
        var bytes: [UInt8] = []
        TextForm.append(column, 0, zone: .utc, to: &bytes)
        return String(decoding: bytes, as: UTF8.self)
    }
}
