// timetz: a time of day with the offset of its zone, packed into 64 bits whose order is PostgreSQL's.
public import Diagnostics

/// A time with a zone.
public struct ZonedTime: Hashable, Sendable {
    /// Microseconds of the day, where the clock stands.
    public var time: Int64
    /// Seconds east of UTC.
    public var offset: Int32

    public init(time: Int64, offset: Int32) {
        self.time = time
        self.offset = offset
    }

    /// Ordered by the instant, then by the zone from east to west.
    public var packed: Int64 {
        ((time &- Int64(offset) &* 1_000_000 &+ ZonedTime.bias) << 18) | Int64(ZonedTime.offsetMax &- offset)
    }

    public init(packed: Int64) {
        offset = ZonedTime.offsetMax &- Int32(truncatingIfNeeded: packed & 0x3FFFF)
        time = (packed >> 18) &- ZonedTime.bias &+ Int64(offset) &* 1_000_000
    }

    /// Offsets reach to 15:59:59 on both sides.
    public static let offsetMax: Int32 = 57_599
    private static let bias: Int64 = 57_600 * 1_000_000

    /// Microseconds of the day in UTC; may lie before or behind the day.
    public var utc: Int64 { time &- Int64(offset) &* 1_000_000 }

    /// The same instant of the day in another zone.
    public func moved(to offset: Int32) -> ZonedTime {
        let day = Calendar.microsecondsPerDay
        let local = (utc &+ Int64(offset) &* 1_000_000) % day
        return ZonedTime(time: local < 0 ? local &+ day : local, offset: offset)
    }

    /// Some time later, round the clock.
    public func adding(_ microseconds: Int64) -> ZonedTime {
        let day = Calendar.microsecondsPerDay
        let sum = (time &+ microseconds % day) % day
        return ZonedTime(time: sum < 0 ? sum &+ day : sum, offset: offset)
    }

    /// `12:00:00+05:30`.
    public func append(to out: inout [UInt8]) {
        TextForm.append(time: time, to: &out)
        let seconds = abs(Int(offset))
        func two(_ number: Int) { out += [48 + UInt8(number / 10 % 10), 48 + UInt8(number % 10)] }
        out.append(offset < 0 ? 45 : 43)
        two(seconds / 3600)
        if seconds % 3600 != 0 {
            out.append(58)
            two(seconds / 60 % 60)
        }
        if seconds % 60 != 0 {
            out.append(58)
            two(seconds % 60)
        }
    }
}

extension TextParse {
    /// Parses `timetz`; without a zone it is the session's, as of the date in the text or of today.
    public static func timetz(
        _ bytes: UnsafeRawBufferPointer, _ context: TextParseContext = TextParseContext()
    ) throws(SQLError) -> ZonedTime {
        let name = "time with time zone"
        var fields = DateFields(trimmed(bytes), name, bytes)
        fields.isTimeOnly = true
        do throws(SQLError) {
            try fields.parse()
        } catch {
            // A whole timestamp is taken as well.
            fields = DateFields(trimmed(bytes), name, bytes)
            fields.order = context.timeZone.style.order
            try fields.parse()
        }
        let zone = context.timeZone
        if fields.special == .now {
            let local = zone.local(atUTC: context.now)
            return ZonedTime(
                time: Calendar.split(local).time, offset: Int32(truncatingIfNeeded: (local &- context.now) / 1_000_000))
        }
        guard fields.special == .none, let time = try fields.timeOfDay() else { throw invalid(name, bytes) }
        if let offset = fields.offset {
            guard abs(offset) <= ZonedTime.offsetMax else {
                throw SQLError(
                    SQLState("22009"),
                    "time zone displacement out of range: \"\(String(decoding: bytes, as: UTF8.self))\"")
            }
            return ZonedTime(time: time, offset: offset)
        }
        let days = (try? fields.days()) ?? Calendar.split(zone.local(atUTC: context.now)).days
        let named = try fields.zoneName.map { (name) throws(SQLError) in try SessionTimeZone.named(name) } ?? zone
        let local = Int64(days) &* Calendar.microsecondsPerDay &+ time
        return ZonedTime(
            time: time, offset: Int32(truncatingIfNeeded: (local &- named.utc(atLocal: local)) / 1_000_000))
    }
}
