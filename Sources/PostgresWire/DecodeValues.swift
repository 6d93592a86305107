// Parameters of Bind to scalars, in text and binary format.
public import Columns
public import Diagnostics

/// Reads parameter values.
public enum ParameterDecoder {
    /// Arrays of more dimensions are refused, as in PostgreSQL (MAXDIM).
    private static let dimensionsMax = 6

    /// Reads parameter `number` (1 is $1) as a value of a type; nil bytes are NULL.
    public static func decode(
        _ bytes: ArraySlice<UInt8>?, _ format: ValueFormat, as type: SQLType, number: Int,
        context: TextParseContext = TextParseContext()
    ) throws(SQLError) -> Scalar {
        guard let bytes else { return .null(type) }
        do throws(SQLError) {
            switch format {
            case .text: return try text(bytes, type, context)
            case .binary:
                var reader = MessageReader(bytes)
                let value = try binary(&reader, type, context)
                guard reader.remaining == 0 else {
                    throw SQLError(
                        .invalidBinaryRepresentation, "incorrect binary data format in bind parameter \(number)")
                }
                return value
            }
        } catch {
            var named = error
            if named.detail == nil { named.detail = "Bind parameter $\(number) of type \(type.name)." }
            throw named
        }
    }

    private static func text(
        _ bytes: ArraySlice<UInt8>, _ type: SQLType, _ context: TextParseContext
    ) throws(SQLError) -> Scalar {
        let text = try WireText.utf8(bytes)
        if bytes.contains(0) {
            throw SQLError(.characterNotInRepertoire, "invalid byte sequence for encoding \"UTF8\": 0x00")
        }
        return try TextParse.scalar(text, as: type, context: context)
    }

    private static func integer(_ reader: inout MessageReader, _ type: SQLType) throws(SQLError) -> Scalar {
        switch type {
        case .int2: return Scalar(type, .int(Int64(Int16(bitPattern: try reader.uint16()))))
        case .int4: return Scalar(type, .int(Int64(try reader.int32())))
        default:
            // Declared as oid (four bytes) a parameter is a bigint here: the length tells.
            return Scalar(type, .int(reader.remaining == 4 ? Int64(try reader.int32()) : try reader.int64()))
        }
    }

    private static func binary(
        _ reader: inout MessageReader, _ type: SQLType, _ context: TextParseContext
    ) throws(SQLError) -> Scalar {
        switch type {
        case .boolean: return Scalar(type, .bool(try reader.byte() != 0))
        case .int2, .int4, .int8: return try integer(&reader, type)
        case .float4:
            return Scalar(type, .double(Double(Float(bitPattern: UInt32(bitPattern: try reader.int32())))))
        case .float8: return Scalar(type, .double(Double(bitPattern: UInt64(bitPattern: try reader.int64()))))
        case .numeric:
            let value = try numeric(&reader)
            return Scalar(type, .numeric(mantissa: value.mantissa, scale: Int(value.scale)))
        case .decimal(let precision, let scale):
            let value = try numeric(&reader)
            guard value.isFinite, let mantissa = value.rescaled(scale)?.mantissa,
                mantissa.magnitude < DecimalMath.pow10(precision).magnitude
            else { throw DecimalMath.overflow(precision: precision, scale: scale) }
            return Scalar(type, .int128(mantissa))
        case .unknown, .text, .varchar, .char, .json: return try text(reader.rest(), type, context)
        case .jsonb:
            let version = try reader.byte()
            guard version == 1 else {
                throw SQLError(.internalError, "unsupported jsonb version number \(version)")
            }
            return try text(reader.rest(), type, context)
        case .bytea: return Scalar(type, .bytes(Array(reader.rest())))
        case .enumeration: return try text(reader.rest(), type, context)
        case .bit, .varbit:
            let count = Int(try reader.int32())
            let bytes = Array(reader.rest())
            guard count >= 0, count <= bytes.count * 8 else {
                throw SQLError(SQLState("22P03"), "invalid length in external bit string")
            }
            let bits = (0..<count).map { bytes[$0 / 8] >> UInt8(7 - $0 % 8) & 1 == 1 ? "1" : "0" }.joined()
            return try TextParse.scalar(bits, as: type, context: context)
        case .date: return Scalar(type, .int(try date(&reader)))
        case .time:
            let value = try reader.int64()
            guard value >= 0, value <= Calendar.microsecondsPerDay else {
                throw SQLError(.datetimeFieldOverflow, "time out of range")
            }
            return Scalar(type, .int(value))
        case .timestamp, .timestamptz: return Scalar(type, .int(try timestamp(&reader)))
        case .interval:
            let microseconds = try reader.int64()
            let days = try reader.int32()
            return Scalar(
                type, .interval(Interval(months: try reader.int32(), days: days, microseconds: microseconds)))
        case .uuid:
            let high = UInt128(UInt64(bitPattern: try reader.int64()))
            let low = UInt128(UInt64(bitPattern: try reader.int64()))
            return Scalar(type, .int128(UUIDBits.stored(high << 64 | low)))
        case .system(.timetz):
            let (time, west) = (try reader.int64(), try reader.int32())
            guard time >= 0, time <= Calendar.microsecondsPerDay, abs(Int64(west)) <= Int64(ZonedTime.offsetMax) else {
                throw SQLError(.datetimeFieldOverflow, "time out of range")
            }
            return Scalar(type, .int(ZonedTime(time: time, offset: -west).packed))
        case .system(let system) where system.isValue: return Scalar(type, .string(try network(&reader, system).key))
        case .system(let system):
            guard system.isNumber else { return try text(reader.rest(), type, context) }
            return Scalar(type, .int(Int64(UInt32(bitPattern: try reader.int32()))))
        case .array(let element): return Scalar(type, .array(try array(&reader, of: element, context)))
        case .row(let fields): return Scalar(type, .row(try record(&reader, fields, context)))
        case .map: return try text(reader.rest(), type, context)
        }
    }

