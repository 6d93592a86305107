// Type names to types, and literals whose type is written before them.
public import Columns
public import Diagnostics
import Functions
public import Syntax

/// Types as SQL writes them.
public enum TypeNames {
    /// Returns the type that a name stands for. Throws 42704 for an unknown name.
    public static func type(_ name: TypeName, _ user: UserTypes = UserTypes()) throws(SQLError) -> SQLType {
        var type: SQLType
        if name.schema == nil || name.schema == "pg_catalog" {
            type = try base(name, user)
        } else {
            guard let found = user[name] else { throw unknown(name) }
            type = try self.type(of: found, name, user)
        }
        guard name.arrayDimensions <= dimensionsMax else {
            throw SQLError(
                .programLimitExceeded, "arrays of more than \(dimensionsMax) dimensions are not supported",
                position: name.position)
        }
        for _ in 0..<name.arrayDimensions { type = .array(type) }
        return type
    }

    /// PostgreSQL's most dimensions of an array.
    private static let dimensionsMax = 6

    /// Structs and maps; nil for other types.
    private static func nested(_ name: TypeName, _ user: UserTypes) throws(SQLError) -> SQLType? {
        guard !name.parts.isEmpty else { return nil }
        if name.name == "map" {
            guard name.parts.count == 2 else {
                throw SQLError(.syntaxError, "map needs two types: map(text, integer)", position: name.position)
            }
            return .map(key: try type(name.parts[0].type, user), value: try type(name.parts[1].type, user))
        }
        var fields: [StructField] = []
        var names: Set<String> = []
        for part in name.parts {
            let field = part.name?.value ?? ""
            guard names.insert(field.lowercased()).inserted else {
                throw SQLError(
                    .duplicateColumn, "field \"\(field)\" specified more than once", position: part.name?.position)
            }
            fields.append(StructField(field, try type(part.type, user)))
        }
        return .row(fields)
    }

    /// Whether the program has a type of this name.
    static func isBuiltIn(_ name: String) -> Bool { plain[name] != nil || modified.contains(name) }

    /// Types that take modifiers.
    private static let modified: Set<String> = [
        "float", "numeric", "decimal", "dec", "varchar", "character varying", "char varying", "nvarchar", "char",
        "character", "nchar", "bpchar", "bit", "varbit", "bit varying", "time", "time without time zone", "timetz",
        "time with time zone", "timestamp",
        "timestamp without time zone", "timestamptz", "timestamp with time zone", "interval",
    ]

    private static func base(_ name: TypeName, _ user: UserTypes) throws(SQLError) -> SQLType {
        if let nested = try nested(name, user) { return nested }
        if let plain = plain[name.name] {
            guard name.modifiers.isEmpty else {
                throw SQLError(
                    .syntaxError, "type modifier is not allowed for type \"\(name.name)\"", position: name.position)
            }
            return plain
        }
        switch name.name {
        case "float": return try float(name)
        case "numeric", "decimal", "dec": return try numeric(name)
        case "varchar", "character varying", "char varying", "nvarchar":
            return .varchar(try length(name))
        case "char", "character", "nchar": return .char(try length(name) ?? 1)
        case "bit": return .bit(try length(name) ?? 1)
        case "varbit", "bit varying": return .varbit(try length(name))
        case "bpchar": return try length(name).map { .char($0) } ?? .text
        case "time", "time without time zone": return try withPrecision(.time, name)
        case "timetz", "time with time zone": return try withPrecision(.system(.timetz), name)
        case "timestamp", "timestamp without time zone": return try withPrecision(.timestamp, name)
        case "timestamptz", "timestamp with time zone": return try withPrecision(.timestamptz, name)
        case "interval": return try withPrecision(.interval, name)
        default:
            if let found = user[name] { return try type(of: found, name, user) }
            if name.name.hasPrefix("_"), name.arrayDimensions == 0 {
                var element = name
                element.name = String(name.name.dropFirst())
                return .array(try type(element, user))
            }
            throw unknown(name)
        }
    }

    private static let plain: [String: SQLType] = [
        "bigint": .int8, "bool": .boolean, "boolean": .boolean, "bytea": .bytea, "date": .date, "double": .float8,
        "double precision": .float8, "float4": .float4, "float8": .float8, "int": .int4, "int2": .int2, "int4": .int4,
        "int8": .int8, "integer": .int4, "real": .float4, "smallint": .int2, "string": .text, "text": .text,
        "uuid": .uuid, "json": .json, "jsonb": .jsonb,
        // DuckDB's names.
        "short": .int2, "tinyint": .int2, "int16": .int2, "int32": .int4, "int64": .int8,
        "bitstring": .varbit(nil), "signed": .int4, "long": .int8,
        "hugeint": .decimal(precision: SQLType.precisionMax, scale: 0), "blob": .bytea, "binary": .bytea,
        "varbinary": .bytea, "datetime": .timestamp, "logical": .boolean,
        // Paths are checked where they are used.
        "jsonpath": .text,
    ].merging(SystemType.allCases.filter { $0 != .timetz }.map { ($0.rawValue, .system($0)) }) { first, _ in first }

