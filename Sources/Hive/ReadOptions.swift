// The options of read_parquet and of external tables over files.

import Columns
import Diagnostics

/// Options by their DuckDB names.
struct ReadOptions: Sendable, Hashable {
    /// Nil: on when the paths have keys.
    var hivePartitioning: Bool?
    /// The name of the column that holds each row's file.
    var filename: String?
    /// Whether the columns are those of all files. Nil: for tables yes, for functions no.
    var unionByName: Bool?
    /// The name of the column that holds each row's number in its file.
    var fileRowNumber: String?
    /// Types of partition keys given by the user.
    var hiveTypes: [Field] = []
    /// Whether other partition keys get types from their values; else they are text.
    var isTypeInferred = true
    /// Whether bytes without an annotation are text.
    var binaryAsString = false

    static let names = [
        "binary_as_string", "file_row_number", "filename", "hive_partitioning", "hive_types", "hive_types_autocast",
        "union_by_name",
    ]

    init() {}

    init(_ options: [String: Scalar], of function: String = "read_parquet") throws(SQLError) {
        for (name, value) in options.sorted(by: { $0.key < $1.key }) {
            switch name.lowercased() {
            case "hive_partitioning": hivePartitioning = try ReadOptions.flag(name, value)
            case "union_by_name": unionByName = try ReadOptions.flag(name, value)
            case "filename": filename = try ReadOptions.columnName(name, value, else: "filename")
            case "file_row_number": fileRowNumber = try ReadOptions.columnName(name, value, else: "file_row_number")
            case "hive_types_autocast": isTypeInferred = try ReadOptions.flag(name, value)
            case "binary_as_string": binaryAsString = try ReadOptions.flag(name, value)
            case "hive_types":
                if case .row(let fields) = value.type {
                    hiveTypes = fields.map { Field($0.name, $0.type) }
                    continue
                }
                guard case .string(let text) = value.value else {
                    throw ReadOptions.wrong(name, "a text such as 'day date'")
                }
                hiveTypes = try ReadOptions.fields(text, name)
            default:
                throw SQLError(
                    .invalidParameterValue, "unrecognized option \"\(name)\" of \(function)",
                    hint: "Options are \(ReadOptions.names.joined(separator: ", ")).")
            }
        }
        if hivePartitioning == nil, !hiveTypes.isEmpty { hivePartitioning = true }
    }

    /// Options as an external table keeps them.
    init(texts: [String: String]) throws(SQLError) {
        try self.init(texts.filter { !Projection.isOption($0.key) }.mapValues { .text($0) }, of: "the table")
    }

    private static func wrong(_ name: String, _ expected: String) -> SQLError {
        SQLError(.invalidParameterValue, "option \"\(name)\" requires \(expected)")
    }

    private static func boolean(_ value: Scalar) -> Bool? {
        switch value.value {
        case .bool(let flag): flag
        case .int(0), .int(1): value.value == .int(1)
        case .string(let text): (try? TextParse.scalar(text, as: .boolean)).map { $0.value == .bool(true) }
        default: nil
        }
    }

    static func flag(_ name: String, _ value: Scalar) throws(SQLError) -> Bool {
        guard let flag = boolean(value) else { throw wrong(name, "true or false") }
        return flag
    }

    /// True means the usual name; a text is the name.
    private static func columnName(
        _ name: String, _ value: Scalar, else usual: String
    ) throws(SQLError) -> String? {
        if case .string(let text) = value.value, text.lowercased() != "true", text.lowercased() != "false" {
            guard !text.isEmpty else { throw wrong(name, "true, false or a name") }
            return text
        }
        guard let flag = boolean(value) else { throw wrong(name, "true, false or a name") }
        return flag ? usual : nil
    }

    /// Reads `{'year': int, 'day': date}` or `year int, day date`.
    static func fields(_ text: String, _ option: String) throws(SQLError) -> [Field] {
        var fields: [Field] = []
        let inner = text.filter { !"{}'\"".contains($0) }
        for part in inner.split(separator: ",") {
            let words = part.split { $0 == ":" || $0 == "=" || $0.isWhitespace }
            guard words.count >= 2, let type = type(words.dropFirst().joined(separator: " ").lowercased()) else {
                throw wrong(option, "names with types, such as 'year int, day date'")
            }
            fields.append(Field(String(words[0]), type))
        }
        return fields
    }

    static func type(_ name: String) -> SQLType? {
        switch name {
        case "boolean", "bool": .boolean
        case "smallint", "int2": .int2
        case "integer", "int", "int4": .int4
        case "bigint", "int8", "long": .int8
        case "real", "float4": .float4
        case "double", "double precision", "float8", "float": .float8
        case "numeric", "decimal": .numeric
        case "text", "varchar", "string", "character varying": .text
        case "date": .date
        case "timestamp": .timestamp
        case "timestamptz", "timestamp with time zone": .timestamptz
        case "time": .time
        case "uuid": .uuid
        default: nil
        }
    }
}