    /// Family, bits, whether it is a cidr, and the bytes of the address.
    private static func network(
        _ reader: inout MessageReader, _ type: SystemType
    ) throws(SQLError) -> NetworkAddress {
        let bytes = [UInt8](reader.rest())
        guard bytes.count == 8 || bytes.count == 20, bytes[0] == (bytes.count == 8 ? 2 : 3),
            Int(bytes[3]) == bytes.count - 4, Int(bytes[1]) <= (bytes.count - 4) * 8
        else {
            throw SQLError(SQLState("22P03"), "invalid address in external \"\(type.rawValue)\" value")
        }
        let address = bytes[4...].reduce(UInt128(0)) { $0 << 8 | UInt128($1) }
        let made = NetworkAddress(isIPv6: bytes.count == 20, address: address, bits: Int(bytes[1]))
        guard type == .inet || made.address == made.network else {
            throw SQLError(
                SQLState("22P03"), "invalid external \"cidr\" value", detail: "Value has bits set to right of mask.")
        }
        return made
    }

    private static func date(_ reader: inout MessageReader) throws(SQLError) -> Int64 {
        let value = try reader.int32()
        if value == Int32.max || value == Int32.min { return Int64(value) }
        let days = Int(value) + PostgresEpoch.days
        guard days >= Calendar.firstDay, days < Calendar.endDay else {
            throw SQLError(.datetimeFieldOverflow, "date out of range")
        }
        return Int64(days)
    }

    private static func timestamp(_ reader: inout MessageReader) throws(SQLError) -> Int64 {
        let value = try reader.int64()
        if value == Int64.max || value == Int64.min { return value }
        let (result, overflow) = value.addingReportingOverflow(PostgresEpoch.microseconds)
        guard !overflow, Calendar.isInRange(result) else {
            throw SQLError(.datetimeFieldOverflow, "timestamp out of range")
        }
        return result
    }

    /// Base-10000 digits, weight of the first one, sign, scale (numeric_recv).
    private static func numeric(_ reader: inout MessageReader) throws(SQLError) -> Numeric {
        let count = Int(try reader.uint16())
        let weight = Int(Int16(bitPattern: try reader.uint16()))
        let sign = try reader.uint16()
        let scale = Int(try reader.uint16())
        switch sign {
        case 0xC000: return .nan
        case 0xD000: return .infinity
        case 0xF000: return .negativeInfinity
        case 0, 0x4000: break
        default: throw SQLError(.invalidBinaryRepresentation, "invalid sign in external \"numeric\" value")
        }
        guard scale <= 0x3fff else {
            throw SQLError(.invalidBinaryRepresentation, "invalid scale in external \"numeric\" value")
        }
        try reader.require(count * 2)
        // Digits beyond 38 cannot be held; trailing zeros of the scale can be dropped without changing the value.
        let kept = min(scale, DecimalMath.digitsMax)
        var mantissa: Int128 = 0
        var power = weight * 4
        for _ in 0..<count {
            let digit = Int(try reader.uint16())
            guard digit < 10_000 else {
                throw SQLError(.invalidBinaryRepresentation, "invalid digit in external \"numeric\" value")
            }
            // The group stands for digit * 10^power; the mantissa counts units of 10^-kept.
            let shift = power + kept
            power -= 4
            guard digit != 0 else { continue }
            var part = Int128(digit)
            if shift >= 0 {
                guard shift <= DecimalMath.digitsMax, let scaled = DecimalMath.multiply(part, DecimalMath.pow10(shift))
                else { throw overflow }
                part = scaled
            } else {
                part = shift > -4 ? DecimalMath.divideRounded(part, DecimalMath.pow10(-shift)) : 0
            }
            guard let sum = DecimalMath.add(mantissa, part) else { throw overflow }
            mantissa = sum
        }
        return Numeric(sign == 0 ? mantissa : -mantissa, scale: kept)
    }

