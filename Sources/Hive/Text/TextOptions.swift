// The options of read_csv and read_json, and of external tables over such files.

import Columns
import Diagnostics
import Formats

/// Options by their DuckDB names.
struct TextOptions: Sendable {
    enum Kind: String, Sendable {
        case csv, json
        var function: String { "read_\(rawValue)" }
    }
    enum Layout: Sendable { case found, given(JSONLayout) }

    var kind: Kind
    /// Those that tables over any files have: keys, the file's name.
    var files = ReadOptions()
    var dialect = CSVDialect()
    /// What was said; the rest is found.
    var hasDelimiter = false
    var hasQuote = false
    var hasHeader: Bool?
    /// Names and types of all columns.
    var columns: [Field] = []
    /// Types of some.
    var types: [Field] = []
    /// Types of the first, by place.
    var placedTypes: [SQLType] = []
    var names: [String] = []
    var isAllText = false
    /// Records, or values, that are looked at for types.
    var sampleRows = TextOptions.sampleRowsUsual
    /// Whether what cannot be read is left out (CSV) or NULL (JSON).
    var ignoresErrors = false
    var packing: TextPacking?
    var layout: Layout = .found
    /// Whether members of objects are columns; nil: if all values are objects.
    var hasRecords: Bool?
    var depthMax: Int?

    static let sampleRowsUsual = 20_480

    private static let shared = [
        "columns", "compression", "filename", "hive_partitioning", "hive_types", "hive_types_autocast", "ignore_errors",
        "sample_size", "union_by_name",
    ]
    private static let csvNames = [
        "all_varchar", "allow_quoted_nulls", "comment", "delim", "escape", "header", "names", "null_padding", "nullstr",
        "quote",
        "sep", "skip", "types",
    ]
    private static let jsonNames = ["format", "maximum_depth", "records"]
    /// Options of DuckDB about how it works, not about what comes out.
    private static let ignored: Set<String> = [
        "auto_detect", "buffer_size", "parallel", "max_line_size", "maximum_line_size", "maximum_object_size",
        "strict_mode",
        "encoding", "maximum_sample_files", "files_to_sniff", "new_line",
    ]

    init(_ kind: Kind, _ options: [String: Scalar]) throws(SQLError) {
        self.kind = kind
        var rest: [String: Scalar] = [:]
        for (key, value) in options.sorted(by: { $0.key < $1.key }) {
            let name = key.lowercased()
            if TextOptions.ignored.contains(name) { continue }
            if try take(name, value) { continue }
            if kind == .csv ? try takeCSV(name, value) : try takeJSON(name, value) { continue }
            guard TextOptions.shared.contains(name) else {
                let names = TextOptions.shared + (kind == .csv ? TextOptions.csvNames : TextOptions.jsonNames)
                throw SQLError(
                    .invalidParameterValue, "unrecognized option \"\(name)\" of \(kind.function)",
                    hint: "Options are \(names.sorted().joined(separator: ", ")).")
            }
            rest[name] = value
        }
        files = try ReadOptions(rest, of: kind.function)
        dialect.skipsWrong = ignoresErrors
    }

    private mutating func take(_ name: String, _ value: Scalar) throws(SQLError) -> Bool {
        switch name {
        case "columns":
            columns = try TextOptions.fields(name, value)
            guard !columns.isEmpty else { throw TextOptions.wrong(name, "names with types") }
        case "compression":
            switch try TextOptions.text(name, value).lowercased() {
            case "auto", "auto_detect": packing = nil
            case "none", "uncompressed": packing = TextPacking.none
            case "gzip": packing = .gzip
            case "zstd": packing = .zstd
            default: throw TextOptions.wrong(name, "auto, none, gzip or zstd")
            }
        case "ignore_errors": ignoresErrors = try ReadOptions.flag(name, value)
        case "sample_size":
            guard case .int(let rows) = TextOptions.number(value) else { throw TextOptions.wrong(name, "a number") }
            sampleRows = rows < 0 ? Int.max : Int(max(1, rows))
        default: return false
        }
        return true
    }

