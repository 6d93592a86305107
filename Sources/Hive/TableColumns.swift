// The columns of a table over files, and how the columns of each file become them.

import Columns
import Diagnostics
import Formats
import Storage

/// One column of a table.
struct TableColumn: Sendable {
    /// Where its values come from.
    enum Origin: Sendable, Hashable {
        case file
        /// A partition key, by index.
        case key(Int)
        case filename
        case rowNumber
        /// Bytes of the file.
        case sizeBytes
        /// When the file was written.
        case modified
    }

    var field: Field
    var origin: Origin
}

/// The columns of a table.
struct TableColumns: Sendable {
    /// Those of the schema, then the hidden ones.
    private(set) var columns: [TableColumn]
    /// How many of them are hidden.
    private var hidden = 0
    /// The file that gave the types; nil when they were declared or united.
    var sample: ObjectPath?
    /// The files that gave columns their types, by name, where several files gave the columns.
    var origins: [String: ObjectPath] = [:]
    /// Whether a file may lack columns: then they are NULL.
    var mayLack: Bool

    /// Data columns, then the file's name and row numbers, then the keys that are not among the data columns.
    ///
    /// The path is the truth for a key that the files hold too.
    init(
        data: [Field], keys: [Field], options: ReadOptions, sample: ObjectPath?, mayLack: Bool
    ) throws(SQLError) {
        self.sample = sample
        self.mayLack = mayLack
        columns = data.map { TableColumn(field: $0, origin: .file) }
        func isTaken(_ name: String) -> Bool { columns.contains { $0.field.name == name } }
        var virtual: [TableColumn] = []
        if let name = options.filename {
            virtual.append(TableColumn(field: Field(name, .text, isNullable: false), origin: .filename))
        }
        if let name = options.fileRowNumber {
            virtual.append(TableColumn(field: Field(name, .int8, isNullable: false), origin: .rowNumber))
        }
        for column in virtual {
            guard !isTaken(column.field.name) else {
                throw SQLError(
                    .duplicateColumn, "the files have a column named \"\(column.field.name)\" already",
                    hint: "Give the option another name, such as filename => 'source_file'.")
            }
            columns.append(column)
        }
        for (index, key) in keys.enumerated() {
            let column = TableColumn(field: key, origin: .key(index))
            if let place = data.position(of: key.name) {
                columns[place] = column
            } else {
                columns.append(column)
            }
        }
        // DuckDB's name, and Trino's.
        let all: [TableColumn] = [
            TableColumn(field: Field("filename", .text, isNullable: false), origin: .filename),
            TableColumn(field: Field("$path", .text, isNullable: false), origin: .filename),
            TableColumn(field: Field("$file_size", .int8, isNullable: false), origin: .sizeBytes),
            TableColumn(field: Field("$file_modified_time", .timestamptz, isNullable: false), origin: .modified),
        ]
        let free = all.filter { !isTaken($0.field.name) }
        hidden = free.count
        columns += free
    }

    var schema: Schema { Schema(columns.dropLast(hidden).map(\.field)) }
    var hiddenColumns: [Field] { columns.suffix(hidden).map(\.field) }

    /// The value that all rows of a file have in a column, where its path and its place in a listing tell.
    func known(_ index: Int, of file: ListedFile) -> Scalar? {
        switch columns[index].origin {
        case .key(let key): file.keyValues[key]
        case .filename: .text(file.info.path.text)
        case .sizeBytes: .int8(file.info.sizeBytes)
        case .modified: Scalar(.timestamptz, .int(file.info.modified))
        case .file, .rowNumber: nil
        }
    }

    /// Where some columns of the table are in a file.
    ///
    /// `guess`: where they were in another file, tried first.
    func mapped(
        _ wanted: [Int], of file: ListedFile, footer: FileFooter, guess: inout [Int?]
    ) throws(SQLError) -> [FileColumn] {
        var result: [FileColumn] = []
        result.reserveCapacity(wanted.count)
        for index in wanted {
            let column = columns[index]
            if let value = known(index, of: file) {
                result.append(.constant(value))
                continue
            }
            switch column.origin {
            case .key, .filename, .sizeBytes, .modified: continue
            case .rowNumber: result.append(FileColumn(.rowNumber, type: .int8))
            case .file:
                let at = place(of: column.field.name, in: footer, guess[index])
                guard let at else {
                    guard mayLack else { throw missing(column.field, file.info.path) }
                    result.append(.constant(.null(column.field.type)))
                    continue
                }
                guess[index] = at
                try check(column.field, footer.fields[at], file.info.path)
                result.append(FileColumn(.file(at), type: column.field.type))
            }
        }
        return result
    }

    /// The index of a column in a file: by exact name, else without regard to case.
    func place(of name: String, in footer: FileFooter, _ guess: Int?) -> Int? {
        if let guess, footer.fields.indices.contains(guess), footer.fields[guess].name == name { return guess }
        if let exact = footer.fields.firstIndex(where: { $0.name == name }) { return exact }
        let lower = name.lowercased()
        return footer.fields.firstIndex { $0.name.lowercased() == lower }
    }

