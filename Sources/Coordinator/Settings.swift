// Every setting: name, default, what values it takes, one sentence. SET, SHOW, startup options and docs read this list.
import Columns
import Diagnostics

/// A setting of a session.
public struct Setting: Sendable {
    public let name: String
    public let standard: String
    public let summary: String
    /// Whether clients are told of changes (ParameterStatus).
    let isReported: Bool
    /// Whether the value is milliseconds, which SHOW prints with a unit.
    let isDuration: Bool
    /// Returns the value to keep; throws 22023 for a bad one, 55P02 for what cannot be changed.
    let check: @Sendable (String) throws(SQLError) -> String

    init(
        _ name: String, _ standard: String, _ summary: String, isReported: Bool = false, isDuration: Bool = false,
        check: @escaping @Sendable (String) throws(SQLError) -> String = { (text) throws(SQLError) in text }
    ) {
        self.name = name
        self.standard = standard
        self.summary = summary
        self.isReported = isReported
        self.isDuration = isDuration
        self.check = check
    }
}

/// The list, and the kinds of values.
public enum Settings {
    /// The version of PostgreSQL whose behaviour is offered; drivers parse the leading number.
    public static let serverVersion = "15.0 (Apus 0.1.0)"

    /// Sorted by name.
    public static let all: [Setting] = [
        Setting("application_name", "", "What the client calls itself.", isReported: true),
        Setting("branch", "main", "The branch on which names are resolved."),
        Setting("bytea_output", "hex", "How bytea is printed.", check: byteaOutput),
        Setting("client_encoding", "UTF8", "The client's character set.", isReported: true, check: encoding),
        Setting("client_min_messages", "notice", "The least severe message that is sent."),
        Setting("DateStyle", "ISO, MDY", "How dates are printed.", isReported: true, check: dateStyle),
        Setting(
            "default_null_order", "nulls_last_on_asc_first_on_desc",
            "Where ORDER BY puts NULLs without NULLS FIRST or LAST: also nulls_first, nulls_last (DuckDB's default), "
                + "nulls_first_on_asc_last_on_desc.", check: nullOrder),
        Setting(
            "default_transaction_isolation", "repeatable read", "Isolation of new transactions: always one snapshot."),
        Setting(
            "default_transaction_read_only", "off", "Whether new transactions may write.", isReported: true,
            check: boolean),
        Setting("disabled_rules", "", "Optimizer rules that are switched off, separated by commas."),
        Setting(
            "extra_float_digits", "1", "Digits of floats: 1 and more print the shortest exact form.", check: integer),
        Setting(
            "garbage_min_age", "86400000", "Files younger than this are kept by COLLECT GARBAGE.", isDuration: true,
            check: milliseconds),
        Setting("password_encryption", "scram-sha-256", "How passwords are kept.", check: passwordEncryption),
        Setting(
            "idle_in_transaction_session_timeout", "0", "Accepted, without effect.", isDuration: true,
            check: milliseconds),
        Setting("in_hot_standby", "off", "Always off.", isReported: true, check: fixed("in_hot_standby")),
        Setting("integer_datetimes", "on", "Always on.", isReported: true, check: fixed("integer_datetimes")),
        Setting("IntervalStyle", "postgres", "How intervals are printed.", isReported: true, check: intervalStyle),
        Setting(
            "is_superuser", "on", "Whether the user may do everything.", isReported: true, check: fixed("is_superuser")),
        Setting("jit", "off", "Accepted, without effect.", check: boolean),
        Setting("lc_collate", "C", "Text is ordered by bytes.", check: fixed("lc_collate")),
        Setting("lc_messages", "C", "The language of messages."),
        Setting("lock_timeout", "0", "Accepted, without effect.", isDuration: true, check: milliseconds),
        Setting("max_index_keys", "32", "Columns of a key.", check: fixed("max_index_keys")),
        Setting("max_identifier_length", "63", "Bytes of a name.", check: fixed("max_identifier_length")),
        Setting(
            "max_scan_bytes", "0", "Queries whose scans would read more are refused, such as 50GB; 0 for no limit.",
            check: size),
        Setting(
            "max_scan_files", "0", "Queries whose scans would read more files are refused; 0 for no limit.",
            check: integer),
        Setting("memory_limit", "default", "Memory that one query's operators may hold, such as 2GB.", check: memory),
        Setting(
            "price_of_1000_lists", "0.005", "Dollars for 1,000 listings, for the cost in EXPLAIN ANALYZE.", check: price
        ),
        Setting(
            "price_of_1000_reads", "0.0004", "Dollars for 1,000 reads, for the cost in EXPLAIN ANALYZE.", check: price),
        Setting(
            "price_of_gigabyte", "0", "Dollars for a gigabyte received, for the cost in EXPLAIN ANALYZE.", check: price),
        Setting("role", "none", "The current user, where it is not the session's: SET ROLE."),
        Setting("row_security", "on", "Accepted, without effect.", check: boolean),
        Setting("search_path", "public", "Schemas searched for names without one, in order."),
        Setting(
            "server_encoding", "UTF8", "The lake's character set.", isReported: true, check: fixed("server_encoding")),
        Setting(
            "server_version", serverVersion, "The version of PostgreSQL that is spoken.", isReported: true,
            check: fixed("server_version")),
        Setting("server_version_num", "150000", "The same as a number.", check: fixed("server_version_num")),
        Setting(
            "session_authorization", "", "The user.", isReported: true, check: fixed("session_authorization")),
        Setting(
            "standard_conforming_strings", "on", "Always on: a backslash is a character.", isReported: true,
            check: only("on")),
        Setting(
            "statement_timeout", "0", "Milliseconds a statement may be planned and run; 0 for ever.", isDuration: true,
            check: milliseconds),
        Setting("threads", "default", "Worker threads that one query may use.", check: count),
        Setting("TimeZone", "UTC", "The zone in which timestamptz is printed.", isReported: true, check: timeZone),
        Setting("transaction_isolation", "repeatable read", "Isolation of this transaction: always one snapshot."),
        Setting("transaction_read_only", "off", "Whether this transaction may write.", check: boolean),
        Setting(
            "unenforced_constraints", "warn",
            "What is said of constraints without NOT ENFORCED: on records them all, warn keys with a warning, off none.",
            check: unenforced),
    ]

