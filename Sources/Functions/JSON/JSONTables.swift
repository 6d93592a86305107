// JSON files as tables: which columns their values have, and the columns of values.
public import Columns
public import Diagnostics

/// What values of a JSON file look like, value by value.
public struct JSONGuess: Sendable {
    private indirect enum Kind: Sendable {
        case nothing
        case boolean, bigint, wide, double
        case string(ValueGuess)
        case list(Kind)
        case object(Fields)
        /// What has no type in common.
        case any
    }

    private struct Fields: Sendable {
        var names: [String] = []
        var kinds: [Kind] = []
        var places: [String: Int] = [:]
    }

    private var kind = Kind.nothing
    private let depthMax: Int

    /// Fields of one object; more of them are no struct.
    private static let fieldsMax = 1600
    private static let nestingMax = 64

    public init(depthMax: Int?) { self.depthMax = min(depthMax ?? JSONGuess.nestingMax, JSONGuess.nestingMax) }

    /// Adds valid JSON.
    public mutating func add(_ bytes: UnsafeRawBufferPointer) {
        let scan = JSONScan(bytes)
        guard let root = scan.root else { return }
        kind = JSONGuess.merged(kind, looked(scan, root, 0))
    }

    private func looked(_ scan: JSONScan, _ range: Range<Int>, _ depth: Int) -> Kind {
        switch scan.kind(range.lowerBound) {
        case .null: return .nothing
        case .boolean: return .boolean
        case .number:
            let text = String(decoding: scan.bytes(range), as: UTF8.self)
            if Int64(text) != nil { return .bigint }
            return UInt64(text) != nil ? .wide : .double
        case .string:
            var text: [UInt8] = []
            scan.appendText(scan.inside(range), to: &text)
            var guess = ValueGuess()
            guess.add(json: String(decoding: text, as: UTF8.self))
            return .string(guess)
        case .array:
            guard depth < depthMax else { return .any }
            var kind = Kind.nothing
            var (at, isFirst) = (range.lowerBound, true)
            while let element = scan.nextElement(&at, &isFirst) {
                kind = JSONGuess.merged(kind, looked(scan, element, depth + 1))
            }
            return .list(kind)
        case .object:
            guard depth < depthMax else { return .any }
            var fields = Fields()
            var at = range.lowerBound
            while let member = scan.nextMember(&at) {
                var name: [UInt8] = []
                scan.appendText(member.key, to: &name)
                guard fields.names.count < JSONGuess.fieldsMax else { return .any }
                JSONGuess.add(String(decoding: name, as: UTF8.self), looked(scan, member.value, depth + 1), to: &fields)
            }
            return .object(fields)
        }
    }

    private static func add(_ name: String, _ kind: Kind, to fields: inout Fields) {
        if let place = fields.places[name] {
            fields.kinds[place] = merged(fields.kinds[place], kind)
        } else {
            fields.places[name] = fields.names.count
            fields.names.append(name)
            fields.kinds.append(kind)
        }
    }

    private static func merged(_ a: Kind, _ b: Kind) -> Kind {
        switch (a, b) {
        case (.nothing, _): return b
        case (_, .nothing): return a
        case (.boolean, .boolean), (.bigint, .bigint): return a
        case (.bigint, .wide), (.wide, .bigint), (.wide, .wide): return .wide
        case (.bigint, .double), (.wide, .double), (.double, .bigint), (.double, .wide), (.double, .double):
            return .double
        case (.string(let x), .string(let y)):
            var both = x
            both.merge(y)
            return .string(both)
        case (.list(let x), .list(let y)): return .list(merged(x, y))
        case (.object(let x), .object(let y)):
            var both = x
            for (name, kind) in zip(y.names, y.kinds) { add(name, kind, to: &both) }
            return both.names.count <= fieldsMax ? .object(both) : .any
        default: return .any
        }
    }

    public mutating func merge(_ other: JSONGuess) { kind = JSONGuess.merged(kind, other.kind) }

    /// The type of the values.
    public var type: SQLType { JSONGuess.type(kind) }

    /// The columns, where all values are objects.
    public var fields: [Field]? {
        guard case .object(let fields) = kind, !fields.names.isEmpty else { return nil }
        return zip(fields.names, fields.kinds).map { Field($0, JSONGuess.type($1)) }
    }

    private static func type(_ kind: Kind) -> SQLType {
        switch kind {
        case .nothing, .any: return .json
        case .boolean: return .boolean
        case .bigint: return .int8
        case .wide: return .decimal(precision: 38, scale: 0)
        case .double: return .float8
        case .string(let guess): return guess.type ?? .text
        case .list(let element): return .array(type(element))
        case .object(let fields):
            guard !fields.names.isEmpty else { return .json }
            return .row(zip(fields.names, fields.kinds).map { StructField($0, type($1)) })
        }
    }
}

/// Values of a JSON file as values of columns.
public enum JSONTables {
    /// Whether values of a type can be read from JSON.
    public static func canRead(_ type: SQLType) -> Bool { JSONTransform.shape(of: type, isStrict: true) != nil }

    /// A reader of values as one type. What is no such value is an error, but NULL if `isLenient`.
    public static func reader(
        _ type: SQLType, isLenient: Bool
    ) throws(SQLError) -> @Sendable (Column, Int) throws(SQLError) -> Column {
        guard let shape = JSONTransform.shape(of: type, isStrict: !isLenient) else {
            throw SQLError(.featureNotSupported, "values of type \(type.name) cannot be read from JSON files")
        }
        let context = FunctionContext()
        return { (column, rows) throws(SQLError) in
            try JSONTransform.read(column, rows, shape, context, isStrict: !isLenient)
        }
    }
}