    private static var overflow: SQLError {
        SQLError(.numericValueOutOfRange, "value overflows numeric format")
    }

    private static func array(
        _ reader: inout MessageReader, of element: SQLType, _ context: TextParseContext
    ) throws(SQLError) -> [Scalar] {
        let dimensions = Int(try reader.int32())
        let flags = try reader.int32()
        _ = try reader.int32()
        guard dimensions >= 0, dimensions <= dimensionsMax, flags == 0 || flags == 1 else {
            throw SQLError(.invalidBinaryRepresentation, "invalid array header in binary data")
        }
        var sizes: [Int] = []
        for _ in 0..<dimensions {
            let size = Int(try reader.int32())
            guard size >= 0 else { throw SQLError(.invalidBinaryRepresentation, "invalid array dimension") }
            _ = try reader.int32()
            sizes.append(size)
        }
        guard !sizes.isEmpty, !sizes.contains(0) else { return [] }
        // The type says how deep its values are: the columns that will hold this one have no room for more.
        var depth = 1
        var inner = element
        while case .array(let nested) = inner { (depth, inner) = (depth + 1, nested) }
        guard depth == sizes.count else {
            throw SQLError(
                .featureNotSupported, "an array of \(sizes.count) dimensions is no value of type \(element.name)[]")
        }
        return try elements(&reader, sizes[...], of: element, context)
    }

    private static func elements(
        _ reader: inout MessageReader, _ sizes: ArraySlice<Int>, of element: SQLType, _ context: TextParseContext
    ) throws(SQLError) -> [Scalar] {
        guard let size = sizes.first else { return [] }
        // Every element needs four bytes of length: an announced size cannot make us allocate more than was sent.
        try reader.require(size)
        var result: [Scalar] = []
        if sizes.count > 1 {
            let inner: SQLType = if case .array(let nested) = element { nested } else { element }
            for _ in 0..<size {
                let row = try elements(&reader, sizes.dropFirst(), of: inner, context)
                result.append(Scalar(.array(inner), .array(row)))
            }
            return result
        }
        for _ in 0..<size {
            result.append(try part(&reader, element, context, "array element \(result.count + 1)"))
        }
        return result
    }

    /// A length and a value of so many bytes; -1 is NULL.
    private static func part(
        _ reader: inout MessageReader, _ type: SQLType, _ context: TextParseContext, _ name: String
    ) throws(SQLError) -> Scalar {
        let length = try reader.int32()
        if length == -1 { return .null(type) }
        guard length >= 0 else { throw SQLError(.protocolViolation, "insufficient data left in message") }
        var bytes = MessageReader(try reader.slice(Int(length)))
        let value = try binary(&bytes, type, context)
        guard bytes.remaining == 0 else {
            throw SQLError(.invalidBinaryRepresentation, "improper binary format in \(name)")
        }
        return value
    }

    /// record_recv: the number of fields; type, length and value of each.
    private static func record(
        _ reader: inout MessageReader, _ fields: [StructField], _ context: TextParseContext
    ) throws(SQLError) -> [Scalar] {
        guard Int(try reader.int32()) == fields.count else {
            throw SQLError(.datatypeMismatch, "wrong number of columns in a record")
        }
        var values: [Scalar] = []
        for field in fields {
            _ = try reader.int32()
            values.append(try part(&reader, field.type, context, "record column \(values.count + 1)"))
        }
        return values
    }
}

/// 2000-01-01, from which the wire counts, in our count from 1970-01-01.
enum PostgresEpoch {
    static let days = 10_957
    static let microseconds: Int64 = 946_684_800_000_000
}