    private static let byName: [String: Setting] = Dictionary(
        all.map { ($0.name.lowercased(), $0) }, uniquingKeysWith: { first, _ in first })

    /// PostgreSQL's planner and other knobs that clients set out of habit: taken and kept, without effect.
    private static let ignored: Set<String> = [
        "backslash_quote", "check_function_bodies", "constraint_exclusion", "default_tablespace",
        "default_table_access_method", "default_text_search_config", "escape_string_warning", "force_parallel_mode",
        "from_collapse_limit", "geqo", "gin_fuzzy_search_limit", "join_collapse_limit", "log_statement",
        "maintenance_work_mem", "max_parallel_workers", "max_parallel_workers_per_gather", "plan_cache_mode",
        "quote_all_identifiers", "random_page_cost", "seq_page_cost", "synchronize_seqscans", "synchronous_commit",
        "tcp_keepalives_idle", "temp_buffers", "transform_null_equals", "vacuum_freeze_min_age", "work_mem",
        "xmloption", "lc_monetary", "lc_numeric", "lc_time", "lc_ctype", "session_replication_role",
        "default_transaction_deferrable", "transaction_deferrable", "xmlbinary", "array_nulls",
        "compute_query_id", "track_io_timing", "track_activities", "track_functions", "parallel_setup_cost",
        "parallel_tuple_cost", "min_parallel_table_scan_size", "min_parallel_index_scan_size",
        "parallel_leader_participation", "effective_cache_size", "cpu_tuple_cost", "cpu_operator_cost",
        "cpu_index_tuple_cost", "hash_mem_multiplier", "default_statistics_target", "log_min_duration_statement",
        "log_min_messages", "log_duration", "debug_print_plan", "jit_above_cost", "max_stack_depth",
        "lo_compat_privileges", "password_encryption", "cursor_tuple_fraction", "recursive_worktable_factor",
        "logical_decoding_work_mem", "stats_fetch_consistency", "default_toast_compression", "geqo_threshold",
        "vacuum_cost_delay", "event_source", "restrict_nonsystem_relation_kind", "debug_parallel_query",
        "transaction_timeout", "idle_session_timeout", "tcp_user_timeout", "client_connection_check_interval",
    ]