    private static func unknown(_ name: TypeName) -> SQLError {
        let full = name.schema.map { "\($0).\(name.name)" } ?? name.name
        return SQLError(.undefinedObject, "type \"\(full)\" does not exist", position: name.position)
    }

    /// `float(p)`: bits of precision.
    private static func float(_ name: TypeName) throws(SQLError) -> SQLType {
        guard let bits = name.modifiers.first else { return .float8 }
        guard name.modifiers.count == 1, bits >= 1 else {
            throw SQLError(
                .invalidParameterValue, "precision for type float must be at least 1 bit", position: name.position)
        }
        guard bits <= 53 else {
            throw SQLError(
                .invalidParameterValue, "precision for type float must be less than 54 bits", position: name.position)
        }
        return bits <= 24 ? .float4 : .float8
    }

    private static func numeric(_ name: TypeName) throws(SQLError) -> SQLType {
        guard let precision = name.modifiers.first else { return .numeric }
        guard name.modifiers.count <= 2 else {
            throw SQLError(.invalidParameterValue, "invalid NUMERIC type modifier", position: name.position)
        }
        guard (1...numericPrecisionMax).contains(precision) else {
            throw SQLError(
                .invalidParameterValue,
                "NUMERIC precision \(precision) must be between 1 and \(numericPrecisionMax)", position: name.position)
        }
        let scale = name.modifiers.count > 1 ? name.modifiers[1] : 0
        guard (0...min(precision, SQLType.precisionMax)).contains(scale) else {
            throw SQLError(
                .invalidParameterValue,
                "NUMERIC scale \(scale) must be between 0 and precision \(min(precision, SQLType.precisionMax))",
                position: name.position)
        }
        // More digits than fixed decimals have: values keep scales of their own, rounded by `fitted`.
        return precision > SQLType.precisionMax ? .numeric : .decimal(precision: precision, scale: scale)
    }

    /// Precision and scale of numeric(p, s) with more digits than fixed decimals have; nil for other types.
    public static func wideNumeric(_ name: TypeName) -> (precision: Int, scale: Int)? {
        guard ["numeric", "decimal", "dec"].contains(name.name), name.arrayDimensions == 0,
            let precision = name.modifiers.first, precision > SQLType.precisionMax
        else { return nil }
        return (precision, name.modifiers.count > 1 ? name.modifiers[1] : 0)
    }

    private static func length(_ name: TypeName) throws(SQLError) -> Int? {
        guard let length = name.modifiers.first else { return nil }
        guard name.modifiers.count == 1 else {
            throw SQLError(.invalidParameterValue, "invalid type modifier", position: name.position)
        }
        let isBits = name.name.hasPrefix("bit") || name.name == "varbit"
        let isVarying = name.name.hasPrefix("v") || name.name.hasSuffix("varying")
        let word = isBits ? isVarying ? "varbit" : "bit" : isVarying ? "varchar" : "char"
        let lengthMax = isBits ? bitsMax : lengthMax
        guard length >= 1 else {
            throw SQLError(
                .invalidParameterValue, "length for type \(word) must be at least 1", position: name.position)
        }
        guard length <= lengthMax else {
            throw SQLError(
                .invalidParameterValue, "length for type \(word) cannot exceed \(lengthMax)", position: name.position)
        }
        return length
    }

    /// Types of time keep microseconds; a smaller precision is rounded to when a value is cast.
    private static func withPrecision(_ type: SQLType, _ name: TypeName) throws(SQLError) -> SQLType {
        guard name.modifiers.count <= 1 else {
            throw SQLError(.invalidParameterValue, "invalid type modifier", position: name.position)
        }
        if let precision = name.modifiers.first, precision < 0 {
            throw SQLError(
                .invalidParameterValue, "\(name.name.uppercased())(\(precision)) precision must not be negative",
                position: name.position)
        }
        return type
    }

    /// PostgreSQL's largest precision of numeric.
    private static let numericPrecisionMax = 1_000
    /// PostgreSQL's longest char and varchar.
    private static let lengthMax = 10_485_760
    /// PostgreSQL's longest string of bits.
    private static let bitsMax = 83_886_080
}

extension QueryBinder {
    /// `date '2026-01-07'`, `interval '1' day`.
    func typedLiteral(_ name: TypeName, _ text: String, _ at: Int?) throws(SQLError) -> Typed {
        let type = try TypeNames.type(name, snapshot.types)
        var text = text
        if type == .interval, !name.intervalFields.isEmpty {
            text = IntervalFields.complete(text, fields: name.intervalFields)
        }
        let literal = Typed(.literal(Scalar(.unknown, .string(text))), at)
        var expr = try coerce(literal, to: type, .explicit)
        if type == .interval, let last = name.intervalFields.last, case .literal(let scalar) = expr,
            case .interval(let value) = scalar.value
        {
            expr = .literal(Scalar(.interval, .interval(IntervalFields.truncate(value, to: last))))
        }
        return Typed(try rounded(expr, name, at), at)
    }