    private func check(_ wanted: Field, _ found: FileField, _ path: ObjectPath) throws(SQLError) {
        // A column that cannot be read is an error of its own when it is read.
        // Text is taken from numbers only where somebody declared it.
        let isDeclared = sample == nil && origins.isEmpty
        if found.unsupported != nil || found.type.widens(to: wanted.type, isPrinting: isDeclared) { return }
        let origin = (sample ?? origins[wanted.name]).map { "in \"\($0)\"" } ?? "in the table"
        throw SQLError(
            .datatypeMismatch,
            "column \"\(wanted.name)\" is of type \(found.type.name) in \"\(path)\" but of type "
                + "\(wanted.type.name) \(origin)",
            hint: "Declare the column with a type that holds both, such as text, or read with union_by_name => true.")
    }

    private func missing(_ field: Field, _ path: ObjectPath) -> SQLError {
        SQLError(
            .undefinedColumn,
            "column \"\(field.name)\" is not in \"\(path)\"" + (sample.map { " but in \"\($0)\"" } ?? ""),
            hint: "Read with union_by_name => true to get NULL where a file lacks a column.")
    }
}

/// The columns of several files as one.
struct ColumnUnion {
    private(set) var fields: [Field] = []
    /// The file that gave a column its type.
    private(set) var origins: [String: ObjectPath] = [:]
    private var places: [String: Int] = [:]
    /// Whether types that do not go together are an error now; else the last file's counts, and reading others is one.
    private let isStrict: Bool

    init(isStrict: Bool) { self.isStrict = isStrict }

    /// Adds a file's columns: names without regard to case, types as wide as needed.
    mutating func add(_ footer: FileFooter, _ options: ReadOptions) throws(SQLError) {
        let columns = footer.columns(options)
        var seen: [String: Int] = [:]
        for field in columns { seen[field.name.lowercased(), default: 0] += 1 }
        for field in columns {
            // Two columns of one file that differ in case only are two.
            let lower = field.name.lowercased()
            let name = seen[lower] == 1 ? lower : field.name
            guard let place = places[name] else {
                places[name] = fields.count
                fields.append(field)
                origins[field.name] = footer.info.path
                continue
            }
            let known = fields[place].name
            guard let type = ColumnUnion.wider(fields[place].type, field.type) else {
                guard isStrict else {
                    fields[place].type = field.type
                    origins[known] = footer.info.path
                    continue
                }
                throw SQLError(
                    .datatypeMismatch,
                    "column \"\(field.name)\" is of type \(field.type.name) in \"\(footer.info.path)\" but of type "
                        + "\(fields[place].type.name) in \"\(origins[known]?.text ?? "")\"",
                    hint: "Declare the column with a type that holds both, such as text, or read these files apart.")
            }
            if type != fields[place].type { origins[known] = footer.info.path }
            fields[place].type = type
        }
    }

    /// The narrowest type that holds the values of both; nil when there is none.
    static func wider(_ a: SQLType, _ b: SQLType) -> SQLType? {
        if a == b { return a }
        // Selecting what one of them cannot read is an error then, and no sooner.
        if a == .unknown || b == .unknown { return .unknown }
        // Text is no common type of numbers and words: that two files mean different things by a name must be seen.
        if a == .text || b == .text { return a.isTextual && b.isTextual ? .text : nil }
        if !a.isNested, a.widens(to: b) { return b }
        if !b.isNested, b.widens(to: a) { return a }
        if a.isFloat || b.isFloat { return a.widens(to: .float8) && b.widens(to: .float8) ? .float8 : nil }
        switch (a, b) {
        case (.array(let x), .array(let y)): return wider(x, y).map { .array($0) }
        case (.map(let key, let value), .map(let otherKey, let otherValue)):
            guard let key = wider(key, otherKey), let value = wider(value, otherValue) else { return nil }
            return .map(key: key, value: value)
        case (.row(let x), .row(let y)): return wider(x, y)
        default: break
        }
        guard let (left, scaleOfLeft) = digits(a), let (right, scaleOfRight) = digits(b) else { return nil }
        let scale = max(scaleOfLeft, scaleOfRight)
        let precision = max(left - scaleOfLeft, right - scaleOfRight) + scale
        return precision <= SQLType.precisionMax ? .decimal(precision: precision, scale: scale) : .numeric
    }

    /// The fields of both, by name.
    private static func wider(_ a: [StructField], _ b: [StructField]) -> SQLType? {
        var fields = a
        for field in b {
            guard let place = fields.place(of: field.name) else {
                fields.append(field)
                continue
            }
            guard let type = wider(fields[place].type, field.type) else { return nil }
            fields[place].type = type
        }
        return .row(fields)
    }

    private static func digits(_ type: SQLType) -> (precision: Int, scale: Int)? {
        switch type {
        case .int2: (5, 0)
        case .int4: (10, 0)
        case .int8: (19, 0)
        case .decimal(let precision, let scale): (precision, scale)
        default: nil
        }
    }
}

extension SQLType {
    /// Whether the values are bytes of text already.
    fileprivate var isTextual: Bool { isText || self == .bytea || self == .json }
}

extension FileFooter {
    /// The columns as a table shows them. Other files, now or later, may hold NULL where this one must not.
    func columns(_ options: ReadOptions) -> [Field] {
        fields.map { field in
            let isText = options.binaryAsString && field.type == .bytea
            return Field(field.name, isText ? .text : field.type)
        }
    }
}