    /// Finds a setting. Names with a dot and known knobs of PostgreSQL are kept as they come; others are 42704.
    static func find(_ name: String) throws(SQLError) -> Setting {
        let key = name.lowercased()
        if let setting = byName[key] { return setting }
        if key.contains(".") || ignored.contains(key) || key.hasPrefix("enable_") {
            return Setting(key, "", "Kept, without effect.")
        }
        throw SQLError(.undefinedObject, "unrecognized configuration parameter \"\(name)\"")
    }

    // MARK: - Kinds of values

    private static func invalid(_ name: String, _ value: String) -> SQLError {
        SQLError(.invalidParameterValue, "invalid value for parameter \"\(name)\": \"\(value)\"")
    }

    private static func fixed(_ name: String) -> @Sendable (String) throws(SQLError) -> String {
        { (_) throws(SQLError) in throw SQLError(SQLState("55P02"), "parameter \"\(name)\" cannot be changed") }
    }

    private static func only(_ allowed: String) -> @Sendable (String) throws(SQLError) -> String {
        { (value) throws(SQLError) in
            let isOn = ["on", "true", "1", "yes"].contains(value.lowercased()) ? "on" : value.lowercased()
            guard isOn == allowed || value.lowercased() == allowed else {
                throw SQLError(.featureNotSupported, "only the value \"\(allowed)\" is supported, not \"\(value)\"")
            }
            return allowed
        }
    }

    private static let boolean: @Sendable (String) throws(SQLError) -> String = { (value) throws(SQLError) in
        switch value.lowercased() {
        case "on", "true", "yes", "1", "t": return "on"
        case "off", "false", "no", "0", "f": return "off"
        default:
            throw SQLError(.invalidParameterValue, "a boolean is needed, not \"\(value)\"")
        }
    }

    private static let unenforced: @Sendable (String) throws(SQLError) -> String = { (value) throws(SQLError) in
        value.lowercased() == "warn" ? "warn" : try boolean(value)
    }

    private static let nullOrder: @Sendable (String) throws(SQLError) -> String = { (value) throws(SQLError) in
        switch value.lowercased().replacing(" ", with: "_") {
        case "nulls_first", "nullsfirst", "first": return "nulls_first"
        case "nulls_last", "nullslast", "last": return "nulls_last"
        case "nulls_first_on_asc_last_on_desc", "sqlite", "mysql": return "nulls_first_on_asc_last_on_desc"
        case "nulls_last_on_asc_first_on_desc", "postgres": return "nulls_last_on_asc_first_on_desc"
        default: throw invalid("default_null_order", value)
        }
    }

    private static let passwordEncryption: @Sendable (String) throws(SQLError) -> String = {
        (value) throws(SQLError) in
        guard ["scram-sha-256", "md5"].contains(value.lowercased()) else { throw invalid("password_encryption", value) }
        return value.lowercased()
    }

    private static let integer: @Sendable (String) throws(SQLError) -> String = { (value) throws(SQLError) in
        guard let number = Int32(value) else {
            throw SQLError(.invalidParameterValue, "an integer is needed, not \"\(value)\"")
        }
        return String(number)
    }

    private static let count: @Sendable (String) throws(SQLError) -> String = { (value) throws(SQLError) in
        if value.lowercased() == "default" { return "default" }
        guard let number = Int(value), (1...1_024).contains(number) else { throw invalid("threads", value) }
        return value
    }