    /// Rounds times to the precision of `timestamp(3)`.
    func rounded(_ expr: Expr, _ name: TypeName, _ at: Int?) throws(SQLError) -> Expr {
        if let found = snapshot.types[name], found.domain != nil, name.arrayDimensions == 0 {
            return try checked(expr, found, at)
        }
        if let wide = TypeNames.wideNumeric(name) { return try fitted(expr, wide.precision, wide.scale, at) }
        if name.name == "jsonpath", name.arrayDimensions == 0 {
            let path = try call("jsonpath", [Typed(expr, at)], at)
            guard case .literal = expr else { return path }
            return .literal(try ConstantFold.evaluate(path, context.functions))
        }
        guard name.arrayDimensions == 0, let precision = name.modifiers.first, precision < 6 else { return expr }
        switch expr.type {
        case .time, .timestamp, .timestamptz, .interval: break
        case .system(.timetz):
            return try call("timetz", [Typed(expr, at), Typed(.literal(.int4(Int32(max(0, precision)))), at)], at)
        default: return expr
        }
        guard case .literal(let scalar) = expr else {
            guard expr.type == .timestamp || expr.type == .timestamptz else {
                let digits = Typed(.literal(.int4(Int32(max(0, precision)))), at)
                return try call(expr.type == .time ? "time" : "interval", [Typed(expr, at), digits], at)
            }
            return try roundedTimestamp(expr, precision, at)
        }
        let unit = IntervalFields.microseconds(precision)
        switch scalar.value {
        case .int(let value) where value != .max && value != .min:
            return .literal(Scalar(scalar.type, .int(IntervalFields.round(value, unit))))
        case .interval(var value):
            value.microseconds = IntervalFields.round(value.microseconds, unit)
            return .literal(Scalar(.interval, .interval(value)))
        default: return expr
        }
    }

    /// Brings a numeric to the digits of numeric(precision, scale).
    func fitted(_ expr: Expr, _ precision: Int, _ scale: Int, _ at: Int?) throws(SQLError) -> Expr {
        func number(_ value: Int) -> Typed { Typed(.literal(.int4(Int32(clamping: value))), at) }
        return try call("numeric_fit", [Typed(expr, at), number(precision), number(scale)], at)
    }

    /// Half a unit more, then cut to whole units.
    private func roundedTimestamp(_ expr: Expr, _ precision: Int, _ at: Int?) throws(SQLError) -> Expr {
        let unit = IntervalFields.microseconds(precision)
        func interval(_ microseconds: Int64) -> Typed {
            Typed(.literal(Scalar(.interval, .interval(Interval(microseconds: microseconds)))), at)
        }
        let raised = try operation("+", Typed(expr, at), interval(unit / 2), at)
        let origin = Typed(.literal(Scalar(expr.type, .int(0))), at)
        return try call("date_bin", [interval(unit), Typed(raised, at), origin], at)
    }
}

/// The fields behind INTERVAL.
enum IntervalFields {
    /// A bare number counts in the last field; `m:s` needs its hour.
    static func complete(_ text: String, fields: [String]) -> String {
        guard let last = fields.last else { return text }
        let trimmed = text.filter { $0 != " " }
        let body = trimmed.hasPrefix("-") || trimmed.hasPrefix("+") ? trimmed.dropFirst() : trimmed[...]
        let isNumber = !body.isEmpty && body.allSatisfy { ("0"..."9").contains($0) || $0 == "." }
        if isNumber { return "\(trimmed) \(last)" }
        let colons = trimmed.filter { $0 == ":" }.count
        if fields.first == "minute", last == "second", colons == 1 {
            return trimmed.hasPrefix("-") ? "-00:\(body)" : "00:\(body)"
        }
        return text
    }

    /// Drops what is smaller than the last field.
    static func truncate(_ value: Interval, to field: String) -> Interval {
        switch field {
        case "year": Interval(months: value.months / 12 * 12)
        case "month": Interval(months: value.months)
        case "day": Interval(months: value.months, days: value.days)
        case "hour", "minute":
            Interval(
                months: value.months, days: value.days,
                microseconds: value.microseconds / (field == "hour" ? 3_600_000_000 : 60_000_000)
                    * (field == "hour" ? 3_600_000_000 : 60_000_000))
        default: value
        }
    }

    /// Microseconds of the smallest unit that a precision keeps.
    static func microseconds(_ precision: Int) -> Int64 {
        var unit: Int64 = 1
        for _ in max(0, precision)..<6 { unit *= 10 }
        return unit
    }

    /// Rounds half away from zero; near the ends of the range the value stays.
    static func round(_ value: Int64, _ unit: Int64) -> Int64 {
        let half = value < 0 ? -(unit / 2) : unit / 2
        let (raised, overflow) = value.addingReportingOverflow(half)
        return overflow ? value : raised / unit * unit
    }
}
