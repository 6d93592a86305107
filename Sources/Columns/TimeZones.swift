// Time zones: fixed offsets, POSIX rules and the system's zone files (TZif, RFC 8536), read once and kept.
public import Diagnostics
import Glibc
import Synchronization

/// A time zone: the offset from UTC at any instant.
public struct SessionTimeZone: Sendable {
    /// The name as set.
    public let name: String
    /// How the session that keeps this zone prints times.
    public var style = TimeStyle()
    private let offsetAtUTC: @Sendable (Int64) -> Int32
    private let abbreviationAtUTC: (@Sendable (Int64) -> String?)?

    public init(
        name: String, abbreviationAtUTC: (@Sendable (Int64) -> String?)? = nil,
        offsetAtUTC: @escaping @Sendable (Int64) -> Int32
    ) {
        self.name = name
        self.abbreviationAtUTC = abbreviationAtUTC
        self.offsetAtUTC = offsetAtUTC
    }

    /// What the zone is called for short at an instant, such as "PDT"; nil when it has no letters for it.
    public func abbreviation(atUTC microseconds: Int64) -> String? { abbreviationAtUTC?(microseconds) }

    /// Seconds east of UTC at an instant given in microseconds since 1970.
    public func offset(atUTC microseconds: Int64) -> Int32 { offsetAtUTC(microseconds) }

    public static let utc = fixed(0, name: "UTC")

    /// Makes a zone of a constant offset, in seconds east of UTC.
    public static func fixed(_ seconds: Int32, name: String) -> SessionTimeZone {
        let letters = name.allSatisfy { $0.isLetter } ? name : nil
        return SessionTimeZone(name: name, abbreviationAtUTC: { _ in letters }) { _ in seconds }
    }

    /// The clock's reading at an instant, as a timestamp without zone.
    public func local(atUTC instant: Int64) -> Int64 {
        guard instant != Calendar.infinity, instant != Calendar.negativeInfinity else { return instant }
        return instant &+ Int64(offset(atUTC: instant)) &* 1_000_000
    }

    /// The instant at which the clock shows a timestamp. When it does so twice, the later offset counts (standard time
    /// in autumn); when it never does, the offset before the gap, as in PostgreSQL.
    public func utc(atLocal local: Int64) -> Int64 {
        guard local != Calendar.infinity, local != Calendar.negativeInfinity else { return local }
        let before = offset(atUTC: local &- Calendar.microsecondsPerDay)
        let after = offset(atUTC: local &+ Calendar.microsecondsPerDay)
        let early = local &- Int64(before) &* 1_000_000
        guard before != after else { return early }
        let late = local &- Int64(after) &* 1_000_000
        if offset(atUTC: late) == after { return late }
        return early
    }

    /// Finds a zone by the name SET TIME ZONE takes: a number is hours east of UTC, everything else as ``named(_:)``.
    public static func setting(_ text: String) throws(SQLError) -> SessionTimeZone {
        if let hours = Double(text.trimmingBlanks) {
            guard abs(hours) < 168 else { throw invalidSetting(text) }
            let seconds = Int32((hours * 3600).rounded())
            return fixed(seconds, name: ZoneRule.fixedName(seconds))
        }
        guard let zone = try? named(text) else { throw invalidSetting(text) }
        return zone
    }

    /// Finds a zone by name: a zone file, an abbreviation, or a POSIX rule such as `EST5EDT` or `<+02>-02`.
    public static func named(_ name: String) throws(SQLError) -> SessionTimeZone {
        guard let zone = ZoneTable.shared.zone(name) else {
            throw SQLError(.invalidParameterValue, "time zone \"\(name)\" not recognized")
        }
        return zone
    }

    private static func invalidSetting(_ text: String) -> SQLError {
        SQLError(.invalidParameterValue, "invalid value for parameter \"TimeZone\": \"\(text)\"")
    }
}

/// Zones that were looked up. The lock guards `zones`.
private final class ZoneTable: Sendable {
    static let shared = ZoneTable()
    /// More names than exist; a client that makes some up gets no memory from us.
    private static let zonesMax = 2048
    private let zones = Mutex<[String: SessionTimeZone?]>([:])

    func zone(_ name: String) -> SessionTimeZone? {
        let key = name.lowercased()
        if let known = zones.withLock({ $0[key] }) { return known }
        let found = ZoneTable.find(name, key)
        zones.withLock { if $0.count < ZoneTable.zonesMax { $0[key] = .some(found) } }
        return found
    }

    private static func find(_ name: String, _ key: String) -> SessionTimeZone? {
        guard !key.isEmpty, key.utf8.count <= 64 else { return nil }
        if key == "utc" || key == "z" || key == "zulu" || key == "gmt" { return .fixed(0, name: name.uppercased()) }
        if let hours = ZoneAbbreviations.secondsEast[key] { return .fixed(hours, name: name.uppercased()) }
        if let file = ZoneFile.load(name) { return file }
        return ZoneRule(Array(name.utf8))?.zone(name)
    }
}

/// Abbreviations that PostgreSQL's default set knows, as seconds east of UTC.
public enum ZoneAbbreviations {
    /// By lower-case abbreviation.
    public static let secondsEast: [String: Int32] = {
        let hours: [(String, Double)] = [
            ("acdt", 10.5), ("acst", 9.5), ("adt", -3), ("aedt", 11), ("aest", 10), ("akdt", -8), ("akst", -9),
            ("ast", -4), ("awst", 8), ("bst", 1), ("cdt", -5), ("cest", 2), ("cet", 1), ("cst", -6), ("eat", 3),
            ("edt", -4), ("eest", 3), ("eet", 2), ("est", -5), ("gmt", 0), ("hkt", 8), ("hst", -10), ("idt", 3),
            ("ist", 2), ("jst", 9), ("kst", 9), ("mdt", -6), ("mest", 2), ("met", 1), ("msk", 3), ("mst", -7),
            ("ndt", -2.5), ("nst", -3.5), ("nzdt", 13), ("nzst", 12), ("pdt", -7), ("pht", 8), ("pkt", 5),
            ("pst", -8), ("sgt", 8), ("ut", 0), ("utc", 0), ("wadt", 8), ("wast", 2), ("wat", 1), ("west", 1),
            ("wet", 0), ("z", 0), ("zulu", 0),
        ]
        var table: [String: Int32] = [:]
        for (name, value) in hours { table[name] = Int32(value * 3600) }
        return table
    }()
}

extension String {
    /// Without blanks at the ends.
    var trimmingBlanks: String {
        var view = Substring(self)
        while let first = view.utf8.first, TextParse.isSpace(first) { view.removeFirst() }
        while let last = view.utf8.last, TextParse.isSpace(last) { view.removeLast() }
        return String(view)
    }
}