    private static let encoding: @Sendable (String) throws(SQLError) -> String = { (value) throws(SQLError) in
        switch value.lowercased().filter({ $0.isLetter || $0.isNumber }) {
        case "utf8", "unicode", "sqlascii": return "UTF8"
        default:
            throw SQLError(
                .featureNotSupported, "client encoding \"\(value)\" is not supported", hint: "Use UTF8.")
        }
    }

    private static let dateStyle: @Sendable (String) throws(SQLError) -> String = { (value) throws(SQLError) in
        var style = TimeStyle()
        var hasOrder = false
        for word in value.split(whereSeparator: { $0 == "," || $0 == " " }) {
            switch word.lowercased() {
            case "iso": style.dates = .iso
            case "postgres": style.dates = .postgres
            case "sql": style.dates = .sql
            case "german": style.dates = .german
            case "mdy", "us", "noneuro", "noneuropean": (style.order, hasOrder) = (.mdy, true)
            case "dmy", "euro", "european": (style.order, hasOrder) = (.dmy, true)
            case "ymd": (style.order, hasOrder) = (.ymd, true)
            default: throw invalid("DateStyle", value)
            }
        }
        if style.dates == .german, !hasOrder { style.order = .dmy }
        return "\(style.dates.rawValue), \(style.order.rawValue)"
    }

    private static let byteaOutput: @Sendable (String) throws(SQLError) -> String = { (value) throws(SQLError) in
        guard ["hex", "escape"].contains(value.lowercased()) else { throw invalid("bytea_output", value) }
        return value.lowercased()
    }

    private static let intervalStyle: @Sendable (String) throws(SQLError) -> String = { (value) throws(SQLError) in
        guard let style = TimeStyle.Intervals(rawValue: value.lowercased()) else {
            throw invalid("IntervalStyle", value)
        }
        return style.rawValue
    }

    private static let timeZone: @Sendable (String) throws(SQLError) -> String = { (value) throws(SQLError) in
        try SessionTimeZone.setting(value).name
    }

    /// `500`, `5s`, `2min` as milliseconds.
    private static let milliseconds: @Sendable (String) throws(SQLError) -> String = { (value) throws(SQLError) in
        let text = value.replacing(" ", with: "").lowercased()
        let digits = text.prefix { $0.isNumber }
        let unit = text.dropFirst(digits.count)
        let factors = ["": 1, "ms": 1, "s": 1_000, "min": 60_000, "h": 3_600_000, "d": 86_400_000]
        guard let number = Int(digits), let factor = factors[String(unit)],
            !number.multipliedReportingOverflow(by: factor).overflow, number * factor <= Int(Int32.max)
        else { throw invalid("statement_timeout", value) }
        return String(number * factor)
    }

    /// Milliseconds in the largest unit that is exact: `5s`, `1500ms`, `0`.
    static func duration(_ milliseconds: String) -> String {
        guard let number = Int(milliseconds), number > 0 else { return milliseconds }
        for (unit, factor) in [("d", 86_400_000), ("h", 3_600_000), ("min", 60_000), ("s", 1_000)]
        where number.isMultiple(of: factor) {
            return "\(number / factor)\(unit)"
        }
        return "\(number)ms"
    }

    private static let size: @Sendable (String) throws(SQLError) -> String = { (value) throws(SQLError) in
        guard value == "0" || bytes(value) != nil else { throw invalid("max_scan_bytes", value) }
        return value
    }

    private static let price: @Sendable (String) throws(SQLError) -> String = { (value) throws(SQLError) in
        guard let number = Double(value), number.isFinite, number >= 0 else { throw invalid("price", value) }
        return value
    }

    private static let memory: @Sendable (String) throws(SQLError) -> String = { (value) throws(SQLError) in
        if value.lowercased() == "default" { return "default" }
        guard bytes(value) != nil else { throw invalid("memory_limit", value) }
        return value
    }