    private mutating func takeCSV(_ name: String, _ value: Scalar) throws(SQLError) -> Bool {
        switch name {
        case "delim", "sep", "delimiter":
            let text = try TextOptions.text(name, value)
            guard let byte = try TextOptions.byte(name, text == "\\t" ? "\t" : text) else {
                throw TextOptions.wrong(name, "one character")
            }
            dialect.delimiter = byte
            hasDelimiter = true
        case "quote":
            dialect.quote = try TextOptions.byte(name, try TextOptions.text(name, value))
            if dialect.quote == nil { dialect.escape = nil }
            hasQuote = true
        case "escape": dialect.escape = try TextOptions.byte(name, try TextOptions.text(name, value))
        case "comment": dialect.comment = try TextOptions.byte(name, try TextOptions.text(name, value))
        case "header": hasHeader = try ReadOptions.flag(name, value)
        case "skip":
            guard case .int(let lines) = TextOptions.number(value), lines >= 0 else {
                throw TextOptions.wrong(name, "a number")
            }
            dialect.skip = Int(min(lines, 1 << 30))
        case "nullstr", "null": dialect.nulls = try TextOptions.texts(name, value).map { Array($0.utf8) }
        case "allow_quoted_nulls": dialect.areQuotedNulls = try ReadOptions.flag(name, value)
        case "null_padding": dialect.isPadded = try ReadOptions.flag(name, value)
        case "all_varchar": isAllText = try ReadOptions.flag(name, value)
        case "names", "column_names": names = try TextOptions.texts(name, value)
        case "types", "dtypes", "column_types":
            if case .array = value.type {
                for text in try TextOptions.texts(name, value) {
                    guard let type = ReadOptions.type(text.lowercased()) else {
                        throw TextOptions.wrong(name, "names of types")
                    }
                    placedTypes.append(type)
                }
            } else {
                types = try TextOptions.fields(name, value)
            }
        default: return false
        }
        return true
    }

    private mutating func takeJSON(_ name: String, _ value: Scalar) throws(SQLError) -> Bool {
        switch name {
        case "format":
            switch try TextOptions.text(name, value).lowercased() {
            case "auto": layout = .found
            case "newline_delimited", "nd": layout = .given(.lines)
            case "array": layout = .given(.array)
            case "unstructured": layout = .given(.unstructured)
            default: throw TextOptions.wrong(name, "auto, newline_delimited, array or unstructured")
            }
        case "records":
            if case .string(let text) = value.value, text.lowercased() == "auto" { return true }
            hasRecords = try ReadOptions.flag(name, value)
        case "maximum_depth":
            guard case .int(let depth) = TextOptions.number(value) else { throw TextOptions.wrong(name, "a number") }
            depthMax = depth < 0 ? nil : Int(depth)
        default: return false
        }
        return true
    }

    // MARK: - Values

    static func wrong(_ name: String, _ expected: String) -> SQLError {
        SQLError(.invalidParameterValue, "option \"\(name)\" requires \(expected)")
    }

    /// External tables keep numbers as text.
    private static func number(_ value: Scalar) -> Scalar.Value {
        if case .string(let text) = value.value { return Int64(text).map { .int($0) } ?? value.value }
        return value.value
    }

    private static func text(_ name: String, _ value: Scalar) throws(SQLError) -> String {
        guard case .string(let text) = value.value else { throw wrong(name, "a text") }
        return text
    }

    private static func texts(_ name: String, _ value: Scalar) throws(SQLError) -> [String] {
        switch value.value {
        case .string(let text): return [text]
        case .array(let items):
            var texts: [String] = []
            for item in items { texts.append(try text(name, item)) }
            return texts
        default: throw wrong(name, "a text or a list of texts")
        }
    }

    /// One byte; nil for an empty text.
    private static func byte(_ name: String, _ text: String) throws(SQLError) -> UInt8? {
        guard text.utf8.count <= 1 else { throw wrong(name, "one character") }
        guard let byte = text.utf8.first, byte != 10, byte != 13 else {
            if text.isEmpty { return nil }
            throw wrong(name, "a character that ends no line")
        }
        return byte
    }

    /// A struct of types, or a text that spells one.
    private static func fields(_ name: String, _ value: Scalar) throws(SQLError) -> [Field] {
        if case .row(let fields) = value.type { return fields.map { Field($0.name, $0.type) } }
        guard case .string(let text) = value.value else { throw wrong(name, "a struct of types, such as {'a': 'INT'}") }
        return try ReadOptions.fields(text, name)
    }
}
