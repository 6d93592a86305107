// Dates, times, timestamps and intervals to PostgreSQL's text form (src/backend/utils/adt/datetime.c). Hot.
import Glibc

extension TextForm {
    /// Writes the year of at least four digits, month and day; returns whether the year is BC, which comes last.
    @inline(__always)
    private static func writeDay(
        _ days: Int, to start: UnsafeMutablePointer<UInt8>, _ isBC: inout Bool
    ) -> UnsafeMutablePointer<UInt8> {
        let civil = Calendar.civil(days)
        isBC = civil.year <= 0
        let year = isBC ? 1 &- civil.year : civil.year
        var at = start
        if year < 10_000 {
            writeTwo(year / 100, at)
            writeTwo(year % 100, at + 2)
            at += 4
        } else {
            at += write(unsigned: UInt64(truncatingIfNeeded: year), to: at)
        }
        at[0] = 45
        writeTwo(civil.month, at + 1)
        at[3] = 45
        writeTwo(civil.day, at + 4)
        return at + 6
    }

    @inline(__always)
    private static func writeBC(_ at: UnsafeMutablePointer<UInt8>) -> UnsafeMutablePointer<UInt8> {
        at + write(" BC", to: at)
    }

    /// Writes `.` and up to six digits without trailing zeros; nothing for 0.
    @inline(__always)
    private static func writeFraction(
        _ microseconds: Int, to start: UnsafeMutablePointer<UInt8>
    ) -> UnsafeMutablePointer<UInt8> {
        guard microseconds != 0 else { return start }
        start[0] = 46
        writeTwo(microseconds / 10_000, start + 1)
        writeTwo(microseconds / 100 % 100, start + 3)
        writeTwo(microseconds % 100, start + 5)
        var end = start + 7
        while end[-1] == 48 { end -= 1 }
        return end
    }

    /// Writes `hh:mm:ss[.ffffff]`; hours may have more than two digits.
    @inline(__always)
    private static func writeClock(
        _ microseconds: UInt64, to start: UnsafeMutablePointer<UInt8>
    ) -> UnsafeMutablePointer<UInt8> {
        let seconds = microseconds / 1_000_000
        let fraction = Int(truncatingIfNeeded: microseconds &- seconds &* 1_000_000)
        let minutes = seconds / 60
        let hours = minutes / 60
        var at = start
        if hours < 100 {
            writeTwo(Int(truncatingIfNeeded: hours), at)
            at += 2
        } else {
            at += write(unsigned: hours, to: at)
        }
        at[0] = 58
        writeTwo(Int(truncatingIfNeeded: minutes &- hours &* 60), at + 1)
        at[3] = 58
        writeTwo(Int(truncatingIfNeeded: seconds &- minutes &* 60), at + 4)
        return writeFraction(fraction, to: at + 6)
    }

    /// Writes a date.
    public static func write(date days: Int32, to start: UnsafeMutablePointer<UInt8>) -> Int {
        if days == Calendar.dateInfinity { return write("infinity", to: start) }
        if days == Calendar.dateNegativeInfinity { return write("-infinity", to: start) }
        var isBC = false
        var at = writeDay(Int(days), to: start, &isBC)
        if isBC { at = writeBC(at) }
        return at - start
    }

    /// Writes a time of day.
    public static func write(time microseconds: Int64, to start: UnsafeMutablePointer<UInt8>) -> Int {
        writeClock(UInt64(bitPattern: max(0, microseconds)), to: start) - start
    }

    /// Writes a timestamp without time zone.
    public static func write(timestamp value: Int64, to start: UnsafeMutablePointer<UInt8>) -> Int {
        if value == Calendar.infinity { return write("infinity", to: start) }
        if value == Calendar.negativeInfinity { return write("-infinity", to: start) }
        let (days, time) = Calendar.split(value)
        var isBC = false
        var at = writeDay(days, to: start, &isBC)
        at[0] = 32
        at = writeClock(UInt64(bitPattern: time), to: at + 1)
        if isBC { at = writeBC(at) }
        return at - start
    }

    /// Writes a timestamp as the clock of a zone shows it, with the offset.
    public static func write(
        timestamptz value: Int64, zone: SessionTimeZone, to start: UnsafeMutablePointer<UInt8>
    ) -> Int {
        guard zone.style.dates == .iso else { return put(StyledText.timestamptz(value, zone), start) }
        if value == Calendar.infinity { return write("infinity", to: start) }
        if value == Calendar.negativeInfinity { return write("-infinity", to: start) }
        return write(timestamptz: value, offsetSeconds: Int(zone.offset(atUTC: value)), to: start)
    }

    /// Writes a finite timestamp at an offset east of UTC.
    public static func write(
        timestamptz value: Int64, offsetSeconds: Int, to start: UnsafeMutablePointer<UInt8>
    ) -> Int {
        let (days, time) = Calendar.split(value &+ Int64(offsetSeconds) &* Calendar.microsecondsPerSecond)
        var isBC = false
        var at = writeDay(days, to: start, &isBC)
        at[0] = 32
        at = writeClock(UInt64(bitPattern: time), to: at + 1)
        at[0] = offsetSeconds < 0 ? 45 : 43
        let seconds = abs(offsetSeconds)
        writeTwo(seconds / 3600, at + 1)
        at += 3
        if seconds % 3600 != 0 {
            at[0] = 58
            writeTwo(seconds / 60 % 60, at + 1)
            at += 3
            if seconds % 60 != 0 {
                at[0] = 58
                writeTwo(seconds % 60, at + 1)
                at += 3
            }
        }
        if isBC { at = writeBC(at) }
        return at - start
    }

    /// Writes an interval in IntervalStyle postgres: `1 year 2 mons -3 days +04:05:06.789`.
    public static func write(interval value: Interval, to start: UnsafeMutablePointer<UInt8>) -> Int {
        var at = start
        // A part after a negative one shows its sign even when it is positive.
        var followsNegative = false
        writePart(value.months / 12, "year", &at, start, &followsNegative)
        writePart(value.months % 12, "mon", &at, start, &followsNegative)
        writePart(value.days, "day", &at, start, &followsNegative)
        if at == start || value.microseconds != 0 {
            if at != start {
                at[0] = 32
                at += 1
            }
            if value.microseconds < 0 || followsNegative {
                at[0] = value.microseconds < 0 ? 45 : 43
                at += 1
            }
            at = writeClock(value.microseconds.magnitude, to: at)
        }
        return at - start
    }

    @inline(__always)
    private static func writePart(
        _ value: Int32, _ unit: StaticString, _ at: inout UnsafeMutablePointer<UInt8>,
        _ start: UnsafeMutablePointer<UInt8>, _ followsNegative: inout Bool
    ) {
        guard value != 0 else { return }
        if at != start {
            at[0] = 32
            at += 1
        }
        if followsNegative, value > 0 {
            at[0] = 43
            at += 1
        }
        at += write(int: Int64(value), to: at)
        at[0] = 32
        at += 1
        at += write(unit, to: at)
        if value != 1 {
            at[0] = 115
            at += 1
        }
        followsNegative = value < 0
    }
}