    /// `2GB`, `512MB`, `64kB` or plain bytes.
    public static func bytes(_ value: String) -> Int64? {
        let text = value.replacing(" ", with: "").lowercased()
        let digits = text.prefix { $0.isNumber }
        let factors: [String: Int64] = [
            "": 1, "b": 1, "kb": 1 << 10, "kib": 1 << 10, "mb": 1 << 20, "mib": 1 << 20, "gb": 1 << 30,
            "gib": 1 << 30, "tb": 1 << 40, "tib": 1 << 40,
        ]
        guard let number = Int64(digits), let factor = factors[String(text.dropFirst(digits.count))], number > 0 else {
            return nil
        }
        let (product, overflow) = number.multipliedReportingOverflow(by: factor)
        return overflow ? nil : product
    }
}

/// The values of one session.
struct SessionSettings: Sendable {
    private var values: [String: String] = [:]
    /// What RESET goes back to: the connection's own values.
    private var startup: [String: String] = [:]
    /// Values to restore when the transaction ends, by SET LOCAL.
    private var locals: [String: String?] = [:]
    /// Counts changes, so that plans made under other settings are known.
    private(set) var generation = 0

    /// Returns the value of a setting as SHOW prints it.
    func value(_ name: String) throws(SQLError) -> String {
        let setting = try Settings.find(name)
        let key = setting.name.lowercased()
        let value = values[key] ?? startup[key] ?? setting.standard
        // A transaction that asks for nothing has the session's default.
        if key == "transaction_isolation", values[key] == nil { return self["default_transaction_isolation"] }
        return setting.isDuration ? Settings.duration(value) : value
    }

    subscript(name: String) -> String {
        values[name.lowercased()] ?? startup[name.lowercased()] ?? (try? Settings.find(name).standard) ?? ""
    }

    mutating func set(_ name: String, _ value: String, isLocal: Bool = false) throws(SQLError) {
        let setting = try Settings.find(name)
        let checked = try setting.check(value)
        let key = setting.name.lowercased()
        if isLocal, locals[key] == nil { locals[key] = .some(values[key]) }
        values[key] = checked
        generation += 1
    }

    /// Sets a value that RESET keeps, also of settings that users cannot change.
    mutating func start(_ name: String, _ value: String) throws(SQLError) {
        startup[try Settings.find(name).name.lowercased()] = value
        generation += 1
    }

    mutating func reset(_ name: String) throws(SQLError) {
        values[try Settings.find(name).name.lowercased()] = nil
        generation += 1
    }

    /// Who the user is stays, as in PostgreSQL.
    mutating func resetAll() {
        values = values.filter { SessionSettings.identity.contains($0.key) }
        generation += 1
    }

    private static let identity: Set<String> = ["role", "session_authorization", "is_superuser"]

    /// Sets a value without its check, also of settings that users cannot change; nil: the connection's own.
    mutating func force(_ name: String, _ value: String?, isLocal: Bool = false) {
        if isLocal, locals[name] == nil { locals[name] = .some(values[name]) }
        values[name] = value
        generation += 1
    }

    /// Ends the transaction: SET LOCAL is undone.
    mutating func endTransaction() {
        guard !locals.isEmpty else { return }
        for (key, value) in locals { values[key] = value }
        locals = [:]
        generation += 1
    }

    /// Values of all reported settings.
    var reported: [(name: String, value: String)] {
        Settings.all.filter(\.isReported).map { ($0.name, self[$0.name]) }
    }

    /// Schemas of search_path, `"$user"` left out.
    var searchPath: [String] { SessionSettings.names(self["search_path"]) }

    /// The names in a value of search_path.
    static func names(_ path: String) -> [String] {
        path.split(separator: ",").map { part in
            var name = part.drop { $0 == " " }
            while name.last == " " { name.removeLast() }
            if name.count >= 2, name.first == "\"", name.last == "\"" {
                return String(name.dropFirst().dropLast())
            }
            return name.lowercased()
        }.filter { !$0.isEmpty && $0 != "$user" }
    }
}
